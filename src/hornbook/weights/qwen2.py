"""Qwen2's names on disk (and Qwen2.5's): Llama's, with a bias on queries, keys and values and nowhere else."""

from hornbook.config import build
from hornbook.models.base import ModelConfig
from hornbook.models.llama import Llama, LlamaConfig
from hornbook.weights import disk_format, llama
from hornbook.weights.disk_format import DiskFormat, Document

FIXED = {"hidden_act": "silu", "use_sliding_window": False, "is_encoder_decoder": False}
# The window's sizes are there even when it is off, and then do nothing.
KNOWN = {*llama.KNOWN, *FIXED, "sliding_window", "max_window_layers", "layer_types"} - {"attention_bias", "mlp_bias"}
DEFAULTS = {"num_key_value_heads": 32}  # of Qwen2Config, where config.json is silent


def accepts(config: ModelConfig) -> bool:
    """Every Llama with biases on queries, keys and values, and neither norms on them nor a window."""
    return llama.marks(config) == ("qkv_bias",)


def to_hf(config: LlamaConfig) -> Document:
    """Our config -> config.json."""
    document = llama.to_hf(config) | {"architectures": ["Qwen2ForCausalLM"], "use_sliding_window": False}
    for key in ("attention_bias", "mlp_bias"):  # Qwen2 has no such keys: its biases are always where they are
        del document[key]
    return document


def from_hf(document: Document) -> LlamaConfig:
    """config.json -> our config. Errors: `UserError` naming what is missing or not implemented here."""
    disk_format.require_known(document, KNOWN)
    disk_format.require_values(document, FIXED)
    disk_format.require_keys(document, llama.SIZES)
    llama.require_full_attention(document)
    values = {**llama.shared_values(document), "qk_norm": False, "qkv_bias": True}
    return build(LlamaConfig, values, "config.json")


FORMAT = DiskFormat("qwen2", Llama, accepts, to_hf, from_hf, llama.to_disk, llama.from_disk, DEFAULTS, llama.entries)
