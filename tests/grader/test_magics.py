"""Notebook commands become Python that does nothing, and line numbers stay."""

import pytest

from course_lib.grader.magics import without_magics


@pytest.mark.parametrize(
    ("source", "plain"),
    [
        ("!ls", "pass"), ("%matplotlib inline", "pass"), ("  !rm -rf /", "  pass"), ("files = !ls", "files = None"),
        ("a, b = %who", "a, b = None"), ("plt.plot?", "pass"), ("?print", "pass"), ("x??", "pass"),
        ("%time y = f(1)", "y = f(1)"), ("    %timeit f(1)", "    f(1)"), ("%timeit -n 1 f(1)", "pass"),
        ("%%time\ny = 1", "\ny = 1"), ("\n%%bash\nls\nrm x", "\n\n\n"), ("%%writefile x.py\nimport os", "\n"[:1]),
        ("x = 5 % 3\ny = a != b", "x = 5 % 3\ny = a != b"), ("@decorator\ndef f(): ...", "@decorator\ndef f(): ..."),
    ],
)  # fmt: skip
def test_command_becomes_python(source, plain):
    result, removed = without_magics(source)
    assert result == plain
    assert result.count("\n") == source.count("\n")
    assert bool(removed) == (plain != source)
