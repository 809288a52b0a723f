"""Draw a traced computation: draw_graph(graph) or draw_graph(graph, step=5), left to right, values and gradients.

placed(graph) says where everything stands, as plain numbers in points; Picture turns that, and what is known so far,
into a fixed handful of artists that an explorer can move.
"""

import math
from dataclasses import dataclass, replace

import numpy as np
from matplotlib.patches import BoxStyle, PathPatch
from matplotlib.path import Path

from course_lib import theme
from course_lib.layout import arrange
from course_lib.svg import Centred
from course_lib.theme import INK
from course_lib.walk import everything, known_after, product, sentence, summary, words

MOST_NODES = 150
SIZE, LABEL_SIZE = 9, 8  # of letters, in points
LETTER = 0.62  # width of a letter or digit, in sizes
LINE = 12.0  # height of a line of text
NARROWEST = 54.0  # a box holds "∂ −0.2794" whatever the sliders say
PAD = 5.0  # between text and border
TALL = 3 * LINE + 2 * PAD - 3  # a box has three lines
GAP, WIDEST_GAP = 46.0, 84.0  # between columns: room for ×0.8823, and for 0.7 × 0.8823
ROW = 62.0  # from the middle of a box to the one below
MOST_COLUMNS = 6  # more do not fit half a screen side by side, so they go down the page
DOWN_GAP, DOWN_SPACE = 36.0, 26.0  # between boxes there: a label of two lines, and what keeps neighbours apart
MARGIN, LEGEND = 7.0, 24.0
PORT = 13.0  # between the ends of two edges at one box
HEAD = 6.0  # length of an arrow head
PAGE = 450.0  # width of a picture that fits half a screen
SWAPPABLE = ("add", "mul", "maximum", "minimum")  # whose inputs may be drawn in any order

_T = np.linspace(0, 1, 13)
BEZIER = np.column_stack([(1 - _T) ** 3, 3 * (1 - _T) ** 2 * _T, 3 * (1 - _T) * _T**2, _T**3])  # of the four corners

VALUE, GRADIENT = theme.FUNCTION["color"], theme.DERIVATIVE["color"]


@dataclass(frozen=True)
class Box:
    left: float
    bottom: float
    width: float
    height: float

    @property
    def right(self):
        return self.left + self.width

    @property
    def top(self):
        return self.bottom + self.height

    @property
    def middle(self):
        return self.left + self.width / 2, self.bottom + self.height / 2

    def meets(self, other, space=0.0):
        return (
            self.left < other.right + space and other.left < self.right + space
            and self.bottom < other.top + space and other.bottom < self.top + space
        )


@dataclass(frozen=True)
class Placed:
    """boxes: one per node; curves: one per edge, points from the border of its source to that of its target; spots: the
    middle of each edge's label, which may be `room` wide; forward: the direction of the computation.

    All in points, with the origin at the bottom left.
    """

    boxes: tuple
    curves: tuple
    spots: tuple
    room: float
    width: float
    height: float
    forward: tuple


# --- where things stand ----------------------------------------------------------------------------------------------


def placed(graph, page=PAGE):
    """Where nodes and edges of the graph stand: from left to right, or from the top down if it has many layers."""
    plan = arrange(len(graph.nodes), [(edge.source, edge.target) for edge in graph.edges])
    return (_downwards if plan.columns > MOST_COLUMNS else _rightwards)(graph, plan, page)


def _rightwards(graph, plan, page):
    widths = [NARROWEST] * plan.columns
    for node, column in zip(graph.nodes, plan.column, strict=True):
        widths[column] = max(widths[column], _text_width(node))
    spare = page - 2 * MARGIN - sum(widths)
    gap = min(max(GAP, spare / max(plan.columns - 1, 1)), WIDEST_GAP)
    flow = _Flow(graph, plan, sizes=widths, thick=[TALL] * len(graph.nodes), gap=gap, row=-ROW, label=(38, LINE))
    return Placed(
        boxes=flow.boxes, curves=flow.curves, spots=flow.spots, room=gap, width=flow.length, height=flow.breadth,
        forward=(1, 0),
    )


