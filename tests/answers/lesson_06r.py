"""Answers to Review B as students write them."""

import math

import numpy as np
import sympy
import torch
from torch.autograd import functional, grad
from torch.func import jacrev, jvp, vjp, vmap

from tests.answers import Bank

bank = Bank("06r")

bank.value("review_b_methods", ["backward", "jacfwd", "jacrev", "jvp", "hvp", "vjp"])
bank.value("review_b_methods", ("Backward", "jacfwd", "jacrev ", "JVP", "hvp", "autograd.grad"))


bank.value("review_b_methods", {"A": "backward()", "B": "torch.func.jacfwd", "C": "jacrev", "D": "jvp", "E": "hvp", "F": "vjp"})


def leaf_at(x):
    return x.detach().clone().requires_grad_()


@bank.honest("curvature_along")
def two_walks(f, x, d):
    leaf = leaf_at(x)
    g = grad(f(leaf), leaf, create_graph=True)[0]
    return (grad(g @ d, leaf)[0] * d).sum()


@bank.honest("curvature_along")
def along_a_line(f, x, d):
    t = torch.zeros((), dtype=x.dtype, requires_grad=True)
    (first,) = grad(f(x + t * d), t, create_graph=True)
    return grad(first, t)[0]


@bank.honest("curvature_along")
def forward_over_reverse(f, x, d):
    return d @ jvp(torch.func.grad(f), (x,), (d,))[1]


@bank.honest("curvature_along")
def library_hvp(f, x, d):
    return functional.hvp(f, x, d)[1] @ d


@bank.honest("curvature_along")
def twice_func_grad(f, x, d):
    line = torch.func.grad(lambda t: f(x + t * d))
    return torch.func.grad(line)(torch.zeros((), dtype=x.dtype)).item()


@bank.slip("curvature_along", "Curvature is how fast", named="A14")
def directional_slope_squared(f, x, d):
    return jvp(f, (x,), (d,))[1] ** 2


@bank.slip("curvature_along", "does not require grad")
def without_a_graph(f, x, d):
    leaf = leaf_at(x)
    (g,) = grad(f(leaf), leaf)
    return d @ grad(g @ d, leaf)[0]


@bank.honest("row_gradients")
def two_weightings(f, X):
    leaf = leaf_at(X)
    y = f(leaf)
    g = grad(y.sum(), leaf, retain_graph=True)[0]
    w = torch.arange(1, len(X) + 1, dtype=X.dtype)
    if not torch.allclose(grad(y @ w, leaf)[0], g * w[:, None], atol=1e-10):
        raise ValueError("rows interact")
    return g


@bank.honest("row_gradients")
def all_blocks(f, X):
    J = functional.jacobian(f, X)
    own = torch.stack([J[i, i] for i in range(len(X))])
    J[range(len(X)), range(len(X))] = 0
    if J.abs().max() > 1e-9:
        raise ValueError
    return own


@bank.honest("row_gradients")
def one_row_after_the_other(f, X):
    rows = []
    for i in range(len(X)):
        leaf = leaf_at(X)
        f(leaf)[i].backward()
        others = [j for j in range(len(X)) if j != i]
        if not (leaf.grad[others] == 0).all():
            raise ValueError(f"row {i} depends on others")
        rows.append(leaf.grad[i])
    return torch.stack(rows)


@bank.honest("row_gradients")
def unit_weights_at_once(f, X):
    _, pull = vjp(f, X)
    J = vmap(pull)(torch.eye(len(X), dtype=X.dtype))[0]
    if (J - torch.diag_embed(torch.ones(len(X), dtype=X.dtype))[:, :, None] * J).abs().sum() > 1e-9:
        raise ValueError
    return torch.einsum("iin->in", J)


@bank.slip("row_gradients", "nobody notices", named="D3")
def sum_and_backward(f, X):
    leaf = leaf_at(X)
    f(leaf).sum().backward()
    return leaf.grad


@bank.slip("row_gradients", "look at the first number", named="one-row-moved")
def first_number_walked_back(f, X):
    x = X.detach().clone().requires_grad_()
    y = f(x)
    (first,) = torch.autograd.grad(y[0], x, retain_graph=True)
    if first[1:].abs().max() > 1e-9:
        raise ValueError("rows touch")
    return torch.autograd.grad(y.sum(), x)[0]


@bank.slip("row_gradients", "mixes the rows", named="D3")
def last_row_alone_tested_for_zero(f, X):
    leaf = leaf_at(X)
    f(leaf).sum().backward()
    if (leaf.grad == 0).all():
        raise ValueError
    return leaf.grad


@bank.honest("softmax_vjp")
def rule(g, z):
    p = torch.softmax(z, -1)
    return g * p - p * torch.dot(g, p)


@bank.honest("softmax_vjp")
def walked_back(g, z):
    leaf = leaf_at(z)
    torch.softmax(leaf, 0).backward(g)
    return leaf.grad


@bank.honest("softmax_vjp")
def with_the_table(g, z):
    p = torch.softmax(z, 0)
    return g @ (torch.diag(p) - torch.outer(p, p))


@bank.honest("softmax_vjp")
def with_numpy(g, z):
    e = np.exp(z.numpy() - z.numpy().max())
    p = e / e.sum()
    return torch.from_numpy(p * (g.numpy() - (g.numpy() * p).sum()))


