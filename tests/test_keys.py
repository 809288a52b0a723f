"""Every key, with every exercise there is: right answers pass in any style, wrong ones fail and are named."""

import itertools
import math
import os
import re

import numpy as np
import pytest
import sympy
import torch
from torch.autograd import forward_ad, grad

from course_lib.exercise import all_exercises, all_lessons
from course_lib.feedback import plain
from course_lib.judge import LocalSource, Status, judge
from course_lib.questions import Question

EXERCISES = all_exercises()
FEW = int(os.environ.get("COURSE_SEEDS", "5"))  # COURSE_SEEDS=200 pytest tests/test_keys.py hunts for rare failures
HONEST = []  # (exercise, answer): right in the eyes of a teacher


def honest(name):
    """Decorator: this is a right answer to the exercise."""

    def add(answer):
        HONEST.append(pytest.param(name, answer, id=f"{name}-{answer.__name__}"))
        return answer

    return add


def seeds(name):
    """The public seed and some secret ones: few where every seed makes new formulas to differentiate."""
    return ("public", *range(FEW if EXERCISES[name].lesson != "00" else max(20, FEW)))


def leaf_at(a, dtype=torch.float64):
    return torch.tensor(a, dtype=dtype, requires_grad=True)


# --- 0.1 and 0.2 -----------------------------------------------------------------------------------------------------


@honest("twice")
def number_times_tensor(x):
    print("x is", x)
    return 2 * x


@honest("twice")
def added_to_itself(x):
    return x + x


@honest("twice")
def doubled_copy_in_place(x):
    y = x.clone()
    y *= 2
    return y


@honest("twice")
def entry_by_entry(x):
    return torch.stack([value * 2 for value in x])


@honest("twice")
def through_numpy(x):
    return torch.from_numpy(x.numpy() * 2)


@honest("twice")
def list_in_between(x):
    return torch.tensor([2 * value for value in x.tolist()], dtype=x.dtype)


@honest("twice")
def result_that_requires_grad(x):
    return x.detach().clone().requires_grad_() * 2


@honest("outer_sum")
def column_plus_row(a, b):
    return a[:, None] + b


@honest("outer_sum")
def unsqueezed(a, b):
    return a.unsqueeze(1) + b.unsqueeze(0)


@honest("outer_sum")
def rows_stacked(a, b):
    return torch.stack([one + b for one in a])


@honest("outer_sum")
def two_loops_into_float32(a, b):
    table = torch.zeros(len(a), len(b))
    for i in range(len(a)):
        for j in range(len(b)):
            table[i, j] = a[i] + b[j]
    return table


@honest("outer_sum")
def meshgrid(a, b):
    left, right = torch.meshgrid(a, b, indexing="ij")
    return left + right


@honest("outer_sum")
def outer_with_ones(a, b):
    return torch.outer(a, torch.ones_like(b)) + torch.outer(torch.ones_like(a), b)


@honest("outer_sum")
def through_numpy_outer(a, b):
    return torch.tensor(np.add.outer(a.numpy(), b.numpy()))


# --- 1.1 and 1.7: the same slope, in every style ---------------------------------------------------------------------


def by_backward(f, a):
    x = leaf_at(a)
    f(x).backward()
    return x.grad


def by_backward_in_float32(f, a):
    x = torch.tensor(a, requires_grad=True)
    y = f(x)
    y.backward()
    return x.grad


def by_autograd_grad(f, a):
    x = leaf_at(a)
    return grad(f(x), x)[0]


def by_grad_with_graph(f, a):
    x = leaf_at(a)
    (slope,) = grad(f(x), x, create_graph=True)
    return slope


def by_torch_func(f, a):
    return torch.func.grad(f)(torch.tensor(a, dtype=torch.float64))


def by_jacobian(f, a):
    return torch.autograd.functional.jacobian(f, torch.tensor(a, dtype=torch.float64))


def by_jacfwd(f, a):
    return torch.func.jacfwd(f)(torch.tensor(a, dtype=torch.float64))


def by_jvp(f, a):
    one = torch.ones((), dtype=torch.float64)
    return torch.func.jvp(f, (a * one,), (one,))[1]


