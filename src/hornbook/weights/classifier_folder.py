"""A classifier's folder: a model folder whose output layer is a head of K classes.

    config.json        the model's own, and id2label: the classes in their order; architectures end in
                       ForSequenceClassification, under "hornbook": pooling, max_length
    model.safetensors  the model without its output layer, and score.weight (K, C)

With the last token as the one that is read, `transformers` opens it by AutoModelForSequenceClassification, and theirs
open here. A head on the mean exists here only, so such a folder has a `model_type` of ours: else they would open it and
read the last token.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from hornbook.errors import UserError
from hornbook.files import new_folder, require_space, write_atomic, write_json
from hornbook.models.base import Model, ModelConfig
from hornbook.tokenizers.base import Tokenizer, tokenizer_hash
from hornbook.weights import own
from hornbook.weights.disk_format import DiskFormat, Document, renamed
from hornbook.weights.model_card import classifier_card
from hornbook.weights.model_folder import (
    CLASSIFIER,
    CONFIG,
    SEAL,
    build_model,
    check_seal,
    config_in,
    format_of,
    is_classifier,
    plain_state,
    read_object,
    require_fit,
    save_tensors,
    seal_of,
    title_of,
    tokenizer_of,
)
from hornbook.weights.tensor_files import WEIGHTS, open_tensors

Pooling = Literal["last", "mean"]
SCORE = "score.weight"
OUTPUT = ("output.weight", "lm_head.weight")  # what a classifier has no use for: ours and theirs


@dataclass(frozen=True)
class Head:
    """What makes a classifier of a model: weight (K, C), the K classes in order, which vector is read, of how long a text."""

    weight: Tensor
    classes: tuple[str, ...]
    pooling: Pooling
    max_length: int


def save_classifier_folder(
    folder: Path,
    model: Model,
    tokenizer: Tokenizer,
    head: Head,
    info: dict[str, Any] | None = None,
    *,
    replace: bool = False,
) -> Path:
    """Write the folder, whole or not at all. `info` is what else is known: data, settings, evaluations.

    Errors: as `save_model_folder`.
    """
    folder = Path(folder)
    require_fit(tokenizer, model.config)
    assert head.weight.shape[0] == len(head.classes), "one row of the head for each class"
    form = own.own_format(own.kind_of(model)) if head.pooling == "mean" else format_of(model)
    plain = _without_output(model.config)
    state = {name: tensor for name, tensor in plain_state(model).items() if name not in OUTPUT}
    tensors = form.to_disk(state, plain) | {SCORE: head.weight.detach().cpu().contiguous()}
    require_space(folder, sum(tensor.nbytes for tensor in tensors.values()) + 10_000_000)
    pad_id = padding_for_others(tokenizer)
    document = {"model_type": form.model_type, **form.to_hf(plain)}
    config = document | _head_to_hf(document, head) | {"dtype": _dtype(model), "pad_token_id": pad_id}
    with new_folder(folder, replace=replace) as beside:
        write_json(beside / CONFIG, config)
        save_tensors(tensors, beside / WEIGHTS)
        tokenizer.save(beside)
        write_json(beside / "tokenizer_config.json", tokenizer.tokenizer_config() | _pad_token(tokenizer, pad_id))
        size = sum(tensor.numel() for tensor in tensors.values())
        card = classifier_card(title_of(folder), size, config, info or {}, head.classes, head.pooling)
        write_atomic(beside / "README.md", card)
        write_json(beside / SEAL, seal_of(beside, tokenizer, info or {}))
    return folder


def load_classifier_folder(
    folder: Path, device: torch.device | str = "cpu", dtype: torch.dtype | None = torch.float32
) -> tuple[Model, Tokenizer, Head, dict[str, Any]]:
    """Open a classifier's folder, ours or `transformers`': the model without its head, in evaluation mode, and the head.

    Errors: `UserError` for a folder that holds none, and as `load_model_folder`.
    """
    folder = Path(folder)
    if not (folder / CONFIG).is_file():
        raise UserError(f"'{folder}' is not a model folder: it has no {CONFIG}")
    seal = check_seal(folder)
    if not is_classifier(folder):
        hint = f"make one of it: hornbook finetune classifier {folder} --data FILE --text COLUMN --label COLUMN"
        raise UserError(f"'{folder}' holds a language model and no classifier", hint=hint)
    raw = read_object(folder / CONFIG)
    form, written = _body_of(raw)
    tokenizer = tokenizer_of(folder, form)
    require_fit(tokenizer, written)
    if seal and tokenizer_hash(tokenizer) != seal["tokenizer_hash"]:
        raise UserError(f"the tokenizer in '{folder}' is not the one that this model was trained with")
    stored = open_tensors(folder)
    if SCORE not in stored:
        raise UserError(f"{WEIGHTS} in '{folder}' lacks the head '{SCORE}'")
    config = _without_output(written)
    body = renamed(stored, lambda name: None if name == SCORE or name in OUTPUT else name)
    model = build_model(form, config, form.from_disk(body, config)).to(device=device, dtype=dtype).eval()
    return model, tokenizer, _head(raw, stored[SCORE].to(device=device, dtype=dtype), config), seal.get("info", {})


def read_head(folder: Path) -> Head:
    """The head of a classifier's folder, without its model."""
    raw = read_object(folder / CONFIG)
    return _head(raw, open_tensors(folder)[SCORE], _body_of(raw)[1])


