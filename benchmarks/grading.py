"""What grading costs: the same four-exercise notebook by nbgrader, by otter-grader and by us, and without any grader.

    python benchmarks/grading.py [--environment FOLDER] [--rounds 3] [--classes 10,100,1000] [--small-class 10000]

"per submission" is what one more submission costs, for those that grade a folder at once: the difference between a
large and a small class, without the start. otter run starts anew for each. The graders take turns, so that a slow
moment of the machine meets all of them. Processor time is what counts on a machine that others use, too: it hardly
depends on them; it is that of everything a grader starts. "ours, weighed anew" remembers no replies: the answers of
the class are equal, and else each would be weighed once for all. "bare" runs the cells and puts the same questions in an
interpreter that has everything imported, and judges nothing; in a fork of it, it shows what a process for each
submission costs at least. With one worker, the grader, its journal and the fork server already share two cores; what
a second core is worth shows against one worker that has a single core. Growth is measured with one worker, memory with
the peak of the process that holds keys and journal; the small class has one exercise.
"""

import argparse
import ast
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]
os.environ["OMP_NUM_THREADS"] = "1"

from grading_others import TESTS, Nbgrader, Otter, environment_at, notebook  # noqa: E402

EXERCISES = tuple(TESTS)
SMALL, LARGE = 5, 405  # submissions of ours: the start costs seconds and varies; nbgrader gets 1 and 4


def answers():
    """{exercise: the source of its answer} and the cell of imports, from solutions/."""
    from course_lib import build

    path, found = ROOT / "solutions/01_derivatives.ipynb", {}
    for cell in build.read(path)["cells"]:
        if cell["cell_type"] == "code":
            source = build.source_of(cell)
            for node in ast.parse(source).body:
                if build.name_of(node) in EXERCISES:
                    found[build.name_of(node)] = source.replace(f"check({build.name_of(node)})", "").strip()
    return {name: found[name] for name in EXERCISES}


def catalogue():
    """The exercises that are graded, for our workers."""
    from course_lib.exercise import all_exercises

    names = os.environ.get("BENCHMARK_EXERCISES", ",".join(EXERCISES)).split(",")
    return {name: all_exercises()[name] for name in names}


# --- ours ------------------------------------------------------------------------------------------------------------


def run_ours(folder, students, workers=1, names=EXERCISES, remember=True, cores=None):
    """Grade a class in a process of its own, as the command does: {"wall", "cpu", "peak" in MiB, "correct"}.

    cpu: of this process and of all behind the wall, if there is one worker; cores: how many all of them together may use.
    """
    place = Path(tempfile.mkdtemp(dir=folder))
    (place / "in").mkdir()
    given = answers()
    for i in range(students):
        cells = [("import torch\nfrom course_lib import check", {}), (f"student = {i}", {})]
        cells += [(f"{given[name]}\n\ncheck({name})", {}) for name in names]
        (place / "in" / f"s{i:05}_01_derivatives.ipynb").write_bytes(notebook(cells))
    env = os.environ | {"BENCHMARK_EXERCISES": ",".join(names), "PYTHONPATH": f"{ROOT}:{ROOT / 'benchmarks'}"}
    command = [sys.executable, __file__, "--one-class", str(place), str(workers), str(int(remember))]
    if cores:
        command = ["taskset", "--cpu-list", ",".join(map(str, sorted(os.sched_getaffinity(0))[:cores])), *command]
    said = subprocess.run(command, env=env, capture_output=True, text=True, check=True).stdout
    found = json.loads(said)
    assert found["correct"] == students * len(names), f"{found['correct']} answers are right"
    return found


def one_class(place, workers, remember):
    """In the process of its own."""
    import resource
    import time

    from course_lib.grader import batch, conditions, grade
    from course_lib.grader.sandbox import Server, usage
    from course_lib.grader.tiers import Probed

    conditions.probe = lambda: Probed(tier="strong", isolation="namespaces")  # once for a class, not for a submission
    grade.REMEMBERED = grade.REMEMBERED if remember else 0
    behind, close = [], Server.close
    # Children of bubblewrap are lost to getrusage when it is ended: they are read while it still runs.
    Server.close = lambda server: behind.append(usage(server.process.pid).cpu_seconds) or close(server)
    catalogue()
    start = time.perf_counter()
    submissions = batch.grade([place / "in"], place / "out", workers=workers, catalogue="grading:catalogue")
    wall = time.perf_counter() - start
    own = resource.getrusage(resource.RUSAGE_SELF)
    cpu = own.ru_utime + own.ru_stime + sum(behind)
    correct = sum(one.verdict.passed for submission in submissions for one, _ in submission.graded)
    tiers = {tier for submission in submissions for _, tier in submission.graded}
    assert tiers == {"strong"}
    print(json.dumps({"wall": wall, "cpu": cpu, "peak": own.ru_maxrss / 1024, "correct": correct}))


# --- bare ------------------------------------------------------------------------------------------------------------


