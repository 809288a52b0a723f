"""Set-up ends in a working environment or in one sentence that says what is missing."""

import io
import subprocess
import sys
from types import SimpleNamespace

import pytest

from course_lib import environment
from course_lib.environment import LargeDownload, PipFailed, Progress, SetupError


@pytest.fixture
def course(tmp_path, monkeypatch):
    """A course folder with a space in its name, no environment yet, and nothing active."""
    root = tmp_path / "my course"
    root.mkdir()
    (root / "requirements.txt").write_text("torch==2.13.0  # subject\n# Pulled in by the above\nanyio==4.16.0\n-e .\n")
    monkeypatch.setattr(environment, "ROOT", root)
    monkeypatch.setattr(environment, "VENV", root / ".venv")
    monkeypatch.setattr(environment, "REQUIREMENTS", root / "requirements.txt")
    for variable in ("VIRTUAL_ENV", "CONDA_PREFIX", "COURSE_ALLOW_LARGE_TORCH"):
        monkeypatch.delenv(variable, raising=False)
    return root


@pytest.fixture
def progress():
    return Progress(steps=4, stream=io.StringIO())


def make_environment(folder):
    """Enough of an environment to be looked at: an interpreter and site-packages; the latter is returned."""
    python = environment.python_in(folder)
    python.parent.mkdir(parents=True)
    python.symlink_to(sys.executable)
    packages = folder / "lib" / "python3.11" / "site-packages"
    packages.mkdir(parents=True)
    return packages


def install(packages, name, version, record=True):
    folder = packages / f"{name}-{version}.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    if record:
        (folder / "RECORD").write_text("")


def skip_steps(monkeypatch, *names):
    for name in names:
        monkeypatch.setattr(environment, name, lambda *arguments: None)


# --- requirements ---


def test_every_requirement_is_pinned_on_every_platform():
    for platform in ("linux", "darwin", "win32"):
        names = [environment.plain_name(pin.name) for pin in environment.pins(platform=platform)]
        assert len(names) == len(set(names)) > 100
        assert not [name for name in names if name.startswith(("nvidia", "cuda", "triton"))]


def test_platform_markers_are_obeyed():
    text = 'pexpect==1 ; sys_platform != "win32"\ncolorama==2 ; sys_platform == "win32"\n'
    assert [pin.name for pin in environment.pins(text, platform="linux")] == ["pexpect"]
    assert [pin.name for pin in environment.pins(text, platform="win32")] == ["colorama"]


def test_chosen_packages_stand_before_those_they_pull_in():
    chosen = {pin.name: pin.version for pin in environment.pins() if pin.chosen}
    assert chosen["torch"] == "2.13.0"
    assert {"sympy", "jupyterlab", "nbval"} <= set(chosen) and "anyio" not in chosen


def test_a_requirement_without_exact_version_is_named():
    with pytest.raises(SetupError, match="torch>=2"):
        environment.pins("torch>=2\n")


def test_requirements_end_by_installing_the_course_itself():
    assert environment.read_requirements().splitlines()[-1] == "-e ."


# --- finding an environment ---


def test_an_active_environment_that_has_everything_is_used(course, tmp_path, monkeypatch):
    packages = make_environment(tmp_path / "own")
    install(packages, "torch", "2.13.0+cpu")
    monkeypatch.setenv("VIRTUAL_ENV", str(tmp_path / "own"))
    monkeypatch.setattr(sys, "path", [])
    assert environment.find() == environment.python_in(tmp_path / "own")


def test_an_active_environment_with_another_version_is_not_used(course, tmp_path, monkeypatch):
    packages = make_environment(tmp_path / "own")
    install(packages, "torch", "2.12.0")
    monkeypatch.setenv("CONDA_PREFIX", str(tmp_path / "own"))
    monkeypatch.setattr(sys, "path", [])
    assert environment.find() is None


def test_the_running_python_is_used_if_it_has_everything(course, tmp_path, monkeypatch):
    packages = make_environment(tmp_path / "running")
    install(packages, "torch", "2.13.0")
    monkeypatch.setattr(sys, "path", [str(packages)])
    assert str(environment.find()) == sys.executable


def test_a_finished_environment_is_ready_until_requirements_change(course):
    make_environment(course / ".venv")
    version = "{}.{}".format(*sys.version_info[:2])
    assert not environment.is_ready(course / ".venv")
    (course / ".venv" / "course-ready").write_text(environment.stamp_text(version))
    assert environment.is_ready(course / ".venv")
    (course / "requirements.txt").write_text("torch==2.14.0\n")
    assert not environment.is_ready(course / ".venv")


def test_an_environment_whose_python_is_gone_is_not_ready(course):
    make_environment(course / ".venv")
    (course / ".venv" / "course-ready").write_text(environment.stamp_text("3.11"))
    environment.python_in(course / ".venv").unlink()
    assert not environment.is_ready(course / ".venv")


