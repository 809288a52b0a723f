"""A class of submissions with known outcomes: build(folder) writes them and says what must come of each.

Run `python tests/classroom.py FOLDER` to have the folder for a trial of `python3 -m course_lib grade FOLDER --out …`.
Answers are taken from solutions/, wrong ones from the mistakes of the keys, so the class grows with the course.
"""

import ast
import copy
import functools
import importlib
import inspect
import json
import re
import sys
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from course_lib import build as course_build  # noqa: E402
from course_lib.exercise import all_exercises  # noqa: E402


@dataclass(kw_only=True)
class Student:
    """One submission: its bytes, and what must come of it. status and misconception by exercise; `rest` for the others."""

    name: str
    file: str
    content: bytes
    rest: str = "correct"
    status: dict = field(default_factory=dict)
    misconception: dict = field(default_factory=dict)


def build(folder):
    """Write every submission below folder, one folder per student; the students."""
    students = list(everybody())
    for student in students:
        path = Path(folder) / student.name / student.file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(student.content)
    return students


def everybody():
    for path in sorted((ROOT / "solutions").glob("*.ipynb")):
        solution, short = course_build.read(path), path.stem.split("_")[0]
        yield Student(name=f"solved-{short}", file=path.name, content=packed(solution))
        untouched = (ROOT / "exercises" / path.name).read_bytes()
        yield Student(name=f"untouched-{short}", file=path.name, content=untouched, rest="open")
        if short != "10":  # the parts of an engine use each other: a wrong one would bring right ones along
            yield from mistaken(solution, path)
    first = ROOT / "solutions/01_derivatives.ipynb"
    yield from in_other_styles(course_build.read(first), first.name)
    yield from in_trouble(course_build.read(first), first.name)


def packed(notebook):
    return json.dumps(notebook).encode()


def with_answer(notebook, name, code):
    """The notebook with the cell that answers an exercise replaced."""
    changed = copy.deepcopy(notebook)
    (cell,) = [
        cell for cell in changed["cells"] if cell["cell_type"] == "code" and any(
            course_build.name_of(node) == name for node in ast.parse(course_build.source_of(cell)).body
        )
    ]
    cell["source"] = code
    return changed


# --- wrong in known ways ---------------------------------------------------------------------------------------------


def mistaken(solution, path):
    """Student k of a lesson makes the k-th listed mistake of every exercise that has so many."""
    short = path.stem.split("_")[0]
    exercises = [one for one in all_exercises().values() if one.lesson == short]
    for k in range(max((len(one.mistakes) for one in exercises), default=0)):
        notebook, named = solution, {}
        for exercise in exercises:
            code = as_student_code(exercise, exercise.mistakes[k]) if k < len(exercise.mistakes) else None
            if code is not None:
                notebook = with_answer(notebook, exercise.name, code)
                named[exercise.name] = exercise.mistakes[k].id
        yield Student(
            name=f"mistake-{k + 1}-{short}", file=path.name, content=packed(notebook),
            status={name: "wrong somehow" for name in named}, misconception=named,
        )


def as_student_code(exercise, mistake):
    """A mistake as a cell that a student could have written, with all of its key's code that it needs.

    None for the few that keys make in a loop, which have no source of their own; test_keys tries them all.
    """
    made = mistake.make()
    if not callable(made):
        return f"{exercise.name} = {made!r}"
    module = importlib.import_module(exercise.key.__module__)
    if mistake.name not in definitions(module):
        return None
    code = "\n\n\n".join(needed(module, mistake.name))
    return f"{code}\n\n{exercise.name} = {mistake.name}{'()' if is_factory(exercise, mistake) else ''}"


def needed(module, name, seen=None):
    """The statements of a key's module that define a name, after those that they need, as text.

    What the module imports from another module of ours is taken from there.
    """
    seen = set() if seen is None else seen
    node = definitions(module).get(name)
    if node is None or (module, name) in seen:
        return []
    seen.add((module, name))
    if isinstance(node, ast.ImportFrom) and node.module.startswith("course_lib"):
        return from_our_own(node.module, name, seen)
    node = copy.deepcopy(node)
    if hasattr(node, "decorator_list"):
        of_keys = re.compile(r"\.(mistake|broken|exercise)\b|^too_strict\b")
        node.decorator_list = [one for one in node.decorator_list if not of_keys.search(ast.unparse(one))]
    used = [part.id for part in ast.walk(node) if isinstance(part, ast.Name)]
    return [*(text for one in dict.fromkeys(used) if one != name for text in needed(module, one, seen)), ast.unparse(node)]


def from_our_own(module, name, seen):
    """A name that a key imports from a module of ours, or a whole module of plain Python."""
    try:
        whole = importlib.import_module(f"{module}.{name}")
    except ImportError:
        return needed(importlib.import_module(module), name, seen)
    source = Path(whole.__file__).read_text(encoding="utf-8")
    return [f"import types\n{name} = types.ModuleType({name!r})\nexec({source!r}, {name}.__dict__)"]


@functools.cache
def definitions(module):
    """name -> the top-level statement of a module that defines it."""
    found = {}
    for node in ast.parse(inspect.getsource(module)).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found[node.name] = node
        elif isinstance(node, ast.Assign):
            found |= {part.id: node for target in node.targets for part in ast.walk(target) if isinstance(part, ast.Name)}
        elif isinstance(node, ast.Import | ast.ImportFrom):
            found |= {(one.asname or one.name).split(".")[0]: node for one in node.names}
    return found


def is_factory(exercise, mistake):
    return mistake.make.__name__ == mistake.name and "<locals>" not in mistake.make.__qualname__


