"""One call of a student's function becomes plain data: what came back, what went wrong, what was left behind."""

import functools
import sys
import warnings
from collections import namedtuple
from enum import StrEnum
from pathlib import Path

import numpy as np
import pytest
import sympy
import torch

from course_lib.formula import Formula, x
from course_lib.functions import TorchFunction
from course_lib.observe import (
    Array,
    Driver,
    Dtype,
    Failure,
    Leaf,
    Other,
    Printed,
    describe,
    explain_failure,
    home_of,
    instructions,
    is_untouched,
    observe,
    weights,
)
from course_lib.recipes import coded

VALUES = np.array([0.7, -1.3])


class ListOfTheirs(list):
    pass


def student(source, name="answer"):
    """A function as a notebook cell would define it, with a file name of its own."""
    names = {"torch": torch, "np": np}
    exec(compile(source, "<cell>", "exec"), names)
    return names[name]


# --- questions arrive fresh ------------------------------------------------------------------------------------------


def test_arguments_arrive_as_what_a_student_expects():
    seen = []
    observe(
        lambda *args: seen.extend(args), (VALUES, Dtype("float32"), Formula(x**2, x), [VALUES, 3], {"k": VALUES}, "t")
    )
    tensor, dtype, function, pair, table, text = seen
    assert tensor.dtype == torch.float64 and tensor.tolist() == VALUES.tolist() and not tensor.requires_grad
    assert dtype is torch.float32 and text == "t"
    assert isinstance(function, TorchFunction) and function(torch.tensor(3.0)) == 9
    assert isinstance(pair[0], torch.Tensor) and pair[1] == 3 and isinstance(table["k"], torch.Tensor)


def test_a_question_can_be_asked_again_after_its_tensor_was_overwritten():
    question = (VALUES.copy(),)
    observe(lambda t: t.mul_(100), question)
    assert question[0].tolist() == VALUES.tolist()
    assert observe(lambda t: t, question).value.numbers.tolist() == VALUES.tolist()


# --- traces ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [
        "t *= 2",
        "t[0] = 5",
        "t.data.zero_()",
        "t.requires_grad_()",
        "t.numpy()[0] = 9",
        "t.resize_(1)",
        "t[0] = float('nan')",
    ],
)
def test_a_changed_input_is_noticed(body):
    assert observe(student(f"def answer(s, t):\n    {body}"), (VALUES, VALUES)).changed == (1,)


@pytest.mark.parametrize(
    "body", ["t * 2", "t.clone().mul_(2)", "t.detach().sum()", "t.view(-1)", "t.clone().requires_grad_()"]
)
def test_an_input_that_was_only_read_counts_as_unchanged(body):
    reply = observe(student(f"def answer(t):\n    return {body}"), (np.array([0.7, np.nan]),))
    assert (reply.changed, reply.left_grad) == ((), ())


@pytest.mark.parametrize("values", [np.array([1, 2]), np.array([True, False]), np.array(0.7), np.zeros((2, 0))])
def test_inputs_of_every_kind_can_be_watched(values):
    assert observe(lambda t: t, (values,)).changed == ()


def test_a_grad_left_on_an_input_is_noticed():
    def answer(t):
        t.requires_grad_()
        (t**2).sum().backward()
        return t.grad

    assert observe(answer, (VALUES,)).left_grad == (0,)


def test_calls_of_f_are_counted_and_autograd_is_noticed():
    f = Formula(x**2, x)
    reply = observe(lambda f, a: f(torch.tensor(a)) + f(torch.tensor(a, requires_grad=True)), (f, 0.7))
    assert (reply.calls, reply.tracked) == (2, 1)


def test_a_changed_default_dtype_is_put_back_and_told():
    reply = observe(lambda: torch.set_default_dtype(torch.float64), ())
    assert reply.global_change == "default dtype"
    assert torch.get_default_dtype() == torch.float32
    assert observe(lambda: None, ()).global_change == ""


def test_gradients_work_even_where_a_notebook_switched_them_off():
    with torch.no_grad():
        assert observe(lambda: torch.ones((), requires_grad=True) * 2, ()).value.requires_grad


