"""Mistral's names on disk: Llama's, and a token sees only so many tokens back. Jiang et al. 2023, "Mistral 7B"."""

from hornbook.config import build
from hornbook.models.base import ModelConfig
from hornbook.models.llama import Llama, LlamaConfig
from hornbook.weights import disk_format, llama
from hornbook.weights.disk_format import DiskFormat, Document

KNOWN = {*llama.KNOWN, "sliding_window"}
# Of MistralConfig, where config.json is silent; `null` there means no window, as in every release after the first.
DEFAULTS = {"sliding_window": 4096, "num_key_value_heads": 8}


def accepts(config: ModelConfig) -> bool:
    """Every Llama with a window, and neither norms nor biases on queries and keys."""
    return llama.marks(config) == ("sliding_window",)


def to_hf(config: LlamaConfig) -> Document:
    """Our config -> config.json."""
    own = {"architectures": ["MistralForCausalLM"], "sliding_window": config.sliding_window}
    document = llama.to_hf(config) | own
    for key in ("attention_bias", "mlp_bias"):  # keys that Mistral has not
        del document[key]
    return document


def from_hf(document: Document) -> LlamaConfig:
    """config.json -> our config. Errors: `UserError` naming what is missing or not implemented here."""
    disk_format.require_known(document, KNOWN)
    disk_format.require_values(document, llama.FIXED)
    disk_format.require_keys(document, llama.SIZES)
    own = {"qk_norm": False, "sliding_window": document.get("sliding_window")}
    return build(LlamaConfig, {**llama.shared_values(document), **own}, "config.json")


FORMAT = DiskFormat("mistral", Llama, accepts, to_hf, from_hf, llama.to_disk, llama.from_disk, DEFAULTS, llama.entries)
