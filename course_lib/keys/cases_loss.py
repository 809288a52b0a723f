"""Cases 8.3 and 8.4 of lesson 08: softmax over the wrong dim, and a loss whose shapes stretch each other."""

import numpy as np
import torch
import torch.nn.functional as F

from course_lib.keys.cases import fault, lesson, numbers, probe, too_strict
from course_lib.observe import Leaf

# --- 8.3 wrong dim ---------------------------------------------------------------------------------------------------


def _logits(rng, N, C):
    return numbers(rng, N, C, most=3.2), np.array([rng.randrange(C) for _ in range(N)])


def _cross_entropy(z, y):
    """(loss, gradient) by the formulas, in NumPy."""
    p = np.exp(z - z.max(1, keepdims=True))
    p /= p.sum(1, keepdims=True)
    rows = np.arange(len(y))
    return -np.log(p[rows, y]).mean(), (p - np.eye(z.shape[1])[y]) / len(y)


@lesson.exercise(
    number="8.3a", title="Wrong dim: mend it", signature="(z: Tensor[N, C], y: LongTensor[N]) -> Tensor[()]", points=1,
    minutes=4, section="08e",
    rechecks=("stable_log_softmax",),
    hints=(
        "Print p.sum(0) and p.sum(1). Which of them should be ones?",
        "Each row of z belongs to one example, and its C probabilities must add up to 1. Which axis runs over the classes?",
        "The batch is axis 0, the classes are axis 1, and -1 is always the last one.",
    ),
)
def fix_wrong_dim(ask):
    """Mean cross-entropy of logits, connected."""
    with ask.part("loss and gradient for batches of several sizes", 3):
        for N, C in ((5, 3), (4, 6), (1, 3)):
            z, y = _logits(ask.rng, N, C)
            loss, gradient = _cross_entropy(z, y)
            ask(Leaf(z), y).equals(loss, "the loss").gradient_equals(gradient)


@fix_wrong_dim.broken
def wrong_dim(z, y):
    p = torch.softmax(z, dim=0)
    chosen = p[torch.arange(len(y)), y]
    return -torch.log(chosen).mean()


@fix_wrong_dim.mistake("E4")
def columns_add_up(z, y):
    """Your probabilities add up to 1 down the batch and not over the classes of one example."""
    return -torch.log_softmax(z, 0)[torch.arange(len(y)), y].mean()


@fix_wrong_dim.mistake("E4-flat")
def everything_adds_up(z, y):
    """You normalised over the whole table: all its entries together add up to 1. Each row needs a 1 of its own."""
    return -torch.log_softmax(z.flatten(), 0).view_as(z)[torch.arange(len(y)), y].mean()


@fix_wrong_dim.mistake("every-pair")
def every_class_of_every_row(z, y):
    """p[:, y] is a table: it takes every class of y from every row. Row i needs its own class only, so index with two lists,
    torch.arange(len(y)) and y."""
    return -torch.log_softmax(z, 1)[:, y].mean()


@fix_wrong_dim.mistake("E5")
def softmax_twice(z, y):
    """softmax is applied twice: cross_entropy does it by itself and wants logits."""
    return F.cross_entropy(torch.softmax(z, 1), y)


@fix_wrong_dim.mistake("A16")
def summed_not_averaged(z, y):
    """Loss and gradient are N times too large: the mean over the batch is asked for, not the sum."""
    return F.cross_entropy(z, y, reduction="sum")


@fix_wrong_dim.mistake("no-log")
def log_left_out(z, y):
    """The logarithm is missing: that is the mean probability of the right class with a minus sign."""
    return -torch.softmax(z, 1)[torch.arange(len(y)), y].mean()


fault(
    "8.3b", "wrong_dim", "Wrong dim: name it", ("E4",),
    {"E5": "softmax is applied once here, and nothing expects logits.",
     "E6": "A logarithm of a softmax it is, but these logits are small: that is not what goes wrong.",
     "E9": "p has the shape of z, and nothing is stretched.",
     "F20": "That idea is about testing a gradient, and here the loss itself is wrong."},
    ("What do the columns of p add up to?", "Each example needs probabilities that add up to 1.",
     "Look for the line of the table that speaks of a dim."),
)


def wrong_dim_right_cross_entropy(z, y):
    """by cross_entropy"""
    return F.cross_entropy(z, y)


def wrong_dim_right_logsumexp(z, y):
    """by logsumexp, rounded otherwise"""
    return (torch.logsumexp(z * 1.0, dim=1) - z.gather(1, y[:, None])[:, 0]).sum() / len(y)


def wrong_dim_right_nll(z, y):
    """by log_softmax and nll_loss"""
    return F.nll_loss(torch.log_softmax(z, dim=-1), y)


