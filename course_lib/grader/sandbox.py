"""The wall around submissions: probe() says how strong it is here, Server runs the fork server behind it.

Three tiers. "strong": bubblewrap outside (no network, a read-only file system with Python and nothing of the course),
namespaces for every notebook inside, limits and a filter of system calls. "weak": Landlock, the filter and limits, one
process table for all. "none": a separate process with limits. Which one holds is found by trying what it must forbid.

Where the kernel grants no namespaces inside bubblewrap, "strong" is kept by a new fork server for every notebook: the
isolation is then "fresh" instead of "namespaces", just as strict and some seconds slower.
"""

import contextlib
import importlib.util
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import course_lib
from course_lib.grader import wire

TIERS = ("none", "weak", "strong")
ISOLATIONS = {"strong": ("namespaces", "fresh"), "weak": ("landlock",), "none": ("none",)}  # the fastest first
ROOT = Path(__file__).resolve().parent.parent.parent
PRIVATE = ("/dev/shm", "/tmp")  # every notebook has its own; nothing of ours can be seen there
INSIDE = (
    "observe.py", "functions.py", "recipes.py", "grader/worker.py", "grader/wire.py", "grader/inert.py",
    "grader/jail.py", "grader/magics.py", "grader/warm.py",
)  # fmt: skip
SYSTEM = ("/usr", "/lib", "/lib32", "/lib64", "/bin", "/etc/ld.so.cache", "/etc/alternatives", "/etc/fonts")
HOME = "/grader"
FOLDER = "course-grader-"  # and the process it belongs to, in the folder for temporary files
CONTROL_GROUPS = ("/sys/fs/cgroup/pids", "/sys/fs/cgroup")  # of version 1 and 2
GROUP_PROCESSES = 100  # of a whole fork server, threads count; Limits.processes is what one submission may have
START_SECONDS = 180  # importing torch from a cold disk
RESIDENT = re.compile(r"^Rss(?:Anon|Shmem):\s+(\d+) kB", re.MULTILINE)
PROPORTIONAL = re.compile(r"^Pss_(?:Anon|Shmem):\s+(\d+) kB", re.MULTILINE)
MIB, GIB = 2**20, 2**30


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """What one submission may use. Processor time decides; wall time is generous: a busy machine must fail nobody."""

    cell_cpu_seconds: float = 20.0
    cell_seconds: float = 60.0
    question_cpu_seconds: float = 10.0
    question_seconds: float = 30.0
    exercise_seconds: float = 120.0
    submission_seconds: float = 600.0
    memory_bytes: int = 2 * GIB  # beyond what torch itself needs, for all processes of a submission
    tmp_bytes: int = 64 * MIB
    file_bytes: int = 32 * MIB
    processes: int = 64  # threads count
    restarts: int = 4

    def inside(self, folder):
        """The part that the sandbox sets itself, as a list for the wire."""
        cpu = int(self.submission_seconds) + 1
        return [self.memory_bytes, self.tmp_bytes, self.file_bytes, self.processes, cpu, folder]


class SandboxError(Exception):
    """The sandbox could not be built, in one sentence."""


class Exceeded(Exception):
    """A limit that only the outside can see: "memory", "processes" or "cpu"."""


def probe():
    """The strongest tier that holds on this machine and why it is not a stronger one: `.tier`, `.reasons`."""
    from course_lib.grader import tiers  # it grades with this module

    return tiers.probe()


# --- the wall from the outside ---------------------------------------------------------------------------------------


