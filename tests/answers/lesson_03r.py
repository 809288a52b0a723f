"""Answers to Review A as students write them."""

import math

import numpy as np
import torch

from tests.answers import Bank, after, runs

bank = Bank("03r")

bank.value("review_a_methods", ["difference", "backward", "autograd.grad", "detach", "no_grad", "formula"])
bank.value("review_a_methods", ["difference", "backward()", "torch.autograd.grad", ".detach()", "torch.no_grad()", "formula"])
bank.value("review_a_methods", ("Difference", "BACKWARD", "autograd.grad ", "detach", "no_grad", "formula"))


# --- the second difference -------------------------------------------------------------------------------------------


@bank.honest("second_difference")
def three_values(f, a, h):
    left, middle, right = (f(torch.tensor(t, dtype=torch.float64)).item() for t in (a - h, a, a + h))
    return (right - 2 * middle + left) / h**2


@bank.honest("second_difference")
def three_values_at_once(f, a, h):
    y = f(torch.tensor([a - h, a, a + h], dtype=torch.float64))
    print(y)
    return (y[0] - 2 * y[1] + y[2]) / (h * h)


@bank.honest("second_difference")
def slope_of_slopes(f, a, h):
    x = torch.tensor(a, dtype=torch.double)
    right, left = (f(x + h) - f(x)) / h, (f(x) - f(x - h)) / h
    return float((right - left) / h)


@bank.honest("second_difference")
def numpy_scalar(f, a, h):
    values = [float(f(torch.tensor(a + k * h, dtype=torch.float64))) for k in (-1, 0, 1)]
    return np.dot(values, [1.0, -2.0, 1.0]) / np.float64(h) ** 2


@bank.slip("second_difference", "", named="A3")
def steps_of_one_h(f, a, h):
    x = torch.tensor(a, dtype=torch.float64)
    return ((f(x + h) - f(x)) - (f(x) - f(x - h))).item() / h


# --- frozen entries --------------------------------------------------------------------------------------------------


@bank.honest("gradient_with_frozen")
def zeros_written_in(f, x, frozen):
    leaf = x.detach().clone().requires_grad_()
    f(leaf).backward()
    gradient = leaf.grad
    for i in frozen:
        gradient[i] = 0
    return gradient


@bank.honest("gradient_with_frozen")
def held_with_detach(f, x, frozen):
    leaf = x.clone().requires_grad_()
    held = torch.stack([leaf[i].detach() if i in frozen else leaf[i] for i in range(len(x))])
    (gradient,) = torch.autograd.grad(f(held), leaf)
    return gradient


@bank.honest("gradient_with_frozen")
def masked_torch_func(f, x, frozen):
    mask = torch.ones_like(x)
    mask[frozen] = 0.0
    return torch.func.grad(f)(x) * mask


@bank.honest("gradient_with_frozen")
def where_the_mask_says(f, x, frozen):
    free = torch.tensor([i not in frozen for i in range(len(x))])
    leaf = x.detach().clone().requires_grad_()
    y = f(torch.where(free, leaf, leaf.detach()))
    y.backward()
    return leaf.grad


@bank.slip("gradient_with_frozen", "", named="nothing-frozen")
def frozen_forgotten(f, x, frozen):
    return torch.func.grad(f)(x)


# --- three functions deep --------------------------------------------------------------------------------------------


@bank.honest("nested_slope")
def one_line(x):
    return -2 * x * math.cos(x**2) * math.exp(-math.sin(x**2))


@bank.honest("nested_slope")
def step_by_step(x):
    a = x * x
    b = math.sin(a)
    c = -b
    y = math.exp(c)
    slope = y
    slope *= -1
    slope *= math.cos(a)
    slope *= 2 * x
    return slope


@bank.honest("nested_slope")
def with_numpy(x):
    return -np.exp(-np.sin(x**2)) * np.cos(x**2) * 2 * x


@bank.honest("nested_slope")
def with_torch_but_by_hand(x):
    x = torch.tensor(x)
    a = x**2
    return torch.exp(-torch.sin(a)) * -torch.cos(a) * 2 * x


@bank.slip("nested_slope", "", named="sign")
def plus_in_the_exponent_forgotten(x):
    return 2 * x * math.cos(x**2) * math.exp(-math.sin(x**2))


bank.hide("second_difference", r"right - 2 \* middle")
bank.hide("gradient_with_frozen", r"return leaf\.grad")
bank.hide("nested_slope", r"math\.exp")

LEAF = "x = torch.tensor(0.7, requires_grad=True)"
bank.computed = {
    "03r-slope": lambda: math.sin(-1.3) * 0.6 + 0.7 * math.cos(-1.3) * 0.8,
    "03r-path": lambda: min(
        {"∂z/∂u": math.sin(0.49), "∂z/∂u + ∂z/∂v": math.sin(0.49) + 0.7 * math.cos(0.49),
         "∂z/∂u + ∂z/∂v · 2u": math.sin(0.49) + 0.7 * math.cos(0.49) * 1.4}.items(),
        key=lambda one: abs(one[1] - (0.7001 * math.sin(0.7001**2) - 0.6999 * math.sin(0.6999**2)) / 0.0002),
    )[0],
    "03r-mix-1": lambda: 3.0**2 * 0.1,
    "03r-mix-2": lambda: after("x = torch.tensor(3.0, requires_grad=True); (x * x.detach() + x).backward()").x.grad.item(),
    "03r-mix-3": lambda: after(
        f"{LEAF}; y = x**3; y.backward(retain_graph=True); once = x.grad.item(); y.backward(); ratio = x.grad.item() / once"
    ).ratio,
    "03r-mix-4": lambda: abs((math.sin(0.7 + 1e-12) - math.sin(0.7 - 1e-12)) / 2e-12 - math.cos(0.7)) < 1e-6,
    "03r-mix-5": lambda: after(
        "x = torch.tensor([1.0, 2.0], requires_grad=True); x.double().sum().backward()"
    ).x.grad.sum().item(),
    "03r-exit-1": lambda: after(
        "x = torch.tensor(0.0, requires_grad=True); torch.exp(2 * x).backward()"
    ).x.grad.item(),
    "03r-exit-2": lambda: all(value > 0 for value in (3.0, -0.1)),
    "03r-exit-3": lambda: runs("x = torch.tensor(0.7); y = x**2; x.requires_grad_(); y.backward()"),
}
bank.told = {"03r-exact": "the lesson compares the four in its own cell"}


@bank.slip("second_difference", "float32", named="single-precision")
def slopes_in_float32(f, a, h):
    left, middle, right = (f(torch.tensor(value)) for value in (a - h, a, a + h))
    return (((right - middle) / h - (middle - left) / h) / h).item()


@bank.slip("second_difference", "at a − h, a and a + h", named="step-doubled")
def central_twice(f, a, h):
    def slope(at):
        right, left = (f(torch.tensor(value, dtype=torch.float64)) for value in (at + h, at - h))
        return (right - left) / (2 * h)

    return ((slope(a + h) - slope(a - h)) / (2 * h)).item()
