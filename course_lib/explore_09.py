"""Explorers of lesson 09, your own gradients: upstream_dial(function), staircase_walk(function)."""

from functools import lru_cache

import numpy as np
import torch

from course_lib import theme
from course_lib.controls import Choice, Slider
from course_lib.live import Explorer, Scene, Task
from course_lib.theme import number

LETTERS = ("A", "B", "C", "D")
IGNORES, WRONG_FACTOR = "C", "B"
GOAL, STEPS, FAR = 4, 24, 1e6  # of the staircase: the whole number that made the data; steps of a walk; where it is over
POINTS = np.array([0.7, -1.3, 1.6, 0.4])
BENT = float(np.mean(POINTS**2))


class SquareRight(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * x

    @staticmethod
    def backward(ctx, grad_output):
        return 2 * ctx.saved_tensors[0] * grad_output


class CubeLosesFactor(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x**3

    @staticmethod
    def backward(ctx, grad_output):
        return ctx.saved_tensors[0] ** 2 * grad_output


class ExpIgnoresUpstream(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x.exp())
        return x.exp()

    @staticmethod
    def backward(ctx, grad_output):
        return ctx.saved_tensors[0].clone()


class SineRight(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.sin()

    @staticmethod
    def backward(ctx, grad_output):
        return ctx.saved_tensors[0].cos() * grad_output


FUNCTIONS = {"A": ("x²", SquareRight.apply), "B": ("x³", CubeLosesFactor.apply), "C": ("eˣ", ExpIgnoresUpstream.apply),
             "D": ("sin x", SineRight.apply)}


def upstream_dial(function=None):
    """What the backward of a Function returns while the gradient that comes in, grad_output, is turned like a dial.

    With function, your own torch.autograd.Function of one tensor (or its .apply), there is one more choice, yours.
    """
    functions = dict(FUNCTIONS)
    if function is not None:
        functions["yours"] = (getattr(function, "__name__", "yours"), _as_callable(function))
        _explain(functions["yours"][1])
    made = theme.figure(width=5.6, height=3.6, left=0.75)
    top = _top(functions)
    draw = _dial_artists(made.axes[0], top)
    ends = np.array([-3.0, 3.0])

    def update(letter, g, x, ignores, factor):
        formula, run = functions[letter]
        returned, at_one, slope = _answer(run, x, g), _answer(run, x, 1.0), _difference(run, x)
        draw["proportional"].set_data(ends, at_one * ends)
        draw["true"].set_data(ends, slope * ends)
        draw["stem"].set_data([g, g], [0, np.clip(returned, -top, top)])
        draw["dot"].set_data([g], [np.clip(returned, -top, top)])
        draw["name"].set_text(f"{letter}: forward computes {formula}" if letter != "yours" else f"yours: {formula}")
        return (
            f"{letter} at x = {number(x, 4)}: backward with grad_output {number(g, 4)} returns {number(returned)}, "
            f"with grad_output 1 it returns {number(at_one)}; the slope of forward, by differences, is {number(slope)}."
        )

    return Explorer(
        Scene(figure=made, movers=list(draw.values()), update=update),
        name="upstream_dial",
        tasks=[
            Task("Which of A to D ignores grad_output, so that its answer is not proportional to the dial?",
                 lambda values: values["ignores"] == IGNORES),
            Task("Which one is proportional to the dial and still wrong?",
                 lambda values: values["factor"] == WRONG_FACTOR),
        ],
        letter=Choice(tuple(functions), "A" if function is None else "yours", "Function"),
        g=Slider(-3, 3, 1 / 8, 1, "grad_output"),
        x=Slider(-1.5, 1.5, 1 / 8, 0.75, "x"),
        ignores=Choice(("?", *LETTERS), "?", "ignores it"),
        factor=Choice(("?", *LETTERS), "?", "wrong factor"),
    )


def _as_callable(function):
    if isinstance(function, type) and issubclass(function, torch.autograd.Function):
        return function.apply
    if callable(function) and not isinstance(function, type):
        return function
    raise TypeError(f"expected a torch.autograd.Function or its .apply, got {type(function).__name__}.")


def _explain(run):
    """Refuse a Function that cannot be turned, with one sentence."""
    try:
        answer = _answer(run, 0.75, 1.0)
    except TypeError:
        raise
    except Exception as error:
        first = (str(error).splitlines() or [""])[0][:100].rstrip(".")
        raise ValueError(f"the Function raised {type(error).__name__}: {first}.") from error
    if np.isnan(answer):
        raise ValueError("the Function gives x no gradient at x = 0.75, or none that is a number.")


def _answer(run, x, g):
    """The gradient of x that a backward with grad_output g leaves, as a float; nan where none arrives."""
    with torch.enable_grad():
        at = torch.tensor([x], dtype=torch.float64, requires_grad=True)
        y = run(at)
        if not isinstance(y, torch.Tensor) or y.numel() != 1:
            raise TypeError("the Function must return one number for one number.")
        if y.grad_fn is None:
            raise TypeError("the result has no grad_fn: forward must be called through .apply.")
        (grad,) = torch.autograd.grad(y, at, torch.full_like(y, g), allow_unused=True)
    return float("nan") if grad is None else grad.item()


def _difference(run, x, h=1e-5):
    """Slope of forward by a central difference: it knows nothing of backward."""
    with torch.no_grad():
        ahead, behind = (run(torch.tensor([place], dtype=torch.float64)) for place in (x + h, x - h))
        return ((ahead - behind) / (2 * h)).item()


def _top(functions):
    """A height that holds what all of them return."""
    found = [abs(_answer(run, x, g)) for _, run in functions.values() for x in (-1.5, 0.75, 1.5) for g in (1.0, 3.0)]
    finite = [size for size in found if np.isfinite(size)]
    return 1.1 * min(max(finite, default=1), 10) or 1


def _dial_artists(ax, top):
    ax.set(xlim=(-3.2, 3.2), ylim=(-top, top), xlabel="grad_output, what comes in", ylabel="what backward returns")
    ax.axhline(0, **theme.GUIDE)
    ax.axvline(0, **theme.GUIDE)
    wide = {**theme.SECANT, "linewidth": 5}  # where the two lines agree, both are seen
    with theme.style():
        draw = {
            "proportional": ax.plot([], [], label="g × the answer for 1", alpha=0.7, **wide)[0],
            "true": ax.plot([], [], label="g × slope", **theme.DERIVATIVE)[0],
            "stem": ax.plot([], [], color=theme.TANGENT["color"], linewidth=1.2)[0],
            "dot": ax.plot([], [], label="answer", **{**theme.POINT, "markersize": 9})[0],
            "name": ax.text(0.03, 0.94, "", transform=ax.transAxes, va="top", fontsize=11),
        }
    theme.legend_above(ax)
    return draw


# --- down a staircase ------------------------------------------------------------------------------------------------


def staircase_walk(function=None):
    """Training a weight that the model rounds: the loss as a function of w, and where w has been.

    The model is round(w)·x, the data lie on y = 4·x. With function, your own torch.autograd.Function of one tensor (or its
    .apply), there is one more way to walk, yours.
    """
    run = None if function is None else _as_callable(function)
    if run is not None:
        _explain(run)
    ways = ("true slope", "straight through", *(() if run is None else ("yours",)))
    made = theme.figure(width=6.4, height=3.8, left=0.75)
    draw = _stair_artists(made.axes[0])

    @lru_cache(maxsize=8)
    def walk(way, start, lr):
        """(w, its whole number, loss, slope) before the first step and after each."""
        return _own_path(run, start, lr) if way == "yours" else _path(way, start, lr)

    def update(way, start, lr, steps):
        path = walk(way, start, lr)
        been = path[: int(steps) + 1]
        w, whole, loss, slope = been[-1]
        draw["path"].set_data([stop[0] for stop in been], [stop[2] for stop in been])
        draw["now"].set_data([w], [loss])
        near = np.array([w - 0.7, w + 0.7])
        draw["slope"].set_data(near, loss + slope * (near - w))
        return (
            f"{way}, lr = {number(lr, 4)}, from {number(start, 4)}, after {int(steps)} step{'s' * (steps != 1)}: "
            f"w = {number(w, 4)}, the model uses {number(whole)}, loss {number(loss)}; the slope it follows here is "
            f"{number(slope)}."
        )

    def settled_at_once(values):
        if values["way"] == "true slope" or values["steps"] != 1 or values["start"] >= 1:
            return False
        return bool(walk(values["way"], values["start"], values["lr"])[1][2] == 0)

    def to_and_fro(values):
        """Over the goal and back in each of the last steps, without running away."""
        if values["steps"] < STEPS:
            return False
        last = np.array([stop[0] for stop in walk(values["way"], values["start"], values["lr"])[-6:]]) - GOAL
        return bool((last[1:] * last[:-1] < 0).all() and np.abs(last).max() < 50 and np.abs(last).min() > 0.5)

    return Explorer(
        Scene(figure=made, movers=list(draw.values()), update=update),
        name="staircase_walk", play="steps",
        tasks=[Task("Be at loss 0 after a single step, from a start below 1.", settled_at_once),
               Task("Find a learning rate with which w jumps over the goal and back in all 24 steps.", to_and_fro)],
        way=Choice(ways, "straight through" if run is None else "yours", "backward of round"),
        start=Slider(-1, 3, 1 / 8, 0.25, "w at the start"),
        lr=Slider(0, 1, 1 / 32, 2 / 32, "learning rate"),
        steps=Slider(0, STEPS, 1, 3, "steps"),
    )


def _path(way, w, lr):
    """The walk by formula: the slope is that of round, 0, or what arrives at it."""
    path = []
    for _ in range(STEPS + 1):
        whole = float(np.round(w))
        slope = 2 * BENT * (whole - GOAL) if way == "straight through" else 0.0
        path.append((w, whole, BENT * (whole - GOAL) ** 2, slope))
        w = float(np.clip(w - lr * slope, -FAR, FAR))
    return path


def _own_path(run, w, lr):
    """The walk with a student's Function, through autograd."""
    points, path = torch.tensor(POINTS), []
    with torch.enable_grad():
        for _ in range(STEPS + 1):
            at = torch.tensor([w], dtype=torch.float64, requires_grad=True)
            whole = run(at)
            loss = ((whole - GOAL) ** 2 * points**2).mean()
            (slope,) = torch.autograd.grad(loss, at)
            path.append((w, whole.item(), loss.item(), slope.item()))
            w = float(np.clip(w - lr * slope.item(), -FAR, FAR))
    return path


def _stair_artists(ax):
    edges = np.arange(-2.5, 11, 1)
    wholes = edges[:-1] + 0.5
    ax.set(xlim=(-1.6, 9.6), ylim=(-4, 38), xlabel="w", ylabel="loss of round(w)")
    ax.axvline(GOAL, **theme.GUIDE)
    with theme.style():
        ax.stairs(BENT * (wholes - GOAL) ** 2, edges, baseline=None, label="loss", **theme.FUNCTION)
        draw = {
            "path": ax.plot([], [], label="where w has been", marker="o", markersize=4, color=theme.DERIVATIVE["color"],
                            linewidth=1.2, linestyle="--")[0],
            "slope": ax.plot([], [], label="the slope it follows", **theme.TANGENT)[0],
            "now": ax.plot([], [], **{**theme.POINT, "markersize": 9})[0],
        }
    theme.legend_above(ax)
    return draw