def by_vjp(f, a):
    y, pull_back = torch.func.vjp(f, torch.tensor(a, dtype=torch.float64))
    return pull_back(torch.ones_like(y))[0]


def by_dual_number(f, a):
    one = torch.ones((), dtype=torch.float64)
    with forward_ad.dual_level():
        return forward_ad.unpack_dual(f(forward_ad.make_dual(a * one, one))).tangent.clone()


def by_vmap_of_grad(f, a):
    return torch.vmap(torch.func.grad(f))(torch.tensor([a], dtype=torch.float64))[0]


def by_vector_of_one(f, a):
    x = torch.tensor([a], dtype=torch.float64, requires_grad=True)
    f(x).sum().backward()
    return x.grad[0]


def by_parameter(f, a):
    x = torch.nn.Parameter(torch.tensor(a, dtype=torch.float64))
    f(x).backward()
    return x.grad


def by_retained_grad(f, a):
    x = leaf_at(a) * 1
    x.retain_grad()
    f(x).backward()
    return x.grad


def with_late_requires_grad(f, a):
    x = torch.tensor(a).double()
    x.requires_grad_()
    f(x).backward()
    return x.grad.clone().detach()


def with_default_dtype_changed(f, a):
    torch.set_default_dtype(torch.float64)
    x = torch.tensor(a, requires_grad=True)
    f(x).backward()
    return x.grad


def with_seed_print_and_threads(f, a):
    torch.manual_seed(0)
    print("slope of", f, "at", a)
    x = torch.tensor(float(a), dtype=torch.double, requires_grad=True)
    y = f(x)
    assert y.requires_grad
    y.backward()
    print(x.grad)
    return x.grad


def with_f_called_twice(f, a):
    x = leaf_at(a)
    print(f(x).item())
    f(x).backward()
    return x.grad


SLOPES = [value for name, value in list(globals().items()) if name.startswith(("by_", "with_"))]
for _slope in SLOPES:
    honest("fix_slope")(_slope)
    honest("slope_at")(_slope)


@honest("slope_at")
def python_float(f, a):
    return by_backward(f, a).item()


@honest("slope_at")
def numpy_scalar(f, a):
    return by_backward(f, a).numpy()[()]


@honest("slope_at")
def numpy_array_without_axes(f, a):
    return by_backward(f, a).numpy()


# --- 1.2 -------------------------------------------------------------------------------------------------------------


@honest("central_diff")
def textbook(f, a, h):
    return (f(a + h) - f(a - h)) / (2 * h)


@honest("central_diff")
def run_measured(f, a, h):
    right, left = a + h, a - h
    return (f(right) - f(left)) / (right - left)


@honest("central_diff")
def mean_of_both_sides(f, a, h):
    return ((f(a + h) - f(a)) / h + (f(a) - f(a - h)) / h) / 2


@honest("central_diff")
def one_call_for_both(f, a, h):
    left, right = f(a + torch.tensor([-h, h], dtype=torch.float64))
    return (right - left) / h / 2


@honest("central_diff")
def without_tracking(f, a, h):
    with torch.no_grad():
        return 0.5 / h * f(a + h) - 0.5 / h * f(a - h)


@honest("central_diff")
def plain_numbers_inside(f, a, h):
    at = a.item()
    return (f(at + h) - f(at - h)) / (2 * h)


@honest("central_diff")
def wrapped_again(f, a, h):
    slope = ((f(a + h) - f(a - h)) / (2 * h)).item()
    return torch.tensor(slope, dtype=torch.float64)


@honest("central_diff")
def still_tracked(f, a, h):
    at = a.clone().requires_grad_()
    return (f(at + h) - f(at - h)) / (2 * h)


# --- 1.3 -------------------------------------------------------------------------------------------------------------


@honest("best_h")
def minimum_with_key(f, fprime, a, dtype):
    point = torch.tensor(a, dtype=dtype)
    return min(
        (10.0**-k for k in range(1, 13)), key=lambda h: abs((f(point + h) - f(point - h)) / (2 * h) - fprime(point))
    )


