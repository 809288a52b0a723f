"""Explorers of lesson 04, backward for vectors: cotangent_mixer(f, x), sum_trick_lie_detector().

f takes a tensor of shape (n,) and returns one of shape (m,); J has outputs as rows.
"""

import random

import numpy as np
import torch

from course_lib import theme
from course_lib.cells import Bars, Cells, bare, indexed, largest_of, name_rows_and_columns
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
    """One fader for each output: v weights the rows of J; their sum vᵀJ is x.grad after backward(gradient=v).

    Default f: (x₀x₁, sin(x₀ + x₁²), x₀² − 3x₁) at (1.3, −0.7). With hidden=True J is a riddle, to be found by calling
    backward.
    """
    x = point_of((1.3, -0.7) if x is None else x)
    riddles = {"yours": Map(f).finite_jacobian(x)[1]} if f is not None else {"J": Map(three_outputs).jacobian(x)[1]}
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
    entries = (-3, -2.5, -2, -1.5, -0.5, 0.5, 1, 1.5, 2, 3)
    while True:
        jacobian = np.array([[rng.choice(entries) for _ in range(columns)] for _ in range(rows)])
        if all(np.linalg.matrix_rank(np.delete(jacobian, i, 0)) == min(rows - 1, columns) for i in range(rows)):
            return jacobian  # no row can be guessed from the others


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
    wanted = {f"Let vᵀJ show row {middle} of J alone.": unit[middle],
              f"Let vᵀJ be row 0 minus row {last}.": unit[0] - unit[last],
              "Set v to what y.sum().backward() takes.": np.ones(rows)}
    if rows == 1:
        wanted = {"Double vᵀJ.": np.array([2.0])}
    tasks = [Task(text, lambda values, v=v: bool((weights(values) == v).all())) for text, v in wanted.items()]
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
        if right:
            draw["J"].show(jacobian)
        else:
            draw["J"].hide()
        draw["v"].show([[values[key]] for key in faders])
        pulled = np.array(calls[-1]) @ jacobian if calls else np.zeros(columns)
        draw["bars"].show(pulled)
        if calls:
            draw["pulled"].show(pulled[None])
        else:
            draw["pulled"].hide()
        for line in draw["log"]:
            line.set_text("")
        for line, (i, v) in zip(draw["log"], list(enumerate(calls, 1))[-len(draw["log"]):], strict=False):
            line.set_text(f"{i}.  v = {vector_text(v)}  gives  {vector_text(np.array(v) @ jacobian)}")
        asked = f"{len(calls)} backward call{'s' * (len(calls) != 1)}"
        if right:
            return f"J is found after {asked}; {rows} are needed, one for each output."
        latest = f"; the last, v = {vector_text(calls[-1])}, gave vᵀJ = {vector_text(pulled)}" if calls else ""
        wrong = "What you typed is not J yet. " if typed is not None else ""
        return f"{wrong}J is hidden, {rows} rows of {columns}: {asked} so far{latest}."

    def done(values):
        if not solved(values):
            return False
        calls = len(values["calls"])
        return calls == rows or f"right, after {calls} calls instead of {rows}: find another J"

    log = draw["log"]
    movers = [*draw["v"].artists, *draw["J"].artists, *draw["pulled"].artists, draw["bars"].artist, *log]
    return Explorer(
        Scene(figure=made, movers=movers, update=update),
        name="cotangent_mixer",
        tasks=[Task(f"Find J with as few backward calls as there are outputs, {rows}.", done)],
        **faders,
        calls=Record(tuple(faders), "backward", ("puzzle",)),
        answer=Text("", "J =", "[[1, 2], …] by rows", ("puzzle",)),
        puzzle=Choice(tuple(riddles), next(iter(riddles)), "hidden J"),
    )


def parse_matrix(text, rows, columns):
    """Typed text as an array of shape (rows, columns); Unclear with one sentence otherwise."""
    wanted = f"{rows} rows of {columns} numbers such as {[[1] * columns] * min(rows, 2)}"
    try:
        matrix = np.array(literal(text, wanted), dtype=float)
    except (ValueError, TypeError) as error:
        if isinstance(error, Unclear):
            raise
        raise Unclear(f"{text.strip()[:30]!r} is no matrix: type {wanted}.") from None
    if matrix.shape != (rows, columns):
        raise Unclear(f"J has {rows} rows, one for each output, and {columns} columns; you typed shape {matrix.shape}.")
    return matrix


