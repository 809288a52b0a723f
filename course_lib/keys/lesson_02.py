"""Lesson 02, partial derivatives and gradients: the key of its exercises and how people go wrong."""

import numpy as np
import sympy
import torch

from course_lib.exercise import Lesson
from course_lib.judge import Layer
from course_lib.keys import quiz_02
from course_lib.keys.lines import labels_of, run_lines
from course_lib.values import number_of
from course_lib.vectors import VectorFormula, fields, point, symbols_of, two_variables

lesson = Lesson("02", "Partial derivatives", quiz_02)
POINT = (1.3, -0.7)


# --- 2.1 -------------------------------------------------------------------------------------------------------------


@lesson.exercise(
    number="2.1", title="Two partials", signature="(f, u: float, v: float) -> tuple[float, float]", points=1, minutes=5,
    section="02a",
    hints=(
        "How many knobs does f have, and how many of them have to be tracked to get both slopes at once?",
        "One leaf for each knob, one call of f, one backward. Each slope then waits in its own leaf.",
        "Make two leaves (float64, requires_grad=True), call f with both, walk back from the result, and return the two "
        ".grad as plain numbers, that of u first.",
    ),
)
def partials_at(ask):
    """∂f/∂u and ∂f/∂v at (u, v), in this order."""
    with ask.part("both partials of four functions, u first", 3):
        for f in two_variables(ask.rng, 4):
            for u, v in (POINT, (0.7, 1.6)):
                want = (f.derivative(u, v, by=0), f.derivative(u, v, by=1))
                ask(f, u, v).equals(want, ("∂f/∂u", "∂f/∂v"))
    with ask.part("the same when asked twice"):
        (f,) = two_variables(ask.rng, 1)
        want = (f.derivative(*POINT, by=0), f.derivative(*POINT, by=1))
        for _ in range(2):
            ask(f, *POINT).equals(want, ("∂f/∂u", "∂f/∂v"))


def _leaves(u, v):
    return (torch.tensor(u, dtype=torch.float64, requires_grad=True),
            torch.tensor(v, dtype=torch.float64, requires_grad=True))


partials_at.sort_lines(
    "a = torch.tensor(u, dtype=torch.float64, requires_grad=True)",
    "b = torch.tensor(v, dtype=torch.float64, requires_grad=True)",
    "f(a, b).backward()",
    "return a.grad.item(), b.grad.item()",
    lures={"D11": "return b.grad.item(), a.grad.item()", "A1": "return f(a, b).item(), f(a, b).item()"},
)


@partials_at.mistake("D11")
def partials_swapped(f, u, v):
    """Both numbers are right, but they are swapped: ∂f/∂u comes first."""
    a, b = _leaves(u, v)
    f(a, b).backward()
    return b.grad.item(), a.grad.item()


@partials_at.mistake("both-moved")
def both_moved(f, u, v):
    """Your number is the slope when u and v move together by the same amount. A partial moves one and holds the other."""
    a, b = _leaves(u, v)
    f(a, b).backward()
    return (a.grad + b.grad).item(), (a.grad + b.grad).item()


@partials_at.mistake("A1")
def heights(f, u, v):
    """You returned the height f(u, v). The partials are slopes."""
    height = f(*_leaves(u, v)).item()
    return height, height


@partials_at.mistake("C1")
def walked_twice(f, u, v):
    """Both partials are doubled. That is what you get if backward runs twice on the same leaves: .grad adds up."""
    a, b = _leaves(u, v)
    f(a, b).backward()
    f(a, b).backward()
    return a.grad.item(), b.grad.item()


@partials_at.mistake("C1-second")
def second_holds_both(f, u, v):
    """The second partial is f's slope along v plus something left over from the first: clear .grad, or use new leaves,
    between two walks."""
    leaves = torch.tensor([u, v], dtype=torch.float64, requires_grad=True)
    f(leaves[0], leaves[1]).backward()
    first = leaves.grad[0].item()
    f(leaves[0], leaves[1]).backward()
    return first, leaves.grad[1].item()


@partials_at.mistake("memorised")
def partials_of_the_lesson(f, u, v):
    """These are the partials of u·v + u² from the lesson, whatever f is. Let autograd walk back from f(u, v)."""
    return v + 2 * u, u


# --- 2.2 -------------------------------------------------------------------------------------------------------------


