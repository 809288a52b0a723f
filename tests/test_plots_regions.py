"""Regions of constant gradient, against the gates of the relus that make them."""

import numpy as np
import pytest
import torch

from course_lib.partials import Field
from course_lib.plots_regions import FINE, innermost, plot_regions, regions_of

W = np.array([[1.0, 0.6], [-0.8, 1.0], [0.5, -1.2]])
B, V = np.array([0.9, -0.4, 1.1]), np.array([1.0, -0.7, 0.8])
SQUARE = ((-2.0, 2.0), (-2.0, 2.0))


def relus(x):
    W_, b, v = (torch.tensor(one) for one in (W, B, V))
    return v @ torch.relu(W_ @ x + b)


def test_each_region_has_the_gradient_of_its_gates():
    labels, gradients = regions_of(Field(relus), SQUARE)
    axis = np.linspace(-2, 2, FINE)
    for row, column in [(10, 10), (380, 30), (200, 390), (395, 395), (20, 200)]:
        gates = W @ np.array([axis[column], axis[row]]) + B > 0
        assert np.allclose(gradients[labels[row, column]], (V * gates) @ W, atol=1e-5)


def test_there_are_as_many_regions_as_patterns_of_gates():
    u, v = np.meshgrid(*[np.linspace(-2, 2, 101)] * 2)
    gates = np.stack([u, v], -1).reshape(-1, 2) @ W.T + B > 0
    assert len(regions_of(Field(relus), SQUARE)[1]) == len(np.unique(gates, axis=0))


def test_the_sentence_tells_every_gradient():
    ax = plot_regions(lambda u, v: torch.relu(u) + 2 * torch.relu(v))
    assert "4 regions" in ax.description
    assert all(text in ax.description for text in ("(0, 0)", "(1, 0)", "(0, 2)", "(1, 2)"))


def test_a_linear_function_is_one_region():
    assert "1 region here" in plot_regions(lambda u, v: 0.5 * u - 1.25 * v).description


def test_a_curved_function_is_refused_with_the_picture_to_take():
    with pytest.raises(ValueError, match="not piecewise linear: plot_contour"):
        plot_regions(lambda u, v: u * v)


def test_the_innermost_sample_lies_in_its_region_and_off_the_edge():
    inside = np.zeros((20, 20), bool)
    inside[3:14, 5:12] = True
    row, column = innermost(inside)
    assert 5 <= row <= 11 and 7 <= column <= 9
