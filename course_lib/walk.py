"""Walk through a graph one node at a time: steps(graph), what is known after each (known_after), and its sentence.

Forward in the order in which f computed, then back through the same operations in reverse: each hands its gradient,
times the local derivative, to its inputs. Plain data and words; nothing here draws.
"""

from dataclasses import dataclass

import numpy as np

from course_lib.theme import number

DIGITS = 4


@dataclass(frozen=True, kw_only=True)
class Step:
    """kind: "start", "forward", "turn" (the gradient of the result is given) or "backward"; node: which one."""

    kind: str
    node: int | None = None


@dataclass(frozen=True, kw_only=True)
class Known:
    """What a picture may show: ids of nodes with values and with gradients, indices of edges with their local
    derivative, and what happens at the moment: the edges in use, their direction and the node.

    asked: ids of nodes and indices of edges, as ("gradient", id) or ("local", index), that show a question mark.
    """

    values: frozenset = frozenset()
    gradients: frozenset = frozenset()
    locals: frozenset = frozenset()
    flowing: frozenset = frozenset()
    direction: str = ""
    at: int | None = None
    asked: tuple | None = None


def steps(graph):
    """All steps of a graph, the first being the start, where only the leaves are known."""
    computed = [node.id for node in graph.nodes if node.op]
    back = [i for i in reversed(computed) if any(sends(edge) for edge in graph.inputs[i])]
    turn = [Step(kind="turn", node=graph.output)] if graph.nodes[graph.output].gradient is not None else []
    return [
        Step(kind="start"), *(Step(kind="forward", node=i) for i in computed), *turn,
        *(Step(kind="backward", node=i) for i in back),
    ]


def sends(edge):
    return edge.contribution is not None


def arriving(graph, i):
    """The edges whose contributions add up to the gradient of node i, in the order in which backward uses them."""
    return sorted((edge for edge in graph.consumers[i] if sends(edge)), key=lambda edge: -edge.target)


def everything(graph):
    """All there is to know about a graph, nothing being in progress."""
    return Known(
        values=frozenset(node.id for node in graph.nodes),
        gradients=frozenset(node.id for node in graph.nodes if node.gradient is not None),
        locals=frozenset(range(len(graph.edges))),
    )


def known_after(graph, k):
    """What is known after step k, with that step in progress."""
    walk = steps(graph)
    if not 0 <= k < len(walk):
        raise ValueError(f"step must lie between 0 and {len(walk) - 1}, got {k}.")
    done, now = walk[: k + 1], walk[k]
    forward = {step.node for step in done if step.kind == "forward"}
    backward = {step.node for step in done if step.kind == "backward"}
    turned = any(step.kind == "turn" for step in done)
    gradients = {
        node.id for node in graph.nodes
        if turned and node.gradient is not None and all(edge.target in backward for edge in arriving(graph, node.id))
    }
    back = now.kind == "backward"
    return Known(
        values=frozenset(node.id for node in graph.nodes if not node.op or node.id in forward),
        gradients=frozenset(gradients), direction=now.kind if now.kind in ("forward", "backward") else "", at=now.node,
        locals=frozenset(i for i, edge in enumerate(graph.edges) if edge.target in backward),
        flowing=frozenset(i for i, edge in enumerate(graph.edges) if edge.target == now.node and now.kind != "turn"
                          and (sends(edge) or not back)),
    )


# --- words -----------------------------------------------------------------------------------------------------------


def words(value):
    """A value as it stands in the picture and in a sentence: one number, a few numbers, or a shape."""
    if value is None:
        return ""
    if isinstance(value, bool | np.bool_):
        return str(bool(value))
    if np.ndim(value) == 0:
        return number(value, DIGITS)
    if np.size(value) <= 3 and np.ndim(value) == 1:
        return f"[{', '.join(number(entry, 3) for entry in value)}]"
    return f"{'×'.join(map(str, np.shape(value)))} numbers"


def product(graph, edge):
    """upstream × local = contribution, or the contribution alone where that is no product of numbers."""
    upstream, sent = graph.nodes[edge.target].gradient, words(edge.contribution)
    if edge.local is None or upstream is None or np.ndim(edge.contribution):
        return sent
    return f"{words(upstream)} × {words(edge.local)} = {sent}"


