"""CSV that no spreadsheet takes for more than it is, and a platform's own table with one column filled in."""

import csv
import io

import pytest

from course_lib.grader.conditions import UsageError
from course_lib.grader.lms import Template, cell, csv_text


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@x", "\t=1", "\r=1", " =1", "\ufeff=1", "\uff1d1", "\uff0b1", "\uff201"])
def test_text_that_looks_like_a_formula_gets_an_apostrophe(text):
    assert cell(text) == "'" + text


@pytest.mark.parametrize(
    ("value", "text"), [(1, "1.00"), (-0.5, "-0.50"), (2 / 3, "0.67"), (None, ""), ("anna", "anna")]
)
def test_numbers_stay_numbers_and_nothing_stays_empty(value, text):
    assert cell(value) == text


def test_commas_quotes_and_line_ends_survive_reading():
    rows = [["student", "total"], ['a,"b"\nc', 1.5], ["sep=;", 2.0]]
    text = csv_text(rows)
    assert text.count("\r\n") == 3
    assert list(csv.reader(io.StringIO(text, newline=""))) == [
        ["student", "total"],
        ['a,"b"\nc', "1.50"],
        ["sep=;", "2.00"],
    ]


# --- templates ---

CANVAS = (
    "Student,ID,SIS Login ID,Section,Old (11),Gradients (12),Final Score\r\n"
    "    Points Possible,,,,10 (read only),10,(read only)\r\n"
    '"Doe, Jane",501,jdoe,A,3,,50\r\n"Öz, Çem",502,coez,A,4,,60\r\n"=cmd, Eve",503,eve,A,5,EX,70\r\n'
)
MOODLE = (
    '\ufeff"Identifier","Full name","Email address","Status","Grade","Maximum Grade","Feedback comments"\n'
    '"Participant 71","Jane Doe","jane@x.org","Submitted","","100.00","well, ""yes"""\n'
    '"Participant 72","Cem Öz","cem@x.org","Submitted","","100.00",""\n'
)
WITH_SEMICOLONS = "Username;Name;Lab 1;Lab 2\njdoe;Jane Doe;;1,5\ncoez;Cem Oez;;2,5\n"


def template(tmp_path, text, **more):
    path = tmp_path / "table.csv"
    path.write_bytes(text.encode())
    return Template(path, **more)


def read(text, delimiter=","):
    return list(csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline=""), delimiter=delimiter))


def filled(tmp_path, table, scores, **more):
    text, said = template(tmp_path, table, **more).filled(scores)
    return text, " ".join(said)


def test_canvas_gets_scores_scaled_to_its_points_and_nothing_else_changes(tmp_path):
    text, said = filled(tmp_path, CANVAS, {"doejane_501_9_01_derivatives": (3.0, 6), "coez": (6.0, 6)})
    assert text == CANVAS.replace("A,3,,50", "A,3,5.00,50").replace("A,4,,60", "A,4,10.00,60")
    assert "2 of 3 rows" in said


def test_moodle_gets_scores_by_participant_or_name_and_keeps_its_quotes(tmp_path):
    text, _ = filled(tmp_path, MOODLE, {"Jane Doe_71": (2.0, 4), "Öz Cem": (4.0, 4)})
    half, full = (f'"Submitted","{score}",' for score in ("50.00", "100.00"))
    assert text == MOODLE.replace('"Submitted","",', half, 1).replace('"Submitted","",', full)


def test_a_named_column_takes_decimal_commas_where_semicolons_separate(tmp_path):
    text, _ = filled(tmp_path, WITH_SEMICOLONS, {"jdoe": (1.25, 2)}, column="Lab 1")
    assert text == WITH_SEMICOLONS.replace("Jane Doe;;", "Jane Doe;1,25;")


def test_who_cannot_be_placed_or_judged_is_named_and_not_written(tmp_path):
    scores = {"nobody": (1.0, 6), "jdoe": (1.0, 6), "501": (2.0, 6), "coez_503": (3.0, 6), "eve": (None, 6)}
    text, said = filled(tmp_path, CANVAS, scores)
    assert text == CANVAS
    assert "no row: nobody." in said and "more than one possible row: 501, coez_503, jdoe." in said
    assert "nobody could judge: eve." in said


@pytest.mark.parametrize(
    ("text", "column", "words"),
    [(CANVAS.replace("10 (read only)", "10"), None, "Old .11., Gradients .12."), ("a,b\n1,2\n", None, "no column"),
     ("ID,x\n1,2\n", None, "ID, x"), (CANVAS, "Gradient", "not clear"), ("", None, "no column"),
     ('ID,grade\n1,"open' + " and on" * 20_000, None, "line 2: .* quote left open")],
    ids=["two columns", "nobody", "no grade", "another name", "empty", "an open quote"],
)  # fmt: skip
def test_a_table_in_which_something_is_unclear_is_refused_before_anything_is_graded(tmp_path, text, column, words):
    with pytest.raises(UsageError, match=words):
        template(tmp_path, text, column=column)


def test_what_is_no_text_is_refused(tmp_path):
    (tmp_path / "table.csv").write_bytes(b"\xff\xfe\0")
    with pytest.raises(UsageError, match="UTF-8"):
        Template(tmp_path / "table.csv")
