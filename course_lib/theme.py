"""Give every picture of the course one look: roles for curves, figure() to draw on, bundle() to show it with words.

The same quantity has the same colour and the same line style everywhere, so that it is recognised in grey print and
by colour-blind eyes. Nothing here changes Matplotlib's global settings or backend.
"""

import io
import math
import re
from types import MappingProxyType

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox

INK = "#1a1a1b"  # not pure black: Matplotlib omits the fill of black text, so a dark page could not replace it
GRID = "#8c8c8c"
PNG_DPI = 144
PIXELS_PER_INCH = 96  # a picture of 6 in is 576 CSS pixels wide, live or stored
WIDE = 7.0  # inches: a stored picture of several panels is wider; a narrow page scrolls it, for shrunk it cannot be read


def _role(**style):
    return MappingProxyType(style)


# Okabe and Ito's colours; their orange and purple are darkened to be seen on white (contrast 3 or more).
FUNCTION = _role(color="#0072B2", linestyle="-", linewidth=2)
DERIVATIVE = _role(color="#D55E00", linestyle="--", linewidth=2)
SECOND = _role(color="#A87200", linestyle="-.", linewidth=1.6)
TANGENT = _role(color="#009E73", linestyle="-", linewidth=2)
SECANT = _role(color="#B5568D", linestyle=":", linewidth=2.2)
CURVES = (FUNCTION, DERIVATIVE, SECANT, SECOND, TANGENT)  # for several of a kind
GUIDE = _role(color=GRID, linestyle="-", linewidth=0.9)
POINT = _role(color="#009E73", linestyle="none", marker="o", markersize=7)

# The sign of a number has a colour, but never alone: cells hold the number, ribbons have a line style.
POSITIVE = _role(color="#D55E00", linestyle="-")
NEGATIVE = _role(color="#0072B2", linestyle=(0, (1.2, 0.6)))

STYLE = MappingProxyType({
    "axes.axisbelow": True,
    "axes.edgecolor": GRID,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.8,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlesize": 10,
    "font.family": ["DejaVu Sans"],
    "font.size": 10,
    "grid.alpha": 0.3,
    "grid.color": GRID,
    "grid.linewidth": 0.6,
    "axes.grid": True,
    "legend.fontsize": 9,
    "legend.frameon": False,  # a white box would swallow light text on a dark page
    "svg.fonttype": "none",
    "text.color": INK,
    "xtick.color": GRID,
    "xtick.labelcolor": INK,
    "xtick.labelsize": 9,
    "ytick.color": GRID,
    "ytick.labelcolor": INK,
    "ytick.labelsize": 9,
})


def style():
    """Context in which new artists get the course's look; afterwards rcParams are as before."""
    return matplotlib.rc_context(dict(STYLE))


class DescribedAxes(Axes):
    """Axes that show themselves in a notebook: the picture, and below it `description`, one sentence with numbers."""

    name = "described"
    description = ""

    def _repr_mimebundle_(self, include=None, exclude=None):
        return bundle(self.figure, self.description)

    def _ipython_display_(self):
        show(self.figure, self.description)


class Panels(tuple):
    """Several Axes of one figure, as a tuple that shows itself like one DescribedAxes."""

    description = ""

    def _repr_mimebundle_(self, include=None, exclude=None):
        return bundle(self[0].figure, self.description)

    def _ipython_display_(self):
        show(self[0].figure, self.description)


def figure(rows=1, columns=1, width=6, height=3.5, *, left=0.62, top=0.42, gap=0.3, **subplots):
    """A bare Figure, width × height inches, with rows × columns DescribedAxes in `.axes`.

    left, top: margins in inches, for labels and a legend above; gap: between columns, in widths of one column.
    Its layout is fixed at 72 dpi, where one pixel is one SVG unit. No pyplot: it neither leaks nor shows twice.
    Further arguments go to Figure.subplots, for example width_ratios=(3, 2).
    """
    with style():
        made = Figure(figsize=(width, height), dpi=72, facecolor="white")
        # Inches, not shares of the figure: labels are as large in a small figure as in a large one.
        made.subplots_adjust(left=left / width, right=1 - 0.2 / width, bottom=0.55 / height, top=1 - top / height)
        made.subplots_adjust(wspace=gap, hspace=0.35)
        made.subplots(rows, columns, subplot_kw={"axes_class": DescribedAxes}, **subplots)
    return made


