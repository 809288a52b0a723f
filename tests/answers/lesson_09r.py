"""Answers to Review C as students write them."""

import math
import warnings
from functools import cache

import numpy as np
import sympy
import torch
import torch.nn.functional as F
from torch.autograd import Function, grad

from tests.answers import Bank, after, runs

bank = Bank("09r")

# --- RC.1 ------------------------------------------------------------------------------------------------------------

bank.value("review_c_methods", ["difference", "leaf", "shape", "perfect", "norm", "graph"])
bank.value("review_c_methods", ("Difference", "leaf ", "shapes", "PERFECT", "norms", "graph"))
bank.value("review_c_methods", {"A": "difference", "B": "leaf", "C": "shapes", "D": "perfect", "E": "norm", "F": "graph"})
bank.value("review_c_methods", ["differences", "leaf", "shape", "perfect", "norm", "graphs"])

# --- RC.2 ------------------------------------------------------------------------------------------------------------


@bank.honest("ema_step")
def scaled_and_added(shadow, params, decay):
    with torch.no_grad():
        for s, p in zip(shadow, params, strict=True):
            s.mul_(decay).add_(p, alpha=1 - decay)


@bank.honest("ema_step")
@torch.no_grad()
def by_lerp(shadow, params, decay):
    for s, p in zip(shadow, params, strict=True):
        s.lerp_(p, 1 - decay)


@bank.honest("ema_step")
def copied_into(shadow, params, decay):
    with torch.no_grad():
        for i in range(len(shadow)):
            shadow[i].copy_(decay * shadow[i] + (1 - decay) * params[i])


@bank.honest("ema_step")
def through_data(shadow, params, decay):
    for s, p in zip(shadow, params, strict=True):
        s.data = decay * s.data + (1 - decay) * p.data


@bank.honest("ema_step")
def detached_both(shadow, params, decay):
    for s, p in zip(shadow, params, strict=True):
        s.detach().mul_(decay).add_((1 - decay) * p.detach())


@bank.honest("ema_step")
def towards_the_parameter(shadow, params, decay):
    with torch.no_grad():
        for s, p in zip(shadow, params, strict=True):
            s -= (1 - decay) * (s - p)


@bank.honest("ema_step")
def all_at_once(shadow, params, decay):
    with torch.no_grad():
        torch._foreach_lerp_(shadow, params, 1 - decay)


@bank.honest("ema_step")
def with_numpy(shadow, params, decay):
    for s, p in zip(shadow, params, strict=True):
        s.detach().numpy()[...] = decay * s.detach().numpy() + (1 - decay) * p.detach().numpy()
    return shadow


@bank.honest("ema_step")
def slice_assigned(shadow, params, decay):
    with torch.inference_mode(False), torch.no_grad():
        for s, p in zip(shadow, params, strict=True):
            s[:] = torch.lerp(p, s, decay)


@bank.honest("ema_step")
def in_inference_mode(shadow, params, decay):
    with torch.inference_mode():
        for s, p in zip(shadow, params, strict=True):
            s.mul_(decay)
            s.add_(p * (1 - decay))


@bank.honest("ema_step")
def shadow_frozen(shadow, params, decay):
    for s, p in zip(shadow, params, strict=True):
        s.requires_grad_(False)
        s.lerp_(p.detach(), 1 - decay)


@bank.honest("ema_step")
def ready_made(shadow, params, decay):
    torch.optim.swa_utils.get_ema_multi_avg_fn(decay)(shadow, params, None)


@bank.honest("ema_step")
def as_one_vector(shadow, params, decay):
    with torch.no_grad():
        old, new = (torch.nn.utils.parameters_to_vector(some) for some in (shadow, params))
        torch.nn.utils.vector_to_parameters(decay * old + (1 - decay) * new, shadow)


@bank.slip("ema_step", "outside of torch.no_grad()", named="F6")
def shadow_detached_afterwards(shadow, params, decay):
    for s, p in zip(shadow, params, strict=True):
        s.mul_(decay).add_(p, alpha=1 - decay)
        s.detach_()


