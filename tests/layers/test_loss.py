"""The loss: nothing supervised first, then published numbers and what sums promise."""

import math

import pytest
import torch

from hornbook.layers.loss import IGNORED, language_model_loss, mean_loss

LOGITS = torch.tensor([[-1.0, 1.0], [-0.5, 1.5], [-0.5, 1.5]])


def test_nothing_supervised_is_zero_with_a_zero_gradient_and_no_mean() -> None:
    logits = torch.randn(2, 3, 5, requires_grad=True)
    targets = torch.full((2, 3), IGNORED)
    total, count = language_model_loss(logits, targets)
    total.backward()
    assert (total.item(), count.item()) == (0.0, 0)
    assert torch.equal(logits.grad, torch.zeros_like(logits))
    with pytest.raises(ValueError, match="no supervised token"):
        mean_loss(logits, targets)


@pytest.mark.parametrize(
    ("targets", "expected"), [([0, 1], 1.12692809), ([0, 1, 1], 0.79359478), ([0, 1, IGNORED], 1.12692809)]
)
def test_published_losses(targets: list[int], expected: float) -> None:
    assert mean_loss(LOGITS[: len(targets)], torch.tensor(targets)).item() == pytest.approx(expected, abs=1e-6)


def test_loss_is_minus_the_logarithm_of_the_probability() -> None:
    for probability, expected in ((0.2, 1.6094), (0.9, 0.1054)):
        logits = torch.tensor([[math.log(probability), math.log(1 - probability)]])
        assert mean_loss(logits, torch.tensor([0])).item() == pytest.approx(expected, abs=5e-5)


@pytest.mark.parametrize(
    ("size", "expected"), [(30, 3.4012), (65, 4.1744), (1132, 7.0317), (9959, 9.2062), (50257, 10.8249)]
)
def test_uniform_loss(size: int, expected: float) -> None:
    assert mean_loss(torch.zeros(1, 2, size), torch.zeros(1, 2, dtype=torch.long)).item() == pytest.approx(
        expected, abs=5e-5
    )


def test_sums_add_up_over_parts_of_a_batch() -> None:
    logits, targets = torch.randn(4, 6, 9), torch.randint(0, 9, (4, 6))
    targets[0, 2:] = IGNORED
    whole = language_model_loss(logits, targets)
    parts = [language_model_loss(logits[i : i + 1], targets[i : i + 1]) for i in range(4)]
    torch.testing.assert_close(sum(part[0] for part in parts), whole[0])
    assert sum(part[1].item() for part in parts) == whole[1].item() == 20


def test_half_precision_is_summed_in_single() -> None:
    assert (
        language_model_loss(torch.zeros(1, 4, 7, dtype=torch.bfloat16), torch.zeros(1, 4, dtype=torch.long))[0].dtype
        == torch.float32
    )
