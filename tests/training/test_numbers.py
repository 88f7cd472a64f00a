"""Published numbers of training: a clipped gradient, and a small task that must be learned to the last digit."""

import math
from collections.abc import Callable
from itertools import product
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from hornbook.generation.generate import generate_tokens
from hornbook.generation.sampling import Sampling
from hornbook.layers.loss import IGNORED, mean_loss, next_token_loss
from hornbook.models.gpt import GPT, GPTConfig
from hornbook.optimizers.adamw import AdamW
from hornbook.randomness import permute
from hornbook.training.schedule import Schedule
from hornbook.training.update import Parts, Training, update

Number = Callable[[str], Any]
LENGTH, DIGITS = 6, 3


def test_a_gradient_of_norm_5_is_scaled_to_1(number: Number) -> None:
    """The loss is the weights times [[1, 2], [2, 4]], so that is the gradient, and plain descent shows what is left."""
    expected, model = number("train-08"), nn.Linear(2, 2, bias=False)
    model.config = SimpleNamespace()
    nn.init.zeros_(model.weight)
    gradient = torch.tensor([[1.0, 2.0], [2.0, 4.0]])

    def loss(model: nn.Module, inputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        return (model.weight * gradient).sum(), torch.tensor(1)

    optimizer = torch.optim.SGD([{"params": model.parameters(), "lr": 1.0, "base_lr": 1.0}])
    one = (torch.zeros(1, 1), torch.zeros(1, 1, dtype=torch.int64))
    parts = Parts(model, optimizer, lambda step: [one], loss, lambda: iter([one]))
    record = update(parts, Training(clip=1.0), Schedule(kind="constant"), 0)
    assert record["gradient_norm"] == expected["norm"]
    torch.testing.assert_close(-model.weight.detach(), torch.tensor(expected["clipped"]), atol=1e-5, rtol=0)


def sorting_batch(inputs: Tensor) -> tuple[Tensor, Tensor]:
    """Digits (B, 6) -> the digits and their sorted form as one row, of which only the sorted half is supervised."""
    rows = torch.cat([inputs, inputs.sort(dim=1).values], dim=1)  # (B, 12)
    targets = rows[:, 1:].clone()
    targets[:, : LENGTH - 1] = IGNORED
    return rows[:, :-1], targets


def test_a_small_gpt_learns_to_sort(number: Number) -> None:
    """Every list of six digits 0 to 2, three quarters to learn from: the others come out sorted, without one mistake.

    The published losses on the way belong to the publisher's initial weights and optimizer; compared here is what
    any right implementation shows: the size, about ln 3 nats at the start, nearly 0 at the end, all answers right.
    """
    expected = number("min-01")
    lists = torch.tensor(list(product(range(DIGITS), repeat=LENGTH)))  # all 729
    lists = lists[torch.from_numpy(permute(torch.arange(len(lists)).numpy(), len(lists), 3407))]
    held_out, learned = lists[:180], lists[180:]
    config = GPTConfig(vocab_size=DIGITS, context_length=2 * LENGTH - 1, num_layers=3, num_heads=3, embed_dim=48)
    model = GPT(config, torch.Generator().manual_seed(3407))
    assert round(model.num_parameters() / 1e6, 2) == expected["params_M"]
    steps, batch_size = 200, 64
    optimizer = AdamW(learning_rate=3e-3).build(model.named_parameters())
    drawn = torch.Generator().manual_seed(1)

    def batches(step: int) -> list[tuple[Tensor, Tensor]]:
        return [sorting_batch(learned[torch.randint(0, len(learned), (batch_size,), generator=drawn)])]

    parts = Parts(model, optimizer, batches, next_token_loss, lambda: iter(batches(0)))
    schedule, training = Schedule(warmup_steps=30), Training(steps=steps, batch_size=batch_size)
    losses = [update(parts, training, schedule, step)["loss"] for step in range(steps)]
    assert [losses[0], losses[0]] == pytest.approx([math.log(DIGITS), expected["loss_iter0"]], abs=0.2)
    assert losses[-1] < 0.02 < expected["loss_iter100"]
    model.eval()
    with torch.no_grad():
        for part in (learned, held_out):
            inputs, targets = sorting_batch(part)
            assert torch.equal(model(inputs)[:, LENGTH - 1 :].argmax(-1), targets[:, LENGTH - 1 :])
        assert mean_loss(model(inputs), targets) < 0.02
    found = list(generate_tokens(model, expected["example_in"], Sampling(temperature=0), max_new_tokens=LENGTH, seed=0))
    assert found == expected["example_out"]
