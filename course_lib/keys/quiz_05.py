"""Lesson 05, Jacobians: predictions, recall and exit ticket."""

from course_lib.questions import Question, choice, number, raises_or_shape, shape, true_false, works_or_raises

QUESTIONS = {
    "05-recall-weights": Question(
        "y = x·x at (2, 3), y.backward(gradient=(5, 0)). What is x.grad[0]?",
        number(20.0, rtol=1e-6),
        slips={4: "The first output counts five times.", 5: "That is the weight alone."},
        why="5·2·2.",
    ),
    "05-recall-lie": Question(
        "y = softmax(x). Does y.sum().backward() give the slopes of the probabilities? True or False",
        true_false(False),
        slips={True: "The sum is 1 whatever x is, so all slopes of the sum are 0."},
        why="softmax couples its entries.",
    ),
    "05-recall-stack": Question(
        "You have three tracked numbers and want a vector with their history: torch.tensor or torch.stack?",
        choice("torch.stack", "torch.tensor"),
        slips={"torch.tensor": "That makes a new tensor out of plain numbers."},
        why="torch.stack keeps where its parts came from.",
    ),
    "05-recall-second": Question(
        "f = x³ at 1. What is f″?",
        number(6.0, rtol=1e-6),
        slips={3: "That is f′.", 9: "f″ is not the square of f′."},
        why="6x.",
    ),
    "05-recall-hold": Question(
        "z = x·x.detach() at x = 5. What is dz/dx as autograd sees it?",
        number(5.0, rtol=1e-6),
        slips={10: "The second factor is held."},
        why="z = 5x with the second factor held.",
    ),
    "05-shape": Question(
        "f takes a vector of 2 numbers and returns 3. What is the shape of its Jacobian?",
        shape((3, 2)),
        slips={(2, 3): "Outputs are rows: three outputs, three rows."},
        why="(outputs, inputs).",
    ),
    "05-second-walk": Question(
        "y = f(x) with squares inside. torch.autograd.grad(y[0], x), then torch.autograd.grad(y[1], x). Works or raises?",
        works_or_raises("raises"),
        slips={"works": "The first walk freed what f had saved."},
        why="Keep it with retain_graph=True on all walks but the last.",
    ),
    "05-func-grad": Question(
        "torch.func.grad(lambda x: x * x) at (2.0, 3.0). Works or raises?",
        works_or_raises("raises"),
        slips={"works": "grad wants a function with one number as its result."},
        why="“to return a scalar”: for several outputs there is jacrev, or vjp with weights.",
    ),
    "05-batch-shape": Question(
        "X has shape (5, 2), f(X) has shape (5, 3). What shape has torch.autograd.functional.jacobian(f, X)?",
        raises_or_shape((5, 3, 5, 2)),
        slips={(5, 3, 2): "It does not know that rows are independent: every row by every row.",
               (3, 2): "That is the Jacobian of one row."},
        why="All outputs by all inputs: (5, 3, 5, 2). Only 5 of the 25 blocks are not zero.",
    ),
    "05-zero-blocks": Question(
        "A batch goes through batch-norm in training mode. Are the derivatives of one row by another row all 0? "
        "True or False",
        true_false(False),
        slips={True: "Batch-norm subtracts the mean of the whole batch, so every row uses every other."},
        why="The rows are coupled by the statistics of the batch.",
    ),
    "05-cheaper": Question(
        "f maps 1000 numbers to 1. Which gives its Jacobian in fewer walks: jacrev or jacfwd?",
        choice("jacrev", "jacfwd"),
        slips={"jacfwd": "Forward mode needs one push for each of the 1000 inputs. Backward needs one walk."},
        why="Backward: one walk for each output. A loss has one output; that is why training goes backward.",
    ),
    "05-order": Question(
        "Three Jacobians of shapes (1, 100), (100, 100), (100, 100). Multiplying from the left takes 2·10⁴ "
        "multiplications. From the right, how many million? Type a number",
        number(1.01, rtol=0.02),
        slips={0.02: "That is from the left, where every product is a row times a matrix."},
        why="(100 × 100)·(100 × 100) is 10⁶, and the row times the result another 10⁴.",
    ),
    "05-symmetric": Question(
        "Is the Hessian of a smooth function symmetric? True or False",
        true_false(True),
        slips={False: "It does not matter in which order you differentiate."},
        why="∂²f/∂u∂v = ∂²f/∂v∂u.",
    ),
    "05-gradcheck32": Question(
        "gradcheck of torch.sin with a float32 input, default settings. Works or raises?",
        works_or_raises("raises"),
        slips={"works": "Its differences use a step of 1e-6, which float32 cannot resolve."},
        why="sin is right; float32 has no digits left for a step of 1e-6. gradcheck needs float64.",
    ),
    "05-fill-dim": Question(
        "Two pushes give two columns of three numbers. torch.stack(columns, dim=…) is to give shape (3, 2): which dim?",
        number(1, rtol=1e-6),
        slips={0: "dim=0 puts them below each other, as rows: shape (2, 3), the transpose."},
        why="The new axis counts the inputs, and in (outputs, inputs) it comes second: dim=1.",
    ),
    "05-det": Question(
        "x = r·cos θ, y = r·sin θ. A small square at r = 2 in the (r, θ) plane: by which factor does its area grow?",
        number(2.0, rtol=1e-3),
        slips={1: "Further out the same angle sweeps more area.", 4: "det J = r, not r²."},
        why="det J = r.",
    ),
    "05-exit-rows": Question(
        "Does row i of a Jacobian belong to output i or to input i? Type output or input",
        choice("output", "input"),
        slips={"input": "Outputs are rows."},
        why="(outputs, inputs).",
    ),
    "05-exit-hvp": Question(
        "n = 1000. How many numbers does H·v have?",
        number(1000, rtol=1e-6),
        slips={1000000: "That is H itself."},
        why="As many as the gradient. H itself would have a million.",
    ),
    "05-exit-check": Question(
        "A backward that ignores what arrives is tested with weights of one. Does it pass? True or False",
        true_false(True),
        slips={False: "With ones, ignoring what arrives and using it are the same."},
        why="That is why a test uses weights that differ.",
    ),
}
RECALL = ("05-recall-weights", "05-recall-lie", "05-recall-stack", "05-recall-second", "05-recall-hold")
EXIT_TICKET = ("05-exit-rows", "05-exit-hvp", "05-exit-check")
