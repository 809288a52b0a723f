"""No two wrong ideas about an exercise give the same answers at the key's points, and none gives the right ones."""

import itertools
import random

import pytest
import torch

from course_lib.diagnosis import Likeness
from course_lib.exercise import all_exercises
from course_lib.judge import Ask, Layer, LocalSource
from tests.test_keys import HONEST, VALUES, seeds

EXERCISES = all_exercises()
RIGHT = {param.values[0]: param.values[1] for param in [*HONEST, *VALUES][::-1]}  # the first of each
EXACTLY = (1e-9, 0.0)  # as diagnose tells ideas apart first


def questioned(exercise, answer, seed):
    """(replies, the layer a verdict would speak about, None if all is well)."""
    ask = Ask(exercise, LocalSource(answer), random.Random(f"{seed}/{exercise.name}"))
    exercise.key(ask)
    return [reply for _, _, reply in ask.transcript], min((problem.layer for problem in ask.problems), default=None)


def tracked(value):
    """Which tensors of an answer carry a graph: a key may tell ideas apart by it with a recogniser of its own."""
    if isinstance(value, list | tuple):
        return [tracked(item) for item in value]
    if isinstance(value, dict):
        return {key: tracked(item) for key, item in value.items()}
    return getattr(value, "requires_grad", False)


def same(one, other):
    (replies, layer), (others, other_layer) = one, other
    about = min(one for one in (layer, other_layer) if one is not None)
    alike = Likeness(about, *EXACTLY, True)
    counted = about is not Layer.METHOD or [one.tracked for one in replies] == [one.tracked for one in others]
    graphs = [tracked(reply.value) for reply in replies] == [tracked(reply.value) for reply in others]
    return len(replies) == len(others) and counted and graphs and all(map(alike.replies, replies, others))


@pytest.mark.parametrize("name", [name for name, exercise in EXERCISES.items() if exercise.mistakes and name in RIGHT])
def test_every_two_ideas_and_the_truth_can_be_told_apart(name):
    torch.manual_seed(0)
    exercise = EXERCISES[name]
    for seed in seeds(name)[:3]:
        ideas = [(mistake.id, mistake.name, questioned(exercise, mistake.make(), seed)) for mistake in exercise.mistakes]
        ideas.append(("", "the truth", questioned(exercise, RIGHT[name], seed)))
        for (id, one, said), (other_id, other, said_too) in itertools.combinations(ideas, 2):
            assert id == other_id or not same(said, said_too), (seed, one, other)
