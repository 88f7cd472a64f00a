"""A GGUF file, read back by llama.cpp's own package: every tensor, every key, every token."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from gguf import GGUFReader, dequantize

from hornbook.errors import UserError
from hornbook.models.base import Model
from hornbook.models.gpt import GPT, GPTConfig
from hornbook.models.llama import Llama, LlamaConfig
from hornbook.tokenizers.base import Tokenizer
from hornbook.tokenizers.bpe import BPE
from hornbook.weights import _gguf_names, gguf
from hornbook.weights._gguf_vocabulary import translate

TEXT = "a hornbook was a child's first sheet of letters, and the letters were a sheet of horn: 1862, été, 🙂"
SIZES = {"context_length": 24, "num_layers": 2, "num_heads": 4, "embed_dim": 64}
MODELS = {
    "qwen3": (Llama, {}),
    "qwen3-grouped-wide-untied": (Llama, {"num_kv_heads": 2, "head_dim": 24, "tied_output": False, "hidden_dim": 96}),
    "llama": (Llama, {"qk_norm": False, "rope_theta": 5e5, "norm_eps": 1e-5}),
    "llama-grouped-untied": (Llama, {"qk_norm": False, "num_kv_heads": 1, "tied_output": False, "rope_theta": 5e5}),
    "qwen2": (Llama, {"qk_norm": False, "qkv_bias": True, "num_kv_heads": 2}),
    "mistral": (Llama, {"qk_norm": False, "sliding_window": 24}),
    "gpt": (GPT, {}),
    "gpt-untied-no-bias": (GPT, {"biases": "none", "tied_output": False, "hidden_dim": 80}),
    "gpt-no-qkv-bias": (GPT, {"biases": "all_but_qkv"}),
}


@pytest.fixture(scope="session")
def bpe() -> BPE:
    return BPE.train([TEXT], vocab_size=290, special_tokens=("<|endoftext|>", "[PAD]"))


def make(name: str, vocab_size: int) -> Model:
    """A model of `MODELS` whose every weight differs from every other."""
    model_class, settings = MODELS[name]
    model = model_class(model_class.config_class(vocab_size=vocab_size, **SIZES | settings))
    generator = torch.Generator().manual_seed(7)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.3, generator=generator)
    return model.eval()


def tensors_of(path: Path) -> dict[str, np.ndarray]:
    """Every tensor as float32, by the package's own reader."""
    return {tensor.name: dequantize(tensor.data, tensor.tensor_type) for tensor in GGUFReader(path).tensors}


def keys_of(path: Path) -> dict[str, Any]:
    return {name: field.contents() for name, field in GGUFReader(path).fields.items() if not name.startswith("GGUF.")}


@pytest.mark.parametrize("name", MODELS)
def test_every_weight_is_there_once_and_exactly(tmp_path: Path, bpe: BPE, name: str) -> None:
    model = make(name, bpe.vocab_size)
    gguf.write_gguf(tmp_path / "x.gguf", model, bpe, "f32")
    found = tensors_of(tmp_path / "x.gguf")
    zeros = [tensor for tensor in found.values() if not tensor.any()]  # biases that this model does without
    sorted_ours = np.sort(torch.cat([parameter.detach().flatten() for parameter in model.parameters()]).numpy())
    sorted_theirs = np.sort(np.concatenate([tensor.ravel() for tensor in found.values() if tensor.any()]))
    assert np.array_equal(sorted_ours, sorted_theirs)
    assert len(zeros) == {"gpt-untied-no-bias": 13, "gpt-no-qkv-bias": 2}.get(name, 0)


@pytest.mark.parametrize("name", ["qwen3", "qwen3-grouped-wide-untied"])
def test_the_tensors_of_qwen3(tmp_path: Path, bpe: BPE, name: str) -> None:
    model = make(name, bpe.vocab_size)
    config, state = model.config, {key: value.numpy() for key, value in model.state_dict().items()}
    assert gguf.write_gguf(tmp_path / "x.gguf", model, bpe, "f32").architecture == "qwen3"
    found = tensors_of(tmp_path / "x.gguf")
    qkv, queries, keys = state["blocks.1.attention.qkv.weight"], config.num_heads * config.head_dim, config.num_kv_heads
    keys *= config.head_dim
    assert np.array_equal(found["blk.1.attn_q.weight"], qkv[:queries])
    assert np.array_equal(found["blk.1.attn_k.weight"], qkv[queries : queries + keys])
    assert np.array_equal(found["blk.1.attn_v.weight"], qkv[queries + keys :])
    theirs = {
        "attn_norm": "attention_norm", "attn_output": "attention.output", "attn_q_norm": "attention.query_norm",
        "attn_k_norm": "attention.key_norm", "ffn_norm": "feed_forward_norm", "ffn_gate": "feed_forward.gate",
        "ffn_up": "feed_forward.up", "ffn_down": "feed_forward.down",
    }  # fmt: skip
    for there, ours in theirs.items():
        assert np.array_equal(found[f"blk.0.{there}.weight"], state[f"blocks.0.{ours}.weight"]), there
    assert np.array_equal(found["token_embd.weight"], state["token_embedding.weight"])
    assert np.array_equal(found["output_norm.weight"], state["final_norm.weight"])
    assert ("output.weight" in found) is not config.tied_output


