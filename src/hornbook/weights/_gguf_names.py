"""What llama.cpp calls a model of ours: its architecture, the keys that describe it, and the names of its tensors."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from hornbook.errors import UserError
from hornbook.models.base import Model, ModelConfig
from hornbook.models.gpt import GPTConfig
from hornbook.models.llama import LlamaConfig
from hornbook.weights.disk_format import Tensors

Keys = dict[str, int | float | str]  # whole numbers are uint32 in the file, others float32

# Settings that are carried over or change nothing once a model is trained. Any other must have its default.
CARRIED = {
    *("vocab_size", "context_length", "num_layers", "num_heads", "num_kv_heads", "embed_dim", "head_dim", "hidden_dim"),
    *("dropout", "qk_norm", "qkv_bias", "rope_theta", "rope_scaling", "norm_eps", "tied_output", "biases", "induction"),
}
EXPORTABLE = "a llama, or a gpt with learned positions, the norm before each part and gelu_tanh"

NORMS = {"attention_norm": "attn_norm", "feed_forward_norm": "ffn_norm"}
LLAMA_PARTS = NORMS | {
    "attention.query_norm": "attn_q_norm",
    "attention.key_norm": "attn_k_norm",
    "attention.output": "attn_output",
    "feed_forward.gate": "ffn_gate",
    "feed_forward.up": "ffn_up",
    "feed_forward.down": "ffn_down",
}
GPT_PARTS = NORMS | {
    "attention.qkv": "attn_qkv",
    "attention.output": "attn_output",
    "feed_forward.up": "ffn_up",
    "feed_forward.down": "ffn_down",
}
OUTER = {
    "token_embedding": "token_embd",
    "position_embedding": "position_embd",
    "final_norm": "output_norm",
    "output": "output",
}


@dataclass(frozen=True)
class Foreign:
    """A model as llama.cpp describes it: keys stand below the architecture's name, tensors are float32 in their order."""

    architecture: str
    keys: Keys
    tensors: Tensors


def translate(model: Model) -> Foreign:
    """A model of ours in llama.cpp's words. Errors: `UserError` saying what of it llama.cpp doesn't compute."""
    config = model.config
    _require_known(config)
    state = {name: tensor.detach().cpu().float() for name, tensor in model.state_dict().items()}
    if isinstance(config, LlamaConfig):
        name = _llama_name(config)
        return Foreign(name, _llama_keys(config), _llama_tensors(state, config, turned=name == "llama"))
    assert isinstance(config, GPTConfig)
    return Foreign("gpt2", _gpt_keys(config), _gpt_tensors(state))


def _require_known(config: ModelConfig) -> None:
    kind = type(config).__name__.removesuffix("Config").lower()
    if not isinstance(config, LlamaConfig | GPTConfig):
        raise UserError(f"llama.cpp has no architecture for a {kind}", hint=f"what can be exported is {EXPORTABLE}")
    for name, field in type(config).model_fields.items():
        value = getattr(config, name)
        idle = name == "sliding_window" and value is not None and value >= config.context_length
        if name not in CARRIED and value != field.get_default() and not idle:
            raise _unknown(kind, f"{name} = {value!r}")


def _unknown(kind: str, setting: str) -> UserError:
    return UserError(f"llama.cpp has no {kind} with {setting}", hint=f"what can be exported is {EXPORTABLE}")


def _llama_name(config: LlamaConfig) -> str:
    """qwen3 with norms on queries and keys, qwen2 with biases, else llama. Errors: `UserError` for what none of them has."""
    name = "qwen3" if config.qk_norm else "qwen2" if config.qkv_bias else "llama"
    if config.qkv_bias and config.qk_norm:
        raise _unknown("llama", "both qk_norm and qkv_bias")
    if config.qkv_bias and config.head_dim * config.num_heads != config.embed_dim:
        raise _unknown(
            "llama", f"qkv_bias and head_dim = {config.head_dim} x {config.num_heads} heads unlike embed_dim"
        )
    if config.rope_scaling and config.rope_scaling.kind != "linear" and name != "llama":
        raise _unknown(name, f"rope_scaling = '{config.rope_scaling.kind}'")
    return name


