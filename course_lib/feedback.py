"""The words of a verdict: plain(verdict, exercise) as text, html(verdict, exercise) as a card, from the same lines.

A verdict says, in this order: what was checked, what came back and what must hold, the ratio, the probable cause, the
next step. It never says the answer. explain_error(failure) knows what PyTorch's messages mean.
"""

from html import escape

from course_lib.judge import Layer, Status

# (what the message contains, what it means): the first that fits is said. Texts of torch 2.13; tests provoke them.
ERRORS = (
    ("element 0 of tensors does not require grad",
     "the result is not connected to anything that tracks: requires_grad is missing or was set too late, or the graph "
     "was cut on the way"),
    ("can require gradients", "only floating-point numbers can be tracked: write 2.0 instead of 2"),
    ("grad can be implicitly created only for scalar outputs",
     "a vector has no single derivative: reduce it to one number first, or pass gradient="),
    ("Mismatch in shape: grad_output[0]", "gradient= weights the outputs, so it needs the shape of the output"),
    ("Trying to backward through the graph a second time",
     "the first backward freed what it had saved: compute the function again before walking back again"),
    ("modified by an inplace operation", "a value that backward still needs was overwritten: write to a new tensor"),
    ("a leaf Variable that requires grad", "a tracked leaf may be changed in place only under torch.no_grad()"),
    ("a view of a leaf Variable", "a tracked leaf may be changed in place only under torch.no_grad()"),
    ("only change requires_grad flags of leaf variables",
     "a computed tensor cannot be switched off: .detach() gives you one that is not tracked"),
    ("Can't call numpy() on Tensor that requires grad", "NumPy knows no graph: .detach() first"),
    ("appears to not have been used in the graph", "one of the inputs does not influence the output"),
    ("Inference tensors cannot be saved for backward", "this tensor was made under inference_mode: use no_grad instead"),
    ("Can't detach views", "an entry cannot leave the graph by itself: detach the whole tensor, and build a new one"),
    ("to be a tuple", "torch.func.jvp takes its points and its directions as tuples: (x,) and (u,)"),
    ("to return a scalar", "torch.func.grad wants a function that returns one number"),
    ("bitwise_xor", "^ is no power in Python: write x**2"),
    ("for ^:", "^ is no power in Python: write x**2"),
    ("is not implemented", "this operation has no derivative"),
    ("same dtype", "float32 met float64: convert one of them"),
    ("expected scalar type", "two dtypes met: convert one of them"),
    ("did not match", "float32 met float64, or whole numbers: convert one of them"),
    ("size mismatch", "a matrix times a vector: the vector needs one entry for each column of the matrix"),
    ("cannot be concatenated", "torch.cat joins vectors; torch.stack makes a vector of single numbers"),
    ("shapes cannot be multiplied", "the inner sizes differ"),
    ("is invalid for input of size", "reshape and view keep the number of entries: only a sum makes fewer of many"),
    ("doesn't match the broadcast shape", "an in-place change cannot make a tensor larger: the other one has another shape"),
    ("with a bool tensor is not supported", "a comparison gives True and False: .to(x.dtype) or 1.0 * makes numbers of them"),
    ("must match the size of tensor", "these two shapes cannot be stretched to each other"),
    ("Boolean value of Tensor with more than one value",
     "Python's if wants one True or False: use torch.where for a choice at every entry"),
    ("'NoneType' object has no attribute 'zero_'", ".grad is None before the first backward"),
    ("'MiniTensor' object has no attribute 'backward'", "here the walk back is a function: run_backward(y)"),
    ("cannot unpack non-iterable MiniTensor", "a parent comes as a pair: MiniTensor.made(value, (a, lambda g: ...))"),
    ("operands could not be broadcast", "NumPy cannot put these shapes together: print them; g has the shape of the result, and "
     "a sum takes its axis away unless keepdims=True"),
    ("matmul: Input operand", "for A @ B the last axis of A must be as long as the last but one of B: is a .T missing?"),
    ("object has no attribute 'backward'",
     "a plain number has no backward: .item(), float() or a function from math turned the tensor into one"),
    ("'NoneType'", "something is None here: .grad before the first backward, .grad of a result in the middle, or a function "
     "without a return"),
    ("and 'Dual'", "with a plain number on its left, Python asks the class on its right for __radd__, __rmul__ or __rsub__"),
    ("'MiniTensor' object has no attribute", "a MiniTensor has what its class gives it: its numbers are in .data"),
    ("which has no callable", "a function of NumPy met a MiniTensor: its numbers are in .data"),
    ("'MiniTensor' object is not subscriptable", "a MiniTensor cannot be indexed by itself: its numbers are in .data"),
    ("number, not 'MiniTensor'", "numbers are wanted here, and a MiniTensor came: its numbers are in .data"),
    ("arrays can be converted to Python scalars", "a function from math takes one number: those of NumPy take whole arrays"),
    ("instances of 'MiniTensor'", "compare the numbers, t.data, and not the MiniTensor around them"),
    ("out of bounds for array of dimension", "the array has fewer axes than that, perhaps because a sum has just taken one away"),
    ("cannot reshape array", "reshape keeps the number of entries: only a sum makes fewer of many"),
    ("truth value of an array", "Python's if wants one True or False: use np.where, or the comparison as a factor"),
    ("'numpy.ndarray' object is not callable",
     "brackets call a function, and this is an array: in a pair (input, vjp) the vjp is a function of g"),
    ("unsupported operand type", "the two sides of this operator do not go together: print the type of both"),
    ("can only convert", "this tensor has more than one entry: .item() wants exactly one"),
    ("a Tensor with", "this tensor has more than one entry: .item() wants exactly one"),
    ("only one element tensors can be converted",
     "this tensor has more than one entry: float() and functions from math want exactly one, those of torch take all"),
    ("Thing passed to transform API must be Tensor",
     "torch.func differentiates with respect to tensors: make one of the number, with dtype=torch.float64"),
    ("to return a Tensor, got", "torch.func needs a function that returns a tensor: no .item() or float() inside it"),
    ("must be Tensor, not NoneType",
     "None stands where a tensor is wanted: .grad before the first backward, or of a tensor that took no part in it"),
    ("must be Tensor, not numpy.ndarray", "a function of torch met a NumPy array: what is computed in NumPy stays in NumPy"),
    ("must be Tensor, not", "a function of torch met a plain number: make a tensor of it first"),
    ("invalid index of a 0-dim tensor", "this tensor is a single number and has no entries: leave out the index"),
    ("expected Tensor as element",
     "torch.stack and torch.cat want a list of tensors, and something else is in it: torch.autograd.grad returns a tuple, "
     "so take its entry [0]"),
    ("index out of range", "there are fewer entries than your index asks for: print the length"),
    ("out of bounds for dimension", "there are fewer entries than your index asks for: print the shape"),
    ("'float' object has no attribute", "a plain number stands here where the code expects an object of its own"),
    ("incorrect number of gradients",
     "backward returns one thing for each input of forward, in their order, and None for what is no tensor"),
    ("different than None at position", "in the place of an input that is no tensor backward returns None"),
    ("expected Variable or None", "backward returns tensors, and None where an input is none: here it returned something else"),
    ("returned an invalid gradient", "what backward returns for an input has the shape of that input"),
    ("save_for_backward can only save variables", "ctx.save_for_backward takes tensors; a plain number goes on ctx: ctx.n = n"),
    ("not enough values to unpack",
     "there are fewer things on the right than names on the left: print its length (ctx.saved_tensors holds what forward has "
     "saved)"),
    ("KeyError", "the dict has no entry under this key: print its keys, and mind their spelling"),
    ("is not defined", "this name does not exist where the code runs: check the spelling, or run the cell that makes it"),
    ("unexpected keyword argument 'require_grad'", "the flag is called requires_grad"),
    ("unexpected keyword argument", "it was called with an argument that it does not have: keep the names that were given"),
    ("0D or 1D target tensor expected", "class numbers stand in one axis, shape (N,): .squeeze(1) takes the other away"),
    ("expected target dtype to be Long", "class numbers are whole numbers: .long()"),
    ("can't optimize a non-leaf Tensor", "an optimiser wants the parameters themselves, not what was computed from them"),
    ("object is not callable", "brackets call a function, and this is none: .grad, .shape and .dtype take no brackets"),
    ("positional argument", "the function was called with another number of arguments than it takes"),
    ("maximum recursion depth", "the function calls itself without an end, or more than a thousand calls deep"),
)

