"""Exercises 7.1 to 7.4 of lesson 07, the loop and its step size, and what the others share: the lesson."""

from dataclasses import replace

import numpy as np
import torch

from course_lib.exercise import Lesson
from course_lib.judge import Answer, Layer, Tolerance, reports
from course_lib.keys import quiz_07
from course_lib.keys.lines import labels_of, run_lines
from course_lib.values import number_of, unpacked

lesson = Lesson("07", "Training loops", quiz_07)


def signed_numbers(rng, *shape, low=0.3, high=1.7):
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
        labels = list(_labels(answer.value))
        known = len(set(labels)) == len(labels) == 5 and set(labels) <= set(LOOP_LINES)
        answer.holds(known, "a list of five different labels out of A to H", layer=Layer.TYPE)
        if known:
            (w, b), problem = run_loop(labels)
            got = problem or f"after six rounds of your order w is {w:.4g} and b is {b:.4g}".replace("-", "−")
            right = problem is None and np.allclose((w, b), _trained(), rtol=1e-9)
            answer.holds(right, "w and b after six steps of gradient descent", got, layer=Layer.VALUE)


def _labels(value):
    """The labels as one text, "" where there is no list of them."""
    return "".join(labels_of(value))


def _order(test, stops=None):
    """Recognises orders by their labels as one text: those that run, or that stop with these words."""

    def recognise(transcript):
        labels = _labels(transcript[0][2].value)
        _, problem = run_loop(labels)
        return (problem is None if stops is None else bool(problem) and stops in problem) and test(labels)

    return recognise


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


@loop_order.mistake("B7", fresh=True, recognise=_order(lambda o: "G" in o, stops="no attribute 'backward'"))
def loss_as_a_number():
    """`.item()` turns the loss into a plain number, which has no backward."""
    return ["E", "C", "F", "G", "A"]


@loop_order.mistake("graph-cut", fresh=True, recognise=_order(lambda o: "D" in o or "H" in o, stops="does not require grad"))
def detached_on_the_way():
    """`detach()` cuts the graph: no way leads from the loss back to w and b."""
    return ["E", "C", "H", "F", "A"]


@loop_order.mistake("too-early", fresh=True, recognise=_order(lambda o: True, stops="is not defined"))
def used_before_it_is_made():
    """A line uses something that no line above it has made: the prediction comes before the loss, the loss before backward."""
    return ["E", "C", "A", "F", "B"]


# --- 7.2 -------------------------------------------------------------------------------------------------------------


@reports(list)
def one_round(sgd_step, start, targets, lr):
    """One round on Σ(w − target)², then your step"""
    params = [tensor.clone().requires_grad_() for tensor in start]
    sum(((w - t) ** 2).sum() for w, t in zip(params, targets, strict=True)).backward()
    sgd_step(list(params), lr)
    return [w.detach() for w in params]


@reports(tensors=list, leaves=bool, cleared=bool)
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


@reports(tensors=list, optimisers=int)
def with_an_idle_one(sgd_step, start, targets, lr):
    """One round in which the first parameter takes no part, so that its .grad is None"""
    params = [tensor.clone().requires_grad_() for tensor in start]
    sum(((w - t) ** 2).sum() for w, t in zip(params[1:], targets[1:], strict=True)).backward()
    made, make = [], torch.optim.Optimizer.__init__

    def noted_make(self, *args, **kwargs):
        own = [kind for kind in type(self).__mro__ if kind is not torch.optim.Optimizer]
        made.extend(kind for kind in own if kind.__module__.startswith("torch.optim"))
        make(self, *args, **kwargs)

    torch.optim.Optimizer.__init__ = noted_make
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
    start = [signed_numbers(ask.rng, 3, 2), signed_numbers(ask.rng, 4)]
    targets = [signed_numbers(ask.rng, 3, 2), signed_numbers(ask.rng, 4)]
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


sgd_step.sort_lines(
    "for w in params:",
    "    if w.grad is not None:",
    "        with torch.no_grad():",
    "            w -= lr * w.grad",
    "        w.grad = None",
    lures={"F4": "            w += lr * w.grad", "F5": "            w = w - lr * w.grad"},
)


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


NO_LEAF = (
    "Your code reads .grad of a tensor that is a result and no leaf, and finds None there: w = w − lr·w.grad makes a new tensor, "
    "and backward fills only leaves. Change w in place, under torch.no_grad()."
)


