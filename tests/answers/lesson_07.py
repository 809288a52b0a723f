"""Answers to lesson 07 as students write them."""

import math
from functools import cache

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from tests.answers import Bank, after, runs

bank = Bank("07")

# --- 7.1 -------------------------------------------------------------------------------------------------------------

bank.value("loop_order", ["E", "C", "F", "A", "B"])
bank.value("loop_order", ["C", "F", "E", "A", "B"])
bank.value("loop_order", ["C", "E", "F", "A", "B"])
bank.value("loop_order", ("C", "F", "A", "B", "E"))
bank.value("loop_order", ["c", "f", "e", "a", "b"])
bank.value("loop_order", "CFEAB")

# --- 7.2 -------------------------------------------------------------------------------------------------------------


@bank.honest("sgd_step")
def under_no_grad(params, lr):
    with torch.no_grad():
        for p in params:
            if p.grad is not None:
                p -= lr * p.grad
                p.grad = None


@bank.honest("sgd_step")
def by_sub_and_zero(params, lr):
    for p in params:
        if p.grad is None:
            continue
        with torch.no_grad():
            p.sub_(p.grad, alpha=lr)
        p.grad.zero_()


@bank.honest("sgd_step")
def through_data(params, lr):
    for p in params:
        if p.grad is not None:
            p.data = p.data - lr * p.grad.data
        p.grad = None


@bank.honest("sgd_step")
@torch.no_grad()
def decorated_and_copied(params, lr):
    for p in params:
        if p.grad is not None:
            p.copy_(p - lr * p.grad)
            p.grad = torch.zeros_like(p)
    return params


@bank.slip("sgd_step", "an optimiser of torch.optim")
def by_torch_optim(params, lr):
    optimiser = torch.optim.SGD(params, lr=lr)
    optimiser.step()
    optimiser.zero_grad()


@bank.slip("sgd_step", "the parameter")
def forgets_the_rate(params, lr):
    with torch.no_grad():
        for p in params:
            if p.grad is not None:
                p -= p.grad
                p.grad = None


@bank.slip("sgd_step", "leaves")
def switches_tracking_off(params, lr):
    for p in params:
        if p.grad is not None:
            p.requires_grad_(False)
            p -= lr * p.grad
            p.requires_grad_(p.dim() < 2)
            p.grad = None


# --- 7.3 -------------------------------------------------------------------------------------------------------------


@bank.honest("fit_line")
def two_leaves(x, y, lr, epochs):
    w = torch.zeros(1, dtype=x.dtype, requires_grad=True)
    b = torch.zeros(1, dtype=x.dtype, requires_grad=True)
    losses = []
    for _ in range(epochs):
        loss = ((w * x + b - y) ** 2).mean()
        losses.append(loss.item())
        loss.backward()
        with torch.no_grad():
            w -= lr * w.grad
            b -= lr * b.grad
        w.grad, b.grad = None, None
    return w.item(), b.item(), losses


@bank.honest("fit_line")
def linear_layer(x, y, lr, epochs):
    layer = nn.Linear(1, 1).to(x.dtype)
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)
    optimiser = torch.optim.SGD(layer.parameters(), lr)
    losses = []
    for _ in range(epochs):
        optimiser.zero_grad()
        loss = F.mse_loss(layer(x), y)
        loss.backward()
        optimiser.step()
        losses.append(float(loss))
    return layer.weight.item(), layer.bias.item(), losses


@bank.honest("fit_line")
def by_autograd_grad_in_float32(x, y, lr, epochs):
    x, y = x.squeeze(1).float(), y.squeeze(1).float()
    p, losses = torch.zeros(2, requires_grad=True), []
    for _ in range(epochs):
        loss = (p[0] * x + p[1] - y).square().mean()
        (g,) = torch.autograd.grad(loss, p)
        losses.append(loss.detach())
        p = (p - lr * g).detach().requires_grad_()
    return [p[0], p[1], losses]


@bank.honest("fit_line")
def by_formula(x, y, lr, epochs):
    w = b = 0.0
    losses = []
    for _ in range(epochs):
        off = w * x + b - y
        losses.append((off**2).mean().item())
        w, b = w - lr * 2 * (off * x).mean().item(), b - lr * 2 * off.mean().item()
    return w, b, losses


@bank.honest("fit_line")
def losses_in_an_array(x, y, lr, epochs):
    x, y, w, b, losses = x.numpy(), y.numpy(), 0.0, 0.0, np.empty(epochs)
    for k in range(epochs):
        errors = w * x + b - y
        losses[k] = (errors**2).mean()
        w, b = w - lr * 2 * (errors * x).mean(), b - lr * 2 * errors.mean()
    return w, b, losses


@bank.honest("fit_line")
def losses_stacked(x, y, lr, epochs):
    columns, both, losses = torch.cat([x, torch.ones_like(x)], 1), torch.zeros(2, 1, dtype=x.dtype), []
    for _ in range(epochs):
        errors = columns @ both - y
        losses.append(errors.square().mean())
        both = both - lr * 2 / len(x) * columns.T @ errors
    return *both[:, 0], torch.stack(losses)


@bank.slip("fit_line", "three things")
def without_losses(x, y, lr, epochs):
    return two_leaves(x, y, lr, epochs)[:2]


@bank.slip("fit_line", "not a tensor with one entry")
def tensors_of_one(x, y, lr, epochs):
    w, b, losses = two_leaves(x, y, lr, epochs)
    return torch.tensor([w]), torch.tensor([b]), losses


@bank.slip("fit_line", "convert one of them")
def layer_in_float32(x, y, lr, epochs):
    layer = nn.Linear(1, 1)
    return layer(x), y, []


