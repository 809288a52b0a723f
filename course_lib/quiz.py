"""Predict before you see, and recall: predict, reveal, attempt, fill, recall and exit_ticket.

The questions stand in the keys of the lessons. A prediction is compared with what really happens in the next cell;
until one is made, that cell keeps its result folded. Nothing here counts for a score.
"""

import contextlib
import warnings
from html import escape

from course_lib.exercise import all_lessons
from course_lib.feedback import Note, card, inline
from course_lib.questions import Unreadable, show_number

_guesses = {}  # id -> what was predicted in this kernel
_waiting = {}  # id -> the Reveal to show again once there is a prediction


def predict(id):
    """A field for a prediction. Run the cell below it to see what happens."""
    return Prediction(id, question_of(id))


def reveal(id, happened):
    """What happened, beside what was predicted: a number, a tensor, a shape, a truth value or an attempt()."""
    from IPython.display import display

    shown = Reveal(id, question_of(id), plain_value(happened))
    shown.handle = display(shown, display_id=True)
    _waiting[id] = shown


def question_of(id):
    for lesson in all_lessons():
        if id in lesson.questions:
            return lesson.questions[id]
    raise KeyError(f"there is no question {id!r} in the lessons")


@contextlib.contextmanager
def attempt():
    """Run the lines inside and print the error they raise, or the warning they give, instead of stopping there.

    For lines that are expected to fail: `with attempt() as outcome: …`, then outcome says whether they worked.
    """
    outcome = Outcome()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        try:
            yield outcome
        except Exception as error:
            outcome.word = "raises"
            print(f"{type(error).__name__}: {error}")
    for warning in caught:
        if issubclass(warning.category, UserWarning):  # the first sentence: the rest names files and lines
            print(f"UserWarning: {str(warning.message).split('. ')[0]}.")


def fill(id, value):
    """Say whether the step that was left blank is right; value is ... while it is still blank."""
    question = question_of(id)
    if value is ...:
        return Note("○ Still blank: put your answer in place of the dots and run the cell again.")
    try:
        answer = plain_value(value)
        usable = isinstance(answer, int | float) == isinstance(question.kind.right, int | float)
    except (TypeError, ValueError, RuntimeError):  # a tensor of several numbers, say
        usable = False
    if not usable:
        return Note(f"✗ Wanted: {question.kind.wanted}; got something of type {type(value).__name__}.", "bad")
    if question.is_right(answer):
        return Note(f"✓ {shown(answer)}. {question.why}", "good")
    return Note(f"✗ {shown(answer)}. {question.slip(answer) or 'Not that. Work it out on paper, step by step.'}", "bad")


class Outcome:
    """Whether the lines under attempt() worked."""

    word = "works"

    def __repr__(self):
        return self.word


def plain_value(happened):
    """What happened in the form that predictions have."""
    if isinstance(happened, Outcome):
        return happened.word
    if happened is None:
        return "None"
    if hasattr(happened, "detach"):
        happened = happened.detach()
        return bool(happened) if str(happened.dtype) == "torch.bool" else float(happened)
    return tuple(happened) if isinstance(happened, list) or hasattr(happened, "numel") else happened


class Prediction:
    """A question with a field to type in."""

    def __init__(self, id, question):
        self.id, self.question = id, question

    def __repr__(self):
        return f"Predict: {self.question.text}"

    def _repr_html_(self):
        return card("open", "Predict first", f'<p style="margin:0">{inline(self.question.text)}</p>')

    def _repr_mimebundle_(self, include=None, exclude=None):
        bundle = {"text/plain": repr(self), "text/html": self._repr_html_()}
        return {**bundle, **view_of(self.widget())}

    def widget(self):
        return field(self._repr_html_(), self.question, self.keep, "Keep")

    def keep(self, answer):
        """Keep a prediction; the HTML to show for it."""
        _guesses[self.id] = answer
        if self.id in _waiting:
            _waiting[self.id].show_again()
            return f"Kept: {shown(answer)}. The answer stands below."
        return f"Kept: {shown(answer)}. Now run the next cell."


