"""The parts of `hornbook export --to gguf`: a model folder is opened and written as one file."""

from pathlib import Path
from time import perf_counter

from hornbook.commands._export_request import title
from hornbook.commands._export_result import Result, keys_of, made_from
from hornbook.conventions import conventions_of
from hornbook.files import sha256_of
from hornbook.weights.gguf import write_gguf
from hornbook.weights.model_folder import load_model_folder


def export_gguf(folder: Path, path: Path, quantize: str, name: str | None = None) -> Result:
    """Read a model folder and write it as GGUF; the model is called after its folder unless `name` is given.

    Errors: `UserError`, see `write_gguf`.
    """
    start = perf_counter()
    model, tokenizer, _ = load_model_folder(folder)
    says, source = conventions_of(folder, tokenizer), made_from(folder)
    template = says.template.source if says.template else ""
    texts = {"general.name": name or title(folder), "tokenizer.chat_template": template, **keys_of(source)}
    exported = write_gguf(path, model, tokenizer, quantize, texts, says.before, says.ends)
    seconds = perf_counter() - start
    facts = quantize, model.num_parameters(), source, {path.name: sha256_of(path)}, seconds
    return Result(path, folder, "gguf", exported, *facts, tokenizer, model.config, says.before)