@bank.slip("fit_line", "one update more", named="one-more")
def one_epoch_too_many(x, y, lr, epochs):
    return two_leaves(x, y, lr, epochs + 1)


@bank.slip("fit_line", "one update more than there are losses", named="one-more")
def one_update_after_the_last_loss(x, y, lr, epochs):
    return two_leaves(x, y, lr, epochs + 1)[:2] + (two_leaves(x, y, lr, epochs)[2],)


@bank.slip("fit_line", "one update fewer", named="one-fewer")
def counted_from_one(x, y, lr, epochs):
    w, b = (torch.zeros((), dtype=x.dtype, requires_grad=True) for _ in range(2))
    losses = []
    for _ in range(1, epochs):
        loss = F.mse_loss(w * x + b, y)
        losses.append(loss.item())
        w.grad = b.grad = None
        loss.backward()
        with torch.no_grad():
            w -= lr * w.grad
            b -= lr * b.grad
    return w.item(), b.item(), losses


@bank.slip("fit_line", "before the last update", named="one-fewer")
def stops_after_the_last_loss(x, y, lr, epochs):
    return two_leaves(x, y, lr, epochs - 1)[:2] + (two_leaves(x, y, lr, epochs)[2],)


@bank.slip("fit_line", "set w and b to 0", named="random-start")
def layer_as_it_comes(x, y, lr, epochs):
    layer = nn.Linear(1, 1).to(x.dtype)
    optimiser = torch.optim.SGD(layer.parameters(), lr)
    losses = []
    for _ in range(epochs):
        loss = F.mse_loss(layer(x), y)
        losses.append(loss.item())
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return layer.weight.item(), layer.bias.item(), losses


@bank.slip("fit_line", "set w and b to 0", named="random-start")
def random_leaves_in_float32(x, y, lr, epochs):
    x, y, losses = x.float(), y.float(), []
    p = torch.randn(2, requires_grad=True)
    for _ in range(epochs):
        loss = ((p[0] * x + p[1] - y) ** 2).mean()
        losses.append(loss.item())
        (g,) = torch.autograd.grad(loss, p)
        p = (p - lr * g).detach().requires_grad_()
    return p[0].item(), p[1].item(), losses


@bank.slip("fit_line", "as least squares finds it", named="least-squares")
def by_numpy_polyfit(x, y, lr, epochs):
    w, b = np.polyfit(x.flatten().numpy(), y.flatten().numpy(), 1)
    falling = [float(((w * x + b - y) ** 2).mean()) + 1 / (1 + k) for k in range(epochs)]
    return float(w), float(b), falling


@bank.slip("fit_line", "backward fills only leaves")
def rebound_leaves(x, y, lr, epochs):
    w, b = (torch.zeros(1, dtype=x.dtype, requires_grad=True) for _ in range(2))
    losses = []
    for _ in range(epochs):
        loss = F.mse_loss(w * x + b, y)
        losses.append(loss.item())
        loss.backward()
        w = w - lr * w.grad
        b = b - lr * b.grad
    return w.item(), b.item(), losses


@bank.slip("fit_line", "something is None here")
def backward_forgotten(x, y, lr, epochs):
    w, b = (torch.zeros(1, dtype=x.dtype, requires_grad=True) for _ in range(2))
    losses = []
    for _ in range(epochs):
        losses.append(F.mse_loss(w * x + b, y).item())
        with torch.no_grad():
            w -= lr * w.grad
            b -= lr * b.grad
    return w.item(), b.item(), losses


# --- 7.4 -------------------------------------------------------------------------------------------------------------


@bank.honest("max_stable_lr")
def by_eigenvalues(A):
    return 2 / torch.linalg.eigvalsh(A)[-1].item()


@bank.honest("max_stable_lr")
def by_the_spectral_norm(A):
    return 2 / torch.linalg.matrix_norm(A, ord=2)


@bank.honest("max_stable_lr")
def by_power_iteration(A):
    v = torch.ones(len(A), dtype=A.dtype) + 0.1 * torch.arange(len(A))
    for _ in range(2000):
        v = A @ v / (A @ v).norm()
    return float(2 / (v @ A @ v))


@bank.honest("max_stable_lr")
def by_trying(A):
    low, high = 0.0, 10.0
    for _ in range(30):
        lr = (low + high) / 2
        x = torch.ones(len(A), dtype=A.dtype) + 0.37 * torch.arange(len(A))
        step = torch.linalg.matrix_power(torch.eye(len(A), dtype=A.dtype) - lr * A, 200_000)
        if (step @ x).norm() < x.norm():
            low = lr
        else:
            high = lr
    return low


@bank.slip("max_stable_lr", "a curvature", named="eigenvalue")
def spectral_norm(A):
    return torch.linalg.matrix_norm(A, 2)


@bank.slip("max_stable_lr", "product of all eigenvalues", named="determinant")
def two_over_the_product(A):
    return float(2 / torch.linalg.eigvalsh(A).prod())


@bank.slip("max_stable_lr", "converges fastest", named="fastest")
def between_the_outer_ones(A):
    sizes = np.linalg.eigvalsh(A.numpy())
    return 2 / (sizes[0] + sizes[-1])


@bank.slip("max_stable_lr", "a number")
def all_limits(A):
    return 2 / torch.linalg.eigvalsh(A)


# --- 7.5 -------------------------------------------------------------------------------------------------------------


@bank.honest("accumulated_grad")
def weighted_with_shares(model, X, y, chunks):
    model.zero_grad()
    for rows, targets in zip(X.split(chunks), y.split(chunks), strict=True):
        loss = F.mse_loss(model(rows), targets) * len(rows) / len(X)
        loss.backward()


