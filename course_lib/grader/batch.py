"""Grade a folder of submissions: main(options) for the verb `grade`.

Submissions go to as many workers as there are cores, each a process of its own with a fork server of its own. Results
go into the journal as they come; results.jsonl, grades.csv and the pages are views that are written at the end, with the
marks of by_hand.csv in them.
"""

import functools
import os
import sys
from collections import Counter
from concurrent.futures import FIRST_COMPLETED, wait
from dataclasses import dataclass, field, replace
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from course_lib.grader import by_hand, journal
from course_lib.grader.conditions import COURSE, UsageError, hide_memory, load_catalogue, read_seed, sufficient
from course_lib.grader.grade import Graded, unjudged
from course_lib.grader.lms import Template
from course_lib.grader.notebook import Found, Refused, collect
from course_lib.grader.pool import Job, Pool
from course_lib.grader.sandbox import TIERS, Limits
from course_lib.grader.session import names_defined
from course_lib.grader.views import UNJUDGED, write_template, write_views
from course_lib.judge import Status


@dataclass(kw_only=True, slots=True)
class Submission:
    """A notebook on its way through the grader."""

    found: Found
    sha256: str = ""
    cells: tuple[str, ...] = ()
    exercises: tuple = ()  # those of its lesson
    refusal: str = ""
    graded: list = field(default_factory=list)  # (Graded, tier), in the order of the lesson

    @property
    def lesson(self):
        return self.exercises[0].lesson if self.exercises else ""

    @property
    def attention(self):
        """Why a person should look at it, in sentences."""
        noted = [self.found.note, self.refusal]
        noted += [one.verdict.sentence for one, _ in self.graded if one.verdict.status in UNJUDGED]
        return list(dict.fromkeys(sentence for sentence in noted if sentence))


# --- the verbs -------------------------------------------------------------------------------------------------------


def main(options):
    """Grade what options name; the exit code."""
    console = Console(stderr=True, highlight=False)
    try:
        out = Path(options.out)
        template = Template(Path(options.lms), options.lms_column) if options.lms else None
        submissions = grade(
            options.paths, out, seed_file=options.seed_file, workers=options.workers, scheduler=options.scheduler,
            min_tier=options.min_tier, template=template, console=console,
        )  # fmt: skip
    except UsageError as error:
        console.print(str(error), markup=False, soft_wrap=True)
        return 2
    return summarise(submissions, out, console)


def grade(
    paths, out, *, seed_file=None, workers=None, scheduler=None, min_tier=None, template=None, catalogue=None, limits=None,
    console=None,
):  # fmt: skip
    """Grade everything at the paths into the folder `out`; the Submissions. UsageError if nothing can be graded.

    scheduler: the address of a Dask scheduler whose workers do it instead of `workers` processes here.
    template: a learning platform's table to fill in, see lms.Template.
    """
    console, out = console or Console(stderr=True, quiet=True), Path(out)
    for path in map(Path, paths):
        if not path.exists():
            raise UsageError(f"There is nothing at {path}.")
    hide_memory()
    probed = sufficient(min_tier or ("strong" if sys.platform == "linux" else "none"))
    exercises = load_catalogue(catalogue or COURSE)
    found = collect(paths)
    if not found:
        raise UsageError(f"No notebooks (.ipynb) were found in {', '.join(map(str, paths))}.")
    marks = by_hand.read(out / by_hand.NAME, exercises)
    out.mkdir(parents=True, exist_ok=True)
    seed = read_seed(Path(seed_file or out / "seed.txt"))
    with journal.Journal(out / "gradebook.db") as book:
        book.remember("seed_file", str(Path(seed_file or out / "seed.txt").resolve()))
        job = Job(
            seed=seed, tier=probed.tier, isolation=probed.isolation, limits=limits or Limits(),
            catalogue=catalogue or COURSE, elsewhere=bool(scheduler),
        )  # fmt: skip
        workers = min(workers or os.cpu_count() or 1, len(found))
        pool = functools.partial(Pool, workers=workers, scheduler=scheduler)
        submissions = list(grade_all(found, exercises, book, job, pool, console))
    submissions.sort(key=lambda one: (one.found.student, one.lesson, one.found.notebook))
    said = by_hand.apply(marks, submissions)
    said += write_views(submissions, out, exercises, journal.seed_id(seed))
    if template:
        said += write_template(template, submissions, out)
    for sentence in said:
        console.print(sentence, markup=False, soft_wrap=True)
    return submissions


