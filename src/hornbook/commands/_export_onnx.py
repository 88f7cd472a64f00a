"""The parts of `hornbook export --to onnx`: a folder with the graph, the tokenizer and a card that says how to run it."""

import shutil
from pathlib import Path
from time import perf_counter

from hornbook.commands._export_request import Request
from hornbook.commands._export_result import Result, keys_of, made_from
from hornbook.conventions import Conventions, conventions_of
from hornbook.files import new_folder, require_space, sha256_of, write_atomic, write_json
from hornbook.models.base import Model
from hornbook.tokenizers.base import FILE_NAME as TOKENIZER
from hornbook.tokenizers.base import Tokenizer
from hornbook.weights.exported import Exported
from hornbook.weights.imported import CARD, GENERATION_CONFIG, LICENCES, TOKENIZER_CONFIG
from hornbook.weights.model_card import onnx_card
from hornbook.weights.model_folder import load_model_folder
from hornbook.weights.onnx import GRAPH, num_bytes, write_onnx

BESIDE = (TOKENIZER, TOKENIZER_CONFIG, "special_tokens_map.json", GENERATION_CONFIG, "chat_template.jinja", *LICENCES)


def export_onnx(request: Request) -> Result:
    """Read a model folder and write a folder for onnxruntime, whole or not at all.

    Errors: `UserError` as `write_onnx`, where something stands at `out`, and what the disk refuses.
    """
    folder, out, name = request.folder, request.path, request.name
    start = perf_counter()
    model, tokenizer, _ = load_model_folder(folder)
    says, source = conventions_of(folder, tokenizer), made_from(folder)
    require_space(out.parent, num_bytes(model) + 10_000_000)
    with new_folder(out) as beside:
        exported = write_onnx(beside, model, {"hornbook.name": name, **keys_of(source)})
        _write_beside(beside, folder, tokenizer)
        write_atomic(beside / CARD, _card(name, model, exported, says))
    seconds = perf_counter() - start
    facts = request.bits, model.num_parameters(), source, _hashes(out), seconds
    return Result(out, folder, "onnx", exported, *facts, tokenizer, model.config, says.before)


def _write_beside(out: Path, folder: Path, tokenizer: Tokenizer) -> None:
    """What turns text into ids and says where texts end, byte for byte where the folder has it; licences too."""
    for path in sorted(path for pattern in BESIDE for path in folder.glob(pattern) if path.is_file()):
        shutil.copyfile(path, out / path.name)
    if not (out / TOKENIZER).is_file():  # GPT-2's older releases keep it in two files
        tokenizer.save(out)
        write_json(out / TOKENIZER_CONFIG, tokenizer.tokenizer_config())


def _card(name: str, model: Model, exported: Exported, says: Conventions) -> str:
    return onnx_card(
        name, model.num_parameters(), exported.architecture, model.config.context_length, sorted(says.ends)
    )


def _hashes(folder: Path) -> dict[str, str]:
    """Each file's sha256, the graph's first."""
    names = sorted((path.name for path in folder.iterdir()), key=lambda name: (not name.startswith(GRAPH), name))
    return {name: sha256_of(folder / name) for name in names}
