"""LoRA's corrections under PEFT's names: `lora_A`, `lora_B`, one pair for each matrix of the Hugging Face architecture.

Where queries, keys and values are one matrix here and three there, our one correction becomes three that share A, and B
is cut by rows. Theirs may have three different A: below each other they are one A of a larger rank, and B holds each
in its own rows and columns. Both ways are exact. (Source: PEFT's documentation, "Checkpoint format".)
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor

from hornbook.errors import UserError
from hornbook.models.base import Model
from hornbook.weights.disk_format import DiskFormat, Document, Entry, Stored, Tensors

Corrections = Mapping[str, tuple[Tensor, Tensor, float]]  # our layer -> A (rank, in), B (out, rank), alpha / rank

PREFIX = "base_model.model."  # PEFT wraps the model twice
SUFFIXES = (".lora_A.weight", ".lora_B.weight")
HEAD = "score.weight"  # of a classifier, in all architectures that we write
HEAD_MODULES = ("classifier", "score")  # what PEFT takes for a classifier's head
CLASSIFIES = "SEQ_CLS"  # the task_type of a classifier
ONLY: Mapping[str, tuple[Any, ...]] = {
    "peft_type": ("LORA",),
    "task_type": (None, "CAUSAL_LM"),
    "bias": ("none",),
    "modules_to_save": (None, []),
}
STARTS = (True, False, "gaussian", "eva", "orthogonal")  # ways to begin that leave the base as it is
WITHOUT_EFFECT = frozenset([
    "auto_mapping", "base_model_name_or_path", "ensure_weight_tying", "exclude_modules", "fan_in_fan_out",
    "inference_mode", "layers_pattern", "layers_to_transform", "lora_dropout", "megatron_core", "peft_version",
    "qalora_group_size", "revision", "target_modules",
])  # fmt: skip
READ = frozenset([*ONLY, "r", "lora_alpha", "rank_pattern", "alpha_pattern", "use_rslora", "init_lora_weights"])


class Part(NamedTuple):
    """The correction of one of their matrices: A (rank, in), B (out, rank), what the product is multiplied by."""

    down: Tensor
    up: Tensor
    scale: float


def entries_of(form: DiskFormat, model: Model) -> list[Entry]:
    """Which of their tensors make each matrix of ours; a model that exists nowhere else keeps its own names."""
    if form.entries is not None:
        return list(form.entries(model.config))
    return [Entry(name, (name,)) for name in model.state_dict()]


def to_disk(corrections: Corrections, entries: Iterable[Entry]) -> Tensors:
    """Our corrections as PEFT's tensors, none sharing memory with another."""
    places = {entry.ours: entry for entry in entries}
    tensors: Tensors = {}
    for layer, (down, up, _) in corrections.items():
        entry = places[f"{layer}.weight"]
        parts = torch.split(up, list(entry.rows)) if entry.rows else (up,)
        for name, part in zip(entry.theirs, parts, strict=True):
            for suffix, tensor in zip(SUFFIXES, (down, part), strict=True):
                tensors[PREFIX + _module(name) + suffix] = (
                    tensor.detach().cpu().clone(memory_format=torch.contiguous_format)
                )
    return tensors


def settings_of(corrections: Corrections, entries: Iterable[Entry], base: str, *, classifier: bool = False) -> Document:
    """The content of adapter_config.json for corrections that have one rank and one alpha."""
    entries = list(entries)
    ((rank, scale),) = {(len(down), scale) for down, _, scale in corrections.values()}
    alpha = rank * scale
    theirs = [name for entry in entries if entry.ours.removesuffix(".weight") in corrections for name in entry.theirs]
    return {
        "peft_type": "LORA",
        "task_type": CLASSIFIES if classifier else "CAUSAL_LM",
        "base_model_name_or_path": base,
        "r": rank,
        "lora_alpha": int(alpha) if alpha == int(alpha) else alpha,
        "lora_dropout": 0.0,
        "bias": "none",
        "target_modules": _targets([_module(name) for name in theirs], entries),
        "modules_to_save": list(HEAD_MODULES) if classifier else None,
        "fan_in_fan_out": any(entry.transposed for entry in entries),
        "inference_mode": True,
        "init_lora_weights": True,
        "use_dora": False,
        "use_rslora": False,
    }


def from_disk(tensors: Stored, settings: Document, entries: Iterable[Entry]) -> dict[str, Part]:
    """PEFT's tensors as corrections of our layers.

    Errors: `UserError` naming a setting that is not implemented here, half a pair, a tensor that has no place here.
    """
    require_implemented(settings)
    parts = {module: _part(module, pair, settings) for module, pair in _pairs(tensors).items()}
    found = {}
    for entry in entries:
        own = [parts.pop(_module(name), None) for name in entry.theirs] if entry.ours.endswith(".weight") else []
        if any(own):
            found[entry.ours.removesuffix(".weight")] = _joined(entry, own)
    if parts:
        raise UserError(f"the adapter corrects '{min(parts)}', which is no matrix of this model")
    return found


