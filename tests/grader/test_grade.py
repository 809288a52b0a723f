"""One submission from cells to verdicts, and again from its transcript."""

import os
import re
import secrets
import time
from dataclasses import replace

import pytest

from course_lib.exercise import Exercise
from course_lib.grader import grade as grading
from course_lib.grader.grade import Rehearsal, grade_submission, judge_again
from course_lib.grader.sandbox import SandboxError, Server, members, running
from course_lib.grader.session import Stage, names_defined
from course_lib.grader.sources import Questions, unpack_transcript
from course_lib.judge import Status, reports
from tests.grader import toys
from tests.grader.toys import DOUBLE, QUICK, SEED, SLOPE, grade, lesson

EXERCISES = [lesson.exercises["slope_at"], lesson.exercises["double"]]


def test_misconception_is_named_through_the_wall(server):
    cell = "import torch\ndef slope_at(f, a):\n    return f(torch.tensor(a, dtype=torch.float64)).item()"
    verdict = grade(server, cell)["slope_at"]
    assert (verdict.status, verdict.misconception) == (Status.MISCONCEPTION, "A1")


def test_the_same_seed_asks_the_same_and_another_asks_something_else(server):
    def transcripts(seed):
        return [
            one.transcript for one in grade_submission([SLOPE], EXERCISES[:1], seed=seed, server=server, limits=QUICK)
        ]

    def questions(seed):
        return [entry[1] for entry in unpack_transcript(transcripts(seed)[0]) if entry[0] == "reply"]

    assert questions(SEED) == questions(SEED) != questions("another seed, long enough")


def test_every_part_meets_a_fresh_copy_of_the_notebook(server):
    counting = "calls = []\ndef double(x):\n    calls.append(x)\n    return 2 * x if len(calls) < 3 else 0.0"
    assert grade(server, SLOPE, counting)["double"].status is Status.CORRECT  # asked twice per part
    assert grade(server, SLOPE, counting.replace("< 3", "< 2"))["double"].status is not Status.CORRECT


def test_what_one_answer_leaves_behind_costs_the_next_one_nothing(server):
    spoiling = "spoiled = False\n" + SLOPE.replace("    f(x)", "    global spoiled\n    spoiled = True\n    f(x)")
    verdicts = grade(server, spoiling, "def double(x):\n    return 0.0 if spoiled else 2 * x")
    assert [verdict.status for verdict in verdicts.values()] == [Status.CORRECT] * 2


def test_an_answer_that_another_one_takes_away_is_still_found(server):
    thief = SLOPE.replace("    f(x)", "    global double\n    double = None\n    f(x)")
    verdicts = grade(server, thief, DOUBLE)
    assert [verdict.status for verdict in verdicts.values()] == [Status.CORRECT] * 2


@pytest.mark.parametrize("pause", ["0", "1.1"], ids=["quick", "slow"])
def test_a_pool_of_processes_that_is_left_open_costs_nothing(server, pause):
    pool = f"import multiprocessing, time\ntime.sleep({pause})\npool = multiprocessing.Pool(2)\npool.map(abs, [1])"
    verdicts = grade(server, "def slope_at(f, a):\n    return 0.5", pool, DOUBLE)
    assert verdicts["double"].status is Status.CORRECT


@pytest.mark.parametrize("pause", ["0", "1.1"], ids=["quick", "slow"])
def test_threads_that_a_cell_started_help_an_answer_beside_a_wrong_one(server, pause):
    cell = f"""
import concurrent.futures, time
pool = concurrent.futures.ThreadPoolExecutor(2)
assert list(pool.map(abs, [-1, 1])) == [1, 1]
time.sleep({pause})
def double(x):
    return pool.submit(lambda: 2 * x).result()"""
    limits = replace(QUICK, question_seconds=1.0)
    verdicts = grade(server, "def slope_at(f, a):\n    return 0.0", cell, limits=limits)
    assert verdicts["double"].status is Status.CORRECT
    assert verdicts["slope_at"].status is not Status.CORRECT


def test_memory_of_the_notebook_counts_once_when_a_copy_answers(server):
    keeping = "import time\ntime.sleep(1.1)\nkept = bytearray(b'y' * 250 * 2**20)"  # of 400 MiB
    slow = "def double(x):\n    import time\n    time.sleep(0.3)\n    return 2 * x"
    assert grade(server, keeping, SLOPE, slow)["double"].status is Status.CORRECT


WAYS = {
    "right": DOUBLE, "wrong": "def double(x):\n    return 3 * x", "open": "def double(x):\n    ...", "missing": "x = 1",
    "raises": "def double(x):\n    return x / 0", "right by chance": "import random\ndef double(x):\n"
    "    return 2 * x if random.random() < 0.5 else x", "ends": "import os\ndef double(x):\n    os._exit(0)",
    "too much": "def double(x):\n    return [0.0] * 10**6",
}  # fmt: skip


