"""Exercises K1 and K2 of lesson 10: numbers that remember how they were made, and the walk back."""

import numpy as np
import torch

from course_lib.judge import Layer, reports
from course_lib.keys.engine import alike, changed, compare, lesson, with_either
from course_lib.keys.mini import ordered
from course_lib.keys.mini import run_backward as right_backward
from course_lib.keys.programs import LETTERS, Program, off_zero, random_program
from course_lib.observe import fits

# --- how they are used: travels as source ----------------------------------------------------------------------------


@reports(list)
def run_programs(answer, engine, program):
    """a small program, and what run_backward brings to each number"""
    found = []
    with engine(answer) as parts:
        for one in program if isinstance(program, list) else [program]:
            numbers, needs, steps, g = one()
            made = [parts.MiniTensor(number, requires_grad=need) for number, need in zip(numbers, needs, strict=True)]
            leaves = list(made)
            for operation, left, right in steps:
                if not isinstance(made[-1], parts.MiniTensor):
                    break
                a = made[left] if isinstance(left, int) else left
                b = made[right] if isinstance(right, int) and operation in ("+", "-", "*", "/") else right
                if operation == "neg":
                    made.append(-a)
                elif operation == "**":
                    made.append(a**b)
                elif operation == "+":
                    made.append(a + b)
                elif operation == "-":
                    made.append(a - b)
                elif operation == "*":
                    made.append(a * b)
                else:
                    made.append(a / b)
            root = made[-1]
            if not isinstance(root, parts.MiniTensor):
                found.append([type(root).__name__, [len(made) - len(leaves) - 1]])
                continue
            if any(needs):
                parts.run_backward(root) if g is None else parts.run_backward(root, np.array(g))
            found.append([np.array(root.data, dtype=float), [leaf.grad for leaf in leaves]])
    return found


# --- what the keys demand --------------------------------------------------------------------------------------------


def demand_programs(ask, programs, engines=None):
    """The values and gradients of programs. The first that is wrong is asked once more by itself, to speak about that one."""
    truths = [program.truth[:2] for program in programs]
    recipes = [program.recipe() for program in programs]
    recipes = recipes if len(recipes) > 1 else recipes[0]
    answer = with_either(ask, run_programs, recipes, right=lambda said: alike(said, truths), engines=engines)
    if answer.reply.failure is not None:
        return answer.holds(False, "an answer")
    if len(answer.value) != len(programs) or not all(fits(said, [object]) and len(said) == 2 for said in answer.value):
        return answer.holds(False, "a value and gradients for each program")
    pairs = zip(answer.value, truths, strict=True)
    wrong = next((program for program, (said, truth) in zip(programs, pairs, strict=True) if not alike(said, truth)), None)
    if wrong is not None and len(programs) > 1:
        alone = demand_programs(ask, [wrong], engines)
        return alone if alone.reply.failure is not None or not alike(alone.value, [wrong.truth[:2]]) else answer.holds(
            False, "the same values and gradients again", "a program goes wrong among others and right by itself")
    for program, (value, grads), (want, want_grads) in zip(programs, answer.value, truths, strict=True):
        if isinstance(value, str):
            at = grads[0] if fits(grads, [int]) and len(grads) == 1 and 0 <= grads[0] < len(program.steps) else -1
            name = program.formula(program.steps[at])
            got = f"{name} gives None: is that method still open?" if value == "NoneType" else f"{name} is of type {value}"
            return answer.holds(False, "a MiniTensor", got, Layer.TYPE)
        name = program.formula(program.steps[-1])
        compare(answer, value, want, name)
        for letter, got, want_grad in zip(LETTERS, grads if isinstance(grads, list) else [], want_grads, strict=False):
            compare(answer, got, want_grad, f"the gradient of {letter}")
    return answer.holds(alike(answer.value, truths), "every value and gradient of these programs")


# --- K1 --------------------------------------------------------------------------------------------------------------

