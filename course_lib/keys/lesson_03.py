"""Lesson 03, the chain rule and the graph: the key of its exercises and how people go wrong."""

import math
import re

import numpy as np
import sympy
import torch
from sympy import Rational

from course_lib.exercise import Lesson
from course_lib.formula import Formula, smooth, x
from course_lib.judge import Layer, Tolerance
from course_lib.keys import graphs, quiz_03
from course_lib.keys.lines import words_of
from course_lib.observe import Leaf

lesson = Lesson("03", "Chain rule", quiz_03)
POINTS = (0.7, -1.3)
FOUR_DIGITS = Tolerance(rtol=2e-4)  # large slopes may cancel in a random graph: float32 was seen off by 1.6e-5


# --- 3.1 -------------------------------------------------------------------------------------------------------------


@lesson.exercise(
    number="3.1", title="The slope of a chain", signature="(fs: list, dfs: list, x: float) -> float", points=1, minutes=6,
    section="03a",
    hints=(
        "For sin(x²): at which number must you evaluate the cosine, at x or at x²?",
        "Walk along the chain. Each function adds one factor: its derivative at the value that enters it. Then the "
        "value moves on.",
        "slope = 1; for each pair (f, df): slope = slope * df(value); value = f(value). In this order.",
    ),
)
def chain_slope(ask):
    """The derivative of fs[-1](…fs[0](x)), each derivative taken at the value that enters its function."""
    with ask.part("chains of one to five functions", 3):
        for length in (1, 2, 3, 4, 5, 3):
            fs = _links(ask.rng, length)
            dfs = [f.derived() for f in fs]
            for at in POINTS:
                ask(fs, dfs, at).equals(_chained(fs, at), "the slope of the chain")


def _links(rng, length):
    def k(low, high):
        return Rational(rng.randint(round(low * 100), round(high * 100)), 100)

    shapes = [
        lambda: sympy.sin(k(1.2, 1.6) * x) + k(0.2, 0.4) * x, lambda: k(0.6, 0.8) * x**2 + k(0.2, 0.5) * x,
        lambda: sympy.tanh(x) * k(1.3, 1.7) + k(0.1, 0.3) * x, lambda: k(1.3, 1.7) * x + k(0.3, 0.6),
        lambda: sympy.cos(k(1.1, 1.4) * x) - k(0.2, 0.4) * x,
    ]
    return [Formula(shape(), x) for shape in rng.sample(shapes, length)]


def _chained(fs, at):
    slope, value = 1.0, at
    for f in fs:
        slope, value = slope * f.derivative(value), f.value(value)
    return slope


chain_slope.sort_lines(
    "slope = 1.0",
    "for f, df in zip(fs, dfs):",
    "    slope = slope * df(x)",
    "    x = f(x)",
    "return slope",
    lures={"A7": "    slope = df(x)", "A1": "return x"},
)


@chain_slope.mistake("A6")
def all_at_x(fs, dfs, x):
    """Every derivative is taken at x itself. The outer one belongs to the value that enters it, which is what the inner
    function returned."""
    slope = 1.0
    for df in dfs:
        slope = slope * df(x)
    return slope


@chain_slope.mistake("A7")
def outermost_only(fs, dfs, x):
    """Only the derivative of the outermost function is there. Every function of the chain adds a factor, the inner ones,
    too."""
    for f in fs[:-1]:
        x = f(x)
    return dfs[-1](x)


@chain_slope.mistake("A8")
def derivative_as_argument(fs, dfs, x):
    """You put each derivative into the next one, like f′(g′(x)). Values go through the chain; derivatives are
    multiplied."""
    for df in dfs:
        x = df(x)
    return x


@chain_slope.mistake("A9")
def as_a_product(fs, dfs, x):
    """That is the product rule: you treated f(g(x)) as f(x)·g(x). Here one function is inside the other."""
    total = 0.0
    for i in range(len(fs)):
        term = dfs[i](x)
        for j in range(len(fs)):
            if j != i:
                term = term * fs[j](x)
        total = total + term
    return total


@chain_slope.mistake("innermost-only")
def innermost_only(fs, dfs, x):
    """Only the derivative of the innermost function is there. Every function of the chain adds a factor, the outer ones,
    too."""
    return dfs[0](x)


@chain_slope.mistake("A1")
def value_of_the_chain(fs, dfs, x):
    """You returned the value of the chain. Its slope says how fast that value changes with x."""
    for f in fs:
        x = f(x)
    return x


@chain_slope.mistake("moved-too-early")
def at_the_value_that_leaves(fs, dfs, x):
    """Each derivative is taken at the value that leaves its function. It belongs to the value that enters: first the
    factor, then the next value."""
    slope = 1.0
    for f, df in zip(fs, dfs, strict=True):
        x = f(x)
        slope = slope * df(x)
    return slope


@chain_slope.mistake("fixed-length")
def two_functions_only(fs, dfs, x):
    """Your formula is for a chain of two functions. A chain may have one or five: go through the lists in a loop."""
    return dfs[1](fs[0](x)) * dfs[0](x)


@chain_slope.mistake("wrong-order")
def outermost_first(fs, dfs, x):
    """You walked the chain from the wrong end: fs[0] is the innermost function and meets x first."""
    slope = 1.0
    for f, df in zip(reversed(fs), reversed(dfs), strict=True):
        slope, x = slope * df(x), f(x)
    return slope


