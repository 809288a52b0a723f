"""Exercises 9.6 and 9.7 of lesson 09: a backward that can be differentiated, and a slope without a formula for x."""

import math

import numpy as np
import torch

from course_lib.keys.custom import (
    add_usual_mistakes,
    advise_on_saving,
    demand_gradcheck,
    demand_gradient,
    demand_own_backward,
    demand_second,
    lesson,
    result_of,
)
from course_lib.keys.sensitivity import numbers_off_zero

# --- 9.6 -------------------------------------------------------------------------------------------------------------


@lesson.exercise(
    number="9.6", title="A cube for f″", signature="(torch.autograd.Function): apply(x: Tensor[n]) -> Tensor[n]",
    kind="class", points=3, minutes=12, section="09e", rechecks=("fix_second_derivative", "hvp_at"),
    hints=(
        "Autograd can differentiate your backward, if it is computed from tensors that it follows. Which tensors are followed in "
        "backward, and which in forward?",
        "Inside forward nothing is recorded. A slope that is computed there arrives in backward as a bare number.",
        "Save x itself, and compute 3x²·g in backward with ordinary tensor operations: no detach, no no_grad.",
    ),
)
def CubeFn(ask):  # noqa: N802
    """x³ whose backward can be differentiated."""
    x, g, w = (numbers_off_zero(ask.rng, 4) for _ in range(3))
    with ask.part("x³ forward, and the right gradient for any g", 2):
        ask.using(result_of, x).equals(x**3, "the cube")
        demand_gradient(ask, x, g, 3 * x**2 * g)
        demand_own_backward(ask, x)
        demand_gradcheck(ask, x)
    with ask.part("the second derivative, by x and by g", 4):
        demand_second(ask, x, g, w, 6 * x * g * w, 3 * x**2 * w)
        one = np.ones(2)
        demand_second(ask, x[:2].copy(), one, one, 6 * x[:2], 3 * x[:2] ** 2)
        advise_on_saving(ask, x, g, 3 * x**2 * g)


class _Cube(torch.autograd.Function):
    """What the wrong cubes share: a right forward."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x**3


add_usual_mistakes(CubeFn, _Cube)


@CubeFn.mistake("C5")
class SlopeSaved(_Cube):
    """The gradient is right, and f″ is lost: 3x² was computed where autograd does not look (in forward, or from a detached x).
    Save x, and compute the slope in backward."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(3 * x**2)
        return x**3

    @staticmethod
    def backward(ctx, g):
        return g * ctx.saved_tensors[0]


@CubeFn.mistake("C5-off")
class NothingRecorded(_Cube):
    """The gradient is right, and it cannot be differentiated again: no_grad or once_differentiable keeps autograd from
    recording your backward."""

    @staticmethod
    def backward(ctx, g):
        with torch.no_grad():
            return g * 3 * ctx.saved_tensors[0] ** 2


@CubeFn.mistake("C6")
class SecondForFirst(_Cube):
    """Your backward returns 6x·g, the second derivative. backward is the first one, 3x²·g; autograd makes the second out of
    it."""

    @staticmethod
    def backward(ctx, g):
        return g * 6 * ctx.saved_tensors[0]


@CubeFn.mistake("C6-added")
class FirstAndSecond(_Cube):
    """Your backward adds f″ to f′. backward is 3x²·g alone; the second derivative comes from differentiating it."""

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return g * (3 * x**2 + 6 * x)


@CubeFn.mistake("D10")
class IgnoresG(_Cube):
    """Your backward returns 3x² and ignores g. Multiply what arrives with the local derivative."""

    @staticmethod
    def backward(ctx, g):
        return 3 * ctx.saved_tensors[0] ** 2


@CubeFn.mistake("F20")
class FactorLost(_Cube):
    """The factor 3 is missing: the slope of x³ is 3x²."""

    @staticmethod
    def backward(ctx, g):
        return g * ctx.saved_tensors[0] ** 2


@CubeFn.mistake("power")
class ExponentKept(_Cube):
    """You return 3x³·g. The exponent goes down by one as it comes to the front: 3x²."""

    @staticmethod
    def backward(ctx, g):
        return g * 3 * ctx.saved_tensors[0] ** 3


@CubeFn.mistake("power-low")
class ExponentTooLow(_Cube):
    """You return 3x·g. The slope of x³ is 3x²."""

    @staticmethod
    def backward(ctx, g):
        return g * 3 * ctx.saved_tensors[0]


@CubeFn.mistake("g-cut")
class ArrivingCut(_Cube):
    """The gradient is right, and so is its derivative by x; but g was cut off its graph, so nothing leads back to what arrived.
    Use g itself, without detach or .data."""

    @staticmethod
    def backward(ctx, g):
        return g.detach() * 3 * ctx.saved_tensors[0] ** 2


@CubeFn.mistake("saved-tuple")
class TupleNotOpened(_Cube):
    """ctx.saved_tensors is a tuple, also when it holds one tensor: open it with `(x,) = ctx.saved_tensors`."""

    @staticmethod
    def backward(ctx, g):
        x = ctx.saved_tensors
        return g * 3 * x**2


# --- 9.7 -------------------------------------------------------------------------------------------------------------


