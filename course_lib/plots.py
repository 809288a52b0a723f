"""Draw a function of one variable: plot_function, plot_with_derivative, plot_tangent, plot_secants, plot_zoom,
plot_step_error, plot_remainder.

Each takes f as a torch function, a Formula or a SymPy expression, draws into `ax` or into a new figure, and returns the
Axes, which shows itself with one sentence when it ends a cell. Slopes come from autograd, in float64. The caller's
tensors and their .grad stay as they are. What cannot be drawn is refused with one sentence (TypeError, ValueError).
"""

import math

import numpy as np
import torch

from course_lib import theme
from course_lib.arguments import dtypes_of, inside, number_of, numbers_of, range_of
from course_lib.formula import Formula, as_function, plain
from course_lib.slopes import breaks, derivatives, predicted_steps, step_errors
from course_lib.theme import axes_for, describe, number

POINTS = 400  # even, so that a range that is symmetric about a kink has no point on it
DEFAULT_RANGE = (-3, 3)
LONGEST_LABEL = 40  # characters that a legend has room for beside f′ and f″


def plot_function(f, over=DEFAULT_RANGE, ax=None):
    """f over the range (low, high)."""
    name, x, rows = _curves(f, over, order=1, needed=0)
    gaps, height = _gaps(x, rows), rows[0]
    ax = axes_for(ax)
    ax.plot(*_broken(x, height, gaps[0]), label=name, **theme.FUNCTION)
    _frame(ax, x, rows[:1], gaps)
    theme.legend_above(ax)
    finite = height[np.isfinite(height)]
    return describe(
        ax, f"{name} for x from {number(x[0])} to {number(x[-1])}: heights from {number(finite.min())} to "
        f"{number(finite.max())} here{_places('; f breaks off', x, gaps[0])}."
    )


def plot_with_derivative(f, over=DEFAULT_RANGE, at=(), second=False, ax=None):
    """f and f′ (with second=True also f″) on the same axes; tangents on f at the points `at`, their slopes on f′.

    Jumps and poles are gaps, not vertical lines.
    """
    places = [inside(place, over) for place in numbers_of(at, "at")]
    f_name, x, rows = _curves(f, over, order=3 if second else 2, needed=2 if second else 1)
    gaps, count = _gaps(x, rows), 3 if second else 2
    ax = axes_for(ax)
    roles, labels = (theme.FUNCTION, theme.DERIVATIVE, theme.SECOND), (f_name, "f′", "f″")
    for i in range(count):
        ax.plot(*_broken(x, rows[i], gaps[i]), label=labels[i], **roles[i])
    _frame(ax, x, rows[:count], gaps)
    parts = []
    for place in places:
        height, slope = derivatives(f, [place], 1)[:, 0].tolist()
        _tangent_and_height(ax, place, height, slope)
        parts.append(f"at x = {number(place)} the height is {number(height)} and the slope {number(slope)}")
    theme.legend_above(ax)
    names = f"{f_name} with f′ and f″" if second else f"{f_name} with f′"
    breaking = _places("; f breaks off", x, gaps[0]) + _places("; f′ jumps", x, _without(gaps[1], gaps[0]))
    body = "".join(f"; {part}" for part in parts)
    return describe(ax, f"{names} for x from {number(x[0])} to {number(x[-1])}{body}{breaking}.")


def plot_tangent(f, at, over=DEFAULT_RANGE, ax=None):
    """f and its tangent at x = at."""
    place = inside(number_of(at, "at"), over)
    name, x, rows = _curves(f, over, order=1)
    height, slope = derivatives(f, [place], 1)[:, 0].tolist()
    ax = axes_for(ax)
    gaps = _gaps(x, rows)
    ax.plot(*_broken(x, rows[0], gaps[0]), label=name, **theme.FUNCTION)
    _frame(ax, x, rows[:1], gaps)
    ax.plot(x, height + slope * (x - place), label=f"tangent, slope {number(slope)}", **theme.TANGENT)
    ax.plot([place], [height], **theme.POINT)
    theme.legend_above(ax)
    return describe(
        ax, f"{name} and its tangent at x = {number(place)}: the height is {number(height)}, the slope {number(slope)}."
    )