@lesson.exercise(
    number="2.2", title="The gradient of a vector", signature="(f, x: Tensor[n]) -> Tensor[n]", points=1, minutes=5,
    section="02d",
    hints=(
        "The caller goes on using x. What would they notice afterwards if you tracked x itself?",
        "Work on a leaf of your own with the same numbers. Everything else is as with one number.",
        "leaf = x.detach().clone().requires_grad_(); walk back from f(leaf); return leaf.grad. (autograd.grad works, too; "
        "it returns a tuple.)",
    ),
)
def gradient_at(ask):
    """The gradient of a scalar function of a vector; x is left as it was."""
    with ask.part("the gradients of functions of four numbers and of one", 3):
        for n in (4, 4, 4, 1):
            (f,) = fields(ask.rng, n, 1)
            x = point(ask.rng, n)
            ask(f, x).equals(f.gradient(x), "the gradient")
    with ask.part("x and its .grad are left alone"):
        (f,) = fields(ask.rng, 3, 1)
        x = point(ask.rng, 3)
        ask(f, x).equals(f.gradient(x), "the gradient").leaves_inputs_alone()


def _gradient(f, x):
    leaf = x.detach().clone().requires_grad_()
    f(leaf).backward()
    return leaf.grad


gradient_at.sort_lines(
    "leaf = x.detach().clone().requires_grad_()",
    "f(leaf).backward()",
    "return leaf.grad",
    lures={"C1": "leaf = x.requires_grad_()", "summed": "return leaf.grad.sum()"},
)


@gradient_at.mistake("C1")
def tracked_the_callers_tensor(f, x):
    """The numbers are right, but you tracked the caller's own x: its flag is changed and a .grad is left on it. Called
    twice, the second gradient would be added to the first."""
    x.requires_grad_()
    f(x).backward()
    return x.grad


@gradient_at.mistake("C7")
def tuple_of_gradient(f, x):
    """torch.autograd.grad returns a tuple, one entry for each input. Take the tensor out of it."""
    leaf = x.detach().clone().requires_grad_()
    return torch.autograd.grad(f(leaf), leaf)


@gradient_at.mistake("summed")
def summed_gradient(f, x):
    """You added the partials up into one number. The gradient keeps one number for each entry of x."""
    return _gradient(f, x).sum()


@gradient_at.mistake("normalised")
def unit_gradient(f, x):
    """Your vector has the right direction and length 1. The length of a gradient says how steep it is: keep it."""
    gradient = _gradient(f, x)
    return gradient / gradient.norm()


@gradient_at.mistake("first-only")
def first_partial_everywhere(f, x):
    """All your entries are the first partial. Each entry of the gradient belongs to its own entry of x."""
    return _gradient(f, x)[0].expand(len(x))


# --- 2.3 -------------------------------------------------------------------------------------------------------------


@lesson.exercise(
    number="2.3", title="The slope in a direction", points=2, minutes=8, section="02c",
    signature="(f, x: Tensor[n], d: Tensor[n]) -> Tensor[()]",
    hints=(
        "Walk from x along d. Does the steepness under your feet depend on how long the arrow d was drawn?",
        "A direction is an arrow of length 1. The slope along it is the gradient, multiplied entry by entry and added up.",
        "unit = d / d.norm(); the answer is the dot product of the gradient with unit: gradient @ unit.",
    ),
)
def directional_slope(ask):
    """How fast f changes per unit of way along d."""
    with ask.part("the slope along several directions", 3):
        for f in fields(ask.rng, 3, 2):
            x = point(ask.rng, 3)
            for d in (point(ask.rng, 3), 2.5 * point(ask.rng, 3)):
                ask(f, x, d).equals(f.gradient(x) @ d / np.linalg.norm(d), "the slope along d")
    with ask.part("the length of d does not matter, its sense does"):
        (f,) = fields(ask.rng, 3, 1)
        x, d = point(ask.rng, 3), point(ask.rng, 3)
        for length in (0.2, 7.0, -1.0):
            want = f.gradient(x) @ d / np.linalg.norm(d) * np.sign(length)
            ask(f, x, length * d).equals(want, "the slope along d")


@directional_slope.mistake("D2")
def not_normalised(f, x, d):
    """Your slope grows with the length of d. d only says which way: divide it by its length."""
    return _gradient(f, x) @ d


