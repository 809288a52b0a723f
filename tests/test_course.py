"""The course's conscience: what holds for every lesson, exercise and file together."""

import ast
import importlib
import json
import re
from pathlib import Path

import pytest

import course_lib
from course_lib import build
from course_lib.exercise import all_exercises, all_lessons
from course_lib.observe import instructions

ROOT = Path(__file__).resolve().parent.parent
EXERCISES = all_exercises()
SOLUTIONS = sorted((ROOT / "solutions").glob("*.ipynb"))
LESSONS = sorted((ROOT / "notebooks").glob("*.ipynb"))


def code_of(path):
    return "\n".join(build.source_of(cell) for cell in build.read(path)["cells"] if cell["cell_type"] == "code")


def prose_of(path):
    return "\n".join(build.source_of(cell) for cell in build.read(path)["cells"] if cell["cell_type"] == "markdown")


def definitions(path):
    """name -> ast node of every exercise that a notebook answers."""
    nodes = {build.name_of(node): node for node in ast.parse(code_of(path)).body}
    return {name: node for name, node in nodes.items() if name in EXERCISES}


def test_exercises_are_what_the_solutions_make():
    assert build.main(check=True, run=False) == 0


def test_every_exercise_is_answered_once_in_the_notebook_of_its_lesson():
    answered = [(name, path.stem.split("_")[0]) for path in SOLUTIONS for name in definitions(path)]
    assert sorted(answered) == sorted((exercise.name, exercise.lesson) for exercise in EXERCISES.values())


def test_lessons_solutions_and_exercises_have_matching_names():
    names = [path.name for path in LESSONS]
    assert names == [path.name for path in SOLUTIONS] == sorted(p.name for p in (ROOT / "exercises").glob("*.ipynb"))
    assert [name.split("_")[0] for name in names] == [lesson.number for lesson in all_lessons()]


@pytest.mark.parametrize("folder", ["notebooks", "exercises", "solutions"])
def test_no_stray_files(folder):
    assert [path.name for path in (ROOT / folder).iterdir() if not re.fullmatch(r"\d\dr?_[a-z_]+\.ipynb", path.name)
            and path.name != ".ipynb_checkpoints"] == []


@pytest.mark.parametrize("path", SOLUTIONS, ids=lambda path: path.stem)
def test_solutions_have_the_signatures_that_the_keys_promise(path):
    for name, node in definitions(path).items():
        if isinstance(node, ast.FunctionDef):
            assert tuple(arg.arg for arg in node.args.args) == EXERCISES[name].parameters, name


@pytest.mark.parametrize("path", SOLUTIONS, ids=lambda path: path.stem)
def test_headings_say_number_stars_title_and_minutes_of_the_key(path):
    prose = prose_of(path)
    for name in definitions(path):
        exercise = EXERCISES[name]
        stars = f"{exercise.stars} " if exercise.points else ""
        points = "" if exercise.points else ", no points"
        heading = f"### {exercise.number} {stars}{exercise.title} ({exercise.minutes} min{points})"
        assert heading in prose, f"{path.name} lacks the heading: {heading}"


@pytest.mark.parametrize("path", SOLUTIONS, ids=lambda path: path.stem)
def test_a_fix_me_solution_differs_from_what_is_handed_out(path):
    for name, node in definitions(path).items():
        given = EXERCISES[name].given_source
        if given and isinstance(node, ast.FunctionDef):
            solved, handed = (compile(source, "", "exec").co_consts[0] for source in (ast.unparse(node), given))
            assert instructions(solved) != instructions(handed)


