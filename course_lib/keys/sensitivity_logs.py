"""Exercises 6.5 and 6.6 of lesson 06: logarithms that stay finite, and so do their gradients."""

import numpy as np
import torch

from course_lib.judge import Tolerance
from course_lib.keys.sensitivity import lesson, log_softmax, numbers_off_zero, softmax
from course_lib.observe import Leaf, weights

# --- 6.5 and 6.6 -----------------------------------------------------------------------------------------------------

FAR_APART = np.array([[0.0, 1000.0], [-3.0, 2.0]])
FAR_APART_32 = np.array([[0.0, 200.0], [300.0, 2.0]], dtype=np.float32)


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
            z = numbers_off_zero(ask.rng, *shape)
            ask(z, dim).equals(log_softmax(z, dim), "log p")
    with ask.part("finite where logits are far apart", 2):
        ask(FAR_APART, 1).equals(log_softmax(FAR_APART, 1), "log p")
        ask(FAR_APART_32, 1).equals(log_softmax(FAR_APART_32, 1), "log p")
        ask(FAR_APART.T.copy(), 0).equals(log_softmax(FAR_APART.T, 0), "log p")


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


@stable_log_softmax.mistake("mean-shift")
def mean_taken_away(z, dim):
    """You took the mean away, and exp still overflows far above it. Take the largest away: then no exponent is above 0."""
    shifted = z - z.mean(dim, keepdim=True)
    return shifted - torch.log(torch.exp(shifted).sum(dim, keepdim=True))


@stable_log_softmax.mistake("sign")
def minus_log_softmax(z, dim):
    """That is −log p, the loss. Probabilities are below 1, so their logarithms are negative."""
    return -torch.log_softmax(z, dim)


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
            z, g = numbers_off_zero(ask.rng, *shape), numbers_off_zero(ask.rng, *shape)
            ask(g, z, dim).equals(_log_softmax_vjp(g, z, dim), "the gradient")
    with ask.part("finite where logits are far apart"):
        for z in (FAR_APART, FAR_APART_32):
            g = numbers_off_zero(ask.rng, 2, 2).astype(z.dtype)
            ask(g, z, 1).equals(_log_softmax_vjp(g, z, 1), "the gradient")


def _log_softmax_vjp(g, z, axis):
    return g - softmax(z.astype(float), axis) * g.sum(axis, keepdims=True)


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


@log_softmax_vjp.mistake("sign")
def sum_added(g, z, dim):
    """You added p·Σg. Every output has −log Σ exp(z) in it, so it is taken away."""
    return g + torch.softmax(z, dim) * g.sum(dim, keepdim=True)


@log_softmax_vjp.mistake("mean")
def mean_of_g(g, z, dim):
    """You used the mean of g. Every output hears from the same logit, and their shares add up: the sum."""
    return g - torch.softmax(z, dim) * g.mean(dim, keepdim=True)


@log_softmax_vjp.mistake("log-p")
def logarithms_for_probabilities(g, z, dim):
    """You used log p where p belongs: the slope of log Σ exp(z) by a logit is its probability."""
    return g - torch.log_softmax(z, dim) * g.sum(dim, keepdim=True)


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
        x = np.abs(numbers_off_zero(ask.rng, 5, most=3.0))
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
