"""Answers to K6a to K6d of lesson 10."""

import numpy as np
import torch
import torch.nn.functional as F

from course_lib.keys.mini import (  # noqa: F401 (the rest of their engine)
    MiniLinear,
    MiniParameter,
    MiniSGD,
    MiniTensor,
    mini_index,
    mini_log_softmax,
    mini_matmul,
    mini_mean,
    mini_no_grad,
    mini_relu,
    mini_sum,
    run_backward,
)
from tests.answers import own_network
from tests.answers.bank_10 import bank

# --- K6a -------------------------------------------------------------------------------------------------------------

bank.honest("train_two_engines")(own_network.train_two_engines)


@bank.honest("train_two_engines")
def with_layers(X, y, weights, steps):
    """Layers and optimisers on both sides."""
    rng = np.random.default_rng(0)
    hidden, inputs = weights["W1"].shape
    one, two = MiniLinear(inputs, hidden, rng), MiniLinear(hidden, len(weights["b2"]), rng)
    for layer, n in ((one, 1), (two, 2)):
        layer.weight.data, layer.bias.data = weights[f"W{n}"].copy(), weights[f"b{n}"].copy()
    optimiser, own = MiniSGD([*one.parameters(), *two.parameters()], lr=0.5), []
    for _ in range(steps):
        logp = mini_log_softmax(two(mini_relu(one(MiniTensor(X)))), axis=1)
        loss = -mini_mean(mini_index(logp, (np.arange(len(y)), y)))
        own.append(float(loss.data))
        optimiser.zero_grad()
        run_backward(loss)
        optimiser.step()

    model = torch.nn.Sequential(
        torch.nn.Linear(inputs, hidden), torch.nn.ReLU(), torch.nn.Linear(hidden, len(weights["b2"]))
    ).double()
    with torch.no_grad():
        for parameter, name in zip(model.parameters(), ("W1", "b1", "W2", "b2"), strict=True):
            parameter.copy_(torch.tensor(weights[name]))
    descent, theirs = torch.optim.SGD(model.parameters(), lr=0.5), []
    for _ in range(steps):
        descent.zero_grad()
        loss = F.cross_entropy(model(torch.tensor(X)), torch.tensor(y))
        loss.backward()
        descent.step()
        theirs.append(loss.item())
    return own, theirs


@bank.honest("train_two_engines")
def with_bare_tensors(X, y, weights, steps):
    """No layers and no optimisers: dicts of leaves, and arrays of losses."""
    def forward(p):
        hidden = mini_relu(mini_matmul(MiniTensor(X), p["W1"]) + p["b1"])
        logp = mini_log_softmax(mini_matmul(hidden, p["W2"]) + p["b2"], 1)
        return mini_sum(logp * MiniTensor(np.eye(len(weights["b2"]))[y])) * (-1 / len(y))

    p = {name: MiniTensor(one.T.copy(), requires_grad=True) for name, one in weights.items()}  # weights turned once
    own = np.zeros(steps)
    for i in range(steps):
        loss = forward(p)
        run_backward(loss)
        own[i] = loss.data
        with mini_no_grad():
            for one in p.values():
                one.data, one.grad = one.data - 0.5 * one.grad, None

    W1, b1, W2, b2 = (torch.tensor(weights[name], requires_grad=True) for name in ("W1", "b1", "W2", "b2"))
    theirs = torch.zeros(steps, dtype=torch.float64)
    for i in range(steps):
        logp = torch.log_softmax(torch.relu(torch.tensor(X) @ W1.T + b1) @ W2.T + b2, dim=1)
        loss = -logp[torch.arange(len(y)), torch.tensor(y)].mean()
        grads = torch.autograd.grad(loss, (W1, b1, W2, b2))
        theirs[i] = loss.detach()
        with torch.no_grad():
            for one, g in zip((W1, b1, W2, b2), grads, strict=True):
                one -= 0.5 * g
    return own, theirs


@bank.honest("train_two_engines")
def side_by_side(X, y, weights, steps):
    """Both in one loop, with losses as 0-d arrays and tensors."""
    mine = [MiniParameter(weights[name].copy()) for name in ("W1", "b1", "W2", "b2")]
    theirs = [torch.from_numpy(weights[name].copy()).requires_grad_() for name in ("W1", "b1", "W2", "b2")]
    first, second, rows = [], [], range(len(y))

    def linear(x, w, b):
        return mini_matmul(x, MiniTensor.made(w.data.T, (w, np.transpose))) + b

    for _ in range(steps):
        logits = linear(mini_relu(linear(MiniTensor(X), mine[0], mine[1])), mine[2], mine[3])
        loss = mini_mean(mini_index(mini_log_softmax(logits, -1 + logits.data.ndim), (rows, y))) * -1
        first += [loss.data]
        run_backward(loss)
        other = F.nll_loss(F.linear(F.linear(torch.tensor(X), *theirs[:2]).relu(), *theirs[2:]).log_softmax(1), torch.tensor(y))
        second += [other.detach()]
        other.backward()
        for a, b in zip(mine, theirs, strict=True):
            a.data, a.grad = a.data - 0.5 * a.grad, None
            b.data, b.grad = b.data - 0.5 * b.grad, None
    return [first, second]


