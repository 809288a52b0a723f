"""Answers to lesson 03 as students write them."""

import functools
import graphlib
import math
import sys
from collections import defaultdict, deque

import numpy as np
import sympy
import torch
from torch.autograd import grad

from tests.answers import LEAF, Bank, after, runs

bank = Bank("03")


def leaf_at(x, dtype=torch.float64):
    return torch.tensor(x, dtype=dtype, requires_grad=True)


# --- 3.1 -------------------------------------------------------------------------------------------------------------


@bank.honest("chain_slope")
def loop_over_pairs(fs, dfs, x):
    slope = 1.0
    for f, df in zip(fs, dfs, strict=True):
        slope = slope * df(x)
        x = f(x)
    return slope


@bank.honest("chain_slope")
def plain_floats(fs, dfs, x):
    slope = 1
    for i in range(len(fs)):
        slope *= float(dfs[i](x))
        x = float(fs[i](x))
    return slope


@bank.honest("chain_slope")
def values_first(fs, dfs, x):
    values = [torch.tensor(x, dtype=torch.float64)]
    for f in fs:
        values.append(f(values[-1]))
    return math.prod(df(value).item() for df, value in zip(dfs, values, strict=False))


@bank.honest("chain_slope")
def recursion_from_the_inside(fs, dfs, x):
    if not fs:
        return 1.0
    return dfs[0](x) * recursion_from_the_inside(fs[1:], dfs[1:], fs[0](x))


@bank.honest("chain_slope")
def reduced(fs, dfs, x):
    step = lambda state, pair: (pair[0](state[0]), state[1] * pair[1](state[0]))  # noqa: E731
    return functools.reduce(step, zip(fs, dfs, strict=True), (x, 1.0))[1]


@bank.honest("chain_slope")
def everything_in_float32(fs, dfs, x):
    value, slope = torch.tensor(x), torch.tensor(1.0)
    for f, df in zip(fs, dfs, strict=True):
        slope, value = slope * df(value), f(value)
    return slope.item()


@bank.honest("chain_slope")
def walked_from_the_outside(fs, dfs, x):
    def value_into(k):
        at = x
        for f in fs[:k]:
            at = f(at)
        return at

    slope = torch.ones(())
    for k in reversed(range(len(fs))):
        slope = slope * dfs[k](value_into(k))
    return slope


@bank.honest("chain_slope")
def autograd_through_the_chain(fs, dfs, x):
    leaf = leaf_at(x)
    y = leaf
    for f in fs:
        y = f(y)
    y.backward()
    return leaf.grad.numpy()


@bank.slip("chain_slope", "the slope of the chain", named="innermost-only")
def innermost_only(fs, dfs, x):
    return dfs[0](x)


@bank.slip("chain_slope", "the slope of the chain", named="A1")
def value_of_the_chain(fs, dfs, x):
    for f in fs:
        x = f(x)
    return x


@bank.slip("chain_slope", "the slope of the chain", named="moved-too-early")
def value_moved_too_early(fs, dfs, x):
    slope = 1.0
    for f, df in zip(fs, dfs, strict=True):
        x = f(x)
        slope = slope * df(x)
    return slope


@bank.slip("chain_slope", "the slope of the chain")
def only_two_links(fs, dfs, x):
    return dfs[-1](fs[0](x)) * dfs[0](x) if len(fs) > 1 else dfs[0](x)


@bank.slip("chain_slope", "TypeError")
def math_of_a_list(fs, dfs, x):
    return math.prod(dfs)(x)


# --- 3.2 -------------------------------------------------------------------------------------------------------------


@bank.honest("forward_table")
def with_math(x):
    a = x**2
    b = math.sin(a)
    y = x * b
    return {"a": a, "b": b, "y": y}


@bank.honest("forward_table")
def tensors_in_float32(x):
    x = torch.tensor(x)
    a = x * x
    b = torch.sin(a)
    return {"y": x * b, "b": b, "a": a}


@bank.honest("forward_table")
def built_entry_by_entry(x):
    table = {"x": x}  # one more entry than asked
    table["a"] = np.square(x)
    table["b"] = np.sin(table["a"])
    table["y"] = table["x"] * table["b"]
    print(table)
    return table


@bank.honest("forward_table")
def items_of_tracked_tensors(x):
    leaf = leaf_at(x)
    a = leaf.pow(2)
    b = a.sin()
    return dict(a=a.item(), b=b.item(), y=(leaf * b).item())


@bank.honest("forward_table")
def still_tracked(x):
    x = leaf_at(x)
    return {"a": x**2, "b": torch.sin(x**2), "y": x * torch.sin(x**2)}


@bank.slip("forward_table", "a dict with an entry for a, b, y")
def as_a_tuple(x):
    return tuple(with_math(x).values())


@bank.slip("forward_table", "a dict with an entry for y")
def y_left_out(x):
    return {"a": x**2, "b": math.sin(x**2)}


