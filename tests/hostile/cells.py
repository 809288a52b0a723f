"""Whole cells that go wrong: slope_at is defined in another cell and must be right, with `double` beside it."""

BROKEN_CELLS = {
    "raises": "1 / 0",
    "is no Python": "def def def",
    "has merge marks": "<<<<<<< HEAD\nx = 1\n=======\nx = 2\n>>>>>>> theirs",
    "leaves by sys.exit": "import sys; sys.exit(1)",
    "leaves by os._exit": "import os; os._exit(0)",
    "loops": "while True: pass",
    "kills its group": "import os; os.kill(0, 9)",
    "takes all memory": "kept = bytearray(10**12)",
    "forks once": "import os\nos.fork()",
    "forks until it fails": "import os\nwhile True: os.fork()",
    "forks without end": "import os\nwhile True:\n    try: os.fork()\n    except OSError: pass",
    "installs a package": "!pip install something\n%pip install something\nimport something_missing",
    "is a shell script": "%%bash\nrm -rf /",
    "has a null byte": "x = '\0'",
    "floods the output": "print('x' * 10**7)\nimport os\nos.write(1, b'x' * 10**6)",
    "ends in a prompt": "input('your name? ')",
    "nests deeply": "x = " + "(" * 1000 + ")" * 1000,
    "breaks print": "import sys; sys.stdout = sys.stderr = None",
    "writes to the grader": "import os\nfor n in range(3, 100):\n"
                            "    try: os.write(n, b'\\0\\0\\0\\1x')\n    except OSError: pass",
}
