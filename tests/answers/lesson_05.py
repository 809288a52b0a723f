"""Answers to lesson 05 as students write them."""

import functools
import math

import numpy as np
import sympy
import torch
from torch.autograd import forward_ad, grad
from torch.func import hessian, jacfwd, jacrev, jvp, vjp, vmap

from tests.answers import Bank, after, runs

bank = Bank("05")


def leaf_at(x):
    return x.detach().clone().requires_grad_()


# --- 5.1 -------------------------------------------------------------------------------------------------------------


@bank.honest("jacobian_rows")
def graph_kept(f, x):
    leaf = leaf_at(x)
    y = f(leaf)
    return torch.stack([grad(y[i], leaf, retain_graph=True)[0] for i in range(len(y))])


@bank.honest("jacobian_rows")
def backward_and_cleared(f, x):
    leaf, rows = leaf_at(x), []
    for i in range(f(leaf).numel()):
        leaf.grad = None
        f(leaf)[i].backward()
        rows.append(leaf.grad)
    return torch.stack(rows)


@bank.honest("jacobian_rows")
def unit_vectors(f, x):
    leaf = leaf_at(x)
    y = f(leaf)
    J = torch.zeros(len(y), len(x))  # float32
    for i, e in enumerate(torch.eye(len(y), dtype=y.dtype)):
        y.backward(e, retain_graph=True)
        J[i] = leaf.grad
        leaf.grad.zero_()
    print(J)
    return J


@bank.honest("jacobian_rows")
def all_rows_at_once(f, x):
    leaf = leaf_at(x)
    y = f(leaf)
    return grad(y, leaf, torch.eye(len(y), dtype=y.dtype), is_grads_batched=True)[0]


@bank.honest("jacobian_rows")
def pullback_under_vmap(f, x):
    y, pull = vjp(f, x)
    return vmap(pull)(torch.eye(y.shape[0]).to(y))[0]


@bank.honest("jacobian_rows")
def by_jacrev(f, x):
    return jacrev(f)(x)


@bank.honest("jacobian_rows")
def functional_jacobian(f, x):
    return torch.autograd.functional.jacobian(f, x)


@bank.slip("jacobian_rows", "one row for each output", named="D5")
def jacrev_transposed(f, x):
    return jacrev(f)(x).T


@bank.slip("jacobian_rows", "never cleared", named="C11-sum")
def same_grad_kept(f, x):
    leaf, rows = leaf_at(x), []
    for i in range(len(f(x))):
        f(leaf)[i].backward()
        rows.append(leaf.grad)
    return torch.vstack(rows)


@bank.slip("jacobian_rows", "a tensor of shape (4, 3)")
def rows_never_stacked(f, x):
    return list(by_jacrev(f, x))


@bank.slip("jacobian_rows", "shape (4, 3)")
def as_many_rows_as_inputs(f, x):
    return by_jacrev(f, x)[: len(x) - 1]


@bank.slip("jacobian_rows", "a vector has no single derivative")
def backward_from_the_vector(f, x):
    leaf = leaf_at(x)
    f(leaf).backward()
    return leaf.grad


@bank.slip("jacobian_rows", "expected Tensor as element 0")
def tuples_stacked(f, x):
    leaf = leaf_at(x)
    y = f(leaf)
    return torch.stack([grad(one, leaf, retain_graph=True) for one in y])


# --- 5.2 -------------------------------------------------------------------------------------------------------------


@bank.honest("jacobian_cols")
def pushes_side_by_side(f, x):
    columns = [jvp(f, (x,), (e,))[1] for e in torch.eye(len(x), dtype=x.dtype)]
    return torch.stack(columns, dim=1)


@bank.honest("jacobian_cols")
def filled_column_by_column(f, x):
    J = np.zeros((len(f(x)), len(x)))
    for j in range(len(x)):
        e = torch.zeros_like(x)
        e[j] = 1.0
        with forward_ad.dual_level():
            J[:, j] = forward_ad.unpack_dual(f(forward_ad.make_dual(x, e))).tangent
    return J


@bank.honest("jacobian_cols")
def push_under_vmap(f, x):
    return vmap(lambda e: jvp(f, (x,), (e,))[1], out_dims=1)(torch.eye(len(x), dtype=x.dtype))


@bank.honest("jacobian_cols")
def by_jacfwd(f, x):
    return jacfwd(f)(x)


@bank.honest("jacobian_cols")
def columns_of_functional(f, x):
    pushes = [torch.autograd.functional.jvp(f, x, e)[1] for e in torch.eye(len(x), dtype=x.dtype)]
    return torch.stack(pushes).T


@bank.honest("jacobian_cols")
def by_central_differences(f, x):
    h, I = 1e-5, torch.eye(len(x), dtype=x.dtype)  # noqa: E741
    return torch.stack([(f(x + h * e) - f(x - h * e)) / (2 * h) for e in I], dim=-1)


@bank.slip("jacobian_cols", "beside each other", named="D5")
def pushes_stacked_as_rows(f, x):
    return torch.stack([jvp(f, (x,), (e,))[1] for e in torch.eye(len(x), dtype=x.dtype)])


@bank.slip("jacobian_cols", "shape (4, 3)")
def pushes_joined(f, x):
    return torch.cat([jvp(f, (x,), (e,))[1] for e in torch.eye(len(x), dtype=x.dtype)])


@bank.slip("jacobian_cols", "tuple")
def tuples_of_jvp_stacked(f, x):
    return torch.stack([jvp(f, (x,), (e,)) for e in torch.eye(len(x), dtype=x.dtype)], dim=1)


# --- 5.3 -------------------------------------------------------------------------------------------------------------


def where_it_is_used(name, shape, entry):
    """An answer that fills a table entry by entry with plain loops."""

    @bank.honest(name)
    def filled_in_loops(*sizes):
        rows, columns = shape(*sizes)
        table = [[float(entry(i, j, *sizes)) for j in range(columns)] for i in range(rows)]
        return torch.tensor(table, dtype=torch.float64)


def by_autograd(name, f, size=lambda *sizes: torch.rand(sizes[0], dtype=torch.float64)):
    @bank.honest(name)
    def by_jacrev_of_the_function(*sizes):
        return jacrev(lambda x: f(x, *sizes[1:]))(size(*sizes))

    @bank.honest(name)
    def by_functional_jacobian_in_float32(*sizes):
        return torch.autograd.functional.jacobian(lambda x: f(x, *sizes[1:]), size(*sizes).float())


