"""Pictures of networks show the numbers that closed forms give."""

import math

import matplotlib
import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from course_lib.plots_networks import plot_activation, plot_gradient_flow, plot_losses, plot_softmax


def line(ax, label):
    return next(np.asarray(one.get_data()) for one in ax.lines if one.get_label() == label)


def zones(ax):
    """Where the shading is, left and right ends."""
    spans = [patch for patch in ax.patches if isinstance(patch, Rectangle) and patch.get_hatch()]
    return [(patch.get_x(), patch.get_x() + patch.get_width()) for patch in spans]


def test_an_activation_is_shaded_where_its_slope_is_below_a_twentieth_of_the_largest():
    ax = plot_activation(torch.sigmoid)
    xs, slopes = line(ax, "f′")
    s = 1 / (1 + np.exp(-xs))
    assert np.allclose(slopes, s * (1 - s))
    (left, first), (second, right) = zones(ax)
    edge = math.log((1 + math.sqrt(1 - 0.05)) / (1 - math.sqrt(1 - 0.05)))  # s(1 − s) = 0.05/4
    assert (left, right) == (-6, 6) and second == pytest.approx(edge, abs=0.03) == -first
    assert ax.description == (
        "f = sigmoid with f′: slopes from 0.00247 to 0.25; hardly any slope below −4.4 and above 4.4."
    )


@pytest.mark.parametrize(
    "f, words", [(torch.relu, "below 0"), (torch.nn.functional.hardtanh, "below −1 and above 1"),
                 (lambda x: 2 * x, "it has slope everywhere"), (lambda x: 0 * x, "anywhere here")]
)
def test_dead_zones_are_named(f, words):
    assert words in plot_activation(f).description


def test_softmax_is_drawn_as_bars_with_its_jacobian():
    z = np.array([1, 0.5, -0.5, -1])
    panels = plot_softmax(torch.tensor(z), temperature=2)
    p = np.exp(z / 2) / np.exp(z / 2).sum()
    assert [bar.get_height() for bar in panels[0].patches] == pytest.approx(p.tolist())
    found = {tuple(round(c, 2) for c in text.get_position()): text.get_text() for text in panels[1].texts}
    for i in range(4):
        for j in range(4):
            wanted = ((i == j) * p[i] - p[i] * p[j]) / 2
            assert float(found[j + 0.5, round(-i - 0.52, 2)].replace("−", "-")) == pytest.approx(wanted, abs=0.005)
    assert panels.description.startswith("softmax of (1, 0.5, −0.5, −1) at temperature 2: p = (")


def test_losses_are_drawn_on_a_log_scale_when_they_can_be():
    ax = plot_losses({"lr 0.1": [1.0, 0.1, 0.01], "lr 1": torch.tensor([1.0, 1.0, 1.0])})
    assert line(ax, "lr 0.1")[1].tolist() == [1, 0.1, 0.01] and ax.get_yscale() == "log"
    assert ax.description == "Loss: lr 0.1 from 1 to 0.01 in 3 steps; lr 1 from 1 to 1 in 3 steps."
    assert plot_losses([1.0, 0.0]).get_yscale() == "linear"


def test_runs_differ_in_line_style_or_marker():
    ax = plot_losses({str(i): [1.0, 2.0] for i in range(5)})
    looks = {(one.get_linestyle(), one.get_marker()) for one in ax.lines}
    assert len(looks) == 5


def test_a_loss_that_is_no_number_any_more_is_said_to_be():
    ax = plot_losses({"lr 9": [1.0, 100.0, math.inf, math.nan]})
    assert ax.description == "Loss: lr 9 from 1 to 100 in 4 steps, not finite from step 2 on."
    assert "never finite" in plot_losses({"a": [math.nan], "b": [1.0]}).description


def test_gradient_norms_stand_at_their_value_and_a_zero_is_marked_otherwise():
    ax = plot_gradient_flow({"0.weight": 0.01, "0.bias": None, "2.weight": torch.tensor(1.5)})
    marks = {one.get_marker(): [] for one in ax.lines}
    for one in ax.lines:
        if len(one.get_xdata()) == 1:
            marks[one.get_marker()].append((one.get_xdata()[0], one.get_ydata()[0]))
    assert marks["o"] == [(0.01, 0), (1.5, -2)] and len(marks["x"]) == 1
    assert [label.get_text() for label in ax.get_yticklabels()] == ["0.weight", "0.bias", "2.weight"]
    assert ax.description == (
        "Gradient norms: 3 layers, largest 1.5 (2.weight), smallest 0.01 (0.weight), a factor of 150 between them, "
        "0 at 0.bias."
    )
    assert "0 at layer 1" in plot_gradient_flow([0]).description


@pytest.mark.parametrize(
    "draw", [lambda ax: plot_activation(torch.tanh, ax=ax), lambda ax: plot_losses([1, 2], ax=ax),
             lambda ax: plot_gradient_flow([1, 2], ax=ax)]
)
def test_axes_given_are_used_and_settings_stay(draw):
    before, ax = dict(matplotlib.rcParams), Figure().add_subplot()
    assert draw(ax) is ax and dict(matplotlib.rcParams) == before


@pytest.mark.parametrize(
    "call, error, words",
    [
        (lambda: plot_softmax([1, 2], temperature=0), ValueError, "above 0"),
        (lambda: plot_softmax(range(9)), ValueError, "room for 8 logits"),
        (lambda: plot_losses([]), ValueError, "no loss in loss"),
        (lambda: plot_losses({"a": ["x"]}), TypeError, "losses of a"),
        (lambda: plot_losses([math.nan]), ValueError, "finite loss"),
        (lambda: plot_gradient_flow([]), ValueError, "at least one norm"),
        (lambda: plot_gradient_flow([-1]), ValueError, "never below 0"),
        (lambda: plot_gradient_flow({"a": "x"}), TypeError, "norm of a must be a number"),
        (lambda: plot_activation(math.sin), TypeError, "math.sin"),
    ],
)
def test_a_wrong_argument_is_named(call, error, words):
    with pytest.raises(error, match=words):
        call()
