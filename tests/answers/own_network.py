"""A network on the engine of own_engine.py, as whoever built that one would go on: what K5 and K6a ask for."""

import numpy as np
import torch
from torch import nn

from tests.answers.own_engine import MiniTensor, run_backward


def mini_matmul(a, b):
    def push(g):
        a.take(g @ b.data.T)
        b.take(a.data.T @ g)

    return a.result(a.data @ b.data, push, a, b)


class MiniParameter(MiniTensor):
    def __init__(self, data):
        MiniTensor.__init__(self, data, True)


class MiniLinear:
    """One operation for the whole layer."""

    def __init__(self, n_in, n_out, rng):
        bound = 1 / n_in**0.5
        self.weight = MiniParameter(rng.uniform(-bound, bound, (n_out, n_in)))
        self.bias = MiniParameter(rng.uniform(-bound, bound, n_out))

    def __call__(self, x):
        def push(g):
            x.take(g @ self.weight.data)
            self.weight.take(g.T @ x.data)
            self.bias.take(g.sum(axis=0))

        return x.result(x.data @ self.weight.data.T + self.bias.data, push, x, self.weight, self.bias)

    def parameters(self):
        yield self.bias
        yield self.weight


class MiniSGD:
    def __init__(self, params, lr):
        self.groups = [{"params": list(params), "lr": lr}]

    def step(self):
        for group in self.groups:
            for p in group["params"]:
                if p.grad is None:
                    continue
                p.data[...] -= group["lr"] * p.grad

    def zero_grad(self):
        for group in self.groups:
            for p in group["params"]:
                if p.grad is not None:
                    p.grad = np.zeros_like(p.grad)


class mini_no_grad:  # noqa: N801
    """Results have no children inside, for MiniTensor.result is another one there."""

    def __enter__(self):
        self.before = MiniTensor.result
        MiniTensor.result = lambda t, data, push, *children: MiniTensor(data)

    def __exit__(self, *what):
        MiniTensor.result = self.before
        return False


def train_two_engines(X, y, weights, steps):
    """A layer and a loss as one operation each, and PyTorch with modules."""
    W1, b1, W2, b2 = (MiniParameter(weights[name].copy()) for name in ("W1", "b1", "W2", "b2"))
    hot, own = np.eye(len(weights["b2"]))[y], []

    def linear(x, w, b):
        def push(g):
            x.take(g @ w.data)
            w.take(g.T @ x.data)
            b.take(g.sum(0))

        return x.result(x.data @ w.data.T + b.data, push, x, w, b)

    def relu(x):
        return x.result(x.data.clip(0), lambda g: x.take(g * (x.data > 0)), x)

    def loss_of(z):
        e = np.exp(z.data - z.data.max(1, keepdims=True))
        p = e / e.sum(1, keepdims=True)
        return z.result(-np.log(p[hot == 1]).mean(), lambda g: z.take(g * (p - hot) / len(hot)), z)

    optimiser = MiniSGD([W1, b1, W2, b2], 0.5)
    for _ in range(steps):
        optimiser.zero_grad()
        loss = loss_of(linear(relu(linear(MiniTensor(X), W1, b1)), W2, b2))
        own.append(loss.data.item())
        run_backward(loss)
        optimiser.step()

    hidden, inputs = weights["W1"].shape
    model = nn.Sequential(nn.Linear(inputs, hidden), nn.ReLU(), nn.Linear(hidden, len(weights["b2"]))).double()
    model.load_state_dict({"0.weight": torch.tensor(weights["W1"]), "0.bias": torch.tensor(weights["b1"]),
                           "2.weight": torch.tensor(weights["W2"]), "2.bias": torch.tensor(weights["b2"])})  # fmt: skip
    descent, theirs = torch.optim.SGD(model.parameters(), lr=0.5), []
    for _ in range(steps):
        loss = nn.CrossEntropyLoss()(model(torch.from_numpy(X)), torch.from_numpy(y))
        theirs.append(loss.item())
        descent.zero_grad()
        loss.backward()
        descent.step()
    return own, theirs
