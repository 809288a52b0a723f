"""Exercises K6a to K6d of lesson 10: one network on two engines, and what its gradients say about digits."""

import numpy as np
import torch
import torch.nn.functional as F

from course_lib.judge import Layer, reports
from course_lib.keys.engine import array_of, came_back, lesson, with_either
from course_lib.keys.mini import (
    MiniTensor,
    mini_index,
    mini_log_softmax,
    mini_matmul,
    mini_mean,
    mini_relu,
    mini_sum,
    run_backward,
)
from course_lib.keys.networks import classifier, model_of
from course_lib.keys.sensitivity import log_softmax, softmax
from course_lib.keys.situations import Situations
from course_lib.observe import Array
from course_lib.recipes import coded

LR = 0.5

# --- K6a -------------------------------------------------------------------------------------------------------------


def as_network(X, y, weights):
    """What both engines get, as it travels."""
    names = ("W1", "b1", "W2", "b2")
    return lambda: (np.array(X), np.array(y), {name: np.array(one) for name, one in zip(names, weights, strict=True)})


@reports(lists=str, own=object, torch=object, kept=bool, made=bool)
def losses_of_both(function, engine, network, steps):
    """train_two_engines(X, y, weights, steps)"""
    X, y, weights = network()
    before = [np.array(one) for one in (X, y, *weights.values())]
    with engine(function) as parts:
        made, tensor = [0], getattr(parts, "MiniTensor", None)
        initialise = getattr(tensor, "__init__", None)

        def counted(self, *args, **named):
            made[0] += 1
            initialise(self, *args, **named)

        if isinstance(tensor, type):
            tensor.__init__ = counted
        try:
            both = function(X, y, weights, steps)
        finally:
            if isinstance(tensor, type):
                tensor.__init__ = initialise
    kept = all(np.array_equal(one, other) for one, other in zip(before, (X, y, *weights.values()), strict=True))
    said = {"lists": "", "own": None, "torch": None, "kept": kept, "made": made[0] > 0}
    if not isinstance(both, list | tuple | np.ndarray) or len(both) != 2:
        shape = f"a {type(both).__name__} of {len(both)}" if hasattr(both, "__len__") else f"a {type(both).__name__}"
        return {**said, "lists": f"you returned {shape}"}
    for name, losses in zip(("own", "torch"), both, strict=True):
        try:
            said[name] = np.array([float(getattr(one, "data", one) if isinstance(one, tensor or ()) else one) for one in losses])
        except (TypeError, ValueError):
            return {**said, "lists": f"the losses of {'your own engine' if name == 'own' else 'PyTorch'} are no list of numbers"}
    return said


def reference_losses(X, y, weights, steps):
    """The losses before each step of plain gradient descent, by the closed form of every gradient."""
    W, b, V, c = (np.array(weights[name]) for name in ("W1", "b1", "W2", "b2"))
    hot, losses = np.eye(len(c))[y], []
    for _ in range(steps):
        before = X @ W.T + b
        hidden = np.maximum(before, 0.0)
        logits = hidden @ V.T + c
        losses.append(float(-(log_softmax(logits, 1) * hot).sum(1).mean()))
        error = (softmax(logits, 1) - hot) / len(y)
        back = error @ V * (before > 0)
        W, b, V, c = W - LR * back.T @ X, b - LR * back.sum(0), V - LR * error.T @ hidden, c - LR * error.sum(0)
    return losses


def _digits(rng, rows, inputs, hidden, classes):
    """(X, y, weights) of sizes of their own, with numbers as in digits: X between 0 and 1."""
    def numbers(*shape, most):
        return np.array([rng.uniform(-most, most) for _ in range(int(np.prod(shape)))]).reshape(shape)

    X = np.abs(numbers(rows, inputs, most=1.0))
    y = np.array([i % classes for i in range(rows)])
    weights = {
        "W1": numbers(hidden, inputs, most=2 / np.sqrt(inputs)), "b1": numbers(hidden, most=0.2),
        "W2": numbers(classes, hidden, most=2 / np.sqrt(hidden)), "b2": numbers(classes, most=0.2),
    }
    return X, rng.sample(list(y), rows), weights