@honest("best_h")
def loop_with_a_best_so_far(f, fprime, a, dtype):
    best, smallest = None, float("inf")
    x = torch.tensor(a, dtype=dtype)
    for k in range(1, 13):
        h = 10 ** (-k)
        error = torch.abs((f(x + h) - f(x - h)) / h / 2 - fprime(x)).item()
        if error < smallest:
            best, smallest = h, error
    return best


@honest("best_h")
def all_steps_as_one_tensor(f, fprime, a, dtype):
    x, h = torch.tensor(a, dtype=dtype), torch.tensor([10.0**-k for k in range(1, 13)], dtype=dtype)
    return h[((f(x + h) - f(x - h)) / (2 * h) - fprime(x)).abs().argmin()].item()


@honest("best_h")
def tensor_steps_tensor_back(f, fprime, a, dtype):
    x = torch.tensor(a, dtype=dtype)
    steps = [torch.tensor(10.0**-k, dtype=dtype) for k in range(1, 13)]
    errors = [abs((f(x + h) - f(x - h)) / (2 * h) - fprime(x)) for h in steps]
    return steps[int(torch.stack(errors).argmin())]


@honest("best_h")
def measured_against_float64(f, fprime, a, dtype):
    x, true = torch.tensor(a, dtype=dtype), fprime(torch.tensor(a, dtype=torch.float64))
    steps = np.logspace(-1, -12, 12)
    return steps[np.argmin([abs((f(x + h) - f(x - h)).item() / (2 * h) - true.item()) for h in steps])]


@honest("best_h")
def run_measured_for_each_step(f, fprime, a, dtype):
    x = torch.tensor(a, dtype=dtype)

    def error(h):
        right, left = x + h, x - h
        return abs((f(right) - f(left)) / (right - left) - fprime(x)) if right != left else float("inf")

    return min([10**-k for k in range(1, 13)], key=error)


@honest("best_h")
def values_taken_out_first(f, fprime, a, dtype):
    x = torch.tensor(a, dtype=dtype)
    found = {}
    for k in range(1, 13):
        h = 10.0**-k
        found[h] = abs((f(x + h).item() - f(x - h).item()) / (2 * h) - fprime(x).item())
    return min(found, key=found.get)


# --- 1.4 -------------------------------------------------------------------------------------------------------------


@honest("predict_change")
def slope_times_step(f, a, dx):
    return by_backward(f, a).item() * dx


@honest("predict_change")
def float32_slope_times_step(f, a, dx):
    return by_backward_in_float32(f, a) * dx


@honest("predict_change")
def push_forward(f, a, dx):
    at, step = torch.tensor(a, dtype=torch.float64), torch.tensor(dx, dtype=torch.float64)
    return torch.func.jvp(f, (at,), (step,))[1]


@honest("predict_change")
def dx_as_cotangent(f, a, dx):
    x = leaf_at(a)
    f(x).backward(torch.tensor(dx, dtype=torch.float64))
    return float(x.grad)


@honest("predict_change")
def straight_line_minus_start(f, a, dx):
    x = leaf_at(a)
    y = f(x)
    (slope,) = grad(y, x)
    return ((y + slope * dx) - y).item()


# --- 1.5 -------------------------------------------------------------------------------------------------------------


@honest("curve_and_slope")
def sum_and_backward(f, xs):
    x = xs.clone().requires_grad_()
    y = f(x)
    y.sum().backward()
    return y.detach(), x.grad


@honest("curve_and_slope")
def ones_as_gradient(f, xs):
    x = xs.detach().clone().requires_grad_(True)
    y = f(x)
    y.backward(gradient=torch.ones_like(y))
    return [y.detach(), x.grad.detach()]


@honest("curve_and_slope")
def input_itself_tracked(f, xs):
    xs.requires_grad_()
    y = f(xs)
    y.sum().backward()
    return y.detach(), xs.grad.clone()


@honest("curve_and_slope")
def in_float32(f, xs):
    x = xs.float().requires_grad_()
    y = f(x)
    return y.detach(), grad(y.sum(), x)[0]


@honest("curve_and_slope")
def grad_of_a_vector(f, xs):
    x = xs.clone().requires_grad_()
    y = f(x)
    return y.detach(), grad(y, x, torch.ones_like(x))[0]