def test_only_user_warnings_are_kept_and_each_time():
    def answer():
        warnings.warn("look here", UserWarning, stacklevel=1)
        warnings.warn("old", DeprecationWarning, stacklevel=1)

    for _ in range(2):
        assert observe(answer, ()).warnings == ("look here",)


def test_prints_are_kept_short_and_out_of_the_notebook(capsys):
    reply = observe(lambda: print("y" * 10_000), ())
    assert set(reply.printed) == {"y"} and len(reply.printed) < 1000
    assert capsys.readouterr().out == ""


# --- what goes wrong -------------------------------------------------------------------------------------------------


def test_an_exception_points_at_the_students_own_line(tmp_path):
    cell = tmp_path / "cell.py"
    source = "import torch\n\ndef answer(t):\n    y = t + 1\n    return torch.matmul(y, torch.ones(5))\n"
    cell.write_text(source)
    names = {}
    exec(compile(source, str(cell), "exec"), names)
    failure = observe(names["answer"], (np.ones(3, dtype="float32"),)).failure
    assert (failure.type, failure.line, failure.code) == ("RuntimeError", 5, "return torch.matmul(y, torch.ones(5))")


def test_an_exception_inside_a_library_points_at_the_line_that_called_it():
    failure = observe(own_line_in_this_file, ()).failure
    assert failure.type == "RuntimeError"
    assert "torch.func.grad" in failure.code
    assert failure.line == own_line_in_this_file.__code__.co_firstlineno + 1


def own_line_in_this_file():
    return torch.func.grad(lambda t: t * 2)(torch.ones(3))


@pytest.mark.parametrize(
    "body, kind",
    [
        ("sys.exit(3)", "SystemExit"), ("raise KeyError('k')", "KeyError"), ("return answer()", "RecursionError"),
        ("exec('1 +')", "SyntaxError"), ("return undefined", "NameError"), ("raise Odd", "Odd"),
        ("assert False", "AssertionError"),
    ],
)  # fmt: skip
def test_no_exception_of_a_student_gets_out(body, kind):
    odd = "class Odd(Exception):\n    def __str__(self):\n        raise ValueError\n"
    reply = observe(student(f"import sys\n{odd}\ndef answer():\n    {body}"), ())
    assert (reply.failure.type, reply.value) == (kind, None)


def test_an_exception_in_a_callable_without_code_shows_no_line_of_ours():
    failure = observe(functools.partial(torch.mul, 2), ("x",)).failure
    assert failure.type == "TypeError" and "describe" not in failure.code


def test_a_wrong_number_of_arguments_is_a_failure():
    failure = observe(lambda a, b: a, (1,)).failure
    assert failure.type == "TypeError" and "positional argument" in failure.message
    assert (failure.line, failure.code) == (None, "")  # a line of ours would only confuse


def test_long_messages_are_cut():
    def answer():
        raise ValueError("z" * 100_000)

    assert len(observe(answer, ()).failure.message) < 1000


def test_ctrl_c_is_left_alone():
    def answer():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        observe(answer, ())


def test_an_error_without_a_traceback_can_be_explained():
    assert explain_failure(ValueError("no frames")) == Failure(type="ValueError", message="no frames")


# --- answers as data -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [None, True, 3, 0.7, "text", [1, 2.0], (1, "a"), {"k": [None]}, [[], ()]])
def test_plain_values_stay_as_they_are(value):
    described = describe(value)
    assert described == value and type(described) is type(value)


class Word(StrEnum):
    LEAF = "leaf"


@pytest.mark.parametrize(
    "value, plain",
    [
        (namedtuple("Pair", "u v")(0.7, "a"), (0.7, "a")), (torch.Size([2, 3]), (2, 3)),
        (ListOfTheirs([1, None]), [1, None]), (np.str_("leaf"), "leaf"), (Word.LEAF, "leaf"), ([np.str_("a")], ["a"]),
    ],
)  # fmt: skip
def test_a_kind_of_tuple_list_or_text_is_one(value, plain):
    described = describe(value)
    assert described == plain and type(described) is type(plain)


