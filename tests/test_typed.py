"""What is typed as a formula is that formula, by SymPy; what is not is refused in one sentence and never run."""

import re

import pytest
import sympy

from course_lib.controls import Unclear
from course_lib.formula import x
from course_lib.typed import typed_formula

X = {"x": x, "e": sympy.E, "relu": lambda t: sympy.Max(0, t), "sigmoid": lambda t: 1 / (1 + sympy.exp(-t))}


@pytest.mark.parametrize(
    "text",
    ["sin(x**2) / 2 + x / 4", "-x**2", "2**x", "x**x", "exp(-(x - 1)**2)", "1 / (1 + x)", "sqrt(abs(x))", "pi * tanh(e * x)",
     "x**Rational(5, 2)", "+x - -3", "relu(x) - sigmoid(x)", "log(x**2 + 1) * tan(x)", "7"],
)
def test_a_formula_is_read_as_sympy_reads_it(text):
    typed = text.replace("Rational(5, 2)", "(5/2)")
    assert sympy.simplify(typed_formula(typed).expr - sympy.sympify(text, locals=X)) == 0


@pytest.mark.parametrize(
    "text, same",
    [("torch.sin(x)", "sin(x)"), ("math.exp(-x)", "exp(-x)"), ("x² + 3·x³", "x**2 + 3*x**3"), ("0.1*x", "x/10"),
     (" ln(x) ", "log(x)"),
     ("2 − x", "2 - x"), ("π×x", "pi*x")],
)  # fmt: skip
def test_other_ways_to_write_it_are_understood(text, same):
    assert typed_formula(text).expr == typed_formula(same).expr


@pytest.mark.parametrize(
    "text, words",
    [
        ("", "Type a formula"), ("2x", "write 2*x"), ("2(x + 1)", "write 2*x"), ("(x + 1)(x - 1)", "write 2*x"),
        ("x(2)", "write 2*x"),
        ("sin(x", "do not close"), ("x^2", "write x**2"), ("sin", "sin(x)"),
        ("sen(x)", "There is no sen"), ("y + 1", "y is not x"), ("sin(x, 2)", "one number"), ("1/0", "divides by 0"),
        ("x/(x - x)", "divides by 0"), ("log(-1)", "log(-1) is no real number"), ("(-8)**(1/3)", "no real number"),
        ("9**9**9", "million"), ("x**99", "Powers up to 20"),
        ("exp(exp(exp(9)))", "million"), ("1e400", "million"), ("x" * 81, "81 characters"), ("'x'", "no number"),
        ("True", "no number"), ("lambda: 3", "no part of a formula"),
        ("x if x else 0", "no part of a formula"), ("[x]", "no part of a formula"), ("x +", "cannot be read"),
        ("log(0)", "log(0) is no"), ("x < 3", "no part"),
        ("__import__('os').system('true')", "There is no"), ("().__class__", "no part of a formula"),
        ("x.real", "no part of a formula"),
        ("(" * 40 + "x" + ")" * 39, "do not close"),
    ],
)  # fmt: skip
def test_what_is_no_formula_is_refused_in_one_sentence(text, words):
    with pytest.raises(Unclear, match=re.escape(words)) as refused:
        typed_formula(text)
    assert "\n" not in str(refused.value) and len(str(refused.value)) < 130
