"""Lesson 05, Jacobians and higher derivatives: the key of its exercises and how people go wrong."""

import numpy as np
import sympy
import torch
from sympy import Rational

from course_lib.exercise import Lesson
from course_lib.formula import Formula, smooth, x
from course_lib.judge import Layer, show
from course_lib.keys import quiz_05
from course_lib.recipes import Recipe
from course_lib.values import truth_of
from course_lib.vectors import fields, maps, point, unsorted_point

lesson = Lesson("05", "Jacobians", quiz_05)
POINTS = (0.7, -1.3)


def _leaf(x):
    return x.detach().clone().requires_grad_()


def _rows(f, x):
    leaf = _leaf(x)
    y = f(leaf)
    return torch.stack([torch.autograd.grad(one, leaf, retain_graph=True)[0] for one in y])


def _columns(f, x):
    return torch.stack([torch.func.jvp(f, (x,), (e,))[1] for e in torch.eye(len(x), dtype=x.dtype)], dim=1)


# --- 5.1 and 5.2 -----------------------------------------------------------------------------------------------------


@lesson.exercise(
    number="5.1", title="The Jacobian, row by row", signature="(f, x: Tensor[n]) -> Tensor[m, n]", points=1, minutes=6,
    section="05a",
    hints=(
        "One walk back with weights v gives vᵀJ. Which v gives row i?",
        "A 1 at output i and 0 elsewhere gives row i. Stack the rows; .grad must not carry anything over.",
        "y = f(leaf), once. For every i, torch.autograd.grad(y[i], leaf, retain_graph=True) is a tuple that holds row i. "
        "torch.stack puts the rows below each other.",
    ),
)
def jacobian_rows(ask):
    """The Jacobian by one walk back for each output."""
    with ask.part("shape and every entry, more outputs than inputs and fewer", 3):
        for n, m in ((3, 4), (4, 2), (2, 5)):
            (f,) = maps(ask.rng, n, m, 1)
            at = point(ask.rng, n)
            ask(f, at).equals(f.jacobian(at), "the entry of J")


jacobian_rows.sort_lines(
    "leaf = x.detach().clone().requires_grad_()",
    "y = f(leaf)",
    "rows = []",
    "for one in y:",
    "    leaf.grad = None",
    "    one.backward(retain_graph=True)",
    "    rows.append(leaf.grad)",
    "return torch.stack(rows)",
    lures={"C3": "    one.backward()", "D5": "return torch.stack(rows).T"},
)


@jacobian_rows.mistake("D5")
def inputs_by_outputs(f, x):
    """Your J is transposed: one row for each output, one column for each input."""
    return _rows(f, x).T


@jacobian_rows.mistake("C1")
def rows_pile_up(f, x):
    """Row i holds the sum of all rows up to i: .grad was never cleared between the walks."""
    leaf = _leaf(x)
    y, rows = f(leaf), []
    for one in y:
        one.backward(retain_graph=True)
        rows.append(leaf.grad.clone())
    return torch.stack(rows)


@jacobian_rows.mistake("C3")
def graph_was_freed(f, x):
    """The first walk freed what f had saved, and the second found nothing: keep it with retain_graph=True."""
    leaf = _leaf(x)
    y = f(leaf)
    return torch.stack([torch.autograd.grad(one, leaf)[0] for one in y])


@jacobian_rows.mistake("D3")
def column_sums(f, x):
    """You walked back from the sum: one row that holds the column sums of J. Every output needs a walk of its own."""
    leaf = _leaf(x)
    f(leaf).sum().backward()
    return leaf.grad


@jacobian_rows.mistake("C11-sum")
def all_rows_the_total(f, x):
    """All your rows are equal and hold the column sums of J: one and the same .grad was kept for every row and never
    cleared. Set .grad to None before each walk."""
    leaf = _leaf(x)
    y, rows = f(leaf), []
    for one in y:
        one.backward(retain_graph=True)
        rows.append(leaf.grad)
    return torch.stack(rows)


@jacobian_rows.mistake("C11")
def all_rows_alike(f, x):
    """All your rows are equal to the last one: the same .grad was kept each time and zeroed in place. Keep a copy."""
    leaf = _leaf(x)
    y, rows = f(leaf), []
    for one in y:
        if leaf.grad is not None:
            leaf.grad.zero_()
        one.backward(retain_graph=True)
        rows.append(leaf.grad)
    return torch.stack(rows)


@lesson.exercise(
    number="5.2", title="The Jacobian, column by column", signature="(f, x: Tensor[n]) -> Tensor[m, n]", points=1,
    minutes=5, section="05c",
    hints=(
        "J·u pushes a direction forward. Which u gives column j?",
        "A 1 at input j and 0 elsewhere gives column j. Put the columns beside each other, not below.",
        "The rows of torch.eye(len(x), dtype=x.dtype) are the directions e; torch.func.jvp(f, (x,), (e,)) is the pair (value, "
        "column). torch.stack(columns, dim=1) puts them beside each other.",
    ),
)
def jacobian_cols(ask):
    """The Jacobian by one push forward for each input."""
    with ask.part("shape and every entry, more outputs than inputs and fewer", 3):
        for n, m in ((3, 4), (4, 2), (2, 5)):
            (f,) = maps(ask.rng, n, m, 1)
            at = point(ask.rng, n)
            ask(f, at).equals(f.jacobian(at), "the entry of J")


jacobian_cols.sort_lines(
    "columns = []",
    "for e in torch.eye(len(x), dtype=x.dtype):",
    "    columns.append(torch.func.jvp(f, (x,), (e,))[1])",
    "return torch.stack(columns, dim=1)",
    lures={
        "D5": "return torch.stack(columns)",
        "values": "    columns.append(torch.func.jvp(f, (x,), (e,))[0])",
        "whole-step": "    columns.append(f(x + e) - f(x))",
    },
)


@jacobian_cols.mistake("D5")
def columns_below_each_other(f, x):
    """Your J is transposed: each push gives a column, and columns stand beside each other (dim=1)."""
    return _columns(f, x).T


