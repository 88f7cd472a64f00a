"""The cache: what does not fit first, then what it holds and what it costs."""

import pytest
import torch

from hornbook.layers.kv_cache import KVCache


def filled(count: int, capacity: int = 6) -> tuple[KVCache, torch.Tensor]:
    """A cache of one layer that holds `count` tokens, whose keys are 0, 1, 2, ..."""
    cache = KVCache(1, 2, 3, capacity, 4)
    keys = torch.arange(float(count)).view(1, 1, -1, 1).expand(2, 3, count, 4)
    cache.append(0, keys, -keys)
    cache.advance(count)
    return cache, keys


def test_more_than_fits_is_an_error_that_says_so() -> None:
    cache, keys = filled(5)
    with pytest.raises(ValueError, match="holds 5 of 6 tokens; 5 more do not fit"):
        cache.append(0, keys, keys)
    with pytest.raises(ValueError, match="2 more do not fit"):
        cache.advance(2)
    assert cache.length == 5


def test_truncate_refuses_what_is_not_there() -> None:
    cache, _ = filled(2)
    for length in (3, -1):
        with pytest.raises(ValueError, match="cannot keep"):
            cache.truncate(length)


def test_append_returns_past_and_new_without_copying() -> None:
    cache, old = filled(3)
    new = torch.full((2, 3, 2, 4), 9.0)
    keys, values = cache.append(0, new, new + 1)
    assert torch.equal(keys, torch.cat([old, new], dim=2))
    assert torch.equal(values, torch.cat([-old, new + 1], dim=2))
    assert keys.data_ptr() == cache.keys.data_ptr()
    assert cache.length == 3  # until every layer has appended


def test_truncated_tokens_are_overwritten() -> None:
    cache, old = filled(4)
    cache.truncate(2)
    new = torch.full((2, 3, 1, 4), 7.0)
    assert torch.equal(cache.append(0, new, new)[0], torch.cat([old[:, :, :2], new], dim=2))
    cache.reset()
    assert cache.length == 0


def test_bytes_of_grouped_heads_are_the_published_ones() -> None:
    """Width 4096, 32 heads and layers, 32,768 tokens in bfloat16: 17.18 GB; with 8 key/value heads a quarter."""
    for num_kv_heads, gigabytes in ((32, 17.18), (8, 4.29)):
        cache = KVCache(32, 1, num_kv_heads, 32768, 128, device="meta", dtype=torch.bfloat16)
        assert cache.num_bytes / 1e9 == pytest.approx(gigabytes, abs=0.005)
