"""A whole class goes through the command line, and each submission gets the outcome that was planned for it."""

import csv
import json
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import classroom
import pytest

from course_lib.exercise import all_exercises

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def graded(tmp_path_factory):
    """(students, rows by student and exercise, the folder of results) of one run of `grade`."""
    folder = tmp_path_factory.mktemp("class")
    students = classroom.build(folder / "submissions")
    command = [sys.executable, "-m", "course_lib", "grade", "submissions", "--out", "grades", "--min-tier", "none"]
    ended = subprocess.run(
        command, cwd=folder, env=environment(), capture_output=True, text=True, timeout=1500
    )
    assert ended.returncode == 1, ended.stdout + ended.stderr  # 1: some need attention
    rows = defaultdict(dict)
    for line in (folder / "grades/results.jsonl").read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        rows[row["student"]][row["exercise"]] = row
    return students, rows, folder / "grades"


def environment():
    import os

    return {**os.environ, "PYTHONPATH": str(ROOT)}


def names_of(student):
    lesson = student.file.split("_")[0]
    return [exercise.name for exercise in all_exercises().values() if exercise.lesson == lesson]


def test_everybody_is_in_the_results(graded):
    students, rows, _ = graded
    assert len(students) >= 30
    assert set(rows) == {student.name for student in students}


def test_each_exercise_gets_the_status_that_was_planned(graded):
    students, rows, _ = graded
    off = []
    for student in students:
        if student.rest == "refused":
            off += [] if {row["status"] for row in rows[student.name].values()} == {"refused"} else [student.name]
            continue
        for name in names_of(student):
            wanted, got = student.status.get(name, student.rest), rows[student.name][name]["status"]
            right = got not in ("correct", "open", "missing", "not_judged") if wanted == "wrong somehow" else got == wanted
            off += [] if right else [f"{student.name}, {name}: wanted {wanted}, got {got}: {rows[student.name][name]['message']}"]
    assert not off, "\n".join(off)


def test_each_listed_mistake_is_named(graded):
    students, rows, _ = graded
    off = [
        f"{student.name}: {name} named {rows[student.name][name]['misconception']!r}"
        for student in students for name, wanted in student.misconception.items()
        if rows[student.name][name]["misconception"] != wanted
    ]
    assert not off, "\n".join(off)


def test_right_answers_earn_all_points_and_untouched_ones_none(graded):
    _, rows, _ = graded
    for name in ("solved-00", "solved-01", "autograd-grad", "torch-func", "careless", "copy-1", "copy-2"):
        assert all(row["score"] == row["max_score"] for row in rows[name].values()), name
    for name in ("untouched-00", "untouched-01"):
        assert {row["score"] for row in rows[name].values()} == {0}


def test_a_mistake_never_earns_full_points(graded):
    students, rows, _ = graded
    for student in students:
        for name in student.misconception:
            assert rows[student.name][name]["score"] < max(rows[student.name][name]["max_score"], 1), student.name


def test_a_broken_answer_costs_only_itself(graded):
    students, rows, _ = graded
    for student in students:
        if student.rest == "correct":
            wrong = {name for name, row in rows[student.name].items() if row["status"] != "correct"}
            assert wrong == set(student.status), student.name


def test_equal_notebooks_get_equal_rows(graded):
    _, rows, _ = graded
    kept = ("status", "score", "message", "checks", "sha256")
    assert [{key: row[key] for key in kept} for row in rows["copy-1"].values()] == [
        {key: row[key] for key in kept} for row in rows["copy-2"].values()
    ]


def test_the_table_adds_up(graded):
    students, rows, folder = graded
    with open(folder / "grades.csv", encoding="utf-8-sig", newline="") as file:
        table = {row["student"]: row for row in csv.DictReader(file)}
    assert set(table) == {student.name for student in students}
    for name, row in table.items():
        if row["total"]:
            assert float(row["total"]) == pytest.approx(sum(one["score"] for one in rows[name].values()), abs=0.011)


def test_report_and_feedback_are_self_contained(graded):
    students, _, folder = graded
    pages = [folder / "report.html", *sorted((folder / "feedback").glob("*.html"))]
    assert len(pages) == 1 + len(students)
    for page in pages:
        text = page.read_text(encoding="utf-8")
        assert "<script" not in text and "http://" not in text.replace("http://www.w3.org", "") and "https://" not in text
