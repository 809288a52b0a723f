"""The runs that lesson 07 shows, each against something that knows nothing of the loop: least squares, a closed form,
Newton's method, torch.optim, differences.
"""

import itertools
import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from course_lib.judge import LocalSource, judge
from course_lib.keys import optimisers
from course_lib.keys.loops import LOOP_LINES, ROUNDS, bowl, descend_line, loop_order, planted_line, run_loop
from course_lib.keys.loops_gradients import full_gradient, two_layers
from course_lib.keys.loops_runs import BOUND, FAULTS, corners, script_with_three_faults

FLOAT32 = 2e-5


# --- R1: a line ------------------------------------------------------------------------------------------------------


def line_data(seed=0, noise=0.1):
    """(x, y, start w, start b) as lesson 07 makes them."""
    g = torch.Generator().manual_seed(seed)
    x = torch.linspace(-5, 5, 100)
    y = 2 * x - 1 + noise * torch.randn(100, generator=g)
    return x, y, torch.randn(1, generator=g), torch.randn(1, generator=g)


def least_squares(x, y):
    A = torch.stack([x, torch.ones_like(x)], 1).double()
    return torch.linalg.lstsq(A, y.double()).solution


def losses_of(optimiser, loss_of, steps):
    """The loss before each step of an ordinary training loop."""
    losses = []
    for _ in range(steps):
        optimiser.zero_grad()
        loss = loss_of()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    return losses


def train_line(x, y, w, b, epochs, make=lambda params: torch.optim.SGD(params, lr=0.01)):
    w, b = w.clone().requires_grad_(), b.clone().requires_grad_()
    losses = losses_of(make([w, b]), lambda: ((w * x + b - y) ** 2).mean(), epochs)
    return w.item(), b.item(), losses


@pytest.mark.parametrize("seed", [0, 1, 42])
def test_every_place_of_the_line_is_the_one_of_the_closed_form(seed):
    x, y, w0, b0 = line_data(seed)
    best = least_squares(x, y)
    factors = 1 - 0.02 * torch.tensor([(x.double() ** 2).mean().item(), 1.0])
    start = torch.cat([w0, b0]).double()
    for epochs in (1, 10, 40, 100):
        got = torch.tensor(train_line(x, y, w0, b0, epochs)[:2])
        assert torch.allclose(got.double(), best + (start - best) * factors**epochs, atol=FLOAT32)


def test_the_line_of_seed_0_has_the_reference_numbers():
    x, y, w0, b0 = line_data()
    w, b, losses = train_line(x, y, w0, b0, 100)
    assert (w0.item(), b0.item()) == pytest.approx((1.323202, 0.037114), abs=1e-6)
    assert (w, b, losses[0]) == pytest.approx((1.999973, -0.859237, 4.972351), abs=FLOAT32)
    assert least_squares(x, y).tolist() == pytest.approx([1.999973, -0.996286], abs=1e-6)


def test_the_mean_of_the_squares_of_x_is_what_the_formula_says():
    assert (line_data()[0].double() ** 2).mean().item() == pytest.approx(25 / 3 * 101 / 99)


@pytest.mark.parametrize("lr, converges", [(0.1, True), (0.117, True), (0.118, False), (0.12, False)])
def test_the_line_converges_up_to_one_over_the_mean_of_the_squares(lr, converges):
    x, y, w0, b0 = line_data()
    w = train_line(x.double(), y.double(), w0.double(), b0.double(), 1000, lambda p: torch.optim.SGD(p, lr=lr))[0]
    assert (abs(w - 2) < 0.1) == converges and (lr < 1 / (x**2).mean().item()) == converges


def test_no_seed_can_give_the_impossible_log():
    """What is left of the error of w and b after ten epochs does not depend on the data's noise: 0.155 and 0.817."""
    left = [(1 - 0.02 * curvature) ** 10 for curvature in (25 / 3 * 101 / 99, 1)]
    assert left == pytest.approx([0.1551, 0.8171], abs=1e-4)
    ends = [train_line(*line_data(seed), 100)[0] for seed in range(20)]
    assert 1.98 < min(ends) and max(ends) < 2.02


# --- R2: accumulation ------------------------------------------------------------------------------------------------