class Server:
    """A fork server behind the wall of a tier. `spawn` starts a notebook process, `kill` ends it with all below it.

    warm: it starts some seconds later, and each notebook then gets what is slow at first use for nothing.
    """

    def __init__(self, tier, isolation=None, *, warm=True):
        self.tier, self.isolation, self.warm = tier, isolation or ISOLATIONS[tier][0], warm
        self.process = self.channel = None
        self.ending = 0  # how many notebook processes were killed and may not be gone yet
        remove_leftovers()
        self.folder = Path(tempfile.mkdtemp(prefix=f"{FOLDER}{os.getpid()}-"))
        copy_inside(self.folder / "code")
        (self.folder / "tmp").mkdir()
        self.group = control_group(self.folder.name)
        self._start()

    def _start(self):
        self.ending = 0
        ours, theirs = socket.socketpair()
        self.channel = wire.Channel(ours)
        with open(self.folder / "errors.txt", "wb") as errors, theirs:
            try:
                words = command(self.tier, self.isolation, self.folder, theirs.fileno(), self.warm)
                self.process = subprocess.Popen(
                    in_group(self.group, words), pass_fds=[theirs.fileno()],
                    env=environment("/tmp" if self.tier == "strong" else str(self.folder / "tmp")),
                    stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=errors, cwd=self.folder / "tmp",
                    start_new_session=True,
                )  # fmt: skip
                theirs.close()
                self._receive("ready", START_SECONDS)
            except (OSError, SandboxError) as error:
                words = self._last_words() or str(error)
                self.close()
                raise SandboxError(f"the sandbox ({self.tier}) did not start: {words}") from None
        self.baseline = usage(self.process.pid)

    def _stop(self):
        if self.channel:
            self.channel.close()
        if self.process:
            # Behind bubblewrap everything ends with it; elsewhere notebooks are in sessions of their own.
            pids = members(self.process.pid) or [self.process.pid]
            for pid in pids:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.kill(pid, signal.SIGKILL)
            self.process.wait()
            until = time.monotonic() + 5
            while any(running(pid) for pid in pids) and time.monotonic() < until:
                time.sleep(0.005)

    def spawn(self, limits, packages=()):
        """(channel to a new notebook process, its pid for kill). packages: what it will import, and takes long to."""
        folder = "/tmp" if self.tier == "strong" else tempfile.mkdtemp(dir=self.folder / "tmp")
        ours, theirs = socket.socketpair()
        with theirs:
            self._order(["spawn", limits.inside(folder), list(packages)], fds=[theirs.fileno()])
        self.finish_kills()
        pid = self._receive("spawned", START_SECONDS)
        if not pid:
            raise SandboxError("the fork server could not start a notebook process")
        return wire.Channel(ours), pid

    def kill(self, pid):
        """End a notebook process. That takes some milliseconds, in which the grader goes on; the next one starts later."""
        if self.isolation == "fresh":
            self._stop()
            self._start()
            return
        self._order(["kill", pid])
        self.ending += 1

    def finish_kills(self):
        """Wait until all that was killed is gone."""
        while self.ending:
            self._receive("gone", 30)
            self.ending -= 1

    @property
    def alive(self):
        return self.process.poll() is None

    def close(self):
        """End everything behind the wall."""
        self._stop()
        if self.group:
            with contextlib.suppress(OSError):
                self.group.rmdir()
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()

    def _order(self, message, fds=()):
        try:
            self.channel.send(message, fds=fds, deadline=time.monotonic() + 30)
        except (wire.Closed, wire.Late) as error:
            raise SandboxError(f"the fork server is gone ({type(error).__name__})") from None

    def _receive(self, kind, seconds):
        try:
            answer = self.channel.receive(deadline=time.monotonic() + seconds)
        except (wire.Closed, wire.Late, wire.WireError) as error:
            raise SandboxError(f"the fork server is gone ({type(error).__name__})") from None
        if answer[0] != kind or len(answer) != 2 or not isinstance(answer[1], int):
            raise SandboxError(f"the fork server answered {answer[0]!r} instead of {kind!r}")
        return answer[1]

    def _last_words(self):
        lines = (self.folder / "errors.txt").read_text(errors="replace").strip().splitlines()
        return lines[-1][:200] if lines else ""


def remove_leftovers():
    """Remove the folders of graders that were killed before they could."""
    for folder in Path(tempfile.gettempdir()).glob(f"{FOLDER}*"):
        owner = folder.name.removeprefix(FOLDER).partition("-")[0]
        try:
            os.kill(int(owner), 0)
        except ProcessLookupError:
            shutil.rmtree(folder, ignore_errors=True)
            for place in CONTROL_GROUPS:
                with contextlib.suppress(OSError):
                    Path(place, folder.name).rmdir()
        except (PermissionError, ValueError):
            continue


