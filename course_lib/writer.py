"""An explorer for formulas that a student types: function_writer(text)."""

from functools import lru_cache

import numpy as np
import sympy

from course_lib import theme
from course_lib.controls import Slider, Text, Unclear
from course_lib.formula import plain
from course_lib.live import Explorer, Scene, Task
from course_lib.slopes import breaks, derivatives
from course_lib.theme import number
from course_lib.typed import typed_formula

WINDOW = 4  # the picture goes from −4 to 4 both ways, so that slopes look as steep as they are
LONGEST_FORMULA = 34
NEAR = 1e-6


def function_writer(text="sin(x)"):
    """Type a formula of x: its curve and, below, its derivative, which SymPy writes out and autograd computes."""
    typed_formula(text)
    made = theme.figure(1, 2, width=8.7, height=4.3, left=0.6, gap=0.28)
    draw = _writer_artists(*made.axes)
    grid = np.arange(-50 * WINDOW, 50 * WINDOW + 1) / 50

    @lru_cache(maxsize=8)  # the picture and its tasks ask for the same one
    def written(f):
        """(Formula, heights on the grid, slopes on the grid)."""
        formula = typed_formula(f)
        heights, slopes = derivatives(formula, grid, 1).numpy()
        if not np.isfinite(heights).any():
            raise Unclear(f"{formula.text[:30]} has no real value between −{WINDOW} and {WINDOW}.")
        return formula, heights, slopes

    def update(f, a):
        formula, heights, slopes = written(f)
        height, slope = derivatives(formula, [a], 1)[:, 0].tolist()
        for name, line in (("f", heights), ("slope", slopes)):
            shown = np.where(np.abs(line) < 2 * WINDOW, line, np.nan)
            shown[breaks(grid, line)] = np.nan
            draw[name].set_data(grid, shown)
        inside = abs(height) < 2 * WINDOW and abs(slope) < 2 * WINDOW
        draw["tangent"].set_data([a - 1, a + 1], [height - slope, height + slope] if inside else [np.nan] * 2)
        draw["point"].set_data([a], [height if inside else np.nan])
        draw["stem"].set_data([a, a], [0, slope if inside else np.nan])
        at = f"At x = {number(a)} the height is {number(height)} and the slope {number(slope)}."
        return f"f(x) = {_short(formula.text)}, f′(x) = {_short(_derivative_text(formula))}. {at}"

    def always_three(values):
        return bool(np.allclose(written(values["f"])[2], 3, rtol=1e-9))

    def its_own(values):
        _, heights, slopes = written(values["f"])
        known = np.isfinite(heights) & np.isfinite(slopes)
        same = np.allclose(slopes[known], heights[known], rtol=1e-9, atol=1e-12)
        return bool(same and np.abs(heights[known]).max(initial=0) > 1e-9)

    def level_at_one(values):
        formula, heights, slopes = written(values["f"])
        known = np.isfinite(heights) & np.isfinite(slopes)
        signs, left = np.sign(slopes[known & (grid != 1)]), known[grid < 1].sum()
        if not abs(slopes[grid == 1][0]) < 1e-9 or len(set(signs[:left])) != 1 or len(set(signs[left:])) != 1 or 0 in signs:
            return False
        beside = derivatives(formula, [1 - NEAR, 1 + NEAR], 1)[1]
        return bool(beside.abs().max() < 1000 * NEAR) or "a kink has no slope"

    return Explorer(
        Scene(figure=made, movers=list(draw.values()), update=update),
        name="function_writer",
        tasks=[
            Task("Write a function whose slope is 3 everywhere.", always_three),
            Task("Write one that is its own derivative, other than 0.", its_own),
            Task("Write one with slope 0 at x = 1 and nowhere else.", level_at_one),
        ],
        f=Text(text, "f(x) =", "such as sin(x) + x**2"),
        a=Slider(-WINDOW, WINDOW, 1 / 8, 1, "x"),
    )


def _derivative_text(formula):
    derived = formula.derived().expr
    if derived.has(sympy.Heaviside) or derived.has(sympy.Derivative):
        return "see the curve"
    return plain(derived)


def _short(text):
    return text if len(text) <= LONGEST_FORMULA else text[: LONGEST_FORMULA - 1] + "…"


def _writer_artists(upper, lower):
    for ax, name in ((upper, "f"), (lower, "f′")):
        ax.set(xlim=(-WINDOW, WINDOW), ylim=(-WINDOW, WINDOW), xlabel="x", ylabel=name, aspect="equal")
        ax.axhline(0, color=theme.GRID, linewidth=0.9)
        ax.axvline(0, color=theme.GRID, linewidth=0.9)
    with theme.style():
        draw = {
            "f": upper.plot([], [], label="f", **theme.FUNCTION)[0],
            "tangent": upper.plot([], [], label="tangent", **theme.TANGENT)[0],
            "slope": lower.plot([], [], label="f′", **theme.DERIVATIVE)[0],
            "stem": lower.plot([], [], label="slope of the tangent", **{**theme.TANGENT, "marker": "o", "markevery": [1]})[0],
            "point": upper.plot([], [], **theme.POINT)[0],
        }
    theme.legend_above(upper)
    theme.legend_above(lower)
    return draw
