"""GPT-2's names on disk: `wte`, `c_attn` and their family, with every matrix lying on its side.

OpenAI's code multiplied from the left ("Conv1D"), so their matrices are (in, out) where ours are (out, in).
"""

from dataclasses import replace

import torch

from hornbook.config import build
from hornbook.models.base import ModelConfig
from hornbook.models.gpt import GPT, GPTConfig
from hornbook.weights import disk_format
from hornbook.weights.disk_format import DiskFormat, Document, Entry, Stored, Tensors

ACTIVATIONS = {"gelu_tanh": "gelu_new", "gelu": "gelu", "relu": "relu"}
SAME_ACTIVATION = {"gelu_pytorch_tanh": "gelu_tanh", **{theirs: ours for ours, theirs in ACTIVATIONS.items()}}

SIZES = {
    "vocab_size": "vocab_size",
    "n_positions": "context_length",
    "n_embd": "embed_dim",
    "n_layer": "num_layers",
    "n_head": "num_heads",
}
DROPOUTS = ("resid_pdrop", "embd_pdrop", "attn_pdrop")
FIXED = {
    "scale_attn_weights": True,
    "scale_attn_by_inverse_layer_idx": False,
    "reorder_and_upcast_attn": False,
    "add_cross_attention": False,
    "is_encoder_decoder": False,
}
SUMMARY = ("summary_activation", "summary_first_dropout", "summary_proj_to_labels", "summary_type", "summary_use_proj")
KNOWN = {
    *SIZES, *DROPOUTS, *FIXED, *SUMMARY,  # the summary is a classifier's head, which a language model has not
    "n_ctx", "n_inner", "activation_function", "layer_norm_epsilon", "tie_word_embeddings",
}  # fmt: skip

PARTS = {  # of a block: our module -> theirs, and whether its matrix lies on its side
    "attention_norm": ("ln_1", False),
    "attention.qkv": ("attn.c_attn", True),
    "attention.output": ("attn.c_proj", True),
    "feed_forward_norm": ("ln_2", False),
    "feed_forward.up": ("mlp.c_fc", True),
    "feed_forward.down": ("mlp.c_proj", True),
}


def accepts(config: ModelConfig) -> bool:
    """Every GPT with learned positions and the norm before each part; all others are unknown there."""
    return isinstance(config, GPTConfig) and config.positions == "learned" and config.norm == "before"


def to_hf(config: GPTConfig) -> Document:
    """Our config -> config.json. Absent biases are stored as zeros, and said in a key that others pass over."""
    document = {theirs: getattr(config, ours) for theirs, ours in SIZES.items()}
    document |= dict.fromkeys(DROPOUTS, config.dropout)
    return document | {
        "architectures": ["GPT2LMHeadModel"],
        "n_inner": config.hidden_dim,
        "activation_function": ACTIVATIONS[config.activation],
        "layer_norm_epsilon": config.norm_eps,
        "tie_word_embeddings": config.tied_output,
        "hornbook": {"biases": config.biases},
    }


def from_hf(document: Document) -> GPTConfig:
    """config.json -> our config. Errors: `UserError` naming what is missing or not implemented here."""
    disk_format.require_known(document, KNOWN)
    disk_format.require_keys(document, SIZES)
    activation = document.get("activation_function", "gelu_new")
    dropout = document.get("resid_pdrop", 0.1)  # absent keys have the values of GPT-2
    disk_format.require_values(document, FIXED | dict.fromkeys(DROPOUTS, dropout))
    values = {ours: document[theirs] for theirs, ours in SIZES.items()}
    if document.get("n_inner") is not None:
        values["hidden_dim"] = document["n_inner"]
    values |= {
        "activation": SAME_ACTIVATION.get(activation, activation),
        "dropout": dropout,
        "norm_eps": document.get("layer_norm_epsilon", 1e-5),
        "tied_output": document.get("tie_word_embeddings", True),
        "biases": document.get("hornbook", {}).get("biases", "all"),
    }
    return build(GPTConfig, values, "config.json")


def entries(config: GPTConfig) -> list[Entry]:
    """Every tensor of a GPT that has all biases, paired with GPT-2's."""
    pairs = [Entry("token_embedding.weight", ("wte.weight",)), Entry("position_embedding.weight", ("wpe.weight",))]
    for layer in range(config.num_layers):
        for ours, (theirs, on_its_side) in PARTS.items():
            place, there = f"blocks.{layer}.{ours}", f"h.{layer}.{theirs}"
            pairs.append(Entry(f"{place}.weight", (f"{there}.weight",), transposed=on_its_side))
            pairs.append(Entry(f"{place}.bias", (f"{there}.bias",)))
    pairs += [Entry("final_norm.weight", ("ln_f.weight",)), Entry("final_norm.bias", ("ln_f.bias",))]
    return pairs if config.tied_output else [*pairs, Entry("output.weight", ("lm_head.weight",))]


def entries_there(config: GPTConfig) -> list[Entry]:
    """`entries` under the names that a whole GPT2LMHeadModel has."""
    return [replace(entry, theirs=tuple(_with_prefix(name) for name in entry.theirs)) for entry in entries(config)]


def exists(name: str, config: GPTConfig) -> bool:
    """Whether a model of this config has the tensor: ('final_norm.bias', biases 'none') -> False."""
    if config.biases == "all" or not name.endswith(".bias"):
        return True
    return config.biases == "all_but_qkv" and not name.endswith(".qkv.bias")


def to_disk(state: Tensors, config: GPTConfig) -> Tensors:
    """Our tensors -> GPT-2's; a bias that this model does without is written as zeros, which compute the same."""
    pairs = entries(config)
    absent = [entry.ours for entry in pairs if not exists(entry.ours, config)]
    zeros = {name: torch.zeros(len(state[name.removesuffix("bias") + "weight"])) for name in absent}
    tensors = disk_format.to_disk(state | zeros, pairs)
    return {_with_prefix(name): tensor for name, tensor in tensors.items()}


def from_disk(tensors: Stored, config: GPTConfig) -> Tensors:
    """GPT-2's tensors -> ours, with or without the prefix; the attention masks in old files are passed over."""
    plain: Stored = disk_format.renamed(tensors, _plain_name)
    if config.tied_output:
        plain = disk_format.untie(plain, "wte.weight", "lm_head.weight")
    state = disk_format.from_disk(plain, entries(config))
    return {name: tensor for name, tensor in state.items() if exists(name, config)}


def _with_prefix(name: str) -> str:
    return name if name == "lm_head.weight" else f"transformer.{name}"


def _plain_name(name: str) -> str | None:
    mask = name.endswith((".attn.bias", ".attn.masked_bias"))
    return None if mask else name.removeprefix("transformer.")


FORMAT = DiskFormat("gpt2", GPT, accepts, to_hf, from_hf, to_disk, from_disk, entries=entries_there)
