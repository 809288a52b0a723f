"""Exercises T1 to T4 of lesson 10, the optional tracks: forward mode, recomputing, curvature, and a race."""

from dataclasses import replace

import numpy as np
import torch

from course_lib.judge import Layer, Tolerance, reports
from course_lib.keys.engine import alike, compare, lesson, with_either
from course_lib.keys.mini import MiniTensor, run_backward  # what the wrong answers are written with
from course_lib.keys.programs import OF_TWO, Program, off_zero, random_program
from course_lib.recipes import coded

# --- T1 --------------------------------------------------------------------------------------------------------------


def on_a_list(n, steps):
    """A function of one list of n numbers that carry a slope, by the steps of a Program."""

    def f(z):
        if not isinstance(z, list | tuple) or len(z) != n:
            raise TypeError(f"f takes one list of {n} numbers")
        if all(isinstance(one, int | float | np.number | np.ndarray) for one in z):
            raise TypeError("f is for numbers that carry a slope: give it duals, not plain numbers")
        made = list(z)
        for operation, left, right in steps:
            a = made[left] if isinstance(left, int) else left
            b = made[right] if isinstance(right, int) and operation in ("+", "-", "*", "/") else right
            made.append(
                -a if operation == "neg" else a**b if operation == "**" else a + b if operation == "+"
                else a - b if operation == "-" else a * b if operation == "*" else a / b
            )  # fmt: skip
        return made[-1]

    return f


@reports(object)
def gradient_at(function, f, x):
    """forward_mode_gradient"""
    return function(f, np.array(x))


@lesson.exercise(
    number="T1", title="Forward mode, all of it", points=3, optional=True,
    minutes=40, section="10a", signature="(f, x: ndarray) -> ndarray",
    rechecks=("jvp_dual",),
    hints=(
        "A dual number is a value and a slope. What is the slope of a product, a quotient or a power, if both parts have one?",
        "One run of f gives the slope along one direction. Which directions give the entries of the gradient?",
        "A class with value and slope and the methods + − * / ** and unary −, with plain numbers on either side. For entry i the "
        "list holds duals of x, all with slope 0 but number i with 1; the slope of what f returns is entry i.",
    ),
)
def forward_mode_gradient(ask):
    """The gradient, carried forward beside the values."""

    def demand(program):
        want = np.array([float(one) for one in program.truth[1]])
        f = coded(on_a_list, len(want), [list(step) for step in program.steps], text=program.text)
        ask.using(gradient_at, f, list(program.numbers)).equals(want, "the gradient")

    def numbers(count):
        return tuple(off_zero(ask.rng) for _ in range(count))

    with ask.part("each operation, with plain numbers on either side", 2):
        for operation in OF_TWO:
            demand(Program(numbers(2), ((operation, 0, 1),)))
            demand(Program(numbers(1), ((operation, 0, off_zero(ask.rng)), (operation, off_zero(ask.rng), 1))))
        demand(Program(numbers(1), (("**", 0, 3), ("neg", 1, None))))
        demand(Program(numbers(1), (("**", 0, -2),)))
    with ask.part("longer programs of one to four numbers", 2):
        for count in (1, 2, 3, 4):
            demand(replace(random_program(ask.rng, [()] * count, 8), g=None))


class Dual:
    """A value and a slope; what the wrong ones share."""

    def __init__(self, value, slope=0.0):
        self.value, self.slope = value, slope

    def of(self, other):
        return other if isinstance(other, Dual) else type(self)(other)

    def __add__(self, other):
        other = self.of(other)
        return type(self)(self.value + other.value, self.slope + other.slope)

    def __mul__(self, other):
        other = self.of(other)
        return type(self)(self.value * other.value, self.slope * other.value + self.value * other.slope)

    def __pow__(self, n):
        return type(self)(self.value**n, n * self.value ** (n - 1) * self.slope)

    def __truediv__(self, other):
        return self * self.of(other) ** -1

    def __neg__(self):
        return self * -1.0

    def __sub__(self, other):
        return self + -self.of(other)

    def __rsub__(self, other):
        return self.of(other) - self

    def __rtruediv__(self, other):
        return self.of(other) / self

    __radd__, __rmul__ = __add__, __mul__


def _by_duals(dual, f, x):
    found = []
    for i in range(len(x)):
        result = f([dual(float(one), 1.0 if i == j else 0.0) for j, one in enumerate(x)])
        found.append(result.slope)
    return np.array(found)


@forward_mode_gradient.mistake("A4")
def product_of_slopes(f, x):
    """The slope of your product is the product of the slopes. It is a′·b + a·b′."""

    class Wrong(Dual):
        def __mul__(self, other):
            other = self.of(other)
            return Wrong(self.value * other.value, self.slope * other.slope)

        __rmul__ = __mul__

    return _by_duals(Wrong, f, x)


@forward_mode_gradient.mistake("A7")
def inner_slope_lost(f, x):
    """The slope of your power is n·aⁿ⁻¹. What is in it has a slope, too: n·aⁿ⁻¹·a′."""

    class Wrong(Dual):
        def __pow__(self, n):
            return Wrong(self.value**n, n * self.value ** (n - 1))

    return _by_duals(Wrong, f, x)


@forward_mode_gradient.mistake("A18")
def quotient_plus(f, x):
    """In your quotient the second term has the wrong sign: (a′·b − a·b′)/b²."""

    class Wrong(Dual):
        def __truediv__(self, other):
            b = self.of(other)
            return Wrong(self.value / b.value, (self.slope * b.value + self.value * b.slope) / b.value**2)

    return _by_duals(Wrong, f, x)


