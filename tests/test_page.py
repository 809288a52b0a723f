"""What the page is told about an explorer is readable on light and dark pages and touches nothing else there."""

import re

import pytest
from matplotlib.colors import to_rgb

from course_lib import page, theme

LIGHT, DARK = "#ffffff", "#111111"  # JupyterLab's pages


def luminance(colour):
    parts = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(colour)]
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), parts, strict=True))


def contrast(one, other):
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("paper, changed", [(LIGHT, page.ON_LIGHT), (DARK, page.ON_DARK)])
@pytest.mark.parametrize("role", ["FUNCTION", "DERIVATIVE", "SECOND", "TANGENT", "SECANT", "GUIDE"])
def test_letters_in_the_colour_of_a_role_have_the_contrast_that_small_letters_need(role, paper, changed):
    colour = getattr(theme, role)["color"]
    assert contrast(changed.get(colour, colour), paper) >= 4.5


def test_the_style_changes_explorers_and_nothing_else():
    selectors = re.findall(r"([^{}]+)\{", page.STYLE.replace("@media (prefers-reduced-motion:reduce){", ""))
    own = re.compile(rf"@keyframes course-|(\[data-jp-theme-light=\w+\] )?\.{page.EXPLORER}\b|text\[style\*=")
    assert selectors and all(own.match(selector) for selector in selectors)


def test_the_dressing_is_one_piece_of_html_that_shows_nothing():
    piece = page.dressing()
    assert re.sub(r"<style>.*?</style>|<[^>]*>", "", piece) == ""
    assert not {"EXPLORER", "CONTROLS", "SENTENCE"} & set(re.findall(r"[A-Z]{4,}", piece))
