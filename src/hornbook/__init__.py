"""Hornbook builds a language model from the letters up."""

from typing import TYPE_CHECKING

from hornbook.version import __version__ as __version__

if TYPE_CHECKING:
    from pathlib import Path

    from hornbook.device import WeightPrecision
    from hornbook.finetuning.text_classifier import TextClassifier
    from hornbook.generation.generate import LanguageModel


def load(folder: "str | Path", device: str = "cpu", precision: "WeightPrecision" = "fp32") -> "LanguageModel":
    """Open a model folder (or a run folder, whose model it holds), ours or one in the Hugging Face layout.

    Where no such folder is, "owner/name" is a model on Hugging Face's hub, fetched once (needs `huggingface_hub`). An
    adapter folder opens as its base with the corrections added, where the base lies as the adapter says.
    `precision`: fp32 computes exactly what was trained; bf16, int8 and int4 weights are read faster (docs/generation.md).
    Out: an object with `.model`, `.tokenizer`, `.config`, `.generate(prompt)`, `.stream(prompt)` and `.chat(messages)`.
    Errors: `UserError` where the folder is missing, damaged, or of a kind that isn't built here.
    """
    from hornbook.conventions import conventions_of
    from hornbook.device import choose_device
    from hornbook.generation.generate import LanguageModel
    from hornbook.models._precision import narrow
    from hornbook.weights.adapters import is_adapter, load_adapter, reading_folder
    from hornbook.weights.hub import fetched_where_absent
    from hornbook.weights.model_folder import find_model_folder, load_model_folder

    found = fetched_where_absent(folder)
    if is_adapter(found):
        model, tokenizer, info = load_adapter(found, choose_device(device))
        found = reading_folder(found)
    else:
        found = find_model_folder(found)
        model, tokenizer, info = load_model_folder(found, choose_device(device))
    return LanguageModel(narrow(model, precision), tokenizer, info, conventions_of(found, tokenizer))


def load_classifier(folder: "str | Path", device: str = "cpu") -> "TextClassifier":
    """Open what `hornbook finetune classifier` made, a model folder, its run or its adapter, or one of transformers or PEFT.

    Out: an object with `.classify(texts)`, `.probabilities(texts)` and `.classes`. Errors: `UserError` as `load`, and
    where the folder holds a language model.
    """
    from hornbook.conventions import conventions_of
    from hornbook.device import choose_device
    from hornbook.finetuning.classification import Classifier
    from hornbook.finetuning.text_classifier import TextClassifier
    from hornbook.weights.adapters import is_adapter, reading_folder
    from hornbook.weights.classifier_adapters import load_classifier_adapter
    from hornbook.weights.classifier_folder import load_classifier_folder
    from hornbook.weights.hub import fetched_where_absent
    from hornbook.weights.model_folder import find_model_folder

    found = fetched_where_absent(folder)
    if is_adapter(found):
        model, tokenizer, head, info = load_classifier_adapter(found, choose_device(device))
        found = reading_folder(found)
    else:
        found = find_model_folder(found)
        model, tokenizer, head, info = load_classifier_folder(found, choose_device(device))
    classifier = Classifier(model, len(head.classes), head.pooling)
    classifier.head.weight.data = head.weight
    before = conventions_of(found, tokenizer).before
    return TextClassifier(classifier.eval(), tokenizer, head.classes, head.max_length, info, before)
