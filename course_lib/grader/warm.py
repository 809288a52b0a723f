"""What the fork server does once so that no notebook has to: warm_up(), import_packages(names)."""

import contextlib
import gc
import importlib
import os
import random
import sys

import numpy as np
import torch

from course_lib.grader import jail, wire
from course_lib.observe import Leaf, reply_of


def warm_up():
    """Pay once for what most notebooks would pay for: pyplot, linear algebra, and what torch imports at first use.

    backward(v), torch.func and torch.testing bring in SymPy and much else then, for a second or two each time.
    """
    with variables_kept():
        with contextlib.suppress(ImportError):
            import matplotlib.pyplot as plt

            plt.close(plt.figure())
        x = torch.ones(2, 2, dtype=torch.float64, requires_grad=True)
        y = x @ x
        y.backward(torch.ones_like(y))
        still = x.detach()
        torch.func.grad(lambda x: (x * x).sum())(still)
        torch.func.jvp(torch.sin, (still,), (still,))
        torch.func.hessian(lambda x: (x * x).sum())(still)
        torch.testing.assert_close(still, still)
        use_what_answers_use()


@contextlib.contextmanager
def variables_kept():
    """Variables of the environment that an import sets are gone afterwards."""
    before = set(os.environ)
    yield
    for name in set(os.environ) - before:
        del os.environ[name]


def use_what_answers_use():
    """First uses write into memory, and what is written after the fork is copied, for every notebook anew."""
    for dtype in (torch.float64, torch.float32):
        x = torch.linspace(0.5, 1.5, 4, dtype=dtype, requires_grad=True)
        for function in (torch.sin, torch.cos, torch.exp, torch.log, torch.tanh, torch.sigmoid, torch.relu, torch.abs):
            (function(x) * 2 + x / 3 - x**3).sum().backward()
            torch.autograd.grad(function(x).sum(), x, create_graph=True)
        x.grad.zero_()
        x.detach().clone().tolist()
    wire.encode(["reply", wire.pack_reply(reply_of(torch.square, (Leaf(np.ones(2)),)))])


def seed_generators():
    """Where the random numbers of every notebook begin."""
    random.seed(0)
    np.random.seed(0)
    torch.manual_seed(0)


def import_packages(names):
    """Import once, for this notebook and all that come after it, what takes long to import."""
    new = [name for name in names if name not in sys.modules]
    with variables_kept():
        for name in new:
            with contextlib.suppress(ImportError):
                importlib.import_module(name)
    if new:
        settle()
        seed_generators()


def settle():
    """Make the memory of this process cheap to fork."""
    gc.collect()
    gc.freeze()  # the collector of a fork then leaves the shared pages alone
    jail.use_large_pages()
