"""The command line starts on any Python, says what is wrong in one sentence and runs in the right environment."""

import ast
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from course_lib import __main__ as command
from course_lib import environment

ROOT = Path(command.__file__).parent.parent


def run(*arguments, **variables):
    return subprocess.run(
        [sys.executable, "-m", "course_lib", *arguments],
        capture_output=True, text=True, cwd=ROOT, env={**os.environ, **variables},
    )  # fmt: skip


@pytest.fixture
def chosen_here(monkeypatch):
    """Verbs run in this interpreter, without looking for another."""
    monkeypatch.setenv(command.RUNS_IN, sys.executable)


# --- start ---


def test_the_file_parses_on_python_3_6():
    ast.parse(Path(command.__file__).read_text(encoding="utf-8"), feature_version=(3, 6))


def test_an_old_python_is_told_so_in_one_sentence():
    sentence = command.python_too_old((3, 8, 10, "final", 0))
    assert "3.11 or newer" in sentence and "3.8.10" in sentence and "\n" not in sentence


def test_a_new_python_is_welcome():
    assert command.python_too_old((3, 11, 0)) is None
    assert command.python_too_old((4, 0, 0)) is None


def test_an_old_python_ends_with_2(monkeypatch, capsys):
    monkeypatch.setattr(command.sys, "version_info", (3, 6, 9, "final", 0))
    assert command.main(["lab"]) == 2
    assert "3.6.9" in capsys.readouterr().err


def test_help_needs_nothing_but_the_standard_library():
    code = (
        "import sys; before = set(sys.modules); from course_lib.__main__ import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: pass\n"
        "heavy = {'torch', 'rich', 'typer', 'numpy', 'jupyterlab', 'pytest'} & set(sys.modules)\n"
        "sys.exit(f'imported {heavy}' if heavy else 0)"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert answer.returncode == 0, answer.stderr
    assert "lab" in answer.stdout and "doctor" in answer.stdout


# --- reading a command ---


@pytest.mark.parametrize(
    "arguments",
    [[], ["labb"], ["grade", "x"], ["grade", "x", "--out", "y", "--workers", "0"], ["list", "--jsno"], ["replay", "d"]],
)
def test_a_usage_error_is_one_sentence_and_2(arguments):
    answer = run(*arguments)
    assert answer.returncode == 2
    assert len(answer.stderr.splitlines()) == 1 and "--help" in answer.stderr


def test_arguments_for_pytest_are_passed_on_untouched():
    options = command.read_command(["test", "--co", "-q", "tests/test_main.py", "-k", "a b", "--help"])
    assert options.rest == ["--co", "-q", "tests/test_main.py", "-k", "a b", "--help"]


def test_consent_to_a_large_download_stands_before_the_verb():
    options = command.read_command(["--yes", "lab", "--port", "9000"])
    assert options.yes and options.verb == "lab" and options.rest == ["--port", "9000"]


def test_grade_knows_its_options():
    options = command.read_command(["grade", "a", "b c", "--out", "o", "--workers", "3", "--min-tier", "weak"])
    assert (options.paths, options.out, options.workers, options.min_tier) == (["a", "b c"], "o", 3, "weak")
    assert options.seed_file is None


def test_every_verb_can_be_run():
    choices = command.command_parser()._subparsers._group_actions[0].choices
    assert set(choices) == set(command.VERBS)


# --- the right interpreter ---


def test_a_missing_environment_is_set_up_and_entered(monkeypatch):
    monkeypatch.delenv(command.RUNS_IN, raising=False)
    monkeypatch.setattr(environment, "find", lambda: None)
    monkeypatch.setattr(environment, "set_up", lambda allow_large: Path("/made here/.venv/bin/python"))
    entered = []
    monkeypatch.setattr(
        command, "run_again", lambda python, arguments, module: entered.append((python, arguments)) or 7
    )
    assert command.main(["test", "-q"]) == 7
    assert entered == [(Path("/made here/.venv/bin/python"), ["test", "-q"])]


def test_doctor_installs_nothing(monkeypatch):
    monkeypatch.delenv(command.RUNS_IN, raising=False)
    monkeypatch.setattr(environment, "find", lambda: None)
    monkeypatch.setattr(environment, "set_up", lambda allow_large: pytest.fail("doctor must not install"))
    monkeypatch.setitem(command.VERBS, "doctor", lambda options: 1)
    assert command.main(["doctor"]) == 1


def test_a_failed_set_up_ends_with_its_sentence_and_2(monkeypatch, capsys):
    def fail(allow_large):
        raise environment.SetupError("No network.")

    monkeypatch.delenv(command.RUNS_IN, raising=False)
    monkeypatch.setattr(environment, "find", lambda: None)
    monkeypatch.setattr(environment, "set_up", fail)
    assert command.main(["lab"]) == 2
    assert capsys.readouterr().err == "No network.\n"


def test_ctrl_c_is_one_sentence_and_130(chosen_here, monkeypatch, capsys):
    def interrupt(options):
        raise KeyboardInterrupt

    monkeypatch.setitem(command.VERBS, "list", interrupt)
    assert command.main(["list"]) == 130
    assert len(capsys.readouterr().err.strip().splitlines()) == 1


def test_a_copy_without_the_grader_says_so(chosen_here, monkeypatch, capsys):
    def missing(name):
        raise ModuleNotFoundError("no", name="course_lib.grader")

    monkeypatch.setattr(command.importlib, "import_module", missing)
    assert command.main(["replay", "d", "s", "e"]) == 2
    assert "instructor's copy" in capsys.readouterr().err


def test_a_verb_that_returns_nothing_succeeded(chosen_here, monkeypatch):
    monkeypatch.setitem(command.VERBS, "list", lambda options: None)
    assert command.main(["list"]) == 0


# --- lab and test ---


@pytest.fixture
def lesson(tmp_path):
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "notebooks" / "00_start_here.ipynb").touch()
    return tmp_path


