"""Explorer of lesson 02, gradients: compass_on_a_hill(f)."""

import math

import numpy as np

from course_lib import theme
from course_lib.controls import Slider, even_step
from course_lib.live import Explorer, Scene, Task
from course_lib.partials import Field, vector_text
from course_lib.plots_fields import SQUARE, arrows, contours, gradient_field, name_gradient, points_in, ranges_of
from course_lib.theme import number

LEVEL, STEEPEST = 2, 2  # degrees that a direction may be off
HALF = 0.01  # and how far a slope may be from half of the steepest, as a part of it: half a degree of the dial is 0.008


def default_hill(u, v):
    return u * v + u**2


def compass_on_a_hill(f=None, at=(1.3, -0.7), over=SQUARE):
    """Turn a dial at a point of the map: the slope along it is ∇f·d, from the gradient alone. Default f: u² + uv."""
    hill, ranges = Field(default_hill if f is None else f), ranges_of(over)
    if f is None:
        hill.label = "f(u, v) = u² + u·v"
    (start,) = points_in([at], ranges)
    made = theme.figure(1, 2, width=8.7, height=4.3, left=0.6, gap=0.28, width_ratios=(1.12, 1))
    plane, slice_ = made.axes
    contours(hill, ranges, plane)
    scale = gradient_field(plane, hill, ranges, alpha=0.35)
    reach = max(high - low for low, high in ranges) / 4
    top = _usual_rise(hill, ranges, reach)
    draw = _compass_artists(plane, slice_, reach, top, hill)
    along = np.linspace(-reach, reach, 81)

    def update(u, v, dial):
        height, gradient = hill.at(u, v)
        direction = np.array([math.cos(math.radians(dial)), math.sin(math.radians(dial))])
        slope = float(direction @ gradient)
        rise = hill.heights(np.array([u, v]) + along[:, None] * direction) - height
        draw["point"].set_data([u], [v])
        ends = np.array([[u, v]]) + np.outer([-reach, reach], direction)
        draw["line"].set_data(*ends.T)
        draw["arrows"].set_offsets([[u, v], ends[1] - 0.12 * reach * direction])
        shown = np.array([np.array(gradient) * scale * 1.6, 0.12 * reach * direction])
        draw["arrows"].set_UVC(*np.nan_to_num(shown, posinf=0, neginf=0).T)
        draw["rise"].set_data(along, rise)
        draw["tangent"].set_data([-reach, reach], [-reach * slope, reach * slope])
        draw["slope"].set_text(f"slope {number(slope)}")
        steepest = math.hypot(*gradient)
        share = f", {number(100 * slope / steepest)} % of the steepest" if steepest > 1e-9 else ""
        terms = " + ".join(f"{number(g)}·{_in_brackets(d)}" for g, d in zip(gradient, direction, strict=True))
        return (
            f"At {vector_text((u, v))} the gradient is {vector_text(gradient)}, steepest slope {number(steepest)}. "
            f"Along {number(dial)}° the slope is ∇f·d = {terms} = {number(slope)}{share}."
        )

    def compare(values):
        """(degrees between dial and gradient, slope as a part of the steepest); None where f is level."""
        gradient = hill.at(values["u"], values["v"])[1]
        steepest = math.hypot(*gradient)
        if not 1e-9 < steepest < math.inf:
            return None
        angle = math.degrees(math.atan2(gradient[1], gradient[0])) - values["dial"]
        angle = abs((angle + 180) % 360 - 180)
        return angle, math.cos(math.radians(angle))

    def task(text, holds):
        def done(values):
            found = compare(values)
            return "f is level or undefined here: move the point" if found is None else holds(*found)

        return Task(text, done)

    names = hill.names
    (u_low, u_high), (v_low, v_high) = ranges
    return Explorer(
        Scene(figure=made, movers=list(draw.values()), update=update),
        name="compass_on_a_hill", play="dial",
        tasks=[
            task(f"Find a direction with slope 0, along the contour (to {LEVEL}°).",
                 lambda angle, part: abs(angle - 90) <= LEVEL),
            task(f"Find the direction with the steepest slope upwards (to {STEEPEST}°).",
                 lambda angle, part: angle <= STEEPEST),
            task("Find a direction with exactly half of the steepest slope (to 1 %).",
                 lambda angle, part: abs(part - 0.5) <= HALF),
        ],
        u=Slider(u_low, u_high, even_step(u_low, u_high), start[0], names[0]),
        v=Slider(v_low, v_high, even_step(v_low, v_high), start[1], names[1]),
        dial=Slider(-180, 180, 1, 0, "dial °"),
    )


def _in_brackets(value):
    text = number(value)
    return f"({text})" if text.startswith("−") else text


def _usual_rise(hill, ranges, reach):
    """A round number that few rises along the dial exceed."""
    _, slopes = hill.with_gradients(np.stack(np.meshgrid(*(np.linspace(*one, 9) for one in ranges)), -1).reshape(-1, 2))
    sizes = np.hypot(*slopes[np.isfinite(slopes).all(1)].T)
    usual = np.percentile(sizes, 75) * reach if sizes.size else 1
    return 2.0 ** math.ceil(math.log2(max(usual, 1e-6)))


def _compass_artists(plane, slice_, reach, top, hill):
    """The movers by name; what stays is drawn here too."""
    slice_.set(xlim=(-reach, reach), ylim=(-top, top), xlabel="steps along the dial", ylabel="rise of f")
    slice_.locator_params(axis="x", nbins=5)
    slice_.axhline(0, **theme.GUIDE)
    slice_.axvline(0, **theme.GUIDE)
    with theme.style():
        draw = {
            "line": plane.plot([], [], label="dial d", **theme.SECANT)[0],
            "arrows": arrows(plane, [[0, 0], [0, 0]], np.ones((2, 2)), width=3,
                             color=[theme.DERIVATIVE["color"], theme.SECANT["color"]]),
            "point": plane.plot([], [], **theme.POINT)[0],
            "rise": slice_.plot([], [], label="f along the dial", **theme.FUNCTION)[0],
            "tangent": slice_.plot([], [], label="slope ∇f·d", **theme.TANGENT)[0],
            "slope": slice_.text(0.97, 0.04, "", transform=slice_.transAxes, ha="right", fontsize=11,
                                 color=theme.TANGENT["color"]),
        }
        slice_.plot([0], [0], **theme.POINT)
    name_gradient(plane)
    theme.legend_above(plane)
    theme.legend_above(slice_)
    return draw
