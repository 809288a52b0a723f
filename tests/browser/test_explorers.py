"""The explorers in JupyterLab, moved by keys alone: picture and sentence follow, and the page stays where it is."""

import contextlib
import re

import nbformat
import pytest

from course_lib.explore_04 import _riddle

playwright = pytest.importorskip("playwright.sync_api")
expect, PlaywrightTimeout = playwright.expect, playwright.TimeoutError
pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

FILMSTRIP = """
from course_lib import theme
from course_lib.live import Filmstrip, Scene, Slider
made = theme.figure()
ax = made.axes[0]
ax.set(xlim=(-3, 3), ylim=(0, 9))
point = ax.plot([0], [0], **theme.POINT)[0]
def move(x):
    point.set_data([x], [x * x])
    return f"At x = {x:g} the height is {x * x:g}."
Filmstrip(Scene(figure=made, movers=[point], update=move), play=True, x=Slider(-3, 3, 1 / 8, 0.5))
"""
CELLS = {
    "import": "from course_lib.explore import *",
    "zoom": "tangent_zoom()",
    "detective": "derivative_detective()",
    "lens": "shape_lens()",
    "writer": "function_writer()",
    "plot": "from course_lib.plots import plot_with_derivative\nimport torch\n"
            "plot_with_derivative(torch.sin, at=(0.7, -1.3))",
    "compass": "compass_on_a_hill()",
    "mixer": "cotangent_mixer()",
    "hidden": "cotangent_mixer(hidden=True)",
    "detector": "sum_trick_lie_detector()",
    "microscope": "jacobian_microscope()",
    "ribbons": "ribbon_view()",
    "seesaw": "softmax_seesaw()",
    "depth": "depth_dial()",
    "rate": "learning_rate_dial()",
    "builder": "loop_builder()",
    "upstream": "upstream_dial()",
    "stairs": "staircase_walk()",
    "order": "backward_order()",
    "film": FILMSTRIP,
}
EXPLORERS = [name for name in CELLS if name not in ("import", "plot", "film")]
TWO_PANELS = ("zoom", "writer", "compass", "mixer", "detector", "microscope", "rate")
PLAYING = {"zoom": "zoom ×", "compass": "dial °", "depth": "layers", "rate": "learning rate", "stairs": "steps",
           "film": "x"}
WITH_SLIDERS = [name for name in EXPLORERS if name not in ("lens", "detector", "builder", "order")]

RIGHT, LEFT = "ArrowRight", "ArrowLeft"
CHANGED = "([node, old]) => node.querySelector('.course-sentence').innerText !== old"
J = str(_riddle("1").tolist())
LAYERS = {"tanh": "tells the truth", "softmax": "lies", "cumsum": "lies", "batch-norm (train)": "lies",
          "batch-norm (eval)": "tells the truth", "sort": "lies"}
