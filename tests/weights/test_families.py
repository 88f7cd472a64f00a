"""Llama with scaled rotations, Qwen2 and Mistral against `transformers`: equal logits both ways, in one pass and cached."""

import json
from pathlib import Path

import pytest
import torch
from torch import Tensor

from hornbook.errors import UserError
from hornbook.models.base import Model
from hornbook.models.llama import LlamaConfig, RopeScaling
from hornbook.weights.model_folder import FORMATS, load_model_folder, save_model_folder

transformers = pytest.importorskip("transformers")

SHAPE = {
    "hidden_size": 32,
    "intermediate_size": 40,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "max_position_embeddings": 40,
}
LENGTH = 40
LLAMA3 = {
    "rope_type": "llama3",
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 16,
}
FAMILIES = {
    "llama3 scaling": ("llama", {"rope_parameters": {**LLAMA3, "rope_theta": 100.0}, "num_key_value_heads": 2}),
    "linear scaling": (
        "llama",
        {"rope_parameters": {"rope_type": "linear", "factor": 4.0}, "tie_word_embeddings": True},
    ),
    "qwen2, grouped": (
        "qwen2",
        {"num_key_value_heads": 2, "rope_parameters": {"rope_theta": 1e6, "rope_type": "default"}},
    ),
    "qwen2, tied": ("qwen2", {"num_key_value_heads": 4, "tie_word_embeddings": True}),
    "qwen2, linear": ("qwen2", {"num_key_value_heads": 1, "rope_parameters": {"rope_type": "linear", "factor": 2.0}}),
    "mistral": ("mistral", {"num_key_value_heads": 2, "sliding_window": 7}),
    "mistral, wide heads": ("mistral", {"num_key_value_heads": 1, "sliding_window": 1, "head_dim": 12}),
    "mistral, a window as long as the text": ("mistral", {"num_key_value_heads": 4, "sliding_window": LENGTH}),
    "mistral, without a window": ("mistral", {"num_key_value_heads": 2, "sliding_window": None}),
}
NAMES = ["llama-llama3", "llama-linear", "qwen3-linear", "qwen2", "qwen2-wide-heads", "mistral", "mistral-wide-heads"]


def tokens_for(vocab_size: int, length: int) -> Tensor:
    return torch.randint(0, vocab_size, (2, length), generator=torch.Generator().manual_seed(5))


def draw(model: torch.nn.Module) -> None:
    """Weights that all matter, with logits of about one, so that 1e-5 is a strict bound."""
    generator = torch.Generator().manual_seed(6)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, mean=1.0 if parameter.ndim == 1 else 0.0, std=0.2, generator=generator)


def one_by_one(model: Model, tokens: Tensor) -> Tensor:
    cache = model.new_cache(len(tokens))
    return torch.cat([model(tokens[:, place : place + 1], cache) for place in range(tokens.shape[1])], dim=1)


def in_pieces(model: Model, tokens: Tensor) -> Tensor:
    cache = model.new_cache(len(tokens))
    return torch.cat([model(piece, cache) for piece in tokens.split([3, 9, 1, tokens.shape[1] - 13], dim=1)], dim=1)


def foreign_folder(folder: Path, family: str, tokenizer) -> tuple[Path, torch.nn.Module]:
    model_type, settings = FAMILIES[family]
    config_class = type(transformers.AutoConfig.for_model(model_type))
    ids = {"bos_token_id": None, "eos_token_id": None, "pad_token_id": None}
    config = config_class(vocab_size=tokenizer.vocab_size, **SHAPE, **ids, **settings)
    theirs = transformers.AutoModelForCausalLM.from_config(config).eval()
    draw(theirs)
    theirs.save_pretrained(folder)
    tokenizer.save(folder)
    return folder, theirs


def edit(folder: Path, **changes: object) -> None:
    document = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**document, **changes}))


@torch.no_grad()
@pytest.mark.parametrize("family", FAMILIES)
def test_theirs_opens_here_with_equal_logits(tmp_path, tokenizer, family) -> None:
    folder, theirs = foreign_folder(tmp_path / "model", family, tokenizer)
    tokens = tokens_for(tokenizer.vocab_size, LENGTH)
    ours, expected = load_model_folder(folder)[0], theirs(tokens).logits
    assert 0.3 < expected.std() < 10
    for read in (ours, one_by_one, in_pieces):
        found = ours(tokens) if read is ours else read(ours, tokens)
        torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)


