"""A verdict is said in a few lines, most fundamental first, without the answer, and safely in HTML."""

import math
import re
from dataclasses import replace
from html import unescape

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy

from course_lib import feedback
from course_lib.exercise import Exercise, all_exercises
from course_lib.feedback import Feedback, Note, explain_error, html, lines, plain
from course_lib.judge import Check, Layer, LocalSource, Problem, Status, Verdict, judge
from course_lib.keys import mini
from course_lib.observe import Failure, observe

EVIL = '<script>alert("x")</script>&'
EXERCISES = all_exercises()


def exercise(**about):
    about = {"number": "9.1", "title": "", "signature": "(a)", "points": 4, "minutes": 1, "section": "09a", **about}
    return Exercise(name="task", lesson="09", key=lambda ask: None, **about)


def verdict(**about):
    problem = Problem(
        layer=Layer.VALUE, part="six slopes", question="a = 0.7", got="you returned 2", wanted="the slope is smaller"
    )
    about = {"status": Status.WRONG, "score": 0.0, "max_score": 4, "problem": problem, **about}
    return Verdict(exercise="task", **about)


def failed(type="ValueError", message="no", code="y = x"):
    failure = Failure(type=type, message=message, line=3, code=code)
    return Problem(
        layer=Layer.RAISED, part="six slopes", question="a = 0.7", got="", wanted="an answer", failure=failure
    )


# --- what PyTorch says -----------------------------------------------------------------------------------------------


def leaf(values=(1.0, 2.0)):
    return torch.tensor(values, requires_grad=True)


def second_backward():
    y = (leaf() ** 2).sum()
    y.backward()
    y.backward()


def overwritten():
    y = leaf().exp()
    y.add_(1)
    y.sum().backward()


def leaf_in_place():
    x = leaf()
    x *= 2


def leaf_through_an_index():
    x = leaf()
    x[0] = 5


def inference_tensor():
    with torch.inference_mode():
        made = torch.ones(2)
    return leaf() * made


def endless():
    return endless()


def without_return(x):
    x * 2


def walked(backward, save=None):
    """A Function of a tensor and a number, called and walked back."""

    class Times(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x, n):
            if save is not None:
                ctx.save_for_backward(save)
            return x * n

    Times.backward = staticmethod(backward)
    Times.apply(leaf(), 2).sum().backward()


def wrong_arguments():
    return leaf_in_place(1, 2)