# The keys that do a task: (role, which of that role, keys or text), and what the tasks say then.
# A key may be followed by ×n; a text is typed and entered.
WAYS = {
    "zoom": ([("slider", 2, "End"), ("slider", 2, f"{LEFT}×9")], "✓ float32"),
    "detective": ([("slider", 0, LEFT), ("slider", 2, RIGHT), ("slider", 4, LEFT)], "✓ Give all five"),
    "lens": ([("textbox", 2, "=(5, 3)")], "✓ Predict the result"),
    "writer": ([("textbox", 0, "=3*x - 2")], "✓ Write a function whose slope is 3"),
    "compass": ([("slider", 2, f"{RIGHT}×34")], "✓ Find the direction with the steepest"),
    "mixer": ([("slider", 0, f"{LEFT}×8"), ("slider", 1, f"{RIGHT}×8")], "✓ Let vᵀJ show row 1"),
    "hidden": (
        [("button", "backward", "Enter"), ("slider", 0, f"{LEFT}×8"), ("slider", 1, f"{RIGHT}×8"),
         ("button", "backward", "Space"), ("slider", 1, f"{LEFT}×8"), ("slider", 2, f"{RIGHT}×8"),
         ("button", "backward", "Enter"), ("textbox", "J =", f"={J}")], "✓ Find J",
    ),
    "detector": (
        [step for name, verdict in LAYERS.items()
         for step in (("button", name, "Enter"), ("button", verdict, "Space"))][1:],  # tanh is there already
        "✓ Say rightly",
    ),
    "microscope": ([("slider", 2, "Home")], "✓ Shrink it"),
    "ribbons": ([("slider", 0, "Home"), ("button", "sort", "Enter")], "(3 to go)"),
    "seesaw": (
        [("slider", 0, "End"), ("slider", 1, "End"), ("slider", 2, "Home"), ("slider", 3, "Home"),
         ("button", "falls", "Enter")], "✓ At temperature 1",
    ),
    "depth": ([("slider", 0, "End"), ("slider", 1, f"{RIGHT}×7")], "✓ relu"),
    "rate": ([("slider", 0, f"{RIGHT}×27")], "✓ Set the largest"),
    "builder": (
        [("button", card, "Enter") for card in ("forward", "loss", "zero_grad", "backward", "step")], "✓ Build a loop",
    ),
    "upstream": (
        [("button", ("C", 0), "Enter"), ("slider", 0, f"{RIGHT}×3"), ("button", ("C", 1), "Enter")], "✓ Which of",
    ),
    "stairs": ([("slider", 2, f"{LEFT}×2"), ("slider", 1, f"{RIGHT}×11")], "✓ Be at loss 0"),
    "order": ([("button", (name, 0), "Enter") for name in "yqpsa"], "✓ Ask every node once, in an order that brings the right"),
}


@pytest.fixture(scope="module")
def lab(shared_page, workspace, open_notebook, run_all):
    """A page with a notebook that has been run and shows every explorer."""
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    cells = [nbformat.v4.new_code_cell(cell, id=f"c{i}") for i, cell in enumerate(CELLS.values())]
    notebook = nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel})
    nbformat.write(notebook, workspace / "explorers.ipynb")
    open_notebook(shared_page, "explorers.ipynb")
    run_all(shared_page)
    return shared_page


def output(page, name):
    found = page.locator(".jp-NotebookPanel .jp-Cell").nth(list(CELLS).index(name)).locator(".jp-Cell-outputArea")
    found.scroll_into_view_if_needed()
    found.wait_for()
    return found


def sentence(view):
    return view.locator(".course-sentence").inner_text()


def tasks(view):
    return view.locator(".course-tasks").inner_text()


def picture(view):
    return view.locator("svg[role=img]")


def settle(page, view):
    """Wait until picture and sentence agree and no message is on its way."""
    page.wait_for_function(
        """node => {
            const text = node.querySelector('.course-sentence').innerText.replace(/\\s+/g, ' ').trim()
            const name = node.querySelector('svg[role=img]').getAttribute('aria-label').replace(/\\s+/g, ' ').trim()
            return text === name
        }""",
        arg=view.element_handle(),
    )


def press(page, handle, key, view):
    """Press a real key on a handle and wait until the sentence has changed, and the picture, which comes by itself."""
    before = sentence(view)
    handle.press(key)
    page.wait_for_function(CHANGED, arg=[view.element_handle(), before])
    settle(page, view)


def control(view, role, which):
    found = view.get_by_role(role)
    if isinstance(which, str):
        return (found.filter(has_text=which) if role == "button" else view.get_by_label(which, exact=True)).first
    if isinstance(which, tuple):
        return view.get_by_role(role, name=which[0], exact=True).nth(which[1])
    return found.nth(which)


def follow(page, view, steps):
    for role, which, keys in steps:
        handle, before = control(view, role, which), sentence(view)
        handle.focus()
        if keys.startswith("="):
            page.keyboard.press("Control+A")
            page.keyboard.type(keys[1:])
            keys = "Enter"
        key, _, times = keys.partition("×")
        for _ in range(int(times or 1)):
            page.keyboard.press(key)
            page.wait_for_timeout(25)  # as fast as a person holds a key
        with contextlib.suppress(PlaywrightTimeout):  # not every step changes the words
            page.wait_for_function(CHANGED, arg=[view.element_handle(), before], timeout=2000)
        settle(page, view)


