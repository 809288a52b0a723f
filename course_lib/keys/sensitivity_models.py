"""Exercises 6.7 to 6.9 of lesson 06: gradients of a model by its input, an attack with them, and a loss with a floor."""

import numpy as np
import torch
import torch.nn.functional as F

from course_lib.judge import Layer, show
from course_lib.keys.lines import only_word
from course_lib.keys.networks import classifier, model_of
from course_lib.keys.sensitivity import lesson, log_softmax, softmax
from course_lib.observe import Array, Leaf
from course_lib.recipes import coded
from course_lib.vectors import point

# --- 6.7 -------------------------------------------------------------------------------------------------------------


@lesson.exercise(
    number="6.7a", title="Two sensitivities of one class", points=2, minutes=9, section="06f",
    signature="(model, x: Tensor[n], cls: int) -> tuple[Tensor[n], Tensor[n]]",
    hints=(
        "Both are gradients of one number by x. Which number is it in the first case, which in the second?",
        "The probability is entry cls of softmax(model(x)); the logit is entry cls of model(x). Two numbers, two walks.",
        "leaf = x.clone().requires_grad_(); z = model(leaf); then torch.autograd.grad of softmax(z, -1)[cls] and of z[cls], the "
        "first with retain_graph=True.",
    ),
)
def sensitivity(ask):
    """The gradients of a probability and of a logit by the input."""
    with ask.part("both gradients, for every class of two models", 3):
        for inputs, classes in ((3, 4), (4, 3)):
            recipe, x = classifier(ask.rng, inputs, 5, classes), point(ask.rng, inputs)
            for cls in range(classes):
                ask(recipe, x, cls).equals(
                    _sensitivities(recipe, x, cls), ("the gradient of the probability", "the gradient of the logit")
                )
    with ask.part("right once more, and x stays as it was"):
        recipe, x = classifier(ask.rng, 3, 5, 4), point(ask.rng, 3)
        ask(recipe, x, 1).equals(_sensitivities(recipe, x, 1), "the gradient").leaves_inputs_alone()


def _sensitivities(recipe, x, cls):
    """By the closed form: J of the logits from differences would be too coarse, so from the model's own weights."""
    first, bias, second, _ = recipe.data[2:6]
    W, V = np.array(first), np.array(second)
    hidden = np.tanh(W @ x + np.array(bias))
    J = V @ np.diag(1 - hidden**2) @ W
    p = softmax(model_of(recipe, x))
    return p[cls] * (J[cls] - p @ J), J[cls]


def _walk(number, leaf, **options):
    return torch.autograd.grad(number, leaf, **options)[0]


def _leaf(x):
    return x.detach().clone().requires_grad_()


@sensitivity.mistake("swapped")
def logit_first(model, x, cls):
    """Both are right, in the wrong order: the gradient of the probability comes first."""
    leaf = _leaf(x)
    z = model(leaf)
    return _walk(z[cls], leaf, retain_graph=True), _walk(torch.softmax(z, 0)[cls], leaf)


@sensitivity.mistake("C1")
def both_added_in_grad(model, x, cls):
    """Your second gradient is the sum of both: .grad adds up. Clear it between the walks, or use torch.autograd.grad."""
    leaf = _leaf(x)
    z = model(leaf)
    torch.softmax(z, 0)[cls].backward(retain_graph=True)
    first = leaf.grad.clone()
    z[cls].backward()
    return first, leaf.grad


@sensitivity.mistake("C11")
def both_the_same_grad(model, x, cls):
    """Both entries are the same tensor: .grad went on being filled after you had kept it. Keep a copy, .grad.clone()."""
    leaf = _leaf(x)
    z = model(leaf)
    torch.softmax(z, 0)[cls].backward(retain_graph=True)
    first = leaf.grad
    z[cls].backward()
    return first, leaf.grad


@sensitivity.mistake("C11-zeroed")
def zeroed_without_a_copy(model, x, cls):
    """Both entries are the gradient of the logit: the first was zeroed in place and filled again after you had kept it. Keep a
    copy, .grad.clone(), or set .grad to None."""
    leaf = _leaf(x)
    torch.softmax(model(leaf), 0)[cls].backward()
    first = leaf.grad
    leaf.grad.zero_()
    model(leaf)[cls].backward()
    return first, leaf.grad


@sensitivity.mistake("B8")
def gradient_by_the_logits(model, x, cls):
    """Your gradients are by the logits: one number for each class. The question is for x: one number for each input."""
    z = model(x).detach().requires_grad_()
    return _walk(torch.softmax(z, 0)[cls], z), _walk(z[cls], z)


