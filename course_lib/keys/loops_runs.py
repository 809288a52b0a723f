"""Exercises 7.8 and 7.9 of lesson 07: whole training runs, judged by what they leave behind."""

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from course_lib.judge import Answer, Layer, reports
from course_lib.keys.lines import labels_in_any_order
from course_lib.keys.loops import lesson
from course_lib.values import number_of, unpacked

# --- 7.8 -------------------------------------------------------------------------------------------------------------

CHANCE, TRAIN_ROWS, MOST_STEPS = float(np.log(10)), 1437, 200
NOT_THE_TEST_ROWS = {1437, 359, 1438}  # the training rows, and both parts if the split begins at another row
DIGIT_SEEDS = tuple(range(12))  # a few, so that a run can be remembered; the reference passes with every one


@reports(result=object, modules=int, eval=bool, tested=[int], no_grad=bool)
def trained(train_digits, seed):
    """Your function runs"""
    calls, inside, tested, call = [], [], [], nn.Module.__call__

    def noted(self, *args, **kwargs):
        calls.append((self.training, torch.is_grad_enabled()))
        if not inside and not self.training and isinstance(args[0] if args else None, torch.Tensor):
            tested.append(len(args[0]))
        inside.append(self)
        try:
            return call(self, *args, **kwargs)
        finally:
            inside.pop()

    nn.Module.__call__ = noted
    try:
        result = train_digits(seed)
    finally:
        nn.Module.__call__ = call
    return {
        "result": result, "modules": len(calls), "eval": any(not training for training, _ in calls), "tested": tested,
        "no_grad": any(not grad for training, grad in calls if not training),
    }


@lesson.exercise(
    number="7.8", title="Train on real digits", signature="(seed: int) -> dict", points=3, minutes=20, section="07g",
    hints=(
        "Which of the five steps need the training rows, and which rows must the model never see before the end?",
        "Full batch, torch.optim.Adam with lr=0.01, 200 steps. cross_entropy takes the logits as they are. Measure the accuracy "
        "in eval() and under no_grad().",
        "The gradient norms are those of the two weight matrices after the first backward: model[0].weight.grad.norm().item(), "
        "and the same of the last layer. losses.append(loss.item()) before each step; losses[0] is the initial loss.",
    ),
)
def train_digits(ask):
    """A network 64 → 32 → 10 on the digits: initial loss, losses, accuracy on the test rows, gradient norms."""
    seeds = ask.rng.sample(DIGIT_SEEDS, 3)
    answers = []
    with ask.part("it starts near ln 10 and ends below 0.35, from three seeds", 4):
        for seed in seeds:
            answers.append(ask.using(trained, seed))
            _learns(answers[-1])
        losses = [run["losses"] for run in map(_result, answers) if run is not None]
        if len(losses) == 3:
            answers[-1].holds(losses[0] != losses[1] != losses[2], "another seed, another run: the seed must be used",
                              "two seeds gave the same losses", layer=Layer.VALUE)  # fmt: skip
    with ask.part("at least 94 % of the test rows, measured in eval() and under no_grad()", 2):
        _generalises(ask.using(trained, seeds[0]))


KEYS = ("initial_loss", "losses", "test_accuracy", "layer_grad_norms")


def _result(answer):
    """The returned dict with plain numbers, or None if it is no such dict."""
    value = answer.value["result"] if isinstance(answer.value, dict) else None
    if not isinstance(value, dict) or not set(KEYS) <= value.keys():
        return None
    many = [unpacked(value[key]) for key in ("losses", "layer_grad_norms")]
    if not all(isinstance(one, list | tuple) and one and all(number_of(x) is not None for x in one) for one in many):
        return None
    single = [number_of(value[key]) for key in ("initial_loss", "test_accuracy")]
    if None in single:
        return None
    return {"initial_loss": single[0], "losses": [number_of(x) for x in many[0]], "test_accuracy": single[1],
            "layer_grad_norms": [number_of(x) for x in many[1]],
            "tracked": any(getattr(x, "requires_grad", False) for x in many[0])}  # fmt: skip


