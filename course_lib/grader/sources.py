"""Where the answers that judge() questions come from: a process of the notebook, or a stored transcript.

WallSource asks one thing at a time, in a fresh copy for each part of a key. SharedSource asks everything at once, in a
process that answers for several exercises. RecordedSource runs nothing.
"""

import re
import time
import zlib
from dataclasses import replace

import msgpack

from course_lib.grader import wire
from course_lib.grader.sandbox import Exceeded, Watch
from course_lib.grader.session import explain_exceeded
from course_lib.judge import NoReply, Status

AT_ONCE_CPU_SECONDS, AT_ONCE_SECONDS = 2.0, 5.0  # for all questions of an exercise; slower ones are asked one by one
TRANSCRIPT_BYTES = 4 * 2**20  # longer ones cannot be replayed
NO_MEMORY = re.compile(r"can't allocate memory|cannot allocate memory|not enough memory|std::bad_alloc", re.IGNORECASE)
BROKE_IN = "The answer wrote to the grader's own connection, so nothing it said counts."


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

    def close(self, silent=False):
        """End the copy that is open; how it had ended by then. silent: it has closed its end."""
        channel, stage = self._channel, self._stage
        self._channel = self._stage = None
        if channel:
            channel.close()
            return self.session.end_copy(stage, silent)
        return 0

    # --- inside ---

    def _open_copy(self):
        self.close()
        try:
            self._stage, self._channel = self._connect()
        except (wire.Closed, wire.Late):
            self.session.close_stage()
            self._give_up(Status.NOT_JUDGED, "The process that ran the notebook was gone.")

    def _connect(self):
        stage = self.session.stage()
        return stage, stage.copy(self.deadline)

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
        who, status = self.exercise.name, self.close(silent=True)
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


class SharedSource(WallSource):
    """An answer in a process that it shares with other answers, asked all that is expected in one go."""

    def __init__(self, session, exercise, questions):
        super().__init__(session, exercise)
        self.limits = replace(
            self.limits, question_cpu_seconds=min(self.limits.question_cpu_seconds, AT_ONCE_CPU_SECONDS),
            question_seconds=min(self.limits.question_seconds, AT_ONCE_SECONDS),
        )  # fmt: skip
        self.known = questions
        self.said = None  # (whether it is untouched, the packed replies)
        self.expected, self.deviates = [], False  # (question, reply) still to be asked for

    def begin_part(self):
        self.transcript.append(["part"])

    def rehearse(self, given):
        """Ask everything that is known to be asked; the bytes that came back, or nothing where no question is known."""
        if self.known is None:
            return b""
        self._open_copy()
        untouched, packed = self._two(self._exchange("rehearse", given, self.known, expected="replies"))
        if not isinstance(untouched, bool) or not isinstance(packed, bytes):
            self._give_up(Status.REFUSED, BROKE_IN)
        self.said = untouched, packed
        return packed

    def is_untouched(self, given):
        if self.known is None:
            return super().is_untouched(given)
        if self.said is None:
            self.rehearse(given)
        untouched, packed = self.said
        if not untouched:
            self.expected = self._pairs(packed)
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

    def close(self, silent=False):
        """What answers stays for the next exercise."""
        return 0

    def _connect(self):
        return self.session.open_shared(self.deadline)

    def _pairs(self, packed):
        """(question, reply), last one first."""
        if not packed:
            self._give_up(Status.NOT_JUDGED, "The replies do not fit into one frame, or there are none.")
        try:
            _, *replies = wire.decode(packed)
            return list(zip(reversed(self.known), reversed(replies), strict=True))
        except (wire.WireError, ValueError):
            self._give_up(Status.REFUSED, BROKE_IN)

    def _two(self, answers):
        if len(answers) != 2:
            self._give_up(Status.REFUSED, BROKE_IN)
        return answers


# --- transcripts -----------------------------------------------------------------------------------------------------


def pack_transcript(entries):
    """What was asked and answered, as bytes; none if it is too long to keep."""
    packed = msgpack.packb(entries, use_bin_type=True)
    return zlib.compress(packed, 6) if entries and len(packed) <= TRANSCRIPT_BYTES else b""


def unpack_transcript(data):
    return msgpack.unpackb(zlib.decompress(data), raw=False, strict_map_key=False) if data else []


class Questions(Exception):
    """The key does not ask what it asked then."""


class RecordedSource:
    """A transcript as a source: the same replies in the same order, nothing is run."""

    def __init__(self, transcript):
        self.entries = unpack_transcript(transcript)

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