def wrong_dim_handed(z, y):
    """softmax over dim 0"""
    return -torch.log_softmax(z, dim=0)[torch.arange(len(y)), y].mean()


def wrong_dim_twice(z, y):
    """softmax twice"""
    return F.cross_entropy(torch.softmax(z, dim=1), y)


def wrong_dim_steep(z, y):
    """the right loss with a gradient that is too steep"""
    loss = F.cross_entropy(z, y)
    return loss + (len(y) + 1) * (loss - loss.detach())


probe_wrong_dim = probe(
    "8.3c", "wrong_dim", "Wrong dim: your test",
    (wrong_dim_right_cross_entropy, wrong_dim_right_logsumexp, wrong_dim_right_nll), wrong_dim_handed,
    (wrong_dim_twice, wrong_dim_steep),
    ("The docstring promises a loss and its gradient. A test of the loss alone cannot see the gradient.",
     "Take logits of a shape with N ≠ C and unequal entries; compare loss and gradient with F.cross_entropy's.",
     "Two tracked copies of z: one goes through the candidate, one through F.cross_entropy; torch.autograd.grad gives both "
     "gradients, torch.testing.assert_close compares."),
)


def _spread(N, C):
    return torch.linspace(-2.0, 2.5, N * C, dtype=torch.float64).reshape(N, C).sin() * 2


@too_strict(probe_wrong_dim)
def same_digits_as_the_library(candidate):
    z, y = (_spread(40, 7) * 3).requires_grad_(), torch.arange(40) % 7
    loss, want = candidate(z, y), F.cross_entropy(z, y)
    assert torch.equal(loss, want) and torch.equal(torch.autograd.grad(loss, z)[0], torch.autograd.grad(want, z)[0])


@probe_wrong_dim.mistake("value-only")
def loss_only(candidate):
    """Your probe looks at the loss and not at its gradient: a version with the right loss and a wrong gradient gets
    through."""
    z, y = _spread(5, 3), torch.tensor([0, 2, 1, 1, 2])
    torch.testing.assert_close(candidate(z, y).detach(), F.cross_entropy(z, y))


@probe_wrong_dim.mistake("lucky-point")
def symmetric_logits(candidate):
    """Your logits form a symmetric table: there rows and columns are the same, and softmax over the wrong dim looks right.
    Take N ≠ C."""
    z, y = 3 * torch.eye(3, dtype=torch.float64).requires_grad_(), torch.arange(3)
    loss, want = candidate(z, y), F.cross_entropy(z, y)
    torch.testing.assert_close(loss, want)
    torch.testing.assert_close(torch.autograd.grad(loss, z)[0], torch.autograd.grad(want, z)[0])


@probe_wrong_dim.mistake("property-only")
def gradient_rows_vanish(candidate):
    """Your probe asks only for a property (each row of the gradient adds up to 0, say). Wrong versions can have it as well:
    compare the numbers themselves."""
    z = _spread(5, 3).requires_grad_()
    g = torch.autograd.grad(candidate(z, torch.tensor([0, 2, 1, 1, 2])), z)[0]
    assert g.sum(1).abs().max() < 1e-9


# --- 8.4 shape clash -------------------------------------------------------------------------------------------------


@lesson.exercise(
    number="8.4a", title="Shape clash: mend it", signature="(pred: Tensor[N, 1], target: Tensor[N]) -> Tensor[()]",
    points=2, minutes=5, section="08e",
    hints=(
        "Print (pred - target).shape. How many differences should there be for N examples?",
        "(N, 1) against (N,) is stretched to (N, N): every prediction meets every target. Bring both to one shape first.",
        "squeeze(1) takes the last axis of pred away, unsqueeze(1) gives target one.",
    ),
)
def fix_shape_clash(ask):
    """Mean squared error of N predictions in a column, connected."""
    with ask.part("loss and gradient for batches of several sizes", 3):
        for N in (5, 3, 4):
            pred, target = numbers(ask.rng, N, 1), numbers(ask.rng, N)
            gap = pred[:, 0] - target
            ask(Leaf(pred), target).equals((gap**2).mean(), "the loss").gradient_equals(2 * gap[:, None] / N)


@fix_shape_clash.broken
def shape_clash(pred, target):
    return ((pred - target) ** 2).mean()


@fix_shape_clash.mistake("E9")
def all_pairs(pred, target):
    """You still average over N·N differences: every prediction against every target. F.mse_loss does the same and warns."""
    return ((pred - target[None, :]) ** 2).mean()


@fix_shape_clash.mistake("A16")
def squares_summed(pred, target):
    """Loss and gradient are N times too large: the mean is asked for, not the sum."""
    return ((pred[:, 0] - target) ** 2).sum()


