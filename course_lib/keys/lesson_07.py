"""Lesson 07, training loops: the key of its exercises and how people go wrong."""

from dataclasses import replace

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from course_lib.exercise import Lesson
from course_lib.judge import Answer, Layer, Tolerance
from course_lib.keys import optimisers, quiz_07
from course_lib.keys.lines import run_lines
from course_lib.recipes import coded
from course_lib.values import number_of

lesson = Lesson("07", "Training loops", quiz_07)


def _numbers(rng, *shape, low=0.3, high=1.7):
    """Numbers between low and high in size, of both signs."""
    flat = [rng.choice((-1, 1)) * rng.uniform(low, high) for _ in range(int(np.prod(shape)))]
    return np.array(flat).reshape(shape)


# --- 7.1 -------------------------------------------------------------------------------------------------------------

LOOP_LINES = {
    "A": "loss.backward()",
    "B": "optimiser.step()",
    "C": "prediction = model(x)",
    "D": "loss = loss.detach()",
    "E": "optimiser.zero_grad()",
    "F": "loss = ((prediction - y) ** 2).mean()",
    "G": "loss = loss.item()",
    "H": "prediction = prediction.detach()",
}
ROUNDS, LOOP_LR = 6, 0.1
LOOP_X, LOOP_Y = np.array([0.7, -1.3, 1.6, 0.4]), np.array([1.1, -2.0, 3.1, 0.2])


def run_loop(labels):
    """((w, b), problem): where a line y = w·x + b ends after ROUNDS rounds of these lines from (0, 0)."""
    w, b = (torch.zeros((), dtype=torch.float64, requires_grad=True) for _ in range(2))
    x, y = torch.tensor(LOOP_X), torch.tensor(LOOP_Y)
    before = {"x": x, "y": y, "model": lambda x: w * x + b, "optimiser": torch.optim.SGD([w, b], lr=LOOP_LR)}
    _, problem = run_lines(LOOP_LINES, labels, before=before, rounds=ROUNDS)
    return (w.item(), b.item()), problem


def _trained():
    """Where gradient descent by formula ends."""
    w, b, _ = descend_line(LOOP_X, LOOP_Y, LOOP_LR, ROUNDS)
    return w, b


@lesson.exercise(
    number="7.1", title="The loop, in order", signature="list[str]", kind="order", points=1, minutes=5, section="07b",
    hints=(
        "Which line needs what another line makes? backward needs a loss, the step needs gradients.",
        "Forward, loss, backward, step, in this order. The old gradients must go once in each round, and not between backward "
        "and step.",
        "Three of the eight lines cut the graph, so that backward finds nothing: leave those out.",
    ),
)
def loop_order(ask):
    """Five labels whose lines, run again and again, are gradient descent."""
    with ask.part("five lines that train, run six times over"):
        answer = ask()
        labels = [str(label) for label in answer.value] if isinstance(answer.value, list | tuple) else []
        known = len(set(labels)) == len(labels) == 5 and set(labels) <= set(LOOP_LINES)
        answer.holds(known, "a list of five different labels out of A to H", layer=Layer.TYPE)
        if known:
            (w, b), problem = run_loop(labels)
            got = problem or f"after six rounds of your order w is {w:.4g} and b is {b:.4g}".replace("-", "−")
            right = problem is None and np.allclose((w, b), _trained(), rtol=1e-9)
            answer.holds(right, "w and b after six steps of gradient descent", got, layer=Layer.VALUE)


def _order(test):
    """Recognises the orders whose labels, as one text, fulfil the test."""
    return lambda transcript: test("".join(map(str, transcript[0][2].value)))


@loop_order.mistake("F2", fresh=True, recognise=_order(
    lambda o: set("ABE") <= set(o) and o.index("E") in (o.index("A") + 1, *range(o.index("A") + 1, o.index("B")))))
def cleared_before_the_step():
    """The gradients are cleared after backward and before the step: the step finds nothing, so nothing ever moves."""
    return ["C", "F", "A", "E", "B"]


@loop_order.mistake("F3", fresh=True, recognise=_order(
    lambda o: set("ABCEF") == set(o) and o.index("B") < o.index("A") and not o.index("A") < o.index("E")))
def step_before_backward():
    """The step comes before backward: the first one does nothing, and every later one uses the gradient of the round
    before."""
    return ["B", "E", "C", "F", "A"]


@loop_order.mistake("F1", fresh=True, recognise=_order(lambda o: "E" not in o and set("CFAB") <= set(o)))
def never_cleared():
    """Nothing clears the gradients, so each one is added to all before: that is momentum 1, not gradient descent."""
    return ["C", "F", "A", "B", "D"]


@loop_order.mistake("B7", fresh=True, recognise=_order(lambda o: "G" in o))
def loss_as_a_number():
    """`.item()` turns the loss into a plain number, which has no backward."""
    return ["E", "C", "F", "G", "A"]


@loop_order.mistake("graph-cut", fresh=True, recognise=_order(lambda o: "G" not in o and ("D" in o or "H" in o) and "E" in o))
def detached_on_the_way():
    """`detach()` cuts the graph: no way leads from the loss back to w and b."""
    return ["E", "C", "H", "F", "A"]


# --- 7.2 -------------------------------------------------------------------------------------------------------------


def one_round(sgd_step, start, targets, lr):
    """One round on Σ(w − target)², then your step"""
    params = [tensor.clone().requires_grad_() for tensor in start]
    sum(((w - t) ** 2).sum() for w, t in zip(params, targets, strict=True)).backward()
    sgd_step(list(params), lr)
    return [w.detach() for w in params]


