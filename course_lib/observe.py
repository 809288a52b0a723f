"""Call a student's function once and report what happened, as plain data: observe(function, args) -> Reply.

Used on both sides: check() calls it in the student's kernel, the grader's worker calls it inside the sandbox and sends
the Reply over the wire. It needs torch and NumPy only, and judges nothing.

Arguments of a question are plain data too: numbers, text, lists, dicts, NumPy arrays (they arrive as fresh torch
tensors of the same dtype and shape), Leaf(array) (arrives with requires_grad=True), Dtype("float32") (arrives as
torch.float32) and anything with a `.function()` that makes a fresh torch function (a Formula, a Recipe).

Where an answer is to be used rather than called (a class, a function that changes what it is given), the first argument
is a Driver: a function of ours that gets the answer and the other arguments, and returns plain data.
"""

import contextlib
import dis
import io
import linecache
import sys
import time
import traceback
import types
import warnings
from dataclasses import dataclass, field, replace

import numpy as np
import torch

WARNINGS = 5  # kept of one question
TEXT_LIMIT = 600  # characters kept of a message, a printout or a source line
WRITTEN_IN_PYTHON = 1 << 9  # Py_TPFLAGS_HEAPTYPE: made by a class statement, not built in
DEPTH_LIMIT = 8  # nesting of lists in an answer
PADDING = {"RESUME", "NOP", "CACHE", "PUSH_NULL"}
JUMPS = {*dis.hasjrel, *dis.hasjabs}


@dataclass(frozen=True)
class Dtype:
    """A torch dtype as data: Dtype("float32")."""

    name: str


@dataclass(frozen=True, eq=False)
class Leaf:
    """A tensor that arrives tracked; the gradient of the answer by it is part of the Reply.

    The answer is reduced with fixed, unequal weights where it is no single number: see weights().
    """

    numbers: np.ndarray


@dataclass(frozen=True)
class Driver:
    """A use of an answer: recipe.function()(answer, *args) returns what happened, as plain data."""

    recipe: object  # of a function of ours, as recipes.coded makes it
    text: str = field(default="", compare=False)  # what is done with the answer, in words; not sent
    parameters: tuple[str, ...] = field(default=(), compare=False)  # the names of the other arguments; not sent
    report: object = field(default=object, compare=False)  # the form of what it returns, see fits(); not sent


@dataclass(frozen=True, kw_only=True, slots=True)
class Array:
    """A tensor or NumPy array that came back. `numbers` has the same shape; float16 and bfloat16 arrive as float64."""

    kind: str  # "tensor", "ndarray" or "scalar" (a NumPy scalar)
    dtype: str
    numbers: np.ndarray
    requires_grad: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Other:
    """An answer of a type no exercise asks for; only its type name and a short repr are kept."""

    type: str
    text: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Failure:
    """An exception in the student's code, with the student's own line."""

    type: str
    message: str
    line: int | None = None
    code: str = ""
    bases: tuple[str, ...] = field(default=(), compare=False)  # of the exception's class, nearest first


@dataclass(frozen=True, kw_only=True, slots=True)
class Reply:
    """What one call did. `changed`, `left_grad`: numbers of the arguments whose values changed / which kept a .grad."""

    value: object = None
    failure: Failure | None = None
    grads: tuple[Array | None, ...] = ()  # of the answer by each Leaf; None where it is not connected
    grad_failure: Failure | None = None  # what walking back from the answer raised
    changed: tuple[int, ...] = ()
    left_grad: tuple[int, ...] = ()
    calls: int = 0
    tracked: int = 0
    warnings: tuple[str, ...] = ()
    printed: str = ""
    global_change: str = ""
    seconds: float = field(default=0.0, compare=False)  # of computing, in this process


