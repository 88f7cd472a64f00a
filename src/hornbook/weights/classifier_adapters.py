"""A classifier's adapter folder: corrections of a language model, and the head, in the format of PEFT (SEQ_CLS).

It opens on the language model that it was made for, or on a classifier's folder of PEFT's users, whose head it replaces.
The names of the classes stand in hornbook.json; PEFT has them in the base's config.json, or not at all.
"""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from hornbook.errors import UserError
from hornbook.models.base import Model
from hornbook.tokenizers.base import Tokenizer
from hornbook.weights import peft_names
from hornbook.weights.adapters import (
    SETTINGS,
    WEIGHTS,
    find_base,
    is_for_classifier,
    merge,
    with_own_tokenizer,
)
from hornbook.weights.classifier_folder import Head, load_classifier_folder
from hornbook.weights.model_folder import (
    CONFIG,
    check_seal,
    is_classifier,
    load_model_folder,
    read_config,
    read_object,
)
from hornbook.weights.tensor_files import open_file


def load_classifier_adapter(
    folder: Path,
    device: torch.device | str = "cpu",
    dtype: torch.dtype | None = torch.float32,
    base: Path | str | None = None,
) -> tuple[Model, Tokenizer, Head, dict[str, Any]]:
    """Open a classifier's adapter on its base, which lies where it says unless it is named: as `load_classifier_folder`.

    Errors: as `load_adapter`; `UserError` for an adapter that is no classifier's, or lacks its head.
    """
    folder = Path(folder)
    seal = check_seal(folder)
    if not is_for_classifier(folder):
        hint = f"hornbook generate {folder} or hornbook chat {folder} opens it"
        raise UserError(f"'{folder}' is the adapter of a language model and no classifier", hint=hint)
    weight, tensors, settings = peft_names.head_and_body(open_file(folder / WEIGHTS), read_object(folder / SETTINGS))
    place = find_base(folder, seal, base)
    load = load_classifier_folder if is_classifier(place) else load_model_folder
    model, tokenizer = load(place, device, dtype)[:2]
    _require_width(model, weight)
    merge(model, peft_names.from_disk(tensors, settings, peft_names.entries_of(read_config(place)[0], model)))
    model, tokenizer = with_own_tokenizer(folder, model, tokenizer)
    classes = _classes(seal, read_object(place / CONFIG), len(weight))
    length = seal.get("classifier", {}).get("max_length", model.config.context_length)
    return model, tokenizer, Head(weight.to(device, dtype), classes, "last", length), seal.get("info", {})


def _require_width(model: Model, head: Tensor) -> None:
    """Errors: `UserError` for a head that reads other vectors than the model has."""
    width = model.width()
    if head.shape[1] != width:
        raise UserError(
            f"the adapter's head reads vectors of {head.shape[1]} numbers, the model's have {width}",
            hint="it was made for another model",
        )


def _classes(seal: dict[str, Any], config: dict[str, Any], count: int) -> tuple[str, ...]:
    """The adapter's own names, else the base's where it has as many, else LABEL_0, LABEL_1, ... as theirs are called.

    Errors: `UserError` where hornbook.json names another number of classes.
    """
    if "classifier" in seal:
        names = tuple(seal["classifier"]["classes"])
        if len(names) != count:
            raise UserError(f"hornbook.json names {len(names)} classes, the adapter's head has {count}")
        return names
    numbers, named = [str(number) for number in range(count)], config.get("id2label")
    if isinstance(named, dict) and list(named) == numbers:
        return tuple(str(named[number]) for number in numbers)
    return tuple(f"LABEL_{number}" for number in numbers)
