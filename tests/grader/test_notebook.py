"""Submissions are read as data: whatever arrives is cells or a plain reason."""

import io
import json
import os
import zipfile

import pytest

from course_lib.grader import notebook as reading
from course_lib.grader.notebook import Refused, code_cells, collect
from tests.grader.toys import notebook


def refusal(data):
    with pytest.raises(Refused) as refused:
        code_cells(data)
    sentence = str(refused.value)
    assert sentence.endswith(".") and "\n" not in sentence and "Error" not in sentence
    return sentence


# --- cells ---


def test_code_cells_come_in_order_and_others_are_left_out():
    cells = [{"cell_type": "markdown", "source": "# x"}, {"cell_type": "code", "source": ["a = 1\n", "b = 2"]},
             {"cell_type": "raw", "source": "r"}, {"cell_type": "code", "source": "c = 3"}]  # fmt: skip
    assert code_cells(json.dumps({"cells": cells}).encode()) == ("a = 1\nb = 2", "c = 3")


def test_byte_order_mark_accents_and_line_ends_do_not_matter():
    data = "\ufeff" + json.dumps(
        {"cells": [{"cell_type": "code", "source": "ä = 1\r\nb = 2\rc = 3"}]}, ensure_ascii=False
    )
    assert code_cells(data.encode()) == ("ä = 1\nb = 2\nc = 3",)


def test_lone_surrogates_and_null_bytes_do_not_survive():
    assert code_cells(b'{"cells": [{"cell_type": "code", "source": "a\\ud800\\u0000b"}]}') == ("a?b",)


@pytest.mark.parametrize(
    ("data", "word"),
    [
        (b"", "empty"), (b"  \n", "empty"), (b"not json", "damaged"), (notebook("x")[:-20], "breaks off"),
        (b"\x89PNG\r\n\x1a\n\0\0", "UTF-8"), ("{}".encode("utf-16"), "UTF-16"), ("é".encode("latin-1"), "UTF-8"),
        (b"[]", "another kind"), (b"{}", "list of cells"), (b'{"cells": {}}', "list of cells"),
        (b'{"cells": [1]}', "no cell"), (b'{"cells": [{"cell_type": "code", "source": 5}]}', "no text"),
        (b'{"cells": [{"cell_type": "code", "source": ["a", 5]}]}', "no text"),
        (b'{"worksheets": []}', "2014"), (b"[" * 200_000, "nested"),
        (b'{"cells": [], "n": ' + b"9" * 5000 + b"}", "impossible"),
        (b'{"cells": [' + b'{"cell_type":"code"},' * 200_000 + b"{}]}", "200001 cells"),
        (json.dumps({"cells": [{"cell_type": "code", "source": "x" * 2_100_000}]}).encode(), "longer"),
        (b" " * (reading.FILE_BYTES + 1), "larger"),
    ],
    ids=range(19),
)  # fmt: skip
def test_what_is_no_notebook_is_refused_with_a_reason(data, word):
    assert word in refusal(data)


# --- files and folders ---


PLAIN = notebook("x = 1")


def write(path, data=PLAIN):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def test_file_names_give_student_and_lesson(tmp_path):
    for name in ("anna_01_derivatives.ipynb", "ben-k_02_gradients (1).ipynb", "03_chain.ipynb", "group-2.ipynb"):
        write(tmp_path / name)
    assert [(one.student, one.lesson_hint) for one in collect([tmp_path])] == [
        ("03_chain", "03"), ("anna", "01"), ("ben-k", "02"), ("group-2", None),
    ]  # fmt: skip


def test_folders_of_learning_platforms_give_the_student(tmp_path):
    write(tmp_path / "Anna Öz_12345_assignsubmission_file_" / "01_derivatives.ipynb")
    write(tmp_path / "ben" / "lesson" / "01_derivatives.ipynb")
    write(tmp_path / "01_derivatives" / "cem" / "01_derivatives.ipynb")
    assert [one.student for one in collect([tmp_path])] == ["Anna Öz_12345", "ben", "cem"]


