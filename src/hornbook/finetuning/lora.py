"""LoRA: a frozen matrix learns a correction of low rank, W + (alpha / rank) B A, with a hundredth of its numbers.

Source: Hu et al. 2021, "LoRA: low-rank adaptation of large language models", section 4.1.
"""

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hornbook.errors import UserError
from hornbook.layers.quantized import QuantizedLinear

ALL = "all"  # every linear layer of the blocks: not the output, nor a classifier's head


class LoRA(nn.Module):
    """A linear layer with its correction: (..., in) -> (..., out). B starts at 0, so nothing changes at first.

    `down` is A, (rank, in), drawn from `generator` (or the global one) as torch draws a linear layer; `up` is B, (out,
    rank). The factor alpha / rank keeps the size of the correction when the rank is changed.
    """

    def __init__(
        self, linear: nn.Linear | QuantizedLinear, rank: int, alpha: float, generator: torch.Generator | None = None
    ) -> None:
        super().__init__()
        self.linear: nn.Linear | QuantizedLinear = linear.requires_grad_(False)
        self.scale = alpha / rank
        down = torch.empty(rank, linear.in_features)
        nn.init.kaiming_uniform_(down, a=math.sqrt(5), generator=generator)
        weight = linear.weight
        self.down = nn.Parameter(down.to(weight))
        self.up = nn.Parameter(weight.new_zeros(linear.out_features, rank))

    def forward(self, x: Tensor) -> Tensor:
        """W x + b + (alpha / rank) B A x."""
        return self.linear(x) + self.scale * F.linear(F.linear(x, self.down), self.up)  # type: ignore[no-any-return]

    @property
    def weight(self) -> Tensor:
        """The corrected matrix (out, in): for code that reads a layer's weight instead of calling the layer."""
        return self.linear.weight + self.scale * self.up @ self.down

    @torch.no_grad()
    def merged(self) -> nn.Linear:
        """The plain layer with the correction added to its weight, in place. Not of a matrix of fewer bits: `put_back`."""
        assert isinstance(self.linear, nn.Linear), "what a correction is added to has all its bits"
        self.linear.weight.copy_(self.weight)
        return self.linear


def linear_layers(module: nn.Module) -> list[str]:
    """The names of all linear layers that have no correction yet: ["blocks.0.attention.qkv", ...]."""
    corrected = [f"{name}." for name, part in module.named_modules() if isinstance(part, LoRA)]
    return [
        name
        for name, part in module.named_modules()
        if isinstance(part, nn.Linear | QuantizedLinear) and not name.startswith(tuple(corrected))
    ]


def add_lora(
    module: nn.Module,
    layers: Sequence[str] = ("attention.qkv", "attention.output"),
    rank: int = 8,
    alpha: float = 16.0,
    generator: torch.Generator | None = None,
) -> list[str]:
    """Correct every linear layer whose name is, or ends in, one of `layers`; only the corrections train then.

    "all" stands for every linear layer of the blocks. Out: the names of the corrected layers. What else shall train (a
    new head) is unfrozen after. Errors: `UserError` for a rank below 1, an alpha that is no size, and for a name that
    no linear layer has.
    """
    if rank < 1:
        raise UserError(f"the rank must be at least 1, not '{rank}'")
    if not 0 < alpha < math.inf:
        raise UserError(f"alpha must be above 0, not '{alpha:g}'")
    names = linear_layers(module)
    for layer in layers:
        if not any(_named(name, layer) for name in names):
            kinds = dict.fromkeys(".".join(name.split(".")[-2:]) for name in names)
            choices = [*kinds, ALL] if any(_named(name, ALL) for name in names) else [*kinds]
            raise UserError(f"no linear layer without a correction is named '{layer}'", choices=choices)
    chosen = [name for name in names if any(_named(name, layer) for layer in layers)]
    module.requires_grad_(False)
    for name in chosen:
        linear = module.get_submodule(name)
        assert isinstance(linear, nn.Linear | QuantizedLinear), name
        _put(module, name, LoRA(linear, rank, alpha, generator))
    return chosen


def corrections(module: nn.Module) -> dict[str, tuple[Tensor, Tensor, float]]:
    """Every corrected layer with its A (rank, in), its B (out, rank) and alpha / rank; tensors are not copied."""
    return {
        name: (part.down.detach(), part.up.detach(), part.scale)
        for name, part in module.named_modules()
        if isinstance(part, LoRA)
    }


def merge_lora(module: nn.Module) -> list[str]:
    """Add every correction to its matrix and make the layers plain again; returns their names.

    The outputs stay the same up to rounding. What was frozen stays frozen.
    """
    corrected = {name: part for name, part in module.named_modules() if isinstance(part, LoRA)}
    for name, part in corrected.items():
        _put(module, name, part.merged())
    return list(corrected)


def put_back(model: nn.Module, whole: nn.Module) -> None:
    """Give a model of fewer bits the matrices of `whole` again, the same model with all its bits; corrections stay.

    What was learned on rounded matrices is then a correction of those that were rounded.
    """
    for name, part in whole.named_modules():
        place = f"{name}.linear" if isinstance(model.get_submodule(name), LoRA) else name
        if isinstance(model.get_submodule(place), QuantizedLinear):
            _put(model, place, part.requires_grad_(False))


def _named(name: str, layer: str) -> bool:
    if layer == ALL:
        return "blocks" in name.split(".")
    return name == layer or name.endswith(f".{layer}")


def _put(module: nn.Module, name: str, part: nn.Module) -> None:
    parent, _, attribute = name.rpartition(".")
    setattr(module.get_submodule(parent), attribute, part)
