"""GGUF, the one file that llama.cpp opens: a model, its vocabulary and its settings, in 32, 16, 8 or 4 bits a weight.

The format is written by the package `gguf`, llama.cpp's own (https://github.com/ggml-org/ggml/blob/master/docs/gguf.md);
which tensor is stored how is decided here.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from torch import Tensor

from hornbook.errors import UserError, unknown
from hornbook.files import new_file, require_space
from hornbook.models.base import Model
from hornbook.tokenizers._sentencepiece import SentencePieceBPE
from hornbook.tokenizers.base import Tokenizer
from hornbook.version import __version__
from hornbook.weights import _gguf_names, _gguf_sentencepiece, _gguf_vocabulary
from hornbook.weights._gguf_names import Foreign
from hornbook.weights._gguf_vocabulary import Vocabulary
from hornbook.weights.exported import Exported

if TYPE_CHECKING:
    from gguf import GGUFWriter

QUANTIZATIONS = {"f32": 0, "f16": 1, "q8_0": 7, "q4_0": 2}  # our choices -> llama.cpp's number for such a file
ROW = 32  # weights that share one scale in q8_0 and q4_0
LARGEST_F16 = 65504.0
STAY_F32 = ("position_embd.weight",)  # as llama.cpp's own converter does: a small table that every token adds
ROLE_KEYS = {
    role: f"tokenizer.ggml.{name}_token_id"
    for role, name in {"bos": "bos", "eos": "eos", "eot": "eot", "pad": "padding", "unk": "unknown"}.items()
}
OUTPUTS = ("output.weight", "token_embd.weight")  # of which one decides every logit


@dataclass(frozen=True)
class _Content:
    """Everything that goes into one file."""

    foreign: Foreign
    vocabulary: Vocabulary
    types: Mapping[str, str]
    file_type: int
    texts: Mapping[str, str]
    ids: Mapping[str, int]  # role -> id
    adds_bos: bool


def write_gguf(
    path: Path,
    model: Model,
    tokenizer: Tokenizer,
    quantization: str = "f16",
    texts: Mapping[str, str] | None = None,
    before: Sequence[int] = (),
    ends: Collection[int] = (),
) -> Exported:
    """Write a GGUF file, whole or not at all; the same model gives the same bytes. `texts` are further keys of text.

    `before` is the id that is put before every text, `ends` are those that end one where it isn't <|endoftext|> alone.

    q8_0 and q4_0 hold the matrices in blocks of 32 weights with one scale each; norms and biases stay f32, a matrix
    whose rows are no multiple of 32 becomes f16, and with q4_0 the output (or the embedding that is it) has 8 bits.
    Errors: `UserError` for an architecture, tokenizer or weight that can't be exported, and what the disk refuses.
    """
    require_package()
    if quantization not in QUANTIZATIONS:
        raise unknown("quantization", quantization, QUANTIZATIONS)
    foreign = _gguf_names.translate(model)
    of_kind = _gguf_sentencepiece if isinstance(tokenizer, SentencePieceBPE) else _gguf_vocabulary
    vocabulary = of_kind.translate(tokenizer, model.config.vocab_size)
    ids = _role_ids(vocabulary, before, ends)
    types = {name: storage(name, tensor, quantization) for name, tensor in foreign.tensors.items()}
    require_space(path.parent, sum(_num_bytes(tensor, types[name]) for name, tensor in foreign.tensors.items()))
    with new_file(path) as beside:
        _write(
            beside, _Content(foreign, vocabulary, types, QUANTIZATIONS[quantization], texts or {}, ids, bool(before))
        )
    notes = [*_fallback_notes(foreign, types, quantization), *vocabulary.notes]
    return Exported(foreign.architecture, types, notes)


def require_package() -> None:
    """Raise `UserError` where `gguf` isn't installed."""
    try:
        import gguf  # noqa: F401
    except ImportError:
        raise UserError(
            "writing GGUF needs the package 'gguf'", hint="install it with: pip install 'hornbook[interop]'"
        ) from None


def storage(name: str, tensor: Tensor, quantization: str) -> str:
    """How a tensor is stored: ('blk.0.ffn_up.weight', (128, 64), 'q4_0') -> 'q4_0'.

    Errors: `UserError` where it holds a weight that is no number.
    """
    largest = float(tensor.abs().max())
    if not np.isfinite(largest):
        raise UserError(f"'{name}' holds a weight that is no number", hint="this model's training has failed")
    if quantization == "f32" or tensor.ndim != 2 or name in STAY_F32:
        return "f32"
    if quantization == "f16" or tensor.shape[1] % ROW:
        return "f16" if largest <= LARGEST_F16 else "f32"
    return "q8_0" if name in OUTPUTS else quantization


