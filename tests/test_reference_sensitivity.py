"""The numbers that lesson 06 shows, each against a closed form in NumPy that knows nothing of autograd."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

x = np.array([1.0, 2.0, 3.0])
W = np.array([[0.2, -0.5, 0.3], [0.4, 0.1, -0.2], [0.1, 0.3, 0.2]])  # a column for each class


def softmax(z):
    raised = np.exp(z - z.max())
    return raised / raised.sum()


z = x @ W
p = softmax(z)
J = np.diag(p) - np.outer(p, p)
BY_X = J @ W.T  # row i: the gradient of p_i by x


def autograd(f, at):
    return torch.autograd.functional.jacobian(f, torch.tensor(at)).numpy()


def test_logits_probabilities_and_jacobian_are_the_reference_numbers():
    assert z == pytest.approx([1.3, 0.6, 0.5])
    assert p == pytest.approx([0.51389725, 0.25519382, 0.23090892], abs=1e-8)
    assert J[0] == pytest.approx([0.249807, -0.131143, -0.118663], abs=1e-6)
    assert autograd(lambda z: torch.softmax(z, 0), z) == pytest.approx(J, abs=1e-14)


def test_input_gradients_of_the_probabilities_are_the_reference_numbers():
    assert BY_X[0] == pytest.approx(p[0] * (W[:, 0] - W @ p))
    assert BY_X == pytest.approx(np.array([
        [0.07993404, 0.11054110, -0.03809503], [-0.13894161, -0.02166506, 0.03212133], [0.05900757, -0.08887604, 0.00597369],
    ]), abs=1e-8)  # fmt: skip
    assert autograd(lambda x: torch.softmax(x @ torch.tensor(W), 0), x) == pytest.approx(BY_X, abs=1e-14)


def test_the_sign_step_moves_the_probability_as_told_and_flips_the_class_at_0_59():
    def after(eps):
        return softmax((x + eps * np.sign(BY_X[0])) @ W)

    assert np.abs(BY_X[0]).sum() == pytest.approx(0.2285702, abs=1e-7)
    assert after(0.1)[0] - p[0] == pytest.approx(0.0227004, abs=1e-7)
    assert after(0.01)[0] - p[0] == pytest.approx(0.00228427, abs=1e-8)
    assert after(-0.58).argmax() == 0 and after(-0.59).argmax() == 1


def test_cross_entropy_and_its_gradients_are_the_reference_numbers():
    by_logits = p - [1, 0, 0]
    assert -math.log(p[0]) == pytest.approx(0.6657319, abs=1e-7)
    assert by_logits == pytest.approx([-0.4861028, 0.2551938, 0.2309089], abs=1e-7)
    assert W @ by_logits == pytest.approx([-0.1555448, -0.2151035, 0.0741297], abs=1e-7)
    loss = autograd(lambda x: F.cross_entropy((x @ torch.tensor(W))[None], torch.tensor([0])), x)
    assert loss == pytest.approx(W @ by_logits, abs=1e-14)


def test_softmax_twice_gives_the_loss_and_the_gradient_of_the_reference():
    twice = softmax(p)
    by_logits = (twice - [1, 0, 0]) @ J
    assert -math.log(twice[0]) == pytest.approx(0.9265, abs=5e-5)
    assert by_logits == pytest.approx([-0.2264, 0.1197, 0.1067], abs=5e-5)
    got = autograd(lambda z: F.cross_entropy(torch.softmax(z, 0)[None], torch.tensor([0])), z)
    assert got == pytest.approx(by_logits, abs=1e-14)


def test_one_unit_has_the_slopes_of_the_reference():
    w, at = np.array([0.5, -1.0]), np.array([2.0, 3.0])
    s = 1 / (1 + math.exp(-(w @ at + 2)))
    assert (s, *(s * (1 - s) * w), *(s * (1 - s) * at)) == pytest.approx((0.5, 0.125, -0.25, 0.5, 0.75))
    assert autograd(lambda x: torch.sigmoid(x @ torch.tensor(w) + 2), at) == pytest.approx(s * (1 - s) * w, abs=1e-15)


def test_a_transpose_picks_another_class_with_the_probability_that_is_told():
    swapped = softmax(W @ x)
    assert W @ x == pytest.approx([0.1, 0, 1.3]) and swapped.argmax() == 2 and swapped[2] == pytest.approx(0.635, abs=5e-4)


def test_columns_with_other_shapes_make_a_loss_of_equal_numbers():
    values = np.array([1.0, 2.0, 3.0])
    every_pair = ((values[:, None] - values) ** 2).mean()
    assert every_pair == pytest.approx(4 / 3)
    with pytest.warns(UserWarning, match="Using a target size"):
        assert F.mse_loss(torch.tensor(values)[:, None], torch.tensor(values)).item() == pytest.approx(every_pair)
