"""GPT-2's architecture: learned positions, LayerNorm before each part, GELU, an output tied to the embedding.

Source: Radford et al. 2019, "Language models are unsupervised multitask learners". With the defaults of `GPTConfig`
(and GPT-2's sizes) this is exactly GPT-2, and its public weights open here.
B batch, T tokens, C embed_dim, H heads, D head_dim, V vocabulary.
"""

from typing import ClassVar, Literal, Self

import torch
from pydantic import Field, PositiveFloat, PositiveInt, model_validator
from torch import Tensor, nn

from hornbook.layers.attention import causal_attention
from hornbook.layers.feed_forward import FeedForward
from hornbook.layers.kv_cache import KVCache
from hornbook.layers.norms import LayerNorm
from hornbook.layers.positions import sinusoidal_table
from hornbook.models.base import Model, ModelConfig, initialise


class GPTConfig(ModelConfig):
    """Sizes and choices of a GPT. `hidden_dim` follows from `embed_dim` unless given."""

    num_layers: PositiveInt = 4
    num_heads: PositiveInt = 4
    embed_dim: PositiveInt = 128
    hidden_dim: PositiveInt = Field(default_factory=lambda config: 4 * config["embed_dim"])
    dropout: float = Field(0.0, ge=0.0, lt=1.0)
    biases: Literal["all", "all_but_qkv", "none"] = "all"
    activation: Literal["gelu_tanh", "gelu", "relu"] = "gelu_tanh"
    positions: Literal["learned", "sinusoidal"] = "learned"
    tied_output: bool = True
    norm_eps: PositiveFloat = 1e-5

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.embed_dim % self.num_heads:
            raise ValueError(f"embed_dim {self.embed_dim} is not divisible by num_heads {self.num_heads}")
        if self.positions == "sinusoidal" and self.embed_dim % 2:
            raise ValueError(f"embed_dim {self.embed_dim} is odd; sinusoidal positions need pairs of sine and cosine")
        return self


class Attention(nn.Module):
    """Multi-head causal self-attention. One matrix gives queries, keys and values: a sixth faster than three."""

    def __init__(self, config: GPTConfig) -> None:
        super().__init__()
        self.num_heads = config.num_heads
        self.dropout = config.dropout
        self.qkv = nn.Linear(config.embed_dim, 3 * config.embed_dim, bias=config.biases == "all")
        self.output = nn.Linear(config.embed_dim, config.embed_dim, bias=config.biases != "none")

    def forward(self, x: Tensor, layer: int, cache: KVCache | None) -> Tensor:
        """(B, T, C) -> (B, T, C); `layer` is the block's place in the cache."""
        heads = self.qkv(x).unflatten(-1, (3, self.num_heads, -1))  # (B, T, 3, H, D)
        queries, keys, values = heads.transpose(1, 3).unbind(2)  # (B, H, T, D) each
        if cache is not None:
            keys, values = cache.append(layer, keys, values)  # (B, H, S, D)
        mixed = causal_attention(queries, keys, values, self.dropout if self.training else 0.0)
        return self.output(mixed.transpose(1, 2).flatten(2))  # type: ignore[no-any-return]  # (B, T, C)


class Block(nn.Module):
    """x + attention(norm(x)), then x + feed_forward(norm(x))."""

    def __init__(self, config: GPTConfig) -> None:
        super().__init__()
        bias = config.biases != "none"
        self.attention_norm = LayerNorm(config.embed_dim, config.norm_eps, bias)
        self.attention = Attention(config)
        self.feed_forward_norm = LayerNorm(config.embed_dim, config.norm_eps, bias)
        self.feed_forward = FeedForward(config.embed_dim, config.hidden_dim, config.activation, bias)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, x: Tensor, layer: int, cache: KVCache | None) -> Tensor:
        """(B, T, C) -> (B, T, C)."""
        x = x + self.dropout(self.attention(self.attention_norm(x), layer, cache))
        return x + self.dropout(self.feed_forward(self.feed_forward_norm(x)))  # type: ignore[no-any-return]


class GPT(Model):
    """Token and position embeddings, `num_layers` blocks, a final norm, an output layer without bias."""

    config_class: ClassVar[type[ModelConfig]] = GPTConfig
    config: GPTConfig
    position_table: Tensor

    def __init__(self, config: GPTConfig, generator: torch.Generator | None = None) -> None:
        """Draw the weights from `generator`: the same generator state gives the same model."""
        super().__init__()
        self.config = config
        self.token_embedding = nn.Embedding(config.vocab_size, config.embed_dim)
        if config.positions == "learned":
            self.position_embedding = nn.Embedding(config.context_length, config.embed_dim)
        else:  # not trained, and not stored either: it follows from the config
            self.register_buffer(
                "position_table", sinusoidal_table(config.context_length, config.embed_dim), persistent=False
            )
        self.dropout = nn.Dropout(config.dropout)
        blocks = [Block(config) for _ in range(config.num_layers)]
        self.blocks = nn.ModuleList(blocks)
        self.final_norm = LayerNorm(config.embed_dim, config.norm_eps, config.biases != "none")
        self.output = None if config.tied_output else nn.Linear(config.embed_dim, config.vocab_size, bias=False)
        residual = [part for block in blocks for part in (block.attention.output, block.feed_forward.down)]
        initialise(self, residual, generator)

    def hidden(self, tokens: Tensor, cache: KVCache | None = None) -> Tensor:
        """(B, T) int64 -> (B, T, C), after the final norm."""
        past = cache.length if cache is not None else 0
        self.check_tokens(tokens, past)
        x = self.dropout(self.token_embedding(tokens) + self._positions(past, past + tokens.shape[1]))  # (B, T, C)
        for layer, block in enumerate(self.blocks):
            x = block(x, layer, cache)
        if cache is not None:
            cache.advance(tokens.shape[1])
        return self.final_norm(x)  # type: ignore[no-any-return]

    def logits(self, hidden: Tensor) -> Tensor:
        """(..., C) -> (..., V)."""
        weight = self.token_embedding.weight if self.output is None else self.output.weight
        return nn.functional.linear(hidden, weight)

    def new_cache(self, batch_size: int, length: int | None = None, dtype: torch.dtype | None = None) -> KVCache:
        """An empty cache for `length` tokens of `batch_size` texts."""
        config, weight = self.config, self.token_embedding.weight
        return KVCache(
            config.num_layers,
            batch_size,
            config.num_heads,
            length or config.context_length,
            config.embed_dim // config.num_heads,
            device=weight.device,
            dtype=dtype or weight.dtype,
        )

    def _positions(self, start: int, end: int) -> Tensor:
        """The rows of positions start .. end - 1, (T, C)."""
        return (
            self.position_embedding.weight[start:end]
            if self.config.positions == "learned"
            else self.position_table[start:end]
        )
