"""check(), hint() and progress() as a student meets them, with a memory that cannot break a lesson."""

import json
import linecache
import os
import signal
import stat
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from course_lib import selfcheck
from course_lib.exercise import all_exercises
from course_lib.feedback import Feedback, Note
from course_lib.judge import Status
from course_lib.selfcheck import check, hint, progress

HINTS = all_exercises()["twice"].hints


@pytest.fixture(autouse=True)
def memory(tmp_path, monkeypatch):
    """The progress file of this test."""
    monkeypatch.setenv("COURSE_PROGRESS", str(tmp_path / "progress.json"))
    return tmp_path / "progress.json"


def cell(source, **more):
    """Run a notebook cell; the names it leaves behind, with its last expression as `out`."""
    names = {"torch": torch, "check": check, "hint": hint, "progress": progress, **more}
    linecache.cache["<cell>"] = (len(source), None, source.splitlines(keepends=True), "<cell>")  # as IPython does
    exec(compile(source, "<cell>", "exec"), names)
    return names


def out_of(source, **more):
    return cell(source, **more)["out"]


RIGHT = "def twice(x):\n    return 2 * x\n"
WRONG = "def twice(x):\n    return 3 * x\n"
WRONG_AGAIN = "def twice(x):\n    return 4 * x\n"
STUB = 'def twice(x):\n    """Twice."""\n    ...\n'


# --- what check() takes ----------------------------------------------------------------------------------------------


def test_answers_with_the_same_value_are_told_apart_by_the_name_in_the_call():
    both = 'fault_shape_clash = "E9"\nfault_norm_at_zero = "E9"\n'
    out = out_of(both + "out = [check(fault_shape_clash), check(\n    fault_norm_at_zero), hint(fault_norm_at_zero)]")
    assert out[0].verdict.exercise == "fault_shape_clash" and out[1].verdict.exercise == "fault_norm_at_zero"
    assert "say which by name" not in repr(out[2])
    assert "say which by name" in repr(out_of(both + "out = (lambda value: check(value))(fault_shape_clash)"))


@pytest.mark.parametrize("call", ["check(twice)", 'check("twice")'])
def test_a_function_is_checked_by_itself_or_by_name(call):
    out = out_of(RIGHT + f"out = {call}")
    assert isinstance(out, Feedback) and out.passed and "✓ twice" in repr(out)
    assert not out_of(WRONG + f"out = {call}").passed


@pytest.mark.parametrize(
    "source",
    [
        "twice = lambda x: 2 * x\n",
        "def mine(x):\n    return 2 * x\ntwice = mine\n",
        "import functools\ntwice = functools.partial(torch.mul, 2)\n",
        "class Twice:\n    def __call__(self, x):\n        return 2 * x\ntwice = Twice()\n",
        "def wrap(f):\n    return lambda x: f(x)\n@wrap\ndef twice(x):\n    return 2 * x\n",
    ],
)
def test_a_callable_of_another_name_is_found_by_the_name_it_is_bound_to(source):
    assert out_of(source + "out = check(twice)").passed


@pytest.mark.parametrize("call", ["check(first_backward_order)", 'check("first_backward_order")'])
def test_a_value_is_found_by_the_name_it_is_bound_to(call):
    assert out_of(f'first_backward_order = ["D", "B", "E", "C", "A"]\nout = {call}').passed
    assert not out_of(f'first_backward_order = ["A", "B", "E", "C", "D"]\nout = {call}').passed


def test_check_works_inside_a_function_of_the_notebook():
    assert out_of(RIGHT + "def test():\n    return check(twice)\nout = test()").passed


