"""Make exercises/ from solutions/, run and normalise the stored notebooks, and pack what students get.

An exercise is its solution with the answers taken out: the body of every function (or class, or the right-hand side of
every value) that a key names. No marker is needed; cells tagged `solution` are left out. The bytes are deterministic.
"""

import ast
import json
import os
import sys
import tempfile
import textwrap
import zipfile
from pathlib import Path

from course_lib.environment import ROOT, SetupError
from course_lib.exercise import all_exercises

COMMAND = "python3 -m course_lib build"
KERNEL = {
    "kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}
WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"
KEPT_TAGS = ("raises-exception", "nbval-ignore-output", "solution")
FOR_STUDENTS = ("README.md", "LICENSE", "requirements.txt", "pyproject.toml", "notebooks", "exercises", "course_lib")
NOT_FOR_STUDENTS = ("course_lib/grader", "course_lib/build.py")


class BuildError(SetupError):
    """A source notebook breaks a promise; the text says where and what to do."""


def main(check, run):
    """Write what is stale, or with check=True only name it; the exit code."""
    if run:
        for path in [*notebooks("notebooks"), *notebooks("solutions")]:
            print(f"running {path.relative_to(ROOT)}", flush=True)
            write_if_changed(path, dump(normalised(executed(path))))
    stale = [path for path, text in products() if not path.exists() or path.read_text(encoding="utf-8") != text]
    stray = stray_files()
    if check:
        for path in stale:
            print(f"{path.relative_to(ROOT)} is not what solutions/ makes: run {COMMAND}", file=sys.stderr)
        for path in stray:
            print(f"{path.relative_to(ROOT)} has no counterpart in solutions/: delete it", file=sys.stderr)
        return 1 if stale or stray else 0
    for path, text in products():
        write_if_changed(path, text)
    print(f"exercises/ is up to date ({len(stale)} written)")
    return 0


def notebooks(folder):
    return sorted((ROOT / folder).glob("*.ipynb"))


def products():
    """Pairs (path, text) of every file that build makes."""
    return [(ROOT / "exercises" / path.name, dump(exercise_from(read(path), path))) for path in notebooks("solutions")]


def stray_files():
    made = {path for path, _ in products()}
    return [path for path in sorted((ROOT / "exercises").glob("*")) if path not in made and path.name[0] != "."]


def write_if_changed(path, text):
    """Write a file at once or not at all, and only if it differs."""
    if path.exists() and path.read_text(encoding="utf-8") == text:
        return
    path.parent.mkdir(exist_ok=True)
    new = path.with_name(path.name + ".new")
    new.write_text(text, encoding="utf-8", newline="\n")
    os.replace(new, path)


# --- notebooks as data -----------------------------------------------------------------------------------------------


def read(path):
    return json.loads(path.read_text(encoding="utf-8"))


def dump(notebook):
    """A notebook in the one form in which it is stored."""
    return json.dumps(notebook, ensure_ascii=False, indent=1, sort_keys=True) + "\n"


def source_of(cell):
    source = cell["source"]
    return source if isinstance(source, str) else "".join(source)


def cell_with(cell, source, **others):
    """A cell with other text; empty lists and no count for code."""
    tags = [tag for tag in cell.get("metadata", {}).get("tags", []) if tag in KEPT_TAGS]
    made = {
        "cell_type": cell["cell_type"], "id": cell["id"], "metadata": {"tags": tags} if tags else {},
        "source": source.splitlines(keepends=True),
    }
    if cell["cell_type"] == "code":
        made |= {"execution_count": None, "outputs": []}
    return made | others


def notebook_of(cells):
    return {"cells": cells, "metadata": KERNEL, "nbformat": 4, "nbformat_minor": 5}


# --- solutions to exercises ------------------------------------------------------------------------------------------


def exercise_from(notebook, path):
    """The notebook with its answers taken out."""
    cells = []
    for number, cell in enumerate(notebook["cells"], start=1):
        if "solution" in cell["metadata"].get("tags", []):
            continue
        source = source_of(cell)
        if cell["cell_type"] == "code":
            source = without_answers(source, f"{path.name}, cell {number}")
            # What an exercise prints depends on the student; that it runs is all that nbval can hold it to.
            cells.append(cell_with(cell, source) | {"metadata": {"tags": ["nbval-ignore-output"]}})
        else:
            if not cells:
                source += f"\n\n<!-- Made from solutions/{path.name} by: {COMMAND} -->"
            cells.append(cell_with(cell, source))
    return notebook_of(cells)


def without_answers(source, place="the cell"):
    """A cell's source with the answers to exercises replaced by what the student is handed."""
    lines = source.splitlines()
    for node in reversed(ast.parse(source).body):  # from the end, so that line numbers stay right
        exercise = all_exercises().get(name_of(node))
        if exercise is None:
            continue
        if isinstance(node, ast.Assign):
            stub = f"{exercise.name} = {exercise.given_source or '...'}"
            lines[node.lineno - 1 : node.end_lineno] = stub.splitlines()
            continue
        body = node.body
        if body[0].lineno == node.lineno:
            raise BuildError(f"{place}: {exercise.name} is written on one line; put its body on lines of its own.")
        if ast.get_docstring(node) is None:
            raise BuildError(f"{place}: {exercise.name} has no docstring; say there what goes in and what comes out.")
        if isinstance(node, ast.ClassDef) and exercise.given_source is None:
            stub = stub_methods(node, exercise, lines)
        else:
            stub = stub_body(exercise, "    ")
        lines[body[0].end_lineno : node.end_lineno] = stub
    return "\n".join(lines)


def name_of(node):
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        return node.name
    if isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
        return node.targets[0].id
    return None


def stub_methods(node, exercise, lines):
    """The methods that the signature of a class exercise names, with their docstrings and dots for their bodies.

    Of an autograd Function, whose signature is that of apply, forward and backward.
    """
    named = exercise.signature + (" forward( backward(" if "autograd.Function" in exercise.signature else "")
    stub = []
    for method in node.body:
        if isinstance(method, ast.FunctionDef) and f"{method.name}(" in named:
            first = method.body[0]
            head = first.end_lineno if ast.get_docstring(method) else first.lineno - 1
            stub += ["", *lines[first_line(method) - 1 : head], "        ..."]
    return stub or ["    ..."]


def first_line(node):
    """The number of a statement's first line, a decorator's where it has one."""
    return min([node.lineno, *(decorator.lineno for decorator in getattr(node, "decorator_list", ()))])


def stub_body(exercise, indent):
    """The lines below the docstring: dots, or the faulty code of a fix-me task."""
    if exercise.given_source is None:
        return [f"{indent}..."]
    source = exercise.given_source
    whole = ast.parse(source).body[0]
    body = whole.body
    given = textwrap.dedent("\n".join(source.splitlines()[first_line(body[0]) - 1 :]))
    blank = [""] if isinstance(whole, ast.ClassDef) else []  # between its docstring and its first method
    return blank + textwrap.indent(given, indent).splitlines()


def code_of_answers():
    """Every answer of solutions/, run here: exercise name -> function or value. For tests and benchmarks."""
    found = {}
    for path in notebooks("solutions"):
        names = {}
        for cell in read(path)["cells"]:
            if cell["cell_type"] == "code":
                kept = [node for node in ast.parse(source_of(cell)).body if not isinstance(node, ast.Expr)]
                exec(compile(ast.Module(kept, []), str(path), "exec"), names)
        found |= {name: names[name] for name in all_exercises() if name in names}
    return found


# --- running ---------------------------------------------------------------------------------------------------------


def executed(path):
    """The notebook at path, run top to bottom in a fresh kernel in its own folder."""
    import nbformat
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError

    # A run for the files on disk must not count as a student's progress.
    with tempfile.TemporaryDirectory() as folder:
        os.environ["COURSE_PROGRESS"] = str(Path(folder) / "progress.json")
        os.environ["JUPYTER_PREFER_ENV_PATH"] = "1"
        notebook = nbformat.reads(path.read_text(encoding="utf-8"), as_version=4)
        client = NotebookClient(
            notebook, timeout=300, kernel_name="python3", store_widget_state=False,
            resources={"metadata": {"path": str(path.parent)}},
        )
        try:
            client.execute()
        except CellExecutionError as error:
            raise BuildError(f"{path.relative_to(ROOT)} stops when it is run: {error}") from None
    return json.loads(nbformat.writes(notebook))


def normalised(notebook):
    """A notebook that was run, in the form in which it is stored: counts 1…n, PNG and text, no view of a dead widget."""
    cells, count = [], 0
    for cell in notebook["cells"]:
        if cell["cell_type"] != "code":
            cells.append(cell_with(cell, source_of(cell)))
            continue
        count += 1
        outputs = [stored(output, count) for output in joined(cell["outputs"])]
        cells.append(cell_with(cell, source_of(cell), execution_count=count, outputs=outputs))
    return notebook_of(cells)


def joined(outputs):
    """The outputs with neighbouring pieces of one stream put together: where a stream is cut is chance."""
    whole = []
    for output in outputs:
        last = whole[-1] if whole else None
        if last and output["output_type"] == "stream" == last["output_type"] and output["name"] == last["name"]:
            last["text"] = "".join(last["text"]) + "".join(output["text"])
        else:
            whole.append(dict(output))
    return whole


def stored(output, count):
    """One output as it is stored."""
    if output["output_type"] in ("execute_result", "display_data"):
        data = {kind: value for kind, value in output["data"].items() if kind != WIDGET_VIEW}
        output = {**output, "data": data}
    if output["output_type"] == "execute_result":
        output["execution_count"] = count
    return output


# --- what students get -----------------------------------------------------------------------------------------------


def main_release(out):
    """Zip what students get: lessons, exercises and the library without grader, solutions and tests."""
    target = Path(out)
    if target.suffix != ".zip":
        raise BuildError(f"release writes a zip, and {out} does not end in .zip: give it a name such as course.zip.")
    if main(check=True, run=False):
        raise BuildError(f"nothing was packed, because exercises/ is stale: run {COMMAND} first.")
    files = release_files()
    write_zip(target, course_entries(files))
    print(f"{target}: {len(files)} files, no solutions, no tests, no grader")
    return 0


def release_files():
    """Every file that belongs to the students' copy, sorted."""
    found = files_below(FOR_STUDENTS)
    hidden = [file for file in found if any(part.startswith((".", "__pycache__")) for part in file.relative_to(ROOT).parts)]
    barred = [file for file in found if file.relative_to(ROOT).as_posix().startswith(NOT_FOR_STUDENTS)]
    return sorted(set(found) - set(hidden) - set(barred))


def files_below(names):
    """The files of these names of the course's folder, each a file or a folder."""
    found = []
    for name in names:
        path = ROOT / name
        found += [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
    return found


def course_entries(files):
    """What write_zip takes for files of the course, below course/."""
    return [(f"course/{path.relative_to(ROOT).as_posix()}", path.read_bytes(), 0o644) for path in files]


def write_zip(target, entries, *, private=False):
    """A zip of (name, bytes, mode) that is whole or not there. The date is fixed: the same entries make the same bytes.

    private: only its owner may read it.
    """
    new = target.with_name(target.name + ".new")
    with zipfile.ZipFile(new, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, data, mode in entries:
            entry = zipfile.ZipInfo(name, (2026, 1, 1, 0, 0, 0))
            entry.external_attr = mode << 16
            packed.writestr(entry, data, zipfile.ZIP_DEFLATED)
    if private:
        os.chmod(new, 0o600)
    os.replace(new, target)
