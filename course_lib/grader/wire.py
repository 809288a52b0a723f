"""Carry questions and replies over a socket as plain data: Channel(socket).send(message), .receive(deadline).

A frame is a length in four bytes and that much msgpack; the schema is closed and everything has a cap. Whatever the
other end sends, the outcome is a message of this schema, WireError, Closed or Late, and memory use is bounded by what
has really arrived. Both ends of the grader's wall use this file; it needs NumPy and msgpack.
"""

import math
import select
import socket
import struct
import time

import msgpack
import numpy as np

from course_lib.observe import TEXT_LIMIT, WARNINGS, Array, Driver, Dtype, Failure, Leaf, Other, Reply, fits
from course_lib.recipes import Recipe

MIB = 2**20
FRAME_BYTES = 8 * MIB  # the largest answer in the course is a batch of small images, far below
CELLS_BYTES = 32 * MIB  # for the one frame that carries a notebook, from the trusted side
ARRAY_BYTES = 4 * MIB
RANK = 8
ITEMS = 200_000  # list entries in one message
BASES = 10  # of the class of an exception
DEPTH = 12  # nesting of a value; observe.describe stops at 8
RECIPE_DEPTH = 60  # of the data of a function: formulas as trees
RECIPE_NODES = 10_000
PLAIN = (str, int, float)  # what it is made of, most of all
RECIPE_TEXT = 20_000  # characters of one text in the data of a function: source code of ours
DTYPES = frozenset(
    "bool uint8 uint16 uint32 uint64 int8 int16 int32 int64 float16 float32 float64".split()
)  # of the numbers that travel
DTYPE_NAMES = DTYPES | {"bfloat16"}  # of the tensor they come from
TICK_SECONDS = 0.05
READ_AHEAD = 64 * 2**10
# Control characters but tab and newline, those that turn the direction of text, and those of no width: they make words
# look like others.
_UNSEEN = dict.fromkeys(
    [*range(9), *range(11, 32), *range(127, 160), 0x61C, 0x200B, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2060, 0x206A),
     0xFEFF], "\ufffd"
)  # fmt: skip
_HEAD = struct.Struct(">I")
HEAD_BYTES = _HEAD.size
SECONDS_DIGITS = 1  # how exactly a reply tells its time: what takes no time answers with the same bytes each time


class WireError(Exception):
    """The other end did not keep to the schema."""


class Closed(Exception):
    """The other end is gone."""


class Late(Exception):
    """The deadline passed."""


# --- values ----------------------------------------------------------------------------------------------------------


def pack_value(value, depth=0):
    """A value as msgpack can carry it: numbers, text and None as they are, everything else as [tag, …]."""
    if depth > DEPTH:
        raise WireError("nested too deeply")
    if isinstance(value, np.generic) and depth:
        value = value.item()
    if value is None or type(value) in (bool, float):
        return value
    if type(value) is int:
        return value if -(2**63) <= value < 2**63 else ["other", "int", f"a whole number of {value.bit_length()} bits"]
    if type(value) is str:
        return clean(value)
    if isinstance(value, list | tuple | dict) and len(value) > ITEMS:
        raise WireError(f"it has {len(value)} entries")
    if isinstance(value, list | tuple):
        return ["tuple" if isinstance(value, tuple) else "list", *(pack_value(item, depth + 1) for item in value)]
    if isinstance(value, dict):
        pairs = ([pack_value(key, depth + 1), pack_value(item, depth + 1)] for key, item in value.items())
        return ["dict", *pairs]
    if isinstance(value, Array):
        return ["array", value.kind, value.dtype, value.requires_grad, *_pack_numbers(value.numbers)]
    if isinstance(value, np.ndarray):
        return ["ndarray", *_pack_numbers(value)]
    if isinstance(value, Leaf):
        return ["leaf", *_pack_numbers(value.numbers)]
    if isinstance(value, Dtype):
        return ["dtype", value.name]
    if isinstance(value, Driver):
        return ["driver", pack_value(value.recipe)]
    if isinstance(value, Other):
        return ["other", clean(value.type), clean(value.text)]
    recipe = value if isinstance(value, Recipe) else getattr(value, "recipe", None)
    if isinstance(recipe, Recipe):
        return ["recipe", recipe.kind, _plain(recipe.data, [0])]
    raise WireError(f"no way to send a {type(value).__name__}")


