"""Lesson 04, backward for vectors: the key of its exercises and how people go wrong."""

import numpy as np
import torch

from course_lib.exercise import Lesson
from course_lib.judge import Layer, show
from course_lib.keys import quiz_04
from course_lib.recipes import Planted, Recipe
from course_lib.values import number_of
from course_lib.vectors import maps, point, unsorted_point

lesson = Lesson("04", "Backward for vectors", quiz_04)


# --- 4.1 -------------------------------------------------------------------------------------------------------------


@lesson.exercise(
    number="4.1", title="A vector–Jacobian product", signature="(f, x: Tensor[n], v: Tensor[m]) -> Tensor[n]", points=1,
    minutes=5, section="04a",
    hints=(
        "f(x) has m numbers and `.grad` can hold one slope for each entry of x. What do the m weights in v do?",
        "gradient=v says how much each output counts; backward then walks from the weighted sum v·f(x).",
        "A leaf with the numbers of x, y = f(leaf), y.backward(gradient=v), return leaf.grad. (Or "
        "torch.autograd.grad(y, leaf, v)[0].)",
    ),
)
def vjp_at(ask):
    """vᵀJ: the gradient of v·f(x) at x, with x left alone."""
    with ask.part("two vectors v on each of three maps", 3):
        for n, m in ((3, 4), (4, 2), (2, 3)):
            (f,) = maps(ask.rng, n, m, 1)
            x = point(ask.rng, n)
            for _ in range(2):
                v = point(ask.rng, m)
                ask(f, x, v).equals(v @ f.jacobian(x), "vᵀJ")
    with ask.part("x and v are left alone"):
        (f,) = maps(ask.rng, 3, 4, 1)
        x, v = point(ask.rng, 3), point(ask.rng, 4)
        ask(f, x, v).equals(v @ f.jacobian(x), "vᵀJ").leaves_inputs_alone()


def _vjp(f, x, v):
    leaf = x.detach().clone().requires_grad_()
    return torch.autograd.grad(f(leaf), leaf, v)[0]


def _jacobian(f, x):
    leaf = x.detach().clone().requires_grad_()
    y = f(leaf)
    return torch.stack([torch.autograd.grad(one, leaf, retain_graph=True)[0] for one in y])


vjp_at.sort_lines(
    "leaf = x.detach().clone().requires_grad_()",
    "f(leaf).backward(gradient=v)",
    "return leaf.grad",
    lures={"D1": "f(leaf).backward()", "D2": "f(leaf).sum().backward()", "C1": "leaf = x.requires_grad_()"},
)


@vjp_at.mistake("D2")
def ones_instead_of_v(f, x, v):
    """Your answer does not depend on v: every output is weighted with 1. Hand v over as gradient=."""
    return _vjp(f, x, torch.ones_like(v))


@vjp_at.mistake("D4")
def jacobian_times_x(f, x, v):
    """You multiplied J with a vector of the inputs. v belongs to the outputs and multiplies J from the left: vᵀJ."""
    return _jacobian(f, x) @ x


@vjp_at.mistake("weighted-value")
def weighted_value(f, x, v):
    """You returned the weighted sum of the outputs, v·f(x). Its gradient is asked."""
    return v @ f(x)


@vjp_at.mistake("A16")
def averaged_instead_of_summed(f, x, v):
    """Your answer is too small by the number of outputs: you averaged v·y. The weights are applied and added up, nothing is
    divided."""
    return _vjp(f, x, v) / len(v)


@vjp_at.mistake("D1")
def no_gradient_argument(f, x, v):
    """Without gradient= backward does not know how to weigh the outputs: a vector has no single derivative."""
    leaf = x.detach().clone().requires_grad_()
    f(leaf).backward()
    return leaf.grad


@vjp_at.mistake("whole-jacobian")
def whole_jacobian(f, x, v):
    """That is the whole Jacobian. Weigh its rows with v and add them up."""
    return _jacobian(f, x)


@vjp_at.mistake("C1")
def on_the_callers_tensor(f, x, v):
    """The numbers are right, but you tracked the caller's own x: its flag is changed and a .grad is left on it."""
    x.requires_grad_()
    f(x).backward(v)
    return x.grad


# --- 4.2 -------------------------------------------------------------------------------------------------------------


@lesson.exercise(
    number="4.2", title="When the sum trick may be used", signature="(f, xs: Tensor[n]) -> Tensor[n]", points=1,
    minutes=9, section="04d",
    hints=(
        "With ones as weights you get the column sums of J. When are they the diagonal?",
        "Try a second vector of weights. If J is diagonal, the weights w give w·(diagonal), entry by entry. If not, "
        "something else comes out.",
        "ones = grad(y, leaf, ones, retain_graph=True); other = grad(y, leaf, w) with w such as 1, 2, 3 …; if "
        "not allclose(other, w * ones): raise ValueError.",
    ),
)
def elementwise_derivative(ask):
    """f′ at every entry from the sum trick, or a ValueError if the entries depend on each other."""
    with ask.part("tanh and the square"):
        xs = point(ask.rng, 5)
        ask(_named("tanh"), xs).equals(1 - np.tanh(xs) ** 2, "the derivative")
        ask(_named("square"), xs).equals(2 * xs, "the derivative")
    with ask.part("a ValueError where entries depend on each other", 2):
        xs = point(ask.rng, 5)
        ask(_named("tanh"), xs).equals(1 - np.tanh(xs) ** 2, "the derivative")
        xs = unsorted_point(ask.rng, 5)
        for name in ("softmax", "cumsum", "sort", "times-total", "last-two", "first-two"):
            ask(_named(name), xs).raises("ValueError", f"{WORDS[name]} couples its entries")