@bank.slip("train_two_engines", "you returned a list of")
def pairs_of_losses(X, y, weights, steps):
    return [*zip(*with_layers(X, y, weights, steps), strict=True), (0.0, 0.0)]


@bank.slip("train_two_engines", "20 losses of your own engine")
def one_loss_too_many(X, y, weights, steps):
    return with_layers(X, y, weights, steps + 1)


@bank.slip("train_two_engines", "loss 2 of 20 with your own engine, after 1 right one, is")
def frozen_first_layer(X, y, weights, steps):
    W1, b1, W2, b2 = (MiniTensor(weights[name].copy(), requires_grad=name in ("W2", "b2")) for name in ("W1", "b1", "W2", "b2"))
    own = []
    for _ in range(steps):
        hidden = mini_relu(mini_matmul(MiniTensor(X), MiniTensor(W1.data.T)) + b1)
        turned = MiniTensor.made(W2.data.T, (W2, np.transpose))
        loss = mini_mean(mini_index(mini_log_softmax(mini_matmul(hidden, turned) + b2, 1), (np.arange(len(y)), y))) * -1.0
        run_backward(loss)
        own.append(float(loss.data))
        for p in (W2, b2):
            p.data, p.grad = p.data - 0.5 * p.grad, None
    return own, with_layers(X, y, weights, steps)[1]


@bank.slip("train_two_engines", "loss 1 of 20 with PyTorch")
def without_biases(X, y, weights, steps):
    bare = {name: one * (name[0] == "W") for name, one in weights.items()}
    return with_layers(X, y, weights, steps)[0], with_layers(X, y, bare, steps)[1]


@bank.slip("train_two_engines", "your code stopped with an error")
def graph_kept_in_the_list(X, y, weights, steps):
    W = torch.tensor(weights["W1"], requires_grad=True)
    return with_layers(X, y, weights, steps)[0], [float(W.numpy().sum())] * steps


@bank.slip("train_two_engines", "loss 1 of 20 with your own engine, from the first weights, is")
def accuracies(X, y, weights, steps):
    own, theirs = with_layers(X, y, weights, steps)
    return [1 - loss for loss in own], theirs


bank.hide("train_two_engines", r"\* 0\.5|- 0\.5 \*|mini_matmul\(")

# --- K6b -------------------------------------------------------------------------------------------------------------


@bank.honest("saliency_of_mistakes")
def row_by_row(model, X, y, k=5):
    """Rows one at a time, until there are enough."""
    rows = []
    for x, label in zip(X, y, strict=True):
        if len(rows) == k:
            break
        leaf = x.clone().requires_grad_(True)
        logits = model(leaf)
        best = int(logits.argmax())
        if best != int(label):
            logits[best].backward()
            rows.append(leaf.grad)
    return torch.stack(rows)


@bank.honest("saliency_of_mistakes")
def the_whole_batch(model, X, y, k=5):
    """All gradients at once, then the rows that are asked for."""
    leaf = X.detach().clone().requires_grad_()
    best = model(leaf).max(dim=1)
    best.values.sum().backward()
    return leaf.grad[best.indices != y][:k]


@bank.honest("saliency_of_mistakes")
def by_func(model, X, y, k=5):
    """torch.func, and a mask."""
    with torch.no_grad():
        wrong = torch.where(model(X).argmax(-1) != y)[0][:k]
    return torch.func.vmap(torch.func.grad(lambda x: model(x).amax()))(X[wrong])


@bank.honest("saliency_of_mistakes")
def by_jacobian(model, X, y, k=5):
    """The whole Jacobian of each row, from a batch of one."""
    out = []
    for i in (model(X).argmax(1) != y).nonzero()[:k, 0].tolist():
        J = torch.autograd.functional.jacobian(model, X[i : i + 1])[0, :, 0]
        out.append(J[model(X[i]).argmax()].tolist())
    return torch.tensor(out, dtype=torch.float64)


@bank.slip("saliency_of_mistakes", "the gradient of the predicted class's logit")
def doubled(model, X, y, k=5):
    return 2 * the_whole_batch(model, X, y, k)


@bank.slip("saliency_of_mistakes", "the gradient of the predicted class's logit")
def surest_first(model, X, y, k=5):
    sure = model(X).max(1).values.argsort(descending=True)
    return the_whole_batch(model, X[sure], y[sure], k)