def two_rounds(sgd_step, start, targets, lr):
    """Two rounds on Σ(w − target)², your step after each"""
    params = [tensor.clone().requires_grad_() for tensor in start]
    for _ in range(2):
        sum(((w - t) ** 2).sum() for w, t in zip(params, targets, strict=True)).backward()
        sgd_step(list(params), lr)
    return {
        "tensors": [w.detach() for w in params],
        "leaves": all(w.is_leaf and w.requires_grad for w in params),
        "cleared": all(w.grad is None or not w.grad.any() for w in params),
    }


def with_an_idle_one(sgd_step, start, targets, lr):
    """One round in which the first parameter takes no part, so that its .grad is None"""
    params = [tensor.clone().requires_grad_() for tensor in start]
    sum(((w - t) ** 2).sum() for w, t in zip(params[1:], targets[1:], strict=True)).backward()
    made, make = [], torch.optim.Optimizer.__init__
    torch.optim.Optimizer.__init__ = lambda self, *args, **kwargs: made.append(1) or make(self, *args, **kwargs)
    try:
        sgd_step(list(params), lr)
    finally:
        torch.optim.Optimizer.__init__ = make
    return {"tensors": [w.detach() for w in params], "optimisers": len(made)}


@lesson.exercise(
    number="7.2", title="One step, by hand", signature="(params: list[Tensor], lr: float) -> None", points=1, minutes=6,
    section="07b",
    hints=(
        "Who may change a tracked leaf in place, and what does autograd say otherwise?",
        "Inside torch.no_grad() a leaf may be changed in place: it stays the same tensor, and a leaf. Then its .grad must go.",
        "For every w of params whose .grad is not None: `w -= …` under no_grad, then `w.grad = None`. `w = w - …` would make a "
        "new tensor that nobody else sees.",
    ),
)
def sgd_step(ask):
    """A step of gradient descent on the tensors themselves, and .grad cleared."""
    start = [_numbers(ask.rng, 3, 2), _numbers(ask.rng, 4)]
    targets = [_numbers(ask.rng, 3, 2), _numbers(ask.rng, 4)]
    lr = round(ask.rng.uniform(0.11, 0.19), 2)
    once = [w - 2 * lr * (w - t) for w, t in zip(start, targets, strict=True)]
    twice = [w - 2 * lr * (w - t) for w, t in zip(once, targets, strict=True)]
    with ask.part("one step moves every parameter against its gradient", 2):
        ask.using(one_round, start, targets, lr).equals(once, "the parameter")
    with ask.part("after two rounds: still leaves, .grad cleared", 2):
        answer = ask.using(two_rounds, start, targets, lr)
        answer.equals({"tensors": twice}, "the parameter in")
        if answer.value:
            answer.holds(answer.value["leaves"], "parameters that are still tracked leaves", "a parameter is none any more")
            answer.holds(answer.value["cleared"], ".grad is None or 0 after your step", "a .grad still holds numbers")
    with ask.part("a parameter without .grad is left as it is"):
        if ask.problems:  # a None that stops the code would hide what else is wrong
            ask.using(one_round, start, targets, lr).equals(once, "the parameter")
            return
        answer = ask.using(with_an_idle_one, start, targets, lr)
        answer.equals({"tensors": [start[0], *once[1:]]}, "the parameter in")
        if answer.value:
            answer.holds(answer.value["optimisers"] == 0, "a step of your own, not one of torch.optim",
                         "your function used an optimiser of torch.optim", layer=Layer.METHOD)  # fmt: skip


def _step(params, lr, clear=True):
    with torch.no_grad():
        for w in params:
            if w.grad is not None:
                w -= lr * w.grad
                if clear:
                    w.grad = None


@sgd_step.mistake("F4")
def uphill(params, lr):
    """You added lr·gradient. The gradient points uphill; training goes down."""
    _step(params, -lr)


@sgd_step.mistake("F5")
def new_tensors(params, lr):
    """`w = w - lr * w.grad` makes a new tensor and gives it the name w. The parameter itself stays where it was."""
    for w in params:
        if w.grad is not None:
            w = w - lr * w.grad


@sgd_step.mistake("F6")
def in_place_and_tracked(params, lr):
    """A tracked leaf may be changed in place only under torch.no_grad(): otherwise the change would belong to the graph."""
    for w in params:
        if w.grad is not None:
            w -= lr * w.grad
            w.grad = None


@sgd_step.mistake("F1")
def not_cleared(params, lr):
    """.grad is not cleared, so the second step uses the sum of two gradients."""
    _step(params, lr, clear=False)


@sgd_step.mistake("C9")
def zero_without_asking(params, lr):
    """`w.grad.zero_()` fails where nothing has arrived yet: .grad is None there, not a tensor of zeros."""
    with torch.no_grad():
        for w in params:
            if w.grad is not None:
                w -= lr * w.grad
            w.grad.zero_()


@sgd_step.mistake("none-forgotten")
def none_times_number(params, lr):
    """A parameter that took no part has .grad None, and None cannot be multiplied. Skip such parameters."""
    with torch.no_grad():
        for w in params:
            w -= lr * w.grad
            w.grad = None


@sgd_step.mistake("F2")
def cleared_first(params, lr):
    """You cleared .grad before using it: the step found nothing, and nothing moved."""
    for w in params:
        w.grad = None
    _step(params, lr)