WORDS = {
    "softmax": "softmax", "cumsum": "cumsum", "sort": "sort", "times-total": "x·sum(x)",
    "last-two": "x² with the last entry but one added to the last", "first-two": "x² with the second entry added to the first",
}


def _named(name):
    return Recipe("named", (name,), name)


def _sum_trick(f, xs):
    leaf = xs.detach().clone().requires_grad_()
    f(leaf).sum().backward()
    return leaf.grad


@elementwise_derivative.mistake("D3")
def always_the_sum_trick(f, xs):
    """The sum trick is used without asking. For softmax, cumsum or sort it returns the column sums of J, which are not
    derivatives of anything you wanted."""
    return _sum_trick(f, xs)


@elementwise_derivative.mistake("zero-test")
def zero_means_coupled(f, xs):
    """You raise when the sum trick gives zeros. That catches softmax, but cumsum and sort give no zeros and couple their
    entries, too."""
    derivative = _sum_trick(f, xs)
    if derivative.abs().max() < 1e-9:
        raise ValueError("coupled")
    return derivative


@elementwise_derivative.mistake("always-raises")
def never_trusts(f, xs):
    """You raise for every function. tanh works on each entry by itself, and there the trick is right."""
    raise ValueError("coupled")


@elementwise_derivative.mistake("A16")
def mean_trick(f, xs):
    """You walked back from the mean, so every slope is n times too small."""
    leaf = xs.detach().clone().requires_grad_()
    y = f(leaf)
    (ones,) = torch.autograd.grad(y.mean(), leaf, retain_graph=True)
    weights = torch.linspace(1.0, 2.0, len(xs), dtype=xs.dtype)
    (other,) = torch.autograd.grad((y * weights).mean(), leaf)
    if not torch.allclose(other, weights * ones):
        raise ValueError("coupled")
    return ones


@elementwise_derivative.mistake("one-weight")
def only_one_weight_differs(f, xs):
    """Your test moves the weight of one output only, so it misses a function that couples others: give every output a
    weight of its own."""
    leaf = xs.detach().clone().requires_grad_()
    y = f(leaf)
    (ones,) = torch.autograd.grad(y, leaf, torch.ones_like(y), retain_graph=True)
    weights = torch.ones_like(y)
    weights[0] = 2.0
    (other,) = torch.autograd.grad(y, leaf, weights)
    if not torch.allclose(other, weights * ones):
        raise ValueError("coupled")
    return ones


@elementwise_derivative.mistake("diagonal")
def diagonal_of_any_function(f, xs):
    """The diagonal of J is right where the entries do not touch. For softmax, cumsum or sort something off the diagonal is not 0,
    and that is what has to raise."""
    return _jacobian(f, xs).diagonal().clone()


@elementwise_derivative.mistake("permutation")
def sort_is_missed(f, xs):
    """Your test looks at the sums of the weights only. Sorting moves entries around without changing their sum, and
    couples them all the same."""
    leaf = xs.detach().clone().requires_grad_()
    y = f(leaf)
    (ones,) = torch.autograd.grad(y, leaf, torch.ones_like(y), retain_graph=True)
    weights = torch.linspace(1.0, 2.0, len(xs), dtype=xs.dtype)
    (other,) = torch.autograd.grad(y, leaf, weights)
    if not torch.allclose(other.sum(), (weights * ones).sum()):
        raise ValueError("coupled")
    return ones


# --- 4.3 -------------------------------------------------------------------------------------------------------------


@lesson.exercise(
    number="4.3a", title="Push a direction forward", signature="(f, x: Tensor[n], u: Tensor[n]) -> Tensor[m]", points=1,
    minutes=5, section="04e",
    hints=(
        "u is a direction of the inputs. How many numbers does the answer have, and what do they say?",
        "J·u says how each output changes when x moves along u. Forward mode computes it alongside the value.",
        "torch.func.jvp(f, (x,), (u,)) returns the value and J·u.",
    ),
)
def jvp_forward(ask):
    """J·u: how every output changes when x moves along u."""
    with ask.part("two directions on each of three maps", 3):
        for n, m in ((3, 4), (4, 2), (2, 3)):
            (f,) = maps(ask.rng, n, m, 1)
            x = point(ask.rng, n)
            for _ in range(2):
                u = point(ask.rng, n)
                ask(f, x, u).equals(f.jacobian(x) @ u, "J·u")


jvp_forward.sort_lines(
    "value, change = torch.func.jvp(f, (x,), (u,))",
    "return change",
    lures={"value": "return value", "whole-step": "change = f(x + u) - f(x)"},
)


