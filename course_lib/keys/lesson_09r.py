"""Review C, over lessons 01 to 09: the key of its exercises and how people go wrong."""

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from course_lib.exercise import Lesson
from course_lib.judge import Layer, Tolerance, reports
from course_lib.keys import quiz_09r
from course_lib.keys.loops import signed_numbers
from course_lib.keys.situations import Situations
from course_lib.recipes import coded

lesson = Lesson("09r", "Review C", quiz_09r)

# --- RC.1 ------------------------------------------------------------------------------------------------------------

MEASUREMENTS = ("shape", "finite", "leaf", "norm", "graph", "perfect", "difference", "curve")
SITUATIONS = Situations(
    {"A": ["difference"], "B": ["leaf"], "C": ["shape"], "D": ["perfect"], "E": ["norm"], "F": ["graph"]},
    MEASUREMENTS, read=lambda word: word.removesuffix("s"),  # one or several of a thing
)  # fmt: skip


@lesson.exercise(
    number="RC.1", title="What do you measure first?", signature="list[str]", kind="choice", points=1, minutes=7, section="rA",
    hints=(
        "For each run: what does the report already rule out? A model whose weights move gets gradients; one that trains has no "
        "NaN.",
        "Ask whether the gradient is wrong, or right for the wrong loss, or not the matter at all. A loss can be asked about a "
        "perfect answer, a gradient about its size or about a difference, a tensor about its past.",
        "Six of the eight words are used, each once. A curve only repeats what the report says already.",
    ),
)
def review_c_methods(ask):
    """Six words, for the runs A to F."""
    with ask.part("six runs", 3):
        SITUATIONS.demand(ask(), "what answers most for each run")


def _wrong_word(id, letter, said, sentence):
    SITUATIONS.add_wrong_word(review_c_methods, id, letter, said, sentence)


_wrong_word(
    "F20", "A", ("curve", "perfect"),
    "In A the loss falls already, and it falls with many wrong gradients, too. Only a difference tells whether a backward is "
    "right.",
)
_wrong_word(
    "size-for-proof", "A", ("norm", "finite"),
    "In A every number may look healthy: a gradient that is wrong by a factor has a size, too. Hold it against a difference.",
)
_wrong_word(
    "connected-already", "A", ("leaf", "graph", "shape"),
    "In A it trains, so the backward is reached and its shapes fit. Whether its numbers are right is open: hold them against a "
    "difference.",
)
_wrong_word(
    "B8", "B", ("norm", "graph", "difference"),
    "In B nothing is lost: the weights in front of h move, so the gradient came through h. Only leaves keep a .grad, and "
    ".is_leaf says that h is none.",
)
_wrong_word(
    "B8-run", "B", ("curve", "perfect", "finite", "shape"),
    "In B the run is well, and the reading is not: None is no number at all. Ask h itself whether it is a leaf, for only leaves "
    "keep a .grad.",
)
_wrong_word(
    "E9", "C", ("difference", "norm", "graph", "leaf"),
    "In C every gradient may be right, of a loss that compares each prediction with each target. (N, 1) minus (N,) is (N, N): "
    "look at the shapes.",
)
_wrong_word(
    "E9-run", "C", ("curve", "finite", "perfect"),
    "In C the mean is the best answer to the loss as it is written, so no waiting helps. What is compared with what? Look at the "
    "shapes.",
)
_wrong_word(
    "E5-wait", "D", ("curve",),
    "In D nearly all rows are right and the loss has come to rest: a thousand more steps show the same line. Ask what this loss "
    "says to a perfect answer.",
)
_wrong_word(
    "E5", "D", ("difference", "norm", "finite", "shape", "leaf", "graph"),
    "In D the model is right and its loss does not say so. Gradient and shapes may fit the loss as it is written; ask the loss "
    "what a perfect answer costs.",
)
_wrong_word(
    "F12", "E", ("curve", "difference", "perfect", "graph"),
    "In E a gradient of norm 1 cannot move anything by 3, so it was longer when the step was made. Print its norm at "
    "that moment.",
)
_wrong_word(
    "F12-other", "E", ("finite", "shape", "leaf"),
    "In E everything moves, by finite amounts and in its shape: only too far. How long is the gradient when the step is made? "
    "Print its norm.",
)
_wrong_word(
    "F13", "F", ("curve", "norm", "finite", "difference"),
    "In F the numbers may all be right. What grows is the graph behind something that is kept: look at its grad_fn.",
)
_wrong_word(
    "F13-other", "F", ("leaf", "shape", "perfect"),
    "In F no tensor gets larger, and yet memory grows: something that is carried on remembers all it came from. Look at its "
    "grad_fn, the graph.",
)


