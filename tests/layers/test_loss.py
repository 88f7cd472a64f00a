"""The loss: nothing supervised first, then what sums promise. (Published numbers: test_numbers.py.)"""

import pytest
import torch

from hornbook.layers.loss import IGNORED, language_model_loss, mean_loss


def test_nothing_supervised_is_zero_with_a_zero_gradient_and_no_mean() -> None:
    logits = torch.randn(2, 3, 5, requires_grad=True)
    targets = torch.full((2, 3), IGNORED)
    total, count = language_model_loss(logits, targets)
    total.backward()
    assert (total.item(), count.item()) == (0.0, 0)
    assert torch.equal(logits.grad, torch.zeros_like(logits))
    with pytest.raises(ValueError, match="no supervised token"):
        mean_loss(logits, targets)


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
