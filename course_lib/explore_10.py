"""Explorer of lesson 10, an engine of your own: backward_order(f, x=0.7), which node is asked next?"""

import math
from dataclasses import dataclass, replace

import torch

from course_lib import theme
from course_lib.controls import Cards, Text
from course_lib.drawing import PAD, PAGE, Picture, graph_axes, moved, placed, texts_needed
from course_lib.graph import trace
from course_lib.live import Explorer, Scene, Task
from course_lib.slips import read_number
from course_lib.theme import INK
from course_lib.walk import DIGITS, Known, listed, sends, words

FEWEST, MOST = 2, 8  # operations: with one there is no order, and more do not fit the sentence
BELOW = 24.0  # points for the line under the graph
COUNTED = ("1st", "2nd", "3rd", *(f"{i}th" for i in range(4, MOST + 1)))
SPARE = "uvwrtklmn"  # names for results that f gave none


def reused(x):
    a = x * x
    s = torch.sin(a)
    p = s * a
    q = s * x
    y = p + q
    return y


def backward_order(f=None, /, **leaves):
    """A walk back in which you say which node is asked next: what has arrived so far stands at each of them.

    A node is asked once. It hands on what has arrived by then, times the local derivative; what comes later stays there.
    Default f: s·a + s·x with a = x·x, s = sin(a), at x = 0.7. Your own has 2 to 8 operations on single numbers.
    """
    if f is None:
        f, leaves = reused, {"x": 0.7, **leaves}
    graph = _named(trace(f, **leaves))
    asked = _asked(graph)
    names = {graph.nodes[i].name: i for i in asked}
    place = placed(graph)
    width, height = max(place.width, PAGE), place.height + BELOW
    ax = graph_axes(width, height, gradient="∂: what has arrived so far")
    place = moved(place, (width - place.width) / 2, BELOW)
    picture = Picture(ax, texts_needed(graph))
    with theme.style():
        marks = {i: ax.text(place.boxes[i].left + PAD, place.boxes[i].top + 4, "", fontsize=8, color=INK) for i in asked}
        below = ax.text(width / 2, 8, "", ha="center", fontsize=10, color=INK)

    def walk_of(order):
        return walked(graph, [names[name] for name in dict.fromkeys(order)])

    def update(order, off):
        if off.strip():
            read_number(off, {})
        walk = walk_of(order)
        picture.show(_so_far(graph, walk), place, _known(graph, walk))
        for i, mark in marks.items():
            mark.set_text(_mark(walk, i))
        below.set_text("     ".join(f"{name}: {has} so far, right {right}" for name, has, right in _leaves(graph, walk)[:3]))
        return _said(graph, walk, order)

    def brings_the_right_one(values):
        return _all_asked(graph, walk_of(values["order"])) and not any(_missing(graph, walk_of(values["order"])))

    def says_how_far_off(values):
        walk, typed = walk_of(values["order"]), values["off"].strip()
        gaps = [gap for gap in _missing(graph, walk) if gap]
        if not typed or not _all_asked(graph, walk) or not gaps:
            return False
        size = abs(read_number(typed, {}))
        return any(math.isclose(size, abs(gap), rel_tol=0.01, abs_tol=2e-3) for gap in gaps) or "that is another number"

    leaf = listed([graph.nodes[i].label for i in _leaf_ids(graph)])
    return Explorer(
        Scene(figure=ax.figure, movers=[*picture.movers, *marks.values(), below], update=update),
        name="backward_order",
        tasks=[Task(f"Ask every node once, in an order that brings the right gradient to {leaf}.", brings_the_right_one),
               Task("Ask every node once, in an order that brings a wrong one, and type by how much it is off.",
                    says_how_far_off)],
        order=Cards(tuple(names), len(names), "ask next:"),
        off=Text("", "off by", "right minus arrived", clears_with=("order",)),
    )


# --- the walk --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Walk:
    """order: ids of the nodes asked; arrived: id -> what has arrived there; sent: index of an edge -> what went along it;
    late: id -> what arrived there after it had been asked."""

    order: tuple
    arrived: dict
    sent: dict
    late: dict


def walked(graph, order):
    """The Walk that asks these nodes in this order, each for what has arrived by then."""
    arrived, sent, late, done = {graph.output: 1.0}, {}, {}, set()
    for i in order:
        for k, edge in enumerate(graph.edges):
            if edge.target == i and sends(edge):
                sent[k] = arrived.get(i, 0.0) * edge.local
                arrived[edge.source] = arrived.get(edge.source, 0.0) + sent[k]
                if edge.source in done:
                    late[edge.source] = late.get(edge.source, 0.0) + sent[k]
        done.add(i)
    return Walk(order=tuple(order), arrived=arrived, sent=sent, late=late)


