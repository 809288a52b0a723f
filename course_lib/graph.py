"""See what autograd records: trace(f, x=0.7) runs f once and returns its computation graph as plain data.

A Graph has nodes in the order in which f computed them (one per tensor: value, gradient, shape, operation) and edges
from input to result (local derivative, and the contribution that backward sends along it). It holds Python numbers and
NumPy arrays, no tensors. f runs on copies: the caller's tensors, their .grad, the random numbers and the grad mode stay
as they are. What cannot be traced is refused with one sentence (TypeError, ValueError).
"""

import inspect
import sys
import warnings
from collections.abc import Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import torch
from torch.overrides import TorchFunctionMode

LONGEST_OP = 16  # characters of an operation with its numbers, such as "clamp min=0"
LEAVING = {"item", "tolist", "numpy", "__float__", "__int__", "__array__", "__index__"}
NOT_FOLLOWED = (
    "f leaves torch, so autograd cannot follow it: use torch.sin instead of math.sin, and no .item() or "
    "torch.tensor(…) inside f."
)
READ_AS = {"true_divide": "div", "truediv": "div", "subtract": "sub", "multiply": "mul", "rdiv": "mul", "square": "pow 2"}


@dataclass(frozen=True, kw_only=True, eq=False)
class Node:
    """One tensor of the computation.

    kind: "leaf", "op", or "constant", which receives no gradient. op: the operation as one reads it, such as "pow 2".
    name: of the leaf or of the variable in f. value: None where it was computed inside another operation.
    gradient: of the result with respect to this node, None if they are not connected. note: what is special here.
    """

    id: int
    kind: str
    op: str = ""
    name: str = ""
    shape: tuple = ()
    value: object = None
    gradient: object = None
    note: str = ""

    @property
    def label(self):
        """What a sentence calls this node."""
        return self.name or self.op or "constant"

    @property
    def title(self):
        """What stands on it: name, operation, or both."""
        return f"{self.name} = {self.op}" if self.name and self.op else self.label


@dataclass(frozen=True, kw_only=True, eq=False)
class Edge:
    """The node `source` is input number `position` of the node `target`.

    local: the derivative of target by source, a float, or an array if the operation works element by element, else None.
    contribution: what backward sends along this edge to source, None if nothing. cut: autograd does not know this edge.
    """

    source: int
    target: int
    position: int
    local: object = None
    contribution: object = None
    cut: bool = False


@dataclass(frozen=True, kw_only=True, eq=False)
class Graph:
    """nodes[i].id is i; every edge leads to a later node. output: id of the result; notes: sentences about the whole."""

    nodes: tuple
    edges: tuple
    output: int
    notes: tuple = ()

    @cached_property
    def inputs(self):
        """For each node the edges into it, by position."""
        return self._grouped("target")

    @cached_property
    def consumers(self):
        """For each node the edges out of it; their contributions add up to its gradient."""
        return self._grouped("source")

    def _grouped(self, end):
        groups = [[] for _ in self.nodes]
        for edge in self.edges:
            groups[getattr(edge, end)].append(edge)
        return tuple(map(tuple, groups))

    def node(self, name):
        """The node with that name, or the last one with that operation."""
        found = [node for node in self.nodes if node.name == name] or [n for n in self.nodes if n.op == name]
        if not found:
            known = ", ".join(dict.fromkeys(node.label for node in self.nodes))
            raise KeyError(f"no node is called {name!r}; there are {known}")
        return found[-1]

    @property
    def is_scalar(self):
        return all(node.shape == () for node in self.nodes)

    def __repr__(self):
        from course_lib.theme import number  # words only: a graph itself needs no Matplotlib

        def show(value):
            if value is None or isinstance(value, bool):
                return "" if value is None else str(value)
            return number(value, 4) if np.ndim(value) == 0 else f"shape {np.shape(value)}"

        rows = [("node", "value", "gradient", "local derivatives", "sends back")]
        for node in self.nodes:
            edges = [edge for edge in self.inputs[node.id] if not edge.cut]
            rows.append((
                node.title, show(node.value), "not connected" if node.gradient is None else show(node.gradient),
                ", ".join(f"{show(edge.local)} by {self.nodes[edge.source].label}".strip() for edge in edges),
                ", ".join(f"{show(edge.contribution)} to {self.nodes[edge.source].label}" for edge in edges
                          if edge.contribution is not None),
            ))
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
        return "\n".join(lines + list(self.notes))


