"""Exercises K5c and K5d of lesson 10: an optimiser, and a while in which nothing is recorded."""

import contextlib

import numpy as np
import torch

from course_lib.judge import Layer, reports
from course_lib.keys import mini
from course_lib.keys.engine import alike, came_back, changed, compare, engine_for, lesson, with_either
from course_lib.keys.mini import MiniTensor, run_backward  # noqa: F401 (the walk is used with the mistakes)
from course_lib.keys.programs import off_zero
from course_lib.recipes import coded

# --- K5c -------------------------------------------------------------------------------------------------------------


def as_params(starts, slopes, skipped, as_generator):
    """The parameters of a run as they travel."""
    return lambda: (starts, slopes, skipped, as_generator)


@reports(data=list, grads=list)
def sgd_run(answer, engine, lr, steps, params):
    """optimiser = MiniSGD(params, lr), then .grad filled and optimiser.step(), so many times"""
    starts, slopes, skipped, as_generator = params()
    with engine(answer) as parts:
        params = [parts.MiniTensor(np.array(one), requires_grad=True) for one in starts]
        optimiser = answer((p for p in params) if as_generator else params, lr)
        data, grads = [], []
        for _ in range(steps):
            for i, (p, slope) in enumerate(zip(params, slopes, strict=True)):
                p.grad = None if i == skipped else np.array(slope) * p.data
            before = [None if p.grad is None else p.grad.copy() for p in params]
            optimiser.step()
            data.append([np.array(p.data, dtype=float) for p in params])
            for old, p in zip(before, params, strict=True):
                same = p.grad is old if old is None else p.grad is not None and np.array_equal(old, p.grad)
                grads.append("kept" if same else "changed" if np.any(np.asarray(p.grad, dtype=float) != 0) and p.grad is not None
                             else "cleared")
        return {"data": data, "grads": grads}


@reports(grads=list, data=list)
def gradients_cleared(answer, engine, lr, params):
    """optimiser = MiniSGD(params, lr), and optimiser.zero_grad() where one of the params has no .grad yet"""
    starts, _, skipped, _ = params()
    with engine(answer) as parts:
        params = [parts.MiniTensor(np.array(one), requires_grad=True) for one in starts]
        optimiser = answer(params, lr)
        for i, p in enumerate(params):
            p.grad = None if i == skipped else np.array(p.data) + 2.0
        optimiser.zero_grad()
        return {
            "grads": [p.grad is None or np.shape(p.grad) in ((), np.shape(p.data)) and bool(np.all(np.asarray(p.grad) == 0))
                      for p in params],
            "data": [np.array(p.data, dtype=float) for p in params],
        }


