"""Small programs of lesson 10: sums, products and powers of a few numbers, for torch and for an engine of one's own."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch

from course_lib.recipes import coded
from course_lib.values import show

LETTERS = "abcdefghijklmnopqrstuvwxyz"
OF_TWO = ("+", "-", "*", "/")


def as_data(numbers, needs, steps, g):
    """A program as it travels."""
    return lambda: (numbers, needs, steps, g)


@dataclass(frozen=True)
class Program:
    """A leaf for each of the numbers (or arrays), steps (operation, left, right), and g, which arrives at the last one.

    left and right: the place of a leaf or an earlier result as an int, or a plain number as a float; the right of ** is a
    plain exponent, and neg has none. needs: which leaves require a gradient, all if empty. g: None where run_backward is
    called without.
    """

    numbers: tuple
    steps: tuple
    g: object = None
    needs: tuple = ()

    @property
    def wanted(self):
        return self.needs or (True,) * len(self.numbers)

    def recipe(self):
        """What travels: calling it gives (numbers, needs, steps, g)."""
        numbers, g = ([np.asarray(one).tolist() for one in self.numbers], None if self.g is None else np.asarray(self.g).tolist())
        return coded(as_data, numbers, list(self.wanted), [list(step) for step in self.steps], g, text=self.text)

    @property
    def text(self):
        """The program in words: c = a * b, with a = 2, b = 3."""
        lines = [f"{LETTERS[len(self.numbers) + i]} = {self.formula(step)}" for i, step in enumerate(self.steps)]
        given = ", ".join(f"{LETTERS[i]} = {words(number)}" for i, number in enumerate(self.numbers))
        return f"{'; '.join(lines)}; {given}" + ("" if self.g is None else f"; g = {words(self.g)}")

    def formula(self, step):
        operation, left, right = step
        left = LETTERS[left] if isinstance(left, int) else f"{left:g}"
        if operation == "neg":
            return f"-{left}"
        right = LETTERS[right] if isinstance(right, int) and operation != "**" else f"{right:g}"
        return f"{left} {operation} {right}"

    @cached_property
    @torch.enable_grad()
    def truth(self):
        """(value, gradients, all numbers on the way) by torch, in float64; the gradient of an unused leaf is None."""
        made = [torch.tensor(number, dtype=torch.float64, requires_grad=need)
                for number, need in zip(self.numbers, self.wanted, strict=True)]  # fmt: skip
        leaves = list(made)
        for operation, left, right in self.steps:
            a = made[left] if isinstance(left, int) else left
            b = made[right] if isinstance(right, int) and operation in OF_TWO else right
            made.append(
                -a if operation == "neg" else a**b if operation == "**" else a + b if operation == "+"
                else a - b if operation == "-" else a * b if operation == "*" else a / b
            )  # fmt: skip
        if any(self.wanted):
            root = made[-1]
            root.backward(torch.ones_like(root) if self.g is None else torch.tensor(self.g, dtype=torch.float64))
        grads = [None if leaf.grad is None else leaf.grad.numpy() for leaf in leaves]
        return made[-1].detach().numpy(), grads, [one.detach().numpy() for one in made]


def words(number):
    """A number or a NumPy array in a few words."""
    if not np.ndim(number):
        return show(float(number))
    return show(np.asarray(number, dtype=float)).replace("tensor([", "array([").replace("a tensor of", "an array of")


def off_zero(rng, shape=()):
    """A number, or an array of them, between 0.5 and 1.8 in size, of either sign."""
    made = np.array([rng.choice((-1, 1)) * rng.uniform(0.5, 1.8) for _ in range(int(np.prod(shape)))]).reshape(shape)
    return made if shape else float(made)


def random_program(rng, shapes, steps):
    """A Program on leaves of these shapes: each is used, something more than once, and no number is tiny or huge."""
    while True:
        numbers, made = tuple(off_zero(rng, shape) for shape in shapes), []
        for count in range(len(shapes), len(shapes) + steps):
            operation = rng.choice((*OF_TWO, *OF_TWO, "**", "neg"))
            right = rng.choice((2, 3, -1)) if operation == "**" else rng.randrange(count)
            made.append((operation, rng.choice((count - 1, rng.randrange(count))), right))
        value, grads, between = Program(numbers, tuple(made)).truth
        sizes = np.concatenate([np.abs(one).ravel() for one in (*between, *grads) if one is not None])
        used = [one for operation, *both in made for one in (both if operation in OF_TWO else both[:1])]
        if None in [None if one is None else 0 for one in grads] or len(set(used)) == len(used):
            continue
        if ((sizes > 0.01) & (sizes < 50)).all():
            return Program(numbers, tuple(made), off_zero(rng, value.shape))
