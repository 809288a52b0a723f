"""The graph is what torch did: values, gradients, local derivatives and paths, and nothing outside has changed."""

import dataclasses
import math
import subprocess
import sys
import warnings
from functools import partial

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from programs import OPERATIONS, Program, programs

from course_lib import graph
from course_lib.graph import trace


def edge(traced, source, target, which=0):
    """The edge between two nodes, called by name or operation."""
    ends = traced.node(source).id, traced.node(target).id
    return [edge for edge in traced.edges if (edge.source, edge.target) == ends][which]


def worked(x, a):
    s = torch.sin(a)
    return s * (x**2 + s)


def x_sin_x2(x):
    a = x**2
    b = torch.sin(a)
    y = x * b
    return y


# --- against torch itself --------------------------------------------------------------------------------------------


@settings(max_examples=80, deadline=None)
@given(programs())
def test_values_and_gradients_are_those_of_torch_for_any_program(program):
    traced = trace(program, **program.leaves)
    leaves = [torch.tensor(v, dtype=torch.float64, requires_grad=True) for v in program.at]
    values = program.run(leaves)
    for value in values:
        value.retain_grad()
    values[-1].backward()
    expected = [*range(len(leaves)), *program.reached()]
    assert [node.op for node in traced.nodes] == [""] * len(leaves) + [
        program.steps[i - len(leaves)][0] for i in program.reached()
    ]
    for node, i in zip(traced.nodes, expected, strict=True):
        assert node.value == pytest.approx(values[i].item(), rel=1e-12)
        if values[i].grad is None:
            assert node.gradient is None
        else:
            assert node.gradient == pytest.approx(values[i].grad.item(), rel=1e-9, abs=1e-12)


@settings(max_examples=50, deadline=None)
@given(programs())
def test_each_local_derivative_is_a_central_difference_of_that_operation_alone(program):
    traced = trace(program, **program.leaves)
    assume(all(abs(node.value) < 1e3 for node in traced.nodes))
    for node in traced.nodes:
        edges, h = traced.inputs[node.id], 1e-6
        inputs = [traced.nodes[edge.source].value for edge in edges]
        for k, edge in enumerate(edges):
            assert edge.position == k
            ends = []
            for move in (h, -h):
                moved = [torch.tensor(v + move * (i == k), dtype=torch.float64) for i, v in enumerate(inputs)]
                ends.append(OPERATIONS[node.op][1](*moved).item())
            assert edge.local == pytest.approx((ends[0] - ends[1]) / (2 * h), rel=1e-5, abs=1e-6)


@settings(max_examples=50, deadline=None)
@given(programs())
def test_contributions_are_upstream_times_local_and_add_up_to_the_gradient(program):
    traced = trace(program, **program.leaves)
    for edge in traced.edges:
        assert edge.contribution == pytest.approx(traced.nodes[edge.target].gradient * edge.local)
    for node in traced.nodes:
        if traced.consumers[node.id]:
            arrived = sum(edge.contribution for edge in traced.consumers[node.id])
            assert arrived == pytest.approx(node.gradient, rel=1e-9, abs=1e-12)


def test_the_worked_example_has_the_numbers_of_the_table():
    traced = trace(worked, x=2.0, a=0.2832)
    table = {
        "mul": (1.1958, 1), "add": (4.2794, 0.2794), "pow 2": (4, 0.2794), "s": (0.2794, 4.5589),
        "x": (2, 1.1177), "a": (0.2832, 4.3773),
    }  # fmt: skip
    for name, (value, gradient) in table.items():
        assert (traced.node(name).value, traced.node(name).gradient) == pytest.approx((value, gradient), abs=6e-5)
    local = {("s", "mul"): 4.2794, ("add", "mul"): 0.2794, ("s", "add"): 1, ("pow 2", "add"): 1, ("x", "pow 2"): 4,
             ("a", "s"): 0.9602}
    sent = {("s", "mul"): 4.2794, ("add", "mul"): 0.2794, ("s", "add"): 0.2794, ("pow 2", "add"): 0.2794,
            ("x", "pow 2"): 1.1177, ("a", "s"): 4.3773}
    for ends in local:
        assert edge(traced, *ends).local == pytest.approx(local[ends], abs=6e-5)
        assert edge(traced, *ends).contribution == pytest.approx(sent[ends], abs=6e-5)
    assert len(traced.edges) == len(local)