def test_checkpoints_and_hidden_files_are_left_out(tmp_path):
    write(tmp_path / "anna" / "01_derivatives.ipynb")
    write(tmp_path / "anna" / ".ipynb_checkpoints" / "01_derivatives-checkpoint.ipynb")
    write(tmp_path / "__MACOSX" / "x.ipynb")
    write(tmp_path / "anna" / "._01_derivatives.ipynb")
    assert len(collect([tmp_path])) == 1


def test_two_notebooks_of_one_student_both_stay_under_different_names(tmp_path):
    write(tmp_path / "anna" / "01_derivatives.ipynb")
    write(tmp_path / "anna" / "copy" / "01_derivatives (1).ipynb")
    first, second = collect([tmp_path])
    assert (first.student, second.student) == ("anna", "anna (2)")
    assert not first.note and "anna" in second.note


def test_link_out_of_the_folder_is_refused_and_one_inside_is_read(tmp_path):
    secret = write(tmp_path / "outside" / "secret.ipynb")
    inside = write(tmp_path / "in" / "anna" / "01_derivatives.ipynb")
    (tmp_path / "in" / "eve_01_derivatives.ipynb").symlink_to(secret)
    (tmp_path / "in" / "finn_01_derivatives.ipynb").symlink_to(inside)
    anna, eve, finn = collect([tmp_path / "in"])
    with pytest.raises(Refused, match="link"):
        eve.load()
    assert finn.load() == anna.load()


def test_linked_folder_is_not_entered_and_its_owner_has_a_row(tmp_path):
    write(tmp_path / "outside" / "secret.ipynb")
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "eve").symlink_to(tmp_path / "outside")
    (found,) = collect([tmp_path / "in"])
    assert found.student == "eve"
    with pytest.raises(Refused, match="folder is a link"):
        found.load()


def test_linked_folder_inside_is_read_once(tmp_path):
    write(tmp_path / "anna" / "work" / "01_derivatives.ipynb")
    (tmp_path / "anna" / "latest").symlink_to(tmp_path / "anna" / "work")
    (tmp_path / "anna" / "up").symlink_to(tmp_path)
    assert [one.student for one in collect([tmp_path])] == ["anna"]


def test_a_folder_that_cannot_be_read_is_a_refusal(tmp_path, monkeypatch):
    write(tmp_path / "anna" / "01_derivatives.ipynb")
    write(tmp_path / "eve" / "01_derivatives.ipynb")
    scan = os.scandir

    def forbidden(path):
        if str(path).endswith("eve"):
            raise PermissionError(13, "Permission denied", str(path))
        return scan(path)

    monkeypatch.setattr(os, "scandir", forbidden)
    anna, eve = collect([tmp_path])
    assert anna.load()[1] == ("x = 1",) and eve.student == "eve"
    with pytest.raises(Refused, match="cannot be read: Permission denied"):
        eve.load()


def test_folders_in_folders_beyond_pythons_recursion_are_a_refusal(tmp_path):
    path = str(tmp_path)
    for _ in range(1200):
        path += "/d"
        os.mkdir(path)
    try:
        (found,) = collect([tmp_path])
        with pytest.raises(Refused, match="folders deep"):
            found.load()
    finally:
        os.removedirs(path)  # shutil.rmtree, which cleans up after tests, calls itself for each


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_pipe_is_refused_without_waiting_for_it(tmp_path):
    os.mkfifo(tmp_path / "anna.ipynb")
    with pytest.raises(Refused, match="ordinary"):
        collect([tmp_path])[0].load()


def test_folder_named_like_a_notebook_is_no_notebook(tmp_path):
    (tmp_path / "anna.ipynb").mkdir()
    assert collect([tmp_path]) == []


NAMES = ["=cmd|calc", "a\nb", "<script>alert(1)</script>", "x" * 120, "-rf", "r\u202etl", "con", "ünïcode", "a,b;c'\""]


def test_odd_names_are_data_and_show_what_they_are(tmp_path):
    for name in NAMES:
        if "/" not in name:
            write(tmp_path / f"{name}.ipynb")
    found = collect([tmp_path])
    assert len(found) == len(NAMES) - 1
    assert all(one.load()[1] == ("x = 1",) for one in found)
    shown = [one.student for one in found]
    assert "a\ufffdb" in shown and "r\ufffdtl" in shown and len(set(shown)) == len(shown)


# --- zips ---


def zipped(path, entries):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in entries:
            archive.writestr(name, data)
    return path


