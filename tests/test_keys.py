"""Every key, with every exercise there is: right answers pass in any style, wrong ones fail and are named.

The answers are in tests/answers/, a module for each lesson.
"""

import contextlib
import inspect
import itertools
import math
import os
import re
import warnings

import numpy as np
import pytest
import sympy
import torch

from course_lib.exercise import all_exercises, all_lessons
from course_lib.feedback import plain
from course_lib.judge import LocalSource, Status, judge
from course_lib.keys import lesson_05, lesson_06r, mini
from course_lib.questions import Question
from tests.answers import all_banks, lesson_09
from tests.answers.lesson_01 import (
    by_backward,
    by_backward_in_float32,
    input_itself_tracked,
    with_default_dtype_changed,
)

EXERCISES = all_exercises()
BANKS = all_banks()
FEW = int(os.environ.get("COURSE_SEEDS", "3"))  # COURSE_SEEDS=200 pytest tests/test_keys.py hunts for rare failures
HONEST = [param for bank in BANKS.values() for param in bank.answers]
VALUES = [param for bank in BANKS.values() for param in bank.values]
LOOSE = {name for bank in BANKS.values() for name in bank.loose}
SLIPS = [param for bank in BANKS.values() for param in bank.slips]


def of_banks(names):
    """Those whose lesson has a bank: test_every_lesson_has_a_bank_of_answers speaks of the others."""
    return [name for name in names if EXERCISES[name].lesson in BANKS]


def seeds(name):
    """The public seed and some secret ones."""
    return ("public", *range(max(FEW, BANKS[EXERCISES[name].lesson].seeds)))


FUNCTIONS = of_banks(name for name, exercise in EXERCISES.items() if exercise.kind == "function")
CLASSES = of_banks(name for name, exercise in EXERCISES.items() if exercise.kind == "class")


def first_right_answer(name):
    return next(param.values[1] for param in HONEST if param.values[0] == name)


def test_every_lesson_has_a_bank_of_answers():
    assert list(BANKS) == [lesson.number for lesson in all_lessons()]
    assert all(EXERCISES[param.values[0]].lesson == bank.lesson for bank in BANKS.values() for param in bank.answers)


# --- right answers ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name, answer", HONEST)
def test_a_right_answer_gets_full_points(name, answer):
    for seed in seeds(name):
        verdict = judge(EXERCISES[name], LocalSource(answer), seed=seed)
        assert verdict.passed and verdict.score == verdict.max_score, (seed, verdict)


@pytest.mark.parametrize("name, value", VALUES)
def test_a_right_value_gets_full_points(name, value):
    verdict = judge(EXERCISES[name], LocalSource(value))
    assert verdict.passed and verdict.score == verdict.max_score


@pytest.mark.parametrize("name, value", VALUES)
def test_a_right_value_is_right_where_float64_is_the_default(name, value):
    torch.set_default_dtype(torch.float64)
    try:
        assert judge(EXERCISES[name], LocalSource(value)).passed
    finally:
        torch.set_default_dtype(torch.float32)


@pytest.mark.parametrize("name, value", VALUES)
def test_a_right_value_is_right_where_the_notebook_switched_gradients_off(name, value):
    with torch.no_grad():
        assert judge(EXERCISES[name], LocalSource(value)).passed


def test_only_one_order_of_the_five_lines_is_right():
    key = EXERCISES["first_backward_order"]
    right = ["".join(order) for order in itertools.permutations("ABCDE") if judge(key, LocalSource(list(order))).passed]
    assert right == ["DBECA"]


def test_only_one_choice_and_order_of_the_seven_lines_about_the_mean_is_right():
    key = EXERCISES["mean_gradient_order"]
    orders = (order for order in itertools.permutations("ABCDEFG", 5) if order[0] == "D")  # all others stop at once
    assert ["".join(order) for order in orders if judge(key, LocalSource(list(order))).passed] == ["DFBEA"]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_right_answer_off_by_a_thousandth_does_not_pass(name):
    right, result = first_right_answer(name), right_result(name)
    words = result if isinstance(result, list) else [result]
    if name not in LOOSE and not all(isinstance(word, str) for word in words):  # words have no thousandth
        assert not judge(EXERCISES[name], LocalSource(lambda *args: scaled(right(*args), 1.001))).passed


