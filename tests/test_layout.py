"""Columns follow the edges, nothing shares a place, and lines cross only where they must."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from course_lib.layout import EDGE_GAP, NODE_GAP, arrange, layers


@st.composite
def graphs(draw):
    """(number of nodes, edges), each edge leading to a later node; two edges may join the same nodes."""
    count = draw(st.integers(1, 14))
    edges = draw(st.lists(st.tuples(st.integers(0, count - 1), st.integers(0, count - 1)), max_size=24))
    return count, [(min(pair), max(pair)) for pair in edges if pair[0] != pair[1]]


def crossings(plan, edges):
    """How often lines between neighbouring columns cross."""
    pieces = {}
    for (source, target), via in zip(edges, plan.via, strict=True):
        stops = [(plan.column[source], plan.row[source]), *via, (plan.column[target], plan.row[target])]
        for (column, row), (_, end) in zip(stops, stops[1:], strict=False):
            pieces.setdefault(column, set()).add((row, end))
    return sum(
        (a - c) * (b - d) < 0 for lines in pieces.values() for (a, b), (c, d) in itertools.combinations(lines, 2)
    )


@given(graphs())
@settings(max_examples=50, deadline=None)
def test_columns_increase_along_every_edge_and_its_way(graph):
    count, edges = graph
    plan = arrange(count, edges)
    for (source, target), via in zip(edges, plan.via, strict=True):
        passed = [column for column, _ in via]
        assert [plan.column[source], *passed, plan.column[target]] == list(
            range(plan.column[source], plan.column[target] + 1)
        )


@given(graphs())
@settings(max_examples=50, deadline=None)
def test_no_two_share_a_place(graph):
    count, edges = graph
    plan = arrange(count, edges)
    places = [(column, row, True) for column, row in zip(plan.column, plan.row, strict=True)]
    places += [(*stop, False) for via in plan.via for stop in via]
    for (column, row, node), (other, place, other_node) in itertools.combinations(places, 2):
        if column == other:
            assert abs(row - place) >= (NODE_GAP if node or other_node else EDGE_GAP) - 1e-9


@given(graphs())
@settings(max_examples=50, deadline=None)
def test_the_same_graph_stands_the_same(graph):
    assert arrange(*graph) == arrange(*graph)


def test_a_chain_is_a_straight_line():
    plan = arrange(4, [(0, 1), (1, 2), (2, 3)])
    assert plan.column == (0, 1, 2, 3) and plan.row == (0, 0, 0, 0) and plan.top_and_bottom == (0, 0)


def test_the_longest_way_decides_the_column_and_a_start_stands_beside_its_consumer():
    assert layers(5, [(0, 2), (2, 3), (1, 4), (3, 4), (0, 4)]) == [0, 2, 1, 2, 3]


def test_lines_that_need_not_cross_do_not():
    edges = [(0, 5), (1, 4), (2, 3), (3, 6), (4, 7), (5, 8)]
    assert crossings(arrange(9, edges), edges) == 0


def test_the_main_line_stays_straight_where_starts_join_it():
    edges = [(0, 1), (1, 3), (2, 3), (3, 5), (4, 5)]  # 2 and 4 join the line 0 1 3 5
    plan = arrange(6, edges)
    rows = [plan.row[i] for i in (0, 1, 3, 5)]
    assert max(rows) - min(rows) < 0.5


def test_an_edge_to_an_earlier_node_is_refused():
    with pytest.raises(ValueError, match="edge 2 → 1 does not lead to a later node"):
        arrange(3, [(2, 1)])


def test_nothing_is_a_plan_too():
    plan = arrange(0, [])
    assert plan.columns == 0 and plan.top_and_bottom == (0, 0)


def test_long_chains_and_long_edges_do_not_recurse_or_explode():
    count = 5000
    edges = [(i, i + 1) for i in range(1, count - 1)] + [(0, i) for i in range(2, count)]
    plan = arrange(count, edges)
    assert plan.columns == count - 1 and sum(map(len, plan.via)) == 0