@chain_slope.mistake("added")
def factors_added(fs, dfs, x):
    """You added the local derivatives. Along one path they multiply; only different paths are added."""
    total = 0.0
    for f, df in zip(fs, dfs, strict=True):
        total, x = total + df(x), f(x)
    return total


# --- 3.2 and 3.3 -----------------------------------------------------------------------------------------------------


@lesson.exercise(
    number="3.2", title="Forward, step by step", signature="(x: float) -> dict[str, float]", points=1, minutes=5,
    section="03a",
    hints=(
        "Cover everything but the innermost step. What is computed first?",
        "a is what goes into the sine, b is what comes out of it, y joins b with x.",
        "a = x**2, b = the sine of a, y = x * b. Return {\"a\": …, \"b\": …, \"y\": …}.",
    ),
)
def forward_table(ask):
    """The intermediate values of y = x·sin(x²): a = x², b = sin a, y = x·b."""
    with ask.part("a, b and y at four points", 3):
        for at in (0.7, -1.3, 1.9, round(ask.rng.uniform(0.3, 0.6), 2)):
            a = at * at
            ask(at).equals({"a": a, "b": math.sin(a), "y": at * math.sin(a)}, "entry")


forward_table.sort_lines(
    "a = x**2",
    "b = math.sin(a)",
    "y = x * b",
    'return {"a": a, "b": b, "y": y}',
    lures={"sine-of-x": "b = math.sin(x)", "y-from-a": "y = a * b", "doubled": "a = 2 * x"},
)


@forward_table.mistake("A9")
def product_instead_of_composition(x):
    """Your b is sin(x)·x²: sin(x²) is the sine taken of x², not the sine of x times it."""
    a, b = x**2, math.sin(x) * x**2
    return {"a": a, "b": b, "y": x * b}


@forward_table.mistake("square-of-sine")
def sine_squared(x):
    """Your b is (sin x)². The square is inside: first x², then the sine of that."""
    a, b = x**2, math.sin(x) ** 2
    return {"a": a, "b": b, "y": x * b}


@forward_table.mistake("y-from-a")
def y_without_x(x):
    """Your y multiplies a with b. y is x·b: x itself is used a second time."""
    a = x**2
    return {"a": a, "b": math.sin(a), "y": a * math.sin(a)}


@forward_table.mistake("sine-of-x")
def sine_of_x(x):
    """Your b is the sine of x. The sine gets a, which is x²."""
    a, b = x**2, math.sin(x)
    return {"a": a, "b": b, "y": x * b}


@forward_table.mistake("doubled")
def doubled_instead_of_squared(x):
    """Your a is 2x. x² is x times x; 2x is its slope."""
    a = 2 * x
    return {"a": a, "b": math.sin(a), "y": x * math.sin(a)}


@forward_table.mistake("degrees")
def in_degrees(x):
    """Your sine takes degrees. In calculus, and in PyTorch, angles are in radians."""
    a = x**2
    b = math.sin(math.radians(a))
    return {"a": a, "b": b, "y": x * b}


@lesson.exercise(
    number="3.3", title="Backward, step by step", signature="(x: float) -> dict[str, float]", points=2, minutes=8,
    section="03b",
    hints=(
        "Start at the end: how fast does y change with y? Then go one arrow back at a time.",
        "Going back over an arrow multiplies with its local derivative. x has two arrows to the rest, so two numbers "
        "arrive at it.",
        "y: 1. b: x. a: (what b has)·cos a. x: b along the direct arrow, plus (what a has)·2x.",
    ),
)
def backward_table(ask):
    """∂y/∂ each of y, b, a and x, for y = x·sin(x²)."""
    with ask.part("the slope by y, b, a and x at four points", 3):
        for at in (0.7, -1.3, 1.9, round(ask.rng.uniform(0.3, 0.6), 2)):
            a = at * at
            want = {"y": 1.0, "b": at, "a": at * math.cos(a), "x": math.sin(a) + 2 * a * math.cos(a)}
            ask(at).equals(want, "the slope of y by")


def _table(x, of_x, a=None, b=None, y=1.0):
    inner = x * math.cos(x * x) if a is None else a
    return {"y": y, "b": x if b is None else b, "a": inner, "x": of_x}


@backward_table.mistake("A10")
def last_path_wins(x):
    """Your slope by x counts only the way through the sine. x is also used directly, as a factor of y: what arrives on
    both ways is added."""
    return _table(x, 2 * x * x * math.cos(x * x))


@backward_table.mistake("A10-direct")
def direct_path_only(x):
    """Your slope by x counts only the direct way. x also acts through a and the sine: what arrives on both ways is
    added."""
    return _table(x, math.sin(x * x))


@backward_table.mistake("A7")
def square_forgotten(x):
    """On the way through the sine the last step is missing: a = x² has the local derivative 2x."""
    return _table(x, math.sin(x * x) + x * math.cos(x * x))


@backward_table.mistake("local-only")
def local_derivatives(x):
    """Your a holds the local derivative cos a alone. Multiply with what has arrived at b from above."""
    a = math.cos(x * x)
    return _table(x, math.sin(x * x) + 2 * x * a, a=a)


@backward_table.mistake("local-only")
def only_local_derivatives(x):
    """Your a and x hold local derivatives alone, cos a and 2x. Going back, each is multiplied with what has arrived from
    above."""
    return _table(x, 2 * x, a=math.cos(x * x))


