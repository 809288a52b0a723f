"""Review A, over lessons 01 to 03: predictions, recall and exit ticket."""

from course_lib.questions import Question, choice, number, true_false, works_or_raises

QUESTIONS = {
    "03r-exact": Question(
        "Rule, difference, autograd.grad, backward: which of the four is only an approximation?",
        choice("difference", "rule", "autograd.grad", "backward"),
        slips={"autograd.grad": "Autograd applies the rules to the numbers: exact up to rounding.",
               "backward": "Autograd applies the rules to the numbers: exact up to rounding."},
        why="A difference uses a step that is not 0. The other three differ by rounding only.",
    ),
    "03r-slope": Question(
        "z = u·sin v at (0.7, −1.3). You walk along d = (0.6, 0.8). What is the slope under your feet, to two digits?",
        number(-0.42833557, rtol=0.02),
        slips={-0.776: "That is ∂z/∂u + ∂z/∂v. Each partial counts with its part of d.",
               -0.964: "That is ∂z/∂u alone; v moves, too.",
               0.187: "That is ∂z/∂v alone; u moves, too.", -0.674: "That is z itself.",
               0.982: "That is the length of the gradient, the slope in the steepest direction."},
        why="∇z·d = sin v · 0.6 + u·cos v · 0.8.",
    ),
    "03r-path": Question(
        "z = u·sin v, and v = u² moves along with u. Which is dz/du: ∂z/∂u, ∂z/∂u + ∂z/∂v, or ∂z/∂u + ∂z/∂v · 2u?",
        choice("∂z/∂u + ∂z/∂v · 2u", "∂z/∂u", "∂z/∂u + ∂z/∂v"),
        slips={"∂z/∂u": "That holds v. On the path v moves, too.",
               "∂z/∂u + ∂z/∂v": "On its way from v to u the second number meets the local derivative of u²."},
        why="Two ways from u to z: directly, and through v. On the second the local derivative 2u is multiplied in.",
    ),
    "03r-mix-1": Question(
        "f(a, b) = a·b² at (2, 3), b held. By how much does f change, about, when a grows by 0.1?",
        number(0.9, rtol=1e-3),
        slips={1.2: "That is for a step in b.", 9: "That is the slope; the step is 0.1."},
        why="∂f/∂a = b² = 9, times the step.",
    ),
    "03r-mix-2": Question(
        "x = 3 (a tracked leaf), y = x·x.detach() + x. What is x.grad after backward?",
        number(4.0, rtol=1e-6),
        slips={7: "The detached factor is held: its own way back is cut.", 3: "The + x is a way, too."},
        why="3 on the first way, 1 on the second.",
    ),
    "03r-mix-3": Question(
        "The same loss is walked back twice with retain_graph=True. What does .grad hold, as a multiple of the gradient?",
        number(2.0, rtol=1e-6),
        slips={1: "backward adds to .grad."},
        why="It adds up. There is no second derivative in it.",
    ),
    "03r-mix-4": Question(
        "A check compares your slope with a central difference at h = 1e-12 in float64 and fails. Is your slope wrong? "
        "True or False",
        true_false(False),
        slips={True: "At that h the difference itself is mostly rounding."},
        why="Near h = 1e-5 the difference is trustworthy. Below, rounding grows as h shrinks.",
    ),
    "03r-mix-5": Question(
        "x = torch.tensor([1.0, 2.0], requires_grad=True); y = x.double(); y.sum().backward(); x.grad.sum(). What is it?",
        number(2.0, rtol=1e-6),
        slips={0: "A conversion is a recorded computation with slope 1: x is still the leaf, and gets its gradient."},
        why="The leaf is x, and the conversion passes the ones on.",
    ),
    "03r-exit-1": Question(
        "h = exp(u), u = 2x, at x = 0. What is dh/dx?",
        number(2.0, rtol=1e-6),
        slips={1: "The inner slope 2 is missing."},
        why="exp(0)·2.",
    ),
    "03r-exit-2": Question(
        "At a flat place the Hessian has the eigenvalues 3 and −0.1. Is it a valley? True or False",
        true_false(False),
        slips={True: "One direction curves down, even if only a little."},
        why="A saddle: both signs.",
    ),
    "03r-exit-3": Question(
        "y = x**2 was computed, then x.requires_grad_(). y.backward() – works or raises?",
        works_or_raises("raises"),
        slips={"works": "Nobody was recording when y was computed."},
        why="Tracking has to be on before the computation.",
    ),
}
RECALL = ("03r-mix-1", "03r-mix-2", "03r-mix-3", "03r-mix-4", "03r-mix-5")
EXIT_TICKET = ("03r-exit-1", "03r-exit-2", "03r-exit-3")
