"""Answers to lesson 08 as students write them."""

import math
import warnings

import numpy as np
import sympy
import torch
import torch.nn.functional as F
from torch import nn
from torch.autograd import grad

from course_lib.keys.cases import CATALOGUE
from tests.answers import Bank, after, runs

bank = Bank("08")


def leaf_at(x):
    return x.detach().clone().requires_grad_()


# --- 8.1 -------------------------------------------------------------------------------------------------------------


@bank.honest("fix_lost_leaf")
def dtype_from_birth(values):
    w = torch.tensor(values, dtype=torch.float64, requires_grad=True)
    loss = (w**3 - 2 * w).sum()
    loss.backward()
    return w.grad


@bank.honest("fix_lost_leaf")
def tracked_after_the_cast(values):
    w = torch.tensor(values).double().requires_grad_()
    (w**3 - 2 * w).sum().backward()
    return w.grad


@bank.honest("fix_lost_leaf")
def grad_function(values):
    w = torch.as_tensor(np.array(values)).requires_grad_(True)
    return grad((w**3 - 2 * w).sum(), w)[0]


@bank.honest("fix_lost_leaf")
def retained(values):
    w = torch.tensor(values, requires_grad=True).double()
    w.retain_grad()
    (w**3 - 2 * w).sum().backward()
    return w.grad


@bank.honest("fix_lost_leaf")
def by_formula(values):
    w = torch.tensor(values, dtype=torch.float64)
    return 3 * w**2 - 2


@bank.slip("fix_lost_leaf", "a tensor", named="B10")
def cast_by_to(values):
    w = torch.tensor(values, requires_grad=True).to(torch.float64)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        (w**3 - 2 * w).sum().backward()
        return w.grad


@bank.slip("fix_lost_leaf", "float64", named="single-precision")
def no_cast(values):
    w = torch.tensor(values, requires_grad=True)
    return grad((w**3 - 2 * w).sum(), w)[0]


@bank.slip("fix_lost_leaf", "you returned")
def derivative_slip(values):
    w = torch.tensor(values, dtype=torch.float64)
    return 3 * w - 2


@bank.honest("probe_lost_leaf")
def against_the_formula(candidate):
    values = [0.7, -1.3, 2.1]
    g = candidate(values)
    assert g is not None, "no gradient came back"
    w = torch.tensor(values, dtype=torch.float64)
    torch.testing.assert_close(g, 3 * w**2 - 2)


@bank.honest("probe_lost_leaf")
def one_number_by_hand(candidate):
    g = candidate([0.5])
    if g is None:
        raise AssertionError("None")
    assert g.shape == (1,)
    assert math.isclose(g.item(), 3 * 0.25 - 2, rel_tol=1e-6)


@bank.honest("probe_lost_leaf")
def against_a_difference(candidate):
    def loss(values):
        return sum(v**3 - 2 * v for v in values)

    values = [0.7, -1.3]
    g = candidate(values)
    assert isinstance(g, torch.Tensor) and g.dtype == torch.float64
    for i in range(2):
        up, down = list(values), list(values)
        up[i] += 1e-5
        down[i] -= 1e-5
        assert abs(g[i].item() - (loss(up) - loss(down)) / 2e-5) < 1e-6


@bank.slip("probe_lost_leaf", "AttributeError", named="other-exception")
def shape_of_none(candidate):
    assert candidate([0.7, -1.3]).shape == (2,)


@bank.slip("probe_lost_leaf", "your probe is silent", named="passes-all")
def a_verdict_that_nobody_reads(candidate):
    g = candidate([0.7, -1.3])
    return g is not None and bool(torch.allclose(g, torch.tensor([-0.53, 3.07], dtype=torch.float64)))


@bank.slip("probe_lost_leaf", "this version is right", named="fails-all")
def wrong_reference(candidate):
    g = candidate([0.7, -1.3])
    assert g is not None and torch.allclose(g, torch.tensor([0.1, 0.2], dtype=torch.float64))


# --- 8.2 -------------------------------------------------------------------------------------------------------------


@bank.honest("fix_cut_graph")
def whole_graph(x):
    leaf = leaf_at(x)
    loss = leaf.sum() * (leaf**2).sum()
    loss.backward()
    return leaf.grad


@bank.honest("fix_cut_graph")
def stacked(x):
    leaf = leaf_at(x)
    squares = torch.stack([v * v for v in leaf])
    return grad(leaf.sum() * squares.sum(), leaf)[0]


@bank.honest("fix_cut_graph")
def by_func(x):
    return torch.func.grad(lambda t: t.sum() * (t * t).sum())(x)


@bank.honest("fix_cut_graph")
def product_rule(x):
    return (x**2).sum() * torch.ones_like(x) + 2 * x * x.sum()


@bank.slip("fix_cut_graph", "does not require grad", named="B5-raises")
def nothing_changed_but_names(x):
    w = leaf_at(x)
    total = float(w.sum())
    parts = torch.tensor([v.item() ** 2 for v in w])
    (total * parts.sum()).backward()
    return w.grad


@bank.slip("fix_cut_graph", "constant", named="")
def twice_too_large(x):
    return 2 * whole_graph(x)


@bank.honest("probe_cut_graph")
def by_the_product_rule(candidate):
    x = torch.tensor([0.7, -1.3, 0.4], dtype=torch.float64)
    g = candidate(x)
    assert g is not None
    torch.testing.assert_close(g, (x**2).sum() + 2 * x * x.sum())


@bank.honest("probe_cut_graph")
def by_differences(candidate):
    x, h = torch.tensor([1.1, -0.3], dtype=torch.float64), 1e-5

    def f(t):
        return t.sum() * (t**2).sum()

    want = torch.stack([(f(x + h * e) - f(x - h * e)) / (2 * h) for e in torch.eye(2, dtype=torch.float64)])
    got = candidate(x)
    assert got is not None and torch.allclose(got, want, rtol=1e-6)


@bank.honest("probe_cut_graph")
def a_single_entry(candidate):
    """(x)·(x²) is x³."""
    g = candidate(torch.tensor([2.0]))
    assert g is not None and abs(float(g) - 12) < 1e-3


