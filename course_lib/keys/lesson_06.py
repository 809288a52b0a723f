"""Lesson 06, sensitivity of relu, sigmoid and softmax: the key of its exercises and how people go wrong."""

import numpy as np
import torch
import torch.nn.functional as F

from course_lib.exercise import Lesson
from course_lib.judge import Layer, Tolerance, show
from course_lib.keys import quiz_06
from course_lib.keys.networks import classifier, model_of
from course_lib.observe import Array, Leaf, weights
from course_lib.recipes import coded
from course_lib.vectors import point

lesson = Lesson("06", "Sensitivity", quiz_06)


def _numbers(rng, *shape, most=2.0):
    """Numbers between −most and most, none of them near 0."""
    values = [rng.choice((-1, 1)) * rng.uniform(0.2, most) for _ in range(int(np.prod(shape)))]
    return np.array(values).reshape(shape)


def _softmax(z, axis=-1):
    raised = np.exp(z - z.max(axis, keepdims=True))
    return raised / raised.sum(axis, keepdims=True)


# --- 6.1 and 6.2 -----------------------------------------------------------------------------------------------------


@lesson.exercise(
    number="6.1", title="The gate of relu", signature="(g: Tensor[n], x: Tensor[n]) -> Tensor[n]", points=1, minutes=5,
    section="06a",
    hints=(
        "Take a single entry. If x is above 0, what does relu do with a small change of x? And if x is below 0?",
        "Above 0 the slope is 1, below 0 it is 0. What arrives from above is multiplied with that slope.",
        "x > 0 is a tensor of True and False; made into numbers it is the slope at every entry. It multiplies g.",
    ),
)
def relu_backward(ask):
    """g times the slope of relu."""
    with ask.part("g where the gate is open, 0 where it is shut", 3):
        for n in (5, 4):
            x, g = point(ask.rng, n), _numbers(ask.rng, n)
            x[:4] = 0.05, -0.05, abs(x[2]) + 0.3, -abs(x[3]) - 0.3  # both sides, near 0 and far, whatever the seed
            g[:4] = abs(g[0]), abs(g[1]), -abs(g[2]), -abs(g[3])  # and both signs through an open gate
            ask(g, x).equals(g * (x > 0), "what passes")
    with ask.part("at x = 0: g times one number between 0 and 1"):
        g, x = _numbers(ask.rng, 5), np.array([0.0, 1.4, 0.0, -0.6, 0.0])
        _one_factor_at_ties(ask(g, x), g, x)


def _one_factor_at_ties(answer, g, x):
    """At every tie the same factor in [0, 1]: 0 is what F.relu does, 0.5 and 1 are conventions of other functions."""
    value = answer.value
    usable = isinstance(value, Array) and value.numbers.shape == x.shape
    got = value.numbers.astype(float) if usable else g
    factors = got[x == 0] / g[x == 0]
    factor = float(factors[0]) if np.isfinite(factors[0]) else 0.0
    answer.equals(np.where(x == 0, np.clip(factor, 0, 1) * g, g * (x > 0)), "what passes")


@relu_backward.mistake("D10")
def arriving_gradient_ignored(g, x):
    """You returned the slope of relu alone. A backward multiplies it with what arrives, g."""
    return (x > 0).to(x.dtype)


@relu_backward.mistake("gate-of-g")
def gate_looks_at_gradient(g, x):
    """Your gate looks at g. Whether relu lets something through was decided by x, on the way forward."""
    return g * (g > 0)


@relu_backward.mistake("two-gates")
def both_gates(g, x):
    """You let only positive g through an open gate. An open gate passes everything, negative gradients too."""
    return torch.relu(g) * (x > 0)


@relu_backward.mistake("A1")
def value_times_gradient(g, x):
    """You multiplied with the value of relu. Its slope is 1 or 0, however large x is."""
    return g * torch.relu(x)


@relu_backward.mistake("sign")
def sign_of_x(g, x):
    """Below 0 you let −g through. relu is flat there, so nothing passes."""
    return g * torch.sign(x)


@relu_backward.mistake("E1")
def zero_by_zero(g, x):
    """Away from 0 you are right. At 0 your formula divides 0 by 0; agree on a number between 0 and 1 there."""
    return g * (1 + x / x.abs()) / 2


@lesson.exercise(
    number="6.2", title="The slope of the sigmoid, out to the ends", signature="(z: Tensor[n]) -> Tensor[n]", points=1,
    minutes=8, section="06b",
    hints=(
        "What is 1 − σ(40) in float64? Print it. What should it be?",
        "σ(40) rounds to 1, so 1 − σ(40) loses everything. But 1 − σ(z) is also σ of something, and that one does not round "
        "to 0.",
        "1 − σ(z) = σ(−z). Put that into σ′ = σ·(1 − σ).",
    ),
)
def sigmoid_slope(ask):
    """σ′ from σ alone, without losing the small ends."""
    tiny = Tolerance(rtol=1e-5, scale=1e-30)
    with ask.part("the slope at ordinary places", 2):
        z = _numbers(ask.rng, 6, most=4.0)
        ask(z).equals(_slope_of_sigmoid(z), "σ′", tiny)
    with ask.part("at ±40 it is small, not 0"):
        z = np.array([40.0, -40.0, 30.5, -30.5])
        answer = ask(z)
        answer.equals(_slope_of_sigmoid(z), "σ′", tiny)
    with ask.part("at ±800 it is a number"):
        z = np.array([800.0, -800.0, 0.0])
        ask(z).equals(np.array([0.0, 0.0, 0.25]), "σ′")


def _slope_of_sigmoid(z):
    """e^−|z| / (1 + e^−|z|)²: the same on both sides, and no large number in it."""
    e = np.exp(-np.abs(z))
    return e / (1 + e) ** 2