def descend_line(x, y, lr, epochs, start=(0.0, 0.0)):
    """(w, b, losses) of gradient descent on the mean squared error, by formula."""
    (w, b), losses = start, []
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
            if answer.reply.failure and any("not a leaf Tensor" in warning for warning in answer.reply.warnings):
                ask.advise(NO_LEAF)
            _first_two(answer).equals(want[:2], ("w", "b"))
    with ask.part("the losses, one before each update", 2):
        x, y = planted_line(ask.rng)
        for lr, epochs in ((0.1, 20), (0.05, 3)):
            answer = ask(x, y, lr, epochs).equals(descend_line(x, y, lr, epochs), ("w", "b", "the loss"))
            kept = unpacked(answer.value[2]) if isinstance(answer.value, tuple | list) and len(answer.value) == 3 else ()
            if any(getattr(loss, "requires_grad", False) for loss in (kept if isinstance(kept, list | tuple) else ())):
                ask.advise("Your losses are tensors that keep their whole graphs alive: store loss.item().")


def _first_two(answer):
    """The answer without its third entry, if it has three."""
    if isinstance(answer.value, tuple | list) and len(answer.value) == 3:
        return Answer(answer.ask, replace(answer.reply, value=tuple(answer.value[:2])), answer.args)
    answer.holds(False, "three things: w, b and the losses", layer=Layer.TYPE)
    return answer


fit_line.sort_lines(
    "w, b = (torch.zeros(1, dtype=x.dtype, requires_grad=True) for _ in range(2))",
    "optimiser, losses = torch.optim.SGD([w, b], lr=lr), []",
    "for _ in range(epochs):",
    "    loss = ((w * x + b - y) ** 2).mean()",
    "    losses.append(loss.item())",
    "    optimiser.zero_grad()",
    "    loss.backward()",
    "    optimiser.step()",
    "return w.item(), b.item(), losses",
    lures={"F8": "    loss = ((w * x + b - y) ** 2).sum()", "half": "    loss = ((w * x + b - y) ** 2).mean() / 2"},
)


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


@fit_line.mistake("two-forgotten")
def steps_half_as_long(x, y, lr, epochs):
    """Your steps are half as long as they should be: the derivative of a square has a factor 2."""
    return _fit(x, y, lr / 2, epochs)


@fit_line.mistake("one-by-one")
def slope_moved_first(x, y, lr, epochs):
    """You move w, and compute the gradient of b at the new w. Both gradients belong to the same place: compute both, then move
    both."""
    w, b, losses = 0.0, 0.0, []
    for _ in range(epochs):
        losses.append(((w * x + b - y) ** 2).mean().item())
        w -= lr * 2 * ((w * x + b - y) * x).mean().item()
        b -= lr * 2 * (w * x + b - y).mean().item()
    return w, b, losses


@fit_line.mistake("adam")
def with_another_optimiser(x, y, lr, epochs):
    """You used Adam. Plain gradient descent is asked for: lr times the gradient, nothing else."""
    w, b = (torch.zeros(1, dtype=x.dtype, requires_grad=True) for _ in range(2))
    optimiser, losses = torch.optim.Adam([w, b], lr=lr), []
    for _ in range(epochs):
        optimiser.zero_grad()
        loss = ((w * x + b - y) ** 2).mean()
        loss.backward()
        losses.append(loss.item())
        optimiser.step()
    return w.item(), b.item(), losses


@fit_line.mistake("loss-after")
def loss_after_the_update(x, y, lr, epochs):
    """Your losses are those after each update. The first one must be the loss at (0, 0)."""
    return _fit(x, y, lr, epochs, after=True)


@fit_line.mistake("start")
def starts_at_one(x, y, lr, epochs):
    """You start at (1, 1). The docstring asks to start at (0, 0)."""
    return _fit(x, y, lr, epochs, start=1.0)


@fit_line.mistake("one-more")
def one_update_too_many(x, y, lr, epochs):
    """You make one update more than asked for. Each epoch is one loss and one update: range(epochs)."""
    return _fit(x, y, lr, epochs + 1)


@fit_line.mistake("one-more")
def one_more_after_the_loop(x, y, lr, epochs):
    """Your losses are right, and w and b have made one update more than there are losses. Each epoch is one loss and one
    update."""
    return *_fit(x, y, lr, epochs + 1)[:2], _fit(x, y, lr, epochs)[2]


@fit_line.mistake("one-fewer")
def one_update_too_few(x, y, lr, epochs):
    """You make one update fewer than asked for. Each epoch is one loss and one update: range(epochs) counts from 0."""
    return _fit(x, y, lr, epochs - 1)


