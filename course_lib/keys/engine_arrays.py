"""Exercises K3a–K3e of lesson 10: arrays in the engine: broadcasting undone, sums, means, matrix products, picked entries."""

import inspect

import numpy as np
import torch

from course_lib.judge import Layer, reports
from course_lib.keys import mini
from course_lib.keys.engine import changed, compare, demand_operation, lesson, too_early
from course_lib.keys.engine_first import demand_programs
from course_lib.keys.programs import Program, off_zero, random_program, words
from course_lib.recipes import Recipe, coded

# --- K3a -------------------------------------------------------------------------------------------------------------


def as_array(numbers):
    """An array as it travels."""
    return lambda: np.array(numbers)


@reports(type=str, value=object, changed=bool)
def unbroadcast(function, g, shape):
    """mini_unbroadcast(g, shape)"""
    given = g()
    result = function(given, tuple(shape))
    plain = isinstance(result, np.ndarray | np.generic | float | int)
    return {
        "type": "an array" if plain else type(result).__name__, "value": np.array(result, dtype=float) if plain else None,
        "changed": not np.array_equal(given, g()),
    }


@reports(bool)
def has_a_class(function, engine):
    """the MiniTensor of your notebook"""
    with engine(function) as parts:
        return hasattr(parts, "MiniTensor")


def beside(own_walk):
    """The Recipe of what run_programs uses: the MiniTensor beside an answer, with its own run_backward or the course's."""
    said = "your notebook's" if own_walk else "your MiniTensor, walked by the course's run_backward"
    return Recipe("code", (inspect.getsource(mini), "beside", own_walk), said)


def demand_sums(ask, *cases):
    """The sums over what was broadcast, for pairs (shape of g, shape before)."""
    for shape_of_g, shape in cases:
        g = np.asarray(off_zero(ask.rng, shape_of_g))
        with torch.enable_grad():
            x = torch.zeros(shape, dtype=torch.float64, requires_grad=True)
            x.expand(shape_of_g).backward(torch.tensor(g))
        answer = ask.using(unbroadcast, coded(as_array, g.tolist(), text=words(g)), shape)
        if answer.reply.failure is not None:
            answer.holds(False, "an answer")
        elif answer.value["value"] is None:
            answer.holds(False, f"a NumPy array of shape {shape}", f"you returned a {answer.value['type']}", Layer.TYPE)
        else:
            compare(answer, answer.value["value"], x.grad.numpy(), "the sum of g", "you returned")
            answer.holds(not answer.value["changed"], "g as it was", "your function has changed g", Layer.SIDE_EFFECT)