@pytest.mark.parametrize("name", [*FUNCTIONS, *CLASSES])
def test_a_function_is_answered_honestly_in_at_least_three_styles(name):
    assert [param.values[0] for param in HONEST].count(name) >= 3


@pytest.mark.parametrize("name", of_banks(name for name, exercise in EXERCISES.items() if exercise.kind != "function"))
def test_a_value_has_a_right_answer(name):
    assert name in [param.values[0] for param in VALUES]


def test_habits_that_are_no_mistakes_earn_advice():
    assert "float32" in judge(EXERCISES["slope_at"], LocalSource(by_backward_in_float32)).advice[0]
    assert "default dtype" in judge(EXERCISES["slope_at"], LocalSource(with_default_dtype_changed)).advice[0]
    assert "xs" in judge(EXERCISES["curve_and_slope"], LocalSource(input_itself_tracked)).advice[0]
    assert judge(EXERCISES["slope_at"], LocalSource(by_backward)).advice == ()


@pytest.mark.parametrize("name, answer, words", [
    ("SquareFn", lesson_09.AttributeOfCtx, "attribute of ctx"), ("MulFn", lesson_09.OnceIsEnough, "attribute of ctx"),
    ("CubeFn", lesson_09.InputKeptOnCtx, "attribute of ctx"), ("GradClip", lesson_09.ClampedInPlace, "in place"),
])  # fmt: skip
def test_habits_of_a_function_that_go_wrong_elsewhere_earn_advice(name, answer, words):
    verdict = judge(EXERCISES[name], LocalSource(answer))
    assert verdict.passed and words in verdict.advice[0]
    assert judge(EXERCISES[name], LocalSource(first_right_answer(name))).advice == ()


def test_a_warning_on_the_way_through_a_function_is_told_and_costs_nothing():
    class Warns(lesson_09.SavedInput):
        @staticmethod
        def backward(ctx, g):
            warnings.warn("an old way of writing. Use another", stacklevel=1)
            return lesson_09.SavedInput.backward(ctx, g)

    verdict = judge(EXERCISES["SquareFn"], LocalSource(Warns))
    assert verdict.passed and verdict.advice == ("PyTorch warned: an old way of writing.",)


@pytest.mark.parametrize("key, name", [(lesson_05, "hvp_at"), (lesson_06r, "curvature_along")])
def test_a_hessian_that_was_built_is_right_and_advised_against(monkeypatch, key, name):
    monkeypatch.setattr(key, "SLOW", -1.0)  # as on a machine where it takes long
    verdict = judge(EXERCISES[name], LocalSource(first_right_answer(name)))
    assert verdict.passed and verdict.score == verdict.max_score and "four million numbers" in verdict.advice[0]
    monkeypatch.setattr(key, "SLOW", math.inf)
    assert judge(EXERCISES[name], LocalSource(first_right_answer(name))).advice == ()


# --- wrong answers ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", of_banks(name for name, exercise in EXERCISES.items() if exercise.mistakes))
def test_every_mistake_fails_and_is_named(name):
    exercise = EXERCISES[name]
    for seed, mistake in itertools.product(seeds(name), exercise.mistakes):
        verdict = judge(exercise, LocalSource(mistake.make()), seed=seed)
        assert not verdict.passed and verdict.score < exercise.points, (seed, mistake.name)
        # Two wordings of one idea share an id, and the sentence must be the one of the answer that was given.
        assert (verdict.misconception, verdict.sentence) == (mistake.id, mistake.sentence), (seed, mistake.name)


