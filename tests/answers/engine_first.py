"""Answers to K1 and K2 of lesson 10."""

import graphlib

import numpy as np

from course_lib.keys import mini
from course_lib.keys.engine import changed
from tests.answers import own_engine, torch_engine
from tests.answers.bank_10 import bank

# --- K1: each is a right MiniTensor of the course with some methods written in another way ---------------------------

bank.honest("MiniTensor")(mini.MiniTensor)
bank.honest("MiniTensor")(own_engine.MiniTensor)
bank.value("MiniTensor", mini.MiniTensor)


def every_operation_by_itself():
    def minus(self, other):
        a, b = self, self.of(other)
        return self.made(a.data - b.data, (a, lambda g: g), (b, lambda g: -g))

    def over(self, other):
        a, b = self, self.of(other)
        return self.made(a.data / b.data, (a, lambda g: g / b.data), (b, lambda g: -g * a.data / b.data**2))

    def times(self, other):
        a, b = self, self.of(other)
        first, second = np.copy(a.data), np.copy(b.data)
        return self.made(first * second, (a, lambda g: second * g), (b, lambda g: first * g))

    def power(self, n):
        if n == 0:
            return self.of(1.0)
        return self.made(np.power(self.data, n), (self, lambda g: n * np.power(self.data, n - 1) * g))

    return changed(
        "MiniTensor", __sub__=minus, __truediv__=over, __mul__=times, __rmul__=times, __pow__=power,
        __neg__=lambda self: self.made(-self.data, (self, lambda g: -g)),
        __rsub__=lambda self, other: -(self - other), __rtruediv__=lambda self, other: self.of(other) / self,
    )


def powers_and_products_only():
    return changed(
        "MiniTensor", __neg__=lambda self: self * -1, __sub__=lambda self, other: self + other * -1,
        __rsub__=lambda self, other: (self - other) * -1, __rtruediv__=lambda self, other: self**-1 * other,
        __truediv__=lambda self, other: self * (other**-1 if hasattr(other, "data") else 1 / other),
    )


def decided_at_the_end():
    """Keeps every parent, and lets go of what needs no gradient when it is known."""

    def made(data, *parents):
        wanted = [pair for pair in parents if pair[0].requires_grad]
        result = own(data, requires_grad=len(wanted) > 0)
        if result.requires_grad:
            result.parents = wanted
        return result

    own = changed("MiniTensor", made=staticmethod(made))
    return own


for make in (every_operation_by_itself, powers_and_products_only, decided_at_the_end):
    bank.honest("MiniTensor")(make())


def slip(name, words, named=""):
    """A class is made anew by a function here."""

    def add(make):
        bank.slip(name, words, named)(make())
        return make

    return add


@slip("MiniTensor", "your code stopped with an error")
def no_number_on_the_left():
    made = changed("MiniTensor")
    del made.__rsub__, made.__rtruediv__
    return made


@slip("MiniTensor", "the gradient of a is")
def product_halved():
    def times(self, other):
        a, b = self, self.of(other)
        return self.made(a.data * b.data, (a, lambda g: g * b.data / 2), (b, lambda g: g * a.data / 2))

    return changed("MiniTensor", __mul__=times, __rmul__=times)


@slip("MiniTensor", "a MiniTensor")
def power_of_data():
    return changed("MiniTensor", __pow__=lambda self, n: self.data**n)


@slip("MiniTensor", "falls where b rises", named="A18-difference")
def difference_with_one_sign():
    return changed("MiniTensor", __sub__=lambda self, other: self.made(
        self.data - self.of(other).data, (self, lambda g: g), (self.of(other), lambda g: 1 * g)))


bank.slip("MiniTensor", "NumPy alone")(torch_engine.MiniTensor)


# --- K2 --------------------------------------------------------------------------------------------------------------

bank.honest("run_backward")(mini.run_backward)
bank.honest("run_backward")(own_engine.run_backward)


