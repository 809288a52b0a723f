"""Answers to lesson 04 as students write them."""

import dataclasses
import math

import numpy as np
import sympy
import torch
from torch.autograd import forward_ad, grad

from tests.answers import Bank, after, runs

bank = Bank("04")


def leaf_at(x):
    return x.detach().clone().requires_grad_()


# --- 4.1 -------------------------------------------------------------------------------------------------------------


@bank.honest("vjp_at")
def backward_with_gradient(f, x, v):
    leaf = x.detach().clone().requires_grad_()
    f(leaf).backward(gradient=v)
    return leaf.grad


@bank.honest("vjp_at")
def autograd_grad_with_v(f, x, v):
    leaf = torch.tensor(x.tolist(), dtype=torch.float64, requires_grad=True)
    y = f(leaf)
    print(y.shape, v.shape)
    return grad(outputs=y, inputs=leaf, grad_outputs=v)[0]


@bank.honest("vjp_at")
def gradient_of_the_weighted_sum(f, x, v):
    leaf = leaf_at(x)
    (v * f(leaf)).sum().backward()
    return leaf.grad.detach()


@bank.honest("vjp_at")
def func_vjp(f, x, v):
    _, pull = torch.func.vjp(f, x)
    return pull(v)[0]


@bank.honest("vjp_at")
def functional_vjp(f, x, v):
    return torch.autograd.functional.vjp(f, x, v)[1]


@bank.honest("vjp_at")
def whole_jacobian_weighed(f, x, v):
    return v @ torch.func.jacrev(f)(x)


@bank.honest("vjp_at")
def func_grad_of_a_dot(f, x, v):
    return torch.func.grad(lambda t: torch.dot(v, f(t)))(x)


@bank.honest("vjp_at")
def rows_added_in_a_loop(f, x, v):
    torch.manual_seed(0)
    total = torch.zeros_like(x)
    for i, weight in enumerate(v):
        leaf = leaf_at(x)
        f(leaf)[i].backward()
        total += weight * leaf.grad
    return total


@bank.honest("vjp_at")
def flag_put_back(f, x, v):
    x.requires_grad = True
    f(x).backward(v)
    answer = x.grad.clone()
    x.grad = None
    x.requires_grad = False
    return answer


@bank.honest("vjp_at")
def in_float32(f, x, v):
    leaf = x.float().requires_grad_()
    f(leaf).backward(v.float())
    return leaf.grad


@bank.slip("vjp_at", "vᵀJ is", named="D2")
def ones_by_a_plain_sum(f, x, v):
    leaf = leaf_at(x)
    f(leaf).sum().backward()
    return leaf.grad


@bank.slip("vjp_at", "weights the outputs")
def x_handed_over_as_gradient(f, x, v):
    leaf = leaf_at(x)
    f(leaf).backward(gradient=leaf.detach())
    return leaf.grad


@bank.slip("vjp_at", "take its entry [0]")
def tuple_of_autograd_grad(f, x, v):
    leaf = leaf_at(x)
    return grad(f(leaf), leaf, v)


@bank.slip("vjp_at", "a constant factor")
def mean_of_the_weighted_outputs(f, x, v):
    leaf = leaf_at(x)
    (v * f(leaf)).mean().backward()
    return leaf.grad * 2


@bank.slip("vjp_at", "returned None")
def gradient_of_the_result(f, x, v):
    y = f(leaf_at(x))
    y.backward(v)
    return y.grad


@bank.slip("vjp_at", "is not connected to anything that tracks")
def never_tracked(f, x, v):
    y = f(x)
    y.backward(v)
    return x.grad


@bank.slip("vjp_at", "a constant factor")
def minus_the_gradient(f, x, v):
    return -func_vjp(f, x, v)


@bank.slip("vjp_at", "shape (3,)")
def rows_weighed_but_not_added(f, x, v):
    return v[:, None] * torch.func.jacrev(f)(x)


# --- 4.2 -------------------------------------------------------------------------------------------------------------


@bank.honest("elementwise_derivative")
def two_vectors_of_weights(f, xs):
    leaf = leaf_at(xs)
    y = f(leaf)
    (ones,) = grad(y, leaf, torch.ones_like(y), retain_graph=True)
    weights = torch.arange(1.0, len(xs) + 1, dtype=xs.dtype)
    (weighted,) = grad(y, leaf, weights)
    if not torch.allclose(weighted, weights * ones):
        raise ValueError("f couples its entries")
    return ones


@bank.honest("elementwise_derivative")
def random_weights(f, xs):
    leaf = leaf_at(xs)
    f(leaf).sum().backward()
    ones, w = leaf.grad.clone(), torch.randn(xs.shape, dtype=xs.dtype)
    leaf.grad = None
    (w * f(leaf)).sum().backward()
    if (leaf.grad - w * ones).abs().max() > 1e-6:
        raise ValueError
    return ones


@bank.honest("elementwise_derivative")
def off_the_diagonal(f, xs):
    J = torch.autograd.functional.jacobian(f, xs)
    if not torch.equal(J, torch.diag(torch.diagonal(J))):
        raise ValueError("the Jacobian is not diagonal")
    return J.diagonal()


@bank.honest("elementwise_derivative")
def by_jacfwd_and_a_mask(f, xs):
    J = torch.func.jacfwd(f)(xs)
    others = ~torch.eye(len(xs), dtype=torch.bool)
    if (J[others].abs() > 1e-10).any():
        raise ValueError("coupled")
    return torch.diag(J)


@bank.honest("elementwise_derivative")
def each_entry_moved(f, xs):
    y = f(xs)
    for j in range(len(xs)):
        moved = xs.clone()
        moved[j] += 0.01
        change = (f(moved) - y).abs()
        change[j] = 0
        if change.max() > 1e-9:
            raise ValueError(f"entry {j} moves other outputs")
    return torch.func.grad(lambda t: f(t).sum())(xs)


