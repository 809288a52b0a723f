"""Grade one submission: grade_submission(cells, exercises, seed=…, server=…) -> one Graded per exercise.

The notebook's cells run once behind the wall, a copy of that process answers questions, and judge() weighs the replies
here. What is right at first go is done; anything else is asked again, in a fresh copy for each part of a key, and that
counts. What hangs, crashes or floods costs the cell or the exercise it is in, nothing else.
"""

import contextlib
import logging
import re
import socket
import time
from dataclasses import dataclass, replace

from course_lib.grader import wire
from course_lib.grader.sandbox import Exceeded, Limits, SandboxError, Watch
from course_lib.judge import NoReply, Status, Verdict, judge

log = logging.getLogger(__name__)
AT_ONCE_CPU_SECONDS, AT_ONCE_SECONDS = 2.0, 5.0  # for all questions of an exercise; slower ones are asked one by one
GRACE_SECONDS = 5  # for the notebook process to end a copy of itself; then it is ended itself
NO_MEMORY = re.compile(r"can't allocate memory|cannot allocate memory|not enough memory|std::bad_alloc", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True, slots=True)
class Graded:
    """One exercise of one submission: the verdict, how long it took, and what was asked and answered."""

    verdict: Verdict
    seconds: float
    transcript: tuple = ()  # plain data, see journal.py: enough to judge again without running anything


@dataclass(frozen=True, kw_only=True, slots=True)
class Broken:
    """A cell that did not run to its end."""

    cell: int
    status: Status
    sentence: str


def grade_submission(cells, exercises, *, seed, server, limits=None, rehearsal=None):
    """Grade code cells on the given exercises. Never raises for anything a submission does.

    rehearsal: kept from one submission to the next, it saves time where the same is asked with the same seed.
    Raises SandboxError if the server itself is gone; then nothing is known about the submission.
    """
    rehearsal = rehearsal or Rehearsal()
    with Session(tuple(cells), server, limits or Limits()) as session:
        graded, again = {}, []
        for exercise in exercises:
            right = rehearsal.try_all_at_once(session, exercise, seed)
            if right:
                graded[exercise.name] = right
                continue
            graded[exercise.name], worth_retrying = grade_exercise(session, exercise, seed)
            if worth_retrying:
                again.append(exercise)
        for exercise in again:  # once more in a fresh process, before a student loses anything to bad luck
            session.close_stage()
            graded[exercise.name], _ = grade_exercise(session, exercise, seed)
        return list(graded.values())


def grade_exercise(session, exercise, seed):
    """(Graded, whether a second try may end differently)."""
    start = time.monotonic()
    source = WallSource(session, exercise)
    try:
        verdict = verdict_of(exercise, source, seed)
    except SandboxError:
        raise
    except Exception:
        log.exception("the key of %s failed", exercise.name)
        verdict = unjudged(exercise, Status.NOT_JUDGED, "The grader could not tell, and that is not your fault.")
    finally:
        source.close()
    retry = verdict.status is Status.NOT_JUDGED or (verdict.status is Status.TIMED_OUT and not source.used_processor)
    return graded_since(start, verdict, source), retry


def graded_since(start, verdict, source):
    return Graded(verdict=verdict, seconds=round(time.monotonic() - start, 3), transcript=tuple(source.transcript))


def verdict_of(exercise, source, seed):
    """judge(), also where there is nothing to judge."""
    try:
        return judge(exercise, source, seed=seed)
    except NoReply as none:
        return unjudged(exercise, none.status, none.sentence)


def unjudged(exercise, status, sentence):
    """The Verdict on an exercise about which nothing could be asked."""
    return Verdict(exercise=exercise.name, status=status, score=0.0, max_score=exercise.points, sentence=sentence)


# --- the notebook behind the wall ------------------------------------------------------------------------------------


