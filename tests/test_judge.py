"""Demands hold or fail for the right reason, verdicts speak of the most fundamental problem, claims are careful."""

import numpy as np
import pytest
import torch

from course_lib.formula import Formula, x
from course_lib.judge import CLOSE, SHARP, Layer, LocalSource, NoReply, Status, Verdict
from course_lib.observe import Leaf
from tests.judging import one_demand, returns, verdict_on

SQUARE = Formula(x**2, x)


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
    "a tensor for a tuple of numbers": (returns(torch.tensor([1.0, 2.0])), lambda answer: answer.equals((1.0, 2.0))),
    "an array for a list in a tuple": (returns((1, np.ones(3))), lambda answer: answer.equals((1, [1, 1, 1]), ("a", "b"))),
    "a table for a tuple of arrays": (returns(torch.ones(2, 3)), lambda answer: answer.equals((np.ones(3), np.ones(3)))),
    "is_tensor": (returns(leaf()), lambda answer: answer.is_tensor("float32")),
    "is_connected": (returns(leaf() * 2), lambda answer: answer.is_connected()),
    "is_detached": (returns((leaf() * 2).detach()), lambda answer: answer.is_detached()),
    "is_detached by index": (returns((leaf(), torch.ones(2))), lambda answer: answer.is_detached(1)),
    "is_detached by index in a table": (returns(torch.ones(2, 3)), lambda answer: answer.is_detached(0, 1)),
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
    "too few to be detached": (returns([1.0]), lambda answer: answer.is_detached(0, 1), Layer.TYPE, "at least 2"),
    "nothing to index": (returns(0.5), lambda answer: answer.is_detached(1), Layer.TYPE, "at least 2"),
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
    assert (verdict.problem.layer, verdict.problem.got) == (
        Layer.SIDE_EFFECT, "your function changed a (its numbers, or its requires_grad flag)"
    )


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


def test_a_verdict_passes_only_when_correct():
    for status in Status:
        assert Verdict(exercise="t", status=status, score=1, max_score=1).passed == (status is Status.CORRECT)


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


def test_a_list_inside_a_tuple_that_is_too_long_is_counted():
    key = one_demand(lambda answer: answer.equals((1.0, [2.0, 3.0]), ("the slope", "the losses")), 0.7)
    problem = verdict_on(returns((1.0, [2.0, 3.0, 4.0])), key).problem
    assert (problem.got, problem.wanted) == ("3 things for the losses", "2 things for the losses, as a tuple or a list")


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


def test_the_ratio_is_about_the_value_that_is_spoken_about():
    """A norm that is three times too large and an array that is half as large: each by itself."""

    def key(ask, number_first):
        with ask.part("both"):
            for a in (0.7, -1.3):
                answer = ask(a)
                wanted = {"norm": a, "array": np.array([a, 2 * a])}
                answer.equals(dict(wanted.items() if number_first else reversed(wanted.items())), "the entry")

    def answer(a):
        return {"norm": 3 * a, "array": torch.tensor([0.5 * a, a], dtype=torch.float64)}

    first, second = (verdict_on(answer, lambda ask, which=which: key(ask, which)) for which in (True, False))
    assert "'norm'" in first.problem.wanted and first.ratio == "yours ÷ right is 3 every time: a constant factor"
    assert "'array'" in second.problem.wanted and second.ratio == "yours ÷ right is 0.5 every time: a constant factor"


def test_the_gradient_by_the_second_leaf_is_asked_for_by_its_number():
    leaves = Leaf(np.array(3.0)), Leaf(np.array(5.0))
    key = one_demand(lambda answer: answer.gradient_equals(3.0, of=1).gradient_equals(5.0), *leaves)
    assert verdict_on(lambda a, b: a * b, key, signature="(a, b)").passed
    problem = verdict_on(lambda a, b: a * b.detach(), key, signature="(a, b)").problem
    assert (problem.layer, problem.got) == (Layer.CONNECTED, "no way back to the input")


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


def test_a_driver_has_to_say_the_form_of_its_report():
    def counts(answer): ...

    with pytest.raises(TypeError, match="counts does not say what it returns"):
        verdict_on(returns(1), lambda ask: ask.using(counts))