@jacobian_cols.mistake("reshaped")
def reshaped_instead_of_turned(f, x):
    """Your shape is right and the entries are shuffled: reshape reads them row by row. To turn rows into columns, transpose, or
    stack with dim=1."""
    J = _columns(f, x)
    return J.T.reshape(J.shape)


@jacobian_cols.mistake("D4")
def one_push_along_ones(f, x):
    """You pushed along (1, 1, …) once: that adds all columns up. Each input needs a push of its own."""
    return torch.func.jvp(f, (x,), (torch.ones_like(x),))[1]


@jacobian_cols.mistake("values")
def values_stacked(f, x):
    """You kept the values instead of the changes: torch.func.jvp gives both, and the second is the column."""
    return torch.stack([f(x) for _ in x], dim=1)


@jacobian_cols.mistake("whole-step")
def whole_steps(f, x):
    """Your columns are changes over a whole step, f(x + eⱼ) − f(x). A Jacobian holds rates at x."""
    return torch.stack([f(x + e) - f(x) for e in torch.eye(len(x), dtype=x.dtype)], dim=1)


# --- 5.3 -------------------------------------------------------------------------------------------------------------


def _structure(number, name, title, signature, cases, want, minutes, hints):
    """An exercise that asks for a Jacobian by its structure; cases(rng) gives the arguments, want(*args) the matrix."""

    def key(ask):
        with ask.part("every entry, for several sizes", 3):
            for args in cases(ask.rng):
                answer = ask(*args).equals(want(*args), "the entry of J")
                if getattr(answer.value, "dtype", "") == "float32":
                    ask.advise("The docstring asks for float64, and your tensor is float32: pass dtype=torch.float64.")

    key.__name__, key.__doc__ = name, title
    return lesson.exercise(
        number=number, title=title, signature=signature, points=1, minutes=minutes, section="05e", hints=hints
    )(key)


def _wrong_structure(exercise, id, sentence, make):
    def wrong(*args):
        return make(*args)

    wrong.__name__, wrong.__doc__ = f"{exercise.name}_{id.lower().replace('-', '_')}", sentence
    exercise.mistake(id)(wrong)


def _eye(n):
    return torch.eye(n, dtype=torch.float64)


DRAW = (
    "Write the outputs for three inputs on paper, each as a formula of the inputs. Then mark in a table which input each uses."
)

jac_cumsum = _structure(
    "5.3a", "jac_cumsum", "Structure: running sums", "(n: int) -> Tensor[n, n]",
    lambda rng: [(4,), (3,), (6,)], lambda n: np.tril(np.ones((n, n))), 4,
    (DRAW, "Output i adds up inputs 0 … i, so row i has ones up to the diagonal.",
     "A lower triangle of ones: .tril() keeps the lower triangle of a matrix."),
)
_wrong_structure(jac_cumsum, "D5", "The triangle points the wrong way: row i is output i, and it uses the inputs up to i.",
                 lambda n: torch.ones(n, n, dtype=torch.float64).triu())
_wrong_structure(jac_cumsum, "diagonal", "That is the Jacobian of a function that treats each entry by itself. A running sum "
                 "uses all entries before.", _eye)
_wrong_structure(jac_cumsum, "strict", "The diagonal is missing: output i includes input i itself.",
                 lambda n: torch.ones(n, n, dtype=torch.float64).tril(-1))
_wrong_structure(jac_cumsum, "counts", "Your entries count how many inputs go in. Each input enters a sum with rate 1.",
                 lambda n: torch.arange(1.0, n + 1, dtype=torch.float64)[:, None].expand(n, n).tril())

_wrong_structure(jac_cumsum, "ones", "Every input would enter every output. A running sum has not seen the later inputs yet: 0 "
                 "above the diagonal.", lambda n: torch.ones(n, n, dtype=torch.float64))

jac_repeat = _structure(
    "5.3b", "jac_repeat", "Structure: x.repeat(k)", "(n: int, k: int) -> Tensor[n * k, n]",
    lambda rng: [(3, 2), (2, 4), (4, 3)], lambda n, k: np.tile(np.eye(n), (k, 1)), 4,
    (DRAW, "x.repeat(2) for (a, b, c) is (a, b, c, a, b, c): the identity, twice, one below the other.",
     "Make the identity with torch.eye and repeat that: k times downward, once to the right."),
)
_wrong_structure(jac_repeat, "D5", "Yours is transposed: n·k outputs make n·k rows.", lambda n, k: _eye(n).repeat(1, k))
_wrong_structure(jac_repeat, "interleaved", "You repeated each entry in place (a, a, b, b), as repeat_interleave does. "
                 "repeat puts the whole vector again: (a, b, a, b).", lambda n, k: _eye(n).repeat_interleave(k, 0))
_wrong_structure(jac_repeat, "ones", "Every output copies one input, so each row has a single 1.",
                 lambda n, k: torch.ones(n * k, n, dtype=torch.float64))
_wrong_structure(jac_repeat, "scaled", "Copying does not multiply: each row holds a 1, not k.",
                 lambda n, k: k * _eye(n).repeat(k, 1))

jac_reverse = _structure(
    "5.3c", "jac_reverse", "Structure: the reverse", "(n: int) -> Tensor[n, n]",
    lambda rng: [(4,), (3,), (5,)], lambda n: np.fliplr(np.eye(n)), 3,
    (DRAW, "Output 0 is the last input, output 1 the one before it: ones on the other diagonal.",
     "Make the identity with torch.eye and turn the order of its rows round."),
)
_wrong_structure(jac_reverse, "identity", "That is the identity: nothing is reversed. Output 0 is the last input.", _eye)
_wrong_structure(jac_reverse, "negative", "Reversing the order changes no sign.", lambda n: -_eye(n).flip(0))
_wrong_structure(jac_reverse, "ones", "Each output takes one input: a single 1 in each row.",
                 lambda n: torch.ones(n, n, dtype=torch.float64))