@directional_slope.mistake("cosine")
def cosine_only(f, x, d):
    """You divided by the length of the gradient as well. What is left is the cosine between the two arrows, and the
    steepness is lost."""
    gradient = _gradient(f, x)
    return gradient @ d / (gradient.norm() * d.norm())


@directional_slope.mistake("entrywise")
def not_added_up(f, x, d):
    """You multiplied entry by entry and stopped there. The dot product adds the products up into one number."""
    return _gradient(f, x) * d / d.norm()


@directional_slope.mistake("steepest")
def slope_along_the_gradient(f, x, d):
    """You returned the length of the gradient. That is the slope in the steepest direction, not along d."""
    return _gradient(f, x).norm()


@directional_slope.mistake("sign-lost")
def sign_lost(f, x, d):
    """The size of your slope is right, but its sign is lost: walking down, a slope is negative."""
    return (_gradient(f, x) @ d / d.norm()).abs()


@directional_slope.mistake("projection")
def projected_vector(f, x, d):
    """You returned an arrow along d. The slope is one number, the length of that arrow with its sign."""
    unit = d / d.norm()
    return (_gradient(f, x) @ unit) * unit


@directional_slope.mistake("whole-step")
def whole_step(f, x, d):
    """You compared f at x and at x + d. That is the average slope over a step as long as d, not the slope at x."""
    return (f(x + d) - f(x)) / d.norm()


@directional_slope.mistake("squared-length")
def divided_twice(f, x, d):
    """You divided by the length of d twice (d @ d is the length squared)."""
    return _gradient(f, x) @ d / (d @ d)


@directional_slope.mistake("other-length")
def divided_by_the_sum(f, x, d):
    """You divided d by the sum of its entries' sizes. The length of an arrow is the root of the sum of squares: d.norm()."""
    return _gradient(f, x) @ d / d.abs().sum()


# --- 2.4 -------------------------------------------------------------------------------------------------------------


@lesson.exercise(
    number="2.4", title="The gradient of a quadratic form", points=2, minutes=8, section="02d",
    signature="(A: Tensor[n, n], x: Tensor[n]) -> Tensor[n]",
    hints=(
        "Write xᵀAx for n = 2 as a sum of four products. In which of them does x₀ appear, and where do their A's stand?",
        "x₀ appears in its row of A and in its column of A. Only if A is symmetric are the two the same.",
        "(A + A.T) @ x. Check it at x = (1, 0): which entries of A must come out?",
    ),
)
def grad_quadratic(ask):
    """The gradient of x @ A @ x by formula, for any square A."""
    with ask.part("a matrix that is not symmetric", 3):
        for n in (3, 4):
            A, x = _matrix(ask.rng, n), point(ask.rng, n)
            ask(A, x).equals((A + A.T) @ x, "the gradient")
    with ask.part("a symmetric matrix, too"):
        A, x = _matrix(ask.rng, 3), point(ask.rng, 3)
        A = (A + A.T) / 2
        ask(A, x).equals(2 * A @ x, "the gradient")
        B = _matrix(ask.rng, 2)
        ask(B, x[:2]).equals((B + B.T) @ x[:2], "the gradient")


def _matrix(rng, n):
    return np.array([[rng.uniform(0.3, 1.7) * rng.choice((-1, 1)) for _ in range(n)] for _ in range(n)])


@grad_quadratic.mistake("D4")
def symmetric_only(A, x):
    """2·A·x is right only if A is symmetric. x meets A from both sides, so its rows and its columns count."""
    return 2 * A @ x


@grad_quadratic.mistake("transposed")
def transposed_only(A, x):
    """2·Aᵀ·x is right only if A is symmetric. x meets A from both sides, so its rows and its columns count."""
    return 2 * A.T @ x


@grad_quadratic.mistake("one-factor")
def one_factor_only(A, x):
    """A·x is the gradient as if the x on the left were a constant. Both factors x move: the product rule has two terms."""
    return A @ x


@grad_quadratic.mistake("one-factor")
def other_factor_only(A, x):
    """Aᵀ·x is the gradient as if the x on the right were a constant. Both factors x move: the product rule has two terms."""
    return A.T @ x


@grad_quadratic.mistake("entrywise")
def stars_for_a_product(A, x):
    """`*` multiplies entry by entry and gave you a matrix. A matrix times a vector is written with @."""
    return 2 * A * x


