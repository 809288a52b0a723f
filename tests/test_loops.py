"""Training loops laid out of cards: run for real, and their faults named by what the parameters did."""

import numpy as np
import pytest
import torch

from course_lib import loops
from course_lib.bowls import CURVATURE, START, Bowl, descend

FORWARD = ("forward", "loss")
RIGHT = [
    (*FORWARD, "zero_grad", "backward", "step"), ("zero_grad", *FORWARD, "backward", "step"),
    (*FORWARD, "backward", "step", "zero_grad"), ("forward", "zero_grad", "loss", "backward", "step"),
]  # fmt: skip
FAULTS = [
    ((), "Lay the cards"),
    ((*FORWARD, "backward", "step"), "momentum 1"),
    ((*FORWARD, "backward", "zero_grad", "step"), "zero_grad comes between"),
    ((*FORWARD, "backward"), "no card takes a step"),
    ((*FORWARD, "step"), "without backward .grad stays None"),
    (("step", "zero_grad", *FORWARD, "backward"), "The step comes before backward"),
    ((*FORWARD, "zero_grad", "backward", "step", "step"), "More than one step"),
    ((*FORWARD, "backward", *FORWARD, "backward", "step", "zero_grad"), "backward runs more than once"),
    (("backward",), "backward needs a loss"),
    (("loss", "forward"), "loss needs a prediction"),
    ((*FORWARD, "backward", "backward", "step"), "a forward pass of its own"),
    (("forward", "detach", "loss", "backward", "step"), "The graph was cut"),
    (("no_grad", "loss", "backward", "step"), "The graph was cut"),
    ((*FORWARD, "item", "backward", "step"), "plain number"),
]


@pytest.mark.parametrize("cards", RIGHT, ids=" ".join)
def test_every_right_order_trains(cards):
    assert loops.run(cards).trains


@pytest.mark.parametrize("cards", RIGHT, ids=" ".join)
def test_a_loop_that_trains_goes_where_the_closed_form_goes(cards):
    factors = 1 - loops.usual_bowl().usual_rate * np.array(CURVATURE)
    wanted = np.array(START) * factors ** np.arange(loops.ROUNDS + 1)[:, None]
    found = loops.run(cards)
    assert np.allclose(found.path, wanted)
    assert np.allclose(found.used, np.linalg.norm(wanted[:-1] * CURVATURE, axis=1)) and np.allclose(found.used, found.fresh)


@pytest.mark.parametrize("cards, words", FAULTS, ids=lambda value: " ".join(value) if isinstance(value, tuple) else "")
def test_every_fault_has_its_words(cards, words):
    found = loops.run(cards)
    assert not found.trains and words in found.verdict


def test_without_zero_grad_it_is_torchs_momentum_1():
    w = torch.tensor(START, dtype=torch.float64, requires_grad=True)
    optimiser, path = torch.optim.SGD([w], lr=loops.usual_bowl().usual_rate, momentum=1.0), [START]
    for _ in range(loops.ROUNDS):
        optimiser.zero_grad()
        ((torch.tensor(CURVATURE) * w**2).sum() / 2).backward()
        optimiser.step()
        path.append(w.tolist())
    assert np.allclose(loops.run((*FORWARD, "backward", "step")).path, path)


def test_digits_are_learned_by_a_loop_that_trains_and_stopped_cards_have_no_loss():
    before, after = loops.run_on_digits(RIGHT[0])
    assert before == pytest.approx(np.log(10), rel=1e-6) and after < 1
    assert loops.run_on_digits(("backward",)) is None
    standing = loops.run_on_digits((*FORWARD, "backward", "zero_grad", "step"))
    assert standing[0] == standing[1]


@pytest.mark.parametrize("cards, words", FAULTS, ids=lambda value: " ".join(value) if isinstance(value, tuple) else "")
def test_on_another_bowl_the_same_faults_have_the_same_words(cards, words):
    assert words in loops.run(cards, CURVED).verdict


@pytest.mark.parametrize("cards", RIGHT, ids=" ".join)
def test_on_another_bowl_a_right_order_goes_down_its_gradient(cards):
    found = loops.run(cards, CURVED)
    assert found.trains and np.allclose(found.path, descend(CURVED, CURVED.usual_rate, loops.ROUNDS)[0])


CURVED = Bowl(lambda u, v: (1 - u) ** 2 / 4 + (v - u**2) ** 2)
