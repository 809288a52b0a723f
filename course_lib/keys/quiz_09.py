"""Lesson 09, your own gradients: predictions, recall and exit ticket."""

from course_lib.questions import Question, choice, number, raises_or_shape, true_false, works_or_raises

QUESTIONS = {
    "09-recall-third": Question(
        "A broken backward of x³ returns x²·g. What is its gradient, divided by the right one?",
        number(1 / 3, rtol=0.01),
        slips={3: "That is right ÷ broken. Its gradient is too small.", 1: "The slope of x³ is 3x²."},
        why="x² where 3x² belongs: it trains, a third as fast.",
    ),
    "09-recall-data": Question(
        "y = x² has been computed. Then x.data.mul_(2), then y.backward(). Works or raises?",
        works_or_raises("works"),
        slips={"raises": "It would without .data: that way round the version counter is not told."},
        why="No message, and a gradient that is twice too large.",
    ),
    "09-recall-first": Question(
        "A gradient is wrong. Which do you look at first: is it finite, or does it agree with a difference?",
        choice("finite", "difference"),
        slips={"difference": "With a NaN about, every comparison fails. The cheap question comes first."},
        why="Each question supposes that those before it are settled.",
    ),
    "09-recall-vjp": Question(
        "y = (x₀·x₁, x₀) at x = (2, 3), and y.backward(v) with v = (1, 10). What is x.grad[0]?",
        number(13, rtol=1e-6),
        slips={4: "That is for v = (1, 1).", 3: "The second result depends on x₀ as well, and its weight is 10.",
               10: "x₀ is in both results.", 31: "The weights belong to the results in their order: 1 to x₀·x₁, 10 to x₀."},
        why="1·x₁ + 10·1.",
    ),
    "09-recall-softmax": Question(
        "p = softmax(z) = (0.2, 0.8). What is ∂p₀/∂z₀?",
        number(0.16, rtol=1e-3),
        slips={0.2: "That is p₀. The total in the denominator grows as well.", 0.8: "p₀·(1 − p₀).", -0.16: "That is ∂p₀/∂z₁."},
        why="p₀·(1 − p₀).",
    ),
    "09-upstream": Question(
        "SQ.backward returns 2·x and ignores what arrives. y = SQ(3·x + 1)² at x = 2. What lands in x.grad?",
        number(42, rtol=1e-3),
        slips={4116: "That is the right gradient. SQ ignores what the outer square sends it.",
               14: "That is what SQ hands on. On its way to x it meets 3·x + 1."},
        why="2·7 from SQ, times 3. The outer square's 98 never got through.",
    ),
    "09-inside": Question(
        "Inside forward, is torch.is_grad_enabled() True or False?",
        true_false(False),
        slips={True: "Then autograd would record forward's operations and would not need your backward."},
        why="forward runs unrecorded. What autograd knows of this operation is your backward, and nothing else.",
    ),
    "09-call": Question(
        "x tracked, and Square()(x): the class called like a layer. Works or raises?",
        works_or_raises("raises"),
        slips={"works": "A layer is an object with a forward of its own. A Function is never made into an object."},
        why="Always .apply.",
    ),
    "09-ctx": Question(
        "forward keeps x with ctx.x = x. Before backward runs, the tensor that went in is doubled in place. Works or raises?",
        works_or_raises("works"),
        slips={"raises": "save_for_backward would have noticed. A plain attribute is not watched."},
        why="No message, and a gradient that is twice too large.",
    ),
    "09-fill-cube": Question(
        "A cube x³ at x = 0.5, and g = 3 arrives. What does backward return?",
        number(2.25, rtol=1e-6),
        slips={0.75: "That is the local derivative 3x². What arrives is missing.", 3.75: "They are multiplied, not added.",
               0.375: "That is g times the value x³.", 4.5: "That is 3x·g: the slope has x².", 3: "That is what arrives."},
        why="3 · 3·0.5².",
    ),
    "09-fill-exp": Question(
        "exp at a place where its value is 4, and g = −0.5 arrives. What does backward return?",
        number(-2, rtol=1e-6),
        slips={2: "g is negative.", 4: "That is the local derivative, the value itself. What arrives is missing.",
               3.5: "They are multiplied, not added."},
        why="−0.5 · 4: the slope of exp is its value, so saving the result is enough.",
    ),
    "09-count": Question(
        "forward has two inputs, backward returns one gradient. When does PyTorch complain: at apply, at backward or never?",
        choice("at backward", "at apply", "never"),
        slips={"at apply": "Until somebody walks back, nobody has asked backward for anything.",
               "never": "It counts what comes back."},
        why="“returned an incorrect number of gradients (expected 2, got 1)”.",
    ),
    "09-swap": Question(
        "a = 2, b = 3, y = a·b with a backward that returns (g·a, g·b). What lands in a.grad after y.backward()?",
        number(2, rtol=1e-6),
        slips={3: "That is right, and not what this backward returns first.", 6: "That is the value of y."},
        why="The first thing returned goes to the first input, whatever it is. Right would be 3.",
    ),
    "09-who": Question(
        "a has shape (4, 3), b (3,). For b backward returns a tensor of shape (4, 3). What is the shape of b.grad? Or does it "
        "raise?",
        raises_or_shape((3,)),
        slips={"raises": "The engine sees that (3,) was stretched to (4, 3), and sums over the copies, without a word.",
               (4, 3): "A .grad always has the shape of its tensor."},
        why="The engine adds up, silently.",
    ),
    "09-too-small": Question(
        "And if backward returns shape (3,) for an input of shape (4, 3)? Works or raises?",
        works_or_raises("raises"),
        slips={"works": "Sums can be taken back. Which row should get which share, when only one is there?"},
        why="Only what is too large is repaired.",
    ),
    "09-naive": Question(
        "log(1 + exp(x)) at x = 800, in float64: 800, inf or nan?",
        choice("inf", "800", "nan"),
        slips={"800": "That is the right value, but exp(800) comes first, and it is too large.",
               "nan": "The value is only too large. The slope is worse."},
        why="exp(800) is inf, and so is its logarithm.",
    ),
    "09-naive-slope": Question(
        "And its slope there, by autograd: 1, 0, inf or nan?",
        choice("nan", "1", "0", "inf"),
        slips={"1": "On paper. Autograd multiplies the pieces: 1/(1 + eˣ) is 0, and eˣ is inf.",
               "inf": "One factor is inf, the other 0.", "0": "One factor is 0, the other inf."},
        why="0 · ∞ is no number.",
    ),
    "09-nodes": Question(
        "The rewritten log cosh, left to autograd, or as a Function of its own. Which has fewer nodes in its graph?",
        choice("Function", "autograd"),
        slips={"autograd": "It records every operation of forward: a node each, with what that one has to save."},
        why="One node, which saves one tensor.",
    ),
    "09-stuck": Question(
        "w = 0.2, and the model is torch.round(w)·x for data that lie on y = 3·x. After 100 steps, what is w?",
        number(0.2, rtol=1e-6),
        slips={3: "That is where it should go. Which gradient reaches w?", 0: "w itself is not rounded. Does it move?"},
        why="The slope of a staircase is 0.",
    ),
    "09-trick": Question(
        "y = w + (torch.round(w) − w).detach() at w = 0.7. What is the slope of y by w?",
        number(1, rtol=1e-6),
        slips={0: "The bracket is detached: for autograd it is a constant. What is left?", 0.7: "That is w."},
        why="Forward the two w cancel, backward only the first one counts.",
    ),
    "09-ste-check": Question(
        "gradcheck of a straight-through rounding, away from its steps. Works or raises?",
        works_or_raises("raises"),
        slips={"works": "gradcheck compares with differences, and between two steps these are 0."},
        why="Its backward is no slope, and does not claim to be.",
    ),
    "09-reverse": Question(
        "loss = (v·h − 1)² with v = 0.5, h = 1, and a gate on h turns its gradient round. Both v and h make a step downhill by "
        "what lands in .grad. What happens to the loss if only h makes its step: rises or falls?",
        choice("rises", "falls"),
        slips={"falls": "It would without the gate. h goes against the reversed gradient, so uphill."},
        why="Whoever lies in front of the gate is sent uphill.",
    ),
    "09-gradgrad": Question(
        "gradgradcheck of SQ, whose backward ignores what arrives. Works or raises?",
        works_or_raises("works"),
        slips={"raises": "That is gradcheck. gradgradcheck asks only whether backward, as it is, is differentiated rightly."},
        why="Differentiating a wrong backward rightly is all it asks for.",
    ),
    "09-saved-slope": Question(
        "A sine that saves cos(x) in forward. gradcheck: works or raises?",
        works_or_raises("works"),
        slips={"raises": "The first derivative is right. It is the next one that is lost."},
        why="g·cos(x) is right. What is lost comes later.",
    ),
    "09-penalty": Question(
        "y = x·sine(x) with that sine, and loss = y + (dy/dx)², create_graph=True. loss.backward(): works or raises?",
        works_or_raises("works"),
        slips={"raises": "There is a way back to x, through the factor x; what is missing is missing without a word."},
        why="A part of the gradient is missing, silently.",
    ),
    "09-once": Question(
        "The same sine, its backward marked with @once_differentiable. loss.backward(): works or raises?",
        works_or_raises("raises"),
        slips={"works": "That is what the mark is for: better loud than wrong."},
        why="“trying to differentiate twice a function that was marked with @once_differentiable”.",
    ),
    "09-unrolled": Question(
        "A loop of 60 rounds of x = exp(−a·x), tracked. Three operations each. How many nodes has the graph, about?",
        number(180, rtol=0.05),
        slips={60: "Each round has three operations: · , − and exp.", 3: "Every round adds its own nodes."},
        why="Every round is recorded, and every one saves what its backward needs.",
    ),
    "09-last-round": Question(
        "Only the last round of the loop is tracked. Is its gradient right? True or False",
        true_false(False),
        slips={True: "It sees a in this one round. The x that came in depends on a as well."},
        why="That is the direct path. The other one leads through x.",
    ),
    "09-fill-implicit": Question(
        "x = f(a, x), with slopes 0.6 by a and 0.5 by x. What is dx/da?",
        number(1.2, rtol=1e-6),
        slips={0.6: "That is the direct path. x on the right moves as well.", 0.9: "That is one round through x. There are more.",
               1.1: "Multiply the rounds: the path through x is 0.5 times dx/da.", 0.4: "1 minus the slope by x stands below.",
               0.3: "Add the paths."},
        why="dx/da = 0.6 + 0.5·dx/da.",
    ),
    "09-exit-arrives": Question(
        "backward of sin at x = 0, and g = −4 arrives. What does it return?",
        number(-4, rtol=1e-6),
        slips={1: "That is the local derivative. What arrives is missing.", -3: "They are multiplied.",
               0: "That is sin 0; the slope is cos 0.", 4: "The sign of g passes."},
        why="−4 · cos 0.",
    ),
    "09-exit-none": Question(
        "forward(ctx, x, limit), where limit is a plain number. How many things does backward return?",
        number(2, rtol=1e-6),
        slips={1: "One for each input of forward, ctx apart.", 3: "ctx gets none."},
        why="A gradient for x, and None for limit.",
    ),
    "09-exit-check": Question(
        "gradgradcheck says True. Is the first derivative right, then? True or False",
        true_false(False),
        slips={True: "It says that backward is differentiated rightly, not that backward is right."},
        why="gradcheck first.",
    ),
}

RECALL = ("09-recall-third", "09-recall-data", "09-recall-first", "09-recall-vjp", "09-recall-softmax")
EXIT_TICKET = ("09-exit-arrives", "09-exit-none", "09-exit-check")
