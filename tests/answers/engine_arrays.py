"""Answers to K3a–K3e of lesson 10. Their notebook is this module: its engine is the course's."""

import inspect
import itertools

import numpy as np

from course_lib.keys.engine import changed
from course_lib.keys.mini import MiniTensor, run_backward
from tests.answers import own_engine
from tests.answers.bank_10 import bank

__all__ = ["MiniTensor", "run_backward"]  # what an answer finds beside it

for name in ("mini_unbroadcast", "mini_sum", "mini_mean", "mini_matmul", "mini_index"):
    bank.honest(name)(getattr(own_engine, name))


def of_another_make(name, old, new):
    """An answer from the notebook of own_engine, with something in it changed."""
    source, names = inspect.getsource(own_engine), {}
    assert old in source
    exec(source.replace(old, new), names)
    return names[name]


# --- K3a -------------------------------------------------------------------------------------------------------------


@bank.honest("mini_unbroadcast")
def axis_by_axis(g, shape):
    while g.ndim > len(shape):
        g = g.sum(axis=0)
    for axis, length in enumerate(shape):
        if length == 1:
            g = g.sum(axis=axis, keepdims=True)
    return g


@bank.honest("mini_unbroadcast")
def by_counting(g, shape):
    places = np.broadcast_to(np.arange(np.prod(shape, dtype=int)).reshape(shape), g.shape)
    return np.bincount(places.ravel(), weights=g.ravel()).reshape(shape)


@bank.honest("mini_unbroadcast")
def added_at_its_place(g, shape):
    result = np.zeros(shape)
    for place in np.ndindex(*g.shape):
        own = place[len(place) - len(shape) :]
        result[tuple(0 if length == 1 else i for i, length in zip(own, shape, strict=True))] += g[place]
    return result


@bank.honest("mini_unbroadcast")
def by_einsum(g, shape):
    letters = "abcdef"[: g.ndim]
    own = letters[g.ndim - len(shape) :]
    kept = "".join(letter for letter, length in zip(own, shape, strict=True) if length > 1)
    return np.einsum(f"{letters}->{kept}", g).reshape(shape)


@bank.honest("mini_unbroadcast")
def a_number_for_no_axes(g, shape):
    if shape == ():
        return float(g.sum())
    if g.shape == shape:
        return g
    extra = len(g.shape) - len(shape)
    g = np.sum(g, axis=tuple(range(extra)))
    return np.sum(g, axis=tuple(np.flatnonzero(np.array(shape) == 1)), keepdims=True)


def every_operation_by_itself():
    """A MiniTensor that undoes broadcasting where the walk reaches an input, in made."""

    def made(data, *parents):
        def undone(t, vjp):
            return t, lambda g: right(vjp(g), t.data.shape)

        result = tensor(data, requires_grad=any(t.requires_grad for t, _ in parents))
        result.parents = tuple(undone(t, vjp) for t, vjp in parents if t.requires_grad)
        return result

    def plus(self, other):
        a, b = self, self.of(other)
        return self.made(a.data + b.data, (a, lambda g: g), (b, lambda g: g))

    def times(self, other):
        a, b = self, self.of(other)
        return self.made(a.data * b.data, (a, lambda g: g * b.data), (b, lambda g: g * a.data))

    def over(self, other):
        a, b = self, self.of(other)
        return self.made(a.data / b.data, (a, lambda g: g / b.data), (b, lambda g: -g * a.data / b.data**2))

    right = changed(
        "mini_unbroadcast", made=staticmethod(made), __add__=plus, __radd__=plus, __mul__=times, __rmul__=times, __truediv__=over)
    tensor = right.__globals__["MiniTensor"]
    return right


bank.honest("mini_unbroadcast")(every_operation_by_itself())
bank.hide("mini_unbroadcast", r"g\.sum\(")


@bank.slip("mini_unbroadcast", "shape (3,)")
def leading_axes_kept(g, shape):
    extra = g.ndim - len(shape)
    return np.sum(g, axis=tuple(i for i, n in enumerate((1,) * extra + tuple(shape)) if n == 1), keepdims=True)


@bank.slip("mini_unbroadcast", "you returned")
def reshaped_by_rows(g, shape):
    return g.reshape(-1, int(np.prod(shape))).sum(axis=0).reshape(shape)


@bank.slip("mini_unbroadcast", "a NumPy array of shape")
def a_list(g, shape):
    return axis_by_axis(g, shape).tolist()


@bank.slip("mini_unbroadcast", "function has changed g")
def in_place(g, shape):
    result = axis_by_axis(g, shape).copy()
    g *= 0
    return result


@bank.slip("mini_unbroadcast", "None")
def nothing_returned(g, shape):
    axis_by_axis(g, shape)


def beside_no_tensor():
    names = {"np": np}
    exec(
        "def beside_no_tensor(g, shape):\n"
        "    places = np.broadcast_to(np.arange(np.prod(shape, dtype=int)).reshape(shape), g.shape)\n"
        "    return np.bincount(places.ravel(), weights=g.ravel()).reshape(shape)\n", names)
    return names["beside_no_tensor"]


