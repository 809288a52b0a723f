"""A person's marks stand wherever marks are read, run after run; and a run says which marks it has changed."""

import csv

import pytest

from course_lib.grader import by_hand, journal
from course_lib.grader.conditions import UsageError
from tests.grader import toys
from tests.grader.test_batch import grade, hand_in, rows, strong_here  # noqa: F401
from tests.grader.toys import DOUBLE, SLOPE, notebook

CLASS = {
    "anna_01_toys.ipynb": notebook(SLOPE, DOUBLE), "=ben_01_toys.ipynb": notebook(SLOPE, "def double(x):\n    return 3 * x"),
    "eve_01_toys.ipynb": notebook(SLOPE, "def double(x):\n    raise KeyError"), "damaged_01_toys.ipynb": b"{",
}  # fmt: skip


def table(out, name="grades.csv"):
    with open(out / name, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def marks(out):
    return {row["student"]: row["double"] for row in table(out)}


def put(out, text):
    out.mkdir(exist_ok=True)
    (out / "by_hand.csv").write_text(text, encoding="utf-8")


def test_marks_by_hand_stand_in_every_view_and_after_every_run(tmp_path):
    folder, out = hand_in(tmp_path / "in", CLASS), tmp_path / "out"
    put(out, "student,exercise,points,comment\nanna,double,0.5,too short\n'=ben,double,1,\"right, <b>on paper</b>\"\n"
             "damaged,double,0.25,\n")  # fmt: skip
    for _ in range(2):
        grade(folder, out)
        assert marks(out) == {"anna": "0.50", "'=ben": "1.00", "eve": "0.00", "damaged": "0.25"}
        assert {row["student"]: row["total"] for row in table(out)}["'=ben"] == "2.00"
        row = {row["student"]: row for row in rows(out) if row["exercise"] == "double"}
        assert (row["=ben"]["score"], row["=ben"]["status"]) == (1.0, "correct") and "Marked by hand" in row["=ben"]["message"]
        assert (row["anna"]["score"], row["anna"]["status"]) == (0.5, "partial") and "too short" in row["anna"]["message"]
        (page,) = [path for path in (out / "feedback").iterdir() if "ben" in path.name]
        assert "right, &lt;b&gt;on paper&lt;/b&gt;" in page.read_text(encoding="utf-8")
    assert "too short" in (out / "by_hand.csv").read_text()  # nobody has written to it


def test_without_the_file_the_graders_own_marks_are_back(tmp_path):
    folder, out = hand_in(tmp_path / "in", CLASS), tmp_path / "out"
    put(out, "student;exercise;points\neve;double;0,75\n")  # as a German spreadsheet writes it
    grade(folder, out)
    assert marks(out)["eve"] == "0.75"
    (out / "by_hand.csv").unlink()
    grade(folder, out)
    assert marks(out)["eve"] == "0.00"


def test_a_mark_that_belongs_to_nobody_is_told_and_the_rest_counts(tmp_path, capsys):
    from rich.console import Console

    folder, out = hand_in(tmp_path / "in", CLASS), tmp_path / "out"
    put(out, "student,exercise,points\nnobody,double,1\neve,double,1\n")
    grade(folder, out, console=Console(stderr=True))
    assert "by_hand.csv, line 2: there is no double of nobody" in capsys.readouterr().err
    assert marks(out)["eve"] == "1.00"


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("student,points\nanna,1\n", "no column exercise"), ("", "no column student"),
        ("student,exercise,points\nanna,dubble,1\n", "dubble"),
        ("student,exercise,points\nanna,double,2\n", "0 to 1"), ("student,exercise,points\nanna,double,-1\n", "0 to 1"),
        ("student,exercise,points\nanna,double,nan\n", "0 to 1"), ("student,exercise,points\nanna,double,\n", "0 to 1"),
        ("student,exercise,points\nanna,double,-0.0\n", "0 to 1"), ("student,exercise,points\nanna,double,0_1\n", "0 to 1"),
        ("student,exercise,points\nanna,double,one\n", "line 2"), ("student,exercise,points\nanna,double\n", "line 2"),
        ("student,exercise,points\nanna,double,1\nanna,double,0\n", "line 3"),
        ('student,exercise,points,comment\nanna,double,1,"open' + " and on" * 20_000, "quote left open"),
    ],
    ids=range(13),
)  # fmt: skip
def test_what_cannot_be_meant_is_refused_before_anything_is_graded(tmp_path, text, word):
    out = tmp_path / "out"
    put(out, text)
    with pytest.raises(UsageError, match=word):
        grade(hand_in(tmp_path / "in", CLASS), out)
    assert not (out / "gradebook.db").exists()