@lesson.exercise(
    number="K5c", title="An optimiser", kind="class", points=1, minutes=10, section="10a", rechecks=("sgd_step",),
    signature=": __init__(params, lr); step(); zero_grad()",
    hints=(
        "Model and optimiser hold the same parameters. What of a parameter may a step replace, if the model is to see it?",
        "A step is down the gradient: give p.data its new numbers, for every p that has a gradient. Nothing of p itself is "
        "replaced.",
        "Keep list(params) and lr in __init__. step: for each p whose .grad is not None, p.data less lr times p.grad. zero_grad: "
        "every .grad becomes None.",
    ),
)
def MiniSGD(ask):  # noqa: N802
    """p.data ← p.data − lr · p.grad, for all parameters."""

    def params_for(skipped=None, as_generator=False):
        """(starts, slopes, the Recipe of both)."""
        starts, slopes = ([off_zero(ask.rng, shape) for shape in ((2, 3), (4,), (3, 1))] for _ in range(2))
        told = "three parameters of shapes (2, 3), (4,) and (3, 1)" + (" as a generator" if as_generator else "")
        told += "" if skipped is None else f", number {skipped + 1} without .grad"
        return starts, slopes, coded(
            as_params, [one.tolist() for one in starts], [one.tolist() for one in slopes], skipped, as_generator, text=told)

    def demand(skipped=None, as_generator=False, steps=20):
        starts, slopes, recipe = params_for(skipped, as_generator)
        lr = round(ask.rng.uniform(0.03, 0.15), 3)
        want = _by_torch(starts, slopes, lr, steps, skipped)
        kept = ["kept"] * 3 * steps
        answer = with_either(
            ask, sgd_run, lr, steps, recipe, right=lambda said: alike(said["data"], want) and said["grads"] == kept)
        if not came_back(answer):
            return
        for step, (got, wanted) in enumerate(zip(answer.value["data"], want, strict=False), start=1):
            for number, (one, other) in enumerate(zip(got if isinstance(got, list) else [], wanted, strict=False), start=1):
                if not alike(one, other):
                    compare(answer, one, other, f"parameter {number} after step {step}")
                    break
            if not alike(got, wanted):
                break
        answer.holds(alike(answer.value["data"], want), "the numbers of all parameters")
        done = next((one for one in answer.value["grads"] if one in ("changed", "cleared")), "changed")
        answer.holds(answer.value["grads"] == kept, "step() leaves every .grad as it was", f"step() has {done} a .grad",
                     Layer.SIDE_EFFECT)

    with ask.part("20 steps like torch.optim.SGD", 2):
        demand()
        demand(steps=3)
    with ask.part("params may be a generator, and a parameter without .grad stays where it is"):
        demand(as_generator=True)
        demand(skipped=ask.rng.randrange(2), steps=2)
    with ask.part("zero_grad"):
        starts, _, recipe = params_for(skipped=1)
        answer = with_either(ask, gradients_cleared, 0.1, recipe,
                             right=lambda said: all(said["grads"]) and alike(said["data"], starts))
        if came_back(answer):
            answer.holds(alike(answer.value["data"], starts), "data as they were", "zero_grad() has changed the data of a "
                         "parameter", Layer.SIDE_EFFECT)
            answer.holds(all(answer.value["grads"]), "every .grad is None, or all zeros", "a .grad is still there", Layer.VALUE)


def _by_torch(starts, slopes, lr, steps, skipped):
    """The numbers of all parameters after each step of torch.optim.SGD."""
    params = [torch.tensor(one, requires_grad=True) for one in starts]
    optimiser, found = torch.optim.SGD(params, lr=lr), []
    for _ in range(steps):
        for i, (p, slope) in enumerate(zip(params, slopes, strict=True)):
            p.grad = None if i == skipped else torch.tensor(slope) * p.detach()
        optimiser.step()
        found.append([p.detach().numpy().copy() for p in params])
    return found


def _sgd(step=None, zero=None, keep=list):
    """A MiniSGD in which something is done in another way."""

    class MiniSGD:
        def __init__(self, params, lr):
            self.params, self.lr = keep(params), lr

        def step(self):
            for i, p in enumerate(self.params):
                if step is not None:
                    step(self, i, p)
                elif p.grad is not None:
                    p.data = p.data - self.lr * p.grad

        def zero_grad(self):
            for p in self.params:
                if zero is not None:
                    zero(p)
                else:
                    p.grad = None

    return MiniSGD


@MiniSGD.mistake("F4", fresh=True)
def up_the_hill():
    """Your step goes up the gradient, so the loss grows. Downhill is minus: p.data − lr · p.grad."""

    def step(self, i, p):
        if p.grad is not None:
            p.data = p.data + self.lr * p.grad

    return _sgd(step)


@MiniSGD.mistake("F5", fresh=True)
def another_object():
    """No parameter moves: you make a new one and give it the name p, or a place in your list, and the model holds the old one.
    Change p.data."""

    def step(self, i, p):
        if p.grad is not None:
            self.params[i] = MiniTensor(p.data - self.lr * p.grad, requires_grad=True)
            self.params[i].grad = p.grad

    return _sgd(step)


@MiniSGD.mistake("no-lr", fresh=True)
def whole_gradient():
    """You subtract the whole gradient. The step is lr times as long."""

    def step(self, i, p):
        if p.grad is not None:
            p.data = p.data - p.grad

    return _sgd(step)


