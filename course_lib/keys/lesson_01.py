"""Lesson 01, derivatives: the key of its exercises and how people go wrong."""

import itertools

import numpy as np
import sympy
import torch
from sympy import Rational

from course_lib.exercise import Lesson
from course_lib.formula import Formula, smooth, x
from course_lib.judge import Layer, Tolerance
from course_lib.keys import quiz_01
from course_lib.observe import Dtype

lesson = Lesson("01", "Derivatives", quiz_01)
POINTS = (0.7, -1.3)  # at 0, 1 and 2 powers, slopes and values coincide


# --- 1.1 -------------------------------------------------------------------------------------------------------------


@lesson.exercise(
    number="1.1", title="The slope at one point", signature="(f, a: float) -> float", points=1, minutes=5,
    section="01b",
    hints=(
        "Which tensor has to remember what happens to it, and how do you tell it so when you make it?",
        "Three lines: make the leaf from a, compute f of it, walk back. After that the slope waits in one attribute of "
        "the leaf, not in what backward() returns.",
        "torch.tensor(a, dtype=torch.float64, requires_grad=True), then f, then .backward(), then .grad and .item(). "
        "The worked example of 01b has the same lines for x².",
    ),
)
def slope_at(ask):
    """Derivative of f at a, by autograd, as a Python float."""
    with ask.part("the slopes of six functions at 0.7 and −1.3", 3):
        for f in smooth(ask.rng, 6):
            for a in POINTS:
                ask(f, a).equals(f.derivative(a), "the slope")
    with ask.part("the same slope when asked twice"):
        (f,) = smooth(ask.rng, 1)
        for _ in range(2):
            ask(f, 0.7).equals(f.derivative(0.7), "the slope")
    with ask.part("found by autograd"):
        (f,) = smooth(ask.rng, 1)
        ask(f, -1.3).equals(f.derivative(-1.3), "the slope").differentiates()


slope_at.sort_lines(
    "leaf = torch.tensor(a, dtype=torch.float64, requires_grad=True)",
    "f(leaf).backward()",
    "return leaf.grad.item()",
    lures={
        "B1": "leaf = torch.tensor(a, dtype=torch.float64)",
        "backward-returns-none": "return f(leaf).backward()",
        "point-returned": "return leaf.item()",
    },
)


@slope_at.mistake("A1")
def height_not_slope(f, a):
    """You returned the height of the curve, f(a). The slope says how fast that height changes around a."""
    return f(torch.tensor(a, dtype=torch.float64)).item()


def _ignores_the_point(transcript):
    """Whether every function got one and the same slope at both points."""
    slopes = {}
    for _, (f, _a), reply in transcript:
        if reply.failure or not isinstance(reply.value, float):
            return False
        slopes.setdefault(f.text, []).append(reply.value)
    several = [values for values in slopes.values() if len(values) > 1]
    return len(several) >= 3 and all(np.ptp(values) < 1e-6 for values in several) and np.ptp([v[0] for v in several]) > 1e-6


@slope_at.mistake("by-itself")
def slope_of_a_tensor_by_itself(f, a):
    """1 is the slope of a tensor by itself. Walk back from f(x), not from x, and from that result, not from a new tensor with
    its number; and read the .grad of x."""
    return 1.0


@slope_at.mistake("A2", recognise=_ignores_the_point)
def one_slope_for_all(f, a):
    """Your slope for one curve is the same at 0.7 and at −1.3. A curve has a slope of its own at every point: use a."""
    leaf = torch.tensor(1.0, dtype=torch.float64, requires_grad=True)
    f(leaf).backward()
    return leaf.grad.item()


@slope_at.mistake("B1")
def not_tracked(f, a):
    """Nothing in this computation was tracked, so there is no way back: the tensor needs requires_grad=True when it is
    made, before f is called."""
    leaf = torch.tensor(a, dtype=torch.float64)
    f(leaf).backward()
    return leaf.grad.item()


@slope_at.mistake("C1", fresh=True)
def slopes_pile_up():
    """Your answers are running totals: backward() adds to .grad, and the leaf is the same one in every call. Make a
    new leaf inside the function."""
    leaf = torch.zeros((), dtype=torch.float64, requires_grad=True)

    def slope(f, a):
        leaf.data.fill_(a)
        f(leaf).backward()
        return leaf.grad.item()

    return slope