@sgd_step.mistake("sign-only")
def signs(params, lr):
    """You moved by lr along the sign of the gradient. The step is lr times the gradient: steep means far."""
    with torch.no_grad():
        for w in params:
            if w.grad is not None:
                w -= lr * w.grad.sign()
                w.grad = None


# --- 7.3 -------------------------------------------------------------------------------------------------------------


def descend_line(x, y, lr, epochs):
    """(w, b, losses) of gradient descent on the mean squared error from (0, 0), by formula."""
    w, b, losses = 0.0, 0.0, []
    for _ in range(epochs):
        off = w * x + b - y
        losses.append(float((off**2).mean()))
        w, b = w - lr * 2 * float((off * x).mean()), b - lr * 2 * float(off.mean())
    return w, b, losses


def planted_line(rng, slope=None, height=None):
    """(x, y) of shape (N, 1): points near y = slope·x + height."""
    slope = rng.uniform(1.2, 1.9) if slope is None else slope
    height = -rng.uniform(0.4, 0.9) if height is None else height
    x = np.array([rng.uniform(-1.2, 2) for _ in range(rng.randint(35, 45))])[:, None]
    noise = np.array([rng.gauss(0, 0.08) for _ in range(len(x))])[:, None]
    return x, slope * x + height + noise


@lesson.exercise(
    number="7.3", title="Fit a line",
    signature="(x: Tensor[N, 1], y: Tensor[N, 1], lr: float, epochs: int) -> tuple[float, float, list[float]]", points=2,
    minutes=10, section="07b",
    hints=(
        "The five steps in a loop. Which of them makes the number that you keep, and when in the round is it made?",
        "Two leaves that start at 0, in float64 like the data. Print the shape of prediction − y: is it (N, 1)?",
        "w = torch.zeros(1, dtype=x.dtype, requires_grad=True), and b likewise; prediction = w * x + b; the loss is the mean "
        "of the squares; keep loss.item(); backward; update under no_grad; clear.",
    ),
)
def fit_line(ask):
    """(w, b, losses): gradient descent on the mean squared error from (0, 0), the loss before each update."""
    with ask.part("w and b on three data sets, one planted at (1.7, −0.6)", 3):
        for planted, epochs in (((1.7, -0.6), 200), ((None, None), 40), ((None, None), 25)):
            x, y = planted_line(ask.rng, *planted)
            answer, want = ask(x, y, 0.1, epochs), descend_line(x, y, 0.1, epochs)
            _first_two(answer).equals(want[:2], ("w", "b"))
    with ask.part("the losses, one before each update", 2):
        x, y = planted_line(ask.rng)
        for lr, epochs in ((0.1, 20), (0.05, 3)):
            answer = ask(x, y, lr, epochs).equals(descend_line(x, y, lr, epochs), ("w", "b", "the loss"))
            kept = answer.value[2] if isinstance(answer.value, tuple | list) and len(answer.value) == 3 else ()
            if any(getattr(loss, "requires_grad", False) for loss in (kept if isinstance(kept, list | tuple) else ())):
                ask.advise("Your losses are tensors that keep their whole graphs alive: store loss.item().")


def _first_two(answer):
    """The answer without its third entry, if it has three."""
    if isinstance(answer.value, tuple | list) and len(answer.value) == 3:
        return Answer(answer.ask, replace(answer.reply, value=tuple(answer.value[:2])), answer.args)
    answer.holds(False, "three things: w, b and the losses", layer=Layer.TYPE)
    return answer


def _fit(x, y, lr, epochs, loss_of=None, clear="before", sign=1, start=0.0, after=False):
    w, b = (torch.full((1,), start, dtype=x.dtype, requires_grad=True) for _ in range(2))
    losses = []
    for _ in range(epochs):
        if clear == "before":
            w.grad = b.grad = None
        loss = (loss_of or (lambda p, y: ((p - y) ** 2).mean()))(w * x + b, y)
        loss.backward()
        losses.append(loss.item())
        if clear == "between":
            w.grad = b.grad = None
        with torch.no_grad():
            for parameter in (w, b):
                if parameter.grad is not None:
                    parameter -= sign * lr * parameter.grad
        if after:
            losses[-1] = ((w * x + b - y) ** 2).mean().item()
    return w.item(), b.item(), losses


@fit_line.mistake("E9")
def every_pair(x, y, lr, epochs):
    """Your prediction and y have different shapes, (N,) and (N, 1): their difference is a table of every pair, (N, N), and
    the best line for that is flat."""
    return _fit(x, y, lr, epochs, lambda p, y: ((p.squeeze(1) - y) ** 2).mean())


@fit_line.mistake("F1")
def gradients_pile_up(x, y, lr, epochs):
    """The gradients are never cleared, so each step uses the sum of all so far."""
    return _fit(x, y, lr, epochs, clear="never")


@fit_line.mistake("F8")
def sum_for_mean(x, y, lr, epochs):
    """You took the sum of the squares where the mean is asked for: gradients N times as large, far too large for this
    learning rate."""
    return _fit(x, y, lr, epochs, lambda p, y: ((p - y) ** 2).sum())


@fit_line.mistake("F2")
def nothing_left_for_the_step(x, y, lr, epochs):
    """w and b never leave 0, and all losses are equal: the gradients are cleared between backward and the step."""
    return _fit(x, y, lr, epochs, clear="between")


@fit_line.mistake("F4")
def climbs(x, y, lr, epochs):
    """The loss grows with every step: you add lr·gradient instead of subtracting it."""
    return _fit(x, y, lr, epochs, sign=-1)


