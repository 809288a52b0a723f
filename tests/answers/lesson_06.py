"""Answers to lesson 06 as students write them."""

import math

import numpy as np
import sympy
import torch
import torch.nn.functional as F
from torch.autograd import grad
from torch.func import jacfwd, jacrev, vjp

from tests.answers import Bank, after, runs

bank = Bank("06")


def leaf_at(x):
    return x.detach().clone().requires_grad_()


# --- 6.1 and 6.2 -----------------------------------------------------------------------------------------------------


@bank.honest("relu_backward")
def by_where(g, x):
    return torch.where(x > 0, g, torch.zeros_like(g))


@bank.honest("relu_backward")
def by_autograd(g, x):
    leaf = leaf_at(x)
    torch.relu(leaf).backward(g)
    return leaf.grad


@bank.honest("relu_backward")
def open_at_zero(g, x):
    gate = torch.ones_like(x)
    gate[x < 0] = 0
    return gate * g


@bank.honest("relu_backward")
def half_open_at_zero(g, x):
    return g * (torch.sign(x) + 1) / 2


@bank.honest("relu_backward")
def heaviside(g, x):
    return g * torch.heaviside(x, torch.tensor(0.5, dtype=x.dtype))


@bank.honest("relu_backward")
def in_a_loop(g, x):
    return torch.tensor([float(gi) if xi > 0 else 0.0 for gi, xi in zip(g, x, strict=True)])


@bank.slip("relu_backward", "flat there", named="sign")
def sign_written_out(g, x):
    return torch.where(x > 0, g, -g) * (x != 0)


@bank.slip("relu_backward", "0.5 every time")
def half_a_gate(g, x):
    return g * (torch.sign(x) + 1) * 0.25


@bank.honest("sigmoid_slope")
def both_sides(z):
    return torch.sigmoid(z) * torch.sigmoid(-z)


@bank.honest("sigmoid_slope")
def through_logarithms(z):
    return torch.exp(F.logsigmoid(z) + F.logsigmoid(-z))


@bank.honest("sigmoid_slope")
def small_exponential(z):
    e = torch.exp(-z.abs())
    return e / (1 + e) ** 2


@bank.honest("sigmoid_slope")
def by_cosh(z):
    return 1 / (4 * torch.cosh(z / 2) ** 2)


@bank.honest("sigmoid_slope")
def even_function(z):
    s = torch.sigmoid(-z.abs())
    return s * (1 - s)


@bank.slip("sigmoid_slope", "or a limit", named="eps")
def kept_within_limits(z):
    z = z.clamp(-30, 30)
    return torch.sigmoid(z) * torch.sigmoid(-z)


@bank.slip("sigmoid_slope", "rounded to 1", named="E3")
def by_autograd_of_sigmoid(z):
    leaf = leaf_at(z)
    torch.sigmoid(leaf).sum().backward()
    return leaf.grad


@bank.slip("sigmoid_slope", "inf/inf", named="E12")
def plain_quotient(z):
    return torch.exp(-z) / (1 + 2 * torch.exp(-z) + torch.exp(-2 * z))


# --- 6.3 and 6.4 -----------------------------------------------------------------------------------------------------


@bank.honest("softmax_jacobian")
def rule(z, temperature=1.0):
    p = torch.softmax(z / temperature, -1)
    return (torch.diag(p) - p[:, None] * p[None, :]) / temperature


@bank.honest("softmax_jacobian")
def reverse_mode(z, temperature=1.0):
    return jacrev(lambda z: torch.softmax(z / temperature, 0))(z)


@bank.honest("softmax_jacobian")
def forward_mode(z, temperature=1.0):
    return jacfwd(lambda z: torch.softmax(z / temperature, 0))(z).detach()


@bank.honest("softmax_jacobian")
def entry_by_entry(z, temperature=1.0):
    p = torch.softmax(z / temperature, 0).tolist()
    return torch.tensor([[p[i] * ((i == j) - p[j]) / temperature for j in range(len(p))] for i in range(len(p))])


@bank.honest("softmax_jacobian")
def with_numpy(z, temperature=1.0):
    e = np.exp(z.numpy() / temperature)
    p = e / e.sum()
    return torch.from_numpy((np.diag(p) - np.outer(p, p)) / temperature)


