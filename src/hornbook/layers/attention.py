"""Causal attention: each token takes a weighted mean of the values of the tokens up to and including itself.

B batch, T new tokens, S all tokens (past and new), H query heads, K key/value heads (H is a multiple of K), D head_dim.
Source: Vaswani et al. 2017, "Attention is all you need"; grouped heads: Ainslie et al. 2023, "GQA".
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor


def causal_attention(
    queries: Tensor,
    keys: Tensor,
    values: Tensor,
    dropout: float = 0.0,
    bias: Tensor | None = None,
    window: int | None = None,
) -> Tensor:
    """softmax(Q K^T / sqrt(D) + bias) V, where query i sees keys 0 .. S - T + i, the last `window` of them if given.

    In: queries (B, H, T, D), keys and values (B, K, S, D) with S >= T; `dropout` on the weights (0 when evaluating);
    `bias` (H, T, S) or (B, 1 or H, T, S) where positions or `segment_bias` speak through the scores. Out: (B, H, T, D).
    The fused kernel of torch is as fast on a CPU as the written-out form, at every length we train.
    """
    num_new, num_all = queries.shape[2], keys.shape[2]
    if bias is not None:
        mask = bias if num_new == 1 and window is None else _hide_future(bias, window)  # nothing comes after the last
        mask = mask.to(queries.dtype)
        return _fused(queries, keys, values, dropout, mask if mask.dim() == 4 else mask[None])
    if window is not None and num_all > window:
        return _windowed(queries, keys, values, dropout, window)
    if num_new == 1:  # the last token alone sees all
        return _fused(queries, keys, values, dropout, None)
    own_triangle = num_new == num_all  # the kernel builds it, and skips what it hides
    hidden = None if own_triangle else causal_mask(num_new, num_all, device=queries.device)
    return _fused(queries, keys, values, dropout, hidden, own_triangle)


def _windowed(queries: Tensor, keys: Tensor, values: Tensor, dropout: float, window: int) -> Tensor:
    """The same where a query sees the last `window` keys only, itself among them; what none of them sees is cut off."""
    num_new = queries.shape[2]
    num_seen = min(keys.shape[2], num_new + window - 1)
    keys, values = keys[:, :, -num_seen:], values[:, :, -num_seen:]
    mask = None if num_new == 1 else causal_mask(num_new, num_seen, queries.device, window)
    return _fused(queries, keys, values, dropout, mask)


def _fused(
    queries: Tensor, keys: Tensor, values: Tensor, dropout: float, mask: Tensor | None, triangle: bool = False
) -> Tensor:
    """Torch's kernel, with as many query heads to a key/value head as there are."""
    grouped = queries.shape[1] != keys.shape[1]
    if grouped and queries.shape[2] == 1 and (mask is None or mask.shape[1] == 1):
        # the heads of a group ask as so many tokens of one head: a third faster on a CPU
        tokens = queries.reshape(len(queries), keys.shape[1], -1, queries.shape[3])  # (B, K, H / K, D)
        return _fused(tokens, keys, values, dropout, mask).reshape(queries.shape)
    return F.scaled_dot_product_attention(
        queries, keys, values, attn_mask=mask, dropout_p=dropout, is_causal=triangle, enable_gqa=grouped
    )


def _hide_future(scores: Tensor, window: int | None = None) -> Tensor:
    """(..., T, S) -> the same, with -inf where a key comes after the query: softmax makes an exact 0 of it."""
    mask = causal_mask(scores.shape[-2], scores.shape[-1], scores.device, window)
    return scores.masked_fill(~mask, float("-inf"))


def causal_mask(num_new: int, num_all: int, device: torch.device | None = None, window: int | None = None) -> Tensor:
    """Which of `num_all` tokens each of the last `num_new` may see, (T, S) bool: 2, 3 -> [[1, 1, 0], [1, 1, 1]].

    With a window only so many, the token itself among them: 2, 3, window 2 -> [[1, 1, 0], [0, 1, 1]].
    """
    past = num_all - num_new
    mask = torch.ones(num_new, num_all, dtype=torch.bool, device=device).tril(past)
    return mask if window is None else mask.triu(past - window + 1)


def segment_bias(segments: Tensor) -> Tensor:
    """What keeps texts in one row from seeing each other: the number of each token's text (B, T) -> (B, 1, T, T).

    0 within a text and -inf between two: [[1, 1, 2]] -> [[[[0, 0, -inf], [0, 0, -inf], [-inf, -inf, 0]]]].
    """
    same = segments[:, None, :, None] == segments[:, None, None, :]  # (B, 1, T, T)
    return torch.zeros(same.shape, device=same.device).masked_fill(~same, float("-inf"))


def attention_weights(queries: Tensor, keys: Tensor, bias: Tensor | None = None, window: int | None = None) -> Tensor:
    """The weights that `causal_attention` applies, to look at: queries (B, H, T, D), keys (B, K, S, D) -> (B, H, T, S).

    Every row sums to 1. `bias` and `window` as there.
    """
    keys = keys.repeat_interleave(queries.shape[1] // keys.shape[1], dim=1)
    scores = queries @ keys.transpose(-2, -1) / math.sqrt(queries.shape[-1])
    return _hide_future(scores if bias is None else scores + bias, window).softmax(dim=-1)
