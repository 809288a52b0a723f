"""Find out why an answer is wrong, from its replies alone.

diagnose() names the listed mistake that gives the same ones, ratio_of() says how far off the numbers are, and
fingerprint_of() finds the same unknown wrong idea in a class.
"""

import hashlib
import re
from dataclasses import dataclass

import numpy as np

from course_lib.observe import Array, reply_of
from course_lib.values import number_of, show, unpacked
from course_lib.verdicts import CLOSE, Layer


def ratio_of(pairs):
    """In words, how the numbers that came back relate to the right ones; "" if there is nothing to say."""
    ratios = [got / want for got, want in pairs if abs(want) > 1e-3]
    if len(ratios) < 2 or not np.isfinite(ratios).all():
        return ""
    low, high = min(ratios), max(ratios)
    if high - low <= 1e-3 * max(abs(low), abs(high)):
        says_nothing = abs(low - 1) <= 1e-3 or abs(low) < 1e-9
        return "" if says_nothing else f"yours ÷ right is {show(float(low))} every time: a constant factor"
    if max(abs(ratio - 1) for ratio in ratios) <= 0.05:
        return "yours ÷ right lies within a few percent of 1 every time: is something rounded or only approximated?"
    different = list(dict.fromkeys(show(float(ratio)) for ratio in ratios))
    return f"yours ÷ right: {', '.join(different[:3])}{', …' if len(different) > 3 else ''}, so not a constant factor"


def diagnose(exercise, transcript, layer):
    """The Mistake that gives the same answers to all questions, if exactly one idea does; None otherwise.

    layer is what the verdict speaks about: traces left behind count only where they are the subject. Equal to the last
    digits is tried first, because small numbers (a step of 1e-12) all look alike to a tolerance made for float32.
    """
    for rtol, atol in ((1e-9, 0.0), (CLOSE.rtol, CLOSE.rtol)):
        matching = exercise.mistakes
        for traces in (False, True):  # what was left behind decides between several
            alike = Likeness(layer, rtol, atol, traces)
            matching = [mistake for mistake in matching if _explains(mistake, transcript, alike)]
            if len({mistake.id for mistake in matching}) == 1:
                return matching[0]
    return None


def _explains(mistake, transcript, alike):
    if not transcript:
        return False
    if mistake.recognise is not None:
        return alike.layer is Layer.VALUE and mistake.recognise(transcript)
    # Behind the wall each part meets a fresh answer; in a notebook it is one and the same throughout.
    return any(_replays(mistake, transcript, alike, fresh) for fresh in (True, False))


def _replays(mistake, transcript, alike, fresh):
    answer, part = mistake.make(), transcript[0][0]
    for at_part, args, reply in transcript:
        if fresh and at_part != part:
            answer, part = mistake.make(), at_part
        if not alike.replies(reply_of(answer, args), reply):
            return False
    return True


@dataclass(frozen=True, slots=True)
class Likeness:
    """When two replies show the same idea: the same failure or numbers, and the traces that the layer is about.

    The first reply is the mistake's, the other the student's.
    """

    layer: Layer
    rtol: float
    atol: float
    traces: bool = False  # whether changed inputs must be the same, whatever the layer

    def replies(self, one, other):
        if one.failure or other.failure:
            return bool(one.failure and other.failure) and self.failures(one.failure, other.failure)
        if not self.gradients(one, other):
            return False
        if (self.traces or self.layer is Layer.SIDE_EFFECT) and (one.changed, one.left_grad) != (other.changed, other.left_grad):
            return False
        if self.layer is Layer.METHOD and _manner(one) != _manner(other):
            return False
        return self.values(one.value, other.value)

    def failures(self, one, other):
        """The same exception with the same words; where the key asked for exceptions, the words are free."""
        if self.layer is Layer.RAISED:
            return (one.type, one.message[:40]) == (other.type, other.message[:40])
        return one.type in (other.type, *other.bases) or other.type in one.bases

    def gradients(self, one, other):
        """Whether walking back from both gave the same."""
        if _what_failed(one) != _what_failed(other) or len(one.grads) != len(other.grads):
            return False
        return all(
            a is b if a is None or b is None else self.values(a, b) for a, b in zip(one.grads, other.grads, strict=True)
        )

    def values(self, one, other):
        if self.layer is Layer.VALUE and isinstance(one, tuple | list):
            other = unpacked(other)  # where two things are wanted, a table of two rows is two things
        if isinstance(one, tuple | list) and isinstance(other, tuple | list):
            return len(one) == len(other) and all(map(self.values, one, other))
        if isinstance(one, dict) and isinstance(other, dict):
            return one.keys() == other.keys() and all(self.values(one[key], other[key]) for key in one)
        if isinstance(one, Array) and isinstance(other, Array):
            if one.numbers.shape != other.numbers.shape:
                return False
            if self.layer is Layer.CONNECTED and one.requires_grad != other.requires_grad:
                return False
            if self.layer is Layer.DTYPE and one.dtype != other.dtype:
                return False
            return np.allclose(one.numbers, other.numbers, rtol=self.rtol, atol=self.atol, equal_nan=True)
        first, second = number_of(one), number_of(other)
        if first is None or second is None:
            return one == other
        return bool(np.isclose(first, second, rtol=self.rtol, atol=self.atol, equal_nan=True))


def _manner(reply):
    """How an answer was found: calls of f, whether autograd followed one, whether PyTorch warned."""
    return reply.calls, reply.tracked > 0, bool(reply.warnings)


def _what_failed(reply):
    """The words of a walk back that raised."""
    return reply.grad_failure and _wording(reply.grad_failure)


def _wording(failure):
    """An exception's type and message without addresses, sizes and counts, which differ from run to run."""
    return f"{failure.type}: {re.sub(r'0x[0-9a-fA-F]+|[0-9]+', '#', failure.message)}"


def fingerprint_of(transcript):
    """A short text that is equal for answers equal to four digits and for errors in the same words."""
    text = "|".join(_wording(reply.failure) if reply.failure else _rounded(reply.value) for _, _, reply in transcript)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _rounded(value):
    if isinstance(value, Array):
        return f"{value.numbers.shape}" + ",".join(f"{number:.4g}" for number in value.numbers.ravel()[:50].astype(float))
    if isinstance(value, tuple | list):
        return "(" + ",".join(_rounded(item) for item in value) + ")"
    if isinstance(value, dict):
        return "{" + ",".join(f"{key}:{_rounded(item)}" for key, item in value.items()) + "}"
    number = number_of(value)
    return repr(value) if number is None else f"{number:.4g}"