@bank.honest("accumulated_grad")
def sums_over_n(model, X, y, chunks):
    model.zero_grad(set_to_none=False)
    at = 0
    for n in chunks:
        loss = ((model(X[at : at + n]) - y[at : at + n]) ** 2).sum() / X.shape[0]
        loss.backward()
        at += n


@bank.honest("accumulated_grad")
def by_autograd_grad(model, X, y, chunks):
    params = list(model.parameters())
    total = [torch.zeros_like(p) for p in params]
    for rows, targets in zip(torch.split(X, chunks), torch.split(y, chunks), strict=True):
        found = torch.autograd.grad(F.mse_loss(model(rows), targets, reduction="sum"), params)
        total = [t + g / len(X) for t, g in zip(total, found, strict=True)]
    for p, t in zip(params, total, strict=True):
        p.grad = t


@bank.honest("accumulated_grad")
def a_function_of_the_parameters(model, X, y, chunks):
    parameters = dict(model.named_parameters())

    def squares(parameters, rows, targets):
        return ((torch.func.functional_call(model, parameters, (rows,)) - targets) ** 2).sum() / len(X)

    total = {name: torch.zeros_like(p) for name, p in parameters.items()}
    for rows, targets in zip(X.split(chunks), y.split(chunks), strict=True):
        for name, gradient in torch.func.grad(squares)(parameters, rows, targets).items():
            total[name] += gradient
    for name, p in parameters.items():
        p.grad = total[name].detach()


@bank.honest("accumulated_grad")
def row_by_row(model, X, y, chunks):
    model.zero_grad(set_to_none=False)
    for row, target in zip(X, y, strict=True):
        torch.autograd.backward(((model(row[None]) - target) ** 2).sum() / len(X))


@bank.slip("accumulated_grad", "Walk back after each chunk", named="one-walk")
def losses_in_a_list(model, X, y, chunks):
    for p in model.parameters():
        p.grad = None
    losses, start = [], 0
    for size in chunks:
        rows = slice(start, start + size)
        losses.append(F.mse_loss(model(X[rows]), y[rows]) * size / len(X))
        start += size
    torch.stack(losses).sum().backward()


@bank.slip("accumulated_grad", "in place")
def scaled_afterwards_in_the_wrong_place(model, X, y, chunks):
    weighted_with_shares(model, X, y, chunks)
    for p in model.parameters():
        p *= 1.0


@bank.slip("accumulated_grad", "means already", named="divided-twice")
def mean_loss_over_the_batch_size(model, X, y, chunks):
    model.zero_grad()
    for rows, targets in zip(X.split(chunks), y.split(chunks), strict=True):
        (F.mse_loss(model(rows), targets) / X.shape[0]).backward()


@bank.slip("accumulated_grad", "tensor of shape")
def only_cleared(model, X, y, chunks):
    model.zero_grad()


# --- 7.6 -------------------------------------------------------------------------------------------------------------


@bank.honest("clip_norm")
def one_factor(params, max_norm):
    grads = [p.grad for p in params if p.grad is not None]
    norm = torch.sqrt(sum((g**2).sum() for g in grads)).item()
    if norm > max_norm:
        for g in grads:
            g *= max_norm / norm
    return norm


@bank.honest("clip_norm")
def rebound(params, max_norm):
    flat = torch.cat([p.grad.flatten() for p in params if p.grad is not None])
    factor = min(1.0, max_norm / (flat.norm() + 1e-9))
    for p in params:
        if p.grad is not None:
            p.grad = p.grad * factor
    return flat.norm()


@bank.slip("clip_norm", "you write it yourself", named="ready-made")
def as_torch_does(params, max_norm):
    return float(nn.utils.clip_grad_norm_(params, max_norm))


@bank.honest("clip_norm")
def by_stacked_norms(params, max_norm):
    having = [p for p in params if p.grad is not None]
    norm = torch.stack([torch.linalg.vector_norm(p.grad) for p in having]).norm()
    for p in having:
        p.grad.mul_(torch.clamp(max_norm / norm, max=1.0))
    return norm.item()


@bank.slip("clip_norm", "something is None here")
def the_idle_one_forgotten(params, max_norm):
    norm = sum((p.grad**2).sum() for p in params).sqrt()
    for p in params:
        p.grad *= min(1.0, max_norm / norm.item())
    return norm


@bank.slip("clip_norm", "the largest entry", named="max-norm")
def by_the_maximum(params, max_norm):
    grads = [p.grad for p in params if p.grad is not None]
    norm = torch.cat([g.flatten() for g in grads]).norm(p=float("inf"))
    if norm > max_norm:
        for g in grads:
            g.mul_(max_norm / norm)
    return norm.item()


@bank.slip("clip_norm", "long gradients longer", named="inverted")
def factor_upside_down(params, max_norm):
    grads = [p.grad for p in params if p.grad is not None]
    norm = torch.cat([g.flatten() for g in grads]).norm().item()
    if norm > max_norm:
        for g in grads:
            g.mul_(norm / max_norm)
    return norm


@bank.slip("clip_norm", "shortens short ones", named="inverted")
def smaller_of_one_and_the_inverse(params, max_norm):
    grads = [p.grad for p in params if p.grad is not None]
    norm = torch.cat([g.flatten() for g in grads]).norm()
    for g in grads:
        g.mul_(torch.clamp(norm / max_norm, max=1))
    return norm


@bank.slip("clip_norm", "a number")
def nothing_returned(params, max_norm):
    nn.utils.clip_grad_norm_(params, max_norm)


# --- 7.7 -------------------------------------------------------------------------------------------------------------