def padding_for_others(tokenizer: Tokenizer) -> int | None:
    """The id that `transformers` fills rows up with and passes over when it looks for a text's last token.

    It must stand in no text: [PAD], else the end token, which a classifier never writes; None where there is neither.
    """
    found = (tokenizer.special_id(role) for role in ("pad_token", "eos_token"))
    return next((token_id for token_id in found if token_id is not None), None)


def _pad_token(tokenizer: Tokenizer, pad_id: int | None) -> dict[str, str]:
    names = {token_id: name for name, token_id in tokenizer.special_tokens.items()}
    return {} if pad_id is None else {"pad_token": names[pad_id]}


def _without_output(config: ModelConfig) -> ModelConfig:
    """The config of the same model with no output layer of its own."""
    return config.model_copy(update={"tied_output": True}) if hasattr(config, "tied_output") else config


def _dtype(model: Model) -> str:
    return str(next(model.parameters()).dtype).removeprefix("torch.")


def _head_to_hf(document: Document, head: Head) -> Document:
    names = document.get("architectures", ["Hornbook"])
    ours = {"pooling": head.pooling, "max_length": head.max_length}
    return {
        "architectures": [re.sub("(ForCausalLM|LMHeadModel)?$", CLASSIFIER, name, count=1) for name in names],
        "id2label": {str(number): name for number, name in enumerate(head.classes)},
        "label2id": {name: number for number, name in enumerate(head.classes)},
        "problem_type": "single_label_classification",
        "hornbook": document.get("hornbook", {}) | {"classifier": ours},
    }


def _body_of(raw: Document) -> tuple[DiskFormat, ModelConfig]:
    """Format and config of the model under a head."""
    known = {key: value for key, value in raw.items() if not _of_the_head(key)}
    if str(raw.get("model_type")).startswith(own.PREFIX):
        known.pop("hornbook", None)
    return config_in(known)


def _of_the_head(key: str) -> bool:
    return key in ("id2label", "label2id", "problem_type", "num_labels", "classifier_dropout")


def _head(raw: Document, weight: Tensor, config: ModelConfig) -> Head:
    """The head as config.json tells of it. Errors: `UserError` where its classes are not those of the weight's rows."""
    if raw.get("problem_type") not in (None, "single_label_classification"):
        only = ["single_label_classification"]
        raise UserError(f"'problem_type' = {raw['problem_type']!r} in {CONFIG} is not implemented here", choices=only)
    names = raw.get("id2label") or {str(number): f"LABEL_{number}" for number in range(len(weight))}
    if weight.ndim != 2 or not isinstance(names, dict) or set(names) != {str(n) for n in range(len(weight))}:
        raise UserError(f"'id2label' in {CONFIG} does not name the {len(weight)} classes of '{SCORE}'")
    ours = (raw.get("hornbook") or {}).get("classifier", {})
    classes = tuple(str(names[str(number)]) for number in range(len(weight)))
    return Head(weight, classes, ours.get("pooling", "last"), ours.get("max_length", config.context_length))