def fixed_point(a):
    """x with x = cos(a·x), by bisection: cos(a·x) − x falls from 0 to 1."""
    low, high = -1.0, 1.0
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (middle, high) if math.cos(a * middle) > middle else (low, middle)
    return low


def slope_of_fixed_point(a, h=1e-5):
    """dx/da by differences of the bisected x, refined once: it knows no formula."""
    wide, narrow = ((fixed_point(a + k) - fixed_point(a - k)) / (2 * k) for k in (20 * h, 10 * h))
    return (4 * narrow - wide) / 3


@lesson.exercise(
    number="9.7", title="The slope of a fixed point", signature="(a: float) -> float", points=3, minutes=14, section="09f",
    rechecks=("total_vs_partial", "grad_by_paths"),
    hints=(
        "x = cos(a·x) holds for every a, with an x that belongs to it. If a moves a little, along which two ways does the right "
        "side move?",
        "Differentiate both sides by a: dx/da on the left; on the right one path through a itself and one through x, which "
        "carries dx/da again. Add the two, and solve for dx/da.",
        "Iterate a few hundred times. Then the direct path, −x·sin(a·x), divided by one minus the slope of cos(a·x) by x.",
    ),
)
def implicit_slope(ask):
    """dx/da at x = cos(a·x), by differentiating both sides."""
    with ask.part("the slope at six a"):
        for low, high in ((0.3, 0.5), (0.7, 0.9), (1.14, 1.19)):
            for side in (1, -1):
                a = round(side * ask.rng.uniform(low, high), 3)
                ask(a).equals(slope_of_fixed_point(a), "dx/da")


implicit_slope.sort_lines(
    "x = 0.7",
    "for _ in range(500):",
    "    x = math.cos(a * x)",
    "direct = -x * math.sin(a * x)",
    "through_x = -a * math.sin(a * x)",
    "return direct / (1 - through_x)",
    lures={"A10": "return direct", "denominator-sign": "return direct / (1 + through_x)"},
)


@implicit_slope.mistake("A10")
def direct_path_only(a):
    """You followed a into cos(a·x) and held x still. x moves with a too: there is a second path, and it carries dx/da again."""
    x = fixed_point(a)
    return -x * math.sin(a * x)


@implicit_slope.mistake("denominator-sign")
def sign_below(a):
    """Below the line a sign is wrong. dx/da = direct + through·dx/da gives direct/(1 − through), and through = −a·sin(a·x)."""
    x = fixed_point(a)
    return -x * math.sin(a * x) / (1 - a * math.sin(a * x))


@implicit_slope.mistake("sign")
def sign_above(a):
    """The size is right, the sign is not: cos falls, so its slope is −sin."""
    x = fixed_point(a)
    return x * math.sin(a * x) / (1 + a * math.sin(a * x))


@implicit_slope.mistake("A7")
def inner_factor_lost(a):
    """The inner factor is missing above the line: by a, the inside a·x changes at the rate x."""
    x = fixed_point(a)
    return -math.sin(a * x) / (1 + a * math.sin(a * x))


@implicit_slope.mistake("A7-x")
def inner_factor_of_x_lost(a):
    """The inner factor is missing below the line: by x, the inside a·x changes at the rate a."""
    x = fixed_point(a)
    return -x * math.sin(a * x) / (1 + math.sin(a * x))


@implicit_slope.mistake("swapped")
def partials_swapped(a):
    """The two paths have changed places: by a the inside a·x changes at the rate x, by x at the rate a. The path by a stands
    above."""
    x = fixed_point(a)
    return -a * math.sin(a * x) / (1 + x * math.sin(a * x))


@implicit_slope.mistake("a-for-x")
def inner_factor_a_above(a):
    """Above the line the inner factor is x: by a, the inside a·x changes at the rate x."""
    x = fixed_point(a)
    return -a * math.sin(a * x) / (1 + a * math.sin(a * x))


@implicit_slope.mistake("x-for-a")
def inner_factor_x_below(a):
    """Below the line the inner factor is a: by x, the inside a·x changes at the rate a."""
    x = fixed_point(a)
    return -x * math.sin(a * x) / (1 + x * math.sin(a * x))


@implicit_slope.mistake("A8")
def outer_not_differentiated(a):
    """cos was not differentiated: its slope is −sin."""
    x = fixed_point(a)
    return x * math.cos(a * x) / (1 - a * math.cos(a * x))


@implicit_slope.mistake("A9")
def outer_at_x(a):
    """sin has to be taken at the inner value a·x, not at x."""
    x = fixed_point(a)
    return -x * math.sin(x) / (1 + a * math.sin(x))


@implicit_slope.mistake("A1")
def fixed_point_itself(a):
    """That is the fixed point x. Asked is how fast it moves with a."""
    return fixed_point(a)


@implicit_slope.mistake("by-x")
def slope_by_x(a):
    """That is the slope of cos(a·x) by x, the factor with which an error shrinks in one iteration. Asked is dx/da."""
    return -a * math.sin(a * fixed_point(a))


@implicit_slope.mistake("two-paths-only")
def one_round_more(a):
    """You followed the path through x once around and stopped. Every further round adds a smaller piece: all of them together
    divide by one minus the factor."""
    x = fixed_point(a)
    direct, through = -x * math.sin(a * x), -a * math.sin(a * x)
    return direct + through * direct