@bank.slip("ema_step", "make new tensors", named="F5")
def put_into_the_list(shadow, params, decay):
    with torch.no_grad():
        for i, (s, p) in enumerate(zip(shadow, params, strict=True)):
            shadow[i] = decay * s + (1 - decay) * p


@bank.slip("ema_step", "the graph of every step", named="F13")
def operators_without_no_grad(shadow, params, decay):
    for s, p in zip(shadow, params, strict=True):
        s *= decay
        s += (1 - decay) * p


@bank.slip("ema_step", "the graph of every step", named="F13")
def lerp_without_no_grad(shadow, params, decay):
    for s, p in zip(shadow, params, strict=True):
        s.lerp_(p, 1 - decay)


@bank.slip("ema_step", "Where a shadow weight is a tracked leaf itself", named="F6")
def lerp_towards_data(shadow, params, decay):
    for s, p in zip(shadow, params, strict=True):
        s.lerp_(p.data, 1 - decay)


@bank.slip("ema_step", "The shares are swapped", named="swapped")
def lerp_by_decay(shadow, params, decay):
    with torch.no_grad():
        for s, p in zip(shadow, params, strict=True):
            s.lerp_(p, decay)


@bank.slip("ema_step", "your function changed a .grad")
def gradients_cleared(shadow, params, decay):
    with torch.no_grad():
        for s, p in zip(shadow, params, strict=True):
            s.lerp_(p, 1 - decay)
            p.grad = None


@bank.slip("ema_step", "a weight of")
def first_pair_alone(shadow, params, decay):
    with torch.no_grad():
        shadow[0].lerp_(params[0], 1 - decay)


# --- RC.3 ------------------------------------------------------------------------------------------------------------


@bank.honest("ClampSTE")
class HandsOn(Function):
    @staticmethod
    def forward(ctx, x, low, high):
        return x.clamp(low, high)

    @staticmethod
    def backward(ctx, g):
        return g, None, None


@bank.honest("ClampSTE")
class SetUpApart(Function):
    @staticmethod
    def forward(x, low, high):
        return torch.clamp(x, min=low, max=high)

    @staticmethod
    def setup_context(ctx, inputs, output):
        pass

    @staticmethod
    def backward(ctx, grad_output):
        return grad_output.clone(), None, None


@bank.honest("ClampSTE")
class EdgeByEdge(Function):
    @staticmethod
    def forward(ctx, input, low, high):
        y = torch.where(input < low, low * torch.ones_like(input), input)
        return torch.where(y > high, high * torch.ones_like(y), y)

    @staticmethod
    def backward(ctx, *gradients):
        return (*gradients, None, None)


@bank.honest("ClampSTE")
class ByNumpy(Function):
    @staticmethod
    def forward(ctx, x, low, high):
        ctx.save_for_backward(x)
        ctx.edges = low, high
        return torch.from_numpy(np.clip(x.numpy(), low, high))

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return g * torch.ones_like(x), None, None


@bank.honest("ClampSTE")
class CopyClampedInPlace(Function):
    @staticmethod
    def forward(ctx, x, a, b):
        out = x.detach().clone()
        out[out < a] = a
        out[out > b] = b
        return out

    @staticmethod
    def backward(ctx, g):
        grads = [None] * 3
        if ctx.needs_input_grad[0]:
            grads[0] = g
        return tuple(grads)


@bank.honest("ClampSTE")
class MinOfMax(Function):
    @staticmethod
    def forward(ctx, x, low, high):
        return x.maximum(torch.tensor(low, dtype=x.dtype)).minimum(torch.tensor(high, dtype=x.dtype))

    @staticmethod
    def backward(ctx, g):
        return 1.0 * g, None, None