@bank.slip("forward_table", "entry 'a'", named="doubled")
def doubled_instead_of_squared(x):
    a = 2 * x
    return {"a": a, "b": math.sin(a), "y": x * math.sin(a)}


@bank.slip("forward_table", "entry 'b'")
def cosine_for_sine(x):
    a = x**2
    return {"a": a, "b": math.cos(a), "y": x * math.cos(a)}


@bank.slip("forward_table", "a number")
def text_in_the_table(x):
    return {key: f"{value:.4f}" for key, value in with_math(x).items()}


@bank.slip("forward_table", "must be Tensor")
def torch_sine_of_a_float(x):
    a = x**2
    b = torch.sin(a)
    return {"a": a, "b": b, "y": x * b}


# --- 3.3 -------------------------------------------------------------------------------------------------------------


@bank.honest("backward_table")
def node_by_node(x):
    a = x**2
    b = math.sin(a)
    dy = 1
    db = dy * x
    da = db * math.cos(a)
    dx = dy * b + da * 2 * x
    return {"y": dy, "b": db, "a": da, "x": dx}


@bank.honest("backward_table")
def by_autograd_grad(x):
    x = leaf_at(x)
    a = x**2
    b = torch.sin(a)
    y = x * b
    dy, db, da, dx = grad(y, (y, b, a, x))
    return {"x": dx, "a": da, "b": db, "y": dy}


@bank.honest("backward_table")
def by_retained_grads(x):
    x = leaf_at(x, torch.float32)
    a = x**2
    b = a.sin()
    y = x * b
    for t in (a, b, y):
        t.retain_grad()
    y.backward()
    return {"y": y.grad.item(), "b": b.grad.item(), "a": a.grad.item(), "x": x.grad.item()}


@bank.honest("backward_table")
def accumulated_in_a_dict(x):
    got = defaultdict(float)
    got["y"] += 1.0
    got["b"] += got["y"] * x
    got["x"] += got["y"] * np.sin(x * x)
    got["a"] += got["b"] * np.cos(x * x)
    got["x"] += got["a"] * 2 * x
    return dict(got)


@bank.honest("backward_table")
def tensors_without_tracking(x):
    t = torch.tensor(x, dtype=torch.float64)
    c, s = torch.cos(t**2), torch.sin(t**2)
    return {"y": torch.tensor(1.0), "b": t, "a": t * c, "x": s + 2 * t**2 * c}


@bank.honest("backward_table")
def default_dict_itself_and_prints(x):
    found = node_by_node(x)
    for key, value in found.items():
        print(f"dy/d{key} = {value:.4f}")
    return found


@bank.slip("backward_table", "the slope of y by 'b'")
def upstream_of_b_forgotten(x):
    a = x**2
    return {"y": 1.0, "b": math.sin(a), "a": math.sin(a) * math.cos(a), "x": math.sin(a)}


@bank.slip("backward_table", "the slope of y by 'a' is", named="sign-of-sine")
def sign_of_the_cosine(x):
    a = x**2
    da = -x * math.cos(a)
    return {"y": 1.0, "b": x, "a": da, "x": math.sin(a) + da * 2 * x}


@bank.slip("backward_table", "the slope of y by 'y'")
def value_at_y(x):
    found = node_by_node(x)
    return found | {"y": x * math.sin(x**2)}


@bank.slip("backward_table", "the slope of y by 'a'")
def ways_multiplied_at_x(x):
    found = node_by_node(x)
    return found | {"a": found["a"] * 2 * x}


@bank.slip("backward_table", "is a return missing")
def table_printed(x):
    print(node_by_node(x))


@bank.slip("backward_table", "keep no gradient", named="B8")
def middle_gradients_without_retain(x):
    x = leaf_at(x)
    a = x**2
    b = a.sin()
    y = x * b
    y.backward()
    return {"y": 1.0, "b": b.grad.item(), "a": a.grad.item(), "x": x.grad.item()}


# --- 3.4a ------------------------------------------------------------------------------------------------------------


@bank.honest("count_paths")
def ways_forward(graph):
    ways = {}
    for name, op, inputs in graph:
        ways[name] = 1 if op == "input" else sum(ways[i] for i in inputs)
    return ways[graph[-1][0]]


@bank.honest("count_paths")
def recursion_from_the_output(graph):
    inputs_of = {name: inputs for name, _, inputs in graph}

    def count(name):
        return 1 if name == graph[0][0] else sum(count(one) for one in inputs_of[name])

    return count(graph[-1][0])


@bank.honest("count_paths")
def ways_backward(graph):
    ways = defaultdict(int)
    ways[graph[-1][0]] = 1
    for name, _, inputs in graph[::-1]:
        for one in inputs:
            ways[one] += ways[name]
    return ways[graph[0][0]]


@bank.honest("count_paths")
def powers_of_the_matrix(graph):
    place = {name: i for i, (name, _, _) in enumerate(graph)}
    arrows = np.zeros((len(graph), len(graph)))
    for name, _, inputs in graph:
        for one in inputs:
            arrows[place[one], place[name]] += 1
    return np.linalg.inv(np.eye(len(graph)) - arrows)[0, -1]


