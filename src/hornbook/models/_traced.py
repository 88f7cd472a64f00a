"""A model as the graph of it sees the world: a batch of whole texts, however many and however long.

Nothing is computed here; what is said to the model keeps its code from asking how long a text is, which a graph can't.
"""

from torch import Tensor, nn, zeros

from hornbook.layers.kv_cache import KVCache
from hornbook.models.base import Model


class WholeText(KVCache):
    """A cache that holds nothing before these tokens and keeps nothing after them.

    It hides nothing either, but says so in a bias: attention then spells its mask out, where without one it chooses
    between kernels by the length.
    """

    def __init__(self, count: int) -> None:
        super().__init__(0, 0, 0, 0, 0)
        self.count = count

    def append(self, layer: int, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """All keys and values are the new ones."""
        return keys, values

    def bias(self) -> Tensor:
        """Every token may see every other, (1, 1, T, T)."""
        return zeros(1, 1, self.count, self.count)

    def advance(self, count: int) -> None:
        """Nothing follows."""


class Traced(nn.Module):
    """A model with one input and one output: input_ids (B, T) int64 -> logits (B, T, V) float32."""

    def __init__(self, model: Model) -> None:
        super().__init__()
        self.model = model

    def forward(self, input_ids: Tensor) -> Tensor:
        """Logits of whole texts."""
        logits: Tensor = self.model(input_ids, WholeText(input_ids.shape[1]))
        return logits.float()
