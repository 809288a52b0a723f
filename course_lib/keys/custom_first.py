"""Exercises 9.1 and 9.2 of lesson 09: a square that listens to what arrives, and a product of two inputs."""

import numpy as np
import torch

from course_lib.judge import reports
from course_lib.keys.custom import (
    ON_CTX,
    add_usual_mistakes,
    advise_on_saving,
    demand_gradcheck,
    demand_gradient,
    demand_own_backward,
    demand_second,
    lesson,
    result_of,
)
from course_lib.keys.sensitivity import numbers_off_zero
from course_lib.observe import Array

# --- 9.1 -------------------------------------------------------------------------------------------------------------

SQUARE_GIVEN = '''class SquareFn(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x**2

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return 2 * x
'''


@lesson.exercise(
    number="9.1", title="A square that listens", signature="(torch.autograd.Function): apply(x: Tensor[n]) -> Tensor[n]",
    kind="class", points=1, minutes=5, section="09a", given=SQUARE_GIVEN, rechecks=("relu_backward",),
    hints=(
        "Try 3·SquareFn.apply(x) at x = 2. What arrives at backward, and what does the given line do with it?",
        "backward has two things to multiply: what arrives, and the local derivative 2x.",
        "g has the shape of the result, so entry by entry: what arrives there times 2x there.",
    ),
)
def SquareFn(ask):  # noqa: N802
    """x² with a backward that multiplies."""
    x, g, w = (numbers_off_zero(ask.rng, 4) for _ in range(3))
    with ask.part("x² forward, and the right gradient for any g", 2):
        ask.using(result_of, x).equals(x**2, "the square")
        demand_gradient(ask, x, g, 2 * x * g)
        demand_gradient(ask, x, np.ones(4), 2 * x)
        demand_own_backward(ask, x)
        demand_gradcheck(ask, x)
    with ask.part("differentiable a second time"):
        demand_second(ask, x, g, w, 2 * g * w, 2 * x * w)
        advise_on_saving(ask, x, g, 2 * x * g)