@slope_at.mistake("backward-returns-none")
def what_backward_returns(f, a):
    """None came back. That is what backward() returns, what .grad holds before backward or away from the leaf, and
    what a function without a return gives. The slope is in the .grad of the leaf."""
    leaf = torch.tensor(a, dtype=torch.float64, requires_grad=True)
    return f(leaf).backward()


@slope_at.mistake("C7")
def tuple_of_one_slope(f, a):
    """torch.autograd.grad returns a tuple, one entry for each input. Take the tensor out of it: (slope,) = … or …[0]."""
    leaf = torch.tensor(a, dtype=torch.float64, requires_grad=True)
    return torch.autograd.grad(f(leaf), leaf)


@slope_at.mistake("point-returned")
def the_point_itself(f, a):
    """You returned the point a. After backward the slope is not in the leaf itself but in its .grad."""
    leaf = torch.tensor(a, dtype=torch.float64, requires_grad=True)
    f(leaf).backward()
    return leaf


# --- 1.2 -------------------------------------------------------------------------------------------------------------


@lesson.exercise(
    number="1.2", title="The central difference", signature="(f, a: Tensor[()], h: float) -> Tensor[()]", points=1,
    minutes=5, section="01c",
    hints=(
        "You step h to the right and h to the left. How far apart are the two points?",
        "A slope is rise over run. Both must belong to the same two points.",
        "Rise: f at a + h minus f at a − h. Run: the distance between these two points, which is not h.",
    ),
)
def central_diff(ask):
    """The slope through the two points h to the left and h to the right of a."""
    bending = _bending(ask.rng)
    with ask.part("the slope of the line through both points", 2):
        for f, a in bending:
            for h in (0.1, 0.05):
                ask(f, np.array(a), h).equals(_central(f, a, h), "the slope of the line through both points")
    with ask.part("halving h makes the error four times smaller"):
        for f, a in bending:
            errors = [ask(f, np.array(a), h).number() - f.derivative(a) for h in (0.1, 0.05)]
            ratio = abs(errors[0]) / max(abs(errors[1]), 1e-15)
            ask(f, np.array(a), 0.1).holds(
                3.5 <= ratio <= 4.5, "an error that shrinks four times when h is halved",
                f"the error shrinks {ratio:.3g} times from h = 0.1 to h = 0.05",
            )
    with ask.part("a float64 tensor comes back"):
        f, a = bending[0]
        close = Tolerance(rtol=0.02)
        ask(f, np.array(a), 0.05).equals(_central(f, a, 0.05), "the slope", close).is_tensor("float64")


def _central(f, a, h):
    return (f.value(a + h) - f.value(a - h)) / (2 * h)


def _bending(rng):
    """Pairs (formula, point) where the error of a central difference really goes with h², and a forward one is worse."""
    found = []
    for f in smooth(rng, 8):
        for a in POINTS:
            errors = [_central(f, a, h) - f.derivative(a) for h in (0.1, 0.05)]
            one_sided = abs(f.derivative(a, order=2)) * 0.1 / 2
            if abs(errors[1]) > 1e-4 and 3.7 < errors[0] / errors[1] < 4.3 and one_sided > 8 * abs(errors[0]):
                found.append((f, a))
    return found[:4]


central_diff.sort_lines(
    "rise = f(a + h) - f(a - h)",
    "run = 2 * h",
    "return rise / run",
    lures={"A3": "run = h", "sign": "rise = f(a - h) - f(a + h)"},
)


@central_diff.mistake("A3")
def rise_without_run(f, a, h):
    """You returned only the rise, f(a+h) − f(a−h). Divide by the distance between the two points."""
    return f(a + h) - f(a - h)


@central_diff.mistake("A3")
def half_the_run(f, a, h):
    """Twice the slope: you divided by h, but the points a − h and a + h lie 2h apart."""
    return (f(a + h) - f(a - h)) / h


@central_diff.mistake("A4")
def forward_only(f, a, h):
    """That is the forward difference: it looks to one side only, and halving h merely halves its error. Step to both
    sides."""
    return (f(a + h) - f(a)) / h


@central_diff.mistake("A4")
def backward_only(f, a, h):
    """That is the backward difference: it looks to one side only, and halving h merely halves its error. Step to both
    sides."""
    return (f(a) - f(a - h)) / h


