"""Question an answer and say what came of it: judge(exercise, source) -> Verdict.

A key calls ask(...) and demands things of the Answer it gets. Where the answer lives is the source's business: in the
student's kernel (LocalSource) or behind the grader's wall. The key cannot tell the difference, and a student's failure
never stops it: every question is asked, then the most fundamental problem is the one to speak about.
"""

import contextlib
import inspect
import random

import numpy as np

from course_lib.diagnosis import diagnose, fingerprint_of, ratio_of
from course_lib.observe import Array, Driver, is_untouched, reply_of, reports
from course_lib.recipes import coded
from course_lib.values import number_of, show, unpacked
from course_lib.verdicts import CLOSE, SHARP, Check, Layer, Problem, Status, Tolerance, Verdict

# What keys and callers need comes from here, wherever it lives.
__all__ = [
    "CLOSE", "SHARP", "Answer", "Ask", "Check", "Layer", "LocalSource", "NoReply", "Problem", "Status", "Tolerance", "Verdict",
    "judge", "reports", "show",
]  # fmt: skip

SEVEN_DIGITS = (
    "The value is right to about seven digits. Was float32 used somewhere? torch.tensor(a) makes float32; write "
    "torch.tensor(a, dtype=torch.float64) where digits matter. A difference in place of a derivative loses digits, too."
)
WALKED_BACK = "walking back from what you returned gives"


class NoReply(Exception):
    """A source has no answer to give, now or to any further question."""

    def __init__(self, status, sentence=""):
        super().__init__(status, sentence)
        self.status, self.sentence = Status(status), sentence


class LocalSource:
    """An answer in this process: a function to call, or a value."""

    def __init__(self, answer):
        self.answer = answer
        self.printed = ""  # at the first question where anything was printed

    def begin_part(self):
        """Called before the questions of each part; behind the wall it brings a fresh copy of the answer."""

    def ask(self, args):
        reply = reply_of(self.answer, args)
        self.printed = self.printed or reply.printed
        return reply

    def is_untouched(self, given):
        return is_untouched(self.answer, given)


# --- asking ----------------------------------------------------------------------------------------------------------


class Ask:
    """What a key gets: ask(*args) puts a question and returns the Answer; `with ask.part(…)` groups what counts together.

    rng is a random.Random whose seed is public in check() and the instructor's secret in grade.
    """

    def __init__(self, exercise, source, rng, only_if_right=False):
        self.exercise, self.source, self.rng, self.only_if_right = exercise, source, rng, only_if_right
        self.problems, self.checks, self.transcript, self.advice = [], [], [], []
        self.pairs = []  # (got, want) of single numbers
        self.gradient_pairs = []  # the same of gradients by a Leaf
        self.telling = None  # the pairs that the first wrong value is one of: what a ratio has to be about
        self._part = None

    def __call__(self, *args):
        if self._part is None:
            raise RuntimeError(f"the key of {self.exercise.name} asks outside of a part")
        reply = self.source.ask(args)
        self.transcript.append((len(self.checks), args, reply))
        self._note_habits(reply)
        return Answer(self, reply, args)

    def using(self, drive, *args):
        """Put a question to an answer that is to be used, not called: drive(answer, *args) runs where the answer lives.

        drive: a function of the key that returns plain data. It travels as source, may use torch, nn, F, np and math
        only, its docstring says in words what is done, and @reports(…) the form of what it returns. A key may rely on
        that form: no other gets past the wire.
        """
        if not hasattr(drive, "report"):
            raise TypeError(f"{drive.__name__} does not say what it returns: put @reports(…) above it.")
        code = drive.__code__
        text = " ".join(inspect.getdoc(drive).split()).rstrip(".")
        return self(Driver(coded(drive), text, code.co_varnames[1 : code.co_argcount], drive.report), *args)

    @contextlib.contextmanager
    def part(self, title, weight=1):
        """Everything demanded inside must hold for the weight to count."""
        self._part, before = title, len(self.problems)
        self.source.begin_part()
        # Unusable: the key wanted a number to go on with and there was none; the problem is already noted.
        with contextlib.suppress(Unusable):
            yield
        self.checks.append(Check(title=title, weight=weight, passed=len(self.problems) == before))
        self._part = None

    def note(self, layer, args, got, wanted, failure=None, pairs=()):
        """A demand did not hold. The question is put into words only if this is the problem to speak about so far.

        pairs: (got, want) of the numbers that a wrong value stands among.
        """
        if layer is Layer.VALUE and self.telling is None:
            self.telling = pairs
        if self.only_if_right:
            raise NotRight
        question = self.describe(args) if all(layer < problem.layer for problem in self.problems) else ""
        self.problems.append(
            Problem(layer=layer, part=self._part, question=question, got=got, wanted=wanted, failure=failure)
        )

    def advise(self, sentence):
        if sentence not in self.advice:
            self.advice.append(sentence)

    def _note_habits(self, reply):
        if reply.global_change:
            self.advise(
                f"Your code changed the {reply.global_change} for everything that runs later; pass dtype=torch.float64 "
                "where you make a tensor instead."
            )

    def describe(self, args):
        names = self.exercise.parameters
        if args and isinstance(args[0], Driver):
            driver, *args = args
            named = ", ".join(f"{name} = {show(arg)}" for name, arg in zip(driver.parameters, args, strict=False))
            return f"{driver.text}: {named}" if named else driver.text
        return ", ".join(f"{name} = {show(arg)}" for name, arg in zip(names, args, strict=False))


