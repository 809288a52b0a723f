"""An X-ray shows the row at which a wrong backward, a NaN, a cut or a silent factor enters, and touches nothing."""

import re

import pytest
import torch

from course_lib import xray
from course_lib.xrays import MOST_ROWS

AT = torch.tensor([0.7, -1.3, 0.4], dtype=torch.float64)


class Halved(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return torch.sin(x) * 2 / 2  # inner operations are nobody's rows

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return g * torch.cos(x) / 2


class Twice(torch.autograd.Function):
    @staticmethod
    def forward(x):
        return 2 * x

    @staticmethod
    def setup_context(ctx, inputs, output):
        pass

    @staticmethod
    def backward(ctx, g):
        return 2 * g


def right(x):
    a = torch.tanh(x)
    b = a * x
    return b.sum()


def wrong_backward(x):
    a = x * x
    b = Halved.apply(a)
    c = b * x
    return c.sum()


def right_custom(x):
    a = Twice.apply(x)
    return (a * a).sum()


def cut_by_item(x):
    a = (x * x).sum()
    return a.item() * x.sum()


def cut_by_tensor(x):
    parts = torch.tensor([x[0] * x[1], x[2] ** 2])
    return parts.sum()


def cut_by_no_grad(x):
    with torch.no_grad():
        a = 3 * x
    return (a * x).sum()


def edited(x):
    a = x * 1.0
    b = a * a
    a.data.mul_(10)
    return b.sum()


def nan_back(x):
    a = torch.relu(x)
    b = torch.log(a)
    return torch.where(a > 0, b, torch.zeros_like(b)).sum()


def nan_forward(x):
    a = x - x
    b = a / a
    return (b * x).sum()


def test_a_right_function_has_ratio_one_everywhere():
    ray = xray(right, AT)
    assert ray.culprit is None and [row.compared for row in ray.rows] == ["1"] * 4
    assert xray(right_custom, AT).culprit is None


@pytest.mark.parametrize("f, name, state", [
    (wrong_backward, "a", "off"), (cut_by_item, "a", "cut"), (cut_by_tensor, "parts", "cut"), (cut_by_no_grad, "a", "cut"),
    (edited, "a", "off"), (nan_back, "a", "not finite back"), (nan_forward, "b", "not finite"),
])
def test_the_row_where_the_first_discrepancy_enters_is_found(f, name, state):
    ray = xray(f, AT)
    culprit = ray[ray.culprit]
    assert (culprit.name.split(" = ")[0], culprit.state) == (name, state), repr(ray)
    assert all(row.state in ("ok", "not finite") for row in ray.rows[ray.culprit + 1 :])
    assert f"ow {culprit.number}, {culprit.name}" in ray.finding


def test_ratios_are_those_of_the_faults():
    assert xray(wrong_backward, AT)["a"].ratio == pytest.approx(0.5, rel=1e-6)
    assert xray(edited, AT)["a"].ratio == pytest.approx(10, rel=1e-6)
    assert xray(edited, AT)["a"].compared == "10"


def test_gradient_norms_are_autograds():
    x = AT.clone().requires_grad_()
    a = torch.tanh(x)
    (gx, ga) = torch.autograd.grad((a * x).sum(), (x, a))
    ray = xray(right, AT)
    assert [ray["x"].gradient, ray["a"].gradient] == pytest.approx([gx.norm().item(), ga.norm().item()])


def test_a_cast_shows_in_dtype_and_leaf():
    ray = xray(lambda x: (x.double() ** 2).sum(), AT.float())
    assert [(row.dtype, row.kind) for row in ray.rows[:2]] == [("float32", "leaf"), ("float64", "result")]
    assert ray.culprit is None


def test_shapes_that_stretch_each_other_are_pointed_at():
    target = torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64)
    ray = xray(lambda p: ((p - target) ** 2).mean(), AT[:, None])
    assert "shapes (3, 1) and (3,) were both stretched to (3, 3)" in repr(ray) and ray.culprit is None
    assert "stretched" not in repr(xray(lambda p: ((p[:, 0] - target) ** 2).mean(), AT[:, None]))


