"""Exercises T3 and T4 of lesson 10, optional tracks: how curved a loss is, and a race down a hill."""

import numpy as np
import torch

from course_lib.judge import Layer, Tolerance, reports
from course_lib.keys.engine import lesson
from course_lib.keys.programs import off_zero
from course_lib.recipes import coded
from course_lib.values import number_of

# --- T3 --------------------------------------------------------------------------------------------------------------

ABOUT = Tolerance(rtol=1e-3)  # what a power iteration of a hundred steps gives where eigenvalues lie 1 : 0.8


def rippled_bowl(A, c, sizes):
    """A function that makes (loss, params): loss() = ½pᵀAp + Σ c·cos(pᵢ), p all parameters in a row; float64."""
    import math

    def make():
        A_, params = torch.tensor(A, dtype=torch.float64), []
        for size in sizes:
            params.append((torch.arange(math.prod(size), dtype=torch.float64).reshape(size) * 0.1 - 0.2).requires_grad_())

        def loss():
            p = torch.cat([one.reshape(-1) for one in params])
            return 0.5 * p @ A_ @ p + c * torch.cos(p).sum()

        return loss, params

    return make


@reports(list)
def spectrum_of(function, problem, k):
    """hessian_spectrum of a loss, and whether the parameters are as they were"""
    loss, params = problem()
    before = [one.detach().clone() for one in params]
    found = function(loss, params, k)
    return [found, all(torch.equal(a, b) for a, b in zip(before, params, strict=True))]


def _problem(rng, sizes, eigenvalues):
    """(recipe, eigenvalues of the Hessian there by size) for these eigenvalues of A."""
    n = sum(int(np.prod(size)) for size in sizes)
    random = np.random.default_rng(rng.randrange(2**32))
    Q = np.linalg.qr(random.normal(size=(n, n)))[0]
    A, c = Q @ np.diag(eigenvalues) @ Q.T, 0.3
    p = np.concatenate([np.arange(np.prod(size)) * 0.1 - 0.2 for size in sizes])
    spectrum = np.linalg.eigvalsh(A - c * np.diag(np.cos(p)))
    text = f"½pᵀAp + {c}·Σcos(pᵢ), {n} parameters in {len(sizes)} tensors"
    return coded(rippled_bowl, A.tolist(), c, [list(size) for size in sizes], text=text), np.sort(spectrum)[::-1]


@lesson.exercise(
    number="T3", title="How curved is it?", points=3, optional=True,
    minutes=40, section="10b",
    signature="(loss, params: list[Tensor], k: int) -> list[float]", rechecks=("hvp_at", "curvature_along"),
    hints=(
        "A matrix that you cannot write down, but multiply with any vector: how would you find its largest eigenvalue?",
        "Start with a random direction, multiply, normalise, and again: it turns to the eigenvector of the largest eigenvalue. "
        "For the next one, take out of the direction what lies along those found.",
        "gradients with create_graph=True, once. H·v: autograd.grad of the gradients, with v as what arrives and "
        "retain_graph=True. The eigenvalue is vᵀHv for the direction v of length 1; a few hundred rounds are cheap.",
    ),
)
def hessian_spectrum(ask):
    """The k largest eigenvalues of the Hessian, by products with vectors."""

    def demand(sizes, eigenvalues, k):
        problem, spectrum = _problem(ask.rng, sizes, eigenvalues)
        answer = ask.using(spectrum_of, problem, k)
        if answer.reply.failure is not None:
            return answer.holds(False, "an answer")
        answer.holds_value(answer.value[0], list(spectrum[:k]), "an eigenvalue", ABOUT)
        return answer.holds(answer.value[1], "parameters as they were", "your function changed the parameters", Layer.SIDE_EFFECT)

    with ask.part("the largest eigenvalue", 1):
        demand([(4,)], [7.0, 4.0, 2.0, 1.0], 1)
        demand([(2, 3), (2,)], [9.0, 5.0, 3.0, 2.0, 1.5, 1.2, 1.0, 0.8], 1)
    with ask.part("several, the largest first", 2):
        demand([(3, 2), (2,)], [9.0, 6.0, 4.0, 2.5, 1.5, 1.2, 1.0, 0.8], 3)
        demand([(4,)], [8.0, 5.0, 3.0, 1.5], 4)


