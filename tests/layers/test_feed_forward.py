"""Feed-forward networks against published numbers and their formulas."""

import pytest
import torch
from torch import nn

from hornbook.layers.feed_forward import ACTIVATIONS, FeedForward, SwiGLU

POINTS = torch.tensor([-3, -2, -1, -0.75, -0.5, 0, 0.5, 1, 2, 3])
TANH = [-0.003637, -0.045402, -0.158808, -0.170039, -0.154286, 0.0, 0.345714, 0.841192, 1.954598, 2.996363]
EXACT = [-0.00405, -0.0455, -0.158655, -0.169971, -0.154269, 0.0, 0.345731, 0.841345, 1.9545, 2.99595]


@pytest.mark.parametrize(("name", "expected"), [("gelu_tanh", TANH), ("gelu", EXACT)])
def test_gelu_is_the_published_one(name: str, expected: list[float]) -> None:
    torch.testing.assert_close(ACTIVATIONS[name](POINTS), torch.tensor(expected), atol=1e-6, rtol=0)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_feed_forward_is_its_formula(name: str) -> None:
    layer, x = FeedForward(6, 24, name), torch.randn(2, 3, 6)
    hidden = ACTIVATIONS[name](x @ layer.up.weight.T + layer.up.bias)
    torch.testing.assert_close(layer(x), hidden @ layer.down.weight.T + layer.down.bias)


def test_swiglu_is_its_formula() -> None:
    layer, x = SwiGLU(6, 16), torch.randn(2, 3, 6)
    gate = x @ layer.gate.weight.T
    expected = (gate * torch.sigmoid(gate) * (x @ layer.up.weight.T)) @ layer.down.weight.T
    torch.testing.assert_close(layer(x), expected)


@pytest.mark.parametrize("layer", [FeedForward(6, 24), SwiGLU(6, 16)])
def test_positions_do_not_mix(layer: nn.Module) -> None:
    x = torch.randn(1, 5, 6)
    changed = x.clone()
    changed[:, 2] += 1
    differs = (layer(x) != layer(changed)).any(dim=-1).flatten()
    assert differs.tolist() == [False, False, True, False, False]