# --- RC.2 ------------------------------------------------------------------------------------------------------------


@reports(shadow=list, params=list, graph=bool, leaves=bool, gradients=bool)
def averaged_twice(ema_step, shadow, params, gradients, decay, tracked):
    """your function runs, the parameters move, it runs once more, and they move again"""
    shadow = [s.clone().requires_grad_(tracked) for s in shadow]
    params = [p.clone().requires_grad_() for p in params]
    for p, g in zip(params, gradients, strict=True):
        p.grad = g.clone()
    found, kept = [], []
    for _ in range(2):
        ema_step(list(shadow), list(params), decay)
        kept += [p.detach().clone() for p in params]
        with torch.no_grad():
            for p, g in zip(params, gradients, strict=True):
                p -= 0.3 * g
        found += [s.detach().clone() for s in shadow]
    return {
        "shadow": found, "params": kept, "graph": any(s.grad_fn is not None or s.requires_grad > tracked for s in shadow),
        "leaves": all(p.is_leaf and p.requires_grad for p in params),
        "gradients": all(p.grad is not None and torch.equal(p.grad, g) for p, g in zip(params, gradients, strict=True)),
    }


def _averages(shadow, params, gradients, decay):
    """What averaged_twice should find: (shadow weights, parameters), each after the first call and after the second."""
    moved = [p - 0.3 * g for p, g in zip(params, gradients, strict=True)]
    once = [decay * s + (1 - decay) * p for s, p in zip(shadow, params, strict=True)]
    twice = [decay * s + (1 - decay) * p for s, p in zip(once, moved, strict=True)]
    return once + twice, params + moved


@lesson.exercise(
    number="RC.2", title="A shadow of the weights", points=1, minutes=6, section="rB", rechecks=("sgd_step",),
    signature="(shadow: list[Tensor], params: list[Tensor], decay: float) -> None",
    hints=(
        "The caller holds the tensors of `shadow`. What of a new tensor that you make is seen there? And who shall remember how "
        "the average was made?",
        "Two things together: change each shadow tensor in place, and let autograd record nothing of it.",
        "Under torch.no_grad(), for each pair: scale the shadow weight in place by decay, then add the share 1 − decay of the "
        "parameter to it, in place as well. lerp_ does both at once.",
    ),
)
def ema_step(ask):
    """shadow ← decay·shadow + (1 − decay)·param, in place and unrecorded."""

    def asked(tracked):
        shadow, params, gradients = ([signed_numbers(ask.rng, 3, 6), signed_numbers(ask.rng, 7)] for _ in range(3))
        decay = round(ask.rng.uniform(0.6, 0.9), 2)
        averages, kept = _averages(shadow, params, gradients, decay)
        answer = ask.using(averaged_twice, shadow, params, gradients, decay, tracked)
        answer.equals({"shadow": averages}, "a weight of")
        if answer.value:
            same = all(map(np.array_equal, (one.numbers for one in answer.value["params"]), kept))
            answer.holds(same, "the parameters as they were", "your function moved a parameter", Layer.SIDE_EFFECT)
            answer.holds(answer.value["leaves"], "parameters that are still tracked leaves", "a parameter is none any more",
                         Layer.SIDE_EFFECT)  # fmt: skip
            answer.holds(answer.value["gradients"], "the .grad of the parameters as it was", "your function changed a .grad",
                         Layer.SIDE_EFFECT)  # fmt: skip
            answer.holds(not answer.value["graph"], "shadow weights that autograd records nothing about",
                         "a shadow weight is a tracked result now, with a grad_fn", Layer.CONNECTED)  # fmt: skip

    with ask.part("the average, with nothing recorded and the parameters left alone", 2):
        asked(tracked=False)
        asked(tracked=False)
    with ask.part("where the shadow weights are tracked leaves"):
        asked(tracked=not ask.problems)  # an error that stops the code would hide what else is wrong


