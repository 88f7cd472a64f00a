"""Hornbook builds a language model from the letters up."""

from typing import TYPE_CHECKING

from hornbook.version import __version__ as __version__

if TYPE_CHECKING:
    from pathlib import Path

    from hornbook.generation.generate import LanguageModel


def load(folder: "str | Path", device: str = "cpu") -> "LanguageModel":
    """Open a model folder (or a run folder, whose model it holds), ours or one in the Hugging Face layout.

    Out: an object with `.model`, `.tokenizer`, `.config`, `.generate(prompt)` and `.stream(prompt)`.
    Errors: `UserError` where the folder is missing, damaged, or of a kind that isn't built here.
    """
    from hornbook.device import choose_device
    from hornbook.generation.generate import LanguageModel
    from hornbook.weights.model_folder import find_model_folder, load_model_folder

    model, tokenizer, info = load_model_folder(find_model_folder(folder), choose_device(device))
    return LanguageModel(model, tokenizer, info)