class _Square(torch.autograd.Function):
    """What the wrong squares share: a right forward."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x**2


add_usual_mistakes(SquareFn, _Square)


@SquareFn.mistake("D10")
class IgnoresG(_Square):
    """Your backward returns 2x and ignores g. It is right only where 1 arrives: multiply what arrives with the local
    derivative."""

    @staticmethod
    def backward(ctx, g):
        return 2 * ctx.saved_tensors[0]


@SquareFn.mistake("added")
class AddsG(_Square):
    """You add what arrives to the local derivative. Along one path the factors are multiplied."""

    @staticmethod
    def backward(ctx, g):
        return 2 * ctx.saved_tensors[0] + g


@SquareFn.mistake("D10-total")
class OneFactorForAll(_Square):
    """You multiply every entry with the sum of g. Entry i of the result depends on xᵢ alone, so only gᵢ belongs there."""

    @staticmethod
    def backward(ctx, g):
        return 2 * ctx.saved_tensors[0] * g.sum()


@SquareFn.mistake("F20")
class FactorLost(_Square):
    """The factor 2 is missing: the slope of x² is 2x. Such a backward still trains, at another learning rate."""

    @staticmethod
    def backward(ctx, g):
        return ctx.saved_tensors[0] * g


@SquareFn.mistake("A1")
class ValueForSlope(_Square):
    """You multiply with the value x². The local derivative is the slope, 2x."""

    @staticmethod
    def backward(ctx, g):
        return ctx.saved_tensors[0] ** 2 * g


@SquareFn.mistake("x-lost")
class ConstantSlope(_Square):
    """You return 2·g. The slope of x² is 2x: it depends on where you are, so x has to come out of ctx."""

    @staticmethod
    def backward(ctx, g):
        return 2 * g


@SquareFn.mistake("saved-tuple")
class TupleNotOpened(_Square):
    """ctx.saved_tensors is a tuple, also when it holds one tensor: open it with `(x,) = ctx.saved_tensors`."""

    @staticmethod
    def backward(ctx, g):
        x = ctx.saved_tensors
        return g * 2 * x


@SquareFn.mistake("C5")
class DetachedX(_Square):
    """The gradient is right, and the second derivative is lost: x was cut off its graph (detach, .data, a copy or a
    slope made in forward), so nothing in backward depends on it."""

    @staticmethod
    def backward(ctx, g):
        return g * 2 * ctx.saved_tensors[0].detach()


@SquareFn.mistake("C5-off")
class NothingRecorded(_Square):
    """The gradient is right, and it cannot be differentiated again: no_grad or once_differentiable keeps autograd from
    recording your backward."""

    @staticmethod
    def backward(ctx, g):
        with torch.no_grad():
            return g * 2 * ctx.saved_tensors[0]


# --- 9.2 -------------------------------------------------------------------------------------------------------------


@reports(list)
def gradients_of_two(function, a, b, g):
    """what arrives at a and at b when g comes in at the result"""
    y = function.apply(a.requires_grad_(), b.requires_grad_())
    if not isinstance(y, torch.Tensor):
        return [None, None]
    return list(torch.autograd.grad(y, (a, b), g if y.shape == g.shape else torch.ones_like(y), allow_unused=True))


@reports(object)
def result_of_two(function, a, b):
    """what apply(a, b) returns"""
    return function.apply(a.requires_grad_(), b.requires_grad_())


@reports(object)
def gradient_of_one(function, a, b, g):
    """what arrives at a when g comes in and b is a constant, not tracked"""
    y = function.apply(a.requires_grad_(), b)
    return torch.autograd.grad(y, a, g, allow_unused=True)[0] if isinstance(y, torch.Tensor) else None


@reports(list)
def shapes_from_backward(function, a, b):
    """the shapes of what backward itself returns"""
    name = "vjp" if function.vjp is not torch.autograd.Function.vjp else "backward"
    walk, seen = getattr(function, name), []

    def watched(ctx, *arriving):
        seen.append(walk(ctx, *arriving))
        return seen[-1]

    same = type(function)(function.__name__, (function,), {name: staticmethod(watched)})
    y = same.apply(a.requires_grad_(), b.requires_grad_())
    y.backward(torch.ones_like(y))
    returned = seen[0] if isinstance(seen[0], tuple | list) else [seen[0]]
    return [list(one.shape) if isinstance(one, torch.Tensor) else None for one in returned]


@lesson.exercise(
    number="9.2", title="A product of two", signature="(torch.autograd.Function): apply(a: Tensor, b: Tensor) -> Tensor",
    kind="class", points=1, minutes=8, section="09b", rechecks=("unbroadcast",),
    hints=(
        "y = a·b. Hold b: how fast does y change with a? And the other way round?",
        "A number of b that was used in several rows gets a share from each of them: the shares are added.",
        "g times the other factor, then `.sum_to_size(…)` with the shape of the input; one gradient for each input, in the "
        "order of forward's arguments.",
    ),
)
def MulFn(ask):  # noqa: N802
    """a·b with both gradients, summed back to the inputs' shapes."""
    a, b, g = (numbers_off_zero(ask.rng, 3) for _ in range(3))
    row, column, wide = numbers_off_zero(ask.rng, 3), numbers_off_zero(ask.rng, 2, 1), numbers_off_zero(ask.rng, 2, 3)
    with ask.part("the product and both gradients, inputs of one shape", 2):
        ask.using(result_of_two, a, b).equals(a * b, "the product")
        ask.using(gradients_of_two, a, b, g).equals([g * b, g * a], ("the gradient of a", "the gradient of b"))
        ask.using(gradient_of_one, a, b, g).equals(g * b, "the gradient of a")
        demand_own_backward(ask, a, b)
    with ask.part("the gradients where an input was broadcast"):
        both = ("the gradient of a", "the gradient of b")
        ask.using(gradients_of_two, wide, row, wide[::-1].copy()).equals(
            [wide[::-1] * row, (wide[::-1] * wide).sum(0)], both)
        ask.using(gradients_of_two, row, column, wide).equals(
            [(wide * column).sum(0), (wide * row).sum(1, keepdims=True)], both)
    with ask.part("backward itself returns the shapes of the inputs"):
        for one, other in ((wide, row), (row, column)):
            answer = ask.using(shapes_from_backward, one, other)
            if answer.value:
                shapes = [list(one.shape), list(other.shape)]
                got = " and ".join("None" if shape is None else str(tuple(shape)) for shape in answer.value)
                answer.holds(answer.value == shapes, f"{one.shape} and {other.shape}, the shapes of the inputs",
                             f"your backward returned {got}")
            else:
                answer.holds(True, "")
        advise_on_saving_two(ask, a, b, g)


@reports(object)
def gradient_after_editing_b(function, a, b, g):
    """what arrives at a if b is changed in place before backward runs"""
    y = function.apply(a.requires_grad_(), b)
    b.mul_(2)
    try:
        return torch.autograd.grad(y, a, g)[0]
    except RuntimeError:
        return None


def advise_on_saving_two(ask, a, b, g):
    if not ask.problems:
        found = ask.using(gradient_after_editing_b, a, b, g).value
        if isinstance(found, Array) and not np.allclose(found.numbers, g * b):
            ask.advise(ON_CTX)


class _Mul(torch.autograd.Function):
    """What the wrong products share: a right forward."""

    @staticmethod
    def forward(ctx, a, b):
        ctx.save_for_backward(a, b)
        return a * b


