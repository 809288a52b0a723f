"""The mixer shows vᵀJ, its riddle needs as many calls as outputs, and the detector knows which sums lie."""

import numpy as np
import pytest
import torch

from course_lib import theme
from course_lib.controls import Unclear
from course_lib.explore_04 import cotangent_mixer, parse_matrix, sum_trick_lie_detector

J = np.array([[-0.7, 1.3], [np.cos(1.79), -1.4 * np.cos(1.79)], [2.6, -3]])


def bar_heights(explorer, axes=1):
    ax = explorer.scene.figure.axes[axes]
    return [[path.vertices[np.abs(path.vertices[:, 1]).argmax(), 1] for path in bars.get_paths()]
            for bars in ax.collections]


def cell_texts(explorer):
    return [text.get_text() for text in explorer.scene.figure.axes[0].texts]


@pytest.mark.parametrize("v", [(1, 0, 0), (0, 1, 0), (1, 0.5, -1), (-2, 2, 0.125)])
def test_the_bars_are_the_weighted_rows_summed(v):
    explorer = cotangent_mixer().set(v0=v[0], v1=v[1], v2=v[2])
    assert bar_heights(explorer)[0] == pytest.approx((np.array(v) @ J).tolist())
    x = torch.tensor([1.3, -0.7], dtype=torch.float64, requires_grad=True)
    y = torch.stack([x[0] * x[1], torch.sin(x[0] + x[1] ** 2), x[0] ** 2 - 3 * x[1]])
    y.backward(gradient=torch.tensor(v, dtype=torch.float64))
    assert explorer.text.endswith(f"= ({theme.number(x.grad[0])}, {theme.number(x.grad[1])}).")


def test_the_sentence_names_the_call_and_the_rows():
    assert cotangent_mixer().set(v1=0.5, v2=-1).text == (
        "x.grad after y.backward(gradient=v) with v = (1, 0.5, −1) is vᵀJ = 1·row 0 + 0.5·row 1 − 1·row 2 = "
        "(−3.41, 4.45)."
    )
    assert cotangent_mixer().set(weights="sum").text.startswith("x.grad after y.sum().backward() is vᵀJ = 1·row 0 + ")


def test_tasks_of_the_mixer_need_their_weights():
    explorer = cotangent_mixer()
    assert explorer.set(v0=1, v1=1).done == [False] * 3
    assert explorer.set(v0=0).done == [True, False, False]
    assert explorer.set(v0=1, v1=0, v2=-1).done == [True, True, False]
    assert explorer.set(weights="sum").done == [True] * 3


def test_the_mixer_takes_a_students_function():
    explorer = cotangent_mixer(lambda x: x[:2] ** 2, x=(1.0, 2.0, 3.0)).set(v1=1)
    assert bar_heights(explorer)[0] == pytest.approx([2, 4, 0])
    assert list(explorer.controls) == ["v0", "v1", "weights"]
    assert cotangent_mixer(lambda x: x.sum(), x=(1.0, 2.0)).set(v0=2).done == [True]


@pytest.mark.parametrize("f, x, words", [(torch.tanh, torch.zeros(6), "has 6 and 6"), (torch.tanh, "x", "x must be")])
def test_what_the_mixer_has_no_room_for_is_refused(f, x, words):
    with pytest.raises((TypeError, ValueError), match=words):
        cotangent_mixer(f, x)


# --- hidden J --------------------------------------------------------------------------------------------------------


def ask(explorer, *weights):
    """The numbers that a backward call shows, read off its sentence."""
    explorer.set(**{f"v{i}": weight for i, weight in enumerate(weights)}).press("calls")
    shown = explorer.text.rpartition("vᵀJ = (")[2].rstrip(").")
    return [float(part.replace("−", "-")) for part in shown.split(",")]


@pytest.mark.parametrize("puzzle", ["1", "2", "3", "4"])
def test_three_calls_with_unit_vectors_find_the_hidden_jacobian(puzzle):
    explorer = cotangent_mixer(hidden=True).set(puzzle=puzzle)
    rows = [ask(explorer, *row) for row in np.eye(3)]
    assert cell_texts(explorer).count("?") == 1 and explorer.done == [False]
    explorer.set(answer=str(rows))
    assert explorer.done == [True] and "J is found after 3 backward calls" in explorer.text
    assert cell_texts(explorer).count("?") == 0


def test_any_three_independent_weights_do():
    explorer = cotangent_mixer(hidden=True)
    weights = np.array([[1, 1, 0], [0, 2, -1], [1, 0, 1]])
    answers = np.array([ask(explorer, *row) for row in weights])
    explorer.set(answer=str(np.linalg.solve(weights, answers).round(3).tolist()))
    assert explorer.done == [True]


def test_a_fourth_call_is_one_too_many_until_the_next_riddle():
    explorer = cotangent_mixer(hidden=True)
    rows = [ask(explorer, *row) for row in np.eye(3)]
    ask(explorer, 1, 1, 1)
    assert explorer.set(answer=str(rows)).done == [False] and "4 calls instead of 3" in explorer.task_lines()[0]
    assert explorer.set(puzzle="2").values["calls"] == () and explorer.values["answer"] == ""
    rows = [ask(explorer, *row) for row in np.eye(3)]
    assert explorer.set(answer=str(rows)).done == [True]


