"""The sizes of a model and its optimizer, from ones that take no memory."""

import math
from collections import Counter
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from hornbook.models.base import Model, ModelConfig
from hornbook.optimizers.base import OptimizerRecipe
from hornbook.optimizers.muon import MOST_TOGETHER, orthogonalise
from hornbook.training.dry_run import Held, by_depth


@dataclass(frozen=True)
class Sizes:
    """Of a model and its optimizer, in bytes but for the first and the last."""

    parameters: int  # numbers
    weights: int
    block: int  # of `weights`, those of one block
    outside: int  # of `weights`, those outside of the blocks
    state: int  # what the optimizer keeps
    update: int  # what its step needs for a moment
    kv_cache: int  # keys and values of one whole context
    update_flops: int  # Muon's products


@cache
def sizes_of(model_class: type[Model], config: ModelConfig, optimizer: OptimizerRecipe, heap: float = 1.0) -> Sizes:
    """The sizes, from models and optimizers that take no memory."""
    sizes = by_depth(lambda shallow: _sizes(model_class, shallow, optimizer), config)
    update, update_flops = _orthogonalised(_hidden(model_class, config, optimizer), heap)
    return replace(sizes, update=update, update_flops=update_flops)


def _sizes(model_class: type[Model], config: ModelConfig, optimizer: OptimizerRecipe) -> Sizes:
    """All that grows with the depth."""
    with FakeTensorMode():
        model = model_class(config)
        groups = optimizer.build(model.named_parameters()).param_groups
        in_blocks = [sum(weight.nbytes for weight in block.parameters()) for block in getattr(model, "blocks", ())]
        weights = sum(weight.nbytes for weight in model.parameters())
        return Sizes(
            parameters=model.num_parameters(),
            weights=weights,
            block=max(in_blocks, default=0),
            outside=weights - sum(in_blocks),
            state=sum(_state_bytes(group) for group in groups),
            update=0,
            kv_cache=model.new_cache(1).num_bytes,
            update_flops=0,
        )


def _state_bytes(group: dict[str, Any]) -> int:
    """What an optimizer keeps for one of its groups: Muon momentum; AdamW mean and square."""
    numbers = 1 if group.get("orthogonal") else 2
    return sum(numbers * int(weight.nbytes) for weight in group["params"])


def _hidden(model_class: type[Model], config: ModelConfig, optimizer: OptimizerRecipe) -> dict[torch.Size, int]:
    """The shapes of the matrices that Muon orthogonalises, all of them in blocks, and how many there are of each."""
    layers = int(getattr(config, "num_layers", 0))
    with FakeTensorMode():
        model = model_class(config.model_copy(update={"num_layers": 1}) if layers else config)
        groups = optimizer.build(model.named_parameters()).param_groups
        orthogonal = [weight for group in groups if group.get("orthogonal") for weight in group["params"]]
        one = Counter(torch.Size(sorted(weight.shape)) for weight in orthogonal)  # lying and standing ones go together
    return {shape: layers * count for shape, count in one.items()}


def _orthogonalised(shapes: dict[torch.Size, int], heap: float) -> tuple[int, int]:
    """Bytes and FLOPs of Muon's step: the updates of the matrices that it takes together, and the products on them."""
    most = flops = 0
    for shape, count in shapes.items():
        with FakeTensorMode():
            stack, held = torch.zeros(1, *shape), Held()
            held.leave_out([stack])
            with held:
                orthogonalise(stack)
        together = min(count, max(1, MOST_TOGETHER // math.prod(shape)))
        most, flops = max(most, together * (stack.nbytes + held.most)), flops + count * held.attention_flops
    return round(heap * most), flops
