"""Honest notebooks in the files and folders that editors, browsers and learning platforms make of them."""

import json
import zipfile

import pytest

from tests.grader.test_batch import grade as grade_folder
from tests.grader.test_batch import rows, strong_here  # noqa: F401
from tests.grader.toys import DOUBLE, SLOPE, SQUARES, notebook

CELLS = [SLOPE, DOUBLE, SQUARES, "answer = 42"]
MADE = json.loads(notebook(*CELLS))


def changed(change, **about):
    """The notebook with each cell as change(cell) makes it, and with these entries of its own."""
    return MADE | {"cells": [change(dict(cell)) for cell in MADE["cells"]]} | about


def as_lines(cell):
    return cell | {"source": cell["source"].splitlines(keepends=True)}


def with_output(cell):
    data = {"image/png": "iVBORw0KGgo" * 20_000, "text/plain": ["<Figure>"]}
    picture = {"output_type": "display_data", "data": data, "metadata": {}}
    error = {"output_type": "error", "ename": "E", "evalue": "x", "traceback": ["\x1b[31m" + "t" * 1000]}
    return cell | {"outputs": [picture, error, {"output_type": "stream", "name": "stderr", "text": ["w\n"] * 500}]}


MARKDOWN = {"cell_type": "markdown", "metadata": {}, "source": ["# Übung ✓\n", "![x](attachment:a.png)"],
            "attachments": {"a.png": {"image/png": "iVBORw0KGgo="}}}  # fmt: skip
BYTES = {
    "as it was handed out": json.dumps(MADE).encode(),
    "indented as JupyterLab does": json.dumps(MADE, indent=1, ensure_ascii=False).encode(),
    "in one line": json.dumps(MADE, separators=(",", ":")).encode(),
    "with a byte order mark": b"\xef\xbb\xbf" + json.dumps(MADE).encode(),
    "with CRLF between the lines": json.dumps(MADE, indent=1).replace("\n", "\r\n").encode(),
    "with CRLF in the cells": json.dumps(changed(lambda cell: cell | {"source": cell["source"].replace("\n", "\r\n")})).encode(),
    "with CR in the cells": json.dumps(changed(lambda cell: cell | {"source": cell["source"].replace("\n", "\r")})).encode(),
    "lines in lists": json.dumps(changed(as_lines)).encode(),
    "format 4.2 without ids": json.dumps(changed(lambda cell: cell, nbformat_minor=2)).encode(),
    "format 4.5 with ids": json.dumps(changed(lambda cell: cell | {"id": "a" * 8})).encode(),
    "a later format": json.dumps(changed(lambda cell: cell | {"new": {}}, nbformat_minor=9, more=[1])).encode(),
    "no metadata": json.dumps({"cells": MADE["cells"]}).encode(),
    "metadata of Colab": json.dumps(changed(
        lambda cell: cell | {"metadata": {"id": "x", "colab": {"base_uri": "https://localhost:8080/"}}},
        metadata={"colab": {"provenance": []}, "kernelspec": {"name": "python3"}, "accelerator": "GPU"})).encode(),
    "metadata of VS Code": json.dumps(changed(lambda cell: cell | {"metadata": {"vscode": {"languageId": "python"}}})).encode(),
    "metadata of nbgrader": json.dumps(changed(lambda cell: cell | {"metadata": {"nbgrader": {
        "schema_version": 3, "grade": False, "solution": True, "locked": False, "grade_id": "x"}}})).encode(),
    "counts out of order": json.dumps(changed(lambda cell: cell | {"execution_count": 99 - len(cell["source"])})).encode(),
    "never run": json.dumps(changed(lambda cell: cell | {"execution_count": None, "outputs": []})).encode(),
    "large outputs": json.dumps(changed(with_output)).encode(),
    "no outputs at all": json.dumps(changed(lambda cell: {k: v for k, v in cell.items() if k != "outputs"})).encode(),
    "markdown between": json.dumps(MADE | {"cells": [one for cell in MADE["cells"] for one in (MARKDOWN, cell)]}).encode(),
    "a raw cell": json.dumps(MADE | {"cells": [{"cell_type": "raw", "metadata": {}, "source": "=x"}, *MADE["cells"]]}).encode(),
    "collapsed and tagged": json.dumps(changed(
        lambda cell: cell | {"metadata": {"collapsed": True, "tags": ["a"], "jupyter": {"source_hidden": True}}})).encode(),
    "widgets saved": json.dumps(MADE | {"metadata": {"widgets": {"application/vnd.jupyter.widget-state+json": {"state": {
        str(i): {"model_name": "IntSliderModel", "state": {}} for i in range(2000)}}}}}).encode(),
    "a thousand small cells": json.dumps(
        MADE | {"cells": [*MADE["cells"], *[dict(MADE["cells"][1], source="x = 1")] * 1000]}).encode(),
    "blanks at the end": json.dumps(MADE).encode() + b"\n\n  \n",
}  # fmt: skip