@jvp_forward.mistake("D4")
def pulled_back(f, x, u):
    """You pulled u backward (vᵀJ). u lives on the inputs and is pushed forward: J·u has one entry for each output."""
    y = f(x)
    padded = torch.zeros_like(y)
    size = min(len(u), len(y))
    padded[:size] = u[:size]
    return _vjp(f, x, padded)


@jvp_forward.mistake("D4")
def u_as_cotangent(f, x, u):
    """You handed u to the walk backward, which wants one weight for each output. u has one entry for each input and is pushed
    forward."""
    return _vjp(f, x, u)


@jvp_forward.mistake("value")
def value_returned(f, x, u):
    """You returned f(x). torch.func.jvp gives two things, the value and the change; the second is asked."""
    return f(x)


@jvp_forward.mistake("pair")
def value_and_change(f, x, u):
    """You returned both, the value and the change. Only J·u is asked, the second of the two."""
    return torch.func.jvp(f, (x,), (u,))


@jvp_forward.mistake("whole-step")
def whole_step(f, x, u):
    """You took a whole step along u, f(x + u) − f(x). J·u is the rate at x, which a long step does not show."""
    return f(x + u) - f(x)


@jvp_forward.mistake("normalised")
def along_unit(f, x, u):
    """You divided u by its length. J·u is linear in u: twice the direction, twice the change."""
    return torch.func.jvp(f, (x,), (u / u.norm(),))[1]


@lesson.exercise(
    number="4.3b", title="Forward mode by hand", signature="(f, x: list[float], u: list[float]) -> list[float]", points=2,
    minutes=14, section="04e",
    hints=(
        "A dual number carries two things along: its value and how fast it changes. What is the rate of a product of two "
        "of them?",
        "Write a class Dual with value and rate. Addition adds both; a product has rate a.rate·b.value + a.value·b.rate; "
        "sin() and exp() multiply the rate with their slope. Plain numbers have rate 0.",
        "Give Dual the methods __add__, __radd__, __sub__, __rsub__, __mul__, __rmul__, __neg__, sin, exp; call f with "
        "[Dual(a, b) for a, b in zip(x, u)]; collect the rates (0 for an output that is a plain number).",
    ),
)
def jvp_dual(ask):
    """J·u by numbers that carry their rate of change along."""
    with ask.part("three functions of two and three numbers", 3):
        for recipe, f in _dual_functions(ask.rng):
            n = recipe.data[1]
            x, u = point(ask.rng, n), point(ask.rng, n)
            _are_rates(ask(recipe, x.tolist(), u.tolist()), f(x) @ u)
    with ask.part("numbers on either side, and an output that is a plain number"):
        trees = [["sub", ["num", 2.0], ["mul", ["num", 3.0], ["x", 0]]], ["add", ["x", 1], ["num", 1.5]], ["num", 4.0]]
        x, u = [0.7, -1.3], [0.4, 1.6]
        answer = ask(Recipe("dual", (trees, 2), "z → [2 − 3·z₀, z₁ + 1.5, 4.0]"), x, u)
        _are_rates(answer, np.array([-1.2, 1.6, 0.0]))


def _are_rates(answer, want):
    """A list of numbers is asked; a tensor of them is as good."""
    answer.equals(want if hasattr(answer.value, "numbers") else tuple(want.tolist()), "the rate of an output")


def _dual_functions(rng):
    """(recipe, Jacobian of x) of functions on lists that use + − · with numbers, sin and exp."""
    a, b = round(rng.uniform(0.6, 1.4), 2), round(rng.uniform(0.3, 0.8), 2)
    x0, x1, x2 = ["x", 0], ["x", 1], ["x", 2]
    yield (
        Recipe("dual", ([["mul", x0, x1], ["sin", ["add", x0, ["mul", x1, x1]]], ["sub", ["mul", x0, x0],
                        ["mul", ["num", a], x1]]], 2), f"z → [z₀·z₁, sin(z₀ + z₁·z₁), z₀·z₀ − {a}·z₁]"),
        lambda x: np.array([[x[1], x[0]], np.cos(x[0] + x[1] ** 2) * np.array([1, 2 * x[1]]), [2 * x[0], -a]]),
    )
    yield (
        Recipe("dual", ([["mul", ["exp", ["mul", x0, ["num", b]]], x2], ["add", ["sin", x1], ["mul", x2, x0]]], 3),
               f"z → [exp({b}·z₀)·z₂, sin(z₁) + z₂·z₀]"),
        lambda x: np.array([[b * np.exp(b * x[0]) * x[2], 0, np.exp(b * x[0])], [x[2], np.cos(x[1]), x[0]]]),
    )
    yield (
        Recipe("dual", ([["mul", ["sin", ["mul", x0, x1]], ["num", a]]], 2), f"z → [sin(z₀·z₁)·{a}]"),
        lambda x: a * np.cos(x[0] * x[1]) * np.array([[x[1], x[0]]]),
    )


