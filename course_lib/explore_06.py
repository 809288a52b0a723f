"""Explorers of lesson 06, sensitivity: softmax_seesaw(f), depth_dial(activation)."""

import itertools
from functools import lru_cache

import numpy as np
import torch
from matplotlib.ticker import MaxNLocator

from course_lib import theme
from course_lib.arguments import number_of
from course_lib.cells import Bars, indexed
from course_lib.controls import Choice, Slider
from course_lib.live import Explorer, Scene, Task
from course_lib.partials import Map, vector_text
from course_lib.plots_fields import arrows
from course_lib.theme import number, scientific

RAISE = 0.1
MOST = 0.0245  # by which p₁ can change when z₀ is raised by 0.1: at most 0.1 · ½ · ½, reached to 2 %
DEAF = 0.01
HALF = 0.5  # arrows stay in the picture at the lowest temperature, too


def softmax_seesaw(f=None):
    """Four logits on a seesaw: bars for p = f(z / T), arrows for ∂p/∂z of the logit being turned.

    f: a torch function of a tensor of shape (4,) that returns one of shape (4,). Default: softmax.
    """
    weigh = Map((lambda z: torch.softmax(z, 0)) if f is None else f)
    low, high = (0, 1) if f is None else _range_of(weigh)
    margin = 0.02 * (high - low)
    made = theme.figure(width=6, height=3.8, left=0.5)
    made.subplots_adjust(bottom=0.19)
    draw = _seesaw_artists(made.axes[0], low - margin, high + 6 * margin)
    names = indexed("z", 4)
    answers = ("?", "rises", "falls") if f is None else ("?", "rises", "falls", "stays")

    def values_at(z, temperature):
        with torch.no_grad():
            return weigh(torch.tensor(z, dtype=torch.float64) / temperature).double().numpy()

    @lru_cache(maxsize=4)  # the picture and a task ask for the same one
    def both(z, temperature):
        """(p, ∂p/∂z) of shapes (4,) and (4, 4)."""
        p, jacobian = weigh.jacobian(np.array(z) / temperature)
        return p, jacobian / temperature

    def logits(values):
        return tuple(values[f"z{i}"] for i in range(4))

    def raised(z, temperature):
        """How p₁ changes when z₀ is raised."""
        return float(values_at((z[0] + RAISE, *z[1:]), temperature)[1] - values_at(z, temperature)[1])

    def update(temperature, c, turn, predict, **values):
        z = logits(values)
        shifted = tuple(one + c for one in z)
        p, jacobian = both(shifted, temperature)
        j = names.index(turn)
        column = jacobian[:, j]
        draw["bars"].show(p)
        draw["arrows"].set_offsets(np.column_stack([np.arange(4), p]))
        draw["arrows"].set_UVC(np.zeros(4), HALF * column)
        for i in range(4):
            draw["p"][i].set_text(f"p{theme.index(i)} = {number(p[i], 2)}")
            draw["d"][i].set_text(("+" if column[i] > 1e-12 else "") + number(column[i], 2))
            draw["d"][i].set_position((i + 0.12, min(p[i] + max(HALF * column[i], 0) / 2 + margin, high + 4 * margin)))
        off = np.abs(p - values_at(z, temperature)).max()
        sums = max(np.abs(jacobian.sum(0)).max(), np.abs(jacobian.sum(1)).max())
        most = "at most " if sums > 1e-12 else ""
        draw["note"].set_text(
            f"J: largest entry {number(np.abs(jacobian).max())}, rows and columns sum to {most}{number(sums)}; "
            f"c = {number(c)} changes p by {number(off)}"
        )
        told = f"Say first whether p₁ {' or '.join(answers[1:])}"
        if predict != "?":
            told = f"Raising z₀ by 0.1 changes p₁ by {number(raised(z, temperature))}"
        return f"p = {vector_text(p)}; ∂p/∂{turn} = {vector_text(column)}, together {number(column.sum())}. {told}."

    def strongest(values):
        if values["predict"] == "?":
            return "predict the sign first"
        if values["temperature"] != 1:
            return "at temperature 1"
        if abs(raised(logits(values), 1)) < MOST:
            return False
        return values["predict"] == "falls" or "large enough, but look at its sign"

    def deaf(values):
        return bool(np.abs(both(logits(values), values["temperature"])[1]).max() <= DEAF)

    def predicted(values):
        change = raised(logits(values), values["temperature"])
        happens = "stays" if abs(change) < 1e-12 else "rises" if change > 0 else "falls"
        return "say it first" if values["predict"] == "?" else values["predict"] == happens

    tasks = [
        Task(f"At temperature 1: make raising z₀ by 0.1 change p₁ by {number(MOST)} or more.", strongest),
        Task(f"Make softmax deaf: no entry of J larger than {number(DEAF)}.", deaf),
    ]
    return Explorer(
        Scene(figure=made, movers=draw["movers"], update=update),
        name="softmax_seesaw",
        tasks=tasks if f is None else [Task("Say what p₁ does when z₀ is raised by 0.1.", predicted)],
        **{f"z{i}": Slider(-4, 4, 1 / 8, value, names[i]) for i, value in enumerate((1, 0.5, 0.75, -1))},
        temperature=Slider(0.25, 4, 0.25, 1, "temperature"),
        c=Slider(-4, 4, 0.5, 0, "add c to all"),
        turn=Choice(tuple(names), names[2], "arrows for"),
        predict=Choice(answers, "?", "z₀ + 0.1, and p₁"),
    )


