"""Exercise KT of lesson 10: a test that right engines pass and wrong ones do not."""

import inspect

import numpy as np
import torch

from course_lib.judge import reports
from course_lib.keys import mini
from course_lib.keys.engine import lesson
from course_lib.recipes import coded

# --- engines, right and wrong: travels as source ---------------------------------------------------------------------


def engine_with(source, fault):
    """A function that makes the engine of a source, with one fault ("" and two other words: none)."""
    names = {"__name__": "engine"}
    exec(source, names)
    tensor, ordered, made = names["MiniTensor"], names["ordered"], names["MiniTensor"].made

    def walk(root, g, add, inside=False):
        """run_backward, with add(arrived, share) for what arrives a second time; inside: kept in every node, too."""
        if g is None and root.data.size != 1:
            raise ValueError(f"g is needed for a root of shape {root.data.shape}")
        arrived = {id(root): np.ones_like(root.data) if g is None else np.asarray(g, dtype=float)}
        for node in reversed(ordered(root)):
            share = arrived.pop(id(node))
            if not node.parents or inside:
                node.grad = share if node.grad is None or inside and node.parents else node.grad + share
            for parent, vjp in node.parents:
                more = vjp(share)
                arrived[id(parent)] = add(arrived[id(parent)], more) if id(parent) in arrived else more

    def raises_when_walked_twice(root, g=None):
        if root in walked:
            raise RuntimeError("this root was walked from before")
        walked.append(root)
        walk(root, g, lambda old, more: old + more)

    def too_early(root, g=None):
        arrived, waiting, nodes = {id(root): np.ones_like(root.data) if g is None else np.asarray(g)}, [root], {}
        while waiting:
            node = waiting.pop(0)
            if id(node) in nodes:
                continue
            nodes[id(node)] = node
            for parent, vjp in node.parents:
                arrived[id(parent)] = arrived.get(id(parent), 0.0) + vjp(arrived[id(node)])
                waiting.append(parent)
        for node in nodes.values():
            if not node.parents:
                node.grad = arrived[id(node)] if node.grad is None else node.grad + arrived[id(node)]

    def power_of_output(self, n):
        value = self.data**n
        return made(value, (self, lambda g: g * n * value ** (n - 1)))

    def log_by_output(t):
        value = np.log(t.data)
        return made(value, (t, lambda g: g / value))

    def exp_by_input(t):
        return made(np.exp(t.data), (t, lambda g: g * t.data))

    def matmul_ignoring_g(a, b):
        ones = np.ones((a.data.shape[0], b.data.shape[1]))
        return made(a.data @ b.data, (a, lambda g: ones @ b.data.T), (b, lambda g: a.data.T @ ones))

    def relu_ignoring_g(t):
        return made(np.maximum(t.data, 0.0), (t, lambda g: (t.data > 0) * 1.0))

    def index_that_loses(t, key):
        def scattered(g):
            whole = np.zeros_like(t.data)
            whole[key] += g
            return whole

        return made(t.data[key], (t, scattered))

    walked = []
    if fault == "inside":
        names["run_backward"] = lambda root, g=None: walk(root, g, lambda old, more: old + more, inside=True)
    elif fault == "once":
        names["run_backward"] = raises_when_walked_twice
    elif fault == "overwrite":
        names["run_backward"] = lambda root, g=None: walk(root, g, lambda old, more: more)
    elif fault == "order":
        names["run_backward"] = too_early
    elif fault == "unbroadcast":
        names["mini_unbroadcast"] = lambda g, shape: g
    elif fault == "output-power":
        tensor.__pow__ = power_of_output
    elif fault == "output-log":
        names["mini_log"] = log_by_output
    elif fault == "input-exp":
        names["mini_exp"] = exp_by_input
    elif fault == "g-matmul":
        names["mini_matmul"] = matmul_ignoring_g
    elif fault == "g-relu":
        names["mini_relu"] = relu_ignoring_g
    elif fault == "index":
        names["mini_index"] = index_that_loses
    return lambda: names["Parts"]({one: names[one] for one in names["NAMES"]})


@reports(str)
def silence(probe, engine):
    """probe_engine"""
    probe(engine())
    return "passed"


@reports(str)
def alarm(probe, engine):
    """probe_engine"""
    try:
        probe(engine())
    except Exception:
        return "raised"
    return "passed"


# --- KT --------------------------------------------------------------------------------------------------------------

RIGHT = {"": "a right engine", "inside": "a right engine that keeps .grad inside of the graph, too",
         "once": "a right engine that raises at a second walk from one root"}  # fmt: skip
FAULTS = {
    "overwrite": "an engine where a second path overwrites what came along the first",
    "order": "an engine that goes on from a node before everything has arrived there",
    "unbroadcast": "an engine that does not sum over what was broadcast",
    "output-power": "an engine whose a ** n uses its output where the input belongs",
    "output-log": "an engine whose log uses its output where the input belongs",
    "input-exp": "an engine whose exp uses its input where the output belongs",
    "g-matmul": "an engine whose matmul ignores g",
    "g-relu": "an engine whose relu ignores g",
    "index": "an engine whose index loses all but one of several equal indices",
}


def engine_of(fault):
    return coded(engine_with, inspect.getsource(mini), fault, text=(RIGHT | FAULTS)[fault])