def _downwards(graph, plan, page):
    widths = [max(NARROWEST, _text_width(node)) for node in graph.nodes]
    row = max(widths) + DOWN_SPACE
    flow = _Flow(graph, plan, sizes=[TALL] * plan.columns, thick=widths, gap=DOWN_GAP, row=row, label=(LINE, 38))
    height = flow.length
    boxes = tuple(Box(box.bottom, height - box.right, box.height, box.width) for box in flow.boxes)
    return Placed(
        boxes=boxes, curves=tuple(np.column_stack([curve[:, 1], height - curve[:, 0]]) for curve in flow.curves),
        spots=tuple((across, height - along) for along, across in flow.spots), room=row - 14, width=flow.breadth,
        height=height, forward=(0, -1),
    )


class _Flow:
    """Places as (along, across): along the way of the computation, from 0 on, and across it.

    sizes: of the columns, along; thick: of the nodes, across; row: from one row to the next; label: its size.
    """

    def __init__(self, graph, plan, *, sizes, thick, gap, row, label):
        self.graph, self.plan, self.sizes, self.row, self.label = graph, plan, sizes, row, label
        self.starts = [MARGIN]
        for size in sizes:
            self.starts.append(self.starts[-1] + size + gap)
        self.length = self.starts[-1] - gap + MARGIN
        top, bottom = plan.top_and_bottom
        widest = max(thick, default=0)
        self.breadth = (bottom - top) * abs(row) + widest + 2 * MARGIN
        self.first = MARGIN + widest / 2 - row * (top if row > 0 else bottom)
        self.boxes = tuple(
            Box(self.starts[column], self.level(at) - wide / 2, sizes[column], wide)
            for column, at, wide in zip(plan.column, plan.row, thick, strict=True)
        )
        self.curves = tuple(self._bowed(self._curves()))
        self.spots = tuple(self._spots())

    def level(self, row):
        return self.first + row * self.row

    def _curves(self):
        leaves, enters = self._ports()
        for i, edge in enumerate(self.graph.edges):
            stops = [(self.boxes[edge.source].right, leaves[i])]
            for column, row in self.plan.via[i]:
                start = self.starts[column]
                stops += [(start, self.level(row)), (start + self.sizes[column], self.level(row))]
            yield _curve([*stops, (self.boxes[edge.target].left, enters[i])])

    def _ports(self):
        """Where, across, each edge leaves its source and enters its target."""
        graph, via, rows = self.graph, self.plan.via, self.plan.row
        leaves, enters = {}, {}
        index = {id(edge): i for i, edge in enumerate(graph.edges)}

        def next_row(i):
            return via[i][0][1] if via[i] else rows[graph.edges[i].target], graph.edges[i].position

        def row_before(i):
            return via[i][-1][1] if via[i] else rows[graph.edges[i].source], graph.edges[i].position

        for node, box in zip(graph.nodes, self.boxes, strict=True):
            leaving = sorted((index[id(edge)] for edge in graph.consumers[node.id]), key=next_row)
            entering = [index[id(edge)] for edge in graph.inputs[node.id]]
            if node.op in SWAPPABLE:
                entering.sort(key=row_before)
            for group, ports in ((leaving, leaves), (entering, enters)):
                apart = math.copysign(min(PORT, (box.height - 8) / max(len(group) - 1, 1)), self.row)
                for rank, i in enumerate(group):
                    ports[i] = box.middle[1] + (rank - (len(group) - 1) / 2) * apart
        return leaves, enters

    def _bowed(self, curves):
        """Edges between the same two nodes (x * x) bend apart, so that each has room for its label."""
        curves, edges = list(curves), self.graph.edges
        pairs = {}
        for i, edge in enumerate(edges):
            pairs.setdefault((edge.source, edge.target), []).append(i)
        apart = 3 * LINE if self.row < 0 else 50.0
        for same in pairs.values():
            same.sort(key=lambda i: curves[i][0, 1])
            for rank, i in enumerate(same if len(same) > 1 else ()):
                bend = (rank - (len(same) - 1) / 2) * (apart - PORT)
                curves[i][:, 1] += bend * np.sin(np.pi * np.linspace(0, 1, len(curves[i])))
        return curves

    def _spots(self):
        """The middle of each edge's label: on the edge, where no box, no other label and, if possible, no line is."""
        spots, taken = [], []
        frames = [Box(*curve.min(axis=0).tolist(), *np.ptp(curve, axis=0).tolist()) for curve in self.curves]
        for i, curve in enumerate(self.curves):
            # across a column that it passes there is nothing but this edge
            places = (0.5, 0.25, 0.75) if self.plan.via[i] else (0.5, 0.4, 0.6, 0.3, 0.7, 0.22, 0.78)
            best = None
            for place in places:
                here = _around(_along(curve, place), *self.label)
                lines = [self.curves[k] for k, frame in enumerate(frames) if k != i and frame.meets(here, 1)]
                cost = self._crowding(here, taken, lines)
                if best is None or cost < best[0]:
                    best = cost, here
                if not cost:
                    break
            taken.append(best[1])
            spots.append(best[1].middle)
        return spots

    def _crowding(self, here, taken, lines):
        """How much stands in the way of a label there: worst are labels and boxes, then lines, then near labels."""
        covered = sum(here.meets(other) for other in (*taken, *self.boxes))
        near = sum(here.meets(other, LINE) for other in taken)
        across = np.linspace(here.left, here.right, 9)
        heights = [np.interp(across, line[:, 0], line[:, 1]) for line in lines]
        crossed = sum(((height > here.bottom) & (height < here.top)).any() for height in heights)
        return 100 * covered + 10 * int(crossed) + near