def axes_for(ax, **layout):
    """ax, or the axes of a new figure()."""
    return figure(**layout).axes[0] if ax is None else ax


def describe(ax, sentence):
    """The Axes or Panels, knowing their sentence."""
    ax.description = sentence
    return ax


def legend_above(ax, columns=4):
    """A legend in rows above the axes, where it cannot cover a curve."""
    with style():
        return ax.legend(
            loc="lower left", bbox_to_anchor=(0, 1), borderaxespad=0.2, ncols=columns, handlelength=2.2
        )


# --- showing -------------------------------------------------------------------------------------------------------


def png(figure, caption=""):
    """The figure as PNG bytes on opaque white, with a caption below it if given."""
    out = io.BytesIO()
    width, height = figure.get_size_inches()
    lines = _wrapped(caption, width)
    below = 0.2 * len(lines) + 0.12 if lines else 0
    with style():
        texts = [
            figure.text(0.12 / width, -(0.2 * (i + 1) - 0.04) / height, line, fontsize=9, color=INK)
            for i, line in enumerate(lines)
        ]
        try:
            figure.savefig(
                out, format="png", dpi=PNG_DPI, facecolor="white", bbox_inches=Bbox([[0, -below], [width, height]]),
                metadata={"Software": None},
            )
        finally:
            for text in texts:
                text.remove()
    return out.getvalue()


def _wrapped(caption, inches):
    """Lines of a caption; at 9 points about 15 characters fit an inch."""
    lines, room = [], int(15 * inches) - 4
    for word in caption.split():
        if lines and len(lines[-1]) + 1 + len(word) <= room:
            lines[-1] += " " + word
        else:
            lines.append(word)
    return lines


def bundle(figure, sentence, caption=False):
    """(data, metadata) for a notebook: PNG with alt text and size, and the sentence as plain text.

    Neither text/html nor image/svg+xml: a fresh clone would prefer and then strip them.
    """
    picture = png(figure, sentence if caption else "")
    inches = figure.get_size_inches()[0]
    metadata = {"image/png": {"alt": sentence, "width": round(inches * PIXELS_PER_INCH)}}
    if inches > WIDE:
        metadata["image/png"]["unconfined"] = True
    return {"image/png": picture, "text/plain": sentence}, metadata


def show(figure, sentence):
    """Picture and sentence as two outputs: JupyterLab shows only the richest part of one output."""
    from IPython.display import display

    data, metadata = bundle(figure, sentence)
    display({"image/png": data.pop("image/png")}, metadata=metadata, raw=True)
    display({"text/markdown": markdown(sentence), **data}, raw=True)


def index(i):
    """A subscript: x + index(12) is x₁₂."""
    return str(i).translate(str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉"))


def markdown(sentence):
    """The sentence in Markdown, every character taken literally."""
    return re.sub(r"([\\`*_\[\]<>$|#~])", r"\\\1", sentence)


def number(value, digits=3):
    """A number as it stands in a sentence: 3 significant digits, a real minus sign, 2.5e-7 where it is tiny or huge."""
    value = float(value)
    if not math.isfinite(value):
        return "undefined" if math.isnan(value) else "∞" if value > 0 else "−∞"
    if abs(value) < 1e-12:  # what rounding left of zero
        return "0"
    sign, size = "−" if value < 0 else "", float(f"{abs(value):.{digits - 1}e}")
    if not 1e-3 <= size < 1e5:
        return sign + scientific(size, digits)
    text = f"{size:.{max(0, digits - 1 - math.floor(math.log10(size)))}f}"
    return sign + (text.rstrip("0").rstrip(".") if "." in text else text)


def scientific(value, digits=2):
    """2.5e-7 rather than 2.50e-07."""
    if not math.isfinite(value):
        return number(value)
    mantissa, exponent = f"{value:.{digits - 1}e}".split("e")
    mantissa = mantissa.rstrip("0").rstrip(".") if "." in mantissa else mantissa
    return f"{mantissa}e{int(exponent)}"