def trace(f, /, cotangent=None, **leaves):
    """The graph of y = f(leaves): trace(lambda x: x * torch.sin(x**2), x=0.7).

    leaves: numbers (taken as float64) or tensors; f receives copies of them that require gradients, by name if its
    parameters have these names, else in this order. cotangent: for a y of several numbers, the weights v, shaped like
    y; gradients are then those of the sum of v·y.
    """
    copies = _leaves(leaves)
    with _untouched():
        recorder = _Recorder(f)
        for leaf in copies.values():
            recorder.meet(leaf)
        y = _run(f, copies, recorder)
        recorder.meet(y)
        try:
            return _Builder(f, copies, recorder, y).graph(_cotangent(y, cotangent))
        finally:
            recorder.restore_grads()


# --- running f -----------------------------------------------------------------------------------------------------


def _leaves(leaves):
    if not leaves:
        raise TypeError("trace needs the leaves by name, for example trace(f, x=0.7).")
    return {name: _leaf(name, value) for name, value in leaves.items()}


def _leaf(name, value):
    if isinstance(value, int | float) and not isinstance(value, bool):
        return torch.tensor(float(value), dtype=torch.float64, requires_grad=True)
    if not isinstance(value, torch.Tensor):
        raise TypeError(f"{name} must be a number or a tensor, got {type(value).__name__}.")
    if not value.is_floating_point():
        raise TypeError(
            f"{name} has dtype {str(value.dtype).removeprefix('torch.')}: only floating-point tensors have gradients, "
            "for example torch.tensor(2.0) instead of torch.tensor(2)."
        )
    with torch.inference_mode(False), torch.no_grad():
        return value.detach().clone().requires_grad_()


@contextmanager
def _untouched():
    """Recording switched on for us, the caller's modes and random numbers as before afterwards."""
    state = torch.get_rng_state()
    try:
        with torch.inference_mode(False), torch.enable_grad(), warnings.catch_warnings():
            # torch says so once when math.sin turns a tensor into a number; our sentence says it better
            warnings.filterwarnings("ignore", "Converting a tensor with requires_grad")
            yield
    finally:
        torch.set_rng_state(state)


def _run(f, copies, recorder):
    if not callable(f):
        raise TypeError(f"expected a function such as lambda x: x**2, got {type(f).__name__} {str(f)[:40]!r}.")
    args, kwargs = _arguments(f, copies)
    try:
        with recorder:
            y = f(*args, **kwargs)
    except Exception as error:
        first = (str(error).splitlines() or [""])[0][:160].rstrip(".")
        raise ValueError(f"f raised {type(error).__name__}: {first}.") from error
    if isinstance(y, int | float | np.number | np.ndarray):
        raise TypeError(NOT_FOLLOWED)
    if not isinstance(y, torch.Tensor):
        raise TypeError(f"f must return one tensor, got {type(y).__name__}.")
    if not y.is_floating_point():
        kind = str(y.dtype).removeprefix("torch.")
        raise TypeError(f"f must return floating-point numbers to have a gradient, got {kind}.")
    if not y.requires_grad and recorder.left:
        raise TypeError(NOT_FOLLOWED)
    return y


def _arguments(f, copies):
    """By name where f has such parameters, else in order; a Formula's order is that of its symbols."""
    symbols = [str(symbol) for symbol in getattr(f, "symbols", ())]
    if sorted(symbols) == sorted(copies):
        return [copies[symbol] for symbol in symbols], {}
    try:
        signature = inspect.signature(getattr(f, "forward", f))
    except (TypeError, ValueError):  # torch.sin and other built-in functions have none
        return list(copies.values()), {}
    try:
        signature.bind(**copies)
        return [], copies
    except TypeError:
        if set(copies) & set(signature.parameters):
            raise TypeError(f"f takes {signature}, and the leaves are {', '.join(copies)}.") from None
        return list(copies.values()), {}


