"""Answers to lesson 01 as students write them."""

import math
from typing import NamedTuple

import numpy as np
import sympy
import torch
from torch.autograd import forward_ad, grad

from tests.answers import LEAF, Bank, after, runs

bank = Bank("01")


def leaf_at(a, dtype=torch.float64):
    return torch.tensor(a, dtype=dtype, requires_grad=True)


# --- 1.1 and 1.7: the same slope, in every style ---------------------------------------------------------------------


def by_backward(f, a):
    x = leaf_at(a)
    f(x).backward()
    return x.grad


def by_backward_in_float32(f, a):
    x = torch.tensor(a, requires_grad=True)
    y = f(x)
    y.backward()
    return x.grad


def by_autograd_grad(f, a):
    x = leaf_at(a)
    return grad(f(x), x)[0]


def by_grad_with_graph(f, a):
    x = leaf_at(a)
    (slope,) = grad(f(x), x, create_graph=True)
    return slope


def by_torch_func(f, a):
    return torch.func.grad(f)(torch.tensor(a, dtype=torch.float64))


def by_jacobian(f, a):
    return torch.autograd.functional.jacobian(f, torch.tensor(a, dtype=torch.float64))


def by_jacfwd(f, a):
    return torch.func.jacfwd(f)(torch.tensor(a, dtype=torch.float64))


def by_jvp(f, a):
    one = torch.ones((), dtype=torch.float64)
    return torch.func.jvp(f, (a * one,), (one,))[1]


def by_vjp(f, a):
    y, pull_back = torch.func.vjp(f, torch.tensor(a, dtype=torch.float64))
    return pull_back(torch.ones_like(y))[0]


def by_dual_number(f, a):
    one = torch.ones((), dtype=torch.float64)
    with forward_ad.dual_level():
        return forward_ad.unpack_dual(f(forward_ad.make_dual(a * one, one))).tangent.clone()


def by_vmap_of_grad(f, a):
    return torch.vmap(torch.func.grad(f))(torch.tensor([a], dtype=torch.float64))[0]


def by_vector_of_one(f, a):
    x = torch.tensor([a], dtype=torch.float64, requires_grad=True)
    f(x).sum().backward()
    return x.grad[0]


def by_parameter(f, a):
    x = torch.nn.Parameter(torch.tensor(a, dtype=torch.float64))
    f(x).backward()
    return x.grad


def by_retained_grad(f, a):
    x = leaf_at(a) * 1
    x.retain_grad()
    f(x).backward()
    return x.grad


def with_late_requires_grad(f, a):
    x = torch.tensor(a).double()
    x.requires_grad_()
    f(x).backward()
    return x.grad.clone().detach()


def with_default_dtype_changed(f, a):
    torch.set_default_dtype(torch.float64)
    x = torch.tensor(a, requires_grad=True)
    f(x).backward()
    return x.grad


def with_seed_print_and_threads(f, a):
    torch.manual_seed(0)
    print("slope of", f, "at", a)
    x = torch.tensor(float(a), dtype=torch.double, requires_grad=True)
    y = f(x)
    assert y.requires_grad
    y.backward()
    print(x.grad)
    return x.grad


def with_f_called_twice(f, a):
    x = leaf_at(a)
    print(f(x).item())
    f(x).backward()
    return x.grad


SLOPES = [value for name, value in list(globals().items()) if name.startswith(("by_", "with_"))]
for _slope in SLOPES:
    bank.honest("fix_slope")(_slope)
    bank.honest("slope_at")(_slope)


@bank.honest("slope_at")
def python_float(f, a):
    return by_backward(f, a).item()


@bank.honest("slope_at")
def numpy_scalar(f, a):
    return by_backward(f, a).numpy()[()]


@bank.honest("slope_at")
def numpy_array_without_axes(f, a):
    return by_backward(f, a).numpy()


# --- 1.2 -------------------------------------------------------------------------------------------------------------


@bank.honest("central_diff")
def textbook(f, a, h):
    return (f(a + h) - f(a - h)) / (2 * h)


@bank.honest("central_diff")
def run_measured(f, a, h):
    right, left = a + h, a - h
    return (f(right) - f(left)) / (right - left)


@bank.honest("central_diff")
def mean_of_both_sides(f, a, h):
    return ((f(a + h) - f(a)) / h + (f(a) - f(a - h)) / h) / 2