@honest("curve_and_slope")
def vmap_of_grad(f, xs):
    return f(xs), torch.vmap(torch.func.grad(f))(xs)


@honest("curve_and_slope")
def jvp_along_ones(f, xs):
    return torch.func.jvp(f, (xs,), (torch.ones_like(xs),))


@honest("curve_and_slope")
def diagonal_of_the_jacobian(f, xs):
    return f(xs), torch.autograd.functional.jacobian(f, xs).diagonal()


@honest("curve_and_slope")
def ready_for_matplotlib(f, xs):
    x = xs.clone().requires_grad_()
    y = f(x)
    y.sum().backward()
    return y.detach().numpy(), x.grad.numpy()


# --- 1.6 -------------------------------------------------------------------------------------------------------------


@honest("nth_derivative")
def loop_of_grads(f, a, n):
    x = leaf_at(a)
    y = f(x)
    for _ in range(n):
        (y,) = grad(y, x, create_graph=True)
    return y


@honest("nth_derivative")
def loop_in_float32(f, a, n):
    x = torch.tensor(a, requires_grad=True)
    y = f(x)
    for _ in range(n):
        y = grad(y, x, create_graph=True)[0]
    return y.detach()


@honest("nth_derivative")
def nested_torch_func(f, a, n):
    for _ in range(n):
        f = torch.func.grad(f)
    return f(torch.tensor(a, dtype=torch.float64))


@honest("nth_derivative")
def nested_forward_mode(f, a, n):
    for _ in range(n):
        f = torch.func.jacfwd(f) if n < 4 else torch.func.grad(f)  # four or more forward modes take seconds
    return f(torch.tensor(a, dtype=torch.float64))


@honest("nth_derivative")
def recursion(f, a, n):
    def derivative(g):
        def slope(x):
            return grad(g(x), x, create_graph=True)[0]

        return slope

    return f(leaf_at(a)) if n == 0 else recursion(derivative(f), a, n - 1)


@honest("nth_derivative")
def backward_with_grad_cleared(f, a, n):
    x = leaf_at(a)
    y = f(x)
    for _ in range(n):
        x.grad = None
        y.backward(create_graph=True)
        y = x.grad
    return y


# --- 1.8 -------------------------------------------------------------------------------------------------------------


def slope_and_curvature(f, at, dtype=torch.float64):
    x = torch.tensor(at, dtype=dtype, requires_grad=True)
    (first,) = grad(f(x), x, create_graph=True)
    return first, grad(first, x)[0]


@honest("newton_min")
def floats_in_a_loop(f, a0, steps):
    x = a0
    for _ in range(steps):
        first, second = slope_and_curvature(f, x)
        if second <= 0:
            raise ValueError("no valley here")
        x = x - first.item() / second.item()
    return x


@honest("newton_min")
def everything_in_float32(f, a0, steps):
    x = torch.tensor(a0, requires_grad=True)
    for _ in range(steps):
        (first,) = grad(f(x), x, create_graph=True)
        (second,) = grad(first, x)
        if second.item() <= 0:
            raise ValueError(f"curvature is {second.item()}")
        x = (x - first / second).detach().requires_grad_()
    return x.item()


@honest("newton_min")
def nested_grads_tensor_back(f, a0, steps):
    x = torch.tensor(a0, dtype=torch.float64)
    first, second = torch.func.grad(f), torch.func.grad(torch.func.grad(f))
    for _ in range(steps):
        if not second(x) > 0:
            raise ValueError
        x = x - first(x) / second(x)
    return x


@honest("newton_min")
def one_leaf_moved_in_place(f, a0, steps):
    x = leaf_at(a0)
    for _ in range(steps):
        x.grad = None
        f(x).backward(create_graph=True)
        first = x.grad
        second = grad(first, x)[0]
        if second < 0:
            raise ValueError("bends down")
        with torch.no_grad():
            x -= first / second
    return x.item()


@honest("newton_min")
def graph_never_cut(f, a0, steps):
    x = leaf_at(a0)
    for _ in range(steps):
        first = grad(f(x), x, create_graph=True)[0]
        second = grad(first, x, create_graph=True)[0]
        if second <= 0:
            raise ValueError("bends down")
        x = x - first / second
    return float(x)


