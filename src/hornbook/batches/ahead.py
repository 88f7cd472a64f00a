"""The next step's batches while this one is computed, in pages that a GPU can copy from by itself.

What a step reads is a function of its number, so nothing is lost or changed where a batch was fetched in vain: the next
step may be another one after an incident, or never come.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:
    import torch

    Batch = tuple[torch.Tensor, torch.Tensor]

Item = TypeVar("Item")


class Ahead(Generic[Item]):
    """`fetch` as it was, step -> item, but that of the step after the last one asked for is fetched by a thread.

    An error is raised where its step is asked for, not before.
    """

    def __init__(self, fetch: Callable[[int], Item]) -> None:
        self._fetch = fetch
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="batches")
        self._next: tuple[int, Future[Item]] | None = None

    def __call__(self, step: int) -> Item:
        """The item of `step`."""
        item = self._next[1].result() if self._next and self._next[0] == step else self._fetch(step)
        self._next = (step + 1, self._thread.submit(self._fetch, step + 1))
        return item


class Pinned(Sequence["Batch"]):
    """Microbatches of which those at `own` places lie in pinned memory already; others are read when asked for."""

    def __init__(self, microbatches: "Sequence[Batch]", own: range) -> None:
        self._others = microbatches
        self._own = {place: _pin(microbatches[place]) for place in own}

    def __len__(self) -> int:
        """How many there are, of all processes."""
        return len(self._others)

    def __getitem__(self, place: Any) -> Any:
        """Microbatch `place` -> (inputs, targets)."""
        return self._own[place] if place in self._own else self._others[place]


def pinned_ahead(
    fetch: "Callable[[int], Sequence[Batch]]", share: Callable[[int], range]
) -> "Callable[[int], Sequence[Batch]]":
    """The microbatches of a step, pinned and one step ahead; `share` says which of so many this process computes."""

    def fetch_pinned(step: int) -> "Sequence[Batch]":
        microbatches = fetch(step)
        return Pinned(microbatches, share(len(microbatches)))

    return Ahead(fetch_pinned)


def _pin(batch: "Batch") -> "Batch":
    inputs, targets = batch
    return inputs.pin_memory(), targets.pin_memory()
