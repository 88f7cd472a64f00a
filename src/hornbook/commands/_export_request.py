"""What `hornbook export` is asked for, checked before anything is loaded."""

from pathlib import Path
from typing import NamedTuple

from hornbook.errors import UserError, unknown
from hornbook.weights import gguf, onnx
from hornbook.weights.hub import fetched_where_absent
from hornbook.weights.model_folder import find_model_folder

KINDS = {"gguf": "file", "onnx": "folder"}  # format -> what is written
FORMATS = tuple(KINDS)


class Request(NamedTuple):
    """The model folder, the file or folder to write, the bits of a weight, and what the model is called."""

    folder: Path
    path: Path
    bits: str
    name: str
    fetched: bool  # the folder is the hub's cache, where nothing is to be written


def check_request(model: str, to: str, quantize: str | None, out: Path | None) -> Request:
    """What is to be done.

    Errors: `UserError` for what the user may have got wrong.
    """
    if to not in FORMATS:
        hint = "transformers opens the model folder as it is" if to in ("transformers", "hf", "safetensors") else None
        raise (
            UserError(f"unknown format '{to}'", choices=FORMATS, hint=hint) if hint else unknown("format", to, FORMATS)
        )
    if to == "onnx":
        quantize = _only_f32(quantize)
        onnx.require_packages()
    else:
        quantize = quantize or "f16"
        if quantize not in gguf.QUANTIZATIONS:
            raise unknown("quantization", quantize, gguf.QUANTIZATIONS)
        gguf.require_package()
    found = fetched_where_absent(model)
    folder, fetched = find_model_folder(found), found != Path(model)
    name = Path(model).name if fetched else title(folder)
    home = Path() if fetched else folder.parent
    path = out or home / (f"{name}-onnx" if to == "onnx" else f"{name}-{quantize}.gguf")
    _require_free(path, to)
    return Request(folder, path, quantize, name, fetched)


def _only_f32(quantize: str | None) -> str:
    if quantize not in (None, "f32"):
        hint = "leave --quantize out; onnxruntime.quantization makes a smaller model of the file"
        raise UserError(f"--quantize {quantize} is not for onnx, whose numbers are f32", hint=hint)
    return "f32"


def _require_free(path: Path, to: str) -> None:
    """Raise `UserError` where something stands at `path`, or a file's name is given for a folder, or the reverse."""
    if to == "gguf" and path.is_dir():
        raise UserError(f"'{path}' is a folder", hint="name a file, as in --out model.gguf")
    if to == "onnx" and path.suffix == ".onnx":
        hint = f"as in --out {path.with_suffix('')}"
        raise UserError(f"'{path}' is a file's name, and onnx is a folder with {onnx.GRAPH} in it", hint=hint)
    if path.exists():
        raise UserError(f"'{path}' already exists", hint=f"choose another {KINDS[to]} or remove it")


def title(folder: Path) -> str:
    """What a model is called: its folder's name; the model of a run is called after the run."""
    folder = folder.absolute()
    return (folder.parent if folder.name == "model" else folder).name or "model"
