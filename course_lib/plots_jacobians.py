"""Draw a Jacobian: plot_jacobian as a table, plot_ribbons as strands from inputs to outputs, plot_map as what it does.

f takes a tensor of shape (n,) and returns one of shape (m,). J has outputs as rows and inputs as columns and comes
from autograd, in float64.
"""

import contextlib
import inspect

import numpy as np
from matplotlib.collections import LineCollection

from course_lib import theme
from course_lib.arguments import number_of
from course_lib.cells import Cells, bare, indexed, largest_of, name_rows_and_columns
from course_lib.partials import Map, matrix_text, point_of, vector_text
from course_lib.theme import describe, number

MOST_CELLS = 144
THICKEST = 11  # points


def plot_jacobian(f, x, v=None, ax=None):
    """The Jacobian of f at x as a table: a row for each output, a column for each input.

    With v, one weight for each output: v stands beside the rows, and below them vᵀJ, which is x.grad after
    y.backward(gradient=v).
    """
    function, x = Map(f), point_of(x)
    _, jacobian = function.finite_jacobian(x)
    rows, columns = _few_enough(jacobian)
    weights = None if v is None else _weights(v, rows)
    if ax is None:
        cell = min(0.62, 7 / columns, 5.6 / rows)
        height = cell * (rows + (1.5 if v is not None else 0)) + 0.75
        ax = theme.figure(width=cell * columns + (2.2 if v is not None else 1.3), height=height).axes[0]
        ax.set_position((0.01, 0.03, 0.98, 0.94))
    else:
        cell = 0.5
    fontsize = max(6, min(11, 19 * cell))
    largest = largest_of(jacobian)
    left = -2.1 if weights is not None else -0.75
    bare(ax, (left, columns + 0.1), (-rows - (1.6 if weights is not None else 0.1), 0.8), equal=True)
    name_rows_and_columns(ax, indexed("y", rows), indexed("x", columns), fontsize=fontsize)
    Cells(ax, (rows, columns), largest=largest, fontsize=fontsize).show(jacobian)
    label = "" if function.label == "f" else f" of {function.label.removeprefix('f = ')}"
    sentence = f"Jacobian{label} at x = {vector_text(x)}: {_table(jacobian)}"
    if weights is not None:
        pulled = weights @ jacobian
        Cells(ax, (rows, 1), -1.9, largest=largest_of(weights), fontsize=fontsize, edge=2).show(weights[:, None])
        Cells(ax, (1, columns), 0, -rows - 0.5, largest=largest_of(jacobian, pulled), fontsize=fontsize, edge=2).show(
            pulled[None]
        )
        with theme.style():
            ax.text(-1.4, 0.16, "v", ha="center", va="bottom", fontsize=fontsize)
            ax.text(-0.14, -rows - 1.02, "vᵀJ", ha="right", va="center", fontsize=fontsize)
        sentence += f"; with v = {vector_text(weights)}, vᵀJ = {vector_text(pulled)}"
    return describe(ax, f"{sentence}.")


def plot_ribbons(f, x, ax=None):
    """A ribbon from input j, above, to output i, below, as thick as |∂yᵢ/∂xⱼ|; dashed where it is negative."""
    function, x = Map(f), point_of(x)
    y, jacobian = function.finite_jacobian(x)
    _few_enough(jacobian)
    if ax is None:
        ax = theme.figure(width=6, height=2.9).axes[0]
        ax.set_position((0.03, 0.02, 0.94, 0.87))
    ribbons = Ribbons(ax, len(x), len(y))
    ribbons.show(x, y, jacobian, largest_of(jacobian))
    sizes = np.abs(jacobian[np.abs(jacobian) > 1e-12])
    counts = f"{len(sizes)} of {jacobian.size} possible, {(jacobian > 1e-12).sum()} positive and "
    counts += f"{(jacobian < -1e-12).sum()} negative"
    span = f", sizes from {number(sizes.min())} to {number(sizes.max())}" if len(sizes) else ""
    name = function.label.removeprefix("f = ")
    return describe(ax, f"Ribbons of {name} at x = {vector_text(x)}: {counts}{span}.")


