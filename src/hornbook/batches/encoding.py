"""Pieces of text -> tokens on disk: the tokenizer (ready, or trained on the training split) and its use in batches."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from hornbook.batches.dataset import DOCUMENTS_FILE
from hornbook.batches.pieces import TO_JSON, Piece
from hornbook.batches.settings import PrepareSettings
from hornbook.batches.token_file import TokenWriter
from hornbook.discovery import find
from hornbook.errors import UserError, unknown
from hornbook.randomness import key
from hornbook.tokenizers.base import END_OF_TEXT, Tokenizer, load_tokenizer, named_tokenizer, variants

NAMED = ("cl100k_base", "gpt2")
SAMPLE_CHARACTERS = 64_000_000  # a vocabulary learnt from more is hardly another, and takes minutes and gigabytes
BATCH_CHARACTERS = 2_000_000  # enough work for every thread; as arrays a batch of tokens takes a few MB
MOST_UNKNOWN_KEPT = 20_000


def ready_tokenizer(settings: PrepareSettings) -> Tokenizer | None:
    """The tokenizer that the settings name, or None for a kind to train. Errors: `UserError` for neither."""
    kinds = [variant.kind for variant in variants()]
    if settings.tokenizer in kinds:
        return None
    if settings.tokenizer in NAMED:
        tokenizer = named_tokenizer(settings.tokenizer)
    elif Path(settings.tokenizer).exists():
        tokenizer = load_tokenizer(settings.tokenizer)
    else:
        raise unknown("tokenizer", settings.tokenizer, [*kinds, *NAMED, "the path of a tokenizer.json"])
    if settings.vocab_size not in (None, tokenizer.vocab_size):
        raise UserError(
            f"vocab_size can't be '{settings.vocab_size}': '{settings.tokenizer}' has {tokenizer.vocab_size} tokens",
            hint="leave vocab_size out, or train a tokenizer: bpe",
        )
    return tokenizer


def train_tokenizer(settings: PrepareSettings, pieces: Iterable[Piece], share: float, *, separate: bool) -> Tokenizer:
    """Train the kind that the settings name on about `share` of the pieces it may see, chosen by lot.

    `separate`: there are several documents, so the vocabulary needs <|endoftext|> to mark their ends.
    """
    texts = (
        piece.document.text
        for index, piece in enumerate(pieces)
        if settings.vocabulary_from in ("all", piece.split)
        and key(settings.seed, "tokenizer sample", index) < share * 2.0**64
    )
    specials = (END_OF_TEXT,) if separate else ()
    kind = find("tokenizers", settings.tokenizer)
    split = {"split": settings.word_split} if settings.tokenizer == "word" else {}
    tokenizer: Tokenizer = kind.train(texts, vocab_size=settings.vocab_size, special_tokens=specials, **split)
    return tokenizer


@dataclass
class SplitCounts:
    """What went into one split; `unknown_parts` are the most frequent characters or words that became <|unk|>."""

    documents: int = 0
    characters: int = 0
    bytes: int = 0
    tokens: int = 0
    unknown: int = 0
    unknown_parts: Counter[str] = field(default_factory=Counter)

    def add(self, piece: Piece, num_tokens: int) -> None:
        """Count one piece and its tokens."""
        text = piece.document.text
        self.documents += piece.ends
        self.characters += len(text)
        self.bytes += len(text) if text.isascii() else len(text.encode())
        self.tokens += num_tokens

    def add_unknown(self, tokenizer: Tokenizer, text: str, ids: list[int]) -> None:
        """Count what the tokenizer didn't know in `text`."""
        if found := tokenizer.count_unknown(ids):
            self.unknown += found
            self.unknown_parts.update(tokenizer.unknown_parts(text))
            if len(self.unknown_parts) > MOST_UNKNOWN_KEPT:
                self.unknown_parts = Counter(dict(self.unknown_parts.most_common(MOST_UNKNOWN_KEPT // 2)))

    def to_json(self) -> dict[str, Any]:
        """The counts for `dataset.json`, with the ten most frequent unknown parts."""
        return {**vars(self), "unknown_parts": dict(self.unknown_parts.most_common(10))}


def encode_pieces(pieces: Iterable[Piece], tokenizer: Tokenizer, folder: Path, separator: int | None) -> dict[str, Any]:
    """Write the tokens of all pieces, `separator` behind each document, and a record of each into documents.jsonl.

    Out: split -> its counts and shards, as `dataset.json` has them.
    """
    counts = {split: SplitCounts() for split in ("train", "val")}
    with ExitStack() as stack:
        records = stack.enter_context(open(folder / DOCUMENTS_FILE, "w", encoding="utf-8"))
        writers = {split: stack.enter_context(TokenWriter(folder, split, tokenizer.vocab_size)) for split in counts}
        for batch in _in_batches(pieces):
            _encode_batch(batch, tokenizer, separator, counts, writers, records)
    return {split: {**counts[split].to_json(), "shards": writers[split].shards} for split in counts}


def _encode_batch(
    batch: list[Piece],
    tokenizer: Tokenizer,
    separator: int | None,
    counts: Mapping[str, SplitCounts],
    writers: Mapping[str, TokenWriter],
    records: TextIO,
) -> None:
    gathered: dict[str, list[np.ndarray]] = {split: [np.empty(0, np.uint32)] for split in counts}
    mark = np.array([] if separator is None else [separator], np.uint32)
    encoded = tokenizer.encode_arrays([piece.document.text for piece in batch])
    for piece, ids in zip(batch, encoded, strict=True):
        if not tokenizer.lossless:
            counts[piece.split].add_unknown(tokenizer, piece.document.text, ids.tolist())
        found = [ids, mark] if piece.ends else [ids]
        num_tokens = sum(map(len, found))
        records.write(_record(piece, counts[piece.split].tokens, num_tokens))
        counts[piece.split].add(piece, num_tokens)
        gathered[piece.split] += found
    for split, arrays in gathered.items():
        writers[split].append(np.concatenate(arrays))


def _record(piece: Piece, first_token: int, num_tokens: int) -> str:
    """One line of documents.jsonl: where tokens first_token .. first_token + num_tokens - 1 of the split came from."""
    document = piece.document
    record = {
        "split": piece.split,
        "first_token": first_token,
        "num_tokens": num_tokens,
        "source": document.source,
        "start": document.start,
        "end": document.end,
        "continues": document.continues,
    }
    return TO_JSON(record) + "\n"


def _in_batches(pieces: Iterable[Piece]) -> Iterator[list[Piece]]:
    """Groups of pieces of about BATCH_CHARACTERS together."""
    batch: list[Piece] = []
    size = 0
    for piece in pieces:
        batch.append(piece)
        size += len(piece.document.text)
        if size >= BATCH_CHARACTERS:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch
