"""The seesaw balances like softmax, and the depth dial multiplies like a chain rule."""

import math
import re

import numpy as np
import pytest
import torch
from matplotlib.quiver import Quiver

from course_lib import theme
from course_lib.explore_06 import HALF, depth_dial, softmax_seesaw
from course_lib.theme import number


def numbers_after(text, start):
    return [float(part.replace("−", "-")) for part in text.partition(start)[2].partition(")")[0].split(",")]


# --- seesaw ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("temperature", [0.5, 1, 3])
@pytest.mark.parametrize("turn", [0, 2])
def test_bars_are_p_and_arrows_a_column_of_the_jacobian(temperature, turn):
    z = np.array([1.5, -0.5, 0.25, 2])
    explorer = softmax_seesaw().set(
        **{f"z{i}": value for i, value in enumerate(z)}, temperature=temperature, turn=f"z{theme.index(turn)}"
    )
    p = np.exp(z / temperature) / np.exp(z / temperature).sum()
    column = p * ((np.arange(4) == turn) - p[turn]) / temperature
    bars = explorer.scene.figure.axes[0].collections[0]
    assert [path.vertices[:, 1].max() for path in bars.get_paths()] == pytest.approx(p.tolist())
    quiver = next(mover for mover in explorer.scene.movers if isinstance(mover, Quiver))
    assert quiver.V == pytest.approx(HALF * column) and not np.any(quiver.U)
    assert numbers_after(explorer.text, f"∂p/∂z{theme.index(turn)} = (") == pytest.approx(column, abs=5e-3, rel=5e-3)
    assert ", together 0. " in explorer.text


def test_adding_a_constant_changes_nothing():
    explorer = softmax_seesaw().set(z2=-0.5)
    before = explorer.text
    assert explorer.set(c=2.5).text == before
    note = explorer.scene.figure.axes[0].texts[-1].get_text()
    assert note == "J: largest entry 0.25, rows and columns sum to 0; c = 2.5 changes p by 0"


def test_the_change_is_told_only_after_its_sign_was_said():
    explorer = softmax_seesaw()
    assert "Say first" in explorer.text and "Raising" not in explorer.text
    assert "Raising" in explorer.set(predict="rises").text


def test_arrows_stay_in_the_picture_at_the_lowest_temperature():
    explorer = softmax_seesaw().set(z0=1, z1=1, z2=-4, z3=-4, temperature=0.25, turn="z₀")
    quiver = next(mover for mover in explorer.scene.movers if isinstance(mover, Quiver))
    low, high = explorer.scene.figure.axes[0].get_ylim()
    ends = quiver.get_offsets()[:, 1] + quiver.V
    assert low <= ends.min() and ends.max() <= high


def test_the_change_named_is_the_one_that_happens():
    explorer = softmax_seesaw().set(predict="falls")
    before = numbers_after(explorer.text, "p = (")[1]
    claimed = float(explorer.text.rpartition("by ")[2].rstrip(".").replace("−", "-"))
    after = numbers_after(explorer.set(z0=1.125).text, "p = (")[1]  # 0.125 instead of 0.1
    assert (after - before) / claimed == pytest.approx(1.25, abs=0.05)


def test_the_strongest_change_needs_two_equal_winners_and_the_sign_first():
    explorer = softmax_seesaw().set(z0=4, z1=4, z2=-4, z3=-4)
    assert explorer.done == [False, False] and "predict the sign first" in explorer.task_lines()[0]
    assert "look at its sign" in explorer.set(predict="rises").task_lines()[0]
    assert not explorer.set(temperature=0.5, predict="falls").done[0]
    assert explorer.set(temperature=1).done == [True, False]
    assert softmax_seesaw().set(z0=0, z1=0, z2=0, z3=0, predict="falls").done == [False, False]
    assert softmax_seesaw().set(z0=4, z1=0, z2=-4, z3=-4, predict="falls").done == [False, False]


def test_the_threshold_is_just_below_what_is_possible():
    best = 0.5 - 1 / (1 + math.exp(0.1))  # two classes, from equal
    explorer = softmax_seesaw().set(z0=4, z1=4, z2=-4, z3=-4, predict="falls")
    claimed = -float(explorer.text.rpartition("by ")[2].rstrip(".").replace("−", "-"))
    assert 0.0245 < claimed <= best + 1e-4


