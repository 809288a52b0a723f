"""Lesson 10, an engine of your own: predictions, recall and exit ticket."""

from course_lib.questions import Question, choice, number, shape, true_false, works_or_raises

QUESTIONS = {
    "10-recall-tanh": Question(
        "A tanh of your own, at a place where its value is 0.6, and g = 2 arrives. What does its backward return?",
        number(1.28, rtol=1e-3),
        slips={0.64: "That is the local derivative 1 − 0.6². What arrives is missing.", 1.2: "That is g times the value.",
               0.8: "The slope of tanh is 1 − its value squared.", 2.64: "They are multiplied, not added."},
        why="2·(1 − 0.6²).",
    ),
    "10-recall-shape": Question(
        "An input of shape (3,) was stretched to (4, 3). What is the shape of the gradient that backward should return for it?",
        shape((3,)),
        slips={(4, 3): "That is the shape of what arrives. A gradient has the shape of its input."},
        why="The shape of the input: what arrives is summed over the copies.",
    ),
    "10-recall-save": Question(
        "Which may forward save so that the second derivative is right, too: an input, or the slope computed there?",
        choice("input", "slope"),
        slips={"slope": "Computed in forward it is a bare number: its own derivative is lost."},
        why="Inputs and results keep their place in the graph.",
    ),
    "10-recall-paths": Question(
        "A result is used twice. 3 arrives along one path, −1 along the other. What is its gradient?",
        number(2, rtol=1e-6),
        slips={-3: "Along a path one multiplies; paths are added.", 4: "The sign counts.", 3: "Both paths count.",
               -1: "The later one does not replace the earlier one."},
        why="Paths are added.",
    ),
    "10-recall-entropy": Question(
        "Two classes, logits (0, 0), target class 0. What is the gradient of the cross-entropy by the first logit?",
        number(-0.5, rtol=1e-6),
        slips={0.5: "That is p. At the target 1 is subtracted.", 0: "The loss is not at its minimum there."},
        why="p − onehot: 0.5 − 1.",
    ),
    "10-hand": Question(
        "y = sine(a) with a = sine(x). The local derivatives are 0.8 (y by a) and 0.765 (a by x). g = 10 arrives at y. What "
        "arrives at x, about?",
        number(6.12),
        slips={8: "That arrives at a. It goes on to x.", 0.612: "That is for g = 1.", 15.65: "Along a path one multiplies.",
               7.65: "On its way to x it meets both local derivatives."},
        why="10 · 0.8 · 0.765: local derivative, multiply, once for each operation.",
    ),
    "10-fill-length": Question(
        "h = √(a² + b²) at a = 3, b = 4, and g = 10 arrives at h. What goes on to b?",
        number(8, rtol=1e-6),
        slips={0.8: "That is the local derivative b/h. What arrives is missing.", 6: "That goes on to a.",
               40: "The slope is b/h: divide by 5.",
               80: "The slope of the root is 1/(2h), the slope of b² is 2b: together b/h.", 4: "The slope of b² is 2b, not b.",
               50: "That is g times the value."},
        why="b/h = 4/5, times 10. The pair is (b, lambda g: g * b / h).",
    ),
    "10-modes": Question(
        "One loss, and a network with 64 inputs, 32 hidden units, 10 outputs, biases included. Forward mode follows one "
        "direction in each walk. How many walks does it need for the gradient by all the weights?",
        number(2410, rtol=1e-6),
        slips={1: "That is reverse mode: one walk back, whatever the number of weights.", 2368: "The biases are weights as well.",
               106: "Count the weights, not the units.", 64: "The gradient is wanted by the weights, not by the inputs.",
               2.41: "A comma is read as a decimal point: write the number without it."},
        why="64·32 + 32 + 32·10 + 10, one walk for each. Reverse mode needs one.",
    ),
    "10-paths": Question(
        "x = x + x, ten times. The walk above follows every path on its own. How many times does it ask a vjp?",
        number(2046, rtol=0.01),
        slips={2.046: "A comma is read as a decimal point: write the number without it.",
               20: "That many pairs there are. Each path is followed on its own, and a path splits at every node.",
               1023: "Each + has two pairs.", 10: "Each + has two pairs, and each path is followed on its own."},
        why="2 + 4 + … + 2¹⁰, for 20 pairs.",
    ),
    "10-chain": Question(
        "5,000 sines in a row: no path splits, each node is asked once. Does the walk above work or raise?",
        works_or_raises("raises"),
        slips={"works": "The number of steps is not the problem. How many calls are open at the far end?"},
        why="RecursionError: 5,000 calls inside each other, and Python allows about a thousand.",
    ),
    "10-early": Question(
        "y = a + sine(a) with a = sine(x). A walk asks y, then a, then sine(a), each once. Local derivatives: sine(a) by a "
        "0.8, a by x 0.765. What arrives at x?",
        number(0.765),
        slips={1.377: "That is right, and what torch says. When a was asked, the share of sine(a) had not arrived.",
               0.612: "That is the share that comes late. It stays at a.", 1.8: "That has arrived at a in the end."},
        why="a hands on the 1 that came straight from y. The 0.8 comes later and stays at a.",
    ),
    "10-fill-diamond": Question(
        "y = a + sine(a), with 0.8 for sine(a) by a. g = 1 arrives at y. What has arrived at a when all before it were asked?",
        number(1.8, rtol=1e-6),
        slips={1: "That is the straight path. The other one leads through sine(a).", 0.8: "That is one of two paths.",
               1.377: "That is what then goes on to x."},
        why="1 straight from y, and 1 · 0.8 through sine(a): add paths.",
    ),
    "10-again": Question(
        "An engine collects what arrives in .grad of every node, and never clears it. y = sine(a), a = sine(x), two walks. "
        "What is x.grad, divided by the gradient?",
        number(3, rtol=1e-6),
        slips={2: "That is PyTorch's rule, and right. Here a.grad is not cleared either: what does a hand on in the second walk?",
               1: "Nothing is cleared.", 4: "That would be so if y were added up as well; here each walk sets it to 1."},
        why="The first walk brings 1. In the second one a holds twice its gradient, so 2 more arrive.",
    ),
    "10-broadcast": Question(
        "b of shape (4, 1) is added to X of shape (4, 3), and every entry of g is 2. What goes on to each entry of b?",
        number(6, rtol=1e-6),
        slips={2: "Each entry of b was used three times.", 24: "That is all of g. Each entry of b has one row of it.",
               8: "(4, 1) was stretched along the second axis, to length 3."},
        why="Each number of b stands in three places of its row: 2 + 2 + 2.",
    ),
    "10-grown": Question(
        "An engine in NumPy forgot to sum: for b of shape (3,) it keeps a gradient of shape (4, 3). Then b = b − 0.1·gradient. "
        "Works or raises?",
        works_or_raises("works"),
        slips={"raises": "NumPy stretches here as well."},
        why="No message, and from now on b has shape (4, 3).",
    ),
    "10-overflow": Question(
        "log(softmax(z)) at z = (0, 1000), in NumPy as the formula is written. What is the second entry: 0, −inf or nan?",
        choice("nan", "0", "−inf"),
        slips={"0": "That is the right value. exp(1000) is inf, in the numerator and in the sum.",
               "−inf": "That is the first entry: log(1/inf)."},
        why="inf / inf is no number.",
    ),
    "10-switch": Question(
        "Recording is switched off, and an error comes before the line that switches it on. Afterwards, is it True or False?",
        true_false(False),
        slips={True: "The line that switches it on was never reached."},
        why="It stays off, and nobody says so: from here on no result knows its parents.",
    ),
    "10-ones": Question(
        "A sine whose vjp returns cos(x) and ignores g. The test compares it with torch on y = sine(x), g = 1. Does the test "
        "notice? True or False",
        true_false(False),
        slips={True: "1 · cos(x) and cos(x) are the same number."},
        why="With g = 1 a vjp that ignores g is right.",
    ),
    "10-caught": Question(
        "An engine overwrites .grad of a leaf instead of adding. The test: y = sine(x), g = −0.6. Does it notice? True or False",
        true_false(False),
        slips={True: "x is used once, so nothing has to be added."},
        why="Only a number that is used twice can tell overwriting from adding.",
    ),
    "10-ratio": Question(
        "Training goes well. How long is a step, compared with the weights it changes, late in training: about a tenth, a "
        "thousandth or a millionth?",
        choice("a thousandth", "a tenth", "a millionth"),
        slips={"a tenth": "Then ten steps would make new weights of the old ones.",
               "a millionth": "Then hardly anything would move."},
        why="About 1e-3 is what a healthy run shows.",
    ),
    "10-norms": Question(
        "While the loss of a classifier falls towards 0, do the gradients of its weights rise or fall in the end?",
        choice("fall", "rise"),
        slips={"rise": "The gradient of the logits is p − onehot. What becomes of it when p is nearly right?"},
        why="p − onehot goes to 0, and every gradient is made of it.",
    ),
    "10-white": Question(
        "A 0 has a white middle, where the pixels are 0. Is the slope of logit 0 by these pixels positive or negative?",
        choice("negative", "positive"),
        slips={"positive": "Then a darker middle would make it more of a 0."},
        why="Ink in the middle speaks against a 0. That a pixel is white does not make its slope 0.",
    ),
    "10-darker": Question(
        "A 3 is read as a 5. One pixel has the slope 2 on logit 5 and 3 on logit 3, and gets darker by 0.1. The lead of the "
        "5, logit 5 minus logit 3: rises or falls?",
        choice("falls", "rises"),
        slips={"rises": "Logit 5 does. Logit 3 rises more."},
        why="0.1·2 − 0.1·3. What counts is the difference.",
    ),
    "10-mended": Question(
        "Every digit that is read wrongly is moved by 1/16 in each pixel (cut to 0 to 1), against the lead of the wrong class. "
        "More than half of them are read rightly then, or fewer than half?",
        choice("more than half", "fewer than half"),
        slips={"fewer than half": "64 small moves, all in the same direction, add up."},
        why="Most mistakes are narrow ones.",
    ),
    "10-lead": Question(
        "Class 0 leads class 6 by 9 logits. The sizes of the slopes of this lead, by the 64 pixels, add up to 50. If these were "
        "straight lines: how far must every pixel move to use the lead up?",
        number(0.18),
        slips={5.56: "Turn it round: 9 logits, at 50 for each unit of step.", 0.14: "The lead is a sum over all pixels already.",
               450: "eps · 50 = 9."},
        why="9 / 50: the sign step makes use of the size of every slope.",
    ),
    "10-random": Question(
        "The same length, 0.2 in each pixel (cut to 0 to 1), with random signs, a thousand times. How many of them change the "
        "answer: none, about half or nearly all?",
        choice("none", "about half", "nearly all"),
        slips={"about half": "Signs that agree by chance are rare among 64.",
               "nearly all": "That is for signs that were chosen."},
        why="Random moves cancel each other; chosen ones add up.",
    ),
    "10-agree": Question(
        "The same network, the same start, once in float64 and once in float32. After 20 steps, do the losses differ by more "
        "or by less than 1e-9?",
        choice("more", "less"),
        slips={"less": "float32 keeps about seven digits."},
        why="Seven digits are all that float32 has. In float64 there is room for 1e-9.",
    ),
    "10-exit-order": Question(
        "y = b + c, and both b and c are made of a. How many nodes must have been asked before a may be asked?",
        number(3, rtol=1e-6),
        slips={2: "y comes before b and c.", 1: "Everything that a flows into."},
        why="y, b and c.",
    ),
    "10-exit-sum": Question(
        "b of shape (1, 3) is added to X of shape (5, 3), and every entry of g is 2. What goes on to each entry of b?",
        number(10, rtol=1e-6),
        slips={2: "Each entry of b was used five times.", 6: "(1, 3) was stretched along the first axis, to length 5.",
               30: "That is all of g."},
        why="Each number of b stands in five rows.",
    ),
    "10-exit-test": Question(
        "A power whose vjp returns g · xⁿ, the value, is tested with x², x = 2, g = −0.6. Does the test notice? True or False",
        true_false(False),
        slips={True: "At 2, x² has the value 4 and the slope 4."},
        why="At 2 value and slope of x² agree: take numbers like 0.7 and −1.3.",
    ),
}

RECALL = ("10-recall-tanh", "10-recall-shape", "10-recall-save", "10-recall-paths", "10-recall-entropy")
EXIT_TICKET = ("10-exit-order", "10-exit-sum", "10-exit-test")
