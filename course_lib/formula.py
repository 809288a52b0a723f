"""Formulas: one SymPy expression that is also a torch function, a piece of TeX and its own answer key.

Formula(expr) is callable like a torch function and knows its exact derivatives; as_function(f) accepts whatever a
student may bring (a torch function, a Formula, a SymPy expression); smooth(rng, n) makes test functions whose values,
slopes and curvatures cannot be mistaken for each other at the points the keys use.
"""

import re
from functools import cached_property, lru_cache

import mpmath
import sympy
from sympy import Rational

x = sympy.Symbol("x", real=True)
DIGITS = 30  # keys are computed with 30 digits and rounded to float64 once

_OPS = {
    sympy.sin: "sin", sympy.cos: "cos", sympy.tan: "tan", sympy.exp: "exp", sympy.log: "log", sympy.tanh: "tanh",
    sympy.cosh: "cosh", sympy.sinh: "sinh", sympy.Abs: "abs", sympy.atan: "atan", sympy.sign: "sign",
    sympy.Add: "add", sympy.Mul: "mul", sympy.Max: "max", sympy.Min: "min",
}


class Formula:
    """A SymPy expression in the given symbols (default: the ones it contains, sorted by name).

    Calling it evaluates it in torch: tensors of one shape in, a tensor of that shape out, dtype kept.
    """

    def __init__(self, expr, *symbols):
        self.expr = sympy.sympify(expr)
        self.symbols = symbols or tuple(sorted(self.expr.free_symbols, key=str)) or (x,)

    def __call__(self, *args):
        return self._function(*args)

    def __repr__(self):
        return f"Formula({self.text})"

    @cached_property
    def _function(self):
        return self.function()

    @property
    def symbol(self):
        return self.symbols[0]

    @cached_property
    def text(self):
        """The formula in plain characters: x·sin(x²)."""
        return plain(self.expr)

    @property
    def tex(self):
        return sympy.latex(self.expr)

    @cached_property
    def tree(self):
        """The expression as nested lists (see functions.TorchFunction): data that can cross any wall."""
        return _tree_of(self.expr, self.symbols)

    @property
    def recipe(self):
        """What crosses the wall in place of the formula."""
        from course_lib.recipes import Recipe

        return Recipe("formula", (self.tree, len(self.symbols)), self.text)

    def function(self):
        """A fresh bare torch function: it can be called and counted, and knows no derivative."""
        from course_lib.recipes import Recipe

        return Recipe("formula", (self.tree, len(self.symbols))).function()

    def value(self, *at):
        """f at the point, as a float computed with 30 digits."""
        return _number(self.expr, self.symbols, at)

    def derivative(self, *at, order=1, by=0):
        """The order-th derivative by symbol number `by` at the point, as a float computed with 30 digits."""
        return _number(_derived(self.expr, self.symbols[by], order), self.symbols, at)

    def derived(self, order=1, by=0):
        """The derivative itself, as a Formula in the same symbols."""
        return Formula(_derived(self.expr, self.symbols[by], order), *self.symbols)


def as_function(f):
    """(torch function, SymPy expression or None) for a Formula, a SymPy expression or any callable.

    Raises TypeError in one sentence for everything else.
    """
    if isinstance(f, Formula):
        return f.function(), f.expr
    if isinstance(f, sympy.Expr):
        if len(f.free_symbols) > 1:
            names = ", ".join(sorted(map(str, f.free_symbols)))
            raise TypeError(f"expected an expression in one symbol, got one in {names}: fix all but one with .subs(…)")
        return Formula(f).function(), f
    if callable(f) and not isinstance(f, type):
        return f, None
    raise TypeError(
        f"expected a function such as torch.sin or lambda x: x**2, or a SymPy expression; got {type(f).__name__} "
        f"{str(f)[:40]!r}"
    )


def plain(expr):
    """A SymPy expression in characters a student would write by hand: x·sin(x²)."""
    return _plain(sympy.sympify(expr))


@lru_cache(maxsize=4000)
def _plain(expr):
    decimals = {r: sympy.Float(r, 4) for r in expr.atoms(Rational) if r.q > 2 and 100 % r.q == 0}  # 1/2 may be a root
    text = re.sub(r"(\.\d*?[1-9])0+\b", r"\1", sympy.sstr(expr.xreplace(decimals)))
    text = re.sub(r"\*\*([234])(?![\d.])", lambda power: "²³⁴"[int(power[1]) - 2], text).replace("**", "^")
    text = text.replace("*", "·").replace("-", "−")
    return text.replace("Abs(", "abs(").replace("Max(", "max(").replace("Min(", "min(")


def smooth(rng, n):
    """n smooth formulas in x with random coefficients; rng is a random.Random.

    The shapes and ranges are chosen so that at 0.7 and −1.3 value, slope and curvature are of order one and differ by
    0.1 or more.
    """
    def k(low, high):
        return Rational(rng.randint(round(low * 100), round(high * 100)), 100)

    shapes = [
        lambda: sympy.sin(k(1.2, 1.7) * x**2),
        lambda: x**3 - k(1.1, 1.36) * x + k(0.3, 0.6),
        lambda: x * sympy.exp(-k(0.66, 0.9) * x),
        lambda: sympy.log(1 + k(1.1, 1.7) * x**2) + k(0.3, 0.6) * x,
        lambda: sympy.tanh(k(0.5, 0.69) * x) + k(0.6, 0.8) * x**2,
        lambda: x * sympy.cos(k(1.3, 1.57) * x) + k(0.2, 0.6),
        lambda: sympy.sqrt(1 + k(1.1, 1.65) * x**2) - k(0.3, 0.5) * x,
        lambda: sympy.exp(sympy.sin(k(1.37, 1.7) * x)),
    ]
    return [Formula(shape(), x) for shape in rng.sample(shapes, n)]


@lru_cache(maxsize=1000)
def _derived(expr, symbol, order):
    return sympy.diff(expr, symbol, order) if order else expr


@lru_cache(maxsize=1000)
def _exact(expr, symbols):
    return sympy.lambdify(symbols, expr, "mpmath")


def _number(expr, symbols, at):
    return _number_at(expr, symbols, tuple(map(float, at)))


# A class of students meets the same formulas at the same points.
@lru_cache(maxsize=20_000)
def _number_at(expr, symbols, at):
    with mpmath.workdps(DIGITS):
        return float(_exact(expr, symbols)(*map(mpmath.mpf, at)))


@lru_cache(maxsize=4000)
def _tree_of(expr, symbols):
    return _tree(expr, symbols)


def _tree(expr, symbols):
    if expr in symbols:
        return ["x", symbols.index(expr)]
    if expr.is_Integer:
        return ["num", int(expr)]
    if expr.is_number:
        return ["num", float(expr)]
    if expr.is_Pow:
        base, exponent = expr.args
        if exponent == Rational(1, 2):
            return ["sqrt", _tree(base, symbols)]
        return ["pow", _tree(base, symbols), _tree(exponent, symbols)]
    if expr.func in _OPS:
        return [_OPS[expr.func], *(_tree(arg, symbols) for arg in expr.args)]
    raise TypeError(
        f"{expr.func.__name__} has no torch counterpart here; use one of "
        f"{', '.join(sorted(op.__name__ for op in _OPS))}, powers and numbers"
    )
