"""Cases 8.9 and 8.10 of lesson 08: parameters that nobody registered, and rows that are not independent."""

import math

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from course_lib.judge import reports
from course_lib.keys.cases import fault, lesson, numbers, probe, too_strict
from course_lib.recipes import coded

# --- 8.9 unregistered ------------------------------------------------------------------------------------------------


@reports(shapes=[[int]], scales=[float], still=int, output=object)
def built(make, sizes, X):
    """your model of these sizes is filled with known numbers, used and trained for one step"""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = make(sizes)
    X = X.to(torch.get_default_dtype())
    named = dict(model.named_parameters())
    start = [p.detach().clone() for p in named.values() if p.numel() == 1]
    with torch.no_grad():
        for p in named.values():
            p.copy_(torch.linspace(-0.5, 0.7, p.numel()).reshape(p.shape) if p.numel() > 1 else torch.full(p.shape, 1.5))
    out = model(X)
    loss = ((out - 1) ** 2).sum()
    if loss.requires_grad:
        loss.backward()
    still = [name for name, p in named.items() if p.grad is None or not (p.grad != 0).any()]
    return {
        "shapes": sorted([list(p.shape) for p in named.values() if p.numel() > 1], key=str),
        "scales": [float(one) for one in start], "still": len(still), "output": out.detach().double(),
    }


def _filled(*shape):
    return np.linspace(-0.5, 0.7, math.prod(shape)).reshape(shape)


def _network(sizes, X):
    """What the filled network returns, in NumPy."""
    for i, (a, b) in enumerate(zip(sizes, sizes[1:], strict=False)):
        X = X @ _filled(b, a).T + _filled(b)
        X = np.tanh(X) if i < len(sizes) - 2 else X
    return 1.5 * X


@lesson.exercise(
    number="8.9a", title="Unregistered: mend it", signature="(sizes: list[int]) -> nn.Module", points=2, minutes=7,
    section="08e",
    hints=(
        "Print [name for name, _ in model.named_parameters()]. An optimiser sees exactly these.",
        "nn.Module registers what is assigned to it as a module or as an nn.Parameter. A plain list and a plain tensor are "
        "neither.",
        "There is a list for modules, nn.ModuleList, and nn.Parameter makes a parameter of a tensor.",
    ),
)
def fix_unregistered(ask):
    """A tanh network whose parameters are all found and all trained."""
    with ask.part("all parameters are found, and each gets a gradient", 3):
        for sizes in ([3, 5, 4, 2], [4, 3, 6]):
            X = numbers(ask.rng, 7, sizes[0])
            shapes = [[b, a] for a, b in zip(sizes, sizes[1:], strict=False)] + [[b] for b in sizes[1:]]
            answer = ask.using(built, sizes, X)
            value = answer.value if isinstance(answer.value, dict) else {}
            found, scales = value.get("shapes", []), value.get("scales", [])
            answer.holds(found == sorted(shapes, key=str), f"weights and biases of {len(sizes) - 1} layers",
                         f"named_parameters() has these, besides single numbers: {found}")
            answer.holds(scales == [1.0], "the scale among the parameters, a single number that starts at 1",
                         f"single numbers among the parameters: {scales}")
            answer.holds(value.get("still") == 0, "a gradient for each parameter",
                         f"{value.get('still')} of the parameters get no gradient")
            if found == sorted(shapes, key=str) and scales == [1.0] and value.get("still") == 0:
                answer.equals({"output": _network(sizes, X)}, "the entry")


@fix_unregistered.broken
def unregistered(sizes):
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.layers = [nn.Linear(a, b) for a, b in zip(sizes, sizes[1:], strict=False)]
            self.scale = torch.ones(1)

        def forward(self, x):
            for layer in self.layers[:-1]:
                x = torch.tanh(layer(x))
            return self.scale * self.layers[-1](x)

    return Net()


def _net(layers, scale, between=torch.tanh, after=None):
    """fresh: the function that builds a network from these parts."""

    def make(sizes):
        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.layers = layers([nn.Linear(a, b) for a, b in zip(sizes, sizes[1:], strict=False)])
                self.scale = scale()

            def forward(self, x):
                for layer in self.layers[:-1]:
                    x = between(layer(x))
                x = self.layers[-1](x)
                return self.scale * (after(x) if after else x)

        return Net()

    return make


def _wrong(id, name, sentence, *parts, **more):
    make = _net(*parts, **more)
    make.__name__, make.__doc__ = name, sentence
    fix_unregistered.mistake(id)(make)


def _parameter():
    return nn.Parameter(torch.ones(1))


def _frozen():
    return nn.Parameter(torch.ones(1), requires_grad=False)


def _tensor():
    return torch.ones(1)


