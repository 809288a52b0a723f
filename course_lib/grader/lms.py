"""Write tables that a spreadsheet or a learning platform reads: csv_text(rows). Text in them is never a formula."""

import csv
import io

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


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