@bank.slip("probe_cut_graph", "your probe is silent", named="none-only")
def from_two_to_none(candidate):
    assert candidate(torch.tensor([0.7, -1.3])) is not None


# --- 8.3 -------------------------------------------------------------------------------------------------------------


@bank.honest("fix_wrong_dim")
def other_dim(z, y):
    p = torch.softmax(z, dim=1)
    chosen = p[torch.arange(len(y)), y]
    return -torch.log(chosen).mean()


@bank.honest("fix_wrong_dim")
def library(z, y):
    return F.cross_entropy(z, y)


@bank.honest("fix_wrong_dim")
def gathered(z, y):
    return -z.log_softmax(-1).gather(1, y.unsqueeze(1)).mean()


@bank.slip("fix_wrong_dim", "classes of one example", named="E4")
def transposed_by_hand(z, y):
    e = torch.exp(z)
    return -torch.log((e / e.sum(0))[torch.arange(len(y)), y]).mean()


@bank.slip("fix_wrong_dim", "connected")
def no_history(z, y):
    return F.cross_entropy(z, y).detach()


@bank.honest("probe_wrong_dim")
def loss_and_gradient(candidate):
    z = torch.tensor([[0.7, -1.3, 2.0], [0.1, 0.4, -0.6]], dtype=torch.float64)
    y = torch.tensor([2, 0])
    a, b = z.clone().requires_grad_(), z.clone().requires_grad_()
    ours, want = candidate(a, y), F.cross_entropy(b, y)
    torch.testing.assert_close(ours, want)
    torch.testing.assert_close(grad(ours, a)[0], grad(want, b)[0])


@bank.honest("probe_wrong_dim")
def p_minus_one_hot(candidate):
    z = torch.randn(6, 4, generator=torch.Generator().manual_seed(1), requires_grad=True)
    y = torch.tensor([0, 1, 2, 3, 1, 1])
    loss = candidate(z, y)
    loss.backward()
    want = (torch.softmax(z.detach(), 1) - F.one_hot(y, 4)) / 6
    assert torch.allclose(z.grad, want, atol=1e-5)
    assert abs(loss.item() - F.nll_loss(F.log_softmax(z.detach(), 1), y).item()) < 1e-5


@bank.honest("probe_wrong_dim")
def one_example_and_a_difference(candidate):
    y, h = torch.tensor([1, 1]), 1e-5
    z = torch.tensor([[0.2, 0.9, -1.0], [1.4, 0.3, 0.5]], dtype=torch.float64, requires_grad=True)
    loss = candidate(z, y)
    (g,) = grad(loss, z)
    step = torch.zeros_like(z)
    step[0, 2] = h
    slope = (candidate(z + step, y) - candidate(z - step, y)).item() / (2 * h)
    assert abs(slope - g[0, 2].item()) < 1e-6
    assert abs(loss.item() - (torch.logsumexp(z, 1) - z[:, 1]).mean().item()) < 1e-9


@bank.slip("probe_wrong_dim", "your probe is silent", named="value-only")
def only_the_loss(candidate):
    z = torch.tensor([[0.7, -1.3, 2.0], [0.1, 0.4, -0.6]])
    y = torch.tensor([2, 0])
    assert abs(candidate(z, y) - F.cross_entropy(z, y)) < 1e-4


# --- 8.4 -------------------------------------------------------------------------------------------------------------


@bank.honest("fix_shape_clash")
def squeezed(pred, target):
    return ((pred.squeeze(1) - target) ** 2).mean()


@bank.honest("fix_shape_clash")
def column(pred, target):
    return F.mse_loss(pred, target.view(-1, 1))


@bank.honest("fix_shape_clash")
def flat(pred, target):
    return torch.mean(torch.square(pred.reshape(target.shape) - target))


@bank.slip("fix_shape_clash", "every prediction against every target", named="E9")
def mse_of_two_shapes(pred, target):
    return F.mse_loss(pred, target)


@bank.slip("fix_shape_clash", "the loss is")
def half_square(pred, target):
    return 0.5 * ((pred.squeeze(1) - target) ** 2).mean()


@bank.honest("probe_shape_clash")
def loss_and_slope(candidate):
    pred = torch.tensor([[1.0], [2.0], [4.0]], requires_grad=True)
    target = torch.tensor([1.5, 0.0, 3.0])
    loss = candidate(pred, target)
    assert abs(loss.item() - (0.25 + 4 + 1) / 3) < 1e-5
    loss.backward()
    assert torch.allclose(pred.grad, 2 * torch.tensor([[-0.5], [2.0], [1.0]]) / 3)


@bank.honest("probe_shape_clash")
def by_numpy(candidate):
    rng = np.random.default_rng(0)
    p, t = rng.normal(size=(4, 1)), rng.normal(size=4)
    pred = torch.tensor(p, requires_grad=True)
    loss = candidate(pred, torch.tensor(t))
    np.testing.assert_allclose(loss.item(), ((p[:, 0] - t) ** 2).mean())
    np.testing.assert_allclose(grad(loss, pred)[0].numpy()[:, 0], 2 * (p[:, 0] - t) / 4)


@bank.honest("probe_shape_clash")
def by_gradient_alone(candidate):
    """The gradient of the right loss at several places fixes it up to a constant; a perfect prediction fixes that."""
    target = torch.tensor([0.3, -1.0], dtype=torch.float64)
    for values in ([[1.0], [2.0]], [[-0.4], [0.9]]):
        pred = torch.tensor(values, dtype=torch.float64, requires_grad=True)
        (g,) = grad(candidate(pred, target), pred)
        torch.testing.assert_close(g[:, 0], pred.detach()[:, 0] - target)
    assert candidate(target[:, None], target).item() == 0


@bank.slip("probe_shape_clash", "your probe is silent", named="value-only")
def only_the_error(candidate):
    pred, target = torch.tensor([[1.0], [2.0]]), torch.tensor([1.5, 0.0])
    assert abs(candidate(pred, target).item() - 2.125) < 1e-6


# --- 8.5 -------------------------------------------------------------------------------------------------------------


@bank.honest("fix_nan_where")
def two_wheres(x):
    safe = torch.where(x > 0, x, torch.ones_like(x))
    return torch.where(x > 0, torch.log(safe), torch.zeros_like(x))


