"""Kill a grader at random moments, start it again until it is done, and compare with a run that nobody disturbed.

A program, because it forks itself with everything imported: python -m tests.grader.kills COUNT FOLDER
"""

import json
import os
import random
import signal
import sys
import time
from pathlib import Path

import torch

from course_lib.grader import batch, conditions
from course_lib.grader.tiers import Probed
from tests.grader.toys import QUICK, SLOPE, SQUARES, notebook

CATALOGUE = "tests.grader.toys:catalogue"
SLOW = "def double(x):\n    import time; time.sleep(0.03)\n    return 2 * x"
HEIGHT = "import torch\ndef slope_at(f, a):\n    return f(torch.tensor(a, dtype=torch.float64)).item()"
KINDS = (
    [SLOW, SLOPE, SQUARES, "answer = 42"], [SLOW, HEIGHT], [SLOPE, "def double(x):\n    return 3 * x"],
    [SLOPE, "def double(x):\n    raise KeyError('<b>')"], [SLOPE, "import os\ndef double(x):\n    os._exit(0)"],
    [SLOPE, "def double(x):\n    ..."], ["1 / 0", SLOW, SLOPE],
)  # fmt: skip
STUDENTS = 21


def hand_in(folder):
    folder.mkdir(parents=True)
    for i in range(STUDENTS):
        cells = [*KINDS[i % len(KINDS)], f"n = {i}"]
        (folder / f"s{i:02}_01_toys.ipynb").write_bytes(notebook(*cells))
    (folder / "twin_01_toys.ipynb").write_bytes((folder / "s00_01_toys.ipynb").read_bytes())
    (folder / "broken_01_toys.ipynb").write_bytes(b"{")


def start(folder, out, seed):
    """A grader of its own; its pid."""
    pid = os.fork()
    if pid == 0:
        try:
            os.setsid()
            conditions.probe = lambda: Probed(tier="strong", isolation="namespaces")
            batch.grade([folder], out, seed_file=seed, workers=1, catalogue=CATALOGUE, limits=QUICK)
            os._exit(0)
        finally:
            os._exit(1)
    return pid


def views(out):
    """{name: bytes} of all that a run writes for people and programs, without the seconds that work took."""
    found = {}
    for path in sorted(out.rglob("*")):
        if path.is_file() and not path.name.startswith("gradebook.db") and not path.name.startswith(".writing-"):
            found[str(path.relative_to(out))] = path.read_bytes()
    rows = [json.loads(line) for line in found["results.jsonl"].splitlines()]
    found["results.jsonl"] = json.dumps([{**row, "seconds": None} for row in rows]).encode()
    return found


def left_running(pid):
    """Processes of the fork server that a grader had: its folder is in their command lines."""
    found = []
    for entry in os.scandir("/proc"):
        try:
            if entry.name.isdigit() and f"course-grader-{pid}-".encode() in Path(entry.path, "cmdline").read_bytes():
                found.append(int(entry.name))
        except OSError:
            pass
    return found


def main(count, folder):
    torch.set_num_threads(1)
    chance = random.Random(count)
    hand_in(folder / "in")
    seed = folder / "seed.txt"
    began = time.monotonic()
    assert os.waitstatus_to_exitcode(os.waitpid(start(folder / "in", folder / "calm", seed), 0)[1]) == 0
    usual = time.monotonic() - began
    calm, kills, rounds = views(folder / "calm"), 0, 0
    while kills < count:
        out, rounds = folder / f"round-{rounds}", rounds + 1
        while True:
            pid = start(folder / "in", out, seed)
            until = time.monotonic() + (chance.uniform(0, 1.2 * usual) if kills < count else 1e9)
            ended = 0
            while not ended and time.monotonic() < until:
                ended, status = os.waitpid(pid, os.WNOHANG)
                time.sleep(0.003)
            if ended:
                assert os.waitstatus_to_exitcode(status) == 0
                break
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            kills += 1
            patience = time.monotonic() + 20
            while left_running(pid):
                assert time.monotonic() < patience, "the killed grader left processes running"
                time.sleep(0.02)
        assert views(out) == calm, f"{out} differs from {folder / 'calm'}"
    print(f"{kills} kills in {rounds} rounds: every round ended with the same bytes")


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]))
