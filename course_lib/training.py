"""Watch a training loop while it runs, and stop it when you have seen enough: live_training(steps).

    training = live_training(300)
    for step in training:
        …
        training.record(loss=loss)

The loss curve grows as the loop runs; the Stop button, or an interrupt of the kernel, ends it after the step that is
running, and the code below the loop goes on. Outside a notebook it is a plain loop that ends with a sentence.
"""

import contextlib
import math
import signal
import threading
import time

import numpy as np

from course_lib import theme
from course_lib.live import Explorer, Scene
from course_lib.theme import number

MOST_CURVES = len(theme.CURVES)
PAUSE = 0.1  # seconds between two pictures at least
SHARE = 0.1  # of the time that pictures may take at most


def live_training(steps):
    """A loop over range(steps) that draws what is recorded in it.

    steps: a whole number above 0. Raises TypeError or ValueError for anything else.
    """
    if isinstance(steps, bool) or not hasattr(steps, "__index__"):
        raise TypeError(f"live_training takes the number of steps, such as live_training(300), got {steps!r:.40}.")
    if steps < 1:
        raise ValueError(f"live_training needs at least one step, got {steps}.")
    return LiveTraining(steps.__index__())


class LiveTraining(Explorer):
    """Iterate over it once; .curves has what was recorded, by name, and .stopped says whether it was ended early."""

    def __init__(self, steps):
        self.steps, self.done_steps, self.running, self.stopped = steps, 0, False, False
        self.curves = {}
        self._shown = None  # what the fixed part of the picture was drawn for
        made = theme.figure(width=6.4, height=3.3, left=0.8)
        self.ax = made.axes[0]
        self.ax.set(xlim=(0, steps), xlabel="step", ylabel="loss", yscale="log", ylim=(0.1, 10))
        with theme.style():
            self._lines = [self.ax.plot([], [], **{**role, "linewidth": 1.8})[0] for role in theme.CURVES]
        super().__init__(Scene(figure=made, movers=self._lines, update=self._sentence), name="live_training")

    def __iter__(self):
        if self.done_steps or self.running:
            raise RuntimeError("this training has run already: make a new one with live_training(steps).")
        self.running = True
        self._next_picture = 0.0
        handle = _display(self)
        try:
            with _interrupt_means(self.stop):
                for step in range(self.steps):
                    yield step
                    self.done_steps = step + 1
                    if self.stopped:
                        break
                    self._paint_now_and_then()
        finally:  # also when the body of the loop raised
            self.running = False
            self._paint()
            if handle is not None:
                handle.update(self)
            elif not _in_notebook():
                print(self.text)

    def record(self, **values):
        """Keep a number for each curve: record(loss=loss, validation=0.3). Tensors with one entry are taken as numbers."""
        for name, value in values.items():
            if name not in self.curves and len(self.curves) == MOST_CURVES:
                raise ValueError(f"there is room for {MOST_CURVES} curves, and {name} would be one more.")
            try:
                value = float(value.detach() if hasattr(value, "detach") else value)  # a kept graph would fill the memory
            except (TypeError, ValueError, RuntimeError):
                raise TypeError(f"record({name}=…) takes one number, got {str(value)[:40]!r}.") from None
            self.curves.setdefault(name, []).append((self.done_steps + 1, value))

    def stop(self):
        """End the loop after the step that is running."""
        self.stopped = True

    # --- the picture -------------------------------------------------------------------------------------------------

    def _paint_now_and_then(self):
        now = time.perf_counter()
        if self._view and now >= self._next_picture:
            self._paint()
            took = time.perf_counter() - now
            self._next_picture = now + max(PAUSE, took / SHARE)

    def _paint(self):
        fixed = self._fit()
        self._refresh()
        if self._view:
            self._view.follow()
            if fixed != self._shown:
                self._view.stage.paint_back()
        self._shown = fixed

    def _fit(self):
        """Make room for all that was recorded; equal as long as the fixed part of the picture stays as it is."""
        points = [np.array(curve) for curve in self.curves.values()]
        values = np.concatenate([one[:, 1] for one in points]) if points else np.array([1.0])
        values = values[np.isfinite(values)]
        scale, limits = _room(values if len(values) else np.array([1.0]))
        self.ax.set(yscale=scale, ylim=limits)
        for line, (name, curve) in zip(self._lines, self.curves.items(), strict=False):
            curve = np.array(curve)
            line.set_data(curve[:, 0], np.where(np.isfinite(curve[:, 1]), curve[:, 1], np.nan))
            line.set_label(name)
        if self.curves:
            theme.legend_above(self.ax)
        return scale, limits, tuple(self.curves)

    def _sentence(self):
        of = f"{self.done_steps} of {self.steps} steps"
        if not self.curves:
            return f"{of}; nothing was recorded yet."
        parts = []
        for name, curve in self.curves.items():
            first, last = curve[0][1], curve[-1][1]
            gone = next((step for step, value in curve if not math.isfinite(value)), None)
            lost = f", no longer a number since step {gone}" if gone else ""
            parts.append(f"{name} {number(first)} → {number(last)}{lost}")
        how = "after" if self.done_steps == self.steps or self.running else "stopped after"
        return f"{'; '.join(parts)} {how} {of}."

    def __repr__(self):
        return f"live_training: {self.text}"

    def _make_view(self):
        return _View(self)