LETTERS = [(name, mistake) for name, exercise in EXERCISES.items() if exercise.kind == "choice"
           for mistake in exercise.mistakes if isinstance(mistake.make(), str)]


@pytest.mark.parametrize("name, mistake", LETTERS, ids=lambda part: part if isinstance(part, str) else part.id)
def test_a_wrong_word_is_named_however_it_is_written(name, mistake):
    for said in (mistake.make().lower(), f" {mistake.make().upper()} "):
        verdict = judge(EXERCISES[name], LocalSource(said))
        assert (verdict.misconception, verdict.sentence) == (mistake.id, mistake.sentence)


def right_result(name):
    """What the first right answer returns to the first question of the key."""
    seen = []

    class Listening(LocalSource):
        def ask(self, args):
            reply = super().ask(args)
            seen.append(reply.value)
            return reply

    judge(EXERCISES[name], Listening(first_right_answer(name)))
    return seen[0]


def scaled(value, factor):
    if isinstance(value, tuple | list):
        return type(value)(scaled(entry, factor) for entry in value)
    if isinstance(value, dict):
        return {key: scaled(entry, factor) for key, entry in value.items()}
    return factor * value


def of_the_same_kind(value, number):
    """The answer with every number in it replaced."""
    if isinstance(value, tuple | list):
        return type(value)(of_the_same_kind(entry, number) for entry in value)
    if isinstance(value, dict):
        return {key: of_the_same_kind(entry, number) for key, entry in value.items()}
    return torch.full_like(value, number).detach() if isinstance(value, torch.Tensor) else number


def trivial_answers(name):
    """Answers without a thought behind them: (words, function, seed)."""
    right = first_right_answer(name)
    thoughtless = [
        ("negated", lambda *args: scaled(right(*args), -1)),
        ("first argument", lambda *args: args[0]),
        ("second argument", lambda *args: args[min(1, len(args) - 1)]),
        ("third argument", lambda *args: args[min(2, len(args) - 1)]),
        ("None", lambda *args: print("nothing returned")),
        ("raises", lambda *args: 1 / 0),
        ("raises ValueError", lambda *args: math.sqrt(-1)),
        ("text", lambda *args: "0.7"),
        ("True", lambda *args: True),
        ("zeros like the input", lambda *args: torch.zeros_like(args[-1])),
        ("a tracked sum of the input", lambda *args: args[-1].sum()),
        ("the empty list", lambda *args: []),
        ("the empty dict", lambda *args: {}),
        ("the keys of the last argument", lambda *args: list(args[-1])),
        ("dots", lambda *args: ...),
    ]
    if name not in LOOSE:
        thoughtless.append(("doubled", lambda *args: scaled(right(*args), 2)))
    if isinstance(right_result(name), str):
        words = ("min", "max", "saddle", "not critical")
        thoughtless += [(word, lambda *args, word=word: word) for word in words]
    for number in (0.0, 1.0, -1.0, 0.7, math.nan, math.inf, 1e-5, 1e-2, 1e-3):
        thoughtless.append((f"constant {number}", lambda *args, number=number: number))
        if not EXERCISES[name].signature.endswith("-> None"):  # what acts and returns nothing would act here, too
            in_shape = lambda *args, number=number: of_the_same_kind(right(*args), number)  # noqa: E731
            thoughtless.append((f"{number} in its shape", in_shape))
    for seed, (words, answer) in enumerate(thoughtless):
        yield words, answer, "public"
        if seed % 3 == FEW % 3:  # and some of them in other cases
            yield words, answer, seed


@pytest.mark.parametrize("name", FUNCTIONS)
def test_answers_without_a_thought_score_nothing(name):
    for words, answer, seed in trivial_answers(name):
        verdict = judge(EXERCISES[name], LocalSource(answer), seed=seed)
        assert verdict.score == 0, (seed, words, verdict)
        assert verdict.status not in (Status.CORRECT, Status.OPEN, Status.NOT_JUDGED), (seed, words, verdict)


