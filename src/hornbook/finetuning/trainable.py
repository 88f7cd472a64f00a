"""Which weights of a model train, and how many these are."""

import itertools
import re
from collections.abc import Sequence
from typing import NamedTuple

from torch import nn

from hornbook.errors import UserError


class PartSize(NamedTuple):
    """How many numbers a part has and how many of them train; `blocks.*` stands for all blocks together."""

    part: str
    trained: int
    all: int


def train_only(module: nn.Module, parts: Sequence[str]) -> None:
    """Let only the weights of these parts want a gradient: ["head", "model.blocks.3"].

    Errors: `UserError` for a part that has no weights here.
    """
    weights = dict(module.named_parameters())
    chosen = {part: [name for name in weights if f"{name}.".startswith(f"{part}.")] for part in parts}
    for part, names in chosen.items():
        if not names:
            raise UserError(f"'{part}' has no weights to train", choices=[name for name, _ in module.named_children()])
    module.requires_grad_(False)
    for name in itertools.chain.from_iterable(chosen.values()):
        weights[name].requires_grad_(True)


def parameter_table(module: nn.Module) -> list[PartSize]:
    """The sizes of all parts, layers of the same name counted together, in the order of the model; last the sum."""
    sizes: dict[str, list[int]] = {}
    for name, weight in module.named_parameters():
        part = re.sub(r"\.\d+\.", ".*.", name.rpartition(".")[0])
        size = sizes.setdefault(part, [0, 0])
        size[0] += weight.numel() if weight.requires_grad else 0
        size[1] += weight.numel()
    rows = [PartSize(part, *size) for part, size in sizes.items()]
    return [*rows, PartSize("all", sum(row.trained for row in rows), sum(row.all for row in rows))]
