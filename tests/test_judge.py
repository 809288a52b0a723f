"""Demands hold or fail for the right reason, verdicts speak of the most fundamental problem, claims are careful."""

import numpy as np
import pytest
import torch

from course_lib.exercise import Exercise
from course_lib.formula import Formula, x
from course_lib.judge import CLOSE, SHARP, Layer, LocalSource, NoReply, Status, Verdict, judge, ratio_of, show
from course_lib.observe import Array, Dtype, Leaf, Other, describe

SQUARE = Formula(x**2, x)


def verdict_on(answer, key, *, points=4, signature="(a)", mistakes=(), seed="public", source=LocalSource):
    """What judge says about an answer to an exercise with this key."""
    exercise = Exercise(
        name="task",
        lesson="09",
        number="9.1",
        title="",
        signature=signature,
        points=points,
        minutes=1,
        section="09a",
        key=key,
    )
    for id, mistake in mistakes:
        exercise.mistake(id)(mistake)
    return judge(exercise, source(answer), seed=seed)


def one_demand(demand, *args):
    """A key with a single part that asks once and demands one thing."""

    def key(ask):
        with ask.part("the part"):
            demand(ask(*args))

    return key


def returns(value):
    return lambda *args: value


def leaf():
    return torch.ones(2, requires_grad=True)


V = np.array([1.0, 2.0])
HOLDS = {
    "a float": (returns(0.5), lambda answer: answer.equals(0.5)),
    "an int": (returns(2), lambda answer: answer.equals(2.0)),
    "a 0-d tensor": (returns(torch.tensor(0.5)), lambda answer: answer.equals(0.5)),
    "a NumPy scalar": (returns(np.float64(0.5)), lambda answer: answer.equals(0.5)),
    "a tensor that requires grad": (returns(torch.tensor(0.5, requires_grad=True)), lambda answer: answer.equals(0.5)),
    "an infinite answer": (returns(float("inf")), lambda answer: answer.equals(float("inf"))),
    "an array": (returns(torch.tensor([1.0, 2.0])), lambda answer: answer.equals(V)),
    "an empty array": (returns(torch.zeros(0)), lambda answer: answer.equals(np.zeros(0))),
    "a list for a tuple": (returns([1.0, torch.ones(2)]), lambda answer: answer.equals((1.0, np.ones(2)), ("a", "b"))),
    "is_tensor": (returns(leaf()), lambda answer: answer.is_tensor("float32")),
    "is_connected": (returns(leaf() * 2), lambda answer: answer.is_connected()),
    "is_detached": (returns((leaf() * 2).detach()), lambda answer: answer.is_detached()),
    "is_detached by index": (returns((leaf(), torch.ones(2))), lambda answer: answer.is_detached(1)),
    "raises": (lambda a: int("x"), lambda answer: answer.raises("ValueError", "of this")),
    "holds": (returns(1), lambda answer: answer.holds(True, "never said")),
}


@pytest.mark.parametrize("name", HOLDS)
def test_a_demand_that_holds_passes(name):
    answer, demand = HOLDS[name]
    verdict = verdict_on(answer, one_demand(demand, 0.7))
    assert verdict.passed and verdict.score == 4 and verdict.problem is None and verdict.checks[0].passed


