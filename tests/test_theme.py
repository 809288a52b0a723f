"""One look for all pictures: roles that can be told apart, numbers that read alike, and no traces left behind."""

import io
import itertools
import subprocess
import sys

import matplotlib
import pytest
from IPython.core.formatters import DisplayFormatter
from matplotlib.colors import to_rgb
from PIL import Image

from course_lib import theme
from course_lib.theme import number

ROLES = (theme.FUNCTION, theme.DERIVATIVE, theme.SECOND, theme.TANGENT, theme.SECANT)


def luminance(color):
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(color)]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one, other):
    low, high = sorted([luminance(one), luminance(other)])
    return (high + 0.05) / (low + 0.05)


def as_deuteranope(color):
    """Machado, Oliveira and Fernandes (2009), severity 1."""
    r, g, b = to_rgb(color)
    return (0.367 * r + 0.861 * g - 0.228 * b, 0.280 * r + 0.673 * g + 0.047 * b, -0.012 * r + 0.043 * g + 0.969 * b)


@pytest.mark.parametrize("role", ROLES)
def test_a_role_is_visible_on_white_and_on_a_dark_page(role):
    assert contrast(role["color"], "white") >= 3
    assert contrast(role["color"], "#111111") >= 3


def test_roles_differ_in_line_style_or_much_in_colour_also_to_a_deuteranope():
    for one, other in itertools.combinations(ROLES, 2):
        seen = [as_deuteranope(role["color"]) for role in (one, other)]
        apart = sum((a - b) ** 2 for a, b in zip(*seen, strict=True)) ** 0.5
        assert one["linestyle"] != other["linestyle"] or apart > 0.2, (one, other)


def test_a_role_cannot_be_changed_by_accident():
    with pytest.raises(TypeError):
        theme.FUNCTION["color"] = "red"


@pytest.mark.parametrize(
    "value, text",
    [
        (0.764842, "0.765"), (-1.3, "−1.3"), (0, "0"), (-0.0, "0"), (3, "3"), (1234.5, "1230"), (123456, "1.23e5"),
        (2.5e-7, "2.5e-7"), (-2.5e-7, "−2.5e-7"), (0.9996, "1"), (99.96, "100"), (1e-17, "0"),
        (float("nan"), "undefined"), (float("-inf"), "−∞"),
    ],
)
def test_numbers_read_as_in_a_sentence(value, text):
    assert number(value) == text


def test_figures_leave_the_global_settings_alone():
    before = dict(matplotlib.rcParams)
    figure = theme.figure()
    figure.axes[0].plot([0, 1], [0, 1], label="f")
    theme.legend_above(figure.axes[0])
    theme.bundle(figure, "A line.", caption=True)
    assert dict(matplotlib.rcParams) == before


def test_no_pyplot_and_no_backend_are_loaded():
    code = "import sys, course_lib.theme as t; t.figure(); sys.exit('matplotlib.pyplot' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_a_figure_has_the_size_and_the_axes_asked_for():
    figure = theme.figure(rows=2, columns=3, width=9, height=4)
    assert len(figure.axes) == 6 and tuple(figure.get_size_inches()) == (9, 4) and figure.dpi == 72
    assert all(isinstance(ax, theme.DescribedAxes) for ax in figure.axes)
    assert not figure.axes[0].spines["top"].get_visible()


def test_the_bundle_is_a_sharp_png_with_words_and_nothing_that_would_be_stripped():
    data, metadata = theme.bundle(theme.figure(width=6, height=3.5), "An empty picture.")
    assert set(data) == {"image/png", "text/plain"}
    assert data["text/plain"] == metadata["image/png"]["alt"] == "An empty picture."
    assert Image.open(io.BytesIO(data["image/png"])).size == (864, 504)
    assert metadata["image/png"]["width"] == 576


def test_a_picture_of_several_panels_keeps_its_size_on_a_narrow_page_and_fits_a_wide_one():
    def unconfined(**layout):
        return theme.bundle(theme.figure(**layout), "words")[1]["image/png"].get("unconfined", False)

    assert unconfined(columns=2, width=8.7) and not unconfined() and not unconfined(width=6.8)


def test_the_caption_is_added_below_and_leaves_the_figure_as_it_was():
    figure = theme.figure()
    plain = Image.open(io.BytesIO(theme.png(figure)))
    captioned = Image.open(io.BytesIO(theme.png(figure, "word " * 40)))
    assert captioned.width == plain.width and captioned.height > plain.height + 60
    below = captioned.convert("L").crop((0, plain.height, plain.width, captioned.height))
    assert below.getextrema()[0] < 100  # ink
    assert figure.texts == []
    assert captioned.convert("RGB").getpixel((0, 0)) == (255, 255, 255)


def test_axes_that_end_a_cell_show_the_picture_and_then_the_sentence(monkeypatch):
    shown = []
    monkeypatch.setattr("IPython.display.display", lambda data, **options: shown.append((data, options)))
    ax = theme.figure().axes[0]
    ax.description = "a*b is drawn."
    data, _ = DisplayFormatter().format(ax)
    assert data == {}  # it has shown itself
    (picture, options), (words, _) = shown
    assert set(picture) == {"image/png"} and options["metadata"]["image/png"]["alt"] == "a*b is drawn."
    assert words == {"text/plain": "a*b is drawn.", "text/markdown": r"a\*b is drawn."}


def test_panels_are_a_tuple_of_axes_that_shows_one_picture():
    panels = theme.Panels(theme.figure(1, 2).axes)
    panels.description = "Two."
    assert len(panels) == 2 and panels[0] is panels[0].figure.axes[0]
    assert panels._repr_mimebundle_()[0]["text/plain"] == "Two."