def unpack_value(data, kinds=None, depth=0):
    """The value again; WireError for all that pack_value does not make. kinds: ANSWERS (the default) or QUESTIONS."""
    kinds = kinds or ANSWERS
    if depth > DEPTH:
        raise WireError("nested too deeply")
    if data is None or isinstance(data, bool | int | float | str):
        return data
    if not isinstance(data, list) or not data or not _is_one_of(data[0], kinds):
        raise WireError("not a value")
    return kinds[data[0]](data[1:], depth + 1, kinds)


def clean(text, limit=TEXT_LIMIT):
    """Text that UTF-8 can carry, cut to the limit."""
    return text[:limit].encode("utf-8", "backslashreplace").decode()


def _pack_numbers(numbers):
    if type(numbers) is not np.ndarray or numbers.dtype.name not in DTYPES:
        raise WireError("not an array of plain numbers")
    numbers = numbers.astype(numbers.dtype.newbyteorder("<"))
    if numbers.nbytes > ARRAY_BYTES or numbers.ndim > RANK:
        raise WireError(f"an array of shape {numbers.shape} is more than an answer may hold")
    return numbers.dtype.name, list(numbers.shape), numbers.tobytes()


def _unpack_numbers(name, shape, data):
    if not _is_one_of(name, DTYPES) or not isinstance(data, bytes) or not isinstance(shape, list) or len(shape) > RANK:
        raise WireError("not an array")
    if not all(_is_count(size, 2**31) for size in shape):
        raise WireError("not a shape")
    dtype = np.dtype(name).newbyteorder("<")
    if len(data) > ARRAY_BYTES or math.prod(shape) * dtype.itemsize != len(data):
        raise WireError("shape and bytes of an array do not fit")
    try:
        if name == "bool":  # any byte but 0 is True
            return (np.frombuffer(data, dtype=np.uint8) != 0).reshape(shape)
        return np.frombuffer(data, dtype=dtype).astype(name).reshape(shape)
    except ValueError:  # a size of 0 beside sizes that no array may have
        raise WireError("not a shape") from None


def _unpack_array(data):
    kind, name, requires_grad, *numbers = _exactly(data, 6)
    known = _is_one_of(kind, ("tensor", "ndarray", "scalar")) and _is_one_of(name, DTYPE_NAMES)
    if not known or not isinstance(requires_grad, bool):
        raise WireError("not an array that came back")
    return Array(kind=kind, dtype=name, requires_grad=requires_grad, numbers=_unpack_numbers(*numbers))


def _unpack_dict(data, depth, kinds):
    pairs = [_exactly(pair, 2) for pair in data]
    if not all(isinstance(key, str | int | float | bool | None) for key, _ in pairs):
        raise WireError("not a key of a dict")
    return {key: unpack_value(value, kinds, depth) for key, value in pairs}


def _unpack_dtype(data):
    (name,) = _exactly(data, 1)
    if not _is_one_of(name, DTYPE_NAMES):
        raise WireError("not a dtype")
    return Dtype(name)


def _unpack_other(data):
    kind, text = _exactly(data, 2)
    return Other(type=_text(kind), text=_text(text))


def _unpack_recipe(data):
    kind, parts = _exactly(data, 2)
    if not isinstance(parts, list):
        raise WireError("not the data of a function")
    return Recipe(_text(kind), tuple(_plain(parts, [0])))


def _unpack_driver(data):
    (recipe,) = _exactly(data, 1)
    recipe = unpack_value(recipe, QUESTIONS)
    if not isinstance(recipe, Recipe):
        raise WireError("not a driver")
    return Driver(recipe)


def _plain(data, count, depth=0):
    """Nested lists of numbers and text, as lists; nothing else and not too many."""
    if not isinstance(data, list | tuple):
        return _plain_leaf(data)
    count[0] += 1 + len(data)
    if count[0] > RECIPE_NODES or depth > RECIPE_DEPTH:
        raise WireError("more than the data of a function may be")
    # Most of a tree is leaves, and a class of students meets the same trees again and again.
    return [_plain_leaf(one) if type(one) in PLAIN else _plain(one, count, depth + 1) for one in data]


