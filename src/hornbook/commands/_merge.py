"""Adapters beside whole models: what a run with corrections keeps of them, and a whole model made of an adapter."""

from pathlib import Path
from typing import Any

from torch import Tensor, nn

from hornbook.conventions import conventions_of
from hornbook.errors import UserError
from hornbook.finetuning.classification import Classifier
from hornbook.weights.adapters import is_adapter, is_for_classifier, load_adapter, reading_folder, save_adapter
from hornbook.weights.classifier_adapters import load_classifier_adapter
from hornbook.weights.classifier_folder import read_head, save_classifier_folder
from hornbook.weights.model_folder import read_config, save_model_folder

Corrections = dict[str, tuple[Tensor, Tensor, float]]


def keep_adapter(
    folder: Path, model: nn.Module, corrections: Corrections, base: Path, finished: Path, info: dict[str, Any]
) -> list[str]:
    """Write the adapter of a fine-tuning to `folder`, and say so in a line; of a classifier with its head.

    `model` is what was trained and `corrections` what it learned, `base` the folder it began with, `finished` the folder
    of the merged model. There is none where it would open nowhere: of a classifier that reads the mean of all vectors,
    and of an output layer that has more tokens than the base's.
    """
    head = None
    if isinstance(model, Classifier):
        if model.pooling != "last":
            return ["no adapter folder: PEFT knows no head that reads the mean of all vectors"]
        head = read_head(finished)
        corrections = {name.removeprefix("model."): each for name, each in corrections.items()}
        corrections.pop("output", None)  # a classifier has no use for it
    if "output" in corrections and len(corrections["output"][1]) != read_config(base)[1].vocab_size:
        return ["no adapter folder: the corrected output layer has more tokens than the base's"]
    save_adapter(folder, corrections, base, finished, info, head=head, replace=True)
    return [f"adapter  {folder}"]


def merged_folder(adapter: Path, out: Path, base: str | None) -> tuple[Path, int]:
    """Write the whole model of an adapter to `out`: its path and how many numbers it has. Errors: `UserError`."""
    if not is_adapter(adapter):
        raise UserError(f"'{adapter}' is no adapter folder", hint="it has adapter_config.json, and no config.json")
    if is_for_classifier(adapter):
        classifier, tokenizer, head, info = load_classifier_adapter(adapter, base=base)
        save_classifier_folder(out, classifier, tokenizer, head, info)
        return out, classifier.num_parameters() + head.weight.numel()
    model, tokenizer, info = load_adapter(adapter, base=base)
    conventions = conventions_of(reading_folder(adapter, base), tokenizer)
    save_model_folder(out, model, tokenizer, info, conventions=conventions)
    return out, model.num_parameters()
