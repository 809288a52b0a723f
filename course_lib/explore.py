"""Explore with sliders: tangent_zoom(f), derivative_detective(f), shape_lens().

Each returns an Explorer with tasks that check themselves, and each works without a notebook: .set(a=1.0).text.
f is a function of one number: a torch function, a Formula or a SymPy expression.
"""

import contextlib
import math
from functools import lru_cache

import numpy as np
import sympy
import torch
from matplotlib.collections import LineCollection

from course_lib import theme
from course_lib.formula import Formula, as_function, x
from course_lib.live import Choice, Explorer, LogSlider, Scene, Slider, Task, Text, Unclear, literal
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
    made = theme.figure(1, 2, width=9, height=3.9, gap=0.32, left=0.3, top=0.72, width_ratios=(1.15, 1))
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
        name="tangent_zoom",
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
    grid = np.linspace(float(over[0]), float(over[1]), 400)
    slopes = derivatives(f, grid, 1)[1].numpy()
    places = five_places(f, grid, slopes)
    true = derivatives(f, places, 1)[1].numpy()
    if not np.isfinite(true).all():
        raise ValueError("f needs a slope at every x of the range: choose another range.")
    top = 2.0 ** math.ceil(math.log2(max(1.15 * np.abs(true).max(), 1e-6)))  # so that 16 steps are binary fractions
    is_zero = np.abs(true) < top / 1000
    made = theme.figure(2, 1, width=6, height=4.6, sharex=True)
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


# --- shape lens ------------------------------------------------------------------------------------------------------

OPERATIONS = {"a + b": torch.add, "a * b": torch.mul, "a @ b": torch.matmul}
LARGEST, DEEPEST = 999, 4
COLUMNS = DEEPEST + 1
SHAPE = "a shape such as (5, 3), (3,) or ()"


def shape_lens():
    """Two shapes, how they line up, and what PyTorch makes of them, after you have said what it will be."""
    made = theme.figure(width=6, height=2.6, top=0.3)
    ax = made.axes[0]
    ax.set_position((0, 0, 1, 0.9))
    ax.set(xlim=(-2.2, 6.4), ylim=(-2.6, 0.6))
    ax.axis("off")
    draw = _lens_artists(ax)

    def update(a, b, operation, guess):
        for artist in draw.values():
            artist.set_visible(False)
        shapes = [parse_shape(text) for text in (a, b)]
        result, complaint = run_on_shapes(operation, *shapes)
        revealed = guess.strip() != ""
        wanted = parse_guess(guess) if revealed else None
        _draw_lens(draw, shapes, operation, result, revealed)
        names = f"{shapes[0]} {operation[2]} {shapes[1]}"
        if not revealed:
            return f"{names}: predict the shape of the result, or type raises."
        outcome = f"{names} raises ({complaint})" if result is None else f"{names} has shape {result}"
        verdict = "as you predicted" if wanted == result else f"you predicted {'raises' if wanted is None else wanted}"
        return f"{outcome}: {verdict}." if len(outcome) < 160 else f"{outcome[:160]}…): {verdict}."

    def right(values):
        try:
            shapes = [parse_shape(values[key]) for key in "ab"]
            wanted = parse_guess(values["guess"])
        except Unclear:
            return False, None, None
        result = run_on_shapes(values["operation"], *shapes)[0]
        return wanted == result, shapes, result

    def predicted_stretch(values):
        hit, shapes, result = right(values)
        return hit and result is not None and len(shapes[0]) != len(shapes[1])

    def predicted_raise(values):
        hit, _, result = right(values)
        return hit and result is None

    clears = ("a", "b", "operation")
    return Explorer(
        Scene(figure=made, movers=list(draw.values()), update=update),
        name="shape_lens",
        tasks=[
            Task("Predict the result of two shapes with different numbers of axes.", predicted_stretch),
            Task("Find two shapes that do not fit, and predict it.", predicted_raise),
        ],
        a=Text("(5, 3)", "shape of a"),
        b=Text("(3,)", "shape of b"),
        operation=Choice(tuple(OPERATIONS), "a + b", "operation"),
        guess=Text("", "I predict", "a shape, or raises", clears),
    )


def parse_shape(text):
    """A tuple of sizes from typed text; 5 counts as (5,). Unclear with one sentence otherwise."""
    shape = literal(text, SHAPE)
    shape = (shape,) if isinstance(shape, int) else tuple(shape) if isinstance(shape, list) else shape
    if not isinstance(shape, tuple) or not all(type(size) is int and size >= 0 for size in shape):
        raise Unclear(f"{text.strip()[:30]!r} is no shape: type {SHAPE}.")
    if len(shape) > DEEPEST or any(size > LARGEST for size in shape):
        raise Unclear(f"The lens shows up to {DEEPEST} axes of size up to {LARGEST}.")
    return shape


def parse_guess(text):
    """A shape, or None for "raises"."""
    if text.strip().strip("'\"").lower() in ("raises", "raise", "error"):
        return None
    try:
        return parse_shape(text)
    except Unclear as error:
        raise Unclear(f"{error} Or type raises.") from None


