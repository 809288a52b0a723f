"""Exercises T1 and T2 of lesson 10, optional tracks: forward mode, and a chain that keeps little."""

from dataclasses import replace

import numpy as np
import torch

from course_lib.judge import Layer, reports
from course_lib.keys.engine import alike, compare, lesson, with_either
from course_lib.keys.mini import MiniTensor, run_backward  # what the wrong answers are written with
from course_lib.keys.programs import OF_TWO, Program, off_zero, random_program
from course_lib.recipes import coded

# --- T1 --------------------------------------------------------------------------------------------------------------


def on_a_list(n, steps):
    """A function of one list of n numbers that carry a slope, by the steps of a Program."""

    def f(z):
        if not isinstance(z, list | tuple) or len(z) != n:
            raise TypeError(f"f takes one list of {n} numbers")
        if all(isinstance(one, int | float | np.number | np.ndarray) for one in z):
            raise TypeError("f is for numbers that carry a slope: give it duals, not plain numbers")
        if any(type(one).__name__ in ("Tensor", "MiniTensor") for one in z):
            raise TypeError("f is for numbers that carry their slope forward, not for what is walked back")
        made = list(z)
        for operation, left, right in steps:
            a = made[left] if isinstance(left, int) else left
            b = made[right] if isinstance(right, int) and operation in ("+", "-", "*", "/") else right
            made.append(
                -a if operation == "neg" else a**b if operation == "**" else a + b if operation == "+"
                else a - b if operation == "-" else a * b if operation == "*" else a / b
            )  # fmt: skip
        return made[-1]

    return f


@reports(object)
def gradient_at(function, f, x):
    """forward_mode_gradient"""
    return function(f, np.array(x))


@lesson.exercise(
    number="T1", title="Forward mode, all of it", points=3, optional=True,
    minutes=40, section="10a", signature="(f, x: ndarray) -> ndarray",
    rechecks=("jvp_dual",),
    hints=(
        "A dual number is a value and a slope. What is the slope of a product, a quotient or a power, if both parts have one?",
        "One run of f gives the slope along one direction. Which directions give the entries of the gradient?",
        "A class with value and slope and the methods + − * / ** and unary −, with plain numbers on either side. For entry i the "
        "list holds duals of x, all with slope 0 but number i with 1; the slope of what f returns is entry i.",
    ),
)
def forward_mode_gradient(ask):
    """The gradient, carried forward beside the values."""

    def demand(program):
        want = np.array([float(one) for one in program.truth[1]])
        f = coded(on_a_list, len(want), [list(step) for step in program.steps], text=program.text)
        ask.using(gradient_at, f, list(program.numbers)).equals(want, "the gradient")

    def numbers(count):
        return tuple(off_zero(ask.rng) for _ in range(count))

    with ask.part("each operation, with plain numbers on either side", 2):
        for operation in OF_TWO:
            demand(Program(numbers(2), ((operation, 0, 1),)))
            demand(Program(numbers(1), ((operation, 0, off_zero(ask.rng)), (operation, off_zero(ask.rng), 1))))
        demand(Program(numbers(1), (("**", 0, 3), ("neg", 1, None))))
        demand(Program(numbers(1), (("**", 0, -2),)))
        demand(Program(numbers(2), (("*", 0, 1), ("**", 2, 3))))
        demand(Program(numbers(2), (("-", 0, 1), ("**", 2, 2))))
    with ask.part("longer programs of one to four numbers", 2):
        for count in (1, 2, 3, 4):
            demand(replace(random_program(ask.rng, [()] * count, 8), g=None))