def _zero_at_an_end(transcript):
    """Right at ordinary places, and exactly 0 at one of the far ends, where the slope is small."""
    (_, (near,), first), (_, (far,), second), *_ = transcript
    if not (isinstance(first.value, Array) and isinstance(second.value, Array)):
        return False
    right = first.value.numbers.shape == near.shape and np.allclose(first.value.numbers, _slope_of_sigmoid(near), rtol=1e-4)
    return right and second.value.numbers.shape == far.shape and bool((second.value.numbers == 0).any())


@sigmoid_slope.mistake("E3", recognise=_zero_at_an_end)
def one_minus_rounds_away(z):
    """At one end your slope is exactly 0. Where σ has rounded to 1, 1 − σ keeps nothing of what is left, about 4·10⁻¹⁸. Autograd
    computes it in the same way and gets 0, too."""
    s = torch.sigmoid(z)
    return s * (1 - s)


@sigmoid_slope.mistake("E12")
def exp_overflows(z):
    """At −800 your formula makes inf/inf: e⁸⁰⁰ is more than float64 holds. Use σ, which never gets large."""
    e = torch.exp(-z)
    return e / (1 + e) ** 2


@sigmoid_slope.mistake("A1")
def value_of_sigmoid(z):
    """That is σ itself. The question is for its slope."""
    return torch.sigmoid(z)


@sigmoid_slope.mistake("tanh-rule")
def rule_of_tanh(z):
    """1 − s² is the rule for tanh. For the sigmoid it is s·(1 − s)."""
    return 1 - torch.sigmoid(z) ** 2


@sigmoid_slope.mistake("z-for-s")
def input_in_place_of_sigma(z):
    """You put z into s·(1 − s). The s there is σ(z)."""
    return z * (1 - z)


# --- 6.3 and 6.4 -----------------------------------------------------------------------------------------------------


@lesson.exercise(
    number="6.3", title="The Jacobian of softmax", signature="(z: Tensor[C], temperature: float = 1.0) -> Tensor[C, C]",
    points=2, minutes=10, section="06c",
    hints=(
        "If z₀ is raised, p₀ rises, and the others must pay for it. How much does each pay?",
        "∂pᵢ/∂zⱼ is pᵢ·(1 − pᵢ) for i = j and −pᵢ·pⱼ otherwise. And z/T changes by 1/T when z changes by 1.",
        "torch.diag(p) is the first piece, torch.outer(p, p) what is taken away, with p of z/T; all of it over T.",
    ),
)
def softmax_jacobian(ask):
    """(diag(p) − p pᵀ)/T with p = softmax(z/T)."""
    with ask.part("every entry, without a temperature", 2):
        for n in (3, 4):
            z = point(ask.rng, n)
            ask(z).equals(_softmax_jacobian(z, 1.0), "∂pᵢ/∂zⱼ")
    with ask.part("every entry, at two temperatures", 2):
        z = point(ask.rng, 4)
        for temperature in (0.5, 2.5):
            ask(z, temperature).equals(_softmax_jacobian(z, temperature), "∂pᵢ/∂zⱼ")


def _softmax_jacobian(z, temperature):
    p = _softmax(z / temperature)
    return (np.diag(p) - np.outer(p, p)) / temperature


@softmax_jacobian.mistake("A17")
def diagonal_alone(z, temperature=1.0):
    """You filled the diagonal alone, p·(1 − p). When one probability rises, the others fall: −pᵢ·pⱼ stands beside it."""
    p = torch.softmax(z / temperature, 0)
    return torch.diag(p * (1 - p)) / temperature


@softmax_jacobian.mistake("A17-plain")
def diagonal_without_temperature(z, temperature=1.0):
    """You filled the diagonal alone, p·(1 − p), and left out the factor 1/T. When one probability rises, the others fall: −pᵢ·pⱼ
    stands beside it."""
    p = torch.softmax(z / temperature, 0)
    return torch.diag(p * (1 - p))


@softmax_jacobian.mistake("A17-flat")
def a_vector(z, temperature=1.0):
    """p·(1 − p) is one number for each class: the diagonal. Every probability depends on every logit, so the answer is a table
    of shape (C, C)."""
    p = torch.softmax(z / temperature, 0)
    return p * (1 - p) / temperature


@softmax_jacobian.mistake("E17")
def slope_of_division_forgotten(z, temperature=1.0):
    """At other temperatures your table is too large or too small by a factor T: z/T changes by only 1/T when z changes by 1."""
    p = torch.softmax(z / temperature, 0)
    return torch.diag(p) - torch.outer(p, p)


@softmax_jacobian.mistake("E17-times")
def multiplied_by_temperature(z, temperature=1.0):
    """You multiplied with T. When z changes by 1, z/T changes by 1/T: divide."""
    p = torch.softmax(z / temperature, 0)
    return temperature * (torch.diag(p) - torch.outer(p, p))


@softmax_jacobian.mistake("E17-p")
def same_p_at_every_temperature(z, temperature=1.0):
    """You divided by T but left p as it is at T = 1. The temperature changes the probabilities themselves, too."""
    p = torch.softmax(z, 0)
    return (torch.diag(p) - torch.outer(p, p)) / temperature


@softmax_jacobian.mistake("E17-ignored")
def temperature_ignored(z, temperature=1.0):
    """Your answer is the same at every temperature: it is not used."""
    p = torch.softmax(z, 0)
    return torch.diag(p) - torch.outer(p, p)


@softmax_jacobian.mistake("outer-only")
def diagonal_forgotten(z, temperature=1.0):
    """Only the −pᵢ·pⱼ are there. On the diagonal pᵢ is added: pᵢ − pᵢ² is what a logit does for its own class."""
    p = torch.softmax(z / temperature, 0)
    return -torch.outer(p, p) / temperature