class Session:
    """A submission being graded: makes the process that ran its notebook, again if it was lost."""

    def __init__(self, cells, server, limits):
        self.cells, self.server, self.limits = cells, server, limits
        self.broken = {}  # cell number: Broken
        self.skipped = set()
        self.late = set()  # cells that were stopped without computing
        self.deadline = time.monotonic() + limits.submission_seconds
        self.restarts_left = limits.restarts
        self.shared = None  # (stage, channel) of a copy that answers for several exercises
        self.orders = 0  # given to copies so far; each reply repeats the number of its order
        self._stage = None

    def __enter__(self):
        return self

    def __exit__(self, *error):
        with contextlib.suppress(SandboxError):
            self.close_stage()

    def stage(self):
        """A process in which the notebook has run."""
        while self._stage is None:
            if self.restarts_left < 0 or time.monotonic() > self.deadline:
                raise NoReply(Status.TIMED_OUT, "The notebook as a whole used up its time or was lost too often.")
            self.restarts_left -= 1
            self._stage = self._run_notebook()
        return self._stage

    def close_stage(self):
        if self.shared:
            self.shared[1].close()
        stage, self._stage, self.shared = self._stage, None, None
        if stage:
            stage.close()

    def _run_notebook(self):
        stage = Stage(self.server, self.limits)
        self.broken = {number: cell for number, cell in self.broken.items() if number in self.skipped}
        try:
            for number, failure in stage.run(self.cells, self.skipped, self.deadline):
                self.broken[number] = Broken(cell=number, status=Status.RAISED, sentence=cell_raised(number, failure))
            return stage
        except CellEnded as ended:
            stage.close()
            # Waiting without computing may be the machine's fault: such a cell gets a second chance.
            if ended.final or ended.cell in self.late:
                self.skipped.add(ended.cell)
            self.late.add(ended.cell)
            self.broken[ended.cell] = Broken(cell=ended.cell, status=ended.status, sentence=ended.sentence)
            return None

    def why_missing(self, name):
        """A NoReply for a name that the notebook does not define."""
        for number, cell in reversed(list(enumerate(self.cells, start=1))):
            if number in self.broken and defines(cell, name):
                return NoReply(self.broken[number].status, self.broken[number].sentence)
        return NoReply(Status.MISSING, f"The notebook defines no {name}.")


def defines(source, name):
    """Whether a cell's text looks as if it defined the name."""
    return re.search(rf"^\s*(?:(?:async )?def|class) {name}\b|^{name}\s*[:=]", source, re.MULTILINE) is not None


def cell_raised(number, failure):
    where = f", line {failure.line}: {failure.code}" if failure.line and failure.code else ""
    return f"Code cell {number} stopped with {failure.type}: {failure.message}{where}"


class CellEnded(Exception):
    """A cell took the whole process with it, or had to be stopped."""

    def __init__(self, cell, status, sentence, *, final):
        super().__init__(cell, status, sentence)
        self.cell, self.status, self.sentence, self.final = cell, status, sentence, final