# --- right in other ways ---------------------------------------------------------------------------------------------

WITH_GRAD = {
    "slope_at": """
def slope_at(f, a):
    x = torch.tensor(a, requires_grad=True)
    print("slope of", f, "at", a)
    return torch.autograd.grad(f(x), x)[0]""",
    "central_diff": """
def central_diff(f, a, h):
    left, right = a - h, a + h
    return (f(right) - f(left)) / (right - left)""",
    "predict_change": """
def predict_change(f, a, dx):
    return dx * slope_at(f, a)""",
    "curve_and_slope": """
def curve_and_slope(f, xs):
    xs.requires_grad_(True)
    y = f(xs)
    (g,) = torch.autograd.grad(y, xs, grad_outputs=torch.ones_like(y))
    return [y.detach(), g]""",
    "nth_derivative": """
def nth_derivative(f, a, n):
    x = torch.tensor([a], dtype=torch.double, requires_grad=True)
    y = f(x).sum()
    for i in range(n):
        y = torch.autograd.grad(y, x, create_graph=True)[0].sum()
    return y""",
    "fix_slope": """
def fix_slope(f, a):
    x = torch.tensor(float(a), requires_grad=True)
    y = f(x)
    y.backward()
    return x.grad""",
}
WITH_FUNC = {
    "slope_at": """
def slope_at(f, a):
    from torch.func import grad
    return float(grad(f)(torch.tensor(a, dtype=torch.float64)))""",
    "curve_and_slope": """
def curve_and_slope(f, xs):
    return f(xs), torch.func.vmap(torch.func.grad(f))(xs)""",
    "nth_derivative": """
def nth_derivative(f, a, n):
    for _ in range(n):
        f = torch.func.grad(f)
    return f(torch.tensor(a, dtype=torch.float64))""",
    "predict_change": """
def predict_change(f, a, dx):
    x = torch.tensor(a, dtype=torch.float64)
    return torch.func.jvp(f, (x,), (torch.tensor(dx, dtype=torch.float64),))[1].item()""",
    "newton_min": """
def newton_min(f, a0, steps):
    d1 = torch.func.grad(f); d2 = torch.func.grad(d1)
    x = torch.tensor(a0, dtype=torch.float64)
    while steps > 0:
        if d2(x) <= 0:
            raise ValueError("concave")
        x = x - d1(x) / d2(x)
        steps -= 1
    return x""",
}
CARELESS = {
    "slope_at": """
torch.manual_seed(0)
torch.set_num_threads(2)
def helper(f, x):
    y = f(x)
    y.backward()
class Unused: pass
def slope_at(f, a):
    x = torch.nn.Parameter(torch.tensor(a, dtype=torch.float64))
    helper(f, x)
    return np.float64(x.grad.item())""",
    "best_h": """
def best_h(f, fprime, a, dtype):
    best, best_error = None, float("inf")
    for k in range(1, 13):
        h = 10.0**-k
        x = torch.tensor([a - h, a, a + h], dtype=dtype)
        x[0] = x[1] - h
        x[2] = x[1] + h
        error = abs(float((f(x)[2] - f(x)[0]) / (2 * h) - fprime(x)[1]))
        if error < best_error:
            best, best_error = h, error
    return best""",
    "newton_min": """
def newton_min(f, a0, steps):
    x = torch.tensor(a0, dtype=torch.float64, requires_grad=True)
    for _ in range(steps):
        g = torch.autograd.grad(f(x), x, create_graph=True)[0]
        h = torch.autograd.grad(g, x)[0]
        if not h > 0:
            raise ValueError
        with torch.no_grad():
            x -= g / h
    return x.item()""",
}


def in_other_styles(solution, file):
    """Right answers as other people write them; careless habits that cost nothing are right, too."""
    for name, answers in (("autograd-grad", WITH_GRAD), ("torch-func", WITH_FUNC), ("careless", CARELESS)):
        notebook = solution
        for exercise, code in answers.items():
            notebook = with_answer(notebook, exercise, "import numpy as np\n" + code)
        yield Student(name=name, file=file, content=packed(notebook))


# --- in trouble ------------------------------------------------------------------------------------------------------


def in_trouble(solution, file):
    def broken(name, exercise, code, status):
        return Student(
            name=name, file=file, content=packed(with_answer(solution, exercise, code)), status={exercise: status}
        )

    yield broken("syntax-error", "slope_at", "def slope_at(f, a)\n    return 1", "raised")
    yield broken("endless-loop", "central_diff", "def central_diff(f, a, h):\n    while True:\n        pass", "timed_out")
    yield broken("loop-that-catches", "best_h", "def best_h(f, fprime, a, dtype):\n    while True:\n        try:\n"
                 "            while True: pass\n        except BaseException:\n            pass", "timed_out")
    yield broken("crash", "predict_change", "import os\ndef predict_change(f, a, dx):\n    os._exit(0)", "raised")
    yield broken("deleted", "fix_slope", "pass", "missing")
    yield broken("unknown-idea", "slope_at", "import torch\ndef slope_at(f, a):\n    x = torch.tensor(a + 0.5, "
                 "requires_grad=True)\n    f(x).backward()\n    return 3 * x.grad.item()", "wrong")
    yield Student(name="empty-file", file=file, content=b"", rest="refused")
    yield Student(name="no-json", file=file, content=b"<html>404 Not Found</html>", rest="refused")
    yield Student(name="copy-1", file=file, content=packed(solution))
    yield Student(name="copy-2", file=file, content=packed(solution))


if __name__ == "__main__":
    print(f"{len(build(sys.argv[1]))} submissions in {sys.argv[1]}")
