"""What a hostile submission is, and the outcomes it may have: one module beside this for each class of attacks.

An attack answers `slope_at`, or the exercise it names; an honest `double` stands beside it and must still get full marks.
"""

from dataclasses import dataclass
from pathlib import Path

from course_lib.judge import Status
from tests.grader.toys import SLOPE

COURSE = Path(__file__).resolve().parents[2]
CORRECT, PARTIAL, WRONG, WRONG_TYPE, FAILED = (
    {status} for status in (Status.CORRECT, Status.PARTIAL, Status.WRONG, Status.WRONG_TYPE, Status.RAISED)
)
REFUSED, TIMED_OUT, NO_MEMORY = {Status.REFUSED}, {Status.TIMED_OUT}, {Status.OUT_OF_MEMORY}
NO_CREDIT = {Status.WRONG, Status.WRONG_TYPE, Status.RAISED, Status.REFUSED}
STOPPED = {Status.REFUSED, Status.TIMED_OUT, Status.OUT_OF_MEMORY, Status.RAISED}


@dataclass(frozen=True)
class Attack:
    id: str  # of the catalogue of attacks: a letter for the class, a number for the example it belongs to
    name: str
    code: str  # a cell
    outcome: set  # statuses that are right
    score: float = 0.0
    seconds: float = 8  # for one question, by the clock; processor time is one second for all
    says: str = ""  # what a failure's type or message, or the sentence, contains
    answers: str = "slope_at"

    def __str__(self):
        return f"{self.id} {self.name}"


def body(text, signature="slope_at(f, a)"):
    """A cell whose answer has this body."""
    lines = "\n".join("    " + line for line in text.strip().split("\n"))
    return f"import os, sys, time, torch\ndef {signature}:\n{lines}\n"


RIGHT = SLOPE.replace("slope_at", "right_slope")
