"""Maps show f: arrows are gradients and cross the contours at right angles, slices have the partials as slopes."""

import matplotlib
import numpy as np
import pytest
import sympy
import torch
from matplotlib.contour import ContourSet
from matplotlib.figure import Figure
from matplotlib.quiver import Quiver

from course_lib import theme
from course_lib.plots_fields import plot_contour, plot_descent, plot_slices

u, v = sympy.symbols("u v", real=True)
HILL = u * v + u**2


def of_kind(ax, kind):
    return [child for child in ax.get_children() if isinstance(child, kind)]


def quivers(ax):
    return [(q.XY, np.column_stack([q.U, q.V])) for q in of_kind(ax, Quiver)]


def contour_points(ax):
    """(points, steps) of all contour lines."""
    (contour,) = of_kind(ax, ContourSet)
    for path in contour.get_paths():
        for piece in path.to_polygons(closed_only=False):
            yield from zip((piece[:-1] + piece[1:]) / 2, np.diff(piece, axis=0), strict=True)


def test_contours_lie_at_their_level_and_the_gradient_is_perpendicular_to_them():
    ax = plot_contour(HILL)
    pairs = [(point, step) for point, step in contour_points(ax) if np.abs(point).min() > 0.3]
    assert len(pairs) > 300
    for (a, b), step in pairs[::7]:
        gradient = np.array([2 * a + b, a])
        if np.linalg.norm(step) > 1e-3:
            assert abs(gradient @ step) / np.linalg.norm(gradient) / np.linalg.norm(step) < 0.03
    (contour,) = of_kind(ax, ContourSet)
    for level, path in zip(contour.levels, contour.get_paths(), strict=True):
        a, b = path.vertices.T if len(path.vertices) else (np.array([]), np.array([]))
        assert np.allclose(a * b + a * a, level, atol=0.01)


def test_arrows_are_gradients_all_on_one_scale_and_the_axes_are_equal():
    ax = plot_contour(HILL)
    ((starts, vectors),) = quivers(ax)
    gradients = np.column_stack([2 * starts[:, 0] + starts[:, 1], starts[:, 0]])
    scale = (vectors * gradients).sum() / (gradients**2).sum()
    small = np.hypot(*gradients.T) < 5
    assert np.allclose(vectors[small], scale * gradients[small]) and scale > 0
    assert ax.get_aspect() == 1


def test_marked_points_carry_their_gradient_and_the_sentence_says_it():
    ax = plot_contour(HILL, at=[(1.3, -0.7), (0, 1)], field=False)
    found = quivers(ax)
    assert len(found) == 2 and found[0][0].tolist() == [[1.3, -0.7]]
    assert found[0][1][0][0] / found[0][1][0][1] == pytest.approx(1.9 / 1.3)
    points = [line.get_xydata()[0].tolist() for line in ax.lines if line.get_marker() == theme.POINT["marker"] and
              len(line.get_xdata())]
    assert points == [[1.3, -0.7], [0, 1]]
    assert ax.description == (
        "f(u, v) = u² + u·v for u from −2 to 2 and v from −2 to 2: heights from −1 to 8; at (1.3, −0.7) the height is "
        "0.78 and the gradient (1.9, 1.3), steepness 2.3; at (0, 1) the height is 0 and the gradient (1, 0), "
        "steepness 1."
    )


def test_height_is_a_number_and_a_line_style_not_only_a_colour():
    (contour,) = of_kind(plot_contour(HILL), ContourSet)
    assert len(contour.labelTexts) >= 5
    styles = [style[1] is not None for style in contour.get_linestyle()]
    assert styles == [level < 0 for level in contour.levels]


def test_a_pole_does_not_take_all_the_lines():
    (contour,) = of_kind(plot_contour(lambda a, b: 1 / b + a, over=((-2, 2), (-1, 1))), ContourSet)
    assert (np.abs(contour.levels) < 5).sum() >= 2 and np.abs(contour.levels).max() < 60


def test_where_f_is_undefined_nothing_is_drawn():
    ax = plot_contour(lambda a, b: torch.log(a) + b)
    ((starts, _),) = quivers(ax)
    assert (starts[:, 0] > 0).all()
    assert all(point[0] > 0 for point, _ in contour_points(ax))