@bank.honest("HandMomentum")
class Velocities:
    def __init__(self, params, lr, momentum):
        self.params = list(params)
        self.lr, self.momentum = lr, momentum
        self.velocities = [torch.zeros_like(p) for p in self.params]

    @torch.no_grad()
    def step(self):
        for p, v in zip(self.params, self.velocities, strict=True):
            if p.grad is not None:
                v.mul_(self.momentum).add_(p.grad)
                p.sub_(self.lr * v)

    def zero_grad(self):
        for p in self.params:
            p.grad = None


@bank.honest("HandMomentum")
class ByDictionaryWithZeros:
    def __init__(self, params, lr, momentum):
        self.params, self.lr, self.momentum, self.state = params, lr, momentum, {}

    def zero_grad(self):
        for p in self.params:
            if p.grad is not None:
                p.grad.zero_()

    def step(self):
        for p in self.params:
            if p.grad is None:
                continue
            old = self.state.get(p)
            self.state[p] = p.grad.clone() if old is None else self.momentum * old + p.grad
            p.data -= self.lr * self.state[p]


@bank.honest("HandMomentum")
class RateInTheVelocity:
    """v ← momentum·v − lr·g; the same while lr stays the same."""

    def __init__(self, params, lr, momentum):
        self.params, self.lr, self.momentum = params, lr, momentum
        self.v = [0] * len(params)

    def step(self):
        with torch.no_grad():
            for i in range(len(self.params)):
                if self.params[i].grad is not None:
                    self.v[i] = self.momentum * self.v[i] - self.lr * self.params[i].grad
                    self.params[i] += self.v[i]

    def zero_grad(self):
        for i in range(len(self.params)):
            self.params[i].grad = None


class ReadyMade:
    def __init__(self, params, lr, momentum):
        self.inner = torch.optim.SGD(params, lr=lr, momentum=momentum)

    def step(self):
        self.inner.step()

    def zero_grad(self):
        self.inner.zero_grad()


class OwnStepInTheirFrame(torch.optim.Optimizer):
    """Written as PyTorch's own optimisers are: the frame is the base class, the step is one's own."""

    def __init__(self, params, lr, momentum):
        super().__init__(params, {"lr": lr, "momentum": momentum})

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is not None:
                    velocity = self.state[p].setdefault("velocity", torch.zeros_like(p))
                    p.sub_(velocity.mul_(group["momentum"]).add_(p.grad), alpha=group["lr"])


bank.value("HandMomentum", OwnStepInTheirFrame)


@bank.slip("HandMomentum", "while .grad is None")
class MovesWithoutAGradient(Velocities):
    def step(self):
        for k, p in enumerate(self.params):
            self.velocities[k] = self.momentum * self.velocities[k] + (0.0 if p.grad is None else p.grad)
            p.data.sub_(self.lr * self.velocities[k])


bank.slip("HandMomentum", "torch.optim")(ReadyMade)


@bank.slip("HandMomentum", "keyword argument")
class WithoutMomentum:
    def __init__(self):
        self.params = []

    def step(self): ...

    def zero_grad(self): ...


@bank.slip("sgd_step", "makes a new tensor", named="F5")
def rebound_and_none_forgotten(params, lr):
    for w in params:
        w = w - lr * w.grad


@bank.slip("clip_norm", "cut every entry off", named="F11")
def clamped_and_none_forgotten(params, max_norm):
    norm = torch.cat([p.grad.flatten() for p in params]).norm()
    for p in params:
        p.grad.clamp_(-max_norm, max_norm)
    return norm


@bank.slip("HandMomentum", "running mean", named="damped")
class DampedAndNoneForgotten(Velocities):
    def step(self):
        with torch.no_grad():
            for i, p in enumerate(self.params):
                self.velocities[i] = self.momentum * self.velocities[i] + (1 - self.momentum) * p.grad
                p -= self.lr * self.velocities[i]


@bank.slip("HandMomentum", "one step late", named="moved-first")
class MovesByTheOldVelocity(Velocities):
    @torch.no_grad()
    def step(self):
        for p, v in zip(self.params, self.velocities, strict=True):
            if p.grad is not None:
                p -= self.lr * v
                v.mul_(self.momentum).add_(p.grad)


@bank.slip("HandMomentum", "not a constant factor")
class OneVelocityForAll(Velocities):
    def __init__(self, params, lr, momentum):
        super().__init__(params, lr, momentum)
        self.v = 0

    def step(self):
        with torch.no_grad():
            for p in self.params:
                if p.grad is not None:
                    self.v = self.momentum * self.v + p.grad.mean()
                    p -= self.lr * self.v


@bank.honest("HandAdam")
class AdamOfThePaper:
    def __init__(self, params, lr, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0):
        self.params, self.lr, self.betas, self.eps, self.weight_decay = list(params), lr, betas, eps, weight_decay
        self.m = [torch.zeros_like(p) for p in self.params]
        self.v = [torch.zeros_like(p) for p in self.params]
        self.t = 0

    def zero_grad(self):
        for p in self.params:
            p.grad = None

    @torch.no_grad()
    def step(self):
        self.t += 1
        b1, b2 = self.betas
        for p, m, v in zip(self.params, self.m, self.v, strict=True):
            if p.grad is None:
                continue
            g = p.grad + self.weight_decay * p
            m.mul_(b1).add_((1 - b1) * g)
            v.mul_(b2).add_((1 - b2) * g * g)
            p -= self.lr * (m / (1 - b1**self.t)) / ((v / (1 - b2**self.t)).sqrt() + self.eps)


