"""How much memory a process of this program holds before it has a model."""

import torch
from torch import nn

from hornbook.device import memory_bytes
from hornbook.optimizers.adamw import AdamW


def process_bytes() -> int:
    """Memory that this process holds now, in bytes, with everything loaded that a step of training needs.

    A tiny step brings in what torch loads at the first one: its compiler, beside every optimizer, and the kernels.
    """
    weight = nn.Parameter(torch.ones(64, 64))  # nothing is drawn: a run's random numbers stay as they are
    optimizer = AdamW().build([("weight", weight)])
    (weight @ weight).softmax(-1).sum().backward()  # type: ignore[no-untyped-call]
    optimizer.step()
    return memory_bytes()
