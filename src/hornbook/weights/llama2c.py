"""The one-file models of llama2.c (Karpathy 2023): a header of 28 or 256 bytes, then float32 numbers, and no names.

    legacy     7 int32: dim, hidden_dim, n_layers, n_heads, n_kv_heads, vocab_size (negative: output of its own), seq_len
    version 1  uint32 "ak42", int32 1, the same 7 (vocab_size positive), uint8 whether the output is the embedding; zeros

A kind of tensor lies together for all layers. Its rotation turns neighbouring dimensions (0, 1), (2, 3), ...; ours the
two halves of a head, so rows of queries and keys are put in another order, which changes no score.
"""

import math
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from hornbook.errors import UserError
from hornbook.models.llama import Llama, LlamaConfig
from hornbook.weights import llama
from hornbook.weights.model_folder import build_model

LEGACY_BYTES, VERSION_1_BYTES = 28, 256
MAGIC = 0x616B3432
NORM_EPS = 1e-5  # written in its program, not in the file
MOST = 1 << 24  # of any number in the header: what is larger is no header

# The order of tensors in the legacy file, and in version 1, which stores no angles.
LEGACY = (
    *("embedding", "attention_norm", "q", "k", "v", "o", "feed_forward_norm", "gate", "down", "up"),
    *("final_norm", "cosines", "sines", "output"),
)
VERSION_1 = (
    *("attention_norm", "feed_forward_norm", "final_norm", "embedding"),
    *("q", "k", "v", "o", "gate", "down", "up", "output"),
)
PICKLES = ("pytorch_model", "training_args")  # names of other programs' .bin files, which are never opened