_wrong("B20", "nothing_registered", "named_parameters() is empty: layers in a plain list and a plain tensor are invisible to "
       "the module, and so to the optimiser.", list, _tensor)
_wrong("B20-scale", "scale_unregistered", "The layers are found now, the scale is not: a plain tensor is no parameter, even with "
       "requires_grad=True, and a buffer is none either.", nn.ModuleList, _tensor)
_wrong("B20-layers", "layers_unregistered", "The scale is found now, the layers are not: a plain list hides them.", list,
       _parameter)
_wrong("frozen", "scale_frozen", "All parameters are found, but the scale gets no gradient: its requires_grad is off, or "
       "forward uses its number alone (.item(), .detach() or .data).", nn.ModuleList, _frozen)
_wrong("no-tanh", "activation_lost", "All parameters are found and trained, but the tanh between the layers is gone: "
       "what is left is one linear map.", nn.ModuleList, _parameter, between=lambda x: x)
_wrong("last-tanh", "activation_too_often", "All parameters are found and trained, but there is a tanh behind the last "
       "layer, where the given code has none.", nn.ModuleList, _parameter, after=torch.tanh)


fault(
    "8.9b", "unregistered", "Unregistered: name it", ("B20",),
    {"B10": "No leaf is converted here: the weights are leaves, only nobody knows of them.",
     "B8": "The weights are leaves and would keep a .grad.",
     "F5": "Nothing is updated here.",
     "F1": "Nothing is cleared or forgotten here."},
    ("What would an optimiser be given?", "A module knows only what was registered.",
     "Look for the line of the table that speaks of a list."),
)


def unregistered_right_list(sizes):
    """by ModuleList"""

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in zip(sizes, sizes[1:], strict=False))
            self.scale = nn.Parameter(torch.ones(1))

        def forward(self, x):
            for layer in self.layers[:-1]:
                x = torch.tanh(layer(x))
            return self.scale * self.layers[-1](x)

    return Net()


def unregistered_right_sequential(sizes):
    """by Sequential"""

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            parts = []
            for a, b in zip(sizes, sizes[1:], strict=False):
                parts += [nn.Linear(a, b), nn.Tanh()]
            self.body = nn.Sequential(*parts[:-1])
            self.factor = nn.Parameter(torch.tensor([1.0]))

        def forward(self, x):
            return self.body(x) * self.factor

    return Net()


def unregistered_right_matrices(sizes):
    """by parameters of its own"""

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            pairs = list(zip(sizes, sizes[1:], strict=False))
            self.weights = nn.ParameterList(nn.Parameter(torch.randn(b, a) / a**0.5) for a, b in pairs)
            self.biases = nn.ParameterList(nn.Parameter(0.1 * torch.ones(b)) for _, b in pairs)
            self.scale = nn.Parameter(torch.ones(1))

        def forward(self, x):
            last = len(self.weights) - 1
            for i in range(last + 1):
                x = F.linear(x, self.weights[i], self.biases[i])
                x = torch.tanh(x) if i < last else x
            return self.scale * x

    return Net()


def unregistered_handed(sizes):
    """nothing is registered"""

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.layers = [nn.Linear(a, b) for a, b in zip(sizes, sizes[1:], strict=False)]
            self.scale = torch.ones(1)

        def forward(self, x):
            for layer in self.layers[:-1]:
                x = torch.tanh(layer(x))
            return self.scale * self.layers[-1](x)

    return Net()


def unregistered_scale(sizes):
    """the scale is a plain tensor"""

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in zip(sizes, sizes[1:], strict=False))
            self.scale = torch.ones(1)

        def forward(self, x):
            for layer in self.layers[:-1]:
                x = torch.tanh(layer(x))
            return self.scale * self.layers[-1](x)

    return Net()


def unregistered_frozen(sizes):
    """the scale is a parameter without gradient"""

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in zip(sizes, sizes[1:], strict=False))
            self.scale = nn.Parameter(torch.ones(1), requires_grad=False)

        def forward(self, x):
            for layer in self.layers[:-1]:
                x = torch.tanh(layer(x))
            return self.scale * self.layers[-1](x)

    return Net()


probe_unregistered = probe(
    "8.9c", "unregistered", "Unregistered: your test",
    (unregistered_right_list, unregistered_right_sequential, unregistered_right_matrices), unregistered_handed,
    (unregistered_scale, unregistered_frozen),
    ("What does the docstring promise about the parameters? Names are nobody's promise.",
     "Count numbers: a layer from a to b has a·b + b of them, and the scale is one more. Then walk back from some loss and "
     "look at every parameter's .grad.",
     "sum(p.numel() for p in model.parameters()) against the count; then model(x).sum().backward() and an assertion for each "
     "p that p.grad is not None."),
)


