"""The gradients of many microbatches, summed in an order that doesn't depend on who computed them.

Floating-point numbers added in another order give other last digits, so the sum is one fixed tree over the microbatches:

           0+1+2+3            one process adds as it goes (a binary counter: at most log2 M sums wait);
          /       \\          of several, each adds what lies in its own stretch, sends every other process
       0+1         2+3        one part of that, and adds that part of everybody's: the same tree in each number.
      /   \\       /   \\
     0     1     2     3
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Generic, Literal, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn

from hornbook.training.distributed import World

Reduce = Literal["auto", "canonical", "fast"]
Summing = Literal["canonical", "fast", "sharded"]
Value = TypeVar("Value")


@dataclass
class Tree(Generic[Value]):
    """Sums of neighbours: (level, index, value) nodes that have no sibling yet, from left to right."""

    plus: Callable[[Value, Value], Value]
    nodes: list[tuple[int, int, Value]] = field(default_factory=list)

    def add(self, level: int, index: int, value: Value) -> None:
        """The next node to the right; whole pairs become one node of the level above."""
        while index % 2 == 1 and self.nodes and self.nodes[-1][:2] == (level, index - 1):
            level, index, value = level + 1, index // 2, self.plus(self.nodes.pop()[2], value)
        self.nodes.append((level, index, value))

    def total(self) -> Value:
        """What is left is summed from the right: a node without a sibling rises to the level of the next."""
        *rest, (_, _, total) = self.nodes
        for _, _, value in reversed(rest):
            total = self.plus(value, total)
        return total


def places_of(stretch: Iterable[int]) -> list[tuple[int, int]]:
    """The nodes (level, index) that a stretch of microbatches adds up to: 1, 2, 3 -> [(0, 1), (1, 1)]."""
    tree: Tree[None] = Tree(lambda left, right: None)
    for place in stretch:
        tree.add(0, place, None)
    return [(level, index) for level, index, _ in tree.nodes]


class GradientSum:
    """The gradients of one step's microbatches: `take(place)` after each backward pass, `finish()` after the last.

    canonical: the same sum, bit for bit, for any number of processes. fast: each process sums in the order it computes,
    and one all-reduce adds these sums in whatever order is quickest. sharded: the backward pass has summed them already.
    """

    def __init__(self, model: nn.Module, count: int, world: World, how: Summing) -> None:
        self.parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
        self.count, self.world = count, world
        self.canonical = how == "canonical" and (count > 1 or world.size > 1)
        self.summed = how == "sharded" or (world.size == 1 and not self.canonical)
        self.tree: Tree[list[Tensor]] = Tree(_plus)

    def take(self, place: int) -> None:
        """Keep what the backward pass of microbatch `place` has left in the parameters."""
        if self.canonical:
            self.tree.add(0, place, [_gradient(parameter) for parameter in self.parameters])
            for parameter in self.parameters:
                parameter.grad = None

    def finish(self) -> None:
        """Leave the sum over all microbatches of all processes in the parameters."""
        if self.summed:
            return
        if not self.canonical:
            totals = _fast_sum(self.parameters)
        else:
            totals = self.tree.total() if self.world.size == 1 else _canonical_sum(self)
        for parameter, gradient in zip(self.parameters, totals, strict=True):
            parameter.grad = gradient


def _plus(left: list[Tensor], right: list[Tensor]) -> list[Tensor]:
    torch._foreach_add_(left, right)
    return left


def _gradient(parameter: nn.Parameter) -> Tensor:
    return torch.zeros_like(parameter) if parameter.grad is None else parameter.grad


def _fast_sum(parameters: Sequence[nn.Parameter]) -> list[Tensor]:
    flat = torch.cat([_gradient(parameter).flatten() for parameter in parameters])
    dist.all_reduce(flat)
    return _unflattened(flat, parameters)


def _canonical_sum(gradients: GradientSum) -> list[Tensor]:
    """Every process adds one part of the numbers, for all: as much traffic as a ring all-reduce."""
    world, parameters = gradients.world, gradients.parameters
    nodes = [places_of(World(rank, world.size).share(gradients.count)) for rank in range(world.size)]
    length = sum(parameter.numel() for parameter in parameters)
    part = -(-length // world.size)
    sent = parameters[0].new_zeros(world.size, len(nodes[world.rank]), part)  # (to whom, node, its part of the numbers)
    for number, (_, _, tensors) in enumerate(gradients.tree.nodes):
        flat = parameters[0].new_zeros(world.size * part)
        torch.cat([tensor.flatten() for tensor in tensors], out=flat[:length])
        sent[:, number] = flat.view(world.size, part)
    received = sent.new_empty(sum(map(len, nodes)), part)
    come, go = [part * len(own) for own in nodes], [part * len(nodes[world.rank])] * world.size
    dist.all_to_all_single(received.view(-1), sent.view(-1), come, go)
    tree: Tree[Tensor] = Tree(Tensor.add_)
    for (level, index), value in zip((node for own in nodes for node in own), received, strict=True):
        tree.add(level, index, value)
    whole = sent.new_empty(world.size * part)
    dist.all_gather(list(whole.view(world.size, part)), tree.total())
    return _unflattened(whole[:length], parameters)


def _unflattened(flat: Tensor, parameters: Sequence[nn.Parameter]) -> list[Tensor]:
    pieces = torch.split(flat, [parameter.numel() for parameter in parameters])
    return [piece.view_as(parameter) for piece, parameter in zip(pieces, parameters, strict=True)]