FAILS = {
    "too large": (
        returns(0.6),
        lambda answer: answer.equals(0.5, "the slope"),
        Layer.VALUE,
        "the slope is smaller there",
    ),
    "wrong sign": (
        returns(-1.0),
        lambda answer: answer.equals(0.5, "the slope"),
        Layer.VALUE,
        "the slope is positive there",
    ),
    "not zero": (returns(1.0), lambda answer: answer.equals(0.0, "the slope"), Layer.VALUE, "the slope is 0 there"),
    "NaN": (returns(float("nan")), lambda answer: answer.equals(0.5), Layer.FINITE, "a finite number"),
    "inf": (returns(float("-inf")), lambda answer: answer.equals(0.5), Layer.FINITE, "a finite number"),
    "a huge int": (returns(10**400), lambda answer: answer.equals(0.5), Layer.FINITE, "a finite number"),
    "a bool": (returns(True), lambda answer: answer.equals(1.0), Layer.TYPE, "a number"),
    "a bool tensor": (returns(torch.tensor(True)), lambda answer: answer.equals(1.0), Layer.TYPE, "a number"),
    "None": (returns(None), lambda answer: answer.equals(1.0), Layer.TYPE, "a number"),
    "text": (returns("0.5"), lambda answer: answer.equals(0.5), Layer.TYPE, "a number"),
    "one entry": (
        returns(torch.ones(1)),
        lambda answer: answer.equals(1.0),
        Layer.SHAPE,
        "not a tensor with one entry",
    ),
    "many entries": (returns(torch.ones(2)), lambda answer: answer.equals(1.0), Layer.SHAPE, "a number"),
    "shape": (returns(torch.ones(2, 1)), lambda answer: answer.equals(V), Layer.SHAPE, "shape (2,)"),
    "a list for an array": (returns([1.0, 2.0]), lambda answer: answer.equals(V), Layer.TYPE, "a tensor of shape (2,)"),
    "a tuple of one for an array": (
        returns((torch.ones(2),)),
        lambda answer: answer.equals(V),
        Layer.TYPE,
        "not a tuple that holds one: take its entry [0]",
    ),
    "a tuple of one for a number": (
        returns((torch.tensor(0.5),)),
        lambda answer: answer.equals(0.5),
        Layer.TYPE,
        "a number, not a tuple that holds one",
    ),
    "NaN entry": (returns(torch.tensor([1, np.nan])), lambda answer: answer.equals(V), Layer.FINITE, "only finite"),
    "entry": (
        returns(torch.tensor([1.0, 3])),
        lambda answer: answer.equals(V, "the height"),
        Layer.VALUE,
        "height is smaller",
    ),
    "too few": (returns((1.0,)), lambda answer: answer.equals((1.0, 2.0)), Layer.TYPE, "2 things, as a tuple"),
    "no tuple": (returns(1.0), lambda answer: answer.equals((1.0, 2.0)), Layer.TYPE, "2 things, as a tuple"),
    "second": (
        returns((1.0, 3.0)),
        lambda answer: answer.equals((1.0, 2.0), ("height", "slope")),
        Layer.VALUE,
        "slope",
    ),
    "no tensor": (returns(1.0), lambda answer: answer.is_tensor(), Layer.TYPE, "a tensor"),
    "an ndarray": (returns(V), lambda answer: answer.is_tensor(), Layer.TYPE, "a tensor"),
    "dtype": (returns(torch.ones(2)), lambda answer: answer.is_tensor("float64"), Layer.DTYPE, "float64"),
    "not connected": (returns(torch.ones(2)), lambda answer: answer.is_connected(), Layer.CONNECTED, "connected"),
    "not detached": (returns(leaf() * 2), lambda answer: answer.is_detached(), Layer.CONNECTED, "detached"),
    "raises": (lambda a: a / 0, lambda answer: answer.equals(1.0), Layer.RAISED, "an answer"),
    "does not raise": (
        returns(1),
        lambda answer: answer.raises("ValueError", "f″ < 0"),
        Layer.PROPERTY,
        "because f″ < 0",
    ),
    "raises another": (
        lambda a: a / 0,
        lambda answer: answer.raises("ValueError", "…"),
        Layer.RAISED,
        "a ValueError, because …",
    ),
    "does not hold": (returns(1), lambda answer: answer.holds(False, "a wonder"), Layer.PROPERTY, "a wonder"),
    "no number": (returns("x"), lambda answer: answer.number(), Layer.TYPE, "a number"),
}


@pytest.mark.parametrize("name", FAILS)
def test_a_demand_that_fails_says_which_and_why(name):
    answer, demand, layer, wanted = FAILS[name]
    verdict = verdict_on(answer, one_demand(demand, 0.7))
    assert not verdict.passed and verdict.score == 0 and not verdict.checks[0].passed
    assert verdict.problem.layer is layer and wanted in verdict.problem.wanted
    assert verdict.problem.question == "a = 0.7" and verdict.problem.part == "the part"


