"""The state in which a model is measured and looked at, as against trained."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Dropout off and no gradients inside: `eval()` does the first only. The model's mode is restored after.

    What is computed inside is an ordinary tensor: it may be changed, or take part in a later gradient.
    """
    was_training = model.training
    model.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        model.train(was_training)
