"""The walk is forward in the order of f and back in reverse; each step knows what it may show, and says it in words."""

import pytest
import torch
from hypothesis import given, settings
from programs import programs

from course_lib.graph import trace
from course_lib.walk import everything, known_after, sentence, steps, sum_of, summary, words


def worked(x, a):
    s = torch.sin(a)
    return s * (x**2 + s)


WORKED = trace(worked, x=2.0, a=0.2832)


def test_each_step_of_the_worked_example_is_a_sentence():
    assert [sentence(WORKED, k) for k in range(len(steps(WORKED)))] == [
        "Start: x = 2 and a = 0.2832 are given; 9 steps follow.",
        "Step 1 of 9, forward through s = sin: a = 0.2832 gives 0.2794.",
        "Step 2 of 9, forward through pow 2: x = 2 gives 4.",
        "Step 3 of 9, forward through add: pow 2 = 4 and s = 0.2794 give 4.279.",
        "Step 4 of 9, forward through y = mul: s = 0.2794 and add = 4.279 give 1.196.",
        "Step 5 of 9, turn round: y changes with itself at the rate 1, so its gradient is 1.",
        "Step 6 of 9, backward through y = mul: 1 × 4.279 = 4.279 goes to s and 1 × 0.2794 = 0.2794 goes to add.",
        "Step 7 of 9, backward through add: 0.2794 × 1 = 0.2794 goes to pow 2 and 0.2794 × 1 = 0.2794 goes to s. "
        "s has received 4.279 + 0.2794 = 4.559.",
        "Step 8 of 9, backward through pow 2: 0.2794 × 4 = 1.118 goes to x.",
        "Step 9 of 9, backward through s = sin: 4.559 × 0.9602 = 4.377 goes to a. "
        "Done: ∂y/∂x = 1.118 and ∂y/∂a = 4.377.",
    ]


@settings(max_examples=60, deadline=None)
@given(programs())
def test_a_step_uses_only_what_is_known_and_the_last_knows_everything(program):
    graph = trace(program, **program.leaves)
    walk = steps(graph)
    before = known_after(graph, 0)
    assert before.values == {node.id for node in graph.nodes if node.kind == "leaf"} and not before.gradients
    for k in range(1, len(walk)):
        after, node = known_after(graph, k), walk[k].node
        assert before.values <= after.values and before.gradients <= after.gradients
        if walk[k].kind == "forward":
            assert {edge.source for edge in graph.inputs[node]} <= before.values
        if walk[k].kind == "backward":
            assert node in before.gradients
        before = after
    whole = everything(graph)
    assert (before.values, before.gradients, before.locals) == (whole.values, whole.gradients, whole.locals)


def test_a_node_with_two_paths_is_known_after_the_second():
    s = WORKED.node("s").id
    assert s not in known_after(WORKED, 6).gradients and s in known_after(WORKED, 7).gradients


def test_edges_in_use_are_those_of_the_node():
    for k, direction in ((4, "forward"), (6, "backward")):
        known = known_after(WORKED, k)
        assert known.direction == direction and known.at == WORKED.output
        assert {WORKED.edges[i].target for i in known.flowing} == {WORKED.output} and len(known.flowing) == 2
    assert not known_after(WORKED, 5).flowing


def test_a_step_that_does_not_exist_is_refused():
    with pytest.raises(ValueError, match="between 0 and 9, got 10"):
        known_after(WORKED, 10)


def test_nothing_flows_back_into_what_is_cut_off():
    graph = trace(lambda x, u: x * (x**2).detach(), x=3.0, u=1.0)
    said = [sentence(graph, k) for k in range(len(steps(graph)))]
    assert said[2] == (
        "Step 2 of 5, forward through detach: pow 2 = 9 gives 9; detached, so no gradient comes back here."
    )
    assert said[-1] == (
        "Step 5 of 5, backward through y = mul: 1 × 9 = 9 goes to x. Done: ∂y/∂x = 9 and u is not connected."
    )


def test_a_leaf_that_is_the_result_is_a_walk_of_two_steps():
    graph = trace(lambda b: b, b=2.0)
    assert [step.kind for step in steps(graph)] == ["start", "turn"]
    assert sentence(graph, 1).endswith("b changes with itself at the rate 1, so its gradient is 1. Done: ∂b/∂b = 1.")


def test_a_result_without_connection_does_not_turn_round():
    graph = trace(lambda x: (x**2).detach(), x=2.0)
    assert [step.kind for step in steps(graph)] == ["start", "forward", "forward"]


def test_vectors_are_said_by_their_numbers_or_their_size():
    graph = trace(lambda v: (v * v).sum(), v=torch.tensor([1.0, 2.0]))
    assert sentence(graph, 4) == "Step 4 of 5, backward through y = sum: [1, 1] goes to mul."
    assert words(graph.node("v").gradient) == "[2, 4]"
    assert words(trace(lambda m: m.sum(), m=torch.ones(5, 3)).node("m").value) == "5×3 numbers"
    graph = trace(lambda v: v * 2, cotangent=[1, 0], v=torch.tensor([1.0, 2.0]))
    assert sentence(graph, 2) == "Step 2 of 3, turn round: backward starts at y with [1, 0]."


def test_sums_read_with_their_signs():
    graph = trace(lambda x: x * 2 - x, x=1.0)
    assert sum_of(graph, 0) == "−1 + 2 = 1"
    graph = trace(lambda x: x - x * 2, x=1.0)
    assert sum_of(graph, 0) == "1 − 2 = −1"


def test_the_summary_has_the_numbers_and_the_notes():
    assert summary(WORKED) == "y = 1.196 by 4 operations from x = 2 and a = 0.2832; ∂y/∂x = 1.118 and ∂y/∂a = 4.377."
    branched = trace(lambda x: -x if x < 0 else x * 1, x=-2.0)
    assert summary(branched) == (
        "y = 2 by 1 operation from x = −2; ∂y/∂x = −1. f looked at a number to decide its way; only the way it took is "
        "recorded."
    )


def test_a_leaf_called_y_is_not_mixed_up_with_the_result():
    assert summary(trace(lambda x, y: x * y, x=2.0, y=3.0)) == (
        "the result = 6 by 1 operation from x = 2 and y = 3; ∂result/∂x = 3 and ∂result/∂y = 2."
    )