@sensitivity.mistake("B8-result")
def grad_of_a_result(model, x, cls):
    """You read .grad of a tensor that was computed, and only leaves keep one. Walk back to the leaf itself, or ask for the
    gradient with torch.autograd.grad."""
    through = _leaf(x) * 1.0
    model(through)[cls].backward()
    return through.grad, through.grad


@sensitivity.mistake("log-p")
def log_probability(model, x, cls):
    """Your first gradient is that of log p. It differs from the gradient of p by the factor 1/p."""
    leaf = _leaf(x)
    z = model(leaf)
    return _walk(torch.log_softmax(z, 0)[cls], leaf, retain_graph=True), _walk(z[cls], leaf)


@sensitivity.mistake("sigmoid")
def sigmoid_of_one_logit(model, x, cls):
    """You squeezed one logit through a sigmoid. With several classes the probability comes from softmax over all logits."""
    leaf = _leaf(x)
    z = model(leaf)
    return _walk(torch.sigmoid(z[cls]), leaf, retain_graph=True), _walk(z[cls], leaf)


@sensitivity.mistake("winner")
def winning_class(model, x, cls):
    """You took the class that wins, whatever cls says."""
    leaf = _leaf(x)
    z = model(leaf)
    best = z.argmax()
    return _walk(torch.softmax(z, 0)[best], leaf, retain_graph=True), _walk(z[best], leaf)


@sensitivity.mistake("all-classes")
def sum_over_classes(model, x, cls):
    """You walked back from the sum over all classes. The probabilities always add to 1, so their sum has gradient 0; take the
    entry cls."""
    leaf = _leaf(x)
    z = model(leaf)
    return _walk(torch.softmax(z, 0).sum(), leaf, retain_graph=True), _walk(z.sum(), leaf)


@sensitivity.mistake("sizes")
def signs_dropped(model, x, cls):
    """You dropped the signs. Whether an input speaks for the class or against it is half of what a gradient says."""
    leaf = _leaf(x)
    z = model(leaf)
    return _walk(torch.softmax(z, 0)[cls], leaf, retain_graph=True).abs(), _walk(z[cls], leaf).abs()


@sensitivity.mistake("times-input")
def gradient_times_input(model, x, cls):
    """You multiplied with x. That is another map, gradient times input; here the gradients themselves are wanted."""
    leaf = _leaf(x)
    z = model(leaf)
    return _walk(torch.softmax(z, 0)[cls], leaf, retain_graph=True) * x, _walk(z[cls], leaf) * x


@sensitivity.mistake("loss")
def gradient_of_the_loss(model, x, cls):
    """Your second is the gradient of the loss. The logit itself is wanted, z[cls], before any softmax or logarithm."""
    leaf = _leaf(x)
    z = model(leaf)
    return _walk(torch.softmax(z, 0)[cls], leaf, retain_graph=True), _walk(-torch.log_softmax(z, 0)[cls], leaf)


@lesson.exercise(
    number="6.7b", title="Why the probability goes deaf", signature="str", kind="choice", points=1, minutes=4,
    section="06f",
    hints=(
        "Write ∂p/∂x as a product. Which factor depends on how sure the model is?",
        "∂p/∂x = p·(the logit's gradient minus the mean of all logits' gradients, weighted with p). What is that at p = 1?",
        "At p = 1 the weighted mean is the logit's gradient. Look for the answer that speaks of this.",
    ),
)
def why_prob_grad_vanishes(ask):
    """One of five reasons."""
    with ask.part("the reason", 1):
        answer = ask()
        said = only_word(answer.value)
        answer.holds(isinstance(said, str) and said in WHY, f"one of the letters {', '.join(WHY)}, as text", layer=Layer.TYPE)
        if isinstance(said, str) and said in WHY:
            answer.holds(said == "C", "the reason why ∂p/∂x vanishes for a confident prediction", f"you chose {said}",
                         layer=Layer.VALUE)  # fmt: skip


