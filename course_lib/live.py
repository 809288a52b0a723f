"""Make a picture move: Explorer(scene, x=Slider(-3, 3, 1/16)) turns a Matplotlib figure into a live view, and
Filmstrip does so with pictures drawn beforehand.

A Scene is an ordinary figure, the few artists in it that move, and update(**values), which moves them and returns a
sentence. From it come the live view (the fixed part is drawn once, per event only the movers are drawn again, as SVG on
top), the stored picture, the text for screen readers and nbval, and what the tests look at. Only core ipywidgets.
"""

import html
import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import matplotlib
from matplotlib.figure import Figure

from course_lib import svg, theme
from course_lib.controls import Choice, LogSlider, Record, Slider, Text, Unclear, literal, room_for

__all__ = [
    "Choice", "Explorer", "Filmstrip", "LogSlider", "Record", "Scene", "Slider", "Task", "Text", "Unclear", "literal",
]  # fmt: skip

_counter = itertools.count(1)
MOST_FRAMES = 130
ROOM = "number " * 24  # 168 characters


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
    .widget is the live view, .done tells for each task whether it has been reached.
    """

    def __init__(self, scene, *, name="explorer", tasks=(), **controls):
        self.scene, self.name, self.tasks, self.controls = scene, name, tuple(tasks), controls
        self.text, self.failed = "", False
        self.done = [False] * len(self.tasks)
        self._missing = [""] * len(self.tasks)
        self._movers = sorted(scene.movers, key=lambda mover: mover.get_zorder())
        svg.remember_layouts(self._movers)
        self._values = {key: control.start for key, control in controls.items()}
        self._salt = f"{name}-{next(_counter)}"
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
        return _View(self)

    def background(self):
        """Everything that does not move, as SVG for a page."""
        with theme.style(), matplotlib.rc_context({"svg.hashsalt": self._salt}):
            return svg.background(self.scene.figure, self._movers)

    def overlay(self):
        """What moves, as SVG for a page, in the background's coordinates; it carries the sentence as its name."""
        with svg.settings({"svg.hashsalt": self._salt, "svg.fonttype": "none"}):
            return svg.overlay(self.scene.figure, [] if self.failed else self._movers, self.text)

    def _refresh(self):
        try:
            self.text = str(self.scene.update(**self._values))
            self.failed = False
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
        self.stops, self.play = getattr(control, "stops", ()), play
        if not 2 <= len(self.stops) <= MOST_FRAMES:
            raise ValueError(
                f"{name}: a filmstrip needs a control with 2 to {MOST_FRAMES} stops, {self.key} has {len(self.stops)}."
            )
        super().__init__(scene, name=name, tasks=tasks, **controls)
        self.set(**{self.key: control.start})

    def set(self, **values):
        if self.key in values:
            checked = self.controls[self.key].check(values[self.key])
            values[self.key] = self.stops[self.index_of(checked)]
        return super().set(**values)

    def index_of(self, value):
        """Number of the stop nearest to value."""
        if value in self.stops:
            return self.stops.index(value)
        return min(range(len(self.stops)), key=lambda i: abs(self.stops[i] - value))

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

        return _StripView(self) if hasattr(ipywidgets, "Stack") else _View(self)  # Stack came with ipywidgets 8


@dataclass
class _View:
    """The widgets of one explorer; it owns them, so no notebook global can cross its way."""

    explorer: Explorer
    controls: dict = field(default_factory=dict)
    following: bool = False

    def __post_init__(self):
        import ipywidgets

        values = self.explorer.values
        labels = {key: control.label or key for key, control in self.explorer.controls.items()}
        em = room_for(*labels.values())
        for key, control in self.explorer.controls.items():
            self.controls[key] = control.widget(labels[key], em, values[key])
            control.listen(self.controls[key], partial(self.moved, key), partial(self.explorer.press, key))
        _, self.front, both = stage(self.explorer)
        self.sentence, self.tasks = ipywidgets.HTML(), ipywidgets.HTML()
        parts = [_row(self.controls.values()), both, self.sentence]
        self.widget = ipywidgets.VBox(parts + [self.tasks] * bool(self.explorer.tasks))
        self.paint()

    def moved(self, key, value):
        if not self.following:
            try:
                self.explorer.set(**{key: value})
            except (TypeError, ValueError) as error:
                self.sentence.value = sentence_html(str(error))

    def follow(self):
        """Bring the controls to the explorer's values, then paint."""
        self.following = True
        try:
            for key, value in self.explorer.values.items():
                self.explorer.controls[key].show(self.controls[key], value)
        finally:
            self.following = False
        self.paint()

    def paint(self):
        self.front.value = self.explorer.overlay()
        self.sentence.value = sentence_html(self.explorer.text)
        if self.explorer.tasks:
            self.tasks.value = _tasks(self.explorer.task_lines())