def bare(rounds=40):
    """(wall, processor) seconds of running the cells and answering the same questions, here and in a fork of this process.

    The fork is what a process for each submission costs at least: no wall, no messages, no verdict.
    """
    import torch

    from course_lib.grader import warm
    from course_lib.judge import LocalSource, judge
    from course_lib.observe import _materialise

    torch.set_num_threads(1)
    cells, asked = ["import torch", *answers().values()], []

    class Recording(LocalSource):
        def ask(self, args):
            asked.append((self.name, args))
            return super().ask(args)

    def defined():
        names = {}
        for cell in cells:
            exec(compile(cell, "<cell>", "exec"), names)
        return names

    def run():
        names = defined()
        for name, args in asked:
            names[name](*map(_materialise, args))

    for name, exercise in catalogue().items():
        source = Recording(defined()[name])
        source.name = name
        assert judge(exercise, source, seed="a seed of the benchmark").passed
    here = [timed(run) for _ in range(rounds)]
    warm.warm_up()
    warm.settle()
    forked = [timed(run, fork=True) for _ in range(rounds)]
    return [tuple(map(statistics.median, zip(*pairs, strict=True))) for pairs in (here, forked)]


def timed(run, fork=False):
    """(wall, processor) seconds of one run."""
    import time

    wall, cpu, below = time.perf_counter(), time.process_time(), 0.0
    if not fork:
        run()
    elif pid := os.fork():
        used = os.wait4(pid, 0)[2]
        below = used.ru_utime + used.ru_stime
    else:
        run()
        os._exit(0)
    return time.perf_counter() - wall, time.process_time() - cpu + below


# --- the table -------------------------------------------------------------------------------------------------------


def more(large, small, count):
    """What one more submission costs: (wall, processor)."""
    return tuple((large[i] - small[i]) / count for i in (0, 1))


def compare(python, folder, rounds):
    given = answers()
    nbgrader, otter = Nbgrader(python, folder / "nbgrader", given), Otter(python, folder / "otter", given)
    costs = {"nbgrader autograde": [], "otter run": [], "ours, strong tier": [], "ours, weighed anew": [], "bare": [],
             "bare, in a fork": []}  # fmt: skip
    for number in range(rounds):
        print(f"round {number + 1} of {rounds} …", file=sys.stderr)
        for name, cost in zip(("bare", "bare, in a fork"), bare(), strict=True):
            costs[name].append(cost)
        costs["nbgrader autograde"].append(more(nbgrader.grade(4), nbgrader.grade(1), 3))
        for name, remember in (("ours, strong tier", True), ("ours, weighed anew", False)):
            runs = [run_ours(folder, count, remember=remember) for count in (SMALL, LARGE)]
            small, large = ((run["wall"], run["cpu"]) for run in runs)
            costs[name].append(more(large, small, LARGE - SMALL))
        costs["otter run"].append(otter.grade())
    medians = {name: tuple(map(statistics.median, zip(*pairs, strict=True))) for name, pairs in costs.items()}
    ours = medians["ours, strong tier"]
    print(f"{'per submission':24}{'wall':>12}{'processor':>12}{'÷ ours, wall':>15}{'÷ ours, processor':>19}")
    for name, (wall, cpu) in medians.items():
        print(f"{name:24}{1e3 * wall:9.1f} ms{1e3 * cpu:9.1f} ms{wall / ours[0]:15.1f}{cpu / ours[1]:19.1f}")
    for name in ("bare", "bare, in a fork"):
        print(f"ours ÷ {name}, processor: {ours[1] / medians[name][1]:.1f}")


def grow(folder, classes, names, words):
    print(f"\n{words:34}{'wall':>10}{'processor':>12}{'peak of the grader':>21}")
    for count in classes:
        found = run_ours(folder, count, names=names)
        print(f"{count:10} submissions{'':13}{1e3 * found['wall'] / count:7.1f} ms{1e3 * found['cpu'] / count:9.1f} ms"
              f"{found['peak']:17.0f} MiB", flush=True)  # fmt: skip


def scale(folder, rounds, count):
    walls = {(1, 1): [], (1, 2): [], (2, 2): []}
    for _ in range(rounds):
        for (workers, cores), times in walls.items():
            # A class twice as large: what starting costs is in neither.
            more, less = (run_ours(folder, size, workers, cores=cores)["wall"] for size in (2 * count, count))
            times.append(more - less)
    pinned, one, two = (statistics.median(times) for times in walls.values())
    print(f"\n{count} more submissions, wall time: 1 worker on one core {pinned:.1f} s, on two {one:.1f} s,"
          f" 2 workers on two {two:.1f} s: {pinned / two:.2f} × for the cores, {one / two:.2f} × for the workers")


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--environment", default=Path(tempfile.gettempdir()) / "other-graders", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--classes", default="10,100,1000")
    parser.add_argument("--small-class", default="10000", help="sizes of classes with one exercise")
    parser.add_argument("--only", choices=("compare", "grow", "scale"))
    parser.add_argument("--one-class", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one_class:
        place, workers, remember = options.one_class
        one_class(Path(place), int(workers), remember == "1")
        return
    with tempfile.TemporaryDirectory(prefix="grading-benchmark-") as folder:
        if options.only in (None, "compare"):
            compare(environment_at(options.environment), Path(folder), options.rounds)
        if options.only in (None, "scale"):
            scale(Path(folder), options.rounds, LARGE - SMALL)
        if options.only in (None, "grow"):
            sizes = [int(size) for size in options.classes.split(",") if size]
            grow(Path(folder), sizes, EXERCISES, "growth, four exercises")
            small = [int(size) for size in options.small_class.split(",") if size]
            grow(Path(folder), [*sizes, *small], EXERCISES[:1], "growth, one exercise")


if __name__ == "__main__":
    main()
