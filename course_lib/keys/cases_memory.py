"""Cases 8.7 and 8.8 of lesson 08: an edit that autograd does not see, and a state that carries its whole past."""

import numpy as np
import torch
from torch import nn

from course_lib.judge import Layer, reports
from course_lib.keys.cases import fault, lesson, numbers, probe, too_strict

# --- 8.7 data edit ---------------------------------------------------------------------------------------------------


@lesson.exercise(
    number="8.7a", title="Edit through .data: mend it", signature="(x: Tensor[n]) -> Tensor[n]", points=2, minutes=6,
    section="08e",
    rechecks=("fix_saved_values",),
    hints=(
        "Print x before and after the call. And compare the result with 3x² for the x that you handed in: what is the ratio?",
        "detach() shares its memory with x, and .data is an edit that autograd does not notice: backward computes with the "
        "numbers it finds.",
        "Give the leaf memory of its own with clone(), and change its numbers only when the walk back is done, if at all.",
    ),
)
def fix_data_edit(ask):
    """The gradient of the sum of w³ at w = x; x stays as it is."""
    with ask.part("the gradient at three points, and x as before", 3):
        for n in (3, 4, 2):
            x = numbers(ask.rng, n)
            ask(x).equals(3 * x**2, "the gradient").leaves_inputs_alone()


@fix_data_edit.broken
def data_edit(x):
    w = x.detach().requires_grad_()
    loss = (w**3).sum()
    w.data.mul_(0.5)
    loss.backward()
    return w.grad


@fix_data_edit.mistake("B12")
def edit_in_shared_memory(x):
    """Two things are left: x itself is halved, because detach() shares its memory, and the gradient is a quarter of the right
    one, because backward met halved numbers."""
    w = x.detach().requires_grad_()
    loss = (w**3).sum()
    w.data.mul_(0.5)
    return torch.autograd.grad(loss, w)[0]


@fix_data_edit.mistake("B12-clone")
def edit_of_a_copy(x):
    """x is safe now, but the gradient is still a quarter of the right one: between loss and backward the numbers were halved
    behind autograd's back."""
    w = x.detach().clone().requires_grad_()
    loss = (w**3).sum()
    w.data.mul_(0.5)
    loss.backward()
    return w.grad


@fix_data_edit.mistake("B11")
def edit_after_the_walk(x):
    """The gradient is right, but x was halved: detach() makes no copy. clone() does."""
    w = x.detach().requires_grad_()
    (w**3).sum().backward()
    w.data.mul_(0.5)
    return w.grad


@fix_data_edit.mistake("B14")
def edit_that_is_noticed(x):
    """Through detach() the same edit is noticed, and backward refuses: that is the safer way to be wrong. Edit after the walk
    back, or not at all."""
    w = x.detach().clone().requires_grad_()
    loss = (w**3).sum()
    w.detach().mul_(0.5)
    loss.backward()
    return w.grad


@fix_data_edit.mistake("A1")
def cubes_returned(x):
    """You returned x³, the terms of the loss, and not their slopes."""
    return x**3


fault(
    "8.7b", "data_edit", "Edit through .data: name it", ("B12",),
    {"B10": "w is a leaf: requires_grad_ comes last.",
     "C1": "backward is called once, on a fresh leaf.",
     "F5": "Here the parameter is changed in place, and it stays a leaf. What is wrong is when, and how.",
     "B7": "Nothing leaves torch here."},
    ("Which line would raise an error if it were written with detach()?",
     "Autograd counts changes of a tensor, and one way of changing it is not counted.",
     "Look for the line of the table that speaks of editing."),
)


def data_edit_right_backward(x):
    """by backward on a copy"""
    w = x.detach().clone().requires_grad_()
    (w**3).sum().backward()
    return w.grad


def data_edit_right_formula(x):
    """by formula, rounded otherwise"""
    x = x.detach()
    return (x / 3.0) ** 2 * 27.0


def data_edit_right_late(x):
    """with the edit after the walk back, on a copy"""
    w = x.detach().clone().requires_grad_()
    (g,) = torch.autograd.grad((w**3).sum(), w)
    w.data.mul_(0.5)
    return g


def data_edit_handed(x):
    """halved x, and a quarter of the gradient"""
    w = x.detach().requires_grad_()
    loss = (w**3).sum()
    w.data.mul_(0.5)
    loss.backward()
    return w.grad


def data_edit_copy(x):
    """x is safe, a quarter of the gradient"""
    w = x.detach().clone().requires_grad_()
    loss = (w**3).sum()
    w.data.mul_(0.5)
    loss.backward()
    return w.grad


def data_edit_shared(x):
    """the right gradient, but x is halved"""
    w = x.detach().requires_grad_()
    (w**3).sum().backward()
    w.data.mul_(0.5)
    return w.grad


