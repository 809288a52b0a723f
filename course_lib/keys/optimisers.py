"""Optimisers for the key of lesson 07: by NumPy as the reference, and the wrong ones people write."""

import numpy as np
import torch

from course_lib.judge import reports

STEPS = 20
COUPLING = 0.3


def gradients(w, b, target_w, target_b):
    """Of ½Σ(w − target)² + ½Σ(b − target)² + COUPLING·Σw·Σb."""
    return w - target_w + COUPLING * b.sum(), b - target_b + COUPLING * w.sum()


def walk(optimiser, w, b, target_w, target_b):
    """The places of w and b after each of STEPS steps, stacked."""
    places = [w.copy(), b.copy()]
    path = [[], []]
    for _ in range(STEPS):
        places = optimiser.step(places, gradients(*places, target_w, target_b))
        for one, place in zip(path, places, strict=True):
            one.append(place)
    return np.stack(path[0]), np.stack(path[1])


class Momentum:
    """v ← momentum·v + g; w ← w − lr·v."""

    def __init__(self, lr, momentum):
        self.lr, self.momentum, self.v = lr, momentum, [0.0, 0.0]

    def step(self, places, grads):
        self.v = [self.momentum * v + g for v, g in zip(self.v, grads, strict=True)]
        return [place - self.lr * v for place, v in zip(places, self.v, strict=True)]


class Adam:
    """As in the paper, with the decay added to the gradient."""

    def __init__(self, lr, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0):
        self.lr, self.betas, self.eps, self.decay = lr, betas, eps, weight_decay
        self.m, self.v, self.t = [0.0, 0.0], [0.0, 0.0], 0

    def step(self, places, grads):
        self.t += 1
        (first, second), moved = self.betas, []
        for k, (place, g) in enumerate(zip(places, grads, strict=True)):
            g = g + self.decay * place
            self.m[k] = first * self.m[k] + (1 - first) * g
            self.v[k] = second * self.v[k] + (1 - second) * g**2
            m, v = self.m[k] / (1 - first**self.t), self.v[k] / (1 - second**self.t)
            moved.append(place - self.lr * m / (np.sqrt(v) + self.eps))
        return moved


# --- how an answer is used: travels as source ------------------------------------------------------------------------


@reports(w=object, b=object)
def twenty_steps(optimiser_class, w, b, target_w, target_b, settings):
    """Twenty rounds of zero_grad, forward, backward and step on two tensors that depend on each other"""
    w, b = w.clone().requires_grad_(), b.clone().requires_grad_()
    optimiser, path = optimiser_class([w, b], **settings), [[], []]
    for _ in range(20):
        optimiser.zero_grad()
        loss = ((w - target_w) ** 2).sum() / 2 + ((b - target_b) ** 2).sum() / 2 + 0.3 * w.sum() * b.sum()
        loss.backward()
        optimiser.step()
        for places, parameter in zip(path, (w, b), strict=True):
            places.append(parameter.detach().clone())
    return {"w": torch.stack(path[0]), "b": torch.stack(path[1])}


@reports(w=object, b=object, optimisers=int, leaves=bool, cleared=bool, rests=bool)
def with_an_idle_parameter(optimiser_class, w, b, target_w, target_b, settings):
    """Twenty rounds with a third tensor that takes part in the third round only"""
    w, b, idle = w.clone().requires_grad_(), b.clone().requires_grad_(), torch.ones(2, requires_grad=True)
    made, make, places_of_idle = [], torch.optim.Optimizer.__init__, []

    def noted_make(self, *args, **kwargs):
        own = [kind for kind in type(self).__mro__ if kind is not torch.optim.Optimizer]
        made.extend(kind for kind in own if kind.__module__.startswith("torch.optim"))  # its step is not the student's
        make(self, *args, **kwargs)

    torch.optim.Optimizer.__init__ = noted_make
    try:
        optimiser, path = optimiser_class([w, idle, b], **settings), [[], []]
        for k in range(20):
            optimiser.zero_grad()
            loss = ((w - target_w) ** 2).sum() / 2 + ((b - target_b) ** 2).sum() / 2 + 0.3 * w.sum() * b.sum()
            loss.backward()
            idle.grad = torch.ones(2) if k == 2 else None
            optimiser.step()
            for places, parameter in zip(path, (w, b), strict=True):
                places.append(parameter.detach().clone())
            places_of_idle.append(idle.detach().clone())
        optimiser.zero_grad()
    finally:
        torch.optim.Optimizer.__init__ = make
    three = (w, b, idle)
    return {
        "w": torch.stack(path[0]), "b": torch.stack(path[1]), "optimisers": len(made),
        "leaves": all(one.is_leaf and one.requires_grad for one in three),
        "cleared": all(one.grad is None or not one.grad.any() for one in three),
        "rests": all(torch.equal(one, places_of_idle[2 if k > 2 else 0]) for k, one in enumerate(places_of_idle) if k != 2),
    }


