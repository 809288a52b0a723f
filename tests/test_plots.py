"""Plots draw what they say: geometry against closed forms, sentences with the numbers, refusals in one sentence."""

import math
import subprocess
import sys

import matplotlib
import numpy as np
import pytest
import sympy
import torch
from matplotlib.figure import Figure

from course_lib import plots, theme
from course_lib.formula import Formula, x

CURVED = Formula(sympy.sin(x**2))


def line(ax, label):
    """x and y of the curve whose legend entry begins like this."""
    return next(np.asarray(drawn.get_data()) for drawn in ax.lines if str(drawn.get_label()).startswith(label))


def segments(xs, ys):
    """Neighbouring points that are joined by ink."""
    joined = np.isfinite(ys[:-1]) & np.isfinite(ys[1:])
    return np.column_stack([xs[:-1], ys[:-1], xs[1:], ys[1:]])[joined]


def crosses(ax, label, place):
    return any(left <= place <= right for left, _, right, _ in segments(*line(ax, label)))


def alone(figure_or_ax):
    return figure_or_ax.description


# --- f and f′ ------------------------------------------------------------------------------------------------------


def test_plot_function_draws_f_and_says_its_range():
    ax = plots.plot_function(CURVED, over=(-2, 2))
    xs, ys = line(ax, "f(x) = sin(x²)")
    assert len(xs) >= 200 and xs[0] == -2 and xs[-1] == 2
    assert np.allclose(ys, np.sin(xs**2))
    assert alone(ax) == "f(x) = sin(x²) for x from −2 to 2: heights from −0.757 to 1 here."


def test_f_and_its_derivatives_share_the_axes_and_are_exact():
    ax = plots.plot_with_derivative(CURVED, second=True)
    for label, order in (("f(x)", 0), ("f′", 1), ("f″", 2)):
        xs, ys = line(ax, label)
        wanted = sympy.lambdify(x, sympy.diff(CURVED.expr, x, order), "numpy")(xs)
        assert len(xs) >= 200 and np.allclose(ys, wanted, atol=1e-9)


def test_roles_are_the_same_in_every_plot():
    for ax in (plots.plot_with_derivative(torch.sin), plots.plot_tangent(torch.sin, 0.7)):
        drawn = next(drawn for drawn in ax.lines if drawn.get_label() == "f = sin")
        assert drawn.get_color() == theme.FUNCTION["color"]
    derivative = next(drawn for drawn in plots.plot_with_derivative(torch.sin).lines if drawn.get_label() == "f′")
    assert (derivative.get_color(), derivative.get_linestyle()) == ("#D55E00", "--")


def test_at_each_point_a_tangent_touches_f_and_a_line_leads_to_its_height_on_the_derivative():
    ax = plots.plot_with_derivative(torch.sin, at=(0.7, -1.3))
    for place in (0.7, -1.3):
        tangent = next(
            drawn for drawn in ax.lines
            if len(drawn.get_xdata()) == 2 and drawn.get_xdata()[0] < place < drawn.get_xdata()[1]
            and drawn.get_color() == theme.TANGENT["color"]
        )
        (x0, x1), (y0, y1) = tangent.get_data()
        assert (y1 - y0) / (x1 - x0) == pytest.approx(math.cos(place))
        assert np.interp(place, [x0, x1], [y0, y1]) == pytest.approx(math.sin(place))
        link = next(drawn for drawn in ax.lines if list(drawn.get_xdata()) == [place, place])
        assert list(link.get_ydata()) == pytest.approx([math.sin(place), math.cos(place)])
    assert "at x = 0.7 the height is 0.644 and the slope 0.765" in alone(ax)
    assert "at x = −1.3 the height is −0.964 and the slope 0.267" in alone(ax)


def test_tangents_are_equally_long_on_the_page_whatever_their_slope():
    ax = plots.plot_with_derivative(lambda t: t**3, at=(0.1, 2.5))
    lengths = []
    for drawn in ax.lines:
        if drawn.get_color() == theme.TANGENT["color"] and len(drawn.get_xdata()) == 2:
            start, end = ax.transData.transform(np.column_stack(drawn.get_data()))
            lengths.append(math.dist(start, end))
    assert len(lengths) == 2 and lengths[0] == pytest.approx(lengths[1], rel=0.02)


