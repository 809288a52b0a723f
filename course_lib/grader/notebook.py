"""Read what students hand in, as data: collect(paths) finds notebooks, Found.load() gives one's code cells or Refused.

Files, folders and zips in the shapes that learning platforms make. Everything is bounded before it is parsed, nothing
is unpacked to disk, no link is followed out of the folder, and nothing of a student's is run, compiled or imported.
"""

import functools
import hashlib
import json
import os
import re
import stat
import unicodedata
import zipfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

MIB = 2**20
FILE_BYTES = 20 * MIB  # a notebook with its pictures is 1 to 5
CELLS = 2000
PARTS = 1_000_000  # lists and objects of a notebook's JSON; the largest pictures of plotting libraries have a tenth
SOURCE_CHARACTERS = 2_000_000
NAME_CHARACTERS = 255  # of one name in a path, as in file systems
SHOWN_CHARACTERS = 150  # of a path or a student's name
FOLDERS_DEEP = 50
ZIP_ENTRIES = 20_000
LISTING_BYTES = 8 * MIB  # of the names of a zip's entries
ZIP_BYTES = 2000 * MIB  # unpacked, all notebooks of one zip
SKIPPED = ("__MACOSX", "__pycache__", "node_modules")
LESSON_NAME = re.compile(r"(?:^|[_\- ])(\d\dr?)[_\- ]([a-z]\w*)$", re.IGNORECASE)
COPY_MARK = re.compile(r"(?:[ _-]*\(\d+\)|-\d{1,2}|[ _-]copy\d*)+$", re.IGNORECASE)  # as browsers and platforms add


class Refused(Exception):
    """Why a submission cannot be graded, in one sentence."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Found:
    """A notebook that was handed in; `load` reads it when its turn comes."""

    student: str
    notebook: str  # path below the folder that was given
    path: Path
    member: str | None = None  # inside the zip at `path`
    refusal: str = ""  # why it is not even read
    note: str = ""  # for the needs-attention list

    @property
    def lesson_hint(self):
        """The number in the file's name, "01", or None."""
        match = LESSON_NAME.search(without_copy_mark(PurePosixPath(self.notebook).stem))
        return match[1] if match else None

    def load(self):
        """(sha256 of the bytes, code cells)."""
        if self.refusal:
            raise Refused(self.refusal)
        data = read_member(self.path, self.member) if self.member else read_file(self.path)
        return hashlib.sha256(data).hexdigest(), code_cells(data)


# --- bytes to cells --------------------------------------------------------------------------------------------------


def code_cells(data):
    """The sources of a notebook's code cells, in order."""
    notebook = parse(data)
    cells = notebook.get("cells")
    if cells is None and isinstance(notebook.get("worksheets"), list):
        raise Refused("The notebook is in the format of 2014; open it in JupyterLab and save it again.")
    if not isinstance(cells, list):
        raise Refused("This is not a notebook: it has no list of cells.")
    if len(cells) > CELLS:
        raise Refused(f"The notebook has {len(cells)} cells; {CELLS} is the most that is graded.")
    if not all(isinstance(cell, dict) for cell in cells):
        raise Refused("This is not a notebook: one of its cells is no cell.")
    sources = tuple(source_of(cell) for cell in cells if cell.get("cell_type") == "code")
    if sum(map(len, sources)) > SOURCE_CHARACTERS:
        raise Refused(f"The notebook's code is longer than {SOURCE_CHARACTERS} characters.")
    return sources


def parse(data):
    """The notebook as a dict, with a reason if it is none."""
    if len(data) > FILE_BYTES:
        raise Refused(f"The file is larger than {FILE_BYTES // MIB} MB.")
    if not data.strip():
        raise Refused("The file is empty.")
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise Refused("The file is saved as UTF-16; a notebook is UTF-8.")
    if data.count(b"[") + data.count(b"{") > PARTS:
        raise Refused(f"The file has more than {PARTS} lists and objects; no notebook has so many.")
    try:
        notebook = json.loads(data.decode("utf-8-sig"))
    except UnicodeDecodeError:
        raise Refused("The file is not text in UTF-8, so it is no notebook.") from None
    except json.JSONDecodeError as error:
        raise Refused(f"The file is not a notebook: it breaks off or is damaged in line {error.lineno}.") from None
    except (ValueError, RecursionError, MemoryError):
        raise Refused("The file is not a notebook: it is nested too deeply or holds impossible numbers.") from None
    if not isinstance(notebook, dict):
        raise Refused("This is not a notebook: it is JSON of another kind.")
    return notebook