@bank.honest("count_paths")
def listed_one_by_one(graph):
    arrows = [(one, name) for name, _, inputs in graph for one in inputs]
    waiting, found = [graph[0][0]], 0
    while waiting:
        node = waiting.pop()
        found += node == graph[-1][0]
        waiting.extend(to for start, to in arrows if start == node)
    return torch.tensor(found)


@bank.slip("count_paths", "the number of ways", named="nodes")
def nodes_counted(graph):
    return len(graph)


@bank.slip("count_paths", "the number of ways")
def nodes_with_two_inputs(graph):
    return 2 ** sum(len(inputs) == 2 for _, _, inputs in graph)


@bank.slip("count_paths", "the number of ways")
def ways_of_the_last_inputs(graph):
    return len(graph[-1][2])


@bank.slip("count_paths", "the number of ways", named="one-at-every-node")
def one_way_too_many(graph):
    ways = {graph[0][0]: 1}
    for name, _, inputs in graph[1:]:
        ways[name] = 1 + sum(ways[i] for i in inputs)
    return ways[graph[-1][0]]


@bank.slip("count_paths", "KeyError")
def dict_without_the_input(graph):
    ways = {}
    for name, _, inputs in graph[1:]:
        ways[name] = sum(ways[i] for i in inputs)
    return ways[graph[-1][0]]


# --- 3.4b ------------------------------------------------------------------------------------------------------------

TORCH_OPS = {
    "add": torch.add, "sub": torch.sub, "mul": torch.mul, "div": torch.div, "neg": torch.neg, "square": torch.square,
    "sin": torch.sin, "cos": torch.cos, "exp": torch.exp, "log": torch.log, "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
}  # fmt: skip


def run_in_torch(graph, leaf):
    value = {graph[0][0]: leaf}
    for name, op, inputs in graph[1:]:
        value[name] = TORCH_OPS[op](*(value[one] for one in inputs))
    return value


def value_and_locals(op, given):
    """The value of a node and its local derivatives, by cases as a student writes them."""
    a, b = (*given, None)[:2]
    if op == "add":
        return a + b, (1, 1)
    if op == "sub":
        return a - b, (1, -1)
    if op == "mul":
        return a * b, (b, a)
    if op == "div":
        return a / b, (1 / b, -a / b**2)
    if op == "neg":
        return -a, (-1,)
    if op == "square":
        return a**2, (2 * a,)
    if op == "sin":
        return math.sin(a), (math.cos(a),)
    if op == "cos":
        return math.cos(a), (-math.sin(a),)
    if op == "exp":
        return math.exp(a), (math.exp(a),)
    if op == "log":
        return math.log(a), (1 / a,)
    if op == "tanh":
        return math.tanh(a), (1 / math.cosh(a) ** 2,)
    s = 1 / (1 + math.exp(-a))
    return s, (s * (1 - s),)


@bank.honest("grad_by_paths")
def walked_back(graph, x):
    value, slopes = {graph[0][0]: x}, {}
    for name, op, inputs in graph[1:]:
        value[name], slopes[name] = value_and_locals(op, [value[i] for i in inputs])
    arrived = defaultdict(float)
    arrived[graph[-1][0]] = 1.0
    for name, _, inputs in reversed(graph[1:]):
        for one, factor in zip(inputs, slopes[name], strict=True):
            arrived[one] += arrived[name] * factor
    return arrived[graph[0][0]]


@bank.honest("grad_by_paths")
def every_way_by_itself(graph, x):
    value, slopes = {graph[0][0]: x}, {}
    inputs_of = {name: inputs for name, _, inputs in graph}
    for name, op, inputs in graph[1:]:
        value[name], slopes[name] = value_and_locals(op, [value[i] for i in inputs])

    def along(name):
        if name == graph[0][0]:
            return 1.0
        return sum(factor * along(one) for one, factor in zip(inputs_of[name], slopes[name], strict=True))

    return along(graph[-1][0])


@bank.honest("grad_by_paths")
def forward_mode(graph, x):
    state = {graph[0][0]: (x, 1.0)}
    for name, op, inputs in graph[1:]:
        value, slopes = value_and_locals(op, [state[i][0] for i in inputs])
        state[name] = value, sum(state[i][1] * factor for i, factor in zip(inputs, slopes, strict=True))
    return state[graph[-1][0]][1]


@bank.honest("grad_by_paths")
def autograd_on_the_graph(graph, x):
    leaf = leaf_at(x)
    run_in_torch(graph, leaf)[graph[-1][0]].backward()
    return leaf.grad.item()


@bank.honest("grad_by_paths")
def autograd_in_float32(graph, x):
    leaf = torch.tensor(x, requires_grad=True)
    return grad(run_in_torch(graph, leaf)[graph[-1][0]], leaf)[0]