def test_the_words_of_a_graph_are_a_table():
    assert repr(trace(x_sin_x2, x=0.7)).splitlines() == [
        "node       value   gradient  local derivatives      sends back",
        "x          0.7     1.335",
        "a = pow 2  0.49    0.6176    1.4 by x               0.8647 to x",
        "b = sin    0.4706  0.7       0.8823 by a            0.6176 to a",
        "y = mul    0.3294  1         0.4706 by x, 0.7 by b  0.4706 to x, 0.7 to b",
    ]


# --- what real code does ---------------------------------------------------------------------------------------------


def test_x_times_x_has_two_edges_to_one_leaf():
    traced = trace(lambda x: x * x, x=0.7)
    assert [(e.source, e.target, e.position, e.local, e.contribution) for e in traced.edges] == [
        (0, 1, 0, 0.7, 0.7), (0, 1, 1, 0.7, 0.7)
    ]
    assert traced.node("x").gradient == pytest.approx(1.4)


def test_a_dead_relu_has_local_derivative_zero_and_sends_zero():
    traced = trace(lambda x: torch.relu(x) * x, x=-0.7)
    assert edge(traced, "x", "relu").local == 0 and edge(traced, "x", "relu").contribution == 0


def test_a_detached_part_is_a_constant_with_a_note_and_its_origin():
    traced = trace(lambda x: x * (x**2).detach(), x=3.0)
    constant = traced.node("detach")
    assert (constant.kind, constant.value, constant.gradient, constant.note) == ("constant", 9, None, "detached")
    assert edge(traced, "pow 2", "detach").cut and edge(traced, "detach", "mul").cut
    assert traced.node("pow 2").gradient is None and traced.node("x").gradient == 9


def test_what_is_computed_under_no_grad_is_a_constant_that_says_so():
    def f(x):
        with torch.no_grad():
            k = 3 * x
        return k * x

    k = trace(f, x=2.0).node("k")
    assert (k.kind, k.value, k.note) == ("constant", 6, "computed under no_grad")


def test_outputs_of_one_operation_are_nodes_of_their_own_with_shares_of_their_own():
    traced = trace(lambda v: v.unbind()[0] * v.unbind()[1] ** 2, v=torch.tensor([2.0, 3.0]))
    assert [node.op for node in traced.nodes[1:]] == ["unbind [0]", "unbind [1]", "pow 2", "mul"]

    def both(v):
        a, b = v.unbind()
        return a * b**2

    traced = trace(both, v=torch.tensor([2.0, 3.0]))
    assert edge(traced, "v", "a").contribution.tolist() == [9, 0]
    assert edge(traced, "v", "b").contribution.tolist() == [0, 12]
    assert traced.node("v").gradient.tolist() == [9, 12]


def test_split_and_max_over_a_dimension():
    def f(v):
        first, rest = v.split([1, 2])
        return first.sum() * rest.max(dim=0).values

    traced = trace(f, v=torch.tensor([2.0, 3.0, 5.0]))
    assert traced.node("v").gradient.tolist() == [5, 0, 2]
    assert traced.node("max dim=0").value == 5


def test_an_in_place_operation_is_a_new_node_and_the_old_value_is_kept():
    def f(x):
        y = x * 2
        y.add_(1)
        return y

    traced = trace(f, x=3.0)
    assert [(node.op, node.value) for node in traced.nodes[1:]] == [("mul 2", 6), ("add_ 1", 7)]
    assert traced.node("y").op == "add_ 1"


def test_writing_into_a_part_of_a_tensor():
    def f(x):
        v = torch.zeros(2, dtype=x.dtype)
        v[0] = x
        v[1] = x * x
        return v.prod()

    traced = trace(f, x=2.0)
    assert traced.node("v").op == "set [1]" and traced.node("v").value.tolist() == [2, 4]
    assert traced.node("x").gradient == pytest.approx(12)


class Square(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, scale):
        ctx.save_for_backward(x)
        ctx.scale = scale
        return scale * x * x

    @staticmethod
    def backward(ctx, grad):
        (x,) = ctx.saved_tensors
        return 2 * ctx.scale * x * grad, None