@bank.honest("central_diff")
def one_call_for_both(f, a, h):
    left, right = f(a + torch.tensor([-h, h], dtype=torch.float64))
    return (right - left) / h / 2


@bank.honest("central_diff")
def without_tracking(f, a, h):
    with torch.no_grad():
        return 0.5 / h * f(a + h) - 0.5 / h * f(a - h)


@bank.honest("central_diff")
def plain_numbers_inside(f, a, h):
    at = a.item()
    return (f(at + h) - f(at - h)) / (2 * h)


@bank.honest("central_diff")
def wrapped_again(f, a, h):
    slope = ((f(a + h) - f(a - h)) / (2 * h)).item()
    return torch.tensor(slope, dtype=torch.float64)


@bank.honest("central_diff")
def still_tracked(f, a, h):
    at = a.clone().requires_grad_()
    return (f(at + h) - f(at - h)) / (2 * h)


# --- 1.3 -------------------------------------------------------------------------------------------------------------


@bank.honest("best_h")
def minimum_with_key(f, fprime, a, dtype):
    point = torch.tensor(a, dtype=dtype)
    return min(
        (10.0**-k for k in range(1, 13)), key=lambda h: abs((f(point + h) - f(point - h)) / (2 * h) - fprime(point))
    )


@bank.honest("best_h")
def loop_with_a_best_so_far(f, fprime, a, dtype):
    best, smallest = None, float("inf")
    x = torch.tensor(a, dtype=dtype)
    for k in range(1, 13):
        h = 10 ** (-k)
        error = torch.abs((f(x + h) - f(x - h)) / h / 2 - fprime(x)).item()
        if error < smallest:
            best, smallest = h, error
    return best


@bank.honest("best_h")
def all_steps_as_one_tensor(f, fprime, a, dtype):
    x, h = torch.tensor(a, dtype=dtype), torch.tensor([10.0**-k for k in range(1, 13)], dtype=dtype)
    return h[((f(x + h) - f(x - h)) / (2 * h) - fprime(x)).abs().argmin()].item()


@bank.honest("best_h")
def tensor_steps_tensor_back(f, fprime, a, dtype):
    x = torch.tensor(a, dtype=dtype)
    steps = [torch.tensor(10.0**-k, dtype=dtype) for k in range(1, 13)]
    errors = [abs((f(x + h) - f(x - h)) / (2 * h) - fprime(x)) for h in steps]
    return steps[int(torch.stack(errors).argmin())]


@bank.honest("best_h")
def measured_against_float64(f, fprime, a, dtype):
    x, true = torch.tensor(a, dtype=dtype), fprime(torch.tensor(a, dtype=torch.float64))
    steps = np.logspace(-1, -12, 12)
    return steps[np.argmin([abs((f(x + h) - f(x - h)).item() / (2 * h) - true.item()) for h in steps])]


@bank.honest("best_h")
def run_measured_for_each_step(f, fprime, a, dtype):
    x = torch.tensor(a, dtype=dtype)

    def error(h):
        right, left = x + h, x - h
        return abs((f(right) - f(left)) / (right - left) - fprime(x)) if right != left else float("inf")

    return min([10**-k for k in range(1, 13)], key=error)


@bank.honest("best_h")
def values_taken_out_first(f, fprime, a, dtype):
    x = torch.tensor(a, dtype=dtype)
    found = {}
    for k in range(1, 13):
        h = 10.0**-k
        found[h] = abs((f(x + h).item() - f(x - h).item()) / (2 * h) - fprime(x).item())
    return min(found, key=found.get)


# --- 1.4 -------------------------------------------------------------------------------------------------------------


@bank.honest("predict_change")
def slope_times_step(f, a, dx):
    return by_backward(f, a).item() * dx


@bank.honest("predict_change")
def float32_slope_times_step(f, a, dx):
    return by_backward_in_float32(f, a) * dx


@bank.honest("predict_change")
def push_forward(f, a, dx):
    at, step = torch.tensor(a, dtype=torch.float64), torch.tensor(dx, dtype=torch.float64)
    return torch.func.jvp(f, (at,), (step,))[1]


