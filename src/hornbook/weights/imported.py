"""A model of another program as a model folder of ours: every file byte for byte as it was, sealed, with its origin.

Nothing is translated, so nothing is lost: stored precision, chat template and licence stay. What is checked before is
that the folder opens here, each tensor and each setting of it.
"""

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hornbook.chat_template import template_of
from hornbook.errors import UserError
from hornbook.files import new_folder, require_space, write_atomic, write_json
from hornbook.models.base import Model
from hornbook.tokenizers.base import FILE_NAME as TOKENIZER
from hornbook.tokenizers.base import Tokenizer
from hornbook.weights.model_card import model_card
from hornbook.weights.model_folder import CONFIG, SEAL, load_model_folder, read_object, seal_of, title_of
from hornbook.weights.tensor_files import INDEX, weight_files

CARD, CARD_OF_SOURCE = "README.md", "README-source.md"
TOKENIZER_CONFIG, GENERATION_CONFIG = "tokenizer_config.json", "generation_config.json"
TAKEN = (  # beside the weights; all else in a folder (other formats, pictures, training states) stays behind
    CONFIG, GENERATION_CONFIG, TOKENIZER, TOKENIZER_CONFIG, "special_tokens_map.json", "chat_template.jinja",
    "vocab.json", "merges.txt",
)  # fmt: skip
LICENCES = ("LICENSE*", "LICENCE*", "NOTICE*", "USE_POLICY*")


@dataclass(frozen=True)
class Found:
    """A folder of another program that opens here, and what opening it told."""

    folder: Path
    tokenizer: Tokenizer
    model_type: str
    num_parameters: int
    dtype: str

    def facts(self) -> dict[str, Any]:
        """What is said of it, for programs and for the model card."""
        return {
            "architecture": self.model_type,
            "parameters": self.num_parameters,
            "stored_as": self.dtype,
            "tokenizer": f"{self.tokenizer.kind}, {self.tokenizer.vocab_size} ids",
        }


def examine(folder: Path) -> Found:
    """Open another program's folder, every tensor of it. Errors: `UserError` for whatever doesn't open or fit here."""
    if (folder / SEAL).is_file():
        raise UserError(f"'{folder}' is a model folder already", hint="every command opens it as it is")
    model, tokenizer, _ = load_model_folder(folder, dtype=None)
    if template := template_of(folder, tokenizer):
        template.check()
    return found_in(folder, model, tokenizer)


def found_in(folder: Path, model: Model, tokenizer: Tokenizer) -> Found:
    """What is known of a folder whose model is open."""
    model_type = str(read_object(folder / CONFIG)["model_type"])
    return Found(folder, tokenizer, model_type, model.num_parameters(), _dtypes(model))


def write_imported(found: Found, out: Path, info: dict[str, Any]) -> Path:
    """Copy what belongs to the model to `out` and seal it there, whole or not at all; `info` as in every model folder.

    Errors: `UserError` where something stands at `out` already, or the disk refuses.
    """
    taken = _taken(found.folder)
    require_space(out, sum(path.stat().st_size for path in taken) + 10_000_000)
    with new_folder(out) as beside:
        for path in taken:
            shutil.copyfile(path, beside / (CARD_OF_SOURCE if path.name == CARD else path.name))
        _complete(beside, found.tokenizer)
        config = {"model_type": found.model_type} | read_object(beside / CONFIG)
        write_atomic(beside / CARD, model_card(title_of(out), found.num_parameters, config, info))
        write_json(beside / SEAL, seal_of(beside, found.tokenizer, info))
    return out


def _taken(folder: Path) -> list[Path]:
    """The files that belong to the model."""
    names = [path.name for path in weight_files(folder)]
    names += [INDEX] if len(names) > 1 or names[0] != "model.safetensors" else []
    licences = sorted(path.name for pattern in LICENCES for path in folder.glob(pattern) if path.is_file())
    names += [name for name in (*TAKEN, *licences, CARD) if (folder / name).is_file()]
    return [folder / name for name in names]


def _complete(folder: Path, tokenizer: Tokenizer) -> None:
    """Write what every model folder has and this one lacks: older releases had neither of these files."""
    if not (folder / TOKENIZER).is_file():
        tokenizer.save(folder)
    if not (folder / TOKENIZER_CONFIG).is_file():
        write_json(folder / TOKENIZER_CONFIG, tokenizer.tokenizer_config())
    if not (folder / GENERATION_CONFIG).is_file():
        write_json(folder / GENERATION_CONFIG, {})


def _dtypes(model: Model) -> str:
    """In which type the weights are stored: 'bfloat16'; several are joined."""
    return ", ".join(sorted({str(parameter.dtype).removeprefix("torch.") for parameter in model.parameters()}))
