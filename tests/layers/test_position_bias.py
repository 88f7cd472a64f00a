"""What is added to scores for the sake of positions: ALiBi and T5's buckets, against `transformers` and their papers."""

import math

import pytest
import torch

from hornbook.layers.attention import attention_weights, causal_attention
from hornbook.layers.positions import ALiBi, RelativeBias, alibi_slopes, at_distances, distance_buckets


@pytest.mark.parametrize("num_heads", [1, 2, 3, 4, 5, 6, 7, 8, 12, 16, 20, 25, 48])
def test_slopes_are_those_of_bloom(num_heads: int) -> None:
    bloom = pytest.importorskip("transformers.models.bloom.modeling_bloom")
    theirs = bloom.build_alibi_tensor(torch.ones(1, 9), num_heads, torch.float32)  # (H, 1, 9): slope x place of the key
    torch.testing.assert_close(alibi_slopes(num_heads), theirs[:, 0, 1])
    ours = ALiBi(num_heads)(9, 9)
    up_to_a_shift = (theirs - ours).tril()  # softmax doesn't see what a whole row has in common
    torch.testing.assert_close(up_to_a_shift, (theirs - ours)[:, :, :1].expand_as(ours).tril())


def test_published_slopes() -> None:
    assert alibi_slopes(8).tolist() == [2.0**-power for power in range(1, 9)]
    torch.testing.assert_close(alibi_slopes(16), 2.0 ** (-0.5 * torch.arange(1, 17)))


def test_each_step_back_costs_the_slope() -> None:
    bias = ALiBi(4)(3, 5)  # the last three of five tokens
    assert bias.shape == (4, 3, 5)
    assert bias[0].tolist() == [
        [-0.5, -0.25, 0.0, 0.0, 0.0],
        [-0.75, -0.5, -0.25, 0.0, 0.0],
        [-1, -0.75, -0.5, -0.25, 0],
    ]
    assert not list(ALiBi(4).parameters())


@pytest.mark.parametrize(("num_buckets", "max_distance"), [(32, 128), (8, 16), (16, 500), (2, 8)])
def test_buckets_are_those_of_t5(num_buckets: int, max_distance: int) -> None:
    t5 = pytest.importorskip("transformers.models.t5.modeling_t5").T5Attention
    distances = torch.arange(1000)
    theirs = t5._relative_position_bucket(
        -distances, bidirectional=False, num_buckets=num_buckets, max_distance=max_distance
    )
    ours = distance_buckets(distances, num_buckets, max_distance)
    assert torch.equal(ours, theirs)
    assert ours.unique().tolist() == list(range(num_buckets))  # none is empty, none is skipped


def test_relative_bias_reads_its_table() -> None:
    layer = RelativeBias(2)
    bias = layer(1, 200)[:, 0]
    assert torch.equal(bias[:, -16:], layer.table.weight[:16].T.flip(-1))  # distances 0 .. 15 each have a row
    assert torch.equal(bias[:, :72], layer.table.weight[31:].T.expand(2, 72))  # 128 and beyond share the last
    assert [tuple(parameter.shape) for parameter in layer.parameters()] == [(32, 2)]


@pytest.mark.parametrize("layer", [ALiBi(3), RelativeBias(3)])
@pytest.mark.parametrize(("num_new", "num_all"), [(1, 1), (1, 9), (4, 9), (9, 9)])
def test_the_last_rows_are_those_of_the_whole(layer: torch.nn.Module, num_new: int, num_all: int) -> None:
    past = num_all - num_new
    assert torch.equal(layer(num_new, num_all), layer(9, 9)[:, past:num_all, :num_all])


def test_a_value_for_each_distance() -> None:
    assert at_distances(torch.tensor([[5.0, 6.0, 7.0]]), 2).tolist() == [[[6, 5, 5], [7, 6, 5]]]


@pytest.mark.parametrize(("num_new", "num_all"), [(1, 1), (1, 7), (3, 7), (7, 7)])
@pytest.mark.parametrize("kv_heads", [1, 4])
def test_a_bias_is_added_to_the_scores(num_new: int, num_all: int, kv_heads: int) -> None:
    torch.manual_seed(0)
    queries, bias = torch.randn(2, 4, num_new, 8), torch.randn(4, num_new, num_all)
    keys, values = torch.randn(2, 2, kv_heads, num_all, 8)
    scores = queries @ keys.repeat_interleave(4 // kv_heads, dim=1).mT / math.sqrt(8) + bias
    later = torch.ones(num_new, num_all).triu(num_all - num_new + 1).bool()
    expected = scores.masked_fill(later, -math.inf).softmax(dim=-1)
    torch.testing.assert_close(attention_weights(queries, keys, bias), expected)
    mixed = expected @ values.repeat_interleave(4 // kv_heads, dim=1)
    torch.testing.assert_close(causal_attention(queries, keys, values, bias=bias), mixed)


def test_a_bias_learns_through_the_kernel() -> None:
    layer = RelativeBias(4)
    queries, keys, values = torch.randn(3, 2, 4, 6, 8)
    causal_attention(queries, keys, values, bias=layer(6, 6)).square().sum().backward()
    used = layer.table.weight.grad.abs().sum(dim=1) > 0
    assert used.tolist() == [True] * 6 + [False] * 26  # six tokens are at most five apart


def test_without_bias_and_past_no_mask_is_built(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object, **named: object) -> None:
        raise AssertionError("a mask was built")

    monkeypatch.setattr("hornbook.layers.attention.causal_mask", refuse)
    queries = torch.randn(1, 2, 6, 8)
    assert causal_attention(queries, queries, queries).shape == queries.shape
    assert causal_attention(queries[:, :, -1:], queries, queries).shape == (1, 2, 1, 8)
    with pytest.raises(AssertionError, match="a mask was built"):
        causal_attention(queries[:, :, -2:], queries, queries)