class NotRight(Exception):
    """Something is wrong with an answer of which nothing more is wanted."""


class Unusable(Exception):
    """The key cannot go on with an answer that is not what it must be."""


class Answer:
    """What came back from one question. Every demand returns the answer, so demands can be chained."""

    def __init__(self, ask, reply, args):
        self.ask, self.reply, self.args = ask, reply, args
        self.broken = False  # a demand failed in a way that makes further ones pointless

    @property
    def value(self):
        return self.reply.value

    def number(self):
        """The answer as a float, for a key that computes with it; notes a problem and leaves the part if it is none."""
        self._demand_reply()
        if not self.broken:
            self._as_number(self.value)
        if self.broken:
            raise Unusable
        return number_of(self.value)

    def equals(self, want, meaning="the right value", tolerance=CLOSE):
        """Type, shape, finiteness and numbers: want is a float, an array, or a tuple of them (meaning too, then)."""
        self._demand_reply()
        if not self.broken:
            self._compare(self.value, want, meaning, tolerance)
        return self

    def is_tensor(self, dtype=None):
        """A tensor, of the dtype if one is given ("float64")."""
        self._demand_reply()
        if self.broken:
            return self
        if not isinstance(self.value, Array) or self.value.kind != "tensor":
            self._fail(Layer.TYPE, "a tensor")
        elif dtype and self.value.dtype != dtype:
            self._fail(Layer.DTYPE, f"{dtype}, the dtype of the input", f"you returned a tensor of {self.value.dtype}")
        return self

    def is_connected(self):
        """The answer is part of a graph: it can be differentiated further."""
        self._demand_reply()
        if not self.broken and not (isinstance(self.value, Array) and self.value.requires_grad):
            self._fail(Layer.CONNECTED, "a tensor that is still connected to its input (it has a grad_fn)")
        return self

    def is_detached(self, *indices):
        """The answer, or these entries of it, are no part of a graph."""
        self._demand_reply()
        if not self.broken:
            several = unpacked(self.value)
            if indices and not (isinstance(several, list | tuple) and len(several) > max(indices)):
                self._fail(Layer.TYPE, f"at least {max(indices) + 1} things, as a tuple or a list")
                return self
            parts = [several[i] for i in indices] if indices else [self.value]
            if any(isinstance(part, Array) and part.requires_grad for part in parts):
                self._fail(Layer.CONNECTED, "detached tensors, ready to plot: no grad_fn, requires_grad False")
        return self

    def gradient_equals(self, want, of=0, meaning="the gradient", tolerance=CLOSE):
        """The gradient of the answer by Leaf number `of`, the answer weighted with observe.weights(its shape)."""
        self._demand_reply()
        if self.broken:
            return self
        failure = self.reply.grad_failure
        if failure is not None:
            self.ask.note(
                Layer.CONNECTED, self.args, f"walking back raised {failure.type}: {failure.message}",
                "an answer that can be differentiated", failure,
            )
        elif self.reply.grads[of] is None:
            self._fail(Layer.CONNECTED, "an answer that is still connected to its input", "no way back to the input")
        else:
            self._compare(self.reply.grads[of], want, meaning, tolerance, WALKED_BACK)
        return self

    def warns_nothing(self, about=""):
        """No UserWarning was given, or none that contains this text."""
        self._demand_reply()
        told = [text for text in self.reply.warnings if about in text]
        if not self.broken and told:
            self._fail(Layer.METHOD, "an answer without this warning", f"PyTorch warned: {told[0].split('. ')[0]}")
        return self

    def leaves_inputs_alone(self):
        """The tensors handed in have the same numbers, flags and no .grad afterwards."""
        self._demand_reply()
        if self.broken:
            return self
        for what, indices in (("changed", self.reply.changed), ("left a .grad on", self.reply.left_grad)):
            if indices:
                names = " and ".join(self.ask.exercise.parameters[i] for i in indices)
                flag = " (its numbers, or its requires_grad flag)" if what == "changed" else ""
                self._fail(Layer.SIDE_EFFECT, f"{names} as it was handed in", f"your function {what} {names}{flag}")
        return self

    def differentiates(self):
        """f was called with a tensor that autograd followed."""
        self._demand_reply()
        if not self.broken and not self.reply.tracked:
            got = "f was called, but never with a tensor that autograd follows" if self.reply.calls else "f was never called"
            self._fail(Layer.METHOD, "the derivative by autograd, as the docstring asks", got)
        return self

    def calls_at_most(self, count, wanted):
        """f was called at most so often."""
        self._demand_reply()
        if not self.broken and self.reply.calls > count:
            self._fail(Layer.METHOD, wanted, f"f was called {self.reply.calls} times")
        return self

    def raises(self, error, because):
        """An exception of this type, such as "ValueError", or of a type derived from it must come."""
        failure = self.reply.failure
        if failure is None:
            returned = " that is raised, not returned" if _returned(self.value).startswith(f"you returned {error}") else ""
            self._fail(Layer.PROPERTY, f"a {error}{returned}, because {because}")
        elif error not in (failure.type, *failure.bases):
            self._demand_reply(f"a {error}, because {because}")
        return self

    def holds(self, condition, wanted, got=None, layer=Layer.PROPERTY):
        """Anything else that must be true; `wanted` says it in words."""
        self._demand_reply()
        if not self.broken and not condition:
            self._fail(layer, wanted, got)
        return self

    def holds_value(self, value, want, meaning, tolerance=CLOSE, said="you returned"):
        """What equals() demands, of a number or array that is inside of the answer; said: how it came about."""
        self._demand_reply()
        if not self.broken:
            self._compare(value, want, meaning, tolerance, said)
        return self

    # --- inside ------------------------------------------------------------------------------------------------------

    def _fail(self, layer, wanted, got=None, pairs=()):
        self.ask.note(layer, self.args, got or _returned(self.value), wanted, pairs=pairs)
        if layer <= Layer.SHAPE:
            self.broken = True

    def _demand_reply(self, wanted="an answer"):
        failure = self.reply.failure
        if failure is not None and not self.broken:
            self.ask.note(Layer.RAISED, self.args, f"{failure.type}: {failure.message}", wanted, failure)
            self.broken = True

    def _as_number(self, value, of=""):
        if number_of(value) is None:
            one = isinstance(value, Array) and value.numbers.size == 1 and value.numbers.shape
            wanted = f"a number{of}{_inside(value)}"
            if one:
                wanted = f"a single number{of}, not a tensor with one entry: index it or use .item()"
            self._fail(Layer.SHAPE if isinstance(value, Array) and value.numbers.shape else Layer.TYPE, wanted)

    def _compare(self, value, want, meaning, tolerance, said="you returned", of=""):
        """said: how the numbers came about; of: which one of several numbers this is."""
        if isinstance(want, tuple | list):
            value = unpacked(value)
            if not isinstance(value, tuple | list) or len(value) != len(want):
                counted = f"{_things(len(value))}{of}" if of and isinstance(value, tuple | list) else None
                self._fail(Layer.TYPE, f"{_things(len(want))}{of}, as a tuple or a list", counted)
                return
            meanings = meaning if isinstance(meaning, tuple) else (meaning,) * len(want)
            for got_one, want_one, meaning_one in zip(value, want, meanings, strict=True):
                if not self.broken:
                    self._compare(got_one, want_one, meaning_one, tolerance, said, f" for {meaning_one}")
        elif isinstance(want, dict):
            missing = ", ".join(key for key in want if not isinstance(value, dict) or key not in value)
            if missing:
                self._fail(Layer.TYPE, f"a dict with an entry for {missing}")
            for key, want_one in want.items():
                if not self.broken:
                    self._compare(value[key], want_one, f"{meaning} {key!r}", tolerance, said, f" for {meaning} {key!r}")
        elif isinstance(want, np.ndarray) and want.ndim:
            self._compare_arrays(value, want, meaning, tolerance, said)
        else:
            self._as_number(value, of)
            if not self.broken:
                self._compare_numbers(number_of(value), float(want), meaning, tolerance, said)

    def _compare_numbers(self, got, want, meaning, tolerance, said):
        if np.isnan(got) or np.isinf(got) and np.isfinite(want):
            self._fail(Layer.FINITE, "a finite number")
            return
        pairs = self.ask.gradient_pairs if said == WALKED_BACK else self.ask.pairs
        pairs.append((got, want))
        if not tolerance.accepts(got, want):
            self._fail(Layer.VALUE, _property(meaning, got, want, tolerance), f"{said} {show(got)}", pairs)
        elif not SHARP.accepts(got, want) and tolerance is CLOSE:
            self.ask.advise(SEVEN_DIGITS)

    def _compare_arrays(self, value, want, meaning, tolerance, said):
        if not isinstance(value, Array):
            self._fail(Layer.TYPE, f"a tensor of shape {want.shape}{_inside(value)}")
        elif value.numbers.shape != want.shape:
            self._fail(Layer.SHAPE, f"shape {want.shape}", f"shape {value.numbers.shape}")
        elif not np.isfinite(value.numbers).all() and np.isfinite(want).all():
            bad = np.argwhere(~np.isfinite(value.numbers))[0]
            got = f"{said} {show(float(value.numbers[tuple(bad)]))} at index [{', '.join(map(str, bad))}]"
            self._fail(Layer.FINITE, "only finite numbers", got)
        else:
            got = value.numbers.astype(float)
            gap = np.abs(got - want) / np.maximum(np.abs(want), tolerance.scale)
            if not (gap <= tolerance.rtol).all():
                worst = np.unravel_index(gap.argmax(), gap.shape)
                text = _property(meaning, float(got[worst]), float(want[worst]), tolerance)
                where = ", ".join(map(str, worst))
                pairs = list(zip(got.flat, want.flat, strict=True))
                self._fail(Layer.VALUE, text, f"{said} {show(float(got[worst]))} at index [{where}]", pairs)


