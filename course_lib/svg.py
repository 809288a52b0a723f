"""Two layers of SVG: background(figure, movers) is drawn once, overlay(figure, movers) per event, on top of it.

Both are fragments for a page: the overlay holds only the movers, in the background's coordinates.
"""

import html
import io
import math
import re
from contextlib import contextmanager
from functools import cache

import matplotlib
from matplotlib.colors import to_hex
from matplotlib.text import Text

from course_lib import theme

_text_sizes = {}
AS_ZEROS = str.maketrans("123456789", "000000000")  # digits take equal room, and most texts that move are numbers
PICTURE = "display:block;height:auto;stroke-linejoin:round;stroke-linecap:butt"
SMALLEST = 0.75  # of their size: panels side by side shrink so far before they go below each other
NO_METADATA = {"Date": None, "Creator": None, "Format": None, "Type": None}


@contextmanager
def settings(wanted):
    """Context with some rcParams changed; rc_context copies all of them, which every event would pay for."""
    before = {key: matplotlib.rcParams[key] for key in wanted}
    try:
        matplotlib.rcParams.update(wanted)
        yield
    finally:
        matplotlib.rcParams.update(before)


class hidden:
    """Context in which artists are invisible."""

    def __init__(self, artists):
        self.shown = [artist for artist in artists if artist.get_visible()]

    def __enter__(self):
        for artist in self.shown:
            artist.set_visible(False)

    def __exit__(self, *error):
        for artist in self.shown:
            artist.set_visible(True)


def background(figure, movers):
    """Everything but the movers, as a transparent SVG fragment. Animated artists are saved too, so they are hidden."""
    with hidden(movers):
        return inline(_saved(figure), 'aria-hidden="true"')


def overlay(figure, movers, sentence=""):
    """Only the movers, in the background's coordinates; the figure's dpi must be 72."""
    try:
        svg = drawn_alone(figure, movers)
    except (ImportError, AttributeError, TypeError):  # RendererSVG is no promise of Matplotlib's: slower, but public
        svg = saved_alone(figure, movers)
    return inline(svg, f'role="img" aria-label="{html.escape(sentence)}"', "pointer-events:none;")


def cuts_of(figure):
    """The x at which the figure falls into panels that stand side by side."""
    ends = []
    for ax in figure.axes:
        box = ax.get_tightbbox()  # this applies the aspect, so it comes first
        ends.append((min(box.x0, ax.bbox.x0), max(box.x1, ax.bbox.x1)))
    cuts, right = [], math.inf
    for start, end in sorted(ends):
        if start > right:
            cuts.append((start + right) / 2)
        right = end if right == math.inf else max(right, end)
    return cuts


