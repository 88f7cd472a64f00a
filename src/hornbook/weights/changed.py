"""A model folder with some things changed: its weights, its tokenizer, some settings. Everything else stays as it was.

Other programs' keys in config.json, chat template, generation settings and licence are copied, not translated.
"""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hornbook.files import new_folder, require_space, write_atomic, write_json
from hornbook.models.base import Model
from hornbook.tokenizers.base import Tokenizer
from hornbook.weights.imported import (
    CARD,
    CARD_OF_SOURCE,
    GENERATION_CONFIG,
    LICENCES,
    TOKENIZER_CONFIG,
)
from hornbook.weights.model_card import model_card
from hornbook.weights.model_folder import (
    CONFIG,
    SEAL,
    plain_state,
    read_config,
    read_object,
    save_tensors,
    seal_of,
    title_of,
)
from hornbook.weights.tensor_files import WEIGHTS

# What is copied; vocab.json and merges.txt are not, as tokenizer.json holds more by now.
TAKEN = (
    GENERATION_CONFIG,
    TOKENIZER_CONFIG,
    "special_tokens_map.json",
    "chat_template.jinja",
    CARD_OF_SOURCE,
    *LICENCES,
)
ADDED = "added_tokens_decoder"  # a second list of special tokens, which newer folders don't have

Info = dict[str, Any]


def write_changed(
    source: Path, out: Path, model: Model, tokenizer: Tokenizer, judge: Callable[[Path], Info], title: str | None = None
) -> Info:
    """Write at `out` the folder `source` with this model and tokenizer, whole or not at all; returns the `info` in it.

    `judge` sees the folder before it is sealed, and returns its `info`; what it raises leaves nothing behind.
    Errors: `UserError` where something stands at `out` already, or the disk refuses.
    """
    form, old = read_config(source)
    tensors = form.to_disk(plain_state(model), model.config)
    require_space(out, sum(tensor.nbytes for tensor in tensors.values()) + 10_000_000)
    raw = read_object(source / CONFIG)
    config = raw | _different(form.to_hf(old), form.to_hf(model.config))
    with new_folder(out) as beside:
        _copy(source, beside)
        write_json(beside / CONFIG, config)
        save_tensors(tensors, beside / WEIGHTS)
        tokenizer.save(beside)
        write_json(beside / TOKENIZER_CONFIG, _tokenizer_config(beside, tokenizer, model.config.context_length))
        info = judge(beside)
        card = model_card(
            title or title_of(out), model.num_parameters(), {"model_type": form.model_type} | config, info
        )
        write_atomic(beside / CARD, card)
        write_json(beside / SEAL, seal_of(beside, tokenizer, info))
    return info


def _copy(source: Path, beside: Path) -> None:
    for pattern in TAKEN:
        for path in source.glob(pattern):
            shutil.copyfile(path, beside / path.name)
    if (source / CARD).is_file() and not (source / SEAL).is_file():
        shutil.copyfile(source / CARD, beside / CARD_OF_SOURCE)
    if not (beside / GENERATION_CONFIG).is_file():
        write_json(beside / GENERATION_CONFIG, {})


def _different(before: Info, after: Info) -> Info:
    """The keys that another value came to: of two forms of one config only those are written over theirs."""
    return {key: value for key, value in after.items() if before.get(key) != value}


def _tokenizer_config(folder: Path, tokenizer: Tokenizer, context_length: int) -> Info:
    """The folder's tokenizer_config.json with the special tokens and the length of now; where absent, a new one."""
    path = folder / TOKENIZER_CONFIG
    document = read_object(path) if path.is_file() else tokenizer.tokenizer_config()
    listed = document.get(ADDED)
    if isinstance(listed, dict):
        added = {str(token.pop("id")): token for token in tokenizer.to_json()["added_tokens"]}
        document[ADDED] = added | listed
    if isinstance(document.get("model_max_length"), int):
        document["model_max_length"] = context_length
    return document