@lesson.exercise(
    number="6.4", title="The gradient of cross-entropy", points=2, minutes=9, section="06e",
    signature="(z: Tensor[N, C], y: LongTensor[N]) -> Tensor[N, C]",
    hints=(
        "Take one row. The loss is −log p of the right class. Which logits push it down when they rise?",
        "For one row the gradient is p with 1 taken away at the right class. The loss is the mean over the N rows.",
        "F.one_hot(y, C) has the ones; softmax along the classes has p. Their difference, over the number of rows.",
    ),
)
def ce_grad(ask):
    """(softmax − one-hot)/N, for the mean cross-entropy."""
    with ask.part("every entry, for batches of several sizes", 3):
        for rows, classes in ((4, 3), (2, 5), (6, 4)):
            z = _numbers(ask.rng, rows, classes)
            y = np.array([ask.rng.randrange(classes) for _ in range(rows)])
            y[:2] = 0, classes - 1
            if rows == 6:
                y[:] = 0  # the highest class need not occur in a batch
            ask(z, y).equals(_ce_grad(z, y), "the gradient by that logit")
    with ask.part("right once more, and z and y stay as they were"):
        z = _numbers(ask.rng, 3, 4)
        ask(z, np.array([2, 0, 3])).equals(_ce_grad(z, np.array([2, 0, 3])), "the gradient").leaves_inputs_alone()


def _ce_grad(z, y):
    return (_softmax(z) - np.eye(z.shape[1])[y]) / len(y)


def _hot(z, y):
    return F.one_hot(y, z.shape[1]).to(z.dtype)


ce_grad.sort_lines(
    "p = torch.softmax(z, dim=1)",
    "hot = torch.nn.functional.one_hot(y, z.shape[1])",
    "slopes = p - hot",
    "return slopes / len(y)",
    lures={"A18": "slopes = hot - p", "E4": "p = torch.softmax(z, dim=0)", "A19-classes": "return slopes / z.shape[1]"},
)


@ce_grad.mistake("A18")
def target_minus_p(z, y):
    """Your signs are turned round: it is p − one-hot. The gradient points where the loss grows, so at the right class it is
    negative."""
    return (_hot(z, y) - torch.softmax(z, 1)) / len(y)


@ce_grad.mistake("A19")
def not_divided_by_rows(z, y):
    """Each row is right by itself. The loss is the mean over the rows, so each gets 1/N of it."""
    return torch.softmax(z, 1) - _hot(z, y)


@ce_grad.mistake("A19-classes")
def divided_by_classes(z, y):
    """You divided by the number of classes. The mean of cross-entropy goes over the rows, N of them."""
    return (torch.softmax(z, 1) - _hot(z, y)) / z.shape[1]


@ce_grad.mistake("A19-entries")
def divided_by_entries(z, y):
    """You divided by all N·C entries. There is one loss for each row, so the mean divides by N."""
    return (torch.softmax(z, 1) - _hot(z, y)) / z.numel()


@ce_grad.mistake("E4")
def softmax_down_the_columns(z, y):
    """Your probabilities add to 1 down the columns. Each row is one example: softmax goes along dim=1, over its classes."""
    return (torch.softmax(z, 0) - _hot(z, y)) / len(y)


@ce_grad.mistake("E5")
def softmax_twice(z, y):
    """You applied softmax before cross_entropy, which has one inside: hand it the logits."""
    leaf = z.detach().clone().requires_grad_()
    return torch.autograd.grad(F.cross_entropy(torch.softmax(leaf, 1), y), leaf)[0]


@ce_grad.mistake("one-hot-width")
def one_hot_too_narrow(z, y):
    """Wrong only where the last classes do not occur in the batch: F.one_hot(y) makes as many columns as the largest class in y
    needs. Give it the number of classes, F.one_hot(y, z.shape[1])."""
    return (torch.softmax(z, 1) - F.one_hot(y)) / len(y)


@ce_grad.mistake("every-row")
def one_taken_from_every_row(z, y):
    """You took 1 away in every row, at all classes that occur in y. Row i loses it at its own class only: index with
    torch.arange(len(y)) and y."""
    p = torch.softmax(z, 1)
    p[:, y] -= 1
    return p / len(y)


@ce_grad.mistake("right-class-only")
def other_classes_forgotten(z, y):
    """Only the right class has a gradient in your answer. The other logits matter as well: raising one takes probability
    away from the right class."""
    return (torch.softmax(z, 1) - 1) * _hot(z, y) / len(y)


@ce_grad.mistake("by-p")
def by_the_probabilities(z, y):
    """−1/p at the right class is the gradient by the probabilities. One more step leads back to the logits: through softmax."""
    return -_hot(z, y) / torch.softmax(z, 1) / len(y)


@ce_grad.mistake("p-only")
def target_forgotten(z, y):
    """The right class is missing: 1 is taken away from its probability. Without that, no row sums to 0."""
    return torch.softmax(z, 1) / len(y)


# --- 6.5 and 6.6 -----------------------------------------------------------------------------------------------------

FAR_APART = np.array([[0.0, 1000.0], [-3.0, 2.0]])
FAR_APART_32 = np.array([[0.0, 200.0], [300.0, 2.0]], dtype=np.float32)


def _log_softmax(z, axis):
    z = z.astype(float)
    z = z - z.max(axis, keepdims=True)
    return z - np.log(np.exp(z).sum(axis, keepdims=True))


