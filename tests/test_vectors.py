"""Formulas of a vector: value, Jacobian and Hessian are those of torch and of finite differences, at telling points."""

import random

import numpy as np
import pytest
import sympy
import torch

from course_lib.recipes import VectorFunction
from course_lib.vectors import VectorFormula, fields, maps, point, symbols_of, two_variables

SIZES = [(3, 2), (2, 3), (3, 3), (4, 3), (1, 1), (1, 2)]  # (n, m)
SEEDS = range(20)


def two_outputs():
    x0, x1, x2 = symbols_of(3)
    return VectorFormula([sympy.sin(x0 * x1) + x2**2, x0 / (x1**2 + 1)], 3)


def tensor(x):
    return torch.tensor(x, dtype=torch.float64)


def differences(f, x, h=1e-6):
    """The Jacobian by central differences of the torch function: no autograd, no SymPy."""
    columns = [(f(tensor(x + h * e)) - f(tensor(x - h * e))) / (2 * h) for e in np.eye(len(x))]
    return torch.stack(columns, dim=-1).numpy()


# --- a formula says the same as torch --------------------------------------------------------------------------------


@pytest.mark.parametrize("n, m", SIZES)
def test_the_value_is_that_of_the_torch_function(n, m):
    rng = random.Random(f"{n}{m}")
    f, x = maps(rng, n, m, 1)[0], point(rng, n)
    assert f.value(x).shape == (m,)
    assert np.allclose(f(tensor(x)).numpy(), f.value(x), rtol=1e-13, atol=0)


@pytest.mark.parametrize("n, m", SIZES)
def test_the_jacobian_is_outputs_by_inputs_and_that_of_torch_and_of_differences(n, m):
    rng = random.Random(f"{m}{n}")
    f, x = maps(rng, n, m, 1)[0], point(rng, n)
    assert f.jacobian(x).shape == (m, n)
    assert np.allclose(torch.func.jacrev(f.function())(tensor(x)).numpy(), f.jacobian(x), rtol=1e-12, atol=1e-13)
    assert np.allclose(differences(f.function(), x), f.jacobian(x), atol=1e-8)


@pytest.mark.parametrize("n", [1, 2, 4])
def test_gradient_and_hessian_of_a_scalar_formula_are_those_of_torch(n):
    rng = random.Random(n)
    for f in fields(rng, n, 3):
        x = point(rng, n)
        assert isinstance(f.value(x), float) and f.gradient(x).shape == (n,) and f.hessian(x).shape == (n, n)
        assert f(tensor(x)).shape == () and f(tensor(x)).item() == pytest.approx(f.value(x), rel=1e-13)
        assert np.allclose(torch.func.grad(f.function())(tensor(x)).numpy(), f.gradient(x), rtol=1e-12, atol=1e-13)
        assert np.allclose(torch.func.hessian(f.function())(tensor(x)).numpy(), f.hessian(x), rtol=1e-11, atol=1e-12)
        assert np.allclose(differences(torch.func.grad(f.function()), x), f.hessian(x), atol=1e-8)


def test_a_batch_of_rows_is_computed_row_by_row():
    f, rows = two_outputs(), torch.tensor([[0.7, -1.3, 0.4], [1.6, 0.2, -0.5]], dtype=torch.float64)
    assert torch.equal(f(rows), torch.stack([f(row) for row in rows]))
    assert f(rows).shape == (2, 2) and torch.vmap(f.function())(rows).shape == (2, 2)


def test_the_dtype_of_the_input_is_kept():
    assert two_outputs()(torch.ones(3)).dtype == torch.float32
    assert two_outputs()(torch.ones(3, dtype=torch.float64)).dtype == torch.float64


def test_an_entry_that_is_constant_has_a_value_and_a_gradient_of_zero():
    f = VectorFormula([sympy.Integer(3), symbols_of(2)[1]], 2)
    assert f(tensor([0.7, -1.3])).tolist() == [3, -1.3]
    assert torch.func.jacrev(f.function())(tensor([0.7, -1.3])).tolist() == f.jacobian([0.7, -1.3]).tolist()


