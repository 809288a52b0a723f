"""Make a picture move: Explorer(scene, x=Slider(-3, 3, 1/16)) turns a Matplotlib figure into a live view, and
Filmstrip does so with pictures drawn beforehand.

A Scene is an ordinary figure, the few artists in it that move, and update(**values), which moves them and returns a
sentence. From it come the live view (the fixed part is drawn once, per event only the movers are drawn again, as SVG on
top), the stored picture, the text for screen readers and nbval, and what the tests look at. Only core ipywidgets.
"""

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import matplotlib
from matplotlib.figure import Figure

from course_lib import svg, theme
from course_lib.controls import Choice, LogSlider, Record, Slider, Text, Unclear, literal

__all__ = [
    "Choice", "Explorer", "Filmstrip", "LogSlider", "Record", "Scene", "Slider", "Task", "Text", "Unclear", "literal",
]  # fmt: skip

_counter = itertools.count(1)
MOST_FRAMES = 130


@dataclass(frozen=True, kw_only=True)
class Scene:
    """figure: at 72 dpi, with fixed limits; movers: its moving artists; update(**values) moves them -> sentence.

    Movers need plain Unicode text: changing mathtext or an arrow of annotate costs more than all else together.
    """

    figure: Figure
    movers: Sequence
    update: Callable[..., str]


@dataclass(frozen=True)
class Task:
    """Something to reach: done(values) is True, or False, or a str that says what is missing. Once done, stays done."""

    text: str
    done: Callable[[Mapping], bool | str]


# --- the explorer --------------------------------------------------------------------------------------------------


class Explorer:
    """A scene with controls: move it in a notebook, or with .set(x=1.0).

    .text is the sentence for the present values, .values a copy of them, .at(x=1.0) moves there and returns the Figure,
    .widget is the live view, .done tells for each task whether it has been reached. play: the name of a control through
    whose stops a button runs when it is pressed; what is passed meanwhile reaches no task.
    """

    def __init__(self, scene, *, name="explorer", tasks=(), play=None, **controls):
        self.scene, self.name, self.tasks, self.controls, self.play = scene, name, tuple(tasks), controls, play
        self.text, self.failed, self.judging = "", False, True
        self.done = [False] * len(self.tasks)
        self._missing = [""] * len(self.tasks)
        self._movers = sorted(scene.movers, key=lambda mover: mover.get_zorder())
        svg.remember_layouts(self._movers)
        self._values = {key: control.start for key, control in controls.items()}
        self.salt = f"{name}-{next(_counter)}"
        self._view = None
        self._refresh()

    @property
    def values(self):
        return dict(self._values)

    def set(self, **values):
        """Move controls to the given values; TypeError for an unknown name, ValueError for an impossible value."""
        checked = {}
        for key, value in values.items():
            if key not in self.controls:
                raise TypeError(f"{self.name} has no {key!r}, only {', '.join(self.controls)}.")
            try:
                checked[key] = self.controls[key].check(value)
            except (ValueError, TypeError) as error:
                raise type(error)(f"{key} {error}.") from None
        changed = {key for key, value in checked.items() if value != self._values[key]}
        for key, control in self.controls.items():
            if key not in checked and changed & set(control.clears_with):
                checked[key] = control.start
        self._values.update(checked)
        self._refresh()
        if self._view:
            self._view.follow()
        return self

    def press(self, key):
        """Press the button of a Record."""
        return self.set(**{key: self.controls[key].pressed(self._values[key], self._values)})

    def at(self, **values):
        """Move there and return the scene's Figure."""
        self.set(**values)
        return self.scene.figure

    @property
    def widget(self):
        if self._view is None:
            self._view = self._make_view()
        return self._view.widget

    def _make_view(self):
        from course_lib.views import View

        return View(self)

    def background(self):
        """Everything that does not move, as SVG for a page."""
        with theme.style(), matplotlib.rc_context({"svg.hashsalt": self.salt}):
            return svg.background(self.scene.figure, self._movers)

    def overlay(self):
        """What moves, as SVG for a page, in the background's coordinates; it carries the sentence as its name."""
        with svg.settings({"svg.hashsalt": self.salt, "svg.fonttype": "none"}):
            return svg.overlay(self.scene.figure, [] if self.failed else self._movers, self.text)

    def _refresh(self):
        try:
            self.text = str(self.scene.update(**self._values))
            self.failed = False
            if self.judging:
                self._judge()
        except Unclear as error:
            self.text, self.failed = str(error), True
        except Exception as error:  # a student's function may raise anything; a log nobody reads would lose it
            self.text = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
            self.failed = True

    def _judge(self):
        for i, task in enumerate(self.tasks):
            if not self.done[i]:
                verdict = task.done(self.values)
                self.done[i] = verdict is True
                self._missing[i] = verdict if isinstance(verdict, str) else ""

    def task_lines(self):
        """One line per task, led by ○ or ✓."""
        return [
            f"{'✓' if done else '○'} {task.text}{f' ({missing})' if missing and not done else ''}"
            for task, done, missing in zip(self.tasks, self.done, self._missing, strict=True)
        ]

    def __repr__(self):
        shown = ", ".join(f"{key} = {control.text(self._values[key])}" for key, control in self.controls.items())
        return f"{self.name} with {shown}: {self.text}"

    def _repr_mimebundle_(self, include=None, exclude=None):
        with svg.hidden(self._movers if self.failed else []):
            data, metadata = theme.bundle(self.scene.figure, self.text, caption=True)
        data["text/plain"] = repr(self)
        try:
            view = self.widget._repr_mimebundle_()
        except ImportError:  # without ipywidgets the picture still shows
            return data, metadata
        if isinstance(view, tuple):
            view = view[0]
        return {key: value for key, value in view.items() if key != "text/plain"} | data, metadata


class Filmstrip(Explorer):
    """An explorer with one control, all of whose pictures are drawn beforehand: it moves even without a kernel.

    The control is a Slider, LogSlider or Choice with at most MOST_FRAMES stops; values are taken to the nearest stop.
    With play=True a button beside it runs through the pictures once, and only when it is pressed.
    """

    def __init__(self, scene, *, name="filmstrip", tasks=(), play=False, **controls):
        if len(controls) != 1:
            raise TypeError(f"{name}: a filmstrip has one control, got {len(controls)}.")
        ((self.key, control),) = controls.items()
        self.stops = getattr(control, "stops", ())
        if not 2 <= len(self.stops) <= MOST_FRAMES:
            raise ValueError(
                f"{name}: a filmstrip needs a control with 2 to {MOST_FRAMES} stops, {self.key} has {len(self.stops)}."
            )
        super().__init__(scene, name=name, tasks=tasks, play=self.key if play else None, **controls)
        self.set(**{self.key: control.start})

    def set(self, **values):
        if self.key in values:
            checked = self.controls[self.key].check(values[self.key])
            values[self.key] = self.stops[self.controls[self.key].nearest(checked)]
        return super().set(**values)

    def frames(self):
        """(overlay, sentence) for each stop; afterwards the scene shows the present value again."""
        done, self.tasks, tasks = self.done, (), self.tasks  # drawing a picture reaches no task
        now, frames = self._values[self.key], []
        try:
            for stop in self.stops:
                self._values[self.key] = stop
                self._refresh()
                frames.append((self.overlay(), self.text))
        finally:
            self.tasks, self.done, self._values[self.key] = tasks, done, now
            self._refresh()
        return frames

    def _make_view(self):
        import ipywidgets

        from course_lib.views import StripView

        return StripView(self) if hasattr(ipywidgets, "Stack") else super()._make_view()  # Stack came with ipywidgets 8