@lesson.exercise(
    number="K6a", title="The same network, twice", points=3, minutes=30, section="10b", rechecks=("fit_line", "ce_grad"),
    signature="(X: ndarray, y: ndarray, weights: dict, steps: int) -> tuple[list[float], list[float]]",
    hints=(
        "What must both runs have in common, down to the last bit, and what must they not share?",
        "Write one loop for each engine, each on its own copies: logits, loss, note it, walk back from fresh gradients, step. "
        "The loss of a row is minus the entry of its log-softmax that belongs to its class.",
        "Own engine: mini_log_softmax(logits, 1), mini_index with (np.arange(len(y)), y), mini_mean, times −1. PyTorch: "
        "torch.tensor(weights[…], requires_grad=True) copies and keeps float64; F.cross_entropy; torch.optim.SGD with lr = 0.5.",
    ),
)
def train_two_engines(ask):
    """Two lists of losses that agree to nine digits."""
    with ask.part("20 steps on both engines", 4):
        _demand_losses(ask, *_digits(ask.rng, 14, 6, 5, 4), 20)
        _demand_losses(ask, *_digits(ask.rng, 9, 4, 7, 3), 20)
    with ask.part("on networks of another size, and weights as they were"):
        _demand_losses(ask, *_digits(ask.rng, 30, 64, 32, 10), 3)
        _demand_losses(ask, *_digits(ask.rng, 5, 3, 4, 2), 1)


def _demand_losses(ask, X, y, weights, steps):
    y = np.array(y)
    want = np.array(reference_losses(X, y, weights, steps))

    def close(got):
        got = array_of(got)
        return got.shape == want.shape and bool(np.abs(got - want).max() < 1e-9)

    def right(said):
        return close(said["own"]) and close(said["torch"]) and said["kept"]

    hidden, inputs = weights["W1"].shape
    told = f"{len(X)} rows, {inputs} inputs → {hidden} hidden → {len(weights['b2'])} classes"
    recipe = coded(as_network, X.tolist(), y.tolist(), [one.tolist() for one in weights.values()], text=told)
    answer = with_either(ask, losses_of_both, recipe, steps, right=right)
    if not came_back(answer):
        return
    said = answer.value
    answer.holds(not said["lists"], "two lists of numbers: the losses of your own engine, and those of PyTorch", said["lists"],
                 Layer.TYPE)
    if answer.broken:
        return
    answer.holds(said["kept"], "X, y and weights as they were: both engines start from copies",
                 "X, y or weights have other numbers afterwards", Layer.SIDE_EFFECT)
    for name, words in (("own", "your own engine"), ("torch", "PyTorch")):
        got = array_of(said[name])
        if not answer.broken and got.shape != want.shape:
            answer.holds(False, f"{steps} losses of {words}, one before each step", f"you have {got.size}", Layer.SHAPE)
        if not answer.broken and not close(said[name]):
            first = int(np.flatnonzero(~(np.abs(got - want) < 1e-9))[0])  # where the run leaves the right one
            size = "NaN" if np.isnan(got[first]) else f"{got[first]:.10g}, too {'large' if got[first] > want[first] else 'small'}"
            when = "from the first weights" if first == 0 else f"after {first} right one{'s' * (first > 1)}"
            answer.holds(False, f"the loss with {words} to nine digits at every step",
                         f"loss {first + 1} of {steps} with {words}, {when}, is {size}", Layer.VALUE)
    if not said["made"]:  # no proof where an engine lives in a module; two engines never round alike for so long
        twice = steps > 9 and not answer.broken and np.array_equal(array_of(said["own"]), array_of(said["torch"]))
        answer.holds(not twice, "losses of your own engine first",
                     "both lists are the same to the last bit, and no MiniTensor of your notebook was ever made", Layer.METHOD)
        ask.advise("No MiniTensor of your notebook was made. Do the losses of the first list come from your own engine?")


