"""Controls check a value, word it, and make a widget that a narrow page has room for."""

import ipywidgets
import pytest

from course_lib import controls
from course_lib.controls import Choice, LogSlider, Record, Slider


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


def test_few_options_are_buttons_and_many_are_a_list():
    assert isinstance(Choice(("square", "circle")).widget("shape", 4, "square"), ipywidgets.ToggleButtons)
    many = Choice(tuple(f"pattern number {i}" for i in range(6)))
    assert isinstance(many.widget("guess", 4, many.start), ipywidgets.Dropdown)


def test_a_record_notes_where_the_others_stand():
    record = Record(("v0", "v1"))
    once = record.pressed((), {"v0": 1.0, "v1": 0.5, "other": 3})
    assert once == ((1.0, 0.5),) and record.pressed(once, {"v0": 0.0, "v1": 2.0})[1] == (0.0, 2.0)
    assert record.check([[1, 2]]) == ((1, 2),) and record.text(once) == "1 noted"
    with pytest.raises(ValueError, match="notes of 2 values, for v0, v1"):
        record.check([(1, 2, 3)])