@pytest.mark.parametrize("cell", WAYS.values(), ids=WAYS)
def test_asked_all_at_once_or_one_by_one_the_verdict_and_the_transcript_are_the_same(server, cell):
    def graded(rehearsal):
        found = grade_submission([cell, SLOPE], EXERCISES[::-1], seed=SEED, server=server, limits=QUICK, rehearsal=rehearsal)
        return [(one.verdict, [entry[:2] for entry in unpack_transcript(one.transcript)]) for one in found]

    assert graded(toys.rehearsal()) == graded(None) == graded(toys.rehearsal())


def test_the_same_right_replies_are_weighed_once_and_all_others_anew(server, monkeypatch):
    weighed = []
    original = grading.judge
    monkeypatch.setattr(grading, "judge", lambda *args, **more: weighed.append(1) or original(*args, **more))
    rehearsal, found = Rehearsal(), []
    nearly = "def double(x):\n    return 2 * x if x > 0 else 2 * x - 1e-3"
    for cell in (DOUBLE, DOUBLE, "def double(x):\n    return x + x", nearly, nearly):
        before = len(weighed)
        (one,) = grade_submission([cell], EXERCISES[1:], seed=SEED, server=server, limits=QUICK, rehearsal=rehearsal)
        found.append((one.verdict.status, len(weighed) > before))
        assert judge_again(EXERCISES[1], one.transcript, SEED) == one.verdict
    assert found == [
        (Status.CORRECT, True), (Status.CORRECT, True), (Status.CORRECT, False), (Status.WRONG, True), (Status.WRONG, True)
    ]  # fmt: skip


def test_a_key_whose_questions_depend_on_the_answers_is_asked_one_by_one(server):
    def key(ask):
        with ask.part("and twice that"):
            number = ask(1.0).number()
            ask(number + 1).equals(2 * (number + 1))

    going_on = Exercise(name="double", lesson="01", number="1.6", title="", signature="(x)", points=1, minutes=1,
                        section="01a", key=key)  # fmt: skip
    rehearsal = Rehearsal()
    for cell in (DOUBLE, "def double(x):\n    return 2 * x + 1e-6", DOUBLE):
        (one,) = grade_submission([cell], [going_on], seed=SEED, server=server, limits=QUICK, rehearsal=rehearsal)
        assert one.verdict.status is Status.CORRECT
        assert judge_again(going_on, one.transcript, SEED) == one.verdict


def test_a_broken_key_is_our_fault_and_no_zero(server, monkeypatch, caplog):
    def key(ask):
        with ask.part("p"):
            ask(1.0)
            raise RuntimeError("a bug in the key")

    monkeypatch.setattr(lesson.exercises["double"], "key", key)
    (one,) = grade_submission([DOUBLE], EXERCISES[1:], seed=SEED, server=server, limits=QUICK)
    assert one.verdict.status is Status.NOT_JUDGED
    assert "a bug in the key" in caplog.text


def test_waiting_gets_a_second_chance_in_a_fresh_process_and_computing_does_not(server, monkeypatch):
    runs = []
    original = Stage.run
    monkeypatch.setattr(Stage, "run", lambda stage, *args: runs.append(1) or original(stage, *args))
    grade(server, SLOPE, "import time\ndef double(x): time.sleep(100)", limits=replace(QUICK, question_seconds=1.5))
    waiting = len(runs)
    runs.clear()
    grade(server, SLOPE, "def double(x):\n    while True: pass")
    assert waiting > len(runs)


def test_a_submission_that_is_lost_again_and_again_comes_to_an_end(server):
    cells = [f"import os\nif {i} >= 0: os._exit(0)" for i in range(20)]
    verdicts = grade(server, *cells, SLOPE, DOUBLE)
    assert verdicts["double"].status is Status.TIMED_OUT


def test_server_is_still_good_after_it_was_killed_from_outside(server):
    with Server("strong") as mine:
        pids = members(mine.process.pid)
        os.kill(mine.process.pid, 9)
        mine.process.wait()
        while any(map(running, pids)):  # what is behind bubblewrap ends a moment later
            time.sleep(0.01)
        with pytest.raises(SandboxError):
            grade_submission([DOUBLE], EXERCISES[1:], seed=SEED, server=mine, limits=QUICK)


@pytest.mark.parametrize(
    ("source", "found"),
    [("def slope(x): pass", True), ("slope = 3", True), ("class slope:", True), ("slope: float = 3", True),
     ("    def slope(x): pass", True), ("x = slope", False), ("def slope_at(x): pass", False), ("# def slope", False)],
)  # fmt: skip
def test_defines_finds_the_cell_that_was_meant(source, found):
    assert ("slope" in names_defined(source)) is found


def test_two_million_empty_lines_are_read_at_once():
    assert names_defined("\n" * 2_000_000 + "def slope(x): ...\nvalue = 3") == {"slope", "value"}


# --- judging again ---