def plot_map(f, at, size=0.5, shape="square"):
    """What f does to a small square or circle around `at`: its true image, and the image that the Jacobian promises.

    f takes and returns two numbers. size: side of the square, or diameter of the circle.
    """
    function, point = Map(f), point_of(at, "at")
    size = number_of(size, "size")
    if size <= 0:
        raise ValueError("size must be above 0.")
    y, jacobian = plane_jacobian(function, point)
    function.finite_jacobian(point)
    outline, cross = outline_of(shape)
    true = function.values(point + size * outline)
    made = theme.figure(1, 2, width=8.4, height=4, left=0.55, gap=0.28, top=0.62)
    before, after = made.axes
    before.plot(*(point + size * outline).T, **theme.FUNCTION)
    before.plot(*(point + size * cross).T, **{**theme.FUNCTION, "linewidth": 0.8})
    after.plot(*true.T, label="true image", **theme.FUNCTION)
    after.plot(*function.values(point + size * cross).T, **{**theme.FUNCTION, "linewidth": 0.8})
    promised = y + size * outline @ jacobian.T
    after.plot(*promised.T, label="linear image, J", **theme.DERIVATIVE)
    for ax, names, center in ((before, input_names(f, 2), point), (after, indexed("y", 2), y)):
        ax.plot(*[[c] for c in center], **theme.POINT)
        ax.set(xlabel=names[0], ylabel=names[1])
        ax.set_aspect("equal", adjustable="datalim")
    _one_scale((before, point + size * outline), (after, np.vstack([true, promised])))
    before.plot([], [], label=shape, **theme.FUNCTION)
    theme.legend_above(before)
    theme.legend_above(after)
    return describe(
        theme.Panels([before, after]),
        f"{function.label} on a {shape} of size {number(size)} at {vector_text(point)}: J = {matrix_text(jacobian)}, "
        f"det J = {number(np.linalg.det(jacobian))}; "
        f"true and linear image are {percent(gap_of(true, promised, size))} of the size apart.",
    )


def _one_scale(*pictures):
    """The same number of units on every axes, so that areas can be compared; where that hides one picture, each its own."""
    middles = [(points.max(0) + points.min(0)) / 2 for _, points in pictures]
    reaches = [0.55 * np.ptp(points, axis=0).max() for _, points in pictures]
    if max(reaches) > 4 * min(reaches):
        return
    for (ax, _), (a, b) in zip(pictures, middles, strict=True):
        ax.set_aspect("equal", adjustable="box")
        ax.set(xlim=(a - max(reaches), a + max(reaches)), ylim=(b - max(reaches), b + max(reaches)))


# --- parts that explorers use too ------------------------------------------------------------------------------------


class Ribbons:
    """Nodes of inputs above and outputs below, and the strands between them; .artists move."""

    def __init__(self, ax, inputs, outputs):
        self.tops = _spread(inputs)
        self.bottoms = _spread(outputs)
        bare(ax, (-0.06, 1.06), (-0.3, 1.32), equal=False)
        strands = [(j, i) for i in range(outputs) for j in range(inputs)]
        rise = np.linspace(0, 1, 24)
        bend = rise**2 * (3 - 2 * rise)
        self._paths = np.array([
            np.column_stack([self.tops[j] + (self.bottoms[i] - self.tops[j]) * bend, 1 - rise]) for j, i in strands
        ])
        dots = {"linestyle": "none", "marker": "o", "markersize": 5, "color": theme.INK}
        with theme.style():
            self.parts = [
                ax.add_collection(LineCollection([], colors=role["color"], linestyles=[role["linestyle"]], alpha=0.75,
                                                 capstyle="butt"), autolim=False)
                for role in (theme.POSITIVE, theme.NEGATIVE)
            ]
            places = np.concatenate([self.tops, self.bottoms]), np.repeat([1, 0], [inputs, outputs])
            self.dots = ax.plot(*places, **dots)
            look = {"ha": "center", "fontsize": 9.5 if max(inputs, outputs) <= 6 else 8}
            self.above = [ax.text(place, 1.09, "", va="bottom", **look) for place in self.tops]
            self.below = [ax.text(place, -0.09, "", va="top", **look) for place in self.bottoms]
            if ax.get_legend() is None:
                for role, name in ((theme.POSITIVE, "y rises with x"), (theme.NEGATIVE, "y falls as x rises")):
                    ax.plot([], [], label=name, linewidth=5, alpha=0.75, **role)
                theme.legend_above(ax)

    @property
    def artists(self):
        return [*self.parts, *self.above, *self.below]

    def show(self, x, y, jacobian, largest):
        """y may be None: its values stay unsaid."""
        flat = np.asarray(jacobian).ravel()
        for part, chosen in zip(self.parts, (flat > 1e-12, flat < -1e-12), strict=True):
            part.set_segments(self._paths[chosen])
            part.set_linewidth(np.maximum(THICKEST * np.abs(flat[chosen]) / largest, 0.6))
        for texts, name, values in ((self.above, "x", x), (self.below, "y", y)):
            for i, text in enumerate(texts):
                text.set_text(name + theme.index(i) + ("" if values is None else f" = {number(values[i])}"))