def _cotangent(y, cotangent):
    if cotangent is None:
        if y.numel() != 1:
            raise ValueError(
                f"f returned shape {tuple(y.shape)}, and a gradient needs one number: give the weights of its numbers, "
                f"for example cotangent=torch.ones({', '.join(map(str, y.shape))})."
            )
        return torch.ones_like(y)
    try:
        v = torch.as_tensor(cotangent, dtype=y.dtype).detach()
    except (TypeError, ValueError, RuntimeError):
        raise TypeError(f"cotangent must be a tensor or a list of numbers, got {str(cotangent)[:40]!r}.") from None
    if v.shape != y.shape:
        raise ValueError(f"cotangent has shape {tuple(v.shape)}, wanted {tuple(y.shape)} like the result of f.")
    return v


@dataclass
class _Seen:
    """What was known about a tensor when it was met."""

    index: int
    value: object
    shape: tuple
    op: str = ""
    inputs: tuple = ()
    note: str = ""
    follows: bool = False  # computed from something that has a gradient


def _key(tensor):
    """What stays the same for a tensor however often it is met; an in-place operation makes it another one."""
    if tensor.grad_fn is not None:
        return tensor.grad_fn, tensor.output_nr
    if tensor.requires_grad:
        return "leaf", id(tensor)
    return "constant", id(tensor), 0 if tensor.is_inference() else tensor._version


class _Recorder(TorchFunctionMode):
    """Sees every call of torch that f makes, and keeps values: they are gone afterwards."""

    def __init__(self, f):
        super().__init__()
        self.seen, self.kept, self.grads = {}, [], []
        self.left, self.branched = [], False
        self.code, self.frame = getattr(f, "__code__", None), None

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if self.frame is None and self.code is not None:
            self.frame = _frame_of(self.code)
        inputs = tuple(self.meet(tensor) for tensor in _tensors([*args, *kwargs.values()]))
        out = func(*args, **kwargs)
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
            self.branched |= name == "__bool__"
        return out

    def meet(self, tensor):
        """Note a tensor that nothing is known about yet; its key."""
        key = _key(tensor)
        if key not in self.seen:
            self._note(key, tensor)
        return key

    def keep(self, tensor, name, args, kwargs, inputs):
        """Note the result of an operation."""
        key = _key(tensor)
        if key[0] == "leaf":
            if name.endswith("_"):
                self._note(key, tensor, note="changed in place, unseen by autograd")
            return
        if key in self.seen:
            return
        note, follows = "", False
        if key[0] == "constant":
            follows = any(other[0] != "constant" or self.seen[other].follows for other in inputs)
            note = _why_constant(tensor, name) if follows else ""
        self._note(key, tensor, _operation(name, args, kwargs), inputs, note, follows)

    def _note(self, key, tensor, *rest, **named):
        self.kept.append(tensor)  # an id is only unique while its tensor lives
        if tensor.retains_grad:
            self.grads.append((tensor, tensor.grad))
        self.seen[key] = _Seen(len(self.seen), _plain(tensor), tuple(tensor.shape), *rest, **named)

    def restore_grads(self):
        """A tensor from outside of f that retains its gradient has seen a backward that was not its own."""
        for tensor, grad in self.grads:
            tensor.grad = grad

    def names(self):
        """For each key the variable of f that held it at the end."""
        found = {}
        for name, value in (self.frame.f_locals if self.frame else {}).items():
            if isinstance(value, torch.Tensor):
                found.setdefault(_key(value), name)
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
            found.append(value)
        elif isinstance(value, list | tuple):
            found += _tensors(value)
    return found


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
    return "computed under no_grad"


def _plain(tensor):
    """A float (int, bool) for one number, else an array that nobody can change."""
    tensor = tensor.detach()
    if tensor.dim() == 0:
        return tensor.item()
    if tensor.layout is not torch.strided:
        tensor = tensor.to_dense()
    array = tensor.to(torch.float64 if tensor.is_floating_point() else tensor.dtype).cpu().numpy().copy()
    array.flags.writeable = False
    return array


