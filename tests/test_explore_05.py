"""The microscope shows a map and its Jacobian, and ribbons tell operations apart."""

import math

import numpy as np
import pytest
import torch
from matplotlib.collections import LineCollection

from course_lib import theme
from course_lib.explore_05 import jacobian_microscope, ribbon_view


def line(explorer, axes, label):
    ax = explorer.scene.figure.axes[axes]
    return next(np.array(one.get_data()).T for one in ax.lines if one.get_label() == label)


def area(points):
    x, y = points.T
    return ((x[:-1] * y[1:] - x[1:] * y[:-1]).sum()) / 2


# --- microscope ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("r", [0.5, 1.5, 2.5])
@pytest.mark.parametrize("shape, unit", [("square", 1), ("circle", math.pi / 4)])
def test_the_linear_image_has_the_determinant_as_its_area(r, shape, unit):
    explorer = jacobian_microscope().set(a=r, b=0.25, shape=shape)
    assert abs(area(line(explorer, 1, "linear image, J"))) == pytest.approx(r * unit, rel=0.01)
    assert f"det J = {theme.number(r)}, areas ×{theme.number(r)}." in explorer.text


def test_the_true_image_is_f_around_the_point_magnified():
    explorer = jacobian_microscope().set(a=2, b=0.5, size=0.1)
    seen, given = line(explorer, 1, "true image"), line(explorer, 0, "input")
    assert given.min(0) == pytest.approx([1.95, 0.45]) and given.max(0) == pytest.approx([2.05, 0.55])
    r, angle = given.T
    center = np.array([2 * math.cos(0.5), 2 * math.sin(0.5)])
    assert seen * 0.1 + center == pytest.approx(np.column_stack([r * np.cos(angle), r * np.sin(angle)]))


def test_zooming_in_brings_the_images_together_in_proportion():
    def gap(size):
        explorer = jacobian_microscope().set(size=size)
        return np.abs(line(explorer, 1, "true image") - line(explorer, 1, "linear image, J")).max()

    assert gap(0.1) / gap(0.01) == pytest.approx(10, rel=0.1)


def test_the_singular_directions_are_stretched_by_the_singular_values():
    explorer = jacobian_microscope().set(a=2.5, b=0.5)  # J of polar coordinates stretches by 1 and r
    lengths = []
    for role in (theme.SECANT, theme.SECOND):
        (arm,) = [np.array(one.get_data()).T for one in explorer.scene.figure.axes[1].lines
                  if one.get_color() == role["color"]]
        lengths.append(np.hypot(*(arm[1] - arm[0])))
    assert lengths == pytest.approx([2.5, 1])
    most = line(explorer, 0, "most stretched")
    assert most[0][0] == pytest.approx(most[1][0])  # along θ


def test_tasks_are_done_by_a_small_square_and_by_radius_zero_only():
    explorer = jacobian_microscope()
    assert explorer.done == [False, False]
    assert explorer.set(a=0.0625).done == [False, False]
    assert explorer.set(a=0).done == [False, True]
    for stop in explorer.controls["size"].stops[::-1]:
        explorer.set(a=1.5, size=stop)
        gap = np.hypot(*(line(explorer, 1, "true image") - line(explorer, 1, "linear image, J")).T).max()
        assert explorer.done[0] == (gap <= 0.01)
        if explorer.done[0]:
            break
    assert explorer.done == [True, True] and stop > 1e-3


def test_a_students_map_has_the_tasks_that_can_be_done():
    turning = jacobian_microscope(lambda x: torch.stack([x[0] + x[1] ** 2, x[1] - x[0] ** 2]))
    assert len(turning.tasks) == 2
    assert turning.set(a=0.5, b=-0.5).done[1]  # det = 1 + 4·x₀·x₁
    assert not turning.set(a=0, b=0).failed
    linear = jacobian_microscope(lambda u, v: (2 * u + v, v - u), at=(0, 0))
    assert len(linear.tasks) == 1 and linear.done == [True] and "0 % apart" in linear.text
    assert "mirrored" in jacobian_microscope(lambda u, v: (v, u)).text


