"""Review B, over lessons 01 to 06: the key of its exercises and how people go wrong."""

import numpy as np
import torch

from course_lib.exercise import Lesson
from course_lib.keys import quiz_06r
from course_lib.keys.situations import Situations
from course_lib.recipes import coded
from course_lib.vectors import fields, point

lesson = Lesson("06r", "Review B", quiz_06r)

# --- RB.1 ------------------------------------------------------------------------------------------------------------

METHODS = ("backward", "autograd.grad", "vjp", "jvp", "jacrev", "jacfwd", "hvp", "detach")
SITUATIONS = Situations({  # the methods that are right for each
    "A": ("backward",),
    "B": ("jacfwd",),
    "C": ("jacrev",),
    "D": ("jvp",),
    "E": ("hvp",),
    "F": ("vjp", "autograd.grad"),
}, METHODS)


@lesson.exercise(
    number="RB.1", title="Which of eight tools?", signature="list[str]", kind="choice", points=1, minutes=7, section="rA",
    hints=(
        "For each situation: is a whole table wanted, or the table times something? And which side is narrow?",
        "A table: as many walks back as outputs, or pushes forward as inputs; take the smaller. Times weights on the outputs: "
        "vjp. Times a direction of the inputs: jvp. Second derivatives times a direction: hvp.",
        "Six of the eight words are used, each once. detach cuts, and nothing here asks for a cut.",
    ),
)
def review_b_methods(ask):
    """Six words, for the situations A to F."""
    with ask.part("six situations", 3):
        SITUATIONS.demand(ask(), "the tool that fits each situation")


def _wrong_word(id, letter, said, sentence):
    SITUATIONS.add_wrong_word(review_b_methods, id, letter, said, sentence)


_wrong_word(
    "update", "A", ("autograd.grad", "jacrev", "vjp"),
    "In A the gradients shall stand ready for an update, in .grad: that is what backward does.",
)
_wrong_word(
    "narrow-inputs", "B", ("jacrev", "backward", "vjp"),
    "In B the inputs are the narrow side, 3 of them: 3 pushes forward give the whole table, jacfwd. Backward pays for "
    "each of the 1000 "
    "outputs.",
)
_wrong_word(
    "D3", "C", ("backward", "autograd.grad", "vjp"),
    "In C the rows touch each other, so one walk back from the sum mixes them. The whole table keeps them apart: jacrev.",
)
_wrong_word(
    "narrow-outputs", "C", ("jacfwd",),
    "In C there are 5 outputs and more inputs: walks back are cheaper than pushes forward, jacrev.",
)
_wrong_word(
    "D4", "D", ("vjp", "autograd.grad", "backward"),
    "In D you have a direction of the inputs: push it forward, jvp. A vjp takes weights on the outputs.",
)
_wrong_word(
    "table-for-one-direction", "D", ("jacfwd", "jacrev"),
    "In D one direction is asked about. jacfwd would push 1000 of them forward and jacrev walk back 1000 times; one push "
    "forward does: jvp.",
)
_wrong_word(
    "second-push", "D", ("hvp",),
    "In D no second derivative is asked for: how fast each output changes is a first one. Push once: jvp.",
)
_wrong_word(
    "first-derivative", "E", ("backward", "autograd.grad", "vjp", "jvp"),
    "In E one walk or push gives the slope along the step. How that slope changes is a second derivative: differentiate once "
    "more, hvp.",
)
_wrong_word(
    "D14", "E", ("jacrev", "jacfwd"),
    "In E a table of the gradient's slopes would be the whole Hessian, a million times a million numbers. Along one "
    "direction two walks "
    "do: hvp.",
)
_wrong_word(
    "into-grad", "F", ("backward",),
    "In F backward gives the right numbers and writes them into .grad, which shall be left alone: vjp, or autograd.grad, returns "
    "them.",
)
_wrong_word(
    "D4", "F", ("jvp",), "In F you have weights on the outputs: pull them back, vjp. A jvp takes a direction of the inputs.",
)
_wrong_word(
    "table-for-one-sum", "F", ("jacrev", "jacfwd"),
    "In F one weighted sum is asked about, and that is one walk back: vjp. The whole table has a million entries.",
)
_wrong_word(
    "cut", "F", ("detach",), "detach cuts a way, and F asks for a gradient: weights on the outputs are pulled back by vjp.",
)


# --- RB.2 ------------------------------------------------------------------------------------------------------------