# --- wrong ones ------------------------------------------------------------------------------------------------------


class _Hand:
    """What all wrong optimisers share; `moved(g, k)` is what a parameter moves by, over −lr."""

    def __init__(self, params, lr, momentum=0.0, **settings):
        self.params, self.lr, self.momentum = list(params), lr, momentum
        self.v = [torch.zeros_like(p) for p in self.params]
        self.__dict__.update(settings)

    def step(self):
        with torch.no_grad():
            for k, p in enumerate(self.params):
                if p.grad is not None:
                    p -= self.lr * self.moved(p.grad, k)

    def moved(self, g, k):
        self.v[k] = self.momentum * self.v[k] + g
        return self.v[k]

    def zero_grad(self):
        for p in self.params:
            p.grad = None


def add_momentum_mistakes(exercise):
    """The mistakes of HandMomentum."""

    @exercise.mistake("damped")
    class Damped(_Hand):
        """Your velocity is a running mean, momentum·v + (1 − momentum)·g. Momentum adds the gradient in full."""

        def moved(self, g, k):
            self.v[k] = self.momentum * self.v[k] + (1 - self.momentum) * g
            return self.v[k]

    @exercise.mistake("plain")
    class NoMemory(_Hand):
        """Nothing is carried over from one step to the next: this is plain gradient descent."""

        def moved(self, g, k):
            return g

    @exercise.mistake("nesterov")
    class Nesterov(_Hand):
        """You move by gradient + momentum·velocity: that is Nesterov's variant. Plain momentum moves by the velocity itself."""

        def moved(self, g, k):
            return g + self.momentum * super().moved(g, k)

    @exercise.mistake("moved-first")
    class MovedFirst(_Hand):
        """You move by the old velocity and update it afterwards, so every gradient acts one step late. Update the velocity
        first."""

        def moved(self, g, k):
            old = self.v[k]
            super().moved(g, k)
            return old

    @exercise.mistake("F4")
    class Uphill(_Hand):
        """You add lr·velocity. Training goes down: subtract it."""

        def moved(self, g, k):
            return -super().moved(g, k)

    @exercise.mistake("F1")
    class NeverCleared(_Hand):
        """zero_grad does not clear, so the gradients pile up, and the velocity adds them up once more."""

        def zero_grad(self):
            self.cleared = True

    @exercise.mistake("lr-twice")
    class RateTwice(_Hand):
        """The learning rate is in twice: once in the velocity and once in the update."""

        def moved(self, g, k):
            return super().moved(self.lr * g, k)

    @exercise.mistake("C11")
    class VelocityIsTheGradient(_Hand):
        """Your velocity is the tensor .grad itself, not a copy: zero_grad wipes it out, too. Keep a clone."""

        def moved(self, g, k):
            self.v[k] = g if not self.v[k].any() else self.v[k].mul_(self.momentum).add_(g)
            return self.v[k]

        def zero_grad(self):
            for p in self.params:
                if p.grad is not None:
                    p.grad.zero_()

    @exercise.mistake("C9")
    class ZeroesNothing(_Hand):
        """`p.grad.zero_()` fails before the first backward: .grad is None there."""

        def zero_grad(self):
            for p in self.params:
                p.grad.zero_()

    @exercise.mistake("F6")
    class Tracked(_Hand):
        """The step must run under torch.no_grad(): a tracked leaf may not be changed in place otherwise."""

        def step(self):
            for k, p in enumerate(self.params):
                p -= self.lr * self.moved(p.grad, k)

    @exercise.mistake("F5")
    class NewTensors(_Hand):
        """Your step puts new tensors into its own list; the caller's parameters stay where they were."""

        def step(self):
            with torch.no_grad():
                for k, p in enumerate(self.params):
                    if p.grad is not None:
                        self.params[k] = p - self.lr * self.moved(p.grad, k)
                        self.params[k].grad = p.grad


class _HandAdam(_Hand):
    """Adam, so far right."""

    def __init__(self, params, lr, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0):
        super().__init__(params, lr, betas=betas, eps=eps, weight_decay=weight_decay)
        self.m, self.t = [torch.zeros_like(p) for p in self.params], 0

    def step(self):
        self.t += 1
        super().step()

    def means(self, g, k):
        first, second = self.betas
        self.m[k] = first * self.m[k] + (1 - first) * g
        self.v[k] = second * self.v[k] + (1 - second) * g**2
        return self.m[k] / (1 - first**self.t), self.v[k] / (1 - second**self.t)

    def moved(self, g, k):
        return self.quotient(*self.means(g + self.weight_decay * self.params[k], k))

    def quotient(self, m, v):
        return m / (v.sqrt() + self.eps)