def _dual(product=lambda a, b: a.rate * b.value + a.value * b.rate, sine=None):
    """A class of dual numbers with this rule for products and this slope of the sine."""
    sine = sine or torch.cos

    class Dual:
        def __init__(self, value, rate=0.0):
            self.value, self.rate = value, rate

        def __add__(self, other):
            other = other if isinstance(other, Dual) else Dual(other)
            return Dual(self.value + other.value, self.rate + other.rate)

        def __neg__(self):
            return Dual(-self.value, -self.rate)

        def __sub__(self, other):
            return self + -(other if isinstance(other, Dual) else Dual(other))

        def __rsub__(self, other):
            return Dual(other) + -self

        def __mul__(self, other):
            other = other if isinstance(other, Dual) else Dual(other)
            return Dual(self.value * other.value, product(self, other))

        def sin(self):
            return Dual(float(np.sin(self.value)), float(sine(torch.tensor(self.value))) * self.rate)

        def exp(self):
            return Dual(float(np.exp(self.value)), float(np.exp(self.value)) * self.rate)

        __radd__, __rmul__ = __add__, __mul__

    return Dual


def _rates(f, x, u, dual):
    out = f([dual(a, b) for a, b in zip(x, u, strict=True)])
    return [one.rate if isinstance(one, dual) else 0.0 for one in out]


@jvp_dual.mistake("product-of-rates")
def rates_multiplied(f, x, u):
    """The rate of a product is not the product of the rates. Each factor moves while the other stands: two terms."""
    return _rates(f, x, u, _dual(lambda a, b: a.rate * b.rate))


@jvp_dual.mistake("A10")
def one_term_of_the_product(f, x, u):
    """Your products have one term only. When both factors move, the rate is a.rate·b.value + a.value·b.rate."""
    return _rates(f, x, u, _dual(lambda a, b: a.rate * b.value))


@jvp_dual.mistake("A7")
def rate_lost_in_sine(f, x, u):
    """Your sine forgets the rate that comes in: it is cos(value) times the rate."""

    class Forgetful(_dual()):
        def sin(self):
            return Forgetful(float(np.sin(self.value)), float(np.cos(self.value)))

    return _rates_of_kind(f, x, u, Forgetful)


@jvp_dual.mistake("A7")
def rate_lost_in_both(f, x, u):
    """Your sine and your exponential forget the rate that comes in: each is its slope at the value, times the rate."""

    class Forgetful(_dual()):
        def sin(self):
            return Forgetful(float(np.sin(self.value)), float(np.cos(self.value)))

        def exp(self):
            return Forgetful(float(np.exp(self.value)), float(np.exp(self.value)))

    return _rates_of_kind(f, x, u, Forgetful)


@jvp_dual.mistake("number-out")
def plain_output_forgotten(f, x, u):
    """An output may be a plain number, which carries no rate. Its rate is 0: ask isinstance(y, Dual) before you read one."""
    dual = _dual()
    return [one.rate for one in f([dual(a, b) for a, b in zip(x, u, strict=True)])]


def _as(kind, method):
    def wrapped(*args):
        out = method(*args)
        return kind(out.value, out.rate)

    return wrapped


@jvp_dual.mistake("sign-of-cosine")
def sine_with_wrong_slope(f, x, u):
    """Your sine has the slope −cos. The slope of the sine is +cos; it is the cosine's slope that has a minus."""
    return _rates(f, x, u, _dual(sine=lambda t: -torch.cos(t)))


@jvp_dual.mistake("no-right-methods")
def numbers_on_the_left_forgotten(f, x, u):
    """A plain number stands on the left there, as in 3.0 * z. Python asks the number first and then your class, for __rmul__,
    __radd__ or __rsub__."""

    class LeftOnly(_dual()):
        __radd__ = __rsub__ = __rmul__ = _not_for_me

    return _rates_of_kind(f, x, u, LeftOnly)


@jvp_dual.mistake("no-right-methods")
def subtraction_from_a_number_forgotten(f, x, u):
    """Sums and products with a number on the left work, but 2.0 - z does not: Python asks your class for __rsub__."""

    class NoRightMinus(_dual()):
        __rsub__ = _not_for_me

    return _rates_of_kind(f, x, u, NoRightMinus)


@jvp_dual.mistake("A18")
def subtraction_turned_round(f, x, u):
    """With a plain number on the left your difference is turned round: in __rsub__(self, other) the other comes first, so the
    rate is −self.rate."""

    class Turned(_dual()):
        def __rsub__(self, other):
            return self - other

    return _rates_of_kind(f, x, u, Turned)


def _not_for_me(self, other):
    return NotImplemented


def _rates_of_kind(f, x, u, kind):
    """The rates by a class that changes some methods: what the others return is of this class, too."""
    for name in ("__add__", "__radd__", "__mul__", "__rmul__", "__neg__", "__sub__", "__rsub__", "sin", "exp"):
        if name not in vars(kind):
            setattr(kind, name, _as(kind, getattr(kind, name)))
    return _rates(f, x, u, kind)


@jvp_dual.mistake("values")
def values_of_outputs(f, x, u):
    """You returned the values of the outputs. Asked are their rates."""
    dual = _dual()
    return [one.value if isinstance(one, dual) else one for one in f([dual(a, b) for a, b in zip(x, u, strict=True)])]


