"""What we write opens in `transformers` and the other way, with equal logits; what we can't compute is refused."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from hornbook.errors import UserError
from hornbook.weights.model_folder import load_model_folder, save_model_folder

transformers = pytest.importorskip("transformers")

NAMES = ["gpt", "gpt-no-qkv-bias", "gpt-no-bias-untied", "llama", "llama-grouped-untied", "qwen3", "qwen3-wide-heads"]
SMALL = {
    "hidden_size": 32,
    "intermediate_size": 40,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "max_position_embeddings": 24,
}


def tokens_for(vocab_size: int) -> torch.Tensor:
    return torch.randint(0, vocab_size, (2, 24), generator=torch.Generator().manual_seed(5))


def edit_config(folder: Path, **changes: object) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, **changes}))


def foreign_folder(folder: Path, model_type: str, tokenizer, **settings: object) -> tuple[Path, torch.nn.Module]:
    """A model with random weights, as `transformers` writes it."""
    names = {"gpt2": "GPT2", "llama": "Llama", "mistral": "Mistral", "qwen2": "Qwen2", "qwen3": "Qwen3"}
    config_class = getattr(transformers, f"{names[model_type]}Config")
    ids = {"bos_token_id": None, "eos_token_id": None, "pad_token_id": None}
    config = config_class(vocab_size=tokenizer.vocab_size, **ids, **settings)
    model = transformers.AutoModelForCausalLM.from_config(config).eval()
    generator = torch.Generator().manual_seed(6)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, mean=0.1, std=0.3, generator=generator)
    model.save_pretrained(folder)
    tokenizer.save(folder)
    return folder, model


@pytest.mark.parametrize(
    ("model_type", "change"),
    [
        ("llama", {"attention_bias": True}),
        ("llama", {"mlp_bias": True}),
        ("llama", {"hidden_act": "gelu"}),
        ("llama", {"rope_scaling": {"rope_type": "yarn", "factor": 8.0}}),
        ("llama", {"rope_scaling": {"type": "dynamic", "factor": 2.0}}),
        ("llama", {"rope_scaling": {"rope_type": "longrope", "factor": 2.0}}),
        ("llama", {"rope_scaling": {"rope_type": ["linear"], "factor": 2.0}}),
        ("llama", {"rope_scaling": {"type": "linear", "factor": 2.0, "attention_factor": 1.1}}),
        ("llama", {"rope_parameters": {"rope_theta": 1e4, "rope_type": "yarn", "factor": 4.0}}),
        ("llama", {"num_local_experts": 8}),
        ("mistral", {"layer_types": ["sliding_attention", "full_attention"]}),
        ("mistral", {"attention_bias": True}),
        ("qwen2", {"use_sliding_window": True}),
        ("qwen2", {"layer_types": ["full_attention", "sliding_attention"]}),
        ("qwen2", {"attention_bias": True}),
        ("qwen3", {"attention_bias": True}),
        ("llama", {"rope_parameters": {"rope_theta": 1e4, "rope_type": "default", "partial_rotary_factor": 0.5}}),
        ("llama", {"rope_scaling": "linear"}),
        ("llama", {"quantization_config": {"bits": 4}}),
        ("qwen3", {"use_sliding_window": True}),
        ("qwen3", {"layer_types": ["full_attention", "sliding_attention"]}),
        ("gpt2", {"scale_attn_by_inverse_layer_idx": True}),
        ("gpt2", {"activation_function": "quick_gelu"}),
        ("gpt2", {"attn_pdrop": 0.3}),
    ],
)
def test_what_is_not_implemented_is_an_error_that_names_it(tmp_path, tokenizer, model_type, change) -> None:
    settings = {"n_embd": 32, "n_layer": 2, "n_head": 4} if model_type == "gpt2" else SMALL
    folder, _ = foreign_folder(tmp_path / "model", model_type, tokenizer, **settings)
    edit_config(folder, **change)
    name = {"activation_function": "activation", "layer_types": "sliding_attention"}.get(
        next(iter(change)), next(iter(change))
    )
    with pytest.raises(UserError, match=name):
        load_model_folder(folder)


@pytest.mark.parametrize(("model_type", "key"), [("llama", "hidden_size"), ("gpt2", "n_embd"), ("qwen3", "vocab_size")])
def test_a_missing_key_is_named(tmp_path, tokenizer, model_type, key) -> None:
    settings = {"n_embd": 32, "n_layer": 2, "n_head": 4} if model_type == "gpt2" else SMALL
    folder, _ = foreign_folder(tmp_path / "model", model_type, tokenizer, **settings)
    edit_config(folder, **{key: None})
    with pytest.raises(UserError, match=f"'{key}' is missing in config.json"):
        load_model_folder(folder)


def test_a_tied_output_that_differs_is_refused(tmp_path, tokenizer) -> None:
    folder, _ = foreign_folder(tmp_path / "model", "llama", tokenizer, **SMALL, tie_word_embeddings=False)
    edit_config(folder, tie_word_embeddings=True)
    with pytest.raises(UserError, match=r"'lm_head.weight' differs from 'model.embed_tokens.weight'"):
        load_model_folder(folder)


@pytest.mark.parametrize("name", NAMES)
def test_ours_opens_there_with_equal_logits(tmp_path, make_model, tokenizer, name) -> None:
    model, tokens = make_model(name), tokens_for(tokenizer.vocab_size)
    folder = save_model_folder(tmp_path / "model", model, tokenizer)
    theirs, report = transformers.AutoModelForCausalLM.from_pretrained(folder, output_loading_info=True)
    assert not any(report.values()), report
    with torch.no_grad():
        torch.testing.assert_close(theirs.eval()(tokens).logits, model(tokens), atol=1e-4, rtol=0)
    assert theirs.config.eos_token_id == theirs.generation_config.eos_token_id == tokenizer.end_of_text


@pytest.mark.parametrize(
    ("model_type", "settings"),
    [
        ("gpt2", {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 24}),
        (
            "gpt2",
            {"n_embd": 32, "n_layer": 1, "n_head": 2, "n_positions": 24, "n_inner": 40, "tie_word_embeddings": False},
        ),
        (
            "gpt2",
            {"n_embd": 32, "n_layer": 1, "n_head": 2, "n_positions": 24, "activation_function": "gelu_pytorch_tanh"},
        ),
        ("llama", SMALL),
        ("llama", {**SMALL, "num_key_value_heads": 2, "tie_word_embeddings": True, "rms_norm_eps": 1e-5}),
        ("llama", {**SMALL, "rope_theta": 5e5, "head_dim": 12}),
        ("qwen3", {**SMALL, "num_key_value_heads": 2, "head_dim": 16}),
        ("qwen3", {**SMALL, "num_key_value_heads": 1, "head_dim": 8, "tie_word_embeddings": True, "rope_theta": 1e6}),
    ],
)
def test_theirs_opens_here_with_equal_logits(tmp_path, tokenizer, model_type, settings) -> None:
    folder, theirs = foreign_folder(tmp_path / "model", model_type, tokenizer, **settings)
    tokens = tokens_for(tokenizer.vocab_size)
    ours, _, info = load_model_folder(folder)
    with torch.no_grad():
        torch.testing.assert_close(ours(tokens), theirs(tokens).logits, atol=1e-4, rtol=0)
    assert info == {}


def test_the_oldest_form_of_gpt2_files_opens(tmp_path, tokenizer) -> None:
    """As OpenAI's weights were first converted: names without a prefix, attention masks among the weights, n_ctx."""
    settings = {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 24}
    folder, theirs = foreign_folder(tmp_path / "model", "gpt2", tokenizer, **settings)
    tensors = {
        name.removeprefix("transformer."): tensor for name, tensor in load_file(folder / "model.safetensors").items()
    }
    tensors |= {f"h.{layer}.attn.bias": torch.ones(1, 1, 24, 24) for layer in range(2)}
    save_file(tensors, folder / "model.safetensors")
    edit_config(
        folder, n_ctx=24, tie_word_embeddings=None, task_specific_params={"text-generation": {"max_length": 50}}
    )
    with torch.no_grad():
        tokens = tokens_for(tokenizer.vocab_size)
        torch.testing.assert_close(load_model_folder(folder)[0](tokens), theirs(tokens).logits, atol=1e-4, rtol=0)


