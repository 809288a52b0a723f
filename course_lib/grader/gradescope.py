"""Grade on Gradescope: main(options) packs an autograder, and there grade_one() writes its results.json.

Gradescope builds a container from the zip with setup.sh, and runs run_autograder in it for every submission. What it
reads is written from our results; a run that could not judge writes none, so nobody gets a zero for it.
"""

import json
import secrets
import shlex
import sys
import tempfile
from pathlib import Path

from course_lib.build import BuildError, course_entries, files_below, write_zip
from course_lib.grader import batch
from course_lib.grader.conditions import UsageError
from course_lib.judge import Status

PACKED = ("LICENSE", "requirements.txt", "pyproject.toml", "course_lib")
SETUP = """#!/usr/bin/env bash
set -e
apt-get update && apt-get install -y python3 python3-venv bubblewrap
python3 -m venv /autograder/venv
cd /autograder/source/course
/autograder/venv/bin/pip install "$(grep -o '^torch==[0-9.]*' requirements.txt)" --index-url https://download.pytorch.org/whl/cpu
/autograder/venv/bin/pip install -r requirements.txt
"""
RUN = """#!/usr/bin/env bash
cd /autograder/source/course
exec /autograder/venv/bin/python -m course_lib.grader.gradescope \\
    /autograder/submission ../seed.txt {min_tier} /autograder/results/results.json
"""


def main(options):
    """Write the zip."""
    target = Path(options.out)
    if target.suffix != ".zip":
        raise BuildError(f"gradescope writes a zip, and {options.out} does not end in .zip.")
    scripts = [
        ("setup.sh", SETUP.encode(), 0o755),
        ("run_autograder", RUN.format(min_tier=shlex.quote(options.min_tier)).encode(), 0o755),
        ("seed.txt", secrets.token_hex(32).encode() + b"\n", 0o600),
    ]
    write_zip(target, [*scripts, *course_entries(files())], private=True)
    print(f"{target}: an autograder with a seed of its own; keep it as secret as the seed")
    return 0


def files():
    """What the autograder needs of the course: no solutions, no tests, no notebooks."""
    return sorted(file for file in files_below(PACKED) if "__pycache__" not in file.parts)


# --- in the container ------------------------------------------------------------------------------------------------


def grade_one(submission, seed_file, min_tier, target):
    """Grade one student's folder and write what Gradescope reads; the exit code."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            submissions = batch.grade([submission], folder, seed_file=seed_file, workers=1, min_tier=min_tier)
        except UsageError as error:
            print(error, file=sys.stderr)
            return 1
        rows = [json.loads(line) for line in (Path(folder) / "results.jsonl").read_text().splitlines()]
    if any(row["status"] == Status.NOT_JUDGED for row in rows):
        print("\n".join(sentence for one in submissions for sentence in one.attention), file=sys.stderr)
        return 1
    Path(target).write_text(json.dumps(results(rows), ensure_ascii=True, allow_nan=False), encoding="utf-8")
    return 0


def results(rows):
    """Rows of results.jsonl as Gradescope's results.json: a test for each exercise, all text plain."""
    return {
        "output": "Every exercise was asked with questions that nobody knows beforehand.",
        "output_format": "text",
        "tests": [
            {
                "name": row["exercise"] or "the notebook", "score": row["score"], "max_score": row["max_score"],
                "status": "passed" if row["status"] == "correct" else "failed", "output": row["message"],
                "output_format": "text", "name_format": "text",
                "visibility": "visible", "tags": [row["misconception"]] if row["misconception"] else [],
                "extra_data": {key: row[key] for key in ("status", "tier", "seed_id", "key_version")},
            }
            for row in rows
        ],
    }  # fmt: skip


if __name__ == "__main__":
    sys.exit(grade_one(*sys.argv[1:]))
