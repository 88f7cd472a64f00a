"""An adapter folder: what LoRA added to a model, without the model, in the format of PEFT.

    adapter_config.json  adapter_model.safetensors   what PEFT opens
    tokenizer.json  tokenizer_config.json ...        how the finished model reads and writes (a chat template among it)
    hornbook.json   as in a model folder, and which base it was made for: where that lay, and its fingerprint

To open one is to open its base and to add the corrections to its matrices.
"""

import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from hornbook.errors import UserError
from hornbook.files import new_folder, write_atomic, write_json
from hornbook.models.base import Model
from hornbook.tokenizers.base import FILE_NAME as TOKENIZER
from hornbook.tokenizers.base import Tokenizer, load_tokenizer
from hornbook.weights import peft_names
from hornbook.weights.classifier_folder import Head
from hornbook.weights.disk_format import DiskFormat
from hornbook.weights.growing import add_tokens
from hornbook.weights.model_card import adapter_card
from hornbook.weights.model_folder import (
    CONFIG,
    SEAL,
    check_seal,
    find_model_folder,
    fingerprint_of,
    load_model_folder,
    read_config,
    read_object,
    require_fit,
    save_tensors,
    seal_of,
    title_of,
)
from hornbook.weights.peft_names import Corrections, Part
from hornbook.weights.tensor_files import open_file

SETTINGS, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
READING = ("tokenizer_config.json", "generation_config.json", "chat_template.jinja")


def is_adapter(folder: Path | str) -> bool:
    """Whether an adapter lies there, ours or PEFT's, and no whole model."""
    return (Path(folder) / SETTINGS).is_file() and not (Path(folder) / CONFIG).is_file()


def is_for_classifier(folder: Path | str) -> bool:
    """Whether an adapter has a head that scores classes."""
    return read_object(Path(folder) / SETTINGS).get("task_type") == peft_names.CLASSIFIES


def save_adapter(
    folder: Path,
    corrections: Corrections,
    base: Path,
    finished: Path,
    info: dict[str, Any] | None = None,
    *,
    head: Head | None = None,
    replace: bool = False,
) -> Path:
    """Write an adapter folder, whole or not at all.

    `base` is the model folder that was corrected, `finished` the one of the merged model, whose tokenizer and template
    go with the adapter; `head` is a classifier's.
    Errors: `UserError` where something stands at `folder` already, or the disk refuses.
    """
    folder = Path(folder)
    form, config = read_config(base)
    with torch.device("meta"):
        entries = peft_names.entries_of(form, form.model_class(config))
    tensors = peft_names.to_disk(corrections, entries)
    if head is not None:
        tensors[peft_names.PREFIX + peft_names.HEAD] = head.weight.detach().cpu().clone()
    settings = peft_names.settings_of(corrections, entries, str(base.absolute()), classifier=head is not None)
    tokenizer = load_tokenizer(finished / TOKENIZER)
    with new_folder(folder, replace=replace) as beside:
        write_json(beside / SETTINGS, settings)
        save_tensors(tensors, beside / WEIGHTS)
        tokenizer.save(beside)
        for name in READING:
            if (finished / name).is_file():
                shutil.copyfile(finished / name, beside / name)
        count = sum(tensor.numel() for tensor in tensors.values())
        title = folder.absolute().parent.name if folder.name == "adapter" else folder.name  # of a run: the run's
        write_atomic(beside / "README.md", adapter_card(title, count, title_of(base), settings, info or {}))
        place = os.path.relpath(base.absolute(), folder.absolute())
        seal = seal_of(beside, tokenizer, info or {}) | {"base": {"path": place, "fingerprint": fingerprint_of(base)}}
        if head is not None:  # PEFT's format has no place for the names of classes
            seal["classifier"] = {"classes": list(head.classes), "max_length": head.max_length}
        write_json(beside / SEAL, seal)
    return folder