class Dual:
    """A value and a slope; what the wrong ones share."""

    def __init__(self, value, slope=0.0):
        self.value, self.slope = value, slope

    def of(self, other):
        return other if isinstance(other, Dual) else type(self)(other)

    def __add__(self, other):
        other = self.of(other)
        return type(self)(self.value + other.value, self.slope + other.slope)

    def __mul__(self, other):
        other = self.of(other)
        return type(self)(self.value * other.value, self.slope * other.value + self.value * other.slope)

    def __pow__(self, n):
        return type(self)(self.value**n, n * self.value ** (n - 1) * self.slope)

    def __truediv__(self, other):
        return self * self.of(other) ** -1

    def __neg__(self):
        return self * -1.0

    def __sub__(self, other):
        return self + -self.of(other)

    def __rsub__(self, other):
        return self.of(other) - self

    def __rtruediv__(self, other):
        return self.of(other) / self

    __radd__, __rmul__ = __add__, __mul__


def _by_duals(dual, f, x):
    found = []
    for i in range(len(x)):
        result = f([dual(float(one), 1.0 if i == j else 0.0) for j, one in enumerate(x)])
        found.append(result.slope)
    return np.array(found)


@forward_mode_gradient.mistake("A4")
def product_of_slopes(f, x):
    """The slope of your product is the product of the slopes. It is a′·b + a·b′."""

    class Wrong(Dual):
        def __mul__(self, other):
            other = self.of(other)
            return Wrong(self.value * other.value, self.slope * other.slope)

        __rmul__ = __mul__

    return _by_duals(Wrong, f, x)


@forward_mode_gradient.mistake("A7")
def inner_slope_lost(f, x):
    """The slope of your power is n·aⁿ⁻¹. What is in it has a slope, too: n·aⁿ⁻¹·a′."""

    class Wrong(Dual):
        def __pow__(self, n):
            return Wrong(self.value**n, n * self.value ** (n - 1))

    return _by_duals(Wrong, f, x)


@forward_mode_gradient.mistake("A18")
def quotient_plus(f, x):
    """In your quotient the second term has the wrong sign: (a′·b − a·b′)/b²."""

    class Wrong(Dual):
        def __truediv__(self, other):
            b = self.of(other)
            return Wrong(self.value / b.value, (self.slope * b.value + self.value * b.slope) / b.value**2)

    return _by_duals(Wrong, f, x)


@forward_mode_gradient.mistake("A1")
def values_for_slopes(f, x):
    """You return what f gives, once for each number. Asked is how fast it changes along each: the slope that it carries."""
    result = f([Dual(float(one), 1.0) for one in x])
    return np.full(len(x), result.value)


@forward_mode_gradient.mistake("D4")
def all_at_once(f, x):
    """You give every number the slope 1 at once, so each entry is the sum of the whole gradient. One run for each entry: slope 1
    for that number, 0 for all others."""
    result = f([Dual(float(one), 1.0) for one in x])
    return np.full(len(x), result.slope)


# --- T2 --------------------------------------------------------------------------------------------------------------


@reports(type=str, value=object, grads=list, kept=int, calls=int)
def run_chain(function, engine, x, factors, w, g):
    """checkpointed_chain of functions t ↦ t·t·c + t·w, then run_backward with g"""
    import gc
    import weakref

    with engine(function) as parts:
        made, calls, weight = [], [0], parts.MiniTensor(w, requires_grad=True)

        def link(factor):
            def f(t):
                calls[0] += 1
                y = t * t * factor + t * weight
                made.append(weakref.ref(y))
                return y

            return f

        t = parts.MiniTensor(np.array(x), requires_grad=True)
        y = function([link(factor) for factor in factors], t)
        if not isinstance(y, parts.MiniTensor):
            return {"type": type(y).__name__, "value": None, "grads": [], "kept": 0, "calls": 0}
        kept = sum(ref() is not None for ref in made)
        if kept > len(factors) // 2:  # some may only wait to be cleared away
            gc.collect(1)  # the young ones
            kept = sum(ref() is not None for ref in made)
        parts.run_backward(y, np.array(g))
        return {"type": "MiniTensor", "value": np.array(y.data, dtype=float), "grads": [t.grad, weight.grad], "kept": kept,
                "calls": calls[0]}