ema_step.sort_lines(
    "with torch.no_grad():",
    "    for s, p in zip(shadow, params):",
    "        s *= decay",
    "        s += (1 - decay) * p",
    lures={"no-share": "        s += p", "F5": "        s = s * decay"},
)


def _follow(shadow, params, keep, add):
    with torch.no_grad():
        for s, p in zip(shadow, params, strict=True):
            s.mul_(keep).add_(p, alpha=add)


@ema_step.mistake("F5")
def new_tensors(shadow, params, decay):
    """You make new tensors and give them a name, or a place in the list. The caller holds the old ones, and those are as they
    were: change them in place."""
    for s, p in zip(shadow, params, strict=True):
        s = decay * s + (1 - decay) * p


@ema_step.mistake("F5-half")
def only_the_second_in_place(shadow, params, decay):
    """The shadow weight is scaled and never gets its share: `s = s + …` makes a new tensor. Add in place, to the tensor that was
    handed in."""
    with torch.no_grad():
        for s, p in zip(shadow, params, strict=True):
            s *= decay
            s = s + (1 - decay) * p


@ema_step.mistake("F13")
def recorded(shadow, params, decay):
    """The numbers are right, and autograd recorded how they were made: each shadow weight now holds the graph of every step so
    far. Work under torch.no_grad()."""
    for s, p in zip(shadow, params, strict=True):
        s.mul_(decay).add_(p, alpha=1 - decay)


@ema_step.mistake("F6")
def parameters_detached(shadow, params, decay):
    """Right for plain tensors. Where a shadow weight is a tracked leaf itself, as in a copied model, nothing changes it in place
    outside of torch.no_grad(), whatever else you detach."""
    for s, p in zip(shadow, params, strict=True):
        s.mul_(decay).add_(p.detach(), alpha=1 - decay)


@ema_step.mistake("swapped")
def shares_swapped(shadow, params, decay):
    """The shares are swapped: the shadow keeps the share decay of itself and takes 1 − decay of the parameter."""
    _follow(shadow, params, 1 - decay, decay)


@ema_step.mistake("no-share")
def whole_parameter_added(shadow, params, decay):
    """You add the whole parameter. It counts with the share 1 − decay, so that both shares add up to 1."""
    _follow(shadow, params, decay, 1)


@ema_step.mistake("not-scaled")
def shadow_not_scaled(shadow, params, decay):
    """The shadow weight is never scaled by decay, so it grows with every step: both shares have to add up to 1."""
    _follow(shadow, params, 1, 1 - decay)


@ema_step.mistake("copied")
def copied(shadow, params, decay):
    """You copy the parameters. The shadow moves only a little towards them: it keeps the share decay of what it was."""
    _follow(shadow, params, 0, 1)


@ema_step.mistake("alias")
def the_same_memory(shadow, params, decay):
    """Shadow and parameter share their numbers now: where the parameter moves, the shadow moves with it. Write into the
    shadow's own tensor."""
    with torch.no_grad():
        for s, p in zip(shadow, params, strict=True):
            p_now = p.data
            s.data = p_now