def control_group(name):
    """A group that counts the processes of a fork server, where this user may make one (root, mostly); None elsewhere.

    The kernel lets root start as many processes as it likes, whatever its limit says, so for root this is the limit.
    Without it the watch from outside still ends a submission with too many, a twentieth of a second later.
    """
    for place in CONTROL_GROUPS:
        group = Path(place, name)
        try:
            group.mkdir()
            (group / "pids.max").write_text(str(GROUP_PROCESSES))
            return group
        except OSError:
            with contextlib.suppress(OSError):
                group.rmdir()
    return None


def in_group(group, words):
    """A command line that joins the group first."""
    return ["/bin/sh", "-c", 'echo $$ > "$0/cgroup.procs" && exec "$@"', str(group), *words] if group else words


def copy_inside(folder):
    """The few files that the sandbox may see of the course, as a package of their own."""
    for name in INSIDE:
        target = folder / "course_lib" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / "course_lib" / name, target)
        # Without it the whole course, wherever it is installed, would win over these few files.
        (target.parent / "__init__.py").touch()


def environment(home):
    """Variables of the fork server: nothing of ours."""
    return {
        "PATH": "/usr/bin:/bin", "HOME": home, "LANG": "C.UTF-8", "PYTHONHASHSEED": "0", "MPLBACKEND": "Agg",
        "MPLCONFIGDIR": f"{home}/matplotlib", "CUDA_VISIBLE_DEVICES": "",
        # Before torch is imported: a fork of a process that has computed with several threads hangs.
        "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "NUMEXPR_NUM_THREADS": "1",
    } | ({"SYSTEMROOT": os.environ.get("SYSTEMROOT", "")} if os.name == "nt" else {})


def command(tier, isolation, folder, descriptor, warm):
    """The command line of the fork server; it holds no secret."""
    inside = place_inside if tier == "strong" else str
    code = HOME if tier == "strong" else str(folder / "code")
    extra = [inside(path) for path in package_folders()]
    start = (
        f"import sys; sys.path[:0] = [{code!r}]; sys.path += {extra!r}; "
        f"from course_lib.grader.worker import main; "
        f"main({descriptor}, {isolation!r}, {readable(folder)!r}, {list(course_lib.__all__)!r}, {warm})"
    )
    # -s -P and a clean environment are -I, except that the seed of hashes is ours: the same order in every run.
    python = [inside(sys.executable), "-s", "-P", "-B", "-c", start]
    return [*bubblewrap(folder), *python] if tier == "strong" else python


def bubblewrap(folder):
    program = shutil.which("bwrap")
    if not program:
        raise SandboxError("bubblewrap is not installed (sudo apt install bubblewrap)")
    visible = [path for path in SYSTEM if os.path.exists(path)]
    words = [program, "--unshare-all", "--die-with-parent", "--new-session"]
    for path in visible:
        words += ["--symlink", os.readlink(path), path] if os.path.islink(path) else ["--ro-bind", path, path]
    if any(ROOT.is_relative_to(path) for path in visible):
        words += ["--tmpfs", str(ROOT)]
    for path in python_folders():
        words += ["--ro-bind", path, place_inside(path)]
    words += ["--ro-bind", str(folder / "code"), HOME, "--proc", "/proc", "--dev", "/dev"]
    words += ["--dev-bind", "/dev/null", "/dev/zero"]  # a mapping of it is memory that no process is charged for
    if os.path.isdir("/proc/sys"):
        words += ["--ro-bind", "/proc/sys", "/proc/sys"]  # bubblewrap leaves it writable, and root's is then root's
    for place in PRIVATE:
        words += ["--size", str(16 * MIB), "--tmpfs", place]
    return [*words, "--chdir", "/tmp", "--remount-ro", "/dev", "--remount-ro", "/"]


def readable(folder):
    """What Landlock leaves open."""
    devices = ["/dev/null", "/dev/urandom", "/proc/self", "/proc/cpuinfo", "/proc/meminfo"]
    pythons = {*python_folders(), *map(place_inside, python_folders())}
    return [*SYSTEM, *sorted(pythons), str(folder / "code"), *devices]


def place_inside(path):
    """Where a file of this Python is seen behind the wall: as it is, but not below what is private there."""
    path = str(path)
    for hidden in PRIVATE:
        if path.startswith(f"{hidden}/"):
            return f"/python{path}"
    return path


