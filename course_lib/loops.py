"""Run a training loop that was laid out of cards, and say what is wrong with it: run(cards) -> Run.

The cards are lines of Python, run by Python: on a bowl, beside gradient descent itself, and on handwritten digits.
"""

from dataclasses import dataclass
from functools import cache, lru_cache

import numpy as np
import torch
import torch.nn.functional as F

from course_lib.bowls import START, Bowl, descend

CARDS = {
    "forward": "p = model(x)",
    "loss": "loss = loss_of(p, y)",
    "zero_grad": "optimiser.zero_grad()",
    "backward": "loss.backward()",
    "step": "optimiser.step()",
    "detach": "p = p.detach()",
    "item": "loss = loss.item()",
    "no_grad": "with torch.no_grad(): p = model(x)",
}
ROUNDS = 12
DIGITS, DIGITS_ROUNDS, DIGITS_LR = 200, 25, 0.5
MOVED = 1e-9


@dataclass(frozen=True, kw_only=True)
class Run:
    """What an arrangement did.

    path: parameters after each round, shape (rounds + 1, 2); used, fresh: norms of the .grad that each step used and of the
    gradient at the place where it stood; trains: whether this is gradient descent; verdict: in a sentence what it is.
    """

    path: np.ndarray
    used: np.ndarray
    fresh: np.ndarray
    trains: bool
    verdict: str


@lru_cache(maxsize=32)  # a picture and its tasks ask for the same one
def run(cards, bowl=None):
    """Run the cards in this order, ROUNDS times over, on a bowl; without one on ½(u² + 4v²)."""
    bowl = usual_bowl() if bowl is None else bowl
    w = torch.tensor(START, dtype=torch.float64, requires_grad=True)
    names = _names(
        lambda x: w * x, torch.ones(2, dtype=torch.float64), None, lambda p, y: bowl.loss(p),
        torch.optim.SGD([w], lr=bowl.usual_rate),
    )
    path, used, fresh, problem = [w.detach().clone()], [], [], ""
    with torch.enable_grad():
        for _ in range(ROUNDS if cards else 0):
            for card in cards:
                if card == "step":
                    used.append(0.0 if w.grad is None else w.grad.norm().item())
                    fresh.append(float(np.hypot(*bowl.field.at(*w.tolist())[1])))
                problem = _attempt(card, names)
                if problem:
                    break
            if problem:
                break
            path.append(w.detach().clone())
    path = torch.stack(path).numpy()
    trains, verdict = (False, problem) if problem else _verdict(cards, path, bowl)
    return Run(path=path, used=np.array(used), fresh=np.array(fresh), trains=trains, verdict=verdict)


@cache
def usual_bowl():
    return Bowl()


@lru_cache(maxsize=32)
def run_on_digits(cards):
    """(loss before, loss after) of a linear classifier of handwritten digits trained by these cards; None if they stop."""
    x, y = _digits()
    weight = torch.zeros(10, 64, requires_grad=True)
    names = _names(lambda x: x @ weight.T, x, y, F.cross_entropy, torch.optim.SGD([weight], lr=DIGITS_LR))
    with torch.enable_grad():
        for _ in range(DIGITS_ROUNDS):
            if any(_attempt(card, names) for card in cards):
                return None
    with torch.no_grad():
        return tuple(F.cross_entropy(x @ one.T, y).item() for one in (torch.zeros(10, 64), weight))


@cache
def _digits():
    from sklearn.datasets import load_digits

    data = load_digits()
    return torch.tensor(data.data[:DIGITS] / 16, dtype=torch.float32), torch.tensor(data.target[:DIGITS])


def _names(model, x, y, loss_of, optimiser):
    return {"torch": torch, "model": model, "x": x, "y": y, "loss_of": loss_of, "optimiser": optimiser}


@cache
def _code(card):
    return compile(CARDS[card], f"<{card}>", "exec")


def _attempt(card, names):
    """Run one card; what stopped it, in a sentence, or ""."""
    try:
        exec(_code(card), names)
    except Exception as error:
        message = " ".join(str(error).split()).split(" (")[0].split(". ")[0]
        return f"“{CARDS[card]}” stops: {message}. {_meaning(card, error)}"
    return ""


def _meaning(card, error):
    if isinstance(error, NameError):
        needs = "a loss" if "loss" in str(error) else "a prediction"
        return f"{card} needs {needs}, and there is none yet."
    if isinstance(error, AttributeError):
        return "item() made a plain number of the loss, and numbers have no history."
    if "second time" in str(error):
        return "One graph, walked back twice: each round needs a forward pass of its own."
    return "The graph was cut on the way to the loss."


def _verdict(cards, path, bowl):
    """(trains, sentence) for cards that ran through, by what the parameters did."""
    if not cards:
        return False, "Lay the cards of one round."
    wanted, _ = descend(bowl, bowl.usual_rate, ROUNDS)
    if np.allclose(path, wanted, equal_nan=True):
        return True, "This trains: every step uses the gradient of the place where it stands, and nothing else."
    if np.abs(path - path[0]).max() < MOVED:
        return False, _why_still(cards)
    if np.allclose(path, descend(bowl, bowl.usual_rate, ROUNDS, momentum=1.0)[0], equal_nan=True):
        return False, "Nothing clears .grad, so each gradient is added to all before: momentum 1, and it swings for ever."
    if np.allclose(path[1:], wanted[:-1], equal_nan=True):
        return False, (
            "The step comes before backward: each round takes the step of the round before, the first none, and the last "
            "gradient is never used."
        )
    if cards.count("step") > 1:
        return False, "More than one step in a round: the second uses a gradient from where the first one started."
    if cards.count("backward") > 1:
        return False, "backward runs more than once in a round, and .grad adds up."
    return False, "The parameters move, but not by the gradient of where they stand: look at the bars."


def _why_still(cards):
    if "step" not in cards:
        return "Nothing ever moves: no card takes a step."
    if "backward" not in cards:
        return "Nothing ever moves: without backward .grad stays None, and the step skips what has no gradient."
    return "Nothing ever moves: zero_grad comes between backward and step, and the step finds no gradient."
