"""Answers to lesson 02 as students write them."""

import functools
import itertools

import numpy as np
import sympy
import torch
from torch.autograd import forward_ad, grad

from tests.answers import Bank, after

bank = Bank("02")


def leaves_at(u, v, dtype=torch.float64):
    return [torch.tensor(number, dtype=dtype, requires_grad=True) for number in (u, v)]


def vector_leaf(x):
    return x.detach().clone().requires_grad_()


def gradient(f, x):
    leaf = vector_leaf(x)
    f(leaf).backward()
    return leaf.grad


# --- 2.1 and 2.9: the same two partials, in every style --------------------------------------------------------------


def two_leaves(f, u, v):
    a, b = leaves_at(u, v)
    f(a, b).backward()
    return a.grad.item(), b.grad.item()


def names_used_again(f, u, v):
    u = torch.tensor(u, dtype=torch.float64, requires_grad=True)
    v = torch.tensor(v, dtype=torch.float64, requires_grad=True)
    f(u, v).backward()
    return u.grad.item(), v.grad.item()


def two_float32_leaves(f, u, v):
    a, b = torch.tensor(u, requires_grad=True), torch.tensor(v, requires_grad=True)
    y = f(a, b)
    y.backward()
    return float(a.grad), float(b.grad)


def tensors_in_a_list(f, u, v):
    a, b = leaves_at(u, v)
    f(a, b).backward()
    return [a.grad, b.grad]


def one_call_of_autograd_grad(f, u, v):
    a, b = leaves_at(u, v)
    return grad(f(a, b), (a, b))


def two_calls_of_autograd_grad(f, u, v):
    a, b = leaves_at(u, v)
    y = f(a, b)
    (du,) = grad(y, a, retain_graph=True)
    (dv,) = grad(y, b)
    return du.item(), dv.item()


def one_vector_leaf(f, u, v):
    x = torch.tensor([u, v], dtype=torch.float64, requires_grad=True)
    f(x[0], x[1]).backward()
    return tuple(x.grad.tolist())


def unpacked_vector(f, u, v):
    x = torch.tensor([u, v], requires_grad=True, dtype=torch.double)
    f(*x).backward()
    du, dv = x.grad
    return du, dv


def one_at_a_time(f, u, v):
    def slope_along(which):
        numbers = [torch.tensor(u, dtype=torch.float64), torch.tensor(v, dtype=torch.float64)]
        numbers[which].requires_grad_()
        f(*numbers).backward()
        return numbers[which].grad.item()

    return slope_along(0), slope_along(1)


def cleared_between_two_walks(f, u, v):
    a, b = leaves_at(u, v)
    f(a, b).backward()
    du = a.grad.item()
    a.grad, b.grad = None, None
    f(a, b).backward()
    return du, b.grad.item()


def zeroed_between_two_walks(f, u, v):
    a, b = leaves_at(u, v)
    f(a, b).backward()
    du = a.grad.clone()
    a.grad.zero_()
    b.grad.zero_()
    f(a, b).backward()
    dv = b.grad.clone()
    return du, dv


def func_grad_with_argnums(f, u, v):
    a, b = torch.tensor(u, dtype=torch.float64), torch.tensor(v, dtype=torch.float64)
    return torch.func.grad(f, argnums=(0, 1))(a, b)


def jacobian_of_both(f, u, v):
    return torch.autograd.functional.jacobian(f, (torch.tensor(u).double(), torch.tensor(v).double()))


def jvp_along_each_axis(f, u, v):
    at = torch.tensor(u, dtype=torch.float64), torch.tensor(v, dtype=torch.float64)
    one, zero = torch.ones((), dtype=torch.float64), torch.zeros((), dtype=torch.float64)
    return torch.func.jvp(f, at, (one, zero))[1], torch.func.jvp(f, at, (zero, one))[1]


def dual_numbers(f, u, v):
    a, b = torch.tensor(u, dtype=torch.float64), torch.tensor(v, dtype=torch.float64)
    with forward_ad.dual_level():
        du = forward_ad.unpack_dual(f(forward_ad.make_dual(a, torch.ones_like(a)), b)).tangent.item()
        dv = forward_ad.unpack_dual(f(a, forward_ad.make_dual(b, torch.ones_like(b)))).tangent.item()
    return du, dv


def seeded_and_printed(f, u, v):
    torch.manual_seed(0)
    a, b = leaves_at(u, v)
    z = f(a, b)
    print("f =", z.item())
    z.backward()
    print(f"slope along u: {a.grad:.4f}, along v: {b.grad:.4f}")
    return np.float64(a.grad.item()), np.float64(b.grad.item())


