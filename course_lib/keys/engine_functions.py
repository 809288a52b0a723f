"""Exercises K4a–K4d of lesson 10: relu, exp, log and log-softmax in the engine."""

import numpy as np
import torch

from course_lib.keys.engine import demand_operation, lesson, too_early
from course_lib.keys.engine_arrays import array
from course_lib.observe import Array


def positive(ask, *shape):
    return np.abs(array(ask, *shape))


def _elementwise(value, share):
    """An operation with this value(x) at every entry; share(g, x, y) goes on, where y is the value."""

    def made(t):
        y = value(t.data)
        return t.made(y, (t, lambda g: share(g, t.data, y)))

    return made


def _without_parents(value):
    """An operation whose result has forgotten what it was made of."""
    return lambda t: t.of(value(t.data))


def _relu(x):
    return np.maximum(x, 0.0)


# --- K4a -------------------------------------------------------------------------------------------------------------


@lesson.exercise(
    number="K4a", title="relu that walks back", points=1, minutes=7, section="10a",
    signature="(t: MiniTensor) -> MiniTensor", rechecks=("relu_backward",),
    hints=(
        "Look at relu's curve left and right of 0. By how much does the result change if an entry of t does?",
        "Where t is positive, g goes on as it is; where t is negative, nothing does.",
        "np.maximum gives the value. On the way back a comparison, t.data > 0, makes True and False, and as factors of g they "
        "count as 1 and 0.",
    ),
)
def mini_relu(ask):
    """max(0, x) at every entry; g goes on where t is positive."""
    with ask.part("the value, and g where t is positive", 2):
        demand_operation(ask, "mini_relu(t)", torch.relu, t=mixed(ask, 4))
        demand_operation(ask, "mini_relu(t)", torch.relu, t=mixed(ask, 2, 3))
    with ask.part("at 0 something between nothing and all of g"):
        for _ in range(2):
            t = mixed(ask, 4)
            t[0] = 0.0
            demand_tie(ask, t)
    with ask.part("a relu that is used further"):
        if too_early(ask):
            return
        demand_operation(ask, "mini_relu(t) * t + mini_relu(-t)", lambda t: torch.relu(t) * t + torch.relu(-t), t=mixed(ask, 6))
        demand_operation(ask, "mini_relu(mini_relu(t) * u)", lambda t, u: torch.relu(torch.relu(t) * u), t=mixed(ask, 6),
                         u=array(ask, 6))


def mixed(ask, *shape):
    """An array off zero in which both signs occur."""
    signs = np.resize([1, -1], shape).astype(float)
    return np.abs(array(ask, *shape)) * signs


def demand_tie(ask, t):
    """relu where the first entry of t is 0: any slope between 0 and 1 will do there."""
    g = array(ask, *t.shape)

    def settled(got, want):
        (got,), (want,) = got, want
        if isinstance(got, Array) and got.numbers.shape == want.shape and np.isfinite(got.numbers[0]):
            want = np.concatenate([[np.clip(got.numbers[0], min(0.0, g[0]), max(0.0, g[0]))], want[1:]])
        return [want]

    demand_operation(ask, "mini_relu(t)", torch.relu, settled=settled, g=g, t=t)


mini_relu.sort_lines(
    "y = np.maximum(t.data, 0.0)",
    "def back(g):",
    "    open_ = t.data > 0",
    "    return g * open_",
    "return MiniTensor.made(y, (t, back))",
    lures={"D10": "    return 1.0 * open_", "sign-of-g": "    open_ = g > 0"},
)


@mini_relu.mistake("D10", fresh=True)
def relu_without_g():
    """You hand on 1 or 0. That is the slope of relu; what arrives, g, has to be multiplied with it."""
    return _elementwise(_relu, lambda g, x, y: 1.0 * (x > 0))


@mini_relu.mistake("gate-open", fresh=True)
def gate_always_open():
    """g goes on everywhere. Where t is negative, relu is flat and nothing goes on."""
    return _elementwise(_relu, lambda g, x, y: g)


@mini_relu.mistake("sign-of-g", fresh=True)
def gate_by_g():
    """You keep g where g is positive. Whether it goes on depends on t: on which side of 0 the entry of t lies."""
    return _elementwise(_relu, lambda g, x, y: np.maximum(g, 0.0))


@mini_relu.mistake("sign-of-both", fresh=True)
def gate_by_both():
    """g goes on where t and g are positive. A negative g goes on, too, wherever t is positive."""
    return _elementwise(_relu, lambda g, x, y: np.maximum(g, 0.0) * (x > 0))