@backward_table.mistake("ways-multiplied")
def both_ways_multiplied(x):
    """At x you multiplied what arrives on the two ways. Along one way factors are multiplied; the ways are added."""
    a = x * x
    return _table(x, math.sin(a) * 2 * a * math.cos(a))


@backward_table.mistake("A1")
def values_of_the_nodes(x):
    """You returned the values of y, b, a and x. Asked is how fast y changes with each of them, and with itself that is 1."""
    a, b = x * x, math.sin(x * x)
    return {"y": x * b, "b": b, "a": a, "x": x}


@backward_table.mistake("sign-of-sine")
def minus_cosine(x):
    """The slope of the sine is the cosine, without a minus. The minus belongs to the slope of the cosine."""
    a = -x * math.cos(x * x)
    return _table(x, math.sin(x * x) + 2 * x * a, a=a)


@backward_table.mistake("B8")
def middle_gradients_missing(x):
    """A .grad is None: results in the middle keep no gradient, unless retain_grad() is called before backward."""
    _, a, b, y = _middle(x)
    y.backward()
    return {"y": 1.0, "b": b.grad.item(), "a": a.grad.item()}


@backward_table.mistake("A6")
def cosine_at_x(x):
    """Your cosine is taken at x. The sine was applied to a = x², so its slope is cos a."""
    a = x * math.cos(x)
    return _table(x, math.sin(x * x) + 2 * x * a, a=a)


# --- 3.4 -------------------------------------------------------------------------------------------------------------


@lesson.exercise(
    number="3.4a", title="Count the ways", signature="(graph: list[tuple]) -> int", points=1, minutes=6, section="03b",
    hints=(
        "In how many ways can you reach the first node from the input? And a node that adds two others?",
        "The number of ways into a node is the sum of the ways into its inputs, an input that is named twice counting "
        "twice.",
        "ways = {name of the first node: 1}; for every later node: ways[name] = sum(ways[i] for i in inputs).",
    ),
)
def count_paths(ask):
    """How many ways lead from the input to the output, arrow by arrow."""
    with ask.part("twenty graphs", 3):
        twice = [("x", "input", ()), ("b", "mul", ("x", "x")), ("c", "add", ("b", "x"))]
        for graph in [twice, *(graphs.random_graph(ask.rng, 4 + i % 6) for i in range(19))]:
            ask(graph).equals(graphs.paths(graph), "the number of ways")


@count_paths.mistake("A10")
def arrows_merged(graph):
    """Two arrows between the same two nodes, as in x·x, are two ways. You counted them as one."""
    ways = {graph[0][0]: 1}
    for name, _, inputs in graph[1:]:
        ways[name] = sum(ways[one] for one in set(inputs))
    return ways[graph[-1][0]]


@count_paths.mistake("arrows")
def arrows_counted(graph):
    """You counted arrows. A way is a whole chain of arrows, from the input to the output."""
    return sum(len(inputs) for _, _, inputs in graph)


@count_paths.mistake("longest")
def longest_way(graph):
    """You returned the length of the longest way. Asked is how many ways there are."""
    depth = {graph[0][0]: 0}
    for name, _, inputs in graph[1:]:
        depth[name] = 1 + max(depth[one] for one in inputs)
    return depth[graph[-1][0]]


@count_paths.mistake("multiplied")
def ways_multiplied(graph):
    """You find one way in every graph, as if the ways of two inputs were multiplied, or only one input counted. Coming by one
    input or else by the other means adding."""
    ways = {graph[0][0]: 1}
    for name, _, inputs in graph[1:]:
        ways[name] = math.prod(ways[one] for one in inputs)
    return ways[graph[-1][0]]


@count_paths.mistake("one-at-every-node")
def one_more_at_every_node(graph):
    """You add 1 at every node. Only the input starts a way; every other node has the ways of its inputs, added up."""
    ways = {}
    for name, _, inputs in graph:
        ways[name] = 1 + sum(ways[one] for one in inputs)
    return ways[graph[-1][0]]


@count_paths.mistake("nodes")
def nodes_counted(graph):
    """You counted the nodes. A way is a whole chain of arrows, from the input to the output."""
    return len(graph)


@lesson.exercise(
    number="3.4b", title="Slopes along all ways", signature="(graph: list[tuple], x: float) -> float", points=2,
    minutes=12, section="03b",
    hints=(
        "You need the value of every node before you can say any local derivative. Why?",
        "Go back from the output. Every node passes on (what it has) × (local derivative) to each of its inputs, and "
        "whatever arrives at a node is added up.",
        "Forward: value[name] for every node. Then arrived[output] = 1; for the nodes in reverse order, for each input: "
        "arrived[input] += arrived[name] * local derivative.",
    ),
)
def grad_by_paths(ask):
    """The derivative of the output by the input at x: local derivatives multiplied along each way, the ways added."""
    with ask.part("eight graphs at two points", 3):
        for i in range(8):
            graph = graphs.random_graph(ask.rng, 5 + i % 5)
            for at in POINTS:
                ask(graph, at).equals(graphs.slope(graph, at), "the slope of the output", FOUR_DIGITS)
    with ask.part("every operation of the list"):
        for graph in _one_of_each():
            ask(graph, 0.7).equals(graphs.slope(graph, 0.7), "the slope of the output")