@lesson.exercise(
    number="K3a", title="Undo a broadcast, for your engine", points=2, minutes=20, section="10a",
    signature="(g: ndarray, shape: tuple[int, ...]) -> ndarray", rechecks=("unbroadcast", "adjoint_gap"),
    hints=(
        "One entry of the small array was used in many places. Something arrives at each of them: how does that come together?",
        "Broadcasting does two things: it puts axes in front until there are enough, and it stretches axes of length 1. Each of "
        "them is undone by a sum over that axis; the axis stays, with length 1, where it was there before.",
        "First sum over the leading axes, g.ndim - len(shape) of them. Then, for every axis where shape has a 1, sum with "
        "keepdims=True. In MiniTensor each vjp of an operation with two inputs sends what it has through mini_unbroadcast, with "
        "the shape of its own input.",
    ),
)
def mini_unbroadcast(ask):
    """The sums of g over what was broadcast; and a MiniTensor that uses them."""
    with ask.part("axes that broadcasting put in front"):
        demand_sums(ask, ((4, 3), (3,)), ((3, 3), (3,)), ((2, 4, 3), (3,)), ((2, 4, 3), (4, 3)), ((4, 3), ()), ((1, 3), (3,)))
    with ask.part("axes of length 1 that it stretched"):
        demand_sums(ask, ((4, 3), (4, 1)), ((3, 3), (1, 3)), ((2, 4, 3), (2, 1, 3)), ((5,), (1,)))
    with ask.part("both at once, or nothing at all"):
        demand_sums(ask, ((2, 4, 3), (4, 1)), ((2, 1, 3), (1, 3)), ((2, 4, 3), (1, 3)))
        demand_sums(ask, ((4, 3), (4, 3)), ((1, 3), (1, 3)), ((), ()))
    with ask.part("your MiniTensor: + − * / undo broadcasting", 2):
        if too_early(ask):
            return
        there = ask.using(has_a_class, beside(True))
        if there.value is not True:
            there.holds(False, "the class of K1, changed so that + − * / undo broadcasting",
                        "there is no MiniTensor beside your mini_unbroadcast: run the cell that makes it")
            return
        engines = beside(True), beside(False)
        for operation in "+*-/":
            for shapes in (((2, 3), (3,)), ((2, 1), (2, 3)), ((2, 3), ())):
                a, b = (off_zero(ask.rng, shape) for shape in shapes)
                demand_programs(ask, [Program((a, b), ((operation, 0, 1),), off_zero(ask.rng, (2, 3)))], engines)
        if ask.problems:
            return
        shapes = [((2, 3), (3,)), ((2, 3), (2, 1), (3,)), ((2, 1), (3,), ()), ((2, 3), (), (3,), (2, 1))]
        demand_programs(ask, [random_program(ask.rng, shapes[i % 4], 4 + i % 5) for i in range(100)], engines)


mini_unbroadcast.sort_lines(
    "while g.ndim > len(shape):",
    "    g = g.sum(axis=0)",
    "for axis, length in enumerate(shape):",
    "    if length == 1:",
    "        g = g.sum(axis=axis, keepdims=True)",
    "return g",
    lures={"keepdims": "        g = g.sum(axis=axis)", "last-axis": "    g = g.sum(axis=-1)"},
)


@mini_unbroadcast.mistake("D8")
def as_it_came(g, shape):
    """You hand g on as it came, in the shape of the result. An entry that was used in several places gets the sum of what arrives
    at all of them."""
    return g


@mini_unbroadcast.mistake("last-axis")
def from_behind(g, shape):
    """Broadcasting puts new axes in front. You sum over the last ones: with a square array even the shape comes out right."""
    while g.ndim > len(shape):
        g = g.sum(axis=-1)
    return _stretched_summed(g, shape)


@mini_unbroadcast.mistake("keepdims")
def axis_lost(g, shape):
    """An axis of length 1 was there before broadcasting stretched it, and has to be there again: sum with keepdims=True."""
    while g.ndim > len(shape):
        g = g.sum(axis=0)
    for axis, length in enumerate(shape):
        if length == 1:
            g = g.sum(axis=axis)
    return g


@mini_unbroadcast.mistake("leading-only")
def stretched_left(g, shape):
    """You sum over the axes in front. Axes of length 1 that were stretched need a sum, too, with keepdims=True."""
    while g.ndim > len(shape):
        g = g.sum(axis=0)
    return g


@mini_unbroadcast.mistake("ones-only")
def leading_left(g, shape):
    """You sum over stretched axes of length 1. Broadcasting also puts axes in front: these have to go altogether."""
    return _stretched_summed(g, shape) if g.ndim == len(shape) else g


@mini_unbroadcast.mistake("A16")
def averaged(g, shape):
    """You take means. An entry that was used n times gets the sum of what arrives at all n places, nothing is divided."""
    while g.ndim > len(shape):
        g = g.mean(axis=0)
    for axis, length in enumerate(shape):
        if length == 1:
            g = g.mean(axis=axis, keepdims=True)
    return g


@mini_unbroadcast.mistake("A10")
def first_copy(g, shape):
    """You keep what arrives at one of the places where an entry was used. What arrives at all of them has to be added up."""
    while g.ndim > len(shape):
        g = g[0]
    for axis, length in enumerate(shape):
        if length == 1:
            g = np.take(g, [0], axis=axis)
    return g


