"""A cache of fixed shapes at fixed addresses, so that the pass over one more token can be captured once and replayed.

A CUDA graph starts the kernels that it was captured from again, with the same addresses and numbers, and runs no Python:
what changes from token to token has to lie in tensors on the device.
"""

import torch
from torch import Tensor

from hornbook.layers.kv_cache import KVCache


class FixedCache(KVCache):
    """The first `room` places of another cache, in its memory: one token at a time for every row, all rows equally long.

    `place` (1,) is where the next token is written. A pass moves it on, on the device; `length` says the same in Python,
    for checks, and a replay leaves it as it is. Attention reads the whole room each time, with a bias that hides the rest.
    """

    def __init__(self, whole: KVCache, room: int) -> None:
        """Hold what `whole` holds, which must leave a place free. What lies behind it is lost: it becomes 0."""
        self.keys, self.values = whole.keys[:, :, :, :room], whole.values[:, :, :, :room]  # nothing is allocated
        for memory in (self.keys, self.values):
            memory[:, :, :, whole.length :] = 0  # it may be nan, which no bias hides: nan - inf and 0 x nan are nan
        self.capacity, self.length = room, whole.length
        self.place = torch.full((1,), whole.length, dtype=torch.int64, device=self.keys.device)
        self._places = torch.arange(room, device=self.keys.device)

    def append(self, layer: int, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Write one token a row, (B, H_kv, 1, D), at `place`; return the whole room, (B, H_kv, room, D)."""
        self.keys[layer].index_copy_(2, self.place, keys)
        self.values[layer].index_copy_(2, self.place, values)
        return self.keys[layer], self.values[layer]

    def positions(self, count: int) -> Tensor:
        """The place of all rows, (1, 1)."""
        assert count == 1, "one token at a time is written at a place that only the device knows"
        self.require(count)
        return self.place[None]

    def bias(self) -> Tensor:
        """0 for what is held and the new token, -inf for what stands behind: (1, 1, 1, room)."""
        zeros = torch.zeros(self.capacity, dtype=self.keys.dtype, device=self.keys.device)
        return zeros.masked_fill(self._places > self.place, float("-inf"))[None, None, None]

    def advance(self, count: int) -> None:
        """Count one new token, after every layer has appended it; the place moves on in its own memory."""
        super().advance(count)
        self.place += count

    def move_to(self, length: int) -> None:
        """Hold the first `length` tokens of the memory, whoever wrote them there."""
        self.length = length
        self.place.fill_(length)

    def truncate(self, length: int) -> None:
        """Forget all but the first `length` tokens."""
        super().truncate(length)
        self.move_to(length)

    def adopt(self, other: KVCache, length: int) -> None:
        """Hold the first `length` tokens that `other` holds, in place of what is held."""
        super().adopt(other, length)
        self.move_to(length)

    def reset(self) -> None:
        """Forget everything."""
        self.move_to(0)