def plot_secants(f, at, hs=(1, 0.5, 0.1), over=DEFAULT_RANGE, ax=None):
    """f, its secants through x = at and x = at + h for each h, and the tangent that they turn into."""
    place, steps = inside(number_of(at, "at"), over), numbers_of(hs, "hs")
    if not steps or 0 in steps:
        raise ValueError("hs must hold at least one step h, and a secant needs h ≠ 0.")
    name, x, rows = _curves(f, over, order=1)
    height, slope = derivatives(f, [place], 1)[:, 0].tolist()
    ax = axes_for(ax, top=0.22 + 0.2 * math.ceil((len(steps) + 2) / 3))
    gaps = _gaps(x, rows)
    ax.plot(*_broken(x, rows[0], gaps[0]), label=name, **theme.FUNCTION)
    _frame(ax, x, rows[:1], gaps)
    parts = []
    for i, step in enumerate(steps):
        end = derivatives(f, [place + step], 0)[0, 0].item()
        secant = (end - height) / step
        strength = 0.45 + 0.55 * (i + 1) / len(steps)  # the nearer to the tangent, the stronger
        ax.plot(x, height + secant * (x - place), alpha=strength,
                label=f"h = {number(step)}, slope {number(secant)}", **theme.SECANT)
        ax.plot([place + step], [end], marker="o", markersize=4.5, color=theme.SECANT["color"], alpha=strength)
        parts.append(f"h = {number(step)} gives {number(secant)}")
    ax.plot(x, height + slope * (x - place), label=f"tangent, slope {number(slope)}", **theme.TANGENT)
    ax.plot([place], [height], **theme.POINT)
    theme.legend_above(ax, columns=3)
    return describe(
        ax, f"{name}: secant slopes from x = {number(place)}: {', '.join(parts)}; the tangent has {number(slope)}."
    )


def plot_zoom(f, at, zooms=(1, 10, 100, 1000)):
    """f around x = at under growing magnification, equal in both directions: a tuple of Axes that shows itself.

    The bend of a panel is how far the curve leaves the straight line between the panel's edges, in percent of half the
    panel's width: a smooth curve loses it, a corner keeps it.
    """
    place, factors = number_of(at, "at"), numbers_of(zooms, "zooms")
    if not factors or min(factors) <= 0:
        raise ValueError("zooms must hold at least one magnification above 0, for example (1, 10, 100).")
    name = label_of(f)
    offsets = np.linspace(-1, 1, 201)
    derivatives(f, [place], 1)  # what has no slope is refused here as in the other plots
    panels = [derivatives(f, place + offsets / factor, 0)[0].numpy() for factor in factors]
    center = derivatives(f, [place], 0)[0, 0].item()
    if not all(np.isfinite(panel).all() for panel in panels) or not math.isfinite(center):
        raise ValueError(f"f must be finite around x = {number(place)} to be looked at closely.")
    rises = [(panel - center) * factor for panel, factor in zip(panels, factors, strict=True)]
    tall = max(1.15 * max(np.abs(rise).max() for rise in rises), 0.05)
    made = theme.figure(1, len(factors), width=min(2.2 * len(factors) + 0.4, 8.7), height=2.4, left=0.3, gap=0.22)
    bends = []
    for ax, rise, factor in zip(made.axes, rises, factors, strict=True):
        chord = np.linspace(rise[0], rise[-1], len(rise))
        bends.append(100 * np.abs(rise - chord).max())
        ax.plot(offsets, chord, **theme.GUIDE)
        ax.plot(offsets, rise, **theme.FUNCTION)
        ax.plot([0], [0], **theme.POINT)
        ax.set(xlim=(-1.03, 1.03), ylim=(-tall, tall), xticks=[-1, 0, 1], yticks=[])
        ax.set_xticklabels([f"−{number(1 / factor)}", f"x = {number(place)}", f"+{number(1 / factor)}"])
        for label, side in zip(ax.get_xticklabels(), ("left", "center", "right"), strict=True):
            label.set_horizontalalignment(side)
        ax.set_title(f"×{number(factor)}, bend {_percent(bends[-1])}", fontsize=10, color=theme.INK)
    panels = theme.Panels(made.axes)
    listed = ", ".join(f"×{number(factor)} {_percent(bend)}" for factor, bend in zip(factors, bends, strict=True))
    panels.description = f"{name} around x = {number(place)}, bend left in each panel: {listed}."
    return panels