# --- 4.4 -------------------------------------------------------------------------------------------------------------


@lesson.exercise(
    number="4.4", title="The adjoint test", signature="(f, x: Tensor[n]) -> float", points=2, minutes=9, section="04e",
    hints=(
        "⟨v, J·u⟩ can be computed forward or backward. What does it mean if the two disagree?",
        "Choose two random vectors, u like x and v like f(x). One product needs J·u (forward mode), the other vᵀJ "
        "(backward).",
        "u = randn_like(x); y, Ju = torch.func.jvp(f, (x,), (u,)); v = randn_like(y); vJ from autograd.grad; return "
        "abs(v @ Ju - vJ @ u) as a float.",
    ),
)
def adjoint_gap(ask):
    """How far ⟨v, J·u⟩ and ⟨Jᵀv, u⟩ are apart, for random u and v."""
    with ask.part("practically nothing for a right backward, and not for a wrong one", 1):
        self_made = Recipe("planted", ("right",), "a self-made function with a right backward")
        for f in [*maps(ask.rng, 3, 4, 3), *maps(ask.rng, 4, 2, 1), self_made]:
            _sees_nothing(ask(f, point(ask.rng, getattr(f, "n", 4))))
        _sees_plants(ask)
    with ask.part("a large gap where the backward is wrong", 2):
        _sees_plants(ask)
        (f,) = maps(ask.rng, 3, 4, 1)
        _sees_nothing(ask(f, point(ask.rng, 3)))


ROUNDING = 1e-6  # no gap of a wrong backward is so small, and no right one so large


def _sees_nothing(gap):
    number = gap.number()
    gap.holds(abs(number) < ROUNDING, "this backward is right, so the gap must be 0 but for rounding",
              f"your gap is {show(number)}", layer=Layer.VALUE)


def _sees_plants(ask):
    for fault in Planted.FAULTS[1:]:
        for _ in range(2):
            gap = ask(Recipe("planted", (fault,), f"a self-made function whose backward is wrong ({fault})"), point(ask.rng, 4))
            number = gap.number()
            gap.holds(number > ROUNDING, "this backward is wrong, so the gap must be clearly above 0",
                      f"your gap is {show(number)}", layer=Layer.VALUE)


def _gaps(wanted):
    """Recognises answers by their gaps, because u and v are random: wanted(gaps where all is right, gaps of each fault)."""

    def recognise(transcript):
        right, wrong = [], {}
        for _, (f, _), reply in transcript:
            gap = number_of(reply.value)
            if reply.failure or gap is None:
                return False
            planted = isinstance(f, Recipe) and f.data != ("right",)
            (wrong.setdefault(f.data[0], []) if planted else right).append(gap)
        return wanted(np.array(right), {fault: np.array(gaps) for fault, gaps in wrong.items()})

    return recognise


def _all(wrong):
    return np.concatenate(list(wrong.values()))


def _missed(wrong):
    """The faults at which no gap is seen, if each of the others is seen every time; None otherwise."""
    seen = {fault: np.abs(gaps) > ROUNDING for fault, gaps in wrong.items()}
    return None if any(one.any() and not one.all() for one in seen.values()) else {f for f, one in seen.items() if not one.any()}


@adjoint_gap.mistake("both-backward", recognise=_gaps(
    lambda right, wrong: (np.abs(right) < ROUNDING).all() and _missed(wrong) == set(wrong) and np.any([*right, *_all(wrong)])
))
def backward_twice(f, x):
    """Both of your products come from the same side, both from a backward walk or both from pushes forward, so they agree
    even when backward is wrong. One of them needs backward, the other forward mode or differences."""
    torch.manual_seed(0)
    y = f(x)
    u, v = torch.randn_like(x), torch.randn_like(y)
    J = _jacobian(f, x)
    return abs(float(v @ (J @ u) - (v @ J) @ u))


@adjoint_gap.mistake("double-backward", recognise=_gaps(
    lambda right, wrong: (np.abs(right) < ROUNDING).all() and _missed(wrong) == {"transposed", "doubled"}
))
def pushed_by_two_walks_back(f, x):
    """You see a backward that ignores what arrives and miss those that are wrong in another way: your J·u is itself made of
    two walks back. torch.autograd.functional.jvp does that; torch.func.jvp pushes forward."""
    u = torch.randn_like(x)
    y, Ju = torch.autograd.functional.jvp(f, x, u)
    v = torch.randn_like(y)
    return abs(float(v @ Ju - _vjp(f, x, v) @ u))


@adjoint_gap.mistake("zeros", recognise=_gaps(lambda right, wrong: not np.any([*right, *_all(wrong)])))
def zero_vectors(f, x):
    """Your gap is exactly 0 every time, without even a rounding error. That happens with zeros for u or v, or when one number
    is compared with itself."""
    u = torch.zeros_like(x)
    y, Ju = torch.func.jvp(f, (x,), (u,))
    v = torch.ones_like(y)
    return abs(float(v @ Ju - _vjp(f, x, v) @ u))