def accumulation(batches, divisors, updates):
    """The model of R2 after steps behind the batches whose number is in updates."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model, X, y = nn.Linear(10, 1), torch.randn(100, 10), torch.randn(100, 1)
    optimiser, at, before = torch.optim.SGD(model.parameters(), lr=0.01), 0, [p.detach().clone() for p in model.parameters()]
    for number, (size, divisor) in enumerate(zip(batches, divisors, strict=True), 1):
        (F.mse_loss(model(X[at : at + size]), y[at : at + size]) / divisor).backward()
        at += size
        if number in updates:
            optimiser.step()
            optimiser.zero_grad()
    return torch.cat([(p.detach() - old).flatten() for p, old in zip(model.parameters(), before, strict=True)])


def test_two_batches_of_ten_with_a_divisor_are_one_of_twenty():
    small = accumulation([10] * 4, [2] * 4, {2, 4})
    assert torch.allclose(small, accumulation([20, 20], [1, 1], {1, 2}), atol=1e-8)
    assert small.norm().item() == pytest.approx(0.017391, abs=1e-6)
    assert accumulation([10] * 4, [1] * 4, {2, 4}).norm().item() == pytest.approx(0.034564, abs=1e-6)
    doubled = accumulation([10, 10], [1, 1], {2})
    assert torch.allclose(doubled, 2 * accumulation([20], [1], {1}), atol=1e-8)


def test_the_data_of_the_batches_have_the_reference_errors():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model, X, y = nn.Linear(10, 1), torch.randn(100, 10), torch.randn(100, 1)
    A = np.column_stack([X.numpy(), np.ones(100)]).astype(float)
    best = np.linalg.lstsq(A, y.numpy().astype(float), rcond=None)[0]
    assert F.mse_loss(model(X), y).item() == pytest.approx(1.031737, abs=1e-5)
    assert ((A @ best - y.numpy()) ** 2).mean() == pytest.approx(0.804307, abs=1e-5)


def test_unequal_batches_need_their_shares():
    whole = accumulation([14], [1], {1})
    assert not torch.allclose(accumulation([10, 4], [2, 2], {2}), whole, atol=1e-4)
    assert torch.allclose(accumulation([10, 4], [14 / 10, 14 / 4], {2}), whole, atol=1e-8)


# --- R3: optimisers --------------------------------------------------------------------------------------------------

R3 = [  # (optimiser, w, b after 100 epochs, how close)
    (lambda p: torch.optim.SGD(p, lr=0.01), 1.99997, -0.85924),
    (lambda p: torch.optim.SGD(p, lr=0.01, momentum=0.9), 1.99997, -0.99192),
    (lambda p: torch.optim.Adam(p, lr=0.1), 2.00046, -0.99512),
    (lambda p: torch.optim.Adam(p, lr=0.01), 1.96413, -0.74726),
    (lambda p: torch.optim.RMSprop(p, lr=0.01), 1.99986, -0.98077),
]


@pytest.mark.parametrize("make, w, b", R3)
def test_every_optimiser_ends_where_the_reference_ends(make, w, b):
    got = train_line(*line_data(), 100, make)
    assert got[:2] == pytest.approx((w, b), abs=5e-5)


@pytest.mark.parametrize("make", [R3[k][0] for k in (0, 1, 2, 3)])
def test_every_optimiser_reaches_least_squares_in_the_end(make):
    x, y, w0, b0 = line_data()
    assert train_line(x, y, w0, b0, 800, make)[:2] == pytest.approx(least_squares(x, y).tolist(), abs=1e-3)


def rmsprop_by_definition(lr, epochs, alpha=0.99, eps=1e-8):
    """The places of (w, b) on R1's data, from least squares and the curvatures alone: the gradient is H·(place − best)."""
    x, y, w0, b0 = line_data()
    best, x = least_squares(x, y).numpy(), x.double().numpy()
    H = 2 * np.array([[np.mean(x * x), np.mean(x)], [np.mean(x), 1]])
    place, square, path = np.array([w0.item(), b0.item()]), np.zeros(2), []
    for _ in range(epochs):
        gradient = H @ (place - best)
        square = alpha * square + (1 - alpha) * gradient**2
        place = place - lr * gradient / (np.sqrt(square) + eps)
        path.append(place)
    return path


