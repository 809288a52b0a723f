"""Controls check a value, word it, and make a widget that a narrow page has room for."""

import ipywidgets
import pytest

from course_lib import controls
from course_lib.controls import Cards, Choice, LogSlider, Record, Slider


def test_log_stops_are_even_in_the_exponent_and_read_well():
    slider = LogSlider(1e-3, 1, per_decade=4)
    assert len(slider.stops) == 13
    ratios = [b / a for a, b in zip(slider.stops, slider.stops[1:], strict=False)]
    assert ratios == pytest.approx([10**0.25] * 12, rel=0.01)
    assert [slider.text(slider.check(value)) for value in (0.001, 0.0019, 0.5, 1)] == ["1e-3", "1.8e-3", "0.56", "1"]


def test_literals_are_read_without_running_them():
    assert controls.literal(" (5, 3) ", "a shape") == (5, 3)
    for text in ("__import__('os').getpid()", "(5,", "five", "", "9" * 5000, "(" * 300):
        with pytest.raises(controls.Unclear, match="type a shape"):
            controls.literal(text, "a shape")


def test_a_slider_knows_its_stops():
    assert Slider(-1, 1, 0.25).stops == (-1, -0.75, -0.5, -0.25, 0, 0.25, 0.5, 0.75, 1)
    assert Choice(("a", "b")).stops == ("a", "b")


def test_a_choice_is_made_of_buttons_that_may_wrap():
    """Not of a list to open: JupyterLab takes the arrow keys away from that."""
    many = Choice(tuple(f"pattern number {i}" for i in range(6))).widget("guess", 4, "pattern number 2")
    assert isinstance(many, ipywidgets.ToggleButtons) and many.value == "pattern number 2"
    assert many.layout.max_width == "100%" and many.style.button_width == "auto"


def test_a_record_notes_where_the_others_stand():
    record = Record(("v0", "v1"))
    once = record.pressed((), {"v0": 1.0, "v1": 0.5, "other": 3})
    assert once == ((1.0, 0.5),) and record.pressed(once, {"v0": 0.0, "v1": 2.0})[1] == (0.0, 2.0)
    assert record.check([[1, 2]]) == ((1, 2),) and record.text(once) == "1 noted"
    with pytest.raises(ValueError, match="notes of 2 values, for v0, v1"):
        record.check([(1, 2, 3)])


@pytest.mark.parametrize("value", [0.7, -1.3, 2, -2, 0.0625])
def test_the_steps_of_the_page_meet_an_odd_start_and_stay_in_the_range(value):
    widget = Slider(-2, 2, 1 / 16).widget("x", 4, value)
    steps = (value - widget.min) * 16
    assert widget.value == value and steps == pytest.approx(round(steps))
    assert -2 <= widget.min < -2 + 1 / 16 and 2 - 1 / 16 < widget.max <= 2


def test_a_value_rounded_by_the_page_is_no_move():
    moves, slider = [], Slider(-2, 2, 1 / 16)
    widget = slider.widget("x", 4, 0.5)
    slider.listen(widget, moves.append, None)
    widget.value = 0.71  # set by the program
    moves.clear()
    widget.value = 0.6875  # and what the page makes of it
    assert moves == []
    widget.value = 0.75
    assert moves == [0.75]


def test_cards_are_laid_one_by_one_and_taken_back():
    control, said = Cards(("a", "b"), most=3), []
    box = control.widget("one round:", 5, ())

    def changed(value):
        said.append(value)
        control.show(box, value)

    control.listen(box, changed, None)
    a, b, last, empty = box.children[1:]
    for button in (a, b, b, a, last, empty):  # the fourth has no room
        button.click()
    assert said == [("a",), ("a", "b"), ("a", "b", "b"), ("a", "b"), ()]


@pytest.mark.parametrize("wrong", [["c"], ["a"] * 4])
def test_unknown_and_too_many_cards_are_refused(wrong):
    with pytest.raises(ValueError, match="at most 3 of a, b"):
        Cards(("a", "b"), most=3).check(wrong)
