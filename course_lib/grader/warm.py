"""What the fork server does once so that no notebook has to: warm_up(), import_packages(names)."""

import contextlib
import gc
import importlib
import os
import random
import sys

import numpy as np
import torch

from course_lib.grader import jail


def warm_up():
    """Pay once for what most notebooks would pay for: pyplot, linear algebra, and what torch imports at first use.

    backward(v), torch.func and torch.testing bring in SymPy and much else then, for a second or two each time.
    """
    variables = set(os.environ)
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
    for name in set(os.environ) - variables:  # set by what was imported
        del os.environ[name]


def seed_generators():
    """Where the random numbers of every notebook begin."""
    random.seed(0)
    np.random.seed(0)
    torch.manual_seed(0)


def import_packages(names):
    """Import once, for this notebook and all that come after it, what takes long to import."""
    new = [name for name in names if name not in sys.modules]
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