def test_a_thousand_files_of_one_student_cost_nobody_the_table(tmp_path):
    many = {f"eve/x{i}.ipynb": notebook(f"n = {i}") for i in range(1300)} | {"anna_01_toys.ipynb": notebook(DOUBLE)}
    (tmp_path / "in" / "eve").mkdir(parents=True)
    folder, out = hand_in(tmp_path / "in", many), tmp_path / "out"
    for _ in range(2):
        grade(folder, out)
        assert marks(out)["anna"] == "1.00"
    (told,) = {row["needs_attention"] for row in table(out) if row["student"] == "eve"}
    assert len(told) < 10_000


def test_an_earlier_table_that_is_none_any_more_stops_nothing(tmp_path):
    folder, out = hand_in(tmp_path / "in", CLASS), tmp_path / "out"
    out.mkdir()
    (out / "grades.csv").write_text('student,double\nanna,"' + "x" * 200_000, encoding="utf-8")
    grade(folder, out)
    assert marks(out)["anna"] == "1.00"


def test_bytes_that_are_no_text_are_refused(tmp_path):
    (tmp_path / "by_hand.csv").write_bytes(b"\xff\xfe\0")
    with pytest.raises(UsageError, match="UTF-8"):
        by_hand.read(tmp_path / "by_hand.csv", toys.catalogue())


# --- regrading ---


def test_a_changed_key_regrades_everybody_and_lists_the_marks_that_changed(tmp_path, monkeypatch, capsys):
    from rich.console import Console

    folder, out = hand_in(tmp_path / "in", CLASS), tmp_path / "out"
    grade(folder, out)
    assert not (out / "changes.csv").exists()

    def lenient(ask):
        with ask.part("a number"):
            ask(2.5).holds(True, "anything")

    changed = toys.lesson.exercises["double"]
    monkeypatch.setattr(changed, "key", lenient)
    monkeypatch.setattr(journal, "key_version", lambda: "another")
    grade(folder, out, console=Console(stderr=True))
    assert "The marks of 1 student are not what they were" in capsys.readouterr().err
    assert [tuple(row.values()) for row in table(out, "changes.csv")] == [
        ("'=ben", "double", "0.00", "1.00"), ("'=ben", "total", "1.00", "2.00"),
    ]  # fmt: skip


def test_new_students_are_no_change_and_corrected_work_is(tmp_path):
    folder, out = hand_in(tmp_path / "in", CLASS), tmp_path / "out"
    grade(folder, out)
    hand_in(folder, {"zoe_01_toys.ipynb": notebook(SLOPE, DOUBLE), "damaged_01_toys.ipynb": notebook(DOUBLE)})
    grade(folder, out)
    assert {(row["student"], row["exercise"]): (row["before"], row["now"]) for row in table(out, "changes.csv")} == {
        ("damaged", "slope_at"): ("", "0.00"), ("damaged", "double"): ("", "1.00"), ("damaged", "squares"): ("", "0.00"),
        ("damaged", "answer"): ("", "0.00"), ("damaged", "total"): ("0.00", "1.00"),
    }  # fmt: skip


@pytest.mark.parametrize("left", [b"", b"\xff\xfe", b"student\n", b"no,table\n1\n", b"student,double,more\nanna\n"])
def test_whatever_stands_in_an_old_table_the_new_one_is_written(tmp_path, left):
    folder, out = hand_in(tmp_path / "in", CLASS), tmp_path / "out"
    out.mkdir()
    (out / "grades.csv").write_bytes(left)
    grade(folder, out)
    assert marks(out)["anna"] == "1.00"