@pytest.mark.parametrize(
    "value, kind, dtype",
    [
        (torch.tensor([0.5, 2.0]), "tensor", "float32"),
        (torch.tensor([0.5, 2.0], dtype=torch.bfloat16), "tensor", "bfloat16"),
        (torch.tensor([0.5, 2.0], requires_grad=True) * 1, "tensor", "float32"),
        (torch.nn.Parameter(torch.tensor([0.5, 2.0])), "tensor", "float32"),
        (np.array([0.5, 2.0]), "ndarray", "float64"),
        (torch.tensor([1, 2]), "tensor", "int64"),
        (np.float32(0.5), "scalar", "float32"),
        (torch._neg_view(torch.tensor([0.5, 2.0])), "tensor", "float32"),
        (torch._efficientzerotensor(2), "tensor", "float32"),
    ],
)
def test_tensors_and_arrays_become_numbers_of_their_own(value, kind, dtype):
    described = describe(value)
    assert (type(described), described.kind, described.dtype) == (Array, kind, dtype)
    expected = value.detach().double().numpy(force=True) if isinstance(value, torch.Tensor) else value
    assert np.array_equal(described.numbers, expected) and described.numbers.shape == np.shape(expected)
    assert described.requires_grad == getattr(value, "requires_grad", False)


def test_numbers_are_a_copy():
    tensor = torch.zeros(2)
    described = describe([tensor])[0]
    tensor += 1
    assert described.numbers.tolist() == [0, 0]


class Unshowable:
    def __repr__(self):
        raise RuntimeError("no repr")


@pytest.mark.parametrize(
    "value, kind",
    [
        (object(), "object"), (lambda: 0, "function"), (..., "ellipsis"), ({1, 2}, "set"), (1j, "complex"),
        (Unshowable(), "Unshowable"), (torch.tensor(1j), "tensor of complex64"), (np.array(["a"]), "ndarray"),
        (torch.ones(2, 2).to_sparse(), "tensor of float32"), (type("Mine", (float,), {})(2), "Mine"),
    ],
)  # fmt: skip
def test_everything_else_is_a_name_and_a_short_text(value, kind):
    described = describe(value)
    assert isinstance(described, Other) and described.type == kind and len(described.text) <= 120


def test_deep_nests_end_and_long_texts_are_cut():
    deep = []
    for _ in range(5000):
        deep = [deep]
    assert "Other" in repr(describe(deep))
    assert len(describe("t" * 10_000)) < 1000


# --- stubs -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    ["...", "pass", '"""Only a docstring."""', '"""Docstring."""\n    ...', "# TODO\n    ...", "return None", "return"],
)
def test_an_empty_body_is_untouched(body):
    assert is_untouched(student(f"def answer(f, a):\n    {body}\n"))


@pytest.mark.parametrize(
    "body", ["return 0", "return f", "x = 1", "print(a)", "raise NotImplementedError", "return ''"]
)
def test_a_body_that_does_anything_is_not(body):
    assert not is_untouched(student(f"def answer(f, a):\n    {body}\n"))


@pytest.mark.parametrize("decorator", ["contextlib.contextmanager", "torch.no_grad()"])
def test_an_empty_body_under_a_decorator_is_untouched(decorator):
    imports = "import contextlib\nimport torch\n"
    assert is_untouched(student(f"{imports}@{decorator}\ndef answer():\n    ...\n"))
    assert not is_untouched(student(f"{imports}@{decorator}\ndef answer():\n    yield\n"))


@pytest.mark.parametrize("body, untouched", [
    ("...", True), ("def f(self): ...", True), ("requires_grad = True", False), ("__init__ = len", False),
    ("x = 1\n    def f(self): ...", True),
])  # fmt: skip
def test_a_class_that_only_names_something_is_touched(body, untouched):
    assert is_untouched(student(f"class answer:\n    {body}\n")) is untouched


def test_the_home_of_a_decorated_function_is_where_it_was_written():
    assert home_of(student("import contextlib\n@contextlib.contextmanager\ndef answer():\n    yield\n")) == "<cell>"