def _learns(answer):
    answer.holds(isinstance(answer.value, dict) and answer.value.get("result") is not None, "a dict", layer=Layer.TYPE)
    run = _result(answer)
    answer.holds(run is not None, f"a dict with the entries {', '.join(KEYS)}: two numbers and two lists of numbers",
                 layer=Layer.TYPE)  # fmt: skip
    if run is None:
        return
    losses = run["losses"]
    answer.holds(abs(run["initial_loss"] / CHANCE - 1) < 0.1, "an initial loss within a tenth of ln 10",
                 f"initial_loss is {run['initial_loss']:.4g}", layer=Layer.VALUE)  # fmt: skip
    answer.holds(1 < len(losses) <= MOST_STEPS, f"one loss for each of at most {MOST_STEPS} steps",
                 f"there are {len(losses)} losses", layer=Layer.VALUE)  # fmt: skip
    answer.holds(abs(losses[0] - run["initial_loss"]) < 1e-3 * CHANCE, "losses[0] is the initial loss, before any update",
                 f"losses[0] is {losses[0]:.4g}, initial_loss {run['initial_loss']:.4g}", layer=Layer.VALUE)  # fmt: skip
    answer.holds(losses[-1] < 0.35, "a last loss below the bound above", f"the last loss is {losses[-1]:.4g}", layer=Layer.VALUE)
    answer.holds(not run["tracked"], "losses as plain numbers", "the losses are tensors with a graph", layer=Layer.VALUE)
    norms = run["layer_grad_norms"]
    answer.holds(len(norms) == 2 and all(0 < norm < np.inf for norm in norms), "two gradient norms, both above 0",
                 f"layer_grad_norms is {norms}", layer=Layer.VALUE)  # fmt: skip


def _generalises(answer):
    _learns(answer)
    run = _result(answer)
    if run is None:
        return
    answer.holds(0.94 <= run["test_accuracy"] <= 1, "a fraction, and at least 94 % of the test rows right",
                 f"test_accuracy is {run['test_accuracy']:.4g}", layer=Layer.VALUE)  # fmt: skip
    said = answer.value
    rows = set(said["tested"])
    answer.holds(not rows or not rows <= NOT_THE_TEST_ROWS, "the 360 test rows, 0, 5, 10, …, go through the model in eval mode",
                 f"what went through it were {' and '.join(map(str, sorted(rows)))} rows", layer=Layer.VALUE)  # fmt: skip
    answer.holds(said["modules"] == 0 or said["eval"], "the test rows go through the model after model.eval()",
                 "the model was never used in eval mode", layer=Layer.METHOD)  # fmt: skip
    answer.holds(said["modules"] == 0 or not said["eval"] or said["no_grad"], "the test rows go through it under torch.no_grad()",
                 "the model was evaluated with the graph switched on", layer=Layer.METHOD)  # fmt: skip