@bank.slip("softmax_jacobian", "too large or too small by a factor T", named="E17")
def by_the_scaled_logits(z, temperature=1.0):
    return jacrev(lambda u: torch.softmax(u, 0))(z / temperature)


@bank.slip("softmax_jacobian", "divide", named="E17-times")
def multiplied_by_temperature(z, temperature=1.0):
    p = torch.softmax(z / temperature, 0)
    return (torch.diag(p) - torch.outer(p, p)) * temperature


@bank.honest("ce_grad")
def p_minus_one_hot(z, y):
    return (torch.softmax(z, -1) - F.one_hot(y, z.shape[-1])) / z.shape[0]


@bank.honest("ce_grad")
def from_cross_entropy(z, y):
    leaf = leaf_at(z)
    F.cross_entropy(leaf, y).backward()
    return leaf.grad


@bank.honest("ce_grad")
def one_taken_away(z, y):
    p = torch.softmax(z, dim=1)
    p[torch.arange(len(y)), y] -= 1
    return p / len(y)


@bank.honest("ce_grad")
def row_by_row(z, y):
    rows = []
    for row, cls in zip(z, y, strict=True):
        hot = torch.zeros(len(row), dtype=z.dtype)
        hot[cls] = 1
        rows.append((torch.softmax(row, 0) - hot) / len(z))
    return torch.stack(rows)


@bank.honest("ce_grad")
def by_functional_grad(z, y):
    return torch.func.grad(lambda z: F.nll_loss(F.log_softmax(z, 1), y))(z)


@bank.slip("ce_grad", "mean over the rows", named="A19")
def of_the_sum(z, y):
    leaf = leaf_at(z)
    F.cross_entropy(leaf, y, reduction="sum").backward()
    return leaf.grad


@bank.slip("ce_grad", "which has one inside", named="E5")
def of_softmax_twice(z, y):
    leaf = leaf_at(z)
    F.cross_entropy(torch.softmax(leaf, 1), y).backward()
    return leaf.grad


# --- 6.5 and 6.6 -----------------------------------------------------------------------------------------------------


@bank.honest("stable_log_softmax")
def largest_away(z, dim):
    most = z.max(dim, keepdim=True).values
    return (z - most) - torch.log(torch.exp(z - most).sum(dim, keepdim=True))


@bank.honest("stable_log_softmax")
def by_logsumexp(z, dim):
    return z - torch.logsumexp(z, dim, keepdim=True)


@bank.honest("stable_log_softmax")
def turned_round(z, dim):
    z = z.transpose(0, 1) if dim == 0 else z
    z = z - z.amax(1)[:, None]
    result = z - z.exp().sum(1)[:, None].log()
    return result.T if dim == 0 else result


@bank.honest("stable_log_softmax")
def library_call(z, dim):
    return F.log_softmax(z, dim)


@bank.slip("stable_log_softmax", "rounds to 0 first", named="E6")
def softmax_then_log(z, dim):
    return F.softmax(z, dim=dim).log()


@bank.slip("stable_log_softmax", "IndexError")
def keepdim_with_a_wrong_axis(z, dim):
    return z - torch.logsumexp(z, dim + 1, keepdim=True)


@bank.slip("stable_log_softmax", "keeps log away", named="eps")
def clamped(z, dim):
    return torch.softmax(z, dim).clamp(min=1e-12).log()


@bank.honest("log_softmax_vjp")
def by_rule(g, z, dim):
    return g - torch.exp(torch.log_softmax(z, dim)) * g.sum(dim, keepdim=True)


@bank.honest("log_softmax_vjp")
def walked_back(g, z, dim):
    leaf = leaf_at(z)
    return grad(F.log_softmax(leaf, dim), leaf, g)[0]


@bank.honest("log_softmax_vjp")
def pulled_back(g, z, dim):
    return vjp(lambda z: torch.log_softmax(z, dim), z)[1](g)[0]


@bank.honest("log_softmax_vjp")
def line_by_line(g, z, dim):
    if dim == 0:
        g, z = g.T, z.T
    rows = torch.stack([gi - torch.softmax(zi, 0) * gi.sum() for gi, zi in zip(g, z, strict=True)])
    return rows.T if dim == 0 else rows


@bank.slip("log_softmax_vjp", "does not use g", named="D10")
def walked_back_from_the_sum(g, z, dim):
    leaf = leaf_at(z)
    F.log_softmax(leaf, dim).sum().backward()
    return leaf.grad