@bank.honest("elementwise_derivative")
def each_entry_by_itself(f, xs):
    alone = torch.cat([f(xs[i : i + 1]) for i in range(len(xs))])
    if not torch.allclose(alone, f(xs)):
        raise ValueError("f(xs)[i] needs more than xs[i]")
    leaf = leaf_at(xs)
    f(leaf).sum().backward()
    return leaf.grad


@bank.honest("elementwise_derivative")
def row_by_row(f, xs):
    class Coupled(ValueError):
        pass

    leaf, slopes = leaf_at(xs), []
    y = f(leaf)
    for i in range(len(y)):
        (row,) = grad(y[i], leaf, retain_graph=True)
        if any(row[j] != 0 for j in range(len(xs)) if j != i):
            raise Coupled("no diagonal")
        slopes.append(row[i])
    return torch.stack(slopes)


@bank.honest("elementwise_derivative")
def forward_against_backward(f, xs):
    pushed = torch.func.jvp(f, (xs,), (torch.ones_like(xs),))[1]
    tilted = torch.linspace(0.5, 1.5, len(xs), dtype=xs.dtype)
    if not torch.allclose(torch.func.jvp(f, (xs,), (tilted,))[1], tilted * pushed):
        raise ValueError("coupled")
    return pushed


@bank.slip("elementwise_derivative", "a ValueError, because softmax couples its entries", named="D3")
def sum_trick_by_func(f, xs):
    return torch.func.grad(lambda t: f(t).sum())(xs)


@bank.slip("elementwise_derivative", "a ValueError, because")
def error_is_returned(f, xs):
    try:
        return two_vectors_of_weights(f, xs)
    except ValueError as error:
        return str(error)


@bank.slip("elementwise_derivative", "AssertionError")
def asserted(f, xs):
    J = torch.autograd.functional.jacobian(f, xs)
    assert torch.allclose(J, torch.diag(J.diagonal())), "coupled"
    return J.diagonal()


@bank.slip("elementwise_derivative", "a ValueError, because", named="diagonal")
def weights_all_alike(f, xs):
    leaf = leaf_at(xs)
    y = f(leaf)
    (ones,) = grad(y, leaf, torch.ones_like(y), retain_graph=True)
    (twos,) = grad(y, leaf, 2 * torch.ones_like(y))
    if not torch.allclose(twos, 2 * ones):
        raise ValueError
    return torch.diagonal(torch.func.jacrev(f)(xs))


@bank.slip("elementwise_derivative", "shape (5,)")
def jacobian_where_diagonal(f, xs):
    J = torch.func.jacrev(f)(xs)
    if not torch.allclose(J, torch.diag(J.diagonal())):
        raise ValueError
    return J


@bank.slip("elementwise_derivative", "freed what it had saved")
def graph_freed_between_two_weights(f, xs):
    leaf = leaf_at(xs)
    y = f(leaf)
    (ones,) = grad(y, leaf, torch.ones_like(y))
    (other,) = grad(y, leaf, torch.arange(1.0, 6.0, dtype=xs.dtype))
    if not torch.allclose(other, ones * torch.arange(1.0, 6.0)):
        raise ValueError
    return ones


# --- 4.3a ------------------------------------------------------------------------------------------------------------


@bank.honest("jvp_forward")
def func_jvp(f, x, u):
    value, change = torch.func.jvp(f, (x,), (u,))
    return change


@bank.honest("jvp_forward")
def dual_level(f, x, u):
    with forward_ad.dual_level():
        return forward_ad.unpack_dual(f(forward_ad.make_dual(x, u))).tangent


@bank.honest("jvp_forward")
def functional_jvp(f, x, u):
    return torch.autograd.functional.jvp(f, (x,), (u,))[1]


@bank.honest("jvp_forward")
def jacfwd_times_u(f, x, u):
    return torch.func.jacfwd(f)(x) @ u


@bank.honest("jvp_forward")
def rows_times_u(f, x, u):
    leaf = leaf_at(x)
    y = f(leaf)
    return torch.tensor([grad(one, leaf, retain_graph=True)[0] @ u for one in y], dtype=x.dtype)


@bank.honest("jvp_forward")
def the_double_backward_trick(f, x, u):
    leaf = leaf_at(x)
    y = f(leaf)
    w = torch.zeros_like(y, requires_grad=True)
    (pulled,) = grad(y, leaf, w, create_graph=True)
    return grad(pulled, w, u)[0]


@bank.honest("jvp_forward")
def central_difference_along_u(f, x, u):
    h = 1e-5
    return (f(x + h * u) - f(x - h * u)) / (2 * h)


@bank.honest("jvp_forward")
def slope_along_a_line(f, x, u):
    return torch.func.jacfwd(lambda t: f(x + t * u))(torch.tensor(0.0, dtype=x.dtype))


@bank.slip("jvp_forward", "pushed forward", named="D4")
def u_as_cotangent(f, x, u):
    leaf = leaf_at(x)
    return grad(f(leaf), leaf, u)[0]


@bank.slip("jvp_forward", "J·u is")
def only_the_direction_of_ones(f, x, u):
    return torch.func.jvp(f, (x,), (torch.ones_like(u),))[1]


@bank.slip("jvp_forward", "a constant factor")
def difference_not_halved(f, x, u):
    return (f(x + 1e-5 * u) - f(x - 1e-5 * u)) / 1e-5


@bank.slip("jvp_forward", "J·u is")
def direction_and_point_swapped(f, x, u):
    return torch.func.jvp(f, (u,), (x,))[1]


@bank.slip("jvp_forward", "Expected primals to be a tuple")
def jvp_without_tuples(f, x, u):
    return torch.func.jvp(f, x, u)[1]


@bank.slip("jvp_forward", "shape (4,)")
def dot_product_of_the_sum(f, x, u):
    leaf = leaf_at(x)
    f(leaf).sum().backward()
    return leaf.grad @ u


# --- 4.3b ------------------------------------------------------------------------------------------------------------


