"""What an exercise is: Lesson and Exercise collect what a module in keys/ says, all_exercises() finds them by name.

An exercise is known by the name of the function, class or value that the student writes. Its key is a plain function
that asks the answer questions and states what must hold (see judge.py); its mistakes are wrong answers whose
docstrings are the sentences a student reads.
"""

import ast
import importlib
import inspect
import json
import pkgutil
import random
import re
import textwrap
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache

KINDS = ("function", "class", "value", "order", "choice")


@dataclass(frozen=True, kw_only=True, slots=True)
class Mistake:
    """A wrong answer people give. `make()` returns a fresh one: a function, or a value.

    It is recognised by giving the same answers, or by `recognise(transcript)` where a whole family is meant.
    """

    id: str  # as in the catalogue of misconceptions, such as A1, or a word where the catalogue has none
    name: str
    sentence: str
    make: Callable
    recognise: Callable | None = None


@dataclass(kw_only=True)
class Exercise:
    """One exercise. `key(ask)` questions an answer; `given` is what a fix-me task hands to the student."""

    name: str
    lesson: str  # "01"
    number: str  # "1.1"
    title: str
    signature: str
    points: int
    minutes: int
    section: str  # where it is taught: "01b"
    key: Callable
    kind: str = "function"
    optional: bool = False  # its points come on top of what all others add up to
    hints: tuple[str, ...] = ()
    given: Callable | str | None = None  # the broken function of a fix-me task, or the right-hand side of a value
    mistakes: list[Mistake] = field(default_factory=list)
    rechecks: tuple[str, ...] = ()  # exercises of earlier lessons whose idea this one asks for again
    lines: tuple[str, ...] = ()  # see sort_lines()
    lures: dict[str, str] = field(default_factory=dict)

    @property
    def stars(self):
        return "★" * max(1, self.points)

    @property
    def parameters(self):
        """The names of the arguments, for talking about a question."""
        if self.kind != "function":
            return ()
        function = ast.parse(f"def f{self.signature}: ...").body[0]
        return tuple(arg.arg for arg in function.args.args)

    @property
    def given_source(self):
        """The source of what the student is handed, or None where it is an empty body or `...`."""
        if self.given is None or isinstance(self.given, str):
            return self.given
        return re.sub(r"^@.*\n", "", textwrap.dedent(inspect.getsource(self.given)))

    def broken(self, function):
        """Decorator: this is the faulty code that the student gets to repair."""
        self.given = function
        return function

    def sort_lines(self, *lines, lures):
        """The lines of one right answer, and lures: id of a mistake -> a line that makes it in place of another.

        Who has failed twice at writing the function gets them all, out of order.
        """
        self.lines, self.lures = lines, lures

    def mistake(self, id, *, fresh=False, recognise=None):
        """Decorator: a wrong answer, its docstring the sentence to say. fresh=True: it makes the wrong function."""

        def add(function):
            make = function if fresh else lambda: function
            sentence = " ".join(inspect.getdoc(function).split())
            self.mistakes.append(
                Mistake(id=id, name=function.__name__, sentence=sentence, make=make, recognise=recognise)
            )
            return function

        return add

    def wrong_value(self, id, value, sentence, *, read=None):
        """A wrong value, for exercises whose answer is a value; a word counts in small and in capital letters.

        read: what counts of a value, where it may be written in several ways.
        """

        def is_that_word(transcript):
            said = transcript[0][2].value
            said = said[0] if isinstance(said, list | tuple) and len(said) == 1 else said
            return isinstance(said, str) and said.strip().lower() == value.lower()

        def reads_the_same(transcript):
            return read(transcript[0][2].value) == read(value)

        recognise = reads_the_same if read else is_that_word if isinstance(value, str) else None
        self.mistakes.append(
            Mistake(id=id, name=f"value {value!r}", sentence=sentence, make=lambda: value, recognise=recognise)
        )

    @property
    def shuffled_lines(self):
        """The lines and the lures, the same mixture every time."""
        mixed, rng = [*self.lines, *self.lures.values()], random.Random(self.name)
        while tuple(line for line in mixed if line in self.lines) == self.lines and mixed:
            rng.shuffle(mixed)
        return tuple(line.strip() for line in mixed)

    def as_data(self):
        """What `list --json` says about it."""
        return {
            "lesson": self.lesson, "name": self.name, "signature": self.signature, "kind": self.kind,
            "points": self.points, "title": self.title,
        }


class Lesson:
    """A lesson's exercises, in the order of the notebook, and its questions.

    quiz: the module that holds QUESTIONS by id, and the ids of RECALL and EXIT_TICKET.
    """

    def __init__(self, number, title, quiz=None):
        self.number = number
        self.title = title
        self.exercises = {}
        self.questions = quiz.QUESTIONS if quiz else {}
        self.recall, self.exit_ticket = (quiz.RECALL, quiz.EXIT_TICKET) if quiz else ((), ())

    def exercise(self, **about):
        """Decorator for a key: makes it the Exercise of the same name."""

        def make(key):
            exercise = Exercise(name=key.__name__, lesson=self.number, key=key, **about)
            if exercise.kind not in KINDS:
                raise ValueError(f"{exercise.name}: kind {exercise.kind!r} is none of {', '.join(KINDS)}")
            self.exercises[exercise.name] = exercise
            return exercise

        return make


@cache
def all_lessons():
    """Every Lesson with a module in keys/, in order."""
    import course_lib.keys as keys

    names = sorted(module.name for module in pkgutil.iter_modules(keys.__path__) if module.name.startswith("lesson_"))
    return tuple(importlib.import_module(f"course_lib.keys.{name}").lesson for name in names)


@cache
def all_exercises():
    """Every Exercise by name. Raises ValueError if two lessons use one name."""
    found = {}
    for lesson in all_lessons():
        twice = found.keys() & lesson.exercises.keys()
        if twice:
            raise ValueError(f"lesson {lesson.number} uses a name that is taken: {', '.join(sorted(twice))}")
        found.update(lesson.exercises)
    return found


def main_list(as_json):
    """Print all exercises, as a table or as JSON."""
    exercises = all_exercises().values()
    if as_json:
        print(json.dumps([exercise.as_data() for exercise in exercises], ensure_ascii=False, indent=1))
        return
    for exercise in exercises:
        print(f"{exercise.lesson} {exercise.number:<5} {exercise.stars:<4}{exercise.name:<24}{exercise.title}")