@grad_quadratic.mistake("entrywise")
def star_after_the_sum(A, x):
    """The matrix is right, but `*` multiplies entry by entry and gave you a matrix. A matrix times a vector is written
    with @."""
    return (A + A.T) * x


@grad_quadratic.mistake("halved")
def halved(A, x):
    """Half the gradient: ½(A + Aᵀ)·x belongs to ½·xᵀAx."""
    return (A + A.T) @ x / 2


@grad_quadratic.mistake("hessian")
def second_derivatives(A, x):
    """A + Aᵀ is the matrix of second derivatives. The gradient is that matrix applied to x."""
    return A + A.T


@grad_quadratic.mistake("A1")
def value_of_the_form(A, x):
    """You returned the value xᵀAx, one number. Its gradient has the shape of x."""
    return x @ A @ x


# --- 2.5 -------------------------------------------------------------------------------------------------------------

LINES = {
    "A": "print(gradient)",
    "B": "total.backward()",
    "C": "gradient = x.grad * x.numel()",
    "D": "x = torch.tensor([0.7, -1.3, 0.4, 1.6], dtype=torch.float64, requires_grad=True)",
    "E": "gradient = x.grad / x.numel()",
    "F": "total = (x**2).sum()",
    "G": "gradient = x.grad",
}
WANTED_MEAN = 2 * np.array([0.7, -1.3, 0.4, 1.6]) / 4


@lesson.exercise(
    number="2.5", title="From the sum to the mean", signature="list[str]", kind="order", points=1, minutes=5,
    section="02d",
    hints=(
        "Three of the seven lines do the same job, and you need one of them. Which job?",
        "The mean is the sum divided by the number of entries. What happens to every partial then?",
        "Leaf, sum, walk back, scale, print: five labels. Only the fourth is a choice, between C, E and G.",
    ),
)
def mean_gradient_order(ask):
    """Five labels in an order that prints the gradient of the mean of x², from the gradient of the sum."""
    with ask.part("five lines that print the gradient of the mean"):
        answer = ask()
        labels = labels_of(answer.value)
        known = len(labels) == 5 and len(set(labels)) == 5 and all(label in LINES for label in labels)
        answer.holds(known, "a list of five different labels from A to G, each in quotes", layer=Layer.TYPE)
        if known:
            printed, problem = run_lines(LINES, labels)
            got = problem or f"in your order the lines print {printed[0] if printed else 'nothing'}"
            right = problem is None and printed and printed[0] is not None and np.allclose(printed[0], WANTED_MEAN)
            answer.holds(bool(right), "the lines run and print the gradient of the mean of x²", got, layer=Layer.VALUE)


mean_gradient_order.wrong_value(
    "A16", ["D", "F", "B", "G", "A"],
    "That is the gradient of the sum. The mean divides the sum by the number of entries, and so every partial, too.",
    read=labels_of,
)
mean_gradient_order.wrong_value(
    "A16-inverse", ["D", "F", "B", "C", "A"],
    "The scale goes the wrong way: the mean is the sum divided by n, so its gradient is smaller, not larger.",
    read=labels_of,
)
mean_gradient_order.wrong_value(
    "read-before-backward", ["D", "F", "E", "B", "A"],
    "`.grad` is scaled before backward has filled it. At that moment it is None.",
    read=labels_of,
)
mean_gradient_order.wrong_value(
    "print-early", ["D", "F", "B", "A", "E"], "gradient is printed before it has been computed.",
    read=labels_of,
)


# --- 2.6 -------------------------------------------------------------------------------------------------------------

SHAPES = [  # (shape of the gradient that arrives, shape of the input that was stretched)
    ((5, 3), (3,)), ((5, 3), (5, 1)), ((5, 3), (1, 3)), ((4, 5, 3), (5, 3)), ((4, 5, 3), (5, 1)), ((5, 3), ()),
    ((4, 2, 3), (4, 1, 3)), ((5, 3), (5, 3)),
]


