"""What cannot be drawn is refused in one sentence, the same faults by every plot and every explorer that takes an f."""

import math

import pytest
import torch

import course_lib as c

ONE = {
    "plot_function": c.plot_function, "plot_with_derivative": c.plot_with_derivative, "plot_activation": c.plot_activation,
    "plot_tangent": lambda f: c.plot_tangent(f, 0.5), "plot_secants": lambda f: c.plot_secants(f, 0.5),
    "plot_zoom": lambda f: c.plot_zoom(f, 0.5), "plot_step_error": lambda f: c.plot_step_error(f, 0.5),
    "plot_remainder": lambda f: c.plot_remainder(f, 0.5), "derivative_detective": c.derivative_detective,
}
TWO = {
    "plot_contour": c.plot_contour, "plot_slices": lambda f: c.plot_slices(f, (0.5, 0.5)),
    "plot_descent": lambda f: c.plot_descent(f, [(1, 1), (0.5, 0.5)]), "plot_regions": c.plot_regions,
    "compass_on_a_hill": c.compass_on_a_hill, "learning_rate_dial": c.learning_rate_dial, "loop_builder": c.loop_builder,
}
VECTOR = {
    "plot_jacobian": lambda f: c.plot_jacobian(f, (1.0, 2.0)), "plot_ribbons": lambda f: c.plot_ribbons(f, (1.0, 2.0)),
    "plot_map": lambda f: c.plot_map(f, (1.0, 2.0)), "cotangent_mixer": lambda f: c.cotangent_mixer(f, (1.0, 2.0)),
    "jacobian_microscope": c.jacobian_microscope, "ribbon_view": c.ribbon_view,
    "sum_trick_lie_detector": c.sum_trick_lie_detector, "softmax_seesaw": c.softmax_seesaw,
}
GRAPH = {
    "trace": lambda f: c.trace(f, x=0.7), "step_through": lambda f: c.step_through(f, x=0.7),
    "backprop_stepper": lambda f: c.backprop_stepper(f, x=0.7), "backward_order": lambda f: c.backward_order(f, x=0.7),
}
ELEMENTWISE = {"depth_dial": c.depth_dial, "staircase_walk": c.staircase_walk, "upstream_dial": c.upstream_dial}

ANY = {
    "no function": 3, "no tensor": lambda *x: None, "an error": lambda *x: x[0].no_such_thing,
    "integers": lambda *x: sum(x).round().int(),
}
NAN = {"NaN everywhere": lambda *x: sum(x) * float("nan")}
LEAVES = {"it leaves torch": lambda *x: torch.tensor(sum(x).detach().numpy() ** 2)}
SHAPE = {"two numbers for one": lambda *x: torch.stack([sum(x), sum(x)]) if sum(x).ndim == 0 else sum(x).sum()}
PLANE = {"two numbers for one": lambda u, v: torch.stack([u, v])}


def asked(takers, *faults):
    return [pytest.param(take, f, id=f"{name}, {fault}") for name, take in takers.items()
            for kind in faults for fault, f in kind.items()]


def only(takers, *names):
    return {name: takers[name] for name in names}


@pytest.mark.parametrize(
    "take, f",
    asked(ONE, ANY, NAN, LEAVES, SHAPE) + asked(TWO, ANY, NAN, PLANE) + asked(VECTOR, ANY, NAN, LEAVES)
    + asked({name: take for name, take in TWO.items() if name != "plot_descent"}, LEAVES)  # it needs no slope
    + asked(GRAPH, ANY, LEAVES) + asked(only(GRAPH, "trace"), SHAPE) + asked(ELEMENTWISE, ANY, NAN, LEAVES),
)
def test_what_cannot_be_drawn_is_refused_in_one_sentence(take, f):
    with pytest.raises((TypeError, ValueError)) as refused:
        take(f)
    words = str(refused.value)
    assert "\n" not in words and 20 < len(words) < 300
    assert words[0] not in "<{[" and "Traceback" not in words


@pytest.mark.parametrize("over", [(2, 2), (3, -3), 3, ("a", "b"), (0, math.inf)], ids=str)
@pytest.mark.parametrize("take", [c.plot_function, c.plot_with_derivative, c.plot_activation, c.derivative_detective,
                                  lambda f, over: c.plot_tangent(f, 0.5, over),
                                  lambda f, over: c.plot_secants(f, 0.5, over=over)])
def test_an_empty_or_senseless_range_is_refused(take, over):
    with pytest.raises((TypeError, ValueError), match="over"):
        take(torch.sin, over=over)


@pytest.mark.parametrize("take", [c.plot_jacobian, c.plot_ribbons, c.plot_map])
def test_numbers_given_as_integers_are_taken_as_numbers_and_tables_refused(take):
    assert take(lambda x: x**2, torch.tensor([1, 2])).description == take(lambda x: x**2, (1.0, 2.0)).description
    with pytest.raises(ValueError, match="must have shape"):
        take(lambda x: x**2, torch.ones(2, 2))


@pytest.mark.parametrize("norms", [None, 3, "abc", [None, "a"], torch.tensor(3.0)], ids=str)
def test_norms_that_are_no_list_of_numbers_are_refused(norms):
    with pytest.raises(TypeError, match="norm"):
        c.plot_gradient_flow(norms)