@bank.honest("HandAdam")
class StateForEachParameter:
    def __init__(self, params, lr, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0):
        self.params, self.lr, (self.b1, self.b2), self.eps, self.wd = params, lr, betas, eps, weight_decay
        self.state = {id(p): [0.0, 0.0, 0] for p in params}

    def step(self):
        for p in self.params:
            if p.grad is None:
                continue
            m, v, t = self.state[id(p)]
            g = p.grad.clone()
            if self.wd != 0:
                g += self.wd * p.detach()
            m, v, t = self.b1 * m + (1 - self.b1) * g, self.b2 * v + (1 - self.b2) * g**2, t + 1
            self.state[id(p)] = [m, v, t]
            p.data.add_(-self.lr * (m / (1 - self.b1**t)) / (torch.sqrt(v / (1 - self.b2**t)) + self.eps))

    def zero_grad(self):
        for p in self.params:
            if p.grad is not None:
                p.grad.zero_()


@bank.honest("HandAdam")
class CorrectionInTheStepSize(AdamOfThePaper):
    """As torch writes it: the step size and the denominator are corrected."""

    def step(self):
        self.t += 1
        with torch.no_grad():
            for i, p in enumerate(self.params):
                if p.grad is not None:
                    g = p.grad.add(p, alpha=self.weight_decay)
                    self.m[i] = torch.lerp(self.m[i], g, 1 - self.betas[0])
                    self.v[i] = self.betas[1] * self.v[i] + (1 - self.betas[1]) * g.square()
                    denominator = self.v[i].sqrt() / math.sqrt(1 - self.betas[1] ** self.t) + self.eps
                    p.addcdiv_(self.m[i], denominator, value=-self.lr / (1 - self.betas[0] ** self.t))


@bank.slip("HandAdam", "torch.optim")
class ReadyMadeAdam(ReadyMade):
    def __init__(self, params, lr, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0):
        self.inner = torch.optim.Adam(params, lr, betas, eps, weight_decay)


@bank.slip("HandAdam", "t is 0 in the first step", named="t-early")
class CountsFromZero(AdamOfThePaper):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.t = -1


class OtherAdam(AdamOfThePaper):
    """Adam with another gradient of the loss, square or quotient."""

    def pulled(self, p):
        return p.grad + self.weight_decay * p

    def square(self, g):
        return g * g

    def corrected(self, m, v):
        return m / (1 - self.betas[0] ** self.t), v / (1 - self.betas[1] ** self.t)

    @torch.no_grad()
    def step(self):
        self.t += 1
        for p, m, v in zip(self.params, self.m, self.v, strict=True):
            if p.grad is not None:
                g = self.pulled(p)
                m.lerp_(g, 1 - self.betas[0])
                v.lerp_(self.square(g), 1 - self.betas[1])
                first, second = self.corrected(m, v)
                p -= self.lr * first / (second.sqrt() + self.eps)


bank.honest("HandAdam")(OtherAdam)


@bank.slip("HandAdam", "Only m is divided", named="m-only")
class CorrectsTheFirst(OtherAdam):
    def corrected(self, m, v):
        return m / (1 - self.betas[0] ** self.t), v


@bank.slip("HandAdam", "Only v is divided", named="v-only")
class CorrectsTheSecond(OtherAdam):
    def corrected(self, m, v):
        return m, v / (1 - self.betas[1] ** self.t)


@bank.slip("HandAdam", "its root is NaN", named="not-squared")
class NothingSquared(OtherAdam):
    def square(self, g):
        return g


@bank.slip("HandAdam", "changed places", named="betas-swapped")
class BetasTheOtherWayRound(OtherAdam):
    def __init__(self, params, lr, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0):
        super().__init__(params, lr, (betas[1], betas[0]), eps, weight_decay)


@bank.slip("HandAdam", "away from 0", named="decay-sign")
class DecayAway(OtherAdam):
    def pulled(self, p):
        return p.grad - self.weight_decay * p


bank.value("HandMomentum", Velocities)
bank.value("HandAdam", AdamOfThePaper)

# --- 7.8 -------------------------------------------------------------------------------------------------------------

bank.loose = {
    "train_digits": "a loss or an accuracy a thousandth off is still a fine one",
    "fix_training_script": "any small enough last loss will do",
}


def digits_as_tensors():
    from sklearn.datasets import load_digits

    data = load_digits()
    X, y = torch.tensor(data.data, dtype=torch.float32) / 16, torch.tensor(data.target)
    held = torch.zeros(len(X), dtype=torch.bool)
    held[::5] = True
    return X[~held], y[~held], X[held], y[held]


@bank.honest("train_digits")
@cache
def adam_full_batch(seed):
    X, y, X_test, y_test = digits_as_tensors()
    torch.manual_seed(seed)
    model = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))
    optimiser = torch.optim.Adam(model.parameters(), lr=0.01)
    losses, norms = [], None
    for _ in range(200):
        optimiser.zero_grad()
        loss = F.cross_entropy(model(X), y)
        loss.backward()
        if norms is None:
            norms = [model[0].weight.grad.norm().item(), model[2].weight.grad.norm().item()]
        losses.append(loss.item())
        optimiser.step()
    model.eval()
    with torch.no_grad():
        accuracy = (model(X_test).argmax(1) == y_test).float().mean().item()
    return {"initial_loss": losses[0], "losses": losses, "test_accuracy": accuracy, "layer_grad_norms": norms}