@pytest.mark.parametrize("value", [..., None, {"a": ..., "b": ...}])
def test_a_value_of_dots_is_untouched(value):
    assert is_untouched(value)


@pytest.mark.parametrize("value", [0, "", [], {}, {"a": ..., "b": 1}, torch.sin, Formula(x, x), ["A"]])
def test_a_value_that_was_typed_is_not(value):
    assert not is_untouched(value)


GIVEN = "def broken(f, a):\n    x = torch.tensor(int(a), requires_grad=True)\n    return [g for g in f(x)]\n"


def test_given_code_is_untouched_under_another_name_docstring_and_layout():
    same = GIVEN.replace("broken(f, a):", 'answer(f, a):\n    """Repair me."""\n\n    # three faults')
    assert is_untouched(student(same), GIVEN)
    assert is_untouched(student("import torch\n" + same), GIVEN)


def test_given_code_with_a_loop_is_untouched_whatever_its_cell_imports():
    """Calls through an imported name are compiled to other sizes, so jumps go to other bytes."""
    given = "def broken(x):\n    for _ in range(3):\n        x = torch.sin(x) if x > 0 else torch.cos(x)\n    return x\n"
    assert is_untouched(student("import torch\n" + given, "broken"), given)
    assert is_untouched(student(given, "broken"), given)
    assert not is_untouched(student(given.replace("range(3)", "range(4)"), "broken"), given)


@pytest.mark.parametrize(
    "old, new",
    [("int(a)", "a"), ("requires_grad=True", "requires_grad=False"), ("requires_grad", "dtype"), ("g for", "-g for")],
)
def test_given_code_with_one_word_changed_is_touched(old, new):
    assert not is_untouched(student(GIVEN.replace(old, new), "broken"), GIVEN)


def test_instructions_know_the_names_of_keyword_arguments():
    one, other = (student(f"def answer():\n    return max([], {word}=1)").__code__ for word in ("key", "default"))
    assert instructions(one) != instructions(other)


def test_observing_needs_neither_sympy_nor_the_keys():
    """The sandbox of the grader has neither."""
    import subprocess

    code = "import sys, course_lib.observe; print([m for m in sys.modules if 'sympy' in m or 'course_lib.' in m])"
    root = Path(__file__).parent.parent
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=root, check=True)
    # torch itself loads SymPy only when it compiles.
    assert "keys" not in done.stdout and "formula" not in done.stdout and "judge" not in done.stdout


def test_a_formula_with_two_symbols_can_be_asked_about():
    y = sympy.Symbol("y", real=True)
    assert observe(lambda f: f(torch.tensor(2.0), torch.tensor(3.0)), (Formula(x * y, x, y),)).value.numbers == 6


# --- tracked inputs and their gradients ------------------------------------------------------------------------------


def test_a_leaf_arrives_tracked_and_fresh_each_time():
    seen = []
    question = (Leaf(VALUES),)
    for _ in range(2):
        observe(lambda t: seen.append(t), question)
    one, other = seen
    assert one.requires_grad and one.is_leaf and one.dtype == torch.float64 and one.tolist() == VALUES.tolist()
    assert one is not other and one.data_ptr() != other.data_ptr()
    assert observe(lambda t: None, (Leaf(np.array(0.7)),)).changed == ()


def test_the_gradient_of_a_number_comes_back_for_each_leaf():
    reply = observe(lambda a, k, b: (a * b).sum() * k, (Leaf(VALUES), 3.0, Leaf(2 * VALUES)))
    by_a, by_b = reply.grads
    assert reply.grad_failure is None and reply.left_grad == ()
    assert np.allclose(by_a.numbers, 6 * VALUES) and np.allclose(by_b.numbers, 3 * VALUES)


def test_an_answer_that_is_no_number_is_weighted_unequally():
    (found,) = observe(lambda t: t * t, (Leaf(VALUES),)).grads
    assert np.allclose(found.numbers, weights((2,)) * 2 * VALUES)
    (summed,) = observe(lambda t: (t * t)[None, :], (Leaf(VALUES),)).grads
    assert np.allclose(summed.numbers, weights((1, 2)).ravel() * 2 * VALUES)


