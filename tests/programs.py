"""Random programs of torch operations, each a known list of steps, for the tests of the graph and its pictures."""

from dataclasses import dataclass

import torch
from hypothesis import strategies as st

OPERATIONS = {
    "mul": (2, torch.mul), "add": (2, torch.add), "sub": (2, torch.sub), "sin": (1, torch.sin), "cos": (1, torch.cos),
    "tanh": (1, torch.tanh), "pow 2": (1, lambda t: t**2), "mul 0.5": (1, lambda t: 0.5 * t),
}  # fmt: skip
NAMES = "abc"


@dataclass(frozen=True)
class Program:
    """at: numbers of the leaves a, b, c; steps: (operation, numbers of its inputs); input i < len(at) is a leaf."""

    at: tuple
    steps: tuple

    @property
    def leaves(self):
        return dict(zip(NAMES, self.at, strict=False))

    def run(self, leaves):
        """All values, leaves first."""
        values = list(leaves)
        for name, inputs in self.steps:
            values.append(OPERATIONS[name][1](*(values[i] for i in inputs)))
        return values

    def __call__(self, *leaves):
        return self.run(leaves)[-1]

    def reached(self):
        """Numbers of the steps' values that the last one depends on, in order."""
        found, stack = set(), [len(self.at) + len(self.steps) - 1]
        while stack:
            i = stack.pop()
            if i not in found:
                found.add(i)
                stack += self.steps[i - len(self.at)][1] if i >= len(self.at) else ()
        return sorted(i for i in found if i >= len(self.at))


@st.composite
def programs(draw, most=9):
    at = tuple(draw(st.lists(st.floats(-1.5, 1.5).map(lambda v: round(v, 3)), min_size=1, max_size=3)))
    steps = []
    for _ in range(draw(st.integers(1, most))):
        name = draw(st.sampled_from(sorted(OPERATIONS)))
        known = len(at) + len(steps)
        # mostly recent values, so that most steps count
        pick = st.one_of(st.integers(max(0, known - 3), known - 1), st.integers(0, known - 1))
        steps.append((name, tuple(draw(pick) for _ in range(OPERATIONS[name][0]))))
    return Program(at, tuple(steps))
