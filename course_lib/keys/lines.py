"""Read labels and words, and run our own lines in the order a student chose: for exercises that ask to sort lines."""

import torch


def labels_of(value):
    """The labels in a list or tuple as a student may write them, in capitals; none where the answer is something else."""
    return [str(label).strip().upper() for label in value] if isinstance(value, list | tuple) else []


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
