"""Exercises 7.5 to 7.7 of lesson 07: what happens to a gradient before and during the step."""

import numpy as np
import torch
from torch import nn

from course_lib.judge import Layer, reports
from course_lib.keys import optimisers
from course_lib.keys.loops import lesson, signed_numbers
from course_lib.recipes import coded

# --- 7.5 -------------------------------------------------------------------------------------------------------------


def two_layers(W, b, V, c):
    """A model V·tanh(W·x + b) + c that notes how many rows each forward pass has."""

    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.last = nn.Linear(len(W[0]), len(W)), nn.Linear(len(W), 1)
            self.double()
            for parameter, numbers in zip(self.parameters(), (W, b, V, c), strict=True):
                parameter.data = torch.tensor(numbers, dtype=torch.float64)
            self.rows = []

        def forward(self, X):
            self.rows.append(len(X))
            return self.last(torch.tanh(self.first(X)))

    return Model()


@reports(gradients=list, rows=[int], moved=bool)
def gradients_left(accumulated_grad, model, X, y, chunks):
    """An old gradient lies in .grad, then your function runs"""
    for parameter in model.parameters():
        parameter.grad = torch.full_like(parameter, 0.37)
    before = [parameter.detach().clone() for parameter in model.parameters()]
    accumulated_grad(model, X, y, chunks)
    return {
        "gradients": [parameter.grad for parameter in model.parameters()], "rows": list(model.rows),
        "moved": any(not torch.equal(old, new) for old, new in zip(before, model.parameters(), strict=True)),
    }


@reports(walks=int)
def walks_back(accumulated_grad, model, X, y, chunks):
    """Your function runs, and its walks back are counted"""
    walks, walk = [], torch.autograd._engine_run_backward  # what backward, autograd.grad and torch.func.grad all end in
    torch.autograd._engine_run_backward = lambda *args, **kwargs: walks.append(1) or walk(*args, **kwargs)
    try:
        accumulated_grad(model, X, y, chunks)
    finally:
        torch.autograd._engine_run_backward = walk
    return {"walks": len(walks)}


def full_gradient(weights, X, y):
    """The gradients of the mean squared error of two_layers(*weights) over all rows, by the chain rule."""
    W, b, V, c = map(np.array, weights)
    h = np.tanh(X @ W.T + b)
    out = 2 * (h @ V.T + c - y) / len(X)
    inner = (out @ V) * (1 - h**2)
    return [inner.T @ X, inner.sum(0), out.T @ h, out.sum(0)]


@lesson.exercise(
    number="7.5", title="A large batch in small pieces",
    signature="(model, X: Tensor[N, n], y: Tensor[N, 1], chunks: list[int]) -> None", points=2, minutes=10, section="07e",
    hints=(
        "A batch of 10 rows is the mean over 10. What share of it does the mean over 8 of these rows have?",
        "Clear once, at the start. Then every chunk adds its gradient by itself, if its loss is weighted with its share of "
        "the rows.",
        "model.zero_grad(); for rows and targets of zip(X.split(chunks), y.split(chunks)): the mean squared error of the chunk "
        "times len(rows) / len(X), then backward.",
    ),
)
def accumulated_grad(ask):
    """.grad of the model as from one full batch, filled chunk by chunk."""
    weights = [signed_numbers(ask.rng, *shape, low=0.3, high=1.1).tolist() for shape in ((4, 3), (4,), (1, 4), (1,))]
    model = coded(two_layers, *weights, text="a small model")
    X, y = signed_numbers(ask.rng, 10, 3), signed_numbers(ask.rng, 10, 1)

    def asked(chunks):
        answer = ask.using(gradients_left, model, X, y, chunks)
        answer.equals({"gradients": full_gradient(weights, X, y)}, "an entry of the model's")
        if answer.value:
            rows = answer.value["rows"]
            answer.holds(bool(rows) and max(rows) <= max(chunks), "no forward pass over more rows than a chunk has",
                         f"a forward pass took {max(rows, default=0)} rows", layer=Layer.METHOD)  # fmt: skip
            answer.holds(not answer.value["moved"], "the parameters as they were: only .grad is filled",
                         "your function moved the parameters", layer=Layer.VALUE)  # fmt: skip

    with ask.part("equal chunks", 2):
        asked([5, 5])
        asked([2] * 5)
    with ask.part("unequal chunks", 3):
        asked([8, 2])
        asked([3, 3, 4])
        if not ask.problems:
            answer = ask.using(walks_back, model, X, y, [3, 3, 4])
            walks = answer.value["walks"] if answer.value else 0
            answer.holds(walks >= 3, "a walk back for each chunk", f"your function walked back {walks} times for 3 chunks",
                         layer=Layer.METHOD)  # fmt: skip