def add_adam_mistakes(exercise):
    """The mistakes of HandAdam."""

    @exercise.mistake("no-correction")
    class NoCorrection(_HandAdam):
        """The running means are used as they are. They start at 0 and are too small at first: divide by 1 − βᵗ."""

        def means(self, g, k):
            super().means(g, k)
            return self.m[k], self.v[k]

    @exercise.mistake("m-only")
    class OnlyFirstCorrected(_HandAdam):
        """Only m is divided by 1 − β₁ᵗ. v starts at 0 as well and is too small at first: divide it by 1 − β₂ᵗ."""

        def means(self, g, k):
            return super().means(g, k)[0], self.v[k]

    @exercise.mistake("v-only")
    class OnlySecondCorrected(_HandAdam):
        """Only v is divided by 1 − β₂ᵗ. m starts at 0 as well and is too small at first: divide it by 1 − β₁ᵗ."""

        def means(self, g, k):
            v = super().means(g, k)[1]
            return self.m[k], v

    @exercise.mistake("not-squared")
    class NotSquared(_HandAdam):
        """Your v is a mean of the gradients. Where they are negative its root is NaN: v is the mean of their squares."""

        def means(self, g, k):
            v = self.betas[1] * self.v[k] + (1 - self.betas[1]) * g
            m = super().means(g, k)[0]
            self.v[k] = v
            return m, v / (1 - self.betas[1] ** self.t)

    @exercise.mistake("decay-sign")
    class DecaySubtracted(_HandAdam):
        """You subtract λ·w from the gradient, so the weights are driven away from 0. Decay pulls them towards it: add λ·w."""

        def moved(self, g, k):
            return super().moved(g - 2 * self.weight_decay * self.params[k], k)

    @exercise.mistake("F10")
    class DecayDoubled(_HandAdam):
        """Your decay adds 2·λ·w, the gradient of λw². weight_decay=λ adds λ·w, the gradient of ½λw²."""

        def moved(self, g, k):
            return super().moved(g + self.weight_decay * self.params[k], k)

    @exercise.mistake("adamw")
    class Decoupled(_HandAdam):
        """You shrink the weights apart from the gradient: that is AdamW. Adam adds the decay to the gradient first."""

        def moved(self, g, k):
            return self.quotient(*self.means(g, k)) + self.weight_decay * self.params[k]

    @exercise.mistake("no-decay")
    class NoDecay(_HandAdam):
        """weight_decay is not used."""

        def moved(self, g, k):
            return self.quotient(*self.means(g, k))

    @exercise.mistake("no-root")
    class NoRoot(_HandAdam):
        """You divide by the mean of the squares. Its square root has the unit of a gradient."""

        def quotient(self, m, v):
            return m / (v + self.eps)

    @exercise.mistake("eps-inside")
    class EpsInside(_HandAdam):
        """eps stands inside the root. It is added after the root."""

        def quotient(self, m, v):
            return m / (v + self.eps).sqrt()

    @exercise.mistake("betas-swapped")
    class BetasSwapped(_HandAdam):
        """The two betas have changed places: the first is for the gradients, the second for their squares."""

        def means(self, g, k):
            betas = self.betas
            self.betas = betas[::-1]
            found = super().means(g, k)
            self.betas = betas
            return found

    @exercise.mistake("t-per-parameter")
    class CountsParameters(_HandAdam):
        """t grows with every parameter instead of every step, so all but the first are corrected for the wrong t."""

        def step(self):
            self.t -= 1
            super().step()

        def means(self, g, k):
            self.t += 1
            return super().means(g, k)

    @exercise.mistake("t-early")
    class StartsAtZero(_HandAdam):
        """t is 0 in the first step, and 1 − β⁰ is 0: both corrections divide by 0. Count up before you correct."""

        def __init__(self, *args, **kwargs):
            super().__init__(*args, **kwargs)
            self.t = -1

    @exercise.mistake("t-late")
    class StartsAtTwo(_HandAdam):
        """t is one too large: it counts from 1, and the first step has t = 1."""

        def __init__(self, *args, **kwargs):
            super().__init__(*args, **kwargs)
            self.t = 1

    @exercise.mistake("F1")
    class NeverCleared(_HandAdam):
        """zero_grad does not clear, so the gradients pile up."""

        def zero_grad(self):
            self.cleared = True

    @exercise.mistake("C9")
    class ZeroesNothing(_HandAdam):
        """`p.grad.zero_()` fails before the first backward: .grad is None there."""

        def zero_grad(self):
            for p in self.params:
                p.grad.zero_()