def _named(graph):
    """The graph in which each operation has a name of its own, as its button needs one."""
    taken = {node.name for node in graph.nodes}
    spare = iter(name for name in SPARE if name not in taken)
    seen, nodes = set(), []
    for node in graph.nodes:
        if node.kind == "op" and (not node.name or node.name in seen):
            node = replace(node, name=next(spare, f"r{node.id}"))
        seen.add(node.name)
        nodes.append(node)
    return replace(graph, nodes=tuple(nodes))


def _asked(graph):
    """Ids of the nodes that can be asked; ValueError where there is nothing to choose or nothing to multiply."""
    if not graph.is_scalar:
        raise ValueError("backward_order walks from number to number, so every node of f must be a single one.")
    asked = [node.id for node in graph.nodes if any(sends(edge) for edge in graph.inputs[node.id])]
    if not FEWEST <= len(asked) <= MOST:
        raise ValueError(
            f"backward_order needs {FEWEST} to {MOST} operations to choose from, and this f has {len(asked)}: take another f."
        )
    locals_ = [edge.local for edge in graph.edges if sends(edge)]
    if not all(local is not None and math.isfinite(local) for local in locals_):
        raise ValueError("backward_order multiplies local derivatives, and here some are unknown or not finite.")
    return asked


def _leaf_ids(graph):
    return [node.id for node in graph.nodes if node.kind == "leaf" and node.gradient is not None]


def _all_asked(graph, walk):
    return len(walk.order) == len(_asked(graph))


def _missing(graph, walk):
    """What each leaf lacks; 0 where it has all."""
    gaps = [graph.nodes[i].gradient - walk.arrived.get(i, 0.0) for i in _leaf_ids(graph)]
    return [0.0 if abs(gap) <= 1e-9 * max(1.0, abs(graph.nodes[i].gradient)) else gap
            for gap, i in zip(gaps, _leaf_ids(graph), strict=True)]


# --- how it is shown -------------------------------------------------------------------------------------------------


def _so_far(graph, walk):
    """The graph with what has arrived in place of the gradients, and what was sent in place of the contributions."""
    nodes = [replace(node, gradient=walk.arrived.get(node.id, 0.0)) if node.kind != "constant" else node for node in graph.nodes]
    edges = [replace(edge, contribution=walk.sent.get(k)) for k, edge in enumerate(graph.edges)]
    return replace(graph, nodes=tuple(nodes), edges=tuple(edges))


def _known(graph, walk):
    last = walk.order[-1] if walk.order else None
    return Known(
        values=frozenset(node.id for node in graph.nodes), gradients=frozenset(walk.arrived), locals=frozenset(walk.sent),
        flowing=frozenset(k for k in walk.sent if graph.edges[k].target == last), direction="backward" if walk.order else "",
        at=last,
    )


def _mark(walk, i):
    """When a node was asked, and what came too late."""
    if i not in walk.order:
        return ""
    when, late = COUNTED[walk.order.index(i)], walk.late.get(i, 0.0)
    return f"{when}, {words(late)} came late" if late else f"asked {when}"


def _leaves(graph, walk):
    """(name, what has arrived, the right gradient) of each leaf, as words."""
    return [(graph.nodes[i].label, words(walk.arrived.get(i, 0.0)), words(graph.nodes[i].gradient)) for i in _leaf_ids(graph)]


def _said(graph, walk, order):
    """What the node asked last has done, and where the first leaf stands."""
    name, has, right = _leaves(graph, walk)[0]
    gap = theme.number(_missing(graph, walk)[0], DIGITS)
    stands = f"{name} has {has}, right is {right}"
    if not walk.order:
        return f"Nothing is asked yet, and 1 has arrived at {graph.nodes[graph.output].label}; {stands}."
    if len(order) > len(walk.order):
        return f"{order[-1]} has been asked before, and every node is asked once: take the card back; {stands}."
    last = walk.order[-1]
    edges = [k for k in walk.sent if graph.edges[k].target == last]
    parts = {}
    for k in edges:
        parts.setdefault(graph.nodes[graph.edges[k].source].label, []).append(words(walk.sent[k]))
    sent = listed([f"{' and '.join(shares)} to {label}" for label, shares in parts.items()])
    end = "" if not _all_asked(graph, walk) else " All are asked." if gap == "0" else f" All are asked, and {name} is off."
    return f"{graph.nodes[last].label}, with {words(walk.arrived.get(last, 0.0))}, sends {sent}; {stands}.{end}"