@adjoint_gap.mistake("different-vectors", recognise=_gaps(lambda right, wrong: (np.abs(right) > ROUNDING).all()))
def different_vectors(f, x):
    """Your gap is large for right backwards, too: what you compare is not ⟨v, J·u⟩ with ⟨vᵀJ, u⟩ for one u and one v. Draw u
    and v once, use them in both products, and return how far the two numbers are apart."""
    u = torch.randn_like(x)
    y, Ju = torch.func.jvp(f, (x,), (u,))
    return abs(float(torch.randn_like(y) @ Ju - _vjp(f, x, torch.randn_like(y)) @ u))


@adjoint_gap.mistake("no-abs", recognise=_gaps(
    lambda right, wrong: (np.abs(right) < ROUNDING).all() and _missed(wrong) == set() and np.min(_all(wrong)) < 0
))
def sign_kept(f, x):
    """Your gap has a sign. How far two numbers are apart is the absolute value of their difference."""
    u = torch.randn_like(x)
    y, Ju = torch.func.jvp(f, (x,), (u,))
    v = torch.randn_like(y)
    return -abs(float(v @ Ju - _vjp(f, x, v) @ u))


@adjoint_gap.mistake("D2", recognise=_gaps(
    lambda right, wrong: (np.abs(right) < ROUNDING).all() and _missed(wrong) == {"upstream-ignored"}
))
def weights_of_one(f, x):
    """You see some wrong backwards and miss others: with ones for v, a backward that ignores what arrives looks right. Draw u and
    v at random."""
    u = torch.ones_like(x)
    y, Ju = torch.func.jvp(f, (x,), (u,))
    v = torch.ones_like(y)
    return abs(float(v @ Ju - _vjp(f, x, v) @ u))


# --- 4.5 -------------------------------------------------------------------------------------------------------------


@lesson.exercise(
    number="4.5", title="Weights in two places", points=2, minutes=7, section="04a",
    signature="(pred: Tensor[N], target: Tensor[N], w: Tensor[N]) -> tuple[Tensor[N], Tensor[N]]",
    hints=(
        "The squared errors are a vector. What would backward need to turn it into one number?",
        "Once the weights go in as gradient=, once they multiply the errors before the sum. The two walks start from the "
        "same weighted sum.",
        "First: errors = (leaf − target)**2; errors.backward(gradient=w). Second, with a new leaf: (w * errors).sum()"
        ".backward(). Return both .grad.",
    ),
)
def weighted_loss_grad(ask):
    """The gradient of the weighted sum of squared errors by pred, weights as gradient= and weights in the loss."""
    with ask.part("both ways, five and three entries", 3):
        for n in (5, 3):
            pred, target, w = point(ask.rng, n), point(ask.rng, n) + 0.4, np.abs(point(ask.rng, n)) + 0.2
            want = 2 * w * (pred - target)
            ask(pred, target, w).equals((want, want), ("the first gradient", "the second gradient"))


def _both(pred, target, w, weigh=lambda w: w, reduce=torch.sum):
    first = pred.detach().clone().requires_grad_()
    ((first - target) ** 2).backward(gradient=weigh(w))
    second = pred.detach().clone().requires_grad_()
    reduce(weigh(w) * (second - target) ** 2).backward()
    return first.grad, second.grad


@weighted_loss_grad.mistake("D2")
def weights_ignored(pred, target, w):
    """Your gradients do not depend on w: the errors were weighted with ones."""
    return _both(pred, target, w, weigh=torch.ones_like)


@weighted_loss_grad.mistake("D2")
def weights_ignored_by_the_first(pred, target, w):
    """Your first gradient does not depend on w: it was walked back with weights of one. w itself is what gradient= wants."""
    return _both(pred, target, w, weigh=torch.ones_like)[0], _both(pred, target, w)[1]


@weighted_loss_grad.mistake("weights-twice")
def weights_counted_twice(pred, target, w):
    """In your first gradient the weights count twice: they are in the loss and in gradient=. Once is enough."""
    first, second = _both(pred, target, w)
    return first * w, second


@weighted_loss_grad.mistake("A16")
def mean_in_the_second(pred, target, w):
    """Your second gradient is n times smaller than the first: the loss was averaged, and gradient=w does not average."""
    return _both(pred, target, w, reduce=torch.mean)


@weighted_loss_grad.mistake("weights-inside")
def weights_inside_the_square(pred, target, w):
    """In your loss the weight stands inside the square, so it counts squared. w·(pred − target)², not
    (w·(pred − target))²."""
    first, second = pred.detach().clone().requires_grad_(), pred.detach().clone().requires_grad_()
    ((first - target) ** 2).backward(gradient=w)
    ((w * (second - target)) ** 2).sum().backward()
    return first.grad, second.grad


@weighted_loss_grad.mistake("C1")
def one_leaf_for_both(pred, target, w):
    """Your second gradient is doubled: both walks went to the same leaf, and .grad adds up."""
    leaf = pred.detach().clone().requires_grad_()
    ((leaf - target) ** 2).backward(gradient=w)
    first = leaf.grad.clone()
    (w * (leaf - target) ** 2).sum().backward()
    return first, leaf.grad


