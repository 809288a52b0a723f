"""Lesson 09, a backward of your own, and what its keys share: how a Function is used, what it must do, what is forgotten."""

import numpy as np
import torch

from course_lib.exercise import Lesson
from course_lib.judge import Layer, reports
from course_lib.keys import quiz_09
from course_lib.observe import Array

lesson = Lesson("09", "Your own gradients", quiz_09)

ON_CTX = (
    "You keep a tensor as an attribute of ctx. If it is changed in place before backward runs, your gradient is silently wrong; "
    "ctx.save_for_backward notices, and raises."
)

# --- how an answer is used: travels as source ------------------------------------------------------------------------


@reports(object)
def result_of(function, x):
    """what apply returns"""
    return function.apply(x.requires_grad_())


@reports(object)
def gradient_of(function, x, g):
    """what arrives at x when g comes in at the result"""
    y = function.apply(x.requires_grad_())
    if not isinstance(y, torch.Tensor):
        return None
    g = g.reshape(y.shape) if g.numel() == y.numel() else torch.ones_like(y)  # the shape of y is another question
    return torch.autograd.grad(y, x, g, allow_unused=True)[0]


@reports(bool)
def walks_its_own_backward(function, x, others):
    """whether apply leads to your own backward"""
    y = function.apply(x.requires_grad_(), *others)
    return isinstance(y, torch.Tensor) and type(y.grad_fn) is getattr(function, "_backward_cls", None)


@reports(bool)
def passes_gradcheck(function, x):
    """torch.autograd.gradcheck of apply, in float64"""
    return bool(torch.autograd.gradcheck(function.apply, (x.requires_grad_(),), raise_exception=False))


@reports(list)
def second_derivative_of(function, x, g, w):
    """what arrives at x for g, differentiated once more by x and by g, weighted with w"""
    y = function.apply(x.requires_grad_())
    if not isinstance(y, torch.Tensor):
        return [None, None]
    try:
        (first,) = torch.autograd.grad(y, x, g.requires_grad_(), create_graph=True, allow_unused=True)
        return [None, None] if first is None else list(torch.autograd.grad(first, (x, g), w, allow_unused=True))
    except RuntimeError as error:
        if "not require grad" not in str(error) and "differentiate twice" not in str(error):
            raise
        return [None, None]


@reports(object)
def gradient_after_an_edit(function, x, g):
    """what arrives at x if the tensor that went in is changed in place before backward runs"""
    went_in = x.requires_grad_() * 1
    y = function.apply(went_in)
    went_in.mul_(2)
    try:
        return torch.autograd.grad(y, x, g)[0]
    except RuntimeError:
        return None


# --- what the keys of the lesson demand ------------------------------------------------------------------------------


def demand_gradient(ask, x, g, want):
    """The gradient for this g; a warning is told, but costs nothing."""
    answer = ask.using(gradient_of, x, g).equals(want, "the gradient of x")
    if answer.reply.warnings:
        ask.advise(f"PyTorch warned: {answer.reply.warnings[0].split('. ')[0]}.")
    return answer


def demand_own_backward(ask, x, *others):
    """Not a ready-made operation behind the name apply."""
    if not ask.problems:
        answer = ask.using(walks_its_own_backward, x, list(others))
        answer.holds(answer.value is True, "a torch.autograd.Function, with a forward and a backward of your own",
                     "apply does not lead to your backward", Layer.METHOD)


def demand_gradcheck(ask, x):
    """As a last proof: right numbers that gradcheck does not pass come from a forward or backward that is not repeatable."""
    if not ask.problems:
        answer = ask.using(passes_gradcheck, x)
        answer.holds(answer.value is True, "a backward that gradcheck passes", "gradcheck does not pass it")


def demand_second(ask, x, g, w, by_x, by_g):
    """The derivative of the gradient, by x and by g: what gradgradcheck compares with differences."""
    answer = ask.using(second_derivative_of, x, g, w)
    found = answer.value
    whole = isinstance(found, list) and all(isinstance(one, Array) for one in found)
    if isinstance(found, list) and not whole:
        answer.holds(False, "a gradient that can be differentiated once more, by x and by g",
                     "the gradient does not lead back to x, or not to g", Layer.PROPERTY)
    else:
        answer.equals([by_x, by_g], ("the second derivative by x", "the second derivative by g"))


def advise_on_saving(ask, x, g, want):
    """Tell of an input that is kept where a later edit in place is not noticed."""
    if not ask.problems:
        found = ask.using(gradient_after_an_edit, x, g).value
        if isinstance(found, Array) and not np.allclose(found.numbers, want):
            ask.advise(ON_CTX)


# --- mistakes in every Function of one input ---------------------------------------------------------------------------


class Nowhere:
    """A ctx that keeps nothing."""

    def save_for_backward(self, *tensors):
        pass


def add_usual_mistakes(exercise, right):
    """What is forgotten in every Function of one input; right has a right forward."""

    @exercise.mistake("no-return")
    class NoReturn(right):
        """Your backward returns nothing; the return is missing, it seems. What it returns is what arrives at x."""

        @staticmethod
        def backward(ctx, g):
            del g

    @exercise.mistake("nothing-saved")
    class NothingSaved(right):
        """ctx.saved_tensors is empty, because forward saved nothing: ctx.save_for_backward(x) keeps x for backward."""

        @staticmethod
        def forward(ctx, x):
            return right.forward(Nowhere(), x)

        @staticmethod
        def backward(ctx, g):
            (x,) = ctx.saved_tensors
            return g * x

    @exercise.mistake("no-forward")
    class ForwardReturnsNothing(right):
        """Your forward returns nothing; the return is missing, it seems."""

        @staticmethod
        def forward(ctx, x):
            right.forward(ctx, x)
