"""Exercises K5a and K5b of lesson 10: a parameter and a layer."""

import numpy as np

from course_lib.judge import Layer, reports
from course_lib.keys import mini
from course_lib.keys.engine import alike, array_of, came_back, compare, lesson, with_either
from course_lib.keys.mini import MiniTensor, mini_matmul
from course_lib.keys.programs import off_zero, words
from course_lib.recipes import coded

# --- K5a -------------------------------------------------------------------------------------------------------------


def as_data(data, recording, g):
    """What a parameter is made of, as it travels."""
    return lambda: (data, recording, g)


@reports(is_class=bool, kind=str, data=object, dtype=str, tracked=bool, grad=object)
def parameter_made(answer, engine, data):
    """p = MiniParameter(data), and run_backward(p + p, g)"""
    data, recording, g = data()
    with engine(answer) as parts:
        if not isinstance(answer, type):
            return {"is_class": False, "kind": "", "data": None, "dtype": "", "tracked": False, "grad": None}
        parts.MiniTensor.recording = recording
        p = answer(data if all(isinstance(one, int) for one in data) else np.array(data))
        parts.MiniTensor.recording = True
        kind = "MiniTensor" if isinstance(p, parts.MiniTensor) else type(p).__name__
        kept, grad = np.asarray(p.data), None
        if kind == "MiniTensor":
            tracked = bool(p.requires_grad)
            if tracked:
                parts.run_backward(p + p, np.array(g))
                grad = p.grad
        else:
            tracked = bool(getattr(p, "requires_grad", False))
        return {
            "is_class": True, "kind": kind, "data": np.array(kept, dtype=float), "dtype": kept.dtype.name, "tracked": tracked,
            "grad": grad,
        }


@lesson.exercise(
    number="K5a", title="A tensor that is trained", kind="class", points=1, minutes=5, section="10a",
    signature="(MiniTensor): __init__(data)", rechecks=("fix_unregistered",),
    hints=(
        "What does a parameter have that an ordinary MiniTensor has not? Everything else it may inherit.",
        "Let the __init__ of MiniTensor do the work, and tell it that a gradient is wanted.",
        "class MiniParameter(MiniTensor), with an __init__(self, data) that calls super().__init__ with requires_grad=True.",
    ),
)
def MiniParameter(ask):  # noqa: N802
    """A MiniTensor that always requires a gradient."""

    def demand(data, recording):
        g = off_zero(ask.rng, np.shape(data))
        numbers = np.asarray(data, dtype=float)

        def right(said):
            return said["kind"] == "MiniTensor" and said["tracked"] and said["dtype"] == "float64" and alike(
                [said["data"], said["grad"]], [numbers, 2 * np.asarray(g)])  # fmt: skip

        told = words(data) + ("" if recording else ", made while MiniTensor.recording is False")
        recipe = coded(as_data, np.asarray(data).tolist(), recording, np.asarray(g).tolist(), text=told)
        answer = with_either(ask, parameter_made, recipe, right=right)
        said = answer.value
        if not came_back(answer):
            return answer
        if not said["is_class"]:
            return answer.holds(False, "a class, so that isinstance(p, MiniParameter) can tell parameters from the rest",
                                "yours is a function", Layer.TYPE)
        answer.holds(said["kind"] == "MiniTensor", "a MiniTensor: isinstance(p, MiniTensor) is True",
                     f"yours is a {said['kind']} that does not inherit from MiniTensor", Layer.TYPE)
        if said["kind"] != "MiniTensor":
            return answer
        compare(answer, said["data"], numbers, "the data")
        answer.holds(said["dtype"] == "float64", "data of float64, as in every MiniTensor", f"its data are {said['dtype']}",
                     Layer.DTYPE)
        when = "whether the engine records or not" if said["tracked"] is False and not recording else "always"
        answer.holds(said["tracked"], f"requires_grad is True, {when}", "requires_grad is False", Layer.VALUE)
        if said["tracked"]:
            compare(answer, said["grad"], 2 * np.asarray(g), "the gradient of p after a walk back from p + p")
        return answer

    with ask.part("a MiniTensor that requires a gradient"):
        demand(off_zero(ask.rng, (2, 3)), True)
        demand([ask.rng.randint(1, 9) for _ in range(4)], True)
    with ask.part("also where nothing is recorded"):
        demand(off_zero(ask.rng, (3,)), False)


