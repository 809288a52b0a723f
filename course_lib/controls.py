"""What moves an explorer: Slider, LogSlider, Choice, Text, Record, Cards. Each checks a value, words it, makes its widget.

A control is plain data and works without a notebook; ipywidgets is imported when the widget is asked for.
"""

import ast
import math
from collections.abc import Sequence
from dataclasses import dataclass

from course_lib.theme import number, scientific


class Unclear(ValueError):
    """What was typed or chosen has no picture; the text is the sentence to show."""


class Control:
    """What all controls share: how a widget reports a new value, and how it is brought to one.

    clears_with: names of controls that bring this one back to its start when they change.
    """

    clears_with = ()

    def listen(self, widget, changed, pressed):
        """Call changed(value) whenever the widget has a new one; pressed() is for buttons."""
        widget.observe(lambda change: changed(change["new"]), names="value")

    def nearest(self, value):
        """Number of the stop nearest to value, for a control with stops."""
        if value in self.stops:
            return self.stops.index(value)
        return min(range(len(self.stops)), key=lambda i: abs(self.stops[i] - value))

    def show(self, widget, value):
        if widget.value != value:
            widget.value = value


@dataclass(frozen=True)
class Slider(Control):
    """Numbers from low to high. Steps that are binary fractions (1/16) are read out as they are; 0.1 is not."""

    low: float
    high: float
    step: float
    value: float | None = None
    label: str | None = None

    @property
    def start(self):
        return self.low if self.value is None else float(self.value)

    @property
    def stops(self):
        return tuple(self.low + i * self.step for i in range(round((self.high - self.low) / self.step) + 1))

    def check(self, value):
        value = float(value)
        if not self.low <= value <= self.high:
            raise ValueError(f"must lie between {number(self.low)} and {number(self.high)}, got {number(value)}")
        return value

    def text(self, value):
        return number(value, 4)

    def widget(self, label, em, value):
        import ipywidgets

        # The page rounds a value to the steps from min on, so these steps start where the value is one of them.
        off = math.remainder(value - self.low, self.step)
        off = 0 if abs(off) < 1e-9 * self.step else off % self.step
        low, high = self.low + off, self.high - (self.step - off if off else 0)
        return ipywidgets.FloatSlider(
            value=value, min=low, max=max(high, value), step=self.step, description=label, tooltip=label,
            continuous_update=True, readout_format=f".{_decimals(self.step)}f", **_look(em),
        )

    def listen(self, widget, changed, pressed):
        def moved(change):
            # A value that was set, such as 0.71, comes back from the page as the nearest step: no one moved the handle.
            if not (abs(change["new"] - change["old"]) < 0.499 * self.step and self._is_step(change["new"], widget.min)):
                changed(change["new"])

        widget.observe(moved, names="value")

    def _is_step(self, value, first):
        return abs(math.remainder(value - first, self.step)) < 1e-6 * self.step


@dataclass(frozen=True)
class LogSlider(Control):
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
            options=[(self.text(stop), stop) for stop in self.stops], value=value, description=label, tooltip=label,
            continuous_update=True, **_look(em),
        )


@dataclass(frozen=True)
class Choice(Control):
    """One of a few texts, as buttons. (No list to open: JupyterLab takes the arrow keys away from it.)"""

    options: Sequence[str]
    value: str | None = None
    label: str | None = None
    clears_with: Sequence[str] = ()

    @property
    def start(self):
        return self.options[0] if self.value is None else self.value

    @property
    def stops(self):
        return tuple(self.options)

    def check(self, value):
        if value not in self.options:
            raise ValueError(f"must be one of {', '.join(self.options)}, got {str(value)[:40]!r}")
        return value

    def text(self, value):
        return value

    def widget(self, label, em, value):
        import ipywidgets

        look = _look(room_for(label))  # buttons need no column of their own
        look["layout"] = {"width": "max-content", "max_width": "100%", "display": "flex", "flex_flow": "row nowrap",
                          "margin": "2px 1em 2px 2px"}
        look["style"]["button_width"] = "auto"
        return ipywidgets.ToggleButtons(options=list(self.options), value=value, description=label, **look)