def _range_of(weigh):
    """(lowest, highest) result of a student's function where the sliders go; ValueError where it does not fit."""
    corners = np.array(list(itertools.product((-4, -1, 0, 2, 4), repeat=4)), dtype=float)
    found = weigh.finite_jacobian(corners[1])[0]
    if len(found) != 4:
        raise ValueError(f"f must return one number for each of the 4 logits, got {len(found)}.")
    found = weigh.values(corners)
    found = found[np.isfinite(found)]
    low, high = min(0.0, found.min()), max(0.0, found.max())
    return (low, high) if high > low else (-1, 1)


def _seesaw_artists(ax, low, high):
    ax.set(xlim=(-0.5, 3.75), ylim=(low, high), xticks=[])
    ax.yaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]))
    draw = {"bars": Bars(ax, range(4), 0.5, theme.FUNCTION["color"], alpha=0.4, label="p")}
    draw["arrows"] = arrows(ax, np.zeros((4, 2)), np.zeros((4, 2)), width=3)
    with theme.style():
        draw["p"] = [ax.text(i, -0.035, "", transform=ax.get_xaxis_transform(), ha="center", va="top") for i in range(4)]
        look = {"color": theme.DERIVATIVE["color"], "fontsize": 9}
        draw["d"] = [ax.text(i, 0, "", ha="left", va="bottom", **look) for i in range(4)]
        draw["note"] = ax.text(0.5, -0.16, "", transform=ax.transAxes, ha="center", va="top", fontsize=9)
        ax.plot([], [], label="∂p/∂z of one logit, half as long", color=theme.DERIVATIVE["color"],
                marker=r"$\uparrow$", markersize=11, linestyle="none")
    theme.legend_above(ax)
    draw["movers"] = [draw["bars"].artist, draw["arrows"], *draw["p"], *draw["d"], draw["note"]]
    return draw


# --- depth dial ------------------------------------------------------------------------------------------------------

WIDTH, DEEPEST, BATCH = 64, 30, 4
LOWEST, HIGHEST = 1e-16, 1e8
ACTIVATIONS = {"relu": torch.relu, "tanh": torch.tanh, "sigmoid": torch.sigmoid}


