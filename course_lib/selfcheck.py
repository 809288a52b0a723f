"""Check an answer in the notebook: check(slope_at), hint(slope_at), progress().

What was tried and solved is kept in a small file of the course's folder, so that it outlives the kernel. Nothing
leaves the machine.
"""

import ast
import contextlib
import difflib
import hashlib
import itertools
import json
import linecache
import os
import signal
import sys
import threading
import time
from pathlib import Path

from course_lib import feedback
from course_lib.exercise import all_exercises, all_lessons
from course_lib.feedback import Feedback, Note
from course_lib.judge import LocalSource, NoReply, Status, Verdict, judge
from course_lib.observe import instructions

PROGRESS = ".course_progress.json"
PATIENCE = 20  # seconds of computing for one question: many times what the slowest right answer needs
WAITING = 6  # so many times longer where the machine is busy with other things, or the answer only waits


def check(answer, remember=True):
    """Check a function, class or value by its name: check(slope_at), or check("slope_at").

    remember=False: a demonstration, which does not count as an attempt.
    Returns an object that shows itself as a card or text; its .passed says whether the answer is right. Never raises
    because of an answer.
    """
    found = find(answer, sys._getframe(1), "check")
    if isinstance(found, Note):
        return found
    exercise, answer = found
    source = PatientSource(answer)
    try:
        verdict = judge(exercise, source)
    except Exception as error:  # our own failure: it must not look like the student's
        sentence = f"The checker itself failed with {type(error).__name__}: {error}"
        verdict = Verdict(
            exercise=exercise.name, status=Status.NOT_JUDGED, score=0.0, max_score=exercise.points, sentence=sentence
        )
    if not remember:
        return Feedback(verdict, exercise, printed=source.printed)
    record = note_attempt(exercise, answer, verdict)
    tries = len(record["tries"])
    if verdict.passed or verdict.status is Status.OPEN or not tries:
        return Feedback(verdict, exercise, printed=source.printed)
    offered = exercise.hints[min(tries, len(exercise.hints)) - 1] if exercise.hints else ""
    shuffled = exercise.shuffled_lines if tries >= 2 else ()
    return Feedback(verdict, exercise, offered, source.printed, shuffled)


class TooLong(BaseException):
    """Not an Exception, so that no `except Exception` in an answer takes it for an error of its own."""


class PatientSource(LocalSource):
    """An answer in this process that may take its time, but not for ever."""

    def ask(self, args):
        try:
            with stopped_after(PATIENCE):
                return super().ask(args)
        except TooLong:
            raise NoReply(Status.TIMED_OUT, f"Your code was still running after {PATIENCE} seconds.") from None


@contextlib.contextmanager
def stopped_after(seconds):
    """Raise TooLong in what runs inside, where the system has alarms (not on Windows) and this is the main thread."""
    if not hasattr(signal, "setitimer") or threading.current_thread() is not threading.main_thread():
        yield
        return

    started, computed = time.monotonic(), time.process_time()

    def stop(*_):
        left = seconds - (time.process_time() - computed)
        if left <= 0.05 or time.monotonic() - started > WAITING * seconds:
            raise TooLong
        signal.setitimer(signal.ITIMER_REAL, left)  # on a busy machine: the answer has not had its time yet

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def hint(answer):
    """A hint for an exercise, from a question to nearly the code: none is skipped, and each opens after a new attempt."""
    if isinstance(answer, str) and answer in all_exercises():
        exercise = all_exercises()[answer]
    else:
        found = find(answer, sys._getframe(1), "hint")
        if isinstance(found, Note):
            return found
        exercise, _ = found
    record = load().get(exercise.name, new_record())
    if record["solved"]:
        return Note(f"{exercise.name} is solved already. Change it and check again: what breaks it?", "good")
    last = len(exercise.hints) - 1
    opened = min(len(record["tries"]), last)
    level = max(0, min(opened, record["hint"] + 1))  # two quick guesses open two hints, and still they come one by one
    again = level == record["hint"]
    save(exercise.name, {**record, "hint": level})
    more = (
        f" The worked example is in section {exercise.section}; when yours runs, vary it: another function, another point."
        if level == last else " Try that first; if it is not enough, ask once more." if level < opened
        else " Try that; after your next check there is more." if again else ""
    )
    return Note(exercise.hints[level] + more)


def progress():
    """The map of the course: what is solved (✓), solved again in a later re-check (✓✓), tried (◐) and open (○)."""
    return Map(load())


def find(answer, frame, caller):
    """(exercise, answer) for what check() was given in a frame, or the Note to show instead."""
    exercises, names = all_exercises(), frame.f_globals
    example = f"{caller}(slope_at)"
    name = answer if isinstance(answer, str) and answer in exercises else getattr(answer, "__name__", None)
    if name in exercises:
        if isinstance(answer, str):
            if name not in names:
                return Note(f"`{name}` does not exist yet: run the cell that defines it, then {caller}({name}) again.")
            answer = names[name]
        if exercises[name].kind == "function" and not callable(answer) and answer is not ...:
            return Note(f"`{name}` should be a function, and it is {feedback_kind(answer)}: run the cell with "
                        f"`def {name}` again.")
        return exercises[name], answer
    bound = [known for known in exercises if known in names and names[known] is answer]
    if len(bound) == 1:
        return exercises[bound[0]], answer
    if len(bound) > 1 and (written := argument_name(frame)) in bound:  # such as two answers that are both "E9"
        return exercises[written], answer
    if len(bound) > 1:
        return Note(f"Several answers are this very value: say which by name, such as {caller}(\"{bound[0]}\").")
    if name or isinstance(answer, str):
        wrong = name or answer
        close = difflib.get_close_matches(str(wrong), exercises, 1, 0.5)
        guess = f" Did you mean {close[0]}?" if close else f" It takes the function you wrote: {example}."
        return Note(f"`{str(wrong)[:60]}` is not the name of an exercise.{guess}")
    return Note(f"{caller} takes the function you wrote, such as {example}, and got {feedback_kind(answer)}.")