@pytest.mark.parametrize("f", [torch.abs, torch.relu, lambda t: torch.clamp(t, min=0)])
def test_a_corner_is_a_gap_in_the_derivative_and_none_in_f(f):
    ax = plots.plot_with_derivative(f)
    assert not crosses(ax, "f′", 0.0)
    assert crosses(ax, "f", 0.0)
    assert "f′ jumps near x = 0" in alone(ax)
    heights = line(ax, "f′")[1]
    assert set(heights[np.isfinite(heights)]) <= {-1.0, 0.0, 1.0}


def test_a_corner_on_a_sample_point_is_a_gap_too():
    ax = plots.plot_with_derivative(lambda t: (t - 1).abs(), over=(1 - 3, 1 + 3 - 6 / 399))
    steps = segments(*line(ax, "f′"))
    assert np.abs(steps[:, 3] - steps[:, 1]).max() == 0


@pytest.mark.parametrize("f, poles", [(lambda t: 1 / t, [0]), (torch.tan, [-math.pi / 2, math.pi / 2])])
def test_a_pole_is_a_gap_and_does_not_flatten_the_rest(f, poles):
    ax = plots.plot_with_derivative(f)
    for pole in poles:
        assert not crosses(ax, "f", pole) and not crosses(ax, "f′", pole)
    low, high = ax.get_ylim()
    assert high - low < 50
    assert "f breaks off near x = " in alone(ax) and "jumps" not in alone(ax)


def test_a_function_that_is_differentiable_once_only_can_be_drawn():
    class Square(torch.autograd.Function):
        @staticmethod
        def forward(ctx, t):
            ctx.save_for_backward(t)
            return t * t

        @staticmethod
        @torch.autograd.function.once_differentiable
        def backward(ctx, g):
            return 2 * ctx.saved_tensors[0] * g

    xs, ys = line(plots.plot_with_derivative(Square.apply), "f′")
    assert np.allclose(ys, 2 * xs)


# --- tangent and secants ---------------------------------------------------------------------------------------------


def test_the_tangent_has_height_and_slope_of_f():
    ax = plots.plot_tangent(CURVED, 0.7)
    xs, ys = line(ax, "tangent")
    slope = CURVED.derivative(0.7)
    assert np.allclose(ys, math.sin(0.49) + slope * (xs - 0.7))
    assert alone(ax) == (
        "f(x) = sin(x²) and its tangent at x = 0.7: the height is 0.471, the slope 1.24."
    )


def test_secants_pass_through_both_points_and_turn_into_the_tangent():
    steps = (1, 0.5, 0.1)
    ax = plots.plot_secants(torch.exp, 0.3, hs=steps)
    off = []
    for step in steps:
        xs, ys = line(ax, f"h = {step:g},")
        assert np.interp([0.3, 0.3 + step], xs, ys) == pytest.approx([math.exp(0.3), math.exp(0.3 + step)])
        off.append((ys[-1] - ys[0]) / (xs[-1] - xs[0]) - math.exp(0.3))
    assert off[0] > off[1] > off[2] > 0
    labels = [text.get_text() for text in ax.get_legend().get_texts()]
    assert "h = 0.1, slope 1.42" in labels and "tangent, slope 1.35" in labels
    assert "h = 0.1 gives 1.42; the tangent has 1.35." in alone(ax)


# --- zoom ------------------------------------------------------------------------------------------------------------


def bends(panels):
    found = []
    for ax in panels:
        chord, curve = ax.lines[0].get_ydata(), ax.lines[1].get_ydata()
        found.append(np.abs(curve - chord).max())
    return np.array(found)


