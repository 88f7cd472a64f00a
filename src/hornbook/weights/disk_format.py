"""What a format on disk is: how a config and tensors of ours are called in someone else's program, both ways.

Names of ours and theirs are paired by `Entry`; foreign names appear in no other stage than this.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch import Tensor

from hornbook.errors import UserError
from hornbook.models.base import Model, ModelConfig

Document = dict[str, Any]  # the content of a config.json
Tensors = dict[str, Tensor]
Stored = Mapping[str, Tensor]  # tensors on disk, which may be read when they are asked for

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
    from_disk: Callable[[Stored, Any], Tensors]
    defaults: Document = field(default_factory=dict)  # what a key stands for that is absent, where null is "none"
    entries: "Callable[[Any], list[Entry]] | None" = None  # each tensor and theirs, where these have other names


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


class Unread(Mapping[str, Tensor]):
    """Tensors by name that are read each time they are asked for, so that no two need be held at once."""

    def __init__(self, readers: Mapping[str, Callable[[], Tensor]]) -> None:
        self.readers = readers

    def __getitem__(self, name: str) -> Tensor:
        return self.readers[name]()

    def __iter__(self) -> Iterator[str]:
        return iter(self.readers)

    def __len__(self) -> int:
        return len(self.readers)


def renamed(tensors: Stored, rename: Callable[[str], str | None]) -> Unread:
    """The tensors under other names, none of them read; a name that becomes None is left out."""
    names = {name: rename(name) for name in tensors}
    return Unread({new: partial(tensors.__getitem__, old) for old, new in names.items() if new is not None})


def from_disk(tensors: Stored, entries: Iterable[Entry]) -> Tensors:
    """Their tensors under our names, read one after the other, none sharing memory with a file.

    Errors: `UserError` naming a tensor that is missing or has no place here, before any is read.
    """
    entries = list(entries)
    wanted = [name for entry in entries for name in entry.theirs]
    missing = next((name for name in wanted if name not in tensors), None)
    if missing:
        raise UserError(f"the tensor '{missing}' is missing", hint="the weights do not belong to this config.json")
    left = set(tensors) - set(wanted)
    if left:
        raise UserError(f"the tensor '{min(left)}' has no place in this model", hint="it is another architecture")
    return {entry.ours: _ours(entry, [tensors[name] for name in entry.theirs]) for entry in entries}


def _ours(entry: Entry, parts: list[Tensor]) -> Tensor:
    """One tensor of ours from those on disk: a copy always. Errors: `UserError` where they can't be joined."""
    if len(parts) > 1:
        return torch.cat(_joinable(entry, parts))
    if entry.transposed and parts[0].ndim != 2:
        raise UserError(f"'{entry.theirs[0]}' has the shape {tuple(parts[0].shape)}, but it must be a matrix")
    return parts[0].T.clone(memory_format=torch.contiguous_format) if entry.transposed else parts[0].clone()


def _joinable(entry: Entry, parts: list[Tensor]) -> list[Tensor]:
    """The parts where each has its rows and all are of one width: else a wrong one could hide in a right sum."""
    for name, part, rows in zip(entry.theirs, parts, entry.rows, strict=True):
        expected = (rows, *parts[0].shape[1:])
        if tuple(part.shape) != expected:
            raise UserError(f"'{name}' has the shape {tuple(part.shape)}, but config.json asks for {expected}")
    return parts


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


def untie(tensors: Stored, embedding: str, output: str) -> Stored:
    """Without the output layer of a tied model, which some programs store a second time.

    Errors: `UserError` where it is not the embedding's copy.
    """
    if output not in tensors:
        return tensors
    if embedding in tensors and not torch.equal(tensors[output], tensors[embedding]):
        raise UserError(
            f"'{output}' differs from '{embedding}', but config.json ties them", hint="set tie_word_embeddings to false"
        )
    if embedding not in tensors:  # of a tied pair some programs keep the output
        return renamed(tensors, lambda name: embedding if name == output else name)
    return renamed(tensors, lambda name: None if name == output else name)
