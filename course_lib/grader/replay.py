"""Judge again what the journal recorded, without running anything: main(options) for the verb `replay`."""

import sys
from pathlib import Path

from course_lib.grader import journal, report
from course_lib.grader.conditions import COURSE, UsageError, load_catalogue, read_seed
from course_lib.grader.grade import judge_again
from course_lib.grader.sources import Questions


def main(options):
    """Judge one student's exercise again from what the journal recorded; 0 if the verdict is the same."""
    book = Path(options.dir) / "gradebook.db"
    exercises = load_catalogue(COURSE)
    try:
        if not book.exists():
            raise UsageError(f"There is no gradebook.db in {options.dir}.")
        if options.exercise not in exercises:
            raise UsageError(f"The course has no exercise {options.exercise}.")
        print(replay(book, options.student, exercises[options.exercise]))
    except (UsageError, Questions) as error:
        print(error, file=sys.stderr)
        return 2 if isinstance(error, UsageError) else 1
    return 0


def replay(path, student, exercise):
    """What the journal says and what judging again says; Questions if they differ or cannot be compared."""
    with journal.Journal(path) as book:
        stored = book.latest(student, exercise.name)
        if stored is None:
            known = ", ".join(book.students()[:8])
            raise UsageError(f"The journal has no {exercise.name} of {student}; it knows {known}, …")
        seed = read_seed(Path(book.recall("seed_file")), may_create=False)
    verdict, transcript, key_version, seed_id, tier = stored
    if seed_id != journal.seed_id(seed):
        raise UsageError("The seed file is not the one this verdict was made with.")
    if transcript is None:
        raise UsageError("What was asked and answered was too long to be kept, so nothing can be replayed.")
    try:
        again = judge_again(exercise, transcript, seed)
    except Questions as error:
        raise Questions(f"Not identical: {error} (keys were {key_version}, are {journal.key_version()}).") from None
    if journal.dump(again) != journal.dump(verdict):
        then, now = report.words(verdict, exercise), report.words(again, exercise)
        raise Questions(f"Not identical.\nThen: {then}\nNow: {now}")
    return f"{report.words(again, exercise)}\n\nIdentical to the journal (sandbox: {tier}, keys: {key_version})."
