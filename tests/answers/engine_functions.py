"""Answers to K4a–K4d of lesson 10. Their notebook is this module: its engine is the course's."""

import numpy as np

from course_lib.keys.mini import (
    MiniTensor,
    mini_exp,
    mini_index,
    mini_log,
    mini_matmul,
    mini_relu,
    mini_sum,
    run_backward,
)
from tests.answers import own_engine
from tests.answers.bank_10 import bank

__all__ = ["mini_relu", "run_backward"]  # what an answer finds beside it, with the others

for name in ("mini_relu", "mini_exp", "mini_log", "mini_log_softmax"):
    bank.honest(name)(getattr(own_engine, name))

# --- K4a -------------------------------------------------------------------------------------------------------------


@bank.honest("mini_relu")
def by_comparison(t):
    return t.made(np.maximum(t.data, 0.0), (t, lambda g: g * (t.data > 0)))


@bank.honest("mini_relu")
def all_of_g_at_zero(t):
    mask = (t.data >= 0).astype(float)
    return MiniTensor.made(t.data * mask, (t, lambda g: mask * g))


@bank.honest("mini_relu")
def half_of_g_at_zero(t):
    return MiniTensor.made((t.data + abs(t.data)) / 2, (t, lambda g: g * np.heaviside(t.data, 0.5)))


@bank.honest("mini_relu")
def of_copies(t):
    value = t.data.copy()
    value[value < 0] = 0

    def back(g):
        share = g.copy()
        share[t.data < 0] = 0
        return share

    return MiniTensor.made(value, (t, back))


@bank.honest("mini_relu")
def times_a_gate(t):
    return t * (t.data > 0)


bank.hide("mini_relu", r"g \* ")


@bank.slip("mini_relu", "a MiniTensor, as MiniTensor.made gives it")
def plain_relu(t):
    return np.maximum(t.data, 0)


@bank.slip("mini_relu", "'>' not supported")
def tensor_compared(t):
    return t * (t > 0)


@bank.slip("mini_relu", "truth value of an array")
def if_for_an_array(t):
    return t if t.data > 0 else t * 0.0


@bank.slip("mini_relu", "the numbers of t have changed")
def into_the_numbers(t):
    mask = t.data > 0
    t.data[~mask] = 0
    return t.made(t.data, (t, lambda g: g * mask))


@bank.slip("mini_relu", "the value of mini_relu(t) is 0 there")
def leaky(t):
    return t.made(np.where(t.data > 0, t.data, 0.01 * t.data), (t, lambda g: np.where(t.data > 0, g, 0.01 * g)))


@bank.slip("mini_relu", "at 0 something between nothing and all of g")
def twice_at_zero(t):
    return t.made(np.maximum(t.data, 0), (t, lambda g: g * (t.data > 0) + 2 * g * (t.data == 0)))


@bank.slip("mini_relu", "nan")
def by_quotient(t):
    def back(g):
        with np.errstate(all="ignore"):
            return g * np.maximum(t.data, 0) / t.data

    return t.made(np.maximum(t.data, 0), (t, back))


# --- K4b -------------------------------------------------------------------------------------------------------------


@bank.honest("mini_exp")
def by_the_value(t):
    y = np.exp(t.data)
    return t.made(y, (t, lambda g: g * y))


@bank.honest("mini_exp")
def computed_again(t):
    return MiniTensor.made(np.exp(t.data), (t, lambda g: np.multiply(g, np.exp(t.data))))


@bank.honest("mini_exp")
def by_its_own_result(t):
    def vjp(g):
        return result.data * g

    result = MiniTensor.made(np.e**t.data, (t, vjp))
    return result


bank.hide("mini_exp", r"g \* ")


@bank.slip("mini_exp", "a MiniTensor, as MiniTensor.made gives it")
def plain_exp(t):
    return np.exp(t.data)


@bank.slip("mini_exp", "mini_exp")
def exp_of_the_tensor(t):
    y = np.exp(t)
    return MiniTensor.made(y, (t, lambda g: g * y))


@bank.slip("mini_exp", "the gradient of t")
def of_minus_t(t):
    return t.made(np.exp(t.data), (t, lambda g: g * np.exp(-t.data)))


@bank.slip("mini_exp", "not callable")
def number_for_vjp(t):
    y = np.exp(t.data)
    return t.made(y, (t, y))


# --- K4c -------------------------------------------------------------------------------------------------------------


@bank.honest("mini_log")
def over_the_input(t):
    return t.made(np.log(t.data), (t, lambda g: g / t.data))


@bank.honest("mini_log")
def kept_for_later(t):
    x, y = t.data, np.log(t.data)
    return MiniTensor.made(y, (t, lambda g: g * x**-1))


@bank.honest("mini_log")
def by_the_result(t):
    y = np.log(t.data)
    return MiniTensor.made(y, (t, lambda g: g * np.exp(-y)))


bank.hide("mini_log", r"g / ")


@bank.slip("mini_log", "a MiniTensor, as MiniTensor.made gives it")
def plain_log(t):
    return np.log(t.data)


@bank.slip("mini_log", "mini_log(t)")
def clipped(t):
    x = np.maximum(t.data, 1e-2)
    return t.made(np.log(x), (t, lambda g: g / x))


@bank.slip("mini_log", "the gradient of t")
def of_the_size_only(t):
    return t.made(np.log(t.data), (t, lambda g: np.abs(g) / t.data))


