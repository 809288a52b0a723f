"""Cases 8.11 and 8.12 of lesson 08: a backward that is wrong and trains all the same, and three faults at once."""

import math
from dataclasses import replace

import numpy as np
import torch
import torch.nn.functional as F

from course_lib.judge import Answer, Layer, reports
from course_lib.keys.cases import CATALOGUE, fault, lesson, numbers, probe, too_strict
from course_lib.keys.lines import labels_in_any_order

# --- 8.11 wrong factor -----------------------------------------------------------------------------------------------


@lesson.exercise(
    number="8.11a", title="Wrong factor: mend it", signature="(g: Tensor[n], x: Tensor[n]) -> Tensor[n]", points=3,
    minutes=12, section="08e",
    rechecks=("my_gradcheck",),
    hints=(
        "Compare with a difference quotient of x²/(1 + x²) at x = 0.7 and at x = −1.3. Is the ratio the same at both places?",
        "The ratio is 1 + x²: always positive, so the loss still falls, and never 1 but at 0. Which rule has the "
        "denominator squared?",
        "u = x², v = 1 + x²; the quotient rule has u′v − uv′ above v². Simplify what is above, and do not forget what "
        "arrives from downstream.",
    ),
)
def fix_wrong_factor(ask):
    """The backward of x²/(1 + x²): ratio to the truth exactly 1."""
    with ask.part("what goes back, for unequal g and x from small to large", 3):
        for n in (3, 5, 4):
            g, x = numbers(ask.rng, n), numbers(ask.rng, n)
            ask(g, x).equals(g * 2 * x / (1 + x**2) ** 2, "the gradient by x")
        g, x = numbers(ask.rng, 3), np.array([0.0, 5.5, -8.25])
        ask(g, x).equals(g * 2 * x / (1 + x**2) ** 2, "the gradient by x")


@fix_wrong_factor.broken
def wrong_factor(g, x):
    return g * 2 * x / (1 + x**2)


@fix_wrong_factor.mistake("F20")
def denominator_not_squared(g, x):
    """Your gradient has the right sign everywhere, so a loss falls with it; it is too large by the factor 1 + x². In the quotient
    rule the denominator is squared."""
    return 2 * g * x / (1 + x * x)


@fix_wrong_factor.mistake("F20-half")
def two_forgotten(g, x):
    """Your gradient is half of the right one, everywhere. A loss still falls with it. Differentiate x² once more by hand."""
    return g * x / (1 + x * x) ** 2


@fix_wrong_factor.mistake("D10")
def upstream_ignored(g, x):
    """You return the local derivative alone. What arrives from downstream, g, has to be multiplied in."""
    return 2 * x / (1 + x * x) ** 2


@fix_wrong_factor.mistake("sign")
def rule_turned_round(g, x):
    """The sign is wrong everywhere: in the quotient rule u′v comes first, and uv′ is subtracted."""
    return -2 * g * x / (1 + x * x) ** 2


@fix_wrong_factor.mistake("quotient-sum")
def quotient_rule_with_plus(g, x):
    """You added the two terms of the quotient rule. The second is subtracted: u′v − uv′."""
    return g * (2 * x * (1 + x * x) + 2 * x**3) / (1 + x * x) ** 2


@fix_wrong_factor.mistake("A1")
def value_times_g(g, x):
    """You multiplied g with the value. A backward multiplies with the derivative."""
    return g * x * x / (1 + x * x)


@fix_wrong_factor.mistake("no-denominator")
def denominator_left_out(g, x):
    """You have what stands above the line in the quotient rule. It is divided by (1 + x²)²."""
    return 2 * g * x


fault(
    "8.11b", "wrong_factor", "Wrong factor: name it", ("F20",),
    {"D3": "Nothing is summed here: the function treats each entry by itself.",
     "B12": "Nothing is edited.",
     "C1": "Nothing is added up over several calls.",
     "E10": "Nothing is undefined here: the denominator is at least 1."},
    ("How did this code get through its author's test, a training run?",
     "A positive factor changes the length of a step and not whether it goes downhill.",
     "Look for the line of the table that speaks of a loss going down."),
)