@lesson.exercise(
    number="KT", title="A test that must fail", points=3, minutes=40, section="10a", signature="(engine) -> None",
    rechecks=("my_gradcheck", "adjoint_gap"),
    hints=(
        "Take one wrong engine after the other. On which smallest program would its gradient differ from the right one? Would "
        "it differ for g = 1?",
        "For each operation: inputs with different numbers, a g with different numbers, and a gradient that you know from "
        "elsewhere (PyTorch, a formula, a difference). And one program that uses a result twice, one that broadcasts.",
        "A helper does it: compare(run, torch_run, *arrays) makes leaves of both kinds, runs both, draws g at random, walks back "
        "in both and calls np.testing.assert_allclose on every gradient. Then one line for each operation: "
        "compare(engine.mini_log, torch.log, positive).",
    ),
)
def probe_engine(ask):
    """An AssertionError (or another exception) for wrong engines, silence for right ones."""
    for title, faults in (
        ("overwriting where paths meet", ("overwrite",)),
        ("no topological order", ("order",)),
        ("forgotten unbroadcast", ("unbroadcast",)),
        ("output instead of input", ("output-power", "output-log", "input-exp")),
        ("g ignored, or an index lost", ("g-matmul", "g-relu", "index")),
    ):
        with ask.part(f"right engines pass, wrong ones do not: {title}"):
            for fault in RIGHT:
                ask.using(silence, engine_of(fault)).holds(True, f"silence, for {RIGHT[fault]}")
            for fault in faults:
                answer = ask.using(alarm, engine_of(fault))
                answer.holds(answer.value == "raised", "it should raise there", "your probe lets it pass")


# A probe that leaves something out: what the wrong ones share.


def _probe(engine, *, ones=False, broadcast=True, reuse=True, order=True, functions=True, index=True, fails=True, values=False):
    rng = np.random.default_rng(0)

    def compare(run, torch_run, *arrays):
        mine = [engine.MiniTensor(one, requires_grad=True) for one in arrays]
        theirs = [torch.tensor(one, requires_grad=True) for one in arrays]
        y, want = run(*mine), torch_run(*theirs)
        g = np.ones(y.data.shape) if ones else rng.normal(size=y.data.shape)
        engine.run_backward(y, g)
        want.backward(torch.tensor(g))
        for a, b in zip(mine, theirs, strict=True):
            right = a.grad is not None and a.grad.shape == tuple(b.shape) and np.allclose(a.grad, b.grad.numpy())
            if fails and not values:
                assert right
        if fails:
            assert np.allclose(y.data, want.detach().numpy())

    a, b, row = rng.uniform(0.5, 2, (3, 4)), rng.uniform(0.5, 2, (3, 4)), rng.uniform(0.5, 2, 4)
    for run in (lambda a, b: a + b, lambda a, b: a * b, lambda a, b: a - b, lambda a, b: a / b):
        compare(run, run, a, b)
        if broadcast:
            compare(run, run, a, row)
    compare(engine.mini_matmul, torch.matmul, a, b.T.copy())
    compare(engine.mini_relu, torch.relu, a - 1)
    if functions:
        compare(engine.mini_exp, torch.exp, a)
        compare(engine.mini_log, torch.log, a)
        compare(lambda a: a**3, lambda a: a**3, a)
    if index:
        compare(lambda a: engine.mini_index(a, np.array([0, 0, 2])), lambda a: a[[0, 0, 2]], a)
    if reuse:
        compare(lambda a, b: a * b + a, lambda a, b: a * b + a, a, b)
    if order:

        def long_and_short(a):
            inner = a * 3.0
            return inner * 2.0 + (inner * 5.0) * (inner * 7.0)

        compare(long_and_short, long_and_short, a)


@probe_engine.mistake("D10")
def all_ones(engine):
    """Your g is the same number everywhere, so an operation that ignores g is not seen. Let numbers arrive that differ."""
    _probe(engine, ones=True)


@probe_engine.mistake("D8")
def equal_shapes_only(engine):
    """Your probe never broadcasts. Add a row to a table, and look at the gradient of the row."""
    _probe(engine, broadcast=False)


@probe_engine.mistake("A10")
def nothing_used_twice(engine):
    """In your probe no result is used twice, and there the engines differ: where paths meet, what arrives is added."""
    _probe(engine, reuse=False, order=False)


@probe_engine.mistake("too-early")
def no_detour(engine):
    """Your probe uses a number twice, but both ways are equally long. Where one is a detour, a walk without order goes on too
    early: use a result once directly and once through another step."""
    _probe(engine, order=False)


@probe_engine.mistake("A7")
def sums_and_products_only(engine):
    """Your probe leaves out **, exp and log, so a derivative taken at the wrong place is not seen there."""
    _probe(engine, functions=False)


@probe_engine.mistake("index")
def no_equal_indices(engine):
    """Your probe never takes the same entry twice by mini_index. There the gradients of both have to add up."""
    _probe(engine, index=False)


@probe_engine.mistake("never-fails")
def says_it_only(engine):
    """No engine makes your probe fail. It has to raise, by assert say; what it prints or returns is read by nobody. And it has to
    look at gradients, not at values alone."""
    _probe(engine, fails=False)


@probe_engine.mistake("too-strict")
def fails_always(engine):
    """Your probe fails for every engine, right ones too. Try it on your own engine first: something in the probe itself goes
    wrong."""
    raise AssertionError
