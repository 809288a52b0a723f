"""A submission behind the wall: Session runs its notebook, again if it was lost, and knows which cells broke."""

import contextlib
import math
import re
import socket
import time
from dataclasses import dataclass

from course_lib.grader import wire
from course_lib.grader.sandbox import Exceeded, SandboxError, Watch
from course_lib.judge import NoReply, Status

SOON_SECONDS = 1.0  # a notebook that takes longer is not run again only to save a copy of its process
GRACE_SECONDS = 5  # for the notebook process to end a copy of itself; then it is ended itself
SLOW_PACKAGES = {"sklearn.datasets": re.compile(r"^[^\S\n]*(?:from|import) +sklearn\b", re.MULTILINE)}  # to import
# No \s: it would run across lines, again from every line.
DEFINITION = re.compile(r"^[^\S\n]*(?:(?:async )?def|class) (\w+)|^(\w+)[^\S\n]*[:=]", re.MULTILINE)


@dataclass(frozen=True, kw_only=True, slots=True)
class Broken:
    """A cell that did not run to its end."""

    cell: int
    status: Status
    sentence: str


class Session:
    """A submission being graded: makes the process that ran its notebook, again if it was lost."""

    def __init__(self, cells, server, limits):
        self.cells, self.server, self.limits = cells, server, limits
        self.broken = {}  # cell number: Broken
        self.skipped = set()
        self.late = set()  # cells that were stopped without computing
        self.deadline = time.monotonic() + limits.submission_seconds
        self.restarts_left = limits.restarts
        self.direct_seconds = SOON_SECONDS  # a notebook that ran for less is asked itself, not in a copy
        self.called = False  # an answer has been called in the process that answers for several exercises
        self.shared = None  # (stage, channel) of what answers for several exercises
        self.orders = 0  # given so far; each reply repeats the number of its order
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
        stage, self._stage, self.shared, self.called = self._stage, None, None, False
        if stage:
            stage.close()

    def begin_again(self):
        """From here on the notebook itself is asked first, however long it ran: a copy has none of its threads."""
        self.close_stage()
        self.direct_seconds = math.inf

    def open_shared(self, deadline):
        """(stage, channel) for questions to several exercises: to the process that ran the notebook, or to a copy of it.

        The process itself saves a fork, which is most of what a submission costs. What has answered is not fresh, though:
        where fresh copies are wanted later, the notebook is run again.
        """
        if self.shared is None:
            stage = self.stage()
            direct = stage.ran_seconds < self.direct_seconds
            self.shared = stage, stage.channel if direct else stage.copy(deadline)
        return self.shared

    def end_shared(self):
        """Something was not right at first go: from here on only fresh copies count."""
        if self.shared is None:
            return
        stage, channel = self.shared
        if channel is stage.channel:
            self.direct_seconds = 0.0
            self.restarts_left += 1
            self.close_stage()
        else:
            self.shared, self.called = None, False
            channel.close()
            self.end_copy(stage)

    def end_copy(self, stage, silent=False):
        """How the stage's copy had ended by now, see Stage.end_copy; a stage that does not obey is ended as a whole."""
        try:
            return stage.end_copy(silent)
        except wire.Closed:
            self.close_stage()
            return -1

    def _run_notebook(self):
        stage = Stage(self.server, self.limits, packages_of(self.cells))
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
            if number in self.broken and name in names_defined(cell):
                return NoReply(self.broken[number].status, self.broken[number].sentence)
        return NoReply(Status.MISSING, f"The notebook defines no {name}.")


def packages_of(cells):
    """The packages among SLOW_PACKAGES that these cells import; the fork server then does it once for all."""
    return [name for name, pattern in SLOW_PACKAGES.items() if any(map(pattern.search, cells))]


def names_defined(source):
    """The names that a text looks as if it defined."""
    return {method or value for method, value in DEFINITION.findall(source)}


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

    def __init__(self, server, limits, packages=()):
        self.server, self.limits = server, limits
        self.channel, self.pid = server.spawn(limits, packages)
        self.ran_seconds = 0.0

    def run(self, cells, skipped, deadline):
        """The failures of single cells as (number, Failure); CellEnded if a cell ends the process."""
        start, now, cell = time.monotonic(), 0, None
        try:
            self.channel.send(["run", list(cells), sorted(skipped)], deadline=deadline)
            while True:
                now = time.monotonic()
                watch = Watch(self.server, self.limits, self.limits.cell_cpu_seconds)
                kind, *rest = self.channel.receive(deadline=min(deadline, now + self.limits.cell_seconds), tick=watch)
                if kind == "cell" and type(rest[0]) is int and (cell or 0) < rest[0] <= len(cells):
                    cell = rest[0]
                elif kind == "ran" and len(rest) == 2:
                    self.ran_seconds = time.monotonic() - start
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

    def end_copy(self, silent=False):
        """Kill the copy; its wait status if it had ended by itself, −1 if it had not. Closed if that failed.

        silent: it has closed its end of the line.
        """
        try:
            deadline = time.monotonic() + GRACE_SECONDS
            self.channel.send(["stop", silent], deadline=deadline)
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