def _stretched_summed(g, shape):
    for axis, length in enumerate(shape):
        if length == 1:
            g = g.sum(axis=axis, keepdims=True)
    return g


def _with_tensor(plus=False, times=False):
    """The right function beside a MiniTensor in which + or * undo broadcasting, or neither."""

    def added(self, other):
        a, b = self, self.of(other)
        return self.made(a.data + b.data, (a, lambda g: g), (b, lambda g: g))

    def multiplied(self, other):
        a, b = self, self.of(other)
        return self.made(a.data * b.data, (a, lambda g: g * b.data), (b, lambda g: g * a.data))

    parts = {} if plus else {"__add__": added, "__radd__": added}
    return changed("mini_unbroadcast", **parts, **({} if times else {"__mul__": multiplied, "__rmul__": multiplied}))


@mini_unbroadcast.mistake("not-used", fresh=True)
def used_nowhere():
    """mini_unbroadcast is right, and your MiniTensor does not use it yet: in each operation with two inputs, what goes on to
    an input has to pass through it, with the shape of that input's data."""
    return _with_tensor()


@mini_unbroadcast.mistake("plus-only", fresh=True)
def used_in_plus_only():
    """mini_unbroadcast is right, and your + uses it. Your * does not: both of its factors may have been broadcast, too."""
    return _with_tensor(plus=True)


@mini_unbroadcast.mistake("times-only", fresh=True)
def used_in_times_only():
    """mini_unbroadcast is right, and your * uses it. Your + does not: both of its summands may have been broadcast, too."""
    return _with_tensor(times=True)


# --- K3b -------------------------------------------------------------------------------------------------------------


def array(ask, *shape):
    """An array of this shape, its entries off zero."""
    return np.asarray(off_zero(ask.rng, shape))


@lesson.exercise(
    number="K3b", title="A sum that walks back", points=1, minutes=8, section="10a",
    signature="(t: MiniTensor, axis=None) -> MiniTensor", rechecks=("partials_at", "mean_gradient_order"),
    hints=(
        "If one entry of t grows by a little, by how much does the sum grow it is in? Whose g does this entry get?",
        "Every entry gets the g of its own sum, times 1. So g has to be spread over the axis that the sum has taken away.",
        "np.expand_dims(g, axis) brings the lost axis back with length 1, and np.broadcast_to stretches it to the shape of t."
        " Without an axis g is a single number and stretches at once.",
    ),
)
def mini_sum(ask):
    """t.data.sum(axis=axis), and g spread over what was summed."""
    with ask.part("the sum of all entries"):
        demand_operation(ask, "mini_sum(t)", torch.sum, t=array(ask, 3, 4))
        demand_operation(ask, "mini_sum(t, None)", torch.sum, t=array(ask, 5))
    with ask.part("along axis 0, 1 and −1", 2):
        demand_operation(ask, "mini_sum(t, 0)", lambda t: t.sum(0), t=array(ask, 3, 4))
        demand_operation(ask, "mini_sum(t, 1)", lambda t: t.sum(1), t=array(ask, 3, 4))
        demand_operation(ask, "mini_sum(t, -1)", lambda t: t.sum(-1), t=array(ask, 3, 4))
        demand_operation(ask, "mini_sum(t, 1)", lambda t: t.sum(1), t=array(ask, 3, 3))
    with ask.part("a sum that is used further"):
        if too_early(ask):
            return
        demand_operation(ask, "mini_sum(t, 0) * u", lambda t, u: t.sum(0) * u, t=array(ask, 3, 4), u=array(ask, 4))
        demand_operation(ask, "mini_sum(mini_sum(t, 1) ** 2)", lambda t: (t.sum(1) ** 2).sum(), t=array(ask, 3, 4))


