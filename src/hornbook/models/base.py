"""What every model is: tokens (B, T) in, logits (B, T, V) out. Only architecture: no loss, optimizer or generation.

B batch, T tokens, C embed_dim, H heads, D head_dim, V vocabulary.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection
from typing import Any, ClassVar, TypeVar

import torch
from pydantic import PositiveInt
from torch import Tensor, nn

from hornbook.config import Settings
from hornbook.layers.evaluating import evaluating
from hornbook.layers.kv_cache import KVCache

Found = TypeVar("Found")
INITIAL_STD = (
    0.02  # of GPT-2; with normalised hidden vectors it also keeps the first logits small, so loss starts at ln V
)
UNTIED_STD = (
    0.5  # an embedding that isn't also the output may start large: small, a token's own share drowns in its kind's
)


class ModelConfig(Settings):
    """What every model must know; each kind adds its own fields beside it."""

    vocab_size: PositiveInt
    context_length: PositiveInt = 256


class SelfAttention(nn.Module, ABC):
    """The attention of a block, called as `attention(x, places, ...)`: what `Model.attention_weights` asks of it."""

    @abstractmethod
    def weights(self, x: Tensor, places: Any) -> Tensor:
        """The weights that `forward` applies to (B, T, C) without a cache: (B, H, T, T).

        `places` is what the model tells its attention of positions.
        """


class Model(nn.Module, ABC):
    """A model on the shelf. `__init__(config, generator)` draws its weights from `generator`, or the global one."""

    SHELF = True
    config_class: ClassVar[type[ModelConfig]]
    config: ModelConfig

    @abstractmethod
    def hidden(self, tokens: Tensor, cache: KVCache | None = None, segments: Tensor | None = None) -> Tensor:
        """The vectors before the output layer, after the final norm: (B, T) int64 -> (B, T, C).

        With a cache, `tokens` are the ones that follow those it holds; it then holds them too. `NotImplementedError`
        where its texts have different lengths (`SeatCache`) and this model knows one length at a time.
        `segments` (B, T) number the texts that stand in one row, each of which is read as if it were alone; no cache.
        Errors: `TypeError` for tokens that are not integers, `ValueError` for ids or lengths out of range.
        """

    @abstractmethod
    def logits(self, hidden: Tensor) -> Tensor:
        """The output layer alone: (..., C) -> (..., V)."""

    def output_weight(self) -> Tensor | None:
        """The matrix (V, C), where `logits` is the product with it and nothing else; else None."""
        return None

    def forward(self, tokens: Tensor, cache: KVCache | None = None, segments: Tensor | None = None) -> Tensor:
        """Scores of every next token: (B, T) int64 -> (B, T, V)."""
        return self.logits(self.hidden(tokens, cache, segments))

    def pass_through(self, compute: Callable[..., Found], *inputs: Any) -> Found:
        """`compute(self, *inputs)` as one pass: who gathers the weights for a pass does so around this, too."""
        return compute(self, *inputs)

    @abstractmethod
    def new_cache(self, batch_size: int, length: int | None = None, dtype: torch.dtype | None = None) -> KVCache:
        """An empty cache for `length` tokens (default: the context) on the model's device, in `dtype` or its own."""

    def attention_weights(self, tokens: Tensor) -> list[Tensor]:
        """What each token looks at, for pictures: (B, T) int64 -> (B, H, T, T) per layer, every row summing to 1.

        [] where a model has no attention. They are computed beside an ordinary pass without dropout, which never
        has them itself; without gradients.
        """
        seen: list[Tensor] = []

        def look(attention: SelfAttention, inputs: tuple[Any, ...]) -> None:
            seen.append(attention.weights(inputs[0], inputs[1]))

        attentions = [module for module in self.modules() if isinstance(module, SelfAttention)]
        hooks = [attention.register_forward_pre_hook(look) for attention in attentions]
        try:
            with evaluating(self):
                self.hidden(tokens)
        finally:
            for hook in hooks:
                hook.remove()
        return seen

    def width(self) -> int:
        """How many numbers a hidden vector has, C, whatever the config calls it."""
        with evaluating(self):
            token = torch.zeros(1, 1, dtype=torch.int64, device=next(self.parameters()).device)
            return self.hidden(token).shape[-1]

    def num_parameters(self) -> int:
        """How many numbers are trained; a matrix used twice (tied) counts once."""
        return sum(parameter.numel() for parameter in self.parameters())

    def check_tokens(self, tokens: Tensor, past: int = 0) -> None:
        """Raise `TypeError` or `ValueError`, saying what is wrong, for tokens that the model can't read."""
        if tokens.dtype not in (torch.int64, torch.int32):
            raise TypeError(
                f"tokens must be integers (torch.int64), not {tokens.dtype}: an embedding is looked up by index"
            )
        if past + tokens.shape[1] > self.config.context_length:
            asked = f"{past} tokens and {tokens.shape[1]} more" if past else f"{tokens.shape[1]} tokens"
            raise ValueError(f"{asked} are longer than the context of {self.config.context_length}")
        # on an accelerator reading the extremes would stall the stream, and inside a compiled graph it would cut it
        if tokens.device.type == "cpu" and tokens.numel() and not torch.compiler.is_compiling():
            low, high = (int(extreme) for extreme in tokens.aminmax())
            if low < 0 or high >= self.config.vocab_size:
                wrong = low if low < 0 else high
                raise ValueError(f"token {wrong} is outside the vocabulary of {self.config.vocab_size} tokens")


def initialise(model: nn.Module, residual: Collection[nn.Linear], generator: torch.Generator | None) -> None:
    """GPT-2's start: normal weights of `INITIAL_STD`, zero biases; norms stay at 1.

    `residual` are the projections that add to the residual stream, two a layer; each starts smaller by the root of
    their number, so that the sum of all has the size of one (Radford et al. 2019, section 2.3). None are given where
    every sum is normalised again. Weights on the meta device are left alone.
    """
    for module in model.modules():
        if isinstance(module, nn.Linear | nn.Embedding) and not module.weight.is_meta:
            std = INITIAL_STD / math.sqrt(len(residual)) if module in residual else INITIAL_STD
            nn.init.normal_(module.weight, std=std, generator=generator)
            if isinstance(module, nn.Linear) and module.bias is not None:
                nn.init.zeros_(module.bias)


def start_large(embedding: nn.Embedding) -> None:
    """Bring an embedding that isn't also the output from `INITIAL_STD` to `UNTIED_STD`."""
    if not embedding.weight.is_meta:
        with torch.no_grad():
            embedding.weight.mul_(UNTIED_STD / INITIAL_STD)
