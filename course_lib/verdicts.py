"""What can come of an exercise, as data: Status, Layer, Problem, Check, Verdict; and how close is close: Tolerance."""

from dataclasses import dataclass
from enum import IntEnum, StrEnum

from course_lib.observe import Failure


class Status(StrEnum):
    """What became of one exercise. `not_judged` is our fault and never a zero."""

    CORRECT = "correct"
    PARTIAL = "partial"
    MISCONCEPTION = "misconception"
    WRONG = "wrong"
    WRONG_TYPE = "wrong_type"
    OPEN = "open"
    MISSING = "missing"
    RAISED = "raised"
    TIMED_OUT = "timed_out"
    OUT_OF_MEMORY = "out_of_memory"
    REFUSED = "refused"
    NOT_JUDGED = "not_judged"


class Layer(IntEnum):
    """What a problem is about, the most fundamental first: a verdict speaks about the first layer that fails."""

    RAISED = 1
    TYPE = 2
    SHAPE = 3
    DTYPE = 4
    FINITE = 5
    SIDE_EFFECT = 6
    CONNECTED = 7
    VALUE = 8
    PROPERTY = 9
    METHOD = 10


@dataclass(frozen=True, kw_only=True, slots=True)
class Tolerance:
    """got is close to want if |got − want| ≤ rtol · max(|want|, scale)."""

    rtol: float
    scale: float = 1.0

    def accepts(self, got, want):
        return got == want or abs(got - want) <= self.rtol * max(abs(want), self.scale)  # inf is inf, NaN fails


CLOSE = Tolerance(rtol=3e-5)  # an honest float32 answer is off by up to 1e-6 relative, a few times that near a zero
SHARP = Tolerance(rtol=1e-8)  # float64 arithmetic; a float32 answer and a forward difference fail


@dataclass(frozen=True, kw_only=True, slots=True)
class Problem:
    """One demand that did not hold: at which question, what came back, what must hold there."""

    layer: Layer
    part: str
    question: str
    got: str
    wanted: str
    failure: Failure | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Check:
    """One part of a key, judged."""

    title: str
    weight: int
    passed: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """What came of one exercise. `problem` is the one to speak about; `advice` is for right and wrong answers alike."""

    exercise: str
    status: Status
    score: float
    max_score: int
    checks: tuple[Check, ...] = ()
    problem: Problem | None = None
    ratio: str = ""
    misconception: str = ""
    sentence: str = ""  # of the misconception, or why nothing could be judged
    advice: tuple[str, ...] = ()
    fingerprint: str = ""  # equal for equal wrong answers, whoever gave them

    @property
    def passed(self):
        return self.status is Status.CORRECT