def plot_step_error(f, at, dtypes=(torch.float32, torch.float64), ax=None):
    """Error of the forward and the central difference against the step h, log-log, one pair of curves per dtype.

    The dot on each curve is at the h where cutting off and rounding should balance, and the sentence names it: that is
    the same on every machine, rounding itself is not.
    """
    place = number_of(at, "at")
    _finite_at(f, place)
    dtypes = dtypes_of(dtypes)
    name = label_of(f)
    ax = axes_for(ax, height=4, left=0.8, top=0.62)
    ax.set(xscale="log", yscale="log")
    parts, floor = [], None
    steps = 10.0 ** np.arange(-12, 0.01, 0.25)
    drawn = []
    for dtype in dtypes:
        start = torch.tensor(place, dtype=dtype).to(torch.float64).item()
        best = predicted_steps(f, start, torch.finfo(dtype).eps)
        for kind, role in (("forward", theme.SECANT), ("central", theme.DERIVATIVE)):
            hs, error = step_errors(f, start, steps[steps >= torch.finfo(dtype).eps * 4], dtype, kind)
            drawn.append((dtype, kind, role, hs, error, best[kind]))
            parts.append(f"{kind} {_short(dtype)} {_about(best[kind])}")
    positive = np.concatenate([error[error > 0] for *_, error, _ in drawn])
    if not positive.size:
        floor = 1e-17
    else:
        floor = 10.0 ** math.floor(math.log10(positive.min()))
    dot = {**theme.POINT, "markersize": 6, "linestyle": "none", "label": "about the best h"}
    for dtype, kind, role, hs, error, best in drawn:
        weight = {"linewidth": 1.4, "alpha": 0.75} if torch.finfo(dtype).eps > 1e-10 else {"linewidth": 2}
        shown = np.where(error > 0, error, floor)  # a log axis has no zero
        ax.plot(hs, shown, label=f"{kind}, {_short(dtype)}", **{**role, **weight})
        exact = error == 0
        ax.plot(hs[exact], shown[exact], linestyle="none", marker="v", markersize=4, color=role["color"])
        if best is not None:
            ax.plot([best], [_log_between(best, hs, shown)], **dot)
            dot["label"] = None  # one line in the legend for all dots
    _slope_guides(ax, drawn, floor)
    ax.set(xlabel="step h", ylabel="error of the slope", xlim=(steps[0], 1.3))
    ax.set_ylim(bottom=floor / 2)
    theme.legend_above(ax, columns=2)
    return describe(ax, f"Error of difference quotients of {name} at x = {number(place)}; best h: {', '.join(parts)}.")


def plot_remainder(f, at, ax=None):
    """|f(a + dx) − f(a) − f′(a)·dx|, what the tangent leaves over, against dx, log-log, with a line of slope 2."""
    place, name = number_of(at, "at"), label_of(f)
    steps = 10.0 ** np.arange(-4, 0.01, 0.125)
    height, slope = _finite_at(f, place)
    left = np.abs(derivatives(f, place + steps, 0)[0].numpy() - height - slope * steps)
    noise = 8 * np.finfo(float).eps * (abs(height) + np.abs(slope * steps))
    ax = axes_for(ax, left=0.8)
    ax.set(xscale="log", yscale="log", xlim=(steps[0], steps[-1]), xlabel="dx", ylabel="left over by the tangent")
    real = np.isfinite(left) & (left > noise)
    if not real.any():
        ax.text(0.5, 0.5, "nothing is left over", transform=ax.transAxes, ha="center")
        return describe(ax, f"{name} at x = {number(place)}: the tangent leaves nothing over, f is straight here.")
    ax.plot(steps[real], left[real], label="|f(a + dx) − f(a) − f′(a)·dx|", **theme.FUNCTION)
    last = np.flatnonzero(real)[-1]
    guide = left[last] * (steps / steps[last]) ** 2
    ax.plot(steps, guide, label="slope 2", **{**theme.GUIDE, "linestyle": (0, (6, 3))})
    theme.legend_above(ax)
    tenth, hundredth = (derivatives(f, [place + d], 0)[0, 0].item() - height - slope * d for d in (0.1, 0.01))
    return describe(
        ax, f"{name} at x = {number(place)}: the tangent leaves {number(abs(tenth), 2)} over at dx = 0.1 and "
        f"{number(abs(hundredth), 2)} at dx = 0.01."
    )


# --- drawing -------------------------------------------------------------------------------------------------------


def label_of(f):
    """How f is called in a picture: its formula, its name, or plain f."""
    expr = as_function(f)[1]
    if expr is not None:
        symbol = str(next(iter(f.symbols if isinstance(f, Formula) else expr.free_symbols), "x"))
        text = f"f({symbol}) = {plain(expr)}"
    else:
        name = getattr(f, "__name__", "f")
        text = "f" if name in ("f", "<lambda>") else f"f = {name}"
    return text if len(text) <= LONGEST_LABEL else "f"


def _finite_at(f, place):
    """Height and slope at one place; ValueError where they are no finite numbers."""
    height, slope = derivatives(f, [place], 1)[:, 0].tolist()
    if not (math.isfinite(height) and math.isfinite(slope)):
        raise ValueError(f"f has no finite height and slope at x = {number(place)}: choose another point.")
    return height, slope


def _curves(f, over, order, needed=None):
    """Name of f, places as an array, and the rows of derivatives() as an array."""
    low, high = range_of(over)
    x = np.linspace(low, high, POINTS)
    try:
        rows = derivatives(f, x, order).numpy()
    except RuntimeError:  # the rows beyond the needed ones only find the jumps: do without where there are none
        if needed is None or needed == order:
            raise
        rows = derivatives(f, x, needed).numpy()
    if not np.isfinite(rows[0]).any():
        raise ValueError(f"f has no finite value for x from {number(low)} to {number(high)}: choose another range.")
    return label_of(f), x, rows


