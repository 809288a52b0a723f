"""Grade one submission: grade_submission(cells, exercises, seed=…, server=…) -> one Graded per exercise.

The notebook's cells run behind the wall, that process answers questions, and judge() weighs the replies here. What is
right at first go is done; anything else is asked again, in a fresh copy for each part of a key, and that counts. What
hangs, crashes or floods costs the cell or the exercise it is in, nothing else.
"""

import hashlib
import logging
import time
from dataclasses import dataclass, replace

from course_lib.grader import wire
from course_lib.grader.sandbox import Limits, SandboxError
from course_lib.grader.session import Session
from course_lib.grader.sources import RecordedSource, SharedSource, WallSource, pack_transcript
from course_lib.judge import NoReply, Status, Verdict, judge

REMEMBERED, REMEMBERED_BYTES = 2000, 2**16  # sets of replies, and what each may take
log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class Graded:
    """One exercise of one submission: the verdict, how long it took, and what was asked and answered."""

    verdict: Verdict
    seconds: float
    transcript: bytes = b""  # see pack_transcript: enough to judge again without running anything; empty if too long


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
            session.begin_again()
            right = rehearsal.try_all_at_once(session, exercise, seed)
            graded[exercise.name] = right or grade_exercise(session, exercise, seed)[0]
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
    return Graded(verdict=verdict, seconds=round(time.monotonic() - start, 3), transcript=pack_transcript(source.transcript))


def verdict_of(exercise, source, seed):
    """judge(), also where there is nothing to judge."""
    try:
        return judge(exercise, source, seed=seed)
    except NoReply as none:
        return unjudged(exercise, none.status, none.sentence)


def unjudged(exercise, status, sentence):
    """The Verdict on an exercise about which nothing could be asked."""
    return Verdict(exercise=exercise.name, status=status, score=0.0, max_score=exercise.points, sentence=sentence)


# --- all at once -----------------------------------------------------------------------------------------------------


class Rehearsal:
    """What keys asked of right answers with this seed: they ask every right answer the same, so it can be sent at once.

    Many right answers of a class say the same to the last bit, too. Such replies are weighed once.
    """

    def __init__(self):
        self.questions = {}  # name of an exercise: packed questions; None where a key does not always ask the same
        self.judged = {}  # (name of an exercise, hash of the replies of a right answer): Graded

    def try_all_at_once(self, session, exercise, seed):
        """Graded if the answer is right, or not begun; None for all else, which says nothing yet.

        It is asked in a process that has answered for earlier exercises, too, as in the notebook. What an answer keeps
        between calls can then only cost time: whoever fails here is asked again in fresh copies.
        """
        start, source = time.monotonic(), SharedSource(session, exercise, self.questions.get(exercise.name))
        try:
            graded = self._weighed(session, exercise, source, seed, start)
        except SandboxError:
            raise
        except Exception:  # NoReply, or a fault of the key, which is told by the second try
            graded = None
        if graded is None:
            if source.deviates:
                self.questions[exercise.name] = None
            session.end_shared()
        return graded

    def _weighed(self, session, exercise, source, seed, start):
        said = exercise.name, hashlib.sha256(source.rehearse(exercise.given_source)).digest()
        if said in self.judged:
            session.called = True
            return replace(self.judged[said], seconds=round(time.monotonic() - start, 3))
        verdict = judge(exercise, source, seed=seed, only_if_right=True)
        if verdict is None or verdict.status not in (Status.CORRECT, Status.OPEN) or source.expected:
            return None
        if verdict.status is Status.OPEN and session.called:  # an earlier answer may have taken this one away
            return None
        graded = graded_since(start, verdict, source)
        session.called = session.called or verdict.status is not Status.OPEN
        if verdict.passed:
            self._learn(verdict, source)
            if source.said and len(graded.transcript) < REMEMBERED_BYTES and len(self.judged) < REMEMBERED:
                self.judged[said] = graded
        return graded

    def _learn(self, verdict, source):
        questions = [entry[1] for entry in source.transcript if entry[0] == "reply"]
        if verdict.exercise not in self.questions:
            small = len(wire.encode(questions)) < wire.FRAME_BYTES // 2
            self.questions[verdict.exercise] = questions if small else None


# --- judging again ---------------------------------------------------------------------------------------------------


def judge_again(exercise, transcript, seed):
    """The Verdict from a stored transcript; Questions if the key or the seed is not the one it was made with."""
    return verdict_of(exercise, RecordedSource(transcript), seed)
