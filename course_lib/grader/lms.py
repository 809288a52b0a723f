"""Write tables that a spreadsheet or a learning platform reads: csv_text(rows), and Template(path).filled(scores).

A template is the table that the platform itself exports (the gradebook of Canvas, the grading worksheet or gradebook of
Moodle, or any CSV with a row for each student): one column is filled in, every other cell stays what it was.
"""

import csv
import io
import re
import unicodedata
from collections import Counter

from course_lib.grader.conditions import UsageError

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\uff1d", "\uff0b", "\uff0d", "\uff20")  # and their wide forms
IDS = ("id", "sis user id", "sis login id", "integration id", "identifier", "username", "id number", "email address", "email")
NAMES = ("student", "full name", "name")
PLAIN_GRADES = ("grade", "score", "points", "total")
CANVAS_TITLE = re.compile(r"\(\d+\)\s*$")


def csv_text(rows):
    """Rows of text and numbers as CSV by RFC 4180; numbers have a point and two decimals."""
    out = io.StringIO()
    csv.writer(out, lineterminator="\r\n").writerows([cell(value) for value in row] for row in rows)
    return out.getvalue()


def cell(value):
    """A cell's text. What a spreadsheet would take for a formula gets an apostrophe in front; numbers stay numbers."""
    if isinstance(value, int | float):
        return f"{value:.2f}"
    text = "" if value is None else str(value)
    return "'" + text if text.lstrip(" \n\ufeff").startswith(FORMULA_STARTS) else text


def table_text(path):
    """The text of somebody's table. UsageError if it is none."""
    try:
        return path.read_bytes().decode("utf-8")
    except (OSError, UnicodeDecodeError):
        raise UsageError(f"{path} cannot be read as a table in UTF-8.") from None


def delimiter_of(text):
    """What stands between the columns of a table: a comma, a semicolon or a tab, whichever its first line has most of."""
    return max(",;\t", key=text.partition("\n")[0].count)


def table_rows(text, path):
    """[(number of the line it ends on, cells)] of a table. UsageError says which line is none."""
    table = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter_of(text))
    try:
        return [(table.line_num, row) for row in table]
    except csv.Error as error:
        raise UsageError(f"{path}, line {table.line_num}: this is no table ({error}); is a quote left open?") from None


class Template:
    """A platform's own table, read. Raises UsageError if it is not clear which column to fill or who is who.

    column: the title of the column for the scores, where the table has several.
    """

    def __init__(self, path, column=None):
        text = table_text(path)
        self.name, self.mark = path.name, "\ufeff" if text.startswith("\ufeff") else ""
        text = text.removeprefix("\ufeff")
        first = text.partition("\n")[0]
        self.line_end = "\r\n" if first.endswith("\r") else "\n"
        self.delimiter = delimiter_of(text)
        self.quoting = csv.QUOTE_ALL if first.startswith('"') else csv.QUOTE_MINIMAL
        self.rows = [row for _, row in table_rows(text, path)]
        titles = [title.strip() for title in self.rows[0]] if self.rows else []
        self.ids = [i for i, title in enumerate(titles) if title.casefold() in IDS]
        self.names = [i for i, title in enumerate(titles) if title.casefold() in NAMES]
        if not self.ids + self.names:
            raise UsageError(f"{path} has no column that says who a row is about, such as ID, Identifier or Full name.")
        self.column = self._column_of(titles, column)
        self.students = [row for row in self.rows[1:] if len(row) == len(titles) and not is_about_points(row)]

    def _column_of(self, titles, wanted):
        if wanted is not None:
            found = [i for i, title in enumerate(titles) if title == wanted.strip()]
        else:
            fixed = {i for row in self.rows[1:3] for i, text in enumerate(row) if "read only" in text.casefold()}
            found = [i for i, title in enumerate(titles) if CANVAS_TITLE.search(title) and i not in fixed]
            found = found or [i for i, title in enumerate(titles) if title.casefold() in PLAIN_GRADES]
        if len(found) != 1:
            known = ", ".join(titles[i] for i in found) or ", ".join(titles)
            raise UsageError(f"It is not clear which column of {self.name} takes the scores; name it by --lms-column: {known}.")
        return found[0]

    def filled(self, scores):
        """(the table as text, sentences about what a person should look at). scores: {student: (score or None, most)}."""
        rows_of = {student: self._rows_of(student) for student in scores}
        claims = Counter(id(row) for rows in rows_of.values() if len(rows) == 1 for row in rows)
        lost, doubtful, waiting, taken = [], [], [], set()
        for student, (score, most) in scores.items():
            rows = rows_of[student]
            if not rows:
                lost.append(student)
            elif len(rows) > 1 or claims[id(rows[0])] > 1:
                doubtful.append(student)
            elif score is None:
                waiting.append(student)
            else:
                rows[0][self.column] = self._number(score * self._possible(rows[0], most) / most if most else score)
                taken.add(id(rows[0]))
        out = io.StringIO()
        writer = csv.writer(out, delimiter=self.delimiter, lineterminator=self.line_end, quoting=self.quoting)
        writer.writerows(self.rows)
        said = [f"{len(taken)} of {len(self.students)} rows of {self.name} have a score now."]
        for words, names in (("no row", lost), ("more than one possible row", doubtful), ("points nobody could judge", waiting)):
            if names:
                said.append(f"Not written, because of {words}: {', '.join(sorted(names))}.")
        return self.mark + out.getvalue(), said

    def _rows_of(self, student):
        """The rows that can be meant: all that any part of a student's name or number fits."""
        keys = {squashed(student), *map(squashed, student.split("_"))} - {""}
        keys |= {sorted_words(student), *map(sorted_words, student.split("_"))} - {""}
        return [row for row in self.students if keys & self._keys(row)]

    def _keys(self, row):
        ids = {squashed(row[i]) for i in self.ids} | {number for i in self.ids for number in re.findall(r" (\d+)$", row[i])}
        names = {form(row[i]) for i in self.names for form in (squashed, sorted_words)}
        return (ids | names) - {""}

    def _possible(self, row, most):
        """What full marks are worth on the platform: Canvas says so in a row, Moodle in a column."""
        titles = [title.strip().casefold() for title in self.rows[0]]
        said = [one[self.column] for one in self.rows[1:3] if is_about_points(one) and len(one) > self.column]
        said += [row[titles.index("maximum grade")]] if "maximum grade" in titles else []
        for text in said:
            try:
                return float(text.strip().replace(",", "."))
            except ValueError:
                continue
        return most

    def _number(self, score):
        text = f"{score:.2f}"
        return text.replace(".", ",") if self.delimiter == ";" else text


def is_about_points(row):
    """Canvas has such a row below the titles."""
    return bool(row) and row[0].strip().casefold().startswith("points possible")


def squashed(text):
    """Small letters and digits only: "Doe, Jane" and doejane are one; accents do not matter."""
    plain = unicodedata.normalize("NFKD", text).casefold()
    return "".join(one for one in plain if one.isalnum() or one in "@.")


def sorted_words(text):
    """Words of a name in a fixed order, so that "Doe, Jane" is Jane Doe; nothing for a single word or a number."""
    words = sorted(squashed(word) for word in re.findall(r"[^\W\d_]+", text))
    return " ".join(words) if len(words) > 1 else ""
