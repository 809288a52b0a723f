"""What the twelve cases of lesson 08 share: the lesson, how a fault is named and how a student's own test is tested.

Each case has three exercises: fix_… mends given code, fault_… names the wrong idea by its id, probe_…(candidate) is the
student's own test. A probe meets right versions, on which it must stay silent, and broken ones, on which it must raise
AssertionError. Versions travel as source, with the probe's questions only.
"""

import inspect

import numpy as np

from course_lib.exercise import Lesson
from course_lib.judge import Layer, reports
from course_lib.keys import quiz_08
from course_lib.keys.lines import labels_of, only_word
from course_lib.recipes import coded

lesson = Lesson("08", "Gradient debugging", quiz_08)

# What a student chooses from: the table stands in the notebooks too.
CATALOGUE = {
    "B5": "torch.tensor([…]) is a computation",
    "B6": "a copy with requires_grad=True stays connected",
    "B7": ".item(), float() and NumPy keep the graph",
    "B8": "every tensor on the way keeps a .grad",
    "B10": "a leaf stays a leaf when it is cast or scaled",
    "B12": "editing .data is as safe as detach",
    "B20": "layers in a plain list, and tensors as attributes, are trained",
    "C1": "backward overwrites .grad",
    "C4": "retain_graph=True cures “backward a second time”",
    "D3": "backward of the sum always gives each row its own gradient",
    "E4": "softmax may run over any dim",
    "E5": "cross_entropy takes probabilities",
    "E6": "log of softmax is as safe as log_softmax",
    "E9": "(N, 1) minus (N,) is a difference entry by entry",
    "E10": "where() protects the gradient as well as the value",
    "E11": "the root of a sum of squares has a gradient everywhere, 0 included",
    "F1": "forgetting zero_grad makes the loss explode, so one would notice",
    "F5": "w = w - lr * w.grad updates the parameter",
    "F20": "the loss went down, so the gradient is right",
}


def _named(about, name, doc):
    about.__name__, about.__doc__ = name, doc
    return about


def numbers(rng, *shape, most=2.0):
    """Distinct numbers of both signs with two digits, none of them near 0."""
    count = int(np.prod(shape))
    sizes = rng.sample(range(20, int(100 * most)), count)
    return np.array([rng.choice((-1, 1)) * size / 100 for size in sizes]).reshape(shape)


# --- naming the fault ------------------------------------------------------------------------------------------------


def fault(number, name, title, right, wrong, hints, minutes=2):
    """The exercise fault_<name>: one id (any of `right`); wrong: {id: why it is not that}."""

    def key(ask):
        with ask.part("the idea behind the fault", 1):
            answer = ask()
            several = labels_of(answer.value)
            said = right[0] if several and set(several) <= set(right) else only_word(answer.value)
            known = isinstance(said, str) and said in CATALOGUE
            answer.holds(known, f"one id of the table as text, such as \"{next(iter(CATALOGUE))}\"", layer=Layer.TYPE)
            if known:
                answer.holds(said in right, "this code shows another idea", f"you said {said}: {CATALOGUE[said]}",
                             layer=Layer.VALUE)

    exercise = lesson.exercise(
        number=number, title=title, signature="str", kind="choice", points=1, minutes=minutes, section="08e", hints=hints
    )(_named(key, f"fault_{name}", f"The idea behind the fault: {' or '.join(right)}."))
    for id, sentence in wrong.items():
        exercise.wrong_value(id, id, sentence)
    return exercise


# --- testing a test --------------------------------------------------------------------------------------------------


@reports(str)
def probed(probe, candidate):
    """your probe is called with one version"""
    try:
        probe(candidate)
    except AssertionError:
        return "AssertionError"
    except Exception as error:
        return type(error).__name__ + ": " + str(error)[:160]
    return "silent"


def probe(number, name, title, right, handed, broken, hints, minutes=5):
    """The exercise probe_<name>. right, broken: functions; handed: the broken one that resembles the given code."""
    texts = {run.__name__: f"a right version ({inspect.getdoc(run).rstrip('.')})" for run in right}
    texts |= {run.__name__: f"a broken version ({inspect.getdoc(run).rstrip('.')})" for run in (handed, *broken)}

    def meet(ask, run, wanted):
        answer = ask.using(probed, coded(run, text=texts[run.__name__]))
        said = answer.value if isinstance(answer.value, str) else "silent"
        got = {"silent": "your probe is silent", "AssertionError": "your probe raises AssertionError"}.get(
            said, f"your probe stops with {said}")
        due = "right: it must stay silent" if wanted == "silent" else "broken: it must raise AssertionError"
        answer.holds(said == wanted, f"this version is {due}", got, layer=Layer.VALUE)

    def key(ask):
        for title, faulty in (("silent on right versions, alarm on the fault of this case", (handed,)),
                              ("silent on right versions, alarm on its relatives", broken)):
            with ask.part(title, 1):
                for run in right:
                    meet(ask, run, "silent")
                for run in faulty:
                    meet(ask, run, "AssertionError")

    key.__module__ = handed.__module__  # where its mistakes are
    exercise = lesson.exercise(
        number=number, title=title, signature="(candidate) -> None", points=1, minutes=minutes, section="08e", hints=hints
    )(_named(key, f"probe_{name}", "Silent on right versions, AssertionError on broken ones."))
    _common_mistakes(exercise)
    return exercise


def outcomes(transcript):
    """[(name of the version, what the probe did)], as many as were asked."""
    return [(args[1].data[1], reply.value.split(":")[0] if isinstance(reply.value, str) else "") for _, args, reply in transcript]


def _on_right_ones(transcript):
    """All that the probe did on right versions."""
    return {said for name, said in outcomes(transcript) if "_right_" in name}


def _strict(transcript):
    """No broken version gets through, and of the right ones some do and some do not."""
    broken = {said for name, said in outcomes(transcript) if "_right_" not in name}
    return _on_right_ones(transcript) == {"silent", "AssertionError"} and "silent" not in broken


def too_strict(exercise):
    """Decorator: a probe that fails a right version because it rounds, names or writes something in another way."""

    def add(function):
        function.__doc__ = """Your probe fails one right version and passes another, so it asks for more than the docstring
        promises. Floats are compared with a tolerance, never with ==; names and ways of writing are free."""
        return exercise.mistake("too-strict", recognise=_strict)(function)

    return add


def _all_are(word):
    return lambda transcript: {said for _, said in outcomes(transcript)} == {word}


def _others(transcript):
    """The first version on which the probe did not do what it should made it crash: a verdict speaks about that one."""
    unasked = (said for name, said in outcomes(transcript) if said != ("silent" if "_right_" in name else "AssertionError"))
    return next(unasked, "silent") not in ("silent", "AssertionError")


def _common_mistakes(exercise):
    @exercise.mistake("passes-all", recognise=_all_are("silent"))
    def nothing_is_asserted(candidate):
        """Your probe is silent on every version, also on the broken ones: it asserts nothing (what it returns is not looked at),
        or at the point you chose a broken version does what a right one does."""
        return candidate

    @exercise.mistake("fails-all", recognise=lambda transcript: _on_right_ones(transcript) == {"AssertionError"})
    def nothing_is_right(candidate):
        """Your probe raises AssertionError also on every right version: what you assert is not what the docstring promises, or
        floats are compared with ==. Run it on your own mended version first."""
        raise AssertionError

    @exercise.mistake("other-exception", recognise=_others)
    def it_crashes(candidate):
        """Your probe stopped with another exception than AssertionError. That is a crash of the test and says nothing about
        the version: assert first that you got what you go on to use."""
        raise ValueError("crash")
