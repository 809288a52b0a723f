"""Read labels and words, and run our own lines in the order a student chose: for exercises that ask to sort lines."""

import re

import torch

from course_lib.values import entries_of


def labels_of(value):
    """The labels in a list, a tuple or one text ("BDF", "E5, F1"), in capitals; none where the answer is something else."""
    if isinstance(value, str):
        words = re.findall(r"\w+", value)
        value = list(words[0]) if len(words) == 1 and words[0].isalpha() else words
    return [str(label).strip().upper() for label in value] if isinstance(value, list | tuple) else []


def labels_in_any_order(value):
    """The labels where their order plays no part, so that a set will do as well."""
    return labels_of(value if isinstance(value, str) else entries_of(value))


def only_word(value):
    """A text, or the only text in a list or tuple, in capitals; anything else as it is."""
    only = value[0] if isinstance(value, list | tuple) and len(value) == 1 else value
    return only.strip().upper() if isinstance(only, str) else value


def words_of(value):
    """The words in a list or tuple as a student may write them, in small letters, without module, dot and brackets."""
    plain = [str(word).strip().lower() for word in value] if isinstance(value, list | tuple) else []
    return [word.removesuffix("()").removeprefix("torch.").removeprefix("func.").removeprefix(".") for word in plain]


def run_lines(lines, labels, *, before=None, rounds=1):
    """(printed, problem): the objects that the lines print, and what goes wrong in words, or None.

    lines: label -> one line of our own code; labels: the order to run them in, `rounds` times over; before: names that
    exist when the first line runs.
    """
    printed = []
    names = {"torch": torch, "print": printed.append, **(before or {})}
    for _ in range(rounds):
        for position, label in enumerate(labels, start=1):
            line = lines[str(label)]
            try:
                with torch.enable_grad():  # whatever the notebook has switched off
                    exec(line, names)
            except Exception as error:
                return printed, f"line {position} of your order, `{line}`, stops with {type(error).__name__}: {error}"
    return printed, None
