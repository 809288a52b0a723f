"""Predictions wait, are compared with what happens, and quizzes answer at once."""

import warnings

import pytest
import torch

from course_lib import quiz
from course_lib.exercise import all_lessons
from course_lib.quiz import Marker, Outcome, Prediction, Reveal, attempt, fill, plain_value, question_of

QUESTION = "01-slope"  # x² at 0.7, so 1.4; 0.49 is the height


@pytest.fixture(autouse=True)
def no_guesses(monkeypatch):
    monkeypatch.setattr(quiz, "_guesses", {})
    monkeypatch.setattr(quiz, "_waiting", {})


def guess(text):
    prediction = Prediction(QUESTION, question_of(QUESTION))
    return prediction.keep(prediction.question.read(text))


def revealed(happened=1.4):
    return Reveal(QUESTION, question_of(QUESTION), happened)


def test_without_a_prediction_the_result_is_folded():
    html = revealed()._repr_html_()
    assert html.index("<details") < html.index("<strong>1.4") < html.index("</details>")


def test_a_right_prediction_is_shown_beside_what_happens():
    guess("7/5")
    html = revealed()._repr_html_()
    assert "as predicted" in html and "<details" not in html and html.count("1.4") >= 2


def test_a_wrong_prediction_is_answered_with_the_sentence_for_that_slip():
    guess("0.49")
    html = revealed()._repr_html_()
    assert "a surprise" in html and "height" in html


def test_a_prediction_made_late_updates_what_was_revealed():
    shown = []

    class Handle:
        def update(self, again):
            shown.append(repr(again))

    late = revealed()
    late.handle = Handle()
    quiz._waiting[QUESTION] = late
    guess("2")
    assert shown == ["You predicted 2; what happens: 1.4"]


def test_reveal_compares_with_what_happened_not_with_a_stored_answer():
    guess("3")
    assert "as predicted" in revealed(3.0)._repr_html_()


def test_an_unknown_question_is_named():
    with pytest.raises(KeyError, match="no question 'nonsense'"):
        quiz.predict("nonsense")


@pytest.mark.parametrize(
    "happened, plain",
    [
        (torch.tensor(1.5), 1.5), (torch.tensor(True), True), (torch.zeros(2, 3).shape, (2, 3)), (None, "None"),
        (4, 4), (torch.tensor(2.0, requires_grad=True), 2.0),
    ],
)
def test_what_happens_becomes_comparable(happened, plain):
    value = plain_value(happened)
    assert value == plain and type(value) is type(plain)


def test_attempt_prints_the_real_message_and_goes_on(capsys):
    with attempt() as outcome:
        torch.tensor(2, requires_grad=True)
    assert outcome.word == "raises"
    assert capsys.readouterr().out.startswith("RuntimeError: Only Tensors of floating point")


def test_attempt_says_when_lines_work(capsys):
    with attempt() as outcome:
        torch.tensor(2.0, requires_grad=True)
    assert plain_value(outcome) == "works" and capsys.readouterr().out == ""


def test_attempt_prints_only_the_first_sentence_of_a_warning(capsys):
    with attempt():
        warnings.warn("Something is off. It is in /some/file.py line 3.", UserWarning, stacklevel=1)
    assert capsys.readouterr().out == "UserWarning: Something is off.\n"


def test_attempt_does_not_hold_back_an_interrupt():
    with pytest.raises(KeyboardInterrupt), attempt():
        raise KeyboardInterrupt


def test_a_blank_step_is_open_a_right_one_good_a_known_slip_is_explained():
    assert repr(fill("01-fill-forward", ...)).startswith("○")
    assert repr(fill("01-fill-forward", (3.1**3 - 27) / 0.1)).startswith("✓")
    assert "2h belongs to the central one" in repr(fill("01-fill-forward", (3.1**3 - 27) / 0.2))
    assert "something of type str" in repr(fill("01-fill-forward", "27"))


def test_the_second_wrong_answer_brings_the_explanation():
    marker = Marker(question_of("01-recall-line"))
    first, second = marker.mark(6.0), marker.mark(7.0)
    assert "Try once more" in first and "rise" in first
    assert "It is 3" in second and question_of("01-recall-line").why in second


def test_typing_into_the_field_answers_in_the_line_below_it():
    kept = []
    field = quiz.field("<p>?</p>", question_of(QUESTION), lambda answer: kept.append(answer) or "noted", "Keep")
    text, line = field.children[1].children[0], field.children[2]
    text.value = "abc"
    assert "not a number" in line.value and kept == []
    text.value = "−1,4"
    assert kept == [-1.4] and "noted" in line.value


def test_what_was_typed_is_escaped():
    field = quiz.field("<p>?</p>", question_of(QUESTION), str, "Keep")
    field.children[1].children[0].value = "<script>alert(1)</script>"
    assert "<script>" not in field.children[2].value


@pytest.mark.parametrize("lesson", [lesson.number for lesson in all_lessons()])
def test_every_quiz_shows_all_its_questions_as_text_and_as_fields(lesson):
    shown = quiz.exit_ticket(lesson)
    assert len(shown.widget().children) == len(shown.questions) == 3
    assert all(question.text in repr(shown) for question in shown.questions)


def test_an_unknown_lesson_is_named_with_the_known_ones():
    with pytest.raises(KeyError, match="there is no lesson '77'; there are 00, 01"):
        quiz.recall("77")


def test_an_outcome_reads_as_its_word():
    assert repr(Outcome()) == "works"
