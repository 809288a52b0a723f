"""Functions that a question hands to an answer, as plain data: Recipe(kind, data).function() builds a fresh one.

A recipe crosses the grader's wall as its kind and its numbers, and the function built from it knows no derivative.
This module needs torch and nothing else of ours but functions.py, so both sides have it.
"""

import inspect
import math
import textwrap
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from course_lib.functions import Counted, TorchFunction, TreeError, compile_tree


@dataclass(frozen=True, slots=True)
class Recipe:
    """What to build and from which data (numbers, text, lists); `text` is for talking about it and is not sent."""

    kind: str
    data: tuple = ()
    text: str = field(default="", compare=False)

    def function(self):
        """A fresh torch function that counts its calls. Raises TreeError for data that make no function."""
        build = BUILDERS.get(self.kind) if isinstance(self.kind, str) else None
        if build is None:
            raise TreeError(f"unknown kind of function {str(self.kind)[:40]!r}: known are {', '.join(BUILDERS)}")
        try:
            return build(*self.data)
        except TypeError as error:
            raise TreeError(f"{self.kind} cannot be built from this: {error}") from None


def coded(function, *parameters, text=""):
    """The Recipe of a function of ours that travels as its source, which may use torch, nn, F, np and math only.

    With parameters (numbers, text, lists) it is called with them, and what it returns is the function: a model with
    given weights, say.
    """
    return Recipe("code", (source_of(function), function.__name__, *parameters), text or function.__name__)


def source_of(function):
    """The source of a function without decorators, at the left margin."""
    lines = textwrap.dedent(inspect.getsource(function)).splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith(("def ", "class ")))
    return "\n".join(lines[start:]) + "\n"


class Coded(Counted):
    """A function that counts its calls."""

    def __init__(self, run):
        super().__init__()
        self._run = run

    def __call__(self, *args):
        self.note([arg for arg in args if isinstance(arg, torch.Tensor)])
        return self._run(*args)


def from_source(source, name, *parameters):
    """The function of that name from its source, or with parameters what it returns for them; a Module stays as it is."""
    names = {"torch": torch, "nn": nn, "F": F, "np": np, "math": math, "__name__": "course"}
    try:
        exec(_compiled(source, name), names)
        made = names[name](*parameters) if parameters else names[name]
    except Exception as error:
        raise TreeError(f"this source makes no function: {type(error).__name__}: {error}") from None
    return made if isinstance(made, nn.Module) else Coded(made)


@lru_cache(maxsize=64)
def _compiled(source, name):
    return compile(source, f"<{name}>", "exec")


class VectorFunction(Counted):
    """A torch function of one tensor of shape (…, n), built from the trees of its entries.

    Returns shape (…, m), or (…) if scalar; leading axes are a batch of independent rows.
    """

    def __init__(self, trees, n, scalar=False):
        super().__init__()
        if not isinstance(trees, list | tuple) or not trees or (scalar and len(trees) != 1):
            raise TreeError("a vector function needs a list of trees, one for each entry of its result")
        self._n, self._scalar = n, scalar
        self._entries = [compile_tree(tree, n) for tree in trees]

    def __call__(self, x):
        if not isinstance(x, torch.Tensor):
            raise TypeError(f"f takes a tensor of shape ({self._n},), got {type(x).__name__}")
        if x.shape[-1:] != (self._n,):
            raise ValueError(f"f takes a tensor of shape ({self._n},), got one of shape {tuple(x.shape)}")
        self.note((x,))
        parts = x.unbind(-1)
        entries = [run(parts) for run in self._entries]
        entries = [one if isinstance(one, torch.Tensor) else parts[0] * 0 + one for one in entries]
        return entries[0] if self._scalar else torch.stack(entries, dim=-1)


class Named(Counted):
    """One of the functions below by its name, called with one tensor."""

    def __init__(self, name, *parameters):
        super().__init__()
        if name not in tuple(NAMED):
            raise TreeError(f"unknown function {str(name)[:40]!r}: known are {', '.join(NAMED)}")
        self._run, self._parameters = NAMED[name], parameters

    def __call__(self, x):
        self.note((x,))
        return self._run(x, *self._parameters)


