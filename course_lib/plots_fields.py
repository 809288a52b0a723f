"""Draw a function of two variables: plot_contour, plot_slices, plot_descent.

f is a torch function of two tensors or of one tensor of shape (2,), a Formula or a SymPy expression in two symbols.
Gradients come from autograd, in float64. Contours carry their height as a number; dashed ones lie below 0.
"""

import math

import numpy as np
from matplotlib.ticker import MaxNLocator

from course_lib import theme
from course_lib.arguments import number_of, range_of
from course_lib.partials import Field, point_of, vector_text
from course_lib.theme import describe, number

SQUARE = ((-2, 2), (-2, 2))
CELLS, ARROWS = 101, 9


def plot_contour(f, over=SQUARE, at=(), field=True, ax=None):
    """Lines of equal height of f(u, v), with gradients as arrows across them; at: one point or several, with theirs."""
    hill, ranges = Field(f), ranges_of(over)
    points = points_in(at, ranges)
    ax, heights = contours(hill, ranges, ax)
    scale = gradient_field(ax, hill, ranges, alpha=0.6 * bool(field))
    parts = []
    for u, v in points:
        height, gradient = hill.at(u, v)
        arrows(ax, [[u, v]], np.array([gradient]) * scale * 1.6, width=3)
        ax.plot([u], [v], **theme.POINT)
        parts.append(
            f"at {vector_text((u, v))} the height is {number(height)} and the gradient {vector_text(gradient)}, "
            f"steepness {number(math.hypot(*gradient))}"
        )
    if field or points:
        name_gradient(ax)
    theme.legend_above(ax)
    return describe(ax, f"{'; '.join([f'{hill.label} {_where(hill, ranges)}: {_span(heights)}', *parts])}.")


def plot_slices(f, at, over=SQUARE):
    """The map of f with two lines through the point `at`, and what f does along each: its slopes are the partials."""
    hill, ranges = Field(f), ranges_of(over)
    (point,) = points_in([point_of(at, "at")], ranges)
    made = theme.figure(1, 2, width=8.7, height=4.5, left=0.6, gap=0.26, width_ratios=(1.1, 1))
    plane, right = made.axes
    upper, lower = _halves(made, right)
    contours(hill, ranges, plane)
    height, gradient = hill.at(*point)
    roles = (theme.SECANT, theme.SECOND)
    for i, (ax, other) in enumerate(((upper, 1), (lower, 0))):
        line = np.tile(np.array(point, dtype=float), (200, 1))
        line[:, i] = np.linspace(*ranges[i], 200)
        plane.plot(line[:, 0], line[:, 1], **roles[i])
        along = hill.heights(line)
        ax.plot(line[:, i], along, **{**theme.FUNCTION, "linewidth": 1.8})
        low, high = _padded(along)
        ax.set(xlim=ranges[i], ylim=(low, high))
        ends = point[i] + np.array([-0.25, 0.25]) * (ranges[i][1] - ranges[i][0])
        ax.plot(ends, height + gradient[i] * (ends - point[i]), **{**theme.TANGENT, "linewidth": 2.6})
        ax.plot([point[i]], [height], **theme.POINT)
        title = f"{hill.names[other]} = {number(point[other])} held: slope {_partial(hill, i)} = {number(gradient[i])}"
        ax.set_title(title, fontsize=9.5, color=theme.INK, loc="left")
        ax.set_xlabel(hill.names[i], color=roles[i]["color"], labelpad=1)
    plane.plot(*[[c] for c in point], **theme.POINT)
    plane.plot([], [], label=f"{hill.names[0]} moves", **roles[0])
    plane.plot([], [], label=f"{hill.names[1]} moves", **roles[1])
    theme.legend_above(plane)
    partials = " and ".join(f"{_partial(hill, i)} = {number(gradient[i])}" for i in (0, 1))
    return describe(
        theme.Panels([plane, upper, lower]),
        f"{hill.label} at {vector_text(point)}: the height is {number(height)}, the slices have the slopes {partials}.",
    )


