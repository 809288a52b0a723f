"""An explorer moves its movers and nothing else, says what it shows, and survives what a student's function does."""

import re
import subprocess
import sys
from xml.etree import ElementTree

import ipywidgets
import matplotlib
import pytest

from course_lib import live, theme
from course_lib.live import Choice, Explorer, Filmstrip, LogSlider, Record, Scene, Slider, Task, Text


def make(update=None, tasks=(), **controls):
    """A point on a parabola; its explorer."""
    figure = theme.figure()
    ax = figure.axes[0]
    ax.set(xlim=(-3, 3), ylim=(0, 9), title="fixed title")
    with theme.style():
        point = ax.plot([0], [0], **theme.POINT)[0]
        words = ax.text(-2.5, 8, "")

    def move(x=0.5, **rest):
        point.set_data([x], [x * x])
        words.set_text(f"height {x * x:g}")
        return f"At x = {x:g} the height is {x * x:g}."

    scene = Scene(figure=figure, movers=[point, words], update=update or move)
    return Explorer(scene, name="parabola", tasks=tasks, **(controls or {"x": Slider(-3, 3, 1 / 16, 0.5)}))


def point_of(explorer):
    return explorer.scene.movers[0].get_xydata()[0].tolist()


# --- values ----------------------------------------------------------------------------------------------------------


def test_set_moves_the_artists_and_the_sentence():
    explorer = make().set(x=1.5)
    assert point_of(explorer) == [1.5, 2.25]
    assert explorer.text == "At x = 1.5 the height is 2.25."
    assert repr(explorer) == "parabola with x = 1.5: At x = 1.5 the height is 2.25."


def test_at_returns_the_figure_moved_there():
    explorer = make()
    assert explorer.at(x=2) is explorer.scene.figure and point_of(explorer) == [2, 4]


@pytest.mark.parametrize(
    "values, error, words",
    [
        ({"y": 1}, TypeError, "no 'y', only x"), ({"x": 4}, ValueError, "x must lie between −3 and 3, got 4"),
        ({"x": "far"}, ValueError, "could not convert"), ({"x": float("nan")}, ValueError, "between"),
    ],
)
def test_an_impossible_value_is_refused_and_changes_nothing(values, error, words):
    explorer = make()
    with pytest.raises(error, match=words):
        explorer.set(**values)
    assert explorer.values == {"x": 0.5} and point_of(explorer) == [0.5, 0.25]


def test_the_values_handed_out_are_a_copy():
    explorer = make()
    explorer.values["x"] = 2
    assert explorer.values == {"x": 0.5}


def test_a_choice_must_be_one_of_its_options():
    with pytest.raises(ValueError, match="one of float32, float64"):
        make(kind=Choice(("float32", "float64")), x=Slider(-3, 3, 1)).set(kind="int8")


def test_moving_one_control_clears_the_answer_that_depended_on_it():
    explorer = make(x=Slider(-3, 3, 1, 0), answer=Text("", clears_with=("x",)))
    explorer.set(answer="yes")
    assert explorer.set(x=0).values["answer"] == "yes"
    assert explorer.set(x=1).values["answer"] == ""
    assert explorer.set(x=2, answer="no").values["answer"] == "no"


# --- failures --------------------------------------------------------------------------------------------------------


def test_an_error_in_update_becomes_the_sentence_and_the_next_move_recovers():
    explorer = make(update=lambda x: f"{1 / x:g} fits.", x=Slider(-3, 3, 1, 1))
    assert explorer.text == "1 fits."
    assert explorer.set(x=0).text == "ZeroDivisionError: float division by zero"
    assert "<path" not in explorer.overlay() and "<text" not in explorer.overlay()
    assert explorer.set(x=2).text == "0.5 fits." and "<use" in explorer.overlay()


def test_what_is_unclear_is_said_without_an_exception_name():
    def unclear(x):
        raise live.Unclear("Type a shape.")

    assert make(update=unclear, x=Slider(-3, 3, 1)).text == "Type a shape."


