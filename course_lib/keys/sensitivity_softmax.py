"""Exercises 6.3 and 6.4 of lesson 06: the Jacobian of softmax and the gradient of cross-entropy."""

import numpy as np
import torch
import torch.nn.functional as F

from course_lib.keys.sensitivity import lesson, numbers_off_zero, softmax
from course_lib.vectors import point

# --- 6.3 and 6.4 -----------------------------------------------------------------------------------------------------


@lesson.exercise(
    number="6.3", title="The Jacobian of softmax", signature="(z: Tensor[C], temperature: float = 1.0) -> Tensor[C, C]",
    points=2, minutes=10, section="06c",
    hints=(
        "If z₀ is raised, p₀ rises, and the others must pay for it. How much does each pay?",
        "∂pᵢ/∂zⱼ is pᵢ·(1 − pᵢ) for i = j and −pᵢ·pⱼ otherwise. And z/T changes by 1/T when z changes by 1.",
        "torch.diag(p) is the first piece, torch.outer(p, p) what is taken away, with p of z/T; all of it over T.",
    ),
)
def softmax_jacobian(ask):
    """(diag(p) − p pᵀ)/T with p = softmax(z/T)."""
    with ask.part("every entry, without a temperature", 2):
        for n in (3, 4):
            z = point(ask.rng, n)
            ask(z).equals(_softmax_jacobian(z, 1.0), "∂pᵢ/∂zⱼ")
    with ask.part("every entry, at two temperatures", 2):
        z = point(ask.rng, 4)
        for temperature in (0.5, 2.5):
            ask(z, temperature).equals(_softmax_jacobian(z, temperature), "∂pᵢ/∂zⱼ")


def _softmax_jacobian(z, temperature):
    p = softmax(z / temperature)
    return (np.diag(p) - np.outer(p, p)) / temperature


@softmax_jacobian.mistake("A17")
def diagonal_alone(z, temperature=1.0):
    """You filled the diagonal alone, p·(1 − p). When one probability rises, the others fall: −pᵢ·pⱼ stands beside it."""
    p = torch.softmax(z / temperature, 0)
    return torch.diag(p * (1 - p)) / temperature


@softmax_jacobian.mistake("A17-plain")
def diagonal_without_temperature(z, temperature=1.0):
    """You filled the diagonal alone, p·(1 − p), and left out the factor 1/T. When one probability rises, the others fall: −pᵢ·pⱼ
    stands beside it."""
    p = torch.softmax(z / temperature, 0)
    return torch.diag(p * (1 - p))


@softmax_jacobian.mistake("A17-flat")
def a_vector(z, temperature=1.0):
    """p·(1 − p) is one number for each class: the diagonal. Every probability depends on every logit, so the answer is a table
    of shape (C, C)."""
    p = torch.softmax(z / temperature, 0)
    return p * (1 - p) / temperature


@softmax_jacobian.mistake("E17")
def slope_of_division_forgotten(z, temperature=1.0):
    """At other temperatures your table is too large or too small by a factor T: z/T changes by only 1/T when z changes by 1."""
    p = torch.softmax(z / temperature, 0)
    return torch.diag(p) - torch.outer(p, p)


@softmax_jacobian.mistake("E17-times")
def multiplied_by_temperature(z, temperature=1.0):
    """You multiplied with T. When z changes by 1, z/T changes by 1/T: divide."""
    p = torch.softmax(z / temperature, 0)
    return temperature * (torch.diag(p) - torch.outer(p, p))


@softmax_jacobian.mistake("E17-p")
def same_p_at_every_temperature(z, temperature=1.0):
    """You divided by T but left p as it is at T = 1. The temperature changes the probabilities themselves, too."""
    p = torch.softmax(z, 0)
    return (torch.diag(p) - torch.outer(p, p)) / temperature


@softmax_jacobian.mistake("E17-ignored")
def temperature_ignored(z, temperature=1.0):
    """Your answer is the same at every temperature: it is not used."""
    p = torch.softmax(z, 0)
    return torch.diag(p) - torch.outer(p, p)


@softmax_jacobian.mistake("outer-only")
def diagonal_forgotten(z, temperature=1.0):
    """Only the −pᵢ·pⱼ are there. On the diagonal pᵢ is added: pᵢ − pᵢ² is what a logit does for its own class."""
    p = torch.softmax(z / temperature, 0)
    return -torch.outer(p, p) / temperature


@softmax_jacobian.mistake("sign")
def outer_added(z, temperature=1.0):
    """You added p·pᵀ. What one class gains the others lose: it is taken away, and then every row sums to 0."""
    p = torch.softmax(z / temperature, 0)
    return (torch.diag(p) + torch.outer(p, p)) / temperature


@softmax_jacobian.mistake("one-minus-everywhere")
def one_minus_everywhere(z, temperature=1.0):
    """pᵢ·(1 − pⱼ) is right on the diagonal alone. Beside it stands −pᵢ·pⱼ."""
    p = torch.softmax(z / temperature, 0)
    return torch.outer(p, 1 - p) / temperature


@softmax_jacobian.mistake("squares-for-outer")
def a_row_taken_away(z, temperature=1.0):
    """You took p·p away, one row of squares, from every row. p·pᵀ is a table: torch.outer(p, p)."""
    p = torch.softmax(z / temperature, 0)
    return (torch.diag(p) - p * p) / temperature


@softmax_jacobian.mistake("E17-twice")
def temperature_counted_twice(z, temperature=1.0):
    """The temperature is counted twice. It is in p already; outside it stands once, 1/T."""
    p = torch.softmax(z / temperature, 0)
    return (torch.diag(p) - torch.outer(p, p)) / temperature**2