def _property(meaning, got, want, tolerance):
    """What must hold, without saying the number."""
    if abs(want) <= tolerance.rtol * tolerance.scale:
        return f"{meaning} is 0 there"
    if got * want <= 0:
        return f"{meaning} is {'positive' if want > 0 else 'negative'} there"
    return f"{meaning} is {'larger' if want > got else 'smaller'} there"


def _things(count):
    return f"{count} thing{'s' * (count != 1)}"


def _inside(value):
    """What to do with a tuple of one, as torch.autograd.grad returns it."""
    one = isinstance(value, tuple) and len(value) == 1 and isinstance(value[0], Array)
    return ", not a tuple that holds one: take its entry [0]" if one else ""


def _returned(value):
    if value is None:
        return "your function returned None (is a return missing, or did you return a .grad that nothing has filled?)"
    return f"you returned {show(value)}"


# --- judging ---------------------------------------------------------------------------------------------------------


def judge(exercise, source, *, seed="public", only_if_right=False):
    """Ask everything the key asks and weigh it; the same seed asks the same questions.

    only_if_right: None for an answer as soon as something is wrong with it, without finding out what.
    """
    ask = Ask(exercise, source, random.Random(f"{seed}/{exercise.name}"), only_if_right)
    try:
        if source.is_untouched(exercise.given_source):
            return Verdict(exercise=exercise.name, status=Status.OPEN, score=0.0, max_score=exercise.points)
        exercise.key(ask)
    except NoReply as none:
        return Verdict(
            exercise=exercise.name, status=none.status, score=0.0, max_score=exercise.points,
            checks=tuple(ask.checks), sentence=none.sentence, advice=tuple(ask.advice),
        )
    except NotRight:
        return None
    return weigh(exercise, ask)