def _own(X, y, weights, steps, *, lr=LR, axis=1, clear=True, mean=mini_mean, relu=True, after=False, copy=True, sign=-1.0):
    """The losses by the own engine, with something done in another way."""
    params = {name: MiniTensor(np.array(one) if copy else one, requires_grad=True) for name, one in weights.items()}
    losses = []

    def turned(w):
        return MiniTensor.made(w.data.T, (w, lambda g: g.T))

    def forward():
        hidden = mini_matmul(MiniTensor(X), turned(params["W1"])) + params["b1"]
        logits = mini_matmul(mini_relu(hidden) if relu else hidden, turned(params["W2"])) + params["b2"]
        picked = mini_index(mini_log_softmax(logits, axis), (np.arange(len(y)), y))
        return (mini_sum(picked) if mean is mini_sum else mini_mean(picked)) * sign

    for _ in range(steps):
        loss = forward()
        for p in params.values():
            p.grad = None if clear else p.grad
        run_backward(loss)
        for p in params.values():
            p.data -= lr * p.grad
        losses.append(float((forward() if after else loss).data))
    return losses


def _torch(X, y, weights, steps, *, lr=LR, clear=True, reduction="mean", relu=True, after=False, dtype=torch.float64, alias=False,
           logits_of=lambda z: z, moves=True):  # fmt: skip
    """The losses by PyTorch, with something done in another way."""
    X, y, losses = torch.tensor(X, dtype=dtype), torch.tensor(y), []
    params = {name: torch.from_numpy(one) if alias else torch.tensor(one, dtype=dtype) for name, one in weights.items()}
    optimiser = torch.optim.SGD([p.requires_grad_() for p in params.values()], lr=lr)

    def forward():
        hidden = X @ params["W1"].T + params["b1"]
        hidden = torch.relu(hidden) if relu else hidden
        return F.cross_entropy(logits_of(hidden @ params["W2"].T + params["b2"]), y, reduction=reduction)

    for _ in range(steps):
        loss = forward()
        if clear:
            optimiser.zero_grad()
        loss.backward()
        if moves:
            optimiser.step()
        losses.append(float((forward() if after else loss).detach()))
    return losses


@train_two_engines.mistake("F1")
def own_gradients_kept(X, y, weights, steps):
    """PyTorch is right. In your own engine the gradients are never cleared, so each walk adds to those of the steps before."""
    return _own(X, y, weights, steps, clear=False), _torch(X, y, weights, steps)


@train_two_engines.mistake("F1-torch")
def torch_gradients_kept(X, y, weights, steps):
    """Your own engine is right. In the PyTorch loop zero_grad is missing, so each backward adds to the gradients of the steps
    before."""
    return _own(X, y, weights, steps), _torch(X, y, weights, steps, clear=False)


@train_two_engines.mistake("F1-both")
def gradients_kept_in_both(X, y, weights, steps):
    """Both engines agree with each other, and in both the gradients are never cleared: from the third loss on it is another
    descent."""
    return _own(X, y, weights, steps, clear=False), _torch(X, y, weights, steps, clear=False)


@train_two_engines.mistake("E4")
def softmax_over_rows(X, y, weights, steps):
    """Your log-softmax runs over the rows of the batch (axis 0). The ten probabilities of one image add to 1: axis 1."""
    return _own(X, y, weights, steps, axis=0), _torch(X, y, weights, steps)


@train_two_engines.mistake("F8")
def summed_loss(X, y, weights, steps):
    """With your own engine the loss is the sum over the rows. It is their mean, as F.cross_entropy gives it: a sum has N times
    the gradient and takes N times the step."""
    return _own(X, y, weights, steps, mean=mini_sum), _torch(X, y, weights, steps)


@train_two_engines.mistake("F8-both")
def summed_loss_in_both(X, y, weights, steps):
    """Both losses are sums over the rows. The mean is wanted: a sum has N times the gradient and takes N times the step."""
    return _own(X, y, weights, steps, mean=mini_sum), _torch(X, y, weights, steps, reduction="sum")


@train_two_engines.mistake("F4")
def minus_lost(X, y, weights, steps):
    """With your own engine the loss has lost its minus: it is the mean of −log p, so that a smaller loss means a larger p."""
    return _own(X, y, weights, steps, sign=1.0), _torch(X, y, weights, steps)


@train_two_engines.mistake("after-step")
def losses_after_the_step(X, y, weights, steps):
    """Your losses are those after each step. Note the loss before the step, from which the gradients come: the first one belongs
    to the first weights."""
    return _own(X, y, weights, steps, after=True), _torch(X, y, weights, steps, after=True)


