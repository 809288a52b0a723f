"""Where submissions are graded: Pool(job, workers) in processes of this machine, or in a cluster.

Every worker is a process that knows the keys and the seed, and keeps a fork server that knows neither.
"""

import ctypes
import logging
import multiprocessing
import multiprocessing.util
import signal
import sys
import threading
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass

from course_lib.grader.conditions import UsageError, hide_memory, load_catalogue
from course_lib.grader.grade import Graded, Rehearsal, grade_submission, unjudged
from course_lib.grader.sandbox import TIERS, Limits, SandboxError, Server, probe
from course_lib.judge import Status

PR_SET_PDEATHSIG = 1


@dataclass(frozen=True, kw_only=True, slots=True)
class Job:
    """What every worker knows of this run."""

    seed: str
    tier: str
    isolation: str
    limits: Limits
    catalogue: str
    elsewhere: bool = False  # on other machines, each of which has to find out how strong its own sandbox is


class Pool:
    """Workers for a job: processes of their own, this process if one is enough, or those of a Dask scheduler."""

    def __init__(self, job, workers, scheduler=None):
        self.job, self.workers = job, workers
        self.here = workers == 1 and not scheduler
        self.client = connected(scheduler) if scheduler else None
        self.executor = self.client.get_executor() if scheduler else None
        if self.client:
            self.workers = max(1, sum(self.client.nthreads().values()))

    def __enter__(self):
        return self

    def __exit__(self, *error):
        if self.client:
            self.client.close()
        elif self.executor:
            self.executor.shutdown(wait=error[0] is None, cancel_futures=True)
        if self.here:
            end_worker()

    def submit(self, submission):
        names = tuple(exercise.name for exercise in submission.exercises)
        if self.here:
            future = Future()
            future.set_result(grade_here(self.job, submission.cells, names))
            return future
        try:
            return self._submit(submission.cells, names)
        except BrokenProcessPool:
            self.executor = None
            return self._submit(submission.cells, names)

    def _submit(self, cells, names):
        if self.executor is None:
            context = multiprocessing.get_context("spawn")  # a new program: it shares nothing with this one
            self.executor = ProcessPoolExecutor(self.workers, context, initializer=end_with_parent)
        return self.executor.submit(grade_here, self.job, cells, names)

    def result(self, future, submission):
        try:
            return future.result()
        except Exception:  # whatever befell a worker, it is not the student's fault
            logging.getLogger(__name__).exception("a worker failed on %s", submission.found.notebook)
            return [not_judged(exercise) for exercise in submission.exercises]


def connected(scheduler):
    """A client of the Dask scheduler at this address; its workers need this course, of the same version."""
    try:
        from distributed import Client
    except ImportError:
        raise UsageError("--scheduler needs Dask, which is not installed: pip install distributed") from None
    try:
        return Client(scheduler, timeout=10)
    except OSError:
        raise UsageError(f"There is no Dask scheduler at {scheduler}.") from None


def not_judged(exercise):
    return Graded(verdict=unjudged(exercise, Status.NOT_JUDGED, "The grader failed here; grade again."), seconds=0.0)


# --- in a worker -----------------------------------------------------------------------------------------------------

_worker = None
_one_at_a_time = threading.Lock()  # a worker of Dask may have several threads


def grade_here(job, cells, names):
    """Grade in this process, which becomes a worker for the job."""
    with _one_at_a_time:
        return start_worker(job).grade(cells, names)


class _Worker:
    """What a process that grades keeps from one submission to the next."""

    def __init__(self, job):
        if job.elsewhere and TIERS.index(probe().tier) < TIERS.index(job.tier):
            raise SandboxError(f"the sandbox of a worker is weaker than {job.tier!r}")
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


def start_worker(job):
    """The worker of this process for the job."""
    global _worker
    if _worker is None or _worker.job != job:
        end_worker()
        if multiprocessing.parent_process() is not None:
            hide_memory()
            multiprocessing.util.Finalize(None, end_worker, exitpriority=10)
        _worker = _Worker(job)
    return _worker


def end_worker():
    global _worker
    worker, _worker = _worker, None
    if worker:
        worker.close()


def end_with_parent():
    """For a process of our own pool: it neither outlives the main process nor ends before it decides so."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
