"""What a format on disk is: how a config and tensors of ours are called in someone else's program, both ways.

Names of ours and theirs are paired by `Entry`; foreign names appear in no other stage than this.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from hornbook.errors import UserError
from hornbook.models.base import Model, ModelConfig

Document = dict[str, Any]  # the content of a config.json
Tensors = dict[str, Tensor]

# Keys of a Hugging Face config.json that say nothing about what the model computes.
WITHOUT_EFFECT = frozenset(
    [
        *("_name_or_path", "architectures", "model_type", "transformers_version", "hornbook"),
        *(
            "bos_token_id",
            "eos_token_id",
            "pad_token_id",
            "dtype",
            "torch_dtype",
            "initializer_range",
            "pretraining_tp",
        ),
        *("chunk_size_feed_forward", "use_cache", "output_attentions", "output_hidden_states", "return_dict"),
        *("id2label", "label2id", "problem_type", "task_specific_params"),
    ]
)


@dataclass(frozen=True)
class DiskFormat:
    """One `model_type` of config.json: which models it can hold, and the translations both ways."""

    model_type: str
    model_class: type[Model]
    accepts: Callable[[ModelConfig], bool]
    to_hf: Callable[[Any], Document]
    from_hf: Callable[[Document], ModelConfig]
    to_disk: Callable[[Tensors, Any], Tensors]
    from_disk: Callable[[Tensors, Any], Tensors]


@dataclass(frozen=True)
class Entry:
    """One tensor of ours and those on disk that hold its rows, one below the other; `transposed` if on their side."""

    ours: str
    theirs: tuple[str, ...]
    rows: tuple[int, ...] = ()
    transposed: bool = False


def to_disk(state: Tensors, entries: Iterable[Entry]) -> Tensors:
    """Our tensors under their names: a fused one is cut into its parts."""
    tensors: Tensors = {}
    for entry in entries:
        ours = state[entry.ours]
        parts = torch.split(ours, list(entry.rows)) if entry.rows else (ours,)
        for name, part in zip(entry.theirs, parts, strict=True):
            tensors[name] = (part.T if entry.transposed else part).contiguous()
    return tensors


def from_disk(tensors: Tensors, entries: Iterable[Entry]) -> Tensors:
    """Their tensors under our names. Errors: `UserError` naming a tensor that is missing or has no place here."""
    state: Tensors = {}
    left = dict(tensors)
    for entry in entries:
        missing = [name for name in entry.theirs if name not in left]
        if missing:
            raise UserError(
                f"the tensor '{missing[0]}' is missing", hint="the weights do not belong to this config.json"
            )
        parts = [left.pop(name) for name in entry.theirs]
        ours = parts[0] if len(parts) == 1 else torch.cat(parts)
        state[entry.ours] = ours.T.contiguous() if entry.transposed else ours
    if left:
        raise UserError(f"the tensor '{min(left)}' has no place in this model", hint="it is another architecture")
    return state


def require_keys(document: Mapping[str, Any], keys: Iterable[str]) -> None:
    """Raise `UserError` for the first of `keys` that config.json lacks."""
    for key in keys:
        if document.get(key) is None:
            raise UserError(f"'{key}' is missing in config.json")


def require_values(document: Mapping[str, Any], fixed: Mapping[str, Any]) -> None:
    """Raise `UserError` where a key has another value than the only one that is implemented here; absent is fine."""
    for key, only in fixed.items():
        if key in document and document[key] != only:
            raise UserError(f"'{key}' = {document[key]!r} in config.json is not implemented here", choices=[repr(only)])


def require_known(document: Mapping[str, Any], known: Collection[str]) -> None:
    """Raise `UserError` for a key of config.json that is neither translated nor without effect on the results."""
    for key, value in document.items():
        if key not in known and key not in WITHOUT_EFFECT and value is not None:
            raise UserError(f"'{key}' = {value!r} in config.json is not implemented here")


def untie(tensors: Tensors, embedding: str, output: str) -> Tensors:
    """Without the output layer of a tied model, which some programs store a second time.

    Errors: `UserError` where it is not the embedding's copy.
    """
    if output in tensors and not torch.equal(tensors[output], tensors[embedding]):
        raise UserError(
            f"'{output}' differs from '{embedding}', but config.json ties them", hint="set tie_word_embeddings to false"
        )
    return {name: tensor for name, tensor in tensors.items() if name != output}
