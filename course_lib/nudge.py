"""Finite differences inside of a function: slope_at(f, …) moves one tensor in the middle of f and looks at the result.

Autograd says how the result of f reacts to a tensor that f computed on its way. Here f is run again, with that tensor a
little larger and a little smaller, and the result is compared: what a wrong backward, a cut or an edit cannot fool.
"""

from dataclasses import dataclass

import numpy as np
import torch

from course_lib.recorder import Recorder

STEP = {torch.float64: 6e-6, torch.float32: 5e-3}  # about the cube root of the last digit: best for central differences
CLOSE = {torch.float64: 1e-4, torch.float32: 3e-2}  # how near 1 the ratio to a difference must be
BENT = 0.35  # the second difference of a smooth function quarters with half the step; at a kink it halves


class Nudged(Recorder):
    """A recorder that moves one tensor: wherever f uses tensor number `target`, it gets a moved copy."""

    def __init__(self, f, target, step):
        super().__init__(f)
        self.target, self.step = target, step
        self.original = self.moved = None

    def _note(self, key, tensor, *rest, **named):
        super()._note(key, tensor, *rest, **named)
        if len(self.kept) - 1 == self.target:
            with torch.enable_grad():
                moved = (tensor.detach() + self.step).requires_grad_(tensor.requires_grad)
                # f may change a result in place, but not a tracked leaf
                self.original, self.moved = tensor, moved if tensor.is_leaf else moved.clone()

    def run(self, func, args, kwargs):
        out = func(*self.swapped(args), **self.swapped(kwargs))
        return self.original if out is self.moved and out is not None else out

    def swapped(self, value):
        """The value with the moved copy in place of the tensor."""
        if value is self.original and value is not None:
            return self.moved
        if type(value) in (list, tuple):
            return type(value)(self.swapped(item) for item in value)
        if type(value) is dict:
            return {key: self.swapped(item) for key, item in value.items()}
        return value


@dataclass(frozen=True, kw_only=True, slots=True)
class Slope:
    """How the result changes along the direction: by a difference, and by autograd (None where it sees no way).

    smooth: whether there is a slope at all, and no kink or jump. touched: numbers of the tensors that changed as well.
    """

    difference: float
    autograd: float | None
    smooth: bool
    noise: float  # differences smaller than this are rounding
    touched: frozenset

    @property
    def ratio(self):
        """autograd ÷ difference; None where both are 0, or where there is nothing to compare."""
        if self.autograd is None or not self.smooth:
            return None
        if not np.isfinite(self.autograd):
            return self.autograd
        if abs(self.difference) <= self.noise:
            return None if abs(self.autograd) <= self.noise else np.inf
        return self.autograd / self.difference


def slope_at(run, number, seen, gradient, start, precision):
    """The Slope of the result by tensor `number` of a recording; precision: the coarsest dtype that f computes in.

    run(recorder) runs f under that recorder and returns the weighted result as a float; start: what it returned when
    nothing was moved; seen: {number: value} of that first run; gradient: of the result by the tensor, or None.
    """
    value, dtype = seen[number]
    value = np.asarray(value, dtype=float)
    size = STEP[precision] * max(1.0, np.abs(value[np.isfinite(value)]).max(initial=0.0))
    direction = _direction(value.shape, gradient)
    plus, touched = _moved(run, number, size * direction, dtype, seen)
    minus, _ = _moved(run, number, -size * direction, dtype, seen)
    difference = (plus - minus) / (2 * size)
    noise = 1e3 * torch.finfo(precision).eps * max(abs(start), 1e-3) / size
    autograd = None if gradient is None else float((np.asarray(gradient) * direction).sum())
    return Slope(
        difference=difference, autograd=autograd, noise=noise, touched=touched,
        smooth=_is_smooth(run, number, size * direction, dtype, seen, (minus, start, plus), noise * size),
    )


def _direction(shape, gradient):
    """Unequal steps, each along the gradient's sign, so that no two entries can cancel."""
    count = int(np.prod(shape))
    sizes = (0.6 + 0.8 * ((0.618 * np.arange(1, count + 1)) % 1)).reshape(shape)
    signs = np.ones(shape) if gradient is None else np.sign(np.nan_to_num(gradient, nan=1.0, posinf=1.0, neginf=-1.0))
    return sizes * np.where(signs == 0, 1.0, signs)


def _moved(run, number, step, dtype, seen):
    made = []

    def recorder(f):
        made.append(Nudged(f, number, torch.as_tensor(step, dtype=dtype)))
        return made[0]

    result = run(recorder)
    after = numbered(made[0])
    touched = frozenset(
        other for other, (value, _) in seen.items()
        if other in after and not np.array_equal(value, after[other][0], equal_nan=True)
    )
    return result, touched


def _is_smooth(run, number, step, dtype, seen, values, noise):
    minus, start, plus = values
    if not np.isfinite(values).all():
        return False
    bend, whole = plus - 2 * start + minus, max(abs(plus - start), abs(start - minus))
    if abs(bend) <= max(1e-3 * whole, 10 * noise):
        return True
    half = [_moved(run, number, sign * step / 2, dtype, seen)[0] for sign in (1, -1)]
    return abs(sum(half) - 2 * start) <= BENT * abs(bend)


def numbered(recorder):
    """{number: (value, dtype)} of the tensors a recorder met."""
    return {seen.index: (seen.value, seen.dtype) for seen in recorder.seen.values()}


def coarsest(recorder):
    """float32 where f used it anywhere, else float64."""
    return torch.float32 if any(seen.dtype == torch.float32 for seen in recorder.seen.values()) else torch.float64