def _room(values):
    """(scale, limits) for these finite numbers: whole decades, or twice the largest size where some are not above 0."""
    low, high = values.min(), values.max()
    if low > 0:
        return "log", (10.0 ** math.floor(math.log10(low)), 10.0 ** (math.floor(math.log10(high)) + 1))
    most = 2.0 ** math.ceil(math.log2(max(abs(low), abs(high), 1e-9)))
    return "linear", (-most if low < 0 else 0.0, most)


class _View:
    """Progress bar and Stop button above the picture."""

    def __init__(self, training):
        import ipywidgets

        from course_lib import views

        self.training, self.words = training, views.sentence_html
        self.bar = ipywidgets.IntProgress(max=training.steps, description="steps", layout={"width": "300px"})
        self.button = ipywidgets.Button(description="Stop", tooltip="stop after the step that is running",
                                        layout={"width": "auto"})
        self.button.on_click(lambda button: training.stop())
        self.stage, self.sentence = views.Stage(training), ipywidgets.HTML()
        self.widget = views.whole([self.bar, self.button], self.stage, self.sentence)
        self.follow()

    def follow(self):
        self.bar.value = self.training.done_steps
        self.button.disabled = self.training.stopped or not self.training.running
        self.stage.paint_front()
        self.sentence.value = self.words(self.training.text)
        heard_while_busy(self.button)


# --- where it runs ---------------------------------------------------------------------------------------------------


def _in_notebook():
    with contextlib.suppress(ImportError):
        from IPython import get_ipython

        return getattr(get_ipython(), "kernel", None) is not None
    return False


def _display(training):
    if not _in_notebook():
        return None
    from IPython.display import display

    return display(training, display_id=True)


def heard_while_busy(widget):
    """Let clicks on a widget reach the kernel while a cell runs, where kernels can do that.

    JupyterLab sends them to a thread of their own (a subshell). ipykernel 7.4 hands them to the busy main thread all the
    same once that thread has written to the widget; it notes that in an attribute, which has no public name. Where it is
    gone, the kernel's interrupt still stops a training.
    """
    with contextlib.suppress(AttributeError):
        del widget.comm._reply_subshell_id


@contextlib.contextmanager
def _interrupt_means(stop):
    """The first interrupt calls stop; the second is a KeyboardInterrupt as ever. Only the main thread gets interrupts."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGINT)

    def first(number, frame):
        signal.signal(signal.SIGINT, before)
        stop()

    signal.signal(signal.SIGINT, first)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