mini_sum.sort_lines(
    "total = t.data.sum(axis=axis)",
    "def spread(g):",
    "    if axis is not None:",
    "        g = np.expand_dims(g, axis)",
    "    return np.broadcast_to(g, t.data.shape)",
    "return MiniTensor.made(total, (t, spread))",
    lures={"keepdims": "total = t.data.sum(axis=axis, keepdims=True)", "D10": "    return np.ones(t.data.shape)"},
)


def _spread(t, g, axis):
    """What goes on to t from a sum."""
    return np.broadcast_to(g if axis is None else np.expand_dims(g, axis), t.data.shape)


@mini_sum.mistake("D10")
def ones_handed_on(t, axis=None):
    """You hand on ones. That is the local derivative of a sum; each entry gets 1 times the g of the sum it is in."""
    return t.made(t.data.sum(axis=axis), (t, lambda g: np.ones_like(t.data)))


@mini_sum.mistake("D8")
def g_handed_on(t, axis=None):
    """You hand on g in the shape of the sum. What goes on to t has the shape of t.data: g spread over what was summed."""
    return t.made(t.data.sum(axis=axis), (t, lambda g: g))


@mini_sum.mistake("lost-axis")
def axis_not_brought_back(t, axis=None):
    """The sum took an axis away, and g lacks it. Broadcasting would put it in front; np.expand_dims(g, axis) brings it back
    where it was."""
    return t.made(t.data.sum(axis=axis), (t, lambda g: np.broadcast_to(g, t.data.shape)))


@mini_sum.mistake("A16")
def mean_backward(t, axis=None):
    """You divide what goes on by the number of entries. That belongs to the mean; each entry moves its sum at the rate 1."""
    return t.made(t.data.sum(axis=axis), (t, lambda g: _spread(t, g, axis) * np.size(g) / t.data.size))


@mini_sum.mistake("g-summed")
def arriving_summed(t, axis=None):
    """You add up what arrives. Each entry of t went into one sum only, and gets the g of that one."""
    return t.made(t.data.sum(axis=axis), (t, lambda g: np.full_like(t.data, np.sum(g))))


@mini_sum.mistake("axis-ignored")
def always_everything(t, axis=None):
    """You sum over everything, whatever axis says."""
    return t.made(t.data.sum(), (t, lambda g: g * np.ones_like(t.data)))


@mini_sum.mistake("axis-zero")
def zero_taken_for_none(t, axis=None):
    """axis=0 is treated like None: 0 counts as false in an if. Ask `if axis is None`."""
    axis = axis or None
    return t.made(t.data.sum(axis=axis), (t, lambda g: _spread(t, g, axis)))


@mini_sum.mistake("keepdims")
def axis_kept(t, axis=None):
    """Your sum keeps the axis it was taken over, with length 1. The result has the shape of t.data.sum(axis=axis)."""
    return t.made(t.data.sum(axis=axis, keepdims=True), (t, lambda g: np.broadcast_to(g, t.data.shape)))


@mini_sum.mistake("no-parents")
def without_parents(t, axis=None):
    """Your result does not know what it was made of, so nothing arrives at t. MiniTensor.made takes the value and the pairs
    (input, vjp)."""
    return t.of(t.data.sum(axis=axis))


# --- K3c -------------------------------------------------------------------------------------------------------------