@bank.honest("predict_change")
def dx_as_cotangent(f, a, dx):
    x = leaf_at(a)
    f(x).backward(torch.tensor(dx, dtype=torch.float64))
    return float(x.grad)


@bank.honest("predict_change")
def straight_line_minus_start(f, a, dx):
    x = leaf_at(a)
    y = f(x)
    (slope,) = grad(y, x)
    return ((y + slope * dx) - y).item()


# --- 1.5 -------------------------------------------------------------------------------------------------------------


@bank.honest("curve_and_slope")
def sum_and_backward(f, xs):
    x = xs.clone().requires_grad_()
    y = f(x)
    y.sum().backward()
    return y.detach(), x.grad


@bank.honest("curve_and_slope")
def ones_as_gradient(f, xs):
    x = xs.detach().clone().requires_grad_(True)
    y = f(x)
    y.backward(gradient=torch.ones_like(y))
    return [y.detach(), x.grad.detach()]


@bank.honest("curve_and_slope")
def input_itself_tracked(f, xs):
    xs.requires_grad_()
    y = f(xs)
    y.sum().backward()
    return y.detach(), xs.grad.clone()


@bank.honest("curve_and_slope")
def in_float32(f, xs):
    x = xs.float().requires_grad_()
    y = f(x)
    return y.detach(), grad(y.sum(), x)[0]


@bank.honest("curve_and_slope")
def grad_of_a_vector(f, xs):
    x = xs.clone().requires_grad_()
    y = f(x)
    return y.detach(), grad(y, x, torch.ones_like(x))[0]


@bank.honest("curve_and_slope")
def vmap_of_grad(f, xs):
    return f(xs), torch.vmap(torch.func.grad(f))(xs)


@bank.honest("curve_and_slope")
def jvp_along_ones(f, xs):
    return torch.func.jvp(f, (xs,), (torch.ones_like(xs),))


@bank.honest("curve_and_slope")
def diagonal_of_the_jacobian(f, xs):
    return f(xs), torch.autograd.functional.jacobian(f, xs).diagonal()


@bank.honest("curve_and_slope")
def ready_for_matplotlib(f, xs):
    x = xs.clone().requires_grad_()
    y = f(x)
    y.sum().backward()
    return y.detach().numpy(), x.grad.numpy()


# --- 1.6 -------------------------------------------------------------------------------------------------------------


@bank.honest("nth_derivative")
def loop_of_grads(f, a, n):
    x = leaf_at(a)
    y = f(x)
    for _ in range(n):
        (y,) = grad(y, x, create_graph=True)
    return y


@bank.honest("nth_derivative")
def loop_in_float32(f, a, n):
    x = torch.tensor(a, requires_grad=True)
    y = f(x)
    for _ in range(n):
        y = grad(y, x, create_graph=True)[0]
    return y.detach()


@bank.honest("nth_derivative")
def nested_torch_func(f, a, n):
    for _ in range(n):
        f = torch.func.grad(f)
    return f(torch.tensor(a, dtype=torch.float64))


@bank.honest("nth_derivative")
def nested_forward_mode(f, a, n):
    for _ in range(n):
        f = torch.func.jacfwd(f) if n < 4 else torch.func.grad(f)  # four or more forward modes take seconds
    return f(torch.tensor(a, dtype=torch.float64))


@bank.honest("nth_derivative")
def recursion(f, a, n):
    def derivative(g):
        def slope(x):
            return grad(g(x), x, create_graph=True)[0]

        return slope

    return f(leaf_at(a)) if n == 0 else recursion(derivative(f), a, n - 1)


@bank.honest("nth_derivative")
def backward_with_grad_cleared(f, a, n):
    x = leaf_at(a)
    y = f(x)
    for _ in range(n):
        x.grad = None
        y.backward(create_graph=True)
        y = x.grad
    return y


# --- 1.8 -------------------------------------------------------------------------------------------------------------


def slope_and_curvature(f, at, dtype=torch.float64):
    x = torch.tensor(at, dtype=dtype, requires_grad=True)
    (first,) = grad(f(x), x, create_graph=True)
    return first, grad(first, x)[0]


@bank.honest("newton_min")
def floats_in_a_loop(f, a0, steps):
    x = a0
    for _ in range(steps):
        first, second = slope_and_curvature(f, x)
        if second <= 0:
            raise ValueError("no valley here")
        x = x - first.item() / second.item()
    return x