@bank.slip("log_softmax_vjp", "0.5 every time")
def halved(g, z, dim):
    return 0.5 * (g - torch.softmax(z, dim) * g.sum(dim, keepdim=True))


@bank.honest("safe_xlogx")
def where_twice(x):
    safe = torch.where(x > 0, x, torch.ones_like(x))
    return torch.where(x > 0, safe * safe.log(), torch.zeros_like(x))


@bank.honest("safe_xlogx")
def clamped_inside(x):
    return x * torch.log(x.clamp(min=1e-300))


@bank.honest("safe_xlogx")
def only_the_positive_ones(x):
    result = torch.zeros_like(x)
    positive = x > 0
    result[positive] = x[positive] * torch.log(x[positive])
    return result


@bank.honest("safe_xlogx")
def filled(x):
    zero = x == 0
    return x * torch.log(x.masked_fill(zero, 1.0))


@bank.slip("safe_xlogx", "Repair the input", named="E10")
def library_xlogy(x):
    return torch.special.xlogy(x, x)


@bank.slip("safe_xlogx", "Repair the input", named="E10")
def zeroed_afterwards(x):
    y = x * torch.log(x)
    return torch.where(torch.isnan(y), torch.zeros_like(y), y)


@bank.slip("safe_xlogx", "made of plain numbers", named="B7")
def rebuilt(x):
    return torch.tensor([v * math.log(v) if v > 0 else 0.0 for v in x.tolist()], dtype=torch.float64)


# --- 6.7 to 6.9 ------------------------------------------------------------------------------------------------------


@bank.honest("sensitivity")
def two_walks(model, x, cls):
    leaf = leaf_at(x)
    z = model(leaf)
    first = grad(torch.softmax(z, 0)[cls], leaf, retain_graph=True)[0]
    return first, grad(z[cls], leaf)[0]


@bank.honest("sensitivity")
def two_leaves(model, x, cls):
    a, b = leaf_at(x), leaf_at(x)
    torch.softmax(model(a), dim=-1)[cls].backward()
    model(b)[cls].backward()
    return [a.grad, b.grad]


@bank.honest("sensitivity")
def batch_of_one(model, x, cls):
    X = leaf_at(x)[None]
    X.retain_grad()
    z = model(X)
    torch.softmax(z, dim=1)[0, cls].backward(retain_graph=True)
    first = X.grad[0].clone()
    X.grad = None
    z[0, cls].backward()
    return first, X.grad[0]


@bank.honest("sensitivity")
def by_func(model, x, cls):
    return (
        torch.func.grad(lambda x: torch.softmax(model(x), -1)[cls])(x),
        torch.func.grad(lambda x: model(x)[cls])(x),
    )


@bank.honest("sensitivity")
def cleared_in_between(model, x, cls):
    leaf = leaf_at(x)
    F.softmax(model(leaf), dim=0)[cls].backward()
    first = leaf.grad.clone()
    leaf.grad.zero_()
    model(leaf)[cls].backward()
    return first, leaf.grad


@bank.slip("sensitivity", "zeroed in place", named="C11-zeroed")
def zeroed_without_a_copy(model, x, cls):
    leaf = leaf_at(x)
    torch.softmax(model(leaf), 0)[cls].backward()
    first = leaf.grad
    leaf.grad.zero_()
    model(leaf)[cls].backward()
    return first, leaf.grad


@bank.slip("sensitivity", "2 things")
def only_the_probability(model, x, cls):
    leaf = leaf_at(x)
    return grad(torch.softmax(model(leaf), 0)[cls], leaf)[0]


@bank.slip("sensitivity", "x as it was handed in")
def on_x_itself(model, x, cls):
    x.requires_grad_()
    z = model(x)
    return grad(torch.softmax(z, 0)[cls], x, retain_graph=True)[0], grad(z[cls], x)[0]


bank.value("why_prob_grad_vanishes", "C")
bank.value("why_prob_grad_vanishes", " c")
bank.value("why_prob_grad_vanishes", ["C"])


@bank.honest("fgsm")
def sign_step(model, x, y, eps):
    leaf = leaf_at(x)
    F.cross_entropy(model(leaf), y).backward()
    return (leaf + eps * leaf.grad.sign()).detach()