def depth_dial(activation=None):
    """The norm of the gradient at every layer of a deep network, for other depths, activations and sizes of weights.

    Weights are normal numbers · scale / √width, the same ones each time. With activation, an elementwise torch
    function, there is one more choice, called yours.
    """
    functions = dict(ACTIVATIONS) if activation is None else {**ACTIVATIONS, "yours": activation}
    first = "relu" if activation is None else "yours"
    rng = np.random.default_rng(6)  # NumPy's, because its normal numbers are the same on every machine
    weights = torch.from_numpy(rng.standard_normal((DEEPEST, WIDTH, WIDTH)) / np.sqrt(WIDTH))
    start = torch.from_numpy(rng.standard_normal((BATCH, WIDTH)))
    pull = torch.from_numpy(rng.standard_normal((BATCH, WIDTH)))

    @lru_cache(maxsize=4)  # the picture and a task ask for the same ones
    def norms(layers, scale, name):
        """Norms of the gradients at the layers 0 … layers, the last one is 1."""
        with torch.enable_grad():
            h = [start.clone().requires_grad_()]
            for weight in weights[:layers]:
                h.append(functions[name](scale * (h[-1] @ weight)))
            grads = torch.autograd.grad((h[-1] * pull / pull.norm()).sum(), h)
        return np.array([grad.norm().item() for grad in grads])

    if activation is not None:
        _explain(norms)
    made = theme.figure(width=5.4, height=3.4, left=0.8)
    ax = made.axes[0]
    draw = _depth_artists(ax)

    def update(layers, scale, activation):
        layers = round(layers)
        found = norms(layers, scale, activation)
        shown = np.clip(found, LOWEST, HIGHEST)
        draw["norms"].set_data(np.arange(layers + 1), shown)
        top = float(np.clip(found.max(), LOWEST, HIGHEST))
        draw["band"].set_data([0, layers, layers, 0, 0], [top, top, top / 10, top / 10, top])
        apart = found.max() / found.min() if found.min() > 0 else np.inf
        spread = f"a factor of {_size(apart)} apart" if apart < np.inf else "somewhere no gradient is left"
        return (
            f"{activation}, {layers} layer{'s' * (layers != 1)}, scale {number(scale, 4)}: the gradient's norm is "
            f"{_size(found[0])} at the input for 1 at the output; over all layers {spread}."
        )

    def kept(wanted):
        def done(values):
            if values["activation"] != wanted:
                return False
            if values["layers"] != DEEPEST:
                return f"with {DEEPEST} layers"
            found = norms(DEEPEST, values["scale"], wanted)
            return bool(found.min() > 0 and found.max() / found.min() <= 10)

        return done

    return Explorer(
        Scene(figure=made, movers=list(draw.values()), update=update),
        name="depth_dial", play="layers",
        tasks=[Task(f"{name}, {DEEPEST} layers: keep the norm within one decade, the band.", kept(name))
               for name in ACTIVATIONS],
        layers=Slider(1, DEEPEST, 1, 10, "layers"),
        scale=Slider(0.25, 12, 1 / 16, 1, "scale of the weights"),
        activation=Choice(tuple(functions), first, "activation"),
    )


def _explain(norms):
    """Refuse an activation that cannot be used, with one sentence."""
    try:
        found = norms(2, 1.0, "yours")
    except Exception as error:
        raise TypeError(
            f"activation must be an elementwise torch function such as torch.tanh; it raised {type(error).__name__}: "
            f"{(str(error).splitlines() or [''])[0][:100]}"
        ) from None
    number_of(found[0], "the gradient through the activation")


def _size(value):
    """Two digits; unlike number() it keeps what is far below 1e-12, for here that is no rounding."""
    return number(value, 2) if value == 0 or 1e-3 <= value < 1e4 else scientific(value)


def _depth_artists(ax):
    ax.set(xlim=(-0.5, DEEPEST + 0.5), yscale="log", ylim=(LOWEST, HIGHEST), xlabel="layer, 0 is the input",
           ylabel="norm of the gradient")
    with theme.style():
        draw = {
            "band": ax.plot([], [], label="one decade", color=theme.TANGENT["color"], linewidth=1.2)[0],
            "norms": ax.plot([], [], label="gradient at this layer", marker="o", markersize=4, **theme.DERIVATIVE)[0],
        }
    theme.legend_above(ax)
    return draw