def plot_descent(f, paths, over=None, ax=None):
    """The map of f with the steps of one or several walks on it.

    paths: a list of points (u, v), or a dict from names to such lists. Without `over` the map holds all finite points.
    """
    hill, walks = Field(f), _walks(paths)
    inside = np.concatenate(list(walks.values()))
    ranges = ranges_of(over) if over is not None else _around(inside[np.isfinite(inside).all(1)])
    ax, _ = contours(hill, ranges, ax, top=0.62)
    parts = []
    for (name, walk), role, marker in zip(walks.items(), _roles(len(walks)), "osD^vP", strict=False):
        shown = walk[np.isfinite(walk).all(1)]
        ax.plot(*shown.T, label=name, marker=marker, markersize=3.5, **{**role, "linewidth": 1.3})
        ax.plot(*shown[0], marker=marker, markersize=8, color=role["color"], markeredgecolor=theme.INK)
        start, end = hill.heights(shown[[0, -1]])
        steps = len(walk) - 1
        leaves = "" if len(shown) == len(walk) else f", no longer finite after {len(shown) - 1}"
        parts.append(f"{name} goes from {number(start)} to {number(end)} in {steps} step{'s' * (steps != 1)}{leaves}")
    ax.set(xlim=ranges[0], ylim=ranges[1])
    theme.legend_above(ax, columns=3)
    return describe(ax, f"{hill.label}: {'; '.join(parts)}.")


# --- parts that explorers use too ------------------------------------------------------------------------------------


def contours(hill, ranges, ax=None, **layout):
    """(ax, heights of shape (CELLS, CELLS)): lines of equal height with their numbers, equal scales on both axes."""
    heights = hill.heights(grid(ranges, CELLS)).reshape(CELLS, CELLS)
    finite = heights[np.isfinite(heights)]
    if not finite.size:
        raise ValueError("f has no finite value here: choose another range.")
    ax = theme.axes_for(ax, **{"width": 5.5, "height": 4.9, "left": 0.72, **layout})
    ax.set(xlim=ranges[0], ylim=ranges[1], xlabel=hill.names[0], ylabel=hill.names[1], aspect="equal")
    ax.grid(False)
    ax.plot([], [], label=hill.label, **{**theme.FUNCTION, "linewidth": 1.2})
    levels = _levels(finite)
    if len(levels) > 1:
        u, v = (np.linspace(*one, CELLS) for one in ranges)
        with theme.style():
            lines = ax.contour(
                u, v, np.ma.masked_invalid(heights), levels=levels, colors=theme.FUNCTION["color"], alpha=0.75,
                linewidths=[1.8 if level == 0 else 1 for level in levels], negative_linestyles="dashed",
            )
            with np.errstate(all="ignore"):
                ax.clabel(lines, levels=_numbered(levels), fmt=number, fontsize=8, colors=theme.INK)
    return ax, heights


def arrows(ax, starts, vectors, width=2.0, color=None, **look):
    """Arrows in data units, width in points."""
    starts, vectors = np.asarray(starts), np.asarray(vectors)
    return ax.quiver(
        *starts.T, *vectors.T, angles="xy", scale_units="xy", scale=1, units="inches", width=width / 72, minlength=0,
        headwidth=4, headlength=4.5, headaxislength=4, color=color or theme.DERIVATIVE["color"], zorder=3, **look,
    )


def gradient_field(ax, hill, ranges, alpha=0.6):
    """Draw gradients on a grid; the factor by which they were scaled to fit between their neighbours."""
    starts = grid(ranges, ARROWS)
    heights, slopes = hill.with_gradients(starts)
    usable = np.isfinite(heights) & np.isfinite(slopes).all(1)
    usual = np.percentile(np.hypot(*slopes[usable].T), 90) if usable.any() else 0
    cell = max(high - low for low, high in ranges) / (ARROWS - 1)
    scale = cell / usual if usual > 1e-12 else 1.0
    sizes = np.hypot(*slopes[usable].T)
    longest = np.minimum(1, 2 * usual / np.maximum(sizes, 1e-300))[:, None]  # beside a pole they would cross the map
    if alpha and usable.any():
        arrows(ax, starts[usable], slopes[usable] * scale * longest, alpha=alpha, width=1.3)
    return scale


def name_gradient(ax):
    """An entry for the arrows in the legend to come."""
    look = {"color": theme.DERIVATIVE["color"], "marker": r"$\rightarrow$", "markersize": 14, "linestyle": "none"}
    ax.plot([], [], label="gradient", **look)