@lesson.exercise(
    number="6.4", title="The gradient of cross-entropy", points=2, minutes=9, section="06e",
    signature="(z: Tensor[N, C], y: LongTensor[N]) -> Tensor[N, C]",
    hints=(
        "Take one row. The loss is −log p of the right class. Which logits push it down when they rise?",
        "For one row the gradient is p with 1 taken away at the right class. The loss is the mean over the N rows.",
        "F.one_hot(y, C) has the ones; softmax along the classes has p. Their difference, over the number of rows.",
    ),
)
def ce_grad(ask):
    """(softmax − one-hot)/N, for the mean cross-entropy."""
    with ask.part("every entry, for batches of several sizes", 3):
        for rows, classes in ((4, 3), (2, 5), (6, 4)):
            z = numbers_off_zero(ask.rng, rows, classes)
            y = np.array([ask.rng.randrange(classes) for _ in range(rows)])
            y[:2] = 0, classes - 1
            if rows == 6:
                y[:] = 0  # the highest class need not occur in a batch
            ask(z, y).equals(_ce_grad(z, y), "the gradient by that logit")
    with ask.part("right once more, and z and y stay as they were"):
        z = numbers_off_zero(ask.rng, 3, 4)
        ask(z, np.array([2, 0, 3])).equals(_ce_grad(z, np.array([2, 0, 3])), "the gradient").leaves_inputs_alone()


def _ce_grad(z, y):
    return (softmax(z) - np.eye(z.shape[1])[y]) / len(y)


def _hot(z, y):
    return F.one_hot(y, z.shape[1]).to(z.dtype)


ce_grad.sort_lines(
    "p = torch.softmax(z, dim=1)",
    "hot = torch.nn.functional.one_hot(y, z.shape[1])",
    "slopes = p - hot",
    "return slopes / len(y)",
    lures={"A18": "slopes = hot - p", "E4": "p = torch.softmax(z, dim=0)", "A19-classes": "return slopes / z.shape[1]"},
)


@ce_grad.mistake("A18")
def target_minus_p(z, y):
    """Your signs are turned round: it is p − one-hot. The gradient points where the loss grows, so at the right class it is
    negative."""
    return (_hot(z, y) - torch.softmax(z, 1)) / len(y)


@ce_grad.mistake("A19")
def not_divided_by_rows(z, y):
    """Each row is right by itself. The loss is the mean over the rows, so each gets 1/N of it."""
    return torch.softmax(z, 1) - _hot(z, y)


@ce_grad.mistake("A19-classes")
def divided_by_classes(z, y):
    """You divided by the number of classes. The mean of cross-entropy goes over the rows, N of them."""
    return (torch.softmax(z, 1) - _hot(z, y)) / z.shape[1]


@ce_grad.mistake("A19-entries")
def divided_by_entries(z, y):
    """You divided by all N·C entries. There is one loss for each row, so the mean divides by N."""
    return (torch.softmax(z, 1) - _hot(z, y)) / z.numel()


@ce_grad.mistake("E4")
def softmax_down_the_columns(z, y):
    """Your probabilities add to 1 down the columns. Each row is one example: softmax goes along dim=1, over its classes."""
    return (torch.softmax(z, 0) - _hot(z, y)) / len(y)


@ce_grad.mistake("E5")
def softmax_twice(z, y):
    """You applied softmax before cross_entropy, which has one inside: hand it the logits."""
    leaf = z.detach().clone().requires_grad_()
    return torch.autograd.grad(F.cross_entropy(torch.softmax(leaf, 1), y), leaf)[0]


@ce_grad.mistake("one-hot-width")
def one_hot_too_narrow(z, y):
    """Wrong only where the last classes do not occur in the batch: F.one_hot(y) makes as many columns as the largest class in y
    needs. Give it the number of classes, F.one_hot(y, z.shape[1])."""
    return (torch.softmax(z, 1) - F.one_hot(y)) / len(y)


@ce_grad.mistake("every-row")
def one_taken_from_every_row(z, y):
    """You took 1 away in every row, at all classes that occur in y. Row i loses it at its own class only: index with
    torch.arange(len(y)) and y."""
    p = torch.softmax(z, 1)
    p[:, y] -= 1
    return p / len(y)


@ce_grad.mistake("right-class-only")
def other_classes_forgotten(z, y):
    """Only the right class has a gradient in your answer. The other logits matter as well: raising one takes probability
    away from the right class."""
    return (torch.softmax(z, 1) - 1) * _hot(z, y) / len(y)


@ce_grad.mistake("by-p")
def by_the_probabilities(z, y):
    """−1/p at the right class is the gradient by the probabilities. One more step leads back to the logits: through softmax."""
    return -_hot(z, y) / torch.softmax(z, 1) / len(y)


@ce_grad.mistake("p-only")
def target_forgotten(z, y):
    """The right class is missing: 1 is taken away from its probability. Without that, no row sums to 0."""
    return torch.softmax(z, 1) / len(y)


@ce_grad.mistake("log-p")
def logarithms_minus_target(z, y):
    """You used log p where p belongs. The loss is a logarithm; its gradient holds probabilities."""
    return (torch.log_softmax(z, 1) - _hot(z, y)) / len(y)


@ce_grad.mistake("no-softmax")
def logits_minus_target(z, y):
    """You took the one-hot from the logits. It is taken from their softmax."""
    return (z - _hot(z, y)) / len(y)


@ce_grad.mistake("nll")
def loss_without_its_softmax(z, y):
    """That is the gradient of the logits picked by y, as nll_loss has it. The softmax inside cross-entropy is missing."""
    return -_hot(z, y) / len(y)