@MulFn.mistake("D9")
class NotSummed(_Mul):
    """The numbers arrive right only because the engine adds up in silence: your backward returns the shape of the product.
    Sum over what was broadcast yourself, `.sum_to_size(…)`."""

    @staticmethod
    def backward(ctx, g):
        a, b = ctx.saved_tensors
        return g * b, g * a


@MulFn.mistake("D9-ones")
class OnlyMissingAxes(_Mul):
    """You sum over axes that an input has not got, and not over those where it has length 1: an input of shape (2, 1) gets a
    gradient of shape (2, 3), and the engine sums in silence."""

    @staticmethod
    def backward(ctx, g):
        a, b = ctx.saved_tensors

        def back(share, like):
            return share.sum(tuple(range(share.dim() - like.dim()))) if share.dim() > like.dim() else share

        return back(g * b, a), back(g * a, b)


@MulFn.mistake("D9-axis")
class AxisKept(_Mul):
    """Your gradient for an input without a first axis has one of length 1. The engine drops it in silence; backward should
    return the shape of the input."""

    @staticmethod
    def backward(ctx, g):
        a, b = ctx.saved_tensors

        def back(share, shape):
            return share.sum_to_size((1,) * (share.dim() - len(shape)) + tuple(shape))

        return back(g * b, a.shape), back(g * a, b.shape)


@MulFn.mistake("D11")
class Swapped(_Mul):
    """The two gradients have changed places, or each is multiplied with its own input: a gets g·b, and b gets g·a."""

    @staticmethod
    def backward(ctx, g):
        a, b = ctx.saved_tensors
        return (g * a).sum_to_size(a.shape), (g * b).sum_to_size(b.shape)


@MulFn.mistake("D11-unsummed")
class SwappedNotSummed(_Mul):
    """Each gradient is multiplied with its own input: a gets g·b, and b gets g·a. And neither is summed over what was
    broadcast."""

    @staticmethod
    def backward(ctx, g):
        a, b = ctx.saved_tensors
        return g * a, g * b


@MulFn.mistake("D11-one", fresh=True)
def one_gradient_for_two():
    """Your backward returns one gradient (or nothing), and forward has two inputs: return one for each, in their order."""

    class MulFn(_Mul):
        @staticmethod
        def backward(ctx, g):
            a, b = ctx.saved_tensors
            return g * b

    return MulFn


@MulFn.mistake("none-for-b")
class NoneForB(_Mul):
    """b gets no gradient at all. None is for inputs that are no tensors; b is one, and its gradient is g·a."""

    @staticmethod
    def backward(ctx, g):
        a, b = ctx.saved_tensors
        return (g * b).sum_to_size(a.shape), None


@MulFn.mistake("D10", fresh=True)
def arriving_gradient_ignored():
    """Your backward returns b and a, the local derivatives, and ignores g. Multiply both with what arrives."""

    class MulFn(_Mul):
        @staticmethod
        def backward(ctx, g):
            a, b = ctx.saved_tensors
            return b, a

    return MulFn


@MulFn.mistake("D10-shaped", fresh=True)
def arriving_gradient_ignored_in_shape():
    """Your backward brings b and a, the local derivatives, into shape and ignores g. Multiply both with what arrives."""

    class MulFn(_Mul):
        @staticmethod
        def backward(ctx, g):
            a, b = ctx.saved_tensors
            ones = torch.ones_like(g)
            return (ones * b).sum_to_size(a.shape), (ones * a).sum_to_size(b.shape)

    return MulFn


@MulFn.mistake("D8", fresh=True)
def summed_over_the_first_axis():
    """You always add up over the first axis. Which axes were broadcast depends on the shapes: sum over those, and over no
    other."""

    class MulFn(_Mul):
        @staticmethod
        def backward(ctx, g):
            a, b = ctx.saved_tensors
            return g * b, (g * a).sum(0)

    return MulFn


@MulFn.mistake("mean")
class Averaged(_Mul):
    """You average over what was broadcast. Every row that used the number sends its share, and shares are added."""

    @staticmethod
    def backward(ctx, g):
        a, b = ctx.saved_tensors
        both = []
        for share, to in ((g * b, a), (g * a, b)):
            both.append(share.sum_to_size(to.shape) * (to.numel() / share.numel()))
        return tuple(both)


@MulFn.mistake("A1")
class ProductForSlope(_Mul):
    """You multiply g with the product. The product changes with one factor at the rate of the other factor."""

    @staticmethod
    def backward(ctx, g):
        a, b = ctx.saved_tensors
        return (g * a * b).sum_to_size(a.shape), (g * a * b).sum_to_size(b.shape)