probe_data_edit = probe(
    "8.7c", "data_edit", "Edit through .data: your test",
    (data_edit_right_backward, data_edit_right_formula, data_edit_right_late), data_edit_handed,
    (data_edit_copy, data_edit_shared),
    ("The docstring makes two promises. Which one could break without the other?",
     "Keep a copy of x before the call. Afterwards compare x with the copy, and the result with 3·copy².",
     "before = x.clone(), then the call; two uses of torch.testing.assert_close, both against `before` and never against x."),
)


def _at():
    return torch.tensor([0.7, -1.3, 0.4], dtype=torch.float64)


@too_strict(probe_data_edit)
def same_cubes(candidate):
    x = torch.linspace(-1.9, 2.3, 50, dtype=torch.float64)
    before = x.clone()
    assert torch.equal(candidate(x), 3 * before**2) and torch.equal(x, before)


@probe_data_edit.mistake("gradient-only")
def input_not_looked_at(candidate):
    """Your probe looks at the gradient and not at x: a version that returns the right gradient and spoils its input gets
    through."""
    torch.testing.assert_close(candidate(_at()), 3 * _at() ** 2)


@probe_data_edit.mistake("reference-after")
def compared_with_what_is_left(candidate):
    """You computed the reference from x after the call, when x had been changed: the wrong gradient fits the spoiled x. Keep a
    copy before."""
    x = _at()
    torch.testing.assert_close(candidate(x), 3 * x**2)


@probe_data_edit.mistake("input-only")
def gradient_not_looked_at(candidate):
    """Your probe looks at x and not at the gradient, which can be wrong without any change of x."""
    x = _at()
    candidate(x)
    assert torch.equal(x, _at())


# --- 8.8 hidden state ------------------------------------------------------------------------------------------------


@reports(losses=object, behind=[int], kept=bool, gradient=object, steps=int)
def unrolled(run, W, U, xs, h0):
    """your function runs a tanh cell with the weights W and U over the steps xs, and its graph is looked at"""

    class Cell(nn.Module):
        def __init__(self):
            super().__init__()
            self.W, self.U = nn.Parameter(W.clone()), nn.Parameter(U.clone())
            self.behind, self.made = [], []

        def forward(self, x, h):
            seen, waiting = set(), [h.grad_fn]
            while waiting:
                node = waiting.pop()
                if node is not None and node not in seen:
                    seen.add(node)
                    waiting += [parent for parent, _ in node.next_functions]
            self.behind.append(len(seen))
            self.made.append(torch.tanh(x @ self.W.T + h @ self.U.T))
            return self.made[-1]

    cell = Cell()
    losses = run(cell, xs, h0)
    first = None if cell.W.grad is None else cell.W.grad.clone()
    kept = False
    for h in cell.made:
        try:
            kept = kept or h.grad_fn is not None and torch.autograd.grad(h.sum(), cell.W) is not None
        except RuntimeError:
            pass
    return {"losses": losses, "behind": cell.behind, "kept": kept, "gradient": first, "steps": len(cell.made)}


def _truncated(W, U, xs, h0):
    """Losses and the summed gradient by W, each step's loss walked back through that step only. In NumPy."""
    h, losses, gradient = h0, [], np.zeros_like(W)
    for x in xs:
        new = np.tanh(x @ W.T + h @ U.T)
        gradient += np.outer(2 * new * (1 - new**2), x)
        losses.append((new**2).sum())
        h = new
    return losses, gradient


@lesson.exercise(
    number="8.8a", title="Hidden state: mend it", signature="(cell, xs: Tensor[T, n], h0: Tensor[k]) -> list[float]",
    points=2, minutes=8, section="08e",
    hints=(
        "The first step works. What hangs on the h that the second step is given?",
        "h carries the graph of all steps before, whose saved values are gone. retain_graph=True would keep them, and the "
        "graph would grow with every step. The next step needs the numbers of h, not its past.",
        "h.detach() has the numbers and no past. Walk back first, then detach.",
    ),
)
def fix_hidden_state(ask):
    """The loss of each step; every walk back stays within its step."""
    with ask.part("losses, gradient and graph over several steps", 3):
        for T, n, k in ((4, 3, 2), (6, 2, 3)):
            W, U = 0.4 * numbers(ask.rng, k, n), 0.4 * numbers(ask.rng, k, k)
            xs, h0 = numbers(ask.rng, T, n), 0.3 * numbers(ask.rng, k)
            losses, gradient = _truncated(W, U, xs, h0)
            answer = ask.using(unrolled, W, U, xs, h0)
            answer.equals({"losses": losses}, "the entry")
            value = answer.value if isinstance(answer.value, dict) else {}
            behind = value.get("behind") or [0]
            answer.holds(behind[-1] <= behind[min(1, len(behind) - 1)], "it has to be as large at the last step as at the "
                         "second", f"behind h the graph grows: {behind} operations", layer=Layer.VALUE)
            answer.holds(value.get("kept") is False, "no retain_graph: what a walk back has used is freed",
                         "a graph can still be walked after your function is done", layer=Layer.METHOD)
            kept = value.get("losses")
            tracked = isinstance(kept, list | tuple) and any(getattr(loss, "requires_grad", False) for loss in kept)
            answer.holds(not tracked, "plain numbers", "the losses are tensors, each with the graph of its step",
                         layer=Layer.VALUE)  # fmt: skip
            got = value.get("gradient")
            answer.holds(got is not None, "cell's parameters with the gradients of all steps in .grad",
                         "cell's parameters have no .grad", layer=Layer.CONNECTED)
            if got is not None:
                answer.equals({"gradient": gradient}, "the sum of the steps' gradients, in the")


