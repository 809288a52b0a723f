"""Whatever bytes come from the other side, the trusted side ends with a verdict or a refusal, never with a crash.

COURSE_FUZZ=12000 tries that many damaged inputs; by default it is a few hundred. COURSE_FUZZ_FROM=50000 takes others, with
numbers from there on. A failure names the number of its input, which is made again from that number alone.
"""

import contextlib
import copy
import json
import os
import random
import socket
import time
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from course_lib import feedback
from course_lib.exercise import all_exercises
from course_lib.grader import batch, journal, wire
from course_lib.grader.notebook import Found, Refused, collect
from course_lib.judge import LocalSource, NoReply, Status, judge
from course_lib.observe import Array, Other
from tests.answers import all_banks
from tests.grader.toys import DOUBLE, SLOPE, grade, notebook

ROOT = Path(__file__).resolve().parents[2]
COUNT, FROM = int(os.environ.get("COURSE_FUZZ", "300")), int(os.environ.get("COURSE_FUZZ_FROM", "0"))
EXERCISES = all_exercises()
ANSWERS = [param.values for bank in all_banks().values() for param in bank.answers + bank.values]
ODD = (
    None, True, False, 0, -1, 1, 2**53, 2**63 - 1, 0.0, -0.0, 1e308, float("nan"), float("inf"), "", "tuple", "array", "other",
    "float64", "x" * 700, "\u202e=1+1\0", b"", b"\0" * 8, [], ["tuple"], ["list", 1.0], ["dict", [["a"], 1]], ["array"],
    ["array", "tensor", "float64", False, "float64", [2], b"\0" * 16], ["array", "scalar", "bool", False, "bool", [], b"\2"],
    ["other", "int", "a whole number"], ["recipe", "code", ["import os"]],
)  # fmt: skip


def spread(share):
    """Numbers of inputs: this share of them all."""
    return range(FROM, FROM + max(20, round(COUNT * share)))


def damaged(data, chance):
    """Nested lists with a few places changed."""
    data = copy.deepcopy(data)
    for _ in range(chance.choice((1, 1, 2, 4))):
        places, todo = [], [data]
        while todo:
            one = todo.pop()
            if isinstance(one, list | dict):
                keys = list(one) if isinstance(one, dict) else range(len(one))
                places += [(one, key) for key in keys]
                todo += [one[key] for key in keys]
        if not places:
            break
        parent, key = chance.choice(places)
        how = chance.randrange(5)
        if how == 0 and isinstance(parent, list):
            del parent[key]
        elif how == 1 and isinstance(parent, list):
            parent.insert(key, copy.deepcopy(parent[key]))
        elif how == 2:
            other, place = chance.choice(places)
            parent[key] = copy.deepcopy(other[place])
        elif how == 3 and isinstance(parent[key], bytes | str) and parent[key]:
            parent[key] = flipped(parent[key], chance) if isinstance(parent[key], bytes) else parent[key][: chance.randrange(9)]
        else:
            parent[key] = copy.deepcopy(chance.choice(ODD))
    return data


def flipped(data, chance):
    """Bytes with some changed, taken out or doubled."""
    data = bytearray(data)
    for _ in range(chance.choice((1, 2, 8))):
        place = chance.randrange(len(data) or 1)
        how = chance.randrange(4)
        if how == 0:
            data[place : place + chance.randrange(1, 9)] = b""
        elif how == 1:
            data[place:place] = chance.randbytes(chance.randrange(1, 9))
        elif data:
            data[min(place, len(data) - 1)] = chance.randrange(256)
    return bytes(data)


# --- replies ---------------------------------------------------------------------------------------------------------


class Damaging(LocalSource):
    """An answer whose replies are damaged on the way, by schema or by byte, as a submission could do it."""

    def __init__(self, answer, chance):
        super().__init__(answer)
        self.chance = chance

    def ask(self, args):
        packed = wire.pack_reply(super().ask(args))
        for _ in range(6 if self.chance.random() < 0.3 else 0):  # until it keeps to the schema: then it is believed
            with contextlib.suppress(wire.WireError):
                return wire.unpack_reply(self.carried(damaged(packed, self.chance)), args)
        if self.chance.random() < 0.01:
            raise NoReply(Status.REFUSED)
        return wire.unpack_reply(packed, args)

    def carried(self, packed):
        try:
            frame = wire.encode(["reply", 1, packed])[4:]
        except (ValueError, OverflowError, TypeError):  # not damage that msgpack could carry
            raise wire.WireError from None
        message = wire.decode(flipped(frame, self.chance) if self.chance.random() < 0.2 else frame)
        return message[-1]


def test_damaged_replies_never_break_a_key_the_judge_or_the_report():
    judged = 0
    for number in spread(0.5):
        chance = random.Random(f"replies {number}")
        name, answer = chance.choice(ANSWERS)
        exercise = EXERCISES[name]
        try:
            verdict = judge(exercise, Damaging(answer, chance), seed=str(number % 7))
            text = journal.dump(verdict)
            assert journal.load(text) == verdict and "NaN" not in text
            assert feedback.plain(verdict, exercise) and feedback.html(verdict, exercise)
        except Exception as error:
            raise AssertionError(f"input {number}, {name}: {error!r}") from error
        judged += verdict.status is not Status.REFUSED
    assert judged > len(spread(0.5)) // 2  # much of the damage keeps to the schema


def array(numbers, kind="tensor"):
    numbers = np.array(numbers)
    return Array(kind=kind, dtype=numbers.dtype.name, numbers=numbers)


