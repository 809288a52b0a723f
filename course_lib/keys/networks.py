"""Small networks for keys: the same on both sides of the wall, with weights from the key's own random numbers."""

import numpy as np
import torch

from course_lib.recipes import coded


def tanh_classifier(W, b, V, c):
    """logits = V·tanh(W·x + b) + c, for one input of shape (n,) or a batch (B, n); float64."""
    W, b, V, c = (torch.tensor(one, dtype=torch.float64) for one in (W, b, V, c))

    def model(x):
        return torch.tanh(x.to(torch.float64) @ W.T + b) @ V.T + c

    return model


def classifier(rng, inputs, hidden, classes):
    """The Recipe of a tanh_classifier with weights from rng."""
    def numbers(*shape, most):
        return np.array([rng.uniform(-most, most) for _ in range(int(np.prod(shape)))]).reshape(shape).tolist()

    weights = (numbers(hidden, inputs, most=1.2), numbers(hidden, most=0.5), numbers(classes, hidden, most=1.5),
               numbers(classes, most=0.5))
    return coded(tanh_classifier, *weights, text=f"a model with {inputs} inputs and {classes} classes")


def model_of(recipe, x):
    """The logits of a tanh_classifier at x, by NumPy."""
    W, b, V, c = (np.array(one) for one in recipe.data[2:6])
    return np.tanh(x @ W.T + b) @ V.T + c