@bank.honest("softmax_vjp")
def by_jacrev(g, z):
    return jacrev(lambda z: torch.softmax(z, 0))(z).T @ g


@bank.slip("softmax_vjp", "no logarithm follows", named="log-softmax")
def backward_of_log_softmax(g, z):
    leaf = leaf_at(z)
    torch.log_softmax(leaf, 0).backward(g)
    return leaf.grad


@bank.slip("softmax_vjp", "larger there")
def sum_counted_twice(g, z):
    p = torch.softmax(z, 0)
    return 0.3 * p * (g - g @ p)


bank.hide("curvature_along", r"return |d @ ")
bank.hide("row_gradients", r"return ")
bank.hide("softmax_vjp", r"p \* \(g - ")


def softmax_of_the_sum():
    z = sympy.symbols("z0:3")
    total = sum(sympy.exp(one) for one in z)
    everything = sum(sympy.exp(one) / total for one in z)
    at = dict(zip(z, map(math.log, (0.6, 0.3, 0.1)), strict=True))
    return float(sympy.diff(everything, z[0]).subs(at))


def rows_of_a_softmax_over_the_batch_are_independent():
    J = functional.jacobian(lambda X: torch.softmax(X[:, 0], 0) * X[:, 0], torch.tensor([[0.7], [0.4], [-0.9]]))
    return bool((J[0, 1:] == 0).all())


def error_of_a_central_difference(h):
    return abs((math.exp(0.7 + h) - math.exp(0.7 - h)) / (2 * h) - math.exp(0.7))


def walks_for_a_table(inputs, outputs):
    """How many vectors v the rows of J are, for a linear map that has them all different."""
    W = torch.arange(float(inputs * outputs)).reshape(outputs, inputs)
    pull = vjp(lambda x: W @ x, torch.ones(inputs))[1]
    return len({tuple(pull(v)[0].tolist()) for v in torch.eye(outputs)})


def two_walks_into_one_grad():
    x = sympy.Symbol("x")
    return float(sum(sympy.diff(x**3, x, order).subs(x, 3) for order in (1, 2)))


def loss_of_the_review(x0, x1):
    """−log of the first of three softmax outputs, as a SymPy expression."""
    scores = x0 * x1, sympy.sin(x0), x1**2
    return sympy.log(sum(map(sympy.exp, scores))) - scores[0]


def curvature_of_the_review():
    t = sympy.Symbol("t")
    walked = loss_of_the_review(sympy.Rational(7, 10) + t, sympy.Rational(-13, 10) - t / 2)
    return float(sympy.diff(walked, t, 2).subs(t, 0))


def which_shape(shape):
    f, x = (lambda x: x[:3] * x[3]), torch.ones(4)
    return tuple(x.shape) if jvp(f, (x,), (torch.ones(shape),))[1].shape == (3,) else None


def best_step_in_float32():
    x = np.float32(1.3)
    off = {h: abs((np.sin(x + np.float32(h)) - np.sin(x - np.float32(h))) / np.float32(2 * h) - np.cos(1.3))
           for h in (0.1, 0.01, 1e-7)}  # fmt: skip
    return f"{min(off, key=off.get):g}"


bank.computed = {
    "06r-mix-1": lambda: which_shape(4),
    "06r-mix-2": lambda: 0.004 * error_of_a_central_difference(0.01) / error_of_a_central_difference(0.02),
    "06r-mix-3": lambda: torch.func.grad(lambda x: 5 * torch.relu(x - 3))(torch.tensor(2.0)).item(),
    "06r-mix-4": lambda: np.array([1, 2]) @ np.array([[2, 0], [0, -1]]) @ np.array([1, 2]),
    "06r-mix-5": lambda: torch.func.grad(lambda x: x * x * (x * x).detach())(torch.tensor(3.0)).item(),
    "06r-wide": lambda: walks_for_a_table(500, 2),
    "06r-sum": softmax_of_the_sum,
    "06r-fill-pull": lambda: 0.5 * 1 - 0.5 * np.dot([0.5, 0.3, 0.2], [1, 0, 2]),
    "06r-far": lambda: "NaN" if math.isnan(math.inf / (math.inf + 1)) else "1",
    "06r-twice": two_walks_into_one_grad,
    "06r-fill-curvature": lambda: np.dot([0.4486, -2.2673], [1, -0.5]),
    "06r-which": lambda: "hvp" if 2 * 10**6 < (10**6) ** 2 else "hessian",
    "06r-rows": rows_of_a_softmax_over_the_batch_are_independent,
    "06r-flat": lambda: "(3, −4)" if np.array([4, 3]) @ np.array([3, -4]) == 0 else "another",
    "06r-paths": lambda: len(["x·", "·x", "sin"]),
    "06r-step": best_step_in_float32,
    "06r-exit-1": softmax_of_the_sum,
    "06r-exit-2": lambda: len(vjp(torch.sin, torch.ones(1000))[1](torch.ones(1000))),
    "06r-exit-3": lambda: "probabilities" if abs(math.log(1 + 1 / math.e) - 0.31) < 0.005 else "logits",
}
