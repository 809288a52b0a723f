"""Ask for the numbers of a backward pass one by one: questions(graph); read what was typed; diagnose(…) a wrong number.

A diagnosis recomputes the usual slips from the numbers of the graph. It names the slip, never the answer.
"""

import ast
import math
import operator
from dataclasses import dataclass

import torch

from course_lib.live import Unclear
from course_lib.theme import number
from course_lib.walk import arriving, listed, result_name, said, sends, steps, words

FUNCTIONS = ("sin", "cos", "tan", "exp", "log", "sqrt", "tanh")
OPERATORS = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv,
    ast.Pow: operator.pow, ast.USub: operator.neg, ast.UAdd: operator.pos,
}
WANTED = "a number such as 0.49, or arithmetic such as 2*0.7 or cos(0.49)"
RULES = {
    "add": "a sum changes exactly as much as either of its inputs",
    "sub": "a difference changes as much as its first input, and against its second",
    "mul": "a product changes with one factor at the rate of the other factor",
    "div": "a/b changes with a at the rate 1/b, and with b at the rate −a/b²",
    "neg": "−u changes against u, at the rate −1",
    "pow": "uⁿ changes at the rate n·uⁿ⁻¹",
    "sin": "sin(u) changes at the rate cos(u)",
    "cos": "cos(u) changes at the rate −sin(u)",
    "exp": "exp(u) changes at the rate exp(u)",
    "log": "log(u) changes at the rate 1/u",
    "sqrt": "√u changes at the rate 1/(2√u)",
    "tanh": "tanh(u) changes at the rate 1 − tanh(u)²",
    "sigmoid": "σ(u) changes at the rate σ(u)·(1 − σ(u))",
    "relu": "relu(u) changes at the rate 1 for u > 0 and 0 for u < 0",
    "reciprocal": "1/u changes at the rate −1/u²",
}


@dataclass(frozen=True)
class Question:
    """kind "local": edge number `index`; kind "gradient": node number `index`. want: the right number."""

    kind: str
    index: int
    want: float


def questions(graph):
    """For each operation backwards: the local derivative of each of its arrows; for each node what arrives in all."""
    asked = []
    for step in steps(graph):
        if step.kind != "backward":
            continue
        for i, edge in enumerate(graph.edges):
            if edge.target == step.node and sends(edge) and edge.local is not None:
                asked.append(Question("local", i, float(edge.local)))
        for source in dict.fromkeys(edge.source for edge in graph.inputs[step.node] if sends(edge)):
            if arriving(graph, source)[-1].target == step.node:
                asked.append(Question("gradient", source, float(graph.nodes[source].gradient)))
    return asked


def wording(graph, question):
    """The question itself."""
    if question.kind == "gradient":
        return f"gradient ∂?: how fast does {result_name(graph)} change with {graph.nodes[question.index].label}?"
    edge = graph.edges[question.index]
    twins = sum(other.source == edge.source for other in graph.inputs[edge.target])
    others = listed([node.label for node in _others(graph, edge)])
    along = " through this arrow, what comes in at the other one held" if twins > 1 else f", {others} held" if others else ""
    return (
        f"local derivative ×?: how fast does {graph.nodes[edge.target].title} change with "
        f"{said(graph, graph.nodes[edge.source])}{along}?"
    )


def _others(graph, edge):
    """What else goes into the operation at the tip of an arrow, constants apart."""
    sources = [graph.nodes[other.source] for other in graph.inputs[edge.target] if other is not edge]
    return [node for node in sources if node.kind != "constant"]


def hint(graph, question):
    """The method, without the number."""
    if question.kind == "gradient":
        count = len(arriving(graph, question.index))
        arrows = "one arrow leaves" if count == 1 else f"{count} arrows leave"
        add = "" if count == 1 else ", and add"
        return f"{arrows} {graph.nodes[question.index].label}: gradient at the tip × local derivative{add}"
    op = graph.nodes[graph.edges[question.index].target].op.split()[0].strip("_")
    return RULES.get(op, "move the input by 0.001: how many times 0.001 does the result move?")