@honest("newton_min")
def recursion_to_the_minimum(f, a0, steps):
    if steps == 0:
        return a0
    first, second = slope_and_curvature(f, a0)
    if second <= 0:
        raise ValueError("f″ ≤ 0")
    return recursion_to_the_minimum(f, (a0 - first / second).item(), steps - 1)


@pytest.mark.parametrize("name, answer", HONEST)
def test_a_right_answer_gets_full_points(name, answer):
    for seed in seeds(name):
        verdict = judge(EXERCISES[name], LocalSource(answer), seed=seed)
        assert verdict.passed and verdict.score == verdict.max_score, (seed, verdict)


def test_the_right_order_and_levels_get_full_points():
    for answer in (["D", "B", "E", "C", "A"], ("D", "B", "E", "C", "A")):
        assert judge(EXERCISES["first_backward_order"], LocalSource(answer)).passed
    levels = ("derivatives by hand", "partial derivatives", "chain rule", "matrices", "Python", "PyTorch")
    assert judge(EXERCISES["prior_knowledge"], LocalSource({topic: 3 for topic in levels})).passed


def test_the_right_order_is_right_where_float64_is_the_default():
    torch.set_default_dtype(torch.float64)
    try:
        assert judge(EXERCISES["first_backward_order"], LocalSource(["D", "B", "E", "C", "A"])).passed
    finally:
        torch.set_default_dtype(torch.float32)


def test_the_right_order_is_right_where_the_notebook_switched_gradients_off():
    with torch.no_grad():
        assert judge(EXERCISES["first_backward_order"], LocalSource(["D", "B", "E", "C", "A"])).passed


def test_only_one_order_of_the_five_lines_is_right():
    key = EXERCISES["first_backward_order"]
    right = ["".join(order) for order in itertools.permutations("ABCDE") if judge(key, LocalSource(list(order))).passed]
    assert right == ["DBECA"]


FUNCTIONS = [name for name, exercise in EXERCISES.items() if exercise.kind == "function"]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_right_answer_off_by_a_thousandth_does_not_pass(name):
    right = first_right_answer(name)
    assert not judge(EXERCISES[name], LocalSource(lambda *args: scaled(right(*args), 1.001))).passed


def test_every_function_is_answered_honestly_in_at_least_three_styles():
    styles = [param.values[0] for param in HONEST]
    assert all(styles.count(name) >= 3 for name in FUNCTIONS)


def test_habits_that_are_no_mistakes_earn_advice():
    assert "float32" in judge(EXERCISES["slope_at"], LocalSource(by_backward_in_float32)).advice[0]
    assert "default dtype" in judge(EXERCISES["slope_at"], LocalSource(with_default_dtype_changed)).advice[0]
    assert "xs" in judge(EXERCISES["curve_and_slope"], LocalSource(input_itself_tracked)).advice[0]
    assert judge(EXERCISES["slope_at"], LocalSource(by_backward)).advice == ()


# --- wrong answers ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [name for name, exercise in EXERCISES.items() if exercise.mistakes])
def test_every_mistake_fails_and_is_named(name):
    exercise = EXERCISES[name]
    for seed, mistake in itertools.product(seeds(name), exercise.mistakes):
        verdict = judge(exercise, LocalSource(mistake.make()), seed=seed)
        assert not verdict.passed and verdict.score < exercise.points, (seed, mistake.name)
        # Two wordings of one idea share an id, and the sentence must be the one of the answer that was given.
        assert (verdict.misconception, verdict.sentence) == (mistake.id, mistake.sentence), (seed, mistake.name)


def first_right_answer(name):
    return next(param.values[1] for param in HONEST if param.values[0] == name)


def scaled(value, factor):
    if isinstance(value, tuple | list):
        return type(value)(scaled(entry, factor) for entry in value)
    return factor * value


def of_the_same_kind(value, number):
    """The answer with every number in it replaced."""
    if isinstance(value, tuple | list):
        return type(value)(of_the_same_kind(entry, number) for entry in value)
    return torch.full_like(value, number).detach() if isinstance(value, torch.Tensor) else number


