"""Review C, over lessons 01 to 09: predictions, recall and exit ticket."""

from course_lib.questions import Question, choice, number, shape, true_false, works_or_raises

QUESTIONS = {
    "09r-mix-1": Question(
        "X has shape (5, 3), b has shape (3,), y = (X + b).sum(). What is every entry of b.grad?",
        number(5.0, rtol=1e-6),
        slips={1: "Each entry of b is used in five rows, and their shares are added.",
               3: "b has three entries, and each is used five times.",
               15: "That is all of them together. Each entry of b is used five times."},
        why="Used in five rows, so five shares of 1.",
    ),
    "09r-mix-2": Question(
        "Softmax and cross-entropy, one example, p = (0.7, 0.2, 0.1), the right class is 1. What is the slope of the loss by z₁?",
        number(-0.8, rtol=1e-3),
        slips={0.8: "Raising the right logit lowers the loss.", 0.2: "That is p₁. For the right class, 1 comes off.",
               -0.2: "The size is 1 − p₁, what is missing to 1.", 0.16: "That is p₁(1 − p₁), the slope of p₁ itself."},
        why="p − onehot: 0.2 − 1.",
    ),
    "09r-mix-3": Question(
        "f turns a batch X of shape (3, 2) into X². What shape has torch.func.jacrev(f)(X)?",
        shape((3, 2, 3, 2)),
        slips={(3, 2): "That is the shape of X and of the result. The Jacobian holds every output by every input.",
               (6, 6): "So many entries it has. The shapes stay: outputs first, then inputs.",
               (3, 2, 2): "That is each row by itself. jacrev does not know that rows do not touch."},
        why="Shape of the outputs, then shape of the inputs.",
    ),
    "09r-mix-4": Question(
        "w = torch.ones(3, requires_grad=True).double(), then (w**2).sum().backward(). What is w.grad: None, 0 or 2?",
        choice("None", "0", "2"),
        slips={"2": "That went on to the tensor before the cast, which has no name any more.",
               "0": "Nothing was written into this one, not even zeros."},
        why="double() makes a result, and only leaves keep a .grad.",
    ),
    "09r-mix-5": Question(
        "forward(ctx, x, n) of a Function, n a plain number. How many things does backward return?",
        number(2, rtol=1e-6),
        slips={1: "One for each input of forward, and None is a thing, too.", 3: "ctx is no input."},
        why="A gradient for x, and None for n.",
    ),
    "09r-price": Question(
        "The gradient is there. One weight's entry is held against a central difference. How many forward passes does that take?",
        number(2, rtol=1e-6),
        slips={1: "A central difference looks to both sides.", 0: "A difference needs two losses, and each is a forward pass.",
               3: "In the middle nothing is computed, only to both sides."},
        why="One on each side.",
    ),
    "09r-runs": Question(
        "Two runs from one start, at one learning rate. In one of them a backward has lost a square, so that its gradients are "
        "too long. Which has the lower loss after every step: right or wrong?",
        choice("wrong", "right"),
        slips={"right": "So one would think. Gradients that are too long make longer steps, and here these pay."},
        why="A curve tells how far a run came, not whether its gradient is right.",
    ),
    "09r-clip": Question(
        "A round is: zero_grad, forward, clip_grad_norm_, backward, step. What does clip_grad_norm_ return?",
        number(0.0),
        slips={1: "That is the longest it would allow. It returns the norm of what it finds, and what is there before backward?"},
        why="No gradient is there yet. A norm of 0 in every round says where the call stands.",
    ),
    "09r-fill-step": Question(
        "Plain SGD, lr = 0.1, gradients clipped to norm 1. How far can one step move the weights at most?",
        number(0.1, rtol=1e-6),
        slips={1: "That is the longest gradient. The step is lr times that.", 10: "lr times the gradient, not divided by it."},
        why="0.1·1. Whatever moved further was not clipped.",
    ),
    "09r-perfect": Question(
        "Four classes. The logits are 20 for the right class and 0 for the others. What is cross_entropy, to two digits?",
        number(0.0, rtol=0.1),
        slips={1.386: "That is ln 4, what guessing costs. This model is certain and right.",
               0.744: "That is what it costs if the probabilities, not the logits, are handed over.",
               20: "The right class is the one with 20. Its probability is 1."},
        why="−ln of a probability that is 1 to eight digits.",
    ),
    "09r-behind": Question(
        "shadow = 0.9·shadow + 0.1·w after every step, w a tracked leaf. There are 3 nodes behind shadow after the first, that "
        "of the leaf among them, and 6 after the second. How many after 100?",
        number(300, rtol=1e-6),
        slips={3: "The new shadow is made of the old one, and that one remembers.", 6: "Every step adds as many again.",
               303: "After the first there are 3, so after the hundredth 100 times as many."},
        why="Each step adds three, and none is ever let go.",
    ),
    "09r-quiet": Question(
        "shadow = w.detach().clone(). Then, without no_grad: shadow.mul_(0.9).add_(w, alpha=0.1). Works or raises?",
        works_or_raises("works"),
        slips={"raises": "Only a tracked leaf objects to that. This shadow is a plain tensor, and becomes a tracked result."},
        why="It works, and from now on the shadow has a grad_fn.",
    ),
    "09r-alias": Question(
        "shadow = w.detach() at the start. The optimiser then makes three steps that move w by 0.1 each. How large is "
        "w − shadow?",
        number(0.0),
        slips={0.3: "detach() cuts the graph and shares the memory. Where w moves, the shadow moves.",
               0.1: "Each of the three steps moves w. And shadow?"},
        why="One memory, two names. detach().clone() has its own.",
    ),
    "09r-memory": Question(
        "decay = 0.99. What share of the very first shadow is left in it after 100 steps?",
        number(0.366, rtol=0.03),
        slips={0.01: "That is what each step brings in new.", 0.99: "That is after one step.", 0: "It never quite forgets.",
               0.634: "That is the share of all that came later."},
        why="0.99¹⁰⁰: it looks back over about 1/(1 − decay) steps.",
    ),
    "09r-fill-shadow": Question(
        "decay = 0.9, the shadow is 2, and w = 4. What is the shadow after this step?",
        number(2.2, rtol=1e-6),
        slips={3.8: "The shares are swapped: the shadow keeps 0.9 of itself.", 5.8: "w counts with 0.1 only.",
               2.4: "The shadow counts with 0.9: 0.9·2 + 0.1·4.", 3: "That is for decay 0.5."},
        why="0.9·2 + 0.1·4.",
    ),
    "09r-none-or-zero": Question(
        "w = 3 (a tracked leaf), y = w.clamp(−1, 1), loss = (y − 0.5)², backward. What is w.grad: None, 0 or 1?",
        choice("0", "None", "1"),
        slips={"None": "There is a way from the loss to w. It leads over a clamp that is flat at 3.",
               "1": "That arrives at y. What is the slope of clamp at 3?"},
        why="The way is there, and its slope is 0.",
    ),
    "09r-through": Question(
        "The same w = 3, with a backward that hands on what arrives. loss = (y − 0.5)². What is w.grad?",
        number(1.0, rtol=1e-6),
        slips={5: "Forward clamps as before: y is 1, not 3.", 0: "That is the true slope. Here g is handed on.",
               0.25: "That is the loss."},
        why="2·(1 − 0.5) arrives at y, and is handed on.",
    ),
    "09r-runaway": Question(
        "Straight-through, w = 1, the target is 1.5, and y = clamp(w, −1, 1) cannot get there. lr = 0.1, loss = (y − 1.5)², "
        "100 steps. Where is w?",
        number(11.0, rtol=0.02),
        slips={1: "That is y. The gradient at y is −1 in every step, and it is handed on.",
               1.5: "y would have to move for that, and it stays at 1.", 10: "It began at 1.",
               6: "The slope of the square is 2·(1 − 1.5) = −1."},
        why="1 + 100·0.1·1. The loss shows nothing of it.",
    ),
    "09r-change": Question(
        "f′(2) = −1.5. By about how much does f change from 2 to 2.2?",
        number(-0.3, rtol=1e-3),
        slips={0.3: "The slope is negative.", -1.5: "That is the slope. Times how far you go.",
               -7.5: "Times 0.2, not divided by it."},
        why="Slope times step: −1.5·0.2.",
    ),
    "09r-steepest": Question(
        "The gradient of f at x is (3, −4). How large is the largest slope, over all directions of length 1?",
        number(5.0, rtol=1e-6),
        slips={3: "Along the first axis. There is a steeper way.", 4: "Against the second axis. There is a steeper way.",
               7: "That direction has length √2, not 1.", 25: "That is its square."},
        why="The length of the gradient, and its direction is the way.",
    ),
    "09r-cumsum": Question(
        "y = torch.cumsum(x, 0) over four numbers, then y.sum().backward(). What is x.grad[0]?",
        number(4.0, rtol=1e-6),
        slips={1: "x[0] is a part of every running sum, not of the first alone.", 10: "That is the sum of all of x.grad."},
        why="x[0] is in all four sums.",
    ),
    "09r-exit-1": Question(
        "clip_grad_norm_(parameters, 1.0) returned 40. How long is the gradient now?",
        number(1.0, rtol=1e-3),
        slips={40: "That is what it was. It is returned before it is shortened.", 39: "It is scaled, and nothing is taken off."},
        why="1: what it returns is the norm before.",
    ),
    "09r-exit-2": Question(
        "After an update of the shadow, shadow.requires_grad is True, and it was False before. What was forgotten: no_grad, "
        "zero_grad or backward?",
        choice("no_grad", "zero_grad", "backward"),
        slips={"zero_grad": "That clears .grad. Here a computation was recorded.",
               "backward": "Nothing has to be walked back. Something was recorded that should not be."},
        why="The average was recorded like any computation with tracked weights.",
    ),
    "09r-exit-3": Question(
        "w.grad was None, and is 0 after backward. Is there a way from the loss back to w? True or False",
        true_false(True),
        slips={False: "Without a way nothing is written, and .grad stays None."},
        why="None: no way. 0: a way that is flat somewhere.",
    ),
}

RECALL = ("09r-mix-1", "09r-mix-2", "09r-mix-3", "09r-mix-4", "09r-mix-5")
EXIT_TICKET = ("09r-exit-1", "09r-exit-2", "09r-exit-3")
