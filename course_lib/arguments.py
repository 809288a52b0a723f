"""What a caller asked of a plot, as plain numbers; what is no number is refused with one sentence that names it."""

import math

import torch

from course_lib.theme import number


def range_of(over):
    low, high = pair_of(over)
    if not low < high:
        raise ValueError(f"over must be a range (low, high) with low < high, got ({number(low)}, {number(high)}).")
    return low, high


def pair_of(over):
    try:
        low, high = (float(end) for end in over)
    except (TypeError, ValueError):
        raise TypeError(f"over must be a pair of numbers such as (-3, 3), got {str(over)[:40]!r}.") from None
    if not (math.isfinite(low) and math.isfinite(high)):
        raise ValueError("over must be a range of finite numbers.")
    return low, high


def inside(place, over):
    low, high = range_of(over)
    if not low <= place <= high:
        raise ValueError(f"at = {number(place)} lies outside of the range from {number(low)} to {number(high)}.")
    return place


def number_of(value, name):
    try:
        value = float(value)
    except (TypeError, ValueError, RuntimeError):
        raise TypeError(f"{name} must be a number, got {str(value)[:40]!r}.") from None
    if not math.isfinite(value):
        raise ValueError(f"{name} must be a finite number.")
    return value


def numbers_of(values, name):
    if isinstance(values, int | float):
        values = (values,)
    try:
        return tuple(number_of(value, name) for value in values)
    except TypeError:
        raise TypeError(f"{name} must be a number or a list of numbers, got {str(values)[:40]!r}.") from None


def dtypes_of(dtypes):
    dtypes = (dtypes,) if isinstance(dtypes, torch.dtype) else tuple(dtypes)
    for dtype in dtypes:
        if not isinstance(dtype, torch.dtype) or not dtype.is_floating_point:
            raise TypeError(f"dtypes must be floating-point dtypes such as torch.float32, got {dtype!r}.")
    if not dtypes:
        raise ValueError("dtypes must hold at least one dtype.")
    return dtypes