def wrong_factor_right_formula(g, x):
    """by formula"""
    return g * 2 * x / (1 + x**2) ** 2


def wrong_factor_right_autograd(g, x):
    """by autograd"""
    with torch.enable_grad():  # a probe may call this inside of a backward
        leaf = x.detach().clone().requires_grad_()
        return torch.autograd.grad(leaf**2 / (1 + leaf**2), leaf, g.detach())[0]


def wrong_factor_right_difference(g, x):
    """by the rewritten formula, rounded otherwise"""
    s = 1 / (1 + x * x)
    return (s * 3.0) * (s / 3.0) * x * g * 2


def wrong_factor_handed(g, x):
    """the denominator is not squared"""
    return g * 2 * x / (1 + x**2)


def wrong_factor_half(g, x):
    """half of the gradient"""
    return g * x / (1 + x**2) ** 2


def wrong_factor_deaf(g, x):
    """what arrives is ignored"""
    return 2 * x / (1 + x**2) ** 2


def wrong_factor_negative(g, x):
    """the sign is turned"""
    return -2 * g * x / (1 + x**2) ** 2


probe_wrong_factor = probe(
    "8.11c", "wrong_factor", "Wrong factor: your test",
    (wrong_factor_right_formula, wrong_factor_right_autograd, wrong_factor_right_difference), wrong_factor_handed,
    (wrong_factor_half, wrong_factor_deaf, wrong_factor_negative),
    ("What does not count as a test: that a loss falls. What does?",
     "A difference quotient of Σ g·x²/(1 + x²), or the formula, at several x that are not near 0 and with unequal g.",
     "y(x) = x²/(1 + x²); (y(x + h) − y(x − h))/(2h) with h = 1e-5 in float64, times g, against candidate(g, x) with "
     "torch.testing.assert_close and rtol=1e-6."),
    minutes=8,
)


def _saturating(x):
    return x * x / (1 + x * x)


@too_strict(probe_wrong_factor)
def same_bits(candidate):
    x = torch.linspace(-2.9, 3.1, 60, dtype=torch.float64)
    g = x.cos() + 0.3
    assert torch.equal(candidate(g, x), g * 2 * x / (1 + x**2) ** 2)


@probe_wrong_factor.mistake("F20")
def loss_falls(candidate):
    """Your probe looks whether steps along the gradient go downhill. They do with any positive factor: compare numbers."""
    x = torch.tensor([0.7, -1.3, 2.1], dtype=torch.float64)
    before = _saturating(x).sum()
    for _ in range(5):
        x = x - 0.05 * candidate(torch.ones_like(x), x)
    assert _saturating(x).sum() < before


@probe_wrong_factor.mistake("D10")
def ones_arrive(candidate):
    """You test with g = 1. A backward that ignores what arrives passes that test: use unequal weights."""
    x = torch.tensor([0.7, -1.3, 2.1], dtype=torch.float64)
    torch.testing.assert_close(candidate(torch.ones_like(x), x), 2 * x / (1 + x * x) ** 2)


@probe_wrong_factor.mistake("near-zero")
def small_numbers(candidate):
    """You test near x = 0, where 1 + x² is nearly 1 and its power makes no difference. Go where the terms differ."""
    g, x = torch.tensor([0.6, -1.7], dtype=torch.float64), torch.tensor([1e-3, -2e-3], dtype=torch.float64)
    assert torch.allclose(candidate(g, x), g * 2 * x / (1 + x * x) ** 2, rtol=1e-3, atol=0)


# --- 8.12 three faults -----------------------------------------------------------------------------------------------


def _problem(rng, N=7, n=3, k=4, C=3):
    weights = [0.5 * numbers(rng, k, n), 0.2 * numbers(rng, k), 0.6 * numbers(rng, C, k), 0.2 * numbers(rng, C)]
    return weights, numbers(rng, N, n), np.array([rng.randrange(C) for _ in range(N)])


