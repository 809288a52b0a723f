"""What holds for every explorer."""

import re
import subprocess
import sys

import pytest
import torch
from matplotlib.colors import to_rgba
from matplotlib.text import Text

from course_lib import explore
from course_lib.controls import Choice, LogSlider, Slider
from course_lib.views import ROOM

MAKERS = {name: getattr(explore, name) for name in explore.__all__}
MAKERS["hidden mixer"] = lambda: explore.cotangent_mixer(hidden=True)
every = pytest.mark.parametrize("name", MAKERS)

w = torch.tensor(1.5, dtype=torch.float64, requires_grad=True)
OWN = {
    "tangent_zoom": lambda: explore.tangent_zoom(lambda t: (w.to(t.dtype) * t).sin()).set(a=1, h=0.01),
    "derivative_detective": lambda: explore.derivative_detective(lambda t: (w * t).sin()).set(s1=0.5),
    "compass_on_a_hill": lambda: explore.compass_on_a_hill(lambda u, v: w * u * v).set(dial=30),
    "cotangent_mixer": lambda: explore.cotangent_mixer(lambda x: w * x, (1.0, 2.0)).set(v1=1),
    "sum_trick_lie_detector": lambda: explore.sum_trick_lie_detector(lambda x: w * x).set(function="yours"),
    "jacobian_microscope": lambda: explore.jacobian_microscope(lambda x: w * x**2).set(size=0.1),
    "ribbon_view": lambda: explore.ribbon_view(lambda x: w * x).set(picture="yours", x0=1),
    "depth_dial": lambda: explore.depth_dial(lambda h: w * h).set(layers=5),
    "softmax_seesaw": lambda: explore.softmax_seesaw(lambda z: (w * z).sigmoid()).set(z0=2),
    "learning_rate_dial": lambda: explore.learning_rate_dial(lambda u, v: w * u**2 + v**2).set(lr=0.125),
    "loop_builder": lambda: explore.loop_builder(lambda u, v: w * u**2 + v**2).set(
        cards=("forward", "loss", "backward", "step")
    ),
    "gradient_xray": lambda: explore.gradient_xray(lambda x: (w * x).sum()).set(row="0"),
    "upstream_dial": lambda: explore.upstream_dial(lambda x: w * x).set(g=2),
    "staircase_walk": lambda: explore.staircase_walk(lambda x: w * x).set(steps=2),
    "backward_order": lambda: explore.backward_order(lambda x: (w * x).sin() * x, x=0.7).set(order=("y",)),
}


@every
def test_no_task_is_done_at_the_start(name):
    explorer = MAKERS[name]()
    assert explorer.tasks and not any(explorer.done) and not explorer.failed


@every
def test_an_explorer_shows_view_picture_and_the_same_words_each_time(name):
    data, metadata = MAKERS[name]()._repr_mimebundle_()
    assert set(data) == {"application/vnd.jupyter.widget-view+json", "image/png", "text/plain"}
    assert data["text/plain"] == repr(MAKERS[name]()) and "\n" not in data["text/plain"]
    assert metadata["image/png"]["alt"] in data["text/plain"]


def test_words_are_the_same_in_another_process():
    code = (
        "from course_lib import explore as e; "
        "print([repr(getattr(e, name)()) for name in e.__all__] + [repr(e.cotangent_mixer(hidden=True))])"
    )
    there = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip()
    assert there == str([repr(make()) for make in MAKERS.values()])


@every
def test_every_stop_of_every_control_has_a_picture_and_a_short_sentence_with_numbers(name):
    explorer = MAKERS[name]()
    for key, control in explorer.controls.items():
        if isinstance(control, Slider | LogSlider | Choice):
            start = explorer.values[key]
            for stop in control.stops[:: max(1, len(control.stops) // 12)]:
                explorer.set(**{key: stop})
                assert not explorer.failed, explorer.text
                assert explorer.text.endswith((".", "?")) and len(explorer.text) <= len(ROOM)
                assert re.search(r"\d", explorer.text)
                assert not re.search(r"nan|None|array|tensor|(?<!e)-\d", explorer.text)
            explorer.set(**{key: start})


@every
def test_each_control_moves_the_picture_or_reveals_something(name):
    explorer = MAKERS[name]()
    for key, control in explorer.controls.items():
        if isinstance(control, Slider | LogSlider):
            before = explorer.overlay(), explorer.text
            explorer.set(**{key: control.stops[len(control.stops) // 3]})
            assert (explorer.overlay(), explorer.text) != before, f"{key} changes nothing"


@every
def test_ink_and_page_are_left_to_the_theme(name):
    explorer = MAKERS[name]()
    for layer in (explorer.background(), explorer.overlay()):
        assert not re.search(r"(fill|stroke): ?(#000000|#ffffff|black|white)\b", layer)
    for text in explorer.scene.figure.findobj(Text):
        assert to_rgba(text.get_color()) != to_rgba("black") or not text.get_text()


@every
def test_moving_texts_are_plain(name):
    """Mathtext among the movers would cost 10 ms per event."""
    moving = [mover for mover in MAKERS[name]().scene.movers if isinstance(mover, Text)]
    assert not [text.get_text() for text in moving if "$" in text.get_text()]


@pytest.mark.parametrize("name", OWN)
def test_a_students_function_is_taken_and_its_gradients_stay_as_they_are(name):
    explorer = OWN[name]()
    assert not explorer.failed, explorer.text
    explorer.overlay()
    assert w.grad is None and torch.get_default_dtype() == torch.float32
