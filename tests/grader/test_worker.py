"""The program behind the wall, seen from a notebook that runs in it."""

import pytest

from course_lib.judge import Status
from tests.grader.toys import DOUBLE, SLOPE, grade


def told(server, *cells):
    """The message of the ValueError that the last cell's `double` raises."""
    verdict = grade(server, *cells, names=("double",))["double"]
    assert verdict.status is Status.RAISED, verdict
    return verdict.problem.failure.message


def test_it_has_one_thread_no_keys_and_no_judge(server):
    cell = """
import os, sys, torch
def double(x):
    names = sorted(n for n in sys.modules if n.startswith('course_lib'))
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


FIRST_USES = {
    "backward with a cotangent": "y = x * x\n    y.backward(torch.ones(2))",
    "grad with a cotangent": "torch.autograd.grad(x * x, x, torch.ones(2))",
    "grad": "torch.func.grad(lambda x: x.sum())(x)", "vmap": "torch.vmap(torch.sin)(x)",
    "jacrev": "torch.func.jacrev(torch.sin)(x)", "jacfwd": "torch.func.jacfwd(torch.sin)(x)",
    "hessian": "torch.func.hessian(lambda x: x.sum())(x)", "vjp": "torch.func.vjp(torch.sin, x)[1](x)",
    "jvp": "torch.func.jvp(torch.sin, (x,), (x,))", "jacobian": "torch.autograd.functional.jacobian(torch.sin, x)",
    "gradcheck": "torch.autograd.gradcheck(torch.sin, x.double().detach().requires_grad_())",
    "assert_close": "torch.testing.assert_close(x, x)", "optimiser": "torch.optim.Adam([x]).step()",
    "layers": "torch.nn.Linear(2, 2)(x).sum().backward()",
    "cross-entropy": "torch.nn.functional.cross_entropy(torch.ones(2, 3), torch.tensor([0, 1]))",
    "digits": "from sklearn.datasets import load_digits\n    load_digits()",
}  # fmt: skip


@pytest.mark.parametrize("use", FIRST_USES.values(), ids=FIRST_USES)
def test_what_takes_long_to_import_is_imported_before_the_notebook_starts(server, use):
    cell = f"""
import sys, torch
def double(x):
    x, before = torch.ones(2, requires_grad=True), set(sys.modules)
    {use}
    raise ValueError(sorted({{name.partition('.')[0] for name in sys.modules}} - before))"""
    assert told(server, cell) == "[]"


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
