"""Answers to KT of lesson 10: probes of an engine."""

import numpy as np
import torch

from course_lib.keys import engine_probe
from tests.answers.bank_10 import bank

RNG = np.random.default_rng(5)
TABLE, OTHER, ROW = RNG.uniform(0.5, 2, (2, 3)), RNG.uniform(0.5, 2, (2, 3)), RNG.uniform(0.5, 2, 3)


@bank.honest("probe_engine")
def compared_with_torch(engine):
    engine_probe._probe(engine)


@bank.honest("probe_engine")
def compared_with_differences(engine):
    rng = np.random.default_rng(3)

    def check(f, *arrays):
        leaves = [engine.MiniTensor(array, requires_grad=True) for array in arrays]
        y = f(*leaves)
        g = rng.standard_normal(y.data.shape)
        engine.run_backward(y, g)
        for i, array in enumerate(arrays):
            for at in np.ndindex(*array.shape):
                ends = []
                for h in (1e-6, -1e-6):
                    moved = [one.copy() for one in arrays]
                    moved[i][at] += h
                    ends.append((g * f(*map(engine.MiniTensor, moved)).data).sum())
                np.testing.assert_allclose(leaves[i].grad[at], (ends[0] - ends[1]) / 2e-6, rtol=1e-5, atol=1e-7)

    def detour(a):
        inner = a * 2.0
        return inner * inner + engine.mini_exp(inner) * 3

    check(lambda a, b: a * b + a / b - a**2, TABLE, OTHER)
    check(lambda a, b: (a + b) * b, TABLE, ROW)
    check(engine.mini_matmul, TABLE, OTHER.T.copy())
    check(engine.mini_exp, TABLE)
    check(engine.mini_log, TABLE)
    check(engine.mini_relu, TABLE - 1.2)
    check(lambda t: engine.mini_log_softmax(t, 1), TABLE)
    check(lambda t: engine.mini_index(t, [0, 0, 1]), TABLE)
    check(lambda t: engine.mini_mean(t, 0) + engine.mini_sum(t, 0), TABLE)
    check(detour, ROW)


@bank.honest("probe_engine")
def compared_with_formulas(engine):
    """Numbers worked out on paper; every failure has a name."""

    def gradients(f, g, *arrays):
        leaves = [engine.MiniTensor(array, requires_grad=True) for array in arrays]
        engine.run_backward(f(*leaves), g)
        return [leaf.grad for leaf in leaves]

    def demand(what, got, *want):
        for one, other in zip(got, want, strict=True):
            if one is None or np.shape(one) != np.shape(other) or not np.allclose(one, other):
                raise AssertionError(f"{what}: {one} instead of {other}")

    g = OTHER - 1.1
    demand("a + row", gradients(lambda a, b: a + b, g, TABLE, ROW), g, g.sum(0))
    demand("a * row", gradients(lambda a, b: a * b, g, TABLE, ROW), g * ROW, (g * TABLE).sum(0))
    demand("a ** 3", gradients(lambda a: a**3, g, TABLE), 3 * g * TABLE**2)
    demand("log", gradients(engine.mini_log, g, TABLE), g / TABLE)
    demand("exp", gradients(engine.mini_exp, g, TABLE), g * np.exp(TABLE))
    demand("relu", gradients(engine.mini_relu, g, TABLE - 1), g * (TABLE > 1))
    square = np.array([[1.0, -2.0], [0.5, 3.0]])
    demand("matmul", gradients(engine.mini_matmul, square, TABLE, OTHER.T), square @ OTHER, TABLE.T @ square)
    demand("index", gradients(lambda t: engine.mini_index(t, [2, 2, 0]), np.array([1.0, 5.0, 7.0]), ROW), np.array([7.0, 0, 6.0]))

    def two_ways(x):
        twice = x * 2.0
        return twice + twice * twice * x  # 2x + 4x³

    demand("two ways", gradients(two_ways, np.float64(0.5), np.float64(3.0)), np.float64(0.5 * (2 + 12 * 9)))


@bank.slip("probe_engine", "no attribute 'Tensor'")
def another_name(engine):
    assert engine.Tensor


@bank.slip("probe_engine", "lets it pass")
def one_program(engine):
    x = engine.MiniTensor(2.0, requires_grad=True)
    engine.run_backward(x * x + x)
    assert np.isclose(x.grad, 5.0)


@bank.slip("probe_engine", "lets it pass", named="never-fails")
def printed(engine):
    x = engine.MiniTensor(3.0, requires_grad=True)
    y = torch.tensor(3.0, requires_grad=True)
    engine.run_backward(x * x)
    (y * y).backward()
    print("equal:", np.isclose(x.grad, y.grad.item()))


@bank.slip("probe_engine", "the slope of x³ at 2")
def wrong_expectation(engine):
    x = engine.MiniTensor(2.0, requires_grad=True)
    engine.run_backward(x * x * x)
    assert x.grad == 6.0, "the slope of x³ at 2"


bank.hide("probe_engine", r"g \* b\.data")