_wrong_structure(jac_reverse, "shifted", "That is a shift by one place. Reversing turns the whole order round.",
                 lambda n: _eye(n).roll(1, 0))

jac_mean = _structure(
    "5.3d", "jac_mean", "Structure: the mean", "(n: int) -> Tensor[1, n]",
    lambda rng: [(4,), (3,), (7,)], lambda n: np.full((1, n), 1 / n), 3,
    (DRAW, "One output makes one row. Every input enters the mean with the same rate.",
     "A tensor of shape (1, n) filled with 1/n."),
)
_wrong_structure(jac_mean, "D5", "One output makes one row of n entries, not a column.",
                 lambda n: torch.full((n, 1), 1 / n, dtype=torch.float64))
_wrong_structure(jac_mean, "A16", "That is the Jacobian of the sum. The mean divides by n.",
                 lambda n: torch.ones(1, n, dtype=torch.float64))
_wrong_structure(jac_mean, "flat", "The numbers are right, but a Jacobian has two axes, outputs and inputs: shape (1, n).",
                 lambda n: torch.full((n,), 1 / n, dtype=torch.float64))
_wrong_structure(jac_mean, "diagonal", "You divided the identity by n: that would be n outputs. The mean is one.",
                 lambda n: _eye(n) / n)


jac_sort = _structure(
    "5.3e", "jac_sort", "Structure: sorting", "(x: Tensor[n]) -> Tensor[n, n]",
    lambda rng: [(unsorted_point(rng, n),) for n in (4, 3, 5)], lambda x: np.eye(len(x))[np.argsort(x)], 5,
    (DRAW, "Sorting moves entries around and changes none. Output 0 is the smallest input: where does it stand?",
     "x.argsort() says where the i-th smallest entry stands. Row i is that row of the identity."),
)
_wrong_structure(jac_sort, "D5", "Yours is transposed: row i must have its 1 where the i-th smallest input stands.",
                 lambda x: _eye(len(x))[x.argsort()].T)
_wrong_structure(jac_sort, "identity", "That would be right for an x that is sorted already.", lambda x: _eye(len(x)))
_wrong_structure(jac_sort, "descending", "You sorted from large to small; the smallest entry comes first.",
                 lambda x: _eye(len(x))[x.argsort(descending=True)])
_wrong_structure(jac_sort, "values", "Your entries hold the sorted values. Moving an entry passes its changes on with rate 1.",
                 lambda x: torch.diag(x.sort().values))

jac_running_mean = _structure(
    "5.3f", "jac_running_mean", "Structure: a running mean", "(n: int, k: int) -> Tensor[n - k + 1, n]",
    lambda rng: [(5, 2), (6, 3), (4, 4), (5, 1)],
    lambda n, k: np.array([[1 / k if i <= j < i + k else 0.0 for j in range(n)] for i in range(n - k + 1)]), 6,
    (DRAW, "Output i is the mean of inputs i … i+k−1: a band of 1/k that moves one place to the right in each row.",
     "Start with zeros of shape (n − k + 1, n); for every row i set [i, i : i + k] to 1/k."),
)
_wrong_structure(jac_running_mean, "A16", "Your band holds ones: that is a running sum. The mean divides by k.",
                 lambda n, k: _band(n, k) * k)
_wrong_structure(jac_running_mean, "D5", "Yours is transposed: n − k + 1 outputs make that many rows.",
                 lambda n, k: _band(n, k).T)
_wrong_structure(jac_running_mean, "by-n", "You divided by n. Each mean has k entries.", lambda n, k: _band(n, k) * k / n)
_wrong_structure(jac_running_mean, "blocks", "Your windows do not overlap. The window moves by one place each time.",
                 lambda n, k: torch.stack([_band(n, k)[min(i * k, n - k)] for i in range(n - k + 1)]))
_wrong_structure(jac_running_mean, "trailing", "Your windows end at input i. Output i is the mean of x[i] and those that follow.",
                 lambda n, k: torch.stack([_eye(n)[max(0, i - k + 1) : i + 1].sum(0) / k for i in range(n - k + 1)]))
_wrong_structure(jac_running_mean, "one-short", "Your band is one entry too short: a slice stops before its end, so k entries "
                 "from i on are [i : i + k].",
                 lambda n, k: torch.stack([row * (torch.arange(n) < i + k - 1) for i, row in enumerate(_band(n, k))]))


def _band(n, k):
    rows = torch.zeros(n - k + 1, n, dtype=torch.float64)
    for i in range(n - k + 1):
        rows[i, i : i + k] = 1 / k
    return rows


# --- 5.4 and 5.5 -----------------------------------------------------------------------------------------------------


def _batch(rng, rows, n):
    return np.array([point(rng, n) for _ in range(rows)])


COUPLED = {"centre": "X − X.mean(0)", "times-total": "X · X.sum(0)", "cumsum": "a running sum over the batch",
           "cumsum-back": "a running sum from the last row on",
           "last-column": "tanh, but for the last column, which is centred over the batch"}


def _named(name):
    return Recipe("named", (name,), COUPLED.get(name, name))


@lesson.exercise(
    number="5.4", title="One Jacobian for each row", signature="(f, X: Tensor[B, n]) -> Tensor[B, m, n]", points=2,
    minutes=12, section="05d",
    hints=(
        "If the rows are independent, what does one walk back from column i of the outputs, summed over the batch, give?",
        "It gives row i of every Jacobian at once, in m walks. But only if no row of the result uses another row of X: "
        "test that, or trust torch.func.vmap with a function of one row.",
        "For each output i: grad(Y[:, i].sum(), leaf) is J[:, i, :]. For the test, walk back from each row alone: "
        "its gradient must be 0 on every other row.",
    ),
)
def batch_jacobian(ask):
    """The Jacobians of all rows, (B, m, n), and a ValueError if rows depend on each other."""
    with ask.part("every Jacobian of the batch", 3):
        for n, m, B in ((2, 3, 5), (3, 2, 4)):
            (f,) = maps(ask.rng, n, m, 1)
            X = _batch(ask.rng, B, n)
            ask(f, X).equals(np.array([f.jacobian(row) for row in X]), "the entry of J")
    with ask.part("a ValueError where rows depend on each other", 2):
        for name in COUPLED:
            ask(_named(name), _batch(ask.rng, 5, 3)).raises("ValueError", f"{COUPLED[name]} mixes the rows")
        (f,) = maps(ask.rng, 2, 3, 1)
        X = _batch(ask.rng, 4, 2)
        ask(f, X).equals(np.array([f.jacobian(row) for row in X]), "the entry of J")