def test_a_smooth_curve_loses_a_tenth_of_its_bend_per_tenfold_zoom():
    panels = plots.plot_zoom(CURVED, 0.7)
    ratio = bends(panels)[1:-1] / bends(panels)[2:]
    assert len(panels) == 4 and ratio == pytest.approx(10, rel=0.02)
    second = abs(CURVED.derivative(0.7, order=2))
    assert bends(panels)[3] == pytest.approx(second * 1e-3 / 2, rel=0.01)


def test_a_corner_never_bends_straight_and_its_panels_say_so():
    panels = plots.plot_zoom(torch.abs, 0)
    assert bends(panels) == pytest.approx(1)
    assert [ax.get_title() for ax in panels][3] == "×1000, bend 100 %"
    assert panels.description == (
        "f = abs around x = 0, bend left in each panel: ×1 100 %, ×10 100 %, ×100 100 %, ×1000 100 %."
    )


# --- errors ----------------------------------------------------------------------------------------------------------


def slope_of(xs, ys):
    return np.polyfit(np.log(xs), np.log(ys), 1)[0]


@pytest.mark.parametrize("kind, power", [("forward", 1), ("central", 2)])
def test_error_curves_have_the_slope_of_their_order(kind, power):
    ax = plots.plot_step_error(CURVED, 0.7)
    hs, errors = line(ax, f"{kind}, float64")
    part = (hs > 2e-4) & (hs < 2e-2)
    assert slope_of(hs[part], errors[part]) == pytest.approx(power, abs=0.05)


def test_the_best_steps_named_are_where_cut_off_and_rounding_balance():
    ax = plots.plot_step_error(torch.exp, 0.0, dtypes=torch.float64)
    assert alone(ax).endswith("best h: forward float64 near 3e-8, central float64 near 9e-6.")
    marks = [drawn for drawn in ax.lines if drawn.get_color() == theme.POINT["color"]]
    eps = torch.finfo(torch.float64).eps
    assert [mark.get_xdata()[0] for mark in marks] == pytest.approx([2 * eps**0.5, (3 * eps) ** (1 / 3)])
    for mark, kind in zip(marks, ("forward", "central"), strict=True):
        hs, errors = line(ax, f"{kind}, float64")
        near = errors[abs(np.log10(hs / mark.get_xdata()[0])) < 0.8]
        assert near.min() <= mark.get_ydata()[0] <= near.max()
    assert [text.get_text() for text in ax.get_legend().get_texts()].count("about the best h") == 1


def test_an_error_of_zero_is_drawn_at_the_bottom():
    ax = plots.plot_step_error(lambda t: 2 * t, 0.5, dtypes=[torch.float64])
    _, errors = line(ax, "central, float64")
    assert (errors > 0).all() and (errors == errors.min()).sum() >= 2
    assert any(drawn.get_marker() == "v" and len(drawn.get_xdata()) for drawn in ax.lines)
    assert "the larger the better" in alone(ax)


def test_what_the_tangent_leaves_over_shrinks_with_the_square():
    ax = plots.plot_remainder(CURVED, 0.7)
    dx, left = line(ax, "|f(a + dx)")
    part = (dx > 1e-3) & (dx < 1e-2)
    assert slope_of(dx[part], left[part]) == pytest.approx(2, abs=0.05)
    guide_x, guide = line(ax, "slope 2")
    assert slope_of(guide_x, guide) == pytest.approx(2)


def test_a_straight_line_leaves_nothing_over():
    assert "nothing over" in alone(plots.plot_remainder(lambda t: 3 * t - 1, 0.7))


# --- manners ---------------------------------------------------------------------------------------------------------

CALLS = {
    "plot_function": lambda f, **o: plots.plot_function(f, **o),
    "plot_with_derivative": lambda f, **o: plots.plot_with_derivative(f, at=(0.7,), **o),
    "plot_tangent": lambda f, **o: plots.plot_tangent(f, 0.7, **o),
    "plot_secants": lambda f, **o: plots.plot_secants(f, 0.7, **o),
    "plot_step_error": lambda f, **o: plots.plot_step_error(f, 0.7, **o),
    "plot_remainder": lambda f, **o: plots.plot_remainder(f, 0.7, **o),
    "plot_zoom": lambda f, **o: plots.plot_zoom(f, 0.7, **o),
}


