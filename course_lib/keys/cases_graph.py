"""Cases 8.1 and 8.2 of lesson 08: a leaf that is none any more, a graph that ends on the way."""

import torch

from course_lib.judge import Layer
from course_lib.keys.cases import fault, lesson, numbers, probe, too_strict

# --- 8.1 lost leaf ---------------------------------------------------------------------------------------------------


@lesson.exercise(
    number="8.1a", title="Lost leaf: mend it", signature="(values: list[float]) -> Tensor[n]", points=1, minutes=5,
    section="08e",
    rechecks=("tensor_kinds",),
    hints=(
        "Print w.is_leaf and w.grad_fn. Which of the two tensors in that line did you make yourself?",
        "Only leaves keep a .grad, and what a conversion returns is a result. Let the leaf have its dtype from birth.",
        "torch.tensor takes dtype and requires_grad in one call; then nothing is left to convert.",
    ),
)
def fix_lost_leaf(ask):
    """The gradient of the sum of w³ − 2w, in float64."""
    with ask.part("the gradient at three lists of numbers", 3):
        for n in (3, 4, 2):
            values = numbers(ask.rng, n)
            answer = ask(values.tolist()).is_tensor().equals(3 * values**2 - 2, "the gradient")
            dtype = getattr(answer.value, "dtype", "float64")
            answer.holds(dtype == "float64", "float64, as the docstring asks", f"a tensor of {dtype}", layer=Layer.DTYPE)


@fix_lost_leaf.broken
def lost_leaf(values):
    w = torch.tensor(values, requires_grad=True).double()
    loss = (w**3 - 2 * w).sum()
    loss.backward()
    return w.grad


@fix_lost_leaf.mistake("B10")
def still_converted(values):
    """w is the result of a computation (a cast, a product, .to()), not the leaf: its .grad stays None, and the gradient went
    to a tensor that has no name."""
    w = torch.tensor(values, dtype=torch.float64, requires_grad=True) * 1.0
    (w**3 - 2 * w).sum().backward()
    return w.detach().grad


@fix_lost_leaf.mistake("single-precision")
def cast_left_out(values):
    """You left the conversion out, so the leaf is float32, torch's default. Ask for the dtype where the leaf is made."""
    w = torch.tensor(values, requires_grad=True)
    (w**3 - 2 * w).sum().backward()
    return w.grad


@fix_lost_leaf.mistake("zeros")
def none_papered_over(values):
    """You put zeros where None came back. None was the message: the gradient went elsewhere."""
    return torch.zeros(len(values), dtype=torch.float64)


@fix_lost_leaf.mistake("C1")
def walked_back_twice(values):
    """Your gradient is twice the right one: two walks back were added up in .grad."""
    w = torch.tensor(values, dtype=torch.float64, requires_grad=True)
    for _ in range(2):
        (w**3 - 2 * w).sum().backward()
    return w.grad


@fix_lost_leaf.mistake("A1")
def values_for_slopes(values):
    """You returned w³ − 2w, the terms of the loss, and not their slopes."""
    w = torch.tensor(values, dtype=torch.float64)
    return w**3 - 2 * w


fault(
    "8.1b", "lost_leaf", "Lost leaf: name it", ("B10",),
    {"B8": "Near: .grad is None on tensors in the middle. The idea asked for is the one that put w there.",
     "B7": "Nothing here turns a tensor into a plain number: the graph is whole.",
     "B5": "torch.tensor is given plain numbers here, and makes a leaf of them. Look at what happens to it in the same line.",
     "C1": "Nothing is added up: backward is called once, and .grad is None."},
    ("After which call is w.is_leaf False?", "The second half of the first line is a computation.",
     "Look for the line of the table that speaks of leaves."),
)


def lost_leaf_right_backward(values):
    """by backward"""
    w = torch.tensor(values, dtype=torch.float64, requires_grad=True)
    (w**3 - 2 * w).sum().backward()
    return w.grad


def lost_leaf_right_formula(values):
    """by formula, rounded otherwise"""
    w = torch.tensor(values, dtype=torch.float64)
    return (9.0 * w * w - 6.0) / 3.0


def lost_leaf_right_retained(values):
    """by a leaf and retain_grad"""
    leaf = torch.tensor(values, dtype=torch.float64, requires_grad=True)
    w = leaf.clone()
    w.retain_grad()
    (w * w * w - 2 * w).sum().backward()
    return w.grad


