"""Explorers of lesson 04, backward for vectors: cotangent_mixer(f, x), sum_trick_lie_detector().

f takes a tensor of shape (n,) and returns one of shape (m,); J has outputs as rows.
"""

import random

import numpy as np
import torch

from course_lib import theme
from course_lib.cells import Bars, Cells, bare, largest_of, name_rows_and_columns
from course_lib.controls import Choice, Record, Slider, Text, Unclear, literal
from course_lib.live import Explorer, Scene, Task
from course_lib.partials import Map, point_of, vector_text
from course_lib.theme import number

MOST_OUTPUTS, MOST_INPUTS = 5, 5
PUZZLES = ("1", "2", "3", "4")
CLOSE = {"rtol": 0.02, "atol": 0.006}  # J is read off a picture with three digits


def three_outputs(x):
    return torch.stack([x[0] * x[1], torch.sin(x[0] + x[1] ** 2), x[0] ** 2 - 3 * x[1]])


def cotangent_mixer(f=None, x=None, hidden=False):
    """One fader for each output: v weights the rows of J, and their sum vᵀJ is what backward(gradient=v) leaves in x.grad.

    Default f: (x₀x₁, sin(x₀ + x₁²), x₀² − 3x₁) at (1.3, −0.7). With hidden=True J is a riddle, to be found by calling
    backward.
    """
    x = point_of((1.3, -0.7) if x is None else x)
    riddles = {"yours": Map(f).jacobian(x)[1]} if f is not None else {"J": Map(three_outputs).jacobian(x)[1]}
    if hidden and f is None:
        riddles = {name: _riddle(name, columns=len(x)) for name in PUZZLES}
    rows, columns = next(iter(riddles.values())).shape
    if rows > MOST_OUTPUTS or columns > MOST_INPUTS:
        raise ValueError(
            f"the mixer has room for {MOST_OUTPUTS} outputs and {MOST_INPUTS} inputs, f has {rows} and {columns}."
        )
    return (_hidden_mixer if hidden else _open_mixer)(riddles, rows, columns)


def _riddle(name, rows=3, columns=2):
    """A Jacobian of halves, another one for each name, equal everywhere."""
    rng = random.Random(f"cotangent mixer {name}")
    return np.array([[rng.choice((-3, -2.5, -2, -1.5, -0.5, 0.5, 1, 1.5, 2, 3)) for _ in range(columns)]
                     for _ in range(rows)])


def _faders(rows):
    return {f"v{i}": Slider(-2, 2, 1 / 8, float(i == 0), "v" + theme.index(i)) for i in range(rows)}


def _open_mixer(riddles, rows, columns):
    (jacobian,) = riddles.values()
    made, draw = _mixer_artists(rows, columns, jacobian)
    draw["J"].show(jacobian)

    def weights(values):
        return np.array([1.0 if values["weights"] == "sum" else values[f"v{i}"] for i in range(rows)])

    def update(**values):
        v = weights(values)
        pulled = v @ jacobian
        draw["v"].show(v[:, None])
        draw["weighted"].show(v[:, None] * jacobian)
        draw["pulled"].show(pulled[None])
        draw["bars"].show(pulled)
        what = "y.sum().backward()" if (v == 1).all() else f"y.backward(gradient=v) with v = {vector_text(v)}"
        terms = " + ".join(f"{number(weight)}·row {i}" for i, weight in enumerate(v)).replace("+ −", "− ")
        return f"x.grad after {what} is vᵀJ = {terms} = {vector_text(pulled)}."

    last = rows - 1
    middle = min(1, last)
    unit = np.eye(rows)
    tasks = [Task(f"Let vᵀJ show row {middle} of J alone.", lambda values: bool((weights(values) == unit[middle]).all())),
             Task("Set v to what y.sum().backward() takes.", lambda values: bool((weights(values) == 1).all()))]
    if rows > 1:
        wanted = unit[0] - unit[last]
        tasks.insert(1, Task(f"Let vᵀJ be row 0 minus row {last}.",
                             lambda values: bool((weights(values) == wanted).all())))
    movers = [*draw["v"].artists, *draw["weighted"].artists, *draw["pulled"].artists, draw["bars"].artist]
    return Explorer(
        Scene(figure=made, movers=movers, update=update), name="cotangent_mixer", tasks=tasks, **_faders(rows),
        weights=Choice(("faders", "sum"), "faders", "weights"),
    )


