"""Review A, over lessons 01 to 03: the key of its exercises and how people go wrong."""

import math

import numpy as np
import torch

from course_lib.exercise import Lesson
from course_lib.formula import smooth
from course_lib.judge import Layer, Tolerance
from course_lib.keys import quiz_03r
from course_lib.keys.lines import words_of
from course_lib.values import number_of
from course_lib.vectors import fields, point

lesson = Lesson("03r", "Review A", quiz_03r)
POINTS = (0.7, -1.3)


# --- RA.1 ------------------------------------------------------------------------------------------------------------

METHODS = ("formula", "difference", "backward", "autograd.grad", "detach", "no_grad")
RIGHT = {  # situation: the methods that are right for it
    "A": ("difference",),
    "B": ("backward",),
    "C": ("autograd.grad",),
    "D": ("detach",),
    "E": ("no_grad",),
    "F": ("formula",),
}


@lesson.exercise(
    number="RA.1", title="Which tool?", signature="list[str]", kind="choice", points=1, minutes=6, section="rA",
    hints=(
        "For each situation ask two things: do I have a formula or only values? And shall something be added to .grad?",
        "Only values: a difference. Many parameters at once, for an update: backward. The derivative itself, to go on "
        "differentiating: autograd.grad. Hold one factor: detach. Change a weight: no_grad.",
        "Each of the six words is used once.",
    ),
)
def review_a_methods(ask):
    """Six words, for the situations A to F."""
    with ask.part("six situations", 3):
        answer = ask()
        value = words_of(answer.value)
        shaped = len(value) == 6 and all(one in METHODS for one in value)
        answer.holds(shaped, f"a list of six words out of: {', '.join(METHODS)}", layer=Layer.TYPE)
        if shaped:
            wrong = [letter for letter, said in zip(RIGHT, value, strict=True) if said not in RIGHT[letter]]
            answer.holds(not wrong, "the tool that fits each situation", f"{len(wrong)} of 6 do not fit", layer=Layer.VALUE)


def _answers_but(**others):
    return [others.get(letter, right[0]) for letter, right in RIGHT.items()]


review_a_methods.wrong_value(
    "C5", _answers_but(C="backward"),
    "For a derivative that is differentiated again, backward adds everything up in .grad. autograd.grad returns it alone.",
    read=words_of,
)
review_a_methods.wrong_value(
    "A4", _answers_but(A="backward"),
    "In the first situation f is a program that leaves torch. There is no graph to walk back; only its values can be used.",
    read=words_of,
)
review_a_methods.wrong_value(
    "switches-swapped", _answers_but(D="no_grad", E="detach"),
    "detach holds one tensor inside a computation; no_grad stops the recording while you change a weight. They are swapped.",
    read=words_of,
)
review_a_methods.wrong_value(
    "grad-swapped", _answers_but(B="autograd.grad", C="backward"),
    "Filling the .grad of all parameters is what backward is for; the derivative itself is what autograd.grad returns. They "
    "are swapped.",
    read=words_of,
)


# --- RA.2 ------------------------------------------------------------------------------------------------------------


@lesson.exercise(
    number="RA.2", title="The second difference", signature="(f, a: float, h: float) -> float", points=1, minutes=6,
    section="rA", rechecks=("central_diff",),
    hints=(
        "The second derivative is the slope of the slope. What are the two slopes left and right of a, by differences?",
        "(f(a+h) − f(a))/h is the slope on the right, (f(a) − f(a−h))/h the one on the left. How far apart do they belong?",
        "(f(a + h) − 2·f(a) + f(a − h)) / h²",
    ),
)
def second_difference(ask):
    """f″ from three values of f."""
    cases = _bending(ask.rng)
    with ask.part("close to the second derivative", 2):
        for f, a in cases:
            for h in (0.1, 0.05):
                want = _second(f, a, h)
                error = abs(want - f.derivative(a, order=2))
                room = Tolerance(rtol=1e-6 + 1.2 * error / max(1.0, abs(want)))
                ask(f, a, h).equals(want, "the second difference", room)
    with ask.part("halving h makes the error four times smaller"):
        for f, a in cases:
            errors = []
            for h in (0.1, 0.05):
                answer = ask(f, a, h)
                errors.append(answer.number() - f.derivative(a, order=2))
            ratio = abs(errors[0]) / max(abs(errors[1]), 1e-15)
            answer.holds(3.5 <= ratio <= 4.5, "an error that shrinks four times when h is halved",
                         f"the error shrinks {ratio:.3g} times from h = 0.1 to h = 0.05")


    with ask.part("a small step, in float64"):
        for f, a in cases:
            answer = ask(f, a, 1e-3)
            answer.equals(f.derivative(a, order=2), "the second derivative", Tolerance(rtol=1e-4))


def _second(f, a, h):
    return (f.value(a + h) - 2 * f.value(a) + f.value(a - h)) / h**2