def lost_leaf_handed(values):
    """the cast is still there, .grad is None"""
    w = torch.tensor(values).double().requires_grad_() * 1.0
    (w**3 - 2 * w).sum().backward()


def lost_leaf_zeros(values):
    """zeros in place of None"""
    return torch.zeros(len(values), dtype=torch.float64)


def lost_leaf_scaled(values):
    """the leaf is scaled, and the gradient is that of the leaf"""
    leaf = torch.tensor(values, dtype=torch.float64, requires_grad=True)
    w = 0.1 * leaf
    (w**3 - 2 * w).sum().backward()
    return leaf.grad


probe_lost_leaf = probe(
    "8.1c", "lost_leaf", "Lost leaf: your test",
    (lost_leaf_right_backward, lost_leaf_right_formula, lost_leaf_right_retained), lost_leaf_handed,
    (lost_leaf_zeros, lost_leaf_scaled),
    ("What does the docstring promise? Work it out by hand for one list, and write that down as an assertion.",
     "Three questions in this order: is there anything (not None), has it the right shape, are the numbers right within a "
     "tolerance?",
     "First `assert g is not None`. Then torch.testing.assert_close compares with numbers that you get from the formula "
     "3w² − 2, at a place where nothing is 0."),
)


@probe_lost_leaf.mistake("none-only")
def only_not_none(candidate):
    """Your probe asks only whether something came back. Zeros, or the gradient of another tensor, are something too: compare
    numbers."""
    assert candidate([0.7, -1.3]) is not None


@too_strict(probe_lost_leaf)
def equal_to_the_last_digit(candidate):
    values = torch.linspace(0.3, 1.7, 50, dtype=torch.float64)
    g = candidate(values.tolist())
    assert g is not None and torch.equal(g, 3 * values**2 - 2)


# --- 8.2 cut graph ---------------------------------------------------------------------------------------------------


@lesson.exercise(
    number="8.2a", title="Cut graph: mend it", signature="(x: Tensor[n]) -> Tensor[n]", points=1, minutes=6, section="08e",
    rechecks=("fix_slope", "fix_stack"),
    hints=(
        "Print .requires_grad after every line. Where does it turn False? And is there a line whose result is no tensor at all?",
        "There are two cuts. The loud one stops backward; when it is mended, the other only makes the gradient too small.",
        "leaf * leaf is all squares at once, with their history; and a sum may stay the tensor that it is.",
    ),
)
def fix_cut_graph(ask):
    """The gradient of (sum of x)·(sum of x²)."""
    with ask.part("the gradient at three points", 3):
        for n in (3, 4, 2):
            x = numbers(ask.rng, n)
            ask(x).equals((x**2).sum() + 2 * x * x.sum(), "the gradient")


@fix_cut_graph.broken
def cut_graph(x):
    leaf = x.detach().clone().requires_grad_()
    size = leaf.sum().item()
    squares = torch.tensor([v * v for v in leaf])
    loss = size * squares.sum()
    loss.backward()
    return leaf.grad


def _leaf(x):
    return x.detach().clone().requires_grad_()


@fix_cut_graph.mistake("B5-raises")
def both_cuts_left(x):
    """Both factors are cut off from leaf, so the loss has no history at all: torch.tensor copies plain numbers, and .item()
    is one."""
    loss = _leaf(x).sum().item() * torch.tensor([1.0, 2.0])
    loss.sum().backward()


@fix_cut_graph.mistake("B7")
def item_left(x):
    """backward runs now, but one factor is still cut: .item() made a plain number of the sum, so its share of the product rule
    is missing."""
    leaf = _leaf(x)
    (leaf.sum().item() * (leaf * leaf).sum()).backward()
    return leaf.grad


@fix_cut_graph.mistake("B5")
def copied_squares_left(x):
    """backward runs now, but all entries of your gradient are equal: the squares are still a copy without history, made by
    torch.tensor (or detached)."""
    leaf = _leaf(x)
    (leaf.sum() * (leaf.detach() ** 2).sum()).backward()
    return leaf.grad


