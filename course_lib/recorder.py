"""Watch what a function asks of torch: inside `with Recorder(f):` every call is noted, with values, names and reasons.

Autograd keeps neither the values of results nor the names of variables; both are gone when f has returned. Each tensor
is known by a key that stays the same however often it is met (key_of).
"""

import sys
from contextlib import suppress
from dataclasses import dataclass

import torch
from torch.overrides import TorchFunctionMode

LONGEST_OP = 16  # characters of an operation with its numbers, such as "clamp min=0"
LEAVING = {"item", "tolist", "numpy", "__float__", "__int__", "__array__", "__index__"}
READ_AS = {
    "true_divide": "div", "truediv": "div", "subtract": "sub", "multiply": "mul", "rdiv": "mul", "square": "pow 2",
    "copy_slices": "set a part", "as_strided": "view",
}  # fmt: skip


@dataclass
class Seen:
    """What was known about a tensor when it was met."""

    index: int
    value: object
    shape: tuple
    op: str = ""
    inputs: tuple = ()
    note: str = ""
    follows: bool = False  # computed from something that has a gradient
    dtype: object = None


def key_of(tensor):
    """What stays the same for a tensor however often it is met; an in-place operation makes it another one."""
    if tensor.grad_fn is not None:
        return tensor.grad_fn, tensor.output_nr
    if tensor.requires_grad:
        return "leaf", id(tensor)
    return "constant", id(tensor), 0 if tensor.is_inference() else tensor._version


class Recorder(TorchFunctionMode):
    """Sees every call of torch that f makes, and keeps values: they are gone afterwards."""

    def __init__(self, f):
        super().__init__()
        self.seen, self.kept, self.grads = {}, [], []
        self.left, self.left_from, self.branched = [], [], False
        self.code, self.frame = getattr(f, "__code__", None), None

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if self.frame is None and self.code is not None:
            self.frame = _frame_of(self.code)
        inputs = tuple(self.meet(tensor) for tensor in _tensors([*args, *kwargs.values()]))
        out = self.run(func, args, kwargs)
        name = _name(func)
        results = _tensors([out])
        if results:
            for tensor in results:
                self.keep(tensor, name, args, kwargs, inputs)
        elif out is None and inputs and name == "__setitem__":
            self.keep(args[0], name, args, kwargs, inputs)
        elif inputs and torch.is_grad_enabled():
            if name in LEAVING:
                self.left.append(name.strip("_"))
                self.left_from.append(inputs[0])
            self.branched |= name == "__bool__"
        return out

    def run(self, func, args, kwargs):
        """Do what f asks for."""
        return func(*args, **kwargs)

    def meet(self, tensor):
        """Note a tensor that nothing is known about yet; its key."""
        key = key_of(tensor)
        if key not in self.seen:
            self._note(key, tensor)
        return key

    def keep(self, tensor, name, args, kwargs, inputs):
        """Note the result of an operation."""
        key = key_of(tensor)
        if key[0] == "leaf":
            if name.endswith("_"):
                self._note(key, tensor, note="changed in place, unseen by autograd")
            return
        if key in self.seen:
            return
        note, follows = "", False
        if key[0] == "constant":
            follows = any(other[0] != "constant" or self.seen[other].follows for other in inputs)
            note = _why_constant(tensor, name) if any(other[0] != "constant" for other in inputs) else ""
        self._note(key, tensor, _operation(name, args, kwargs), inputs, note, follows)

    def _note(self, key, tensor, *rest, **named):
        self.kept.append(tensor)  # an id is only unique while its tensor lives
        if tensor.retains_grad:
            self.grads.append((tensor, tensor.grad))
        self.seen[key] = Seen(
            len(self.kept) - 1, plain(tensor), tuple(tensor.shape), *rest, dtype=tensor.dtype, **named
        )

    def restore_grads(self):
        """A tensor from outside of f that retains its gradient has seen a backward that was not its own."""
        for tensor, grad in self.grads:
            tensor.grad = grad

    def names(self):
        """For each key the variable of f that held it at the end."""
        found = {}
        for name, value in (self.frame.f_locals if self.frame else {}).items():
            if isinstance(value, torch.Tensor):
                found.setdefault(key_of(value), name)
        self.frame = None  # it keeps all of f's variables alive
        return found