@MiniParameter.mistake("B20", fresh=True)
def tensor_like_any_other():
    """Yours is an ordinary MiniTensor: requires_grad is False, so no gradient ever arrives and no optimiser can move it."""

    class MiniParameter(MiniTensor):
        def __init__(self, data):
            super().__init__(data)

    return MiniParameter


@MiniParameter.mistake("no-base", fresh=True)
def nothing_inherited():
    """Yours has the attributes and is no MiniTensor, so it cannot be added or multiplied. Inherit: class
    MiniParameter(MiniTensor)."""

    class MiniParameter:
        def __init__(self, data):
            self.data, self.grad, self.requires_grad, self.parents = np.asarray(data, dtype=float), None, True, ()

    return MiniParameter


@MiniParameter.mistake("no-super", fresh=True)
def parent_not_initialised():
    """Your __init__ replaces that of MiniTensor, so what that one sets is missing. Call super().__init__ with data and
    requires_grad=True."""

    class MiniParameter(MiniTensor):
        def __init__(self, data):
            self.data, self.requires_grad = np.asarray(data, dtype=float), True

    return MiniParameter


@MiniParameter.mistake("integers", fresh=True)
def dtype_as_it_came():
    """Given integers, your parameter keeps integers, and a step of 0.1 cannot be stored in them. super().__init__ makes float64
    of them."""

    class MiniParameter(MiniTensor):
        def __init__(self, data):
            super().__init__(data, requires_grad=True)
            self.data = np.asarray(data)

    return MiniParameter


@MiniParameter.mistake("C16", fresh=True)
def only_where_recorded():
    """Made where nothing is recorded, your parameter requires no gradient. Recording is about operations; a parameter is a leaf
    and always wants its gradient."""

    class MiniParameter(MiniTensor):
        def __init__(self, data):
            super().__init__(data, requires_grad=MiniTensor.recording)

    return MiniParameter


# --- K5b -------------------------------------------------------------------------------------------------------------


def as_numbers(seed, x, needs, g, weight):
    """What a layer meets, as it travels."""
    return lambda: (seed, x, needs, g, weight)


@reports(weight=object, bias=object, kinds=list, type=str, value=object, grads=list, listed=str, moved=object)
def layer_used(answer, engine, n_in, n_out, x):
    """layer = MiniLinear(n_in, n_out, rng), y = layer(x), run_backward(y, g), and layer(x) with other weight.data"""
    seed, x, needs, g, weight = x()
    with engine(answer) as parts:
        layer = answer(n_in, n_out, np.random.default_rng(seed))
        x = parts.MiniTensor(np.array(x), requires_grad=needs)
        both = [getattr(layer, name, None) for name in ("weight", "bias")]
        said = {
            "kinds": ["missing" if one is None else "a MiniParameter" if isinstance(one, parts.MiniParameter)
                      else f"of type {type(one).__name__}" for one in both],
            "weight": None, "bias": None, "type": "", "value": None, "grads": [], "listed": "", "moved": None,
        }
        if said["kinds"] != ["a MiniParameter"] * 2:
            return said
        said["weight"], said["bias"] = (np.array(one.data, dtype=float) for one in both)
        if (said["weight"].shape, said["bias"].shape) != ((n_out, n_in), (n_out,)):
            return said
        y = layer(x) if callable(layer) else None
        said["type"] = ("MiniTensor" if isinstance(y, parts.MiniTensor) else f"returns something of type {type(y).__name__}"
                        if callable(layer) else "has no __call__")
        if said["type"] == "MiniTensor":
            said["value"] = np.array(y.data, dtype=float)
            if said["value"].shape == np.shape(g) and y.requires_grad:
                parts.run_backward(y, np.array(g))
            said["grads"] = [x.grad, layer.weight.grad, layer.bias.grad]
            layer.weight.data = np.array(weight)
            said["moved"] = np.array(layer(x).data, dtype=float)
        listed = layer.parameters()
        listed = list(listed) if hasattr(listed, "__iter__") else [listed]
        if not all(isinstance(one, parts.MiniTensor) for one in listed):
            said["listed"] = f"gives a {type(next(one for one in listed if not isinstance(one, parts.MiniTensor))).__name__}"
        elif len(listed) != 2:
            said["listed"] = f"gives {len(listed)} MiniTensor{'s' * (len(listed) != 1)}"
        else:
            said["listed"] = "both" if {id(one) for one in listed} == {id(one) for one in both} else "gives other objects"
        return said