@fix_hidden_state.broken
def hidden_state(cell, xs, h0):
    h, losses = h0, []
    for x in xs:
        h = cell(x, h)
        loss = (h**2).sum()
        loss.backward()
        losses.append(loss.item())
    return losses


fix_hidden_state.sort_lines(
    "h, losses = h0, []",
    "for x in xs:",
    "    h = cell(x, h.detach())",
    "    loss = (h**2).sum()",
    "    loss.backward()",
    "    losses.append(loss.item())",
    "return losses",
    lures={"restart": "    h = cell(x, h0)", "C4-detach": "    loss.backward(retain_graph=True)"},
)


@fix_hidden_state.mistake("C3")
def past_not_cut(cell, xs, h0):
    """The second walk back runs into the first step's graph, which has been freed. The message proposes retain_graph; ask
    instead why step 2 should walk through step 1 at all."""
    h, losses = h0, []
    for x in xs:
        h = 1.0 * cell(x, h)
        loss = (h * h).sum()
        loss.backward()
        losses.append(float(loss))
    return losses


@fix_hidden_state.mistake("C4")
def everything_retained(cell, xs, h0):
    """retain_graph=True silences the message, and every step walks back through all steps before it: the graph, the time and
    the memory grow with each step."""
    h, losses = h0, []
    for x in xs:
        h = cell(x, h)
        loss = (h**2).sum()
        loss.backward(retain_graph=True)
        losses.append(loss.item())
    return losses


@fix_hidden_state.mistake("C4-detach")
def detached_but_retained(cell, xs, h0):
    """The detach is right and mends it alone. With retain_graph=True each step's graph is kept for a second walk that never
    comes: leave it out."""
    h, losses = h0, []
    for x in xs:
        h = cell(x, h.detach())
        loss = (h**2).sum()
        loss.backward(retain_graph=True)
        losses.append(loss.item())
    return losses


@fix_hidden_state.mistake("F13")
def losses_as_tensors(cell, xs, h0):
    """The state is cut off rightly, but the list keeps tensors, and each of them holds on to the graph of its step. Keep
    loss.item()."""
    h, losses = h0, []
    for x in xs:
        h = cell(x, h.detach())
        losses.append((h**2).sum())
        losses[-1].backward()
    return losses


@fix_hidden_state.mistake("one-walk")
def one_walk_at_the_end(cell, xs, h0):
    """You added all losses up and walked back once: that gradient goes through all steps, and their graph grew to full length.
    One walk for each step is asked for."""
    h, losses, total = h0, [], 0.0
    for x in xs:
        h = cell(x, h)
        loss = (h**2).sum()
        total = total + loss
        losses.append(loss.item())
    total.backward()
    return losses


@fix_hidden_state.mistake("restart")
def always_from_the_start(cell, xs, h0):
    """Every step starts from h0: the state is not carried on. Only its past has to be cut off, its numbers go on."""
    losses = []
    for x in xs:
        loss = (cell(x, h0) ** 2).sum()
        loss.backward()
        losses.append(loss.item())
    return losses


@fix_hidden_state.mistake("no-walk")
def nothing_walked_back(cell, xs, h0):
    """The losses are right, and no gradient arrived anywhere: nothing was walked back."""
    h, losses = h0, []
    for x in xs:
        h = cell(x, h).detach()
        losses.append((h**2).sum().item())
    return losses


fault(
    "8.8b", "hidden_state", "Hidden state: name it", ("C4",),
    {"C1": "That .grad adds up over the steps is wanted here.",
     "B7": "loss.item() comes after backward, and only for the list.",
     "B10": "No leaf is converted here.",
     "F1": "Nothing is updated here, so nothing has to be cleared."},
    ("What does the error message propose, and what would that cost?",
     "The wrong idea is about the cure, not about the illness.",
     "Look for the line of the table that quotes the message."),
)


