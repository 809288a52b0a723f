"""The tape holds what autograd recorded: every edge in order, shares per result, and no .grad is written."""

import torch

from course_lib.recorder import Recorder, key_of
from course_lib.tape import Tape


def taped(f, **leaves):
    """(tape after a backward pass, the leaves)."""
    made = {name: torch.tensor(value, dtype=torch.float64, requires_grad=True) for name, value in leaves.items()}
    recorder = Recorder(f)
    for leaf in made.values():
        recorder.meet(leaf)
    with recorder:
        y = f(**made)
    recorder.meet(y)
    tape = Tape(recorder, y, made.values())
    tape.run(torch.ones_like(y))
    return tape, made


def test_inputs_come_before_results_and_leaves_first():
    tape, leaves = taped(lambda x, a: a * (torch.sin(a) + x), x=1.0, a=2.0)
    place = {key: i for i, key in enumerate(tape.order)}
    assert tape.order[:2] == [key_of(leaf) for leaf in leaves.values()]
    assert all(place[link.source] < place[key] for key, links in tape.links.items() for link in links)


def test_nodes_are_met_once_and_edges_each_time():
    tape, leaves = taped(lambda x: x * x, x=3.0)
    assert len(tape.order) == 2
    assert [(link.source, link.position) for link in tape.links[tape.root]] == [(key_of(leaves["x"]), i) for i in (0, 1)]
    assert tape.locals(tape.root) == {0: 3, 1: 3}


def test_each_result_of_an_operation_has_a_share_of_its_own():
    def f(v):
        a, b = v.unbind()
        return a * b

    tape, _ = taped(f, v=[2.0, 5.0])
    shares = [tape.shares(key)[0].tolist() for key in tape.order if tape.results[key[0]] == 2]
    assert shares == [[5, 0], [0, 2]]


def test_running_it_writes_no_grad_and_leaves_no_hooks():
    tape, leaves = taped(lambda x: torch.sin(x) ** 2, x=1.0)
    assert leaves["x"].grad is None
    torch.testing.assert_close(tape.gradients[key_of(leaves["x"])], torch.sin(2 * leaves["x"].detach()))
    tape.sent.clear()
    tape.y.backward()
    assert tape.sent == {}


def test_local_derivatives_are_taken_before_and_after_a_run_alike():
    tape, _ = taped(lambda x: torch.exp(x) * x, x=0.5)
    before = [tape.locals(key) for key in tape.order]
    tape.run(torch.ones((), dtype=torch.float64))
    assert [tape.locals(key) for key in tape.order] == before