@weighted_loss_grad.mistake("C11")
def one_grad_for_both(pred, target, w):
    """Both gradients are doubled: they are one and the same .grad, and the second walk was added to it. Take a new leaf, or
    set .grad to None and keep the first."""
    leaf = pred.detach().clone().requires_grad_()
    ((leaf - target) ** 2).backward(gradient=w)
    first = leaf.grad
    (w * (leaf - target) ** 2).sum().backward()
    return first, leaf.grad


@weighted_loss_grad.mistake("A18")
def by_the_target(pred, target, w):
    """Both have the opposite sign: that is the gradient by the target."""
    first, second = _both(pred, target, w)
    return -first, -second


# --- 4.6 -------------------------------------------------------------------------------------------------------------


@lesson.exercise(
    number="4.6", title="Row by row", signature="(f, x: Tensor[n], vs: Tensor[k, m]) -> Tensor[k, n]", points=2,
    minutes=8, section="04b",
    hints=(
        "After the second backward, what does .grad hold besides the second answer?",
        "Each row needs a fresh .grad, and a row that you keep must not be the very tensor that the next walk writes to.",
        "For each v: leaf.grad = None; f(leaf).backward(v); rows.append(leaf.grad). Then torch.stack(rows).",
    ),
)
def accumulate_rows(ask):
    """One vᵀJ for each row of vs."""
    with ask.part("three and four vectors v", 3):
        for n, m, k in ((3, 4, 3), (2, 3, 4)):
            (f,) = maps(ask.rng, n, m, 1)
            x, vs = point(ask.rng, n), np.array([point(ask.rng, m) for _ in range(k)])
            ask(f, x, vs).equals(vs @ f.jacobian(x), "row i: vᵢᵀJ")
    with ask.part("x is left alone"):
        (f,) = maps(ask.rng, 3, 2, 1)
        x, vs = point(ask.rng, 3), np.array([point(ask.rng, 2) for _ in range(2)])
        ask(f, x, vs).equals(vs @ f.jacobian(x), "row i: vᵢᵀJ").leaves_inputs_alone()


@accumulate_rows.mistake("C1")
def running_sums(f, x, vs):
    """Row i holds the sum of all rows up to i: .grad was never cleared between the walks."""
    leaf = x.detach().clone().requires_grad_()
    rows = []
    for v in vs:
        f(leaf).backward(v)
        rows.append(leaf.grad.clone())
    return torch.stack(rows)


@accumulate_rows.mistake("C11")
def all_rows_the_last(f, x, vs):
    """All your rows are equal to the last one: you kept the same .grad each time and zeroed it in place. Keep a copy."""
    leaf = x.detach().clone().requires_grad_()
    rows = []
    for v in vs:
        if leaf.grad is not None:
            leaf.grad.zero_()
        f(leaf).backward(v)
        rows.append(leaf.grad)
    return torch.stack(rows)


@accumulate_rows.mistake("C11-sum")
def all_rows_the_total(f, x, vs):
    """All your rows are equal and hold the sum over all vectors: either one .grad was kept for all of them and never
    cleared, or the vectors were added up before the walk."""
    leaf = x.detach().clone().requires_grad_()
    rows = []
    for v in vs:
        f(leaf).backward(v)
        rows.append(leaf.grad)
    return torch.stack(rows)


@accumulate_rows.mistake("D5")
def answers_in_columns(f, x, vs):
    """Your answers stand in the columns. Row i belongs to row i of vs: stack along dim=0."""
    return (vs @ _jacobian(f, x)).T


@accumulate_rows.mistake("jacobian")
def jacobian_rows_only(f, x, vs):
    """These are the rows of J itself, as if vs were the unit vectors. Weigh them: vs @ J."""
    J = _jacobian(f, x)
    return J[[i % len(J) for i in range(len(vs))]]


# --- 4.7 -------------------------------------------------------------------------------------------------------------


@lesson.exercise(
    number="4.7", title="Many walks, one forward pass", points=3, minutes=13, section="04e",
    signature="(f, x: Tensor[n], V: Tensor[k, m]) -> Tensor[k, n]",
    hints=(
        "In 4.6, f was computed again for every row. Which part of the work differs from row to row?",
        "The graph is the same for all rows; only the weights differ. So compute f once and walk back k times, one by one "
        "or all at once.",
        "torch.autograd.grad takes all rows of V at once if you say is_grads_batched=True. (So does torch.func.vjp with "
        "torch.func.vmap.)",
    ),
)
def batched_vjp(ask):
    """V @ J, with f called once."""
    with ask.part("every row", 2):
        for n, m, k in ((3, 4, 5), (2, 3, 4)):
            (f,) = maps(ask.rng, n, m, 1)
            x, V = point(ask.rng, n), np.array([point(ask.rng, m) for _ in range(k)])
            ask(f, x, V).equals(V @ f.jacobian(x), "row i: vᵢᵀJ")
    with ask.part("with one call of f", 2):
        (f,) = maps(ask.rng, 3, 4, 1)
        x, V = point(ask.rng, 3), np.array([point(ask.rng, 4) for _ in range(6)])
        ask(f, x, V).equals(V @ f.jacobian(x), "row i: vᵢᵀJ").calls_at_most(1, "one call of f for all rows")