def listed(parts):
    return " and ".join([", ".join(parts[:-1]), parts[-1]]) if len(parts) > 1 else "".join(parts)


def said(graph, node):
    """s = 0.4706: a node with its value."""
    value = words(node.value)
    return f"{node.label} = {value}" if node.label != "constant" and value else value or node.label


def result_name(graph):
    return graph.nodes[graph.output].name or ("the result" if any(node.name == "y" for node in graph.nodes) else "y")


def sentence(graph, k):
    """What happens in step k."""
    walk = steps(graph)
    step = walk[k]
    if step.kind == "start":
        given = [said(graph, node) for node in graph.nodes if node.kind == "leaf"]
        return f"Start: {listed(given)} {'are' if len(given) > 1 else 'is'} given; {len(walk) - 1} steps follow."
    say = {"forward": _forward, "turn": _turn, "backward": _backward}[step.kind]
    last = f" Done: {gradients_found(graph)}." if k == len(walk) - 1 and step.kind != "forward" else ""
    return f"Step {k} of {len(walk) - 1}, {say(graph, graph.nodes[step.node])}{last}"


def _forward(graph, node):
    inputs = dict.fromkeys(said(graph, graph.nodes[edge.source]) for edge in graph.inputs[node.id])
    give = "gives" if len(inputs) == 1 else "give"
    made = f"forward through {node.title}: {listed(list(inputs))} {give} {words(node.value) or 'a result'}"
    return f"{made}; {node.note}, so no gradient comes back here." if node.kind == "constant" else f"{made}."


def _turn(graph, node):
    if node.shape == () and node.gradient == 1:
        return f"turn round: {result_name(graph)} changes with itself at the rate 1, so its gradient is 1."
    return f"turn round: backward starts at {result_name(graph)} with {words(node.gradient)}."


def _backward(graph, node):
    sent = [
        f"{product(graph, edge)} goes to {graph.nodes[edge.source].label}"
        for edge in graph.inputs[node.id] if sends(edge)
    ]
    return f"backward through {node.title}: {listed(sent)}.{_added(graph, node)}"


def _added(graph, node):
    """The sum at each input that has now received all its contributions."""
    parts = []
    for source in dict.fromkeys(edge.source for edge in graph.inputs[node.id] if sends(edge)):
        edges = arriving(graph, source)
        if len(edges) > 1 and edges[-1].target == node.id:
            parts.append(f" {graph.nodes[source].label} has received {sum_of(graph, source)}.")
    return "".join(parts)


def sum_of(graph, i):
    """4.279 + 0.2794 = 4.559: what arrives at a node."""
    edges, total = arriving(graph, i), graph.nodes[i].gradient
    if len(edges) < 2 or np.ndim(total) or len(edges) > 4:
        return words(total)
    return f"{' + '.join(words(edge.contribution) for edge in edges)} = {words(total)}".replace("+ −", "− ")


def gradients_found(graph):
    """∂y/∂x = 1.335 for each leaf."""
    y = result_name(graph).removeprefix("the ")
    found = [node for node in graph.nodes if node.kind == "leaf" and node.gradient is not None]
    lost = [node.label for node in graph.nodes if node.kind == "leaf" and node.gradient is None]
    parts = [f"∂{y}/∂{node.name or 'leaf'} = {words(node.gradient)}" for node in found]
    if len(parts) > 4:
        parts = [*parts[:3], f"{len(parts) - 3} more"]
    if lost:
        parts.append(f"{listed(lost)} {'are' if len(lost) > 1 else 'is'} not connected")
    return listed(parts)


def summary(graph):
    """The whole graph in one sentence, and its notes."""
    count = sum(node.kind == "op" for node in graph.nodes)
    leaves = listed([said(graph, node) for node in graph.nodes if node.kind == "leaf"][:6])
    value = words(graph.nodes[graph.output].value)
    start = f"{result_name(graph)} = {value} by {count} operation{'s' * (count != 1)} from {leaves}"
    return " ".join([f"{start}; {gradients_found(graph)}.", *graph.notes])