@pytest.mark.parametrize("name", WAYS)
def test_a_task_can_be_done_by_keys_alone_and_the_page_stays_where_it_is(lab, name):
    view, (steps, wanted) = output(lab, name), WAYS[name]
    assert wanted not in tasks(view)
    height, drawn = view.bounding_box()["height"], picture(view).inner_html()
    heights = {height}
    for step in steps:
        follow(lab, view, [step])
        heights.add(view.bounding_box()["height"])
    view.locator(".course-tasks", has_text=wanted).wait_for(timeout=10_000)
    settle(lab, view)  # the picture's name ends up equal to the sentence, both read in one moment
    assert picture(view).inner_html() != drawn
    assert len(heights) == 1, f"the output jumps: {heights}"


@pytest.mark.parametrize("width", [1280, 800])
@pytest.mark.parametrize("name", WITH_SLIDERS)
def test_sliders_move_the_picture_without_a_jump_on_wide_and_narrow_pages(lab, name, width):
    lab.set_viewport_size({"width": width, "height": 900})
    view = output(lab, name)
    slider = view.get_by_role("slider").last
    slider.press("Home")
    lab.wait_for_timeout(300)  # it may have been there
    heights = {view.bounding_box()["height"]}
    for key in ("ArrowRight", "End", "ArrowLeft", "Home"):
        drawn = picture(view).inner_html()
        slider.press(key)
        changed = "([node, drawn]) => node.querySelector('svg[role=img]').innerHTML !== drawn"
        lab.wait_for_function(changed, arg=[view.element_handle(), drawn])
        settle(lab, view)
        heights.add(view.bounding_box()["height"])
    assert len(heights) == 1, f"the output jumps: {heights}"
    room = view.bounding_box()
    for svg in view.locator("svg").all():
        box = svg.bounding_box()
        assert box["x"] + box["width"] <= room["x"] + room["width"] + 1, "the picture sticks out"
    assert view.evaluate("node => node.scrollWidth <= node.clientWidth + 1"), "something sticks out"
    lab.set_viewport_size({"width": 1280, "height": 900})


def is_readable(box, full_width):
    """Whether a picture, or a panel of it, is so large on the page that its letters are 8 px or more."""
    return box["width"] >= 0.6 * full_width


@pytest.mark.parametrize("name", TWO_PANELS)
def test_panels_stand_side_by_side_or_below_each_other_where_they_would_be_too_small(lab, name):
    places = {}
    for width in (1280, 800):
        lab.set_viewport_size({"width": width, "height": 900})
        view = output(lab, name)
        layers = [view.locator(".widget-html-content > div > svg").nth(i).bounding_box() for i in range(4)]
        assert layers[:2] == layers[2:], "what moves does not lie on what does not"
        places[width] = layers[:2]
    lab.set_viewport_size({"width": 1280, "height": 900})
    (left, right), (upper, lower) = places[1280], places[800]
    assert left["y"] == right["y"] and right["x"] >= left["x"] + left["width"] - 1
    assert upper["x"] == lower["x"] and lower["y"] >= upper["y"] + upper["height"] - 1
    assert is_readable(upper, left["width"]) and is_readable(lower, right["width"])


def test_both_panels_move(lab):
    """The second one is drawn by reference to the first."""
    view = output(lab, "zoom")
    slider = view.get_by_role("slider").nth(2)
    slider.focus()
    panel = view.locator(".widget-html-content > div > svg").nth(3)
    before = panel.screenshot()
    press(lab, slider, "Home" if slider.get_attribute("aria-valuetext") == "1" else "End", view)
    assert panel.screenshot() != before