def _one_of_each():
    for op in graphs.ONE:
        yield [("x", "input", ()), ("a", op, ("x",)), ("y", "mul", ("a", "x"))]
    for op in graphs.TWO:
        yield [("x", "input", ()), ("a", "square", ("x",)), ("y", op, ("x", "a"))]


def _backward(
    graph, x, join, factor_at=lambda given, x: given, combine=lambda arrived, factor: arrived * factor, local=graphs.local,
):
    value = graphs.evaluate(graph, x)
    arrived = {name: 0.0 for name, _, _ in graph}
    arrived[graph[-1][0]] = 1.0
    for name, op, inputs in reversed(graph[1:]):
        given = factor_at([value[one] for one in inputs], x)
        for one, factor in zip(inputs, local(op, given), strict=True):
            arrived[one] = join(arrived[one], combine(arrived[name], factor))
    return arrived[graph[0][0]]


@grad_by_paths.mistake("A10")
def overwritten(graph, x):
    """Where several ways meet, the last one overwrites the others: `=` where `+=` belongs."""
    return _backward(graph, x, lambda old, new: new)


@grad_by_paths.mistake("A6")
def locals_at_x(graph, x):
    """Your local derivatives are taken at x. Each belongs to the values that entered its own node."""
    return _backward(graph, x, lambda old, new: old + new, lambda given, x: [x] * len(given))


@grad_by_paths.mistake("added-along")
def added_along_the_way(graph, x):
    """Along one way you added the local derivatives. Along a way they multiply; only different ways are added."""
    return _backward(graph, x, lambda old, new: old + new, combine=lambda arrived, factor: arrived + factor)


@grad_by_paths.mistake("sub-sign")
def minus_lost(graph, x):
    """Your subtraction passes on +1 to both inputs. a − b falls when b grows: the local derivative of the second is −1."""
    return _backward(
        graph, x, lambda old, new: old + new,
        local=lambda op, given: (1.0, 1.0) if op == "sub" else graphs.local(op, given),
    )


@grad_by_paths.mistake("cosine-sign")
def cosine_without_minus(graph, x):
    """Everything is right but the cosine: right of its top, at 0, it falls, and yours rises."""
    return _backward(
        graph, x, lambda old, new: old + new,
        local=lambda op, given: (math.sin(given[0]),) if op == "cos" else graphs.local(op, given),
    )


@grad_by_paths.mistake("quotient-sign")
def quotient_without_minus(graph, x):
    """Everything is right but the quotient: for positive numbers a / b falls when b grows, and yours rises."""
    return _backward(
        graph, x, lambda old, new: old + new,
        local=lambda op, given: (1 / given[1], given[0] / given[1] ** 2) if op == "div" else graphs.local(op, given),
    )


@grad_by_paths.mistake("value")
def value_of_the_output(graph, x):
    """You returned the value of the output. Asked is how fast it changes with x."""
    return graphs.evaluate(graph, x)[graph[-1][0]]


@grad_by_paths.mistake("multiplied-ways")
def ways_multiplied_up(graph, x):
    """Where several ways meet you multiplied what arrives. Each way is a separate influence: add them."""
    return _backward(graph, x, lambda old, new: old * new if old else new)


# --- 3.5 -------------------------------------------------------------------------------------------------------------

TENSORS = (
    "a = torch.tensor(0.7, requires_grad=True)",
    "b = 2 * a",
    "c = torch.tensor(0.7)",
    "d = a.detach()",
    "e = torch.ones(3, requires_grad=True).double()",
    "f = a.clone()",
    "g = torch.nn.Parameter(torch.zeros(2))",
    "with torch.no_grad(): h = 3 * a",
)
KINDS = ("leaf", "non-leaf", "no graph")


def kinds_of_tensors():
    """What the eight lines really make."""
    names, dtype = {"torch": torch}, torch.get_default_dtype()
    torch.set_default_dtype(torch.float32)  # where float64 is the default, .double() computes nothing
    try:
        with torch.enable_grad():
            for line in TENSORS:
                exec(line, names)
    finally:
        torch.set_default_dtype(dtype)
    tensors = [names[name] for name in "abcdefgh"]
    return ["no graph" if not t.requires_grad else "leaf" if t.is_leaf else "non-leaf" for t in tensors]


@lesson.exercise(
    number="3.5", title="Leaf, result, or neither", signature="list[str]", kind="choice", points=1, minutes=5, section="03c",
    hints=(
        "For each line: did you make this tensor, or did a tracked computation?",
        "A leaf is made by you and tracked. A non-leaf came out of a computation that was recorded. Without tracking there "
        "is no graph.",
        "Two lines look like leaves and are not: in one a conversion is a computation, in another a copy is one.",
    ),
)
def tensor_kinds(ask):
    """For the eight tensors a to h: "leaf", "non-leaf" or "no graph"."""
    with ask.part("eight kinds", 3):
        answer = ask()
        value = _kinds_said(answer.value)
        shaped = len(value) == 8 and None not in value
        answer.holds(shaped, 'a list of eight words, each "leaf", "non-leaf" or "no graph"', layer=Layer.TYPE)
        if shaped:
            wrong = [name for name, said, is_ in zip("abcdefgh", value, kinds_of_tensors(), strict=True) if said != is_]
            answer.holds(not wrong, "is_leaf and requires_grad say what each one is",
                         f"{len(wrong)} of your 8 {'is' if len(wrong) == 1 else 'are'} wrong", layer=Layer.VALUE)


