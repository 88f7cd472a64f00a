"""Llama's names on disk: `q_proj`, `gate_proj` and their family. Queries, keys and values are three tensors there.

Qwen2, Qwen3 and Mistral use the same names: their files beside this one say what differs.
"""

from typing import Any

from hornbook.config import build
from hornbook.errors import UserError
from hornbook.models.base import ModelConfig
from hornbook.models.llama import Llama, LlamaConfig, RopeScaling
from hornbook.weights import disk_format
from hornbook.weights.disk_format import DiskFormat, Document, Entry, Stored, Tensors

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

ROPE_KEYS = ("rope_scaling", "rope_parameters")  # the name of older programs and that of newer ones
SCALINGS = {  # of the rotation's angles: what each needs to be told, theirs -> ours
    "default": {},
    "linear": {"factor": "factor"},
    "llama3": {
        "factor": "factor",
        "low_freq_factor": "low_freq_factor",
        "high_freq_factor": "high_freq_factor",
        "original_max_position_embeddings": "original_context_length",
    },
}

PARTS = {  # of a block: our module -> theirs
    "attention_norm": "input_layernorm",
    "attention.output": "self_attn.o_proj",
    "feed_forward_norm": "post_attention_layernorm",
    "feed_forward.gate": "mlp.gate_proj",
    "feed_forward.up": "mlp.up_proj",
    "feed_forward.down": "mlp.down_proj",
}
ANGLES = ".rotary_emb.inv_freq"
QK_NORMS = {"attention.query_norm": "self_attn.q_norm", "attention.key_norm": "self_attn.k_norm"}


def accepts(config: ModelConfig) -> bool:
    """Every Llama without norms on queries and keys, biases on them, or a window."""
    return marks(config) == ()


def marks(config: ModelConfig) -> tuple[str, ...] | None:
    """What tells a family that shares these names from Llama itself: Qwen3's -> ("qk_norm",); None where none does."""
    if not isinstance(config, LlamaConfig):
        return None
    return tuple(name for name in ("qk_norm", "qkv_bias", "sliding_window") if getattr(config, name))


def to_hf(config: LlamaConfig) -> Document:
    """Our config -> config.json, with the rotation in the form of older programs and in that of newer ones."""
    scaling = _scaling_to_hf(config.rope_scaling)
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
        "rope_parameters": {"rope_theta": config.rope_theta, "rope_type": "default"} | scaling,
        "tie_word_embeddings": config.tied_output,
        **({"rope_scaling": scaling} if scaling else {}),
    }


def from_hf(document: Document) -> LlamaConfig:
    """config.json -> our config. Errors: `UserError` naming what is missing or not implemented here."""
    disk_format.require_known(document, KNOWN)
    disk_format.require_values(document, FIXED)
    disk_format.require_keys(document, SIZES)
    return build(LlamaConfig, {**shared_values(document), "qk_norm": False}, "config.json")


def shared_values(document: Document) -> dict[str, Any]:
    """The values that all these families write alike; an absent key has the default of `transformers`."""
    optional = {"num_key_value_heads": "num_kv_heads", "head_dim": "head_dim"}
    values = {ours: document[theirs] for theirs, ours in SIZES.items()}
    values |= {ours: document[theirs] for theirs, ours in optional.items() if document.get(theirs) is not None}
    return values | {
        "dropout": document.get("attention_dropout", 0.0),
        "norm_eps": document.get("rms_norm_eps", 1e-6),
        "rope_theta": rope_theta(document),
        "rope_scaling": rope_scaling(document),
        "tied_output": document.get("tie_word_embeddings", False),
    }


def require_full_attention(document: Document) -> None:
    """Raise `UserError` for a kind of layer that isn't attention to the whole text, as Qwen's configs may list them."""
    other = [kind for kind in document.get("layer_types") or [] if kind != "full_attention"]
    if other:
        raise UserError(
            f"the layer type '{other[0]}' in config.json is not implemented here", choices=["full_attention"]
        )


def rope_theta(document: Document) -> float:
    """The base of the rotation, which may stand in three places. Errors: `UserError` where two of them disagree."""
    places = [document, *(_rope_form(document, key) for key in ROPE_KEYS)]
    found = {float(place["rope_theta"]) for place in places if place.get("rope_theta")}
    if len(found) > 1:
        raise UserError(
            f"'rope_theta' in config.json is {' in one place and '.join(map(str, sorted(found)))} in another"
        )
    return found.pop() if found else 10000.0


def rope_scaling(document: Document) -> dict[str, Any] | None:
    """How angles are scaled, from the old key or the new one; None where they are not.

    Errors: `UserError` for a kind that is not implemented, a number that is missing, two keys that disagree.
    """
    found = [_scaling(key, form) for key in ROPE_KEYS if (form := _rope_form(document, key))]
    if len(found) == 2 and found[0] != found[1]:
        raise UserError("'rope_scaling' and 'rope_parameters' in config.json disagree", hint="delete the wrong one")
    return found[0] if found else None


def _rope_form(document: Document, key: str) -> Document:
    form = document.get(key) or {}
    if not isinstance(form, dict):
        raise UserError(f"'{key}' = {form!r} in config.json is not implemented here")
    return form


def _scaling(key: str, form: Document) -> dict[str, Any] | None:
    kind = form.get("rope_type", form.get("type", "default"))
    names = SCALINGS.get(kind) if isinstance(kind, str) else None
    if names is None or set(form) - {"rope_type", "type", "rope_theta", *names}:
        choices = [f"rope_type '{name}'" for name in SCALINGS]
        raise UserError(f"'{key}' = {form!r} in config.json is not implemented here", choices=choices)
    lacking = next((name for name in names if form.get(name) is None), None)
    if lacking:
        raise UserError(f"'{key}.{lacking}' is missing in config.json")
    values = {ours: form[theirs] for theirs, ours in names.items()}
    return build(RopeScaling, {"kind": kind, **values}, f"config.json.{key}").model_dump() if names else None


def _scaling_to_hf(scaling: RopeScaling | None) -> Document:
    if scaling is None:
        return {}
    values = {theirs: getattr(scaling, ours) for theirs, ours in SCALINGS[scaling.kind].items()}
    return {"rope_type": scaling.kind, **values}


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
        for kind in ("weight", "bias") if config.qkv_bias else ("weight",):
            fused = tuple(f"{there}.self_attn.{letter}_proj.{kind}" for letter in "qkv")
            pairs.append(Entry(f"{place}.attention.qkv.{kind}", fused, rows=(query_rows, key_rows, key_rows)))
        pairs += [Entry(f"{place}.{ours}.weight", (f"{there}.{theirs}.weight",)) for ours, theirs in parts.items()]
    return pairs if config.tied_output else [*pairs, Entry("output.weight", ("lm_head.weight",))]


def to_disk(state: Tensors, config: LlamaConfig) -> Tensors:
    """Our tensors -> theirs."""
    return disk_format.to_disk(state, entries(config))


def from_disk(tensors: Stored, config: LlamaConfig) -> Tensors:
    """Their tensors -> ours; the angles' table in old files is passed over."""
    plain: Stored = disk_format.renamed(tensors, lambda name: None if name.endswith(ANGLES) else name)
    if config.tied_output:
        plain = disk_format.untie(plain, "model.embed_tokens.weight", "lm_head.weight")
    return disk_format.from_disk(plain, entries(config))


FORMAT = DiskFormat("llama", Llama, accepts, to_hf, from_hf, to_disk, from_disk, entries=entries)