@lesson.exercise(
    number="RB.2", title="Curvature along a direction", signature="(f, x: Tensor[n], d: Tensor[n]) -> Tensor[()]",
    points=2, minutes=9, section="rB", rechecks=("hvp_at",),
    hints=(
        "Walk along d and watch f. Its slope is gradient·d. How fast does that slope change as you go on?",
        "dᵀHd = d·(H d), and H d is the gradient of the number gradient·d. Or: differentiate t ↦ f(x + t·d) twice at t = 0.",
        "t = a tracked 0-d zero; first = grad of f(x + t·d) by t with create_graph=True; then the derivative of first by t.",
    ),
)
def curvature_along(ask):
    """dᵀHd, without H."""
    with ask.part("the curvature along d", 3):
        for n in (3, 4, 2):
            (f,) = fields(ask.rng, n, 1)
            x, d = point(ask.rng, n), point(ask.rng, n)
            ask(f, x, d).equals(d @ f.hessian(x) @ d, "dᵀHd")
    with ask.part("for 2,000 inputs", 2):
        x, d = (np.array([ask.rng.uniform(-1.2, 1.2) for _ in range(2000)]) for _ in range(2))
        answer = ask(coded(chained_waves, text="Σ sin(xᵢ)·xᵢ₊₁"), x, d).equals(_waves_along(x, d), "dᵀHd")
        answer.calls_at_most(100, "a few calls of f, not one for each of the 2,000 inputs")
        if answer.reply.seconds > SLOW:
            ask.advise(
                f"For 2,000 inputs this took more than {SLOW} seconds. If your code builds H, four million numbers, "
                "that is why: H·d is the gradient of the one number gradient·d, and d·(H d) needs no table."
            )


SLOW = 0.1  # seconds; two walks take less than a thousandth of one, all of H several tenths


def chained_waves(x):
    return (torch.sin(x[:-1]) * x[1:]).sum()


def _waves_along(x, d):
    """dᵀHd of Σ sin(xᵢ)·xᵢ₊₁ in closed form."""
    return float((-np.sin(x[:-1]) * x[1:] * d[:-1] ** 2 + 2 * np.cos(x[:-1]) * d[:-1] * d[1:]).sum())


def _leaf(x):
    return x.detach().clone().requires_grad_()


def _gradient(f, x):
    leaf = _leaf(x)
    return leaf, torch.autograd.grad(f(leaf), leaf, create_graph=True)[0]


def _walk(number, leaf):
    """The gradient; 0 where f is linear and the gradient has no way back."""
    return torch.autograd.grad(number, leaf, retain_graph=True, allow_unused=True, materialize_grads=True)[0]


@curvature_along.mistake("A14")
def slope_squared(f, x, d):
    """You squared the slope along d. Curvature is how fast that slope changes."""
    return (_gradient(f, x)[1] @ d) ** 2


@curvature_along.mistake("slope")
def slope_along(f, x, d):
    """That is the slope along d, gradient·d. Differentiate it once more along d."""
    return (_gradient(f, x)[1] @ d).detach()


@curvature_along.mistake("one-d")
def only_hd_summed(f, x, d):
    """You added up the entries of H·d. The second d is missing: d·(H d)."""
    leaf, g = _gradient(f, x)
    return _walk(g @ d, leaf).sum()


@curvature_along.mistake("C6")
def gradient_added(f, x, d):
    """That is d·(gradient + H·d): both walks wrote into the same .grad, and .grad adds up. torch.autograd.grad returns each by
    itself."""
    leaf, g = _gradient(f, x)
    return d @ (g + _walk(g @ d, leaf))


@curvature_along.mistake("half")
def term_of_taylor(f, x, d):
    """That is half of it, ½·dᵀHd: the term of Taylor's formula, or a difference without its factor. The curvature is dᵀHd."""
    leaf, g = _gradient(f, x)
    return d @ _walk(g @ d, leaf) / 2


@curvature_along.mistake("vector")
def hd_itself(f, x, d):
    """That is H·d, one number for each input. The curvature along d is a single number, d·(H d)."""
    leaf, g = _gradient(f, x)
    return _walk(g @ d, leaf)


@curvature_along.mistake("diagonal")
def diagonal_only(f, x, d):
    """Only the second derivatives of each input by itself are there. The mixed ones count, too."""
    if len(x) > 100:  # the large case in closed form
        return (-torch.sin(x[:-1]) * x[1:] * d[:-1] ** 2).sum()
    leaf, g = _gradient(f, x)
    return sum(_walk(g[i], leaf)[i] * d[i] ** 2 for i in range(len(x)))


@curvature_along.mistake("normalised")
def along_a_unit_vector(f, x, d):
    """You scaled d to length 1 first. That answers another question: dᵀHd is for the d that was given."""
    leaf, g = _gradient(f, x)
    return d @ _walk(g @ d, leaf) / (d @ d)


# --- RB.3 ------------------------------------------------------------------------------------------------------------


def spread(X):
    return ((X - X.mean(0)) ** 2).sum(1)


def share(X):
    return X.sum(1) / (1 + (X**2).sum())


def running_sum(X):
    return torch.sin(torch.cumsum(X, dim=0)).sum(1)


