"""Tables, ribbons and maps show the Jacobian that differences find."""

import math

import matplotlib
import numpy as np
import pytest
import torch
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

from course_lib import theme
from course_lib.plots_jacobians import plot_jacobian, plot_map, plot_ribbons


def vector(x):
    return torch.stack([x[0] * x[1], torch.sin(x[0] + x[1] ** 2), x[0] ** 2 - 3 * x[1]])


J = np.array([[-0.7, 1.3], [math.cos(1.79), -1.4 * math.cos(1.79)], [2.6, -3]])


def polar(x):
    return torch.stack([x[0] * torch.cos(x[1]), x[0] * torch.sin(x[1])])


def table(ax):
    """position -> text."""
    return {tuple(round(c, 2) for c in text.get_position()): text.get_text() for text in ax.texts if text.get_text()}


def test_outputs_are_rows_and_inputs_columns():
    ax = plot_jacobian(vector, (1.3, -0.7))
    found = table(ax)
    for i in range(3):
        assert found[(-0.14, -i - 0.52)] == f"y{theme.index(i)}"
        for j in range(2):
            assert float(found[(j + 0.5, -i - 0.52)].replace("−", "-")) == pytest.approx(J[i, j], abs=0.006)
    assert ax.description == (
        "Jacobian of vector at x = (1.3, −0.7): J = [[−0.7, 1.3], [−0.217, 0.304], [2.6, −3]]."
    )


def test_with_v_its_weights_stand_beside_the_rows_and_the_result_below():
    ax = plot_jacobian(vector, (1.3, -0.7), v=torch.tensor([1.0, 0.5, -1.0]))
    found = table(ax)
    assert [found[(-1.4, -i - 0.52)] for i in range(3)] == ["1.0", "0.5", "−1.0"]
    pulled = np.array([1, 0.5, -1]) @ J
    assert [found[(j + 0.5, -4.02)] for j in range(2)] == [theme.number(value) for value in pulled]
    assert ax.description.endswith("with v = (1, 0.5, −1), vᵀJ = (−3.41, 4.45).")


def test_a_large_jacobian_is_summed_up():
    ax = plot_jacobian(lambda x: torch.cumsum(x, 0), torch.arange(6.0))
    assert "J has 6 rows and 6 columns, 21 of 36 entries are not 0, from 0 to 1." in ax.description
    with pytest.raises(ValueError, match="room for 144"):
        plot_jacobian(torch.tanh, torch.zeros(13))


def ribbons(ax):
    """[(x of the input, x of the output, thickness)] of the rising and of the falling ones."""
    found = []
    for part in (child for child in ax.get_children() if isinstance(child, LineCollection)):
        ends = [(segment[0], segment[-1]) for segment in part.get_segments()]
        assert all(top[1] == 1 and bottom[1] == 0 for top, bottom in ends)
        widths = part.get_linewidth()
        found.append([(top[0], bottom[0], width) for (top, bottom), width in zip(ends, widths, strict=False)])
    return found


def test_a_ribbon_joins_input_and_output_as_thick_as_their_derivative():
    rising, falling = ribbons(plot_ribbons(vector, (1.3, -0.7)))
    inputs, outputs = np.linspace(0, 1, 2), np.linspace(0, 1, 3)
    for part, sign in ((rising, 1), (falling, -1)):
        wanted = [(inputs[j], outputs[i], abs(J[i, j])) for i in range(3) for j in range(2) if J[i, j] * sign > 0]
        assert len(part) == 3
        for (top, bottom, width), (x, y, size) in zip(part, wanted, strict=True):
            assert (top, bottom) == (x, y)
            assert width / max(w for *_, w in rising + falling) == pytest.approx(size / 3)


def test_sign_is_a_line_style_too_and_zero_has_no_ribbon():
    ax = plot_ribbons(lambda x: torch.cumsum(x, 0) - 2 * x, (1.0, 2.0, 3.0))
    rising, falling = ribbons(ax)
    assert len(rising) == 3 and len(falling) == 3
    styles = [part.get_linestyle() for part in ax.collections if isinstance(part, LineCollection)]
    assert styles[0][0][1] is None and styles[1][0][1] is not None
    assert ax.description == (
        "Ribbons of f at x = (1, 2, 3): 6 of 9 possible, 3 positive and 3 negative, sizes from 1 to 1."
    )


