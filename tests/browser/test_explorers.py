"""The explorers in JupyterLab, moved by keys alone: picture and sentence follow, and the page stays where it is."""

import nbformat
import pytest

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

CELLS = (
    "from course_lib.explore import derivative_detective, shape_lens, tangent_zoom",
    "tangent_zoom()",
    "derivative_detective()",
    "shape_lens()",
    "from course_lib.plots import plot_with_derivative\nimport torch\nplot_with_derivative(torch.sin, at=(0.7, -1.3))",
)
ZOOM, DETECTIVE, LENS, PLOT = 1, 2, 3, 4


@pytest.fixture(scope="module")
def lab(shared_page, workspace, open_notebook, run_all):
    """A page with a notebook that has been run and shows every explorer."""
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    cells = [nbformat.v4.new_code_cell(cell, id=f"c{i}") for i, cell in enumerate(CELLS)]
    notebook = nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel})
    nbformat.write(notebook, workspace / "explorers.ipynb")
    open_notebook(shared_page, "explorers.ipynb")
    run_all(shared_page)
    return shared_page


def output(page, cell):
    found = page.locator(".jp-NotebookPanel .jp-Cell").nth(cell).locator(".jp-Cell-outputArea")
    found.scroll_into_view_if_needed()
    found.wait_for()
    return found


def sentence(view):
    return view.locator(".course-sentence").inner_text()


def picture(view):
    return view.locator("svg[role=img]")


def press(page, handle, key, view):
    """Press a real key on a handle and wait until the sentence has changed."""
    before = sentence(view)
    handle.press(key)
    page.wait_for_function(
        "([node, old]) => node.querySelector('.course-sentence').innerText !== old", arg=[view.element_handle(), before]
    )


@pytest.mark.parametrize("cell, handle", [(ZOOM, 0), (ZOOM, 2), (DETECTIVE, 1)])
def test_a_key_on_a_slider_moves_picture_and_sentence(lab, cell, handle):
    view = output(lab, cell)
    before, drawn = sentence(view), picture(view).inner_html()
    slider = view.get_by_role("slider").nth(handle)
    slider.focus()
    at = slider.get_attribute("aria-valuenow")
    press(lab, slider, "ArrowRight", view)
    assert slider.get_attribute("aria-valuenow") != at
    assert sentence(view) != before
    assert picture(view).inner_html() != drawn
    assert picture(view).get_attribute("aria-label") == sentence(view)


@pytest.mark.parametrize("cell", [ZOOM, DETECTIVE])
def test_the_page_stays_where_it_is_while_a_slider_moves(lab, cell):
    view = output(lab, cell)
    slider = view.get_by_role("slider").first
    heights = {view.bounding_box()["height"]}
    for key in ("ArrowRight", "PageUp", "Home", "End", "ArrowLeft"):
        press(lab, slider, key, view)
        heights.add(view.bounding_box()["height"])
    assert len(heights) == 1


def test_the_zoom_task_can_be_done_by_keyboard_and_says_so(lab):
    view = output(lab, ZOOM)
    tasks = view.locator(".course-tasks > div")
    assert tasks.nth(0).inner_text().startswith("○")
    step = view.get_by_role("slider").nth(2)
    press(lab, step, "End", view)
    for _ in range(9):  # four stops per decade: from 1 to about 6e-3
        press(lab, step, "ArrowLeft", view)
    assert "h = 5.6e-3 in float32" in sentence(view)
    assert tasks.nth(0).inner_text().startswith("✓")
    assert tasks.nth(1).inner_text().startswith("○")


def test_the_lens_shows_its_result_only_after_a_prediction(lab):
    view = output(lab, LENS)
    assert "predict" in sentence(view) and "has shape" not in sentence(view)
    guess = view.get_by_role("textbox").nth(2)
    guess.fill("(3, 5)")
    press(lab, guess, "Enter", view)
    assert "has shape (5, 3): you predicted (3, 5)" in sentence(view)
    shape = view.get_by_role("textbox").nth(1)
    shape.fill("(4,)")
    press(lab, shape, "Enter", view)
    assert "predict" in sentence(view)
    assert guess.input_value() == ""


def test_a_typing_error_is_one_sentence_and_the_lens_goes_on(lab):
    view = output(lab, LENS)
    shape = view.get_by_role("textbox").nth(0)
    shape.fill("(5; 3)")
    press(lab, shape, "Enter", view)
    assert "cannot be read" in sentence(view)
    shape.fill("(2, 1)")
    press(lab, shape, "Enter", view)
    assert "predict" in sentence(view)


def test_a_plot_stands_with_its_sentence_below(lab):
    view = output(lab, PLOT)
    assert view.locator("img").bounding_box()["width"] == pytest.approx(576, abs=2)
    assert "the slope 0.765" in view.inner_text()


def test_the_picture_is_inked_for_a_dark_page(lab):
    view = output(lab, ZOOM)
    assert "currentColor" in view.locator("svg").first.inner_html().replace("currentcolor", "currentColor")
    assert "<style" not in view.locator("svg").first.inner_html()


def test_no_script_of_the_page_failed(lab):
    assert lab.errors == []
