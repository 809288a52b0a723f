"""What a submission sees as course_lib: every public name exists and does nothing, so a notebook runs as it is.

install(names) is called once in the fork server. check, hint, explorers and plots cost and answer nothing there.
IPython and ipywidgets are stood in for as well: they only show things, and importing them takes half a second.
"""

import importlib.abc
import importlib.machinery
import sys
import types

STOOD_IN_FOR = ("course_lib", "IPython", "ipywidgets")


class Inert:
    """Anything: it can be called, asked for attributes, indexed, entered and iterated, and nothing comes of it."""

    def __init__(self, is_result=False):
        self._is_result = is_result

    def __call__(self, *args, **kwargs):
        # interact(x=1)(f) and @interact(x=1): a decorator must leave the student's function where it was.
        if self._is_result and len(args) == 1 and not kwargs and isinstance(args[0], types.FunctionType):
            return args[0]
        return Inert(is_result=True)

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return Inert()

    def __getitem__(self, key):
        return Inert()

    def __setitem__(self, key, value):
        pass

    def __iter__(self):
        return iter(())

    def __enter__(self):
        return self

    def __exit__(self, *error):
        return False

    def __bool__(self):
        return False

    def __repr__(self):
        return "<does nothing while grading>"


class Steps(Inert):
    """What live_training(steps) is here: an answer may train with it, so its loop must run, with nothing to be seen."""

    def __init__(self, steps):
        super().__init__()
        self._steps = steps

    def __iter__(self):
        return iter(range(self._steps))


class InertModule(types.ModuleType):
    """A module with every name in it."""

    __path__ = ()

    def __getattr__(self, name):
        if name == "__all__":
            return Finder.public
        if name.startswith("__"):
            raise AttributeError(name)
        return Steps if name == "live_training" else Inert()


class Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Answers every import of the packages stood in for, submodules included."""

    public = []  # what `from course_lib import *` brings; single names may be anything

    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in STOOD_IN_FOR:
            return importlib.machinery.ModuleSpec(name, self, is_package=True)
        return None

    def create_module(self, spec):
        return InertModule(spec.name)

    def exec_module(self, module):
        pass


def install(public=()):
    """From now on imports in this process get the inert packages; modules already imported keep what they have."""
    for name in [name for name in sys.modules if name.partition(".")[0] in STOOD_IN_FOR]:
        del sys.modules[name]
    Finder.public = list(public)
    sys.meta_path.insert(0, Finder())
