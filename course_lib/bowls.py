"""A landscape with a floor for gradient descent to find: Bowl(f) and descend(bowl, lr, steps), for the explorers of training."""

import math
from functools import lru_cache

import numpy as np
import torch

from course_lib.partials import Field, vector_text

START, CURVATURE = (-1.6, 1.2), (1.0, 4.0)
LEVEL = 1e-5  # as long as a gradient may be on the floor
SHARE = 0.8  # of 1/λmax, the learning rate that reaches the floor of the steepest direction in one step


class Bowl:
    """A function of two variables with a lowest point: gradient descent on it starts at START.

    f: f(u, v), f(tensor of shape (2,)), a Formula or a SymPy expression; default ½(u² + 4v²), where gradient descent is
    known in closed form. .floor is a lowest point, .least the value there, .steepest the largest eigenvalue λmax of the
    Hessian there.
    Raises TypeError or ValueError, with one sentence, where f has no gradient or no lowest point.
    """

    def __init__(self, f=None):
        self.field = Field(_half_of_squares if f is None else f)
        if f is None:
            self.field.label = "f(u, v) = ½(u² + 4v²)"
        if math.hypot(*self.field.at(*START)[1]) < LEVEL:
            raise ValueError(f"f is level at {vector_text(START)}, where the walk starts: nothing would move.")
        self.floor = self._lowest()
        self.least = self.field.at(*self.floor)[0]
        self.steepest = self._curvature()

    @property
    def usual_rate(self):
        """A learning rate that converges: 0.8/λmax."""
        return SHARE / self.steepest

    def loss(self, w):
        """f at a tensor of shape (2,) that may be tracked, as a tensor of shape (): its graph leads to w and nowhere else."""
        return _Sealed.apply(w, self)

    def _lowest(self):
        w = torch.tensor(START, dtype=torch.float64, requires_grad=True)
        search = torch.optim.LBFGS(
            [w], max_iter=300, tolerance_grad=LEVEL / 100, tolerance_change=1e-18, line_search_fn="strong_wolfe"
        )

        def closure():
            loss, gradient = self.field.at(*w.tolist())
            w.grad = torch.tensor(gradient, dtype=torch.float64)
            return torch.tensor(loss, dtype=torch.float64)

        search.step(closure)
        loss, gradient = self.field.at(*w.tolist())
        if not math.isfinite(loss) or not math.hypot(*gradient) < LEVEL:
            raise ValueError(
                f"f has no lowest point that can be found from {vector_text(START)}: take a bowl such as "
                "lambda u, v: u**2 + 2 * v**2."
            )
        return tuple(w.tolist())

    def _curvature(self):
        """λmax on the floor, from differences of gradients."""
        h = 1e-5
        columns = []
        for step in h * np.eye(2):
            ahead, behind = (self.field.at(*(np.array(self.floor) + sign * step))[1] for sign in (1, -1))
            columns.append((np.array(ahead) - np.array(behind)) / (2 * h))
        hessian = np.array(columns)
        least, most = np.linalg.eigvalsh((hessian + hessian.T) / 2)
        if least < -LEVEL or most < LEVEL:
            raise ValueError(
                f"f is no bowl at {vector_text(self.floor)}: the eigenvalues of its Hessian are "
                f"{vector_text((least, most))}. Take one such as lambda u, v: u**2 + 2 * v**2."
            )
        return float(most)


@lru_cache(maxsize=16)  # a picture and its tasks ask for the same one
def descend(bowl, lr, steps, momentum=0.0):
    """(path of shape (steps + 1, 2), losses of shape (steps + 1,)) of gradient descent on a bowl from START."""
    return descent(bowl.field, lr, steps, momentum)


def descent(f, lr, steps, momentum=0.0):
    """The same on any torch function of a tensor of shape (2,) that is known to have a gradient."""
    w, velocity = torch.tensor(START, dtype=torch.float64), 0.0
    path, losses = [], []
    for _ in range(steps + 1):
        loss, gradient = _slope(f, w)
        path.append(w)
        losses.append(loss)
        velocity = gradient + momentum * velocity if momentum else gradient
        w = w - lr * velocity
    return torch.stack(path).numpy(), np.array(losses)


def _slope(f, w):
    """(loss, gradient) as Field.at gives them, for a function that was tried before: in half the time."""
    with torch.enable_grad():
        x = w.clone().requires_grad_()
        loss = f(x).reshape(())
        grads = torch.autograd.grad(loss, x, allow_unused=True) if loss.grad_fn is not None else (None,)
    return loss.item(), torch.zeros_like(w) if grads[0] is None else grads[0]


class _Sealed(torch.autograd.Function):
    """f as one operation: backward fills no .grad of tensors that a student's f may hold."""

    @staticmethod
    def forward(ctx, w, bowl):
        loss, gradient = _slope(bowl.field, w.detach())
        ctx.save_for_backward(gradient)
        return w.new_tensor(loss)

    @staticmethod
    def backward(ctx, upstream):
        (gradient,) = ctx.saved_tensors
        return upstream * gradient, None


def _half_of_squares(u, v):
    return (CURVATURE[0] * u**2 + CURVATURE[1] * v**2) / 2
