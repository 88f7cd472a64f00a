"""Attention as a ladder, every rung written out to be read: the models use the last one's fast form, `layers/attention.py`.

simple_attention     a mean of all tokens, weighted by likeness; nothing to learn
ParameterAttention   + learned questions, answers and contents: query, key, value
LinearAttention      the same with `nn.Linear`: a better start and, if wanted, biases
CausalAttention      + no token sees a later one; dropout on the weights
StackedHeads         + several of them side by side, each with its own view
SplitHeads           the same as one wide matrix cut into heads, and an output projection that mixes them

All take (B, T, C) or one text alone, (T, C). Every class has `forward(x)` -> (..., T, out_dim) and `weights(x)`, what
each token looks at: (..., T, T), or (..., H, T, T) with heads; rows sum to 1.
The order of the rungs follows Raschka 2024, "Build a Large Language Model (From Scratch)", chapter 3.
B batch, T tokens, C in_dim, D size of a head, H heads.
"""

import math

import torch
from torch import Tensor, nn


def simple_attention(x: Tensor) -> tuple[Tensor, Tensor]:
    """Each token becomes a mean of all, weighted by the softmax of its dot product with each.

    In: (..., T, C). Out: what each token becomes (..., T, C), and the weights (..., T, T).
    """
    weights = (x @ x.transpose(-2, -1)).softmax(dim=-1)
    return weights @ x, weights


class ParameterAttention(nn.Module):
    """Adds to `simple_attention` what can be learned: three matrices, drawn evenly from 0 to 1.

    A token asks with its query, is found by its key and gives its value. Scores are divided by the root of their size:
    a sum of D products grows with that root, and softmax of large scores picks one token and passes no gradient on.
    """

    def __init__(self, in_dim: int, out_dim: int) -> None:
        super().__init__()
        self.query = nn.Parameter(torch.rand(in_dim, out_dim))
        self.key = nn.Parameter(torch.rand(in_dim, out_dim))
        self.value = nn.Parameter(torch.rand(in_dim, out_dim))

    def weights(self, x: Tensor) -> Tensor:
        """(..., T, C) -> (..., T, T)."""
        queries, keys = x @ self.query, x @ self.key
        scores = queries @ keys.transpose(-2, -1) / math.sqrt(keys.shape[-1])
        return scores.softmax(dim=-1)

    def forward(self, x: Tensor) -> Tensor:
        """(..., T, C) -> (..., T, D)."""
        return self.weights(x) @ (x @ self.value)


class LinearAttention(nn.Module):
    """Changes in `ParameterAttention` only who keeps the matrices: `nn.Linear`, which without bias is x @ weight.T.

    It starts them small and around 0, so that training begins steadily; its weight is the transposed parameter.
    """

    def __init__(self, in_dim: int, out_dim: int, bias: bool = False) -> None:
        super().__init__()
        self.query = nn.Linear(in_dim, out_dim, bias=bias)
        self.key = nn.Linear(in_dim, out_dim, bias=bias)
        self.value = nn.Linear(in_dim, out_dim, bias=bias)

    def weights(self, x: Tensor) -> Tensor:
        """(..., T, C) -> (..., T, T)."""
        queries, keys = self.query(x), self.key(x)
        scores: Tensor = queries @ keys.transpose(-2, -1) / math.sqrt(keys.shape[-1])
        return scores.softmax(dim=-1)

    def forward(self, x: Tensor) -> Tensor:
        """(..., T, C) -> (..., T, D)."""
        return self.weights(x) @ self.value(x)  # type: ignore[no-any-return]


class CausalAttention(nn.Module):
    """Adds to `LinearAttention` that a token sees only itself and what came before, as when a text is written.

    A score of -inf becomes a weight of exactly 0, and the row still sums to 1, as if later tokens did not exist.
    Dropout hides some of the weights in training, so that no token leans on a single other one.
    """

    mask: Tensor

    def __init__(
        self, in_dim: int, out_dim: int, context_length: int, dropout: float = 0.0, bias: bool = False
    ) -> None:
        super().__init__()
        self.query = nn.Linear(in_dim, out_dim, bias=bias)
        self.key = nn.Linear(in_dim, out_dim, bias=bias)
        self.value = nn.Linear(in_dim, out_dim, bias=bias)
        self.dropout = nn.Dropout(dropout)
        self.register_buffer("mask", later_tokens(context_length))  # moves and is saved with the model, never trained

    def weights(self, x: Tensor) -> Tensor:
        """(..., T, C) -> (..., T, T), before dropout."""
        queries, keys = self.query(x), self.key(x)
        scores = queries @ keys.transpose(-2, -1) / math.sqrt(keys.shape[-1])
        return hide(scores, self.mask).softmax(dim=-1)

    def forward(self, x: Tensor) -> Tensor:
        """(..., T, C) -> (..., T, D)."""
        return self.dropout(self.weights(x)) @ self.value(x)  # type: ignore[no-any-return]


