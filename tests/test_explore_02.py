"""The compass shows the slope along its dial, and its tasks take the right directions only."""

import math

import numpy as np
import pytest
import torch
from matplotlib.quiver import Quiver

from course_lib import theme
from course_lib.explore_02 import compass_on_a_hill

POINTS = [(1.3, -0.7), (0.5, 1.0), (-1.25, 0.75)]


def mover(explorer, axes, color):
    ax = explorer.scene.figure.axes[axes]
    return next(line for line in ax.lines if line in explorer.scene.movers and line.get_color() == color)


def angle_of_gradient(u, v):
    return math.degrees(math.atan2(u, 2 * u + v))


def test_the_slope_is_the_gradient_along_the_dial():
    explorer = compass_on_a_hill().set(u=0.5, v=1.0, dial=60)
    slope = 2 * math.cos(math.pi / 3) + 0.5 * math.sin(math.pi / 3)
    (x0, x1), (y0, y1) = mover(explorer, 1, theme.TANGENT["color"]).get_data()
    assert (y1 - y0) / (x1 - x0) == pytest.approx(slope)
    steps, rise = mover(explorer, 1, theme.FUNCTION["color"]).get_data()
    a, b = 0.5 + steps * math.cos(math.pi / 3), 1 + steps * math.sin(math.pi / 3)
    assert np.allclose(rise, a * b + a * a - 0.75)
    assert explorer.text == (
        "At (0.5, 1) the gradient is (2, 0.5), steepest slope 2.06. Along 60° the slope is ∇f·d = 2·0.5 + 0.5·0.866 = "
        "1.43, 69.5 % of the steepest."
    )


def test_arrow_and_dial_point_where_they_should():
    explorer = compass_on_a_hill().set(u=0.5, v=1.0, dial=60)
    quiver = next(m for m in explorer.scene.movers if isinstance(m, Quiver))
    assert quiver.V[0] / quiver.U[0] == pytest.approx(0.5 / 2) and quiver.U[0] > 0
    assert math.degrees(math.atan2(quiver.V[1], quiver.U[1])) == pytest.approx(60)
    assert quiver.get_offsets()[0].tolist() == [0.5, 1]
    line = np.column_stack(mover(explorer, 0, theme.SECANT["color"]).get_data())
    assert line.mean(0) == pytest.approx([0.5, 1])
    assert math.degrees(math.atan2(*(line[1] - line[0])[::-1])) == pytest.approx(60)


@pytest.mark.parametrize("u, v", POINTS)
@pytest.mark.parametrize("turn, off, which", [(90, 2, 0), (-90, 2, 0), (0, 2, 1), (60, 0.6, 2), (-60, 0.6, 2)])
def test_each_task_takes_the_stops_near_its_direction_and_no_others(u, v, turn, off, which):
    wanted = angle_of_gradient(u, v) + turn
    near = [dial for dial in range(-180, 181) if abs((dial - wanted + 180) % 360 - 180) <= off]
    far = [dial for dial in range(-180, 181) if 1.6 * off < abs((dial - wanted + 180) % 360 - 180) < 20]
    assert near, "the dial has no stop for this task"
    explorer = compass_on_a_hill(at=(u, v))
    for dial in (*near, *far):
        done = explorer.tasks[which].done({**explorer.values, "dial": dial})
        assert done == (dial in near)
    assert explorer.set(dial=near[0]).done[which]


def test_downhill_is_not_the_steepest_way_up():
    explorer = compass_on_a_hill().set(dial=round(angle_of_gradient(1.3, -0.7)) - 180)
    assert explorer.done == [False] * 3 and "−100 %" in explorer.text


def test_where_f_is_level_every_task_asks_for_another_point():
    explorer = compass_on_a_hill().set(u=0, v=0, dial=90)
    assert explorer.done == [False] * 3 and "level or undefined" in explorer.task_lines()[0]


def test_a_students_function_has_its_own_gradient():
    explorer = compass_on_a_hill(lambda x: torch.sin(x[0]) * x[1], at=(0, 1), over=((-3, 3), (0, 2))).set(dial=0)
    assert "gradient is (1, 0), steepest slope 1. " in explorer.text and explorer.done == [False, True, False]
    assert explorer.set(dial=90).done[0] and explorer.set(dial=-60).done[2]


def test_an_undefined_place_is_said_and_the_next_one_works():
    explorer = compass_on_a_hill(lambda a, b: torch.log(a) + b, at=(1, 0)).set(u=-1)
    assert "undefined" in explorer.text and not explorer.failed and explorer.overlay()
    assert "(1, 1)" in explorer.set(u=1).text


@pytest.mark.parametrize("at", [(3, 0), "here"])
def test_a_start_off_the_map_is_refused(at):
    with pytest.raises((TypeError, ValueError), match="outside of the map|must be a point"):
        compass_on_a_hill(at=at)
