"""Values of questions and answers, as observe.py describes them: in a few words with show(), as a float with number_of()
and as a bool with truth_of()."""

import re
from dataclasses import replace

import numpy as np

from course_lib.observe import Array, Leaf, Other


def show(value):
    """A value of a question or an answer in a few words."""
    if isinstance(value, bool) or value is None:
        return str(value)
    if isinstance(value, float):
        return f"{value:.4g}".replace("-", "−")
    if isinstance(value, Array):
        kind = {"tensor": "a tensor", "ndarray": "a NumPy array", "scalar": "a NumPy scalar"}[value.kind]
        if value.numbers.shape == ():
            return f"{show(float(value.numbers))} ({kind} of {value.dtype})"
        return f"{kind} of shape {value.numbers.shape}"
    if isinstance(value, Leaf):
        return show(value.numbers)
    if isinstance(value, np.ndarray):
        if value.ndim == 0:
            return show(float(value))
        if value.ndim == 1 and value.size <= 5:
            return "tensor([" + ", ".join(show(float(number)) for number in value) + "])"
        if value.ndim == 2 and value.size <= 15:
            rows = (", ".join(show(float(number)) for number in row) for row in value)
            return f"tensor([[{'], ['.join(rows)}]])"
        return f"a tensor of shape {value.shape}"
    if isinstance(value, tuple | list):
        items = ", ".join(show(item) for item in value[:6]) + (", …" if len(value) > 6 else "")
        items = items if len(items) <= 120 else items[:117] + "…"
        return f"[{items}]" if isinstance(value, list) else f"({items}{',' if len(value) == 1 else ''})"
    if isinstance(value, dict):
        items = ", ".join(f"{printable(key)}: {show(item)}" for key, item in list(value.items())[:6])
        return "{" + (items if len(items) <= 120 else items[:117] + "…") + (", …" if len(value) > 6 else "") + "}"
    if hasattr(value, "text"):  # a Formula, or an object of a type nobody asked for
        return "..." if value.text == "Ellipsis" else value.text
    if hasattr(value, "name"):
        return f"torch.{value.name}"
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "…"


def printable(key):
    """A name out of an answer without what cannot be seen or changes how the rest is read."""
    return "".join(letter if letter.isprintable() else "\ufffd" for letter in str(key))


def unpacked(value):
    """A tensor or an array as the list of its entries, as `a, b = answer` takes it apart; anything else as it is."""
    if not isinstance(value, Array) or not value.numbers.ndim:
        return value
    return [replace(value, numbers=np.asarray(entry)) for entry in value.numbers]


def entries_of(value):
    """The entries of an answer in which their order plays no part: a list, a tuple, a dict's keys or a set; [] for all else."""
    if isinstance(value, Other) and value.type in ("set", "frozenset"):
        return re.findall(r"'(\w+)'", value.text)
    return list(value) if isinstance(value, list | tuple | dict) else []


def truth_of(value):
    """True or False, or an array of one of them, as a bool; None for everything else, 0 and 1 too."""
    if isinstance(value, Array) and value.dtype == "bool" and value.numbers.shape == ():
        return bool(value.numbers)
    return value if isinstance(value, bool) else None


def number_of(value):
    """A number or an array of one number as a float; None for everything else, True and False too."""
    if isinstance(value, Array):
        is_number = value.numbers.shape == () and value.dtype != "bool"
        return float(value.numbers) if is_number else None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value)
    except OverflowError:  # an int of hundreds of digits
        return float("inf") if value > 0 else float("-inf")