@pytest.mark.parametrize(
    "f, words",
    [(torch.sum, "two numbers for two numbers, got 1"), (3, "got int"), (lambda x: x.detach() ** 2, "leaves torch")],
)
def test_what_is_no_map_of_the_plane_is_refused(f, words):
    with pytest.raises((TypeError, ValueError), match=words):
        jacobian_microscope(f)


def test_an_undefined_place_is_said_and_the_next_one_works():
    explorer = jacobian_microscope(lambda x: torch.log(x)).set(a=-1)
    assert "undefined" in explorer.text and not explorer.failed
    assert "det J = 4, areas" in explorer.set(a=0.5).text


# --- ribbons ---------------------------------------------------------------------------------------------------------

NAMES = {"A": "sort", "B": "softmax", "C": "conv", "D": "cumsum"}
X = np.array([0.5, -1, 2, 0.25, 1.25])


def drawn(explorer):
    """{(input, output): signed thickness} of the visible ribbons."""
    ax = explorer.scene.figure.axes[0]
    parts = [child for child in ax.get_children() if isinstance(child, LineCollection) and child.get_visible()]
    outputs = len([t for t in ax.texts if t.get_visible() and t.get_text().startswith("y")])
    found = {}
    for part, sign in zip(parts, (1, -1), strict=True):
        for segment, width in zip(part.get_segments(), part.get_linewidth(), strict=False):
            ends = round(segment[0][0] * 4), round(segment[-1][0] * (outputs - 1))
            found[ends] = sign * width
    return found


def test_sort_swaps_its_ribbons_when_x0_passes_another():
    explorer = ribbon_view()
    assert set(drawn(explorer)) == {(j, int(np.argsort(np.argsort(X))[j])) for j in range(5)}
    low = np.array([-1.5, *X[1:]])
    assert set(drawn(explorer.set(x0=-1.5))) == {(j, int(np.argsort(np.argsort(low))[j])) for j in range(5)}


def test_cumsum_conv_and_softmax_have_the_ribbons_of_their_formula():
    explorer = ribbon_view()
    assert set(drawn(explorer.set(picture="D"))) == {(j, i) for i in range(5) for j in range(i + 1)}
    conv = drawn(explorer.set(picture="C"))
    assert set(conv) == {(i + k, i) for i in range(3) for k in range(3)}
    assert conv[2, 0] == pytest.approx(-conv[0, 0]) and conv[1, 0] == pytest.approx(2 * conv[0, 0])
    soft = drawn(explorer.set(picture="B"))
    assert all((width > 0) == (i == j) for (j, i), width in soft.items()) and len(soft) == 25
    p = np.exp(X) / np.exp(X).sum()
    assert soft[2, 2] / soft[4, 4] == pytest.approx(p[2] * (1 - p[2]) / (p[4] * (1 - p[4])))


def test_the_name_is_not_told_before_it_is_guessed():
    explorer = ribbon_view()
    for picture, name in NAMES.items():
        explorer.set(picture=picture)
        assert name not in explorer.text and explorer.values["guess"] == "?"
        assert not any("=" in text.get_text() for text in explorer.scene.figure.axes[0].texts
                       if text.get_text().startswith("y"))
    assert "not cumsum" in explorer.set(picture="A", guess="cumsum").text


def test_the_task_needs_all_four_names():
    explorer = ribbon_view()
    for i, (picture, name) in enumerate(NAMES.items()):
        explorer.set(picture=picture).set(guess="matmul")
        assert explorer.done == [False]
        explorer.set(guess=name)
        assert f"Picture {picture} is {name}" in explorer.text and explorer.done == [i == 3]


def test_a_students_operation_is_one_more_picture():
    explorer = ribbon_view(lambda x: x[:2] * 3).set(picture="yours")
    assert set(drawn(explorer)) == {(0, 0), (1, 1)} and "2 of 10 possible ribbons, 2 rising" in explorer.text
    with pytest.raises(ValueError, match="8 outputs, f has 10"):
        ribbon_view(lambda x: x.repeat(2))
