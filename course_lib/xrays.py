"""Look into a function of tensors where its gradient goes wrong: xray(f, x) lists every tensor that f made on its way.

Each row has shape, dtype, leaf or not, the norm of the gradient that autograd sends there, and that gradient divided by
a finite difference. The caller's tensors, their .grad and the random numbers stay as they are.
"""

import contextlib
import inspect
import io
from dataclasses import dataclass, replace
from html import escape

import numpy as np
import torch

from course_lib.graph import arguments_of, cotangent_of, leaves_of, nodes_of, untouched
from course_lib.nudge import CLOSE, STEP, coarsest, numbered, slope_at
from course_lib.observe import weights
from course_lib.recorder import Recorder, key_of
from course_lib.tape import Tape
from course_lib.theme import number

MOST_ROWS = 40
HEADS = ("row", "tensor", "shape", "dtype", "leaf", "finite", "|gradient|", "÷ difference")
NARROW_HEADS = ("row", "tensor", "shape, dtype", "finite", "|gradient|", "÷ difference")
CAPTION = "X-ray: f computes downwards, backward reads upwards"
ELEMENTWISE = {"add", "sub", "mul", "div", "pow", "rsub"}


@dataclass(frozen=True, kw_only=True, eq=False)
class Row:
    """One tensor of the computation.

    kind: "leaf", "result" or "constant" (autograd does not follow it). gradient: its norm, None if there is none.
    ratio: autograd ÷ difference. state: "ok", or what is wrong: "not finite", "not finite back", "cut", "off".
    users: numbers of the rows that are computed from it. note: what is special here.
    """

    number: int
    name: str
    shape: tuple
    dtype: str
    kind: str
    bad_values: int
    bad_gradients: int
    gradient: float | None
    ratio: float | None
    state: str
    users: tuple
    note: str = ""

    @property
    def cells(self):
        """The texts of the row, as in HEADS."""
        return (
            str(self.number), self.name, "×".join(map(str, self.shape)) or "number", self.dtype,
            "yes" if self.kind == "leaf" else "no", self.finite,
            "none" if self.gradient is None else number(self.gradient) if self.bad_gradients == 0 else "NaN", self.compared,
        )

    @property
    def narrow_cells(self):
        """The texts of the row, as in NARROW_HEADS."""
        row, name, shape, dtype, leaf, *rest = self.cells
        return row, f"{name}, a leaf" if leaf == "yes" else name, f"{shape}, {dtype}", *rest

    @property
    def finite(self):
        if self.bad_values:
            return f"{self.bad_values} of {int(np.prod(self.shape))} not"
        return "yes" if not self.bad_gradients else "gradient not"

    @property
    def compared(self):
        """The ratio in words: 1 where it is 1 within what a difference can tell."""
        if self.bad_gradients:
            return "NaN"
        if self.state == "cut":
            return "cut"
        if self.state == "off" and self.ratio is None:
            return "no way back"
        if self.ratio is None:
            return "–"
        if not np.isfinite(self.ratio):
            return "∞"
        return "1" if self.state == "ok" else number(self.ratio, 2)


