"""Right answers get full marks however they are written: a class of them all, with the limits of a real run."""

import json

import pytest

from course_lib.grader import batch, conditions, pool
from course_lib.grader.sandbox import Limits
from course_lib.grader.tiers import Probed
from course_lib.judge import Status
from tests.grader import toys
from tests.grader.test_batch import CATALOGUE
from tests.grader.toys import DOUBLE, SLOPE, grade, notebook
from tests.honest.beside import BESIDE
from tests.honest.habits import HABITS
from tests.honest.styles import STYLES

NAMES = ("slope_at", "double", "squares")
HONEST = HABITS | BESIDE | STYLES


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    """{name of the style: {exercise: row}} of a class in which each student has one, graded as a user does."""
    folder = tmp_path_factory.mktemp("honest")
    (folder / "in").mkdir()
    for number, cells in enumerate(HONEST.values()):
        (folder / "in" / f"s{number}_01_toys.ipynb").write_bytes(notebook(*cells))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(conditions, "probe", lambda: Probed(tier="strong", isolation="namespaces"))
        patch.setattr(pool, "Server", lambda tier, isolation: toys.shared_server())
        patch.setattr(toys.shared_server(), "close", lambda: None)
        patch.setattr(batch, "hide_memory", lambda: None)
        batch.grade([folder / "in"], folder / "out", workers=1, catalogue=CATALOGUE)
    found = {name: {} for name in HONEST}
    for line in (folder / "out" / "results.jsonl").read_text().splitlines():
        row = json.loads(line)
        found[list(HONEST)[int(row["student"][1:])]][row["exercise"]] = row
    return found


@pytest.mark.parametrize("name", HONEST)
def test_honest_work_gets_full_marks_behind_the_strongest_wall(rows, name):
    for exercise in NAMES:
        row = rows[name][exercise]
        assert (row["status"], row["score"], row["tier"]) == ("correct", row["max_score"], "strong"), row["message"]


def test_a_value_is_found(server):
    verdict = grade(server, "answer = 6 * 7", names=("answer",), limits=Limits())["answer"]
    assert verdict.status is Status.CORRECT


@pytest.mark.parametrize(
    ("cells", "status"),
    [
        ([DOUBLE, "def slope_at(f, a):\n    '''A docstring.'''\n    ..."], Status.OPEN),
        ([DOUBLE], Status.MISSING),
        ([DOUBLE, SLOPE, "del slope_at"], Status.MISSING),
        ([DOUBLE, "import torch\ndef slope_at(f, a):\n    return f(torch.tensor(a)).item()"], Status.MISCONCEPTION),
        ([DOUBLE, "def slope_at(f, a):\n    return 0.0"], Status.WRONG),
        ([DOUBLE, "def slope_at(f, a) return 1"], Status.RAISED),
    ],
    ids=["stub", "missing", "deleted", "known mistake", "zero", "syntax error"],
)
def test_what_is_not_right_gets_its_own_word(server, cells, status):
    verdicts = grade(server, *cells)
    assert (verdicts["slope_at"].status, verdicts["double"].status) == (status, Status.CORRECT)


def test_failure_shows_the_students_own_line(server):
    verdict = grade(server, DOUBLE, "def slope_at(f, a):\n    b = a\n    return b.backward()")["slope_at"]
    failure = verdict.problem.failure
    assert (failure.type, failure.line, failure.code) == ("AttributeError", 3, "return b.backward()")


def test_cell_that_should_define_the_answer_is_quoted(server):
    verdict = grade(server, DOUBLE, "import torch\nx = 1 / 0\ndef slope_at(f, a):\n    return 1.0")["slope_at"]
    assert verdict.status is Status.RAISED
    assert verdict.sentence == "Code cell 2 stopped with ZeroDivisionError: division by zero, line 2: x = 1 / 0"