@bank.slip("mini_log", "the value of mini_log(t)")
def with_epsilon(t):
    return t.made(np.log(t.data + 1e-3), (t, lambda g: g / (t.data + 1e-3)))


# --- K4d -------------------------------------------------------------------------------------------------------------


@bank.honest("mini_log_softmax")
def by_hand(t, axis):
    shifted = t.data - t.data.max(axis=axis, keepdims=True)
    y = shifted - np.log(np.exp(shifted).sum(axis=axis, keepdims=True))
    return t.made(y, (t, lambda g: g - np.exp(y) * g.sum(axis=axis, keepdims=True)))


@bank.honest("mini_log_softmax")
def of_the_operations_before(t, axis):
    """The largest is a constant: what it takes away it gives back."""
    shifted = t - np.max(t.data, axis=axis, keepdims=True)
    logs = mini_log(mini_sum(mini_exp(shifted), axis))
    place = [slice(None)] * t.data.ndim
    place[axis] = None
    return shifted - mini_index(logs, tuple(place))


@bank.honest("mini_log_softmax")
def along_the_last_axis(t, axis):
    x = np.moveaxis(t.data, axis, -1)
    largest = x.max(-1)
    y = x - (largest + np.log(np.exp(x - largest[..., None]).sum(-1)))[..., None]

    def back(g):
        g = np.moveaxis(g, axis, -1)
        return np.moveaxis(g - np.exp(y) * g.sum(-1)[..., None], -1, axis)

    return MiniTensor.made(np.moveaxis(y, -1, axis), (t, back))


@bank.honest("mini_log_softmax")
def by_logaddexp(t, axis):
    y = t.data - np.logaddexp.reduce(t.data, axis=axis, keepdims=True)

    def back(g):
        p = np.exp(t.data - np.logaddexp.reduce(t.data, axis=axis, keepdims=True))
        return g - p * np.sum(g, axis=axis, keepdims=True)

    return MiniTensor.made(y, (t, back))


@bank.honest("mini_log_softmax")
def by_the_jacobian(t, axis):
    """The Jacobian of every group, one group after the other."""
    groups = np.moveaxis(t.data, axis, -1).reshape(-1, t.data.shape[axis])
    shape = np.moveaxis(t.data, axis, -1).shape
    rows = [row - row.max() - np.log(np.exp(row - row.max()).sum()) for row in groups]

    def back(g):
        arrived = np.moveaxis(g, axis, -1).reshape(groups.shape)
        shares = [one @ (np.eye(len(row)) - np.exp(row)[None, :]) for one, row in zip(arrived, rows, strict=True)]
        return np.moveaxis(np.array(shares).reshape(shape), -1, axis)

    return MiniTensor.made(np.moveaxis(np.array(rows).reshape(shape), -1, axis), (t, back))


@bank.honest("mini_log_softmax")
def sums_by_matmul(t, axis):
    """Along the last axis of a table, the sum is a product with ones."""
    if t.data.ndim != 2 or axis == 0:
        return by_hand(t, axis)
    shifted = t - t.data.max(1, keepdims=True)
    return shifted - mini_log(mini_matmul(mini_exp(shifted), MiniTensor(np.ones((t.data.shape[1], 1)))))


bank.hide("mini_log_softmax", r"g - ")


@bank.slip("mini_log_softmax", "a MiniTensor, as MiniTensor.made gives it")
def plain_logs(t, axis):
    return by_hand(t, axis).data


@bank.slip("mini_log_softmax", "could not be broadcast")
def keepdims_forgotten(t, axis):
    largest = t.data.max(axis=axis)
    y = t.data - largest - np.log(np.exp(t.data - largest).sum(axis=axis))
    return t.made(y, (t, lambda g: g - np.exp(y) * g.sum(axis=axis)))


@bank.slip("mini_log_softmax", "only finite numbers", named="unshifted")
def unshifted_of_operations(t, axis):
    place = [slice(None)] * t.data.ndim
    place[axis] = None
    with np.errstate(all="ignore"):
        return t - mini_index(mini_log(mini_sum(mini_exp(t), axis)), tuple(place))


@bank.slip("mini_log_softmax", "the value of mini_log_softmax")
def epsilon_in_the_log(t, axis):
    p = np.exp(by_hand(t, axis).data)
    with np.errstate(all="ignore"):
        return t.made(np.log(p + 1e-300), (t, lambda g: g - p * g.sum(axis=axis, keepdims=True)))


@bank.slip("mini_log_softmax", "finite at")
def smallest_subtracted(t, axis):
    shifted = t.data - t.data.min(axis=axis, keepdims=True)
    with np.errstate(all="ignore"):
        y = shifted - np.log(np.exp(shifted).sum(axis=axis, keepdims=True))
    return t.made(y, (t, lambda g: g - np.exp(y) * g.sum(axis=axis, keepdims=True)))


@bank.slip("mini_log_softmax", "the gradient of t", named="factor-lost")
def sum_held_constant(t, axis):
    shifted = t - np.max(t.data, axis=axis, keepdims=True)
    return shifted - np.log(np.exp(shifted.data).sum(axis=axis, keepdims=True))


@bank.slip("mini_log_softmax", "the value of")
def negative(t, axis):
    return by_hand(t, axis) * -1.0
