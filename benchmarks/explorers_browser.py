"""From a key on a slider to the changed picture in JupyterLab, against a bare slider that writes one line of text.

    python benchmarks/explorers_browser.py

One run, one page, one kernel: a FloatSlider whose callback writes a line into an HTML widget is the floor, whatever this
machine is. Real arrow keys go to the first slider of an explorer and to the floor in turns, a few each, so that both
meet the same moods of the machine. Timed in the page itself, from the keydown event to the change of the text or of the
picture. The filmstrip needs no kernel and may lie below the floor.
"""

import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import nbformat
from playwright.sync_api import sync_playwright

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tests" / "browser"), str(ROOT)]

import conftest as rig  # noqa: E402, I001 - how the tests start a JupyterLab

from course_lib import doctor, explore  # noqa: E402

ROUNDS, KEYS, PAUSE_MS, GOAL = 5, 8, 120, 1.5
FLOOR = """
import ipywidgets
def floor():
    slider, line = ipywidgets.FloatSlider(min=-3, max=3, step=1/16), ipywidgets.HTML("<svg role=img></svg>")
    slider.observe(lambda change: setattr(line, "value", f"<svg role=img><text>{change['new']}</text></svg>"), "value")
    return ipywidgets.VBox([slider, line])
floor()
"""
FILM = """
from course_lib.live import Filmstrip, Scene, Slider
zoom = explore.tangent_zoom().scene
def update(a):
    return zoom.update(a, zoom=1.0, h=0.1, dtype="float64")
Filmstrip(Scene(figure=zoom.figure, movers=zoom.movers, update=update), a=Slider(-2.25, 1.5, 1 / 16, 0.75))
"""
WATCH = """
cell => {
    window.courseTimes = []
    window.courseStart = null
    const changed = () => {
        if (window.courseStart !== null) window.courseTimes.push(performance.now() - window.courseStart)
        window.courseStart = null
    }
    window.courseWatch?.disconnect()
    window.courseWatch = new MutationObserver(changes => {
        const seen = change => change.target.closest?.('svg') || [...change.addedNodes].some(
            node => node.querySelector && (node.matches('svg') || node.querySelector('svg')))
        if (changes.some(seen)) changed()
    })
    window.courseWatch.observe(cell, {subtree: true, childList: true, characterData: true})
    if (!window.courseKeys) document.addEventListener('keydown', () => { window.courseStart = performance.now() }, true)
    window.courseKeys = true
}
"""


def main():
    names = [name for name in explore.__all__ if name != "shape_lens"]
    cells = {"floor": FLOOR, "import": "from course_lib import explore", **{n: f"explore.{n}()" for n in names},
             "film": FILM}
    with tempfile.TemporaryDirectory() as folder:
        measured = run(Path(folder), cells)
    print(f"{'from key to picture':26}{'median ms':>10}{'p90':>7}{'floor':>8}{'ratio':>8}   goal ≤ {GOAL} × the floor")
    worst = 0
    for name, (times, floor) in measured.items():
        median, beside = statistics.median(times), statistics.median(floor)
        worst = max(worst, median / beside)
        p90, reached = sorted(times)[int(0.9 * len(times))], "reached" if median <= GOAL * beside else "missed"
        print(f"{name:26}{median:10.1f}{p90:7.1f}{beside:8.1f}{median / beside:8.2f}   {reached}")
    return 0 if worst <= GOAL else 1


def run(folder, cells):
    """Milliseconds of each key, and of each key on the floor meanwhile, by cell."""
    work, home = folder / "work", folder / "home"
    work.mkdir()
    home.mkdir()
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    made = [nbformat.v4.new_code_cell(source, id=name.replace("_", "-").replace(" ", "-")) for name, source in cells.items()]
    nbformat.write(nbformat.v4.new_notebook(cells=made, metadata={"kernelspec": kernel}), work / "timed.ipynb")
    port = rig.free_port()
    command = [
        sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", f"--ServerApp.root_dir={work}",
        f"--ServerApp.port={port}", "--IdentityProvider.token=", "--LabApp.expose_app_in_browser=True",
    ]
    with open(home / "log", "w") as log:
        process = subprocess.Popen(command, cwd=work, env=rig.environment(home), stdout=log, stderr=subprocess.STDOUT)
        try:
            rig.wait_until_up(f"http://localhost:{port}", process, home / "log")
            with sync_playwright() as player:
                return timed(player, f"http://localhost:{port}", list(cells))
        finally:
            rig.stop(process)


def timed(player, address, names):
    chromium = doctor.find_chromium()
    browser = player.chromium.launch(
        executable_path=chromium if chromium and Path(chromium).is_file() else None,
        args=["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"],
    )
    page = browser.new_context(viewport={"width": 1280, "height": 900}).new_page()
    page.course_address = address
    rig._open_notebook(page, "timed.ipynb")
    rig._run_all(page)
    cells = {name: page.locator(".jp-NotebookPanel .jp-Cell").nth(i).locator(".jp-Cell-outputArea")
             for i, name in enumerate(names)}
    found = {}
    for name, cell in cells.items():
        if name not in ("floor", "import") and cell.get_by_role("slider").count():
            press(page, cells["floor"])  # the first keys on a cell are for warming up
            press(page, cell)
            times, floor = [], []
            for _ in range(ROUNDS):
                floor += press(page, cells["floor"])
                times += press(page, cell)
            found[name] = times, floor
    browser.close()
    return found


def press(page, cell):
    """Milliseconds for each of KEYS keys on the first slider of a cell; half of them to the right, half back."""
    cell.scroll_into_view_if_needed()
    cell.get_by_role("slider").first.focus()
    page.evaluate(WATCH, cell.element_handle())
    for k in range(KEYS):
        page.keyboard.press("ArrowRight" if k < KEYS / 2 else "ArrowLeft")
        page.wait_for_function("count => window.courseTimes.length > count", arg=k, timeout=10_000)
        page.wait_for_timeout(PAUSE_MS)
    return page.evaluate("window.courseTimes")


if __name__ == "__main__":
    sys.exit(main())
