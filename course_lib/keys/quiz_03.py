"""Lesson 03, the chain rule and the graph: predictions, recall and exit ticket."""

from course_lib.questions import Question, choice, number, true_false, works_or_raises

QUESTIONS = {
    "03-recall-partial": Question(
        "f = u·v² at (2, 3). What is ∂f/∂u?",
        number(9.0, rtol=1e-6),
        slips={12: "That is ∂f/∂v.", 18: "That is the height."},
        why="v is held at 3, so f = 9u.",
    ),
    "03-recall-mean": Question(
        "The gradient of a sum over 8 numbers is 4 at some entry. What is it for the mean?",
        number(0.5, rtol=1e-6),
        slips={4: "The mean divides by 8.", 32: "The mean is smaller than the sum."},
        why="4/8.",
    ),
    "03-recall-bias": Question(
        "b of shape (3,) is added to X of shape (7, 3). What is the first entry of the gradient of the total sum by b?",
        number(7.0, rtol=1e-6),
        slips={1: "b[0] stands in seven rows.", 21: "Only column 0 has b[0] in it."},
        why="Copied forward seven times means added backward seven times.",
    ),
    "03-recall-leaf": Question(
        "x is a tracked leaf, y = 3 * x, y.backward(). Whose .grad is filled: x or y?",
        choice("x", "y"),
        slips={"y": "y is a result in the middle; only leaves keep their gradient."},
        why="Only leaves keep .grad.",
    ),
    "03-recall-create": Question(
        "To differentiate a derivative, autograd.grad needs one more argument. Which one must be True?",
        choice("create_graph", "retain_graph", "allow_unused"),
        slips={"retain_graph": "That keeps the graph of f for another walk. The derivative itself still has no graph."},
        why="create_graph=True records how the derivative was computed.",
    ),
    "03-chain": Question(
        "y = (2x + 1)² at x = 3. What is dy/dx?",
        number(28.0, rtol=1e-6),
        slips={14: "2·7 is the slope of the square at 7. The inner function 2x + 1 has slope 2.", 49: "That is the height.",
               12: "2·(2x) with the 1 lost: the square is taken of 7, not of 6."},
        why="Outer slope 2·7 = 14 at the inner value 7, times inner slope 2.",
    ),
    "03-double": Question(
        "y = 2x, z = y². At x = 2 a page prints dz/dx = 8. What do you get?",
        number(16.0, rtol=1e-6),
        slips={8: "2y = 8 is the slope of z by y. By x there is one more factor, 2."},
        why="z = 4x², so 8x = 16: 2y·2 = 8·2.",
    ),
    "03-paths": Question(
        "z = x·y with y = x², at x = 3. Two ways lead from x to z. What arrives at x in all?",
        number(27.0, rtol=1e-6),
        slips={9: "That is the direct way alone.", 18: "That is the way through y alone.",
               162: "Ways are added, not multiplied."},
        why="y = 9 on the direct way, x·2x = 18 through y.",
    ),
    "03-linear-twice": Question(
        "y = x + 3 at x = 2; y.backward(); y.backward(). Works or raises?",
        works_or_raises("works"),
        slips={"raises": "The second walk raises only if the first one freed something. A sum has saved nothing."},
        why="Adding needs no saved numbers to walk back, so nothing was freed. With x² the second walk raises.",
    ),
    "03-inplace-free": Question(
        "y = 2 * x (x a tracked leaf); y *= 2; y.backward(). Works or raises?",
        works_or_raises("works"),
        slips={"raises": "In-place is forbidden on a tracked leaf, and on numbers that backward still needs. y is neither."},
        why="Doubling y in place is a recorded operation like any other: the slope is 4.",
    ),
    "03-clone": Question(
        "clone() copies a tensor. Does it cut the graph? True or False",
        true_false(False),
        slips={True: "That is detach(). clone() is a recorded operation with slope 1."},
        why="A gradient flows through clone() unchanged.",
    ),
    "03-backward-no-grad": Question(
        "y was computed with tracking. Then, inside torch.no_grad(): y.backward(). Works or raises?",
        works_or_raises("works"),
        slips={"raises": "no_grad stops the recording. y was recorded before, and walking back records nothing."},
        why="no_grad concerns what is computed inside it, not walks over what exists already.",
    ),
    "03-detach-shares": Question(
        "x = torch.tensor([3.0]); d = x.detach(); d.mul_(10). What is x[0]?",
        number(30.0, rtol=1e-6),
        slips={3: "detach does not copy. Both names share the same memory."},
        why="d is another view of the same numbers. x.detach().clone() would be a copy.",
    ),
    "03-eval": Question(
        "model.eval() and then model(x) with a model that has weights. Does the output require grad? True or False",
        true_false(True),
        slips={False: "eval() changes dropout and batch-norm. It does not touch tracking; no_grad does."},
        why="eval() is about layers that behave differently in training. Tracking goes on.",
    ),
    "03-step-no-grad": Question(
        "A whole training step, loss and backward included, is put under @torch.no_grad(). Works or raises?",
        works_or_raises("raises"),
        slips={"works": "Nothing is recorded in there, so the loss has no history to walk back."},
        why="“element 0 of tensors does not require grad”: the loss was computed without recording.",
    ),
    "03-hook": Question(
        "z = y² with y = 3x at x = 1, so dz/dx = 18. A hook on y returns 10·g. What does x.grad hold?",
        number(180.0, rtol=1e-6),
        slips={18: "A hook that returns something replaces the gradient that flows on."},
        why="What the hook returns flows on instead of g. A hook that only looks returns nothing.",
    ),
    "03-branch": Question(
        "f returns x if x ≥ 0, else −x. At x = −5, which branch stands in the graph: x, −x or both?",
        choice("−x", "x", "both"),
        slips={"both": "Only what ran was recorded.", "x": "−5 is not ≥ 0."},
        why="The graph is written while the code runs. The other branch does not exist for autograd.",
    ),
    "03-function": Question(
        "A custom square returns 2·x from its backward and ignores what arrives. For 3·square(x) at x = 2, what gradient "
        "comes out?",
        number(4.0, rtol=1e-6),
        slips={12: "That is the right answer. This backward ignores the 3 that arrives."},
        why="It returns its local derivative 4 whatever arrives. Right is arriving × local = 3·4 = 12.",
    ),
    "03-fill-paths": Question(
        "What arrives at x over both ways, for z = x·sin(x) at x = 0.7?",
        number(0.6442176872 + 0.7 * 0.7648421873, rtol=1e-3),
        slips={0.6442: "That is the direct way.", 0.5354: "That is the way through the sine.",
               0.3449: "The ways are added, not multiplied."},
        why="sin x directly, plus x·cos x through the sine.",
    ),
    "03-exit-local": Question(
        "y = exp(3x) at x = 0. What is dy/dx?",
        number(3.0, rtol=1e-6),
        slips={1: "That is the slope of exp at 0. The inner function has slope 3.", 0: "exp has slope 1 at 0."},
        why="exp(0)·3.",
    ),
    "03-exit-hold": Question(
        "z = x.detach() · x at x = 4. What is x.grad?",
        number(4.0, rtol=1e-6),
        slips={8: "That is the slope of x². The first factor is held here.", 0: "The second factor is still connected."},
        why="The first factor is a constant 4, so z = 4x.",
    ),
    "03-exit-saved": Question(
        "y = torch.exp(x); y.add_(1); y.sum().backward(). Works or raises?",
        works_or_raises("raises"),
        slips={"works": "The slope of exp is its own result, and that was overwritten."},
        why="Backward of exp needs the number that add_ has changed: “modified by an inplace operation”.",
    ),
}
RECALL = ("03-recall-partial", "03-recall-mean", "03-recall-bias", "03-recall-leaf", "03-recall-create")
EXIT_TICKET = ("03-exit-local", "03-exit-hold", "03-exit-saved")
