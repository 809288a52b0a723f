"""The wall from the outside: what it shows, what it counts, how it ends."""

import os
import subprocess
import sys
import time

import pytest

from course_lib.grader import sandbox
from course_lib.grader.grade import grade_submission
from course_lib.grader.sandbox import MIB, Exceeded, SandboxError, Usage, Watch, usage
from tests.grader.toys import DOUBLE, SEED, lesson

linux = pytest.mark.skipif(sys.platform != "linux", reason="/proc")


def test_only_the_workers_own_files_go_inside(tmp_path):
    sandbox.copy_inside(tmp_path)
    inside = {str(path.relative_to(tmp_path / "course_lib")) for path in tmp_path.rglob("*.py")}
    assert inside == {*sandbox.INSIDE, "__init__.py", "grader/__init__.py"}
    assert not any("key" in name or "judge" in name for name in inside)


def test_the_few_files_inside_win_over_the_whole_course_wherever_it_is_installed(tmp_path):
    sandbox.copy_inside(tmp_path)
    code = f"import sys; sys.path[:0] = [{str(tmp_path)!r}, {str(sandbox.ROOT)!r}]; import course_lib.grader.worker as w; " \
           "print(w.__file__)"  # fmt: skip
    said = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True).stdout
    assert said.startswith(str(tmp_path))


def test_folder_of_a_killed_grader_is_removed_and_that_of_a_living_one_is_not(tmp_path, monkeypatch):
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    monkeypatch.setattr(sandbox.tempfile, "tempdir", str(tmp_path))
    for name in (f"course-grader-{gone.pid}-x", f"course-grader-{os.getpid()}-x", "course-grader-old", "other"):
        (tmp_path / name).mkdir()
    sandbox.remove_leftovers()
    left = sorted(path.name for path in tmp_path.iterdir())
    assert left == sorted([f"course-grader-{os.getpid()}-x", "course-grader-old", "other"])


def test_a_group_is_a_limit_of_the_kernel_for_root_too_and_goes_with_the_server(server):
    if server.group is None:
        pytest.skip("no control group of processes here")
    assert int((server.group / "pids.max").read_text()) == sandbox.GROUP_PROCESSES
    assert str(server.process.pid) in (server.group / "cgroup.procs").read_text().split()
    forking = "import os, signal\ndef double(x):\n    while True:\n        if os.fork() == 0:\n            signal.pause()"
    patient = sandbox.Limits(processes=10_000)  # the watch from outside does not mind
    (one,) = grade_submission([forking], [lesson.exercises["double"]], seed=SEED, server=server, limits=patient)
    failure = one.verdict.problem.failure
    assert failure.type == "BlockingIOError"
    with sandbox.Server("strong") as other:
        assert other.group.exists()
    assert not other.group.exists()


def test_environment_holds_nothing_of_ours(monkeypatch):
    monkeypatch.setenv("SECRET_OF_THE_INSTRUCTOR", "x")
    assert "SECRET_OF_THE_INSTRUCTOR" not in sandbox.environment("/tmp")


@linux
def test_usage_counts_the_whole_tree():
    code = """
import mmap, subprocess, time
child, kept, shared = subprocess.Popen(['sleep', '30']), bytearray(b'y' * 2**26), mmap.mmap(-1, 2**26)
shared.write(b'y' * 2**26)
print('on', flush=True)
time.sleep(30)"""
    child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, start_new_session=True)
    try:
        child.stdout.readline()
        used = usage(child.pid)
        assert used.processes == 2 and used.memory_bytes > 124 * MIB
    finally:
        os.killpg(child.pid, 9)
        child.wait()
    assert usage(child.pid) == Usage()


@linux
@pytest.mark.parametrize(
    ("now", "word"),
    [(Usage(900 * MIB, 4, 4, 0.0), "memory"), (Usage(0, 4, 90, 0.0), "processes"), (Usage(0, 4, 4, 7.0), "cpu")],
)
def test_watch_names_the_limit_that_was_passed(monkeypatch, now, word):
    class Server:
        class process:
            pid = 1

        baseline = Usage(100 * MIB, 3, 3, 1.0)

    readings = iter([Usage(0, 4, 4, 1.0), now])
    monkeypatch.setattr(sandbox, "usage", lambda pid, shared_bytes: next(readings))
    monkeypatch.setattr(sandbox, "memory_once", lambda pid: 700 * MIB)
    watch = Watch(Server, sandbox.Limits(memory_bytes=500 * MIB), cpu_seconds=5)
    watch()
    with pytest.raises(Exceeded, match=word):
        watch()


