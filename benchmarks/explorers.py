"""What one event of each explorer costs in the kernel, against a naive redraw of the same picture in the same run.

    python benchmarks/explorers.py

Timed is everything between a control's new value and the messages to the browser: the mathematics, the drawing, the
sentence. Naive is what interact with plt.subplots does: a new pyplot figure with the same curves per event, as PNG,
cut to its contents as the inline backend does.
"""

import io
import statistics
import sys
import time
from pathlib import Path

import matplotlib
import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from course_lib import explore  # noqa: E402

EVENTS, NAIVE_EVENTS, WARM_UP = 65, 15, 5
GOAL_MS = 5


def cases():
    """(explorer, what is moved, its values, the naive drawing of the same picture)."""
    zoom = explore.tangent_zoom()
    yield zoom, "a", [-2.25 + i / 16 for i in range(EVENTS)], naive_zoom
    yield zoom, "h", [zoom.controls["h"].stops[i % 37] for i in range(EVENTS)], naive_zoom
    yield zoom, "zoom", [zoom.controls["zoom"].stops[i % 17] for i in range(EVENTS)], naive_zoom
    yield explore.derivative_detective(), "s1", [-2 + (i % 33) / 8 for i in range(EVENTS)], naive_detective
    yield explore.shape_lens(), "guess", [("(5, 3)", "(3,)")[i % 2] for i in range(EVENTS)], naive_lens


def median_ms(event, values):
    """(elapsed, CPU) milliseconds, medians of the events after a warm-up; on a busy machine only the latter is fair."""
    elapsed, cpu = [], []
    for value in values:
        start = time.perf_counter(), time.process_time()
        event(value)
        elapsed.append(time.perf_counter() - start[0])
        cpu.append(time.process_time() - start[1])
    return 1000 * statistics.median(elapsed[WARM_UP:]), 1000 * statistics.median(cpu[WARM_UP:])


def live_event(explorer, key):
    """The value arrives at the widget, as it does from the browser."""
    controls = explorer.widget.children[0].children  # built before the clock starts
    control = controls[list(explorer.controls).index(key)]
    return lambda value: setattr(control, "value", value)


def naive_event(draw, key):
    import matplotlib.pyplot as plt

    def event(value):
        figure = draw(plt, **{key: value})
        figure.savefig(io.BytesIO(), format="png", dpi=100, bbox_inches="tight")
        plt.close(figure)

    return event


def naive_zoom(plt, a=0.7, h=0.1, zoom=1.0):
    figure, (close, errors) = plt.subplots(1, 2, figsize=(9, 3.9))
    at = torch.tensor(a, dtype=torch.float64, requires_grad=True)
    y = torch.sin(at**2)
    (slope,) = torch.autograd.grad(y, at)
    xs = np.linspace(a - 3 / zoom, a + 3 / zoom, 241)
    close.plot(xs, np.sin(xs**2), label="f")
    close.plot(xs, y.item() + slope.item() * (xs - a), label="tangent")
    close.plot([a - h, a + h], np.sin(np.square([a - h, a + h])), "o:", label="secant")
    close.legend()
    hs = np.float32(10.0) ** np.arange(-9, 0.01, 0.25, dtype=np.float32)
    numeric = (np.sin((np.float32(a) + hs) ** 2) - np.sin((np.float32(a) - hs) ** 2)) / (2 * hs)
    errors.loglog(hs, abs(numeric - slope.item()) + 1e-13)
    errors.loglog([h], [1e-3], "o")
    errors.set_title(f"slope {slope.item():.7f}")
    return figure


def naive_detective(plt, s1=0.0):
    figure, (upper, lower) = plt.subplots(2, 1, figsize=(6, 4.6), sharex=True)
    xs = np.linspace(-4, 4, 400)
    upper.plot(xs, xs / 2 + np.sin(xs), label="f")
    lower.plot([-3, -2.1, 0, 2.1, 3], [s1, 0, 0, 0, 0], "D-", label="sketch")
    for ax in (upper, lower):
        ax.legend()
        ax.grid()
    return figure


def naive_lens(plt, guess=""):
    figure, ax = plt.subplots(figsize=(6, 2.6))
    ax.set(xlim=(-2.2, 6.4), ylim=(-2.6, 0.6))
    for row, column, size in ((0, 3, 5), (0, 4, 3), (1, 3, 5), (1, 4, 3), (2, 3, 5), (2, 4, 3)):
        ax.plot(column + np.array([0, 1, 1, 0, 0]), -row + np.array([-0.4, -0.4, 0.4, 0.4, -0.4]))
        ax.text(column + 0.5, -row, str(size), ha="center")
    ax.set_title(guess)
    return figure


def main():
    print(f"{'explorer':22}{'moved':8}{'live ms':>9}{'its CPU':>9}{'naive ms':>10}{'ratio':>8}   goal ≤ {GOAL_MS} ms")
    matplotlib.use("agg")
    worst = 0
    for explorer, key, values, draw in cases():
        live, cpu = median_ms(live_event(explorer, key), values)
        naive, _ = median_ms(naive_event(draw, key), values[:NAIVE_EVENTS])
        worst = max(worst, live)
        reached = "reached" if live <= GOAL_MS else "missed"
        print(f"{explorer.name:22}{key:8}{live:9.1f}{cpu:9.1f}{naive:10.1f}{naive / live:7.0f}×   {reached}")
    return 0 if worst <= GOAL_MS else 1


if __name__ == "__main__":
    sys.exit(main())
