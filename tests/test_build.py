"""Exercises are solutions with the answers taken out, byte for byte the same every time."""

import ast
import json
import zipfile

import pytest
import torch

from course_lib import build
from course_lib.build import BuildError, dump, exercise_from, normalised, stub_body, without_answers
from course_lib.exercise import Exercise, all_exercises
from course_lib.observe import is_untouched

SOLUTION = '''import torch


@torch.no_grad()
def twice(
    x,
):
    """Twice every entry.

    x: tensor of shape (n,).
    """
    doubled = 2 * x
    return doubled


check(twice)'''


def notebook(*sources, tags=()):
    cells = [
        {"cell_type": "code", "id": f"c{i}", "metadata": {"tags": list(tags)}, "source": source, "outputs": [],
         "execution_count": 3}
        for i, source in enumerate(sources)
    ]
    return {"cells": cells, "metadata": {"kernelspec": {"name": "mine"}}, "nbformat": 4, "nbformat_minor": 5}


def test_body_goes_signature_docstring_decorator_and_the_rest_stay():
    stub = without_answers(SOLUTION)
    assert "doubled" not in stub
    assert "@torch.no_grad()" in stub and "x: tensor of shape (n,)." in stub and stub.endswith("check(twice)")
    names = {}
    exec(stub.replace("import torch", "import torch\ncheck = id"), names)
    assert names["twice"](1) is None


def test_taking_the_answers_out_twice_changes_nothing():
    assert without_answers(without_answers(SOLUTION)) == without_answers(SOLUTION)


CLASS = '''class HandMomentum:
    """SGD with momentum.

    params: list of tensors.
    """

    def __init__(self, params, lr, momentum):
        """Keep what is needed."""
        self.params, self.lr = params, lr

    def step(self):
        self._move(self.params)

    def _move(self, params):
        return 1
'''


def test_of_a_class_the_methods_that_the_signature_names_stay_without_bodies(monkeypatch):
    signature = "__init__(params, lr, momentum); step(); zero_grad()"
    task = Exercise(name="HandMomentum", lesson="07", number="7.7", title="", signature=signature, points=2, minutes=5,
                    section="07f", key=None, kind="class")  # fmt: skip
    monkeypatch.setattr(build, "all_exercises", lambda: {"HandMomentum": task})
    stub = without_answers(CLASS)
    assert "_move" not in stub and "self.lr = " not in stub and "Keep what is needed." in stub
    names = {}
    exec(stub, names)
    assert names["HandMomentum"]([], 0.1, 0.9).step() is None
    assert without_answers(stub) == stub.rstrip()


FUNCTION = '''class Cube(torch.autograd.Function):
    """x³."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x**3

    @staticmethod
    def backward(ctx, g):
        return 3 * ctx.saved_tensors[0] ** 2 * g

    def helper(x):
        return x
'''


@pytest.mark.parametrize("given", [None, FUNCTION.replace('    """x³."""\n\n', "").replace("* g", "")])
def test_of_an_autograd_function_both_passes_stay_static(monkeypatch, given):
    task = Exercise(name="Cube", lesson="09", number="9.9", title="", signature="(torch.autograd.Function): apply(x) -> Tensor",
                    points=1, minutes=5, section="09a", key=None, kind="class", given=given)  # fmt: skip
    monkeypatch.setattr(build, "all_exercises", lambda: {"Cube": task})
    stub = without_answers(FUNCTION)
    names = {"torch": torch}
    exec(stub, names)
    parts = vars(names["Cube"])
    assert isinstance(parts["forward"], staticmethod) and isinstance(parts["backward"], staticmethod)
    assert is_untouched(names["Cube"], given) and "x³" in stub and ("helper" in stub) == bool(given)
    assert without_answers(stub) == stub.rstrip()


def test_a_value_becomes_dots():
    assert without_answers('first_backward_order = ["D",\n  "B"]\ncheck(1)') == "first_backward_order = ...\ncheck(1)"


def test_names_that_are_no_exercise_are_left_alone():
    source = "def helper(x):\n    return x\n\nmine = 3"
    assert without_answers(source) == source


