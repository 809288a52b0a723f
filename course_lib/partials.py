"""Ask a function of several numbers for its values and partial derivatives, exact, by autograd, in float64.

Field is a function of two variables (a landscape), Map one of n numbers with m results (it has a Jacobian). Each takes
whatever way of writing a student may choose. The caller's tensors and their .grad stay as they are; what has no
derivative is refused with one sentence (TypeError, ValueError).
"""

import inspect
import warnings

import numpy as np
import sympy
import torch

from course_lib.formula import Formula, plain
from course_lib.theme import index, number

LONGEST_LABEL = 40  # characters that a legend has room for


class Field:
    """A function of two variables, however it was written: f(u, v), f(tensor of shape (2,)), Formula, SymPy expression.

    .names are the names of the variables, .label is how a picture calls f.
    """

    def __init__(self, f):
        self.names, self.label = ("u", "v"), None
        if isinstance(f, sympy.Expr):
            if len(f.free_symbols) != 2:
                raise TypeError(
                    f"expected an expression in two symbols, got {plain(f)}: Formula(expression, u, v) says which."
                )
            f = Formula(f)
        if isinstance(f, Formula):
            if len(f.symbols) != 2:
                raise TypeError(f"expected a formula in two symbols, got {len(f.symbols)}: Formula(expression, u, v).")
            self.names = tuple(map(str, f.symbols))
            self.label = f"f({', '.join(self.names)}) = {plain(f.expr)}"
            self._f, self.takes_vector = f.function(), False
        else:
            self._f, self.takes_vector = _callable(f, "lambda u, v: u * v"), _takes_one(f)
            if _count(f) > 2:
                raise TypeError(f"expected a function of two variables, got one of {_count(f)}.")
            if self.takes_vector:
                self.names = tuple("x" + index(i) for i in (0, 1))
            name = getattr(f, "__name__", "f")
            self.label = "f" if name in ("f", "<lambda>") else f"f = {name}"
        if len(self.label) > LONGEST_LABEL:
            self.label = "f"

    def heights(self, points):
        """f at points of shape (k, 2), as an array of shape (k,)."""
        return self._ask(points, slopes=False)[0]

    def with_gradients(self, points):
        """(heights of shape (k,), gradients of shape (k, 2)) as arrays."""
        return self._ask(points, slopes=True)

    def at(self, u, v):
        """(height, (∂f/∂u, ∂f/∂v)) at one point, as floats."""
        heights, gradients = self.with_gradients([[u, v]])
        return heights[0].item(), gradients[0].tolist()

    def _ask(self, points, slopes):
        points = torch.as_tensor(np.asarray(points, dtype=float)).clone()
        with torch.enable_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch's warnings about lost graphs: ours are sentences
            rows = self._all_at_once(points) if len(points) > 1 else None
            if rows is None:
                parts = [self._alone(point) for point in points]
                rows = torch.stack([y for y, _ in parts]), torch.stack([g for _, g in parts])
                if slopes:
                    self._refuse_lost_graph(points, rows[1])
        heights, gradients = rows[0].numpy(), rows[1].numpy()
        gradients[~np.isfinite(heights)] = np.nan  # log has a slope formula also where it has no value
        return heights, gradients

    def __call__(self, points):
        """f at points of shape (…, 2), as the student's f wants them."""
        return self._f(points) if self.takes_vector else self._f(*points.unbind(-1))

    def _all_at_once(self, points):
        """(heights, gradients) where f treats every point alike and alone, else None."""
        try:
            x = points.clone().requires_grad_()
            y = torch.func.vmap(self._f)(x) if self.takes_vector else self(x)
            if y.shape != x.shape[:1] or y.dtype != torch.float64 or y.grad_fn is None:
                return None
            (g,) = torch.autograd.grad(y.sum(), x)
            for i in {0, len(points) // 2, len(points) - 1}:
                height, gradient = self._alone(points[i])
                found = torch.cat([y[i : i + 1], g[i]])
                if not torch.allclose(found, torch.cat([height[None], gradient]), rtol=1e-6, atol=1e-9, equal_nan=True):
                    return None
            return y.detach(), g
        except Exception:  # whatever stops it here is met again, and explained, with one point at a time
            return None

    def _alone(self, point):
        x = point.clone().requires_grad_()
        at = f"({number(point[0])}, {number(point[1])})"
        y = _checked(_attempt(self, x, at), 1, at).reshape(())
        grad = None
        if y.grad_fn is not None:
            (grad,) = torch.autograd.grad(y, x, allow_unused=True)
        return y.detach().double(), torch.zeros_like(point) if grad is None else grad.double()

    def _refuse_lost_graph(self, points, gradients):
        if not (gradients == 0).all():
            return
        near = [self._alone(points[0] + torch.tensor(step, dtype=torch.float64))[0] for step in ((0.37, 0), (0, -0.23))]
        connected = getattr(self(points[0].clone().requires_grad_()), "grad_fn", None) is not None
        if not connected and any(height != self._alone(points[0])[0] for height in near):
            raise TypeError(LOST)


class Map:
    """A function of n numbers with m results, however it was written: f(tensor), f(u, v), a list of expressions.

    A list of SymPy expressions or formulas is read in the symbols that occur in it, sorted by name.
    """

    def __init__(self, f):
        if isinstance(f, sympy.Expr | Formula):
            f = [f]
        name = getattr(f, "__name__", "f")
        self.label = "f" if name in ("f", "<lambda>") else f"f = {name}"
        if isinstance(f, list | tuple):
            exprs = [part.expr if isinstance(part, Formula) else sympy.sympify(part) for part in f]
            symbols = sorted(set().union(*(expr.free_symbols for expr in exprs)), key=str)
            functions = [Formula(expr, *symbols).function() for expr in exprs]
            self._f, self.takes = (lambda *at: torch.stack([one(*at) for one in functions])), len(symbols)
        else:
            self._f = _callable(f, "lambda x: x * x.sum()")
            self.takes = None if _takes_one(f) else _count(f)  # None: one tensor that holds all

    def __call__(self, x):
        """f of a tensor of shape (n,) that may be tracked, as a tensor of shape (m,)."""
        if self.takes not in (None, len(x)):
            raise TypeError(f"f takes {self.takes} numbers, and x has {len(x)}.")
        return _flat(self._f(x) if self.takes is None else self._f(*x))

    def values(self, points):
        """f at points of shape (k, n), as an array of shape (k, m)."""
        points = torch.as_tensor(np.asarray(points, dtype=float))
        with torch.no_grad():
            try:
                return torch.func.vmap(self)(points).double().numpy()
            except Exception:  # f asks about numbers, or leaves torch: one point after the other
                return torch.stack([self(point) for point in points]).double().numpy()

    def jacobian(self, x):
        """(y of shape (m,), J of shape (m, n)): outputs are rows. Arrays, row by row with one backward each."""
        x = torch.as_tensor(np.asarray(x, dtype=float)).clone()
        with torch.enable_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tracked = x.clone().requires_grad_()
            y = _checked(_attempt(self, tracked, "x"), None, "x")
            rows = [torch.zeros_like(x)] * len(y)
            if y.grad_fn is not None:
                rows = [
                    torch.autograd.grad(y[i], tracked, retain_graph=True, allow_unused=True)[0] for i in range(len(y))
                ]
            elif not torch.equal(y, _flat(self(x + 0.37))):
                raise TypeError(LOST)
        y = y.detach().double().numpy()
        full = torch.stack([torch.zeros_like(x) if row is None else row for row in rows]).double().numpy()
        full[~np.isfinite(y)] = np.nan  # log has a slope formula also where it has no value
        return y, full

    def finite_jacobian(self, x):
        """The same; ValueError with one sentence where no derivative is a finite number."""
        y, full = self.jacobian(x)
        if full.size and not np.isfinite(full).any():
            raise ValueError(f"f has no finite derivative at x = {vector_text(x)}: choose another point.")
        return y, full


LOST = (
    "f leaves torch, so autograd cannot follow it: use torch.sin instead of math.sin, and no .item(), .detach() or "
    "torch.tensor(…) inside f."
)


def point_of(x, name="x"):
    """What a caller gave as a point (tensor, list, number) as an array of shape (n,)."""
    try:
        if isinstance(x, torch.Tensor):
            x = x.detach().cpu().double().numpy()
        x = np.atleast_1d(np.asarray(x, dtype=float))
    except (TypeError, ValueError, RuntimeError):
        raise TypeError(f"{name} must be a list of numbers or a tensor of shape (n,), got {str(x)[:40]!r}.") from None
    if x.ndim != 1 or not x.size:
        raise ValueError(f"{name} must have shape (n,), got {x.shape}.")
    if not np.isfinite(x).all():
        raise ValueError(f"{name} must hold finite numbers.")
    return x


def matrix_text(matrix):
    """[[1, 0], [0, 2.5]], with numbers as they stand in a sentence."""
    return "[" + ", ".join(f"[{', '.join(map(number, row))}]" for row in matrix) + "]"


def vector_text(vector):
    return f"({', '.join(map(number, vector))})"


# --- the student's function ------------------------------------------------------------------------------------------


def _callable(f, example):
    if callable(f) and not isinstance(f, type):
        return f
    raise TypeError(
        f"expected a function such as {example}, or a SymPy expression; got {type(f).__name__} {str(f)[:40]!r}"
    )


def _count(f):
    """How many positional arguments f needs; 1 where nobody can tell."""
    try:
        parameters = inspect.signature(f).parameters.values()
    except (TypeError, ValueError):  # a torch built-in: only trying tells
        return 2 if _works_with_two(f) else 1
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return sum(p.kind in kinds and p.default is inspect.Parameter.empty for p in parameters) or 1


def _takes_one(f):
    return _count(f) == 1


def _works_with_two(f):
    try:
        f(torch.tensor(0.7, dtype=torch.float64), torch.tensor(0.3, dtype=torch.float64))
    except Exception:
        return False
    return True


def _attempt(call, x, at):
    try:
        return call(x)
    except TypeError as error:
        if "positional argument" not in str(error) and "f takes" not in str(error):
            raise ValueError(f"f({at}) raised {_first_line(error)}") from error
        raise TypeError(str(error)) from None
    except Exception as error:
        raise ValueError(f"f({at}) raised {_first_line(error)}") from error


def _first_line(error):
    return f"{type(error).__name__}: {(str(error).splitlines() or [''])[0][:120]}"


def _flat(y):
    """Results as one tensor of shape (m,): a tensor, or a tuple of 0-d tensors and numbers."""
    if isinstance(y, list | tuple):
        y = torch.stack([torch.as_tensor(part, dtype=torch.float64).reshape(()) for part in y])
    if isinstance(y, int | float) and not isinstance(y, bool):
        y = torch.tensor(float(y), dtype=torch.float64)
    return y.reshape(-1) if isinstance(y, torch.Tensor) else y


def _checked(y, count, at):
    """y as a tensor that may have a derivative; TypeError or ValueError with one sentence otherwise."""
    if isinstance(y, int | float) and not isinstance(y, bool):
        y = torch.tensor(float(y), dtype=torch.float64)
    if not isinstance(y, torch.Tensor):
        raise TypeError(f"f must return a tensor, got {type(y).__name__}: use torch functions such as torch.sin.")
    if y.dtype.is_complex or not y.is_floating_point():
        raise TypeError(f"f must return real floating-point numbers to have a slope, got {y.dtype}.")
    if count is not None and y.numel() != count:
        raise ValueError(f"f must return one number for a point, got shape {tuple(y.shape)} at {at}.")
    return y
