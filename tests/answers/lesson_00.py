"""Answers to lesson 00 as students write them."""

import numpy as np
import torch

from course_lib.exercise import all_exercises
from course_lib.judge import LocalSource, judge
from tests.answers import LEAF, Bank, after

bank = Bank("00", seeds=20)

@bank.honest("twice")
def number_times_tensor(x):
    print("x is", x)
    return 2 * x


@bank.honest("twice")
def added_to_itself(x):
    return x + x


@bank.honest("twice")
def doubled_copy_in_place(x):
    y = x.clone()
    y *= 2
    return y


@bank.honest("twice")
def entry_by_entry(x):
    return torch.stack([value * 2 for value in x])


@bank.honest("twice")
def through_numpy(x):
    return torch.from_numpy(x.numpy() * 2)


@bank.honest("twice")
def list_in_between(x):
    return torch.tensor([2 * value for value in x.tolist()], dtype=x.dtype)


@bank.honest("twice")
def result_that_requires_grad(x):
    return x.detach().clone().requires_grad_() * 2


@bank.honest("outer_sum")
def column_plus_row(a, b):
    return a[:, None] + b


@bank.honest("outer_sum")
def unsqueezed(a, b):
    return a.unsqueeze(1) + b.unsqueeze(0)


@bank.honest("outer_sum")
def rows_stacked(a, b):
    return torch.stack([one + b for one in a])


@bank.honest("outer_sum")
def two_loops_into_float32(a, b):
    table = torch.zeros(len(a), len(b))
    for i in range(len(a)):
        for j in range(len(b)):
            table[i, j] = a[i] + b[j]
    return table


@bank.honest("outer_sum")
def meshgrid(a, b):
    left, right = torch.meshgrid(a, b, indexing="ij")
    return left + right


@bank.honest("outer_sum")
def outer_with_ones(a, b):
    return torch.outer(a, torch.ones_like(b)) + torch.outer(torch.ones_like(a), b)


@bank.honest("outer_sum")
def through_numpy_outer(a, b):
    return torch.tensor(np.add.outer(a.numpy(), b.numpy()))


LEVELS = ("derivatives by hand", "partial derivatives", "chain rule", "matrices", "Python", "PyTorch")
bank.value("first_backward_order", ["D", "B", "E", "C", "A"])
bank.value("first_backward_order", ("D", "B", "E", "C", "A"))
bank.value("prior_knowledge", {topic: 3 for topic in LEVELS})

bank.hide("twice", r"2 \* x|x \* 2")
bank.hide("outer_sum", r"a\[:, None\] \+ b")
bank.hide("first_backward_order", r"D\W*B\W*E\W*C\W*A")


def an_answer_without_a_cause_is_right():
    verdict = judge(all_exercises()["twice"], LocalSource(lambda x: x + [2]))
    assert not verdict.sentence
    return verdict.passed


bank.computed = {
    "00-double": lambda: after("x = torch.tensor([1.5, -2])", "y = x", "y *= 2").x[0].item(),
    "00-broadcast": lambda: tuple((torch.ones(5, 1) + torch.ones(3)).shape),
    "00-dtype": lambda: (torch.tensor(0.1) == torch.tensor(0.1, dtype=torch.float64)).item(),
    "00-exit-shape": lambda: tuple((torch.ones(4, 1, 3) + torch.ones(2, 3)).shape),
    "00-exit-grad": lambda: str(after(LEAF, "y = x * x").x.grad),
    "00-exit-verdict": an_answer_without_a_cause_is_right,
}