@lesson.exercise(
    number="2.6", title="Undo a broadcast", signature="(g: Tensor, shape: tuple[int, ...]) -> Tensor", points=2,
    minutes=10, section="02d",
    hints=(
        "One number b was added to five numbers. How often does b count in the sum of the results?",
        "Broadcasting copies; the gradient adds up over the copies. Which axes were copied: those that `shape` lacks on "
        "the left, and those where it has a 1.",
        "First sum away the leading axes (g.sum(0) while g has more axes than shape), then, for every axis where shape "
        "has 1, sum over it with keepdim=True.",
    ),
)
def unbroadcast(ask):
    """g, summed over the axes that broadcasting had stretched, so that it has this shape."""
    cases = [(np.array([ask.rng.uniform(0.3, 1.7) for _ in range(int(np.prod(wide)))]).reshape(wide), narrow)
             for wide, narrow in SHAPES]
    ask.rng.shuffle(cases)
    with ask.part("eight pairs of shapes", 3):
        for g, shape in cases:
            ask(g, shape).equals(_summed(g, shape), "the sum over the copies")
    with ask.part("moving x by dx moves g·expand(x) as the result says"):
        for g, shape in cases[:3]:
            dx = np.array([ask.rng.uniform(0.3, 1.7) for _ in range(int(np.prod(shape)))]).reshape(shape)
            answer = ask(g, shape)
            answer.equals(_summed(g, shape), "the sum over the copies")
            result = answer.value.numbers if shape and not answer.broken else number_of(answer.value)
            total = 0.0 if answer.broken else float((result * dx).sum())
            answer.holds(abs(total - float((g * dx).sum())) < 1e-4, "⟨g, expand(dx)⟩ = ⟨result, dx⟩")


def _summed(g, shape):
    lead = g.ndim - len(shape)
    g = g.sum(axis=tuple(range(lead)))
    return np.asarray(g.sum(axis=tuple(i for i, size in enumerate(shape) if size == 1 and g.shape[i] != 1), keepdims=True)
                      if shape else g)


@unbroadcast.mistake("D8")
def left_as_it_came(g, shape):
    """You returned g as it came, with the shape of the result. The gradient of an input has the shape of the input."""
    return g.clone()


@unbroadcast.mistake("first-axis")
def always_the_first_axis(g, shape):
    """You always sum over axis 0. Which axes were stretched depends on `shape`: those that it lacks on the left, and those
    where it has a 1."""
    return g.sum(0)


@unbroadcast.mistake("averaged")
def averaged_copies(g, shape):
    """You averaged over the copies. Every copy counts in full, so the gradient adds them up."""
    lead = g.ndim - len(shape)
    if lead:
        g = g.mean(tuple(range(lead)))
    for i, size in enumerate(shape):
        if size == 1:
            g = g.mean(i, keepdim=True)
    return g


@unbroadcast.mistake("D9")
def only_one_copy(g, shape):
    """You took one copy and threw the others away. The input was used in all of them, so all of them count."""
    lead = g.ndim - len(shape)
    g = g[(0,) * lead]
    for i, size in enumerate(shape):
        if size == 1:
            g = g.narrow(i, 0, 1)
    return g.clone()


@unbroadcast.mistake("leading-only")
def leading_axes_only(g, shape):
    """The axes that are missing on the left are summed, but an axis of length 1 was stretched as well."""
    return g.sum(tuple(range(g.ndim - len(shape)))) if g.ndim > len(shape) else g.clone()


@unbroadcast.mistake("stretched-only")
def stretched_axes_only(g, shape):
    """The axes of length 1 are summed, but broadcasting also adds axes on the left: they have to go, too."""
    for i, size in enumerate(shape, start=g.ndim - len(shape)):
        if size == 1:
            g = g.sum(i, keepdim=True)
    return g.clone()


@unbroadcast.mistake("keepdim")
def axes_of_one_dropped(g, shape):
    """The sums are right, but an axis of length 1 has disappeared: keepdim=True keeps it."""
    lead = g.ndim - len(shape)
    axes = [*range(lead), *(lead + i for i, size in enumerate(shape) if size == 1)]
    return g.sum(axes) if axes else g.clone()


@unbroadcast.mistake("everything")
def summed_everything(g, shape):
    """You summed all of g and wrote the total everywhere. Sum only over the axes that were stretched."""
    return g.sum().expand(shape).clone()


# --- 2.7 -------------------------------------------------------------------------------------------------------------