def head_and_body(tensors: Stored, settings: Document) -> tuple[Tensor, Tensors, Document]:
    """A classifier's adapter: its head (K, C), and tensors and settings of the corrections alone.

    Errors: `UserError` where the head is missing, or is no matrix, or more than the head was trained whole.
    """
    kept = settings.get("modules_to_save")
    if not set(kept or ()) <= set(HEAD_MODULES):
        raise _not_implemented("modules_to_save", kept, [repr(list(HEAD_MODULES))])
    body: Tensors = {name: tensors[name] for name in tensors if name != PREFIX + HEAD}
    if PREFIX + HEAD not in tensors:
        raise UserError(f"the adapter lacks the classifier's head '{PREFIX + HEAD}'")
    head = tensors[PREFIX + HEAD]
    if head.ndim != 2:
        raise UserError(f"the adapter's head has the shape {tuple(head.shape)}, but is a matrix of classes x width")
    return head, body, {**settings, "task_type": None, "modules_to_save": None}


def require_implemented(settings: Document) -> None:
    """Raise `UserError` naming the first key of adapter_config.json that asks for what is not implemented here."""
    for key, choices in ONLY.items():
        if key in settings and settings[key] not in choices:
            raise _not_implemented(key, settings[key], [repr(choice) for choice in choices])
    if settings.get("init_lora_weights", True) not in STARTS:
        raise _not_implemented("init_lora_weights", settings["init_lora_weights"], map(repr, STARTS))
    for key, value in settings.items():
        if value and key not in READ and key not in WITHOUT_EFFECT:
            raise _not_implemented(key, value)
    for key in ("rank_pattern", "alpha_pattern"):
        for name in settings.get(key) or {}:
            if not re.fullmatch(r"[\w.]+", name):  # elsewhere a regular expression; here a name, or the end of one
                raise _not_implemented(key, name)


def _not_implemented(key: str, value: Any, choices: Iterable[str] = ()) -> UserError:
    return UserError(f"'{key}' = {value!r} in adapter_config.json is not implemented here", choices=choices)


def _module(name: str) -> str:
    return name.removesuffix(".weight")


def _targets(modules: list[str], entries: Iterable[Entry]) -> list[str]:
    """What adapter_config.json calls the corrected matrices: 'self_attn.q_proj' where all of that name are among them."""
    everywhere = [_module(name) for entry in entries for name in entry.theirs]
    ends = dict.fromkeys(".".join(module.split(".")[-2:]) for module in modules)
    meant = {name for name in everywhere if any(name == end or name.endswith(f".{end}") for end in ends)}
    return list(ends) if meant == set(modules) else modules


def _pairs(tensors: Stored) -> dict[str, tuple[Tensor, Tensor]]:
    """Their module -> A and B. Errors: `UserError` for half a pair and for a tensor that is neither."""
    for name in tensors:
        if not name.startswith(PREFIX) or not name.endswith(SUFFIXES):
            raise UserError(f"the tensor '{name}' of the adapter is not implemented here", choices=["lora_A", "lora_B"])
    modules = dict.fromkeys(name.removeprefix(PREFIX).rpartition(".lora_")[0] for name in tensors)
    pairs = {}
    for module in modules:
        first, second = (PREFIX + module + suffix for suffix in SUFFIXES)
        for name in (first, second):
            if name not in tensors:
                raise UserError(f"the tensor '{name}' of the adapter is missing")
        pairs[module] = tensors[first].float(), tensors[second].float()
    return pairs


def _part(module: str, pair: tuple[Tensor, Tensor], settings: Document) -> Part:
    """One correction with its factor. Errors: `UserError` where the shapes are not those of the rank that is told."""
    down, up = pair
    rank = _for(module, settings.get("rank_pattern"), settings.get("r", 8))
    alpha = _for(module, settings.get("alpha_pattern"), settings.get("lora_alpha", 8))
    if down.ndim != 2 or up.ndim != 2 or not len(down) == up.shape[1] == rank:
        shapes = f"{tuple(down.shape)} and {tuple(up.shape)}"
        raise UserError(f"the adapter's matrices of '{module}' have the shapes {shapes}, but their rank is {rank}")
    return Part(down, up, alpha / (rank**0.5 if settings.get("use_rslora") else rank))


def _for(module: str, pattern: Mapping[str, Any] | None, usual: Any) -> Any:
    """The value of a module: the first name of `pattern` that is its end, else the usual one."""
    ends = (name for name in pattern or {} if f".{module}".endswith(f".{name}"))
    name = next(ends, None)
    return usual if name is None or pattern is None else pattern[name]


def _joined(entry: Entry, parts: list[Part | None]) -> Part:
    """The correction of our matrix from those of the matrices that are its rows, some of which may have none."""
    there = [part for part in parts if part is not None]
    if not entry.rows:
        return there[0]
    for name, rows, part in zip(entry.theirs, entry.rows, parts, strict=True):
        if part is not None and len(part.up) != rows:
            raise UserError(
                f"the adapter's matrix of '{_module(name)}' has {len(part.up)} rows, the model's has {rows}"
            )
    first = there[0]
    if len(there) == len(parts) and all(
        part.scale == first.scale and torch.equal(part.down, first.down) for part in there
    ):
        return Part(first.down, torch.cat([part.up for part in there]), first.scale)
    columns = sum(len(part.down) for part in there)
    up, done = [], 0
    for rows, part in zip(entry.rows, parts, strict=True):
        block = torch.zeros(rows, columns)
        if part is not None:
            block[:, done : done + len(part.down)] = part.scale * part.up
            done += len(part.down)
        up.append(block)
    return Part(torch.cat([part.down for part in there]), torch.cat(up), 1.0)
