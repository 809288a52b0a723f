"""An autograder for Gradescope holds what it needs and no more, and what it writes is what Gradescope reads."""

import json
import stat
import subprocess
import sys
import zipfile
from types import SimpleNamespace

import pytest

from course_lib.build import BuildError
from course_lib.grader import gradescope
from course_lib.judge import Status
from tests.grader.toys import notebook

FIELDS = {"name", "score", "max_score", "status", "output", "output_format", "name_format", "tags", "visibility", "extra_data"}


@pytest.fixture(scope="module")
def packed(tmp_path_factory):
    target = tmp_path_factory.mktemp("zip") / "autograder.zip"
    assert gradescope.main(SimpleNamespace(out=str(target), min_tier="none")) == 0
    return target


def test_the_zip_holds_library_grader_and_a_seed_but_no_solutions_and_no_tests(packed):
    with zipfile.ZipFile(packed) as archive:
        names = archive.namelist()
        assert {"setup.sh", "run_autograder", "seed.txt", "course/course_lib/keys/lesson_01.py"} <= set(names)
        assert not any(part in name for name in names for part in ("solutions/", "tests/", "__pycache__", ".venv"))
        assert len(bytes.fromhex(archive.read("seed.txt").decode())) == 32
        assert archive.getinfo("run_autograder").external_attr >> 16 & stat.S_IXUSR
    assert stat.S_IMODE(packed.stat().st_mode) == 0o600


def test_its_scripts_are_shell_and_install_the_version_of_torch_that_is_pinned(packed, tmp_path):
    with zipfile.ZipFile(packed) as archive:
        archive.extractall(tmp_path)
    for name in ("setup.sh", "run_autograder"):
        subprocess.run(["bash", "-n", str(tmp_path / name)], check=True)
    found = subprocess.run(["grep", "-o", "^torch==[0-9.]*", str(tmp_path / "course/requirements.txt")], capture_output=True)
    assert found.stdout.startswith(b"torch==2.")


def test_each_zip_has_another_seed(packed, tmp_path):
    gradescope.main(SimpleNamespace(out=str(tmp_path / "b.zip"), min_tier="weak"))
    seeds = {zipfile.ZipFile(path).read("seed.txt") for path in (packed, tmp_path / "b.zip")}
    assert len(seeds) == 2
    with pytest.raises(BuildError, match="does not end in .zip"):
        gradescope.main(SimpleNamespace(out=str(tmp_path / "b"), min_tier="weak"))


def run(packed, tmp_path, data):
    """What the container would do, with the files of the zip: (exit code, results or None)."""
    with zipfile.ZipFile(packed) as archive:
        archive.extractall(tmp_path / "source")
    (tmp_path / "submission").mkdir()
    (tmp_path / "submission" / "01_derivatives.ipynb").write_bytes(data)
    target = tmp_path / "results.json"
    command = [sys.executable, "-m", "course_lib.grader.gradescope", str(tmp_path / "submission"), "../seed.txt", "none",
               str(target)]  # fmt: skip
    ended = subprocess.run(command, cwd=tmp_path / "source" / "course", env={"PATH": "/usr/bin:/bin", "OMP_NUM_THREADS": "1"},
                           capture_output=True, text=True)  # fmt: skip
    return ended, json.loads(target.read_text()) if target.exists() else None


def test_a_submission_gets_a_test_for_each_exercise_with_scores_and_plain_text(packed, tmp_path):
    right = "import torch\ndef slope_at(f, a):\n    x = torch.tensor(a)\n    return torch.func.grad(f)(x)"
    ended, found = run(packed, tmp_path, notebook(right, "def central_diff(f, a, h):\n    return '<b>'"))
    assert ended.returncode == 0, ended.stderr
    tests = {test["name"]: test for test in found["tests"]}
    assert all(set(test) == FIELDS and test["output_format"] == "text" for test in tests.values())
    assert (tests["slope_at"]["status"], tests["slope_at"]["score"]) == ("passed", tests["slope_at"]["max_score"])
    assert tests["central_diff"]["score"] == 0 and tests["central_diff"]["extra_data"]["status"] == "wrong_type"


def test_what_could_not_be_judged_makes_no_results_and_so_no_zero(tmp_path, monkeypatch, capsys):
    def no_sandbox(paths, out, **_):
        (tmp_path / out / "results.jsonl").write_text(json.dumps({"status": "not_judged"}) + "\n")
        return [SimpleNamespace(attention=["The grader failed here; grade again."])]

    monkeypatch.setattr(gradescope.batch, "grade", no_sandbox)
    assert gradescope.grade_one("x", "seed.txt", "weak", tmp_path / "results.json") == 1
    assert "grade again" in capsys.readouterr().err and not (tmp_path / "results.json").exists()


def test_a_file_that_cannot_be_read_says_why():
    row = {"exercise": "", "status": str(Status.REFUSED), "score": 0.0, "max_score": 0, "misconception": "", "tier": "none",
           "message": "The file is empty.", "seed_id": "s", "key_version": "k"}  # fmt: skip
    (test,) = gradescope.results([row])["tests"]
    assert (test["name"], test["output"]) == ("the notebook", "The file is empty.")