@bank.slip("ClampSTE", "the true slope of clamp", named="true-slope")
class GateByMask(HandsOn):
    @staticmethod
    def forward(ctx, x, low, high):
        y = x.clamp(low, high)
        ctx.inside = y == x
        return y

    @staticmethod
    def backward(ctx, g):
        return torch.where(ctx.inside, g, torch.zeros_like(g)), None, None


def gradients_of(name, *things):
    """A class of this name, for PyTorch's message holds it, whose backward returns these in place of (g, None, None)."""
    return type(name, (HandsOn,), {"backward": staticmethod(lambda ctx, g: tuple(g if one == "g" else one for one in things))})


bank.slip("ClampSTE", "return one for each", named="D11")(gradients_of("ClampSTE", "g", None))
bank.slip("ClampSTE", "None belongs there", named="D11-none")(gradients_of("ClampSTE", None, None, "g"))


@bank.slip("ClampSTE", "the gradient of x is")
class MinusG(HandsOn):
    @staticmethod
    def backward(ctx, g):
        return -g, None, None


@bank.slip("ClampSTE", "the nearest number of the range")
class Rounded(HandsOn):
    @staticmethod
    def forward(ctx, x, low, high):
        return x.round().clamp(low, high)


bank.value("ClampSTE", HandsOn)

# --- RC.4 ------------------------------------------------------------------------------------------------------------


@bank.honest("fix_review_step")
def two_lines_mended(model, optimiser, X, y):
    optimiser.zero_grad()
    loss = torch.nn.functional.cross_entropy(model(X), y)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimiser.step()
    return loss.item()


@bank.honest("fix_review_step")
def by_log_softmax(model, optimiser, X, y):
    logits = model(X)
    loss = F.nll_loss(F.log_softmax(logits, dim=-1), y)
    model.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(list(model.parameters()), max_norm=1, norm_type=2)
    optimiser.step()
    optimiser.zero_grad()
    return float(loss)


@bank.honest("fix_review_step")
def clipped_by_hand(model, optimiser, X, y):
    loss = torch.nn.CrossEntropyLoss()(model(X), y)
    optimiser.zero_grad(set_to_none=False)
    loss.backward()
    norm = torch.cat([p.grad.flatten() for p in model.parameters()]).norm()
    if norm > 1:
        for p in model.parameters():
            p.grad /= norm
    optimiser.step()
    return loss.detach()


@bank.honest("fix_review_step")
def gradients_assigned(model, optimiser, X, y):
    params = [p for p in model.parameters() if p.requires_grad]
    z = model(X)
    loss = (torch.logsumexp(z, dim=1) - z[torch.arange(len(y)), y]).mean()
    gradients = grad(loss, params)
    factor = min(1.0, 1.0 / torch.stack([(g**2).sum() for g in gradients]).sum().sqrt().item())
    for p, g in zip(params, gradients, strict=True):
        p.grad = factor * g
    optimiser.step()
    return loss.item()


@bank.honest("fix_review_step")
def in_two_calls(model, optimiser, X, y):
    optimiser.zero_grad()
    loss = F.cross_entropy(model(X), y)
    loss.backward()
    gradients = [p.grad for p in model.parameters()]
    total = torch.nn.utils.get_total_norm(gradients)
    torch.nn.utils.clip_grads_with_norm_(model.parameters(), 1.0, total)
    optimiser.step()
    return loss.item()


@bank.honest("fix_review_step")
def in_a_closure(model, optimiser, X, y):
    def closure():
        optimiser.zero_grad()
        loss = F.cross_entropy(model(X), y)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        return loss

    return optimiser.step(closure).item()


@bank.slip("fix_review_step", "Your step still uses the whole gradient", named="F12")
def clipped_before_backward(model, optimiser, X, y):
    optimiser.zero_grad()
    loss = F.cross_entropy(model(X), y)
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    loss.backward()
    optimiser.step()
    return loss.item()


