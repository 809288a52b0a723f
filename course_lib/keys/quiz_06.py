"""Lesson 06, sensitivity: predictions, recall and exit ticket."""

from course_lib.questions import Question, choice, number, shape, true_false, works_or_raises

QUESTIONS = {
    "06-recall-shape": Question(
        "f takes 4 numbers and returns 2. What is the shape of its Jacobian?",
        shape((2, 4)),
        slips={(4, 2): "Outputs are rows."},
        why="(outputs, inputs).",
    ),
    "06-recall-hessian": Question(
        "f(x) = x₀²·x₁ at (3, 5). What is the entry [0, 1] of its Hessian?",
        number(6.0, rtol=1e-6),
        slips={9: "That is ∂f/∂x₁. Differentiate it once more, by x₀.", 10: "That is the entry [0, 0].",
               30: "That is ∂f/∂x₀. Differentiate it once more, by x₁."},
        why="∂f/∂x₁ = x₀², and its slope by x₀ is 2·x₀.",
    ),
    "06-recall-rows": Question(
        "X has shape (5, 3), Y = f(X) treats each row by itself and has shape (5,). Y.sum().backward(): does X.grad hold each "
        "row's own gradient? True or False",
        true_false(True),
        slips={False: "Each output depends on its own row only, so in the sum nothing mixes."},
        why="The sum trick tells the truth where rows do not touch.",
    ),
    "06-recall-chain": Question(
        "y = exp(3·x) at x = 0. What is dy/dx?",
        number(3.0, rtol=1e-6),
        slips={1: "The inner slope 3 is missing."},
        why="exp(0)·3.",
    ),
    "06-recall-partial": Question(
        "f(a, b) = a·b² at (2, 3). What is ∂f/∂b?",
        number(12.0, rtol=1e-6),
        slips={9: "That is ∂f/∂a.", 6: "The factor a belongs to it: 2·a·b."},
        why="2·a·b.",
    ),
    "06-relu-count": Question(
        "relu at 1000 points, evenly spaced from −10 to 10; 0 is not among them. At how many of them is the slope exactly 1?",
        number(500, rtol=1e-6),
        slips={1000: "Below 0 relu is flat: slope 0.", 0: "Above 0 relu is the line y = x: slope 1."},
        why="Half of them lie above 0. The slope is 1 or 0, nothing between.",
    ),
    "06-relu-zero": Question(
        "x = 0. torch.relu(x) is walked back. What is x.grad?",
        number(0.0),
        slips={1: "clamp(min=0) says that. torch.relu says 0.", 0.5: "torch.maximum(x, 0) says that. torch.relu says 0."},
        why="There is no slope at a kink; torch.relu takes the one from the left.",
    ),
    "06-maximum": Question(
        "The same place, written as torch.maximum(x, torch.zeros(())). What is x.grad?",
        number(0.5),
        slips={0: "torch.relu says that. maximum shares between its two equal arguments.", 1: "clamp says that."},
        why="Both arguments are equal, and each gets half.",
    ),
    "06-dead": Question(
        "A unit relu(w·x − 5) with w = 1 and inputs between 0 and 1. After 100 steps of gradient descent, what is w?",
        number(1.0, rtol=1e-6),
        slips={5: "It would have to grow, and nothing tells it to: its slope is 0 for every input."},
        why="w·x − 5 is below 0 for every input, so the gradient is exactly 0. The unit is dead.",
    ),
    "06-linear": Question(
        "y = 0.5·x₀ − x₁ + 2. What is ∂y/∂x₁ at (2, 3)?",
        number(-1.0, rtol=1e-6),
        slips={3: "That is ∂y/∂w₁, the gradient of the weight.", 0.5: "That is ∂y/∂x₀.", -3: "That is the term −x₁ itself."},
        why="The weight of x₁, at every point.",
    ),
    "06-weight": Question(
        "The same y = w₀·x₀ + w₁·x₁ + b at x = (2, 3). What is ∂y/∂w₁?",
        number(3.0, rtol=1e-6),
        slips={-1: "That is ∂y/∂x₁. Now the weight moves and x is held."},
        why="What multiplies w₁: the input x₁.",
    ),
    "06-logistic": Question(
        "Now y = σ(0.5·x₀ − x₁ + 2) at (2, 3), where the bracket is 0. What is ∂y/∂x₀?",
        number(0.125, rtol=1e-3),
        slips={0.5: "The slope of σ is missing, as a factor.", 0.25: "That is σ′(0). It multiplies the weight.",
               1: "Multiply: σ′(0) = 0.25, and 0.5."},
        why="σ′(0)·w₀ = 0.25·0.5.",
    ),
    "06-bce": Question(
        "binary_cross_entropy_with_logits takes z. Someone hands over σ(z) in place of z = 2; the target is 1. Does the loss "
        "come out larger or smaller?",
        choice("larger", "smaller"),
        slips={"smaller": "σ(2) = 0.88 is taken for a logit: a model that is far less sure than z = 2."},
        why="No logit above 1 can arrive any more, so the loss can never get near 0.",
    ),
    "06-shift": Question(
        "All three logits rise by 10. Does p₀ rise, fall or stay the same?",
        choice("stay the same", "rise", "fall"),
        slips={"rise": "So do the others: all of them are multiplied by e¹⁰, and dividing by the sum takes it away.",
               "fall": "All of them are multiplied by e¹⁰, and dividing by the sum takes it away."},
        why="softmax sees differences of logits only.",
    ),
    "06-others": Question(
        "z₀ rises a little, z₁ and z₂ stay. Is ∂p₁/∂z₀ positive, negative or zero?",
        choice("negative", "positive", "zero"),
        slips={"zero": "z₁ did not move, but p₁ shares a sum with p₀.", "positive": "p₀ rises, and together they are always 1."},
        why="What p₀ gains, the others lose.",
    ),
    "06-fill-offdiag": Question(
        "p = (0.5, 0.3, 0.2). What is ∂p₀/∂z₁?",
        number(-0.15, rtol=1e-3),
        slips={0.15: "Its size is right. Whose gain is whose loss?", 0.25: "That is ∂p₀/∂z₀ = p₀·(1 − p₀).",
               0: "p₀ does depend on z₁: through the sum.", -0.3: "Two factors: p₀ and p₁."},
        why="−p₀·p₁.",
    ),
    "06-temperature": Question(
        "The temperature goes from 1 to 2. Is every entry of the Jacobian halved? True or False",
        true_false(False),
        slips={True: "There is a factor 1/T, but p itself changes, too."},
        why="(diag(p) − p pᵀ)/T, and p depends on T.",
    ),
    "06-argmax": Question(
        "z is tracked. z.argmax().backward() – works or raises?",
        works_or_raises("raises"),
        slips={"works": "argmax is a whole number, the place of the winner. It jumps, and has no history."},
        why="A place in a list has no slope. Accuracy, which counts such places, cannot be a loss.",
    ),
    "06-round": Question(
        "x = 0.7, y = torch.round(3 * x), y.backward(). What is x.grad?",
        number(0.0),
        slips={3: "round is in between: it is flat, with jumps."},
        why="Between its jumps round is flat. Tracked, and useless: 0 everywhere.",
    ),
    "06-ties": Question(
        "z = (3, 3, 1), z.max().backward(). What is z.grad[0]?",
        number(0.5),
        slips={1: "z.max(dim=0) says that; z.max() shares between equals.", 0: "Each of the two winners gets something."},
        why="Two winners, each gets half.",
    ),
    "06-weight-shape": Question(
        "nn.Linear(3, 4) takes 3 numbers and returns 4. What is the shape of its weight?",
        shape((4, 3)),
        slips={(3, 4): "It is stored as outputs × inputs, like a Jacobian."},
        why="(out, in): it is the Jacobian of the layer.",
    ),
    "06-weight-grad": Question(
        "layer = nn.Linear(3, 4). 5 arrives at output y₁, 0 at the others, and x = (1, 2, 3). What is layer.weight.grad[1, 2]?",
        number(15.0, rtol=1e-6),
        slips={10: "[1, 2] is row y₁, column x₂, and x₂ is 3. You took the transpose.",
               3: "That is ∂y₁/∂w. What arrives from behind is a factor: 5.", 0: "That is so for the rows of y₀, y₂ and y₃.",
               5: "That is what arrives. The local derivative is x₂."},
        why="What arrives at output 1, times input 2: 5·3.",
    ),
    "06-wrong-side": Question(
        "W has a column for each class and happens to be square. Someone writes W @ x for x @ W. Works or raises?",
        works_or_raises("works"),
        slips={"raises": "The shapes fit, because W is square. The numbers are wrong."},
        why="A square matrix hides a transpose.",
    ),
    "06-dim": Question(
        "A batch of logits, shape (2, 3), goes through softmax(dim=0). Does each row add to 1? True or False",
        true_false(False),
        slips={True: "dim=0 runs down the columns: they add to 1."},
        why="Each row is one example, so it has to be dim=1, or dim=−1.",
    ),
    "06-ce": Question(
        "p = (0.514, 0.255, 0.231), and the right class is 0. loss = −log p₀. What is ∂loss/∂z₀?",
        number(-0.4861027, rtol=0.01),
        slips={0.486: "Raising the right logit lowers the loss.", 0.514: "1 is taken away at the right class.",
               -1.946: "That is ∂loss/∂p₀. One more step, back to z₀."},
        why="p₀ − 1.",
    ),
    "06-fill-mean": Question(
        "The loss is the mean over 4 rows. What is p − one-hot of a row multiplied with?",
        number(0.25, rtol=1e-6),
        slips={1: "That is for the sum of the rows' losses.", 4: "Divided, not multiplied."},
        why="1/N.",
    ),
    "06-double": Question(
        "10 classes; a model that is certain and right. softmax is applied before cross_entropy. What loss comes out, about?",
        number(1.46115, rtol=0.1),
        slips={0: "cross_entropy takes the probabilities (1, 0, …) for logits, and a lead of 1 is not much.",
               2.303: "That is ln 10, for a model that knows nothing."},
        why="log(1 + 9/e): no model can get below that.",
    ),
    "06-log": Question(
        "z = (1000, 0, 0). What is −log(softmax(z))[1] in the machine: 1000, 0 or inf?",
        choice("inf", "1000", "0"),
        slips={"1000": "On paper. In the machine softmax rounds to 0 before the logarithm sees it.",
               "0": "−log of something tiny is large."},
        why="log(0). log_softmax never leaves the logarithm and gives 1000.",
    ),
    "06-step": Question(
        "The sizes of the slopes ∂p₀/∂xᵢ add to 0.2286. Every input moves by 0.1, each in its uphill direction. By how much does "
        "p₀ rise, about?",
        number(0.022857, rtol=0.03),
        slips={0.2286: "Times the step, 0.1."},
        why="Slope times step, added over the inputs.",
    ),
    "06-attack": Question(
        "Every pixel of the test digits moves by 0.1, in the direction of the sign of the loss's gradient. Before, the "
        "network was right nearly always. And now: more than half, or fewer than half?",
        choice("fewer than half", "more than half"),
        slips={"more than half": "For random signs, yes. These 64 small moves all push the same way."},
        why="Small moves that all agree add up.",
    ),
    "06-surer": Question(
        "A model gets surer and surer of a class. Which gradient dies away: that of the class's probability or of its logit?",
        choice("probability", "logit"),
        slips={"logit": "A logit has no ceiling. A probability cannot rise above 1."},
        why="∂p/∂x has a factor that goes to 0 with 1 − p.",
    ),
    "06-saturated": Question(
        "float32, x = 20, torch.sigmoid(x) is walked back. What is x.grad?",
        number(0.0, rtol=0),
        slips={0.25: "That is at x = 0.", **{nearly: "On paper. float32 has rounded σ(20) to exactly 1." for nearly in (
            2e-9, 2.06e-9, 2.061e-9, 2.1e-9, 1e-9)}},
        why="σ(20) is exactly 1 in float32, so σ·(1 − σ) is exactly 0.",
    ),
    "06-ten": Question(
        "Ten sigmoids in a row. Each slope is at most 1/4. The slope of all together is at most 10 to the power of …? "
        "(a whole number)",
        number(-6, rtol=1e-6),
        slips={-10: "That would be slopes of 1/10.", 6: "It gets smaller, not larger."},
        why="0.25¹⁰ is about 10⁻⁶.",
    ),
    "06-fill-depth": Question(
        "Four layers of one unit, each with the weight 2 and a σ of slope 0.2. What is the slope of the whole chain?",
        number(0.0256, rtol=1e-3),
        slips={0.0016: "That is 0.2⁴. The weight of each layer is a factor, too.", 16: "That is 2⁴. σ has a slope as well.",
               1.6: "Along one way slopes are multiplied, not added.", 0.4: "That is one layer. There are four.",
               0.064: "That is three layers.", 0.01024: "That is five layers."},
        why="(2·0.2)⁴: every layer takes its weight times its slope.",
    ),
    "06-first-layer": Question(
        "Ten linear layers of 16 units as PyTorch makes them, a σ after each. The first layer's gradient is smaller than the "
        "last one's. Which factor comes closest: ten, a thousand or a million?",
        choice("a million", "a thousand", "ten"),
        slips={"ten": "Each of nine layers multiplies with at most ¼.",
               "a thousand": "That is what five layers of ¼ make. Here are nine, and the weights are small, too."},
        why="Nine layers, and each leaves less than a quarter: its slopes are at most ¼, and its weights are small.",
    ),
    "06-exit-1": Question(
        "5 arrives at relu(x), at x = −3. What is passed on?",
        number(0.0),
        slips={5: "The gate is shut below 0.", -15: "relu's slope is 0 or 1, not x."},
        why="The gate is shut.",
    ),
    "06-exit-2": Question(
        "p = (0.7, 0.3). What is ∂p₀/∂z₁?",
        number(-0.21, rtol=1e-3),
        slips={0.21: "When z₁ rises, p₀ falls.", 0: "p₀ depends on z₁ through the sum."},
        why="−p₀·p₁.",
    ),
    "06-exit-3": Question(
        "What does cross_entropy want: logits or probabilities?",
        choice("logits", "probabilities"),
        slips={"probabilities": "It has a log-softmax inside."},
        why="softmax is inside.",
    ),
}

RECALL = ("06-recall-shape", "06-recall-hessian", "06-recall-rows", "06-recall-chain", "06-recall-partial")
EXIT_TICKET = ("06-exit-1", "06-exit-2", "06-exit-3")