@central_diff.mistake("sign")
def turned_round(f, a, h):
    """Your slope has the opposite sign: rise and run must be taken in the same direction."""
    return (f(a - h) - f(a + h)) / (2 * h)


@central_diff.mistake("operator-order")
def missing_brackets(f, a, h):
    """`… / 2 * h` divides by 2 and then multiplies by h. Put brackets around the run: (2 * h)."""
    return (f(a + h) - f(a - h)) / 2 * h


# --- 1.3 -------------------------------------------------------------------------------------------------------------

BEST = {"float32": (1e-3, 3e-2), "float64": (1e-6, 1e-4)}
STEPS = tuple(10.0**-k for k in range(1, 13))


@lesson.exercise(
    number="1.3", title="The best step", signature="(f, fprime, a: float, dtype: torch.dtype) -> float", points=2,
    minutes=8, section="01c",
    hints=(
        "For one given h, what three numbers do you need to know how wrong the central difference is?",
        "Try every h of the list, keep the error of each, return the h of the smallest error. Everything inside, a "
        "included, must have the dtype that was asked for, or you measure the wrong rounding.",
        "point = torch.tensor(a, dtype=dtype); error = abs(central difference at point − fprime(point)); then min(…, "
        "key=…) over h = 10**−1 … 10**−12.",
    ),
)
def best_h(ask):
    """The power of ten for which a central difference of f at a, computed in dtype, is closest to fprime(a)."""
    # One part for both: one step for every dtype would earn half of the points otherwise.
    with ask.part("the best step for float64 and the best step for float32"):
        for name in ("float64", "float32"):
            low, high = BEST[name]
            for f, a in _searchable(ask.rng, name):
                answer = ask(f, f.derived(), a, Dtype(name))
                h = answer.number()
                is_power = 0 < h < np.inf and abs(np.log10(h) - round(np.log10(h))) < 1e-6
                answer.holds(is_power, "a step is one of 0.1, 0.01, … 1e-12", f"you returned {h:.3g}", layer=Layer.VALUE)
                better = "smaller" if h > high else "larger"
                answer.holds(
                    low * 0.99 <= h <= high * 1.01, f"the step where {name} loses least is {better}",
                    f"you returned {h:.3g}", layer=Layer.VALUE,
                )
                tried = answer.reply.calls >= 3  # both sides and the true slope, all steps at once or one by one
                answer.holds(tried, "the steps tried out on f", "f was not tried out with any step", Layer.METHOD)


def _searchable(rng, name):
    """Three pairs (formula, point) for which every honest search ends inside the range."""
    candidates = ((f, a) for f in smooth(rng, 8) for a in POINTS)
    return list(itertools.islice((pair for pair in candidates if _is_clear(*pair, name)), 3))


def _is_clear(f, a, name):
    """Whether the best step lies inside the range however the difference is written.

    A value of f may be one unit in the last place off, and the run may be 2h or measured between the rounded points.
    """
    low, high = BEST[name]
    point, steps = torch.tensor(a, dtype=getattr(torch, name)), torch.tensor(STEPS, dtype=getattr(torch, name))
    right, left = f(point + steps), f(point - steps)
    unit = torch.finfo(point.dtype).eps * max(abs(right).max().item(), abs(left).max().item())
    rises = (right - left).double() + unit * torch.arange(-2, 3)[:, None]
    runs = torch.stack([2 * steps, (point + steps) - (point - steps)]).double()[:, None]
    errors = (rises / runs - f.derivative(a)).abs().nan_to_num(torch.inf).flatten(0, 1)
    inside = (low <= steps) & (steps <= high)
    return bool(errors[:, inside].amax(0).min() < errors[:, ~inside].min())


def honest_search(f, fprime, a, dtype):
    """The answer of a correct best_h."""
    point = torch.tensor(a, dtype=dtype)

    def error(h):
        return abs((f(point + h) - f(point - h)) / (2 * h) - fprime(point)).item()

    return min(STEPS, key=error)


@best_h.mistake("A5")
def smallest_is_best(f, fprime, a, dtype):
    """You chose the smallest step of all. Below a certain h the two values of f agree in nearly all their digits, and
    their difference is mostly rounding."""
    return STEPS[-1]


@best_h.mistake("A5-dtype")
def one_dtype_for_all(f, fprime, a, dtype):
    """The step is the best one for float64 whatever dtype was asked for: the point was not made with dtype=dtype."""
    return honest_search(f, fprime, a, torch.float64)


