"""The wire carries what it must, refuses the rest, and believes no size it has not seen."""

import socket
import struct
import threading
import time

import msgpack
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from course_lib.formula import Formula, x
from course_lib.grader import wire
from course_lib.observe import Array, Driver, Dtype, Failure, Leaf, Other, Reply
from course_lib.recipes import BUILDERS, Recipe
from tests.test_recipes import SAMPLES


def there_and_back(value):
    return wire.unpack_value(wire.decode(wire.encode(["value", wire.pack_value(value)])[4:])[1], wire.QUESTIONS)


@pytest.fixture
def ends():
    one, other = socket.socketpair()
    yield wire.Channel(one), other
    one.close()
    other.close()


# --- values ---

PLAIN = st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False) | st.text(max_size=50)
NESTED = st.recursive(
    PLAIN,
    lambda inner: st.lists(inner, max_size=4) | st.lists(inner, max_size=4).map(tuple)
    | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=12,
)  # fmt: skip


@given(NESTED)
@settings(max_examples=60, deadline=None)
def test_plain_data_comes_back_equal_and_of_the_same_types(value):
    back = there_and_back(value)
    assert back == value and repr(back) == repr(value)


@pytest.mark.parametrize("dtype", sorted(wire.DTYPES))
@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 3), (1, 0, 4)])
def test_arrays_come_back_with_dtype_shape_and_numbers(dtype, shape):
    numbers = (np.arange(np.prod(shape, dtype=int)) % 3).astype(dtype).reshape(shape)
    back = there_and_back(numbers)
    assert (back.dtype, back.shape) == (numbers.dtype, shape) and np.array_equal(back, numbers)


def test_views_with_strides_come_back_right():
    numbers = np.arange(12.0).reshape(3, 4).T[::2]
    assert np.array_equal(there_and_back(numbers), numbers)


def test_nan_and_infinity_come_back():
    assert np.isnan(there_and_back(float("nan"))) and there_and_back(float("-inf")) == float("-inf")


def test_answers_of_every_kind_come_back():
    array = Array(kind="tensor", dtype="bfloat16", numbers=np.array([1.5, 2.5]), requires_grad=True)
    back = there_and_back((array, Other(type="Thing", text="<thing>"), Dtype("float32")))
    assert back[1:] == (Other(type="Thing", text="<thing>"), Dtype("float32"))
    assert (back[0].kind, back[0].dtype, back[0].requires_grad) == ("tensor", "bfloat16", True)
    assert np.array_equal(back[0].numbers, array.numbers)


def test_formula_arrives_as_a_bare_function_with_the_same_values():
    import torch

    arrived = there_and_back(Formula(x**3 - 2 * x))
    assert not hasattr(arrived, "derivative") and not hasattr(arrived, "expr")
    assert arrived.function()(torch.tensor(3.0)).item() == 21.0


def test_a_very_large_whole_number_is_described_instead_of_sent():
    assert there_and_back(2**100) == Other(type="int", text="a whole number of 101 bits")


def test_text_that_is_no_unicode_is_made_visible():
    assert there_and_back("a\ud800b") == "a\\ud800b"