# --- from what was seen to a Graph -----------------------------------------------------------------------------------


@dataclass
class _Link:
    """An edge on the way: slot is its place in next_functions, None where autograd has no edge."""

    source: tuple
    position: int
    slot: int | None = None


@dataclass
class _Builder:
    f: object
    leaves: Mapping
    recorder: _Recorder
    y: torch.Tensor
    variables: dict = field(default_factory=dict)  # key of a leaf -> its tensor
    links: dict = field(default_factory=dict)  # key -> its links
    connected: set = field(default_factory=set)  # keys that backward reaches

    def graph(self, cotangent):
        self.variables = {_key(leaf): leaf for leaf in self.leaves.values()}
        root = _key(self.y)
        order = self._ordered(root)
        ids = {key: i for i, key in enumerate(order)}
        self._connect(root)
        gradients, sent = self._backward(root, cotangent)
        edges = self._edges(order, ids, gradients, sent)
        return Graph(
            nodes=tuple(self._nodes(order, ids[root], gradients, edges)), edges=tuple(edges), output=ids[root],
            notes=tuple(self._notes()),
        )

    # which nodes there are

    def _ordered(self, root):
        """All keys: the leaves first, then in the order in which f computed them."""
        after = self._post_order(root)
        place = {}
        for key in reversed(after):  # unseen inner nodes come right before the operation that they are part of
            seen = self.recorder.seen.get(key)
            place.setdefault(key, seen.index if seen else 0)
            if seen:
                place[key] = seen.index
            for link in self.links[key]:
                if link.source not in self.recorder.seen:
                    place[link.source] = min(place.get(link.source, place[key]), place[key])
        rank = {key: i for i, key in enumerate(after)}
        given = [_key(leaf) for leaf in self.leaves.values()]
        return given + sorted((key for key in after if key not in given), key=lambda key: (place[key], rank[key]))

    def _post_order(self, root):
        """Keys, inputs before results; a loop, since a chain may be longer than Python's stack is deep."""
        order, stack = [], [(root, False)]
        while stack:
            key, inputs_done = stack.pop()
            if inputs_done:
                order.append(key)
            elif key not in self.links:
                self.links[key] = self._links(key)
                stack.append((key, True))
                stack += [(link.source, False) for link in reversed(self.links[key])]
        return order

    def _links(self, key):
        seen = self.recorder.seen.get(key)
        if key[0] == "leaf":
            return []
        if key[0] == "constant":
            return [_Link(source, i) for i, source in enumerate(seen.inputs)] if seen.follows else []
        waiting = list(seen.inputs) if seen else []
        links = []
        for slot, (parent, output) in enumerate(key[0].next_functions):
            if parent is None:
                continue
            source = self._source(parent, output)
            position = slot
            if source in waiting:
                position = waiting.index(source)
                waiting[position] = None  # x * x has two inputs that are one tensor
            links.append(_Link(source, position, slot))
        links += [_Link(source, i) for i, source in enumerate(waiting) if source and source[0] == "constant"]
        return sorted(links, key=lambda link: link.position)

    def _source(self, parent, output):
        variable = getattr(parent, "variable", None)
        if variable is None:
            return parent, output
        key = _key(variable)
        self.variables.setdefault(key, variable)
        self.recorder.meet(variable)
        return key

    def _connect(self, root):
        stack = [root]
        while stack:
            key = stack.pop()
            if key not in self.connected and key[0] != "constant":
                self.connected.add(key)
                stack += [link.source for link in self.links.get(key, ()) if link.slot is not None]

    # its numbers

    def _backward(self, root, cotangent):
        """({key: gradient}, {grad_fn: what it sent, by slot}) from one run of autograd itself."""
        gradients, sent = {}, {}
        if root[0] in ("leaf", "constant"):
            return ({root: _plain(cotangent)} if root[0] == "leaf" else {}), sent

        def hook(function):
            def keep(grad_inputs, grad_outputs):
                sent[function] = grad_inputs
                for output, gradient in enumerate(grad_outputs):
                    if gradient is not None:
                        gradients[function, output] = gradient
            return keep

        leaves = [key for key in self.variables if key in self.connected]
        functions = dict.fromkeys(key[0] for key in self.connected if key[0] != "leaf")
        handles = [function.register_hook(hook(function)) for function in functions]
        with _explained():
            try:
                found = torch.autograd.grad(
                    self.y, [self.variables[key] for key in leaves], cotangent, retain_graph=True, allow_unused=True
                )
            finally:
                for handle in handles:
                    handle.remove()
        gradients |= {key: grad for key, grad in zip(leaves, found, strict=True) if grad is not None}
        return gradients, sent

    def _edges(self, order, ids, gradients, sent):
        used = {}
        for key in order:
            used.setdefault(key[0], []).append(key)
        edges = []
        for key in order:
            local = self._locals(key)
            flows = gradients.get(key) if key in self.connected else None
            if flows is None or key[0] == "leaf":
                shares = ()
            elif len(used[key[0]]) == 1:
                shares = sent.get(key[0], ())
            else:  # several results of one operation: each sends its own share
                with _explained():
                    shares = _pulled(*key, flows)
            for link in self.links.get(key, ()):
                share = shares[link.slot] if link.slot is not None and shares else None
                edges.append(Edge(
                    source=ids[link.source], target=ids[key], position=link.position, cut=link.slot is None,
                    local=local.get(link.slot), contribution=None if share is None else _plain(share),
                ))
        return edges

    def _locals(self, key):
        """{slot: local derivative}, by handing a one to the backward function of that one operation."""
        links = [link for link in self.links.get(key, ()) if link.slot is not None]
        if not links:
            return {}
        like = _one_like(key)
        with _explained():
            pulled = _pulled(*key, like)
            probe = None if like.numel() == 1 else _probe(like)
            probed = () if probe is None else _pulled(*key, probe)
        found = {}
        for link in links:
            by = pulled[link.slot]
            if by is None:
                continue
            if by.numel() == like.numel() == 1:
                found[link.slot] = by.item()
            elif probe is not None and by.shape == like.shape and probed[link.slot] is not None:
                # element by element: each number of the result depends on the same number of the input alone
                if torch.allclose(probed[link.slot], probe * by, rtol=1e-4, equal_nan=True):
                    found[link.slot] = _plain(by)
        return found

    def _nodes(self, order, output, gradients, edges):
        names, outside = self.recorder.names(), None
        names |= {_key(leaf): name for name, leaf in self.leaves.items()}
        taken = set(names.values())
        arriving = {}
        for edge in edges:
            if edge.contribution is not None:
                arriving.setdefault(edge.source, []).append(edge.contribution)
        for i, key in enumerate(order):
            seen = self.recorder.seen.get(key)
            kind = key[0] if key[0] in ("leaf", "constant") else "op"
            name = names.get(key, "")
            if not name and kind != "op":
                outside = _outside_names(self.f) if outside is None else outside
                name = next((n for n, tensor in outside.items() if _key(tensor) == key), "")
            if not name and i == output and kind == "op" and "y" not in taken:
                name = "y"
            op = "" if kind == "leaf" or (kind == "constant" and not seen.follows) else self._op(key, seen)
            gradient = gradients.get(key) if key in self.connected else None
            gradient = _plain(gradient) if isinstance(gradient, torch.Tensor) else gradient
            note = seen.note if seen else ""
            if i != output and gradient is not None and i in arriving:
                note = note or _hooked(sum(arriving[i]), gradient)
            yield Node(
                id=i, kind=kind, op=op, name=name, shape=seen.shape if seen else _shape(key), note=note,
                value=seen.value if seen else _saved_result(key), gradient=gradient,
            )

    def _op(self, key, seen):
        """What f called, where this node is all of that call; else what autograd calls it."""
        if seen is not None and seen.op:
            direct = {link.source for link in self.links[key]}
            if key[0] == "constant" or direct <= set(seen.inputs) or seen.op.startswith("mul"):
                outputs = getattr(key[0], "_input_metadata", ())
                return f"{seen.op} [{key[1]}]" if key[0] != "constant" and len(outputs) > 1 else seen.op
        return _plain_name(key[0])

    def _notes(self):
        if self.recorder.left:
            ways = ", ".join(dict.fromkeys(self.recorder.left))
            yield f"f turned a tensor into a plain number ({ways}); autograd cannot follow what comes from that number."
        if self.recorder.branched:
            yield "f looked at a number to decide its way; only the way it took is recorded."