WHY = ("A", "B", "C", "D", "E")
why_prob_grad_vanishes.wrong_value(
    "E3", "A", "It is small long before anything rounds: at p = 0.999 it is about a thousandth, with all digits intact. "
    "Rounding to exactly 0 comes much later.",
)
why_prob_grad_vanishes.wrong_value(
    "unimportant", "B", "Then the logit's gradient would be small as well, and it is not. A vanishing ∂p/∂x does not say that "
    "the inputs are unimportant.",
)
why_prob_grad_vanishes.wrong_value(
    "trained", "D", "Nothing was trained here; the gradient is by x, not by the weights, and the loss plays no part."
)
why_prob_grad_vanishes.wrong_value(
    "many-classes", "E", "For an unsure model of as many classes ∂p/∂x is not tiny. What counts is how sure it is."
)


# --- 6.8 and 6.9 -----------------------------------------------------------------------------------------------------


@lesson.exercise(
    number="6.8", title="A step that fools", points=3, minutes=15, section="06f",
    signature="(model, x: Tensor[B, n], y: LongTensor[B], eps: float) -> Tensor[B, n]",
    hints=(
        "You may move every input by at most eps. Which way makes the loss grow fastest, if you may choose for each input?",
        "Along an input the loss changes by slope times step, so only the sign of the slope matters: a step of eps up or down.",
        "The gradient of F.cross_entropy(model(leaf), y) by leaf; x plus eps times its sign. Work on a detached copy of x.",
    ),
)
def fgsm(ask):
    """x + eps · sign of the loss's gradient."""
    with ask.part("no input moves by more than eps, and the loss of every example grows as much as that allows", 3):
        for rows, eps in ((4, 0.05), (5, 0.02)):
            recipe, x, y = _attacked(ask.rng, rows, eps)
            _attack_works(ask(recipe, x, y, eps), recipe, x, y, eps)
    with ask.part("it works once more, and x stays as it was"):
        recipe, x, y = _attacked(ask.rng, 3, 0.05)
        answer = ask(recipe, x, y, 0.05)
        _attack_works(answer, recipe, x, y, 0.05)
        answer.leaves_inputs_alone()


def _attacked(rng, rows, eps):
    """A model, examples and their classes, with no gradient so near 0 that its sign is a matter of rounding.

    Every loss grows by at least half of what its slopes promise: nothing is so flat that the curvature decides. Only signs
    are seen in an answer, so they must matter where it climbs something else than the loss: the loss after a second softmax,
    or the logit of the right class downhill.
    """
    while True:
        recipe = classifier(rng, 3, 5, 4)
        x = np.array([point(rng, 3) for _ in range(rows)])
        y = np.array([rng.randrange(4) for _ in range(rows)])
        misread = (model_of(recipe, x).argmax(1) != y).any()
        slopes = rows * _loss_gradient(recipe, x, y)
        grows = _losses(recipe, x + eps * np.sign(slopes), y) - _losses(recipe, x, y)
        straight = (grows > 0.5 * eps * np.abs(slopes).sum(1)).all()
        if misread and straight and np.abs(slopes).min() > 1e-3:
            others = [eps * np.sign(_loss_gradient(recipe, x, y, other)) for other in (_softmax_twice, _right_logit_down)]
            if all(_share(recipe, x, y, eps, step) < 0.95 for step in others):
                return recipe, x, y


def _softmax_twice(z, y):
    return F.cross_entropy(torch.softmax(z, 1), y)


def _right_logit_down(z, y):
    return -z.gather(1, y[:, None]).sum()


def _losses(recipe, x, y):
    z = model_of(recipe, x)
    return -log_softmax(z, 1)[np.arange(len(y)), y]


def _loss_gradient(recipe, x, y, loss_of=F.cross_entropy):
    leaf = torch.tensor(x, requires_grad=True)
    with torch.enable_grad():
        loss = loss_of(recipe.function()(leaf), torch.tensor(y))
        return torch.autograd.grad(loss, leaf)[0].numpy()


def _moved(answer, x):
    value = answer.value
    return value.numbers.astype(float) - x if isinstance(value, Array) and value.numbers.shape == x.shape else None


def _within(answer, x, eps):
    answer.is_tensor()
    step = _moved(answer, x)
    if step is None:
        answer.equals(x)  # says what is wrong with type or shape
        return
    most = float(np.abs(step).max())
    answer.holds(np.isfinite(most), "finite numbers", layer=Layer.FINITE)
    answer.holds(0 < most <= eps * (1 + 1e-4) + 1e-9, f"moves of at most eps = {show(eps)}, and not all 0",
                 f"your largest move is {show(most)}", layer=Layer.VALUE)  # fmt: skip


def _share(recipe, x, y, eps, step):
    """How much of the growth by a step of eps along the sign another step reaches, where it reaches least."""
    before, after = _losses(recipe, x, y), _losses(recipe, x + step, y)
    best = _losses(recipe, x + eps * np.sign(_loss_gradient(recipe, x, y)), y)
    return float(((after - before) / (best - before)).min())