def test_llamas_rows_turn_as_ours_do() -> None:
    """Neighbours turned by llama.cpp's rule are what our halves turned by ours are, head by head."""
    num_heads, head_dim, dim = 2, 6, 5
    rows = torch.randn(num_heads * head_dim, dim)
    ours, theirs = rows.view(num_heads, head_dim, dim), _gguf_names.interleave(rows, num_heads).view(2, head_dim, dim)
    half = head_dim // 2
    for pair in range(half):
        assert torch.equal(theirs[:, 2 * pair], ours[:, pair])
        assert torch.equal(theirs[:, 2 * pair + 1], ours[:, pair + half])


def test_the_keys_of_a_llama(tmp_path: Path, bpe: BPE) -> None:
    model = make("llama-grouped-untied", bpe.vocab_size)
    gguf.write_gguf(tmp_path / "x.gguf", model, bpe, "f16", {"general.name": "tales", "tokenizer.chat_template": ""})
    keys = keys_of(tmp_path / "x.gguf")
    expected = {
        "general.architecture": "llama", "general.name": "tales", "general.file_type": 1,
        "llama.context_length": 24, "llama.embedding_length": 64, "llama.block_count": 2,
        "llama.feed_forward_length": model.config.hidden_dim, "llama.vocab_size": bpe.vocab_size,
        "llama.attention.head_count": 4, "llama.attention.head_count_kv": 1, "llama.attention.key_length": 16,
        "llama.attention.value_length": 16, "llama.rope.dimension_count": 16, "llama.rope.freq_base": 500000.0,
        "tokenizer.ggml.model": "gpt2", "tokenizer.ggml.pre": "qwen2", "tokenizer.ggml.add_bos_token": False,
        "tokenizer.ggml.add_eos_token": False, "tokenizer.ggml.eos_token_id": bpe.special_tokens["<|endoftext|>"],
        "tokenizer.ggml.bos_token_id": bpe.special_tokens["<|endoftext|>"],
        "tokenizer.ggml.padding_token_id": bpe.special_tokens["[PAD]"],
    }  # fmt: skip
    assert {key: keys[key] for key in expected} == expected
    assert keys["llama.attention.layer_norm_rms_epsilon"] == pytest.approx(1e-6)
    assert "tokenizer.chat_template" not in keys


def test_scaled_rotations(tmp_path: Path, bpe: BPE) -> None:
    """Linear scaling is a key. Llama 3.1's is a tensor: how many times more slowly each pair turns, 1 for the fastest."""
    scaling = {"factor": 8.0, "original_context_length": 32}
    sizes = {"vocab_size": bpe.vocab_size, **SIZES}
    for kind in ("linear", "llama3"):
        config = LlamaConfig(qk_norm=False, rope_scaling={"kind": kind, **scaling}, **sizes)
        gguf.write_gguf(tmp_path / kind, Llama(config), bpe, "q8_0")
    assert keys_of(tmp_path / "linear")["llama.rope.scaling.type"] == "linear"
    assert keys_of(tmp_path / "linear")["llama.rope.scaling.factor"] == 8.0
    assert "llama.rope.scaling.type" not in keys_of(tmp_path / "llama3")
    slowdowns = tensors_of(tmp_path / "llama3")["rope_freqs.weight"]
    assert slowdowns.shape == (8,)
    assert (slowdowns[0], slowdowns[-1]) == (1.0, 8.0)
    assert (np.diff(slowdowns) >= 0).all()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"qkv_bias": True}, "no llama with both qk_norm and qkv_bias"),
        ({"qk_norm": False, "qkv_bias": True, "head_dim": 8}, "qkv_bias and head_dim = 8 x 4 heads"),
        ({"rope_scaling": {"kind": "llama3", "factor": 2.0}}, "no qwen3 with rope_scaling = 'llama3'"),
        ({"qk_norm": False, "sliding_window": 23}, "no llama with sliding_window = 23"),
    ],
)
def test_llamas_that_llama_cpp_does_not_compute(tmp_path: Path, bpe: BPE, settings: Any, message: str) -> None:
    model = Llama(LlamaConfig(vocab_size=bpe.vocab_size, **SIZES | settings))
    with pytest.raises(UserError, match=message):
        gguf.write_gguf(tmp_path / "x.gguf", model, bpe, "f32")


