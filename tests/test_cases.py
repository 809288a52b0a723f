"""The versions that a student's test of lesson 08 meets: right ones are right, broken ones are broken, by an oracle of ours."""

import inspect

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from course_lib import build
from course_lib.exercise import all_exercises
from course_lib.grader.wire import RECIPE_TEXT
from course_lib.judge import LocalSource, judge
from course_lib.keys import cases_edge, cases_graph, cases_hunt, cases_loss, cases_memory, cases_model
from course_lib.keys.cases import CATALOGUE, probed
from course_lib.observe import Driver
from course_lib.recipes import coded

MODULES = (cases_graph, cases_loss, cases_edge, cases_memory, cases_model, cases_hunt)
CASES = [name.removeprefix("probe_") for name in all_exercises() if name.startswith("probe_") and name != "probe_engine"]


class Listening(LocalSource):
    """Keeps every question that a key asks."""

    asked = ()

    def ask(self, args):
        self.asked = (*self.asked, args)
        return super().ask(args)


def versions(case):
    """{name: function} of every version that probe_<case> meets."""
    source = Listening(lambda candidate: None)
    source.is_untouched = lambda given: False
    judge(all_exercises()[f"probe_{case}"], source)
    return {args[1].data[1]: args[1] for args in source.asked}


def difference(f, x, h=1e-6):
    """The gradient of a function of an array that returns a number, by central differences."""
    x, g = np.array(x, dtype=float), np.zeros(np.shape(x))
    for i in np.ndindex(*x.shape):
        up, down = x.copy(), x.copy()
        up[i] += h
        down[i] -= h
        g[i] = (f(up) - f(down)) / (2 * h)
    return g


def value_and_gradient(candidate, x, *others):
    x = torch.tensor(x, requires_grad=True)
    y = candidate(x, *others)
    return y.detach().numpy(), torch.autograd.grad(y.sum(), x)[0].numpy()


def lost_leaf(candidate):
    g = candidate([0.7, -1.3])
    return g is not None and np.allclose(g, difference(lambda w: (w**3 - 2 * w).sum(), [0.7, -1.3]), atol=1e-6)


def cut_graph(candidate):
    g = candidate(torch.tensor([0.7, -1.3, 0.4], dtype=torch.float64))
    return g is not None and np.allclose(g, difference(lambda x: x.sum() * (x**2).sum(), [0.7, -1.3, 0.4]), atol=1e-6)


def wrong_dim(candidate):
    z, y = np.array([[0.7, -1.3, 2.0], [0.1, 0.4, -0.6]]), [2, 0]

    def loss(z):
        return np.mean([np.log(np.exp(row).sum()) - row[k] for row, k in zip(z, y, strict=True)])

    value, gradient = value_and_gradient(candidate, z, torch.tensor(y))
    return np.isclose(value, loss(z)) and np.allclose(gradient, difference(loss, z), atol=1e-6)


def shape_clash(candidate):
    p, t = np.array([[0.7], [-1.3], [0.4]]), np.array([0.2, 1.1, -0.6])
    value, gradient = value_and_gradient(candidate, p, torch.tensor(t))

    def loss(p):
        return ((p[:, 0] - t) ** 2).mean()

    return np.isclose(value, loss(p)) and np.allclose(gradient, difference(loss, p), atol=1e-6)


def nan_where(candidate):
    value, gradient = value_and_gradient(candidate, np.array([0.7, 0.0, -1.3]))
    return np.allclose(value, [np.log(0.7), 0, 0]) and np.allclose(gradient, [1 / 0.7, 0, 0])


def norm_at_zero(candidate):
    at_zero, elsewhere = value_and_gradient(candidate, np.zeros(3)), value_and_gradient(candidate, np.array([3.0, -4.0]))
    return (np.allclose(at_zero[0], 0, atol=1e-9) and np.allclose(at_zero[1], 0)
            and np.isclose(elsewhere[0], 5, rtol=1e-9) and np.allclose(elsewhere[1], [0.6, -0.8]))


def data_edit(candidate):
    x = torch.tensor([0.7, -1.3], dtype=torch.float64)
    g = candidate(x)
    return x.tolist() == [0.7, -1.3] and np.allclose(g, difference(lambda w: (w**3).sum(), [0.7, -1.3]), atol=1e-6)


def hidden_state(candidate):
    w, past = torch.tensor(0.8, dtype=torch.float64, requires_grad=True), []

    def cell(x, h):
        past.append(h.grad_fn)
        return torch.tanh(w * x + h)

    xs, h, want = (0.3, 0.7, -0.2), 0.1, []
    losses = candidate(cell, torch.tensor(xs, dtype=torch.float64)[:, None], torch.tensor([0.1], dtype=torch.float64))
    for x in xs:
        h = np.tanh(0.8 * x + h)
        want.append(h * h)
    return np.allclose(losses, want) and not any(past) and w.grad is not None