def run_on_shapes(operation, a, b):
    """(shape, "") from really running the operation, or (None, PyTorch's complaint)."""
    run, sizes = OPERATIONS[operation], [math.prod(a), math.prod(b)]
    with contextlib.suppress(RuntimeError, ValueError):  # the complaint below is worded better than meta's
        sizes.append(run(torch.empty(a, device="meta"), torch.empty(b, device="meta")).numel())
    if max(sizes) > 1_000_000:
        raise Unclear("That would be more than a million numbers: choose smaller sizes.")
    try:
        return tuple(run(torch.zeros(a), torch.zeros(b)).shape), ""
    except (RuntimeError, ValueError) as error:
        return None, str(error).splitlines()[0].rstrip(".")


def _lens_artists(ax):
    looks = {
        "kept": {"color": theme.FUNCTION["color"], "linewidth": 1.8},
        "stretched": {"color": theme.TANGENT["color"], "linewidth": 1.8, "linestyle": (0, (3, 2))},
        "summed over": {"color": theme.SECANT["color"], "linewidth": 2.2, "linestyle": (0, (1, 1))},
        "do not fit": {"color": theme.DERIVATIVE["color"], "linewidth": 3.5},
    }
    with theme.style():
        draw = {}
        for key, look in looks.items():
            ax.plot([], [], label=key, **look)  # for the legend
            draw[key] = ax.add_collection(LineCollection([], **look), autolim=False)
        for row, label in enumerate(("a", "b", "")):
            draw[f"name{row}"] = ax.text(-0.35, -row, label, ha="right", va="center", fontsize=12)
            for column in range(COLUMNS):
                draw[f"{row}{column}"] = ax.text(column + 0.5, -row, "", ha="center", va="center", fontsize=12)
    theme.legend_above(ax)
    return draw


def _draw_lens(draw, shapes, operation, result, revealed):
    """Boxes for the axes, right-aligned; after the reveal also which stretch, are summed over or do not fit."""
    boxes = {"kept": [], "stretched": [], "summed over": [], "do not fit": []}
    rows = [_in_columns(shape, row, operation) for row, shape in enumerate(shapes)]
    for row, columns in enumerate(rows):
        for column, size in enumerate(columns):
            text, kind = _cell(rows, row, column, operation) if revealed else (size, "kept")
            _put(draw, boxes[kind], row, column, text)
    if not revealed or result is None:
        draw[f"2{COLUMNS - 1}"].set(text="raises" if revealed else "?", visible=True)
    elif not result:
        draw[f"2{COLUMNS - 1}"].set(text="( ), one number", visible=True)
    else:
        for column, size in enumerate(_result_columns(result, shapes, operation)):
            _put(draw, boxes["kept"], 2, column, size)
    draw["name2"].set_text(operation)
    first = min((column for columns in rows for column, size in enumerate(columns) if size is not None), default=4)
    for row in range(3):
        draw[f"name{row}"].set(x=first - 0.35, visible=True)
    for kind, segments in boxes.items():
        draw[kind].set_segments(segments)
        draw[kind].set_visible(bool(segments))


def _cell(rows, row, column, operation):
    """(text or None, kind of box) of one axis, seen against the same column of the other shape."""
    size, other = rows[row][column], rows[1 - row][column]
    if operation == "a @ b" and column >= COLUMNS - 2:
        if (row, column) not in ((0, COLUMNS - 1), (1, COLUMNS - 2)):
            return size, "kept"
        inner = rows[0][COLUMNS - 1], rows[1][COLUMNS - 2]
        return size, "kept" if None in inner else "summed over" if inner[0] == inner[1] else "do not fit"
    if other is None or size == other or (other == 1 and size is not None):
        return size, "kept"
    if size is None or size == 1:
        return f"→ {other}" if size is None else f"1 → {other}", "stretched"
    return size, "do not fit"


def _put(draw, segments, row, column, text):
    if text is not None:
        segments.append(_box(row, column))
        draw[f"{row}{column}"].set(text=str(text), visible=True)


def _in_columns(shape, row, operation):
    """Sizes right-aligned in columns, None where there is no axis. A vector at the right of @ stands as a column."""
    columns = [None] * (COLUMNS - len(shape)) + list(shape)
    if operation == "a @ b" and row == 1 and len(shape) == 1:
        columns = columns[1:] + [None]
    return columns


def _result_columns(result, shapes, operation):
    """The result's sizes under the axes they come from."""
    columns = list(result)
    if operation == "a @ b":
        if len(shapes[1]) == 1:
            columns.append(None)
        if len(shapes[0]) == 1:
            columns.insert(len(columns) - 1, None)
    return [None] * (COLUMNS - len(columns)) + columns


def _box(row, column):
    left, right, bottom, top = column + 0.07, column + 0.93, -row - 0.36, -row + 0.36
    return [(left, bottom), (right, bottom), (right, top), (left, top), (left, bottom)]