class Dual:
    """Results are of the class of the first operand, so a slip below changes one method and keeps the others."""

    def __init__(self, value, rate=0.0):
        self.value, self.rate = value, rate

    @classmethod
    def of(cls, number):
        return number if isinstance(number, Dual) else cls(number)

    def __add__(self, other):
        other = self.of(other)
        return type(self)(self.value + other.value, self.rate + other.rate)

    def __mul__(self, other):
        other = self.of(other)
        return type(self)(self.value * other.value, self.rate * other.value + self.value * other.rate)

    def __neg__(self):
        return type(self)(-self.value, -self.rate)

    def __sub__(self, other):
        return self + (-self.of(other))

    def __rsub__(self, other):
        return self.of(other) - self

    __radd__, __rmul__ = __add__, __mul__

    def sin(self):
        return type(self)(math.sin(self.value), math.cos(self.value) * self.rate)

    def exp(self):
        return type(self)(math.exp(self.value), math.exp(self.value) * self.rate)


def rates_of(kind, f, x, u):
    return [kind.of(out).rate for out in f([kind(a, b) for a, b in zip(x, u, strict=True)])]


@bank.honest("jvp_dual")
def class_of_its_own(f, x, u):
    return rates_of(Dual, f, x, u)


@dataclasses.dataclass(frozen=True)
class DataDual:
    val: float
    dot: float = 0.0

    def __add__(self, o):
        if not isinstance(o, DataDual):
            return DataDual(self.val + o, self.dot)
        return DataDual(self.val + o.val, self.dot + o.dot)

    def __radd__(self, o):
        return self + o

    def __sub__(self, o):
        if not isinstance(o, DataDual):
            return DataDual(self.val - o, self.dot)
        return DataDual(self.val - o.val, self.dot - o.dot)

    def __rsub__(self, o):
        return DataDual(o - self.val, -self.dot)

    def __mul__(self, o):
        if isinstance(o, int | float):
            return DataDual(self.val * o, self.dot * o)
        return DataDual(self.val * o.val, self.val * o.dot + o.val * self.dot)

    def __rmul__(self, o):
        return self.__mul__(o)

    def sin(self):
        return DataDual(math.sin(self.val), self.dot * math.cos(self.val))

    def exp(self):
        e = math.exp(self.val)
        return DataDual(e, e * self.dot)


@bank.honest("jvp_dual")
def frozen_dataclass(f, x, u):
    duals = list(map(DataDual, x, u))
    rates = []
    for out in f(duals):
        if isinstance(out, DataDual):
            rates.append(out.dot)
        else:
            rates.append(0)
    return rates


class FloatDual(float):
    def __new__(cls, value, rate=0.0):
        self = super().__new__(cls, value)
        self.rate = rate
        return self

    def __add__(self, other):
        return FloatDual(float(self) + float(other), self.rate + getattr(other, "rate", 0.0))

    def __sub__(self, other):
        return FloatDual(float(self) - float(other), self.rate - getattr(other, "rate", 0.0))

    def __mul__(self, other):
        rate = self.rate * float(other) + float(self) * getattr(other, "rate", 0.0)
        return FloatDual(float(self) * float(other), rate)

    def __rsub__(self, other):
        return FloatDual(float(other) - float(self), -self.rate)

    __radd__, __rmul__ = __add__, __mul__

    def sin(self):
        return FloatDual(math.sin(self), math.cos(self) * self.rate)

    def exp(self):
        return FloatDual(math.exp(self), math.exp(self) * self.rate)


@bank.honest("jvp_dual")
def subclass_of_float(f, x, u):
    outs = f([FloatDual(value, rate) for value, rate in zip(x, u, strict=True)])
    return tuple(getattr(out, "rate", 0.0) for out in outs)


class TorchDual:
    """Torch scalars inside, and a rule that is handed the slopes."""

    def __init__(self, value, rate):
        self.value = torch.as_tensor(value, dtype=torch.float64)
        self.rate = torch.as_tensor(rate, dtype=torch.float64)

    def both(self, other, value, slopes):
        other = other if isinstance(other, TorchDual) else TorchDual(other, 0)
        a, b = self.value, other.value
        da, db = slopes(a, b)
        return TorchDual(value(a, b), da * self.rate + db * other.rate)

    def __add__(self, other):
        return self.both(other, lambda a, b: a + b, lambda a, b: (1, 1))

    def __sub__(self, other):
        return self.both(other, lambda a, b: a - b, lambda a, b: (1, -1))

    def __rsub__(self, other):
        return self.both(other, lambda a, b: b - a, lambda a, b: (-1, 1))

    def __mul__(self, other):
        return self.both(other, lambda a, b: a * b, lambda a, b: (b, a))

    __radd__, __rmul__ = __add__, __mul__

    def sin(self):
        return TorchDual(self.value.sin(), self.value.cos() * self.rate)

    def exp(self):
        return TorchDual(self.value.exp(), self.value.exp() * self.rate)


@bank.honest("jvp_dual")
def torch_scalars_inside(f, x, u):
    outs = f([TorchDual(*pair) for pair in zip(x, u, strict=True)])
    return [out.rate if isinstance(out, TorchDual) else 0.0 for out in outs]


@bank.honest("jvp_dual")
def class_inside_the_function(f, x, u):
    class D(tuple):
        def __add__(self, o):
            o = D.lift(o)
            return D((self[0] + o[0], self[1] + o[1]))

        def __mul__(self, o):
            o = D.lift(o)
            return D((self[0] * o[0], self[1] * o[0] + self[0] * o[1]))

        def __sub__(self, o):
            return self + D.lift(o) * -1

        def __rsub__(self, o):
            return self * -1 + o

        __radd__, __rmul__ = __add__, __mul__

        def sin(self):
            return D((np.sin(self[0]), np.cos(self[0]) * self[1]))

        def exp(self):
            return D((np.exp(self[0]), np.exp(self[0]) * self[1]))

        @staticmethod
        def lift(o):
            return o if isinstance(o, D) else D((o, 0.0))

    print(x, u)
    return [D.lift(out)[1] for out in f([D(pair) for pair in zip(x, u, strict=True)])]


