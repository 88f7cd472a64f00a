"""GPT-2's architecture: learned positions, LayerNorm before each part, GELU, an output tied to the embedding.

Source: Radford et al. 2019, "Language models are unsupervised multitask learners". With the defaults of `GPTConfig`
(and GPT-2's sizes) this is exactly GPT-2, and its public weights open here. Other positions, activations and places of
the norms are those of its ancestors and rivals, to compare: the original transformer is `norm = "after"`, ReLU and
sinusoidal positions (Vaswani et al. 2017).
B batch, T tokens, C embed_dim, H heads, D head_dim, V vocabulary.
"""

import math
from typing import ClassVar, Literal, NamedTuple, Self

import torch
from pydantic import Field, PositiveFloat, PositiveInt, model_validator
from torch import Tensor, nn

from hornbook.layers.attention import attention_weights, causal_attention, segment_bias
from hornbook.layers.feed_forward import FeedForward
from hornbook.layers.kv_cache import KVCache
from hornbook.layers.norms import LayerNorm
from hornbook.layers.positions import (
    ALiBi,
    RelativeBias,
    Tables,
    places_in_segments,
    rotary_tables,
    rotate,
    rows_of_tables,
    sinusoidal_table,
)
from hornbook.models.base import Model, ModelConfig, SelfAttention, initialise, start_large

ROTARY_THETA = 10000.0  # the base of the paper (Su et al. 2021)


class GPTConfig(ModelConfig):
    """Sizes and choices of a GPT. `hidden_dim` follows from `embed_dim` unless given."""

    num_layers: PositiveInt = 4
    num_heads: PositiveInt = 4
    embed_dim: PositiveInt = 128
    hidden_dim: PositiveInt = Field(default_factory=lambda config: 4 * config["embed_dim"])
    dropout: float = Field(0.0, ge=0.0, lt=1.0)
    biases: Literal["all", "all_but_qkv", "none"] = "all"
    activation: Literal["gelu_tanh", "gelu", "relu"] = "gelu_tanh"
    positions: Literal["learned", "sinusoidal", "rotary", "alibi", "relative", "none"] = "learned"
    norm: Literal["before", "after"] = "before"
    tied_output: bool = True
    norm_eps: PositiveFloat = 1e-5

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.embed_dim % self.num_heads:
            raise ValueError(f"embed_dim {self.embed_dim} is not divisible by num_heads {self.num_heads}")
        if self.positions == "sinusoidal" and self.embed_dim % 2:
            raise ValueError(f"embed_dim {self.embed_dim} is odd; sinusoidal positions need pairs of sine and cosine")
        if self.positions == "rotary" and self.embed_dim // self.num_heads % 2:
            size = self.embed_dim // self.num_heads
            raise ValueError(f"embed_dim / num_heads = {size} is odd; rotary positions turn pairs of dimensions")
        return self


class Places(NamedTuple):
    """What attention is told of positions: nothing where they are added to the embeddings, or absent."""

    tables: Tables | None = None  # turn queries and keys, (T, D) each
    bias: Tensor | None = (
        None  # is added to the scores, (H, T, S); where it parts texts of one row too, (B, 1 or H, T, T)
    )

    def apart(self, between: Tensor | None) -> "Places":
        """The same where `between` (B, 1, 1 or T, S) hides with -inf what a token must not see."""
        if between is None:
            return self
        return self._replace(bias=between if self.bias is None else self.bias + between)


class Attention(SelfAttention):
    """Multi-head causal self-attention. One matrix gives queries, keys and values: a sixth faster than three."""

    def __init__(self, config: GPTConfig) -> None:
        super().__init__()
        self.num_heads = config.num_heads
        self.dropout = config.dropout
        self.qkv = nn.Linear(config.embed_dim, 3 * config.embed_dim, bias=config.biases == "all")
        self.output = nn.Linear(config.embed_dim, config.embed_dim, bias=config.biases != "none")

    def forward(self, x: Tensor, places: Places, layer: int, cache: KVCache | None) -> Tensor:
        """(B, T, C) -> (B, T, C); `layer` is the block's place in the cache."""
        queries, keys, values = self.project(x, places.tables)
        if cache is not None:
            keys, values = cache.append(layer, keys, values)  # (B, H, S, D)
        mixed = causal_attention(queries, keys, values, self.dropout if self.training else 0.0, places.bias)
        return self.output(mixed.transpose(1, 2).flatten(2))  # type: ignore[no-any-return]  # (B, T, C)

    def project(self, x: Tensor, tables: Tables | None) -> tuple[Tensor, Tensor, Tensor]:
        """Queries, keys (both turned, where there are tables) and values, (B, H, T, D) each, from (B, T, C)."""
        heads = self.qkv(x).unflatten(-1, (3, self.num_heads, -1))  # (B, T, 3, H, D)
        queries, keys, values = heads.transpose(1, 3).unbind(2)  # (B, H, T, D) each
        if tables is None:
            return queries, keys, values
        return rotate(queries, *tables), rotate(keys, *tables), values

    def weights(self, x: Tensor, places: Places) -> Tensor:
        """(B, T, C) -> (B, H, T, T)."""
        queries, keys, _ = self.project(x, places.tables)
        return attention_weights(queries, keys, places.bias)