@pytest.mark.parametrize(
    "demand", ["is_tensor", "is_connected", "is_detached", "leaves_inputs_alone", "differentiates", "number"]
)
def test_an_exception_is_the_one_problem_whatever_is_demanded(demand):
    verdict = verdict_on(lambda a: a / 0, one_demand(lambda answer: getattr(answer, demand)(), 1.0))
    assert verdict.status is Status.RAISED and verdict.problem.failure.type == "ZeroDivisionError"


def test_inputs_left_alone_or_not():
    key = one_demand(lambda answer: answer.equals(2 * V).leaves_inputs_alone(), V)
    assert verdict_on(lambda a: a * 2, key).passed
    verdict = verdict_on(lambda a: a.mul_(2), key)
    assert (verdict.problem.layer, verdict.problem.got) == (Layer.SIDE_EFFECT, "your function changed a")


def test_autograd_or_not():
    key = one_demand(lambda answer: answer.differentiates(), SQUARE, 0.7)

    def tracked(f, a):
        return f(torch.tensor(a, requires_grad=True))

    assert verdict_on(tracked, key, signature="(f, a)").passed
    for answer, got in (
        (lambda f, a: f(a), "never with a tensor that autograd follows"),
        (returns(1.4), "never called"),
    ):
        verdict = verdict_on(answer, key, signature="(f, a)")
        assert verdict.problem.layer is Layer.METHOD and got in verdict.problem.got


def test_calls_are_counted():
    key = one_demand(lambda answer: answer.calls_at_most(2, "two calls"), SQUARE, 0.7)
    assert verdict_on(lambda f, a: f(a) + f(a), key, signature="(f, a)").passed
    verdict = verdict_on(lambda f, a: f(a) + f(a) + f(a), key, signature="(f, a)")
    assert verdict.problem.got == "f was called 3 times" and verdict.problem.wanted == "two calls"


@pytest.mark.parametrize("want", [1.0, 1000.0, 0.0, -0.3])
def test_tolerances_have_the_edge_they_name(want):
    for tolerance in (CLOSE, SHARP):
        room = tolerance.rtol * max(abs(want), 1.0)
        assert tolerance.accepts(want + 0.99 * room, want) and not tolerance.accepts(want + 1.01 * room, want)
        assert not tolerance.accepts(float("nan"), want) and not tolerance.accepts(float("inf"), want)


def test_a_float32_answer_is_right_and_a_coarse_difference_is_not():
    slope = torch.func.grad(torch.sin)(torch.tensor(0.7)).item()
    assert CLOSE.accepts(slope, np.cos(0.7)) and not SHARP.accepts(slope, np.cos(0.7))
    assert not CLOSE.accepts((np.sin(0.71) - np.sin(0.7)) / 0.01, np.cos(0.7))


# --- weighing --------------------------------------------------------------------------------------------------------


def many_problems(ask):
    with ask.part("values", 3):
        ask(0.7).equals(9.0, "the value")
    with ask.part("type"):
        ask(0.7).is_tensor()
    with ask.part("free"):
        ask(0.7).holds(True, "")


def test_the_most_fundamental_problem_is_spoken_about_and_parts_earn_credit():
    verdict = verdict_on(returns(1.0), many_problems, points=5)
    assert verdict.problem.layer is Layer.TYPE and verdict.status is Status.WRONG_TYPE
    assert verdict.score == 1 and [check.passed for check in verdict.checks] == [False, False, True]
    assert list(Layer) == sorted(Layer) and Layer.RAISED < Layer.SHAPE < Layer.VALUE < Layer.METHOD


def test_of_equal_problems_the_first_is_spoken_about():
    def key(ask):
        with ask.part("both"):
            ask(1).equals(5.0)
            ask(2).equals(6.0)

    assert verdict_on(returns(0.0), key).problem.question == "a = 1"