HEADS = {
    Status.CORRECT: ("good", "✓", "right"),
    Status.PARTIAL: ("bad", "◐", "partly right"),
    Status.MISCONCEPTION: ("bad", "✗", "not yet"),
    Status.WRONG: ("bad", "✗", "not yet"),
    Status.WRONG_TYPE: ("bad", "✗", "not yet: the wrong kind of answer"),
    Status.RAISED: ("bad", "✗", "your code stopped with an error"),
    Status.OPEN: ("open", "○", "still open"),
    Status.MISSING: ("open", "○", "not found"),
    Status.TIMED_OUT: ("bad", "✗", "stopped at the time limit"),
    Status.OUT_OF_MEMORY: ("bad", "✗", "stopped at the memory limit"),
    Status.REFUSED: ("open", "!", "could not be read"),
    Status.NOT_JUDGED: ("open", "!", "not judged"),
}

NEXT = {
    Layer.TYPE: "Look at the docstring: what kind of thing does it promise to return?",
    Layer.SHAPE: "Print the shapes of what goes in and what comes out.",
    Layer.DTYPE: "Print .dtype of what goes in and of what comes out, and follow it line by line.",
    Layer.FINITE: "Print the values between the lines and find the first nan or inf.",
    Layer.SIDE_EFFECT: "Work on a copy: .clone() of a tensor (.detach().clone() without its history), .copy() of an array.",
    Layer.CONNECTED: "Print .requires_grad of what you return.",
    Layer.VALUE: "Take the input above, work out the answer by hand, and print every step beside it.",
    Layer.PROPERTY: "Take the input above and print what your function does with it, step by step.",
    Layer.METHOD: "Read the docstring once more: it asks for a certain way.",
}

