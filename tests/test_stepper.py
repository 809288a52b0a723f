"""Stepping shows the pass one node at a time; the stepper asks for each number, helps, and does not give it away."""

import math
import subprocess
import sys

import pytest
import torch

from course_lib import theme
from course_lib.graph import trace
from course_lib.live import Filmstrip
from course_lib.stepper import backprop_stepper, step_through, x_sin_x2

RIGHT = ["0.4706", "0.7", "0.7", "cos(a)", "0.7*0.8823", "2*x", "0.4706 + 0.6176*1.4"]


def worked(x, a):
    s = torch.sin(a)
    return s * (x**2 + s)


def branching(x):
    if x > 0:
        return x * 2
    return torch.sin(x * x) * x + x


def shown(explorer):
    return {text.get_text() for text in explorer.scene.figure.axes[0].texts if text.get_visible()}


def answered(explorer, *answers):
    for entry in answers:
        explorer.set(answer=entry)
    return explorer


# --- step_through ----------------------------------------------------------------------------------------------------


def test_each_step_is_shown_and_said():
    explorer = step_through(worked, x=2.0, a=0.2832)
    assert explorer.text.startswith("Start: x = 2 and a = 0.2832 are given") and "1.196" not in shown(explorer)
    explorer.set(step=4)
    assert "1.196" in shown(explorer) and "∂ 1" not in shown(explorer)
    explorer.set(step=9)
    assert explorer.text == (
        "Step 9 of 9, backward through s = sin: 4.559 × 0.9602 = 4.377 goes to a. "
        "Done: ∂y/∂x = 1.118 and ∂y/∂a = 4.377."
    )
    assert {"∂ 4.559", "4.559\n×0.9602\n=4.377"} <= shown(explorer)


def test_leaves_move_and_the_numbers_follow():
    explorer = step_through(x_sin_x2, x=0.7).set(step=7, x=-1.3)
    assert f"∂y/∂x = {theme.number(math.sin(1.69) + 2 * 1.69 * math.cos(1.69), 4)}" in explorer.text
    assert explorer.controls["x"].low == -1.3 and explorer.controls["x"].high == 2.7


def test_the_boxes_stay_where_they_are_while_a_leaf_moves():
    explorer = step_through(x_sin_x2, x=0.7)

    def titles():
        return {t.get_text(): t.get_position() for t in explorer.scene.movers[10:] if "=" in t.get_text()}

    before = titles()
    assert len(before) == 3 and titles() == before
    explorer.set(x=-1.3, step=7)
    assert {name: place for name, place in titles().items() if name in before} == before


def test_another_branch_is_another_graph_in_the_same_figure():
    explorer = step_through(branching, x=1.0)
    size = tuple(explorer.scene.figure.get_size_inches())
    explorer.set(step=1)
    assert "mul 2" in explorer.text
    explorer.set(x=-0.5, step=explorer.controls["step"].high)
    assert explorer.text.startswith("Step 9 of 9, backward through mul") and tuple(
        explorer.scene.figure.get_size_inches()) == size
    explorer.set(x=1.0)
    assert explorer.text == "Step 3 of 3, backward through y = mul 2: 1 × 2 = 2 goes to x. Done: ∂y/∂x = 2."


def test_its_task_is_the_last_step():
    explorer = step_through(worked, x=2.0, a=0.2832)
    assert explorer.set(step=8).done == [False] and explorer.set(step=9).done == [True]
    explorer = step_through(branching, x=1.0)  # the other branch has more steps
    assert explorer.set(step=2).done == [False] and explorer.set(step=3).done == [True]


def test_a_graph_alone_is_a_filmstrip_without_sliders_for_leaves():
    strip = step_through(trace(worked, x=2.0, a=0.2832))
    assert isinstance(strip, Filmstrip) and list(strip.controls) == ["step"]
    frames = strip.frames()
    assert len(frames) == 10 and frames[9][1].startswith("Step 9 of 9, backward through s = sin")
    assert sum(len(drawn) + len(said) for drawn, said in frames) < 300_000


def test_vectors_are_walked_without_sliders():
    explorer = step_through(lambda v, k: (k * v).sum(), v=torch.tensor([1.0, 2.0]), k=3.0)
    assert list(explorer.controls) == ["step", "k"]
    assert "∂y/∂v = [3, 3]" in explorer.set(step=explorer.controls["step"].high).text


def test_where_f_cannot_be_traced_the_sentence_says_so_and_the_next_move_recovers():
    def f(x):
        return x * 2 if x > 0 else math.sin(x)

    explorer = step_through(f, x=1.0).set(x=-0.5)
    assert explorer.failed and explorer.text.startswith("f leaves torch")
    assert not explorer.set(x=0.5).failed


@pytest.mark.parametrize(
    "make, error, words",
    [
        (lambda: step_through(math.sin, x=1.0), TypeError, "f leaves torch"),
        (lambda: step_through(trace(worked, x=2.0, a=1.0), x=1.0), TypeError, "a Graph has its numbers already"),
        (lambda: step_through(lambda step: step * 2, step=1.0), ValueError, "cannot be called 'step'"),
        (lambda: step_through(lambda x: x), TypeError, "needs the leaves by name"),
        (lambda: backprop_stepper(lambda v: v.sum(), v=torch.ones(3)), ValueError, "every node must be one"),
        (lambda: backprop_stepper(lambda x: x, x=1.0), ValueError, "gives 0 questions"),
    ],
)
def test_what_cannot_be_stepped_is_refused_in_one_sentence(make, error, words):
    with pytest.raises(error, match=words) as caught:
        make()
    assert "\n" not in str(caught.value)


# --- backprop_stepper ------------------------------------------------------------------------------------------------