@bank.honest("fix_nan_where")
def log_of_one(x):
    return torch.where(x > 0, x, 1.0).log()


@bank.honest("fix_nan_where")
def clamp_below_the_choice(x):
    return torch.where(x > 0, torch.log(x.clamp(min=1e-30)), torch.zeros_like(x))


@bank.honest("fix_nan_where")
def masked_entries(x):
    out = torch.zeros_like(x)
    keep = x > 0
    out[keep] = torch.log(x[keep])
    return out


@bank.slip("fix_nan_where", "log still sees the 0", named="E10")
def nan_to_num_afterwards(x):
    return torch.nan_to_num(torch.log(x), nan=0.0, neginf=0.0)


@bank.slip("fix_nan_where", "got")
def log1p_instead(x):
    return torch.where(x > 0, torch.log1p(x.clamp(min=0)), torch.zeros_like(x))


@bank.honest("probe_nan_where")
def value_and_gradient(candidate):
    x = torch.tensor([0.5, 0.0, -2.0, 3.0], dtype=torch.float64, requires_grad=True)
    y = candidate(x)
    torch.testing.assert_close(y.detach(), torch.tensor([math.log(0.5), 0, 0, math.log(3)], dtype=torch.float64))
    y.sum().backward()
    torch.testing.assert_close(x.grad, torch.tensor([2, 0, 0, 1 / 3], dtype=torch.float64))


@bank.honest("probe_nan_where")
def one_by_one(candidate):
    for at, value, slope in ((0.0, 0.0, 0.0), (-1.0, 0.0, 0.0), (2.0, math.log(2), 0.5)):
        x = torch.tensor([at], requires_grad=True)
        y = candidate(x)
        (g,) = grad(y, x)
        assert abs(y.item() - value) < 1e-5 and abs(g.item() - slope) < 1e-5, at


@bank.honest("probe_nan_where")
def finite_first(candidate):
    x = torch.tensor([0.0, 1.5, 0.2], dtype=torch.float64, requires_grad=True)
    y = candidate(x)
    assert torch.isfinite(y).all() and y[0] == 0
    (g,) = grad(y, x, torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64))
    assert torch.isfinite(g).all()
    assert torch.allclose(g, torch.tensor([0.0, 2 / 1.5, 15.0], dtype=torch.float64))


@bank.slip("probe_nan_where", "your probe is silent", named="finite-only")
def no_nan(candidate):
    x = torch.tensor([0.0, 1.5], requires_grad=True)
    candidate(x).sum().backward()
    assert not x.grad.isnan().any()


# --- 8.6 -------------------------------------------------------------------------------------------------------------


@bank.honest("fix_norm_at_zero")
def library_norm(x):
    return torch.linalg.norm(x)


@bank.honest("fix_norm_at_zero")
def tiny_offset(x):
    return torch.sqrt((x**2).sum() + 1e-14)


@bank.honest("fix_norm_at_zero")
def chosen_twice(x):
    s = (x**2).sum()
    root = torch.sqrt(torch.where(s > 0, s, 1.0))
    return torch.where(s > 0, root, 0.0)


@bank.honest("fix_norm_at_zero")
def branch(x):
    s = (x**2).sum()
    return s.sqrt() if s > 0 else s


@bank.slip("fix_norm_at_zero", "infinite slope", named="E11")
def power_one_half(x):
    return ((x**2).sum()) ** 0.5


@bank.slip("fix_norm_at_zero", "the length is")
def offset_outside(x):
    return torch.linalg.norm(x) + 1e-2


@bank.honest("probe_norm_at_zero")
def three_four_five(candidate):
    x = torch.tensor([3.0, -4.0], dtype=torch.float64, requires_grad=True)
    y = candidate(x)
    assert abs(y.item() - 5) < 1e-9
    torch.testing.assert_close(grad(y, x)[0], torch.tensor([0.6, -0.8], dtype=torch.float64))
    zero = torch.zeros(2, dtype=torch.float64, requires_grad=True)
    y = candidate(zero)
    assert abs(y.item()) < 1e-9
    assert (grad(y, zero)[0] == 0).all()


@bank.honest("probe_norm_at_zero")
def against_the_library(candidate):
    for values in ([0.0, 0.0, 0.0], [0.7, -1.3, 0.4], [0.0, 2.0, 0.0]):
        a = torch.tensor(values, dtype=torch.float64, requires_grad=True)
        b = torch.tensor(values, dtype=torch.float64, requires_grad=True)
        candidate(a).backward()
        b.norm().backward()
        torch.testing.assert_close(a.grad, b.grad)
        torch.testing.assert_close(candidate(a), b.norm())


@bank.honest("probe_norm_at_zero")
def in_float32_with_a_value_at_zero(candidate):
    zero = torch.zeros(3, requires_grad=True)
    y = candidate(zero)
    assert abs(y.item()) < 1e-4
    y.backward()
    assert not zero.grad.isnan().any()
    x = torch.tensor([1.0, 2.0, 2.0], requires_grad=True)
    candidate(x).backward()
    assert torch.allclose(x.grad, x.detach() / 3)


@bank.slip("probe_norm_at_zero", "your probe is silent", named="no-zero")
def not_at_zero(candidate):
    x = torch.tensor([0.3, -0.4], dtype=torch.float64, requires_grad=True)
    y = candidate(x)
    torch.testing.assert_close(y.item(), 0.5)
    torch.testing.assert_close(grad(y, x)[0], torch.tensor([0.6, -0.8], dtype=torch.float64))


# --- 8.7 -------------------------------------------------------------------------------------------------------------


@bank.honest("fix_data_edit")
def edit_dropped(x):
    w = x.detach().clone().requires_grad_()
    loss = (w**3).sum()
    loss.backward()
    return w.grad


@bank.honest("fix_data_edit")
def edit_after_backward(x):
    w = x.detach().clone().requires_grad_()
    loss = (w**3).sum()
    loss.backward()
    with torch.no_grad():
        w.mul_(0.5)
    return w.grad


@bank.honest("fix_data_edit")
def shared_but_untouched(x):
    w = x.detach().requires_grad_()
    return grad((w**3).sum(), w)[0]


@bank.honest("fix_data_edit")
def cubes_formula(x):
    return 3 * x * x


