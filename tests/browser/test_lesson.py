"""A student's way through lesson 01 in a real browser: run it, predict, steer with the keyboard, solve an exercise."""

import json
import re

import pytest

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

WRONG = "def slope_at(f, a):\n    x = torch.tensor(a, requires_grad=True)\n    return f(x).item()\n\ncheck(slope_at)"
RIGHT = (
    "def slope_at(f, a):\n    x = torch.tensor(a, dtype=torch.float64, requires_grad=True)\n    f(x).backward()\n"
    "    return x.grad.item()\n\ncheck(slope_at)"
)


def cell_that_says(page, source):
    """The code cell whose source contains a text."""
    return page.locator(".jp-NotebookPanel:visible .jp-CodeCell", has=page.locator(".cm-content", has_text=source)).first


def test_lesson_01_runs_predicts_and_moves_by_keyboard(page, open_notebook, run_all):
    open_notebook(page, "notebooks/01_derivatives.ipynb")
    run_all(page)
    assert page.locator(".jp-NotebookPanel:visible [data-mime-type='application/vnd.jupyter.stderr']").count() == 0

    asked, shown = cell_that_says(page, 'predict("01-slope")'), cell_that_says(page, 'reveal("01-slope"')
    assert "No prediction yet" in shown.inner_text()
    asked.locator("input").fill("0.49")
    asked.locator("input").press("Enter")
    shown.locator("text=a surprise").wait_for()
    assert "height" in shown.inner_text()

    recall = cell_that_says(page, 'recall("01")')
    recall.locator("input").nth(3).fill("3")
    recall.locator("input").nth(3).press("Enter")
    recall.locator("text=✓ 3").wait_for()

    zoom = cell_that_says(page, "tangent_zoom()")
    handle = zoom.locator("[role=slider]").first
    handle.scroll_into_view_if_needed()
    before, height = zoom.locator("svg[role=img]").last.inner_html(), zoom.bounding_box()["height"]
    said = zoom.locator("text=Slope at a =").last.inner_text()
    handle.focus()
    handle.press("ArrowRight")
    page.wait_for_function(
        "([cell, said]) => !cell.innerText.includes(said)", arg=[zoom.element_handle(), said], timeout=10_000
    )
    page.wait_for_function(
        "([cell, drawn]) => [...cell.querySelectorAll('svg[role=img]')].at(-1).innerHTML !== drawn",
        arg=[zoom.element_handle(), before],
    )
    assert zoom.bounding_box()["height"] == height


def test_a_wrong_then_a_right_answer_go_through_check(page, workspace, open_notebook, run_all):
    notebook = json.loads((workspace / "exercises/01_derivatives.ipynb").read_text(encoding="utf-8"))
    (workspace / "mine.ipynb").write_text(json.dumps(notebook), encoding="utf-8")
    open_notebook(page, "mine.ipynb")
    run_all(page)
    cell = cell_that_says(page, "def slope_at(f, a)")
    assert "still open" in cell.inner_text()
    assert not re.search(r"Traceback", page.locator(".jp-NotebookPanel:visible").inner_text())

    answer(page, cell, WRONG)
    cell.locator("text=not yet").wait_for()
    assert "You returned the height of the curve" in cell.inner_text()
    assert cell.locator("summary", has_text="A hint").count() == 1

    answer(page, cell, RIGHT)
    cell.locator("text=all parts hold").wait_for()


def answer(page, cell, source):
    """Type a whole cell anew, as a student does, and run it."""
    editor = cell.locator(".cm-content")
    editor.click()
    page.keyboard.press("Control+A")
    page.keyboard.insert_text(source)
    page.keyboard.press("Control+Enter")