for _answer in (
    two_leaves, names_used_again, two_float32_leaves, tensors_in_a_list, one_call_of_autograd_grad,
    two_calls_of_autograd_grad, one_vector_leaf, unpacked_vector, one_at_a_time, cleared_between_two_walks,
    zeroed_between_two_walks, func_grad_with_argnums, jacobian_of_both, jvp_along_each_axis, dual_numbers,
    seeded_and_printed,
):  # fmt: skip
    bank.honest("partials_at")(_answer)
    bank.honest("fix_partials")(_answer)


@bank.slip("partials_at", "within a few percent of 1")
def forward_differences(f, u, v):
    h = 1e-3
    return (f(u + h, v) - f(u, v)) / h, (f(u, v + h) - f(u, v)) / h


@bank.slip("partials_at", "backward runs twice on the same leaves", named="C1")
def central_differences_over_h(f, u, v):
    h = 1e-5
    return (f(u + h, v) - f(u - h, v)) / h, (f(u, v + h) - f(u, v - h)) / h


@bank.slip("partials_at", "not connected to anything that tracks")
def flags_forgotten(f, u, v):
    a, b = torch.tensor(u), torch.tensor(v)
    f(a, b).backward()
    return a.grad, b.grad


@bank.slip("partials_at", "2 things, as a tuple")
def only_along_u(f, u, v):
    return two_leaves(f, u, v)[0]


@bank.honest("partials_at")
def one_gradient_of_both(f, u, v):
    both = torch.tensor([u, v], dtype=torch.float64, requires_grad=True)
    return torch.autograd.grad(f(*both), both)[0]


@bank.honest("partials_at")
def one_array_of_both(f, u, v):
    both = torch.tensor([u, v], requires_grad=True)
    f(both[0], both[1]).backward()
    return both.grad.numpy()


@bank.slip("partials_at", "are swapped", named="D11")
def one_gradient_turned_round(f, u, v):
    both = torch.tensor([u, v], dtype=torch.float64, requires_grad=True)
    return torch.autograd.grad(f(*both), both)[0].flip(0)


@bank.slip("partials_at", "positive")
def signs_turned(f, u, v):
    du, dv = two_leaves(f, u, v)
    return -du, -dv


@bank.slip("fix_partials", "something is None here")
def cleared_before_reading(f, u, v):
    u = torch.tensor(u, dtype=torch.float64, requires_grad=True)
    v = torch.tensor(v, dtype=torch.float64, requires_grad=True)
    f(u, v).backward()
    u.grad = None
    f(u, v).backward()
    v.grad = None
    return u.grad.item(), v.grad.item()


@bank.slip("fix_partials", "a second time")
def same_graph_walked_twice(f, u, v):
    a, b = leaves_at(u, v)
    y = f(a, b) * torch.exp(a)
    y.backward()
    y.backward()
    return a.grad.item(), b.grad.item()


# --- 2.2 -------------------------------------------------------------------------------------------------------------


@bank.honest("gradient_at")
def detached_clone(f, x):
    leaf = x.detach().clone().requires_grad_()
    f(leaf).backward()
    return leaf.grad


@bank.honest("gradient_at")
def clone_then_flag(f, x):
    y = x.clone()
    y.requires_grad = True
    f(y).backward()
    print(y.grad.shape)
    return y.grad


@bank.honest("gradient_at")
def copied_by_torch_tensor(f, x):
    leaf = torch.tensor(x, requires_grad=True)  # warns, and copies
    f(leaf).backward()
    return leaf.grad


@bank.honest("gradient_at")
def copied_as_a_list_into_float32(f, x):
    leaf = torch.tensor(x.tolist(), requires_grad=True)
    f(leaf).backward()
    return leaf.grad


@bank.honest("gradient_at")
def autograd_grad_unpacked(f, x):
    leaf = vector_leaf(x)
    (found,) = grad(f(leaf), leaf)
    return found


@bank.honest("gradient_at")
def func_grad(f, x):
    return torch.func.grad(f)(x)


@bank.honest("gradient_at")
def jacobian_of_a_scalar(f, x):
    return torch.autograd.functional.jacobian(f, x)


@bank.honest("gradient_at")
def jacfwd(f, x):
    return torch.func.jacfwd(f)(x)


@bank.honest("gradient_at")
def vjp_with_one(f, x):
    y, pull_back = torch.func.vjp(f, x)
    return pull_back(torch.ones_like(y))[0]


