"""Draw a traced computation: draw_graph(graph) or draw_graph(graph, step=5), left to right, values and gradients.

placed(graph) says where everything stands, as plain numbers in points; Picture turns that, and what is known so far,
into a fixed handful of artists that an explorer can move.
"""

from dataclasses import dataclass, replace

import numpy as np
from matplotlib.patches import BoxStyle, PathPatch
from matplotlib.path import Path

from course_lib import theme
from course_lib.layout import arrange
from course_lib.theme import INK
from course_lib.walk import everything, known_after, product, sentence, summary, words

MOST_NODES = 150
SIZE, LABEL_SIZE = 9, 8  # of letters, in points
LETTER = 0.62  # width of a letter or digit, in sizes
LINE = 12.0  # height of a line of text
NARROWEST = 52.0  # a box holds "∂ −0.2794" whatever the sliders say
PAD = 5.0  # between text and border
GAP, WIDEST_GAP = 46.0, 84.0  # between columns: room for ×0.8823, and for 0.7 × 0.8823
ROW = 62.0  # from the middle of a box to the one below
MARGIN, LEGEND = 7.0, 24.0
PORT = 13.0  # between the ends of two edges at one box
HEAD = 6.0  # length of an arrow head
PAGE = 432.0  # width of a picture that fits half a screen
SWAPPABLE = ("add", "mul", "maximum", "minimum")  # whose inputs may be drawn in any order

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
    middle of each edge's label; gap: between columns, what a label has in width. All in points, origin bottom left."""

    boxes: tuple
    curves: tuple
    spots: tuple
    gap: float
    width: float
    height: float


# --- where things stand ----------------------------------------------------------------------------------------------


def placed(graph, page=PAGE):
    """Where nodes and edges of the graph stand; a graph that needs less than `page` spreads its columns."""
    edges = [(edge.source, edge.target) for edge in graph.edges]
    plan = arrange(len(graph.nodes), edges)
    widths = [NARROWEST] * plan.columns
    for node, column in zip(graph.nodes, plan.column, strict=True):
        widths[column] = max(widths[column], _text_width(node))
    spare = page - 2 * MARGIN - sum(widths)
    gap = min(max(GAP, spare / max(plan.columns - 1, 1)), WIDEST_GAP)
    lefts = [MARGIN]
    for width in widths:
        lefts.append(lefts[-1] + width + gap)
    top, bottom = plan.top_and_bottom
    tall = 3 * LINE + 2 * PAD - 3
    height = (bottom - top) * ROW + tall + 2 * MARGIN

    def level(row):
        return height - MARGIN - tall / 2 - (row - top) * ROW

    boxes = tuple(
        Box(lefts[column], level(row) - tall / 2, widths[column], tall)
        for column, row in zip(plan.column, plan.row, strict=True)
    )
    starts, ends = _ports(graph, plan, boxes)
    curves = []
    for i, (source, target) in enumerate(edges):
        stops = [(boxes[source].right, starts[i])]
        for column, row in plan.via[i]:
            stops += [(lefts[column], level(row)), (lefts[column] + widths[column], level(row))]
        curves.append(_curve([*stops, (boxes[target].left, ends[i])]))
    curves = _bowed(edges, curves)
    width = max(lefts[-1] - gap + MARGIN, 0)
    return Placed(boxes, tuple(curves), tuple(_spots(curves, boxes, plan, gap)), gap, width, height)


def _text_width(node):
    value = words(node.value) if node.shape != () else ""
    gradient = f"∂ {words(node.gradient)}" if node.shape != () else ""
    return max(len(text) for text in (node.title, value, gradient, _state(node))) * SIZE * LETTER + 2 * PAD


def _state(node):
    """What stands where a gradient would, if there is none."""
    if node.kind == "constant":
        return "constant" if not node.note else node.note if len(node.note) <= 14 else "no gradient"
    return "not connected" if node.gradient is None else ""