@reports(missing=bool, same=bool, next=bool, equal=bool, finite=bool, size=float)
def layers_drawn(answer, engine, n_in, n_out, seed):
    """the first weights of two layers MiniLinear(n_in, n_out, rng), and of one more with another rng of the same seed"""
    with engine(answer):
        rng = np.random.default_rng(seed)
        first, second = answer(n_in, n_out, rng), answer(n_in, n_out, rng)
        again = answer(n_in, n_out, np.random.default_rng(seed))
        if not hasattr(first, "weight"):
            return {"missing": True, "same": True, "next": False, "equal": False, "finite": True, "size": 1.0}
        one, two, three = (np.array(layer.weight.data, dtype=float) for layer in (first, second, again))
        return {
            "missing": False,
            "same": np.array_equal(one, three), "next": np.array_equal(one, two), "equal": bool(np.ptp(one) == 0),
            "finite": bool(np.isfinite(one).all()), "size": float(np.sqrt(np.mean(one**2)) * np.sqrt(n_in)),
        }


@lesson.exercise(
    number="K5b", title="A linear layer", kind="class", points=2, minutes=15, section="10a",
    signature=": __init__(n_in, n_out, rng); __call__(x); parameters()", rechecks=("fix_training_script",),
    hints=(
        "The weight is (n_out, n_in) and x is (N, n_in). What has to be done with the weight before the two can be multiplied, "
        "and how does its gradient come back from there?",
        "The turned weight is a result like any other: made from the weight, with a vjp. What arrives has the shape of the "
        "turned weight, and what goes on must have the shape of the weight.",
        "In __call__: a node MiniTensor.made(w.data.T, (w, …)) whose vjp turns g back, then mini_matmul of x with it, plus the "
        "bias. In __init__: rng.normal(size=(n_out, n_in)) / np.sqrt(n_in) in a MiniParameter.",
    ),
)
def MiniLinear(ask):  # noqa: N802
    """y = x Wᵀ + b, with a weight and a bias that can be trained."""
    with ask.part("x Wᵀ + b, and the gradients of x, weight and bias", 3):
        _demand_layer(ask, 3, 5, 4, True)
        _demand_layer(ask, 6, 2, 3, True)
        _demand_layer(ask, 2, 4, 5, False)
    with ask.part("weights drawn from rng, of a size around 1/√n_in"):
        _demand_drawn(ask, 400, 30)
        _demand_drawn(ask, 25, 200)


def _demand_layer(ask, n_in, n_out, rows, needs):
    x, g, weight = off_zero(ask.rng, (rows, n_in)), off_zero(ask.rng, (rows, n_out)), off_zero(ask.rng, (n_out, n_in))

    def truth(said):
        """(value, gradients, value after the weight has become another one), from the layer's own numbers."""
        W, b = array_of(said["weight"]), array_of(said["bias"])
        return x @ W.T + b, [g @ W if needs else None, g.T @ x, g.sum(0)], x @ weight.T + b

    def shaped(said):
        return (array_of(said["weight"]).shape, array_of(said["bias"]).shape) == ((n_out, n_in), (n_out,))

    def right(said):
        fine = said["listed"] == "both" and shaped(said)
        return fine and alike([said["value"], said["grads"], said["moved"]], list(truth(said)))

    recipe = coded(as_numbers, ask.rng.randrange(10**6), x.tolist(), needs, g.tolist(), weight.tolist(),
                   text=f"{words(x)}" + ("" if needs else ", which requires no gradient"))
    answer = with_either(ask, layer_used, n_in, n_out, recipe, right=right)
    said = answer.value
    if not came_back(answer):
        return answer
    for name, kind in zip(("weight", "bias"), said["kinds"], strict=False):
        answer.holds(kind == "a MiniParameter", f"self.{name} is a MiniParameter", f"self.{name} is {kind}", Layer.TYPE)
    if answer.broken:
        return answer
    for name, shape in (("weight", (n_out, n_in)), ("bias", (n_out,))):
        got = array_of(said[name]).shape
        answer.holds(got == shape, f"self.{name} of shape {shape}", f"self.{name} has the shape {got}", Layer.SHAPE)
    if answer.broken:
        return answer
    if said["type"] != "MiniTensor":
        return answer.holds(False, "layer(x) is a MiniTensor", f"the layer {said['type']}", Layer.TYPE)
    value, grads, moved = truth(said)
    compare(answer, said["value"], value, "x Wᵀ + b")
    answer.holds(len(said["grads"]) == 3, "three gradients", layer=Layer.TYPE)
    for got, want, name in zip(said["grads"], grads, ("x", "the weight", "the bias"), strict=False):
        compare(answer, got, want, f"the gradient of {name}")
    compare(answer, said["moved"], moved, "x Wᵀ + b once weight.data has become another array")
    answer.holds(said["listed"] == "both", "parameters() gives the weight and the bias themselves, and nothing else",
                 f"parameters() {said['listed']}")
    return answer


