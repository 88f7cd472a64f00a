"""Causal attention: each token takes a weighted mean of the values of the tokens up to and including itself.

B batch, T new tokens, S all tokens (past and new), H query heads, K key/value heads (H is a multiple of K), D head_dim.
Source: Vaswani et al. 2017, "Attention is all you need"; grouped heads: Ainslie et al. 2023, "GQA".
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor


def causal_attention(queries: Tensor, keys: Tensor, values: Tensor, dropout: float = 0.0) -> Tensor:
    """softmax(Q K^T / sqrt(D)) V, where query i sees keys 0 .. S - T + i.

    In: queries (B, H, T, D), keys and values (B, K, S, D) with S >= T; `dropout` on the weights (0 when evaluating).
    Out: (B, H, T, D). The fused kernel of torch is as fast on a CPU as the written-out form, at every length we train.
    """
    num_new, num_all = queries.shape[2], keys.shape[2]
    prefill = num_new == num_all  # no past: the kernel builds its own triangle
    mask = None if prefill or num_new == 1 else causal_mask(num_new, num_all, device=queries.device)
    grouped = queries.shape[1] != keys.shape[1]
    return F.scaled_dot_product_attention(
        queries, keys, values, attn_mask=mask, dropout_p=dropout, is_causal=prefill and num_new > 1, enable_gqa=grouped
    )


def causal_mask(num_new: int, num_all: int, device: torch.device | None = None) -> Tensor:
    """Which of `num_all` tokens each of the last `num_new` may see, (T, S) bool: 2, 3 -> [[1, 1, 0], [1, 1, 1]]."""
    return torch.ones(num_new, num_all, dtype=torch.bool, device=device).tril(num_all - num_new)


def attention_weights(queries: Tensor, keys: Tensor) -> Tensor:
    """The weights that `causal_attention` applies, to look at: queries (B, H, T, D), keys (B, K, S, D) -> (B, H, T, S).

    Every row sums to 1.
    """
    keys = keys.repeat_interleave(queries.shape[1] // keys.shape[1], dim=1)
    scores = queries @ keys.transpose(-2, -1) / math.sqrt(queries.shape[-1])
    mask = causal_mask(queries.shape[2], keys.shape[2], device=queries.device)
    return scores.masked_fill(~mask, float("-inf")).softmax(dim=-1)