@fit_line.mistake("half")
def half_the_square(x, y, lr, epochs):
    """Your losses are half of the mean squared error: leave out the factor ½."""
    return _fit(x, y, lr, epochs, lambda p, y: ((p - y) ** 2).mean() / 2)


@fit_line.mistake("loss-after")
def loss_after_the_update(x, y, lr, epochs):
    """Your losses are those after each update. The first one must be the loss at (0, 0)."""
    return _fit(x, y, lr, epochs, after=True)


@fit_line.mistake("start")
def starts_at_one(x, y, lr, epochs):
    """You start at (1, 1). The docstring asks to start at (0, 0)."""
    return _fit(x, y, lr, epochs, start=1.0)


@fit_line.mistake("swapped")
def height_before_slope(x, y, lr, epochs):
    """w and b have changed places: first the slope, then the height."""
    w, b, losses = _fit(x, y, lr, epochs)
    return b, w, losses


# --- 7.4 -------------------------------------------------------------------------------------------------------------

EDGE = Tolerance(rtol=5e-4, scale=1e-6)  # found by trying is as good as found by formula


@lesson.exercise(
    number="7.4", title="The largest learning rate", signature="(A: Tensor[n, n]) -> float", points=2, minutes=8,
    section="07d",
    hints=(
        "Along an eigenvector of A the loss is ½λu². What does one step make of u?",
        "u becomes (1 − lr·λ)·u. It shrinks while the bracket lies between −1 and 1. Which λ leaves that range first?",
        "torch.linalg.eigvalsh(A) gives the eigenvalues of a symmetric matrix. The largest one decides.",
    ),
)
def max_stable_lr(ask):
    """2/λmax for the loss ½xᵀAx."""
    with ask.part("three bowls: just below it converges, just above it diverges", 3):
        for n in (2, 3, 5):
            A = bowl(ask.rng, n)
            limit = 2 / float(np.linalg.eigvalsh(A).max())
            ask(A).equals(limit, "the largest learning rate that still converges", EDGE)


def bowl(rng, n):
    """A symmetric positive definite matrix of shape (n, n), not diagonal, with eigenvalues well apart."""
    turn, _ = np.linalg.qr(_numbers(rng, n, n))
    sizes = np.array([rng.uniform(0.9, 1.1) * (0.6 + 1.4 * k) for k in range(n)])
    A = turn @ np.diag(sizes) @ turn.T
    return (A + A.T) / 2


@max_stable_lr.mistake("one-over")
def one_over_largest(A):
    """That is 1/λmax, where the steep direction is reached in one step. It still converges up to twice that."""
    return 1 / torch.linalg.eigvalsh(A).max().item()


@max_stable_lr.mistake("smallest")
def by_the_flat_direction(A):
    """You took the smallest eigenvalue, the flat direction. The steep one diverges first."""
    return 2 / torch.linalg.eigvalsh(A).min().item()


@max_stable_lr.mistake("trace")
def by_the_trace(A):
    """You added the eigenvalues up (or took the trace). Directions do not help each other: only the steepest one counts."""
    return 2 / A.trace().item()


@max_stable_lr.mistake("diagonal")
def by_the_diagonal(A):
    """You took the largest entry on the diagonal. The steepest direction need not lie along an axis: it is an eigenvector."""
    return 2 / A.diagonal().max().item()


@max_stable_lr.mistake("norm")
def by_the_norm(A):
    """You divided by the norm of the whole table, which mixes all directions. Only the largest eigenvalue counts."""
    return 2 / A.norm().item()


@max_stable_lr.mistake("F7")
def one_for_all(A):
    """You return the same learning rate for every bowl. How large it may be is no matter of taste: the curvature decides."""
    return 0.1


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


def gradients_left(accumulated_grad, model, X, y, chunks):
    """An old gradient lies in .grad, then your function runs"""
    for parameter in model.parameters():
        parameter.grad = torch.full_like(parameter, 0.37)
    accumulated_grad(model, X, y, chunks)
    return {"gradients": [parameter.grad for parameter in model.parameters()], "rows": list(model.rows)}


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
    weights = [_numbers(ask.rng, *shape, low=0.3, high=1.1).tolist() for shape in ((4, 3), (4,), (1, 4), (1,))]
    model = coded(two_layers, *weights, text="a small model")
    X, y = _numbers(ask.rng, 10, 3), _numbers(ask.rng, 10, 1)

    def asked(chunks):
        answer = ask.using(gradients_left, model, X, y, chunks)
        answer.equals({"gradients": full_gradient(weights, X, y)}, "an entry of the model's")
        if answer.value:
            rows = answer.value["rows"]
            answer.holds(bool(rows) and max(rows) <= max(chunks), "no forward pass over more rows than a chunk has",
                         f"a forward pass took {max(rows, default=0)} rows", layer=Layer.METHOD)  # fmt: skip

    with ask.part("equal chunks", 2):
        asked([5, 5])
        asked([2] * 5)
    with ask.part("unequal chunks", 3):
        asked([8, 2])
        asked([3, 3, 4])


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


@accumulated_grad.mistake("cleared-each-time")
def only_the_last_chunk(model, X, y, chunks):
    """Only the last chunk is left in .grad, because it is cleared before each one. Clear once, before the first."""
    _accumulate(model, X, y, chunks, lambda n, total, k: n / total, clear="each")


@accumulated_grad.mistake("F1")
def old_gradient_kept(model, X, y, chunks):
    """What was in .grad before is still in it: clear once, at the start."""
    _accumulate(model, X, y, chunks, lambda n, total, k: n / total, clear="never")


