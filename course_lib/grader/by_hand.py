"""Marks that a person gives: read(path, exercises) -> marks, apply(marks, submissions) puts them where the grader's were.

The file belongs to the instructor and is only read, so no run overwrites it; the journal keeps the grader's own verdict.
"""

import math
import re
from dataclasses import dataclass, replace
from pathlib import Path

from course_lib.grader.conditions import UsageError
from course_lib.grader.lms import table_rows, table_text
from course_lib.judge import Status

NAME = "by_hand.csv"  # beside the results
NEEDED = ("student", "exercise", "points")
NUMBER = re.compile(r"[0-9]+[.,]?[0-9]*|[.,][0-9]+")
COMMENT_CHARACTERS = 1000


@dataclass(frozen=True, kw_only=True, slots=True)
class Mark:
    """What a person gives one student for one exercise."""

    student: str
    exercise: str
    points: float
    comment: str
    line: int  # of the file


def read(path, exercises):
    """The marks in a file, none if there is no such file. UsageError says which line cannot be meant."""
    path = Path(path)
    if not path.exists():
        return []
    text = table_text(path).removeprefix("\ufeff")
    (_, titles), *rows = table_rows(text, path) or [(0, [])]
    missing = [name for name in NEEDED if name not in titles]
    if missing:
        raise UsageError(f"{path} has no column {missing[0]}; its first line must be student,exercise,points,comment.")
    marks = {}
    for line, cells in rows:
        row = dict.fromkeys(titles, "") | dict(zip(titles, cells, strict=False))
        if any(row[name].strip() for name in NEEDED):
            mark = mark_of(row, line, path, exercises)
            if (mark.student, mark.exercise) in marks:
                raise UsageError(f"{path}, line {mark.line}: {mark.student} has a mark for {mark.exercise} already.")
            marks[mark.student, mark.exercise] = mark
    return list(marks.values())


def mark_of(row, line, path, exercises):
    exercise, points = row["exercise"].strip(), row["points"].strip()
    if exercise not in exercises:
        raise UsageError(f"{path}, line {line}: the course has no exercise {exercise!r}.")
    most = exercises[exercise].points
    number = float(points.replace(",", ".")) if NUMBER.fullmatch(points) else math.nan
    if not number <= most:
        raise UsageError(f"{path}, line {line}: {points!r} are no points for {exercise}; it gives 0 to {most}.")
    comment = " ".join(row.get("comment", "").split())[:COMMENT_CHARACTERS]
    return Mark(student=row["student"].strip(), exercise=exercise, points=number, comment=comment, line=line)


def apply(marks, submissions):
    """Put the marks into the submissions; a sentence for each that belongs to nobody here."""
    found = {
        (one.found.student, graded.verdict.exercise): (one, place)
        for one in submissions for place, (graded, _) in enumerate(one.graded)
    }  # fmt: skip
    said = []
    for mark in marks:
        # In grades.csv an apostrophe stands before a name that a spreadsheet would take for a formula.
        names = (mark.student, mark.student.removeprefix("'"))
        place = next((found[name, mark.exercise] for name in names if (name, mark.exercise) in found), None)
        if place is None:
            said.append(f"{NAME}, line {mark.line}: there is no {mark.exercise} of {mark.student} in this run.")
            continue
        submission, number = place
        graded, tier = submission.graded[number]
        submission.graded[number] = (replace(graded, verdict=marked(graded.verdict, mark)), tier)
    return said


def marked(verdict, mark):
    """The verdict with the points of a person."""
    points = f"{mark.points:.2f}".rstrip("0").rstrip(".")
    words = f"Marked by hand: {points} of {verdict.max_score} points." + (f" {mark.comment}" if mark.comment else "")
    about = {"score": mark.points, "advice": (words, *verdict.advice), "checks": ()}
    if mark.points == verdict.max_score:
        return replace(verdict, status=Status.CORRECT, problem=None, misconception="", sentence="", fingerprint="", **about)
    status = verdict.status
    if status not in (Status.MISCONCEPTION, Status.WRONG, Status.WRONG_TYPE, Status.RAISED, Status.PARTIAL) or mark.points:
        status = Status.PARTIAL if mark.points else Status.WRONG
    return replace(verdict, status=status, **about)