@pytest.mark.parametrize("lr", [0.01, 0.05])
def test_rmsprop_walks_the_path_of_its_definition(lr):
    path = rmsprop_by_definition(lr, 250)
    data = [part.double() for part in line_data()]
    for epochs in (1, 10, 100, 250):
        got = train_line(*data, epochs, lambda p: torch.optim.RMSprop(p, lr=lr))[:2]
        assert got == pytest.approx(tuple(path[epochs - 1]), abs=1e-6), epochs


def test_rmsprop_at_a_larger_rate_is_there_early_and_does_not_stay():
    """It divides by the size of late gradients, and what is left of them in float32 is rounding: that makes whole steps again."""
    lr, (x, y, w0, b0) = 0.05, line_data()
    best, params = least_squares(x, y), [w0.clone().requires_grad_(), b0.clone().requires_grad_()]
    optimiser, places = torch.optim.RMSprop(params, lr=lr), [torch.cat([w0, b0])]
    for _ in range(500):
        optimiser.zero_grad()
        ((params[0] * x + params[1] - y) ** 2).mean().backward()
        optimiser.step()
        places.append(torch.cat(params).detach())
    places = torch.stack(places).double()
    off = (places - best).abs().amax(1)
    assert off[100] < FLOAT32 and places[100].tolist() == pytest.approx([1.99997, -0.99629], abs=5e-5)
    assert 1e-3 < off[250:].max() < 10 * lr  # the reference is off by 0.005 after 500; where exactly is a matter of rounding
    assert (places[1:] - places[:-1]).abs().max() <= lr / math.sqrt(1 - 0.99) * (1 + 1e-5)  # v is at least (1 − α)·g²


@pytest.mark.parametrize(
    "make, wanted",
    [
        (lambda p: torch.optim.SGD(p, lr=0.01), (0.340067, -0.02)),
        (lambda p: torch.optim.SGD(p, lr=0.01, momentum=0.9), (0.340067, -0.02)),
        (lambda p: torch.optim.Adam(p, lr=0.01), (0.01, -0.01)),
        (lambda p: torch.optim.RMSprop(p, lr=0.01), (0.1, -0.1)),
    ],
)
def test_the_first_steps_are_what_the_formulas_say(make, wanted):
    x = torch.linspace(-5, 5, 100, dtype=torch.float64)
    zero = torch.zeros(1, dtype=torch.float64)
    got = train_line(x, 2 * x - 1, zero, zero, 1, make)
    assert got[:2] == pytest.approx(wanted, abs=1e-6)


MINE = [(optimisers.Momentum, {"lr": 0.05, "momentum": 0.9}, torch.optim.SGD)] + [
    (optimisers.Adam, {"lr": 0.05, "weight_decay": decay, "eps": eps, "betas": betas}, torch.optim.Adam)
    for decay in (0.0, 0.3) for eps in (1e-8, 0.05) for betas in ((0.9, 0.999), (0.8, 0.95))
]


@pytest.mark.parametrize("reference, settings, theirs", MINE)
def test_the_references_of_the_key_walk_as_torch_does(reference, settings, theirs):
    rng = np.random.default_rng(0)
    numbers = [rng.normal(size=shape) for shape in ((3, 2), (2,), (3, 2), (2,))]
    w, b = optimisers.walk(reference(**settings), *numbers)
    got = optimisers.twenty_steps(theirs, *map(torch.tensor, numbers), settings)
    assert got["w"].numpy() == pytest.approx(w, abs=1e-10) and got["b"].numpy() == pytest.approx(b, abs=1e-10)


# --- R4 and R5: classification ---------------------------------------------------------------------------------------


def logistic_data():
    g = torch.Generator().manual_seed(0)
    X = torch.randn(200, 2, generator=g, dtype=torch.float64)
    p = torch.sigmoid(X @ torch.tensor([1.5, -2.0], dtype=torch.float64) + 0.5)
    return X, torch.bernoulli(p, generator=g)