def backward_sum(X):
    return torch.sin(torch.cumsum(X.flip(0), dim=0)).sum(1).flip(0)


def neighbours(X):
    total = X.sum(1)
    return total + total.roll(1) - total.roll(-1)


COUPLED = {
    "the squared distance of each row to the mean": spread, "each row's share of a total": share,
    "a running sum down the batch": running_sum, "a running sum up the batch": backward_sum,
    "each row's sum plus that of the row before and minus that of the row after": neighbours,
}


@lesson.exercise(
    number="RB.3", title="Each row's own gradient, or a complaint", points=2, minutes=11, section="rC",
    rechecks=("elementwise_derivative", "is_coupled"),
    signature="(f, X: Tensor[B, n]) -> Tensor[B, n]",
    hints=(
        "If the rows are independent, one walk back from the sum gives every row its own gradient. When does that lie?",
        "When the output of one row depends on another row. Two walks with different weights show it: scaled by its own weight, "
        "each row must come out the same.",
        "g1 from weights of 1, gw from weights w that differ from row to row; if gw is not w[:, None] * g1, raise ValueError.",
    ),
)
def row_gradients(ask):
    """The gradient of each row's number by that row; ValueError where rows touch."""
    with ask.part("every row's own gradient", 2):
        for n, B in ((3, 5), (2, 4)):
            (f,) = fields(ask.rng, n, 1)
            X = np.array([point(ask.rng, n) for _ in range(B)])
            ask(f, X).equals(np.array([f.gradient(row) for row in X]), "the gradient")
    with ask.part("a ValueError where rows depend on each other", 2):
        for text, f in COUPLED.items():
            X = np.array([point(ask.rng, 3) for _ in range(4)])
            ask(coded(f, text=text), X).raises("ValueError", f"{text} mixes the rows")
        (f,) = fields(ask.rng, 3, 1)  # and none where they do not, so that raising always earns nothing
        X = np.array([point(ask.rng, 3) for _ in range(4)])
        ask(f, X).equals(np.array([f.gradient(row) for row in X]), "the gradient")


def _by_sum(f, X):
    leaf = _leaf(X)
    return torch.autograd.grad(f(leaf).sum(), leaf)[0]


def _blocks(f, X):
    """∂(row i's number)/∂X for every i, shape (B, B, n)."""
    leaf = _leaf(X)
    y = f(leaf)
    return torch.stack([torch.autograd.grad(one, leaf, retain_graph=True)[0] for one in y])


@row_gradients.mistake("D3")
def sum_without_a_test(f, X):
    """Right while rows are independent; where they touch you return the gradient of the total and nobody notices. Test first."""
    return _by_sum(f, X)


@row_gradients.mistake("D7")
def own_blocks_without_a_test(f, X):
    """You picked each row's own block and left out the others. Where rows touch those are not 0, and the task is to say so."""
    J = _blocks(f, X)
    return J[range(len(X)), range(len(X))]


@row_gradients.mistake("D7-alone")
def each_row_alone(f, X):
    """You gave f one row at a time, and a batch of one has nobody to depend on. Give it the whole batch."""
    return torch.cat([_by_sum(f, row[None]) for row in X])


@row_gradients.mistake("D3-cancels")
def sum_against_own_blocks(f, X):
    """You took it that rows are independent wherever the gradient of the sum is each row's own. What the other rows do can cancel
    in a sum: compare with unequal weights, or look at every block."""
    J = _blocks(f, X)
    own = J[range(len(X)), range(len(X))]
    if not torch.allclose(J.sum(0), own):
        raise ValueError("rows touch")
    return own


@row_gradients.mistake("D6")
def the_whole_table(f, X):
    """That is every row's number by every row, (B, B, n). Each row's own gradient is wanted, (B, n)."""
    return _blocks(f, X)


@row_gradients.mistake("A16")
def of_the_mean(f, X):
    """You walked back from the mean: every row came out divided by the number of rows."""
    return _by_sum(f, X) / len(X)


@row_gradients.mistake("one-row")
def first_row_tested(f, X):
    """You tested the first row alone. In a running sum the first row depends on nobody else, but the later ones do: test all of
    them at once, with weights that differ."""
    J = _blocks(f, X)
    if (J[0, 1:].abs() > 1e-12).any():
        raise ValueError("rows touch")
    return J[range(len(X)), range(len(X))]


@row_gradients.mistake("one-row-moved")
def only_the_first_row_moved(f, X):
    """Your test misses a row that depends on later ones only. Then it is not enough to move the first row, or to look at the
    last number: look at all of them, or weigh all at once with weights that differ."""
    moved = X.clone()
    moved[0] += 0.5
    if not torch.allclose(f(moved)[1:], f(X)[1:]):
        raise ValueError("rows touch")
    return _by_sum(f, X)


