"""The walk in an order of one's own: right where each node is asked after all that it flows into, else off by what came late."""

import itertools
import math

import pytest
import torch

from course_lib.explore_10 import backward_order

NAMES = ("a", "s", "p", "q", "y")
BEFORE = {("y", "p"), ("y", "q"), ("p", "s"), ("q", "s"), ("p", "a"), ("s", "a")}  # whose results flow into which


def in_order(order):
    return all(order.index(first) < order.index(then) for first, then in BEFORE)


def slope(x=0.7):
    """Of sin(x²)·(x² + x), by hand."""
    return 2 * x * math.cos(x * x) * (x * x + x) + math.sin(x * x) * (2 * x + 1)


def brought(order, x=0.7):
    """What the walk brings to x, written out path by path: a path counts if it meets its nodes in the order of asking."""
    a, s = x * x, math.sin(x * x)
    local = {("a", "x"): [x, x], ("q", "x"): [s], ("s", "a"): [math.cos(a)], ("p", "a"): [s], ("p", "s"): [a], ("q", "s"): [x],
             ("y", "p"): [1], ("y", "q"): [1]}
    total, waiting = 0.0, [(("y",), 1.0)]
    while waiting:
        path, size = waiting.pop()
        if path[-1] == "x":
            asked = [order.index(node) for node in path[:-1]]
            total += size if asked == sorted(asked) else 0
        waiting += [((*path, end), size * factor) for (start, end), factors in local.items() if start == path[-1]
                    for factor in factors]
    return total


def texts(explorer):
    return [text.get_text() for text in explorer.scene.figure.axes[0].texts if text.get_visible() and text.get_text()]


def below(explorer):
    (line,) = [text for text in texts(explorer) if "so far" in text]
    return line


def numbers_of(line):
    has, right = line.replace("−", "-").removeprefix("x: ").split(" so far, right ")
    return float(has), float(right)


@pytest.mark.parametrize("order", list(itertools.permutations(NAMES)), ids="".join)
def test_every_order_brings_what_its_paths_let_through_and_only_right_ones_do_the_task(order):
    explorer = backward_order().set(order=order)
    has, right = numbers_of(below(explorer))
    assert has == pytest.approx(brought(order), rel=1e-3, abs=1e-9) and right == pytest.approx(slope(), rel=1e-3)
    assert explorer.done == [in_order(order), False] and in_order(order) == math.isclose(brought(order), slope())


def test_what_is_off_has_to_be_typed_for_a_wrong_order_with_every_node_asked():
    order, off = ("y", "p", "s", "a", "q"), slope() - brought(("y", "p", "s", "a", "q"))
    assert off > 0.1
    assert backward_order().set(order=order, off=f"{off:.3f}").done == [False, True]
    assert backward_order().set(order=order, off=f"−{off:.3f}").done == [False, True]
    assert backward_order().set(order=order, off="2.599 - 1.735").done == [False, True]
    for wrong in (f"{slope():.3f}", f"{off + 0.05:.3f}", "0"):
        explorer = backward_order().set(order=order, off=wrong)
        assert explorer.done == [False, False] and explorer.task_lines()[1].endswith("(that is another number)")
    assert backward_order().set(order=order[:4], off=f"{off:.3f}").done == [False, False]
    assert backward_order().set(order=("y", "p", "q", "s", "a"), off="0").done == [True, False]


def test_a_new_card_empties_the_field():
    explorer = backward_order().set(order=("y",), off="0.5")
    assert explorer.set(order=("y", "p")).values["off"] == ""


def test_what_cannot_be_read_is_said():
    explorer = backward_order().set(off="much")
    assert explorer.failed and "much" in explorer.text
    assert not explorer.set(off="").failed


def test_a_share_that_comes_late_is_written_where_it_stays():
    explorer = backward_order().set(order=("y", "p", "s", "q"))
    assert "3rd, 0.7 came late" in texts(explorer)
    assert {"asked 1st", "asked 2nd", "asked 4th"} <= set(texts(explorer))
    assert not [text for text in texts(explorer.set(order=("y", "p", "q", "s"))) if "late" in text]


def test_the_sentence_says_what_the_last_one_sends_and_where_x_stands():
    explorer = backward_order()
    assert explorer.text == "Nothing is asked yet, and 1 has arrived at y; x has 0, right is 2.599."
    explorer.set(order=("y", "p"))
    assert explorer.text == "p, with 1, sends 0.49 to s and 0.4706 to a; x has 0, right is 2.599."
    explorer.set(order=("y", "p", "q", "s", "a"))
    assert explorer.text.endswith("x has 2.599, right is 2.599. All are asked.")


def test_a_card_that_lies_there_twice_changes_nothing():
    explorer = backward_order().set(order=("y", "p"))
    before = below(explorer)
    explorer.set(order=("y", "p", "p"))
    assert below(explorer) == before and "asked before" in explorer.text


def test_your_own_function_with_two_leaves_and_results_without_names():
    explorer = backward_order(lambda u, v: (u * v) * torch.exp(u * v + v), u=0.3, v=-0.8)
    names = explorer.controls["order"].cards
    assert len(names) == len(set(names)) == 5
    u, v = (torch.tensor(value, dtype=torch.float64, requires_grad=True) for value in (0.3, -0.8))
    ((u * v) * torch.exp(u * v + v)).backward()
    explorer.set(order=tuple(reversed(names)))
    assert explorer.done == [True, False]
    assert f"u: {u.grad.item():.4f}".rstrip("0") in below(explorer).replace("−", "-")
    assert f"v: {v.grad.item():.3f}" in below(explorer).replace("−", "-")


@pytest.mark.parametrize("f, leaves, words", [
    (torch.sin, {"x": 0.7}, "2 to 8 operations"),
    (lambda x: torch.stack([x, x]).sum() * x, {"x": 0.7}, "single"),
    (lambda x: torch.sqrt(x) * x, {"x": 0.0}, "not finite"),
    (lambda x: x * x * x * x * x * x * x * x * x * x * x, {"x": 0.7}, "10"),
])
def test_what_gives_no_choice_is_refused(f, leaves, words):
    with pytest.raises(ValueError, match=words):
        backward_order(f, **leaves)
