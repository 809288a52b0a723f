"""The dial shows what a backward returns, beside what differences say of its forward; the walk, where training leads."""

import math

import numpy as np
import pytest
import torch

from course_lib.explore_09 import staircase_walk, upstream_dial

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


# --- down a staircase ------------------------------------------------------------------------------------------------

DATA = torch.tensor([0.7, -1.3, 1.6, 0.4], dtype=torch.float64)


class Through(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return torch.round(x)

    @staticmethod
    def backward(ctx, g):
        return g


def trained(rounding, w, lr, steps):
    """(w, loss) by torch's own optimiser."""
    w = torch.nn.Parameter(torch.tensor(w, dtype=torch.float64))
    optimiser = torch.optim.SGD([w], lr=lr)
    for _ in range(steps):
        optimiser.zero_grad()
        torch.nn.functional.mse_loss(rounding(w) * DATA, 4 * DATA).backward()
        optimiser.step()
    return [w.item(), torch.nn.functional.mse_loss(rounding(w) * DATA, 4 * DATA).item()]


def stops(explorer):
    (line,) = [line for line in explorer.scene.figure.axes[0].lines if line.get_label() == "where w has been"]
    return line.get_xydata()


@pytest.mark.parametrize("function", [None, Through])
@pytest.mark.parametrize("start, lr, steps", [(0.25, 1 / 16, 3), (-1.0, 5 / 32, 24), (3.0, 0.75, 9)])
def test_the_walk_is_that_of_an_optimiser(function, start, lr, steps):
    explorer = staircase_walk(function).set(start=start, lr=lr, steps=steps)
    walked = stops(explorer)
    assert len(walked) == steps + 1
    for count in (0, 1, steps):
        assert walked[count].tolist() == pytest.approx(trained(Through.apply, start, lr, count), rel=1e-9)


def test_with_the_true_slope_w_stays_where_it_is():
    walked = stops(staircase_walk().set(way="true slope", lr=1, steps=24))
    assert np.ptp(walked[:, 0]) == 0 and trained(torch.round, 0.25, 1.0, 24)[0] == 0.25


def test_the_steps_of_the_staircase_are_the_losses_of_whole_numbers():
    (stairs,) = staircase_walk().scene.figure.axes[0].patches
    heights, edges, _ = stairs.get_data()
    wholes = torch.tensor((edges[:-1] + edges[1:]) / 2)
    losses = ((wholes[:, None] * DATA - 4 * DATA) ** 2).mean(1)
    assert torch.equal(wholes, wholes.round()) and np.allclose(heights, losses)


@pytest.mark.parametrize("values, done", [
    ({"lr": 13 / 32, "steps": 1}, [True, False]),
    ({"lr": 13 / 32, "steps": 2}, [False, False]),
    ({"lr": 13 / 32, "steps": 1, "start": 2}, [False, False]),
    ({"lr": 13 / 32, "steps": 1, "way": "true slope"}, [False, False]),
    ({"lr": 23 / 32, "steps": 24}, [False, True]),
    ({"lr": 23 / 32, "steps": 10}, [False, False]),
    ({"lr": 1, "steps": 24}, [False, False]),  # it runs away
    ({"lr": 0.25, "steps": 24}, [False, False]),  # it settles
])
def test_the_tasks_of_the_walk_ask_for_what_they_say(values, done):
    assert staircase_walk().set(**values).done == done


def test_the_words_of_the_walk_have_its_numbers():
    explorer = staircase_walk().set(lr=0.125, steps=1)
    assert explorer.text == (
        "straight through, lr = 0.125, from 0.25, after 1 step: w = 1.475, the model uses 1, loss 11; the slope it follows "
        "here is −7.35."
    )