@lesson.exercise(
    number="2.7", title="Direct and total", signature="(x: float) -> tuple[float, float]", points=2, minutes=8,
    section="02e",
    hints=(
        "z = x·y with y = x². If somebody nails y down while x moves, how fast does z change?",
        "detach() nails a tensor down: it keeps the number and forgets where it came from. One walk with y nailed, one "
        "without.",
        "Twice: a new leaf x, y = x**2, z = x * (y.detach() or y), backward, read x.grad. Return (nailed, free).",
    ),
)
def total_vs_partial(ask):
    """For z = x·y with y = x²: ∂z/∂x with y held, and dz/dx with y moving along."""
    points = [0.7, -1.3, 3.0, round(ask.rng.uniform(0.4, 2.4), 2), -round(ask.rng.uniform(0.4, 2.4), 2)]
    with ask.part("direct and total at five points"):
        for x in points:
            ask(x).equals((x * x, 3 * x * x), ("the direct slope", "the total slope"))


@total_vs_partial.mistake("A10")
def one_path_only(x):
    """Your total is the direct slope again: the way through y = x² is missing."""
    return x * x, x * x


@total_vs_partial.mistake("indirect-only")
def indirect_only(x):
    """Your total counts only the way through y. The total adds both ways: direct and through y."""
    return x * x, 2 * x * x


@total_vs_partial.mistake("other-held")
def x_held_instead(x):
    """Your direct slope holds the factor x and lets y move. Asked first is the other way round: y held, x moving."""
    return 2 * x * x, 3 * x * x


@total_vs_partial.mistake("C1")
def total_on_top_of_direct(x):
    """Your direct slope is right, and your total is the sum of both: .grad still held the direct slope. Clear it, or use
    a new leaf, before the second walk."""
    return x * x, 4 * x * x


@total_vs_partial.mistake("swapped")
def total_first(x):
    """Both numbers are right, but they are swapped: the direct slope, with y held, comes first."""
    return 3 * x * x, x * x


@total_vs_partial.mistake("nothing-held")
def nothing_held(x):
    """Your direct slope is the total one: y was not held while x moved."""
    return 3 * x * x, 3 * x * x


@total_vs_partial.mistake("values")
def values_not_slopes(x):
    """You returned y and z themselves. Wanted are two slopes of z."""
    return x * x, x**3


@total_vs_partial.mistake("memorised")
def slopes_at_three(x):
    """These are the slopes at x = 3, whatever x is. Compute them at the x that comes in."""
    return 9.0, 27.0


# --- 2.8 -------------------------------------------------------------------------------------------------------------


@lesson.exercise(
    number="2.8", title="Valley, hill, saddle", signature="(f, p: Tensor[2]) -> str", points=3, minutes=15, section="02f",
    hints=(
        "Before asking what kind of flat place it is: is it flat?",
        "At a flat place the Hessian decides, and its eigenvalues do, not its diagonal: [[2, 3], [3, 2]] has 2 and 2 on "
        "the diagonal and curves down along (1, −1).",
        "torch.func.hessian(f)(p), then torch.linalg.eigvalsh: all positive, all negative, or both signs. A gradient "
        "longer than about 1e-4 means not critical.",
    ),
)
def classify_critical(ask):
    """min, max, saddle, or not critical."""
    with ask.part("a valley and a hill, tilted", 2):
        for kind in ("min", "max"):
            f, p = _tilted(ask.rng, kind)
            _expect(ask(f, p), kind)
    with ask.part("a saddle, also one with a positive diagonal", 2):
        for kind in ("saddle", "hidden saddle", "hidden saddle down"):
            f, p = _tilted(ask.rng, kind)
            _expect(ask(f, p), "saddle")
        _expect(ask(*_tilted(ask.rng, "min")), "min")
    with ask.part("a place that is not flat", 2):
        f, p = _tilted(ask.rng, "min")
        _expect(ask(f, p + np.array([0.3, -0.2])), "not critical")
        _expect(ask(f, p - np.array([0.3, 0.2])), "not critical")  # both partials are negative
        for weights in ((1, 1), (1, 0), (0, 1)):
            _expect(ask(f, _where_partials_cancel(f, p, np.array(weights))), "not critical")
        _expect(ask(f, p + 1e-9), "min")  # flat to nine digits: a computed place is seldom better
        _expect(ask(*_tilted(ask.rng, "max")), "max")
        _expect(ask(*_tilted(ask.rng, "saddle")), "saddle")


