"""OpenAI's own folders of GPT-2: `model/h0/attn/c_attn/w` in a TensorFlow checkpoint, hparams.json, encoder.json, vocab.bpe.

The same tensors under the same names in one .npz or safetensors file, as they were passed on, are read too.
"""

import re
from functools import partial
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from hornbook.errors import UserError
from hornbook.files import read_json
from hornbook.models.base import Model
from hornbook.tokenizers.base import Tokenizer
from hornbook.tokenizers.bpe import BPE
from hornbook.weights import gpt2
from hornbook.weights.disk_format import Document, Stored, Unread, renamed
from hornbook.weights.model_folder import build_model
from hornbook.weights.tf_checkpoint import open_checkpoint

HPARAMS, ENCODER, MERGES = "hparams.json", "encoder.json", "vocab.bpe"
CHECKPOINT = "checkpoint"  # a text that names the newest
SIZES = {"n_vocab": "vocab_size", "n_ctx": "n_positions", "n_embd": "n_embd", "n_head": "n_head", "n_layer": "n_layer"}
LEFT = ("/Adam", "/Adam_1")  # of those that were trained further: the optimizer's
KINDS = {"w": "weight", "g": "weight", "b": "bias"}


def is_openai(folder: Path) -> bool:
    """Whether a folder is laid out so."""
    return (folder / HPARAMS).is_file()


def read_openai(folder: Path) -> tuple[Model, Tokenizer]:
    """Model and tokenizer. Errors: `UserError` where a file or tensor is missing, damaged or not a GPT-2's."""
    config = gpt2.from_hf(_config(folder))
    tokenizer = BPE.from_gpt2_files(folder / ENCODER, folder / MERGES)
    state = gpt2.from_disk(_flat(renamed(_tensors(folder), plain_name)), config)
    return build_model(gpt2.FORMAT, config, state).eval(), tokenizer


def plain_name(name: str) -> str | None:
    """'model/h0/attn/c_attn/w' -> 'h.0.attn.c_attn.weight'; None for what is no weight of the model."""
    if not name.startswith("model/") or name.endswith(LEFT):
        return None
    *parts, last = re.sub(r"^h(\d+)/", r"h/\1/", name.removeprefix("model/")).split("/")
    return ".".join([*parts, KINDS[last]] if parts and last in KINDS else [*parts, last, "weight"])


def _config(folder: Path) -> Document:
    """hparams.json in the keys of config.json, with what is no setting there."""
    raw = read_json(folder / HPARAMS)
    if not isinstance(raw, dict):
        raise UserError(f"'{folder / HPARAMS}' is damaged: it is not a JSON object")
    odd = next((key for key in raw if key not in SIZES), None)
    missing = next((key for key in SIZES if key not in raw), None)
    if odd or missing:
        what = f"'{odd}' = {raw[odd]!r} is not implemented here" if odd else f"'{missing}' is missing"
        raise UserError(f"'{folder / HPARAMS}': {what}", choices=SIZES)
    return {theirs: raw[key] for key, theirs in SIZES.items()}


def _tensors(folder: Path) -> Stored:
    """The tensors under OpenAI's names, unread, from whichever kind of file lies there."""
    named = folder / CHECKPOINT
    if named.is_file():
        match = re.search(r'^model_checkpoint_path: "(.*)"', named.read_text(encoding="utf-8", errors="replace"), re.M)
        if not match:
            raise UserError(f"'{named}' is damaged: it names no model_checkpoint_path")
        index = folder / (Path(match[1].replace("\\", "/")).name + ".index")  # of a path elsewhere, the last part
        if not index.is_file():
            raise UserError(f"'{index}' is missing")
        return open_checkpoint(index)
    kinds = {".index": open_checkpoint, ".npz": _npz, ".safetensors": _safetensors}
    found = sorted(path for path in folder.iterdir() if path.suffix in kinds)
    if len(found) != 1:
        names = ", ".join(path.name for path in found) or "none"
        raise UserError(
            f"'{folder}' must hold one file of weights: it has {names}", choices=["*.index", "*.npz", "*.safetensors"]
        )
    return kinds[found[0].suffix](found[0])


def _npz(path: Path) -> Stored:
    try:
        with np.load(path, allow_pickle=False) as file:
            names = list(file.files)
    except (OSError, ValueError) as error:
        raise UserError(f"'{path}' is damaged: {error}", hint="fetch it again") from None
    return Unread({name: partial(_from_npz, path, name) for name in names})


def _from_npz(path: Path, name: str) -> Tensor:
    with np.load(path, allow_pickle=False) as file:
        return torch.from_numpy(file[name])


def _safetensors(path: Path) -> Stored:
    try:
        with safe_open(path, framework="pt") as file:
            return Unread({name: partial(_from_safetensors, path, name) for name in file.keys()})  # noqa: SIM118
    except SafetensorError as error:
        raise UserError(f"'{path}' is damaged: {error}", hint="fetch it again") from None


def _from_safetensors(path: Path, name: str) -> Tensor:
    with safe_open(path, framework="pt") as file:
        tensor: Tensor = file.get_tensor(name)
    return tensor


def _flat(tensors: Stored) -> Unread:
    """Matrices without the first dimension of 1 that a convolution over single tokens has: (1, C, 3 C) -> (C, 3 C)."""

    def read(name: str) -> Tensor:
        tensor = tensors[name]
        return tensor[0] if tensor.ndim == 3 and len(tensor) == 1 else tensor

    return Unread({name: partial(read, name) for name in tensors})
