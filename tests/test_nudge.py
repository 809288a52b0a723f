"""Differences inside of a function are its derivatives, whatever autograd says, and kinks and jumps are no slopes."""

import math

import pytest
import torch

from course_lib.nudge import coarsest, numbered, slope_at
from course_lib.recorder import Recorder


def slopes(f, *numbers, dtype=torch.float64, gradient=None):
    """The Slope of f by every tensor that it meets; f returns one number."""
    leaves = [torch.tensor(number, dtype=dtype) for number in numbers]

    def run(make):
        recorder = make(f)
        copies = [leaf.clone().requires_grad_() for leaf in leaves]
        for leaf in copies:
            recorder.meet(leaf)
        with recorder:
            y = f(*copies)
        return float(y.detach())

    first = []

    def recording(f):
        first.append(Recorder(f))
        return first[0]

    start = run(recording)
    seen = numbered(first[0])
    return {number: slope_at(run, number, seen, gradient, start, coarsest(first[0])) for number in seen}


def test_a_difference_in_the_middle_is_the_derivative_of_what_follows():
    found = slopes(lambda x: torch.exp(torch.sin(x)) * x, 0.7)
    want = {0: math.exp(math.sin(0.7)) * (1 + 0.7 * math.cos(0.7)), 1: 0.7 * math.exp(math.sin(0.7)), 2: 0.7, 3: 1.0}
    got = {number: slope.difference / _step_of_one(number) for number, slope in found.items()}
    assert {number: got[number] for number in (0, 1, 2)} == pytest.approx({n: want[n] for n in (0, 1, 2)}, rel=1e-8)
    assert all(slope.smooth for slope in found.values())


def _step_of_one(number):
    """A single number is moved along one direction of this length."""
    return 0.6 + 0.8 * 0.618


def test_what_is_cut_from_autograd_is_seen_by_a_difference():
    found = slopes(lambda x: torch.tensor(3.0, dtype=torch.float64) * (x * x).item(), 0.7)
    assert found[0].difference / _step_of_one(0) == pytest.approx(3 * 1.4)
    assert found[0].touched == {2, 3}  # x · x and the result; 1 is the factor


@pytest.mark.parametrize("f, smooth", [
    (torch.relu, False), (torch.abs, False), (lambda x: torch.where(x > 0, torch.ones_like(x), x), False),
    (torch.sin, True), (lambda x: 1e6 * x * x, True), (lambda x: x.sum() * 0 + 2, True),
])
def test_at_a_kink_or_a_jump_there_is_no_slope(f, smooth):
    assert slopes(f, 0.0)[0].smooth is smooth


@pytest.mark.parametrize("dtype, digits", [(torch.float64, 1e-7), (torch.float32, 2e-2)])
def test_the_step_fits_the_dtype(dtype, digits):
    slope = slopes(lambda x: torch.sin(x) * 3, 0.7, dtype=dtype)[0]
    assert slope.difference / _step_of_one(0) == pytest.approx(3 * math.cos(0.7), rel=digits)


def test_a_tensor_changed_in_place_stays_the_moved_one():
    def f(x):
        a = x * 2
        a.add_(1)
        a.mul_(a)
        return a * 1.0

    assert slopes(f, 0.7)[1].difference / _step_of_one(0) == pytest.approx(2 * (2 * 0.7 + 1))


def test_the_ratio_is_none_where_both_are_zero_and_infinite_where_only_the_difference_is():
    flat = slopes(lambda x: (x * 0).sum() + 1, 0.7, gradient=0.0)[0]
    assert flat.ratio is None
    claimed = slopes(lambda x: (x * 0).sum() + 1, 0.7, gradient=2.0)[0]
    assert claimed.ratio == math.inf