@best_h.mistake("rule-of-thumb")
def without_trying(f, fprime, a, dtype):
    """You return a step that is known to be good for this dtype. The docstring asks for the best one of this f at this
    point: try them all."""
    return 1e-5 if dtype == torch.float64 else 1e-2


@best_h.mistake("error-not-step")
def the_error_itself(f, fprime, a, dtype):
    """You returned the smallest error. Wanted is the step h that gives it."""
    point = torch.tensor(a, dtype=dtype)
    return min(abs((f(point + h) - f(point - h)) / (2 * h) - fprime(point)).item() for h in STEPS)


@best_h.mistake("largest-is-best")
def worst_step(f, fprime, a, dtype):
    """You returned the first step of the list, the crudest one: that happens when max and min are swapped or the list
    is never searched."""
    return STEPS[0]


# --- 1.4 -------------------------------------------------------------------------------------------------------------


@lesson.exercise(
    number="1.4", title="Predict a small change", signature="(f, a: float, dx: float) -> float", points=1, minutes=5,
    section="01a",
    hints=(
        "If a curve rises 3 units for each unit to the right, how much does it rise for 0.01?",
        "The prediction uses one number about f at a, and dx. It never looks at f(a + dx).",
        "Slope at a (by autograd, as in 1.1) times dx. Nothing is added: the change is asked for, not the new height.",
    ),
)
def predict_change(ask):
    """The change of f that its slope at a predicts for a step dx."""
    with ask.part("slope times step", 2):
        for f in smooth(ask.rng, 4):
            for a in POINTS:
                for dx in (0.1, -0.3):
                    change = f.derivative(a) * dx
                    # Relative to the change itself: a prediction for a small step is a small number.
                    ask(f, a, dx).equals(change, "the predicted change", Tolerance(rtol=3e-5, scale=abs(dx)))
    with ask.part("the prediction misses by no more than a multiple of dx²"):
        (f,) = smooth(ask.rng, 1)
        bend = max(abs(f.derivative(0.7 + t, order=2)) for t in (0, 0.05, 0.1)) + 0.1
        for dx in (0.1, 0.01, 0.001):
            answer = ask(f, 0.7, dx)
            answer.equals(f.derivative(0.7) * dx, "the predicted change", Tolerance(rtol=3e-5, scale=dx))
            miss = abs(f.value(0.7 + dx) - f.value(0.7) - answer.number()) / dx**2
            answer.holds(0 < miss <= bend, "a miss that shrinks with dx², as the slope at a gives",
                         f"for dx = {dx} the miss divided by dx² is {miss:.3g}")


@predict_change.mistake("A2")
def slope_after_the_step(f, a, dx):
    """You used the slope at a + dx. The prediction is made at a, before the step."""
    return _slope(f, a + dx) * dx


@predict_change.mistake("new-height")
def new_height(f, a, dx):
    """You returned the predicted new height, f(a) + f′(a)·dx. Only the change is asked for."""
    return f(torch.tensor(a, dtype=torch.float64)).item() + _slope(f, a) * dx


@predict_change.mistake("true-change")
def true_change(f, a, dx):
    """You returned the true change, f(a + dx) − f(a). A prediction uses the slope at a alone and misses a little."""
    return (f(torch.tensor(a + dx, dtype=torch.float64)) - f(torch.tensor(a, dtype=torch.float64))).item()


@predict_change.mistake("A1")
def height_times_step(f, a, dx):
    """You multiplied the height f(a) by dx. It is the slope that says how much a step changes."""
    return f(torch.tensor(a, dtype=torch.float64)).item() * dx


@predict_change.mistake("slope-alone")
def slope_alone(f, a, dx):
    """You returned the slope itself: that is the change per unit. Multiply by the step dx."""
    return _slope(f, a)


def _slope(f, a):
    leaf = torch.tensor(a, dtype=torch.float64, requires_grad=True)
    f(leaf).backward()
    return leaf.grad.item()


# --- 1.5 -------------------------------------------------------------------------------------------------------------


