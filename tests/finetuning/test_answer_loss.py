"""The loss of answers: the number and the gradient of pretraining's loss, without the logits that nobody asks for."""

import torch

from hornbook.finetuning.rows import answer_loss
from hornbook.layers.loss import IGNORED, next_token_loss
from hornbook.models.llama import Llama, LlamaConfig
from hornbook.randomness import torch_generator


def tiny() -> Llama:
    config = LlamaConfig(vocab_size=31, context_length=12, num_layers=2, num_heads=2, embed_dim=16)
    return Llama(config, torch_generator(0, "weights"))


def test_it_is_the_loss_of_pretraining() -> None:
    tokens = torch.randint(31, (3, 12), generator=torch_generator(1, "tokens"))
    targets = torch.full_like(tokens, IGNORED)
    targets[0, 4:7], targets[2, 11] = tokens[0, 5:8], 3
    losses, gradients = [], []
    for loss in (next_token_loss, answer_loss):
        model = tiny()
        total, count = loss(model, tokens, targets)
        total.backward()  # type: ignore[no-untyped-call]
        losses.append(total.item())
        gradients.append([weight.grad for weight in model.parameters() if weight.grad is not None])
        assert int(count) == 4
    assert abs(losses[0] - losses[1]) < 1e-5
    for first, second in zip(*gradients, strict=True):
        assert torch.allclose(first, second, atol=1e-6)


def test_where_nothing_is_asked_nothing_is_learned() -> None:
    model = tiny()
    tokens = torch.zeros(2, 5, dtype=torch.int64)
    total, count = answer_loss(model, tokens, torch.full_like(tokens, IGNORED))
    total.backward()  # type: ignore[no-untyped-call]
    assert (total.item(), int(count)) == (0.0, 0)
    assert all(weight.grad is None or not weight.grad.any() for weight in model.parameters())