class _StripView:
    """The widgets of one filmstrip: slider, pictures and sentences are linked in the page itself."""

    def __init__(self, strip):
        import ipywidgets

        self.strip, control = strip, strip.controls[strip.key]
        at, label = strip.index_of(strip.values[strip.key]), control.label or strip.key
        frames = strip.frames()
        self.slider = ipywidgets.SelectionSlider(
            options=[(control.text(stop), i) for i, stop in enumerate(strip.stops)], index=at, description=label,
            continuous_update=True, layout={"width": "340px", "max_width": "100%"},
            style={"description_width": f"{room_for(label)}em"},
        )
        pictures = ipywidgets.Stack([_cell(ipywidgets, drawn) for drawn, _ in frames], selected_index=at, layout=_AREA)
        sentences = ipywidgets.Stack([ipywidgets.HTML(sentence_html(text)) for _, text in frames], selected_index=at)
        self.tasks = ipywidgets.HTML()
        self.links = [ipywidgets.jslink((self.slider, "index"), (stack, "selected_index"))
                      for stack in (pictures, sentences)]
        controls = [self.slider]
        if strip.play:
            play = ipywidgets.Play(value=at, max=len(frames) - 1, interval=300, show_repeat=False)
            self.links.append(ipywidgets.jslink((play, "value"), (self.slider, "index")))
            controls.append(play)
        parts = [_row(controls), stage(strip, pictures)[-1], sentences] + [self.tasks] * bool(strip.tasks)
        self.widget = ipywidgets.VBox(parts)
        self.slider.observe(lambda change: strip.set(**{strip.key: strip.stops[change["new"]]}), names="index")
        self.follow()

    def follow(self):
        self.slider.index = self.strip.index_of(self.strip.values[self.strip.key])
        if self.strip.tasks:
            self.tasks.value = _tasks(self.strip.task_lines())


_AREA = {"grid_area": "1 / 1 / 2 / 2", "margin": "0", "min_width": "0"}


def _cell(ipywidgets, value=""):
    """One layer of the picture: both layers lie in the same grid cell."""
    return ipywidgets.HTML(value, layout=_AREA)


def stage(explorer, front=None):
    """(back, front, the box with both): what moves lies on what does not; front is one layer unless a Stack is given."""
    import ipywidgets

    back, front = _cell(ipywidgets, explorer.background()), front or _cell(ipywidgets)
    layout = {"grid_template_columns": "minmax(0, max-content)", "overflow": "hidden"}
    return back, front, ipywidgets.GridBox([back, front], layout=layout)


def _row(controls):
    import ipywidgets

    return ipywidgets.HBox(list(controls), layout={"flex_flow": "row wrap", "overflow": "visible"})


def sentence_html(text):
    # The hidden words keep the room of a long sentence at every width, so the page does not move while a slider does.
    return (
        '<div style="display:grid;line-height:1.5;white-space:normal;max-width:56em">'
        f'<div aria-hidden="true" style="grid-area:1/1;visibility:hidden;min-height:3em">{ROOM}</div>'
        '<div class="course-sentence" role="status" aria-live="polite" aria-atomic="true" style="grid-area:1/1">'
        f"{html.escape(text)}</div></div>"
    )


def _tasks(lines):
    rows = "".join(f'<div style="padding-left:1.3em;text-indent:-1.3em">{html.escape(line)}</div>' for line in lines)
    return f'<div class="course-tasks" style="line-height:1.6;white-space:normal;max-width:56em">{rows}</div>'