@bank.slip("fix_data_edit", "behind autograd", named="B12-clone")
def assigned_data(x):
    w = x.clone().requires_grad_()
    loss = (w**3).sum()
    w.data = w.data / 2
    return 3 * w.detach() ** 2 + 0 * loss.detach()


@bank.slip("fix_data_edit", "constant factor")
def half_gradient(x):
    return 1.5 * x * x


@bank.honest("probe_data_edit")
def both_promises(candidate):
    x = torch.tensor([0.7, -1.3, 0.4], dtype=torch.float64)
    before = x.clone()
    g = candidate(x)
    torch.testing.assert_close(x, before)
    torch.testing.assert_close(g, 3 * before**2)


@bank.honest("probe_data_edit")
def plain_numbers(candidate):
    x = torch.tensor([2.0, -1.0])
    g = candidate(x)
    assert x.tolist() == [2.0, -1.0]
    assert [round(v, 3) for v in g.tolist()] == [12.0, 3.0]


@bank.honest("probe_data_edit")
def called_twice(candidate):
    x = torch.tensor([0.7, -1.3], dtype=torch.float64)
    first = candidate(x).clone()
    second = candidate(x)
    assert torch.allclose(first, second), "the first call changed x"
    assert torch.allclose(first, torch.tensor([1.47, 5.07], dtype=torch.float64))


@bank.slip("probe_data_edit", "your probe is silent", named="reference-after")
def reference_computed_late(candidate):
    x = torch.tensor([0.7, -1.3], dtype=torch.float64)
    g = candidate(x)
    want = 3 * x**2
    assert torch.allclose(g, want)


# --- 8.8 -------------------------------------------------------------------------------------------------------------


@bank.honest("fix_hidden_state")
def detached_after(cell, xs, h0):
    h, losses = h0, []
    for x in xs:
        h = cell(x, h)
        loss = (h**2).sum()
        loss.backward()
        losses.append(loss.item())
        h = h.detach()
    return losses


@bank.honest("fix_hidden_state")
def detached_before(cell, xs, h0):
    losses, h = [], h0
    for t in range(xs.shape[0]):
        h = cell(xs[t], h.detach())
        loss = h.square().sum()
        loss.backward()
        losses.append(float(loss))
    return losses


@bank.honest("fix_hidden_state")
def in_place_detach(cell, xs, h0):
    h, losses = h0.clone(), []
    for x in xs:
        new = cell(x, h)
        loss = (new * new).sum()
        losses.append(loss.item())
        loss.backward()
        h = new.detach_()
    return losses


@bank.slip("fix_hidden_state", "grows", named="C4")
def kept_alive(cell, xs, h0):
    h, losses = h0, []
    for x in xs:
        h = cell(x, h)
        loss = h.square().sum()
        losses.append(loss.item())
        loss.backward(retain_graph=True)
    return losses


@bank.slip("fix_hidden_state", "the entry")
def mean_instead_of_sum(cell, xs, h0):
    h, losses = h0, []
    for x in xs:
        h = cell(x, h.detach())
        loss = (h**2).mean()
        loss.backward()
        losses.append(loss.item())
    return losses


@bank.honest("probe_hidden_state")
def cell_that_looks(candidate):
    w = torch.tensor(0.8, dtype=torch.float64, requires_grad=True)
    arrived = []

    def cell(x, h):
        arrived.append(h.grad_fn is None)
        return torch.tanh(w * x + h)

    losses = candidate(cell, torch.tensor([[0.3], [0.7], [-0.2]], dtype=torch.float64), torch.zeros(1, dtype=torch.float64))
    h, want = 0.0, []
    for x in (0.3, 0.7, -0.2):
        h = math.tanh(0.8 * x + h)
        want.append(h * h)
    assert all(abs(a - b) < 1e-9 for a, b in zip(losses, want, strict=True))
    assert all(arrived) and len(arrived) == 3
    assert w.grad is not None


@bank.honest("probe_hidden_state")
def by_the_summed_gradient(candidate):
    torch.manual_seed(0)
    cell = nn.RNNCell(2, 3)
    xs, h0 = torch.randn(4, 2), torch.zeros(3)
    losses = candidate(cell, xs, h0)
    assert cell.weight_ih.grad is not None
    got = cell.weight_ih.grad.clone()
    cell.zero_grad()
    h, total = h0, 0.0
    want = []
    for x in xs:
        h = cell(x, h.detach())
        want.append((h**2).sum().item())
        total = total + (h**2).sum()
    total.backward()
    assert torch.allclose(got, cell.weight_ih.grad, atol=1e-6)
    assert torch.allclose(torch.tensor(losses), torch.tensor(want), atol=1e-6)


@bank.honest("probe_hidden_state")
def by_counting_the_graph(candidate):
    w, sizes = torch.tensor([0.5], requires_grad=True), []

    def size(node):
        return 0 if node is None else 1 + sum(size(parent) for parent, _ in node.next_functions)

    def cell(x, h):
        sizes.append(size(h.grad_fn))
        return torch.tanh(w * x + 0.5 * h)

    losses = candidate(cell, torch.ones(4, 1), torch.tensor([0.2]))
    assert len(set(sizes[1:])) == 1, sizes
    first = math.tanh(0.6) ** 2
    assert abs(losses[0] - first) < 1e-6 and losses[1] > first + 0.01
    assert w.grad is not None and w.grad.abs().item() > 0


@bank.slip("probe_hidden_state", "does not require grad", named="other-exception")
def cell_without_weights(candidate):
    losses = candidate(lambda x, h: torch.tanh(x + h), torch.ones(3, 1), torch.zeros(1))
    assert len(losses) == 3


# --- 8.9 -------------------------------------------------------------------------------------------------------------


@bank.honest("fix_unregistered")
def module_list(sizes):
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.layers = nn.ModuleList([nn.Linear(a, b) for a, b in zip(sizes, sizes[1:], strict=False)])
            self.scale = nn.Parameter(torch.ones(1))

        def forward(self, x):
            for layer in self.layers[:-1]:
                x = torch.tanh(layer(x))
            return self.scale * self.layers[-1](x)

    return Net()


