"""Cases 8.5 and 8.6 of lesson 08: a NaN that where() does not keep out, and a root at 0."""

import numpy as np
import torch

from course_lib.keys.cases import fault, lesson, numbers, probe, too_strict
from course_lib.observe import Array, Leaf, weights

# --- 8.5 NaN through where -------------------------------------------------------------------------------------------


def _with_zero(rng, n):
    """Numbers of both signs, and an exact 0 among them."""
    x = np.abs(numbers(rng, n))
    x[rng.randrange(1, n)] *= -1
    return np.insert(x, rng.randrange(n), 0.0)


@lesson.exercise(
    number="8.5a", title="NaN through where: mend it", signature="(x: Tensor[n]) -> Tensor[n]", points=2, minutes=7,
    section="08e",
    rechecks=("safe_xlogx",),
    hints=(
        "At x = 0 the value is fine and the gradient is NaN. What is the derivative of log there, and what is it multiplied "
        "with on the way back?",
        "where() hands 0 to the branch that was not taken, and 0 times infinity is NaN. So the log must never see a 0, not "
        "even in the branch that is thrown away.",
        "Two wheres: an inner one puts a harmless number, such as 1, into the places that are not wanted; the outer one "
        "chooses as before.",
    ),
)
def fix_nan_where(ask):
    """log x where x > 0, else 0; its gradient is 1/x or 0."""
    with ask.part("value and gradient, with zeros and negative numbers among the entries", 3):
        for n in (3, 4, 5, "tiny"):
            x = np.array([0.0, ask.rng.uniform(2, 9) * 1e-9, 0.7]) if n == "tiny" else _with_zero(ask.rng, n)
            safe = np.where(x > 0, x, 1.0)
            gradient = np.where(x > 0, weights(x.shape) / safe, 0.0)
            ask(Leaf(x)).equals(np.log(safe), "the value").gradient_equals(gradient)


@fix_nan_where.broken
def nan_where(x):
    return torch.where(x > 0, torch.log(x), torch.zeros_like(x))


@fix_nan_where.mistake("E10")
def outer_where_only(x):
    """The values are right and the gradient is NaN at 0: log still sees the 0, its slope there is infinite, and where()
    multiplies that with 0. To mend the value afterwards does not help either."""
    return torch.where(x <= 0, torch.zeros_like(x), torch.log(x))


@fix_nan_where.mistake("E10-mask")
def multiplied_by_mask(x):
    """You multiply with 0 and 1 instead of choosing. 0 times −∞ is NaN already in the value."""
    return (x > 0) * torch.log(x)


def _what_the_log_sees(transcript):
    """ "clamped", "cut" or "shifted": a smallest number, or one where x > 0, or something added, whatever its size."""
    asked = [(args[0].numbers, reply.value.numbers.astype(float)) for _, args, reply in transcript
             if isinstance(reply.value, Array) and reply.value.numbers.shape == args[0].numbers.shape]
    if len(asked) < len(transcript):
        return None
    x, got = (np.concatenate(parts) for parts in zip(*asked, strict=True))
    large, off = x > 1e-3, got - np.log(np.where(x > 0, x, 1.0))
    if not np.isfinite(got).all() or np.abs(off[large]).max() > 0.5:
        return None
    exact = np.abs(off[large]).max() < 1e-12
    if (got[x <= 0] != 0).any():
        return "clamped" if exact and np.ptp(got[x <= 0]) < 1e-12 else None
    too_large = off[(x > 0) & ~large].min() > 1e-6
    return "cut" if exact and too_large else "shifted" if too_large and off[large].min() > 0 else None


@fix_nan_where.mistake("clamp-only", recognise=lambda transcript: _what_the_log_sees(transcript) == "clamped")
def clamped(x):
    """The gradient is finite now, but where x ≤ 0 the value is the log of a tiny number, and 0 is asked for."""
    return torch.log(x.clamp(min=1e-6))


@fix_nan_where.mistake("offset", recognise=lambda transcript: _what_the_log_sees(transcript) == "shifted")
def a_little_added(x):
    """Adding something to x keeps the log finite and makes values wrong: log(x + ε) is not log x, and where x is as small as ε
    it is far from it."""
    return torch.where(x > 0, torch.log(x.clamp(min=0) + 1e-8), torch.zeros_like(x))


@fix_nan_where.mistake("cut-small", recognise=lambda transcript: _what_the_log_sees(transcript) == "cut")
def small_entries_cut_off(x):
    """You raise small entries to a smallest one before the log. Their log, and their slope, are those of another number."""
    return torch.where(x > 0, torch.log(x.clamp(min=1e-6)), torch.zeros_like(x))


@fix_nan_where.mistake("no-graph")
def log_detached(x):
    """The gradient is finite because there is none: the log was taken out of the graph."""
    return torch.where(x > 0, torch.log(x.detach()), torch.zeros_like(x))


