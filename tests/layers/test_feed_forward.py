"""Feed-forward networks against their formulas. (Published numbers: test_numbers.py.)"""

import pytest
import torch
from torch import nn

from hornbook.layers.feed_forward import ACTIVATIONS, FeedForward, SwiGLU


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
