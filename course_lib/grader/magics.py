"""Turn the notebook commands of a cell (!ls, %time, plt?) into Python that does nothing: without_magics(source).

Text in, text out, line by line, so that line numbers stay. Only used on cells that are not Python as they stand.
"""

import re

_CELL_MAGIC = re.compile(r"\s*%%(\w+)")
_PYTHON_INSIDE = ("time", "timeit", "capture", "prun")  # cell magics whose body is ordinary Python
_LINE = re.compile(r"^(\s*)(?:[!%].*|\?+\S.*|[\w.]+\?+)\s*$")
_TIMED = re.compile(r"^(\s*)%time(?:it)?\s+(?!-)(.+)$")
_ASSIGNED = re.compile(r"^(\s*[\w, ]+=)\s*[!%].*$")


def without_magics(source):
    """(source without commands, the commands that were taken out)."""
    lines = source.split("\n")
    first = next((i for i, line in enumerate(lines) if line.strip()), 0)
    removed = []
    cell_magic = _CELL_MAGIC.match(lines[first])
    if cell_magic:
        removed.append(lines[first].strip())
        if cell_magic[1] not in _PYTHON_INSIDE:
            return "\n" * (len(lines) - 1), removed
        lines[first] = ""
    return "\n".join(_plain(line, removed) for line in lines), removed


def _plain(line, removed):
    timed = _TIMED.match(line)
    if timed:
        removed.append("%time")
        return timed[1] + timed[2]
    assigned = _ASSIGNED.match(line)
    if assigned:
        removed.append(line.strip())
        return assigned[1] + " None"
    command = _LINE.match(line)
    if command and line.strip():
        removed.append(line.strip())
        return command[1] + "pass"
    return line