def load_adapter(
    folder: Path,
    device: torch.device | str = "cpu",
    dtype: torch.dtype | None = torch.float32,
    base: Path | str | None = None,
) -> tuple[Model, Tokenizer, dict[str, Any]]:
    """Open an adapter on its base, which lies where the adapter says unless it is named: what `load_model_folder` gives.

    The corrections are added to the base's matrices. The tokenizer is the adapter's where it has one; special tokens
    that only it has get rows as a fine-tuning begins with them, which LoRA leaves as they are.
    Errors: as `load_model_folder`; `UserError` for another base than the adapter was made for, or none.
    """
    folder = Path(folder)
    seal = check_seal(folder)
    place = find_base(folder, seal, base)
    model, tokenizer, _ = load_model_folder(place, device, dtype)
    merge(model, read_corrections(folder, read_config(place)[0], model))
    return *with_own_tokenizer(folder, model, tokenizer), seal.get("info", {})


def with_own_tokenizer(folder: Path, model: Model, tokenizer: Tokenizer) -> tuple[Model, Tokenizer]:
    """The base's model and tokenizer -> with rows for the tokens that only the adapter's has, and that one if there is one."""
    if not (folder / TOKENIZER).is_file():
        return model, tokenizer
    own = load_tokenizer(folder / TOKENIZER)
    model, _ = add_tokens(
        model, tokenizer, [name for name in own.special_tokens if name not in tokenizer.special_tokens]
    )
    require_fit(own, model.config)
    return model, own


def reading_folder(folder: Path, base: Path | str | None = None) -> Path:
    """Where an adapter's tokenizer settings and chat template lie: with it, or, where it came without, with its base."""
    folder = Path(folder)
    return folder if (folder / TOKENIZER).is_file() else find_base(folder, check_seal(folder), base)


def read_corrections(folder: Path, form: DiskFormat, model: Model) -> dict[str, Part]:
    """The corrections of an adapter folder for the layers of `model`. Errors: `UserError` for whatever doesn't fit."""
    settings = read_object(folder / SETTINGS)
    if is_for_classifier(folder):
        hint = f'hornbook classify {folder} --text "...", or in Python hornbook.load_classifier'
        raise UserError(f"'{folder}' is the adapter of a classifier, which writes no text", hint=hint)
    tensors = open_file(folder / WEIGHTS)
    return peft_names.from_disk(tensors, settings, peft_names.entries_of(form, model))


@torch.no_grad()
def merge(model: Model, corrections: Corrections) -> None:
    """Add every correction to its matrix, in place. Errors: `UserError` for one of another shape."""
    weights = dict(model.named_parameters())
    for layer, (down, up, _) in corrections.items():
        weight = weights[f"{layer}.weight"]
        if (len(up), down.shape[1]) != tuple(weight.shape):
            shapes = f"{len(up)} x {down.shape[1]}, the model's is {' x '.join(map(str, weight.shape))}"
            raise UserError(f"the adapter's correction of '{layer}' is {shapes}", hint="it was made for another model")
    for layer, (down, up, scale) in corrections.items():
        weight = weights[f"{layer}.weight"]
        weight.add_((scale * up @ down).to(weight))


def find_base(folder: Path, seal: Mapping[str, Any], base: Path | str | None = None) -> Path:
    """The model folder that an adapter corrects. Errors: `UserError` where it isn't there, or is another one by now."""
    known: Mapping[str, str] = seal.get("base", {})
    named = read_object(folder / SETTINGS).get("base_model_name_or_path") or "a model that it doesn't name"
    places = [folder / known["path"]] if "path" in known else []
    places = [find_model_folder(base)] if base is not None else [*places, Path(named)]
    here = [place for place in places if (place / CONFIG).is_file()]
    if not here:
        hint = f"hornbook merge {folder} --base MODEL --out DIR, with that model as it lies here"
        raise UserError(f"the adapter '{folder}' corrects '{named}', which isn't there", hint=hint)
    for place in here:
        if known.get("fingerprint") in (None, fingerprint_of(place)):
            return place
    raise UserError(
        f"the adapter '{folder}' was made for another model than '{here[0]}': weights, settings or tokenizer differ"
    )