def _kinds_said(value):
    """The kinds in a list or tuple, in capital or small letters, with a hyphen, a space, a low line or nothing between."""
    squeezed = {re.sub(r"[\s_-]", "", kind): kind for kind in KINDS}
    return [squeezed.get(re.sub(r"[\s_-]", "", word)) for word in words_of(value)]


def _kinds_but(**others):
    return [others.get(name, kind) for name, kind in zip("abcdefgh", kinds_of_tensors(), strict=True)]


def _wrong_kinds(id, sentence, **others):
    tensor_kinds.wrong_value(id, _kinds_but(**others), sentence, read=_kinds_said)


_wrong_kinds(
    "B10",
    "One tensor was made tracked and then converted to another dtype. The conversion is a computation: what comes out is a "
    "result, and its .grad stays None.",
    e="leaf",
)
_wrong_kinds("B15", "clone() copies the numbers and stays connected: it is a recorded computation.", f="no graph")
_wrong_kinds("B8", "A product of a tracked tensor is a result, not a leaf: only what you make yourself is one.", b="leaf")
_wrong_kinds("B18", "detach() leaves the graph: the tensor it returns is not tracked at all.", d="non-leaf")
_wrong_kinds("no-grad", "Under no_grad nothing is recorded, so the result has no graph.", h="non-leaf")
_UNTRACKED = "PyTorch's is_leaf is True for untracked tensors, too. Here a leaf is tracked: look at requires_grad first"
_wrong_kinds("untracked-leaf", f"{_UNTRACKED}; one of yours has none.", c="leaf")
_wrong_kinds("untracked-leaf", f"{_UNTRACKED}, of what detach() returns.", d="leaf")
_wrong_kinds("untracked-leaf", f"{_UNTRACKED}, of what was computed under no_grad.", h="leaf")
_wrong_kinds("untracked-leaf", f"{_UNTRACKED}; two of yours have none.", c="leaf", d="leaf")
_wrong_kinds("untracked-leaf", f"{_UNTRACKED}; three of yours have none.", c="leaf", d="leaf", h="leaf")
_wrong_kinds("parameter", "A Parameter is tracked from the start: it is a leaf.", g="no graph")


# --- 3.6 -------------------------------------------------------------------------------------------------------------


@lesson.exercise(
    number="3.6", title="Gradients in the middle", signature="(x: float) -> dict[str, float]", points=2, minutes=8,
    section="03c",
    hints=(
        "The gradients of a and b are computed during the walk back. Who throws them away?",
        "Ask beforehand: retain_grad() before backward, or a hook that stores what passes, or torch.autograd.grad with "
        "the middle tensors as inputs.",
        "a = x**2; b = a.sin(); y = x * b; then torch.autograd.grad(y, (a, b)) returns both at once.",
    ),
)
def intermediate_grads(ask):
    """∂y/∂a and ∂y/∂b for y = x·sin(x²), a = x², b = sin a, by autograd and without a warning."""
    with ask.part("the gradients of a and of b at three points", 3):
        for at in (0.7, -1.3, round(ask.rng.uniform(0.3, 0.6), 2)):
            ask(at).equals({"a": at * math.cos(at * at), "b": at}, "the slope of y by")
    with ask.part("without a warning"):
        ask(0.7).equals({"a": 0.7 * math.cos(0.49), "b": 0.7}, "the slope of y by").warns_nothing("not a leaf")


def _middle(x):
    leaf = torch.tensor(x, dtype=torch.float64, requires_grad=True)
    a = leaf**2
    b = a.sin()
    return leaf, a, b, leaf * b


@intermediate_grads.mistake("B8")
def read_without_asking(x):
    """Both entries are None: a and b are results in the middle, and those do not keep their gradient unless you ask
    before the walk."""
    _, a, b, y = _middle(x)
    y.backward()
    return {"a": a.grad, "b": b.grad}


@intermediate_grads.mistake("B9")
def item_of_none(x):
    """A .grad is None: results in the middle keep no gradient, unless retain_grad() is called before backward. Afterwards
    is too late."""
    _, a, b, y = _middle(x)
    y.backward()
    a.retain_grad()
    b.retain_grad()
    return {"a": a.grad.item(), "b": b.grad.item()}


@intermediate_grads.mistake("upstream-missing")
def local_derivative_of_a(x):
    """Your a holds cos a, the local derivative of the sine. The gradient of y by a also has the factor that arrived at b,
    which is x."""
    return {"a": math.cos(x * x), "b": x}


@intermediate_grads.mistake("swapped")
def names_swapped(x):
    """Both numbers are right, but they stand under each other's name."""
    return {"a": x, "b": x * math.cos(x * x)}


@intermediate_grads.mistake("values")
def values_in_the_middle(x):
    """You returned the values of a and b. Asked are the slopes of y by a and by b."""
    _, a, b, _ = _middle(x)
    return {"a": a.item(), "b": b.item()}


@intermediate_grads.mistake("by-x")
def slopes_by_x(x):
    """These are the slopes of a and of b by x. Asked is the other half of the way: the slopes of y by a and by b."""
    return {"a": 2 * x, "b": 2 * x * math.cos(x * x)}


