"""Count false verdicts over many secret seeds: python -m tests.verdicts 10000 [NAME…]

The seeds are shared out over the exercises; a key that asks the same at every seed gets three. At each seed every right
answer of the banks must pass with full marks, every listed mistake must fail and be named, every slip must fail and not
be called something else, and a handful of answers without a thought must score nothing.
"""

import random
import sys
import time
import warnings
from collections import Counter

import torch

from course_lib.exercise import all_exercises
from course_lib.judge import LocalSource, judge
from tests.answers import all_banks
from tests.test_keys import FUNCTIONS, trivial_answers

KINDS = {
    "right": "right answers rejected", "mistake": "listed mistakes accepted", "slip": "other wrong answers accepted",
    "thoughtless": "answers without a thought that scored", "name": "wrong answers named wrongly or not named",
}  # fmt: skip
THOUGHTLESS = 6  # of about forty, others at every seed


class Listening(LocalSource):
    """Keeps what was asked, as text."""

    def __init__(self, answer):
        super().__init__(answer)
        self.asked = []

    def ask(self, args):
        self.asked.append(repr([getattr(arg, "recipe", arg) for arg in args]))
        return super().ask(args)


def right_answers(name):
    return [param.values[1] for bank in all_banks().values() for param in bank.answers + bank.values
            if param.values[0] == name]  # fmt: skip


def slips_of(name):
    return [param.values[1:] for bank in all_banks().values() for param in bank.slips if param.values[0] == name]


def depends_on_the_seed(exercise, answer):
    asked = []
    for seed in ("one", "two", "three"):
        source = Listening(answer)
        judge(exercise, source, seed=seed)
        asked.append(source.asked)
    return asked[0] != asked[1] or asked[1] != asked[2]


def verdicts_at(exercise, seed, thoughtless):
    """(kind, which, what is wrong with its verdict or "") for every answer there is."""

    def verdict_on(answer):
        return judge(exercise, LocalSource(answer), seed=seed)

    for number, answer in enumerate(right_answers(exercise.name)):
        verdict = verdict_on(answer)
        fine = verdict.passed and verdict.score == verdict.max_score
        yield "right", getattr(answer, "__name__", number), "" if fine else f"{verdict.status} {verdict.problem}"
    for mistake in exercise.mistakes:
        verdict = verdict_on(mistake.make())
        if verdict.passed or verdict.score >= max(exercise.points, 1):
            yield "mistake", mistake.name, "accepted"
        else:
            named = (verdict.misconception, verdict.sentence) == (mistake.id, mistake.sentence)
            yield "name", mistake.name, "" if named else f"named {verdict.misconception!r}"
            yield "mistake", mistake.name, ""
    for answer, _, named in slips_of(exercise.name):
        verdict = verdict_on(answer)
        yield "slip", answer.__name__, "accepted" if verdict.passed else ""
        yield "name", answer.__name__, "" if verdict.misconception == named else f"named {verdict.misconception!r}"
    for words, answer in thoughtless:
        verdict = verdict_on(answer)
        yield "thoughtless", words, f"{verdict.status}, {verdict.score} points" if verdict.score or verdict.passed else ""


def main(count, names=()):
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    exercises = {name: one for name, one in all_exercises().items() if not names or name in names}
    varied = sorted(name for name, one in exercises.items() if depends_on_the_seed(one, right_answers(name)[0]))
    each = max(1, -(-(count - 3 * (len(exercises) - len(varied))) // max(1, len(varied))))
    trivial = {name: [pair[:2] for pair in trivial_answers(name)] for name in exercises if name in FUNCTIONS}
    tried, wrong, seeds, start = Counter(), Counter(), 0, time.monotonic()
    for number in range(max(3, each)):
        for name in exercises if number < 3 else varied:
            seed, seeds = f"secret {name} {number}", seeds + 1
            some = random.Random(seed).sample(trivial.get(name, []), THOUGHTLESS if name in trivial else 0)
            for kind, which, fault in verdicts_at(exercises[name], seed, some):
                tried[kind] += 1
                if fault:
                    wrong[kind] += 1
                    print(f"{seed}: {kind} {which}: {fault}", flush=True)
        print(f"{seeds} seeds, {tried.total()} verdicts, {wrong.total()} false, {time.monotonic() - start:.0f} s",
              file=sys.stderr, flush=True)  # fmt: skip
    print(f"{seeds} seeds over {len(exercises)} exercises, {len(varied)} of which ask something else at every seed")
    for kind, words in KINDS.items():
        print(f"{words:45}{wrong[kind]:6} of {tried[kind]}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), sys.argv[2:]))