@pytest.mark.parametrize("name", [*EXPLORERS, "film"])
def test_every_control_has_a_name_and_says_where_it_stands(lab, name):
    view = output(lab, name)
    view.locator("[role=status]").wait_for()
    snapshot = view.aria_snapshot()
    controls = re.findall(r"^\s*- '?(slider|textbox|button|group|combobox|checkbox)(?: \"(.*?)\")?", snapshot, re.M)
    assert controls and all(re.search(r"\w|\?", label) for _, label in controls), snapshot
    assert len(set(controls)) == len(controls) or name in ("upstream",)  # its letters stand in three groups
    for slider in view.get_by_role("slider").all():
        control = slider.locator("xpath=ancestor::*[contains(../@class, 'course-controls')]")
        assert slider.get_attribute("aria-valuetext") == control.locator(".widget-readout").inner_text()
        assert slider.get_attribute("aria-label") == control.locator(".widget-label").inner_text()
    for group in view.get_by_role("group").all():
        assert group.locator("button[aria-pressed=true]").count() == 1


def test_a_choice_says_which_button_is_pressed(lab):
    group = output(lab, "zoom").get_by_role("group", name="computed in")
    group.get_by_role("button", name="float64").press("Enter")
    group.locator("button[aria-pressed=true]", has_text="float64").wait_for()
    assert group.locator("button[aria-pressed=true]").count() == 1
    group.get_by_role("button", name="float32").press("Enter")
    group.locator("button[aria-pressed=true]", has_text="float32").wait_for()


@pytest.mark.parametrize("name", ["compass", "film"])
def test_the_sentence_is_announced_from_a_region_that_stays(lab, name):
    view = output(lab, name)
    region = view.get_by_role("status")
    assert region.get_attribute("aria-live") == "polite" and sentence(view) in region.inner_text()
    region.evaluate("node => { window.courseRegion = node }")
    slider = view.get_by_role("slider").first
    slider.focus()
    press(lab, slider, LEFT, view)
    assert region.evaluate("node => node === window.courseRegion && node.isConnected")
    assert sentence(view) in region.inner_text()


@pytest.mark.parametrize("name", PLAYING)
def test_play_runs_only_when_it_is_pressed_and_can_be_stopped(lab, name):
    view, label = output(lab, name), PLAYING[name]
    slider = view.get_by_role("slider", name=label, exact=True)
    slider.press("Home")
    settle(lab, view)
    lab.wait_for_timeout(500)
    first, height = slider.get_attribute("aria-valuetext"), view.bounding_box()["height"]
    view.get_by_role("button", name=f"play {label}").press("Enter")
    lab.wait_for_function("([node, first]) => node.ariaValueText !== first", arg=[slider.element_handle(), first])
    view.get_by_role("button", name=f"pause {label}").press("Enter")
    view.get_by_role("button", name=f"play {label}").wait_for()
    settle(lab, view)
    lab.wait_for_timeout(400)
    at = slider.get_attribute("aria-valuetext")
    lab.wait_for_timeout(500)
    assert slider.get_attribute("aria-valuetext") == at != first
    assert view.bounding_box()["height"] == height


def test_who_wants_less_motion_is_offered_none(lab):
    player = output(lab, "rate").locator(".widget-play")
    assert player.is_visible()
    lab.emulate_media(reduced_motion="reduce")
    assert player.is_hidden()
    lab.emulate_media(reduced_motion="no-preference")
    assert player.is_visible()


def test_page_keys_take_larger_steps(lab):
    view = output(lab, "compass")
    slider = view.get_by_role("slider").nth(2)
    slider.focus()
    at = float(slider.get_attribute("aria-valuenow"))
    press(lab, slider, "PageDown" if at > 0 else "PageUp", view)
    assert abs(at - float(slider.get_attribute("aria-valuenow"))) >= 5


def test_the_lens_hides_its_result_when_a_shape_changes(lab):
    view = output(lab, "lens")
    guess = view.get_by_role("textbox").nth(2)
    guess.fill("(3, 5)")
    press(lab, guess, "Enter", view)
    assert "has shape (5, 3): you predicted (3, 5)" in sentence(view)
    shape = view.get_by_role("textbox").nth(1)
    shape.fill("(4,)")
    press(lab, shape, "Enter", view)
    assert "predict" in sentence(view)
    expect(guess).to_have_value("")


