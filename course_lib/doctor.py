"""Say what is installed, what is missing and how to get it: main() prints it, findings() is the data."""

import importlib
import os
import platform
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from course_lib import environment

UNKNOWN = "unknown"
SHOWN = ("torch", "sympy", "matplotlib", "ipywidgets", "jupyterlab", "nbval", "pytest")
CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "msedge")
CHROMIUM_PLACES = (
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    r"C:\Program Files\Google\Chrome\Application\chrome.exe",
    r"C:\Program Files (x86)\Microsoft\Edge\Application\msedge.exe",
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """One thing looked at."""

    what: str
    found: str | None  # None: missing
    remedy: str = ""  # how to get it, or to get it better
    needed: bool = True  # for lessons and exercises, not only for grading or browser tests


def main():
    """Print all findings; 0 if lessons and exercises can run, 1 otherwise."""
    looked_at = findings()
    for finding in looked_at:
        print(sentence(finding))
    broken = [finding.what for finding in looked_at if finding.found is None and finding.needed]
    print(f"\nNot ready, missing: {', '.join(broken)}." if broken else "\nReady for lessons and exercises.")
    return 1 if broken else 0


def sentence(finding):
    """One line for one finding, with its remedy below."""
    if finding.found is None:
        mark = "missing" if finding.needed else "absent"
    else:
        mark = "?" if finding.found == UNKNOWN else "ok"
    line = f"{mark:<8} {finding.what:<12} {finding.found or ''}".rstrip()
    return f"{line}\n{'':21} {finding.remedy}" if finding.remedy else line


def findings():
    return [python(), *packages(), requirements(), sandbox(), chromium()]


def python():
    text = f"{platform.python_version()} on {platform.system()} {platform.machine()}, {sys.executable}"
    return Finding(what="python", found=text)


def packages():
    """The packages a person asks about first."""
    known = {pin.name for pin in environment.pins()}
    return [
        Finding(what=name, found=environment.installed_version(name, sys.path), remedy=remedy_for(name))
        for name in SHOWN
        if name in known
    ]


def remedy_for(name):
    present = environment.installed_version(name, sys.path)
    return "" if present else "python3 -m course_lib lab installs it"


def requirements():
    """Whether every pin of requirements.txt is fulfilled."""
    wanted = environment.pins()
    off = environment.mismatches(wanted, sys.path)
    if not off:
        return Finding(what="requirements", found=f"all {len(wanted)} as in requirements.txt")
    listed = ", ".join(f"{pin.name} {version or 'none'} (wanted {pin.version})" for pin, version in off[:4])
    more = f" and {len(off) - 4} more" if len(off) > 4 else ""
    ready = not any(pin.chosen for pin, version in off)
    return Finding(
        what="requirements",
        found=f"{len(wanted) - len(off)} of {len(wanted)} as in requirements.txt" if ready else None,
        remedy=f"differs: {listed}{more}; python3 -m course_lib lab repairs .venv, "
        "in an environment of your own run pip install -r requirements.txt",
    )


def sandbox():
    """How strongly submissions would be shut in while they are graded."""
    try:
        probed = importlib.import_module("course_lib.grader.sandbox").probe()
        tier, reasons = probed.tier, list(probed.reasons)
    except ImportError as error:
        return Finding(what="sandbox", found=UNKNOWN, remedy=f"could not be probed here: {error}", needed=False)
    except Exception as error:  # a report on what is broken must not break itself
        return Finding(what="sandbox", found=UNKNOWN, remedy=f"its probe failed: {error!r}", needed=False)
    tier = getattr(tier, "value", tier)
    remedy = "; ".join(str(reason) for reason in reasons)
    if tier != "strong" and sys.platform.startswith("linux") and not shutil.which("bwrap"):
        remedy = "; ".join([*([remedy] if remedy else []), "sudo apt install bubblewrap"])
    return Finding(what="sandbox", found=f"{tier} (only grading needs it)", remedy=remedy, needed=False)


def chromium():
    """The browser that the tests of the explorers drive."""
    path = find_chromium()
    remedy = "" if path else "only the browser tests need it: sudo apt install chromium, or playwright install chromium"
    return Finding(what="chromium", found=path, remedy=remedy, needed=False)


def find_chromium():
    for name in CHROMIUM_NAMES:
        path = shutil.which(name)
        if path:
            return path
    for place in CHROMIUM_PLACES:
        if os.path.exists(place):
            return place
    for cache in (".cache/ms-playwright", "Library/Caches/ms-playwright", "AppData/Local/ms-playwright"):
        for folder in sorted((Path.home() / cache).glob("chromium*")):
            return str(folder)
    return None