def _batch_rows(f, X):
    leaf = _leaf(X)
    Y = f(leaf)
    rows = [torch.autograd.grad(Y[:, i].sum(), leaf, retain_graph=True)[0] for i in range(Y.shape[1])]
    return torch.stack(rows, dim=1)


def _mixes(f, X):
    leaf = _leaf(X)
    Y = f(leaf)
    for i in range(len(X)):
        (gradient,) = torch.autograd.grad((Y[i] * torch.arange(1.0, Y.shape[1] + 1)).sum(), leaf, retain_graph=True)
        gradient[i] = 0
        if gradient.abs().max() > 1e-12:
            return True
    return False


@batch_jacobian.mistake("D7")
def coupling_unnoticed(f, X):
    """The Jacobians are right for independent rows, but rows that depend on each other go unnoticed: there the sum over
    the batch returns something else without a word."""
    return _batch_rows(f, X)


@batch_jacobian.mistake("D7-vmap")
def vmap_without_a_test(f, X):
    """The Jacobians are right for independent rows, but vmap shows f one row at a time, and a row by itself cannot tell that
    it depends on others. Compare with f of the whole batch."""
    return torch.func.vmap(torch.func.jacrev(lambda row: f(row[None])[0]))(X)


@batch_jacobian.mistake("D7-vmap")
def vmap_of_f_itself(f, X):
    """The Jacobians of independent rows come out right, but vmap hands f one row at a time, and rows that depend on each
    other go unnoticed. Compare with f of the whole batch."""
    return torch.func.vmap(torch.func.jacrev(f))(X)


@batch_jacobian.mistake("D5-axes")
def outputs_first(f, X):
    """Your first axis counts the outputs. Stack with dim=1: (batch, outputs, inputs)."""
    if _mixes(f, X):
        raise ValueError("coupled")
    return _batch_rows(f, X).transpose(0, 1)


@batch_jacobian.mistake("D5-axes")
def outputs_first_untested(f, X):
    """Your first axis counts the outputs: stack with dim=1. And rows that depend on each other go unnoticed."""
    return _batch_rows(f, X).transpose(0, 1)


@batch_jacobian.mistake("D6")
def four_axes(f, X):
    """Your result has four axes, (B, m, B, n): the derivatives of every row by every row, nearly all of them 0. Keep the
    blocks on the diagonal."""
    if _mixes(f, X):
        raise ValueError("coupled")
    return torch.autograd.functional.jacobian(f, X)


@batch_jacobian.mistake("D6")
def four_axes_untested(f, X):
    """Your result has four axes, (B, m, B, n): every row by every row. Keep the blocks on the diagonal, and raise if one off
    the diagonal is not 0: then rows depend on each other."""
    return torch.autograd.functional.jacobian(f, X)


@batch_jacobian.mistake("D5")
def transposed_untested(f, X):
    """Each of your Jacobians is transposed: (batch, outputs, inputs). And rows that depend on each other go unnoticed."""
    return _batch_rows(f, X).transpose(1, 2)


@batch_jacobian.mistake("D5")
def transposed_vmap(f, X):
    """Each of your Jacobians is transposed: (batch, outputs, inputs). And vmap cannot see that rows depend on each other."""
    return torch.func.vmap(torch.func.jacrev(lambda row: f(row[None])[0]))(X).transpose(1, 2)


@batch_jacobian.mistake("D5")
def transposed_blocks(f, X):
    """Each of your Jacobians is transposed: (batch, outputs, inputs)."""
    if _mixes(f, X):
        raise ValueError("coupled")
    return _batch_rows(f, X).transpose(1, 2)


@batch_jacobian.mistake("D3")
def summed_over_outputs(f, X):
    """You walked back from the sum of all outputs, so each row of X got one gradient instead of a Jacobian."""
    if _mixes(f, X):
        raise ValueError("coupled")
    leaf = _leaf(X)
    f(leaf).sum().backward()
    return leaf.grad


@lesson.exercise(
    number="5.5", title="Do the rows touch?", signature="(f, X: Tensor[B, n]) -> bool", points=2, minutes=8, section="05d",
    hints=(
        "If the rows are independent, which entries of the gradient of one single output must be 0?",
        "Walk back from one row of the result. On every other row of X the gradient must vanish. Do it for every row, and "
        "not from a sum that might cancel.",
        "For each i: walk back from (Y[i] * weights).sum() with unequal weights, look at the gradient on the rows other "
        "than i, and return True as soon as something there is not 0.",
    ),
)
def is_coupled(ask):
    """Whether a row of f(X) depends on another row of X."""
    free = ("tanh", "batch-norm-eval", "square")
    mixed = ("batch-norm-train", "centre", "times-total", "cumsum", "cumsum-back", "last-column")
    with ask.part("functions that treat each row by itself, and functions that mix rows", 3):
        for name in (*free, *mixed):
            _says(ask(_named(name), _batch(ask.rng, 5, 3)), name in mixed)
        (f,) = maps(ask.rng, 3, 4, 1)
        _says(ask(f, _batch(ask.rng, 5, 3)), False)


def _says(answer, want):
    said = truth_of(answer.value)
    answer.holds(said is not None, "True or False", layer=Layer.TYPE)
    fact = "here a row of the result uses other rows" if want else "here each row of the result uses its own row only"
    answer.holds(said is want, fact, f"you said {said}", layer=Layer.VALUE)