PATHS = {  # what a platform or a person makes of a name: who handed it in
    "anna_01_toys.ipynb": "anna", "Anna Öztürk_01_toys.ipynb": "Anna Öztürk", "o'neill-anna_01_toys.ipynb": "o'neill-anna",
    "anna_01_toys (1).ipynb": "anna", "anna_01_toys-2.ipynb": "anna", "anna_01_toys copy.ipynb": "anna",
    "ANNA_01_TOYS.ipynb": "ANNA",
    "anna/01_toys.ipynb": "anna", "anna/work/01_toys.ipynb": "anna", "anna/meine Lösung (final).ipynb": "anna",
    "Anna Ott_12345_assignsubmission_file_/01_toys.ipynb": "Anna Ott_12345", "01_toys/anna/01_toys.ipynb": "anna",
    "陈安娜_01_toys.ipynb": "陈安娜", "a.b@uni.example_01_toys.ipynb": "a.b@uni.example",
    "anna & ben_01_toys.ipynb": "anna & ben",
    "anna 🙂/01_toys.ipynb": "anna 🙂", "anna/Untitled.ipynb": "anna", "17_anna/01_toys.ipynb": "17_anna",
}  # fmt: skip


def all_right(out, student):
    found = {row["exercise"]: row["status"] for row in rows(out) if row["student"] == student}
    assert found == dict.fromkeys(("slope_at", "double", "squares", "answer"), "correct")


@pytest.mark.parametrize("data", BYTES.values(), ids=BYTES)
def test_a_notebook_in_any_honest_form_is_read(tmp_path, data):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "anna_01_toys.ipynb").write_bytes(data)
    grade_folder(tmp_path / "in", tmp_path / "out")
    all_right(tmp_path / "out", "anna")


@pytest.mark.parametrize("path", PATHS)
def test_a_notebook_under_any_honest_name_belongs_to_its_student(tmp_path, path):
    file = tmp_path / "in" / path
    file.parent.mkdir(parents=True)
    file.write_bytes(notebook(*CELLS))
    (one,) = grade_folder(tmp_path / "in", tmp_path / "out")
    assert one.found.student == PATHS[path] and not one.attention
    all_right(tmp_path / "out", PATHS[path])


@pytest.mark.parametrize("path", PATHS)
def test_a_zip_of_it_is_the_same(tmp_path, path):
    (tmp_path / "in").mkdir()
    with zipfile.ZipFile(tmp_path / "in" / "class.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(path, notebook(*CELLS))
        archive.writestr("__MACOSX/._x.ipynb", b"\0")
        archive.writestr("readme.txt", b"hello")
    (one,) = grade_folder(tmp_path / "in", tmp_path / "out")
    assert one.found.student == PATHS[path] and not one.attention
    all_right(tmp_path / "out", PATHS[path])
