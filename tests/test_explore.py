"""Explorers show right numbers for any function, and their tasks are done by the right answer and by no other."""

import math
import subprocess
import sys

import numpy as np
import pytest
import sympy
import torch

from course_lib import theme
from course_lib.explore import (
    derivative_detective,
    five_places,
    parse_shape,
    run_on_shapes,
    shape_lens,
    tangent_zoom,
)
from course_lib.formula import Formula, x
from course_lib.live import Unclear


def moving(explorer, axes, color, markers=False):
    """The moving line of that colour, with or without markers only."""
    ax = explorer.scene.figure.axes[axes]
    return next(
        np.asarray(line.get_data()) for line in ax.lines
        if line in explorer.scene.movers and line.get_color() == color
        and (line.get_linestyle() in ("None", "none")) == markers
    )


def rise_over_run(data):
    (x0, x1), (y0, y1) = data
    return (y1 - y0) / (x1 - x0)


# --- tangent zoom ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("a", [0.7, -1.3])
@pytest.mark.parametrize("zoom", [1, 100, 1e4])
def test_the_tangent_has_the_slope_that_sympy_says(a, zoom):
    explorer = tangent_zoom().set(a=a, zoom=zoom)
    assert rise_over_run(moving(explorer, 0, theme.TANGENT["color"])) == pytest.approx(2 * a * math.cos(a * a))


def test_the_secant_joins_two_points_of_the_curve():
    explorer = tangent_zoom(torch.exp, at=0.5).set(h=0.1, zoom=1)
    secant = moving(explorer, 0, theme.SECANT["color"])
    ends = moving(explorer, 0, theme.SECANT["color"], markers=True)
    assert rise_over_run(secant) == pytest.approx((math.exp(0.6) - math.exp(0.4)) / 0.2)
    assert ends[0] * 3 == pytest.approx([-0.1, 0.1])
    assert ends[1] * 3 == pytest.approx([math.exp(0.4) - math.exp(0.5), math.exp(0.6) - math.exp(0.5)])
    assert np.interp(ends[0], *secant) == pytest.approx(ends[1])


def test_zoom_straightens_a_smooth_curve_and_leaves_a_corner():
    def bend(explorer):
        xs, ys = moving(explorer, 0, theme.FUNCTION["color"])
        return np.abs(ys - np.linspace(ys[0], ys[-1], len(ys))).max()

    smooth = [bend(tangent_zoom().set(zoom=zoom)) for zoom in (100, 1000)]
    assert smooth[0] / smooth[1] == pytest.approx(10, rel=0.05)
    assert [bend(tangent_zoom(torch.abs, at=0).set(zoom=zoom)) for zoom in (1, 1e4)] == pytest.approx([1, 1], rel=0.01)


def test_the_error_falls_with_the_square_of_h_and_the_dot_lies_on_the_curve():
    explorer = tangent_zoom().set(dtype="float64", h=1e-3)
    steps, errors = moving(explorer, 1, theme.SECANT["color"])
    part = (steps > 5e-4) & (steps < 5e-2)
    assert np.polyfit(np.log(steps[part]), np.log(errors[part]), 1)[0] == pytest.approx(2, abs=0.05)
    (at,), (error,) = moving(explorer, 1, theme.SECANT["color"], markers=True)
    assert at == 1e-3 and error == pytest.approx(np.interp(at, steps, errors), rel=0.01)


def test_each_number_has_the_colour_of_its_line():
    explorer = tangent_zoom()
    colors = {text.get_text().split()[0]: text.get_color() for text in explorer.scene.figure.axes[1].texts}
    assert colors == {
        "symbolic": theme.DERIVATIVE["color"], "numeric": theme.SECANT["color"], "autograd": theme.TANGENT["color"]
    }


def test_the_sentence_has_the_three_numbers():
    assert tangent_zoom().text == (
        "Slope at a = 0.7 with h = 0.1 in float32: symbolic 1.235, numeric 1.225, autograd 1.235; "
        "the numeric one is off by 1e-2. Magnified ×1."
    )


def test_without_a_formula_there_is_no_symbolic_number():
    explorer = tangent_zoom(lambda t: torch.sin(t**2))
    assert "symbolic" not in explorer.text and "autograd 1.235" in explorer.text


@pytest.mark.parametrize(
    "dtype, inside, outside",
    [
        ("float32", [1e-3, 5.6e-3, 1e-2, 1.78e-2], [5.6e-4, 5.6e-2, 1e-5]),
        ("float64", [1e-6, 1e-5, 1e-4], [5.6e-7, 1e-2, 1.78e-4, 1e-8]),
    ],
)
def test_the_lowest_part_is_the_task_for_each_dtype(dtype, inside, outside):
    which = ["float32", "float64"].index(dtype)
    for h in outside:
        assert tangent_zoom().set(dtype=dtype, h=h).done == [False, False]
    for h in inside:
        done = tangent_zoom().set(dtype=dtype, h=h).done
        assert done[which] and not done[1 - which]


@pytest.mark.parametrize("f", [torch.exp, Formula(sympy.sin(x)), lambda t: 1000 * torch.tanh(t / 50)])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_for_a_students_function_the_task_accepts_the_lowest_measured_step(f, dtype):
    explorer = tangent_zoom(f).set(dtype=dtype)
    steps, errors = moving(explorer, 1, theme.SECANT["color"])
    smooth = [np.median(np.log(errors[max(0, i - 2) : i + 3])) for i in range(len(steps))]
    assert explorer.set(h=float(steps[int(np.argmin(smooth))])).done[dtype == "float64"]