def _mixer_artists(rows, columns, *jacobians, hidden=False):
    """(figure, parts): a sheet of cells with v, J, the weighted rows and their sum, and the sum as bars beside it."""
    made = theme.figure(1, 2, width=8.7, height=0.52 * rows + 2.1)
    sheet, chart = made.axes
    sheet.set_position((0.01, 0.02, 0.68, 0.96))
    chart.set_position((0.76, 0.14, 0.225, 0.72))
    largest, left, right = largest_of(*jacobians), 2.0, 4.2 + columns
    below = left if hidden else right
    bare(sheet, (-0.2, right + columns + 0.2), (-rows - 1.6, 1.2))
    name_rows_and_columns(sheet, indexed("y", rows), indexed("x", columns), left)
    draw = {
        "v": Cells(sheet, (rows, 1), largest=2, fontsize=10, edge=2),
        "J": Cells(sheet, (rows, columns), left, largest=largest, fontsize=10),
        "pulled": Cells(sheet, (1, columns), below, -rows - 0.45, largest=2 * largest, fontsize=10, edge=2),
    }
    with theme.style():
        for x, text in ((0.5, "v"), (left + columns / 2, "J")):
            sheet.text(x, 0.75 if text == "J" else 0.16, text, ha="center", va="bottom", fontsize=11)
        sheet.text(below - 0.14, -rows - 0.97, "vᵀJ", ha="right", va="center", fontsize=11)
        if hidden:
            draw["log"] = [sheet.text(left + columns + 0.5, -0.3 - 0.6 * i, "", va="center") for i in range(rows + 2)]
        else:
            sheet.text(right + columns / 2, 0.75, "each row times its v", ha="center", va="bottom", fontsize=11)
            sheet.text(left + columns + 0.35, -rows / 2, "→", ha="center", va="center", fontsize=14)
    if not hidden:
        name_rows_and_columns(sheet, [f"row {i}" for i in range(rows)], indexed("x", columns), right)
        draw["weighted"] = Cells(sheet, (rows, columns), right, largest=2 * largest, fontsize=10)
    top = 2.1 * max(np.abs(jacobian).sum(0).max() for jacobian in jacobians) or 1
    with theme.style():
        chart.set_title("vᵀJ, in x.grad")
    chart.set(xlim=(-0.6, columns - 0.4), ylim=(-top, top))
    chart.set_xticks(range(columns), indexed("x", columns))
    chart.axhline(0, **theme.GUIDE)
    draw["bars"] = Bars(chart, range(columns), 0.55, theme.DERIVATIVE["color"])
    return made, draw


# --- sum trick lie detector ------------------------------------------------------------------------------------------

AT = (0.5, -1.0, 2.0, 0.25)
LAYERS = {
    "tanh": torch.tanh,
    "softmax": lambda x: torch.softmax(x, 0),
    "cumsum": lambda x: torch.cumsum(x, 0),
    "batch-norm (train)": lambda x: _batch_norm(x, training=True),
    "batch-norm (eval)": lambda x: _batch_norm(x, training=False),
    "sort": lambda x: torch.sort(x).values,
}
TRUTH, LIES = "tells the truth", "lies"


def _batch_norm(x, training):
    """Batch norm of one feature over a batch of len(x); in eval mode with a stored mean 0.3 and variance 2."""
    stored = torch.tensor([0.3], dtype=x.dtype), torch.tensor([2.0], dtype=x.dtype)
    return torch.nn.functional.batch_norm(x[:, None], *stored, training=training)[:, 0]