@contextmanager
def _explained():
    """Inside no_grad; what stops autograd becomes one sentence."""
    try:
        with torch.no_grad():
            yield
    except Exception as error:  # backward of a student's Function may raise anything
        first = (str(error).splitlines() or [""])[0][:160].rstrip(".")
        if "modified by an inplace operation" in first:
            raise ValueError(
                "autograd cannot go back through f: a value that it had saved was changed in place afterwards. "
                "Write y = y + 1 instead of y.add_(1)."
            ) from error
        if "second time" in first or "already been freed" in first:
            raise ValueError(
                "f uses a tensor whose graph an earlier backward() has freed: compute that tensor inside f."
            ) from error
        raise ValueError(f"autograd stopped with {type(error).__name__}: {first}.") from error


def _pulled(function, output, gradient):
    """What the backward function of one operation makes of a gradient of its result, by slot of next_functions."""
    count = len(function._input_metadata)
    if isinstance(function, torch.autograd.function.BackwardCFunction):  # a custom Function cannot be called itself
        grads = [gradient if i == output else _zeros(function, i) for i in range(count)]
        out = function.apply(*grads)
        out = iter([grad for grad, need in zip(_tuple(out), function.needs_input_grad, strict=False) if need])
        return tuple(None if parent is None else next(out, None) for parent, _ in function.next_functions)
    return _tuple(function(*[gradient if i == output else None for i in range(count)]))


