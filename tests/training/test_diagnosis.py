"""Which layer went wrong first: faults of every kind are put into models, and the right layer must be named."""

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from hornbook.finetuning.classification import Classifier
from hornbook.finetuning.lora import add_lora, merge_lora
from hornbook.layers.loss import LossFunction, next_token_loss
from hornbook.models.base import Model
from hornbook.models.bigram import Bigram, BigramConfig
from hornbook.models.gpt import GPT, GPTConfig
from hornbook.models.llama import Llama, LlamaConfig
from hornbook.randomness import torch_generator
from hornbook.training.diagnosis import Examination, Finding, examine, first_wrong_layer

SIZES = {"vocab_size": 16, "context_length": 8, "num_layers": 2, "num_heads": 2, "embed_dim": 16, "dropout": 0.1}
INPUTS = torch.arange(16).view(2, 8)
TARGETS = (INPUTS + 1) % 16

MODELS: dict[str, Callable[[], Model]] = {
    "llama": lambda: Llama(LlamaConfig(**SIZES), torch_generator(0, "weights")),
    "llama untied": lambda: Llama(LlamaConfig(**SIZES, tied_output=False), torch_generator(0, "weights")),
    "gpt": lambda: GPT(GPTConfig(**SIZES), torch_generator(0, "weights")),
    "gpt norm after": lambda: GPT(
        GPTConfig(**SIZES, norm="after", positions="relative", tied_output=False), torch_generator(0, "weights")
    ),
    "bigram": lambda: Bigram(BigramConfig(vocab_size=16, context_length=8)),
}


def steps(model: nn.Module, loss: LossFunction = next_token_loss, microbatches: int = 2) -> Callable[[], float]:
    """Forward and backward over the microbatches of one step, with its dropout."""

    def compute() -> float:
        total = 0.0
        for place in range(microbatches):
            torch.manual_seed(place)
            summed, count = loss(model, INPUTS, TARGETS)
            (summed / (microbatches * count)).backward()  # type: ignore[no-untyped-call]
            total += summed.item() / (microbatches * int(count))
        return total

    return compute


def spoil(model: nn.Module, name: str, value: float, place: int = 3) -> None:
    with torch.no_grad():
        model.get_parameter(name).view(-1)[place] = value


@pytest.fixture(params=MODELS)
def model(request: pytest.FixtureRequest) -> Model:
    torch.set_num_threads(1)
    return MODELS[request.param]()


@pytest.fixture
def llama() -> Model:
    torch.set_num_threads(1)
    return MODELS["llama"]()


def test_a_weight_that_is_no_number_is_named_whichever_it_is(model: Model) -> None:
    """Also those that are read without a call: learned positions, a tied output."""
    for name, weight in model.named_parameters():
        kept = weight.detach().clone()
        spoil(model, name, math.nan)
        finding = first_wrong_layer(model, steps(model, microbatches=1))
        assert finding.layer == name.rpartition(".")[0], name
        assert finding.how == f"1 of whose {finding.how.split()[3]} weights are not finite"
        assert finding.in_weights
        with torch.no_grad():
            weight.copy_(kept)


def test_the_first_of_several_is_named(llama: Model) -> None:
    for name in ("blocks.1.attention.qkv.weight", "blocks.0.feed_forward.up.weight", "final_norm.weight"):
        spoil(llama, name, math.inf)
    assert first_wrong_layer(llama, steps(llama)).layer == "blocks.0.feed_forward.up"


def test_nothing_wrong_names_the_layer_that_is_pulled_most(model: Model) -> None:
    finding = first_wrong_layer(model, steps(model))
    assert "is the largest beside the weights" in finding.how
    assert not finding.in_weights
    assert finding.layer in {name.rpartition(".")[0] for name, _ in model.named_parameters()}


UP, DOWN = "blocks.1.feed_forward.up", "blocks.1.feed_forward.down"


@pytest.mark.parametrize(
    ("huge", "layer"),
    [
        ({UP: 3e38}, UP),
        ({UP: 1e36, DOWN: 1e3}, DOWN),
        ({"final_norm": 1e38, "token_embedding": 1e3}, "the logits"),
    ],
)
def test_what_overflows_forward_is_named(llama: Model, huge: dict[str, float], layer: str) -> None:
    """All weights are finite; a product of theirs is not."""
    for name, value in huge.items():
        with torch.no_grad():
            llama.get_parameter(f"{name}.weight").fill_(value)
    assert first_wrong_layer(llama, steps(llama)) == Finding(layer, "in its output")


