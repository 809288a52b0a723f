"""Exercises 9.5a and 9.5b of lesson 09: gates that do nothing forward, and clip or reverse the gradient."""

import numpy as np
import torch

from course_lib.judge import reports
from course_lib.keys.custom import demand_own_backward, lesson
from course_lib.keys.sensitivity import numbers_off_zero

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
