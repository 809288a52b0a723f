"""Step through backpropagation: step_through(f, x=0.7) shows it, backprop_stepper(f, x=0.7) asks for every number.

Both return an Explorer: a slider for each number that f starts from, and it works without a notebook too:
step_through(f, x=0.7).set(step=5).text, backprop_stepper().set(answer="0.47").text.
"""

import math
from functools import lru_cache

import torch

from course_lib.drawing import MOST_NODES, PAGE, Picture, graph_axes, looks, moved, placed, prepared, texts_needed
from course_lib.graph import Graph, trace
from course_lib.live import Explorer, Filmstrip, Scene, Slider, Task, Text, Unclear
from course_lib.slips import answer, diagnose, hint, is_right, names_in, questions, read_number, wording
from course_lib.walk import Known, gradients_found, known_after, product, sends, sentence, steps

MOST_QUESTIONS = 40
MOST_FRAMES = 60  # about 5 KB each
CONTROLS = ("step", "answer", "scene", "name", "tasks", "play")


def step_through(f, /, **leaves):
    """Forward through f value by value, then back gradient by gradient, with sliders for step and leaves.

    f may also be a Graph of trace(…): then its numbers stay as they are, and it can be walked even without a kernel.
    """
    stage = _Stage(f, leaves)
    last = max(len(steps(graph)) for graph in stage.samples) - 1

    def update(step, **values):
        graph = stage.graph(values)
        k = min(round(step), len(steps(graph)) - 1)
        stage.show(graph, known_after(graph, k))
        return sentence(graph, k)

    def at_the_end(values):
        step = values.pop("step")
        return step >= len(steps(stage.graph(values))) - 1

    kind = Filmstrip if isinstance(f, Graph) and last < MOST_FRAMES else Explorer
    return kind(
        Scene(figure=stage.figure, movers=stage.movers, update=update),
        name="step_through",
        tasks=[Task("Go forward to the result, then back to the leaves, up to the last step.", at_the_end)],
        step=Slider(0, last, 1, 0, "step"), **stage.sliders,
    )


def backprop_stepper(f=None, /, **leaves):
    """Type the numbers of the backward pass yourself, one by one: local derivatives, then what arrives at each node.

    Default f: x·sin(x²) at x = 0.7. Moving a leaf starts again with new numbers.
    """
    if f is None:
        f, leaves = x_sin_x2, {"x": 0.7, **leaves}
    stage = _Stage(f, leaves)
    if not stage.start.is_scalar:
        raise ValueError("backprop_stepper asks for single numbers, so every node must be one: use step_through here.")
    asked = len(questions(stage.start))
    if not 0 < asked <= MOST_QUESTIONS:
        raise ValueError(
            f"this f gives {asked} questions, and backprop_stepper asks 1 to {MOST_QUESTIONS}: choose another one."
        )
    return _Stepper(stage)


def x_sin_x2(x):
    a = x**2
    b = torch.sin(a)
    y = x * b
    return y


class _Stepper(Explorer):
    """An explorer with a field for answers: it is judged once, when it is given, and then empty again."""

    def __init__(self, stage):
        self.quiz = _Quiz(stage)
        super().__init__(
            Scene(figure=stage.figure, movers=stage.movers, update=self.quiz.update),
            name="backprop_stepper",
            tasks=[Task("Type every number of the backward pass right yourself.", lambda values: self.quiz.verdict())],
            answer=Text("", "your number", "then Enter"), **stage.sliders,
        )

    def set(self, *, answer="", **values):
        super().set(**values)
        if str(answer).strip():
            self.quiz.judge(str(answer))
            self._refresh()
        if self._view:
            self._view.follow()
        return self