def _plain_leaf(data):
    if isinstance(data, str) and len(data) <= RECIPE_TEXT or data is None or isinstance(data, bool | int | float):
        return data
    raise WireError("not a number or a text of the data of a function")


ANSWERS = {  # what may come back
    "list": lambda data, depth, kinds: [unpack_value(item, kinds, depth) for item in data],
    "tuple": lambda data, depth, kinds: tuple(unpack_value(item, kinds, depth) for item in data),
    "dict": lambda data, depth, kinds: _unpack_dict(data, depth, kinds),
    "array": lambda data, depth, kinds: _unpack_array(data),
    "other": lambda data, depth, kinds: _unpack_other(data),
}
QUESTIONS = ANSWERS | {  # what may be asked
    "ndarray": lambda data, depth, kinds: _unpack_numbers(*_exactly(data, 3)),
    "leaf": lambda data, depth, kinds: Leaf(_unpack_numbers(*_exactly(data, 3))),
    "dtype": lambda data, depth, kinds: _unpack_dtype(data),
    "recipe": lambda data, depth, kinds: _unpack_recipe(data),
    "driver": lambda data, depth, kinds: _unpack_driver(data),
}


# --- replies ---------------------------------------------------------------------------------------------------------


def pack_reply(reply):
    """A Reply as a list in a fixed order."""
    return [
        pack_value(reply.value), pack_failure(reply.failure), list(reply.changed), list(reply.left_grad), reply.calls,
        reply.tracked, [clean(text) for text in reply.warnings], clean(reply.printed), clean(reply.global_change),
        round(float(reply.seconds), SECONDS_DIGITS), [pack_value(grad) for grad in reply.grads], pack_failure(reply.grad_failure),
    ]


def unpack_reply(data, args):
    """A Reply to a question with these arguments."""
    value, failure, changed, left_grad, calls, tracked, warned, printed, global_change, *rest = _exactly(data, 12)
    seconds, grads, grad_failure = rest
    leaves = 0 if failure else sum(isinstance(arg, Leaf) for arg in args)
    if not isinstance(grads, list) or len(grads) != leaves:
        raise WireError("not a gradient for each leaf")
    grads = tuple(unpack_value(grad) for grad in grads)
    shapes = [arg.numbers.shape for arg in args if isinstance(arg, Leaf)]
    for grad, shape in zip(grads, shapes, strict=False):  # none at all where the answer raised
        if grad is not None and not (isinstance(grad, Array) and grad.numbers.shape == shape):
            raise WireError("not gradients of the leaves")
    value, driver = unpack_value(value), args[0] if args and isinstance(args[0], Driver) else None
    if driver and not (fits(value, driver.report) or failure and value is None):
        raise WireError("not what the driver reports")
    for indices in (changed, left_grad):  # a driver reports such things by itself
        if not isinstance(indices, list) or not all(_is_count(i, -1 if driver else len(args) - 1) for i in indices):
            raise WireError("not numbers of arguments")
    if not (_is_count(calls) and _is_count(tracked) and isinstance(seconds, float) and _is_short_list(warned)):
        raise WireError("not a reply")
    return Reply(
        value=value, failure=unpack_failure(failure), changed=tuple(changed), left_grad=tuple(left_grad),
        calls=calls, tracked=tracked, warnings=tuple(_text(text) for text in warned), printed=_text(printed),
        global_change=_text(global_change), seconds=seconds, grads=grads, grad_failure=unpack_failure(grad_failure),
    )


def pack_failure(failure):
    return failure and [
        clean(failure.type), clean(failure.message), failure.line, clean(failure.code),
        [clean(base) for base in failure.bases[:BASES]],
    ]


def unpack_failure(data):
    if data is None:
        return None
    kind, message, line, code, bases = _exactly(data, 5)
    if line is not None and not _is_count(line):
        raise WireError("not a line number")
    if not isinstance(bases, list) or len(bases) > BASES:
        raise WireError("not the bases of an exception")
    return Failure(
        type=_text(kind), message=_text(message), line=line, code=_text(code), bases=tuple(_text(base) for base in bases)
    )


def _exactly(data, count):
    if not isinstance(data, list) or len(data) != count:
        raise WireError(f"not a list of {count}")
    return data


def _is_one_of(name, names):
    return isinstance(name, str) and name in names


def _is_count(number, most=2**53):
    return type(number) is int and 0 <= number <= most