# --- tasks -----------------------------------------------------------------------------------------------------------


def test_a_task_once_done_stays_done_and_is_marked_by_a_sign():
    explorer = make(tasks=[Task("Go to 1.", lambda values: values["x"] == 1)])
    assert explorer.task_lines() == ["○ Go to 1."] and explorer.done == [False]
    assert explorer.set(x=1).task_lines() == ["✓ Go to 1."]
    assert explorer.set(x=2).done == [True]


def test_a_task_may_say_what_is_missing():
    explorer = make(tasks=[Task("Go to 1.", lambda values: values["x"] == 1 or "further right")])
    assert explorer.task_lines() == ["○ Go to 1. (further right)"]
    assert explorer.set(x=1).task_lines() == ["✓ Go to 1."]


# --- two layers ------------------------------------------------------------------------------------------------------


def drawn(svg):
    """The SVG parsed, so that it is known to be well formed."""
    return ElementTree.fromstring(svg.replace("<svg ", '<svg xmlns:xhtml="x" ', 1))


def test_the_background_holds_all_but_the_movers_and_the_overlay_only_them():
    explorer = make()
    back, front = explorer.background(), explorer.overlay()
    assert "fixed title" in back and "height 0.25" not in back
    assert "fixed title" not in front and "height 0.25" in front
    assert all(mover.get_visible() for mover in explorer.scene.movers)
    assert drawn(back).get("viewBox") == drawn(front).get("viewBox") == "0 0 432 252"


def test_layers_are_fit_for_any_page():
    explorer = make()
    for svg in (explorer.background(), explorer.overlay()):
        assert svg.startswith("<svg ") and "<style" not in svg and "<metadata" not in svg
        assert theme.INK not in svg and "currentColor" in svg


def test_the_overlay_carries_the_sentence_for_screen_readers():
    explorer = make(update=lambda x: f'a "b" <{x:g}>')
    svg = drawn(explorer.overlay())
    assert svg.get("role") == "img" and svg.get("aria-label") == 'a "b" <0.5>'
    assert drawn(explorer.background()).get("aria-hidden") == "true"


def test_explorers_on_one_page_share_no_referenced_ids():
    def ids(explorer):
        return set(re.findall(r"(?:url\(#|href=\"#)([^)\"]+)", explorer.overlay() + explorer.background()))

    one, two = make(), make()
    assert ids(one) and not ids(one) & ids(two)
    assert ids(one) <= set(re.findall(r'id="([^"]+)"', one.overlay() + one.background()))


def test_an_event_draws_the_same_bytes_twice_and_other_bytes_elsewhere():
    explorer = make()
    first = explorer.set(x=1).overlay()
    assert explorer.set(x=2).overlay() != first
    assert explorer.set(x=1).overlay() == first


# --- in the notebook -------------------------------------------------------------------------------------------------


def parts(explorer):
    rows, stage, sentence, *tasks = explorer.widget.children
    return rows, stage, sentence, tasks


def test_moving_the_widget_moves_the_overlay_and_leaves_the_background():
    explorer = make(tasks=[Task("Go to 1.", lambda values: values["x"] == 1)])
    rows, stage, sentence, (tasks,) = parts(explorer)
    back, front = stage.children
    before = back.value, front.value
    rows.children[0].value = 1.0
    assert explorer.values == {"x": 1} and point_of(explorer) == [1, 1]
    assert back.value == before[0] and front.value != before[1]
    assert "At x = 1 the height is 1." in sentence.value
    assert "✓ Go to 1." in tasks.value
    assert back.layout.grid_area == front.layout.grid_area


def test_set_moves_the_handles_too():
    explorer = make(x=Slider(-3, 3, 1 / 16, 0), h=LogSlider(1e-3, 1), kind=Choice(("a", "b")), word=Text())
    rows = parts(explorer)[0]
    explorer.set(x=1.5, h=0.1, kind="b", word="so")
    assert [control.value for control in rows.children] == [1.5, 0.1, "b", "so"]


