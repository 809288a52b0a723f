"""Draw what happens in a network: plot_activation, plot_softmax, plot_losses, plot_gradient_flow.

Slopes come from autograd, in float64. The caller's tensors and their .grad stay as they are.
"""

import math

import numpy as np
import torch

from course_lib import theme
from course_lib.arguments import number_of
from course_lib.cells import Cells, bare, indexed, largest_of, name_rows_and_columns
from course_lib.partials import Map, point_of, vector_text
from course_lib.plots import plot_with_derivative
from course_lib.theme import describe, number

HARDLY = 0.05  # of the steepest slope: what lies below passes hardly any gradient on
MOST_LOGITS = 8


def plot_activation(f, over=(-6, 6), ax=None):
    """f with f′, and shaded where f′ is less than a twentieth of its largest size: there the gradient hardly passes."""
    ax = plot_with_derivative(f, over, ax=ax)
    lines = {line.get_label(): line for line in ax.lines}
    x, slopes = (np.asarray(values) for values in lines["f′"].get_data())
    sizes = np.abs(slopes[np.isfinite(slopes)])
    x = x[np.isfinite(slopes)]
    quiet = sizes <= HARDLY * sizes.max() if sizes.max() > 0 else np.full(len(x), True)
    zones = _runs(x, quiet)
    for i, (low, high) in enumerate(zones):
        ax.axvspan(low, high, facecolor=theme.GRID, edgecolor=theme.GRID, alpha=0.18, linewidth=0, zorder=0.5,
                   hatch="....", label="hardly any slope" if i == 0 else None)
    theme.legend_above(ax)
    name = next(label for label in lines if label.startswith("f") and label != "f′")
    words = [_zone(low, high, x) for low, high in zones]
    tail = f"; hardly any slope {' and '.join(words)}" if words else "; it has slope everywhere here"
    return describe(ax, f"{name} with f′: slopes from {number(slopes[np.isfinite(slopes)].min())} to "
                        f"{number(slopes[np.isfinite(slopes)].max())}{tail}.")


def plot_softmax(z, temperature=1.0):
    """softmax(z / temperature) as bars, and its Jacobian diag(p) − p·pᵀ, divided by the temperature, beside them."""
    z, temperature = point_of(z, "z"), number_of(temperature, "temperature")
    if temperature <= 0:
        raise ValueError("temperature must be above 0.")
    if len(z) > MOST_LOGITS:
        raise ValueError(f"a picture has room for {MOST_LOGITS} logits, z has {len(z)}.")
    p, jacobian = Map(lambda z: torch.softmax(z / temperature, 0)).jacobian(z)
    n = len(z)
    made = theme.figure(1, 2, width=8.6, height=3.7)
    chart, sheet = made.axes
    chart.set_position((0.07, 0.16, 0.42, 0.74))
    sheet.set_position((0.55, 0.03, 0.44, 0.94))
    with theme.style():
        chart.bar(range(n), p, width=0.6, color=theme.FUNCTION["color"], alpha=0.8)
        for i in range(n):
            chart.text(i, p[i] + 0.02, number(p[i], 2), ha="center", fontsize=9)
        chart.set_xticks(range(n), [f"p{theme.index(i)}\nz = {number(z[i], 2)}" for i in range(n)])
        chart.set(ylim=(0, 1.12), title=f"p = softmax(z{'' if temperature == 1 else f' / {number(temperature)}'})")
        sheet.text(n / 2, 0.75, "J: ∂pᵢ/∂zⱼ", ha="center", va="bottom", fontsize=11)
    chart.grid(False, axis="x")
    bare(sheet, (-0.8, n + 0.1), (-n - 0.1, 1.3))
    name_rows_and_columns(sheet, indexed("p", n), indexed("z", n), fontsize=9)
    Cells(sheet, (n, n), largest=largest_of(jacobian), fontsize=max(6, 12 - n)).show(jacobian)
    return describe(
        theme.Panels([chart, sheet]),
        f"softmax of {vector_text(z)} at temperature {number(temperature)}: p = {vector_text(p)}; the Jacobian has "
        f"entries from {number(jacobian.min())} to {number(jacobian.max())}, each row and column sums to 0.",
    )