@bank.honest("fix_unregistered")
def sequential_and_a_0d_scale(sizes):
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            parts = []
            for i in range(len(sizes) - 1):
                parts.append(nn.Linear(sizes[i], sizes[i + 1]))
                if i < len(sizes) - 2:
                    parts.append(nn.Tanh())
            self.body = nn.Sequential(*parts)
            self.scale = nn.Parameter(torch.tensor(1.0))

        def forward(self, x):
            return self.body(x) * self.scale

    return Net()


@bank.honest("fix_unregistered")
def added_by_name(sizes):
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.depth = len(sizes) - 1
            for i in range(self.depth):
                self.add_module(f"layer{i}", nn.Linear(sizes[i], sizes[i + 1]))
            self.register_parameter("scale", nn.Parameter(torch.ones(1)))

        def forward(self, x):
            for i in range(self.depth):
                x = getattr(self, f"layer{i}")(x)
                if i + 1 < self.depth:
                    x = x.tanh()
            return self.scale * x

    return Net()


@bank.slip("fix_unregistered", "the scale is not", named="B20-scale")
def scale_with_a_flag(sizes):
    net = module_list(sizes)
    del net.scale
    net.scale = torch.ones(1, requires_grad=True)
    return net


@bank.slip("fix_unregistered", "forward uses its number alone", named="frozen")
def scale_taken_as_a_number(sizes):
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in zip(sizes, sizes[1:], strict=False))
            self.scale = nn.Parameter(torch.ones(1))

        def forward(self, x):
            for layer in self.layers[:-1]:
                x = torch.tanh(layer(x))
            return self.scale.item() * self.layers[-1](x)

    return Net()


@bank.slip("fix_unregistered", "starts at 1")
def scale_from_zero(sizes):
    net = module_list(sizes)
    net.scale.data.zero_()
    return net


@bank.honest("probe_unregistered")
def counted_and_walked(candidate):
    model = candidate([3, 5, 2])
    assert sum(p.numel() for p in model.parameters()) == 20 + 12 + 1
    model(torch.ones(4, 3)).sum().backward()
    assert all(p.grad is not None for p in model.parameters())


@bank.honest("probe_unregistered")
def one_step_moves_all(candidate):
    model = candidate([2, 4, 3])
    parameters = list(model.parameters())
    assert parameters, "no parameters at all"
    before = [p.detach().clone() for p in parameters]
    assert sum(p.numel() for p in before) == 2 * 4 + 4 + 4 * 3 + 3 + 1
    optimiser = torch.optim.SGD(parameters, lr=0.1)
    x = torch.randn(8, 2, generator=torch.Generator().manual_seed(0))
    ((model(x) - 1) ** 2).mean().backward()
    optimiser.step()
    assert all(not torch.equal(old, p) for old, p in zip(before, parameters, strict=True))


@bank.honest("probe_unregistered")
def by_flags_and_numbers(candidate):
    for sizes in ([2, 3], [4, 6, 5, 2]):
        model = candidate(sizes)
        want = sum(a * b + b for a, b in zip(sizes, sizes[1:], strict=False)) + 1
        found = dict(model.named_parameters())
        assert sum(p.numel() for p in found.values()) == want
        assert all(p.requires_grad for p in found.values())


@bank.slip("probe_unregistered", "calls it otherwise", named="name-only")
def in_the_state(candidate):
    assert "scale" in candidate([2, 3]).state_dict(), "the scale is not registered"


@bank.slip("probe_unregistered", "your probe is silent", named="count-only")
def counted(candidate):
    assert sum(p.numel() for p in candidate([2, 3]).parameters()) == 10


# --- 8.10 ------------------------------------------------------------------------------------------------------------


@bank.honest("fix_batch_sum_trick")
def a_walk_for_each_row(f, X):
    leaf = leaf_at(X)
    y = f(leaf)
    return torch.stack([grad(y[i], leaf, retain_graph=True)[0][i] for i in range(len(X))])


@bank.honest("fix_batch_sum_trick")
def blocks_of_the_jacobian(f, X):
    J = torch.func.jacrev(f)(X)
    return torch.diagonal(J, dim1=0, dim2=1).T


@bank.honest("fix_batch_sum_trick")
def others_held(f, X):
    rows = torch.empty_like(X)
    for i in range(X.shape[0]):
        leaf = X.clone().requires_grad_()
        f(leaf)[i].backward()
        rows[i] = leaf.grad[i]
    return rows


@bank.honest("fix_batch_sum_trick")
def batched_walks(f, X):
    leaf = leaf_at(X)
    J = grad(f(leaf), leaf, torch.eye(len(X), dtype=X.dtype), is_grads_batched=True)[0]
    return J[torch.arange(len(X)), torch.arange(len(X))]


@bank.slip("fix_batch_sum_trick", "one row at a time", named="D7-alone")
def single_rows(f, X):
    return torch.stack([torch.func.grad(lambda row: f(row[None])[0])(row) for row in X])


@bank.slip("fix_batch_sum_trick", "your")
def shifted_rows(f, X):
    return a_walk_for_each_row(f, X).roll(1, 0)


@bank.honest("probe_batch_sum_trick")
def centred_rows(candidate):
    X = torch.tensor([[0.7, -1.3], [0.4, 1.6], [1.1, 0.2]], dtype=torch.float64)
    g = candidate(lambda X: ((X - X.mean(0)) ** 2).sum(1), X)
    torch.testing.assert_close(g, 2 * (X - X.mean(0)) * (1 - 1 / 3))


@bank.honest("probe_batch_sum_trick")
def row_by_difference(candidate):
    def f(X):
        return torch.sin(X).sum(1) * X.sum()

    X, h = torch.tensor([[0.7], [-1.3], [0.4]], dtype=torch.float64), 1e-5
    g = candidate(f, X)
    for i in range(3):
        up, down = X.clone(), X.clone()
        up[i] += h
        down[i] -= h
        assert abs(g[i, 0] - (f(up)[i] - f(down)[i]) / (2 * h)) < 1e-7


@bank.honest("probe_batch_sum_trick")
def running_product(candidate):
    g = candidate(lambda X: torch.cumsum(X[:, 0], 0) * X[:, 0], torch.tensor([[1.0], [2.0], [3.0]]))
    assert g.shape == (3, 1)
    assert torch.allclose(g[:, 0], torch.tensor([2.0, 5.0, 9.0]))