@bank.slip("saliency_of_mistakes", "shape")
def one_map(model, X, y, k=5):
    return the_whole_batch(model, X, y, k).mean(0)


@bank.slip("saliency_of_mistakes", "the gradient of the predicted class's logit")
def scaled_to_one(model, X, y, k=5):
    g = the_whole_batch(model, X, y, k)
    return g / g.abs().max()


@bank.slip("saliency_of_mistakes", "the gradient of the predicted class's logit")
def added_up(model, X, y, k=5):
    leaf, rows = X[0].detach().clone().requires_grad_(), []
    for i in (model(X).argmax(1) != y).nonzero().flatten()[:k]:
        leaf.data = X[i].clone()
        model(leaf).max().backward()
        rows.append(leaf.grad.clone())
    return torch.stack(rows)


@bank.slip("saliency_of_mistakes", "spoke for the class that was predicted", named="true-class")
def label_instead(model, X, y, k=5):
    rows = [i for i in range(len(y)) if model(X[i]).argmax() != y[i]][:k]
    return torch.stack([torch.func.grad(lambda x, i=i: model(x)[y[i]])(X[i]) for i in rows])


bank.hide("saliency_of_mistakes", r"\.max\(1\)\.values\.sum|autograd\.grad\(")

# --- K6c -------------------------------------------------------------------------------------------------------------


@bank.honest("adversarial_digit")
def signed_step(model, x, y, eps):
    """One step along the sign, by backward."""
    leaf = x.clone().detach().requires_grad_(True)
    loss = F.cross_entropy(model(leaf)[None], torch.tensor([y]))
    loss.backward()
    return (leaf + eps * leaf.grad.sign()).detach()


@bank.honest("adversarial_digit")
def in_small_steps(model, x, y, eps):
    """Ten small steps, each brought back to within eps."""
    moved = x.clone()
    for _ in range(10):
        g = torch.func.grad(lambda one: F.cross_entropy(model(one), torch.tensor(y)))(moved)
        moved = torch.clamp(moved + eps / 4 * g.sign(), x - eps, x + eps)
    return moved


@bank.honest("adversarial_digit")
def kept_an_image(model, x, y, eps):
    """Ink stays between 0 and 1."""
    leaf = x.detach().clone().requires_grad_()
    with torch.enable_grad():
        (g,) = torch.autograd.grad(-torch.log_softmax(model(leaf), -1)[y], leaf)
    with torch.no_grad():
        return (x + eps * torch.sign(g)).clip(0.0, 1.0)


@bank.honest("adversarial_digit")
def in_float32(model, x, y, eps):
    """A step computed from a float32 copy."""
    leaf = x.float().clone().requires_grad_()
    F.cross_entropy(model(leaf), torch.tensor(y)).backward()
    return x.float() + eps * leaf.grad.sign()


@bank.slip("adversarial_digit", "a pixel has moved by")
def twice_as_far(model, x, y, eps):
    return x + 2 * (signed_step(model, x, y, eps) - x)


@bank.slip("adversarial_digit", "the model still says")
def far_too_short(model, x, y, eps):
    return x + 1e-3 * (signed_step(model, x, y, eps) - x)


@bank.slip("adversarial_digit", "shape")
def as_a_batch(model, x, y, eps):
    return signed_step(model, x, y, eps)[None]


@bank.slip("adversarial_digit", "x is not as it was", named="B14")
def tracked_image(model, x, y, eps):
    x.requires_grad_()
    (g,) = torch.autograd.grad(F.cross_entropy(model(x), torch.tensor(y)), x)
    return (x + eps * g.sign()).detach()


@bank.slip("adversarial_digit", "surer of y than before", named="A12")
def of_the_logit(model, x, y, eps):
    leaf = x.clone().requires_grad_()
    F.cross_entropy(model(leaf), torch.tensor(y)).backward()
    return x - eps * leaf.grad.sign()


@bank.slip("adversarial_digit", "a tensor of shape")
def as_a_list(model, x, y, eps):
    return signed_step(model, x, y, eps).tolist()


@bank.honest("adversarial_digit")
def as_an_array(model, x, y, eps):
    return signed_step(model, x, y, eps).numpy()


bank.loose["adversarial_digit"] = "any image within eps will do that flips the class"
bank.hide("adversarial_digit", r"x \+ eps \*|\.grad\.sign\(\)")

# --- K6d -------------------------------------------------------------------------------------------------------------

RIGHT = ["backward", "nothing", "gates", "rate", "sensitivity", "sum"]
bank.value("capstone_answers", RIGHT)
bank.value("capstone_answers", tuple(word.upper() for word in RIGHT))
bank.value("capstone_answers", dict(zip("ABCDEF", RIGHT, strict=True)))