def _count(model):
    return sum(p.numel() for p in model.parameters())


@probe_unregistered.mistake("not-empty")
def there_are_some(candidate):
    """Your probe asks only whether there are parameters at all. One that is missing among many goes unnoticed: count."""
    assert len(list(candidate([3, 5, 2]).parameters())) > 0


@probe_unregistered.mistake("count-only")
def right_number(candidate):
    """You count the parameters and do not look whether each gets a gradient: one that is switched off is counted, too."""
    assert _count(candidate([3, 5, 2])) == 3 * 5 + 5 + 5 * 2 + 2 + 1


@probe_unregistered.mistake("gradients-only")
def those_found_have_gradients(candidate):
    """You look at the gradients of the parameters that were found. Those that were not found have no chance to fail: count
    them as well."""
    model = candidate([3, 5, 2])
    assert _count(model) > 0
    model(torch.ones(4, 3)).sum().backward()
    assert all(p.grad is not None for p in model.parameters())


@probe_unregistered.mistake("name-only")
def scale_by_its_name(candidate):
    """You ask for the name scale. A right version calls it otherwise and fails; a broken one has the name, and its scale gets no
    gradient. Count numbers and look at every gradient."""
    assert "scale" in dict(candidate([3, 5, 2]).named_parameters())


@too_strict(probe_unregistered)
def by_name(candidate):
    model = candidate([3, 5, 2])
    names = dict(model.named_parameters())
    assert "layers.0.weight" in names and "scale" in names
    model(torch.ones(4, 3)).sum().backward()
    assert names["scale"].grad is not None


# --- 8.10 sum trick --------------------------------------------------------------------------------------------------


def centred(X):
    """squared distance to the mean of the batch"""
    return ((X - X.mean(0)) ** 2).sum(1)


def normalised(X):
    """sine of batch-normalised rows, added up"""
    return torch.sin((X - X.mean(0)) / torch.sqrt(X.var(0, correction=0) + 1e-5)).sum(1)


def alone(X):
    """a function of each row by itself"""
    return torch.tanh(X).prod(1) + (X**2).sum(1)


COUPLED = (centred, normalised, alone)


def _own_gradients(f, X):
    X = torch.tensor(X)
    return torch.stack([torch.autograd.functional.jacobian(f, X)[i, i] for i in range(len(X))]).numpy()


@lesson.exercise(
    number="8.10a", title="Sum trick and batch-norm: mend it", signature="(f, X: Tensor[B, n]) -> Tensor[B, n]", points=2,
    minutes=8, section="08e",
    rechecks=("elementwise_derivative", "is_coupled"),
    hints=(
        "What does row 0 of X do to y[1], if f subtracts the mean of the batch?",
        "The gradient of the sum adds up what a row does to all results. Each row's own gradient needs a walk that starts "
        "from its own result alone.",
        "For each i: walk back from y[i] with retain_graph=True, and keep row i of what arrives.",
    ),
)
def fix_batch_sum_trick(ask):
    """Row i: the gradient of f(X)[i] by X[i], also where rows influence each other."""
    with ask.part("functions with and without coupling between rows", 3):
        for f, B, n in ((centred, 4, 3), (normalised, 5, 2), (alone, 3, 4)):
            X = numbers(ask.rng, B, n)
            ask(coded(f, text=f.__doc__), X).equals(_own_gradients(f, X), "the entry")


@fix_batch_sum_trick.broken
def batch_sum_trick(f, X):
    leaf = X.detach().clone().requires_grad_()
    f(leaf).sum().backward()
    return leaf.grad


def _tracked(X):
    return X.detach().clone().requires_grad_()


@fix_batch_sum_trick.mistake("D3")
def still_summed(f, X):
    """That is the gradient of the sum, by one walk back from it or by walks that add up in one .grad: where rows influence each
    other, a row gets what it does to all results, not only to its own."""
    leaf = _tracked(X)
    return torch.autograd.grad(f(leaf).sum(), leaf)[0]


@fix_batch_sum_trick.mistake("D3-mean")
def from_the_mean(f, X):
    """You walked back from the mean: that is the sum trick divided by the size of the batch."""
    leaf = _tracked(X)
    return torch.autograd.grad(f(leaf).mean(), leaf)[0]


@fix_batch_sum_trick.mistake("D7-alone")
def row_by_row(f, X):
    """You handed f one row at a time. A batch of one has another mean: that is another function, wherever rows influence each
    other."""
    rows = []
    for i in range(len(X)):
        leaf = _tracked(X[i : i + 1])
        rows.append(torch.autograd.grad(f(leaf).sum(), leaf)[0][0])
    return torch.stack(rows)


