"""Answers to the questions of lesson 10, computed."""

import math
from functools import cache

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from torch.autograd import Function, gradgradcheck

from tests.answers import runs
from tests.answers.bank_10 import bank
from tests.answers.lesson_09 import leaf, slope_of, works


class SineSavesInput(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.sin()

    @staticmethod
    def backward(ctx, g):
        return g * ctx.saved_tensors[0].cos()


class SineSavesSlope(SineSavesInput):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x.cos())
        return x.sin()

    @staticmethod
    def backward(ctx, g):
        return g * ctx.saved_tensors[0]


class SineIgnoresG(SineSavesInput):
    @staticmethod
    def backward(ctx, g):
        return ctx.saved_tensors[0].cos()


class PowerReturnsValue(Function):
    @staticmethod
    def forward(ctx, x, n):
        ctx.save_for_backward(x**n)
        return x**n

    @staticmethod
    def backward(ctx, g):
        return g * ctx.saved_tensors[0], None


def second_derivative_is_right(function):
    return works(lambda: gradgradcheck(function.apply, (leaf(0.7, -1.3),), (leaf(0.4, -0.6),))) == "works"


def summed(shape, whole, filled):
    """The gradient of an array of that shape that was added to one of the whole shape."""
    b = torch.ones(shape, requires_grad=True)
    (torch.zeros(whole) + b).backward(torch.full(whole, filled))
    return b.grad


def differs(one, other, x, g):
    """Whether the gradients of two functions at x differ when g arrives."""
    found = []
    for f in (one, other):
        at = leaf(x)
        f(at).backward(torch.tensor(g, dtype=torch.float64))
        found.append(at.grad.item())
    return not math.isclose(*found)


def asked_path_by_path(doublings):
    return 0 if doublings == 0 else 2 * (1 + asked_path_by_path(doublings - 1))


def nested_calls():
    def call(left):
        return 0 if left == 0 else 1 + call(left - 1)

    return call(5000)


def never_cleared(walks=2):
    """.grad of every node of y = sin(sin(x)), kept from walk to walk."""
    inner, outer = slope_of(torch.sin, 0.7), slope_of(torch.sin, math.sin(0.7))
    x = a = 0.0
    for _ in range(walks):
        a += outer
        x += a * inner
    return x / (outer * inner)


def as_written():
    with np.errstate(all="ignore"):
        z = np.array([0.0, 1000.0])
        return str(np.log(np.exp(z) / np.exp(z).sum())[1])


def switch_after_an_error():
    state = {"recording": True}
    try:
        state["recording"] = False
        math.sin("0.7")
        state["recording"] = True
    except TypeError:
        return state["recording"]


def last_share_wins(shares):
    """Whether overwriting gives something else than adding."""
    total = last = 0.0
    for share in shares:
        total, last = total + share, share
    return total != last


def everything_it_flows_into(node, uses):
    found = set()
    waiting = [node]
    while waiting:
        for one in uses.get(waiting.pop(), ()):
            found.add(one)
            waiting.append(one)
    return found


@cache
def trained():
    """(network, X, y, gradient norms at the start and at the end, step over weight late); not the lesson's start."""
    from sklearn.datasets import load_digits

    data = load_digits()
    X, y = torch.tensor(data.data / 16), torch.tensor(data.target)
    with torch.random.fork_rng():
        torch.manual_seed(3)
        net = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10)).double()
    optimiser, norms, ratios = torch.optim.SGD(net.parameters(), lr=0.5), [], []
    for _ in range(300):
        optimiser.zero_grad()
        F.cross_entropy(net(X[:1400]), y[:1400]).backward()
        weight = net[0].weight
        norms.append(weight.grad.norm().item())
        ratios.append(0.5 * norms[-1] / weight.detach().norm().item())
        optimiser.step()
    return net, X[1400:], y[1400:], norms[0], norms[-1], float(np.mean(ratios[-50:]))


def slopes_of_lead(net, x, first, second):
    x = x.clone().requires_grad_()
    z = net(x)
    return torch.autograd.grad(z[first] - z[second], x)[0]


def step_size():
    ratio = trained()[-1]
    words = {"a tenth": 1e-1, "a thousandth": 1e-3, "a millionth": 1e-6}
    return min(words, key=lambda one: abs(math.log(ratio / words[one])))


def end_of_training():
    *_, first, last, _ = trained()
    return "fall" if last < first else "rise"


def middle_of_a_zero():
    """The sign of the slope of logit 0 by the four pixels in the middle, over all zeros that are read rightly."""
    net, X, y, *_ = trained()
    zeros = X[(y == 0) & (net(X).argmax(1) == 0)].clone().requires_grad_()
    (slopes,) = torch.autograd.grad(net(zeros)[:, 0].sum(), zeros)
    return "positive" if slopes.reshape(-1, 8, 8)[:, 3:5, 3:5].mean() > 0 else "negative"