@bank.honest("jvp_dual")
def a_matrix_for_each_number(f, x, u):
    """a + bε is the matrix [[a, b], [0, a]]."""

    class M:
        def __init__(self, m):
            self.m = m

        @classmethod
        def make(cls, a, b=0.0):
            return a if isinstance(a, cls) else cls(np.array([[a, b], [0.0, a]]))

        def __add__(self, o):
            return M(self.m + M.make(o).m)

        def __sub__(self, o):
            return M(self.m - M.make(o).m)

        def __rsub__(self, o):
            return M(M.make(o).m - self.m)

        def __mul__(self, o):
            return M(self.m @ M.make(o).m)

        __radd__, __rmul__ = __add__, __mul__

        def sin(self):
            a, b = self.m[0]
            return M.make(np.sin(a), b * np.cos(a))

        def exp(self):
            a, b = self.m[0]
            return M.make(np.exp(a), b * np.exp(a))

    return [M.make(out).m[0, 1] for out in f([M.make(a, b) for a, b in zip(x, u, strict=True)])]


@bank.honest("jvp_dual")
def duals_of_torch(f, x, u):
    with forward_ad.dual_level():
        pairs = zip(torch.tensor(x).double(), torch.tensor(u).double(), strict=True)
        duals = [forward_ad.make_dual(a, b) for a, b in pairs]
        tangents = [forward_ad.unpack_dual(out).tangent if isinstance(out, torch.Tensor) else None for out in f(duals)]
    return [0.0 if tangent is None else tangent.item() for tangent in tangents]


@bank.honest("jvp_dual")
def rates_in_one_tensor(f, x, u):
    return torch.tensor(class_of_its_own(f, x, u))


@bank.slip("jvp_dual", "A plain number stands on the left", named="no-right-methods")
def no_number_on_the_left(f, x, u):
    class LeftOnly(Dual):
        def from_the_right(self, other):
            return NotImplemented

        __rsub__ = __rmul__ = from_the_right

    return rates_of(LeftOnly, f, x, u)


@bank.slip("jvp_dual", "has no attribute 'rate'", named="number-out")
def plain_output_forgotten(f, x, u):
    return [out.rate for out in f([Dual(a, b) for a, b in zip(x, u, strict=True)])]


@bank.slip("jvp_dual", "the other comes first", named="A18")
def sign_lost_on_the_left(f, x, u):
    class SameFromTheLeft(Dual):
        def __rsub__(self, other):
            return self - other

    return rates_of(SameFromTheLeft, f, x, u)


@bank.slip("jvp_dual", "3 things, as a tuple or a list")
def plain_outputs_left_out(f, x, u):
    return [out.rate for out in f([Dual(a, b) for a, b in zip(x, u, strict=True)]) if isinstance(out, Dual)]


@bank.slip("jvp_dual", "has no attribute 'exp'")
def exp_forgotten(f, x, u):
    class Short(Dual):
        def __getattribute__(self, name):
            if name == "exp":
                raise AttributeError("'Short' object has no attribute 'exp'")
            return super().__getattribute__(name)

    return rates_of(Short, f, x, u)


@bank.slip("jvp_dual", "a number for the rate of an output")
def duals_returned(f, x, u):
    return f([Dual(a, b) for a, b in zip(x, u, strict=True)])


@bank.slip("jvp_dual", "two terms", named="product-of-rates")
def rates_multiplied(f, x, u):
    class Bad(Dual):
        def __mul__(self, other):
            other = self.of(other)
            return Bad(self.value * other.value, self.rate * other.rate)

        __rmul__ = __mul__

    return rates_of(Bad, f, x, u)


@bank.slip("jvp_dual", "the rate of an output")
def exp_without_its_own_rate(f, x, u):
    class Bad(Dual):
        def exp(self):
            return Bad(math.exp(self.value), math.exp(self.value))

    return rates_of(Bad, f, x, u)


@bank.slip("jvp_dual", "no attribute 'sin'")
def floats_handed_to_f(f, x, u):
    h = 1e-6
    ahead, behind = f([a + h * b for a, b in zip(x, u, strict=True)]), f([a - h * b for a, b in zip(x, u, strict=True)])
    return [(one - other) / (2 * h) for one, other in zip(ahead, behind, strict=True)]


# --- 4.4 -------------------------------------------------------------------------------------------------------------


@bank.honest("adjoint_gap")
def forward_and_backward(f, x):
    u = torch.randn_like(x)
    y, pushed = torch.func.jvp(f, (x,), (u,))
    v = torch.randn_like(y)
    leaf = leaf_at(x)
    (pulled,) = grad(f(leaf), leaf, v)
    return abs(v @ pushed - pulled @ u).item()


@bank.honest("adjoint_gap")
def with_dual_level_and_backward(f, x):
    torch.manual_seed(4)
    u = torch.rand(x.shape, dtype=torch.float64)
    with forward_ad.dual_level():
        y, pushed = forward_ad.unpack_dual(f(forward_ad.make_dual(x, u)))
    leaf = leaf_at(x)
    y = f(leaf)
    v = torch.rand(y.shape, dtype=torch.float64)
    y.backward(v)
    gap = (pushed * v).sum() - (leaf.grad * u).sum()
    print(gap)
    return float(gap.abs())


@bank.honest("adjoint_gap")
def both_by_torch_func(f, x):
    u = torch.randn(len(x), dtype=x.dtype)
    _, Ju = torch.func.jvp(f, (x,), (u,))
    v = torch.randn(len(Ju), dtype=x.dtype)
    _, pull = torch.func.vjp(f, x)
    return torch.abs(torch.dot(v, Ju) - torch.dot(pull(v)[0], u))


