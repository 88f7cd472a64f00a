"""Keys and values of the tokens already read, so that a new token costs the work of one and not of the whole text.

The cache is an argument of a model's `forward`, never hidden inside it: two conversations are two caches on one model.
"""

import torch
from torch import Tensor


class KVCache:
    """Room for `capacity` tokens in every layer, allocated once; `length` says how many are held.

    A forward pass calls `append` once per layer, which all write at `length`, and `advance` once at its end.
    Shapes: keys and values are (num_layers, B, H_kv, capacity, D).
    """

    def __init__(
        self,
        num_layers: int,
        batch_size: int,
        num_kv_heads: int,
        capacity: int,
        head_dim: int,
        *,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        shape = (num_layers, batch_size, num_kv_heads, capacity, head_dim)
        self.keys = torch.empty(shape, device=device, dtype=dtype)
        self.values = torch.empty(shape, device=device, dtype=dtype)
        self.capacity = capacity
        self.length = 0

    def append(self, layer: int, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Write those of new tokens, (B, H_kv, T, D); return views of all so far, (B, H_kv, length + T, D)."""
        end = self.length + keys.shape[2]
        self.require(keys.shape[2])
        self.keys[layer, :, :, self.length : end] = keys
        self.values[layer, :, :, self.length : end] = values
        return self.keys[layer, :, :, :end], self.values[layer, :, :, :end]

    def require(self, count: int) -> None:
        """Raise `ValueError` where `count` more tokens do not fit."""
        if self.length + count > self.capacity:
            raise ValueError(f"the cache holds {self.length} of {self.capacity} tokens; {count} more do not fit")

    def advance(self, count: int) -> None:
        """Count `count` new tokens as held, after every layer has appended them."""
        self.require(count)
        self.length += count

    def truncate(self, length: int) -> None:
        """Forget all but the first `length` tokens, so that another continuation can follow them. Nothing is moved."""
        if not 0 <= length <= self.length:
            raise ValueError(f"cannot keep {length} tokens of a cache that holds {self.length}")
        self.length = length

    def reset(self) -> None:
        """Forget everything; the memory is kept."""
        self.length = 0

    @property
    def num_bytes(self) -> int:
        """Bytes allocated: 2 x num_layers x B x H_kv x capacity x D x bytes per element."""
        return self.keys.nbytes + self.values.nbytes
