"""Answers to lesson 09 as students write them."""

import math
import warnings

import numpy as np
import torch
import torch.nn.functional as F
from torch.autograd import Function
from torch.autograd.function import once_differentiable

from tests.answers import Bank, after, runs

bank = Bank("09")



def called(name, function):
    """The same Function under the name that the exercise gives it: the engine's messages name it."""
    return type(function)(name, (function,), {"backward": staticmethod(function.backward)})


# --- 9.1 -------------------------------------------------------------------------------------------------------------


@bank.honest("SquareFn")
class SavedInput(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x**2

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return 2 * x * g


@bank.honest("SquareFn")
class WithSetupContext(torch.autograd.Function):
    @staticmethod
    def forward(x):
        return x * x

    @staticmethod
    def setup_context(ctx, inputs, output):
        (x,) = inputs
        ctx.save_for_backward(x)

    @staticmethod
    def backward(ctx, grad_output):
        x = ctx.saved_tensors[0]
        return grad_output.mul(x).mul(2)


@bank.honest("SquareFn")
class AttributeOfCtx(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.x = x
        return x.pow(2)

    @staticmethod
    def backward(ctx, g):
        if ctx.needs_input_grad[0]:
            return g * (ctx.x + ctx.x)
        return None


@bank.honest("SquareFn")
class TupleReturned(Function):
    """Squares."""

    factor = 2

    @staticmethod
    def forward(ctx, *args):
        (x,) = args
        ctx.save_for_backward(x)
        return torch.square(x)

    @staticmethod
    def backward(ctx, *grads):
        (x,), (g,) = ctx.saved_tensors, grads
        return (TupleReturned.factor * g * x,)


@bank.honest("SquareFn")
class WithoutDecorators(Function):
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * x

    def backward(ctx, g):
        x, *_ = ctx.saved_tensors
        return g * 2.0 * x


@bank.honest("SquareFn")
class NamedVjp(Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(x):
        return x**2

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(*inputs)

    @staticmethod
    def vjp(ctx, g):
        (x,) = ctx.saved_tensors
        return g * 2 * x


@bank.honest("SquareFn")
class AutogradInside(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x**2

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        with torch.enable_grad():
            if torch.is_grad_enabled() and x.requires_grad:
                return torch.autograd.grad(x**2, x, g, create_graph=True)[0]
        return 2 * x * g


@bank.slip("SquareFn", "ignores g", named="D10")
class LocalDerivativeOnly(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * x

    @staticmethod
    def backward(ctx, grad_output):
        (x,) = ctx.saved_tensors
        return 2 * x


@bank.slip("SquareFn", "second derivative is lost", named="C5")
class CopyOnCtx(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.copy = x.clone()
        return x**2

    @staticmethod
    def backward(ctx, g):
        return 2 * ctx.copy * g


@bank.slip("SquareFn", "cannot be differentiated again", named="C5-off")
class MarkedOnce(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x**2

    @staticmethod
    @once_differentiable
    def backward(ctx, g):
        return 2 * ctx.saved_tensors[0] * g


@bank.slip("SquareFn", "the return is missing", named="no-return")
class NoReturn(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x**2

    @staticmethod
    def backward(ctx, g):
        2 * ctx.saved_tensors[0] * g


@bank.slip("SquareFn", "the return is missing", named="no-forward")
class ForwardWithoutReturn(SavedInput):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        x**2


@bank.slip("SquareFn", "forward saved nothing", named="nothing-saved")
class NothingSaved(Function):
    @staticmethod
    def forward(ctx, x):
        return x**2

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return 2 * x * g


@bank.slip("SquareFn", "open it with", named="saved-tuple")
class ListOfSaved(SavedInput):
    @staticmethod
    def backward(ctx, g):
        x = ctx.saved_tensors
        return 2 * x * g


@bank.slip("SquareFn", "a forward and a backward of your own")
class NoFunctionAtAll:
    @staticmethod
    def apply(x):
        return x**2


bank.value("SquareFn", SavedInput)

# --- 9.2 -------------------------------------------------------------------------------------------------------------


@bank.honest("MulFn")
class SumToSize(Function):
    @staticmethod
    def forward(ctx, a, b):
        ctx.save_for_backward(a, b)
        return a * b

    @staticmethod
    def backward(ctx, g):
        a, b = ctx.saved_tensors
        return (g * b).sum_to_size(a.shape), (g * a).sum_to_size(b.shape)


def unbroadcast(g, shape):
    while g.dim() > len(shape):
        g = g.sum(0)
    for axis, length in enumerate(shape):
        if length == 1 and g.shape[axis] != 1:
            g = g.sum(axis, keepdim=True)
    return g


@bank.honest("MulFn")
class OwnUnbroadcast(Function):
    @staticmethod
    def forward(ctx, a, b):
        ctx.save_for_backward(a, b)
        return torch.mul(a, b)

    @staticmethod
    def backward(ctx, grad_output):
        a, b = ctx.saved_tensors
        grad_a = grad_b = None
        if ctx.needs_input_grad[0]:
            grad_a = unbroadcast(grad_output * b, a.shape)
        if ctx.needs_input_grad[1]:
            grad_b = unbroadcast(grad_output * a, b.shape)
        return grad_a, grad_b


@bank.honest("MulFn")
class ShapesOnCtx(Function):
    @staticmethod
    def forward(a, b):
        return a * b

    @staticmethod
    def setup_context(ctx, inputs, output):
        a, b = inputs
        ctx.save_for_backward(*inputs)
        ctx.shapes = a.shape, b.shape

    @staticmethod
    def backward(ctx, g):
        a, b = ctx.saved_tensors
        return tuple((g * other).sum_to_size(shape) for other, shape in zip((b, a), ctx.shapes, strict=True))


@bank.honest("MulFn")
class ReshapedAtTheEnd(Function):
    @staticmethod
    def forward(ctx, a, b):
        ctx.save_for_backward(a, b)
        return a * b

    @staticmethod
    def backward(ctx, g):
        def back(share, like):
            missing = share.dim() - like.dim()
            axes = [*range(missing), *(missing + k for k, n in enumerate(like.shape) if n == 1 < share.shape[missing + k])]
            return share.sum(axes).reshape(like.shape) if axes else share

        a, b = ctx.saved_tensors
        return back(g * b, a), back(g * a, b)


@bank.honest("MulFn")
class OnceIsEnough(Function):
    @staticmethod
    def forward(ctx, a, b):
        ctx.a, ctx.b = a, b
        return a.mul(b)

    @staticmethod
    @once_differentiable
    def backward(ctx, g):
        with torch.enable_grad():
            a, b = ctx.a.detach().requires_grad_(), ctx.b.detach().requires_grad_()
            return torch.autograd.grad(a * b, (a, b), g)


@bank.slip("MulFn", "the shape of the product", named="D9")
class EngineSums(Function):
    @staticmethod
    def forward(ctx, a, b):
        ctx.save_for_backward(a, b)
        return a * b

    @staticmethod
    def backward(ctx, g):
        a, b = ctx.saved_tensors
        return b * g, a * g


@bank.slip("MulFn", "multiplied with its own input", named="D11-unsummed")
class OwnFactor(EngineSums):
    @staticmethod
    def backward(ctx, g):
        a, b = ctx.saved_tensors
        return a * g, b * g


@bank.slip("MulFn", "no gradient at all", named="none-for-b")
class NoGradientForB(SumToSize):
    @staticmethod
    def backward(ctx, g):
        a, b = ctx.saved_tensors
        return (g * b).sum_to_size(a.shape), None


@bank.slip("MulFn", "expected shape compatible")
class SummedToANumber(SumToSize):
    @staticmethod
    def backward(ctx, g):
        a, b = ctx.saved_tensors
        return (g * b).sum(), (g * a).sum()


@bank.slip("MulFn", "negative")
class MinusSign(SumToSize):
    @staticmethod
    def backward(ctx, g):
        a, b = SumToSize.backward(ctx, g)
        return a, -b


@bank.slip("MulFn", "length 1", named="D9-ones")
class LeadingAxesOnly(SumToSize):
    @staticmethod
    def backward(ctx, g):
        def leading(share, shape):
            while share.dim() > len(shape):
                share = share.sum(0)
            return share

        a, b = ctx.saved_tensors
        return leading(g * b, a.shape), leading(g * a, b.shape)


bank.value("MulFn", SumToSize)

# --- 9.3a ------------------------------------------------------------------------------------------------------------


@bank.honest("SoftplusFn")
class MaximumAndLog1p(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return torch.clamp(x, min=0) + torch.log1p(torch.exp(-x.abs()))

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return g * torch.sigmoid(x)


@bank.honest("SoftplusFn")
class Logaddexp(Function):
    @staticmethod
    def forward(x):
        return torch.logaddexp(x, torch.zeros_like(x))

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(inputs[0])

    @staticmethod
    def backward(ctx, g):
        return g * ctx.saved_tensors[0].sigmoid()


@bank.honest("SoftplusFn")
class TwoBranches(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return torch.where(x > 0, x + torch.log1p(torch.exp(-x)), torch.log1p(torch.exp(x)))

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        small = torch.exp(-x.abs())
        return g * torch.where(x >= 0, 1 / (1 + small), small / (1 + small))


@bank.honest("SoftplusFn")
class ResultSaved(Function):
    @staticmethod
    def forward(ctx, x):
        y = -F.logsigmoid(-x)
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx, g):
        (y,) = ctx.saved_tensors
        return -g * torch.expm1(-y)


@bank.honest("SoftplusFn")
class InputOnCtx(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.x = x
        m = torch.maximum(x, torch.zeros_like(x))
        return m + torch.log(torch.exp(-m) + torch.exp(x - m))

    @staticmethod
    def backward(ctx, g):
        return g / (1 + torch.exp(-ctx.x))


@bank.honest("SoftplusFn")
class LibraryThreshold(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return torch.where(x > 20, x, torch.log1p(torch.exp(x)))

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return g * torch.exp(-F.relu(-x) - torch.log1p(torch.exp(-x.abs())))


@bank.slip("SoftplusFn", "F.softplus")
class ReadyMade(MaximumAndLog1p):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return F.softplus(x)


@bank.slip("SoftplusFn", "exp(800)", named="E6")
class Log1pOfExp(MaximumAndLog1p):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return torch.log1p(x.exp())


@bank.slip("SoftplusFn", "overflows in both", named="E6-both")
class BothAsOnPaper(Log1pOfExp):
    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return g * x.exp() / (x.exp() + 1)


@bank.slip("SoftplusFn", "second derivative is lost", named="C5")
class SlopeFromForward(MaximumAndLog1p):
    @staticmethod
    def forward(ctx, x):
        ctx.slope = torch.sigmoid(x)
        return MaximumAndLog1p.forward(ctx, x)

    @staticmethod
    def backward(ctx, g):
        return ctx.slope * g


@bank.slip("SoftplusFn", "Two things", named="E6-saved")
class SigmoidAtHand(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.s = 1 / (1 + torch.exp(-x))
        return torch.log(1 + torch.exp(x))

    @staticmethod
    def backward(ctx, g):
        return ctx.s * g


@bank.slip("SoftplusFn", "a forward and a backward of your own")
class AutogradDoesIt(Function):
    @staticmethod
    def apply(x):
        return torch.logaddexp(x, torch.zeros_like(x))


@bank.slip("SoftplusFn", "is smaller")
class LogOfTwoAdded(MaximumAndLog1p):
    @staticmethod
    def forward(ctx, x):
        return MaximumAndLog1p.forward(ctx, x) + math.log(2)


bank.value("SoftplusFn", MaximumAndLog1p)

# --- 9.3b ------------------------------------------------------------------------------------------------------------


@bank.honest("LogSumExpFn")
class LargestTakenAway(Function):
    @staticmethod
    def forward(ctx, x):
        m = x.max()
        ctx.save_for_backward(x)
        return m + (x - m).exp().sum().log()

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return g * torch.softmax(x, dim=0)


@bank.honest("LogSumExpFn")
class FromTheResult(Function):
    @staticmethod
    def forward(ctx, x):
        y = torch.logsumexp(x, dim=0)
        ctx.save_for_backward(x, y)
        return y

    @staticmethod
    def backward(ctx, g):
        x, y = ctx.saved_tensors
        return g * torch.exp(x - y)


@bank.honest("LogSumExpFn")
class SharesSaved(Function):
    @staticmethod
    def forward(ctx, x):
        m = torch.amax(x)
        e = torch.exp(x - m)
        ctx.save_for_backward(e / e.sum())
        return torch.log(e.sum()) + m

    @staticmethod
    @once_differentiable
    def backward(ctx, g):
        (p,) = ctx.saved_tensors
        return p * g


@bank.honest("LogSumExpFn")
class SetUp(Function):
    @staticmethod
    def forward(x):
        return x.logsumexp(-1)

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.p = torch.softmax(inputs[0].detach(), -1)

    @staticmethod
    def backward(ctx, grad_output):
        return grad_output.unsqueeze(0) * ctx.p


@bank.honest("LogSumExpFn")
class FoldedPairs(Function):
    @staticmethod
    def forward(ctx, x):
        total = x[0].clone()
        for one in x[1:]:
            total = torch.logaddexp(total, one)
        ctx.save_for_backward(x, total)
        return total

    @staticmethod
    def backward(ctx, g):
        x, total = ctx.saved_tensors
        return (x - total).exp() * g


@bank.slip("LogSumExpFn", "shape")
class DimensionKept(LargestTakenAway):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return torch.logsumexp(x, dim=0, keepdim=True)


@bank.slip("LogSumExpFn", "overflows in both", named="E6-both")
class AsOnPaper(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.exp().sum().log()

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return g * x.exp() / x.exp().sum()


@bank.slip("LogSumExpFn", "did not add it back", named="max-lost")
class NotPutBack(LargestTakenAway):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return (x - torch.amax(x)).exp().sum().log()


@bank.slip("LogSumExpFn", "still overflows", named="mean-shift")
class MeanTakenAway(LargestTakenAway):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.mean() + (x - x.mean()).exp().sum().log()


bank.value("LogSumExpFn", LargestTakenAway)

# --- 9.4a ------------------------------------------------------------------------------------------------------------


@bank.honest("RoundSTE")
class PassOn(Function):
    @staticmethod
    def forward(ctx, x):
        return torch.round(x)

    @staticmethod
    def backward(ctx, g):
        return g


@bank.honest("RoundSTE")
class PassOnAClone(Function):
    @staticmethod
    def forward(x):
        return x.round()

    @staticmethod
    def setup_context(ctx, inputs, output):
        pass

    @staticmethod
    def backward(ctx, grad_output):
        return grad_output.clone()


@bank.honest("RoundSTE")
class HalfAdded(Function):
    @staticmethod
    def forward(ctx, input):
        return torch.floor(input + 0.5)

    @staticmethod
    def backward(ctx, *gradients):
        return gradients


@bank.honest("RoundSTE")
class TimesOne(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.detach().clone().round_()

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return g * torch.ones_like(x)


@bank.honest("RoundSTE")
class WithNumpy(Function):
    @staticmethod
    def forward(ctx, x):
        return torch.from_numpy(np.round(x.detach().numpy()))

    @staticmethod
    def backward(ctx, g):
        return 1.0 * g


@bank.slip("RoundSTE", "true slope", named="B19")
class ZeroTimes(PassOn):
    @staticmethod
    def backward(ctx, g):
        return 0 * g


@bank.slip("RoundSTE", "integers have no gradient", named="B19-int")
class ToLong(PassOn):
    @staticmethod
    def forward(ctx, x):
        return torch.round(x).to(torch.int32)


@bank.slip("RoundSTE", "backward returns tensors")
class ReturnsOne(PassOn):
    @staticmethod
    def backward(ctx, g):
        return 1.0


@bank.slip("RoundSTE", "−1 every time")
class MinusG(PassOn):
    @staticmethod
    def backward(ctx, g):
        return -g


@bank.slip("RoundSTE", "the nearest whole number")
class RoundsUp(PassOn):
    @staticmethod
    def forward(ctx, x):
        return torch.ceil(x)


bank.value("RoundSTE", PassOn)

# --- 9.4b ------------------------------------------------------------------------------------------------------------


@bank.honest("train_quantised")
def by_the_function(x, y, steps, lr):
    w = torch.tensor(0.0, dtype=torch.float64, requires_grad=True)
    for _ in range(steps):
        loss = ((PassOn.apply(w) * x - y) ** 2).mean()
        loss.backward()
        with torch.no_grad():
            w -= lr * w.grad
        w.grad = None
    return torch.round(w).item()


@bank.honest("train_quantised")
def by_an_optimiser(x, y, steps, lr):
    w = torch.nn.Parameter(torch.zeros(1))
    optimiser = torch.optim.SGD([w], lr=lr)
    for _ in range(steps):
        optimiser.zero_grad()
        F.mse_loss(PassOn.apply(w) * x, y).backward()
        optimiser.step()
    return float(PassOn.apply(w))


@bank.honest("train_quantised")
def by_detaching(x, y, steps, lr):
    w = torch.zeros((), dtype=x.dtype)
    for _ in range(steps):
        w.requires_grad_()
        whole = w + (torch.round(w) - w).detach()
        loss = torch.mean((whole * x - y) ** 2)
        (slope,) = torch.autograd.grad(loss, w)
        w = (w - lr * slope).detach()
    return round(w.item()) * 1.0


@bank.honest("train_quantised")
def by_hand(x, y, steps, lr):
    w = 0.0
    for _ in range(steps):
        w -= lr * 2 * (x * (round(w) * x - y)).mean().item()
    return float(round(w))


@bank.honest("train_quantised")
def from_near_zero(x, y, steps, lr):
    w = torch.tensor(0.05, dtype=torch.float64, requires_grad=True)
    for _ in range(steps):
        if w.grad is not None:
            w.grad.zero_()
        residual = PassOn.apply(w) * x - y
        (residual.square().sum() / len(x)).backward()
        w.data -= lr * w.grad
    return PassOn.apply(w).detach()


@bank.slip("train_quantised", "slope 0", named="B19")
def rounded_plainly(x, y, steps, lr):
    w = torch.zeros((), dtype=x.dtype, requires_grad=True)
    for _ in range(steps):
        loss = ((torch.round(w) * x - y) ** 2).mean()
        loss.backward()
        with torch.no_grad():
            w -= lr * w.grad
            w.grad = None
    return torch.round(w).item()


@bank.slip("train_quantised", "round it at the end", named="late")
def rounded_late(x, y, steps, lr):
    w = torch.zeros(1, dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.SGD([w], lr=lr)
    for _ in range(steps):
        optimiser.zero_grad()
        ((w * x - y) ** 2).mean().backward()
        optimiser.step()
    return float(torch.round(w.detach()))


@bank.slip("train_quantised", "number")
def with_its_shape(x, y, steps, lr):
    return torch.tensor([by_hand(x, y, steps, lr)])


@bank.slip("train_quantised", "the rounded weight")
def one_step_less(x, y, steps, lr):
    return by_hand(x, y, steps - 1, lr)


@bank.slip("train_quantised", "in-place operation")
def update_is_tracked(x, y, steps, lr):
    w = torch.zeros((), dtype=x.dtype, requires_grad=True)
    for _ in range(steps):
        ((PassOn.apply(w) * x - y) ** 2).mean().backward()
        w -= lr * w.grad
    return w.item()


# --- 9.5a ------------------------------------------------------------------------------------------------------------


@bank.honest("GradClip")
class ClampIt(Function):
    @staticmethod
    def forward(ctx, x, limit):
        ctx.limit = limit
        return x.view_as(x)

    @staticmethod
    def backward(ctx, g):
        return g.clamp(-ctx.limit, ctx.limit), None


@bank.honest("GradClip")
class InputItself(Function):
    @staticmethod
    def forward(ctx, x, limit):
        ctx.limit = limit
        return x

    @staticmethod
    def backward(ctx, grad_output):
        return torch.clamp(grad_output, min=-ctx.limit, max=ctx.limit), None


@bank.honest("GradClip")
class ByMinimumAndMaximum(Function):
    @staticmethod
    def forward(x, limit):
        return x.clone()

    @staticmethod
    def setup_context(ctx, inputs, output):
        _, ctx.limit = inputs

    @staticmethod
    def backward(ctx, g):
        edge = torch.full_like(g, ctx.limit)
        return torch.maximum(torch.minimum(g, edge), -edge), None


@bank.honest("GradClip")
class ByWhere(Function):
    @staticmethod
    def forward(ctx, x, limit):
        ctx.save_for_backward(torch.tensor(limit, dtype=x.dtype))
        return 1.0 * x

    @staticmethod
    def backward(ctx, g):
        (limit,) = ctx.saved_tensors
        return torch.where(g.abs() > limit, limit * g.sign(), g), None


@bank.honest("GradClip")
class InPlaceOnACopy(Function):
    @staticmethod
    def forward(ctx, x, limit):
        ctx.limit = limit
        return x.clone()

    @staticmethod
    def backward(ctx, g):
        g = g.clone()
        g[g > ctx.limit] = ctx.limit
        g[g < -ctx.limit] = -ctx.limit
        return g, None


@bank.honest("GradClip")
class ClampedInPlace(ClampIt):
    @staticmethod
    def backward(ctx, g):
        return g.clamp_(-ctx.limit, ctx.limit), None


@bank.slip("GradClip", "direction may change", named="F11")
class WholeGradient(ClampIt):
    @staticmethod
    def backward(ctx, g):
        length = torch.linalg.norm(g)
        return (g * ctx.limit / length if length > ctx.limit else g), None


class OneThing(ClampIt):
    @staticmethod
    def backward(ctx, g):
        return torch.clamp(g, -ctx.limit, ctx.limit)


bank.slip("GradClip", "None for `limit`", named="D11")(called("GradClip", OneThing))


@bank.slip("GradClip", "the gradient of x")
class HalfTheLimit(ClampIt):
    @staticmethod
    def backward(ctx, g):
        return g.clamp(-ctx.limit / 2, ctx.limit / 2), None


@bank.slip("GradClip", "no attribute 'limit'")
class LimitForgotten(ClampIt):
    @staticmethod
    def forward(ctx, x, limit):
        return x.clone()


bank.value("GradClip", ClampIt)

# --- 9.5b ------------------------------------------------------------------------------------------------------------


@bank.honest("GradReverse")
class MinusScale(Function):
    @staticmethod
    def forward(ctx, x, scale):
        ctx.scale = scale
        return x.view_as(x)

    @staticmethod
    def backward(ctx, g):
        return -ctx.scale * g, None


@bank.honest("GradReverse")
class NegInPlace(Function):
    @staticmethod
    def forward(ctx, x, scale):
        ctx.scale = scale
        return x.clone()

    @staticmethod
    def backward(ctx, grad_output):
        return grad_output.neg().mul_(ctx.scale), None


@bank.honest("GradReverse")
class SetupStyle(Function):
    @staticmethod
    def forward(x, scale):
        return x

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.scale = inputs[1]

    @staticmethod
    def backward(ctx, g):
        return (-(g * ctx.scale), None)


@bank.honest("GradReverse")
class TensorSaved(Function):
    @staticmethod
    def forward(ctx, x, scale):
        ctx.save_for_backward(x.new_tensor(scale))
        return x + 0

    @staticmethod
    def backward(ctx, g):
        (scale,) = ctx.saved_tensors
        return g.mul(scale.neg()), None


@bank.slip("GradReverse", "a minus is missing", named="sign-lost")
class OnlyScaled(MinusScale):
    @staticmethod
    def backward(ctx, g):
        return g * ctx.scale, None


@bank.slip("GradReverse", "turned round", named="wrong-pass")
class BothPasses(MinusScale):
    @staticmethod
    def forward(ctx, x, scale):
        ctx.scale = scale
        return -scale * x


@bank.slip("GradReverse", "the gradient of x")
class ScaleSquared(MinusScale):
    @staticmethod
    def backward(ctx, g):
        return -ctx.scale**2 * g, None


bank.value("GradReverse", MinusScale)

# --- 9.6 -------------------------------------------------------------------------------------------------------------


@bank.honest("CubeFn")
class CubeOfSaved(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x**3

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return g * 3 * x**2


@bank.honest("CubeFn")
class CubeBySetup(Function):
    @staticmethod
    def forward(x):
        return x * x * x

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(inputs[0], output)

    @staticmethod
    def backward(ctx, g):
        x, _ = ctx.saved_tensors
        return 3 * x.square() * g


class CubeBackward(Function):
    @staticmethod
    def forward(ctx, x, g):
        ctx.save_for_backward(x, g)
        return 3 * x**2 * g

    @staticmethod
    def backward(ctx, h):
        x, g = ctx.saved_tensors
        return 6 * x * g * h, 3 * x**2 * h


@bank.honest("CubeFn")
class BackwardIsAFunction(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.pow(3)

    @staticmethod
    def backward(ctx, g):
        return CubeBackward.apply(ctx.saved_tensors[0], g)


@bank.honest("CubeFn")
class InputKeptOnCtx(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.x = x
        return torch.pow(x, 3)

    @staticmethod
    def backward(ctx, grad_output):
        return torch.mul(grad_output, 3 * torch.pow(ctx.x, 2))


@bank.honest("CubeFn")
class CubeRecordedInside(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x**3

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        total = x * x
        total = total + 2 * x * x
        return (total * g,)


@bank.slip("CubeFn", "f″ is lost", named="C5")
class SlopeAsAttribute(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.slope = 3 * x**2
        return x**3

    @staticmethod
    def backward(ctx, g):
        return ctx.slope * g


@bank.slip("CubeFn", "f″ is lost", named="C5")
class DetachedInBackward(CubeOfSaved):
    @staticmethod
    def backward(ctx, g):
        x = ctx.saved_tensors[0].detach()
        return 3 * x * x * g


@bank.slip("CubeFn", "cannot be differentiated again", named="C5-off")
class CubeOnce(CubeOfSaved):
    @staticmethod
    @once_differentiable
    def backward(ctx, g):
        return 3 * ctx.saved_tensors[0] ** 2 * g


@bank.slip("CubeFn", "second derivative")
class HalfDetached(CubeOfSaved):
    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return 3 * x * x.detach() * g


@bank.slip("CubeFn", "the gradient of x")
class Plus(CubeOfSaved):
    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return (3 * x**2 - 1) * g


bank.value("CubeFn", CubeOfSaved)

# --- 9.7 -------------------------------------------------------------------------------------------------------------


def settled(a):
    x = 0.7
    for _ in range(500):
        x = math.cos(a * x)
    return x


@bank.honest("implicit_slope")
def by_formula(a):
    x = settled(a)
    return -x * math.sin(a * x) / (1 + a * math.sin(a * x))


@bank.honest("implicit_slope")
def unrolled(a):
    at = torch.tensor(a, dtype=torch.float64, requires_grad=True)
    x = torch.tensor(0.5, dtype=torch.float64)
    for _ in range(200):
        x = torch.cos(at * x)
    x.backward()
    return at.grad.item()


@bank.honest("implicit_slope")
def by_two_partials(a):
    x = torch.tensor(settled(a), dtype=torch.float64, requires_grad=True)
    at = torch.tensor(a, dtype=torch.float64, requires_grad=True)
    by_a, by_x = torch.autograd.grad(torch.cos(at * x), (at, x))
    return (by_a / (1 - by_x)).item()


@bank.honest("implicit_slope")
def by_newton(a):
    x = 1.0
    for _ in range(50):
        x -= (x - math.cos(a * x)) / (1 + a * math.sin(a * x))
    residual = lambda a, x: x - torch.cos(a * x)  # noqa: E731
    at, x = torch.tensor(a, dtype=torch.float64), torch.tensor(x, dtype=torch.float64)
    by_a, by_x = torch.func.grad(residual, argnums=(0, 1))(at, x)
    return float(-by_a / by_x)


@bank.honest("implicit_slope")
def by_adding_rounds(a):
    x, slope, share = settled(a), 0.0, 0.0
    share = -x * math.sin(a * x)
    while abs(share) > 1e-14:
        slope += share
        share *= -a * math.sin(a * x)
    return slope


@bank.honest("implicit_slope")
def by_iterating_the_slope(a):
    x = dx = 0.0
    while True:
        new, new_dx = math.cos(a * x), -math.sin(a * x) * (x + a * dx)
        if abs(new - x) + abs(new_dx - dx) < 1e-14:
            return new_dx
        x, dx = new, new_dx


@bank.slip("implicit_slope", "second path", named="A10")
def last_round_tracked(a):
    at = torch.tensor(a, dtype=torch.float64, requires_grad=True)
    y = torch.cos(at * settled(a))
    y.backward()
    return at.grad.item()


@bank.slip("implicit_slope", "the sign is not", named="sign")
def cosine_rises(a):
    return -by_formula(a)


@bank.slip("implicit_slope", "dx/da")
def a_few_rounds(a):
    at = torch.tensor(a, dtype=torch.float64, requires_grad=True)
    x = torch.tensor(0.5, dtype=torch.float64)
    for _ in range(6):
        x = torch.cos(at * x)
    return torch.autograd.grad(x, at)[0].item()


@bank.slip("implicit_slope", "changed places", named="swapped")
def residual_the_other_way_round(a):
    x = torch.tensor(settled(a), dtype=torch.float64, requires_grad=True)
    at = torch.tensor(a, dtype=torch.float64, requires_grad=True)
    by_x, by_a = torch.autograd.grad(torch.cos(at * x), (at, x))
    return (by_a / (1 - by_x)).item()


@bank.slip("implicit_slope", "dx/da")
def slope_of_cos(a):
    return -math.sin(a)


bank.hide("implicit_slope", r"sin\(a\*x\) ?/ ?\(1|/ \(1 \+ a")
bank.hide("train_quantised", r"w -= lr \* w\.grad")

# --- questions -------------------------------------------------------------------------------------------------------


class SQ(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x**2

    @staticmethod
    def backward(ctx, g):
        return 2 * ctx.saved_tensors[0]


class Swapped(SumToSize):
    @staticmethod
    def backward(ctx, g):
        a, b = ctx.saved_tensors
        return g * a, g * b


class SineSaved(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(torch.cos(x))
        return torch.sin(x)

    @staticmethod
    def backward(ctx, g):
        return g * ctx.saved_tensors[0]


class SineOnce(SineSaved):
    @staticmethod
    @once_differentiable
    def backward(ctx, g):
        return g * ctx.saved_tensors[0]


def leaf(*numbers):
    return torch.tensor(numbers if len(numbers) > 1 else numbers[0], dtype=torch.float64, requires_grad=True)


def works(run):
    """ "works" or "raises", whichever the call does."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            run()
    except Exception:
        return "raises"
    return "works"


def slope_of(f, *at):
    """The gradient by the first of the leaves."""
    leaves = [leaf(one) for one in at]
    return torch.autograd.grad(f(*leaves), leaves)[0].item()


def edited():
    x = leaf(0.7, -1.3)
    went_in = 1 * x
    y = AttributeOfCtx.apply(went_in)
    went_in.mul_(2)
    y.sum().backward()


def seen_inside():
    seen = []

    class Looks(PassOn):
        @staticmethod
        def forward(ctx, x):
            seen.append(torch.is_grad_enabled())
            return x.clone()

    Looks.apply(leaf(0.7))
    return seen[0]


def where_it_complains():
    y = OneGradient.apply(leaf(2.0), leaf(3.0))
    return "at backward" if works(y.backward) == "raises" else "never"


class OneGradient(SumToSize):
    @staticmethod
    def backward(ctx, g):
        return g


class TooSmall(SumToSize):
    @staticmethod
    def backward(ctx, g):
        return g[0], g[0]


def shape_that_arrives():
    a, b = torch.ones(4, 3), torch.ones(3, requires_grad=True)
    EngineSums.apply(a, b).sum().backward()
    return tuple(b.grad.shape)


def penalty(function):
    x = leaf(0.7)
    y = x * function.apply(x)
    (slope,) = torch.autograd.grad(y, x, create_graph=True)
    (y + slope**2).backward()


def stuck():
    w = leaf(0.2)
    x = torch.tensor([0.7, -1.3], dtype=torch.float64)
    for _ in range(100):
        (slope,) = torch.autograd.grad(((torch.round(w) * x - 3 * x) ** 2).mean(), w)
        w = (w - 0.1 * slope).detach().requires_grad_()
    return w.item()


def reversed_step():
    v, h = leaf(0.5), leaf(1.0)
    loss = (v * MinusScale.apply(h, 1.0) - 1) ** 2
    loss.backward()
    moved = h.detach() - 0.1 * h.grad
    return "rises" if (v * moved - 1) ** 2 > loss else "falls"


def nodes_of(y):
    """How many operations of a graph have a backward of their own, leaves apart."""
    seen, waiting = set(), [y.grad_fn]
    while waiting:
        node = waiting.pop()
        if node is not None and node not in seen and "AccumulateGrad" not in type(node).__name__:
            seen.add(node)
            waiting += [one for one, _ in node.next_functions]
    return len(seen)


def loop(rounds):
    a, x = leaf(0.8), torch.tensor(0.5, dtype=torch.float64)
    for _ in range(rounds):
        x = torch.exp(-(a * x))
    return nodes_of(x)


def log_cosh(x):
    return x.abs() + torch.log1p(torch.exp(-2 * x.abs())) - math.log(2)


naive = lambda x: torch.log(1 + torch.exp(x))  # noqa: E731

bank.computed = {
    "09-recall-third": lambda: (0.7**2) / slope_of(lambda x: x**3, 0.7),
    "09-recall-data": lambda: runs("x = torch.tensor(3.0, requires_grad=True)", "y = x**2", "x.data.mul_(2)", "y.backward()"),
    "09-recall-vjp": lambda: after(
        "x = torch.tensor([2.0, 3.0], requires_grad=True)", "y = torch.stack([x[0] * x[1], x[0]])",
        "y.backward(torch.tensor([1.0, 10.0]))").x.grad[0],
    "09-recall-softmax": lambda: slope_of(lambda z: torch.softmax(torch.stack([z, torch.log(torch.tensor(0.8))]), 0)[0],
                                          math.log(0.2)),
    "09-upstream": lambda: slope_of(lambda x: SQ.apply(3 * x + 1) ** 2, 2.0),
    "09-inside": seen_inside,
    "09-call": lambda: works(lambda: SQ()(leaf(2.0))),
    "09-ctx": lambda: works(edited),
    "09-fill-cube": lambda: 3 * slope_of(lambda x: x**3, 0.5),
    "09-fill-exp": lambda: -0.5 * slope_of(torch.exp, math.log(4)),
    "09-count": where_it_complains,
    "09-swap": lambda: slope_of(Swapped.apply, 2.0, 3.0),
    "09-who": shape_that_arrives,
    "09-too-small": lambda: works(lambda: TooSmall.apply(leaf(0.7) * torch.ones(4, 3), torch.ones(3)).sum().backward()),
    "09-naive": lambda: str(naive(leaf(800.0)).item()),
    "09-naive-slope": lambda: str(slope_of(naive, 800.0)),
    "09-nodes": lambda: "Function" if nodes_of(MaximumAndLog1p.apply(leaf(0.7))) < nodes_of(log_cosh(leaf(0.7))) else "autograd",
    "09-stuck": stuck,
    "09-trick": lambda: slope_of(lambda w: w + (torch.round(w) - w).detach(), 0.7),
    "09-ste-check": lambda: works(lambda: torch.autograd.gradcheck(PassOn.apply, (leaf(0.7, -1.3),))),
    "09-reverse": reversed_step,
    "09-gradgrad": lambda: works(lambda: torch.autograd.gradgradcheck(SQ.apply, (leaf(0.7, -1.3),))),
    "09-saved-slope": lambda: works(lambda: torch.autograd.gradcheck(SineSaved.apply, (leaf(0.7, -1.3),))),
    "09-penalty": lambda: works(lambda: penalty(SineSaved)),
    "09-once": lambda: works(lambda: penalty(SineOnce)),
    "09-unrolled": lambda: loop(60),
    "09-last-round": lambda: bool(np.isclose(last_round_tracked(0.8), by_formula(0.8))),
    "09-fill-implicit": lambda: 0.6 / (1 - 0.5),
    "09-exit-arrives": lambda: -4 * slope_of(torch.sin, 0.0),
    "09-exit-check": lambda: works(lambda: torch.autograd.gradcheck(SQ.apply, (leaf(0.7, -1.3),))) == "works",
}
bank.told = {
    "09-recall-first": "it asks for the order of the procedure",
    "09-exit-none": "it asks for what the text says of forward and backward",
}