@pytest.mark.parametrize("name, answer, words, named", SLIPS)
def test_a_wrong_answer_as_students_write_it_fails_and_is_not_called_something_else(name, answer, words, named):
    for seed in ("public", *range(1, FEW - 1)):
        verdict = judge(EXERCISES[name], LocalSource(answer), seed=seed)
        assert not verdict.passed and verdict.misconception == named, (seed, verdict)
    assert words in plain(judge(EXERCISES[name], LocalSource(answer)), EXERCISES[name])


@pytest.mark.parametrize(
    "name, value, named",
    [
        ("mean_gradient_order", "d f b g a", "A16"), ("mean_gradient_order", ["d", "f", "b", "c", "a"], "A16-inverse"),
        ("tensor_kinds", ["LEAF", "leaf", "no graph", "no_graph", "non leaf", "Non-leaf", "leaf", "no graph"], "B8"),
        ("review_a_methods", ["difference", "backward()", ".backward()", "detach", "no_grad", "formula"], "C5"),
        ("training_script_faults", "abd", "E5"), ("fault_triple_fault", "F5, E5, C1", "C1"),
        ("fault_triple_fault", ["F1", "B8", "E5"], "B8"), ("fault_lost_leaf", ["b8"], "B8"), ("loop_order", "cfaeb", "F2"),
    ],
)  # fmt: skip
def test_a_wrong_value_is_named_however_it_is_written(name, value, named):
    verdict = judge(EXERCISES[name], LocalSource(value))
    assert (verdict.passed, verdict.misconception) == (False, named)


@pytest.mark.parametrize("name", [name for name in FUNCTIONS if EXERCISES[name].given])
def test_the_broken_code_of_a_repair_task_is_open_until_it_is_touched(name):
    exercise = EXERCISES[name]
    assert judge(exercise, LocalSource(exercise.given)).status is Status.OPEN


@pytest.mark.parametrize("name", [name for name in FUNCTIONS if EXERCISES[name].given])
def test_the_broken_code_of_a_repair_task_is_wrong_under_another_layout(name):
    exercise = EXERCISES[name]
    verdict = judge(exercise, LocalSource(lambda *args: exercise.given(*args)))
    assert not verdict.passed and verdict.score == 0


@pytest.mark.parametrize("left", ["E5", "F12"])
def test_one_of_two_faults_mended_earns_its_part(left):
    exercise = EXERCISES["fix_review_step"]
    answer = next(mistake.make() for mistake in exercise.mistakes if mistake.id == left)
    for seed in seeds("fix_review_step"):
        assert judge(exercise, LocalSource(answer), seed=seed).score == 0.8


# --- lines to sort and re-checks -------------------------------------------------------------------------------------


def from_lines(exercise, lines):
    """The function whose body these lines are."""
    names = {"torch": torch, "np": np, "math": math}
    if exercise.lesson == "10":  # the rest of its notebook
        exec(inspect.getsource(mini), names)
    body = "\n    ".join(lines)
    exec(f"from __future__ import annotations\ndef {exercise.name}{exercise.signature}:\n    {body}", names)
    made = names[exercise.name]
    return contextlib.contextmanager(made) if inspect.isgeneratorfunction(made) else made


def indent(line):
    return len(line) - len(line.lstrip())


SORTED = [name for name, exercise in EXERCISES.items() if exercise.lines]


@pytest.mark.parametrize("name", SORTED)
def test_the_lines_to_sort_make_a_right_answer(name):
    exercise = EXERCISES[name]
    assert judge(exercise, LocalSource(from_lines(exercise, exercise.lines))).passed
    assert sorted(exercise.shuffled_lines) == sorted(line.strip() for line in (*exercise.lines, *exercise.lures.values()))
    given_away = [line for line in exercise.shuffled_lines if line in map(str.strip, exercise.lines)]
    assert given_away != [line.strip() for line in exercise.lines], "the shuffled order is the right one"


