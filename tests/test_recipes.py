"""Every recipe builds a function that works, counts its calls and is refused where its data are garbage."""

import pytest
import torch
from torch import nn

from course_lib.functions import TreeError
from course_lib.recipes import BUILDERS, CHECKED, NAMED, Claimed, Planted, Recipe, coded

X = torch.tensor([0.7, -1.3, 0.4, 1.6], dtype=torch.float64)
MATRIX = X.reshape(2, 2)
SQUARE = ["mul", ["x", 0], ["x", 0]]
SAMPLES = {  # kind: (data, arguments of a call, what comes out)
    "formula": ((SQUARE,), (X,), lambda: X**2),
    "vector": (([SQUARE, ["x", 1]], 4), (X,), lambda: torch.stack([X[0] ** 2, X[1]])),
    "named": (("times-total",), (X,), lambda: X * X.sum()),
    "dual": (([["sub", ["sin", ["x", 0]], ["num", 2.0]]], 1), ([X[0]],), lambda: [torch.sin(X[0]) - 2]),
    "planted": (("right",), (X,), None),
    "counted-matmul": ((), (MATRIX, MATRIX), lambda: MATRIX @ MATRIX),
    "checked": (("cumsum",), (X,), lambda: torch.cumsum(X, 0)),
    "claimed": (("square", "none"), (torch.ones(4), X), lambda: 2 * X),
    "code": (("def double(x):\n    return 2 * x\n", "double"), (X,), lambda: 2 * X),
}


def test_every_kind_has_a_sample():
    assert SAMPLES.keys() == BUILDERS.keys()


@pytest.mark.parametrize("kind", SAMPLES)
def test_a_recipe_builds_a_function_that_counts(kind):
    data, args, right = SAMPLES[kind]
    recipe = Recipe(kind, data)
    f, other = recipe.function(), recipe.function()
    first, second = f(*args), f(*args)
    assert (f.calls, other.calls) == (2, 0) and repr(f) == "<function f>"
    pairs = zip(first, second, strict=True) if isinstance(first, list) else [(first, second)]
    assert all(torch.equal(one, again) for one, again in pairs)
    if right:
        wanted = right()
        assert torch.allclose(torch.stack(first) if isinstance(first, list) else first,
                              torch.stack(wanted) if isinstance(wanted, list) else wanted, rtol=1e-14)  # fmt: skip


def test_two_recipes_are_the_same_whatever_their_text():
    assert Recipe("named", ("tanh",), "the curve") == Recipe("named", ("tanh",)) != Recipe("named", ("square",))


@pytest.mark.parametrize("kind", [None, 3, "", "system", ["formula"], {}, b"formula"])
def test_an_unknown_kind_is_a_tree_error(kind):
    with pytest.raises(TreeError, match="unknown kind"):
        Recipe(kind, (SQUARE,)).function()


@pytest.mark.parametrize("kind", [kind for kind in BUILDERS if kind != "counted-matmul"])
@pytest.mark.parametrize(
    "data", [(), (None,), (3,), ("no such name",), ([],), ({},), ([[]], 2), ([["x", 9]], 2), ([["system", "x"]], 2),
             ([SQUARE], "2"), ([SQUARE], None), (1, 2, 3, 4, 5), ("tanh", "doubled", 3, 4), (["tanh"],)],
    ids=str,
)  # fmt: skip
def test_garbage_is_a_tree_error(kind, data):
    if (kind, data) == ("named", ("tanh", "doubled", 3, 4)):
        pytest.skip("a named function may have parameters")
    with pytest.raises(TreeError):
        Recipe(kind, data).function()


@pytest.mark.parametrize("data", [([SQUARE, ["x", 0]], 2, True), ([], 2), (None, 2)])
def test_a_scalar_vector_function_has_one_tree_and_another_at_least_one(data):
    with pytest.raises(TreeError, match="list of trees"):
        Recipe("vector", data).function()


def test_a_tracked_call_is_noticed():
    f = Recipe("named", ("tanh",)).function()
    f(X)
    f(X.clone().requires_grad_())
    torch.func.grad(lambda x: f(x).sum())(X)
    assert (f.calls, f.tracked) == (3, 2)


# --- what the named functions are for --------------------------------------------------------------------------------


def jacobian(name, x):
    return torch.func.jacrev(Recipe("named", (name,)).function())(x)


@pytest.mark.parametrize("name", [name for name in NAMED if not name.startswith("batch-norm") and name != "centre"])
def test_a_named_function_can_be_differentiated(name):
    x = X.clone().requires_grad_()
    assert torch.autograd.gradcheck(Recipe("named", (name,)).function(), (x,))


