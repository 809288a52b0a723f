"""F3 and G. What is handed in is not what its form promises: MALFORMED, each with the word that its refusal contains.

`put(folder)` hands it in. The refusal is a row with a plain reason, and the rest of the class is graded.
"""

import io
import json
import os
import zipfile
from dataclasses import dataclass

from course_lib.grader import notebook as reading
from tests.grader.toys import DOUBLE, SLOPE, notebook

NAME = "01_toys.ipynb"
PLAIN = notebook(SLOPE, DOUBLE)


@dataclass(frozen=True)
class Malformed:
    id: str
    name: str
    put: object
    word: str

    def __str__(self):
        return f"{self.id} {self.name}"


def file(data, name=NAME):
    """Hands in these bytes."""
    return lambda folder: (folder / name).write_bytes(data)


def zipped(*entries, name="work.zip", change=lambda data: data):
    """Hands in a zip of (name or ZipInfo, bytes)."""

    def put(folder):
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
            for entry, data in entries:
                archive.writestr(entry, data)
        (folder / name).write_bytes(change(buffer.getvalue()))

    return put


def special(mode, name=f"eve/{NAME}"):
    """The name of a zip's entry that says it is a link or a device."""
    entry = zipfile.ZipInfo(name)
    entry.external_attr = (mode | 0o777) << 16
    return entry


def linked(to):
    return lambda folder: (folder / NAME).symlink_to(to)


def loop(folder):
    (folder / NAME).symlink_to(folder / "other.ipynb")
    (folder / "other.ipynb").symlink_to(folder / NAME)


def deep(folder):
    for _ in range(reading.FOLDERS_DEEP + 2):
        folder = folder / "d"
        folder.mkdir()
    (folder / NAME).write_bytes(PLAIN)


def cells(*made):
    return json.dumps({"cells": list(made), "metadata": {}, "nbformat": 4, "nbformat_minor": 5}).encode()


def with_password(data):
    """The flag of a password set in both headers of a zip's entry."""
    data = bytearray(data)
    for head, place in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        data[data.index(head) + place] |= 1
    return bytes(data)


BIG = b"0" * (reading.FILE_BYTES + 10)

