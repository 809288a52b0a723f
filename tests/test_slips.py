"""Questions come in the order of the backward pass; a slip is named by the numbers of the graph, its answer never."""

import math
import re

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from programs import programs

from course_lib import theme
from course_lib.graph import trace
from course_lib.live import Unclear
from course_lib.slips import answer, diagnose, hint, is_right, names_in, questions, read_number, slope_at, wording


def x_sin_x2(x):
    a = x**2
    b = torch.sin(a)
    y = x * b
    return y


GRAPH = trace(x_sin_x2, x=0.7)
ASKED = questions(GRAPH)
COS = math.cos(0.49)


def asked(kind, name, source=None):
    """The question for the gradient of a node, or for the local derivative between two."""
    for question in ASKED:
        if question.kind == kind == "gradient" and question.index == GRAPH.node(name).id:
            return question
        if question.kind == kind == "local":
            edge = GRAPH.edges[question.index]
            if (edge.source, edge.target) == (GRAPH.node(source).id, GRAPH.node(name).id):
                return question
    raise AssertionError("no such question")


def test_the_questions_follow_the_backward_pass_and_have_the_numbers_of_the_graph():
    assert [question.kind for question in ASKED] == [
        "local", "local", "gradient", "local", "gradient", "local", "gradient"
    ]
    assert [question.want for question in ASKED] == pytest.approx(
        [math.sin(0.49), 0.7, 0.7, COS, 0.7 * COS, 1.4, math.sin(0.49) + 1.4 * 0.7 * COS]
    )


def test_the_questions_read_like_questions():
    assert [wording(GRAPH, question) for question in ASKED[:4]] == [
        "local derivative ×?: how fast does y = mul change with x = 0.7, b held?",
        "local derivative ×?: how fast does y = mul change with b = 0.4706, x held?",
        "gradient ∂?: how fast does y change with b?",
        "local derivative ×?: how fast does b = sin change with a = 0.49?",
    ]


@pytest.mark.parametrize(
    "question, got, words",
    [
        (asked("local", "b", "a"), math.cos(0.7), "the slope of sin at x = 0.7; what goes into it here is a = 0.49"),
        (asked("local", "b", "a"), math.sin(0.49), "the value of b, not how fast it changes"),
        (asked("local", "b", "a"), math.cos(1.4), "takes sin at the slope of a; take it at the value, a = 0.49"),
        (asked("local", "b", "a"), 1.4 * COS, "has the derivative of a in it already"),
        (asked("local", "b", "a"), 0.7 * COS, "upstream × local already"),
        (asked("local", "b", "a"), -COS, "The size is right, the sign is not"),
        (asked("local", "b", "a"), 0.7, "the gradient that has arrived at b"),
        (asked("local", "b", "a"), 0.49, "the value of a; asked is how fast b changes"),
        (asked("local", "y", "x"), 0.7, "x itself; a product changes with it at the rate of the other factor"),
        (asked("local", "a", "x"), 0.7, "The exponent has to come down as a factor"),
        (asked("local", "a", "x"), 0.49, "the value of a, not how fast it changes"),
        (asked("gradient", "a"), COS, "local derivatives alone"),
        (asked("gradient", "a"), 0.7, "the gradient that b has; on its way here it meets the factor"),
        (asked("gradient", "a"), 0.7 + COS, "added upstream and local; along an arrow they are multiplied"),
        (asked("gradient", "a"), 0.49, "the value of a, not how fast y changes with it"),
        (asked("gradient", "x"), math.sin(0.49), "only what comes back from y; a sends something too"),
        (asked("gradient", "x"), 1.4 * 0.7 * COS, "only what comes back from a; y sends something too"),
        (asked("gradient", "x"), math.sin(0.49) + 0.7 * COS, "back from a the factor at the arrow is missing"),
        (asked("gradient", "x"), math.sin(0.49) * 1.4 * 0.7 * COS, "multiplied the paths"),
        (asked("gradient", "x"), math.sin(0.49) + 1.4, "local derivatives alone"),
        (asked("gradient", "x"), -(math.sin(0.49) + 1.4 * 0.7 * COS), "the sign is not"),
        (asked("gradient", "x"), 17.0, "Not yet, 17 is too large"),
        (asked("gradient", "x"), 0.111, "Not yet, 0.111 is too small"),
        (asked("gradient", "x"), -17.0, "Not yet: the sign is wrong"),
    ],
)
def test_a_slip_is_named(question, got, words):
    said = diagnose(GRAPH, question, got)
    assert words in said and said.endswith(".") and "\n" not in said