def _bending(rng):
    """Pairs (formula, point) where the error really goes with h² and is not tiny."""
    found = []
    for f in smooth(rng, 8):
        for a in POINTS:
            errors = [_second(f, a, h) - f.derivative(a, order=2) for h in (0.1, 0.05)]
            if abs(errors[1]) > 1e-3 and 3.8 < errors[0] / errors[1] < 4.2:
                found.append((f, a))
    return found[:4]


def _values(f, a, h):
    left, middle, right = (f(torch.tensor(t, dtype=torch.float64)).item() for t in (a - h, a, a + h))
    return left, middle, right


@second_difference.mistake("A3")
def divided_by_h(f, a, h):
    """You divided by h once. Two slopes were compared that lie h apart, so h comes in twice: divide by h²."""
    left, middle, right = _values(f, a, h)
    return (right - 2 * middle + left) / h


@second_difference.mistake("first-derivative")
def first_difference(f, a, h):
    """That is the central difference for the first derivative. The second needs the value in the middle, too."""
    left, _, right = _values(f, a, h)
    return (right - left) / (2 * h)


@second_difference.mistake("A14")
def first_squared(f, a, h):
    """You squared the first difference. f″ is how fast the slope changes."""
    left, _, right = _values(f, a, h)
    return ((right - left) / (2 * h)) ** 2


@second_difference.mistake("middle-once")
def middle_counted_once(f, a, h):
    """The value in the middle belongs to both slopes, so it counts twice: −2·f(a)."""
    left, middle, right = _values(f, a, h)
    return (right - middle + left) / h**2


@second_difference.mistake("four-h-squared")
def divided_by_four(f, a, h):
    """A quarter of it: you divided by (2h)². The two slopes lie h apart, not 2h."""
    left, middle, right = _values(f, a, h)
    return (right - 2 * middle + left) / (2 * h) ** 2


@second_difference.mistake("two-h")
def divided_by_two_h(f, a, h):
    """You divided by 2h, as for the first derivative. Two slopes were compared that lie h apart, each with an h below it:
    divide by h²."""
    left, middle, right = _values(f, a, h)
    return (right - 2 * middle + left) / (2 * h)


@second_difference.mistake("one-sided")
def all_to_the_right(f, a, h):
    """Your three values lie at a, a + h and a + 2h, so the estimate belongs to a + h. Put a in the middle."""
    middle, right, far = _values(f, a + h, h)
    return (far - 2 * right + middle) / h**2


@second_difference.mistake("step-doubled")
def central_of_central(f, a, h):
    """A central difference of central differences uses f at a − 2h and a + 2h: right in the limit, with an error four times as
    large. Asked are the values at a − h, a and a + h."""
    left, middle, right = _values(f, a, 2 * h)
    return (right - 2 * middle + left) / (2 * h) ** 2