@accumulated_grad.mistake("whole-batch")
def all_rows_at_once(model, X, y, chunks):
    """The gradient is right, but you made one forward pass over all rows. The chunks are there because that does not fit into
    memory."""
    _accumulate(model, X, y, [len(X)], lambda n, total, k: 1)


@accumulated_grad.mistake("weight-upside-down")
def weighted_the_other_way(model, X, y, chunks):
    """Your weight is N/n. A chunk of n of the N rows has the share n/N."""
    _accumulate(model, X, y, chunks, lambda n, total, k: total / n)


# --- 7.6 -------------------------------------------------------------------------------------------------------------


def clipped(clip_norm, values, gradients, max_norm, without):
    """Parameters with these gradients, and so many without one, are handed to your function"""
    params = [nn.Parameter(value.clone()) for value in values]
    for parameter, gradient in zip(params, gradients, strict=True):
        parameter.grad = gradient.clone()
    norm = clip_norm([*params, *(nn.Parameter(torch.ones(2)) for _ in range(without))], max_norm)
    return {"norm": norm, "gradients": [p.grad for p in params], "parameters": [p.detach() for p in params]}


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
    values = [_numbers(ask.rng, 3, 2), _numbers(ask.rng, 4)]
    gradients = [_numbers(ask.rng, 3, 2, low=0.5, high=4), _numbers(ask.rng, 4, low=0.2, high=1)]
    norm = float(np.sqrt(sum((g**2).sum() for g in gradients)))

    def asked(max_norm, without=0):
        factor = min(1.0, max_norm / norm)
        want = {"norm": norm, "gradients": [factor * g for g in gradients], "parameters": values}
        ask.using(clipped, values, gradients, max_norm, without).equals(want, "an entry of the")

    with ask.part("too long: the same direction, with the norm max_norm", 3):
        asked(round(0.4 * norm, 2))
        asked(round(0.15 * norm, 2))
    with ask.part("short enough: nothing changes", 2):
        asked(round(1.7 * norm, 2))
    with ask.part("a parameter without .grad is skipped"):
        asked(round(0.4 * norm, 2), 0 if ask.problems else 1)


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
    numbers = [_numbers(ask.rng, 3, 2), _numbers(ask.rng, 2), _numbers(ask.rng, 3, 2), _numbers(ask.rng, 2)]
    w, b = optimisers.walk(reference(**settings), *numbers)
    answer = ask.using(drive, *numbers, settings)
    return answer.equals({"w": w, "b": b}, "after some step the parameter")


def _behaves(ask, reference, settings):
    """zero_grad, leaves, and a parameter that never gets a gradient: if the rest is right, for a None would hide it."""
    drive = optimisers.twenty_steps if ask.problems else optimisers.with_an_idle_parameter
    answer = _walked(ask, drive, reference, settings)
    if answer.value and "cleared" in answer.value:
        said = answer.value
        answer.holds(said["cleared"], ".grad is None or 0 after zero_grad()", "zero_grad() leaves numbers in a .grad")
        answer.holds(said["leaves"], "the same tensors, still tracked leaves", "a parameter is no tracked leaf any more")
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


# --- 7.8 -------------------------------------------------------------------------------------------------------------

CHANCE, TRAIN_ROWS, MOST_STEPS = float(np.log(10)), 1437, 200
DIGIT_SEEDS = tuple(range(12))  # a few, so that a run can be remembered; the reference passes with every one


def trained(train_digits, seed):
    """Your function runs"""
    calls, call = [], nn.Module.__call__

    def noted(self, *args, **kwargs):
        calls.append((self.training, torch.is_grad_enabled()))
        return call(self, *args, **kwargs)

    nn.Module.__call__ = noted
    try:
        result = train_digits(seed)
    finally:
        nn.Module.__call__ = call
    return {
        "result": result, "modules": len(calls), "eval": any(not training for training, _ in calls),
        "no_grad": any(not grad for training, grad in calls if not training),
    }


@lesson.exercise(
    number="7.8", title="Train on real digits", signature="(seed: int) -> dict", points=3, minutes=20, section="07g",
    hints=(
        "Which of the five steps need the training rows, and which rows must the model never see before the end?",
        "Full batch, torch.optim.Adam with lr=0.01, 200 steps. cross_entropy takes the logits as they are. Measure the accuracy "
        "in eval() and under no_grad().",
        "The gradient norms are those of the two weight matrices after the first backward: model[0].weight.grad.norm().item(), "
        "and the same of the last layer. losses.append(loss.item()) before each step; losses[0] is the initial loss.",
    ),
)
def train_digits(ask):
    """A network 64 → 32 → 10 on the digits: initial loss, losses, accuracy on the test rows, gradient norms."""
    seeds = ask.rng.sample(DIGIT_SEEDS, 3)
    answers = []
    with ask.part("it starts near ln 10 and ends below 0.35, from three seeds", 4):
        for seed in seeds:
            answers.append(ask.using(trained, seed))
            _learns(answers[-1])
        losses = [run["losses"] for run in map(_result, answers) if run is not None]
        if len(losses) == 3:
            answers[-1].holds(losses[0] != losses[1] != losses[2], "another seed, another run: the seed must be used",
                              "two seeds gave the same losses", layer=Layer.VALUE)  # fmt: skip
    with ask.part("at least 94 % of the test rows, measured in eval() and under no_grad()", 2):
        _generalises(ask.using(trained, seeds[0]))


KEYS = ("initial_loss", "losses", "test_accuracy", "layer_grad_norms")