@torch.no_grad()
@pytest.mark.parametrize("name", NAMES)
def test_ours_opens_there_with_equal_logits(tmp_path, make_model, tokenizer, name) -> None:
    model, tokens = make_model(name), tokens_for(tokenizer.vocab_size, 24)
    draw(model)
    folder = save_model_folder(tmp_path / "model", model, tokenizer)
    assert json.loads((folder / "config.json").read_text())["model_type"] == name.partition("-")[0]
    theirs, report = transformers.AutoModelForCausalLM.from_pretrained(folder, output_loading_info=True)
    assert not any(report.values()), report
    torch.testing.assert_close(theirs.eval()(tokens).logits, model(tokens), atol=1e-5, rtol=0)
    loaded = load_model_folder(folder)[0]
    assert loaded.config == model.config
    assert torch.equal(loaded(tokens), model(tokens))


@torch.no_grad()
@pytest.mark.parametrize(
    ("family", "change"),
    [
        ("llama3 scaling", {"rope_parameters": None, "rope_theta": 100.0}),
        ("linear scaling", {"rope_parameters": None}),
        ("mistral", {"sliding_window": None}),
        ("mistral", {"sliding_window": 8}),
    ],
)
def test_the_settings_matter(tmp_path, tokenizer, family, change) -> None:
    """Else equal logits would prove nothing."""
    folder, theirs = foreign_folder(tmp_path / "model", family, tokenizer)
    edit(folder, **change)
    tokens = tokens_for(tokenizer.vocab_size, LENGTH)
    assert (load_model_folder(folder)[0](tokens) - theirs(tokens).logits).abs().max() > 1e-2


@pytest.mark.parametrize(("family", "type_key"), [("llama3 scaling", "rope_type"), ("linear scaling", "type")])
def test_the_older_key_says_the_same(tmp_path, tokenizer, family, type_key) -> None:
    folder, _ = foreign_folder(tmp_path / "model", family, tokenizer)
    config = load_model_folder(folder)[0].config
    form = dict(json.loads((folder / "config.json").read_text())["rope_parameters"])
    theta, kind = form.pop("rope_theta"), form.pop("rope_type")
    edit(folder, rope_parameters=None, rope_theta=theta, rope_scaling={type_key: kind, **form})
    assert load_model_folder(folder)[0].config == config


def test_a_mistral_that_is_silent_about_its_window_has_its_default(tmp_path, tokenizer) -> None:
    folder, _ = foreign_folder(tmp_path / "model", "mistral", tokenizer)
    document = json.loads((folder / "config.json").read_text())
    del document["sliding_window"]
    (folder / "config.json").write_text(json.dumps(document))
    assert load_model_folder(folder)[0].config.sliding_window == transformers.MistralConfig().sliding_window == 4096


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rope_scaling": {"rope_type": "llama3", "factor": 8.0}}, "'rope_scaling.low_freq_factor' is missing"),
        ({"rope_scaling": {"rope_type": "linear"}}, "'rope_scaling.factor' is missing"),
        ({"rope_scaling": {"rope_type": "linear", "factor": 2.0}}, "'rope_scaling' and 'rope_parameters'.* disagree"),
        (
            {"rope_scaling": {"rope_type": "linear", "factor": -1}, "rope_parameters": None},
            "factor = -1 is not allowed",
        ),
        ({"rope_theta": 7.0}, "'rope_theta' in config.json is 7.0 in one place and 100.0 in another"),
        ({"sliding_window": 4}, "'sliding_window' = 4 in config.json is not implemented"),
        ({"num_experts": 4}, "'num_experts' = 4 in config.json is not implemented"),
    ],
)
def test_what_a_config_can_not_mean_is_named(tmp_path, tokenizer, change, message) -> None:
    folder, _ = foreign_folder(tmp_path / "model", "llama3 scaling", tokenizer)
    edit(folder, **change)
    with pytest.raises(UserError, match=message):
        load_model_folder(folder)


def test_a_model_belongs_to_one_family_at_most() -> None:
    choices = {"qk_norm": (True, False), "qkv_bias": (True, False), "sliding_window": (None, 4)}
    for qk_norm in choices["qk_norm"]:
        for qkv_bias in choices["qkv_bias"]:
            for window in choices["sliding_window"]:
                config = LlamaConfig(vocab_size=9, qk_norm=qk_norm, qkv_bias=qkv_bias, sliding_window=window)
                takers = [form.model_type for form in FORMATS.values() if form.accepts(config)]
                assert len(takers) == (qk_norm + qkv_bias + (window is not None) <= 1)


def test_what_no_family_has_is_saved_as_ours(tmp_path, make_model, tokenizer) -> None:
    model = make_model("llama-of-no-family")
    folder = save_model_folder(tmp_path / "model", model, tokenizer)
    assert json.loads((folder / "config.json").read_text())["model_type"] == "hornbook-llama"
    assert load_model_folder(folder)[0].config == model.config


def test_factors_the_wrong_way_round_are_refused() -> None:
    with pytest.raises(ValueError, match="low_freq_factor 4.0 is not below high 1.0"):
        RopeScaling(kind="llama3", factor=8.0, low_freq_factor=4.0, high_freq_factor=1.0)
