"""What one event of each explorer costs in the kernel, against drawing the same picture anew in the same run.

    python benchmarks/explorers.py

Timed is everything between a control's new value and the messages to the browser: the mathematics, the drawing, the
sentence. Naive is what interact with plt.subplots does: a new pyplot figure with the same curves per event, as PNG, cut
to its contents as the inline backend does. Redraw is kinder: the explorer's own figure is kept and moved, and drawn as a
whole, as PNG. At the end: what a filmstrip of 61 pictures costs before it moves without the kernel.
"""

import io
import statistics
import sys
import time
from pathlib import Path

import matplotlib
import numpy as np
import sympy
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from course_lib import explore, theme  # noqa: E402
from course_lib.controls import Cards  # noqa: E402
from course_lib.formula import Formula, x  # noqa: E402
from course_lib.live import Choice, Filmstrip, LogSlider, Scene, Slider  # noqa: E402
from course_lib.plots import plot_with_derivative  # noqa: E402
from course_lib.slopes import derivatives  # noqa: E402

EVENTS, NAIVE_EVENTS, WARM_UP = 65, 15, 5
GOAL_MS, FILM_SECONDS, FILM_BYTES = 5, 0.5, 300_000


def cases():
    """(explorer, what is moved, its values, the naive drawing of the same picture or None)."""
    zoom = explore.tangent_zoom()
    yield zoom, "a", [-2.25 + i / 16 for i in range(EVENTS)], naive_zoom
    yield zoom, "h", [zoom.controls["h"].stops[i % 37] for i in range(EVENTS)], naive_zoom
    yield zoom, "zoom", [zoom.controls["zoom"].stops[i % 17] for i in range(EVENTS)], naive_zoom
    yield explore.derivative_detective(), "s1", [-2 + (i % 33) / 8 for i in range(EVENTS)], naive_detective
    yield explore.shape_lens(), "guess", [("(5, 3)", "(3,)")[i % 2] for i in range(EVENTS)], naive_lens
    for name in explore.__all__:
        if name not in ("tangent_zoom", "derivative_detective", "shape_lens"):
            yield from some_controls(getattr(explore, name)())
    yield from some_controls(explore.cotangent_mixer(hidden=True).press("calls"))
    yield from some_controls(explore.ribbon_view().set(picture="B"))  # all 25 ribbons
    yield from some_controls(explore.depth_dial().set(layers=30))
    yield from some_controls(explore.learning_rate_dial(lambda u, v: (1 - u) ** 2 / 4 + (v - u**2) ** 2))
    yield from some_controls(explore.softmax_seesaw(lambda z: torch.sigmoid(z - 1)))
    detector = explore.sum_trick_lie_detector().set(function="softmax")
    yield detector, "guess", [("lies", "tells the truth")[i % 2] for i in range(EVENTS)], None


def some_controls(explorer):
    """One case for the first control, and one for the first of another kind: they cost different things."""
    seen = set()
    for key, control in explorer.controls.items():
        if isinstance(control, Slider | LogSlider | Choice) and type(control) not in seen:
            seen.add(type(control))
            stops = control.stops
            yield explorer, key, [stops[(i + 1) % len(stops)] for i in range(EVENTS)], None
        if isinstance(control, Cards):  # one more each time, the first one last
            cards = control.cards[::-1]
            yield explorer, key, [cards[: 1 + i % len(cards)] for i in range(EVENTS)], None


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
    explorer.widget  # noqa: B018 - built before the clock starts
    control = explorer._view.controls[key]
    if isinstance(explorer.controls[key], Cards):  # buttons have no value to set
        return lambda value: explorer._view.moved(key, value)
    return lambda value: setattr(control, "value", value)


def naive_event(draw, key):
    import matplotlib.pyplot as plt

    def event(value):
        figure = draw(plt, **{key: value})
        figure.savefig(io.BytesIO(), format="png", dpi=100, bbox_inches="tight")
        plt.close(figure)

    return event


def redraw_event(explorer, key):
    def event(value):
        explorer.at(**{key: value}).savefig(io.BytesIO(), format="png", dpi=100)

    return event


def film():
    """(seconds, bytes) of a filmstrip with 61 pictures: a tangent that runs along a curve above its derivative."""
    f = Formula(sympy.sin(x**2))
    figure = theme.figure()
    ax = plot_with_derivative(f, ax=figure.axes[0])
    with theme.style():
        tangent, point = ax.plot([], [], **theme.TANGENT)[0], ax.plot([], [], **theme.POINT)[0]
        words = ax.text(-2.9, -5, "")

    def update(a):
        height, slope = derivatives(f, [a], 1)[:, 0].tolist()
        tangent.set_data([a - 1, a + 1], [height - slope, height + slope])
        point.set_data([a], [height])
        words.set_text(f"slope {theme.number(slope)}")
        return f"At x = {theme.number(a)} the height is {theme.number(height)} and the slope {theme.number(slope)}."

    start = time.perf_counter()
    strip = Filmstrip(Scene(figure=figure, movers=[tangent, point, words], update=update), a=Slider(-1.875, 1.875, 1 / 16))
    _, stage, sentences = strip.widget.children
    seconds = time.perf_counter() - start
    return seconds, sum(len(child.value) for child in (*stage.children[1].children, *sentences.children))


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
    print(f"{'explorer':24}{'moved':12}{'live ms':>9}{'its CPU':>9}{'anew ms':>9}{'ratio':>7}  how        goal ≤ {GOAL_MS} ms")
    matplotlib.use("agg")
    worst = 0
    for explorer, key, values, draw in cases():
        live, cpu = median_ms(live_event(explorer, key), values)
        again = naive_event(draw, key) if draw else redraw_event(explorer, key)
        anew, _ = median_ms(again, values[:NAIVE_EVENTS])
        worst = max(worst, live)
        how, reached = "naive" if draw else "redraw", "reached" if live <= GOAL_MS else "missed"
        print(f"{explorer.name:24}{key:12}{live:9.1f}{cpu:9.1f}{anew:9.1f}{anew / live:6.0f}×  {how:11}{reached}")
    seconds, size = film()
    fits = seconds <= FILM_SECONDS and size <= FILM_BYTES
    print(f"a filmstrip of 61 pictures: {seconds:.2f} s and {size / 1000:.0f} KB, goal ≤ {FILM_SECONDS} s and "
          f"≤ {FILM_BYTES // 1000} KB: {'reached' if fits else 'missed'}")
    return 0 if worst <= GOAL_MS and fits else 1


if __name__ == "__main__":
    sys.exit(main())