def _broken(x, y, where):
    """The curve with a gap after each index in where."""
    if not len(where):
        return x, y
    middle = (x[where] + x[where + 1]) / 2
    return np.insert(x, where + 1, middle), np.insert(np.asarray(y, dtype=float), where + 1, np.nan)


def _gaps(x, rows):
    """For each row where its line must break; the slope of a row is the next row. Where f breaks, so do its slopes."""
    gaps = [breaks(x, row, rows[i + 1] if i + 1 < len(rows) else None) for i, row in enumerate(rows)]
    return [np.unique(np.concatenate(gaps[: i + 1])).astype(int) for i in range(len(gaps))]


def _frame(ax, x, rows, gaps):
    """Fix the limits: everything, except that the peak of a pole does not flatten the rest."""
    lows, highs = [], []
    for row, gap in zip(rows, gaps, strict=False):
        row = row[np.isfinite(row)]
        if not row.size:
            continue
        middle = np.median(row)
        usual = np.median(np.abs(row - middle))
        pole = len(gap) and np.abs(row - middle).max() > 20 * usual > 0
        lows.append(max(row.min(), middle - 6 * usual) if pole else row.min())
        highs.append(min(row.max(), middle + 6 * usual) if pole else row.max())
    low, high = min(lows), max(highs)
    pad = 0.07 * (high - low) or 0.5
    ax.set(xlim=(x[0], x[-1]), ylim=(low - pad, high + pad), xlabel="x")
    if low < 0 < high:
        ax.axhline(0, color=theme.GRID, linewidth=0.9, zorder=0.9)


def _tangent_and_height(ax, place, height, slope):
    """A short tangent on f, the slope as a height on f′, and the thin line that says they belong together."""
    (left, right), (low, high) = ax.get_xlim(), ax.get_ylim()
    width, tall = ax.figure.get_size_inches() * ax.get_position().size
    # equally long on the page whatever the slope
    reach = 0.45 / math.hypot(width / (right - left), slope * tall / (high - low))
    ends = np.array([place - reach, place + reach])
    ax.plot([place, place], [height, slope], **theme.GUIDE)
    ax.plot(ends, height + slope * (ends - place), **{**theme.TANGENT, "linewidth": 2.6})
    ax.plot([place], [height], **theme.POINT)
    ax.plot([place], [slope], color=theme.DERIVATIVE["color"], marker="D", markersize=6, linestyle="none")


def _slope_guides(ax, drawn, floor):
    """Short lines of slope 1 and 2 beside the cut-off branches."""
    for kind, power, text, beside in (("forward", 1, "∝ h", 4), ("central", 2, "∝ h²", 0.1)):
        curves = [(hs, error) for _, k, _, hs, error, _ in drawn if k == kind]
        hs, error = curves[-1]
        near = np.flatnonzero((hs <= 0.11) & (error > 0))
        if not near.size:
            continue
        i = near[-1]
        span = np.array([hs[i] / 30, hs[i]])
        line = beside * error[i] * (span / hs[i]) ** power
        if line[0] < floor:
            continue
        ax.plot(span, line, **theme.GUIDE)
        aside, above = ("right", (-3, 1)) if power == 1 else ("left", (7, -7))
        ax.annotate(text, (span[0], line[0]), xytext=above, textcoords="offset points", ha=aside, fontsize=9,
                    color=theme.INK)


def _places(verb, x, gaps):
    """Where the gaps are, in words; neighbouring gaps belong to one place."""
    places = []
    for i in gaps:
        middle = (x[i] + x[i + 1]) / 2
        if not places or middle - places[-1] > 5 * (x[1] - x[0]):
            places.append(middle)
    shown = [number(round(place, 1 if x[-1] - x[0] > 1 else 3), 2) for place in places[:4]]
    return f"{verb} near x = {' and '.join(shown)}" if shown else ""


def _without(gaps, others):
    """The gaps that are not at, or beside, the gaps of another row."""
    return [i for i in gaps if not len(others) or np.abs(others - i).min() > 5]


def _percent(value):
    return f"{number(value, 2)} %" if value >= 1e-3 else "0 %"


def _short(dtype):
    return str(dtype).removeprefix("torch.")


def _log_between(at, xs, ys):
    """The height at `at` of a curve through these points on log-log axes, a little smoothed where it is noise."""
    logs = np.log(ys)
    padded = np.pad(logs, 2, mode="edge")
    smooth = [np.median(padded[i : i + 5]) for i in range(len(logs))]
    return float(np.exp(np.interp(np.log(at), np.log(xs), smooth)))


def _about(step):
    return "the larger the better" if step is None else f"near {theme.scientific(step, 1)}"