@bank.honest("newton_min")
def everything_in_float32(f, a0, steps):
    x = torch.tensor(a0, requires_grad=True)
    for _ in range(steps):
        (first,) = grad(f(x), x, create_graph=True)
        (second,) = grad(first, x)
        if second.item() <= 0:
            raise ValueError(f"curvature is {second.item()}")
        x = (x - first / second).detach().requires_grad_()
    return x.item()


@bank.honest("newton_min")
def nested_grads_tensor_back(f, a0, steps):
    x = torch.tensor(a0, dtype=torch.float64)
    first, second = torch.func.grad(f), torch.func.grad(torch.func.grad(f))
    for _ in range(steps):
        if not second(x) > 0:
            raise ValueError
        x = x - first(x) / second(x)
    return x


@bank.honest("newton_min")
def one_leaf_moved_in_place(f, a0, steps):
    x = leaf_at(a0)
    for _ in range(steps):
        x.grad = None
        f(x).backward(create_graph=True)
        first = x.grad
        second = grad(first, x)[0]
        if not second > 0:
            raise ValueError("bends down")
        with torch.no_grad():
            x -= first / second
    return x.item()


@bank.honest("newton_min")
def graph_never_cut(f, a0, steps):
    x = leaf_at(a0)
    for _ in range(steps):
        first = grad(f(x), x, create_graph=True)[0]
        second = grad(first, x, create_graph=True)[0]
        if second <= 0:
            raise ValueError("bends down")
        x = x - first / second
    return float(x)


@bank.honest("newton_min")
def recursion_to_the_minimum(f, a0, steps):
    if steps == 0:
        return a0
    first, second = slope_and_curvature(f, a0)
    if second <= 0:
        raise ValueError("f″ ≤ 0")
    return recursion_to_the_minimum(f, (a0 - first / second).item(), steps - 1)


# --- wrong answers that no mistake covers ----------------------------------------------------------------------------


@bank.slip("slope_at", "within a few percent")
def rounded_slope(f, a):
    return round(by_backward(f, a).item(), 2)


@bank.slip("central_diff", "within a few percent")
def half_the_step_on_both_sides(f, a, h):
    return (f(a + h / 2) - f(a - h / 2)) / h


@bank.slip("central_diff", "the line through both points")
def slope_by_autograd(f, a, h):
    return torch.func.grad(f)(a)


@bank.slip("best_h", "a step is one of 0.1")
def exponent_of_the_step(f, fprime, a, dtype):
    return round(-math.log10(minimum_with_key(f, fprime, a, dtype)))


@bank.slip("best_h", "a step is one of 0.1")
def cube_root_of_the_unit(f, fprime, a, dtype):
    return torch.finfo(dtype).eps ** (1 / 3)


@bank.slip("predict_change", "the predicted change is")
def step_without_its_sign(f, a, dx):
    return by_backward(f, a).item() * abs(dx)


class Curve(NamedTuple):
    heights: torch.Tensor
    slopes: torch.Tensor


@bank.honest("curve_and_slope")
def as_a_named_tuple(f, xs):
    x = xs.detach().clone().requires_grad_()
    y = f(x)
    y.backward(torch.ones_like(y))
    return Curve(heights=y.detach(), slopes=x.grad)


@bank.honest("curve_and_slope")
def one_table_of_two_rows(f, xs):
    y, slopes = torch.func.jvp(f, (xs,), (torch.ones_like(xs),))
    return torch.stack([y, slopes])


@bank.slip("curve_and_slope", "the height is")
def sorted_first(f, xs):
    return sum_and_backward(f, xs.sort().values)


@bank.slip("newton_min", "a ValueError, because f″ is negative at the start")
def curvature_looked_at_too_late(f, a0, steps):
    for _ in range(steps):
        first, second = slope_and_curvature(f, a0)
        a0 = (a0 - first / second).item()
    if second <= 0:
        raise ValueError("bends down")
    return a0


@bank.slip("newton_min", "a ValueError, because f″ is negative at the start")
def none_on_a_hill(f, a0, steps):
    try:
        return floats_in_a_loop(f, a0, steps)
    except ValueError:
        return None