@bank.honest("gradient_at")
def still_part_of_a_graph(f, x):
    leaf = vector_leaf(x)
    return grad(f(leaf), leaf, create_graph=True)[0]


@bank.honest("gradient_at")
def entries_as_leaves(f, x):
    parts = [torch.tensor(number, dtype=x.dtype, requires_grad=True) for number in x.tolist()]
    f(torch.stack(parts)).backward()
    return torch.stack([part.grad for part in parts])


@bank.honest("gradient_at")
def tracked_and_tidied_up(f, x):
    x.requires_grad_()
    f(x).backward()
    found = x.grad.clone()
    x.grad = None
    x.requires_grad_(False)
    return found


@bank.honest("gradient_at")
def parameter(f, x):
    p = torch.nn.Parameter(x.clone())
    f(p).backward()
    return p.grad.numpy()


@bank.slip("gradient_at", "not connected to anything that tracks")
def new_leaf_but_old_x(f, x):
    leaf = x.detach().clone().requires_grad_()
    f(x).backward()
    return leaf.grad


@bank.slip("gradient_at", "your function changed x")
def flag_left_on_x(f, x):
    x.requires_grad_()
    return grad(f(x), x)[0]


@bank.slip("gradient_at", "None")
def gradient_of_a_product(f, x):
    leaf = x.clone().requires_grad_() * 1.0
    f(leaf).backward()
    return leaf.grad


@bank.slip("gradient_at", "a tensor of shape")
def list_of_numbers(f, x):
    return gradient(f, x).tolist()


@bank.slip("gradient_at", "a constant factor")
def mean_instead_of_sum(f, x):
    return gradient(f, x) / 2


@bank.slip("gradient_at", "shape")
def row_of_a_matrix(f, x):
    return gradient(f, x)[None]


# --- 2.3 -------------------------------------------------------------------------------------------------------------


@bank.honest("directional_slope")
def gradient_times_unit(f, x, d):
    unit = d / d.norm()
    return gradient(f, x) @ unit


@bank.honest("directional_slope")
def dot_then_divide(f, x, d):
    return torch.dot(gradient(f, x), d) / torch.sqrt((d**2).sum())


@bank.honest("directional_slope")
def functional_normalize(f, x, d):
    return (torch.func.grad(f)(x) * torch.nn.functional.normalize(d, dim=0)).sum()


@bank.honest("directional_slope")
def push_forward(f, x, d):
    return torch.func.jvp(f, (x,), (d / torch.linalg.norm(d),))[1]


@bank.honest("directional_slope")
def slice_with_one_knob(f, x, d):
    t = torch.tensor(0.0, dtype=x.dtype, requires_grad=True)
    f(x + t * d / d.norm()).backward()
    return t.grad


@bank.honest("directional_slope")
def central_difference_along_the_unit(f, x, d):
    unit, h = d / d.norm(), 1e-5
    return (f(x + h * unit) - f(x - h * unit)) / (2 * h)


@bank.honest("directional_slope")
def length_of_gradient_times_cosine(f, x, d):
    g = gradient(f, x)
    return g.norm() * torch.cosine_similarity(g, d, dim=0)


@bank.honest("directional_slope")
def all_in_float32_as_a_float(f, x, d):
    leaf = x.float().requires_grad_()
    f(leaf).backward()
    return (leaf.grad @ (d.float() / d.float().norm())).item()


@bank.honest("directional_slope")
def x_itself_tracked(f, x, d):
    x.requires_grad_()
    f(x).backward()
    return torch.einsum("i,i->", x.grad, d) / torch.linalg.vector_norm(d)


@bank.honest("directional_slope")
def numpy_at_the_end(f, x, d):
    return np.dot(gradient(f, x).numpy(), d.numpy()) / np.linalg.norm(d.numpy())


@bank.slip("directional_slope", "a number", named="entrywise")
def entry_by_entry(f, x, d):
    return gradient(f, x) * d / d.norm()


@bank.slip("directional_slope", "the slope along d", named="other-length")
def divided_by_the_sum(f, x, d):
    return gradient(f, x) @ d / d.abs().sum()


@bank.slip("directional_slope", "the slope along d", named="steepest")
def length_of_the_gradient(f, x, d):
    return gradient(f, x).norm()


@bank.slip("directional_slope", "the slope along d", named="sign-lost")
def size_of_the_slope(f, x, d):
    return gradient_times_unit(f, x, d).abs()


@bank.slip("directional_slope", "the slope along d")
def gradient_taken_at_d(f, x, d):
    return gradient(f, d) @ (d / d.norm())


