"""Review B, over lessons 01 to 06: predictions, recall and exit ticket."""

from course_lib.questions import Question, choice, number, shape, true_false

QUESTIONS = {
    "06r-mix-1": Question(
        "f maps 4 numbers to 3. J·u and vᵀJ: what is the shape of u?",
        shape((4,)),
        slips={(3,): "That is v, weights on the outputs. u is a direction of the inputs."},
        why="u is a direction of the inputs.",
    ),
    "06r-mix-2": Question(
        "A central difference with step h has an error of 0.004. About what error has it with h/2?",
        number(0.001, rtol=0.05),
        slips={0.002: "That is a forward difference: its error goes with h. The central one goes with h².",
               0.008: "A smaller step, a smaller error (until rounding takes over)."},
        why="The error goes with h²: a quarter.",
    ),
    "06r-mix-3": Question(
        "x = 2, y = relu(x − 3)·5. What is dy/dx?",
        number(0.0),
        slips={5: "The gate is shut: x − 3 is below 0."},
        why="Nothing passes a shut gate.",
    ),
    "06r-mix-4": Question(
        "The Hessian of f at x is [[2, 0], [0, −1]]. What is the curvature along d = (1, 2), dᵀHd?",
        number(-2.0, rtol=1e-6),
        slips={1: "d counts twice: 2·1² − 1·2².", 0: "H·d = (2, −2); now times d."},
        why="2·1·1 + (−1)·2·2.",
    ),
    "06r-mix-5": Question(
        "x = 3 (a tracked leaf), y = x·x, z = y·y.detach(), z.backward(). What is x.grad?",
        number(54.0, rtol=1e-6),
        slips={108: "That is for y·y. The detached factor counts as a constant.",
               6: "That is dy/dx. The detached y is a factor of 9.", 9: "That is the factor; dy/dx = 6 is missing."},
        why="9·2x = 54.",
    ),
    "06r-which": Question(
        "A loss of a million weights. You want its curvature along the last step. Which costs about two walks: hessian or hvp?",
        choice("hvp", "hessian"),
        slips={"hessian": "That is a million times a million numbers."},
        why="H·d is the gradient of the number gradient·d.",
    ),
    "06r-rows": Question(
        "Each row gives a number, weighed with a softmax over the batch. Does one backward from the sum give each "
        "row's own gradient? True or False",
        true_false(False),
        slips={True: "The sum mixes what each row does to the others into its gradient."},
        why="The sum trick needs rows that do not touch.",
    ),
    "06r-flat": Question(
        "f(u, v) = u·v at (3, 4). Along which direction is the slope 0: (3, −4), (4, 3) or another?",
        choice("(3, −4)", "(4, 3)", "another"),
        slips={"(4, 3)": "That is the gradient itself, the steepest way up."},
        why="The gradient is (4, 3), and 4·3 − 3·4 = 0: along the contour.",
    ),
    "06r-paths": Question(
        "y = x·x + sin(x). Along how many paths does x reach y?",
        number(3, rtol=1e-6),
        slips={2: "x·x takes x twice: two paths through the product, one through sin."},
        why="Two through the product, one through sin; their contributions add up.",
    ),
    "06r-step": Question(
        "A central difference of sin in float32. Which step is best: 0.1, 0.01 or 1e-07?",
        choice("0.01", "0.1", "1e-07"),
        slips={"1e-07": "There rounding is divided by next to nothing.", "0.1": "There the curve bends too much."},
        why="float32 wants a step near 1e-2: smaller ones divide rounding errors.",
    ),
    "06r-exit-1": Question(
        "p = softmax(z) = (0.6, 0.3, 0.1) and g = (1, 1, 1). What is entry 0 of gᵀJ?",
        number(0.0),
        slips={0.24: "That is ∂p₀/∂z₀. All three outputs count here.", 0.6: "Σ g·p = 1 is taken away from g first."},
        why="The sum of all probabilities cannot change.",
    ),
    "06r-exit-2": Question(
        "f turns 1000 numbers into 1000. How many walks back does vᵀJ need, for one v?",
        number(1, rtol=1e-6),
        slips={1000: "That is for the whole table."},
        why="One walk: backward weighs all outputs at once.",
    ),
    "06r-exit-3": Question(
        "The loss has stopped at 0.31 for two classes, and every prediction is right. cross_entropy was given …? Logits or "
        "probabilities",
        choice("probabilities", "logits"),
        slips={"logits": "With logits the loss could go on falling."},
        why="log(1 + 1/e) = 0.313 is the floor for probabilities of two classes.",
    ),
}

RECALL = ("06r-mix-1", "06r-mix-2", "06r-mix-3", "06r-mix-4", "06r-mix-5")
EXIT_TICKET = ("06r-exit-1", "06r-exit-2", "06r-exit-3")
