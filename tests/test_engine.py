"""The bench of lesson 10: with which engine a part is used, and what that leaves behind."""

import numpy as np
import pytest

from course_lib.exercise import all_exercises
from course_lib.feedback import plain
from course_lib.judge import LocalSource, judge
from course_lib.keys.engine_data import reference_losses
from course_lib.keys.engine_first import MINI_GIVEN
from tests.answers.engine_data import with_layers

DEAF = MINI_GIVEN  # its `made` does not look at recording
LISTENING = MINI_GIVEN.replace("if t.requires_grad)", "if t.requires_grad and MiniTensor.recording)")
PARAMETER = """
class MiniParameter(MiniTensor):
    def __init__(self, data):
        super().__init__(data, requires_grad=True)
"""
NO_GRAD = """
@contextlib.contextmanager
def mini_no_grad():
    before, MiniTensor.recording = MiniTensor.recording, False
    try:
        yield
    finally:
        MiniTensor.recording = before
"""


def notebook(*cells):
    names = {"__name__": "__main__"}
    for cell in ("import contextlib\nimport numpy as np", *cells):
        exec(compile(cell, "<cell>", "exec"), names)
    return names


def verdict_on(name, names):
    return judge(all_exercises()[name], LocalSource(names[name]))


def test_a_class_on_an_unfinished_tensor_is_judged_on_the_course_engine_and_stays_the_notebook_s():
    names = notebook(MINI_GIVEN, PARAMETER)  # no product yet, and no run_backward
    assert verdict_on("MiniParameter", names).passed
    assert names["MiniParameter"].__bases__ == (names["MiniTensor"],)
    assert set(names) == {"__name__", "__builtins__", "contextlib", "np", "MiniTensor", "MiniParameter"}


WALK = """
def run_backward(root, g=None):
    stack = [(root, np.ones_like(root.data) if g is None else g)]
    while stack:
        node, g = stack.pop()
        if not node.parents:
            node.grad = g if node.grad is None else node.grad + g
        stack += [(parent, vjp(g)) for parent, vjp in node.parents]
"""


def test_a_made_that_does_not_look_is_told_once_and_only_there():
    told = verdict_on("mini_no_grad", notebook(DEAF, WALK, NO_GRAD))
    assert [check.passed for check in told.checks] == [True, True, True, False] and told.misconception == "deaf"
    assert "made in K1 does not look" in plain(told, all_exercises()["mini_no_grad"])
    assert verdict_on("mini_no_grad", notebook(LISTENING, WALK, NO_GRAD)).passed
    assert verdict_on("MiniParameter", notebook(DEAF, WALK, PARAMETER)).passed


@pytest.mark.parametrize("lost", ["finally", "everything"])
def test_a_switch_that_stays_off_does_not_stay_off_in_the_notebook(lost):
    faulty = "@contextlib.contextmanager\ndef mini_no_grad():\n    MiniTensor.recording = False\n    yield\n"
    faulty += "    MiniTensor.recording = True\n" if lost == "finally" else ""
    names = notebook(LISTENING, WALK, faulty)
    assert not verdict_on("mini_no_grad", names).passed
    assert names["MiniTensor"].recording is True


def test_losses_of_the_reference_are_those_of_torch():
    rng = np.random.default_rng(0)
    X, y = rng.random((12, 5)), rng.integers(0, 3, 12)
    weights = {"W1": rng.normal(size=(4, 5)), "b1": rng.normal(size=4), "W2": rng.normal(size=(3, 4)), "b2": rng.normal(size=3)}
    own, theirs = with_layers(X, y, weights, 20)
    assert np.allclose(reference_losses(X, y, weights, 20), theirs, rtol=0, atol=1e-12)
    assert np.allclose(own, theirs, rtol=0, atol=1e-12)
