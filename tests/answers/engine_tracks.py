"""Answers to T1 to T4 of lesson 10, the optional tracks."""

import contextlib
from itertools import pairwise

import numpy as np
import torch

from course_lib.keys import engine_hills, engine_tracks
from course_lib.keys.mini import MiniTensor, mini_no_grad, run_backward
from tests.answers.bank_10 import bank

# --- T1 --------------------------------------------------------------------------------------------------------------


@bank.honest("forward_mode_gradient")
def one_run_for_each_entry(f, x):
    return engine_tracks._by_duals(engine_tracks.Dual, f, x)


class WithAllSlopes:
    """A value and the slopes by all inputs at once, as an array."""

    def __init__(self, value, slopes):
        self.value, self.slopes = value, slopes

    def _parts(self, other):
        return (other.value, other.slopes) if isinstance(other, WithAllSlopes) else (other, 0 * self.slopes)

    def __add__(self, other):
        value, slopes = self._parts(other)
        return WithAllSlopes(self.value + value, self.slopes + slopes)

    def __sub__(self, other):
        value, slopes = self._parts(other)
        return WithAllSlopes(self.value - value, self.slopes - slopes)

    def __mul__(self, other):
        value, slopes = self._parts(other)
        return WithAllSlopes(self.value * value, self.slopes * value + self.value * slopes)

    def __truediv__(self, other):
        value, slopes = self._parts(other)
        return WithAllSlopes(self.value / value, (self.slopes * value - self.value * slopes) / value**2)

    def __pow__(self, n):
        return WithAllSlopes(self.value**n, n * self.value ** (n - 1) * self.slopes)

    def __neg__(self):
        return WithAllSlopes(-self.value, -self.slopes)

    def __radd__(self, other):
        return self + other

    def __rsub__(self, other):
        return -self + other

    def __rmul__(self, other):
        return self * other

    def __rtruediv__(self, other):
        return self**-1 * other


@bank.honest("forward_mode_gradient")
def one_run_for_all(f, x):
    return f([WithAllSlopes(value, row) for value, row in zip(x, np.eye(len(x)), strict=True)]).slopes


@bank.honest("forward_mode_gradient")
def by_complex_numbers(f, x):
    """The imaginary part carries the slope."""
    found = []
    for i in range(len(x)):
        z = [complex(value, 1e-30 if i == j else 0.0) for j, value in enumerate(x)]
        found.append(f(z).imag / 1e-30)
    return np.array(found)


@bank.slip("forward_mode_gradient", "not plain numbers")
def by_differences(f, x):
    found = []
    for i in range(len(x)):
        step = np.zeros(len(x))
        step[i] = 1e-5
        found.append((f(list(x + step)) - f(list(x - step))) / 2e-5)
    return np.array(found)


@bank.slip("forward_mode_gradient", "shape (1,)")
def only_the_first(f, x):
    return one_run_for_each_entry(f, x)[:1].reshape(-1)[:1] if len(x) > 1 else np.zeros((1, 1))


@bank.slip("forward_mode_gradient", "a constant factor")
def doubled(f, x):
    return 2 * one_run_for_each_entry(f, x)


# --- T2 --------------------------------------------------------------------------------------------------------------


@bank.honest("checkpointed_chain")
def nothing_recorded_the_first_time(fs, x):
    with mini_no_grad():
        y = MiniTensor(x.data)
        for f in fs:
            y = f(y)

    def vjp(g):
        fresh = MiniTensor(x.data, requires_grad=True)
        y = fresh
        for f in fs:
            y = f(y)
        run_backward(y, g)
        return fresh.grad

    return MiniTensor.made(y.data, (x, vjp))


@bank.honest("checkpointed_chain")
def in_pieces(fs, x):
    """A checkpoint after every fourth function."""

    def piece(some, t):
        def run(start):
            for f in some:
                start = f(start)
            return start

        def vjp(g):
            fresh = MiniTensor(t.data.copy(), True)
            run_backward(run(fresh), g)
            return fresh.grad

        with mini_no_grad():
            data = run(t).data
        return MiniTensor.made(data, (t, vjp))

    for start in range(0, len(fs), 4):
        x = piece(fs[start : start + 4], x)
    return x


@bank.honest("checkpointed_chain")
def only_the_numbers_kept(fs, x):
    """Records each step for itself and lets it go."""
    numbers = [x.data]
    for f in fs:
        numbers.append(f(MiniTensor(numbers[-1])).data.copy())

    def vjp(g):
        for f, (start, _) in zip(fs[::-1], list(pairwise(numbers))[::-1], strict=True):
            t = MiniTensor(start, requires_grad=True)
            run_backward(f(t), g)
            g = t.grad
        return g

    return MiniTensor.made(numbers[-1], (x, vjp))


@bank.slip("checkpointed_chain", "you returned a ndarray")
def array_returned(fs, x):
    for f in fs:
        x = f(x)
    return x.data


@bank.slip("checkpointed_chain", "the gradient of x")
def vjp_doubled(fs, x):
    y = nothing_recorded_the_first_time(fs, x)
    return MiniTensor.made(y.data, (x, lambda g: 2 * y.parents[0][1](g)))


@bank.slip("checkpointed_chain", "are alive")
def results_in_a_list(fs, x):
    y, results = x, []
    for f in fs:
        y = f(y)
        results.append(y)
    right = nothing_recorded_the_first_time(fs, x)
    right.results = results
    return right


# --- T3 --------------------------------------------------------------------------------------------------------------


def flat(parts):
    return torch.cat([part.reshape(-1) for part in parts])