@pytest.mark.parametrize(
    "value",
    [object(), 1j, {1, 2}, np.array([1j]), np.array(["x"]), np.array([object()]), np.zeros((1,) * 9),
     np.zeros(wire.ARRAY_BYTES // 8 + 1), np.float64([1.0]).astype(np.longdouble)],
    ids=["object", "complex", "set", "complex array", "text array", "object array", "rank 9", "too large",
         "longdouble"],
)  # fmt: skip
def test_what_is_no_plain_data_is_not_sent(value):
    with pytest.raises(wire.WireError):
        wire.pack_value([value])


def test_depth_is_capped_in_both_directions():
    deep = []
    for _ in range(100):
        deep = [deep]
    with pytest.raises(wire.WireError):
        wire.pack_value(deep)
    packed = 1
    for _ in range(100):
        packed = ["list", packed]
    with pytest.raises(wire.WireError):
        wire.unpack_value(packed)


ARRAY = ["array", "tensor", "float64", False, "float64", [2], b"\0" * 16]


@pytest.mark.parametrize(
    "data",
    [[], ["nothing"], ["list", ["nothing"]], ["dtype", "object"], ["dtype"], ["other", 1, 2], {"a": 1}, b"bytes",
     ["dict", [1]], ["dict", [["list"], 1]], ["recipe", "formula", 1], ["recipe", 1, []],
     ["recipe", "formula", [b"x"]], ["recipe", "formula"], [["list"], 1], ["leaf", "float64", [1], b""],
     ARRAY[:-1] + [b"\0" * 15], ARRAY[:5] + [[-2], b"\0" * 16], ARRAY[:5] + [[2.0], b"\0" * 16],
     ARRAY[:5] + [[2**40, 2**40], b"\0" * 16], ARRAY[:5] + [[True, 2], b"\0" * 16],
     ARRAY[:4] + ["object", [2], b"\0" * 16],
     ["array", "matrix"] + ARRAY[2:], ["array", "tensor", "float64", 1] + ARRAY[4:], ARRAY[:5] + [[1] * 9, b"\0" * 8]],
    ids=repr,
)  # fmt: skip
def test_data_outside_the_schema_is_refused(data):
    with pytest.raises(wire.WireError):
        wire.unpack_value(data, wire.QUESTIONS)


@pytest.mark.parametrize("asked", [Dtype("float32"), np.zeros(2), Leaf(np.zeros(2)), Recipe("formula", (["x", 0], 1))])
def test_what_is_only_asked_is_refused_as_an_answer(asked):
    there_and_back(asked)
    with pytest.raises(wire.WireError):
        wire.unpack_value(wire.pack_value([asked]))


def test_recipe_and_leaf_arrive_whole():
    recipe = Recipe("formula", (["add", ["x", 0], ["num", 1.5]], 1), "x + 1.5")
    assert there_and_back(recipe) == recipe and there_and_back(recipe).text == ""
    assert there_and_back(Leaf(np.array([1.5, 2]))).numbers.tolist() == [1.5, 2.0]


def in_one_piece(result):
    """A tensor, or the tensors of a list, as one."""
    return torch.stack([torch.as_tensor(one) for one in result]) if isinstance(result, list) else result


@pytest.mark.parametrize("kind", BUILDERS)
def test_a_recipe_of_every_kind_builds_the_same_function_on_the_other_side(kind):
    data, args, _ = SAMPLES[kind]
    here = Recipe(kind, data, "words that are not sent")
    arrived = there_and_back(here)
    assert arrived == here and arrived.text == ""
    one, other = here.function(), arrived.function()
    assert torch.equal(in_one_piece(one(*args)), in_one_piece(other(*args)))
    assert (one.calls, one.tracked) == (other.calls, other.tracked)


def test_data_of_a_function_is_capped():
    deep = ["x", 0]
    for _ in range(100):
        deep = ["sin", deep]
    for data in ((deep, 1), ([1.0] * 20_000,)):
        with pytest.raises(wire.WireError):
            wire.pack_value(Recipe("formula", data))


def test_bytes_that_are_no_booleans_become_booleans():
    back = wire.unpack_value(["ndarray", "bool", [3], b"\0\x01\x07"], wire.QUESTIONS)
    assert back.dtype == bool and back.tolist() == [False, True, True]


# --- replies ---


def test_reply_comes_back_equal():
    reply = Reply(
        value=[1.0, "x"], failure=Failure(type="ValueError", message="no", line=3, code="x = 1"), changed=(0,),
        left_grad=(1,), calls=2, tracked=1, warnings=("careful",), printed="hello\n", global_change="default dtype",
    )  # fmt: skip
    assert wire.unpack_reply(wire.decode(wire.encode(["reply", 1, wire.pack_reply(reply)])[4:])[2], [1.5, 2.5]) == reply


def test_gradients_come_back_one_for_each_leaf():
    grad = Array(kind="tensor", dtype="float64", numbers=np.array([1.5, 2.5]))
    failure = Failure(type="RuntimeError", message="no", line=None, code="")
    args = [Leaf(np.zeros(2)), 1.0, Leaf(np.zeros(2))]
    packed = wire.pack_reply(Reply(value=1.0, grads=(grad, None), grad_failure=failure))
    back = wire.unpack_reply(packed, args)
    assert back.grads[0].numbers.tolist() == [1.5, 2.5] and back.grads[1] is None and back.grad_failure == failure
    for wrong in ([1.0, 2.0], args[:1]):
        with pytest.raises(wire.WireError):
            wire.unpack_reply(packed, wrong)


@pytest.mark.parametrize(
    ("position", "lie"),
    [(2, [2]), (2, [-1]), (2, [True]), (2, "x"), (3, [0.0]), (4, -1), (4, 1.5), (5, True), (6, "text"), (6, ["w"] * 6),
     (6, [b"x"]), (7, 5),
     (8, None), (9, "x"), (1, []), (1, [1, 2, 3, 4, []]), (1, ["E", "m", -5, "", []]), (1, ["E", "m", 5, "", "E"]),
     (1, ["E", "m", 5, "", ["E"] * 100]), (1, ["E", "m", 5, "", [5]]), (0, {"a": 1}),
     (0, ["array", "tensor", "float64", False, "float64", [2**31 - 1] * 3 + [0], b""])],
)  # fmt: skip
def test_reply_that_lies_about_its_form_is_refused(position, lie):
    packed = wire.pack_reply(Reply(value=1.0))
    packed[position] = lie
    with pytest.raises(wire.WireError):
        wire.unpack_reply(packed, [1.5, 2.5])


def test_a_gradient_of_another_shape_than_its_leaf_is_refused():
    for shape in ((), (1,), (3,), (2, 1)):
        grad = Array(kind="tensor", dtype="float64", numbers=np.ones(shape))
        with pytest.raises(wire.WireError):
            wire.unpack_reply(wire.pack_reply(Reply(value=1.0, grads=(grad,))), [Leaf(np.zeros(2))])


REPORT = {"losses": object, "rows": [int], "kept": bool}
DRIVER = Driver(Recipe("code", ("def f(answer): ...", "f")), report=REPORT)


@pytest.mark.parametrize("losses", [None, 1.5, [1.0], (np.inf,), {"a": 1}])
def test_a_report_of_the_form_that_its_driver_promises_comes_back(losses):
    report = {"losses": losses, "rows": [3, 4], "kept": False}
    assert wire.unpack_reply(wire.pack_reply(Reply(value=report)), [DRIVER, 1.5]).value == report


@pytest.mark.parametrize(
    "value",
    [None, 5, [], {}, {"losses": []}, {"losses": [], "rows": [], "kept": True, "more": 1}, {"losses": 1.0, "rows": [], "kept": 1},
     {"losses": 1.0, "rows": (3,), "kept": True}, {"losses": 1.0, "rows": [[3]], "kept": True},
     {"losses": 1.0, "rows": [True], "kept": True}, {"losses": 1.0, "rows": None, "kept": True}],
)  # fmt: skip
def test_a_report_of_another_form_is_refused(value):
    with pytest.raises(wire.WireError):
        wire.unpack_reply(wire.pack_reply(Reply(value=value)), [DRIVER, 1.5])


def test_where_the_answer_raised_there_is_no_report():
    reply = Reply(failure=Failure(type="ValueError", message="no"))
    assert wire.unpack_reply(wire.pack_reply(reply), [DRIVER, 1.5]) == reply


def test_a_driver_reports_by_itself_what_it_changed():
    report = {"losses": [], "rows": [], "kept": True}
    for traces in ({"changed": (1,)}, {"left_grad": (1,)}):
        with pytest.raises(wire.WireError):
            wire.unpack_reply(wire.pack_reply(Reply(value=report, **traces)), [DRIVER, 1.5])


def test_the_kinds_of_an_exception_come_back():
    failure = Failure(type="CycleError", message="", bases=("ValueError", "Exception"))
    assert wire.unpack_failure(wire.pack_failure(failure)).bases == ("ValueError", "Exception")


def test_characters_that_turn_text_around_are_taken_out():
    failure = Failure(type="E", message="a\u202eb\x1b[31mc", line=None, code="")
    back = wire.unpack_failure(wire.pack_failure(failure))
    assert back.message == "a\ufffdb\ufffd[31mc"


# --- frames ---


@given(st.binary(max_size=300))
@settings(max_examples=300, deadline=None)
def test_garbage_is_a_message_or_a_wire_error(body):
    try:
        message = wire.decode(body)
    except wire.WireError:
        return
    assert isinstance(message, list) and isinstance(message[0], str)


TAGS = st.sampled_from([*wire.QUESTIONS, "tensor", "float64", "bool", "x", "num", "sin", "ValueError"])
ANYTHING = st.recursive(
    PLAIN | TAGS | st.binary(max_size=16) | st.floats(),
    lambda inner: st.lists(inner, max_size=7) | st.tuples(TAGS, inner, inner).map(list),
    max_leaves=12,
)  # fmt: skip


@given(ANYTHING)
@settings(max_examples=200, deadline=None)
def test_any_structure_is_a_value_or_a_wire_error(data):
    try:
        wire.unpack_value(data, wire.QUESTIONS)
    except wire.WireError:
        pass


@given(st.lists(ANYTHING, min_size=12, max_size=12))
@settings(max_examples=80, deadline=None)
def test_any_list_is_a_reply_or_a_wire_error(data):
    try:
        assert isinstance(wire.unpack_reply(data, [1.5, 2.5]), Reply)
    except wire.WireError:
        pass


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_damaged_replies_are_replies_or_wire_errors(data):
    array = Array(kind="tensor", dtype="float64", numbers=np.arange(4.0))
    frame = bytearray(wire.encode(["reply", 7, wire.pack_reply(Reply(value=(array, {"a": 1.5}, None)))])[4:])
    for _ in range(data.draw(st.integers(1, 4))):
        frame[data.draw(st.integers(0, len(frame) - 1))] = data.draw(st.integers(0, 255))
    try:
        message = wire.decode(bytes(frame))
        if len(message) == 3:
            assert isinstance(wire.unpack_reply(message[2], [1.5, 2.5]), Reply)
    except wire.WireError:
        pass


@pytest.mark.parametrize(
    "body",
    [b"\xdd\xff\xff\xff\xff", b"\xdd\x00\x00\xff\xff" * 500, b"\xdf\xff\xff\xff\xff", b"\xc6\xff\xff\xff\xff",
     b"\xdb\xff\xff\xff\xff", msgpack.packb({"a": 1}), msgpack.packb([msgpack.ExtType(1, b"x")]), msgpack.packb([{}]),
     b"\x91" * 5000 + b"\x90", msgpack.packb(["x", [[]] * wire.ITEMS]), b"", b"\xc1"],
    ids=["array", "nested arrays", "map", "bytes", "text", "a map", "extension", "inner map", "deep", "many", "empty",
         "reserved"],
)  # fmt: skip
def test_claims_and_foreign_types_are_refused_without_room_being_made(body):
    with pytest.raises(wire.WireError):
        wire.decode(body)


def test_frame_that_claims_too_much_is_refused_before_anything_else_is_read(ends):
    channel, other = ends
    other.send(struct.pack(">I", wire.FRAME_BYTES + 1))
    with pytest.raises(wire.WireError, match="claims"):
        channel.receive(deadline=time.monotonic() + 5)


def test_truncated_frame_is_closed(ends):
    channel, other = ends
    other.send(struct.pack(">I", 100) + b"x" * 10)
    other.close()
    with pytest.raises(wire.Closed):
        channel.receive(deadline=time.monotonic() + 5)


def test_silence_is_late_and_the_tick_is_called_meanwhile(ends):
    channel, _ = ends
    ticks = []
    with pytest.raises(wire.Late):
        channel.receive(deadline=time.monotonic() + 0.2, tick=lambda: ticks.append(1))
    assert ticks


def test_a_byte_at_a_time_moves_neither_the_deadline_nor_the_watch(ends):
    channel, other = ends
    stop = threading.Event()

    def drip():
        other.send(struct.pack(">I", 1000))
        while not stop.wait(0.02):
            other.send(b"x")

    dripping = threading.Thread(target=drip)
    dripping.start()
    ticks = []
    with pytest.raises(wire.Late):
        channel.receive(deadline=time.monotonic() + 0.5, tick=lambda: ticks.append(1))
    stop.set()
    dripping.join()
    assert len(ticks) > 2  # whoever watches is asked all the same


def test_sending_to_one_who_does_not_read_is_late(ends):
    channel, _ = ends
    with pytest.raises(wire.Late):
        channel.send(["x", b"y" * 2**22], deadline=time.monotonic() + 0.2)


def test_a_large_frame_and_a_descriptor_arrive_together(ends):
    channel, other = ends
    receiver = wire.Channel(other, wire.CELLS_BYTES)
    got = []
    reading = threading.Thread(target=lambda: got.append(receiver.receive_with_fds()))
    reading.start()
    with open("/dev/null") as file:
        channel.send(["run", "y" * 2**21], fds=[file.fileno()], deadline=time.monotonic() + 20)
    reading.join()
    ((message, descriptors),) = got
    assert message == ["run", "y" * 2**21] and len(descriptors) == 1
