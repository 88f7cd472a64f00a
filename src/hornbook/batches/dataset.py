"""A dataset folder: token files, the tokenizer that made them, and where every token came from."""

import json
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from hornbook.batches.token_file import TokenFile
from hornbook.errors import UserError
from hornbook.files import read_json
from hornbook.tokenizers.base import Tokenizer, load_tokenizer, tokenizer_hash

FORMAT = 1  # raised whenever the same text and settings would give other files: older folders are then rebuilt
INFO_FILE = "dataset.json"
DOCUMENTS_FILE = "documents.jsonl"
TOKENIZER_FILE = "tokenizer.json"
LEDGER_FILE = "ledger.jsonl"


class Place(NamedTuple):
    """Where a token came from: the source's name and the byte range of its document (or of the piece of a long one)."""

    source: str
    start: int
    end: int


class Dataset:
    """The tokens of both splits with their tokenizer: `.train`, `.val`, `.tokenizer`, and `.info` (dataset.json).

    >>> dataset = open_dataset(Path("data/verdict"))
    >>> len(dataset.train), dataset.train[:3], dataset.locate("train", 0).source
    (4612, array([  40,  367, 2885], dtype=uint16), 'the-verdict.txt')
    """

    def __init__(self, folder: Path, info: dict[str, Any]) -> None:
        self.folder, self.info = folder, info
        self.train, self.val = self._tokens("train"), self._tokens("val")

    def _tokens(self, split: str) -> TokenFile:
        shards = self.info["splits"][split]["shards"]
        return TokenFile([self.folder / shard["file"] for shard in shards], self.info["dtype"])

    @property
    def vocab_size(self) -> int:
        """How many ids the tokens may have, known without loading the tokenizer."""
        return int(self.info["tokenizer"]["vocab_size"])

    @cached_property
    def tokenizer(self) -> Tokenizer:
        """The tokenizer that made the tokens. Errors: `UserError` where the file now holds another one."""
        tokenizer = load_tokenizer(self.folder / TOKENIZER_FILE)
        if tokenizer_hash(tokenizer) != self.info["tokenizer"]["sha256"]:
            raise UserError(
                f"'{self.folder / TOKENIZER_FILE}' is not the tokenizer that made the tokens beside it",
                hint="prepare the dataset again",
            )
        return tokenizer

    def locate(self, split: str, token: int) -> Place:
        """Where token number `token` of a split came from."""
        return self.places(split, token, token + 1)[0]

    def places(self, split: str, start: int, stop: int) -> list[Place]:
        """Where tokens start .. stop - 1 of a split came from: one place a document, or a piece of a long one."""
        assert 0 <= start < stop <= len(self.train if split == "train" else self.val), "no such tokens"
        first_tokens, lines = self._index[split]
        first, last = np.searchsorted(first_tokens, [start, stop - 1], side="right") - 1
        with open(self.folder / DOCUMENTS_FILE, "rb") as file:
            return [_place(file, line) for line in lines[first : last + 1].tolist()]

    def record(self, split: str, token: int) -> dict[str, Any]:
        """The line of documents.jsonl about token number `token` of a split: its document, or a piece of a long one.

        {"source", "start", "end" (bytes), "first_token", "num_tokens", "continues"}
        """
        first_tokens, lines = self._index[split]
        with open(self.folder / DOCUMENTS_FILE, "rb") as file:
            file.seek(lines[np.searchsorted(first_tokens, token, side="right") - 1])
            return dict(json.loads(file.readline()))

    @cached_property
    def _index(self) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        """split -> (the first token of each of its records, the byte at which the record begins in documents.jsonl)."""
        found: dict[str, list[tuple[int, int]]] = {"train": [], "val": []}
        place = 0
        with open(self.folder / DOCUMENTS_FILE, "rb") as file:
            for line in file:
                record = json.loads(line)
                if record["num_tokens"]:
                    found[record["split"]].append((record["first_token"], place))
                place += len(line)
        return {split: (columns[0], columns[1]) for split, rows in found.items() for columns in [_columns(rows)]}


def _place(file: BinaryIO, line: int) -> Place:
    file.seek(line)
    record = json.loads(file.readline())
    return Place(record["source"], record["start"], record["end"])


def _columns(rows: list[tuple[int, int]]) -> np.ndarray:
    return np.array(rows, dtype=np.int64).reshape(-1, 2).T


def open_dataset(folder: str | Path) -> Dataset:
    """Open a dataset folder. Errors: `UserError` where it is none, of another format, or a token file isn't whole."""
    folder = Path(folder)
    if not is_dataset(folder):
        raise UserError(f"'{folder}' is not a dataset folder", hint=f"make one: hornbook prepare SOURCE --out {folder}")
    info = read_json(folder / INFO_FILE)
    if info["format"] != FORMAT:
        raise UserError(f"'{folder}' has another format than this version reads", hint="prepare it again")
    for shard in [*info["splits"]["train"]["shards"], *info["splits"]["val"]["shards"]]:
        path, size = folder / shard["file"], shard["tokens"] * np.dtype(info["dtype"]).itemsize
        if not path.is_file() or path.stat().st_size != size:
            found = f"{path.stat().st_size:,}" if path.is_file() else "none"
            raise UserError(f"'{path}' is damaged: {size:,} bytes expected, {found} found", hint="prepare it again")
    return Dataset(folder, info)


def is_dataset(folder: Path) -> bool:
    """Whether a dataset folder of ours lies there, of whatever format: what `prepare` may replace."""
    try:
        info = read_json(folder / INFO_FILE)
    except (UserError, OSError):
        return False
    return isinstance(info, dict) and "format" in info