def source_of(cell):
    """A cell's source; it may be stored as one string or as a list of lines."""
    source = cell.get("source", "")
    if isinstance(source, list) and all(isinstance(line, str) for line in source):
        source = "".join(source)
    if not isinstance(source, str):
        raise Refused("This is not a notebook: the source of a cell is no text.")
    source = source.replace("\r\n", "\n").replace("\r", "\n").replace("\0", "")
    return source.encode("utf-8", "replace").decode()  # lone surrogates


def read_file(path):
    """The bytes of an ordinary file, never more than allowed."""
    with ordinary_file(path) as file:
        try:
            return file.read(FILE_BYTES + 1)
        except OSError as error:
            raise Refused(f"The file cannot be read: {error.strerror}.") from None


def ordinary_file(path):
    """The file, open for reading. A pipe or a device is refused without waiting for it."""
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0))
    except OSError as error:
        raise Refused(f"The file cannot be read: {error.strerror}.") from None
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise Refused("This is not an ordinary file.")
    return os.fdopen(descriptor, "rb")


def read_member(path, member):
    """The bytes of a zip's entry, never more than allowed, whatever its header says."""
    try:
        with archive_at(path).open(member) as file:
            return file.read(FILE_BYTES + 1)
    except Refused:
        raise
    except RuntimeError:
        raise Refused("The zip has a password.") from None
    except Exception:  # zipfile and its decompressors raise a dozen kinds for damaged archives
        raise Refused("The file inside the zip is damaged.") from None


def archive_at(path):
    """The zip, opened once for all of its entries; zipfile reads the names of all of them each time."""
    try:
        about = os.stat(path)
    except OSError as error:
        raise Refused(f"The file cannot be read: {error.strerror}.") from None
    return _archive(path, (about.st_ino, about.st_size, about.st_mtime_ns))


@functools.lru_cache(maxsize=1)
def _archive(path, version):
    try:
        return zipfile.ZipFile(Sparing(ordinary_file(path)))
    except Refused:
        raise
    except Exception:  # as in read_member
        raise Refused("The zip is damaged.") from None


class Sparing:
    """A file that gives no more at once than the names of a zip's entries may take, and is closed with the zip."""

    def __init__(self, file):
        self.file = file
        self.seek, self.tell, self.seekable, self.close = file.seek, file.tell, file.seekable, file.close

    def read(self, size=-1):
        data = self.file.read(size if 0 <= size <= LISTING_BYTES else LISTING_BYTES + 1)
        if len(data) > LISTING_BYTES:
            raise Refused("The list of files in the zip is too long.")
        return data


# --- finding them ----------------------------------------------------------------------------------------------------


def collect(paths):
    """Every notebook below the given files, folders and zips, each with a name of its own, in a fixed order."""
    found = sorted((one for path in paths for one in find(Path(path))), key=lambda one: (one.student, one.notebook))
    return list(with_unique_names(found))


def find(path) -> Iterator[Found]:
    if path.is_dir():
        yield from find_in_folder(path)
    elif path.suffix.lower() == ".zip":
        yield from find_in_zip(path, PurePosixPath())
    else:
        yield named(PurePosixPath(path.name), path)


def find_in_folder(root):
    base, waiting = root.resolve(), [root]
    while waiting:
        folder = waiting.pop()
        below = PurePosixPath(folder.relative_to(root).as_posix())
        try:
            with os.scandir(folder) as entries:
                entries = sorted(entries, key=lambda entry: entry.name)
        except OSError as error:
            yield named(below, folder, refusal=f"The folder cannot be read: {error.strerror}.")
            continue
        for entry in entries:
            if entry.name.startswith(".") or entry.name in SKIPPED:
                continue
            if not entry.is_dir(follow_symlinks=False):
                yield from find_in_entry(entry, below / entry.name, base)
            elif len(below.parts) >= FOLDERS_DEEP:
                yield named(below / entry.name, folder, refusal=f"It lies more than {FOLDERS_DEEP} folders deep.")
            else:
                waiting.append(folder / entry.name)


def find_in_entry(entry, below, base):
    """What a file of a folder, or a link in it, holds."""
    path, suffix = Path(entry.path), below.suffix.lower()
    leads_out = entry.is_symlink() and not Path(os.path.realpath(path)).is_relative_to(base)
    if leads_out and path.is_dir():
        yield named(below, path, refusal="The folder is a link that leads out of the folder.")
    elif suffix not in (".ipynb", ".zip") or path.is_dir():
        return
    elif leads_out:
        yield named(below, path, refusal="The file is a link that leads out of the folder.")
    elif suffix == ".zip":
        yield from find_in_zip(path, below.parent)
    else:
        yield named(below, path)


