"""Attention against the formula written out, and against what causality and grouping promise."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hornbook.layers.attention import attention_weights, causal_attention, causal_mask


def random_heads(num_heads: int, length: int, head_dim: int = 8, seed: int = 0) -> torch.Tensor:
    return torch.randn(2, num_heads, length, head_dim, generator=torch.Generator().manual_seed(seed))


def written_out(queries: torch.Tensor, keys: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
    """Token by token, softmax(q K^T / sqrt(D)) V over the keys that it may see."""
    past = keys.shape[2] - queries.shape[2]
    group = queries.shape[1] // keys.shape[1]
    out = torch.empty_like(queries)
    for head in range(queries.shape[1]):
        for place in range(queries.shape[2]):
            seen = slice(0, past + place + 1)
            scores = keys[:, head // group, seen] @ queries[:, head, place, :, None] / math.sqrt(queries.shape[-1])
            out[:, head, place] = (scores.softmax(dim=1) * values[:, head // group, seen]).sum(dim=1)
    return out


@settings(max_examples=25, deadline=None)
@given(num_new=st.integers(1, 9), past=st.integers(0, 7), kv_heads=st.sampled_from([1, 2, 4]))
def test_equals_the_formula(num_new: int, past: int, kv_heads: int) -> None:
    queries = random_heads(4, num_new)
    keys, values = random_heads(kv_heads, past + num_new, seed=1), random_heads(kv_heads, past + num_new, seed=2)
    torch.testing.assert_close(causal_attention(queries, keys, values), written_out(queries, keys, values))


@pytest.mark.parametrize("kv_heads", [1, 2, 4])
def test_weights_are_those_that_are_applied(kv_heads: int) -> None:
    queries, keys, values = random_heads(4, 3), random_heads(kv_heads, 5, seed=1), random_heads(kv_heads, 5, seed=2)
    weights = attention_weights(queries, keys)
    torch.testing.assert_close(weights.sum(dim=-1), torch.ones(2, 4, 3))
    mixed = weights @ values.repeat_interleave(4 // kv_heads, dim=1)
    torch.testing.assert_close(mixed, causal_attention(queries, keys, values))


def test_mask_with_a_past() -> None:
    assert causal_mask(2, 3).int().tolist() == [[1, 1, 0], [1, 1, 1]]


def test_published_scores() -> None:
    """Raschka 2024, chapter 3: "Your journey starts with one step", the context vector of the second word of six.

    The sixth query sees all six keys, so it is the uncausal attention that the book computes; its scores are not
    divided by sqrt(3), which the query undoes here.
    """
    words = [
        [0.43, 0.15, 0.89],
        [0.55, 0.87, 0.66],
        [0.57, 0.85, 0.64],
        [0.22, 0.58, 0.33],
        [0.77, 0.25, 0.10],
        [0.05, 0.80, 0.55],
    ]
    keys = torch.tensor(words)[None, None]
    query = keys[:, :, 1:2] * math.sqrt(3)
    context = causal_attention(query, keys, keys)
    torch.testing.assert_close(context.flatten(), torch.tensor([0.4419, 0.6515, 0.5683]), atol=5e-5, rtol=0)


def test_dropout_changes_weights_only_where_asked() -> None:
    queries, keys, values = random_heads(2, 6), random_heads(2, 6, seed=1), random_heads(2, 6, seed=2)
    torch.manual_seed(0)
    assert not torch.equal(
        causal_attention(queries, keys, values, dropout=0.5), causal_attention(queries, keys, values)
    )
    torch.testing.assert_close(causal_attention(queries, keys, values, dropout=0.0), written_out(queries, keys, values))


@pytest.mark.parametrize(("num_new", "num_all", "window"), [(6, 6, 3), (6, 6, 1), (1, 9, 4), (3, 9, 4), (9, 9, 8)])
def test_a_window_hides_what_lies_further_back(num_new: int, num_all: int, window: int) -> None:
    """Against the written-out softmax over the few keys that each query may see."""
    generator = torch.Generator().manual_seed(3)
    queries = torch.randn(2, 4, num_new, 8, generator=generator)
    keys, values = torch.randn(2, 2, 2, num_all, 8, generator=generator)
    found = causal_attention(queries, keys, values, window=window)
    for place in range(num_new):
        end = num_all - num_new + place + 1
        seen = slice(max(0, end - window), end)
        near = [tensor[:, :, seen].repeat_interleave(2, dim=1) for tensor in (keys, values)]
        weights = (queries[:, :, place : place + 1] @ near[0].transpose(-2, -1) / 8**0.5).softmax(-1)
        torch.testing.assert_close(found[:, :, place : place + 1], weights @ near[1])
    shown = attention_weights(queries, keys, window=window) @ values.repeat_interleave(2, dim=1)
    torch.testing.assert_close(found, shown)


def test_no_mask_is_built_where_nothing_is_further_back(monkeypatch: pytest.MonkeyPatch) -> None:
    heads = torch.randn(1, 2, 6, 8)
    expected = causal_attention(heads, heads, heads)
    monkeypatch.setattr("hornbook.layers.attention.causal_mask", None)
    assert torch.equal(causal_attention(heads, heads, heads, window=6), expected)
    assert torch.equal(causal_attention(heads, heads, heads), expected)
    causal_attention(heads[:, :, :1], heads, heads, window=3)  # one token alone: the keys are cut, no mask either