def _trained(weights, X, y, steps, lr=0.5):
    """The losses of plain gradient descent, by the formulas, in NumPy."""
    W1, b1, W2, b2 = (np.array(w) for w in weights)
    losses, rows = [], np.arange(len(y))
    for _ in range(steps):
        hidden = np.tanh(X @ W1.T + b1)
        z = hidden @ W2.T + b2
        p = np.exp(z - z.max(1, keepdims=True))
        p /= p.sum(1, keepdims=True)
        losses.append(float(-np.log(p[rows, y]).mean()))
        dz = (p - np.eye(p.shape[1])[y]) / len(y)
        dh = dz @ W2 * (1 - hidden**2)
        W2, b2 = W2 - lr * dz.T @ hidden, b2 - lr * dz.sum(0)
        W1, b1 = W1 - lr * dh.T @ X, b1 - lr * dh.sum(0)
    return losses


@reports(losses=object, kept=bool)
def weights_watched(run, weights, X, y, steps):
    """your function trains, and the weights it was given are looked at afterwards"""
    before = [w.clone() for w in weights]
    losses = run(weights, X, y, steps)
    kept = all(not w.requires_grad and torch.equal(w, old) for w, old in zip(weights, before, strict=True))
    return {"losses": losses, "kept": kept}


@lesson.exercise(
    number="8.12a", title="Three faults at once: mend them",
    signature="(weights: list[Tensor], X: Tensor[N, n], y: LongTensor[N], steps: int) -> list[float]", points=3, minutes=15,
    section="08e",
    rechecks=("fix_double_softmax",),
    hints=(
        "One fault is loud: read which line the message points at, and print w.is_leaf there in the second step. When it is "
        "gone, compare the first loss, and then the third, with what you expect.",
        "Loud: the update makes results out of leaves. Silent in the first loss: what does cross_entropy do by itself? Silent "
        "from the third loss on: what is in .grad when the second backward comes?",
        "Give cross_entropy the logits. Update each w in place under torch.no_grad(), and then set w.grad to None before the "
        "next walk back.",
    ),
)
def fix_triple_fault(ask):
    """The losses of gradient descent with step 0.5, before each update."""
    with ask.part("every loss of several runs", 3):
        for steps in (5, 4, 6):
            weights, X, y = _problem(ask.rng)
            answer = ask.using(weights_watched, weights, X, y, steps)
            losses = answer.value["losses"] if answer.value else None
            Answer(ask, replace(answer.reply, value=losses), answer.args).equals(_trained(weights, X, y, steps), "the loss")
            answer.holds(not answer.value or answer.value["kept"], "weights that stay as they are",
                         "the weights that were handed in have changed (numbers or requires_grad)", layer=Layer.SIDE_EFFECT)


@fix_triple_fault.broken
def triple_fault(weights, X, y, steps):
    params = [w.detach().clone().requires_grad_() for w in weights]
    losses = []
    for _ in range(steps):
        W1, b1, W2, b2 = params
        hidden = torch.tanh(X @ W1.T + b1)
        p = torch.softmax(hidden @ W2.T + b2, dim=1)
        loss = F.cross_entropy(p, y)
        losses.append(loss.item())
        loss.backward()
        params = [w - 0.5 * w.grad for w in params]
    return losses


def _run(weights, X, y, steps, softmax=False, clear=True, late=False, rebind=None, copy=True):
    params = [w.detach().clone().requires_grad_() for w in weights] if copy else weights
    losses = []

    def loss_now():
        W1, b1, W2, b2 = params
        z = torch.tanh(X @ W1.T + b1) @ W2.T + b2
        return F.cross_entropy(torch.softmax(z, 1) if softmax else z, y)

    for _ in range(steps):
        loss = loss_now()
        if not late:
            losses.append(loss.item())
        loss.backward()
        with torch.set_grad_enabled(rebind == "tracked"):
            if rebind:
                params = [w - 0.5 * w.grad for w in params]
            else:
                for w in params:
                    w.sub_(0.5 * w.grad)
                    if clear:
                        w.grad = None
        if late:
            losses.append(loss_now().item())
    return losses


@fix_triple_fault.mistake("F5")
def result_instead_of_leaf(weights, X, y, steps):
    """After the first update the weights are results and no leaves, so their .grad is None in the second step. Update the
    leaves in place, under no_grad."""
    return _run(weights, X, y, steps, softmax=True, rebind="tracked")


