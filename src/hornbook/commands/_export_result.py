"""What an export says of itself: what was written, what it was made from, and what a comparison found."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hornbook.commands._export_record import parity_line
from hornbook.files import sha256_of
from hornbook.models.base import ModelConfig
from hornbook.tokenizers.base import Tokenizer
from hornbook.weights.exported import Exported
from hornbook.weights.model_folder import CONFIG

MADE_FROM = ("*.safetensors", "tokenizer.json", CONFIG)
MODELS = {
    ".gguf": "sha256",
    ".onnx": "graph",
    ".onnx.data": "weights",
}  # end of a file's name -> what its hash is called


@dataclass(frozen=True)
class Result:
    """What was written, and what it was made from."""

    path: Path  # a file, or a folder of files
    source: Path
    form: str
    exported: Exported
    quantize: str
    num_parameters: int
    made_from: dict[str, str]  # file of the model folder -> sha256
    files: dict[str, str]  # file that was written -> sha256, the model itself first
    seconds: float
    tokenizer: Tokenizer
    config: ModelConfig
    before: tuple[int, ...]  # the id that is put before every text
    parity: dict[str, Any] | None = None  # what a comparison with another program found

    @property
    def notes(self) -> list[str]:
        """What the user should know, a line each."""
        return self.exported.notes

    @property
    def sha256(self) -> str:
        """That of the model itself."""
        return next(iter(self.files.values()))

    @property
    def num_bytes(self) -> int:
        """The size of all that was written."""
        folder = self.path if self.path.is_dir() else self.path.parent
        return sum((folder / name).stat().st_size for name in self.files)

    def lines(self) -> list[str]:
        """For people, within 80 columns but for the path."""
        size = self.num_bytes
        stored = ", ".join(f"{count} {kind}" for kind, count in self.exported.counts.items())
        weights = [digest for name, digest in self.made_from.items() if name.endswith(".safetensors")]
        return [
            str(self.path),
            f"{self.exported.architecture}, {self.num_parameters:,} parameters, {size / 1e6:,.1f} MB, "
            f"{8 * size / self.num_parameters:.1f} bits a parameter",
            f"tensors    {stored}",
            *(
                f"{MODELS[end]:<11}{digest}"
                for name, digest in self.files.items()
                for end in MODELS
                if name.endswith(end)
            ),
            *(f"made from  {digest}" for digest in weights),
            *([f"compared   {parity_line(self.parity)}"] if self.parity else []),
        ]

    def record(self) -> dict[str, Any]:
        """What a model folder keeps of its export."""
        written: dict[str, Any] = {"sha256": self.sha256} if self.path.is_file() else {"files": self.files}
        facts = {"file": str(self.path.absolute()), "format": self.form, "quantize": self.quantize, **written}
        return facts | {"made_from": self.made_from, "parity": self.parity}

    def as_json(self) -> dict[str, Any]:
        """Everything as JSON values."""
        return {
            "path": str(self.path),
            "format": self.form,
            "quantize": self.quantize,
            "architecture": self.exported.architecture,
            "parameters": self.num_parameters,
            "bytes": self.num_bytes,
            "sha256": self.sha256,
            "files": self.files,
            "model": str(self.source),
            "made_from": self.made_from,
            "tensors": self.exported.types,
            "notes": self.exported.notes,
            "parity": self.parity,
            "seconds": round(self.seconds, 3),
        }


def made_from(folder: Path) -> dict[str, str]:
    """The files of a model folder that decide what it computes, with their sha256."""
    files = sorted(file for pattern in MADE_FROM for file in folder.glob(pattern))
    return {file.name: sha256_of(file) for file in files}


def keys_of(source: Mapping[str, str]) -> dict[str, str]:
    """The same as keys of a file that other programs read."""
    return {f"hornbook.sha256.{name}": digest for name, digest in source.items()}