def test_some_parts_right_is_partial_and_none_is_wrong():
    def key(ask):
        with ask.part("one"):
            ask(1).equals(1.0)
        with ask.part("two"):
            ask(2).equals(2.0)

    assert (verdict_on(returns(1.0), key).status, verdict_on(returns(1.0), key).score) == (Status.PARTIAL, 2)
    assert (verdict_on(returns(3.0), key).status, verdict_on(returns(3.0), key).score) == (Status.WRONG, 0)


def test_a_part_ends_where_a_number_is_missing_and_the_next_part_is_judged():
    def key(ask):
        with ask.part("needs a number"):
            ask(1).number() + 1
            raise AssertionError("not reached")
        with ask.part("next"):
            ask(2).holds(True, "")

    verdict = verdict_on(returns("x"), key)
    assert [check.passed for check in verdict.checks] == [False, True]


def test_asking_outside_of_a_part_is_an_error_of_the_author():
    with pytest.raises(RuntimeError, match="asks outside of a part"):
        verdict_on(returns(1), lambda ask: ask(1))


def test_in_a_notebook_one_answer_keeps_its_state_between_parts_and_a_source_may_begin_afresh():
    def key(ask):
        for title in ("first", "second"):
            with ask.part(title):
                ask().equals(1.0)

    class Fresh(LocalSource):
        def begin_part(self):
            self.calls = []

        def ask(self, args):
            self.calls.append(args)
            return super().ask(args).__class__(value=float(len(self.calls)))

    seen = []
    assert verdict_on(lambda: float(seen.append(1) or len(seen)), key, signature="()").status is Status.PARTIAL
    assert verdict_on(None.__class__, key, signature="()", source=Fresh).passed


@pytest.mark.parametrize("status", [Status.TIMED_OUT, Status.OUT_OF_MEMORY, Status.MISSING, Status.NOT_JUDGED])
def test_a_source_that_has_no_reply_decides_the_status(status):
    class Silent(LocalSource):
        def ask(self, args):
            raise NoReply(status, "after 5 s")

    verdict = verdict_on(returns(1), many_problems, source=Silent)
    assert (verdict.status, verdict.score, verdict.sentence, verdict.problem) == (status, 0, "after 5 s", None)


def test_an_untouched_answer_is_open_and_not_asked():
    def stub(a): ...

    verdict = verdict_on(stub, lambda ask: pytest.fail("asked"))
    assert (verdict.status, verdict.score) == (Status.OPEN, 0)


def test_the_same_seed_asks_the_same_and_another_seed_something_else():
    asked = []

    def key(ask):
        with ask.part("p"):
            asked.append(ask.rng.random())

    for seed in ("public", "public", "secret"):
        verdict_on(returns(1), key, seed=seed)
    assert asked[0] == asked[1] != asked[2]


# --- advice ----------------------------------------------------------------------------------------------------------


def test_float32_is_advice_and_only_where_it_was_used():
    key = one_demand(lambda answer: answer.equals(10 / 3), 1.0)
    in_float32 = verdict_on(returns(torch.tensor(10 / 3)), key)
    assert in_float32.passed and "float32" in in_float32.advice[0]
    assert verdict_on(returns(10 / 3), key).advice == ()


def test_float32_is_not_called_right_where_values_are_wrong_or_missing():
    def key(ask):
        with ask.part("p"):
            for a in (10 / 3, 1.0):
                ask(a).equals(a)

    coarse = torch.tensor(10 / 3)
    assert verdict_on(lambda a: coarse, key).advice == ()
    assert verdict_on(lambda a: coarse if a > 2 else a / 0, key).advice == ()


def test_a_changed_input_is_advice_where_purity_is_not_asked():
    verdict = verdict_on(lambda a: a.mul_(2), one_demand(lambda answer: answer.equals(2 * V), V))
    assert verdict.passed and "changes a" in verdict.advice[0] and len(verdict.advice) == 1


def test_a_changed_default_dtype_is_advice_once():
    def answer(a):
        torch.set_default_dtype(torch.float64)
        return 1.0

    def key(ask):
        with ask.part("p"):
            ask(1).equals(1.0)
            ask(2).equals(1.0)

    verdict = verdict_on(answer, key)
    assert verdict.passed and len(verdict.advice) == 1 and "default dtype" in verdict.advice[0]


