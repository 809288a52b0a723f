"""The widgets of an explorer (View) and of a filmstrip (StripView): controls, two layers of picture, sentence, tasks.

Only here and in the controls is ipywidgets used, and only once an explorer is shown.
"""

import html
from functools import partial

import ipywidgets

from course_lib import page, svg
from course_lib.controls import room_for

ROOM = "number " * 24  # 168 characters
PLAY_SECONDS = 8  # from the first stop to the last
_AREA = {"grid_area": "1 / 1 / 2 / 2", "margin": "0", "min_width": "0"}


class View:
    """The widgets of one explorer; it owns them, so no notebook global can cross its way."""

    def __init__(self, explorer):
        self.explorer, self.controls, self.following = explorer, {}, False
        values = explorer.values
        labels = {key: control.label or key for key, control in explorer.controls.items()}
        em = room_for(*labels.values())
        for key, control in explorer.controls.items():
            self.controls[key] = control.widget(labels[key], em, values[key])
            control.listen(self.controls[key], partial(self.moved, key), partial(explorer.press, key))
        row = list(self.controls.values())
        self.running = False  # the player, as far as is known here
        if explorer.play:
            self.player = _player(explorer.controls[explorer.play], values[explorer.play])
            self.player.observe(self.played, names=["playing", "value"])
            row.insert(row.index(self.controls[explorer.play]) + 1, self.player)
        self.stage, self.sentence, self.tasks = Stage(explorer), ipywidgets.HTML(), ipywidgets.HTML()
        self.widget = whole(row, self.stage, self.sentence, [self.tasks] * bool(explorer.tasks))
        self.paint()

    def moved(self, key, value):
        if not self.following:
            try:
                self.explorer.set(**{key: value})
            except (TypeError, ValueError) as error:
                self.sentence.value = sentence_html(str(error))

    def played(self, change):
        """It starts from where the control stands. What is passed while it runs reaches no task, where it stops may."""
        key, stops = self.explorer.play, self.explorer.controls[self.explorer.play].stops
        if self.player.playing and not self.running:
            self.running, self.explorer.judging = True, False
            at = self.explorer.controls[key].nearest(self.explorer.values[key])
            self.player.value = at if at < len(stops) - 1 else 0
        elif self.running or change["name"] == "value":  # its second button sets the value when it stands
            self.running, self.explorer.judging = self.player.playing, not self.player.playing
            self.moved(key, stops[self.player.value])

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
        self.stage.paint_front()
        self.sentence.value = sentence_html(self.explorer.text)
        if self.explorer.tasks:
            self.tasks.value = _tasks(self.explorer.task_lines())


class StripView:
    """The widgets of one filmstrip: slider, pictures and sentences are linked in the page itself."""

    def __init__(self, strip):
        self.strip = strip
        self.control = control = strip.controls[strip.key]
        at, label = control.nearest(strip.values[strip.key]), control.label or strip.key
        frames = strip.frames()
        self.slider = ipywidgets.SelectionSlider(
            options=[(control.text(stop), i) for i, stop in enumerate(strip.stops)], index=at, description=label,
            tooltip=label, continuous_update=True, layout={"width": "340px", "max_width": "100%"},
            style={"description_width": f"{room_for(label)}em"},
        )
        pictures = ipywidgets.Stack(selected_index=None, layout=_AREA)
        stage = Stage(strip, pictures)
        pictures.children = [cell(stage.drawn(overlay)) for overlay, _ in frames]
        pictures.selected_index = at
        sentences = ipywidgets.Stack([ipywidgets.HTML(sentence_html(text)) for _, text in frames], selected_index=at)
        self.tasks = ipywidgets.HTML()
        self.links = [ipywidgets.jslink((self.slider, "index"), (stack, "selected_index"))
                      for stack in (pictures, sentences)]
        controls = [self.slider]
        if strip.play:
            player = _player(control, strip.values[strip.key])
            self.links.append(ipywidgets.jslink((player, "value"), (self.slider, "index")))
            controls.append(player)
        self.widget = whole(controls, stage, sentences, [self.tasks] * bool(strip.tasks))
        self.slider.observe(lambda change: strip.set(**{strip.key: strip.stops[change["new"]]}), names="index")
        self.follow()

    def follow(self):
        self.slider.index = self.control.nearest(self.strip.values[self.strip.key])
        if self.strip.tasks:
            self.tasks.value = _tasks(self.strip.task_lines())


class Stage:
    """The picture, .box: what moves, .front, lies on what does not. front is one layer unless a Stack is given.

    Panels go below each other where a page is too narrow for all of them side by side.
    """

    def __init__(self, explorer, front=None):
        self.explorer, self.cuts = explorer, svg.cuts_of(explorer.scene.figure)
        self.back, self.front = cell(), front or cell()
        layout = {"grid_template_columns": "minmax(0, max-content)", "overflow": "hidden"}
        self.box = ipywidgets.GridBox([self.back, self.front], layout=layout)
        self.paint_back()

    def paint_back(self):
        self.back.value = self._cut(self.explorer.background(), "back") + page.dressing()

    def paint_front(self):
        self.front.value = self.drawn(self.explorer.overlay())

    def drawn(self, overlay):
        """What the front layer shows for this overlay."""
        return self._cut(overlay, "front")

    def _cut(self, drawn, layer):
        return svg.panels(drawn, self.cuts, f"{self.explorer.salt}-{layer}")


def cell(value=""):
    """One layer of the picture: both layers lie in the same grid cell."""
    return ipywidgets.HTML(value, layout=_AREA)


def whole(controls, stage, sentence, tasks=()):
    """All of an explorer, as the page knows it."""
    row = ipywidgets.HBox(controls, layout={"flex_flow": "row wrap", "align_items": "center", "overflow": "visible"})
    row.add_class(page.CONTROLS)
    sentence.add_class(page.SENTENCE)
    both = ipywidgets.VBox([row, stage.box, sentence, *tasks])
    both.add_class(page.EXPLORER)
    return both


def _player(control, value):
    """A button that runs through the stops of a control once; nothing runs before it is pressed."""
    last = len(control.stops) - 1
    return ipywidgets.Play(
        value=control.nearest(value), max=last, interval=max(40, round(1000 * PLAY_SECONDS / last)), show_repeat=False,
        layout={"width": "5em", "margin": "2px 1.5em 2px 0"},
    )


def sentence_html(text):
    # The hidden words keep the room of a long sentence at every width, so the page does not move while a slider does.
    return (
        '<div style="display:grid;line-height:1.5;white-space:normal;max-width:56em">'
        f'<div aria-hidden="true" style="grid-area:1/1;visibility:hidden;min-height:3em">{ROOM}</div>'
        f'<div class="course-sentence" style="grid-area:1/1">{html.escape(text)}</div></div>'
    )


def _tasks(lines):
    rows = "".join(f'<div style="padding-left:1.3em;text-indent:-1.3em">{html.escape(line)}</div>' for line in lines)
    return f'<div class="course-tasks" style="line-height:1.6;white-space:normal;max-width:56em">{rows}</div>'