def argument_name(frame):
    """The name that stands as the first argument of the call which a frame is making, or None where it has no source."""
    place = next(itertools.islice(frame.f_code.co_positions(), frame.f_lasti // 2, None))
    with contextlib.suppress(SyntaxError, ValueError):
        for node in ast.walk(ast.parse("".join(linecache.getlines(frame.f_code.co_filename)))):
            if isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Name):
                if (node.lineno, node.end_lineno, node.col_offset, node.end_col_offset) == place:
                    return node.args[0].id
    return None


def feedback_kind(value):
    """A value nobody can check, in words."""
    words = {type(None): "None", int: f"the number {value!r}", float: f"the number {value!r}"}
    return words.get(type(value), f"something of type {type(value).__name__}")


# --- what is remembered ----------------------------------------------------------------------------------------------


def progress_file():
    """Where progress is kept: in the course's folder, or where COURSE_PROGRESS says."""
    told = os.environ.get("COURSE_PROGRESS")
    if told:
        return Path(told)
    root = Path(__file__).resolve().parent.parent
    return (root if (root / "notebooks").is_dir() else Path.cwd()) / PROGRESS


def new_record():
    return {"solved": False, "tries": [], "hint": -1}


def load():
    """Records by exercise name: solved, tries (digests of different attempts), hint. A damaged one is as if not there."""
    try:
        found = json.loads(progress_file().read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    records = found if isinstance(found, dict) else {}
    return {name: record for name, record in records.items() if _is_record(record)}


def _is_record(record):
    if not isinstance(record, dict) or record.keys() != new_record().keys():
        return False
    tries = record["tries"]
    return (
        isinstance(record["solved"], bool) and type(record["hint"]) is int
        and isinstance(tries, list) and all(isinstance(digest, str) for digest in tries)
    )


def save(name, record):
    """Keep a record; a folder that cannot be written only costs the memory."""
    path = progress_file()
    records = {**load(), name: record}
    new = path.with_name(f"{path.name}.{os.getpid()}")
    with contextlib.suppress(OSError):
        new.write_text(json.dumps(records, indent=1, sort_keys=True), encoding="utf-8")
        os.replace(new, path)
    with contextlib.suppress(OSError):
        new.unlink(missing_ok=True)


def note_attempt(exercise, answer, verdict):
    """Note an attempt; the record. An open stub is no attempt, and running the same code again is no new one."""
    record = load().get(exercise.name, new_record())
    if verdict.status in (Status.OPEN, Status.NOT_JUDGED):
        return record
    if verdict.passed:
        record["solved"] = True
    else:
        digest = digest_of(answer)
        if digest not in record["tries"]:
            record["tries"] = [*record["tries"], digest][-20:]
    save(exercise.name, record)
    return record


def digest_of(answer):
    """Equal for equal code or values, across kernels."""
    code = getattr(answer, "__code__", None)
    if isinstance(answer, type):
        methods = {name: getattr(part, "__func__", part) for name, part in vars(answer).items()}
        content = {name: digest_of(method) for name, method in methods.items() if hasattr(method, "__code__")}
    else:
        content = instructions(code) if code else answer
    return hashlib.sha256(repr(content).encode()).hexdigest()[:12]


class Map:
    """The course at a glance."""

    LEGEND = "✓ solved · ✓✓ solved, and its idea again in a later exercise · ◐ tried · ○ open"

    def __init__(self, records):
        self.records = records
        self.again = {name for later in all_exercises().values() if self.solved(later.name) for name in later.rechecks}

    def solved(self, name):
        return self.records.get(name, {}).get("solved", False)

    def sign(self, name):
        if self.solved(name):
            return "✓✓" if name in self.again else "✓"
        return "◐" if self.records.get(name, {}).get("tries") else "○"

    def summary(self, lesson):
        solved = sum(map(self.solved, lesson.exercises))
        return f"{lesson.number} {lesson.title}: {solved} of {len(lesson.exercises)} solved"

    def __repr__(self):
        rows = []
        for lesson in all_lessons():
            rows.append(self.summary(lesson))
            rows.append("   " + "  ".join(f"{self.sign(name)} {name}" for name in lesson.exercises))
        return "\n".join([*rows, self.LEGEND])

    def _repr_html_(self):
        rows = []
        for lesson in all_lessons():
            cells = "".join(
                f'<span style="display:inline-block;border:1px solid currentColor;border-radius:4px;padding:2px 8px;'
                f'margin:2px 6px 2px 0;opacity:{1 if self.sign(name) != "○" else .6}">{self.sign(name)} '
                f"{lesson.exercises[name].number} {name}</span>"
                for name in lesson.exercises
            )
            rows.append(f'<p style="margin:6px 0 2px;font-weight:600">{feedback.inline(self.summary(lesson))}</p>{cells}')
        legend = f'<p style="margin:8px 0 0;opacity:.75">{self.LEGEND}</p>'
        return f'<div style="max-width:46em;line-height:1.6">{"".join(rows)}{legend}</div>'
