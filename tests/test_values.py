"""Values of questions and answers in a few words."""

import numpy as np
import pytest
import torch

from course_lib.formula import Formula, x
from course_lib.observe import Array, Dtype, Other, describe
from course_lib.values import show, truth_of

SQUARE = Formula(x**2, x)


@pytest.mark.parametrize(
    "value, text",
    [
        (-1.3, "−1.3"), (1 / 3, "0.3333"), (1e-12, "1e−12"), (3, "3"), (True, "True"), (None, "None"), ("D", "'D'"),
        (SQUARE, "x²"), (Dtype("float32"), "torch.float32"), (np.array(0.5), "0.5"),
        (np.ones((2, 3)), "tensor([[1, 1, 1], [1, 1, 1]])"), (np.ones((4, 4)), "a tensor of shape (4, 4)"),
        (describe(torch.tensor(0.5)), "0.5 (a tensor of float32)"), ({"a": 1, "b\u202ec\x1b": 2.0}, "{a: 1, b\ufffdc\ufffd: 2}"),
        (describe(torch.ones(2, 3)), "a tensor of shape (2, 3)"),
        (describe(np.ones(2)), "a NumPy array of shape (2,)"),
        (describe((torch.ones(1), 2)), "(a tensor of shape (1,), 2)"),
        (describe((torch.ones(1),)), "(a tensor of shape (1,),)"),
        (describe([torch.ones(1)]), "[a tensor of shape (1,)]"),
        (describe({"a": torch.ones(1)}), "{a: a tensor of shape (1,)}"), (describe(...), "..."), (describe(1j), "1j"),
    ],
)  # fmt: skip
def test_values_are_shown_in_a_few_words(value, text):
    assert show(value) == text


def test_long_values_are_cut():
    for value in (["x" * 500] * 9, {"k" * 500: 1}, "x" * 500, Other(type="T", text="t" * 120)):
        assert len(show(value)) < 140
    assert isinstance(describe(torch.ones(1)), Array)


@pytest.mark.parametrize(
    "answer, truth",
    [
        (True, True), (False, False), (np.bool_(True), True), (torch.tensor(False), False), (1, None), (0.0, None),
        ("True", None), (None, None), (torch.tensor([True]), None), (torch.tensor([True, False]), None),
        (torch.tensor(1.0), None), ([True], None),
    ],
)  # fmt: skip
def test_only_a_single_true_or_false_is_a_truth(answer, truth):
    assert truth_of(describe(answer)) is truth