WAITING = {
    Status.OPEN: "The body is still empty. Replace the dots and run the cell again.",
    Status.MISSING: "Nothing with this name was defined. Run the cell that defines it.",
    Status.TIMED_OUT: "Is there a loop that never ends, or a loop over numbers where one call on a tensor would do?",
    Status.OUT_OF_MEMORY: "A tensor grew far beyond what the exercise needs. Print the shapes.",
    Status.NOT_JUDGED: "This is our fault, not yours, and costs no points.",
}


def explain_error(failure):
    """What an error message means, as half a sentence; "" if it is not one we know."""
    said = f"{failure.type}: {failure.message}".lower()
    for part, meaning in ERRORS:
        if part.lower() in said:
            return meaning
    return ""


def lines(verdict, exercise):
    """The verdict as pairs (label, sentence), the headline apart: see headline()."""
    if verdict.status is Status.OPEN and "..." not in (exercise.given_source or "..."):
        return [("", "It is still as you got it. Change what is wrong with it and run the cell again.")]
    if verdict.status in WAITING:
        return [("", part) for part in (verdict.sentence, WAITING[verdict.status]) if part]
    if verdict.problem is None:
        return [("", verdict.sentence)] if verdict.sentence else []
    problem, found = verdict.problem, []
    where = f"{problem.part}; here {problem.question}" if problem.question else problem.part
    found.append(("checked", where))
    if problem.failure:
        failure = problem.failure
        at = f" in `{failure.code}`" if failure.code else ""
        said = f": {failure.message}" if failure.message else ""
        wanted = f"; wanted: {problem.wanted}" if problem.wanted != "an answer" else ""
        found.append(("got", f"{failure.type}{at}{said}{wanted}"))
    else:
        fact = problem.wanted.endswith(" there")  # “the slope is larger there”; everything else names what was wanted
        found.append(("got", f"{problem.got}, but {problem.wanted}" if fact else f"{problem.got}; wanted: {problem.wanted}"))
    if verdict.ratio and (not verdict.sentence or "constant factor" in verdict.ratio and "not a" not in verdict.ratio):
        found.append(("ratio", verdict.ratio))
    if verdict.sentence:
        found.append(("cause", verdict.sentence))
    elif problem.failure and explain_error(problem.failure):
        found.append(("cause", explain_error(problem.failure)))
    found.append(("next", next_step(verdict, exercise)))
    return found


def next_step(verdict, exercise):
    """What to do now."""
    if verdict.problem.failure:
        if not verdict.problem.failure.code and verdict.sentence:
            return f"Change that one thing and run the cell again; section {exercise.section} is about this."
        if not verdict.problem.failure.code and exercise.kind == "class":
            return "Print in each method what goes in and what it returns, with shapes, and run the cell again."
        if not verdict.problem.failure.code and exercise.lesson == "10":
            return ("It happened outside of this cell, while your answer was used: look at what it hands on, and at the cells "
                    "that it relies on.")
        if not verdict.problem.failure.code:
            return "Compare the first line of your function with the one that was given, and run the cell again."
        return f"Repair that line and run the cell again; section {exercise.section} is about this."
    if verdict.sentence:
        return f"Change that one thing and run the cell again; section {exercise.section} is about this."
    if exercise.kind not in ("function", "class"):
        return "Compare what you wrote with what the question asks for, one entry after the other."
    return NEXT.get(verdict.problem.layer, "Read the docstring once more.")


def headline(verdict, exercise):
    """(tone, text): the verdict in a sign and a few words."""
    tone, sign, word = HEADS[verdict.status]
    held, total = sum(check.passed for check in verdict.checks), len(verdict.checks)
    if sign == "✗" and 0 < held < total:
        sign, word = "◐", word.replace("not yet", "partly right")
    if verdict.passed and not exercise.points:  # nothing that could be right or wrong was asked
        word = "noted"
    text = f"{sign} {exercise.name}: {word}"
    if verdict.checks and verdict.status not in (Status.OPEN, Status.MISSING):
        text += ", all parts hold" if held == total > 1 else f" ({held} of {total} parts hold)" if total > 1 else ""
    return tone, text


