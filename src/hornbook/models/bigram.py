"""The bigram model: the next token is guessed from the last one alone, by looking up one row of a V x V table.

The smallest language model there is, and the line that every other has to beat.
"""

from typing import ClassVar

import torch
from torch import Tensor, nn

from hornbook.layers.kv_cache import KVCache
from hornbook.models.base import Model, ModelConfig


class BigramConfig(ModelConfig):
    """A bigram model has no setting of its own: its size is the vocabulary's."""


class Bigram(Model):
    """Row t of the table holds the logits of what follows token t. It starts at 0: all equally likely, loss ln V."""

    config_class: ClassVar[type[ModelConfig]] = BigramConfig
    config: BigramConfig

    def __init__(self, config: BigramConfig, generator: torch.Generator | None = None) -> None:
        """The generator is not needed (nothing is drawn) and taken because every model takes one."""
        super().__init__()
        self.config = config
        self.token_embedding = nn.Embedding(
            config.vocab_size, config.vocab_size, _weight=torch.zeros(config.vocab_size, config.vocab_size)
        )

    def hidden(self, tokens: Tensor, cache: KVCache | None = None, segments: Tensor | None = None) -> Tensor:
        """The looked-up rows, (B, T) -> (B, T, V): here C is V, and the output layer has nothing left to do.

        No token is told of another, so `segments` change nothing.
        """
        self.check_tokens(tokens, cache.length if cache else 0)
        if cache is not None:
            cache.advance(tokens.shape[1])
        return self.token_embedding(tokens)  # type: ignore[no-any-return]

    def logits(self, hidden: Tensor) -> Tensor:
        """The rows are the logits."""
        return hidden

    def new_cache(self, batch_size: int, length: int | None = None, dtype: torch.dtype | None = None) -> KVCache:
        """A cache of no layers: it only counts the tokens."""
        return KVCache(0, batch_size, 0, length or self.config.context_length, 0)
