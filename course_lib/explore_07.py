"""Explorers of lesson 07, training: learning_rate_dial(f), loop_builder(f)."""

import math

import numpy as np
import torch

from course_lib import loops, theme
from course_lib.bowls import CURVATURE, START, Bowl, descend, descent
from course_lib.controls import Cards, Slider, even_step
from course_lib.live import Explorer, Scene, Task
from course_lib.partials import vector_text
from course_lib.plots_fields import SQUARE, contours
from course_lib.theme import number

STEPS = 24
STEP = 1 / 64  # of the dial
FAR = 50  # an SVG has no use for a path beyond
LOWEST, HIGHEST = 1e-7, 1e4
LEVELS = np.array([0.05, 0.25, 0.75, 1.5, 3, 6, 12])


def learning_rate_dial(f=None):
    """Gradient descent on a bowl: its path, and the loss after each step, for any learning rate.

    f: a function of two variables with a lowest point, f(u, v) or f(tensor of shape (2,)). Default: ½(λ₀u² + λ₁v²), with a
    slider for each λ.
    """
    bowl = None if f is None else Bowl(f)
    made = theme.figure(1, 2, width=8.7, height=4.2, left=0.6, gap=0.32, width_ratios=(1.05, 1))
    return _usual_dial(made) if bowl is None else _own_dial(made, bowl)


def _usual_dial(made):
    draw = {"contours": _moving_ellipses(made.axes[0]), **_dial_artists(*made.axes)}

    def update(lr, lambda0, lambda1):
        curvature = np.array([lambda0, lambda1])
        path, losses = walk(lr, curvature)
        draw["contours"].set_data(*_ellipses(curvature).T)
        draw["path"].set_data(*path.T)
        draw["losses"].set_data(np.arange(STEPS + 1), np.clip(losses, LOWEST, HIGHEST))
        limit, factors = 2 / curvature.max(), 1 - lr * curvature
        verdict = "it converges" if lr < limit and lr > 0 else "it stands still" if lr == 0 else "it diverges"
        if lr == limit:
            verdict = "it jumps to and fro for ever"
        draw["limit"].set_text(f"2/λmax = {number(limit)}")
        return (
            f"λ = {vector_text(curvature)}, lr = {number(lr, 4)}, 2/λmax = {number(limit)}: {verdict}. "
            f"Each step multiplies u and v by 1 − lr·λ = {vector_text(factors)}; "
            f"loss {number(losses[0])} → {number(losses[-1])}."
        )

    def largest(values):
        limit = 2 / max(values["lambda0"], values["lambda1"])
        if values["lambda0"] == values["lambda1"]:
            return "with two different λ"
        return bool(values["lr"] < limit <= values["lr"] + STEP)

    def at_once(values):
        return bool(abs(values["lr"] - 1 / max(values["lambda0"], values["lambda1"])) <= STEP / 2)

    return Explorer(
        Scene(figure=made, movers=list(draw.values()), update=update),
        name="learning_rate_dial", play="lr",
        tasks=[Task("Set the largest learning rate of the dial that still converges.", largest),
               Task("Set the one that reaches the valley's floor across the steep direction in one step.", at_once)],
        lr=Slider(0, 2, STEP, 4 * STEP, "learning rate"),
        lambda0=Slider(1, 8, 0.5, 1, "λ₀, along u"),
        lambda1=Slider(1, 8, 0.5, 4, "λ₁, along v"),
    )


def walk(lr, curvature):
    """(path of shape (STEPS + 1, 2), losses of shape (STEPS + 1,)) of gradient descent on the bowl, by autograd."""
    curvature = torch.as_tensor(curvature, dtype=torch.float64)
    return descent(lambda x: (curvature * x * x).sum() / 2, lr, STEPS)


def _ellipses(curvature):
    """Contours of the bowl at LEVELS as one line with gaps."""
    turn = np.linspace(0, 2 * np.pi, 61)
    circle = np.column_stack([np.cos(turn), np.sin(turn)])
    radii = np.sqrt(2 * LEVELS[:, None] / curvature)
    pieces = [np.vstack([radius * circle, [[np.nan, np.nan]]]) for radius in radii]
    return np.concatenate(pieces)


