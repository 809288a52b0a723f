"""Answers to K5c and K5d of lesson 10."""

import contextlib

import numpy as np

from course_lib.keys import mini
from course_lib.keys.engine import changed
from course_lib.keys.mini import MiniTensor, run_backward  # noqa: F401 (the rest of their engine)
from tests.answers import own_network
from tests.answers.bank_10 import bank

# --- K5c -------------------------------------------------------------------------------------------------------------

for right in (mini.MiniSGD, own_network.MiniSGD):
    bank.honest("MiniSGD")(right)
bank.value("MiniSGD", mini.MiniSGD)


@bank.honest("MiniSGD")
class InPlace:
    def __init__(self, params, lr=0.01):
        self.params = tuple(params)
        self.lr = lr

    def step(self):
        for p in self.params:
            if p.grad is None:
                continue
            p.data -= self.lr * p.grad

    def zero_grad(self):
        for p in self.params:
            if p.grad is not None:
                p.grad = p.grad * 0.0


@bank.honest("MiniSGD")
class ByIndex:
    def __init__(self, params, lr):
        self.params, self.lr = [*params], lr

    def with_gradient(self):
        return [p for p in self.params if p.grad is not None]

    def step(self):
        for p in self.with_gradient():
            np.subtract(p.data, np.multiply(self.lr, p.grad), out=p.data)

    def zero_grad(self):
        for i in range(len(self.params)):
            self.params[i].grad = None


@bank.honest("MiniSGD")
class Filled:
    def __init__(self, params, lr):
        self.lr, self.params = lr, []
        for p in params:
            self.params.append(p)

    def step(self):
        for p in self.params:
            p.data = p.data - (0 if p.grad is None else self.lr * p.grad)

    def zero_grad(self):
        for p in self.params:
            if p.grad is not None:
                p.grad.fill(0.0)


def optimiser(step=None, zero=None, keep=list):
    class Slipped(mini.MiniSGD):
        def __init__(self, params, lr):
            self.params, self.lr = keep(params), lr

    if step:
        Slipped.step = step
    if zero:
        Slipped.zero_grad = zero
    return Slipped


def slip(words, named="", **parts):
    bank.slip("MiniSGD", words, named)(optimiser(**parts))


def halved(self):
    for p in self.params:
        if p.grad is not None:
            p.data = p.data - self.lr * p.grad / 2


def only_the_last(self):
    p = self.params[-1]
    p.data = p.data - self.lr * p.grad


def sign_of_it(self):
    for p in self.params:
        if p.grad is not None:
            p.data = p.data - self.lr * np.sign(p.grad)


def local_name(self):
    for p in self.params:
        if p.grad is not None:
            p = p.data - self.lr * p.grad


def stops_at_none(self):
    for p in self.params:
        if p.grad is None:
            return
        p.data = p.data - self.lr * p.grad


def first_only(self):
    self.params[0].grad = None


def gradient_scaled(self):
    for p in self.params:
        if p.grad is not None:
            p.grad *= self.lr
            p.data -= p.grad


def requires_none(self):
    for p in self.params:
        p.requires_grad = False


slip("parameter 1 after step 1", step=halved)
slip("parameter 1 after step 1", step=only_the_last)
slip("parameter 1 after step 1", step=sign_of_it)
slip("the model holds the old one", named="F5", step=local_name)
slip("parameter", step=stops_at_none)
slip("a .grad is still there", zero=first_only)
slip("step() leaves every .grad as it was", step=gradient_scaled)
slip("The next walk would add", named="F1", zero=requires_none)

bank.hide("MiniSGD", r"p\.data = p\.data -|p\.data -= ")

# --- K5d -------------------------------------------------------------------------------------------------------------

for right in (mini.mini_no_grad, own_network.mini_no_grad):
    bank.honest("mini_no_grad")(right)


@bank.honest("mini_no_grad")
class Switch:
    """A class; one object for each block."""

    def __enter__(self):
        self.was = MiniTensor.recording
        MiniTensor.recording = False
        return self

    def __exit__(self, kind, error, trace):
        MiniTensor.recording = self.was


@bank.honest("mini_no_grad")
def by_a_stack():
    """An ExitStack that puts back what was there."""
    stack = contextlib.ExitStack()
    stack.callback(setattr, MiniTensor, "recording", MiniTensor.recording)
    MiniTensor.recording = False
    return stack


@bank.honest("mini_no_grad")
@contextlib.contextmanager
def counted_blocks():
    """How many blocks are open; recording is on when none is."""
    MiniTensor.blocks = getattr(MiniTensor, "blocks", 0) + 1
    MiniTensor.recording = False
    try:
        yield
    except BaseException:
        raise
    finally:
        MiniTensor.blocks -= 1
        MiniTensor.recording = MiniTensor.blocks == 0


def with_an_engine_of_its_own():
    """A flag of another name, in `made` and in the manager alike."""

    def made(data, *parents):
        needed = [pair for pair in parents if pair[0].requires_grad and not getattr(tensor, "asleep", False)]
        result = tensor(data, requires_grad=bool(needed))
        result.parents = tuple(needed)
        return result

    base = changed("MiniTensor", made=staticmethod(made))
    tensor = base
    names = mini.names_of(base)
    exec(
        "@contextlib.contextmanager\ndef mini_no_grad():\n    before = getattr(MiniTensor, 'asleep', False)\n"
        "    MiniTensor.asleep = True\n    try:\n        yield\n    finally:\n        MiniTensor.asleep = before\n", names,
    )
    return names["mini_no_grad"]


bank.honest("mini_no_grad")(with_an_engine_of_its_own())


@bank.slip("mini_no_grad", "Inside your block everything is recorded as before", named="nothing-off")
@contextlib.contextmanager
def another_name():
    MiniTensor.record = False
    yield
    MiniTensor.record = True


@bank.slip("mini_no_grad", "after the block nothing is recorded")
@contextlib.contextmanager
def turned_round():
    MiniTensor.recording = not MiniTensor.recording
    try:
        yield
    finally:
        MiniTensor.recording = False


@bank.slip("mini_no_grad", "inside the inner block a result requires a gradient")
@contextlib.contextmanager
def toggled():
    MiniTensor.recording = not MiniTensor.recording
    try:
        yield
    finally:
        MiniTensor.recording = not MiniTensor.recording


@bank.slip("mini_no_grad", "your code stopped with an error", named="no-manager")
def plain_generator():
    was = MiniTensor.recording
    MiniTensor.recording = False
    yield
    MiniTensor.recording = was


class OfAnInstance:
    """Sets it on an object, not on the class."""

    def __enter__(self):
        self.t = MiniTensor(0.0)
        self.t.recording = False

    def __exit__(self, *_):
        self.t.recording = True


bank.slip("mini_no_grad", "Inside your block everything is recorded as before", named="nothing-off")(OfAnInstance)


class SaysItIsHandled(Switch):
    def __exit__(self, kind, error, trace):
        MiniTensor.recording = self.was
        return True


bank.slip("mini_no_grad", "An exception in the block is lost", named="swallowed")(SaysItIsHandled)

bank.hide("mini_no_grad", r"MiniTensor\.recording = False|MiniTensor\.recording, False")