MINI_GIVEN = '''class MiniTensor:
    recording = True  # K5d will switch it off for a while

    def __init__(self, data, requires_grad=False):
        self.data = np.asarray(data, dtype=np.float64)
        self.grad = None
        self.requires_grad = requires_grad
        self.parents = ()

    @staticmethod
    def made(data, *parents):
        kept = tuple((t, vjp) for t, vjp in parents if t.requires_grad)
        result = MiniTensor(data, requires_grad=bool(kept))
        result.parents = kept
        return result

    @staticmethod
    def of(value):
        return value if isinstance(value, MiniTensor) else MiniTensor(value)

    def __repr__(self):
        return f"MiniTensor({self.data}, requires_grad={self.requires_grad})"

    def __add__(self, other):
        a, b = self, MiniTensor.of(other)
        return MiniTensor.made(a.data + b.data, (a, lambda g: g), (b, lambda g: g))

    def __radd__(self, other):
        return self + other

    def __mul__(self, other):
        ...

    def __rmul__(self, other):
        ...

    def __pow__(self, exponent):
        ...

    def __neg__(self):
        ...

    def __sub__(self, other):
        ...

    def __rsub__(self, other):
        ...

    def __truediv__(self, other):
        ...

    def __rtruediv__(self, other):
        ...
'''


@lesson.exercise(
    number="K1", title="Numbers that remember", kind="class", points=2, minutes=30, section="10a", given=MINI_GIVEN,
    signature=": __init__(data, requires_grad=False); data, grad, requires_grad; + − * / ** and unary −",
    rechecks=("backward_table", "MulFn"),
    hints=(
        "Read __add__ once more: which two things does it say about each input? What would they be for a product?",
        "Each operation tells MiniTensor.made its value, and for each input how g goes on to it: g times the local derivative by "
        "that input. Subtraction and division can be put together from what is there.",
        "a * b: g * b.data goes on to a, and g * a.data to b. a ** n: g * n * a.data ** (n - 1). −a is a * −1, a − b is "
        "a + (−b), a / b is a * b ** −1. With a number on the left, MiniTensor.of makes it one of yours.",
    ),
)
def MiniTensor(ask):  # noqa: N802
    """+ − * / ** and unary −, with the gradients that run_backward brings back."""

    def numbers(count):
        return tuple(off_zero(ask.rng) for _ in range(count))

    def each(*steps, count=2, needs=()):
        return [Program(numbers(count), (step,), off_zero(ask.rng), needs) for step in steps for _ in range(2)]

    with ask.part("a * b, a ** n and −a", 2):
        demand_programs(ask, each(("*", 0, 1)))
        demand_programs(ask, each(("**", 0, 3), ("**", 0, 2), ("**", 0, -1), count=1))
        demand_programs(ask, each(("neg", 0, None), count=1))
    with ask.part("a − b and a / b"):
        demand_programs(ask, each(("-", 0, 1)))
        demand_programs(ask, each(("/", 0, 1)))
    with ask.part("plain numbers on either side"):
        for operation in "+-*/":
            demand_programs(ask, each((operation, 0, off_zero(ask.rng)), (operation, off_zero(ask.rng), 0), count=1))
    with ask.part("longer programs, where results are used again"):
        demand_programs(ask, [random_program(ask.rng, [()] * 3, 7) for _ in range(20)])
    with ask.part("nothing arrives where no gradient is wanted"):
        demand_programs(ask, each(("*", 0, 1), ("-", 0, 1), ("/", 0, 1), needs=(True, False)))
        demand_programs(ask, each(("*", 0, 1), ("+", 0, 1), needs=(False, True)))
        answer = with_either(ask, what_is_kept, *numbers(2), right=lambda said: said == [False, 0, False])
        said = answer.value or [False, 0, False]
        answer.holds(said[:2] == [False, 0], "a product of two constants that requires no gradient and has no parents",
                     "a product of two constants requires a gradient, or has parents")
        answer.holds(not said[2], "an engine in NumPy alone", "data is a tensor of PyTorch", Layer.METHOD)