def _digits_run(seed, loss_of=None, learning=True, sign=1, init=None, percent=False, keep=False, steps=MOST_STEPS,
                measure_training=False):
    """A run of the network with one thing wrong."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    X, y = torch.tensor(digits.data / 16, dtype=torch.float32), torch.tensor(digits.target)
    held = torch.arange(len(X)) % 5 == 0
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = torch.nn.Sequential(torch.nn.Linear(64, 32), torch.nn.ReLU(), torch.nn.Linear(32, 10))
    if init is not None:
        for parameter in model.parameters():
            torch.nn.init.constant_(parameter, init)
    optimiser = torch.optim.Adam(model.parameters(), lr=0.01, maximize=sign < 0)
    losses, norms = [], []
    for _ in range(steps):
        optimiser.zero_grad()
        loss = (loss_of or torch.nn.functional.cross_entropy)(model(X[~held]), y[~held])
        loss.backward()
        norms = norms or [model[k].weight.grad.norm().item() for k in (0, 2)]
        losses.append(loss if keep else loss.item())
        if not learning:
            optimiser.zero_grad()
        optimiser.step()
    model.eval()
    rows = ~held if measure_training else held
    with torch.no_grad():
        right = model(X[rows]).argmax(1) == y[rows]
    accuracy = right.float().mean().item() * (100 if percent else 1)
    return {"initial_loss": float(losses[0]), "losses": losses, "test_accuracy": accuracy, "layer_grad_norms": norms}


def _runs(test):
    """Recognises a run of whose results, all of them, this test is true."""

    def recognise(transcript):
        runs = [_result(Answer(None, reply, args)) for _, args, reply in transcript if not reply.failure]
        return len(runs) == len(transcript) and all(run is not None and test(run) for run in runs)

    return recognise


def _starts_by_chance(run):
    return abs(run["initial_loss"] / CHANCE - 1) < 0.1


@train_digits.mistake("E5", recognise=_runs(
    lambda run: _starts_by_chance(run) and 1.461 < min(run["losses"]) and run["losses"][-1] < 2.2
    and run["losses"][0] - run["losses"][-1] > 0.05 and 1e-4 < min(run["layer_grad_norms"])
    and max(run["layer_grad_norms"]) < 0.05))  # the second softmax makes the first gradients ten times smaller
def softmax_twice(seed):
    """Your loss starts at ln 10 and cannot get below 1.46: that is the floor when cross_entropy is given probabilities. It wants
    the logits."""
    return _digits_run(seed, lambda z, y: torch.nn.functional.cross_entropy(torch.softmax(z, 1), y))


@train_digits.mistake("E4", recognise=_runs(lambda run: abs(run["initial_loss"] / np.log(TRAIN_ROWS) - 1) < 0.05))
def softmax_down_the_batch(seed):
    """Your initial loss is the logarithm of the number of rows, not of the classes: the softmax runs down the batch (dim=0)
    instead of across the classes."""
    return _digits_run(seed, lambda z, y: torch.nn.functional.nll_loss(torch.log_softmax(z, 0), y), steps=20)


@train_digits.mistake("F14", recognise=_runs(lambda run: abs(run["initial_loss"] - CHANCE) < 2e-6 and run["losses"][-1] > 0.35))
def equal_weights(seed):
    """Your initial loss is ln 10 to the last digit: all weights start equal, so all hidden units are one and the same unit for
    ever."""
    return _digits_run(seed, init=0.05, steps=40)


@train_digits.mistake("F13", recognise=_runs(lambda run: run["tracked"]))
def losses_with_their_graphs(seed):
    """You keep the loss tensors, and with each its whole graph. Keep loss.item()."""
    return _digits_run(seed, keep=True, steps=60)


@train_digits.mistake("F8", recognise=_runs(lambda run: abs(run["initial_loss"] / (TRAIN_ROWS * CHANCE) - 1) < 0.1))
def summed_over_rows(seed):
    """Your loss is the sum over all training rows. cross_entropy takes the mean, and a mean starts near ln 10."""
    return _digits_run(seed, lambda z, y: torch.nn.functional.cross_entropy(z, y, reduction="sum"), steps=20)


@train_digits.mistake("F2", recognise=_runs(lambda run: _starts_by_chance(run) and np.ptp(run["losses"]) < 1e-7))
def nothing_moves(seed):
    """All your losses are equal: no step moves anything. Either the gradients are cleared between backward and step, or there
    is no step."""
    return _digits_run(seed, learning=False, steps=20)


@train_digits.mistake("F4", recognise=_runs(lambda run: run["losses"][-1] > 1.5 * run["losses"][0]))
def climbs_the_loss(seed):
    """The loss grows: you go uphill, or with a learning rate that is far too large."""
    return _digits_run(seed, sign=-1, steps=60)


def _other_rows_tested(transcript):
    value = transcript[-1][2].value
    rows = set(value["tested"]) if isinstance(value, dict) else set()
    return bool(rows) and rows <= NOT_THE_TEST_ROWS


@train_digits.mistake("training-rows", recognise=_other_rows_tested)
def accuracy_on_other_rows(seed):
    """The accuracy is not that of the test rows: look at how many rows you test with. Test rows are 0, 5, 10, …, 360 of them, and
    the model must not have been trained with them."""
    return _digits_run(seed, measure_training=True)


@train_digits.mistake("percent", recognise=_runs(lambda run: 2 < run["test_accuracy"] <= 100))
def accuracy_in_percent(seed):
    """The accuracy is in percent. The docstring asks for a fraction, between 0 and 1."""
    return _digits_run(seed, percent=True)


# --- 7.9 -------------------------------------------------------------------------------------------------------------

FAULTS = {
    "A": "cross_entropy is given logits instead of probabilities",
    "B": "all weights start equal, so the hidden units never become different",
    "C": "the loss is a mean and should be a sum",
    "D": "the gradients are cleared between backward and the step",
    "E": "the parameters must be updated under no_grad, and step() is not",
    "F": "the losses are kept as tensors, each with its graph",
    "G": "tanh lets no gradient through",
}
BOUND = 0.2  # a network whose units are all equal cannot get below 0.4 here: see the test


def corners(rng):
    """(X, y): four little clouds, in two corners class 0 and in the two others class 1, as in XOR."""
    centres = [(-1, -1, 0), (1, 1, 0), (-1, 1, 1), (1, -1, 1)]
    rows = [(u + rng.gauss(0, 0.15), v + rng.gauss(0, 0.15), label) for u, v, label in centres * 12]
    rng.shuffle(rows)
    table = np.array(rows)
    return table[:, :2], table[:, 2].astype(np.int64)


@reports(losses=object, piled=bool, empty=bool)
def watched(run, X, y, steps):
    """your function trains, and .grad is looked at"""
    made, piled, empty, make, walk = [], [], [], torch.optim.Optimizer.__init__, torch.Tensor.backward

    def gradients():
        return [p.grad for optimiser in made for group in optimiser.param_groups for p in group["params"]]

    def noted_make(self, *args, **kwargs):
        make(self, *args, **kwargs)
        made.append(self)
        self.register_step_pre_hook(lambda *_: empty.append(all(gradient is None for gradient in gradients())))

    def noted_walk(self, *args, **kwargs):
        piled.append(any(gradient is not None and bool(gradient.any()) for gradient in gradients()))
        return walk(self, *args, **kwargs)

    torch.optim.Optimizer.__init__, torch.Tensor.backward = noted_make, noted_walk
    try:
        losses = run(X, y, steps)
    finally:
        torch.optim.Optimizer.__init__, torch.Tensor.backward = make, walk
    return {"losses": losses, "piled": any(piled), "empty": any(empty)}


@lesson.exercise(
    number="7.9a", title="Fix me: a script that runs and does not train",
    signature="(X: Tensor[N, n], y: LongTensor[N], steps: int) -> list[float]", points=2, minutes=10, section="07g",
    hints=(
        "Run it for 3 steps and print a weight before and after. Does it move? Then print two rows of the first weight matrix.",
        "Three faults: one in how the weights start, one in the order of the calls, one in what is kept. None of them raises.",
        "PyTorch's own initialisation is fine as it is. Clear before backward, not after it. A list of numbers needs .item().",
    ),
)
def fix_training_script(ask):
    """The losses of a small network on data that one hidden unit cannot separate."""
    X, y = corners(ask.rng)
    with ask.part("the loss falls", 2):
        answer = ask.using(watched, X, y, 300)
        _falls(answer)
        answer.holds(not _seen(answer, "piled"), "a new gradient in every step", "the gradients of earlier steps lie in .grad "
                     "when backward adds the next", layer=Layer.VALUE)  # fmt: skip
    with ask.part("the losses are plain numbers", 1):
        answer = ask.using(watched, X, y, 40)
        _falls(answer)
        answer.holds(not _tracked(answer), "numbers", "your losses are tensors, each with its graph", layer=Layer.VALUE)
    with ask.part("the hidden units become different: a last loss below 0.2", 2):
        answer = ask.using(watched, X, y, 300)
        _falls(answer)
        last = _losses(answer)[-1:]
        answer.holds(bool(last) and last[0] < BOUND, "a last loss that only different hidden units reach",
                     f"the last loss is {last[0]:.3g}" if last else None, layer=Layer.VALUE)  # fmt: skip


def _seen(answer, what):
    """What the driver saw under this name, or None."""
    return answer.value.get(what) if isinstance(answer.value, dict) else None


def _kept(answer):
    value = unpacked(_seen(answer, "losses"))
    return value if isinstance(value, list | tuple) else ()


def _tracked(answer):
    return any(getattr(one, "requires_grad", False) for one in _kept(answer))


def _losses(answer):
    numbers = [number_of(one) for one in _kept(answer)]
    return [] if None in numbers else numbers


def _falls(answer):
    losses, steps = _losses(answer), answer.args[-1]
    answer.holds(len(losses) == steps, "a list of one loss for each step", layer=Layer.TYPE)
    if len(losses) == steps:
        falls = np.isfinite(losses).all() and 0.4 < losses[0] < 5 and 0 <= losses[-1] < 0.995 * losses[0]
        answer.holds(falls, "losses that begin near ln 2 (or a few times that) and fall",
                     f"they go from {losses[0]:.3g} to {losses[-1]:.3g}", layer=Layer.VALUE)  # fmt: skip


@fix_training_script.broken
def script_with_three_faults(X, y, steps):
    model = nn.Sequential(nn.Linear(X.shape[1], 16), nn.Tanh(), nn.Linear(16, 2)).to(X.dtype)
    for parameter in model.parameters():
        nn.init.constant_(parameter, 0.5)
    optimiser = torch.optim.Adam(model.parameters(), lr=0.05)
    losses = []
    for _ in range(steps):
        loss = F.cross_entropy(model(X), y)
        loss.backward()
        optimiser.zero_grad()
        optimiser.step()
        losses.append(loss)
    return losses


def _script(X, y, steps, equal=None, stuck=False, tensors=False, clear=True, loss_of=torch.nn.functional.cross_entropy):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = torch.nn.Sequential(torch.nn.Linear(X.shape[1], 16), torch.nn.Tanh(), torch.nn.Linear(16, 2)).to(X.dtype)
    if equal is not None:
        for parameter in model.parameters():
            torch.nn.init.constant_(parameter, equal)
    optimiser = torch.optim.Adam(model.parameters(), lr=0.05)
    losses = []
    for _ in range(steps):
        if clear:
            optimiser.zero_grad()
        loss = loss_of(model(X), y)
        loss.backward()
        if stuck:
            optimiser.zero_grad()
        optimiser.step()
        losses.append(loss if tensors else loss.item())
    return losses


def _scripts(test, piled=False, empty=False):
    """Recognises scripts by what they return, test(losses, are they tensors with a graph) for every question, and by .grad."""

    def recognise(transcript):
        seen = []
        for _, args, reply in transcript:
            answer = Answer(None, reply, args)
            losses = _losses(answer)
            if reply.failure or not losses or (_seen(answer, "piled"), _seen(answer, "empty")) != (piled, empty):
                return False
            seen.append((losses, _tracked(answer)))
        return all(test(*one) for one in seen)

    return recognise


def _flat(losses):
    return np.isfinite(losses).all() and np.ptp(losses) < 1e-9


@fix_training_script.mistake("F2", recognise=_scripts(lambda losses, tracked: _flat(losses), empty=True))
def still_stuck(X, y, steps):
    """All losses are equal: the gradients are still cleared between backward and step, so nothing moves."""
    return _script(X, y, steps, stuck=True)


def _guesses(losses):
    """Whether every loss is that of guessing between two classes."""
    return np.abs(np.array(losses) - np.log(2)).max() < 0.01


@fix_training_script.mistake("F14-zero", recognise=_scripts(lambda losses, tracked: not tracked and _guesses(losses)))
def all_weights_zero(X, y, steps):
    """The losses stay at ln 2, which is guessing. Where all weights are 0, so is every hidden unit, and every slope on the way
    back to the weights. Let PyTorch draw them."""
    return _script(X, y, steps, equal=0.0)


@fix_training_script.mistake("F1", recognise=_scripts(lambda losses, tracked: True, piled=True))
def never_cleared(X, y, steps):
    """It trains, and every step uses the sum of all gradients so far: now nothing clears them. zero_grad was in the wrong place,
    not superfluous."""
    return _script(X, y, steps, clear=False)


@fix_training_script.mistake("F14", recognise=_scripts(
    lambda losses, tracked: not tracked and not _guesses(losses) and (len(losses) < 100 or losses[-1] > 0.4)))
def units_still_equal(X, y, steps):
    """It learns and then stops halfway: all weights still start equal, so all hidden units are one. Let PyTorch draw them."""
    return _script(X, y, steps, equal=0.5)


FLOOR = float(np.log(1 + np.exp(-1)))  # of cross_entropy that is given probabilities of two classes, 0.313


def _stops_at_the_floor(losses):
    return min(losses) > FLOOR - 1e-6 and (len(losses) < 100 or losses[-1] < FLOOR + 0.002)


@fix_training_script.mistake("E5", recognise=_scripts(lambda losses, tracked: not tracked and _stops_at_the_floor(losses)))
def softmax_before_the_loss(X, y, steps):
    """Your loss falls and cannot get below 0.313: that is the floor for two classes when cross_entropy is given probabilities. It
    wants the logits."""
    return _script(X, y, steps, loss_of=lambda z, y: torch.nn.functional.cross_entropy(torch.softmax(z, 1), y))


@fix_training_script.mistake("F13", recognise=_scripts(
    lambda losses, tracked: tracked and (len(losses) < 100 or losses[-1] < BOUND)))
def graphs_still_kept(X, y, steps):
    """It trains, but the list holds tensors, each with the graph of its step: memory grows with every step. Keep
    loss.item()."""
    return _script(X, y, steps, tensors=True)


@fix_training_script.mistake("two-left", recognise=_scripts(
    lambda losses, tracked: tracked and not _flat(losses) and (len(losses) < 100 or losses[-1] > 0.4)))
def two_faults_left(X, y, steps):
    """Two faults are left: the weights start equal, and the list keeps tensors with their graphs."""
    return _script(X, y, steps, equal=0.5, tensors=True)


@lesson.exercise(
    number="7.9b", title="Name the faults", signature="list[str]", kind="choice", points=1, minutes=3, section="07g",
    hints=(
        "Which three lines did you change, and what was wrong with each?",
        "Three of the seven sentences are about a weight, a call and a list. The others describe something that is fine.",
        "cross_entropy wants logits, a mean is fine, step() does its own no_grad, and tanh has a slope everywhere.",
    ),
)
def training_script_faults(ask):
    """The labels of the three faults of 7.9a, in any order."""
    with ask.part("three faults"):
        answer = ask()
        labels = labels_in_any_order(answer.value)
        known = len(labels) == len(set(labels)) == 3 and set(labels) <= set(FAULTS)
        answer.holds(known, "a list of three different labels out of A to G", layer=Layer.TYPE)
        if known:
            wrong = set(labels) - set("BDF")
            answer.holds(not wrong, "all three are faults of the script", f"{len(wrong)} of your three are none",
                         layer=Layer.VALUE)  # fmt: skip


def _chosen(label):
    """Recognises a choice that holds this label and no other wrong one."""
    return lambda transcript: set(labels_in_any_order(transcript[0][2].value)) - set("BDF") == {label}


def _wrong_choice(id, label, sentence):
    def make():
        return [label, "B", "D"]

    make.__name__, make.__doc__ = f"chose_{label}", sentence
    training_script_faults.mistake(id, fresh=True, recognise=_chosen(label))(make)


_wrong_choice("E5", "A", "cross_entropy wants logits: it has a log-softmax inside.")
_wrong_choice("F8", "C", "The mean is fine, and what cross_entropy takes. A sum would only make the gradients larger.")
_wrong_choice("F6", "E", "step() switches tracking off by itself. Only an update that you write by hand needs no_grad.")
_wrong_choice("E2", "G", "tanh has a slope everywhere; it only gets small far out.")