fault(
    "8.5b", "nan_where", "NaN through where: name it", ("E10",),
    {"E11": "A near relative, but there is no root and no square here.",
     "E6": "There is no softmax here. The log of 0 plays a part, though.",
     "B7": "The graph is whole: the NaN comes back along it.",
     "F20": "That idea is about testing by watching a loss."},
    ("The value is right at 0, and the gradient is NaN. Who should have kept it out?",
     "The branch that is not taken is computed all the same, and walked back through with 0.",
     "Look for the line of the table that speaks of where()."),
)


def nan_where_right_twice(x):
    """by two wheres"""
    safe = torch.where(x > 0, x, torch.ones_like(x))
    return torch.where(x > 0, torch.log(safe), torch.zeros_like(x))


def nan_where_right_one(x):
    """by the log of 1"""
    return torch.log(torch.where(x > 0, x, torch.ones_like(x)))


def nan_where_right_indexed(x):
    """by indexing, rounded otherwise"""
    out = torch.zeros_like(x)
    out[x > 0] = torch.log(x[x > 0] / 3.0) + 1.0986122886681098
    return out


def nan_where_handed(x):
    """one where around the log"""
    return torch.where(x > 0, torch.log(x), torch.zeros_like(x))


def nan_where_clamped(x):
    """a tiny number instead of 0 under the log"""
    return torch.log(x.clamp(min=1e-6))


def nan_where_steep(x):
    """right values, and half of the gradient"""
    value = torch.log(torch.where(x > 0, x, torch.ones_like(x)))
    return value - 0.5 * (value - value.detach())


probe_nan_where = probe(
    "8.5c", "nan_where", "NaN through where: your test",
    (nan_where_right_twice, nan_where_right_one, nan_where_right_indexed), nan_where_handed,
    (nan_where_clamped, nan_where_steep),
    ("Where does the fault show? Nowhere but at one exact number, and only on the way back.",
     "Take an x with a 0, a negative and two positive entries. Compare the values, then the gradient: 1/x or 0.",
     "x tracked; y = candidate(x); torch.autograd.grad(y.sum(), x)[0]; assert_close fails for NaN by itself."),
)


def _edges():
    return torch.tensor([0.7, 0.0, -1.3, 2.5], dtype=torch.float64, requires_grad=True)


LOGS = (-0.35667494393873245, 0.0, 0.0, 0.9162907318741551)


@too_strict(probe_nan_where)
def same_logs(candidate):
    x = torch.linspace(-1, 3, 41, dtype=torch.float64).requires_grad_()
    want = torch.log(torch.where(x > 0, x, torch.ones_like(x)))
    y = candidate(x)
    assert torch.equal(y, want) and torch.equal(torch.autograd.grad(y.sum(), x)[0], torch.autograd.grad(want.sum(), x)[0])
    zero = torch.zeros(1, requires_grad=True)
    assert torch.autograd.grad(candidate(zero).sum(), zero)[0].item() == 0


@probe_nan_where.mistake("value-only")
def logs_only(candidate):
    """Your probe looks at the values and not at the gradient, and the fault of this case is in the gradient alone."""
    torch.testing.assert_close(candidate(_edges()).detach(), torch.tensor(LOGS, dtype=torch.float64))


@probe_nan_where.mistake("finite-only")
def any_finite_number(candidate):
    """Your probe asks only whether the gradient is finite. It must also be right, and so must the values."""
    x = _edges()
    assert torch.isfinite(torch.autograd.grad(candidate(x).sum(), x)[0]).all()


@probe_nan_where.mistake("no-zero")
def only_positive(candidate):
    """Your probe tests positive numbers only. The fault shows at exactly 0, and the values below 0 are promised too."""
    x = torch.tensor([0.7, 2.5], dtype=torch.float64, requires_grad=True)
    y = candidate(x)
    torch.testing.assert_close(y, torch.log(x))
    torch.testing.assert_close(torch.autograd.grad(y.sum(), x)[0], 1 / x.detach())


# --- 8.6 norm at zero ------------------------------------------------------------------------------------------------


@lesson.exercise(
    number="8.6a", title="Norm at zero: mend it", signature="(x: Tensor[n]) -> Tensor[()]", points=2, minutes=6,
    section="08e",
    hints=(
        "The slope of √s is 1/(2√s). What is it at s = 0, and what does it meet on its way back to x?",
        "Infinity times 2x = 0 is NaN. Either s never gets to be 0 under the root, or you use a norm that knows a gradient "
        "at 0.",
        "torch.linalg.norm has the gradient 0 at 0. By hand: choose a harmless s with where before the root, and the 0 after "
        "it.",
    ),
)
def fix_norm_at_zero(ask):
    """√(sum of x²), with gradient 0 at x = 0."""
    with ask.part("value and gradient, at 0 and elsewhere", 3):
        for n in (3, 4):
            ask(Leaf(np.zeros(n))).equals(0.0, "the length").gradient_equals(np.zeros(n))
            x = numbers(ask.rng, n)
            ask(Leaf(x)).equals(np.sqrt((x**2).sum()), "the length").gradient_equals(x / np.sqrt((x**2).sum()))


@fix_norm_at_zero.broken
def norm_at_zero(x):
    return torch.sqrt((x**2).sum())