@bank.honest("run_backward")
def counts_the_uses(root, g=None):
    """Goes on from a node when the last of its uses has arrived. A second walk adds."""
    if g is None and root.data.shape != ():
        raise ValueError("say what arrives")
    uses, todo, seen = {}, [root], {root}
    while todo:
        for parent, _ in todo.pop().parents:
            uses[parent] = uses.get(parent, 0) + 1
            if parent not in seen:
                seen.add(parent)
                todo.append(parent)
    arrived, ready = {root: np.array(1.0 if g is None else g)}, [root]
    while ready:
        node = ready.pop()
        total = arrived[node]
        if node.parents == ():
            node.grad = total if node.grad is None else node.grad + total
        for parent, vjp in node.parents:
            arrived[parent] = arrived[parent] + vjp(total) if parent in arrived else vjp(total)
            uses[parent] -= 1
            if uses[parent] == 0:
                ready.append(parent)


@bank.honest("run_backward")
def sorted_by_the_library(root, g=None):
    """A second walk from the same root does nothing."""
    if getattr(root, "walked", False):
        return
    if g is None:
        if root.data.size > 1:
            raise ValueError(f"g is missing for shape {root.data.shape}")
        g = np.ones(root.data.shape)
    sorter, todo, seen = graphlib.TopologicalSorter(), [root], set()
    while todo:
        node = todo.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        sorter.add(node, *[parent for parent, _ in node.parents])
        todo.extend(parent for parent, _ in node.parents)
    order = list(sorter.static_order())
    inside = {node: np.zeros(node.data.shape) for node in order}
    inside[root] = inside[root] + g
    for node in order[::-1]:
        for parent, vjp in node.parents:
            inside[parent] += vjp(inside[node])
    for node in order:
        if not len(node.parents):
            node.grad = inside[node] + (0 if node.grad is None else node.grad)
    root.walked = bool(root.parents)


@bank.honest("run_backward")
def with_generator_stack(root, g=None):
    """Depth first with iterators; a second walk raises, as in PyTorch."""
    if g is None and root.data.size != 1:
        raise ValueError
    if getattr(root, "freed", None):
        raise RuntimeError("Trying to walk back a second time")
    order, seen, stack = [], {id(root)}, [(root, iter(root.parents))]
    while stack:
        node, rest = stack[-1]
        for parent, _ in rest:
            if id(parent) not in seen:
                seen.add(id(parent))
                stack.append((parent, iter(parent.parents)))
                break
        else:
            order.append(node)
            stack.pop()
    grads = {id(node): 0.0 for node in order}
    grads[id(root)] = np.ones_like(root.data) if g is None else np.asarray(g, float)
    while order:
        node = order.pop()
        if node.parents:
            for parent, vjp in node.parents:
                grads[id(parent)] = grads[id(parent)] + vjp(grads[id(node)])
        else:
            node.grad = grads[id(node)] if node.grad is None else grads[id(node)] + node.grad
    root.freed = bool(root.parents)


@bank.slip("run_backward", "the gradient of")
def breadth_first_shares(root, g=None):
    level = [(root, np.ones_like(root.data) if g is None else np.asarray(g))]
    while level:
        below = {}
        for node, share in level:
            if not node.parents:
                node.grad = share if node.grad is None else node.grad + share
            for parent, vjp in node.parents:
                below[id(parent)] = (parent, vjp(share))
        level = list(below.values())


@bank.slip("run_backward", "its .grad is None")
def returned_not_stored(root, g=None):
    return {id(node): node for node in mini.ordered(root)}


@bank.slip("run_backward", "smaller")
def halved(root, g=None):
    if g is None and root.data.size > 1:
        raise ValueError
    mini.run_backward(root, 0.5 if g is None else 0.5 * g)


@bank.slip("run_backward", "overwrite", named="C1")
def leaf_set_not_added(root, g=None):
    leaves = [node for node in mini.ordered(root) if not node.parents]
    for leaf in leaves:
        leaf.grad = None
    mini.run_backward(root, g)


bank.hide("run_backward", r"reversed\(|append\(")
bank.hide("MiniTensor", r"-g \* a\.data / b")