def test_the_first_question_asks_and_shows_no_gradient_but_that_of_the_result():
    explorer = backprop_stepper()
    assert explorer.text == (
        "Question 1 of 7, local derivative ×?: how fast does y = mul change with x = 0.7, b held?"
    )
    assert {"×?", "0.3294", "∂ 1"} <= shown(explorer) and not {"×0.4706", "∂ 0.7"} & shown(explorer)


def test_all_right_answers_lead_to_the_end_and_do_the_task():
    explorer = backprop_stepper()
    for k, entry in enumerate(RIGHT):
        assert explorer.done == [False] and f"Question {k + 1} of 7" in explorer.text
        explorer.set(answer=entry)
        assert explorer.text.startswith("Right")
    assert explorer.done == [True]
    assert explorer.text == "Right. Done, all right: ∂y/∂x = 1.335. Move a leaf for new numbers."
    assert "∂ 1.335" in shown(explorer)


def test_a_gradient_once_found_is_said_with_its_product():
    assert answered(backprop_stepper(), *RIGHT[:5]).text.startswith("Right: 0.7 × 0.8823 = 0.6176. Question 6 of 7")


def test_a_wrong_number_is_named_and_asked_again():
    explorer = answered(backprop_stepper(), *RIGHT[:3], "cos(0.7)")
    assert explorer.text == (
        "That is the slope of sin at x = 0.7; what goes into it here is a = 0.49. Question 4 of 7, local derivative "
        "×?: how fast does b = sin change with a = 0.49?"
    )
    assert "0.8823" not in explorer.text and "×0.8823" not in shown(explorer)
    assert "(3 of 7)" in explorer.task_lines()[0]


def test_a_hint_comes_with_the_second_miss_and_the_number_only_when_asked_for_after_it():
    explorer = answered(backprop_stepper(), *RIGHT[:3], "?")
    assert explorer.text.startswith("Try it twice yourself first. Question 4")
    assert "Hint" not in explorer.set(answer="5").text
    assert explorer.set(answer="?").text.startswith("Try it twice")
    assert "Hint: sin(u) changes at the rate cos(u); ? shows the number." in explorer.set(answer="5").text
    assert explorer.set(answer="?").text.startswith("It is ×0.8823: sin(u) changes at the rate cos(u). Question 5 of 7")
    answered(explorer, *RIGHT[4:])
    assert explorer.done == [False] and "Done, 6 of 7 by yourself" in explorer.text
    assert "1 shown: move a leaf and try again" in explorer.task_lines()[0]


def test_one_path_alone_is_diagnosed_at_the_fan_out():
    explorer = answered(backprop_stepper(), *RIGHT[:6], "0.6176*1.4")
    assert explorer.text.startswith("That is only what comes back from a; y sends something too. Question 7 of 7")


def test_what_cannot_be_read_is_no_miss():
    explorer = answered(backprop_stepper(), "0,7", "cos(")
    assert "cannot be read" in explorer.text and "Hint" not in explorer.set(answer="17").text


def test_the_field_is_empty_after_each_answer():
    explorer = backprop_stepper()
    field = explorer.widget.children[0].children[0]
    for entry in ("17", "0.4706"):
        field.value = entry
        assert field.value == "" and explorer.values["answer"] == ""
    assert "Question 2 of 7" in explorer.text and "Question 2 of 7" in explorer.widget.children[2].value


def test_moving_a_leaf_starts_again_with_new_numbers():
    explorer = answered(backprop_stepper(), *RIGHT[:2]).set(x=1.2)
    assert explorer.text == "Question 1 of 7, local derivative ×?: how fast does y = mul change with x = 1.2, b held?"
    assert explorer.set(answer="sin(1.44)").text.startswith("Right")


def test_where_derivatives_are_undefined_nothing_is_asked():
    explorer = backprop_stepper(lambda x: torch.log(x) * x, x=1.0).set(x=-0.5)
    assert explorer.text == "Here some derivatives of f are undefined or infinite: move a leaf." and explorer.failed
    assert explorer.set(answer="1").failed and "Question 1" in explorer.set(x=0.5).text


def test_own_functions_are_asked_too():
    explorer = backprop_stepper(lambda x: (2 * x + 1) ** 2, x=0.5)
    assert "Question 1 of 6" in explorer.text
    answered(explorer, "4", "4", "1", "4", "2", "8")
    assert explorer.done == [True]


def test_nothing_happens_after_the_end():
    explorer = answered(backprop_stepper(), *RIGHT)
    assert explorer.set(answer="3").text == answered(backprop_stepper(), *RIGHT).text


def test_an_unknown_control_is_refused():
    with pytest.raises(TypeError, match="backprop_stepper has no 'z', only answer, x"):
        backprop_stepper().set(z=1)


# --- both ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [backprop_stepper, lambda: step_through(worked, x=2.0, a=0.2832)])
def test_an_explorer_shows_view_picture_and_the_same_words_each_time(make):
    data, metadata = make()._repr_mimebundle_()
    assert set(data) == {"application/vnd.jupyter.widget-view+json", "image/png", "text/plain"}
    assert data["text/plain"] == repr(make()) and metadata["image/png"]["alt"] == make().text


def test_words_are_the_same_in_another_process():
    code = (
        "from course_lib.stepper import *\n"
        "print(repr(backprop_stepper().set(answer='17')), trace(x_sin_x2, x=0.7), sep='\\n')"
    )
    there = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip()
    assert there == f"{backprop_stepper().set(answer='17')!r}\n{trace(x_sin_x2, x=0.7)}"


def test_the_names_of_the_course_lead_here():
    import course_lib

    assert course_lib.backprop_stepper is backprop_stepper and course_lib.trace is trace
    assert {"trace", "draw_graph", "step_through", "backprop_stepper"} <= set(course_lib.__all__)
