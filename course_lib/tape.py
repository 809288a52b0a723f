"""What autograd recorded: Tape(recorder, y, leaves) has the nodes behind y in the order in which f computed them.

It asks autograd itself for their numbers: gradients, what each operation sends back, and its local derivatives.
"""

from contextlib import contextmanager
from dataclasses import dataclass

import torch

from course_lib.recorder import key_of, plain


@dataclass
class Link:
    """An edge from the node with key `source`: slot is its place in next_functions, None if autograd has none."""

    source: tuple
    position: int
    slot: int | None = None


class Tape:
    """order: keys of all nodes, inputs first; links: for each key, to its inputs; connected: what backward reaches.

    After run(v): gradients, for each key that has one. also: keys that belong to the tape although y does not need them.
    """

    def __init__(self, recorder, y, leaves, also=()):
        self.recorder, self.y, self.root = recorder, y, key_of(y)
        self.variables = {key_of(leaf): leaf for leaf in leaves}
        self.links, self.connected, self.gradients, self.sent = {}, set(), {}, {}
        self.order = self._ordered(list(self.variables), also)
        self._connect()
        self.results = {}  # how many results of one operation are nodes
        for key in self.order:
            self.results[key[0]] = self.results.get(key[0], 0) + 1

    def _ordered(self, given, also):
        """All keys: the given leaves first, then in the order in which f computed them."""
        after = self._post_order([*also, self.root])
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
        return given + sorted((key for key in after if key not in given), key=lambda key: (place[key], rank[key]))

    def _post_order(self, roots):
        """Keys, inputs before results; a loop, since a chain may be longer than Python's stack is deep."""
        order, stack = [], [(root, False) for root in reversed(roots)]
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
            return [Link(source, i) for i, source in enumerate(seen.inputs)] if seen.follows else []
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
            links.append(Link(source, position, slot))
        links += [Link(source, i) for i, source in enumerate(waiting) if source and source[0] == "constant"]
        return sorted(links, key=lambda link: link.position)

    def _source(self, parent, output):
        variable = getattr(parent, "variable", None)
        if variable is None:
            return parent, output
        key = key_of(variable)
        self.variables.setdefault(key, variable)
        self.recorder.meet(variable)
        return key

    def _connect(self):
        stack = [self.root]
        while stack:
            key = stack.pop()
            if key not in self.connected and key[0] != "constant":
                self.connected.add(key)
                stack += [link.source for link in self.links.get(key, ()) if link.slot is not None]

    def run(self, cotangent):
        """One backward pass of autograd itself, with hooks on every node; it writes no .grad."""
        if self.root[0] in ("leaf", "constant"):
            self.gradients = {self.root: cotangent} if self.root[0] == "leaf" else {}
            return
        leaves = [key for key in self.variables if key in self.connected]
        functions = dict.fromkeys(key[0] for key in self.connected if key[0] != "leaf")
        handles = [function.register_hook(self._hook(function)) for function in functions]
        with _explained():
            try:
                found = torch.autograd.grad(
                    self.y, [self.variables[key] for key in leaves], cotangent, retain_graph=True, allow_unused=True
                )
            finally:
                for handle in handles:
                    handle.remove()
        self.gradients |= {key: grad for key, grad in zip(leaves, found, strict=True) if grad is not None}

    def _hook(self, function):
        def keep(grad_inputs, grad_outputs):
            self.sent[function] = grad_inputs
            for output, gradient in enumerate(grad_outputs):
                if gradient is not None:
                    self.gradients[function, output] = gradient

        return keep

    def shares(self, key):
        """What the operation of this node sends to each slot, () if nothing."""
        gradient = self.gradients.get(key)
        if gradient is None or key[0] == "leaf":
            return ()
        if self.results[key[0]] == 1:
            return self.sent.get(key[0], ())
        with _explained():  # several results of one operation: each sends its own share
            return _pulled(*key, gradient)

    def locals(self, key):
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
                    found[link.slot] = plain(by)
        return found

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
    out = out if isinstance(out, tuple) else (out,)
    return tuple(grad if grad is None or grad.layout is torch.strided else grad.to_dense() for grad in out)


def _zeros(function, output):
    like = function._input_metadata[output]
    return torch.zeros(like.shape, dtype=like.dtype)


def _one_like(key):
    like = key[0]._input_metadata[key[1]]
    return torch.ones(like.shape, dtype=like.dtype)


def _probe(like):
    """Numbers of which no two are equal, to tell element by element from everything else."""
    return (1 + torch.arange(like.numel(), dtype=torch.float64).mul(0.618).frac()).to(like.dtype).reshape(like.shape)


def shape_of(key):
    return tuple(key[0]._input_metadata[key[1]].shape)


def saved_result(key):
    """The value of a node inside another operation, where autograd itself has kept it (1/x, exp, log_softmax)."""
    try:
        return plain(key[0]._saved_result)
    except (AttributeError, RuntimeError):
        return None