@pytest.mark.parametrize("shape", [(), (1,), (5,), (2, 3), (0,), (4, 1, 2)])
def test_weights_have_the_shape_and_are_unequal_and_positive(shape):
    made = weights(shape)
    assert made.shape == shape and np.all((made >= 0.6) & (made <= 1.4))
    assert made.size < 2 or len(np.unique(made)) == made.size
    assert made.size != 1 or made.item() == 1


@pytest.mark.parametrize(
    "body",
    ["t.detach() * 2", "torch.ones(2)", "2.0", "None", "[t * 2]", "torch.tensor(t.tolist(), requires_grad=True)",
     "(t > 0)", "t.data ** 2"],
)  # fmt: skip
def test_an_answer_without_a_way_back_has_no_gradient_and_is_no_failure(body):
    reply = observe(student(f"def answer(t):\n    return {body}"), (Leaf(VALUES),))
    assert (reply.grads, reply.grad_failure, reply.failure) == ((None,), None, None)


def test_a_leaf_that_is_not_used_has_no_gradient_and_the_other_has():
    by_a, by_b = observe(lambda a, b: a * 2, (Leaf(VALUES), Leaf(VALUES))).grads
    assert by_b is None and np.allclose(by_a.numbers, 2 * weights((2,)))


def test_walking_back_that_raises_is_told_and_the_value_is_kept():
    reply = observe(student("def answer(t):\n    e = t.exp()\n    y = e.sum()\n    e += 1\n    return y"), (Leaf(VALUES),))
    assert reply.failure is None and reply.value.numbers == pytest.approx(np.exp(VALUES).sum())
    assert reply.grads == (None,) and "modified by an inplace operation" in reply.grad_failure.message


def test_a_graph_that_the_answer_has_used_up_is_told():
    body = "def answer(t):\n    y = (t * t).sum()\n    y.backward()\n    return y"
    reply = observe(student(body), (Leaf(VALUES),))
    assert "a second time" in reply.grad_failure.message and reply.left_grad == (0,)


def test_without_a_leaf_nothing_is_walked_back():
    reply = observe(lambda t: t.requires_grad_() * 2, (VALUES,))
    assert (reply.grads, reply.grad_failure) == ((), None)


@pytest.mark.parametrize("body, changed", [
    ("t * 2", ()), ("t.data.mul_(2)", (0,)), ("t.requires_grad_(False)", (0,)), ("t.detach_()", (0,)),
    ("t.detach().requires_grad_()", ()), ("t.clone().mul_(2)", ()),
])  # fmt: skip
def test_a_tracked_input_counts_as_changed_by_its_numbers_and_its_flag(body, changed):
    assert observe(student(f"def answer(t):\n    return {body}"), (Leaf(VALUES),)).changed == changed


# --- what an answer may not leave behind -----------------------------------------------------------------------------


def warns_once_per_process():
    return float(torch.tensor(0.7, requires_grad=True))


def test_a_warning_that_torch_gives_once_is_told_each_time():
    before = torch.is_warn_always_enabled()
    told = [observe(warns_once_per_process, ()).warnings for _ in range(2)]
    assert all("Converting a tensor" in text for (text,) in told)
    assert torch.is_warn_always_enabled() == before


def test_a_raised_limit_on_recursion_ends_with_the_answer():
    def answer():
        sys.setrecursionlimit(50_000)
        return sys.getrecursionlimit()

    before = sys.getrecursionlimit()
    assert observe(answer, ()).value == 50_000 and sys.getrecursionlimit() == before


def test_the_kinds_of_an_exception_are_kept():
    class Circle(ValueError):
        pass

    def answer():
        raise Circle("round")

    failure = observe(answer, ()).failure
    assert (failure.type, failure.bases) == ("Circle", ("ValueError", "Exception"))
    assert observe(lambda: 1 / 0, ()).failure.bases == ("ArithmeticError", "Exception")


