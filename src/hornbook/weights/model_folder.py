"""A model folder: a finished model in Hugging Face's own layout, sealed by hashes.

    config.json  model.safetensors  tokenizer.json  tokenizer_config.json  generation_config.json  README.md
    hornbook.json   sha256 of every other file, the tokenizer's hash, library versions, and what the run knows of itself

Folders of other programs (GPT-2, Llama, Mistral, Qwen2, Qwen3) open the same way; they have no hornbook.json, so
nothing is compared.
"""

import hashlib
import platform
from importlib import metadata
from pathlib import Path
from typing import Any

import safetensors
import torch
from safetensors.torch import save_file

from hornbook.conventions import Conventions, write_conventions
from hornbook.discovery import find, names
from hornbook.errors import UserError, unknown
from hornbook.files import new_folder, read_json, require_space, sha256_of, system_error, write_atomic, write_json
from hornbook.models._precision import require_whole
from hornbook.models.base import Model, ModelConfig
from hornbook.tokenizers.base import FILE_NAME as TOKENIZER
from hornbook.tokenizers.base import Tokenizer, load_tokenizer, tokenizer_hash
from hornbook.weights import gpt2, llama, mistral, own, qwen2, qwen3
from hornbook.weights.disk_format import DiskFormat, Document, Entry, Tensors
from hornbook.weights.model_card import model_card
from hornbook.weights.tensor_files import WEIGHTS, open_tensors, weight_files

CONFIG, SEAL = "config.json", "hornbook.json"
FAMILIES = (gpt2.FORMAT, llama.FORMAT, mistral.FORMAT, qwen2.FORMAT, qwen3.FORMAT)
FORMATS = {form.model_type: form for form in FAMILIES}
SENTENCEPIECE = "tokenizer.model"
CLASSIFIER = "ForSequenceClassification"  # how the names of such architectures end
SPECIAL_ROLES = ("bos_token", "eos_token", "pad_token")


def save_model_folder(
    folder: Path,
    model: Model,
    tokenizer: Tokenizer,
    info: dict[str, Any] | None = None,
    *,
    replace: bool = False,
    conventions: Conventions | None = None,
) -> Path:
    """Write a model folder, whole or not at all. `info` is what else is known: data, settings, evaluations.

    `conventions` are its chat template and how its texts begin and end, as `LanguageModel.conventions` holds them;
    without any, texts end with the tokenizer's end and nothing is put before them.

    Errors: `UserError` where the tokenizer has more ids than the model, something stands at `folder` already, or the
    disk refuses.
    """
    folder = Path(folder)
    require_fit(tokenizer, model.config)
    require_whole(model)
    form = format_of(model)
    tensors = form.to_disk(plain_state(model), model.config)
    require_space(folder, sum(tensor.nbytes for tensor in tensors.values()) + 10_000_000)
    ids = {f"{role}_id": tokenizer.special_id(role) for role in SPECIAL_ROLES}
    dtype = str(next(model.parameters()).dtype).removeprefix("torch.")
    config = {"model_type": form.model_type, **form.to_hf(model.config), "dtype": dtype, **ids}
    with new_folder(folder, replace=replace) as beside:
        write_json(beside / CONFIG, config)
        save_tensors(tensors, beside / WEIGHTS)
        tokenizer.save(beside)
        write_json(beside / "tokenizer_config.json", tokenizer.tokenizer_config())
        write_json(beside / "generation_config.json", ids)
        if conventions is not None:
            write_conventions(beside, conventions)
        write_atomic(beside / "README.md", model_card(title_of(folder), model.num_parameters(), config, info or {}))
        write_json(beside / SEAL, seal_of(beside, tokenizer, info or {}))
    return folder