def test_a_level_landscape_is_called_level():
    assert "level at 4." in plot_contour(lambda a, b: 0 * a + 4, at=(1, 1)).description.replace(";", ".")


def test_slices_run_through_the_point_with_the_partials_as_slopes():
    panels = plot_slices(HILL, (1.3, -0.7))
    plane, *slices = panels
    for i, ax in enumerate(slices):
        curve = next(np.array(line.get_data()) for line in ax.lines if line.get_color() == theme.FUNCTION["color"])
        tangent = next(np.array(line.get_data()) for line in ax.lines if line.get_color() == theme.TANGENT["color"]
                       and len(line.get_xdata()) == 2)
        at = (curve[0], -0.7 + 0 * curve[0]) if i == 0 else (1.3 + 0 * curve[0], curve[0])
        assert np.allclose(curve[1], at[0] * at[1] + at[0] ** 2)
        (x0, x1), (y0, y1) = tangent
        assert (y1 - y0) / (x1 - x0) == pytest.approx([1.9, 1.3][i])
        assert np.interp([1.3, -0.7][i], [x0, x1], [y0, y1]) == pytest.approx(0.78)
    lines = [line for line in plane.lines if len(line.get_xdata()) == 200]
    assert lines[0].get_color() != lines[1].get_color() and lines[0].get_linestyle() != lines[1].get_linestyle()
    assert panels.description == (
        "f(u, v) = u² + u·v at (1.3, −0.7): the height is 0.78, the slices have the slopes ∂f/∂u = 1.9 and ∂f/∂v = 1.3."
    )


def test_a_walk_is_drawn_step_by_step_and_summed_up():
    walk = [torch.tensor([1.0, 2.0]), torch.tensor([0.5, 1.0]), torch.tensor([0.0, 0.5])]
    ax = plot_descent(lambda a, b: a**2 + b**2, {"lr 0.1": walk, "still": [(1, 1)]})
    line = next(line for line in ax.lines if line.get_label() == "lr 0.1")
    assert line.get_xydata().tolist() == [[1, 2], [0.5, 1], [0, 0.5]]
    assert ax.description == "f: lr 0.1 goes from 5 to 0.25 in 2 steps; still goes from 2 to 2 in 0 steps."


def test_a_walk_that_leaves_the_numbers_is_said_to():
    walk = [(1.0, 1.0), (10.0, 1.0), (float("inf"), 1.0)]
    assert "no longer finite after 1" in plot_descent(lambda a, b: a * b, walk).description


@pytest.mark.parametrize("draw", [plot_contour, lambda f, ax: plot_descent(f, [(0, 0), (1, 1)], ax=ax)])
def test_axes_given_are_used_and_settings_stay(draw):
    before, ax = dict(matplotlib.rcParams), Figure().add_subplot()
    w = torch.tensor(2.0, dtype=torch.float64, requires_grad=True)
    assert draw(lambda a, b: w * a * b, ax=ax) is ax
    assert w.grad is None and dict(matplotlib.rcParams) == before


@pytest.mark.parametrize(
    "call, error, words",
    [
        (lambda: plot_contour(HILL, at=(5, 0)), ValueError, r"\(5, 0\) lies outside"),
        (lambda: plot_contour(HILL, at="here"), TypeError, "at must be a point"),
        (lambda: plot_contour(HILL, over=((1, -1), (0, 1))), ValueError, "low < high"),
        (lambda: plot_contour(lambda a, b: torch.log(a - 9) * b), ValueError, "no finite value"),
        (lambda: plot_slices(HILL, 3), TypeError, "at must be a point"),
        (lambda: plot_descent(HILL, [1, 2]), TypeError, "paths must be"),
        (lambda: plot_descent(HILL, {}), ValueError, "at least one point"),
    ],
)
def test_a_wrong_argument_is_named(call, error, words):
    with pytest.raises(error, match=words):
        call()


def test_one_range_counts_for_both_variables():
    ax = plot_contour(HILL, over=(-1, 1))
    assert ax.get_xlim() == ax.get_ylim() == (-1, 1)