@ema_step.mistake("params-moved")
def parameters_moved(shadow, params, decay):
    """You moved the parameters towards the shadow. It is the other way round: they train, and the shadow follows."""
    with torch.no_grad():
        for s, p in zip(shadow, params, strict=True):
            p.mul_(1 - decay).add_(s, alpha=decay)


@ema_step.mistake("frozen")
def parameters_frozen(shadow, params, decay):
    """The average is right, and the parameters are not tracked any more, so they will never train again. torch.no_grad() stops
    the recording without touching them."""
    for p in params:
        p.requires_grad_(False)
    _follow(shadow, params, decay, 1 - decay)


@ema_step.mistake("gradients")
def gradients_averaged(shadow, params, decay):
    """You averaged the gradients. That is momentum; the shadow follows the parameters themselves."""
    _follow(shadow, [p.grad for p in params], decay, 1 - decay)


# --- RC.3 ------------------------------------------------------------------------------------------------------------


@reports(object)
def result_between(function, x, low, high):
    """what apply returns"""
    return function.apply(x.requires_grad_(), low, high)


@reports(object)
def gradient_between(function, x, low, high, g):
    """what arrives at x when g comes in at the result"""
    y = function.apply(x.requires_grad_(), low, high)
    return torch.autograd.grad(y, x, g, allow_unused=True)[0] if isinstance(y, torch.Tensor) else None


@reports(bool)
def leaves_its_input(function, x, low, high):
    """whether apply leaves x as it was"""
    before = x.clone()
    function.apply(x.requires_grad_() * 1, low, high)
    function.apply(x, low, high)
    return torch.equal(x.detach(), before)


def _around(rng):
    """(x, low, high): two numbers below, two inside and two above."""
    low, high = -round(rng.uniform(0.4, 0.9), 2), round(rng.uniform(1.1, 1.7), 2)
    inside = [low * rng.uniform(0.2, 0.8), high * rng.uniform(0.2, 0.8)]
    below, above = ([edge * rng.uniform(1.2, 2.5) for _ in range(2)] for edge in (low, high))
    x = [*below, *inside, *above]
    rng.shuffle(x)
    return np.array(x), low, high


@lesson.exercise(
    number="RC.3", title="Clamped, and still trained", kind="class", points=2, minutes=8, section="rC", rechecks=("RoundSTE",),
    signature="(torch.autograd.Function): apply(x: Tensor[n], low: float, high: float) -> Tensor[n]",
    hints=(
        "What is the slope of clamp at a number beyond the range? What would training make of such a weight?",
        "Backward pretends that forward had been y = x. And it owes one thing to each input of forward, in their order.",
        "forward has three inputs besides ctx. What arrived goes to x as it came; low and high are numbers, so None belongs in "
        "their places. Nothing has to be saved.",
    ),
)
def ClampSTE(ask):  # noqa: N802
    """clamp forward, g backward."""
    with ask.part("forward clamps, and leaves its input alone"):
        for _ in range(2):
            x, low, high = _around(ask.rng)
            ask.using(result_between, x, low, high).equals(np.clip(x, low, high), "the nearest number of the range")
        for dtype in ("float32", "float64"):
            ask.using(result_between, x.astype(dtype), low, high).is_tensor(dtype)
        answer = ask.using(leaves_its_input, x, low, high)
        answer.holds(answer.value is True, "x as it was handed in", "your forward changed x itself", Layer.SIDE_EFFECT)
    with ask.part("backward hands on what arrived, also beyond the range", 2):
        for _ in range(2):
            x, low, high = _around(ask.rng)
            g = signed_numbers(ask.rng, 6, high=2.4)
            ask.using(gradient_between, x, low, high, g).equals(g, "the gradient of x")


class _Clamped(torch.autograd.Function):
    """What the wrong ones share: a right forward, and a backward that hands on."""

    @staticmethod
    def forward(ctx, x, low, high):
        ctx.save_for_backward(x)
        ctx.low, ctx.high = low, high
        return x.clamp(low, high)

    @staticmethod
    def backward(ctx, g):
        return g, None, None