@fix_cut_graph.mistake("B6")
def copy_made_tracked(x):
    """requires_grad=True on the copy silences the error and mends nothing: the copy is a new leaf, and x hears nothing. Its
    .grad is None."""
    leaf = _leaf(x)
    squares = (leaf * leaf).detach().requires_grad_()
    (leaf.sum().item() * squares.sum()).backward()
    return leaf.grad


@fix_cut_graph.mistake("B7-half")
def one_of_two_taken_out(x):
    """One v of v·v is a plain number, so each square brings half of its slope. Leave .item() out of the squares, too."""
    leaf = _leaf(x)
    (leaf.sum() * (leaf.detach() * leaf).sum()).backward()
    return leaf.grad


@fix_cut_graph.mistake("A9")
def product_of_slopes(x):
    """You multiplied the slopes of the two factors. The slope of a product has two terms: each factor's slope times the
    other factor."""
    return 2 * x * torch.ones_like(x)


fault(
    "8.2b", "cut_graph", "Cut graph: name it", ("B5", "B7"),
    {"B10": "leaf is a leaf and stays one: clone comes before requires_grad_.",
     "B8": "The .grad that is read is that of the leaf.",
     "C4": "backward is called once; this is not about a second walk.",
     "B12": "Nothing is edited through .data here."},
    ("Which two lines make something without a grad_fn?", "One builds a tensor out of numbers, the other leaves torch.",
     "Two lines of the table fit; either of them counts."),
)


def cut_graph_right_backward(x):
    """by backward"""
    leaf = x.detach().clone().requires_grad_()
    (leaf.sum() * (leaf * leaf).sum()).backward()
    return leaf.grad


def cut_graph_right_formula(x):
    """by formula, rounded otherwise"""
    x = x.detach()
    return ((x / 3.0) ** 2).sum() * 9.0 + x * 2.0 * x.sum()


def cut_graph_right_stack(x):
    """by stack and autograd.grad"""
    leaf = x.detach().clone().requires_grad_()
    loss = leaf.sum() * torch.stack([v * v for v in leaf]).sum()
    return torch.autograd.grad(loss, leaf)[0]


def cut_graph_item(x):
    """the sum is still a plain number"""
    leaf = x.detach().clone().requires_grad_()
    (leaf.sum().item() * (leaf * leaf).sum()).backward()
    return leaf.grad


def cut_graph_copy(x):
    """the squares are still a copy"""
    leaf = x.detach().clone().requires_grad_()
    (leaf.sum() * (leaf.detach() ** 2).sum()).backward()
    return leaf.grad


def cut_graph_none(x):
    """the copy was made tracked, so .grad is None"""
    leaf = x.detach().clone().requires_grad_()
    squares = (leaf * leaf).detach().requires_grad_()
    squares.sum().backward()
    return leaf.grad


probe_cut_graph = probe(
    "8.2c", "cut_graph", "Cut graph: your test",
    (cut_graph_right_backward, cut_graph_right_formula, cut_graph_right_stack), cut_graph_item,
    (cut_graph_copy, cut_graph_none),
    ("A graph that is cut in one place still gives a gradient, only not all of it. What tells all of it from a part?",
     "Compare with the product rule by hand, or with a difference quotient of (sum of x)·(sum of x²), at a place where both "
     "terms count.",
     "At x = (0.7, −1.3, 0.4) neither sum is 0. `assert g is not None` first, then compare with the sum of squares plus "
     "2x times the sum."),
)


@probe_cut_graph.mistake("none-only")
def only_something_came(candidate):
    """Your probe asks only whether a gradient came back. One that lacks a term comes back as well: compare numbers."""
    g = candidate(torch.tensor([0.7, -1.3, 0.4], dtype=torch.float64))
    assert g is not None and g.shape == (3,)


@probe_cut_graph.mistake("lucky-point")
def where_a_sum_is_zero(candidate):
    """At your point the entries add up to 0, and there one term of the product rule vanishes: the version that lacks it looks
    right."""
    x = torch.tensor([0.7, -0.7], dtype=torch.float64)
    g = candidate(x)
    assert g is not None and torch.allclose(g, (x * x).sum().expand(2))


@too_strict(probe_cut_graph)
def same_digits(candidate):
    x = torch.linspace(0.3, 1.7, 50, dtype=torch.float64)
    g = candidate(x)
    assert g is not None and torch.equal(g, (x * x).sum() + 2 * x * x.sum())


