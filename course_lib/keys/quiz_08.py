"""Lesson 08, gradient debugging: predictions, recall and exit ticket."""

from course_lib.questions import Question, choice, number, raises_or_shape, true_false, works_or_raises

QUESTIONS = {
    "08-recall-zero": Question(
        "After optimiser.zero_grad(), what is the .grad of a parameter: None or zeros?",
        choice("None", "zeros"),
        slips={"zeros": "It was so once. Today the default is to forget the tensor."},
        why="None, unless you ask for set_to_none=False.",
    ),
    "08-recall-rate": Question(
        "loss = 4·w²/2. At which learning rate does gradient descent begin to fail? Type a number",
        number(0.5, rtol=1e-6),
        slips={0.25: "There it lands on 0 in one step.", 2: "2 divided by the curvature.", 1: "2 divided by the curvature."},
        why="2/λ with the curvature λ = 4.",
    ),
    "08-recall-chunks": Question(
        "10 examples come in chunks of 8 and 2. By what do you multiply the mean loss of the chunk of 2?",
        number(0.2, rtol=1e-6),
        slips={0.5: "That would give the two examples as much weight as the eight.", 2: "2 of 10 examples."},
        why="2/10: each chunk counts by its examples.",
    ),
    "08-recall-logit": Question(
        "Softmax and cross-entropy, one example, probability 0.3 for the right class. What is the slope of the loss by the "
        "logit of that class?",
        number(-0.7, rtol=1e-6),
        slips={0.7: "Raising the right logit lowers the loss.", 0.3: "The right class has 1 subtracted: p − 1.",
               -0.3: "p − 1."},
        why="p − 1 = −0.7.",
    ),
    "08-recall-twice": Question(
        "y = x² at 3. y is computed and walked back, then once more, without clearing. What is x.grad?",
        number(12.0, rtol=1e-6),
        slips={6: "The second walk is added to the first.", 36: "Gradients are added, not multiplied."},
        why="6 + 6.",
    ),
    "08-parameters": Question(
        "Net has three linear layers, two of them in a plain Python list. How many parameters (weights and biases) does "
        "model.parameters() list?",
        number(2, rtol=1e-6),
        slips={6: "That is what was meant. nn.Module finds attributes that are layers, and does not look into lists.",
               3: "A layer has two: a weight and a bias."},
        why="Only the last layer is an attribute: one weight, one bias.",
    ),
    "08-nograd": Question(
        "with torch.no_grad(): z = x**2 + y**3. Then z.backward(). Works or raises?",
        works_or_raises("raises"),
        slips={"works": "Under no_grad nothing was recorded, so there is nothing to walk back."},
        why="z has no grad_fn. The message says so: “does not require grad and does not have a grad_fn”.",
    ),
    "08-inplace": Question(
        "y = torch.exp(x); y.add_(1); y.sum().backward(). Which message: modified, leaf or view?",
        choice("modified", "leaf", "view"),
        slips={"leaf": "x itself was not touched, only the result y.", "view": "y is no part of x, it is a new tensor."},
        why="exp had saved its result for the way back, and that result was overwritten: “modified by an inplace operation”.",
    ),
    "08-doubled": Question(
        "y = 2 * x at x = 2; y.mul_(2); y.backward(). What is x.grad? Type a number, or raises",
        choice("4", "2", "raises"),
        slips={"raises": "Multiplying by 2 saves nothing about y, so nobody misses the old value.",
               "2": "The doubling counts: it was recorded."},
        why="In place is forbidden only for leaves, and for values that somebody has saved. Here it is 2·2.",
    ),
    "08-linear": Question(
        "y = x + 3. y.backward() twice, no retain_graph. Works or raises?",
        works_or_raises("works"),
        slips={"raises": "What is freed are saved values, and x + 3 saves none."},
        why="The second walk raises only if the first one freed something that it needs.",
    ),
    "08-chain": Question(
        "y = 2 * x, z = y * y, at x = 2. What is dz/dx? (A tutorial prints 8.)",
        number(16.0, rtol=1e-6),
        slips={8: "That is dz/dy = 2y. The factor 2 from y = 2x is missing."},
        why="2y·2 = 8·2 = 16.",
    ),
    "08-alias": Question(
        "x² at 2: backward, then first = x.grad, then compute and walk back again. What is in first?",
        number(8.0, rtol=1e-6),
        slips={4: "first is no copy: it is the very tensor that the second walk adds to."},
        why="Two names, one tensor. first = x.grad.clone() would have kept the 4.",
    ),
    "08-data": Question(
        "y = 2 * x, z = y * y at x = 2, then y.data.mul_(2), then z.backward(). What is x.grad?",
        number(32.0, rtol=1e-6),
        slips={16: "That would be right, and backward does not know it: it meets the doubled y."},
        why="2y·2 with y = 8 instead of 4. No error, no warning.",
    ),
    "08-where": Question(
        "y = torch.where(x > 0, torch.log(x), 0·x) at x = 0. What is x.grad: 0, 1 or NaN?",
        choice("NaN", "0", "1"),
        slips={"0": "The branch that was not taken is walked back too, with 0. And 0 times infinity is?",
               "1": "The log is not chosen at 0, but it is walked back through."},
        why="log sends back 0·(1/0) = 0·∞ = NaN.",
    ),
    "08-clash": Question(
        "pred has shape (5, 1), target has shape (5,). What is the shape of pred - target?",
        raises_or_shape((5, 5)),
        slips={(5, 1): "target is read as (1, 5) and stretched downwards.", "raises": "Both can be stretched.",
               (5,): "target is read as (1, 5), and both are stretched."},
        why="Every prediction minus every target. No warning here.",
    ),
    "08-falls": Question(
        "A loss falls from step to step, down to nearly 0. Is the gradient right, then? True or False",
        true_false(False),
        slips={True: "Half of the gradient, or three times as much, goes downhill as well."},
        why="Going downhill needs the right signs, roughly. It says nothing about size.",
    ),
    "08-kink": Question(
        "torch.autograd.gradcheck(torch.relu, x) in float64, with x = 0 among the entries. Works or raises?",
        works_or_raises("raises"),
        slips={"works": "At 0 a central difference of relu is 0.5, and autograd says 0."},
        why="A kink has no slope, so a difference proves nothing there. Move the point.",
    ),
    "08-equal": Question(
        "x = torch.tensor(0.1, requires_grad=True), (x**3).backward(). Is x.grad == 0.03? True or False",
        true_false(False),
        slips={True: "Both are rounded, and not to the same number."},
        why="They differ in the eighth digit. Compare with a tolerance.",
    ),
    "08-fill-want": Question(
        "y = x³ at x = 0.5, and g = 2 arrives. What must go back?",
        number(1.5, rtol=1e-6),
        slips={0.75: "g is missing.", 0.25: "That is g·x³. The slope of x³ is 3x².", 0.5: "That is g·x²: the 3 is missing."},
        why="2·3·0.25.",
    ),
    "08-fill-ratio": Question(
        "The backward under test returns 0.5 there. What is its ratio to the truth?",
        number(1 / 3, rtol=1e-2),
        slips={3: "Upside down: what came, divided by what is right."},
        why="0.5/1.5: a third, at every x. The 3 of 3x² is missing.",
    ),
    "08-allclose": Question(
        "A right float32 gradient of 2000 entries that crosses 0, rounded here and there. Does torch.allclose find it right "
        "for most seeds? True or False",
        true_false(False),
        slips={True: "Its 1e-8 is made for float64. Next to 0 the other part of its tolerance is of no help."},
        why="Where the gradient is near 0 only 1e-8 is allowed, and float32 rounds by more.",
    ),
    "08-leak": Question(
        "A helper calls torch.set_default_dtype(torch.float64) and returns. Then a layer that was made before gets "
        "torch.rand(4, 3). Works or raises?",
        works_or_raises("raises"),
        slips={"works": "torch.rand makes float64 from now on, and the layer's weights are float32."},
        why="The default holds for everything that is made later, anywhere. What was made before stays float32.",
    ),
    "08-label": Question(
        "f = u·v + u² at u = 1, v = 2. A tutorial prints “∂f/∂u 1.0”. What is ∂f/∂u?",
        number(4.0, rtol=1e-6),
        slips={1: "That is what it prints, and it is ∂f/∂v = u. By u it is v + 2u.", 2: "u² counts as well: v + 2u.",
               3: "v + 2u, not v + u."},
        why="v + 2u = 4. The tutorial prints v.grad under the name of u.",
    ),
    "08-case-leaf": Question(
        "w = torch.tensor(values, requires_grad=True).double(), and w.grad is None after backward. Does any tensor hold the "
        "gradient? True or False",
        true_false(True),
        slips={False: "Autograd walked back all the way. Who is the leaf?"},
        why="The float32 tensor inside the brackets is the leaf. It has the gradient, and nobody has its name.",
    ),
    "08-case-cut": Question(
        "size = x.sum().item(), and the result is size * (x * x).sum(). Backward from there – works or raises?",
        works_or_raises("works"),
        slips={"raises": "The other factor is connected still. Only one way is cut."},
        why="One way is left, so nothing complains. Its part of the gradient arrives, the other does not.",
    ),
    "08-case-dim": Question(
        "A loss has its softmax over the wrong dim. torch.autograd.gradcheck of this loss – works or raises?",
        works_or_raises("works"),
        slips={"raises": "gradcheck asks whether the gradient fits the function. It does; another function was meant."},
        why="The gradient is right, of the wrong loss. Only question 1 finds that.",
    ),
    "08-case-nan": Question(
        "One of the data is 0, torch.where masks its logarithm, and the loss is finite. After one step of gradient descent, is w "
        "NaN or finite?",
        choice("NaN", "finite"),
        slips={"finite": "The masked branch is walked back all the same, 0 times infinity."},
        why="The loss is finite, the gradient is not, and the step writes it into the weight.",
    ),
    "08-case-norm": Question(
        "sqrt(Σ x²) has the gradient NaN at x = (0, 0). And torch.linalg.norm(x), the same function: 0, 1 or NaN?",
        choice("0", "1", "NaN"),
        slips={"NaN": "The norm has a backward of its own, with an agreement for this place.",
               "1": "That is its size everywhere else."},
        why="At its kink the norm agrees on 0, as relu does; sqrt has the slope ∞ there.",
    ),
    "08-case-data": Question(
        "loss = Σ w³, then w.data is halved, then backward. The gradient divided by the right 3w² of before: what is it?",
        number(0.25, rtol=1e-3),
        slips={0.5: "w stands in the gradient squared.", 1: "What backward had saved is the same memory as w.",
               0.125: "The loss has w³, its gradient w²."},
        why="The saved w is the halved one, and (½)² = ¼.",
    ),
    "08-case-grow": Question(
        "h is carried on from step to step. Behind it are 4 operations after the first step, 7 after the second. How many after "
        "the fourth?",
        number(13, rtol=1e-6),
        slips={4: "So it would be if the state were detached in every step.", 16: "Three more with every step.",
               10: "That is after the third.", 28: "It grows by 3, not by a factor."},
        why="Three more in every step, for ever.",
    ),
    "08-case-mix": Question(
        "Row 0 of the gradient that comes from the sum: is it the gradient of y[0] by row 0? True or False",
        true_false(False),
        slips={True: "The mean and the spread of the batch are in every row's output."},
        why="What row 0 does to the other rows is in it as well.",
    ),
    "08-case-factor": Question(
        "backward returns g·2x/(1 + x²), right is g·2x/(1 + x²)². At x = 2, what is the returned one divided by the right one?",
        number(5.0, rtol=1e-6),
        slips={0.2: "The other way round: the returned one is too large.", 25: "One factor 1 + x² is missing, not two.",
               4: "1 + x², not x²."},
        why="1 + x² = 5: another factor at every point, and always positive.",
    ),
    "08-case-first": Question(
        "Three faults in one loop, and one of them raises. In which step does it: 0 or 1?",
        number(1, rtol=1e-6),
        slips={0: "In step 0 the parameters are leaves still."},
        why="After step 0 the parameters are results, and their .grad is None in step 1.",
    ),
    "08-exit-first": Question(
        "Something is wrong with a gradient. Which do you look at first: shape or difference?",
        choice("shape", "difference"),
        slips={"difference": "A difference costs a run for each number, and a wrong shape is seen by printing it."},
        why="Cheap questions first; each later one supposes that the earlier ones are settled.",
    ),
    "08-exit-none": Question(
        "backward() raised nothing, and w.grad is None. Is w a leaf or a result?",
        choice("result", "leaf"),
        slips={"leaf": "The gradient of a tracked leaf that the loss depends on is kept."},
        why="Nearly always a result: somebody converted or scaled the leaf. print(w.is_leaf).",
    ),
    "08-exit-test": Question(
        "Your test passes on the mended code. You have never seen it fail. Do you know that it tests something? True or False",
        true_false(False),
        slips={True: "So does a test without any assertion."},
        why="Run it on the broken code as well: it has to fail there.",
    ),
}
RECALL = ("08-recall-zero", "08-recall-rate", "08-recall-chunks", "08-recall-logit", "08-recall-twice")
EXIT_TICKET = ("08-exit-first", "08-exit-none", "08-exit-test")
