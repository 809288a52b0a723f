"""A right tiny engine, in NumPy: what the exercises of lesson 10 build, and the bench on which each of them is judged.

This whole file travels as source to where an answer lives (see engine.py), so it imports NumPy alone. An answer is first
used with the rest of the engine that its own notebook has, and then with the one of this file: an exercise is right if it
is right with either, so a mistake in one does not make the next one wrong.
"""

import contextlib

import numpy as np


class MiniTensor:
    """An array of float64 that remembers what it was made of.

    data: the numbers; grad: None, or an array of the shape of data; requires_grad: whether a gradient is wanted.
    parents: pairs (input, vjp), one for each input that needs a gradient; vjp(g) is what goes on to that input when g, in
    the shape of data, arrives here.
    """

    recording = True

    def __init__(self, data, requires_grad=False):
        self.data = np.asarray(data, dtype=np.float64)
        self.grad = None
        self.requires_grad = requires_grad
        self.parents = ()

    @staticmethod
    def made(data, *parents):
        """The result of an operation; it remembers those of its parents that need a gradient."""
        kept = tuple((t, vjp) for t, vjp in parents if t.requires_grad) if MiniTensor.recording else ()
        result = MiniTensor(data, requires_grad=bool(kept))
        result.parents = kept
        return result

    @staticmethod
    def of(value):
        """A plain number or array as a MiniTensor; a MiniTensor as it is."""
        return value if isinstance(value, MiniTensor) else MiniTensor(value)

    def __add__(self, other):
        a, b = self, MiniTensor.of(other)
        return MiniTensor.made(
            a.data + b.data, (a, lambda g: mini_unbroadcast(g, a.data.shape)), (b, lambda g: mini_unbroadcast(g, b.data.shape))
        )

    def __mul__(self, other):
        a, b = self, MiniTensor.of(other)
        return MiniTensor.made(
            a.data * b.data, (a, lambda g: mini_unbroadcast(g * b.data, a.data.shape)),
            (b, lambda g: mini_unbroadcast(g * a.data, b.data.shape)),
        )  # fmt: skip

    def __pow__(self, exponent):
        return MiniTensor.made(self.data**exponent, (self, lambda g: g * exponent * self.data ** (exponent - 1)))

    def __neg__(self):
        return self * -1.0

    def __sub__(self, other):
        return self + -MiniTensor.of(other)

    def __truediv__(self, other):
        return self * MiniTensor.of(other) ** -1

    def __rsub__(self, other):
        return MiniTensor.of(other) - self

    def __rtruediv__(self, other):
        return MiniTensor.of(other) / self

    __radd__, __rmul__ = __add__, __mul__


def run_backward(root, g=None):
    """Walk back from root; a second walk adds the same again to the leaves."""
    if g is None:
        if root.data.size != 1:
            raise ValueError(f"a root of shape {root.data.shape} needs a g of that shape")
        g = np.ones_like(root.data)
    arrived = {id(root): np.asarray(g, dtype=np.float64)}
    for node in reversed(ordered(root)):
        share = arrived.pop(id(node))
        if not node.parents:
            node.grad = share.copy() if node.grad is None else node.grad + share
        for parent, vjp in node.parents:
            arrived[id(parent)] = arrived.get(id(parent), 0.0) + vjp(share)


def ordered(root):
    """Every node that root was made of, each behind all of its parents."""
    order, seen, stack = [], set(), [(root, False)]
    while stack:
        node, done = stack.pop()
        if done:
            order.append(node)
        elif id(node) not in seen:
            seen.add(id(node))
            stack.append((node, True))
            stack += [(parent, False) for parent, _ in node.parents]
    return order


def mini_unbroadcast(g, shape):
    g = np.asarray(g)  # a walk that starts with a plain 1.0 is right, too
    g = g.sum(axis=tuple(range(g.ndim - len(shape))))
    ones = tuple(i for i, length in enumerate(shape) if length == 1 and g.shape[i] != 1)
    return g.sum(axis=ones, keepdims=True)


def mini_sum(t, axis=None):
    def spread(g):
        return np.broadcast_to(g if axis is None else np.expand_dims(g, axis), t.data.shape)

    return MiniTensor.made(t.data.sum(axis=axis), (t, spread))


def mini_mean(t, axis=None):
    total = mini_sum(t, axis)
    return total * (total.data.size / t.data.size)


def mini_matmul(a, b):
    return MiniTensor.made(a.data @ b.data, (a, lambda g: g @ b.data.T), (b, lambda g: a.data.T @ g))


def mini_index(t, key):
    def scattered(g):
        whole = np.zeros_like(t.data)
        np.add.at(whole, key, g)
        return whole

    return MiniTensor.made(t.data[key], (t, scattered))


def mini_relu(t):
    return MiniTensor.made(np.maximum(t.data, 0.0), (t, lambda g: g * (t.data > 0)))


