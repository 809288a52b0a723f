"""Turn a small expression tree into a real torch function: TorchFunction(tree).

This module needs torch and nothing else, so it can be used on the student's side of the grader's wall: a tree is
plain data (nested lists), and the function built from it knows no derivative.
"""

import torch
from torch.autograd import forward_ad

UNARY = {
    "neg": torch.neg, "sin": torch.sin, "cos": torch.cos, "tan": torch.tan, "exp": torch.exp, "log": torch.log,
    "tanh": torch.tanh, "cosh": torch.cosh, "sinh": torch.sinh, "sqrt": torch.sqrt, "abs": torch.abs,
    "atan": torch.atan, "sign": torch.sign,
}
MAX_NODES = 500


class TreeError(ValueError):
    """The tree is not one that TorchFunction can build."""


class TorchFunction:
    """A torch function of tensors of one shape, built from a tree; counts its calls.

    tree: ["x", i] is argument i, ["num", v] a number, [op, child, …] an operation
        (add, mul, pow, max, min, or one of UNARY). Python numbers are taken as float64 tensors.
    calls: how often it was called; tracked: how often with an argument that autograd was following
        (requires_grad, a torch.func transform, or a forward-mode dual number).
    """

    __name__ = "f"

    def __init__(self, tree, arity=1):
        self.calls = self.tracked = 0
        self._arity = arity
        self._run = _compile(tree, [0])

    def __call__(self, *args):
        if len(args) != self._arity:
            raise TypeError(f"f takes {self._arity} argument{'s' * (self._arity != 1)}, got {len(args)}")
        args = [_as_tensor(arg) for arg in args]
        self.calls += 1
        self.tracked += any(_is_tracked(arg) for arg in args)
        out = self._run(args)
        if not isinstance(out, torch.Tensor):  # a constant: keep shape, dtype and graph of the input
            out = args[0] * 0 + out
        return out

    def __repr__(self):
        return "<function f>"


def _as_tensor(value):
    return value if isinstance(value, torch.Tensor) else torch.as_tensor(value, dtype=torch.float64)


def _is_tracked(tensor):
    return (
        tensor.requires_grad
        or torch._C._functorch.is_functorch_wrapped_tensor(tensor)
        or (forward_ad._current_level >= 0 and forward_ad.unpack_dual(tensor).tangent is not None)
    )


def _compile(tree, count):
    """Nested closures: each takes the list of arguments and returns a tensor, or a number for a constant."""
    count[0] += 1
    if count[0] > MAX_NODES or not isinstance(tree, list | tuple) or not tree:
        raise TreeError(f"not an expression tree of at most {MAX_NODES} nodes: {str(tree)[:60]}")
    op, *rest = tree
    if op == "x":
        return lambda args, i=rest[0]: args[i]
    if op == "num":
        return lambda args, v=rest[0]: v
    parts = [_compile(child, count) for child in rest]
    if op in ("add", "mul"):
        return _fold(parts, torch.Tensor.__add__ if op == "add" else torch.Tensor.__mul__)
    if op in ("max", "min"):
        return _fold(parts, torch.maximum if op == "max" else torch.minimum, make_tensors=True)
    if op == "pow":
        base, exponent = parts
        return lambda args: base(args) ** exponent(args)
    if op in UNARY:
        inner, function = parts[0], UNARY[op]
        return lambda args: function(_like(inner(args), args[0]))
    raise TreeError(f"unknown operation {op!r}: known are x, num, add, mul, pow, max, min, {', '.join(UNARY)}")


def _like(value, tensor):
    return value if isinstance(value, torch.Tensor) else torch.full_like(tensor, value)


def _fold(parts, combine, make_tensors=False):
    def run(args):
        total = parts[0](args)
        for part in parts[1:]:
            value = part(args)
            if make_tensors or not (isinstance(total, torch.Tensor) or isinstance(value, torch.Tensor)):
                total, value = _like(total, args[0]), _like(value, args[0])
            total = combine(total, value) if isinstance(total, torch.Tensor) else combine(value, total)
        return total

    return run
