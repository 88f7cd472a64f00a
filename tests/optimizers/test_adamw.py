"""AdamW: torch's own, with our groups."""

import torch
from torch import nn

from hornbook.optimizers.adamw import AdamW


def test_equal_to_adam_written_out() -> None:
    """Two steps of Loshchilov and Hutter's algorithm 2, by hand."""
    weight, gradients = torch.tensor([[1.0, -2.0]]), torch.tensor([[[0.5, -0.1]], [[-0.2, 0.3]]])
    parameter = nn.Parameter(weight.clone())
    optimizer = AdamW(learning_rate=0.1, weight_decay=0.2, beta1=0.9, beta2=0.99, eps=1e-8).build([("w", parameter)])
    mean, square = torch.zeros_like(weight), torch.zeros_like(weight)
    for step, gradient in enumerate(gradients, start=1):
        parameter.grad = gradient.clone()
        optimizer.step()
        mean, square = 0.9 * mean + 0.1 * gradient, 0.99 * square + 0.01 * gradient**2
        direction = (mean / (1 - 0.9**step)) / ((square / (1 - 0.99**step)).sqrt() + 1e-8)
        weight = weight - 0.1 * 0.2 * weight - 0.1 * direction
        torch.testing.assert_close(parameter.detach(), weight)


def test_embeddings_are_decayed_and_biases_are_not() -> None:
    layer = nn.Sequential(nn.Embedding(4, 3), nn.Linear(3, 2), nn.LayerNorm(2))
    decayed, kept = AdamW(weight_decay=0.3).build(layer.named_parameters()).param_groups
    assert (decayed["param_names"], decayed["weight_decay"]) == (["0.weight", "1.weight"], 0.3)
    assert (kept["param_names"], kept["weight_decay"]) == (["1.bias", "2.weight", "2.bias"], 0.0)