def unregistered(candidate):
    model = candidate([3, 5, 2])
    before = [p.detach().clone() for p in model.parameters()]
    if sum(p.numel() for p in before) != 33:
        return False
    optimiser = torch.optim.SGD(model.parameters(), lr=0.1)
    ((model(torch.ones(4, 3)) - 1) ** 2).sum().backward()
    optimiser.step()
    return all(not torch.equal(old, new) for old, new in zip(before, model.parameters(), strict=True))


def batch_sum_trick(candidate):
    X = np.array([[0.7, -1.3], [0.4, 1.6], [1.1, 0.2]])
    want = np.stack([difference(lambda X, i=i: ((X - X.mean(0)) ** 2).sum(1)[i], X)[i] for i in range(3)])
    return np.allclose(candidate(lambda X: ((X - X.mean(0)) ** 2).sum(1), torch.tensor(X)), want, atol=1e-6)


def wrong_factor(candidate):
    x, g = np.array([0.7, -1.3, 2.1]), np.array([0.6, -1.7, 2.2])
    want = difference(lambda x: (g * x**2 / (1 + x**2)).sum(), x)
    return np.allclose(candidate(torch.tensor(g), torch.tensor(x)), want, atol=1e-6)


def triple_fault(candidate):
    generator = torch.Generator().manual_seed(0)
    *weights, X = (torch.randn(s, generator=generator, dtype=torch.float64) for s in ((4, 3), (4,), (2, 4), (2,), (6, 3)))
    y, params, want = torch.tensor([0, 1, 1, 0, 1, 0]), [nn.Parameter(w.clone()) for w in weights], []
    optimiser = torch.optim.SGD(params, lr=0.5)
    for _ in range(5):
        optimiser.zero_grad()
        hidden = torch.tanh(F.linear(X, params[0], params[1]))
        loss = F.cross_entropy(F.linear(hidden, params[2], params[3]), y)
        want.append(loss.item())
        loss.backward()
        optimiser.step()
    return np.allclose(candidate(weights, X, y, 5), want)


ORACLES = {name: oracle for name, oracle in globals().items() if name in CASES}


def test_there_are_twelve_cases_with_three_exercises_each():
    assert len(CASES) == len(ORACLES) == 12
    assert all(f"{kind}_{case}" in all_exercises() for case in CASES for kind in ("fix", "fault", "probe"))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("case", CASES)
def test_right_versions_are_right_and_broken_ones_are_broken(case):
    met = versions(case)
    for name, recipe in met.items():
        assert bool(ORACLES[case](recipe.function())) == ("_right_" in name), name
    assert sum("_right_" in name for name in met) >= 3 <= sum("_right_" not in name for name in met)


@pytest.mark.parametrize("case", CASES)
def test_the_versions_travel_with_the_probes_questions_only(case):
    sources = [recipe.data[0] for recipe in versions(case).values()]
    assert all(len(source) < RECIPE_TEXT for source in sources)
    for kind in ("fix", "fault"):
        source = Listening(lambda *args: None)
        source.is_untouched = lambda given: False
        judge(all_exercises()[f"{kind}_{case}"], source)
        sent = [arg.data[0] for args in source.asked for arg in args if hasattr(arg, "data") and hasattr(arg, "kind")]
        sent += [arg.recipe.data[0] for args in source.asked for arg in args if isinstance(arg, Driver)]
        assert not set(sent) & set(sources)


def test_a_probe_is_told_what_it_did():
    def loud(candidate):
        assert candidate(1) == 2, "not two"

    run = coded(probed).function()
    assert run(loud, lambda x: 2) == "silent"
    assert run(loud, lambda x: 1) == "AssertionError"
    assert run(loud, lambda x: x.nothing).startswith("AttributeError: ")


@pytest.mark.parametrize("case", CASES)
def test_the_mended_code_of_the_solutions_satisfies_its_own_probe(case):
    answers = build.code_of_answers()
    assert answers[f"probe_{case}"](answers[f"fix_{case}"]) is None


def test_the_table_of_ideas_in_the_notebooks_is_the_one_that_the_keys_know():
    for folder in ("solutions", "exercises"):
        cells = build.read(build.ROOT / folder / "08_bug_hunt.ipynb")["cells"]
        text = "\n".join(build.source_of(cell) for cell in cells if cell["cell_type"] == "markdown")
        assert all(f"| {id} | {idea} |" in text for id, idea in CATALOGUE.items())


def test_every_version_says_in_words_what_it_is():
    for module in MODULES:
        for name, function in vars(module).items():
            if any(name.startswith(f"{case}_") for case in CASES) and inspect.isfunction(function):
                assert inspect.getdoc(function), name
