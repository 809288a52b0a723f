"""Typed answers are read the way people write them, and what cannot be read gets a sentence."""

import math
import re

import pytest

from course_lib import questions
from course_lib.exercise import all_lessons
from course_lib.questions import (
    Question,
    Unreadable,
    choice,
    number,
    raises_or_shape,
    shape,
    true_false,
    works_or_raises,
)


@pytest.mark.parametrize(
    "typed, value",
    [
        ("1.4", 1.4), ("1,4", 1.4), ("−1.3", -1.3), ("-1,3", -1.3), ("7/5", 1.4), ("-7/5", -1.4), ("2e-3", 0.002),
        (" 12 ", 12), ("+3", 3), ("2·10^-3", 0.002), ("2*10**-3", 0.002), (".5", 0.5), ("1 000", 1000),
        ("− 2", -2), ("1e3", 1000), ("sqrt(25)", 5), ("√2", 2**0.5), ("one", 1), ("Zero", 0),
        ("-math.sqrt(0.25)", -0.5), ("√(1/4)", 0.5),
    ],
)  # fmt: skip
def test_a_number_is_read_as_people_write_it(typed, value):
    assert Question("", number(0)).read(typed) == pytest.approx(value)


@pytest.mark.parametrize(
    "typed", ["", "several", "1.4.2", "1,4,2", "7/0", "x", "(1)", "1/2/3", "None", "sqrt(x)", "√", "sqrt(-1)"]
)
def test_what_is_no_number_is_said_in_a_sentence(typed):
    with pytest.raises(Unreadable, match="not a number; type one such as"):
        Question("", number(0)).read(typed)


@pytest.mark.parametrize("typed", ["True", "true", "t", "yes", "Y", "right", "True."])
def test_yes_in_many_words(typed):
    assert Question("", true_false(True)).read(typed) is True


@pytest.mark.parametrize("typed", ["False", "f", "no", "N", "wrong", "FALSE!"])
def test_no_in_many_words(typed):
    assert Question("", true_false(True)).read(typed) is False


def test_a_question_may_have_several_right_answers():
    axis = Question("", number(0, rtol=1e-6, also=(-2,)))
    assert [axis.is_right(typed) for typed in (0, -2, 1, -1)] == [True, True, False, False]


def test_maybe_is_neither():
    with pytest.raises(Unreadable, match="'maybe' is neither True nor False"):
        Question("", true_false(True)).read("maybe")


@pytest.mark.parametrize(
    "typed, value",
    [
        ("(2, 4)", (2, 4)), ("2, 4", (2, 4)), ("2x4", (2, 4)), ("2×4", (2, 4)), ("2 4", (2, 4)), ("[2,4]", (2, 4)),
        ("torch.Size([2, 4])", (2, 4)), ("(3,)", (3,)), ("3", (3,)), ("()", ()), ("[]", ()), ("2 X 4", (2, 4)),
        ("2*4", (2, 4)), ("2·4", (2, 4)),
    ],
)  # fmt: skip
def test_a_shape_is_read_as_people_write_it(typed, value):
    assert Question("", shape((2, 4))).read(typed) == value


@pytest.mark.parametrize("typed", ["", "two by four", "(2.5, 4)", "2-4", "(2, -4)", "raises"])
def test_what_is_no_shape_is_said_in_a_sentence(typed):
    with pytest.raises(Unreadable, match="not a shape"):
        Question("", shape((2, 4))).read(typed)


@pytest.mark.parametrize(
    "typed",
    ["raises", "Raises.", "error", "an error", "exception", "RecursionError", "a TypeError", "it raises", "raises an error"],
)
def test_an_error_has_many_names(typed):
    assert Question("", raises_or_shape((2, 4))).read(typed) == "raises"
    assert Question("", works_or_raises("raises")).read(typed) == "raises"


@pytest.mark.parametrize("typed", ["works", "Works", "it works", "works."])
def test_working_has_some_names(typed):
    assert Question("", works_or_raises("raises")).read(typed) == "works"