@dataclass(frozen=True, kw_only=True, eq=False)
class Xray:
    """The rows of one function, first to last as it computed them; the last one is its result.

    culprit: number of the row where the first discrepancy enters, for who reads as backward does, from the last row
    up; None if there is none. finding says it in one sentence.
    """

    rows: tuple
    culprit: int | None
    finding: str
    notes: tuple = ()

    def __getitem__(self, name):
        """The row with that number, or that name."""
        for row in self.rows:
            if name in (row.number, row.name, row.name.split(" = ")[0]):
                return row
        raise KeyError(f"there is no row {name!r}, only {', '.join(row.name for row in self.rows)}.")

    @property
    def lines(self):
        return [self.finding, *self.notes, *(f"Row {row.number}: {row.note}." for row in self.rows if row.note)]

    def __repr__(self):
        table = [HEADS, *(row.cells for row in self.rows)]
        widths = [max(map(len, column)) for column in zip(*table, strict=True)]
        lines = ["  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip() for cells in table]
        marks = ["  ", *("→ " if row.number == self.culprit else "  " for row in self.rows)]
        return "\n".join([*(mark + line for mark, line in zip(marks, lines, strict=True)), *self.lines])

    def _repr_html_(self):
        """A plain table: it takes its colours from the page, and a row that is wrong has an arrow and bold text.

        It has to fit a window of 800 pixels with the file browser open, which leaves it 350: so cells may wrap, some share a
        column, and the letters shrink with the room there is, down to 11 pixels.
        """
        cell = 'style="text-align:left;vertical-align:top;padding:2px 7px 2px 0;white-space:normal"'
        head = "".join(f'<th scope="col" {cell}>{escape(text)}</th>' for text in NARROW_HEADS)
        body = ""
        for row in self.rows:
            first, *rest = row.narrow_cells
            first = f"→&nbsp;{first}" if row.number == self.culprit else first
            weight = ' style="font-weight:700"' if row.number == self.culprit else ""
            body += f'<tr{weight}><th scope="row" {cell}>{first}</th>'
            body += "".join(f"<td {cell}>{escape(text).replace('×', '×<wbr>')}</td>" for text in rest) + "</tr>"
        notes = "".join(f'<div style="margin:2px 0;max-width:56em">{escape(line)}</div>' for line in self.lines)
        caption = f'<caption style="text-align:left;font-weight:600;padding:0 0 4px">{CAPTION}</caption>'
        return (
            '<div style="line-height:1.45"><div tabindex="0" role="region" aria-label="X-ray" '
            'style="overflow-x:auto;container-type:inline-size">'
            f'<table style="border-collapse:collapse;margin:0;font-size:clamp(11px,3.15cqi,13px)">{caption}'
            f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>{notes}</div>"
        )


def xray(f, /, *args, **leaves):
    """Every tensor of y = f(x) in a table: xray(f, x), or xray(f, x=0.7, w=w) with the leaves by name.

    Numbers are taken as float64; f receives copies that require gradients. A result of several numbers is weighted
    with unequal numbers and added up.
    """
    leaves = _named(f, args) | leaves
    with untouched():
        random = torch.get_rng_state()

        def run(make):
            """f under the recorder that make(f) returns: (recorder, copies of the leaves, result)."""
            torch.set_rng_state(random)
            copies = leaves_of(leaves) if leaves else {}
            recorder = make(f)
            for leaf in copies.values():
                recorder.meet(leaf)
            y = _result(f, copies, recorder)
            recorder.meet(y)
            return recorder, copies, y

        with _put_back() as keep:
            recorder, copies, y = run(keep(Recorder))
            return _read(f, recorder, copies, y, lambda make: _weighed(*run(keep(make))))


def _named(f, args):
    """The arguments by the names that f gives them."""
    try:
        names = list(inspect.signature(getattr(f, "forward", f)).parameters)
    except (TypeError, ValueError):
        names = []
    names += [f"x{i}" if i else "x" for i in range(len(names), len(args))]
    return dict(zip(names, args, strict=False))


def _result(f, copies, recorder):
    if not callable(f):
        raise TypeError(f"expected a function such as lambda x: x**2, got {type(f).__name__}.")
    args, kwargs = arguments_of(f, copies) if copies else ([], {})
    try:
        with recorder, contextlib.redirect_stdout(io.StringIO()):
            y = f(*args, **kwargs)
    except Exception as error:
        first = (str(error).splitlines() or [""])[0][:160].rstrip(".")
        raise ValueError(f"f raised {type(error).__name__}: {first}.") from error
    if isinstance(y, int | float | np.number):
        y = torch.tensor(float(y), dtype=torch.float64)
    if not isinstance(y, torch.Tensor) or not y.is_floating_point():
        kind = type(y).__name__ if not isinstance(y, torch.Tensor) else f"a tensor of {y.dtype}"
        raise TypeError(f"f must return one tensor of floating-point numbers, got {kind}.")
    moved = getattr(recorder, "moved", None)
    return moved if moved is not None and y is recorder.original else y


@contextlib.contextmanager
def _put_back():
    """Outside tensors that f changes (running statistics, say) are as before after each run."""
    recorders = []

    def keep(make):
        def made(f):
            while recorders:
                recorders.pop().put_back()
            recorders.append(_kept(make(f)))
            return recorders[-1]

        return made

    try:
        yield keep
    finally:
        while recorders:
            recorders.pop().put_back()


def _kept(recorder):
    """The recorder, remembering what tensors that f did not make looked like when they were met first."""
    before, meet = [], recorder.meet

    def remember(tensor):
        if key_of(tensor) not in recorder.seen and not any(tensor is one for one in recorder.kept):
            before.append((tensor, tensor.detach().clone()))
        return meet(tensor)

    def put_back():
        for tensor, value in before:
            if not torch.equal(torch.nan_to_num(tensor.detach()), torch.nan_to_num(value)):
                tensor.data.copy_(value)
        recorder.restore_grads()

    recorder.meet, recorder.put_back = remember, put_back
    return recorder


def _weights(y):
    return torch.tensor(weights(tuple(y.shape)), dtype=y.dtype)


def _weighed(recorder, copies, y):
    return float((y.detach() * _weights(y)).sum())


# --- reading a recording ---------------------------------------------------------------------------------------------


def _read(f, recorder, copies, y, run):
    tape = Tape(recorder, y, copies.values(), also=recorder.left_from)
    notes = []
    try:
        tape.run(cotangent_of(y, _weights(y)))
    except ValueError as error:
        notes.append(str(error))
    names = recorder.names() | {key_of(leaf): name for name, leaf in copies.items()}
    found = [(key, node) for key, node in zip(tape.order, nodes_of(f, recorder, tape, (), names), strict=True)
             if key in recorder.seen]
    if len(found) > MOST_ROWS:
        raise ValueError(f"f makes {len(found)} tensors, and an X-ray shows {MOST_ROWS} at most: look at a part of f.")
    precision = coarsest(recorder)
    start = _weighed(recorder, copies, y)
    slopes = _slopes(found, recorder, tape, run, precision, start)
    places = {key: i for i, (key, _) in enumerate(found)}
    users = [tuple(places[other] for other, _ in found if any(link.source == key for link in tape.links[other]))
             for key, _ in found]
    rows = tuple(
        _row(i, key, node, recorder, slopes, users[i], tape.root == key, precision, start) for i, (key, node) in enumerate(found)
    )
    rows = _with_cuts(rows, found, recorder, slopes)
    if not tape.connected - {tape.root} and not y.requires_grad:
        notes.append("The result is not tracked: backward() raises “does not require grad”.")
    culprit = _culprit(rows)
    return Xray(rows=rows, culprit=culprit, finding=_finding(rows, culprit, notes), notes=tuple(notes))


def _slopes(found, recorder, tape, run, precision, start):
    """{key: Slope} of every tensor that can be compared."""
    seen, slopes = numbered(recorder), {}
    for key, node in found:
        given = key[0] == "constant" and not recorder.seen[key].follows
        number = recorder.seen[key].index
        if key != tape.root and not given and seen[number][1] in STEP:
            slopes[key] = slope_at(run, number, seen, node.gradient, start, precision)
    return slopes


def _row(i, key, node, recorder, slopes, users, is_result, precision, start):
    seen, slope = recorder.seen[key], slopes.get(key)
    value = np.asarray(node.value, dtype=float)
    gradient = None if node.gradient is None else np.asarray(node.gradient, dtype=float)
    bad_values, bad_gradients = _not_finite(value), 0 if gradient is None else _not_finite(gradient)
    ratio = slope.ratio if slope else 1.0 if is_result and gradient is not None else None
    state = "ok"
    if bad_values and not np.isfinite(start):
        state = "not finite"
    if bad_gradients:
        state = "not finite back"
    elif key[0] != "constant" and slope and slope.smooth:
        missing = slope.autograd is None and abs(slope.difference) > slope.noise
        state = "off" if missing or ratio is not None and not abs(ratio - 1) <= CLOSE[precision] else state
    note = node.note
    if slope and not slope.smooth and not bad_gradients and not bad_values:
        note = note or "no slope to compare with: the function has a kink or a jump here"
    if key in recorder.left_from:
        how = recorder.left[recorder.left_from.index(key)]
        note = note or f"turned into a plain number here ({how})"
    return Row(
        number=i, name=node.title, shape=node.shape, dtype=str(seen.dtype).removeprefix("torch."),
        kind={"op": "result"}.get(node.kind, node.kind), bad_values=bad_values, bad_gradients=bad_gradients,
        gradient=None if gradient is None else float(np.sqrt((gradient**2).sum())), ratio=ratio, state=state, users=users,
        note=note,
    )


def _not_finite(numbers):
    return int((~np.isfinite(numbers)).sum())


def _with_cuts(rows, found, recorder, slopes):
    """The rows, those marked where the graph ends although the input goes on; and those where both inputs stretched."""
    tracked = [slope for (key, _), slope in ((one, slopes.get(one[0])) for one in found) if slope and key[0] != "constant"]
    reached = frozenset().union(*(slope.touched for slope in tracked)) if tracked else frozenset()
    changed = []
    for row, (key, _) in zip(rows, found, strict=True):
        slope, seen = slopes.get(key), recorder.seen[key]
        matters = slope is None or not slope.smooth or abs(slope.difference) > slope.noise
        ends = key in recorder.left_from or key[0] == "constant" and seen.follows and bool(seen.note)
        if ends and row.gradient is None and matters and seen.index in reached and seen.dtype in STEP:
            row = replace(row, state="cut")
        elif key[0] == "constant" and seen.note.startswith("cut off") and row.state == "ok":
            row = replace(row, note="")  # zeros_like(x) and its like: nothing of x goes on from there
        shapes = [rows[i].shape for i, other in enumerate(rows) if row.number in other.users]
        if row.name.split(" = ")[-1].split(" ")[0] in ELEMENTWISE and len(shapes) == 2 and row.shape not in shapes:
            text = " and ".join(str(shape) for shape in shapes)
            row = replace(row, note=row.note or f"shapes {text} were both stretched to {row.shape}")
        changed.append(row)
    return tuple(changed)


def _culprit(rows):
    first = next((row.number for row in rows if row.bad_values and row.state == "not finite"), None)
    if first is not None:
        return first
    wrong = [row.number for row in rows if row.state in ("cut", "off", "not finite back")]
    return wrong[-1] if wrong else None


def _finding(rows, culprit, notes):
    if culprit is None:
        if notes:
            return "No row can be blamed: no gradient came back."
        stretched = [row for row in rows if "stretched" in row.note]
        if stretched:
            return f"Every gradient agrees with its difference, but look at row {stretched[0].number}, {stretched[0].name}."
        if any("kink" in row.note for row in rows):
            return "Every gradient that can be compared agrees with its finite difference."
        return "Every gradient agrees with its finite difference."
    row = rows[culprit]
    used = next((rows[i] for i in row.users if rows[i].state != "ok" or rows[i].kind == "result"), None)
    by = f"{used.name} (row {used.number})" if used else "what uses it"
    if row.state == "cut":
        return f"The graph ends at row {row.number}, {row.name}: the result depends on it, but backward does not get past it."
    if row.state == "not finite":
        return f"Row {row.number}, {row.name}, is the first that is not finite: the values go wrong before any gradient."
    if row.state == "not finite back":
        return f"Reading upwards, row {row.number}, {row.name}, is the first whose gradient is not finite: {by} sends it there."
    said = "no gradient" if row.ratio is None else f"{row.compared} times the right gradient"
    return f"Reading upwards, row {row.number}, {row.name}, is the first that is wrong: {by} sends it {said}."
