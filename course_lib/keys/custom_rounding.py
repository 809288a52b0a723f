"""Exercises 9.4a and 9.4b of lesson 09: rounding, and a gradient that passes straight through it."""

import numpy as np
import torch

from course_lib.judge import Layer, reports
from course_lib.keys.custom import add_usual_mistakes, demand_gradient, demand_own_backward, lesson, result_of
from course_lib.keys.sensitivity import numbers_off_zero

# --- 9.4a ------------------------------------------------------------------------------------------------------------


@reports(bool)
def leaves_its_input(function, x):
    """whether apply leaves x as it was"""
    before = x.clone()
    function.apply(x.requires_grad_() * 1)
    function.apply(x)
    return torch.equal(x.detach(), before)


def _between(rng):
    """Numbers on both sides of 0 that are rounded up and down, none near a half."""
    wholes = ((2, 1), (-2, 1), (3, -1), (-1, -1), (1, -1))
    return np.array([whole + side * rng.uniform(0.15, 0.4) for whole, side in wholes])


@lesson.exercise(
    number="9.4a", title="Straight through a staircase", signature="(torch.autograd.Function): apply(x: Tensor[n]) -> Tensor[n]",
    kind="class", points=2, minutes=6, section="09d",
    hints=(
        "What is the slope of a staircase between two steps? What would training make of that?",
        "Backward here is no slope. It pretends that forward had been y = x.",
        "Round in forward, and let backward hand on what arrived, as it came. Nothing has to be saved.",
    ),
)
def RoundSTE(ask):  # noqa: N802
    """round forward, g backward."""
    x, g = _between(ask.rng), numbers_off_zero(ask.rng, 5)
    with ask.part("forward rounds, and leaves its input alone"):
        ask.using(result_of, x).equals(np.round(x), "the nearest whole number")
        for dtype in ("float32", "float64"):
            ask.using(result_of, x.astype(dtype)).is_tensor(dtype)
        answer = ask.using(leaves_its_input, x)
        answer.holds(answer.value is True, "x as it was handed in", "your forward changed x itself", Layer.SIDE_EFFECT)
    with ask.part("backward hands on what arrived", 2):
        demand_gradient(ask, x, g, g)
        demand_gradient(ask, 3 * x, -2 * g, -2 * g)
        demand_own_backward(ask, x)


class _Round(torch.autograd.Function):
    """What the wrong ones share: a right forward."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return torch.round(x)

    @staticmethod
    def backward(ctx, g):
        return g


add_usual_mistakes(RoundSTE, _Round)


@RoundSTE.mistake("B19")
class TrueSlope(_Round):
    """You return the true slope of a staircase, 0. Then nothing upstream ever learns; straight-through hands g on as if forward
    had been y = x."""

    @staticmethod
    def backward(ctx, g):
        return torch.zeros_like(g)


@RoundSTE.mistake("D10")
class Ones(_Round):
    """You return ones. Straight-through means that g passes unchanged, and g is not always 1."""

    @staticmethod
    def backward(ctx, g):
        return torch.ones_like(g)


@RoundSTE.mistake("rounded-g")
class RoundsTheGradient(_Round):
    """You round the gradient as well. Only forward rounds; g passes as it came."""

    @staticmethod
    def backward(ctx, g):
        return torch.round(g)


@RoundSTE.mistake("times-x")
class TimesX(_Round):
    """You multiply g with x. Straight-through pretends that y = x, whose slope is 1."""

    @staticmethod
    def backward(ctx, g):
        return g * ctx.saved_tensors[0]


@RoundSTE.mistake("gated")
class Gated(_Round):
    """You let g pass only where |x| ≤ 1. Such a gate belongs to the straight-through sign; here g passes everywhere."""

    @staticmethod
    def backward(ctx, g):
        return g * (ctx.saved_tensors[0].abs() <= 1)


@RoundSTE.mistake("not-rounded")
class Identity(_Round):
    """Forward returns x as it is. It has to round; only backward pretends that it did not."""

    @staticmethod
    def forward(ctx, x):
        return x.clone()


@RoundSTE.mistake("floor")
class RoundsDown(_Round):
    """Forward always rounds down. The nearest whole number was asked for: 2.7 becomes 3."""

    @staticmethod
    def forward(ctx, x):
        return torch.floor(x)


@RoundSTE.mistake("trunc")
class CutsOff(_Round):
    """Forward cuts the decimals off, so 2.7 becomes 2. The nearest whole number was asked for."""

    @staticmethod
    def forward(ctx, x):
        return torch.trunc(x)


@RoundSTE.mistake("B19-int")
class WholeNumberType(_Round):
    """Your result is a tensor of integers, and integers have no gradient: keep the dtype of x."""

    @staticmethod
    def forward(ctx, x):
        return torch.round(x).int()


@RoundSTE.mistake("B17")
class InPlace(_Round):
    """`round_` rounds the caller's own tensor, in place. Make a new one: torch.round(x)."""

    @staticmethod
    def forward(ctx, x):
        return x.round_()