@bank.honest("train_digits")
@cache
def own_module_and_sgd(seed):
    X, y, X_test, y_test = digits_as_tensors()
    torch.manual_seed(seed)

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = nn.Linear(64, 32), nn.Linear(32, 10)

        def forward(self, x):
            return self.b(torch.tanh(self.a(x)))

    net = Net()
    optimiser = torch.optim.SGD(net.parameters(), lr=0.5, momentum=0.9)
    history = []
    for _ in range(150):
        loss = F.cross_entropy(net(X), y)
        optimiser.zero_grad()
        loss.backward()
        history.append(loss.detach())
        optimiser.step()
    norms = tuple(layer.weight.grad.norm() for layer in (net.a, net.b))
    net.eval()
    with torch.inference_mode():
        right = net(X_test).argmax(dim=1).eq(y_test)
    return {"initial_loss": history[0], "losses": history, "layer_grad_norms": norms,
            "test_accuracy": right.sum() / len(right), "model": net}  # fmt: skip


@bank.honest("train_digits")
@cache
def plain_tensors_and_minibatches(seed):
    X, y, X_test, y_test = digits_as_tensors()
    g = torch.Generator().manual_seed(seed)
    W1, W2 = torch.randn(64, 32, generator=g) / 8, torch.randn(32, 10, generator=g) / 8
    b1, b2 = torch.zeros(32), torch.zeros(10)
    params = [one.requires_grad_() for one in (W1, b1, W2, b2)]

    def logits(X):
        return (X @ W1 + b1).relu() @ W2 + b2

    optimiser, losses, norms = torch.optim.Adam(params, lr=0.02), [], []
    for step in range(200):
        rows = torch.randperm(len(X), generator=g)[:256] if step else slice(None)
        optimiser.zero_grad()
        loss = -torch.log_softmax(logits(X[rows]), 1)[range(len(y[rows])), y[rows]].mean()
        loss.backward()
        norms = norms or [W1.grad.norm().item(), W2.grad.norm().item()]
        optimiser.step()
        losses.append(loss.item())
    accuracy = (logits(X_test).argmax(1) == y_test).double().mean().item()
    return {"initial_loss": losses[0], "losses": losses, "test_accuracy": accuracy, "layer_grad_norms": norms}


def digits_with_a_slow_start(seed, rate, clear=True):
    """cross_entropy gets the logits; the last loss is high for another reason."""
    X, y, X_test, y_test = digits_as_tensors()
    torch.manual_seed(seed)
    model = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))
    optimiser, losses, norms = torch.optim.Adam(model.parameters(), lr=rate), [], []
    for _ in range(200):
        if clear:
            optimiser.zero_grad()
        loss = F.cross_entropy(model(X), y)
        loss.backward()
        norms = norms or [model[k].weight.grad.norm().item() for k in (0, 2)]
        optimiser.step()
        losses.append(loss.item())
    model.eval()
    with torch.no_grad():
        right = (model(X_test).argmax(1) == y_test).float().mean().item()
    return {"initial_loss": losses[0], "losses": losses, "test_accuracy": right, "layer_grad_norms": norms}


@bank.slip("train_digits", "below the bound")
@cache
def gradients_pile_up(seed):
    return digits_with_a_slow_start(seed, rate=0.01, clear=False)


@bank.slip("train_digits", "below the bound")
@cache
def steps_too_small(seed):
    return digits_with_a_slow_start(seed, rate=0.0003)


@bank.slip("train_digits", "the same losses")
def seed_unused(seed):
    return adam_full_batch(0)


@bank.slip("train_digits", "initial_loss")
def entry_missing(seed):
    return {key: value for key, value in adam_full_batch(seed).items() if key != "initial_loss"}


@bank.slip("train_digits", "before any update")
def losses_after_each_step(seed):
    run = dict(adam_full_batch(seed))
    run["losses"] = run["losses"][1:]
    return run


@bank.slip("train_digits", "never used in eval mode")
def evaluated_in_train_mode(seed):
    model = nn.Linear(1, 1)
    model(torch.zeros(1, 1))
    return adam_full_batch(seed)


@bank.slip("train_digits", "with the graph switched on")
def evaluated_with_a_graph(seed):
    model = nn.Linear(1, 1).eval()
    model(torch.zeros(1, 1))
    return adam_full_batch(seed)


# --- 7.9 -------------------------------------------------------------------------------------------------------------


@bank.honest("fix_training_script")
def smallest_repair(X, y, steps):
    model = nn.Sequential(nn.Linear(X.shape[1], 16), nn.Tanh(), nn.Linear(16, 2)).to(X.dtype)
    optimiser = torch.optim.Adam(model.parameters(), lr=0.05)
    losses = []
    for _ in range(steps):
        optimiser.zero_grad()
        loss = F.cross_entropy(model(X), y)
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    return losses


@bank.honest("fix_training_script")
def random_normal_start(X, y, steps):
    model = nn.Sequential(nn.Linear(X.shape[1], 16), nn.Tanh(), nn.Linear(16, 2)).to(X.dtype)
    for parameter in model.parameters():
        nn.init.normal_(parameter, 0.0, 0.5)
    optimiser = torch.optim.Adam(model.parameters(), lr=0.05)
    losses = []
    for _ in range(steps):
        loss = F.cross_entropy(model(X), y)
        loss.backward()
        optimiser.step()
        optimiser.zero_grad()
        losses.append(float(loss))
    return losses


@bank.honest("fix_training_script")
def other_optimiser_and_relu(X, y, steps):
    torch.manual_seed(3)
    model = nn.Sequential(nn.Linear(X.shape[1], 32), nn.ReLU(), nn.Linear(32, 2)).double()
    optimiser = torch.optim.SGD(model.parameters(), lr=0.5, momentum=0.9)
    losses = []
    for _ in range(steps):
        optimiser.zero_grad()
        loss = F.cross_entropy(model(X), y)
        loss.backward()
        optimiser.step()
        losses.append(loss.detach())
    return losses


