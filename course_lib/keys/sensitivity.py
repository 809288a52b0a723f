"""Lesson 06, what its keys share, and exercises 6.1 and 6.2: what a gate and a sigmoid let through."""

import numpy as np
import torch

from course_lib.exercise import Lesson
from course_lib.judge import Tolerance
from course_lib.keys import quiz_06
from course_lib.observe import Array
from course_lib.vectors import point

lesson = Lesson("06", "Sensitivity", quiz_06)


def numbers_off_zero(rng, *shape, most=2.0):
    """Numbers between −most and most, none of them near 0."""
    values = [rng.choice((-1, 1)) * rng.uniform(0.2, most) for _ in range(int(np.prod(shape)))]
    return np.array(values).reshape(shape)


def softmax(z, axis=-1):
    raised = np.exp(z - z.max(axis, keepdims=True))
    return raised / raised.sum(axis, keepdims=True)


def log_softmax(z, axis):
    z = z.astype(float)
    z = z - z.max(axis, keepdims=True)
    return z - np.log(np.exp(z).sum(axis, keepdims=True))


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
            x, g = point(ask.rng, n), numbers_off_zero(ask.rng, n)
            x[:4] = 0.05, -0.05, abs(x[2]) + 0.3, -abs(x[3]) - 0.3  # both sides, near 0 and far, whatever the seed
            g[:4] = abs(g[0]), abs(g[1]), -abs(g[2]), -abs(g[3])  # and both signs through an open gate
            ask(g, x).equals(g * (x > 0), "what passes")
    with ask.part("at x = 0: g times one number between 0 and 1"):
        g, x = numbers_off_zero(ask.rng, 5), np.array([0.0, 1.4, 0.0, -0.6, 0.0])
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


@relu_backward.mistake("shut-gate")
def gates_turned_round(g, x):
    """Your gates are turned round: relu lets through what is above 0."""
    return g * (x < 0)


@relu_backward.mistake("leaky")
def leaking_gate(g, x):
    """That is leaky_relu, which lets a little through below 0. relu lets nothing through there."""
    return torch.where(x > 0, g, 0.01 * g)


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
        z = numbers_off_zero(ask.rng, 6, most=4.0)
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


@sigmoid_slope.mistake("one-minus")
def only_one_minus(z):
    """That is 1 − σ. The slope is σ times it."""
    return torch.sigmoid(-z)


@sigmoid_slope.mistake("sign")
def falling_sigmoid(z):
    """Your slope is negative, and σ rises everywhere."""
    return -torch.sigmoid(z) * torch.sigmoid(-z)


@sigmoid_slope.mistake("eps")
def small_number_added(z):
    """What keeps your slope from being 0, a small number that is added or a limit, is not the slope: at ±40 that is about
    4·10⁻¹⁸, with all its digits."""
    return torch.sigmoid(z) * (1 - torch.sigmoid(z)) + 1e-8