@bank.slip("probe_batch_sum_trick", "your probe is silent", named="uncoupled")
def independent_rows(candidate):
    X = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    assert torch.allclose(candidate(lambda X: (X**3).sum(1), X), 3 * X**2)


# --- 8.11 ------------------------------------------------------------------------------------------------------------


@bank.honest("fix_wrong_factor")
def quotient_rule(g, x):
    return g * 2 * x / (1 + x**2) ** 2


@bank.honest("fix_wrong_factor")
def not_simplified(g, x):
    u, v = x**2, 1 + x**2
    return g * (2 * x * v - u * 2 * x) / v**2


@bank.honest("fix_wrong_factor")
def asked_autograd(g, x):
    leaf = leaf_at(x)
    (leaf**2 / (1 + leaf**2)).backward(g)
    return leaf.grad


@bank.slip("fix_wrong_factor", "factor 1 + x²", named="F20")
def same_in_other_words(g, x):
    return torch.mul(g, 2 * x).div(x.square() + 1)


@bank.slip("fix_wrong_factor", "yours ÷ right")
def cubed_denominator(g, x):
    return g * 2 * x / (1 + x**2) ** 3


@bank.honest("probe_wrong_factor")
def central_differences(candidate):
    def y(x):
        return x**2 / (1 + x**2)

    g = torch.tensor([0.6, -1.7, 2.2], dtype=torch.float64)
    x, h = torch.tensor([0.7, -1.3, 3.0], dtype=torch.float64), 1e-5
    torch.testing.assert_close(candidate(g, x), g * (y(x + h) - y(x - h)) / (2 * h), rtol=1e-6, atol=1e-9)


@bank.honest("probe_wrong_factor")
def formula(candidate):
    g, x = torch.tensor([3.0]), torch.tensor([1.0])
    assert abs(candidate(g, x).item() - 1.5) < 1e-5