@lesson.exercise(
    number="K3c", title="A mean that walks back", points=1, minutes=6, section="10a",
    signature="(t: MiniTensor, axis=None) -> MiniTensor", rechecks=("mean_gradient_order",),
    hints=(
        "A mean is a sum and one thing more. What does that do to the gradient of each entry?",
        "Divide by the number of entries in each mean. Without an axis these are all entries of t, along axis 0 the rows.",
        "The sum has total.data.size entries and t has t.data.size: their ratio says how many went into each. Multiply mini_sum "
        "by one over it, and the walk back needs nothing new.",
    ),
)
def mini_mean(ask):
    """t.data.mean(axis=axis), and g over the number of entries, spread over what was averaged."""
    with ask.part("the mean of all entries"):
        demand_operation(ask, "mini_mean(t)", torch.mean, t=array(ask, 3, 4))
        demand_operation(ask, "mini_mean(t, None)", torch.mean, t=array(ask, 5))
    with ask.part("along axis 0, 1 and −1", 2):
        demand_operation(ask, "mini_mean(t, 0)", lambda t: t.mean(0), t=array(ask, 3, 4))
        demand_operation(ask, "mini_mean(t, 1)", lambda t: t.mean(1), t=array(ask, 3, 4))
        demand_operation(ask, "mini_mean(t, -1)", lambda t: t.mean(-1), t=array(ask, 3, 4))
        demand_operation(ask, "mini_mean(t, 1)", lambda t: t.mean(1), t=array(ask, 3, 3))
    with ask.part("a mean that is used further"):
        if too_early(ask):
            return
        demand_operation(ask, "mini_mean(t, 0) * u", lambda t, u: t.mean(0) * u, t=array(ask, 3, 4), u=array(ask, 4))
        demand_operation(ask, "mini_mean(mini_mean(t, 1) ** 2)", lambda t: (t.mean(1) ** 2).mean(), t=array(ask, 3, 4))


def _averaged(value, share):
    """A mini_mean of this value; share(t, g, axis, n) goes on to t."""

    def made(t, axis=None):
        n = t.data.size if axis is None else t.data.shape[axis]
        return t.made(value(t, axis, n), (t, lambda g: share(t, g, axis, n)))

    return made


def _mean(t, axis, n):
    return t.data.mean(axis=axis)


@mini_mean.mistake("A16", fresh=True)
def sum_backward():
    """What goes on is that of a sum. Each entry moves its mean at the rate 1/n only: divide by the number of entries in it."""
    return _averaged(_mean, lambda t, g, axis, n: _spread(t, g, axis))


@mini_mean.mistake("A16-value", fresh=True)
def not_divided():
    """You return the sum. The mean divides it by the number of entries that went in."""
    return _averaged(lambda t, axis, n: t.data.sum(axis=axis), lambda t, g, axis, n: _spread(t, g, axis))


@mini_mean.mistake("A16-all", fresh=True)
def always_by_all():
    """You divide by the number of all entries of t. Along an axis only the entries of that axis go into each mean."""
    return _averaged(
        lambda t, axis, n: t.data.sum(axis=axis) / t.data.size, lambda t, g, axis, n: _spread(t, g, axis) / t.data.size)


@mini_mean.mistake("A16-walk", fresh=True)
def walk_by_all():
    """Your means are right, and on the way back you divide by the number of all entries of t. Along an axis only the entries of
    that axis go into each mean."""
    return _averaged(_mean, lambda t, g, axis, n: _spread(t, g, axis) / t.data.size)


@mini_mean.mistake("A16-len", fresh=True)
def by_the_rows():
    """You divide by len(t.data), the number of rows, whatever was averaged. Count the entries that go into each mean."""
    return _averaged(
        lambda t, axis, n: t.data.sum(axis=axis) / len(t.data), lambda t, g, axis, n: _spread(t, g, axis) / len(t.data))


@mini_mean.mistake("A16-twice", fresh=True)
def divided_twice():
    """On the way back you divide by the number of entries twice. Once is enough."""
    return _averaged(_mean, lambda t, g, axis, n: _spread(t, g, axis) / n**2)


@mini_mean.mistake("D10", fresh=True)
def one_over_n_handed_on():
    """You hand on 1/n. That is the local derivative of a mean; each entry gets 1/n times the g of the mean it is in."""
    return _averaged(_mean, lambda t, g, axis, n: np.full_like(t.data, 1 / n))


@mini_mean.mistake("D8", fresh=True)
def share_in_the_shape_of_g():
    """You hand on g/n in the shape of the mean. What goes on to t has the shape of t.data."""
    return _averaged(_mean, lambda t, g, axis, n: g / n)