def load_model_folder(
    folder: Path, device: torch.device | str = "cpu", dtype: torch.dtype | None = torch.float32
) -> tuple[Model, Tokenizer, dict[str, Any]]:
    """Open a model folder: the model (in evaluation mode), its tokenizer, `info` as it was saved ({} where foreign).

    `dtype` None keeps the weights in the type they are stored in.
    Errors: `UserError` for a folder that is none, a file that is missing or was changed since, a tokenizer that is not
    this model's, a `model_type` or a setting that is not implemented here, tensors that do not fit.
    """
    folder = Path(folder)
    if not (folder / CONFIG).is_file():
        raise UserError(f"'{folder}' is not a model folder: it has no {CONFIG}")
    seal = check_seal(folder)
    if is_classifier(folder):
        hint = f'hornbook classify {folder} --text "...", or in Python hornbook.load_classifier'
        raise UserError(f"'{folder}' holds a classifier, which writes no text", hint=hint)
    form, config = read_config(folder)
    tokenizer = tokenizer_of(folder, form)
    require_fit(tokenizer, config)
    if seal and tokenizer_hash(tokenizer) != seal["tokenizer_hash"]:
        raise UserError(f"the tokenizer in '{folder}' is not the one that this model was trained with")
    model = build_model(form, config, form.from_disk(open_tensors(folder), config))
    return model.to(device=device, dtype=dtype).eval(), tokenizer, seal.get("info", {})


def read_config(folder: Path) -> tuple[DiskFormat, ModelConfig]:
    """The format and the config in a folder's config.json. Errors: `UserError` for what is not implemented here."""
    return config_in(read_object(folder / CONFIG))


def config_in(raw: Document) -> tuple[DiskFormat, ModelConfig]:
    """The format and the config in the content of a config.json. Errors: `UserError` for what is not implemented here."""
    form = _format_named(raw.get("model_type"))
    document = {key: value for key, value in (form.defaults | raw).items() if value is not None}  # null is absent
    return form, form.from_hf(document)


def format_of(model: Model) -> DiskFormat:
    """The format in which other programs open this model; its own where there is none."""
    known = next((form for form in FORMATS.values() if form.accepts(model.config)), None)
    return known or own.own_format(own.kind_of(model))


def is_classifier(folder: Path) -> bool:
    """Whether a model folder holds a classifier, ours or another program's."""
    names = read_object(folder / CONFIG).get("architectures")
    return isinstance(names, list) and any(str(name).endswith(CLASSIFIER) for name in names)


def find_model_folder(path: Path | str) -> Path:
    """MODEL as a user names it: a model folder as it is, a run folder -> its model.

    Errors: `UserError` where neither lies at `path`.
    """
    path = Path(path)
    for folder in (path, path / "model"):
        if (folder / CONFIG).is_file():
            return folder
    if (path / "adapter_config.json").is_file():
        raise UserError(f"'{path}' is an adapter, no whole model", hint=f"hornbook merge {path} --out DIR makes one")
    if (path / "run.toml").is_file():
        raise UserError(f"the run '{path}' has no finished model yet", hint=f"hornbook resume {path}")
    inside = max(path.glob(f"*/model/{CONFIG}"), key=lambda found: found.stat().st_mtime, default=None)
    hint = f"did you mean '{inside.parents[1]}'?" if inside else "train one with: hornbook quickstart"
    raise UserError(f"'{path}' is neither a model folder nor a run folder", hint=hint)


def check_seal(folder: Path) -> dict[str, Any]:
    """The content of hornbook.json after comparing every hash; {} where there is none.

    Errors: `UserError` naming the first file that is missing or was changed.
    """
    if not (folder / SEAL).is_file():
        return {}
    seal = read_object(folder / SEAL)
    try:
        hashes = dict(seal["sha256"])
        seal["tokenizer_hash"]
    except (KeyError, TypeError, ValueError):
        raise UserError(f"'{folder / SEAL}' is damaged: it holds no hashes") from None
    for name, expected in hashes.items():
        if not (folder / name).is_file():
            raise UserError(f"'{folder / name}' is missing", hint="copy the whole model folder")
        if sha256_of(folder / name) != expected:
            raise UserError(
                f"'{folder / name}' was changed after the model was saved",
                hint=f"restore it, or delete {SEAL} to open it anyway",
            )
    return seal


def save_tensors(tensors: Tensors, path: Path) -> None:
    """Write a safetensors file. What the disk refuses is raised as the `OSError` that every other write raises."""
    try:
        save_file(tensors, path, metadata={"format": "pt"})
    except safetensors.SafetensorError as error:
        raise system_error(str(error), path) or error from None