@is_coupled.mistake("D7")
def never_coupled(f, X):
    """You say that rows never touch. Subtracting the batch mean, or batch-norm in training, mixes them."""
    return False


@is_coupled.mistake("zero-sum")
def zero_sum_only(f, X):
    """You look whether the gradient of the total is 0. That catches batch-norm in training, but a running sum or a product
    with the total mixes rows without giving 0."""
    leaf = _leaf(X)
    f(leaf).sum().backward()
    return bool(leaf.grad.abs().max() < 1e-6)


@is_coupled.mistake("swapped")
def answers_swapped(f, X):
    """Your answers are the wrong way round: True means that rows do depend on each other."""
    return not _mixes(f, X)


@is_coupled.mistake("own-row")
def own_row_included(f, X):
    """You say that rows always touch. Row i of the result depends on row i of X, of course: look at the other rows only."""
    leaf = _leaf(X)
    Y = f(leaf)
    return bool(torch.autograd.grad(Y[0].sum(), leaf)[0].abs().max() > 0)


@is_coupled.mistake("first-row")
def only_the_first_row(f, X):
    """Your test misses a running sum: its first row uses nothing but itself, and its last row goes into no other. So it is not
    enough to look at the first row of the result, or to move the last row of X."""
    leaf = _leaf(X)
    (gradient,) = torch.autograd.grad((f(leaf)[0] * torch.arange(1.0, f(leaf).shape[1] + 1)).sum(), leaf)
    return bool(gradient[1:].abs().max() > 1e-12)


@is_coupled.mistake("last-row")
def only_the_last_row(f, X):
    """Your test misses a running sum from the last row on: its last row uses nothing but itself, and its first row goes into no
    other. So it is not enough to look at the last row of the result, or to move the first row of X."""
    leaf = _leaf(X)
    f(leaf)[-1].sum().backward()
    return bool(leaf.grad[:-1].abs().max() > 1e-12)


# --- 5.6 and 5.7 -----------------------------------------------------------------------------------------------------


@lesson.exercise(
    number="5.6", title="In which order to multiply", signature="(Js: list[Tensor], matmul=torch.matmul) -> Tensor[m, n]",
    points=2, minutes=9, section="05c",
    hints=(
        "The last function of the chain has one output. How large is the product if you start there, and how large if you "
        "start at the other end?",
        "A row vector times a matrix stays a row vector. So begin at the end with few outputs: that is what backward does.",
        "Js[0] is the outermost, with the fewest rows. Let a running result start there, and hand matmul the running result "
        "first and the next J second.",
    ),
)
def chain_jacobian(ask):
    """The product of the Jacobians of a chain, outermost first, with few multiplications."""
    with ask.part("the product", 2):
        for sizes in ((1, 4, 3), (2, 5, 3, 4), (1, 3, 6, 5, 4)):
            Js = _chain(ask.rng, sizes)
            ask(Js).equals(_product(Js), "the entry of the product")
    with ask.part("no more work than starting at the scalar end", 2):
        for sizes in ((1, 20, 20, 20, 20), (1, 8, 30, 12, 25)):
            Js = _chain(ask.rng, sizes)
            answer = ask(Js, Recipe("counted-matmul", (), "a matmul that counts"))
            answer.equals(_product(Js), "the entry of the product")
            work = sum(rows * cols for rows, cols in zip(sizes[1:], sizes[2:], strict=False))
            work += sizes[1]  # a fold may begin with the 1 × 1 identity
            answer.holds(answer.reply.calls > 0, "all products made with matmul", "matmul was never called", layer=Layer.METHOD)
            answer.holds(answer.reply.tracked <= work, f"at most {work} multiplications",
                         f"you needed {answer.reply.tracked} multiplications", layer=Layer.METHOD)


def _chain(rng, sizes):
    return [np.array([[rng.uniform(-1, 1) for _ in range(b)] for _ in range(a)]) for a, b in zip(sizes, sizes[1:], strict=False)]


def _product(Js):
    result = Js[0]
    for J in Js[1:]:
        result = result @ J
    return result


@chain_jacobian.mistake("from-the-input")
def innermost_first(Js, matmul=torch.matmul):
    """The product is right, but on the way you multiplied large matrices with each other. Beginning at the single output keeps
    every product a row times a matrix."""
    result = Js[-1]
    for J in reversed(Js[:-1]):
        result = matmul(J, result)
    return result


@chain_jacobian.mistake("wrong-order")
def multiplied_backwards(Js, matmul=torch.matmul):
    """The sizes do not fit: in some product the factors stand in the wrong order, or one is transposed. Matrices do not commute:
    Js[0] stands on the left."""
    result = Js[-1]
    for J in reversed(Js[:-1]):
        result = matmul(result, J)
    return result


@chain_jacobian.mistake("A9")
def jacobians_added(Js, matmul=torch.matmul):
    """Jacobians of a chain are multiplied. Adding belongs to different ways that meet."""
    total = Js[0]
    for J in Js[1:]:
        total = total + J
    return total


@chain_jacobian.mistake("D5")
def transposed_product(Js, matmul=torch.matmul):
    """Your product is transposed: outputs are rows."""
    result = Js[0]
    for J in Js[1:]:
        result = matmul(result, J)
    return result.T


@chain_jacobian.mistake("matmul-unused")
def own_product(Js, matmul=torch.matmul):
    """The product is right, but it was not made with the matmul that was handed in, so its work cannot be counted."""
    result = Js[0]
    for J in Js[1:]:
        result = result @ J
    return result


