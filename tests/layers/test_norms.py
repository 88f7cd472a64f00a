"""Norms against torch's and against published numbers."""

import math

import torch
from torch import nn

from hornbook.layers.norms import LayerNorm, RMSNorm


def test_equal_to_torch() -> None:
    x = torch.randn(3, 4, 10, generator=torch.Generator().manual_seed(0)) * 5 + 2
    for ours, theirs in ((LayerNorm(10), nn.LayerNorm(10)), (LayerNorm(10, bias=False), nn.LayerNorm(10, bias=False))):
        torch.testing.assert_close(ours(x), theirs(x))
    torch.testing.assert_close(RMSNorm(10)(x), nn.RMSNorm(10, eps=1e-6)(x))
    torch.testing.assert_close(RMSNorm(10)(x).square().mean(-1), torch.ones(3, 4), atol=1e-4, rtol=0)


def test_published_layer_norm() -> None:
    """The book's variance is over n - 1, ours over n as GPT-2's weights need: sqrt(6 / 5) between them."""
    x = torch.tensor([[0.226, 0.347, 0.0, 0.2216, 0.0, 0.0], [0.2133, 0.2394, 0.0, 0.5198, 0.3297, 0.0]])
    expected = torch.tensor(
        [[0.6159, 1.4126, -0.8719, 0.5872, -0.8719, -0.8719], [-0.0189, 0.1121, -1.0876, 1.5173, 0.5647, -1.0876]]
    )
    torch.testing.assert_close(LayerNorm(6, eps=0.0)(x) / math.sqrt(6 / 5), expected, atol=1e-3, rtol=0)


def test_without_bias_there_is_no_parameter() -> None:
    assert [name for name, _ in LayerNorm(4, bias=False).named_parameters()] == ["weight"]
