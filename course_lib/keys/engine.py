"""Lesson 10, an engine of your own, and what its keys share: how a part of an engine is used, and what it must give."""

import inspect

import numpy as np
import torch

from course_lib.exercise import Lesson
from course_lib.judge import CLOSE, Layer, reports
from course_lib.keys import mini, quiz_10
from course_lib.keys.programs import off_zero, words
from course_lib.observe import Array
from course_lib.recipes import Recipe, coded
from course_lib.values import number_of, show

lesson = Lesson("10", "Capstone: an engine of your own", quiz_10)

NO_GRADIENT = "no gradient arrived: its .grad is None after run_backward"


def engine_for(name, own):
    """The Recipe of the engine that an answer of this name is used with: its notebook's own, or the course's."""
    words = "your notebook's" if own else "the course's around your answer"
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


@reports(type=str, value=object, grads=list, changed=list)
def operation(function, engine, y):
    """run_backward(y, g)"""
    name, call, names, inputs, needs, g, factors = y()
    with engine(function) as parts:
        made = [parts.MiniTensor(np.array(one), requires_grad=need) for one, need in zip(inputs, needs, strict=True)]
        result = eval(call, {"np": np, name: function, **dict(zip(names, made, strict=True))})
        if not isinstance(result, parts.MiniTensor):
            return {"type": type(result).__name__, "value": None, "grads": [], "changed": []}
        value, given = np.array(result.data, dtype=float), np.array(g)
        if any(needs) and value.shape == given.shape and np.isfinite(value).all():
            for root in [result * factor for factor in factors] or [result]:
                parts.run_backward(root, given)
        left = zip([*names, "g"], [*(t.data for t in made), given], [*inputs, g], strict=True)
        return {
            "type": "MiniTensor", "value": value, "grads": [t.grad for t in made],
            "changed": [one for one, now, before in left if not np.array_equal(now, before)],
        }


# --- what the keys of the lesson demand ------------------------------------------------------------------------------


def with_either(ask, drive, *args, right=lambda value: False, raising=None, engines=None):
    """The Answer to a question put to a part of an engine: with the notebook's own engine, or with the course's.

    drive(answer, engine, *args); right(value): whether what it returned will do; raising: the exception that would; engines:
    two other Recipes to try. The one that counts is the one that was right, or else that with the course's engine; but the own
    one where no other could be answered at all.
    """
    name = ask.exercise.name
    first, second = engines or (engine_for(name, True), engine_for(name, False))
    own = ask.using(drive, first, *args)
    failure = own.reply.failure
    if right(own.value) if failure is None else raising in (failure.type, *failure.bases):
        return own
    said = ask.transcript.pop()
    course = ask.using(drive, second, *args)
    stopped = course.reply.failure
    if stopped is not None and (failure is None or stopped.type == "AttributeError" != failure.type):
        ask.transcript[-1] = said  # a notebook of another make asks the course's MiniTensor for what it does not have
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


def as_call(*parts):
    """A call of an operation as it travels."""
    return lambda: parts


def demand_operation(ask, call, truth, *, constant=(), settled=None, g=None, factors=(), **inputs):
    """An operation of the engine, or what is made of it: its value, and what arrives at each input when g arrives at it.

    call: how the answer is called, such as "mini_sum(t, 0)"; truth: the same of torch tensors; inputs: arrays by the names that
    call uses; constant: the names of those that require no gradient; settled(got, want): the wanted
    gradients where several will do, after what came; g: drawn at random where none is given; factors:
    the walk starts at the result times each of these, one walk after the other, and not at the result itself.
    """
    needs = [name not in constant for name in inputs]
    leaves = [torch.tensor(one, requires_grad=need) for one, need in zip(inputs.values(), needs, strict=True)]
    with torch.enable_grad():
        y = truth(*leaves)
    value, g = y.detach().numpy(), np.asarray(off_zero(ask.rng, tuple(y.shape)) if g is None else g)
    y.backward(torch.tensor(g) * (sum(factors) or 1.0))
    want = [None if leaf.grad is None else leaf.grad.numpy() for leaf in leaves]
    given = ", ".join(f"{name} = {words(one)}" for name, one in [*inputs.items(), ("g", g)])
    roots = f", walked back from {' and then from '.join(f'y * {one:g}' for one in factors)}" if factors else ""
    recipe = coded(
        as_call, ask.exercise.name, call, list(inputs), [one.tolist() for one in inputs.values()], needs, g.tolist(),
        list(factors), text=f"{call}{roots}, with {given}",
    )

    def brought(said):  # beside what was wanted
        got = said["grads"] if len(said["grads"]) == len(want) else [None] * len(want)
        return got, settled(got, want) if settled else want

    answer = with_either(ask, operation, recipe, right=lambda said: alike(said["value"], value) and alike(*brought(said)))
    if answer.reply.failure is not None:
        return answer.holds(False, "an answer")
    said = answer.value
    if said["type"] != "MiniTensor":
        made = "a MiniTensor, as MiniTensor.made gives it"
        return answer.holds(False, made, f"{call} is of type {said['type']}", Layer.TYPE)
    compare(answer, said["value"], value, f"the value of {call}")
    for name, got, right in zip(inputs, *brought(said), strict=True):
        compare(answer, got, right, f"the gradient of {name}")
    answer.holds(alike(said["value"], value) and alike(*brought(said)), "the value and every gradient")
    written = [name for name in inputs if name in said["changed"]]
    answer.holds(not written, "inputs as they were", f"the numbers of {' and '.join(written)} have changed", Layer.SIDE_EFFECT)
    if "g" in said["changed"]:
        ask.advise("Your vjp changes what arrives in place. Others may still need it: make a new array.")
    return answer


def too_early(ask):
    """Whether the parts before do not hold: then a part that builds on them waits, and what went wrong there is spoken of."""
    if ask.problems:
        ask.note(Layer.METHOD, (), "not asked yet", "the parts before first: this one builds on them")
    return bool(ask.problems)


def came_back(answer):
    """Whether there is an answer to look at; the exception that came in its place is noted."""
    answer.holds(True, "an answer")
    return answer.reply.failure is None


def array_of(value):
    """The numbers of an array that came back, in float64; an empty one for anything else."""
    return value.numbers.astype(float) if isinstance(value, Array) else np.array([])


def compare(answer, got, want, meaning, said="yours is"):
    """One array or number of an answer against the wanted one; None where no gradient shall arrive.

    said: how it came about.
    """
    if answer.broken:
        return
    if want is None:
        answer.holds(got is None, f"{meaning} stays None", f"{meaning} is {words_of(got)}")
    elif got is None:
        answer.holds(False, meaning, NO_GRADIENT, Layer.CONNECTED)
    elif not isinstance(got, Array) and number_of(got) is None:
        within = " that holds a MiniTensor" if "MiniTensor" in getattr(got, "text", "") else ""
        kind = f"of type {getattr(got, 'type', type(got).__name__)}{within}"
        answer.holds(False, f"{meaning} as an array of numbers", f"{meaning} is {kind}", Layer.TYPE)
    elif np.shape(getattr(got, "numbers", got)) != np.shape(want):
        shape = np.shape(getattr(got, "numbers", got))
        answer.holds(False, f"shape {np.shape(want)}", f"{meaning} has shape {shape}", Layer.SHAPE)
    else:
        answer.holds_value(got, np.asarray(want, dtype=float), meaning, said=said)


def words_of(got):
    """Something of an answer that should not be there, in words."""
    return words(got.numbers) if isinstance(got, Array) else show(got)