def test_logistic_regression_ends_where_newton_does():
    X, y = logistic_data()
    w, b = torch.zeros(2, dtype=torch.float64, requires_grad=True), torch.zeros((), dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.SGD([w, b], lr=0.5)
    for step in range(2000):
        optimiser.zero_grad()
        loss = F.binary_cross_entropy_with_logits(X @ w + b, y)
        loss.backward()
        if step == 0:
            assert loss.item() == pytest.approx(math.log(2))
            assert w.grad.numpy() == pytest.approx((X.T @ (0.5 - y) / 200).numpy())
            assert (*w.grad.tolist(), b.grad.item()) == pytest.approx((-0.205305, 0.213220, -0.04), abs=1e-6)
        optimiser.step()
    A = np.column_stack([X.numpy(), np.ones(200)])
    newton = np.zeros(3)
    for _ in range(30):
        p = 1 / (1 + np.exp(-A @ newton))
        newton -= np.linalg.solve(A.T @ (A * (p * (1 - p))[:, None]), A.T @ (p - y.numpy()))
    assert (*w.tolist(), b.item()) == pytest.approx(newton, abs=1e-9)
    assert newton == pytest.approx([1.463243, -1.675970, 0.365461], abs=1e-6)


def softmax_data():
    g = torch.Generator().manual_seed(0)
    y = torch.arange(300) % 3
    centres = torch.tensor([[2, 0], [-1, 1.7], [-1, -1.7]], dtype=torch.float64)
    return centres[y] + torch.randn(300, 2, generator=g, dtype=torch.float64), y


def test_softmax_regression_is_stationary_and_agrees_with_scikit_learn():
    from sklearn.linear_model import LogisticRegression

    X, y = softmax_data()
    W, b = torch.zeros(3, 2, dtype=torch.float64, requires_grad=True), torch.zeros(3, dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.SGD([W, b], lr=0.5)
    for step in range(3000):
        optimiser.zero_grad()
        loss = F.cross_entropy(X @ W.T + b, y)
        loss.backward()
        if step == 0:
            assert loss.item() == pytest.approx(math.log(3))
        optimiser.step()
    assert W.grad.abs().max() < 1e-12 and W.sum(0).abs().max() < 1e-12
    assert loss.item() == pytest.approx(0.2327390, abs=1e-6)
    theirs = LogisticRegression(C=np.inf, tol=1e-10, max_iter=5000).fit(X.numpy(), y.numpy())
    assert W.detach().numpy() == pytest.approx(theirs.coef_ - theirs.coef_.mean(0), abs=1e-4)


def moons(seed, n=200):
    g = torch.Generator().manual_seed(seed)
    t, y = torch.rand(n, generator=g) * math.pi, torch.arange(n) % 2
    upper, lower = torch.stack([t.cos(), t.sin()], 1), torch.stack([1 - t.cos(), 0.5 - t.sin()], 1)
    return torch.where(y[:, None] == 0, upper, lower) + 0.1 * torch.randn(n, 2, generator=g), y


def fresh(make, seed=0):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return make()


def test_a_small_network_separates_the_moons_and_a_line_does_not():
    X, y = moons(0)
    model = fresh(lambda: nn.Sequential(nn.Linear(2, 16), nn.ReLU(), nn.Linear(16, 2)))
    losses = losses_of(torch.optim.Adam(model.parameters(), lr=0.05), lambda: F.cross_entropy(model(X), y), 300)
    assert losses[0] == pytest.approx(0.7544, abs=1e-3) and losses[-1] < 0.01
    X_new, y_new = moons(1)
    assert (model(X_new).argmax(1) == y_new).float().mean() > 0.98
    double = model.double()
    (gradient,) = torch.autograd.grad(F.cross_entropy(double(X.double()), y), double[0].weight)
    h, weight = 1e-6, double[0].weight.data
    for at in ((0, 0), (3, 1)):
        heights = []
        for sign in (1, -1):
            weight[at] += sign * h
            heights.append(F.cross_entropy(double(X.double()), y).item())
            weight[at] -= sign * h
        assert gradient[at].item() == pytest.approx((heights[0] - heights[1]) / (2 * h), abs=1e-7)


CORNERS, ODD = np.array([[0, 0], [0, 1], [1, 0], [1, 1]]), np.array([0, 1, 1, 0])


def binary_cross_entropy(z):
    return np.mean(np.logaddexp(0, z) - ODD * z)


def xor_by_hand(parameters, steps, lr=0.05):
    """The losses of a 2→n→1 network with tanh on XOR: chain rule and Adam, both as they are defined."""
    parameters = [part.copy() for part in parameters]
    means, squares = ([np.zeros_like(part) for part in parameters] for _ in range(2))
    losses = []
    for t in range(1, steps + 1):
        W, b, v, c = parameters
        h = np.tanh(CORNERS @ W.T + b)
        z = (h @ v.T + c)[:, 0]
        losses.append(binary_cross_entropy(z))
        arriving = ((1 / (1 + np.exp(-z)) - ODD) / 4)[:, None]
        inside = arriving @ v * (1 - h**2)
        gradients = inside.T @ CORNERS, inside.sum(0), arriving.T @ h, arriving.sum(0)
        for i, g in enumerate(gradients):
            means[i] = 0.9 * means[i] + 0.1 * g
            squares[i] = 0.999 * squares[i] + 0.001 * g**2
            parameters[i] = parameters[i] - lr * (means[i] / (1 - 0.9**t)) / (np.sqrt(squares[i] / (1 - 0.999**t)) + 1e-8)
    return losses


def test_xor_is_learned_as_by_hand_and_no_line_can_learn_it():
    model = fresh(lambda: nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 1))).double()
    by_hand = xor_by_hand([part.detach().numpy() for part in model.parameters()], 500)
    X, y = torch.tensor(CORNERS, dtype=torch.float64), torch.tensor(ODD, dtype=torch.float64)[:, None]
    optimiser = torch.optim.Adam(model.parameters(), lr=0.05)
    losses = losses_of(optimiser, lambda: F.binary_cross_entropy_with_logits(model(X), y), 500)
    assert losses == pytest.approx(by_hand, rel=1e-6) and by_hand[-1] == pytest.approx(2.2e-4, rel=0.05)
    # For a line the loss is convex, and at 0 its gradient vanishes: no line gets below ln 2, 3000 times as much.
    with_bias = np.column_stack([CORNERS, np.ones(4)])
    assert np.allclose(with_bias.T @ (0.5 - ODD), 0) and binary_cross_entropy(np.zeros(4)) == pytest.approx(math.log(2))
    assert by_hand[-1] < math.log(2) / 2000