@bank.slip("slope_at", "by itself", named="by-itself")
def walked_back_from_the_leaf(f, a):
    leaf = torch.tensor(a, requires_grad=True)
    f(leaf)
    leaf.backward()
    return leaf.grad.item()


@bank.slip("fix_slope", "by itself", named="by-itself")
def gradient_of_a_new_result(f, a):
    leaf = torch.tensor(a, requires_grad=True)
    y = torch.tensor(f(leaf).item(), requires_grad=True)
    y.backward()
    return y.grad


@bank.slip("newton_min", "ValueError")
def looks_after_the_last_step_too(f, a0, steps):
    first = torch.func.grad(f)
    second, at = torch.func.grad(first), torch.tensor(a0, dtype=torch.float64)
    for step in range(steps + 1):
        if second(at) <= 0:
            raise ValueError("f bends down")
        at = at - first(at) / second(at) if step < steps else at
    return at.item()


@bank.slip("newton_min", "the place after these steps is")
def one_step_too_many(f, a0, steps):
    return floats_in_a_loop(f, a0, steps + 1)


# --- hints and questions ---------------------------------------------------------------------------------------------

bank.hide("slope_at", r"\.backward\(\)\s*;")
bank.hide("central_diff", r"\(f\(a ?\+ ?h\) ?[-−] ?f\(a ?[-−] ?h\)\) ?/")
bank.hide("best_h", r"return min\(")
bank.hide("predict_change", r"slope_at\(f, a\) \* dx")
bank.hide("nth_derivative", r"return y\b")
bank.hide("newton_min", r"first ?/ ?second")

X = sympy.Symbol("x")


def leaf_and_two_results():
    x = torch.tensor(0.7, requires_grad=True)
    y = x * x
    z = y + 1
    z.backward()
    return {"z": z, "y": y, "x": x}


bank.computed = {
    "01-recall-shape": lambda: (torch.ones(3, 1) + torch.ones(4)).numel(),
    "01-recall-dtype": lambda: str(torch.tensor(0.7).dtype).removeprefix("torch."),
    "01-recall-grad": lambda: str(after(LEAF).x.grad),
    "01-recall-line": lambda: (8 - 2) / (3 - 1),
    "01-recall-power": lambda: sympy.diff(X**3, X).subs(X, 2),
    "01-slope": lambda: after(LEAF, "y = x**2", "y.backward()").x.grad.item(),
    "01-twice": lambda: after(
        "x = torch.tensor(2.0, requires_grad=True)", *2 * ("y = x**2", "y.backward()")
    ).x.grad.item(),
    "01-typo": lambda: runs("x = torch.tensor(0.7)", "x.require_grad = True", "y = x**2", "y.backward()"),
    "01-late-flag": lambda: runs("x = torch.tensor(0.7)", "y = x**2", "x.requires_grad_()", "y.backward()"),
    "01-zero": lambda: runs(LEAF, "x.grad.zero_()"),
    "01-tiny-h": lambda: ((torch.tensor(1.3) + 1e-8).sin() - torch.tensor(1.3).sin()).item() / 1e-8,
    "01-equal": lambda: (
        after("x = torch.tensor(0.1, requires_grad=True)", "y = x**3", "y.backward()").x.grad == 0.03
    ).item(),
    "01-constant": lambda: sympy.diff(3 * X**2, X) != 6 * X,
    "01-flat": lambda: all((t**3 >= 0) for t in (-0.1, 0.1)),  # x³ is flat at 0 and falls below 0 on the left
    "01-corner": lambda: torch.func.grad(torch.relu)(torch.tensor(0.0)).item(),
    "01-second": lambda: after(
        LEAF, "y = x**3", "y.backward(create_graph=True)", "x.grad.backward()"
    ).x.grad.item(),
    "01-fill-power": lambda: sympy.diff(2 * X**3 + X, X).subs(X, 1),
    "01-fill-forward": lambda: (3.1**3 - 3**3) / 0.1,
    "01-fill-central": lambda: (3.1**3 - 2.9**3) / (3.1 - 2.9),
    "01-exit-meaning": lambda: 10 - 2 * 0.1,
    "01-exit-central": lambda: 0.04 / 2**2,
    "01-exit-where": lambda: next(
        name for name, tensor in leaf_and_two_results().items() if tensor.is_leaf and tensor.grad is not None
    ),
}  # fmt: skip
