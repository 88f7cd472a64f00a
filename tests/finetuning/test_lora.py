"""LoRA: nothing changes before training, only the corrections learn, merging keeps the outputs."""

import copy
import math
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hornbook.errors import UserError
from hornbook.finetuning.classification import Classifier, accuracy, label_row
from hornbook.finetuning.lora import LoRA, add_lora, corrections, linear_layers, merge_lora, put_back
from hornbook.finetuning.rows import in_order, pad_rows
from hornbook.layers.quantized import QuantizedLinear
from hornbook.models._precision import narrow_base
from hornbook.models.base import Model

MakeModel = Callable[[str], Model]

TOKENS = torch.randint(0, 20, (3, 24), generator=torch.Generator().manual_seed(7))
WITH_LAYERS = ["gpt", "gpt-untied", "llama", "llama-grouped"]


@pytest.fixture(params=WITH_LAYERS)
def model(make_model: MakeModel, request: pytest.FixtureRequest) -> Model:
    return make_model(request.param).eval()


def trained(module: torch.nn.Module) -> torch.nn.Module:
    """The module after a training: corrections that are no longer 0."""
    for part in module.modules():
        if isinstance(part, LoRA):
            torch.nn.init.normal_(part.up, std=0.2, generator=torch.Generator().manual_seed(3))
    return module


@torch.no_grad()
def test_outputs_are_unchanged_before_training(model: Model) -> None:
    before = model(TOKENS)
    names = add_lora(model, linear_layers(model), rank=4, alpha=4)
    assert len(names) == len([part for part in model.modules() if isinstance(part, LoRA)]) > 0
    assert torch.equal(model(TOKENS), before)


def test_the_accuracies_are_unchanged_before_training(make_model: MakeModel, number: Callable[[str], Any]) -> None:
    """The book prints the same accuracies of train, validation and test before and after; equal outputs say more."""
    classifier = Classifier(make_model("gpt"), 2, generator=torch.Generator().manual_seed(123)).eval()
    generator = torch.Generator().manual_seed(1)
    parts = []
    for _ in number("lora-02")["acc_before_equals_after"]:
        tokens = torch.randint(0, 20, (80, 9), generator=generator).tolist()
        rows = [label_row(text, place % 2, 24) for place, text in enumerate(tokens)]
        parts.append(list(in_order(rows, partial(pad_rows, pad_id=0), 8)))
    with torch.no_grad():
        before = [classifier(inputs) for part in parts for inputs, _ in part]
        shares = [accuracy(classifier, part) for part in parts]
        add_lora(classifier, linear_layers(classifier), rank=16, alpha=16)
        assert all(
            torch.equal(classifier(inputs), old)
            for (inputs, _), old in zip((batch for part in parts for batch in part), before, strict=True)
        )
    assert [accuracy(classifier, part) for part in parts] == shares


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 6), st.integers(1, 6), st.integers(1, 6), st.floats(0.5, 32), st.booleans())
def test_it_is_the_formula(inputs: int, outputs: int, rank: int, alpha: float, bias: bool) -> None:
    layer = trained(LoRA(torch.nn.Linear(inputs, outputs, bias=bias), rank, alpha))
    assert isinstance(layer, LoRA)
    x = torch.randn(3, inputs)
    with torch.no_grad():
        wanted = layer.linear(x) + alpha / rank * x @ layer.down.T @ layer.up.T
        torch.testing.assert_close(layer(x), wanted)
        torch.testing.assert_close(torch.nn.functional.linear(x, layer.weight, layer.linear.bias), wanted)


def test_the_first_weights_are_torchs() -> None:
    layer = LoRA(torch.nn.Linear(64, 8), rank=5, alpha=10, generator=torch.Generator().manual_seed(0))
    wanted = torch.empty(5, 64)
    torch.nn.init.kaiming_uniform_(wanted, a=math.sqrt(5), generator=torch.Generator().manual_seed(0))
    assert torch.equal(layer.down, wanted)
    assert float(layer.down.detach().abs().max()) <= 1 / math.sqrt(64)
    assert not layer.up.any()
    assert layer.scale == 2
    assert {name for name, weight in layer.named_parameters() if weight.requires_grad} == {"down", "up"}


