"""Open notebooks in a real JupyterLab in a real Chromium: the fixtures open_notebook and run_all are functions,
open_notebook(page, path) and run_all(page).

One JupyterLab per test session (per worker under xdist), with settings, kernels and a copy of the course of its own in
a temporary folder; it is stopped by its own process id.
"""

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from course_lib import doctor

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 60
RUN_SECONDS = 120
COPIED = ("notebooks", "exercises", "solutions")


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args):
    """The Chromium that is installed; Playwright's own download is used where there is one."""
    found = doctor.find_chromium()
    if found is None:
        pytest.skip("no Chromium: sudo apt install chromium, or playwright install chromium, then run this again")
    own = {} if Path(found).is_dir() else {"executable_path": found}
    # --no-sandbox: Chromium's sandbox refuses root, and CI is root; it opens nothing but this JupyterLab.
    return browser_type_launch_args | own | {"args": ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"]}


@pytest.fixture(scope="session")
def browser_context_args(browser_context_args):
    return browser_context_args | {"viewport": {"width": 1280, "height": 900}}


@pytest.fixture(scope="session")
def workspace(tmp_path_factory):
    """A copy of what a student opens; notebooks may be added to it."""
    folder = tmp_path_factory.mktemp("workspace")
    for name in COPIED:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns(".ipynb_checkpoints"))
    return folder


@pytest.fixture(scope="session")
def jupyterlab(workspace, tmp_path_factory):
    """The address of a running JupyterLab that serves the workspace."""
    home = tmp_path_factory.mktemp("jupyter")
    port = free_port()
    command = [
        sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", f"--ServerApp.root_dir={workspace}",
        f"--ServerApp.port={port}", "--ServerApp.port_retries=0", "--IdentityProvider.token=",
        "--LabApp.expose_app_in_browser=True", "--LabApp.collaborative=False",
    ]
    with open(home / "log", "w") as log:
        process = subprocess.Popen(command, cwd=workspace, env=environment(home), stdout=log, stderr=subprocess.STDOUT)
        try:
            address = f"http://localhost:{port}"
            wait_until_up(address, process, home / "log")
            yield address
        finally:
            stop(process)


@pytest.fixture
def page(page, jupyterlab):
    """Playwright's page, knowing the address; a JavaScript error in it fails the test."""
    page.course_address, errors = jupyterlab, watch(page)
    yield page
    assert not errors, f"the page raised {errors}"


@pytest.fixture(scope="module")
def shared_page(browser, browser_context_args, jupyterlab):
    """One page for all tests of a module; its JavaScript errors are in .errors."""
    context = browser.new_context(**browser_context_args)
    made = context.new_page()
    made.course_address, made.errors = jupyterlab, watch(made)
    yield made
    context.close()


@pytest.fixture(scope="session")
def open_notebook():
    return _open_notebook


@pytest.fixture(scope="session")
def run_all():
    return _run_all


def watch(page):
    """The list in which errors of the page's scripts will be found."""
    errors = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    return errors


def environment(home):
    """Settings of JupyterLab's own, below home: no news, and cells off screen are rendered too, to be found."""
    config = home / "labconfig"
    config.mkdir(parents=True)
    course = json.loads((ROOT / "course_lib/jupyter/labconfig/default_setting_overrides.json").read_text())
    course["@jupyterlab/notebook-extension:tracker"] = {"windowingMode": "none"}
    (config / "default_setting_overrides.json").write_text(json.dumps(course))
    folders = {
        "JUPYTER_CONFIG_DIR": home, "JUPYTER_CONFIG_PATH": home, "JUPYTER_DATA_DIR": home / "data",
        "JUPYTER_RUNTIME_DIR": home / "runtime", "JUPYTERLAB_SETTINGS_DIR": home / "settings",
        "JUPYTERLAB_WORKSPACES_DIR": home / "workspaces", "IPYTHONDIR": home / "ipython",
    }
    search = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    return os.environ | {name: str(folder) for name, folder in folders.items()} | {
        "JUPYTER_PREFER_ENV_PATH": "1", "PYTHONPATH": search
    }


def free_port():
    with socket.socket() as probe:
        probe.bind(("localhost", 0))
        return probe.getsockname()[1]


def wait_until_up(address, process, log):
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError), urllib.request.urlopen(f"{address}/api/status", timeout=2):
            return
        time.sleep(0.1)
    pytest.fail(f"JupyterLab did not start within {START_SECONDS} s:\n{log.read_text()[-3000:]}")


def stop(process):
    """JupyterLab ends its kernels itself when it is asked to end."""
    process.terminate()
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _open_notebook(page, path):
    """Open a notebook of the workspace, path relative to it, in a fresh layout, and wait for its kernel.

    The notebook must name its kernel: otherwise JupyterLab asks for one, and this times out.
    """
    page.goto(f"{page.course_address}/lab/tree/{path}?reset")
    page.locator(".jp-NotebookPanel:visible .jp-Cell").first.wait_for(timeout=START_SECONDS * 1000)
    # The page's own indicator says idle before there is a kernel; running cells then would ask which one to start.
    page.wait_for_function(
        """() => {
            const kernel = window.jupyterapp.shell.currentWidget?.context?.sessionContext?.session?.kernel
            return kernel?.connectionStatus === 'connected' && kernel.status === 'idle'
        }""",
        timeout=START_SECONDS * 1000,
    )


def _run_all(page, seconds=RUN_SECONDS):
    """Run all cells of the open notebook and wait for the last one."""
    # The promise is not handed to evaluate(), which would wait for it without any limit.
    page.evaluate(
        """() => {
            window.courseRun = 'running'
            const end = how => { window.courseRun = how }
            window.jupyterapp.commands.execute('notebook:run-all-cells').then(() => end('done'), () => end('failed'))
        }"""
    )
    page.wait_for_function("() => window.courseRun !== 'running'", timeout=seconds * 1000)
    page.wait_for_function(
        """() => [...document.querySelectorAll('.jp-NotebookPanel:not(.lm-mod-hidden) .jp-InputPrompt')]
            .every(prompt => !prompt.textContent.includes('*'))""",
        timeout=seconds * 1000,
    )
