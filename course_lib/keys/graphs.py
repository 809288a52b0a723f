"""Small computation graphs as plain data, for exercises about paths: random_graph(rng, size), paths(graph), slope(graph, x).

A graph is a list of nodes (name, op, names of its inputs) in order; the first is the input, the last the output.
"""

import math

ONE = {
    "neg": (lambda a: -a, lambda a: -1.0), "square": (lambda a: a * a, lambda a: 2 * a),
    "sin": (math.sin, math.cos), "cos": (math.cos, lambda a: -math.sin(a)), "exp": (math.exp, math.exp),
    "log": (math.log, lambda a: 1 / a), "tanh": (math.tanh, lambda a: 1 - math.tanh(a) ** 2),
    "sigmoid": (lambda a: 1 / (1 + math.exp(-a)), lambda a: math.exp(-a) / (1 + math.exp(-a)) ** 2),
}  # fmt: skip
TWO = {
    "add": (lambda a, b: a + b, lambda a, b: (1.0, 1.0)), "sub": (lambda a, b: a - b, lambda a, b: (1.0, -1.0)),
    "mul": (lambda a, b: a * b, lambda a, b: (b, a)), "div": (lambda a, b: a / b, lambda a, b: (1 / b, -a / b**2)),
}
SAFE_ONE = ("neg", "square", "sin", "cos", "tanh", "sigmoid")  # defined everywhere, and never huge on small numbers


def random_graph(rng, size):
    """A graph of so many nodes in which every node reaches the output and some node is used twice."""
    while True:
        nodes = [("x", "input", ())]
        for i in range(1, size):
            name, earlier = f"n{i}", [node[0] for node in nodes]
            recent = earlier[-3:]
            if rng.random() < 0.45:
                nodes.append((name, rng.choice(SAFE_ONE), (rng.choice(recent),)))
            else:
                nodes.append((name, rng.choice(("add", "sub", "mul")), (rng.choice(recent), rng.choice(earlier[-4:]))))
        graph = _only_used(nodes)
        if len(graph) >= size - 2 and 3 <= paths(graph) <= 60:
            values = [abs(value) for x in (0.7, -1.3) for value in evaluate(graph, x).values()]
            slopes = [abs(slope(graph, x)) for x in (0.7, -1.3)]
            if max(values) < 4 and all(0.05 < one < 20 for one in slopes):
                return graph


def _only_used(nodes):
    """The nodes that the last one depends on."""
    used = {nodes[-1][0]}
    for name, _, inputs in reversed(nodes):
        if name in used:
            used.update(inputs)
    return [node for node in nodes if node[0] in used]


def paths(graph):
    """How many ways lead along the arrows from the input to the output; two arrows between two nodes are two ways."""
    count = {graph[0][0]: 1}
    for name, _, inputs in graph[1:]:
        count[name] = sum(count[one] for one in inputs)
    return count[graph[-1][0]]


def evaluate(graph, x):
    """name -> value of every node."""
    value = {graph[0][0]: x}
    for name, op, inputs in graph[1:]:
        given = [value[one] for one in inputs]
        value[name] = ONE[op][0](*given) if op in ONE else TWO[op][0](*given)
    return value


def local(op, given):
    """The local derivatives of a node, one for each of its inputs."""
    return (ONE[op][1](*given),) if op in ONE else TWO[op][1](*given)


def slope(graph, x):
    """The derivative of the output by the input at x, in forward mode: independent of any walk backward."""
    value, change = evaluate(graph, x), {graph[0][0]: 1.0}
    for name, op, inputs in graph[1:]:
        factors = local(op, [value[one] for one in inputs])
        change[name] = sum(factor * change[one] for factor, one in zip(factors, inputs, strict=True))
    return change[graph[-1][0]]