accumulated_grad.sort_lines(
    "model.zero_grad()",
    "for rows, targets in zip(X.split(chunks), y.split(chunks)):",
    "    loss = ((model(rows) - targets) ** 2).mean()",
    "    share = len(rows) / len(X)",
    "    (share * loss).backward()",
    lures={"F9": "    share = 1", "F9-unequal": "    share = 1 / len(chunks)"},
)


def _accumulate(model, X, y, chunks, weigh, clear="once"):
    if clear == "once":
        model.zero_grad()
    for rows, targets in zip(X.split(chunks), y.split(chunks), strict=True):
        if clear == "each":
            model.zero_grad()
        (((model(rows) - targets) ** 2).mean() * weigh(len(rows), len(X), len(chunks))).backward()


@accumulated_grad.mistake("F9")
def means_added(model, X, y, chunks):
    """You added the gradients of the chunks' means. For k chunks that is about k times the full gradient: each must be weighted
    with its share of the rows."""
    _accumulate(model, X, y, chunks, lambda n, total, k: 1)


@accumulated_grad.mistake("F9-unequal")
def divided_by_the_number_of_chunks(model, X, y, chunks):
    """You divided by the number of chunks. That is right only for equal ones: a chunk of 8 rows counts four times as much as
    one of 2."""
    _accumulate(model, X, y, chunks, lambda n, total, k: 1 / k)


@accumulated_grad.mistake("A16")
def sums_of_squares(model, X, y, chunks):
    """You summed over the rows and never divided by their number: your gradient is N times as large."""
    _accumulate(model, X, y, chunks, lambda n, total, k: n)


@accumulated_grad.mistake("divided-twice")
def means_divided_by_all_rows(model, X, y, chunks):
    """You divided by N losses that are means already. Add up sums of squares and divide by N, or weight each mean with the
    chunk's share n/N."""
    _accumulate(model, X, y, chunks, lambda n, total, k: 1 / total)


@accumulated_grad.mistake("cleared-each-time")
def only_the_last_chunk(model, X, y, chunks):
    """Only the last chunk is left in .grad, because it is cleared before each one. Clear once, before the first."""
    _accumulate(model, X, y, chunks, lambda n, total, k: n / total, clear="each")


@accumulated_grad.mistake("F1")
def old_gradient_kept(model, X, y, chunks):
    """What was in .grad before is still in it: clear once, at the start."""
    _accumulate(model, X, y, chunks, lambda n, total, k: n / total, clear="never")


@accumulated_grad.mistake("stepped")
def a_step_as_well(model, X, y, chunks):
    """The gradient is right, and then you made a step with it. The question is for the gradient alone."""
    _accumulate(model, X, y, chunks, lambda n, total, k: n / total)
    torch.optim.SGD(model.parameters(), lr=0.1).step()


@accumulated_grad.mistake("whole-batch")
def all_rows_at_once(model, X, y, chunks):
    """The gradient is right, but you made one forward pass over all rows. The chunks are there because that does not fit into
    memory."""
    _accumulate(model, X, y, [len(X)], lambda n, total, k: 1)


@accumulated_grad.mistake("one-walk")
def losses_added_first(model, X, y, chunks):
    """The gradient is right, but the losses are added up and walked back together: until then the graphs of all chunks are
    kept, and those are what does not fit into memory. Walk back after each chunk."""
    model.zero_grad()
    pairs = zip(X.split(chunks), y.split(chunks), strict=True)
    sum(((model(rows) - targets) ** 2).sum() / len(X) for rows, targets in pairs).backward()


