"""A training loop that is watched: it loops, records, stops when told, and says what it saw."""

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import torch

from course_lib import live_training


def run(steps=5, losses=lambda step: 2.0 ** -step, until=None):
    training = live_training(steps)
    for step in training:
        training.record(loss=losses(step))
        if step == until:
            training.stop()
    return training


def test_it_is_a_loop_over_so_many_steps_that_keeps_what_is_recorded():
    training = run(4)
    assert training.curves == {"loss": [(1, 1.0), (2, 0.5), (3, 0.25), (4, 0.125)]}
    assert training.text == "loss 1 → 0.125 after 4 of 4 steps." and not training.stopped


def test_a_stop_ends_it_after_the_step_that_runs():
    training = run(100, until=2)
    assert len(training.curves["loss"]) == 3
    assert training.text == "loss 1 → 0.25 stopped after 3 of 100 steps."


def test_an_interrupt_ends_it_gently_and_the_code_below_goes_on():
    training, before = live_training(1000), signal.getsignal(signal.SIGINT)
    for step in training:
        training.record(loss=1.0)
        if step == 3:
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.01)
    assert training.done_steps == 4 and training.stopped
    assert signal.getsignal(signal.SIGINT) is before


@pytest.fixture
def interruptible():
    """Interrupts as in a notebook, also where this program was started in the background, which ignores them."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_a_second_interrupt_is_one_as_ever(interruptible):
    training = live_training(1000)
    with pytest.raises(KeyboardInterrupt):
        for _ in training:
            os.kill(os.getpid(), signal.SIGINT)
            while not training.stopped:  # two at once would be one
                time.sleep(0.001)
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(10)


def test_after_an_error_in_the_loop_the_picture_is_of_what_had_come():
    training = live_training(10)
    with pytest.raises(ZeroDivisionError):
        for step in training:
            training.record(loss=1.0 + step, other=1 / (2 - step))
    training._paint()
    assert training.text.startswith("loss 1 → 2; other 0.5 → 1")


def test_a_tracked_tensor_is_kept_as_a_number():
    training = live_training(1)
    for _ in training:
        training.record(loss=torch.tensor(0.5, requires_grad=True) * 2, error=np.float64(0.25))
    assert training.curves == {"loss": [(1, 1.0)], "error": [(1, 0.25)]}
    assert all(type(value) is float for curve in training.curves.values() for _, value in curve)


def test_a_loss_that_is_lost_is_told_with_its_step():
    training = run(4, losses=lambda step: float("nan") if step == 2 else 1.0)
    assert "no longer a number since step 3" in training.text


@pytest.mark.parametrize(
    "losses, scale, limits",
    [([3.0, 0.02], "log", (0.01, 10)), ([1.0, 100.0], "log", (1, 1000)), ([3.0, 0.0], "linear", (0, 4)),
     ([1.0, -5.0], "linear", (-8, 8)), ([float("inf"), 2.0], "log", (1, 10))],
)  # fmt: skip
def test_the_axes_have_room_for_all_that_is_finite(losses, scale, limits):
    training = run(2, losses=lambda step: losses[step])
    assert training.ax.get_yscale() == scale and training.ax.get_ylim() == pytest.approx(limits)


def test_the_curve_drawn_is_what_was_recorded():
    training = run(5)
    line = training._lines[0]
    assert np.allclose(line.get_xydata(), [(step + 1, 2.0**-step) for step in range(5)]) and line.get_label() == "loss"


def test_the_view_shows_progress_and_its_button_stops():
    training = live_training(50)
    view = training.widget
    (bar, button), *_ = [row.children for row in view.children[:1]]
    for step in training:
        training._paint()
        assert not button.disabled and bar.value == step
        if step == 6:
            button.click()
    assert (training.done_steps, bar.value, button.disabled) == (7, 7, True)


def test_the_picture_is_drawn_now_and_then_only():
    training = live_training(200)
    painted = []
    training.widget  # noqa: B018
    training._paint, paint = lambda: painted.append(1) or paint(), training._paint
    for _ in training:
        training.record(loss=1.0)
    assert len(painted) < 20


@pytest.mark.parametrize(
    "steps, error, words",
    [(0, ValueError, "at least one step, got 0"), (2.5, TypeError, "number of steps"), ("3", TypeError, "got '3'"),
     (True, TypeError, "got True")],
)  # fmt: skip
def test_a_number_of_steps_that_is_none_is_refused(steps, error, words):
    with pytest.raises(error, match=words):
        live_training(steps)


def test_what_is_no_number_is_refused_with_its_name():
    for _ in (training := live_training(1)):
        with pytest.raises(TypeError, match=r"record\(loss=…\) takes one number, got 'tensor\(\[1., 2.\]\)'"):
            training.record(loss=torch.tensor([1.0, 2.0]))


def test_there_is_room_for_five_curves():
    for _ in (training := live_training(1)):
        training.record(a=1, b=1, c=1, d=1, e=1)
        with pytest.raises(ValueError, match="room for 5 curves, and f"):
            training.record(f=1)


def test_it_runs_once():
    training = run(2)
    with pytest.raises(RuntimeError, match="has run already"):
        next(iter(training))


def test_without_a_notebook_it_ends_with_its_sentence():
    code = "from course_lib import live_training\nt = live_training(3)\nfor s in t:\n    t.record(loss=1 / (s + 1))"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert said.stdout == "loss 1 → 0.333 after 3 of 3 steps.\n" and said.stderr == ""
