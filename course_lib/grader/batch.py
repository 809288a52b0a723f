"""Grade a folder of submissions: main(options) for the verb `grade`, main_replay(options) for `replay`.

Submissions go to as many workers as there are cores, each a process of its own with a fork server of its own. Results
go into the journal as they come; results.jsonl, grades.csv and the pages are views that are written at the end.
"""

import contextlib
import ctypes
import json
import logging
import multiprocessing
import multiprocessing.util
import os
import secrets
import signal
import sys
import tempfile
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field, replace
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from course_lib.grader import journal, lms, report
from course_lib.grader.grade import Graded, Questions, Rehearsal, grade_submission, judge_again, unjudged
from course_lib.grader.notebook import Found, Refused, collect
from course_lib.grader.sandbox import TIERS, Limits, SandboxError, Server, probe
from course_lib.judge import Status

PR_SET_PDEATHSIG, PR_SET_DUMPABLE = 1, 4
SEED_CHARACTERS = 16  # fewer cannot be a secret
ATTENTION = (Status.REFUSED, Status.NOT_JUDGED)


class UsageError(Exception):
    """Nothing was graded, and why, in one sentence."""


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
        noted += [one.verdict.sentence for one, _ in self.graded if one.verdict.status in ATTENTION]
        return list(dict.fromkeys(sentence for sentence in noted if sentence))


# --- the verbs -------------------------------------------------------------------------------------------------------


def main(options):
    """Grade what options name; the exit code."""
    console = Console(stderr=True, highlight=False)
    try:
        out = Path(options.out)
        submissions = grade(
            options.paths, out, seed_file=options.seed_file, workers=options.workers, min_tier=options.min_tier,
            console=console,
        )  # fmt: skip
    except UsageError as error:
        console.print(str(error), markup=False, soft_wrap=True)
        return 2
    return summarise(submissions, out, console)


def grade(paths, out, *, seed_file=None, workers=None, min_tier=None, catalogue=None, limits=None, console=None):
    """Grade everything at the paths into the folder `out`; the Submissions. UsageError if nothing can be graded."""
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
    out.mkdir(parents=True, exist_ok=True)
    seed = read_seed(Path(seed_file or out / "seed.txt"))
    with journal.Journal(out / "gradebook.db") as book:
        book.remember("seed_file", str(Path(seed_file or out / "seed.txt").resolve()))
        job = Job(
            seed=seed, tier=probed.tier, isolation=probed.isolation, limits=limits or Limits(),
            catalogue=catalogue or COURSE,
        )  # fmt: skip
        submissions = list(grade_all(found, exercises, book, job, workers or os.cpu_count() or 1, console))
    submissions.sort(key=lambda one: (one.found.student, one.lesson, one.found.notebook))
    write_views(submissions, out, exercises, journal.seed_id(seed))
    return submissions


def main_replay(options):
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


# --- before ----------------------------------------------------------------------------------------------------------