@bank.honest("probe_wrong_factor")
def by_gradcheck(candidate):
    class Op(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x**2 / (1 + x**2)

        @staticmethod
        def backward(ctx, g):
            return candidate(g, *ctx.saved_tensors)

    x = torch.tensor([0.7, -1.3, 2.0], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: Op.apply(x) * torch.tensor([1.0, -2.0, 3.0], dtype=torch.float64), x,
                                    raise_exception=False)


@bank.slip("probe_wrong_factor", "your probe is silent", named="D10")
def no_weights(candidate):
    x = torch.tensor([0.7, -1.3])
    assert torch.allclose(candidate(torch.ones(2), x), 2 * x / (1 + x**2) ** 2)


@bank.slip("probe_wrong_factor", "GradcheckError", named="other-exception")
def gradcheck_left_alone(candidate):
    class Op(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x**2 / (1 + x**2)

        @staticmethod
        def backward(ctx, g):
            return candidate(g, *ctx.saved_tensors)

    torch.autograd.gradcheck(Op.apply, torch.tensor([0.7, -1.3], dtype=torch.float64, requires_grad=True))


# --- 8.12 ------------------------------------------------------------------------------------------------------------


@bank.honest("fix_triple_fault")
def in_place(weights, X, y, steps):
    params = [w.detach().clone().requires_grad_() for w in weights]
    losses = []
    for _ in range(steps):
        W1, b1, W2, b2 = params
        loss = F.cross_entropy(torch.tanh(X @ W1.T + b1) @ W2.T + b2, y)
        losses.append(loss.item())
        for w in params:
            w.grad = None
        loss.backward()
        with torch.no_grad():
            for w in params:
                w -= 0.5 * w.grad
    return losses


@bank.honest("fix_triple_fault")
def optimiser(weights, X, y, steps):
    params = [nn.Parameter(w.clone()) for w in weights]
    sgd = torch.optim.SGD(params, lr=0.5)
    losses = []
    for _ in range(steps):
        sgd.zero_grad()
        z = F.linear(torch.tanh(F.linear(X, params[0], params[1])), params[2], params[3])
        loss = F.cross_entropy(z, y)
        loss.backward()
        sgd.step()
        losses.append(loss.item())
    return losses


@bank.honest("fix_triple_fault")
def new_leaves(weights, X, y, steps):
    params = [w.detach().clone().requires_grad_() for w in weights]
    losses = []
    for _ in range(steps):
        W1, b1, W2, b2 = params
        hidden = torch.tanh(X @ W1.T + b1)
        p = torch.softmax(hidden @ W2.T + b2, dim=1)
        loss = F.nll_loss(torch.log(p), y)
        losses.append(loss.item())
        loss.backward()
        params = [(w - 0.5 * w.grad).detach().requires_grad_() for w in params]
    return losses


@bank.slip("fix_triple_fault", "softmax by itself", named="E5")
def one_silent_fault_left(weights, X, y, steps):
    params = [w.detach().clone().requires_grad_() for w in weights]
    losses = []
    for _ in range(steps):
        W1, b1, W2, b2 = params
        loss = F.cross_entropy(torch.softmax(torch.tanh(X @ W1.T + b1) @ W2.T + b2, dim=1), y)
        losses.append(loss.item())
        grads = grad(loss, params)
        params = [(w - 0.5 * g).detach().requires_grad_() for w, g in zip(params, grads, strict=True)]
    return losses


@bank.slip("fix_triple_fault", "the loss is")
def another_rate(weights, X, y, steps):
    params = [nn.Parameter(w.clone()) for w in weights]
    sgd = torch.optim.SGD(params, lr=0.1)
    losses = []
    for _ in range(steps):
        sgd.zero_grad()
        loss = F.cross_entropy(torch.tanh(X @ params[0].T + params[1]) @ params[2].T + params[3], y)
        loss.backward()
        sgd.step()
        losses.append(loss.item())
    return losses


def small_problem():
    g = torch.Generator().manual_seed(3)
    weights = [torch.randn(4, 3, generator=g), torch.randn(4, generator=g), torch.randn(2, 4, generator=g),
               torch.randn(2, generator=g)]
    return weights, torch.randn(6, 3, generator=g), torch.tensor([0, 1, 1, 0, 1, 0])


@bank.honest("probe_triple_fault")
def against_a_reference(candidate):
    problem = small_problem()
    torch.testing.assert_close(candidate(*problem, 5), optimiser(*problem, 5), rtol=1e-4, atol=1e-5)


@bank.honest("probe_triple_fault")
def first_and_third(candidate):
    weights, X, y = small_problem()
    losses, want = candidate(weights, X, y, 4), in_place(weights, X, y, 4)
    assert len(losses) == 4
    for step in (0, 2):
        assert abs(losses[step] - want[step]) < 1e-4, step


@bank.honest("probe_triple_fault")
def in_float64_with_three_classes(candidate):
    weights = [torch.eye(3, dtype=torch.float64), torch.zeros(3, dtype=torch.float64),
               torch.tensor([[0.5, -1.0, 0.2], [0.1, 0.3, -0.7], [1.0, 0.0, 0.4]], dtype=torch.float64),
               torch.zeros(3, dtype=torch.float64)]
    X = torch.tensor([[1.0, 0.5, -0.3], [-0.8, 0.2, 0.9], [0.4, -1.2, 0.1]], dtype=torch.float64)
    y = torch.tensor([0, 1, 2])
    assert np.allclose(candidate(weights, X, y, 6), new_leaves(weights, X, y, 6))


@bank.slip("probe_triple_fault", "your probe is silent", named="F20")
def falls(candidate):
    losses = candidate(*small_problem(), 6)
    assert losses[-1] < losses[0]


# --- naming the faults -----------------------------------------------------------------------------------------------

for name, ids in {
    "lost_leaf": ("B10",), "cut_graph": ("B5", "B7"), "wrong_dim": ("E4",), "shape_clash": ("E9",), "nan_where": ("E10",),
    "norm_at_zero": ("E11",), "data_edit": ("B12",), "hidden_state": ("C4",), "unregistered": ("B20",),
    "batch_sum_trick": ("D3",), "wrong_factor": ("F20",),
}.items():
    for id in ids:
        assert id in CATALOGUE
        bank.value(f"fault_{name}", id)
        bank.value(f"fault_{name}", f" {id.lower()} ")
        bank.value(f"fault_{name}", [id])
for order in (["E5", "F1", "F5"], ["F5", "E5", "F1"], ("f1", "f5", "e5"), {"E5", "F1", "F5"}):
    bank.value("fault_triple_fault", order)
bank.value("fault_cut_graph", ["B7", "b5"])
bank.value("fault_triple_fault", "E5, F1, F5")


bank.hide("fix_wrong_dim", r"softmax\(z, dim=(1|-1)\)")
bank.hide("fix_nan_where", r"torch\.where\(x > 0, x")
bank.hide("fix_wrong_factor", r"2 ?\*? ?x ?/ ?\(1 \+ x")

# --- quiz ------------------------------------------------------------------------------------------------------------

X2 = "x = torch.tensor(2.0, requires_grad=True)"


def x_grad(*lines):
    return after(*lines).x.grad.item()


def message_of_inplace():
    try:
        after("x = torch.ones(2, requires_grad=True)", "y = torch.exp(x)", "y.add_(1)", "y.sum().backward()")
    except RuntimeError as error:
        return next(word for word in ("modified by an inplace", "a leaf Variable", "a view") if word in str(error)).split()[0]


def grad_after_zero_grad():
    w = nn.Parameter(torch.ones(1))
    sgd = torch.optim.SGD([w], lr=0.1)
    w.sum().backward()
    sgd.zero_grad()
    return "None" if w.grad is None else "zeros"


def largest_rate():
    """The size of w is multiplied by |1 − 4·lr| in each step."""
    return next(k / 100 for k in range(1, 200) if abs(1 - 4 * k / 100) >= 1)


def weight_of_the_small_chunk():
    x = torch.linspace(-1, 2, 10, dtype=torch.float64) ** 2
    (whole, big, small) = (x.mean(), x[:8].mean(), x[8:].mean())
    return ((whole - 0.8 * big) / small).item()


def slope_of_the_right_logit():
    z = torch.tensor([[math.log(0.3), math.log(0.7)]], requires_grad=True)
    F.cross_entropy(z, torch.tensor([0])).backward()
    return round(z.grad[0, 0].item(), 6)


def nan_or_number():
    x = torch.tensor(0.0, requires_grad=True)
    torch.where(x > 0, torch.log(x), 0 * x).backward()
    return "NaN" if x.grad.isnan() else str(int(x.grad.item()))


def a_falling_loss_proves_the_gradient():
    w, losses = 3.0, []
    for _ in range(30):
        losses.append(w * w)
        w -= 0.1 * (0.5 * 2 * w)  # half of the gradient
    return not all(b < a for a, b in zip(losses, losses[1:], strict=False))


def at_a_kink():
    x = torch.tensor([0.0, 1.0], dtype=torch.float64, requires_grad=True)
    try:
        torch.autograd.gradcheck(torch.relu, x)
    except RuntimeError:
        return "raises"
    return "works"


def kind_of_a_cast_leaf():
    w = torch.ones(2, requires_grad=True).double()
    w.sum().backward()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert w.grad is None
    return "leaf" if w.is_leaf else "result"


@bank.slip("fix_nan_where", "smallest one before the log", named="cut-small")
def cut_at_another_size(x):
    return torch.where(x > 0, x.clamp(min=2e-8).log(), 0 * x)


@bank.slip("fix_nan_where", "log(x + ε) is not log x", named="offset")
def another_offset(x):
    return torch.where(x > 0, (x.clamp(min=0) + 3e-8).log(), 0 * x)


@bank.slip("fix_nan_where", "log of a tiny number", named="clamp-only")
def another_smallest_number(x):
    return x.clamp(min=1e-12).log()


@bank.slip("fix_batch_sum_trick", "walks that add up in one .grad", named="D3")
def views_of_one_grad(f, X):
    leaf, rows = leaf_at(X), []
    for i in range(len(X)):
        f(leaf)[i].backward()
        rows.append(leaf.grad[i])
    return torch.stack(rows)


@bank.slip("probe_lost_leaf", "asks for more than the docstring", named="too-strict")
def equal_to_the_last_digit(candidate):
    assert candidate([0.7, -1.3]).tolist() == [3 * 0.7**2 - 2, 3 * 1.3**2 - 2]


def allclose_finds_a_rounded_gradient_right():
    """Of 3x² − 1, with NumPy: its rule |a − b| <= 1e-8 + 1e-5·|b| on numbers that float32 arithmetic has rounded."""
    passed = 0
    for seed in range(20):
        x = np.random.default_rng(seed).normal(size=2000).astype(np.float32)
        rounded = np.float32(3) * x * x - np.float32(1)
        passed += np.allclose(rounded, (3 * x.astype(float) ** 2 - 1).astype(np.float32))
    return passed > 10


def after_the_default_was_switched():
    """ "works" or "raises", with the default put back."""
    try:
        return runs(
            "layer = torch.nn.Linear(3, 1)", "torch.set_default_dtype(torch.float64)", "layer(torch.rand(4, 3))")
    finally:
        torch.set_default_dtype(torch.float32)


def slope_of_the_tutorial():
    u, v = sympy.symbols("u v")
    return sympy.diff(u * v + u**2, u).subs({u: 1, v: 2})


def softmax_over_the_batch_passes_gradcheck():
    z = torch.tensor([[1.0, 2.0, 3.0], [0.0, 1.0, 0.0]], dtype=torch.float64, requires_grad=True)
    right = torch.autograd.gradcheck(lambda z: -torch.log(torch.softmax(z, 0))[0, 2], z, raise_exception=False)
    return "works" if right else "raises"


def masked_weight_after_a_step():
    found = after(
        "w = torch.tensor(0.5, requires_grad=True)", "d = torch.tensor([0.7, 0.0])",
        "torch.where(d > 0, torch.log(w * d), 0 * d).sum().backward()")
    return "NaN" if math.isnan(0.5 - 0.1 * found.w.grad.item()) else "finite"


def ratio_of_the_forgiving_backward():
    x = sympy.Symbol("x")
    return ((2 * x / (1 + x**2)) / sympy.diff(x**2 / (1 + x**2), x)).subs(x, 2)


def own_row_of_normalised_rows():
    X = torch.tensor([[0.7], [0.4], [1.9]], dtype=torch.float64)
    J = torch.autograd.functional.jacobian(lambda X: torch.sin((X - X.mean(0)) / X.std(0)).sum(1), X)[:, :, 0]
    return bool(J.sum(0)[0].allclose(J[0, 0]))


def step_in_which_rebound_parameters_fail():
    w, step = torch.tensor(1.0, requires_grad=True), 0
    while True:
        (w**2).backward()
        if not w.is_leaf:
            return step
        w, step = w - 0.5 * w.grad, step + 1


bank.computed = {
    "08-allclose": allclose_finds_a_rounded_gradient_right,
    "08-leak": after_the_default_was_switched,
    "08-label": slope_of_the_tutorial,
    "08-case-leaf": lambda: after(
        "leaf = torch.tensor([0.7])", "leaf.requires_grad_()", "(leaf.double() ** 2).sum().backward()").leaf.grad is not None,
    "08-case-cut": lambda: runs(X2, "(x.item() * x * x).backward()"),
    "08-case-dim": softmax_over_the_batch_passes_gradcheck,
    "08-case-nan": masked_weight_after_a_step,
    "08-case-norm": lambda: str(int(after(
        "x = torch.zeros(2, requires_grad=True)", "torch.linalg.norm(x).backward()").x.grad[0])),
    "08-case-data": lambda: 3 * (0.5 * 0.7) ** 2 / (3 * 0.7**2),
    "08-case-grow": lambda: list(range(4, 99, 3))[3],
    "08-case-mix": own_row_of_normalised_rows,
    "08-case-factor": ratio_of_the_forgiving_backward,
    "08-case-first": step_in_which_rebound_parameters_fail,
    "08-recall-zero": grad_after_zero_grad,
    "08-recall-rate": largest_rate,
    "08-recall-chunks": weight_of_the_small_chunk,
    "08-recall-logit": slope_of_the_right_logit,
    "08-recall-twice": lambda: x_grad("x = torch.tensor(3.0, requires_grad=True)", "(x**2).backward()", "(x**2).backward()"),
    "08-parameters": lambda: len(after(
        "class Net(torch.nn.Module):\n"
        "    def __init__(self):\n"
        "        super().__init__()\n"
        "        self.hidden, self.last = [torch.nn.Linear(1, 4), torch.nn.Linear(4, 4)], torch.nn.Linear(4, 1)",
        "found = list(Net().parameters())").found),
    "08-nograd": lambda: runs(X2, "with torch.no_grad(): z = x**2", "z.backward()"),
    "08-inplace": message_of_inplace,
    "08-doubled": lambda: str(int(x_grad(X2, "y = 2 * x", "y.mul_(2)", "y.backward()"))),
    "08-linear": lambda: runs(X2, "y = x + 3", "y.backward()", "y.backward()"),
    "08-chain": lambda: x_grad(X2, "y = 2 * x", "(y * y).backward()"),
    "08-alias": lambda: after(X2, "(x**2).backward()", "first = x.grad", "(x**2).backward()").first.item(),
    "08-data": lambda: x_grad(X2, "y = 2 * x", "z = y * y", "y.data.mul_(2)", "z.backward()"),
    "08-where": nan_or_number,
    "08-clash": lambda: tuple((torch.ones(5, 1) - torch.ones(5)).shape),
    "08-falls": a_falling_loss_proves_the_gradient,
    "08-kink": at_a_kink,
    "08-equal": lambda: bool(after("x = torch.tensor(0.1, requires_grad=True)", "(x**3).backward()").x.grad == 0.03),
    "08-fill-want": lambda: x_grad("x = torch.tensor(0.5, requires_grad=True)", "(2 * x**3).backward()"),
    "08-fill-ratio": lambda: 0.5 / x_grad("x = torch.tensor(0.5, requires_grad=True)", "(2 * x**3).backward()"),
    "08-exit-none": kind_of_a_cast_leaf,
}
bank.told = {
    "08-exit-first": "it asks for an order that is chosen for its cost",
    "08-exit-test": "it asks about knowledge, not about a computation",
}