@pytest.mark.parametrize(
    "call, words",
    [
        ("check(3)", "check takes the function you wrote, such as check(slope_at), and got the number 3"),
        ("check(None)", "got None"),
        ("check([1])", "something of type list"),
        ("check(torch.ones(2))", "something of type Tensor"),
        ('check("twise")', "`twise` is not the name of an exercise. Did you mean twice?"),
        ("check(torch.sin)", "`sin` is not the name of an exercise. It takes the function you wrote"),
        ('check("zzz")', "not the name of an exercise"),
        ('check("twice")', "`twice` does not exist yet: run the cell that defines it"),
        ("hint(3)", "hint takes the function you wrote, such as hint(slope_at)"),
    ],
)
def test_what_cannot_be_checked_gets_a_sentence(call, words):
    out = out_of(f"out = {call}")
    assert isinstance(out, Note) and not out.passed and words in repr(out)


def test_a_function_overwritten_by_a_value_is_told():
    assert "`twice` should be a function, and it is the number 3" in repr(out_of('twice = 3\nout = check("twice")'))


@pytest.mark.parametrize("source", [STUB, "twice = ...\n", "def twice(x):\n    pass\n"])
def test_an_untouched_stub_is_open_and_no_attempt(source, memory):
    out = out_of(source + 'out = check("twice")')
    assert out.verdict.status is Status.OPEN and "still open" in repr(out) and "hint" not in repr(out)
    assert not memory.exists()


@pytest.mark.parametrize(
    "body",
    ["return 1 / 0", "raise SystemExit", "return undefined", "return twice(x)", "x.resize_(0)", "return torch.sin"],
)
def test_no_answer_makes_check_raise(body):
    out = out_of(f"def twice(x):\n    {body}\nout = check(twice)")
    assert isinstance(out, Feedback) and not out.passed and out.verdict.status is not Status.NOT_JUDGED


def test_a_failure_of_the_checker_is_ours_and_no_attempt(monkeypatch, memory):
    def broken_key(ask):
        raise ZeroDivisionError("in our code")

    monkeypatch.setattr(all_exercises()["twice"], "key", broken_key)
    out = out_of(WRONG + "out = check(twice)")
    assert out.verdict.status is Status.NOT_JUDGED and not out.passed
    assert "our fault" in repr(out) and "ZeroDivisionError" in repr(out)
    assert not memory.exists()


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="this system has no alarms")
@pytest.mark.parametrize("body", ["while True:\n        pass", "while True:\n        try:\n            1 / 0\n"
                                  "        except Exception:\n            pass"])
def test_a_loop_that_never_ends_is_stopped_and_told(monkeypatch, body):
    monkeypatch.setattr(selfcheck, "PATIENCE", 0.2)
    before = signal.getsignal(signal.SIGALRM)
    out = out_of(f"def twice(x):\n    {body}\nout = check(twice)")
    assert out.verdict.status is Status.TIMED_OUT and "loop that never ends" in repr(out)
    assert signal.getsignal(signal.SIGALRM) is before and signal.getitimer(signal.ITIMER_REAL)[0] == 0


def test_check_works_in_a_thread_which_has_no_alarm():
    with ThreadPoolExecutor() as threads:
        assert threads.submit(out_of, RIGHT + "out = check(twice)").result().passed


def test_a_demonstration_is_not_remembered(memory):
    assert out_of(RIGHT + "out = check(twice, remember=False)").passed
    assert not memory.exists()


# --- hints -----------------------------------------------------------------------------------------------------------


def test_the_next_hint_opens_with_a_new_attempt_only():
    def shown(source):
        return repr(out_of(source + "out = hint(twice)"))

    assert shown(STUB).startswith(HINTS[0])
    assert shown(STUB).startswith(HINTS[0]) and "after your next check there is more" in shown(STUB)
    out_of(WRONG + "out = check(twice)")
    assert shown(WRONG).startswith(HINTS[1])
    out_of(WRONG.replace("return", "# the same code again\n    return") + "out = check(twice)")
    assert shown(WRONG).startswith(HINTS[1])
    out_of(WRONG_AGAIN + "out = check(twice)")
    assert shown(WRONG_AGAIN).startswith(HINTS[2]) and "section 00a" in shown(WRONG_AGAIN)