@MiniSGD.mistake("no-gradient", fresh=True)
def none_not_skipped():
    """A parameter that took no part has no .grad, and your step computes with None. Skip it, as PyTorch does."""

    def step(self, i, p):
        p.data = p.data - self.lr * p.grad

    return _sgd(step)


@MiniSGD.mistake("no-gradient-inplace", fresh=True)
def none_not_skipped_in_place():
    """A parameter that took no part has no .grad, and your step multiplies None by lr. Skip it, as PyTorch does."""

    def step(self, i, p):
        p.data -= p.grad * self.lr

    return _sgd(step)


@MiniSGD.mistake("used-up", fresh=True)
def generator_kept():
    """Given a generator, only your first step moves anything: then the generator is used up. Keep list(params)."""
    return _sgd(keep=lambda params: params)


@MiniSGD.mistake("F2", fresh=True)
def cleared_in_step():
    """Your step clears the gradients as well. That is zero_grad's job: who wants to look at a gradient after the step finds
    none."""

    def step(self, i, p):
        if p.grad is not None:
            p.data = p.data - self.lr * p.grad
            p.grad = None

    return _sgd(step)


@MiniSGD.mistake("F1", fresh=True)
def nothing_cleared():
    """After your zero_grad the gradients are still there. The next walk would add to them: set every .grad to None."""
    return _sgd(zero=lambda p: None)


@MiniSGD.mistake("data-cleared", fresh=True)
def parameters_cleared():
    """Your zero_grad clears the numbers of the parameters, and all that was learned with them. It is .grad that has to go."""

    def zero(p):
        p.data = p.data * 0

    return _sgd(zero=zero)


@MiniSGD.mistake("none-filled", fresh=True)
def none_filled():
    """Before the first walk back .grad is None, and None has no fill. Set .grad to None, whatever it was."""
    return _sgd(zero=lambda p: p.grad.fill(0))


@MiniSGD.mistake("none-written", fresh=True)
def none_written_to():
    """Before the first walk back .grad is None, and nothing can be written into None. Set .grad to None, whatever it was."""

    def zero(p):
        p.grad[...] = 0

    return _sgd(zero=zero)


@MiniSGD.mistake("grows", fresh=True)
def momentum_kept():
    """Your steps grow: what was subtracted once is subtracted again. Plain SGD has no momentum and keeps nothing from step to
    step."""

    def step(self, i, p):
        if p.grad is not None:
            p.velocity = p.grad + getattr(p, "velocity", 0.0)
            p.data = p.data - self.lr * p.velocity

    return _sgd(step)


# --- K5d -------------------------------------------------------------------------------------------------------------


@reports(value=object, tracked=list, parents=int, after=bool)
def without_recording(answer, engine, a, b):
    """y = x + b and z = y + x inside `with mini_no_grad():`, and x + x after it, where x requires a gradient"""
    with engine(answer) as parts:
        x = parts.MiniTensor(np.array(a), requires_grad=True)
        with answer():
            y = x + parts.MiniTensor(np.array(b))
            z = y + x
        return {
            "value": np.array(z.data, dtype=float), "tracked": [bool(y.requires_grad), bool(z.requires_grad)],
            "parents": len(getattr(y, "parents", ())) + len(getattr(z, "parents", ())), "after": bool((x + x).requires_grad),
        }


@reports(came=bool, inside=bool, after=bool)
def with_an_exception(answer, engine, a):
    """x + x and then a KeyError inside `with mini_no_grad()`, and x + x after it"""
    with engine(answer) as parts:
        x, came, inside = parts.MiniTensor(np.array(a), requires_grad=True), False, []
        try:
            with answer():
                inside.append(x + x)
                raise KeyError("raised on purpose")
        except KeyError:
            came = True
        return {"came": came, "inside": bool(inside[0].requires_grad), "after": bool((x + x).requires_grad)}


@reports(inner=bool, between=bool, after=bool)
def nested(answer, engine, a):
    """one `with mini_no_grad():` inside another: x + x inside both, between the two ends, and after both"""
    with engine(answer) as parts:
        x = parts.MiniTensor(np.array(a), requires_grad=True)
        with answer():
            with answer():
                inner = x + x
            between = x + x
        return {
            "inner": bool(inner.requires_grad), "between": bool(between.requires_grad), "after": bool((x + x).requires_grad),
        }