@fit_line.mistake("one-fewer")
def last_update_missing(x, y, lr, epochs):
    """Your losses are right, and w and b are those before the last update. Each epoch is one loss and one update."""
    return *_fit(x, y, lr, epochs - 1)[:2], _fit(x, y, lr, epochs)[2]


def _lines(transcript):
    """[(x, y, lr, epochs, (w, b), losses)], or [] where an answer is something else; the losses are None if they are."""
    found = []
    for _, (x, y, lr, epochs), reply in transcript:
        value = reply.value if isinstance(reply.value, tuple | list) and len(reply.value) == 3 else (None,) * 3
        line = [number_of(one) for one in value[:2]]
        if None in line or not np.isfinite(line).all():
            return []
        losses = [number_of(one) for one in value[2]] if isinstance(value[2], tuple | list) else [None]
        found.append((x, y, lr, epochs, line, None if None in losses else losses))
    return found


def _best_line(x, y):
    return np.linalg.lstsq(np.hstack([x, np.ones_like(x)]), y, rcond=None)[0][:, 0]


def _at_the_best_line(transcript):
    lines = _lines(transcript)
    return bool(lines) and all(np.allclose(line, _best_line(x, y), rtol=1e-5) for x, y, _, _, line, _ in lines)


@fit_line.mistake("least-squares", recognise=_at_the_best_line)
def least_squares_at_once(x, y, lr, epochs):
    """Your w and b are those of the best line, as least squares finds it. Asked for is where so many steps of gradient descent
    lead: for a network there is no such formula."""
    table = torch.cat([x, torch.ones_like(x)], 1)
    w, b = torch.linalg.lstsq(table, y).solution.flatten().tolist()
    return w, b, [((w * x + b - y) ** 2).mean().item()] * epochs


def _start_of(x, y, lr, epochs, line):
    """Where gradient descent began that ends at this line: a step is w ← M·w + v, so it can be walked back."""
    table = np.hstack([x, np.ones_like(x)])
    step, best = np.eye(2) - lr * 2 * table.T @ table / len(x), _best_line(x, y)
    return best + np.linalg.matrix_power(np.linalg.inv(step), epochs) @ (np.array(line) - best)


def _from_elsewhere(transcript):
    """Plain gradient descent, from starts other than (0, 0), (1, 1) and the best line. Many steps forget the start: only few
    can be walked back in float32."""
    few = [asked for asked in _lines(transcript) if asked[3] <= 5]
    for x, y, lr, epochs, line, losses in few:
        start = _start_of(x, y, lr, epochs, line)
        known = any(np.allclose(start, other, atol=1e-3) for other in (0, 1, _best_line(x, y)))
        if known or losses is None or len(losses) != epochs:
            return False
        if not np.allclose(losses, descend_line(x, y, lr, epochs, start)[2], rtol=1e-4):
            return False
    return bool(few)


@fit_line.mistake("random-start", recognise=_from_elsewhere)
def starts_as_a_layer_does(x, y, lr, epochs):
    """Your steps are right and do not start at (0, 0). nn.Linear and torch.randn start at random numbers: set w and b to 0
    first."""
    with torch.random.fork_rng():
        torch.manual_seed(epochs)
        layer = torch.nn.Linear(1, 1).to(x.dtype)
    optimiser, losses = torch.optim.SGD(layer.parameters(), lr=lr), []
    for _ in range(epochs):
        optimiser.zero_grad()
        loss = ((layer(x) - y) ** 2).mean()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    return layer.weight.item(), layer.bias.item(), losses


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
    turn, _ = np.linalg.qr(signed_numbers(rng, n, n))
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


@max_stable_lr.mistake("eigenvalue")
def the_eigenvalue_itself(A):
    """That is the largest eigenvalue, a curvature. The more curved the bowl, the shorter the step must be: divide 2 by it."""
    return torch.linalg.eigvalsh(A).max().item()


@max_stable_lr.mistake("determinant")
def by_the_determinant(A):
    """You divided by the determinant, the product of all eigenvalues. Only the largest eigenvalue counts."""
    return 2 / torch.linalg.det(A).item()


@max_stable_lr.mistake("fastest")
def the_fastest_one(A):
    """That is 2/(λmin + λmax), the learning rate that converges fastest. The largest one that converges at all is longer:
    2/λmax."""
    sizes = torch.linalg.eigvalsh(A)
    return 2 / (sizes.min() + sizes.max()).item()


@max_stable_lr.mistake("F7")
def one_for_all(A):
    """You return the same learning rate for every bowl. How large it may be is no matter of taste: the curvature decides."""
    return 0.1
