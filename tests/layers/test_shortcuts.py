"""The gradient in deep networks: the same as torch's own backward pass, and what shortcuts do to it."""

import pytest
import torch
from torch import nn

from hornbook.layers.shortcuts import DeepNetwork, gradient_norms


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("shortcuts", [False, True])
def test_the_norms_are_those_of_torchs_backward_pass(shortcuts: bool) -> None:
    network = DeepNetwork(4, 5, shortcuts=shortcuts, generator=generator(1))
    inputs, targets = torch.randn(2, 7, 5, generator=generator(2))
    found = gradient_norms(network, inputs, targets)
    assert all(parameter.grad is None for parameter in network.parameters())

    layers = [nn.Linear(5, 5) for _ in range(4)]
    x = inputs
    for ours, layer in zip(network.layers, layers, strict=True):
        layer.load_state_dict(ours.state_dict())
        x = x * shortcuts + nn.functional.gelu(layer(x))
    torch.testing.assert_close(network(inputs), x)
    nn.functional.mse_loss(x, targets).backward()
    expected = [float(layer.weight.grad.norm()) for layer in layers if layer.weight.grad is not None]
    assert found == pytest.approx(expected, rel=1e-5)


def test_without_shortcuts_the_gradient_vanishes() -> None:
    inputs, targets = torch.randn(2, 32, 32, generator=generator(3))
    bare, joined = (
        gradient_norms(DeepNetwork(16, 32, shortcuts=shortcuts, generator=generator(4)), inputs, targets)
        for shortcuts in (False, True)
    )
    assert bare[0] < 1e-4 * bare[-1]
    assert min(joined) > 0.1 * max(joined)


def test_both_networks_begin_with_the_same_weights() -> None:
    bare, joined = (DeepNetwork(3, 4, shortcuts=shortcuts, generator=generator(5)) for shortcuts in (False, True))
    assert all(map(torch.equal, bare.parameters(), joined.parameters()))
    assert (
        max(float(parameter.detach().abs().max()) for parameter in bare.parameters()) <= 0.5
    )  # 1 / sqrt(4), as nn.Linear
