"""The parts of `hornbook export`: what is asked for, checked before anything is loaded, and the file and its report."""

from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

from hornbook.errors import UserError, unknown
from hornbook.files import read_json, sha256_of
from hornbook.weights.gguf import QUANTIZATIONS, Exported, require_package, write_gguf
from hornbook.weights.model_folder import CONFIG, find_model_folder, load_model_folder

FORMATS = ("gguf",)
CHAT_TEMPLATE, TOKENIZER_CONFIG = "chat_template.jinja", "tokenizer_config.json"
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
        ]

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
    texts = {"general.name": _title(folder), "tokenizer.chat_template": chat_template(folder)}
    texts |= {f"hornbook.sha256.{name}": digest for name, digest in made_from.items()}
    exported = write_gguf(path, model, tokenizer, quantize, texts)
    seconds = perf_counter() - start
    return Result(path, folder, exported, quantize, model.num_parameters(), made_from, sha256_of(path), seconds)


def chat_template(folder: Path) -> str:
    """The template that turns a conversation into text, from either of its places; '' where there is none."""
    if (folder / CHAT_TEMPLATE).is_file():
        return (folder / CHAT_TEMPLATE).read_text(encoding="utf-8")
    if not (folder / TOKENIZER_CONFIG).is_file():
        return ""
    template = read_json(folder / TOKENIZER_CONFIG).get("chat_template")
    return template if isinstance(template, str) else ""


def _title(folder: Path) -> str:
    """What a model is called: its folder's name; the model of a run is called after the run."""
    folder = folder.absolute()
    return (folder.parent if folder.name == "model" else folder).name or "model"


def _beside(folder: Path, quantize: str) -> Path:
    """runs/tales/model -> runs/tales/tales-q8_0.gguf."""
    return folder.parent / f"{_title(folder)}-{quantize}.gguf"