def _tuple(out):
    return out if isinstance(out, tuple) else (out,)


def _zeros(function, output):
    like = function._input_metadata[output]
    return torch.zeros(like.shape, dtype=like.dtype)


def _one_like(key):
    like = key[0]._input_metadata[key[1]]
    return torch.ones(like.shape, dtype=like.dtype)


def _probe(like):
    """Numbers of which no two are equal, to tell element by element from everything else."""
    return (1 + torch.arange(like.numel(), dtype=torch.float64).mul(0.618).frac()).to(like.dtype).reshape(like.shape)


def _shape(key):
    return tuple(key[0]._input_metadata[key[1]].shape)


def _saved_result(key):
    """The value of a node inside another operation, where autograd itself has kept it (1/x, exp, log_softmax)."""
    try:
        return _plain(key[0]._saved_result)
    except (AttributeError, RuntimeError):
        return None


def _plain_name(function):
    """AddmmBackward0 -> addmm."""
    name = function.name().split("::")[-1].rstrip("0123456789").removesuffix("Backward")
    if isinstance(function, torch.autograd.function.BackwardCFunction):
        return name
    return "".join(f"_{c.lower()}" if c.isupper() and i else c.lower() for i, c in enumerate(name))


def _hooked(arrived, gradient):
    if np.allclose(arrived, gradient, rtol=1e-3, atol=1e-12, equal_nan=True):
        return ""
    return "a hook changes the gradient here"


def _outside_names(f):
    """Tensors that f finds outside of itself, by the names under which it finds them."""
    if isinstance(f, torch.nn.Module):
        return dict(f.named_parameters())
    code = getattr(f, "__code__", None)
    if code is None:
        return {}
    cells = zip(code.co_freevars, f.__closure__ or (), strict=True)
    reached = {name: cell.cell_contents for name, cell in cells}
    reached |= {name: f.__globals__[name] for name in code.co_names if name in f.__globals__}
    found = {}
    for name, value in reached.items():
        if isinstance(value, torch.Tensor):
            found[name] = value
        elif isinstance(value, torch.nn.Module):
            found |= {f"{name}.{part}": tensor for part, tensor in value.named_parameters()}
    return found
