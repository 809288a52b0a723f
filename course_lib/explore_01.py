"""Explorers of lesson 01, slopes: tangent_zoom(f), derivative_detective(f).

f is a function of one number: a torch function, a Formula or a SymPy expression.
"""

import math
from functools import lru_cache

import numpy as np
import sympy
import torch

from course_lib import theme
from course_lib.arguments import range_of
from course_lib.controls import Choice, LogSlider, Slider
from course_lib.formula import Formula, as_function, x
from course_lib.live import Explorer, Scene, Task
from course_lib.plots import label_of, plot_function
from course_lib.slopes import breaks, derivatives, in_dtype, predicted_steps
from course_lib.theme import number, scientific

DTYPES = {"float32": torch.float32, "float64": torch.float64}
# Where rounding and cutting off balance for sin(x²), measured; the lowest part of the error curve.
LOWEST = {"float32": (1e-3, 3e-2), "float64": (1e-6, 1e-4)}


def tangent_zoom(f=None, at=0.7):
    """f under growing magnification with tangent and secant; beside it the error of the difference quotient against h.

    The secant runs from a − h to a + h: its slope is the central difference. Default f: sin(x²).
    """
    given, f = f, Formula(sympy.sin(x**2)) if f is None else f
    function, expr = as_function(f)
    derivatives(f, [at], 1)  # explains in one sentence what cannot be explored
    symbolic = None if expr is None else lru_cache(Formula(expr).derivative)
    steps = 10.0 ** np.arange(-9, 0.01, 0.25)
    offsets = np.linspace(-1, 1, 241)
    made = theme.figure(1, 2, width=8.7, height=3.9, gap=0.32, left=0.3, top=0.72, width_ratios=(1.15, 1))
    close, errors = made.axes
    draw = _tangent_zoom_artists(close, errors, label_of(f), symbolic is not None)
    low = 10.0 ** math.floor(math.log10(max(1e-13 * max(1.0, abs(derivatives(f, [at], 1)[1, 0].item())), 1e-15)))
    errors.set(xlim=(1e-9, 1), ylim=(low, low * 1e15))

    def update(a, zoom, h, dtype):
        half = 3 / zoom
        height, slope = _height_and_slope(function, a, torch.float64)
        # the whole curve and the two ends of the secant in one go; arrays, as Matplotlib is slow with tensors
        seen = in_dtype(function, torch.from_numpy(np.append(a + half * offsets, [a - h, a + h]))).detach().numpy()
        rise, ends = (seen[:-2] - height) / half, (seen[-2:] - height) / half
        kind = DTYPES[dtype]
        start = torch.tensor(a, dtype=kind)
        quotients = _central(function, start, np.append(steps, h), kind)
        exact = _height_and_slope(function, start.item(), torch.float64)[1]
        error = np.abs(quotients - exact)
        autograd = _height_and_slope(function, start.item(), kind)[1]
        draw["curve"].set_data(offsets, rise)
        draw["tangent"].set_data([-1, 1], [-slope, slope])
        middle, secant = ends.mean(), (ends[1] - ends[0]) * half / (2 * h)
        draw["secant"].set_data([-1, 1], [middle - secant, middle + secant])
        draw["ends"].set_data([-h / half, h / half], ends)
        draw["window"].set_text(f"a = {number(a, 4)}, from a − {number(half, 2)} to a + {number(half, 2)}")
        digits = 7 if dtype == "float32" else 11
        draw["numeric"].set_text(f"numeric  {quotients[-1]:.{digits}f}".replace("-", "−"))
        draw["autograd"].set_text(f"autograd  {autograd:.{digits}f}".replace("-", "−"))
        draw["errors"].set_data(steps, np.maximum(error[:-1], low * 1.5))
        draw["dot"].set_data([h], [np.clip(error[-1], low * 1.5, low * 1e15)])
        values = [f"numeric {number(quotients[-1], 4)}", f"autograd {number(autograd, 4)}"]
        if symbolic:
            value = symbolic(a)
            draw["symbolic"].set_text(f"symbolic  {value:.{digits}f}".replace("-", "−"))
            values.insert(0, f"symbolic {number(value, 4)}")
        off = "exact" if error[-1] == 0 else f"off by {scientific(error[-1], 1)}" if error[-1] > 0 else "undefined"
        return (
            f"Slope at a = {number(a, 4)} with h = {_step(h)} in {dtype}: {', '.join(values)}; "
            f"the numeric one is {off}. Magnified ×{number(zoom, 2)}."
        )

    def lowest(dtype):
        predicted = None if given is None else predicted_steps(f, at, torch.finfo(DTYPES[dtype]).eps)["central"]
        best, worst = LOWEST[dtype] if predicted is None else (predicted / 6, predicted * 6)
        return lambda values: values["dtype"] == dtype and best <= values["h"] <= worst

    return Explorer(
        Scene(figure=made, movers=list(draw.values()), update=update),
        name="tangent_zoom", play="zoom",
        tasks=[Task(f"{dtype}: choose h so that the dot lies in the lowest part of the curve.", lowest(dtype))
               for dtype in DTYPES],
        a=Slider(at - 3, at + 3, 1 / 16, at, "point a"),
        zoom=LogSlider(1, 1e4, 4, 1, "zoom ×"),
        h=LogSlider(1e-9, 1, 4, 0.1, "step h"),
        dtype=Choice(tuple(DTYPES), "float32", "computed in"),
    )


