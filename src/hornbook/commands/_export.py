"""The parts of `hornbook export`: what is asked for, checked before anything is loaded, and the file and its report."""

from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

from hornbook.commands._export_record import parity_line
from hornbook.conventions import conventions_of
from hornbook.errors import UserError, unknown
from hornbook.files import sha256_of
from hornbook.models.base import ModelConfig
from hornbook.tokenizers.base import Tokenizer
from hornbook.weights.gguf import QUANTIZATIONS, Exported, require_package, write_gguf
from hornbook.weights.model_folder import CONFIG, find_model_folder, load_model_folder

FORMATS = ("gguf",)
MADE_FROM = ("*.safetensors", "tokenizer.json", CONFIG)


@dataclass(frozen=True)
class Result:
    """A file that was written, and what it was made from."""

    path: Path
    source: Path
    exported: Exported
    quantize: str
    num_parameters: int
    made_from: dict[str, str]  # file of the model folder -> sha256
    sha256: str
    seconds: float
    tokenizer: Tokenizer
    config: ModelConfig
    before: tuple[int, ...]  # the id that is put before every text
    parity: dict[str, Any] | None = None  # what a comparison with llama.cpp found

    @property
    def notes(self) -> list[str]:
        """What the user should know, a line each."""
        return self.exported.notes

    def lines(self) -> list[str]:
        """For people, within 80 columns but for the path."""
        size = self.path.stat().st_size
        stored = ", ".join(f"{count} {kind}" for kind, count in self.exported.counts.items())
        weights = [digest for name, digest in self.made_from.items() if name.endswith(".safetensors")]
        return [
            str(self.path),
            f"{self.exported.architecture}, {self.num_parameters:,} parameters, {size / 1e6:,.1f} MB, "
            f"{8 * size / self.num_parameters:.1f} bits a parameter",
            f"tensors    {stored}",
            f"sha256     {self.sha256}",
            *(f"made from  {digest}" for digest in weights),
            *([f"compared   {parity_line(self.parity)}"] if self.parity else []),
        ]

    def record(self) -> dict[str, Any]:
        """What a model folder keeps of its export."""
        facts = {"file": str(self.path.absolute()), "format": "gguf", "quantize": self.quantize, "sha256": self.sha256}
        return facts | {"made_from": self.made_from, "parity": self.parity}

    def as_json(self) -> dict[str, Any]:
        """Everything as JSON values."""
        return {
            "path": str(self.path),
            "format": "gguf",
            "quantize": self.quantize,
            "architecture": self.exported.architecture,
            "parameters": self.num_parameters,
            "bytes": self.path.stat().st_size,
            "sha256": self.sha256,
            "model": str(self.source),
            "made_from": self.made_from,
            "tensors": self.exported.types,
            "notes": self.exported.notes,
            "parity": self.parity,
            "seconds": round(self.seconds, 3),
        }


def check_request(model: str, to: str, quantize: str, out: Path | None) -> tuple[Path, Path]:
    """The model folder and the file to write. Errors: `UserError` for what the user may have got wrong."""
    if to not in FORMATS:
        hint = "transformers opens the model folder as it is" if to in ("transformers", "hf", "safetensors") else None
        raise (
            UserError(f"unknown format '{to}'", choices=FORMATS, hint=hint) if hint else unknown("format", to, FORMATS)
        )
    if quantize not in QUANTIZATIONS:
        raise unknown("quantization", quantize, QUANTIZATIONS)
    require_package()
    folder = find_model_folder(model)
    path = out or _beside(folder, quantize)
    if path.is_dir():
        raise UserError(f"'{path}' is a folder", hint="name a file, as in --out model.gguf")
    if path.exists():
        raise UserError(f"'{path}' already exists", hint="choose another file or remove it")
    return folder, path


def export_gguf(folder: Path, path: Path, quantize: str) -> Result:
    """Read a model folder and write it as GGUF. Errors: `UserError`, see `write_gguf`."""
    start = perf_counter()
    model, tokenizer, _ = load_model_folder(folder)
    files = sorted(file for pattern in MADE_FROM for file in folder.glob(pattern))
    made_from = {file.name: sha256_of(file) for file in files}
    says = conventions_of(folder, tokenizer)
    template = says.template.source if says.template else ""
    texts = {"general.name": _title(folder), "tokenizer.chat_template": template}
    texts |= {f"hornbook.sha256.{name}": digest for name, digest in made_from.items()}
    exported = write_gguf(path, model, tokenizer, quantize, texts, says.before, says.ends)
    seconds = perf_counter() - start
    facts = quantize, model.num_parameters(), made_from, sha256_of(path), seconds
    return Result(path, folder, exported, *facts, tokenizer, model.config, says.before)


def _title(folder: Path) -> str:
    """What a model is called: its folder's name; the model of a run is called after the run."""
    folder = folder.absolute()
    return (folder.parent if folder.name == "model" else folder).name or "model"


def _beside(folder: Path, quantize: str) -> Path:
    """runs/tales/model -> runs/tales/tales-q8_0.gguf."""
    return folder.parent / f"{_title(folder)}-{quantize}.gguf"