class _Quiz:
    """Where the student stands: which numbers are known, and what was said to the last entry."""

    def __init__(self, stage):
        self.stage, self.graph = stage, None

    def start(self, graph):
        self.graph, self.questions, self.names = graph, questions(graph), names_in(graph)
        self.known, self.misses, self.shown, self.reply = 0, 0, 0, ""
        self.undefined = not all(math.isfinite(question.want) for question in self.questions)

    @property
    def question(self):
        return self.questions[self.known] if self.known < len(self.questions) else None

    def update(self, answer="", **values):
        graph = self.stage.graph(values)
        if graph is not self.graph:
            self.start(graph)
        if self.undefined:
            raise Unclear("Here some derivatives of f are undefined or infinite: move a leaf.")
        self.stage.show(graph, self.what_is_known())
        count = len(self.questions)
        if self.question is None:
            how = "all right" if not self.shown else f"{count - self.shown} of {count} by yourself"
            return f"{self.reply}Done, {how}: {gradients_found(graph)}. Move a leaf for new numbers."
        return f"{self.reply}Question {self.known + 1} of {count}, {wording(graph, self.question)}"

    def judge(self, typed):
        """Go on if it is right, else say what it looks like."""
        if self.question is None or self.undefined:
            return
        if typed.strip() == "?":
            self._show()
            return
        try:
            got = read_number(typed, self.names)
        except Unclear as error:
            self.reply = f"{error} "
            return
        if is_right(got, self.question.want):
            self.reply = f"Right{self._consequence()}. "
            self._next()
            return
        self.misses += 1
        said = diagnose(self.graph, self.question, got)
        if self.misses > 1:
            said = f"{said} Hint: {hint(self.graph, self.question)}; ? shows the number."
        self.reply = f"{said} "

    def _show(self):
        if self.misses < 2:
            self.reply = "Try it twice yourself first. "
            return
        self.reply = f"It is {answer(self.graph, self.question)}. "
        self.shown += 1
        self._next()

    def _next(self):
        self.known, self.misses = self.known + 1, 0

    def _consequence(self):
        """After the last number that an arrow needs, what it carries."""
        question, graph = self.question, self.graph
        if question.kind == "gradient":
            edges = [edge for edge in graph.consumers[question.index] if sends(edge)]
            return f": {product(graph, edges[0])}" if len(edges) == 1 else ""
        return ""

    def what_is_known(self):
        graph, done, now = self.graph, self.questions[: self.known], self.question
        return Known(
            values=frozenset(node.id for node in graph.nodes),
            gradients=frozenset({graph.output, *(q.index for q in done if q.kind == "gradient")}),
            locals=frozenset(q.index for q in done if q.kind == "local"),
            asked=None if now is None else (now.kind, now.index),
        )

    def verdict(self):
        if self.graph is None or not self.known:
            return False
        if self.question is None:
            return not self.shown or f"{self.shown} shown: move a leaf and try again"
        return f"{self.known} of {len(self.questions)}"


class _Stage:
    """The figure for a function at varying numbers, or for one graph; as large as its graphs at the ends need."""

    def __init__(self, f, leaves):
        if isinstance(f, Graph):
            if leaves:
                raise TypeError("a Graph has its numbers already: give a function to move its leaves.")
            self.start, self.sliders, self.samples = f, {}, [f]
            self.traced = lambda **values: f
        else:
            for name in CONTROLS:
                if name in leaves:
                    raise ValueError(f"a leaf cannot be called {name!r} here: that is a name of ours.")
            self.start = trace(f, **leaves)
            numbers = {name: float(value) for name, value in leaves.items() if not getattr(value, "shape", ())}
            fixed = {name: value for name, value in leaves.items() if name not in numbers}
            kinds = {name: getattr(leaves[name], "dtype", torch.float64) for name in numbers}
            self.sliders = {name: _slider(value) for name, value in numbers.items()}
            self.traced = lru_cache(64)(lambda **values: trace(f, **{
                name: torch.tensor(values[name], dtype=kinds[name]) if name in kinds else fixed[name]
                for name in leaves
            }))
            self.samples = [self.start, *self._at_the_ends(numbers)]
        largest = max(len(graph.nodes) for graph in self.samples)
        if largest > MOST_NODES:
            raise ValueError(f"this graph has {largest} nodes; a picture of more than {MOST_NODES} cannot be read.")
        places = [placed(graph) for graph in self.samples]
        self.width = max(PAGE, *(place.width for place in places))
        self.height = max(place.height for place in places)
        self.places = {}
        ax = graph_axes(self.width, self.height)
        self.figure = ax.figure
        self.room = 2 * max(texts_needed(graph) for graph in self.samples)
        self.picture = Picture(ax, self.room)
        self.movers = self.picture.movers

    def _at_the_ends(self, numbers):
        """Graphs at the ends of each slider: a branch of f may have another size."""
        for name, slider in self.sliders.items():
            for end in (slider.low, slider.high):
                try:
                    yield self.traced(**{**numbers, name: end})
                except (TypeError, ValueError):  # is said when the slider stands there
                    continue

    def graph(self, values):
        try:
            graph = self.traced(**values)
        except (TypeError, ValueError) as error:
            raise Unclear(str(error)) from error
        if texts_needed(graph) > self.room:
            raise Unclear(f"With these numbers the graph has {len(graph.nodes)} nodes: too many for this picture.")
        return graph

    def show(self, graph, known):
        place, fit = self._place(graph)
        if fit != self.picture.fit:
            self.picture.fit = fit
            prepared(self.picture.ax, self.width / fit, self.height / fit)
        self.picture.show(graph, place, known)

    def _place(self, graph):
        """(where it stands in the figure, the factor that makes it fit): the same for graphs that look alike."""
        key = looks(graph)
        if key not in self.places:
            place = placed(graph)
            fit = min(self.width / place.width, self.height / place.height, 1.0)
            right, up = (self.width / fit - place.width) / 2, (self.height / fit - place.height) / 2
            self.places[key] = moved(place, right, up), fit
        return self.places[key]


def _slider(value):
    """From two below to two above, or further for larger numbers, in 64 steps."""
    half = 2.0 * 2 ** max(0, math.ceil(math.log2(max(abs(value), 1e-9))))
    return Slider(value - half, value + half, half / 32, value)