@row_gradients.mistake("one-row-moved")
def only_the_last_row_moved(f, X):
    """Your test misses a row that depends on earlier ones only. Then it is not enough to move the last row, or to look at the
    first number: look at all of them, or weigh all at once with weights that differ."""
    moved = X.clone()
    moved[-1] += 0.5
    if not torch.allclose(f(moved)[:-1], f(X)[:-1]):
        raise ValueError("rows touch")
    return _by_sum(f, X)


@row_gradients.mistake("always")
def always_complains(f, X):
    """You raise also where no row touches another."""
    raise ValueError("rows touch")


# --- RB.4 ------------------------------------------------------------------------------------------------------------


@lesson.exercise(
    number="RB.4", title="softmax, backward", signature="(g: Tensor[C], z: Tensor[C]) -> Tensor[C]", points=1, minutes=6,
    section="rA", rechecks=("softmax_jacobian",),
    hints=(
        "gᵀJ with J = diag(p) − p pᵀ. What does g do with the first piece, what with the second?",
        "gᵀdiag(p) is g·p entry by entry; gᵀp pᵀ is one number, times p. No table is needed.",
        "p times (g minus the number Σ g·p).",
    ),
)
def softmax_vjp(ask):
    """p·(g − Σ g·p)."""
    with ask.part("the gradient for any g", 2):
        for n in (3, 5):
            g, z = point(ask.rng, n), point(ask.rng, n)
            ask(g, z).equals(_softmax_vjp(g, z), "the gradient")
    with ask.part("finite where logits are far apart"):
        for z in (np.array([1000.0, -1000.0, 999.5]), np.array([200.0, -200.0, 199.5], dtype=np.float32)):
            g = point(ask.rng, 3).astype(z.dtype)
            ask(g, z).equals(_softmax_vjp(g.astype(float), z.astype(float)), "the gradient")


def _softmax_vjp(g, z):
    p = np.exp(z - z.max())
    p = p / p.sum()
    return p * (g - g @ p)


@softmax_vjp.mistake("A17")
def diagonal_alone(g, z):
    """You used the diagonal alone, g·p·(1 − p). Every probability hears from every logit."""
    p = torch.softmax(z, 0)
    return g * p * (1 - p)


@softmax_vjp.mistake("D10")
def arriving_gradient_ignored(g, z):
    """Your answer does not use g."""
    p = torch.softmax(z, 0)
    return p * (1 - p)


@softmax_vjp.mistake("log-softmax")
def of_the_logarithm(g, z):
    """That is the backward of log-softmax. Here no logarithm follows."""
    return g - torch.softmax(z, 0) * g.sum()


@softmax_vjp.mistake("E6")
def raised_without_shift(g, z):
    """Where logits are far apart you get NaN: exp overflows. torch.softmax takes the largest logit away first."""
    e = torch.exp(z)
    p = e / e.sum()
    return p * (g - (g * p).sum())


@softmax_vjp.mistake("plain-sum")
def sum_without_p(g, z):
    """You took the plain sum of g away. The number that is taken away is Σ g·p, each g weighed with its p."""
    return torch.softmax(z, 0) * (g - g.sum())


@softmax_vjp.mistake("mean")
def mean_for_the_sum(g, z):
    """You took the mean of g·p away. What is taken away is their sum."""
    p = torch.softmax(z, 0)
    return p * (g - (g * p).mean())


@softmax_vjp.mistake("entry-by-entry")
def p_taken_from_g(g, z):
    """You took p from g entry by entry. The same number is taken from every g: Σ g·p, in which all outputs have a part."""
    p = torch.softmax(z, 0)
    return p * (g - p)


@softmax_vjp.mistake("g-for-z")
def softmax_of_g(g, z):
    """You took the softmax of g. p is softmax(z); g is what arrives at it from behind."""
    p = torch.softmax(g, 0)
    return p * (g - g @ p)


@softmax_vjp.mistake("p-misplaced")
def p_on_the_second_piece(g, z):
    """p stands at the second piece only. Both pieces have it: p·g − p·(Σ g·p)."""
    p = torch.softmax(z, 0)
    return g - p * (g @ p)


@softmax_vjp.mistake("sign")
def signs_turned(g, z):
    """Your signs are turned round: p·(g − Σ g·p)."""
    p = torch.softmax(z, 0)
    return p * (g @ p - g)


@softmax_vjp.mistake("no-p")
def factor_forgotten(g, z):
    """g − Σ g·p is right; each entry is then multiplied with its p."""
    p = torch.softmax(z, 0)
    return g - (g * p).sum()


@softmax_vjp.mistake("sum-forgotten")
def first_piece_alone(g, z):
    """g·p is the first piece, gᵀdiag(p). The second, gᵀp pᵀ, is taken away."""
    return g * torch.softmax(z, 0)