class ListFunction(Counted):
    """A function of one list of n numbers that returns a list of m, built from trees of add, sub, mul, sin and exp.

    It uses the operators + − · and the methods .sin() and .exp() of whatever is in the list, plain numbers on either side.
    """

    def __init__(self, trees, n):
        super().__init__()
        self._trees, self._n = trees, n
        for tree in trees:
            _check_list_tree(tree, n)

    def __call__(self, z):
        if not isinstance(z, list | tuple) or len(z) != self._n:
            raise TypeError(f"f takes one list of {self._n} numbers")
        self.calls += 1
        return [_on_list(tree, z) for tree in self._trees]


def _check_list_tree(tree, n, depth=0):
    if depth > 50 or not isinstance(tree, list | tuple) or not tree:
        raise TreeError("not the tree of a function on lists")
    op, *rest = tree
    arity = {"x": 1, "num": 1, "sin": 1, "exp": 1, "add": 2, "sub": 2, "mul": 2}.get(op if isinstance(op, str) else None)
    if arity != len(rest) or (op == "x" and rest[0] not in range(n)):
        raise TreeError(f"not a node of a function on lists: {str(tree)[:60]}")
    if op not in ("x", "num"):
        for child in rest:
            _check_list_tree(child, n, depth + 1)


def _on_list(tree, z):
    op, *rest = tree
    if op == "x":
        return z[rest[0]]
    if op == "num":
        return rest[0]
    parts = [_on_list(child, z) for child in rest]
    if op in ("sin", "exp"):
        return getattr(parts[0], op)()
    a, b = parts
    return a + b if op == "add" else a - b if op == "sub" else a * b


class Planted(Counted):
    """A function R⁴ → R⁴ with a custom backward that is right or has the named fault; its forward mode is right."""

    FAULTS = ("right", "transposed", "doubled", "upstream-ignored")

    def __init__(self, fault):
        super().__init__()
        if fault not in self.FAULTS:
            raise TreeError(f"unknown fault {str(fault)[:40]!r}: known are {', '.join(self.FAULTS)}")
        self._function = _planted(fault)

    def __call__(self, x):
        self.note((x,))
        return self._function.apply(x)


def _planted(fault):
    matrix = torch.tensor([[0.7, -1.3, 0.4, 0.2], [0.1, 0.9, -0.6, 1.1], [1.2, 0.3, 0.8, -0.5], [-0.4, 1.6, 0.5, 0.6]])

    class SineThenMatrix(torch.autograd.Function):
        generate_vmap_rule = True

        @staticmethod
        def forward(x):
            return matrix.to(x.dtype) @ torch.sin(x)

        @staticmethod
        def setup_context(ctx, inputs, output):
            (x,) = inputs
            ctx.save_for_backward(x)
            ctx.save_for_forward(x)

        @staticmethod
        def backward(ctx, g):
            (x,) = ctx.saved_tensors
            M = matrix.to(x.dtype)
            if fault == "transposed":
                return torch.cos(x) * (M @ g)
            if fault == "doubled":
                return 2 * torch.cos(x) * (M.T @ g)
            if fault == "upstream-ignored":
                return torch.cos(x) * (M.T @ torch.ones_like(g))
            return torch.cos(x) * (M.T @ g)

        @staticmethod
        def jvp(ctx, u):
            (x,) = ctx.saved_tensors
            return matrix.to(x.dtype) @ (torch.cos(x) * u)

    return SineThenMatrix


class CountedMatmul(Counted):
    """torch.matmul that counts its calls, and in `tracked` the multiplications of numbers."""

    def __call__(self, a, b):
        self.calls += 1
        rows = a.shape[0] if a.ndim == 2 else 1
        self.tracked += rows * b.shape[0] * (b.shape[1] if b.ndim == 2 else 1)
        return torch.matmul(a, b)


