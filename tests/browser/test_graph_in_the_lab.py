"""The backprop stepper in JupyterLab, by keys alone: numbers are typed, judged and shown, and the focus stays."""

import re

import nbformat
import pytest

expect = pytest.importorskip("playwright.sync_api").expect
pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

ANSWERS = ("0.4706", "0.7", "0.7", "cos(a)", "0.7*0.8823", "2*x", "1.335")


@pytest.fixture
def view(page, workspace, open_notebook, run_all):
    """The output of a cell that shows the stepper."""
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    cells = [nbformat.v4.new_code_cell("from course_lib import backprop_stepper\nbackprop_stepper()", id="c0")]
    notebook = nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel})
    nbformat.write(notebook, workspace / "stepper.ipynb")
    open_notebook(page, "stepper.ipynb")
    run_all(page)
    found = page.locator(".jp-NotebookPanel .jp-Cell .jp-Cell-outputArea").first
    found.get_by_label("your number", exact=True).wait_for()
    return found


def sentence(view):
    return view.locator(".course-sentence").inner_text()


def enter(page, text):
    """Type with real keys into whatever has the focus."""
    page.keyboard.type(text)
    page.keyboard.press("Enter")


def test_the_whole_backward_pass_can_be_typed_without_the_mouse(page, view):
    picture, box = view.locator("svg[role=img]"), view.get_by_label("your number", exact=True)
    said, tasks = view.locator(".course-sentence"), view.locator(".course-tasks")
    box.focus()
    assert "Question 1 of 7" in sentence(view) and "×?" in picture.inner_html()

    # sentence, picture and tasks come in messages of their own: each is waited for
    enter(page, "0.7")  # the factor itself instead of the other one
    expect(said).to_have_text(re.compile("^That is x itself"))
    expect(box).to_have_value("")
    assert tasks.inner_text().startswith("○")

    for number, answer in enumerate(ANSWERS, 1):
        enter(page, answer)
        expect(tasks).to_have_text(re.compile(rf"^✓|\({number} of 7\)"))
        expect(said).to_have_text(re.compile("^Right"))
        expect(picture).to_have_attribute("aria-label", sentence(view))
    expect(said).to_contain_text("all right: ∂y/∂x = 1.335")
    assert "∂ 1.335" in picture.inner_html()
    expect(tasks).to_have_text(re.compile("^✓"))

    page.keyboard.press("Tab")  # on to the slider of x: new numbers, new questions
    slider = view.get_by_role("slider")
    assert slider.evaluate("node => node === document.activeElement")
    page.keyboard.press("ArrowRight")
    page.wait_for_function(
        "node => node.querySelector('.course-sentence').innerText.startsWith('Question 1')", arg=view.element_handle()
    )