@reports(usable=bool, tracked=bool, walks=bool)
def in_the_own_engine(answer, engine, a):
    """x + x inside `with mini_no_grad()`, with the MiniTensor of your notebook; and run_backward there, from an earlier x + x"""
    nothing = {"usable": False, "tracked": False, "walks": True}
    with engine(answer) as parts:
        try:
            x = parts.MiniTensor(np.array(a), requires_grad=True)
            before, other = x + x, x + x
            parts.run_backward(before, np.ones(np.shape(a)))
            if not (before.requires_grad and np.array_equal(x.grad, np.full(np.shape(a), 2.0))):
                return nothing
        except Exception:
            return nothing  # the engine itself is not ready
        with answer():
            inside = x + x
            parts.run_backward(other, np.ones(np.shape(a)))
        walks = x.grad is not None and np.array_equal(x.grad, np.full(np.shape(a), 4.0))
        return {"usable": True, "tracked": bool(inside.requires_grad), "walks": bool(walks)}


@lesson.exercise(
    number="K5d", title="A while without recording", points=2, minutes=10, section="10a", signature="()",
    rechecks=("sgd_step",),
    hints=(
        "Two places are concerned: who says that nothing is to be recorded, and who records? Go and see what K1 does with "
        "`recording` so far.",
        "Remember what MiniTensor.recording was, switch it off, let the block run, and put back what it was, whatever happened "
        "in the block. And MiniTensor.made keeps parents only while recording is True.",
        "A generator under @contextlib.contextmanager: before = …; switch off; try: yield; finally: put back `before`, not True. "
        "In made: kept is the tuple of the parents if MiniTensor.recording, and () if not.",
    ),
)
def mini_no_grad(ask):
    """A context manager in which results have no parents."""
    a, b = off_zero(ask.rng, (3,)), off_zero(ask.rng, (3,))
    with ask.part("nothing is recorded inside, and afterwards it is again", 3):
        def right(said):
            return alike(said["value"], 2 * a + b) and said["tracked"] == [False, False] and not said["parents"] and said["after"]

        answer = with_either(ask, without_recording, a.tolist(), b.tolist(), right=right)
        said = answer.value
        if came_back(answer):
            compare(answer, said["value"], 2 * a + b, "the value computed inside")
            answer.holds(said["tracked"] == [False, False], "results inside with requires_grad False",
                         "a result inside requires a gradient", Layer.VALUE)
            answer.holds(not said["parents"], "results inside without parents", "a result inside has parents", Layer.VALUE)
            answer.holds(said["after"], "results after the block that require a gradient again",
                         "after the block nothing is recorded", Layer.VALUE)
    with ask.part("also after an exception, which comes through"):
        answer = with_either(
            ask, with_an_exception, a.tolist(), right=lambda said: said["came"] and said["after"] and not said["inside"])
        if came_back(answer):
            answer.holds(not answer.value["inside"], "no recording inside", "a result inside requires a gradient", Layer.VALUE)
            answer.holds(answer.value["came"], "a KeyError that comes out of the block", "the KeyError was lost", Layer.VALUE)
            answer.holds(answer.value["after"], "recording again after the exception",
                         "after the exception nothing is recorded", Layer.VALUE)
    with ask.part("one inside another"):
        answer = with_either(ask, nested, a.tolist(), right=lambda said: said == {
            "inner": False, "between": False, "after": True})
        if came_back(answer):
            answer.holds(not answer.value["inner"], "no recording inside both",
                         "inside the inner block a result requires a gradient", Layer.VALUE)
            answer.holds(not answer.value["between"], "no recording until the outer block ends",
                         "between the ends of the two blocks a result requires a gradient", Layer.VALUE)
            answer.holds(answer.value["after"], "recording again after both", "after both blocks nothing is recorded",
                         Layer.VALUE)
    with ask.part("the engine of your notebook looks at it"):
        own = not ask.problems  # first things first: whether made looks matters once there is something to see
        answer = ask.using(in_the_own_engine, engine_for("mini_no_grad", own), a.tolist())
        if own and answer.reply.failure is None and not answer.value["usable"]:
            answer = ask.using(in_the_own_engine, engine_for("mini_no_grad", False), a.tolist())
        if came_back(answer):
            answer.holds(not answer.value["tracked"], "a result inside that requires no gradient, with your MiniTensor as well",
                         "your MiniTensor goes on recording", Layer.VALUE)
            answer.holds(answer.value["walks"], "run_backward inside brings the gradient of what was recorded before",
                         "inside, run_backward brings nothing", Layer.VALUE)


