"""A hostile submission in a class: nothing of it is there for the next one, and no other row is another."""

import sqlite3

import pytest

from tests.grader.test_batch import grade as grade_folder
from tests.grader.test_batch import hand_in, rows, strong_here  # noqa: F401
from tests.grader.toys import DOUBLE, SLOPE, SQUARES, notebook
from tests.grader.toys import grade as grade_cells
from tests.hostile import comparing, exhausting, forging, learning, reaching, stopping, wrong_work
from tests.hostile.cells import BROKEN_CELLS

ONE_OF_EACH = {
    "A": learning.ATTACKS[-1], "B": comparing.ATTACKS[0], "C": forging.ATTACKS[1], "D": stopping.ATTACKS[0],
    "E": exhausting.ATTACKS[0], "F": reaching.ATTACKS[-1], "I": wrong_work.ATTACKS[0],
}  # fmt: skip
EVERYWHERE = """
import os
places = ['.', '/tmp', '/dev/shm', os.path.expanduser('~'), '/var/tmp', '/run', '/grader', '/']
"""
LEAVE = EVERYWHERE + """
left = 0
for place in places:
    for name in ('trace', '.bashrc', 'usercustomize.py', '.ipython/profile_default/startup/x.py', 'matplotlib/matplotlibrc'):
        path = os.path.join(place, name)
        try:
            os.makedirs(os.path.dirname(path), exist_ok=True)
            open(path, 'w').write('trace')
            left += 1
        except OSError: pass
def double(x):
    return 2 * x if left else None
"""
LOOK = EVERYWHERE + """
import torch, builtins
found = [place for place in places for name in ('trace', '.bashrc') if os.path.exists(os.path.join(place, name))]
def double(x):
    return 2 * x if not found and not hasattr(torch, 'trace_left') and not hasattr(builtins, 'trace_left') else None
"""


def test_f4_nothing_that_a_submission_writes_is_there_for_the_next(server):
    assert grade_cells(server, LEAVE, names=("double",))["double"].passed  # it could write somewhere
    assert grade_cells(server, LOOK, names=("double",))["double"].passed


def test_f4_nothing_that_a_submission_patches_is_patched_for_the_next(server):
    patch = "import torch, builtins\ntorch.trace_left = builtins.trace_left = 1\ntorch.tensor = None\n"
    grade_cells(server, patch + DOUBLE, names=("double",))
    assert all(verdict.passed for verdict in grade_cells(server, LOOK, SLOPE).values())


@pytest.mark.parametrize("letter", ONE_OF_EACH)
def test_one_hostile_submission_changes_no_other_row(tmp_path, letter):
    honest = {f"s{i:02}_01_toys.ipynb": notebook(SLOPE, DOUBLE, SQUARES, "answer = 42", f"n = {i}") for i in range(4)}
    attack = notebook(ONE_OF_EACH[letter].code, DOUBLE)
    grade_folder(hand_in(tmp_path / "calm", honest), tmp_path / "calm-out")
    grade_folder(hand_in(tmp_path / "class", {"eve_01_toys.ipynb": attack} | honest), tmp_path / "out")

    def of_others(out):
        return [row | {"seconds": 0, "seed_id": ""} for row in rows(out) if row["student"] != "eve"]

    assert of_others(tmp_path / "out") == of_others(tmp_path / "calm-out")
    assert {row["status"] for row in of_others(tmp_path / "out")} == {"correct"}


def test_a11_every_version_that_was_handed_in_stays_in_the_journal(tmp_path):
    for factor in (3, 4, 5):
        text = f"def double(x):\n    return {factor} * x"
        grade_folder(hand_in(tmp_path / "in", {"eve_01_toys.ipynb": notebook(text)}), tmp_path / "out")
    with sqlite3.connect(tmp_path / "out" / "gradebook.db") as book:
        versions = book.execute("SELECT COUNT(DISTINCT sha256) FROM submissions WHERE student = 'eve'").fetchone()[0]
    assert versions == 3


def test_broken_cells_all_at_once_cost_no_answer(server):
    quick = {name: cell for name, cell in BROKEN_CELLS.items() if "without end" not in name and "loops" not in name}
    verdicts = grade_cells(server, DOUBLE, *list(quick.values())[:6], SLOPE)
    assert all(verdict.passed for verdict in verdicts.values())
