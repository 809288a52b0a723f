"""Find out how strong the sandbox is on this machine, by trying in it what it must forbid: probe() -> Probed."""

import contextlib
import secrets
import socket
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from course_lib.grader.sandbox import ISOLATIONS, MIB, ROOT, Limits, SandboxError, Server
from course_lib.grader.session import Session
from course_lib.grader.sources import WallSource
from course_lib.judge import NoReply

LIMITS = Limits(memory_bytes=512 * MIB, question_seconds=20, question_cpu_seconds=10, restarts=20)
SYSTEM_FILE = "/usr/course-was-here"
SETTINGS = [
    "/proc/sys/kernel/core_pattern", "/proc/sys/vm/swappiness", "/proc/sys/kernel/modprobe", "/proc/sysrq-trigger",
    "/proc/self/oom_score_adj", "/sys/kernel/uevent_helper", "/dev/mem", "/dev/kmsg",
]  # fmt: skip
NOT_IN_WEAK = ("start more processes than allowed",)  # one process table for all: only watched from outside


@dataclass(frozen=True, kw_only=True, slots=True)
class Probed:
    """The strongest tier that holds, in which way, and in sentences why it is not a stronger one."""

    tier: str
    isolation: str
    reasons: tuple[str, ...] = ()


class Name:
    """What WallSource wants to know of an exercise."""

    def __init__(self, name):
        self.name = name


def probe():
    """Try the tiers from the strongest down."""
    reasons = []
    for tier in ("strong", "weak"):
        for isolation in ISOLATIONS[tier]:
            try:
                with Server(tier, isolation, warm=False) as server:
                    possible = [what for what in went_through(server) if tier == "strong" or what not in NOT_IN_WEAK]
            except SandboxError as error:
                reasons.append(f"not {tier}: {error}")
                continue
            if not possible:
                return Probed(tier=tier, isolation=isolation, reasons=tuple(dict.fromkeys(reasons)))
            reasons.append(f"not {tier}: inside it one still can {', '.join(possible)}")
    return Probed(tier="none", isolation="none", reasons=tuple(dict.fromkeys(reasons)))


def went_through(server):
    """In words, every forbidden act that succeeded behind this server's wall; empty is good."""
    cell = (Path(__file__).parent / "attempts.py").read_text(encoding="utf-8")
    with Session((cell,), server, LIMITS) as session, _Surroundings() as around:
        if not _succeeds(session, "ordinary_work", [0]):
            raise SandboxError("in it not even ordinary work runs")  # or every attempt would seem to be refused
        found = [what for what, (name, *args) in around.attempts().items() if _succeeds(session, name, args)]
        return found + around.traces()


def _succeeds(session, name, args):
    source = WallSource(session, Name(name))
    try:
        source.begin_part()
        reply = source.ask(args)
    except NoReply:
        return False  # stopped from outside
    finally:
        source.close()
    if reply.failure:
        raise SandboxError(f"the attempt {name} itself failed: {reply.failure.message}")
    return reply.value is not False


class _Surroundings:
    """Things outside that a submission must not reach: a port, a file, a folder, a process."""

    def __enter__(self):
        self.stack = contextlib.ExitStack()
        self.folder = Path(self.stack.enter_context(tempfile.TemporaryDirectory(prefix="course-outside-")))
        (self.folder / "secret.txt").write_text("secret")
        self.folder.chmod(0o755)
        self.port = self.stack.enter_context(socket.socket())
        self.port.bind(("127.0.0.1", 0))
        self.abstract = f"course-{secrets.token_hex(8)}"
        listening = [self.port]
        if sys.platform == "linux":
            local = self.stack.enter_context(socket.socket(socket.AF_UNIX))
            local.bind("\0" + self.abstract)
            listening.append(local)
        for end in listening:
            end.listen()
        self.listening = listening
        self.victim = self.stack.enter_context(
            subprocess.Popen([sys.executable, "-I", "-S", "-c", "import time; time.sleep(120)"])
        )
        return self

    def __exit__(self, *error):
        self.victim.kill()  # it may have been stopped
        Path(SYSTEM_FILE).unlink(missing_ok=True)
        self.stack.close()

    def attempts(self):
        return {
            "use the network": ("connect", self.port.getsockname()[1], self.abstract),
            "read the keys": ("read", str(ROOT / "course_lib" / "keys")),
            "read the grader": ("read", str(ROOT / "course_lib" / "judge.py")),
            "read another file": ("read", str(self.folder / "secret.txt")),
            "write a file": ("write", str(self.folder / "file.txt")),
            "write in the system": ("write", SYSTEM_FILE),
            "change kernel settings": ("open_settings", SETTINGS),
            "reach another process": ("reach_process", self.victim.pid),
            "read another process": ("read", f"/proc/{self.victim.pid}/environ"),
            "gain powers": ("new_namespace", 0),
            "take more memory than allowed": ("take_memory", LIMITS.memory_bytes + 64 * MIB),
            "share memory beyond all limits": ("share_memory", 0),
            "write a larger file than allowed": ("fill_disk", LIMITS.file_bytes + 8 * MIB),
            "start more processes than allowed": ("make_processes", LIMITS.processes + 20),
        }

    def traces(self):
        """What is seen from out here of attempts that claim to have failed."""
        found = ["leave a file behind"] if (self.folder / "file.txt").exists() else []
        if self.victim.poll() is not None:
            found.append("end another process")
        for end in self.listening:
            end.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                end.accept()[0].close()
                found.append("open a connection")
        return found