def _demand_drawn(ask, n_in, n_out):
    def right(said):
        fine = said["finite"] and 0.1 < said["size"] < 5
        return fine and said["same"] and not (said["missing"] or said["next"] or said["equal"])

    answer = with_either(ask, layers_drawn, n_in, n_out, ask.rng.randrange(10**6), right=right)
    said = answer.value
    if not came_back(answer):
        return answer
    answer.holds(not said["missing"], "self.weight is a MiniParameter", "self.weight is missing", Layer.TYPE)
    answer.holds(said["finite"], "finite weights", "some weights are inf or NaN", Layer.FINITE)
    answer.holds(not said["equal"], "weights that differ", "all weights are equal", Layer.VALUE)
    answer.holds(said["same"], "the same weights from the same seed", "two rngs with the same seed give different weights",
                 Layer.VALUE)
    answer.holds(not said["next"], "other weights for the second layer from one rng", "both layers have the same weights",
                 Layer.VALUE)
    answer.holds(0.1 < said["size"] < 5 or said["equal"], f"weights of a size around 1/√{n_in}, not under a tenth of it or over "
                 "five times", f"yours are about {said['size']:.2g} times as large", Layer.PROPERTY)
    return answer


def _linear(weight=None, turn=None, call=None, parameters=None, bias=None):
    """A MiniLinear in which something is done in another way."""

    class MiniLinear:
        def __init__(self, n_in, n_out, rng):
            numbers = rng.normal(size=(n_out, n_in)) / np.sqrt(n_in) if weight is None else weight(n_in, n_out, rng)
            self.weight = mini_parameter(numbers)
            self.bias = mini_parameter(np.zeros(n_out) if bias is None else bias(n_in, n_out))

        def __call__(self, x):
            if call is not None:
                return call(self, x)
            turned = turned_around(self.weight) if turn is None else turn(self.weight)
            return mini_matmul(x, turned) + self.bias

        def parameters(self):
            return [self.weight, self.bias] if parameters is None else parameters(self)

    return MiniLinear


def mini_parameter(numbers):
    """A MiniParameter of the engine in use."""
    made = globals()["MiniParameter"]
    return made(numbers) if isinstance(made, type) else mini.MiniParameter(numbers)


def turned_around(weight):
    return MiniTensor.made(weight.data.T, (weight, lambda g: g.T))


@MiniLinear.mistake("F15", fresh=True)
def weight_in_out():
    """Your weight is (n_in, n_out). As in nn.Linear it is (n_out, n_in), a row for each output, and x meets its transpose."""
    return _linear(weight=lambda n_in, n_out, rng: rng.normal(size=(n_in, n_out)) / np.sqrt(n_in), turn=lambda weight: weight)


@MiniLinear.mistake("cut-graph", fresh=True)
def turned_outside_of_the_graph():
    """No gradient arrives at the weight: the MiniTensor made of weight.data.T has no parents. Make it with MiniTensor.made and
    the weight as its parent."""
    return _linear(turn=lambda weight: MiniTensor(weight.data.T))


@MiniLinear.mistake("not-turned-back", fresh=True)
def gradient_not_turned():
    """What goes on to the weight has the shape of its transpose, (n_in, n_out). Turned on the way there, g has to be turned back
    on the way home: g.T."""
    return _linear(turn=lambda weight: MiniTensor.made(weight.data.T, (weight, lambda g: g)))