def test_merged_outputs_are_the_same(model: Model) -> None:
    """In double precision, so that what rounding does to a merged weight can't hide a mistake, nor look like one."""
    model.double()
    shape = {name: tensor.shape for name, tensor in model.state_dict().items()}
    with torch.no_grad():
        plain = model(TOKENS)
    names = add_lora(model, linear_layers(model), rank=4, alpha=2)
    with torch.no_grad():
        corrected = trained(model)(TOKENS)
        assert not torch.allclose(corrected, plain, atol=1e-2)
        assert merge_lora(model) == names
        assert float((model(TOKENS) - corrected).abs().max()) <= 1e-12
    assert {name: tensor.shape for name, tensor in model.state_dict().items()} == shape


@pytest.mark.parametrize("precision", ["bf16", "int8", "int4"])
def test_a_correction_of_fewer_bits_learns_as_one_of_what_they_stand_for(model: Model, precision: Any) -> None:
    """Its gradients are those on a plain model of the rounded matrices; then the matrices before rounding come back."""
    begun, rounded = copy.deepcopy(model), copy.deepcopy(model)
    gradients = []
    narrow_base(model, precision)
    for name, part in model.named_modules():
        if isinstance(part, QuantizedLinear):
            rounded.get_submodule(name).weight = torch.nn.Parameter(part.weight)
    for each in (model, rounded):
        add_lora(each, ["all"], generator=torch.Generator().manual_seed(1))
        trained(each)
        vectors = each.hidden(TOKENS)
        vectors.square().sum().backward()
        gradients.append({name: weight.grad for name, weight in each.named_parameters() if weight.requires_grad})
    assert len(gradients[0]) == 2 * len(linear_layers(begun)) - 2 * (begun.output is not None) > 0
    for name, gradient in gradients[
        0
    ].items():  # the first layer's input wants no gradient: its product is the fast one
        assert (gradient - gradients[1][name]).norm() < 0.03 * gradients[1][name].norm(), name
    learned = corrections(model)
    with pytest.raises(AssertionError, match="has all its bits"):
        merge_lora(model)
    put_back(model, copy.deepcopy(begun))
    with torch.no_grad():
        add_lora(begun, ["all"])
        for name, (down, up, _) in learned.items():
            begun.get_parameter(f"{name}.down").copy_(down)
            begun.get_parameter(f"{name}.up").copy_(up)
        merge_lora(begun)
        merge_lora(model)
        assert torch.equal(model(TOKENS), begun(TOKENS))
    assert {name: tensor.shape for name, tensor in model.state_dict().items()} == {
        name: tensor.shape for name, tensor in begun.state_dict().items()
    }


def test_a_base_of_fewer_bits_is_for_a_cpu(model: Model) -> None:
    with pytest.raises(UserError, match="a base in int8 is for a CPU, not for 'meta'; hint: leave out lora.base"):
        narrow_base(model.to("meta"), "int8")


def test_only_the_corrections_learn(model: Model) -> None:
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    names = add_lora(model)
    assert {name.split(".", 2)[2] for name in names} == {"attention.qkv", "attention.output"}
    assert len(names) == 4
    learning = [weight for weight in model.parameters() if weight.requires_grad]
    optimizer = torch.optim.AdamW(learning, lr=0.1, weight_decay=0.1)
    for _ in range(3):
        optimizer.zero_grad()
        model(TOKENS).square().mean().backward()
        optimizer.step()
    after = {name.replace(".linear.", "."): tensor for name, tensor in model.state_dict().items()}
    assert all(torch.equal(after[name], tensor) for name, tensor in before.items())
    new = [name for name in after if name not in before]
    assert {name.rpartition(".")[2] for name in new} == {"down", "up"}
    assert all(after[name].any() for name in new)


def test_the_same_generator_gives_the_same_corrections(make_model: MakeModel) -> None:
    states = []
    for seed in (1, 1, 2):
        model = make_model("llama")
        add_lora(model, generator=torch.Generator().manual_seed(seed))
        states.append(model.get_parameter("blocks.1.attention.qkv.down"))
    assert torch.equal(states[0], states[1])
    assert not torch.equal(states[0], states[2])


def test_wrong_layers_are_named(make_model: MakeModel) -> None:
    model = make_model("gpt")
    message = r"named 'q_proj' \(choices: attention.qkv, attention.output, feed_forward.up, feed_forward.down, all\)"
    with pytest.raises(UserError, match=message):
        add_lora(model, ["attention.qkv", "q_proj"])
    assert all(weight.requires_grad for weight in model.parameters())  # nothing was half done
    with pytest.raises(UserError, match="the rank must be at least 1, not '0'"):
        add_lora(model, rank=0)
    add_lora(model, ["attention.qkv"])
    with pytest.raises(UserError, match="no linear layer without a correction is named 'attention.qkv'"):
        add_lora(model, ["attention.qkv"])