@lesson.exercise(
    number="5.7", title="Hessian times vector", signature="(f, x: Tensor[n], v: Tensor[n]) -> Tensor[n]", points=2,
    minutes=9, section="05f",
    hints=(
        "The Hessian is the Jacobian of the gradient. You need it times a vector. Do you need the whole table?",
        "The gradient times v is one number. What is the gradient of that number?",
        "g = autograd.grad(f(leaf), leaf, create_graph=True)[0] can be differentiated again. So walk back once more, from the "
        "number g @ v. Two walks, no n × n table.",
    ),
)
def hvp_at(ask):
    """H·v without building H."""
    with ask.part("the product with the Hessian", 3):
        for n in (3, 4, 3):
            (f,) = fields(ask.rng, n, 1)
            at, v = point(ask.rng, n), point(ask.rng, n)
            ask(f, at, v).equals(f.hessian(at) @ v, "H·v")
    with ask.part("for 2,000 inputs", 2):
        at = np.array([ask.rng.uniform(-1.5, 1.5) for _ in range(2000)])
        v = np.array([ask.rng.uniform(-1.5, 1.5) for _ in range(2000)])
        answer = ask(Recipe("named", ("sum-of-tanh-products",), "Σ tanh(xᵢ)·xᵢ₋₁ + 0.1·Σ xᵢ⁴"), at, v)
        answer.equals(_large_hvp(at, v), "H·v")
        answer.calls_at_most(100, "a few calls of f, not one for each of the 2,000 inputs")
        if answer.reply.seconds > SLOW:
            ask.advise(
                f"For 2,000 inputs this took more than {SLOW} seconds. If your code builds H, four million numbers, that is "
                "why: the gradient of the one number ∇f·v is H·v and costs about as much as two gradients."
            )


SLOW = 0.5  # seconds; H·v itself takes a few milliseconds


def _large_hvp(x, v):
    """H·v of Σ tanh(xᵢ)·xᵢ₋₁ + 0.1·Σ xᵢ⁴ in closed form."""
    t = np.tanh(x)
    before, after = np.roll(x, 1), np.roll(x, -1)
    s, s_after = 1 - t**2, 1 - np.tanh(after) ** 2
    return (-2 * t * s * before + 1.2 * x**2) * v + s * np.roll(v, 1) + s_after * np.roll(v, -1)


def _gradient(f, x, **options):
    leaf = _leaf(x)
    return leaf, torch.autograd.grad(f(leaf), leaf, **options)[0]


@hvp_at.mistake("gradient-times-v")
def gradient_times_v(f, x, v):
    """You multiplied the gradient with v, entry by entry. H·v is the gradient of a number, and that number is gradient·v."""
    return _gradient(f, x)[1] * v


@hvp_at.mistake("slope-only")
def slope_along_v(f, x, v):
    """You returned the slope along v, one number. H·v is its gradient: walk back once more."""
    return _gradient(f, x)[1] @ v


@hvp_at.mistake("normalised")
def along_unit(f, x, v):
    """You divided v by its length. H·v is linear in v: twice the vector, twice the product."""
    leaf, g = _gradient(f, x, create_graph=True)
    return torch.autograd.grad(g @ (v / v.norm()), leaf)[0]


@hvp_at.mistake("diagonal")
def diagonal_only(f, x, v):
    """Only the diagonal of the Hessian is there. The mixed derivatives count, too."""
    if len(x) > 100:  # the second derivatives of the large case by each input, as in _large_hvp
        t = torch.tanh(x)
        return (-2 * t * (1 - t**2) * x.roll(1) + 1.2 * x**2) * v
    leaf, g = _gradient(f, x, create_graph=True)
    rows = torch.stack([torch.autograd.grad(one, leaf, retain_graph=True)[0] for one in g])
    return rows.diagonal() * v


@hvp_at.mistake("C6")
def gradient_and_product(f, x, v):
    """That is the gradient plus H·v: both walks wrote into the same .grad, and .grad adds up. torch.autograd.grad returns
    each by itself."""
    leaf, g = _gradient(f, x, create_graph=True)
    return g + torch.autograd.grad(g @ v, leaf)[0]


@hvp_at.mistake("D3")
def row_sums_times_v(f, x, v):
    """You walked back from the sum of the gradient and multiplied with v afterwards. v must weigh the gradient before the
    second walk."""
    leaf, g = _gradient(f, x, create_graph=True)
    return torch.autograd.grad(g.sum(), leaf)[0] * v


@hvp_at.mistake("no-create-graph")
def gradient_without_graph(f, x, v):
    """What you differentiate has no history. A gradient gets one only with create_graph=True, and x must be tracked before f
    is called."""
    leaf, g = _gradient(f, x)
    return torch.autograd.grad(g @ v, leaf)[0]


@hvp_at.mistake("ones")
def ones_for_v(f, x, v):
    """Your answer does not depend on v: it is H times a vector of ones."""
    leaf, g = _gradient(f, x, create_graph=True)
    return torch.autograd.grad(g.sum(), leaf)[0]


@hvp_at.mistake("A14")
def outer_product(f, x, v):
    """You used the product of the gradient with itself. The Hessian holds second derivatives, not squares of first ones."""
    g = _gradient(f, x)[1]
    return g * (g @ v)


# --- 5.8 -------------------------------------------------------------------------------------------------------------

RIGHT_BACKWARDS = ("sine", "square", "softplus-sum", "cumsum", "product", "scaled")
CURVED = ("sine", "square", "scaled")  # with several outputs and no constant slope, so that every fault shows
PLANTED = ("doubled", "negated", "upstream-ignored", "at-wrong-place", "one-entry", "shape", "dtype")