def test_a_fix_me_task_hands_out_the_faulty_lines():
    exercise = all_exercises()["fix_slope"]
    given = ast.parse(exercise.given_source).body[0]
    handed = ast.parse("def f():\n" + "\n".join(stub_body(exercise, "    "))).body[0]
    assert [ast.dump(line) for line in handed.body] == [ast.dump(line) for line in given.body]


def test_an_answer_on_one_line_is_refused_with_the_place():
    with pytest.raises(BuildError, match="lesson 9, cell 2: twice is written on one line"):
        without_answers("def twice(x): return 2 * x", "lesson 9, cell 2")


def test_an_answer_without_docstring_is_refused():
    with pytest.raises(BuildError, match="twice has no docstring"):
        without_answers("def twice(x):\n    return 2 * x")


def test_cells_tagged_solution_vanish(tmp_path):
    made = exercise_from(notebook("print('the answer')", tags=("solution",)), tmp_path / "x.ipynb")
    assert made["cells"] == []


def test_an_exercise_notebook_has_no_outputs_counts_or_foreign_metadata(tmp_path):
    made = exercise_from(notebook(SOLUTION, "x = 1"), tmp_path / "x.ipynb")
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in made["cells"])
    assert made["metadata"]["kernelspec"]["name"] == "python3"
    assert [cell["id"] for cell in made["cells"]] == ["c0", "c1"]


def test_stored_outputs_lose_dead_widget_views_and_count_from_one():
    ran = notebook("explorer()", "print(1)")
    view = {"output_type": "execute_result", "execution_count": 3, "metadata": {},
            "data": {build.WIDGET_VIEW: {}, "image/png": "x", "text/plain": "an explorer"}}
    ran["cells"][0]["outputs"] = [view]
    ran["cells"][1]["outputs"] = [
        {"output_type": "stream", "name": "stdout", "text": "1"}, {"output_type": "stream", "name": "stdout", "text": "\n"},
    ]
    first, second = normalised(ran)["cells"]
    assert set(first["outputs"][0]["data"]) == {"image/png", "text/plain"}
    assert first["execution_count"] == first["outputs"][0]["execution_count"] == 1
    assert second["execution_count"] == 2 and [output["text"] for output in second["outputs"]] == ["1\n"]


def test_dumping_is_deterministic_and_readable_json():
    made = normalised(notebook("x = 'é'"))
    assert dump(made) == dump(json.loads(dump(made))) and "é" in dump(made)


def test_check_names_the_stale_file_and_the_command(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(build, "ROOT", tmp_path)
    (tmp_path / "solutions").mkdir()
    (tmp_path / "solutions/01_a.ipynb").write_text(dump(notebook(SOLUTION)), encoding="utf-8")
    assert build.main(check=True, run=False) == 1
    assert "exercises/01_a.ipynb is not what solutions/ makes: run python3 -m course_lib build" in capsys.readouterr().err
    assert build.main(check=False, run=False) == 0
    assert build.main(check=True, run=False) == 0
    (tmp_path / "exercises/old.ipynb").write_text("{}")
    assert build.main(check=True, run=False) == 1
    assert "exercises/old.ipynb has no counterpart" in capsys.readouterr().err


def test_the_students_zip_has_lessons_and_library_but_no_answers(tmp_path):
    target = tmp_path / "course.zip"
    build.main_release(str(target))
    names = zipfile.ZipFile(target).namelist()
    assert "course/notebooks/01_derivatives.ipynb" in names and "course/course_lib/selfcheck.py" in names
    assert "course/exercises/01_derivatives.ipynb" in names
    forbidden = ("solutions/", "tests/", "grader", ".venv", "__pycache__", "build.py")
    assert not [name for name in names for part in forbidden if part in name]
    first = target.read_bytes()
    build.main_release(str(target))
    assert target.read_bytes() == first


def test_a_release_that_is_no_zip_is_refused():
    with pytest.raises(BuildError, match=r"does not end in \.zip"):
        build.main_release("course.tar")
