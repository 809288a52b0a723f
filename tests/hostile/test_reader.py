"""A10, H. Whatever a student writes is data to whoever reads it: a browser, a spreadsheet, a terminal, another program."""

import csv
import io
import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from rich.console import Console

from course_lib import feedback
from course_lib.grader import batch, conditions, pool
from course_lib.grader.tiers import Probed
from course_lib.judge import LocalSource, judge
from tests.grader import toys
from tests.grader.test_batch import grade, rows
from tests.grader.toys import notebook

TEXTS = {  # an id of the catalogue: what a student may write
    "H1 script": "<script>alert(1)</script>",
    "H1 image": "<img src=x onerror=alert(1)>",
    "H1 frame": "<iframe src='https://example.com'>",
    "H1 svg": "<svg onload=alert(1)><a xlink:href='javascript:alert(1)'>x</a></svg>",
    "H1 link": "[x](javascript:alert(1)) ![y](https://example.com/y.png)",
    "H1 style": "</style><style>body{display:none}</style>",
    "H1 attribute": "\" onmouseover=\"alert(1)\" ' autofocus onfocus='alert(1)",
    "H1 template": "{{ 7 * 7 }} {% include '/etc/passwd' %} ${7*7}",
    "H1 formula": "$\\href{javascript:alert(1)}{x}$ \\(\\unicode{x}\\)",
    "H1 entity": "&lt;script&gt;&#60;script&#62; ]]> --> <!--",
    "H1 meta": "<meta http-equiv=refresh content='0;url=https://example.com'><base href='//example.com'>",
    "H1 form": "<form action=https://example.com><input name=mark><button>ok</button></form>",
    "H2 equals": "=HYPERLINK(\"https://example.com\",\"marks\")",
    "H2 plus": "+1+1",
    "H2 minus": "-1-1",
    "H2 at": "@SUM(1,1)",
    "H2 tab": "\t=1+1",
    "H2 return": "\r=1+1",
    "H2 wide": "\uff1d1+1",
    "H3 comma": "a,b\";c",
    "H3 line": "a\n=1+1,100,100\nb",
    "H3 separator": "sep=;\nx",
    "H4 direction": "a\u202e)1 =! x( fi\u2066b",
    "H4 invisible": "sl\u200bope\u2060\ufeff",
    "H4 terminal": "\x1b[2J\x1b]0;title\x07\x9b31m",
    "H5 not a number": "NaN, Infinity, -Infinity",
    "H5 surrogates": "\ud800 and \udfff",
    "H5 null": "a\0b",
}
ANSWERS = ["double", "slope_at", "squares"]


def hands_in(text):
    """A notebook that says the text wherever one can: returned, raised, printed, as a name, and in a broken cell."""
    said = repr(text)
    return notebook(
        f"def double(x):\n    print({said})\n    return {said}",
        f"class Odd(Exception):\n    pass\nOdd.__name__ = {said}.replace(chr(0), '')\ndef slope_at(f, a):\n    raise Odd({said})",
        f"def squares(x):\n    import warnings\n    warnings.warn({said})\n    return {{{said}: [{said}] * 3}}",
        f"raise ValueError({said})\nanswer = 42",
    )


@pytest.fixture(scope="module")
def marked(tmp_path_factory):
    """A class of all texts, graded: (folder of the results, submissions by text)."""
    folder = tmp_path_factory.mktemp("reader")
    (folder / "in").mkdir()
    for number, text in enumerate(TEXTS.values()):
        name = re.sub(r"[/\0\ud800-\udfff]", "", text)[:60]
        (folder / "in" / f"{name}~{number}_01_toys.ipynb").write_bytes(hands_in(text))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(conditions, "probe", lambda: Probed(tier="strong", isolation="namespaces"))
        patch.setattr(pool, "Server", lambda tier, isolation: toys.shared_server())
        patch.setattr(toys.shared_server(), "close", lambda: None)
        patch.setattr(batch, "hide_memory", lambda: None)
        submissions = grade(folder / "in", folder / "out")
    numbers = {one.found.student.rpartition("~")[2]: one for one in submissions}
    return folder / "out", {text: numbers[str(number)] for number, text in enumerate(TEXTS.values())}


class Tags(HTMLParser):
    """Every tag of a page with its attributes."""

    def __init__(self, page):
        super().__init__()
        self.found = []
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        self.found.append((tag, dict(attributes)))