def _tangent_zoom_artists(close, errors, name, has_symbolic):
    """The movers by name; what stays is drawn here too."""
    close.set(xlim=(-1, 1), ylim=(-0.72, 0.72), xticks=[-1, -0.5, 0, 0.5, 1], yticks=[-0.5, 0, 0.5])
    close.tick_params(labelbottom=False, labelleft=False, length=0)
    errors.set(xscale="log", yscale="log", xlabel="step h", ylabel="error of the numeric slope")
    dots = {**theme.SECANT, "linestyle": "none", "marker": "o"}
    with theme.style():
        draw = {
            "curve": close.plot([], [], label=name, zorder=2.1, **theme.FUNCTION)[0],
            "tangent": close.plot([], [], label="tangent", **theme.TANGENT)[0],
            "secant": close.plot([], [], label="secant", zorder=2.2, **theme.SECANT)[0],
            "ends": close.plot([], [], zorder=2.3, markersize=5, **dots)[0],
            "window": close.text(0.5, -0.055, "", transform=close.transAxes, ha="center", va="top"),
            "errors": errors.plot([], [], **{**theme.SECANT, "linestyle": "-", "linewidth": 1.6})[0],
            "dot": errors.plot([], [], markersize=9, **dots)[0],
        }
        close.plot([0], [0], **theme.POINT)
        shown = [("numeric", theme.SECANT), ("autograd", theme.TANGENT)]
        shown = [("symbolic", theme.DERIVATIVE)] * has_symbolic + shown
        for i, (key, role) in enumerate(shown):
            draw[key] = errors.text(1, 1.035 + 0.068 * (len(shown) - 1 - i), "", transform=errors.transAxes, ha="right",
                                    color=role["color"], family="monospace")
    theme.legend_above(close)
    return draw


def _height_and_slope(function, a, dtype):
    """Floats: f(a) and f′(a) by autograd, computed in dtype."""
    with torch.enable_grad():
        place = torch.tensor(a, dtype=dtype, requires_grad=True)
        y = torch.as_tensor(function(place)).reshape(())
        if y.grad_fn is None:
            return float(y), 0.0
        return y.item(), torch.autograd.grad(y, place)[0].item()


def _central(function, a, steps, dtype):
    """Central difference quotients at the 0-d tensor a, as a float64 array like steps; all computed in dtype."""
    h = torch.as_tensor(steps, dtype=dtype)
    with torch.no_grad():
        both = in_dtype(function, torch.cat([a + h, a - h]))
        return ((both[: len(h)] - both[len(h) :]) / (2 * h)).to(torch.float64).numpy()


def _step(h):
    return number(h, 2) if h >= 1e-2 else scientific(h)


# --- derivative detective --------------------------------------------------------------------------------------------