@pytest.mark.parametrize("name, coupled", [
    ("tanh", False), ("square", False), ("softmax", True), ("cumsum", True), ("times-total", True), ("last-two", True),
])  # fmt: skip
def test_coupling_is_what_the_name_promises(name, coupled):
    J = jacobian(name, X)
    assert bool((J - torch.diag(J.diagonal())).abs().max() > 1e-6) == coupled


@pytest.mark.parametrize("name, coupled", [
    ("centre", True), ("batch-norm-train", True), ("batch-norm-eval", False), ("tanh", False),
])  # fmt: skip
def test_coupling_between_the_rows_of_a_batch(name, coupled):
    rows = torch.tensor([[0.7, -1.3], [0.4, 1.6], [-0.2, 0.9]], dtype=torch.float64)
    J = jacobian(name, rows)  # (3, 2, 3, 2)
    assert bool((J[0, :, 1] ** 2).sum() > 1e-12) == coupled


@pytest.mark.parametrize("fault", Planted.FAULTS)
def test_only_the_right_backward_passes_gradcheck_and_forward_mode_is_always_right(fault):
    f, x = Recipe("planted", (fault,)).function(), X.clone().requires_grad_()
    assert torch.autograd.gradcheck(f, (x,), raise_exception=False) == (fault == "right")
    u = torch.tensor([0.2, -0.5, 1.0, 0.3], dtype=torch.float64)
    moved = (f(X + 1e-6 * u) - f(X - 1e-6 * u)) / 2e-6
    assert torch.allclose(torch.func.jvp(f, (X,), (u,))[1], moved, atol=1e-8)


@pytest.mark.parametrize("name", CHECKED)
@pytest.mark.parametrize("fault", Claimed.FAULTS)
def test_a_claimed_backward_is_right_only_without_a_fault(name, fault):
    f, x = Recipe("checked", (name,)).function(), X.clone().requires_grad_()
    y = f(x)
    g = torch.linspace(0.6, 1.4, y.numel(), dtype=torch.float64).reshape(y.shape)
    (true,) = torch.autograd.grad(y, x, g)
    claimed = Recipe("claimed", (name, fault)).function()(g, X)
    right = claimed.shape == true.shape and claimed.dtype == true.dtype and torch.allclose(claimed, true)
    harmless = (fault, name) == ("at-wrong-place", "cumsum")  # its slopes are the same everywhere
    assert right == (fault == "none" or harmless)


@pytest.mark.parametrize("name", CHECKED)
def test_a_function_to_be_checked_gives_a_vector(name):
    assert Recipe("checked", (name,)).function()(X).ndim == 1


def test_matmul_counts_the_multiplications_of_numbers():
    matmul = Recipe("counted-matmul", ()).function()
    matmul(torch.ones(5, 3), torch.ones(3, 4))
    matmul(torch.ones(3), torch.ones(3, 4))
    matmul(torch.ones(5, 3), torch.ones(3))
    assert (matmul.calls, matmul.tracked) == (3, 5 * 3 * 4 + 3 * 4 + 5 * 3)


def test_a_function_of_a_list_works_on_whatever_has_its_methods():
    class Word:
        def __init__(self, text):
            self.text = text

        def sin(self):
            return Word(f"sin({self.text})")

        def __mul__(self, other):
            return Word(f"{self.text}*{other}")

        def __rsub__(self, other):
            return Word(f"{other}-{self.text}")

    tree = ["sub", ["num", 2], ["mul", ["sin", ["x", 1]], ["num", 3]]]
    f = Recipe("dual", ([tree, ["num", 4]], 2)).function()
    word, number = f([Word("a"), Word("b")])
    assert word.text == "2-sin(b)*3" and number == 4
    with pytest.raises(TypeError, match="one list of 2 numbers"):
        f(Word("a"))


# --- what keys and answers rely on -----------------------------------------------------------------------------------

ROWS = torch.tensor([[0.7, -1.3], [0.4, 1.6], [-0.2, 0.9]], dtype=torch.float64)


@pytest.mark.parametrize("training", [True, False])
def test_batch_norm_is_the_one_of_torch(training):
    layer = torch.nn.BatchNorm1d(2, affine=False, dtype=torch.float64).train(training)
    f = Recipe("named", ("batch-norm-train" if training else "batch-norm-eval",)).function()
    assert torch.allclose(f(ROWS), layer(ROWS), rtol=1e-12)