@lesson.exercise(
    number="1.5", title="A curve and its slope", points=2, minutes=8, section="01d",
    signature="(f, xs: Tensor[n]) -> tuple[Tensor[n], Tensor[n]]",
    hints=(
        "backward() wants one number, and f(xs) is many. Which single number has every slope you need in its gradient?",
        "If y₃ depends on x₃ alone, the derivative of the sum of all y by x₃ is f′(x₃). So sum, walk back once, read "
        ".grad. Then cut both results off from the graph.",
        "leaf = xs.detach().clone().requires_grad_(); y = f(leaf); y.sum().backward(); return two detached tensors: the "
        "heights first, then leaf.grad.",
    ),
)
def curve_and_slope(ask):
    """f and f′ at every entry of xs, from one backward."""
    functions = smooth(ask.rng, 3)
    with ask.part("heights and slopes at seven points", 2):
        for f in functions:
            xs = _points(ask.rng, 7)
            ask(f, xs).equals(_curve(f, xs), ("the height", "the slope"))
    with ask.part("detached, and as long as xs"):
        xs = _points(ask.rng, 4)
        ask(functions[0], xs).equals(_curve(functions[0], xs), ("the height", "the slope")).is_detached(0, 1)
    with ask.part("all points at once"):
        xs = _points(ask.rng, 40)
        ask(functions[1], xs).equals(_curve(functions[1], xs), ("the height", "the slope")).calls_at_most(
            4, "a few calls of f for the whole tensor, not one for each point"
        )


def _points(rng, n):
    return np.array([rng.uniform(-1.6, 1.6) for _ in range(n)])


def _curve(f, xs):
    return np.array([f.value(at) for at in xs]), np.array([f.derivative(at) for at in xs])


def _heights_and_slopes(f, xs, reduce):
    leaf = xs.detach().clone().requires_grad_()
    heights = f(leaf)
    reduce(heights).backward()
    return heights.detach(), leaf.grad


@curve_and_slope.mistake("A16")
def mean_instead_of_sum(f, xs):
    """Your slopes are n times too small, n being the number of points: the gradient of the mean carries a factor 1/n.
    Use the sum."""
    return _heights_and_slopes(f, xs, torch.mean)


@curve_and_slope.mistake("D1")
def backward_on_many(f, xs):
    """A vector has no single slope, so backward() asks for one number: reduce the heights to their sum first."""
    leaf = xs.detach().clone().requires_grad_()
    heights = f(leaf)
    heights.backward()
    return heights.detach(), leaf.grad


@curve_and_slope.mistake("swapped")
def slopes_first(f, xs):
    """Both tensors are right, but they are swapped: the heights come first, then the slopes."""
    return _heights_and_slopes(f, xs, torch.sum)[::-1]


@curve_and_slope.mistake("still-attached")
def still_attached(f, xs):
    """The numbers are right, but a returned tensor is still part of the graph and cannot be plotted: detach it."""
    leaf = xs.detach().clone().requires_grad_()
    heights = f(leaf)
    heights.sum().backward()
    return heights, leaf.grad


@curve_and_slope.mistake("A1")
def heights_twice(f, xs):
    """The second tensor holds the heights again. The slopes are in the .grad of the leaf."""
    return f(xs).detach(), f(xs).detach()


@curve_and_slope.mistake("differences")
def neighbouring_differences(f, xs):
    """Your slopes are differences of neighbouring points. xs is not sorted and its points are far apart: use
    autograd."""
    return f(xs).detach(), torch.gradient(f(xs).detach(), spacing=(xs,))[0]


# --- 1.6 -------------------------------------------------------------------------------------------------------------


@lesson.exercise(
    number="1.6", title="The n-th derivative", signature="(f, a: float, n: int) -> Tensor[()]", points=2, minutes=8,
    section="01e",
    hints=(
        "A derivative can be differentiated only if it is itself a computation with a graph. Which argument keeps one?",
        "Start with y = f(x). Replace y by its derivative, n times. `autograd.grad` returns a tuple and leaves .grad "
        "alone; backward() would add everything up in one place.",
        "for _ in range(n): (y,) = torch.autograd.grad(y, x, create_graph=True). Return y. For n = 0 the loop does "
        "nothing, and y is f(a).",
    ),
)
def nth_derivative(ask):
    """The n-th derivative of f at a; the 0-th is f(a)."""
    k = Rational(ask.rng.randint(120, 160), 100)
    wave = Formula(sympy.sin(k * x), x)
    with ask.part("sin: derivatives 0 to 4", 2):
        for a in POINTS:
            for n in (1, 2, 3, 4, 0):  # what goes wrong at 2 says more than what goes wrong at 0
                ask(wave, a, n).equals(wave.derivative(a, order=n), f"derivative number {n}")
    coefficients = [Rational(ask.rng.randint(30, 90), 100) * (-1) ** i for i in range(6)]
    polynomial = Formula(sum(c * x**i for i, c in enumerate(coefficients)), x)
    with ask.part("a polynomial of degree 5: derivatives 1 to 5"):
        for n in range(1, 6):
            ask(polynomial, 0.7, n).equals(polynomial.derivative(0.7, order=n), f"derivative number {n}").is_tensor()


