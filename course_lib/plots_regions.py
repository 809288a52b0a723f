"""Draw where the gradient of a function of two variables is constant: plot_regions."""

import numpy as np

from course_lib import theme
from course_lib.partials import Field, vector_text
from course_lib.plots_fields import SQUARE, arrows, gradient_field, grid, name_gradient, ranges_of
from course_lib.theme import describe

FINE = 401  # samples a side
MOST = 12  # regions that a picture can hold
NAMED = 0.03  # of the picture: smaller regions have no room for their gradient in numbers
TINTS = (theme.FUNCTION, theme.TANGENT, theme.SECOND, theme.SECANT)


def plot_regions(f, over=SQUARE, ax=None):
    """The regions of a piecewise linear f(u, v), such as a layer of relus: in each the gradient is one and the same arrow.

    Raises ValueError for an f whose gradient takes more than 12 values there: it is not piecewise linear.
    """
    hill, ranges = Field(f), ranges_of(over)
    labels, gradients = regions_of(hill, ranges)
    ax = theme.axes_for(ax, width=5.5, height=4.9, left=0.72)
    ax.set(xlim=ranges[0], ylim=ranges[1], xlabel=hill.names[0], ylabel=hill.names[1], aspect="equal")
    ax.grid(False)
    u, v = (np.linspace(*one, FINE) for one in ranges)
    scale = gradient_field(ax, hill, ranges, alpha=0.4)
    with theme.style():
        for i in range(len(gradients)):
            inside = (labels == i).astype(float)
            ax.contourf(u, v, inside, levels=[0.5, 1.5], colors=[TINTS[i % len(TINTS)]["color"]],
                        alpha=0.12 + 0.14 * (i // len(TINTS) % 2))  # fmt: skip
            ax.contour(u, v, inside, levels=[0.5], colors=[theme.INK], linewidths=1.1)
    for i in range(len(gradients)):
        if (labels == i).mean() < NAMED:
            continue
        row, column = innermost(labels == i)
        arrows(ax, [[u[column], v[row]]], gradients[[i]] * scale * 1.6, width=3.4)
        above = gradients[i][1] <= 0  # on the side that the arrow does not take
        ax.annotate(
            vector_text(gradients[i]), (u[column], v[row]), xytext=(0, 5 if above else -5), textcoords="offset points",
            ha="center", va="bottom" if above else "top", fontsize=9, fontweight="bold", color=theme.INK,
        )
    ax.plot([], [], color=theme.INK, linewidth=1.1, label="a gate opens or shuts here")
    name_gradient(ax)
    theme.legend_above(ax)
    found = "; ".join(vector_text(gradient) for gradient in gradients)
    count = f"{len(gradients)} region{'s' * (len(gradients) != 1)}"
    return describe(ax, f"{hill.label} has {count} here, and the gradient is the same everywhere in a region: {found}.")


def regions_of(hill, ranges):
    """(labels of shape (FINE, FINE), gradients of shape (k, 2)): rows go with v, columns with u; a label numbers gradients."""
    _, slopes = hill.with_gradients(grid(ranges, FINE))
    keys = np.round(slopes, 6) + 0.0  # no −0
    if not np.isfinite(keys).all():
        raise ValueError("f has no finite gradient somewhere here: choose another range.")
    gradients, labels, sizes = np.unique(keys, axis=0, return_inverse=True, return_counts=True)
    whole = sizes > FINE  # samples that lie just on an edge have gradients of their own
    if whole.sum() > MOST or sizes[whole].sum() < 0.9 * sizes.sum():
        raise ValueError(
            f"the gradient of f takes more than {MOST} values here, so f is not piecewise linear: plot_contour shows it."
        )
    number = np.where(whole, np.cumsum(whole) - 1, -1)
    return number[labels.ravel()].reshape(FINE, FINE), gradients[whole]


def innermost(inside):
    """(row, column) of a sample far from the edge of its region and of the picture."""
    rest = np.pad(inside, 1)
    while True:
        core = rest[1:-1, 1:-1] & rest[2:, 1:-1] & rest[:-2, 1:-1] & rest[1:-1, 2:] & rest[1:-1, :-2]
        if not core.any():
            places = np.argwhere(rest[1:-1, 1:-1])
            return tuple(places[len(places) // 2])
        rest = np.pad(core, 1)