def test_a_typing_error_is_one_sentence_and_the_lens_goes_on(lab):
    view = output(lab, "lens")
    shape = view.get_by_role("textbox").nth(0)
    shape.fill("(5; 3)")
    press(lab, shape, "Enter", view)
    assert "cannot be read" in sentence(view)
    shape.fill("(2, 1)")
    press(lab, shape, "Enter", view)
    assert "predict" in sentence(view)


def test_a_plot_stands_with_its_sentence_below(lab):
    view = output(lab, "plot")
    assert view.locator("img").bounding_box()["width"] == pytest.approx(576, abs=2)
    assert "the slope 0.765" in view.inner_text()


def contrast(page, view):
    """The least contrast between a text of the pictures, or of the sentence, and the page behind it."""
    return page.evaluate(
        """node => {
            const light = rgb => {
                const part = c => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4
                const [r, g, b] = rgb.match(/[\\d.]+/g).map(c => part(c / 255))
                return 0.2126 * r + 0.7152 * g + 0.0722 * b
            }
            const behind = light(getComputedStyle(document.querySelector('.jp-Notebook')).backgroundColor)
            const seen = [...node.querySelectorAll('svg text')].filter(text => text.textContent.trim())
                .map(text => light(getComputedStyle(text).fill))
            seen.push(light(getComputedStyle(node.querySelector('.course-sentence')).color))
            return Math.min(...seen.map(l => (Math.max(l, behind) + 0.05) / (Math.min(l, behind) + 0.05)))
        }""",
        view.element_handle(),
    )


@pytest.mark.parametrize("theme", ["JupyterLab Dark", "JupyterLab Light"])
def test_every_text_of_every_picture_is_readable_in_both_themes(lab, theme):
    lab.evaluate("theme => window.jupyterapp.commands.execute('apputils:change-theme', {theme})", theme)
    lab.wait_for_function("theme => document.body.dataset.jpThemeName === theme", arg=theme)
    lab.wait_for_timeout(300)
    assert {name: contrast(lab, output(lab, name)) for name in EXPLORERS if contrast(lab, output(lab, name)) < 4.5} == {}


def test_a_filmstrip_moves_on_when_its_kernel_is_gone(lab):
    """Late: the kernel of the page does not come back."""
    view = output(lab, "film")
    slider = view.get_by_role("slider").first
    slider.press("Home")
    view.get_by_text("At x = -3 the height is 9.").first.wait_for()
    press(lab, slider, RIGHT, view)
    assert sentence(view) == "At x = -2.875 the height is 8.26562."
    lab.evaluate("() => window.jupyterapp.shell.currentWidget.context.sessionContext.shutdown()")
    lab.wait_for_function("() => !window.jupyterapp.shell.currentWidget.context.sessionContext.session?.kernel")
    height, drawn = view.bounding_box()["height"], picture(view).inner_html()
    press(lab, slider, RIGHT, view)
    assert sentence(view) == "At x = -2.75 the height is 7.5625." and picture(view).inner_html() != drawn
    press(lab, slider, "End", view)
    assert sentence(view) == "At x = 3 the height is 9."
    assert view.bounding_box()["height"] == height
    assert picture(view).get_attribute("aria-label") == sentence(view)


def test_a_saved_notebook_shows_its_explorers_again_when_their_kernel_is_gone(lab, browser, browser_context_args):
    lab.evaluate("() => { window.jupyterapp.commands.execute('docmanager:save') }")
    lab.wait_for_function("() => !window.jupyterapp.shell.currentWidget.context.model.dirty")
    context = browser.new_context(**browser_context_args)
    again = context.new_page()
    again.goto(f"{lab.course_address}/lab/tree/explorers.ipynb?reset")
    for name in EXPLORERS:
        view = output(again, name)
        picture(view).wait_for()
        assert sentence(view) == sentence(output(lab, name)) == picture(view).get_attribute("aria-label")
    film = output(again, "film")
    press(again, film.get_by_role("slider"), LEFT, film)
    assert picture(film).get_attribute("aria-label") == sentence(film)
    context.close()


def test_no_script_of_the_page_failed(lab):
    assert lab.errors == []
