"""Every right answer in tests/answers, as a cell of a notebook, gets full marks with the limits of a real run."""

import ast
import importlib
import inspect
import json
import textwrap
from collections import defaultdict

import pytest

from course_lib.grader import batch, conditions, pool
from course_lib.grader.tiers import Probed
from tests import classroom
from tests.answers import all_banks
from tests.grader import toys
from tests.grader.toys import notebook

SEED = "5eed" * 16  # the questions must be the same in every run of the tests


def as_cell(exercise, answer, module):
    """An answer of a bank as a student would have written it, with what it needs; None if it has no source of its own."""
    if not callable(answer):
        return f"{exercise} = {answer!r}"
    if answer.__module__ != module.__name__ or "<locals>" in answer.__qualname__ or answer.__name__ == "<lambda>":
        return None
    node = without_bank(textwrap.dedent(inspect.getsource(answer)))
    used = dict.fromkeys(part.id for part in ast.walk(node) if isinstance(part, ast.Name))
    needed = [text for name in used if name != node.name for text in classroom.needed(module, name)]
    needed = [ast.unparse(without_bank(text)) for text in dict.fromkeys(needed)]
    needed = [text for text in needed if not text.startswith(("from tests", "bank"))]
    return "\n\n".join([*needed, ast.unparse(node), f"{exercise} = {node.name}"])


def without_bank(text):
    """A statement without the decorators that put it into a bank."""
    (node,) = ast.parse(text).body
    if hasattr(node, "decorator_list"):
        node.decorator_list = [one for one in node.decorator_list if "bank." not in ast.unparse(one)]
    return node


def answers():
    """{(lesson, exercise, name of the answer): its cell}."""
    found = {}
    for lesson, bank in all_banks().items():
        module = importlib.import_module(f"tests.answers.lesson_{lesson}")
        for number, param in enumerate(bank.answers + bank.values):
            exercise, answer = param.values
            cell = as_cell(exercise, answer, module)
            if cell is not None:
                found[lesson, exercise, f"{getattr(answer, '__name__', 'value')}-{number}"] = cell
    return found


ANSWERS = answers()


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    """{(lesson, exercise, answer): row}. The k-th answers to all exercises of a lesson make one notebook."""
    folder = tmp_path_factory.mktemp("bank")
    (folder / "in").mkdir()
    (folder / "seed.txt").write_text(SEED)
    sheets, place = defaultdict(dict), {}
    for key in ANSWERS:
        lesson, exercise, _ = key
        k = next(k for k in range(100) if exercise not in sheets[lesson, k])
        sheets[lesson, k][exercise] = ANSWERS[key]
        place[f"style{k}", lesson, exercise] = key
    for (lesson, k), cells in sheets.items():
        (folder / "in" / f"style{k}_{lesson}_x.ipynb").write_bytes(notebook(*cells.values()))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(conditions, "probe", lambda: Probed(tier="strong", isolation="namespaces"))
        patch.setattr(pool, "Server", lambda tier, isolation: toys.shared_server())
        patch.setattr(toys.shared_server(), "close", lambda: None)
        patch.setattr(batch, "hide_memory", lambda: None)
        batch.grade([folder / "in"], folder / "out", workers=1, seed_file=folder / "seed.txt")
    found = [json.loads(line) for line in (folder / "out" / "results.jsonl").read_text().splitlines()]
    return {place[key]: row for row in found if (key := (row["student"], row["lesson"], row["exercise"])) in place}


def test_nearly_every_answer_of_the_banks_is_here():
    banks = [bank for bank in all_banks().values() if bank.lesson != "10"]  # parts that use each other: see test_class
    assert len(ANSWERS) > 0.95 * sum(len(bank.answers) + len(bank.values) for bank in banks)


@pytest.mark.parametrize("key", ANSWERS, ids=lambda key: "-".join(key))
def test_right_answer_gets_full_marks_behind_the_wall(rows, key, server):
    row = rows[key]
    assert (row["status"], row["score"], row["tier"]) == ("correct", row["max_score"], "strong"), row["message"]
