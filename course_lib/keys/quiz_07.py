"""Lesson 07, training loops: predictions, recall and exit ticket."""

from course_lib.questions import Question, choice, number, true_false, works_or_raises

QUESTIONS = {
    "07-recall-logit": Question(
        "p = softmax(z) = (0.6, 0.3, 0.1), the right class is 1. What is the slope of cross_entropy by z₁?",
        number(-0.7, rtol=1e-3),
        slips={0.3: "That is p₁. For the right class, 1 comes off.", 0.7: "Raising the right logit lowers the loss."},
        why="p − onehot.",
    ),
    "07-recall-chance": Question(
        "Four classes, all logits 0. What is cross_entropy?",
        number(1.386294, rtol=0.01),
        slips={0.25: "That is the probability. The loss is −ln of it.", -1.386: "A loss is −ln p, and that is positive.",
               2: "That is the logarithm to the base 2. cross_entropy takes the natural one.",
               0: "That is for a model that is certain and right. This one gives ¼ to each class."},
        why="ln 4.",
    ),
    "07-recall-dead": Question(
        "The input of relu is below 0 for every row of the data. What is the gradient of this unit's weights?",
        number(0.0),
        why="All gates are shut.",
    ),
    "07-recall-mean": Question(
        "loss = (x**2).mean() over five numbers, x[0] = 3. What is x.grad[0]?",
        number(1.2, rtol=1e-6),
        slips={6: "The mean divides by 5, and so its gradient does.", 0.6: "The square brings a factor 2.",
               1.8: "That is 3²/5, this number's part of the value."},
        why="2·3/5.",
    ),
    "07-recall-pile": Question(
        "y = x**2 at x = 3, computed anew and walked back three times, nothing cleared. What is x.grad?",
        number(18.0, rtol=1e-6),
        slips={6: "backward adds to what is there.", 12: "That is after two walks.", 216: "It is added up, not multiplied."},
        why="6 + 6 + 6.",
    ),
    "07-by-b": Question(
        "The points lie on y = 2x − 1, and the x are spread evenly around 0. loss = mean of (w·x + b − y)². "
        "What is ∂loss/∂b at w = 0, b = 0?",
        number(2.0, rtol=1e-3),
        slips={-2: "The line lies above most points by 1: raising it makes the loss larger.", 1: "The square brings a factor 2.",
               0: "b = 0 is not the best one: the points lie lower, by 1 on average."},
        why="2·mean(0 − y) = −2·mean(y) = 2.",
    ),
    "07-moves": Question(
        "Training changes the parameters. Which gradient does it need: that by x or that by w?",
        choice("w", "x"),
        slips={"x": "The data stay as they are. ∂loss/∂x is for questions about the input (lesson 06)."},
        why="∂loss/∂w.",
    ),
    "07-forget": Question(
        "Now from w = 0, with forward, backward, step, and clearing is forgotten. What happens to w: explodes, swings or "
        "stands still?",
        choice("swings", "explodes", "stands still"),
        slips={"explodes": "That is what everybody expects. The summed gradient changes its sign behind the valley, too.",
               "stands still": "Gradients arrive and steps are made."},
        why="Adding up gradients is momentum 1: it swings through the valley for ever.",
    ),
    "07-four": Question(
        "The bowl, a few steps each: the correct loop, one without zero_grad, one cleared before the step, one with + lr for "
        "− lr. Which of them ends higher than it began?",
        choice("+ lr", "no zero_grad", "cleared before step", "correct"),
        slips={"no zero_grad": "It swings, through the valley and back.",
               "cleared before step": "It never moves, so it ends where it began.",
               "correct": "At this learning rate every step goes down."},
        why="Only the sign mistake climbs; the others run quietly.",
    ),
    "07-fill-velocity": Question(
        "Momentum 0.9, gradients 2 and then 1. What is the velocity after the second step?",
        number(2.8, rtol=1e-6),
        slips={3: "The old velocity is damped: 0.9·2.", 1.9: "The old velocity is 2, not 1: 0.9·2 + 1.",
               0.28: "The gradient is added in full, not with 1 − 0.9."},
        why="0.9·2 + 1.",
    ),
    "07-between": Question(
        "(w − 3)², learning rate 0.1, from w = 1, but zero_grad() stands between backward() and step(). What is w after three "
        "rounds?",
        number(1.0, rtol=1e-6),
        slips={1.976: "That is the loop with its calls in order. Here the gradient is gone before the step reads it.",
               1.4: "That is one step of the loop with its calls in order.",
               3: "That is where it should go. Does it move at all?"},
        why="The step finds no gradient.",
    ),
    "07-lag": Question(
        "The same, but each round is: step, zero_grad, forward, backward. What is w after the first round?",
        number(1.0, rtol=1e-6),
        slips={1.4: "At the first step no gradient was there yet."},
        why="Every step uses the gradient of the round before; the first one has none.",
    ),
    "07-in-place": Question(
        "w is a tracked leaf with a .grad. `w -= 0.1 * w.grad`, without no_grad. Works or raises?",
        works_or_raises("raises"),
        slips={"works": "The update itself would become part of the graph."},
        why="A tracked leaf may be changed in place only under no_grad.",
    ),
    "07-rebind": Question(
        "Under no_grad: `w = w - 0.1 * w.grad`. Then the next round: forward, backward. Works or raises?",
        works_or_raises("raises"),
        slips={"works": "The new w was made under no_grad: it is tracked no more."},
        why="The name w now belongs to a new tensor without a graph.",
    ),
    "07-none": Question(
        "optimiser.zero_grad(), with its default settings. What is w.grad now: None or zeros?",
        choice("None", "zeros"),
        slips={"zeros": "It was so before PyTorch 2.0. Zeros can still be had: set_to_none=False."},
        why="None.",
    ),
    "07-zeros-move": Question(
        "SGD with momentum has made a step. Now .grad is a tensor of zeros, and step() runs again. Does w move? True or False",
        true_false(True),
        slips={False: "The velocity is still there. With .grad None the parameter would be skipped."},
        why="momentum · velocity + 0.",
    ),
    "07-total": Question(
        "total = 0; in each of 100 rounds total += loss. Does total hold a graph? True or False",
        true_false(True),
        slips={False: "Adding a tracked tensor is a recorded computation."},
        why="It keeps all 100 graphs alive. total += loss.item() keeps a number.",
    ),
    "07-shrink": Question(
        "Each step multiplies the error of b by 0.98. What is left of it after 10 steps, as a fraction?",
        number(0.817073, rtol=0.01),
        slips={0.8: "It shrinks by 2 percent of what is left each time, not of the beginning.",
               0.182927: "That is what is gone.", 0.98: "That is after one step."},
        why="0.98¹⁰.",
    ),
    "07-limit": Question(
        "loss = λu²/2 with λ = 4. Up to which learning rate does gradient descent converge?",
        number(0.5, rtol=1e-3),
        slips={0.25: "There it arrives in one step. It converges up to twice that.", 2: "Divide by the curvature.",
               8: "A steeper bowl needs a smaller rate: divide.", 1: "2 divided by the curvature, and that is 4."},
        why="2/λ: beyond it |1 − lr·λ| is above 1.",
    ),
    "07-sum-limit": Question(
        "With the mean over 100 points the limit is 0.1176. What is it with the sum over the same points?",
        number(0.001176, rtol=0.01),
        slips={0.1176: "The sum's gradient is 100 times as large.", 11.76: "A larger gradient needs a smaller rate."},
        why="All curvatures are 100 times as large.",
    ),
    "07-halves": Question(
        "10 rows as 5 + 5. Both means walk back into the same .grad, nothing is divided. By which factor is it too large?",
        number(2.0, rtol=1e-3),
        slips={1: "Each mean counts as if it were the mean of all.", 10: "Each is a mean over its rows already.",
               0.5: "That is what to multiply with. The question is how much too large it is."},
        why="Two means, each of which should count half.",
    ),
    "07-unequal": Question(
        "Now 8 + 2, each mean divided by 2. Is the gradient off by a constant factor? True or False",
        true_false(False),
        slips={True: "The two rows count as much as the eight: that mixes two vectors in other shares, and turns the result."},
        why="It is another direction.",
    ),
    "07-remainder": Question(
        "5 batches, a step after every second one. How many batches never reach a parameter?",
        number(1, rtol=1e-6),
        slips={0: "After batch 4 comes one more gradient, and no step.", 2: "Batches 1 to 4 have had their two steps.",
               3: "Two batches belong to one step: 1 and 2, 3 and 4."},
        why="The last one, unless you flush it.",
    ),
    "07-adam": Question(
        "Adam's very first step, learning rate 0.01. The gradient of w is −34. By how much does w change?",
        number(0.01, rtol=0.01),
        slips={0.34: "That is SGD. Adam divides the gradient by its own size.", -0.01: "Against the gradient: upward."},
        why="lr · g/|g|: at first only the sign counts.",
    ),
    "07-decay": Question(
        "w = 2, its gradient is 0. SGD with lr = 0.1 and weight_decay = 0.5 makes one step. What is w?",
        number(1.9, rtol=1e-6),
        slips={1.8: "weight_decay λ adds λ·w, the gradient of ½λw², not that of λw².", 2: "The decay pulls even so."},
        why="2 − 0.1·0.5·2.",
    ),
    "07-clip-value": Question(
        "The gradient (30, 4) is clipped by value at 5. Does it keep its direction? True or False",
        true_false(False),
        slips={True: "It becomes (5, 4)."},
        why="(5, 4) points elsewhere. By norm it would be (4.96, 0.66).",
    ),
    "07-clip-late": Question(
        "Clipping stands after step(). Does it change this step? True or False",
        true_false(False),
        slips={True: "The step has been made."},
        why="Clip between backward and step.",
    ),
    "07-ln2": Question(
        "Logistic regression, all weights 0. What is the loss at the start?",
        number(0.693147, rtol=0.02),
        slips={0.5: "Every probability is 0.5; the loss is −ln of it.", 0: "0 is for probabilities that are 1 and right.",
               -0.693147: "A loss is −ln p, and that is positive."},
        why="ln 2.",
    ),
    "07-targets": Question(
        "F.cross_entropy(logits of shape (4, 3), targets of shape (4, 1)). Works or raises?",
        works_or_raises("raises"),
        slips={"works": "Class numbers stand in one axis, (4,)."},
        why="“0D or 1D target tensor expected”.",
    ),
    "07-numpy": Question(
        "A NumPy array goes through torch.from_numpy into an nn.Linear. Works or raises?",
        works_or_raises("raises"),
        slips={"works": "NumPy's numbers are float64, the layer's weights float32."},
        why="Convert the data once: .float().",
    ),
    "07-accuracy": Question(
        "accuracy = (logits.argmax(1) == y).float().mean(), then accuracy.backward(). Works or raises?",
        works_or_raises("raises"),
        slips={"works": "argmax gives whole numbers: no slope passes through it."},
        why="No graph leads through argmax. That is why there is a loss.",
    ),
    "07-alike": Question(
        "A layer of 8 hidden units starts with all weights 0.5. After 200 steps, how many different units are there?",
        number(1, rtol=1e-6),
        slips={8: "Equal units get equal gradients."},
        why="Equal weights, equal gradients, for ever.",
    ),
    "07-validation": Question(
        "Validation without no_grad: the model only computes predictions. Does that change a parameter? True or False",
        true_false(False),
        slips={True: "Only a step changes parameters."},
        why="It costs memory for a graph that nobody walks.",
    ),
    "07-running": Question(
        "A model with batch-norm, in train mode, predicts under no_grad. Does that change the model? True or False",
        true_false(True),
        slips={False: "no_grad stops the recording of a graph. The running mean is changed by the forward pass itself."},
        why="Only eval() keeps the running statistics as they are.",
    ),
    "07-falls": Question(
        "The loss falls at every step. Is the gradient right, then? True or False",
        true_false(False),
        slips={True: "Half of the gradient, or its sign alone, goes downhill just as well."},
        why="Anything that points roughly downhill lowers the loss. Only a gradient check tells.",
    ),
    "07-fill-before": Question(
        "Between which two calls must zero_grad never stand: backward and what?",
        choice("step", "loss", "forward"),
        slips={"forward": "Before forward is a fine place.", "loss": "It may stand there: nothing has been walked back yet."},
        why="What backward left is what step needs.",
    ),
    "07-exit-order": Question(
        "forward, loss, zero_grad, backward: what comes next?",
        choice("step", "loss", "forward", "detach"),
        slips={"loss": "The loss is made already, and the gradient waits in .grad.",
               "forward": "A new round begins only when this one's gradient has been used.",
               "detach": "Nothing has to be cut off: optimisers do not record what they do."},
        why="The step, while the gradient is in .grad.",
    ),
    "07-exit-rate": Question(
        "The steepest curvature of a loss is 10. What is the largest learning rate that converges?",
        number(0.2, rtol=1e-3),
        slips={0.1: "2/λ, not 1/λ.", 20: "A steeper loss needs a smaller rate: divide.", 5: "The other way round: 2/λ."},
        why="2/10.",
    ),
    "07-exit-share": Question(
        "10 rows as 7 + 3. With which factor does the mean loss of the 3 count?",
        number(0.3, rtol=0.01),
        slips={0.5: "Shares go by rows.", 0.33: "3 of 10.", 0.7: "That is the share of the seven.",
               0.1: "Its mean over 3 rows is divided by 3 already: times 3/10, not 1/10."},
        why="3/10.",
    ),
}

RECALL = ("07-recall-logit", "07-recall-chance", "07-recall-dead", "07-recall-mean", "07-recall-pile")
EXIT_TICKET = ("07-exit-order", "07-exit-rate", "07-exit-share")
