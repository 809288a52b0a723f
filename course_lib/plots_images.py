"""Show small images in a row: plot_images."""

import numpy as np
from matplotlib.colors import LinearSegmentedColormap

from course_lib import theme
from course_lib.theme import describe, number

SIGNED = LinearSegmentedColormap.from_list(
    "signed", [theme.NEGATIVE["color"], "#ffffff", theme.POSITIVE["color"]]
)  # the signs of numbers have these colours everywhere
MOST = 6


def plot_images(images):
    """Small grey images in a row, by their titles; one that holds negative numbers is drawn in the colours of signs.

    images: dict title -> tensor or array of shape (rows, columns); its numbers may be tracked.
    """
    if not isinstance(images, dict) or not 0 < len(images) <= MOST:
        raise TypeError(f"images must be a dict of one to {MOST} pictures by title.")
    shown = {str(title): _numbers(image, title) for title, image in images.items()}
    made = theme.figure(1, len(shown), width=min(1.9 * len(shown) + 0.2, 8.7), height=2.2, left=0.1, gap=0.12)
    made.subplots_adjust(bottom=0.03)
    parts = []
    for ax, (title, numbers) in zip(np.atleast_1d(made.axes), shown.items(), strict=True):
        signed = (numbers < 0).any()
        most = float(np.abs(numbers).max()) or 1.0
        ax.imshow(numbers, cmap=SIGNED if signed else "gray_r", vmin=-most if signed else 0, vmax=most)
        if signed:  # readable without colour: a dot where the number is negative, and large enough to be seen
            rows, columns = np.nonzero(numbers < -0.15 * most)
            ax.plot(columns, rows, linestyle="none", marker=".", markersize=3.5, color=theme.INK)
        ax.set(xticks=[], yticks=[])
        ax.grid(False)
        ax.spines[:].set_visible(False)
        ax.set_title(title, fontsize=9.5, color=theme.INK)
        parts.append(f"{title}, from {number(numbers.min())} to {number(numbers.max())}{', dots are negative' if signed else ''}")
    return describe(theme.Panels(list(made.axes)), f"{len(shown)} images: {'; '.join(parts)}.")


def _numbers(image, title):
    numbers = np.asarray(image.detach() if hasattr(image, "detach") else image, dtype=float)
    if numbers.ndim != 2 or not numbers.size:
        raise ValueError(f"{title}: an image has rows and columns, got shape {numbers.shape}; reshape it, to (8, 8) say.")
    if not np.isfinite(numbers).all():
        raise ValueError(f"{title}: the image holds numbers that are not finite.")
    return numbers