def observe(function, args):
    """Call function(*args) on fresh copies of args; never raises an Exception of the student's.

    With a Driver as the first argument, changed and left_grad stay empty: the driver reports what matters.
    """
    if args and isinstance(args[0], Driver):
        reply = observe(_driven(args[0], function), args[1:])
        return replace(reply, changed=(), left_grad=())
    inputs = [_materialise(arg) for arg in args]
    before = [t.detach().clone() if isinstance(t, torch.Tensor) else None for t in inputs]
    leaves = [t for t, arg in zip(inputs, args, strict=True) if isinstance(arg, Leaf)]
    functions = [f for f in inputs if hasattr(f, "tracked")]
    dtype, printed, value, failure = torch.get_default_dtype(), Printed(), None, None
    grads, grad_failure = (), None
    start = time.process_time()  # not what else the machine does
    with _warnings_told() as caught, contextlib.redirect_stdout(printed), torch.enable_grad(), _recursion_limit_kept():
        try:
            returned = function(*inputs)
            value = describe(returned)
            if leaves:
                grads, grad_failure = _gradients(returned, leaves, function)
        except Exception as error:
            failure = explain_failure(error, function)
        except SystemExit as error:
            failure = Failure(type="SystemExit", message=f"the code asked Python to stop ({error})")
    seconds = time.process_time() - start
    global_change = "" if torch.get_default_dtype() == dtype else "default dtype"
    torch.set_default_dtype(dtype)
    return Reply(
        value=value, failure=failure, grads=grads, grad_failure=grad_failure, seconds=seconds, global_change=global_change,
        changed=tuple(
            i for i, old in enumerate(before) if old is not None and not _same(old, inputs[i], isinstance(args[i], Leaf))
        ),
        left_grad=tuple(i for i, t in enumerate(inputs) if isinstance(t, torch.Tensor) and t.is_leaf and t.grad is not None),
        calls=sum(f.calls for f in functions), tracked=sum(f.tracked for f in functions),
        warnings=tuple(str(w.message)[:TEXT_LIMIT] for w in caught if issubclass(w.category, UserWarning))[:WARNINGS],
        printed=printed.getvalue()[:TEXT_LIMIT],
    )


def reports(*form, **entries):
    """Decorator of a driver: the form of what it returns, as for fits(), or the forms of the entries of a dict."""

    def add(drive):
        drive.report = form[0] if form else entries
        return drive

    return add


def fits(value, form):
    """Whether plain data has a form: a type (object: anything), [form] a list of such, {name: form, …} a dict of these."""
    if isinstance(form, dict):
        return isinstance(value, dict) and value.keys() == form.keys() and all(fits(value[name], form[name]) for name in form)
    if isinstance(form, list):
        return isinstance(value, list) and all(fits(one, form[0]) for one in value)
    return form is object or type(value) is form


def reply_of(answer, args):
    """The Reply to a question: of a function called with args, or of a value as it is."""
    return observe(answer, args) if callable(answer) else Reply(value=describe(answer))


def _driven(driver, answer):
    """The driver's function with the answer as its first argument; failures still point at lines of the answer."""
    run = driver.recipe.function()

    def use(*args):
        return run(answer, *args)

    use.home = home_of(answer)
    return use


def home_of(answer):
    """The name of the file an answer was written in: of its own code, or of a method of a class; None if it has none."""
    parts = [undecorated(answer), *(vars(answer).values() if isinstance(answer, type) else ())]
    codes = (getattr(getattr(part, "__func__", part), "__code__", None) for part in parts)
    return next((code.co_filename for code in codes if code), getattr(answer, "home", None))


def undecorated(answer):
    """The function that was written, where a decorator such as contextlib.contextmanager made another one of it."""
    for _ in range(DEPTH_LIMIT):
        answer = getattr(answer, "__wrapped__", answer)
    return answer


@contextlib.contextmanager
def _warnings_told():
    """Every warning is recorded each time; several of torch come once per process otherwise."""
    before = torch.is_warn_always_enabled()
    torch.set_warn_always(True)
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            yield caught
    finally:
        torch.set_warn_always(before)


@contextlib.contextmanager
def _recursion_limit_kept():
    """An answer may raise the limit for itself, not for what runs later."""
    before = sys.getrecursionlimit()
    try:
        yield
    finally:
        sys.setrecursionlimit(before)


