"""Make a picture move: Explorer(scene, x=Slider(-3, 3, 1/16)) turns a Matplotlib figure into a live view.

A Scene is an ordinary figure, the few artists in it that move, and update(**values), which moves them and returns a
sentence. From it come the live view (the fixed part is drawn once, per event only the movers are drawn again, as SVG on
top), the stored picture, the text for screen readers and nbval, and what the tests look at. Only core ipywidgets.
"""

import ast
import html
import io
import itertools
import math
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache

import matplotlib
from matplotlib.figure import Figure

from course_lib import theme
from course_lib.theme import number, scientific

_counter = itertools.count(1)


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


class Unclear(ValueError):
    """What was typed or chosen has no picture; the text is the sentence to show."""


# --- controls ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Slider:
    """Numbers from low to high. Steps that are binary fractions (1/16) are read out as they are; 0.1 is not."""

    low: float
    high: float
    step: float
    value: float | None = None
    label: str | None = None

    @property
    def start(self):
        return self.low if self.value is None else float(self.value)

    def check(self, value):
        value = float(value)
        if not self.low <= value <= self.high:
            raise ValueError(f"must lie between {number(self.low)} and {number(self.high)}, got {number(value)}")
        return value

    def text(self, value):
        return number(value, 4)

    def widget(self, label, em, value):
        import ipywidgets

        # the widget shows what its step can show: an odd start such as 0.7 is kept until the handle moves
        return ipywidgets.FloatSlider(
            value=value, min=self.low, max=self.high, step=self.step, description=label, continuous_update=True,
            readout_format=f".{_decimals(self.step)}f", **_look(em),
        )


@dataclass(frozen=True)
class LogSlider:
    """Powers of ten from low to high, per_decade stops each: the handle moves evenly, the value by factors."""

    low: float
    high: float
    per_decade: int = 4
    value: float | None = None
    label: str | None = None

    @property
    def stops(self):
        first, last = (round(math.log10(end) * self.per_decade) for end in (self.low, self.high))
        return tuple(float(f"{10 ** (k / self.per_decade):.2e}") for k in range(first, last + 1))

    @property
    def start(self):
        return self.check(self.low if self.value is None else self.value)

    def check(self, value):
        """The nearest stop."""
        value = float(value)
        if not self.stops[0] * 0.99 <= value <= self.stops[-1] * 1.01:
            raise ValueError(f"must lie between {self.text(self.low)} and {self.text(self.high)}, got {number(value)}")
        return min(self.stops, key=lambda stop: abs(math.log(stop / value)))

    def text(self, value):
        return number(value, 2) if 0.01 <= value < 1e5 else scientific(value)

    def widget(self, label, em, value):
        import ipywidgets

        return ipywidgets.SelectionSlider(
            options=[(self.text(stop), stop) for stop in self.stops], value=value, description=label,
            continuous_update=True, **_look(em),
        )


@dataclass(frozen=True)
class Choice:
    """One of a few texts."""

    options: Sequence[str]
    value: str | None = None
    label: str | None = None

    @property
    def start(self):
        return self.options[0] if self.value is None else self.value

    def check(self, value):
        if value not in self.options:
            raise ValueError(f"must be one of {', '.join(self.options)}, got {str(value)[:40]!r}")
        return value

    def text(self, value):
        return value

    def widget(self, label, em, value):
        import ipywidgets

        look = _look(em)
        look["layout"] = {"width": "max-content", "max_width": "100%", "display": "flex", "flex_flow": "row nowrap"}
        look["style"]["button_width"] = "auto"
        return ipywidgets.ToggleButtons(options=list(self.options), value=value, description=label, **look)


@dataclass(frozen=True)
class Text:
    """Typed text, taken when Enter is pressed or the field is left. clears_with: controls that empty it when moved."""

    value: str = ""
    label: str | None = None
    placeholder: str = ""
    clears_with: Sequence[str] = ()

    @property
    def start(self):
        return self.value

    def check(self, value):
        return str(value)

    def text(self, value):
        return repr(value)

    def widget(self, label, em, value):
        import ipywidgets

        return ipywidgets.Text(
            value=value, description=label, placeholder=self.placeholder, continuous_update=False, **_look(em)
        )


