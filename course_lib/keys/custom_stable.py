"""Exercises 9.3a and 9.3b of lesson 09: functions that stay finite where the plain formula does not."""

import numpy as np
import torch

from course_lib.judge import Layer, reports
from course_lib.keys.custom import (
    Nowhere,
    add_usual_mistakes,
    advise_on_saving,
    demand_gradcheck,
    demand_gradient,
    demand_own_backward,
    demand_second,
    gradient_of,
    lesson,
    result_of,
)
from course_lib.keys.sensitivity import numbers_off_zero, softmax
from course_lib.observe import Array

FAR = np.array([800.0, -800.0, 21.0, -45.0, 2000.0])


def _sigmoid(x):
    return np.exp(-np.logaddexp(0, -x))


# --- 9.3a ------------------------------------------------------------------------------------------------------------


@reports(int)
def calls_of_softplus(function, x):
    """how often your class calls F.softplus"""
    calls, ready_made = [], F.softplus  # noqa: F821
    F.softplus = lambda *args, **settings: calls.append(1) or ready_made(*args, **settings)  # noqa: F821
    try:
        function.apply(x.requires_grad_())
    finally:
        F.softplus = ready_made  # noqa: F821
    return len(calls)


@lesson.exercise(
    number="9.3a", title="log(1 + eˣ), always finite", signature="(torch.autograd.Function): apply(x: Tensor[n]) -> Tensor[n]",
    kind="class", points=2, minutes=10, section="09c", rechecks=("sigmoid_slope", "stable_log_softmax"),
    hints=(
        "Print exp(x) at x = 800. What is log(1 + eˣ) there on paper, and which piece is too large for a float64?",
        "log(1 + eˣ) = x + log(1 + e⁻ˣ): use the form whose exponent is not above 0, on each side of 0. Its slope is σ(x).",
        "Forward: the larger of x and 0, plus log1p of exp(−|x|). Backward: g times torch.sigmoid(x), computed in backward from "
        "the saved x, so that it can be differentiated again.",
    ),
)
def SoftplusFn(ask):  # noqa: N802
    """log(1 + eˣ) without overflow, and σ(x)·g."""
    x, g, w = (numbers_off_zero(ask.rng, 4, most=3) for _ in range(3))
    s = _sigmoid(x)
    with ask.part("value and gradient for moderate x, any g", 2):
        ask.using(result_of, x).equals(np.logaddexp(0, x), "log(1 + eˣ)")
        demand_gradient(ask, x, g, s * g)
        demand_own_backward(ask, x)
        demand_gradcheck(ask, x)
    with ask.part("finite and right at ±800, by your own formula", 2):
        arriving = numbers_off_zero(ask.rng, len(FAR))
        ask.using(result_of, FAR).equals(np.logaddexp(0, FAR), "log(1 + eˣ)")
        demand_gradient(ask, FAR, arriving, _sigmoid(FAR) * arriving)
        answer = ask.using(calls_of_softplus, FAR)
        answer.holds(not answer.value, "log(1 + eˣ) written by yourself", "your class calls F.softplus", Layer.METHOD)
    with ask.part("differentiable a second time"):
        demand_second(ask, x, g, w, s * (1 - s) * g * w, s * w)
        advise_on_saving(ask, x, g, s * g)


class _Softplus(torch.autograd.Function):
    """What the wrong ones share: a right forward."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.clamp(min=0) + torch.log1p(torch.exp(-x.abs()))

    @staticmethod
    def backward(ctx, g):
        return g * torch.sigmoid(ctx.saved_tensors[0])


add_usual_mistakes(SoftplusFn, _Softplus)


@SoftplusFn.mistake("E6")
class NaiveForward(_Softplus):
    """exp(800) is more than float64 holds, so log(1 + exp(x)) is infinite there, although the right value is 800."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return torch.log(1 + torch.exp(x))


@SoftplusFn.mistake("E12")
class NaiveBackward(_Softplus):
    """Forward is fine. Backward computes eˣ/(1 + eˣ), and at x = 800 that is inf/inf: NaN. It is σ(x), which torch.sigmoid
    computes safely."""

    @staticmethod
    def backward(ctx, g):
        raised = torch.exp(ctx.saved_tensors[0])
        return g * raised / (1 + raised)


@SoftplusFn.mistake("E6-both")
class NaiveBoth(NaiveForward):
    """The formulas are right on paper. At x = 800 eˣ overflows in both: the value is infinite, the slope inf/inf. Rewrite each
    so that no exponent is above 0."""

    @staticmethod
    def backward(ctx, g):
        raised = torch.exp(ctx.saved_tensors[0])
        return g * raised / (1 + raised)