@reports(list)
def what_is_kept(answer, engine, a, b):
    """a product of two numbers that need no gradient: whether it requires one, its parents, and whether it is torch's"""
    with engine(answer) as parts:
        product = parts.MiniTensor(a) * parts.MiniTensor(b)
        return [bool(product.requires_grad), len(getattr(product, "parents", ())), isinstance(product.data, torch.Tensor)]


@MiniTensor.mistake("D10", fresh=True)
def arriving_gradient_ignored():
    """a * b hands on the other factor alone. What arrives, g, has to be multiplied with it: g * b.data to a, g * a.data to b."""

    def times(self, other):
        a, b = self, self.of(other)
        return self.made(a.data * b.data, (a, lambda g: b.data), (b, lambda g: a.data))

    return changed("MiniTensor", __mul__=times, __rmul__=times)


@MiniTensor.mistake("A7", fresh=True)
def power_ignores_g():
    """a ** n hands on n·aⁿ⁻¹ alone. That is the local derivative; what arrives, g, has to be multiplied with it."""
    return changed("MiniTensor", __pow__=lambda self, n: self.made(self.data**n, (self, lambda g: n * self.data ** (n - 1))))


@MiniTensor.mistake("swapped", fresh=True)
def own_factor():
    """In a * b each factor gets g times itself. The product changes with a at the rate b: a gets g * b.data."""

    def times(self, other):
        a, b = self, self.of(other)
        return self.made(a.data * b.data, (a, lambda g: g * a.data), (b, lambda g: g * b.data))

    return changed("MiniTensor", __mul__=times, __rmul__=times)


@MiniTensor.mistake("A2", fresh=True)
def power_keeps_its_exponent():
    """a ** n hands on g·n·aⁿ: the exponent goes down by one."""
    return changed("MiniTensor", __pow__=lambda self, n: self.made(self.data**n, (self, lambda g: g * n * self.data**n)))


@MiniTensor.mistake("factor-n", fresh=True)
def power_without_its_factor():
    """a ** n hands on g·aⁿ⁻¹: the exponent comes down as a factor, too."""
    return changed("MiniTensor", __pow__=lambda self, n: self.made(self.data**n, (self, lambda g: g * self.data ** (n - 1))))


@MiniTensor.mistake("A18", fresh=True)
def minus_lost():
    """−a hands on g with the wrong sign. Minus a falls where a rises: −g goes on."""
    return changed("MiniTensor", __neg__=lambda self: self.made(-self.data, (self, lambda g: g)))


@MiniTensor.mistake("A18-difference", fresh=True)
def difference_like_a_sum():
    """In a − b the gradient of b has the wrong sign: the difference falls where b rises."""

    def minus(self, other):
        a, b = self, self.of(other)
        return self.made(a.data - b.data, (a, lambda g: g), (b, lambda g: g))

    return changed("MiniTensor", __sub__=minus)


def _divided(by_a, by_b):
    def over(self, other):
        a, b = self, self.of(other)
        return self.made(a.data / b.data, (a, lambda g: by_a(g, a.data, b.data)), (b, lambda g: by_b(g, a.data, b.data)))

    return changed("MiniTensor", __truediv__=over)


@MiniTensor.mistake("A18-quotient", fresh=True)
def quotient_without_minus():
    """In a / b the gradient of b has the wrong sign: −g·a/b². A larger b makes the quotient smaller."""
    return _divided(lambda g, a, b: g / b, lambda g, a, b: g * a / b**2)


@MiniTensor.mistake("quotient-square", fresh=True)
def quotient_without_square():
    """In a / b the gradient of b is −g·a/b². Your b² has lost its square."""
    return _divided(lambda g, a, b: g / b, lambda g, a, b: -g * a / b)


@MiniTensor.mistake("quotient-a", fresh=True)
def quotient_without_numerator():
    """In a / b the gradient of b is −g·a/b². Your a is missing."""
    return _divided(lambda g, a, b: g / b, lambda g, a, b: -g / b**2)


@MiniTensor.mistake("turned-round", fresh=True)
def left_number_like_right():
    """With a plain number on the left, 2 − a comes out as a − 2. __rsub__ and __rtruediv__ have to turn the two round."""

    def from_left(self, other):
        return self - other

    return changed("MiniTensor", __rsub__=from_left, __rtruediv__=lambda self, other: self / other)