class Stage:
    """One notebook process. `run` runs the cells, `copy` forks an answering copy, `end_copy` ends it."""

    def __init__(self, server, limits):
        self.server, self.limits = server, limits
        self.channel, self.pid = server.spawn(limits)

    def run(self, cells, skipped, deadline):
        """The failures of single cells as (number, Failure); CellEnded if a cell ends the process."""
        now, cell = 0, None
        try:
            self.channel.send(["run", list(cells), sorted(skipped)], deadline=deadline)
            while True:
                now = time.monotonic()
                watch = Watch(self.server, self.limits, self.limits.cell_cpu_seconds)
                kind, *rest = self.channel.receive(deadline=min(deadline, now + self.limits.cell_seconds), tick=watch)
                if kind == "cell" and type(rest[0]) is int and (cell or 0) < rest[0] <= len(cells):
                    cell = rest[0]
                elif kind == "ran" and len(rest) == 2:
                    return [(number, wire.unpack_failure(data)) for number, data in rest[0] if type(number) is int]
                else:
                    raise wire.WireError("out of turn")
        except wire.Late:
            if cell is None:
                raise SandboxError("a notebook process did not get as far as its first cell") from None
            sentence = f"Code cell {cell} did not end within {time.monotonic() - now:.0f} seconds."
            raise CellEnded(cell, Status.TIMED_OUT, sentence, final=False) from None
        except Exceeded as exceeded:
            raise CellEnded(cell, *explain_exceeded(exceeded, f"Code cell {cell}", self.limits.cell_cpu_seconds),
                            final=True) from None  # fmt: skip
        except wire.Closed:
            if cell is None:
                raise SandboxError("a notebook process ended before its first cell") from None
            sentence = f"Code cell {cell} ended Python itself (os._exit, or a crash)."
            raise CellEnded(cell, Status.RAISED, sentence, final=True) from None
        except (wire.WireError, TypeError, ValueError, IndexError):
            sentence = f"Code cell {cell} wrote to the grader's own connection."
            raise CellEnded(cell, Status.REFUSED, sentence, final=True) from None

    def copy(self, deadline):
        """A channel to a fresh copy that answers questions."""
        ours, theirs = socket.socketpair()
        with theirs:
            self.channel.send(["part"], fds=[theirs.fileno()], deadline=deadline)
        return wire.Channel(ours)

    def end_copy(self):
        """Kill the copy; its wait status if it had ended by itself, −1 if it had not. Closed if that failed."""
        try:
            deadline = time.monotonic() + GRACE_SECONDS
            self.channel.send(["stop"], deadline=deadline)
            kind, status = self.channel.receive(deadline=deadline)
            if kind != "ended" or type(status) is not int:
                raise wire.WireError("out of turn")
            return status
        except (wire.WireError, wire.Late, ValueError):
            raise wire.Closed from None

    def close(self):
        self.channel.close()
        self.server.kill(self.pid)


def explain_exceeded(exceeded, who, cpu_seconds):
    """(status, sentence) for a limit that was passed."""
    what = str(exceeded)
    if what == "memory":
        return Status.OUT_OF_MEMORY, f"{who} used more memory than there is for a submission."
    if what == "processes":
        return Status.REFUSED, f"{who} started more processes than a submission may."
    return Status.TIMED_OUT, f"{who} was still computing after {cpu_seconds:.0f} seconds."


# --- an answer behind the wall ---------------------------------------------------------------------------------------


