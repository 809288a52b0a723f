"""A claim about why an answer is wrong is made only where exactly one listed idea gives the same answers."""

import numpy as np
import pytest
import torch

from course_lib.diagnosis import ratio_of
from course_lib.judge import Status
from course_lib.observe import Leaf
from tests.judging import one_demand, verdict_on

V = np.array([1.0, 2.0])
WEIGHTED = np.array([0.6, 1.4]) * 3 * V**2  # the gradient of x³, weighted entry by entry


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


def fingerprint(answer):
    return verdict_on(answer, squares).fingerprint


def fails_with(words):
    def answer(a):
        raise RuntimeError(words)

    return answer


def test_errors_have_one_fingerprint_if_they_differ_only_in_addresses_and_numbers():
    assert fingerprint(lambda a: aa) != fingerprint(lambda a: bb)  # noqa: F821
    assert fingerprint(fails_with("no item 7 in <f at 0x7fA1b2>")) == fingerprint(fails_with("no item 12 in <f at 0x7ffe>"))
    assert fingerprint(fails_with("no item 7 in f")) != fingerprint(fails_with("no item 7 in g"))


def unconnected_key(ask):
    with ask.part("p"):
        ask(Leaf(V)).equals(V**3).gradient_equals(WEIGHTED)


def cut(a):
    """The history is lost."""
    return a.detach() ** 3


def overwritten(a):
    """Tracked, but backward needs what was overwritten."""
    e = a * a
    y = e * a
    e += 1
    return y


def test_two_ways_to_lose_the_gradient_are_different_mistakes():
    mistakes = [("B11", cut), ("B14", overwritten)]
    assert verdict_on(lambda a: a.data * a.data * a.data, unconnected_key, mistakes=mistakes).misconception == "B11"
    assert verdict_on(lambda a: overwritten(a), unconnected_key, mistakes=mistakes).misconception == "B14"


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
