"""What starting costs: `import course_lib` against `import torch`, --help, and the launcher's own share of a start.

Each figure is the median over fresh interpreters of one run, the interpreters taken in turn so that a slow moment of
the machine meets all of them. Run it from anywhere: python benchmarks/startup.py
"""

import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ROUNDS = 7
COMMANDS = {
    "python": ["-c", "pass"],
    "import torch": ["-c", "import torch"],
    "import course_lib": ["-c", "import course_lib"],
    "import torch, course_lib, check": ["-c", "import torch; from course_lib import check"],
    "python -m course_lib --help": ["-m", "course_lib", "--help"],
    "python -m course_lib list": ["-m", "course_lib", "list"],
}


def seconds(arguments):
    start = time.perf_counter()
    subprocess.run([sys.executable, *arguments], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


def main():
    times = {name: [] for name in COMMANDS}
    for _ in range(ROUNDS):
        for name, arguments in COMMANDS.items():
            times[name].append(seconds(arguments))
    medians = {name: statistics.median(values) for name, values in times.items()}
    print(f"{'':34}{'median':>9}{'÷ import torch':>17}")
    for name, value in medians.items():
        print(f"{name:34}{value:7.3f} s{value / medians['import torch']:15.2f}")


if __name__ == "__main__":
    main()