@ClampSTE.mistake("true-slope")
class TrueSlope(_Clamped):
    """You return the true slope of clamp: g inside the range and 0 beyond it, where a weight is then stuck for ever.
    Straight-through hands g on everywhere."""

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return g * ((x > ctx.low) & (x < ctx.high)), None, None


@ClampSTE.mistake("B19")
class Nothing(_Clamped):
    """You return zeros, so nothing in front of this ever learns. Straight-through hands g on as if forward had been y = x."""

    @staticmethod
    def backward(ctx, g):
        return torch.zeros_like(g), None, None


@ClampSTE.mistake("D10")
class Ones(_Clamped):
    """You return ones. Straight-through means that g passes unchanged, and g is not always 1."""

    @staticmethod
    def backward(ctx, g):
        return torch.ones_like(g), None, None


@ClampSTE.mistake("clamped-g")
class ClampsTheGradient(_Clamped):
    """You clamp the gradient as well. Only forward clamps; g passes as it came."""

    @staticmethod
    def backward(ctx, g):
        return g.clamp(ctx.low, ctx.high), None, None


@ClampSTE.mistake("times-x")
class TimesX(_Clamped):
    """You multiply g with x. Straight-through pretends that y = x, whose slope is 1."""

    @staticmethod
    def backward(ctx, g):
        return g * ctx.saved_tensors[0], None, None


@ClampSTE.mistake("not-clamped")
class Identity(_Clamped):
    """Forward returns x as it is. It has to clamp; only backward pretends that it did not."""

    @staticmethod
    def forward(ctx, x, low, high):
        return x.clone()


@ClampSTE.mistake("one-sided")
class UpperEdgeAlone(_Clamped):
    """Forward cuts off above `high` and lets everything below `low` through."""

    @staticmethod
    def forward(ctx, x, low, high):
        return x.clamp(max=high)


@ClampSTE.mistake("one-sided-low")
class LowerEdgeAlone(_Clamped):
    """Forward cuts off below `low` and lets everything above `high` through."""

    @staticmethod
    def forward(ctx, x, low, high):
        return x.clamp(min=low)


@ClampSTE.mistake("edges-swapped")
class EdgesSwapped(_Clamped):
    """low and high have changed places, so every number becomes an edge. apply hands them over in the order x, low, high."""

    @staticmethod
    def forward(ctx, x, high, low):
        return x.clamp(low, high)


@ClampSTE.mistake("in-place")
class InPlace(_Clamped):
    """`clamp_` changes the caller's own tensor. Make a new one: x.clamp(low, high)."""

    @staticmethod
    def forward(ctx, x, low, high):
        return x.clamp_(low, high)


@ClampSTE.mistake("D11", fresh=True)
def too_few_gradients():
    """forward has three inputs, and your backward returns fewer things: return one for each, and None for `low` and for
    `high`."""

    class ClampSTE(_Clamped):
        @staticmethod
        def backward(ctx, g):
            return g

    return ClampSTE


@ClampSTE.mistake("D11-none", fresh=True)
def something_for_the_edges():
    """In the places of `low` and `high` your backward returns numbers or tensors. They are no tensors, so None belongs there;
    and the order is that of forward's inputs."""

    class ClampSTE(_Clamped):
        @staticmethod
        def backward(ctx, g):
            return g, torch.zeros(()), torch.zeros(())

    return ClampSTE


@ClampSTE.mistake("saved-number")
class NumbersSaved(_Clamped):
    """save_for_backward takes tensors only, and here nothing has to be saved: backward needs neither x nor the edges."""

    @staticmethod
    def forward(ctx, x, low, high):
        ctx.save_for_backward(x, low, high)
        return x.clamp(low, high)


# --- RC.4 ------------------------------------------------------------------------------------------------------------