# --- 9.4b ------------------------------------------------------------------------------------------------------------


def _walk(planted, rate, steps, w=0.0, rounded=True):
    """w after so many steps of descent on mean((round(w)·x − y)²), straight through; rate = 2·lr·mean(x²)."""
    for _ in range(steps):
        w += rate * (planted - (round(w) if rounded else w))
    return w


def _data(rng, planted, rate):
    """(x, y, lr) that make it this rate."""
    x = numbers_off_zero(rng, 12)
    return x, planted * x, rate / float(2 * np.mean(x**2))


@reports(object)
def with_a_right_rounding(train, x, y, steps, lr):
    """train_quantised with a right RoundSTE"""

    class RoundSTE(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return torch.round(x)

        @staticmethod
        def backward(ctx, g):
            return g

    # A wrong answer to the exercise before must not make a right one to this wrong.
    names = getattr(train, "__globals__", {})
    there, own = "RoundSTE" in names, names.get("RoundSTE")
    names["RoundSTE"] = RoundSTE
    try:
        return train(x, y, steps, lr)
    finally:
        if there:
            names["RoundSTE"] = own
        else:
            del names["RoundSTE"]


def _on_the_way(rng, far):
    """(planted, rate, steps, round(w)): the same from any start near 0, and not what a wrong way gives.

    far: where one step more or fewer, and the best whole number, are others; else where w that is rounded at the end is.
    """
    for _ in range(100_000):
        planted = rng.choice((-1, 1)) * (rng.randint(24, 39) if far else rng.randint(4, 9))
        steps, rate = rng.randint(3, 5) if far else rng.randint(8, 16), rng.uniform(0.16, 0.28)
        w = round(_walk(planted, rate, steps))
        if far:
            others = [round(_walk(planted, rate, steps + k)) for k in (-1, 1)] + [planted]
            others += [round(_walk(planted, rate, steps, start)) for start in (1.0, -1.0)]
        else:
            late = _walk(planted, rate, steps, rounded=False)
            others = [round(late)] if abs(abs(late) % 1 - 0.5) > 0.01 else [w]
        if w not in others and all(abs(_walk(planted, rate, steps, start) - w) < 0.45 for start in (0.0, -0.1, 0.1)):
            return planted, rate, steps, float(w)
    raise RuntimeError("no clear case was found")


@lesson.exercise(
    number="9.4b", title="Training a whole number", signature="(x: Tensor[N], y: Tensor[N], steps: int, lr: float) -> float",
    points=2, minutes=10, section="09d", rechecks=("fit_line",),
    hints=(
        "Which gradient does w get if you write torch.round(w) in the loss? Print it after one backward.",
        "The loss sees the rounded weight, the step moves the weight itself: that one collects small steps until it passes "
        "a half.",
        "Start with w = 0.0, tracked, float64. In each step: the mean of (RoundSTE.apply(w)·x − y)², backward, w moves by −lr "
        "times its gradient under no_grad, .grad is cleared. At the end the rounded w, as a float.",
    ),
)
def train_quantised(ask):
    """Descent on the rounded weight's loss, straight through."""
    with ask.part("after many steps: the whole number that made the data", 2):
        for planted in (ask.rng.randint(5, 9), -ask.rng.randint(5, 9)):
            x, y, lr = _data(ask.rng, planted, ask.rng.uniform(0.16, 0.28))
            ask.using(with_a_right_rounding, x, y, 120, lr).equals(float(planted), "the rounded weight")
    with ask.part("after a few steps: as far as straight-through has come"):
        for far in (True, False):
            planted, rate, steps, want = _on_the_way(ask.rng, far)
            x, y, lr = _data(ask.rng, planted, rate)
            ask.using(with_a_right_rounding, x, y, steps, lr).equals(want, "the rounded weight")


train_quantised.sort_lines(
    "w = torch.zeros((), dtype=x.dtype, requires_grad=True)",
    "for _ in range(steps):",
    "    whole = w + (w.round() - w).detach()",
    "    loss = ((whole * x - y) ** 2).mean()",
    "    (slope,) = torch.autograd.grad(loss, w)",
    "    with torch.no_grad():",
    "        w -= lr * slope",
    "return w.round().item()",
    lures={"B19": "    whole = w.round()", "late": "    whole = w"},
)


def _trained(x, y, steps, lr, *, whole=lambda w: w + (w.round() - w).detach(), mean=True, down=-1.0, cleared=True, start=0.0):
    """The loop with one thing changed; the weight itself."""
    w = torch.tensor(start, dtype=x.dtype, requires_grad=True)
    total = torch.zeros_like(w)
    for _ in range(steps):
        squares = (whole(w) * x - y) ** 2
        slope = torch.autograd.grad(squares.mean() if mean else squares.sum(), w, allow_unused=True)[0]
        total = slope if cleared else total + slope
        with torch.no_grad():
            w += down * lr * total
    return w.detach()


@train_quantised.mistake("B19")
def plain_round(x, y, steps, lr):
    """round has slope 0, so w never moves from 0. Let the gradient pass straight through: RoundSTE.apply(w)."""
    return _trained(x, y, steps, lr, whole=torch.round).round().item()


@train_quantised.mistake("late")
def rounded_at_the_end(x, y, steps, lr):
    """You train the plain w and round it at the end. The loss has to see the rounded weight at every step."""
    return _trained(x, y, steps, lr, whole=lambda w: w).round().item()


@train_quantised.mistake("not-rounded")
def weight_itself_returned(x, y, steps, lr):
    """You return w, as training left it. The model uses round(w): return that."""
    return _trained(x, y, steps, lr).item()


@train_quantised.mistake("A16")
def sum_for_mean(x, y, steps, lr):
    """Your loss is a sum over the points, so each step is N times too long. The mean was asked for."""
    return _trained(x, y, steps, lr, mean=False).round().item()


@train_quantised.mistake("F1")
def never_cleared(x, y, steps, lr):
    """Nothing clears the gradient, so every step adds all gradients before it."""
    return _trained(x, y, steps, lr, cleared=False).round().item()


@train_quantised.mistake("F4")
def uphill(x, y, steps, lr):
    """You add lr·gradient, and walk uphill. Training subtracts it."""
    return _trained(x, y, steps, lr, down=1.0).round().item()


@train_quantised.mistake("closed-form")
def least_squares(x, y, steps, lr):
    """That is the best whole number however few steps were allowed. Asked is where training has come after `steps` steps."""
    return round(((x * y).sum() / (x * x).sum()).item()) * 1.0


@train_quantised.mistake("half-slope")
def factor_two_lost(x, y, steps, lr):
    """Your steps are half as long as they should be: the square brings a factor 2 into the gradient."""
    return _trained(x, y, steps, lr / 2).round().item()
