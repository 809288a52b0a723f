"""Partials are exact however a student writes the function, and what has none is refused in one sentence."""

import math
import random

import numpy as np
import pytest
import sympy
import torch

from course_lib.formula import Formula
from course_lib.partials import Field, Map, matrix_text, point_of

u, v = sympy.symbols("u v", real=True)
POINTS = [(1.3, -0.7), (0.4, 0.9), (-1.1, 0.2)]
SADDLE = [
    lambda u, v: u * v + u**2,
    lambda x: x[0] * x[1] + x[0] ** 2,
    u * v + u**2,
    Formula(u * v + u**2),
    lambda u, v: u * v + u**2 if u > -10 else v,  # asks about the number: one point at a time
    lambda x: (x * torch.stack([x.sum(), torch.zeros_like(x[0])])).sum(),
]


@pytest.mark.parametrize("f", SADDLE)
def test_every_way_of_writing_gives_the_same_gradients(f):
    heights, gradients = Field(f).with_gradients(POINTS)
    for (a, b), height, gradient in zip(POINTS, heights, gradients, strict=True):
        assert height == pytest.approx(a * b + a * a)
        assert gradient == pytest.approx([2 * a + b, a])
    assert Field(f).at(1.3, -0.7)[1] == pytest.approx([1.9, 1.3])


def test_gradients_agree_with_sympy_for_random_expressions():
    rng = random.Random(5)
    for _ in range(6):
        expr = sympy.sin(rng.randint(1, 3) * u + v) * sympy.exp(v / rng.randint(2, 4)) + rng.randint(1, 5) * u**2 * v
        _, gradients = Field(expr).with_gradients(POINTS)
        for point, gradient in zip(POINTS, gradients, strict=True):
            at = dict(zip((u, v), point, strict=True))
            assert gradient == pytest.approx([float(sympy.diff(expr, one).subs(at)) for one in (u, v)], rel=1e-12)


def test_the_order_of_symbols_can_be_chosen():
    assert Field(Formula(u - 2 * v, v, u)).at(1.0, 5.0) == (3.0, [-2.0, 1.0])
    assert Field(Formula(u**2, u, v)).at(3.0, 5.0) == (9.0, [6.0, 0.0])


@pytest.mark.parametrize("f", [lambda u, v: 3.0, lambda u, v: torch.full_like(u, 3.0), lambda x: u * 0 + 3 if 0 else 3])
def test_a_constant_is_level(f):
    assert Field(f).at(1.3, -0.7) == (3.0, [0.0, 0.0])


@pytest.mark.parametrize(
    "f, error, words",
    [
        (3, TypeError, "got int"), (u**2, TypeError, "in two symbols, got u²"),
        (Formula(u**2), TypeError, "two symbols, got 1"), (lambda a, b, c: a, TypeError, "one of 3"),
        (lambda a, b: a.item() * b.detach(), TypeError, "leaves torch"), (lambda a, b: None, TypeError, "NoneType"),
        (lambda a, b: torch.stack([a, b]), ValueError, r"shape \(2,\)"), (lambda a, b: (a > b), TypeError, "bool"),
        (lambda a, b: a.nope(), ValueError, "raised AttributeError"),
    ],
)
def test_what_is_no_landscape_is_refused_in_one_sentence(f, error, words):
    with pytest.raises(error, match=words) as refused:
        Field(f).at(1.3, -0.7)
    assert "\n" not in str(refused.value)


def vector(x):
    return torch.stack([x[0] * x[1], torch.sin(x[0] + x[1] ** 2), x[0] ** 2 - 3 * x[1]])


def test_a_jacobian_has_outputs_as_rows_and_agrees_with_differences():
    y, jacobian = Map(vector).jacobian([1.3, -0.7])
    assert y.shape == (3,) and jacobian.shape == (3, 2)
    for j in range(2):
        step = np.eye(2)[j] * 1e-6
        ahead, behind = Map(vector).values([np.array([1.3, -0.7]) + step, np.array([1.3, -0.7]) - step])
        assert jacobian[:, j] == pytest.approx((ahead - behind) / 2e-6, abs=1e-8)


@pytest.mark.parametrize(
    "f", [lambda x: torch.stack([x[0] * x[1], x[1] ** 2]), lambda a, b: (a * b, b**2), [u * v, v**2],
          lambda a, b: torch.stack([a * b, b**2])],
)
def test_a_map_may_be_written_in_several_ways(f):
    y, jacobian = Map(f).jacobian([2, 3])
    assert y.tolist() == [6, 9] and jacobian.tolist() == [[3, 2], [0, 6]]
    assert Map(f).values([[2, 3], [1, 1]]).tolist() == [[6, 9], [1, 1]]


def test_an_unused_input_and_a_constant_have_rows_of_zeros():
    _, jacobian = Map(lambda x: torch.stack([x[0], torch.tensor(4.0, dtype=x.dtype)])).jacobian([1, 2])
    assert jacobian.tolist() == [[1, 0], [0, 0]]
    assert Map(lambda x: torch.ones(2)).jacobian([1, 2])[1].tolist() == [[0, 0], [0, 0]]


@pytest.mark.parametrize(
    "f, x, error, words",
    [
        (lambda x: x.detach() ** 2, [1.0, 2], TypeError, "leaves torch"),
        (lambda x: x.long(), [1.0, 2], TypeError, "int64"), (lambda a, b: (a, b), [1.0], TypeError, "takes 2 numbers"),
        (lambda x: x.nope(), [1.0], ValueError, "raised AttributeError"), (7, [1.0], TypeError, "got int"),
    ],
)
def test_what_has_no_jacobian_is_refused_in_one_sentence(f, x, error, words):
    with pytest.raises(error, match=words) as refused:
        Map(f).jacobian(x)
    assert "\n" not in str(refused.value)


def test_tensors_of_the_caller_stay_as_they_are():
    w = torch.tensor(1.5, dtype=torch.float64, requires_grad=True)
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    Field(lambda a, b: w * a * b).with_gradients(POINTS)
    Map(lambda x: w * x).jacobian(point_of(x))
    assert w.grad is None and x.grad is None and torch.get_default_dtype() == torch.float32


def test_points_come_as_lists_tensors_or_numbers():
    assert point_of(torch.tensor([1, 2])).tolist() == [1, 2] and point_of(3).tolist() == [3]
    for bad, error in (("a", TypeError), ([[1]], ValueError), ([], ValueError), ([math.nan], ValueError)):
        with pytest.raises(error):
            point_of(bad)


def test_matrices_read_like_lists():
    assert matrix_text(np.array([[1, -0.5], [1e-13, 2]])) == "[[1, −0.5], [0, 2]]"