MOMENTUM = 0.5  # as in stepped()
CLIPPED = Tolerance(rtol=3e-5)  # PyTorch divides by the norm + 1e-6, others by the norm


def small_classifier(W, b, V, c):
    """A module with the logits V·tanh(W·x + b) + c, in float64."""

    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.last = nn.Linear(len(W[0]), len(W)), nn.Linear(len(W), len(V))
            self.double()
            for parameter, numbers in zip(self.parameters(), (W, b, V, c), strict=True):
                parameter.data = torch.tensor(numbers, dtype=torch.float64)

        def forward(self, X):
            return self.last(torch.tanh(self.first(X)))

    return Model()


@reports(losses=list, weights=list, plain=bool)
def stepped(fix_review_step, model, X, y, lr, steps):
    """old gradients lie in .grad, then your function makes these steps, by SGD with momentum"""
    for parameter in model.parameters():
        parameter.grad = torch.full_like(parameter, 0.37)
    optimiser = torch.optim.SGD(model.parameters(), lr=lr, momentum=0.5)
    losses = [fix_review_step(model, optimiser, X, y) for _ in range(steps)]
    return {
        "losses": losses, "weights": [parameter.detach() for parameter in model.parameters()],
        "plain": not any(getattr(loss, "requires_grad", False) for loss in losses),
    }


def _walk(weights, X, y, twice=False):
    """(loss, gradients) of small_classifier(*weights), by the chain rule; twice: with a softmax in front of cross_entropy."""
    W, b, V, c = weights
    h = np.tanh(X @ W.T + b)
    z = h @ V.T + c
    p = q = _softmax(z)
    if twice:
        q = _softmax(p)
    rows = np.arange(len(y))
    dz = (q - np.eye(len(c))[y]) / len(y)
    if twice:
        dz = p * (dz - (dz * p).sum(1, keepdims=True))
    inner = (dz @ V) * (1 - h**2)
    shown = p if twice else z
    loss = (np.log(np.exp(shown - shown.max(1, keepdims=True)).sum(1)) + shown.max(1) - shown[rows, y]).mean()
    return float(loss), [inner.T @ X, inner.sum(0), dz.T @ h, dz.sum(0)]


def _softmax(z):
    e = np.exp(z - z.max(1, keepdims=True))
    return e / e.sum(1, keepdims=True)


def _norm(gradients):
    return float(np.sqrt(sum((g**2).sum() for g in gradients)))


def _trained(weights, X, y, lr, steps, twice=False):
    """(losses, weights, norms) of these steps with the gradient shortened to norm 1."""
    weights, speed, losses, norms = [np.array(w) for w in weights], [0.0] * 4, [], []
    for _ in range(steps):
        loss, gradients = _walk(weights, X, y, twice)
        losses.append(loss)
        norms.append(_norm(gradients))
        speed = [MOMENTUM * v + g * min(1.0, 1 / norms[-1]) for v, g in zip(speed, gradients, strict=True)]
        weights = [w - lr * v for w, v in zip(weights, speed, strict=True)]
    return losses, weights, norms


def _problem(rng, size, last=1.0):
    """(weights, X, y, lr): with inputs larger by `size`, weights as much smaller in the first layer, and larger in the last."""
    shapes, scales = ((5, 3), (5,), (4, 5), (4,)), (1 / max(1.0, size), 1.0, last, 1.0)
    weights = [scale * signed_numbers(rng, *shape, low=0.2, high=0.8) for shape, scale in zip(shapes, scales, strict=True)]
    X, y = size * signed_numbers(rng, 7, 3, low=0.2, high=0.9), np.array([rng.randrange(4) for _ in range(7)])
    return weights, X, y, round(rng.uniform(0.2, 0.4), 2)


def _short(rng):
    """A problem where the gradients of two steps need no shortening."""
    while True:
        found = _problem(rng, 0.7)
        if max(_trained(*found, 2)[2]) < 0.8:
            return found