@train_two_engines.mistake("F17")
def torch_in_float32(X, y, weights, steps):
    """Your PyTorch losses agree to about seven digits: they were computed in float32. Keep float64: torch.tensor(array) does,
    .float() and torch.Tensor do not."""
    return _own(X, y, weights, steps), _torch(X, y, weights, steps, dtype=torch.float32)


@train_two_engines.mistake("C11")
def torch_trains_the_weights(X, y, weights, steps):
    """The losses are right, and your PyTorch loop has trained the arrays of the caller: torch.from_numpy shares their memory.
    torch.tensor makes a copy."""
    return _own(X, y, weights, steps), _torch(X, y, weights, steps, alias=True)


@train_two_engines.mistake("C11-own")
def own_engine_trains_the_weights(X, y, weights, steps):
    """Your own engine has trained the arrays of the caller, in place, and PyTorch went on from there. Start each engine from
    copies."""
    return _own(X, y, weights, steps, copy=False), _torch(X, y, weights, steps)


@train_two_engines.mistake("lr")
def another_rate(X, y, weights, steps):
    """Both engines agree, with another learning rate than 0.5: here it is 0.1."""
    return _own(X, y, weights, steps, lr=0.1), _torch(X, y, weights, steps, lr=0.1)


@train_two_engines.mistake("E5")
def softmax_before_the_loss(X, y, weights, steps):
    """Your own engine is right. F.cross_entropy takes logits, and you gave it probabilities: it applies log-softmax itself."""
    return _own(X, y, weights, steps), _torch(X, y, weights, steps, logits_of=lambda z: torch.softmax(z, 1))


@train_two_engines.mistake("no-relu")
def relu_left_out(X, y, weights, steps):
    """Both engines agree, and both leave out the relu between the two layers: two linear layers are one linear layer."""
    return _own(X, y, weights, steps, relu=False), _torch(X, y, weights, steps, relu=False)


@train_two_engines.mistake("no-step")
def torch_stands_still(X, y, weights, steps):
    """Your own engine is right. The PyTorch loop never takes a step, so its loss stays what it was."""
    return _own(X, y, weights, steps), _torch(X, y, weights, steps, moves=False)


@train_two_engines.mistake("torch-twice")
def torch_alone(X, y, weights, steps):
    """Both lists are those of PyTorch: they agree to the last bit, and no MiniTensor was ever made. Train with your own parts
    first."""
    losses = _torch(X, y, weights, steps)
    return losses, list(losses)


# --- K6b -------------------------------------------------------------------------------------------------------------


@lesson.exercise(
    number="K6b", title="Where it looked when it was wrong", points=2, minutes=20, section="10b", rechecks=("sensitivity",),
    signature="(model, X: Tensor[N, 64], y: LongTensor[N], k: int = 5) -> Tensor[k, 64]",
    hints=(
        "Of which number is the gradient, and by what? Neither the loss nor the weights are asked about.",
        "First find the rows in which the class with the largest logit is not y. Then, for each of the first k of them, the "
        "gradient of that largest logit by the row.",
        "predicted = model(X).argmax(1); the rows are (predicted != y).nonzero().flatten()[:k]. With a leaf of these rows, pick "
        "from the logits of each row the predicted one; their sum has the wanted rows as its gradient, since no row depends on "
        "another.",
    ),
)
def saliency_of_mistakes(ask):
    """The gradient of the predicted logit by the input, for the first k mistakes."""
    with ask.part("the first five mistakes, and fewer or more of them", 3):
        _demand_saliency(ask, 14, 5, 4, 7, None)
        _demand_saliency(ask, 9, 4, 3, 5, 2)
        _demand_saliency(ask, 8, 6, 4, 4, 1)
    with ask.part("where there are fewer than k"):
        _demand_saliency(ask, 9, 5, 4, 3, 6)


def _demand_saliency(ask, rows, inputs, classes, mistakes, k):
    recipe, X, y = _with_mistakes(ask.rng, rows, inputs, classes, mistakes)
    want = saliency_rows(recipe, X, y)[: 5 if k is None else k]
    answer = ask(recipe, X, y) if k is None else ask(recipe, X, y, k)
    answer.equals(want, "the gradient of the predicted class's logit")