@second_difference.mistake("exact")
def by_autograd(f, a, h):
    """That is f″ without any error, so it does not come from values of f. Use f(a − h), f(a) and f(a + h) alone."""
    at = torch.tensor(a, dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(f(at), at, create_graph=True)
    return torch.autograd.grad(slope, at)[0].item()


def _rough_for_a_small_step(transcript):
    """Right to a percent for large steps, and noise for the small one."""
    large, small = [], []
    for _, (f, a, h), reply in transcript:
        got = number_of(reply.value)
        if got is None:
            return False
        want = _second(f, a, h)
        (small if h < 0.01 else large).append(abs(got - want) / max(1.0, abs(want)))
    return bool(large and small) and max(large) < 0.01 and max(small) > 1e-4


@second_difference.mistake("single-precision", recognise=_rough_for_a_small_step)
def in_float32(f, a, h):
    """The formula is right, and the numbers are float32: divided by h², their rounding is all that is left for a small h. Make
    the three inputs with dtype=torch.float64."""
    left, middle, right = (f(torch.tensor(t)).item() for t in (a - h, a, a + h))
    return (right - 2 * middle + left) / h**2


# --- RA.3 ------------------------------------------------------------------------------------------------------------


@lesson.exercise(
    number="RA.3", title="A gradient with frozen entries", points=2, minutes=9, section="rB",
    rechecks=("gradient_at", "total_vs_partial"),
    signature="(f, x: Tensor[n], frozen: list[int]) -> Tensor[n]",
    hints=(
        "If an entry is held constant, how fast does f change with it?",
        "The other partials do not care: a partial holds everything else anyway. So take the gradient, and say 0 where an "
        "entry is frozen.",
        "A leaf with the numbers of x, walk back, gradient = leaf.grad; gradient[frozen] = 0. The leaf is yours, so this "
        "harms nobody.",
    ),
)
def gradient_with_frozen(ask):
    """The gradient with 0 at the frozen entries; x is left alone."""
    with ask.part("gradients with some entries frozen", 3):
        for frozen in ([1], [0, 2], [], [3, 1]):
            (f,) = fields(ask.rng, 4, 1)
            x = point(ask.rng, 4)
            ask(f, x, frozen).equals(_frozen(f.gradient(x), frozen), "the gradient")
    with ask.part("x is left alone"):
        (f,) = fields(ask.rng, 3, 1)
        x = point(ask.rng, 3)
        ask(f, x, [2]).equals(_frozen(f.gradient(x), [2]), "the gradient").leaves_inputs_alone()


def _frozen(gradient, frozen):
    gradient = np.array(gradient)
    gradient[frozen] = 0.0
    return gradient


def _gradient(f, x):
    leaf = x.detach().clone().requires_grad_()
    f(leaf).backward()
    return leaf.grad


@gradient_with_frozen.mistake("nothing-frozen")
def all_partials(f, x, frozen):
    """Nothing is frozen: you returned the whole gradient."""
    return _gradient(f, x)


@gradient_with_frozen.mistake("others-frozen")
def frozen_ones_only(f, x, frozen):
    """It is the wrong way round: the frozen entries are the ones that get 0."""
    gradient = _gradient(f, x)
    keep = torch.zeros_like(gradient)
    keep[frozen] = 1.0
    return gradient * keep


@gradient_with_frozen.mistake("set-to-zero")
def frozen_at_zero(f, x, frozen):
    """You set the frozen entries of x to 0 before the walk. Frozen means held at their value."""
    x = x.clone()
    x[frozen] = 0.0
    gradient = _gradient(f, x)
    gradient[frozen] = 0.0
    return gradient


@gradient_with_frozen.mistake("dropped")
def entries_dropped(f, x, frozen):
    """You left the frozen entries out. The result has the shape of x, with 0 at those places."""
    gradient = _gradient(f, x)
    return gradient[[i for i in range(len(x)) if i not in frozen]]


@gradient_with_frozen.mistake("C1")
def on_the_callers_tensor(f, x, frozen):
    """The numbers are right, but you tracked the caller's own x: its flag is changed and a .grad is left on it."""
    x.requires_grad_()
    f(x).backward()
    gradient = x.grad.clone()
    gradient[frozen] = 0.0
    return gradient


# --- RA.4 ------------------------------------------------------------------------------------------------------------


@lesson.exercise(
    number="RA.4", title="Three functions deep", signature="(x: float) -> float", points=1, minutes=6, section="rB",
    rechecks=("chain_slope",),
    hints=(
        "Name the functions from the inside: what happens to x first, then to that, then to that?",
        "x², then the sine, then the minus, then exp. Each adds one factor, at the value that enters it.",
        "a = x², b = sin a, y = exp(−b): multiply exp(−b), −1, cos a, 2x.",
    ),
)
def nested_slope(ask):
    """The derivative of exp(−sin(x²)), by hand."""
    with ask.part("six points", 3):
        for at in (0.7, -1.3, 1.9, *(round(ask.rng.uniform(0.3, 2.2), 2) for _ in range(3))):
            a = at * at
            ask(at).equals(-math.exp(-math.sin(a)) * math.cos(a) * 2 * at, "the slope")


def _parts(x):
    a = x * x
    return a, math.sin(a), math.exp(-math.sin(a))


@nested_slope.mistake("A7")
def innermost_forgotten(x):
    """The innermost factor is missing: x² has the slope 2x."""
    a, _, y = _parts(x)
    return -y * math.cos(a)


@nested_slope.mistake("A7-middle")
def sine_forgotten(x):
    """The slope of the sine is missing: the chain has a cosine in the middle."""
    _, _, y = _parts(x)
    return -y * 2 * x


@nested_slope.mistake("sign")
def minus_forgotten(x):
    """The sign is the opposite: the minus in the exponent is a function of its own, with the slope −1."""
    a, _, y = _parts(x)
    return y * math.cos(a) * 2 * x


@nested_slope.mistake("A6")
def cosine_at_x(x):
    """Your cosine is taken at x. The sine was applied to x², so its slope is cos(x²)."""
    _, _, y = _parts(x)
    return -y * math.cos(x) * 2 * x


@nested_slope.mistake("A8")
def slopes_nested(x):
    """You put slopes inside each other, like exp(−cos(2x)). Values go through the chain; slopes are multiplied."""
    return math.exp(-math.cos(2 * x))


@nested_slope.mistake("A8")
def slope_in_the_exponent(x):
    """You put the inner slope into the exponent. The exponential is its own slope, at the value that enters it; the inner
    slopes come as factors beside it."""
    return math.exp(-math.cos(x * x) * 2 * x)


@nested_slope.mistake("A8")
def slope_in_the_cosine(x):
    """Your cosine is taken at 2x, the slope of x². It is taken at x² itself, and 2x is a factor beside it."""
    return -_parts(x)[2] * math.cos(2 * x)


@nested_slope.mistake("A9")
def as_a_product(x):
    """You used the product rule, as if it were exp(−x)·sin(x²). Here the functions are inside each other."""
    return -math.exp(-x) * math.sin(x * x) + math.exp(-x) * math.cos(x * x) * 2 * x


@nested_slope.mistake("value")
def value_only(x):
    """You returned the value exp(−sin(x²)). Asked is its slope."""
    return _parts(x)[2]
