"""Tables of numbers as pictures: Cells is a heat map with its numbers in it, Bars a row of bars; both can move.

The colour of a cell says sign and size, the number in it says the same. Colours are translucent, so that ink on them is
readable on a light and on a dark page.
"""

import math

import numpy as np
from matplotlib.collections import PolyCollection
from matplotlib.colors import to_rgb

from course_lib import theme
from course_lib.theme import number

FAINT, STRONG = 0.06, 0.72
ROOMY = 5.3  # characters that have room in a cell at the size asked for; longer numbers are set smaller


class Cells:
    """A matrix of unit cells with its upper left corner at (left, top) of axes whose y runs upwards.

    .artists move, .show(matrix) moves them: colours relative to `largest`; .hide() shows one box with a ?.
    """

    def __init__(self, ax, shape, left=0.0, top=0.0, largest=1.0, fontsize=11, edge=0.9):
        self.shape, self.largest, self.fontsize = shape, largest, fontsize
        rows, columns = shape
        corners = [(left + j, top - i) for i in range(rows) for j in range(columns)]
        self._units = [_box(x, y) for x, y in corners]
        self._whole = [_box(left, top, columns, rows)]
        with theme.style():
            self.boxes = PolyCollection(self._units, facecolors="none", edgecolors=theme.GRID, linewidths=edge)
            ax.add_collection(self.boxes, autolim=False)
            look = {"ha": "center", "va": "center", "fontsize": fontsize}
            self.texts = [ax.text(x + 0.5, y - 0.52, "", **look) for x, y in corners]
            middle = left + columns / 2, top - rows / 2 - 0.02
            self.unknown = ax.text(*middle, "", ha="center", va="center", fontsize=fontsize + 6)

    @property
    def artists(self):
        return [self.boxes, *self.texts, self.unknown]

    def show(self, matrix):
        entries = [entry for row in matrix for entry in row]
        self.boxes.set_verts(self._units)
        self.boxes.set_facecolor([tint(entry, self.largest) for entry in entries])
        self.unknown.set_text("")
        written = cell_texts(entries)
        size = self.fontsize * min(1, ROOMY / max(map(len, written), default=1))
        for text, words in zip(self.texts, written, strict=True):
            text.set(text=words, fontsize=size)

    def hide(self):
        self.boxes.set_verts(self._whole)
        self.boxes.set_facecolor("none")
        self.unknown.set_text("?")
        for text in self.texts:
            text.set_text("")


def _box(x, y, wide=1, tall=1):
    """Corners of a box whose upper left corner is (x, y)."""
    return [(x, y), (x + wide, y), (x + wide, y - tall), (x, y - tall)]


class Bars:
    """Upright bars at the given places from 0 to their heights; hatched ones differ also in grey."""

    def __init__(self, ax, places, width, color, alpha=0.8, hatch=None, label=None):
        self.places, self.width = np.asarray(places, dtype=float), width
        with theme.style():
            self.artist = PolyCollection(
                [], facecolors=(*to_rgb(color), 0.25 if hatch else alpha), edgecolors=color, linewidths=1.2, hatch=hatch,
                label=label, zorder=2,
            )
            ax.add_collection(self.artist, autolim=False)

    def show(self, heights):
        left, right = self.places - self.width / 2, self.places + self.width / 2
        self.artist.set_verts([
            [(a, 0), (b, 0), (b, h), (a, h)] for a, b, h in zip(left, right, heights, strict=True)
        ])


def tint(value, largest):
    """The colour of a cell: vermilion above 0, blue below, the stronger the larger; none for 0 and what is undefined."""
    if not np.isfinite(value) or abs(value) < 1e-12:
        return (0, 0, 0, 0)
    role = theme.POSITIVE if value > 0 else theme.NEGATIVE
    return (*to_rgb(role["color"]), FAINT + (STRONG - FAINT) * min(abs(value) / largest, 1))


def cell_texts(matrix):
    """The numbers of a table as texts, all with the same decimals, so that what cancels is seen to cancel.

    Three digits for the largest, no more decimals than any entry needs; ≈0 is small but not 0.
    """
    entries = np.asarray(matrix, dtype=float).ravel()
    sizes = np.abs(entries[np.isfinite(entries)])
    most = min(max(2 - math.floor(math.log10(sizes.max())), 0), 4) if sizes.size and sizes.max() >= 1e-12 else 0
    rounded = np.round(sizes, most)
    decimals = next((d for d in range(most) if np.allclose(np.round(sizes, d), rounded, rtol=0, atol=1e-9)), most)
    return [_cell_text(entry, decimals) for entry in entries]


def _cell_text(value, decimals):
    if not np.isfinite(value) or abs(value) < 1e-12 or abs(value) >= 1e5:
        return number(value)
    text = f"{abs(value):.{decimals}f}"
    if float(text) == 0:
        return "≈0"
    return f"{'−' if value < 0 else ''}{text}"


def largest_of(*matrices):
    """The size that gets the strongest colour; 1 where all is 0."""
    finite = np.concatenate([np.abs(np.asarray(matrix, dtype=float)).ravel() for matrix in matrices])
    finite = finite[np.isfinite(finite)]
    return float(finite.max()) if finite.size and finite.max() > 1e-12 else 1.0


def bare(ax, xlim, ylim, equal=True):
    """Axes as a plain sheet: no ticks, no frame."""
    ax.set(xlim=xlim, ylim=ylim)
    if equal:
        ax.set_aspect("equal", anchor="W")
    ax.axis("off")


def name_rows_and_columns(ax, rows, columns, left=0.0, top=0.0, fontsize=10):
    """Names at the left of a block of cells, and above it."""
    with theme.style():
        for i, name in enumerate(rows):
            ax.text(left - 0.14, top - i - 0.52, name, ha="right", va="center", fontsize=fontsize)
        for j, name in enumerate(columns):
            ax.text(left + j + 0.5, top + 0.16, name, ha="center", va="bottom", fontsize=fontsize)


def indexed(name, count):
    """x₀, x₁, …"""
    return [name + theme.index(i) for i in range(count)]
