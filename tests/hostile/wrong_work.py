"""I. Right number, wrong work: what is always the same, or not the work taught, does not pay."""

from course_lib.judge import Status
from tests.hostile.attacks import PARTIAL, RIGHT, WRONG, Attack, body

ATTACKS = [
    *[Attack("I1", f"returns {word}", f"def slope_at(f, a):\n    return {code}", WRONG) for word, code in (
        ("zero", "0.0"), ("one", "1.0"), ("minus one", "-1"), ("its input", "a"), ("twice its input", "2 * a"))],
    *[Attack("I1", f"returns {word} for every entry", f"import torch\ndef squares(x):\n    return {code}", WRONG,
             answers="squares") for word, code in (
        ("zero", "torch.zeros_like(x)"), ("one", "torch.ones_like(x)"), ("its input", "x"), ("a sign", "x.sign()"))],
    *[Attack("I1", f"returns {word} for a double", f"def double(x):\n    return {code}", WRONG, answers="double")
      for word, code in (("zero", "0"), ("its input", "x"), ("the right number for one question", "5.0"))],
    Attack("I1", "returns None", "def slope_at(f, a):\n    return None", {Status.OPEN}),
    Attack("I1", "is right on one side only", RIGHT + body("return right_slope(f, abs(a))"), PARTIAL, score=0.5),
    Attack("I2", "works by hand on what autograd is to do", body("""
h = 1e-5
left, right = (f(torch.tensor(a + d, dtype=torch.float64)) for d in (-h, h))
return ((right - left) / (2 * h)).item()"""), PARTIAL, score=0.5),
    Attack("I3", "takes a difference for the derivative", body("""
h = 1e-3
at = torch.tensor(a, dtype=torch.float64)
return ((f(at + h) - f(at)) / h).item()"""), WRONG),
    Attack("I3", "takes a coarse central difference", body("""
h = 0.05
at = torch.tensor(a, dtype=torch.float64)
return ((f(at + h) - f(at - h)) / (2 * h)).item()"""), WRONG),
    Attack("I4", "fits a polynomial and differentiates that", body("""
import numpy as np
at = torch.linspace(a - 0.01, a + 0.01, 9, dtype=torch.float64)
fit = np.polynomial.Polynomial.fit(at.numpy(), f(at).numpy(), 4)
return float(fit.deriv()(a))"""), PARTIAL, score=0.5),
    Attack("I5", "is right now and then", RIGHT + """
calls = []
def slope_at(f, a):
    calls.append(a)
    return right_slope(f, a) if len(calls) % 3 else 0.0
""", PARTIAL, score=0.5),
]  # fmt: skip