@dataclass(frozen=True)
class Text(Control):
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


@dataclass(frozen=True)
class Record(Control):
    """A button that notes where the controls `of` stand, each time it is pressed; its value is the tuple of notes."""

    of: Sequence[str]
    label: str | None = None
    clears_with: Sequence[str] = ()

    start = ()

    def check(self, value):
        notes = tuple(tuple(note) for note in value)
        if any(len(note) != len(self.of) for note in notes):
            raise ValueError(f"must hold notes of {len(self.of)} values, for {', '.join(self.of)}")
        return notes

    def pressed(self, notes, values):
        """The notes with the present values added."""
        return (*notes, tuple(values[key] for key in self.of))

    def text(self, value):
        return f"{len(value)} noted"

    def widget(self, label, em, value):
        import ipywidgets

        return ipywidgets.Button(description=self._face(label, value), layout={"width": "auto", "min_width": "12em"})

    def listen(self, widget, changed, pressed):
        widget.on_click(lambda button: pressed())

    def show(self, widget, value):
        widget.description = self._face(widget.description.rpartition(" (")[0], value)

    def _face(self, label, value):
        return f"{label} ({len(value)})"


@dataclass(frozen=True)
class Cards(Control):
    """Cards to lay in a row, a button for each; its value is the tuple of those that lie there."""

    cards: Sequence[str]
    most: int = 8
    label: str | None = None

    start = ()

    def check(self, value):
        laid = tuple(value)
        unknown = [card for card in laid if card not in self.cards]
        if unknown or len(laid) > self.most:
            raise ValueError(f"must be at most {self.most} of {', '.join(self.cards)}, got {str(list(value))[:60]}")
        return laid

    def text(self, value):
        return " → ".join(value) or "no card"

    def widget(self, label, em, value):
        import ipywidgets

        buttons = [ipywidgets.Button(description=card, tooltip=f"lay the card {card}", layout={"width": "auto"})
                   for card in self.cards]
        for face, said in (("⌫ last", "take the last card back"), ("empty", "take all cards back")):
            buttons.append(ipywidgets.Button(description=face, tooltip=said, layout={"width": "auto"}, button_style=""))
        box = ipywidgets.HBox([ipywidgets.Label(label), *buttons], layout={"flex_flow": "row wrap", "overflow": "visible"})
        box.laid = value
        return box

    def listen(self, widget, changed, pressed):
        *cards, last, empty = widget.children[1:]
        for button in cards:
            button.on_click(lambda button: len(widget.laid) < self.most and changed((*widget.laid, button.description)))
        last.on_click(lambda button: changed(widget.laid[:-1]))
        empty.on_click(lambda button: changed(()))

    def show(self, widget, value):
        widget.laid = value


def even_step(low, high):
    """A binary fraction that divides the range into 45 to 90 steps: it is read out as it is, 0.1 is not."""
    return 2.0 ** round(math.log2((high - low) / 64))


def _decimals(step):
    """Digits that show every step: 1/16 needs four, capped at three so that the readout stays narrow."""
    return next((d for d in range(3) if math.isclose(step, round(step, d))), 3)


def room_for(*labels):
    """Room for the longest label, in em."""
    return round(0.52 * max(map(len, labels), default=0) + 1, 1)


def _look(em):
    """Size of a control whose label may take that many em."""
    return {"layout": {"width": "300px", "max_width": "100%"}, "style": {"description_width": f"{em}em"}}


def literal(text, wanted):
    """What a student typed as a Python literal; Unclear with one sentence that says what was wanted."""
    try:
        return ast.literal_eval(text.strip())
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        raise Unclear(f"{text.strip()[:30]!r} cannot be read: type {wanted}.") from None
