"""The bank of answers with which the keys are tested: one module for each lesson, found by its name.

To add a lesson, write lesson_NN.py beside this file. tests/test_keys.py asks every bank the same things.

    from tests.answers import Bank, after

    bank = Bank("04")

    @bank.honest("weighted_grad")  # a right answer in the eyes of a teacher: at least three styles for each function
    def by_backward(f, x, v): ...

    @bank.slip("weighted_grad", "is larger")  # a wrong answer that no mistake of the key covers; its verdict says this
    def weights_doubled(f, x, v): ...

    @bank.slip("weighted_grad", "nothing was weighted", named="D2")  # a listed mistake, written in another way
    def weights_forgotten(f, x, v): ...

    bank.value("order_of_lines", ["B", "A"])  # a right answer where the answer is a value
    bank.loose = {"a_gap": "why its right answers may have any size, so that twice a right one is as right"}
    bank.hide("weighted_grad", r"return v @ ")  # what none of its hints may contain
    bank.computed = {"04-sum": lambda: after("x = torch.ones(3)").x.sum().item()}  # quiz answers, computed
    bank.told = {"04-why": "it asks for a word"}  # quiz answers that cannot be computed, and why
"""

import importlib
import pkgutil
from functools import cache
from types import SimpleNamespace

import pytest
import torch

LEAF = "x = torch.tensor(0.7, requires_grad=True)"


class Bank:
    """Answers to the exercises and questions of one lesson.

    seeds: how many secret seeds every answer meets: few where every seed makes new formulas to differentiate.
    """

    def __init__(self, lesson, seeds=0):
        self.lesson, self.seeds = lesson, seeds
        self.answers = []  # pytest.param(name of the exercise, right function)
        self.values = []  # the same for values
        self.slips = []  # pytest.param(name of the exercise, wrong function, words, id of the mistake or "")
        self.hidden, self.computed, self.told, self.loose = {}, {}, {}, {}

    def honest(self, name):
        """Decorator: this is a right answer to the exercise."""

        def add(answer):
            self.answers.append(pytest.param(name, answer, id=f"{name}-{answer.__name__}"))
            return answer

        return add

    def slip(self, name, words, named=""):
        """Decorator: a wrong answer whose verdict contains these words and names this mistake, by default none."""

        def add(answer):
            self.slips.append(pytest.param(name, answer, words, named, id=f"{name}-{answer.__name__}"))
            return answer

        return add

    def value(self, name, value):
        """This is a right value."""
        self.values.append(pytest.param(name, value, id=f"{name}-{len(self.values)}"))

    def hide(self, name, pattern):
        """No hint of the exercise may match this: it would be the answer."""
        self.hidden[name] = pattern


@cache
def all_banks():
    """Every Bank by its lesson."""
    names = sorted(module.name for module in pkgutil.iter_modules(__path__) if module.name.startswith("lesson_"))
    banks = [importlib.import_module(f"{__name__}.{name}").bank for name in names]
    return {bank.lesson: bank for bank in banks}


def after(*lines):
    """The names that exist after these lines of code, as attributes."""
    names = {"torch": torch}
    for line in lines:
        exec(line, names)
    return SimpleNamespace(**{name: value for name, value in names.items() if name != "__builtins__"})


def runs(*lines):
    """ "works" or "raises", whichever these lines do."""
    try:
        after(*lines)
    except Exception:
        return "raises"
    return "works"