@bank.slip("directional_slope", "a single number")
def column_of_one(f, x, d):
    return (gradient(f, x)[None] @ d[:, None] / d.norm())[0]


# --- 2.4 -------------------------------------------------------------------------------------------------------------


@bank.honest("grad_quadratic")
def both_sides(A, x):
    return (A + A.T) @ x


@bank.honest("grad_quadratic")
def rows_plus_columns(A, x):
    return A @ x + x @ A


@bank.honest("grad_quadratic")
def einsum(A, x):
    return torch.einsum("ij,j->i", A, x) + torch.einsum("ji,j->i", A, x)


@bank.honest("grad_quadratic")
def double_loop(A, x):
    n = len(x)
    out = torch.zeros(n)
    for i in range(n):
        for j in range(n):
            out[i] += (A[i, j] + A[j, i]) * x[j]
    return out


@bank.honest("grad_quadratic")
def columns_as_matrices(A, x):
    column = x.unsqueeze(1)
    return (torch.mm(A, column) + torch.mm(A.t(), column)).squeeze(1)


@bank.honest("grad_quadratic")
def outer_product_summed(A, x):
    table = A * x[None, :]
    return table.sum(1) + (A * x[:, None]).sum(0)


@bank.honest("grad_quadratic")
def twice_the_symmetric_part(A, x):
    return 2 * (0.5 * (A + A.transpose(0, 1))) @ x


@bank.honest("grad_quadratic")
def numpy_by_hand(A, x):
    A, x = A.numpy(), x.numpy()
    return A.dot(x) + A.T.dot(x)


@bank.honest("grad_quadratic")
def float32_matrix_vector(A, x):
    return torch.mv(A.float(), x.float()) + torch.mv(A.mT.float(), x.float())


@bank.honest("grad_quadratic")
def derivative_of_the_outer_product(A, x):
    n = len(x)
    eye = torch.eye(n, dtype=x.dtype)
    return torch.stack([(A * (torch.outer(eye[i], x) + torch.outer(x, eye[i]))).sum() for i in range(n)])


@bank.slip("grad_quadratic", "shape")
def column_left_over(A, x):
    return (A + A.T) @ x[:, None]


@bank.slip("grad_quadratic", "the gradient is")
def entry_by_entry_product(A, x):
    return ((A + A.T) * x).sum(0)[torch.arange(len(x)).flip(0)]


@bank.slip("grad_quadratic", "shape", named="entrywise")
def broadcast_instead_of_product(A, x):
    return (A + A.T) * x


@bank.slip("grad_quadratic", "the gradient is")
def difference_of_both_sides(A, x):
    return (A - A.T) @ x


@bank.slip("grad_quadratic", "the gradient is")
def diagonal_only(A, x):
    return 2 * A.diagonal() * x


@bank.slip("grad_quadratic", "shape", named="hessian")
def hessian_instead(A, x):
    return A + A.T


# --- 2.5 -------------------------------------------------------------------------------------------------------------

bank.value("mean_gradient_order", ["D", "F", "B", "E", "A"])
bank.value("mean_gradient_order", ("D", "F", "B", "E", "A"))
bank.value("mean_gradient_order", "dfbea")
bank.value("mean_gradient_order", "D, F, B, E, A")


# --- 2.6 -------------------------------------------------------------------------------------------------------------


@bank.honest("unbroadcast")
def leading_then_ones(g, shape):
    while g.ndim > len(shape):
        g = g.sum(0)
    for axis, size in enumerate(shape):
        if size == 1:
            g = g.sum(axis, keepdim=True)
    return g


@bank.honest("unbroadcast")
def padded_with_ones(g, shape):
    padded = (1,) * (g.dim() - len(shape)) + tuple(shape)
    axes = [i for i, (wide, narrow) in enumerate(zip(g.shape, padded, strict=True)) if wide != narrow]
    return (g.sum(dim=axes, keepdim=True) if axes else g).reshape(shape)


@bank.honest("unbroadcast")
def sum_to_size(g, shape):
    return g.sum_to_size(shape)


@bank.honest("unbroadcast")
def expand_and_walk_back(g, shape):
    x = torch.zeros(shape, dtype=g.dtype, requires_grad=True)
    x.expand(g.shape).backward(g)
    return x.grad


@bank.honest("unbroadcast")
def number_for_the_empty_shape(g, shape):
    if shape == ():
        return g.sum().item()
    return leading_then_ones(g, shape)


