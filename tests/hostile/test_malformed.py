"""Whatever is handed in is read or refused in one sentence, and the rest of the class is graded as ever."""

import contextlib
import csv
import json
import os
import sys
import unicodedata
import warnings

import pytest

from course_lib.grader import batch
from course_lib.grader.notebook import code_cells, collect
from course_lib.judge import Status
from tests.grader import toys
from tests.grader.test_batch import grade, rows, strong_here  # noqa: F401
from tests.grader.toys import DOUBLE, SLOPE, SQUARES, notebook
from tests.hostile.malformed import MALFORMED, NAME, PLAIN

ANNA = notebook(SLOPE, DOUBLE, SQUARES, "answer = 42")


def hand_in(folder, student, put):
    (folder / student).mkdir(parents=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # zipfile warns of a name that it has already
        put(folder / student)


def prepared(folder):
    return [batch.prepare(found, toys.catalogue()) for found in collect([folder])]


@pytest.mark.parametrize("malformed", MALFORMED, ids=str)
def test_it_is_refused_in_a_sentence_and_the_student_beside_it_is_read(tmp_path, malformed):
    hand_in(tmp_path / "in", "anna", lambda folder: (folder / NAME).write_bytes(ANNA))
    hand_in(tmp_path / "in", "eve", malformed.put)
    anna, *others = prepared(tmp_path / "in")
    assert anna.found.student == "anna" and not anna.refusal and len(anna.cells) == 4
    assert others, "whoever hands something in has a row"
    for one in others:
        assert malformed.word in one.refusal and one.found.student.startswith("eve")
        assert one.refusal.endswith(".") and "\n" not in one.refusal and "Error" not in one.refusal
        assert one.attention and all(graded.verdict.score == 0 for graded, _ in one.graded)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in"]


def test_in_a_class_of_them_all_the_others_have_the_rows_they_have_alone(tmp_path):
    alone = tmp_path / "alone"
    hand_in(alone, "anna", lambda folder: (folder / NAME).write_bytes(ANNA))
    grade(alone, tmp_path / "out-alone")
    hand_in(tmp_path / "class", "anna", lambda folder: (folder / NAME).write_bytes(ANNA))
    for number, malformed in enumerate(MALFORMED):
        hand_in(tmp_path / "class", f"eve-{number}", malformed.put)
    grade(tmp_path / "class", tmp_path / "out")

    def of_anna(out):
        return [row | {"seconds": 0, "seed_id": ""} for row in rows(out) if row["student"] == "anna"]

    assert of_anna(tmp_path / "out") == of_anna(tmp_path / "out-alone")
    assert {row["status"] for row in of_anna(tmp_path / "out")} == {"correct"}
    refused = [row for row in rows(tmp_path / "out") if row["student"] != "anna"]
    assert {row["status"] for row in refused} == {"refused"} and all(row["message"] for row in refused)
    assert {f"eve-{number}" for number in range(len(MALFORMED))} <= {row["student"] for row in refused}
    with open(tmp_path / "out" / "grades.csv", encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            assert row["student"] == "anna" or row["slope_at"] == "" and row["needs_attention"]


# --- G5 to G8: what is unusual and can be graded ---


@pytest.mark.parametrize(
    "name", ["01_toys (1).ipynb", "01_toys-1.ipynb", "Copy of 01_toys.ipynb", "homework.ipynb", "01_TOYS.IPYNB", "x.y.ipynb"]
)
def test_a_renamed_notebook_is_known_by_what_it_defines(tmp_path, name):
    hand_in(tmp_path, "eve", lambda folder: (folder / name).write_bytes(PLAIN))
    (one,) = prepared(tmp_path)
    assert not one.refusal and one.lesson == "01" and one.found.student == "eve" and not one.attention


@pytest.mark.parametrize(
    "names",
    [
        ("anna", "Anna"), ("josé", unicodedata.normalize("NFD", "josé")), ("straße", "STRASSE"), ("eve", "eve\u200b"),
    ],
    ids=["case", "form", "sharp s", "invisible"],
)  # fmt: skip
def test_names_that_look_the_same_are_kept_apart_and_told(tmp_path, names):
    for name in names:
        with contextlib.suppress(FileExistsError):  # a file system that keeps them together itself
            hand_in(tmp_path, name, lambda folder: (folder / NAME).write_bytes(PLAIN))
    first, second = prepared(tmp_path)
    assert first.found.student.casefold() != second.found.student.casefold()
    told = bool(first.attention or second.attention)
    assert told or "\ufffd" in first.found.student + second.found.student


def test_a_second_notebook_of_the_same_lesson_is_kept_and_told(tmp_path):
    hand_in(tmp_path, "eve", lambda folder: [(folder / name).write_bytes(PLAIN) for name in (NAME, "01_toys (2).ipynb")])
    first, second = prepared(tmp_path)
    assert not first.refusal and not second.refusal and "also belongs to eve" in " ".join(first.attention + second.attention)


@pytest.mark.parametrize(
    "name",
    [
        "=cmd|'calc'!A0", "-rf", "a\nb", "\u202egnp.exe", "con", "x" * 200, "ä" * 120, "<b>eve<b>", "'; DROP TABLE students",
        "~", "𝒜" * 60, "%2e%2e", "a\\b", "eve.html", " ", "�",
    ],
    ids=range(16),
)  # fmt: skip
def test_a_student_of_any_name_has_rows_and_a_page(tmp_path, name):
    put = notebook("def double(x):\n    return 2 * x")
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / f"{name}_{NAME}").write_bytes(put)
    grade(tmp_path / "in", tmp_path / "out")
    assert [row["status"] for row in rows(tmp_path / "out") if row["exercise"] == "double"] == ["correct"]
    (page,) = (tmp_path / "out" / "feedback").iterdir()
    assert page.suffix == ".html" and len(page.name.encode()) < 255 and page.name.isprintable()
    assert not set(page.name) & set("<>:\"/\\|?*%'\n") and page.name[0] not in "-.~ "


def test_a_name_that_is_no_text_is_shown_as_well_as_can_be(tmp_path):
    if sys.platform != "linux":
        pytest.skip("file names are text here")
    with open(os.fsencode(tmp_path) + b"/eve\xff\xfe_01_toys.ipynb", "wb") as file:
        file.write(PLAIN)
    (one,) = prepared(tmp_path)
    assert not one.refusal and one.found.student.startswith("eve") and one.found.student.isprintable()


@pytest.mark.parametrize(
    ("cells", "status"),
    [
        (["def double(x):\n    return 3 * x", DOUBLE], Status.CORRECT),
        ([DOUBLE, "def double(x):\n    return 3 * x"], Status.WRONG),
        ([DOUBLE, "del double"], Status.MISSING), ([DOUBLE, "double = None"], Status.OPEN),
        ([DOUBLE, "<<<<<<< HEAD\nx = 1\n=======\n>>>>>>> b"], Status.CORRECT), (["\tx = 1", DOUBLE], Status.CORRECT),
        (["def double(x):\n\treturn 2 * x"], Status.CORRECT), (["double = lambda x: x +", DOUBLE], Status.CORRECT),
        (["def double(x)\n    return 2 * x"], Status.RAISED),
    ],
    ids=["last is right", "last is wrong", "deleted", "emptied", "merge marks", "a tab", "tabs", "half a line", "no colon"],
)  # fmt: skip
def test_the_last_definition_counts_and_a_broken_cell_costs_itself(server, cells, status):
    verdicts = toys.grade(server, SLOPE, *cells)
    assert verdicts["double"].status is status and verdicts["slope_at"].status is Status.CORRECT


# --- C7 and C8: what lies beside the cells ---


@pytest.mark.parametrize(
    "more",
    [
        {"nbgrader": {"grade": True, "points": 100, "grade_id": "slope_at", "schema_version": 3}}, {"points": 1e9, "score": 1},
        {"otter": {"tests": {"slope_at": {"points": 1000}}, "OK_FORMAT": True}}, {"exercise": "double", "id": "double"},
        {"tags": ["solution", "skip", "raises-exception"]}, {"editable": False, "deletable": False, "checksum": "0" * 32},
    ],
    ids=["points", "score", "otter", "another exercise", "tags", "locks"],
)  # fmt: skip
def test_metadata_changes_nothing(server, more):
    made = json.loads(notebook("def slope_at(f, a):\n    return 0.0", DOUBLE, metadata=more))
    for cell in made["cells"]:
        cell["metadata"] = more
    verdicts = toys.grade(server, *code_cells(json.dumps(made).encode()))
    assert (verdicts["slope_at"].status, verdicts["slope_at"].score) == (Status.WRONG, 0.0)
    assert (verdicts["double"].score, verdicts["double"].max_score) == (1.0, 1)


@pytest.mark.parametrize(
    "name", ["torch.py", "numpy.py", "sitecustomize.py", "conftest.py", "evil.pth", "course_lib.py", "msgpack.py"]
)
def test_files_beside_the_notebook_are_never_run(tmp_path, name):
    hand_in(tmp_path / "in", "eve", lambda folder: (folder / NAME).write_bytes(PLAIN))
    (tmp_path / "in" / "eve" / name).write_text("import os; os._exit(3)")
    grade(tmp_path / "in", tmp_path / "out")
    status = {row["exercise"]: row["status"] for row in rows(tmp_path / "out")}
    assert (status["slope_at"], status["double"]) == ("correct", "correct")