def _hidden_mixer(riddles, rows, columns):
    made, draw = _mixer_artists(rows, columns, *riddles.values(), hidden=True)
    faders = _faders(rows)

    def solved(values):
        try:
            typed = parse_matrix(values["answer"], rows, columns)
        except Unclear:
            return False
        return bool(np.allclose(typed, riddles[values["puzzle"]], **CLOSE))

    def update(puzzle, calls, answer, **values):
        jacobian = riddles[puzzle]
        typed = parse_matrix(answer, rows, columns) if answer.strip() else None
        right = typed is not None and np.allclose(typed, jacobian, **CLOSE)
        draw["J"].show(jacobian if right else [[None] * columns] * rows)
        draw["v"].show([[values[key]] for key in faders])
        pulled = np.array(calls[-1]) @ jacobian if calls else None
        draw["pulled"].show([[None] * columns] if pulled is None else pulled[None])
        draw["bars"].show(np.zeros(columns) if pulled is None else pulled)
        shown = list(enumerate(calls, 1))[-len(draw["log"]):]
        for line, text in zip(draw["log"], [*shown, *[None] * len(draw["log"])], strict=False):
            line.set_text(f"{text[0]}.  v = {vector_text(text[1])}  gives  {vector_text(np.array(text[1]) @ jacobian)}"
                          if text else "")
        asked = f"{len(calls)} backward call{'s' * (len(calls) != 1)}"
        if right:
            return f"J is found after {asked}; {rows} are needed, one for each output."
        latest = f": the last, v = {vector_text(calls[-1])}, gave vᵀJ = {vector_text(pulled)}" if calls else ""
        wrong = "What you typed is not J yet. " if typed is not None else ""
        return f"{wrong}J is hidden. {asked} so far{latest}. Set v and press backward; then type J, {rows} rows of {columns}."

    def done(values):
        if not solved(values):
            return False
        calls = len(values["calls"])
        return calls == rows or (f"right, after {calls} calls instead of {rows}: find another J" if calls > rows else False)

    log = draw["log"]
    movers = [*draw["v"].artists, *draw["J"].artists, *draw["pulled"].artists, draw["bars"].artist, *log]
    return Explorer(
        Scene(figure=made, movers=movers, update=update),
        name="cotangent_mixer",
        tasks=[Task(f"Find J with as few backward calls as there are outputs, {rows}.", done)],
        **faders,
        calls=Record(tuple(faders), "backward", ("puzzle",)),
        answer=Text("", "J =", "[[1, 2], …], a row for each output", ("puzzle",)),
        puzzle=Choice(tuple(riddles), next(iter(riddles)), "hidden J"),
    )


def parse_matrix(text, rows, columns):
    """Typed text as an array of shape (rows, columns); Unclear with one sentence otherwise."""
    wanted = f"{rows} rows of {columns} numbers such as {[[1] * columns] * min(rows, 2)}"
    try:
        matrix = np.array(literal(text, wanted), dtype=float)
    except (ValueError, TypeError) as error:
        raise error if isinstance(error, Unclear) else Unclear(f"{text.strip()[:30]!r} is no matrix: type {wanted}.") from None
    if matrix.shape != (rows, columns):
        raise Unclear(f"J has {rows} rows, one for each output, and {columns} columns; you typed shape {matrix.shape}.")
    return matrix


def _mixer_artists(rows, columns, *jacobians, hidden=False):
    """(figure, parts): v, J, the weighted rows and their sum as one sheet of cells, and the sum as bars beside it."""
    made = theme.figure(1, 2, width=9, height=0.5 * rows + 2.3, left=0.1, gap=0.16, width_ratios=(2.9, 1))
    sheet, chart = made.axes
    largest = largest_of(*jacobians)
    room = 2 * columns + 5.2
    bare(sheet, (-0.6, room), (-rows - 1.75, 0.9))
    with theme.style():
        for x, y, text in ((0.5, 0.16, "v"), (1.45, -rows / 2, "·"), (2.5 + columns, -rows / 2, "=" if not hidden else "")):
            sheet.text(x, y, text, ha="center", va="bottom" if y > 0 else "center", fontsize=12)
        x = 3.6 + columns
        draw = {"log": []}
        if hidden:
            draw["log"] = [sheet.text(x - 1, -0.4 - 0.62 * i, "", va="center", fontsize=10) for i in range(rows + 3)]
        else:
            name_rows_and_columns(sheet, (rows, columns), x, row="v·row ", fontsize=9)
        sheet.text(2.4, -rows - 1.2, "vᵀJ", ha="right", va="center", fontsize=11)
    name_rows_and_columns(sheet, (rows, columns), 2.5)
    draw["v"] = Cells(sheet, (rows, 1), largest=2, edge=2)
    draw["J"] = Cells(sheet, (rows, columns), 2.5, largest=largest)
    if not hidden:
        draw["weighted"] = Cells(sheet, (rows, columns), x, largest=2 * largest)
    draw["pulled"] = Cells(sheet, (1, columns), 2.5 if hidden else x, -rows - 0.7, largest=2 * largest, edge=2)
    if not hidden:
        sheet.texts[3 + 0].set_position((0, 0))
    top = 2 * max(np.abs(jacobian).sum(0).max() for jacobian in jacobians)
    chart.set(xlim=(-0.6, columns - 0.4), ylim=(-1.05 * top or -1, 1.05 * top or 1), title="vᵀJ = x.grad")
    chart.set_xticks(range(columns), ["x" + theme.index(j) for j in range(columns)])
    chart.axhline(0, **theme.GUIDE)
    draw["bars"] = Bars(chart, range(columns), 0.55, theme.DERIVATIVE["color"])
    return made, draw