def stored(tensor: Tensor, kind: str) -> np.ndarray:
    """A tensor's numbers as they stand in the file: float32 or float16 of the same shape, or uint8 with longer rows."""
    from gguf import GGMLQuantizationType, quants

    return np.ascontiguousarray(quants.quantize(tensor.numpy(), GGMLQuantizationType[kind.upper()]))


def _num_bytes(tensor: Tensor, kind: str) -> int:
    from gguf import GGML_QUANT_SIZES, GGMLQuantizationType

    weights, num_bytes = GGML_QUANT_SIZES[GGMLQuantizationType[kind.upper()]]
    return tensor.numel() // weights * num_bytes


def _write(path: Path, content: _Content) -> None:
    """Keys and the list of tensors by `gguf`, then the tensors one by one: only one is held twice at a time."""
    from gguf import GGMLQuantizationType, GGUFWriter

    tensors, types = content.foreign.tensors, content.types
    writer = GGUFWriter(path, content.foreign.architecture)
    _add_keys(writer, content)
    _add_vocabulary(writer, content.vocabulary)
    for role, token_id in content.ids.items():
        writer.add_uint32(ROLE_KEYS[role], token_id)
    writer.add_add_bos_token(content.adds_bos)
    writer.add_add_eos_token(False)
    for name, tensor in tensors.items():
        raw, num_bytes = GGMLQuantizationType[types[name].upper()], _num_bytes(tensor, types[name])
        writer.add_tensor_info(name, tuple(tensor.shape), np.dtype(np.float32), num_bytes, raw)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    alignment = writer.data_alignment
    writer.close()
    with open(path, "ab") as file:  # not the package's own way, which loses what the system says of a full disk
        file.write(bytes(-file.tell() % alignment))
        for name, tensor in tensors.items():
            file.write(stored(tensor, types[name]).data)
            file.write(bytes(-file.tell() % alignment))


def _add_keys(writer: "GGUFWriter", content: _Content) -> None:
    from gguf import GGML_QUANT_VERSION

    writer.add_file_type(content.file_type)
    writer.add_quantization_version(GGML_QUANT_VERSION)
    writer.add_string("hornbook.version", __version__)
    for key, text in content.texts.items():
        writer.add_string(key, text)
    for key, value in content.foreign.keys.items():
        name = f"{content.foreign.architecture}.{key}"
        if isinstance(value, str):
            writer.add_string(name, value)
        elif isinstance(value, int):
            writer.add_uint32(name, value)
        else:
            writer.add_float32(name, value)


def _add_vocabulary(writer: "GGUFWriter", vocabulary: Vocabulary) -> None:
    writer.add_tokenizer_model("llama" if vocabulary.scores else "gpt2")  # SentencePiece's or byte level, of any model
    writer.add_tokenizer_pre(vocabulary.pattern)
    writer.add_token_list(vocabulary.tokens)
    writer.add_token_types(vocabulary.types)
    if vocabulary.scores:
        writer.add_token_scores(vocabulary.scores)
        writer.add_add_space_prefix(vocabulary.space_first)
    else:
        writer.add_token_merges(vocabulary.merges)


def _role_ids(vocabulary: Vocabulary, before: Sequence[int], ends: Collection[int]) -> dict[str, int]:
    """The vocabulary's own ids of roles, and what the model folder says besides. llama.cpp has room for two ends.

    Errors: `UserError` where more than one token is put before a text.
    """
    if len(before) > 1:
        raise UserError(f"{len(before)} tokens are put before every text, and llama.cpp puts one there")
    ids = vocabulary.ids | ({"bos": before[0]} if before else {})
    if ends and ids["eos"] not in ends:
        ids["eos"] = min(ends)
    others = sorted({*ends} - {ids["eos"]})
    return ids | ({"eot": others[0]} if others else {})


def _fallback_notes(foreign: Foreign, types: Mapping[str, str], quantization: str) -> list[str]:
    """One line for each way in which matrices are stored otherwise than asked for."""
    if quantization == "f32":
        return []
    odd = {name: tensor.shape[1] for name, tensor in foreign.tensors.items() if types[name] == "f16" != quantization}
    wide = [name for name, kind in types.items() if kind == "f32" and _is_matrix(foreign, name)]
    notes = []
    if odd:
        rows = ", ".join(map(str, sorted(set(odd.values()))))
        notes.append(f"{len(odd)} tensors stay f16: their rows of {rows} weights are no multiple of {ROW}")
    if wide:
        notes.append(f"{len(wide)} tensors stay f32: they hold weights beyond {LARGEST_F16:.0f}, the largest of f16")
    return notes


def _is_matrix(foreign: Foreign, name: str) -> bool:
    return foreign.tensors[name].ndim == 2 and name not in STAY_F32