@pytest.mark.parametrize("name", CALLS)
def test_a_sympy_expression_a_formula_and_a_function_give_the_same_numbers(name):
    by_name, by_formula = CALLS[name](torch.sin), CALLS[name](sympy.sin(x))
    assert alone(by_formula).replace("f(x) = sin(x)", "f = sin") == alone(by_name)


@pytest.mark.parametrize("name", [name for name in CALLS if name != "plot_zoom"])
def test_a_plot_draws_into_the_axes_given_and_returns_them(name):
    ax = Figure().add_subplot()
    assert CALLS[name](torch.sin, ax=ax) is ax
    assert len(ax.lines) >= 1


@pytest.mark.parametrize("name", CALLS)
def test_gradients_and_settings_of_the_caller_stay_as_they_are(name):
    w = torch.tensor(1.5, dtype=torch.float64, requires_grad=True)
    before = dict(matplotlib.rcParams)
    CALLS[name](lambda t: (w * t).sin())
    assert w.grad is None and dict(matplotlib.rcParams) == before


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize(
    "f, error, words",
    [
        (math.sin, TypeError, "math.sin"), (3, TypeError, "got int"),
        (lambda t: torch.stack([t, t]), ValueError, "shape"),
        (lambda t: (t > 0).long(), TypeError, "int64"), (lambda t: t.nope(), ValueError, "AttributeError"),
    ],
    ids=["leaves torch", "no function", "two numbers", "integers", "raises"],
)
def test_what_cannot_be_drawn_is_refused_in_one_sentence(name, f, error, words):
    with pytest.raises(error, match=words) as refused:
        CALLS[name](f)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    "call, error, words",
    [
        (lambda: plots.plot_function(torch.sin, over=(2, 2)), ValueError, "low < high"),
        (lambda: plots.plot_function(torch.sin, over=3), TypeError, "pair of numbers"),
        (lambda: plots.plot_function(torch.sin, over=(0, math.inf)), ValueError, "finite"),
        (lambda: plots.plot_function(torch.log, over=(-3, -1)), ValueError, "no finite value"),
        (lambda: plots.plot_with_derivative(torch.sin, at="here"), TypeError, "at must be"),
        (lambda: plots.plot_tangent(torch.sin, math.nan), ValueError, "finite"),
        (lambda: plots.plot_tangent(torch.sin, 4), ValueError, "at = 4 lies outside of the range from −3 to 3"),
        (lambda: plots.plot_secants(torch.sin, 0.7, hs=(0.1, 0)), ValueError, "h ≠ 0"),
        (lambda: plots.plot_zoom(torch.sin, 0.7, zooms=()), ValueError, "at least one"),
        (lambda: plots.plot_zoom(torch.log, 0.0), ValueError, "finite around"),
        (lambda: plots.plot_step_error(torch.sin, 0.7, dtypes=torch.int64), TypeError, "float32"),
    ],
)
def test_a_wrong_argument_is_named(call, error, words):
    with pytest.raises(error, match=words):
        call()


def test_a_formula_too_long_for_the_legend_is_called_f():
    assert plots.label_of(x**3 / 4 - x) == "f(x) = 0.25·x³ − x"
    assert plots.label_of(sum(sympy.sin(k * x) for k in range(1, 9))) == "f"


def test_tensors_may_be_given_as_points():
    ax = plots.plot_with_derivative(torch.sin, at=torch.tensor([0.7, -1.3]))
    assert "x = −1.3" in alone(ax)


def test_sentences_are_the_same_in_another_process():
    code = (
        "import torch; from course_lib import plots as p;"
        "print(p.plot_step_error(torch.sin, 0.7).description, p.plot_zoom(torch.exp, 0.7).description)"
    )
    there = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip()
    here = f"{plots.plot_step_error(torch.sin, 0.7).description} {plots.plot_zoom(torch.exp, 0.7).description}"
    assert there == here
