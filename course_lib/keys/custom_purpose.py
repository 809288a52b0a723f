"""Exercises 9.4a to 9.5b of lesson 09: backward passes that are something else than the slope, on purpose."""

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
            ask(x, y, 120, lr).equals(float(planted), "the rounded weight")
    with ask.part("after a few steps: as far as straight-through has come"):
        for far in (True, False):
            planted, rate, steps, want = _on_the_way(ask.rng, far)
            x, y, lr = _data(ask.rng, planted, rate)
            ask(x, y, steps, lr).equals(want, "the rounded weight")


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


# --- 9.5a ------------------------------------------------------------------------------------------------------------


@reports(object)
def result_under(function, x, limit):
    """what apply(x, limit) returns"""
    return function.apply(x.requires_grad_(), limit)


@reports(object)
def result_scaled(function, x, scale):
    """what apply(x, scale) returns"""
    return function.apply(x.requires_grad_(), scale)


@reports(object)
def gradient_under(function, x, limit, g):
    """what arrives at x when g comes in at the result"""
    y = function.apply(x.requires_grad_(), limit)
    return torch.autograd.grad(y, x, g, allow_unused=True)[0] if isinstance(y, torch.Tensor) else None


@reports(object)
def gradient_scaled(function, x, scale, g):
    """what arrives at x when g comes in at the result"""
    y = function.apply(x.requires_grad_(), scale)
    return torch.autograd.grad(y, x, g, allow_unused=True)[0] if isinstance(y, torch.Tensor) else None


@reports(bool)
def leaves_what_arrives(function, x, number, g):
    """whether backward leaves g as it was"""
    before = g.clone()
    torch.autograd.grad(function.apply(x.requires_grad_(), number), x, g, allow_unused=True)
    return torch.equal(g, before)


def advise_on_what_arrives(ask, x, number, g):
    """Tell of a backward that writes into what it is given; the mark is right all the same."""
    if not ask.problems and ask.using(leaves_what_arrives, x, number, g).value is False:
        ask.advise("Your backward changes what arrives in place. Others may still need it: return a new tensor.")


@lesson.exercise(
    number="9.5a", title="A gate for gradients",
    signature="(torch.autograd.Function): apply(x: Tensor[n], limit: float) -> Tensor[n]",
    kind="class", points=2, minutes=7, section="09d", rechecks=("clip_norm",),
    hints=(
        "Forward does nothing at all. What does backward need to know, and where can forward leave a plain number for it?",
        "A number goes on ctx as an attribute; save_for_backward takes tensors only. Every entry of g is kept between −limit and "
        "limit.",
        "forward has two inputs besides ctx, so backward returns two things: the clamped g, and None for limit.",
    ),
)
def GradClip(ask):  # noqa: N802
    """x forward, g clamped to ±limit backward."""
    with ask.part("x forward, and g between −limit and limit backward", 2):
        for limit in (round(ask.rng.uniform(0.4, 0.9), 2), round(ask.rng.uniform(2.5, 4.5), 1)):
            x = numbers_off_zero(ask.rng, 5, most=9)
            g = limit * np.array([1.7, -2.6, 0.6, -0.3, 3.1]) * [ask.rng.uniform(0.9, 1.1) for _ in range(5)]
            ask.using(result_under, x, limit).equals(x, "the input")
            ask.using(gradient_under, x, limit, g).equals(np.clip(g, -limit, limit), "the gradient of x")
        demand_own_backward(ask, x, limit)
    with ask.part("a g within the limits passes as it came"):
        x, g = numbers_off_zero(ask.rng, 4), numbers_off_zero(ask.rng, 4)
        ask.using(gradient_under, x, 2.5, g).equals(g, "the gradient of x")
        ask.using(gradient_under, x, 0.1, g).equals(0.1 * np.sign(g), "the gradient of x")
        advise_on_what_arrives(ask, x, 0.1, g)


class _Limited(torch.autograd.Function):
    """What the wrong ones share: a right forward."""

    @staticmethod
    def forward(ctx, x, limit):
        ctx.limit = limit
        return x.view_as(x)


@GradClip.mistake("F11")
class ByNorm(_Limited):
    """You shorten the whole gradient to length `limit`. Here every entry is cut off by itself, so the direction may change."""

    @staticmethod
    def backward(ctx, g):
        return g * (ctx.limit / g.norm()).clamp(max=1), None


@GradClip.mistake("one-sided")
class OneSided(_Limited):
    """You cut off above `limit` and let everything below through. Large negative gradients have to be cut off at −limit."""

    @staticmethod
    def backward(ctx, g):
        return g.clamp(max=ctx.limit), None


@GradClip.mistake("sign")
class SignOnly(_Limited):
    """You return ±limit everywhere. Gradients within the limits pass as they are."""

    @staticmethod
    def backward(ctx, g):
        return ctx.limit * g.sign(), None


@GradClip.mistake("limit-unused")
class FixedLimit(_Limited):
    """You clamp to ±1, whatever `limit` says."""

    @staticmethod
    def backward(ctx, g):
        return g.clamp(-1, 1), None


@GradClip.mistake("dropped")
class Dropped(_Limited):
    """You set gradients beyond the limit to 0. They are cut off at ±limit, not dropped."""

    @staticmethod
    def backward(ctx, g):
        return g * (g.abs() <= ctx.limit), None


@GradClip.mistake("nothing-clipped")
class NothingClipped(_Limited):
    """g passes as it came. It should be clamped to ±limit on its way."""

    @staticmethod
    def backward(ctx, g):
        return g, None