@nth_derivative.mistake("C5")
def backward_again(f, a, n):
    """Your second derivative is twice the first, your third is three times the first: with retain_graph=True every
    backward adds f′ once more. It never differentiates the derivative."""
    leaf = torch.tensor(a, dtype=torch.float64, requires_grad=True)
    y = f(leaf)
    for _ in range(n):
        y.backward(retain_graph=True)
    return leaf.grad if n else y


@nth_derivative.mistake("C6")
def grads_added_up(f, a, n):
    """Your second derivative is f′ + f″: backward(create_graph=True) adds each derivative to what .grad already holds.
    torch.autograd.grad returns it alone."""
    leaf = torch.tensor(a, dtype=torch.float64, requires_grad=True)
    y = f(leaf)
    for _ in range(n):
        y.backward(create_graph=True)
        y = leaf.grad
    return y


@nth_derivative.mistake("no-create-graph")
def graph_not_kept(f, a, n):
    """The first derivative came back as a plain number without a graph, so it cannot be differentiated again: pass
    create_graph=True."""
    leaf = torch.tensor(a, dtype=torch.float64, requires_grad=True)
    y = f(leaf)
    for _ in range(n):
        (y,) = torch.autograd.grad(y, leaf)
    return y


@nth_derivative.mistake("A14")
def power_of_the_first(f, a, n):
    """You raised the first derivative to the power n. f″ is the slope of f′, not its square."""
    leaf = torch.tensor(a, dtype=torch.float64, requires_grad=True)
    y = f(leaf)
    return torch.autograd.grad(y, leaf)[0] ** n if n else y


@nth_derivative.mistake("off-by-one")
def one_too_many(f, a, n):
    """Your answers are one derivative too far: for n = 0 the loop must not differentiate at all."""
    leaf = torch.tensor(a, dtype=torch.float64, requires_grad=True)
    y = f(leaf)
    for _ in range(n + 1):
        (y,) = torch.autograd.grad(y, leaf, create_graph=True)
    return y


@nth_derivative.mistake("one-short")
def one_too_few(f, a, n):
    """Your answers are one derivative short: for n = 1 you return f(a) itself. The loop must differentiate n times."""
    leaf = torch.tensor(a, dtype=torch.float64, requires_grad=True)
    y = f(leaf)
    for _ in range(n - 1):
        (y,) = torch.autograd.grad(y, leaf, create_graph=True)
    return y


@nth_derivative.mistake("C7")
def tuple_returned(f, a, n):
    """torch.autograd.grad returns a tuple, one entry for each input. Take the tensor out of it: (y,) = … or …[0]."""
    leaf = torch.tensor(a, dtype=torch.float64, requires_grad=True)
    y = f(leaf)
    result = y
    for _ in range(n):
        result = torch.autograd.grad(y, leaf, create_graph=True)
        y = result[0]
    return result


# --- 1.7 -------------------------------------------------------------------------------------------------------------


@lesson.exercise(
    number="1.7", title="Fix me: a slope that raises", signature="(f, a: float) -> Tensor[()]", points=2, minutes=8,
    section="01b",
    hints=(
        "Run it and read the last line of the message. Which of the four lines does it point at, and which word of the "
        "message describes what that line made?",
        "There are three faults, and each hides the next: what kind of number the leaf holds, which number it is, and a "
        "tensor that is turned into a plain number before the walk back.",
        "Keep a as it is (no int), give the leaf dtype=torch.float64, and leave y a tensor: backward() belongs to a "
        "tensor, and a tensor is what comes back, so no .item() is needed.",
    ),
)
def fix_slope(ask):
    """Repair the given code so that it returns the slope of f at a as a tensor."""
    with ask.part("the slopes of four functions at 0.7 and −1.3", 3):
        for f in smooth(ask.rng, 4):
            for a in POINTS:
                ask(f, a).equals(f.derivative(a), "the slope")
    with ask.part("found by autograd, returned as a tensor"):
        (f,) = smooth(ask.rng, 1)
        ask(f, 0.7).equals(f.derivative(0.7), "the slope").is_tensor().differentiates()


