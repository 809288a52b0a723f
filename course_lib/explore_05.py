"""Explorers of lesson 05, Jacobians: jacobian_microscope(f), ribbon_view(f)."""

import numpy as np
import torch

from course_lib import theme
from course_lib.cells import largest_of
from course_lib.controls import Choice, LogSlider, Slider, even_step
from course_lib.live import Explorer, Scene, Task
from course_lib.partials import Map, matrix_text, vector_text
from course_lib.plots_fields import grid, points_in, ranges_of
from course_lib.plots_jacobians import Ribbons, gap_of, outline_of, percent, plane_jacobian
from course_lib.theme import number

GAP = 0.01  # of the size of the square
SMALL_DET = 0.02  # of the largest determinant on the map


def polar(r, angle):
    return torch.stack([r * torch.cos(angle), r * torch.sin(angle)])


def jacobian_microscope(f=None, at=None, over=None):
    """A small square in the input plane, and under a magnifying glass its true image and the one that J promises.

    Default f: polar coordinates (r, θ) to (r·cos θ, r·sin θ).
    """
    if f is None:
        f, names, label = polar, ("r", "θ"), "(r·cos θ, r·sin θ)"
        at, over = at or (1.5, 0.5), over or ((0, 3), (-1.5, 1.5))
    else:
        names, label, at, over = ("x₀", "x₁"), Map(f).label, at or (0.5, 0.5), over or (-2, 2)
    function, ranges = Map(f), ranges_of(over)
    (start,) = points_in([at], ranges)
    plane_jacobian(function, np.array(start))  # explains in one sentence what cannot be explored
    stretch, dets = _survey(function, ranges)
    made = theme.figure(1, 2, width=8.7, height=4.3, left=0.6, gap=0.24)
    draw = _microscope_artists(*made.axes, ranges, 0.62 * stretch, names, label)

    def look(point, size, shape):
        outline, cross = outline_of(shape)
        y, jacobian = function.jacobian(point)
        seen = (function.values(point + size * np.concatenate([outline, cross])) - y) / size
        return outline, cross, y, jacobian, seen

    def update(a, b, size, shape):
        point = np.array([a, b])
        outline, cross, y, jacobian, seen = look(point, size, shape)
        promised = outline @ jacobian.T
        left, sizes, right = np.linalg.svd(np.nan_to_num(jacobian, posinf=0, neginf=0))
        draw["shape"].set_data(*(point + size * outline).T)
        draw["point"].set_data([a], [b])
        draw["true"].set_data(*seen[: len(outline)].T)
        draw["cross"].set_data(*seen[len(outline):].T)
        draw["promised"].set_data(*promised.T)
        arm = max(0.5 * size, draw["arm"])
        for i in (0, 1):
            draw[f"in {i}"].set_data(*(point + np.outer([-arm, arm], right[i])).T)
            draw[f"out {i}"].set_data(*np.outer([-0.5, 0.5], sizes[i] * left[:, i]).T)
        det = _det(jacobian)
        draw["glass"].set_text(f"×{number(1 / size, 2)} around {vector_text(y)}")
        turned = ", mirrored" if det < -1e-9 else ""
        kind = "Square of side" if shape == "square" else "Circle of diameter"
        gap = gap_of(seen[: len(outline)], promised, 1)
        return (
            f"{kind} {number(size, 2)} at {vector_text(point)}: J = {matrix_text(jacobian)}, det J = {number(det)}, "
            f"areas ×{number(abs(det))}{turned}. True and linear image are {percent(gap)} apart."
        )

    def close(values):
        outline, _, _, jacobian, seen = look(np.array([values["a"], values["b"]]), values["size"], values["shape"])
        return bool(gap_of(seen[: len(outline)], outline @ jacobian.T, 1) <= GAP)

    def flat(values):
        det = _det(function.jacobian([values["a"], values["b"]])[1])
        return bool(abs(det) <= SMALL_DET * largest_of(dets))

    tasks = [Task(f"Shrink it until true and linear image are at most {percent(GAP)} of its size apart.", close)]
    if dets.min() <= SMALL_DET * largest_of(dets) and dets.max() >= -SMALL_DET * largest_of(dets):
        tasks.append(Task("Place the square where det J = 0: its linear image has no area.", flat))
    (a_low, a_high), (b_low, b_high) = ranges
    return Explorer(
        Scene(figure=made, movers=[part for key, part in draw.items() if key != "arm"], update=update),
        name="jacobian_microscope",
        tasks=tasks,
        a=Slider(a_low, a_high, even_step(a_low, a_high), start[0], names[0]),
        b=Slider(b_low, b_high, even_step(b_low, b_high), start[1], names[1]),
        size=LogSlider(1e-3, 1, 6, 0.68, "size"),
        shape=Choice(("square", "circle"), "square", "shape"),
    )


def _det(jacobian):
    return jacobian[0, 0] * jacobian[1, 1] - jacobian[0, 1] * jacobian[1, 0]


def _survey(function, ranges):
    """(a round number that J rarely stretches beyond, determinants) over the map."""
    found = np.stack([function.jacobian(point)[1] for point in grid(ranges, 13)])
    found = found[np.isfinite(found).all((1, 2))]
    if not len(found):
        raise ValueError("f has no finite Jacobian here: choose another range.")
    return max(np.percentile(np.linalg.norm(found, 2, axis=(1, 2)), 80), 1e-6), np.linalg.det(found)


