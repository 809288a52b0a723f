"""The inside of the wall: the filter of system calls and Landlock, each in a throw-away process."""

import subprocess
import sys

import pytest

from course_lib.grader import jail

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="system calls of Linux")


def in_a_process(code):
    """What the code prints, run after `from course_lib.grader import jail`."""
    start = """
import os, socket, sys, tempfile, threading
from course_lib.grader import jail
def attempt(what):
    try:
        what()
        return "done"
    except OSError as error:
        return type(error).__name__
"""
    done = subprocess.run([sys.executable, "-c", start + code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_filter_denies_what_it_lists_and_leaves_ordinary_work_alone():
    assert (
        in_a_process("""
jail.call(jail.LIBC.prctl, jail.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
jail.deny_system_calls()
def thread():
    worker = threading.Thread(target=int); worker.start(); worker.join()
def fork():
    if os.fork() == 0: os._exit(0)
    os.wait()
import mmap, multiprocessing, tempfile
file = tempfile.TemporaryFile(); file.truncate(9)
for what in (thread, fork, lambda: socket.socketpair(), lambda: open(os.devnull), lambda: os.pipe(),
             lambda: mmap.mmap(-1, 9, flags=mmap.MAP_PRIVATE), lambda: mmap.mmap(file.fileno(), 9),
             lambda: multiprocessing.Value("d", 0.5), lambda: multiprocessing.Lock()):
    print(attempt(what))
for what in (lambda: socket.socket(socket.AF_INET), lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW),
             lambda: os.memfd_create("x"), lambda: mmap.mmap(-1, 9), lambda: jail.call(jail.LIBC.unshare, jail.NEWUSER),
             lambda: jail.call(jail.LIBC.ptrace, 0, 0, None, None)):
    print(attempt(what))
""")
        == ["done"] * 9 + ["PermissionError"] * 6
    )


def test_filter_knows_both_machines_and_refuses_others():
    programs = {machine: jail.seccomp_program(machine) for machine in jail.MACHINES}
    assert len(set(programs.values())) == 2 and all(len(program) % 8 == 0 for program in programs.values())
    with pytest.raises(OSError, match="riscv64"):
        jail.seccomp_program("riscv64")


@pytest.mark.skipif(sys.platform == "linux" and jail.landlock_version() < 3, reason="no Landlock here")
def test_landlock_leaves_only_what_is_named():
    assert in_a_process("""
with tempfile.TemporaryDirectory() as ours, tempfile.TemporaryDirectory() as others:
    open(f"{others}/secret", "w").write("x")
    pid = os.fork()
    if pid == 0:
        jail.restrict_files([ours], ["/usr"])
        print(attempt(lambda: open(f"{ours}/file", "w")), attempt(lambda: open(f"{others}/secret")),
              attempt(lambda: open(f"{others}/file", "w")), attempt(lambda: open("/etc/passwd")), flush=True)
        os._exit(0)
    os.waitpid(pid, 0)
""") == ["done", "PermissionError", "PermissionError", "PermissionError"]


def test_limits_count_from_what_is_in_use():
    assert in_a_process("""
import resource
jail.limit(jail.address_space(), 2**28, 2**20, 64, 100)
try:
    bytearray(2**29); print("done")
except MemoryError:
    print("MemoryError")
bytearray(2**26)
with tempfile.TemporaryFile(buffering=0) as out:
    out.write(b"x" * 2**20)
    print(attempt(lambda: out.write(b"x")))
print(resource.getrlimit(resource.RLIMIT_CORE)[1])
""") == ["MemoryError", "OSError", "0"]