@bank.honest("jac_cumsum")
def lower_triangle(n):
    return torch.ones(n, n, dtype=torch.float64).tril()


@bank.honest("jac_cumsum")
def numpy_triangle(n):
    return np.tri(n)


where_it_is_used("jac_cumsum", lambda n: (n, n), lambda i, j, n: j <= i)
by_autograd("jac_cumsum", lambda x: torch.cumsum(x, 0))


@bank.slip("jac_cumsum", "points the wrong way", named="D5")
def filled_the_other_way(n):
    return torch.tensor([[1.0 if j >= i else 0.0 for j in range(n)] for i in range(n)])


@bank.slip("jac_cumsum", "shape (4, 4)")
def last_row_only(n):
    return torch.ones(n, dtype=torch.float64)


@bank.slip("jac_cumsum", "the entry of J is 0 there", named="ones")
def ones_everywhere(n):
    return torch.ones(n, n, dtype=torch.float64)


@bank.slip("jac_cumsum", "a tensor of shape (4, 4)")
def nested_lists(n):
    return [[1.0 if j <= i else 0.0 for j in range(n)] for i in range(n)]


@bank.honest("jac_repeat")
def identity_repeated(n, k):
    return torch.eye(n, dtype=torch.float64).repeat(k, 1)


@bank.honest("jac_repeat")
def identities_joined(n, k):
    return torch.cat([torch.eye(n)] * k)


where_it_is_used("jac_repeat", lambda n, k: (n * k, n), lambda i, j, n, k: i % n == j)
by_autograd("jac_repeat", lambda x, k: x.repeat(k))


