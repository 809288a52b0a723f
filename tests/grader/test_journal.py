"""The journal keeps what was judged, is only added to, and tells nothing of the secret."""

import sqlite3
import subprocess
import sys

import pytest

from course_lib.grader import journal
from course_lib.grader.grade import Graded
from course_lib.grader.journal import Journal
from course_lib.grader.sources import TRANSCRIPT_BYTES, pack_transcript, unpack_transcript
from course_lib.judge import Check, Layer, Problem, Status, Verdict
from course_lib.observe import Failure

PROBLEM = Problem(layer=Layer.RAISED, part="p", question="q", got="g", wanted="w",
                  failure=Failure(type="ValueError", message="ü\ufffd", line=3, code="x"))  # fmt: skip
VERDICT = Verdict(
    exercise="slope_at", status=Status.RAISED, score=0.5, max_score=2, problem=PROBLEM, advice=("a", "b"),
    checks=(Check(title="t", weight=2, passed=True),), fingerprint="abc",
)  # fmt: skip
ENTRIES = [["part"], ["reply", [1.5, ["list", 2]], [3.0, None, [], [], 0, 0, [], "", "", 0.0]]]


@pytest.fixture
def book(tmp_path):
    with Journal(tmp_path / "gradebook.db") as opened:
        yield opened


def add(book, student="anna", sha256="s", verdict=VERDICT, **more):
    about = {"key_version": "k", "seed_id": "i", "tier": "strong"} | more
    graded = [Graded(verdict=verdict, seconds=0.25, transcript=pack_transcript(ENTRIES))]
    book.add(student=student, notebook="n.ipynb", sha256=sha256, lesson="01", graded=graded, **about)


def test_verdict_comes_back_equal():
    assert journal.load(journal.dump(VERDICT)) == VERDICT


def test_what_was_judged_is_known_under_its_conditions_only(book):
    add(book)
    assert book.known("s", "k", "i") == {"slope_at": (Graded(verdict=VERDICT, seconds=0.25), "strong")}
    assert book.known("other", "k", "i") == book.known("s", "other", "i") == book.known("s", "k", "other") == {}


def test_the_newest_verdict_counts_and_what_was_not_judged_is_not_known(book):
    add(book)
    add(book, verdict=journal.load(journal.dump(VERDICT)))
    unjudged = Verdict(exercise="double", status=Status.NOT_JUDGED, score=0.0, max_score=1)
    add(book, verdict=unjudged)
    assert set(book.known("s", "k", "i")) == {"slope_at"}


def test_transcript_comes_back(book):
    add(book)
    verdict, transcript, *conditions = book.latest("anna", "slope_at")
    assert (verdict, unpack_transcript(transcript), conditions) == (VERDICT, ENTRIES, ["k", "i", "strong"])
    assert book.latest("ben", "slope_at") is None


def test_transcript_that_is_too_long_is_left_out():
    assert pack_transcript([["reply", b"\1" * TRANSCRIPT_BYTES, []]]) == pack_transcript([]) == b""


def test_rows_can_be_neither_changed_nor_deleted(book):
    add(book)
    for order in ("DELETE FROM verdicts", "UPDATE verdicts SET tier = 'none'", "DELETE FROM submissions"):
        with pytest.raises(sqlite3.IntegrityError, match="only added to"):
            book.database.execute(order)


def test_half_a_submission_is_never_stored(book):
    with pytest.raises(AttributeError):
        book.add(
            student="a", notebook="n", sha256="s", lesson="01", graded=[Graded(verdict=VERDICT, seconds=0.1), None]
        )
    assert book.students() == [] and book.known("s", "", "") == {}


def test_the_same_submission_is_listed_once(book):
    add(book)
    add(book)
    assert book.database.execute("SELECT count(*) FROM submissions").fetchone() == (1,)


def test_seed_id_tells_nothing_of_the_seed_and_differs():
    one, other = journal.seed_id("a" * 64), journal.seed_id("a" * 63 + "b")
    assert one != other and "aaaa" not in one and len(one) == 16


def test_key_version_changes_with_a_key(tmp_path, monkeypatch):
    (tmp_path / "keys").mkdir()
    for name in (*journal.JUDGING, "keys/lesson_01.py"):
        (tmp_path / name).write_text("x = 1")
    monkeypatch.setattr(journal, "COURSE", tmp_path)
    versions = set()
    for text in ("x = 1", "x = 2"):
        (tmp_path / "keys" / "lesson_01.py").write_text(text)
        journal.key_version.cache_clear()
        versions.add(journal.key_version())
    journal.key_version.cache_clear()
    assert len(versions) == 2


def test_what_was_added_outlives_a_killed_grader_and_ends_up_in_one_file(tmp_path):
    code = """
import os, sys
from tests.grader.test_journal import Journal, add
add(Journal(sys.argv[1]))
os.kill(os.getpid(), 9)"""
    path = tmp_path / "gradebook.db"
    killed = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True)
    assert killed.returncode == -9, killed.stderr
    with Journal(path) as book:
        assert set(book.known("s", "k", "i")) == {"slope_at"}
    assert [file.name for file in tmp_path.iterdir()] == ["gradebook.db"]
