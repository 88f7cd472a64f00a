"""The architecture of Llama: RMSNorm, rotary positions, SwiGLU, grouped key/value heads.

With `qk_norm` it is that of Qwen3, with `qkv_bias` that of Qwen2, with `sliding_window` that of Mistral.
The default that we train. Sources: Touvron et al. 2023, "LLaMA"; Yang et al. 2025, "Qwen3 technical report";
Jiang et al. 2023, "Mistral 7B".
B batch, T tokens, C embed_dim, H query heads, K key/value heads, D head_dim, V vocabulary.
"""

import math
from typing import Any, ClassVar, Literal, NamedTuple, Self

import torch
from pydantic import Field, PositiveFloat, PositiveInt, model_validator
from torch import Tensor, nn

from hornbook.config import Settings
from hornbook.layers.attention import attention_weights, causal_attention, segment_bias
from hornbook.layers.feed_forward import SwiGLU
from hornbook.layers.kv_cache import KVCache
from hornbook.layers.norms import RMSNorm
from hornbook.layers.positions import Tables, rotary_tables, rotate, rows_of_tables, slower, slower_where_slow
from hornbook.models._induction import lay_out_induction
from hornbook.models.base import Model, ModelConfig, SelfAttention, initialise, start_large

QUERY_GAIN = (
    3.0  # with both norms at 1 a score is at most the root of D: too flat, for small heads, to pick one of 200 tokens
)


def _hidden_dim(config: dict[str, Any]) -> int:
    """8/3 of embed_dim, so that SwiGLU's three matrices cost what two of 4 x embed_dim do; up to a multiple of 64."""
    return math.ceil(8 * int(config["embed_dim"]) / (3 * 64)) * 64


class RopeScaling(Settings):
    """How a longer text is fitted into positions that were trained on a shorter one: 'linear' or Llama 3.1's 'llama3'.

    All but `factor` belong to 'llama3' (see `slower_where_slow`).
    """

    kind: Literal["linear", "llama3"]
    factor: PositiveFloat
    low_freq_factor: PositiveFloat = 1.0
    high_freq_factor: PositiveFloat = 4.0
    original_context_length: PositiveInt = 8192

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.low_freq_factor >= self.high_freq_factor:
            raise ValueError(f"low_freq_factor {self.low_freq_factor} is not below high {self.high_freq_factor}")
        return self

    def rescale(self, frequencies: Tensor) -> Tensor:
        """How fast each pair of dimensions turns -> how fast it does here."""
        if self.kind == "linear":
            return slower(frequencies, self.factor)
        return slower_where_slow(
            frequencies, self.factor, self.low_freq_factor, self.high_freq_factor, self.original_context_length
        )


