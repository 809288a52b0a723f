"""Right answers get full marks however they are written."""

import pytest

from course_lib.judge import Status
from tests.grader.toys import DOUBLE, SLOPE, grade
from tests.honest.submissions import HONEST

NAMES = ("slope_at", "double", "squares")


@pytest.mark.parametrize("cells", HONEST.values(), ids=HONEST)
def test_honest_work_gets_full_marks(server, cells):
    verdicts = grade(server, *cells, names=NAMES)
    assert [verdict.status for verdict in verdicts.values()] == [Status.CORRECT] * 3, verdicts


def test_a_value_is_found(server):
    verdict = grade(server, "answer = 6 * 7", names=("answer",))["answer"]
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
