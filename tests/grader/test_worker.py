"""The program behind the wall, seen from a notebook that runs in it."""

from course_lib.judge import Status
from tests.grader.toys import DOUBLE, SLOPE, grade


def told(server, *cells):
    """The message of the ValueError that the last cell's `double` raises."""
    verdict = grade(server, *cells, names=("double",))["double"]
    assert verdict.status is Status.RAISED, verdict
    return verdict.problem.failure.message


def test_it_has_one_thread_no_sympy_no_keys_and_no_judge(server):
    cell = """
import os, sys, torch
def double(x):
    names = sorted(n for n in sys.modules if n.split('.')[0] in ('sympy', 'mpmath') or n.startswith('course_lib'))
    raise ValueError(torch.get_num_threads(), len(os.listdir('/proc/self/task')), names)"""
    assert told(server, cell) == "(1, 1, [])"


def test_its_environment_and_arguments_hold_nothing_but_what_it_needs(server):
    cell = """
import os
def double(x):
    raise ValueError(sorted(k for k in os.environ if not k.endswith('_THREADS')), os.getcwd(), os.listdir('/tmp'))"""
    expected = ["CUDA_VISIBLE_DEVICES", "HOME", "LANG", "MPLBACKEND", "MPLCONFIGDIR", "PATH", "PWD", "PYTHONHASHSEED"]
    assert told(server, cell) == f"({expected}, '/tmp', [])"


def test_every_notebook_starts_from_the_same_random_numbers_and_set_order(server):
    cell = """
import random, numpy, torch
NUMBERS = random.random(), numpy.random.rand(), torch.rand(1).item(), list({'a', 'b', 'c', 'd'})
def double(x): raise ValueError(NUMBERS)"""
    assert told(server, cell) == told(server, cell)


def test_nothing_of_one_notebook_reaches_the_next(server):
    leaving = "open('/tmp/left', 'w').write('x'); open('/dev/shm/left', 'w').write('x'); import torch; torch.left = 1"
    looking = """
import os, torch
def double(x): raise ValueError(os.listdir('/tmp'), os.listdir('/dev/shm'), hasattr(torch, 'left'))"""
    assert grade(server, leaving, SLOPE, DOUBLE)["double"].status is Status.CORRECT
    assert told(server, looking) == "([], [], False)"


def test_cells_share_a_main_module_as_in_a_notebook(server):
    cell = """
import pickle, sys
class Thing: pass
def double(x):
    copied = pickle.loads(pickle.dumps(Thing()))
    raise ValueError(__name__, sys.modules['__main__'].Thing is Thing, type(copied).__name__)"""
    assert told(server, cell) == "('__main__', True, 'Thing')"


def test_a_failure_in_a_helper_points_at_the_line_in_the_students_cell(server):
    helper = "def helper(x):\n    y = x\n    return y.nothing"
    verdict = grade(server, "a = 1", helper, "def double(x):\n    return helper(x)", names=("double",))["double"]
    assert (verdict.problem.failure.type, verdict.problem.failure.code) == ("AttributeError", "return helper(x)")


def test_the_last_definition_wins_and_a_failing_cell_keeps_what_it_defined(server):
    cells = ["def double(x):\n    return 0.0", DOUBLE + "\nraise ValueError('after it')", SLOPE]
    assert grade(server, *cells)["double"].status is Status.CORRECT