def saliency_rows(recipe, X, y):
    """The gradient of the largest logit by the row, for every row where it is not that of y: by the closed form."""
    first, bias, second, _ = (np.array(one) for one in recipe.data[2:6])
    rows = []
    for x, right in zip(X, y, strict=True):
        best = model_of(recipe, x).argmax()
        if best != right:
            rows.append((second @ np.diag(1 - np.tanh(first @ x + bias) ** 2) @ first)[best])
    return np.array(rows)


def _with_mistakes(rng, rows, inputs, classes, mistakes):
    """(recipe, X, y) with so many misread rows, not the first and the second; no two logits of a row are nearly equal."""
    while True:
        recipe = classifier(rng, inputs, 5, classes)
        X = np.array([[rng.uniform(-1.5, 1.5) for _ in range(inputs)] for _ in range(rows)])
        logits = np.sort(model_of(recipe, X), axis=1)
        if (logits[:, -1] - logits[:, -2]).min() < 0.02:
            continue
        y = model_of(recipe, X).argmax(1)
        wrong = sorted(rng.sample(range(2, rows), mistakes))
        for row in wrong:
            y[row] = rng.choice([cls for cls in range(classes) if cls != y[row]])
        rows_of = saliency_rows(recipe, X, y)
        sizes = [np.abs(one).max() for one in rows_of]
        if wrong != list(range(wrong[0], wrong[0] + mistakes)) and min(sizes) > 0.05:
            return recipe, X, y


def _gradients(model, X, number_of):
    leaf = X.detach().clone().requires_grad_()
    return torch.autograd.grad(number_of(model(leaf)), leaf)[0]


def _wrong_rows(model, X, y, k):
    return (model(X).argmax(1) != y).nonzero().flatten()[:k]


def _largest(z):
    return z.max(1).values.sum()


@saliency_of_mistakes.mistake("true-class")
def logit_of_the_right_class(model, X, y, k=5):
    """Your gradients are those of the right class's logit. The question is what spoke for the class that was predicted."""
    rows = _wrong_rows(model, X, y, k)
    return _gradients(model, X[rows], lambda z: z.gather(1, y[rows][:, None]).sum())


@saliency_of_mistakes.mistake("loss")
def gradient_of_the_loss(model, X, y, k=5):
    """Your gradients are those of the loss. The logit itself is wanted, before any softmax or logarithm."""
    rows = _wrong_rows(model, X, y, k)
    return _gradients(model, X[rows], lambda z: F.cross_entropy(z, y[rows], reduction="sum"))


@saliency_of_mistakes.mistake("loss-mean")
def gradient_of_the_mean_loss(model, X, y, k=5):
    """Your gradients are those of the mean loss: of another number, and divided by the rows. The predicted class's logit is
    wanted."""
    rows = _wrong_rows(model, X, y, k)
    return _gradients(model, X[rows], lambda z: F.cross_entropy(z, y[rows]))


@saliency_of_mistakes.mistake("probability")
def gradient_of_the_probability(model, X, y, k=5):
    """Your gradients are those of the probability, which go to 0 where the model is sure. The logit is wanted, before softmax."""
    return _gradients(model, X[_wrong_rows(model, X, y, k)], lambda z: _largest(torch.softmax(z, 1)))


@saliency_of_mistakes.mistake("all-classes")
def all_logits(model, X, y, k=5):
    """You walked back from the sum of all logits of a row. Pick the predicted one."""
    return _gradients(model, X[_wrong_rows(model, X, y, k)], lambda z: z.sum())


@saliency_of_mistakes.mistake("A16")
def mean_over_rows(model, X, y, k=5):
    """Your gradients are divided by the number of rows: you walked back from a mean. Each row wants the gradient of its own
    logit; take the sum."""
    return _gradients(model, X[_wrong_rows(model, X, y, k)], lambda z: z.max(1).values.mean())


@saliency_of_mistakes.mistake("no-selection")
def first_rows(model, X, y, k=5):
    """These are the first k rows, whether they were misread or not. Only rows whose predicted class is not y are asked about."""
    return _gradients(model, X[:k], _largest)


@saliency_of_mistakes.mistake("right-rows")
def rows_read_right(model, X, y, k=5):
    """These are rows that were read right. The mistakes are wanted: predicted != y."""
    return _gradients(model, X[(model(X).argmax(1) == y).nonzero().flatten()[:k]], _largest)