@accumulated_grad.mistake("weight-upside-down")
def weighted_the_other_way(model, X, y, chunks):
    """Your weight is N/n. A chunk of n of the N rows has the share n/N."""
    _accumulate(model, X, y, chunks, lambda n, total, k: total / n)


# --- 7.6 -------------------------------------------------------------------------------------------------------------


@reports(norm=object, gradients=list, parameters=list, made=int)
def clipped(clip_norm, values, gradients, max_norm, without):
    """Parameters with these gradients, and so many without one, are handed to your function"""
    params = [nn.Parameter(value.clone()) for value in values]
    for parameter, gradient in zip(params, gradients, strict=True):
        parameter.grad = gradient.clone()
    made, places, make = [], (nn.utils, nn.utils.clip_grad), nn.utils.clip_grad_norm_
    for place in places:
        place.clip_grad_norm_ = lambda *args, **kwargs: made.append(1) or make(*args, **kwargs)
    try:
        norm = clip_norm([*params, *(nn.Parameter(torch.ones(2)) for _ in range(without))], max_norm)
    finally:
        for place in places:
            place.clip_grad_norm_ = make
    return {
        "norm": norm, "gradients": [p.grad for p in params], "parameters": [p.detach() for p in params], "made": len(made),
    }


@lesson.exercise(
    number="7.6", title="Clip the gradient", signature="(params: list[Tensor], max_norm: float) -> float", points=2,
    minutes=8, section="07f",
    hints=(
        "All gradients together are one long vector. What shortens a vector and keeps its direction?",
        "One factor for everything: max_norm / norm, and only if the norm is above max_norm. The norm is that of all gradients "
        "together, not of each.",
        "The squared norms of the single gradients add up to the squared norm of all. Compute it first, return it, and multiply "
        "every .grad by the same factor if it is too long.",
    ),
)
def clip_norm(ask):
    """The old norm; all gradients shortened together to max_norm if they were longer."""
    values = [signed_numbers(ask.rng, 3, 2), signed_numbers(ask.rng, 4)]
    gradients = [signed_numbers(ask.rng, 3, 2, low=0.5, high=4), signed_numbers(ask.rng, 4, low=0.2, high=1)]
    norm = float(np.sqrt(sum((g**2).sum() for g in gradients)))

    def asked(max_norm, without=0):
        factor = min(1.0, max_norm / norm)
        want = {"norm": norm, "gradients": [factor * g for g in gradients], "parameters": values}
        answer = ask.using(clipped, values, gradients, max_norm, without).equals(want, "an entry of the")
        if answer.value:
            answer.holds(answer.value["made"] == 0, "your own clipping", "clip_grad_norm_ was called", layer=Layer.METHOD)

    with ask.part("too long: the same direction, with the norm max_norm", 3):
        asked(round(0.4 * norm, 2))
        asked(round(0.15 * norm, 2))
    with ask.part("short enough: nothing changes", 2):
        asked(round(1.7 * norm, 2))
    with ask.part("a parameter without .grad is skipped"):
        asked(round(0.4 * norm, 2), 0 if ask.problems else 1)


clip_norm.sort_lines(
    "gradients = [p.grad for p in params if p.grad is not None]",
    "norm = sum((g**2).sum() for g in gradients).sqrt().item()",
    "factor = min(1.0, max_norm / norm)",
    "for g in gradients:",
    "    g *= factor",
    "return norm",
    lures={
        "always": "factor = max_norm / norm", "no-root": "norm = sum((g**2).sum() for g in gradients).item()",
        "copies": "    g = factor * g",
    },
)


def _with_gradients(params):
    return [p for p in params if p.grad is not None]


def _length(params):
    return sum((p.grad**2).sum() for p in _with_gradients(params)).sqrt()


@clip_norm.mistake("F11")
def cut_off_by_value(params, max_norm):
    """You cut every entry off at ±max_norm. That bends the gradient into another direction; one common factor keeps it."""
    norm = _length(params)
    for p in _with_gradients(params):
        p.grad.clamp_(-max_norm, max_norm)
    return norm.item()


