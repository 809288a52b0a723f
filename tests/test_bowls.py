"""A bowl knows its floor and its steepest direction, and gradient descent on it goes where the closed form goes."""

import numpy as np
import pytest
import sympy
import torch

from course_lib.bowls import CURVATURE, START, Bowl, descend

U, V = sympy.symbols("u v", real=True)
CURVED = (1 - U) ** 2 / 4 + (V - U**2) ** 2


@pytest.mark.parametrize(
    "f, floor, hessian",
    [
        (None, (0, 0), np.diag(CURVATURE)),
        (CURVED, (1, 1), sympy.hessian(CURVED, (U, V)).subs({U: 1, V: 1})),
        (lambda x: 3 * (x[0] - 0.5) ** 2 + (x[1] + x[0]) ** 2, (0.5, -0.5), [[8, 2], [2, 2]]),
        (lambda u, v: torch.cosh(u - 0.25) + v**2, (0.25, 0), [[1, 0], [0, 2]]),
        (lambda u, v: (u + v - 1) ** 2, None, [[2, 2], [2, 2]]),  # a valley has a floor, too
    ],
)
def test_floor_and_steepest_curvature_are_those_of_calculus(f, floor, hessian):
    bowl = Bowl(f)
    if floor is not None:
        assert bowl.floor == pytest.approx(floor, abs=1e-5)
    assert bowl.least == pytest.approx(1 if floor == (0.25, 0) else 0, abs=1e-8)
    assert bowl.steepest == pytest.approx(np.linalg.eigvalsh(np.array(hessian, dtype=float)).max(), rel=1e-5)


@pytest.mark.parametrize("momentum", [0.0, 0.5, 1.0])
def test_descent_is_torchs_sgd(momentum):
    def f(w):
        return (1 - w[0]) ** 2 / 4 + (w[1] - w[0] ** 2) ** 2

    w = torch.tensor(START, dtype=torch.float64, requires_grad=True)
    optimiser, wanted = torch.optim.SGD([w], lr=0.02, momentum=momentum), [(START, f(w).item())]
    for _ in range(5):
        optimiser.zero_grad()
        f(w).backward()
        optimiser.step()
        wanted.append((tuple(w.tolist()), f(w).item()))
    path, losses = descend(Bowl(f), 0.02, 5, momentum)
    assert path == pytest.approx(np.array([place for place, _ in wanted]))
    assert losses == pytest.approx([loss for _, loss in wanted])


@pytest.mark.parametrize(
    "f, words",
    [
        (lambda u, v: u * v, "no lowest point"), (lambda u, v: u + v, "no lowest point"),
        (lambda u, v: 0 * u * v, "is level at"), (lambda u, v: (u + 1.6) ** 2 + (v - 1.2) ** 2, "is level at"),
        (lambda u, v: torch.exp(-(u**2) - v**2), "no bowl"),
    ],
)  # fmt: skip
def test_what_is_no_bowl_is_refused(f, words):
    with pytest.raises(ValueError, match=words):
        Bowl(f)