QUIET = {
    "html", "head", "meta", "title", "style", "body", "main", "header", "footer", "section", "article", "nav", "h1", "h2", "h3",
    "h4", "p", "ul", "ol", "li", "dl", "dt", "dd", "table", "thead", "tbody", "caption", "tr", "th", "td", "span", "div", "code",
    "pre", "b", "i", "em", "strong", "small", "a", "details", "summary", "br", "hr", "svg", "rect", "text", "g", "line", "path",
    "abbr", "figure", "figcaption", "mark", "time", "colgroup", "col", "sup", "sub", "circle", "desc",
}  # fmt: skip


def pages(out):
    return [out / "report.html", *sorted((out / "feedback").glob("*.html"))]


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_no_page_holds_a_tag_or_a_link_that_the_text_brought(marked, text):
    out, submissions = marked
    student = submissions[text].found.student
    own = [page for page in pages(out) if f"{student}".split("~")[-1] in page.stem.split("~")[-1]] or pages(out)
    for page in own:
        for tag, attributes in Tags(page.read_text(encoding="utf-8")).found:
            assert tag in QUIET, (page.name, tag)
            assert not any(name.startswith("on") for name in attributes), attributes
            links = [attributes.get(name) or "" for name in ("href", "src", "action", "xlink:href")]
            assert not any(re.match(r"(?i)\s*(javascript|data|https?|//)", link) for link in links), links
            assert tag != "meta" or "refresh" not in str(attributes).lower()


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_every_cell_of_the_table_is_a_number_or_a_text_that_a_spreadsheet_leaves_alone(marked, text):
    out, submissions = marked
    raw = (out / "grades.csv").read_bytes().decode("utf-8-sig")
    assert not raw.lower().startswith("sep=") and "\0" not in raw
    table = list(csv.reader(io.StringIO(raw, newline="")))
    assert len(table) == len(TEXTS) + 1 and {len(row) for row in table} == {len(table[0])}
    number = submissions[text].found.student.rpartition("~")[2]
    (row,) = [row for row in table if row[0].endswith(f"~{number}")]
    for cell in row:
        assert not cell or re.fullmatch(r"-?\d+(\.\d+)?", cell) or cell[0] not in "=+-@\t\r\uff1d\uff0b\uff0d\uff20", cell


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_every_row_of_the_results_is_strict_json_that_shows_what_is_there(marked, text):
    out, submissions = marked
    student = submissions[text].found.student
    own = [row for row in rows(out) if row["student"] == student]
    assert len(own) == 4 and {row["exercise"] for row in own} == {*ANSWERS, "answer"}
    for row in own:
        again = json.dumps(row, allow_nan=False)
        assert again.isascii()
        words = row["student"] + row["notebook"] + row["message"]
        assert not set(words) & set("\0\x1b\x07\x9b\u202e\u2066\u200b\u2060\ufeff"), words
        words.encode()  # no half of a surrogate


def test_the_terminal_is_told_of_names_without_orders_to_it(marked):
    out, submissions = marked
    console = Console(file=io.StringIO(), force_terminal=True, color_system=None, width=200)
    for one in submissions.values():
        one.graded, kept = [], one.graded
        one.refusal = "The file is empty."
        batch.summarise([one], out, console)
        one.graded, one.refusal = kept, ""
    said = console.file.getvalue()
    assert "\x1b" not in said and "\x07" not in said and "\u202e" not in said and said.count("needs attention") == len(TEXTS)


class Source(LocalSource):
    """An answer, and what would have been right at each question (`right`)."""

    def __init__(self, answer):
        super().__init__(answer)
        self.right = []

    def ask(self, args):
        right = args[0].derivative(args[1]) if len(args) == 2 else args[0] ** 2
        self.right += [float(one) for one in np.ravel(right)]
        return super().ask(args)


@pytest.mark.parametrize(("name", "wrong"), [("slope_at", lambda f, a: 0.123), ("squares", lambda x: x)])
def test_a10_the_words_on_a_wrong_answer_do_not_say_what_is_right(name, wrong):
    exercise, source = toys.lesson.exercises[name], Source(wrong)
    verdict = judge(exercise, source, seed="hidden")
    said = feedback.plain(verdict, exercise)
    assert verdict.score == 0 and source.right
    for number in source.right:
        assert f"{abs(number):.4g}" not in said and f"{abs(number):.3g}" not in said, said