def trivial_answers(name):
    """Answers without a thought behind them: (words, function)."""
    right = first_right_answer(name)
    yield from (
        ("negated", lambda *args: scaled(right(*args), -1)),
        ("doubled", lambda *args: scaled(right(*args), 2)),
        ("first argument", lambda *args: args[0]),
        ("second argument", lambda *args: args[min(1, len(args) - 1)]),
        ("third argument", lambda *args: args[min(2, len(args) - 1)]),
        ("None", lambda *args: print("nothing returned")),
        ("raises", lambda *args: 1 / 0),
        ("raises ValueError", lambda *args: math.sqrt(-1)),
        ("text", lambda *args: "0.7"),
        ("True", lambda *args: True),
        ("zeros like the input", lambda *args: torch.zeros_like(args[-1])),
        ("dots", lambda *args: ...),
    )
    for number in (0.0, 1.0, -1.0, 0.7, math.nan, math.inf, 1e-5, 1e-2, 1e-3):
        yield f"constant {number}", lambda *args, number=number: number
        yield f"{number} in the right shape", lambda *args, number=number: of_the_same_kind(right(*args), number)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_answers_without_a_thought_score_nothing(name):
    for seed, (words, answer) in itertools.product(("public", 1), trivial_answers(name)):
        verdict = judge(EXERCISES[name], LocalSource(answer), seed=seed)
        assert verdict.score == 0, (seed, words, verdict)
        assert verdict.status not in (Status.CORRECT, Status.OPEN, Status.NOT_JUDGED), (seed, words, verdict)


def rounded_slope(f, a):
    return round(by_backward(f, a).item(), 2)


def half_the_step_on_both_sides(f, a, h):
    return (f(a + h / 2) - f(a - h / 2)) / h


def slope_by_autograd(f, a, h):
    return torch.func.grad(f)(a)


def exponent_of_the_step(f, fprime, a, dtype):
    return round(-math.log10(minimum_with_key(f, fprime, a, dtype)))


def cube_root_of_the_unit(f, fprime, a, dtype):
    return torch.finfo(dtype).eps ** (1 / 3)


def step_without_its_sign(f, a, dx):
    return by_backward(f, a).item() * abs(dx)


def sorted_first(f, xs):
    return sum_and_backward(f, xs.sort().values)


def curvature_looked_at_too_late(f, a0, steps):
    for _ in range(steps):
        first, second = slope_and_curvature(f, a0)
        a0 = (a0 - first / second).item()
    if second <= 0:
        raise ValueError("bends down")
    return a0


def none_on_a_hill(f, a0, steps):
    try:
        return floats_in_a_loop(f, a0, steps)
    except ValueError:
        return None


def one_step_too_many(f, a0, steps):
    return floats_in_a_loop(f, a0, steps + 1)


UNLISTED = [  # wrong answers that no mistake covers: (exercise, answer, what the verdict must speak of)
    ("slope_at", rounded_slope, "within a few percent"),
    ("central_diff", half_the_step_on_both_sides, "within a few percent"),
    ("central_diff", slope_by_autograd, "the line through both points"),
    ("best_h", exponent_of_the_step, "a step is one of 0.1"),
    ("best_h", cube_root_of_the_unit, "a step is one of 0.1"),
    ("predict_change", step_without_its_sign, "the predicted change is"),
    ("curve_and_slope", sorted_first, "the height is"),
    ("newton_min", curvature_looked_at_too_late, "a ValueError, because f″ is negative at the start"),
    ("newton_min", none_on_a_hill, "a ValueError, because f″ is negative at the start"),
    ("newton_min", one_step_too_many, "the place after these steps is"),
]


@pytest.mark.parametrize("name, answer, words", UNLISTED, ids=lambda value: getattr(value, "__name__", None))
def test_a_wrong_answer_nobody_thought_of_fails_and_is_not_called_something_else(name, answer, words):
    for seed in seeds(name):
        verdict = judge(EXERCISES[name], LocalSource(answer), seed=seed)
        assert not verdict.passed and verdict.misconception == ""
    assert words in plain(judge(EXERCISES[name], LocalSource(answer)), EXERCISES[name])


