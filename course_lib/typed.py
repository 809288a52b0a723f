"""Read a formula of x that somebody typed: typed_formula("sin(x**2) / 2") -> Formula. Nothing that is typed is run."""

import ast
import re

import sympy

from course_lib.controls import Unclear
from course_lib.formula import Formula, x

LONGEST, MOST_NODES = 80, 60
LARGEST, HIGHEST_POWER = 1e6, 20  # of a constant; 9**9**9 would never end

FUNCTIONS = {
    "sin": sympy.sin, "cos": sympy.cos, "tan": sympy.tan, "exp": sympy.exp, "log": sympy.log, "sqrt": sympy.sqrt,
    "tanh": sympy.tanh, "abs": sympy.Abs, "relu": lambda value: sympy.Max(0, value),
    "sigmoid": lambda value: 1 / (1 + sympy.exp(-value)),
}  # fmt: skip
NUMBERS = {"pi": sympy.pi, "e": sympy.E}
_OPERATIONS = {
    ast.Add: lambda a, b: a + b, ast.Sub: lambda a, b: a - b, ast.Mult: lambda a, b: a * b, ast.Div: lambda a, b: a / b,
    ast.Pow: lambda a, b: a**b,
}  # fmt: skip
_AS_PYTHON = str.maketrans({"·": "*", "×": "*", "−": "-", "²": "**2", "³": "**3", "π": "pi"})


def typed_formula(text):
    """The Formula in x that the text says, as Python writes it: x**2, sin(x), torch.exp(-x), 3.

    Raises Unclear with one sentence for everything else.
    """
    text = text.strip()
    if not text:
        raise Unclear("Type a formula of x, such as sin(x) + x**2.")
    if len(text) > LONGEST:
        raise Unclear(f"That formula has {len(text)} characters: there is room for {LONGEST}.")
    try:
        tree = ast.parse(text.translate(_AS_PYTHON), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise Unclear(_unreadable(text)) from None
    if sum(1 for _ in ast.walk(tree)) > 3 * MOST_NODES:
        raise Unclear("That formula has too many parts: choose a shorter one.")
    return Formula(_read(tree), x)


PRODUCT = "Python wants a * in every product: write 2*x, not 2x, and 2*(x + 1)."


def _unreadable(text):
    if re.search(r"\d\s*[a-zA-Z(]|\)\s*\w", text):
        return PRODUCT
    if text.count("(") != text.count(")"):
        return f"The brackets of {text[:30]!r} do not close."
    return f"{text[:30]!r} cannot be read as a formula: write it as Python does, such as sin(x) + x**2."


def _read(node):
    expr = _expression(node)
    if not expr.free_symbols:
        _refuse_unusable(expr, ast.unparse(node)[:30])
    return expr


def _expression(node):
    match node:
        case ast.Constant(value=bool() | str() | bytes() | complex() | None):
            raise Unclear(f"{node.value!r} is no number: a formula holds numbers, x and functions.")
        case ast.Constant(value=int() | float()):
            if not abs(node.value) <= LARGEST:
                raise Unclear(f"Numbers up to a million, please: {node.value:g} leaves the picture.")
            return sympy.Rational(repr(node.value))
        case ast.Name(id="x"):
            return x
        case ast.Name(id=name) if name in NUMBERS:
            return NUMBERS[name]
        case ast.Name(id=name) if name in FUNCTIONS:
            raise Unclear(f"{name} needs its brackets: write {name}(x).")
        case ast.Name(id=name):
            raise Unclear(f"The formula is one of x, and {name} is not x, pi or e.")
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -_read(operand)
        case ast.UnaryOp(op=ast.UAdd(), operand=operand):
            return _read(operand)
        case ast.BinOp(op=ast.BitXor()):
            raise Unclear("In Python ^ is no power: write x**2.")
        case ast.BinOp(op=op, left=left, right=right) if type(op) in _OPERATIONS:
            return _operation(type(op), _read(left), _read(right))
        case ast.Call(args=[argument], keywords=[]):
            return _function(node.func)(_read(argument))
        case ast.Call():
            raise Unclear(f"{ast.unparse(node.func)[:20]} takes one number here: write sin(x).")
    raise Unclear(f"{ast.unparse(node)[:30]!r} is no part of a formula: use + - * / **, x, numbers and functions.")


def _operation(op, left, right):
    if op is ast.Div and right.is_zero:
        raise Unclear("That divides by 0.")
    if op is ast.Pow and right.is_number and not abs(right) <= HIGHEST_POWER:
        raise Unclear(f"Powers up to {HIGHEST_POWER}, please: a higher one leaves the picture.")
    return _OPERATIONS[op](left, right)


def _function(node):
    if not isinstance(node, ast.Attribute | ast.Name) or getattr(node, "id", "") in ("x", *NUMBERS):
        raise Unclear(PRODUCT)
    name = node.attr if isinstance(node, ast.Attribute) else node.id  # torch.sin, math.sin, sin
    name = "log" if name == "ln" else name
    if name not in FUNCTIONS:
        raise Unclear(f"There is no {ast.unparse(node)[:20]} here: known are {', '.join(FUNCTIONS)}.")
    return FUNCTIONS[name]


def _refuse_unusable(expr, text):
    try:
        value = complex(expr.evalf(6))
    except (TypeError, ValueError, OverflowError):
        raise Unclear(f"{text} is no number.") from None
    if value.imag or value != value:
        raise Unclear(f"{text} is no real number.")
    if abs(value) > LARGEST:
        raise Unclear("A number in it is larger than a million: that leaves the picture.")