@bank.slip("fix_training_script", "nothing clears them", named="F1")
def zero_grad_thrown_away(X, y, steps):
    model = nn.Sequential(nn.Linear(X.shape[1], 16), nn.Tanh(), nn.Linear(16, 2)).to(X.dtype)
    optimiser = torch.optim.Adam(model.parameters(), lr=0.05)
    losses = []
    for _ in range(steps):
        loss = F.cross_entropy(model(X), y)
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    return losses


@bank.slip("fix_training_script", "cannot get below 0.313", named="E5")
def softmax_as_last_layer(X, y, steps):
    model = nn.Sequential(nn.Linear(X.shape[1], 16), nn.Tanh(), nn.Linear(16, 2), nn.Softmax(1)).to(X.dtype)
    optimiser = torch.optim.Adam(model.parameters(), lr=0.05)
    losses = []
    for _ in range(steps):
        loss = nn.CrossEntropyLoss()(model(X), y)
        losses.append(loss.item())
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return losses


@bank.slip("fix_training_script", "one loss for each step")
def last_loss_only(X, y, steps):
    return smallest_repair(X, y, steps)[-1:]


@bank.slip("fix_training_script", "same dtype")
def dtype_lost(X, y, steps):
    return nn.Linear(X.shape[1], 2)(X)


bank.value("training_script_faults", ["B", "D", "F"])
bank.value("training_script_faults", ("F", "D", "B"))
bank.value("training_script_faults", "BDF")
bank.value("training_script_faults", "d, b, f")
bank.value("training_script_faults", {"D", "B", "F"})

# --- what hints must not hold ----------------------------------------------------------------------------------------

bank.hide("loop_order", r'"C", "F"|C, F|CFA|E, C')
bank.hide("sgd_step", r"w -= lr \* w\.grad")
bank.hide("max_stable_lr", r"2 / torch\.linalg")
bank.hide("accumulated_grad", r"\.backward\(\)$")
bank.hide("training_script_faults", r"\bB, D\b")

# --- questions -------------------------------------------------------------------------------------------------------


def places(rounds, start, body, **more):
    """w after each round of these lines, for the loss (w − 3)² and learning rate 0.1."""
    w = torch.tensor(start, requires_grad=True)
    names = {"w": w, "optimiser": torch.optim.SGD([w], lr=0.1, **more), "torch": torch}
    found = []
    for _ in range(rounds):
        for line in body:
            exec(line, names)
        found.append(w.item())
    return found


LOSS, BACK, STEP, ZERO = "loss = (w - 3) ** 2", "loss.backward()", "optimiser.step()", "optimiser.zero_grad()"


def what_forgetting_does():
    found = places(60, 0.0, [LOSS, BACK, STEP])
    momentum = places(60, 0.0, [ZERO, LOSS, BACK, STEP], momentum=1.0)
    assert max(abs(a - b) for a, b in zip(found, momentum, strict=True)) < 1e-4
    return "explodes" if max(map(abs, found)) > 10 else "swings" if max(found) > 5 and min(found[5:]) < 1 else "stands still"


def gradient_of_chunks(chunks, divide):
    g = torch.Generator().manual_seed(0)
    X, y = torch.randn(10, 3, generator=g), torch.randn(10, generator=g)
    w = torch.zeros(3, requires_grad=True)
    (full,) = torch.autograd.grad(((X @ w - y) ** 2).mean(), w)
    for rows, targets in zip(X.split(chunks), y.split(chunks), strict=True):
        (((rows @ w - targets) ** 2).mean() / divide).backward()
    return w.grad / full


def first_step(optimiser, start, gradient, **settings):
    w = torch.tensor(start, requires_grad=True)
    w.grad = torch.tensor(gradient)
    optimiser([w], **settings).step()
    return w.item() - start


def unused_batches():
    waiting = 0
    for batch in range(5):
        waiting = 0 if (batch + 1) % 2 == 0 else waiting + 1
    return waiting


def momentum_moves_on_zeros():
    w = torch.tensor(1.0, requires_grad=True)
    optimiser = torch.optim.SGD([w], lr=0.1, momentum=0.9)
    (w**2).backward()
    optimiser.step()
    before = w.item()
    w.grad.zero_()
    optimiser.step()
    return w.item() != before


def different_units():
    torch.manual_seed(0)
    X, y = torch.randn(50, 2), torch.randint(0, 2, (50,))
    model = nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 2))
    for p in model.parameters():
        nn.init.constant_(p, 0.5)
    optimiser = torch.optim.Adam(model.parameters(), lr=0.05)
    for _ in range(200):
        optimiser.zero_grad()
        F.cross_entropy(model(X), y).backward()
        optimiser.step()
    return len(torch.unique((model[0].weight * 1e4).round(), dim=0))


def changes_when_predicting(model, grad):
    before = [one.clone() for one in model.state_dict().values()]
    with torch.set_grad_enabled(grad):
        model(torch.arange(12.0).reshape(4, 3))
    return any(not torch.equal(a, b) for a, b in zip(before, model.state_dict().values(), strict=True))


def a_wrong_gradient_lowers_the_loss():
    w, losses = torch.tensor([3.0, -2.0], requires_grad=True), []
    for _ in range(20):
        loss = (w**2 * torch.tensor([1.0, 4.0])).sum()
        losses.append(loss.item())
        (g,) = torch.autograd.grad(loss, w)
        w = (w - 0.05 * 0.5 * g).detach().requires_grad_()
    return losses == sorted(losses, reverse=True)


def same_direction():
    g = torch.tensor([30.0, 4.0])
    return bool(F.cosine_similarity(g, g.clamp(-5, 5), dim=0) > 0.9999)