@clip_norm.mistake("each-by-itself")
def each_tensor_by_itself(params, max_norm):
    """You clipped the gradient of each parameter by itself. That changes their proportions: one factor for all of them."""
    norm = _length(params)
    for p in _with_gradients(params):
        p.grad *= min(1.0, max_norm / p.grad.norm().item())
    return norm.item()


@clip_norm.mistake("always")
def always_scaled(params, max_norm):
    """You scale to max_norm even where the gradient is shorter: short gradients get longer. Only long ones are cut."""
    norm = _length(params)
    for p in _with_gradients(params):
        p.grad *= max_norm / norm
    return norm.item()


@clip_norm.mistake("new-norm")
def norm_afterwards(params, max_norm):
    """You return the norm after clipping. The one before says how large the gradient really was."""
    norm = _length(params).item()
    for p in _with_gradients(params):
        p.grad *= min(1.0, max_norm / norm)
    return _length(params).item()


@clip_norm.mistake("no-root")
def squared_norm(params, max_norm):
    """You used the sum of the squares as the norm: its square root is missing."""
    norm = _length(params).item() ** 2
    for p in _with_gradients(params):
        p.grad *= min(1.0, max_norm / norm)
    return norm


@clip_norm.mistake("norms-added")
def norms_added_up(params, max_norm):
    """You added the norms of the single gradients. Lengths at right angles do not add up: add their squares, then the root."""
    norm = sum(p.grad.norm().item() for p in _with_gradients(params))
    for p in _with_gradients(params):
        p.grad *= min(1.0, max_norm / norm)
    return norm


@clip_norm.mistake("weights-measured")
def norm_of_the_weights(params, max_norm):
    """You measured the parameters themselves. How long their gradients are is the question."""
    norm = sum((p.detach() ** 2).sum() for p in _with_gradients(params)).sqrt().item()
    for p in _with_gradients(params):
        p.grad *= min(1.0, max_norm / norm)
    return norm


@clip_norm.mistake("max-norm")
def largest_entry(params, max_norm):
    """You took the largest entry for the norm. The length of a vector is the root of the sum of all squares."""
    norm = max(p.grad.abs().max().item() for p in _with_gradients(params))
    for p in _with_gradients(params):
        p.grad *= min(1.0, max_norm / norm)
    return norm


@clip_norm.mistake("inverted")
def made_longer(params, max_norm):
    """Your factor is upside down: norm / max_norm makes long gradients longer. It is max_norm / norm."""
    norm = _length(params).item()
    for p in _with_gradients(params):
        p.grad *= max(1.0, norm / max_norm)
    return norm


@clip_norm.mistake("inverted")
def short_ones_shortened(params, max_norm):
    """Your factor is upside down: min(1, norm / max_norm) leaves long gradients alone and shortens short ones. It is
    max_norm / norm."""
    norm = _length(params).item()
    for p in _with_gradients(params):
        p.grad *= min(1.0, norm / max_norm)
    return norm


@clip_norm.mistake("ready-made")
def by_the_library(params, max_norm):
    """Right, by PyTorch's own clip_grad_norm_. Here you write it yourself: one norm, one factor."""
    return torch.nn.utils.clip_grad_norm_(params, max_norm).item()


@clip_norm.mistake("weights-clipped")
def parameters_clipped(params, max_norm):
    """You shortened the parameters. What is too long are their gradients."""
    norm = _length(params).item()
    with torch.no_grad():
        for p in _with_gradients(params):
            p *= min(1.0, max_norm / norm)
    return norm


@clip_norm.mistake("copies")
def copies_clipped(params, max_norm):
    """Your norm is right, but the gradients are as before: you scaled copies of them. Change .grad itself."""
    norm = _length(params).item()
    for p in _with_gradients(params):
        _ = p.grad * min(1.0, max_norm / norm)
    return norm


# --- 7.7 -------------------------------------------------------------------------------------------------------------


def _walked(ask, drive, reference, settings):
    """Twenty steps from a random start; the reference is computed by NumPy."""
    numbers = [signed_numbers(ask.rng, *shape) for shape in ((3, 2), (2,), (3, 2), (2,))]
    w, b = optimisers.walk(reference(**settings), *numbers)
    answer = ask.using(drive, *numbers, settings)
    return answer.equals({"w": w, "b": b}, "after some step the parameter")