@lesson.exercise(
    number="T2", title="Compute it twice, keep it once", points=3, optional=True,
    minutes=40, section="10a",
    signature="(fs: list, x: MiniTensor) -> MiniTensor",
    hints=(
        "What does the walk back need from inside of the chain? Could it be had again, from x alone?",
        "Run the chain on a tensor that records nothing, and keep only x. When g arrives, run it once more, recorded this time, "
        "and walk back through that.",
        "data: under mini_no_grad. vjp(g): fresh = MiniTensor(x.data, requires_grad=True), the chain on fresh, "
        "run_backward(…, g), and what has arrived at fresh goes on. MiniTensor.made(data, (x, vjp)).",
    ),
)
def checkpointed_chain(ask):
    """fs one after the other, keeping x only."""

    def demand(length):
        x, g = [off_zero(ask.rng) for _ in range(3)], [off_zero(ask.rng) for _ in range(3)]
        factors, w = [ask.rng.uniform(-0.2, 0.2) for _ in range(length)], ask.rng.uniform(0.7, 0.9)
        with torch.enable_grad():
            leaf, weight = (torch.tensor(one, dtype=torch.float64, requires_grad=True) for one in (x, w))
            y = leaf
            for factor in factors:
                y = y * y * factor + y * weight
            y.backward(torch.tensor(g, dtype=torch.float64))
        value, grads, weight_grad = y.detach().numpy(), leaf.grad.numpy(), weight.grad.numpy()

        def right(said):
            return alike(said["value"], value) and alike(said["grads"], [grads, weight_grad]) and said["kept"] <= length // 2

        answer = with_either(ask, run_chain, x, factors, w, g, right=right)
        said = answer.value
        if answer.reply.failure is not None:
            return answer.holds(False, "an answer")
        if said["type"] != "MiniTensor":
            return answer.holds(False, "a MiniTensor", f"you returned a {said['type']}", Layer.TYPE)
        compare(answer, said["value"], value, "the end of the chain")
        compare(answer, said["grads"][0], grads, "the gradient of x")
        compare(answer, said["grads"][1], weight_grad, "the gradient of a weight that the functions use")
        return answer

    with ask.part("the value and the gradients of the whole chain", 2):
        demand(3)
        demand(12)
    with ask.part("few results are kept until the walk back"):
        answer = demand(16)
        if answer.reply.failure is None and answer.value["type"] == "MiniTensor":
            kept = answer.value["kept"]
            answer.holds(kept <= 8, "at most half of the 16 results alive before the walk back", f"{kept} of 16 are alive",
                         Layer.METHOD)


def _recomputed(fs, x, g):
    """What arrives at x, by running the chain again."""
    fresh = MiniTensor(x.data, requires_grad=True)
    y = fresh
    for f in fs:
        y = f(y)
    run_backward(y, g)
    return fresh.grad


@checkpointed_chain.mistake("all-kept")
def all_kept(fs, x):
    """You apply one function after the other, and the graph keeps every result. Keep x only, and compute the rest again."""
    for f in fs:
        x = f(x)
    return x


@checkpointed_chain.mistake("B5")
def cut_off(fs, x):
    """Your result does not lead back to x. It needs x as a parent, with a vjp that runs the chain again."""
    for f in fs:
        x = f(MiniTensor(x.data))
    return MiniTensor(x.data)


@checkpointed_chain.mistake("D10")
def with_ones(fs, x):
    """Your vjp runs the chain again and starts with ones. It starts with what arrives, g."""
    data = all_kept(fs, x).data
    return MiniTensor.made(data, (x, lambda g: _recomputed(fs, x, np.ones_like(data))))


@checkpointed_chain.mistake("backwards")
def other_order(fs, x):
    """You apply the functions from the last to the first. fs[0] comes first."""
    data = all_kept(fs[::-1], x).data
    return MiniTensor.made(data, (x, lambda g: _recomputed(fs[::-1], x, g)))