def _whole_hessian(loss, params):
    grads = torch.cat([g.reshape(-1) for g in torch.autograd.grad(loss(), params, create_graph=True)])
    rows = [torch.cat([g.reshape(-1) for g in torch.autograd.grad(g, params, retain_graph=True)]) for g in grads]
    return torch.stack(rows).detach()


@hessian_spectrum.mistake("smallest-first")
def from_below(loss, params, k):
    """Your eigenvalues begin with the smallest. The k largest were asked for, the largest first."""
    return torch.linalg.eigvalsh(_whole_hessian(loss, params))[:k].tolist()


@hessian_spectrum.mistake("A16")
def one_tensor_only(loss, params, k):
    """You leave out how one parameter tensor bends with another: the Hessian goes over all parameters together, in a row."""
    found = [torch.linalg.eigvalsh(_whole_hessian(loss, [one])) for one in params]
    values = torch.cat(found).sort(descending=True).values
    return values[:k].tolist()


@hessian_spectrum.mistake("squared")
def of_the_square(loss, params, k):
    """That is the length of H·v after two products, the eigenvalue squared."""
    return (torch.linalg.eigvalsh(_whole_hessian(loss, params)).flip(0)[:k] ** 2).tolist()


@hessian_spectrum.mistake("the-same")
def largest_again(loss, params, k):
    """You find the largest eigenvalue every time. For the next one, take out of the direction what lies along those found
    before, in every round."""
    return [torch.linalg.eigvalsh(_whole_hessian(loss, params))[-1].item()] * k


@hessian_spectrum.mistake("upwards")
def largest_last(loss, params, k):
    """Your eigenvalues are the right ones, in the order from small to large. The largest comes first."""
    return torch.linalg.eigvalsh(_whole_hessian(loss, params))[-k:].tolist()


# --- T4 --------------------------------------------------------------------------------------------------------------

RULES = ("sgd", "momentum", "adam", "own")


def tilted_bowl(a, b, c, x0, y0):
    """f(p) = a·u² + b·v² + c·u·v + 0.1·u⁴, with (u, v) = p − (x0, y0)."""

    def f(p):
        u, v = p[0] - x0, p[1] - y0
        return a * u**2 + b * v**2 + c * u * v + 0.1 * u**4

    return f


@reports(object)
def race_of(function, f, start, steps):
    """optimiser_race"""
    return function(f, start, steps)


def _reference(parameters, start, steps):
    """Losses before each step and after the last of SGD, momentum and Adam at lr 0.05, by NumPy."""
    a, b, c, x0, y0 = parameters

    def loss_and_gradient(p):
        u, v = p - np.array([x0, y0])
        return a * u**2 + b * v**2 + c * u * v + 0.1 * u**4, np.array([2 * a * u + c * v + 0.4 * u**3, 2 * b * v + c * u])

    found = {}
    for rule in ("sgd", "momentum", "adam"):
        p, m, s, losses = np.array(start, dtype=float), np.zeros(2), np.zeros(2), []
        for t in range(1, steps + 1):
            loss, g = loss_and_gradient(p)
            losses.append(loss)
            if rule == "sgd":
                p = p - 0.05 * g
            elif rule == "momentum":
                m = 0.9 * m + g
                p = p - 0.05 * m
            else:
                m, s = 0.9 * m + 0.1 * g, 0.999 * s + 0.001 * g**2
                p = p - 0.05 * (m / (1 - 0.9**t)) / (np.sqrt(s / (1 - 0.999**t)) + 1e-8)
        found[rule] = [*losses, loss_and_gradient(p)[0]]
    return found