def _dial_artists(bowl, losses):
    losses.set(xlim=(-0.5, STEPS + 0.5), yscale="log", ylim=(LOWEST, HIGHEST), xlabel="step", ylabel="loss")
    with theme.style():
        draw = {
            "path": bowl.plot([], [], label="steps", marker="o", markersize=3.5,
                              **{**theme.DERIVATIVE, "linewidth": 1.4})[0],
            "losses": losses.plot([], [], label="loss", **theme.DERIVATIVE)[0],
            "limit": losses.text(0.97, 0.95, "", transform=losses.transAxes, ha="right", va="top"),
        }
        bowl.plot(*[[c] for c in START], **theme.POINT)
    theme.legend_above(bowl)
    theme.legend_above(losses)
    return draw


def _moving_ellipses(bowl):
    bowl.set(xlim=SQUARE[0], ylim=SQUARE[1], xlabel="u", ylabel="v", aspect="equal")
    bowl.grid(False)
    with theme.style():
        (line,) = bowl.plot([], [], label="equal loss", **{**theme.FUNCTION, "linewidth": 1})
    return line


def _own_dial(made, bowl):
    """The dial for a student's own bowl: λ belongs to the Hessian on its floor, and how far that holds is seen."""
    contours(bowl.field, SQUARE, made.axes[0])
    draw = _dial_artists(*made.axes)
    made.axes[1].set(ylabel="loss above the floor")
    limit = 2 / bowl.steepest
    draw["limit"].set_text(f"2/λmax = {number(limit)}")
    step = even_step(0, 2 * limit)
    last = math.floor(2 * limit / step)

    def falls(lr):
        return lr > 0 and not len(_rises(descend(bowl, lr, STEPS)[1]))

    def update(lr):
        path, losses = descend(bowl, lr, STEPS)
        draw["path"].set_data(*_kept_near(path))
        draw["losses"].set_data(np.arange(STEPS + 1), np.clip(losses - bowl.least, LOWEST, HIGHEST))
        rises = _rises(losses)
        verdict = f"the loss rises at step {rises[0] + 1}" if len(rises) else "the loss falls at every step"
        if lr == 0:
            verdict = "it stands still"
        end = f"{number(losses[0])} → {number(losses[-1])}" if np.isfinite(losses).all() else "and then beyond all numbers"
        return (
            f"lr = {number(lr, 4)}: {verdict}, {end}. The lowest point is "
            f"{vector_text(bowl.floor)}; there λmax = {number(bowl.steepest)}, and 2/λmax = {number(limit)}."
        )

    return Explorer(
        Scene(figure=made, movers=list(draw.values()), update=update),
        name="learning_rate_dial", play="lr",
        tasks=[Task("Find an edge: the loss falls at every step, and one stop of the dial further it does not.",
                    lambda values: falls(values["lr"]) and not falls(values["lr"] + step)),
               Task("Turn to the first stop beyond 2/λmax: does the loss still fall at every step?",
                    lambda values: limit < values["lr"] <= limit + step)],
        lr=Slider(0, last * step, step, 4 * step, "learning rate"),
    )


def _rises(losses):
    """Indices i where the loss does not fall from i to i + 1; infinite losses do not fall."""
    return np.flatnonzero(~(losses[1:] < losses[:-1]))


def _kept_near(path):
    """(u, v) of a path that may run away, ending where it leaves the neighbourhood of the picture."""
    near = np.logical_and.accumulate((np.abs(path) < FAR).all(axis=1))
    return np.where(near[:, None], path, np.nan).T


# --- loop builder ----------------------------------------------------------------------------------------------------


