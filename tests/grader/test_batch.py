"""A folder goes in; results, grades, pages and a journal come out, whatever is in the folder."""

import csv
import json
import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from course_lib.grader import batch, conditions, journal, pool, replay
from course_lib.grader.conditions import UsageError
from course_lib.grader.sandbox import SandboxError
from course_lib.judge import Status
from tests.grader import toys
from tests.grader.toys import DOUBLE, QUICK, SLOPE, SQUARES, notebook

ROOT = Path(__file__).resolve().parents[2]
CATALOGUE = "tests.grader.toys:catalogue"
FIELDS = ["student", "notebook", "sha256", "lesson", "exercise", "status", "score", "max_score", "misconception",
          "message",
          "checks", "seconds", "tier", "seed_id", "key_version"]  # fmt: skip
HEIGHT = "import torch\ndef slope_at(f, a):\n    return f(torch.tensor(a, dtype=torch.float64)).item()"
CLASS = {
    "anna_01_toys.ipynb": notebook(SLOPE, DOUBLE, SQUARES, "answer = 42"),
    "ben_01_toys.ipynb": notebook(HEIGHT, DOUBLE),
    "=1+1_01_toys.ipynb": notebook(HEIGHT, "def double(x):\n    return 3 * x"),
    "<script>alert(1)<_script>_01_toys.ipynb": notebook(
        HEIGHT, "def double(x):\n    raise ValueError('<img src=x onerror=y>')"
    ),
    "new\nline_01_toys.ipynb": notebook(SLOPE, "def double(x):\n    import os; os._exit(0)"),
    "broken_01_toys.ipynb": b"{",
    "essay.ipynb": notebook("x = 1"),
}


@pytest.fixture(autouse=True)
def strong_here(monkeypatch, server):
    """The one fork server of the tests for every batch, and no second probe."""
    from course_lib.grader.tiers import Probed

    monkeypatch.setattr(conditions, "probe", lambda: Probed(tier="strong", isolation="namespaces"))
    monkeypatch.setattr(pool, "Server", lambda tier, isolation: server)
    monkeypatch.setattr(server, "close", lambda: None)
    monkeypatch.setattr(batch, "hide_memory", lambda: None)


def hand_in(folder, files):
    folder.mkdir(exist_ok=True)
    for name, data in files.items():
        (folder / name).write_bytes(data)
    return folder


def grade(folder, out, **more):
    return batch.grade([folder], out, workers=1, catalogue=CATALOGUE, limits=QUICK, **more)


def rows(out):
    return [json.loads(line) for line in (out / "results.jsonl").read_text().splitlines()]


@pytest.fixture(scope="module")
def graded(tmp_path_factory):
    """The class above, graded once: (folder, out)."""
    from course_lib.grader.tiers import Probed

    folder = hand_in(tmp_path_factory.mktemp("class") / "in", CLASS)
    out = folder.parent / "out"
    patch = pytest.MonkeyPatch()
    patch.setattr(conditions, "probe", lambda: Probed(tier="strong", isolation="namespaces"))
    patch.setattr(pool, "Server", lambda tier, isolation: toys.shared_server())
    patch.setattr(toys.shared_server(), "close", lambda: None)
    patch.setattr(batch, "hide_memory", lambda: None)
    grade(folder, out)
    patch.undo()
    return folder, out


# --- results ---


def test_every_student_has_a_row_for_every_exercise_with_the_fields_of_the_design(graded):
    found = rows(graded[1])
    assert all(list(row) == FIELDS for row in found)
    assert {row["status"] for row in found} <= {str(status) for status in Status}
    by_student = {}
    for row in found:
        by_student.setdefault(row["student"], []).append(row["exercise"])
    essay = by_student.pop("essay")
    assert essay == [""]
    assert len(by_student) == 6
    assert all(names == ["slope_at", "double", "squares", "answer"] for names in by_student.values())


def test_rows_say_what_happened(graded):
    status = {(row["student"], row["exercise"]): row["status"] for row in rows(graded[1])}
    assert [status["anna", name] for name in ("slope_at", "double", "squares", "answer")] == ["correct"] * 4
    assert [status["ben", name] for name in ("slope_at", "double", "squares")] == [
        "misconception",
        "correct",
        "missing",
    ]
    assert status["new\ufffdline", "double"] == "raised" and status["new\ufffdline", "slope_at"] == "correct"
    assert status["broken", "slope_at"] == "refused" and status["essay", ""] == "refused"


