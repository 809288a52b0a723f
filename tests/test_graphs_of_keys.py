"""Small graphs as data: values and slopes are those of torch, ways are counted one by one, random graphs are telling."""

import math
import random

import numpy as np
import pytest
import torch

from course_lib.keys.graphs import ONE, SAFE_ONE, TWO, evaluate, local, paths, random_graph, slope

IN_TORCH = {
    "neg": torch.neg, "square": torch.square, "sin": torch.sin, "cos": torch.cos, "exp": torch.exp, "log": torch.log,
    "tanh": torch.tanh, "sigmoid": torch.sigmoid, "add": torch.add, "sub": torch.sub, "mul": torch.mul,
    "div": torch.div,
}  # fmt: skip
GRAPHS = [random_graph(random.Random(seed), 4 + seed % 7) for seed in range(60)]
CUBE = [("x", "input", ()), ("b", "mul", ("x", "x")), ("c", "mul", ("b", "x"))]


def in_torch(graph, x):
    """(values of all nodes, slope of the output), by torch."""
    leaf = torch.tensor(x, dtype=torch.float64, requires_grad=True)
    value = {graph[0][0]: leaf}
    for name, op, inputs in graph[1:]:
        value[name] = IN_TORCH[op](*(value[one] for one in inputs))
    (gradient,) = torch.autograd.grad(value[graph[-1][0]], leaf)
    return {name: tensor.item() for name, tensor in value.items()}, gradient.item()


def ways(graph):
    """All ways from the input to the output, each a list of nodes, by walking every one of them."""
    inputs_of = {name: inputs for name, _, inputs in graph}

    def walk(name):
        return [[name]] if not inputs_of[name] else [way + [name] for one in inputs_of[name] for way in walk(one)]

    return walk(graph[-1][0])


@pytest.mark.parametrize("graph", GRAPHS, ids=range(len(GRAPHS)))
def test_values_and_slope_are_those_of_torch(graph):
    for x in (0.7, -1.3, 0.2):
        values, gradient = in_torch(graph, x)
        assert evaluate(graph, x) == pytest.approx(values, rel=1e-12, abs=1e-14)
        assert slope(graph, x) == pytest.approx(gradient, rel=1e-11, abs=1e-13)


@pytest.mark.parametrize("op", [*ONE, *TWO])
def test_every_operation_and_its_local_derivatives_are_those_of_torch(op):
    given = (0.7,) if op in ONE else (0.7, -1.3)
    leaves = [torch.tensor(one, dtype=torch.float64, requires_grad=True) for one in given]
    out = IN_TORCH[op](*leaves)
    function = (ONE | TWO)[op][0]
    assert function(*given) == pytest.approx(out.item(), rel=1e-14)
    factors = [one.item() for one in torch.autograd.grad(out, leaves)]
    assert local(op, given) == pytest.approx(factors, rel=1e-13)


@pytest.mark.parametrize("graph", [CUBE, *GRAPHS[:20]], ids=range(21))
def test_ways_are_counted_one_by_one(graph):
    assert paths(graph) == len(ways(graph))


def test_two_arrows_between_two_nodes_are_two_ways():
    assert paths(CUBE) == 3 and slope(CUBE, 3.0) == 27


@pytest.mark.parametrize("graph", GRAPHS, ids=range(len(GRAPHS)))
def test_a_random_graph_is_in_order_and_every_node_reaches_the_output(graph):
    names = [name for name, _, _ in graph]
    assert graph[0] == ("x", "input", ()) and len(set(names)) == len(names)
    for place, (_, op, inputs) in enumerate(graph[1:], start=1):
        assert set(inputs) <= set(names[:place]) and len(inputs) == (1 if op in ONE else 2)
        assert op in SAFE_ONE or op in ("add", "sub", "mul")
    assert set().union(*ways(graph)) == set(names)


@pytest.mark.parametrize("graph", GRAPHS, ids=range(len(GRAPHS)))
def test_a_random_graph_has_several_ways_and_numbers_of_a_readable_size(graph):
    assert 3 <= paths(graph) <= 60
    for x in (0.7, -1.3):
        assert 0.05 < abs(slope(graph, x)) < 20 and np.abs(list(evaluate(graph, x).values())).max() < 4


def test_random_graphs_differ_and_have_about_the_size_that_was_asked_for():
    assert len({str(graph) for graph in GRAPHS}) == len(GRAPHS)
    sizes = [(4 + seed % 7, len(graph)) for seed, graph in enumerate(GRAPHS)]
    assert all(wanted - 2 <= size <= wanted for wanted, size in sizes)


def test_one_seed_makes_one_graph():
    assert random_graph(random.Random(7), 8) == random_graph(random.Random(7), 8) != random_graph(random.Random(8), 8)


def test_most_random_graphs_are_curved():
    """A slope that is the same everywhere cannot tell at which value a local derivative was taken."""
    curved = [not math.isclose(slope(graph, 0.7), slope(graph, -1.3)) for graph in GRAPHS]
    assert sum(curved) > 0.8 * len(GRAPHS)
