"""Exercises are collected by name, with what a student is handed and how people go wrong."""

import json

import pytest

from course_lib import exercise as module
from course_lib.exercise import Exercise, Lesson, all_exercises, all_lessons, main_list

ABOUT = {"number": "9.1", "title": "Add", "points": 2, "minutes": 3, "section": "09a"}


def an_exercise(**about):
    return Exercise(
        name="add", lesson="09", key=lambda ask: None, **{**ABOUT, "signature": "(a: float, b) -> float", **about}
    )


def test_a_key_becomes_the_exercise_of_its_name():
    lesson = Lesson("09", "Sums")

    @lesson.exercise(signature="(a, b)", **ABOUT)
    def add(ask):
        """The sum."""

    assert lesson.exercises == {"add": add}
    assert (add.name, add.lesson, add.kind) == ("add", "09", "function")


def test_a_kind_that_does_not_exist_is_an_error_of_the_author():
    with pytest.raises(ValueError, match="add: kind 'poem' is none of function, class"):

        @Lesson("09", "Sums").exercise(signature="", kind="poem", **ABOUT)
        def add(ask):
            """The sum."""


@pytest.mark.parametrize(
    "signature, kind, names",
    [
        ("(a: float, b) -> float", "function", ("a", "b")),
        ("(f, xs: Tensor[n]) -> tuple[Tensor[n], Tensor[n]]", "function", ("f", "xs")),
        ("(x, dim: int = -1) -> Tensor", "function", ("x", "dim")),
        ("list[str]", "order", ()),
    ],
)
def test_parameters_are_the_names_in_the_signature(signature, kind, names):
    assert an_exercise(signature=signature, kind=kind).parameters == names


def test_stars_count_points_and_are_never_none():
    assert [an_exercise(points=points).stars for points in (0, 1, 3)] == ["★", "★", "★★★"]


def test_given_code_is_handed_out_without_our_decorator():
    exercise = an_exercise()

    @exercise.broken
    def add_badly(a, b):
        return a - b

    assert exercise.given_source.splitlines() == ["def add_badly(a, b):", "    return a - b"]
    assert an_exercise(given="{'a': ...}").given_source == "{'a': ...}"
    assert an_exercise().given_source is None


def test_a_mistake_keeps_its_sentence_on_one_line_and_is_made_fresh_on_demand():
    exercise = an_exercise()

    @exercise.mistake("C1", fresh=True)
    def remembers():
        """Your answers
        pile up."""
        seen = []
        return lambda a, b: seen.append(a) or len(seen)

    exercise.wrong_value("off", 3, "One too many.")
    piled, off = exercise.mistakes
    assert (piled.id, piled.name, piled.sentence) == ("C1", "remembers", "Your answers pile up.")
    assert piled.make()(1, 1) == piled.make()(1, 1) == 1
    assert (off.make(), off.sentence) == (3, "One too many.")


def test_lessons_come_in_order_and_share_no_name():
    numbers = [lesson.number for lesson in all_lessons()]
    assert numbers == sorted(numbers) and numbers[:2] == ["00", "01"]
    assert sum(len(lesson.exercises) for lesson in all_lessons()) == len(all_exercises())
    assert all(name == exercise.name for name, exercise in all_exercises().items())


def test_a_name_used_twice_is_an_error_of_the_author(monkeypatch):
    one, other = Lesson("08", "Eight"), Lesson("09", "Nine")
    for lesson in (one, other):
        lesson.exercises["add"] = an_exercise()
    monkeypatch.setattr(module, "all_lessons", lambda: (one, other))
    with pytest.raises(ValueError, match="lesson 09 uses a name that is taken: add"):
        all_exercises.__wrapped__()


def test_the_list_as_json_has_what_the_design_promises(capsys):
    main_list(as_json=True)
    rows = json.loads(capsys.readouterr().out)
    assert [row["name"] for row in rows] == list(all_exercises())
    assert all(set(row) == {"lesson", "name", "signature", "kind", "points", "title"} for row in rows)


def test_the_list_as_text_has_a_line_for_each_exercise(capsys):
    main_list(as_json=False)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(all_exercises())
    assert any("slope_at" in line and "★" in line and "1.1" in line for line in lines)