@linux
def test_pages_that_processes_share_are_counted_once_before_it_costs_a_mark():
    code = """
import os, time
kept = bytearray(b'y' * 2**27)
for _ in range(3):
    if os.fork() == 0:
        time.sleep(30)
        os._exit(0)
print('on', flush=True)
time.sleep(30)"""
    child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, start_new_session=True)
    try:
        child.stdout.readline()
        assert usage(child.pid).memory_bytes > 4 * 128 * MIB
        assert 128 * MIB < sandbox.memory_once(child.pid) < 200 * MIB
        assert usage(child.pid, 150 * MIB).memory_bytes == 0
    finally:
        os.killpg(child.pid, 9)
        child.wait()


def test_missing_bubblewrap_is_said_with_the_remedy(monkeypatch):
    monkeypatch.setattr(sandbox.shutil, "which", lambda name: None)
    with pytest.raises(SandboxError, match="apt install bubblewrap"):
        sandbox.Server("strong")


def test_a_worker_that_cannot_start_is_an_error_with_its_last_words(monkeypatch):
    monkeypatch.setattr(sandbox, "command", lambda *_: [sys.executable, "-c", "raise ImportError('no torch here')"])
    with pytest.raises(SandboxError, match="no torch here"):
        sandbox.Server("none")


@linux
@pytest.mark.parametrize("tier", ["strong", "none"])
def test_nothing_is_left_when_the_server_is_closed(tier):
    with sandbox.Server(tier) as mine:
        channel, _ = mine.spawn(sandbox.Limits())
        folder, pids = mine.folder, sandbox.members(mine.process.pid)
        assert len(pids) == (4 if tier == "strong" else 2)  # bubblewrap is two processes
    channel.close()
    assert not folder.exists()
    assert not [pid for pid in pids if sandbox.running(pid)]


@linux
@pytest.mark.parametrize("tier", ["weak", "none"])
def test_nothing_is_left_of_a_notebook_where_it_has_no_namespace_of_its_own(tier):
    leaving = """
import os, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        time.sleep(60)
    os._exit(0)"""
    try:
        mine = sandbox.Server(tier)
    except SandboxError as error:
        pytest.skip(str(error))
    with mine:
        before = set(sandbox.members(mine.process.pid))
        (one,) = grade_submission([leaving, DOUBLE], [lesson.exercises["double"]], seed=SEED, server=mine)
        assert one.verdict.passed
        mine.finish_kills()
        assert set(sandbox.members(mine.process.pid)) == before


@linux
def test_a_killed_grader_leaves_no_notebook_behind_without_namespaces(tmp_path):
    grader = """
import os, sys
from course_lib.grader import sandbox, wire
server = sandbox.Server("none")
channel, pid = server.spawn(sandbox.Limits())
channel.send(["run", ["import time\\nwhile True:\\n    time.sleep(1)"], []])
print(*sandbox.members(server.process.pid), flush=True)
sys.stdin.read()"""
    killed = subprocess.Popen([sys.executable, "-c", grader], stdout=subprocess.PIPE, stdin=subprocess.PIPE)
    pids = [int(pid) for pid in killed.stdout.readline().split()]
    assert len(pids) == 2
    killed.kill()
    killed.wait()
    until = time.monotonic() + 20
    while any(sandbox.running(pid) for pid in pids) and time.monotonic() < until:
        time.sleep(0.05)
    assert not [pid for pid in pids if sandbox.running(pid)]


def test_a_python_in_a_folder_that_is_private_inside_is_seen_elsewhere():
    assert sandbox.place_inside("/tmp/course/.venv/bin/python") == "/python/tmp/course/.venv/bin/python"
    assert sandbox.place_inside("/usr/bin/python3") == "/usr/bin/python3"
    assert sandbox.place_inside("/tmpfiles/python") == "/tmpfiles/python"
