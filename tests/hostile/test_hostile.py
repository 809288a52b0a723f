"""Whatever a submission does, it costs at most the exercise or the cell it does it in, and earns nothing."""

from dataclasses import replace

import pytest

from course_lib.grader.sandbox import usage
from course_lib.judge import Status
from tests.grader.toys import DOUBLE, QUICK, SLOPE, grade
from tests.hostile.submissions import ATTACKS, BROKEN_CELLS


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
def test_attack_has_its_outcome_and_the_exercise_beside_it_full_marks(server, attack):
    verdicts = grade(server, attack.code, DOUBLE, limits=replace(QUICK, question_seconds=attack.seconds))
    verdict = verdicts["slope_at"]
    assert verdict.status in attack.outcome, verdict
    assert verdict.score == attack.score
    failure = verdict.problem.failure if verdict.problem else None
    said = f"{verdict.sentence} {failure.type} {failure.message}" if failure else verdict.sentence
    assert attack.says in said
    assert verdicts["double"].status is Status.CORRECT, verdicts["double"]
    assert usage(server.process.pid).processes <= server.baseline.processes


@pytest.mark.parametrize("cell", BROKEN_CELLS.values(), ids=BROKEN_CELLS)
def test_broken_cell_costs_only_itself(server, cell):
    verdicts = grade(server, DOUBLE, cell, SLOPE)
    assert [verdict.status for verdict in verdicts.values()] == [Status.CORRECT] * 2, verdicts