@pytest.mark.parametrize("name", SORTED)
def test_each_lure_among_the_lines_makes_the_mistake_it_stands_for(name):
    exercise = EXERCISES[name]
    assert 1 <= len(exercise.lures) <= 3
    for id, lure in exercise.lures.items():
        bodies = [
            [*exercise.lines[:i], lure, *exercise.lines[i + 1 :]] for i, line in enumerate(exercise.lines)
            if indent(line) == indent(lure) and not line.endswith(":")
        ]
        named = {judge(exercise, LocalSource(from_lines(exercise, body))).misconception for body in bodies}
        assert id in named, (id, named)


@pytest.mark.parametrize("lesson", [lesson.number for lesson in all_lessons() if "01" <= lesson.number <= "07"
                                    and lesson.number.isdigit()])
def test_the_lessons_that_introduce_a_tool_offer_lines_to_sort(lesson):
    assert len([name for name in SORTED if EXERCISES[name].lesson == lesson]) >= 2


def test_a_re_check_names_exercises_of_earlier_lessons():
    order = list(EXERCISES)
    for name, exercise in EXERCISES.items():
        for earlier in exercise.rechecks:
            assert order.index(earlier) < order.index(name) and EXERCISES[earlier].lesson != exercise.lesson


# --- texts -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", EXERCISES)
def test_an_exercise_says_all_that_a_student_needs(name):
    exercise = EXERCISES[name]
    assert exercise.title and 1 <= exercise.minutes <= (40 if exercise.lesson == "10" else 30)  # the capstone's are larger
    is_review = exercise.lesson.endswith("r")
    pattern = r"K\d[a-e]?|KT|T\d" if exercise.lesson == "10" else rf"{exercise.lesson.removeprefix('0')}\.\d+[a-f]?"
    assert re.fullmatch(r"R[A-C]\.\d" if is_review else pattern, exercise.number)
    assert re.fullmatch(r"r[A-C]" if is_review else rf"{exercise.lesson}[a-g]", exercise.section)
    assert len(exercise.hints) >= 3 or exercise.points == 0
    assert len(set(exercise.hints)) == len(exercise.hints)
    assert len(exercise.mistakes) >= 4 or exercise.points == 0
    assert all(parameter.isidentifier() for parameter in exercise.parameters)
    assert bool(exercise.parameters) == (exercise.kind == "function" and exercise.signature != "()")


@pytest.mark.parametrize("name", EXERCISES)
def test_mistakes_have_ids_names_and_sentences_of_their_own(name):
    mistakes = EXERCISES[name].mistakes
    assert all(re.fullmatch(r"[A-F]\d+|[a-z]+(-[a-z]+)*|[A-F]\d+-[a-z]+", mistake.id) for mistake in mistakes)
    assert len({mistake.name for mistake in mistakes}) == len(mistakes)
    assert len({mistake.sentence for mistake in mistakes}) == len(mistakes)
    assert all(mistake.sentence.endswith(".") and len(mistake.sentence) < 250 for mistake in mistakes)


def test_no_sentence_holds_marks_that_only_markdown_renders():
    exercises, questions = EXERCISES.values(), QUESTIONS.values()
    said = [text for exercise in exercises for text in (exercise.title, *exercise.hints, *exercise.lures.values())]
    said += [mistake.sentence for exercise in exercises for mistake in exercise.mistakes]
    said += [text for question in questions for text in (question.text, question.why, *question.slips.values())]
    emphasis = re.compile(r"(?<![\w*)\]])(\*\*?)[^\s*`][^*\n`]*?\1(?![\w*(])")
    assert emphasis.search("the slope *of* f") and emphasis.search("**all**") and not emphasis.search("w[:, None] * g * x**2")
    assert [text for text in said if emphasis.search(text)] == []


def test_numbers_of_exercises_are_unique():
    numbers = [exercise.number for exercise in EXERCISES.values()]
    assert len(set(numbers)) == len(numbers)