@intermediate_grads.mistake("B16")
def hook_that_changes(x):
    """Your gradient of a is too large by a constant factor: a hook that returns something replaces what flows on."""
    _, a, b, y = _middle(x)
    b.register_hook(lambda g: 10 * g)
    a.retain_grad()
    b.retain_grad()
    y.backward()
    return {"a": a.grad.item(), "b": x}


@intermediate_grads.mistake("cut")
def cut_into_leaves(x):
    """Your a got nothing: b was cut from it by detach(), and a walk back ends at a cut. Leave the chain whole and call
    retain_grad() on both."""
    leaf, a, _, _ = _middle(x)
    a = a.detach().requires_grad_()
    b = a.sin().detach().requires_grad_()
    (leaf * b).backward()
    return {"a": a.grad, "b": b.grad}


# --- 3.7 -------------------------------------------------------------------------------------------------------------


@lesson.exercise(
    number="3.7", title="Stop one way", signature="(kept, stopped, x: Tensor[()]) -> Tensor[()]", points=2, minutes=7,
    section="03d",
    hints=(
        "The number must be the ordinary product. What must be different about one of the factors?",
        "detach() keeps the number and forgets the history. Which factor has to forget?",
        "kept(x) * stopped(x).detach()",
    ),
)
def stop_path(ask):
    """kept(x)·stopped(x) whose gradient flows through the first factor only."""
    with ask.part("the ordinary product"):
        for kept, stopped in _pairs(ask.rng):
            for at in POINTS:
                ask(kept, stopped, Leaf(np.array(at))).equals(kept.value(at) * stopped.value(at), "the product"
                    ).gradient_equals(kept.derivative(at) * stopped.value(at), meaning="the gradient")
    with ask.part("with the gradient of the first factor alone", 2):
        for kept, stopped in _pairs(ask.rng):
            ask(kept, stopped, Leaf(np.array(0.7))).is_connected().gradient_equals(
                kept.derivative(0.7) * stopped.value(0.7), meaning="the gradient"
            ).equals(kept.value(0.7) * stopped.value(0.7), "the product")


def _pairs(rng):
    first, second, third, fourth = smooth(rng, 4)
    return [(first, second), (third, fourth)]


@stop_path.mistake("nothing-stopped")
def product_rule(kept, stopped, x):
    """Nothing is stopped: your gradient has both terms of the product rule."""
    return kept(x) * stopped(x)


@stop_path.mistake("C16")
def both_stopped(kept, stopped, x):
    """Nothing flows back at all: the whole product lost its history, not only the second factor."""
    with torch.no_grad():
        return kept(x) * stopped(x)


@stop_path.mistake("wrong-factor")
def wrong_factor_stopped(kept, stopped, x):
    """You stopped the first factor and kept the second: your gradient is kept(x)·stopped′(x)."""
    return kept(x).detach() * stopped(x)


@stop_path.mistake("gradient-returned")
def gradient_itself(kept, stopped, x):
    """You returned the gradient. Return the product; whoever walks back from it must find that gradient."""
    return torch.autograd.grad(kept(x) * stopped(x).detach(), x, create_graph=True)[0]


@stop_path.mistake("factor-lost")
def second_factor_lost(kept, stopped, x):
    """The second factor is gone. Stopping means that no gradient flows through it; its number still multiplies."""
    return kept(x) * (stopped(x) * 0 + 1)


@stop_path.mistake("C16")
def new_leaf_inside(kept, stopped, x):
    """Nothing flows back to x: somewhere a new tensor with the same number was made, and the way back ends there. Compute
    with the x that came in, and return the product itself."""
    leaf = torch.tensor(x.item(), dtype=torch.float64, requires_grad=True)
    return kept(leaf) * stopped(x).detach()


# --- 3.8 -------------------------------------------------------------------------------------------------------------


@lesson.exercise(
    number="3.8", title="In which order to walk back", points=3, minutes=15, section="03b",
    signature="(root: str, parents: dict[str, list[str]]) -> list[str]",
    hints=(
        "A node may be written down only after … what? And how do you know that you have been at a node already?",
        "Go down to the parents first, write the node down afterwards, and keep two marks: “being visited” and “done”. "
        "Meeting a node that is being visited means a circle.",
        "Recursion ends at depth 1000, so keep a stack of your own: push (node, False); when it comes off, push (node, "
        "True) and then its parents; when (node, True) comes off, write the node down.",
    ),
)
def topo_order(ask):
    """Every node that the root depends on, parents before children, the root last; a circle raises ValueError."""
    with ask.part("parents first, each node once, the root last", 3):
        for root, parents in _family_trees(ask.rng):
            _judge_order(ask(root, parents), root, parents)
    with ask.part("a chain of 5,000 nodes"):
        chain = {f"n{i}": [f"n{i - 1}"] for i in range(1, 5000)}
        _judge_order(ask("n4999", chain), "n4999", chain)
    with ask.part("a circle raises ValueError", 2):
        for root, parents in (("c", {"a": ["c"], "b": ["a"], "c": ["b"]}), ("b", {"a": ["a"], "b": ["a"]})):
            ask(root, parents).raises("ValueError", "these nodes depend on each other in a circle")
        _judge_order(ask("c", {"c": ["a", "b"], "b": ["a"]}), "c", {"c": ["a", "b"], "b": ["a"]})