VALUES = (  # that keep to the schema and that a key may not expect
    None, True, 0, 2**60, float("nan"), float("inf"), "", "A", "x" * 500, [], (), [None], ["A", "A"], [[1], [1, 2]], {},
    {"ok": [1]}, {"result": {}}, [1, "a", None], [1.0] * 5000, array(1.0), array([]), array([1.0, 2.0]),
    array(np.ones((1, 1, 1, 1))), array(np.full((2, 3), np.nan)), array(True), array([True, False]), array([3, 4]),
    array(2, "scalar"), [array([1.0]), array(0.5)], {"a": array([1.0])}, Other(type="set", text="{'A', 'B'}"),
    Other(type="object", text="<o>"),
)  # fmt: skip


class Unexpected(LocalSource):
    """An answer that is another value at one question, or in one entry of the right one."""

    def __init__(self, answer, chance):
        super().__init__(answer)
        self.value, self.inside = chance.choice(VALUES), chance.random() < 0.5
        self.chance, self.until = chance, chance.choice((1, 1, 2, 3, 7))

    def ask(self, args):
        reply = super().ask(wire.unpack_value(wire.pack_value(list(args)), wire.QUESTIONS))  # as it crosses the wall
        self.until -= 1
        if self.until == 0:
            reply = replace(reply, value=self.put(reply.value) if self.inside else self.value)
        try:
            return wire.unpack_reply(wire.pack_reply(reply), args)
        except wire.WireError:
            raise NoReply(Status.REFUSED) from None

    def put(self, value):
        if isinstance(value, dict) and value:
            return value | {self.chance.choice(list(value)): self.value}
        if isinstance(value, list | tuple) and value:
            place = self.chance.randrange(len(value))
            return type(value)([*value[:place], self.value, *value[place + 1 :]])
        return self.value


@pytest.mark.parametrize("name", EXERCISES)
def test_an_unexpected_value_never_breaks_its_key(name):
    answers = [answer for exercise, answer in ANSWERS if exercise == name]
    for number in range(FROM, FROM + max(2, COUNT // 300)):
        chance = random.Random(f"values {name} {number}")
        verdict = judge(EXERCISES[name], Unexpected(chance.choice(answers), chance), seed=str(number % 7))
        assert journal.load(journal.dump(verdict)) == verdict and feedback.plain(verdict, EXERCISES[name]), number


def test_damaged_frames_are_messages_wire_errors_or_the_end():
    whole = wire.encode(["reply", 3, wire.pack_reply(LocalSource(lambda x: [x, {"a": x}]).ask([1.5]))])
    for number in spread(0.2):
        chance = random.Random(f"frames {number}")
        ours, theirs = socket.socketpair()
        with theirs, ours:
            theirs.sendall(b"".join(flipped(whole, chance) for _ in range(3))[: chance.randrange(4, 600)])
            theirs.close()
            channel = wire.Channel(ours)
            for _ in range(4):
                try:
                    message = channel.receive(deadline=time.monotonic() + 5)
                except (wire.WireError, wire.Closed):
                    break
                assert isinstance(message, list), number


# --- notebooks -------------------------------------------------------------------------------------------------------


def sources():
    """Small notebooks as data: toys, and a solution without its outputs."""
    real = json.loads((ROOT / "solutions/01_derivatives.ipynb").read_text(encoding="utf-8"))
    for cell in real["cells"]:
        cell.pop("outputs", None)
    return [json.loads(notebook(SLOPE, DOUBLE, "answer = 42")), real]


def test_damaged_notebooks_are_read_or_refused_with_a_reason(tmp_path):
    path, wholes = tmp_path / "anna_01_derivatives.ipynb", sources()
    refused = 0
    for number in spread(0.27):
        chance = random.Random(f"notebooks {number}")
        data = chance.choice(wholes)
        if chance.random() < 0.6:
            data = json.dumps(damaged(data, chance), default=repr).encode()
        else:
            data = flipped(json.dumps(data).encode(), chance)
        path.write_bytes(data[: chance.randrange(len(data))] if chance.random() < 0.1 else data)
        found = Found(student="anna", notebook=path.name, path=path)
        try:
            submission = batch.prepare(found, EXERCISES)
            assert submission.refusal or all(isinstance(cell, str) for cell in submission.cells)
            assert submission.refusal or submission.exercises
        except Exception as error:
            raise AssertionError(f"input {number}: {error!r}") from error
        refused += bool(submission.refusal)
    assert refused


def test_damaged_zips_are_read_or_refused_with_a_reason(tmp_path):
    whole = tmp_path / "whole.zip"
    with zipfile.ZipFile(whole, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in ("anna/01_toys.ipynb", "ben/01_toys.ipynb"):
            archive.writestr(name, notebook(DOUBLE))
    for number in spread(0.02):
        chance = random.Random(f"zips {number}")
        path = tmp_path / "class.zip"
        path.write_bytes(flipped(whole.read_bytes(), chance))
        for found in collect([path]):
            try:
                found.load()
            except Refused as refused:
                assert str(refused)


@pytest.mark.parametrize("number", range(FROM, FROM + max(3, COUNT // 100)))
def test_damaged_code_runs_behind_the_wall_and_costs_itself_at_most(server, number):
    chance = random.Random(f"cells {number}")
    code = flipped(SLOPE.encode(), chance).decode("utf-8", "replace").replace("\0", "")
    verdicts = grade(server, code, DOUBLE)
    assert verdicts["double"].status is Status.CORRECT
    assert verdicts["slope_at"].status is not Status.NOT_JUDGED