@GradClip.mistake("wrong-pass")
class ClampsForward(_Limited):
    """You clamp x in forward. Forward hands x on unchanged; it is the gradient that is clamped."""

    @staticmethod
    def forward(ctx, x, limit):
        ctx.limit = limit
        return x.clamp(-limit, limit)

    @staticmethod
    def backward(ctx, g):
        return g.clamp(-ctx.limit, ctx.limit), None


@GradClip.mistake("D11", fresh=True)
def one_gradient():
    """Your backward returns one thing (or nothing), and forward has two inputs: return one for each, and None for `limit`."""

    class GradClip(_Limited):
        @staticmethod
        def backward(ctx, g):
            return g.clamp(-ctx.limit, ctx.limit)

    return GradClip


@GradClip.mistake("D11-none", fresh=True)
def something_for_the_limit():
    """In the place of `limit` your backward returns a number or a tensor. limit is no tensor, so None belongs there; and the
    order is that of forward's inputs."""

    class GradClip(_Limited):
        @staticmethod
        def backward(ctx, g):
            return g.clamp(-ctx.limit, ctx.limit), torch.zeros(())

    return GradClip


@GradClip.mistake("saved-number")
class NumberSaved(_Limited):
    """save_for_backward takes tensors only. A plain number goes on ctx as an attribute: ctx.limit = limit."""

    @staticmethod
    def forward(ctx, x, limit):
        ctx.save_for_backward(limit)
        return x.view_as(x)

    @staticmethod
    def backward(ctx, g):
        (limit,) = ctx.saved_tensors
        return g.clamp(-limit, limit), None


# --- 9.5b ------------------------------------------------------------------------------------------------------------


@lesson.exercise(
    number="9.5b", title="Gradient reversal",
    signature="(torch.autograd.Function): apply(x: Tensor[n], scale: float) -> Tensor[n]",
    kind="class", points=1, minutes=5, section="09d",
    hints=(
        "Which of the two passes turns something round? The other one does nothing.",
        "Whoever trains behind this layer goes downhill; whoever lies in front of it is sent uphill, `scale` times as far.",
        "backward returns minus scale times g, and None for scale.",
    ),
)
def GradReverse(ask):  # noqa: N802
    """x forward, −scale·g backward."""
    with ask.part("x forward, −scale·g backward"):
        for scale in (round(ask.rng.uniform(0.2, 0.8), 2), round(ask.rng.uniform(1.5, 3.5), 1)):
            x, g = numbers_off_zero(ask.rng, 4), numbers_off_zero(ask.rng, 4)
            ask.using(result_scaled, x, scale).equals(x, "the input")
            ask.using(gradient_scaled, x, scale, g).equals(-scale * g, "the gradient of x")
        demand_own_backward(ask, x, scale)
        advise_on_what_arrives(ask, x, scale, g)


class _Scaled(torch.autograd.Function):
    """What the wrong ones share: a right forward."""

    @staticmethod
    def forward(ctx, x, scale):
        ctx.scale = scale
        return x.view_as(x)


@GradReverse.mistake("sign-lost")
class NotReversed(_Scaled):
    """You scale the gradient and do not turn it round: a minus is missing."""

    @staticmethod
    def backward(ctx, g):
        return ctx.scale * g, None


@GradReverse.mistake("scale-unused")
class NotScaled(_Scaled):
    """You turn the gradient round and do not use `scale`."""

    @staticmethod
    def backward(ctx, g):
        return -g, None


@GradReverse.mistake("D10")
class IgnoresG(_Scaled):
    """You return −scale everywhere. It multiplies what arrives, g."""

    @staticmethod
    def backward(ctx, g):
        return torch.full_like(g, -ctx.scale), None


@GradReverse.mistake("divided")
class Divided(_Scaled):
    """You divide by `scale`. It multiplies the gradient."""

    @staticmethod
    def backward(ctx, g):
        return -g / ctx.scale, None


@GradReverse.mistake("wrong-pass")
class ReversesForward(_Scaled):
    """You multiply x with −scale in forward. Forward hands x on unchanged; only the gradient is turned round."""

    @staticmethod
    def forward(ctx, x, scale):
        ctx.scale = scale
        return -scale * x

    @staticmethod
    def backward(ctx, g):
        return -ctx.scale * g, None


@GradReverse.mistake("untouched")
class Untouched(_Scaled):
    """g passes as it came. It should be multiplied with −scale on its way."""

    @staticmethod
    def backward(ctx, g):
        return g, None


@GradReverse.mistake("D11", fresh=True)
def no_none_for_scale():
    """Your backward returns one thing (or nothing), and forward has two inputs: return one for each, and None for `scale`."""

    class GradReverse(_Scaled):
        @staticmethod
        def backward(ctx, g):
            return -ctx.scale * g

    return GradReverse


@GradReverse.mistake("D11-none", fresh=True)
def something_for_scale():
    """In the place of `scale` your backward returns a number or a tensor. scale is no tensor, so None belongs there; and the
    order is that of forward's inputs."""

    class GradReverse(_Scaled):
        @staticmethod
        def backward(ctx, g):
            return -ctx.scale * g, torch.zeros(())

    return GradReverse


@GradReverse.mistake("saved-number")
class ScaleSaved(_Scaled):
    """save_for_backward takes tensors only. A plain number goes on ctx as an attribute: ctx.scale = scale."""

    @staticmethod
    def forward(ctx, x, scale):
        ctx.save_for_backward(scale)
        return x.view_as(x)

    @staticmethod
    def backward(ctx, g):
        (scale,) = ctx.saved_tensors
        return -scale * g, None
