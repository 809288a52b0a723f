"""Write what a run is read from: results.jsonl, grades.csv, the report and a page for every student."""

import contextlib
import csv
import io
import json
import os
import tempfile

from course_lib.grader import journal, lms, report
from course_lib.judge import Status

UNJUDGED = report.GROUPS["not judged"]
HALF_WRITTEN = ".writing-"
SENTENCES = 20  # about one student, in a cell of grades.csv; all are in the report


def write_views(submissions, out, exercises, seed_id):
    """results.jsonl, grades.csv, changes.csv, report.html and the feedback pages; sentences about what came of it."""
    remove_half_written(out)
    rows = (row for one in submissions for row in rows_of(one, seed_id))
    write(out / "results.jsonl", (json.dumps(row, ensure_ascii=True, allow_nan=False) + "\n" for row in rows))
    lessons = {one.lesson for one in submissions}
    columns = [exercise for exercise in exercises.values() if exercise.lesson in lessons]
    table = lms.csv_text(grades(submissions, columns))
    changes = changes_between(marks_in(earlier(out / "grades.csv")), marks_in(table))
    if changes:  # before grades.csv: a run that is killed in between finds the same ones again
        write(out / "changes.csv", [lms.csv_text([("student", "exercise", "before", "now"), *changes])])
    write(out / "grades.csv", [table])
    pages = report.page_names(submissions)
    for student, handed_in in report.by_student(submissions).items():
        write(out / "feedback" / pages[student], [report.feedback_page(student, handed_in, exercises)])
    write(out / "report.html", [report.report_page(submissions, columns, pages)])
    if not changes:
        return []
    students = len({student for student, *_ in changes})
    return [f"The marks of {students} student{'s' * (students != 1)} are not what they were: see {out}/changes.csv."]


# --- what has changed since the last run ---


def earlier(path):
    """The text of a table of the last run, "" if there was none or it is not ours any more."""
    try:
        return path.read_bytes().decode("utf-8-sig")
    except (OSError, UnicodeDecodeError):
        return ""


def marks_in(text):
    """{student: {exercise or "total": mark}} of a grades.csv."""
    table = csv.DictReader(io.StringIO(text, newline=""), restval="")
    try:
        rows = list(table)
    except csv.Error:  # somebody has written into it
        return {}
    return {
        row.pop("student", ""): {name: mark for name, mark in row.items() if name not in (None, "max", "needs_attention")}
        for row in rows
    }  # fmt: skip


def changes_between(before, now):
    """[(student, exercise, mark before, mark now)] of the students and exercises that were there before."""
    return [
        (student, name, mark, now.get(student, {}).get(name, ""))
        for student, marks in before.items() for name, mark in marks.items()
        if mark != now.get(student, {}).get(name, "")
    ]  # fmt: skip


# --- the rows ---


def rows_of(submission, seed_id):
    """One plain dict per exercise; one without an exercise for a notebook that belongs to no lesson."""
    about = {"student": submission.found.student, "notebook": submission.found.notebook, "sha256": submission.sha256}
    if not submission.graded:
        return [
            about | {
                "lesson": "", "exercise": "", "status": str(Status.REFUSED), "score": 0.0, "max_score": 0,
                "misconception": "", "message": submission.refusal, "checks": [], "seconds": 0.0, "tier": "none",
                "seed_id": seed_id, "key_version": journal.key_version(),
            }
        ]  # fmt: skip
    return [
        about | {
            "lesson": submission.lesson, "exercise": one.verdict.exercise, "status": str(one.verdict.status),
            "score": one.verdict.score, "max_score": one.verdict.max_score,
            "misconception": one.verdict.misconception, "message": report.words(one.verdict, exercise),
            "checks": [{"title": c.title, "weight": c.weight, "passed": c.passed} for c in one.verdict.checks],
            "seconds": one.seconds, "tier": tier, "seed_id": seed_id, "key_version": journal.key_version(),
        }
        for exercise, (one, tier) in zip(submission.exercises, submission.graded, strict=True)
    ]  # fmt: skip


def grades(submissions, columns):
    """The rows of grades.csv. A score nobody could determine is left empty; so is what was not handed in."""
    yield ["student", *(exercise.name for exercise in columns), "total", "max", "needs_attention"]
    most = sum(exercise.points for exercise in columns if not exercise.optional)
    for student, handed_in in report.by_student(submissions).items():
        scores = {
            one.verdict.exercise: one.verdict.score
            for submission in handed_in for one, _ in submission.graded if one.verdict.status not in UNJUDGED
        }  # fmt: skip
        said = list(dict.fromkeys(sentence for submission in handed_in for sentence in submission.attention))
        attention = " ".join([*said[:SENTENCES], *([f"… and {len(said) - SENTENCES} more."] if said[SENTENCES:] else [])])
        yield [student, *(scores.get(e.name) for e in columns), float(sum(scores.values())), most, attention]


def write_template(template, submissions, out):
    """The platform's table with the totals in it, beside the other results; sentences about what came of it."""
    totals = {}
    for student, handed_in in report.by_student(submissions).items():
        pairs = report.verdicts_on(handed_in)
        judged = all(verdict.status not in UNJUDGED for _, verdict in pairs) and pairs
        score = sum(verdict.score for _, verdict in pairs) if judged else None
        totals[student] = score, report.most_of(pairs)
    text, said = template.filled(totals)
    write(out / f"filled-{template.name}", [text])
    return said


def write(path, texts):
    """A file of these pieces that is whole or not there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=HALF_WRITTEN)
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="") as out:
            out.writelines(texts)
        os.chmod(name, 0o644)
        os.replace(name, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name)
        raise


def remove_half_written(out):
    """What a run that was killed left behind."""
    for path in out.rglob(f"{HALF_WRITTEN}*"):
        path.unlink(missing_ok=True)