# --- prints ----------------------------------------------------------------------------------------------------------


def test_printed_keeps_the_beginning_and_says_that_all_was_written():
    printed = Printed()
    assert printed.write("a" * 400) == 400 and printed.write("b" * 10_000) == 10_000 and printed.write("c") == 1
    text = printed.getvalue()
    assert text.startswith("a" * 400 + "b") and "c" not in text and len(text) < 2000


def test_prints_before_an_exception_are_kept():
    reply = observe(student("def answer():\n    print('so far')\n    return 1 / 0"), ())
    assert (reply.printed, reply.failure.type) == ("so far\n", "ZeroDivisionError")


# --- answers that are used -------------------------------------------------------------------------------------------

COUNTER = """
class Counter:
    def __init__(self, start):
        self.count = start

    def step(self, by):
        self.count = self.count + by
        return 1 / self.count
"""


def two_steps(counter_class, start, by):
    counter = counter_class(start)
    return [counter.step(one) for one in by]


def test_a_driver_uses_a_class_and_returns_plain_data():
    reply = observe(student(COUNTER, "Counter"), (Driver(coded(two_steps)), 1.0, [1.0, 2.0]))
    assert reply.value == [0.5, 0.25]


def test_a_failure_under_a_driver_points_at_the_line_of_the_class():
    reply = observe(student(COUNTER, "Counter"), (Driver(coded(two_steps)), 1.0, [-1.0, 2.0]))
    assert reply.failure.type == "ZeroDivisionError" and reply.failure.line == 8


def fill_and_report(function, numbers):
    function(numbers)
    return numbers


def test_a_driver_gets_fresh_tensors_and_tells_of_changes_itself():
    numbers = VALUES.copy()
    reply = observe(lambda t: t.zero_(), (Driver(coded(fill_and_report)), numbers))
    assert reply.value.numbers.tolist() == [0, 0] and reply.changed == () and numbers.tolist() == VALUES.tolist()


STUB = "class Counter:\n    \"words\"\n\n    def __init__(self, start):\n        ...\n\n    def step(self, by):\n        ...\n"


def test_a_class_is_untouched_while_its_methods_do_nothing():
    assert is_untouched(student(STUB, "Counter")) and not is_untouched(student(COUNTER, "Counter"))
    begun = STUB.replace("start):\n        ...", "start):\n        self.start = start")
    assert not is_untouched(student(begun, "Counter"))


def test_a_class_to_repair_is_untouched_while_it_is_as_given():
    assert is_untouched(student(COUNTER, "Counter"), COUNTER)
    assert not is_untouched(student(COUNTER.replace("1 /", "2 /"), "Counter"), COUNTER)


GIVEN_WITH_A_LOOP_AND_A_CLASS = '''
def made(sizes):
    class Net(torch.nn.Module):
        def forward(self, x):
            for size in sizes:
                x = x.sin() if size else x
            return x

    return [Net() for _ in sizes]
'''


@pytest.mark.parametrize("before", ["", "import torch\n", "import torch.nn as nn\nfrom torch import nn\n"])
@pytest.mark.parametrize("name", ["made", "fix_made"])
def test_given_code_with_loops_and_inner_classes_is_untouched_under_any_name_and_beside_any_import(before, name):
    names = {}
    source = GIVEN_WITH_A_LOOP_AND_A_CLASS.replace("def made", f"def {name}")
    exec(before + source.replace("torch.nn", "nn" if "as nn" in before else "torch.nn"), names | {"torch": torch}, names)
    given = GIVEN_WITH_A_LOOP_AND_A_CLASS.replace("torch.nn", "nn" if "as nn" in before else "torch.nn")
    assert is_untouched(names[name], given)
    changed = {}
    exec(before + source.replace("x.sin()", "x.cos()"), {"torch": torch}, changed)
    assert not is_untouched(changed[name], given)


def test_waiting_is_no_computing():
    answer = student("import time\ndef answer():\n    time.sleep(0.3)\n    return time.perf_counter()")
    assert observe(answer, ()).seconds < 0.25