def hide_memory():
    """Nothing of the same user may look into this process: it holds the seed."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)


def sufficient(wanted):
    """What the sandbox here is; UsageError if it is below the one wanted."""
    if os.name == "nt":
        raise UsageError("Submissions are graded in forks, which Windows does not have: grade inside WSL, or on Linux.")
    probed = probe()
    if TIERS.index(probed.tier) < TIERS.index(wanted):
        remedy = "Install bubblewrap" if sys.platform == "linux" else "Grade on Linux"
        raise UsageError(
            f"The sandbox here is {probed.tier!r}, wanted is {wanted!r} ({'; '.join(probed.reasons)}). "
            f"{remedy}, or accept the weaker one with --min-tier {probed.tier}."
        )
    return probed


def read_seed(path, *, may_create=True):
    """The secret that chooses the questions; made on first use, readable by its owner only."""
    if may_create and not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as out:
            out.write(secrets.token_hex(32) + "\n")
    try:
        seed = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        raise UsageError(f"The seed file {path} cannot be read.") from None
    if len(seed) < SEED_CHARACTERS:
        raise UsageError(
            f"The seed in {path} is shorter than {SEED_CHARACTERS} characters: delete the file to get a new one."
        )
    return seed


def load_catalogue(name):
    """{name: Exercise} from "module:function"."""
    module, _, function = name.partition(":")
    return getattr(__import__(module, fromlist=[function]), function)()


COURSE = "course_lib.exercise:all_exercises"


# --- grading ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, slots=True)
class Job:
    """What every worker knows of this run."""

    seed: str
    tier: str
    isolation: str
    limits: Limits
    catalogue: str


def grade_all(found, exercises, book, job, workers, console):
    """Every submission, graded and in the journal, as it is done."""
    columns = (TextColumn("grading"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    progress = Progress(*columns, console=console, disable=not console.is_terminal)
    with progress, _Pool(job, workers) as pool:
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
            while len(running) >= 2 * workers:
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
    from course_lib.grader.grade import defines

    text = "\n".join(cells)
    votes = {}
    for exercise in exercises.values():
        votes[exercise.lesson] = votes.get(exercise.lesson, 0) + defines(text, exercise.name)
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
    submission.graded = graded
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
        # Ten thousand transcripts and notebooks need not stay in memory.
        submission.graded = [(replace(one, transcript=()), tier) for one, tier in submission.graded]
        submission.cells = ()
        progress.advance(bar)
        yield submission


class _Pool:
    """Workers for a job: processes of their own, or this process if one is enough."""

    def __init__(self, job, workers):
        self.job, self.workers, self.executor = job, workers, None

    def __enter__(self):
        return self

    def __exit__(self, *error):
        if self.executor:
            self.executor.shutdown(wait=error[0] is None, cancel_futures=True)
        if self.workers == 1:
            end_worker()

    def submit(self, submission):
        names = tuple(exercise.name for exercise in submission.exercises)
        if self.workers == 1:
            start_worker(self.job)
            future = Future()
            future.set_result(grade_here(submission.cells, names))
            return future
        try:
            return self._submit(submission.cells, names)
        except BrokenProcessPool:
            self.executor = None
            return self._submit(submission.cells, names)

    def _submit(self, cells, names):
        if self.executor is None:
            context = multiprocessing.get_context("spawn")  # a new program: it shares nothing with this one
            self.executor = ProcessPoolExecutor(self.workers, context, initializer=start_worker, initargs=(self.job,))
        return self.executor.submit(grade_here, cells, names)

    def result(self, future, submission):
        try:
            return future.result()
        except Exception:  # whatever befell a worker, it is not the student's fault
            logging.getLogger(__name__).exception("a worker failed on %s", submission.found.notebook)
            return [not_judged(exercise) for exercise in submission.exercises]


_worker = None


class _Worker:
    """A process that grades: it knows the keys and the seed, and keeps a fork server that knows neither."""

    def __init__(self, job):
        self.job, self.exercises, self.server = job, load_catalogue(job.catalogue), None
        self.rehearsal = Rehearsal()

    def grade(self, cells, names):
        exercises = [self.exercises[name] for name in names]
        for _ in range(2):
            try:
                if self.server is None or not self.server.alive:
                    self.server = Server(self.job.tier, self.job.isolation)
                return grade_submission(
                    cells, exercises, seed=self.job.seed, server=self.server, limits=self.job.limits,
                    rehearsal=self.rehearsal,
                )  # fmt: skip
            except SandboxError:
                self.close()
        return [not_judged(exercise) for exercise in exercises]

    def close(self):
        server, self.server = self.server, None
        if server:
            server.close()


def not_judged(exercise):
    return Graded(verdict=unjudged(exercise, Status.NOT_JUDGED, "The grader failed here; grade again."), seconds=0.0)


def start_worker(job):
    """Make this process a worker for the job."""
    global _worker
    if _worker is not None and _worker.job == job:
        return
    if multiprocessing.parent_process() is not None:
        hide_memory()
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # the main process decides
        if sys.platform == "linux":
            ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        multiprocessing.util.Finalize(None, end_worker, exitpriority=10)
    end_worker()
    _worker = _Worker(job)


def end_worker():
    global _worker
    worker, _worker = _worker, None
    if worker:
        worker.close()


def grade_here(cells, names):
    """Grade in this process, which start_worker prepared."""
    return _worker.grade(cells, names)


# --- after -----------------------------------------------------------------------------------------------------------


def write_views(submissions, out, exercises, seed_id):
    """results.jsonl, grades.csv, report.html and the feedback pages."""
    rows = [row for one in submissions for row in rows_of(one, seed_id)]
    write(out / "results.jsonl", "".join(json.dumps(row, ensure_ascii=True, allow_nan=False) + "\n" for row in rows))
    lessons = {one.lesson for one in submissions}
    columns = [exercise for exercise in exercises.values() if exercise.lesson in lessons]
    write(out / "grades.csv", lms.csv_text(grades(submissions, columns)))
    pages = report.page_names(submissions)
    for student, handed_in in report.by_student(submissions).items():
        write(out / "feedback" / pages[student], report.feedback_page(student, handed_in, exercises))
    write(out / "report.html", report.report_page(submissions, columns, pages))


def rows_of(submission, seed_id):
    """One plain dict per exercise; one without an exercise for a notebook that belongs to no lesson."""
    about = {"student": submission.found.student, "notebook": submission.found.notebook, "sha256": submission.sha256}
    if not submission.graded:
        return [
            about | {
                "lesson": "", "exercise": "", "status": str(Status.REFUSED), "score": 0.0, "max_score": 0,
                "misconception": "", "message": submission.refusal, "checks": [], "seconds": 0.0, "tier": "none",
                "seed_id": seed_id, "key_version": journal.key_version(),
            }
        ]  # fmt: skip
    return [
        about | {
            "lesson": submission.lesson, "exercise": one.verdict.exercise, "status": str(one.verdict.status),
            "score": one.verdict.score, "max_score": one.verdict.max_score,
            "misconception": one.verdict.misconception, "message": report.words(one.verdict, exercise),
            "checks": [{"title": c.title, "weight": c.weight, "passed": c.passed} for c in one.verdict.checks],
            "seconds": one.seconds, "tier": tier, "seed_id": seed_id, "key_version": journal.key_version(),
        }
        for exercise, (one, tier) in zip(submission.exercises, submission.graded, strict=True)
    ]  # fmt: skip


def grades(submissions, columns):
    """The rows of grades.csv. A score nobody could determine is left empty; so is what was not handed in."""
    yield ["student", *(exercise.name for exercise in columns), "total", "max", "needs_attention"]
    most = sum(exercise.points for exercise in columns)
    for student, handed_in in report.by_student(submissions).items():
        scores = {
            one.verdict.exercise: one.verdict.score
            for submission in handed_in for one, _ in submission.graded if one.verdict.status not in ATTENTION
        }  # fmt: skip
        attention = " ".join(sentence for submission in handed_in for sentence in submission.attention)
        yield [student, *(scores.get(e.name) for e in columns), float(sum(scores.values())), most, attention]


def write(path, text):
    """A file that is whole or not there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".writing-")
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="") as out:
            out.write(text)
        os.chmod(name, 0o644)
        os.replace(name, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name)
        raise