def test_the_broken_code_of_a_repair_task_is_open_until_it_is_touched():
    exercise = EXERCISES["fix_slope"]
    assert judge(exercise, LocalSource(exercise.given)).status is Status.OPEN


# --- texts -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", EXERCISES)
def test_an_exercise_says_all_that_a_student_needs(name):
    exercise = EXERCISES[name]
    assert exercise.title and 1 <= exercise.minutes <= 30
    assert re.fullmatch(rf"{int(exercise.lesson)}\.\d+[ab]?", exercise.number)
    assert re.fullmatch(rf"{exercise.lesson}[a-f]", exercise.section)
    assert len(exercise.hints) >= 3 or exercise.points == 0
    assert len(set(exercise.hints)) == len(exercise.hints)
    assert len(exercise.mistakes) >= 4 or exercise.points == 0
    assert all(parameter.isidentifier() for parameter in exercise.parameters)
    assert bool(exercise.parameters) == (exercise.kind == "function")


@pytest.mark.parametrize("name", EXERCISES)
def test_mistakes_have_ids_names_and_sentences_of_their_own(name):
    mistakes = EXERCISES[name].mistakes
    assert all(re.fullmatch(r"[A-F]\d+|[a-z]+(-[a-z]+)*|[A-F]\d+-[a-z]+", mistake.id) for mistake in mistakes)
    assert len({mistake.name for mistake in mistakes}) == len(mistakes)
    assert len({mistake.sentence for mistake in mistakes}) == len(mistakes)
    assert all(mistake.sentence.endswith(".") and len(mistake.sentence) < 250 for mistake in mistakes)


def test_numbers_of_exercises_are_unique():
    numbers = [exercise.number for exercise in EXERCISES.values()]
    assert len(set(numbers)) == len(numbers)


def test_no_hint_holds_a_line_of_a_right_answer():
    """A hint may name a call; a whole expression that could be returned is the answer."""
    solved = {
        "twice": r"2 \* x|x \* 2", "outer_sum": r"a\[:, None\] \+ b", "slope_at": r"\.backward\(\)\s*;",
        "central_diff": r"\(f\(a ?\+ ?h\) ?[-−] ?f\(a ?[-−] ?h\)\) ?/", "best_h": r"return min\(",
        "predict_change": r"slope_at\(f, a\) \* dx", "nth_derivative": r"return y\b", "newton_min": r"first ?/ ?second",
        "first_backward_order": r"D\W*B\W*E\W*C\W*A",
    }  # fmt: skip
    for name, pattern in solved.items():
        assert not re.search(pattern, " ".join(EXERCISES[name].hints)), name


# --- quizzes: every computable answer is computed --------------------------------------------------------------------

QUESTIONS = {id: question for lesson in all_lessons() for id, question in lesson.questions.items()}


def runs(*lines):
    """ "works" or "raises", whichever these lines do."""
    names = {"torch": torch}
    try:
        for line in lines:
            exec(line, names)
    except Exception:
        return "raises"
    return "works"


def leaf_after(*lines):
    names = {"torch": torch}
    for line in lines:
        exec(line, names)
    return names["x"]