# --- ratios, diagnoses, fingerprints ---------------------------------------------------------------------------------


def test_a_constant_ratio_is_named_and_a_varying_one_is_shown():
    assert ratio_of([(2.0, 1.0), (-6.0, -3.0)]) == "yours ÷ right is 2 every time: a constant factor"
    assert ratio_of([(-1.0, 1.0), (3.0, -3.0)]).startswith("yours ÷ right is −1 every time")
    assert "within a few percent of 1" in ratio_of([(1.003, 1.0), (1.99, 2.0)])
    assert ratio_of([(1.0, 1.0), (2.0, 1.0)]) == "yours ÷ right: 1, 2, so not a constant factor"


def test_equal_ratios_are_listed_once():
    assert ratio_of([(1.0, 1.0), (2.0, 2.0), (3.0, 3.0), (-4.0, 4.0)]) == "yours ÷ right: 1, −1, so not a constant factor"


@pytest.mark.parametrize(
    "pairs", [[], [(2.0, 1.0)], [(1.0, 1.0), (2.0, 2.0)], [(1.0, 0.0), (2.0, 0.0)], [(np.inf, 1.0), (2.0, 1.0)]]
)
def test_a_ratio_that_says_nothing_is_not_said(pairs):
    assert ratio_of(pairs) == ""


def test_the_ratio_of_an_array_compares_all_its_entries():
    verdict = verdict_on(lambda a: a / 2, one_demand(lambda answer: answer.equals(V), V))
    assert verdict.ratio == "yours ÷ right is 0.5 every time: a constant factor"


def squares(ask):
    with ask.part("squares"):
        for a in (0.7, -1.3):
            ask(a).equals(a * a)


def twice_as_much(a):
    """Twice too large."""
    return 2 * a * a


def plus_the_other(a):
    """The same numbers in other words."""
    return a * a + a * a


def cube(a):
    """A cube."""
    return a**3


def fails(a):
    """It divides by zero."""
    return a / 0


def test_a_matching_idea_is_named_in_its_own_words():
    verdict = verdict_on(lambda a: 2 * a**2, squares, mistakes=[("A3", twice_as_much), ("A14", cube)])
    assert (verdict.status, verdict.misconception, verdict.sentence) == (Status.MISCONCEPTION, "A3", "Twice too large.")


def test_nothing_is_claimed_where_two_ideas_match_or_none():
    two = verdict_on(lambda a: 2 * a**2, squares, mistakes=[("A3", twice_as_much), ("B1", plus_the_other)])
    none = verdict_on(lambda a: 3 * a**2, squares, mistakes=[("A3", twice_as_much), ("A14", cube)])
    mixed = verdict_on(lambda a: 2 * a**2 if a > 0 else a**3, squares, mistakes=[("A3", twice_as_much), ("A14", cube)])
    assert {verdict.misconception for verdict in (two, none, mixed)} == {""}
    assert {verdict.status for verdict in (two, none, mixed)} == {Status.WRONG}


def test_two_wordings_of_one_idea_may_both_match():
    verdict = verdict_on(lambda a: 2 * a**2, squares, mistakes=[("A3", twice_as_much), ("A3", plus_the_other)])
    assert verdict.misconception == "A3"


def refuses_negative_numbers(ask):
    with ask.part("a ValueError below 0, the square elsewhere"):
        ask(-1.3).raises("ValueError", "it is negative")
        ask(0.7).equals(0.49)


def complaining(words, kind=ValueError, otherwise=lambda a: 2 * a * a):
    def answer(a):
        """Twice too large."""
        if a < 0:
            raise kind(words)
        return otherwise(a)

    return answer


class OwnError(ValueError):
    """What a student may raise instead."""


@pytest.mark.parametrize("kind, named", [(ValueError, "A3"), (OwnError, "A3"), (KeyError, "")])
def test_an_error_that_was_asked_for_may_have_words_and_a_class_of_its_own(kind, named):
    answer = complaining("no square here", kind)
    verdict = verdict_on(answer, refuses_negative_numbers, mistakes=[("A3", complaining("negative"))])
    assert verdict.misconception == named