def _long(rng):
    """One where the first gradient is too long, also that of probabilities."""
    while True:
        found = _problem(rng, 20.0, last=2.0)
        if min(_trained(*found, 1, twice)[2][0] for twice in (False, True)) > 1.3:
            return found


def _far_off(rng):
    """One with logits thousands apart, and for labels the smallest."""
    weights, X, _, lr = _problem(rng, 1.0, last=3000.0)
    W, b, V, c = weights
    return weights, X, (np.tanh(X @ W.T + b) @ V.T + c).argmin(1), lr


@lesson.exercise(
    number="RC.4", title="Fix me: a step with two faults", points=2, minutes=9, section="rA",
    rechecks=("fix_double_softmax", "clip_norm"), signature="(model, optimiser, X: Tensor[N, n], y: LongTensor[N]) -> float",
    hints=(
        "Measure two numbers: the loss of logits that are certain and right, and what clip_grad_norm_ returns. What should each "
        "be, and what is it?",
        "cross_entropy makes its own probabilities. And a gradient can be shortened only when it is there and not yet used.",
        "Two things change: what cross_entropy is given, and the place of clip_grad_norm_, which belongs between backward and "
        "step.",
    ),
)
def fix_review_step(ask):
    """One step by the logits' loss, its gradient shortened between backward and step."""

    def asked(weights, X, y, lr, steps, twice=False):
        model = coded(small_classifier, *(w.tolist() for w in weights), text="a small model")
        answer = ask.using(stepped, model, X, y, lr, steps)
        found = answer.value["losses"] if isinstance(answer.value, dict) else []
        wrong_loss = _walk(weights, X, y, twice=True)[0]
        twice = twice and bool(found) and isinstance(found[0], float) and abs(found[0] - wrong_loss) < 1e-5
        losses, moved, _ = _trained(weights, X, y, lr, steps, twice)
        answer.equals({"losses": losses}, "an entry of", CLIPPED)
        answer.equals({"weights": moved}, "after the steps an entry of", CLIPPED)
        answer.holds(not answer.value or answer.value["plain"], "a plain number", "your loss is a tensor with its graph",
                     Layer.CONNECTED)  # fmt: skip

    with ask.part("the loss of the logits, and a step with a short gradient as it is", 2):
        asked(*_short(ask.rng), 2)
    with ask.part("a long gradient is shortened to norm 1 before the step", 2):
        asked(*_long(ask.rng), 2, twice=True)
    with ask.part("finite where the model is certain and wrong"):
        asked(*_far_off(ask.rng), 1)


@fix_review_step.broken
def review_step(model, optimiser, X, y):
    optimiser.zero_grad()
    p = torch.softmax(model(X), dim=1)
    loss = torch.nn.functional.cross_entropy(p, y)
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    loss.backward()
    optimiser.step()
    return loss.item()


def _step(model, optimiser, X, y, loss_of=F.cross_entropy, shorten=None, clear=True, empty=False, back=None):
    """A step with one thing changed."""
    if clear:
        optimiser.zero_grad()
    loss = loss_of(model(X), y)
    loss.backward()
    if empty:
        optimiser.zero_grad()
    parameters = list(model.parameters())
    (shorten or _by_norm)(parameters)
    optimiser.step()
    return back(loss) if back else loss.item()


def _by_norm(parameters):
    nn.utils.clip_grad_norm_(parameters, 1.0)


def _not_at_all(parameters):
    """What clipping before backward or after the step comes to."""


def _of_probabilities(z, y):
    return F.cross_entropy(torch.softmax(z, 1), y)


@fix_review_step.mistake("E5")
def softmax_still_there(model, optimiser, X, y):
    """The clipping is in its place now. The loss is still that of a softmax of a softmax: cross_entropy wants the logits."""
    return _step(model, optimiser, X, y, _of_probabilities)