MALFORMED = [
    # --- links ---
    Malformed("F3", "a link to a file of the system", linked("/etc/passwd"), "link"),
    Malformed("F3", "a link to another student's file", linked("../../elsewhere/01_toys.ipynb"), "link"),
    Malformed("F3", "a link to a device", linked("/dev/zero"), "link"),
    Malformed("F3", "a link to nothing", linked("nothing.ipynb"), "cannot be read"),
    Malformed("F3", "a link to a link to itself", loop, "cannot be read"),
    Malformed("F3", "a folder that is a link", lambda folder: (folder / "work").symlink_to("/etc"), "link"),
    Malformed("F3", "a link inside a zip", zipped((special(0o120000), "/etc/passwd")), "link"),
    Malformed("F3", "a zip that is a link", lambda folder: (folder / "work.zip").symlink_to("/etc/passwd"), "link"),
    # --- G1: bytes ---
    Malformed("G1", "an empty file", file(b""), "empty"),
    Malformed("G1", "blank lines", file(b"\n \n"), "empty"),
    Malformed("G1", "a sentence", file(b"My notebook is attached."), "damaged"),
    Malformed("G1", "half a notebook", file(PLAIN[: len(PLAIN) // 2]), "breaks off"),
    Malformed("G1", "a picture", file(b"\x89PNG\r\n\x1a\n" + bytes(range(256))), "UTF-8"),
    Malformed("G1", "UTF-16", file(PLAIN.decode().encode("utf-16")), "UTF-16"),
    Malformed("G1", "Latin-1", file(notebook("é = 1").decode("unicode_escape").encode("latin-1")), "UTF-8"),
    Malformed("G1", "a zip under the name of a notebook", zipped(("a", b"b"), name=NAME), "no"),
    Malformed("G1", "a page of a browser", file(b"<!DOCTYPE html><html>Sign in</html>"), "damaged"),
    Malformed("G1", "a script", file(SLOPE.encode()), "damaged"),
    # --- G2: structure ---
    Malformed("G2", "a list", file(b"[]"), "another kind"),
    Malformed("G2", "a number", file(b"5"), "another kind"),
    Malformed("G2", "no cells", file(b"{}"), "list of cells"),
    Malformed("G2", "cells that are a dict", file(b'{"cells": {"0": {}}}'), "list of cells"),
    Malformed("G2", "a cell that is a text", file(b'{"cells": ["x = 1"]}'), "no cell"),
    Malformed("G2", "a source that is a number", file(cells({"cell_type": "code", "source": 5})), "no text"),
    Malformed("G2", "a source of lists", file(cells({"cell_type": "code", "source": [["x"]]})), "no text"),
    Malformed("G2", "a notebook of 2014", file(b'{"worksheets": [{"cells": []}]}'), "2014"),
    Malformed("G2", "NaN for the cells", file(b'{"cells": NaN}'), "list of cells"),
    # --- G3: sizes ---
    Malformed("G3", "more megabytes than are read", file(b" " * len(BIG)), "larger"),
    Malformed("G3", "two hundred thousand cells", file(cells(*[{"cell_type": "code"}] * 200_000)), "200000 cells"),
    Malformed("G3", "a line of three million letters", file(notebook("x = '" + "a" * 3_000_000 + "'")), "longer"),
    Malformed("G3", "nesting without end", file(b"[" * 200_000), "nested"),
    Malformed("G3", "millions of empty lists", file(b"[" + b"[]," * 2_000_000 + b"[]]"), "lists and objects"),
    Malformed("G3", "a number of ten thousand digits", file(b'{"cells": [], "n": ' + b"9" * 10_000 + b"}"), "impossible"),
    Malformed("G3", "folders in folders without end", deep, "folders deep"),
    # --- G3 and G4: zips ---
    Malformed("G3", "a zip bomb", zipped((f"eve/{NAME}", BIG)), "larger"),
    Malformed("G3", "a zip whose header lies about the size", zipped(
        (f"eve/{NAME}", BIG), change=lambda data: data.replace(len(BIG).to_bytes(4, "little"), (99).to_bytes(4, "little"))),
        "damaged"),
    Malformed("G3", "a zip of many entries", zipped(*[(f"{i}.txt", b"") for i in range(reading.ZIP_ENTRIES + 1)]), "entries"),
    Malformed("G3", "a zip of long names", zipped(*[(f"{i}" + "n" * 60_000, b"") for i in range(150)]), "list of files"),
    Malformed("G3", "a zip in a zip", zipped(("inner.zip", b"PK")), "zip inside a zip"),
    *[Malformed("G4", f"a zip with the path {name}", zipped((name, PLAIN)), "out of the zip") for name in (
        "../evil.ipynb", "/etc/evil.ipynb", "a/../../evil.ipynb", "..\\evil.ipynb", "C:\\evil.ipynb", "c:evil.ipynb",
        "\\\\server\\evil.ipynb")],
    Malformed("G4", "a zip with a name of 60,000 letters", zipped(("_" * 60_000 + ".ipynb", PLAIN)), "longer than"),
    Malformed("G4", "a zip with two files of one name", zipped((NAME, PLAIN), (NAME, b"{}")), "two files"),
    Malformed("G1", "a zip without a notebook", zipped(("essay.docx", b"")), "no notebook"),
    Malformed("G1", "a damaged zip", file(b"PK\3\4 and then nothing", "work.zip"), "damaged"),
    Malformed("G1", "an empty zip file", file(b"", "work.zip"), "damaged"),
    Malformed("G1", "a zip with a password", zipped((NAME, PLAIN), change=with_password), "password"),
    Malformed("G5", "no exercise of the course", file(notebook("x = 1"), "essay.ipynb"), "not clear which lesson"),
]  # fmt: skip
if hasattr(os, "mkfifo"):
    MALFORMED += [
        Malformed("G1", "a pipe", lambda folder: os.mkfifo(folder / NAME), "ordinary file"),
        Malformed("G1", "a pipe for a zip", lambda folder: os.mkfifo(folder / "work.zip"), "ordinary file"),
    ]