@settings(max_examples=60, deadline=None)
@given(programs(), st.floats(-3, 3))
def test_a_diagnosis_never_holds_the_answer_and_never_fails(program, got):
    graph = trace(program, **program.leaves)
    given = {theme.number(abs(number), 4) for node in graph.nodes for number in (node.value, got)}
    for question in questions(graph):
        said = set(re.findall(r"[\d.]+\d", diagnose(graph, question, got) + hint(graph, question)))
        wanted = theme.number(abs(question.want), 4)
        if len(wanted) > 4 and wanted not in given and not is_right(got, question.want):
            assert wanted not in said
        assert wording(graph, question).endswith("?") and answer(graph, question)


@settings(max_examples=60, deadline=None)
@given(programs())
def test_every_edge_and_node_that_backward_uses_is_asked_once(program):
    graph = trace(program, **program.leaves)
    found = questions(graph)
    assert sorted(q.index for q in found if q.kind == "local") == list(range(len(graph.edges)))
    assert sorted(q.index for q in found if q.kind == "gradient") == [
        node.id for node in graph.nodes if node.gradient is not None and node.id != graph.output
    ]


def test_a_double_edge_is_asked_for_each_arrow_and_the_sum_is_named():
    graph = trace(lambda x: x * x, x=0.8)
    first = questions(graph)[0]
    assert wording(graph, first).endswith("through this arrow, what comes in at the other one held?")
    assert "both arrows" in diagnose(graph, first, 1.6)
    assert "the other arrow sends something too" in diagnose(graph, questions(graph)[2], 0.8)


def test_rounded_numbers_count_and_others_do_not():
    assert is_right(0.88, 0.8823) and is_right(0.8823, 0.8823) and is_right(0, 0) and is_right(1.0, 1)
    assert not is_right(0.9, 0.8823) and not is_right(0.01, 0) and not is_right(math.nan, 0.5)


@pytest.mark.parametrize(
    "text, value",
    [
        ("0.49", 0.49), ("−0.5", -0.5), (" 2*0.7 ", 1.4), ("cos(a)", math.cos(0.49)), ("2*x", 1.4), ("x^2", 0.49),
        ("1/(1+x)", 1 / 1.7), ("-x**2", -0.49), ("tanh(b)", math.tanh(math.sin(0.49))),
    ],
)
def test_numbers_may_be_typed_as_arithmetic_with_the_names_of_the_graph(text, value):
    assert read_number(text, names_in(GRAPH)) == pytest.approx(value)


@pytest.mark.parametrize(
    "text, words",
    [
        ("", "cannot be read"), ("0,49", "cannot be read: type a number such as 0.49"), ("cos", "'cos' is no name"),
        ("z", "'z' is no name of this graph; known here: x, a, b, y"), ("1/0", "cannot be read"),
        ("9**9**9", "cannot be read"), ("(-1)**0.5", "cannot be read"), ("True", "cannot be read"),
        ("__import__('os')", "cannot be read"), ("x.real", "cannot be read"), ("cos(a, b)", "cannot be read"),
        ("1e999", "no finite number"), ("log(0)", "cannot be read"), ("(" * 300, "cannot be read"),
    ],
)
def test_what_is_no_number_is_said_in_one_sentence(text, words):
    with pytest.raises(Unclear, match="^.*\\.$") as caught:
        read_number(text, names_in(GRAPH))
    assert words in str(caught.value)


def test_slopes_elsewhere_are_found_for_operations_of_one_input():
    assert slope_at("sin", 0.3) == pytest.approx(math.cos(0.3)) and slope_at("pow 3", 2.0) == pytest.approx(12)
    assert slope_at("pow −1", 2.0) == pytest.approx(-0.25)
    assert slope_at("mul", 2.0) is None and slope_at("3 −", 2.0) is None and slope_at("nonsense", 1.0) is None


def test_the_answer_says_how_it_comes_about():
    assert answer(GRAPH, asked("gradient", "x")) == "0.6176 × 1.4 + 1 × 0.4706 = 1.335" or answer(
        GRAPH, asked("gradient", "x")) == "1 × 0.4706 + 0.6176 × 1.4 = 1.335"
    assert answer(GRAPH, asked("local", "b", "a")) == "×0.8823: sin(u) changes at the rate cos(u)"