def _decimals(step):
    """Digits that show every step: 1/16 needs four, capped at three so that the readout stays narrow."""
    return next((d for d in range(3) if math.isclose(step, round(step, d))), 3)


def _look(em):
    """Size of a control whose label may take that many em."""
    return {"layout": {"width": "300px", "max_width": "100%"}, "style": {"description_width": f"{em}em"}}


def literal(text, wanted):
    """What a student typed as a Python literal; Unclear with one sentence that says what was wanted."""
    try:
        return ast.literal_eval(text.strip())
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        raise Unclear(f"{text.strip()[:30]!r} cannot be read: type {wanted}.") from None


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
            if key not in checked and changed & set(getattr(control, "clears_with", ())):
                checked[key] = control.start
        self._values.update(checked)
        self._refresh()
        if self._view:
            self._view.follow()
        return self

    def at(self, **values):
        """Move there and return the scene's Figure."""
        self.set(**values)
        return self.scene.figure

    @property
    def widget(self):
        if self._view is None:
            self._view = _View(self)
        return self._view.widget

    def background(self):
        """Everything that does not move, as SVG for a page."""
        with theme.style(), matplotlib.rc_context({"svg.hashsalt": self._salt}):
            return background(self.scene.figure, self._movers)

    def overlay(self):
        """What moves, as SVG for a page, in the background's coordinates; it carries the sentence as its name."""
        with _settings({"svg.hashsalt": self._salt, "svg.fonttype": "none"}):
            return overlay(self.scene.figure, [] if self.failed else self._movers, self.text)

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
        with _hidden(self._movers if self.failed else []):
            data, metadata = theme.bundle(self.scene.figure, self.text, caption=True)
        data["text/plain"] = repr(self)
        try:
            view = self.widget._repr_mimebundle_()
        except ImportError:  # without ipywidgets the picture still shows
            return data, metadata
        if isinstance(view, tuple):
            view = view[0]
        return {key: value for key, value in view.items() if key != "text/plain"} | data, metadata


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
        em = round(0.52 * max(map(len, labels.values()), default=0) + 1, 1)
        for key, control in self.explorer.controls.items():
            self.controls[key] = control.widget(labels[key], em, values[key])
            self.controls[key].observe(self.moved, names="value")
        self.front, self.sentence = _cell(ipywidgets), ipywidgets.HTML()
        self.tasks = ipywidgets.HTML()
        back = _cell(ipywidgets, self.explorer.background())
        stage = ipywidgets.GridBox(
            [back, self.front], layout={"grid_template_columns": "minmax(0, max-content)", "overflow": "hidden"}
        )
        rows = ipywidgets.HBox(list(self.controls.values()), layout={"flex_flow": "row wrap", "overflow": "visible"})
        parts = [rows, stage, self.sentence] + [self.tasks] * bool(self.explorer.tasks)
        self.widget = ipywidgets.VBox(parts)
        self.paint()

    def moved(self, change):
        if not self.following:
            key = next(key for key, widget in self.controls.items() if widget is change["owner"])
            try:
                self.explorer.set(**{key: change["new"]})
            except (TypeError, ValueError) as error:
                self.sentence.value = _sentence(str(error))

    def follow(self):
        """Bring the controls to the explorer's values, then paint."""
        self.following = True
        try:
            for key, value in self.explorer.values.items():
                if self.controls[key].value != value:
                    self.controls[key].value = value
        finally:
            self.following = False
        self.paint()

    def paint(self):
        self.front.value = self.explorer.overlay()
        self.sentence.value = _sentence(self.explorer.text)
        if self.explorer.tasks:
            self.tasks.value = _tasks(self.explorer.task_lines())


def _cell(ipywidgets, value=""):
    """One layer of the picture: both layers lie in the same grid cell."""
    return ipywidgets.HTML(value, layout={"grid_area": "1 / 1 / 2 / 2", "margin": "0", "min_width": "0"})


def _sentence(text):
    # Room for two lines at all times, so that the page does not move while a slider does.
    return (
        '<div class="course-sentence" role="status" aria-live="polite" aria-atomic="true" '
        f'style="min-height:3em;line-height:1.5;white-space:normal;max-width:56em">{html.escape(text)}</div>'
    )