def hidden_state_right_after(cell, xs, h0):
    """detached after the walk"""
    h, losses = h0, []
    for x in xs:
        h = cell(x, h)
        loss = (h**2).sum()
        loss.backward()
        losses.append(loss.item())
        h = h.detach()
    return losses


def hidden_state_right_before(cell, xs, h0):
    """detached on the way in"""
    h, losses = h0.detach(), []
    for x in xs:
        h = cell(x, h.detach())
        loss = (h * h).sum()
        loss.backward()
        losses.append(float(loss))
    return losses


def hidden_state_right_copy(cell, xs, h0):
    """with a detached copy, rounded otherwise"""
    h, losses = h0, []
    for t in range(len(xs)):
        out = cell(xs[t], h)
        loss = ((out / 3.0) ** 2).sum() * 9.0
        loss.backward()
        h = out.detach().clone()
        losses.append(loss.item())
    return losses


def hidden_state_retained(cell, xs, h0):
    """retain_graph=True and a growing graph"""
    h, losses = h0, []
    for x in xs:
        h = cell(x, h)
        loss = (h**2).sum()
        loss.backward(retain_graph=True)
        losses.append(loss.item())
    return losses


def hidden_state_restart(cell, xs, h0):
    """every step starts from h0"""
    losses = []
    for x in xs:
        loss = (cell(x, h0) ** 2).sum()
        loss.backward()
        losses.append(loss.item())
    return losses


def hidden_state_no_walk(cell, xs, h0):
    """no walk back at all"""
    h, losses = h0, []
    for x in xs:
        h = cell(x, h).detach()
        losses.append((h**2).sum().item())
    return losses


probe_hidden_state = probe(
    "8.8c", "hidden_state", "Hidden state: your test",
    (hidden_state_right_after, hidden_state_right_before, hidden_state_right_copy), hidden_state_retained,
    (hidden_state_restart, hidden_state_no_walk),
    ("The losses are right in the worst version, too. What else can be looked at: what arrives at the cell, and what is in "
     "the cell's .grad?",
     "Write a small cell of your own that notes whether the h it is given has a grad_fn. It must not. And its weights must "
     "have a .grad at the end, and the losses must be those of a plain loop.",
     "A function cell(x, h) that appends h.grad_fn to a list and returns torch.tanh(w * x + h), with a tracked w. Three "
     "assertions: losses close to those of a loop without tracking, every note None, w.grad not None."),
)


def _traced(candidate):
    """Losses, the past that arrived at the cell, and the weight after three steps."""
    w, past = torch.tensor([0.5, -0.8], dtype=torch.float64, requires_grad=True), []

    def cell(x, h):
        past.append(h.grad_fn)
        return torch.tanh(w * x + h)

    xs = torch.tensor([[0.7, -1.3], [0.4, 0.9], [-0.6, 1.1]], dtype=torch.float64)
    losses = candidate(cell, xs, torch.tensor([0.1, 0.3], dtype=torch.float64))
    h, want = torch.tensor([0.1, 0.3], dtype=torch.float64), []
    for x in xs:
        h = torch.tanh(w.detach() * x + h)
        want.append((h**2).sum().item())
    return losses, want, past, w


@too_strict(probe_hidden_state)
def same_losses(candidate):
    w, past = torch.tensor([0.5, -0.8], dtype=torch.float64, requires_grad=True), []

    def cell(x, h):
        past.append(h.grad_fn)
        return torch.tanh(w * x + h)

    xs = torch.linspace(-1.1, 1.4, 40, dtype=torch.float64).mul(7).sin().reshape(20, 2)
    losses, h, want = candidate(cell, xs, torch.zeros(2, dtype=torch.float64)), torch.zeros(2, dtype=torch.float64), []
    for x in xs:
        h = torch.tanh(w.detach() * x + h)
        want.append((h**2).sum().item())
    assert losses == want and not any(past) and w.grad is not None


@probe_hidden_state.mistake("value-only")
def losses_only(candidate):
    """Your probe looks at the losses only. They are right with a growing graph, and without any walk back, too."""
    losses, want, _, _ = _traced(candidate)
    torch.testing.assert_close(losses, want)


@probe_hidden_state.mistake("no-losses")
def past_only(candidate):
    """Your probe looks only at what arrives at the cell. A version that never carries the state on, or never walks back, gets
    through."""
    assert not any(_traced(candidate)[2])


@probe_hidden_state.mistake("no-gradient")
def losses_and_past(candidate):
    """Losses and graph are tested, but not that anything was walked back: look at a weight's .grad."""
    losses, want, past, _ = _traced(candidate)
    torch.testing.assert_close(losses, want)
    assert not any(past)
