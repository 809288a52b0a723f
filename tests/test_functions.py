"""A tree becomes a torch function that every kind of derivative goes through, and garbage becomes a TreeError."""

import pytest
import torch
from torch.autograd import forward_ad

from course_lib.functions import UNARY, TorchFunction, TreeError

X = ["x", 0]
SIN_X_SQUARED = ["sin", ["pow", X, ["num", 2]]]
V = torch.tensor([0.7, -1.3], dtype=torch.float64)
SLOPES = 2 * V * torch.cos(V**2)


@pytest.mark.parametrize("op", UNARY)
def test_every_unary_operation_is_the_one_of_torch(op):
    at = torch.tensor([0.3, 0.7], dtype=torch.float64)
    assert torch.equal(TorchFunction([op, X])(at), UNARY[op](at))
    assert torch.equal(TorchFunction([op, ["num", 0.3]])(at), UNARY[op](torch.full_like(at, 0.3)))


@pytest.mark.parametrize(
    "tree, right",
    [
        (["add", X, ["num", 1], X], lambda t: 2 * t + 1),
        (["add", ["num", 1], ["num", 2]], lambda t: 0 * t + 3),
        (["mul", ["num", 3], X, X], lambda t: 3 * t * t),
        (["pow", ["num", 2], X], lambda t: 2**t),
        (["pow", X, ["num", -1]], lambda t: 1 / t),
        (["max", X, ["num", 0]], lambda t: t.clamp(min=0)),
        (["min", ["num", 0], X, ["num", -1]], lambda t: t.clamp(max=-1)),
        (["num", 4], lambda t: torch.full_like(t, 4)),
        ((("neg"), ("x", 0)), lambda t: -t),
    ],
)
def test_every_other_operation(tree, right):
    assert torch.allclose(TorchFunction(tree)(V), right(V))


def test_several_arguments_are_numbered():
    f = TorchFunction(["add", X, ["mul", ["num", -1], ["x", 1]]], arity=2)
    assert f(torch.tensor(5.0), torch.tensor(3.0)) == 2


def test_a_wrong_number_of_arguments_is_told_as_python_would():
    with pytest.raises(TypeError, match="f takes 1 argument, got 2"):
        TorchFunction(X)(V, V)


def test_plain_numbers_are_taken_as_float64():
    assert TorchFunction(X)(0.7).dtype == torch.float64


def by_backward(f):
    leaf = V.clone().requires_grad_()
    f(leaf).sum().backward()
    return leaf.grad


def by_dual_numbers(f):
    with forward_ad.dual_level():
        return forward_ad.unpack_dual(f(forward_ad.make_dual(V, torch.ones_like(V)))).tangent


FOLLOWED = {
    "backward": by_backward,
    "dual numbers": by_dual_numbers,
    "grad": lambda f: torch.func.grad(lambda t: f(t).sum())(V),
    "vmap of grad": lambda f: torch.vmap(torch.func.grad(f))(V),
    "grad of vmap": lambda f: torch.func.grad(lambda t: torch.vmap(f)(t).sum())(V),
    "jvp": lambda f: torch.func.jvp(f, (V,), (torch.ones_like(V),))[1],
    "jacfwd": lambda f: torch.func.jacfwd(f)(V).diagonal(),
    "jacrev": lambda f: torch.func.jacrev(f)(V).diagonal(),
    "jacobian": lambda f: torch.autograd.functional.jacobian(f, V).diagonal(),
}


@pytest.mark.parametrize("way", FOLLOWED)
def test_every_kind_of_derivative_goes_through_and_is_noticed(way):
    f = TorchFunction(SIN_X_SQUARED)
    assert torch.allclose(FOLLOWED[way](f), SLOPES, rtol=1e-12)
    assert (f.calls, f.tracked) == (1, 1)


def inside_a_dual_level(f):
    with forward_ad.dual_level():
        f(V)


def under_no_grad_with_a_constant(f):
    with torch.no_grad():
        f(V)


@pytest.mark.parametrize(
    "run",
    [lambda f: f(V), lambda f: f(0.7), lambda f: torch.vmap(f)(V), inside_a_dual_level, under_no_grad_with_a_constant],
)
def test_a_call_that_nothing_follows_is_counted_but_not_as_tracked(run):
    f = TorchFunction(SIN_X_SQUARED)
    run(f)
    assert (f.calls, f.tracked) == (1, 0)


def test_second_derivatives_go_through():
    curvature = torch.func.grad(torch.func.grad(TorchFunction(["pow", X, ["num", 3]])))
    assert curvature(torch.tensor(0.7)).item() == pytest.approx(4.2)


def nested(depth):
    return X if depth == 0 else ["neg", nested(depth - 1)]


@pytest.mark.parametrize(
    "tree",
    [
        None, 3, "x", [], {}, ["x"], ["x", 1], ["x", -1], ["x", "0"], ["x", 0.5], ["x", True], ["num"], ["num", "1"],
        ["num", None], ["num", 1, 2], ["sin"], ["sin", X, X], ["add"], ["mul"], ["max"], ["pow", X], ["pow", X, X, X],
        ["system", X], [["x", 0]], [None, X], [{}, X], ["sin", 3], ["add", X, "x"], ["add"] + [X] * 500, nested(400),
    ],
    ids=lambda tree: str(tree)[:30],
)  # fmt: skip
def test_garbage_is_a_tree_error(tree):
    with pytest.raises(TreeError):
        TorchFunction(tree)


def test_a_deep_and_a_wide_tree_inside_the_limits_can_be_called():
    assert TorchFunction(nested(100))(V).tolist() == V.tolist()
    assert TorchFunction(["add"] + [X] * 499)(V).tolist() == pytest.approx((499 * V).tolist())


def test_it_shows_no_derivative_and_no_formula():
    f = TorchFunction(SIN_X_SQUARED)
    assert repr(f) == "<function f>"
    assert not any("deriv" in name or "tree" in name for name in vars(f))