def sum_trick_lie_detector(f=None):
    """Does y.sum().backward() leave the slopes of each entry alone, diag(J)? Say so before J is shown.

    With f, a function from shape (4,) to shape (4,), it is one more case, called yours.
    """
    layers = dict(LAYERS) if f is None else {**LAYERS, "yours": f}
    jacobians = {name: Map(layer).finite_jacobian(AT)[1] for name, layer in layers.items()}
    n = len(AT)
    if jacobians.get("yours", np.eye(n)).shape != (n, n):
        raise ValueError(f"f must return {n} numbers for {n} numbers, got {len(jacobians['yours'])}.")
    parts = [np.stack([np.diag(jacobian), jacobian.sum(0)]) for jacobian in jacobians.values()]
    made, draw = _detector_artists(n, lowest=min(part.min() / largest_of(part) for part in parts))
    judged = set()  # of this explorer: what has been said rightly so far

    def truth(name):
        jacobian = jacobians[name]
        return TRUTH if np.allclose(np.diag(jacobian), jacobian.sum(0), rtol=1e-9, atol=1e-9) else LIES

    def update(function, guess):
        jacobian, revealed = jacobians[function], guess != "?"
        diagonal, summed = np.diag(jacobian), jacobian.sum(0)
        draw["J"].largest = largest_of(jacobian)
        if revealed:
            draw["J"].show(jacobian)
        else:
            draw["J"].hide()
        draw["name"].set_text(f"J of {function}")
        room = 1.15 * largest_of(diagonal, summed)
        for key, heights in (("diagonal", diagonal), ("summed", summed)):
            draw[key].show(heights / room if revealed else np.zeros(n))
            for text, place, height in zip(draw[key + " texts"], draw[key].places, heights, strict=True):
                text.set_position((place, max(height / room, 0) + 0.03))
                text.set_text(number(height) if revealed else "")
        if not revealed:
            return f"{function} at x = {vector_text(AT)}: does y.sum().backward() tell each entry's slope? Predict."
        verdict = "as you predicted" if guess == truth(function) else f"you predicted that it {guess}"
        return (
            f"{function}: diag(J) = {vector_text(diagonal)}, J.sum(0) = {vector_text(summed)}. "
            f"The sum trick {truth(function)}, {verdict}."
        )

    def all_judged(values):
        if values["guess"] == truth(values["function"]):
            judged.add(values["function"])
        left = len(LAYERS) - len(judged - {"yours"})
        return left == 0 or f"{left} to go"

    return Explorer(
        Scene(figure=made, movers=draw["movers"], update=update),
        name="sum_trick_lie_detector",
        tasks=[Task("Say rightly for each of the six whether the sum trick lies or tells the truth.", all_judged)],
        function=Choice(tuple(layers), label="function"),
        guess=Choice(("?", TRUTH, LIES), label="the sum trick", clears_with=("function",)),
    )


def _detector_artists(n, lowest):
    made = theme.figure(1, 2, width=8.7, height=3.6)
    sheet, chart = made.axes
    sheet.set_position((0.02, 0.03, 0.4, 0.94))
    chart.set_position((0.47, 0.12, 0.515, 0.74))
    bare(sheet, (-0.6, n + 0.1), (-n - 0.1, 1.3))
    name_rows_and_columns(sheet, indexed("y", n), indexed("x", n))
    chart.set(xlim=(-0.6, n - 0.4), ylim=(1.1 * min(lowest, 0) - 0.04, 1.05), yticks=[])
    chart.grid(False)
    chart.set_xticks(range(n), indexed("x", n))
    chart.axhline(0, **theme.GUIDE)
    places = np.arange(n)
    draw = {
        "J": Cells(sheet, (n, n)),
        "diagonal": Bars(chart, places - 0.2, 0.36, theme.TANGENT["color"], label="diag(J)"),
        "summed": Bars(chart, places + 0.2, 0.36, theme.SECANT["color"], hatch="////", label="J.sum(0), the sum trick"),
    }
    with theme.style():
        draw["name"] = sheet.text(n / 2, 0.8, "", ha="center", va="bottom", fontsize=11)
        for key in ("diagonal", "summed"):
            draw[key + " texts"] = [chart.text(0, 0, "", ha="center", va="bottom", fontsize=8.5) for _ in range(n)]
    theme.legend_above(chart)
    draw["movers"] = [*draw["J"].artists, draw["name"], draw["diagonal"].artist, draw["summed"].artist,
                      *draw["diagonal texts"], *draw["summed texts"]]
    return made, draw
