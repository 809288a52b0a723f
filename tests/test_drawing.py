"""A picture of a graph: every box has its place, every arrow its ends, and every number can be read without colour."""

import itertools

import matplotlib
import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from programs import programs

from course_lib import theme
from course_lib.drawing import HEAD, PAGE, draw_graph, placed
from course_lib.graph import trace
from course_lib.walk import steps


def x_sin_x2(x):
    a = x**2
    b = torch.sin(a)
    y = x * b
    return y


def net(x, w1, b1, w2, b2):
    h = torch.tanh(w1 * x + b1)
    out = w2 * h + b2
    loss = (out - 1) ** 2
    return loss


NET = {"x": 0.5, "w1": 1.2, "b1": -0.3, "w2": 0.8, "b2": 0.1}
CURVED, LONG = trace(x_sin_x2, x=0.7), trace(net, **NET)
SOME = [
    CURVED, LONG, trace(lambda x: x * x, x=0.7), trace(lambda b: b, b=2.0),
    trace(lambda x, u: x * (x**2).detach(), x=3.0, u=1.0),
    trace(lambda v: v.unbind()[0] * v.max(dim=0).values, v=torch.tensor([1.0, 2.0])),
]


def texts(ax):
    """{text: (x, y, colour)} of what can be read."""
    return {t.get_text(): (*t.get_position(), t.get_color()) for t in ax.texts if t.get_visible() and t.get_text()}


def on_border(box, point):
    x, y = point
    inside = box.left - 1e-6 <= x <= box.right + 1e-6 and box.bottom - 1e-6 <= y <= box.top + 1e-6
    return inside and min(abs(x - box.left), abs(x - box.right), abs(y - box.bottom), abs(y - box.top)) < 1e-6


# --- geometry --------------------------------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(programs())
def test_boxes_do_not_overlap_and_lie_inside(program):
    place = placed(trace(program, **program.leaves))
    for one, other in itertools.combinations(place.boxes, 2):
        assert not one.meets(other)
    for box in place.boxes:
        assert 0 < box.left and box.right < place.width and 0 < box.bottom and box.top < place.height


@settings(max_examples=60, deadline=None)
@given(programs())
def test_every_arrow_runs_from_the_border_of_its_source_to_that_of_its_target(program):
    graph = trace(program, **program.leaves)
    place = placed(graph)
    forward = np.array(place.forward)
    for edge, curve in zip(graph.edges, place.curves, strict=True):
        assert on_border(place.boxes[edge.source], curve[0]) and on_border(place.boxes[edge.target], curve[-1])
        assert (np.diff(curve @ forward) >= -1e-9).all()
        assert (curve[-1] - curve[0]) @ forward > 2 * HEAD


@settings(max_examples=60, deadline=None)
@given(programs())
def test_no_two_arrows_end_at_one_point(program):
    place = placed(trace(program, **program.leaves))
    for end in (0, -1):
        points = [tuple(np.round(curve[end], 6)) for curve in place.curves]
        assert len(set(points)) == len(points)


@pytest.mark.parametrize("graph", SOME)
def test_labels_lie_on_their_edges_and_not_on_boxes_or_each_other(graph):
    place = placed(graph)
    for curve, spot in zip(place.curves, place.spots, strict=True):
        assert np.hypot(*(curve - spot).T).min() < 40
        assert not any(box.left < spot[0] < box.right and box.bottom < spot[1] < box.top for box in place.boxes)
    for (x0, y0), (x1, y1) in itertools.combinations(place.spots, 2):
        assert abs(x0 - x1) > 30 or abs(y0 - y1) > 11


def test_a_graph_reads_from_left_to_right_and_a_long_one_from_the_top_down():
    assert placed(CURVED).forward == (1, 0) and placed(LONG).forward == (0, -1)
    lefts = [placed(CURVED).boxes[CURVED.node(name).id].left for name in ("x", "a", "b", "y")]
    assert lefts == sorted(lefts)


@pytest.mark.parametrize("graph", SOME)
def test_twelve_nodes_fit_half_a_screen_with_letters_of_full_size(graph):
    ax = draw_graph(graph)
    assert ax.figure.get_size_inches()[0] * 72 <= PAGE + 1
    assert {t.get_fontsize() for t in ax.texts if t.get_visible()} <= {8, 9}


