"""A cell says its number in digits, and in a colour on which ink is readable on light and dark pages."""

import re

import numpy as np
import pytest
import torch
from matplotlib.colors import to_rgb

from course_lib import theme
from course_lib.cells import Bars, Cells, cell_texts, indexed, largest_of, tint
from course_lib.explore_04 import cotangent_mixer, sum_trick_lie_detector
from course_lib.plots_jacobians import plot_jacobian
from course_lib.plots_networks import plot_softmax


def luminance(rgb):
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in rgb]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one, other):
    low, high = sorted([luminance(one), luminance(other)])
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("value", [-2, -1, -0.3, 0, 0.3, 1, 2])
@pytest.mark.parametrize("page, ink", [("#ffffff", theme.INK), ("#111111", "#e0e0e0")])
def test_ink_on_a_cell_is_readable_on_any_page(value, page, ink):
    *color, alpha = tint(value, 2)
    seen = [alpha * c + (1 - alpha) * p for c, p in zip(color, to_rgb(page), strict=True)]
    assert contrast(seen, to_rgb(ink)) >= 4.5


def test_sign_is_a_hue_and_size_a_strength():
    assert tint(1, 2)[:3] == to_rgb(theme.POSITIVE["color"]) and tint(-1, 2)[:3] == to_rgb(theme.NEGATIVE["color"])
    strengths = [tint(value, 2)[3] for value in (0.1, 0.5, 1, 2)]
    assert strengths == sorted(strengths) and strengths[0] < strengths[-1]
    assert tint(5, 2) == tint(2, 2) and tint(0, 2)[3] == tint(np.nan, 2)[3] == 0


def test_cells_stand_where_the_matrix_has_them():
    ax = theme.figure().axes[0]
    cells = Cells(ax, (2, 3), left=1, top=0)
    cells.show([[1, 2, 3], [4, 5, 6]])
    found = {text.get_text(): text.get_position() for text in cells.texts}
    assert found["1"][0] < found["2"][0] < found["3"][0] and found["1"][1] > found["4"][1]
    assert found["6"] == pytest.approx((3.5, -1.52))
    first = cells.boxes.get_paths()[0].vertices
    assert first.min(0).tolist() == [1, -1] and first.max(0).tolist() == [2, 0]


WIDE = torch.tensor([[-0.0739, 0.1301], [0.159, 0.4412], [-0.0847, -0.5701]], dtype=torch.float64)
TABLES = {
    "plot_jacobian": lambda W: plot_jacobian(lambda x: W @ x, (0.7, -1.3)).figure,
    "with weights": lambda W: plot_jacobian(lambda x: W @ x, (0.7, -1.3), v=(-1.125, 0.875, 1.375)).figure,
    "plot_softmax": lambda W: plot_softmax([2.0, 1.0, 0.1])[0].figure,
    "plot_softmax of five": lambda W: plot_softmax([2.0, 1.0, 0.1, -0.4, 1.6])[0].figure,
    "mixer": lambda W: cotangent_mixer(lambda x: W @ x, (0.7, -1.3)).scene.figure,
    "detector": lambda W: sum_trick_lie_detector().at(function="softmax", guess="lies"),
}


@pytest.mark.parametrize("draw", TABLES.values(), ids=TABLES)
@pytest.mark.parametrize("scale", [1, 0.1])
def test_a_number_keeps_clear_of_the_edges_of_its_cell(draw, scale):
    figure = draw(scale * WIDE)
    figure.draw_without_rendering()
    seen = 0
    for ax in figure.axes:
        for text in ax.texts:
            if re.fullmatch(r"−?\d\.\d+", text.get_text()) and text.get_ha() == text.get_va() == "center":
                seen += 1
                cell = np.ptp(ax.transData.transform([(0, 0), (1, 0)])[:, 0])
                assert text.get_window_extent().width <= 0.87 * cell, text.get_text()
    assert seen >= 1


def test_hidden_cells_show_one_question_mark_and_no_number():
    cells = Cells(theme.figure().axes[0], (2, 3))
    cells.show([[1, 2, 3], [4, 5, 6]])
    cells.hide()
    assert [artist.get_text() for artist in cells.artists[1:]] == [""] * 6 + ["?"]
    assert not len(cells.boxes.get_facecolor()) and len(cells.boxes.get_paths()) == 1
    cells.show([[1, 2, 3], [4, 5, 6]])
    assert cells.unknown.get_text() == "" and cells.texts[5].get_text() == "6" and len(cells.boxes.get_paths()) == 6


@pytest.mark.parametrize(
    "matrix, texts",
    [
        ([[0.0799, 0.1105], [-0.0381, 0.00597]], ["0.080", "0.111", "−0.038", "0.006"]),
        ([[1.0, 0.0], [0.0, -2.0]], ["1", "0", "0", "−2"]),
        ([[0.25, -0.5]], ["0.25", "−0.50"]),
        ([[12.25, 0.004]], ["12.2", "≈0"]),
        ([[np.nan, np.inf, 3.0]], ["undefined", "∞", "3"]),
        ([[0.0, 0.0]], ["0", "0"]),
        ([[2.5e7, 1.0]], ["2.5e7", "1"]),
    ],
)
def test_numbers_of_a_table_have_the_same_decimals(matrix, texts):
    assert cell_texts(matrix) == texts


def test_rows_that_cancel_are_seen_to_cancel():
    p = np.array([0.514, 0.255, 0.231])
    texts = cell_texts(np.diag(p) - np.outer(p, p))
    sums = np.array([float(text.replace("−", "-")) for text in texts]).reshape(3, 3).sum(1)
    assert np.abs(sums).max() < 0.0016


def test_bars_reach_from_zero_to_their_height():
    ax = theme.figure().axes[0]
    bars = Bars(ax, [0, 1], 0.5, "#D55E00")
    bars.show([2, -1])
    tops = [path.vertices[:, 1] for path in bars.artist.get_paths()]
    assert (tops[0].min(), tops[0].max(), tops[1].min(), tops[1].max()) == (0, 2, -1, 0)
    assert bars.artist.get_paths()[1].vertices[:, 0].min() == 0.75


def test_the_largest_size_counts_all_matrices_and_skips_what_is_undefined():
    assert largest_of([[1, -3]], [[2, np.nan]]) == 3 and largest_of([[0, 0]]) == 1
    assert indexed("x", 11)[-1] == "x₁₀"