def _microscope_artists(before, after, ranges, reach, names, label):
    """The movers by name, and "arm", the least length of a direction; what stays is drawn here too."""
    before.set(xlim=ranges[0], ylim=ranges[1], xlabel=names[0], ylabel=names[1], aspect="equal")
    after.set(xlim=(-reach, reach), ylim=(-reach, reach), aspect="equal")
    after.tick_params(labelbottom=False, labelleft=False, length=0)
    thin = {"linewidth": 0.9}
    with theme.style():
        draw = {
            "shape": before.plot([], [], label="input", **theme.FUNCTION)[0],
            "point": before.plot([], [], **{**theme.POINT, "markersize": 5})[0],
            "true": after.plot([], [], label="true image", **theme.FUNCTION)[0],
            "cross": after.plot([], [], **{**theme.FUNCTION, **thin})[0],
            "promised": after.plot([], [], label="linear image, J", **theme.DERIVATIVE)[0],
            "glass": after.text(0.5, -0.03, "", transform=after.transAxes, ha="center", va="top", fontsize=9.5),
        }
        for i, (role, name) in enumerate(((theme.SECANT, "most stretched"), (theme.SECOND, "least stretched"))):
            look = {**role, "linewidth": 1.4, "zorder": 1.9}
            draw[f"in {i}"] = before.plot([], [], label=name, **look)[0]
            draw[f"out {i}"] = after.plot([], [], **look)[0]
        after.plot([0], [0], **{**theme.POINT, "markersize": 5})
        after.text(0.98, 0.97, f"f = {label}" if label != "f" else "", transform=after.transAxes, ha="right", va="top",
                   fontsize=9)
    theme.legend_above(before)
    theme.legend_above(after)
    return draw | {"arm": (ranges[0][1] - ranges[0][0]) / 24}


# --- ribbon view -----------------------------------------------------------------------------------------------------

X = (0.5, -1.0, 2.0, 0.25, 1.25)
_WEIGHTS = ((1.0, -0.5, 0.0, 0.75, 0.25), (-0.25, 1.0, 0.5, -1.0, 0.0), (0.5, 0.25, -0.75, 0.5, 1.0),
            (0.0, -1.0, 0.25, 0.5, -0.5))
OPERATIONS = {
    "index": lambda x: x[[3, 0, 4, 1, 2]],
    "cumsum": lambda x: torch.cumsum(x, 0),
    "sort": lambda x: torch.sort(x).values,
    "conv": lambda x: 0.5 * x[:-2] + x[1:-1] - 0.5 * x[2:],
    "softmax": lambda x: torch.softmax(x, 0),
    "matmul": lambda x: torch.tensor(_WEIGHTS, dtype=x.dtype) @ x,
}
PICTURES = {"A": "sort", "B": "softmax", "C": "conv", "D": "cumsum"}


def ribbon_view(f=None):
    """Four Jacobians as ribbons, from which operation? Moving x₀ tells what a still picture cannot.

    With f, a function of a tensor of shape (5,), its ribbons are one more picture, called yours.
    """
    shown = {picture: Map(OPERATIONS[name]) for picture, name in PICTURES.items()}
    if f is not None:
        shown["yours"] = Map(f)
    outputs = {picture: len(function.finite_jacobian(X)[0]) for picture, function in shown.items()}
    if max(outputs.values()) > 8:
        raise ValueError(f"a picture has room for 8 outputs, f has {outputs['yours']}.")
    largest = {
        picture: largest_of(*(function.jacobian((x0, *X[1:]))[1] for x0 in (-2, 0, 2)))
        for picture, function in shown.items()
    }
    made = theme.figure(width=6.4, height=3)
    ax = made.axes[0]
    ax.set_position((0.04, 0.02, 0.92, 0.87))
    ribbons = {count: Ribbons(ax, len(X), count) for count in sorted(set(outputs.values()))}
    named = set()  # of this explorer: the pictures that have been named rightly so far

    def update(picture, x0, guess):
        x = np.array([x0, *X[1:]])
        _, jacobian = shown[picture].jacobian(x)
        for count, parts in ribbons.items():
            for artist in (*parts.artists, *parts.dots):
                artist.set_visible(count == outputs[picture])
        ribbons[outputs[picture]].show(x, None, jacobian, largest[picture])
        counts = (
            f"{(np.abs(jacobian) > 1e-12).sum()} of {jacobian.size} possible ribbons, "
            f"{(jacobian > 1e-12).sum()} rising and {(jacobian < -1e-12).sum()} falling"
        )
        if picture == "yours":
            return f"Yours at x = {vector_text(x)}: {counts}."
        if guess == "?":
            return f"Picture {picture} at x = {vector_text(x)}: {counts}. Which operation is it?"
        if guess == PICTURES[picture]:
            return f"Picture {picture} is {guess}: {counts} at x = {vector_text(x)}."
        return f"Picture {picture} is not {guess}: {counts} at x = {vector_text(x)}. Move x₀ and look again."

    def all_named(values):
        if values["guess"] == PICTURES.get(values["picture"]):
            named.add(values["picture"])
        left = len(PICTURES) - len(named)
        return left == 0 or f"{left} to go"

    movers = [artist for parts in ribbons.values() for artist in (*parts.artists, *parts.dots)]
    return Explorer(
        Scene(figure=made, movers=movers, update=update),
        name="ribbon_view",
        tasks=[Task("Name the operation of each of the four pictures.", all_named)],
        picture=Choice(tuple(shown), "A", "picture"),
        x0=Slider(-2, 2, 1 / 16, X[0], "x₀"),
        guess=Choice(("?", *OPERATIONS), "?", "it is", ("picture",)),
    )