def test_a_custom_function_has_its_own_name_value_and_factor():
    traced = trace(lambda x: Square.apply(Square.apply(x, 1.0), 3.0), x=0.7)
    inner, outer = traced.nodes[1:]
    assert (inner.op, inner.value, outer.value) == ("Square", pytest.approx(0.49), pytest.approx(3 * 0.49**2))
    assert [e.local for e in traced.edges] == pytest.approx([1.4, 6 * 0.49])
    assert traced.notes == ()


def test_only_the_branch_taken_is_there_and_the_graph_says_so():
    def size(x):
        return x * 1 if x > 0 else -x

    assert [node.op for node in trace(size, x=2.0).nodes[1:]] == ["mul 1"]
    traced = trace(size, x=-2.0)
    assert [node.op for node in traced.nodes[1:]] == ["neg"]
    assert traced.notes == ("f looked at a number to decide its way; only the way it took is recorded.",)


def test_where_has_both_branches_and_a_condition_without_gradient():
    traced = trace(lambda x: torch.where(x > 0, x, -x), x=2.0)
    condition = traced.node("gt 0")
    assert condition.kind == "constant" and condition.value is True
    assert condition.note == "conditions and whole numbers have no gradient"
    assert edge(traced, "neg", "where").local == 0


def test_a_leaf_that_is_not_used_is_there_and_not_connected():
    traced = trace(lambda x, u: x * 2, x=1.0, u=5.0)
    assert traced.node("u").gradient is None and not traced.consumers[traced.node("u").id]
    assert "not connected" in repr(traced)


def test_a_function_that_returns_its_leaf():
    traced = trace(lambda b: b, b=2.0)
    assert (len(traced.nodes), traced.output, traced.nodes[0].gradient, traced.edges) == (1, 0, 1, ())


def test_a_result_of_several_numbers_needs_a_cotangent_and_gets_it():
    traced = trace(lambda v: v**2, cotangent=[1, 10], v=torch.tensor([2.0, 3.0]))
    assert traced.node("v").gradient.tolist() == [4, 60]
    assert traced.nodes[traced.output].gradient.tolist() == [1, 10]


def test_local_derivatives_of_tensors_are_arrays_element_by_element_else_none():
    traced = trace(lambda v: torch.softmax(v.exp(), 0)[1] + v.sum(), v=torch.tensor([0.1, 0.2, 0.3]))
    assert edge(traced, "v", "exp").local == pytest.approx(np.exp([0.1, 0.2, 0.3]), rel=1e-6)
    assert edge(traced, "exp", "softmax 0").local is None and edge(traced, "v", "sum").local is None
    assert edge(traced, "v", "sum").contribution.tolist() == [1, 1, 1]


def test_parts_inside_of_an_operation_have_shapes_and_values_where_autograd_kept_them():
    traced = trace(lambda x: 3 / x, x=2.0)
    assert [(node.op, node.value) for node in traced.nodes[1:]] == [("reciprocal", 0.5), ("mul 3", 1.5)]
    layer = torch.nn.Linear(3, 2)
    traced = trace(lambda x: layer(x).sum(), x=torch.ones(4, 3))
    assert traced.node("t").value is None and traced.node("t").shape == (3, 2)


def test_tensors_from_outside_are_found_by_their_names_and_left_alone():
    layer = torch.nn.Linear(2, 1)
    scale = torch.tensor(2.0, requires_grad=True)
    kept = scale * 3
    kept.retain_grad()
    traced = trace(lambda x: (layer(x) * kept).sum(), x=torch.ones(2))
    named = {node.name for node in traced.nodes}
    assert {"x", "layer.weight", "layer.bias", "kept"} <= named
    assert traced.node("layer.weight").gradient.shape == (1, 2)
    assert layer.weight.grad is None and scale.grad is None and kept.grad is None


def test_a_hook_that_changes_the_gradient_is_noted():
    def f(x):
        h = x * 3
        h.register_hook(lambda grad: 10 * grad)
        return h * 2

    traced = trace(f, x=1.0)
    assert traced.node("h").gradient == 20 and traced.node("x").gradient == 60
    assert traced.node("h").note == "a hook changes the gradient here"


