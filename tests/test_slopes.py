"""Slopes are exact for whatever function a student brings, and what has none is refused in one sentence."""

import math
import random

import numpy as np
import pytest
import sympy
import torch

from course_lib.formula import Formula, smooth, x
from course_lib.slopes import breaks, derivatives, predicted_steps, step_errors

XS = [0.7, -1.3, 0.2]


@pytest.mark.parametrize("formula", smooth(random.Random(3), 8), ids=lambda f: f.text)
def test_derivatives_agree_with_sympy(formula):
    rows = derivatives(formula, XS, 3)
    assert rows.dtype == torch.float64 and rows.shape == (4, 3)
    for order in range(4):
        wanted = [formula.derivative(at, order=order) if order else formula.value(at) for at in XS]
        assert torch.allclose(rows[order], torch.tensor(wanted, dtype=torch.float64), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(
    "f, slope",
    [
        (lambda t: t**2 if t > 0 else -t, lambda t: 2 * t if t > 0 else -1),  # asks a question: one number at a time
        (lambda t: (t**2).sum(), lambda t: 2 * t),  # a scalar whatever comes in
        (lambda t: torch.stack([t, t**3]).sum(), lambda t: 1 + 3 * t**2),
        (lambda t: t - t.mean() + t**2, lambda t: 2 * t),  # couples its inputs when they come together
        (lambda t: (t**2).reshape(1), lambda t: 2 * t),
        (lambda t: torch.full_like(t, 4.0), lambda t: 0),
        (lambda t: 4.0, lambda t: 0),
        (lambda t: 3 * t, lambda t: 3),
        (torch.relu, lambda t: float(t > 0)),
    ],
)
def test_any_function_of_one_number_has_the_slope_it_has_alone(f, slope):
    assert derivatives(f, XS, 1)[1].tolist() == pytest.approx([slope(at) for at in XS])


def test_a_second_derivative_is_there_where_autograd_has_none():
    assert derivatives(lambda t: 3 * t, XS, 2)[2].tolist() == [0, 0, 0]


@pytest.mark.parametrize(
    "f, error, words",
    [
        (math.sin, TypeError, "math.sin"),
        (lambda t: t.item() ** 2, TypeError, ".item()"),
        (lambda t: t.detach() ** 2, TypeError, "leaves torch"),
        (lambda t: (t > 0).long(), TypeError, "torch.int64"),
        (lambda t: t > 0, TypeError, "torch.bool"),
        (lambda t: None, TypeError, "got NoneType"),
        (lambda t: torch.stack([t, t]), ValueError, r"shape \(2,\)"),
        (lambda t: t @ t, ValueError, "raised RuntimeError"),
        (lambda t: torch.complex(t, t), TypeError, "complex"),
        (3.0, TypeError, "got float"),
        (torch.nn.ReLU, TypeError, "expected a function"),
    ],
)
@pytest.mark.parametrize("places", [XS, [0.7]])
def test_what_has_no_slope_is_refused_in_one_sentence(f, error, words, places):
    with pytest.raises(error, match=words) as refused:
        derivatives(f, places, 1)
    assert "\n" not in str(refused.value)


def test_a_staircase_has_slope_zero():
    rows = derivatives(lambda t: (t > 0.5).double(), np.linspace(-1, 1, 40), 1)
    assert rows[0].unique().tolist() == [0, 1] and rows[1].tolist() == [0] * 40


def test_tensors_of_the_caller_stay_as_they_are():
    w = torch.tensor(2.0, dtype=torch.float64, requires_grad=True)
    w.grad = torch.tensor(5.0, dtype=torch.float64)
    xs = torch.tensor(XS, dtype=torch.float64, requires_grad=True)

    def f(t):
        with torch.no_grad():
            t += 1  # reaches no further than f's own copy
        return w * t**2

    derivatives(f, xs, 2)
    assert w.grad.item() == 5 and xs.tolist() == XS and xs.grad is None
    with torch.no_grad():
        assert derivatives(torch.sin, XS, 1)[1, 0].item() == pytest.approx(math.cos(0.7))


def test_the_input_may_be_changed_in_place_by_f():
    def doubled(t):
        t = t * 1
        t.mul_(2)
        return t

    assert derivatives(doubled, XS, 1)[1].tolist() == [2, 2, 2]


@pytest.mark.parametrize("kind, power, coefficient", [("forward", 1, 1 / 2), ("central", 2, 1 / 6)])
def test_step_errors_follow_taylor(kind, power, coefficient):
    h, error = step_errors(Formula(sympy.exp(x)), 0.0, [0.01], torch.float64, kind)
    assert error[0] == pytest.approx(coefficient * h[0] ** power, rel=0.01)


def test_step_errors_in_float32_are_computed_in_float32():
    seen = []

    def f(t):
        seen.append(t.dtype)
        return torch.exp(t)

    _, error = step_errors(f, 0.0, [1e-5], torch.float32, "central")
    assert torch.float32 in seen and error[0] > 1e-5  # float64 would be right to 1e-10


def test_predicted_steps_balance_cut_off_and_rounding():
    eps = torch.finfo(torch.float64).eps
    predicted = predicted_steps(Formula(sympy.exp(x)), 0.0, eps)
    assert predicted["forward"] == pytest.approx(2 * math.sqrt(eps))
    assert predicted["central"] == pytest.approx((3 * eps) ** (1 / 3))
    assert predicted_steps(lambda t: t**2, 0.5, eps)["central"] is None


GRID = np.linspace(-3, 3, 400)


SMOOTH = (
    torch.sin, torch.abs, torch.relu, lambda t: torch.sigmoid(40 * t), lambda t: t**9, lambda t: 3 * torch.ones_like(t),
)


def jump(t):
    return torch.where(t > 1, t + 2, t)


@pytest.mark.parametrize(
    "f, near",
    [
        (lambda t: 1 / t, [0]), (torch.tan, [-math.pi / 2, math.pi / 2]), (jump, [1]),
        (lambda t: 1 / (t - 0.9) ** 2, [0.9]),
    ],
)
def test_jumps_and_poles_are_found_where_they_are(f, near):
    y, slope = derivatives(f, GRID, 1).numpy()
    found = GRID[breaks(GRID, y, slope)]
    assert all(np.abs(found - place).min() < 0.02 for place in near)
    assert all(np.abs(near - at).min() < 0.1 for at in found)


@pytest.mark.parametrize("f", SMOOTH)
def test_nothing_breaks_where_f_is_continuous(f):
    y, slope = derivatives(f, GRID, 1).numpy()
    assert breaks(GRID, y, slope).size == breaks(GRID, y).size == 0


def test_a_jump_is_found_without_slopes():
    found = GRID[breaks(GRID, derivatives(jump, GRID, 0)[0])]
    assert len(found) == 1 and abs(found[0] - 1) < 0.02
