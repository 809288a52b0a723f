"""Where the nodes of a graph stand: layers(…) gives each its column, arrange(…) also its row, with few crossings.

Longest-path layers, dummy nodes where an edge passes a column, barycentre sweeps. Plain numbers in and out; nothing
here knows what is drawn.
"""

from bisect import bisect_right, insort
from collections.abc import Sequence
from dataclasses import dataclass

SWEEPS = 8
MOST_DUMMIES = 4000  # beyond that the long edges run straight: nobody reads such a picture
NODE_GAP, EDGE_GAP = 1.0, 0.55  # rows between two nodes, and between two edges that pass a column
START_WEIGHT = 0.1  # how much a node without inputs counts: the main line of operations should be straight


@dataclass(frozen=True)
class Arrangement:
    """column and row of each node, rows growing downwards; via: the (column, row) that each edge passes on its way."""

    column: Sequence[int]
    row: Sequence[float]
    via: Sequence[Sequence[tuple]]

    @property
    def columns(self):
        return max(self.column, default=-1) + 1

    @property
    def top_and_bottom(self):
        used = [*self.row, *(row for path in self.via for _, row in path)] or [0.0]
        return min(used), max(used)


def layers(count, edges):
    """Column of each of `count` nodes: right of all its inputs; a node without inputs stands close to its consumers.

    edges: pairs (source, target) with source < target.
    """
    column, near = [0] * count, [None] * count
    for source, target in sorted(edges, key=lambda edge: edge[1]):
        if not source < target:
            raise ValueError(f"edge {source} → {target} does not lead to a later node")
        column[target] = max(column[target], column[source] + 1)
    inner = {target for _, target in edges}
    for source, target in edges:
        before = column[target] - 1
        near[source] = before if near[source] is None else min(near[source], before)
    return [at if i in inner or near[i] is None else near[i] for i, at in enumerate(column)]


def arrange(count, edges):
    """The Arrangement of nodes 0 … count − 1; edges: pairs (source, target) with source < target."""
    edges = list(edges)
    column = layers(count, edges)
    at, chains = _with_dummies(column, edges)
    before, after = [[] for _ in at], [[] for _ in at]
    for source, target in dict.fromkeys(pair for chain in chains for pair in zip(chain, chain[1:], strict=False)):
        after[source].append(target)
        before[target].append(source)
    rows = _rows(_order(at, before, after), count, before, after)
    via = tuple(tuple((at[i], rows[i]) for i in chain[1:-1]) for chain in chains)
    return Arrangement(column=tuple(column), row=tuple(rows[:count]), via=via)


def _with_dummies(column, edges):
    """(column of each node and dummy, for each edge its chain from source over dummies to target)."""
    at, chains = list(column), []
    straight = sum(column[target] - column[source] - 1 for source, target in edges) > MOST_DUMMIES
    for source, target in edges:
        passed = () if straight else range(column[source] + 1, column[target])
        chains.append([source, *range(len(at), len(at) + len(passed)), target])
        at += passed
    return at, chains


def _order(at, before, after):
    """The nodes of each column from top to bottom: the order with the fewest crossings that the sweeps met."""
    columns = [[] for _ in range(max(at, default=-1) + 1)]
    for i, column in enumerate(at):
        columns[column].append(i)
    place = [0.0] * len(at)
    for nodes in columns:
        _spread(nodes, place)
    best, fewest = columns, _crossings(columns, after, place)
    for sweep in range(SWEEPS):
        if not fewest:
            break
        columns, beside = [list(nodes) for nodes in columns], after if sweep % 2 else before
        for nodes in reversed(columns) if sweep % 2 else columns:
            middle = {i: _mean([place[j] for j in beside[i]], place[i]) for i in nodes}
            nodes.sort(key=middle.get)
            _spread(nodes, place)
        crossings = _crossings(columns, after, place)
        if crossings < fewest:
            best, fewest = columns, crossings
    return best


def _spread(nodes, place):
    """Even places, centred on zero."""
    for rank, i in enumerate(nodes):
        place[i] = rank - (len(nodes) - 1) / 2


def _mean(values, otherwise):
    return sum(values) / len(values) if values else otherwise


def _crossings(columns, after, place):
    total = 0
    for nodes in columns:
        seen = []
        for i in nodes:
            ends = sorted(place[j] for j in after[i])
            total += sum(len(seen) - bisect_right(seen, end) for end in ends)
            for end in ends:
                insort(seen, end)
    return total


def _rows(columns, count, before, after):
    """A row for each node and dummy, near its neighbours' rows as far as order and gaps allow."""
    rows = [0.0] * len(before)
    for nodes in columns:
        _spread(nodes, rows)
    for sweep in range(SWEEPS):
        for nodes in reversed(columns) if sweep % 2 else columns:
            wanted = [_pulled(i, rows, before, after) for i in nodes]
            gaps = [NODE_GAP if i < count or j < count else EDGE_GAP for i, j in zip(nodes, nodes[1:], strict=False)]
            weights = [1.0 if before[i] else START_WEIGHT for i in nodes]
            for i, row in zip(nodes, _apart(wanted, gaps, weights), strict=True):
                rows[i] = row
    return rows


def _pulled(i, rows, before, after):
    """The mean row of the neighbours of i."""
    weights = [(j, 1.0 if before[j] else START_WEIGHT) for j in before[i]] + [(j, 1.0) for j in after[i]]
    total = sum(weight for _, weight in weights)
    return sum(weight * rows[j] for j, weight in weights) / total if weights else rows[i]


def _apart(wanted, gaps, weights):
    """The places closest to the wanted ones that keep the order and at least the gaps (pool adjacent violators)."""
    shift, pools = [0.0], []
    for gap in gaps:
        shift.append(shift[-1] + gap)
    for want, by, weight in zip(wanted, shift, weights, strict=True):
        pools.append((want - by, weight, 1))
        while len(pools) > 1 and pools[-2][0] > pools[-1][0]:
            low, heavy, few = pools.pop()
            high, light, many = pools.pop()
            pools.append(((high * light + low * heavy) / (light + heavy), light + heavy, many + few))
    level = [mean for mean, _, size in pools for _ in range(size)]
    return [at + by for at, by in zip(level, shift, strict=True)]