@SoftplusFn.mistake("E6-left")
class OverflowsOnTheLeft(_Softplus):
    """x + log(1 + e⁻ˣ) is right on paper, and at x = −800 e⁻ˣ overflows: this form is for x above 0, and log(1 + eˣ) for x
    below."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x + torch.log1p(torch.exp(-x))


@SoftplusFn.mistake("E6-saved")
class NaiveAndSaved(NaiveForward):
    """Two things. exp(800) overflows in forward. And σ(x) was computed in forward, where autograd does not look, so that the
    second derivative is lost: save x instead."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(torch.sigmoid(x))
        return torch.log(1 + torch.exp(x))

    @staticmethod
    def backward(ctx, g):
        return g * ctx.saved_tensors[0]


@SoftplusFn.mistake("E6-kept")
class NaiveAndKept(NaiveForward):
    """Two things. exp(800) overflows, in the value and in eˣ/(1 + eˣ). And eˣ was computed in forward, where autograd does not
    look, so that the second derivative is lost: save x instead."""

    @staticmethod
    def forward(ctx, x):
        raised = torch.exp(x)
        ctx.save_for_backward(raised)
        return torch.log(1 + raised)

    @staticmethod
    def backward(ctx, g):
        (raised,) = ctx.saved_tensors
        return g * raised / (1 + raised)


@SoftplusFn.mistake("clamped")
class Clamped(_Softplus):
    """Clamping x keeps exp finite, and makes the value constant beyond the clamp: at x = 800 the answer is 800."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return torch.log(1 + torch.exp(x.clamp(max=50)))


@SoftplusFn.mistake("D10")
class IgnoresG(_Softplus):
    """Your backward returns σ(x) and ignores g. Multiply what arrives with the local derivative."""

    @staticmethod
    def backward(ctx, g):
        return torch.sigmoid(ctx.saved_tensors[0])


@SoftplusFn.mistake("too-far")
class SlopeOfSigmoid(_Softplus):
    """You use σ·(1 − σ), the slope of σ. The slope of log(1 + eˣ) is σ itself."""

    @staticmethod
    def backward(ctx, g):
        s = torch.sigmoid(ctx.saved_tensors[0])
        return g * s * (1 - s)


@SoftplusFn.mistake("mirrored")
class Mirrored(_Softplus):
    """Your slope is 1/(1 + eˣ) = σ(−x): it falls where log(1 + eˣ) gets steeper. It is eˣ/(1 + eˣ) = 1/(1 + e⁻ˣ)."""

    @staticmethod
    def backward(ctx, g):
        return g * torch.sigmoid(-ctx.saved_tensors[0])


@SoftplusFn.mistake("relu")
class StepForSlope(_Softplus):
    """Your backward is that of relu, 0 or 1. log(1 + eˣ) bends gently: its slope is σ(x)."""

    @staticmethod
    def backward(ctx, g):
        return g * (ctx.saved_tensors[0] > 0)


@SoftplusFn.mistake("C5")
class SigmoidSaved(_Softplus):
    """The gradient is right, and the second derivative is lost: σ(x) was computed where autograd does not look (in forward, or
    from a detached x). Save x, and compute σ in backward."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(torch.sigmoid(x))
        return _Softplus.forward(Nowhere(), x)

    @staticmethod
    def backward(ctx, g):
        return g * ctx.saved_tensors[0]


@SoftplusFn.mistake("C5-off")
class NothingRecorded(_Softplus):
    """The gradient is right, and it cannot be differentiated again: no_grad or once_differentiable keeps autograd from
    recording your backward."""

    @staticmethod
    def backward(ctx, g):
        with torch.no_grad():
            return _Softplus.backward(ctx, g)


# --- 9.3b ------------------------------------------------------------------------------------------------------------

APART = np.array([0.0, 1000.0, 998.0])
APART_32 = np.array([200.0, 0.0, 199.0, -200.0], dtype=np.float32)
BELOW = np.array([-1000.0, -1001.5])


def _logsumexp(x):
    x = x.astype(float)
    return x.max() + np.log(np.exp(x - x.max()).sum())


