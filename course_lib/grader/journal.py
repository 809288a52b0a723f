"""Keep every verdict in one SQLite file that is only ever added to: Journal(path).add(…), .known(…).

Verdicts are known by what was judged (the hash of the notebook), by what (the hash of keys and judge) and with which
secret seed (its hash). One submission is one transaction, so a grader that is killed loses what it was doing at most.
"""

import contextlib
import hashlib
import json
import sqlite3
from dataclasses import asdict
from functools import cache, lru_cache
from pathlib import Path

from course_lib.grader.grade import Graded
from course_lib.judge import Check, Layer, Problem, Status, Verdict
from course_lib.observe import Failure

COURSE = Path(__file__).resolve().parent.parent
JUDGING = (
    "exercise.py", "judge.py", "verdicts.py", "diagnosis.py", "values.py", "observe.py", "functions.py", "formula.py",
    "recipes.py", "vectors.py",
)  # fmt: skip

SCHEMA = """
CREATE TABLE IF NOT EXISTS submissions (
    id INTEGER PRIMARY KEY, student TEXT NOT NULL, notebook TEXT NOT NULL, sha256 TEXT NOT NULL,
    lesson TEXT NOT NULL, refusal TEXT NOT NULL, at TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP);
CREATE TABLE IF NOT EXISTS verdicts (
    id INTEGER PRIMARY KEY, sha256 TEXT NOT NULL, key_version TEXT NOT NULL, seed_id TEXT NOT NULL,
    tier TEXT NOT NULL, exercise TEXT NOT NULL, verdict TEXT NOT NULL, seconds REAL NOT NULL,
    transcript BLOB, at TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP);
CREATE TABLE IF NOT EXISTS facts (id INTEGER PRIMARY KEY, name TEXT NOT NULL, value TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS verdicts_by_content ON verdicts (sha256, key_version, seed_id);
CREATE INDEX IF NOT EXISTS submissions_by_student ON submissions (student);
"""
SEEN = "SELECT 1 FROM submissions WHERE student = ? AND notebook = ? AND sha256 = ? AND lesson = ? AND refusal = ?"
ADD_ONLY = """
CREATE TRIGGER IF NOT EXISTS {table}_no_{verb} BEFORE {verb} ON {table}
BEGIN SELECT RAISE(ABORT, 'the journal is only added to'); END;
"""


class Journal:
    """The gradebook of one --out folder."""

    def __init__(self, path):
        self.database = sqlite3.connect(path, isolation_level=None, timeout=60)
        self._write_ahead()
        self.database.executescript(SCHEMA)
        for table in ("submissions", "verdicts"):
            for verb in ("UPDATE", "DELETE"):
                self.database.execute(ADD_ONLY.format(table=table, verb=verb))

    def _write_ahead(self):
        """Do not wait for the disk at every submission: a power cut may then cost the last ones, a kill none.

        Where the file system cannot share memory between processes, SQLite stays as it was.
        """
        with contextlib.suppress(sqlite3.OperationalError):
            if self.database.execute("PRAGMA journal_mode = WAL").fetchone() == ("wal",):
                self.database.execute("PRAGMA synchronous = NORMAL")

    def close(self):
        self.database.close()

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()

    def add(self, *, student, notebook, sha256, lesson, refusal="", graded=(), key_version="", seed_id="", tier=""):
        """One submission and its new verdicts."""
        with self.database:  # sqlite3 commits or rolls back
            self.database.execute("BEGIN IMMEDIATE")
            about = (student, notebook, sha256, lesson, refusal)
            if not self.database.execute(SEEN, about).fetchone():
                self.database.execute(
                    "INSERT INTO submissions (student, notebook, sha256, lesson, refusal) VALUES (?, ?, ?, ?, ?)", about
                )
            self.database.executemany(
                "INSERT INTO verdicts (sha256, key_version, seed_id, tier, exercise, verdict, seconds, transcript)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                [
                    (sha256, key_version, seed_id, tier, one.verdict.exercise, dump(one.verdict), one.seconds,
                     one.transcript or None)
                    for one in graded
                ],
            )  # fmt: skip

    def known(self, sha256, key_version, seed_id):
        """{exercise: (Graded without transcript, tier)} of earlier runs; what was not judged is not known."""
        rows = self.database.execute(
            "SELECT exercise, verdict, seconds, tier FROM verdicts WHERE sha256 = ? AND key_version = ? AND seed_id = ?"
            " ORDER BY id",
            (sha256, key_version, seed_id),
        )
        found = {name: (Graded(verdict=load(text), seconds=seconds), tier) for name, text, seconds, tier in rows}
        return {name: one for name, one in found.items() if one[0].verdict.status is not Status.NOT_JUDGED}

    def remember(self, name, value):
        """A fact about this folder, such as where its seed file is; the newest counts."""
        if self.recall(name) != value:
            self.database.execute("INSERT INTO facts (name, value) VALUES (?, ?)", (name, value))

    def recall(self, name):
        row = self.database.execute("SELECT value FROM facts WHERE name = ? ORDER BY id DESC", (name,)).fetchone()
        return row[0] if row else ""

    def latest(self, student, exercise):
        """(verdict, transcript or None, key_version, seed_id, tier) of a student's newest verdict, or None."""
        row = self.database.execute(
            "SELECT v.verdict, v.transcript, v.key_version, v.seed_id, v.tier FROM verdicts v"
            " JOIN submissions s ON s.sha256 = v.sha256 WHERE s.student = ? AND v.exercise = ? ORDER BY v.id DESC",
            (student, exercise),
        ).fetchone()
        if row is None:
            return None
        text, *rest = row
        return load(text), *rest

    def students(self):
        return [name for (name,) in self.database.execute("SELECT DISTINCT student FROM submissions ORDER BY 1")]


@lru_cache(1000)
def dump(verdict):
    """A Verdict as JSON. Most of a class are equal."""
    return json.dumps(asdict(verdict), ensure_ascii=True, allow_nan=False)


def load(text):
    """The Verdict again."""
    data = json.loads(text)
    problem = data["problem"]
    if problem:
        problem["layer"] = Layer(problem["layer"])
        problem["failure"] = problem["failure"] and Failure(**problem["failure"])
        data["problem"] = Problem(**problem)
    data["checks"] = tuple(Check(**check) for check in data["checks"])
    return Verdict(**data | {"status": Status(data["status"]), "advice": tuple(data["advice"])})


@cache
def key_version():
    """A hash of everything that decides a verdict."""
    digest = hashlib.sha256()
    for path in [*sorted((COURSE / "keys").glob("*.py")), *(COURSE / name for name in JUDGING)]:
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def seed_id(seed):
    """What may be told of a secret seed."""
    return hashlib.sha256(b"seed of a course run\0" + seed.encode()).hexdigest()[:16]