def python_folders():
    """Where this Python and its packages are, outermost first, without what /usr holds anyway."""
    paths = {os.path.realpath(sys.base_prefix), sys.base_prefix, sys.prefix, *map(str, package_folders())}
    return sorted(path for path in paths if not path.startswith("/usr/") and path != "/usr")


@cache
def package_folders():
    """Where torch, NumPy and msgpack are, if not inside the environment's own folder."""
    folders = {Path(importlib.util.find_spec(name).origin).parent.parent for name in ("torch", "numpy", "msgpack")}
    return sorted(folder for folder in folders if not folder.is_relative_to(sys.prefix))


# --- what a tree of processes uses -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Usage:
    memory_bytes: int = 0  # of no file on disk, summed over processes; pages shared between processes count in each
    processes: int = 0  # processes
    threads: int = 0
    cpu_seconds: float = 0.0


def usage(pid, shared_bytes=0):
    """What a process and everything below it uses; all zero where there is no /proc.

    shared_bytes: what each process has from the one it was forked from; only what it has beyond that counts as memory.
    """
    if not os.path.isdir("/proc/self"):
        return Usage()
    tick = os.sysconf("SC_CLK_TCK")
    memory = processes = threads = 0
    cpu = 0.0
    stats = _stats()
    for member in _tree(pid, stats):
        fields = stats[member]
        with contextlib.suppress(OSError):
            status = Path(f"/proc/{member}/status").read_text()
            memory += max(0, 1024 * sum(map(int, RESIDENT.findall(status))) - shared_bytes)
        processes += 1
        threads += int(fields[17])
        cpu += sum(map(int, fields[11:15])) / tick
    return Usage(memory, processes, threads, cpu)


def memory_once(pid):
    """Bytes of memory of a process and everything below it, each page counted once; None if that cannot be known."""
    try:
        texts = [Path(f"/proc/{member}/smaps_rollup").read_text() for member in members(pid)]
    except OSError:  # not permitted, or a process has just ended
        return None
    return 1024 * sum(int(size) for text in texts for size in PROPORTIONAL.findall(text))


def members(pid):
    """A process and everything below it; empty where there is no /proc."""
    return _tree(pid, _stats()) if os.path.isdir("/proc/self") else []


def running(pid):
    """Whether a process still computes; one that only waits to be collected does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def _stats():
    """The fields of /proc/PID/stat after the name, of every process: state, parent, …"""
    found = {}
    for entry in os.scandir("/proc"):
        if entry.name.isdigit():
            with contextlib.suppress(OSError), open(f"/proc/{entry.name}/stat", encoding="utf-8", errors="replace") as stat:
                found[int(entry.name)] = stat.read().rpartition(")")[2].split()
    return found


def _tree(pid, stats):
    children = {}
    for member, fields in stats.items():
        children.setdefault(int(fields[1]), []).append(member)
    found, todo = [], [pid] if pid in stats else []
    while todo:
        found.append(todo.pop())
        todo += children.get(found[-1], [])
    return found


class Watch:
    """Called while the grader waits: raises Exceeded when the tree behind the wall uses more than it may."""

    def __init__(self, server, limits, cpu_seconds):
        self.server, self.limits, self.cpu_seconds = server, limits, cpu_seconds
        self.start = None

    def __call__(self):
        base = self.server.baseline
        # Each fork starts with the fork server's pages; only what comes on top is the submission's.
        now = usage(self.server.process.pid, base.memory_bytes)
        self.start = self.start or now
        if now.memory_bytes > self.limits.memory_bytes and self._uses_too_much():
            raise Exceeded("memory")
        if now.threads - base.threads > self.limits.processes + 4:
            raise Exceeded("processes")
        if now.cpu_seconds - self.start.cpu_seconds > self.cpu_seconds:
            raise Exceeded("cpu")

    def _uses_too_much(self):
        """A copy of a notebook shares the notebook's pages: before it costs anybody a mark, they are counted exactly."""
        once = memory_once(self.server.process.pid)
        return once is None or once - self.server.baseline.memory_bytes > self.limits.memory_bytes