def _around(point, wide, high):
    return Box(point[0] - wide / 2, point[1] - high / 2, wide, high)


def _curve(stops):
    """Points of a line through the stops: it leaves and enters level, and is level across the columns it passes."""
    parts = [np.array([stops[0]])]
    for (x0, y0), (x1, y1) in zip(stops[::2], stops[1::2], strict=True):
        middle = (x0 + x1) / 2
        parts.append(BEZIER @ [(x0, y0), (middle, y0), (middle, y1), (x1, y1)])
    return np.concatenate(parts)


def _along(curve, share):
    """The point at that share of the way, the arrow head not counted."""
    x = curve[0, 0] + share * (curve[-1, 0] - HEAD / 2 - curve[0, 0])
    return float(x), float(np.interp(x, curve[:, 0], curve[:, 1]))


def looks(graph):
    """What decides where things stand: graphs that agree in it have the same places whatever their numbers."""
    return (
        tuple((node.kind, node.op, _text_width(node)) for node in graph.nodes),
        tuple((edge.source, edge.target, edge.position) for edge in graph.edges),
    )


def _text_width(node):
    value = words(node.value) if node.shape != () else ""
    gradient = f"∂ {words(node.gradient)}" if node.shape != () else ""
    return max(len(text) for text in (node.title, value, gradient, _state(node))) * SIZE * LETTER + 2 * PAD


def _state(node):
    """What stands where a gradient would, if there is none."""
    if node.kind == "constant":
        return "constant" if not node.note else node.note if len(node.note) <= 14 else "no gradient"
    return "not connected" if node.gradient is None else ""


# --- artists ---------------------------------------------------------------------------------------------------------


