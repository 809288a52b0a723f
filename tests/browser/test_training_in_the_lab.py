"""A training that is watched in JupyterLab: the picture grows while the cell runs, and Stop ends it by the keyboard."""

import re

import nbformat
import pytest

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

CELL = """
import time
from course_lib import live_training
training = live_training(2000)
for step in training:
    training.record(loss=1 / (step + 1))
    time.sleep(0.02)
print("went on early:", 0 < training.done_steps < 2000)
"""
START = "() => { window.jupyterapp.commands.execute('notebook:run-all-cells') }"
STEPS = r"after (\d+) of 2000 steps"


@pytest.fixture
def running(page, workspace, open_notebook):
    """The outputs of a cell in which a training runs."""
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(CELL, id="c0")], metadata={"kernelspec": kernel})
    nbformat.write(notebook, workspace / "training.ipynb")
    open_notebook(page, "training.ipynb")
    page.evaluate(START)
    outputs = page.locator(".jp-NotebookPanel .jp-Cell-outputArea").first
    outputs.locator(".course-sentence").wait_for()
    return outputs


def steps_shown(outputs):
    found = re.search(STEPS, outputs.locator(".course-sentence").first.inner_text())
    return int(found[1]) if found else 0


def wait_for_steps(page, outputs, least):
    for _ in range(100):
        if steps_shown(outputs) >= least:
            return
        page.wait_for_timeout(100)
    pytest.fail(f"after 10 s {steps_shown(outputs)} steps are shown, wanted {least}")


def test_the_picture_grows_and_stop_ends_the_loop_by_the_keyboard(page, running):
    wait_for_steps(page, running, 5)
    first = steps_shown(running)
    wait_for_steps(page, running, first + 5)
    running.get_by_role("button", name="Stop").focus()
    page.keyboard.press("Enter")
    running.get_by_text("went on early: True").wait_for(timeout=10_000)
    assert "stopped after" in running.locator(".course-sentence").first.inner_text()


def test_an_interrupt_of_the_kernel_ends_it_without_a_traceback(page, running):
    wait_for_steps(page, running, 5)
    page.evaluate("() => { window.jupyterapp.commands.execute('notebook:interrupt-kernel') }")
    running.get_by_text("went on early: True").wait_for(timeout=10_000)
    assert "KeyboardInterrupt" not in running.inner_text()