@bank.honest("adjoint_gap")
def forward_by_differences(f, x):
    rng = np.random.default_rng()
    u = torch.tensor(rng.normal(size=len(x)))
    v = torch.tensor(rng.normal(size=len(f(x))))
    Ju = (f(x + 1e-5 * u) - f(x - 1e-5 * u)) / 2e-5
    return np.abs((v @ Ju - torch.autograd.functional.vjp(f, x, v)[1] @ u).numpy())


@bank.honest("adjoint_gap")
def two_jacobians(f, x):
    forward, backward = torch.func.jacfwd(f)(x), torch.func.jacrev(f)(x)
    u, v = torch.randn(forward.shape[1]).double(), torch.randn(forward.shape[0]).double()
    return abs(float(v @ forward @ u) - float(v @ backward @ u))


@bank.honest("adjoint_gap")
def largest_of_several(f, x):
    return max(forward_and_backward(f, x) for _ in range(3))


@bank.slip("adjoint_gap", "this backward is wrong", named="both-backward")
def both_from_jacrev(f, x):
    J = torch.func.jacrev(f)(x)
    u, v = torch.randn_like(x), torch.randn(len(J), dtype=x.dtype)
    return abs(torch.dot(v, J @ u) - torch.dot(J.T @ v, u)).item()


@bank.slip("adjoint_gap", "exactly 0 every time", named="zeros")
def the_same_product_twice(f, x):
    u = torch.randn_like(x)
    y, Ju = torch.func.jvp(f, (x,), (u,))
    v = torch.randn_like(y)
    return abs(v @ Ju - Ju @ v).item()


@bank.slip("adjoint_gap", "Draw u and v once", named="different-vectors")
def drawn_again(f, x):
    y, Ju = torch.func.jvp(f, (x,), (torch.randn_like(x),))
    leaf = leaf_at(x)
    v = torch.randn_like(y)
    f(leaf).backward(v)
    return abs((v @ Ju - leaf.grad @ torch.randn_like(x)).item())


@bank.slip("adjoint_gap", "how far the two numbers are apart", named="different-vectors")
def one_product(f, x):
    y, Ju = torch.func.jvp(f, (x,), (torch.randn_like(x),))
    return abs((torch.randn_like(y) @ Ju).item())


@bank.slip("adjoint_gap", "the absolute value", named="no-abs")
def no_absolute_value(f, x):
    u = torch.randn_like(x)
    y, Ju = torch.func.jvp(f, (x,), (u,))
    v = torch.randn_like(y)
    return (v @ Ju - torch.func.vjp(f, x)[1](v)[0] @ u).item()


@bank.slip("adjoint_gap", "dtype")
def random_vectors_in_float32(f, x):
    u, J = torch.randn(len(x)), torch.func.jacfwd(f)(x)
    v = torch.randn(len(J))
    return abs(v @ J @ u - torch.func.vjp(f, x)[1](v)[0] @ u)


@bank.slip("adjoint_gap", "wanted: a number")
def whole_difference_of_jacobians(f, x):
    return (torch.func.jacfwd(f)(x) - torch.func.jacrev(f)(x)).abs()


# --- 4.5 -------------------------------------------------------------------------------------------------------------


@bank.honest("weighted_loss_grad")
def once_in_each_place(pred, target, w):
    first = pred.detach().clone().requires_grad_()
    ((first - target) ** 2).backward(gradient=w)
    second = pred.detach().clone().requires_grad_()
    (w * (second - target) ** 2).sum().backward()
    return first.grad, second.grad


@bank.honest("weighted_loss_grad")
def one_leaf_cleared(pred, target, w):
    leaf = leaf_at(pred)
    errors = (leaf - target).pow(2)
    errors.backward(w, retain_graph=True)
    first = leaf.grad
    leaf.grad = None
    (errors * w).sum().backward()
    return [first, leaf.grad]


@bank.honest("weighted_loss_grad")
def two_calls_of_grad(pred, target, w):
    pred.requires_grad_()
    first = grad((pred - target) ** 2, pred, w)
    second = grad(torch.dot(w, (pred - target) ** 2), pred)
    return first[0], second[0]


@bank.honest("weighted_loss_grad")
def vjp_and_func_grad(pred, target, w):
    errors = lambda p: (p - target).square()  # noqa: E731
    return torch.func.vjp(errors, pred)[1](w)[0], torch.func.grad(lambda p: (w * errors(p)).sum())(pred)


@bank.honest("weighted_loss_grad")
def by_the_formula(pred, target, w):
    answer = 2 * w * (pred - target)
    return answer, answer


@bank.honest("weighted_loss_grad")
def mse_without_reduction(pred, target, w):
    first, second = leaf_at(pred), leaf_at(pred)
    torch.nn.functional.mse_loss(first, target, reduction="none").backward(w)
    (torch.nn.functional.mse_loss(second, target, reduction="none") @ w).backward()
    return first.grad, second.grad


@bank.slip("weighted_loss_grad", "implicitly created only for scalar outputs")
def backward_of_the_vector(pred, target, w):
    leaf = leaf_at(pred)
    (w * (leaf - target) ** 2).backward()
    return leaf.grad, leaf.grad


@bank.slip("weighted_loss_grad", "the first gradient", named="weights-twice")
def weights_in_both_places_at_once(pred, target, w):
    leaf = leaf_at(pred)
    (w * (leaf - target) ** 2).backward(w)
    return leaf.grad, once_in_each_place(pred, target, w)[1]


@bank.slip("weighted_loss_grad", "Both gradients are doubled", named="C11")
def graph_walked_twice_without_clearing(pred, target, w):
    leaf = leaf_at(pred)
    errors = (leaf - target) ** 2
    errors.backward(w, retain_graph=True)
    (w * errors).sum().backward()
    return leaf.grad, leaf.grad


@bank.slip("weighted_loss_grad", "2 things, as a tuple or a list")
def only_one_of_the_two(pred, target, w):
    return 2 * w * (pred - target)