@bank.honest("grad_by_paths")
def locals_by_autograd(graph, x):
    value = {name: float(t) for name, t in run_in_torch(graph, torch.tensor(x, dtype=torch.float64)).items()}
    arrived = {name: 0.0 for name in value}
    arrived[graph[-1][0]] = 1.0
    for name, op, inputs in graph[:0:-1]:
        leaves = [leaf_at(value[one]) for one in inputs]
        for one, factor in zip(inputs, grad(TORCH_OPS[op](*leaves), leaves), strict=True):
            arrived[one] = arrived[one] + arrived[name] * factor.item()
    return arrived[graph[0][0]]


@bank.slip("grad_by_paths", "the slope of the output")
def one_way_only(graph, x):
    value, slopes = {graph[0][0]: x}, {}
    for name, op, inputs in graph[1:]:
        value[name], slopes[name] = value_and_locals(op, [value[i] for i in inputs])
    slope, name, inputs_of = 1.0, graph[-1][0], {name: inputs for name, _, inputs in graph}
    while name != graph[0][0]:
        slope, name = slope * slopes[name][0], inputs_of[name][0]
    return slope


@bank.slip("grad_by_paths", "the slope of the output")
def locals_without_upstream(graph, x):
    value, total = {graph[0][0]: x}, 0.0
    for name, op, inputs in graph[1:]:
        value[name], slopes = value_and_locals(op, [value[i] for i in inputs])
        total += sum(slopes)
    return total


@bank.slip("grad_by_paths", "the quotient", named="quotient-sign")
def minus_of_the_quotient_rule_lost(graph, x):
    state = {graph[0][0]: (x, 1.0)}
    for name, op, inputs in graph[1:]:
        value, slopes = value_and_locals(op, [state[i][0] for i in inputs])
        if op == "div":
            slopes = slopes[0], -slopes[1]
        state[name] = value, sum(state[i][1] * factor for i, factor in zip(inputs, slopes, strict=True))
    return state[graph[-1][0]][1]


@bank.slip("grad_by_paths", "'div'")
def operation_missing(graph, x):
    known = {name: op for name, op in TORCH_OPS.items() if name != "div"}
    leaf = leaf_at(x)
    value = {graph[0][0]: leaf}
    for name, op, inputs in graph[1:]:
        value[name] = known[op](*(value[one] for one in inputs))
    return grad(value[graph[-1][0]], leaf)[0]


@bank.slip("grad_by_paths", "a constant factor")
def output_seeded_with_two(graph, x):
    return 2 * walked_back(graph, x)


# --- 3.5 -------------------------------------------------------------------------------------------------------------

KINDS = ["leaf", "non-leaf", "no graph", "no graph", "non-leaf", "non-leaf", "leaf", "no graph"]
bank.value("tensor_kinds", KINDS)
bank.value("tensor_kinds", [kind.title() for kind in KINDS])
bank.value("tensor_kinds", [kind.upper().replace("-", " ") for kind in KINDS])
bank.value("tensor_kinds", [f" {kind.replace('-', '_').replace(' ', '_')}" for kind in KINDS])
bank.value("tensor_kinds", tuple(KINDS))


# --- 3.6 -------------------------------------------------------------------------------------------------------------


@bank.honest("intermediate_grads")
def retain_grad_before(x):
    x = leaf_at(x)
    a = x**2
    a.retain_grad()
    b = torch.sin(a)
    b.retain_grad()
    y = x * b
    y.backward()
    return {"a": a.grad.item(), "b": b.grad.item()}


@bank.honest("intermediate_grads")
def retained_in_float32(x):
    x = torch.tensor(x, requires_grad=True)
    a = x * x
    b = a.sin()
    y = x * b
    a.retain_grad()
    b.retain_grad()
    y.backward()
    return {"b": b.grad, "a": a.grad}


@bank.honest("intermediate_grads")
def hooks_that_store(x):
    found = {}
    x = leaf_at(x)
    a = x.pow(2)
    b = a.sin()
    a.register_hook(lambda g: found.update(a=g.item()))
    b.register_hook(lambda g: found.update(b=g.item()))
    (x * b).backward()
    return found


@bank.honest("intermediate_grads")
def hooks_with_a_maker(x):
    found = {}

    def keep(name):
        def hook(g):
            found[name] = g

        return hook

    x = leaf_at(x)
    a = x**2
    b = torch.sin(a)
    handles = [t.register_hook(keep(name)) for name, t in (("a", a), ("b", b))]
    (x * b).backward()
    for handle in handles:
        handle.remove()
    return {name: float(g) for name, g in found.items()}


@bank.honest("intermediate_grads")
def autograd_grad_with_the_middle(x):
    x = leaf_at(x)
    a = x**2
    b = torch.sin(a)
    da, db = grad(x * b, [a, b])
    return {"a": da, "b": db}