@pytest.mark.parametrize(
    "name", ["batch-norm-train", "batch-norm-eval", "centre", "times-total", "cumsum", "tanh", "square"]
)
def test_a_function_of_a_batch_takes_a_batch_of_one_and_every_transform(name):
    f = Recipe("named", (name,)).function()
    assert f(ROWS[:1]).shape == (1, 2)
    assert torch.func.vmap(f)(ROWS).shape == ROWS.shape
    assert torch.allclose(torch.func.jacfwd(f)(ROWS), torch.func.jacrev(f)(ROWS))


@pytest.mark.parametrize("name", ["batch-norm-train", "centre", "times-total", "cumsum"])
def test_what_mixes_rows_does_something_else_to_a_row_by_itself(name):
    f = Recipe("named", (name,)).function()
    alone = torch.cat([f(ROWS[i : i + 1]) for i in range(3)])
    assert (alone - f(ROWS)).abs().max() > 0.1


@pytest.mark.parametrize("fault", Planted.FAULTS)
def test_all_ways_backward_meet_the_planted_fault(fault):
    f, v = Recipe("planted", (fault,)).function(), torch.tensor([0.5, 1.5, -0.7, 0.9], dtype=torch.float64)
    leaf = X.clone().requires_grad_()
    (walked,) = torch.autograd.grad(f(leaf), leaf, v)
    (pulled,) = torch.func.vjp(f, X)[1](v)
    (batched,) = torch.func.vmap(torch.func.vjp(f, X)[1])(v[None])
    right = v @ torch.func.jacfwd(f)(X)
    assert torch.equal(walked, pulled) and torch.allclose(walked, batched[0])
    assert torch.allclose(walked, right) == (fault == "right")


@pytest.mark.parametrize("name", CHECKED)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_right_claim_keeps_dtype_and_shape_and_looks_at_what_arrives(name, dtype):
    f, claim = Recipe("checked", (name,)).function(), Recipe("claimed", (name, "none")).function()
    x = X.to(dtype)
    g = torch.ones_like(f(x))
    once, twice = claim(g, x), claim(2 * g, x)
    assert (once.dtype, once.shape) == (dtype, x.shape) and torch.allclose(twice, 2 * once)
    assert torch.equal(Recipe("claimed", (name, "upstream-ignored")).function()(2 * g, x), once)
    assert Recipe("claimed", (name, "dtype")).function()(g, x).dtype != dtype
    assert (claim.calls, claim.tracked) == (2, 0)


def test_the_jacobian_of_a_function_of_a_list_is_that_of_its_formula():
    x0, x1 = ["x", 0], ["x", 1]
    tree = ["add", ["mul", ["exp", x0], x1], ["sub", ["num", 2.0], ["mul", x1, x1]]]  # exp(a)·b + 2 − b²
    f = Recipe("dual", ([tree], 2)).function()
    a, b = torch.tensor(0.7, dtype=torch.float64), torch.tensor(-1.3, dtype=torch.float64)
    by_a, by_b = torch.func.grad(lambda a, b: f([a, b])[0], argnums=(0, 1))(a, b)
    assert torch.allclose(by_a, a.exp() * b) and torch.allclose(by_b, a.exp() - 2 * b)


def test_rows_of_a_batch_go_through_a_vector_function_independently():
    f = Recipe("vector", ([["mul", ["x", 0], ["x", 1]], ["sin", ["x", 1]], ["num", 4.0]], 2)).function()
    assert torch.equal(f(ROWS), torch.stack([f(row) for row in ROWS]))
    assert torch.equal(f(ROWS)[:, 2], torch.full((3,), 4.0, dtype=torch.float64))


# --- code of ours ----------------------------------------------------------------------------------------------------


def scaled_by(factor, shift):
    def scale(x):
        return factor * x + shift

    return scale


def tiny_model(weight):
    model = nn.Linear(2, 1, bias=False)
    model.weight.data = torch.tensor([weight], dtype=torch.float64)
    return model


def test_code_with_parameters_is_what_it_returns_for_them():
    f = coded(scaled_by, 3.0, -1.0).function()
    assert torch.allclose(f(X), 3 * X - 1) and f.calls == 1


def test_code_that_makes_a_model_arrives_as_a_fresh_model():
    recipe = coded(tiny_model, [0.7, -1.3])
    one, other = recipe.function(), recipe.function()
    assert isinstance(one, nn.Module) and one is not other
    assert torch.allclose(one(X[:2]), 0.7 * X[0] - 1.3 * X[1])


def test_code_loses_its_decorators():
    @staticmethod
    def plain(x):
        return x

    assert coded(plain).function()(7) == 7