@mini_relu.mistake("A1", fresh=True)
def value_for_slope():
    """You multiply g with the value of relu. Its slope is 1 where t is positive, however large t is there."""
    return _elementwise(_relu, lambda g, x, y: g * y)


@mini_relu.mistake("absolute", fresh=True)
def absolute_value():
    """That is the absolute value: −x for negative x. relu gives 0 there, and nothing goes on."""
    return _elementwise(np.abs, lambda g, x, y: g * np.sign(x))


@mini_relu.mistake("gate-turned", fresh=True)
def gate_turned_round():
    """g goes on where t is negative. There relu is flat; it is the positive entries that matter."""
    return _elementwise(_relu, lambda g, x, y: g * (x < 0))


@mini_relu.mistake("one-number", fresh=True)
def largest_of_all():
    """np.max looks for the largest of all entries. np.maximum(t.data, 0.0) compares each one with 0."""
    return _elementwise(lambda x: np.max(x, initial=0.0), lambda g, x, y: g * (x > 0))


@mini_relu.mistake("no-parents", fresh=True)
def relu_without_parents():
    """Your result does not know what it was made of, so nothing arrives at t. MiniTensor.made takes the value and the pairs
    (input, vjp)."""
    return _without_parents(_relu)


# --- K4b -------------------------------------------------------------------------------------------------------------


@lesson.exercise(
    number="K4b", title="exp that walks back", points=1, minutes=6, section="10a",
    signature="(t: MiniTensor) -> MiniTensor", rechecks=("chain_slope", "SquareFn"),
    hints=(
        "exp is its own derivative. What does the walk back need, then, that the way forward has computed already?",
        "g goes on multiplied with the result, entry by entry.",
        "Keep np.exp(t.data) under a name: it is the value that MiniTensor.made gets, and the factor of g in the vjp.",
    ),
)
def mini_exp(ask):
    """exp at every entry; g times the result goes on."""
    with ask.part("the value, and g times the result", 2):
        demand_operation(ask, "mini_exp(t)", torch.exp, t=array(ask, 4))
        demand_operation(ask, "mini_exp(t)", torch.exp, t=array(ask, 2, 3))
        demand_operation(ask, "mini_exp(t)", torch.exp, t=np.array(0.0))
    with ask.part("an exp that is used further"):
        if too_early(ask):
            return
        demand_operation(ask, "mini_exp(mini_exp(t) * -1)", lambda t: torch.exp(-torch.exp(t)), t=array(ask, 5))
        demand_operation(ask, "mini_exp(t * u) * t", lambda t, u: torch.exp(t * u) * t, t=array(ask, 5), u=array(ask, 5))


@mini_exp.mistake("A7", fresh=True)
def exp_by_input():
    """You multiply g with t. exp is its own derivative: g times the result goes on."""
    return _elementwise(np.exp, lambda g, x, y: g * x)


@mini_exp.mistake("D10", fresh=True)
def exp_without_g():
    """You hand on exp of t. That is the derivative; what arrives, g, has to be multiplied with it."""
    return _elementwise(np.exp, lambda g, x, y: y)


@mini_exp.mistake("power-rule", fresh=True)
def exp_by_power_rule():
    """You used the rule for powers, x·exp(x − 1). Here x is the exponent: exp is its own derivative."""
    return _elementwise(np.exp, lambda g, x, y: g * x * np.exp(x - 1))


@mini_exp.mistake("A8", fresh=True)
def exp_twice():
    """You take exp of the result once more. The derivative is exp of t, which is the result itself."""
    return _elementwise(np.exp, lambda g, x, y: g * np.exp(y))


@mini_exp.mistake("exp-of-g", fresh=True)
def exp_of_g():
    """You take exp of what arrives. Going back is linear in g: g times a factor that depends on t alone."""
    return _elementwise(np.exp, lambda g, x, y: np.exp(g))


@mini_exp.mistake("factor-lost", fresh=True)
def exp_factor_lost():
    """g goes on as it came. It has to be multiplied with the slope of exp, which is the result."""
    return _elementwise(np.exp, lambda g, x, y: g)


@mini_exp.mistake("base", fresh=True)
def two_to_the_t():
    """That is 2 to the t. exp has the base e: np.exp."""
    return _elementwise(np.exp2, lambda g, x, y: g * y)


@mini_exp.mistake("no-parents", fresh=True)
def exp_without_parents():
    """Your result does not know what it was made of, so nothing arrives at t. MiniTensor.made takes the value and the pairs
    (input, vjp)."""
    return _without_parents(np.exp)


# --- K4c -------------------------------------------------------------------------------------------------------------