def test_what_goes_wrong_between_two_layers_belongs_to_their_caller() -> None:
    """Scores of 1e40 become inf, and softmax makes no number of them, behind the projections and before the output."""
    model = Llama(LlamaConfig(**SIZES, qk_norm=False), torch_generator(0, "weights"))
    with torch.no_grad():
        model.get_parameter("blocks.1.attention.qkv.weight")[:32] *= 1e25
    finding = first_wrong_layer(model, steps(model))
    between = "between blocks.1.attention.key_norm and blocks.1.attention.output"
    assert finding == Finding("blocks.1.attention", between)


def test_layers_that_come_later_are_not_blamed() -> None:
    """The sum of embeddings and positions overflows in the model itself; a block behind it has spoiled weights as well."""
    model = GPT(GPTConfig(**SIZES, positions="sinusoidal"), torch_generator(0, "weights"))
    with torch.no_grad():
        model.get_parameter("token_embedding.weight").fill_(3e38)
    spoil(model, "blocks.1.attention.qkv.weight", math.nan)
    finding = first_wrong_layer(model, steps(model))
    assert finding == Finding("the model itself", "between token_embedding and dropout")


class _Spoiled(torch.autograd.Function):
    """Finite forward; backward one number of the gradient becomes NaN."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return x.clone()

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        spoiled = gradients[0].clone()
        spoiled.view(-1)[0] = math.nan
        return spoiled


class SpoiledBackward(nn.Module):
    """A layer that only goes wrong backward: in the gradient of its input, or of its weight."""

    def __init__(self, layer: nn.Linear, of: str) -> None:
        super().__init__()
        self.weight, self.of = layer.weight, of

    def forward(self, x: Tensor) -> Tensor:
        x, weight = (_Spoiled.apply(value) if name == self.of else value for name, value in (("input", x), ("weight", self.weight)))  # type: ignore[no-untyped-call]  # fmt: skip
        return nn.functional.linear(x, weight)


class RootOfNothing(nn.Module):
    """sqrt(0 * x): 0 forward, and infinity times 0 backward."""

    def forward(self, x: Tensor) -> Tensor:
        return x + (0 * x).sqrt()


@pytest.mark.parametrize("of", ["input", "weight"])
@pytest.mark.parametrize("name", ["blocks.0.attention.output", "blocks.1.feed_forward.down"])
def test_what_goes_wrong_backward_only_is_named(llama: Model, name: str, of: str) -> None:
    parent, _, attribute = name.rpartition(".")
    layer = llama.get_submodule(name)
    assert isinstance(layer, nn.Linear)
    setattr(llama.get_submodule(parent), attribute, SpoiledBackward(layer, of))
    assert math.isfinite(steps(llama)())
    assert first_wrong_layer(llama, steps(llama)) == Finding(name, f"in the gradient of its {of}")


def test_a_root_at_zero_is_named(llama: Model) -> None:
    llama.get_submodule("blocks.0").dropout = RootOfNothing()  # used twice; its second use comes first backward
    assert first_wrong_layer(llama, steps(llama)) == Finding("blocks.0.dropout", "in the gradient of its input")


def test_what_goes_wrong_in_a_residual_branch_is_not_laid_on_the_other(llama: Model) -> None:
    """What comes in goes to the norm and past it: the sum of both gradients is wrong, and only the norm's is to blame."""
    norm = llama.get_submodule("blocks.1.attention_norm")
    llama.get_submodule("blocks.1").attention_norm = nn.Sequential(norm, RootOfNothing())
    finding = first_wrong_layer(llama, steps(llama))
    assert finding == Finding("blocks.1.attention_norm.1", "in the gradient of its input")