@fix_batch_sum_trick.mistake("all-blocks")
def every_row_by_every_row(f, X):
    """Your result has three axes, each result by each row. Only row i of the gradient of y[i] is asked for."""
    leaf = _tracked(X)
    y = f(leaf)
    return torch.stack([torch.autograd.grad(one, leaf, retain_graph=True)[0] for one in y])


@fix_batch_sum_trick.mistake("first-only")
def always_from_the_first(f, X):
    """Every walk started from the same result: that is the gradient of y[0] by all rows."""
    leaf = _tracked(X)
    return torch.autograd.grad(f(leaf)[0], leaf)[0]


fault(
    "8.10b", "batch_sum_trick", "Sum trick and batch-norm: name it", ("D3",),
    {"C1": "backward is called once.",
     "E9": "The shapes are right.",
     "B8": "The .grad that is read is that of the leaf.",
     "F20": "That idea is about testing by watching a loss."},
    ("For which f is the code right as it is?", "It is right for rows that do not influence each other.",
     "Look for the line of the table that speaks of a sum."),
)


def batch_sum_trick_right_loop(f, X):
    """by a walk for each row"""
    leaf = X.detach().clone().requires_grad_()
    y = f(leaf)
    return torch.stack([torch.autograd.grad(y[i], leaf, retain_graph=True)[0][i] for i in range(len(X))])


def batch_sum_trick_right_jacobian(f, X):
    """by the whole Jacobian"""
    J = torch.autograd.functional.jacobian(f, X.detach())
    return torch.stack([J[i, i] for i in range(len(X))])


def batch_sum_trick_right_insert(f, X):
    """by one tracked row in a fixed batch, rounded otherwise"""
    rows = []
    for i in range(len(X)):
        row = X[i].detach().clone().requires_grad_()
        batch = torch.cat([X[:i].detach(), row[None], X[i + 1 :].detach()])
        rows.append(torch.autograd.grad(f(batch)[i] * 3.0, row)[0] / 3.0)
    return torch.stack(rows)


def batch_sum_trick_handed(f, X):
    """by the sum"""
    leaf = X.detach().clone().requires_grad_()
    f(leaf).sum().backward()
    return leaf.grad


def batch_sum_trick_alone(f, X):
    """each row as a batch of one"""
    rows = []
    for i in range(len(X)):
        leaf = X[i : i + 1].detach().clone().requires_grad_()
        rows.append(torch.autograd.grad(f(leaf).sum(), leaf, allow_unused=True)[0][0])
    return torch.stack(rows)


def batch_sum_trick_mean(f, X):
    """by the mean"""
    leaf = X.detach().clone().requires_grad_()
    f(leaf).mean().backward()
    return leaf.grad


probe_batch_sum_trick = probe(
    "8.10c", "batch_sum_trick", "Sum trick and batch-norm: your test",
    (batch_sum_trick_right_loop, batch_sum_trick_right_jacobian, batch_sum_trick_right_insert), batch_sum_trick_handed,
    (batch_sum_trick_alone, batch_sum_trick_mean),
    ("For which f do all versions agree? A test needs one of the others.",
     "Take an f that mixes rows, such as the squared distance to the mean of the batch, and work out row i by hand or by a "
     "difference quotient of f(X)[i].",
     "For f(X) = ((X − X.mean(0))²).sum(1) the own gradient of row i is 2·(X[i] − mean)·(1 − 1/B)."),
)


def _batch():
    return torch.tensor([[0.7, -1.3], [0.4, 1.6], [1.1, 0.2]], dtype=torch.float64)


@probe_batch_sum_trick.mistake("uncoupled")
def rows_by_themselves(candidate):
    """Your f treats each row by itself, and there the sum trick is right. Test with an f that mixes the rows."""
    torch.testing.assert_close(candidate(lambda X: (X**2).sum(1), _batch()), 2 * _batch())


@probe_batch_sum_trick.mistake("shape-only")
def right_shape(candidate):
    """Your probe looks at one property and not at the numbers: most wrong gradients have it as well."""
    g = candidate(lambda X: ((X - X.mean(0)) ** 2).sum(1), _batch())
    assert g.shape == (3, 2) and g.abs().max() > 0


@too_strict(probe_batch_sum_trick)
def same_bits(candidate):
    X = torch.linspace(-2, 2.3, 60, dtype=torch.float64).reshape(20, 3).sin()
    leaf = X.clone().requires_grad_()
    y = ((leaf - leaf.mean(0)) ** 2).sum(1)
    want = torch.stack([torch.autograd.grad(y[i], leaf, retain_graph=True)[0][i] for i in range(20)])
    assert torch.equal(candidate(lambda X: ((X - X.mean(0)) ** 2).sum(1), X), want)