def curve(ax, label):
    return next(np.array(line.get_data()).T for line in ax.lines if line.get_label() == label)


@pytest.mark.parametrize("shape, area", [("square", 0.04), ("circle", math.pi * 0.01)])
def test_the_linear_image_has_det_j_times_the_area(shape, area):
    panels = plot_map(polar, (1.5, 0.4), size=0.2, shape=shape)
    x, y = curve(panels[1], "linear image, J").T
    inside = abs((x[:-1] * y[1:] - x[1:] * y[:-1]).sum()) / 2
    assert inside == pytest.approx(1.5 * area, rel=0.01)  # det of polar coordinates is r
    true = curve(panels[1], "true image")
    r = np.hypot(*true.T)
    assert (r.min(), r.max()) == pytest.approx((1.4, 1.6))


def test_the_gap_between_the_images_shrinks_with_the_size():
    def gap(size):
        panels = plot_map(polar, (1, 0.5), size=size)
        true, linear = curve(panels[1], "true image"), curve(panels[1], "linear image, J")
        return np.hypot(*(true - linear).T).max() / size

    assert gap(0.2) / gap(0.02) == pytest.approx(10, rel=0.1)
    assert "are 2.8 % of the size apart" in plot_map(polar, (1, 0.5), size=0.1).description


@pytest.mark.parametrize("draw", [plot_jacobian, plot_ribbons])
def test_axes_given_are_used_and_settings_stay(draw):
    before, ax = dict(matplotlib.rcParams), Figure().add_subplot()
    w, x = (torch.tensor([1.0, 2.0], requires_grad=True) for _ in "wx")
    assert draw(lambda t: w * t, x, ax=ax) is ax
    assert w.grad is None and x.grad is None and dict(matplotlib.rcParams) == before


@pytest.mark.parametrize(
    "call, error, words",
    [
        (lambda: plot_jacobian(vector, (1.3, -0.7), v=(1, 2)), ValueError, "each of the 3 outputs, got 2"),
        (lambda: plot_jacobian(vector, "x"), TypeError, "x must be"),
        (lambda: plot_jacobian(5, (1, 2)), TypeError, "got int"),
        (lambda: plot_map(polar, (1, 2), size=0), ValueError, "above 0"),
        (lambda: plot_map(polar, (1, 2), shape="star"), ValueError, "'square' or 'circle'"),
        (lambda: plot_map(vector, (1, 2)), ValueError, "two numbers for two numbers, got 3"),
        (lambda: plot_map(torch.tanh, (1, 2, 3)), ValueError, "two numbers, got 3"),
    ],
)
def test_a_wrong_argument_is_named(call, error, words):
    with pytest.raises(error, match=words):
        call()


def test_a_map_of_two_named_inputs_has_their_names_at_its_axes():
    before, after = plot_map(lambda r, θ: (r * torch.cos(θ), r * torch.sin(θ)), (1.5, 0.4))
    assert (before.get_xlabel(), before.get_ylabel(), after.get_xlabel()) == ("r", "θ", "y₀")


def test_a_map_is_drawn_to_one_scale_so_that_areas_can_be_compared():
    before, after = plot_map(lambda r, θ: torch.stack([r * torch.cos(θ), r * torch.sin(θ)]), at=(2.0, 0.6), size=0.5)
    assert np.ptp(before.get_xlim()) == pytest.approx(np.ptp(after.get_xlim()))
    assert np.ptp(before.get_ylim()) == pytest.approx(np.ptp(after.get_ylim()))


def test_a_map_that_shrinks_much_is_still_to_be_seen():
    before, after = plot_map(lambda u, v: torch.stack([0.01 * u, 0.01 * v]), at=(1.0, 1.0), size=0.5)
    assert np.ptp(after.get_xlim()) < 0.1 * np.ptp(before.get_xlim())