@lesson.exercise(
    number="5.8", title="Your own gradcheck", points=3, minutes=15, section="05g",
    signature="(f, backward, x: Tensor[n], eps: float = 1e-6, rtol: float = 1e-5, atol: float = 1e-8) -> dict",
    hints=(
        "backward(g, x) claims to be gᵀJ. Which independent way do you know to find gᵀJ, with values of f alone?",
        "For a random g (not ones), entry j of gᵀJ is the central difference of g·f along input j. Compare entry by entry, "
        "relative to the size of the number.",
        "g = randn_like(f(x)); numeric[j] = (g·f(x + eps·eⱼ) − g·f(x − eps·eⱼ)) / (2·eps); error = |claimed − numeric| / "
        "(|numeric| + small); float32 needs a larger eps and tolerance; a wrong shape or dtype is not ok.",
    ),
)
def my_gradcheck(ask):
    """{"ok": …, "max_rel_error": …, "worst": …} for a claimed backward."""
    with ask.part("six right backwards pass", 2):
        for name in RIGHT_BACKWARDS:
            answer = ask(*_checked(ask.rng, name, None))
            _verdict(answer, True)
            if answer.reply.tracked:
                ask.advise("You had autograd differentiate f. A test of a backward is worth most with values of f alone: "
                           "the backward it trusts could be the wrong one.")
        _verdict(ask(*_checked(ask.rng, "sine", "doubled")), False)
    with ask.part("seven planted faults are caught", 2):
        for i, fault in enumerate(PLANTED):
            _verdict(ask(*_checked(ask.rng, CURVED[i % len(CURVED)], fault)), False)
        answer = ask(*_checked(ask.rng, "square", None))
        _verdict(answer, True)
        _error(answer, lambda error: error < 0.01, "an error of nearly 0 for this right backward")
    with ask.part("float32 gets tolerances of its own, and the worst entry is named", 2):
        f, backward, at = _checked(ask.rng, "sine", None)
        _verdict(ask(f, backward, at.astype(np.float32)), True)
        f, backward, at = _checked(ask.rng, "square", "one-entry")
        answer = ask(f, backward, at)
        _verdict(answer, False)
        _error(answer, lambda error: error > 0.01, "an error that shows: one entry is half too large")
        worst = _single(answer.value.get("worst")) if isinstance(answer.value, dict) else None
        answer.holds(worst == 1, 'the index of the entry that is off, under "worst"', f"your worst is {show(worst)}")


def _error(answer, holds, wanted):
    """What stands under "max_rel_error" is a number of which this holds."""
    error = _single(answer.value.get("max_rel_error")) if isinstance(answer.value, dict) else None
    right = isinstance(error, float | int) and not isinstance(error, bool) and holds(error)
    answer.holds(right, f'{wanted}, under "max_rel_error"', f"your max_rel_error is {show(error)}")


def _single(value):
    """The number in a tensor, list or tuple of one."""
    if hasattr(value, "numbers"):
        value = value.numbers.ravel().tolist()
    if isinstance(value, list | tuple) and len(value) == 1:
        value = value[0]
    return value


def _checked(rng, name, fault):
    """f, a claimed backward of it, and a point."""
    return (Recipe("checked", (name,), name), Recipe("claimed", (name, fault or "none"), f"its backward ({fault or 'right'})"),
            point(rng, 4))


def _verdict(answer, want):
    value = answer.value
    known = isinstance(value, dict) and {"ok", "max_rel_error", "worst"} <= value.keys()
    answer.holds(known, 'a dict with the keys "ok", "max_rel_error" and "worst"', layer=Layer.TYPE)
    if known and not answer.broken:
        ok = truth_of(value["ok"])
        answer.holds(ok is want, f"this backward is {'right' if want else 'wrong'}: ok must be {want}",
                     f"your ok is {show(value['ok'] if ok is None else ok)}", layer=Layer.VALUE)  # fmt: skip


def _gradchecked(f, backward, x, weigh, eps=None, rtol=None, small=1e-8):
    single = x.dtype == torch.float32
    eps, rtol = eps or (1e-2 if single else 1e-6), rtol or (2e-2 if single else 1e-5)
    y = f(x)
    g = weigh(y)
    claimed = backward(g, x)
    if not isinstance(claimed, torch.Tensor) or claimed.shape != x.shape or claimed.dtype != x.dtype:
        return {"ok": False, "max_rel_error": float("inf"), "worst": 0}
    numeric = torch.stack([
        (g * (f(x + eps * e) - f(x - eps * e))).sum() / (2 * eps) for e in torch.eye(len(x), dtype=x.dtype)
    ])
    error = (claimed - numeric).abs() / (numeric.abs() + 1e-3)
    return {"ok": bool(error.max() <= rtol), "max_rel_error": error.max().item(), "worst": int(error.argmax())}


def _misjudges(*faults, all_ok=None):
    """Recognises answers whose `ok` is wrong for backwards with one of these faults and right for all others.

    The errors depend on the weights that were chosen. "none" stands for right backwards, "float32" for those in float32.
    """

    def recognise(transcript):
        asked, wrong = [], set()
        for _, (_, backward, at), reply in transcript:
            fault = backward.data[1]
            said = truth_of(reply.value.get("ok")) if isinstance(reply.value, dict) else None
            if said is None:
                return False
            asked.append(said)
            if said is not (fault == "none"):
                wrong.add("float32" if at.dtype == np.float32 else fault)
        return set(asked) == {all_ok} if all_ok is not None else wrong == set(faults)

    return recognise


def _random_weights(y):
    return torch.linspace(0.6, 1.9, y.numel(), dtype=y.dtype).reshape(y.shape) * (-1) ** torch.arange(y.numel()).reshape(y.shape)


@my_gradcheck.mistake("D10", recognise=_misjudges("upstream-ignored"))
def ones_as_upstream(f, backward, x, eps=1e-6, rtol=1e-5, atol=1e-8):
    """You test with weights of one. A backward that ignores what arrives passes that test: use weights that differ."""
    return _gradchecked(f, backward, x, torch.ones_like)


@my_gradcheck.mistake("E13", recognise=_misjudges("float32"))
def same_tolerance_for_float32(f, backward, x, eps=1e-6, rtol=1e-5, atol=1e-8):
    """A right backward fails in float32: your step or your tolerance does not suit it. With eps = 1e-6 a difference has no
    digits left there; with a larger one, a central difference keeps about three. Choose both by dtype."""
    return _gradchecked(f, backward, x, _random_weights, eps=eps, rtol=rtol)


@my_gradcheck.mistake("always-ok", recognise=_misjudges(all_ok=True))
def always_ok(f, backward, x, eps=1e-6, rtol=1e-5, atol=1e-8):
    """Everything passes, the planted faults as well: compare with a difference quotient."""
    return {**_gradchecked(f, backward, x, _random_weights), "ok": True}