@lesson.exercise(
    number="9.3b", title="log Σ eˣ, always finite", signature="(torch.autograd.Function): apply(x: Tensor[n]) -> Tensor[()]",
    kind="class", points=2, minutes=9, section="09c", rechecks=("stable_log_softmax", "log_softmax_vjp"),
    hints=(
        "At (0, 1000) one exponential is too large. Which number could you take away from every entry before raising, and put "
        "back afterwards?",
        "log Σ exp(x) = m + log Σ exp(x − m), for any m. Its gradient is a function from lesson 06 whose entries add to 1.",
        "m is x.max(). The result is a 0-d tensor, so one number g arrives: it multiplies softmax(x).",
    ),
)
def LogSumExpFn(ask):  # noqa: N802
    """log Σ eˣ without overflow, and softmax(x)·g."""
    with ask.part("value and gradient for moderate x, any g", 2):
        for n in (4, 3):
            x, g = numbers_off_zero(ask.rng, n), numbers_off_zero(ask.rng)
            _demand_number(ask.using(result_of, x), _logsumexp(x))
            demand_gradient(ask, x, g, softmax(x) * g)
        demand_own_backward(ask, x)
        demand_gradcheck(ask, x)
    with ask.part("finite and right where the numbers are far apart, or all far below 0", 2):
        for x in (APART, APART_32, BELOW):
            g = numbers_off_zero(ask.rng).astype(x.dtype)
            _demand_number(ask.using(result_of, x), _logsumexp(x))
            ask.using(gradient_of, x, g).equals(softmax(x.astype(float)) * g, "the gradient of x")


def _demand_number(answer, want):
    """A 0-d tensor, and this number: a tensor with one entry is told of its shape first."""
    if isinstance(answer.value, Array) and answer.value.numbers.shape:
        answer.holds(False, "a 0-d tensor, shape ()", f"shape {answer.value.numbers.shape}", Layer.SHAPE)
    answer.equals(want, "log Σ eˣ")


class _LogSumExp(torch.autograd.Function):
    """What the wrong ones share: a right forward."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.max() + torch.log(torch.exp(x - x.max()).sum())

    @staticmethod
    def backward(ctx, g):
        return g * torch.softmax(ctx.saved_tensors[0], 0)


add_usual_mistakes(LogSumExpFn, _LogSumExp)


@LogSumExpFn.mistake("E6")
class SumOverflows(_LogSumExp):
    """exp(1000) is more than float64 holds, and exp(−1000) is 0 in it. Take the largest number away before you raise, and add
    it back afterwards."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return torch.log(torch.exp(x).sum())


@LogSumExpFn.mistake("E12")
class QuotientOverflows(_LogSumExp):
    """Forward is fine. Backward computes exp(x)/Σexp(x), inf/inf where a number is large: NaN. torch.softmax is the same,
    computed safely."""

    @staticmethod
    def backward(ctx, g):
        raised = torch.exp(ctx.saved_tensors[0])
        return g * raised / raised.sum()


@LogSumExpFn.mistake("E6-both")
class BothOverflow(SumOverflows):
    """The formulas are right on paper. At x = 1000 exp overflows in both: the value is infinite, the gradient inf/inf. Take the
    largest number away before you raise."""

    @staticmethod
    def backward(ctx, g):
        raised = torch.exp(ctx.saved_tensors[0])
        return g * raised / raised.sum()


@LogSumExpFn.mistake("max-lost")
class MaximumNotPutBack(_LogSumExp):
    """You took the largest number away and did not add it back: log Σ exp(x) = m + log Σ exp(x − m)."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return torch.log(torch.exp(x - x.max()).sum())


@LogSumExpFn.mistake("mean-shift")
class MeanTakenAway(_LogSumExp):
    """You take the mean away, and exp still overflows far above it. Take the largest number away: then no exponent is above
    0."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.mean() + torch.log(torch.exp(x - x.mean()).sum())


@LogSumExpFn.mistake("D10")
class IgnoresTheNumber(_LogSumExp):
    """Your backward returns softmax(x) and ignores g. Multiply it with the number that arrives."""

    @staticmethod
    def backward(ctx, g):
        return torch.softmax(ctx.saved_tensors[0], 0)


@LogSumExpFn.mistake("max-only")
class AllToTheLargest(_LogSumExp):
    """You send everything to the largest number. log Σ eˣ is a soft maximum: every number gets its share, softmax(x)."""

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return g * (x == x.max())


@LogSumExpFn.mistake("shared")
class SharedAlike(_LogSumExp):
    """You share g alike among all numbers. A larger number moves log Σ eˣ more: its share is softmax(x)."""

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return g * torch.ones_like(x) / x.numel()


@LogSumExpFn.mistake("not-divided")
class NotDivided(_LogSumExp):
    """You return g·exp(x − m). The logarithm brings one factor more, 1/Σ exp(x − m): the shares have to add to 1."""

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return g * torch.exp(x - x.max())


@LogSumExpFn.mistake("A17")
class SlopeOfSoftmax(_LogSumExp):
    """p·(1 − p) is the slope of softmax. The slope of log Σ eˣ is softmax itself, p."""

    @staticmethod
    def backward(ctx, g):
        p = torch.softmax(ctx.saved_tensors[0], 0)
        return g * p * (1 - p)