@bank.honest("hessian_spectrum")
def power_iteration_with_deflation(loss, params, k):
    gradient = flat(torch.autograd.grad(loss(), params, create_graph=True))
    found, values, generator = [], [], torch.Generator().manual_seed(0)
    for _ in range(k):
        v = torch.randn(gradient.numel(), generator=generator, dtype=gradient.dtype)
        for _ in range(200):
            for u in found:
                v = v - (v @ u) * u
            v = v / v.norm()
            h = flat(torch.autograd.grad(gradient, params, v, retain_graph=True))
            value, v = (v @ h).item(), h
        found.append(v / v.norm())
        values.append(value)
    return values


@bank.honest("hessian_spectrum")
def whole_matrix_by_products(loss, params, k):
    gradient = flat(torch.autograd.grad(loss(), params, create_graph=True))
    eye = torch.eye(gradient.numel(), dtype=gradient.dtype)
    rows = [flat(torch.autograd.grad(gradient, params, e, retain_graph=True)) for e in eye]
    return torch.linalg.eigvalsh(torch.stack(rows)).flip(0)[:k].tolist()


@bank.honest("hessian_spectrum")
def all_directions_at_once(loss, params, k):
    """Orthogonal iteration on k directions."""
    gradient = flat(torch.autograd.grad(loss(), params, create_graph=True))
    V = torch.linalg.qr(torch.randn(gradient.numel(), k, generator=torch.Generator().manual_seed(1), dtype=gradient.dtype))[0]
    for _ in range(200):
        W = torch.stack([flat(torch.autograd.grad(gradient, params, v, retain_graph=True)) for v in V.T], dim=1)
        V = torch.linalg.qr(W)[0]
    W = torch.stack([flat(torch.autograd.grad(gradient, params, v, retain_graph=True)) for v in V.T], dim=1)
    return sorted((V.T @ W).diagonal().tolist(), reverse=True)


@bank.slip("hessian_spectrum", "your function changed the parameters")
def leaves_a_step(loss, params, k):
    found = whole_matrix_by_products(loss, params, k)
    with torch.no_grad():
        for one in params:
            one -= 0.1
    return found


@bank.slip("hessian_spectrum", "an eigenvalue is")
def few_rounds(loss, params, k):
    return [0.9 * value for value in whole_matrix_by_products(loss, params, k)]


@bank.slip("hessian_spectrum", "wanted: 1 thing")
def one_too_many(loss, params, k):
    return whole_matrix_by_products(loss, params, k + 1) if k < 4 else []


# --- T4 --------------------------------------------------------------------------------------------------------------


@bank.honest("optimiser_race")
def by_the_library(f, start, steps):
    return engine_hills._race(f, start, steps)


@bank.honest("optimiser_race")
def all_written_out(f, start, steps):
    """SGD, momentum and Adam by hand; its own rule goes by the sign."""
    found = {}
    for rule in ("own", "adam", "momentum", "sgd"):
        p, m, s, losses = start.clone(), torch.zeros(2, dtype=start.dtype), torch.zeros(2, dtype=start.dtype), []
        for t in range(1, steps + 1):
            leaf = p.detach().requires_grad_(True)
            loss = f(leaf)
            losses.append(float(loss))
            (g,) = torch.autograd.grad(loss, leaf)
            if rule == "sgd":
                p = p - 0.05 * g
            elif rule == "momentum":
                m = 0.9 * m + g
                p = p - 0.05 * m
            elif rule == "adam":
                m, s = 0.9 * m + 0.1 * g, 0.999 * s + 0.001 * g * g
                p = p - 0.05 * (m / (1 - 0.9**t)) / ((s / (1 - 0.999**t)).sqrt() + 1e-8)
            else:
                p = p - 0.02 * g.sign()
        found[rule] = [*losses, float(f(p))]
    return found


@bank.honest("optimiser_race")
def with_tensors_and_more(f, start, steps):
    """Losses as 0-d arrays' floats, an entry more, its own rule by Newton's idea along the gradient."""
    makers = {
        "sgd": lambda p: torch.optim.SGD([p], 0.05), "momentum": lambda p: torch.optim.SGD([p], 0.05, 0.9),
        "adam": lambda p: torch.optim.Adam([p], 0.05), "own": lambda p: torch.optim.Adagrad([p], 0.1),
    }
    race = {"start": start.tolist()}
    for name, make in makers.items():
        p = torch.nn.Parameter(start.clone())
        optimiser = make(p)
        race[name] = []
        for step in range(steps + 1):
            optimiser.zero_grad()
            loss = f(p)
            race[name] += [loss.item()]
            if step < steps:
                loss.backward()
                optimiser.step()
    return race


@bank.slip("optimiser_race", "an entry for own")
def own_forgotten(f, start, steps):
    race = by_the_library(f, start, steps)
    del race["own"]
    return race


@bank.slip("optimiser_race", "ends no lower")
def own_climbs(f, start, steps):
    race = by_the_library(f, start, steps)
    with contextlib.suppress(IndexError):
        race["own"][-1] = race["own"][0] + 1
    return race


@bank.slip("optimiser_race", "the losses of 'momentum'")
def weaker_momentum(f, start, steps):
    race = by_the_library(f, start, steps)
    p = start.clone().requires_grad_()
    optimiser, race["momentum"] = torch.optim.SGD([p], lr=0.05, momentum=0.5), []
    for _ in range(steps):
        optimiser.zero_grad()
        loss = f(p)
        race["momentum"].append(loss.item())
        loss.backward()
        optimiser.step()
    race["momentum"].append(f(p).item())
    return race


bank.hide("forward_mode_gradient", r"\.slope \* ")
bank.hide("checkpointed_chain", r"for f in fs")
bank.hide("hessian_spectrum", r"v @ h")
bank.hide("optimiser_race", r"loss\.backward\(\)")