class WallSource:
    """The answer to one exercise, as judge() wants it: each part talks to a fresh copy of the notebook's process."""

    def __init__(self, session, exercise):
        self.session, self.exercise, self.limits = session, exercise, session.limits
        self.transcript = []
        self.used_processor = False
        self.deadline = min(session.deadline, time.monotonic() + self.limits.exercise_seconds)
        self._channel, self._stage, self._fresh = None, None, False

    def begin_part(self):
        self.transcript.append(["part"])
        if not self._fresh:
            self._open_copy()
        self._fresh = True

    def is_untouched(self, given):
        self._open_copy()
        self._fresh = True  # nothing has been called yet
        answer = self._only(self._exchange("untouched", given))
        if not isinstance(answer, bool):
            self._give_up(Status.REFUSED, BROKE_IN)
        self.transcript.append(["untouched", answer])
        return answer

    def ask(self, args):
        self._fresh = False
        question = wire.pack_value(list(args))
        packed = self._only(self._exchange("question", question, expected="reply"))
        return self._reply(args, question, packed)

    def _reply(self, args, question, packed):
        try:
            reply = wire.unpack_reply(packed, args)
        except wire.WireError:
            self._give_up(Status.REFUSED, BROKE_IN)
        self.transcript.append(["reply", question, packed])
        if reply.failure and (reply.failure.type == "MemoryError" or NO_MEMORY.search(reply.failure.message)):
            self._give_up(Status.OUT_OF_MEMORY, "The answer asked for more memory than there is for a submission.")
        return reply

    def close(self):
        """End the copy that is open."""
        channel, stage = self._channel, self._stage
        self._channel = self._stage = None
        if channel:
            channel.close()
            return self._end(stage)
        return 0

    # --- inside ---

    def _open_copy(self):
        self.close()
        self._stage = self.session.stage()
        try:
            self._channel = self._stage.copy(self.deadline)
        except (wire.Closed, wire.Late):
            self.session.close_stage()
            self._give_up(Status.NOT_JUDGED, "The process that ran the notebook was gone.")

    def _end(self, stage):
        try:
            return stage.end_copy()
        except wire.Closed:  # it does not obey: end it as a whole
            self.session.close_stage()
            return -1

    def _exchange(self, order, *data, expected=None):
        """Send one order and return what comes back for it; NoReply if nothing does."""
        number = self.session.orders = self.session.orders + 1
        who, cpu_seconds = self.exercise.name, self.limits.question_cpu_seconds
        watch = Watch(self.session.server, self.limits, cpu_seconds)
        deadline = min(self.deadline, time.monotonic() + self.limits.question_seconds)
        try:
            self._channel.send([order, number, who, *data], deadline=deadline, tick=watch)
            kind, echo, *rest = self._channel.receive(deadline=deadline, tick=watch)
        except wire.Late:
            self._give_up(Status.TIMED_OUT, f"{who} gave no answer within {self.limits.question_seconds:.0f} seconds.")
        except Exceeded as exceeded:
            self.used_processor = True
            self._give_up(*explain_exceeded(exceeded, who, cpu_seconds))
        except wire.Closed:
            self._give_up(*self._how_it_ended())
        except (wire.WireError, ValueError):
            self._give_up(Status.REFUSED, BROKE_IN)
        if echo != number or type(echo) is not int:
            self._give_up(Status.REFUSED, BROKE_IN)
        if kind == "missing" and not rest:
            none = self.session.why_missing(self.exercise.name)
            self._give_up(none.status, none.sentence)
        if kind != (expected or order):
            self._give_up(Status.REFUSED, BROKE_IN)
        return rest

    def _only(self, answers):
        if len(answers) != 1:
            self._give_up(Status.REFUSED, BROKE_IN)
        return answers[0]

    def _how_it_ended(self):
        """(status, sentence) for a copy whose end of the line is closed."""
        who, status = self.exercise.name, self.close()
        number = status & 0x7F if status > 0 else 0
        if number == 9:
            return Status.OUT_OF_MEMORY, f"{who} was ended by the system, which was probably out of memory."
        if number == 24:
            return Status.TIMED_OUT, f"{who} used up its processor time."
        if number:
            return Status.RAISED, f"{who} crashed Python itself (signal {number})."
        sentence = f"{who} ended Python itself instead of returning an answer (os._exit, or a closed connection)."
        return Status.RAISED, sentence

    def _give_up(self, status, sentence):
        self.close()
        self.transcript.append(["none", str(status), sentence])
        raise NoReply(status, sentence)


BROKE_IN = "The answer wrote to the grader's own connection, so nothing it said counts."


# --- all at once -----------------------------------------------------------------------------------------------------


class Rehearsal:
    """What keys asked of right answers with this seed: they ask every right answer the same, so it can be sent at once."""

    def __init__(self):
        self.questions = {}  # name of an exercise: packed questions; None where a key does not always ask the same

    def try_all_at_once(self, session, exercise, seed):
        """Graded if the answer is right, or not begun; None for all else, which says nothing yet.

        It is asked in a copy that has answered for earlier exercises, too, as in the notebook. What an answer keeps
        between calls can then only cost time: whoever fails here is asked again in fresh copies.
        """
        start, source = time.monotonic(), SharedSource(session, exercise, self.questions.get(exercise.name))
        try:
            verdict = verdict_of(exercise, source, seed)
        except SandboxError:
            raise
        except Exception:  # a fault of the key is told by the second try
            verdict = None
        if verdict and verdict.status in (Status.CORRECT, Status.OPEN) and not source.expected:
            self._learn(verdict, source)
            return graded_since(start, verdict, source)
        if source.deviates:
            self.questions[exercise.name] = None
        source.end_shared()
        return None

    def _learn(self, verdict, source):
        questions = [entry[1] for entry in source.transcript if entry[0] == "reply"]
        if verdict.passed and verdict.exercise not in self.questions:
            small = len(wire.encode(questions)) < wire.FRAME_BYTES // 2
            self.questions[verdict.exercise] = questions if small else None