def test_a_wrong_jacobian_or_a_transposed_one_is_not_taken():
    explorer = cotangent_mixer(hidden=True)
    rows = np.array([ask(explorer, *row) for row in np.eye(3)])
    off = rows.copy()
    off[1, 0] += 0.5
    assert explorer.set(answer=str(off.tolist())).done == [False] and "not J yet" in explorer.text
    assert explorer.set(answer=str(rows.T.tolist())).failed and "3 rows, one for each output" in explorer.text


def test_riddles_differ_and_no_row_follows_from_the_others():
    found = []
    for puzzle in "1234":
        explorer = cotangent_mixer(hidden=True).set(puzzle=puzzle)
        found.append([ask(explorer, *row) for row in np.eye(3)])
        for i in range(3):
            assert np.linalg.matrix_rank(np.delete(found[-1], i, 0)) == 2
    assert len({str(rows) for rows in found}) == 4


def test_a_students_function_can_be_the_riddle():
    explorer = cotangent_mixer(lambda x: torch.stack([x[0] * x[1], x[0]]), x=(2.0, 3.0), hidden=True)
    assert ask(explorer, 1, 0) == [3, 2]
    explorer.set(v0=0, v1=1).press("calls")
    assert explorer.set(answer="[[3, 2], [1, 0]]").done == [True]


@pytest.mark.parametrize("text", ["[[1, 2], [3, 4]", "five", "[[1, 2], [3]]", "[['a', 2], [3, 4]]", "[1, 2]"])
def test_what_is_no_matrix_is_said_in_one_sentence(text):
    with pytest.raises(Unclear) as unclear:
        parse_matrix(text, 2, 2)
    assert "\n" not in str(unclear.value)


# --- lie detector ----------------------------------------------------------------------------------------------------

HONEST = {"tanh": True, "softmax": False, "cumsum": False, "batch-norm (train)": False, "batch-norm (eval)": True,
          "sort": False}


def guess_for(name):
    return "tells the truth" if HONEST[name] else "lies"


def test_nothing_is_shown_before_the_prediction():
    explorer = sum_trick_lie_detector()
    assert cell_texts(explorer).count("?") == 1 and "diag" not in explorer.text
    assert not [text for text in cell_texts(explorer) if text.lstrip("−")[:1].isdigit()]
    assert not np.any(bar_heights(explorer))
    assert explorer.set(guess="lies").set(function="sort").values["guess"] == "?"


def test_the_sum_is_the_gradient_of_the_sum_and_the_diagonal_the_own_slopes():
    explorer = sum_trick_lie_detector().set(function="softmax", guess="lies")
    p = np.exp([0.5, -1, 2, 0.25])
    p /= p.sum()
    wanted = ", ".join(theme.number(value) for value in p * (1 - p))
    assert explorer.text == (
        f"softmax: diag(J) = ({wanted}), J.sum(0) = (0, 0, 0, 0). The sum trick lies, as you predicted."
    )
    diagonal, summed = (np.array(heights) for heights in bar_heights(explorer))
    assert np.allclose(diagonal / diagonal[0], p * (1 - p) / (p[0] * (1 - p[0]))) and np.abs(summed).max() < 1e-9


@pytest.mark.parametrize("name", HONEST)
def test_each_case_is_judged_as_it_is(name):
    right = sum_trick_lie_detector().set(function=name, guess=guess_for(name))
    assert "as you predicted" in right.text and "(5 to go)" in right.task_lines()[0]
    wrong = sum_trick_lie_detector().set(function=name, guess=guess_for({True: "sort", False: "tanh"}[HONEST[name]]))
    assert "you predicted that it" in wrong.text and "(6 to go)" in wrong.task_lines()[0]


def test_the_task_needs_all_six_and_two_detectors_know_nothing_of_each_other():
    explorer, other = sum_trick_lie_detector(), sum_trick_lie_detector()
    for i, name in enumerate(HONEST):
        assert explorer.done == [False]
        explorer.set(function=name).set(guess=guess_for(name))
        assert f"({5 - i} to go)" in explorer.task_lines()[0] or i == 5
    assert explorer.done == [True] and other.done == [False]


def test_a_students_function_is_one_more_case():
    explorer = sum_trick_lie_detector(lambda x: x - x.mean()).set(function="yours", guess="lies")
    assert "(0.75, 0.75, 0.75, 0.75), J.sum(0) = (0, 0, 0, 0). The sum trick lies, as" in explorer.text
    assert explorer.task_lines()[0].endswith("(6 to go)")
    with pytest.raises(ValueError, match="4 numbers for 4 numbers, got 1"):
        sum_trick_lie_detector(lambda x: x.sum())


def test_diagonal_and_sum_differ_in_grey_too():
    diagonal, summed = sum_trick_lie_detector().scene.figure.axes[1].collections
    assert not diagonal.get_hatch() and summed.get_hatch()
