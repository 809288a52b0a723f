"""CSV that no spreadsheet takes for more than it is."""

import csv
import io

import pytest

from course_lib.grader.lms import cell, csv_text


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@x", "\t=1", "\r=1", " =1", "\ufeff=1"])
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