@bank.honest("unbroadcast")
def numpy_scalar_for_the_empty_shape(g, shape):
    g = g.numpy()
    lead = g.ndim - len(shape)
    g = g.sum(axis=tuple(range(lead)))
    stretched = tuple(i for i, size in enumerate(shape) if size == 1)
    return g.sum(axis=stretched, keepdims=True) if stretched else g


@bank.honest("unbroadcast")
def index_by_index(g, shape):
    out = torch.zeros(shape)  # float32
    lead = g.ndim - len(shape)
    for index in itertools.product(*map(range, g.shape)):
        target = tuple(0 if size == 1 else i for i, size in zip(index[lead:], shape, strict=True))
        out[target] += g[index]
    return out


@bank.honest("unbroadcast")
def recursion(g, shape):
    if g.ndim > len(shape):
        return recursion(g.sum(dim=0), shape)
    for i in range(g.ndim):
        if g.shape[i] != shape[i]:
            return recursion(g.sum(dim=i, keepdim=True), shape)
    return g.clone()


@bank.honest("unbroadcast")
def view_at_the_end(g, shape):
    axes = list(range(g.ndim - len(shape)))
    for back in range(1, len(shape) + 1):
        if shape[-back] == 1 and g.shape[-back] != 1:
            axes.append(g.ndim - back)
    if axes:
        g = torch.sum(g, dim=tuple(axes))
    return g.view(*shape) if shape else g


@bank.honest("unbroadcast")
def reduced_axis_by_axis(g, shape):
    padded = [1] * (g.ndim - len(shape)) + list(shape)
    wide = functools.reduce(
        lambda t, i: t.sum(i, keepdim=True) if padded[i] == 1 else t, range(g.ndim), g.detach().clone()
    )
    return wide.reshape(shape)


@bank.slip("unbroadcast", "shape", named="first-axis")
def first_axis_always(g, shape):
    return g.sum(0)


@bank.slip("unbroadcast", "shape", named="keepdim")
def ones_dropped(g, shape):
    axes = [i for i in range(-1, -1 - len(shape), -1) if shape[i] == 1] + list(range(g.ndim - len(shape)))
    return g.sum(dim=axes) if axes else g


@bank.slip("unbroadcast", "shape")
def ones_only(g, shape):
    for axis, size in enumerate(shape):
        if size == 1:
            g = g.sum(axis, keepdim=True)
    return g


@bank.slip("unbroadcast", "invalid for input of size")
def reshaped(g, shape):
    return g.reshape(shape)


@bank.slip("unbroadcast", "the sum over the copies")
def largest_copy(g, shape):
    return sum_to_size(torch.where(g == g.max(), g, 0 * g), shape)


# --- 2.7 -------------------------------------------------------------------------------------------------------------


@bank.honest("total_vs_partial")
def two_leaves_two_walks(x):
    a = torch.tensor(x, dtype=torch.float64, requires_grad=True)
    (a * (a**2).detach()).backward()
    b = torch.tensor(x, dtype=torch.float64, requires_grad=True)
    (b * b**2).backward()
    return a.grad.item(), b.grad.item()


@bank.honest("total_vs_partial")
def one_leaf_cleared_between(x):
    x = torch.tensor(x, requires_grad=True)
    y = x**2
    z = x * y.detach()
    z.backward()
    direct = x.grad.item()
    x.grad.zero_()
    z = x * y
    z.backward()
    return direct, x.grad.item()


@bank.honest("total_vs_partial")
def autograd_grad_twice(x):
    x = torch.tensor(x, dtype=torch.float64, requires_grad=True)
    y = x * x
    return grad(x * y.detach(), x)[0], grad(x * y, x)[0]


@bank.honest("total_vs_partial")
def under_no_grad(x):
    x = torch.tensor(x, dtype=torch.float64, requires_grad=True)
    with torch.no_grad():
        held = x**2
    (direct,) = grad(x * held, x)
    (total,) = grad(x * x**2, x)
    return [direct.item(), total.item()]


@bank.honest("total_vs_partial")
def held_as_a_number(x):
    x = torch.tensor(x, dtype=torch.float64, requires_grad=True)
    direct = grad(x * (x**2).item(), x)[0]
    return float(direct), float(grad(x**3, x)[0])


@bank.honest("total_vs_partial")
def direct_plus_through_y(x):
    a = torch.tensor(x, dtype=torch.float64, requires_grad=True)
    y = a**2
    y_leaf = y.detach().clone().requires_grad_()
    z = a * y_leaf
    direct, by_y = grad(z, (a, y_leaf))
    (inner,) = grad(y, a)
    return direct.item(), (direct + by_y * inner).item()


