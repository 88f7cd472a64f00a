"""The bigram model: it knows the last token and nothing else."""

import math

import pytest
import torch

from hornbook.layers.loss import mean_loss
from hornbook.models.bigram import Bigram, BigramConfig


@pytest.mark.parametrize(("vocab_size", "expected"), [(30, 900), (9959, 99181681)])
def test_published_parameter_counts(vocab_size: int, expected: int) -> None:
    with torch.device("meta"):
        assert Bigram(BigramConfig(vocab_size=vocab_size)).num_parameters() == expected


def test_starts_at_the_uniform_loss() -> None:
    model, tokens = Bigram(BigramConfig(vocab_size=30)), torch.randint(0, 30, (2, 9))
    assert mean_loss(model(tokens[:, :-1]), tokens[:, 1:]).item() == pytest.approx(math.log(30), abs=1e-5)


def test_earlier_tokens_have_no_effect() -> None:
    model = Bigram(BigramConfig(vocab_size=5))
    torch.nn.init.normal_(model.token_embedding.weight)
    logits = model(torch.tensor([[1, 2, 3], [4, 0, 3]]))
    assert torch.equal(logits[0, 2], logits[1, 2])
    assert torch.equal(logits[0, 2], model.token_embedding.weight[3])


def test_learns_the_counts_of_pairs() -> None:
    """The table's optimum is known: the softmax of a row is how often each token followed."""
    tokens = torch.tensor([[0, 1, 0, 1, 0, 2, 0, 1, 0, 1]])
    model = Bigram(BigramConfig(vocab_size=3))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.1)
    for _ in range(200):
        optimizer.zero_grad()
        mean_loss(model(tokens[:, :-1]), tokens[:, 1:]).backward()
        optimizer.step()
    learned = model(torch.tensor([[0]])).softmax(dim=-1).flatten()
    torch.testing.assert_close(learned, torch.tensor([0.0, 0.8, 0.2]), atol=0.02, rtol=0)
