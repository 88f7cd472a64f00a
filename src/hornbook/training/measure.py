"""Measuring a run: the loss over held-out text, and how fast it goes."""

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from torch import nn

from hornbook.layers.evaluating import evaluating
from hornbook.layers.loss import Batch, LossFunction
from hornbook.sharded import is_sharded
from hornbook.training.distributed import ALONE, World


def mean_loss(model: nn.Module, batches: Iterable[Batch], loss: LossFunction, world: World = ALONE) -> float:
    """The mean loss in nats per supervised token, each token weighted alike.

    Several processes take turns at the batches; the sums are added in the order of the batches, so that their number
    doesn't matter. Sharded, all pass all of them: each needs the others' weights anyway.
    """
    device, everything = next(model.parameters()).device, is_sharded(model)
    sums: list[float] = []
    counts: list[float] = []
    with evaluating(model):
        for number, (inputs, targets) in enumerate(batches):
            if everything or number % world.size == world.rank:
                total, count = loss(model, inputs.to(device), targets.to(device))
            mine = number % world.size == world.rank
            sums.append(float(total) if mine else 0.0)
            counts.append(int(count) if mine else 0)
    both = world.sum_of(sums + counts)
    tokens = sum(both[len(sums) :])
    assert tokens > 0, "nothing to evaluate: every target is ignored"
    return sum(both[: len(sums)]) / tokens


class Speed:
    """Tokens per second of training time: `pause()` around what isn't training (evaluations, samples, writing)."""

    def __init__(self) -> None:
        self.tokens = 0
        self.seconds = 0.0
        self._since = time.perf_counter()

    def count(self, tokens: int) -> float:
        """One step with `tokens` tokens has ended; returns the seconds that it took."""
        now = time.perf_counter()
        seconds = now - self._since
        self.tokens += tokens
        self.seconds += seconds
        self._since = now
        return seconds

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