def test_what_goes_wrong_behind_the_model_is_the_losss(llama: Model) -> None:
    def with_root(model: nn.Module, inputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        logits = model(inputs)
        return next_token_loss(lambda _: logits, inputs, targets)[0] + (0 * logits).sqrt().sum(), targets.new_tensor(16)  # type: ignore[arg-type]

    assert first_wrong_layer(llama, steps(llama, with_root)) == Finding("the loss", "in the gradient of finite logits")


def test_an_infinite_loss_of_finite_gradients_is_the_losss(llama: Model) -> None:
    finding = first_wrong_layer(llama, steps(llama), loss=math.inf)
    assert finding == Finding("the loss", "where logits and gradients are finite")


def test_an_explosion_names_the_layer_that_is_pulled_most(llama: Model) -> None:
    llama.get_parameter("blocks.1.attention.output.weight").register_hook(lambda gradient: 1e6 * gradient)
    finding = first_wrong_layer(llama, steps(llama))
    assert finding.layer == "blocks.1.attention.output"
    assert finding.how.startswith("whose gradient, ")


def test_the_second_microbatch_is_looked_at_too(llama: Model) -> None:
    def compute() -> None:
        steps(llama, microbatches=1)()
        spoil(llama, "blocks.1.attention.qkv.weight", math.nan)
        steps(llama, microbatches=1)()

    assert first_wrong_layer(llama, compute).layer == "blocks.1.attention.qkv"


def test_the_readings_are_those_of_the_layers(llama: Model) -> None:
    """Against plain hooks and plain gradients."""
    seen: dict[str, float] = {}
    names = {part: name for name, part in llama.named_modules()}

    def note(part: nn.Module, inputs: Any, output: Tensor) -> None:
        seen[names[part]] = max(seen.get(names[part], 0.0), output.abs().max().item())

    hooks = [part.register_forward_hook(note) for part in llama.modules()]
    loss = steps(llama)()
    for hook in hooks:
        hook.remove()
    gradients = {name: weight.grad.clone() for name, weight in llama.named_parameters() if weight.grad is not None}
    looked: list[float] = []
    examination = examine(llama, lambda: looked.append(steps(llama)()))
    assert looked[0] == loss  # watching changes no forward number
    assert [reading.layer for reading in examination.readings] == [
        "token_embedding",
        *(f"blocks.{block}.{part}" for block in (0, 1) for part in PARTS),
        "final_norm",
    ]
    for reading in examination.readings:
        weight, gradient = llama.get_parameter(f"{reading.layer}.weight"), gradients[f"{reading.layer}.weight"]
        assert reading.output.largest == seen[reading.layer]
        assert reading.gradient.norm == pytest.approx(gradient.norm().item(), rel=1e-5)
        assert reading.gradient.largest == pytest.approx(gradient.abs().max().item(), rel=1e-5)
        assert reading.weights.norm == pytest.approx(weight.norm().item(), rel=1e-5)
        assert reading.weights.count == weight.numel()
        assert reading.output.wrong == reading.weights.wrong == reading.gradient.wrong == 0


PARTS = (
    "attention_norm", "attention.qkv", "attention.query_norm", "attention.key_norm", "attention.output",
    "feed_forward_norm", "feed_forward.gate", "feed_forward.up", "feed_forward.down",
)  # fmt: skip


def test_the_share_that_is_not_finite_is_counted(llama: Model) -> None:
    spoil(llama, "blocks.1.attention_norm.weight", math.nan)
    readings: Examination = examine(llama, steps(llama))
    shares = {
        reading.layer: reading.output.wrong / reading.output.count
        for reading in readings.readings
        if reading.output.count
    }
    assert shares["blocks.0.feed_forward.down"] == 0
    assert shares["blocks.1.attention_norm"] == 1 / 16
    assert shares["blocks.1.attention.qkv"] == 1


def test_the_model_is_left_as_it_was(llama: Model) -> None:
    """Also where the step itself fails: no hook and no gradient stays."""
    before = {name: tensor.clone() for name, tensor in llama.state_dict().items()}
    examine(llama, steps(llama))

    def fails() -> None:
        steps(llama)()
        raise MemoryError

    with pytest.raises(MemoryError):
        examine(llama, fails)
    llama.zero_grad(set_to_none=True)
    assert all(torch.equal(tensor, before[name]) for name, tensor in llama.state_dict().items())
    for part in llama.modules():
        assert not part._forward_hooks
        assert not part._forward_pre_hooks
    assert not any(weight._backward_hooks for weight in llama.parameters())
    examine(llama, steps(llama))
    assert all(weight.grad is None for weight in llama.parameters())


def test_a_classifier_with_corrections_is_looked_at_too(llama: Model) -> None:
    """Layers in layers, a model that is asked for its hidden vectors, weights that don't train."""
    classifier = Classifier(llama, 3, "mean", torch_generator(0, "head"))
    add_lora(classifier, rank=2, generator=torch_generator(0, "lora"))
    spoil(classifier, "model.blocks.1.attention.qkv.down", math.nan)
    finding = first_wrong_layer(classifier, steps(classifier, lambda model, x, y: next_token_loss(model, x, y % 3)))
    assert finding.layer == "model.blocks.1.attention.qkv"
    assert finding.in_weights
    merge_lora(classifier)
    classifier.requires_grad_(True)
    spoil(classifier, "model.final_norm.weight", math.nan)
    with torch.no_grad():
        classifier.get_parameter("model.blocks.1.attention.qkv.weight").fill_(0.01)
    finding = first_wrong_layer(classifier, steps(classifier, lambda model, x, y: next_token_loss(model, x, y % 3)))
    assert finding.layer == "model.final_norm"


def test_frozen_weights_and_bfloat16_are_looked_at_too(llama: Model) -> None:
    for name, weight in llama.named_parameters():
        weight.requires_grad_(name.startswith("blocks.1"))
    spoil(llama, "blocks.0.attention.qkv.weight", math.nan)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert first_wrong_layer(llama, steps(llama)).layer == "blocks.0.attention.qkv"