def test_zip_is_read_like_a_folder(tmp_path):
    zipped(
        tmp_path / "all.zip",
        [("anna/01_derivatives.ipynb", notebook("a")), ("ben/01_derivatives.ipynb", notebook("b"))],
    )
    anna, ben = collect([tmp_path / "all.zip"])
    assert (anna.student, anna.load()[1], ben.student, ben.load()[1]) == ("anna", ("a",), "ben", ("b",))


def test_zip_of_one_student_in_a_folder_belongs_to_that_folder(tmp_path):
    (tmp_path / "anna").mkdir()
    zipped(tmp_path / "anna" / "work.zip", [("01_derivatives.ipynb", notebook("a"))])
    assert [one.student for one in collect([tmp_path])] == ["anna"]


@pytest.mark.parametrize(
    "name",
    ["../evil.ipynb", "/etc/evil.ipynb", "a/../../evil.ipynb", "..\\evil.ipynb", "C:\\evil.ipynb", "c:evil.ipynb"],
)
def test_zip_slip_is_refused_and_nothing_is_written(tmp_path, name):
    archive = zipped(tmp_path / "all.zip", [(name, notebook("x")), ("anna/01_derivatives.ipynb", notebook("a"))])
    found = {one.student: one for one in collect([archive])}
    assert found["anna"].load()[1] == ("a",)
    (evil,) = [one for one in found.values() if one.student != "anna"]
    with pytest.raises(Refused, match="out of the zip"):
        evil.load()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["all.zip"]


def test_zip_bomb_is_refused_unpacked_or_not(tmp_path):
    archive = zipped(tmp_path / "all.zip", [("eve/01_x.ipynb", b"0" * (reading.FILE_BYTES + 10))])
    assert archive.stat().st_size < 100_000
    with pytest.raises(Refused, match="larger"):
        collect([archive])[0].load()


def test_zip_whose_header_lies_about_sizes_is_not_unpacked_beyond_the_cap(tmp_path):
    archive = zipped(tmp_path / "all.zip", [("eve/01_x.ipynb", b"0" * (reading.FILE_BYTES + 10))])
    data = archive.read_bytes().replace((reading.FILE_BYTES + 10).to_bytes(4, "little"), (100).to_bytes(4, "little"))
    archive.write_bytes(data)
    with pytest.raises(Refused):
        collect([archive])[0].load()


def test_link_inside_a_zip_is_refused(tmp_path):
    entry = zipfile.ZipInfo("eve/01_derivatives.ipynb")
    entry.external_attr = 0o120777 << 16
    archive = zipped(tmp_path / "all.zip", [])
    with zipfile.ZipFile(archive, "a") as out:
        out.writestr(entry, "/etc/passwd")
    with pytest.raises(Refused, match="link"):
        collect([archive])[0].load()


def test_zips_in_a_zip_are_told_where_their_owner_has_no_notebook(tmp_path):
    entries = [("anna/01_x.ipynb", PLAIN), ("anna/data.zip", b"PK"), ("ben/work.zip", b"PK"), ("__MACOSX/work.zip", b"PK")]
    anna, ben = collect([zipped(tmp_path / "all.zip", entries)])
    assert (anna.student, anna.refusal, ben.student) == ("anna", "", "ben") and "zip inside a zip" in ben.refusal


def test_a_zip_that_has_changed_is_read_anew(tmp_path):
    for text in ("a", "bb"):
        (found,) = collect([zipped(tmp_path / "all.zip", [("anna/01_x.ipynb", notebook(text))])])
        assert found.load()[1] == (text,)


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04 broken", b"\0" * 1000])
def test_damaged_zip_is_a_refusal(tmp_path, data):
    (tmp_path / "anna.zip").write_bytes(data)
    (found,) = collect([tmp_path])
    with pytest.raises(Refused, match="damaged"):
        found.load()


def test_damaged_entry_is_a_refusal(tmp_path):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("anna/01_x.ipynb", notebook("abcdefgh" * 50))
    (tmp_path / "all.zip").write_bytes(buffer.getvalue().replace(b"abcdefgh", b"abcdefgX", 1))
    with pytest.raises(Refused, match="damaged"):
        collect([tmp_path / "all.zip"])[0].load()