def test_two_guesses_open_hints_and_skip_none():
    for wrong in (WRONG, WRONG_AGAIN):
        out_of(wrong + "out = check(twice)")
    shown = [repr(out_of(WRONG_AGAIN + "out = hint(twice)")) for _ in range(4)]
    assert [next(i for i, text in enumerate(HINTS) if one.startswith(text)) for one in shown] == [0, 1, 2, 2]
    assert "ask once more" in shown[0] and "ask once more" in shown[1] and "section 00a" in shown[2]


def test_a_wrong_answer_offers_a_hint_and_a_right_one_none():
    assert repr(out_of(WRONG + "out = check(twice)")).endswith(HINTS[0])
    assert repr(out_of(WRONG_AGAIN + "out = check(twice)")).endswith(HINTS[1])
    assert "hint" not in repr(out_of(RIGHT + "out = check(twice)"))


SLOPES = [f"def slope_at(f, a):\n    return {wrong}\nout = check(slope_at)" for wrong in ("f(a)", "0.0", "1.0")]


def test_the_second_failed_attempt_offers_lines_to_sort():
    lines = all_exercises()["slope_at"].shuffled_lines
    assert "lines to sort" not in repr(out_of(SLOPES[0]))
    assert "lines to sort" not in repr(out_of(SLOPES[0]))  # the same code again is no new attempt
    second = out_of(SLOPES[1])
    assert all(line in repr(second) and "Lines to sort" in second._repr_html_() for line in lines)
    assert "lines to sort" in repr(out_of(SLOPES[2]))


def test_an_exercise_without_lines_offers_none():
    out_of(WRONG + "out = check(twice)")
    assert "lines to sort" not in repr(out_of(WRONG_AGAIN + "out = check(twice)"))


def test_the_hint_of_a_function_that_does_not_exist_yet_is_found_by_name():
    assert repr(out_of('out = hint("twice")')).startswith(HINTS[0])


def test_a_solved_exercise_needs_no_hint():
    out_of(RIGHT + "out = check(twice)")
    assert "solved already" in repr(out_of(RIGHT + "out = hint(twice)"))


@pytest.mark.parametrize(
    "one, other",
    [
        ("return 3 * x", "return 4 * x"),
        ("return torch.sum(x, dim=0)", "return torch.sum(x, axis=0)"),
        ("return [3 * v for v in x]", "return [4 * v for v in x]"),
    ],
)
def test_another_number_or_word_is_a_new_attempt_and_layout_is_not(one, other):
    first, layout, second = (
        selfcheck.digest_of(cell(f"def twice(x):\n    {body}")["twice"])
        for body in (one, f'"""Doc."""\n    {one}  # why', other)
    )
    assert first == layout != second


@pytest.mark.parametrize("decorator", ["", "@staticmethod\n    ", "@classmethod\n    "])
def test_a_class_with_another_method_is_a_new_attempt(decorator):
    first, same, second = (
        selfcheck.digest_of(cell(f"class MulFn:\n    {decorator}def forward(self, a):\n        return {body}")["MulFn"])
        for body in ("a", "a  # same", "a * 2")
    )
    assert first == same != second


# --- memory ----------------------------------------------------------------------------------------------------------


def test_solved_stays_solved_after_a_later_mistake_and_a_new_kernel(memory):
    out_of(RIGHT + "out = check(twice)")
    out_of(WRONG + "out = check(twice)")
    record = json.loads(memory.read_text())["twice"]
    assert record["solved"] and len(record["tries"]) == 1
    assert progress().sign("twice") == "✓"


def test_what_is_kept_of_one_exercise_leaves_the_others_alone():
    out_of(RIGHT + "out = check(twice)")
    out_of("def slope_at(f, a):\n    return 0.0\nout = check(slope_at)")
    assert [progress().sign(name) for name in ("twice", "slope_at", "outer_sum")] == ["✓", "◐", "○"]


