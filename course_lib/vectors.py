"""Formulas of a vector: VectorFormula is a torch function of one tensor that knows its exact gradient and Jacobian.

fields(rng, n, count) and maps(rng, n, m, count) make test functions; two_variables(rng, count) makes formulas of u and v.
"""

from functools import cached_property, lru_cache

import mpmath
import numpy as np
import sympy
from sympy import Rational

from course_lib.formula import DIGITS, Formula, _tree_of, plain
from course_lib.recipes import Recipe

u, v = sympy.symbols("u v", real=True)


@lru_cache
def symbols_of(n):
    """x₀ … x₍ₙ₋₁₎ as SymPy symbols."""
    subscripts = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")
    return tuple(sympy.Symbol("x" + str(i).translate(subscripts), real=True) for i in range(n))


class VectorFormula:
    """SymPy expressions in x₀ … x₍ₙ₋₁₎ as one torch function of a tensor of shape (n,).

    exprs: one expression for a scalar result of shape (), or a list of m of them for a result of shape (m,).
    """

    def __init__(self, exprs, n):
        self.scalar = not isinstance(exprs, list | tuple)
        self.exprs = tuple(sympy.sympify(expr) for expr in ([exprs] if self.scalar else exprs))
        self.n, self.symbols = n, symbols_of(n)

    def __call__(self, x):
        return self._function(x)

    def __repr__(self):
        return f"VectorFormula({self.text})"

    @cached_property
    def _function(self):
        return self.function()

    @cached_property
    def text(self):
        """In plain characters: (x₀·x₁, sin(x₀ + x₁²))."""
        entries = ", ".join(plain(expr) for expr in self.exprs)
        return entries if self.scalar else f"({entries})"

    @property
    def recipe(self):
        """What crosses the wall in place of the formula."""
        return Recipe("vector", (self._trees, self.n, self.scalar), self.text)

    @cached_property
    def _trees(self):
        return [_tree_of(expr, self.symbols) for expr in self.exprs]

    def function(self):
        """A fresh bare torch function."""
        return Recipe("vector", (self._trees, self.n, self.scalar)).function()

    def value(self, x):
        """f at x: a float, or an array of shape (m,)."""
        values = np.array([_at(expr, self.symbols, x) for expr in self.exprs])
        return float(values[0]) if self.scalar else values

    def jacobian(self, x):
        """The Jacobian at x, shape (m, n): one row for each output."""
        return np.array([[_at(_diff(expr, s), self.symbols, x) for s in self.symbols] for expr in self.exprs])

    def gradient(self, x):
        """The gradient of a scalar formula at x, shape (n,)."""
        return self.jacobian(x)[0]

    def hessian(self, x):
        """The Hessian of a scalar formula at x, shape (n, n)."""
        rows = [_diff(self.exprs[0], s) for s in self.symbols]
        return np.array([[_at(_diff(row, s), self.symbols, x) for s in self.symbols] for row in rows])


@lru_cache(maxsize=4000)
def _diff(expr, symbol):
    return sympy.diff(expr, symbol)


@lru_cache(maxsize=4000)
def _exact(expr, symbols):
    return sympy.lambdify([symbols], expr, "mpmath")


def _at(expr, symbols, x):
    return _number_at(expr, symbols, tuple(map(float, x)))


# A class of students meets the same formulas at the same points.
@lru_cache(maxsize=20_000)
def _number_at(expr, symbols, x):
    with mpmath.workdps(DIGITS):
        return float(_exact(expr, symbols)([*map(mpmath.mpf, x)]))


# --- test functions --------------------------------------------------------------------------------------------------


def _k(rng, low, high):
    return Rational(rng.randint(round(low * 100), round(high * 100)), 100)


def two_variables(rng, count):
    """Formulas of u and v: at (1.3, −0.7) the two partials and the height differ clearly, and no partial is near 0."""
    shapes = [
        lambda: u * v + _k(rng, 0.9, 1.2) * u**2,
        lambda: sympy.sin(_k(rng, 1.05, 1.2) * u * v) + u,
        lambda: u**2 * sympy.exp(_k(rng, 0.5, 0.9) * v),
        lambda: sympy.log(1 + u**2 + _k(rng, 1.4, 1.8) * v**2) + v,
        lambda: u * sympy.cos(v) + _k(rng, 1.1, 1.6) * v**3,
    ]
    return [Formula(shape(), u, v) for shape in rng.sample(shapes, count)]


def fields(rng, n, count):
    """Scalar formulas of a vector of length n that couple neighbouring entries."""
    x = symbols_of(n)

    def one(shape):
        terms = []
        for i in range(n):
            a, b = x[i], x[(i + 1) % n]
            terms.append((_k(rng, 0.6, 1.5) * a**2 + _k(rng, 0.3, 0.8) * a * b, sympy.sin(_k(rng, 0.7, 1.3) * a) * b + a,
                          sympy.exp(_k(rng, 0.3, 0.6) * a) + _k(rng, 0.4, 0.9) * a * b)[shape])
        return VectorFormula(sum(terms), n)

    return [one((start + i) % 3) for start in [rng.randrange(3)] for i in range(count)]


def maps(rng, n, m, count):
    """Vector formulas R^n → R^m whose Jacobian is not symmetric, has different rows, and no entry that is always 0."""
    x = symbols_of(n)

    def entry(row):
        i, j = row % n, (row + 1 + rng.randrange(max(n - 1, 1))) % n
        rest = sum(_k(rng, 0.2, 0.9) * (-1) ** k * x[k] for k in range(n))
        return (x[i] * x[j], sympy.sin(x[i] + x[j] ** 2), _k(rng, 1.2, 1.7) * x[i] ** 2, sympy.tanh(x[j]) * x[i])[
            row % 4
        ] + rest

    return [VectorFormula([entry(row) for row in range(m)], n) for _ in range(count)]


def point(rng, n):
    """A point of n ≤ 9 numbers between 0.35 and 1.5 in size, of both signs, clear of 0, ±1 and each other."""
    sizes = [0.35 + 0.27 * i % 1.2 + rng.uniform(0, 0.06) for i in range(n)]
    values = [size * (-1) ** i for i, size in enumerate(sizes)]
    rng.shuffle(values)
    return np.array(values)


def unsorted_point(rng, n):
    """A point whose entries all stand in another place than sorting puts them.

    The order is turned by one place, so for n ≥ 3 doing to it twice what sorting does is no sorting either.
    """
    return np.roll(np.sort(point(rng, n)), rng.choice((1, -1)))