@mini_mean.mistake("lost-axis", fresh=True)
def axis_of_the_mean_not_brought_back():
    """The mean took an axis away, and g lacks it. np.expand_dims(g, axis) brings it back where it was."""
    return _averaged(_mean, lambda t, g, axis, n: np.broadcast_to(g / n, t.data.shape))


@mini_mean.mistake("no-parents", fresh=True)
def mean_without_parents():
    """Your result does not know what it was made of, so nothing arrives at t. Make it with MiniTensor.made, or of results of
    mini_sum and *, not of t.data alone."""
    return lambda t, axis=None: t.of(t.data.mean(axis=axis))


# --- K3d -------------------------------------------------------------------------------------------------------------


@lesson.exercise(
    number="K3d", title="A matrix product that walks back", points=2, minutes=13, section="10a",
    signature="(a: MiniTensor, b: MiniTensor) -> MiniTensor", rechecks=("vjp_at", "grad_quadratic"),
    hints=(
        "Take a of shape (5, 3) and b of shape (3, 4). Which shape does g have, and which shape must come out for a, and for b?",
        "One entry a[i, k] meets every b[k, j] and lands in y[i, j]. So it gets the sum over j of g[i, j] times b[k, j]: this is "
        "a matrix product again, of g with something made of b.",
        "The shapes leave one way: (5, 4) with (4, 3) for a, and (3, 5) with (5, 4) for b. A transpose is .T, and g stands on "
        "the side on which the other factor did not stand.",
    ),
)
def mini_matmul(ask):
    """a.data @ b.data, and the gradients of both."""
    with ask.part("square matrices"):
        demand_operation(ask, "mini_matmul(a, b)", torch.matmul, a=array(ask, 3, 3), b=array(ask, 3, 3))
    with ask.part("(5, 3) @ (3, 4)", 2):
        demand_operation(ask, "mini_matmul(a, b)", torch.matmul, a=array(ask, 5, 3), b=array(ask, 3, 4))
    with ask.part("one of the two is a constant"):
        demand_operation(ask, "mini_matmul(a, b)", torch.matmul, a=array(ask, 2, 3), b=array(ask, 3, 4), constant="a")
        demand_operation(ask, "mini_matmul(a, b)", torch.matmul, a=array(ask, 4, 2), b=array(ask, 2, 3), constant="b")
    with ask.part("a product that is used further"):
        if too_early(ask):
            return
        demand_operation(
            ask, "mini_matmul(mini_matmul(a, b), c)", lambda a, b, c: a @ b @ c,
            a=array(ask, 2, 3), b=array(ask, 3, 4), c=array(ask, 4, 2))
        demand_operation(ask, "mini_matmul(a, a)", lambda a: a @ a, a=array(ask, 3, 3))


def _product(to_a, to_b, value=np.matmul):
    """A mini_matmul with these vjps: to_a(g, a, b), to_b(g, a, b)."""

    def made(a, b):
        return a.made(value(a.data, b.data), (a, lambda g: to_a(g, a.data, b.data)), (b, lambda g: to_b(g, a.data, b.data)))

    return made


@mini_matmul.mistake("D4", fresh=True)
def nothing_transposed():
    """You multiply g with the factors as they are. Back through a matrix goes its transpose: b.data.T for a, a.data.T for b."""
    return _product(lambda g, a, b: g @ b, lambda g, a, b: a @ g)


@mini_matmul.mistake("D4-a", fresh=True)
def b_not_transposed():
    """The gradient of b is right. For a you multiply g with b as it is: back through b goes its transpose."""
    return _product(lambda g, a, b: g @ b, lambda g, a, b: a.T @ g)


@mini_matmul.mistake("D4-b", fresh=True)
def a_not_transposed():
    """The gradient of a is right. For b you multiply a as it is with g: back through a goes its transpose."""
    return _product(lambda g, a, b: g @ b.T, lambda g, a, b: a @ g)