def is_right(got, want):
    """Within 1 % of the right number, so that what the picture shows is exact enough to calculate with."""
    return abs(got - want) <= 0.01 * abs(want) + 5e-4


# --- what was typed --------------------------------------------------------------------------------------------------


def read_number(text, names):
    """The number that was typed: digits, arithmetic, sin(…) and the like, and names with their values."""
    try:
        value = _evaluate(ast.parse(text.strip().replace("−", "-").replace("^", "**"), mode="eval").body, names)
    except Unclear:
        raise
    except (SyntaxError, ValueError, TypeError, OverflowError, ZeroDivisionError, MemoryError, RecursionError):
        raise Unclear(f"{text.strip()[:30]!r} cannot be read: type {WANTED}.") from None
    if not math.isfinite(value):
        raise Unclear(f"{text.strip()[:30]!r} is no finite number: type {WANTED}.")
    return value


def _evaluate(tree, names):
    if isinstance(tree, ast.Constant) and type(tree.value) in (int, float):
        return float(tree.value)
    if isinstance(tree, ast.BinOp) and type(tree.op) in OPERATORS:
        value = OPERATORS[type(tree.op)](_evaluate(tree.left, names), _evaluate(tree.right, names))
        return float(value)  # a complex root raises TypeError
    if isinstance(tree, ast.UnaryOp) and type(tree.op) in OPERATORS:
        return OPERATORS[type(tree.op)](_evaluate(tree.operand, names))
    if isinstance(tree, ast.Name):
        if tree.id in names:
            return names[tree.id]
        known = f"; known here: {', '.join(names)}" if names else ""
        raise Unclear(f"{tree.id[:20]!r} is no name of this graph{known}.")
    if isinstance(tree, ast.Call) and isinstance(tree.func, ast.Name) and tree.func.id in FUNCTIONS:
        (argument,) = tree.args
        return getattr(math, tree.func.id)(_evaluate(argument, names))
    raise ValueError("not arithmetic")


# --- what went wrong -------------------------------------------------------------------------------------------------


def diagnose(graph, question, got):
    """One sentence about a wrong number: the slip that gives it, else in which direction it is wrong."""
    slips = _local_slips if question.kind == "local" else _gradient_slips
    fitting = [
        (round(abs(got - value), 4), sentence) for sentence, value in slips(graph, question)
        if value is not None and is_right(got, value) and not is_right(value, question.want)
    ]
    if fitting:  # the nearest, and of equals the first: the most fundamental ones come first
        return min(fitting, key=lambda slip: slip[0])[1]
    if question.want == 0:
        return "Not yet: does anything change at all?"
    if got * question.want < 0:
        return "Not yet: the sign is wrong, and so is the size."
    return f"Not yet, {number(got)} is too {'small' if abs(got) < abs(question.want) else 'large'}."


def _local_slips(graph, question):
    edge, want = graph.edges[question.index], question.want
    node, source = graph.nodes[edge.target], graph.nodes[edge.source]
    upstream = node.gradient
    name, *numbers = node.op.split()
    if name == "mul" and len(graph.inputs[node.id]) > 1:
        yield f"That is {source.label} itself; a product changes with it at the rate of the other factor.", source.value
    if sum(other.source == source.id for other in graph.inputs[node.id]) > 1:
        yield "That is what both arrows give together; each arrow has a factor of its own.", 2 * want
    yield f"That is the value of {node.label}, not how fast it changes.", node.value
    for leaf in graph.nodes:
        if leaf.kind == "leaf" and leaf.id != source.id:
            yield (f"That is the slope of {node.op} at {said(graph, leaf)}; what goes into it here is "
                   f"{said(graph, source)}."), slope_at(node.op, leaf.value)
    for inner in graph.inputs[source.id]:
        if inner.local is not None:
            yield (f"That takes {node.op} at the slope of {source.label}; take it at the value, "
                   f"{said(graph, source)}."), slope_at(node.op, inner.local)
            yield (f"That has the derivative of {source.label} in it already; this arrow has only the factor of "
                   f"{node.label}."), want * inner.local
    if name == "pow" and numbers:
        yield "The exponent has to come down as a factor.", _divided(want, numbers[0])
    yield "That is upstream × local already; at ×? the local derivative alone is asked.", upstream * want
    yield f"That is the value of {source.label}; asked is how fast {node.label} changes when it moves.", source.value
    yield f"That is the gradient that has arrived at {node.label}; asked is the factor on this arrow.", upstream
    yield "The size is right, the sign is not.", -want
    yield "That is one divided by it: how much does the result change per change of the input?", _divided(1.0, want)
    for other in graph.edges:
        if other.local is not None and other != edge:
            yield (f"That belongs to the arrow from {graph.nodes[other.source].label} to "
                   f"{graph.nodes[other.target].label}."), other.local