def loop_builder(f=None):
    """Lay the lines of a training loop as cards: what it does on a bowl, which .grad each step used, and what is wrong.

    f: a function of two variables with a lowest point, f(u, v) or f(tensor of shape (2,)). Default: ½(u² + 4v²).
    """
    bowl = loops.usual_bowl() if f is None else Bowl(f)
    made = theme.figure(1, 3, width=10, height=3.7, left=0.15, gap=0.32, width_ratios=(0.8, 1.05, 1))
    tallest = 2 * math.hypot(*bowl.field.at(*START)[1])
    draw = _builder_artists(*made.axes, bowl, tallest, own=f is not None)

    def update(cards):
        found = loops.run(cards, bowl)
        steps = np.arange(1, len(found.used) + 1)
        draw["path"].set_data(*np.clip(found.path, -REACH, REACH).T)
        draw["used"].set_data(*_stems(steps, np.clip(found.used, 0, 0.95 * tallest)))
        draw["fresh"].set_data(steps, np.clip(found.fresh, 0, 0.95 * tallest))
        for i in range(MOST_CARDS):
            draw[f"line {i}"].set_text(f"{i + 1}  {loops.CARDS[cards[i]]}" if i < len(cards) else "")
        return f"{found.verdict}{_on_digits(found, cards)}"

    def stands_still(values):
        found = loops.run(values["cards"], bowl)
        return {"step", "backward"} <= set(values["cards"]) and found.verdict.startswith("Nothing ever moves")

    return Explorer(
        Scene(figure=made, movers=list(draw.values()), update=update),
        name="loop_builder",
        tasks=[Task("Build a loop that trains.", lambda values: loops.run(values["cards"], bowl).trains),
               Task("Build one that runs without an error, with backward and step, and nothing ever moves.", stands_still),
               Task("Build the one that swings for ever: momentum 1.",
                    lambda values: "momentum 1" in loops.run(values["cards"], bowl).verdict)],
        cards=Cards(tuple(loops.CARDS), MOST_CARDS, "one round:"),
    )


MOST_CARDS = 8
REACH = 2.1


def _on_digits(found, cards):
    losses = loops.run_on_digits(cards) if found.used.any() else None
    return f" Digits: loss {number(losses[0], 2)} → {number(losses[1], 2)}." if losses else ""


def _stems(x, heights):
    """A vertical line from 0 for each height, as one line with gaps."""
    zero, gap = np.zeros(len(x)), np.full(len(x), np.nan)
    return np.column_stack([x, x, x]).ravel(), np.column_stack([zero, heights, gap]).ravel()


def _builder_artists(code, plane, bars, bowl, tallest, own):
    code.set_axis_off()
    code.set(xlim=(0, 1), ylim=(0, 1))
    if own:
        contours(bowl.field, SQUARE, plane)
    else:
        _moving_ellipses(plane).set_data(*_ellipses(np.array(CURVATURE)).T)
    bars.set(xlim=(0.4, loops.ROUNDS + 0.6), ylim=(0, tallest), xlabel="step", ylabel="length of the gradient",
             xticks=range(2, loops.ROUNDS + 1, 2))
    with theme.style():
        code.text(0, 1, "for each round:", va="top", fontsize=9, color=theme.INK)
        lines = {f"line {i}": code.text(0, 0.9 - 0.1 * i, "", va="top", fontsize=8.5, family="monospace", color=theme.INK)
                 for i in range(MOST_CARDS)}
        plane.plot(*[[c] for c in START], **theme.POINT)
        draw = {
            "path": plane.plot([], [], label="parameters", marker="o", markersize=3.5,
                               **{**theme.DERIVATIVE, "linewidth": 1.4})[0],
            "used": bars.plot([], [], label=".grad used",
                              **{**theme.DERIVATIVE, "linewidth": 6, "linestyle": "-", "solid_capstyle": "butt"})[0],
            "fresh": bars.plot([], [], label="fresh gradient", color=theme.INK, marker="_", markersize=14,
                               markeredgewidth=2, linestyle="none")[0],
        }
    theme.legend_above(plane)
    theme.legend_above(bars)
    return draw | lines