X = sympy.Symbol("x")
LEAF = "x = torch.tensor(0.7, requires_grad=True)"
COMPUTED = {
    "00-double": lambda: leaf_after("x = torch.tensor([1.5, -2])", "y = x", "y *= 2")[0].item(),
    "00-broadcast": lambda: tuple((torch.ones(5, 1) + torch.ones(3)).shape),
    "00-dtype": lambda: (torch.tensor(0.1) == torch.tensor(0.1, dtype=torch.float64)).item(),
    "00-exit-shape": lambda: tuple((torch.ones(4, 1, 3) + torch.ones(2, 3)).shape),
    "00-exit-grad": lambda: str(leaf_after(LEAF, "y = x * x").grad),
    "00-exit-verdict": lambda: not judge(EXERCISES["slope_at"], LocalSource(by_backward_in_float32)).passed,
    "01-recall-shape": lambda: (torch.ones(3, 1) + torch.ones(4)).numel(),
    "01-recall-dtype": lambda: torch.finfo(torch.tensor(0.7).dtype).bits,
    "01-recall-grad": lambda: str(leaf_after(LEAF).grad),
    "01-recall-line": lambda: (8 - 2) / (3 - 1),
    "01-recall-power": lambda: sympy.diff(X**3, X).subs(X, 2),
    "01-slope": lambda: leaf_after(LEAF, "y = x**2", "y.backward()").grad.item(),
    "01-twice": lambda: leaf_after(
        "x = torch.tensor(2.0, requires_grad=True)", *2 * ("y = x**2", "y.backward()")
    ).grad.item(),
    "01-typo": lambda: runs("x = torch.tensor(0.7)", "x.require_grad = True", "y = x**2", "y.backward()"),
    "01-late-flag": lambda: runs("x = torch.tensor(0.7)", "y = x**2", "x.requires_grad_()", "y.backward()"),
    "01-zero": lambda: runs(LEAF, "x.grad.zero_()"),
    "01-tiny-h": lambda: ((torch.tensor(1.3) + 1e-8).sin() - torch.tensor(1.3).sin()).item() / 1e-8,
    "01-equal": lambda: (
        leaf_after("x = torch.tensor(0.1, requires_grad=True)", "y = x**3", "y.backward()").grad == 0.03
    ).item(),
    "01-constant": lambda: sympy.diff(3 * X**2, X) != 6 * X,
    "01-flat": lambda: all((t**3 >= 0) for t in (-0.1, 0.1)),  # x³ is flat at 0 and falls below 0 on the left
    "01-corner": lambda: torch.func.grad(torch.relu)(torch.tensor(0.0)).item(),
    "01-second": lambda: leaf_after(
        LEAF, "y = x**3", "y.backward(create_graph=True)", "x.grad.backward()"
    ).grad.item(),
    "01-exit-meaning": lambda: 10 - 2 * 0.1,
    "01-exit-central": lambda: 0.04 / 2**2,
    "01-exit-where": lambda: next(
        name for name, tensor in leaf_and_two_results().items() if tensor.is_leaf and tensor.grad is not None
    ),
}  # fmt: skip


def leaf_and_two_results():
    x = torch.tensor(0.7, requires_grad=True)
    y = x * x
    z = y + 1
    z.backward()
    return {"z": z, "y": y, "x": x}


@pytest.mark.filterwarnings("ignore:Using backward")
@pytest.mark.parametrize("id", COMPUTED)
def test_the_answer_to_a_question_is_what_torch_or_sympy_computes(id):
    right = QUESTIONS[id].kind.right
    if isinstance(right, float | int) and not isinstance(right, bool):
        assert float(COMPUTED[id]()) == pytest.approx(right, abs=1e-6)
    else:
        assert COMPUTED[id]() == right


@pytest.mark.parametrize("id", QUESTIONS)
def test_a_question_is_complete_and_no_slip_is_the_right_answer(id):
    question = QUESTIONS[id]
    assert isinstance(question, Question) and question.text and question.why
    assert not any(question.is_right(slip) for slip in question.slips)
    assert all(question.slip(slip) == sentence for slip, sentence in question.slips.items())
    assert question.is_right(question.read(question.kind.show(question.kind.right)))


def test_the_questions_quoted_slips_are_what_the_other_way_gives():
    """01-corner and 01-second name numbers of other computations."""
    zero = torch.tensor(0.0)
    assert torch.func.grad(lambda t: t.clamp(min=0))(zero) == 1
    assert torch.func.grad(lambda t: torch.maximum(t, torch.tensor(0.0)))(zero) == 0.5
    cube = X**3
    first, second = (float(sympy.diff(cube, X, k).subs(X, 0.7)) for k in (1, 2))
    assert (first, second, first + second, 2 * first) == pytest.approx((1.47, 4.2, 5.67, 2.94))


@pytest.mark.parametrize("lesson", all_lessons(), ids=lambda lesson: lesson.number)
def test_recall_and_exit_tickets_name_questions_that_exist(lesson):
    assert set(lesson.recall) | set(lesson.exit_ticket) <= set(lesson.questions)
    assert len(lesson.exit_ticket) == 3
