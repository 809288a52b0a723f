"""Functions that a question hands to an answer, as plain data: Recipe(kind, data).function() builds a fresh one.

A recipe crosses the grader's wall as its kind and its numbers, and the function built from it knows no derivative.
This module needs torch and nothing else of ours but functions.py, so both sides have it.
"""

from dataclasses import dataclass, field

import torch

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


def _batch_norm(x, training):
    mean, var = torch.zeros(x.shape[1], dtype=x.dtype), torch.ones(x.shape[1], dtype=x.dtype)
    return torch.nn.functional.batch_norm(x, mean, var, training=training)


NAMED = {
    "tanh": torch.tanh,
    "square": lambda x: x * x,
    "softmax": lambda x: torch.softmax(x, dim=-1),
    "cumsum": lambda x: torch.cumsum(x, dim=0),
    "sort": lambda x: torch.sort(x).values,
    "centre": lambda x: x - x.mean(0),
    "times-total": lambda x: x * x.sum(0),
    "batch-norm-train": lambda x: _batch_norm(x, True),
    "batch-norm-eval": lambda x: _batch_norm(x, False),
    "sum-of-tanh-products": lambda x: (torch.tanh(x) * x.roll(1)).sum() + 0.1 * (x**4).sum(),
}

BUILDERS = {
    "formula": TorchFunction,
    "vector": VectorFunction,
    "named": Named,
}