@lesson.exercise(
    number="T4", title="A race", points=3, optional=True,
    minutes=30, section="10b",
    signature="(f, start: Tensor[2], steps: int) -> dict", rechecks=("sgd_step", "HandMomentum", "HandAdam"),
    hints=(
        "Which of the four may share a point, a gradient or an optimiser? What does that say about where each is made?",
        "One loop for each rule: loss, note it, clear, backward, step. At the end the loss once more.",
        "For each name a fresh p = start.clone().requires_grad_() and its optimiser: torch.optim.SGD, SGD with momentum=0.9, "
        "torch.optim.Adam, all with lr=0.05. For \"own\" write the step yourself under no_grad.",
    ),
)
def optimiser_race(ask):
    """Losses of SGD, momentum, Adam and a rule of one's own from one start."""

    def question(steps):
        parameters = (ask.rng.uniform(0.4, 1.5), ask.rng.uniform(0.4, 1.5), ask.rng.uniform(-0.3, 0.3), off_zero(ask.rng),
                      off_zero(ask.rng))
        start = np.array([-off for off in parameters[3:]]) * ask.rng.uniform(0.8, 1.2)
        answer = ask.using(race_of, coded(tilted_bowl, *parameters, text="a tilted bowl"), start, steps)
        return answer, _reference(parameters, start, steps)

    with ask.part("SGD, momentum and Adam, a loss before each step and after the last", 2):
        for steps in (1, 12):
            answer, want = question(steps)
            answer.equals(want, "the losses of")
    with ask.part("a rule of your own that gets somewhere"):
        answer, want = question(20)
        said = answer.value
        own = said.get("own") if isinstance(said, dict) else None
        found = [number_of(one) for one in own] if isinstance(own, list | tuple) else []
        losses = [one for one in found if one is not None]
        answer.holds(isinstance(said, dict) and "own" in said, "a dict with an entry for own", layer=Layer.TYPE)
        answer.holds(len(losses) == 21, "21 losses of \"own\" for 20 steps, as floats", f"there are {len(losses)}", Layer.TYPE)
        if len(losses) == 21:
            answer.holds(abs(losses[0] - want["sgd"][0]) < 1e-4 and losses[-1] < losses[0],
                         "a race from the same start that ends lower", "your own rule starts elsewhere or ends no lower")


def _race(f, start, steps, *, zero=True, late=False, last=True, lr=0.05, shared=False):
    found = {}
    held = start.clone().requires_grad_()
    for rule in RULES:
        p = held if shared else start.clone().requires_grad_()
        optimiser = (torch.optim.Adam([p], lr=lr) if rule == "adam"
                     else torch.optim.SGD([p], lr=lr, momentum=0.9 if rule == "momentum" else 0.0))
        losses = []
        for _ in range(steps):
            if zero:
                optimiser.zero_grad()
            loss = f(p)
            loss.backward()
            if not late:
                losses.append(loss.item())
            optimiser.step()
            if late:
                losses.append(f(p).item())
        found[rule] = losses + ([f(p).item()] if last else [])
    return found


@optimiser_race.mistake("F1")
def never_cleared(f, start, steps):
    """Your gradients are never cleared, so each step adds all that came before. Plain SGD then looks like momentum without
    end."""
    return _race(f, start, steps, zero=False)


@optimiser_race.mistake("one-too-few")
def last_forgotten(f, start, steps):
    """The loss after the last step is missing: steps + 1 losses for each rule."""
    return _race(f, start, steps, last=False)


@optimiser_race.mistake("shared")
def one_point_for_all(f, start, steps):
    """Your rules all move the same point, so each begins where the one before has stopped. Each needs a copy of start."""
    return _race(f, start, steps, shared=True)


@optimiser_race.mistake("rate")
def another_rate(f, start, steps):
    """Your learning rate is 0.01 and not 0.05."""
    return _race(f, start, steps, lr=0.01)