mini_no_grad.sort_lines(
    "before = MiniTensor.recording",
    "MiniTensor.recording = False",
    "try:",
    "    yield",
    "finally:",
    "    MiniTensor.recording = before",
    lures={"not-nested": "    MiniTensor.recording = True"},
)


@mini_no_grad.mistake("deaf", fresh=True)
def made_does_not_look():
    """mini_no_grad does its part. MiniTensor.made in K1 does not look at MiniTensor.recording yet: while it is False, made shall
    keep no parents."""

    def made(data, *parents):
        kept = tuple((t, vjp) for t, vjp in parents if t.requires_grad)
        result = tensor(data, requires_grad=bool(kept))
        result.parents = kept
        return result

    manager = changed("mini_no_grad", made=staticmethod(made))
    tensor = mini.names_of(manager)["MiniTensor"]
    return manager


@mini_no_grad.mistake("C12", fresh=True)
def walk_switched_off():
    """Inside the block your run_backward does nothing. What was recorded before may be walked back anywhere: only recording
    stops."""

    def walk(root, g=None):
        if names["MiniTensor"].recording:
            mini.run_backward(root, g)

    manager = changed("mini_no_grad", run_backward=walk)
    names = mini.names_of(manager)
    return manager


@mini_no_grad.mistake("nothing-off")
@contextlib.contextmanager
def nothing_switched_off():
    """Inside your block everything is recorded as before. `recording` belongs to the class: MiniTensor.recording = False, not a
    name of your own."""
    recording = False
    yield recording


@mini_no_grad.mistake("turned-round")
@contextlib.contextmanager
def on_inside_off_afterwards():
    """Yours is the wrong way round: recording is on inside the block and off afterwards."""
    MiniTensor.recording = True
    try:
        yield
    finally:
        MiniTensor.recording = False


@mini_no_grad.mistake("not-restored")
@contextlib.contextmanager
def never_switched_on():
    """After your block nothing is ever recorded again. Put back what MiniTensor.recording was."""
    MiniTensor.recording = False
    yield


@mini_no_grad.mistake("no-finally")
@contextlib.contextmanager
def no_way_out():
    """After an exception in the block recording stays off: what stands behind yield is never reached. Put it into finally."""
    before = MiniTensor.recording
    MiniTensor.recording = False
    yield
    MiniTensor.recording = before


@mini_no_grad.mistake("not-nested")
@contextlib.contextmanager
def always_on_afterwards():
    """The end of an inner block switches recording on, though the outer one still runs. Put back what it was before, not True."""
    MiniTensor.recording = False
    try:
        yield
    finally:
        MiniTensor.recording = True


@mini_no_grad.mistake("swallowed")
@contextlib.contextmanager
def exception_swallowed():
    """An exception in the block is lost, and the program goes on as if nothing had happened. Use finally without except, and it
    comes through."""
    before, MiniTensor.recording = MiniTensor.recording, False
    with contextlib.suppress(Exception):
        yield
    MiniTensor.recording = before


@mini_no_grad.mistake("no-manager")
def decorator_forgotten():
    """A generator alone does not work with `with`. Write @contextlib.contextmanager above it."""
    before, MiniTensor.recording = MiniTensor.recording, False
    try:
        yield
    finally:
        MiniTensor.recording = before


@mini_no_grad.mistake("not-returned")
def nothing_returned():
    """Your function returns None, and `with` needs a context manager: let it yield under @contextlib.contextmanager, or return an
    object with __enter__ and __exit__."""
    MiniTensor.recording = False