def test_the_keys_of_a_gpt(tmp_path: Path, bpe: BPE) -> None:
    gguf.write_gguf(tmp_path / "x.gguf", make("gpt", bpe.vocab_size), bpe, "f32")
    keys = keys_of(tmp_path / "x.gguf")
    expected = {
        "general.architecture": "gpt2", "general.file_type": 0, "gpt2.context_length": 24,
        "gpt2.embedding_length": 64, "gpt2.block_count": 2, "gpt2.feed_forward_length": 256,
        "gpt2.attention.head_count": 4,
    }  # fmt: skip
    assert {key: keys[key] for key in expected} == expected
    assert keys["gpt2.attention.layer_norm_epsilon"] == pytest.approx(1e-5)


def test_the_vocabulary_is_the_tokenizers(tmp_path: Path, bpe: BPE) -> None:
    """A model with more rows than tokens has names for the rest, which no text gives."""
    gguf.write_gguf(tmp_path / "x.gguf", make("qwen3", bpe.vocab_size + 3), bpe, "f32")
    keys, document = keys_of(tmp_path / "x.gguf"), bpe.to_json()
    tokens, types = keys["tokenizer.ggml.tokens"], keys["tokenizer.ggml.token_type"]
    assert keys["tokenizer.ggml.merges"] == document["model"]["merges"]
    for text, token_id in document["model"]["vocab"].items():
        assert (tokens[token_id], types[token_id]) == (text, 1)
    for text, token_id in bpe.special_tokens.items():
        assert (tokens[token_id], types[token_id]) == (text, 3)
    assert types[bpe.vocab_size :] == [5, 5, 5]
    assert len(set(tokens)) == len(tokens) == bpe.vocab_size + 3


@pytest.mark.parametrize(("quantization", "error"), [("f16", 1e-3), ("q8_0", 8e-3), ("q4_0", 0.15)])
def test_matrices_are_quantized_and_nothing_else(tmp_path: Path, bpe: BPE, quantization: str, error: float) -> None:
    model = make("gpt", bpe.vocab_size)
    exported = gguf.write_gguf(tmp_path / "x.gguf", model, bpe, quantization)
    exact, found = _gguf_names.translate(model).tensors, tensors_of(tmp_path / "x.gguf")
    assert exported.notes == []
    for name, kind in exported.types.items():
        if exact[name].ndim == 1 or name == "position_embd.weight":
            assert kind == "f32"
            assert np.array_equal(found[name], exact[name].numpy())
        else:
            assert kind == ("q8_0" if quantization == "q4_0" and name == "token_embd.weight" else quantization)
            assert 0 < np.abs(found[name] - exact[name].numpy()).max() < error * exact[name].abs().max()


def test_rows_that_are_no_multiple_of_32_stay_f16(tmp_path: Path, bpe: BPE) -> None:
    model = make("qwen3-grouped-wide-untied", bpe.vocab_size)  # heads 4 x 24 = 96: fits
    assert gguf.write_gguf(tmp_path / "a.gguf", model, bpe, "q8_0").notes == []
    model = make("gpt-untied-no-bias", bpe.vocab_size)
    exported = gguf.write_gguf(tmp_path / "b.gguf", model, bpe, "q8_0")
    assert exported.notes == ["2 tensors stay f16: their rows of 80 weights are no multiple of 32"]
    assert [name for name, kind in exported.types.items() if kind == "f16"] == [
        "blk.0.ffn_down.weight",
        "blk.1.ffn_down.weight",
    ]


def test_weights_too_large_for_f16_stay_f32(tmp_path: Path, bpe: BPE) -> None:
    model = make("llama", bpe.vocab_size)
    with torch.no_grad():
        model.blocks[1].feed_forward.gate.weight[0, 0] = 1e5
    exported = gguf.write_gguf(tmp_path / "x.gguf", model, bpe, "f16")
    assert exported.types["blk.1.ffn_gate.weight"] == "f32"
    assert exported.notes == ["1 tensors stay f32: they hold weights beyond 65504, the largest of f16"]
    assert np.isfinite(tensors_of(tmp_path / "x.gguf")["blk.1.ffn_gate.weight"]).all()


