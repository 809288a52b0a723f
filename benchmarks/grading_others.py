"""The same notebook for nbgrader and otter-grader: an environment of their own, an assignment for each, one run of each.

Used by grading.py. Both get test cells that put as many questions to each function as our keys do, with values worked
out by hand, so all three graders judge the same work.
"""

import json
import os
import resource
import shutil
import subprocess
import sys
import time
from pathlib import Path

PACKAGES = ("torch==2.13.0", "nbgrader==0.9.6", "otter-grader==7.0.0")
FUNCTIONS = """
from math import cos, exp, sin
FUNCTIONS = [
    (lambda x: x**2 * torch.sin(3 * x), lambda a: 2 * a * sin(3 * a) + 3 * a**2 * cos(3 * a)),
    (lambda x: torch.exp(-x / 2), lambda a: -exp(-a / 2) / 2),
    (lambda x: x**3 - 2 * x, lambda a: 3 * a**2 - 2),
]
def number(a):
    return torch.tensor(a, dtype=torch.float64)
"""
TESTS = {  # exercise: a test cell; the counts are those of the keys
    "slope_at": """
for f, fprime in FUNCTIONS:
    for a in (0.7, -1.3, 2.1, 0.4, -0.6):
        assert abs(slope_at(f, a) - fprime(a)) < 3e-5
""",
    "central_diff": """
for f, fprime in FUNCTIONS:
    for a in (0.7, -1.3, 2.1, 0.4, -0.6, 1.9, -2.2):
        want = (f(number(a + 1e-3)) - f(number(a - 1e-3))) / 2e-3
        assert abs(central_diff(f, number(a), 1e-3) - want) < 3e-5
""",
    "predict_change": """
for f, fprime in FUNCTIONS:
    for a in (0.7, -1.3, 2.1):
        for dx in (0.1, -0.2):
            assert abs(predict_change(f, a, dx) - fprime(a) * dx) < 3e-5
""",
    "curve_and_slope": """
for f, fprime in FUNCTIONS + FUNCTIONS[:2]:
    xs = torch.linspace(-2, 2, 9, dtype=torch.float64)
    heights, slopes = curve_and_slope(f, xs)
    assert torch.allclose(heights, f(xs)) and torch.allclose(slopes, torch.tensor([fprime(float(a)) for a in xs]).double())
""",
}


def environment_at(folder):
    """The Python of an environment with both graders, made on first use."""
    python = Path(folder) / "bin" / "python"
    if not (Path(folder) / "complete").exists():
        print(f"making an environment for nbgrader and otter in {folder} …", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
        quiet = ["-q", "--disable-pip-version-check"]
        subprocess.run([python, "-m", "pip", "install", *quiet, *PACKAGES], check=True, stderr=subprocess.DEVNULL)
        (Path(folder) / "complete").touch()
    return python


def measured(command, cwd, env=None):
    """(wall seconds, processor seconds of everything it started)."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    ended = subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True)
    wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    if ended.returncode:
        raise RuntimeError(f"{command} failed:\n{ended.stdout[-2000:]}\n{ended.stderr[-2000:]}")
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def notebook(cells):
    """Bytes of a notebook; cells: (source, metadata)."""
    made = [
        {"cell_type": "code", "id": f"cell-{i}", "source": source, "metadata": more, "outputs": [], "execution_count": None}
        for i, (source, more) in enumerate(cells)
    ]
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    return json.dumps({"cells": made, "metadata": kernel, "nbformat": 4, "nbformat_minor": 5}).encode()


# --- nbgrader --------------------------------------------------------------------------------------------------------


class Nbgrader:
    """A course of nbgrader with one assignment; answers: {exercise: source of its cell}."""

    def __init__(self, python, folder, answers):
        self.command, self.folder, self.answers = [str(python.parent / "nbgrader")], folder, answers
        self.env = os.environ | {"PATH": f"{python.parent}:{os.environ['PATH']}", "OMP_NUM_THREADS": "1"}
        shutil.rmtree(folder, ignore_errors=True)
        source = folder / "source" / "ps1"
        source.mkdir(parents=True)
        (folder / "nbgrader_config.py").write_text("c = get_config()\nc.CourseDirectory.course_id = 'one'\n")
        (source / "problem.ipynb").write_bytes(self.notebook())
        measured([*self.command, "generate_assignment", "ps1", "--create"], folder, self.env)

    def notebook(self, mark="0"):
        def about(id, **more):
            plain = {"schema_version": 3, "grade_id": id, "grade": False, "solution": False, "locked": False, "task": False}
            return {"nbgrader": plain | more}

        cells = [("import torch", {}), (FUNCTIONS, {}), (f"student = {mark!r}", {})]
        for name, code in self.answers.items():
            cells.append((code, about(name, solution=True)))
            cells.append((TESTS[name], about(f"test_{name}", grade=True, locked=True, points=1)))
        return notebook(cells)

    def grade(self, students):
        """Hand in for so many students and grade them all: (wall, processor) seconds."""
        for place in ("submitted", "autograded"):
            shutil.rmtree(self.folder / place, ignore_errors=True)
        for i in range(students):
            place = self.folder / "submitted" / f"s{i}" / "ps1"
            place.mkdir(parents=True)
            (place / "problem.ipynb").write_bytes(self.notebook(str(i)))
        return measured([*self.command, "autograde", "ps1", "--create", "--force"], self.folder, self.env)


# --- otter -----------------------------------------------------------------------------------------------------------


class Otter:
    """An autograder of otter for the same notebook."""

    def __init__(self, python, folder, answers):
        self.command, self.folder, self.answers = [str(python.parent / "otter")], folder, answers
        self.env = os.environ | {"PATH": f"{python.parent}:{os.environ['PATH']}", "OMP_NUM_THREADS": "1"}
        shutil.rmtree(folder, ignore_errors=True)
        (folder / "tests").mkdir(parents=True)
        for name, test in TESTS.items():
            code = "".join(f"{'... ' if line[0] == ' ' else '>>> '}{line}\n" for line in test.strip().splitlines())
            spec = {"name": name, "points": 1, "suites": [{"type": "doctest", "scored": True, "setup": "", "teardown": "",
                    "cases": [{"code": code, "hidden": False, "locked": False}]}]}  # fmt: skip
            (folder / "tests" / f"{name}.py").write_text(f"OK_FORMAT = True\ntest = {spec!r}\n")
        generate = [*self.command, "generate", "-t", "tests", "-o", "autograder.zip", "--no-config", "--no-requirements",
                    "--no-environment"]  # fmt: skip
        measured(generate, folder, self.env)

    def grade(self):
        """Grade one submission: (wall, processor) seconds."""
        cells = [("import torch", {}), (FUNCTIONS, {}), *((code, {}) for code in self.answers.values())]
        (self.folder / "problem.ipynb").write_bytes(notebook(cells))
        results = self.folder / "results.json"
        results.unlink(missing_ok=True)
        took = measured([*self.command, "run", "problem.ipynb", "-a", "autograder.zip", "-o", ".", "--no-logo"],
                        self.folder, self.env)  # fmt: skip
        scores = [test.get("score") for test in json.loads(results.read_text())["tests"] if "score" in test]
        assert sum(scores) == len(TESTS), f"otter gave {scores}"
        return took