def test_both_edges_of_x_times_x_can_be_told_apart():
    place = placed(SOME[2])
    middles = [curve[len(curve) // 2, 1] for curve in place.curves]
    assert abs(middles[0] - middles[1]) > 20


# --- what can be read ------------------------------------------------------------------------------------------------


def test_every_box_has_its_title_value_and_marked_gradient():
    ax = draw_graph(CURVED)
    shown, place = texts(ax), placed(CURVED)
    for node, box in zip(CURVED.nodes, place.boxes, strict=True):
        x, y = shown[node.title][:2]
        assert box.bottom < y < box.top and abs(x - box.middle[0]) < PAGE / 2
    assert shown["0.3294"][2] == theme.FUNCTION["color"] and shown["∂ 1.335"][2] == theme.DERIVATIVE["color"]
    assert {"×1.4", "×0.8823", "×0.7", "×0.4706"} <= set(shown)


def test_colour_is_never_the_only_sign():
    for graph in SOME:
        for text, (_, _, color) in texts(draw_graph(graph)).items():
            assert (color == theme.DERIVATIVE["color"]) == text.startswith("∂")


def test_a_step_shows_what_is_known_then():
    last = len(steps(CURVED)) - 1
    assert "0.49" not in texts(draw_graph(CURVED, step=0)) and "0.49" in texts(draw_graph(CURVED, step=1))
    turn = texts(draw_graph(CURVED, step=4))
    assert "∂ 1" in turn and not any(text.startswith("×") for text in turn)
    back = texts(draw_graph(CURVED, step=6))
    assert "0.7 × 0.8823\n= 0.6176" in back and "∂ 1.335" not in back
    assert "∂ 1.335" in texts(draw_graph(CURVED, step=last))


def test_the_gradient_flows_against_the_arrows():
    ax, place = draw_graph(CURVED, step=6), placed(CURVED)
    colors = {matplotlib.colors.to_hex(patch.get_facecolor()): patch for patch in ax.patches if patch.get_visible()}
    head = colors[theme.DERIVATIVE["color"].lower()].get_path().vertices
    box = place.boxes[CURVED.node("a").id]
    moved = (PAGE - place.width) / 2
    assert head[0, 0] == pytest.approx(box.right + moved) and head[1, 0] > head[0, 0]


def test_what_has_no_gradient_says_so():
    shown = texts(draw_graph(SOME[4]))
    assert {"not connected", "detached"} <= set(shown)


def test_the_picture_describes_itself_in_one_sentence():
    ax = draw_graph(CURVED)
    assert ax.description == "y = 0.3294 by 3 operations from x = 0.7; ∂y/∂x = 1.335."
    data, metadata = ax._repr_mimebundle_()
    assert set(data) == {"image/png", "text/plain"} and metadata["image/png"]["alt"] == ax.description
    assert draw_graph(CURVED, step=1).description == "Step 1 of 7, forward through a = pow 2: x = 0.7 gives 0.49."


def test_it_draws_into_given_axes_and_scales_its_letters():
    ax = theme.figure(width=3).axes[0]
    assert draw_graph(CURVED, ax=ax) is ax
    assert max(t.get_fontsize() for t in ax.texts) < 7


def test_settings_stay_as_they_are():
    before = dict(matplotlib.rcParams)
    draw_graph(CURVED)
    assert dict(matplotlib.rcParams) == before


def test_what_nobody_could_read_is_refused():
    def long(x):
        for _ in range(200):
            x = x * 1.01
        return x

    with pytest.raises(ValueError, match="this graph has 201 nodes; a picture of more than 150 cannot be read"):
        draw_graph(trace(long, x=1.0))
    with pytest.raises(ValueError, match="step must lie between 0 and 7, got 8"):
        draw_graph(CURVED, step=8)


@settings(max_examples=25, deadline=None)
@given(programs())
def test_any_program_can_be_drawn_at_any_step(program):
    graph = trace(program, **program.leaves)
    assume(len(graph.nodes) < 12)
    assert draw_graph(graph, step=len(steps(graph)) - 1).description