def test_results_are_strict_json_and_name_seed_and_tier(graded):
    text = (graded[1] / "results.jsonl").read_text()
    assert text.isascii() and "NaN" not in text
    seed = (graded[1] / "seed.txt").read_text().strip()
    assert {row["seed_id"] for row in rows(graded[1])} == {journal.seed_id(seed)}
    assert seed not in text
    assert {row["tier"] for row in rows(graded[1]) if row["status"] != "refused"} == {"strong"}


def test_grades_have_a_row_per_student_and_leave_open_what_nobody_could_judge(graded):
    with open(graded[1] / "grades.csv", encoding="utf-8", newline="") as file:
        table = list(csv.DictReader(file))
    assert list(table[0]) == ["student", "slope_at", "double", "squares", "answer", "total", "max", "needs_attention"]
    by_student = {row["student"]: row for row in table}
    assert "'=1+1" in by_student and "=1+1" not in by_student
    assert (by_student["anna"]["total"], by_student["anna"]["max"]) == ("4.00", "4.00")
    assert by_student["broken"]["slope_at"] == "" and "damaged" in by_student["broken"]["needs_attention"]
    assert by_student["ben"]["needs_attention"] == ""


def test_pages_hold_no_markup_of_students_and_allow_nothing(graded):
    pages = [graded[1] / "report.html", *(graded[1] / "feedback").glob("*.html")]
    assert len(pages) == 8
    for page in pages:
        text = page.read_text(encoding="utf-8")
        assert "<script" not in text and "<img" not in text and "http://" not in text and "https://" not in text
        assert "default-src 'none'" in text
    assert "&lt;script&gt;alert(1)" in pages[0].read_text()


def test_seed_is_long_and_for_its_owner_only(graded):
    path = graded[1] / "seed.txt"
    assert len(bytes.fromhex(path.read_text())) * 8 >= 128
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_nothing_half_written_is_left(graded):
    assert sorted(path.name for path in graded[1].iterdir()) == [
        "feedback", "gradebook.db", "grades.csv", "report.html", "results.jsonl", "seed.txt",
    ]  # fmt: skip


# --- again ---


def test_second_run_runs_nothing_and_writes_the_same_bytes(graded, monkeypatch):
    folder, out = graded
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file() and path.suffix != ".db"}
    monkeypatch.setattr(pool, "grade_submission", None)  # would raise if it were called
    grade(folder, out)
    assert {path: path.read_bytes() for path in before} == before


def test_only_what_is_new_is_graded(tmp_path, monkeypatch):
    folder = hand_in(tmp_path / "in", {"anna_01_toys.ipynb": notebook(DOUBLE)})
    grade(folder, tmp_path / "out")
    asked = []
    original = pool.grade_submission
    monkeypatch.setattr(
        pool, "grade_submission", lambda cells, *a, **k: asked.append(cells) or original(cells, *a, **k)
    )
    hand_in(folder, {"ben_01_toys.ipynb": notebook("def double(x):\n    return x + x")})
    hand_in(folder, {"copy-of-anna_01_toys.ipynb": notebook(DOUBLE)})
    grade(folder, tmp_path / "out")
    assert asked == [("def double(x):\n    return x + x",)]
    assert {row["student"] for row in rows(tmp_path / "out")} == {"anna", "ben", "copy-of-anna"}


def test_what_was_not_judged_is_tried_again(tmp_path, monkeypatch):
    folder = hand_in(tmp_path / "in", {"anna_01_toys.ipynb": notebook(DOUBLE)})

    def broken(*_, **__):
        raise SandboxError("gone")

    with monkeypatch.context() as patch:
        patch.setattr(pool, "grade_submission", broken)
        assert [one.attention for one in grade(folder, tmp_path / "out")] == [["The grader failed here; grade again."]]
        assert {row["status"] for row in rows(tmp_path / "out")} == {"not_judged"}
    (again,) = grade(folder, tmp_path / "out")
    assert not again.attention and rows(tmp_path / "out")[1]["status"] == "correct"


def test_replay_gives_the_identical_verdict_and_notices_another_seed(graded):
    exercise = toys.lesson.exercises["slope_at"]
    said = replay.replay(graded[1] / "gradebook.db", "ben", exercise)
    assert "You returned the height of the curve" in said and "Identical" in said
    with pytest.raises(UsageError, match="knows .*anna"):
        replay.replay(graded[1] / "gradebook.db", "nobody", exercise)