@lesson.exercise(
    number="K4c", title="log that walks back", points=1, minutes=6, section="10a",
    signature="(t: MiniTensor) -> MiniTensor", rechecks=("chain_slope", "safe_xlogx"),
    hints=(
        "What is the derivative of the natural logarithm, and is it a formula in the input or in the result?",
        "log grows at the rate one over its input: g goes on divided by something.",
        "Here it is the input that the walk back needs, t.data, and not the result as with exp.",
    ),
)
def mini_log(ask):
    """The natural logarithm of every entry; g over the input goes on."""
    with ask.part("the value, and g over the input", 2):
        demand_operation(ask, "mini_log(t)", torch.log, t=positive(ask, 4))
        demand_operation(ask, "mini_log(t)", torch.log, t=positive(ask, 2, 3))
        demand_operation(ask, "mini_log(t)", torch.log, t=np.array([1e-6, 3e4]))
    with ask.part("a log that is used further"):
        if too_early(ask):
            return
        demand_operation(ask, "mini_log(mini_log(t + 3.0))", lambda t: torch.log(torch.log(t + 3)), t=positive(ask, 5))
        demand_operation(ask, "mini_log(t * u) * t", lambda t, u: torch.log(t * u) * t, t=positive(ask, 5), u=positive(ask, 5))


@mini_log.mistake("A7", fresh=True)
def log_by_output():
    """You divide g by the result. The derivative of log is one over its input: divide by t."""
    return _elementwise(np.log, lambda g, x, y: g / y)


@mini_log.mistake("D10", fresh=True)
def log_without_g():
    """You hand on one over t. That is the derivative; what arrives, g, has to be multiplied with it."""
    return _elementwise(np.log, lambda g, x, y: 1 / x)


@mini_log.mistake("A14", fresh=True)
def log_second_derivative():
    """You multiply g with −1/t². That is the second derivative of log; the first is 1/t."""
    return _elementwise(np.log, lambda g, x, y: -g / x**2)


@mini_log.mistake("rule-of-exp", fresh=True)
def log_by_itself():
    """You multiply g with the result. That rule belongs to exp; the derivative of log is one over its input."""
    return _elementwise(np.log, lambda g, x, y: g * y)


@mini_log.mistake("times-t", fresh=True)
def log_times_input():
    """You multiply g with t. The derivative of log is one over its input: divide by t."""
    return _elementwise(np.log, lambda g, x, y: g * x)


@mini_log.mistake("upside-down", fresh=True)
def log_turned_round():
    """You divide t by g. What arrives is a factor of what goes on: g over t."""
    return _elementwise(np.log, lambda g, x, y: x / g)


@mini_log.mistake("factor-lost", fresh=True)
def log_factor_lost():
    """g goes on as it came. It has to be multiplied with the slope of log, one over its input."""
    return _elementwise(np.log, lambda g, x, y: g)


@mini_log.mistake("base", fresh=True)
def log_to_base_ten():
    """That is the logarithm to the base 10. log here has the base e: np.log, with the derivative 1/t."""
    return _elementwise(np.log10, lambda g, x, y: g / x)


@mini_log.mistake("base-two", fresh=True)
def log_to_base_two():
    """That is the logarithm to the base 2. log here has the base e: np.log, with the derivative 1/t."""
    return _elementwise(np.log2, lambda g, x, y: g / x)


@mini_log.mistake("shifted", fresh=True)
def log_of_one_more():
    """You keep log away from 0 by adding 1 to its input. That is another function: log(t) itself is asked, at positive t."""
    return _elementwise(np.log1p, lambda g, x, y: g / (1 + x))


@mini_log.mistake("no-parents", fresh=True)
def log_without_parents():
    """Your result does not know what it was made of, so nothing arrives at t. MiniTensor.made takes the value and the pairs
    (input, vjp)."""
    return _without_parents(np.log)


# --- K4d -------------------------------------------------------------------------------------------------------------


def demand_logs(ask, axis, t):
    demand_operation(ask, f"mini_log_softmax(t, {axis})", lambda t: torch.log_softmax(t, axis), t=t)


