"""Measuring a run: the loss over held-out text, and how fast it goes."""

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from hornbook.layers.loss import language_model_loss

LossFunction = Callable[
    [nn.Module, Tensor, Tensor], tuple[Tensor, Tensor]
]  # -> (sum over supervised tokens, their count)
Batch = tuple[Tensor, Tensor]  # inputs (B, T), targets (B, T)


def next_token_loss(model: nn.Module, inputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """The loss of pretraining: inputs and targets (B, T) -> the sum of the cross-entropies in nats, and how many."""
    return language_model_loss(model(inputs), targets)


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Dropout off and no gradients inside; the model's mode is restored after."""
    was_training = model.training
    model.eval()
    try:
        with torch.inference_mode():
            yield
    finally:
        model.train(was_training)


def mean_loss(model: nn.Module, batches: Iterable[Batch], loss: LossFunction) -> float:
    """The mean loss in nats per supervised token, each token weighted alike: sum of sums / sum of counts."""
    total, count = 0.0, 0
    with evaluating(model):
        for inputs, targets in batches:
            batch_total, batch_count = loss(model, inputs, targets)
            total += float(batch_total)
            count += int(batch_count)
    assert count > 0, "nothing to evaluate: every target is ignored"
    return total / count


class Speed:
    """Tokens per second of training time: `pause()` around what isn't training (evaluations, samples, writing)."""

    def __init__(self) -> None:
        self.tokens = 0
        self.seconds = 0.0
        self._since = time.perf_counter()

    def count(self, tokens: int) -> None:
        """One step with `tokens` tokens has ended."""
        now = time.perf_counter()
        self.tokens += tokens
        self.seconds += now - self._since
        self._since = now

    @contextmanager
    def pause(self) -> Iterator[None]:
        """Time spent inside is not training time."""
        try:
            yield
        finally:
            self._since = time.perf_counter()

    @property
    def tokens_per_second(self) -> float:
        """The mean since the start, 0 before the first step."""
        return self.tokens / self.seconds if self.seconds else 0.0