@batched_vjp.mistake("one-call-each")
def called_for_every_row(f, x, V):
    """The numbers are right, but f is computed anew for every row. Its graph is the same each time: walk back from one."""
    return torch.stack([_vjp(f, x, v) for v in V])


@batched_vjp.mistake("C3")
def graph_freed(f, x, V):
    """The first walk freed what f had saved, and the second found nothing. Keep it with retain_graph=True, or walk all
    rows at once."""
    leaf = x.detach().clone().requires_grad_()
    y = f(leaf)
    return torch.stack([torch.autograd.grad(y, leaf, v)[0] for v in V])


@batched_vjp.mistake("C1")
def never_cleared(f, x, V):
    """Row i holds the sum of all rows up to i: backward adds to .grad."""
    leaf = x.detach().clone().requires_grad_()
    y, rows = f(leaf), []
    for v in V:
        y.backward(v, retain_graph=True)
        rows.append(leaf.grad.clone())
    return torch.stack(rows)


@batched_vjp.mistake("C11")
def last_row_everywhere(f, x, V):
    """All your rows are equal to the last one: you kept the same .grad each time and zeroed it in place. Keep a copy."""
    leaf = x.detach().clone().requires_grad_()
    y, rows = f(leaf), []
    for v in V:
        if leaf.grad is not None:
            leaf.grad.zero_()
        y.backward(v, retain_graph=True)
        rows.append(leaf.grad)
    return torch.stack(rows)


@batched_vjp.mistake("D2")
def summed_vectors(f, x, V):
    """The vectors were added up before the walk. Every row of V has its own answer."""
    return _vjp(f, x, V.sum(0)).expand(len(V), -1)


@batched_vjp.mistake("D5")
def transposed_result(f, x, V):
    """Your answer is transposed: row i belongs to row i of V."""
    leaf = x.detach().clone().requires_grad_()
    return torch.autograd.grad(f(leaf), leaf, V, is_grads_batched=True)[0].T


# --- 4.8 -------------------------------------------------------------------------------------------------------------


@lesson.exercise(
    number="4.8", title="Fix me: a vector without a history", signature="(x: Tensor[3], v: Tensor[3]) -> Tensor[3]",
    points=1, minutes=6, section="04f",
    hints=(
        "The numbers in y are right. Print y.requires_grad: where was the history lost?",
        "torch.tensor(…) makes a new tensor out of plain numbers, and numbers have no history. Another function puts "
        "tensors together and keeps it.",
        "torch.stack takes a list of tensors and keeps their history. Adding requires_grad=True to torch.tensor only hides "
        "the fault: then y is a new leaf.",
    ),
)
def fix_stack(ask):
    """vᵀJ of y = (x₀², x₁³, x₂⁴)."""
    with ask.part("three points and vectors", 3):
        for x in (np.array([0.5, -1.0, 2.0]), point(ask.rng, 3), point(ask.rng, 3)):
            v = point(ask.rng, 3)
            want = v * np.array([2 * x[0], 3 * x[1] ** 2, 4 * x[2] ** 3])
            ask(x, v).equals(want, "vᵀJ")


@fix_stack.broken
def vector_without_history(x, v):
    x = x.detach().clone().requires_grad_()
    y = torch.tensor([x[0] ** 2, x[1] ** 3, x[2] ** 4])
    y.backward(v)
    return x.grad


def _leaf_of(x):
    return x.detach().clone().requires_grad_()


@fix_stack.mistake("B5")
def rebuilt_from_numbers(x, v):
    """y has no history: either it is still built with torch.tensor(…), which turns its entries into plain numbers, or x is
    not tracked before the powers are taken."""
    x = _leaf_of(x)
    y = torch.tensor([x[0] ** 2, x[1] ** 3, x[2] ** 4], dtype=torch.float64)
    y.backward(v)
    return x.grad


@fix_stack.mistake("B6")
def new_leaf(x, v):
    """You returned None, which is what x.grad is where no walk came by: requires_grad=True on torch.tensor(…) makes y a new
    leaf, and the walk ends there. Keep the history of x instead."""
    x = _leaf_of(x)
    y = torch.tensor([x[0].item() ** 2, x[1].item() ** 3, x[2].item() ** 4], dtype=torch.float64, requires_grad=True)
    y.backward(v)
    return x.grad


@fix_stack.mistake("gradient-of-y")
def gradient_of_the_new_leaf(x, v):
    """You returned v itself: that is the gradient of y by y. The walk has to reach x."""
    return v.clone()


@fix_stack.mistake("D2")
def ones_for_v(x, v):
    """The history is repaired, but v is not used: every output is weighted with 1."""
    x = _leaf_of(x)
    torch.stack([x[0] ** 2, x[1] ** 3, x[2] ** 4]).sum().backward()
    return x.grad


@fix_stack.mistake("value")
def value_of_y(x, v):
    """You returned y. Asked is the gradient of v·y by x."""
    return torch.stack([x[0] ** 2, x[1] ** 3, x[2] ** 4])