class Block(nn.Module):
    """Attention, then feed-forward, each added to what came in.

    Norm before: x + part(norm(x)), where the sum itself is never touched. Norm after: norm(x + part(x)).
    """

    def __init__(self, config: GPTConfig) -> None:
        super().__init__()
        bias = config.biases != "none"
        self.norm_after = config.norm == "after"
        self.attention_norm = LayerNorm(config.embed_dim, config.norm_eps, bias)
        self.attention = Attention(config)
        self.feed_forward_norm = LayerNorm(config.embed_dim, config.norm_eps, bias)
        self.feed_forward = FeedForward(config.embed_dim, config.hidden_dim, config.activation, bias)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, x: Tensor, places: Places, layer: int, cache: KVCache | None) -> Tensor:
        """(B, T, C) -> (B, T, C)."""
        if self.norm_after:
            x = self.attention_norm(x + self.dropout(self.attention(x, places, layer, cache)))
            return self.feed_forward_norm(x + self.dropout(self.feed_forward(x)))  # type: ignore[no-any-return]
        x = x + self.dropout(self.attention(self.attention_norm(x), places, layer, cache))
        return x + self.dropout(self.feed_forward(self.feed_forward_norm(x)))  # type: ignore[no-any-return]


class GPT(Model):
    """Token embeddings, positions, `num_layers` blocks, a final norm (not after post-norm), an output without bias."""

    config_class: ClassVar[type[ModelConfig]] = GPTConfig
    config: GPTConfig
    position_table: Tensor
    cosines: Tensor
    signed_sines: Tensor

    def __init__(self, config: GPTConfig, generator: torch.Generator | None = None) -> None:
        """Draw the weights from `generator`: the same generator state gives the same model."""
        super().__init__()
        self.config = config
        self.token_embedding = nn.Embedding(config.vocab_size, config.embed_dim)
        self._build_positions(config)
        self.dropout = nn.Dropout(config.dropout)
        blocks = [Block(config) for _ in range(config.num_layers)]
        self.blocks = nn.ModuleList(blocks)
        final_norm = LayerNorm(config.embed_dim, config.norm_eps, config.biases != "none")
        self.final_norm = final_norm if config.norm == "before" else nn.Identity()  # after: each block ends in a norm
        self.output = None if config.tied_output else nn.Linear(config.embed_dim, config.vocab_size, bias=False)
        residual = [part for block in blocks for part in (block.attention.output, block.feed_forward.down)]
        initialise(self, residual if config.norm == "before" else [], generator)
        if self.output is not None and config.positions != "sinusoidal":
            for table in (part for part in self.children() if isinstance(part, nn.Embedding)):
                start_large(table)  # small ones, untied, held GPT-2 small on a short story at 5.8 nats for 90 steps

    def hidden(self, tokens: Tensor, cache: KVCache | None = None, segments: Tensor | None = None) -> Tensor:
        """(B, T) int64 -> (B, T, C), after the final norm."""
        self.check_tokens(tokens, cache.length if cache is not None else 0)
        rows = slice(0, tokens.shape[1]) if cache is None else cache.positions(tokens.shape[1])
        places = self._places(rows).apart(None if cache is None else cache.bias())
        if segments is not None:
            rows, places = places_in_segments(segments), places.apart(segment_bias(segments))
        x = self.dropout(self._with_positions(self.token_embedding(tokens), rows))  # (B, T, C)
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
            config.num_heads,
            length or config.context_length,
            config.embed_dim // config.num_heads,
            device=weight.device,
            dtype=dtype or weight.dtype,
        )

    def _build_positions(self, config: GPTConfig) -> None:
        """What the choice of positions needs. Tables are neither trained nor stored: they follow from the config."""
        length, head_dim = config.context_length, config.embed_dim // config.num_heads
        match config.positions:
            case "learned":
                self.position_embedding = nn.Embedding(length, config.embed_dim)
            case "sinusoidal":
                self.register_buffer("position_table", sinusoidal_table(length, config.embed_dim), persistent=False)
            case "rotary":
                cosines, signed_sines = rotary_tables(head_dim, length, ROTARY_THETA)
                self.register_buffer("cosines", cosines, persistent=False)
                self.register_buffer("signed_sines", signed_sines, persistent=False)
            case "alibi":
                self.position_bias: ALiBi | RelativeBias = ALiBi(config.num_heads)
            case "relative":
                self.position_bias = RelativeBias(config.num_heads)

    def _with_positions(self, x: Tensor, rows: slice | Tensor) -> Tensor:
        """The embeddings with their positions' `rows` of a table, where these are added: (B, T, C)."""
        match self.config.positions:
            case "learned":
                return x + self.position_embedding.weight[rows]
            case "sinusoidal":  # as in the paper, section 3.4; without the factor, tokens drown in sines that reach 1
                return x * math.sqrt(self.config.embed_dim) + self.position_table[rows]
            case _:
                return x

    def _places(self, rows: slice | Tensor) -> Places:
        """What the attention of every layer is told of the tokens at these positions."""
        match self.config.positions:
            case "rotary":
                return Places(tables=rows_of_tables((self.cosines, self.signed_sines), rows))
            case "alibi" | "relative":
                if not isinstance(rows, slice):
                    raise NotImplementedError("these positions know one length at a time")
                return Places(bias=self.position_bias(rows.stop - rows.start, rows.stop))
            case _:
                return Places()