def plot_losses(curves, ax=None):
    """Loss against step, on a log scale if all losses are above 0; curves: a list of losses, or a dict of lists."""
    named = curves if isinstance(curves, dict) else {"loss": curves}
    runs = {str(name): _series(run, name) for name, run in named.items()}
    if not runs or not any(np.isfinite(run).any() for run in runs.values()):
        raise ValueError("curves must hold at least one finite loss.")
    ax = theme.axes_for(ax, left=0.75)
    parts = []
    positive = all((run[np.isfinite(run)] > 0).all() for run in runs.values())
    for i, (name, run) in enumerate(runs.items()):
        role = theme.CURVES[i % len(theme.CURVES)]
        marker = {"marker": "osD^v"[i % 5], "markersize": 4, "markevery": max(1, len(run) // 12)}
        ax.plot(np.where(np.isfinite(run), run, np.nan), label=name, **marker, **{**role, "linewidth": 1.8})
        finite = np.flatnonzero(np.isfinite(run))
        ends = f"from {number(run[finite[0]])} to {number(run[finite[-1]])}" if len(finite) else "never finite"
        broken = np.flatnonzero(~np.isfinite(run))
        tail = f", not finite from step {broken[0]} on" if len(broken) and len(finite) else ""
        parts.append(f"{name} {ends} in {len(run)} step{'s' * (len(run) != 1)}{tail}")
    ax.set(xlabel="step", ylabel="loss")
    if positive:
        ax.set_yscale("log")
    theme.legend_above(ax, columns=3)
    return describe(ax, f"Loss: {'; '.join(parts)}.")


def plot_gradient_flow(norms, ax=None):
    """The norm of each layer's gradient on a log scale, first layer on top; norms: a list, or a dict by names."""
    try:
        named = norms if isinstance(norms, dict) else {f"layer {i}": norm for i, norm in enumerate(norms, 1)}
    except TypeError:
        raise TypeError(
            f"norms must be a list of numbers, or a dict from names to numbers, got {str(norms)[:40]!r}."
        ) from None
    sizes = {str(name): number_of(0 if norm is None else norm, f"the norm of {name}") for name, norm in named.items()}
    if not sizes or min(sizes.values()) < 0:
        raise ValueError("norms must hold at least one norm, and a norm is never below 0.")
    alive = {name: size for name, size in sizes.items() if size > 0}
    low, high = (min(alive.values()), max(alive.values())) if alive else (1, 1)
    zeros = [name for name, size in sizes.items() if size == 0]
    bottom = 10.0 ** (math.floor(math.log10(low)) - bool(zeros))  # a log axis has no zero: it stands at the left edge
    top = 10.0 ** math.ceil(math.log10(high * 1.01))
    longest = max(map(len, sizes))
    ax = theme.axes_for(ax, height=max(2.2, 0.3 * len(sizes) + 1), left=min(3, 0.3 + 0.085 * longest), top=0.25)
    places = -np.arange(len(sizes))
    for place, size in zip(places, sizes.values(), strict=True):
        ax.plot([bottom, max(size, bottom)], [place, place], **{**theme.GUIDE, "linewidth": 1.4})
        dead = {"marker": "x", "color": theme.DERIVATIVE["color"], "markeredgewidth": 2, "clip_on": False}
        ax.plot([max(size, bottom)], [place], linestyle="none", markersize=7, **(
            dead if size == 0 else {"marker": "o", "color": theme.FUNCTION["color"]}))
    ax.set(xscale="log", xlim=(bottom, top), ylim=(places[-1] - 0.6, 0.6), xlabel="norm of the gradient")
    ax.set_yticks(places, list(sizes))
    ax.grid(False, axis="y")
    parts = [f"{len(sizes)} layer{'s' * (len(sizes) != 1)}"]
    if alive:
        first, last = max(alive, key=alive.get), min(alive, key=alive.get)
        parts += [f"largest {number(high)} ({first})", f"smallest {number(low)} ({last})",
                  f"a factor of {number(high / low, 2)} between them"]
    if zeros:
        parts.append(f"0 at {', '.join(zeros)}")
    return describe(ax, f"Gradient norms: {', '.join(parts)}.")


def _runs(x, marked):
    """(low, high) of each stretch of x that is marked throughout, stretches of one sample left out."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], marked.astype(int), [0]])))
    return [(x[a], x[b - 1]) for a, b in zip(edges[::2], edges[1::2], strict=True) if b - a > 1]


def _zone(low, high, x):
    start, end = (number(round(edge, 1 if x[-1] - x[0] > 1 else 3)) for edge in (low, high))
    if low == x[0]:
        return "anywhere here" if high == x[-1] else f"below {end}"
    return f"above {start}" if high == x[-1] else f"from {start} to {end}"


def _series(run, name):
    try:
        values = np.array([float(loss) for loss in run])
    except (TypeError, ValueError, RuntimeError):
        raise TypeError(f"the losses of {name} must be numbers, got {str(run)[:40]!r}.") from None
    if not len(values):
        raise ValueError(f"there is no loss in {name}.")
    return values
