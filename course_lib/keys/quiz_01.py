"""Lesson 01, derivatives: predictions, recall and exit ticket."""

from course_lib.questions import Question, choice, number, true_false, works_or_raises

QUESTIONS = {
    "01-recall-shape": Question(
        "a has shape (3, 1), b has shape (4,). How many entries has a + b?",
        number(12),
        slips={7: "The two are not joined but crossed: every entry of a meets every entry of b."},
        why="(3, 1) and (4,) stretch to (3, 4).",
    ),
    "01-recall-dtype": Question(
        "You write torch.tensor(0.7). Which dtype has it, float32 or float64?",
        choice("float32", "float64"),
        slips={"float64": "Python's own numbers are float64; torch.tensor makes float32 unless you say otherwise."},
        why="torch.tensor(0.7) is float32. dtype=torch.float64 asks for more digits.",
    ),
    "01-recall-grad": Question(
        "x = torch.tensor(0.7, requires_grad=True), nothing else has run. What is x.grad?",
        choice("None"),
        slips={"0": "PyTorch says None: nothing has been computed yet."},
        why="It stays None until a backward fills it.",
    ),
    "01-recall-line": Question(
        "A straight line goes through (1, 2) and (3, 8). What is its slope?",
        number(3.0),
        slips={
            6: "That is the rise. Divide by the run, 3 − 1.",
            1 / 3: "Rise over run, not run over rise.",
            2.67: "8/3 would be the slope from the origin to the second point.",
        },
        why="Rise 8 − 2 = 6 over run 3 − 1 = 2.",
    ),
    "01-recall-power": Question(
        "f(x) = x³. What is f′(2)?",
        number(12.0),
        slips={8: "That is the height, 2³.", 6: "Bring down the 3 and keep the square: 3x², not 3x."},
        why="3x² at 2 is 12.",
    ),
    "01-slope": Question(
        "f(x) = x². At x = 0.7, what will x.grad hold after backward?",
        number(1.4),
        slips={
            0.49: "0.49 is the height, 0.7². The slope is 2x.",
            2: "2 would be the slope at 1. The slope of x² depends on where you are: 2x.",
        },
        why="The slope of x² at x is 2x.",
    ),
    "01-twice": Question(
        "backward has run once and x.grad is 4. The same two lines run again: y = x**2; y.backward(). What is x.grad now?",
        number(8.0),
        slips={
            4: "backward does not replace what .grad holds, it adds to it.",
            16: "It adds, it does not multiply.",
        },
        why="Gradients accumulate: 4 + 4. You will want that when several losses share one parameter, and you clear "
        ".grad yourself when you do not.",
    ),
    "01-typo": Question(
        "x = torch.tensor(0.7); x.require_grad = True (note the spelling). Then y = x**2; y.backward(). "
        "Does it work, or raise?",
        works_or_raises("raises"),
        slips={"works": "Python accepts any new attribute on an object. require_grad is one, and autograd never reads it."},
        why="The flag is requires_grad. The misspelt line makes a new attribute without a word, and backward finds "
        "nothing that was tracked.",
    ),
    "01-late-flag": Question(
        "x = torch.tensor(0.7); y = x**2; x.requires_grad_(); y.backward(). Works or raises?",
        works_or_raises("raises"),
        slips={"works": "The graph is recorded while the code runs. When y was computed, nobody was recording."},
        why="Tracking has to be on before the computation, not before backward.",
    ),
    "01-zero": Question(
        "x = torch.tensor(0.7, requires_grad=True); x.grad.zero_(). Works or raises?",
        works_or_raises("raises"),
        slips={"works": "Before the first backward .grad is None, and None has no zero_."},
        why="There is nothing to clear yet.",
    ),
    "01-tiny-h": Question(
        "sin at 1.3 in float32, forward difference with h = 1e-8. True slope: 0.27. What does the difference give?",
        number(0.0),
        slips={0.27: "The formula would, but 1.3 + 1e-8 is rounded to 1.3 in float32, so both values of sin are equal."},
        why="float32 has about 7 digits: 1.3 + 1e-8 is 1.3 again, the rise is 0, and so is the slope.",
    ),
    "01-equal": Question(
        "x³ at 0.1 in float32: x.grad == 0.03. True or False?",
        true_false(False),
        slips={True: "0.1 itself is rounded, and so is every step after it."},
        why="It prints 0.0300 and differs from 0.03 in the ninth decimal place. Compare with a tolerance: "
        "torch.testing.assert_close.",
    ),
    "01-constant": Question(
        "“The derivative of 3x² is 6x + C.” True or False?",
        true_false(False),
        slips={True: "The constant belongs to the way back, from 6x to 3x² + C."},
        why="A constant added to f shifts the curve up and leaves every slope as it is. So derivatives carry no + C; "
        "antiderivatives do.",
    ),
    "01-flat": Question(
        "f′(a) = 0. Then f has a minimum at a. True or False?",
        true_false(False),
        slips={True: "x³ is flat at 0 and has no minimum there. A maximum is flat, too."},
        why="Flat is all that f′(a) = 0 says. The sign of f″ tells a valley from a hill, and when f″ is 0 it stays open.",
    ),
    "01-corner": Question(
        "What does PyTorch give for the slope of torch.relu at exactly 0?",
        number(0.0),
        slips={
            1: "That is the slope on the right of the corner, and what clamp(min=0) gives.",
            0.5: "That is the middle of both sides, and what torch.maximum(x, 0) gives.",
        },
        why="The corner has no tangent, so a library has to choose, and PyTorch's own functions choose differently.",
    ),
    "01-second": Question(
        "f(x) = x³ at 0.7, so f′ = 1.47 and f″ = 4.2. With y.backward(create_graph=True) and then x.grad.backward(), "
        "what does x.grad hold?",
        number(5.67),
        slips={
            4.2: "backward adds to .grad, and f′ was already in there.",
            2.94: "That is 2f′, what two backward calls with retain_graph=True give.",
        },
        why="f′ + f″ = 1.47 + 4.2. torch.autograd.grad returns each derivative by itself.",
    ),
    "01-fill-power": Question(
        "What is the slope of 2x³ + x at 1?",
        number(7.0, rtol=1e-6),
        slips={3: "3 is the height. The slope is 6x² + 1.", 6: "The x at the end has a slope, too: 1.",
               8: "The slope of x is 1, not 2."},
        why="6x² + 1 at 1 is 7.",
    ),
    "01-fill-forward": Question(
        "Divide the rise by the run of a forward difference.",
        number(27.91, rtol=1e-4),
        slips={13.955: "The run of a forward difference is h; 2h belongs to the central one.",
               2.791: "That is the rise alone.", 0.2791: "Rise over run: divide by h, do not multiply."},
        why="From 3 to 3 + h the run is h. The true slope is 27.",
    ),
    "01-fill-central": Question(
        "Rise from 3 − h to 3 + h, and the run between these two points.",
        number(27.01, rtol=1e-4),
        slips={54.02: "The run from 3 − h to 3 + h is 2h.", 27.91: "The rise starts at 3 − h, not at 3.",
               13.955: "The rise starts at 3 − h, not at 3.", 5.402: "That is the rise alone.",
               -27.01: "Rise and run must go in the same direction."},
        why="(29.791 − 24.389) / 0.2. The true slope is 27, and the miss is h².",
    ),
    "01-exit-meaning": Question(
        "f(3) = 10 and f′(3) = −2. Predict f(3.1).",
        number(9.8, rtol=0.002),
        slips={10.2: "The slope is negative: the curve falls.", 8: "−2 is the change for a whole unit; the step is 0.1."},
        why="f(a + dx) ≈ f(a) + f′(a)·dx = 10 − 0.2.",
    ),
    "01-exit-central": Question(
        "A central difference has an error of 0.04 at h = 0.1. About what error at h = 0.05?",
        number(0.01, rtol=0.1),
        slips={0.02: "Halving the error is what a forward difference does. The central one goes with h²."},
        why="Half the step, a quarter of the error, until rounding takes over.",
    ),
    "01-exit-where": Question(
        "x is a leaf, y = x * x, z = y + 1, z.backward(). Which tensor's .grad is filled: x, y or z?",
        choice("x", "y", "z"),
        slips={
            "y": "Gradients pass through y, but only leaves keep theirs, unless you ask y to retain it.",
            "z": "z is where the walk starts; its own gradient is 1 and is not kept.",
        },
        why="Only leaves keep their .grad.",
    ),
}
RECALL = ("01-recall-shape", "01-recall-dtype", "01-recall-grad", "01-recall-line", "01-recall-power")
EXIT_TICKET = ("01-exit-meaning", "01-exit-central", "01-exit-where")
