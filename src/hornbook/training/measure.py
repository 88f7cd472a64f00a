"""Measuring a run: the loss over held-out text, and how fast it goes."""

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from torch import nn

from hornbook.layers.loss import Batch, LossFunction, mean_over_batches


def mean_loss(model: nn.Module, batches: Iterable[Batch], loss: LossFunction) -> float:
    """The mean loss in nats per supervised token, each token weighted alike."""
    mean, count = mean_over_batches(model, batches, loss)
    assert count > 0, "nothing to evaluate: every target is ignored"
    return mean


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