@lesson.exercise(
    number="6.5a", title="log-softmax that survives", signature="(z: Tensor[N, C], dim: int) -> Tensor[N, C]", points=2,
    minutes=9, section="06e",
    hints=(
        "Which piece of log(exp(z)/Σexp(z)) becomes 0 or infinite at (0, 1000)? Print the pieces.",
        "log(exp(z)) is z itself. And softmax does not change when the same number is taken away from all logits.",
        "Take the largest logit away first (amax with keepdim=True); then z − log(Σ exp(z)), the sum along dim.",
    ),
)
def stable_log_softmax(ask):
    """log of softmax, without overflow."""
    with ask.part("the right values, along either dimension", 2):
        for shape, dim in (((3, 4), 1), ((3, 4), 0), ((2, 5), -1)):
            z = _numbers(ask.rng, *shape)
            ask(z, dim).equals(_log_softmax(z, dim), "log p")
    with ask.part("finite where logits are far apart", 2):
        ask(FAR_APART, 1).equals(_log_softmax(FAR_APART, 1), "log p")
        ask(FAR_APART_32, 1).equals(_log_softmax(FAR_APART_32, 1), "log p")
        ask(FAR_APART.T.copy(), 0).equals(_log_softmax(FAR_APART.T, 0), "log p")


@stable_log_softmax.mistake("E6")
def log_of_softmax(z, dim):
    """log(softmax(z)) is the same on paper. In the machine softmax rounds to 0 first, and log(0) is −inf."""
    return torch.log(torch.softmax(z, dim))


@stable_log_softmax.mistake("E6-exp")
def sum_of_exp_overflows(z, dim):
    """exp(1000) is more than float64 holds (and exp(200) more than float32). Take the largest logit away before you raise."""
    return z - torch.log(torch.exp(z).sum(dim, keepdim=True))


@stable_log_softmax.mistake("E4")
def always_along_the_rows(z, dim):
    """`dim` is not used: your answer always adds up along the last dimension."""
    return torch.log_softmax(z, -1)


@stable_log_softmax.mistake("E4-columns")
def always_down_the_columns(z, dim):
    """`dim` is not used: your answer always adds up along dimension 0."""
    return torch.log_softmax(z, 0)


@stable_log_softmax.mistake("eps")
def small_number_added(z, dim):
    """A small number keeps log away from −inf, and it changes the answer: at (0, 1000) the first entry is −1000."""
    return torch.log(torch.softmax(z, dim) + 1e-12)


@stable_log_softmax.mistake("global-max")
def one_maximum_for_all(z, dim):
    """You took one largest logit away from the whole tensor. A row far below it underflows: each needs its own, amax
    along dim."""
    z = z - z.max()
    return z - z.exp().sum(dim, keepdim=True).log()


@stable_log_softmax.mistake("max-lost")
def maximum_not_put_back(z, dim):
    """Inside the logarithm you used z − max, outside z itself. The maximum has to be taken away in both places."""
    return z - (z - z.amax(dim, keepdim=True)).exp().sum(dim, keepdim=True).log()


@stable_log_softmax.mistake("only-shifted")
def sum_forgotten(z, dim):
    """You took the largest logit away, and stopped there. The logarithm of the sum of exp(z) has to go, too."""
    return z - z.amax(dim, keepdim=True)


@stable_log_softmax.mistake("softmax")
def logarithm_forgotten(z, dim):
    """That is softmax; its logarithm was asked for."""
    return torch.softmax(z, dim)


@lesson.exercise(
    number="6.5b", title="log-softmax, backward", points=1, minutes=8, section="06e",
    signature="(g: Tensor[N, C], z: Tensor[N, C], dim: int) -> Tensor[N, C]",
    hints=(
        "log pᵢ = zᵢ − log Σ exp(z). By zᵢ itself the slope is 1. What does the second piece add, for every i?",
        "The slope of log Σ exp(z) is softmax(z). It is subtracted from every output, so it collects the sum of all g.",
        "g minus softmax(z, dim) times the sum of g along dim, kept as a column or row with keepdim=True.",
    ),
)
def log_softmax_vjp(ask):
    """g − softmax(z)·Σg."""
    with ask.part("the gradient for any g, along either dimension", 2):
        for shape, dim in (((3, 4), 1), ((3, 4), 0), ((2, 5), -1)):
            z, g = _numbers(ask.rng, *shape), _numbers(ask.rng, *shape)
            ask(g, z, dim).equals(_log_softmax_vjp(g, z, dim), "the gradient")
    with ask.part("finite where logits are far apart"):
        for z in (FAR_APART, FAR_APART_32):
            g = _numbers(ask.rng, 2, 2).astype(z.dtype)
            ask(g, z, 1).equals(_log_softmax_vjp(g, z, 1), "the gradient")


def _log_softmax_vjp(g, z, axis):
    return g - _softmax(z.astype(float), axis) * g.sum(axis, keepdims=True)


log_softmax_vjp.sort_lines(
    "p = torch.softmax(z, dim)",
    "total = g.sum(dim, keepdim=True)",
    "return g - p * total",
    lures={"no-sum": "return g - p * g", "E4": "p, total = torch.softmax(z, -1), g.sum(-1, keepdim=True)"},
)


@log_softmax_vjp.mistake("D10")
def arriving_gradient_was_ones(g, z, dim):
    """Your answer does not use g: it is right for a g of ones alone."""
    return 1 - z.shape[dim] * torch.softmax(z, dim)


@log_softmax_vjp.mistake("E4")
def along_the_rows_always(g, z, dim):
    """`dim` is not used: sum and softmax always go along the last dimension."""
    return g - torch.softmax(z, -1) * g.sum(-1, keepdim=True)


@log_softmax_vjp.mistake("softmax-vjp")
def backward_of_softmax(g, z, dim):
    """That is the backward of softmax. Here the logarithm comes after it, and the result is simpler."""
    p = torch.softmax(z, dim)
    return p * (g - (g * p).sum(dim, keepdim=True))