class StackedHeads(nn.Module):
    """Adds to `CausalAttention` company: `num_heads` of them on the same tokens, their results side by side.

    One head has one set of weights a token; several can look for several things at once. `out_dim` is all together.
    Errors: `ValueError` where it can't be shared evenly.
    """

    def __init__(
        self,
        in_dim: int,
        out_dim: int,
        context_length: int,
        num_heads: int,
        dropout: float = 0.0,
        bias: bool = False,
    ) -> None:
        super().__init__()
        size = head_size(out_dim, num_heads)
        heads = [CausalAttention(in_dim, size, context_length, dropout, bias) for _ in range(num_heads)]
        self.heads = nn.ModuleList(heads)

    def weights(self, x: Tensor) -> Tensor:
        """(..., T, C) -> (..., H, T, T), before dropout."""
        return torch.stack([head.weights(x) for head in self.heads], dim=-3)  # type: ignore[operator]

    def forward(self, x: Tensor) -> Tensor:
        """(..., T, C) -> (..., T, H x D)."""
        return torch.cat([head(x) for head in self.heads], dim=-1)


class SplitHeads(nn.Module):
    """Computes `StackedHeads` at once: the heads' matrices are the rows of one, and its result is cut into heads.

    One large product is faster than many small ones. New is the output projection, through which heads mix.
    """

    mask: Tensor

    def __init__(
        self,
        in_dim: int,
        out_dim: int,
        context_length: int,
        num_heads: int,
        dropout: float = 0.0,
        bias: bool = False,
    ) -> None:
        super().__init__()
        self.num_heads, self.head_dim = num_heads, head_size(out_dim, num_heads)
        self.query = nn.Linear(in_dim, out_dim, bias=bias)
        self.key = nn.Linear(in_dim, out_dim, bias=bias)
        self.value = nn.Linear(in_dim, out_dim, bias=bias)
        self.output = nn.Linear(out_dim, out_dim)
        self.dropout = nn.Dropout(dropout)
        self.register_buffer("mask", later_tokens(context_length))

    def weights(self, x: Tensor) -> Tensor:
        """(..., T, C) -> (..., H, T, T), before dropout."""
        queries, keys = self.split(self.query(x)), self.split(self.key(x))  # (..., H, T, D)
        scores = queries @ keys.transpose(-2, -1) / math.sqrt(self.head_dim)  # (..., H, T, T)
        return hide(scores, self.mask).softmax(dim=-1)

    def forward(self, x: Tensor) -> Tensor:
        """(..., T, C) -> (..., T, H x D)."""
        mixed = self.dropout(self.weights(x)) @ self.split(self.value(x))  # (..., H, T, D)
        return self.output(self.join(mixed))  # type: ignore[no-any-return]

    def split(self, x: Tensor) -> Tensor:
        """(..., T, H x D) -> (..., H, T, D): a token's numbers are cut into heads first, then heads come before tokens.

        Viewed as (..., H, T, D) straight away the shape is the same, but a head would hold pieces of several tokens.
        """
        return x.view(*x.shape[:-1], self.num_heads, self.head_dim).transpose(-3, -2)

    def join(self, heads: Tensor) -> Tensor:
        """(..., H, T, D) -> (..., T, H x D), undoing `split`. A view needs its numbers in order: `contiguous` copies."""
        heads = heads.transpose(-3, -2).contiguous()  # (..., T, H, D)
        return heads.view(*heads.shape[:-2], self.num_heads * self.head_dim)


def later_tokens(context_length: int) -> Tensor:
    """Which tokens come after each, bool: 3 -> [[0, 1, 1], [0, 0, 1], [0, 0, 0]]."""
    return torch.ones(context_length, context_length, dtype=torch.bool).triu(1)


def hide(scores: Tensor, mask: Tensor) -> Tensor:
    """Scores (..., T, T) with -inf where the mask's upper left corner of T x T is set.

    Not 0: softmax gives e^0 = 1 share to a score of 0, and the future would be heard. Errors: `ValueError` where T is
    longer than the mask.
    """
    length = scores.shape[-1]
    if length > len(mask):
        raise ValueError(f"{length} tokens are longer than the context of {len(mask)}")
    return scores.masked_fill(mask[:length, :length], float("-inf"))


def head_size(out_dim: int, num_heads: int) -> int:
    """The size of each head: 768, 12 -> 64. Errors: `ValueError` where it is no whole number."""
    if out_dim % num_heads:
        raise ValueError(f"out_dim {out_dim} is not divisible by num_heads {num_heads}")
    return out_dim // num_heads