class SharedSource(WallSource):
    """An answer in a copy that it shares with other answers, asked all that is expected in one go."""

    def __init__(self, session, exercise, questions):
        super().__init__(session, exercise)
        self.limits = replace(
            self.limits, question_cpu_seconds=min(self.limits.question_cpu_seconds, AT_ONCE_CPU_SECONDS),
            question_seconds=min(self.limits.question_seconds, AT_ONCE_SECONDS),
        )  # fmt: skip
        self.known = questions
        self.expected, self.deviates = [], False  # (question, reply) still to be asked for

    def begin_part(self):
        self.transcript.append(["part"])

    def is_untouched(self, given):
        if self.known is None:
            return super().is_untouched(given)
        self._open_copy()
        untouched, replies = self._two(self._exchange("rehearse", given, self.known, expected="replies"))
        if not isinstance(untouched, bool) or not isinstance(replies, list):
            self._give_up(Status.REFUSED, BROKE_IN)
        if not untouched and len(replies) != len(self.known):
            self._give_up(Status.NOT_JUDGED, "The replies do not fit into one frame.")
        self.expected = [] if untouched else list(zip(reversed(self.known), reversed(replies), strict=True))
        self.transcript.append(["untouched", untouched])
        return untouched

    def ask(self, args):
        if self.known is None:
            return super().ask(args)
        question = wire.pack_value(list(args))
        expected, packed = self.expected.pop() if self.expected else (None, None)
        if question != expected:
            self.deviates = True
            raise NoReply(Status.NOT_JUDGED, "The key asks something else.")
        return self._reply(args, question, packed)

    def close(self):
        """The copy stays for the next answer."""
        return 0

    def end_shared(self):
        shared, self.session.shared = self.session.shared, None
        if shared:
            shared[1].close()
            self._end(shared[0])

    def _open_copy(self):
        if self.session.shared is None:
            super()._open_copy()
            self.session.shared = self._stage, self._channel
        self._stage, self._channel = self.session.shared

    def _two(self, answers):
        if len(answers) != 2:
            self._give_up(Status.REFUSED, BROKE_IN)
        return answers


# --- judging again ---------------------------------------------------------------------------------------------------


class Questions(Exception):
    """The key does not ask what it asked then."""


class RecordedSource:
    """A transcript as a source: the same replies in the same order, nothing is run."""

    def __init__(self, transcript):
        self.entries = list(transcript)

    def begin_part(self):
        self._next("part")

    def is_untouched(self, given):
        return self._next("untouched")[0]

    def ask(self, args):
        question, packed = self._next("reply")
        if question != wire.pack_value(list(args)):
            raise Questions("the key asks other questions now")
        reply = wire.unpack_reply(packed, args)
        if self.entries and self.entries[0][0] == "none":
            self._next("reply")
        return reply

    def _next(self, kind):
        if not self.entries:
            raise Questions("the key asks more questions now")
        name, *rest = self.entries.pop(0)
        if name == "none":
            raise NoReply(*rest)
        if name != kind:
            raise Questions("the key asks in another order now")
        return rest


def judge_again(exercise, transcript, seed):
    """The Verdict from a stored transcript; Questions if the key or the seed is not the one it was made with."""
    return verdict_of(exercise, RecordedSource(transcript), seed)