def grid(ranges, count):
    """Points of shape (count · count, 2), v by rows, on the rim too."""
    u, v = (np.linspace(*one, count) for one in ranges)
    return np.stack(np.meshgrid(u, v), axis=-1).reshape(-1, 2)


def ranges_of(over):
    """((low, high), (low, high)); one pair counts for both variables."""
    try:
        first, second = over
    except (TypeError, ValueError):
        first = second = over
    if np.ndim(first) == 0 and np.ndim(second) == 0:
        return range_of(over), range_of(over)
    return range_of(first), range_of(second)


def points_in(at, ranges):
    """One point or several as a list of pairs of floats, each inside the ranges."""
    at = [at] if np.ndim(at) == 1 and len(at) == 2 and np.ndim(at[0]) == 0 else at
    try:
        points = [(number_of(u, "u"), number_of(v, "v")) for u, v in at]
    except (TypeError, ValueError):
        raise TypeError(f"at must be a point (u, v) or a list of points, got {str(at)[:40]!r}.") from None
    for point in points:
        for value, (low, high) in zip(point, ranges, strict=True):
            if not low <= value <= high:
                raise ValueError(f"the point {vector_text(point)} lies outside of the map.")
    return points


def _levels(finite):
    low, high = finite.min(), finite.max()
    middle = np.median(finite)
    usual = np.median(np.abs(finite - middle))
    if usual > 0 and max(high - middle, middle - low) > 15 * usual:  # a pole must not take all the lines
        low, high = max(low, middle - 6 * usual), min(high, middle + 6 * usual)
    if high - low < 1e-9 * max(1, abs(high)):
        return []
    return MaxNLocator(12).tick_values(low, high)


def _numbered(levels):
    """Those that get a number: every second of many, and all of one sign where they are few."""
    if len(levels) <= 8:
        return levels
    few = [side for side in (levels[levels < 0], levels[levels > 0]) if len(side) <= 3]
    return np.unique(np.concatenate([levels[::2], *few]))


def _padded(heights):
    finite = heights[np.isfinite(heights)]
    pad = 0.08 * np.ptp(finite) or 0.5
    return finite.min() - pad, finite.max() + pad


def _halves(made, ax):
    """Two axes, one above the other, in the place of one."""
    box = ax.get_position()
    ax.remove()
    tall = (box.height - 0.17) / 2
    with theme.style():
        return tuple(
            made.add_axes((box.x0, bottom, box.width, tall), axes_class=theme.DescribedAxes)
            for bottom in (box.y1 - tall, box.y0)
        )


def _partial(hill, i):
    return f"∂f/∂{hill.names[i]}"


def _where(hill, ranges):
    named = zip(hill.names, ranges, strict=True)
    return "for " + " and ".join(f"{name} from {number(low)} to {number(high)}" for name, (low, high) in named)


def _span(heights):
    finite = heights[np.isfinite(heights)]
    if np.ptp(finite) < 1e-9 * max(1, abs(finite.max())):
        return f"level at {number(finite.max())}"
    return f"heights from {number(finite.min())} to {number(finite.max())}"


def _walks(paths):
    walks = paths if isinstance(paths, dict) else {"path": paths}
    try:
        made = {str(name): np.array([[float(c) for c in point] for point in walk]) for name, walk in walks.items()}
    except (TypeError, ValueError, RuntimeError):
        raise TypeError("paths must be a list of points (u, v), or a dict from names to such lists.") from None
    if not made or not all(walk.ndim == 2 and walk.shape[1] == 2 and len(walk) for walk in made.values()):
        raise ValueError("each path must hold at least one point, and each point two numbers.")
    if not all(np.isfinite(walk[0]).all() for walk in made.values()):
        raise ValueError("each path must start at a finite point.")
    return made


def _around(points):
    low, high = points.min(0), points.max(0)
    middle, half = (low + high) / 2, max(1.15 * (high - low).max() / 2, 1e-3)
    return tuple((m - half, m + half) for m in middle.tolist())


def _roles(count):
    return [theme.CURVES[i % len(theme.CURVES)] for i in range(count)]
