"""What the grader's tests share: small exercises of their own, one fork server per session, grade(cells)."""

import functools
import json
import sys

import numpy as np
import pytest

from course_lib.exercise import Exercise
from course_lib.formula import smooth
from course_lib.grader.grade import Rehearsal, grade_submission
from course_lib.grader.sandbox import MIB, Limits, SandboxError, Server

SEED = "the seed of the tests, long enough"
QUICK = Limits(
    cell_cpu_seconds=1, cell_seconds=8, question_cpu_seconds=1, question_seconds=8, exercise_seconds=40,
    submission_seconds=60, memory_bytes=400 * MIB,
)  # fmt: skip



class Lesson:
    """A lesson of the tests' own; it needs no quiz."""

    def __init__(self):
        self.exercises = {}

    def exercise(self, **about):
        about = {"lesson": "01", "points": 1, "minutes": 1, "section": "01a"} | about

        def make(key):
            return self.exercises.setdefault(key.__name__, Exercise(name=key.__name__, key=key, **about))

        return make


lesson = Lesson()


@lesson.exercise(number="1.1", title="Slope", signature="(f, a: float) -> float")
def slope_at(ask):
    with ask.part("six values"):
        for f in smooth(ask.rng, 3):
            for a in (0.7, -1.3):
                ask(f, a).equals(f.derivative(a), "the slope")
    with ask.part("inputs stay as they are"):
        ask(smooth(ask.rng, 1)[0], 0.4).differentiates()


@slope_at.mistake("A1")
def height(f, a):
    """You returned the height of the curve."""
    import torch

    return f(torch.tensor(a, dtype=torch.float64)).item()


@lesson.exercise(number="1.2", title="Double", signature="(x)")
def double(ask):
    with ask.part("twice the number"):
        ask(2.5).equals(5.0)
        ask(-1.25).equals(-2.5)


@lesson.exercise(number="1.3", title="Squares", signature="(x: Tensor[n]) -> Tensor[n]")
def squares(ask):
    with ask.part("entry by entry"):
        x = np.array([0.7, -1.3, 2.5])
        ask(x).equals(x * x, "the square")


@lesson.exercise(number="1.4", title="A number", signature="", kind="value")
def answer(ask):
    with ask.part("the number"):
        ask().equals(42.0)


SLOPE = """
import torch
def slope_at(f, a):
    x = torch.tensor(a, dtype=torch.float64, requires_grad=True)
    f(x).backward()
    return x.grad.item()
"""
DOUBLE = "def double(x):\n    return 2 * x"
SQUARES = "def squares(x):\n    return x * x"


def catalogue():
    """For the workers of a batch: "tests.grader.toys:catalogue"."""
    return dict(lesson.exercises)


@functools.cache
def shared_server():
    try:
        return Server("strong")
    except SandboxError as error:
        if sys.platform != "linux":
            pytest.skip(str(error))
        raise


@pytest.fixture(scope="session")
def server():
    yield shared_server()
    shared_server().close()


@functools.cache
def rehearsal():
    """What keys asked of right answers, so that everything below is asked as in the middle of a class."""
    learned, cells = Rehearsal(), (SLOPE, DOUBLE, SQUARES, "answer = 42")
    grade_submission(cells, list(lesson.exercises.values()), seed=SEED, server=shared_server(), rehearsal=learned)
    assert None not in learned.questions.values() and len(learned.questions) == 4
    return learned


def grade(server, *cells, names=("slope_at", "double"), limits=QUICK):
    """{exercise: Verdict} of a notebook with these cells."""
    exercises = [lesson.exercises[name] for name in names]
    graded = grade_submission(cells, exercises, seed=SEED, server=server, limits=limits, rehearsal=rehearsal())
    return {one.verdict.exercise: one.verdict for one in graded}


def notebook(*cells, **more):
    """The bytes of a notebook with these code cells."""
    made = [
        {"cell_type": "code", "source": cell, "metadata": {}, "outputs": [], "execution_count": None} for cell in cells
    ]
    return json.dumps({"cells": made, "metadata": {}, "nbformat": 4, "nbformat_minor": 5} | more).encode()
