"""Behind the wall course_lib has every name and does nothing."""

import subprocess
import sys

import course_lib
from course_lib.judge import Status
from tests.grader.toys import grade


def run_inert(code):
    start = "from course_lib.grader import inert; inert.install(['check', 'hint'])\n"
    return subprocess.run([sys.executable, "-c", start + code], capture_output=True, text=True, check=True).stdout


def test_star_import_brings_every_public_name(server):
    names = " and ".join(f"{name} is not None" for name in course_lib.__all__)
    cells = ["from course_lib import *", f"def double(x):\n    return 2 * x if {names} else 0"]
    assert grade(server, *cells, names=("double",))["double"].status is Status.CORRECT


def test_every_import_works_and_nothing_comes_of_it():
    out = run_inert("""
from course_lib import check, whatever, plots
from course_lib import *
import course_lib.plots, course_lib.keys.lesson_01 as key
from course_lib.explore import tangent_zoom
assert not check(print).passed and not plots.anything(1)(2)[3].go(x=4)
with whatever() as it:
    it.x[0] = 1
for _ in tangent_zoom(): raise SystemExit
print(check, key.slope_at, hint(print))
""")
    assert out.split("<")[1:] == ["does nothing while grading> "] * 2 + ["does nothing while grading>\n"]


def test_decorators_leave_the_function_alone():
    assert (
        run_inert("""
from ipywidgets import interact
@interact(x=(0, 1))
def f(x): return 2 * x
print(f(2))
""")
        == "4\n"
    )


def test_a_watched_loop_runs_all_its_steps():
    """An answer may train with it, so its loop must not be empty here."""
    assert (
        run_inert("""
from course_lib import live_training
training, total = live_training(4), 0
for step in training:
    training.record(loss=step)
    total += step
print(total, training.curves)
""")
        == "6 <does nothing while grading>\n"
    )