def test_sliders_report_while_they_move():
    explorer = make(x=Slider(-3, 3, 1 / 16, 0), h=LogSlider(1e-3, 1))
    assert all(control.continuous_update for control in parts(explorer)[0].children)


def test_a_start_between_two_steps_is_kept():
    explorer = make(x=Slider(-3, 3, 1 / 16, 0.7))
    assert parts(explorer)[0].children[0].value == 0.7 and explorer.values == {"x": 0.7}


def test_text_of_a_student_cannot_become_html():
    explorer = make(update=lambda x: "<script>alert(1)</script>")
    assert "<script" not in parts(explorer)[2].value and "<script" not in explorer.overlay()


def test_the_widget_is_built_when_first_asked_for_and_kept():
    explorer = make()
    assert explorer._view is None
    assert explorer.widget is explorer.widget and isinstance(explorer.widget, ipywidgets.VBox)


def test_the_bundle_is_view_picture_and_text():
    explorer = make()
    data, metadata = explorer._repr_mimebundle_()
    assert set(data) == {"application/vnd.jupyter.widget-view+json", "image/png", "text/plain"}
    assert data["text/plain"] == repr(explorer) and metadata["image/png"]["alt"] == explorer.text


def test_without_ipywidgets_picture_and_text_remain(monkeypatch):
    monkeypatch.setitem(sys.modules, "course_lib.views", None)
    assert set(make()._repr_mimebundle_()[0]) == {"image/png", "text/plain"}


# --- a button that notes ---------------------------------------------------------------------------------------------


def noting():
    return make(
        update=lambda x, calls, kind: f"{len(calls)} calls.",
        x=Slider(-3, 3, 1 / 16, 0), calls=Record(("x",), "note", clears_with=("kind",)), kind=Choice(("a", "b")),
    )


def test_pressing_a_button_notes_the_present_values():
    explorer = noting().set(x=1).press("calls").set(x=2).press("calls")
    assert explorer.values["calls"] == ((1,), (2,)) and explorer.text == "2 calls."
    assert explorer.set(kind="b").values["calls"] == ()


def test_the_button_of_the_widget_does_the_same_and_counts():
    explorer = noting()
    slider, button, _ = parts(explorer)[0].children
    slider.value = 1.5
    button.click()
    assert explorer.values["calls"] == ((1.5,),) and button.description == "note (1)"


# --- a button that plays ---------------------------------------------------------------------------------------------


def playing():
    scene = make().scene
    return Explorer(scene, tasks=[Task("Go to 1.", lambda values: values["x"] == 1)], play="x",
                    x=Slider(-1, 3, 1, 0), h=LogSlider(1e-3, 1))


def test_the_player_stands_behind_its_control_and_starts_from_where_that_stands():
    explorer = playing()
    slider, player, _ = parts(explorer)[0].children
    assert isinstance(player, ipywidgets.Play) and not player.playing and (player.value, player.max) == (1, 4)
    slider.value = 2.0
    player.set_state({"playing": True, "value": 2})  # as the page does, which knows nothing of the slider
    assert explorer.values["x"] == slider.value == 2 and player.value == 3
    player.value = 4
    assert explorer.values["x"] == slider.value == 3
    player.set_state({"value": 0, "playing": False})  # its second button
    assert explorer.values["x"] == slider.value == -1


def test_at_the_last_stop_it_starts_anew():
    explorer = playing().set(x=3)
    player = parts(explorer)[0].children[1]
    player.playing = True
    assert explorer.values["x"] == -1


def test_what_is_passed_while_it_plays_reaches_no_task_but_where_it_stops_does():
    explorer = playing()
    player = parts(explorer)[0].children[1]
    player.playing = True
    player.value = 2
    player.value = 3
    assert explorer.values["x"] == 2 and explorer.done == [False]
    player.value = 2
    player.playing = False
    assert explorer.done == [True]


# --- filmstrips ------------------------------------------------------------------------------------------------------