def test_kernels_in_a_foreign_environment_get_the_course_by_path(course, tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", "elsewhere")
    packages = make_environment(tmp_path / "own")
    python = environment.python_in(tmp_path / "own")
    assert environment.variables_for(python)["PYTHONPATH"].startswith(str(course))
    install(packages, "course_lib", "1.0.0")
    assert environment.variables_for(python)["PYTHONPATH"] == "elsewhere"


# --- making and repairing ---


def test_the_stamp_is_written_last(course, progress, monkeypatch):
    make_environment(course / ".venv")
    monkeypatch.setattr(environment, "is_healthy", lambda folder: True)
    skip_steps(monkeypatch, "install_torch", "install_pins")

    def fail(python):
        assert not (course / ".venv" / "course-ready").exists()
        raise SetupError("does not start")

    monkeypatch.setattr(environment, "check_imports", fail)
    with pytest.raises(SetupError):
        environment.set_up(progress=progress)
    assert not (course / ".venv" / "course-ready").exists()

    skip_steps(monkeypatch, "check_imports")
    python = environment.set_up(progress=progress)
    assert python == environment.python_in(course / ".venv")
    assert environment.is_ready(course / ".venv")


def test_a_half_installed_package_is_installed_again(tmp_path):
    install(tmp_path, "whole", "1.0")
    install(tmp_path, "half", "1.0", record=False)
    environment.drop_half_installed(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["whole-1.0.dist-info"]


def test_a_broken_environment_is_emptied_but_for_the_lock(tmp_path):
    make_environment(tmp_path / ".venv")
    (tmp_path / ".venv" / "setup.lock").touch()
    environment.wipe(tmp_path / ".venv")
    assert [path.name for path in (tmp_path / ".venv").iterdir()] == ["setup.lock"]


def test_the_course_is_importable_from_a_folder_with_spaces(course, monkeypatch):
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(course / ".venv")], check=True)
    (course / "course_lib").mkdir()
    (course / "course_lib" / "__init__.py").write_text("")
    environment.write_path_file(environment.packages_in(course / ".venv"))
    python = environment.python_in(course / ".venv")
    answer = subprocess.run(
        [python, "-I", "-c", "import course_lib; print(course_lib.__file__)"], capture_output=True, text=True
    )
    assert str(course) in answer.stdout

    moved = course.with_name("moved course")
    course.rename(moved)
    answer = subprocess.run([environment.python_in(moved / ".venv"), "-I", "-c", "import course_lib"])
    assert answer.returncode == 0