@mini_matmul.mistake("D5", fresh=True)
def gradients_transposed():
    """Both gradients come out transposed. What goes on to an input has the shape of that input."""
    return _product(lambda g, a, b: b @ g.T, lambda g, a, b: g.T @ a)


@mini_matmul.mistake("side", fresh=True)
def wrong_side():
    """g stands on the wrong side. In a @ b the factor b stands on the right, so what goes on to a is g times something on its
    right, and for b it is the other way round."""
    return _product(lambda g, a, b: b.T @ g, lambda g, a, b: g @ a.T)


@mini_matmul.mistake("swapped", fresh=True)
def pairs_swapped():
    """The two gradients are swapped: what goes on to a is made of g and b, and what goes on to b of g and a."""
    return _product(lambda g, a, b: a.T @ g, lambda g, a, b: g @ b.T)


@mini_matmul.mistake("D10", fresh=True)
def as_if_g_were_ones():
    """You ignore what arrives, as if g were ones everywhere. Put g where the ones stand."""
    return _product(lambda g, a, b: np.ones_like(g) @ b.T, lambda g, a, b: a.T @ np.ones_like(g))


@mini_matmul.mistake("elementwise", fresh=True)
def star_for_at():
    """* multiplies entry by entry. The matrix product is @."""
    return _product(lambda g, a, b: g * b, lambda g, a, b: g * a, np.multiply)


@mini_matmul.mistake("A10", fresh=True)
def only_a():
    """Only a is among the parents. Both inputs belong there, each with its vjp."""
    return lambda a, b: a.made(a.data @ b.data, (a, lambda g: g @ b.data.T))


@mini_matmul.mistake("no-parents", fresh=True)
def product_without_parents():
    """Your result does not know what it was made of, so nothing arrives at a and b. MiniTensor.made takes the value and the pairs
    (input, vjp)."""
    return lambda a, b: a.of(a.data @ b.data)


# --- K3e -------------------------------------------------------------------------------------------------------------


def demand_entries(ask, key, *shape):
    """t[key] of an array of this shape; key: as it is written."""
    parts = eval(key, {"np": np})
    parts = tuple(map(torch.as_tensor, parts)) if isinstance(parts, tuple) else parts
    parts = torch.as_tensor(parts) if isinstance(parts, np.ndarray) else parts
    demand_operation(ask, f"mini_index(t, {key})", lambda t: t[parts], t=array(ask, *shape))


@lesson.exercise(
    number="K3e", title="Entries that walk back", points=2, minutes=13, section="10a",
    signature="(t: MiniTensor, key) -> MiniTensor", rechecks=("accumulate_rows", "grad_by_paths"),
    hints=(
        "Where does g[0] have to go, if the first entry of the result was t[2]? And what do the entries get that nobody picked?",
        "Start from zeros in the shape of t.data and put g in at the same key. If the key names a row twice, that row was used "
        "twice: both shares have to arrive.",
        "whole[key] += g keeps one share where an index stands twice, because NumPy reads, adds and writes each place once. "
        "np.add.at adds every share; it takes the array, the key and what to add.",
    ),
)
def mini_index(ask):
    """t.data[key], and g added up where it came from."""
    i, j = ask.rng.sample(range(4), 2)
    with ask.part("an int or a slice"):
        demand_entries(ask, f"{i}", 4, 3)
        demand_entries(ask, f"{-1 - j}", 5)
        demand_entries(ask, "slice(1, 3)", 4, 3)
    with ask.part("an array of indices, some of them twice", 2):
        demand_entries(ask, f"np.array([{i}, {j}])", 4, 3)
        demand_entries(ask, f"np.array([{i}, {j}, {i}])", 4)
        demand_entries(ask, f"np.array([{j}, {j}, {i}, {j}])", 4, 3)
    with ask.part("two arrays: rows and columns"):
        k = ask.rng.randrange(3)
        demand_entries(ask, f"(np.array([0, 1, 2, 3]), np.array([2, 0, {k}, 1]))", 4, 3)
        demand_entries(ask, f"(np.array([{i}, {j}, {i}]), np.array([{k}, 1, {k}]))", 4, 3)
    with ask.part("entries that are used further"):
        if too_early(ask):
            return
        demand_operation(ask, "mini_index(t, 0) * mini_index(t, 1)", lambda t: t[0] * t[1], t=array(ask, 3, 4))
        demand_operation(ask, "mini_index(t, 0) * mini_index(t, 0)", lambda t: t[0] * t[0], t=array(ask, 3, 4))
        demand_operation(ask, "mini_index(t, 1)", lambda t: t[1], t=array(ask, 3, 2), factors=(2.0, 3.0))