def strip(tasks=(), play=False, **controls):
    scene = make().scene
    return Filmstrip(scene, name="strip", tasks=tasks, play=play, **(controls or {"x": Slider(-3, 3, 1 / 8, 0.5)}))


def film(explorer):
    """(slider, pictures, sentences, the rest)."""
    row, stage, sentences, *tasks = explorer.widget.children
    return row.children[0], stage.children[1], sentences, (row.children[1:], tasks)


def test_every_stop_has_its_picture_and_its_sentence_before_anything_moves():
    explorer = strip()
    slider, pictures, sentences, _ = film(explorer)
    assert len(slider.options) == len(pictures.children) == len(sentences.children) == 49
    for i, x in enumerate(explorer.stops):
        assert f"At x = {x:g} the height is {x * x:g}." in sentences.children[i].value
        assert f"height {x * x:g}<" in pictures.children[i].value
    assert pictures.selected_index == sentences.selected_index == slider.index == 28
    assert explorer.values == {"x": 0.5} and point_of(explorer) == [0.5, 0.25]


def test_slider_and_pictures_are_linked_in_the_page():
    explorer = strip(play=True)
    slider, pictures, sentences, ((play,), _) = film(explorer)
    joined = [(link.source, link.target) for link in explorer._view.links]
    assert joined == [
        ((slider, "index"), (pictures, "selected_index")), ((slider, "index"), (sentences, "selected_index")),
        ((play, "value"), (slider, "index")),
    ]
    assert not play.playing and not play.repeat and play.max == 48


def test_a_filmstrip_follows_its_slider_as_long_as_there_is_a_kernel():
    explorer = strip(tasks=[Task("Go to 1.", lambda values: values["x"] == 1)])
    slider, _, _, (_, (tasks,)) = film(explorer)
    assert explorer.done == [False]  # drawing the picture of 1 did not count
    slider.index = 32
    assert explorer.values == {"x": 1} and explorer.done == [True] and "✓" in tasks.value
    explorer.set(x=-0.97)
    assert slider.index == 16 and explorer.values == {"x": -1}


def test_a_failing_picture_is_a_sentence_in_its_place():
    scene = make(update=lambda x: f"{1 / x:g} fits.", x=Slider(-3, 3, 1, 1)).scene
    _, pictures, sentences, _ = film(Filmstrip(scene, x=Slider(-1, 1, 1, 1)))
    assert "ZeroDivisionError" in sentences.children[1].value and "<use" not in pictures.children[1].value
    assert "1 fits." in sentences.children[2].value and "<use" in pictures.children[2].value


def test_a_filmstrip_is_small_enough_to_store():
    _, pictures, sentences, _ = film(strip(x=Slider(-3, 3, 0.1)))
    assert len(pictures.children) == 61
    assert sum(len(child.value) for child in (*pictures.children, *sentences.children)) < 300_000


@pytest.mark.parametrize(
    "controls, error",
    [({"x": Slider(0, 1, 0.5), "y": Slider(0, 1, 0.5)}, TypeError), ({"x": Text()}, ValueError),
     ({"x": Slider(0, 1, 1 / 256)}, ValueError)],
)
def test_a_filmstrip_has_one_control_with_a_few_stops(controls, error):
    with pytest.raises(error, match="a filmstrip (has|needs)"):
        strip(**controls)


def test_without_stack_a_filmstrip_is_an_explorer(monkeypatch):
    monkeypatch.delattr(ipywidgets, "Stack")
    explorer = strip()
    parts(explorer)[0].children[0].value = 1.0
    assert explorer.values == {"x": 1}


def test_settings_stay_as_they_are():
    before = dict(matplotlib.rcParams)
    explorer = make()
    explorer.set(x=1)._repr_mimebundle_()
    assert dict(matplotlib.rcParams) == before


def test_importing_loads_no_widgets_and_no_pyplot():
    code = "import sys, course_lib.live; sys.exit(bool({'ipywidgets', 'matplotlib.pyplot'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