def _family_trees(rng):
    yield "y", {"y": ["b", "x"], "b": ["a"], "a": ["x"], "x": []}
    yield "d", {"b": ["a"], "c": ["a"], "d": ["b", "c"]}
    yield "d", {"d": ["c", "a"], "c": ["b"], "b": ["a"]}
    yield "x", {}
    yield "y", {"y": ["x", "x"]}
    for _ in range(6):
        graph = graphs.random_graph(rng, 9)
        yield graph[-1][0], {name: list(inputs) for name, _, inputs in graph}


def _reachable(root, parents):
    found, waiting = set(), [root]
    while waiting:
        node = waiting.pop()
        if node not in found:
            found.add(node)
            waiting.extend(parents.get(node, ()))
    return found


def _judge_order(answer, root, parents):
    answer.holds(isinstance(answer.value, list | tuple), "a list of names", layer=Layer.TYPE)
    if answer.broken or not isinstance(answer.value, list | tuple):
        return
    order = [str(name) for name in answer.value]
    place = {name: i for i, name in enumerate(order)}
    needed = _reachable(root, parents)

    def demand(names, said, wanted):
        answer.holds(not names, wanted, f"{names[0]} {said}" if names else None, layer=Layer.VALUE)

    demand([name for name in place if order.count(name) > 1] if len(place) < len(order) else [],
           "is in your list more than once", "each node belongs into it once")
    demand(sorted(needed - set(order)), "is missing in your list", "every node that the root depends on belongs into it")
    demand([name for name in order if name not in needed], "is in your list", "the root does not depend on it")
    demand([child for child in order for parent in parents.get(child, ()) if place.get(parent, -1) > place[child]],
           "comes before one of its parents", "every parent must come before its child")
    demand(order[-1:] if order[-1:] != [root] else [], "is the last of your list", f"{root} must be the last")


def _lists(transcript):
    """What came back as a list: (root, parents) and the names."""
    return [(args, [str(name) for name in reply.value])
            for _, args, reply in transcript if isinstance(reply.value, list | tuple)]


def _parents_first(order, parents):
    place = {name: i for i, name in enumerate(order)}
    return all(place.get(parent, -1) < place[child] for child in order for parent in parents.get(child, ()))


def _has_circle(root, parents):
    order = _in_order(root, parents)
    return not _parents_first(order, parents)


def _turned_round(transcript):
    """Every list is right from its end to its start."""
    lists = [(root, parents, names) for (root, parents), names in _lists(transcript) if not _has_circle(root, parents)]
    return bool(lists) and all(
        len(names) == len(_reachable(root, parents)) and _parents_first(names[::-1], parents) for root, parents, names in lists
    )


@topo_order.mistake("recursion")
def by_recursion(root, parents):
    """The order is right, but on a long chain Python's limit on recursion ends it. A training loop makes such chains:
    keep a stack of your own."""
    order, done, active = [], set(), set()

    def visit(node):
        if node in active:
            raise ValueError("a circle")
        if node in done:
            return
        active.add(node)
        for parent in parents.get(node, ()):
            visit(parent)
        active.remove(node)
        done.add(node)
        order.append(node)

    visit(root)
    return order


@topo_order.mistake("breadth-first")
def by_distance(root, parents):
    """You sorted by the distance from the root. A node can be near the root and still be needed by a far one."""
    order, waiting, seen = [], [root], {root}
    while waiting:
        node = waiting.pop(0)
        order.append(node)
        for parent in parents.get(node, ()):
            if parent not in seen:
                seen.add(parent)
                waiting.append(parent)
    return order[::-1]


@topo_order.mistake("root-first", recognise=_turned_round)
def root_first(root, parents):
    """Your list runs the other way: children before parents, and the root first."""
    return _in_order(root, parents)[::-1]


def _only_names_with_an_entry(transcript):
    """Every list is in order, and lacks exactly the nodes that have no entry of their own."""
    lists = [(root, parents, names) for (root, parents), names in _lists(transcript) if not _has_circle(root, parents)]
    lacking = [_reachable(root, parents) - set(names) for root, parents, names in lists]
    return any(lacking) and all(
        one - {root} == {node for node in _reachable(root, parents) if node not in parents} - {root}
        and _parents_first(names, {child: [p for p in parents.get(child, ()) if p in names] for child in names})
        for one, (root, parents, names) in zip(lacking, lists, strict=True)
    )


@topo_order.mistake("inputs-missing", recognise=_only_names_with_an_entry)
def names_without_an_entry_missing(root, parents):
    """A node without parents of its own may have no entry in the dict. It belongs into the list all the same."""
    return [node for node in _checked_order(root, parents) if node in parents or node == root]


@topo_order.mistake("no-circle")
def circles_unnoticed(root, parents):
    """The order is right, but a circle goes unnoticed: a node that depends on itself cannot be put in any order."""
    return _in_order(root, parents)


def _in_order(root, parents):
    order, seen, stack = [], set(), [(root, False)]
    while stack:
        node, ready = stack.pop()
        if ready:
            order.append(node)
        elif node not in seen:
            seen.add(node)
            stack.append((node, True))
            stack.extend((parent, False) for parent in parents.get(node, ()))
    return order


def _checked_order(root, parents):
    order = _in_order(root, parents)
    place = {node: i for i, node in enumerate(order)}
    if any(place[parent] >= place[node] for node in order for parent in parents.get(node, ())):
        raise ValueError("a circle")
    return order


