"""Tangent zoom and derivative detective show right numbers for any function; their tasks take the right answer only."""

import math

import numpy as np
import pytest
import sympy
import torch

from course_lib import theme
from course_lib.explore_01 import derivative_detective, five_places, tangent_zoom
from course_lib.formula import Formula, x


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