@fix_review_step.mistake("F12")
def clipping_without_effect(model, optimiser, X, y):
    """The loss is mended. Your step still uses the whole gradient: before backward there is nothing to shorten, after the step it
    is too late, and without the line nothing happens."""
    return _step(model, optimiser, X, y, shorten=_not_at_all)


@fix_review_step.mistake("both-left")
def both_faults_left(model, optimiser, X, y):
    """Both faults are left: the loss takes the softmax of a softmax, and the step uses the whole gradient."""
    return _step(model, optimiser, X, y, _of_probabilities, shorten=_not_at_all)


@fix_review_step.mistake("E5-nll")
def logarithm_missing(model, optimiser, X, y):
    """nll_loss wants log-probabilities; you gave it probabilities. Its values are negative now."""
    return _step(model, optimiser, X, y, lambda z, y: F.nll_loss(torch.softmax(z, 1), y))


@fix_review_step.mistake("E6")
def log_of_probabilities(model, optimiser, X, y):
    """Right for small logits. Where the model is certain and wrong, softmax rounds to 0 and its logarithm is infinite. Stay in
    the logarithm: cross_entropy of the logits, or log_softmax."""
    return _step(model, optimiser, X, y, lambda z, y: F.nll_loss(torch.log(torch.softmax(z, 1)), y))


@fix_review_step.mistake("E4")
def down_the_columns(model, optimiser, X, y):
    """You normalise down the columns: softmax goes over the classes of each row, dim=1."""
    return _step(model, optimiser, X, y, lambda z, y: F.nll_loss(F.log_softmax(z, 0), y))


@fix_review_step.mistake("A16")
def sum_for_mean(model, optimiser, X, y):
    """That is the sum over the rows. The loss that was given is their mean."""
    return _step(model, optimiser, X, y, lambda z, y: F.cross_entropy(z, y, reduction="sum"))


@fix_review_step.mistake("F11")
def cut_off_by_value(model, optimiser, X, y):
    """You cut every entry off by value. That bends the gradient into another direction; the given line shortens it, by norm."""
    return _step(model, optimiser, X, y, shorten=lambda parameters: nn.utils.clip_grad_value_(parameters, 1.0))


@fix_review_step.mistake("each-by-itself")
def each_tensor_by_itself(model, optimiser, X, y):
    """You shorten the gradient of each tensor by itself. Norm 1 is meant for all of them together, as one long vector."""
    return _step(model, optimiser, X, y, shorten=lambda parameters: [_by_norm([p]) for p in parameters])


@fix_review_step.mistake("always")
def always_scaled(model, optimiser, X, y):
    """You scale to norm 1 even where the gradient is shorter: short gradients get longer. Only long ones are cut."""

    def scale(parameters):
        norm = torch.sqrt(sum((p.grad**2).sum() for p in parameters))
        for p in parameters:
            p.grad /= norm

    return _step(model, optimiser, X, y, shorten=scale)


@fix_review_step.mistake("F1")
def never_cleared(model, optimiser, X, y):
    """What lay in .grad before is still in your step: clear it before backward."""
    return _step(model, optimiser, X, y, clear=False)


@fix_review_step.mistake("F2")
def cleared_before_the_step(model, optimiser, X, y):
    """Your loss is right, and nothing moves: .grad is empty when the step is made. Between backward and step it may be
    shortened, not cleared."""
    return _step(model, optimiser, X, y, empty=True)


@fix_review_step.mistake("late")
def loss_afterwards(model, optimiser, X, y):
    """You return the loss after the step. The one before it was asked for, and it is there already: no second forward pass."""
    return _step(model, optimiser, X, y, back=lambda loss: F.cross_entropy(model(X), y).item())


@fix_review_step.mistake("F13")
def loss_with_its_graph(model, optimiser, X, y):
    """The step is right, and you return a tensor that holds the whole graph of it. Whoever keeps these losses keeps all graphs:
    return loss.item()."""
    return _step(model, optimiser, X, y, back=lambda loss: loss)