@bank.honest("intermediate_grads")
def cut_into_leaves(x):
    a = leaf_at(x**2)
    b = torch.sin(a)
    b.retain_grad()
    y = x * b
    y.backward()
    return {"a": a.grad.numpy(), "b": b.grad.numpy()}


@bank.honest("intermediate_grads")
def prints_and_reads_all(x):
    x = torch.tensor(x, dtype=torch.float64, requires_grad=True)
    a = x**2
    b = a.sin()
    y = x * b
    for t in (a, b, y):
        t.retain_grad()
    y.backward()
    print("x", x.grad, "a", a.grad, "b", b.grad, "y", y.grad)
    return {"x": x.grad.item(), "a": a.grad.item(), "b": b.grad.item(), "y": y.grad.item()}


@bank.honest("intermediate_grads")
def tracked_number_printed(x):
    x = leaf_at(x)
    a = x**2
    b = a.sin()
    y = x * b
    print(float(y))  # warns, but not about .grad
    return dict(zip("ab", grad(y, (a, b)), strict=True))


@bank.honest("intermediate_grads")
def by_hand(x):
    return {"a": x * math.cos(x**2), "b": x}


@bank.slip("intermediate_grads", "keep no gradient", named="B9")
def retained_too_late(x):
    x = leaf_at(x)
    a = x**2
    b = a.sin()
    y = x * b
    y.backward()
    a.retain_grad()
    b.retain_grad()
    return {"a": a.grad.item(), "b": b.grad.item()}


@bank.slip("intermediate_grads", "PyTorch warned")
def looked_at_before(x):
    x = leaf_at(x)
    a = x**2
    b = a.sin()
    print("before:", a.grad, b.grad)
    a.retain_grad()
    b.retain_grad()
    (x * b).backward()
    return {"a": a.grad.item(), "b": b.grad.item()}


@bank.slip("intermediate_grads", "the slope of y by 'a'")
def slope_of_b_by_a(x):
    x = leaf_at(x)
    a = x**2
    b = a.sin()
    (da,) = grad(b, a, retain_graph=True)
    (db,) = grad(b, x)
    return {"a": da.item(), "b": db.item()}


@bank.slip("intermediate_grads", "under each other's name", named="swapped")
def wrong_names(x):
    found = by_hand(x)
    return {"a": found["b"], "b": found["a"]}


@bank.slip("intermediate_grads", "a dict")
def two_numbers(x):
    return tuple(by_hand(x).values())


# --- 3.7 -------------------------------------------------------------------------------------------------------------


@bank.honest("stop_path")
def result_detached(kept, stopped, x):
    return kept(x) * stopped(x).detach()


@bank.honest("stop_path")
def input_detached(kept, stopped, x):
    return kept(x) * stopped(x.detach())


@bank.honest("stop_path")
def factor_under_no_grad(kept, stopped, x):
    with torch.no_grad():
        factor = stopped(x)
    return factor * kept(x)


@bank.honest("stop_path")
def factor_as_a_float(kept, stopped, x):
    return kept(x) * stopped(x).item()


@bank.honest("stop_path")
def factor_by_float_of_it(kept, stopped, x):
    return float(stopped(x)) * kept(x)  # warns that a tracked tensor becomes a number


@bank.honest("stop_path")
def input_as_a_float(kept, stopped, x):
    return kept(x) * stopped(x.item())


@bank.honest("stop_path")
def factor_in_float32(kept, stopped, x):
    return kept(x) * torch.tensor(stopped(x).item())


@bank.honest("stop_path")
def through_data(kept, stopped, x):
    return kept(x) * stopped(x).data.clone()


@bank.honest("stop_path")
def detached_in_place(kept, stopped, x):
    factor = stopped(x)
    factor.detach_()
    print(factor.requires_grad)
    return kept(x) * factor


@bank.honest("stop_path")
def hook_that_stops(kept, stopped, x):
    factor = stopped(x)
    factor.register_hook(torch.zeros_like)
    return kept(x) * factor


@bank.honest("stop_path")
def custom_function(kept, stopped, x):
    class Stop(torch.autograd.Function):
        @staticmethod
        def forward(ctx, t):
            return t.clone()

        @staticmethod
        def backward(ctx, g):
            return None

    return kept(x) * Stop.apply(stopped(x))


@bank.slip("stop_path", "Nothing flows back at all", named="C16")
def float_returned(kept, stopped, x):
    return (kept(x) * stopped(x).detach()).item()


@bank.slip("stop_path", "the product is")
def sum_instead_of_product(kept, stopped, x):
    return kept(x) + stopped(x).detach()


@bank.slip("stop_path", "a new tensor with the same number", named="C16")
def torch_tensor_of_the_product(kept, stopped, x):
    return torch.tensor(kept(x) * stopped(x).detach(), requires_grad=True)


@bank.slip("stop_path", "the gradient is")
def slope_of_the_wrong_kind(kept, stopped, x):
    return (kept(x) * stopped(x).detach()) * 0.5 + (kept(x) * stopped(x)).detach() * 0.5


