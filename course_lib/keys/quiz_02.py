"""Lesson 02, partial derivatives: predictions, recall and exit ticket."""

from course_lib.questions import Question, choice, number, shape, true_false

QUESTIONS = {
    "02-recall-forecast": Question(
        "f(2) = 5 and f′(2) = 3. Predict f(1.9).",
        number(4.7, rtol=1e-3),
        slips={5.3: "The step is −0.1: to the left, and f climbs to the right.", 2: "3 is the change for a whole unit."},
        why="5 + 3·(−0.1).",
    ),
    "02-recall-twice": Question(
        "x.grad is 6. The same result is computed and walked back once more, without clearing. What is x.grad?",
        number(12.0, rtol=1e-6),
        slips={6: "backward adds to .grad."},
        why="Gradients accumulate.",
    ),
    "02-recall-second": Question(
        "Which call returns a derivative instead of adding it to .grad: backward, or autograd.grad?",
        choice("autograd.grad", "backward"),
        slips={"backward": "backward returns None and adds to the .grad of the leaves."},
        why="torch.autograd.grad returns a tuple of derivatives and leaves .grad alone.",
    ),
    "02-recall-step": Question(
        "For a central difference in float64, which step is about right: 1e-2, 1e-5 or 1e-12? Type it",
        number(1e-5, rtol=1e-6),
        slips={1e-12: "There the two values of f agree in nearly all digits, and rounding is left.",
               1e-2: "That is the best step for float32; in float64 the curve bends too much for it."},
        why="Cutting off goes with h², rounding with 1/h; they balance near 1e-5.",
    ),
    "02-recall-shape": Question(
        "A has shape (5, 3), b has shape (3,). What is the shape of A + b?",
        shape((5, 3)),
        slips={(3,): "b is stretched to the shape of A."},
        why="From the right: 3 matches 3, and the missing axis of b counts as 1.",
    ),
    "02-partial": Question(
        "f = u·v + u² at u = 1.3, v = −0.7. Hold v, move u. What is the slope ∂f/∂u?",
        number(1.9, rtol=1e-3),
        slips={1.3: "That is ∂f/∂v: u·v has slope u along v.", 2.6: "That is the slope of u² alone; u·v moves, too.",
               0.78: "That is the height."},
        why="v is a constant now: u·v has slope v, u² has slope 2u, together −0.7 + 2.6.",
    ),
    "02-label": Question(
        "f = u·v + u² at (1, 2). A page prints du = 1 for the number it found in v.grad. Is the partial of u really 1? "
        "True or False",
        true_false(False),
        slips={True: "∂f/∂u = v + 2u = 4. The 1 is ∂f/∂v under a wrong name."},
        why="∂f/∂u = v + 2u = 4 and ∂f/∂v = u = 1. Print the name of what you print.",
    ),
    "02-direction": Question(
        "At a point the gradient is (3, 4). In which direction does f climb fastest, and with what slope? Type the slope",
        number(5.0, rtol=1e-3),
        slips={7: "3 + 4 is the change when both knobs move by one, a step of length √2.",
               4: "Along (0, 1) the slope is 4. Leaning towards the 3 gives more."},
        why="Along the gradient itself, and the slope there is its length, √(9 + 16).",
    ),
    "02-uphill": Question(
        "f = x² at 1. You repeat x ← x + 0.1·f′(x), with a plus. Does f get smaller? True or False",
        true_false(False),
        slips={True: "The gradient points uphill, so plus climbs. Minus is what goes down."},
        why="Each step multiplies x by 1.2 and f by 1.44.",
    ),
    "02-mean": Question(
        "x = (0, 1, 2, 3). What is the last entry of the gradient of (x²).mean()?",
        number(1.5, rtol=1e-3),
        slips={6: "That is the gradient of the sum. The mean divides by 4.", 3: "2x is 6 there, and 6/4 is not 3."},
        why="2·3/4. The mean is the sum times 1/n, and so is its gradient.",
    ),
    "02-tie": Question(
        "x = (3, 3, 1). x.max().backward(). What is x.grad[0]?",
        number(0.5, rtol=1e-3),
        slips={1: "Both threes are largest; x.max() shares the gradient between them.",
               0: "The first three is one of the two largest."},
        why="A tie is a corner, and conventions differ: x.max() gives each of the two ½, x.max(dim=0) gives one of them 1.",
    ),
    "02-bias": Question(
        "X has shape (5, 2), b has shape (2,). total = (X + b).sum(); total.backward(). What is b.grad[0]?",
        number(5.0, rtol=1e-6),
        slips={1: "b[0] is added to five rows, so it counts five times.", 10: "That would be for a single number b."},
        why="Broadcasting copies b into five rows. Moving b[0] by one moves the sum by five.",
    ),
    "02-moves": Question(
        "z = x·y and y = x². At x = 5, y moving along with x: how fast does z change with x?",
        number(75.0, rtol=1e-3),
        slips={25: "That is the slope with y held at 25. Here y moves, too.",
               50: "That is the way through y alone; x is a factor, too.",
               125: "That is z itself.", 10: "That is how fast y changes."},
        why="z = x³, so 3x². Or both ways added up: y directly, and x·2x through y.",
    ),
    "02-weights": Question(
        "y = w·x + b with x = (2, 3) and w = (0.5, −1). What is the first entry of ∂y/∂w?",
        number(2.0, rtol=1e-3),
        slips={0.5: "That is ∂y/∂x, which is w. By w the slope is x."},
        why="By the weights the slope is the input, by the input it is the weights. Training needs the first.",
    ),
    "02-saddle": Question(
        "The Hessian at a flat place is [[2, 3], [3, 2]]. Valley, hill or saddle?",
        choice("saddle", "valley", "hill"),
        slips={"valley": "Along both axes it curves up. Along (1, −1) it curves down."},
        why="The curvatures reach from −1 to 5: down along (1, −1), up along (1, 1).",
    ),
    "02-fill-slice": Question(
        "The slope of f = 2a + 3b along a, b held.",
        number(2.0, rtol=1e-6),
        slips={3: "That is the slope along b.", 5: "Only a moves.", 23: "That is the height."},
        why="2, wherever you stand: f is a plane.",
    ),
    "02-fill-sum": Question(
        "The axis to sum over when b of shape (2,) was added to X of shape (5, 2).",
        number(0, rtol=1e-6, also=(-2,)),
        slips={1: "Axis 1 has length 2 and belongs to b. The five copies stand along axis 0.",
               -1: "Axis −1 is the last one; it has length 2 and belongs to b. The five copies stand along axis 0."},
        why="The copies stand along axis 0, and the gradient adds them up.",
    ),
    "02-exit-partial": Question(
        "f = u·v² at (2, 3). What is ∂f/∂v?",
        number(12.0, rtol=1e-6),
        slips={9: "That is ∂f/∂u, v².", 18: "That is the height.", 6: "2v is right for v², and u stands in front of it."},
        why="u is held: 2·u·v = 12.",
    ),
    "02-exit-flat": Question(
        "Walking along a contour line of f, what is the slope under your feet?",
        number(0.0),
        slips={},
        why="f does not change along a contour line, so the gradient has nothing in that direction: they are perpendicular.",
    ),
    "02-exit-held": Question(
        "z = x·y and y = x². At x = 3, y held: what is ∂z/∂x?",
        number(9.0, rtol=1e-6),
        slips={27: "That is the total slope, with y moving along.", 18: "That is the way through y."},
        why="With y held at 9, z = 9x.",
    ),
}
RECALL = ("02-recall-forecast", "02-recall-twice", "02-recall-second", "02-recall-step", "02-recall-shape")
EXIT_TICKET = ("02-exit-partial", "02-exit-flat", "02-exit-held")