@saliency_of_mistakes.mistake("last-rows")
def last_mistakes(model, X, y, k=5):
    """These are the last mistakes, not the first ones in the order of X."""
    return _gradients(model, X[(model(X).argmax(1) != y).nonzero().flatten()[-k:]], _largest)


@saliency_of_mistakes.mistake("k-ignored")
def all_mistakes(model, X, y, k=5):
    """You return a row for every mistake. Only the first k are wanted."""
    return _gradients(model, X[_wrong_rows(model, X, y, None)], _largest)


@saliency_of_mistakes.mistake("five")
def always_five(model, X, y, k=5):
    """You return the first five mistakes, whatever k says."""
    return _gradients(model, X[_wrong_rows(model, X, y, 5)], _largest)


@saliency_of_mistakes.mistake("sizes")
def signs_dropped(model, X, y, k=5):
    """You dropped the signs. Whether ink in a pixel speaks for the class or against it is half of what a gradient says."""
    return _gradients(model, X[_wrong_rows(model, X, y, k)], _largest).abs()


@saliency_of_mistakes.mistake("times-input")
def times_the_input(model, X, y, k=5):
    """You multiplied with the image. That is another map, gradient times input; here the gradients themselves are wanted."""
    rows = X[_wrong_rows(model, X, y, k)]
    return _gradients(model, rows, _largest) * rows


saliency_of_mistakes.sort_lines(
    "predicted = model(X).argmax(1)",
    "rows = (predicted != y).nonzero().flatten()[:k]",
    "leaf = X[rows].detach().clone().requires_grad_()",
    "logits = model(leaf)",
    "chosen = logits[torch.arange(len(rows)), predicted[rows]]",
    "return torch.autograd.grad(chosen.sum(), leaf)[0]",
    lures={
        "true-class": "chosen = logits[torch.arange(len(rows)), y[rows]]",
        "right-rows": "rows = (predicted == y).nonzero().flatten()[:k]",
    },
)


# --- K6c -------------------------------------------------------------------------------------------------------------


@lesson.exercise(
    number="K6c", title="A digit that fools", points=1, minutes=15, section="10b", rechecks=("fgsm",),
    signature="(model, x: Tensor[64], y: int, eps: float) -> Tensor[64]",
    hints=(
        "The class should flip. Should the loss of the right class grow or fall? And how far may each pixel move?",
        "A step of eps in every pixel, in the direction in which the loss of y grows: the sign of its gradient by x.",
        "Make a leaf from a copy of x, the loss F.cross_entropy(model(leaf), torch.tensor(y)), and walk back. Then x plus eps "
        "times the sign of the gradient, without a graph.",
    ),
)
def adversarial_digit(ask):
    """x moved by at most eps in each pixel, so that the class flips."""
    with ask.part("the class flips, and no pixel moves by more than eps", 2):
        for inputs, classes in ((6, 4), (8, 3), (5, 5)):
            _demand_flip(ask, *_flippable(ask.rng, inputs, classes))
    with ask.part("x stays as it was, and the result has no graph"):
        recipe, x, y, eps = _flippable(ask.rng, 7, 4)
        answer = _demand_flip(ask, recipe, x, y, eps)
        answer.is_detached().leaves_inputs_alone()


def _flippable(rng, inputs, classes):
    """(recipe, x, y, eps): a step along the sign of the loss's gradient flips the class, with room to spare; a step the other
    way, one of eps times the gradient and no step at all do not. No two pixels are so alike that one number would do."""
    while True:
        recipe = classifier(rng, inputs, 6, classes)
        x = np.array([rng.uniform(0.25, 0.75) for _ in range(inputs)])
        eps = round(rng.uniform(0.05, 0.2), 3)
        y, g = int(model_of(recipe, x).argmax()), None
        g = _loss_gradient(recipe, x, y)
        steady = all(_margin(recipe, x + step, y) > 0.02 for step in (0 * g, -eps * np.sign(g), eps * g))
        if np.ptp(x) > 2.2 * eps and np.abs(g).min() > 1e-3 and steady and _margin(recipe, x + eps * np.sign(g), y) < -0.02:
            return recipe, x, y, eps


def _margin(recipe, x, y):
    """By how much the logit of y is above all others."""
    z = model_of(recipe, x)
    return z[y] - np.delete(z, y).max()


