"""Which windows a step reads: epochs without replacement, in an order that needs no memory.

Position p = step * batch_size + row falls in epoch p // windows, at place p % windows of that epoch's own permutation.
Each epoch also shifts the whole grid by its own offset, so that window borders fall on other tokens every time (unless
`moving` is False: every epoch then reads the same windows, and a small model learns them by heart sooner).
All of it is a pure function of (seed, step): a resumed run reads exactly the batches that it would have read,
and machines that each take some rows of a batch together read exactly that batch.
"""

import numpy as np

from hornbook.randomness import key, permute


def windows_per_epoch(num_tokens: int, context_length: int, stride: int | None = None, *, moving: bool = True) -> int:
    """How many windows one epoch reads, the same for every shift of the grid: 10 tokens, length 4, stride 2 -> 3."""
    stride = context_length if stride is None else stride
    slack, largest_shift = _room(num_tokens, context_length, stride, moving)
    return (slack - largest_shift) // stride + 1


def epoch_of(step: int, *, batch_size: int, num_tokens: int, context_length: int, stride: int | None = None) -> float:
    """How many epochs have been read before `step`, as a fraction: 1.5 is halfway through the second."""
    return step * batch_size / windows_per_epoch(num_tokens, context_length, stride)


def batch_starts(
    step: int,
    *,
    seed: int,
    batch_size: int,
    num_tokens: int,
    context_length: int,
    stride: int | None = None,
    moving: bool = True,
) -> np.ndarray:
    """The token offsets (batch_size,) int64 at which the windows of batch `step` begin; take rows of it as you like.

    Every window of an epoch's grid comes exactly once in that epoch. `stride` is `context_length` where not given.
    """
    stride = context_length if stride is None else stride
    windows = windows_per_epoch(num_tokens, context_length, stride, moving=moving)
    positions = np.arange(step * batch_size, (step + 1) * batch_size, dtype=np.int64)
    epochs, places = positions // windows, positions % windows
    starts = np.empty(batch_size, dtype=np.int64)
    for epoch in np.unique(epochs).tolist():  # nearly always one; more only where a batch crosses an epoch's end
        rows = epochs == epoch
        order = permute(places[rows], windows, key(seed, "order", epoch))
        starts[rows] = order * stride + epoch_shift(epoch, seed, num_tokens, context_length, stride, moving)
    return starts


def epoch_shift(epoch: int, seed: int, num_tokens: int, context_length: int, stride: int, moving: bool = True) -> int:
    """By how many tokens, 0..stride-1, this epoch's grid is moved; less where the text is too short for it."""
    _, largest_shift = _room(num_tokens, context_length, stride, moving)
    return key(seed, "shift", epoch) % (largest_shift + 1)


def _room(num_tokens: int, context_length: int, stride: int, moving: bool) -> tuple[int, int]:
    """(the last offset at which a window fits, the largest shift of an epoch's grid).

    A shift is below the stride, and leaves room for at least one window.
    """
    slack = num_tokens - 1 - context_length
    assert slack >= 0, "fewer tokens than one window"
    assert stride >= 1, "windows must move on"
    return slack, min(stride - 1, slack) if moving else 0