def _is_short_list(warned):
    return isinstance(warned, list) and len(warned) <= WARNINGS


def _text(text):
    if not isinstance(text, str) or len(text) > 12 * TEXT_LIMIT:  # backslashreplace makes up to ten of one character
        raise WireError("not a text")
    return text[:TEXT_LIMIT].translate(_UNSEEN)


# --- frames ----------------------------------------------------------------------------------------------------------


def encode(message):
    """A message (a list of plain data) as the bytes of a frame."""
    body = msgpack.packb(message, use_bin_type=True)
    if len(body) > CELLS_BYTES:
        raise WireError("a frame of more bytes than the wire carries")
    return _HEAD.pack(len(body)) + body


def decode(body):
    """The message of a frame's body: a list whose first entry names it."""
    left = ITEMS

    def count(items):
        nonlocal left
        left -= 1 + len(items)
        if left < 0:
            raise WireError("too many entries")
        return items

    def refuse(*_):
        raise WireError("maps and extensions are no part of the schema")

    try:
        message = msgpack.unpackb(
            body, raw=False, use_list=True, list_hook=count, object_hook=refuse, ext_hook=refuse,
            max_array_len=ITEMS, max_map_len=1,
        )
    except WireError:
        raise
    except (ValueError, TypeError, RecursionError, MemoryError, msgpack.exceptions.UnpackException) as error:
        raise WireError(f"not msgpack of this schema: {type(error).__name__}") from None
    if not isinstance(message, list) or not message or not isinstance(message[0], str):
        raise WireError("not a message")
    return message


class Channel:
    """One end of a socket pair. `frame_bytes` caps what is accepted; `tick` is called while waiting and may raise."""

    def __init__(self, end, frame_bytes=FRAME_BYTES):
        self.socket, self.frame_bytes = end, frame_bytes
        self.ahead = b""  # read, and not yet asked for
        end.setblocking(False)

    def send(self, message, *, fds=(), deadline=None, tick=None):
        data = memoryview(encode(message))
        while data:
            try:
                sent = socket.send_fds(self.socket, [data], fds) if fds else self.socket.send(data)
            except BlockingIOError:
                self._wait(select.POLLOUT, deadline, tick)
                continue
            except OSError:
                raise Closed from None
            data, fds = data[sent:], ()

    def receive(self, *, deadline=None, tick=None):
        return decode(self._receive_body(deadline, tick, None))

    def receive_with_fds(self):
        """A message from a trusted end, and the descriptors that came with it."""
        fds = []
        return decode(self._receive_body(None, None, fds)), fds

    def close(self):
        self.socket.close()

    def _receive_body(self, deadline, tick, fds):
        (size,) = _HEAD.unpack(self._read(_HEAD.size, deadline, tick, fds))
        if size > self.frame_bytes:
            raise WireError(f"a frame that claims {size} bytes")
        return self._read(size, deadline, tick, fds)

    def _read(self, size, deadline, tick, fds):
        data, self.ahead = bytearray(self.ahead), b""
        looked = time.monotonic()
        while len(data) < size:
            try:
                if fds is None:
                    got = self.socket.recv(min(max(size - len(data), READ_AHEAD), MIB))
                else:  # no byte too far: descriptors arrive with the bytes they belong to
                    got, new, _, _ = socket.recv_fds(self.socket, min(size - len(data), MIB), 4)
                    fds.extend(new)
            except BlockingIOError:
                self._wait(select.POLLIN, deadline, tick)
                continue
            except OSError:
                raise Closed from None
            if not got:
                raise Closed
            data += got
            now = time.monotonic()  # one byte at a time is no way around deadline and watch
            if deadline is not None and now > deadline:
                raise Late
            if tick and now - looked > TICK_SECONDS:
                tick()
                looked = now
        self.ahead = bytes(data[size:])
        return bytes(data[:size])

    def _wait(self, event, deadline, tick):
        """Return when the socket is ready; until then look at the clock and call tick."""
        poll = select.poll()
        poll.register(self.socket, event)
        while True:
            left = math.inf if deadline is None else deadline - time.monotonic()
            if left <= 0:
                raise Late
            pause = min(left, TICK_SECONDS) if tick else left
            if poll.poll(None if pause == math.inf else math.ceil(pause * 1000)):
                return
            if tick:
                tick()