def _loss_gradient(recipe, x, y):
    """The gradient of the cross-entropy by x, by the closed form."""
    first, bias, second, _ = (np.array(one) for one in recipe.data[2:6])
    error = softmax(model_of(recipe, x)) - np.eye(len(second))[y]
    return first.T @ ((1 - np.tanh(first @ x + bias) ** 2) * (second.T @ error))


def _demand_flip(ask, recipe, x, y, eps):
    answer = ask(recipe, x, y, eps)
    value = answer.value
    shaped = answer.reply.failure is None and isinstance(value, Array) and value.numbers.shape == x.shape
    if not shaped or not np.isfinite(value.numbers).all():
        return answer.equals(x)  # says what is wrong with type, shape or numbers
    moved = value.numbers.astype(float)
    most, slack = float(np.abs(moved - x).max()), 1e-6  # eps may have been through float32
    answer.holds(most <= eps + slack, f"no pixel moved by more than eps = {eps}", f"a pixel has moved by {most:.4g}", Layer.VALUE)
    best = int(model_of(recipe, moved).argmax())
    answer.holds(best != y, "another class than y predicted for the result", f"the model still says {y}", Layer.VALUE)
    return answer


def _stepped(model, x, y, eps, direction=torch.sign):
    leaf = x.detach().clone().requires_grad_()
    return x + eps * direction(torch.autograd.grad(F.cross_entropy(model(leaf), torch.tensor(y)), leaf)[0])


@adversarial_digit.mistake("A12")
def downhill(model, x, y, eps):
    """You stepped downhill: the model is surer of y than before. The gradient points where the loss grows, and here it shall
    grow."""
    return _stepped(model, x, y, -eps)


@adversarial_digit.mistake("no-sign")
def gradient_itself(model, x, y, eps):
    """You moved by eps times the gradient: most pixels hardly move. The sign lets each of them use its whole eps."""
    return _stepped(model, x, y, eps, lambda g: g)


@adversarial_digit.mistake("sign-only")
def sign_alone(model, x, y, eps):
    """You added the sign itself, so that pixels move by 1. Multiply it with eps."""
    return _stepped(model, x, y, 1.0)


@adversarial_digit.mistake("step-only")
def step_alone(model, x, y, eps):
    """You returned the step alone. The moved image is wanted: x plus the step."""
    return _stepped(model, x, y, eps) - x


@adversarial_digit.mistake("B10")
def with_its_graph(model, x, y, eps):
    """The image is right, and it still hangs on the graph that led to it. Take the step from the gradient and a detached x."""
    leaf = x.detach().clone().requires_grad_()
    g = torch.autograd.grad(F.cross_entropy(model(leaf), torch.tensor(y)), leaf)[0]
    return leaf + eps * g.sign()


@adversarial_digit.mistake("B14")
def image_changed(model, x, y, eps):
    """Your image is right, and x is not as it was: it was moved, or it is tracked now. Make a new tensor, and track a copy,
    x.detach().clone().requires_grad_()."""
    x += _stepped(model, x, y, eps) - x
    return x.clone()


@adversarial_digit.mistake("B14-left")
def gradient_left(model, x, y, eps):
    """Your image is right, and you left x tracked and with a .grad. Walk back to a copy: x.detach().clone().requires_grad_()."""
    x.requires_grad_()
    F.cross_entropy(model(x), torch.tensor(y)).backward()
    return (x + eps * x.grad.sign()).detach()


@adversarial_digit.mistake("unmoved")
def unmoved(model, x, y, eps):
    """Your image is x itself. Move every pixel by eps, up or down, to where the loss grows."""
    return x.clone()


adversarial_digit.sort_lines(
    "leaf = x.detach().clone().requires_grad_()",
    "loss = torch.nn.functional.cross_entropy(model(leaf), torch.tensor(y))",
    "loss.backward()",
    "return x + eps * leaf.grad.sign()",
    lures={"A12": "return x - eps * leaf.grad.sign()", "no-sign": "return x + eps * leaf.grad",
           "B10": "return leaf + eps * leaf.grad.sign()"},
)  # fmt: skip


# --- K6d -------------------------------------------------------------------------------------------------------------