@fix_slope.broken
def slope_that_raises(f, a):
    x = torch.tensor(int(a), requires_grad=True)
    y = f(x).item()
    y.backward()
    return x.grad


@fix_slope.mistake("B4")
def whole_numbers_only(f, a):
    """The leaf holds a whole number. Slopes need numbers that can change a little, so only floating dtypes can be
    tracked."""
    leaf = torch.tensor(int(a), requires_grad=True)
    y = f(leaf)
    y.backward()
    return leaf.grad


@fix_slope.mistake("B7")
def item_before_backward(f, a):
    """.item() turned the tensor into a plain Python number, and a number has no backward: the graph ends there."""
    leaf = torch.tensor(a, dtype=torch.float64, requires_grad=True)
    y = f(leaf).item()
    y.backward()
    return leaf.grad


@fix_slope.mistake("by-itself")
def slope_of_a_tensor_by_itself_again(f, a):
    """1 is the slope of a tensor by itself. Walk back from f(x), not from a new tensor that holds its number, and return the
    .grad of x."""
    return torch.ones(())


@fix_slope.mistake("rounded-point")
def slope_elsewhere(f, a):
    """It runs, but int() is still there: 0.7 became 0 and −1.3 became −1, so these are slopes at other points."""
    leaf = torch.tensor(float(int(a)), dtype=torch.float64, requires_grad=True)
    f(leaf).backward()
    return leaf.grad


@fix_slope.mistake("B1")
def tracking_removed(f, a):
    """Without requires_grad=True the first message is gone, but now nothing is tracked and there is no way back."""
    leaf = torch.tensor(a, dtype=torch.float64)
    f(leaf).backward()
    return leaf.grad


@fix_slope.mistake("none-returned")
def nothing_reached_the_leaf(f, a):
    """None came back. Either that is backward() itself, which returns None, or the walk back never reached the leaf,
    because a new tensor was made on the way."""
    leaf = torch.tensor(a, dtype=torch.float64, requires_grad=True)
    torch.tensor(f(leaf).item(), requires_grad=True).backward()
    return leaf.grad


@fix_slope.mistake("A1")
def height_returned(f, a):
    """You returned the height f(a). The slope is in the .grad of the leaf."""
    leaf = torch.tensor(a, dtype=torch.float64, requires_grad=True)
    return f(leaf)


# --- 1.8 -------------------------------------------------------------------------------------------------------------


@lesson.exercise(
    number="1.8", title="Newton's way to a minimum", signature="(f, a0: float, steps: int) -> float", points=3,
    minutes=15, section="01e",
    hints=(
        "At a minimum the slope is 0. Treat the slope as a straight line through (x, f′(x)): where does it reach 0, and "
        "which derivative says how steep that line is?",
        "One step replaces x by x − f′(x)/f″(x). Before each step look at f″(x): if it is 0 or negative the parabola "
        "opens downward and the step would climb.",
        "In the loop: a new leaf at x; first derivative with create_graph=True; second from the first; if second <= 0 "
        "raise ValueError; then move. Return a float.",
    ),
)
def newton_min(ask):
    """x after so many Newton steps towards a minimum of f; ValueError where f″ ≤ 0 before a step."""
    with ask.part("where one, two and five steps lead", 3):
        for f, start in _bowls(ask.rng):
            for steps in (1, 2, 5):
                ask(f, start, steps).equals(_newton(f, start, steps), "the place after these steps")
    with ask.part("each step squares the error", 2):
        f, start = _bowls(ask.rng)[0]
        goal = _newton(f, start, 12)
        errors = [abs(ask(f, start, steps).number() - goal) for steps in (2, 3)]
        ask(f, start, 3).equals(_newton(f, start, 3), "the place after three steps").holds(
            errors[1] <= 0.5 * errors[0] ** 1.8 + 1e-6, "an error that is about squared by one more step",
            f"the error goes from {errors[0]:.2g} to {errors[1]:.2g}",
        )
    with ask.part("a ValueError where the curve bends down", 2):
        hill = Formula(sympy.cos(Rational(ask.rng.randint(110, 130), 100) * x), x)
        # Something trivial must not earn this part: a right step is demanded beside it.
        ask(hill, 2.3, 1).equals(_newton(hill, 2.3, 1), "the place after these steps")
        ask(hill, 0.3, 1).raises("ValueError", "f″ is negative at the start")
        level = Formula(x**3 + Rational(ask.rng.randint(30, 90), 100) * x, x)
        ask(level, 0.0, 1).raises("ValueError", "f″ is exactly 0 at the start")
        beside = round(1.3 / float(hill.expr.args[0].coeff(x)), 2)  # from this hill a step leads into a valley
        ask(hill, beside, 2).raises("ValueError", "f″ is negative at the start, whatever it is later")
        start = _start_that_jumps_to_a_hill(hill)
        ask(hill, start, 3).raises("ValueError", "f″ is negative before the second step")
        if not ask.problems:  # who is wrong anyhow shall not hear of this first
            ask(hill, start, 1).equals(_newton(hill, start, 1), "the place after the one step, whatever f″ is there,")