@bank.slip("fix_review_step", "Your step still uses the whole gradient", named="F12")
def clipped_after_the_step(model, optimiser, X, y):
    optimiser.zero_grad()
    loss = F.cross_entropy(model(X), y)
    loss.backward()
    optimiser.step()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    return loss.item()


@bank.slip("fix_review_step", "softmax of a softmax", named="E5")
def only_the_clipping_moved(model, optimiser, X, y):
    optimiser.zero_grad()
    p = torch.softmax(model(X), dim=1)
    loss = F.cross_entropy(p, y)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimiser.step()
    return loss.item()


@bank.slip("fix_review_step", "Both faults are left", named="both-left")
def renamed_only(model, optimiser, X, y):
    optimiser.zero_grad()
    probabilities = torch.softmax(model(X), dim=-1)
    loss = F.cross_entropy(probabilities, y)
    loss.backward()
    optimiser.step()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    return loss.item()


@bank.slip("fix_review_step", "What lay in .grad before", named="F1")
def cleared_at_the_end(model, optimiser, X, y):
    loss = F.cross_entropy(model(X), y)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimiser.step()
    return loss.item()


@bank.slip("fix_review_step", "not a constant factor")
def clipped_to_a_tenth(model, optimiser, X, y):
    optimiser.zero_grad()
    loss = F.cross_entropy(model(X), y)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 0.1)
    optimiser.step()
    return loss.item()


bank.hide("ema_step", r"s \*= decay|lerp_\(p|mul_\(decay")
bank.hide("ClampSTE", r"return g, None, None|clamp\(low, high\)")
bank.hide("fix_review_step", r"cross_entropy\(model\(X\)")

# --- questions -------------------------------------------------------------------------------------------------------


def by_the_right_logit():
    z = sympy.symbols("z0:3")
    loss = sympy.log(sum(map(sympy.exp, z))) - z[1]
    at = dict(zip(z, map(math.log, (0.7, 0.2, 0.1)), strict=True))
    return float(sympy.diff(loss, z[1]).subs(at))


def grad_after_a_cast():
    w = after("w = torch.ones(3, requires_grad=True).double()", "(w**2).sum().backward()").w
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it says what the question is about
        return str(w.grad) if w.grad is None else str(int(w.grad[0]))


def passes_of_a_central_difference():
    seen = []
    h = 1e-6
    slope = ((lambda x: seen.append(x) or x**2)(3 + h) - (lambda x: seen.append(x) or x**2)(3 - h)) / (2 * h)
    return len(seen) if math.isclose(slope, 6, rel_tol=1e-6) else None


def which_backward_is_ahead():
    """Descent on s² with s = w / (1 + w), in one number: with the slope of s, and with its square forgotten."""

    def losses(power):
        w, seen = 2.0, []
        for _ in range(20):
            s = w / (1 + w)
            w -= 0.2 * 2 * s / (1 + w) ** power
            seen.append((w / (1 + w)) ** 2)
        return seen

    ahead = {"wrong" if wrong < right else "right" for wrong, right in zip(losses(1), losses(2), strict=True)}
    return ahead.pop() if len(ahead) == 1 else None


def norm_before_backward():
    w = torch.tensor([3.0, 4.0], requires_grad=True)
    (w**2).sum()
    return torch.nn.utils.clip_grad_norm_([w], 1.0).item()


def longest_step():
    w = torch.zeros(3, requires_grad=True)
    w.grad = torch.tensor([30.0, -40.0, 120.0])
    torch.nn.utils.clip_grad_norm_([w], 1.0)
    torch.optim.SGD([w], lr=0.1).step()
    return w.norm().item()


def behind_a_shadow(steps):
    w, shadow, seen = torch.tensor(2.0, requires_grad=True), torch.tensor(2.0), set()
    for _ in range(steps):
        shadow = 0.9 * shadow + 0.1 * w
    waiting = [shadow.grad_fn]
    while waiting:
        node = waiting.pop()
        if node is not None and node not in seen:
            seen.add(node)
            waiting += [parent for parent, _ in node.next_functions]
    return len(seen)


