"""The exact numbers that the sources print or that follow from their formulas, for the layers that we use."""

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from hornbook.layers.attention import attention_weights
from hornbook.layers.feed_forward import ACTIVATIONS
from hornbook.layers.loss import IGNORED, mean_loss
from hornbook.layers.norms import LayerNorm
from hornbook.layers.positions import sinusoidal_table

Number = Callable[[str], Any]


def close(found: torch.Tensor, expected: Any, atol: float = 1e-4) -> None:
    torch.testing.assert_close(found, torch.tensor(expected), atol=atol, rtol=0)


def test_one_row_of_the_embedding_is_one_token(number: Number) -> None:
    expected = number("emb-01")
    torch.manual_seed(123)
    embedding = nn.Embedding(6, 3)
    close(embedding.weight.detach(), expected["weight"])
    close(embedding(torch.tensor([3])).detach(), expected["lookup_3"])
    close(embedding(torch.tensor([2, 3, 5, 1])).detach(), expected["lookup_2351"])


def test_looking_up_is_multiplying_by_one_hot_rows(number: Number) -> None:
    expected, tokens = number("emb-03"), torch.tensor([2, 3, 1])
    torch.manual_seed(123)
    embedding = nn.Embedding(4, 5)
    close(embedding.weight.detach(), expected["weight"])
    close(embedding(tokens).detach(), expected["rows"])
    one_hot = nn.functional.one_hot(tokens, 4)
    assert one_hot.tolist() == expected["onehot"]
    linear = nn.Linear(4, 5, bias=False)
    linear.weight = nn.Parameter(embedding.weight.T)
    assert torch.equal(linear(one_hot.float()), embedding(tokens)) is expected["equal"]


def test_sinusoidal_positions(number: Number) -> None:
    table = sinusoidal_table(4, 4)
    close(table, number("emb-06"), atol=1e-6)
    assert not table.requires_grad


def test_layer_norm(number: Number) -> None:
    """The book's first form divides by n - 1, ours by n as GPT-2's weights need: sqrt(6 / 5) between them."""
    expected = number("ln-01")
    torch.manual_seed(123)
    x = torch.randn(2, 5)
    out = nn.Sequential(nn.Linear(5, 6), nn.ReLU())(x).detach()
    close(out, expected["out"])
    close(out.mean(-1), expected["mean"])
    close(out.var(-1), expected["var_unbiased"])
    norm = LayerNorm(6, eps=0.0)
    close(norm(out).detach() / math.sqrt(6 / 5), expected["normalised"])
    assert norm(out).mean(-1).abs().max() < 1e-6  # nearly 0, and in floating point rarely 0
    close(norm(out).detach().var(-1, correction=0), [1.0, 1.0])
    assert torch.equal(LayerNorm(6)(torch.full((1, 6), 7.0)), torch.zeros(1, 6))  # eps: no division by 0


@pytest.mark.parametrize(("name", "column"), [("gelu_tanh", "tanh"), ("gelu", "exact")])
def test_gelu(number: Number, name: str, column: str) -> None:
    points = torch.tensor(number("gelu-01")["x"])
    close(ACTIVATIONS[name](points), number("gelu-01")[column], atol=1e-6)
    places = torch.linspace(-3, 3, 601)
    assert places[ACTIVATIONS[name](places).argmin()] == pytest.approx(-0.75, abs=0.01)


def test_an_ignored_target_leaves_the_loss_as_it_was(number: Number) -> None:
    expected, logits = number("loss-03"), torch.tensor([[-1.0, 1.0], [-0.5, 1.5], [-0.5, 1.5]])
    losses = [mean_loss(logits[: len(t)], torch.tensor(t)).item() for t in ([0, 1], [0, 1, 1], [0, 1, IGNORED])]
    assert losses == pytest.approx([expected["loss_1"], expected["loss_2"], expected["loss_3"]], abs=5e-5)
    assert (losses[0] == losses[2]) is expected["loss_1_equals_loss_3"]
    assert losses[:2] == pytest.approx([1.12692809, 0.79359478], abs=1e-7)


def test_the_loss_is_minus_the_logarithm_of_the_probability(number: Number) -> None:
    for name, expected in number("loss-06").items():
        if name.startswith("uniform_"):
            logits = torch.zeros(1, int(name.removeprefix("uniform_")))
        else:
            probability = {"p02": 0.2, "p09": 0.9}[name]
            logits = torch.tensor([[probability, 1 - probability]]).log()
        assert mean_loss(logits, torch.tensor([0])).item() == pytest.approx(expected, abs=5e-5)


def test_the_gradient_of_one_neuron(number: Number) -> None:
    """Its output and 0 are the logits of yes and no: the loss of a language model of two tokens is the logistic one."""
    expected, x = number("pt-01"), torch.tensor(1.1)
    weight, bias = torch.tensor(2.2, requires_grad=True), torch.tensor(0.0, requires_grad=True)
    z = x * weight + bias
    loss = mean_loss(torch.stack([torch.zeros(()), z])[None], torch.tensor([1]))
    assert loss.item() == pytest.approx(nn.functional.binary_cross_entropy(torch.sigmoid(z), torch.tensor(1.0)).item())
    loss.backward()
    found = {"loss": loss.item(), "grad_w": weight.grad.item(), "grad_b": bias.grad.item()}
    assert found == pytest.approx(expected, abs=5e-5)


def test_reading_a_row_of_attention(number: Number) -> None:
    """The fifth of eight words looks back: whatever scores its future has, the row is the pictured one."""
    row = torch.tensor(number("mixa-09"))
    scores = torch.where(row > 0, row.log(), 9.0)  # the future would win, were it seen
    queries, keys = torch.zeros(1, 1, 8, 8), torch.eye(8)[None, None]
    queries[0, 0, 4] = scores * math.sqrt(8)
    weights = attention_weights(queries, keys)[0, 0]
    torch.testing.assert_close(weights[4], row, atol=1e-4, rtol=0)
    assert weights[4, 5:].tolist() == [0, 0, 0]
    torch.testing.assert_close(weights.sum(-1), torch.ones(8))
    assert (weights[4].argsort(descending=True)[:3] + 1).tolist() == [1, 5, 3]  # itself comes second, not third