class Printed(io.StringIO):
    """Keeps the beginning of what is printed, and lets the rest of a flood go."""

    def write(self, text):
        if self.tell() < TEXT_LIMIT:
            super().write(text[:TEXT_LIMIT])
        return len(text)


def describe(value, depth=0):
    """A returned object as plain data: numbers, text, None, lists, tuples and dicts stay; tensors become Array."""
    if value is None or type(value) in (bool, int, float):
        return value
    if isinstance(value, str):
        return str.__str__(value)[:TEXT_LIMIT]  # the plain text of a NumPy string or of a text enumeration, too
    if isinstance(value, torch.Tensor):
        return _describe_tensor(value)
    if isinstance(value, np.generic | np.ndarray) and value.dtype.kind in "biuf":
        kind = "ndarray" if isinstance(value, np.ndarray) else "scalar"
        return Array(kind=kind, dtype=value.dtype.name, numbers=np.array(value))
    if depth < DEPTH_LIMIT and isinstance(value, list | tuple):
        kind = list if isinstance(value, list) else tuple  # a named tuple is a tuple
        return kind(describe(item, depth + 1) for item in kind.__iter__(value))  # what it holds, whatever it says
    if depth < DEPTH_LIMIT and isinstance(value, dict):
        return {str(key)[:TEXT_LIMIT]: describe(item, depth + 1) for key, item in dict.items(value)}
    return Other(type=type(value).__name__, text=_short(value))


def is_untouched(answer, given=None):
    """True while an answer is still the stub: no code of its own, only dots, or the `given` source unchanged."""
    if answer is ... or answer is None:
        return True
    if isinstance(answer, dict) and answer and all(value is ... for value in answer.values()):
        return True
    if isinstance(answer, type):
        return bool(answer.__flags__ & WRITTEN_IN_PYTHON) and _class_is_untouched(answer, given)
    code = getattr(undecorated(answer), "__code__", None)
    if code is None:
        return False
    if _does_nothing(code):
        return True
    return given is not None and instructions(code) == instructions(_function_code(given))


def _class_is_untouched(answer, given):
    """No method does anything, or every method is still the one that was handed out."""
    codes = _method_codes(vars(answer).values())
    if given is None:
        named = any(not name.startswith("_") or name == "__init__" for name in vars(answer))
        return all(map(_does_nothing, codes.values())) and (bool(codes) or not named)
    names = {}
    exec(compile(given, "<given>", "exec"), {"torch": torch, "nn": torch.nn}, names)
    (original,) = names.values()
    theirs = _method_codes(vars(original).values())
    return {name: instructions(code) for name, code in codes.items()} == {
        name: instructions(code) for name, code in theirs.items()
    }


def _method_codes(parts):
    functions = [getattr(part, "__func__", part) for part in parts]
    return {part.__name__: part.__code__ for part in functions if hasattr(part, "__code__")}


def explain_failure(error, function=None):
    """A Failure that points at the student's last own line: in the file of `function`, or the innermost frame."""
    home = getattr(function, "home", None) or home_of(function)
    frames = traceback.extract_tb(error.__traceback__)
    bases = tuple(base.__name__ for base in type(error).__mro__[1:-2])  # without BaseException and object
    if isinstance(error, SyntaxError):
        return Failure(
            type=type(error).__name__, message=str(error.msg), line=error.lineno, code=(error.text or "").strip(),
            bases=bases,
        )
    own = [frame for frame in frames if frame.filename == home]
    if home is None:  # a callable without code of its own: the innermost line, unless that is ours
        own = [frame for frame in frames[-1:] if frame.filename != __file__]
    code = linecache.getline(own[-1].filename, own[-1].lineno).strip() if own else ""
    return Failure(
        type=type(error).__name__, message=_message(error)[:TEXT_LIMIT], line=own[-1].lineno if own else None,
        code=code[:TEXT_LIMIT], bases=bases,
    )