@my_gradcheck.mistake("shape-ignored", recognise=_misjudges("shape"))
def broadcasts(f, backward, x, eps=1e-6, rtol=1e-5, atol=1e-8):
    """A gradient of the wrong shape passes, because it is stretched when you compare. Compare the shapes first."""
    def reshaped(g, x):
        claimed = backward(g, x)
        return claimed.reshape(x.shape) if claimed.numel() == x.numel() else claimed

    return _gradchecked(f, reshaped, x, _random_weights)


@my_gradcheck.mistake("dtype-ignored", recognise=_misjudges("dtype"))
def converts(f, backward, x, eps=1e-6, rtol=1e-5, atol=1e-8):
    """A gradient of another dtype than x passes: its digits are few, but the comparison converts it. Compare the dtypes
    first."""
    return _gradchecked(f, lambda g, x: backward(g, x).to(x.dtype), x, _random_weights)


@my_gradcheck.mistake("A3", recognise=_misjudges("none", "float32", "doubled"))
def divided_by_one_step(f, backward, x, eps=1e-6, rtol=1e-5, atol=1e-8):
    """Your difference quotient is twice too large: from x − eps to x + eps it is 2·eps. So right backwards fail, and one that is
    doubled passes."""
    return _gradchecked(lambda x: 2 * f(x), backward, x, _random_weights)


@my_gradcheck.mistake("never-ok", recognise=_misjudges(all_ok=False))
def never_ok(f, backward, x, eps=1e-6, rtol=1e-5, atol=1e-8):
    """Nothing passes, right backwards as little as wrong ones. A difference quotient is never exact: allow for rounding."""
    return {**_gradchecked(f, backward, x, _random_weights), "ok": False}


def _lenient(transcript):
    """Every right backward passes, and so do wrong ones that are off by a part of the number, but not all wrong ones."""
    said = {}
    for _, (_, backward, _), reply in transcript:
        ok = truth_of(reply.value.get("ok")) if isinstance(reply.value, dict) else None
        said.setdefault(backward.data[1], []).append(ok)
    passes = {fault for fault, oks in said.items() if any(oks)}
    return all(said["none"]) and "one-entry" in passes and not {"shape", "dtype"} & passes


@my_gradcheck.mistake("too-wide", recognise=_lenient)
def tolerance_too_wide(f, backward, x, eps=1e-6, rtol=1e-5, atol=1e-8):
    """Backwards that are off by some percent, or in one entry, pass: your tolerance is too wide (a central difference in
    float64 is right to eight digits or more), or a weight of yours is 0, and what it weighs goes unseen."""
    found = _gradchecked(f, backward, x, _random_weights)
    return {**found, "ok": found["max_rel_error"] < 0.7}


# --- 5.9 -------------------------------------------------------------------------------------------------------------


@lesson.exercise(
    number="5.9", title="Fix me: a second derivative that isn't", signature="(f, a: float) -> Tensor[()]", points=2,
    minutes=7, section="05f",
    hints=(
        "Try it on x³ at 0.7, where f′ = 1.47 and f″ = 4.2. Which of these two does the result have to do with?",
        "Walking the same graph twice adds f′ to f′. The second walk has to start from f′, and f′ needs a graph of its own.",
        "torch.autograd.grad(y, x, create_graph=True)[0] is f′ with a graph. Walk back once more, from f′.",
    ),
)
def fix_second_derivative(ask):
    """f″(a), without a warning."""
    with ask.part("the second derivatives of four functions at 0.7 and −1.3", 3):
        for f in smooth(ask.rng, 4):
            for a in POINTS:
                ask(f, a).equals(f.derivative(a, order=2), "the second derivative")
    with ask.part("without a warning"):
        cube = Formula(Rational(ask.rng.randint(80, 120), 100) * x**3 + sympy.sin(x), x)
        ask(cube, 0.7).equals(cube.derivative(0.7, order=2), "the second derivative").warns_nothing()


@fix_second_derivative.broken
def second_derivative_that_is_not(f, a):
    x = torch.tensor(a, dtype=torch.float64, requires_grad=True)
    y = f(x)
    y.backward(retain_graph=True)
    y.backward()
    return x.grad


def _tracked(a):
    return torch.tensor(a, dtype=torch.float64, requires_grad=True)


@fix_second_derivative.mistake("C5")
def still_twice_the_first(f, a):
    """That is still 2·f′: the same graph was walked twice, and .grad adds up."""
    at = _tracked(a)
    f(at).backward()
    f(at).backward()
    return at.grad


@fix_second_derivative.mistake("C6")
def first_plus_second(f, a):
    """That is f′ + f″: the second derivative was added to the first one in .grad. autograd.grad returns it alone."""
    at = _tracked(a)
    f(at).backward(create_graph=True)
    at.grad.backward()
    return at.grad


@fix_second_derivative.mistake("C6-cleared")
def cleared_between_the_walks(f, a):
    """The number is right, and backward(create_graph=True) leaves a circle behind: x.grad holds the graph, and the graph holds x.
    torch.autograd.grad(…, create_graph=True) leaves none."""
    at = _tracked(a)
    f(at).backward(create_graph=True)
    slope, at.grad = at.grad, None
    return torch.autograd.grad(slope, at)[0]


@fix_second_derivative.mistake("first-only")
def first_derivative_only(f, a):
    """That is f′. It has to be differentiated once more."""
    at = _tracked(a)
    return torch.autograd.grad(f(at), at)[0]


@fix_second_derivative.mistake("no-create-graph")
def first_without_graph(f, a):
    """What you differentiate has no history. The first derivative gets one only with create_graph=True."""
    at = _tracked(a)
    (first,) = torch.autograd.grad(f(at), at)
    return torch.autograd.grad(first, at)[0]


@fix_second_derivative.mistake("A14")
def first_squared(f, a):
    """That is the square of the first derivative. f″ is the slope of f′."""
    at = _tracked(a)
    return torch.autograd.grad(f(at), at)[0] ** 2
