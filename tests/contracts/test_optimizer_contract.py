"""What every optimizer on the shelf promises, whatever its kind."""

import copy

import pytest
import torch
from torch import nn

from hornbook import discovery
from hornbook.layers.loss import mean_loss
from hornbook.models.bigram import Bigram, BigramConfig
from hornbook.models.llama import Llama, LlamaConfig
from hornbook.optimizers.base import OptimizerRecipe

KINDS = discovery.names("optimizers")
CONFIG = LlamaConfig(vocab_size=13, context_length=16, num_layers=2, num_heads=2, embed_dim=16)
TOKENS = torch.randint(0, 13, (4, 17), generator=torch.Generator().manual_seed(0))


def small_model() -> Llama:
    return Llama(CONFIG, torch.Generator().manual_seed(1))


def recipe(kind: str, **settings: float) -> OptimizerRecipe:
    return discovery.find("optimizers", kind)(**settings)


def train(model: nn.Module, optimizer: torch.optim.Optimizer, steps: int) -> float:
    """`steps` updates on one batch; the loss before the last of them."""
    for _ in range(steps):
        optimizer.zero_grad()
        loss = mean_loss(model(TOKENS[:, :-1]), TOKENS[:, 1:])
        loss.backward()
        optimizer.step()
    return loss.item()


def freeze(model: nn.Module) -> nn.Module:
    for parameter in model.parameters():
        parameter.requires_grad_(False)
    return model


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_to_train_is_an_error(kind: str) -> None:
    with pytest.raises(ValueError, match="nothing to train"):
        recipe(kind).build(freeze(small_model()).named_parameters())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "settings", [{"learning_rate": 0.0}, {"weight_decay": -0.1}, {"beta1": 1.0}, {"momentums": 0.9}]
)
def test_impossible_settings_are_errors(kind: str, settings: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(settings))):
        recipe(kind, **settings)


@pytest.mark.parametrize("kind", KINDS)
def test_loss_falls(kind: str) -> None:
    model = small_model()
    optimizer = recipe(kind, learning_rate=0.01).build(model.named_parameters())
    assert train(model, optimizer, 1) > 2.5
    assert train(model, optimizer, 30) < 1.5


@pytest.mark.parametrize("kind", KINDS)
def test_the_table_of_a_bigram_learns_too(kind: str) -> None:
    model = Bigram(BigramConfig(vocab_size=13))
    optimizer = recipe(kind, learning_rate=0.1).build(model.named_parameters())
    assert train(model, optimizer, 1) - train(model, optimizer, 10) > 0.3


@pytest.mark.parametrize("kind", KINDS)
def test_every_parameter_is_in_one_group_with_its_own_peak(kind: str) -> None:
    model = small_model()
    groups = recipe(kind, learning_rate=0.02).build(model.named_parameters()).param_groups
    places = [id(parameter) for group in groups for parameter in group["params"]]
    assert sorted(places) == sorted(id(parameter) for parameter in model.parameters())
    assert all(group["lr"] == group["base_lr"] == 0.02 for group in groups)
    assert {name for group in groups for name in group["param_names"]} == {name for name, _ in model.named_parameters()}


@pytest.mark.parametrize("kind", KINDS)
def test_decay_is_on_matrices_only(kind: str) -> None:
    """With zero gradients only decay moves a weight: matrices shrink by lr x decay, norms stay."""
    model = small_model()
    before = copy.deepcopy(model)
    for parameter in model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    recipe(kind, learning_rate=0.1, weight_decay=0.5).build(model.named_parameters()).step()
    for (name, old), new in zip(before.named_parameters(), model.parameters(), strict=True):
        torch.testing.assert_close(new, old * (0.95 if old.dim() == 2 else 1.0), msg=name)


@pytest.mark.parametrize("kind", KINDS)
def test_a_restored_state_continues_to_the_last_bit(kind: str) -> None:
    model = small_model()
    optimizer = recipe(kind, learning_rate=0.01).build(model.named_parameters())
    train(model, optimizer, 3)
    other = small_model()
    other.load_state_dict(model.state_dict())
    restored = recipe(kind, learning_rate=0.01).build(other.named_parameters())
    restored.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    assert train(model, optimizer, 4) == train(other, restored, 4)
    assert all(torch.equal(*pair) for pair in zip(model.parameters(), other.parameters(), strict=True))
    assert [group["base_lr"] for group in restored.param_groups] == [
        group["base_lr"] for group in optimizer.param_groups
    ]


@pytest.mark.parametrize("kind", KINDS)
def test_state_is_tensors_and_plain_settings(kind: str) -> None:
    """So that a checkpoint needs no pickle."""
    model = small_model()
    optimizer = recipe(kind).build(model.named_parameters())
    train(model, optimizer, 1)
    state = optimizer.state_dict()
    assert all(isinstance(value, torch.Tensor) for entries in state["state"].values() for value in entries.values())
    plain = (bool, int, float, str, list, tuple, type(None))
    assert all(isinstance(value, plain) for group in state["param_groups"] for value in group.values())
    state_bytes = sum(value.nbytes for entries in state["state"].values() for value in entries.values())
    assert state_bytes <= 2.1 * sum(parameter.nbytes for parameter in model.parameters())


@pytest.mark.parametrize("kind", KINDS)
def test_parameters_without_a_gradient_are_left_alone(kind: str) -> None:
    model = small_model()
    optimizer = recipe(kind, weight_decay=0.5).build(model.named_parameters())
    before = model.token_embedding.weight.clone()
    optimizer.step()
    assert torch.equal(model.token_embedding.weight, before)