@bank.slip("stop_path", "the product is", named="gradient-returned")
def gradient_returned(kept, stopped, x):
    return grad(kept(x) * stopped(x).detach(), x, create_graph=True)[0]


@bank.slip("stop_path", "leaf")
def flag_switched_off_on_a_result(kept, stopped, x):
    factor = stopped(x)
    factor.requires_grad_(False)
    return kept(x) * factor


# --- 3.8 -------------------------------------------------------------------------------------------------------------


@bank.honest("topo_order")
def two_marks_on_a_stack(root, parents):
    order, state, stack = [], {}, [(root, False)]
    while stack:
        node, ready = stack.pop()
        if ready:
            state[node] = "done"
            order.append(node)
        elif state.get(node) == "open":
            raise ValueError(f"{node} depends on itself")
        elif node not in state:
            state[node] = "open"
            stack.append((node, True))
            for parent in parents.get(node, []):
                if state.get(parent) == "open":
                    raise ValueError(f"{parent} depends on itself")
                if parent not in state:
                    stack.append((parent, False))
    return order


@bank.honest("topo_order")
def stack_of_iterators(root, parents):
    order, done, open_ = [], set(), {root}
    stack = [(root, iter(parents.get(root, ())))]
    while stack:
        node, rest = stack[-1]
        for parent in rest:
            if parent in open_:
                raise ValueError("cycle")
            if parent not in done:
                open_.add(parent)
                stack.append((parent, iter(parents.get(parent, ()))))
                break
        else:
            stack.pop()
            open_.discard(node)
            done.add(node)
            order.append(node)
    return order


@bank.honest("topo_order")
def kahn(root, parents):
    needed, waiting = {root}, [root]
    while waiting:
        for parent in parents.get(waiting.pop(), ()):
            if parent not in needed:
                needed.add(parent)
                waiting.append(parent)
    missing = {node: len(parents.get(node, ())) for node in needed}
    children = defaultdict(list)
    for node in needed:
        for parent in parents.get(node, ()):
            children[parent].append(node)
    ready, order = deque(node for node in needed if missing[node] == 0), []
    while ready:
        node = ready.popleft()
        order.append(node)
        for child in children[node]:
            missing[child] -= 1
            if missing[child] == 0:
                ready.append(child)
    if len(order) < len(needed):
        raise ValueError("there is a cycle")
    return order


@bank.honest("topo_order")
def graphlib_over_everything(root, parents):
    graph = {root: [], **parents}
    return list(graphlib.TopologicalSorter(graph).static_order())


@bank.honest("topo_order")
def graphlib_over_what_is_reachable(root, parents):
    graph, waiting = {}, [root]
    while waiting:
        node = waiting.pop()
        if node not in graph:
            graph[node] = set(parents.get(node, ()))
            waiting += graph[node]
    return tuple(graphlib.TopologicalSorter(graph).static_order())


@bank.honest("topo_order")
def recursion_with_a_higher_limit(root, parents):
    sys.setrecursionlimit(20_000)
    order, marks = [], {}

    def visit(node):
        if marks.get(node) == 1:
            raise ValueError("cycle")
        if node in marks:
            return
        marks[node] = 1
        for parent in parents.get(node, []):
            visit(parent)
        marks[node] = 2
        order.append(node)

    visit(root)
    return order


@bank.honest("topo_order")
def own_kind_of_value_error(root, parents):
    class Circle(ValueError):
        pass

    try:
        return kahn(root, parents)
    except ValueError as error:
        raise Circle("the nodes go round") from error


@bank.honest("topo_order")
def round_by_round(root, parents):
    left = list(dict.fromkeys(node for node in [root, *parents, *sum(parents.values(), [])]))
    order, placed = [], set()
    if len(left) > 1000:  # rounds over a long chain take too long
        return kahn(root, parents)
    while left:
        ready = [node for node in left if all(parent in placed for parent in parents.get(node, ()))]
        if not ready:
            raise ValueError
        order += ready
        placed.update(ready)
        left = [node for node in left if node not in placed]
    return order


@bank.honest("topo_order")
def membership_in_a_list(root, parents):
    order, stack, on_the_way = [], [root], set()
    while stack:
        node = stack[-1]
        if node in order:
            stack.pop()
            continue
        open_parents = [parent for parent in parents.get(node, []) if parent not in order]
        if not open_parents:
            order.append(stack.pop())
            on_the_way.discard(node)
            continue
        on_the_way.add(node)
        if any(parent in on_the_way for parent in open_parents):
            raise ValueError(f"circle at {node}")
        stack.append(open_parents[0])
    return order


@bank.slip("topo_order", "every node that the root depends on")
def parents_of_the_root_only(root, parents):
    return [*dict.fromkeys(parents.get(root, [])), root]


@bank.slip("topo_order", "belongs into the list all the same", named="inputs-missing")
def keys_only(root, parents):
    return [node for node in kahn(root, parents) if node in parents]