@fix_triple_fault.mistake("F5-untracked")
def result_without_graph(weights, X, y, steps):
    """Under no_grad, w - lr * w.grad is a new tensor that is not tracked, so the second step has nothing to walk back to.
    Change the old tensors in place instead."""
    return _run(weights, X, y, steps, rebind="untracked")


@fix_triple_fault.mistake("F1")
def never_cleared(weights, X, y, steps):
    """The first two losses are right, and from the third on yours differ: .grad still holds the gradients of earlier steps. Clear
    it after each update."""
    return _run(weights, X, y, steps, clear=False)


@fix_triple_fault.mistake("E5")
def softmax_before_cross_entropy(weights, X, y, steps):
    """The very first loss is wrong already: cross_entropy applies softmax by itself, and it was given probabilities."""
    return _run(weights, X, y, steps, softmax=True)


@fix_triple_fault.mistake("E5-uncleared")
def both_silent_faults(weights, X, y, steps):
    """It runs, and two silent faults are left. One shows in the first loss (what does cross_entropy expect?), one from the third
    on (what is in .grad?)."""
    return _run(weights, X, y, steps, softmax=True, clear=False)


@fix_triple_fault.mistake("shared")
def weights_of_the_caller(weights, X, y, steps):
    """The losses are right, and you trained on the caller's own numbers: .detach() alone shares them. Make a copy, .clone()."""
    params = [w.detach().requires_grad_() for w in weights]
    return _run(params, X, y, steps, copy=False)


@fix_triple_fault.mistake("late")
def noted_after_the_update(weights, X, y, steps):
    """Your losses lie one step ahead: each is to be noted before its update."""
    return _run(weights, X, y, steps, late=True)


TRIPLE = {"E5", "F1", "F5"}


@lesson.exercise(
    number="8.12b", title="Three faults at once: name them", signature="list[str]", kind="choice", points=1, minutes=3,
    section="08e",
    hints=(
        "One is about the loss, one about the update, one about what is left in .grad.",
        "The one about .grad cannot be seen as the code stands: it shows as soon as the update is mended in place.",
        "Look for the lines of the table that speak of cross_entropy, of zero_grad and of w = w − lr·w.grad.",
    ),
)
def fault_triple_fault(ask):
    """The three ideas behind the faults, in any order."""
    with ask.part("three ideas", 1):
        answer = ask()
        said = labels_in_any_order(answer.value)
        known = len(set(said)) == len(said) == 3 and all(one in CATALOGUE for one in said)
        answer.holds(known, "a list of three different ids of the table", layer=Layer.TYPE)
        if known:
            hits = len(TRIPLE & set(said))
            answer.holds(hits == 3, "all three have to be", f"{hits} of your 3 are in this code",
                         layer=Layer.VALUE)


def _wrong_three(id, others, sentence):
    fault_triple_fault.wrong_value(id, [id, *others], sentence, read=lambda value: set(labels_in_any_order(value)))


_wrong_three("C1", ["E5", "F5"], "Near: .grad does add up. Another line of the table says what a training loop makes of that.")
_wrong_three("B10", ["E5", "F1"], "Near: leaves are lost. Here it is not a cast but the update that replaces them.")
_wrong_three("E4", ["F1", "F5"], "softmax runs over the right dim here. Look at what its result is handed to.")
_wrong_three("B8", ["E5", "F1"], "That is how the loud fault shows. The idea asked for is the one that put the weights there.")


def triple_fault_right_in_place(weights, X, y, steps):
    """updates in place"""
    params = [w.detach().clone().requires_grad_() for w in weights]
    losses = []
    for _ in range(steps):
        W1, b1, W2, b2 = params
        loss = F.cross_entropy(torch.tanh(X @ W1.T + b1) @ W2.T + b2, y)
        losses.append(loss.item())
        loss.backward()
        with torch.no_grad():
            for w in params:
                w -= 0.5 * w.grad
                w.grad = None
    return losses


def triple_fault_right_optimiser(weights, X, y, steps):
    """by torch.optim.SGD"""
    params = [w.detach().clone().requires_grad_() for w in weights]
    optimiser = torch.optim.SGD(params, lr=0.5)
    losses = []
    for _ in range(steps):
        W1, b1, W2, b2 = params
        loss = F.cross_entropy(torch.tanh(X @ W1.T + b1) @ W2.T + b2, y)
        losses.append(loss.item())
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return losses