@bank.honest("total_vs_partial")
def func_grad_of_both(x):
    at = torch.tensor(x, dtype=torch.float64)
    y = at**2
    return torch.func.grad(lambda t: t * y)(at), torch.func.grad(lambda t: t * t**2)(at)


@bank.honest("total_vs_partial")
def by_hand(x):
    return x**2, 3 * x**2


@bank.slip("total_vs_partial", "Clear it", named="C1")
def leaf_not_cleared(x):
    x = torch.tensor(x, dtype=torch.float64, requires_grad=True)
    y = x**2
    (x * y.detach()).backward()
    direct = x.grad.item()
    (x * y).backward()
    return direct, x.grad.item()


@bank.slip("total_vs_partial", "y held, x moving", named="other-held")
def x_held_instead_of_y(x):
    x = torch.tensor(x, dtype=torch.float64, requires_grad=True)
    y = x**2
    return grad(x.detach() * y, x, retain_graph=True)[0].item(), grad(x * y, x)[0].item()


@bank.slip("total_vs_partial", "something is None here")
def leaf_read_after_clearing(x):
    x = torch.tensor(x, dtype=torch.float64, requires_grad=True)
    (x * (x**2).detach()).backward()
    direct = x.grad.item()
    x.grad = None
    return direct, x.grad.item()


@bank.slip("total_vs_partial", "a second time")
def graph_of_y_walked_twice(x):
    x = torch.tensor(x, dtype=torch.float64, requires_grad=True)
    y = x**2
    return grad(x.detach() * y, x)[0].item(), grad(x * y, x)[0].item()


@bank.slip("total_vs_partial", "not connected to anything that tracks")
def everything_held(x):
    x = torch.tensor(x, dtype=torch.float64, requires_grad=True)
    z = (x * x**2).detach()
    z.backward()
    return x.grad.item(), 0.0


@bank.slip("total_vs_partial", "the total slope is")
def ways_multiplied(x):
    return x * x, 2 * x**4


# --- 2.8 -------------------------------------------------------------------------------------------------------------


def named(low, high):
    return "min" if low > 0 else "max" if high < 0 else "saddle"


@bank.honest("classify_critical")
def func_hessian(f, p):
    if torch.func.grad(f)(p).norm() > 1e-4:
        return "not critical"
    curvatures = torch.linalg.eigvalsh(torch.func.hessian(f)(p))
    if (curvatures > 0).all():
        return "min"
    return "max" if (curvatures < 0).all() else "saddle"


@bank.honest("classify_critical")
def functional_hessian_in_float32(f, p):
    p = p.float()
    if torch.autograd.functional.jacobian(f, p).abs().max() > 1e-3:
        return "not critical"
    low, high = torch.linalg.eigvalsh(torch.autograd.functional.hessian(f, p))
    return named(low, high)


@bank.honest("classify_critical")
def two_walks_back(f, p):
    leaf = p.detach().clone().requires_grad_()
    (g,) = grad(f(leaf), leaf, create_graph=True)
    if not torch.allclose(g, torch.zeros_like(g), atol=1e-6):
        return "not critical"
    rows = [grad(entry, leaf, retain_graph=True)[0] for entry in g]
    low, high = torch.linalg.eigvalsh(torch.stack(rows))
    return named(low, high)


@bank.honest("classify_critical")
def determinant_and_corner(f, p):
    g, H = gradient(f, p), torch.func.hessian(f)(p)
    if (g.abs() > 1e-5).any():
        return "not critical"
    if H[0, 0] * H[1, 1] - H[0, 1] ** 2 < 0:
        return "saddle"
    return "min" if H[0, 0] > 0 else "max"


@bank.honest("classify_critical")
def determinant_and_trace(f, p):
    H = torch.func.jacrev(torch.func.grad(f))(p)
    kind = "saddle" if torch.det(H) < 0 else ("min" if torch.trace(H) > 0 else "max")
    return kind if torch.linalg.norm(gradient(f, p)) < 1e-4 else "not critical"


@bank.honest("classify_critical")
def differences_only(f, p):
    h, e = 1e-4, torch.eye(2, dtype=torch.float64)
    slopes = [((f(p + h * one) - f(p - h * one)) / (2 * h)).item() for one in e]
    if max(map(abs, slopes)) > 1e-4:
        return "not critical"

    def mixed(i, j):
        corners = [(f(p + a * h * e[i] + b * h * e[j]).item(), a * b) for a in (1, -1) for b in (1, -1)]
        return sum(sign * value for value, sign in corners) / (4 * h * h)

    low, high = np.linalg.eigvalsh([[mixed(i, j) for j in range(2)] for i in range(2)])
    return named(low, high)