@pytest.mark.parametrize("path", [*LESSONS, *SOLUTIONS], ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_stored_notebooks_are_canonical_and_were_run_in_order(path):
    text = path.read_text(encoding="utf-8")
    stored = json.loads(text)
    assert text == build.dump(stored) == build.dump(build.normalised(stored))
    codes = [cell for cell in stored["cells"] if cell["cell_type"] == "code"]
    assert [cell["execution_count"] for cell in codes] == list(range(1, len(codes) + 1))
    assert len({cell["id"] for cell in stored["cells"]}) == len(stored["cells"])
    outputs = [output for cell in codes for output in cell["outputs"]]
    assert not [output for output in outputs if output["output_type"] == "error" or output.get("name") == "stderr"]
    assert len(text) < 1_500_000, "pictures make this notebook too heavy to read in a diff"


@pytest.mark.parametrize("path", [*LESSONS, *SOLUTIONS], ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_every_stored_picture_has_a_description(path):
    for cell in build.read(path)["cells"]:
        for output in cell.get("outputs", ()):
            if "image/png" in output.get("data", {}):
                assert len(output["metadata"]["image/png"]["alt"]) > 20


@pytest.mark.parametrize("path", SOLUTIONS, ids=lambda path: path.stem)
def test_stored_solutions_show_a_right_verdict_for_each_exercise(path):
    stored = [
        "".join(output["data"]["text/plain"]) for cell in build.read(path)["cells"] for output in cell.get("outputs", ())
        if "text/plain" in output.get("data", {})
    ]
    for name in definitions(path):
        assert any(text.startswith(f"✓ {name}: {'right' if EXERCISES[name].points else 'noted'}") for text in stored), name


@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
def test_lessons_ask_only_questions_that_exist_and_each_prediction_is_revealed(path):
    code, questions = code_of(path), next(one for one in all_lessons() if one.number == path.stem.split("_")[0]).questions
    predicted = re.findall(r'predict\("([^"]+)"', code)
    assert predicted and set(predicted) <= set(questions)
    assert predicted == re.findall(r'reveal\("([^"]+)"', code)
    for id in predicted:
        assert code.index(f'predict("{id}"') < code.index(f'reveal("{id}"')


@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
def test_what_a_lesson_reveals_is_the_right_answer_of_its_question(path):
    lesson = next(one for one in all_lessons() if one.number == path.stem.split("_")[0])
    for cell in build.read(path)["cells"]:
        found = re.search(r'reveal\("([^"]+)"', build.source_of(cell))
        if found:
            question = lesson.questions[found[1]]
            text = next("".join(o["data"]["text/plain"]) for o in cell["outputs"] if "text/plain" in o.get("data", {}))
            happened = text.removeprefix("No prediction yet. What happens: ")
            assert question.is_right(question.read(happened)), f"{found[1]}: the cell shows {happened}"


@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
def test_every_section_that_a_key_refers_to_is_in_its_lesson(path):
    prose = prose_of(path)
    for exercise in EXERCISES.values():
        if exercise.lesson == path.stem.split("_")[0]:
            assert f"## {exercise.section} ·" in prose, exercise.name


@pytest.mark.parametrize("path", [*LESSONS, *SOLUTIONS], ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_notebooks_change_no_global_setting(path):
    code = re.sub(r"with torch\.random\.fork_rng\(\):.*\n +torch\.manual_seed\((\d+|seed)\)", "", code_of(path))  # that is undone
    for forbidden in ("set_default_dtype(", "set_num_threads(", "torch.manual_seed(", "sys.path", "import *", "%"):
        assert not re.search(rf"^\s*{re.escape(forbidden)}", code, re.M), forbidden


def test_public_names_are_sorted_and_importable():
    assert course_lib.__all__ == sorted(course_lib.__all__)
    for name in course_lib.__all__:
        assert getattr(course_lib, name) is not None
    with pytest.raises(AttributeError, match="course_lib has no 'nonsense'"):
        course_lib.nonsense  # noqa: B018


def test_no_module_shares_its_name_with_a_public_function():
    modules = {path.stem for path in (ROOT / "course_lib").glob("*.py")}
    assert not modules & set(course_lib.__all__)


def test_arrows_go_one_way():
    imports = {
        path.stem: set(re.findall(r"^\s*(?:from|import) course_lib(?:\.(\w+)| import (\w+))", path.read_text(), re.M))
        for path in (ROOT / "course_lib").glob("*.py")
    }
    used = {name: {part for pair in pairs for part in pair if part} for name, pairs in imports.items()}
    checking = {"exercise", "judge", "selfcheck", "feedback", "quiz", "questions", "keys", "grader"}
    # Everything else, pictures above all: a new module is held to it without being listed.
    for module in used.keys() - checking - {"__init__", "__main__", "build"}:
        assert not used[module] & checking, f"{module} must know nothing of checking"
    assert "grader" not in used["selfcheck"]
    assert not used["functions"] and not used["observe"], "what runs behind the wall stands alone"


def test_importing_the_library_loads_no_heavy_package():
    import subprocess
    import sys

    code = "import sys, course_lib; print([m for m in ('torch', 'sympy', 'matplotlib', 'ipywidgets') if m in sys.modules])"
    out = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


@pytest.mark.parametrize("lesson", all_lessons(), ids=lambda lesson: lesson.number)
def test_each_lesson_has_a_key_module_of_its_number(lesson):
    assert importlib.import_module(f"course_lib.keys.lesson_{lesson.number}").lesson is lesson
