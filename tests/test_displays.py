"""Every displayed formula of a lesson is true: against autograd, differences or a second way, at points that hide nothing."""

import re
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch.func import grad, hessian, jacfwd, jvp, vjp

from course_lib import build

LESSONS = sorted((Path(__file__).resolve().parent.parent / "notebooks").glob("*.ipynb"))
POINT = torch.tensor([0.7, -1.3], dtype=torch.float64)
LOGITS = torch.tensor([0.7, -1.3, 0.4], dtype=torch.float64)
CHECKS = {}  # (lesson, words of the formula): what must hold


def displays(path):
    """The formulas between $$ and $$ in a notebook."""
    text = "\n\n".join(build.source_of(cell) for cell in build.read(path)["cells"] if cell["cell_type"] == "markdown")
    return re.findall(r"\$\$(.+?)\$\$", text, re.S)


def states(lesson, words):
    """Decorator: the function checks the formula of this lesson that contains these words."""

    def add(check):
        CHECKS[lesson, words] = check
        return check

    return add


FORMULAS = [pytest.param(path.stem.split("_")[0], formula, id=f"{path.stem[:3]}-{i}")
            for path in LESSONS for i, formula in enumerate(displays(path))]  # fmt: skip


@pytest.mark.parametrize("lesson, formula", FORMULAS)
def test_a_displayed_formula_has_a_check_of_its_own(lesson, formula):
    assert len([1 for known, words in CHECKS if known == lesson and words in formula]) == 1, formula


@pytest.mark.parametrize("lesson, words", CHECKS)
def test_a_displayed_formula_holds(lesson, words):
    (path,) = [path for path in LESSONS if path.stem.split("_")[0] == lesson]
    assert [formula for formula in displays(path) if words in formula], "the lesson no longer shows this: adapt the check"
    CHECKS[lesson, words]()


def f(x):
    return x[0] * x[1] ** 2 + torch.sin(x[0])


def close(one, other, atol=1e-10):
    torch.testing.assert_close(one, other, rtol=0, atol=atol)


@states("01", "f(a + dx)")
def forecast():
    misses = [abs(torch.exp(POINT + dx) - torch.exp(POINT) - torch.exp(POINT) * dx).max() for dx in (1e-2, 1e-3)]
    assert misses[0] / misses[1] == pytest.approx(100, rel=0.05)  # what is left goes with dx²


@states("01", r"\frac{f(a + h) - f(a - h)}{2h}")
def central_difference():
    h = 1e-5
    close((torch.exp(POINT + h) - torch.exp(POINT - h)) / (2 * h), torch.exp(POINT), atol=1e-9)


@states("02", r"\nabla f = ")
def gradient_is_the_partials():
    u, v = POINT
    close(grad(f)(POINT), torch.stack([v**2 + torch.cos(u), 2 * u * v]))


@states("02", r"\nabla f \cdot d")
def slope_along_a_direction():
    d = torch.tensor([0.6, 0.8], dtype=torch.float64)
    close((f(POINT + 1e-5 * d) - f(POINT - 1e-5 * d)) / 2e-5, grad(f)(POINT) @ d, atol=1e-8)


def three(x):
    return torch.stack([x[0] * x[1], torch.sin(x[0] + x[1] ** 2), x[0] ** 2 - 3 * x[1]])


@states("04", r"v \cdot y")
def weights_make_one_number():
    v = torch.tensor([1.0, -0.5, 2.0], dtype=torch.float64)
    close(vjp(three, POINT)[1](v)[0], grad(lambda x: sum(w * y for w, y in zip(v, three(x), strict=True)))(POINT))


@states("04", r"\langle v,\ J u\rangle")
def adjoint_identity():
    u, v = torch.tensor([0.4, 1.6], dtype=torch.float64), torch.tensor([1.0, -0.5, 2.0], dtype=torch.float64)
    close(v @ jvp(three, (POINT,), (u,))[1], vjp(three, POINT)[1](v)[0] @ u)


@states("05", r"\begin{pmatrix}")
def table_of_a_map():
    a, b = POINT
    c = torch.cos(a + b**2)
    close(jacfwd(three)(POINT), torch.stack([torch.stack([b, a]), torch.stack([c, 2 * b * c]),
                                             torch.stack([2 * a, torch.tensor(-3.0, dtype=torch.float64)])]))  # fmt: skip


@states("05", r"= H v")
def hessian_times_a_vector():
    v = torch.tensor([0.4, 1.6], dtype=torch.float64)
    close(grad(lambda x: grad(f)(x) @ v)(POINT), hessian(f)(POINT) @ v)


@states("06", r"\frac{\partial p_i}{\partial z_j}")
def jacobian_of_softmax():
    p = torch.softmax(LOGITS, 0)
    close(torch.diag(p) - torch.outer(p, p), jacfwd(lambda z: torch.softmax(z, 0))(LOGITS))


@states("06", r"p - \text{onehot}")
def gradient_of_cross_entropy():
    hot = torch.tensor([0.0, 0.0, 1.0], dtype=torch.float64)
    close(torch.softmax(LOGITS, 0) - hot, grad(lambda z: F.cross_entropy(z[None], torch.tensor([2])))(LOGITS))


@states("07", r"\frac{\partial L}{\partial w} = \frac{2}{N}")
def gradient_of_the_line():
    x, y = torch.linspace(-1, 2, 9, dtype=torch.float64), torch.linspace(0.4, -1.3, 9, dtype=torch.float64) ** 2
    by_autograd = grad(lambda p: ((p[0] * x + p[1] - y) ** 2).mean())(POINT)
    off = POINT[0] * x + POINT[1] - y
    close(torch.stack([2 / 9 * (off * x).sum(), 2 / 9 * off.sum()]), by_autograd)


@states("07", r"e_{t} = (1 - \mathrm{lr}\cdot\lambda)^{t}\, e_0")
def errors_shrink_by_a_factor():
    place, curvature, lr = POINT.clone(), torch.tensor([1.7, 0.4], dtype=torch.float64), 0.3
    for _ in range(7):
        place = place - lr * grad(lambda u: (curvature * u * u).sum() / 2)(place)
    close(place, (1 - lr * curvature) ** 7 * POINT)


@states("09", r"\log\cosh x = |x|")
def log_cosh_without_overflow():
    size, two = POINT.abs(), torch.tensor(2.0, dtype=torch.float64)
    close(size + torch.log1p(torch.exp(-2 * size)) - torch.log(two), torch.log(torch.cosh(POINT)))
    close(torch.tanh(POINT), grad(lambda x: torch.log(torch.cosh(x)).sum())(POINT))


@states("09", r"\frac{dx}{da} = \frac{\partial f}{\partial a}")
def slope_of_a_fixed_point():
    def settled(a):
        x = torch.full_like(a, 0.5)
        for _ in range(200):
            x = torch.exp(-a * x)
        return x

    a = torch.tensor(0.8, dtype=torch.float64)
    by_a, by_x = torch.func.grad(lambda a, x: torch.exp(-a * x), argnums=(0, 1))(a, settled(a))
    h = 1e-5
    close(by_a / (1 - by_x), (settled(a + h) - settled(a - h)) / (2 * h), atol=1e-8)