@bank.slip("topo_order", "a ValueError, because these nodes depend on each other")
def empty_list_for_a_circle(root, parents):
    try:
        return kahn(root, parents)
    except ValueError:
        return []


@bank.slip("topo_order", "a ValueError, because these nodes depend on each other")
def other_exception_for_a_circle(root, parents):
    try:
        return kahn(root, parents)
    except ValueError:
        raise RuntimeError("circle") from None


@bank.slip("topo_order", "y is missing in your list")
def root_left_out(root, parents):
    return kahn(root, parents)[:-1]


@bank.slip("topo_order", "comes before one of its parents")
def sorted_by_name(root, parents):
    return sorted(kahn(root, parents), reverse=True)


@bank.slip("topo_order", "a list of names")
def a_set_of_names(root, parents):
    return set(kahn(root, parents))


# --- 3.9 -------------------------------------------------------------------------------------------------------------


@bank.honest("fix_saved_values")
def new_tensors(x):
    e = torch.exp(x) + 1.0
    s = x * x
    return (e * s + 2 * x).sum()


@bank.honest("fix_saved_values")
def new_names(x):
    e = torch.exp(x)
    e = e + 1.0
    s = x * x
    x2 = x * 2.0
    return (e * s + x2).sum()


@bank.honest("fix_saved_values")
def clone_of_the_exponential(x):
    e = torch.exp(x).clone()
    e += 1.0
    s = x * x
    d = x.clone()
    d.mul_(2.0)
    return (e * s + d).sum()


@bank.honest("fix_saved_values")
def x_rebound(x):
    e = torch.exp(x) + 1.0
    s = x * x
    x = x.mul(2.0)
    return (e * s + x).sum()


@bank.honest("fix_saved_values")
def one_line_with_an_extra_axis(x):
    return torch.einsum("i,i->", torch.exp(x) + 1, x**2) + torch.sum(x + x)


@bank.honest("fix_saved_values")
def powers_and_functions(x):
    e = 1.0 + x.exp()
    print(e)
    s = torch.square(x)
    return torch.sum(torch.addcmul(torch.mul(x, 2), e, s))


@bank.honest("fix_saved_values")
def loop_over_the_entries(x):
    total = 0.0
    for one in x:
        total = total + (torch.exp(one) + 1) * one**2 + 2 * one
    return total


@bank.honest("fix_saved_values")
def through_float32(x):
    x = x.float()
    return ((torch.exp(x) + 1.0) * (x * x) + 2 * x).sum()


@bank.honest("fix_saved_values")
def expm1_and_pieces(x):
    return (torch.exp(x) * x * x).sum() + (x * x).sum() + 2 * x.sum()


@bank.slip("fix_saved_values", "the value", named="one-lost")
def one_forgotten(x):
    return (torch.exp(x) * (x * x) + 2 * x).sum()


@bank.slip("fix_saved_values", "x is as it was", named="put-back")
def a_copy_edited_through_data(x):
    e, s, doubled = torch.exp(x) + 1.0, x * x, x.clone()
    doubled.data.mul_(2.0)
    return (e * s + doubled).sum()


@bank.slip("fix_saved_values", "connected")
def detached_copy_of_x(x):
    x = x.detach().clone().requires_grad_()
    return ((torch.exp(x) + 1.0) * (x * x) + 2 * x).sum()


@bank.slip("fix_saved_values", "a number")
def not_summed(x):
    return (torch.exp(x) + 1.0) * (x * x) + 2 * x


@bank.slip("fix_saved_values", "a tracked leaf may be changed in place only under")
def in_place_on_the_leaf(x):
    e = torch.exp(x) + 1.0
    s = x * x
    x.mul_(2.0)
    return (e * s + x).sum()


@bank.slip("fix_saved_values", "Make a new tensor", named="B14-untracked")
def in_place_under_no_grad(x):
    e, s = x.exp() + 1, x**2
    with torch.no_grad():
        x *= 2
    return (e * s).sum() + x.sum()


@bank.slip("fix_saved_values", "the gradient", named="put-back")
def edit_undone_at_the_end(x):
    e = torch.exp(x) + 1.0
    s = x * x
    x.data.mul_(2.0)
    out = (e * s + x).sum()
    x.data.div_(2.0)
    return out


@bank.slip("fix_saved_values", "connected")
def number_returned(x):
    return new_tensors(x).item()


# --- hints and questions ---------------------------------------------------------------------------------------------

bank.hide("chain_slope", r"return slope|for f, df in")
bank.hide("forward_table", r"math\.sin|torch\.sin|\.sin\(\)")
bank.hide("backward_table", r"sin\(|return \{")
bank.hide("grad_by_paths", r"for name, op, inputs in")
bank.hide("tensor_kinds", r"(leaf\W+){3}")
bank.hide("intermediate_grads", r"return \{")
bank.hide("topo_order", r"while stack|stack\.pop")
bank.hide("fix_saved_values", r"return \(")

X, Y = sympy.symbols("x y")