@MiniTensor.mistake("turned-difference", fresh=True)
def left_difference_like_right():
    """With a plain number on the left, 2 − a comes out as a − 2. __rsub__ has to turn the two round."""
    return changed("MiniTensor", __rsub__=lambda self, other: self - other)


@MiniTensor.mistake("turned-quotient", fresh=True)
def left_quotient_like_right():
    """With a plain number on the left, 2 / a comes out as a / 2. __rtruediv__ has to turn the two round."""
    return changed("MiniTensor", __rtruediv__=lambda self, other: self / other)


@MiniTensor.mistake("C12", fresh=True)
def everything_tracked():
    """Every result of yours keeps all its inputs, constants too, and run_backward brings gradients to numbers that want none:
    only inputs with requires_grad belong to the parents."""

    def made(data, *parents):
        result = right(data, requires_grad=True)
        result.parents = parents
        return result

    right = changed("MiniTensor", made=staticmethod(made))
    return right


# --- K2 --------------------------------------------------------------------------------------------------------------


@reports(list)
def walk_twice(function, engine, a, b, x):
    """run_backward from each of two roots, then once more from the second"""

    def copied(grad):
        return None if grad is None else np.array(grad, dtype=float)

    with engine(function) as parts:
        x = parts.MiniTensor(x, requires_grad=True)
        shared = x * x
        one, two = shared * a + x, (shared + x) * b
        parts.run_backward(one)
        first = copied(x.grad)
        parts.run_backward(two)
        both = copied(x.grad)
        try:
            parts.run_backward(two)
        except Exception as error:
            again = type(error).__name__
        else:
            again = "went on"
        return [first, both, copied(x.grad), again]


@reports(list)
def walk_a_chain(function, engine, x, factor, length):
    """run_backward along a chain of so many products"""
    with engine(function) as parts:
        leaf = parts.MiniTensor(x, requires_grad=True)
        end = leaf
        for _ in range(length):
            end = end * factor
        parts.run_backward(end)
        return [leaf.grad]


@reports(list)
def walk_doublings(function, engine, x, length):
    """x = x + x so many times, then run_backward; and how often it asked an input's vjp"""
    with engine(function) as parts:
        leaf = parts.MiniTensor(x, requires_grad=True)
        end, asked, edges = leaf, [0], 0

        def counted(vjp):
            def count(g):
                asked[0] += 1
                return vjp(g)

            return count

        for _ in range(length):
            end = end + end
            if hasattr(end, "parents") and all(isinstance(pair, tuple) and len(pair) == 2 for pair in end.parents):
                end.parents = tuple((t, counted(vjp)) for t, vjp in end.parents)
                edges += len(end.parents)
        parts.run_backward(end)
        return [leaf.grad, asked[0], edges]


@reports(list)
def walk_from(function, engine, numbers, g):
    """run_backward from x * 3 for these numbers x"""
    with engine(function) as parts:
        x = parts.MiniTensor(np.array(numbers), requires_grad=True)
        y = x * parts.MiniTensor(np.full(x.data.shape, 3.0))
        parts.run_backward(y) if g is None else parts.run_backward(y, np.array(g))
        return [x.grad]


@reports(list)
def walk_from_a_leaf(function, engine, x, g):
    """run_backward from a leaf itself"""
    with engine(function) as parts:
        x = parts.MiniTensor(x, requires_grad=True)
        parts.run_backward(x, np.array(g))
        return [x.grad]


