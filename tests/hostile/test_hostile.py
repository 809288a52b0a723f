"""Whatever a submission does, it costs at most the exercise or the cell it does it in, and earns nothing."""

from dataclasses import replace

import pytest

from course_lib.grader.sandbox import usage
from course_lib.judge import Status
from tests.grader.toys import DOUBLE, QUICK, SLOPE, grade
from tests.hostile import comparing, exhausting, forging, learning, reaching, stopping, wrong_work
from tests.hostile.cells import BROKEN_CELLS
from tests.hostile.malformed import MALFORMED
from tests.hostile.test_reader import TEXTS

ATTACKS = [
    attack for module in (learning, comparing, forging, stopping, exhausting, reaching, wrong_work) for attack in module.ATTACKS
]


@pytest.mark.parametrize("attack", ATTACKS, ids=str)
def test_attack_has_its_outcome_and_the_exercise_beside_it_full_marks(server, attack):
    beside = [] if attack.answers == "double" else [DOUBLE]
    names = dict.fromkeys([attack.answers, "double"])
    limits = replace(QUICK, question_seconds=attack.seconds, submission_seconds=240)
    verdicts = grade(server, attack.code, *beside, names=names, limits=limits)
    verdict = verdicts[attack.answers]
    assert verdict.status in attack.outcome, verdict
    assert verdict.score == attack.score
    failure = verdict.problem.failure if verdict.problem else None
    said = f"{verdict.sentence} {failure.type} {failure.message}" if failure else verdict.sentence
    assert attack.says in said
    assert not beside or verdicts["double"].status is Status.CORRECT, verdicts["double"]
    server.finish_kills()
    assert usage(server.process.pid).processes <= server.baseline.processes


@pytest.mark.parametrize("cell", BROKEN_CELLS.values(), ids=BROKEN_CELLS)
def test_broken_cell_costs_only_itself(server, cell):
    verdicts = grade(server, DOUBLE, cell, SLOPE)
    assert [verdict.status for verdict in verdicts.values()] == [Status.CORRECT] * 2, verdicts


CATALOGUE = {"A": 11, "B": 8, "C": 9, "D": 10, "E": 7, "F": 6, "G": 9, "H": 5, "I": 5}  # examples of each class of attacks
ELSEWHERE = {  # those that are no cells and no files
    "A10": "test_reader.py", "A11": "test_among_others.py", "C7": "test_malformed.py", "G6": "test_malformed.py",
    "G7": "test_malformed.py", "G8": "test_malformed.py", "G9": "test_malformed.py",
}  # fmt: skip


def test_every_example_of_the_catalogue_has_its_attack():
    known = {one.id for one in [*ATTACKS, *MALFORMED]} | {name.split()[0] for name in TEXTS} | set(ELSEWHERE)
    assert known == {f"{letter}{number}" for letter, count in CATALOGUE.items() for number in range(1, count + 1)}
    assert len({str(one) for one in [*ATTACKS, *MALFORMED]}) == len(ATTACKS) + len(MALFORMED)