bank.slip("mini_unbroadcast", "there is no MiniTensor beside your mini_unbroadcast")(beside_no_tensor())


def division_forgotten():
    """+ and * undo broadcasting, and a division written out by itself does not."""

    def over(self, other):
        a, b = self, self.of(other)
        return self.made(a.data / b.data, (a, lambda g: g / b.data), (b, lambda g: -g * a.data / b.data**2))

    return changed("mini_unbroadcast", __truediv__=over)


bank.slip("mini_unbroadcast", "has shape (2, 3)")(division_forgotten())

bank.slip("mini_unbroadcast", "has shape (2, 3)", named="not-used")(
    of_another_make("mini_unbroadcast", "            share = mini_unbroadcast(share, self.data.shape)\n", ""))

# --- K3b -------------------------------------------------------------------------------------------------------------


@bank.honest("mini_sum")
def with_the_axis_back(t, axis=None):
    def back(g):
        g = g if axis is None else np.expand_dims(g, axis)
        return g * np.ones(t.data.shape)

    return t.made(np.sum(t.data, axis), (t, back))


@bank.honest("mini_sum")
def by_cases(t, axis=None):
    if axis is None:
        return MiniTensor.made(t.data.sum(), (t, lambda g: np.full(t.data.shape, g)))
    if axis in (-1, t.data.ndim - 1):
        return MiniTensor.made(t.data.sum(axis), (t, lambda g: np.repeat(g[..., None], t.data.shape[-1], axis=-1)))
    return MiniTensor.made(t.data.sum(axis), (t, lambda g: np.stack([g] * t.data.shape[axis], axis=axis)))


@bank.honest("mini_sum")
def by_adding_up(t, axis=None):
    if axis is None:
        while t.data.ndim:
            t = by_adding_up(t, 0)
        return t
    rows = np.moveaxis(t.data, axis, 0)

    def row(i):
        def back(g):
            whole = np.zeros(t.data.shape)
            np.moveaxis(whole, axis, 0)[i] = g
            return whole

        return MiniTensor.made(rows[i], (t, back))

    total = row(0)
    for i in range(1, len(rows)):
        total = total + row(i)
    return total


bank.hide("mini_sum", r"return |broadcast_to\(")


@bank.slip("mini_sum", "a MiniTensor, as MiniTensor.made gives it")
def plain_sum(t, axis=None):
    return t.data.sum(axis=axis)


@bank.slip("mini_sum", "has no attribute 'sum'")
def sum_of_the_tensor(t, axis=None):
    return t.sum(axis)


@bank.slip("mini_sum", "has shape (3,)")
def minus_one_forgotten(t, axis=None):
    if axis is None:
        return t.made(t.data.sum(), (t, lambda g: g * np.ones_like(t.data)))
    if axis == 0:
        return t.made(t.data.sum(axis=0), (t, lambda g: g[None, :] * np.ones_like(t.data)))
    if axis == 1:
        return t.made(t.data.sum(axis=1), (t, lambda g: g[:, None] * np.ones_like(t.data)))
    return t.made(t.data.sum(axis=-1), (t, lambda g: g))


@bank.slip("mini_sum", "the gradient of t")
def times_the_numbers(t, axis=None):
    def back(g):
        return t.data * (g if axis is None else np.expand_dims(g, axis))

    return t.made(t.data.sum(axis=axis), (t, back))


@bank.slip("mini_sum", "the gradient of t")
def spread_over_the_other_axis(t, axis=None):
    def back(g):
        if axis is None:
            return np.full(t.data.shape, g)
        return np.resize(g, t.data.shape)

    return t.made(t.data.sum(axis=axis), (t, back))


# --- K3c -------------------------------------------------------------------------------------------------------------


@bank.honest("mini_mean")
def shared_out(t, axis=None):
    n = t.data.size if axis is None else t.data.shape[axis]

    def back(g):
        return np.broadcast_to(g if axis is None else np.expand_dims(g, axis), t.data.shape) / n

    return t.made(t.data.mean(axis=axis), (t, back))


@bank.honest("mini_mean")
def sum_and_share(t, axis=None):
    total = with_the_axis_back(t, axis)
    return total * (1.0 / np.prod([t.data.shape[i] for i in (range(t.data.ndim) if axis is None else [axis])]))


@bank.honest("mini_mean")
def sum_of_shares(t, axis=None):
    n = t.data.size / t.data.sum(axis=axis).size
    return with_the_axis_back(t / n, axis)


bank.hide("mini_mean", r"return |mini_sum\(")


@bank.slip("mini_mean", "a MiniTensor, as MiniTensor.made gives it")
def plain_mean(t, axis=None):
    return np.mean(t.data, axis)


@bank.slip("mini_mean", "the value of mini_mean(t, -1)")
def minus_one_taken_for_all(t, axis=None):
    n = t.data.shape[axis] if axis in (0, 1) else t.data.size
    return with_the_axis_back(t, axis) * (1 / n)