class Picture:
    """The artists of a graph in one Axes: show(graph, place, known) sets them; .movers are all of them.

    texts: how many pieces of text there is room for.
    """

    def __init__(self, ax, texts):
        self.ax, self.fit, self._lines = ax, 1.0, {}
        quiet = {"facecolor": "none", "edgecolor": theme.GRID}
        looks = {
            "cut": {**quiet, "linewidth": 1.1, "linestyle": (0, (1, 2))},
            "edges": {**quiet, "linewidth": 1.1},
            "forward": {"facecolor": "none", "edgecolor": VALUE, "linewidth": 2.2},
            "backward": {"facecolor": "none", "edgecolor": GRADIENT, "linewidth": 2.2},
            "heads": {"facecolor": theme.GRID, "edgecolor": "none"},
            "forward heads": {"facecolor": VALUE, "edgecolor": "none"},
            "backward heads": {"facecolor": GRADIENT, "edgecolor": "none"},
            "constants": {**quiet, "linewidth": 1.1, "linestyle": (0, (3, 2))},
            "boxes": {"facecolor": "none", "edgecolor": INK, "linewidth": 1.0},
            "now": {"facecolor": "none", "edgecolor": INK, "linewidth": 2.6},
        }
        with theme.style():
            self.shapes = {key: ax.add_patch(PathPatch(_joined([]), capstyle="butt", **look))
                           for key, look in looks.items()}
            self.texts = [ax.add_artist(Centred(0, 0, "", ha="center", va="center", size=SIZE)) for _ in range(texts)]

    @property
    def movers(self):
        return [*self.shapes.values(), *self.texts]

    def show(self, graph, place, known):
        """Set everything; values, gradients and local derivatives only as far as they are known."""
        parts = {key: [] for key in self.shapes}
        write = _Writer(self.texts, self.fit)
        for node, box in zip(graph.nodes, place.boxes, strict=True):
            self._node(node, box, known, parts, write)
        for i, edge in enumerate(graph.edges):
            self._edge(graph, i, edge, place, known, parts, write)
        for key, shape in self.shapes.items():
            shape.set_path(_joined(parts[key]))
            shape.set_visible(bool(parts[key]))
        write.finish()

    def _node(self, node, box, known, parts, write):
        outline = _outline(node, box)
        parts["constants" if node.kind == "constant" else "boxes"].append(outline)
        if node.id == known.at or known.asked == ("gradient", node.id):
            parts["now"].append(outline)
        x, y = box.middle
        write(x, y + LINE, node.title)
        if node.id in known.values:
            write(x, y, words(node.value), VALUE)
        state = _state(node)
        if known.asked == ("gradient", node.id):
            write(x, y - LINE, "∂ ?", GRADIENT)
        elif node.id in known.gradients:
            write(x, y - LINE, f"∂ {words(node.gradient)}", GRADIENT)
        elif state:
            write(x, y - LINE, state, theme.GRID)

    def _line(self, place, i, way, x, y, half_width, half_height):
        """The pieces of an edge beside its label; while numbers change and their lengths do not, they are the same."""
        key = id(place), i, way, half_width, half_height
        if key not in self._lines:
            if len(self._lines) > 1000:
                self._lines.clear()
            line, forward = place.curves[i].copy(), np.array(place.forward)
            line[0 if way < 0 else -1] -= way * (HEAD - 1) * forward  # the line ends inside the head
            pieces = _interrupted(line, x, y, half_width, half_height) if half_width else [line]
            self._lines[key] = place, [Path(piece) for piece in pieces]  # a place that is kept keeps its id
        return self._lines[key][1]

    def _edge(self, graph, i, edge, place, known, parts, write):
        curve, (x, y), forward = place.curves[i], place.spots[i], np.array(place.forward)
        flowing = known.direction if i in known.flowing else ""
        asked = known.asked == ("local", i)
        text = _label(graph, i, edge, known, place.room)
        lines = text.count("\n") + 1
        room = max(len(line) for line in text.split("\n")) * LABEL_SIZE * LETTER / 2 + 2 if text else 0
        back = flowing == "backward"
        pieces = self._line(place, i, -1 if back else 1, x, y, room, lines * LINE / 2 - 1 if text else 0)
        kind = flowing or ("cut" if edge.cut else "backward" if asked else "edges")
        parts[kind] += pieces
        heads = f"{flowing} heads" if flowing else "backward heads" if asked else "heads"
        parts[heads].append(_head(curve[0], forward) if back else _head(curve[-1], -forward))
        if text:
            write(x, y, text, GRADIENT if back or asked else INK, LABEL_SIZE)


def _label(graph, i, edge, known, room):
    """×0.8823 at rest, ×? where it is asked for, upstream × local = contribution while it flows."""
    if known.asked == ("local", i):
        return "×?"
    if known.direction == "backward" and i in known.flowing:
        text = product(graph, edge)
        if " × " not in text:
            return text
        factors, sent = text.split(" = ")
        if len(factors) * LABEL_SIZE * LETTER + 8 <= room:
            return f"{factors}\n= {sent}"
        upstream, local = factors.split(" × ")
        return f"{upstream}\n×{local}\n={sent}"
    if i in known.locals and edge.local is not None:
        text = f"×{words(edge.local)}"
        return text if len(text) * LABEL_SIZE * LETTER <= room - 4 else ""
    return ""