class LlamaConfig(ModelConfig):
    """Sizes and choices. `num_kv_heads`, `head_dim` and `hidden_dim` follow from the others unless given."""

    num_layers: PositiveInt = 4
    num_heads: PositiveInt = 4
    num_kv_heads: PositiveInt = Field(default_factory=lambda config: config["num_heads"])
    embed_dim: PositiveInt = 128
    head_dim: PositiveInt = Field(default_factory=lambda config: int(config["embed_dim"] // config["num_heads"]))
    hidden_dim: PositiveInt = Field(default_factory=_hidden_dim)
    dropout: float = Field(0.0, ge=0.0, lt=1.0)
    qk_norm: bool = True
    qkv_bias: bool = False
    rope_theta: PositiveFloat = 10000.0
    rope_scaling: RopeScaling | None = None
    sliding_window: PositiveInt | None = None
    norm_eps: PositiveFloat = 1e-6
    tied_output: bool = True
    induction: bool = False  # where training starts, not what is computed: see `lay_out_induction`

    @model_validator(mode="after")
    def _check(self) -> Self:
        if "head_dim" not in self.model_fields_set and self.embed_dim % self.num_heads:
            raise ValueError(f"embed_dim {self.embed_dim} is not divisible by num_heads {self.num_heads}")
        if self.num_heads % self.num_kv_heads:
            raise ValueError(f"num_heads {self.num_heads} is not divisible by num_kv_heads {self.num_kv_heads}")
        if self.head_dim % 2:
            raise ValueError(f"head_dim {self.head_dim} is odd; rotary positions turn pairs of dimensions")
        return self


class Places(NamedTuple):
    """What attention is told of positions: the tables that turn, (T, D) each, and what parts texts of one row."""

    tables: Tables
    bias: Tensor | None = None  # (B, 1, T, T)


class Attention(SelfAttention):
    """Causal self-attention with rotated queries and keys, and several query heads to a key/value head.

    With `qk_norm` every head's query and key is brought to one size before the turn, which bounds the scores
    (Henry et al. 2020; Dehghani et al. 2023).
    """

    def __init__(self, config: LlamaConfig) -> None:
        super().__init__()
        self.head_dim = config.head_dim
        self.parts = [config.num_heads, config.num_kv_heads, config.num_kv_heads]
        self.dropout = config.dropout
        self.window = config.sliding_window
        self.qkv = nn.Linear(config.embed_dim, sum(self.parts) * config.head_dim, bias=config.qkv_bias)
        self.output = nn.Linear(config.num_heads * config.head_dim, config.embed_dim, bias=False)
        self.query_norm = RMSNorm(config.head_dim, config.norm_eps) if config.qk_norm else nn.Identity()
        self.key_norm = RMSNorm(config.head_dim, config.norm_eps) if config.qk_norm else nn.Identity()
        if isinstance(self.query_norm, RMSNorm) and not self.query_norm.weight.is_meta:
            nn.init.constant_(self.query_norm.weight, QUERY_GAIN)

    def forward(self, x: Tensor, places: Places, layer: int, cache: KVCache | None) -> Tensor:
        """(B, T, C) -> (B, T, C); `layer` is the block's place in the cache."""
        queries, keys, values = self.project(x, places.tables)
        if cache is not None:
            keys, values = cache.append(layer, keys, values)  # (B, K, S, D)
        dropout = self.dropout if self.training else 0.0
        mixed = causal_attention(queries, keys, values, dropout, places.bias, self.window)
        return self.output(mixed.transpose(1, 2).flatten(2))  # type: ignore[no-any-return]  # (B, T, C)

    def project(self, x: Tensor, tables: Tables) -> tuple[Tensor, Tensor, Tensor]:
        """Turned queries (B, H, T, D) and keys, and values, (B, K, T, D) each, from (B, T, C)."""
        heads = self.qkv(x).unflatten(-1, (-1, self.head_dim)).transpose(1, 2)  # (B, H + 2 K, T, D)
        queries, keys, values = heads.split(self.parts, dim=1)
        return rotate(self.query_norm(queries), *tables), rotate(self.key_norm(keys), *tables), values

    def weights(self, x: Tensor, places: Places) -> Tensor:
        """(B, T, C) -> (B, H, T, T)."""
        queries, keys, _ = self.project(x, places.tables)
        return attention_weights(queries, keys, places.bias, self.window)


class Block(nn.Module):
    """x + attention(norm(x)), then x + feed_forward(norm(x))."""

    def __init__(self, config: LlamaConfig) -> None:
        super().__init__()
        self.attention_norm = RMSNorm(config.embed_dim, config.norm_eps)
        self.attention = Attention(config)
        self.feed_forward_norm = RMSNorm(config.embed_dim, config.norm_eps)
        self.feed_forward = SwiGLU(config.embed_dim, config.hidden_dim)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, x: Tensor, places: Places, layer: int, cache: KVCache | None) -> Tensor:
        """(B, T, C) -> (B, T, C)."""
        x = x + self.dropout(self.attention(self.attention_norm(x), places, layer, cache))
        return x + self.dropout(self.feed_forward(self.feed_forward_norm(x)))  # type: ignore[no-any-return]


class Llama(Model):
    """Token embeddings, `num_layers` blocks, a final norm, an output layer; no biases but `qkv_bias`."""

    config_class: ClassVar[type[ModelConfig]] = LlamaConfig
    config: LlamaConfig
    cosines: Tensor
    signed_sines: Tensor

    def __init__(self, config: LlamaConfig, generator: torch.Generator | None = None) -> None:
        """Draw the weights from `generator`: the same generator state gives the same model."""
        super().__init__()
        self.config = config
        self.token_embedding = nn.Embedding(config.vocab_size, config.embed_dim)
        self.dropout = nn.Dropout(config.dropout)
        blocks = [Block(config) for _ in range(config.num_layers)]
        self.blocks = nn.ModuleList(blocks)
        self.final_norm = RMSNorm(config.embed_dim, config.norm_eps)
        self.output = None if config.tied_output else nn.Linear(config.embed_dim, config.vocab_size, bias=False)
        rescale = config.rope_scaling.rescale if config.rope_scaling else None
        cosines, signed_sines = rotary_tables(config.head_dim, config.context_length, config.rope_theta, rescale)
        self.register_buffer("cosines", cosines, persistent=False)  # not stored: they follow from the config
        self.register_buffer("signed_sines", signed_sines, persistent=False)
        residual = [part for block in blocks for part in (block.attention.output, block.feed_forward.down)]
        initialise(self, residual, generator)
        if self.output is not None:
            start_large(self.token_embedding)
        if config.induction:
            projections = [(block.attention.qkv, block.attention.output) for block in blocks]
            parts = blocks[0].attention.parts
            lay_out_induction(self.token_embedding, projections, parts, config.rope_theta, generator)

    def hidden(self, tokens: Tensor, cache: KVCache | None = None, segments: Tensor | None = None) -> Tensor:
        """(B, T) int64 -> (B, T, C), after the final norm.

        Positions run on through all `segments`: turned queries and keys know their distance only.
        """
        self.check_tokens(tokens, cache.length if cache is not None else 0)
        rows = slice(0, tokens.shape[1]) if cache is None else cache.positions(tokens.shape[1])
        bias = cache.bias() if cache is not None else None if segments is None else segment_bias(segments)
        if isinstance(rows, Tensor) and (self.config.sliding_window or math.inf) < self.config.context_length:
            raise NotImplementedError("a sliding window knows one length at a time")
        places = Places(rows_of_tables((self.cosines, self.signed_sines), rows), bias)
        x = self.dropout(self.token_embedding(tokens))  # (B, T, C)
        for layer, block in enumerate(self.blocks):
            x = block(x, places, layer, cache)
        if cache is not None:
            cache.advance(tokens.shape[1])
        return self.final_norm(x)  # type: ignore[no-any-return]

    def logits(self, hidden: Tensor) -> Tensor:
        """(..., C) -> (..., V)."""
        if self.output is None:
            return nn.functional.linear(hidden, self.token_embedding.weight)
        return self.output(hidden)  # type: ignore[no-any-return]  # which may hold fewer bits than its matrix

    def output_weight(self) -> Tensor:
        """(V, C): the embeddings themselves where the output is tied."""
        return self.token_embedding.weight if self.output is None else self.output.weight

    def new_cache(self, batch_size: int, length: int | None = None, dtype: torch.dtype | None = None) -> KVCache:
        """An empty cache for `length` tokens of `batch_size` texts."""
        config, weight = self.config, next(self.parameters())
        return KVCache(
            config.num_layers,
            batch_size,
            config.num_kv_heads,
            length or config.context_length,
            config.head_dim,
            device=weight.device,
            dtype=dtype or weight.dtype,
        )