def triple_fault_right_functional(weights, X, y, steps):
    """by new leaves in each step, rounded otherwise"""
    params = [w.detach().clone() for w in weights]
    losses = []
    for _ in range(steps):
        params = [w.requires_grad_() for w in params]
        W1, b1, W2, b2 = params
        z = torch.tanh(X @ W1.T + b1) @ W2.T + b2
        loss = (torch.logsumexp(z, 1) - z[torch.arange(len(y)), y]).sum() / len(y)
        losses.append(loss.item())
        grads = torch.autograd.grad(loss, params)
        params = [(w - 0.5 * g).detach() for w, g in zip(params, grads, strict=True)]
    return losses


def triple_fault_uncleared(weights, X, y, steps):
    """.grad is never cleared"""
    params = [w.detach().clone().requires_grad_() for w in weights]
    losses = []
    for _ in range(steps):
        W1, b1, W2, b2 = params
        loss = F.cross_entropy(torch.tanh(X @ W1.T + b1) @ W2.T + b2, y)
        losses.append(loss.item())
        loss.backward()
        with torch.no_grad():
            for w in params:
                w -= 0.5 * w.grad
    return losses


def triple_fault_probabilities(weights, X, y, steps):
    """cross_entropy is given probabilities"""
    params = [w.detach().clone().requires_grad_() for w in weights]
    losses = []
    for _ in range(steps):
        W1, b1, W2, b2 = params
        loss = F.cross_entropy(torch.softmax(torch.tanh(X @ W1.T + b1) @ W2.T + b2, dim=1), y)
        losses.append(loss.item())
        grads = torch.autograd.grad(loss, params)
        params = [(w - 0.5 * g).detach().requires_grad_() for w, g in zip(params, grads, strict=True)]
    return losses


def triple_fault_standing(weights, X, y, steps):
    """the weights never move"""
    W1, b1, W2, b2 = weights
    loss = F.cross_entropy(torch.tanh(X @ W1.T + b1) @ W2.T + b2, y)
    return [loss.item()] * steps


probe_triple_fault = probe(
    "8.12c", "triple_fault", "Three faults at once: your test",
    (triple_fault_right_in_place, triple_fault_right_optimiser, triple_fault_right_functional), triple_fault_uncleared,
    (triple_fault_probabilities, triple_fault_standing),
    ("Which losses does a single step settle, and which need three?",
     "Write a plain reference loop of your own, with torch.autograd.grad and new leaves in each step, and compare all losses "
     "of at least four steps.",
     "Small unequal weights, X of shape (5, 3), y with all classes; torch.testing.assert_close(losses, reference) compares "
     "two lists of floats."),
    minutes=10,
)


def _small():
    def spread(*shape):
        return torch.linspace(-1.1, 1.4, math.prod(shape), dtype=torch.float64).mul(5).sin().reshape(shape)

    return [spread(4, 3), spread(4), spread(3, 4), spread(3)], spread(5, 3), torch.tensor([0, 2, 1, 1, 2])


@probe_triple_fault.mistake("F20")
def losses_fall(candidate):
    """Your probe asks only whether the loss falls. It falls with several of these faults: compare the losses with a reference."""
    losses = candidate(*_small(), 4)
    assert losses[-1] < losses[0]


@probe_triple_fault.mistake("two-steps")
def two_losses(candidate):
    """You compare two losses. A gradient that is not cleared shows from the third loss on: the second update is the first
    that suffers."""
    torch.testing.assert_close(candidate(*_small(), 2), triple_fault_right_optimiser(*_small(), 2))


@probe_triple_fault.mistake("first-loss")
def start_only(candidate):
    """You compare the first loss alone: it is noted before any update, so no fault of the update can show in it."""
    torch.testing.assert_close(candidate(*_small(), 3)[0], triple_fault_right_optimiser(*_small(), 1)[0])


@too_strict(probe_triple_fault)
def same_floats(candidate):
    assert candidate(*_small(), 12) == triple_fault_right_optimiser(*_small(), 12)