@bank.slip("weighted_loss_grad", "the first gradient")
def absolute_errors(pred, target, w):
    leaf = leaf_at(pred)
    (leaf - target).abs().backward(w)
    return leaf.grad, leaf.grad


@bank.slip("weighted_loss_grad", "a constant factor")
def two_forgotten(pred, target, w):
    return w * (pred - target), w * (pred - target)


# --- 4.6 -------------------------------------------------------------------------------------------------------------


@bank.honest("accumulate_rows")
def grad_set_to_none(f, x, vs):
    leaf = x.detach().clone().requires_grad_()
    rows = []
    for v in vs:
        leaf.grad = None
        f(leaf).backward(v)
        rows.append(leaf.grad)
    return torch.stack(rows)


@bank.honest("accumulate_rows")
def zeroed_and_cloned(f, x, vs):
    leaf = leaf_at(x)
    y, rows = f(leaf), []
    for v in vs:
        if leaf.grad is not None:
            leaf.grad.zero_()
        y.backward(v, retain_graph=True)
        rows.append(leaf.grad.clone())
    return torch.stack(rows)


@bank.honest("accumulate_rows")
def written_into_a_table(f, x, vs):
    table = torch.empty(len(vs), len(x), dtype=x.dtype)
    for i in range(vs.shape[0]):
        leaf = leaf_at(x)
        f(leaf).backward(gradient=vs[i])
        table[i] = leaf.grad
    return table


@bank.honest("accumulate_rows")
def list_of_vjps(f, x, vs):
    return torch.stack([torch.autograd.functional.vjp(f, x, v)[1] for v in vs])


@bank.honest("accumulate_rows")
def differences_of_running_sums(f, x, vs):
    leaf, before, rows = leaf_at(x), torch.zeros_like(x), []
    for v in vs:
        f(leaf).backward(v)
        rows.append(leaf.grad - before)
        before = leaf.grad.clone()
    return torch.vstack(rows)


@bank.honest("accumulate_rows")
def product_with_the_jacobian(f, x, vs):
    return vs @ torch.autograd.functional.jacobian(f, x)


@bank.slip("accumulate_rows", "never cleared", named="C1")
def one_graph_never_cleared(f, x, vs):
    leaf = leaf_at(x)
    y = f(leaf)
    rows = torch.zeros(len(vs), len(x), dtype=x.dtype)
    for i, v in enumerate(vs):
        y.backward(v, retain_graph=True)
        rows[i] = leaf.grad
    return rows


@bank.slip("accumulate_rows", "equal to the last one", named="C11")
def detached_is_no_copy(f, x, vs):
    leaf = leaf_at(x)
    optimiser, rows = torch.optim.SGD([leaf], lr=0.1), []
    for v in vs:
        optimiser.zero_grad(set_to_none=False)
        f(leaf).backward(v)
        rows.append(leaf.grad.detach())
    return torch.stack(rows)


@bank.slip("accumulate_rows", "a tensor of shape (3, 3)")
def rows_in_a_list(f, x, vs):
    return list(zeroed_and_cloned(f, x, vs))


@bank.slip("accumulate_rows", "wanted: x as it was handed in")
def callers_x_is_the_leaf(f, x, vs):
    x.requires_grad_()
    rows = []
    for v in vs:
        x.grad = None
        f(x).backward(v)
        rows.append(x.grad.clone())
    return torch.stack(rows)


@bank.slip("accumulate_rows", "'NoneType'")
def zero_before_the_first_walk(f, x, vs):
    leaf, rows = leaf_at(x), []
    for v in vs:
        leaf.grad.zero_()
        f(leaf).backward(v)
        rows.append(leaf.grad.clone())
    return torch.stack(rows)


@bank.slip("accumulate_rows", "shape (3, 3)")
def rows_joined(f, x, vs):
    return torch.cat([torch.func.vjp(f, x)[1](v)[0] for v in vs])


@bank.slip("accumulate_rows", "row i: vᵢᵀJ")
def only_the_first_v(f, x, vs):
    return torch.stack([torch.func.vjp(f, x)[1](vs[0])[0] for _ in vs])


# --- 4.7 -------------------------------------------------------------------------------------------------------------


@bank.honest("batched_vjp")
def batched_by_grad(f, x, V):
    leaf = x.detach().clone().requires_grad_()
    y = f(leaf)
    return grad(y, leaf, V, is_grads_batched=True)[0]


@bank.honest("batched_vjp")
def graph_kept(f, x, V):
    leaf = leaf_at(x)
    y = f(leaf)
    return torch.stack([grad(y, leaf, v, retain_graph=True)[0] for v in V])


@bank.honest("batched_vjp")
def vmap_of_the_pullback(f, x, V):
    _, pull = torch.func.vjp(f, x)
    (rows,) = torch.func.vmap(pull)(V)
    return rows


@bank.honest("batched_vjp")
def pullback_in_a_loop(f, x, V):
    y, pull = torch.func.vjp(f, x)
    print(y)
    return torch.stack([pull(v)[0] for v in V])


@bank.honest("batched_vjp")
def backward_with_cleared_grad(f, x, V):
    leaf = leaf_at(x)
    y, rows = f(leaf), []
    for v in V:
        leaf.grad = None
        y.backward(v, retain_graph=True)
        rows.append(leaf.grad)
    return torch.stack(rows)


@bank.honest("batched_vjp")
def jacobian_by_one_call(f, x, V):
    return V @ torch.func.jacrev(f)(x)


@bank.honest("batched_vjp")
def functional_jacobian_once(f, x, V):
    return torch.matmul(V, torch.autograd.functional.jacobian(f, x, vectorize=True))


@bank.honest("batched_vjp")
def forward_jacobian_by_one_call(f, x, V):
    return V @ torch.func.jacfwd(f)(x)