def test_a_python_without_ensurepip_is_told_which_package_to_install(course, progress, monkeypatch):
    monkeypatch.setattr(environment.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(SetupError, match=r"sudo apt install python3\.\d+-venv"):
        environment.set_up(progress=progress)


def test_debians_own_complaint_about_venv_is_understood(course, monkeypatch):
    said = SimpleNamespace(
        returncode=1, stdout="The virtual environment was not created: ensurepip is missing", stderr=""
    )
    monkeypatch.setattr(environment.subprocess, "run", lambda *command, **options: said)
    with pytest.raises(SetupError, match=r"sudo apt install python3\.\d+-venv"):
        environment.create(course / ".venv")


def test_a_folder_that_cannot_be_written_is_named(course, progress):
    (course / ".venv").write_text("a file where the folder should be")
    with pytest.raises(SetupError, match=r"could not write .*\.venv"):
        environment.set_up(progress=progress)


def test_a_second_set_up_waits_for_the_first(tmp_path, monkeypatch):
    stream = io.StringIO()
    progress = Progress(steps=1, stream=stream)
    with environment.only_one(tmp_path / "lock", progress):
        with open(tmp_path / "lock", "a+b") as other:
            assert not environment.try_lock(other)
    with open(tmp_path / "lock", "a+b") as other:
        assert environment.try_lock(other)


# --- pip ---


def fake_pip(monkeypatch, *outcomes):
    """Replace pip by scripted runs, each a list of lines or an exception; returns the commands seen."""
    commands, script = [], list(outcomes)

    def run(python, *arguments, on_line, on_wait):
        commands.append(arguments)
        outcome = script.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        for line in outcome:
            on_line(line)

    monkeypatch.setattr(environment, "run_pip", run)
    return commands


def test_torch_comes_from_its_cpu_index_first(course, progress, monkeypatch):
    commands = fake_pip(monkeypatch, ["Successfully installed torch"])
    environment.install_torch("python", make_environment(course / ".venv"), progress, allow_large=False)
    assert len(commands) == 1 and environment.CPU_INDEX in commands[0] and "--no-deps" in commands[0]


def test_torch_falls_back_to_what_pip_finds(course, progress, monkeypatch):
    commands = fake_pip(monkeypatch, PipFailed(["no route"]), ["Processing torch-2.13.0+cpu.whl"])
    environment.install_torch("python", make_environment(course / ".venv"), progress, allow_large=False)
    assert commands[1][-1] == "torch==2.13.0" and environment.CPU_INDEX not in commands[1]
    assert "taking what pip finds" in progress.stream.getvalue()


def test_torch_already_there_is_kept(course, progress, monkeypatch):
    commands = fake_pip(monkeypatch)
    packages = make_environment(course / ".venv")
    install(packages, "torch", "2.13.0+cpu")
    environment.install_torch("python", packages, progress, allow_large=False)
    assert commands == []


@pytest.mark.parametrize(
    "line",
    [
        "Collecting nvidia-cudnn-cu13==9.1 (from torch==2.13.0)",
        "Downloading torch-2.13.0-cp311-cp311-manylinux_2_28_x86_64.whl (899.8 MB)",
        "Downloading https://host/torch-2.13.0-cp311-cp311-manylinux_2_28_x86_64.whl (2.1 GB)",
    ],
)
def test_gigabytes_are_not_fetched_unasked(course, progress, monkeypatch, line):
    packages = make_environment(course / ".venv")
    fake_pip(monkeypatch, PipFailed(["no route"]), [line])
    with pytest.raises(SetupError, match="--yes"):
        environment.install_torch("python", packages, progress, allow_large=False)
    fake_pip(monkeypatch, PipFailed(["no route"]), [line])
    environment.install_torch("python", packages, progress, allow_large=True)


def test_a_cpu_build_of_torch_is_no_large_download():
    assert not environment.is_large("Downloading torch-2.13.0-cp311-none-macosx_11_0_arm64.whl (85.1 MB)")
    assert not environment.is_large("Collecting networkx")


def pip_that_runs(monkeypatch, script):
    """Let run_pip start a small program instead of pip."""
    start = subprocess.Popen

    def popen(command, **options):
        children.append(start([sys.executable, "-c", script], **options))
        return children[-1]

    children = []
    monkeypatch.setattr(environment.subprocess, "Popen", popen)
    return children


def test_what_pip_says_is_handed_on_and_kept(course, monkeypatch):
    (course / ".venv").mkdir()
    pip_that_runs(monkeypatch, "print('Collecting a'); print('Collecting b')")
    lines = []
    environment.run_pip(sys.executable, "x", on_line=lines.append, on_wait=lambda: None)
    assert lines == ["Collecting a", "Collecting b"]
    assert "Collecting b" in (course / ".venv" / "setup.log").read_text()


def test_a_failing_pip_reports_its_lines(course, monkeypatch):
    (course / ".venv").mkdir()
    pip_that_runs(monkeypatch, "print('ERROR: no'); raise SystemExit(1)")
    with pytest.raises(PipFailed) as failure:
        environment.run_pip(sys.executable, "x", on_line=lambda line: None, on_wait=lambda: None)
    assert failure.value.lines == ["ERROR: no"]


@pytest.mark.parametrize("reason", [KeyboardInterrupt, LargeDownload])
def test_pip_does_not_go_on_alone(course, monkeypatch, reason):
    (course / ".venv").mkdir()
    children = pip_that_runs(monkeypatch, "import time; print('begun', flush=True); time.sleep(600)")

    def stop(line):
        raise reason

    with pytest.raises(reason):
        environment.run_pip(sys.executable, "x", on_line=stop, on_wait=lambda: None)
    assert children[0].returncode is not None


@pytest.mark.parametrize(
    ("line", "cause"),
    [
        ("WARNING: Retrying after connection broken by 'NewConnectionError(: [Errno -3] Temporary failure'", "reached"),
        ("ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device", "disk is full"),
        ("ERROR: No matching distribution found for torch==2.13.0", "not offered"),
        ("ERROR: something new", "something new"),
    ],
)
def test_a_failure_of_pip_becomes_one_sentence_with_its_cause(course, progress, monkeypatch, line, cause):
    make_environment(course / ".venv")
    monkeypatch.setattr(environment, "is_healthy", lambda folder: True)
    skip_steps(monkeypatch, "install_torch")
    fake_pip(monkeypatch, PipFailed([line, "ERROR: follow-up"]))
    with pytest.raises(SetupError) as failure:
        environment.set_up(progress=progress)
    sentence = str(failure.value)
    assert cause in sentence and "setup.log" in sentence and "\n" not in sentence


# --- progress ---


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_packages_are_counted_as_pip_names_them(course, monkeypatch):
    terminal = Terminal()
    progress = Progress(steps=4, stream=terminal)
    progress.step("Installing 2 packages")
    fake_pip(monkeypatch, ["Collecting torch==2.13.0 (from -r x)", "Requirement already satisfied: anyio==4.16.0 in y"])
    packages = make_environment(course / ".venv")
    environment.install_pins("python", packages, environment.pins(), progress)
    assert "[1/4] Installing 2 packages … torch 2.13.0 (1/2)" in terminal.getvalue()
    assert "anyio 4.16.0 (2/2)" in terminal.getvalue()


def test_a_log_file_gets_a_line_now_and_then_only():
    now = [0.0]
    progress = Progress(steps=1, stream=io.StringIO(), clock=lambda: now[0])
    progress.step("Installing")
    for second in range(25):
        now[0] = float(second)
        progress.tick(f"package {second}")
    progress.done()
    lines = progress.stream.getvalue().splitlines()
    assert lines == [
        "[1/1] Installing …",
        "[1/1] Installing … package 10  10 s",
        "[1/1] Installing … package 20  20 s",
        "Ready after 24 s.",
    ]


def test_minutes_are_spoken():
    assert environment.spoken(125) == "2 min 05 s"