def _expect(answer, *kinds):
    said = answer.value.strip().lower() if isinstance(answer.value, str) else None
    answer.holds(said in PLACES, 'one of the words "min", "max", "saddle", "not critical"', layer=Layer.TYPE)
    answer.holds(said in kinds, PLACES[kinds[0]], f"you said {said!r}", layer=Layer.VALUE)


PLACES = {
    "min": "f is flat at p and curves up along every direction",
    "max": "f is flat at p and curves down along every direction",
    "saddle": "f is flat at p, curves up along one direction and down along another",
    "not critical": "the gradient of f at p is not 0",
}


def _tilted(rng, kind):
    """A quadratic form around a point, its axes not along the coordinates, and a quartic on top; (f, the point)."""
    a, b = symbols_of(2)
    centre = [sympy.Rational(rng.randint(40, 140) * rng.choice((-1, 1)), 100) for _ in range(2)]
    k = sympy.Rational(rng.randint(60, 140), 100)
    hessian = {
        "min": ((3 * k, k), (k, 2)), "max": ((-3 * k, k), (k, -2)), "saddle": ((2, k), (k, -3 * k)),
        "hidden saddle": ((1, 2 + k), (2 + k, 2)), "hidden saddle down": ((-1, 2 + k), (2 + k, -2)),
    }[kind]
    p, q = a - centre[0], b - centre[1]
    # p·q comes first: SymPy would multiply out a number times a bracket.
    form = p**2 * hessian[0][0] / 2 + p * q * hessian[0][1] + q**2 * hessian[1][1] / 2
    return VectorFormula(form + p**4 / 20 + k, 2), np.array([float(c) for c in centre])  # + k: flat is not zero


def _where_partials_cancel(f, p, weights):
    """A place beside p where the partials of f, weighted like this, add up to 0: they cancel, or one of them is 0."""
    right = p[0] + 0.3
    low, high = p[1] - 3.0, p[1] + 3.0
    for _ in range(80):  # the sum grows with the second coordinate
        middle = (low + high) / 2
        low, high = (middle, high) if weights @ f.gradient(np.array([right, middle])) < 0 else (low, middle)
    return np.array([right, middle])


def _hessian_and_gradient(f, p):
    leaf = p.detach().clone().requires_grad_()
    (gradient,) = torch.autograd.grad(f(leaf), leaf, create_graph=True)
    rows = [torch.autograd.grad(one, leaf, retain_graph=True)[0] for one in gradient]
    return torch.stack(rows), gradient.detach()


def _by(signs):
    return "min" if all(signs > 0) else "max" if all(signs < 0) else "saddle"


@classify_critical.mistake("A15")
def diagonal_only(f, p):
    """You looked at the diagonal of the Hessian. The mixed entries can turn a valley along both axes into a saddle: ask
    the eigenvalues."""
    hessian, gradient = _hessian_and_gradient(f, p)
    return "not critical" if gradient.norm() > 1e-4 else _by(hessian.diagonal())


@classify_critical.mistake("A13")
def flat_means_minimum(f, p):
    """You call every flat place a minimum. Hills and saddles are flat, too: the second derivatives decide."""
    _, gradient = _hessian_and_gradient(f, p)
    return "min" if gradient.norm() < 1e-4 else "not critical"


@classify_critical.mistake("not-flat")
def hessian_alone(f, p):
    """You never look at the gradient. Where it is not 0 the place is not flat, and no Hessian makes it a valley."""
    return _by(torch.linalg.eigvalsh(_hessian_and_gradient(f, p)[0]))


@classify_critical.mistake("sum-of-partials")
def partials_added_up(f, p):
    """You look whether the partials add up to 0. One up and one down do that, too: ask for the length of the gradient."""
    hessian, gradient = _hessian_and_gradient(f, p)
    return "not critical" if gradient.sum().abs() > 1e-4 else _by(torch.linalg.eigvalsh(hessian))


@classify_critical.mistake("exactly-zero")
def flat_only_if_exactly_zero(f, p):
    """You ask whether the gradient is exactly 0. Computed numbers seldom are: allow for a length of about 1e-4."""
    hessian, gradient = _hessian_and_gradient(f, p)
    return "not critical" if gradient.norm() > 1e-14 else _by(torch.linalg.eigvalsh(hessian))