@dataclass(frozen=True)
class Header:
    """What the first bytes say, and in which order the tensors follow."""

    config: LlamaConfig
    num_bytes: int
    order: tuple[str, ...]

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The shape of each kind of tensor, in the order of the file; the first number is the layer's where it has one."""
        config = self.config
        layers, dim, hidden = config.num_layers, config.embed_dim, config.hidden_dim
        keys = config.num_kv_heads * config.head_dim
        angles = (config.context_length, config.head_dim // 2)
        known: dict[str, tuple[int, ...]] = {
            "embedding": (config.vocab_size, dim), "output": (config.vocab_size, dim), "final_norm": (dim,),
            "attention_norm": (layers, dim), "feed_forward_norm": (layers, dim),
            "q": (layers, dim, dim), "k": (layers, keys, dim), "v": (layers, keys, dim), "o": (layers, dim, dim),
            "gate": (layers, hidden, dim), "down": (layers, dim, hidden), "up": (layers, hidden, dim),
            "cosines": angles, "sines": angles,
        }  # fmt: skip
        return {name: known[name] for name in self.order if name != "output" or not config.tied_output}


def is_llama2c(path: Path) -> bool:
    """Whether a file may be one of these: its name ends in .bin, and it is no pickle (those of torch are zip files)."""
    if path.suffix != ".bin" or not path.is_file() or path.name.startswith(PICKLES):
        return False
    with open(path, "rb") as file:
        return not file.read(2).startswith((b"PK", b"\x80\x02"))


def read_llama2c(path: Path) -> Llama:
    """The model in a file of llama2.c, its weights copied out of a mapped file one kind after the other.

    Errors: `UserError` where it is cut short, has a header that can't be, or another rotation than theta 10000.
    """
    header = read_header(path)
    model = build_model(llama.FORMAT, header.config, dict(_state(header, _mapped(path, header))))
    assert isinstance(model, Llama)
    return model.eval()


def read_header(path: Path) -> Header:
    """The header, checked against the length of the file. Errors: `UserError`."""
    with open(path, "rb") as file:
        start, size = file.read(VERSION_1_BYTES), path.stat().st_size
    if len(start) < LEGACY_BYTES:
        raise UserError(f"'{path}' is cut short: it has {size} bytes, and a header of llama2.c has {LEGACY_BYTES}")
    if struct.unpack_from("<I", start)[0] == MAGIC:
        header = _version_1(path, start)
    else:
        numbers = struct.unpack_from("<7i", start)
        header = Header(_config(path, numbers, tied=numbers[5] > 0), LEGACY_BYTES, LEGACY)
    expected = header.num_bytes + 4 * sum(math.prod(shape) for shape in header.shapes().values())
    if size != expected:
        raise UserError(
            f"'{path}' has {size:,} bytes, but its header asks for {expected:,}",
            hint="it is cut short (fetch it again) or no file of llama2.c",
        )
    return header


def _version_1(path: Path, start: bytes) -> Header:
    version = struct.unpack_from("<i", start, 4)[0] if len(start) == VERSION_1_BYTES else None
    if version != 1:
        said = "is cut short" if version is None else f"is version {version} of llama2.c's format"
        raise UserError(f"'{path}' {said}", choices=["the legacy format", "version 1"], hint="export it as float32")
    return Header(_config(path, struct.unpack_from("<7i", start, 8), tied=start[36] == 1), VERSION_1_BYTES, VERSION_1)


def _config(path: Path, numbers: tuple[int, ...], tied: bool) -> LlamaConfig:
    """The settings in seven numbers. Errors: `UserError` where they can't be a model's."""
    dim, hidden, layers, heads, kv_heads, vocab, length = (*numbers[:5], abs(numbers[5]), numbers[6])
    sane = all(0 < number < MOST for number in (dim, hidden, layers, heads, kv_heads, vocab, length))
    if not sane or dim % (2 * heads) or heads % kv_heads:
        raise UserError(
            f"'{path}' is no file of llama2.c: its header says {', '.join(map(str, numbers))}",
            hint="dim, hidden_dim, n_layers, n_heads, n_kv_heads, vocab_size, seq_len are expected",
        )
    return LlamaConfig(
        vocab_size=vocab, context_length=length, num_layers=layers, num_heads=heads, num_kv_heads=kv_heads,
        embed_dim=dim, hidden_dim=hidden, qk_norm=False, norm_eps=NORM_EPS, tied_output=tied,
    )  # fmt: skip


def _mapped(path: Path, header: Header) -> dict[str, np.ndarray]:
    """Each kind of tensor as a view of the mapped file."""
    numbers = np.memmap(path, dtype="<f4", mode="r", offset=header.num_bytes)
    shapes = header.shapes()
    ends = list(accumulate(math.prod(shape) for shape in shapes.values()))
    starts = [0, *ends[:-1]]
    return {
        name: numbers[start:end].reshape(shapes[name]) for name, start, end in zip(shapes, starts, ends, strict=True)
    }


def _state(header: Header, found: dict[str, np.ndarray]) -> Iterator[tuple[str, Tensor]]:
    """Our tensors, each copied. Errors: `UserError` where the angles in the file are others than ours."""
    config = header.config
    _require_angles(config, found)
    yield "token_embedding.weight", _copied(found["embedding"])
    yield "final_norm.weight", _copied(found["final_norm"])
    if not config.tied_output:
        yield "output.weight", _copied(found["output"])
    parts = {"attention.output": "o", "feed_forward.gate": "gate", "feed_forward.down": "down", "feed_forward.up": "up"}
    parts |= {"attention_norm": "attention_norm", "feed_forward_norm": "feed_forward_norm"}
    for layer in range(config.num_layers):
        queries, keys = (halves(_copied(found[name][layer]), config.head_dim) for name in "qk")
        yield f"blocks.{layer}.attention.qkv.weight", torch.cat([queries, keys, _copied(found["v"][layer])])
        for ours, theirs in parts.items():
            yield f"blocks.{layer}.{ours}.weight", _copied(found[theirs][layer])


def halves(rows: Tensor, head_dim: int) -> Tensor:
    """Rows of a head from neighbouring pairs to two halves: 0 1 2 3 -> 0 2 1 3. (H x D, C) -> (H x D, C)."""
    return rows.reshape(-1, head_dim // 2, 2, rows.shape[-1]).transpose(1, 2).reshape(rows.shape)


def _require_angles(config: LlamaConfig, found: dict[str, np.ndarray]) -> None:
    """The file's table of cosines must be the one that is computed here; a table of zeros says nothing."""
    if "cosines" not in found or not found["cosines"].any():
        return
    pairs = np.arange(0, config.head_dim, 2) / config.head_dim
    angles = np.outer(np.arange(config.context_length), config.rope_theta**-pairs)
    if not np.allclose(found["cosines"], np.cos(angles), atol=1e-3):
        raise UserError(
            f"the rotation stored in the file is not that of theta {config.rope_theta:g}, which is read here"
        )


def _copied(numbers: np.ndarray) -> Tensor:
    return torch.from_numpy(numbers.astype(np.float32))
