"""Explorer of lesson 08, gradient debugging: gradient_xray(f, x), where does the first discrepancy enter?"""

import torch
from matplotlib.collections import PolyCollection

from course_lib import theme
from course_lib.cells import bare
from course_lib.controls import Choice, Record
from course_lib.live import Explorer, Scene, Task
from course_lib.xrays import HEADS, xray

MOST_ROWS = 12
HEALTHY = "none"
LEFT = (0.0, 0.34, 1.55, 2.2, 2.85, 3.2, 4.1, 4.95)  # of the columns, in inches
WIDTH, LINE = 5.85, 0.27
NUMBERS = (0.7, -1.3, 0.0, 0.4)


class Cube(torch.autograd.Function):
    """x³ with a backward that forgets the 3."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x**3

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return g * x**2


def healthy(x):
    a = torch.sin(x)
    b = a * x
    c = torch.exp(b)
    return c.sum()


def forgotten_factor(x):
    a = torch.tanh(x)
    b = Cube.apply(a)
    c = b * x
    return c.sum()


def number_pulled_out(x):
    a = x * x
    size = a.sum()
    b = torch.exp(x) * size.item()
    return b.sum()


def hidden_infinity(x):
    a = torch.relu(x)
    b = torch.log(a)
    c = torch.where(a > 0, b, torch.zeros_like(b))
    return c.sum()


def edited_afterwards(x):
    a = x * x
    b = torch.cos(a)
    c = b * b
    b.data.mul_(3)
    d = c + x
    return d.sum()


PATIENTS = {"A": number_pulled_out, "B": forgotten_factor, "C": healthy, "D": hidden_infinity, "E": edited_afterwards}


def gradient_xray(f=None, x=None):
    """The X-ray of five functions, or of f at x: choose the row where the first discrepancy enters, then say so.

    Backward reads from the last row up. `none` is for a function in which every gradient is right.
    """
    x = torch.tensor(NUMBERS, dtype=torch.float64) if x is None else x
    rays = {"yours": xray(f, x)} if f is not None else {name: xray(patient, x) for name, patient in PATIENTS.items()}
    most = max(len(ray.rows) for ray in rays.values())
    if most > MOST_ROWS:
        raise ValueError(f"this explorer shows {MOST_ROWS} rows and f makes {most}: look at a part of f, or use xray(f, x).")
    made, texts, mark = _sheet(most)

    def update(patient, row, said=()):
        ray = rays[patient]
        chosen = None if row == HEALTHY else int(row)
        _show(texts, mark, ray, chosen)
        if chosen is not None and chosen >= len(ray.rows):
            return f"{_name(patient)} has the rows 0 to {len(ray.rows) - 1}."
        if said and said[-1] == (patient, row):
            return _verdict(ray, chosen)
        if chosen is None:
            return f"You would call all {len(ray.rows)} rows healthy: press the button if that is what you think."
        return _described(ray.rows[chosen])

    def found(values):
        return {patient for patient, row in values["said"] if row == _right(rays[patient])}

    tasks = [Task("Choose the row where the first discrepancy enters, reading upwards, then press the button.",
                  lambda values: bool(found(values)))]
    if len(rays) > 1:
        tasks.append(Task("Do so for all five patients. One of them is healthy.", lambda values: _progress(
            len(found(values)), len(rays), len(values["said"]))))
    controls = {"patient": Choice(tuple(rays), next(iter(rays)), "patient")} if len(rays) > 1 else {}
    scene = update if controls else lambda **values: update("yours", **{**values, "said": _own(values["said"])})
    if not controls:
        tasks = [Task(tasks[0].text, lambda values: any(row == _right(rays["yours"]) for (row,) in values["said"]))]
    return Explorer(
        Scene(figure=made, movers=[*texts, mark], update=scene), name="gradient_xray", tasks=tasks, **controls,
        row=Choice((*map(str, range(most)), HEALTHY), str(most - 1) if len(rays) == 1 else "4", "row"),
        said=Record(("patient", "row") if controls else ("row",), "It enters here"),
    )


def _own(said):
    return tuple(("yours", row) for (row,) in said)


def _right(ray):
    return HEALTHY if ray.culprit is None else str(ray.culprit)


def _progress(found, wanted, said):
    return found == wanted or f"{found} of {wanted}, {said} said"


def _name(patient):
    return "Your function" if patient == "yours" else f"Patient {patient}"


# --- the table -------------------------------------------------------------------------------------------------------


def _sheet(rows):
    height = LINE * (rows + 1) + 0.15
    made = theme.figure(width=WIDTH + 0.2, height=height)
    ax = made.axes[0]
    ax.set_position((0, 0, 1, 1))
    bare(ax, (-0.1, WIDTH + 0.1), (-LINE * (rows + 1) - 0.05, 0.1), equal=False)
    with theme.style():
        for left, head in zip(LEFT, HEADS, strict=True):
            ax.text(left, -LINE / 2, head, fontsize=9, va="center",
                    fontweight="bold")
        ax.plot([0, WIDTH], [-LINE, -LINE], **theme.GUIDE)
        texts = [
            ax.text(left, -LINE * (i + 1.5), "", fontsize=9, va="center") for i in range(rows) for left in LEFT
        ]
        mark = PolyCollection([], facecolors="none", edgecolors=theme.POINT["color"], linewidths=1.8)
        ax.add_collection(mark, autolim=False)
    return made, texts, mark


def _show(texts, mark, ray, chosen):
    cells = [cell for row in ray.rows for cell in row.cells]
    for text, cell in zip(texts, cells + [""] * (len(texts) - len(cells)), strict=True):
        text.set_text(cell if len(cell) <= 18 else cell[:17] + "…")
    top = -LINE * (1 + (chosen or 0)) - 0.02
    box = [(-0.05, top), (WIDTH, top), (WIDTH, top - LINE + 0.03), (-0.05, top - LINE + 0.03)]
    mark.set_verts([box] if chosen is not None and chosen < len(ray.rows) else [])


def _described(row):
    """The chosen row in words."""
    back = "no gradient comes back" if row.gradient is None else f"its gradient has size {row.cells[6]}"
    if row.bad_gradients:
        back = f"{row.bad_gradients} of its gradients are no numbers"
    compared = {"–": "there is nothing to compare", "cut": "the graph ends", "no way back": "there is no way back"}
    said = compared.get(row.compared, f"autograd ÷ difference is {row.compared}")
    said = "there is nothing to compare" if row.bad_gradients else said
    return f"Row {row.number}, {row.name}: {back}, {said}. Is it the first that is wrong, from below?"


def _verdict(ray, chosen):
    if (chosen is None) == (ray.culprit is None) and chosen == ray.culprit:
        return f"Right. {ray.finding}" if chosen is not None else f"Right: all {len(ray.rows)} rows agree, from the last to 0."
    if chosen is None:
        return "Not healthy: go up from the last row, and stop at the first whose ratio is neither 1 nor –."
    if ray.culprit is None:
        return f"Row {chosen} is right: what arrives there agrees with its difference."
    if chosen > ray.culprit:
        return f"Not row {chosen}: what arrives there is still right. Go on upwards."
    return f"Row {chosen} is only a victim: something below it went wrong before. Start at the last row and go up."