def _ports(graph, plan, boxes):
    """Height at which each edge leaves its source and enters its target."""
    starts, ends = {}, {}

    def far(i, end):
        path = plan.via[i]
        edge = graph.edges[i]
        return (path[0 if end else -1][1] if path else plan.row[edge.target if end else edge.source]), edge.position

    index = {id(edge): i for i, edge in enumerate(graph.edges)}
    for node in graph.nodes:
        leaving = sorted((index[id(edge)] for edge in graph.consumers[node.id]), key=lambda i: far(i, True))
        entering = [index[id(edge)] for edge in graph.inputs[node.id]]
        if node.op in SWAPPABLE:
            entering.sort(key=lambda i: far(i, False))
        for group, heights in ((leaving, starts), (entering, ends)):
            box = boxes[node.id]
            step = min(PORT, (box.height - 8) / max(len(group) - 1, 1))
            for rank, i in enumerate(group):
                heights[i] = box.middle[1] - (rank - (len(group) - 1) / 2) * step
    return starts, ends


def _curve(stops):
    """Points of a line through the stops: it leaves and enters level, and is level across the columns it passes."""
    t = np.linspace(0, 1, 13)[:, None]
    parts = [np.array([stops[0]])]
    for (x0, y0), (x1, y1) in zip(stops[::2], stops[1::2], strict=True):
        middle = (x0 + x1) / 2
        corners = np.array([(x0, y0), (middle, y0), (middle, y1), (x1, y1)])
        parts.append(_bezier(corners, t))
    return np.concatenate(parts)


def _bezier(corners, t):
    a, b, c, d = corners
    return (1 - t) ** 3 * a + 3 * (1 - t) ** 2 * t * b + 3 * (1 - t) * t**2 * c + t**3 * d


def _bowed(edges, curves):
    """Two edges between the same nodes (x * x) bend apart, so that each has room for its label."""
    bowed = list(curves)
    for pair in dict.fromkeys(edges):
        same = sorted((i for i, edge in enumerate(edges) if edge == pair), key=lambda i: -curves[i][0, 1])
        for rank, i in enumerate(same if len(same) > 1 else ()):
            along = np.sin(np.pi * np.linspace(0, 1, len(curves[i])))
            bend = ((len(same) - 1) / 2 - rank) * (3 * LINE - PORT)
            bowed[i] = curves[i] + np.column_stack([0 * along, bend * along])
    return bowed


def _spots(curves, boxes, plan, gap):
    """The middle of each edge's label: on the edge, where no box, no other label and, if possible, no line is."""
    taken, spots = [], []
    for i, curve in enumerate(curves):
        # across a column that it passes there is nothing but this edge
        places = (0.5, 0.25, 0.75) if plan.via[i] else (0.5, 0.4, 0.6, 0.3, 0.7, 0.22, 0.78)
        found = [_along(curve, place) for place in places]
        costs = [_crowding(spot, curve, curves, taken, boxes) for spot in found]
        spots.append(found[costs.index(min(costs))])
        taken.append(spots[-1])
    return spots


def _along(curve, share):
    """The point at that share of the way from left to right, the arrow head not counted."""
    x = curve[0, 0] + share * (curve[-1, 0] - HEAD / 2 - curve[0, 0])
    return float(x), float(np.interp(x, curve[:, 0], curve[:, 1]))


def _crowding(spot, curve, curves, taken, boxes):
    """How much stands in the way of a label there: worst are other labels and boxes, then lines, then long labels."""
    small, tall = (Box(spot[0] - 19, spot[1] - high / 2, 38, high) for high in (LINE, 2.8 * LINE))
    others = [Box(x - 19, y - LINE / 2, 38, LINE) for x, y in taken]
    crossed = 0
    for other in curves:
        if other is not curve and other[0, 0] < small.right and other[-1, 0] > small.left:
            x = np.linspace(small.left, small.right, 9)
            y = np.interp(x, other[:, 0], other[:, 1])
            crossed += bool(((y > small.bottom) & (y < small.top)).any())
    return (
        100 * sum(small.meets(other) for other in [*others, *boxes]) + 10 * crossed
        + sum(tall.meets(other) for other in others)
    )


# --- artists -----------------------------------------------------------------------------------------------------------


