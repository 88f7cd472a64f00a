"""What every optimizer recipe is: frozen settings that build a `torch.optim.Optimizer` for a model's parameters.

Each group of the built optimizer carries `base_lr`, its own peak: a schedule sets `group["lr"] = group["base_lr"] *
factor` and never has to know which groups there are. Parameters keep their names (`param_names` of a group).
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Any, ClassVar

import torch
from pydantic import Field, NonNegativeFloat, PositiveFloat
from torch import nn

from hornbook.config import Settings

Named = tuple[str, nn.Parameter]


class OptimizerRecipe(Settings, ABC):
    """Settings of one kind of optimizer; the fields here are common to all."""

    SHELF: ClassVar[bool] = True

    learning_rate: PositiveFloat = 1e-3
    weight_decay: NonNegativeFloat = 0.1
    beta1: float = Field(0.9, ge=0.0, lt=1.0)
    beta2: float = Field(0.95, ge=0.0, lt=1.0)
    eps: PositiveFloat = 1e-8

    @abstractmethod
    def build(self, named_parameters: Iterable[Named]) -> torch.optim.Optimizer:
        """An optimizer over the parameters that want a gradient, from `model.named_parameters()`.

        Errors: `ValueError` where none does.
        """


def trainable(named_parameters: Iterable[Named]) -> list[Named]:
    """Those that want a gradient. Errors: `ValueError` where none does."""
    wanted = [(name, parameter) for name, parameter in named_parameters if parameter.requires_grad]
    if not wanted:
        raise ValueError("nothing to train: no parameter wants a gradient")
    return wanted


def decay_groups(named: Iterable[Named], learning_rate: float, weight_decay: float) -> list[dict[str, Any]]:
    """Two parameter groups: matrices (embeddings among them) are decayed; vectors (norms, biases) are not.

    A norm's weight decayed towards 0 would silence its layer. Empty groups are left out.
    """
    named = list(named)
    common = {"lr": learning_rate, "base_lr": learning_rate}
    matrices = [item for item in named if item[1].dim() >= 2]
    vectors = [item for item in named if item[1].dim() < 2]
    groups = [{"params": matrices, "weight_decay": weight_decay}, {"params": vectors, "weight_decay": 0.0}]
    return [{**group, **common} for group in groups if group["params"]]