def _attack_works(answer, recipe, x, y, eps):
    """Loss after a step of eps along the sign, the best step of its kind to first order; slack for float32."""
    _within(answer, x, eps)
    step = _moved(answer, x)
    if step is None or answer.broken or not np.isfinite(step).all():
        return
    shrinks = int((_losses(recipe, x + step, y) <= _losses(recipe, x, y)).sum())
    answer.holds(not shrinks, "a loss that grows for every example",
                 f"the loss does not grow for {shrinks} of {len(y)} examples", layer=Layer.VALUE)  # fmt: skip
    share = _share(recipe, x, y, eps, step)
    answer.holds(share > 1 - 1e-3, "a full step of eps in every input, uphill",
                 f"the loss of some example grows by only {show(share)} of what eps allows", layer=Layer.VALUE)  # fmt: skip


def _fgsm(model, x, y, eps, direction, loss_of=F.cross_entropy):
    leaf = _leaf(x)
    return x + eps * direction(_walk(loss_of(model(leaf), y), leaf))


@fgsm.mistake("A12")
def down_the_hill(model, x, y, eps):
    """You walked down: the loss falls. The gradient points where the loss grows, and here it shall grow."""
    return _fgsm(model, x, y, -eps, torch.sign)


@fgsm.mistake("no-sign")
def gradient_itself(model, x, y, eps):
    """You moved by eps times the gradient: most inputs hardly move. The sign lets each of them use its whole eps."""
    return _fgsm(model, x, y, eps, lambda g: g)


@fgsm.mistake("normalised")
def unit_gradient(model, x, y, eps):
    """You moved along the gradient, scaled to length 1. That shares eps between all inputs. The limit holds for each input by
    itself, so each may move the whole eps: take the sign."""
    return _fgsm(model, x, y, eps, lambda g: g / g.norm())


@fgsm.mistake("normalised-rows")
def unit_gradient_per_row(model, x, y, eps):
    """You scaled each row's gradient to length 1. The limit holds for each input by itself, so each may move the whole eps: take
    the sign."""
    return _fgsm(model, x, y, eps, lambda g: g / g.norm(dim=1, keepdim=True))


@fgsm.mistake("sign-only")
def eps_forgotten(model, x, y, eps):
    """You moved every input by 1. The step is eps times the sign."""
    return _fgsm(model, x, y, 1.0, torch.sign)


@fgsm.mistake("step-only")
def the_step_alone(model, x, y, eps):
    """You returned the step. What is asked for is x plus the step."""
    return _fgsm(model, x, y, eps, torch.sign) - x


@fgsm.mistake("clamped")
def clamped_to_an_image(model, x, y, eps):
    """You clipped the result to [0, 1]. These inputs are plain numbers, and the task says not to clip them."""
    return _fgsm(model, x, y, eps, torch.sign).clamp(0, 1)


@fgsm.mistake("own-prediction")
def away_from_its_own_answer(model, x, y, eps):
    """You raised the loss of the class that the model predicts. y says which class the loss is about."""
    return _fgsm(model, x, model(x).argmax(1), eps, torch.sign)


@fgsm.mistake("logit-up")
def pushes_the_right_class(model, x, y, eps):
    """You raised the logit of the right class: that makes the model surer. Raise the loss."""
    return _fgsm(model, x, y, -eps, torch.sign, _right_logit_down)


@fgsm.mistake("logit-down")
def lowers_the_right_class(model, x, y, eps):
    """You lowered the logit of the right class and left the other logits out. The loss also grows when they rise: take the
    gradient of cross_entropy."""
    return _fgsm(model, x, y, eps, torch.sign, _right_logit_down)


@fgsm.mistake("E5")
def softmax_before_the_loss(model, x, y, eps):
    """You took the softmax and then cross_entropy, which takes one itself. That is another loss, and some of its slopes have the
    other sign: give cross_entropy the logits."""
    return _fgsm(model, x, y, eps, torch.sign, _softmax_twice)


@fgsm.mistake("twice-eps")
def twice_the_step(model, x, y, eps):
    """You moved by 2·eps. At most eps is allowed for each input."""
    return _fgsm(model, x, y, 2 * eps, torch.sign)