def test_a_confident_softmax_is_deaf():
    assert softmax_seesaw().set(z0=4, z1=-4, z2=-4, z3=-4).done == [False, True]


def squashed(z):
    return torch.sigmoid(z - 1)


def test_the_students_own_function_is_weighed():
    explorer = softmax_seesaw(squashed).set(z0=2, turn="z₀", temperature=2, predict="stays")
    assert explorer.done == [True]
    p = 1 / (1 + np.exp(1 - 2 / 2))
    assert f"p = ({number(p)}, " in explorer.text and f"∂p/∂z₀ = ({number(p * (1 - p) / 2)}, 0, 0, 0)" in explorer.text


def test_a_wrong_prediction_about_the_own_function_is_not_done():
    assert softmax_seesaw(lambda z: z.cumsum(0)).set(predict="falls").done == [False]
    assert softmax_seesaw(lambda z: z.cumsum(0)).set(predict="rises").done == [True]


def test_four_logits_need_four_results():
    with pytest.raises(ValueError, match="one number for each of the 4 logits, got 1"):
        softmax_seesaw(torch.sum)


# --- depth -----------------------------------------------------------------------------------------------------------


def norms(explorer):
    ax = explorer.scene.figure.axes[0]
    return np.array(next(line for line in ax.lines if line.get_label() == "gradient at this layer").get_ydata())


def test_the_last_gradient_is_one_and_there_is_one_for_each_layer():
    explorer = depth_dial().set(layers=7, activation="tanh")
    assert len(norms(explorer)) == 8 and norms(explorer)[-1] == pytest.approx(1)


def test_linear_layers_multiply_the_norm_by_the_scale_each():
    explorer = depth_dial(lambda h: h).set(layers=12, scale=2)
    twice, once = norms(explorer), norms(explorer.set(scale=1))
    assert twice / once == pytest.approx(2.0 ** np.arange(12, -1, -1))


def test_gradients_agree_with_differences():
    """Through the sentence: the norm at the input of one layer without activation is that of W applied to the pull."""
    rng = np.random.default_rng(6)
    weights = rng.standard_normal((30, 64, 64)) / 8
    rng.standard_normal((4, 64))
    pull = rng.standard_normal((4, 64))
    wanted = np.linalg.norm(pull / np.linalg.norm(pull) @ weights[0].T * 1.5)
    explorer = depth_dial(lambda h: h).set(layers=1, scale=1.5)
    assert norms(explorer)[0] == pytest.approx(wanted)
    assert f"norm is {theme.number(wanted, 2)} at the input for 1 at the output" in explorer.text


@pytest.mark.parametrize(
    "i, activation, too_small, largest", [(0, "relu", 1, 2), (1, "tanh", 0.5, 4), (2, "sigmoid", 4, 12)]
)
def test_each_activation_has_scales_that_keep_the_norm_in_a_decade(i, activation, too_small, largest):
    kept, explorer = [], depth_dial().set(layers=30, activation=activation)
    for scale in np.arange(too_small, largest + 0.01, 1 / 8):
        found = norms(explorer.set(scale=scale))
        done = explorer.tasks[i].done(explorer.values) is True
        assert done == (found.max() / found.min() <= 10)
        assert not any(task.done(explorer.values) for task in explorer.tasks if task is not explorer.tasks[i])
        kept += [scale] * done
    assert len(kept) >= 2 and min(kept) > too_small and explorer.done[i]


def test_fewer_layers_do_not_count():
    explorer = depth_dial().set(layers=3, scale=1.4375)
    assert explorer.done == [False] * 3 and "with 30 layers" in explorer.task_lines()[0]


def test_a_vanished_gradient_is_drawn_at_the_bottom_and_said():
    explorer = depth_dial().set(layers=30, activation="sigmoid", scale=0.25)
    assert norms(explorer).min() == 1e-16 and re.search(r"norm is \d(\.\d)?e-3\d at the input", explorer.text)
    assert "no gradient is left" in depth_dial(lambda h: 0 * h).text


@pytest.mark.parametrize("activation", [math.tanh, "tanh", lambda h: h.detach()])
def test_what_is_no_activation_is_refused(activation):
    with pytest.raises(TypeError, match="elementwise torch function"):
        depth_dial(activation)


def test_the_same_numbers_each_time():
    assert repr(depth_dial()) == repr(depth_dial()) and torch.get_default_dtype() == torch.float32
