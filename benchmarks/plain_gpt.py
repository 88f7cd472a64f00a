"""A GPT and its training as one writes them in plain PyTorch: what `training.py` measures ours against.

The sizes, the recipe and the parts (learned positions, LayerNorm and linear layers without biases, exact GELU, an output tied to
the embedding, torch's fused attention, AdamW as it comes, clipping at 1) are those of nanoGPT's `config/` files.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn


@dataclass(frozen=True)
class Sizes:
    """What a GPT is made of."""

    vocab_size: int
    context_length: int
    num_layers: int
    num_heads: int
    embed_dim: int


class Block(nn.Module):
    """Attention and a feed-forward network, each behind a LayerNorm and beside a shortcut."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        dim = sizes.embed_dim
        self.num_heads = sizes.num_heads
        self.first_norm, self.second_norm = nn.LayerNorm(dim, bias=False), nn.LayerNorm(dim, bias=False)
        self.qkv, self.output = nn.Linear(dim, 3 * dim, bias=False), nn.Linear(dim, dim, bias=False)
        self.up, self.down = nn.Linear(dim, 4 * dim, bias=False), nn.Linear(4 * dim, dim, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, C) -> (B, T, C)."""
        batch, length, dim = x.shape
        parts = self.qkv(self.first_norm(x)).split(dim, dim=2)
        queries, keys, values = (
            part.view(batch, length, self.num_heads, dim // self.num_heads).transpose(1, 2) for part in parts
        )
        mixed = F.scaled_dot_product_attention(queries, keys, values, is_causal=True)
        x = x + self.output(mixed.transpose(1, 2).contiguous().view(batch, length, dim))
        return x + self.down(F.gelu(self.up(self.second_norm(x))))


class PlainGPT(nn.Module):
    """Tokens (B, T) -> logits (B, T, V)."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.tokens = nn.Embedding(sizes.vocab_size, sizes.embed_dim)
        self.positions = nn.Embedding(sizes.context_length, sizes.embed_dim)
        self.blocks = nn.ModuleList(Block(sizes) for _ in range(sizes.num_layers))
        self.norm = nn.LayerNorm(sizes.embed_dim, bias=False)
        for name, weight in self.named_parameters():
            if weight.dim() == 2:
                into_shortcut = name.endswith(("output.weight", "down.weight"))
                nn.init.normal_(weight, std=0.02 / (math.sqrt(2 * sizes.num_layers) if into_shortcut else 1.0))

    def forward(self, tokens: Tensor) -> Tensor:
        """(B, T) -> (B, T, V)."""
        x = self.tokens(tokens) + self.positions(torch.arange(tokens.shape[1]))
        for block in self.blocks:
            x = block(x)
        return F.linear(self.norm(x), self.tokens.weight)


class PlainTraining:
    """A model, its AdamW, and a step of both; under autocast where a type is given."""

    def __init__(self, model: nn.Module, learning_rate: float = 1e-3, autocast: torch.dtype | None = None) -> None:
        self.model, self.peak, self.autocast = model, learning_rate, autocast
        decayed = [weight for weight in model.parameters() if weight.dim() >= 2]
        others = [weight for weight in model.parameters() if weight.dim() < 2]
        groups = [{"params": decayed, "weight_decay": 0.1}, {"params": others, "weight_decay": 0.0}]
        self.optimizer = torch.optim.AdamW(groups, lr=learning_rate, betas=(0.9, 0.99))

    def step(self, inputs: Tensor, targets: Tensor, share: float = 1.0) -> None:
        """One update at `share` of the peak rate."""
        for group in self.optimizer.param_groups:
            group["lr"] = self.peak * share
        with torch.autocast("cpu", dtype=self.autocast or torch.bfloat16, enabled=self.autocast is not None):
            logits = self.model(inputs)
            loss = F.cross_entropy(logits.view(-1, logits.shape[-1]), targets.reshape(-1))
        loss.backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)


def plain(
    model: nn.Module, inputs: Tensor, targets: Tensor, steps: int, autocast: torch.dtype | None = None
) -> Callable[[], None]:
    """So many steps on one batch."""
    training = PlainTraining(model, autocast=autocast)

    def work() -> None:
        for _ in range(steps):
            training.step(inputs, targets)

    return work
