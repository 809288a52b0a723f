"""Kill a grader at random moments, start it again until it is done, and compare with a run that nobody disturbed.

Half of the moments are of the clock. The other half are statements of the journal's database and steps in writing the
results, each of which lasts too short for the clock to hit.

A program, because it forks itself with everything imported: python -m tests.grader.kills COUNT FOLDER
"""

import itertools
import json
import os
import random
import signal
import sys
import time
from collections import Counter
from pathlib import Path

import torch

from course_lib.grader import batch, conditions, journal
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
STUDENTS = 14
STEPS = {"journal": 180, "views": 60}  # about as many as a whole run has


def hand_in(folder):
    folder.mkdir(parents=True)
    for i in range(STUDENTS):
        cells = [*KINDS[i % len(KINDS)], f"n = {i}"]
        (folder / f"s{i:02}_01_toys.ipynb").write_bytes(notebook(*cells))
    (folder / "twin_01_toys.ipynb").write_bytes((folder / "s00_01_toys.ipynb").read_bytes())
    (folder / "broken_01_toys.ipynb").write_bytes(b"{")


def start(folder, out, seed, aim=None):
    """A grader of its own, which kills itself at its aim: ("journal" or "views", number of the step); its pid."""
    pid = os.fork()
    if pid == 0:
        try:
            os.setsid()
            if aim:
                kill_at(*aim)
            conditions.probe = lambda: Probed(tier="strong", isolation="namespaces")
            batch.grade([folder], out, seed_file=seed, workers=1, catalogue=CATALOGUE, limits=QUICK)
            os._exit(0)
        finally:
            os._exit(1)
    return pid


def kill_at(place, number):
    """From now on this process ends at its step of this number in that place."""
    steps = itertools.count()

    def step(*_):
        if next(steps) == number:
            os.kill(os.getpid(), signal.SIGKILL)

    def before(call):
        return lambda *args, **more: (step(), call(*args, **more))[1]

    if place == "journal":
        opened = journal.Journal.__init__

        def watched(book, path):
            opened(book, path)
            book.database.set_trace_callback(step)

        journal.Journal.__init__ = watched
    else:
        for name in ("replace", "chmod", "fdopen"):
            setattr(os, name, before(getattr(os, name)))


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
    calm, rounds, kills = views(folder / "calm"), 0, Counter()
    while kills.total() < count:
        out, rounds = folder / f"round-{rounds}", rounds + 1
        while True:
            place = chance.choice(("clock", "clock", "journal", "views")) if kills.total() < count else "nowhere"
            aim = (place, chance.randrange(STEPS[place])) if place in STEPS else None
            pid = start(folder / "in", out, seed, aim)
            until = time.monotonic() + (chance.uniform(0, 1.2 * usual) if place == "clock" else 1e9)
            ended, code = 0, None
            while not ended and time.monotonic() < until:
                ended, status = os.waitpid(pid, os.WNOHANG)
                time.sleep(0.003)
            if ended:
                code = os.waitstatus_to_exitcode(status)
                assert code == 0 or aim and code == -signal.SIGKILL, f"the grader ended by itself with {code}"
            else:
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)
            if code == 0:
                break
            kills[place] += 1
            patience = time.monotonic() + 20
            while left_running(pid):
                assert time.monotonic() < patience, "the killed grader left processes running"
                time.sleep(0.02)
        assert views(out) == calm, f"{out} differs from {folder / 'calm'}"
    where = ", ".join(f"{number} by {place}" for place, number in sorted(kills.items()))
    print(f"{kills.total()} kills ({where}) in {rounds} rounds: every round ended with the same bytes")


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]))