@bank.slip("mini_mean", "the value of mini_mean(t, 0)")
def entries_of_the_result(t, axis=None):
    total = with_the_axis_back(t, axis)
    return total * (1 / t.data.size) if axis is None else total * (1 / total.data.size)


# --- K3d -------------------------------------------------------------------------------------------------------------


@bank.honest("mini_matmul")
def by_transposes(a, b):
    return a.made(a.data @ b.data, (a, lambda g: g @ b.data.T), (b, lambda g: a.data.T @ g))


@bank.honest("mini_matmul")
def by_einsum_too(a, b):
    def to_a(g):
        return np.einsum("ij,kj->ik", g, b.data)

    def to_b(g):
        return np.einsum("ij,ik->kj", g, a.data)

    return MiniTensor.made(np.einsum("ik,kj->ij", a.data, b.data), (a, to_a), (b, to_b))


@bank.honest("mini_matmul")
def by_columns(a, b):
    def to_b(g):
        whole = np.zeros_like(b.data)
        for i, k in itertools.product(range(a.data.shape[0]), range(a.data.shape[1])):
            whole[k] += a.data[i, k] * g[i]
        return whole

    return MiniTensor.made(
        (a.data[:, :, None] * b.data).sum(1), (a, lambda g: np.transpose(np.dot(b.data, g.transpose()))), (b, to_b))


bank.hide("mini_matmul", r"\.T @|@ b\.data")


@bank.slip("mini_matmul", "a MiniTensor, as MiniTensor.made gives it")
def plain_product(a, b):
    return a.data @ b.data


@bank.slip("mini_matmul", "unsupported operand type")
def at_of_the_tensors(a, b):
    return a @ b


@bank.slip("mini_matmul", "the gradient of a stays None")
def parents_by_hand(a, b):
    result = MiniTensor(a.data @ b.data, requires_grad=True)
    result.parents = ((a, lambda g: g @ b.data.T), (b, lambda g: a.data.T @ g))
    return result


bank.slip("mini_matmul", "mismatch in its core dimension")(
    of_another_make("mini_matmul", "a.take(g @ b.data.T)", "a.take(g @ b.data)"))


@bank.slip("mini_matmul", "the gradient of")
def g_summed_first(a, b):
    return a.made(
        a.data @ b.data, (a, lambda g: np.outer(g.sum(1), b.data.sum(1))), (b, lambda g: np.outer(a.data.sum(0), g.sum(0))))


# --- K3e -------------------------------------------------------------------------------------------------------------


@bank.honest("mini_index")
def added_at(t, key):
    def back(g):
        whole = np.zeros(t.data.shape)
        np.add.at(whole, key, g)
        return whole

    return t.made(t.data[key], (t, back))


@bank.honest("mini_index")
def one_after_the_other(t, key):
    places = np.arange(t.data.size).reshape(t.data.shape)[key]

    def back(g):
        whole = np.zeros(t.data.size)
        for place, share in zip(np.ravel(places), np.ravel(g), strict=True):
            whole[place] += share
        return whole.reshape(t.data.shape)

    return MiniTensor.made(t.data[key], (t, back))


@bank.honest("mini_index")
def by_one_hot(t, key):
    places = np.arange(t.data.size).reshape(t.data.shape)[key]
    hot = np.eye(t.data.size)[places.ravel()]
    return MiniTensor.made(
        (hot @ t.data.ravel()).reshape(places.shape), (t, lambda g: (hot.T @ np.ravel(g)).reshape(t.data.shape)))


@bank.honest("mini_index")
def cases_of_the_key(t, key):
    def back(g):
        whole = np.zeros_like(t.data)
        if isinstance(key, int | slice):
            whole[key] = g
        else:
            np.add.at(whole, key, g)
        return whole

    return MiniTensor.made(t.data[key], (t, back))


bank.hide("mini_index", r"add\.at\(")


@bank.slip("mini_index", "a MiniTensor, as MiniTensor.made gives it")
def plain_entries(t, key):
    return t.data[key]


@bank.slip("mini_index", "the numbers of t have changed")
def into_the_numbers(t, key):
    def back(g):
        whole = t.data
        whole *= 0
        np.add.at(whole, key, g)
        return whole.copy()

    return t.made(t.data[key].copy(), (t, back))


@bank.slip("mini_index", "has shape")
def rows_of_a_tuple(t, key):
    key = list(key) if isinstance(key, tuple) else key
    return added_at(t, np.array(key) if isinstance(key, list) else key)


@bank.slip("mini_index", "the gradient of t", named="A10")
def rows_assigned(t, key):
    def back(g):
        whole = np.zeros_like(t.data)
        whole[key] = whole[key] + g
        return whole

    return t.made(t.data[key], (t, back))


@bank.slip("mini_index", "the gradient of t")
def all_get_the_sum(t, key):
    return t.made(t.data[key], (t, lambda g: np.full_like(t.data, np.sum(g))))