def _tasks(lines):
    rows = "".join(f'<div style="padding-left:1.3em;text-indent:-1.3em">{html.escape(line)}</div>' for line in lines)
    return f'<div class="course-tasks" style="line-height:1.6;white-space:normal;max-width:56em">{rows}</div>'


# --- two layers of SVG ---------------------------------------------------------------------------------------------

_text_sizes = {}
NO_METADATA = {"Date": None, "Creator": None, "Format": None, "Type": None}


@contextmanager
def _settings(wanted):
    """Context with some rcParams changed; rc_context copies all of them, which every event would pay for."""
    before = {key: matplotlib.rcParams[key] for key in wanted}
    try:
        matplotlib.rcParams.update(wanted)
        yield
    finally:
        matplotlib.rcParams.update(before)


class _hidden:
    """Context in which artists are invisible."""

    def __init__(self, artists):
        self.shown = [artist for artist in artists if artist.get_visible()]

    def __enter__(self):
        for artist in self.shown:
            artist.set_visible(False)

    def __exit__(self, *error):
        for artist in self.shown:
            artist.set_visible(True)


def background(figure, movers):
    """Everything but the movers, as a transparent SVG fragment. Animated artists are saved too, so they are hidden."""
    with _hidden(movers):
        return inline(_saved(figure), 'aria-hidden="true"')


def overlay(figure, movers, sentence=""):
    """Only the movers, in the background's coordinates; the figure's dpi must be 72."""
    try:
        svg = drawn_alone(figure, movers)
    except (ImportError, AttributeError, TypeError):  # RendererSVG is no promise of Matplotlib's: slower, but public
        svg = saved_alone(figure, movers)
    return inline(svg, f'role="img" aria-label="{html.escape(sentence)}"', "pointer-events:none;")


def drawn_alone(figure, movers):
    """The movers as an SVG document, by the renderer itself: 2 ms."""
    out = io.StringIO()
    renderer = _renderer()(figure.bbox.width, figure.bbox.height, out, image_dpi=72, metadata=NO_METADATA)
    for mover in movers:
        mover.draw(renderer)
    renderer.finalize()
    return out.getvalue()


@cache
def _renderer():
    """Matplotlib's SVG renderer, remembering how large a text is: measuring is most of what drawing a text costs."""
    from matplotlib.backends.backend_svg import RendererSVG

    class Remembering(RendererSVG):
        def get_text_width_height_descent(self, s, prop, ismath):
            key = s, hash(prop), ismath
            if key not in _text_sizes:
                if len(_text_sizes) > 2000:
                    _text_sizes.clear()
                _text_sizes[key] = super().get_text_width_height_descent(s, prop, ismath)
            return _text_sizes[key]

    return Remembering


def saved_alone(figure, movers):
    """The same by savefig with everything else invisible: 20 ms."""
    keep = set(movers)
    others = [artist for ax in figure.axes for artist in ax.get_children() if artist not in keep]
    others += [artist for artist in figure.get_children() if artist not in keep and artist not in figure.axes]
    with _hidden(others):
        return _saved(figure)


def _saved(figure):
    out = io.StringIO()
    figure.savefig(out, format="svg", transparent=True, metadata=NO_METADATA)
    return out.getvalue()


def inline(svg, attributes="", style=""):
    """SVG document -> fragment for a page: no prolog, no page-wide style rule; ink and font are the page's own."""
    svg = svg[svg.index("<svg"):]
    svg = re.sub(r"<metadata>.*?</metadata>|<style.*?</style>|<!--.*?-->", "", svg, flags=re.S)
    svg = re.sub(r"<defs>\s*</defs>", "", svg)
    svg = svg.replace("'DejaVu Sans'", "var(--jp-ui-font-family, 'DejaVu Sans'), 'DejaVu Sans'")
    style = f"{style}display:block;max-width:100%;height:auto;stroke-linejoin:round;stroke-linecap:butt"
    return svg.replace("<svg ", f'<svg {attributes} style="{style}" ', 1).replace(theme.INK, "currentColor")
