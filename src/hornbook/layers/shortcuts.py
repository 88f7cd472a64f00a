"""Why deep networks need shortcuts: the gradient that reaches the first layers, with and without them.

Without shortcuts a gradient is multiplied by every layer's weights and slopes on its way back, and mostly shrinks at
each. A shortcut adds a path on which it passes unchanged. Source: He et al. 2015, "Deep residual learning".
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class DeepNetwork(nn.Module):
    """`num_layers` times h = gelu(W x + b); with `shortcuts` x goes on as x + h, else as h: (..., C) -> (..., C).

    Weights are drawn as `nn.Linear` draws its own, from `generator`: both kinds of network can start from the same.
    """

    def __init__(self, num_layers: int, dim: int, *, shortcuts: bool, generator: torch.Generator | None = None) -> None:
        super().__init__()
        self.shortcuts = shortcuts
        self.layers = nn.ModuleList(nn.Linear(dim, dim) for _ in range(num_layers))
        bound = 1 / math.sqrt(dim)
        for parameter in self.parameters():
            nn.init.uniform_(parameter, -bound, bound, generator=generator)

    def forward(self, x: Tensor) -> Tensor:
        """(..., C) -> (..., C)."""
        for layer in self.layers:
            h = F.gelu(layer(x))
            x = x + h if self.shortcuts else h
        return x


def gradient_norms(network: DeepNetwork, inputs: Tensor, targets: Tensor) -> list[float]:
    """The norm of the loss's gradient for each layer's weight matrix, first layer first; the loss is the mean square.

    In: inputs and targets (..., C). The network's own `.grad` is left alone.
    """
    loss = F.mse_loss(network(inputs), targets)
    weights = [parameter for name, parameter in network.named_parameters() if name.endswith("weight")]
    return [float(gradient.norm()) for gradient in torch.autograd.grad(loss, weights)]