@bank.honest("classify_critical")
def eigenvalues_by_hand(f, p):
    a, b = torch.func.hessian(f)(p).tolist()
    middle, half = (a[0] + b[1]) / 2, (((a[0] - b[1]) / 2) ** 2 + a[1] * b[0]) ** 0.5
    flat = torch.func.grad(f)(p).abs().sum() < 1e-4
    return named(middle - half, middle + half) if flat else "not critical"


@bank.honest("classify_critical")
def complex_eigenvalues(f, p):
    values = torch.linalg.eigvals(torch.autograd.functional.hessian(f, p)).real
    slopes = torch.func.jacfwd(f)(p)
    if torch.sum(slopes**2) > 1e-8:
        return "not critical"
    signs = {bool(value > 0) for value in values}
    return "saddle" if len(signs) == 2 else "min" if signs.pop() else "max"


@bank.honest("classify_critical")
def definite_by_cholesky(f, p):
    def definite(matrix):
        return torch.linalg.cholesky_ex(matrix).info == 0

    H = torch.func.hessian(f)(p)
    print("Hessian:", H)
    if torch.func.grad(f)(p).norm() > 1e-4:
        return "Not critical"
    return "Min" if definite(H) else "Max" if definite(-H) else "Saddle"


@bank.slip("classify_critical", "both signs", named="trace")
def trace_decides(f, p):
    curvature = torch.autograd.functional.hessian(f, p).diagonal().sum()
    if gradient(f, p).norm() > 1e-4:
        return "not critical"
    return "max" if curvature < 0 else "min"


@bank.honest("classify_critical")
def words_of_an_array(f, p):
    if torch.func.grad(f)(p).norm() > 1e-4:
        return np.str_("not critical")
    curvatures = np.linalg.eigvalsh(torch.func.hessian(f)(p).numpy())
    return np.array(["max", "saddle", "min"])[(curvatures > 0).sum()]


def _by_curvature(f, p):
    curvatures = torch.linalg.eigvalsh(torch.func.hessian(f)(p))
    return "min" if (curvatures > 0).all() else "max" if (curvatures < 0).all() else "saddle"


@bank.slip("classify_critical", "the gradient of f at p is not 0")
def looks_at_the_first_partial(f, p):
    return "not critical" if torch.func.grad(f)(p)[0].abs() > 1e-4 else _by_curvature(f, p)


@bank.slip("classify_critical", "the gradient of f at p is not 0")
def looks_at_the_second_partial(f, p):
    return "not critical" if torch.func.grad(f)(p)[1].abs() > 1e-4 else _by_curvature(f, p)


@bank.slip("classify_critical", "the gradient of f at p is not 0")
def negative_partials_count_as_small(f, p):
    return "not critical" if (torch.func.grad(f)(p) > 1e-4).any() else _by_curvature(f, p)


@bank.slip("classify_critical", "one of")
def words_in_full(f, p):
    return {"min": "minimum", "max": "maximum"}.get(func_hessian(f, p), func_hessian(f, p))


@bank.slip("classify_critical", "one of")
def number_of_negative_curvatures(f, p):
    return int((torch.linalg.eigvalsh(torch.func.hessian(f)(p)) < 0).sum())


@bank.slip("classify_critical", "you said 'saddle'")
def hill_forgotten(f, p):
    answer = func_hessian(f, p)
    return "saddle" if answer == "max" else answer


@bank.slip("classify_critical", "you said")
def height_instead_of_slope(f, p):
    return "not critical" if abs(f(p)) > 1e-4 else func_hessian(f, p)


@bank.slip("classify_critical", "ambiguous")
def vector_compared_as_one(f, p):
    return "not critical" if torch.func.grad(f)(p) > 1e-4 else func_hessian(f, p)


@bank.slip("classify_critical", "one of")
def result_printed(f, p):
    print(func_hessian(f, p))


# --- hints and questions ---------------------------------------------------------------------------------------------

bank.hide("partials_at", r"return a\.grad|\.grad\.item\(\), ")
bank.hide("gradient_at", r"f\(leaf\)\.backward\(\)")
bank.hide("directional_slope", r"return ")
bank.hide("mean_gradient_order", r"D\W*F\W*B\W*E\W*A")
bank.hide("total_vs_partial", r"3 ?\*|backward\(\)\)?;")
bank.hide("classify_critical", r"\.all\(\)|return ")
bank.hide("fix_partials", r"return u\.grad")