@lesson.exercise(
    number="K4d", title="log-softmax that survives", points=2, minutes=21, section="10a",
    signature="(t: MiniTensor, axis: int) -> MiniTensor", rechecks=("stable_log_softmax", "log_softmax_vjp"),
    hints=(
        "exp(1000) is inf. What may you subtract from all numbers along the axis without changing their softmax?",
        "Subtract the largest along the axis, then take away the log of the sum of exp. Never take log of softmax: a probability "
        "may be too small for a float and become 0. On the way back each number gets its own g, minus its probability "
        "times the sum of g along the axis.",
        "max and sum with axis=axis and keepdims=True stay in line with t.data, whatever the axis. The probabilities are "
        "np.exp of the value you return.",
    ),
)
def mini_log_softmax(ask):
    """t minus the log of the sum of exp along the axis, stable; and its gradient."""
    with ask.part("the value and the gradient along axis 0, 1 and −1", 2):
        for axis in (0, 1, -1):
            demand_logs(ask, axis, array(ask, 2, 3))
        demand_logs(ask, 1, array(ask, 3, 3))
    with ask.part("finite at (0, 200), (0, 1000) and (−1000, 0)"):
        if not too_early(ask):
            for pair in ((0.0, 200.0), (0.0, 1000.0), (-1000.0, 0.0)):
                demand_logs(ask, 1, np.array([pair, pair[::-1]]) + ask.rng.uniform(-0.5, 0.5))
            demand_logs(ask, 0, np.array([[0.0, 3.0], [1000.0, 2.0]]) + ask.rng.uniform(-0.5, 0.5))
    with ask.part("a log-softmax that is used further"):
        if too_early(ask):
            return
        demand_operation(
            ask, "mini_log_softmax(t * u, 1) * v", lambda t, u, v: torch.log_softmax(t * u, 1) * v,
            t=array(ask, 2, 3), u=array(ask, 2, 3), v=array(ask, 2, 3))


mini_log_softmax.sort_lines(
    "shifted = t.data - t.data.max(axis=axis, keepdims=True)",
    "sums = np.exp(shifted).sum(axis=axis, keepdims=True)",
    "value = shifted - np.log(sums)",
    "def back(g):",
    "    return g - np.exp(value) * g.sum(axis=axis, keepdims=True)",
    "return MiniTensor.made(value, (t, back))",
    lures={
        "E6": "value = np.log(np.exp(shifted) / sums)", "A17": "    return g * (1 - np.exp(value))",
        "unshifted": "shifted = t.data",
    },
)


def _softmax(x, axis):
    grown = np.exp(x - x.max(axis=axis, keepdims=True))
    return grown / grown.sum(axis=axis, keepdims=True)


def _log_softmax(x, axis):
    shifted = x - x.max(axis=axis, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=axis, keepdims=True))


def _logs(share, value=_log_softmax):
    """A mini_log_softmax of this value; share(g, p, axis, y) goes on, where p is the softmax and y the value."""

    def made(t, axis):
        with np.errstate(all="ignore"):
            y = value(t.data, axis)
        return t.made(y, (t, lambda g: share(g, _softmax(t.data, axis), axis, y)))

    return made


def _right_share(g, p, axis, y):
    return g - p * g.sum(axis=axis, keepdims=True)


def _unshifted(x, axis):
    return x - np.log(np.exp(x).sum(axis=axis, keepdims=True))


def _log_of_unshifted(x, axis):
    grown = np.exp(x)
    return np.log(grown / grown.sum(axis=axis, keepdims=True))


@mini_log_softmax.mistake("E6", fresh=True)
def log_of_softmax():
    """You take log of softmax. A probability that is too small for a float is 0, and its log −inf: subtract the log of the sum
    instead."""
    return _logs(_right_share, lambda x, axis: np.log(_softmax(x, axis)))


@mini_log_softmax.mistake("E6-quotient", fresh=True)
def log_of_plain_softmax():
    """You take log of softmax, and exp of large numbers on the way: inf over inf is nan. Subtract the largest first, and then the
    log of the sum."""
    return _logs(lambda g, p, axis, y: g - np.exp(y) * g.sum(axis=axis, keepdims=True), _log_of_unshifted)


@mini_log_softmax.mistake("unshifted", fresh=True)
def largest_not_subtracted():
    """exp of a large number is inf. Subtract the largest along the axis first: softmax stays the same, and no exp exceeds 1."""
    return _logs(lambda g, p, axis, y: g - np.exp(y) * g.sum(axis=axis, keepdims=True), _unshifted)


@mini_log_softmax.mistake("largest-of-all", fresh=True)
def largest_of_all_subtracted():
    """You subtract the largest of all entries. A group that lies far below it has nothing but zeros left after exp: take the
    largest along the axis."""

    def value(x, axis):
        shifted = x - x.max()
        return shifted - np.log(np.exp(shifted).sum(axis=axis, keepdims=True))

    return _logs(_right_share, value)