def weights(shape):
    """What an answer that is no single number is multiplied with before walking back: unequal, between 0.6 and 1.4."""
    count = int(np.prod(shape))
    return np.linspace(0.6, 1.4, count).reshape(shape) if count > 1 else np.ones(shape)


def _gradients(returned, leaves, function):
    """The gradient of a returned tensor by each leaf, as Arrays, and the Failure if walking back raises."""
    if not isinstance(returned, torch.Tensor) or not returned.requires_grad:
        return (None,) * len(leaves), None
    try:
        cotangent = torch.tensor(weights(tuple(returned.shape)), dtype=returned.dtype)
        found = torch.autograd.grad(returned, leaves, cotangent, allow_unused=True)
    except Exception as error:
        return (None,) * len(leaves), explain_failure(error, function)
    return tuple(None if one is None else _describe_tensor(one) for one in found), None


def _materialise(arg):
    if isinstance(arg, str | int | float):
        return arg
    if isinstance(arg, Leaf):
        return torch.tensor(arg.numbers, requires_grad=True)
    if isinstance(arg, np.ndarray):
        return torch.tensor(arg)
    if isinstance(arg, Dtype):
        return getattr(torch, arg.name)
    if hasattr(arg, "function"):
        return arg.function()
    if isinstance(arg, list | tuple):
        return type(arg)(_materialise(item) for item in arg)
    if isinstance(arg, dict):
        return {key: _materialise(item) for key, item in arg.items()}
    return arg


def _describe_tensor(tensor):
    name, plain = str(tensor.dtype).removeprefix("torch."), tensor.detach().cpu()
    if plain.is_sparse or plain.is_complex():
        return Other(type=f"tensor of {name}", text=_short(tensor))
    numbers = plain.double() if plain.dtype in (torch.float16, torch.bfloat16) else plain
    return Array(kind="tensor", dtype=name, numbers=numbers.numpy(force=True).copy(), requires_grad=tensor.requires_grad)


def _same(old, new, tracked=False):
    """Same shape, dtype, numbers (NaN equals NaN), and tracked if and only if it was handed in so."""
    if old.shape != new.shape or old.dtype != new.dtype or (new.is_leaf and new.requires_grad != tracked):
        return False
    new = new.detach()
    return torch.equal(old, new) or torch.allclose(old, new, rtol=0, atol=0, equal_nan=True)


def _short(value):
    try:
        return repr(value)[:120]
    except Exception:
        return "an object that cannot be shown"


def _message(error):
    try:
        return str(error)
    except Exception:
        return "an error that cannot be shown"


def _function_code(source):
    module = compile(source, "<given>", "exec")
    return next(const for const in module.co_consts if isinstance(const, types.CodeType))


def instructions(code):
    """What the code does, without line numbers, docstring, file name or padding; jumps lead to a number in this list."""
    steps = [step for step in dis.get_instructions(code) if step.opname not in PADDING]
    place = {step.offset: i for i, step in enumerate(steps)}
    found = []
    for step in steps:
        name, value = step.opname, step.argval
        if step.opcode in JUMPS:  # offsets depend on the padding
            value = next((place[offset] for offset in range(value, len(code.co_code) + 1) if offset in place), None)
        elif isinstance(value, str) and ".<locals>." in value:  # the full name of an inner class
            value = value.rpartition(".<locals>.")[2]
        if name == "LOAD_METHOD":  # which of the two is used depends on an `import` in the same cell
            name = "LOAD_ATTR"
        elif name == "KW_NAMES":  # Python 3.11 does not look these up
            value = code.co_consts[step.arg]
        found.append((name, instructions(value) if isinstance(value, types.CodeType) else value))
    return found


def _does_nothing(code):
    """True for a body of nothing but a docstring, `...` or `pass`: it returns None at once."""
    return [op for op, _ in instructions(code)] in (["LOAD_CONST", "RETURN_VALUE"], ["RETURN_CONST"]) and (
        instructions(code)[0][1] is None
    )