@lesson.exercise(
    number="6.9", title="Fix me: softmax twice", points=1, minutes=5, section="06e",
    signature="(model, X: Tensor[N, n], y: LongTensor[N]) -> Tensor[()]",
    hints=(
        "Feed it a model that is certain and right: logits (20, 0, 0), class 0. What loss do you expect, what comes out?",
        "cross_entropy takes logits: it has a log-softmax inside. What happens to probabilities, between 0 and 1, in there?",
        "Hand the logits to F.cross_entropy as they come out of the model.",
    ),
)
def fix_double_softmax(ask):
    """Mean cross-entropy of the model's logits."""
    with ask.part("the loss", 2):
        for rows, inputs, classes in ((5, 3, 4), (4, 2, 3)):
            recipe, X, y = _labelled(ask.rng, rows, inputs, classes)
            ask(recipe, X, y).equals(_losses(recipe, X, y).mean(), "the loss")
        # and near 0 for a model that is certain and right
        X = np.array([[20.0, 0.0, 0.0], [0.0, 25.0, 0.0]])
        y = np.array([0, 1])
        ask(coded(identity, text="a model that returns its input"), X, y).equals(0.0, "the loss")
    with ask.part("a finite loss for a model that is certain and wrong"):
        X, y = np.array([[1000.0, 0.0, 0.0], [0.0, 1.0, 0.5]]), np.array([1, 2])
        ask(coded(identity, text="a model that returns its input"), X, y).equals(_cross_entropy(X, y), "the loss")
    with ask.part("its gradient reaches the input", 1):
        recipe, X, y = _labelled(ask.rng, 4, 3, 4)
        ask(recipe, Leaf(X), y).gradient_equals(_loss_gradient(recipe, X, y), of=0, meaning="the gradient by X")


def identity(x):
    return x


def _cross_entropy(z, y):
    return -log_softmax(z, 1)[np.arange(len(y)), y].mean()


def _labelled(rng, rows, inputs, classes):
    recipe = classifier(rng, inputs, 5, classes)
    X = np.array([point(rng, inputs) for _ in range(rows)])
    return recipe, X, np.array([rng.randrange(classes) for _ in range(rows)])


@fix_double_softmax.broken
def loss_with_a_floor(model, X, y):
    p = torch.softmax(model(X), dim=1)
    return torch.nn.functional.cross_entropy(p, y)


@fix_double_softmax.mistake("E5")
def softmax_still_there(model, X, y):
    """softmax is still applied twice: cross_entropy has one inside. Probabilities lie so close together that the loss can never
    get below a floor."""
    return F.cross_entropy(torch.softmax(model(X), dim=-1), y)


@fix_double_softmax.mistake("E5-nll")
def logarithm_missing(model, X, y):
    """nll_loss wants log-probabilities; you gave it probabilities. Its values are negative now."""
    return F.nll_loss(torch.softmax(model(X), dim=1), y)


@fix_double_softmax.mistake("E4")
def log_softmax_down_the_columns(model, X, y):
    """You normalise down the columns: softmax goes over the classes of each row, dim=1."""
    return F.nll_loss(F.log_softmax(model(X), dim=0), y)


@fix_double_softmax.mistake("A16")
def sum_in_place_of_mean(model, X, y):
    """That is the sum over the examples. The loss that was given, and cross_entropy by default, is their mean."""
    return F.cross_entropy(model(X), y, reduction="sum")


@fix_double_softmax.mistake("B7")
def plain_number(model, X, y):
    """The number is right and its history is gone: nothing can be trained with a detached loss."""
    return F.cross_entropy(model(X), y).detach()


@fix_double_softmax.mistake("E6")
def log_of_probabilities(model, X, y):
    """Right for small logits. Where the model is certain and wrong, softmax rounds to 0 and log(0) makes the loss
    infinite. Stay in the logarithm: cross_entropy on the logits, or log_softmax."""
    return F.nll_loss(torch.log(torch.softmax(model(X), dim=1)), y)


@fix_double_softmax.mistake("sigmoid")
def sigmoid_in_its_place(model, X, y):
    """A sigmoid has taken the softmax's place, and the floor is there still: what cross_entropy gets lies between 0 and 1. It
    wants logits."""
    return F.cross_entropy(torch.sigmoid(model(X)), y)


@fix_double_softmax.mistake("squares")
def squares_of_probabilities(model, X, y):
    """You changed the loss to a mean squared error. The loss was right, what it was given was not."""
    p = torch.softmax(model(X), dim=1)
    return F.mse_loss(p, F.one_hot(y, p.shape[1]).to(p.dtype))
