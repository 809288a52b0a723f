"""What check() costs: the median for right answers and for each listed mistake, and against calling the answer bare.

"bare" puts the same questions to the same function without judging anything. Run: python benchmarks/checking.py
"""

import os
import statistics
import sys
import tempfile
import time
import warnings
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
os.environ["COURSE_PROGRESS"] = str(Path(tempfile.mkdtemp()) / "progress.json")
warnings.simplefilter("ignore")

from course_lib.build import code_of_answers  # noqa: E402
from course_lib.exercise import all_exercises  # noqa: E402
from course_lib.judge import LocalSource, judge  # noqa: E402
from course_lib.selfcheck import check  # noqa: E402

ROUNDS = 9


class Recording(LocalSource):
    """Remembers what was asked, to ask it again without a judge."""

    def __init__(self, answer):
        super().__init__(answer)
        self.asked = []

    def ask(self, args):
        self.asked.append(args)
        return super().ask(args)


def median_ms(run):
    times = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        run()
        times.append((time.perf_counter() - start) * 1e3)
    return statistics.median(times)


def main():
    answers = code_of_answers()
    print(f"{'exercise':24}{'check':>9}{'bare':>9}{'ratio':>7}{'worst mistake':>15}")
    for name, exercise in all_exercises().items():
        recorded = Recording(answers[name])
        assert judge(exercise, recorded).passed, f"the solution of {name} does not pass"
        namespace = {name: answers[name]}
        checked = median_ms(lambda namespace=namespace, name=name: eval(f"check({name!r})", {"check": check, **namespace}))
        bare = median_ms(lambda recorded=recorded: [LocalSource(recorded.answer).ask(args) for args in recorded.asked])
        slowest = max(
            (median_ms(lambda mistake=mistake, exercise=exercise: judge(exercise, LocalSource(mistake.make())))
             for mistake in exercise.mistakes), default=0.0,
        )
        print(f"{name:24}{checked:6.0f} ms{bare:6.0f} ms{checked / max(bare, 0.01):7.1f}{slowest:12.0f} ms")


if __name__ == "__main__":
    main()
