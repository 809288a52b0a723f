"""Whenever a grader is killed, a later run ends with the same bytes. COURSE_KILLS=100 tries a hundred moments."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
COUNT = int(os.environ.get("COURSE_KILLS", "3"))


@pytest.mark.skipif(sys.platform != "linux", reason="a fork server in namespaces")
def test_a_grader_killed_at_random_moments_ends_with_the_results_of_one_that_was_not(tmp_path):
    command = [sys.executable, "-m", "tests.grader.kills", str(COUNT), str(tmp_path)]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr[-2000:]
    assert f"{COUNT} kills" in ended.stdout
