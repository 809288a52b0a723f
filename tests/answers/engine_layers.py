"""Answers to K5a and K5b of lesson 10."""

import functools

import numpy as np

from course_lib.keys import mini
from course_lib.keys.mini import MiniParameter, MiniTensor, mini_matmul, run_backward  # noqa: F401 (the rest of their engine)
from tests.answers import own_network
from tests.answers.bank_10 import bank

# --- K5a -------------------------------------------------------------------------------------------------------------

for right in (mini.MiniParameter, own_network.MiniParameter):
    bank.honest("MiniParameter")(right)
bank.value("MiniParameter", mini.MiniParameter)


@bank.honest("MiniParameter")
class SwitchedOn(MiniTensor):
    def __init__(self, data):
        super().__init__(data)
        self.requires_grad = True


@bank.honest("MiniParameter")
class WithAName(MiniTensor):
    """Takes more than it has to, and says what it is."""

    def __init__(self, data, name=""):
        super().__init__(np.array(data, dtype=float), True)
        self.name = name

    def __repr__(self):
        return f"MiniParameter({self.data.shape})"


@bank.honest("MiniParameter")
class ByPartial(MiniTensor):
    __init__ = functools.partialmethod(MiniTensor.__init__, requires_grad=True)


@bank.slip("MiniParameter", "yours is a function")
def a_function(data):
    return MiniTensor(data, requires_grad=True)


@bank.slip("MiniParameter", "requires_grad is False, so no gradient", named="B20")
class ClassAttribute(MiniTensor):
    requires_grad = True


@bank.slip("MiniParameter", "the data")
class Rounded(MiniTensor):
    def __init__(self, data):
        super().__init__(np.round(data, 1), requires_grad=True)


@bank.slip("MiniParameter", "your code stopped with an error", named="no-super")
class AllByItself(MiniTensor):
    def __init__(self, data):
        self.data, self.requires_grad, self.grad = np.array(data, dtype=np.float64), True, None


AllByItself.__name__ = "MiniParameter"  # as the message says it

bank.hide("MiniParameter", r"super\(\).__init__\(data")

# --- K5b -------------------------------------------------------------------------------------------------------------

for right in (mini.MiniLinear, own_network.MiniLinear):
    bank.honest("MiniLinear")(right)
bank.value("MiniLinear", mini.MiniLinear)


@bank.honest("MiniLinear")
class Helped:
    """The turned weight by a method of its own; the bias drawn, too."""

    def __init__(self, n_in, n_out, rng):
        self.weight = MiniParameter(rng.standard_normal((n_out, n_in)) * np.sqrt(2 / n_in))
        self.bias = MiniParameter(rng.standard_normal(n_out) * 0.01)

    @staticmethod
    def turn(t):
        return MiniTensor.made(np.transpose(t.data), (t, np.transpose))

    def __call__(self, x):
        return self.bias + mini_matmul(x, self.turn(self.weight))

    def parameters(self):
        return self.weight, self.bias


@bank.honest("MiniLinear")
class OneOperation:
    """Everything as one node with three parents."""

    def __init__(self, n_in, n_out, rng):
        limit = np.sqrt(6 / (n_in + n_out))
        self.weight, self.bias = MiniParameter(rng.uniform(-limit, limit, (n_out, n_in))), MiniParameter([0.0] * n_out)
        self.all = [self.weight, self.bias]

    def __call__(self, x):
        w, b = self.weight, self.bias
        return MiniTensor.made(
            np.einsum("ni,oi->no", x.data, w.data) + b.data, (x, lambda g: np.einsum("no,oi->ni", g, w.data)),
            (w, lambda g: np.einsum("no,ni->oi", g, x.data)), (b, lambda g: g.sum(axis=0)),
        )

    def parameters(self):
        return iter(self.all)


@bank.honest("MiniLinear")
class TwiceTurned:
    """(W xᵀ)ᵀ in place of x Wᵀ, and small weights."""

    def __init__(self, n_in, n_out, rng):
        self.weight = MiniParameter(0.1 * rng.normal(0.0, 1.0, (n_out, n_in)))
        self.bias = MiniParameter(np.full(n_out, 0.5))

    def __call__(self, x):
        def turned(t):
            return MiniTensor.made(t.data.T, (t, lambda g: g.T))

        return turned(mini_matmul(self.weight, turned(x))) + self.bias

    def parameters(self):
        return [self.bias, self.weight]


def slip(words, named="", **parts):
    """The right layer with some of its methods written in another way."""
    bank.slip("MiniLinear", words, named)(type("MiniLinear", (Helped,), {"__module__": __name__, **parts}))


def ordinary_tensors(self, n_in, n_out, rng):
    self.weight = MiniTensor(rng.normal(size=(n_out, n_in)) / np.sqrt(n_in), requires_grad=True)
    self.bias = MiniTensor(np.zeros(n_out), requires_grad=True)


def other_names(self, n_in, n_out, rng):
    self.w, self.b = MiniParameter(rng.normal(size=(n_out, n_in)) / np.sqrt(n_in)), MiniParameter(np.zeros(n_out))


def bias_column(self, n_in, n_out, rng):
    self.weight = MiniParameter(rng.normal(size=(n_out, n_in)) / np.sqrt(n_in))
    self.bias = MiniParameter(np.zeros((1, n_out)))


def data_only(self, x):
    return x.data @ self.weight.data.T + self.bias.data


def not_turned(self, x):
    return mini_matmul(x, self.weight) + self.bias


def minus_bias(self, x):
    return mini_matmul(x, MiniTensor.made(self.weight.data.T, (self.weight, lambda g: g.T))) + self.bias * -1.0


def forgets_x(self, x):
    return mini_matmul(MiniTensor(x.data), MiniTensor.made(self.weight.data.T, (self.weight, lambda g: g.T))) + self.bias


def arrays_listed(self):
    return [self.weight.data, self.bias.data]


slip("self.weight is missing", __init__=other_names)
slip("self.weight is a MiniParameter", __init__=ordinary_tensors)
slip("self.bias of shape", __init__=bias_column)
slip("the layer returns something of type ndarray", __call__=data_only)
slip("your code stopped with an error", __call__=not_turned)
slip("but x Wᵀ + b is", __call__=minus_bias)
slip("no gradient arrived", __call__=forgets_x)
slip("parameters() gives a ndarray", parameters=arrays_listed)



@bank.slip("MiniLinear", "the layer has no __call__")
class NamedForward:
    __init__, parameters = Helped.__init__, Helped.parameters

    def forward(self, x):
        return mini_matmul(x, Helped.turn(self.weight)) + self.bias


bank.hide("MiniLinear", r"lambda g: g\.T|mini_matmul\(")
