"""Keys and values of the tokens already read, so that a new token costs the work of one and not of the whole text.

The cache is an argument of a model's `forward`, never hidden inside it: two conversations are two caches on one model.
"""

import torch
from torch import Tensor

FIRST_ROOM = 128  # tokens a seat has room for at first


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

    def positions(self, count: int) -> slice | Tensor:
        """Where the next `count` tokens stand: rows of a table of positions, or (B, T) where each text has its own."""
        return slice(self.length, self.length + count)

    def bias(self) -> Tensor | None:
        """What hides from each text what isn't its own, (B, 1, 1, S); None where all are equally long."""
        return None

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

    def adopt(self, other: "KVCache", length: int) -> None:
        """Hold the first `length` tokens that `other` holds, in place of what is held."""
        self.length = 0
        self.require(length)
        self.keys[:, :, :, :length] = other.keys[:, :, :, :length]
        self.values[:, :, :, :length] = other.values[:, :, :, :length]
        self.length = length

    def reset(self) -> None:
        """Forget everything; the memory is kept."""
        self.length = 0

    @property
    def num_bytes(self) -> int:
        """Bytes allocated: 2 x num_layers x B x H_kv x capacity x D x bytes per element."""
        return self.keys.nbytes + self.values.nbytes


class SeatCache(KVCache):
    """Texts of different lengths that get one token each at a time, and may join and leave between two tokens.

    The texts sit in seats 0 .. count - 1; `lengths` says how many tokens each holds, `length` is the largest of them.
    Room for more tokens is made by doubling, up to `capacity`. After `leave` the last text sits in the seat that got free.
    """

    def __init__(self, like: KVCache, seats: int) -> None:
        """As wide as `like` (a cache of the model, for its longest text), for at most `seats` texts."""
        num_layers, _, num_kv_heads, capacity, head_dim = like.keys.shape
        room = min(FIRST_ROOM, capacity)
        super().__init__(
            num_layers, seats, num_kv_heads, room, head_dim, device=like.keys.device, dtype=like.keys.dtype
        )
        self.keys.zero_()  # whatever lay in the memory may be nan, which no mask hides: nan - inf and 0 x nan are nan
        self.values.zero_()
        self.capacity, self.seats = capacity, seats
        self.lengths: list[int] = []
        self._refresh()

    @property
    def count(self) -> int:
        """How many seats are taken."""
        return len(self.lengths)

    def join(self, text: KVCache) -> int:
        """Give the one text that `text` holds a seat; returns its number. Errors: `ValueError` where none is free."""
        if self.count == self.seats:
            raise ValueError(f"all {self.seats} seats are taken")
        self._make_room(text.length)
        seat = self.count
        self.keys[:, seat, :, : text.length] = text.keys[:, 0, :, : text.length]
        self.values[:, seat, :, : text.length] = text.values[:, 0, :, : text.length]
        self.lengths.append(text.length)
        self._refresh()
        return seat

    def leave(self, seat: int) -> int:
        """Free a seat; returns the seat whose text now sits there (the last one, or `seat` itself)."""
        last = self.count - 1
        if seat != last:
            end = self.lengths[last]
            self.keys[:, seat, :, :end] = self.keys[:, last, :, :end]
            self.values[:, seat, :, :end] = self.values[:, last, :, :end]
            self.lengths[seat] = end
        self.lengths.pop()
        self._refresh()
        return last

    def text_in(self, seat: int) -> KVCache:
        """A copy of what the text in a seat holds."""
        num_layers, _, num_kv_heads, _, head_dim = self.keys.shape
        length, device, dtype = self.lengths[seat], self.keys.device, self.keys.dtype
        text = KVCache(num_layers, 1, num_kv_heads, length, head_dim, device=device, dtype=dtype)
        text.keys[:, 0] = self.keys[:, seat, :, :length]
        text.values[:, 0] = self.values[:, seat, :, :length]
        text.length = length
        return text

    def append(self, layer: int, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Write one token a text, (B, H_kv, 1, D); return views of all so far, (B, H_kv, length + 1, D)."""
        self.keys[layer, self._seats, :, self._ends] = keys[:, :, 0]
        self.values[layer, self._seats, :, self._ends] = values[:, :, 0]
        end = self.length + 1
        return self.keys[layer, : self.count, :, :end], self.values[layer, : self.count, :, :end]

    def positions(self, count: int) -> Tensor:
        """Each text's own next place, (B, 1)."""
        assert count == 1, "texts of different lengths get one token each"
        self._make_room(self.length + 1)
        return self._ends[:, None]

    def bias(self) -> Tensor:
        """0 for a text's own tokens and the new one, -inf for what stands behind in its seat: (B, 1, 1, length + 1)."""
        behind = torch.arange(self.length + 1, device=self.keys.device) > self._ends[:, None]
        return torch.zeros(behind.shape, device=self.keys.device).masked_fill(behind, float("-inf"))[:, None, None]

    def require(self, count: int) -> None:
        """Raise `ValueError` where `count` more tokens do not fit."""
        if self.length + count > self.capacity:
            raise ValueError(f"a text holds {self.length} of {self.capacity} tokens; {count} more do not fit")

    def advance(self, count: int) -> None:
        """Count one new token in every seat, after every layer has appended it."""
        self.lengths = [length + count for length in self.lengths]
        self._refresh()

    def truncate(self, length: int) -> None:
        """Not for many texts."""
        raise NotImplementedError("texts leave one by one")

    def reset(self) -> None:
        """All leave; the memory is kept."""
        self.lengths = []
        self._refresh()

    def _refresh(self) -> None:
        self.length = max(self.lengths, default=0)
        self._ends = torch.tensor(self.lengths, dtype=torch.int64, device=self.keys.device)
        self._seats = torch.arange(self.count, device=self.keys.device)

    def _make_room(self, length: int) -> None:
        """See that `length` tokens fit into every seat."""
        room = self.keys.shape[3]
        if length <= room:
            return
        room = min(self.capacity, max(length, 2 * room))
        if length > room:
            raise ValueError(f"a text of {length} tokens does not fit into {self.capacity}")
        shape = (*self.keys.shape[:3], room, self.keys.shape[4])
        for name in ("keys", "values"):
            old = getattr(self, name)
            new = old.new_zeros(shape)
            new[:, : self.count, :, : self.length] = old[:, : self.count, :, : self.length]
            setattr(self, name, new)
