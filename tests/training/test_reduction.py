"""One tree of sums, whoever adds: any cut of the microbatches into stretches gives the same bits."""

import random

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from hornbook.training.distributed import World
from hornbook.training.reduction import GradientSum, Tree, places_of


def written(tree: Tree[str]) -> str:
    """The tree as brackets."""
    return tree.total()


def brackets(stretches: list[range]) -> str:
    """The whole sum, where each stretch is added up by itself first and its nodes are then joined."""
    whole: Tree[str] = Tree(lambda left, right: f"({left}{right})")
    for stretch in stretches:
        own: Tree[str] = Tree(lambda left, right: f"({left}{right})")
        for place in stretch:
            own.add(0, place, f"{place} ")
        assert [node[:2] for node in own.nodes] == places_of(stretch)
        for level, index, value in own.nodes:
            whole.add(level, index, value)
    return whole.total()


def test_the_tree_is_the_one_of_the_drawing() -> None:
    assert brackets([range(4)]) == "((0 1 )(2 3 ))"
    assert brackets([range(5)]) == "(((0 1 )(2 3 ))4 )"
    assert brackets([range(7)]) == "(((0 1 )(2 3 ))((4 5 )6 ))"
    assert brackets([range(0, 3), range(3, 7)]) == brackets([range(7)])


@given(st.integers(1, 40), st.integers(1, 12))
def test_any_number_of_processes_adds_in_the_same_order(count: int, size: int) -> None:
    stretches = [World(rank, size).share(count) for rank in range(size)]
    assert [place for stretch in stretches for place in stretch] == list(range(count))
    assert max(map(len, stretches)) - min(map(len, stretches)) <= 1
    assert brackets(stretches) == brackets([range(count)])


@pytest.mark.parametrize("count", [1, 2, 3, 8])
def test_one_process_sums_all_gradients(count: int) -> None:
    torch.manual_seed(0)
    model, inputs = nn.Linear(5, 3), torch.randn(count, 5)
    total = GradientSum(model, count, World(), "canonical")
    for place in range(count):
        model(inputs[place]).square().sum().backward()
        total.take(place)
    total.finish()
    found = [parameter.grad.clone() for parameter in model.parameters() if parameter.grad is not None]
    model.zero_grad()
    model(inputs).square().sum().backward()
    for one, other in zip(found, [parameter.grad for parameter in model.parameters()], strict=True):
        torch.testing.assert_close(one, other)


def test_another_order_would_give_other_bits() -> None:
    """Or the tree would be for nothing."""
    draw = random.Random(0)
    numbers = [draw.gauss(0, 10 ** draw.randint(-6, 6)) for _ in range(64)]
    tree: Tree[float] = Tree(lambda left, right: left + right)
    for place, number in enumerate(numbers):
        tree.add(0, place, number)
    assert tree.total() != sum(numbers)