def input_names(f, count):
    """The names of f's arguments where it takes its inputs one by one, else x₀, x₁, …"""
    with contextlib.suppress(TypeError, ValueError):
        names = tuple(inspect.signature(f).parameters)
        if len(names) == count:
            return names
    return indexed("x", count)


def outline_of(shape):
    """(outline, cross) of a square of side 1 or a circle of diameter 1 around 0, points of shape (k, 2)."""
    if shape not in ("square", "circle"):
        raise ValueError(f"shape must be 'square' or 'circle', got {str(shape)[:40]!r}.")
    t = np.linspace(0, 1, 17)
    if shape == "circle":
        turn = 2 * np.pi * np.linspace(0, 1, 65)
        outline = 0.5 * np.column_stack([np.cos(turn), np.sin(turn)])
    else:
        sides = [(t, 0 * t), (1 + 0 * t, t), (1 - t, 1 + 0 * t), (0 * t, 1 - t)]
        outline = np.concatenate([np.column_stack(side) for side in sides]) - 0.5
    cross = np.concatenate([np.column_stack([t - 0.5, 0 * t]), [[np.nan, np.nan]], np.column_stack([0 * t, t - 0.5])])
    return outline, cross


def gap_of(true, promised, size):
    """The largest distance between two images of an outline, as a part of the size of what was mapped."""
    return float(np.hypot(*(true - promised).T).max() / size)


def plane_jacobian(function, point):
    """(y, J) of a map of the plane; ValueError with one sentence for any other map."""
    if len(point) != 2:
        raise ValueError(f"the point must have two numbers, got {len(point)}.")
    y, jacobian = function.jacobian(point)
    if len(y) != 2:
        raise ValueError(f"f must return two numbers for two numbers, got {len(y)}.")
    return y, jacobian


def percent(part):
    return "0 %" if part <= 1e-9 else f"{number(100 * part, 2)} %"


def _spread(count):
    return np.linspace(0, 1, count) if count > 1 else np.array([0.5])


def _few_enough(jacobian):
    if jacobian.size > MOST_CELLS:
        raise ValueError(f"a picture has room for {MOST_CELLS} derivatives, this Jacobian has {jacobian.size}.")
    return jacobian.shape


def _weights(v, rows):
    weights = point_of(v, "v")
    if len(weights) != rows:
        raise ValueError(f"v must have one weight for each of the {rows} outputs, got {len(weights)}.")
    return weights


def _table(jacobian):
    if jacobian.size <= 12:
        return f"J = {matrix_text(jacobian)}"
    used = (np.abs(jacobian) > 1e-12).sum()
    rows, columns = jacobian.shape
    return (
        f"J has {rows} rows and {columns} columns, {used} of {jacobian.size} entries are not 0, "
        f"from {number(jacobian.min())} to {number(jacobian.max())}"
    )