@bank.honest("fgsm")
def on_the_sum(model, x, y, eps):
    g = torch.func.grad(lambda x: F.cross_entropy(model(x), y, reduction="sum"))(x)
    return torch.add(x, torch.sign(g), alpha=eps)


@bank.honest("fgsm")
def example_by_example(model, x, y, eps):
    made = []
    for row, cls in zip(x, y, strict=True):
        leaf = leaf_at(row)
        (-torch.log_softmax(model(leaf), 0)[cls]).backward()
        made.append(row + eps * leaf.grad.sign())
    return torch.stack(made)


@bank.honest("fgsm")
def against_the_probability(model, x, y, eps):
    leaf = leaf_at(x)
    p = torch.softmax(model(leaf), 1)[torch.arange(len(y)), y]
    return x - eps * grad(p.sum(), leaf)[0].sign()


@bank.honest("fgsm")
def where_in_place_of_sign(model, x, y, eps):
    leaf = leaf_at(x)
    g = grad(F.cross_entropy(model(leaf), y), leaf)[0]
    return torch.where(g > 0, x + eps, x - eps).float()


@bank.slip("fgsm", "eps = 0.05", named="twice-eps")
def twice_as_far(model, x, y, eps):
    leaf = leaf_at(x)
    return x + 2 * eps * grad(F.cross_entropy(model(leaf), y), leaf)[0].sign()


@bank.slip("fgsm", "the loss falls", named="A12")
def downhill_by_the_probability(model, x, y, eps):
    leaf = leaf_at(x)
    p = torch.softmax(model(leaf), 1)[torch.arange(len(y)), y]
    return x + eps * grad(p.sum(), leaf)[0].sign()


@bank.slip("fgsm", "takes one itself", named="E5")
def probabilities_into_the_loss(model, x, y, eps):
    leaf = leaf_at(x)
    loss = torch.nn.CrossEntropyLoss()(model(leaf).softmax(dim=1), y)
    loss.backward()
    return (leaf + eps * leaf.grad.sign()).detach()


@bank.slip("fgsm", "left the other logits out", named="logit-down")
def one_logit_only(model, x, y, eps):
    leaf = leaf_at(x)
    return x - eps * grad(model(leaf)[torch.arange(len(y)), y].sum(), leaf)[0].sign()


@bank.slip("fgsm", "x as it was handed in")
def in_place(model, x, y, eps):
    leaf = leaf_at(x)
    g = grad(F.cross_entropy(model(leaf), y), leaf)[0]
    return x.add_(eps * g.sign())


@bank.honest("fix_double_softmax")
def logits_in(model, X, y):
    return F.cross_entropy(model(X), y)


@bank.honest("fix_double_softmax")
def log_softmax_and_nll(model, X, y):
    return F.nll_loss(torch.log_softmax(model(X), dim=1), y)


@bank.honest("fix_double_softmax")
def written_out(model, X, y):
    z = model(X)
    return (torch.logsumexp(z, 1) - z[torch.arange(len(y)), y]).mean()


@bank.honest("fix_double_softmax")
def module(model, X, y):
    return torch.nn.CrossEntropyLoss()(model(X), y)


@bank.slip("fix_double_softmax", "history is gone", named="B7")
def as_an_item(model, X, y):
    return torch.tensor(F.cross_entropy(model(X), y).item(), dtype=torch.float64)


@bank.slip("fix_double_softmax", "still applied twice", named="E5")
def softmax_as_a_module(model, X, y):
    return torch.nn.CrossEntropyLoss()(torch.nn.Softmax(dim=1)(model(X)), y)


@bank.slip("fix_double_softmax", "Stay in the logarithm", named="E6")
def logarithm_of_softmax(model, X, y):
    p = torch.softmax(model(X), 1)
    return -torch.log(p[torch.arange(len(y)), y]).mean()


@bank.slip("safe_xlogx", "smaller there")
def small_number_inside(x):
    return x * torch.log(x + 1e-6)


@bank.slip("relu_backward", "negative gradients too", named="two-gates")
def guided(g, x):
    return g.clamp(min=0) * (x > 0)


@bank.slip("relu_backward", "at index [0]")
def threshold_off(g, x):
    return g * (x > 0.2)


@bank.slip("sigmoid_slope", "rounded to 1", named="E3")
def other_side_first(z):
    s = torch.sigmoid(-z)
    return s * (1 - s)