@bank.slip("jac_repeat", "repeat_interleave", named="interleaved")
def floor_for_remainder(n, k):
    return torch.tensor([[float(i // k == j) for j in range(n)] for i in range(n * k)])


@bank.slip("jac_repeat", "shape (6, 3)")
def one_identity(n, k):
    return torch.eye(n, dtype=torch.float64)


@bank.honest("jac_reverse")
def flipped(n):
    return torch.eye(n, dtype=torch.float64).flip(0)


@bank.honest("jac_reverse")
def flipped_the_other_way_is_the_same(n):
    return np.fliplr(np.identity(n)).copy()


where_it_is_used("jac_reverse", lambda n: (n, n), lambda i, j, n: i + j == n - 1)
by_autograd("jac_reverse", lambda x: x.flip(0))


@bank.slip("jac_reverse", "the identity", named="identity")
def flipped_in_both_directions(n):
    return torch.eye(n).flip(0, 1)


@bank.slip("jac_reverse", "the entry of J is")
def off_by_one(n):
    return torch.tensor([[float(i + j == n) for j in range(n)] for i in range(n)])


@bank.honest("jac_mean")
def filled_with_one_nth(n):
    return torch.full((1, n), 1 / n, dtype=torch.float64)


@bank.honest("jac_mean")
def ones_divided(n):
    return np.ones((1, n)) / n


where_it_is_used("jac_mean", lambda n: (1, n), lambda i, j, n: 1 / n)
by_autograd("jac_mean", lambda x: x.mean().reshape(1))


@bank.slip("jac_mean", "two axes", named="flat")
def jacrev_of_the_mean(n):
    return jacrev(torch.mean)(torch.rand(n))


@bank.slip("jac_mean", "the entry of J is")
def whole_number_division(n):
    return torch.ones(1, n, dtype=torch.int64) // n


@bank.honest("jac_sort")
def rows_by_argsort(x):
    return torch.eye(len(x), dtype=torch.float64)[x.argsort()]


@bank.honest("jac_sort")
def one_hot(x):
    return torch.nn.functional.one_hot(torch.sort(x).indices, len(x)).double()


@bank.honest("jac_sort")
def compared_with_the_sorted(x):
    return (torch.sort(x).values[:, None] == x[None, :]).to(x.dtype)


@bank.honest("jac_sort")
def filled_in_a_loop(x):
    J, order = torch.zeros(len(x), len(x)), sorted(range(len(x)), key=lambda j: x[j])
    for i, j in enumerate(order):
        J[i, j] = 1
    return J


by_autograd("jac_sort", lambda x: torch.sort(x).values, size=lambda x: x)


@bank.slip("jac_sort", "transposed", named="D5")
def rank_of_each(x):
    return torch.eye(len(x), dtype=torch.float64)[x.argsort().argsort()]


@bank.slip("jac_sort", "the entry of J is")
def order_by_size(x):
    return torch.eye(len(x), dtype=torch.float64)[x.abs().argsort()]


@bank.honest("jac_running_mean")
def band_row_by_row(n, k):
    J = torch.zeros(n - k + 1, n, dtype=torch.float64)
    for i in range(n - k + 1):
        J[i, i : i + k] = 1 / k
    return J


@bank.honest("jac_running_mean")
def difference_of_triangles(n, k):
    ones = torch.ones(n - k + 1, n, dtype=torch.float64)
    return (ones.triu() - ones.triu(k)) / k


where_it_is_used("jac_running_mean", lambda n, k: (n - k + 1, n), lambda i, j, n, k: (i <= j < i + k) / k)
by_autograd("jac_running_mean", lambda x, k: x.unfold(0, k, 1).mean(1))


@bank.slip("jac_running_mean", "divides by k", named="A16")
def running_sum(n, k):
    return jacrev(lambda x: x.unfold(0, k, 1).sum(1))(torch.rand(n))


@bank.slip("jac_running_mean", "shape (4, 5)")
def one_row_short(n, k):
    return band_row_by_row(n, k)[:-1]


@bank.slip("jac_running_mean", "the entry of J is")
def window_one_too_long(n, k):
    J = torch.zeros(n - k + 1, n, dtype=torch.float64)
    for i in range(n - k + 1):
        J[i, i : i + k + 1] = 1 / k
    return J


# --- 5.4 -------------------------------------------------------------------------------------------------------------


def touches(f, X):
    """Whether moving one row moves another row of the result."""
    Y = f(X)
    for i in range(len(X)):
        moved = X.clone()
        moved[i] += 0.1
        change = (f(moved) - Y).abs()
        change[i] = 0
        if change.max() > 1e-10:
            return True
    return False


@bank.honest("batch_jacobian")
def sum_over_the_batch_after_a_test(f, X):
    leaf = leaf_at(X)
    Y = f(leaf)
    for i in range(len(X)):
        w = torch.zeros_like(Y)
        w[i] = torch.randn(Y.shape[1], dtype=Y.dtype)
        (g,) = grad(Y, leaf, w, retain_graph=True)
        g[i] = 0
        if g.abs().max() > 1e-12:
            raise ValueError("rows depend on each other")
    return torch.stack([grad(Y[:, j].sum(), leaf, retain_graph=True)[0] for j in range(Y.shape[1])], dim=1)


@bank.honest("batch_jacobian")
def blocks_of_the_whole(f, X):
    J = torch.autograd.functional.jacobian(f, X)  # (B, m, B, n)
    B = len(X)
    for i in range(B):
        for k in range(B):
            if i != k and J[i, :, k].abs().max() > 0:
                raise ValueError(f"row {i} uses row {k}")
    return torch.stack([J[i, :, i] for i in range(B)])


@bank.honest("batch_jacobian")
def blocks_by_einsum(f, X):
    J = jacrev(f)(X)
    blocks = torch.einsum("bmbn->bmn", J)
    if not math.isclose(J.abs().sum(), blocks.abs().sum()):
        raise ValueError
    return blocks


@bank.honest("batch_jacobian")
def vmap_of_one_row(f, X):
    one = lambda row: f(row[None])[0]  # noqa: E731
    if not torch.allclose(vmap(one)(X), f(X)):
        raise ValueError("f of a row by itself is something else")
    return vmap(jacrev(one))(X)


@bank.honest("batch_jacobian")
def vmap_of_f_itself(f, X):
    if (vmap(f)(X) - f(X)).abs().max() > 1e-9:
        raise ValueError("coupled")
    return vmap(jacfwd(f))(X)


@bank.honest("batch_jacobian")
def rows_moved_then_a_loop(f, X):
    if touches(f, X):
        raise ValueError("coupled")
    return torch.stack([jacfwd(f)(X[i : i + 1])[0, :, 0] for i in range(len(X))])


@bank.honest("batch_jacobian")
def one_push_for_each_column(f, X):
    if touches(f, X):
        raise ValueError("coupled")
    pushes = []
    for j in range(X.shape[1]):
        U = torch.zeros_like(X)
        U[:, j] = 1
        pushes.append(jvp(f, (X,), (U,))[1])
    return torch.stack(pushes, dim=2)


@bank.slip("batch_jacobian", "go unnoticed", named="D7")
def sum_over_the_batch_untested(f, X):
    return jacrev(lambda X: f(X).sum(0))(X).movedim(1, 0)


@bank.slip("batch_jacobian", "one row at a time", named="D7-vmap")
def vmap_trusted(f, X):
    return vmap(jacrev(lambda row: f(row[None])[0]))(X)


@bank.slip("batch_jacobian", "Stack with dim=1", named="D5-axes")
def first_axis_is_the_output(f, X):
    if touches(f, X):
        raise ValueError
    leaf = leaf_at(X)
    Y = f(leaf)
    return torch.stack([grad(Y[:, j].sum(), leaf, retain_graph=True)[0] for j in range(Y.shape[1])])


@bank.slip("batch_jacobian", "four axes", named="D6")
def whole_jacobian_after_a_test(f, X):
    if touches(f, X):
        raise ValueError
    return jacrev(f)(X)


@bank.slip("batch_jacobian", "a ValueError, because")
def last_row_left_out(f, X):
    if not torch.allclose(f(X[:-1]), f(X)[:-1]):
        raise ValueError
    return sum_over_the_batch_untested(f, X)


@bank.slip("batch_jacobian", "centred over the batch")
def rows_compared_in_the_first_column(f, X):
    J, own = torch.func.jacrev(f)(X), range(len(X))
    others = J[:, 0].clone()
    others[own, own] = 0
    if others.abs().max() > 1e-9:
        raise ValueError("rows touch")
    return J[own, :, own]


@bank.slip("batch_jacobian", "AssertionError")
def asserted_independent(f, X):
    assert not touches(f, X)
    return sum_over_the_batch_untested(f, X)


# --- 5.5 -------------------------------------------------------------------------------------------------------------


@bank.honest("is_coupled")
def every_row_walked_back(f, X):
    leaf = leaf_at(X)
    Y = f(leaf)
    for i in range(len(X)):
        (g,) = grad((Y[i] * torch.rand(Y.shape[1]).double()).sum(), leaf, retain_graph=True)
        others = torch.arange(len(X)) != i
        if g[others].abs().max() > 1e-12:
            return True
    return False


@bank.honest("is_coupled")
def rows_moved(f, X):
    return touches(f, X)


@bank.honest("is_coupled")
def off_diagonal_blocks(f, X):
    J = jacrev(f)(X).abs().sum((1, 3))  # (B, B)
    J.fill_diagonal_(0)
    return (J > 1e-10).any()


@bank.honest("is_coupled")
def forward_mode_blocks(f, X):
    J = jacfwd(f)(X)
    return any(J[i, :, k].abs().max().item() > 0 for i in range(len(X)) for k in range(len(X)) if i != k)


@bank.honest("is_coupled")
def each_row_by_itself(f, X):
    alone = torch.cat([f(X[i : i + 1]) for i in range(len(X))])
    return not torch.allclose(alone, f(X))


@bank.honest("is_coupled")
def each_row_by_vmap(f, X):
    return bool((vmap(lambda row: f(row.unsqueeze(0)).squeeze(0))(X) - f(X)).abs().max() > 1e-8)


@bank.honest("is_coupled")
def numpy_bool_of_the_whole(f, X):
    J = torch.autograd.functional.jacobian(f, X).numpy()
    mask = ~np.eye(len(X), dtype=bool)[:, None, :, None]
    return np.any(np.abs(J * mask) > 1e-12)


@bank.honest("is_coupled")
def replaced_by_another_batch(f, X):
    torch.manual_seed(0)
    for i in range(len(X)):
        Z = torch.randn_like(X)
        Z[i] = X[i]
        if not torch.allclose(f(Z)[i], f(X)[i]):
            return True
    return False


@bank.slip("is_coupled", "the first row of the result", named="first-row")
def first_row_alone(f, X):
    return not torch.allclose(f(X[:1])[0], f(X)[0])


@bank.slip("is_coupled", "here a row of the result uses other rows")
def rows_turned_round(f, X):
    return not torch.allclose(f(X.flip(0)).flip(0), f(X))


@bank.slip("is_coupled", "rows never touch", named="D7")
def gradient_of_own_row(f, X):
    leaf = leaf_at(X)
    for i in range(len(X)):
        (g,) = grad(f(leaf)[i].sum(), leaf)
        if g[i].abs().max() == 0:
            return True
    return False


@bank.slip("is_coupled", "rows always touch", named="own-row")
def own_row_not_left_out(f, X):
    return bool((jacrev(f)(X).abs() > 1e-12).any())


@bank.slip("is_coupled", "True or False")
def words(f, X):
    return "coupled" if touches(f, X) else "independent"


@bank.slip("is_coupled", "True or False")
def size_of_the_coupling(f, X):
    J = jacrev(f)(X).abs().sum((1, 3))
    return (J - torch.diag(J.diagonal())).max()


# --- 5.6 -------------------------------------------------------------------------------------------------------------


@bank.honest("chain_jacobian")
def from_the_output(Js, matmul=torch.matmul):
    result = Js[0]
    for J in Js[1:]:
        result = matmul(result, J)
    return result


@bank.honest("chain_jacobian")
def reduced(Js, matmul=torch.matmul):
    return functools.reduce(matmul, Js)


@bank.honest("chain_jacobian")
def starting_with_the_identity(Js, matmul=torch.matmul):
    result = torch.eye(Js[0].shape[0], dtype=Js[0].dtype)
    for J in Js:
        result = matmul(result, J)
    return result


@bank.honest("chain_jacobian")
def recursion(Js, matmul=torch.matmul):
    *front, last = Js
    return matmul(recursion(front, matmul), last) if front else last


@bank.honest("chain_jacobian")
def transposed_and_back(Js, matmul=torch.matmul):
    result = Js[0].T
    for J in Js[1:]:
        result = matmul(J.T, result)
    return result.T


@bank.honest("chain_jacobian")
def one_row_at_a_time(Js, matmul=torch.matmul):
    rows = []
    for row in Js[0]:
        for J in Js[1:]:
            row = matmul(row, J)
        rows.append(row)
    return torch.stack(rows)


@bank.honest("chain_jacobian")
def cheapest_order_by_table(Js, matmul=torch.matmul):
    sizes = [Js[0].shape[0], *(J.shape[1] for J in Js)]

    @functools.cache
    def best(i, j):  # (work, matrix) of Js[i:j]
        if j == i + 1:
            return 0, Js[i]
        work, k = min((work_of(i, k) + work_of(k, j) + sizes[i] * sizes[k] * sizes[j], k) for k in range(i + 1, j))
        return work, k

    def work_of(i, j):
        return best(i, j)[0]

    def product(i, j):
        return Js[i] if j == i + 1 else matmul(product(i, best(i, j)[1]), product(best(i, j)[1], j))

    return product(0, len(Js))


@bank.slip("chain_jacobian", "not made with the matmul", named="matmul-unused")
def by_einsum(Js, matmul=torch.matmul):
    return functools.reduce(lambda A, B: torch.einsum("ij,jk->ik", A, B), Js)


@bank.slip("chain_jacobian", "not made with the matmul", named="matmul-unused")
def by_multi_dot(Js, matmul=torch.matmul):
    return torch.linalg.multi_dot(Js)


@bank.slip("chain_jacobian", "large matrices", named="from-the-input")
def halves_first(Js, matmul=torch.matmul):
    if len(Js) == 1:
        return Js[0]
    middle = len(Js) // 2
    return matmul(halves_first(Js[:middle], matmul), halves_first(Js[middle:], matmul))


@bank.slip("chain_jacobian", "The sizes do not fit", named="wrong-order")
def reversed_and_reduced(Js, matmul=torch.matmul):
    return functools.reduce(lambda A, B: matmul(B.T, A), Js[1:], Js[0])


@bank.slip("chain_jacobian", "shape (1, 3)")
def first_is_left_out(Js, matmul=torch.matmul):
    return functools.reduce(matmul, Js[1:])


@bank.slip("chain_jacobian", "must match the size")
def entry_by_entry(Js, matmul=torch.matmul):
    result = Js[0]
    for J in Js[1:]:
        result = result * J
    return result


# --- 5.7 -------------------------------------------------------------------------------------------------------------


@bank.honest("hvp_at")
def two_walks(f, x, v):
    leaf = leaf_at(x)
    (g,) = grad(f(leaf), leaf, create_graph=True)
    return grad(g @ v, leaf)[0]


@bank.honest("hvp_at")
def v_as_weights_of_the_second_walk(f, x, v):
    leaf = leaf_at(x)
    (g,) = grad(f(leaf), leaf, create_graph=True)
    leaf.grad = None
    g.backward(gradient=v)
    return leaf.grad


@bank.honest("hvp_at")
def forward_over_reverse(f, x, v):
    return jvp(torch.func.grad(f), (x,), (v,))[1]


@bank.honest("hvp_at")
def reverse_over_forward(f, x, v):
    return torch.func.grad(lambda x: jvp(f, (x,), (v,))[1])(x)


@bank.honest("hvp_at")
def functional_hvp(f, x, v):
    return torch.autograd.functional.hvp(f, x, v)[1]


@bank.honest("hvp_at")
def functional_vhp(f, x, v):
    return torch.autograd.functional.vhp(f, x, v)[1]


@bank.honest("hvp_at")
def difference_of_gradients(f, x, v):
    h, slope = 1e-5, torch.func.grad(f)
    return (slope(x + h * v) - slope(x - h * v)) / (2 * h)


@bank.honest("hvp_at")
def dual_numbers_through_the_gradient(f, x, v):
    with forward_ad.dual_level():
        dual = forward_ad.make_dual(leaf_at(x), v)
        (g,) = grad(f(dual), dual, create_graph=True)
        return forward_ad.unpack_dual(g).tangent


@bank.slip("hvp_at", "multiplied with v afterwards", named="D3")
def sum_first_v_later(f, x, v):
    leaf = leaf_at(x)
    (g,) = grad(f(leaf), leaf, create_graph=True)
    g.sum().backward()
    return leaf.grad * v


@bank.slip("hvp_at", "no history", named="no-create-graph")
def gradient_detached(f, x, v):
    leaf = leaf_at(x)
    (g,) = grad(f(leaf), leaf, create_graph=True)
    return grad(g.detach() @ v, leaf)[0]


@bank.slip("hvp_at", "the gradient plus H·v", named="C6")
def gradient_left_in_grad(f, x, v):
    leaf = leaf_at(x)
    f(leaf).backward(create_graph=True)
    (leaf.grad @ v).backward()
    return leaf.grad


@bank.slip("hvp_at", "shape (3,)")
def quadratic_form(f, x, v):
    return v @ two_walks(f, x, v)


@bank.slip("hvp_at", "H·v is", named="normalised")
def divided_by_the_length(f, x, v):
    return two_walks(f, x, v / v.norm())


@bank.slip("hvp_at", "a tensor of shape (3,)")
def both_of_functional(f, x, v):
    return torch.autograd.functional.hvp(f, x, v)


@bank.slip("hvp_at", "a few calls of f")
def one_difference_for_each_input(f, x, v):
    torch.manual_seed(0)
    for _ in range(len(x)):
        f(x)
    return two_walks(f, x, v)


# --- 5.8 -------------------------------------------------------------------------------------------------------------

BAD = {"ok": False, "max_rel_error": float("inf"), "worst": 0}


def fits(claimed, x):
    return isinstance(claimed, torch.Tensor) and claimed.shape == x.shape and claimed.dtype == x.dtype


@bank.honest("my_gradcheck")
def as_the_hints_say(f, backward, x, eps=1e-6, rtol=1e-5, atol=1e-8):
    if x.dtype == torch.float32:
        eps, rtol, atol = 1e-2, 1e-2, 1e-3
    y = f(x)
    g = torch.randn_like(y)
    claimed = backward(g, x)
    if claimed.shape != x.shape or claimed.dtype != x.dtype:
        return {"ok": False, "max_rel_error": math.inf, "worst": 0}
    numeric = torch.empty_like(x)
    for j in range(len(x)):
        e = torch.zeros_like(x)
        e[j] = eps
        numeric[j] = (g * (f(x + e) - f(x - e))).sum() / (2 * eps)
    gap = (claimed - numeric).abs()
    relative = gap / (numeric.abs() + atol)
    ok = bool((gap <= atol + rtol * numeric.abs()).all())
    return {"ok": ok, "max_rel_error": relative.max().item(), "worst": relative.argmax().item()}


@bank.honest("my_gradcheck")
def numeric_in_float64(f, backward, x, eps=1e-6, rtol=1e-5, atol=1e-8):
    g = torch.rand(f(x).shape, dtype=x.dtype) + 0.5
    claimed = backward(g, x)
    if not fits(claimed, x):
        return dict(BAD)
    X, G = x.double(), g.double()
    I = torch.eye(len(x)).double()  # noqa: E741
    numeric = torch.stack([(G * f(X + eps * e) - G * f(X - eps * e)).sum() / (2 * eps) for e in I])
    if x.dtype == torch.float32:
        rtol, atol = 1e-4, 1e-5
    error = (claimed.double() - numeric).abs() / torch.maximum(claimed.double().abs(), numeric.abs()).clamp(min=1e-6)
    return {
        "ok": torch.allclose(claimed.double(), numeric, rtol=rtol, atol=atol),
        "max_rel_error": float(error.max()),
        "worst": int(error.argmax()),
    }


@bank.honest("my_gradcheck")
def whole_jacobian_row_by_row(f, backward, x, eps=1e-6, rtol=1e-5, atol=1e-8):
    h = {torch.float64: eps, torch.float32: 5e-3}[x.dtype]
    tol = 1e-4 if x.dtype == torch.float64 else 5e-2
    y = f(x)
    columns = [(f(x + h * e) - f(x - h * e)).reshape(-1) / (2 * h) for e in torch.eye(len(x), dtype=x.dtype)]
    J = torch.stack(columns, dim=1)
    worst, where = 0.0, 0
    for i in range(y.numel()):
        g = torch.zeros_like(y).reshape(-1)
        g[i] = 1 + i
        row = backward(g.reshape(y.shape), x)
        if row.shape != x.shape or row.dtype != x.dtype:
            return {"ok": False, "max_rel_error": float("nan"), "worst": None}
        error = (row - g[i] * J[i]).abs() / (g[i] * J[i]).abs().clamp(min=1e-2)
        if error.max() > worst:
            worst, where = error.max(), error.argmax()
    return {"ok": worst < tol, "max_rel_error": worst, "worst": where}


@bank.honest("my_gradcheck")
def several_weights_and_numpy(f, backward, x, eps=1e-6, rtol=1e-5, atol=1e-8):
    rng = np.random.default_rng(1)
    step = eps if x.dtype == torch.float64 else np.cbrt(np.finfo(np.float32).eps)
    allowed = 1e-5 if x.dtype == torch.float64 else 1e-2
    report = {"ok": True, "max_rel_error": 0.0, "worst": -1}
    for _ in range(3):
        g = torch.tensor(rng.uniform(0.5, 2.0, size=tuple(f(x).shape)), dtype=x.dtype)
        claimed = backward(g, x)
        if claimed.dtype != x.dtype or claimed.shape != x.shape:
            return {"ok": False, "max_rel_error": 1e9, "worst": 0}
        for j in range(len(x)):
            up, down = x.clone(), x.clone()
            up[j] += step
            down[j] -= step
            number = float(((f(up) - f(down)) * g).sum()) / (2 * step)
            error = abs(float(claimed[j]) - number) / max(abs(number), 0.1)
            if error > report["max_rel_error"]:
                report["max_rel_error"], report["worst"] = error, j
    report["ok"] = report["max_rel_error"] < allowed
    return report


@bank.honest("my_gradcheck")
def wrapped_for_torchs_own(f, backward, x, eps=1e-6, rtol=1e-5, atol=1e-8):
    class Claimed(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return f(x)

        @staticmethod
        def backward(ctx, g):
            return backward(g, *ctx.saved_tensors)

    y = f(x)
    g = torch.arange(1, y.numel() + 1).to(x.dtype).reshape(y.shape)
    claimed = backward(g, x)
    if not fits(claimed, x):
        return BAD
    tight = x.dtype == torch.float64
    ok = torch.autograd.gradcheck(
        Claimed.apply, (leaf_at(x),), eps=eps if tight else 1e-2, rtol=rtol if tight else 2e-2,
        atol=atol if tight else 1e-2, raise_exception=False,
    )  # fmt: skip
    J = torch.autograd.functional.jacobian(f, x.double()).reshape(-1, len(x))
    error = (claimed - g.double().reshape(-1) @ J).abs() / (g.double().reshape(-1) @ J).abs()
    return {"ok": ok, "max_rel_error": error.max().item(), "worst": int(error.argmax())}


@bank.honest("my_gradcheck")
def with_another_dict_order_and_numpy_numbers(f, backward, x, eps=1e-6, rtol=1e-5, atol=1e-8):
    report = several_weights_and_numpy(f, backward, x, eps, rtol, atol)
    return {
        "worst": torch.tensor([report["worst"]]),
        "ok": np.bool_(report["ok"]),
        "max_rel_error": np.float64(report["max_rel_error"]),
        "g": "random",
    }


def gradcheck(
    f, backward, x, g=torch.rand_like, eps=None, tol=None, factor=2, look=fits, worst=lambda error: int(error.argmax())
):  # fmt: skip
    """A right my_gradcheck with one thing to get wrong."""
    single = x.dtype == torch.float32
    eps, tol = eps or (1e-2 if single else 1e-6), tol or (2e-2 if single else 1e-5)
    weights = g(f(x))
    claimed = backward(weights, x)
    if not look(claimed, x):
        return BAD
    moves = torch.eye(len(x), dtype=x.dtype) * eps
    numeric = torch.stack([(weights * (f(x + e) - f(x - e))).sum() / (factor * eps) for e in moves])
    error = (claimed - numeric).abs() / numeric.abs().clamp(min=1e-2)
    return {"ok": bool(error.max() < tol), "max_rel_error": error.max().item(), "worst": worst(error)}


@bank.honest("my_gradcheck")
def one_output_at_a_time(f, backward, x, eps=1e-6, rtol=1e-5, atol=1e-8):
    if x.dtype == torch.float32:
        eps, rtol, atol = 3e-3, 2e-2, 2e-3
    y = f(x)
    claimed, numeric = torch.zeros(len(y), len(x), dtype=torch.float64), torch.zeros(len(y), len(x), dtype=torch.float64)
    for i in range(len(y)):
        g = torch.zeros_like(y)
        g[i] = 1
        row = backward(g, x)
        if row.shape != x.shape or row.dtype != x.dtype:
            return {"ok": False, "max_rel_error": math.inf, "worst": 0}
        claimed[i] = row
    for j in range(len(x)):
        right, left = x.clone(), x.clone()
        right[j] += eps
        left[j] -= eps
        numeric[:, j] = ((f(right) - f(left)) / (right[j] - left[j])).double()
    gap = (claimed - numeric).abs()
    return {
        "ok": bool((gap <= atol + rtol * numeric.abs()).all()),
        "max_rel_error": float((gap / numeric.abs().clamp_min(1e-6)).max()),
        "worst": int(gap.amax(0).argmax()),
    }


@bank.slip("my_gradcheck", "too wide", named="too-wide")
def half_is_near_enough(f, backward, x, eps=1e-6, rtol=1e-5, atol=1e-8):
    g = torch.randn_like(f(x))
    claimed = backward(g, x)
    if claimed.shape != x.shape or claimed.dtype != x.dtype:
        return {"ok": False, "max_rel_error": 1.0, "worst": 0}
    eye = torch.eye(len(x), dtype=x.dtype)
    numeric = torch.stack([(g * (f(x + 1e-2 * e) - f(x - 1e-2 * e)) / 2e-2).sum() for e in eye])
    gap = (claimed - numeric).abs()
    ok = torch.allclose(claimed, numeric, rtol=0.6, atol=1e-3)
    return {"ok": ok, "max_rel_error": (gap / numeric.abs()).max().item(), "worst": int(gap.argmax())}


@bank.slip("my_gradcheck", "weights that differ", named="D10")
def all_weights_one(f, backward, x, eps=1e-6, rtol=1e-5, atol=1e-8):
    return gradcheck(f, backward, x, g=torch.ones_like)


@bank.slip("my_gradcheck", "no digits left", named="E13")
def defaults_for_every_dtype(f, backward, x, eps=1e-6, rtol=1e-5, atol=1e-8):
    return gradcheck(f, backward, x, eps=eps, tol=rtol)


@bank.slip("my_gradcheck", "Compare the shapes", named="shape-ignored")
def only_the_dtype_compared(f, backward, x, eps=1e-6, rtol=1e-5, atol=1e-8):
    return gradcheck(f, backward, x, look=lambda claimed, x: claimed.dtype == x.dtype)


@bank.slip("my_gradcheck", "Compare the dtypes", named="dtype-ignored")
def only_the_shape_compared(f, backward, x, eps=1e-6, rtol=1e-5, atol=1e-8):
    return gradcheck(f, backward, x, look=lambda claimed, x: claimed.shape == x.shape)


@bank.slip("my_gradcheck", "twice too large", named="A3")
def divided_by_one_step(f, backward, x, eps=1e-6, rtol=1e-5, atol=1e-8):
    return gradcheck(f, backward, x, factor=1)


@bank.slip("my_gradcheck", "allow for rounding", named="never-ok")
def exactly_equal(f, backward, x, eps=1e-6, rtol=1e-5, atol=1e-8):
    return gradcheck(f, backward, x, tol=1e-300)


@bank.slip("my_gradcheck", "under \"worst\"")
def value_for_index(f, backward, x, eps=1e-6, rtol=1e-5, atol=1e-8):
    return gradcheck(f, backward, x, worst=lambda error: float(error.max()))


@bank.slip("my_gradcheck", "under \"worst\"")
def best_for_worst(f, backward, x, eps=1e-6, rtol=1e-5, atol=1e-8):
    return gradcheck(f, backward, x, worst=lambda error: int(error.argmin()))


@bank.slip("my_gradcheck", 'a dict with the keys "ok"')
def only_a_bool(f, backward, x, eps=1e-6, rtol=1e-5, atol=1e-8):
    return gradcheck(f, backward, x)["ok"]


@bank.slip("my_gradcheck", "under \"max_rel_error\"")
def errors_in_a_tensor(f, backward, x, eps=1e-6, rtol=1e-5, atol=1e-8):
    return gradcheck(f, backward, x) | {"max_rel_error": torch.zeros(4)}


@bank.slip("my_gradcheck", "under \"max_rel_error\"")
def error_never_filled_in(f, backward, x, eps=1e-6, rtol=1e-5, atol=1e-8):
    return gradcheck(f, backward, x) | {"max_rel_error": 0.0}


@bank.slip("my_gradcheck", "a weight of yours is 0", named="too-wide")
def first_output_weighted_only(f, backward, x, eps=1e-6, rtol=1e-5, atol=1e-8):
    step, loose = (1e-2, 1e-2) if x.dtype == torch.float32 else (eps, rtol)
    weights = torch.zeros_like(f(x))
    weights[0] = 1.0
    claimed = backward(weights, x)
    if claimed.shape != x.shape or claimed.dtype != x.dtype:
        return {"ok": False, "max_rel_error": float("inf"), "worst": 0}
    there = torch.stack([(f(x + e) - f(x - e)) @ weights / (2 * step) for e in step * torch.eye(len(x), dtype=x.dtype)])
    relative = (claimed - there).abs() / there.abs().clamp(min=0.1)
    return {"ok": bool(relative.max() < loose), "max_rel_error": relative.max().item(), "worst": relative.argmax().item()}


@bank.slip("my_gradcheck", "your step or your tolerance", named="E13")
def one_tolerance_for_both(f, backward, x, eps=1e-6, rtol=1e-5, atol=1e-8):
    step, weights = 1e-2 if x.dtype == torch.float32 else eps, torch.linspace(0.5, 1.5, len(f(x)), dtype=x.dtype)
    claimed = backward(weights, x)
    if claimed.shape != x.shape or claimed.dtype != x.dtype:
        return {"ok": False, "max_rel_error": float("inf"), "worst": 0}
    there = [(f(x + e) - f(x - e)) @ weights / (2 * step) for e in step * torch.eye(len(x), dtype=x.dtype)]
    off = (claimed - torch.stack(there)).abs()
    relative = off / claimed.abs().clamp(min=1e-3)
    return {"ok": bool(relative.max() < rtol), "max_rel_error": relative.max().item(), "worst": relative.argmax().item()}


@bank.slip("my_gradcheck", "this backward is right: ok must be True")
def text_for_ok(f, backward, x, eps=1e-6, rtol=1e-5, atol=1e-8):
    return gradcheck(f, backward, x) | {"ok": "yes"}


# --- 5.9 -------------------------------------------------------------------------------------------------------------


@bank.slip("is_coupled", "move the first row of X", named="last-row")
def first_row_moved(f, X):
    moved = X.clone()
    moved[0] += 1
    return not torch.allclose(f(moved)[1:], f(X)[1:])


@bank.slip("is_coupled", "move the last row of X", named="first-row")
def last_row_moved(f, X):
    moved = X.clone()
    moved[-1] += 1
    return not torch.allclose(f(moved)[:-1], f(X)[:-1])


@bank.slip("is_coupled", "last row", named="last-row")
def a_walk_from_the_last_row(f, X):
    leaf = X.clone().requires_grad_()
    f(leaf)[-1].sum().backward()
    return bool((leaf.grad[:-1] != 0).any())


@bank.slip("jacobian_cols", "transpose", named="reshaped")
def reshaped(f, x):
    pushes = torch.stack([jvp(f, (x,), (e,))[1] for e in torch.eye(len(x), dtype=x.dtype)])
    return pushes.reshape(pushes.shape[1], pushes.shape[0])


@bank.honest("fix_second_derivative")
def two_calls_of_grad(f, a):
    x = torch.tensor(a, dtype=torch.float64, requires_grad=True)
    y = f(x)
    (first,) = grad(y, x, create_graph=True)
    (second,) = grad(first, x)
    return second


@bank.honest("fix_second_derivative")
def second_walk_by_backward(f, a):
    x = torch.tensor(a, dtype=torch.float64, requires_grad=True)
    y = f(x)
    first = grad(y, x, create_graph=True)[0]
    first.backward()
    return x.grad


@bank.honest("fix_second_derivative")
def grad_of_grad(f, a):
    return torch.func.grad(torch.func.grad(f))(torch.tensor(a, dtype=torch.float64))


@bank.honest("fix_second_derivative")
def hessian_of_a_number(f, a):
    return hessian(f)(torch.tensor(a).double())


@bank.honest("fix_second_derivative")
def functional_hessian(f, a):
    return torch.autograd.functional.hessian(f, torch.tensor(a, dtype=torch.float64))


@bank.honest("fix_second_derivative")
def forward_over_forward(f, a):
    return jacfwd(jacfwd(f))(torch.tensor(a, dtype=torch.float64)).item()


@bank.honest("fix_second_derivative")
def in_float32(f, a):
    x = torch.tensor(a, requires_grad=True)
    (first,) = grad(f(x), x, create_graph=True)
    return grad(first, x)[0]


@bank.slip("fix_second_derivative", "PyTorch warned", named="C6-cleared")
def cleared_between_two_backwards(f, a):
    x = torch.tensor(a, dtype=torch.float64, requires_grad=True)
    f(x).backward(create_graph=True)
    first, x.grad = x.grad, None
    first.backward()
    return x.grad


@bank.slip("fix_second_derivative", "added to the first one", named="C6")
def backward_twice_with_create_graph(f, a):
    x = torch.tensor(a, dtype=torch.float64, requires_grad=True)
    f(x).backward(create_graph=True)
    x.grad.backward()
    return x.grad


@bank.slip("fix_second_derivative", "That is f′", named="first-only")
def cleared_and_walked_again(f, a):
    x = torch.tensor(a, dtype=torch.float64, requires_grad=True)
    y = f(x)
    y.backward(retain_graph=True)
    x.grad = None
    y.backward()
    return x.grad


@bank.slip("fix_second_derivative", "no history", named="no-create-graph")
def retained_not_created(f, a):
    x = torch.tensor(a, dtype=torch.float64, requires_grad=True)
    (first,) = grad(f(x), x, retain_graph=True)
    return grad(first, x)[0]


@bank.slip("fix_second_derivative", "take its entry [0]")
def tuple_forgotten(f, a):
    x = torch.tensor(a, dtype=torch.float64, requires_grad=True)
    return grad(grad(f(x), x, create_graph=True)[0], x)


@bank.slip("fix_second_derivative", "the second derivative is")
def central_difference_with_tiny_step(f, a):
    h = 1e-7
    f0, up, down = (f(torch.tensor(a + s, dtype=torch.float64)) for s in (0, h, -h))
    return (up - 2 * f0 + down) / h**2


# --- hints and questions ---------------------------------------------------------------------------------------------

X, Y, R, T = sympy.symbols("x y r theta")

bank.hide("jacobian_rows", r"return ")
bank.hide("jacobian_cols", r"return ")
bank.hide("jac_cumsum", r"ones\(n, n[^)]*\)\.tril\(\)")
bank.hide("jac_repeat", r"eye\(n[^)]*\)\.repeat\(")
bank.hide("jac_reverse", r"eye\(n[^)]*\)\.flip\(")
bank.hide("jac_mean", r"full\(")
bank.hide("jac_sort", r"eye\([^)]*\)\[")
bank.hide("jac_running_mean", r"J\[i, i : i \+ k\] =")
bank.hide("batch_jacobian", r"return torch\.stack")
bank.hide("is_coupled", r"gradient\[i\] = 0")
bank.hide("chain_jacobian", r"result = matmul\(result, J\)")
bank.hide("hvp_at", r"return ")
bank.hide("my_gradcheck", r'"ok": ')
bank.hide("fix_second_derivative", r"return ")

LEAF2 = "x = torch.tensor([2.0, 3.0], requires_grad=True)"


def gradient_after(*lines):
    return after(*lines).x.grad


def history_kept_by():
    parts = [torch.tensor(1.0, requires_grad=True) for _ in range(3)]
    rebuilt = torch.tensor([part.item() for part in parts])
    return {(True, False): "torch.stack"}[torch.stack(parts).requires_grad, rebuilt.requires_grad]


def sum_of_softmax_tells_slopes():
    x = torch.tensor([0.7, -1.3, 2.5])
    softmax = lambda x: torch.softmax(x, 0)  # noqa: E731
    return torch.allclose(torch.func.grad(lambda x: softmax(x).sum())(x), jacrev(softmax)(x).diagonal())


def rows_of_a_batch_norm_are_independent():
    J = torch.autograd.functional.jacobian(torch.nn.BatchNorm1d(3), torch.randn(4, 3))
    return bool((J[0, :, 1] == 0).all())


def fewer_walks():
    J = jacrev(lambda x: (x**2).sum()[None])(torch.ones(1000))
    return "jacrev" if J.shape[0] < J.shape[1] else "jacfwd"


def millions_from_the_right():
    sizes = (1, 100, 100, 100)
    return (sizes[1] * sizes[2] * sizes[3] + sizes[0] * sizes[1] * sizes[3]) / 1e6


def area_at_r_2():
    J = sympy.Matrix([R * sympy.cos(T), R * sympy.sin(T)]).jacobian([R, T])
    return sympy.simplify(J.det()).subs(R, 2)


def gradcheck_by_ones_passes():
    class Deaf(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * x

        @staticmethod
        def backward(ctx, g):
            return 2 * ctx.saved_tensors[0]

    x = torch.tensor([0.7, -1.3], requires_grad=True)
    Deaf.apply(x).backward(torch.ones(2))
    return torch.allclose(x.grad, 2 * x.detach())


def what_row_0_belongs_to():
    """The first output uses the second input alone, so exactly one of row 0 and column 0 has a 3."""
    J = jacrev(lambda x: torch.stack([3 * x[1], 5 * x[1]]))(torch.ones(2))
    return "output" if 3 in J[0] and 5 not in J[0] else "input"


bank.computed = {
    "05-recall-weights": lambda: gradient_after(
        LEAF2, "y = x * x", "y.backward(gradient=torch.tensor([5.0, 0.0]))")[0].item(),
    "05-recall-lie": sum_of_softmax_tells_slopes,
    "05-recall-stack": history_kept_by,
    "05-recall-second": lambda: sympy.diff(X**3, X, 2).subs(X, 1),
    "05-recall-hold": lambda: gradient_after(
        "x = torch.tensor(5.0, requires_grad=True)", "(x * x.detach()).backward()").item(),
    "05-shape": lambda: tuple(jacrev(lambda x: torch.stack([x[0], x[1], x[0] * x[1]]))(torch.ones(2)).shape),
    "05-second-walk": lambda: runs(
        LEAF2, "y = x * x", "torch.autograd.grad(y[0], x)", "torch.autograd.grad(y[1], x)"),
    "05-func-grad": lambda: runs("torch.func.grad(lambda x: x * x)(torch.tensor([2.0, 3.0]))"),
    "05-batch-shape": lambda: tuple(
        torch.autograd.functional.jacobian(lambda X: X @ torch.ones(2, 3), torch.ones(5, 2)).shape),
    "05-zero-blocks": rows_of_a_batch_norm_are_independent,
    "05-cheaper": fewer_walks,
    "05-order": millions_from_the_right,
    "05-symmetric": lambda: sympy.hessian(sympy.sin(X * Y) + X**2 * Y, (X, Y)).is_symmetric(),
    "05-gradcheck32": lambda: runs(
        "x = torch.tensor([0.7, -1.3], requires_grad=True)", "torch.autograd.gradcheck(torch.sin, x)"),
    "05-fill-dim": lambda: next(dim for dim in (0, 1) if torch.stack([torch.ones(3)] * 2, dim=dim).shape == (3, 2)),
    "05-det": area_at_r_2,
    "05-exit-rows": what_row_0_belongs_to,
    "05-exit-hvp": lambda: two_walks(lambda x: (x**3).sum(), torch.ones(1000), torch.ones(1000)).numel(),
    "05-exit-check": gradcheck_by_ones_passes,
}  # fmt: skip