FINDINGS = ("backward", "start", "nothing", "gates", "rate", "sensitivity", "ink", "sum")
SITUATIONS = Situations(
    {"A": ["backward"], "B": ["nothing"], "C": ["gates"], "D": ["rate"], "E": ["sensitivity"], "F": ["sum"]}, FINDINGS,
)  # fmt: skip


@lesson.exercise(
    number="K6d", title="What the figures say", signature="list[str]", kind="choice", points=1, minutes=15, section="10b",
    rechecks=("review_c_methods", "why_prob_grad_vanishes"),
    hints=(
        "For each finding: which causes does it rule out? What agrees cannot be wrong on one side alone.",
        "A first loss needs no gradient, the second one does. A map of gradients says what a change would do, not what is there. "
        "And 64 small changes are not one small change.",
        "Six of the eight words are used, each once. Two runs that start from different weights differ in the first loss "
        "already; and a gradient by a pixel may be large where the pixel is 0.",
    ),
)
def capstone_answers(ask):
    """Six words, for the findings A to F."""
    with ask.part("six findings", 3):
        SITUATIONS.demand(ask(), "what each finding says")


def _wrong_word(id, letter, said, sentence):
    SITUATIONS.add_wrong_word(capstone_answers, id, letter, said, sentence)


_wrong_word(
    "same-start", "A", ("start",),
    "In A the first losses agree to the last digit, so both runs started from the same weights. Look at what comes "
    "between the first loss and the second.",
)
_wrong_word(
    "F20-agreement", "A", ("nothing", "rate", "gates", "sum"),
    "In A forward is right, for the first losses agree. The second ones need the gradients of the first step, and there the two "
    "engines part.",
)
_wrong_word(
    "picture-of-a-run", "A", ("sensitivity", "ink"),
    "A is about two runs and no image. The first losses agree, so forward is right; look at what happens between the first loss "
    "and the second.",
)
_wrong_word(
    "F20", "B", ("backward", "start", "rate", "gates"),
    "In B nothing is wrong yet, and nothing is shown. The loss falls with many wrong gradients, too, as with one that is half as "
    "long.",
)
_wrong_word(
    "F20-other", "B", ("sensitivity", "ink", "sum"),
    "In B you see a loss that falls, and no input was changed. It falls with many wrong gradients, too, "
    "so it shows nothing about the vjps.",
)
_wrong_word(
    "E2", "C", ("rate",),
    "In C the second layer moves with the same rate, and 0 times any rate is 0. Look at what lies between the two layers.",
)
_wrong_word(
    "both-alike", "C", ("backward", "nothing", "start"),
    "In C both engines say the same, so no vjp is wrong: the gradient really is 0 on its way from the second layer to the first. "
    "Look at what lies between them.",
)
_wrong_word(
    "picture-of-a-layer", "C", ("sensitivity", "ink", "sum"),
    "C is about a gradient by weights, and no image is changed. It is lost between the second layer and the first: "
    "look at what lies there.",
)
_wrong_word(
    "A17", "D", ("gates", "backward", "nothing"),
    "In D gradients arrive in both layers and every step is downhill. But a step is a ten-millionth of the weights: look for "
    "what makes it longer.",
)
_wrong_word(
    "slow-start", "D", ("start", "sensitivity", "ink", "sum"),
    "In D every step is a ten-millionth of the weights, in both layers; a thousandth is usual. Look for the "
    "number that makes a step longer.",
)
_wrong_word(
    "saliency-ink", "E", ("ink",),
    "In E the large gradients lie where there is no ink. A gradient says what a change of the pixel would do to the logit, not "
    "how much of it is there.",
)
_wrong_word(
    "saliency-wrong", "E", ("backward", "gates", "nothing", "start", "rate", "sum"),
    "In E nothing is broken. The gradient by a pixel says what a change of this pixel would do to the logit, and an empty pixel "
    "can be changed as well.",
)
_wrong_word(
    "one-by-one", "F", ("sensitivity", "ink", "gates"),
    "In F each pixel alone does next to nothing. But there are 64, and each moves in its own best direction: think of all their "
    "effects together.",
)
_wrong_word(
    "broken-model", "F", ("backward", "nothing", "start", "rate"),
    "In F the model is as well trained as before. Each change is small, and all 64 push the same way: think of all their "
    "effects together.",
)
