"""Token ids on disk: plain little-endian numbers in numbered shards, mapped into memory when read.

Two bytes a token where the vocabulary fits (up to 65,536 ids), else four. There is no header: what the numbers mean
stands in `dataset.json`, and any other program can read the file with one line (`np.fromfile(path, "<u2")`).
"""

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, BinaryIO, Protocol, Self

import numpy as np

SHARD_TOKENS = 1 << 28  # half a gigabyte a file at two bytes a token: small enough to copy, large enough to be few


class Tokens(Protocol):
    """What windows are cut from: a `TokenFile`, or any one-dimensional numpy array of ids."""

    def __len__(self) -> int: ...

    def __getitem__(self, place: slice, /) -> np.ndarray: ...


def token_dtype(vocab_size: int) -> np.dtype:
    """The narrowest type that holds every id: 65,536 -> '<u2', 65,537 -> '<u4'."""
    return np.dtype("<u2" if vocab_size <= 1 << 16 else "<u4")


class TokenWriter:
    """Appends the tokens of one split to `<split>-00000.bin`, `<split>-00001.bin`, ... in `folder`.

    >>> with TokenWriter(folder, "train", vocab_size=65) as writer:
    ...     writer.append([20, 43, 50])
    >>> writer.shards
    [{'file': 'train-00000.bin', 'tokens': 3, 'sha256': '...'}]
    """

    def __init__(self, folder: Path, split: str, vocab_size: int, *, shard_tokens: int = SHARD_TOKENS) -> None:
        self.folder, self.split, self.vocab_size, self.shard_tokens = folder, split, vocab_size, shard_tokens
        self.dtype = token_dtype(vocab_size)
        self.num_tokens = 0
        self.shards: list[dict[str, Any]] = []
        self._file: BinaryIO | None = None
        self._digest = hashlib.sha256()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._end_shard()

    def append(self, ids: Sequence[int] | np.ndarray) -> None:
        """Write `ids` (each in range(vocab_size)) behind what is there, beginning a new shard where one is full."""
        wide = np.asarray(ids, dtype=np.int64)  # first wide: a narrow type would wrap an id that is too large
        assert wide.size == 0 or (wide.min() >= 0 and wide.max() < self.vocab_size), "token id outside the vocabulary"
        tokens = wide.astype(self.dtype)
        while len(tokens):
            room = self.shard_tokens - self.num_tokens % self.shard_tokens
            self._write(tokens[:room])
            tokens = tokens[room:]

    def _write(self, tokens: np.ndarray) -> None:
        if self._file is None:
            name = f"{self.split}-{len(self.shards):05d}.bin"
            self._file = open(self.folder / name, "wb")  # noqa: SIM115 (open until the shard is full)
            self._digest = hashlib.sha256()
            self.shards.append({"file": name, "tokens": 0, "sha256": ""})
        data = tokens.tobytes()
        self._file.write(data)
        self._digest.update(data)
        self.shards[-1]["tokens"] += len(tokens)
        self.num_tokens += len(tokens)
        if self.num_tokens % self.shard_tokens == 0:
            self._end_shard()

    def _end_shard(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None
            self.shards[-1]["sha256"] = self._digest.hexdigest()


class TokenFile:
    """The tokens of one split as one long array, whatever number of shards holds them; read only where used.

    >>> tokens = TokenFile([folder / "train-00000.bin"], "<u2")
    >>> len(tokens), tokens[1:3]
    (3, array([43, 50], dtype=uint16))
    """

    def __init__(self, paths: Iterable[Path], dtype: str | np.dtype) -> None:
        self.dtype = np.dtype(dtype)
        self.shards = [_mapped(path, self.dtype) for path in paths]
        self.starts = np.cumsum([0, *map(len, self.shards)])

    def __len__(self) -> int:
        return int(self.starts[-1])

    def __getitem__(self, place: slice) -> np.ndarray:
        """Tokens start..stop as an array: a view where one shard holds them all, a copy where they cross a border."""
        start, stop, step = place.indices(len(self))
        assert step == 1, "tokens are read in order"
        shard = int(np.searchsorted(self.starts, start, side="right")) - 1
        if shard < len(self.shards) and stop <= self.starts[shard + 1]:
            offset = int(self.starts[shard])
            return self.shards[shard][start - offset : stop - offset]
        parts = [
            tokens[max(start - offset, 0) : max(stop - offset, 0)]
            for tokens, offset in zip(self.shards, self.starts.tolist(), strict=False)
        ]
        return np.concatenate([np.empty(0, self.dtype), *parts])


def _mapped(path: Path, dtype: np.dtype) -> np.ndarray:
    """The file as an array that the operating system reads on demand; an empty file can't be mapped."""
    if path.stat().st_size < dtype.itemsize:
        return np.empty(0, dtype)
    return np.asarray(np.memmap(path, dtype=dtype, mode="r"))  # a plain view: slicing np.memmap itself is slow
