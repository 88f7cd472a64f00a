"""Models that exist nowhere else (the bigram, a sinusoidal GPT): their own config and names on disk, and they say so.

`model_type` is "hornbook-" and the model's file name, so that no other program takes them for something it knows.
"""

from typing import Any

from hornbook.config import build
from hornbook.discovery import find
from hornbook.models.base import Model, ModelConfig
from hornbook.weights.disk_format import DiskFormat, Document, Stored, Tensors

PREFIX = "hornbook-"
NOT_CONFIG = ("model_type", "architectures", "dtype", "bos_token_id", "eos_token_id", "pad_token_id")


def own_format(kind: str) -> DiskFormat:
    """The format of the model in `models/kind.py`. Errors: `UserError` where there is none."""
    model_class: type[Model] = find("models", kind)

    def from_hf(document: Document) -> ModelConfig:
        values = {key: value for key, value in document.items() if key not in NOT_CONFIG}
        return build(model_class.config_class, values, "config.json")

    return DiskFormat(PREFIX + kind, model_class, lambda config: True, _to_hf, from_hf, _same_names, _same_names)


def kind_of(model: Model) -> str:
    """The name of a model's file on the shelf: a `Bigram` -> 'bigram'."""
    return type(model).__module__.rpartition(".")[2]


def _to_hf(config: ModelConfig) -> Document:
    return config.model_dump()


def _same_names(tensors: Stored, config: Any) -> Tensors:
    return {name: tensor.clone() for name, tensor in tensors.items()}  # a copy: none shares memory with a file