def test_torch_func_inside_of_f_does_not_stop_it():
    assert trace(lambda x: torch.func.grad(torch.sin)(x), x=0.5).node("x").gradient == pytest.approx(-math.sin(0.5))
    traced = trace(lambda v: torch.vmap(torch.sin)(v).sum(), v=torch.tensor([1.0, 2.0]))
    assert traced.node("v").gradient == pytest.approx(np.cos([1, 2]), rel=1e-6)


def test_names_are_those_of_the_variables_in_f():
    def f(x):
        half = x / 2
        for _ in range(2):
            h = torch.sin(half)
            half = h * half
        return half + h

    assert [node.name for node in trace(f, x=1.0).nodes] == ["x", "", "", "", "h", "half", "y"]


@pytest.mark.parametrize(
    "f, op",
    [
        (lambda x: x - 3, "sub 3"), (lambda x: 3 - x, "3 −"), (lambda x: 2**x, "2 ^"), (lambda x: x**-1.5, "pow −1.5"),
        (lambda x: x.clamp(min=0), "clamp min=0"), (lambda x: -x, "neg"), (lambda x: x.square(), "pow 2"),
        (torch.sin, "sin"), (partial(torch.mul, torch.tensor(2.0)), "mul"), (torch.nn.Tanh(), "tanh"),
    ],
)
def test_operations_read_as_one_says_them(f, op):
    assert trace(f, x=0.7).nodes[-1].op == op


def test_a_formula_gets_its_leaves_by_symbol():
    import sympy

    from course_lib.formula import Formula

    traced = trace(Formula(sympy.sympify("a*x**2")), x=3.0, a=0.5)
    assert traced.nodes[traced.output].value == 4.5 and traced.node("a").gradient == 9


def test_parameters_of_other_names_are_filled_in_order():
    assert trace(lambda s, t: s - t, x=3.0, y=1.0).nodes[-1].value == 2


# --- size ------------------------------------------------------------------------------------------------------------


def test_a_chain_of_five_thousand_does_not_recurse_to_death():
    def f(x):
        for _ in range(5000):
            x = x + 0.001
        return x

    traced = trace(f, x=1.0)
    assert len(traced.nodes) == 5001 and traced.node("x").gradient == 1
    assert traced.nodes[traced.output].value == pytest.approx(6)


# --- pure data, and nothing outside has changed ----------------------------------------------------------------------


def everything_in(value):
    yield value
    if dataclasses.is_dataclass(value):
        for field in dataclasses.fields(value):
            yield from everything_in(getattr(value, field.name))
    elif isinstance(value, tuple | list):
        for entry in value:
            yield from everything_in(entry)


def test_a_graph_holds_no_tensors_and_cannot_be_changed():
    traced = trace(lambda v: (v * torch.tensor([1.0, 2.0])).sum(), v=torch.tensor([0.5, 1.5]))
    kinds = {type(value) for value in everything_in(traced)}
    assert kinds <= {graph.Graph, graph.Node, graph.Edge, tuple, str, int, float, bool, type(None), np.ndarray}
    with pytest.raises(dataclasses.FrozenInstanceError):
        traced.nodes[0].value = 1
    with pytest.raises(ValueError, match="read-only"):
        traced.nodes[0].value[0] = 1


def test_leaves_of_the_caller_and_global_state_stay_as_they_are():
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    x.sum().backward()
    before, state = x.grad.clone(), torch.get_rng_state()
    trace(lambda t: (t * torch.rand(2)).mul_(2).sum(), t=x)
    assert torch.equal(x.grad, before) and torch.equal(torch.get_rng_state(), state)
    assert x.tolist() == [1, 2] and torch.is_grad_enabled() and torch.get_default_dtype() is torch.float32


def test_it_works_where_recording_is_switched_off():
    for off in (torch.no_grad, torch.inference_mode):
        with off():
            given = torch.tensor(2.0)
            assert trace(lambda x: x * x, x=given).node("x").gradient == 4
            assert not torch.is_grad_enabled()


def test_a_leaf_keeps_its_dtype_and_a_number_is_float64():
    third = trace(lambda x: x / 3, x=torch.tensor(1.0)).nodes[-1].value
    assert third != 1 / 3 and third == pytest.approx(1 / 3)
    assert trace(lambda x: x / 3, x=1).nodes[-1].value == 1 / 3