# --- R6: gradient flow -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "activation, first, last", [(nn.Sigmoid, 5.1e-7, 4.0e-2), (nn.Tanh, 1.4e-3, 4.4e-3), (nn.ReLU, 1.7e-4, 7.7e-4)]
)
def test_gradients_fade_towards_the_first_layer(activation, first, last):
    X, y = moons(0)

    def deep():
        widths = [2, *[16] * 6]
        layers = [layer for a, b in zip(widths, widths[1:], strict=False) for layer in (nn.Linear(a, b), activation())]
        return nn.Sequential(*layers, nn.Linear(16, 2))

    model = fresh(deep)
    F.cross_entropy(model(X), y).backward()
    sizes = [layer.weight.grad.abs().mean().item() for layer in model if isinstance(layer, nn.Linear)]
    assert (sizes[0], sizes[-1]) == pytest.approx((first, last), rel=0.05)
    if activation is nn.Sigmoid:  # each layer multiplies by at most ¼ times the norm of its weights
        bound = math.prod(0.25 * layer.weight.detach().norm().item() for layer in model[2::2])
        assert sizes[0] < bound


@pytest.mark.parametrize("activation, end", [(nn.Sigmoid, 0.6931), (nn.Tanh, 0.2481), (nn.ReLU, 0.6876)])
def test_after_200_steps_a_deep_network_is_where_the_reference_says(activation, end):
    X, y = moons(0)
    widths = [2, *[16] * 6]
    model = fresh(lambda: nn.Sequential(
        *(layer for a, b in zip(widths, widths[1:], strict=False) for layer in (nn.Linear(a, b), activation())), nn.Linear(16, 2)
    ))  # fmt: skip
    *_, loss = losses_of(torch.optim.SGD(model.parameters(), lr=0.1), lambda: F.cross_entropy(model(X), y), 200)
    assert loss == pytest.approx(end, abs=2e-3)