mini_index.sort_lines(
    "picked = t.data[key]",
    "def scattered(g):",
    "    whole = np.zeros(t.data.shape)",
    "    np.add.at(whole, key, g)",
    "    return whole",
    "return MiniTensor.made(picked, (t, scattered))",
    lures={"A10": "    whole[key] += g", "D10": "    np.add.at(whole, key, 1.0)"},
)


def _picked(scatter, start=np.zeros_like):
    """A mini_index whose vjp starts from an array made of t.data and lets scatter(whole, key, g) write into it."""

    def made(t, key):
        def back(g):
            whole = start(t.data)
            scatter(whole, key, g)
            return whole

        return t.made(t.data[key], (t, back))

    return made


def _assign(whole, key, g):
    whole[key] = g


@mini_index.mistake("A10", fresh=True)
def last_share_wins():
    """Where an index stands twice, one share is lost: whole[key] += g writes each place once, just as whole[key] = g does.
    np.add.at adds up all of them."""
    return _picked(_assign)


@mini_index.mistake("D8", fresh=True)
def g_in_the_shape_of_the_entries():
    """You hand on g in the shape of the picked entries. What goes on to t has the shape of t.data: zeros, with g added where the
    entries came from."""
    return lambda t, key: t.made(t.data[key], (t, lambda g: g))


@mini_index.mistake("D10", fresh=True)
def ones_at_the_key():
    """You put ones where the entries came from. That is the local derivative; put what arrives there, g."""
    return _picked(lambda whole, key, g: np.add.at(whole, key, 1.0))


@mini_index.mistake("counted-once", fresh=True)
def ones_once():
    """You mark the picked entries with 1. Each of them gets what arrives, g, and the sum of it where it was picked twice."""
    return _picked(lambda whole, key, g: _assign(whole, key, 1.0))


@mini_index.mistake("starts-from-data", fresh=True)
def added_to_the_numbers():
    """You add g to a copy of the numbers of t. The gradient starts from zeros: what nobody picked gets 0."""
    return _picked(np.add.at, np.copy)


@mini_index.mistake("starts-from-ones", fresh=True)
def added_to_ones():
    """Entries that nobody picked get 1 and the picked ones 1 too much. Start from zeros: what was not picked has no say."""
    return _picked(np.add.at, np.ones_like)


@mini_index.mistake("averaged", fresh=True)
def shares_averaged():
    """Where an index stands twice, you take the mean of what arrives. Both shares count in full: add them."""

    def scatter(whole, key, g):
        count = np.zeros_like(whole)
        np.add.at(whole, key, g)
        np.add.at(count, key, 1.0)
        whole /= np.maximum(count, 1)

    return _picked(scatter)


@mini_index.mistake("zeros-shared", fresh=True)
def same_zeros_for_every_walk():
    """The zeros are made once, outside of the vjp, and a second walk back finds there what the first one left. Make them anew
    inside of it."""

    def made(t, key):
        whole = np.zeros_like(t.data)

        def back(g):
            np.add.at(whole, key, g)
            return whole

        return t.made(t.data[key], (t, back))

    return made


@mini_index.mistake("no-parents", fresh=True)
def entries_without_parents():
    """Your result does not know what it was made of, so nothing arrives at t. MiniTensor.made takes the value and the pairs
    (input, vjp)."""
    return lambda t, key: t.of(t.data[key])