def gradient_after(*lines, name="x"):
    return getattr(after(*lines), name).grad


def total_of_both_ways():
    return gradient_after("x = torch.tensor(3.0, requires_grad=True)", "(x * x**2).backward()").item()


def branch_in_the_graph():
    def f(x):
        return x if x >= 0 else -x

    node = f(torch.tensor(-5.0, requires_grad=True)).grad_fn.name()
    return {"NegBackward0": "−x"}[node]


def square_that_ignores_what_arrives():
    class Square(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * x

        @staticmethod
        def backward(ctx, arrived):
            return 2 * ctx.saved_tensors[0]

    x = torch.tensor(2.0, requires_grad=True)
    (3 * Square.apply(x)).backward()
    return x.grad.item()


def output_in_eval_mode_is_tracked():
    model = torch.nn.Linear(2, 1)
    return model.eval()(torch.ones(2)).requires_grad


def filled_after_a_walk():
    made = after(LEAF, "y = 3 * x", "y.retain_grad() if False else None", "y.backward()")
    return "x" if made.x.grad is not None and not made.y.is_leaf and not made.y.retains_grad else "y"


def argument_for_a_second_derivative():
    for name in ("retain_graph", "allow_unused", "create_graph"):
        x = torch.tensor(0.7, requires_grad=True)
        if grad(x**3, x, **{name: True})[0].requires_grad:
            return name


bank.computed = {
    "03-recall-partial": lambda: sympy.diff(X * Y**2, X).subs({X: 2, Y: 3}),
    "03-recall-mean": lambda: 4 / 8,
    "03-recall-bias": lambda: gradient_after(
        "b = torch.zeros(3, requires_grad=True)", "(torch.ones(7, 3) + b).sum().backward()", name="b"
    )[0].item(),
    "03-recall-leaf": filled_after_a_walk,
    "03-recall-create": argument_for_a_second_derivative,
    "03-chain": lambda: sympy.diff((2 * X + 1) ** 2, X).subs(X, 3),
    "03-double": lambda: sympy.diff((2 * X) ** 2, X).subs(X, 2),
    "03-paths": total_of_both_ways,
    "03-linear-twice": lambda: runs("x = torch.tensor(2.0, requires_grad=True)", "y = x + 3", *2 * ("y.backward()",)),
    "03-inplace-free": lambda: runs(LEAF, "y = 2 * x", "y *= 2", "y.backward()", "assert x.grad == 4"),
    "03-clone": lambda: not after(LEAF, "y = x.clone()").y.requires_grad,
    "03-backward-no-grad": lambda: runs(LEAF, "y = x**2", "with torch.no_grad(): y.backward()"),
    "03-detach-shares": lambda: after("x = torch.tensor([3.0])", "d = x.detach()", "d.mul_(10)").x[0].item(),
    "03-eval": output_in_eval_mode_is_tracked,
    "03-step-no-grad": lambda: runs(LEAF, "with torch.no_grad(): loss = x**2; loss.backward()"),
    "03-hook": lambda: gradient_after(
        "x = torch.tensor(1.0, requires_grad=True)", "y = 3 * x", "y.register_hook(lambda g: 10 * g)",
        "(y**2).backward()",
    ).item(),
    "03-branch": branch_in_the_graph,
    "03-function": square_that_ignores_what_arrives,
    "03-fill-paths": lambda: sympy.diff(X * sympy.sin(X), X).subs(X, 0.7),
    "03-exit-local": lambda: sympy.diff(sympy.exp(3 * X), X).subs(X, 0),
    "03-exit-hold": lambda: gradient_after(
        "x = torch.tensor(4.0, requires_grad=True)", "z = x.detach() * x", "z.backward()"
    ).item(),
    "03-exit-saved": lambda: runs(LEAF, "y = torch.exp(x)", "y.add_(1)", "y.sum().backward()"),
}  # fmt: skip


@bank.slip("count_paths", "find one way in every graph", named="multiplied")
def the_better_input_alone(graph):
    ways = {}
    for name, _, inputs in graph:
        ways[name] = max(ways[one] for one in inputs) if inputs else 1
    return ways[graph[-1][0]]


@bank.slip("topo_order", "every parent must come before its child")
def names_of_the_dict(root, parents):
    return list(parents)


@bank.slip("topo_order", "children before parents", named="root-first")
def sorted_and_turned_round(root, parents):
    found, waiting = {root}, [root]
    while waiting:
        for parent in parents.get(waiting.pop(), ()):
            if parent not in found:
                found.add(parent)
                waiting.append(parent)
    try:
        return list(graphlib.TopologicalSorter({name: parents.get(name, ()) for name in found}).static_order())[::-1]
    except graphlib.CycleError as error:
        raise ValueError("a circle") from error


@bank.slip("chain_slope", "print the length")
def three_functions_only(fs, dfs, x):
    a = fs[0](x)
    return dfs[2](fs[1](a)) * dfs[1](a) * dfs[0](x)
