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
MAX_DEPTH = 100  # a deeper tree would meet Python's limit on recursion


class TreeError(ValueError):
    """The tree is not one that TorchFunction can build."""


class Counted:
    """A torch function that counts its calls.

    calls: how often it was called; tracked: how often with an argument that autograd was following
        (requires_grad, a derivative of torch.func, or a forward-mode dual number; vmap alone follows nothing).
    """

    __name__ = "f"

    def __init__(self):
        self.calls = self.tracked = 0

    def note(self, args):
        """Count a call with these tensors."""
        self.calls += 1
        self.tracked += any(_is_tracked(arg) for arg in args)

    def __repr__(self):
        return "<function f>"


class TorchFunction(Counted):
    """A torch function of tensors of one shape, built from a tree.

    tree: ["x", i] is argument i, ["num", v] a number, [op, child, …] an operation
        (add, mul, pow, max, min, or one of UNARY). Python numbers are taken as float64 tensors.
    """

    def __init__(self, tree, arity=1):
        super().__init__()
        self._arity = arity
        self._run = compile_tree(tree, arity)

    def __call__(self, *args):
        if len(args) != self._arity:
            raise TypeError(f"f takes {self._arity} argument{'s' * (self._arity != 1)}, got {len(args)}")
        args = [_as_tensor(arg) for arg in args]
        self.note(args)
        out = self._run(args)
        if not isinstance(out, torch.Tensor):  # a constant: keep shape, dtype and graph of the input
            out = args[0] * 0 + out
        return out


def compile_tree(tree, arity):
    """A function of a list of `arity` tensors that returns a tensor, or a number for a constant. Raises TreeError."""
    return _compile(tree, arity, [0])


def _as_tensor(value):
    return value if isinstance(value, torch.Tensor) else torch.as_tensor(value, dtype=torch.float64)


def _is_tracked(tensor):
    functorch = torch._C._functorch
    followed = (
        tensor.requires_grad
        or functorch.is_gradtrackingtensor(tensor)
        or (forward_ad._current_level >= 0 and forward_ad.unpack_dual(tensor).tangent is not None)
    )
    if followed or not functorch.is_functorch_wrapped_tensor(tensor):
        return followed
    return _is_tracked(functorch.get_unwrapped(tensor))  # the batch of a vmap


def _compile(tree, arity, count, depth=0):
    """Nested closures: each takes the list of arguments and returns a tensor, or a number for a constant."""
    count[0] += 1
    if count[0] > MAX_NODES or depth > MAX_DEPTH or not isinstance(tree, list | tuple) or not tree:
        raise TreeError(f"not an expression tree of at most {MAX_NODES} nodes: {str(tree)[:60]}")
    op, *rest = tree
    if op == "x":
        (i,) = _leaves(rest, int)
        if not 0 <= i < arity:
            raise TreeError(f"argument number {i} of a function of {arity}")
        return lambda args: args[i]
    if op == "num":
        (v,) = _leaves(rest, int | float)
        return lambda args: v
    parts = [_compile(child, arity, count, depth + 1) for child in rest]
    if not parts or (op == "pow" and len(parts) != 2) or (op in tuple(UNARY) and len(parts) != 1):
        raise TreeError(f"{op} with {len(parts)} operands")
    if op in ("add", "mul"):
        return _fold(parts, torch.Tensor.__add__ if op == "add" else torch.Tensor.__mul__)
    if op in ("max", "min"):
        return _fold(parts, torch.maximum if op == "max" else torch.minimum, make_tensors=True)
    if op == "pow":
        base, exponent = parts
        return lambda args: base(args) ** exponent(args)
    if op in tuple(UNARY):  # a tuple, because op may be anything, even unhashable
        inner, function = parts[0], UNARY[op]
        return lambda args: function(_like(inner(args), args[0]))
    raise TreeError(f"unknown operation {op!r}: known are x, num, add, mul, pow, max, min, {', '.join(UNARY)}")


def _leaves(rest, kind):
    if len(rest) != 1 or not isinstance(rest[0], kind) or isinstance(rest[0], bool):
        raise TreeError(f"expected one number, got {str(rest)[:60]}")
    return rest


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