def test_transcript_gives_the_identical_verdict_without_running_anything(server):
    cells = [SLOPE.replace("x.grad.item()", "x.grad.item() * 2"), "import os\ndef double(x): os._exit(0)"]
    for exercise, one in zip(
        EXERCISES, grade_submission(cells, EXERCISES, seed=SEED, server=server, limits=QUICK), strict=True
    ):
        assert judge_again(exercise, one.transcript, SEED) == one.verdict


def test_transcript_does_not_fit_another_seed(server):
    (one,) = grade_submission([SLOPE], EXERCISES[:1], seed=SEED, server=server, limits=QUICK)
    with pytest.raises(Questions):
        judge_again(EXERCISES[0], one.transcript, "another seed, long enough")


# --- the secret stays outside ---

SCAN = """
import os, re
CANARY = re.compile(rb"CANARY-[0-9a-f]{32}")
def look():
    found = set()
    for line in open("/proc/self/maps"):
        span, access, *_ = line.split()
        if "r" not in access or "[v" in line:
            continue
        start, end = (int(x, 16) for x in span.split("-"))
        try:
            with open("/proc/self/mem", "rb", 0) as memory:
                while start < end:
                    memory.seek(start)
                    found |= set(CANARY.findall(memory.read(min(end - start, 2**24))))
                    start += 2**24 - 100
        except (OSError, ValueError, OverflowError):
            pass
    for pid in [p for p in os.listdir("/proc") if p.isdigit()] + ["self"]:
        for file in ("environ", "cmdline", "comm"):
            try: found |= set(CANARY.findall(open(f"/proc/{pid}/{file}", "rb").read()))
            except OSError: pass
    for folder, folders, files in os.walk("/"):
        if folder == "/":
            system = ("usr", "proc", "sys", "dev", "lib", "lib64", "bin", "root", "work")
            folders[:] = [f for f in folders if f not in system]
        for file in files:
            try: found |= set(CANARY.findall(open(os.path.join(folder, file), "rb").read(2**20)))
            except OSError: pass
    for number in range(256):
        try: target = os.readlink(f"/proc/self/fd/{number}")
        except OSError: continue
        if number > 2 and not target.startswith(("socket:", "/proc", "/dev/null", "pipe:")):
            found.add(("CANARY-fd " + target).encode())
    return sorted(x.decode() for x in found)
"""


def test_no_byte_of_the_secret_is_within_reach(server, monkeypatch):
    """The seed is in this process's memory, environment and an open file; a submission searches all it can see."""
    secret = "CANARY-" + secrets.token_hex(16)
    monkeypatch.setenv("COURSE_SECRET", secret)
    limits = replace(QUICK, question_cpu_seconds=20, question_seconds=60, exercise_seconds=60)
    control = "planted = b'CANARY-' + os.urandom(16).hex().encode()\n"
    cells = [SCAN, control, "def double(x):\n    raise ValueError(look(), planted.decode())"]
    (one,) = grade_submission(cells, EXERCISES[1:], seed=secret, server=server, limits=limits)
    message = one.verdict.problem.failure.message
    found = set(re.findall(r"CANARY-[^']+", message))
    planted = re.findall(r"CANARY-[0-9a-f]{32}", message)[-1]
    assert found == {planted}  # the search works, and finds nothing else


# --- answers that are used -------------------------------------------------------------------------------------------


@reports([float])
def counts_up(counter, start, by):
    """A counter goes a few steps."""
    one = counter(start)
    return [one.step(step) for step in by]


def counter_key(ask):
    with ask.part("two steps"):
        ask.using(counts_up, 1.0, [1.0, 2.5]).equals([2.0, 4.5], "the count")


Counter = Exercise(
    name="Counter", lesson="01", number="1.5", title="", signature="__init__(start); step(by)", points=1, minutes=1,
    section="01a", kind="class", key=counter_key,
)  # fmt: skip
COUNTER = """class Counter:
    def __init__(self, start):
        self.count = start
    def step(self, by):
        self.count += by
        return self.count"""


@pytest.mark.parametrize(
    "cell, status",
    [
        (COUNTER, Status.CORRECT),
        (COUNTER.replace("+=", "-="), Status.WRONG),
        (COUNTER.replace("count += by", "cuont += by"), Status.RAISED),
        ("class Counter:\n    def __init__(self, start): ...\n    def step(self, by): ...", Status.OPEN),
    ],
)
def test_a_class_is_used_behind_the_wall_by_code_that_travels_with_the_question(server, cell, status):
    (graded,) = grade_submission([cell], [Counter], seed=SEED, server=server, limits=QUICK)
    assert graded.verdict.status is status
    again = judge_again(Counter, graded.transcript, seed=SEED)
    assert again == graded.verdict


def test_a_failure_in_a_class_shows_its_line_and_the_use_in_words(server):
    cell = COUNTER.replace("count += by", "cuont += by")
    (graded,) = grade_submission([cell], [Counter], seed=SEED, server=server, limits=QUICK)
    problem = graded.verdict.problem
    assert problem.failure.code == "self.cuont += by"
    assert problem.question == "A counter goes a few steps: start = 1, by = [1, 2.5]"