def test_the_same_model_gives_the_same_bytes(tmp_path: Path, bpe: BPE) -> None:
    for name in ("a", "b"):
        gguf.write_gguf(tmp_path / name, make("qwen3", bpe.vocab_size), bpe, "q4_0", {"general.name": "tales"})
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_an_unknown_quantization(tmp_path: Path, bpe: BPE) -> None:
    with pytest.raises(UserError, match="unknown quantization 'q5' .choices: f16, f32, q4_0, q8_0."):
        gguf.write_gguf(tmp_path / "x.gguf", make("qwen3", bpe.vocab_size), bpe, "q5")
    assert list(tmp_path.iterdir()) == []


def edited(tokenizer: Tokenizer, **changes: Any) -> BPE:
    """The tokenizer with other entries in the `model` of its file."""
    document = tokenizer.to_json()
    return BPE.from_json(document | {"model": document["model"] | changes})


def test_vocabularies_that_llama_cpp_would_read_otherwise() -> None:
    with pytest.raises(UserError, match="no merges"):
        translate(BPE.train([TEXT], vocab_size=257), 257)
    trained = BPE.train([TEXT], vocab_size=280, pattern="llama-bpe")
    assert translate(trained, 280).pattern == "llama-bpe"  # takes whole pieces there, but the merges give the same
    merges = trained.to_json()["model"]["merges"]
    with pytest.raises(
        UserError, match="llama.cpp takes a piece that is a token whole where the pattern is 'llama-bpe'"
    ):
        translate(edited(trained, merges=merges[:-1]), 280)
    other = edited(BPE.train([TEXT], vocab_size=280), merges=merges[:-1], vocab=trained.to_json()["model"]["vocab"])
    with pytest.raises(UserError, match="llama.cpp always merges where the pattern is 'qwen2'"):
        translate(edited(other, ignore_merges=True), 280)


def test_a_pattern_that_llama_cpp_does_not_know(bpe: BPE, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bpe, "parts", replace(bpe.parts, pattern="mine"))
    with pytest.raises(UserError, match="llama.cpp doesn't know the pattern 'mine' .choices: gpt-2, llama-bpe, qwen2."):
        translate(bpe, bpe.vocab_size)


def test_without_an_end_of_text_a_byte_that_no_text_holds_stands_for_it() -> None:
    """Left out, llama.cpp would end every text at the token 11."""
    tokenizer = BPE.train([TEXT], vocab_size=280, special_tokens=())
    vocabulary = translate(tokenizer, 280)
    assert vocabulary.ids["bos"] == vocabulary.ids["eos"]
    assert tokenizer.decode_bytes([vocabulary.ids["eos"]]) == b"\xff"
    assert "until it is told to stop" in vocabulary.notes[0]


def test_a_tokenizer_that_composes_text_says_what_llama_cpp_does_not(bpe: BPE) -> None:
    document = bpe.to_json() | {"normalizer": {"type": "NFC"}}
    assert "compose text (NFC)" in translate(BPE.from_json(document), bpe.vocab_size).notes[0]
    assert translate(bpe, bpe.vocab_size).notes == []


def test_flags_of_added_tokens_that_a_gguf_cannot_hold_are_said(bpe: BPE) -> None:
    document = bpe.to_json()
    document["added_tokens"][0]["rstrip"] = True
    (note,) = translate(BPE.from_json(document), bpe.vocab_size).notes
    assert note.startswith("llama.cpp finds '<|endoftext|>' by the name alone, without the flags lstrip, rstrip")


def test_added_tokens_that_are_not_special_are_read_from_any_text(bpe: BPE) -> None:
    document = bpe.to_json()
    document["added_tokens"][1]["special"] = False
    vocabulary = translate(BPE.from_json(document), bpe.vocab_size)
    assert vocabulary.types[bpe.special_tokens["[PAD]"]] == 4
    assert vocabulary.types[bpe.special_tokens["<|endoftext|>"]] == 3


def test_a_config_with_a_setting_that_this_export_does_not_know(tmp_path: Path, bpe: BPE) -> None:
    """A setting that is added to a model one day is refused until llama.cpp's counterpart is written here."""

    class Grown(LlamaConfig):
        window: int | None = None

    class GrownGPT(GPTConfig):
        window: int | None = None

    for config_class, model_class, kind in ((Grown, Llama, "grown"), (GrownGPT, GPT, "growngpt")):
        model = model_class(config_class(vocab_size=bpe.vocab_size, **SIZES))
        assert gguf.write_gguf(tmp_path / f"{kind}.gguf", model, bpe, "f32")
        model = model_class(config_class(vocab_size=bpe.vocab_size, window=8, **SIZES))
        with pytest.raises(UserError, match=f"llama.cpp has no {kind} with window = 8"):
            gguf.write_gguf(tmp_path / "x.gguf", model, bpe, "f32")