def derivative_detective(f=None, over=(-4, 4)):
    """Sketch f′ by its heights at five x; the true f′ appears when signs and zeros agree. Default f: x/2 + sin(x)."""
    f = Formula(x / 2 + sympy.sin(x)) if f is None else f
    grid = np.linspace(*range_of(over), 400)
    slopes = derivatives(f, grid, 1)[1].numpy()
    places = five_places(f, grid, slopes)
    true = derivatives(f, places, 1)[1].numpy()
    if not np.isfinite(true).all():
        raise ValueError("f needs a slope at every x of the range: choose another range.")
    top = 2.0 ** math.ceil(math.log2(max(1.15 * np.abs(true).max(), 1e-6)))  # so that 16 steps are binary fractions
    is_zero = np.abs(true) < top / 1000
    made = theme.figure(2, 1, width=5.4, height=4.6, sharex=True)
    draw = _detective_artists(made, f, grid, slopes, places, top)

    def agreement(values):
        sketched = np.array([values[f"s{i}"] for i in range(1, 6)])
        return sketched, (np.sign(sketched) == np.where(is_zero, 0, np.sign(true)))

    def update(**values):
        sketched, agrees = agreement(values)
        draw["sketch"].set_data(places, sketched)
        draw["true"].set_visible(bool(agrees.all()))
        shown = ", ".join(number(s, 4) for s in sketched)
        if agrees.all():
            worst = number(np.abs(sketched - true).max(), 2)
            return f"Sketched slopes {shown}: all signs and zeros agree. The true f′ is shown, at most {worst} away."
        return f"Sketched slopes {shown}: {agrees.sum()} of 5 agree with f in sign or are rightly 0."

    sliders = {
        f"s{i}": Slider(-top, top, top / 16, 0, f"at x = {number(place, 3)}") for i, place in enumerate(places, 1)
    }
    return Explorer(
        Scene(figure=made, movers=list(draw.values()), update=update),
        name="derivative_detective",
        tasks=[Task("Give all five slopes their sign, and 0 where f is level; then the true f′ appears.",
                    lambda values: bool(agreement(values)[1].all()))],
        **sliders,
    )


def five_places(f, grid, slopes):
    """Five x in order: up to two where f is level, then between and outside of them."""
    turning = np.flatnonzero(np.sign(slopes[:-1]) * np.sign(slopes[1:]) < 0)
    level = [_bisected(f, grid[i], grid[i + 1]) for i in turning if abs(slopes[i + 1] - slopes[i]) < np.ptp(slopes) / 4]
    if len(level) > 2:  # those nearest to the middle
        level = sorted(sorted(level, key=lambda place: abs(place - (grid[0] + grid[-1]) / 2))[:2])
    ends = [grid[0], *level, grid[-1]]
    places = sorted([*level, *((low + high) / 2 for low, high in zip(ends, ends[1:], strict=False))][:5])
    while len(places) < 5:
        k = int(np.argmax(np.diff(places))) if len(places) > 1 else 0
        ends = [grid[0], *places, grid[-1]] if len(places) < 2 else places
        places = sorted([*places, (ends[k] + ends[k + 1]) / 2])
    return np.array(places)


def _bisected(f, low, high):
    left = np.sign(derivatives(f, [low], 1)[1, 0].item())
    for _ in range(40):
        middle = (low + high) / 2
        if np.sign(derivatives(f, [middle], 1)[1, 0].item()) == left:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def _detective_artists(made, f, grid, slopes, places, top):
    upper, lower = made.axes
    plot_function(f, (grid[0], grid[-1]), ax=upper).set_xlabel("")
    lower.set(ylim=(-1.06 * top, 1.06 * top), xlabel="x")
    lower.axhline(0, color=theme.GRID, linewidth=0.9)
    for ax in (upper, lower):
        for place in places:
            ax.axvline(place, **{**theme.GUIDE, "alpha": 0.6})
    shown = slopes.copy()
    shown[breaks(grid, slopes)] = np.nan
    with theme.style():
        true = lower.plot(grid, shown, label="true f′, once all five agree", **theme.DERIVATIVE)[0]
        look = {"color": theme.INK, "linewidth": 1.4, "marker": "D", "markersize": 6}
        sketch = lower.plot([], [], label="your sketch of f′", **look)[0]
    theme.legend_above(lower)
    return {"true": true, "sketch": sketch}