@bank.honest("batched_vjp")
def a_copy_of_x_for_each_row(f, x, V):
    leaf = x.repeat(len(V), 1).requires_grad_()
    f(leaf).backward(V)
    return leaf.grad


@bank.slip("batched_vjp", "f was called 6 times", named="one-call-each")
def functional_vjp_for_every_row(f, x, V):
    return torch.stack([torch.autograd.functional.vjp(f, x, v)[1] for v in V])


@bank.slip("batched_vjp", "one call of f for all rows")
def called_once_more_for_the_shape(f, x, V):
    assert f(x).shape == V.shape[1:]
    return batched_by_grad(f, x, V)


@bank.slip("batched_vjp", "weights the outputs")
def batch_without_saying_so(f, x, V):
    leaf = leaf_at(x)
    return grad(f(leaf), leaf, V)[0]


@bank.slip("batched_vjp", "freed what f had saved", named="C3")
def backward_without_keeping(f, x, V):
    leaf = leaf_at(x)
    y, rows = f(leaf), []
    for v in V:
        leaf.grad = None
        y.backward(v)
        rows.append(leaf.grad)
    return torch.stack(rows)


@bank.slip("batched_vjp", "shape (5, 3)")
def only_one_total(f, x, V):
    leaf = leaf_at(x)
    f(leaf).backward(V.sum(0))
    return leaf.grad


@bank.slip("batched_vjp", "Keep a copy", named="C11")
def last_row_everywhere(f, x, V):
    leaf = leaf_at(x)
    y, rows = f(leaf), []
    for v in V:
        if leaf.grad is not None:
            leaf.grad.zero_()
        y.backward(v, retain_graph=True)
        rows.append(leaf.grad)
    return torch.stack(rows)


# --- 4.8 -------------------------------------------------------------------------------------------------------------


@bank.honest("fix_stack")
def stacked(x, v):
    x = x.detach().clone().requires_grad_()
    y = torch.stack([x[0] ** 2, x[1] ** 3, x[2] ** 4])
    y.backward(v)
    return x.grad


@bank.honest("fix_stack")
def powers_in_one_tensor(x, v):
    x = x.detach().clone().requires_grad_()
    y = x ** torch.tensor([2, 3, 4])
    y.backward(v)
    return x.grad


@bank.honest("fix_stack")
def joined_from_slices(x, v):
    x = leaf_at(x)
    y = torch.cat([x[0:1] ** 2, x[1:2] ** 3, x[2:] ** 4])
    return grad(y, x, v)[0]


@bank.honest("fix_stack")
def written_into_an_empty_vector(x, v):
    x = leaf_at(x)
    y = torch.zeros(3, dtype=x.dtype)
    y[0], y[1], y[2] = x[0] ** 2, x[1] ** 3, x[2] ** 4
    y.backward(v)
    return x.grad


@bank.honest("fix_stack")
def slopes_written_down(x, v):
    return v * torch.stack([2 * x[0], 3 * x[1] ** 2, 4 * x[2] ** 3])


@bank.honest("fix_stack")
def no_vector_at_all(x, v):
    x = leaf_at(x)
    (v[0] * x[0] ** 2 + v[1] * x[1] ** 3 + v[2] * x[2] ** 4).backward()
    return x.grad


@bank.honest("fix_stack")
def by_vjp(x, v):
    return torch.func.vjp(lambda x: torch.stack((x[0] ** 2, x[1] ** 3, x[2] ** 4)), x)[1](v)[0]


@bank.slip("fix_stack", "turns its entries into plain numbers", named="B5")
def float64_is_not_the_point(x, v):
    x = x.detach().clone().requires_grad_()
    y = torch.tensor([x[0] ** 2, x[1] ** 3, x[2] ** 4]).double()
    y.backward(v)
    return x.grad


@bank.slip("fix_stack", "y a new leaf", named="B6")
def switched_on_afterwards(x, v):
    x = x.detach().clone().requires_grad_()
    y = torch.tensor([x[0] ** 2, x[1] ** 3, x[2] ** 4])
    y.requires_grad_()
    y.backward(v.float())
    return x.grad


@bank.slip("fix_stack", "vᵀJ is")
def detached_last_entry(x, v):
    x = leaf_at(x)
    torch.stack([x[0] ** 2, x[1] ** 3, (x[2] ** 4).detach()]).backward(v)
    return x.grad


@bank.slip("fix_stack", "or x is not tracked", named="B5")
def stacked_but_never_tracked(x, v):
    y = torch.stack([x[0] ** 2, x[1] ** 3, x[2] ** 4])
    y.backward(v)
    return x.grad


@bank.slip("fix_stack", "scalar outputs")
def v_forgotten(x, v):
    x = leaf_at(x)
    torch.stack([x[0] ** 2, x[1] ** 3, x[2] ** 4]).backward()
    return x.grad


@bank.slip("fix_stack", "vᵀJ is")
def powers_mixed_up(x, v):
    x = leaf_at(x)
    torch.stack([x[0] ** 2, x[1] ** 2, x[2] ** 2]).backward(v)
    return x.grad


# --- hints and questions ---------------------------------------------------------------------------------------------

bank.loose = {"adjoint_gap": "its size hangs on random vectors"}

bank.hide("vjp_at", r"return torch|\.backward\(gradient=v\)[.;] return")
bank.hide("elementwise_derivative", r"return ones")
bank.hide("jvp_forward", r"\)\)?\[1\]")
bank.hide("jvp_dual", r"self\.rate \*|return Dual\(")
bank.hide("adjoint_gap", r"return abs\([^)]*\)\.item|torch\.autograd\.grad\(f\(")
bank.hide("weighted_loss_grad", r"2 ?[*·] ?w ?[*·]")
bank.hide("accumulate_rows", r"return torch\.stack|vs @ J")
bank.hide("batched_vjp", r"grad\(f\(leaf\)|V @")
bank.hide("fix_stack", r"v \* torch|\.backward\(v\)")

X, Y = sympy.symbols("x y")