@lesson.exercise(
    number="K2", title="The walk back", points=3, minutes=40, section="10a", signature="(root: MiniTensor, g=None) -> None",
    rechecks=("topo_order", "accumulate_rows"),
    hints=(
        "A result may be used twice. What has to have happened before you may ask how its gradient goes on to its own inputs?",
        "First an order in which every node stands behind all its parents, found without recursion; then backward through it: by "
        "the time you reach a node, everything that flows into it has arrived.",
        "Keep what arrives at each node in a dict by id(node), starting with {id(root): g}. Walk the order backward: for each "
        "(parent, vjp) of the node add vjp(arrived) to the parent's entry. A node without parents is a leaf: there "
        ".grad = arrived, or .grad + arrived.",
    ),
)
def run_backward(ask):
    """Brings the gradient of root to every leaf it was made of."""
    with ask.part("100 programs: g given, results used again", 2):
        demand_programs(ask, [random_program(ask.rng, [()] * (1 + i % 3), 4 + i % 6) for i in range(100)])
    with ask.part("g = None starts with 1, and only at a single number"):
        demand_programs(ask, [Program((off_zero(ask.rng), off_zero(ask.rng)), (("*", 0, 1), ("*", 2, 2))) for _ in range(2)])
        x, g = off_zero(ask.rng), off_zero(ask.rng)
        leaf = with_either(ask, walk_from_a_leaf, x, g, right=lambda said: alike(said, [g]))
        demand_leaf(leaf, g, "the gradient of a root that is a leaf")
        numbers, g = [off_zero(ask.rng), off_zero(ask.rng)], [off_zero(ask.rng), off_zero(ask.rng)]
        several = with_either(ask, walk_from, numbers, g, right=lambda said: alike(said, [3 * np.array(g)]))
        demand_leaf(several, 3 * np.array(g), "the gradient of several numbers")
        with_either(ask, walk_from, numbers, None, raising="ValueError").raises(
            "ValueError", "which of several numbers g = None means would be a guess")
    with ask.part("gradients add up in the leaves, walk after walk", 2):
        a, b, x = (abs(off_zero(ask.rng)) for _ in range(3))
        first, second = 2 * x * a + 1, (2 * x + 1) * b

        def adds_up(said):
            return alike(said[:2], [first, first + second]) and any(
                alike(said[2], total) for total in (first + second, first + 2 * second))

        answer = with_either(ask, walk_twice, a, b, x, right=adds_up)
        if answer.reply.failure is not None:
            answer.holds(False, "an answer")
        else:
            compare(answer, answer.value[0], first, "the gradient after one walk")
            compare(answer, answer.value[1], first + second, "the gradient after a walk from each of two roots")
            answer.holds(
                adds_up(answer.value), "after a second walk from one root: the same added once more, or nothing (with or without "
                "an exception), by your own rule", "a second walk from one root brought something else",
            )
    with ask.part("a long chain, and each input asked once"):
        x, factor = off_zero(ask.rng), ask.rng.uniform(0.9999, 1.0001)
        chain = with_either(ask, walk_a_chain, x, factor, 5000, right=lambda said: alike(said, [factor**5000]))
        demand_leaf(chain, factor**5000, "the gradient at the end of 5,000 steps")
        answer = with_either(ask, walk_doublings, x, 10, right=lambda said: alike(said[0], 1024.0) and said[1] <= said[2])
        demand_leaf(answer, 1024.0, "the gradient of x after ten doublings")
        if answer.reply.failure is None and not answer.broken:
            asked, edges = answer.value[1:]
            answer.holds(asked <= edges, f"each of the {edges} inputs asked once", f"you asked {asked} times for {edges} inputs",
                         Layer.METHOD)


def demand_leaf(answer, want, meaning):
    """The gradient of a leaf that a driver returned first."""
    if answer.reply.failure is not None:
        answer.holds(False, "an answer")
    else:
        compare(answer, answer.value[0], want, meaning)


run_backward.sort_lines(
    "if g is None and root.data.size != 1:",
    '    raise ValueError("several numbers need a g")',
    "order, seen, todo = [], set(), [(root, False)]",
    "while todo:",
    "    node, done = todo.pop()",
    "    if done:",
    "        order.append(node)",
    "    elif id(node) not in seen:",
    "        seen.add(id(node))",
    "        todo += [(node, True), *((parent, False) for parent, _ in node.parents)]",
    "arrived = {id(root): np.ones_like(root.data) if g is None else g}",
    "for node in reversed(order):",
    "    share = arrived[id(node)]",
    "    if not node.parents:",
    "        node.grad = share if node.grad is None else node.grad + share",
    "    for parent, vjp in node.parents:",
    "        arrived[id(parent)] = arrived.get(id(parent), 0.0) + vjp(share)",
    lures={"A10": "        arrived[id(parent)] = vjp(share)", "C1": "        node.grad = share"},
)