@forward_mode_gradient.mistake("A1")
def values_for_slopes(f, x):
    """You return what f gives, once for each number. Asked is how fast it changes along each: the slope that it carries."""
    result = f([Dual(float(one), 1.0) for one in x])
    return np.full(len(x), result.value)


@forward_mode_gradient.mistake("D4")
def all_at_once(f, x):
    """You give every number the slope 1 at once, so each entry is the sum of the whole gradient. One run for each entry: slope 1
    for that number, 0 for all others."""
    result = f([Dual(float(one), 1.0) for one in x])
    return np.full(len(x), result.slope)


# --- T2 --------------------------------------------------------------------------------------------------------------


@reports(type=str, value=object, grads=list, kept=int, calls=int)
def run_chain(function, engine, x, factors, w, g):
    """checkpointed_chain of functions t ↦ t·t·c + t·w, then run_backward with g"""
    import gc
    import weakref

    with engine(function) as parts:
        made, calls, weight = [], [0], parts.MiniTensor(w, requires_grad=True)

        def link(factor):
            def f(t):
                calls[0] += 1
                y = t * t * factor + t * weight
                made.append(weakref.ref(y))
                return y

            return f

        t = parts.MiniTensor(np.array(x), requires_grad=True)
        y = function([link(factor) for factor in factors], t)
        if not isinstance(y, parts.MiniTensor):
            return {"type": type(y).__name__, "value": None, "grads": [], "kept": 0, "calls": 0}
        kept = sum(ref() is not None for ref in made)
        if kept > len(factors) // 2:  # some may only wait to be cleared away
            gc.collect()
            kept = sum(ref() is not None for ref in made)
        parts.run_backward(y, np.array(g))
        return {"type": "MiniTensor", "value": np.array(y.data, dtype=float), "grads": [t.grad, weight.grad], "kept": kept,
                "calls": calls[0]}


@lesson.exercise(
    number="T2", title="Compute it twice, keep it once", points=3, optional=True,
    minutes=40, section="10a",
    signature="(fs: list, x: MiniTensor) -> MiniTensor",
    hints=(
        "What does the walk back need from inside of the chain? Could it be had again, from x alone?",
        "Run the chain on a tensor that records nothing, and keep only x. When g arrives, run it once more, recorded this time, "
        "and walk back through that.",
        "data: under mini_no_grad. vjp(g): fresh = MiniTensor(x.data, requires_grad=True), the chain on fresh, "
        "run_backward(…, g), and what has arrived at fresh goes on. MiniTensor.made(data, (x, vjp)).",
    ),
)
def checkpointed_chain(ask):
    """fs one after the other, keeping x only."""

    def demand(length):
        x, g = [off_zero(ask.rng) for _ in range(3)], [off_zero(ask.rng) for _ in range(3)]
        factors, w = [ask.rng.uniform(-0.2, 0.2) for _ in range(length)], ask.rng.uniform(0.7, 0.9)
        with torch.enable_grad():
            leaf, weight = (torch.tensor(one, dtype=torch.float64, requires_grad=True) for one in (x, w))
            y = leaf
            for factor in factors:
                y = y * y * factor + y * weight
            y.backward(torch.tensor(g, dtype=torch.float64))
        value, grads, weight_grad = y.detach().numpy(), leaf.grad.numpy(), weight.grad.numpy()

        def right(said):
            return alike(said["value"], value) and alike(said["grads"], [grads, weight_grad]) and said["kept"] <= length // 2

        answer = with_either(ask, run_chain, x, factors, w, g, right=right)
        said = answer.value
        if answer.reply.failure is not None:
            return answer.holds(False, "an answer")
        if said["type"] != "MiniTensor":
            return answer.holds(False, "a MiniTensor", f"you returned a {said['type']}", Layer.TYPE)
        compare(answer, said["value"], value, "the end of the chain")
        compare(answer, said["grads"][0], grads, "the gradient of x")
        compare(answer, said["grads"][1], weight_grad, "the gradient of a weight that the functions use")
        return answer

    with ask.part("the value and the gradients of the whole chain", 2):
        demand(3)
        demand(12)
    with ask.part("few results are kept until the walk back"):
        answer = demand(16)
        if answer.reply.failure is None and answer.value["type"] == "MiniTensor":
            kept = answer.value["kept"]
            answer.holds(kept <= 8, "at most half of the 16 results alive before the walk back", f"{kept} of 16 are alive",
                         Layer.METHOD)


def _recomputed(fs, x, g):
    """What arrives at x, by running the chain again."""
    fresh = MiniTensor(x.data, requires_grad=True)
    y = fresh
    for f in fs:
        y = f(y)
    run_backward(y, g)
    return fresh.grad


@checkpointed_chain.mistake("all-kept")
def all_kept(fs, x):
    """You apply one function after the other, and the graph keeps every result. Keep x only, and compute the rest again."""
    for f in fs:
        x = f(x)
    return x


@checkpointed_chain.mistake("B5")
def cut_off(fs, x):
    """Your result does not lead back to x. It needs x as a parent, with a vjp that runs the chain again."""
    for f in fs:
        x = f(MiniTensor(x.data))
    return MiniTensor(x.data)


@checkpointed_chain.mistake("D10")
def with_ones(fs, x):
    """Your vjp runs the chain again and starts with ones. It starts with what arrives, g."""
    data = all_kept(fs, x).data
    return MiniTensor.made(data, (x, lambda g: _recomputed(fs, x, np.ones_like(data))))


@checkpointed_chain.mistake("backwards")
def other_order(fs, x):
    """You apply the functions from the last to the first. fs[0] comes first."""
    data = all_kept(fs[::-1], x).data
    return MiniTensor.made(data, (x, lambda g: _recomputed(fs[::-1], x, g)))


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
        losses = [one for one in own if isinstance(one, int | float)] if isinstance(own, list | tuple) else []
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