def plain(verdict, exercise, hint="", shuffled=()):
    """The verdict as text, for terminals and results files; shuffled: lines of code to sort."""
    text = [headline(verdict, exercise)[1]]
    text += [f"{label + ': ' if label else ''}{sentence}" for label, sentence in lines(verdict, exercise)]
    text += [f"worth knowing: {sentence}" for sentence in verdict.advice]
    if hint:
        text.append(f"hint: {hint}")
    if shuffled:
        text += [f"lines to sort: {about_lines(exercise)}", *(f"    {line}" for line in shuffled)]
    return "\n".join(text)


def html(verdict, exercise, hint="", shuffled=()):
    """The verdict as an HTML card; everything that came from the student is escaped."""
    tone, title = headline(verdict, exercise)
    rows = [row(label, sentence) for label, sentence in lines(verdict, exercise)]
    rows += [row("worth knowing", sentence) for sentence in verdict.advice]
    if len(verdict.checks) > 1:
        rows.insert(0, parts(verdict.checks))
    if hint:
        rows.append(f'<details style="margin-top:6px"><summary style="cursor:pointer">A hint</summary>'
                    f'<p style="margin:4px 0 0">{inline(hint)}</p></details>')
    if shuffled:
        rows.append(f'<details style="margin-top:6px"><summary style="cursor:pointer">Lines to sort</summary>'
                    f'<p style="margin:4px 0 0">{inline(about_lines(exercise))}</p>'
                    f'<pre style="margin:4px 0 0">{escape(chr(10).join(shuffled))}</pre></details>')
    return card(tone, title, "".join(rows))


def about_lines(exercise):
    """What a student is told about the lines to sort."""
    many = ("", "one that does", "two that do", "three that do")[len(exercise.lures)]
    return f"Here is every line of one right answer, out of order and without indents, and {many} not belong to it."


def parts(checks):
    items = "".join(
        f'<li style="list-style:none;margin:0">{"✓" if check.passed else "✗"} {escape(check.title)}</li>' for check in checks
    )
    return f'<ul style="margin:0 0 6px;padding:0">{items}</ul>'


def row(label, sentence):
    """One line of a card, its label in a column of its own."""
    if not label:
        return f'<p style="margin:2px 0">{inline(sentence)}</p>'
    return (
        f'<p style="margin:3px 0;padding-left:8em;text-indent:-8em"><span style="display:inline-block;width:8em;'
        f'text-indent:0;opacity:.75">{escape(label)}</span>{inline(sentence)}</p>'
    )


def inline(text):
    """Escaped text, with `code` in a code element."""
    pieces = escape(text).split("`")
    if len(pieces) % 2 == 0:  # an odd number of backticks: they are no quotes
        return escape(text)
    return "".join(
        f'<code style="text-indent:0">{piece}</code>' if i % 2 else piece for i, piece in enumerate(pieces)
    )


TONES = {"good": "#009E73", "bad": "#D55E00", "open": "#0072B2"}


def card(tone, title, body):
    """A card that takes its text colour from the page, so that it fits light and dark; title and body are one block.

    The sign in the title says what the colour of the edge says.
    """
    return (
        f'<div style="border-left:5px solid {TONES[tone]};padding:6px 0 6px 14px;margin:4px 0;max-width:54em;'
        f'font-size:var(--jp-content-font-size1,14px);line-height:1.45">'
        f'<div style="font-weight:600;margin-bottom:4px">{inline(title)}</div>{body}</div>'
    )


class Note:
    """A sentence that shows itself as a card in a notebook and as text elsewhere."""

    passed = False

    def __init__(self, text, tone="open"):
        self.text, self.tone = text, tone

    def __repr__(self):
        return self.text

    def _repr_html_(self):
        return card(self.tone, self.text, "")


class Feedback:
    """What check() returns: a verdict that shows itself. `passed` is True only for a right answer.

    printed: what the student's function printed at the first input, for those who debug by printing; shuffled: lines of
    code to sort, for those who are stuck.
    """

    def __init__(self, verdict, exercise, hint="", printed="", shuffled=()):
        self.verdict, self.exercise, self.hint, self.printed = verdict, exercise, hint, printed
        self.shuffled = shuffled

    @property
    def passed(self):
        return self.verdict.passed

    def __repr__(self):
        printed = f"\nprinted at the first input:\n{self.printed.rstrip()}" if self.printed else ""
        return plain(self.verdict, self.exercise, self.hint, self.shuffled) + printed

    def _repr_html_(self):
        shown = html(self.verdict, self.exercise, self.hint, self.shuffled)
        if not self.printed:
            return shown
        return (
            f'{shown}<div style="margin:2px 0 0 19px"><span style="opacity:.75">printed at the first input</span>'
            f'<pre style="margin:2px 0">{escape(self.printed.rstrip())}</pre></div>'
        )