def _behaves(ask, reference, settings):
    """zero_grad, leaves, and a parameter that seldom has a gradient: if the rest is right, for a None would hide it."""
    drive = optimisers.twenty_steps if ask.problems else optimisers.with_an_idle_parameter
    answer = _walked(ask, drive, reference, settings)
    if answer.value and "cleared" in answer.value:
        said = answer.value
        answer.holds(said["cleared"], ".grad is None or 0 after zero_grad()", "zero_grad() leaves numbers in a .grad")
        answer.holds(said["leaves"], "the same tensors, still tracked leaves", "a parameter is no tracked leaf any more")
        answer.holds(said["rests"], "parameters that stay where they are while .grad is None", "one moves whose .grad is None")
        answer.holds(said["optimisers"] == 0, "your own step, not one of torch.optim", "an optimiser of torch.optim was used",
                     layer=Layer.METHOD)  # fmt: skip


@lesson.exercise(
    number="7.7a", title="Momentum by hand", signature="__init__(params, lr, momentum); step(); zero_grad()", kind="class",
    points=2, minutes=10, section="07f",
    hints=(
        "What does the optimiser have to remember from one step to the next, and how many of it: one, or one for each parameter?",
        "A velocity for each parameter, 0 at first: v ← momentum·v + gradient, then w ← w − lr·v, under no_grad.",
        "self.velocities = [torch.zeros_like(p) for p in params]. In step, v.mul_(momentum).add_(p.grad) changes v in place; "
        "skip parameters whose .grad is None.",
    ),
)
def HandMomentum(ask):
    """SGD with momentum as in torch.optim: 20 steps."""
    with ask.part("twenty steps on two tensors", 3):
        _walked(ask, optimisers.twenty_steps, optimisers.Momentum, {"lr": 0.05, "momentum": 0.9})
        _walked(ask, optimisers.twenty_steps, optimisers.Momentum, {"lr": 0.11, "momentum": 0.6})
    with ask.part("zero_grad, leaves, and a parameter that never gets a gradient"):
        _behaves(ask, optimisers.Momentum, {"lr": 0.07, "momentum": 0.8})


optimisers.add_momentum_mistakes(HandMomentum)


@lesson.exercise(
    number="7.7b", title="Adam by hand",
    signature="__init__(params, lr, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0); step(); zero_grad()", kind="class",
    points=2, minutes=15, section="07f",
    hints=(
        "Adam remembers two running means for each parameter. Of what, and why are both too small at first?",
        "m of the gradients, v of their squares. After t steps their weights add up to 1 − βᵗ only, so divide by that. The decay "
        "is added to the gradient before anything else.",
        "g = p.grad + weight_decay·p; m ← β₁·m + (1 − β₁)·g; v ← β₂·v + (1 − β₂)·g²; "
        "p ← p − lr·m̂ / (√v̂ + eps), with m̂ = m / (1 − β₁ᵗ) and v̂ likewise. t counts steps and starts at 1.",
    ),
)
def HandAdam(ask):
    """Adam as in torch.optim: 20 steps, with and without decay."""
    with ask.part("twenty steps without weight decay", 3):
        _walked(ask, optimisers.twenty_steps, optimisers.Adam, {"lr": 0.05})
        _walked(ask, optimisers.twenty_steps, optimisers.Adam, {"lr": 0.08, "betas": [0.8, 0.95], "eps": 0.05})
    with ask.part("two weight decays", 2):
        _walked(ask, optimisers.twenty_steps, optimisers.Adam, {"lr": 0.06, "weight_decay": 0.3})
        _walked(ask, optimisers.twenty_steps, optimisers.Adam, {"lr": 0.03, "weight_decay": 0.8, "eps": 0.02})
    with ask.part("zero_grad, leaves, and a parameter that never gets a gradient"):
        _behaves(ask, optimisers.Adam, {"lr": 0.05, "weight_decay": 0.3})


optimisers.add_adam_mistakes(HandAdam)