CHECKED = {  # name: (f, its backward)
    "sine": (torch.sin, lambda g, x: g * torch.cos(x)),
    "square": (lambda x: x * x, lambda g, x: g * 2 * x),
    "softplus-sum": (lambda x: torch.log1p(torch.exp(x)).sum(0, keepdim=True), lambda g, x: g * torch.sigmoid(x)),
    "cumsum": (lambda x: torch.cumsum(x, 0), lambda g, x: g.flip(0).cumsum(0).flip(0)),
    "product": (lambda x: x.prod(0, keepdim=True), lambda g, x: g * x.prod() / x),
    "scaled": (lambda x: 3.0 * torch.tanh(x), lambda g, x: 3.0 * g * (1 - torch.tanh(x) ** 2)),
}


class Checked(Counted):
    """One of the functions of CHECKED."""

    def __init__(self, name):
        super().__init__()
        self._run = _known(name, CHECKED)[0]

    def __call__(self, x):
        self.note((x,))
        return self._run(x)


class Claimed(Counted):
    """What claims to be the backward of a function of CHECKED: backward(g, x), right or with the named fault."""

    FAULTS = {
        "none": lambda run, g, x: run(g, x),
        "doubled": lambda run, g, x: 2 * run(g, x),
        "negated": lambda run, g, x: -run(g, x),
        "upstream-ignored": lambda run, g, x: run(torch.ones_like(g), x),
        "at-wrong-place": lambda run, g, x: run(g, x + 0.1),
        "one-entry": lambda run, g, x: run(g, x) * (1 + 0.5 * (torch.arange(x.numel()) == 1).to(x.dtype)),
        "shape": lambda run, g, x: run(g, x)[None],
        "dtype": lambda run, g, x: run(g, x).to(torch.float64 if x.dtype == torch.float32 else torch.float32),
    }  # fmt: skip

    def __init__(self, name, fault):
        super().__init__()
        self._run, self._fault = _known(name, CHECKED)[1], _known(fault, self.FAULTS)

    def __call__(self, g, x):
        self.note((g, x))
        return self._fault(self._run, g, x)


def _known(name, table):
    if not isinstance(name, str) or name not in table:
        raise TreeError(f"unknown name {str(name)[:40]!r}: known are {', '.join(table)}")
    return table[name]


def _batch_norm(x, training):
    """Batch-norm written out: torch's own raises for a batch of one row and for a single row under vmap."""
    mean, var = (x.mean(0), x.var(0, correction=0)) if training else (0.0, torch.ones((), dtype=x.dtype))
    return (x - mean) / torch.sqrt(var + 1e-5)


NAMED = {
    "tanh": torch.tanh,
    "square": lambda x: x * x,
    "softmax": lambda x: torch.softmax(x, dim=-1),
    "cumsum": lambda x: torch.cumsum(x, dim=0),
    "sort": lambda x: torch.sort(x).values,
    "cumsum-back": lambda x: x.flip(0).cumsum(0).flip(0),
    "centre": lambda x: x - x.mean(0),
    "times-total": lambda x: x * x.sum(0),
    "last-two": lambda x: x * x + torch.cat([torch.zeros_like(x[:-1]), torch.ones_like(x[-1:])]) * x.roll(1),
    "first-two": lambda x: x * x + torch.cat([torch.ones_like(x[:1]), torch.zeros_like(x[1:])]) * x.roll(-1),
    "last-column": lambda x: torch.cat([torch.tanh(x[..., :-1]), x[..., -1:] - x[..., -1:].mean(0)], dim=-1),
    "batch-norm-train": lambda x: _batch_norm(x, True),
    "batch-norm-eval": lambda x: _batch_norm(x, False),
    "sum-of-tanh-products": lambda x: (torch.tanh(x) * x.roll(1)).sum() + 0.1 * (x**4).sum(),
}

BUILDERS = {
    "formula": TorchFunction,
    "vector": VectorFunction,
    "named": Named,
    "dual": ListFunction,
    "planted": Planted,
    "counted-matmul": CountedMatmul,
    "checked": Checked,
    "claimed": Claimed,
    "code": from_source,
}