@run_backward.mistake("C1")
def overwritten(root, g=None):
    """You overwrite the .grad of a leaf. A later walk adds to what is there, as in PyTorch."""
    for node in ordered(root):
        if not node.parents:
            node.grad = None
    right_backward(root, g)


@run_backward.mistake("A10")
def last_path_wins(root, g=None):
    """Where a result is used twice, only one of its uses counts: what arrives along each of them has to be added up."""
    arrived = {id(root): first_of(root, g)}
    for node in reversed(ordered(root)):
        to_leaf(node, arrived[id(node)])
        for parent, vjp in node.parents:
            arrived[id(parent)] = vjp(arrived[id(node)])


@run_backward.mistake("too-early")
def no_order(root, g=None):
    """You go on from a node as soon as it is reached, before everything that flows into it has arrived. First make an order in
    which every node stands behind its parents, then walk it backward."""
    arrived, waiting, seen = {id(root): first_of(root, g)}, [root], set()
    nodes = {id(root): root}
    while waiting:
        node = waiting.pop(0)
        if id(node) in seen:
            continue
        seen.add(id(node))
        for parent, vjp in node.parents:
            nodes[id(parent)] = parent
            arrived[id(parent)] = arrived.get(id(parent), 0.0) + vjp(arrived[id(node)])
            waiting.append(parent)
    for key, node in nodes.items():
        to_leaf(node, arrived[key])


@run_backward.mistake("path-by-path")
def every_path_walked(root, g=None):
    """You walk every path by itself. The sum is right, but paths double with each reuse, and a chain is as deep as it is long:
    collect what arrives at a node, then go on from it once."""
    waiting = [(root, first_of(root, g))]
    while waiting:
        node, share = waiting.pop()
        to_leaf(node, share)
        waiting += [(parent, vjp(share)) for parent, vjp in node.parents]


@run_backward.mistake("D10")
def starts_with_one(root, g=None):
    """You start with 1 whatever g is. The walk starts with g."""
    first_of(root, g)
    right_backward(root, np.ones_like(root.data))


@run_backward.mistake("C1-inside")
def kept_in_every_node(root, g=None):
    """You collect in .grad of every node and never clear it: at a second walk, what the first one left inside the graph is
    handed on again. Only leaves keep their .grad from walk to walk."""
    g = first_of(root, g)
    root.grad = g if root.grad is None else root.grad + g
    for node in reversed(ordered(root)):
        for parent, vjp in node.parents:
            share = vjp(node.grad)
            parent.grad = share if parent.grad is None else parent.grad + share


@run_backward.mistake("C1-none")
def one_for_all(root, g=None):
    """g = None at several numbers starts with ones. Which of the numbers is meant would be a guess: raise a ValueError."""
    right_backward(root, np.ones_like(root.data) if g is None else g)


@run_backward.mistake("recursion")
def recursive(root, g=None):
    """Your walk calls itself, and Python allows about a thousand calls inside each other. Make the order with a list of your own
    for what is still to do."""
    order, seen = [], set()

    def visit(node):
        if id(node) not in seen:
            seen.add(id(node))
            for parent, _ in node.parents:
                visit(parent)
            order.append(node)

    visit(root)
    arrived = {id(root): first_of(root, g)}
    for node in reversed(order):
        to_leaf(node, arrived[id(node)])
        for parent, vjp in node.parents:
            arrived[id(parent)] = arrived.get(id(parent), 0.0) + vjp(arrived[id(node)])


def first_of(root, g):
    """What a walk starts with."""
    if g is None and root.data.size != 1:
        raise ValueError("g is needed")
    return np.ones_like(root.data) if g is None else np.asarray(g, dtype=float)


def to_leaf(node, share):
    if not node.parents:
        node.grad = share if node.grad is None else node.grad + share