def panels(svg, cuts, key):
    """The fragment cut at these x; a page too narrow for all panels shows them below each other. key: an id of the page."""
    if not cuts:
        return svg
    root, drawn = re.fullmatch(r"<svg ([^>]*)>(.*)</svg>\s*", svg, re.S).groups()
    width, height = (float(size) for size in re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', root).groups())
    root = re.sub(r'(width|height|viewBox|style)="[^"]*"', "", root)
    parts = []
    for left, right in zip([0, *cuts], [*cuts, width], strict=True):
        wide = right - left
        size = (
            f'viewBox="{left:g} 0 {wide:g} {height:g}" width="{wide:g}pt" height="{height:g}pt" '
            f'style="flex:{wide:g} 1 {SMALLEST * wide:g}pt;min-width:0;max-width:min(100%,{wide:g}pt);{PICTURE}"'
        )
        if not parts:
            parts.append(f'<svg {root} {size}><g id="{key}">{drawn}</g></svg>')
        else:
            parts.append(f'<svg aria-hidden="true" {size}><use href="#{key}"/></svg>')
    return f'<div style="display:flex;flex-wrap:wrap;align-items:flex-start;pointer-events:none">{"".join(parts)}</div>'


def drawn_alone(figure, movers):
    """The movers as an SVG document, by the renderer itself: 2 ms."""
    out = io.StringIO()
    renderer = _renderer()(figure.bbox.width, figure.bbox.height, out, image_dpi=72, metadata=NO_METADATA)
    for mover in movers:
        mover.draw(renderer)
    renderer.finalize()
    return out.getvalue()


@cache
def _renderer():
    """Matplotlib's SVG renderer, remembering how large a text is: measuring is most of what drawing a text costs."""
    from matplotlib.backends.backend_svg import RendererSVG

    class Remembering(RendererSVG):
        def get_text_width_height_descent(self, s, prop, ismath):
            s = s.translate(AS_ZEROS)
            key = s, hash(prop), ismath
            if key not in _text_sizes:
                if len(_text_sizes) > 2000:
                    _text_sizes.clear()
                _text_sizes[key] = super().get_text_width_height_descent(s, prop, ismath)
            return _text_sizes[key]

    return Remembering


def remember_layouts(movers):
    """Let moving texts remember how they are laid out in SVG: working that out is half of what drawing a text costs.

    It depends neither on where a text stands nor on which digits it has. Matplotlib may rename the method that does it:
    then nothing is remembered.
    """
    for text in movers:
        if isinstance(text, Text) and hasattr(text, "_get_layout"):
            text._get_layout = _remembered(text, text._get_layout)


def _remembered(text, compute):
    known = {}

    def layout(renderer):
        content = text.get_text()
        if "\n" in content or not isinstance(renderer, _renderer()):
            return compute(renderer)
        key = (
            content.translate(AS_ZEROS), hash(text.get_fontproperties()), text.get_rotation(), text.get_ha(), text.get_va()
        )
        if key not in known:
            if len(known) > 500:
                known.clear()
            known[key] = compute(renderer)
        bounds, ((_, *line),), *box = known[key]
        return bounds, [(content, *line)], *box

    return layout


class Centred(Text):
    """Centred text. In SVG the page centres it: measuring it here first would be most of what an event costs."""

    def draw(self, renderer):
        if not hasattr(renderer, "writer"):  # no SVG
            return super().draw(renderer)
        if self.get_visible():
            size, lines = self.get_fontsize(), self.get_text().split("\n")
            look = f"font-size: {size:g}px; font-family: 'DejaVu Sans'; text-anchor: middle; "
            look += f"fill: {to_hex(self.get_color())}"
            x, y = self.get_transform().transform(self.get_position())
            for i, line in enumerate(lines):
                base = y + (len(lines) / 2 - 0.5 - i) * 1.25 * size - 0.36 * size
                renderer.writer.element("text", line, style=look, x=f"{x:.2f}", y=f"{renderer.height - base:.2f}")
        return None


def saved_alone(figure, movers):
    """The same by savefig with everything else invisible: 20 ms."""
    keep = set(movers)
    others = [artist for ax in figure.axes for artist in ax.get_children() if artist not in keep]
    others += [artist for artist in figure.get_children() if artist not in keep and artist not in figure.axes]
    with hidden(others):
        return _saved(figure)


def _saved(figure):
    out = io.StringIO()
    figure.savefig(out, format="svg", transparent=True, metadata=NO_METADATA)
    return out.getvalue()


def inline(svg, attributes="", style=""):
    """SVG document -> fragment for a page: no prolog, no page-wide style rule; ink and font are the page's own."""
    svg = svg[svg.index("<svg"):]
    svg = re.sub(r"<metadata>.*?</metadata>|<style.*?</style>|<!--.*?-->", "", svg, flags=re.S)
    svg = re.sub(r"<defs>\s*</defs>", "", svg)
    svg = svg.replace("'DejaVu Sans'", "var(--jp-ui-font-family, 'DejaVu Sans'), 'DejaVu Sans'")
    style = f"{style}max-width:100%;{PICTURE}"
    return svg.replace("<svg ", f'<svg {attributes} style="{style}" ', 1).replace(theme.INK, "currentColor")
