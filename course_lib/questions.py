"""Questions a student answers by typing: number(1.4), true_false(True), shape((5, 3)), choice("None").

Each kind reads what people type (1,4 or 7/5; t, yes; 5x3) and knows when a typed answer is right. quiz.py shows
the questions; the modules in keys/ hold them.
"""

import contextlib
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction

NUMBER_WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")


class Unreadable(ValueError):
    """What was typed is not an answer of this kind; the text says what is wanted."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Kind:
    """How to read an answer, the right one, and whether two answers are the same."""

    wanted: str  # "a number"
    read: Callable[[str], object]
    right: object
    same: Callable[[object, object], bool]
    also: tuple = ()  # other right answers
    show: Callable[[object], str] = str


@dataclass(frozen=True, slots=True)
class Question:
    """One question. slips: what to say to certain wrong answers; why: what to say to everybody afterwards."""

    text: str
    kind: Kind
    slips: Mapping = field(default_factory=dict)
    why: str = ""

    def read(self, typed):
        """The answer that was typed. Raises Unreadable."""
        return self.kind.read(typed.strip())

    def is_right(self, answer):
        return any(self.kind.same(answer, right) for right in (self.kind.right, *self.kind.also))

    def slip(self, answer):
        """The sentence for this wrong answer, or ""."""
        for wrong, sentence in self.slips.items():
            if self.kind.same(answer, wrong):
                return sentence
        return ""


def number(right, rtol=0.02, also=()):
    """A number, right within two percent unless said otherwise: predictions are made in the head.

    also: other numbers that are as right, such as an axis counted from the end.
    """

    def same(a, b):
        if isinstance(a, str) or isinstance(b, str):
            return a == b
        return math.isclose(a, b, rel_tol=rtol, abs_tol=rtol * 0.1 if right == 0 else 0)

    return Kind(wanted="a number, such as −1.3 or 7/5", read=read_number, right=right, same=same, also=also,
                show=show_number)


def true_false(right):
    return Kind(wanted="True or False", read=read_truth, right=right, same=lambda a, b: a is b)


def shape(right):
    return Kind(wanted="a shape, such as (2, 4)", read=read_shape, right=right, same=_equal, show=str)


def raises_or_shape(right):
    """A shape, or the word raises."""

    def read(typed):
        return "raises" if _is_error(typed) else read_shape(typed)

    return Kind(wanted="a shape such as (2, 4), or: raises", read=read, right=right, same=_equal)


def choice(right, *others):
    """One of a few words; upper and lower case are the same. choice("None") alone: None or a number."""
    words = (right, *others)

    def same(a, b):
        return str(a).lower() == str(b).lower()

    wanted = "one of " + ", ".join(sorted(words, key=str.lower)) if others else f"{right} or a number"
    return Kind(wanted=wanted, read=_read_word(words if others else None, wanted), right=right, same=same)


def works_or_raises(right):
    """Whether code runs: works or raises."""
    return choice(right, "works" if right == "raises" else "raises")


def read_number(typed):
    """A number as people write it: 1.4, −1,4, 7/5, 2e-3, sqrt(2), one. Raises Unreadable."""
    if typed.lower() in NUMBER_WORDS:
        return float(NUMBER_WORDS.index(typed.lower()))
    text = typed.replace("−", "-").replace(" ", "").replace("·10^", "e").replace("*10**", "e")
    if re.fullmatch(r"[+-]?\d+,\d+", text):
        text = text.replace(",", ".")
    root = re.fullmatch(r"([+-]?)(?:(?:math\.|torch\.)?sqrt\((.+)\)|√\(?([^()]+)\)?)", text)
    try:
        if root:
            return float(f"{root[1]}1") * math.sqrt(read_number(root[2] or root[3]))
        return float(Fraction(text)) if "/" in text else float(text)
    except (ValueError, ZeroDivisionError):
        raise Unreadable(f"{typed!r} is not a number; type one such as −1.3 or 7/5.") from None


def read_truth(typed):
    """True or False. Raises Unreadable."""
    word = typed.lower().rstrip(".!")
    if word in ("true", "t", "yes", "y", "1", "right"):
        return True
    if word in ("false", "f", "no", "n", "0", "wrong"):
        return False
    raise Unreadable(f"{typed!r} is neither True nor False; type one of the two.")


def read_shape(typed):
    """A shape as a tuple: (5, 3), 5x3, 5 3. Raises Unreadable."""
    text = typed.removeprefix("torch.Size").strip("()[] ")
    if text == "" and typed:
        return ()
    parts = [part for part in re.split(r"[,xX×*·\s]+", text) if part]
    if parts and all(part.isdigit() for part in parts):
        return tuple(int(part) for part in parts)
    raise Unreadable(f"{typed!r} is not a shape; type one such as (2, 4).")


def show_number(value):
    return f"{value:.4g}".replace("-", "−") if isinstance(value, int | float) else str(value)


def _read_word(words, wanted):
    def read(typed):
        word = _plain_word(typed).removeprefix("it ")
        if _is_error(word) and words and "raises" in words:
            word = "raises"
        if words is None and word != "none":
            with contextlib.suppress(Unreadable):
                return show_number(read_number(word))
        for known in words or ("None",):
            if _bare_word(word) == _bare_word(_plain_word(known)):
                return known
        raise Unreadable(f"{typed!r} is not an answer here; type {wanted}.")

    return read


def _plain_word(text):
    """In small letters, without quotes around it, and with the minus that keyboards have."""
    return text.strip("'\"` .").lower().replace("−", "-")


def _bare_word(word):
    """Without what may be left out: the tenth, a tenth and tenth are one answer, and so are falls and fall."""
    return re.sub(r"^(torch\.|an? |the )", "", word).removesuffix("s")


def _is_error(typed):
    word = typed.lower().strip(" .!").removeprefix("it ")
    return bool(word.startswith("raise") or word == "fails" or re.fullmatch(r"(an? )?[a-z]*(error|exception)", word))


def _equal(a, b):
    return a == b