def fingerprint_of(folder: Path) -> str:
    """What a model is known by: 64 hexadecimal digits that change with its weights, its settings or its tokenizer."""
    files = [CONFIG, *(name for name in (TOKENIZER, "vocab.json", "merges.txt") if (folder / name).is_file())]
    files += sorted(path.name for path in weight_files(folder))
    lines = [f"{name} {sha256_of(folder / name)}" for name in files]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def title_of(folder: Path) -> str:
    """What a model is called: its folder's name; the model of a run is called after the run."""
    folder = folder.absolute()
    return (folder.parent if folder.name == "model" else folder).name or folder.name


def seal_of(folder: Path, tokenizer: Tokenizer, info: dict[str, Any]) -> dict[str, Any]:
    """The content of hornbook.json for the files that lie in `folder`."""
    packages = ("hornbook", "torch", "safetensors", "pydantic", "numpy")
    versions = {"python": platform.python_version()} | {package: _version(package) for package in packages}
    hashes = {path.name: sha256_of(path) for path in sorted(folder.iterdir())}
    return {
        "format": 1,
        "tokenizer_hash": tokenizer_hash(tokenizer),
        "versions": versions,
        "info": info,
        "sha256": hashes,
    }


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:  # run from the sources, not installed
        return "not installed"


def read_object(path: Path) -> dict[str, Any]:
    """A JSON file that must hold an object. Errors: `UserError` where it doesn't."""
    content = read_json(path)
    if not isinstance(content, dict):
        raise UserError(f"'{path}' is damaged: it is not a JSON object")
    return content


def tokenizer_of(folder: Path, form: DiskFormat) -> Tokenizer:
    """A folder's tokenizer; GPT-2's older releases keep it in two files. Errors: `UserError` where none is readable."""
    old = folder / "vocab.json", folder / "merges.txt"
    if (folder / TOKENIZER).is_file() or form.model_type != "gpt2" or not all(path.is_file() for path in old):
        if not (folder / TOKENIZER).is_file() and (folder / SENTENCEPIECE).is_file():
            raise UserError(
                f"'{folder}' has no {TOKENIZER}, and its {SENTENCEPIECE} is of a kind that isn't read here",
                hint="transformers writes the one from the other: AutoTokenizer.from_pretrained(FOLDER).save_pretrained",
            )
        return load_tokenizer(folder / TOKENIZER)
    bpe: Tokenizer = find("tokenizers", "bpe").from_gpt2_files(*old)
    return bpe


def _format_named(model_type: str | None) -> DiskFormat:
    """The format of a `model_type`. Errors: `UserError` with the choices."""
    own_types = {own.PREFIX + kind: kind for kind in names("models")}
    if model_type in own_types:
        return own.own_format(own_types[model_type])
    if model_type not in FORMATS:
        raise unknown("model_type", str(model_type), [*FORMATS, *own_types])
    return FORMATS[model_type]


def build_model(form: DiskFormat, config: ModelConfig, state: Tensors) -> Model:
    """The model around the tensors themselves, built on the meta device: no weight is drawn only to be replaced."""
    with torch.device("meta"):
        model = form.model_class(config)
    for name, wanted in model.state_dict().items():
        if name in state and state[name].shape != wanted.shape:
            entries = form.entries(config) if form.entries else []
            entry = next((entry for entry in entries if entry.ours == name), Entry(name, (name,)))
            found, expected = (
                tuple(shape)[:: -1 if entry.transposed else 1] for shape in (state[name].shape, wanted.shape)
            )
            raise UserError(f"'{entry.theirs[0]}' has the shape {found}, but {CONFIG} asks for {expected}")
    if set(state) != set(model.state_dict()):
        odd = min(set(state) ^ set(model.state_dict()))
        raise UserError(f"{WEIGHTS} and {CONFIG} disagree about the tensor '{odd}'")
    model.load_state_dict(state, assign=True)
    return model


def plain_state(model: Model) -> Tensors:
    """The weights under the model's own names (torch.compile and data parallelism add prefixes), on the CPU."""
    state = model.state_dict()
    return {
        name.replace("_orig_mod.", "").removeprefix("module."): tensor.detach().cpu() for name, tensor in state.items()
    }


def require_fit(tokenizer: Tokenizer, config: ModelConfig) -> None:
    """A model may have more ids than its tokenizer (padded for speed), never fewer."""
    if tokenizer.vocab_size > config.vocab_size:
        sizes = f"{tokenizer.vocab_size} ids, the model {config.vocab_size}"
        raise UserError(f"the tokenizer is not this model's: it has {sizes}")