def _result(answer):
    """The returned dict with plain numbers, or None if it is no such dict."""
    value = answer.value["result"] if isinstance(answer.value, dict) else None
    if not isinstance(value, dict) or not set(KEYS) <= value.keys():
        return None
    many = [value[key] for key in ("losses", "layer_grad_norms")]
    if not all(isinstance(one, list | tuple) and one and all(number_of(x) is not None for x in one) for one in many):
        return None
    single = [number_of(value[key]) for key in ("initial_loss", "test_accuracy")]
    if None in single:
        return None
    return {"initial_loss": single[0], "losses": [number_of(x) for x in many[0]], "test_accuracy": single[1],
            "layer_grad_norms": [number_of(x) for x in many[1]],
            "tracked": any(getattr(x, "requires_grad", False) for x in many[0])}  # fmt: skip


def _learns(answer):
    answer.holds(isinstance(answer.value, dict) and answer.value.get("result") is not None, "a dict", layer=Layer.TYPE)
    run = _result(answer)
    answer.holds(run is not None, f"a dict with the entries {', '.join(KEYS)}: two numbers and two lists of numbers",
                 layer=Layer.TYPE)  # fmt: skip
    if run is None:
        return
    losses = run["losses"]
    answer.holds(abs(run["initial_loss"] / CHANCE - 1) < 0.1, "an initial loss within a tenth of ln 10",
                 f"initial_loss is {run['initial_loss']:.4g}", layer=Layer.VALUE)  # fmt: skip
    answer.holds(1 < len(losses) <= MOST_STEPS, f"one loss for each of at most {MOST_STEPS} steps",
                 f"there are {len(losses)} losses", layer=Layer.VALUE)  # fmt: skip
    answer.holds(abs(losses[0] - run["initial_loss"]) < 1e-3 * CHANCE, "losses[0] is the initial loss, before any update",
                 f"losses[0] is {losses[0]:.4g}, initial_loss {run['initial_loss']:.4g}", layer=Layer.VALUE)  # fmt: skip
    answer.holds(losses[-1] < 0.35, "a last loss below the bound above", f"the last loss is {losses[-1]:.4g}", layer=Layer.VALUE)
    answer.holds(not run["tracked"], "losses as plain numbers", "the losses are tensors with a graph", layer=Layer.VALUE)
    norms = run["layer_grad_norms"]
    answer.holds(len(norms) == 2 and all(0 < norm < np.inf for norm in norms), "two gradient norms, both above 0",
                 f"layer_grad_norms is {norms}", layer=Layer.VALUE)  # fmt: skip


def _generalises(answer):
    _learns(answer)
    run = _result(answer)
    if run is None:
        return
    answer.holds(0.94 <= run["test_accuracy"] <= 1, "a fraction, and at least 94 % of the test rows right",
                 f"test_accuracy is {run['test_accuracy']:.4g}", layer=Layer.VALUE)  # fmt: skip
    said = answer.value
    answer.holds(said["modules"] == 0 or said["eval"], "the test rows go through the model after model.eval()",
                 "the model was never used in eval mode", layer=Layer.METHOD)  # fmt: skip
    answer.holds(said["modules"] == 0 or not said["eval"] or said["no_grad"], "the test rows go through it under torch.no_grad()",
                 "the model was evaluated with the graph switched on", layer=Layer.METHOD)  # fmt: skip