def test_zeros_like_and_conditions_are_no_cuts():
    ray = xray(lambda x: torch.where(x > 0, x * x, torch.zeros_like(x)).sum(), AT)
    assert ray.culprit is None, repr(ray)


def test_a_detached_branch_is_shown_as_the_end_of_the_graph():
    assert xray(lambda x: (x * x.detach()).sum(), AT)["detach"].state == "cut"
    assert xray(lambda x: (x + x.detach() * 0).sum(), AT).culprit is None


def test_a_kink_is_said_and_not_blamed():
    ray = xray(lambda x: torch.relu(x).sum(), torch.zeros(2, dtype=torch.float64))
    assert ray.culprit is None and "kink" in ray.rows[0].note


def test_a_model_is_taken_with_its_parameters_and_its_running_statistics_stay():
    torch.nn.init.normal_(torch.empty(1))
    model = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4), torch.nn.Dropout(0.5), torch.nn.Tanh())
    before, state = {key: value.clone() for key, value in model.state_dict().items()}, torch.get_rng_state()
    ray = xray(model, torch.randn(5, 3, generator=torch.Generator().manual_seed(0)))
    assert ray.culprit is None and ray["0.weight"].kind == "leaf", repr(ray)
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("f", [right, edited, wrong_backward, nan_back, lambda x: x.data.mul_(3).sum()])
def test_the_callers_tensors_stay_as_they_are(f):
    x = AT.clone().requires_grad_()
    w = x * 1
    w.retain_grad()
    xray(lambda x: f(x) + (w * w).sum(), x)
    assert torch.equal(x.detach(), AT) and x.grad is None and w.grad is None
    plain = AT.clone()
    xray(f, plain)
    assert torch.equal(plain, AT) and not plain.requires_grad


def test_several_leaves_by_name_and_a_result_of_several_numbers():
    ray = xray(lambda x, w: w * x, w=2.0, x=AT)
    assert {"x", "w"} <= {row.name for row in ray.rows} and ray.culprit is None


def test_what_stops_backward_is_said():
    def overwritten(x):
        a = torch.exp(x)
        a.add_(1)
        return a.sum()

    assert "changed in place" in repr(xray(overwritten, AT))


def test_a_function_of_plain_numbers_ends_where_it_leaves_torch():
    ray = xray(lambda x: float(x.sum()) ** 2, AT)
    assert ray["sum"].state == "cut" and "not tracked" in repr(ray)


@pytest.mark.parametrize("f, error, words", [
    (3, TypeError, "expected a function"), (lambda x: "text", TypeError, "must return one tensor"),
    (lambda x: x @ torch.ones(7), ValueError, "f raised RuntimeError"),
    (lambda x: sum(x.sum() for _ in range(MOST_ROWS)), ValueError, "40 at most"),
])
def test_what_cannot_be_looked_into_is_refused_in_a_sentence(f, error, words):
    with pytest.raises(error, match=words):
        xray(f, AT)


def test_text_and_page_say_the_same():
    ray = xray(wrong_backward, AT)
    text, page = repr(ray), re.sub(r"<[^>]+>", " ", ray._repr_html_().replace("<wbr>", ""))
    for row in ray.rows:
        number, name, shape, dtype, leaf, *rest = row.cells
        assert all(cell in text for cell in row.cells)
        assert all(cell in page for cell in (number, name, f"{shape}, {dtype}", *rest))
        assert (f"{name}, a leaf" in page) == (leaf == "yes")
    assert ray.finding in text and ray.finding in page
    assert text.count("→") == page.count("→") == 1


def test_the_page_is_a_table_for_screen_readers_and_takes_the_colours_of_the_page():
    page = xray(right, AT)._repr_html_()
    assert page.count('scope="col"') == 6 and page.count('scope="row"') == 4 and "<caption" in page
    assert "color" not in page


def test_names_that_look_like_html_are_escaped():
    assert "<lambda>" not in xray(lambda x: (x < 3) * x, AT)._repr_html_()
