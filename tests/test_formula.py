"""Formulas: the torch function, the exact derivatives and the text say the same as SymPy and torch do."""

import itertools
import math
import random

import pytest
import sympy
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sympy import Rational, pi

from course_lib.formula import Formula, as_function, plain, smooth, x

POINTS = (0.7, -1.3)
OPERATIONS = [
    sympy.sin(x), sympy.cos(x), sympy.tan(x), sympy.exp(x), sympy.log(x + 3), sympy.tanh(x), sympy.cosh(x),
    sympy.sinh(x), sympy.Abs(x), sympy.atan(x), sympy.sign(x) * x, x + 2, 3 * x, -x, x - x**2, 1 / x, x**-3, x**5,
    sympy.sqrt(x + 3), (x + 3) ** Rational(2, 3), (x + 3) ** Rational(-1, 2), 2**x, (x + 3) ** x, sympy.Max(x, 0),
    sympy.Min(x, 0), sympy.Max(x, -x, x**2), pi * x, sympy.E**x, sympy.sqrt(2) * x, x / 3,
    sympy.sin(sympy.exp(-(x**2)) + sympy.log(1 + x**2) * x), sympy.Integer(3), Rational(1, 3), pi,
]  # fmt: skip


def torch_slope(f, a, dtype=torch.float64):
    leaf = torch.tensor(a, dtype=dtype, requires_grad=True)
    return torch.autograd.grad(f(leaf), leaf)[0].item()


@pytest.mark.parametrize("expr", OPERATIONS, ids=str)
def test_value_and_autograd_slope_are_those_of_sympy(expr):
    f = Formula(expr, x)
    for a in POINTS:
        assert f(torch.tensor(a, dtype=torch.float64)).item() == pytest.approx(float(expr.subs(x, a)), rel=1e-12)
        assert torch_slope(f, a) == pytest.approx(float(sympy.diff(expr, x).subs(x, a)), rel=1e-11, abs=1e-14)


def deeper(inner):
    number = st.fractions(-3, 3, max_denominator=10).map(lambda q: Rational(q.numerator, q.denominator))
    return st.one_of(
        st.builds(lambda f, e: f(e), st.sampled_from((sympy.sin, sympy.cos, sympy.tanh, sympy.atan)), inner),
        st.builds(lambda e: sympy.exp(sympy.sin(e)), inner),
        st.builds(lambda e: sympy.log(2 + e**2), inner),
        st.builds(lambda e: sympy.sqrt(2 + e**2), inner),
        st.builds(lambda e, n: (1 + e**2) ** Rational(n, 3), inner, st.integers(-4, 2)),
        st.builds(lambda e, q: q * e, inner, number),
        st.builds(lambda e, q: e + q, inner, number),
        st.builds(lambda e, n: sympy.tanh(e) ** n, inner, st.integers(2, 4)),
        st.builds(lambda a, b: a * b, inner, inner),
        st.builds(lambda a, b: a - b, inner, inner),
    )


@settings(max_examples=60, deadline=None)
@given(expr=st.recursive(st.just(x), deeper, max_leaves=6), a=st.sampled_from(POINTS))
def test_any_nested_formula_agrees_with_sympy(expr, a):
    f = Formula(expr, x)
    value, slope = (float(e.subs(x, a).evalf(30)) for e in (expr, sympy.diff(expr, x)))
    size = max(1.0, abs(value), abs(slope))
    assert f.value(a) == pytest.approx(value, rel=1e-12, abs=1e-15)
    assert f.derivative(a) == pytest.approx(slope, rel=1e-12, abs=1e-15)
    assert f(torch.tensor(a, dtype=torch.float64)).item() == pytest.approx(value, abs=1e-9 * size)
    assert torch_slope(f, a) == pytest.approx(slope, abs=1e-8 * size)


@pytest.mark.parametrize("expr", [x**2, sympy.Integer(3), sympy.Max(x, 0), 2**x, sympy.sin(x) / 3], ids=str)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("shape", [(), (1,), (3,), (2, 3), (0,)])
def test_shape_and_dtype_go_through(expr, dtype, shape):
    out = Formula(expr, x)(torch.full(shape, 0.7, dtype=dtype))
    assert (out.shape, out.dtype) == (torch.Size(shape), dtype)
    assert out.flatten().tolist() == pytest.approx([float(expr.subs(x, 0.7))] * out.numel(), rel=1e-6)


def test_every_entry_of_a_tensor_is_evaluated_by_itself():
    f, xs = Formula(x * sympy.exp(-x), x), torch.linspace(-2, 2, 7, dtype=torch.float64)
    assert f(xs).tolist() == pytest.approx([a * math.exp(-a) for a in xs.tolist()])