@classify_critical.mistake("determinant")
def determinant_alone(f, p):
    """A positive determinant says that both curvatures have the same sign. It does not say which: a valley and a hill
    look alike to it."""
    hessian, gradient = _hessian_and_gradient(f, p)
    return "not critical" if gradient.norm() > 1e-4 else "min" if torch.linalg.det(hessian) > 0 else "saddle"


@classify_critical.mistake("trace")
def trace_alone(f, p):
    """You looked at the sum of the two curvatures. One up and one down may add up to anything: a saddle needs both signs
    to be seen."""
    hessian, gradient = _hessian_and_gradient(f, p)
    return "not critical" if gradient.norm() > 1e-4 else "min" if hessian.trace() > 0 else "max"


@classify_critical.mistake("signs-swapped")
def hill_and_valley_swapped(f, p):
    """Valley and hill are swapped: curving up along every direction is a minimum."""
    hessian, gradient = _hessian_and_gradient(f, p)
    return "not critical" if gradient.norm() > 1e-4 else _by(-torch.linalg.eigvalsh(hessian))


# --- 2.9 -------------------------------------------------------------------------------------------------------------


@lesson.exercise(
    number="2.9", title="Fix me: partials that don't add up", points=1, minutes=6, section="02a",
    signature="(f, u: float, v: float) -> tuple[float, float]",
    hints=(
        "Try it on u·v + u² at (1.3, −0.7), where the partials are 1.9 and 1.3. By which factor are you off, and which "
        "number stands where?",
        "There are two faults. One is about what a second backward does to .grad, the other about the order of the "
        "results.",
        "One call of f and one backward are enough for both partials. Then return that of u first.",
    ),
)
def fix_partials(ask):
    """Repair the given code so that it returns ∂f/∂u and ∂f/∂v."""
    with ask.part("both partials of four functions, u first", 3):
        for f in two_variables(ask.rng, 4):
            ask(f, *POINT).equals((f.derivative(*POINT, by=0), f.derivative(*POINT, by=1)), ("∂f/∂u", "∂f/∂v"))
    with ask.part("the same when asked twice"):
        (f,) = two_variables(ask.rng, 1)
        for _ in range(2):
            ask(f, 0.7, 1.6).equals((f.derivative(0.7, 1.6, by=0), f.derivative(0.7, 1.6, by=1)), ("∂f/∂u", "∂f/∂v"))


@fix_partials.broken
def partials_that_do_not_add_up(f, u, v):
    u = torch.tensor(u, dtype=torch.float64, requires_grad=True)
    v = torch.tensor(v, dtype=torch.float64, requires_grad=True)
    f(u, v).backward()   # for u
    f(u, v).backward()   # for v
    return v.grad.item(), u.grad.item()


@fix_partials.mistake("C1")
def still_doubled(f, u, v):
    """The order is right now, but both numbers are doubled: the second backward added to what the first had left."""
    a, b = _leaves(u, v)
    f(a, b).backward()
    f(a, b).backward()
    return a.grad.item(), b.grad.item()


@fix_partials.mistake("D11")
def still_swapped(f, u, v):
    """The doubling is gone, but the partials are still swapped: that of u comes first."""
    a, b = _leaves(u, v)
    f(a, b).backward()
    return b.grad.item(), a.grad.item()


@fix_partials.mistake("both-faults")
def both_faults(f, u, v):
    """Both faults are still there: the numbers are doubled, and that of v comes first."""
    a, b = _leaves(u, v)
    f(a, b).backward()
    f(a, b).backward()
    return b.grad.item(), a.grad.item()


@fix_partials.mistake("cleared-too-early")
def cleared_between(f, u, v):
    """Your first number is right and the second is 0: .grad of one leaf was cleared before you read it."""
    a, b = _leaves(u, v)
    f(a, b).backward()
    return a.grad.item(), torch.zeros_like(b).item()


@fix_partials.mistake("C1-half")
def only_u_cleared(f, u, v):
    """The first number is right, and the second is doubled: only the leaf u was cleared before the second walk. Clear both,
    or walk once."""
    a, b = _leaves(u, v)
    f(a, b).backward()
    return a.grad.item(), 2 * b.grad.item()


@fix_partials.mistake("C1-half")
def only_v_cleared(f, u, v):
    """The second number is right, and the first is doubled: it was read after both walks, and only the leaf v was cleared
    between them. Clear both, or walk once."""
    a, b = _leaves(u, v)
    f(a, b).backward()
    return 2 * a.grad.item(), b.grad.item()