bank.hide("relu_backward", r"g \* \(x > 0\)")
bank.hide("sigmoid_slope", r"sigmoid\(z\) \* ")
bank.hide("softmax_jacobian", r"torch\.diag\(p\) - ")
bank.hide("ce_grad", r"\(p - F")
bank.hide("stable_log_softmax", r"\.exp\(\)\.sum\(")
bank.hide("log_softmax_vjp", r"g - torch")
bank.hide("safe_xlogx", r"x \* torch\.log")
bank.hide("sensitivity", r"return ")
bank.hide("fgsm", r"eps \* g")
bank.hide("fix_double_softmax", r"cross_entropy\(model\(X\), y\)")

# --- the quiz --------------------------------------------------------------------------------------------------------

A, B, T = sympy.symbols("a b t")
WEIGHTS = np.array([[0.2, -0.5, 0.3], [0.4, 0.1, -0.2], [0.1, 0.3, 0.2]])
INPUT = np.array([1.0, 2.0, 3.0])


def slope_after(*lines):
    return after(*lines).x.grad.item()


def softmax_slopes(p):
    """The Jacobian at these probabilities, by SymPy."""
    z = sympy.symbols(f"z0:{len(p)}")
    total = sum(sympy.exp(one) for one in z)
    at = dict(zip(z, map(math.log, p), strict=True))
    return [[float(sympy.diff(sympy.exp(a) / total, b).subs(at)) for b in z] for a in z]


def weight_of_the_dead_unit():
    w, x = 1.0, np.linspace(0, 1, 50)
    for _ in range(100):
        out = np.maximum(w * x - 5, 0)
        w -= 0.5 * np.mean(2 * (out - 1) * (w * x - 5 > 0) * x)
    return w


def probabilities(z):
    e = np.exp(z - z.max())
    return e / e.sum()


def slope_of_loss_of_class_0():
    h, z = 1e-6, INPUT @ WEIGHTS
    step = np.array([h, 0, 0])
    return (-math.log(probabilities(z + step)[0]) + math.log(probabilities(z - step)[0])) / (2 * h)


def first_order_rise():
    h, slopes = 1e-6, []
    for e in np.eye(3):
        ahead, behind = (probabilities((INPUT + sign * h * e) @ WEIGHTS)[0] for sign in (1, -1))
        slopes.append((ahead - behind) / (2 * h))
    return 0.1 * np.abs(slopes).sum()


def which_dies():
    def sizes(scale):
        x = torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64, requires_grad=True)
        z = scale * (x @ torch.tensor(WEIGHTS))
        return grad(torch.softmax(z, 0)[0], x, retain_graph=True)[0].norm(), grad(z[0], x)[0].norm()

    (p_before, z_before), (p_after, z_after) = sizes(1), sizes(20)
    return "probability" if p_after < p_before and z_after > z_before else "logit"


def rows_add_to_one():
    return bool(torch.softmax(torch.tensor([[1.0, 2.0, 3.0], [0.0, 1.0, 0.0]]), 0).sum(1).allclose(torch.ones(2)))


def entries_halve():
    z = torch.tensor([1.3, 0.6, 0.5], dtype=torch.float64)
    cold, warm = (jacrev(lambda z, t=t: torch.softmax(z / t, 0))(z) for t in (1.0, 2.0))
    return torch.allclose(warm, cold / 2)


def which_loss_is_larger():
    def loss(z):
        return math.log(1 + math.exp(-z))

    return "larger" if loss(1 / (1 + math.exp(-2))) > loss(2) else "smaller"


def factor_to_the_first_layer():
    """Of ten sigmoid layers with weights and biases from −1/4 to 1/4, walked back by hand."""
    rng = np.random.default_rng(0)
    weights = [rng.uniform(-0.25, 0.25, (16, 16)) for _ in range(10)]
    inputs = [rng.normal(size=(50, 16))]
    for W in weights:
        inputs.append(1 / (1 + np.exp(-inputs[-1] @ W.T - rng.uniform(-0.25, 0.25, 16))))
    arriving, sizes = 2 * inputs[-1] / inputs[-1].size, []
    for W, before, after_it in zip(reversed(weights), reversed(inputs[:-1]), reversed(inputs[1:]), strict=True):
        arriving = arriving * after_it * (1 - after_it)
        sizes.append(np.linalg.norm(arriving.T @ before))
        arriving = arriving @ W
    decades = np.log10(sizes[0] / sizes[-1])
    return min({"ten": 1, "a thousand": 3, "a million": 6}.items(), key=lambda factor: abs(factor[1] - decades))[0]