def find_in_zip(path, below):
    try:
        entries = archive_at(path).infolist()
        if len(entries) > ZIP_ENTRIES:
            raise Refused(f"The zip has more than {ZIP_ENTRIES} entries.")
    except Refused as refused:
        yield named(below / path.name, path, refusal=str(refused))
        return
    entries = [entry for entry in entries if not entry.is_dir() and not is_skipped(entry.filename)]
    notebooks = [entry for entry in entries if entry.filename.lower().endswith(".ipynb")]
    room, twice, students = ZIP_BYTES, Counter(entry.filename for entry in notebooks), set()
    for entry in notebooks:
        room -= min(entry.file_size, FILE_BYTES)
        refusal = why_not(entry, room) or ("The zip holds two files of this name." if twice[entry.filename] > 1 else "")
        one = named(below / safe_path(entry.filename), path, member=entry.filename, refusal=refusal)
        students.add(one.student)
        yield one
    for entry in entries:
        one = named(below / safe_path(entry.filename), path, refusal="A zip inside a zip is not opened: unpack it first.")
        if entry.filename.lower().endswith(".zip") and one.student not in students:
            students.add(one.student)
            yield one
    if not students:
        yield named(below / path.name, path, refusal="The zip holds no notebook.")


def is_skipped(name):
    parts = safe_path(name).parts
    return parts[-1].startswith(".") or any(part in SKIPPED for part in parts)


def why_not(entry, room):
    """Why a zip's entry is not read, or ""."""
    if entry.filename.startswith(("/", "\\")) or re.search(r"(?:^|[/\\])\.\.(?:[/\\]|$)|\\|^\w:", entry.filename):
        return "The name inside the zip points out of the zip."
    if any(len(part) > NAME_CHARACTERS for part in entry.filename.split("/")):
        return f"A name inside the zip is longer than {NAME_CHARACTERS} characters."
    if stat.S_ISLNK(entry.external_attr >> 16):
        return "The entry of the zip is a link."
    if entry.flag_bits & 1:
        return "The zip has a password."
    if entry.file_size > FILE_BYTES:
        return f"The file is larger than {FILE_BYTES // MIB} MB."
    return "" if room >= 0 else "The zip is too large when unpacked."


def safe_path(name):
    """The parts of an entry's name that say where it is below the zip, and nothing else."""
    parts = [part for part in re.split(r"[/\\]", name) if part not in ("", ".", "..") and not part.endswith(":")]
    return PurePosixPath(*([part[-NAME_CHARACTERS:] for part in parts] or ["notebook.ipynb"]))


def named(below, path, **more):
    return Found(student=student_of(below), notebook=printable(str(below)[-SHOWN_CHARACTERS:]), path=path, **more)


def student_of(below):
    """Who handed it in: the first folder's name, or the file's name without the lesson's."""
    folders = below.parts[:-1]
    if len(folders) > 1 and LESSON_NAME.fullmatch(folders[0]):
        folders = folders[1:]  # a folder per lesson, with one per student in it
    if folders:
        return printable(re.sub(r"_assignsubmission_file_?$", "", folders[0])) or "nameless"  # Moodle's ending
    stem = without_copy_mark(below.stem)
    return printable(LESSON_NAME.sub("", stem)) or printable(below.stem) or "nameless"


def without_copy_mark(stem):
    """A file's name without " (1)" or "-2" where a lesson's name comes before it."""
    plain = COPY_MARK.sub("", stem)
    return plain if LESSON_NAME.search(plain) else stem


def printable(text):
    """Text without control and direction characters, so that a name is what it looks like."""
    text = unicodedata.normalize("NFC", text.encode("utf-8", "replace").decode())
    return "".join(c if unicodedata.category(c)[0] != "C" else "\ufffd" for c in text).strip()[:SHOWN_CHARACTERS]


def with_unique_names(found):
    """Two notebooks of one student for one lesson, or two students of one name: both stay, and both are marked."""
    seen = {}
    for one in found:
        key = (one.student.casefold(), one.lesson_hint or one.notebook.casefold())
        seen[key] = seen.get(key, 0) + 1
        if seen[key] > 1:
            first = one.student
            one = replace(one, student=f"{first} ({seen[key]})", note=f"another notebook also belongs to {first}")
        yield one