@topo_order.mistake("twice")
def visited_again(root, parents):
    """A node that is used twice stands in your list twice. Remember where you have been."""
    order, stack, steps = [], [(root, False)], 0
    while stack:
        node, ready = stack.pop()
        steps += 1
        if steps > 20_000:
            raise ValueError("a circle")
        if ready:
            order.append(node)
        else:
            stack.append((node, True))
            stack.extend((parent, False) for parent in parents.get(node, ()))
    return order


# --- 3.9 -------------------------------------------------------------------------------------------------------------


@lesson.exercise(
    number="3.9", title="Fix me: values that backward still needs", points=2, minutes=8, section="03g",
    signature="(x: Tensor[n]) -> Tensor[()]",
    hints=(
        "Run it, and walk back from the result. Which value does the message talk about, and who changed it?",
        "There are two edits. One is noticed by PyTorch, because the exponential needs its own result. The other goes "
        "through .data, and nobody notices: compare with a finite difference.",
        "Make new tensors instead: e = torch.exp(x) + 1.0, and 2 * x in the last line in place of the edited x. s stays "
        "x * x.",
    ),
)
def fix_saved_values(ask):
    """What the given forward pass computes, with its true gradient, and x left alone."""
    with ask.part("the value that the code computes", 2):
        for n in (3, 5):
            at = _sample(ask.rng, n)
            ask(Leaf(at)).equals(_wanted(at)[0], "the value").gradient_equals(_wanted(at)[1], meaning="the gradient")
    with ask.part("its true gradient", 2):
        at = _sample(ask.rng, 4)
        ask(Leaf(at)).is_connected().gradient_equals(_wanted(at)[1], meaning="the gradient").equals(_wanted(at)[0], "the value")
    with ask.part("x is left alone"):
        at = _sample(ask.rng, 3)
        ask(Leaf(at)).equals(_wanted(at)[0], "the value").gradient_equals(_wanted(at)[1]).leaves_inputs_alone()


def _sample(rng, n):
    return np.array([rng.choice((-1, 1)) * rng.uniform(0.4, 1.5) for _ in range(n)])


def _wanted(at):
    e = np.exp(at)
    return float(((e + 1) * at**2 + 2 * at).sum()), e * at**2 + (e + 1) * 2 * at + 2


@fix_saved_values.broken
def values_overwritten(x):
    e = torch.exp(x)
    e += 1.0
    s = x * x
    x.data.mul_(2.0)
    return (e * s + x).sum()


@fix_saved_values.mistake("B14")
def exponential_still_edited(x):
    """`e += 1` is still there. The slope of exp is exp itself, so backward needs the number that you overwrote."""
    e = torch.exp(x)
    e += 1.0
    return (e * (x * x) + 2 * x).sum()


@fix_saved_values.mistake("B12")
def data_still_edited(x):
    """The edit through .data is still there. PyTorch does not see it: x is changed behind its back, and the gradient is
    computed with the wrong number."""
    e = torch.exp(x) + 1.0
    s = x * x
    x.data.mul_(2.0)
    return (e * s + x).sum()


@fix_saved_values.mistake("both-faults")
def both_edits_left(x):
    """Both edits are still there: `e += 1` overwrites a number that backward needs, and x.data changes x behind
    PyTorch's back."""
    s = x * x
    e = torch.exp(x)
    e += 1.0
    x.data.mul_(2.0)
    return (e * s + x).sum()


@fix_saved_values.mistake("B14-untracked")
def doubled_under_no_grad(x):
    """no_grad hides the doubling from the graph, but x itself is overwritten all the same: the caller's x is changed, and
    backward still needed it. Make a new tensor."""
    e = torch.exp(x) + 1.0
    s = x * x
    with torch.no_grad():
        x.mul_(2.0)
    return (e * s + x).sum()


@fix_saved_values.mistake("not-doubled")
def doubling_lost(x):
    """The doubling of x is gone. The code uses the doubled x in its last line."""
    e = torch.exp(x) + 1.0
    return (e * (x * x) + x).sum()


@fix_saved_values.mistake("one-lost")
def plus_one_lost(x):
    """The 1 that was added to the exponential is gone. The code uses eˣ + 1."""
    return (torch.exp(x) * (x * x) + 2 * x).sum()


@fix_saved_values.mistake("put-back")
def put_back_at_the_end(x):
    """x is as it was, but the graph never heard of the doubling: the last x sends back 1 where 2 belongs. Neither .data nor
    no_grad is seen by the graph. Compute 2 * x."""
    e = torch.exp(x) + 1.0
    s = x * x
    x.data.mul_(2.0)
    total = (e * s + x).sum()
    x.data.div_(2.0)
    return total


@fix_saved_values.mistake("doubled-too-early")
def doubled_too_early(x):
    """You doubled x before it was squared. In the given code the square is taken of the original x."""
    e = torch.exp(x) + 1.0
    d = 2 * x
    return (e * (d * d) + d).sum()


@fix_saved_values.mistake("gradient-missing")
def two_x_detached(x):
    """The value is right, but the last x sends nothing back: a detached copy has no history."""
    e = torch.exp(x) + 1.0
    return (e * (x * x) + 2 * x.detach()).sum()


@fix_saved_values.mistake("exponential-detached")
def exponential_detached(x):
    """The value is right, but the exponential sends nothing back: it was detached, or computed under no_grad, so that it could
    be edited. Make a new tensor instead: torch.exp(x) + 1."""
    return ((torch.exp(x).detach() + 1.0) * (x * x) + 2 * x).sum()