HIDDEN = [(name, pattern) for bank in BANKS.values() for name, pattern in bank.hidden.items()]


@pytest.mark.parametrize("name, pattern", HIDDEN)
def test_no_hint_holds_a_line_of_a_right_answer(name, pattern):
    """A hint may name a call; a whole expression that could be returned is the answer."""
    assert not re.search(pattern, " ".join(EXERCISES[name].hints))


# --- quizzes: every computable answer is computed --------------------------------------------------------------------

QUESTIONS = {id: question for lesson in all_lessons() for id, question in lesson.questions.items()}
COMPUTED = {id: compute for bank in BANKS.values() for id, compute in bank.computed.items()}


@pytest.mark.filterwarnings("ignore:Using backward")
@pytest.mark.parametrize("id", COMPUTED)
def test_the_answer_to_a_question_is_what_torch_or_sympy_computes(id):
    right = QUESTIONS[id].kind.right
    if isinstance(right, float | int) and not isinstance(right, bool):
        assert float(COMPUTED[id]()) == pytest.approx(right, abs=1e-6)
    else:
        assert COMPUTED[id]() == right


@pytest.mark.parametrize("bank", BANKS.values(), ids=BANKS)
def test_every_answer_is_computed_or_its_bank_says_why_not(bank):
    questions = next(lesson.questions for lesson in all_lessons() if lesson.number == bank.lesson)
    assert not bank.computed.keys() & bank.told.keys()
    assert bank.computed.keys() | bank.told.keys() == questions.keys()


@pytest.mark.parametrize("id", QUESTIONS)
def test_a_question_is_complete_and_no_slip_is_the_right_answer(id):
    question = QUESTIONS[id]
    assert isinstance(question, Question) and question.text and question.why
    assert not any(question.is_right(slip) for slip in question.slips)
    assert all(question.slip(slip) == sentence for slip, sentence in question.slips.items())
    assert question.is_right(question.read(question.kind.show(question.kind.right)))


def test_the_questions_quoted_slips_are_what_the_other_way_gives():
    """01-corner and 01-second name numbers of other computations."""
    zero = torch.tensor(0.0)
    assert torch.func.grad(lambda t: t.clamp(min=0))(zero) == 1
    assert torch.func.grad(lambda t: torch.maximum(t, torch.tensor(0.0)))(zero) == 0.5
    x = sympy.Symbol("x")
    first, second = (float(sympy.diff(x**3, x, k).subs(x, 0.7)) for k in (1, 2))
    assert (first, second, first + second, 2 * first) == pytest.approx((1.47, 4.2, 5.67, 2.94))


@pytest.mark.parametrize("lesson", all_lessons(), ids=lambda lesson: lesson.number)
def test_recall_and_exit_tickets_name_questions_that_exist(lesson):
    assert set(lesson.recall) | set(lesson.exit_ticket) <= set(lesson.questions)
    assert len(lesson.exit_ticket) == 3


@pytest.mark.parametrize("defined", [True, False], ids=["wrong", "missing"])
def test_a_right_training_counts_beside_a_rounding_that_is_wrong_or_missing(defined):
    rounding = """
class RoundSTE(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return torch.round(x)
    @staticmethod
    def backward(ctx, g):
        return 0 * g
"""
    training = """
def train_quantised(x, y, steps, lr):
    w = torch.zeros((), dtype=x.dtype, requires_grad=True)
    for _ in range(steps):
        (slope,) = torch.autograd.grad(((RoundSTE.apply(w) * x - y) ** 2).mean(), w)
        with torch.no_grad():
            w -= lr * slope
    return RoundSTE.apply(w).item()
"""
    names = {"torch": torch}
    exec(compile(rounding * defined + training, "<cell>", "exec"), names)
    own = names.get("RoundSTE")
    verdict = judge(EXERCISES["train_quantised"], LocalSource(names["train_quantised"]))
    assert verdict.passed and names.get("RoundSTE") is own