def summarise(submissions, out, console):
    """Say what came of it; the exit code."""
    needing = [one for one in submissions if one.attention]
    console.print(f"{len(submissions)} notebooks graded, results in {out}/report.html", markup=False, soft_wrap=True)
    for one in needing[:20]:
        text = f"  needs attention: {one.found.student} ({one.found.notebook}): {' '.join(one.attention)}"
        console.print(text, markup=False, soft_wrap=True)
    if len(needing) > 20:
        console.print(f"  … and {len(needing) - 20} more, all listed in the report")
    return 1 if needing else 0


# --- grading ---------------------------------------------------------------------------------------------------------


def grade_all(found, exercises, book, job, pool_of, console):
    """Every submission, graded and in the journal, as it is done."""
    columns = (TextColumn("grading"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    progress = Progress(*columns, console=console, disable=not console.is_terminal)
    with progress, pool_of(job) as pool:
        bar = progress.add_task("", total=len(found))
        running, twins = {}, []
        for one in found:
            submission = prepare(one, exercises)
            if from_journal(submission, book, job):
                progress.advance(bar)
                yield submission
            elif any(other.sha256 == submission.sha256 for other in running.values()):
                twins.append(one)  # the journal will know it soon
            else:
                running[pool.submit(submission)] = submission
            while len(running) >= 2 * pool.workers:
                yield from _finished(running, pool, book, job, progress, bar)
        while running:
            yield from _finished(running, pool, book, job, progress, bar)
        for one in twins:
            submission = prepare(one, exercises)
            if from_journal(submission, book, job):
                progress.advance(bar)
                yield submission
            else:
                running[pool.submit(submission)] = submission
                yield from _finished(running, pool, book, job, progress, bar)


def prepare(found, exercises):
    """A Submission with its cells and the exercises of its lesson, or the reason why there are none."""
    submission = Submission(found=found)
    try:
        submission.sha256, submission.cells = found.load()
        submission.exercises = exercises_of(submission.cells, found.lesson_hint, exercises)
        if not submission.exercises:
            raise Refused("It is not clear which lesson this is: it defines no exercise of the course, and its file "
                          "name is not that of a lesson.")
    except Refused as refused:
        submission.refusal = str(refused)
        submission.exercises = exercises_of((), found.lesson_hint, exercises)
        verdicts = [unjudged(exercise, Status.REFUSED, submission.refusal) for exercise in submission.exercises]
        submission.graded = [(Graded(verdict=verdict, seconds=0.0), "none") for verdict in verdicts]
    return submission


def exercises_of(cells, lesson_hint, exercises):
    """The exercises of the lesson whose names the cells define most of; if that is not clear, of the file's name."""
    votes = Counter(exercises[name].lesson for name in names_defined("\n".join(cells)) if name in exercises)
    most = max(votes.values(), default=0)
    winners = [lesson for lesson, count in votes.items() if count == most]
    lesson = winners[0] if most and len(winners) == 1 else lesson_hint
    return tuple(exercise for exercise in exercises.values() if exercise.lesson == lesson)


def from_journal(submission, book, job):
    """True if nothing is left to run: refused, or graded before under the same conditions."""
    about = about_submission(submission)
    if submission.refusal:
        book.add(**about)
        return True
    known = book.known(submission.sha256, journal.key_version(), journal.seed_id(job.seed))
    if not all(exercise.name in known for exercise in submission.exercises):
        return False
    graded = [known[exercise.name] for exercise in submission.exercises]
    if any(TIERS.index(tier) < TIERS.index(job.tier) for _, tier in graded):
        return False
    submission.graded = [(kept_once(one), tier) for one, tier in graded]
    submission.cells = ()
    book.add(**about)
    return True


def about_submission(submission):
    return {
        "student": submission.found.student, "notebook": submission.found.notebook, "sha256": submission.sha256,
        "lesson": submission.lesson, "refusal": submission.refusal,
    }  # fmt: skip


def _finished(running, pool, book, job, progress, bar):
    """Take in what is done."""
    for future in wait(running, return_when=FIRST_COMPLETED).done:
        submission = running.pop(future)
        submission.graded = [(one, job.tier) for one in pool.result(future, submission)]
        book.add(
            **about_submission(submission), graded=[one for one, _ in submission.graded], tier=job.tier,
            key_version=journal.key_version(), seed_id=journal.seed_id(job.seed),
        )  # fmt: skip
        submission.graded = [(kept_once(one), tier) for one, tier in submission.graded]
        submission.cells = ()
        progress.advance(bar)
        yield submission


_verdicts = {}  # each once: in a large class most are equal


def kept_once(graded):
    """Graded without its transcript, and with the one copy of its verdict: ten thousand submissions stay in memory."""
    return replace(graded, verdict=_verdicts.setdefault(graded.verdict, graded.verdict), transcript=b"")