def test_importing_loads_no_matplotlib():
    code = "import sys, course_lib.graph; sys.exit(bool({'matplotlib', 'sympy'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


# --- what cannot be traced is said in one sentence -------------------------------------------------------------------


def saved_value_changed(x):
    y = x.exp()
    z = y * 2
    y.add_(1)
    return z


class Broken(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x * 2

    @staticmethod
    def backward(ctx, grad):
        raise KeyError("lost")


@pytest.mark.parametrize(
    "f, error, words",
    [
        (lambda x: math.sin(x), TypeError, "f leaves torch, so autograd cannot follow it: use torch.sin"),
        (lambda x: torch.tensor(math.sin(x)), TypeError, "f leaves torch"),
        (lambda x: np.sin(x.item()), TypeError, "f leaves torch"),
        (lambda x: (x, x), TypeError, "must return one tensor, got tuple"),
        (lambda x: None, TypeError, "must return one tensor, got NoneType"),
        (lambda x: x > 0, TypeError, "floating-point numbers to have a gradient, got bool"),
        (lambda x: torch.complex(x, x).abs(), TypeError, "complex numbers"),
        (lambda x: torch.stack([x, x]), ValueError, r"shape \(2,\).*cotangent=torch.ones\(2\)"),
        (lambda x: x.numpy(), ValueError, "f raised RuntimeError: Can't call numpy"),
        (lambda x: x.add_(1), ValueError, "f raised RuntimeError: a leaf Variable"),
        (lambda: 1, TypeError, r"f takes \(\), and the leaves are x"),
        (lambda y, x: y, TypeError, r"f takes \(y, x\), and the leaves are x"),
        (lambda x, other: x, TypeError, r"f takes \(x, other\), and the leaves are x"),
        (saved_value_changed, ValueError, "changed in place afterwards"),
        (Broken.apply, ValueError, "autograd stopped with KeyError: 'lost'"),
        ("x**2", TypeError, "expected a function such as lambda x: x\\*\\*2, got str"),
    ],
)
def test_what_cannot_be_followed_is_said_in_one_sentence(f, error, words):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(error, match=words) as caught:
            trace(f, x=0.5)
    assert "\n" not in str(caught.value) and str(caught.value).endswith(".")


@pytest.mark.parametrize(
    "leaves, words",
    [
        ({}, "needs the leaves by name"), ({"x": torch.tensor(2)}, "x has dtype int64: only floating-point tensors"),
        ({"x": True}, "x must be a number or a tensor, got bool"), ({"x": "2"}, "got str"), ({"x": [1.0]}, "got list"),
        ({"x": torch.tensor(1j)}, "x has dtype complex64"),
    ],
)
def test_what_cannot_be_a_leaf_is_said_in_one_sentence(leaves, words):
    with pytest.raises(TypeError, match=words):
        trace(lambda x: x, **leaves)


def test_a_cotangent_must_fit():
    v = torch.tensor([1.0, 2.0])
    with pytest.raises(ValueError, match=r"cotangent has shape \(3,\), wanted \(2,\)"):
        trace(lambda v: v * 2, cotangent=[1, 2, 3], v=v)
    with pytest.raises(TypeError, match="cotangent must be a tensor"):
        trace(lambda v: v * 2, cotangent="ones", v=v)


def test_a_freed_graph_from_outside_is_named():
    w = torch.tensor(2.0, requires_grad=True)
    loss = w * w
    loss.backward()
    with pytest.raises(ValueError, match="freed: compute that tensor inside f"):
        trace(lambda x: x * loss, x=1.0)


def test_a_number_taken_out_on_the_way_is_noted():
    traced = trace(lambda x: x * math.sin(x), x=0.7)
    assert traced.node("x").gradient == pytest.approx(math.sin(0.7))
    assert traced.notes == (
        "f turned a tensor into a plain number (float); autograd cannot follow what comes from that number.",
    )


def test_an_unknown_node_is_refused_with_the_known_ones():
    with pytest.raises(KeyError, match="there are x, a, b, y"):
        trace(x_sin_x2, x=0.7).node("z")


def test_a_program_knows_what_it_computes():
    program = Program((0.5,), (("sin", (0,)), ("cos", (0,)), ("mul", (1, 1))))
    assert program.reached() == [1, 3] and len(program.run([torch.tensor(0.5)])) == 4
