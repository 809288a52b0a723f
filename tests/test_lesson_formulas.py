"""What the prose of a lesson claims about derivatives is true: every stated formula against autograd."""

import math
from pathlib import Path

import pytest
import torch
from torch.func import grad

from course_lib import build

ROOT = Path(__file__).resolve().parent.parent
POINTS = (0.7, -1.3)

# lesson, words that state it, function, how often differentiated, what the words say it is
STATED = [
    ("01", "the strips are all that counts: 6 cm² for each cm", lambda s: s**2, 1, lambda s: 2 * s),
    ("01", "You never\nwrote the rule 2x anywhere", lambda x: x**2, 1, lambda x: 2 * x),
    ("01", "x² + 2x + 1 is (x + 1)²", lambda x: x**2 + 2 * x + 1, 1, lambda x: 2 * (x + 1)),
    ("01", "x² and its derivative 2x", lambda x: x**2, 1, lambda x: 2 * x),
    ("01", "3x² + 2x = ", lambda x: x**3 + x**2, 1, lambda x: 3 * x**2 + 2 * x),
    ("01", "6x + 2 = ", lambda x: x**3 + x**2, 2, lambda x: 6 * x + 2),
    ("01", "6 = ", lambda x: x**3 + x**2, 3, lambda x: 6.0),
    ("01", "For the sine: f′ = cos, f″ = −sin", torch.sin, 1, math.cos),
    ("01", "For the sine: f′ = cos, f″ = −sin", torch.sin, 2, lambda x: -math.sin(x)),
    ("01", "relu(x) is x for positive x and 0 otherwise", torch.relu, 1, lambda x: float(x > 0)),
    ("01", "3 * x**2", lambda x: x**3, 1, lambda x: 3 * x**2),
]
QUESTIONS = [
    ("6x² + 1 at 1 is 7", lambda x: 2 * x**3 + x, 1, lambda x: 6 * x**2 + 1),
    ("3x² at 2 is 12", lambda x: x**3, 1, lambda x: 3 * x**2),
    ("The slope of x² at x is 2x", lambda x: x**2, 1, lambda x: 2 * x),
]


def derivative(f, order, x):
    for _ in range(order):
        f = grad(f)
    return f(torch.tensor(x, dtype=torch.float64)).item()


@pytest.mark.parametrize("lesson, words, f, order, stated", STATED, ids=lambda value: value if isinstance(value, str) else "")
def test_a_stated_derivative_is_what_autograd_finds(lesson, words, f, order, stated):
    (path,) = (ROOT / "notebooks").glob(f"{lesson}_*.ipynb")
    text = "\n".join(build.source_of(cell) for cell in build.read(path)["cells"])
    assert words in text, "the lesson no longer says this: adapt the table"
    for x in POINTS:
        assert derivative(f, order, x) == pytest.approx(stated(x), abs=1e-12)


@pytest.mark.parametrize("words, f, order, stated", QUESTIONS, ids=lambda value: value if isinstance(value, str) else "")
def test_a_derivative_in_an_explanation_is_what_autograd_finds(words, f, order, stated):
    keys = (ROOT / "course_lib/keys/quiz_01.py").read_text(encoding="utf-8")
    assert words in keys, "the key no longer says this: adapt the table"
    for x in POINTS:
        assert derivative(f, order, x) == pytest.approx(stated(x), abs=1e-12)


def test_the_miss_of_a_forecast_is_half_the_second_derivative_times_the_step_squared():
    for x in POINTS:
        for dx in (1e-2, 1e-3):
            miss = math.sin(x + dx) - math.sin(x) - math.cos(x) * dx
            assert miss == pytest.approx(-0.5 * math.sin(x) * dx**2, rel=2 * dx)


def test_newtons_step_as_displayed_reaches_the_minimum_of_a_parabola_at_once():
    f, x = (lambda t: 1.7 * (t - 0.4) ** 2), -1.3
    assert x - derivative(f, 1, x) / derivative(f, 2, x) == pytest.approx(0.4)


@pytest.mark.parametrize("order, central", [(1, False), (2, True)])
def test_difference_quotients_lose_what_the_lesson_says(order, central):
    def quotient(h):
        return (math.exp(0.7 + h) - math.exp(0.7 - h)) / (2 * h) if central else (math.exp(0.7 + h) - math.exp(0.7)) / h

    errors = [quotient(h) - math.exp(0.7) for h in (1e-2, 1e-3)]
    assert errors[0] / errors[1] == pytest.approx(10**order, rel=0.02)
