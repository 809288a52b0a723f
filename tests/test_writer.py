"""The writer draws what was typed and its derivative, and its puzzles take every right answer."""

import math

import numpy as np
import pytest
import sympy

from course_lib.formula import x
from course_lib.writer import function_writer


def line(explorer, axes, label):
    ax = explorer.scene.figure.axes[axes]
    return next(one for one in ax.lines if one.get_label() == label).get_xydata()


@pytest.mark.parametrize("text", ["sin(x**2)/2 + x/4", "x**3/9 - x", "exp(-x**2)"])
def test_curve_derivative_tangent_and_stem_are_those_of_sympy(text):
    explorer, expr = function_writer(text).set(a=0.625), sympy.sympify(text, locals={"x": x})
    for axes, label, wanted in ((0, "f", expr), (1, "f′", expr.diff(x))):
        points = line(explorer, axes, label)
        shown = points[np.isfinite(points[:, 1])]
        assert len(shown) > 300 and shown[:, 1] == pytest.approx(sympy.lambdify(x, wanted)(shown[:, 0]))
    slope = float(expr.diff(x).subs(x, 0.625))
    (x0, y0), (x1, y1) = line(explorer, 0, "tangent")
    assert (y1 - y0) / (x1 - x0) == pytest.approx(slope) and (y0 + y1) / 2 == pytest.approx(float(expr.subs(x, 0.625)))
    assert line(explorer, 1, "slope of the tangent")[1] == pytest.approx([0.625, slope])


def test_a_pole_is_a_gap_in_both_panels():
    explorer = function_writer("1/x")
    for axes, label in ((0, "f"), (1, "f′")):
        points = line(explorer, axes, label)
        assert np.isnan(points[np.abs(points[:, 0]) < 0.05, 1]).all()


def test_the_sentence_has_formula_derivative_height_and_slope():
    said = function_writer("x**2 + 1").set(a=1.5).text
    assert said == "f(x) = x² + 1, f′(x) = 2·x. At x = 1.5 the height is 3.25 and the slope 3."


@pytest.mark.parametrize(
    "text, done",
    [
        ("3*x - 2", 0), ("x/2 + 5*x/2", 0), ("exp(x)", 1), ("-2*exp(x + 1)", 1), ("e**x", 1), ("(x - 1)**2", 2),
        ("2 - (x - 1)**4", 2), ("(x - 1)**3", 2), ("exp(-(x - 1)**2)", 2), ("exp(x) - e*x", 2), ("x - log(x)", 2),
        ("x**2 - 2*x", 2),
        ("3*abs(x)", None), ("0*x", None), ("3", None), ("x**3 - 3*x", None), ("abs(x - 1)", None),
        ("relu(x - 1)", None), ("cos(pi*(x - 1))", None), ("x**2", None),
    ],
)  # fmt: skip
def test_each_puzzle_takes_its_right_answers_only(text, done):
    explorer = function_writer().set(f=text)
    assert explorer.done == [i == done for i in range(3)]


def test_a_kink_is_named():
    assert "a kink has no slope" in function_writer().set(f="abs(x - 1)").task_lines()[2]


def test_what_cannot_be_read_or_drawn_is_said_and_the_writer_goes_on():
    explorer = function_writer()
    assert "write 2*x" in explorer.set(f="2x").text and "no real value" in explorer.set(f="sqrt(-x**2 - 1)").text
    assert f"the slope {math.cos(1):.2g}" in explorer.set(f="sin(x)").text