def test_a_constant_has_slope_zero_and_stays_connected():
    assert torch_slope(Formula(sympy.Integer(3), x), 0.7) == 0
    assert Formula(sympy.Integer(3), x).derivative(0.7) == 0


def test_ties_of_max_and_corners_of_abs_follow_torch():
    assert torch_slope(Formula(sympy.Max(x, 0), x), 0.0) == 0.5
    assert torch_slope(Formula(sympy.Abs(x), x), 0.0) == 0


def test_derivatives_of_any_order_and_by_any_symbol():
    y = sympy.Symbol("y", real=True)
    f = Formula(x**3 * y**2, x, y)
    assert f.derivative(2, 3, by=1) == 48
    assert f.derivative(2, 3, order=3) == 54
    assert f.derivative(2, 3, order=0) == f.value(2, 3) == 72
    assert f.derived(by=1).expr == 2 * x**3 * y
    assert f(torch.tensor(2.0), torch.tensor(3.0)) == 72


def test_a_key_keeps_its_digits_where_float64_would_lose_them():
    """(1 − cos h)/h² is 1/2 near 0; in float64 arithmetic it is 0 for h = 1e-9."""
    f = Formula((1 - sympy.cos(x)) / x**2, x)
    assert f.value(1e-9) == pytest.approx(0.5, rel=1e-9)


def test_each_function_of_a_formula_counts_for_itself():
    f = Formula(x**2, x)
    one, other = f.function(), f.function()
    one(torch.tensor(2.0))
    assert (one.calls, other.calls) == (1, 0)


def test_what_has_no_torch_counterpart_is_refused_by_name():
    with pytest.raises(TypeError, match="gamma has no torch counterpart"):
        Formula(sympy.gamma(x), x)(torch.tensor(0.7))


@pytest.mark.parametrize("f", [torch.sin, lambda t: t.sin(), Formula(sympy.sin(x), x), sympy.sin(x)])
def test_as_function_takes_what_a_student_brings(f):
    function, expr = as_function(f)
    assert function(torch.tensor(0.7)).item() == pytest.approx(math.sin(0.7), rel=1e-6)
    assert expr in (None, sympy.sin(x))


@pytest.mark.parametrize(
    "f, words", [(3, "got int '3'"), ("x**2", "got str"), (torch.nn.ReLU, "got type"), (x * sympy.Symbol("t"), "t, x")]
)
def test_as_function_refuses_in_one_sentence(f, words):
    with pytest.raises(TypeError, match=words):
        as_function(f)


@pytest.mark.parametrize(
    "expr, text",
    [
        (x * sympy.sin(x**2), "x·sin(x²)"),
        (x**3 - Rational(13, 10) * x, "x³ − 1.3·x"),
        (Rational(105, 100) * x, "1.05·x"),
        (100 * x, "100·x"),
        (sympy.sqrt(1 + x**2), "sqrt(x² + 1)"),
        (sympy.exp(-x / 2), "exp(−x/2)"),
        (x**20, "x^20"),
        (x ** Rational(5, 2), "x^(5/2)"),
        (sympy.Max(x, 0), "max(0, x)"),
        (sympy.Min(x, 1), "min(1, x)"),
        (sympy.Abs(x) + 2**x, "2^x + abs(x)"),
    ],
)
def test_a_formula_reads_as_written_by_hand(expr, text):
    assert plain(expr) == text


@pytest.mark.parametrize("f", [f for seed in range(3) for f in smooth(random.Random(seed), 8)], ids=lambda f: f.text)
def test_the_text_of_a_smooth_formula_is_the_formula(f):
    text = f.text.replace("−", "-").replace("·", "*").replace("²", "**2").replace("³", "**3")
    assert sympy.simplify(sympy.nsimplify(sympy.sympify(text, locals={"x": x})) - f.expr) == 0


@pytest.mark.parametrize("seed", range(25))
def test_value_slope_and_curvature_of_smooth_formulas_cannot_be_mistaken_for_each_other(seed):
    for f, a in itertools.product(smooth(random.Random(seed), 8), POINTS):
        three = [float(sympy.diff(f.expr, x, order).subs(x, a)) for order in range(3)]
        assert min(abs(p - q) for p, q in itertools.combinations(three, 2)) > 0.099, (f, a, three)
        assert 0.099 < abs(three[1]) and max(map(abs, three)) < 12, (f, a, three)


def test_the_same_seed_gives_the_same_smooth_formulas_and_another_seed_others():
    one, same, other = ([f.text for f in smooth(random.Random(seed), 4)] for seed in (1, 1, 2))
    assert one == same != other
    assert len(set(one)) == 4