def _digits_run(seed, loss_of=None, learning=True, sign=1, init=None, percent=False, keep=False, steps=MOST_STEPS):
    """A run of the network with one thing wrong."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    X, y = torch.tensor(digits.data / 16, dtype=torch.float32), torch.tensor(digits.target)
    held = torch.arange(len(X)) % 5 == 0
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = torch.nn.Sequential(torch.nn.Linear(64, 32), torch.nn.ReLU(), torch.nn.Linear(32, 10))
    if init is not None:
        for parameter in model.parameters():
            torch.nn.init.constant_(parameter, init)
    optimiser = torch.optim.Adam(model.parameters(), lr=0.01, maximize=sign < 0)
    losses, norms = [], []
    for _ in range(steps):
        optimiser.zero_grad()
        loss = (loss_of or torch.nn.functional.cross_entropy)(model(X[~held]), y[~held])
        loss.backward()
        norms = norms or [model[k].weight.grad.norm().item() for k in (0, 2)]
        losses.append(loss if keep else loss.item())
        if not learning:
            optimiser.zero_grad()
        optimiser.step()
    model.eval()
    with torch.no_grad():
        right = model(X[held]).argmax(1) == y[held]
    accuracy = right.float().mean().item() * (100 if percent else 1)
    return {"initial_loss": float(losses[0]), "losses": losses, "test_accuracy": accuracy, "layer_grad_norms": norms}


def _runs(test):
    """Recognises a run of whose results, all of them, this test is true."""

    def recognise(transcript):
        runs = [_result(Answer(None, reply, args)) for _, args, reply in transcript if not reply.failure]
        return len(runs) == len(transcript) and all(run is not None and test(run) for run in runs)

    return recognise


def _starts_by_chance(run):
    return abs(run["initial_loss"] / CHANCE - 1) < 0.1


@train_digits.mistake("E5", recognise=_runs(
    lambda run: _starts_by_chance(run) and 1.461 < run["losses"][-1] < 2.2 and run["losses"][0] - run["losses"][-1] > 0.05
    and min(run["layer_grad_norms"]) > 1e-4))
def softmax_twice(seed):
    """Your loss starts at ln 10 and cannot get below 1.46: that is the floor when cross_entropy is given probabilities. It wants
    the logits."""
    return _digits_run(seed, lambda z, y: torch.nn.functional.cross_entropy(torch.softmax(z, 1), y))


@train_digits.mistake("E4", recognise=_runs(lambda run: abs(run["initial_loss"] / np.log(TRAIN_ROWS) - 1) < 0.05))
def softmax_down_the_batch(seed):
    """Your initial loss is the logarithm of the number of rows, not of the classes: the softmax runs down the batch (dim=0)
    instead of across the classes."""
    return _digits_run(seed, lambda z, y: torch.nn.functional.nll_loss(torch.log_softmax(z, 0), y), steps=20)


@train_digits.mistake("F14", recognise=_runs(lambda run: abs(run["initial_loss"] - CHANCE) < 2e-6 and run["losses"][-1] > 0.35))
def equal_weights(seed):
    """Your initial loss is ln 10 to the last digit: all weights start equal, so all hidden units are one and the same unit for
    ever."""
    return _digits_run(seed, init=0.05, steps=40)


@train_digits.mistake("F13", recognise=_runs(lambda run: run["tracked"]))
def losses_with_their_graphs(seed):
    """You keep the loss tensors, and with each its whole graph. Keep loss.item()."""
    return _digits_run(seed, keep=True, steps=60)


@train_digits.mistake("F8", recognise=_runs(lambda run: abs(run["initial_loss"] / (TRAIN_ROWS * CHANCE) - 1) < 0.1))
def summed_over_rows(seed):
    """Your loss is the sum over all training rows. cross_entropy takes the mean, and a mean starts near ln 10."""
    return _digits_run(seed, lambda z, y: torch.nn.functional.cross_entropy(z, y, reduction="sum"), steps=20)


@train_digits.mistake("F2", recognise=_runs(lambda run: _starts_by_chance(run) and np.ptp(run["losses"]) < 1e-7))
def nothing_moves(seed):
    """All your losses are equal: no step moves anything. Either the gradients are cleared between backward and step, or there
    is no step."""
    return _digits_run(seed, learning=False, steps=20)


@train_digits.mistake("F4", recognise=_runs(lambda run: run["losses"][-1] > 1.5 * run["losses"][0]))
def climbs_the_loss(seed):
    """The loss grows: you go uphill, or with a learning rate that is far too large."""
    return _digits_run(seed, sign=-1, steps=60)


@train_digits.mistake("percent", recognise=_runs(lambda run: 2 < run["test_accuracy"] <= 100))
def accuracy_in_percent(seed):
    """The accuracy is in percent. The docstring asks for a fraction, between 0 and 1."""
    return _digits_run(seed, percent=True)


# --- 7.9 -------------------------------------------------------------------------------------------------------------

FAULTS = {
    "A": "cross_entropy is given logits instead of probabilities",
    "B": "all weights start equal, so the hidden units never become different",
    "C": "the loss is a mean and should be a sum",
    "D": "the gradients are cleared between backward and the step",
    "E": "the parameters must be updated under no_grad, and step() is not",
    "F": "the losses are kept as tensors, each with its graph",
    "G": "tanh lets no gradient through",
}
BOUND = 0.2  # a network whose units are all equal cannot get below 0.4 here: see the test


def corners(rng):
    """(X, y): four little clouds, in two corners class 0 and in the two others class 1, as in XOR."""
    centres = [(-1, -1, 0), (1, 1, 0), (-1, 1, 1), (1, -1, 1)]
    rows = [(u + rng.gauss(0, 0.15), v + rng.gauss(0, 0.15), label) for u, v, label in centres * 12]
    rng.shuffle(rows)
    table = np.array(rows)
    return table[:, :2], table[:, 2].astype(np.int64)


@lesson.exercise(
    number="7.9a", title="Fix me: a script that runs and does not train",
    signature="(X: Tensor[N, n], y: LongTensor[N], steps: int) -> list[float]", points=2, minutes=10, section="07g",
    hints=(
        "Run it for 3 steps and print a weight before and after. Does it move? Then print two rows of the first weight matrix.",
        "Three faults: one in how the weights start, one in the order of the calls, one in what is kept. None of them raises.",
        "PyTorch's own initialisation is fine as it is. Clear before backward, not after it. A list of numbers needs .item().",
    ),
)
def fix_training_script(ask):
    """The losses of a small network on data that one hidden unit cannot separate."""
    X, y = corners(ask.rng)
    with ask.part("the loss falls", 2):
        _falls(ask(X, y, 300))
    with ask.part("the losses are plain numbers", 1):
        answer = ask(X, y, 40)
        _falls(answer)
        tracked = any(getattr(one, "requires_grad", False) for one in answer.value or ()) \
            if isinstance(answer.value, list | tuple) else False
        answer.holds(not tracked, "numbers", "your losses are tensors, each with its graph", layer=Layer.VALUE)
    with ask.part("the hidden units become different: a last loss below 0.2", 2):
        answer = ask(X, y, 300)
        _falls(answer)
        last = _losses(answer)[-1:]
        answer.holds(bool(last) and last[0] < BOUND, "a last loss that only different hidden units reach",
                     f"the last loss is {last[0]:.3g}" if last else None, layer=Layer.VALUE)  # fmt: skip


def _losses(answer):
    value = answer.value if isinstance(answer.value, list | tuple) else ()
    numbers = [number_of(one) for one in value]
    return [] if None in numbers else numbers


def _falls(answer):
    losses, steps = _losses(answer), answer.args[-1]
    answer.holds(len(losses) == steps, "a list of one loss for each step", layer=Layer.TYPE)
    if len(losses) == steps:
        falls = np.isfinite(losses).all() and 0.4 < losses[0] < 5 and 0 <= losses[-1] < 0.995 * losses[0]
        answer.holds(falls, "losses that begin near ln 2 (or a few times that) and fall",
                     f"they go from {losses[0]:.3g} to {losses[-1]:.3g}", layer=Layer.VALUE)  # fmt: skip


@fix_training_script.broken
def script_with_three_faults(X, y, steps):
    model = nn.Sequential(nn.Linear(X.shape[1], 16), nn.Tanh(), nn.Linear(16, 2)).to(X.dtype)
    for parameter in model.parameters():
        nn.init.constant_(parameter, 0.5)
    optimiser = torch.optim.Adam(model.parameters(), lr=0.05)
    losses = []
    for _ in range(steps):
        loss = F.cross_entropy(model(X), y)
        loss.backward()
        optimiser.zero_grad()
        optimiser.step()
        losses.append(loss)
    return losses


def _script(X, y, steps, equal=False, stuck=False, tensors=False):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = torch.nn.Sequential(torch.nn.Linear(X.shape[1], 16), torch.nn.Tanh(), torch.nn.Linear(16, 2)).to(X.dtype)
    if equal:
        for parameter in model.parameters():
            torch.nn.init.constant_(parameter, 0.5)
    optimiser = torch.optim.Adam(model.parameters(), lr=0.05)
    losses = []
    for _ in range(steps):
        optimiser.zero_grad()
        loss = torch.nn.functional.cross_entropy(model(X), y)
        loss.backward()
        if stuck:
            optimiser.zero_grad()
        optimiser.step()
        losses.append(loss if tensors else loss.item())
    return losses


def _scripts(test):
    """Recognises scripts by what they return: test(losses, are they tensors with a graph) for every question."""

    def recognise(transcript):
        seen = []
        for _, args, reply in transcript:
            losses = _losses(Answer(None, reply, args))
            if reply.failure or not losses:
                return False
            seen.append((losses, any(getattr(one, "requires_grad", False) for one in reply.value)))
        return all(test(*one) for one in seen)

    return recognise


def _flat(losses):
    return np.isfinite(losses).all() and np.ptp(losses) < 1e-9


@fix_training_script.mistake("F2", recognise=_scripts(lambda losses, tracked: _flat(losses)))
def still_stuck(X, y, steps):
    """All losses are equal: the gradients are still cleared between backward and step, so nothing moves."""
    return _script(X, y, steps, stuck=True)


@fix_training_script.mistake("F14", recognise=_scripts(
    lambda losses, tracked: not tracked and not _flat(losses) and (len(losses) < 100 or losses[-1] > 0.4)))
def units_still_equal(X, y, steps):
    """It learns and then stops halfway: all weights still start equal, so all hidden units are one. Let PyTorch draw them."""
    return _script(X, y, steps, equal=True)


@fix_training_script.mistake("F13", recognise=_scripts(
    lambda losses, tracked: tracked and (len(losses) < 100 or losses[-1] < BOUND)))
def graphs_still_kept(X, y, steps):
    """It trains, but the list holds tensors, each with the graph of its step: memory grows with every step. Keep
    loss.item()."""
    return _script(X, y, steps, tensors=True)


@fix_training_script.mistake("two-left", recognise=_scripts(
    lambda losses, tracked: tracked and not _flat(losses) and (len(losses) < 100 or losses[-1] > 0.4)))
def two_faults_left(X, y, steps):
    """Two faults are left: the weights start equal, and the list keeps tensors with their graphs."""
    return _script(X, y, steps, equal=True, tensors=True)


@lesson.exercise(
    number="7.9b", title="Name the faults", signature="list[str]", kind="choice", points=1, minutes=3, section="07g",
    hints=(
        "Which three lines did you change, and what was wrong with each?",
        "Three of the seven sentences are about a weight, a call and a list. The others describe something that is fine.",
        "cross_entropy wants logits, a mean is fine, step() does its own no_grad, and tanh has a slope everywhere.",
    ),
)
def training_script_faults(ask):
    """The labels of the three faults of 7.9a, in any order."""
    with ask.part("three faults"):
        answer = ask()
        labels = [str(one) for one in answer.value] if isinstance(answer.value, list | tuple | dict) else []
        known = len(labels) == len(set(labels)) == 3 and set(labels) <= set(FAULTS)
        answer.holds(known, "a list of three different labels out of A to G", layer=Layer.TYPE)
        if known:
            wrong = set(labels) - set("BDF")
            answer.holds(not wrong, "all three are faults of the script", f"{len(wrong)} of your three are none",
                         layer=Layer.VALUE)  # fmt: skip


def _chosen(label):
    """Recognises a choice that holds this label and no other wrong one."""
    return lambda transcript: set(map(str, transcript[0][2].value)) - set("BDF") == {label}


def _wrong_choice(id, label, sentence):
    def make():
        return [label, "B", "D"]

    make.__name__, make.__doc__ = f"chose_{label}", sentence
    training_script_faults.mistake(id, fresh=True, recognise=_chosen(label))(make)


_wrong_choice("E5", "A", "cross_entropy wants logits: it has a log-softmax inside.")
_wrong_choice("F8", "C", "The mean is fine, and what cross_entropy takes. A sum would only make the gradients larger.")
_wrong_choice("F6", "E", "step() switches tracking off by itself. Only an update that you write by hand needs no_grad.")
_wrong_choice("E2", "G", "tanh has a slope everywhere; it only gets small far out.")
