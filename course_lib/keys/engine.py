"""Lesson 10, an engine of your own, and what its keys share: how a part of an engine is used, and what it must give."""

import inspect

import numpy as np

from course_lib.exercise import Lesson
from course_lib.judge import CLOSE, Layer, reports
from course_lib.keys import mini
from course_lib.observe import Array
from course_lib.recipes import Recipe
from course_lib.values import number_of

lesson = Lesson("10", "Capstone: an engine of your own")

NO_GRADIENT = "no gradient arrived: its .grad is None after run_backward"


def engine_for(name, own):
    """The Recipe of the engine that an answer of this name is used with: its notebook's own, or the course's."""
    words = "the one of your notebook" if own else "one of the course around your answer"
    return Recipe("code", (inspect.getsource(mini), "bench", name, own), words)


def changed(name, **parts):
    """One part of a fresh engine in which parts are other ones: of that name, or a method of MiniTensor where it has it."""
    names = {"__name__": "course"}
    exec(inspect.getsource(mini), names)
    for one, part in parts.items():
        if one in mini.NAMES:
            names[one] = part
        else:
            setattr(names["MiniTensor"], one, part)
    return names[name]


# --- how an answer is used: travels as source ------------------------------------------------------------------------


@reports(type=str, value=object, grads=list, tracked=bool, kept=bool)
def operation(function, engine, inputs, requires_grad, others, g):
    """the result of the operation, and what run_backward brings to its inputs when g arrives at the result"""
    with engine(function) as parts:
        made = [parts.MiniTensor(np.array(one), requires_grad=need) for one, need in zip(inputs, requires_grad, strict=True)]
        y = function(*made, **others)
        if not isinstance(y, parts.MiniTensor):
            return {"type": type(y).__name__, "value": None, "grads": [], "tracked": False, "kept": True}
        value, g = np.array(y.data, dtype=float), np.array(g)
        if any(requires_grad) and value.shape == g.shape:
            parts.run_backward(y, g)
        return {
            "type": "MiniTensor", "value": value, "grads": [t.grad for t in made], "tracked": bool(y.requires_grad),
            "kept": all(np.array_equal(t.data, np.array(one)) for t, one in zip(made, inputs, strict=True)),
        }


# --- what the keys of the lesson demand ------------------------------------------------------------------------------


def with_either(ask, drive, *args, right=lambda value: False, raising=None):
    """The Answer to a question put to a part of an engine: with the notebook's own engine, or with the course's.

    drive(answer, engine, *args); right(value): whether what it returned will do; raising: the exception that would. The one
    that counts is the one that was right, or else that with the course's engine; but the own one where no other could be
    answered at all.
    """
    name = ask.exercise.name
    own = ask.using(drive, engine_for(name, True), *args)
    failure = own.reply.failure
    if right(own.value) if failure is None else raising in (failure.type, *failure.bases):
        return own
    first = ask.transcript.pop()
    course = ask.using(drive, engine_for(name, False), *args)
    if course.reply.failure is not None and failure is None:
        ask.transcript[-1] = first
        return own
    return course


def alike(got, want):
    """Whether numbers that came back are the wanted ones: a number, an array, None, or a list of these."""
    if want is None or got is None:
        return got is want
    if isinstance(want, list | tuple):
        return isinstance(got, list | tuple) and len(got) == len(want) and all(map(alike, got, want))
    want = np.asarray(want, dtype=float)
    got = got.numbers if isinstance(got, Array) else number_of(got)
    if got is None or np.shape(got) != want.shape:
        return False
    gap = np.abs(np.asarray(got, dtype=float) - want) / np.maximum(np.abs(want), CLOSE.scale)
    return bool((gap <= CLOSE.rtol).all())


def demand_operation(ask, inputs, value, g, grads, *, needs=None, about=("the gradient",), **others):
    """An operation of the engine: its value, and what arrives at each input (None: nothing) when g arrives at it.

    inputs, g: nested lists of numbers or arrays; needs: which inputs require a gradient, all by default; about: what the
    gradients are called, one for each input; others: what else the operation takes.
    """
    inputs, g, needs = [np.asarray(one).tolist() for one in inputs], np.asarray(g).tolist(), needs or [True] * len(inputs)

    def right(said):
        return alike(said["value"], value) and alike(said["grads"], grads)

    answer = with_either(ask, operation, inputs, needs, others, g, right=right)
    said = answer.value
    if answer.reply.failure is not None:
        answer.holds(False, "an answer")
    elif said["type"] != "MiniTensor":
        answer.holds(False, "a MiniTensor, as MiniTensor.made gives it", f"you returned a {said['type']}", Layer.TYPE)
    else:
        compare(answer, said["value"], value, "the value")
        for got, want, meaning in zip(said["grads"], grads, about, strict=True):
            compare(answer, got, want, meaning)
        answer.holds(said["kept"], "inputs as they were", "the numbers of an input have changed", Layer.SIDE_EFFECT)
    return answer


def compare(answer, got, want, meaning):
    """One array or number of an answer against the wanted one; None where no gradient shall arrive."""
    if answer.broken:
        return
    if want is None:
        answer.holds(got is None, f"{meaning} stays None", f"{meaning} is {getattr(got, 'numbers', got)}")
    elif got is None:
        answer.holds(False, meaning, NO_GRADIENT, Layer.CONNECTED)
    else:
        answer.holds_value(got, np.asarray(want, dtype=float), meaning)