# --- the data and references of the key ------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(5))
def test_the_planted_line_is_found_within_a_twentieth(seed):
    import random

    x, y = planted_line(random.Random(seed), 1.7, -0.6)
    w, b, losses = descend_line(x, y, 0.1, 200)
    assert abs(w - 1.7) < 0.05 and abs(b + 0.6) < 0.05 and losses[:60] == sorted(losses[:60], reverse=True)
    assert (w, b) == pytest.approx(np.polyfit(x[:, 0], y[:, 0], 1), abs=1e-3)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("n", [2, 3, 5])
def test_just_below_the_limit_a_bowl_converges_and_just_above_it_does_not(seed, n):
    import random

    A = bowl(random.Random(seed), n)
    limit = 2 / np.linalg.eigvalsh(A).max()
    for share, converges in ((0.99, True), (1.01, False)):
        end = np.linalg.matrix_power(np.eye(n) - share * limit * A, 3000) @ np.ones(n)
        assert (np.linalg.norm(end) < 1e-6) == converges
    assert A.diagonal().max() < 0.95 * np.linalg.eigvalsh(A).max()


def test_the_full_gradient_of_the_key_is_that_of_autograd():
    rng = np.random.default_rng(1)
    weights = [rng.normal(size=shape).tolist() for shape in ((4, 3), (4,), (1, 4), (1,))]
    X, y = rng.normal(size=(10, 3)), rng.normal(size=(10, 1))
    model = two_layers(*weights)
    F.mse_loss(model(torch.tensor(X)), torch.tensor(y)).backward()
    for parameter, want in zip(model.parameters(), full_gradient(weights, X, y), strict=True):
        assert parameter.grad.numpy() == pytest.approx(want)


def obeys_the_rule(order):
    """Forward before loss before backward before step, clearing anywhere but between backward and step."""
    place = {label: order.index(label) for label in order}
    if set(order) != set("CFABE"):
        return False
    return place["C"] < place["F"] < place["A"] < place["B"] and not place["A"] < place["E"] < place["B"]


def test_exactly_the_orders_that_obey_the_rule_train():
    right = [order for order in map("".join, itertools.permutations(LOOP_LINES, 5)) if {"A", "B", "C", "F"} <= set(order)]
    assert sum(map(obeys_the_rule, right)) == 4 and ROUNDS > 3
    for order in right:
        (w, b), problem = run_loop(list(order))
        trains = problem is None and abs(w - run_loop(list("CFEAB"))[0][0]) < 1e-9
        assert trains == obeys_the_rule(order), order
    assert judge(loop_order, LocalSource(list("CFEAB"))).passed


@pytest.mark.parametrize("order, named", [
    ("CHFAB", "graph-cut"), ("CFGAB", "B7"), ("CFABG", "F1"), ("CFADB", "F1"), ("ECAFB", "too-early"), ("ECFAG", ""),
])  # fmt: skip
def test_an_order_with_two_faults_is_named_by_the_one_that_stops_it(order, named):
    assert judge(loop_order, LocalSource(list(order))).misconception == named


@pytest.mark.parametrize("seed", range(4))
def test_equal_hidden_units_cannot_get_near_the_bound(seed):
    import random

    X, y = map(torch.tensor, corners(random.Random(seed)))
    model = nn.Sequential(nn.Linear(2, 16), nn.Tanh(), nn.Linear(16, 2)).double()
    for parameter in model.parameters():
        nn.init.constant_(parameter, 0.5)
    losses = losses_of(torch.optim.Adam(model.parameters(), lr=0.05), lambda: F.cross_entropy(model(X), y), 600)
    assert min(losses) > 2 * BOUND


def test_different_hidden_units_reach_the_bound_from_every_start():
    import random

    X, y = map(torch.tensor, corners(random.Random(0)))
    for seed in range(10):
        model = fresh(lambda: nn.Sequential(nn.Linear(2, 16), nn.Tanh(), nn.Linear(16, 2)).double(), seed)
        optimiser = torch.optim.Adam(model.parameters(), lr=0.05)
        *_, loss = losses_of(optimiser, lambda model=model: F.cross_entropy(model(X), y), 300)
        assert loss < BOUND / 4


def test_the_three_faults_are_in_the_script_and_none_of_the_others():
    import random

    X, y = map(torch.tensor, corners(random.Random(0)))
    losses = script_with_three_faults(X, y, 5)
    assert len({loss.item() for loss in losses}) == 1 and losses[0].requires_grad and set("BDF") < set(FAULTS)
