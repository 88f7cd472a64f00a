"""Qwen3's names on disk: Llama's, with a norm on every head's query and key."""

from hornbook.config import build
from hornbook.models.base import ModelConfig
from hornbook.models.llama import Llama, LlamaConfig
from hornbook.weights import disk_format, llama
from hornbook.weights.disk_format import DiskFormat, Document

FIXED = {"hidden_act": "silu", "attention_bias": False, "use_sliding_window": False, "is_encoder_decoder": False}
# The window's sizes are there even when it is off, and then do nothing.
KNOWN = {*llama.KNOWN, *FIXED, "sliding_window", "max_window_layers", "layer_types"} - {"mlp_bias"}
DEFAULTS = {"head_dim": 128, "num_key_value_heads": 32}  # of Qwen3Config, where config.json is silent


def accepts(config: ModelConfig) -> bool:
    """Every Llama with norms on queries and keys, and neither biases nor a window."""
    return llama.marks(config) == ("qk_norm",)


def to_hf(config: LlamaConfig) -> Document:
    """Our config -> config.json."""
    document = llama.to_hf(config) | {"architectures": ["Qwen3ForCausalLM"], "use_sliding_window": False}
    del document["mlp_bias"]  # a key that Qwen3 has not
    return document


def from_hf(document: Document) -> LlamaConfig:
    """config.json -> our config. Errors: `UserError` naming what is missing or not implemented here."""
    disk_format.require_known(document, KNOWN)
    disk_format.require_values(document, FIXED)
    disk_format.require_keys(document, llama.SIZES)
    llama.require_full_attention(document)
    return build(LlamaConfig, {**llama.shared_values(DEFAULTS | document), "qk_norm": True}, "config.json")


FORMAT = DiskFormat("qwen3", Llama, accepts, to_hf, from_hf, llama.to_disk, llama.from_disk, entries=llama.entries)
