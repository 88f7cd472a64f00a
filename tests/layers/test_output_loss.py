"""The output layer and its loss in one, against the two apart: the same numbers, with the logits never whole."""

from collections.abc import Iterator
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from hornbook.layers import loss as losses
from hornbook.layers.loss import IGNORED, hidden_loss, language_model_loss, next_token_loss
from hornbook.layers.output_loss import FEWEST_ROWS, output_loss, rows_at_once
from hornbook.models.base import Model
from hornbook.models.bigram import Bigram, BigramConfig
from hornbook.models.gpt import GPT, GPTConfig
from hornbook.models.llama import Llama, LlamaConfig

N, C, V = 30, 12, 41
SIZES = {"vocab_size": V, "context_length": 15, "num_layers": 1, "num_heads": 2, "embed_dim": C}


def parts(seed: int = 0) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """hidden, weight, bias and targets, some of which are ignored."""
    drawn = torch.Generator().manual_seed(seed)
    hidden, weight, bias = (torch.randn(*size, generator=drawn) for size in ((N, C), (V, C), (V,)))
    targets = torch.randint(V, (N,), generator=drawn)
    targets[::7] = IGNORED
    return hidden, weight, bias, targets


@pytest.fixture
def always(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Every vocabulary is large."""
    monkeypatch.setattr(losses, "PAYS_FROM", 0)
    return


@pytest.mark.parametrize("rows", [1, 7, 10, N, 100])
def test_sum_and_gradients_are_those_of_the_two_apart(rows: int) -> None:
    *given, targets = parts()
    fused, apart = ([part.clone().requires_grad_() for part in given] for _ in range(2))
    one = output_loss(fused[0], fused[1], targets, fused[2], rows)
    two, _ = language_model_loss(F.linear(*apart), targets)
    (one / 5).backward()  # type: ignore[no-untyped-call]
    (two / 5).backward()  # type: ignore[no-untyped-call]
    torch.testing.assert_close(one, two, rtol=1e-6, atol=0)
    for mine, other in zip(fused, apart, strict=True):
        torch.testing.assert_close(mine.grad, other.grad, rtol=1e-6, atol=2e-6)


def test_what_is_frozen_gets_no_gradient_and_without_gradients_nothing_is_kept() -> None:
    hidden, weight, _, targets = parts()
    hidden.requires_grad_()
    output_loss(hidden, weight, targets).backward()  # type: ignore[no-untyped-call]
    assert weight.grad is None
    assert hidden.grad is not None
    with torch.no_grad():
        assert not output_loss(hidden, weight, targets).requires_grad


def test_nothing_asked_is_zero_with_a_zero_gradient() -> None:
    hidden, weight, _, targets = parts()
    hidden.requires_grad_()
    total = output_loss(hidden, weight, torch.full_like(targets, IGNORED), rows=7)
    total.backward()  # type: ignore[no-untyped-call]
    assert total.item() == 0
    assert torch.equal(hidden.grad, torch.zeros_like(hidden))


def test_very_sure_logits_give_large_losses_and_not_infinite_ones() -> None:
    sure = output_loss(torch.tensor([[1000.0]]), torch.tensor([[1.0], [-1.0]]), torch.tensor([1]))
    assert sure.item() == 2000.0


def test_the_logits_are_never_whole() -> None:
    """No tensor on the way holds more than a chunk of them, in either direction."""
    largest = 0

    class Largest(TorchDispatchMode):
        def __torch_dispatch__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
            nonlocal largest
            made = func(*args, **(kwargs or {}))
            largest = max([largest, *(part.numel() for part in (made,) if isinstance(part, Tensor))])
            return made

    hidden, weight, _, targets = parts()
    hidden.requires_grad_()
    with Largest():
        output_loss(hidden, weight.requires_grad_(), targets, rows=5).backward()
    assert largest == V * C  # the gradient of the weight


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("kind", ["gpt", "llama"])
def test_a_model_learns_the_same_either_way(kind: str, tied: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Model] = []
    tokens = torch.randint(V, (2, 15), generator=torch.Generator().manual_seed(1))
    for pays_from in (0, 1 << 40):
        monkeypatch.setattr(losses, "PAYS_FROM", pays_from)
        drawn = torch.Generator().manual_seed(2)
        config = GPTConfig(**SIZES, tied_output=tied) if kind == "gpt" else LlamaConfig(**SIZES, tied_output=tied)
        model = GPT(config, drawn) if isinstance(config, GPTConfig) else Llama(config, drawn)
        total, count = next_token_loss(model, tokens, tokens.flip(1))
        (total / count).backward()  # type: ignore[no-untyped-call]
        made.append(model)
    for mine, other in zip(made[0].parameters(), made[1].parameters(), strict=True):
        torch.testing.assert_close(mine.grad, other.grad, rtol=1e-5, atol=1e-6)


def test_under_autocast_the_gradients_are_as_far_from_single_precision_as_apart() -> None:
    def gradient(narrow: bool, apart: bool) -> Tensor:
        hidden, weight, _, targets = parts()
        weight.requires_grad_()
        with torch.autocast("cpu", torch.bfloat16, enabled=narrow):
            if apart:
                total, _ = language_model_loss(F.linear(hidden, weight), targets)
            else:
                total = output_loss(hidden, weight, targets, rows=7)
        assert total.dtype == torch.float32
        total.backward()  # type: ignore[no-untyped-call]
        assert weight.grad is not None
        return weight.grad

    exact = gradient(narrow=False, apart=True)
    fused, apart = ((gradient(True, way) - exact).norm() for way in (False, True))
    assert 0 < fused < 1.2 * apart


@pytest.mark.usefixtures("always")
def test_who_watches_the_whole_pass_sees_the_logits() -> None:
    """A probe of an incident, and FSDP: both hang on the model's own call."""
    model, tokens, seen = GPT(GPTConfig(**SIZES)), torch.zeros(1, 4, dtype=torch.int64), []
    next_token_loss(model, tokens, tokens)
    hook = model.register_forward_hook(lambda _, inputs, output: seen.append(output.shape))
    next_token_loss(model, tokens, tokens)
    hook.remove()
    next_token_loss(model, tokens, tokens)
    assert seen == [(1, 4, V)]


@pytest.mark.usefixtures("always")
def test_a_model_without_an_output_matrix_has_its_logits_whole() -> None:
    model, tokens = Bigram(BigramConfig(vocab_size=5, context_length=4)), torch.zeros(1, 4, dtype=torch.int64)
    assert model.output_weight() is None
    total, count = next_token_loss(model, tokens, tokens)
    torch.testing.assert_close(total / count, torch.tensor(5.0).log())


def test_the_rule() -> None:
    """A small vocabulary is one chunk, and apart; GPT-2's with four contexts of 256 is not."""
    assert (rows_at_once(65), rows_at_once(50257), rows_at_once(50257, 768)) == (129055, FEWEST_ROWS, 768)
    assert losses._large(torch.zeros(50257, 1), torch.zeros(4, 256))
    assert not losses._large(torch.zeros(65, 1), torch.zeros(16, 256))


def test_hidden_loss_counts_what_is_asked() -> None:
    class Output(nn.Module):
        def hidden(self, tokens: Tensor) -> Tensor: ...
        def logits(self, hidden: Tensor) -> Tensor:
            return hidden

        def output_weight(self) -> Tensor | None:
            return None

        def pass_through(self, compute: Any, *inputs: Tensor) -> Any: ...

    total, count = hidden_loss(Output(), torch.zeros(2, 3, 4), torch.tensor([[1, 2, IGNORED], [0, IGNORED, 3]]))
    assert count == 4
    assert total.item() == pytest.approx(4 * 1.386294)
