"""What holds for every explorer."""

import subprocess
import sys

import pytest
import torch

from course_lib.explore import derivative_detective, shape_lens, tangent_zoom


def test_no_task_is_done_at_the_start():
    for explorer in (tangent_zoom(), tangent_zoom(torch.exp), derivative_detective(), shape_lens()):
        assert not any(explorer.done) and not explorer.failed


@pytest.mark.parametrize("make", [tangent_zoom, derivative_detective, shape_lens])
def test_an_explorer_shows_view_picture_and_the_same_words_each_time(make):
    data, metadata = make()._repr_mimebundle_()
    assert set(data) == {"application/vnd.jupyter.widget-view+json", "image/png", "text/plain"}
    assert data["text/plain"] == repr(make()) and "\n" not in data["text/plain"]
    assert metadata["image/png"]["alt"] in data["text/plain"]


def test_words_are_the_same_in_another_process():
    code = "from course_lib.explore import *; print(tangent_zoom(), derivative_detective(), shape_lens())"
    there = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip()
    assert there == f"{tangent_zoom()} {derivative_detective()} {shape_lens()}"


def test_gradients_of_the_caller_stay_as_they_are():
    w = torch.tensor(1.5, dtype=torch.float64, requires_grad=True)
    tangent_zoom(lambda t: (w.to(t.dtype) * t).sin()).set(a=1, h=0.01)
    derivative_detective(lambda t: (w * t).sin()).set(s1=0.5)
    assert w.grad is None