@MiniLinear.mistake("no-bias", fresh=True)
def bias_left_out():
    """The bias is never added, so no gradient arrives at it: y is x Wᵀ + b."""
    return _linear(call=lambda self, x: mini_matmul(x, turned_around(self.weight)))


@MiniLinear.mistake("bias-data", fresh=True)
def bias_as_numbers():
    """You add the numbers of the bias, not the parameter, so no gradient arrives at it: + self.bias, without .data."""
    return _linear(call=lambda self, x: mini_matmul(x, turned_around(self.weight)) + self.bias.data,
                   bias=lambda n_in, n_out: np.linspace(0.1, 0.2, n_out))


@MiniLinear.mistake("stale", fresh=True)
def turned_only_once():
    """Your transpose is made once, in __init__. After a step weight.data is another array, and the layer still computes with the
    old one: turn it in __call__."""

    class MiniLinear:
        def __init__(self, n_in, n_out, rng):
            self.weight = mini_parameter(rng.normal(size=(n_out, n_in)) / np.sqrt(n_in))
            self.bias = mini_parameter(np.zeros(n_out))
            self.turned = turned_around(self.weight)

        def __call__(self, x):
            return mini_matmul(x, self.turned) + self.bias

        def parameters(self):
            return [self.weight, self.bias]

    return MiniLinear


@MiniLinear.mistake("B20", fresh=True)
def bias_not_listed():
    """parameters() leaves the bias out. An optimiser moves only what it is given, so the bias would never be trained."""
    return _linear(parameters=lambda self: [self.weight])


@MiniLinear.mistake("copies", fresh=True)
def copies_listed():
    """parameters() gives copies. An optimiser would move those, and the layer computes with its own: give the objects
    themselves."""
    return _linear(parameters=lambda self: [mini_parameter(one.data) for one in (self.weight, self.bias)])


@MiniLinear.mistake("F14", fresh=True)
def equal_weights():
    """All your first weights are equal. Then all outputs are equal, get the same gradient and stay equal for ever: draw the
    weights from rng."""
    return _linear(weight=lambda n_in, n_out, rng: np.full((n_out, n_in), 1 / np.sqrt(n_in)))


@MiniLinear.mistake("F14-zero", fresh=True)
def weights_of_zero():
    """All your first weights are 0. Through a weight of 0 no gradient goes back to x, and all outputs stay alike: draw the
    weights from rng."""
    return _linear(weight=lambda n_in, n_out, rng: np.zeros((n_out, n_in)))


@MiniLinear.mistake("own-rng", fresh=True)
def generator_of_its_own():
    """You draw from a generator of your own, so two layers get the same weights. Draw from the rng that is handed in."""
    return _linear(weight=lambda n_in, n_out, rng: np.random.default_rng(0).normal(size=(n_out, n_in)) / np.sqrt(n_in))


@MiniLinear.mistake("old-rng", fresh=True)
def like_the_old_generators():
    """rng is a NumPy Generator, which has no randn and no rand: rng.normal(size=(n_out, n_in)) draws."""
    return _linear(weight=lambda n_in, n_out, rng: rng.randn(n_out, n_in) / np.sqrt(n_in))


def _another_draw(transcript):
    """The same seed gave other weights."""
    replies = [reply.value for _, _, reply in transcript if isinstance(reply.value, dict) and "same" in reply.value]
    return bool(replies) and not any(said["same"] for said in replies)


@MiniLinear.mistake("global-rng", fresh=True, recognise=_another_draw)
def the_generator_of_all():
    """The same seed gives you other weights each time: you draw from np.random, not from the rng that is handed in."""
    return _linear(weight=lambda n_in, n_out, rng: np.random.normal(size=(n_out, n_in)) / np.sqrt(n_in))  # noqa: NPY002


@MiniLinear.mistake("no-scale", fresh=True)
def weights_of_size_one():
    """Your weights have a size around 1, whatever n_in is, and a sum of n_in products grows with √n_in. Divide by √n_in."""
    return _linear(weight=lambda n_in, n_out, rng: rng.normal(size=(n_out, n_in)))