def mini_exp(t):
    value = np.exp(t.data)
    return MiniTensor.made(value, (t, lambda g: g * value))


def mini_log(t):
    return MiniTensor.made(np.log(t.data), (t, lambda g: g / t.data))


def mini_log_softmax(t, axis):
    shifted = t.data - t.data.max(axis=axis, keepdims=True)
    value = shifted - np.log(np.exp(shifted).sum(axis=axis, keepdims=True))
    return MiniTensor.made(value, (t, lambda g: g - np.exp(value) * g.sum(axis=axis, keepdims=True)))


class MiniParameter(MiniTensor):
    def __init__(self, data):
        super().__init__(data, requires_grad=True)


class MiniLinear:
    def __init__(self, n_in, n_out, rng):
        self.weight = MiniParameter(rng.normal(size=(n_out, n_in)) / np.sqrt(n_in))
        self.bias = MiniParameter(np.zeros(n_out))

    def __call__(self, x):
        weight = self.weight
        turned = MiniTensor.made(weight.data.T, (weight, lambda g: g.T))
        return mini_matmul(x, turned) + self.bias

    def parameters(self):
        return [self.weight, self.bias]


class MiniSGD:
    def __init__(self, params, lr):
        self.params, self.lr = list(params), lr

    def step(self):
        for p in self.params:
            if p.grad is not None:
                p.data = p.data - self.lr * p.grad

    def zero_grad(self):
        for p in self.params:
            p.grad = None


@contextlib.contextmanager
def mini_no_grad():
    before, MiniTensor.recording = MiniTensor.recording, False
    try:
        yield
    finally:
        MiniTensor.recording = before


# --- the bench -------------------------------------------------------------------------------------------------------

NAMES = (
    "MiniTensor", "run_backward", "mini_unbroadcast", "mini_sum", "mini_mean", "mini_matmul", "mini_index", "mini_relu",
    "mini_exp", "mini_log", "mini_log_softmax", "MiniParameter", "MiniLinear", "MiniSGD", "mini_no_grad",
)  # fmt: skip


class Parts:
    """An engine as a namespace: engine.MiniTensor, engine.run_backward, engine.mini_sum and so on."""

    def __init__(self, parts):
        vars(self).update(parts)


def bench(name, own):
    """A function use(answer): the engine that goes with an answer of this name, as Parts, inside of a `with`.

    own: the rest of it is from the answer's own notebook, if that has a MiniTensor. Otherwise it is from here, and the
    notebook's names lead here for as long as it is in use.
    """

    @contextlib.contextmanager
    def use(answer):
        names = names_of(answer)
        if own and isinstance((names | {name: answer}).get("MiniTensor"), type):
            with recording_kept(names.get("MiniTensor")):
                yield Parts({one: names[one] for one in NAMES if one in names} | {name: answer})
            return
        globals()[name] = answer
        here = {one: globals()[one] for one in NAMES}
        before = {one: names[one] for one in here if one in names}
        names.update(here)
        try:
            with on_this_tensor(answer):
                yield Parts(here)
        finally:
            for one in here:
                del names[one]
            names.update(before)

    return use


def beside(own_walk):
    """A function use(answer): the MiniTensor that stands in an answer's notebook, if any, inside of a `with`, and a run_backward:
    the notebook's own if it has one, or the one of this file."""

    @contextlib.contextmanager
    def use(answer):
        names, found = names_of(answer), {"run_backward": run_backward}
        if isinstance(names.get("MiniTensor"), type):
            found["MiniTensor"] = names["MiniTensor"]
        if own_walk and callable(names.get("run_backward")):
            found["run_backward"] = names["run_backward"]
        yield Parts(found)

    return use


@contextlib.contextmanager
def recording_kept(tensor):
    """A notebook's MiniTensor records at first, and afterwards does what it did before, whatever an answer leaves behind."""
    before = getattr(tensor, "recording", None)
    if before is None:
        yield
        return
    tensor.recording = True
    try:
        yield
    finally:
        tensor.recording = before


@contextlib.contextmanager
def on_this_tensor(answer):
    """A class that is derived from a notebook's MiniTensor is derived from the one of this file for a while."""
    bases = answer.__bases__ if isinstance(answer, type) else ()
    here = tuple(MiniTensor if base.__name__ == "MiniTensor" else base for base in bases)
    if here == bases:
        yield
        return
    answer.__bases__ = here
    try:
        yield
    finally:
        answer.__bases__ = bases


def names_of(answer):
    """The global names of the notebook in which a function or class was written."""
    parts = [answer, *(vars(answer).values() if isinstance(answer, type) else ())]
    for part in parts:
        part = getattr(part, "__func__", part)
        while hasattr(part, "__wrapped__"):  # by contextlib.contextmanager, say
            part = part.__wrapped__
        if hasattr(part, "__globals__"):
            return part.__globals__
    return {}