@pytest.mark.parametrize(
    "content",
    [
        "", "{", "[]", "3", "null", "\x00", '{"twice": 3}', '{"twice": null}', '{"twice": []}', '{"twice": {}}',
        '{"twice": {"tries": 5}}', '{"twice": {"tries": null, "hint": "x", "solved": "no"}}', '{"twice": {"hint": 99}}',
        '{"twice": {"tries": [[]]}}', '{"slope_at": "x"}',
    ],
)  # fmt: skip
def test_a_damaged_progress_file_is_harmless(content, memory):
    memory.write_text(content)
    assert repr(progress())
    assert repr(out_of(STUB + "out = hint(twice)")).startswith(HINTS[0])
    assert not out_of(WRONG + "out = check(twice)").passed
    assert out_of(RIGHT + "out = check(twice)").passed
    assert progress().sign("twice") == "✓"


def test_bytes_that_are_no_text_are_harmless(memory):
    memory.write_bytes(b"\xff\xfe\x00")
    assert out_of(RIGHT + "out = check(twice)").passed


def test_a_folder_that_cannot_be_written_costs_the_memory_only(tmp_path, monkeypatch):
    folder = tmp_path / "locked"
    folder.mkdir()
    folder.chmod(stat.S_IRUSR | stat.S_IXUSR)
    for place in (folder / "p.json", tmp_path / "missing" / "p.json", tmp_path):
        monkeypatch.setenv("COURSE_PROGRESS", str(place))
        assert out_of(RIGHT + "out = check(twice)").passed
        assert HINTS[0] in repr(out_of(STUB + "out = hint(twice)")) or os.geteuid() == 0


def test_no_unfinished_file_is_left_behind(memory):
    out_of(RIGHT + "out = check(twice)")
    assert [path.name for path in memory.parent.iterdir()] == ["progress.json"]


def test_an_exercise_is_mastered_when_its_re_check_is_solved_too():
    def signs(**records):
        shown = selfcheck.Map({name: {**selfcheck.new_record(), **record} for name, record in records.items()})
        return [shown.sign(name) for name in ("central_diff", "second_difference")]

    solved, tried = {"solved": True}, {"tries": ["abc"]}
    assert signs(central_diff=solved) == ["✓", "○"]
    assert signs(central_diff=solved, second_difference=tried) == ["✓", "◐"]
    assert signs(central_diff=solved, second_difference=solved) == ["✓✓", "✓"]
    assert signs(central_diff=tried, second_difference=solved) == ["◐", "✓"]


def test_progress_names_every_exercise_in_text_and_picture():
    out_of(RIGHT + "out = check(twice)")
    shown = progress()
    for text in (repr(shown), shown._repr_html_()):
        assert all(name in text for name in all_exercises())
        assert "00 Start here: 1 of 4 solved" in text
    assert "✓ solved" in shown._repr_html_() and "✓✓" in repr(shown)


def test_what_a_function_prints_at_the_first_input_is_shown_and_escaped():
    def twice(x):
        print("<b>x</b> has", len(x), "entries")
        return 2 * x

    shown = selfcheck.check(twice, remember=False)
    assert "printed at the first input:\n<b>x</b> has 5 entries" in repr(shown)
    assert "&lt;b&gt;x&lt;/b&gt; has 5 entries" in shown._repr_html_() and "<b>x" not in shown._repr_html_()


def test_an_answer_that_only_waits_gets_more_time_and_not_for_ever(monkeypatch):
    """As on a busy machine: its own computing counts, and a multiple of that on the clock."""
    monkeypatch.setattr(selfcheck, "WAITING", 4)
    with selfcheck.stopped_after(0.1):
        time.sleep(0.25)
    with pytest.raises(selfcheck.TooLong), selfcheck.stopped_after(0.1):
        time.sleep(5)