@fix_shape_clash.mistake("means-first")
def difference_of_means(pred, target):
    """You subtracted the means: errors of opposite sign cancel before they are squared."""
    return (pred.mean() - target.mean()) ** 2


@fix_shape_clash.mistake("absolute")
def absolute_errors(pred, target):
    """That is the mean absolute error: the errors are to be squared."""
    return (pred[:, 0] - target).abs().mean()


@fix_shape_clash.mistake("one-prediction")
def first_prediction_only(pred, target):
    """Only the first prediction enters, against all targets; the others get no gradient."""
    return ((pred[0] - target) ** 2).mean()


fault(
    "8.4b", "shape_clash", "Shape clash: name it", ("E9",),
    {"E4": "There is no softmax here.",
     "F20": "That idea is about testing a gradient; here the loss itself is another one.",
     "E5": "There is no cross-entropy here.",
     "B5": "Everything is connected, and the gradient is the right one of the wrong loss."},
    ("Print the shape of the difference.", "N predictions, N targets, N·N differences.",
     "Look for the line of the table that speaks of (N, 1)."),
)


def shape_clash_right_squeeze(pred, target):
    """by squeeze"""
    return ((pred.squeeze(1) - target) ** 2).mean()


def shape_clash_right_mse(pred, target):
    """by mse_loss of two columns"""
    return F.mse_loss(pred, target[:, None])


def shape_clash_right_dot(pred, target):
    """by a scalar product, rounded otherwise"""
    gap = (pred[:, 0] - target) / 3.0
    return gap @ gap * 9.0 / len(target)


def shape_clash_handed(pred, target):
    """the difference has N·N entries"""
    return ((pred - target) ** 2).mean()


def shape_clash_absolute(pred, target):
    """absolute errors"""
    return (pred[:, 0] - target).abs().mean()


def shape_clash_steep(pred, target):
    """the right loss with half of its gradient"""
    loss = ((pred[:, 0] - target) ** 2).mean()
    return loss - 0.5 * (loss - loss.detach())


probe_shape_clash = probe(
    "8.4c", "shape_clash", "Shape clash: your test",
    (shape_clash_right_squeeze, shape_clash_right_mse, shape_clash_right_dot), shape_clash_handed,
    (shape_clash_absolute, shape_clash_steep),
    ("Which loss has a perfect prediction? And does a loss of 0 in one place settle the gradient in another?",
     "Take unequal predictions and targets, work the mean of the squares out by hand, and look at the gradient as well: "
     "2·(pred − target)/N, a column.",
     "pred of shape (3, 1), tracked; torch.autograd.grad(loss, pred)[0] against the formula, with "
     "torch.testing.assert_close."),
)


def _pair():
    pred = torch.tensor([[0.7], [-1.3], [0.4]], dtype=torch.float64, requires_grad=True)
    return pred, torch.tensor([0.2, 1.1, -0.6], dtype=torch.float64)


@too_strict(probe_shape_clash)
def same_digits_as_by_hand(candidate):
    pred, target = _spread(40, 1).requires_grad_(), _spread(1, 40)[0].flip(0)
    loss, want = candidate(pred, target), ((pred.squeeze(1) - target) ** 2).mean()
    assert torch.equal(loss, want) and torch.equal(torch.autograd.grad(loss, pred)[0], torch.autograd.grad(want, pred)[0])


@probe_shape_clash.mistake("value-only")
def error_only(candidate):
    """Your probe looks at the loss and not at its gradient: a version with the right loss and half the gradient gets
    through."""
    pred, target = _pair()
    torch.testing.assert_close(candidate(pred, target).detach(), ((pred[:, 0] - target) ** 2).mean().detach())


@probe_shape_clash.mistake("lucky-point")
def constant_numbers(candidate):
    """All your predictions are equal, or all your targets: there it makes no difference which prediction meets which target.
    Take unequal numbers."""
    pred, target = torch.full((3, 1), 0.7, dtype=torch.float64, requires_grad=True), torch.full((3,), 0.2, dtype=torch.float64)
    loss = candidate(pred, target)
    torch.testing.assert_close(loss.detach(), torch.tensor(0.25, dtype=torch.float64))
    torch.testing.assert_close(torch.autograd.grad(loss, pred)[0], torch.full((3, 1), 1 / 3, dtype=torch.float64))


@probe_shape_clash.mistake("perfect-only")
def perfect_prediction(candidate):
    """Your probe tests one perfect prediction only. There every error is 0, so it cannot tell squared errors from absolute
    ones, nor a gradient from half of it."""
    _, target = _pair()
    assert abs(candidate(target[:, None].clone(), target).item()) < 1e-9