def mended():
    net, X, y, *_ = trained()
    said = net(X).argmax(1)
    wrong = (said != y).nonzero().flatten()
    moved = [X[i] - slopes_of_lead(net, X[i], said[i], y[i]).sign() / 16 for i in wrong]
    mended = net(torch.stack(moved).clamp(0, 1)).argmax(1) == y[wrong]
    return "more than half" if mended.sum() > len(wrong) / 2 else "fewer than half"


def shaken():
    """Random signs of the length that is enough when the signs are chosen, on a digit with a lead of several logits."""
    net, X, y, *_ = trained()
    z = net(X)
    top = z.topk(2).values
    i = int(((top[:, 0] - top[:, 1] > 8) & (z.argmax(1) == y)).nonzero()[0])
    signs = torch.tensor(np.random.default_rng(1).choice([-1.0, 1.0], size=(1000, 64)))
    share = (net((X[i] + 0.2 * signs).clamp(0, 1)).argmax(1) != y[i]).double().mean()
    return "none" if share < 0.01 else "about half" if share < 0.9 else "nearly all"


def float32_against_float64():
    _, X, y, *_ = trained()
    runs_of = []
    for dtype in (torch.float64, torch.float32):
        with torch.random.fork_rng():
            torch.manual_seed(3)
            net = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10)).to(dtype)
        optimiser = torch.optim.SGD(net.parameters(), lr=0.5)
        for _ in range(20):
            optimiser.zero_grad()
            loss = F.cross_entropy(net(X.to(dtype)), y)
            loss.backward()
            optimiser.step()
        runs_of.append(loss.item())
    return "more" if abs(runs_of[0] - runs_of[1]) > 1e-9 else "less"


bank.computed |= {
    "10-recall-tanh": lambda: 2 * slope_of(torch.tanh, math.atanh(0.6)),
    "10-recall-shape": lambda: tuple(summed((3,), (4, 3), 2.0).shape),
    "10-recall-save": lambda: {(True, False): "input", (False, True): "slope"}[
        second_derivative_is_right(SineSavesInput), second_derivative_is_right(SineSavesSlope)],
    "10-recall-paths": lambda: slope_of(lambda a: 3 * a + -1 * a, 0.7),
    "10-recall-entropy": lambda: torch.func.grad(lambda z: F.cross_entropy(z, torch.tensor(0)))(torch.zeros(2))[0],
    "10-hand": lambda: 10 * slope_of(lambda x: 0.8 * (0.765 * x), 0.7),
    "10-fill-length": lambda: 10 * slope_of(lambda b, a: torch.hypot(a, b), 4.0, 3.0),
    "10-modes": lambda: sum(p.numel() for p in nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10)).parameters()),
    "10-paths": lambda: asked_path_by_path(10),
    "10-chain": lambda: works(nested_calls),
    "10-early": lambda: slope_of(lambda x: 0.765 * x + (0.8 * (0.765 * x)).detach(), 0.7),
    "10-fill-diamond": lambda: slope_of(lambda a: a + 0.8 * a, 0.7),
    "10-again": never_cleared,
    "10-broadcast": lambda: summed((4, 1), (4, 3), 2.0)[1, 0],
    "10-grown": lambda: runs("import numpy as np", "b = np.zeros(3)", "b = b - np.ones((4, 3))", "assert b.shape == (4, 3)"),
    "10-overflow": as_written,
    "10-switch": switch_after_an_error,
    "10-ones": lambda: differs(torch.sin, SineIgnoresG.apply, 0.7, 1.0),
    "10-caught": lambda: last_share_wins([-0.6 * math.cos(0.7)]),
    "10-ratio": step_size,
    "10-norms": end_of_training,
    "10-white": middle_of_a_zero,
    "10-darker": lambda: "rises" if slope_of(lambda x: 2 * x - 3 * x, 0.7) > 0 else "falls",
    "10-mended": mended,
    "10-lead": lambda: 9 / 50,
    "10-random": shaken,
    "10-agree": float32_against_float64,
    "10-exit-order": lambda: len(everything_it_flows_into("a", {"a": ["b", "c"], "b": ["y"], "c": ["y"]})),
    "10-exit-sum": lambda: summed((1, 3), (5, 3), 2.0)[0, 0],
    "10-exit-test": lambda: differs(lambda x: x**2, lambda x: PowerReturnsValue.apply(x, 2), 2.0, -0.6),
}