def test_an_error_that_was_not_asked_for_is_told_from_others_by_its_words():
    answer, mistake = complaining("mine"), complaining("theirs")
    assert verdict_on(answer, one_demand(lambda a: a.equals(1.69), -1.3), mistakes=[("A3", mistake)]).misconception == ""
    assert verdict_on(answer, one_demand(lambda a: a.equals(1.69), -1.3), mistakes=[("A3", answer)]).misconception == "A3"


def test_an_idea_is_recognised_in_float32():
    verdict = verdict_on(lambda a: 2 * torch.tensor(a) ** 2, squares, mistakes=[("A3", twice_as_much)])
    assert verdict.misconception == "A3"


def test_an_exception_matches_by_its_type_and_message():
    assert verdict_on(lambda a: a // 0, squares, mistakes=[("B1", fails)]).misconception == ""
    verdict = verdict_on(lambda a: a / 0, squares, mistakes=[("B1", fails)])
    assert (verdict.status, verdict.misconception) == (Status.RAISED, "B1")


def test_answers_with_tensors_in_lists_and_dicts_can_be_compared():
    key = one_demand(lambda answer: answer.holds(False, "something else"), V)

    def in_a_dict(a):
        """A dict."""
        return {"a": a * 2, "b": [a, None]}

    for answer, found in (
        (lambda a: {"b": [a, None], "a": a + a}, "dict"),
        (lambda a: {"a": a * 3, "b": [a, None]}, ""),
    ):
        assert verdict_on(answer, key, mistakes=[("dict", in_a_dict)]).misconception == found


def test_fingerprints_are_equal_for_equal_wrong_answers_only():
    one, same, other = (
        verdict_on(lambda a, factor=factor: factor * a * a, squares).fingerprint for factor in (2.0, 2.000001, 2.1)
    )
    assert one == same != other
    key = one_demand(lambda answer: answer.equals(0.0), V)
    one, same, other = (verdict_on(lambda a, k=k: {"k": k * a}, key).fingerprint for k in (1.0, 1.0 + 1e-9, 1.1))
    assert one == same != other


def test_a_verdict_passes_only_when_correct():
    for status in Status:
        assert Verdict(exercise="t", status=status, score=1, max_score=1).passed == (status is Status.CORRECT)


@pytest.mark.parametrize(
    "value, text",
    [
        (-1.3, "−1.3"), (1 / 3, "0.3333"), (1e-12, "1e−12"), (3, "3"), (True, "True"), (None, "None"), ("D", "'D'"),
        (SQUARE, "x²"), (Dtype("float32"), "torch.float32"), (np.array(0.5), "0.5"),
        (np.ones((2, 3)), "a tensor of shape (2, 3)"),
        (describe(torch.tensor(0.5)), "0.5 (a tensor of float32)"),
        (describe(torch.ones(2, 3)), "a tensor of shape (2, 3)"),
        (describe(np.ones(2)), "a NumPy array of shape (2,)"),
        (describe((torch.ones(1), 2)), "(a tensor of shape (1,), 2)"),
        (describe((torch.ones(1),)), "(a tensor of shape (1,),)"),
        (describe([torch.ones(1)]), "[a tensor of shape (1,)]"),
        (describe({"a": torch.ones(1)}), "{a: a tensor of shape (1,)}"), (describe(...), "..."), (describe(1j), "1j"),
    ],
)  # fmt: skip
def test_values_are_shown_in_a_few_words(value, text):
    assert show(value) == text


def test_long_values_are_cut():
    for value in (["x" * 500] * 9, {"k" * 500: 1}, "x" * 500, Other(type="T", text="t" * 120)):
        assert len(show(value)) < 140
    assert isinstance(describe(torch.ones(1)), Array)


# --- dicts, gradients, warnings, kinds of exceptions -----------------------------------------------------------------

TABLE = {"a": 0.5, "b": 2.0}
TABLES = {
    "the same": (returns({"b": 2.0, "a": 0.5}), None, ""),
    "one entry more": (returns({"a": 0.5, "b": torch.tensor(2.0), "c": None}), None, ""),
    "a wrong entry": (returns({"a": 0.5, "b": 3.0}), Layer.VALUE, "entry 'b' is smaller there"),
    "two wrong entries": (returns({"a": 0.6, "b": 3.0}), Layer.VALUE, "entry 'a' is smaller there"),
    "an entry missing": (returns({"a": 0.5}), Layer.TYPE, "a dict with an entry for b"),
    "no dict": (returns((0.5, 2.0)), Layer.TYPE, "a dict with an entry for a, b"),
    "None": (returns(None), Layer.TYPE, "a dict with an entry for a, b"),
    "an entry of text": (returns({"a": 0.5, "b": "2.0"}), Layer.TYPE, "a number for entry 'b'"),
    "an entry of None": (returns({"a": None, "b": 2.0}), Layer.TYPE, "a number for entry 'a'"),
    "an entry with an axis": (returns({"a": torch.ones(1), "b": 2.0}), Layer.SHAPE, "a single number for entry 'a'"),
    "an entry that is nan": (returns({"a": 0.5, "b": float("nan")}), Layer.FINITE, "a finite number"),
}


@pytest.mark.parametrize("name", TABLES)
def test_a_dict_is_compared_entry_by_entry(name):
    answer, layer, wanted = TABLES[name]
    verdict = verdict_on(answer, one_demand(lambda answer: answer.equals(TABLE, "entry"), 0.7))
    assert verdict.passed if layer is None else (verdict.problem.layer is layer and wanted in verdict.problem.wanted)


def test_a_number_in_a_tuple_that_is_none_is_called_by_its_meaning():
    key = one_demand(lambda answer: answer.equals((1.0, 2.0), ("the height", "the slope")), 0.7)
    assert verdict_on(returns((1.0, "x")), key).problem.wanted == "a number for the slope"


GRADIENT = 3 * V**2  # of x³, entry by entry, weighted below
WEIGHTED = np.array([0.6, 1.4]) * GRADIENT


def gradient_key(want=WEIGHTED):
    return one_demand(lambda answer: answer.equals(V**3, "the cube").gradient_equals(want, meaning="the gradient"), Leaf(V))


def cube_of(a):
    return a**3


def cube_of_a_copy(a):
    return a.detach() ** 3


def doubled_on_the_way_back(a):
    a.register_hook(lambda g: 2 * g)
    return a**3


def overwritten(a):
    e = a * a
    y = e * a
    e += 1
    return y


def raises_in_its_hook(a):
    def hook(g):
        raise ZeroDivisionError("in the hook")

    y = a**3
    y.register_hook(hook)
    return y


def test_a_right_gradient_passes_with_the_weights_of_the_leaf():
    assert verdict_on(cube_of, gradient_key()).passed
    assert not verdict_on(cube_of, gradient_key(GRADIENT)).passed


@pytest.mark.parametrize(
    "answer, layer, got",
    [
        (cube_of_a_copy, Layer.CONNECTED, "no way back"), (doubled_on_the_way_back, Layer.VALUE, "walking back from"),
        (overwritten, Layer.CONNECTED, "walking back raised RuntimeError: one of the variables"),
        (raises_in_its_hook, Layer.CONNECTED, "walking back raised ZeroDivisionError: in the hook"),
        (lambda a: (a**3).numpy(), Layer.RAISED, "RuntimeError"), (lambda a: (a**3).tolist(), Layer.TYPE, "you returned ["),
    ],
)  # fmt: skip
def test_a_gradient_that_is_wrong_is_told_apart_from_a_value_that_is_wrong(answer, layer, got):
    problem = verdict_on(answer, gradient_key()).problem
    assert problem.layer is layer and got in problem.got


def test_the_ratio_is_about_gradients_where_the_values_are_right():
    def key(ask):
        with ask.part("p"):
            for a in (0.7, -1.3):
                ask(Leaf(np.array(a))).equals(a**3).gradient_equals(3 * a * a)

    assert verdict_on(doubled_on_the_way_back, key).ratio == "yours ÷ right is 2 every time: a constant factor"
    assert verdict_on(lambda a: 2 * a**3, key).ratio == "yours ÷ right is 2 every time: a constant factor"
    assert verdict_on(lambda a: doubled_on_the_way_back(a) / 3, key).ratio.startswith("yours ÷ right is 0.3333 every")


def test_the_gradient_by_the_second_leaf_is_asked_for_by_its_number():
    leaves = Leaf(np.array(3.0)), Leaf(np.array(5.0))
    key = one_demand(lambda answer: answer.gradient_equals(3.0, of=1).gradient_equals(5.0), *leaves)
    assert verdict_on(lambda a, b: a * b, key, signature="(a, b)").passed
    problem = verdict_on(lambda a, b: a * b.detach(), key, signature="(a, b)").problem
    assert (problem.layer, problem.got) == (Layer.CONNECTED, "no way back to the input")


def unconnected_key(ask):
    with ask.part("p"):
        ask(Leaf(V)).equals(V**3).gradient_equals(WEIGHTED)


def cut(a):
    """The history is lost."""
    return a.detach() ** 3


def untracked(a):
    """Tracked, but overwritten."""
    return overwritten(a)


def test_two_ways_to_lose_the_gradient_are_different_mistakes():
    mistakes = [("B11", cut), ("B14", untracked)]
    assert verdict_on(lambda a: a.data * a.data * a.data, unconnected_key, mistakes=mistakes).misconception == "B11"
    assert verdict_on(overwritten, unconnected_key, mistakes=mistakes).misconception == "B14"


def changes_its_input(a):
    """The input is overwritten."""
    y = 3 * a
    a.mul_(2)
    return y


def leaves_its_input(a):
    """The factor is wrong."""
    return 3 * a


def test_what_is_left_behind_decides_between_two_mistakes_with_the_same_numbers():
    key = one_demand(lambda answer: answer.equals(2 * V), V)
    mistakes = [("B11", changes_its_input), ("A3", leaves_its_input)]
    assert verdict_on(lambda a: a + a + a, key, mistakes=mistakes).misconception == "A3"
    assert verdict_on(lambda a: changes_its_input(a), key, mistakes=mistakes).misconception == "B11"
    one = [("A3", leaves_its_input)]
    assert verdict_on(lambda a: changes_its_input(a), key, mistakes=one).misconception == "A3"  # the only idea


def middle_grad_read(a):
    y = torch.tensor(a, requires_grad=True) * 2
    (y * y).backward()
    assert y.grad is None
    return 1.0


def tracked_number_taken_out(a):
    return float(torch.tensor(1.0, requires_grad=True))


@pytest.mark.parametrize("time", ["first", "second"])
def test_a_warning_is_a_problem_each_time_and_only_if_it_is_the_one_meant(time):
    anything = one_demand(lambda answer: answer.equals(1.0).warns_nothing(), 0.7)
    about_leaves = one_demand(lambda answer: answer.equals(1.0).warns_nothing("not a leaf"), 0.7)
    verdict = verdict_on(middle_grad_read, about_leaves)
    assert verdict.problem.layer is Layer.METHOD and "The .grad attribute of a Tensor that is not a leaf" in verdict.problem.got
    assert "Converting a tensor" in verdict_on(tracked_number_taken_out, anything).problem.got
    assert verdict_on(tracked_number_taken_out, about_leaves).passed and verdict_on(returns(1.0), anything).passed


class Circle(ValueError):
    pass


def test_an_exception_of_a_derived_kind_is_of_that_kind():
    def goes_round(a):
        raise Circle("round")

    def too_far(a):
        raise KeyError("far")

    key = one_demand(lambda answer: answer.raises("ValueError", "of a circle"), 0.7)
    assert verdict_on(goes_round, key).passed
    assert not verdict_on(too_far, key).passed
    base = one_demand(lambda answer: answer.raises("Circle", "of a circle"), 0.7)
    assert not verdict_on(lambda a: int("x"), base).passed