# --- before ---


def test_nothing_to_grade_is_said_in_one_sentence(tmp_path):
    for path, word in ((tmp_path / "nothing", "nothing at"), (tmp_path, "No notebooks")):
        with pytest.raises(UsageError, match=word):
            grade(path, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_weak_sandbox_is_refused_with_the_remedy_and_code_2(tmp_path, monkeypatch, capsys):
    from course_lib.grader.tiers import Probed

    monkeypatch.setattr(
        conditions, "probe", lambda: Probed(tier="weak", isolation="landlock", reasons=("not strong: no bwrap",))
    )
    folder = hand_in(tmp_path / "in", {"anna_01_toys.ipynb": notebook(DOUBLE)})
    options = SimpleNamespace(
        paths=[str(folder)], out=str(tmp_path / "out"), seed_file=None, workers=1, scheduler=None, min_tier="strong", lms=None
    )
    assert batch.main(options) == 2
    said = capsys.readouterr().err
    assert "no bwrap" in said and "--min-tier weak" in said
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(("text", "word"), [("short", "shorter"), ("", "shorter")])
def test_a_seed_that_is_no_secret_is_refused(tmp_path, text, word):
    (tmp_path / "seed.txt").write_text(text)
    folder = hand_in(tmp_path / "in", {"anna_01_toys.ipynb": notebook(DOUBLE)})
    with pytest.raises(UsageError, match=word):
        grade(folder, tmp_path / "out", seed_file=tmp_path / "seed.txt")


def test_a_table_of_a_platform_comes_out_filled_beside_the_results(tmp_path):
    from course_lib.grader.lms import Template

    folder = hand_in(tmp_path / "in", {"Anna Ott_7_01_toys.ipynb": notebook(DOUBLE), "ben_01_toys.ipynb": b"{"})
    (tmp_path / "lab.csv").write_text(
        "Identifier,Full name,Grade,Maximum Grade\nParticipant 7,Anna Ott,,8\nParticipant 8,Ben,,8\n"
    )
    grade(folder, tmp_path / "out", template=Template(tmp_path / "lab.csv"))
    filled = (tmp_path / "out" / "filled-lab.csv").read_text()
    assert "Participant 7,Anna Ott,2.00,8" in filled and "Participant 8,Ben,,8" in filled  # nobody could judge Ben's file


def test_exit_code_says_whether_someone_must_look(tmp_path, capsys):
    from rich.console import Console

    folder = hand_in(tmp_path / "in", {"anna_01_toys.ipynb": notebook(DOUBLE)})
    console = Console(stderr=True)
    assert batch.summarise(grade(folder, tmp_path / "out"), tmp_path / "out", console) == 0
    hand_in(folder, {"ben_01_toys.ipynb": b"{"})
    assert batch.summarise(grade(folder, tmp_path / "out"), tmp_path / "out", console) == 1


# --- as a program ---


def start(folder, out):
    code = (
        "import sys; from course_lib.grader import batch; "
        f"batch.grade([{str(folder)!r}], {str(out)!r}, workers=2, catalogue={CATALOGUE!r})"
    )
    return subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, start_new_session=True, stderr=subprocess.PIPE)


def test_killed_in_the_middle_the_rerun_ends_with_the_same_grades(tmp_path):
    """With two worker processes and fork servers of their own, as a user runs it."""
    slow = "def double(x):\n    import time; time.sleep(0.05)\n    return 2 * x"
    files = {f"s{i:02}_01_toys.ipynb": notebook(slow, SLOPE, f"n = {i}") for i in range(12)}
    folder = hand_in(tmp_path / "in", files)
    out = tmp_path / "out"
    running = start(folder, out)
    book = out / "gradebook.db"
    while running.poll() is None:
        if book.exists() and journaled(book) >= 2:
            os.kill(running.pid, signal.SIGKILL)
            break
        time.sleep(0.02)
    running.wait()
    assert journaled(book) >= 2
    grade(folder, out)
    assert [row["status"] for row in rows(out) if row["exercise"] in ("slope_at", "double")] == ["correct"] * 24
    assert journaled(book) == 12


def journaled(book):
    import sqlite3

    try:
        with sqlite3.connect(f"file:{book}?mode=ro", uri=True) as database:
            return database.execute("SELECT count(*) FROM submissions").fetchone()[0]
    except sqlite3.OperationalError:
        return 0