def test_the_older_form_of_llama_configs_opens(tmp_path, tokenizer) -> None:
    """`rope_theta` beside `rope_scaling: null`, no head_dim, and a table of angles among the weights."""
    folder, theirs = foreign_folder(tmp_path / "model", "llama", tokenizer, **SMALL, rope_theta=7e4)
    tensors = load_file(folder / "model.safetensors")
    save_file({**tensors, "model.layers.0.self_attn.rotary_emb.inv_freq": torch.ones(4)}, folder / "model.safetensors")
    edit_config(folder, rope_parameters=None, rope_theta=7e4, rope_scaling=None, head_dim=None, torch_dtype="float32")
    with torch.no_grad():
        tokens = tokens_for(tokenizer.vocab_size)
        torch.testing.assert_close(load_model_folder(folder)[0](tokens), theirs(tokens).logits, atol=1e-4, rtol=0)


def test_the_tokenizer_opens_there_too(tmp_path, make_model, tokenizer) -> None:
    folder = save_model_folder(tmp_path / "model", make_model("qwen3"), tokenizer)
    text = "a child's first letters"
    theirs = transformers.AutoTokenizer.from_pretrained(folder)
    assert theirs.encode(text) == tokenizer.encode(text)
    assert theirs.eos_token_id == tokenizer.end_of_text
