"""Lesson 00, orientation: the key of its exercises and how people go wrong."""

import numpy as np
import torch

from course_lib.exercise import Lesson
from course_lib.judge import Layer, show
from course_lib.keys import quiz_00
from course_lib.keys.lines import run_lines

lesson = Lesson("00", "Start here", quiz_00)


# --- 0.1 -------------------------------------------------------------------------------------------------------------


@lesson.exercise(
    number="0.1", title="Double a tensor", signature="(x: Tensor[n]) -> Tensor[n]", points=1, minutes=4, section="00a",
    hints=(
        "What should come back for the tensor (1.5, −2)? Write the two numbers down before you write code.",
        "Tensors obey the ordinary signs: + − * work entry by entry and make a new tensor. The signs with = (+= *=) "
        "change the tensor that you were handed.",
        "The body is one line: return, the tensor, a sign, a number. Try that sign on a tensor in a scratch cell first.",
    ),
)
def twice(ask):
    """Twice x, as a new tensor of the same shape and dtype."""
    x = _numbers(ask.rng, 5)
    with ask.part("every entry doubled", 2):
        for values in (x, _numbers(ask.rng, 3)):
            ask(values).is_tensor().equals(2 * values, "twice the entry")
    with ask.part("float32 stays float32, float64 stays float64"):
        for dtype in ("float32", "float64"):
            ask(x.astype(dtype)).equals(2 * x.astype(dtype), "twice the entry").is_tensor(dtype)
    with ask.part("the tensor handed in is left alone"):
        ask(x).equals(2 * x, "twice the entry").leaves_inputs_alone()


@twice.mistake("B14")
def doubled_in_place(x):
    """The result is right, but `x *= 2` wrote it over the caller's own tensor. `x * 2` makes a new one."""
    x *= 2
    return x


@twice.mistake("squared")
def squared(x):
    """Your numbers are the squares of the entries. Square and double agree only at 0 and 2."""
    return x**2


@twice.mistake("dtype")
def always_float64(x):
    """The numbers are right, but float32 went in and float64 came out: somewhere the dtype is fixed by hand."""
    return 2 * x.double()


@twice.mistake("unchanged")
def unchanged(x):
    """Your function gives back the entries as they were."""
    return x.clone()


# --- 0.2 -------------------------------------------------------------------------------------------------------------


@lesson.exercise(
    number="0.2", title="All sums of two tensors", signature="(a: Tensor[n], b: Tensor[m]) -> Tensor[n, m]", points=1,
    minutes=5, section="00b",
    hints=(
        "Write the result for a = (1, 2) and b = (10, 20, 30) on paper as a table. Which of the two runs down the rows?",
        "Broadcasting stretches axes of length 1. Give one tensor the shape (n, 1) and the other (1, m), or just (m,).",
        "`t[:, None]` adds an axis at the end, `t[None, :]` at the front. One of them, a plus sign, and the other tensor.",
    ),
)
def outer_sum(ask):
    """The table of all sums: entry [i, j] is a[i] + b[j]."""
    with ask.part("shape and every entry", 2):
        for n, m in ((5, 3), (2, 4)):
            a, b = _numbers(ask.rng, n), _numbers(ask.rng, m)
            ask(a, b).is_tensor().equals(np.add.outer(a, b), "a[i] + b[j]")
    with ask.part("one entry in a, many in b"):
        a, b = _numbers(ask.rng, 1), _numbers(ask.rng, 6)
        ask(a, b).is_tensor().equals(np.add.outer(a, b), "a[i] + b[j]")


@outer_sum.mistake("transposed")
def transposed_table(a, b):
    """Your table is the transpose: a runs along the columns. The first axis of the result belongs to a."""
    return b[:, None] + a[None, :]


@outer_sum.mistake("products")
def table_of_products(a, b):
    """Your table holds products. torch.outer multiplies; here every pair is to be added."""
    return torch.outer(a, b)