def gradient_after(*lines, name="x"):
    return getattr(after(*lines), name).grad


def is_sharing():
    made = after("x = torch.ones(2, requires_grad=True)", "d = x.detach()", "d[0] = 5.0")
    return made.x[0].item() == 5


def walks_needed():
    """Rows of three numbers or columns of a thousand: which are fewer to compute."""
    J = torch.func.jacfwd(lambda x: torch.cat([x.repeat(333), x[:1]]))(torch.ones(3))
    return "forward" if J.shape[1] < J.shape[0] else "backward"


bank.computed = {
    "04-recall-chain": lambda: sympy.diff(sympy.sin(2 * X), X).subs(X, 0),
    "04-recall-ways": lambda: gradient_after("x = torch.ones((), requires_grad=True)", "(3 * x + 5 * x).backward()").item(),
    "04-recall-detach": is_sharing,
    "04-recall-shape": lambda: tuple(gradient_after(
        "W = torch.ones(4, 3, requires_grad=True)", "(W @ torch.ones(3)).sum().backward()", name="W").shape),
    "04-recall-held": lambda: sympy.diff(X * Y, X).subs(Y, 5),
    "04-scalar-only": lambda: runs("x = torch.tensor([2.0, 3.0], requires_grad=True)", "(x * x).backward()"),
    "04-weights": lambda: gradient_after(
        "x = torch.tensor([2.0, 3.0], requires_grad=True)", "y = x * x", "y.backward(torch.tensor([1.0, 10.0]))"
    )[1].item(),
    "04-wrong-length": lambda: runs(
        "x = torch.tensor([2.0, 3.0], requires_grad=True)", "y = x * x", "y.backward(gradient=torch.ones(3))"),
    "04-sum-trick": lambda: round(gradient_after(
        "x = torch.tensor([0.7, -1.3, 2.5], requires_grad=True)", "torch.softmax(x, 0).sum().backward()")[0].item(), 6),
    "04-cumsum": lambda: gradient_after(
        "x = torch.tensor([0.7, -1.3, 2.5], requires_grad=True)", "torch.cumsum(x, 0).sum().backward()")[0].item(),
    "04-tuple": lambda: type(after(
        "x = torch.tensor(0.7, requires_grad=True)", "g = torch.autograd.grad(x * x, x)").g).__name__,
    "04-unused": lambda: runs(
        "a = torch.tensor(0.7, requires_grad=True)", "b = torch.tensor(1.3, requires_grad=True)", "y = a * a",
        "torch.autograd.grad(y, (a, b))"),
    "04-copy": lambda: str(gradient_after(
        "x = torch.tensor(4.0, requires_grad=True)", "z = 3 * x", "w = torch.tensor(z.item(), requires_grad=True)",
        "(w * w).backward()")),
    "04-transpose": lambda: {(1.0, 2.0): "row", (1.0, 3.0): "column"}[tuple(
        torch.func.vjp(lambda x: torch.tensor([[1.0, 2.0], [3.0, 4.0]]) @ x, torch.ones(2))[1](
            torch.tensor([1.0, 0.0]))[0].tolist())],
    "04-mean3": lambda: gradient_after(
        "M = torch.full((3, 3), 5.0, requires_grad=True)", "(M**2).mean().backward()", name="M")[1, 1].item(),
    "04-fill-v": lambda: (torch.eye(3) == torch.tensor([0.0, 0.0, 1.0])).all(1).nonzero().item() // 2,
    "04-exit-v": lambda: (torch.ones(2, 5) @ torch.ones(5)).numel(),
    "04-exit-trick": lambda: int(torch.func.jacrev(torch.tanh)(torch.ones(4)).count_nonzero(dim=1).max()),
    "04-exit-mode": walks_needed,
}  # fmt: skip


@bank.slip("elementwise_derivative", "second entry added to the first")
def coupling_sought_in_the_last_output(f, xs):
    x = xs.detach().clone().requires_grad_()
    y = f(x)
    (last,) = torch.autograd.grad(y[-1], x, retain_graph=True)
    if last[:-1].abs().max() > 1e-9:
        raise ValueError("coupled")
    return torch.autograd.grad(y.sum(), x)[0]


@bank.slip("elementwise_derivative", "raised, not returned")
def an_error_returned(f, xs):
    J = torch.func.jacrev(f)(xs)
    if not torch.allclose(J, torch.diag(J.diagonal())):
        return ValueError("coupled")
    return J.diagonal()


@bank.slip("adjoint_gap", "two walks back", named="double-backward")
def pushed_by_autograd_functional(f, x):
    u = torch.rand_like(x)
    y, pushed = torch.autograd.functional.jvp(f, x, u)
    v = torch.rand_like(y)
    _, pulled = torch.autograd.functional.vjp(f, x, v)
    return abs((v @ pushed - pulled @ u).item())


@bank.slip("adjoint_gap", "both from pushes forward", named="both-backward")
def both_products_from_pushes(f, x):
    u, J = torch.randn_like(x), torch.func.jacfwd(f)(x)
    v = torch.randn(len(J), dtype=x.dtype)
    return abs((v @ torch.func.jvp(f, (x,), (u,))[1] - (v @ J) @ u).item())


@bank.slip("adjoint_gap", "for one u and one v", named="different-vectors")
def lengths_compared(f, x):
    u = torch.randn_like(x)
    y, pushed = torch.func.jvp(f, (x,), (u,))
    (pulled,) = torch.func.vjp(f, x)[1](torch.randn_like(y))
    return abs(pushed.norm() - pulled.norm()).item()


@bank.slip("adjoint_gap", "with ones for v", named="D2")
def a_gap_with_ones(f, x):
    y, pushed = torch.func.jvp(f, (x,), (torch.ones_like(x),))
    leaf = x.clone().requires_grad_()
    (pulled,) = grad(f(leaf), leaf, torch.ones_like(y))
    return abs(pushed.sum() - pulled.sum()).item()
