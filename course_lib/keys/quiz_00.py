"""Lesson 00, orientation: predictions, recall and exit ticket."""

from course_lib.questions import Question, choice, number, raises_or_shape, shape, true_false

QUESTIONS = {
    "00-double": Question(
        "x is the tensor (1.5, −2). After y = x; y *= 2, what is x[0]?",
        number(3.0),
        slips={1.5: "y = x does not copy. Both names hold the same tensor, so y *= 2 is seen through x as well."},
        why="An assignment gives a tensor a second name. Only an operation that makes a new tensor (y = x * 2) or "
        ".clone() gives you a second set of numbers.",
    ),
    "00-broadcast": Question(
        "a has shape (5, 1) and b has shape (3,). What is the shape of a + b? Type a shape such as (2, 4), or: raises",
        raises_or_shape((5, 3)),
        slips={
            "raises": "Shapes are compared from the right. 1 meets 3 and stretches; 5 meets nothing and stays.",
            (5, 1): "The axis of length 1 is stretched to meet the 3.",
            (3, 5): "Axes keep their places, counted from the right: the 3 stays last.",
        },
        why="Line the shapes up on the right. Equal lengths match, a length of 1 stretches, a missing axis counts as 1.",
    ),
    "00-dtype": Question(
        "What does torch.tensor(0.1) == torch.tensor(0.1, dtype=torch.float64) give? True or False",
        true_false(False),
        slips={True: "Each is the nearest number to 0.1 in its own format, and the two formats have different grids."},
        why="float32 keeps about 7 digits, float64 about 16. That is why this course compares with a tolerance and asks "
        "for float64 by an explicit dtype= wherever digits matter.",
    ),
    "00-exit-shape": Question(
        "Shapes (4, 1, 3) and (2, 3) are added. What is the shape of the result?",
        shape((4, 2, 3)),
        slips={(4, 1, 3): "The 1 in the middle meets the 2 and is stretched."},
        why="From the right: 3 and 3 match, 1 stretches to 2, and 4 meets a missing axis.",
    ),
    "00-exit-grad": Question(
        "x = torch.tensor(0.7, requires_grad=True) and y = x * x. What is x.grad before y.backward()? Type None or a number",
        choice("None"),
        slips={"0": "Nothing has been computed yet, and PyTorch says so with None rather than with a 0."},
        why=".grad is None until the first backward fills it.",
    ),
    "00-exit-verdict": Question(
        "A verdict has no line that begins with “cause”. Is the answer right, then? True or False",
        true_false(False),
        slips={True: "Look at its first line: ✓, ◐ or ✗ says whether the answer is right."},
        why="A cause is named only where exactly one known idea gives all of your numbers. Many wrong answers have none: "
        "then “checked” and “got” are what to go by.",
    ),
}
EXIT_TICKET = ("00-exit-shape", "00-exit-grad", "00-exit-verdict")
RECALL = ()
