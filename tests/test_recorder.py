"""The recorder sees each call with the value of that moment, and knows tensors again under the names of the variables."""

import pytest
import torch

from course_lib.recorder import Recorder, key_of, name_of, outside_names, plain


def recorded(f, *args):
    recorder = Recorder(f)
    with recorder:
        out = f(*args)
    return recorder, out


def test_a_key_stays_while_the_tensor_does_and_changes_with_it():
    x = torch.tensor(2.0, requires_grad=True)
    y, c = x * 2, torch.tensor(1.0)
    before = key_of(x), key_of(y), key_of(c)
    assert (key_of(x), key_of(y), key_of(c)) == before
    y.add_(1), c.add_(1)
    assert key_of(x) == before[0] and key_of(y) != before[1] and key_of(c) != before[2]


def test_values_are_those_of_the_moment():
    def f(x):
        y = x * 2
        y.add_(1)
        return y

    recorder, out = recorded(f, torch.tensor(3.0, requires_grad=True))
    assert [(seen.op, seen.value) for seen in recorder.seen.values()] == [("", 3), ("mul 2", 6), ("add_ 1", 7)]
    assert recorder.names()[key_of(out)] == "y"


def test_names_are_found_also_where_f_is_called_deep_inside():
    def f(x):
        inner = torch.sin(x)
        return inner + 1

    recorder = Recorder(f)
    with recorder:
        out = (lambda: f(torch.tensor(1.0, requires_grad=True)))()
    assert "inner" in recorder.names().values() and out.grad_fn is not None


def test_leaving_torch_and_deciding_are_noticed_but_not_inside_no_grad():
    recorder, _ = recorded(lambda x: x.item(), torch.tensor(1.0, requires_grad=True))
    assert recorder.left == ["item"] and not recorder.branched
    recorder, _ = recorded(lambda x: 1 if x > 0 else 2, torch.tensor(1.0, requires_grad=True))
    assert recorder.branched and not recorder.left

    def quiet(x):
        with torch.no_grad():
            return x.item()

    assert recorded(quiet, torch.tensor(1.0, requires_grad=True))[0].left == []


@pytest.mark.parametrize(
    "cut, note",
    [
        (lambda x: x.detach(), "detached"), (lambda x: x.data, "taken through .data"),
        (lambda x: x > 0, "conditions and whole numbers have no gradient"),
        (lambda x: x.argmax(), "conditions and whole numbers have no gradient"),
        (torch.no_grad()(lambda x: x * 2), "computed under no_grad"),
        (torch.inference_mode()(lambda x: x * 2), "computed under inference_mode"),
    ],
)
def test_why_something_is_a_constant(cut, note):
    recorder, out = recorded(cut, torch.tensor(1.0, requires_grad=True))
    assert recorder.seen[key_of(out)].note == note


def test_numbers_are_plain_and_arrays_cannot_be_changed():
    assert plain(torch.tensor(1.5)) == 1.5 and plain(torch.tensor(True)) is True
    array = plain(torch.ones(2, dtype=torch.bfloat16))
    assert array.tolist() == [1, 1] and not array.flags.writeable


def test_names_of_autograd_read_like_operations():
    x = torch.ones(2, 2, requires_grad=True)
    assert name_of((x @ x).grad_fn) == "mm" and name_of(torch.log_softmax(x, 0).grad_fn) == "log_softmax"


def test_tensors_outside_are_named_as_f_names_them_and_empty_cells_are_no_harm():
    w, layer = torch.ones(2), torch.nn.Linear(2, 1)

    def f(x):
        return (layer(x) * w + later).sum()

    named = outside_names(f)
    assert named[key_of(w)] == "w" and named[key_of(layer.bias)] == "layer.bias"
    later = 1
    assert later and outside_names(layer)[key_of(layer.weight)] == "weight"