@fix_norm_at_zero.mistake("E11")
def still_nan_at_zero(x):
    """Away from 0 all is right; at 0 the gradient is NaN. The root has an infinite slope there, and it meets 2x = 0. A where
    around the root alone does not help."""
    s = (x * x).sum()
    return torch.where(s > 0, s.sqrt(), torch.zeros_like(s))


@fix_norm_at_zero.mistake("large-offset")
def too_much_under_the_root(x):
    """What you add under the root is so large that it shows: at 0 the length must be 0."""
    return torch.sqrt((x * x).sum() + 1e-4)


@fix_norm_at_zero.mistake("squared")
def root_left_out(x):
    """That is the squared length: its gradient is finite at 0, but it is another function."""
    return (x * x).sum()


@fix_norm_at_zero.mistake("absolute")
def sum_of_sizes(x):
    """You added the sizes of the entries. The length is the root of the sum of squares."""
    return x.abs().sum()


@fix_norm_at_zero.mistake("no-graph")
def norm_detached(x):
    """The gradient is finite because there is none: the length is cut off from x."""
    return torch.linalg.norm(x.detach())


fault(
    "8.6b", "norm_at_zero", "Norm at zero: name it", ("E11",),
    {"E10": "A near relative, but there is no where() in the code that was handed out.",
     "E9": "The shapes are right.",
     "B12": "Nothing is edited.",
     "F20": "That idea is about testing by watching a loss."},
    ("At which single point does it go wrong?", "The slope of the root is infinite at 0.",
     "Look for the line of the table that speaks of a root."),
)


def norm_at_zero_right_norm(x):
    """by linalg.norm"""
    return torch.linalg.norm(x)


def norm_at_zero_right_where(x):
    """by two wheres"""
    s = (x * x).sum()
    root = torch.sqrt(torch.where(s > 0, s, torch.ones_like(s)))
    return torch.where(s > 0, root, torch.zeros_like(s))


def norm_at_zero_right_clamp(x):
    """by a clamp far below all digits, rounded otherwise"""
    return torch.sqrt(((x / 3.0) ** 2).sum().clamp(min=1e-36)) * 3.0


def norm_at_zero_handed(x):
    """the root of a plain sum"""
    return torch.sqrt((x * x).sum())


def norm_at_zero_offset(x):
    """1e-4 added under the root"""
    return torch.sqrt((x * x).sum() + 1e-4)


def norm_at_zero_steep(x):
    """the right length with a gradient that is twice too large"""
    value = torch.linalg.norm(x)
    return value + (value - value.detach())


probe_norm_at_zero = probe(
    "8.6c", "norm_at_zero", "Norm at zero: your test",
    (norm_at_zero_right_norm, norm_at_zero_right_where, norm_at_zero_right_clamp), norm_at_zero_handed,
    (norm_at_zero_offset, norm_at_zero_steep),
    ("Which two kinds of points does the docstring speak about?",
     "At 0: value 0 and gradient 0. Elsewhere: value √(sum of x²), gradient x divided by it. Both kinds, both things.",
     "(3, −4) has length 5 and gradient (0.6, −0.8). torch.zeros(3) with requires_grad=True is the other point. Leave a "
     "tolerance of 1e-9 at 0."),
)


def _length_and_gradient(candidate, x):
    x = x.clone().requires_grad_()
    y = candidate(x)
    return y.detach(), torch.autograd.grad(y, x)[0]


@too_strict(probe_norm_at_zero)
def same_lengths(candidate):
    for x in torch.linspace(0, 3, 40, dtype=torch.float64).reshape(20, 2):
        y, g = _length_and_gradient(candidate, x)
        want, slope = _length_and_gradient(torch.linalg.norm, x)
        assert torch.equal(y, want) and torch.equal(g, slope)
    assert torch.equal(_length_and_gradient(candidate, torch.zeros(2))[1], torch.zeros(2))


@probe_norm_at_zero.mistake("value-only")
def lengths_only(candidate):
    """Your probe looks at the lengths and not at the gradient, and the fault of this case is in the gradient alone."""
    for x, want in ((torch.zeros(3, dtype=torch.float64), 0.0), (torch.tensor([3.0, -4.0], dtype=torch.float64), 5.0)):
        assert abs(candidate(x).item() - want) < 1e-9


@probe_norm_at_zero.mistake("no-zero")
def away_from_zero(candidate):
    """Your probe never goes to 0, and the fault of this case shows nowhere else."""
    y, g = _length_and_gradient(candidate, torch.tensor([3.0, -4.0], dtype=torch.float64))
    assert abs(y - 5) < 1e-9 and torch.allclose(g, torch.tensor([0.6, -0.8], dtype=torch.float64))


@probe_norm_at_zero.mistake("finite-only")
def finite_at_zero(candidate):
    """Your probe asks only whether the gradient at 0 is finite. Values, and gradients elsewhere, must be right as well."""
    assert torch.isfinite(_length_and_gradient(candidate, torch.zeros(3, dtype=torch.float64))[1]).all()
