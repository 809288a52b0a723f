"""Ask a function of one variable for its heights and slopes: derivatives(f, xs, order), exact, by autograd.

Also how wrong difference quotients are (step_errors, predicted_steps) and where a curve jumps (breaks). f is a torch
function, a Formula or a SymPy expression; its closure's tensors and their .grad stay as they are.
"""

import math
import warnings

import numpy as np
import torch

from course_lib.formula import as_function
from course_lib.theme import number


def derivatives(f, xs, order):
    """f, f′, … up to the given order at n places: a float64 tensor of shape (order + 1, n), exact, by autograd.

    An elementwise f is asked once with all places, any other f once per place with a 0-d tensor.
    A constant has slope 0.
    Raises TypeError or ValueError with one sentence if f is no function of one number or loses the way back to x.
    """
    function, _ = as_function(f)
    places = torch.as_tensor(xs, dtype=torch.float64).detach().clone()
    with torch.enable_grad(), warnings.catch_warnings():
        # torch warns once when math.sin or .item() turns a tensor into a number; our sentence says it better
        warnings.simplefilter("ignore")
        rows = _all_at_once(function, places, order) if len(places) > 1 else None
        if rows is None:
            rows = torch.stack([_at_one(function, place, order) for place in places], dim=1)
            if order:
                _refuse_lost_graph(function, places, rows)
    return rows.detach()


def _all_at_once(function, places, order):
    """The rows for an elementwise function, None if it is not one."""
    try:
        x = places.clone().requires_grad_()
        y = function(x)
        if not isinstance(y, torch.Tensor) or y.shape != x.shape or y.dtype.is_complex or not y.is_floating_point():
            return None
        if y.grad_fn is None and order:
            return None
        rows = _chain(y, x, order)
        for i in sorted({0, len(places) // 2, len(places) - 1}):
            alone = _at_one(function, places[i], min(order, 1))
            if not torch.allclose(alone, rows[: len(alone), i], rtol=1e-6, atol=1e-9, equal_nan=True):
                return None
        return rows
    except Exception:  # whatever stops it here is met again, and explained, with one number at a time
        return None


def _at_one(function, place, order):
    """f and its derivatives at one place, shape (order + 1,)."""
    x = place.clone().requires_grad_()
    try:
        y = function(x)
    except Exception as error:
        first = (str(error).splitlines() or [""])[0][:120]
        raise ValueError(f"f({number(place)}) raised {type(error).__name__}: {first}") from error
    if isinstance(y, int | float) and not isinstance(y, bool):
        y = torch.tensor(float(y), dtype=torch.float64)
    if not isinstance(y, torch.Tensor):
        raise TypeError(f"f must return a tensor, got {type(y).__name__}: use torch functions such as torch.sin.")
    if y.dtype.is_complex or not y.is_floating_point():
        raise TypeError(f"f must return real floating-point numbers to have a slope, got {y.dtype}.")
    if y.numel() != 1:
        raise ValueError(f"f must return one number for one number, got shape {tuple(y.shape)} for a 0-d tensor.")
    return _chain(y.reshape(()), x, order)


def _chain(y, x, order):
    rows = [y]
    for _ in range(order):
        last = rows[-1]
        grad = None
        if last.grad_fn is not None:
            (grad,) = torch.autograd.grad(last.sum(), x, create_graph=True, allow_unused=True)
        rows.append(torch.zeros_like(x) if grad is None else grad)
    return torch.stack([row.detach().to(torch.float64).reshape(x.shape) for row in rows])


def _refuse_lost_graph(function, places, rows):
    """A result that changes with x though autograd saw no way back to x: math.sin, .item(), .detach()."""
    if (rows[1:] != 0).any():
        return
    heights = rows[0][torch.isfinite(rows[0])]
    if len(heights) > 20 and (heights.diff() != 0).sum() < len(heights) / 10:
        return  # a staircase is level almost everywhere, so slope 0 is right
    if len(places) == 1:
        near = [_at_one(function, places[0] + step, 0)[0] for step in (0.37, -0.23)]
        heights = torch.stack([rows[0, 0], *near])
    x = places[0].clone().requires_grad_()
    y = function(x)
    if (not isinstance(y, torch.Tensor) or y.grad_fn is None) and len(heights) and (heights != heights[0]).any():
        raise TypeError(
            "f leaves torch, so autograd cannot follow it: use torch.sin instead of math.sin, and no .item(), "
            ".detach() or torch.tensor(…) inside f."
        )


def step_errors(f, at, steps, dtype, kind):
    """(h, |difference quotient − f′|) for kind "forward" or "central", both computed in the given dtype.

    at must be exact in that dtype; steps is an array; a result that is not finite is left out.
    """
    function, _ = as_function(f)
    slope = derivatives(f, [at], 1)[1, 0].item()
    h = torch.as_tensor(np.asarray(steps), dtype=dtype)
    a = torch.full_like(h, at)
    with torch.no_grad():
        ahead = in_dtype(function, a + h)
        if kind == "forward":
            quotient = (ahead - in_dtype(function, a)) / h
        else:
            quotient = (ahead - in_dtype(function, a - h)) / (2 * h)
    error = (quotient.to(torch.float64) - slope).abs().numpy()
    return np.asarray(steps)[np.isfinite(error)], error[np.isfinite(error)]


def in_dtype(function, places):
    """f at places of shape (n,), in their dtype; one at a time if f is not elementwise."""
    try:
        y = function(places)
        if isinstance(y, torch.Tensor) and y.shape == places.shape:
            return y
    except Exception:  # explained by derivatives(), which asks f one number at a time
        pass
    return torch.stack([torch.as_tensor(function(place), dtype=places.dtype).reshape(()) for place in places])


def predicted_steps(f, at, eps):
    """{"forward": h, "central": h}: where the cut-off error equals the rounding error; None if nothing is cut off."""
    try:
        height, _, second, third = derivatives(f, [at], 3)[:, 0].tolist()
    except RuntimeError:  # f can be differentiated once only
        return {"forward": None, "central": None}
    scale = max(abs(height), 1e-3) * eps
    return {
        "forward": 2 * math.sqrt(scale / abs(second)) if abs(second) > 1e-9 else None,
        "central": (3 * scale / abs(third)) ** (1 / 3) if abs(third) > 1e-9 else None,
    }


def breaks(x, y, slope=None):
    """Indices i where a line from sample i to i + 1 would hide a jump or a pole.

    Between samples a smooth curve rises by step × mean slope; a jump does not. Without slopes only a jump that dwarfs
    its neighbours is found.
    """
    y = np.asarray(y, dtype=float)
    finite = np.isfinite(y)
    if finite.sum() < 3:
        return np.array([], dtype=int)
    rise = np.diff(y)
    spread = np.ptp(np.percentile(y[finite], [10, 90])) or np.ptp(y[finite]) or 1.0
    with np.errstate(invalid="ignore"):
        if slope is None:
            size = np.abs(np.concatenate([[rise[0]], rise, [rise[-1]]]))
            jump = np.abs(rise) > 2.5 * np.fmax(size[:-2], size[2:])
        else:
            slope = np.asarray(slope, dtype=float)
            rest = np.abs(rise - np.diff(x) * (slope[:-1] + slope[1:]) / 2)
            jump = (rest > 0.5 * np.abs(rise)) & (rest > 0.02 * spread)
        jump &= np.abs(rise) > 0.02 * spread
    return np.flatnonzero(jump)
