"""What every verb shares: where talk goes, how a result is printed, and which folder MODEL means."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from hornbook.errors import UserError

if TYPE_CHECKING:
    from hornbook.generation.generate import LanguageModel


def talk(message: str) -> None:
    """Say something to the person at the terminal; results go to stdout, talk to stderr."""
    print(message, file=sys.stderr, flush=True)


def print_json(result: object) -> None:
    """The result as one JSON object and nothing else, for programs."""
    print(json.dumps(result, ensure_ascii=False))


def find_model_folder(path: str | Path) -> Path:
    """MODEL on the command line: a model folder as it is, a run folder -> its model.

    Errors: `UserError` where neither lies at `path`.
    """
    path = Path(path)
    for folder in (path, path / "model"):
        if (folder / "config.json").is_file():
            return folder
    if (path / "run.toml").is_file():
        raise UserError(f"the run '{path}' has no finished model yet", hint=f"hornbook resume {path}")
    raise UserError(f"'{path}' is neither a model folder nor a run folder", hint="train one with: hornbook quickstart")


def load_language_model(path: str | Path, device: str = "cpu") -> "LanguageModel":
    """Open a model or run folder, ready to write. Errors: `UserError` where it can't be opened."""
    from hornbook.device import choose_device
    from hornbook.generation.generate import LanguageModel
    from hornbook.weights.model_folder import load_model_folder

    model, tokenizer, info = load_model_folder(find_model_folder(path))
    return LanguageModel(model.to(choose_device(device)), tokenizer, info)