def _bowls(rng):
    """Log-cosh valleys with a start from which Newton's way converges fast."""
    shift = Rational(rng.randint(-120, 120), 100)
    steepness = Rational(rng.randint(110, 150), 100)
    flat = Formula(sympy.log(sympy.cosh(x - shift)), x)
    steep = Formula(sympy.log(sympy.cosh(steepness * (x - shift))) + x**2 / 5, x)
    return [(flat, float(shift) + 0.8), (flat, float(shift) - 0.65), (steep, float(shift) + 0.45)]


def _newton(f, start, steps):
    at = start
    for _ in range(steps):
        at -= f.derivative(at) / f.derivative(at, order=2)
    return at


def _start_that_jumps_to_a_hill(f):
    """A start where f″ > 0 from which one step lands where f″ is clearly negative."""
    for start in np.arange(1.4, 3.0, 0.02):
        at = float(round(start, 2))
        if f.derivative(at, order=2) > 0.05 and f.derivative(_newton(f, at, 1), order=2) < -0.3:
            return at
    raise ValueError(f"no start found for {f}")


def _newton_in_torch(f, a0, steps, step, refused=lambda second: second <= 0):
    at = a0
    for _ in range(steps):
        leaf = torch.tensor(at, dtype=torch.float64, requires_grad=True)
        y = f(leaf)
        (first,) = torch.autograd.grad(y, leaf, create_graph=True)
        (second,) = torch.autograd.grad(first, leaf)
        if refused(second):
            raise ValueError("f″ is not positive")
        at -= step(y, first, second).item()
    return at


@newton_min.mistake("A13")
def hills_are_fine(f, a0, steps):
    """The steps are right, but nothing looks at f″: where the curve bends down the same step climbs to a maximum.
    f′ = 0 alone does not mean minimum."""
    return _newton_in_torch(f, a0, steps, lambda y, first, second: first / second, refused=lambda second: False)


@newton_min.mistake("zero-curvature")
def only_negative_is_refused(f, a0, steps):
    """Where f″ is exactly 0 your code divides by it and leaves for infinity. 0 has to be refused, too."""
    return _newton_in_torch(f, a0, steps, lambda y, first, second: first / second, refused=lambda second: second < 0)


@newton_min.mistake("root-of-f")
def towards_a_root(f, a0, steps):
    """Your step is f/f′. That looks for a place where f itself is 0; a minimum is where f′ is 0."""
    return _newton_in_torch(f, a0, steps, lambda y, first, second: y / first)


@newton_min.mistake("no-curvature")
def plain_descent(f, a0, steps):
    """Your step is f′ alone. Without dividing by f″ the step has the wrong length and the error no longer squares."""
    return _newton_in_torch(f, a0, steps, lambda y, first, second: first)


@newton_min.mistake("A12")
def uphill(f, a0, steps):
    """You add f′/f″ where it must be subtracted, so every step leads away from the minimum."""
    return _newton_in_torch(f, a0, steps, lambda y, first, second: -first / second)


@newton_min.mistake("A14")
def square_for_second(f, a0, steps):
    """Your step divides by f′ squared. f″ is the slope of f′, not its square."""
    return _newton_in_torch(f, a0, steps, lambda y, first, second: first / first**2)