def _frame_of(code):
    frame = sys._getframe(2)
    while frame is not None and frame.f_code is not code:
        frame = frame.f_back
    return frame


def _tensors(values):
    """The tensors among the values, in order, also those in lists, tuples and slices of indices."""
    found = []
    for value in values:
        if isinstance(value, torch.Tensor):
            if not torch._C._functorch.is_functorch_wrapped_tensor(value):  # what vmap hands out has no numbers yet
                found.append(value)
        elif isinstance(value, list | tuple):
            found += _tensors(value)
    return found


def plain(tensor):
    """A float (int, bool) for one number, else an array that nobody can change."""
    tensor = tensor.detach()
    if tensor.dim() == 0:
        return tensor.item()
    if tensor.layout is not torch.strided:
        tensor = tensor.to_dense()
    array = tensor.to(torch.float64 if tensor.is_floating_point() else tensor.dtype).cpu().numpy().copy()
    array.flags.writeable = False
    return array


# --- names -----------------------------------------------------------------------------------------------------------


def _name(func):
    name = getattr(func, "__name__", str(func))
    return getattr(func.__self__, "__name__", name) if name == "__get__" else name  # x.T is a property


def _operation(name, args, kwargs):
    """pow 2, clamp min=0, [0]: the operation with the numbers it was given."""
    if name in ("__getitem__", "__setitem__"):
        index = str(args[1]).replace("slice(None, None, None)", ":") if not _tensors([args[1]]) else "…"
        return f"{'set ' if name == '__setitem__' else ''}[{index.strip('()')}]"[:LONGEST_OP]
    numbers = [_short(arg) for arg in args if type(arg) in (int, float)]
    numbers += [f"{key}={_short(arg)}" for key, arg in kwargs.items() if type(arg) in (int, float)]
    plain = name.strip("_") + ("_" if name.endswith("_") and not name.endswith("__") else "")
    plain = READ_AS.get(plain, plain)
    if plain in ("rsub", "rpow") and len(numbers) == 1:  # 3 − x, 2 ** x
        return f"{numbers[0]} {'−' if plain == 'rsub' else '^'}"
    full = " ".join([plain, *numbers])
    return full if len(full) <= LONGEST_OP else plain


def _short(value):
    return f"{value:.4g}".replace("-", "−")


def _why_constant(tensor, name):
    if name in ("detach", "detach_"):
        return "detached"
    if name == "data":
        return "taken through .data"
    if not tensor.is_floating_point():
        return "conditions and whole numbers have no gradient"
    if tensor.is_inference():
        return "computed under inference_mode"
    return "cut off from autograd" if torch.is_grad_enabled() else "computed under no_grad"


def name_of(function):
    """AddmmBackward0 -> addmm."""
    name = function.name().split("::")[-1].rstrip("0123456789").removesuffix("Backward")
    if isinstance(function, torch.autograd.function.BackwardCFunction):
        return name
    name = "".join(f"_{c.lower()}" if c.isupper() and i else c.lower() for i, c in enumerate(name))
    return READ_AS.get(name, name)


def outside_names(f):
    """{key: name} of the tensors that f finds outside of itself."""
    if isinstance(f, torch.nn.Module):
        return {key_of(tensor): name for name, tensor in f.named_parameters()}
    code = getattr(f, "__code__", None)
    if code is None:
        return {}
    reached = {}
    for name, cell in zip(code.co_freevars, f.__closure__ or (), strict=True):
        with suppress(ValueError):  # a variable that has no value yet
            reached[name] = cell.cell_contents
    reached |= {name: f.__globals__[name] for name in code.co_names if name in f.__globals__}
    found = {}
    for name, value in reached.items():
        if isinstance(value, torch.Tensor):
            found.setdefault(key_of(value), name)
        elif isinstance(value, torch.nn.Module):
            found |= {key_of(tensor): f"{name}.{part}" for part, tensor in value.named_parameters()}
    return found
