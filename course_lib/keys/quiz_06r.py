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
    "06r-wide": Question(
        "A function turns 500 numbers into 2. How many walks back does its whole Jacobian need?",
        number(2, rtol=1e-6),
        slips={500: "That many pushes forward, one for each input. A walk back brings a whole row.",
               1000: "That is how many entries it has. A walk back brings 500 of them at once.",
               1: "One walk brings one row, or a weighted sum of both."},
        why="A walk for each output, a push for each input: the narrow side decides.",
    ),
    "06r-sum": Question(
        "y = f(x), and the last step of f is a softmax. After y.sum().backward(), what is x.grad[0]?",
        number(0.0),
        slips={1: "The outputs add to 1. How fast does 1 change?"},
        why="What a softmax gives adds to 1, and 1 has no slope.",
    ),
    "06r-fill-pull": Question(
        "p = (0.5, 0.3, 0.2), g = (1, 0, 2). What is entry 0 of gᵀ(diag(p) − p pᵀ)?",
        number(0.05, rtol=1e-3),
        slips={0.25: "That is g₀·p₀·(1 − p₀), the diagonal alone. p₂ hears from z₀ as well, and g₂ is 2.",
               0.5: "That is the first piece, g₀·p₀. The second, (Σ g·p)·p₀, is taken away from it.",
               0.45: "That is the second piece, (Σ g·p)·p₀. It is taken away from the first, g₀·p₀.",
               -0.05: "The sizes are right, the signs are turned: g₀·p₀ comes first.",
               0.9: "That is Σ g·p. It is multiplied with p₀ and taken away from g₀·p₀.",
               -0.4: "The number Σ g·p is multiplied with p₀ before it is taken away."},
        why="g₀·p₀ − (Σ g·p)·p₀ = 0.5 − 0.9·0.5.",
    ),
    "06r-far": Question(
        "z = (1000, 0) in float64, e = exp(z), p = e / e.sum(). What is p[0]: 1, inf or NaN?",
        choice("NaN", "1", "inf"),
        slips={"1": "On paper. In the machine exp(1000) is inf, and the sum is inf as well.",
               "inf": "exp(1000) is inf, and then it is divided by a sum that is inf."},
        why="inf / inf is no number.",
    ),
    "06r-twice": Question(
        "x = 3 (a tracked leaf). (x**3).backward(create_graph=True), then x.grad.backward(). What is x.grad?",
        number(45.0, rtol=1e-6),
        slips={18: "That is the second derivative alone. What was in .grad before it?",
               27: "That is the first derivative. The second walk adds to it.",
               36: "That is twice the second derivative. The first walk brought 3x² = 27.",
               54: "That is twice the first derivative. The second walk brings 6x = 18."},
        why="3x² + 6x = 27 + 18: .grad adds up, whatever comes.",
    ),
    "06r-fill-curvature": Question(
        "H·u = (0.4486, −2.2673) and u = (1, −0.5). What is uᵀHu?",
        number(1.58225, rtol=2e-3),
        slips={-1.8187: "You added up the entries of H·u. Weigh each with its entry of u.",
               -0.68505: "The sign of u₁ got lost: −2.2673 is multiplied with −0.5.",
               1.26578: "You divided by u·u. dᵀHd is for the d as it is given."},
        why="0.4486·1 + (−2.2673)·(−0.5), the height of the second derivative at t = 0.",
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