@log_softmax_vjp.mistake("g-minus-p")
def p_without_the_sum(g, z, dim):
    """You took p away once. What is taken away is p times the whole sum of g: every output subtracts log Σ exp(z)."""
    return g - torch.softmax(z, dim)


@log_softmax_vjp.mistake("sum-of-all")
def one_sum_for_all(g, z, dim):
    """You added g up over the whole tensor. Each softmax has its own sum, along dim."""
    return g - torch.softmax(z, dim) * g.sum()


@log_softmax_vjp.mistake("no-sum")
def entry_by_entry(g, z, dim):
    """You multiplied entry by entry, g·(1 − p). Every output subtracts the same log Σ exp(z), so each logit hears from every g:
    their sum."""
    return g * (1 - torch.softmax(z, dim))


@log_softmax_vjp.mistake("E6")
def raised_without_shift(g, z, dim):
    """Where logits are far apart you get NaN: exp overflows. torch.softmax takes the largest logit away first."""
    raised = torch.exp(z)
    return g - raised / raised.sum(dim, keepdim=True) * g.sum(dim, keepdim=True)


@log_softmax_vjp.mistake("E6-log")
def through_log_of_softmax(g, z, dim):
    """You walked back through log(softmax(z)). Where logits are far apart softmax rounds to 0, log has an infinite slope there,
    and 0 · ∞ is NaN. Start from log_softmax, or use the rule."""
    leaf = z.detach().clone().requires_grad_()
    return torch.autograd.grad(torch.log(torch.softmax(leaf, dim)), leaf, g)[0]


@lesson.exercise(
    number="6.6", title="x·log x with a gradient at 0", signature="(x: Tensor[n]) -> Tensor[n]", points=2, minutes=9,
    section="06e",
    hints=(
        "Compute x·log x at 0, then its gradient. Which piece is infinite, and what is it multiplied with?",
        "torch.where picks values, but both branches are computed and both are walked back. 0·inf is NaN, also for the branch "
        "that was not picked.",
        "Replace the bad x before the logarithm: safe = torch.where(x > 0, x, 1). Then one more where for the result.",
    ),
)
def safe_xlogx(ask):
    """x·log x, 0 at 0, with a finite gradient everywhere."""
    with ask.part("value and gradient where x > 0", 2):
        x = np.abs(_numbers(ask.rng, 5, most=3.0))
        slope = np.log(x) + 1
        ask(Leaf(x)).equals(x * np.log(x), "x·log x").gradient_equals(slope * weights((5,)), meaning="the gradient")
    with ask.part("0 at 0"):
        ask(np.array([0.0, 1.7, 0.0])).equals(np.array([0.0, 1.7 * np.log(1.7), 0.0]), "x·log x")
    with ask.part("value and gradient for small x"):
        x = np.array([1e-3, 1e-8, 0.02])
        answer = ask(Leaf(x)).equals(x * np.log(x), "x·log x", Tolerance(rtol=1e-4, scale=1e-12))
        answer.gradient_equals((np.log(x) + 1) * weights((3,)), meaning="the gradient")
    with ask.part("a finite gradient at 0", 2):
        x = np.array([0.0, 0.6, 2.3, 0.0])
        _finite_at_zero(ask(Leaf(x)), x)


def _finite_at_zero(answer, x):
    """The gradient is right where x > 0; at 0 any finite number will do, because the slope of x·log x has no limit there."""
    grads = answer.reply.grads
    at_zero = grads[0].numbers[x == 0] if grads and grads[0] is not None else np.zeros(int((x == 0).sum()))
    want = np.zeros(len(x))
    want[x > 0] = (np.log(x[x > 0]) + 1) * weights(x.shape)[x > 0]
    want[x == 0] = np.where(np.isfinite(at_zero), at_zero, 0)
    answer.gradient_equals(want, meaning="the gradient")


@safe_xlogx.mistake("E10")
def where_outside_only(x):
    """The value is right and the gradient at 0 is NaN. Hiding the bad value afterwards (where, nan_to_num) is not enough: the
    walk back still goes through log(0), and 0·inf is NaN. Repair the input of the logarithm as well."""
    return torch.where(x > 0, x * torch.log(x), torch.zeros_like(x))


@safe_xlogx.mistake("plain")
def nothing_done(x):
    """At 0 you compute 0·log(0) = 0·(−inf), and that is NaN."""
    return x * torch.log(x)


@safe_xlogx.mistake("eps")
def shifted_logarithm(x):
    """Adding a small number inside the logarithm changes the function everywhere, if only a little."""
    return x * torch.log(x + 1e-3)


@safe_xlogx.mistake("cut-off")
def cut_off_below(x):
    """Right for larger x. For small x you answer 0, or the logarithm of something larger: x·log x must be right for "
    "every x > 0."""
    return torch.where(x > 0.1, x * torch.log(x.clamp(min=0.1)), torch.zeros_like(x))


@safe_xlogx.mistake("B7")
def history_lost(x):
    """The values are right, but no way leads back to x: your result was made of plain numbers."""
    with torch.no_grad():
        return torch.where(x > 0, x * torch.log(x), torch.zeros_like(x))


# --- 6.7 -------------------------------------------------------------------------------------------------------------


