"""Explorer of lesson 00, shapes: shape_lens()."""

import contextlib
import math

import torch
from matplotlib.collections import LineCollection

from course_lib import theme
from course_lib.controls import Choice, Text, Unclear, literal
from course_lib.live import Explorer, Scene, Task

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
