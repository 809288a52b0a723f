"""Both layers of a picture share one system of coordinates, with or without Matplotlib's own SVG renderer."""

import re

import pytest

from course_lib import svg, theme


def parabola(x):
    """A figure with a point and a text to move."""
    figure = theme.figure()
    ax = figure.axes[0]
    ax.set(xlim=(-3, 3), ylim=(0, 9), title="fixed title")
    with theme.style():
        return figure, [ax.plot([x], [x * x], **theme.POINT)[0], ax.text(-2.5, 8, f"height {x * x:g}")]


def coordinates(svg):
    return re.findall(r'<use [^>]*x="([\d.]+)" y="([\d.]+)"', svg), re.findall(r">(height [\d.]+)<", svg)


def test_the_fallback_without_matplotlibs_svg_renderer_draws_the_same(monkeypatch):
    figure, movers = parabola(1)
    with svg.settings({"svg.hashsalt": "one", "svg.fonttype": "none"}):
        quick = svg.overlay(figure, movers)

        def gone(*arguments, **options):
            raise TypeError("RendererSVG changed")

        monkeypatch.setattr(svg, "drawn_alone", gone)
        slow = svg.overlay(figure, movers)
    assert coordinates(slow) == coordinates(quick) and coordinates(quick)[0]
    assert "fixed title" not in slow
    assert figure.axes[0].title.get_visible()


def test_the_point_lies_where_the_axes_put_it():
    figure, movers = parabola(1)
    wanted = figure.axes[0].transData.transform((1, 1))
    (found,), _ = coordinates(svg.overlay(figure, movers))
    assert float(found[0]) == pytest.approx(wanted[0], abs=0.01)
    assert 252 - float(found[1]) == pytest.approx(wanted[1], abs=0.01)


def test_remembered_layouts_draw_the_same_bytes_wherever_and_whatever_the_text_is():
    def drawn(figure, words):
        with svg.settings({"svg.hashsalt": "one", "svg.fonttype": "none"}):
            found = []
            for content, at, size in (("a1", (0, 1), 10), ("a2", (0, 1), 10), ("two\nlines", (0, 1), 10), ("a1", (2, 5), 10),
                                      ("a1", (2, 5), 14)):
                words.set(text=content, position=at, fontsize=size)
                found.append(svg.overlay(figure, [words]))
            return found

    (plain, (_, words)), (memory, (_, remembering)) = parabola(1), parabola(1)
    svg.remember_layouts([remembering])
    svg.remember_layouts([remembering])  # twice does no harm
    assert drawn(memory, remembering) == drawn(plain, words)
    assert drawn(memory, remembering) == drawn(plain, words)
    assert len(set(drawn(memory, remembering))) == 5


def test_a_remembered_layout_is_not_taken_for_a_picture_of_another_resolution():
    figure, movers = parabola(1)
    before = theme.png(figure)
    svg.remember_layouts(movers)
    svg.overlay(figure, movers)
    assert theme.png(figure) == before


def two_panels():
    figure = theme.figure(1, 2, width=8, height=3)
    for ax in figure.axes:
        ax.set(xlim=(0, 1), ylim=(0, 1), ylabel="up")
    return figure, [ax.plot([0.5], [0.5], **theme.POINT)[0] for ax in figure.axes]


def test_a_figure_falls_into_the_panels_that_stand_side_by_side():
    figure, _ = two_panels()
    (cut,) = svg.cuts_of(figure)
    left, right = figure.axes
    assert left.get_tightbbox().x1 < cut < right.get_tightbbox().x0
    assert svg.cuts_of(theme.figure(2, 1)) == svg.cuts_of(theme.figure()) == []


def test_the_panels_are_the_picture_cut_and_not_scaled():
    figure, movers = two_panels()
    whole = svg.overlay(figure, movers, "two points")
    cut = svg.panels(whole, svg.cuts_of(figure), "key")
    boxes = [tuple(map(float, box)) for box in re.findall(r'viewBox="([\d.]+) 0 ([\d.]+) ([\d.]+)"', cut)]
    assert len(boxes) == 2 and boxes[0][0] == 0 and boxes[1][0] == pytest.approx(boxes[0][1], abs=0.01)
    assert boxes[0][1] + boxes[1][1] == pytest.approx(8 * 72, abs=0.01) and {box[2] for box in boxes} == {3 * 72}
    assert cut.count('role="img"') == 1 and cut.count("two points") == 1  # said once
    assert re.findall(r'<use href="#(.*?)"/>', cut) == ["key"] and cut.count('<g id="key">') == 1
    assert svg.panels(whole, [], "key") == whole


def test_centred_text_stands_where_matplotlib_would_put_it():
    figure = theme.figure()
    ax = figure.axes[0]
    words = ax.add_artist(svg.Centred(0.3, 0.6, "one\ntwo", ha="center", va="center", size=9, color=theme.TANGENT["color"]))
    extent = words.get_window_extent()
    drawn = svg.overlay(figure, [words])
    (x, first), (same, second) = [tuple(map(float, at)) for at in re.findall(r'<text [^>]*x="([\d.]+)" y="([\d.]+)"', drawn)]
    assert x == same == pytest.approx((extent.x0 + extent.x1) / 2, abs=0.6)
    assert figure.bbox.height - second < extent.y1 and (first + second) / 2 == pytest.approx(
        figure.bbox.height - (extent.y0 + extent.y1) / 2 + 0.36 * 9, abs=1.5)
    assert "text-anchor: middle" in drawn and theme.TANGENT["color"].lower() in drawn
