"""The dial walks as the closed form says, and its tasks are at 2/λmax and 1/λmax."""

import numpy as np
import pytest

from course_lib import loops
from course_lib.bowls import START, Bowl, descend
from course_lib.explore_07 import learning_rate_dial, loop_builder, walk
from course_lib.views import ROOM


def line(explorer, axes, label):
    ax = explorer.scene.figure.axes[axes]
    return np.array(next(one for one in ax.lines if one.get_label() == label).get_data())


@pytest.mark.parametrize("lr, curvature", [(0.1, (1, 4)), (0.6, (3, 0.5)), (0, (1, 1))])
def test_each_coordinate_shrinks_by_its_own_factor(lr, curvature):
    path, losses = walk(lr, np.array(curvature, dtype=float))
    factors = 1 - lr * np.array(curvature)
    wanted = np.array(START) * factors ** np.arange(25)[:, None]
    assert path == pytest.approx(wanted) and losses == pytest.approx((wanted**2 @ np.array(curvature)) / 2)


def test_path_and_losses_are_drawn():
    explorer = learning_rate_dial().set(lr=0.25, lambda0=2, lambda1=3)
    path, losses = walk(0.25, np.array([2.0, 3.0]))
    assert line(explorer, 0, "steps") == pytest.approx(path.T)
    assert line(explorer, 1, "loss")[1] == pytest.approx(np.maximum(losses, 1e-7))


def test_contours_are_lines_of_equal_loss_that_follow_the_bowl():
    u, v = line(learning_rate_dial().set(lambda0=2, lambda1=8), 0, "equal loss")
    losses = (2 * u**2 + 8 * v**2) / 2
    pieces = np.split(losses, np.flatnonzero(np.isnan(losses)))
    assert len(pieces) >= 6
    for piece in pieces[:-1]:
        assert np.nanmax(piece) == pytest.approx(np.nanmin(piece))


@pytest.mark.parametrize("lambda0, lambda1", [(1, 4), (8, 2), (1, 3)])
def test_the_largest_converging_stop_is_the_task(lambda0, lambda1):
    limit = 2 / max(lambda0, lambda1)
    stops = np.arange(0, 2 + 1e-9, 1 / 64)
    best = stops[stops < limit].max()
    for lr in (best - 1 / 64, best + 1 / 64, 0, 2):
        assert not learning_rate_dial().set(lr=lr, lambda0=lambda0, lambda1=lambda1).done[0]
    explorer = learning_rate_dial().set(lr=best, lambda0=lambda0, lambda1=lambda1)
    assert explorer.done[0] and "it converges" in explorer.text
    loss = line(explorer, 1, "loss")[1]
    assert loss[-1] < loss[0]


def test_two_equal_curvatures_do_not_count():
    explorer = learning_rate_dial().set(lr=1 - 1 / 64, lambda0=2, lambda1=2)
    assert explorer.done == [False, False] and "two different λ" in explorer.task_lines()[0]


@pytest.mark.parametrize("lambda0, lambda1", [(1, 4), (3, 1)])
def test_one_step_across_the_steep_direction_is_one_over_its_curvature(lambda0, lambda1):
    lr = round(64 / max(lambda0, lambda1)) / 64
    assert learning_rate_dial().set(lr=lr, lambda0=lambda0, lambda1=lambda1).done == [False, True]
    assert not learning_rate_dial().set(lr=lr + 1 / 64, lambda0=lambda0, lambda1=lambda1).done[1]


@pytest.mark.parametrize("lr, words", [(0.5, "to and fro for ever"), (0.75, "it diverges"), (0, "stands still")])
def test_the_edge_and_beyond_have_their_words(lr, words):
    assert words in learning_rate_dial().set(lr=lr).text


def test_the_sentence_has_the_factors():
    assert learning_rate_dial().text == (
        "λ = (1, 4), lr = 0.0625, 2/λmax = 0.5: it converges. Each step multiplies u and v by 1 − lr·λ = "
        "(0.938, 0.75); loss 4.16 → 0.0578."
    )


def curved(u, v):
    return (1 - u) ** 2 / 4 + (v - u**2) ** 2


def test_the_students_own_bowl_is_walked_and_its_floor_named():
    explorer = learning_rate_dial(curved).set(lr=0.125)
    path, losses = descend(Bowl(curved), 0.125, 24)
    assert line(explorer, 0, "steps") == pytest.approx(path.T) and line(explorer, 1, "loss")[1] == pytest.approx(losses)
    assert "The lowest point is (1, 1); there λmax = 10.4" in explorer.text  # of [[8.5, −4], [−4, 2]], by SymPy


def test_on_the_usual_bowl_the_edge_is_two_over_lambda_max():
    explorer = learning_rate_dial(lambda u, v: (u**2 + 4 * v**2) / 2)
    for lr, done in ((0.375, [False, False]), (0.5, [True, False]), (0.5 + 1 / 64, [True, True])):
        assert explorer.set(lr=lr).done == done
    assert "rises at step" in explorer.text


def test_a_walk_that_leaves_the_picture_has_its_words_and_ends_there():
    explorer = learning_rate_dial(curved)
    u, v = line(explorer.set(lr=0.375), 0, "steps")
    assert "beyond all numbers" in explorer.text and np.nanmax(np.abs([u, v])) < 50


def test_the_builder_runs_on_the_students_own_bowl():
    explorer = loop_builder(curved).set(cards=TRAINS)
    path = next(one for one in explorer.scene.movers if one.get_label() == "parameters")
    assert explorer.done == [True, False, False] and np.allclose(path.get_xydata(), loops.run(TRAINS, Bowl(curved)).path)


# --- loop builder ----------------------------------------------------------------------------------------------------

TRAINS = ("forward", "loss", "zero_grad", "backward", "step")


def test_the_builder_shows_the_lines_that_run_and_the_path_they_make():
    explorer = loop_builder().set(cards=TRAINS)
    shown = [text.get_text() for text in explorer.scene.movers if hasattr(text, "get_text") and text.get_text()]
    assert shown[0] == "1  p = model(x)" and len(shown) == 5
    path = next(one for one in explorer.scene.movers if one.get_label() == "parameters")
    assert np.allclose(path.get_xydata(), loops.run(TRAINS).path)


@pytest.mark.parametrize(
    "cards, done",
    [
        (TRAINS, [True, False, False]),
        (("forward", "loss", "backward", "zero_grad", "step"), [False, True, False]),
        (("forward", "loss", "backward"), [False, False, False]),
        (("forward", "loss", "backward", "step"), [False, False, True]),
    ],
)
def test_the_tasks_of_the_builder_are_done_by_what_they_ask_for(cards, done):
    assert loop_builder().set(cards=cards).done == done


@pytest.mark.parametrize("cards", [TRAINS, ("step", "zero_grad", "forward", "loss", "backward"), ("backward",), TRAINS[:2] * 4])
def test_the_builders_sentence_keeps_its_room(cards):
    assert len(loop_builder().set(cards=cards).text) <= len(ROOM)