def weigh(exercise, ask):
    """The Verdict on what a key has seen."""
    if any(problem.layer in (Layer.RAISED, Layer.VALUE) for problem in ask.problems):  # other values are not right
        ask.advice = [sentence for sentence in ask.advice if sentence != SEVEN_DIGITS]
    total = sum(check.weight for check in ask.checks)
    share = sum(check.weight for check in ask.checks if check.passed) / total
    if not any(problem.layer is Layer.SIDE_EFFECT for problem in ask.problems):
        advise_on_side_effects(exercise, ask)
    about = {
        "exercise": exercise.name, "score": round(exercise.points * share, 4), "max_score": exercise.points,
        "checks": tuple(ask.checks), "advice": tuple(ask.advice),
    }
    if not ask.problems:
        return Verdict(status=Status.CORRECT, **about)
    problem = min(ask.problems, key=lambda problem: problem.layer)  # min keeps the first of equals
    found = diagnose(exercise, ask.transcript, problem.layer)
    if problem.layer is Layer.RAISED:
        status = Status.RAISED
    elif found:
        status = Status.MISCONCEPTION
    elif problem.layer <= Layer.DTYPE:
        status = Status.WRONG_TYPE
    else:
        status = Status.PARTIAL if share else Status.WRONG
    return Verdict(
        status=status, problem=problem, ratio=ratio_of(ask.telling) if problem.layer is Layer.VALUE else "",
        misconception=found.id if found else "", sentence=found.sentence if found else "",
        fingerprint=fingerprint_of(ask.transcript), **about,
    )


def advise_on_side_effects(exercise, ask):
    """Tell of changed inputs where the exercise does not ask for purity: the mark is right all the same."""
    for what, indices in (
        ("changes", {i for _, _, reply in ask.transcript for i in reply.changed}),
        ("leaves a .grad on", {i for _, _, reply in ask.transcript for i in reply.left_grad}),
    ):
        if indices:
            names = " and ".join(exercise.parameters[i] for i in sorted(indices))
            ask.advise(f"Your function {what} {names}, which belongs to the caller; work on {names}.detach().clone().")