class Picture:
    """The artists of a graph in one Axes: show(graph, place, known) sets them; .movers are all of them.

    texts: how many pieces of text there is room for.
    """

    def __init__(self, ax, texts):
        self.ax, self.fit = ax, 1.0
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
            self.texts = [ax.text(0, 0, "", ha="center", va="center", size=SIZE) for _ in range(texts)]

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

    def _edge(self, graph, i, edge, place, known, parts, write):
        curve, (x, y) = place.curves[i], place.spots[i]
        flowing = known.direction if i in known.flowing else ""
        asked = known.asked == ("local", i)
        text = _label(graph, i, edge, known, place.gap)
        lines = text.count("\n") + 1
        room = max(len(line) for line in text.split("\n")) * LABEL_SIZE * LETTER / 2 + 2 if text else 0
        back = flowing == "backward"
        line = curve.copy()
        line[0 if back else -1, 0] += HEAD - 1 if back else 1 - HEAD  # the line ends inside the head
        pieces = _interrupted(line, x, y, room, lines * LINE / 2 - 1) if text else [line]
        kind = flowing or ("cut" if edge.cut else "backward" if asked else "edges")
        parts[kind] += [Path(piece) for piece in pieces]
        heads = f"{flowing} heads" if flowing else "backward heads" if asked else "heads"
        parts[heads].append(_head(curve[0], 1) if back else _head(curve[-1], -1))
        if text:
            write(x, y, text, GRADIENT if back or asked else INK, LABEL_SIZE)


def _label(graph, i, edge, known, gap):
    """×0.8823 at rest, ×? where it is asked for, upstream × local = contribution while it flows."""
    if known.asked == ("local", i):
        return "×?"
    if known.direction == "backward" and i in known.flowing:
        text = product(graph, edge)
        if " × " not in text:
            return text
        factors, sent = text.split(" = ")
        if len(factors) * LABEL_SIZE * LETTER + 10 <= gap:
            return f"{factors}\n= {sent}"
        return f"×{factors.split(' × ')[1]}\n= {sent}"  # the upstream gradient stands in the box beside it
    if i in known.locals and edge.local is not None:
        text = f"×{words(edge.local)}"
        return text if len(text) * LABEL_SIZE * LETTER <= gap - 4 else ""
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
    rounding = 4 if node.kind == "op" else box.height / 2.6
    return BoxStyle.Round(pad=0, rounding_size=rounding)(box.left, box.bottom, box.width, box.height, 1)


def _head(tip, toward):
    """A triangle whose tip lies on the border of a box."""
    x, y = tip
    back = x + toward * HEAD
    return Path([(x, y), (back, y + HEAD / 2.2), (back, y - HEAD / 2.2), (x, y)], closed=True)


def _interrupted(curve, x, y, half_width, half_height):
    """The pieces of a curve outside of a label, like a contour line around its number."""
    across = np.linspace(curve[0, 0], curve[-1, 0], max(int((curve[-1, 0] - curve[0, 0]) / 1.5), 2))
    fine = np.column_stack([across, np.interp(across, curve[:, 0], curve[:, 1])])
    outside = (np.abs(fine[:, 0] - x) > half_width) | (np.abs(fine[:, 1] - y) > half_height)
    cuts = np.flatnonzero(np.diff(outside.astype(int))) + 1
    return [piece for piece, out in zip(np.split(fine, cuts), np.split(outside, cuts), strict=True)
            if out[0] and len(piece) > 1]


# --- figures -----------------------------------------------------------------------------------------------------------


def graph_axes(width, height):
    """Axes whose units are points, below a legend, in a new figure of that size."""
    made = theme.figure(width=width / 72, height=(height + LEGEND) / 72)
    ax = made.axes[0]
    ax.set_position((0, 0, 1, height / (height + LEGEND)))
    x = MARGIN
    with theme.style():
        for text, color in (("0.49  value", VALUE), ("∂ 1.4  gradient: how fast the result changes with it", GRADIENT),
                            ("×1.4  local derivative", INK)):
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