@mini_log_softmax.mistake("not-added-back", fresh=True)
def largest_not_added_back():
    """You subtract the largest inside of the log alone. What was taken away there has to be taken from t as well: t minus the
    largest, minus the log of the sum."""

    def share(g, p, axis, y):
        return g - np.exp(y) * g.sum(axis=axis, keepdims=True)

    return _logs(share, lambda x, axis: _log_softmax(x, axis) + x.max(axis=axis, keepdims=True))


@mini_log_softmax.mistake("no-log", fresh=True)
def softmax_itself():
    """You return the probabilities, softmax. Their logarithms are asked."""

    def share(g, p, axis, y):
        return p * (g - (p * g).sum(axis=axis, keepdims=True))

    return _logs(share, _softmax)


@mini_log_softmax.mistake("E4", fresh=True)
def always_along_rows():
    """You go along the first axis, whatever axis says: then it is the columns whose probabilities add up to 1."""
    return _first_axis(0)


@mini_log_softmax.mistake("E4-last", fresh=True)
def always_along_last():
    """You go along the last axis, whatever axis says."""
    return _first_axis(-1)


@mini_log_softmax.mistake("E4-all", fresh=True)
def over_everything():
    """You sum over all entries. Along the axis each group has a sum of its own: sum with axis=axis and keepdims=True."""
    return _first_axis(None)


def _first_axis(own):
    def made(t, axis):
        y = _log_softmax(t.data, own)
        return t.made(y, (t, lambda g: _right_share(g, np.exp(y), own, y)))

    return made


@mini_log_softmax.mistake("A17", fresh=True)
def diagonal_alone():
    """You multiply each g with 1 − p: the diagonal alone. Every number along the axis moves all the others: subtract p times the
    sum of g."""
    return _logs(lambda g, p, axis, y: g * (1 - p))


@mini_log_softmax.mistake("one-hot", fresh=True)
def as_if_g_summed_to_one():
    """You hand on g − p. That is right where g adds up to 1 along the axis, as one that picks a single entry does. In general p
    is multiplied with the sum of g."""
    return _logs(lambda g, p, axis, y: g - p)


@mini_log_softmax.mistake("A18", fresh=True)
def sign_turned():
    """The sign is turned round: p times the sum of g minus g is what goes on from the negative of log-softmax, the loss."""
    return _logs(lambda g, p, axis, y: p * g.sum(axis=axis, keepdims=True) - g)


@mini_log_softmax.mistake("sum-of-all", fresh=True)
def g_summed_over_all():
    """On the way back you sum g over all entries. Each group along the axis has a sum of its own: axis=axis, keepdims=True."""
    return _logs(lambda g, p, axis, y: g - p * g.sum())


@mini_log_softmax.mistake("sum-across", fresh=True)
def g_summed_across():
    """On the way back you sum g along the other axis. The sum goes along the axis of the softmax."""
    return _logs(lambda g, p, axis, y: g - p * g.sum(axis=(axis + 1) % 2, keepdims=True))


@mini_log_softmax.mistake("D10", fresh=True)
def as_if_g_were_one():
    """You ignore what arrives, as if g were ones everywhere: 1 − p times the number of entries. Put g where the ones stand."""
    return _logs(lambda g, p, axis, y: 1 - p * g.shape[axis])


@mini_log_softmax.mistake("unnormalised", fresh=True)
def not_divided_by_the_sum():
    """On the way back you take exp of the shifted numbers for the probabilities. These have to add up to 1: exp of the value that
    you return."""
    return _logs(lambda g, p, axis, y: g - p / p.max(axis=axis, keepdims=True) * g.sum(axis=axis, keepdims=True))


@mini_log_softmax.mistake("logs-for-p", fresh=True)
def logs_for_probabilities():
    """You multiply the sum of g with the log-probabilities. The probabilities belong there: np.exp of them."""
    return _logs(lambda g, p, axis, y: g - y * g.sum(axis=axis, keepdims=True))


@mini_log_softmax.mistake("softmax-back", fresh=True)
def walk_of_softmax():
    """What goes on is that of softmax, p·(g − Σ p·g). Yours is its logarithm: g minus p times the sum of g."""
    return _logs(lambda g, p, axis, y: p * (g - (p * g).sum(axis=axis, keepdims=True)))


@mini_log_softmax.mistake("factor-lost", fresh=True)
def only_the_direct_way():
    """g goes on as it came: the way through t alone. The log of the sum depends on t, too: p times the sum of g goes off."""
    return _logs(lambda g, p, axis, y: g)


@mini_log_softmax.mistake("no-parents", fresh=True)
def logs_without_parents():
    """Your result does not know what it was made of, so nothing arrives at t. Make it of mini_ functions and operators, or with
    MiniTensor.made."""
    return lambda t, axis: t.of(_log_softmax(t.data, axis))