@pytest.mark.parametrize("wrong", [torch.ones(2), torch.ones(3, 2), torch.ones(())])
def test_an_input_of_another_shape_is_refused_in_words(wrong):
    with pytest.raises(ValueError, match=r"f takes a tensor of shape \(3,\)"):
        two_outputs()(wrong)


def test_a_list_in_place_of_a_tensor_is_refused_in_words():
    with pytest.raises(TypeError, match="got list"):
        two_outputs()([1.0, 2.0, 3.0])


def test_the_text_is_what_a_student_would_write():
    x0, x1 = symbols_of(2)
    assert VectorFormula(x0 * x1**2, 2).text == "x₀·x₁²"
    assert VectorFormula([x0, x1 / 4], 2).text == "(x₀, 0.25·x₁)"
    assert repr(VectorFormula(x0, 2)) == "VectorFormula(x₀)"
    assert str(symbols_of(12)[11]) == "x₁₁"


def test_a_fresh_function_counts_its_own_calls_and_knows_no_derivative():
    f = two_outputs()
    one, other = f.function(), f.function()
    one(torch.ones(3))
    assert isinstance(one, VectorFunction) and (one.calls, other.calls) == (1, 0)
    assert not any("expr" in name or "jacobian" in name for name in dir(one))


def test_the_recipe_builds_the_same_function():
    f = two_outputs()
    assert f.recipe.text == f.text
    assert torch.equal(f.recipe.function()(torch.ones(3)), f(torch.ones(3)))


# --- generators keep their promises ----------------------------------------------------------------------------------


@pytest.mark.parametrize("n", range(1, 10))
def test_a_point_is_clear_of_zero_one_and_ties_and_has_both_signs(n):
    for seed in range(100):
        x = point(random.Random(seed), n)
        sizes = np.sort(np.abs(x))
        assert x.shape == (n,) and sizes[0] >= 0.35 and sizes[-1] <= 1.5
        assert np.abs(sizes - 1).min() >= 0.03
        assert n == 1 or (np.diff(sizes).min() >= 0.03 and (x > 0).any() and (x < 0).any())


def test_points_differ_from_seed_to_seed_and_are_the_same_for_one_seed():
    first, again, other = (point(random.Random(seed), 3) for seed in (1, 1, 2))
    assert first.tolist() == again.tolist() != other.tolist()


@pytest.mark.parametrize("n, m", [(3, 2), (2, 3), (3, 3), (4, 4)])
def test_maps_have_jacobians_without_structure(n, m):
    for seed in SEEDS:
        rng = random.Random(seed)
        (f,), x = maps(rng, n, m, 1), point(rng, n)
        J = f.jacobian(x)
        assert all(sympy.diff(expr, symbol) != 0 for expr in f.exprs for symbol in f.symbols)
        assert np.median(np.abs(J)) > 0.1 and np.linalg.matrix_rank(J) == min(n, m)
        assert n != m or np.abs(J - J.T).max() > 0.1
        assert all(np.abs(J[i] - J[k]).max() > 0.1 for i in range(m) for k in range(i))


@pytest.mark.parametrize("n", [1, 2, 3, 4])
def test_fields_have_gradients_that_are_not_tiny_and_entries_that_differ(n):
    for seed in SEEDS:
        rng = random.Random(seed)
        for f in fields(rng, n, 3):
            gradient = f.gradient(point(rng, n))
            assert np.linalg.norm(gradient) > 0.2
            assert n == 1 or np.ptp(gradient) > 0.05


def test_fields_couple_their_entries():
    for f in fields(random.Random(3), 3, 3):
        hessian = f.hessian(point(random.Random(4), 3))
        assert all(abs(hessian[i, j]) > 1e-3 for i in range(3) for j in range(3) if i != j)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_two_partials_of_a_formula_differ_and_neither_is_zero(seed):
    formulas = two_variables(random.Random(seed), 5)
    assert len({f.text for f in formulas}) == 5
    for f in formulas:
        du, dv = (f.derivative(1.3, -0.7, by=by) for by in (0, 1))
        assert min(abs(du), abs(dv), abs(du - dv)) > 0.1
        assert min(abs(f.value(1.3, -0.7) - slope) for slope in (du, dv)) > 0.05  # a height is no slope