def from_an_alias():
    w = torch.tensor(2.0, requires_grad=True)
    shadow = w.detach()
    optimiser = torch.optim.SGD([w], lr=0.1)
    for _ in range(3):
        w.grad = torch.tensor(1.0)
        optimiser.step()
    return (w - shadow).item() if not math.isclose(w.item(), 2.0) else None


@cache
def clamped_and_walked_back(through):
    w = torch.tensor(3.0, requires_grad=True)
    y = HandsOn.apply(w, -1.0, 1.0) if through else w.clamp(-1, 1)
    ((y - 0.5) ** 2).backward()
    return w.grad.item()


def running_away():
    w = 1.0
    for _ in range(100):
        w -= 0.1 * 2 * (min(max(w, -1), 1) - 1.5)
    return w


def steepest():
    angles = np.linspace(0, 2 * np.pi, 360001)
    return round(float((3 * np.cos(angles) - 4 * np.sin(angles)).max()), 6)


def clipped_from_40():
    w = torch.zeros(2, requires_grad=True)
    w.grad = torch.tensor([24.0, 32.0])
    before = torch.nn.utils.clip_grad_norm_([w], 1.0)
    return round(w.grad.norm().item(), 5) if before == 40 else None


def what_keeps_a_shadow_untracked():
    setting = ("w = torch.ones(2, requires_grad=True)", "w.sum().backward()", "shadow = w.detach().clone()")
    update = "shadow.mul_(0.9).add_(w, alpha=0.1)"
    ways = {"no_grad": ("with torch.no_grad(): " + update,), "zero_grad": ("w.grad = None", update),
            "backward": (update, "w.sum().backward()")}
    return next(name for name, lines in ways.items() if not after(*setting, *lines).shadow.requires_grad)


def flat_is_connected():
    w = torch.tensor(3.0, requires_grad=True)
    y = w.clamp(-1, 1)
    y.backward()
    return w.grad == 0 and y.grad_fn is not None


bank.computed = {
    "09r-mix-1": lambda: torch.func.grad(lambda b: (torch.ones(5, 3) + b).sum())(torch.ones(3))[0].item(),
    "09r-mix-2": by_the_right_logit,
    "09r-mix-3": lambda: tuple(torch.func.jacrev(lambda X: X**2)(torch.ones(3, 2)).shape),
    "09r-mix-4": grad_after_a_cast,
    "09r-mix-5": lambda: len("x, n".split(", ")),
    "09r-price": passes_of_a_central_difference,
    "09r-runs": which_backward_is_ahead,
    "09r-clip": norm_before_backward,
    "09r-fill-step": longest_step,
    "09r-perfect": lambda: round(F.cross_entropy(torch.tensor([[20.0, 0, 0, 0]]), torch.tensor([0])).item(), 2),
    "09r-behind": lambda: behind_a_shadow(100),
    "09r-quiet": lambda: runs("w = torch.ones(2, requires_grad=True)", "w.detach().clone().mul_(0.9).add_(w, alpha=0.1)"),
    "09r-alias": from_an_alias,
    "09r-memory": lambda: round(0.99**100, 3),
    "09r-fill-shadow": lambda: torch.lerp(torch.tensor(2.0), torch.tensor(4.0), 0.1).item(),
    "09r-none-or-zero": lambda: str(int(clamped_and_walked_back(False))),
    "09r-through": lambda: clamped_and_walked_back(True),
    "09r-runaway": running_away,
    "09r-change": lambda: -1.5 * (2.2 - 2),
    "09r-steepest": steepest,
    "09r-cumsum": lambda: torch.func.grad(lambda x: torch.cumsum(x, 0).sum())(torch.ones(4))[0].item(),
    "09r-exit-1": clipped_from_40,
    "09r-exit-2": what_keeps_a_shadow_untracked,
    "09r-exit-3": lambda: bool(flat_is_connected()),
}