@lesson.exercise(
    number="6.7a", title="Two sensitivities of one class", points=2, minutes=9, section="06f",
    signature="(model, x: Tensor[n], cls: int) -> tuple[Tensor[n], Tensor[n]]",
    hints=(
        "Both are gradients of one number by x. Which number is it in the first case, which in the second?",
        "The probability is entry cls of softmax(model(x)); the logit is entry cls of model(x). Two numbers, two walks.",
        "leaf = x.clone().requires_grad_(); z = model(leaf); then torch.autograd.grad of softmax(z, -1)[cls] and of z[cls], the "
        "first with retain_graph=True.",
    ),
)
def sensitivity(ask):
    """The gradients of a probability and of a logit by the input."""
    with ask.part("both gradients, for every class of two models", 3):
        for inputs, classes in ((3, 4), (4, 3)):
            recipe, x = classifier(ask.rng, inputs, 5, classes), point(ask.rng, inputs)
            for cls in range(classes):
                ask(recipe, x, cls).equals(
                    _sensitivities(recipe, x, cls), ("the gradient of the probability", "the gradient of the logit")
                )
    with ask.part("right once more, and x stays as it was"):
        recipe, x = classifier(ask.rng, 3, 5, 4), point(ask.rng, 3)
        ask(recipe, x, 1).equals(_sensitivities(recipe, x, 1), "the gradient").leaves_inputs_alone()


def _sensitivities(recipe, x, cls):
    """By the closed form: J of the logits from differences would be too coarse, so from the model's own weights."""
    first, bias, second, _ = recipe.data[2:6]
    W, V = np.array(first), np.array(second)
    hidden = np.tanh(W @ x + np.array(bias))
    J = V @ np.diag(1 - hidden**2) @ W
    p = _softmax(model_of(recipe, x))
    return p[cls] * (J[cls] - p @ J), J[cls]


def _walk(number, leaf, **options):
    return torch.autograd.grad(number, leaf, **options)[0]


def _leaf(x):
    return x.detach().clone().requires_grad_()


@sensitivity.mistake("swapped")
def logit_first(model, x, cls):
    """Both are right, in the wrong order: the gradient of the probability comes first."""
    leaf = _leaf(x)
    z = model(leaf)
    return _walk(z[cls], leaf, retain_graph=True), _walk(torch.softmax(z, 0)[cls], leaf)


@sensitivity.mistake("C1")
def both_added_in_grad(model, x, cls):
    """Your second gradient is the sum of both: .grad adds up. Clear it between the walks, or use torch.autograd.grad."""
    leaf = _leaf(x)
    z = model(leaf)
    torch.softmax(z, 0)[cls].backward(retain_graph=True)
    first = leaf.grad.clone()
    z[cls].backward()
    return first, leaf.grad


@sensitivity.mistake("C11")
def both_the_same_grad(model, x, cls):
    """Both entries are the same tensor: .grad went on being filled after you had kept it. Keep a copy, .grad.clone()."""
    leaf = _leaf(x)
    z = model(leaf)
    torch.softmax(z, 0)[cls].backward(retain_graph=True)
    first = leaf.grad
    z[cls].backward()
    return first, leaf.grad


@sensitivity.mistake("C11-zeroed")
def zeroed_without_a_copy(model, x, cls):
    """Both entries are the gradient of the logit: the first was zeroed in place and filled again after you had kept it. Keep a
    copy, .grad.clone(), or set .grad to None."""
    leaf = _leaf(x)
    torch.softmax(model(leaf), 0)[cls].backward()
    first = leaf.grad
    leaf.grad.zero_()
    model(leaf)[cls].backward()
    return first, leaf.grad


@sensitivity.mistake("B8")
def gradient_by_the_logits(model, x, cls):
    """Your gradients are by the logits: one number for each class. The question is for x: one number for each input."""
    z = model(x).detach().requires_grad_()
    return _walk(torch.softmax(z, 0)[cls], z), _walk(z[cls], z)


@sensitivity.mistake("B8-result")
def grad_of_a_result(model, x, cls):
    """You read .grad of a tensor that was computed, and only leaves keep one. Walk back to the leaf itself, or ask for the
    gradient with torch.autograd.grad."""
    through = _leaf(x) * 1.0
    model(through)[cls].backward()
    return through.grad, through.grad


@sensitivity.mistake("log-p")
def log_probability(model, x, cls):
    """Your first gradient is that of log p. It differs from the gradient of p by the factor 1/p."""
    leaf = _leaf(x)
    z = model(leaf)
    return _walk(torch.log_softmax(z, 0)[cls], leaf, retain_graph=True), _walk(z[cls], leaf)


@sensitivity.mistake("sigmoid")
def sigmoid_of_one_logit(model, x, cls):
    """You squeezed one logit through a sigmoid. With several classes the probability comes from softmax over all logits."""
    leaf = _leaf(x)
    z = model(leaf)
    return _walk(torch.sigmoid(z[cls]), leaf, retain_graph=True), _walk(z[cls], leaf)


@sensitivity.mistake("winner")
def winning_class(model, x, cls):
    """You took the class that wins, whatever cls says."""
    leaf = _leaf(x)
    z = model(leaf)
    best = z.argmax()
    return _walk(torch.softmax(z, 0)[best], leaf, retain_graph=True), _walk(z[best], leaf)


@sensitivity.mistake("all-classes")
def sum_over_classes(model, x, cls):
    """You walked back from the sum over all classes. The probabilities always add to 1, so their sum has gradient 0; take the
    entry cls."""
    leaf = _leaf(x)
    z = model(leaf)
    return _walk(torch.softmax(z, 0).sum(), leaf, retain_graph=True), _walk(z.sum(), leaf)


@lesson.exercise(
    number="6.7b", title="Why the probability goes deaf", signature="str", kind="choice", points=1, minutes=4,
    section="06f",
    hints=(
        "Write ∂p/∂x as a product. Which factor depends on how sure the model is?",
        "∂p/∂x = p·(the logit's gradient minus the mean of all logits' gradients, weighted with p). What is that at p = 1?",
        "At p = 1 the weighted mean is the logit's gradient. Look for the answer that speaks of this.",
    ),
)
def why_prob_grad_vanishes(ask):
    """One of five reasons."""
    with ask.part("the reason", 1):
        answer = ask()
        said = str(answer.value).strip().upper()
        answer.holds(said in WHY, f"one of the letters {', '.join(WHY)}, as text", layer=Layer.TYPE)
        if said in WHY:
            answer.holds(said == "C", "the reason why ∂p/∂x vanishes for a confident prediction", f"you chose {said}",
                         layer=Layer.VALUE)  # fmt: skip