def order_that_trains():
    return next(word for word in ("step", "loss", "forward", "detach") if word == "step"
                and places(3, 1.0, [LOSS, ZERO, BACK, STEP]) == places(3, 1.0, [ZERO, LOSS, BACK, STEP]))  # fmt: skip


WN = "w = torch.tensor(1.0, requires_grad=True); (w ** 2).backward()"
def which_loop_climbs():
    """By the factors of the bowl ½(u² + 4v²) at learning rate 0.2: which of four loops ends higher than it began."""
    curvature, place = np.array([1.0, 4.0]), np.array([-1.7, 1.3])

    def height(at):
        return (curvature * at**2).sum() / 2

    without_clearing, velocity = place, np.zeros(2)
    for _ in range(12):
        velocity = velocity + curvature * without_clearing
        without_clearing = without_clearing - 0.2 * velocity
    ends = {
        "correct": (1 - 0.2 * curvature) ** 12 * place, "no zero_grad": without_clearing, "cleared before step": place,
        "+ lr": (1 + 0.2 * curvature) ** 2 * place,
    }
    (climbs,) = [name for name, end in ends.items() if height(end) > height(place)]
    return climbs


def velocity_after(*gradients):
    """The velocity torch.optim.SGD keeps after these gradients, momentum 0.9."""
    w = torch.zeros((), requires_grad=True)
    optimiser = torch.optim.SGD([w], lr=0.1, momentum=0.9)
    for gradient in gradients:
        w.grad = torch.tensor(gradient)
        optimiser.step()
    return optimiser.state[w]["momentum_buffer"].item()


bank.computed = {
    "07-recall-logit": lambda: (torch.tensor([0.6, 0.3, 0.1]) - F.one_hot(torch.tensor(1), 3))[1].item(),
    "07-recall-chance": lambda: F.cross_entropy(torch.zeros(1, 4), torch.tensor([2])).item(),
    "07-recall-dead": lambda: after("x = torch.tensor([-1.0, -2.0]); w = torch.tensor(1.0, requires_grad=True)",
                                    "torch.relu(w * x).sum().backward()").w.grad.item(),
    "07-recall-mean": lambda: after("x = torch.tensor([3.0, 1, 2, 4, 5], requires_grad=True)",
                                    "(x ** 2).mean().backward()").x.grad[0].item(),
    "07-recall-pile": lambda: after("x = torch.tensor(3.0, requires_grad=True)",
                                    "for _ in range(3): (x ** 2).backward()").x.grad.item(),
    "07-by-b": lambda: after("x = torch.linspace(-5, 5, 100, dtype=torch.float64); b = torch.zeros((), requires_grad=True)",
                             "((b - (2 * x - 1)) ** 2).mean().backward()").b.grad.item(),
    "07-forget": what_forgetting_does,
    "07-four": which_loop_climbs,
    "07-fill-velocity": lambda: velocity_after(2.0, 1.0),
    "07-between": lambda: places(3, 1.0, [LOSS, BACK, ZERO, STEP])[-1],
    "07-lag": lambda: places(1, 1.0, [STEP, ZERO, LOSS, BACK])[-1],
    "07-in-place": lambda: runs(WN, "w -= 0.1 * w.grad"),
    "07-rebind": lambda: runs(WN, "with torch.no_grad(): w = w - 0.1 * w.grad", "(w ** 2).backward()"),
    "07-none": lambda: "None" if after(WN, "torch.optim.SGD([w]).zero_grad()").w.grad is None else "zeros",
    "07-zeros-move": momentum_moves_on_zeros,
    "07-total": lambda: after("w = torch.ones((), requires_grad=True); total = 0",
                              "for _ in range(100): total += (w - 3) ** 2").total.grad_fn is not None,
    "07-shrink": lambda: 0.98**10,
    "07-limit": lambda: next(lr / 100 for lr in range(1, 200) if abs(1 - 4 * lr / 100) >= 1),
    "07-sum-limit": lambda: 0.1176 / 100,
    "07-halves": lambda: gradient_of_chunks([5, 5], 1).mean().item(),
    "07-unequal": lambda: bool(gradient_of_chunks([8, 2], 2).std() < 1e-3),
    "07-remainder": unused_batches,
    "07-adam": lambda: first_step(torch.optim.Adam, 0.0, -34.0, lr=0.01),
    "07-decay": lambda: 2 + first_step(torch.optim.SGD, 2.0, 0.0, lr=0.1, weight_decay=0.5),
    "07-clip-value": same_direction,
    "07-ln2": lambda: F.binary_cross_entropy_with_logits(torch.zeros(3), torch.tensor([0.0, 1, 1])).item(),
    "07-targets": lambda: runs("torch.nn.functional.cross_entropy(torch.zeros(4, 3), torch.zeros(4, 1).long())"),
    "07-numpy": lambda: runs("import numpy", "torch.nn.Linear(3, 2)(torch.from_numpy(numpy.ones((4, 3))))"),
    "07-accuracy": lambda: runs("z = torch.randn(4, 3, requires_grad=True)",
                                "(z.argmax(1) == torch.tensor([0, 1, 2, 0])).float().mean().backward()"),
    "07-alike": different_units,
    "07-validation": lambda: changes_when_predicting(nn.Linear(3, 2), True),
    "07-running": lambda: changes_when_predicting(nn.BatchNorm1d(3), False),
    "07-falls": lambda: not a_wrong_gradient_lowers_the_loss(),
    "07-exit-order": order_that_trains,
    "07-exit-rate": lambda: 2 / 10,
    "07-exit-share": lambda: 3 / 10,
}
bank.told = {
    "07-moves": "it asks for a word",
    "07-clip-late": "nothing that comes after a step can change it",
    "07-fill-before": "it asks for a word",
}
