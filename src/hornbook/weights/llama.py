"""Llama's names on disk: `q_proj`, `gate_proj` and their family. Queries, keys and values are three tensors there."""

from typing import Any

from hornbook.config import build
from hornbook.errors import UserError
from hornbook.models.base import ModelConfig
from hornbook.models.llama import Llama, LlamaConfig
from hornbook.weights import disk_format
from hornbook.weights.disk_format import DiskFormat, Document, Entry, Tensors

SIZES = {
    "vocab_size": "vocab_size",
    "max_position_embeddings": "context_length",
    "hidden_size": "embed_dim",
    "intermediate_size": "hidden_dim",
    "num_hidden_layers": "num_layers",
    "num_attention_heads": "num_heads",
}
FIXED = {"hidden_act": "silu", "attention_bias": False, "mlp_bias": False, "is_encoder_decoder": False}
KNOWN = {
    *SIZES, *FIXED, "num_key_value_heads", "head_dim", "attention_dropout", "rms_norm_eps", "rope_theta",
    "rope_parameters", "rope_scaling", "tie_word_embeddings",
}  # fmt: skip

PARTS = {  # of a block: our module -> theirs
    "attention_norm": "input_layernorm",
    "attention.output": "self_attn.o_proj",
    "feed_forward_norm": "post_attention_layernorm",
    "feed_forward.gate": "mlp.gate_proj",
    "feed_forward.up": "mlp.up_proj",
    "feed_forward.down": "mlp.down_proj",
}
QK_NORMS = {"attention.query_norm": "self_attn.q_norm", "attention.key_norm": "self_attn.k_norm"}


def accepts(config: ModelConfig) -> bool:
    """Every Llama without norms on queries and keys."""
    return isinstance(config, LlamaConfig) and not config.qk_norm


def to_hf(config: LlamaConfig) -> Document:
    """Our config -> config.json, with the rotation's base in the form of older programs and in that of newer ones."""
    return {theirs: getattr(config, ours) for theirs, ours in SIZES.items()} | {
        "architectures": ["LlamaForCausalLM"],
        "num_key_value_heads": config.num_kv_heads,
        "head_dim": config.head_dim,
        "hidden_act": "silu",
        "attention_bias": False,
        "attention_dropout": config.dropout,
        "mlp_bias": False,
        "rms_norm_eps": config.norm_eps,
        "rope_theta": config.rope_theta,
        "rope_parameters": {"rope_theta": config.rope_theta, "rope_type": "default"},
        "tie_word_embeddings": config.tied_output,
    }


def from_hf(document: Document) -> LlamaConfig:
    """config.json -> our config. Errors: `UserError` naming what is missing or not implemented here."""
    disk_format.require_known(document, KNOWN)
    disk_format.require_values(document, FIXED)
    disk_format.require_keys(document, SIZES)
    return build(LlamaConfig, {**shared_values(document), "qk_norm": False}, "config.json")


def shared_values(document: Document) -> dict[str, Any]:
    """The values that Llama and Qwen3 write alike; an absent key has the default of `transformers`."""
    optional = {"num_key_value_heads": "num_kv_heads", "head_dim": "head_dim"}
    values = {ours: document[theirs] for theirs, ours in SIZES.items()}
    values |= {ours: document[theirs] for theirs, ours in optional.items() if document.get(theirs) is not None}
    return values | {
        "dropout": document.get("attention_dropout", 0.0),
        "norm_eps": document.get("rms_norm_eps", 1e-6),
        "rope_theta": rope_theta(document),
        "tied_output": document.get("tie_word_embeddings", False),
    }


def rope_theta(document: Document) -> float:
    """The base of the rotation, from either form. Errors: `UserError` where angles are scaled: not implemented."""
    for key in ("rope_scaling", "rope_parameters"):
        form = document.get(key) or {}
        if not isinstance(form, dict):
            raise UserError(f"'{key}' = {form!r} in config.json is not implemented here")
        kind = form.get("rope_type", form.get("type", "default"))
        if kind != "default" or set(form) - {"rope_type", "type", "rope_theta"}:
            raise UserError(
                f"'{key}' = {form!r} in config.json is not implemented here", choices=["rope_type 'default'"]
            )
    theta = document.get("rope_theta") or (document.get("rope_parameters") or {}).get("rope_theta")
    return float(theta or 10000.0)


def entries(config: LlamaConfig) -> list[Entry]:
    """Every tensor, paired with theirs."""
    pairs = [
        Entry("token_embedding.weight", ("model.embed_tokens.weight",)),
        Entry("final_norm.weight", ("model.norm.weight",)),
    ]
    query_rows, key_rows = config.num_heads * config.head_dim, config.num_kv_heads * config.head_dim
    parts = PARTS | QK_NORMS if config.qk_norm else PARTS
    for layer in range(config.num_layers):
        place, there = f"blocks.{layer}", f"model.layers.{layer}"
        fused = tuple(f"{there}.self_attn.{letter}_proj.weight" for letter in "qkv")
        pairs.append(Entry(f"{place}.attention.qkv.weight", fused, rows=(query_rows, key_rows, key_rows)))
        pairs += [Entry(f"{place}.{ours}.weight", (f"{there}.{theirs}.weight",)) for ours, theirs in parts.items()]
    return pairs if config.tied_output else [*pairs, Entry("output.weight", ("lm_head.weight",))]


def to_disk(state: Tensors, config: LlamaConfig) -> Tensors:
    """Our tensors -> theirs."""
    return disk_format.to_disk(state, entries(config))


def from_disk(tensors: Tensors, config: LlamaConfig) -> Tensors:
    """Their tensors -> ours; the angles' table in old files is passed over."""
    plain = {name: tensor for name, tensor in tensors.items() if not name.endswith(".rotary_emb.inv_freq")}
    if config.tied_output:
        plain = disk_format.untie(plain, "model.embed_tokens.weight", "lm_head.weight")
    return disk_format.from_disk(plain, entries(config))


FORMAT = DiskFormat("llama", Llama, accepts, to_hf, from_hf, to_disk, from_disk)