PROVOKED = {
    "element 0 of tensors does not require grad": lambda: torch.ones(()).backward(),
    "can require gradients": lambda: torch.tensor([1, 2], requires_grad=True),
    "grad can be implicitly created only for scalar outputs": lambda: (leaf() ** 2).backward(),
    "Mismatch in shape: grad_output[0]": lambda: (leaf() ** 2).backward(torch.ones(3)),
    "Trying to backward through the graph a second time": second_backward,
    "modified by an inplace operation": overwritten,
    "a leaf Variable that requires grad": leaf_in_place,
    "a view of a leaf Variable": leaf_through_an_index,
    "only change requires_grad flags of leaf variables": lambda: (leaf() * 2).requires_grad_(False),
    "Can't call numpy() on Tensor that requires grad": lambda: leaf().numpy(),
    "appears to not have been used in the graph": lambda: torch.autograd.grad(leaf().sum(), leaf()),
    "Inference tensors cannot be saved for backward": inference_tensor,
    "Can't detach views": lambda: (leaf() * 2)[0].detach_(),
    "to be a tuple": lambda: torch.func.jvp(torch.sin, torch.ones(2), torch.ones(2)),
    "to return a scalar": lambda: torch.func.grad(torch.sin)(torch.ones(2)),
    "bitwise_xor": lambda: leaf() ^ 2,
    "for ^:": lambda: 0.7 ^ 2,
    "and 'Dual'": lambda: 2.0 * type("Dual", (), {})(),
    "'MiniTensor' object has no attribute": lambda: mini.MiniTensor(0.7).sum(),
    "which has no callable": lambda: np.exp(mini.MiniTensor(0.7)),
    "'MiniTensor' object is not subscriptable": lambda: mini.MiniTensor(0.7)[0],
    "number, not 'MiniTensor'": lambda: np.asarray(mini.MiniTensor(0.7), dtype=float),
    "arrays can be converted to Python scalars": lambda: math.exp(np.ones(2)),
    "instances of 'MiniTensor'": lambda: mini.MiniTensor(0.7) > 0,
    "out of bounds for array of dimension": lambda: np.ones(3).sum(axis=1),
    "cannot reshape array": lambda: np.ones((4, 3)).reshape(3),
    "truth value of an array": lambda: 1 if np.ones(2) > 0 else 0,
    "'numpy.ndarray' object is not callable": lambda: np.ones(2)(1.0),
    "unsupported operand type": lambda: 2.0 * object(),
    "did not match": lambda: torch.allclose(torch.ones(2), torch.ones(2, dtype=torch.float64)),
    "size mismatch": lambda: torch.ones(4, 3) @ torch.ones(4),
    "cannot be concatenated": lambda: torch.cat([torch.tensor(0.7), torch.tensor(1.3)]),
    "index out of range": lambda: [1, 2][2],
    "out of bounds for dimension": lambda: torch.ones(2)[2],
    "'float' object has no attribute": lambda: (0.7).rate,
    "is not implemented": lambda: (leaf() // 2).sum().backward(),
    "same dtype": lambda: torch.ones(2, 2) @ torch.ones(2, 2, dtype=torch.float64),
    "expected scalar type": lambda: torch.bmm(torch.ones(1, 2, 2), torch.ones(1, 2, 2, dtype=torch.float64)),
    "shapes cannot be multiplied": lambda: torch.ones(2, 3) @ torch.ones(2, 3),
    "is invalid for input of size": lambda: torch.ones(5, 3).reshape(3),
    "doesn't match the broadcast shape": lambda: torch.ones(2).sub_(torch.ones(3, 2)),
    "with a bool tensor is not supported": lambda: (torch.ones(2) > 0) - torch.ones(2),
    "must match the size of tensor": lambda: torch.ones(2) + torch.ones(3),
    "Boolean value of Tensor with more than one value": lambda: 1 if leaf() > 0 else 0,
    "unexpected keyword argument": lambda: torch.optim.SGD([leaf()], rate=0.1),
    "0D or 1D target tensor expected": lambda: cross_entropy(torch.ones(4, 3), torch.ones(4, 1).long()),
    "expected target dtype to be Long": lambda: cross_entropy(torch.ones(4, 3), torch.ones(4)),
    "can't optimize a non-leaf Tensor": lambda: torch.optim.SGD([leaf() * 2], lr=0.1),
    "'NoneType' object has no attribute 'zero_'": lambda: leaf().grad.zero_(),
    "object has no attribute 'backward'": lambda: leaf().sum().item().backward(),
    "'MiniTensor' object has no attribute 'backward'": lambda: (mini.MiniTensor(2.0) * 3).backward(),
    "cannot unpack non-iterable MiniTensor": lambda: mini.MiniTensor.made(1.0, mini.MiniTensor(2.0)),
    "operands could not be broadcast": lambda: np.ones(3) + np.ones(2),
    "matmul: Input operand": lambda: np.ones((5, 3)) @ np.ones((4, 3)),
    "'NoneType'": lambda: leaf() - 0.1 * leaf().grad,
    "can only convert": lambda: np.ones(2).item(),
    "a Tensor with": lambda: leaf().item(),
    "Thing passed to transform API must be Tensor": lambda: torch.func.grad(torch.sin)(0.7),
    "to return a Tensor, got": lambda: torch.func.grad(lambda t: t.item() ** 2)(torch.tensor(0.7)),
    "must be Tensor, not NoneType": lambda: torch.zeros(2).add_(leaf().grad),
    "must be Tensor, not numpy.ndarray": lambda: torch.sin(np.ones(2)),
    "must be Tensor, not": lambda: torch.sin(0.7),
    "invalid index of a 0-dim tensor": lambda: torch.tensor(0.7)[0],
    "only one element tensors can be converted": lambda: math.sin(leaf()),
    "is not defined": lambda: undefined_name,  # noqa: F821
    "unexpected keyword argument 'require_grad'": lambda: torch.tensor(0.7, require_grad=True),
    "object is not callable": lambda: torch.ones(2, requires_grad=True).sum().data(),
    "positional argument": wrong_arguments,
    "maximum recursion depth": endless,
    "expected Tensor as element": lambda: torch.stack([torch.autograd.grad(leaf().sum(), leaf(), allow_unused=True)]),
    "KeyError": lambda: {"a": 1}["b"],
    "incorrect number of gradients": lambda: walked(lambda ctx, g: g),
    "different than None at position": lambda: walked(lambda ctx, g: (g, g)),
    "expected Variable or None": lambda: walked(lambda ctx, g: (1.0, None)),
    "returned an invalid gradient": lambda: walked(lambda ctx, g: (g.sum(), None)),
    "save_for_backward can only save variables": lambda: walked(None, save=3),
    "not enough values to unpack": lambda: walked(lambda ctx, g: (1 * g, None, *[0 for (x,) in [ctx.saved_tensors]])),
}


@pytest.mark.parametrize("part", [part for part, _ in feedback.ERRORS])
def test_an_error_of_todays_torch_is_still_the_one_we_explain(part):
    failure = observe(PROVOKED[part], ()).failure
    assert part.lower() in f"{failure.type}: {failure.message}".lower()
    assert explain_error(failure) == dict(feedback.ERRORS)[part]


def test_an_unknown_error_is_not_explained():
    assert explain_error(Failure(type="ValueError", message="my own words")) == ""


# --- lines -----------------------------------------------------------------------------------------------------------


def labels(verdict):
    return [label for label, _ in lines(verdict, exercise())]


def test_lines_come_in_the_promised_order_and_are_at_most_five():
    assert labels(verdict()) == ["checked", "got", "next"]
    assert labels(verdict(ratio="yours ÷ right: 1, 2, so not a constant factor")) == ["checked", "got", "ratio", "next"]
    constant = verdict(ratio="yours ÷ right is 2 every time: a constant factor", sentence="Twice.")
    assert labels(constant) == ["checked", "got", "ratio", "cause", "next"]
    assert labels(verdict(problem=failed(message="'NoneType' has no len"))) == ["checked", "got", "cause", "next"]
    assert labels(verdict(problem=failed())) == ["checked", "got", "next"]


def test_an_error_without_words_or_line_is_still_a_sentence():
    silent = dict(lines(verdict(problem=failed(message="", code="raise ValueError")), exercise()))
    assert silent["got"] == "ValueError in `raise ValueError`"
    nowhere = dict(lines(verdict(problem=failed(message="2 were given", code="")), exercise()))
    assert nowhere["got"] == "ValueError: 2 were given" and "first line of your function" in nowhere["next"]
    in_engine = dict(lines(verdict(problem=failed(message="2 were given", code="")), replace(exercise(), lesson="10")))
    assert "outside of this cell" in in_engine["next"]


def test_an_error_of_the_engine_sends_to_the_cause_or_to_both_passes():
    inside = failed(type="RuntimeError", message="function FBackward returned an incorrect number of gradients", code="")
    named = dict(lines(verdict(problem=inside, sentence="A None is missing."), exercise()))
    assert named["cause"] == "A None is missing." and named["next"].startswith("Change that one thing")
    unnamed = dict(lines(verdict(problem=inside), replace(exercise(), kind="class")))
    assert unnamed["cause"].startswith("backward returns one thing for each") and "each method" in unnamed["next"]


def test_an_exception_of_another_type_than_the_wanted_one_is_told_so():
    problem = replace(failed(type="RuntimeError", message="hill"), wanted="a ValueError, because f″ is negative")
    shown = dict(lines(verdict(problem=problem), exercise()))
    assert shown["got"] == "RuntimeError in `y = x`: hill; wanted: a ValueError, because f″ is negative"


def test_a_value_is_not_spoken_of_as_a_function():
    shown = dict(lines(verdict(), exercise(kind="order", signature="list[str]")))
    assert "function" not in shown["next"] and "docstring" not in shown["next"]


def test_a_named_cause_is_not_followed_by_a_ratio_that_says_nothing():
    assert "ratio" not in labels(verdict(ratio="yours ÷ right: 1, 2, so not a constant factor", sentence="Cause."))


def test_a_right_answer_needs_a_headline_only():
    right = verdict(status=Status.CORRECT, problem=None, checks=(Check(title="a", weight=1, passed=True),) * 2)
    assert plain(right, exercise()) == "✓ task: right, all parts hold"


def test_a_self_assessment_is_noted_and_not_called_right():
    assert plain(verdict(status=Status.CORRECT, problem=None), exercise(points=0)) == "✓ task: noted"


def parts_that_hold(*passed):
    return tuple(Check(title="abc"[i], weight=1, passed=one) for i, one in enumerate(passed))


@pytest.mark.parametrize("status", [Status.PARTIAL, Status.MISCONCEPTION, Status.WRONG])
def test_a_headline_counts_the_parts_that_hold_and_equal_counts_read_alike(status):
    half = verdict(status=status, checks=parts_that_hold(True, False))
    assert plain(half, exercise()).startswith("◐ task: partly right (1 of 2 parts hold)")


@pytest.mark.parametrize("status", [Status.MISCONCEPTION, Status.WRONG])
def test_where_no_part_holds_the_headline_says_not_yet(status):
    none = verdict(status=status, checks=parts_that_hold(False, False))
    assert plain(none, exercise()).startswith("✗ task: not yet (0 of 2 parts hold)")


def test_lines_to_sort_are_in_text_and_card_and_are_escaped():
    with_lines = exercise(lines=("y = f(a)", "return y"), lures={"A1": "return <b>"})
    text, card = (show(verdict(), with_lines, "", with_lines.shuffled_lines) for show in (plain, html))
    assert "lines to sort: Here is every line of one right answer" in text and "    y = f(a)" in text
    assert "y = f(a)" in card and "return &lt;b&gt;" in card and "<b>" not in card


@pytest.mark.parametrize("status", Status)
def test_every_status_has_words_of_its_own(status):
    problem = None if status in feedback.WAITING else verdict().problem
    text = plain(verdict(status=status, problem=problem), exercise())
    assert text.split(": ")[1]
    assert len({feedback.HEADS[status][2] for status in Status}) >= len(Status) - 1  # wrong and misconception share


def test_our_own_failure_is_said_to_be_ours_and_not_called_wrong():
    text = plain(verdict(status=Status.NOT_JUDGED, problem=None, sentence="The checker failed."), exercise())
    assert "our fault" in text and "✗" not in text


@pytest.mark.parametrize("layer", [layer for layer in Layer if layer is not Layer.RAISED])
def test_every_layer_has_a_next_step(layer):
    problem = Problem(layer=layer, part="p", question="", got="g", wanted="w")
    assert lines(verdict(problem=problem), exercise())[-1] == ("next", feedback.NEXT[layer])


def test_advice_and_hint_come_last():
    text = plain(verdict(advice=("float32 was used.",)), exercise(), "Look at the leaf.").splitlines()
    assert text[-2:] == ["worth knowing: float32 was used.", "hint: Look at the leaf."]


# --- text and HTML ---------------------------------------------------------------------------------------------------


def words(markup):
    """All words of a text or an HTML card, without labels' punctuation."""
    return set(re.findall(r"[\w′″−.]+", unescape(re.sub(r"<[^>]*>", " ", markup))))


@pytest.mark.parametrize(
    "shown",
    [
        verdict(sentence="Write `x.grad` once."),
        verdict(problem=failed(message="`odd backtick")),
        verdict(ratio="yours ÷ right is 2 every time: a constant factor", advice=("float32 was used.",)),
        verdict(status=Status.OPEN, problem=None),
    ],
)
def test_the_card_says_what_the_text_says(shown):
    text, card = plain(shown, exercise(), "A hint."), html(shown, exercise(), "A hint.")
    assert words(text) - words(card) <= {"hint"}


def test_everything_a_student_can_write_is_escaped():
    problem = Problem(
        layer=Layer.RAISED, part=EVIL, question=EVIL, got=EVIL, wanted=EVIL, failure=failed(EVIL, EVIL, EVIL).failure
    )
    shown = verdict(
        problem=problem,
        ratio=EVIL,
        sentence=EVIL,
        advice=(EVIL,),
        checks=(Check(title=EVIL, weight=1, passed=False),) * 2,
    )
    for card in (
        html(shown, exercise(), EVIL),
        Note(EVIL)._repr_html_(),
        Feedback(shown, exercise(), EVIL)._repr_html_(),
    ):
        assert "<script" not in card and 'alert("x")' not in card
        assert "alert" in card


def test_code_is_shown_as_code_and_a_lone_backtick_stays():
    assert feedback.inline("use `x.grad` <b>") == 'use <code style="text-indent:0">x.grad</code> &lt;b&gt;'
    assert feedback.inline("a ` b") == "a ` b"


def test_a_card_is_balanced():
    card = html(verdict(checks=(Check(title="a", weight=1, passed=False),) * 2, sentence="`x`"), exercise(), "hint")
    for tag in ("div", "p", "span", "ul", "li", "details", "summary", "code"):
        assert len(re.findall(rf"<{tag}[ >]", card)) == card.count(f"</{tag}>"), tag


def test_the_tone_is_told_by_a_sign_too():
    for status, (tone, sign, _) in feedback.HEADS.items():
        assert sign in {"good": "✓", "bad": "✗◐", "open": "○!"}[tone], status


# --- no answer is given away -----------------------------------------------------------------------------------------


WRONG = [(name, mistake) for name, exercise in EXERCISES.items() for mistake in exercise.mistakes]


@pytest.mark.parametrize("name, mistake", WRONG, ids=lambda value: value if isinstance(value, str) else value.name)
def test_a_verdict_on_a_real_mistake_is_short_and_gives_no_number_away(name, mistake):
    shown = judge(EXERCISES[name], LocalSource(mistake.make()))
    text = plain(shown, EXERCISES[name])
    assert 3 <= len(text.splitlines()) - len(shown.advice) <= 6
    assert mistake.sentence in text
    # What must hold is said in words: numbers in it are those of the question, or of the list of steps in 1.3.
    known = {*decimals(shown.problem.question), *decimals(shown.problem.part), "0.1", "0.01"}
    assert decimals(shown.problem.wanted) <= known, shown.problem.wanted


def decimals(text):
    return set(re.findall(r"\d+\.\d+", text))


def test_a_note_is_text_and_card():
    note = Note("Run the cell.")
    assert repr(note) == "Run the cell." and "Run the cell." in note._repr_html_() and note.passed is False


def test_code_that_was_handed_out_and_is_not_mended_is_not_called_empty():
    given = "def task(a):\n    return a\n"
    for source, said in ((given, "still as you got it"), (None, "Replace the dots")):
        verdict = Verdict(exercise="task", status=Status.OPEN, score=0.0, max_score=1)
        assert said in plain(verdict, exercise(given=source))
