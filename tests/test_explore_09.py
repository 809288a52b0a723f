"""The dial shows what a backward returns, beside what differences say of its forward."""

import math

import numpy as np
import pytest
import torch

from course_lib.explore_09 import upstream_dial

SLOPES = {"A": lambda x: 2 * x, "B": lambda x: 3 * x * x, "C": math.exp, "D": math.cos}


def dot(explorer):
    (line,) = [line for line in explorer.scene.figure.axes[0].lines if line.get_label() == "answer"]
    return line.get_xydata()[0].tolist()


def slope_of(explorer, label):
    (line,) = [line for line in explorer.scene.figure.axes[0].lines if line.get_label() == label]
    (x0, x1), (y0, y1) = line.get_data()
    return (y1 - y0) / (x1 - x0)


@pytest.mark.parametrize("letter", "ABCD")
@pytest.mark.parametrize("x", [0.75, -1.25])
def test_the_dashed_line_is_the_true_slope_of_forward(letter, x):
    explorer = upstream_dial().set(letter=letter, x=x)
    assert slope_of(explorer, "g × slope") == pytest.approx(SLOPES[letter](x), rel=1e-7)


@pytest.mark.parametrize("letter, proportional, right", [("A", True, True), ("B", True, False), ("C", False, True),
                                                         ("D", True, True)])
def test_only_one_is_frozen_and_only_one_has_a_wrong_factor(letter, proportional, right):
    explorer = upstream_dial().set(letter=letter, x=0.75)
    answers = np.array([dot(explorer.set(g=g)) for g in (-2, 0.5, 1, 3)])
    expected = answers[:, 0] * slope_of(explorer, "g × the answer for 1")
    assert np.allclose(answers[:, 1], expected) == proportional
    assert np.allclose(answers[2, 1], SLOPES[letter](0.75)) == right
    if not proportional:
        assert np.ptp(answers[:, 1]) == 0


def test_the_sentence_has_numbers_and_no_verdict():
    explorer = upstream_dial().set(letter="B", g=2)
    assert explorer.text == (
        "B at x = 0.75: backward with grad_output 2 returns 1.12, with grad_output 1 it returns 0.562; the slope of "
        "forward, by differences, is 1.69."
    )


def test_each_task_takes_its_letter_only():
    for letter in "ABD":
        assert upstream_dial().set(ignores=letter).done == [False, False]
    for letter in "ACD":
        assert upstream_dial().set(factor=letter).done == [False, False]
    assert upstream_dial().set(ignores="C", factor="B").done == [True, True]


class Clipped(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return 1 * x

    @staticmethod
    def backward(ctx, grad_output):
        return grad_output.clamp(-1, 1)


@pytest.mark.parametrize("function", [Clipped, Clipped.apply])
def test_a_students_function_is_one_more_choice(function):
    explorer = upstream_dial(function).set(g=3)
    assert explorer.values["letter"] == "yours" and dot(explorer) == [3, 1]
    assert "returns 1, with grad_output 1 it returns 1; the slope of forward, by differences, is 1." in explorer.text


@pytest.mark.parametrize(
    "function, words", [(3, "got int"), (torch.nn.Linear, "got type"), (lambda x: x.detach(), "no grad_fn"),
                        (lambda x: torch.stack([x, x]), "one number")]
)
def test_what_has_no_backward_is_refused(function, words):
    with pytest.raises(TypeError, match=words):
        upstream_dial(function)


def test_a_backward_that_raises_is_a_sentence_and_the_dial_goes_on():
    class Picky(Clipped):
        @staticmethod
        def backward(ctx, grad_output):
            if grad_output.item() < 0:
                raise ValueError("no negative gradients here")
            return grad_output

    explorer = upstream_dial(Picky).set(g=-1)
    assert explorer.failed and explorer.text == "ValueError: no negative gradients here"
    assert not explorer.set(g=1).failed