bank.told = {"06-attack": "the lesson's own cell trains a network and attacks it"}
bank.computed = {
    "06-recall-shape": lambda: tuple(jacrev(lambda x: x.reshape(2, 2).sum(1))(torch.ones(4)).shape),
    "06-recall-hessian": lambda: sympy.diff(A**2 * B, A, B).subs({A: 3, B: 5}),
    "06-recall-rows": lambda: torch.equal(
        torch.func.grad(lambda X: (X**2).sum(1).sum())(torch.ones(5, 3)), 2 * torch.ones(5, 3)),
    "06-recall-chain": lambda: sympy.diff(sympy.exp(3 * T), T).subs(T, 0),
    "06-recall-partial": lambda: sympy.diff(A * B**2, B).subs({A: 2, B: 3}),
    "06-relu-count": lambda: int((np.linspace(-10, 10, 1000) > 0).sum()),
    "06-relu-zero": lambda: slope_after("x = torch.tensor(0.0, requires_grad=True)", "torch.relu(x).backward()"),
    "06-maximum": lambda: slope_after(
        "x = torch.tensor(0.0, requires_grad=True)", "torch.maximum(x, torch.zeros(())).backward()"),
    "06-dead": weight_of_the_dead_unit,
    "06-linear": lambda: sympy.diff(0.5 * A - B + 2, B),
    "06-weight": lambda: sympy.diff(0.5 * 2 + T * 3 + 2, T),
    "06-logistic": lambda: sympy.diff(1 / (1 + sympy.exp(-(0.5 * A - B + 2))), A).subs({A: 2, B: 3}),
    "06-bce": which_loss_is_larger,
    "06-shift": lambda: "stay the same" if np.allclose(probabilities(INPUT + 10), probabilities(INPUT)) else "rise",
    "06-others": lambda: "negative" if softmax_slopes((0.5, 0.3, 0.2))[1][0] < 0 else "positive",
    "06-fill-offdiag": lambda: softmax_slopes((0.5, 0.3, 0.2))[0][1],
    "06-temperature": entries_halve,
    "06-argmax": lambda: runs("z = torch.ones(3, requires_grad=True)", "z.argmax().backward()"),
    "06-round": lambda: slope_after("x = torch.tensor(0.7, requires_grad=True)", "torch.round(3 * x).backward()"),
    "06-ties": lambda: after(
        "x = torch.tensor([3.0, 3.0, 1.0], requires_grad=True)", "x.max().backward()").x.grad[0].item(),
    "06-weight-shape": lambda: tuple(torch.nn.Linear(3, 4).weight.shape),
    "06-weight-grad": lambda: np.outer([0, 5, 0, 0], [1, 2, 3])[1, 2],
    "06-wrong-side": lambda: runs("torch.ones(3, 3) @ torch.ones(3)"),
    "06-dim": rows_add_to_one,
    "06-ce": slope_of_loss_of_class_0,
    "06-fill-mean": lambda: sympy.diff(sum(sympy.symbols("r0:4")) / sympy.Integer(4), sympy.symbols("r0")),
    "06-double": lambda: -math.log(math.e / (math.e + 9)),
    "06-log": lambda: str((-torch.log(torch.softmax(torch.tensor([1000.0, 0.0, 0.0]), 0)))[1].item()),
    "06-step": first_order_rise,
    "06-surer": which_dies,
    "06-saturated": lambda: slope_after("x = torch.tensor(20.0, requires_grad=True)", "torch.sigmoid(x).backward()"),
    "06-ten": lambda: round(10 * math.log10(0.25)),
    "06-fill-depth": lambda: math.prod([2 * 0.2] * 4),
    "06-first-layer": factor_to_the_first_layer,
    "06-exit-1": lambda: slope_after("x = torch.tensor(-3.0, requires_grad=True)", "(5 * torch.relu(x)).backward()"),
    "06-exit-2": lambda: softmax_slopes((0.7, 0.3))[0][1],
    "06-exit-3": lambda: "logits" if F.cross_entropy(torch.tensor([[20.0, 0.0]]), torch.tensor([0])) < 1e-6 else "?",
}  # fmt: skip
