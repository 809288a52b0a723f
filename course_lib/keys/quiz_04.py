"""Lesson 04, backward for vectors: predictions, recall and exit ticket."""

from course_lib.questions import Question, choice, number, shape, true_false, works_or_raises

QUESTIONS = {
    "04-recall-chain": Question(
        "y = sin(2x) at x = 0. What is dy/dx?",
        number(2.0, rtol=1e-6),
        slips={1: "cos 0 = 1 is the outer slope; the inner one is 2.", 0: "That is the value."},
        why="cos(0)·2.",
    ),
    "04-recall-ways": Question(
        "Two ways lead from x to z; 3 arrives on one and 5 on the other. What is dz/dx?",
        number(8.0, rtol=1e-6),
        slips={15: "Along a way slopes multiply. Different ways are added.", 5: "The second way does not replace the first."},
        why="Ways are added.",
    ),
    "04-recall-detach": Question(
        "d = x.detach(). Do x and d share the same memory? True or False",
        true_false(True),
        slips={False: "detach makes no copy; .detach().clone() does."},
        why="Same numbers, no history.",
    ),
    "04-recall-shape": Question(
        "W has shape (4, 3). What is the shape of W.grad after a backward?",
        shape((4, 3)),
        slips={(3, 4): "A gradient has the shape of the thing it belongs to."},
        why="A gradient fits its tensor, entry by entry.",
    ),
    "04-recall-held": Question(
        "The slope of z = x·y by x, with y held at 5.",
        number(5.0, rtol=1e-6),
        slips={},
        why="z = 5x.",
    ),
    "04-scalar-only": Question(
        "x = torch.tensor([2.0, 3.0], requires_grad=True); (x * x).backward(). Works or raises?",
        works_or_raises("raises"),
        slips={"works": "x * x is two numbers. Which of them should backward start from?"},
        why="“grad can be implicitly created only for scalar outputs”: a vector has no single derivative.",
    ),
    "04-weights": Question(
        "y = x·x at x = (2, 3). y.backward(gradient=(1, 10)). What is x.grad[1]?",
        number(60.0, rtol=1e-6),
        slips={6: "That is with weight 1. The second output counts ten times.", 10: "That is the weight alone."},
        why="The weighted sum is 1·x₀² + 10·x₁², and its slope by x₁ is 20·x₁ = 60.",
    ),
    "04-wrong-length": Question(
        "y has 2 entries. y.backward(gradient=torch.ones(3)). Works or raises?",
        works_or_raises("raises"),
        slips={"works": "gradient= holds one weight for each output, so it needs the shape of y."},
        why="“Mismatch in shape”: one weight for each output.",
    ),
    "04-sum-trick": Question(
        "softmax turns three numbers into three probabilities that add up to 1. p = softmax(x); p.sum().backward(). "
        "What is x.grad[0]?",
        number(0.0),
        slips={1: "The sum of the probabilities is 1 whatever x is."},
        why="The sum is always 1, so nothing you do to x moves it. The sum trick sees only the sum.",
    ),
    "04-cumsum": Question(
        "y = cumsum(x) of three numbers; y.sum().backward(). What is x.grad[0]?",
        number(3.0, rtol=1e-6),
        slips={1: "x[0] is part of all three partial sums."},
        why="x₀ stands in y₀, y₁ and y₂. The derivative of y₀ by x₀ is 1, and the sum trick says 3.",
    ),
    "04-tuple": Question(
        "What does torch.autograd.grad(y, x) return: a tensor or a tuple?",
        choice("tuple", "tensor"),
        slips={"tensor": "It can take several inputs, so it always returns a tuple."},
        why="One entry for each input, also when there is only one.",
    ),
    "04-unused": Question(
        "a and b are leaves, y = a * a. torch.autograd.grad(y, (a, b)). Works or raises?",
        works_or_raises("raises"),
        slips={"works": "b has nothing to do with y, and PyTorch assumes a mistake."},
        why="“appears to not have been used in the graph”. allow_unused=True gives None for b, materialize_grads=True a 0.",
    ),
    "04-copy": Question(
        "z = 3x (x tracked, at 4). w = torch.tensor(z.item(), requires_grad=True); (w * w).backward(). What is x.grad? Type "
        "None or a number",
        choice("None"),
        slips={"72": "That would be 2·12·3, if w were connected to x.", "24": "That is w.grad."},
        why="w is a new leaf that happens to hold 12. The walk ends there: w.grad is 24 and x.grad stays None.",
    ),
    "04-transpose": Question(
        "y = A x with A = [[1, 2], [3, 4]] and v = (1, 0). Is vᵀA the first row or the first column of A? Type row or column",
        choice("row", "column"),
        slips={"column": "A·(1, 0) picks the first column. v from the left picks the first row."},
        why="v weighs the rows: 1 × (1, 2) + 0 × (3, 4).",
    ),
    "04-mean3": Question(
        "M has shape (3, 3) and a 5 in the middle. (M**2).mean().backward(). What does the middle entry of M.grad hold?",
        number(10 / 9, rtol=5e-3),
        slips={10: "That is for the sum of squares. Nine entries share the mean.",
               1 / 9: "That is for M.mean(), without the square.", 10 / 3: "Nine entries share the mean, not three.",
               25 / 9: "The slope of m² is 2m, not m²."},
        why="The slope of the square there is 2·5, and the mean divides by nine.",
    ),
    "04-fill-v": Question(
        "The v that picks the third of three outputs: its last entry.",
        number(1.0, rtol=1e-6),
        slips={3: "The weight of the third output, not its number."},
        why="(0, 0, 1) gives the third row of J.",
    ),
    "04-exit-v": Question(
        "f maps 5 numbers to 2. How many entries has the v in y.backward(v)?",
        number(2, rtol=1e-6),
        slips={5: "v weighs the outputs."},
        why="One weight for each output.",
    ),
    "04-exit-trick": Question(
        "When does (f(x)).sum().backward() give f′ at every entry? When each output depends on how many of the inputs?",
        number(1, rtol=1e-6),
        slips={},
        why="On its own input alone. Then J is diagonal and its column sums are the diagonal.",
    ),
    "04-exit-mode": Question(
        "f maps 3 numbers to 1000. Which needs fewer walks for the whole Jacobian: forward or backward?",
        choice("forward", "backward"),
        slips={"backward": "Backward gives one row at a time: 1000 walks. Forward gives one column at a time: 3."},
        why="Forward mode takes one walk for each input, backward mode one for each output.",
    ),
}
RECALL = ("04-recall-chain", "04-recall-ways", "04-recall-detach", "04-recall-shape", "04-recall-held")
EXIT_TICKET = ("04-exit-v", "04-exit-trick", "04-exit-mode")