class _Writer:
    """Hands out Text artists one after the other."""

    def __init__(self, texts, fit):
        self.texts, self.fit, self.used = texts, fit, 0

    def __call__(self, x, y, text, color=INK, size=SIZE):
        artist = self.texts[self.used]
        self.used += 1
        artist.set_position((x, y))
        artist.set_text(text)
        artist.set_color(color)
        artist.set_fontsize(size * self.fit)
        artist.set_visible(True)

    def finish(self):
        for artist in self.texts[self.used:]:
            artist.set_visible(False)


def texts_needed(graph):
    return 3 * len(graph.nodes) + len(graph.edges)


def _joined(paths):
    return Path.make_compound_path(*paths) if paths else Path(np.zeros((1, 2)))


def _outline(node, box):
    rounding = 4 if node.kind == "op" else box.height / 3.6
    return BoxStyle.Round(pad=0, rounding_size=rounding)(box.left, box.bottom, box.width, box.height, 1)


def _head(tip, away):
    """A triangle whose tip lies on the border of a box, and whose base lies in the direction `away` from it."""
    side = np.array([away[1], away[0]]) * HEAD / 2.2
    base = tip + HEAD * away
    return Path([tip, base + side, base - side, tip], closed=True)


def _interrupted(curve, x, y, half_width, half_height):
    """The pieces of a curve outside of a label, like a contour line around its number."""
    run = np.concatenate([[0], np.cumsum(np.hypot(*np.diff(curve, axis=0).T))])
    even = np.linspace(0, run[-1], max(int(run[-1] / 1.5), 2))
    fine = np.column_stack([np.interp(even, run, curve[:, axis]) for axis in (0, 1)])
    outside = (np.abs(fine[:, 0] - x) > half_width) | (np.abs(fine[:, 1] - y) > half_height)
    cuts = np.flatnonzero(np.diff(outside.astype(int))) + 1
    return [piece for piece, out in zip(np.split(fine, cuts), np.split(outside, cuts), strict=True)
            if out[0] and len(piece) > 1]


# --- figures ---------------------------------------------------------------------------------------------------------


def graph_axes(width, height, gradient="∂: gradient, how fast the result changes with it"):
    """Axes whose units are points, below a legend, in a new figure of that size."""
    made = theme.figure(width=width / 72, height=(height + LEGEND) / 72)
    ax = made.axes[0]
    ax.set_position((0, 0, 1, height / (height + LEGEND)))
    x = MARGIN
    with theme.style():
        for text, color in (("plain number: value", VALUE), (gradient, GRADIENT),
                            ("×: local derivative", INK)):
            made.text(x / width, 1 - 0.62 * LEGEND / (height + LEGEND), text, color=color, size=LABEL_SIZE, va="center")
            x += (len(text) + 2.5) * LABEL_SIZE * 0.56
    return prepared(ax, width, height)


def prepared(ax, width, height):
    ax.set(xlim=(0, width), ylim=(0, height), aspect="equal")
    ax.axis("off")
    return ax


def draw_graph(graph, step=None, ax=None):
    """The graph with all its numbers, or with what is known after `step` (see step_through); the Axes."""
    if len(graph.nodes) > MOST_NODES:
        raise ValueError(
            f"this graph has {len(graph.nodes)} nodes; a picture of more than {MOST_NODES} cannot be read. "
            "Trace fewer repetitions."
        )
    place = placed(graph)
    known = everything(graph) if step is None else known_after(graph, step)
    if ax is None:
        width = max(place.width, PAGE)
        place = moved(place, (width - place.width) / 2, 0)
        ax = graph_axes(width, place.height)
        fit = 1.0
    else:
        prepared(ax, place.width, place.height)
        points = ax.get_window_extent().width / ax.figure.dpi * 72
        fit = min(points / place.width, 1.2)
    picture = Picture(ax, texts_needed(graph))
    picture.fit = fit
    picture.show(graph, place, known)
    ax.description = summary(graph) if step is None else sentence(graph, step)
    return ax


def moved(place, right, up):
    """The same places, all moved by that many points."""
    shift = np.array([right, up])
    return replace(
        place, boxes=tuple(replace(box, left=box.left + right, bottom=box.bottom + up) for box in place.boxes),
        curves=tuple(curve + shift for curve in place.curves),
        spots=tuple((x + right, y + up) for x, y in place.spots),
    )
