"""See what autograd records: trace(f, x=0.7) runs f once and returns its computation graph as plain data.

A Graph has nodes in the order in which f computed them (one per tensor: value, gradient, shape, operation) and edges
from input to result (local derivative, and the contribution that backward sends along it). It holds Python numbers and
NumPy arrays, no tensors. f runs on copies: the caller's tensors, their .grad, the random numbers and the grad mode stay
as they are. What cannot be traced is refused with one sentence (TypeError, ValueError).
"""

import inspect
import warnings
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch

from course_lib.recorder import Recorder, key_of, name_of, outside_names, plain
from course_lib.tape import Tape, saved_result, shape_of

NOT_FOLLOWED = (
    "f leaves torch, so autograd cannot follow it: use torch.sin instead of math.sin, and no .item() or "
    "torch.tensor(…) inside f."
)

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

    local: the derivative of target by source: a float, an array if the operation works element by element, else None.
    contribution: what backward sends along this edge to source, None if nothing. cut: autograd does not know the edge.
    """

    source: int
    target: int
    position: int
    local: object = None
    contribution: object = None
    cut: bool = False


@dataclass(frozen=True, kw_only=True, eq=False)
class Graph:
    """nodes[i].id is i; every edge leads to a later node. output: id of the result; notes: sentences about it all."""

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
    copies = leaves_of(leaves)
    with untouched():
        recorder = Recorder(f)
        for leaf in copies.values():
            recorder.meet(leaf)
        y = _run(f, copies, recorder)
        recorder.meet(y)
        try:
            tape = Tape(recorder, y, copies.values())
            _refuse_complex(recorder, tape)
            tape.run(cotangent_of(y, cotangent))
            return _graph(f, copies, recorder, tape)
        finally:
            recorder.restore_grads()


# --- running f -------------------------------------------------------------------------------------------------------


def leaves_of(leaves):
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
def untouched():
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
    args, kwargs = arguments_of(f, copies)
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


def arguments_of(f, copies):
    """By name where f has such parameters, else in order; a Formula's order is that of its symbols."""
    symbols = [str(symbol) for symbol in getattr(f, "symbols", ())]
    if sorted(symbols) == sorted(copies):
        return [copies[symbol] for symbol in symbols], {}
    try:
        signature = inspect.signature(getattr(f, "forward", f))
    except (TypeError, ValueError):  # torch.sin and other built-in functions have none
        return list(copies.values()), {}
    names = list(signature.parameters)
    with suppress(TypeError):
        signature.bind(**copies)
        return [], copies
    with suppress(TypeError):
        signature.bind(*copies.values())
        if names[: len(copies)] == list(copies) or not set(names) & set(copies):
            return list(copies.values()), {}
    raise TypeError(f"f takes {signature}, and the leaves are {', '.join(copies)}.")


def cotangent_of(y, cotangent):
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


# --- from what was recorded to a Graph -------------------------------------------------------------------------------


def _refuse_complex(recorder, tape):
    if any(np.iscomplexobj(recorder.seen[key].value) for key in tape.order if key in recorder.seen):
        raise TypeError("f computes with complex numbers on the way: a graph can show real ones only.")


def _graph(f, copies, recorder, tape):
    edges = _edges(tape)
    names = recorder.names() | {key_of(leaf): name for name, leaf in copies.items()}
    return Graph(
        nodes=tuple(nodes_of(f, recorder, tape, edges, names)), edges=tuple(edges),
        output=tape.order.index(tape.root), notes=tuple(_notes(recorder)),
    )


def _edges(tape):
    ids = {key: i for i, key in enumerate(tape.order)}
    edges = []
    for key in tape.order:
        local, shares = tape.locals(key), tape.shares(key)
        for link in tape.links.get(key, ()):
            share = shares[link.slot] if link.slot is not None and shares else None
            edges.append(Edge(
                source=ids[link.source], target=ids[key], position=link.position, cut=link.slot is None,
                local=local.get(link.slot), contribution=None if share is None else plain(share),
            ))
    return edges


def nodes_of(f, recorder, tape, edges, names):
    arrived, outside = {}, None
    for edge in edges:
        if edge.contribution is not None:
            arrived[edge.source] = arrived.get(edge.source, 0) + edge.contribution
    for i, key in enumerate(tape.order):
        seen = recorder.seen.get(key)
        kind = key[0] if key[0] in ("leaf", "constant") else "op"
        if key not in names and not (seen and seen.op):
            outside = outside_names(f) if outside is None else outside
            names.setdefault(key, outside.get(key, ""))
        if key == tape.root and kind == "op" and not names.get(key) and "y" not in names.values():
            names[key] = "y"
        gradient = tape.gradients.get(key)
        gradient = None if gradient is None else plain(gradient)
        note = seen.note if seen else ""
        if key != tape.root and gradient is not None and _hooked(arrived.get(i), gradient):
            note = "a hook changes the gradient here"
        given = kind == "leaf" or (kind == "constant" and not seen.follows)
        yield Node(
            id=i, kind=kind, op="" if given else _op(tape, key, seen), name=names.get(key, ""), gradient=gradient,
            shape=seen.shape if seen else shape_of(key), value=seen.value if seen else saved_result(key), note=note,
        )


def _op(tape, key, seen):
    """What f called, where this node is all of that call; else what autograd calls it."""
    if key[0] == "constant":
        return seen.op
    if seen is not None and seen.op:
        direct = {link.source for link in tape.links[key]} <= set(seen.inputs)
        if direct or seen.op.split()[0] == name_of(key[0]):  # 3 / x is a reciprocal and then mul 3
            return f"{seen.op.split()[0]} [{key[1]}]" if len(key[0]._input_metadata) > 1 else seen.op
    return name_of(key[0])


def _hooked(arrived, gradient):
    """Whether the gradient is another one than that which arrived."""
    return arrived is not None and not np.allclose(arrived, gradient, rtol=1e-3, atol=1e-12, equal_nan=True)


def _notes(recorder):
    if recorder.left:
        ways = ", ".join(dict.fromkeys(recorder.left))
        yield f"f turned a tensor into a plain number ({ways}); autograd cannot follow what comes from that number."
    if recorder.branched:
        yield "f looked at a number to decide its way; only the way it took is recorded."