def test_a_shape_may_be_typed_where_an_error_is_possible():
    assert Question("", raises_or_shape("raises")).read("(5, 3)") == (5, 3)


@pytest.mark.parametrize("typed", ["x", "X", " x ", "`x`", "'x'", '"x"'])
def test_a_word_may_be_quoted_and_in_any_case(typed):
    assert Question("", choice("x", "y")).read(typed) == "x"


@pytest.mark.parametrize("typed, read", [("tenth", "a tenth"), ("the tenth", "a tenth"), ("a tenth", "a tenth"),
                                         ("an input", "input"), ("fall", "falls"), ("Rises.", "rise")])
def test_a_word_may_have_an_article_or_an_s_too_many_or_too_few(typed, read):
    assert Question("", choice("a tenth", "input", "falls", "rise")).read(typed) == read


def test_no_two_answers_of_one_question_are_the_same_word():
    for lesson in all_lessons():
        for question in lesson.questions.values():
            if question.kind.wanted.startswith("one of "):
                words = re.split(r", (?![^(]*\))", question.kind.wanted.removeprefix("one of "))
                assert [question.read(word) for word in words] == words


def test_a_word_that_is_no_choice_is_told_the_choices():
    with pytest.raises(Unreadable, match="'w' is not an answer here; type one of x, y, z"):
        Question("", choice("z", "y", "x")).read("w")


def test_none_or_a_number_takes_just_that():
    question = Question("", choice("None"), slips={"0": "Nothing is not zero."})
    assert question.is_right(question.read("none")) and not question.is_right(question.read("0"))
    assert question.slip(question.read("0.0")) == "Nothing is not zero."
    for typed in ("  ", "banana"):
        with pytest.raises(Unreadable, match="None or a number"):
            question.read(typed)


@pytest.mark.parametrize("typed", ["stack", "torch.stack", "Torch.Stack"])
def test_a_name_is_known_with_and_without_torch_before_it(typed):
    assert Question("", choice("torch.stack", "torch.tensor")).read(typed) == "torch.stack"


def test_autograd_grad_is_known_by_its_full_name():
    assert Question("", choice("autograd.grad", "backward")).read("torch.autograd.grad") == "autograd.grad"


def test_a_prediction_is_right_within_two_percent():
    question = Question("", number(1.4))
    assert question.is_right(1.42) and question.is_right(1.38)
    assert not question.is_right(1.44) and not question.is_right(-1.4)


@pytest.mark.parametrize("wrong", [0.02, 0.0, 0.005, 0.012])
def test_small_right_answers_are_compared_as_strictly_as_large_ones(wrong):
    assert not Question("", number(0.01, rtol=0.1)).is_right(wrong)


def test_a_right_answer_of_zero_has_a_little_room():
    question = Question("", number(0.0), slips={0.27: "The formula would."})
    assert question.is_right(0.0) and question.is_right(1e-4)
    assert not question.is_right(0.27) and question.slip(0.27) == "The formula would."


def test_a_number_may_be_exact():
    question = Question("", number(32, rtol=0))
    assert question.is_right(32.0) and not question.is_right(32.01)


def test_a_slip_has_its_own_sentence_and_other_answers_have_none():
    question = Question("", number(1.4), slips={0.49: "That is the height.", 2: "That is the slope at 1."})
    assert question.slip(0.49) == "That is the height." and question.slip(2.0) == "That is the slope at 1."
    assert question.slip(7) == ""


def test_true_and_one_are_different_answers():
    assert not Question("", true_false(True)).is_right(1)


def test_numbers_are_shown_with_a_real_minus():
    assert questions.show_number(-1.3) == "−1.3"
    assert questions.show_number(1 / 3) == "0.3333"
    assert math.isclose(questions.read_number(questions.show_number(-0.25)), -0.25)


@pytest.mark.parametrize("kind", [number(1.5), true_false(False), shape((2, 4)), raises_or_shape((2,)), choice("None")])
def test_what_is_wanted_can_be_said(kind):
    assert kind.wanted and kind.read(kind.show(kind.right)) is not None
