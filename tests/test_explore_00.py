"""The shape lens knows what PyTorch makes of two shapes, and shows it only after a prediction."""

import numpy as np
import pytest

from course_lib.controls import Unclear
from course_lib.explore_00 import parse_shape, run_on_shapes, shape_lens


@pytest.fixture(scope="module")
def lens():
    return shape_lens()


def cells(explorer, row):
    """Texts of one row from left to right: 0 is a, 1 is b, 2 the result."""
    texts = [text for text in explorer.scene.figure.axes[0].texts if text.get_visible() and text.get_ha() == "center"]
    here = sorted((text.get_position()[0], text.get_text()) for text in texts if text.get_position()[1] == -row)
    return [text for _, text in here]


def test_the_result_is_hidden_until_something_is_predicted():
    explorer = shape_lens()
    assert cells(explorer, 0) == ["5", "3"] and cells(explorer, 1) == ["3"] and cells(explorer, 2) == ["?"]
    assert explorer.text == "(5, 3) + (3,): predict the shape of the result, or type raises."
    explorer.set(guess="(3,)")
    assert cells(explorer, 1) == ["→ 5", "3"] and cells(explorer, 2) == ["5", "3"]
    assert explorer.text == "(5, 3) + (3,) has shape (5, 3): you predicted (3,)."


def test_new_shapes_hide_the_result_again():
    explorer = shape_lens().set(guess="(5, 3)").set(b="(5, 1)")
    assert explorer.values["guess"] == "" and cells(explorer, 2) == ["?"]


@pytest.mark.parametrize("a", [(), (3,), (5, 3), (4, 1, 3), (1,), (2, 0, 1), (3, 4)])
@pytest.mark.parametrize("b", [(), (3,), (1, 3), (2, 1, 3, 4), (4,), (3, 3)])
@pytest.mark.parametrize("operation", ["a + b", "a @ b"])
def test_results_are_those_of_numpy(lens, a, b, operation):
    try:
        first, second = np.zeros(a), np.zeros(b)
        wanted = (first + second if operation == "a + b" else first @ second).shape
    except ValueError:
        wanted = None
    found, complaint = run_on_shapes(operation, a, b)
    assert found == wanted and bool(complaint) == (wanted is None)
    explorer = lens.set(a=str(a), b=str(b), operation=operation)
    explorer.set(guess="raises" if wanted is None else str(wanted))
    assert not explorer.failed and "as you predicted" in explorer.text
    assert cells(explorer, 2) == (["raises"] if wanted is None else [str(s) for s in wanted] or ["( ), one number"])


def test_axes_that_do_not_fit_are_marked():
    def marked(explorer):
        return [mover for mover in explorer.scene.movers if mover.get_visible() and hasattr(mover, "get_segments")
                and mover.get_segments() and mover.get_linewidth()[0] > 3]

    explorer = shape_lens().set(a="(5, 3)", b="(4,)")
    assert not marked(explorer)
    explorer.set(guess="raises")
    assert len(marked(explorer)[0].get_segments()) == 2
    assert not marked(explorer.set(b="(3,)").set(guess="raises"))


def test_tasks_of_the_lens_need_right_predictions():
    explorer = shape_lens().set(guess="(5,)")
    assert explorer.done == [False, False]
    assert explorer.set(guess="5, 3").done == [True, False]
    assert explorer.set(b="(4,)").set(guess="(5, 4)").done == [True, False]
    assert explorer.set(guess="Raises").done == [True, True]
    assert shape_lens().set(a="(3,)").set(guess="(3,)").done == [False, False]  # same number of axes


@pytest.mark.parametrize(
    "text, shape", [("(5, 3)", (5, 3)), ("5, 3", (5, 3)), ("7", (7,)), ("()", ()), ("[2, 1]", (2, 1))]
)
def test_shapes_may_be_typed_in_several_ways(text, shape):
    assert parse_shape(text) == shape


@pytest.mark.parametrize(
    "text",
    ["(5; 3)", "(5.0, 3)", "(-1, 3)", "'a'", "(True,)", "", "torch.Size([3])", "(1, 1, 1, 1, 1)", "(1000,)", "{3}"],
)
def test_what_is_no_shape_is_said_in_one_sentence_and_the_lens_goes_on(text):
    with pytest.raises(Unclear):
        parse_shape(text)
    explorer = shape_lens().set(a=text)
    assert explorer.failed and explorer.text.endswith(".") and "Error" not in explorer.text
    assert not explorer.set(a="(2, 3)").failed


def test_an_unreadable_prediction_reveals_nothing():
    explorer = shape_lens().set(guess="(5, 3")
    assert explorer.failed and "type raises" in explorer.text and "has shape" not in explorer.text


def test_a_huge_result_is_refused_before_it_takes_memory():
    text = shape_lens().set(a="(999, 1, 999, 1)", b="(999, 1, 999)", guess="raises").text
    assert "more than a million" in text
