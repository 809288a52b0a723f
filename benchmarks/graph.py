"""What tracing and laying out a graph costs, against a plain forward and backward of the same function in the same run.

    python benchmarks/graph.py

Also the stepping explorers, per event in the kernel, and how long a chain of 5 000 operations takes.
"""

import statistics
import sys
import time
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from course_lib.drawing import placed  # noqa: E402
from course_lib.graph import trace  # noqa: E402
from course_lib.layout import arrange  # noqa: E402
from course_lib.stepper import backprop_stepper, step_through, x_sin_x2  # noqa: E402

ROUNDS, WARM_UP = 60, 10
GOAL_MS = 5


def twenty(x, w):
    """20 nodes: two leaves and six times sine, product and sum."""
    h = x
    for _ in range(6):
        h = torch.sin(h * w) + h
    return h


def chain(x):
    for _ in range(5000):
        x = x + 1
    return x


def plain():
    x, w = (torch.tensor(value, dtype=torch.float64, requires_grad=True) for value in (0.3, 0.7))
    twenty(x, w).backward()


def median_ms(run, rounds=ROUNDS):
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return 1000 * statistics.median(times[min(WARM_UP, rounds - 1):])


def event_ms(explorer, key, values):
    """Between the new value of a control and the messages to the browser."""
    controls = explorer.widget.children[0].children  # built before the clock starts
    control, values = controls[list(explorer.controls).index(key)], iter(values)
    return median_ms(lambda: setattr(control, "value", next(values)))


def main():
    graph = trace(twenty, x=0.3, w=0.7)
    edges = [(edge.source, edge.target) for edge in graph.edges]
    bare = median_ms(plain)
    tracing = median_ms(lambda: trace(twenty, x=0.3, w=0.7))
    arranging = median_ms(lambda: arrange(len(graph.nodes), edges))
    print(f"{len(graph.nodes)} nodes, {len(edges)} edges; plain forward and backward {bare:.2f} ms")
    print(f"trace            {tracing:7.2f} ms  {tracing / bare:5.1f} × plain")
    print(f"columns and rows {arranging:7.2f} ms")
    total = tracing + arranging
    print(f"both             {total:7.2f} ms  {total / bare:5.1f} × plain   goal ≤ {GOAL_MS} ms: "
          f"{'reached' if total <= GOAL_MS else 'missed'}")
    print(f"with curves and labels {median_ms(lambda: placed(graph)):.2f} ms")
    print(f"trace of a chain of 5000: {median_ms(lambda: trace(chain, x=1.0), 3):.0f} ms")
    walking = step_through(x_sin_x2, x=0.7)
    print(f"step_through, event of step: {event_ms(walking, 'step', (i % 8 for i in range(ROUNDS))):.1f} ms")
    walking.set(step=7)
    print(f"step_through, event of x:    {event_ms(walking, 'x', (i / 32 for i in range(ROUNDS))):.1f} ms")
    typed = event_ms(backprop_stepper(), "answer", (str(20 + i) for i in range(ROUNDS)))
    print(f"backprop_stepper, wrong answer: {typed:.1f} ms")
    return 0 if total <= GOAL_MS else 1


if __name__ == "__main__":
    sys.exit(main())