def _gradient_slips(graph, question):
    node = graph.nodes[question.index]
    edges = arriving(graph, node.id)
    sent, local = [edge.contribution for edge in edges], [edge.local for edge in edges]
    above = [graph.nodes[edge.target].gradient for edge in edges]
    tips = [graph.nodes[edge.target].label for edge in edges]
    if len(edges) > 1:
        for share, tip in zip(sent, tips, strict=True):
            left_out = listed(list(dict.fromkeys(other for other in tips if other != tip))) or "the other arrow"
            yield f"That is only what comes back from {tip}; {left_out} sends something too.", share
        for share, upstream, tip in zip(sent, above, tips, strict=True):
            yield f"On the way back from {tip} the factor at the arrow is missing.", question.want - share + upstream
        yield "You multiplied the paths; what comes back along different arrows is added.", math.prod(sent)
    if None not in local:
        yield ("That is made of local derivatives alone; each has to be multiplied by the gradient at the tip of its "
               "arrow."), sum(local)
        for factor, tip in zip(local if len(local) > 1 else (), tips, strict=False):
            yield f"That is the local derivative towards {tip}; multiply it by the gradient there.", factor
        if len(edges) == 1:
            yield "You added upstream and local; along an arrow they are multiplied.", above[0] + local[0]
            yield "You divided; along an arrow upstream and local are multiplied.", _divided(above[0], local[0])
    arrived = listed([f"{tip} has" for tip in dict.fromkeys(tips)])
    yield f"That is the gradient that {arrived}; on its way here it meets the factor at the arrow.", sum(above)
    yield f"That is the value of {node.label}, not how fast {result_name(graph)} changes with it.", node.value
    yield "The size is right, the sign is not.", -question.want


def _divided(value, by):
    by = float(str(by).replace("−", "-")) if by else 0
    return value / by if by else None


def slope_at(op, at):
    """The derivative of a one-input operation such as "sin" or "pow 2" at another input; None if it has none there."""
    name, *numbers = op.split()
    try:
        x = torch.tensor(float(at), dtype=torch.float64, requires_grad=True)
        with torch.enable_grad():
            y = getattr(torch, name)(x, *(float(entry.replace("−", "-")) for entry in numbers))
            slope = torch.autograd.grad(y, x)[0].item()
    except (AttributeError, TypeError, ValueError, RuntimeError, NotImplementedError):
        return None
    return slope if math.isfinite(slope) else None


def names_in(graph):
    """What may be typed by name: the nodes that have one."""
    return {node.name: float(node.value) for node in graph.nodes if node.name.isidentifier() and node.value is not None}


def answer(graph, question):
    """The number with how it comes about, for those who ask for it."""
    if question.kind == "local":
        return f"×{words(question.want)}: {hint(graph, question)}"
    edges = arriving(graph, question.index)
    made = " + ".join(
        words(edge.contribution) if edge.local is None
        else f"{words(graph.nodes[edge.target].gradient)} × {words(edge.local)}" for edge in edges
    )
    return f"{made} = {words(question.want)}"