U, V, X, Y = sympy.symbols("u v x y")
PAIR = "u, v = torch.tensor(1.3, requires_grad=True), torch.tensor(-0.7, requires_grad=True)"


def best_power_of_ten():
    """The step of 1e-2, 1e-5, 1e-12 with the smallest error for sin at 1.3, in float64."""
    def error(h):
        return abs((np.sin(1.3 + h) - np.sin(1.3 - h)) / (2 * h) - np.cos(1.3))

    return min((1e-2, 1e-5, 1e-12), key=error)


def which_returns_a_derivative():
    x = torch.tensor(0.7, requires_grad=True)
    returned = grad(x**2, x)
    assert x.grad is None and (x**2).backward() is None and x.grad is not None
    return "autograd.grad" if isinstance(returned, tuple) else "backward"


def slope_along_a_contour():
    """Of u·v + u² at (1.3, −0.7): the gradient is (1.9, 1.3), and it is turned by a right angle."""
    g = after(PAIR, "(u * v + u**2).backward()", "g = torch.stack([u.grad, v.grad])").g
    return (g @ torch.stack([-g[1], g[0]])).item()


def kind_by_curvature():
    signs = torch.linalg.eigvalsh(torch.tensor([[2.0, 3.0], [3.0, 2.0]])).sign().tolist()
    return {(-1.0, 1.0): "saddle", (1.0, 1.0): "valley", (-1.0, -1.0): "hill"}[tuple(signs)]


bank.computed = {
    "02-recall-forecast": lambda: 5 + 3 * (1.9 - 2),
    "02-recall-twice": lambda: after(
        "x = torch.tensor(3.0, requires_grad=True)", *2 * ("y = x**2", "y.backward()")
    ).x.grad.item(),
    "02-recall-second": which_returns_a_derivative,
    "02-recall-step": best_power_of_ten,
    "02-recall-shape": lambda: tuple((torch.ones(5, 3) + torch.ones(3)).shape),
    "02-partial": lambda: sympy.diff(U * V + U**2, U).subs({U: 1.3, V: -0.7}),
    "02-label": lambda: sympy.diff(U * V + U**2, U).subs({U: 1, V: 2}) == 1,
    "02-direction": lambda: max(3 * np.cos(t) + 4 * np.sin(t) for t in np.linspace(0, 2 * np.pi, 1_000_001)),
    "02-uphill": lambda: after(
        "x = torch.tensor(1.0, requires_grad=True)", "(x**2).backward()", "below = ((x + 0.1 * x.grad) ** 2 < 1).item()"
    ).below,
    "02-mean": lambda: after(
        "x = torch.arange(4.0, requires_grad=True)", "(x**2).mean().backward()"
    ).x.grad[-1].item(),
    "02-tie": lambda: after(
        "x = torch.tensor([3.0, 3, 1], requires_grad=True)", "x.max().backward()"
    ).x.grad[0].item(),
    "02-bias": lambda: after(
        "b = torch.zeros(2, requires_grad=True)", "(torch.ones(5, 2) + b).sum().backward()"
    ).b.grad[0].item(),
    "02-moves": lambda: after("x = torch.tensor(5.0, requires_grad=True); (x * x**2).backward()").x.grad.item(),
    "02-weights": lambda: after(
        "w = torch.tensor([0.5, -1], requires_grad=True)", "(w @ torch.tensor([2.0, 3])).backward()"
    ).w.grad[0].item(),
    "02-saddle": kind_by_curvature,
    "02-fill-slice": lambda: sympy.diff(2 * U + 3 * V, U),
    "02-fill-sum": lambda: next(
        axis for axis in (0, 1) if torch.ones(5, 2).sum(axis).shape == (2,)
    ),
    "02-exit-partial": lambda: sympy.diff(U * V**2, V).subs({U: 2, V: 3}),
    "02-exit-flat": slope_along_a_contour,
    "02-exit-held": lambda: sympy.diff(X * Y, X).subs(Y, X**2).subs(X, 3),
}  # fmt: skip


@bank.slip("fix_partials", "only the leaf u was cleared", named="C1-half")
def u_cleared_alone(f, u, v):
    a = torch.tensor(u, dtype=torch.float64, requires_grad=True)
    b = torch.tensor(v, dtype=torch.float64, requires_grad=True)
    f(a, b).backward()
    a.grad.zero_()
    f(a, b).backward()
    return a.grad.item(), b.grad.item()