class Reveal:
    """What happened, beside the prediction."""

    handle = None

    def __init__(self, id, question, happened):
        self.id, self.question, self.happened = id, question, happened

    def show_again(self):
        if self.handle is not None:
            self.handle.update(self)

    def __repr__(self):
        if self.id not in _guesses:
            return f"No prediction yet. What happens: {shown(self.happened)}"
        return f"You predicted {shown(_guesses[self.id])}; what happens: {shown(self.happened)}"

    def _repr_html_(self):
        result = f"<strong>{escape(shown(self.happened))}</strong>"
        why = f'<p style="margin:6px 0 0">{inline(self.question.why)}</p>'
        if self.id not in _guesses:
            return card(
                "open", "No prediction yet",
                f'<p style="margin:0">Type one above: it is compared with what happens. '
                f'Being wrong here teaches more than looking.</p><details style="margin-top:4px">'
                f'<summary style="cursor:pointer">Show it all the same</summary>'
                f'<p style="margin:4px 0 0">What happens: {result}</p>{why}</details>',
            )
        guess = _guesses[self.id]
        right = self.question.kind.same(guess, self.happened)
        compared = (
            f'<p style="margin:0">You predicted <strong>{escape(shown(guess))}</strong>, what happens is {result}.</p>'
        )
        slip = "" if right else self.question.slip(guess)
        slip = f'<p style="margin:6px 0 0">{inline(slip)}</p>' if slip else ""
        return card("good" if right else "bad", "✓ as predicted" if right else "✗ a surprise", compared + slip + why)


def shown(value):
    return show_number(value) if isinstance(value, int | float) and not isinstance(value, bool) else str(value)


# --- recall and exit ticket ------------------------------------------------------------------------------------------


def recall(lesson):
    """The questions that open a lesson: from memory, without looking back."""
    return Quiz(lesson, "recall", "From memory")


def exit_ticket(lesson):
    """The questions that close a lesson."""
    return Quiz(lesson, "exit_ticket", "Exit ticket")


class Quiz:
    """A few questions to type answers to, each answered at once."""

    def __init__(self, lesson, which, title):
        found = next((one for one in all_lessons() if one.number == lesson), None)
        if found is None:
            known = ", ".join(one.number for one in all_lessons())
            raise KeyError(f"there is no lesson {lesson!r}; there are {known}")
        self.questions = [question_of(id) for id in getattr(found, which)]
        self.title = title

    def __repr__(self):
        return "\n".join([f"{self.title}:", *(f"{i}. {q.text}" for i, q in enumerate(self.questions, start=1))])

    def _repr_html_(self):
        items = "".join(f'<li style="margin:4px 0">{inline(question.text)}</li>' for question in self.questions)
        return card("open", self.title, f'<ol style="margin:0;padding-left:1.4em">{items}</ol>')

    def _repr_mimebundle_(self, include=None, exclude=None):
        return {"text/plain": repr(self), "text/html": self._repr_html_(), **view_of(self.widget())}

    def widget(self):
        import ipywidgets

        count = len(self.questions)
        fields = [
            field(card("open", f"{self.title}, {i} of {count}", f'<p style="margin:0">{inline(question.text)}</p>'),
                  question, Marker(question).mark, "Check")
            for i, question in enumerate(self.questions, start=1)
        ]
        return ipywidgets.VBox(fields, layout=ipywidgets.Layout(overflow="visible"))


class Marker:
    """Marks the answers to one question; the second wrong one brings the explanation."""

    def __init__(self, question):
        self.question, self.wrong = question, 0

    def mark(self, answer):
        if self.question.is_right(answer):
            return f"✓ {shown(answer)}. {self.question.why}"
        self.wrong += 1
        slip = self.question.slip(answer) or "Not that."
        if self.wrong < 2:
            return f"✗ {slip} Try once more."
        return f"✗ {slip} It is {shown(self.question.kind.right)}. {self.question.why}"


# --- widgets ---------------------------------------------------------------------------------------------------------


def field(html, question, answered, verb):
    """A question as HTML, a text field, a button, and a line that answered(answer) fills."""
    import ipywidgets

    text = ipywidgets.Text(
        description="Your answer", placeholder=question.kind.wanted, continuous_update=False,
        style={"description_width": "auto"}, layout=ipywidgets.Layout(width="30em", max_width="90%"),
    )
    button = ipywidgets.Button(description=verb, tooltip=f"{verb} your answer", layout=ipywidgets.Layout(width="6em"))
    line = ipywidgets.HTML(layout=ipywidgets.Layout(margin="0 0 4px 19px", max_width="54em"))
    last = [None]

    def answer(_=None):
        typed = text.value.strip()
        if not typed or typed == last[0]:  # Enter, leaving the field and the button all report the same text
            return
        last[0] = typed
        try:
            said = answered(question.read(typed))
        except Unreadable as unreadable:
            said = str(unreadable)
        line.value = f'<div role="status" style="line-height:1.45;margin:2px 0">{inline(said)}</div>'

    text.observe(answer, names="value")
    button.on_click(answer)
    row = ipywidgets.HBox([text, button], layout=ipywidgets.Layout(flex_flow="row wrap", margin="0 0 0 17px"))
    return ipywidgets.VBox([ipywidgets.HTML(html), row, line], layout=ipywidgets.Layout(overflow="visible"))


def view_of(widget):
    """The part of a display bundle that makes the notebook show a live widget."""
    view = "application/vnd.jupyter.widget-view+json"
    return {view: {"version_major": 2, "version_minor": 0, "model_id": widget.model_id}}