WHY = ("A", "B", "C", "D", "E")
why_prob_grad_vanishes.wrong_value(
    "E3", "A", "It is small long before anything rounds: at p = 0.999 it is about a thousandth, with all digits intact. "
    "Rounding to exactly 0 comes much later.",
)
why_prob_grad_vanishes.wrong_value(
    "unimportant", "B", "Then the logit's gradient would be small as well, and it is not. A vanishing ∂p/∂x does not say that "
    "the inputs are unimportant.",
)
why_prob_grad_vanishes.wrong_value(
    "trained", "D", "Nothing was trained here; the gradient is by x, not by the weights, and the loss plays no part."
)
why_prob_grad_vanishes.wrong_value(
    "many-classes", "E", "For an unsure model of as many classes ∂p/∂x is not tiny. What counts is how sure it is."
)


# --- 6.8 and 6.9 -----------------------------------------------------------------------------------------------------


@lesson.exercise(
    number="6.8", title="A step that fools", points=3, minutes=15, section="06f",
    signature="(model, x: Tensor[B, n], y: LongTensor[B], eps: float) -> Tensor[B, n]",
    hints=(
        "You may move every input by at most eps. Which way makes the loss grow fastest, if you may choose for each input?",
        "Along an input the loss changes by slope times step, so only the sign of the slope matters: a step of eps up or down.",
        "The gradient of F.cross_entropy(model(leaf), y) by leaf; x plus eps times its sign. Work on a detached copy of x.",
    ),
)
def fgsm(ask):
    """x + eps · sign of the loss's gradient."""
    with ask.part("no input moves by more than eps, and the loss of every example grows as much as that allows", 3):
        for rows, eps in ((4, 0.05), (5, 0.02)):
            recipe, x, y = _attacked(ask.rng, rows)
            _attack_works(ask(recipe, x, y, eps), recipe, x, y, eps)
    with ask.part("it works once more, and x stays as it was"):
        recipe, x, y = _attacked(ask.rng, 3)
        answer = ask(recipe, x, y, 0.05)
        _attack_works(answer, recipe, x, y, 0.05)
        answer.leaves_inputs_alone()


def _attacked(rng, rows):
    """A model, examples and their classes, with no gradient so near 0 that its sign is a matter of rounding."""
    while True:
        recipe = classifier(rng, 3, 5, 4)
        x = np.array([point(rng, 3) for _ in range(rows)])
        y = np.array([rng.randrange(4) for _ in range(rows)])
        misread = (model_of(recipe, x).argmax(1) != y).any()
        if misread and np.abs(_loss_gradient(recipe, x, y)).min() > 1e-3 / rows:
            return recipe, x, y


def _losses(recipe, x, y):
    z = model_of(recipe, x)
    return -_log_softmax(z, 1)[np.arange(len(y)), y]


def _loss_gradient(recipe, x, y):
    leaf = torch.tensor(x, requires_grad=True)
    with torch.enable_grad():
        loss = F.cross_entropy(recipe.function()(leaf), torch.tensor(y))
        return torch.autograd.grad(loss, leaf)[0].numpy()


def _moved(answer, x):
    value = answer.value
    return value.numbers.astype(float) - x if isinstance(value, Array) and value.numbers.shape == x.shape else None


def _within(answer, x, eps):
    answer.is_tensor()
    step = _moved(answer, x)
    if step is None:
        answer.equals(x)  # says what is wrong with type or shape
        return
    most = float(np.abs(step).max())
    answer.holds(np.isfinite(most), "finite numbers", layer=Layer.FINITE)
    answer.holds(0 < most <= eps * (1 + 1e-4) + 1e-9, f"moves of at most eps = {show(eps)}, and not all 0",
                 f"your largest move is {show(most)}", layer=Layer.VALUE)  # fmt: skip


def _attack_works(answer, recipe, x, y, eps):
    """Loss after a step of eps along the sign, the best step of its kind to first order; slack for float32."""
    _within(answer, x, eps)
    step = _moved(answer, x)
    if step is None or answer.broken or not np.isfinite(step).all():
        return
    before, after = _losses(recipe, x, y), _losses(recipe, x + step, y)
    best = _losses(recipe, x + eps * np.sign(_loss_gradient(recipe, x, y)), y)
    shrinks = int((after <= before).sum())
    answer.holds(not shrinks, "a loss that grows for every example",
                 f"the loss does not grow for {shrinks} of {len(y)} examples", layer=Layer.VALUE)  # fmt: skip
    share = float(((after - before) / (best - before)).min())
    answer.holds(share > 1 - 1e-3, "a full step of eps in every input, uphill",
                 f"the loss of some example grows by only {show(share)} of what eps allows", layer=Layer.VALUE)  # fmt: skip


def _fgsm(model, x, y, eps, direction):
    leaf = _leaf(x)
    return x + eps * direction(_walk(F.cross_entropy(model(leaf), y), leaf))


@fgsm.mistake("A12")
def down_the_hill(model, x, y, eps):
    """You walked down: the loss falls. The gradient points where the loss grows, and here it shall grow."""
    return _fgsm(model, x, y, -eps, torch.sign)


@fgsm.mistake("no-sign")
def gradient_itself(model, x, y, eps):
    """You moved by eps times the gradient: most inputs hardly move. The sign lets each of them use its whole eps."""
    return _fgsm(model, x, y, eps, lambda g: g)