def test_lab_opens_the_first_lesson(lesson):
    arguments = command.lab_arguments([], lesson, screen=True, as_root=False)
    assert "--LabApp.default_url=/lab/tree/notebooks/00_start_here.ipynb" in arguments
    assert f"--ServerApp.root_dir={lesson}" in arguments
    assert "--no-browser" not in arguments


def test_lab_without_a_screen_opens_no_browser(lesson):
    assert "--no-browser" in command.lab_arguments([], lesson, screen=False, as_root=False)


def test_what_the_user_adds_to_lab_comes_last(lesson):
    arguments = command.lab_arguments(["notebooks/03.ipynb", "--port=9000"], lesson, screen=True, as_root=False)
    assert arguments[-2:] == ["notebooks/03.ipynb", "--port=9000"]
    assert not [word for word in arguments if "default_url" in word]


def test_the_address_of_the_lab_carries_its_token():
    server = {"url": "http://localhost:8888/", "token": "abc"}
    assert command.address(server) == "http://localhost:8888/lab/tree/notebooks/00_start_here.ipynb?token=abc"


def test_linux_without_display_has_no_screen(monkeypatch):
    monkeypatch.setattr(command.sys, "platform", "linux")
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    assert not command.has_screen()


def test_pytest_runs_in_the_course_folder_and_its_code_is_ours(chosen_here, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(pytest, "main", lambda rest: seen.update(rest=rest, folder=os.getcwd()) or 5)
    seen = {}
    assert command.main(["test", "-k", "none"]) == 5
    assert seen == {"rest": ["-k", "none"], "folder": str(ROOT)}
    assert os.environ["OMP_NUM_THREADS"] == "1"


# --- doctor ---


def test_doctor_says_how_to_get_what_is_missing(monkeypatch, capsys):
    from course_lib import doctor

    monkeypatch.setattr(environment, "installed_version", lambda name, path: None)
    assert doctor.main() == 1
    said = capsys.readouterr().out
    assert "missing  torch" in said and "python3 -m course_lib lab" in said and "Not ready" in said


def test_doctor_survives_a_broken_probe(monkeypatch):
    from course_lib import doctor

    def probe():
        raise RuntimeError("kernel says no")

    monkeypatch.setattr(doctor.importlib, "import_module", lambda name: SimpleNamespace(probe=probe))
    finding = doctor.sandbox()
    assert finding.found == doctor.UNKNOWN and "kernel says no" in finding.remedy


def test_doctor_reports_the_tier(monkeypatch):
    from course_lib import doctor

    probed = SimpleNamespace(tier="weak", reasons=["no user namespaces"])
    monkeypatch.setattr(doctor.importlib, "import_module", lambda name: SimpleNamespace(probe=lambda: probed))
    finding = doctor.sandbox()
    assert finding.found.startswith("weak") and "no user namespaces" in finding.remedy