def _llama_keys(config: LlamaConfig) -> Keys:
    scaling: Keys = {}
    if config.rope_scaling and config.rope_scaling.kind == "linear":
        scaling = {"rope.scaling.type": "linear", "rope.scaling.factor": float(config.rope_scaling.factor)}
    return (
        _shared_keys(config)
        | scaling
        | {
            "vocab_size": config.vocab_size,
            "attention.head_count_kv": config.num_kv_heads,
            "attention.key_length": config.head_dim,
            "attention.value_length": config.head_dim,
            "attention.layer_norm_rms_epsilon": float(config.norm_eps),
            "rope.dimension_count": config.head_dim,
            "rope.freq_base": float(config.rope_theta),
        }
    )


def _gpt_keys(config: GPTConfig) -> Keys:
    return _shared_keys(config) | {"attention.layer_norm_epsilon": float(config.norm_eps)}


def _shared_keys(config: Any) -> Keys:
    return {
        "context_length": config.context_length,
        "embedding_length": config.embed_dim,
        "block_count": config.num_layers,
        "feed_forward_length": config.hidden_dim,
        "attention.head_count": config.num_heads,
    }


def _llama_tensors(state: Tensors, config: LlamaConfig, *, turned: bool) -> Tensors:
    """Queries, keys and values apart; `turned` brings queries and keys into the order of Llama's rotation there."""
    tensors: Tensors = {}
    heads = (config.num_heads, config.num_kv_heads, config.num_kv_heads)
    for name, tensor in state.items():
        place, _, kind = name.rpartition(".")
        if not place.endswith("attention.qkv"):
            tensors[_name(name, LLAMA_PARTS)] = tensor
            continue
        parts = torch.split(tensor, [count * config.head_dim for count in heads])
        for letter, part, count in zip("qkv", parts, heads, strict=True):
            there = f"blk.{name.split('.')[1]}.attn_{letter}.{kind}"
            tensors[there] = interleave(part, count) if turned and letter != "v" else part.contiguous()
    if config.rope_scaling and config.rope_scaling.kind == "llama3":
        tensors["rope_freqs.weight"] = _slowdowns(config)
    return tensors


def _slowdowns(config: LlamaConfig) -> Tensor:
    """How many times more slowly each pair of dimensions turns than without scaling, (D/2,)."""
    assert config.rope_scaling is not None
    pairs = torch.arange(0, config.head_dim, 2, dtype=torch.float32)
    frequencies = 1.0 / config.rope_theta ** (pairs / config.head_dim)
    return frequencies / config.rope_scaling.rescale(frequencies)


def interleave(rows: Tensor, num_heads: int) -> Tensor:
    """Rows of each head from our order to the one of the paper, (H * D, ...) both: [0, 1, 2, 3] -> [0, 2, 1, 3].

    We turn dimension i with i + D/2, llama.cpp's Llama turns 2i with 2i + 1 (Su et al. 2021); a query and a key that
    are ordered alike have the same product in any order.
    """
    halves = rows.view(num_heads, 2, -1, *rows.shape[1:])  # (H, 2, D/2, ...)
    return halves.transpose(1, 2).reshape(rows.shape)


def _gpt_tensors(state: Tensors) -> Tensors:
    """Biases that this model does without are written as zeros, which compute the same."""
    tensors = {_name(name, GPT_PARTS): tensor for name, tensor in state.items()}
    matrices = {name: tensor for name, tensor in tensors.items() if name.endswith(".weight")}
    for name, tensor in matrices.items():
        bias = name.removesuffix("weight") + "bias"
        if name.startswith(("blk.", "output_norm")):
            tensors.setdefault(bias, torch.zeros(len(tensor)))
    return tensors


def _name(ours: str, parts: dict[str, str]) -> str:
    """'blocks.3.feed_forward.up.weight' -> 'blk.3.ffn_up.weight'."""
    place, _, kind = ours.rpartition(".")
    if not place.startswith("blocks."):
        return f"{OUTER[place]}.{kind}"
    _, layer, part = place.split(".", 2)
    return f"blk.{layer}.{parts[part]}.{kind}"