@outer_sum.mistake("flat")
def flat_list(a, b):
    """The sums are right but stand in one long row of n·m numbers instead of a table with n rows and m columns."""
    return (a[:, None] + b).reshape(-1)


@outer_sum.mistake("plain-plus")
def plain_plus(a, b):
    """a + b pairs the entries one by one, which only works for equal lengths. Give a second axis to one of them."""
    return a + b


# --- 0.3 -------------------------------------------------------------------------------------------------------------

LINES = {
    "A": "print(slope)",
    "B": "y = x**2",
    "C": "slope = x.grad",
    "D": "x = torch.tensor(0.7, requires_grad=True)",
    "E": "y.backward()",
}


@lesson.exercise(
    number="0.3", title="Five lines of a first backward", signature="list[str]", kind="order", points=1, minutes=4,
    section="00c",
    hints=(
        "Which line can run first, because it needs nothing that another line makes?",
        "A line can only use what exists already. And `.grad` stays empty until backward has run.",
        "Make the leaf, compute, walk back, read, print: put the letters to these five words.",
    ),
)
def first_backward_order(ask):
    """The labels in an order in which the five lines print the slope."""
    with ask.part("the five lines, in an order that prints the slope of x² at 0.7"):
        answer = ask()
        labels = answer.value
        known = isinstance(labels, list | tuple) and sorted(map(str, labels)) == sorted(LINES)
        answer.holds(known, "a list with each of the labels A, B, C, D, E once", layer=Layer.TYPE)
        if known:
            printed, problem = run_lines(LINES, labels)
            got = problem or f"in your order the lines print {printed[0]}"
            right = problem is None and printed[0] is not None and abs(printed[0].item() - 1.4) < 1e-6
            answer.holds(right, "the lines run and print the slope of x² at 0.7", got)


first_backward_order.wrong_value(
    "read-before-backward", ["D", "B", "C", "E", "A"],
    "`.grad` was read before backward had filled it, so the name slope holds None for good.",
)
first_backward_order.wrong_value(
    "backward-before-compute", ["D", "E", "B", "C", "A"],
    "backward was called before there was a y to walk back from.",
)
first_backward_order.wrong_value(
    "leaf-late", ["B", "D", "E", "C", "A"], "y was computed before there was an x to compute it from.",
)
first_backward_order.wrong_value(
    "print-early", ["D", "B", "E", "A", "C"], "slope was printed before it had been read from `.grad`.",
)


# --- 0.4 -------------------------------------------------------------------------------------------------------------

TOPICS = ("derivatives by hand", "partial derivatives", "chain rule", "matrices", "Python", "PyTorch")


@lesson.exercise(
    number="0.4", title="Where you stand", signature="dict[str, int]", kind="value", points=0, minutes=2, section="00c",
    given="{\n" + "".join(f'    "{topic}": ...,\n' for topic in TOPICS) + "}",
    hints=("0 means new to me, 1 heard of it, 2 have used it, 3 could explain it. There is no wrong answer.",),
)
def prior_knowledge(ask):
    """A number from 0 to 3 for each topic; not scored."""
    with ask.part("a number from 0 to 3 for each of the six topics"):
        answer = ask()
        levels = answer.value if isinstance(answer.value, dict) else {}
        missing = [topic for topic in TOPICS if topic not in levels]
        answer.holds(not missing, f"a dict with an entry for each topic; missing: {', '.join(missing)}", layer=Layer.TYPE)
        off = [topic for topic in levels if levels[topic] not in (0, 1, 2, 3) or isinstance(levels[topic], bool)]
        got = f"{off[0]}: {show(levels[off[0]])}" if off else None
        answer.holds(not off, "0, 1, 2 or 3 for each topic", got, layer=Layer.TYPE)


def _numbers(rng, n):
    """n numbers that stay clear of 0, ±1 and 2 and of each other's size."""
    return np.array([rng.choice((-1, 1)) * (0.3 + 0.45 * i + rng.random() * 0.2) for i in range(n)]) + 0.05