@fgsm.mistake("normalised")
def unit_gradient(model, x, y, eps):
    """You moved along the gradient, scaled to length 1. That shares eps between all inputs. The limit holds for each input by
    itself, so each may move the whole eps: take the sign."""
    return _fgsm(model, x, y, eps, lambda g: g / g.norm())


@fgsm.mistake("normalised-rows")
def unit_gradient_per_row(model, x, y, eps):
    """You scaled each row's gradient to length 1. The limit holds for each input by itself, so each may move the whole eps: take
    the sign."""
    return _fgsm(model, x, y, eps, lambda g: g / g.norm(dim=1, keepdim=True))


@fgsm.mistake("sign-only")
def eps_forgotten(model, x, y, eps):
    """You moved every input by 1. The step is eps times the sign."""
    return _fgsm(model, x, y, 1.0, torch.sign)


@fgsm.mistake("step-only")
def the_step_alone(model, x, y, eps):
    """You returned the step. What is asked for is x plus the step."""
    return _fgsm(model, x, y, eps, torch.sign) - x


@fgsm.mistake("clamped")
def clamped_to_an_image(model, x, y, eps):
    """You clipped the result to [0, 1]. These inputs are plain numbers, and the task says not to clip them."""
    return _fgsm(model, x, y, eps, torch.sign).clamp(0, 1)


@fgsm.mistake("own-prediction")
def away_from_its_own_answer(model, x, y, eps):
    """You raised the loss of the class that the model predicts. y says which class the loss is about."""
    return _fgsm(model, x, model(x).argmax(1), eps, torch.sign)


@fgsm.mistake("logit-up")
def pushes_the_right_class(model, x, y, eps):
    """You raised the logit of the right class: that makes the model surer. Raise the loss."""
    leaf = _leaf(x)
    return x + eps * torch.sign(_walk(model(leaf).gather(1, y[:, None]).sum(), leaf))


@lesson.exercise(
    number="6.9", title="Fix me: softmax twice", points=1, minutes=5, section="06e",
    signature="(model, X: Tensor[N, n], y: LongTensor[N]) -> Tensor[()]",
    hints=(
        "Feed it a model that is certain and right: logits (20, 0, 0), class 0. What loss do you expect, what comes out?",
        "cross_entropy takes logits: it has a log-softmax inside. What happens to probabilities, between 0 and 1, in there?",
        "Hand the logits to F.cross_entropy as they come out of the model.",
    ),
)
def fix_double_softmax(ask):
    """Mean cross-entropy of the model's logits."""
    with ask.part("the loss", 2):
        for rows, inputs, classes in ((5, 3, 4), (4, 2, 3)):
            recipe, X, y = _labelled(ask.rng, rows, inputs, classes)
            ask(recipe, X, y).equals(_losses(recipe, X, y).mean(), "the loss")
        # and near 0 for a model that is certain and right
        X = np.array([[20.0, 0.0, 0.0], [0.0, 25.0, 0.0]])
        y = np.array([0, 1])
        ask(coded(identity, text="a model that returns its input"), X, y).equals(0.0, "the loss")
    with ask.part("a finite loss for a model that is certain and wrong"):
        X, y = np.array([[1000.0, 0.0, 0.0], [0.0, 1.0, 0.5]]), np.array([1, 2])
        ask(coded(identity, text="a model that returns its input"), X, y).equals(_cross_entropy(X, y), "the loss")
    with ask.part("its gradient reaches the input", 1):
        recipe, X, y = _labelled(ask.rng, 4, 3, 4)
        ask(recipe, Leaf(X), y).gradient_equals(_loss_gradient(recipe, X, y), of=0, meaning="the gradient by X")


def identity(x):
    return x


def _cross_entropy(z, y):
    return -_log_softmax(z, 1)[np.arange(len(y)), y].mean()


def _labelled(rng, rows, inputs, classes):
    recipe = classifier(rng, inputs, 5, classes)
    X = np.array([point(rng, inputs) for _ in range(rows)])
    return recipe, X, np.array([rng.randrange(classes) for _ in range(rows)])


@fix_double_softmax.broken
def loss_with_a_floor(model, X, y):
    p = torch.softmax(model(X), dim=1)
    return torch.nn.functional.cross_entropy(p, y)


@fix_double_softmax.mistake("E5")
def softmax_still_there(model, X, y):
    """softmax is still applied twice: cross_entropy has one inside. Probabilities lie so close together that the loss can never
    get below a floor."""
    return F.cross_entropy(torch.softmax(model(X), dim=-1), y)


@fix_double_softmax.mistake("E5-nll")
def logarithm_missing(model, X, y):
    """nll_loss wants log-probabilities; you gave it probabilities. Its values are negative now."""
    return F.nll_loss(torch.softmax(model(X), dim=1), y)


@fix_double_softmax.mistake("E4")
def log_softmax_down_the_columns(model, X, y):
    """You normalise down the columns: softmax goes over the classes of each row, dim=1."""
    return F.nll_loss(F.log_softmax(model(X), dim=0), y)


@fix_double_softmax.mistake("A16")
def sum_in_place_of_mean(model, X, y):
    """That is the sum over the examples. The loss that was given, and cross_entropy by default, is their mean."""
    return F.cross_entropy(model(X), y, reduction="sum")


@fix_double_softmax.mistake("B7")
def plain_number(model, X, y):
    """The number is right and its history is gone: nothing can be trained with a detached loss."""
    return F.cross_entropy(model(X), y).detach()


@fix_double_softmax.mistake("E6")
def log_of_probabilities(model, X, y):
    """Right for small logits. Where the model is certain and wrong, softmax rounds to 0 and log(0) makes the loss
    infinite. Stay in the logarithm: cross_entropy on the logits, or log_softmax."""
    return F.nll_loss(torch.log(torch.softmax(model(X), dim=1)), y)