def test_no_task_is_done_at_the_start():
    for explorer in (tangent_zoom(), tangent_zoom(torch.exp), derivative_detective(), shape_lens()):
        assert not any(explorer.done) and not explorer.failed


@pytest.mark.parametrize("make", [tangent_zoom, derivative_detective])
@pytest.mark.parametrize("f, words", [(math.sin, "math.sin"), ("sin", "expected a function")])
def test_what_cannot_be_explored_is_refused_when_the_explorer_is_made(make, f, words):
    with pytest.raises(TypeError, match=words):
        make(f)


def test_where_f_is_undefined_the_sentence_says_so():
    explorer = tangent_zoom(torch.log, at=1.0).set(a=-1)
    assert "undefined" in explorer.text and not explorer.failed
    assert explorer.set(a=1).text.startswith("Slope at a = 1 ")


# --- derivative detective --------------------------------------------------------------------------------------------


def slopes_of(explorer, f):
    """The true slopes at the five x of an explorer, read off the picture."""
    places = moving(explorer, 1, theme.INK)[0]
    return [f.derivative(place) for place in places]


def test_the_true_derivative_appears_when_signs_and_zeros_agree_and_not_before():
    f = Formula(x / 2 + sympy.sin(x))
    explorer = derivative_detective(f)
    true = next(mover for mover in explorer.scene.movers if mover.get_color() == theme.DERIVATIVE["color"])
    wanted = [0 if abs(slope) < 1e-6 else math.copysign(0.5, slope) for slope in slopes_of(explorer, f)]
    assert sorted(wanted) == [-0.5, -0.5, 0, 0, 0.5]
    for i in range(5):
        explorer.set(**{f"s{k}": s for k, s in enumerate(wanted[:i], 1)})
        if wanted[i]:
            assert not true.get_visible() and not explorer.done[0]
    explorer.set(**{f"s{k}": s for k, s in enumerate(wanted, 1)})
    assert true.get_visible() and explorer.done == [True] and "all signs and zeros agree" in explorer.text
    xs, ys = true.get_data()
    assert np.allclose(ys, 0.5 + np.cos(xs))
    explorer.set(s1=-explorer.values["s1"])
    assert not true.get_visible() and explorer.done == [True]


def test_a_level_place_needs_zero_and_a_sloping_one_may_not_have_it():
    explorer = derivative_detective()
    level = [place for place in moving(explorer, 1, theme.INK)[0] if abs(0.5 + math.cos(place)) < 1e-6]
    assert len(level) == 2 and level[1] == pytest.approx(2 * math.pi / 3)
    assert "2 of 5 agree" in explorer.text
    assert "1 of 5 agree" in explorer.set(s2=0.125).text


def test_the_sketch_runs_through_the_handles():
    explorer = derivative_detective().set(s1=-1, s3=0.5)
    assert moving(explorer, 1, theme.INK)[1].tolist() == [-1, 0, 0.5, 0, 0]


@pytest.mark.parametrize(
    "f", [torch.exp, torch.tanh, torch.relu, torch.sin, lambda t: t**3 - 2 * t, lambda t: 0 * t + 1]
)
def test_five_different_places_in_order_for_any_function(f):
    explorer = derivative_detective(f)
    places = moving(explorer, 1, theme.INK)[0]
    assert len(places) == 5 and (np.diff(places) > 0.05).all() and places[0] > -4 and places[-1] < 4
    top = explorer.controls["s1"].high
    assert math.log2(top).is_integer()  # so that the steps are binary fractions


def test_a_pole_in_f_is_a_gap_for_the_detective_too():
    upper = derivative_detective(lambda t: 1 / (t - 0.1)).scene.figure.axes[0]
    curve = next(line for line in upper.lines if line.get_color() == theme.FUNCTION["color"])
    xs, ys = curve.get_data()
    assert np.isnan(ys[np.abs(xs - 0.1).argmin()]) and upper.get_ylim()[1] < 50


def test_level_places_are_found_to_many_digits():
    grid = np.linspace(-3, 3, 400)
    places = five_places(torch.cos, grid, -np.sin(grid))
    assert np.abs(places).min() < 1e-9


# --- shape lens ------------------------------------------------------------------------------------------------------


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


# --- all of them -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [tangent_zoom, derivative_detective, shape_lens])
def test_an_explorer_shows_view_picture_and_the_same_words_each_time(make):
    data, metadata = make()._repr_mimebundle_()
    assert set(data) == {"application/vnd.jupyter.widget-view+json", "image/png", "text/plain"}
    assert data["text/plain"] == repr(make()) and "\n" not in data["text/plain"]
    assert metadata["image/png"]["alt"] in data["text/plain"]


def test_words_are_the_same_in_another_process():
    code = "from course_lib.explore import *; print(tangent_zoom(), derivative_detective(), shape_lens())"
    there = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip()
    assert there == f"{tangent_zoom()} {derivative_detective()} {shape_lens()}"


def test_gradients_of_the_caller_stay_as_they_are():
    w = torch.tensor(1.5, dtype=torch.float64, requires_grad=True)
    tangent_zoom(lambda t: (w.to(t.dtype) * t).sin()).set(a=1, h=0.01)
    derivative_detective(lambda t: (w * t).sin()).set(s1=0.5)
    assert w.grad is None
