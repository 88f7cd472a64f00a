"""Byte pair encoding: any text in tokens between a byte and a word, nothing lost and nothing unknown.

Text is cut into pieces (`_patterns.py`), a piece becomes its UTF-8 bytes, and neighbours are merged in the order in
which the merges were learned (`_merges.py`) until none applies.
"""

import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

import regex

from hornbook.errors import UserError, unknown
from hornbook.tokenizers import _byte_level, _named
from hornbook.tokenizers._added_tokens import AddedToken, read_added, require_plain_names
from hornbook.tokenizers._bulk import RESERVED, BulkEncoder, learn_merges_in_bulk
from hornbook.tokenizers._byte_level import Parts
from hornbook.tokenizers._merges import apply_merges, learn_merges, parents
from hornbook.tokenizers._patterns import DEFAULT_PATTERN, LONG_SPACE, cut, has_long_space, pattern_text
from hornbook.tokenizers._sentencepiece import SentencePieceBPE
from hornbook.tokenizers.base import END_OF_TEXT, Tokenizer, require_ids, require_specials, require_unicode

if TYPE_CHECKING:
    import numpy as np

DEFAULT_VOCAB_SIZE = 4096
BULK_CHARACTERS = 20_000  # from here on, starting tiktoken pays
CACHE_PIECES = 100_000
TRAINERS = ("auto", "rustbpe", "hornbook")  # auto: rustbpe where it is installed, with the same merges as ours


class BPE(Tokenizer):
    """Bytes and merges: with the merges (t, h) and (th, e), 'the' is one token, 'he' two."""

    kind: ClassVar[str] = "bpe"

    def __init__(self, parts: Parts) -> None:
        self.parts = parts
        self.special_tokens = parts.special_tokens
        if parts.compose:
            self.lossless, self.loss = False, "text becomes Unicode's composed form (NFC)"
        tokens = parts.tokens
        self._bytes = {token_id: token for token, token_id in tokens.items()}
        self._bytes |= {token_id: name.encode() for name, token_id in parts.special_tokens.items()}
        self._check()
        self._vocab_size = max(self._bytes) + 1
        self._byte_ids = [tokens[bytes([byte])] for byte in range(256)]
        self._merges = {
            (tokens[left], tokens[right]): (rank, tokens[left + right])
            for rank, (left, right) in enumerate(parts.merges)
        }
        self._splitter = regex.compile(pattern_text(parts.pattern))
        self._cache: dict[str, list[int]] = {}

    def _check(self) -> None:
        tokens, specials = self.parts.tokens, self.parts.special_tokens
        missing = [byte for byte in range(256) if bytes([byte]) not in tokens]
        if missing:
            raise UserError(f"the vocabulary lacks {len(missing)} of the 256 bytes, {missing[0]} among them")
        ids = [*tokens.values(), *specials.values()]
        if len(set(ids)) != len(ids) or not all(type(token_id) is int and token_id >= 0 for token_id in ids):
            raise UserError("the vocabulary gives the same id to two tokens, or one that is no number")
        for name in specials:
            if _byte_level.is_token(name, tokens):
                raise UserError(f"the special token '{name}' is also an ordinary token", hint="choose another name")
        require_plain_names(self.added_tokens, self._normal)

    @cached_property
    def added_tokens(self) -> list[AddedToken]:
        """The special tokens with the flags of the file that they came from."""
        return read_added(self.parts.carried.get("added_tokens", ())) or super().added_tokens

    @property
    def vocab_size(self) -> int:
        """The largest id and one: 256 bytes, the merges and the special tokens, and in some public files gaps."""
        return self._vocab_size

    def encode_ordinary(self, text: str) -> list[int]:
        """The ids of the merged bytes; the longer texts go through tiktoken where its ids are the same."""
        if len(text) >= BULK_CHARACTERS:
            return self.encode_batch([text])[0]
        return self._encode_here(text)

    def encode_batch(self, texts: Iterable[str]) -> list[list[int]]:
        """The ids of each text, by tiktoken on all cores where they are many and its ids are the same."""
        texts = list(texts)
        found = self._in_bulk(texts)
        return [self._encode_here(text) for text in texts] if found is None else [ids.tolist() for ids in found]

    def encode_arrays(self, texts: Iterable[str]) -> "list[np.ndarray]":
        """What `encode_batch` gives, each text's ids as an array (uint32)."""
        texts = list(texts)
        found = self._in_bulk(texts)
        return super().encode_arrays(texts) if found is None else found

    def _in_bulk(self, texts: list[str]) -> "list[np.ndarray] | None":
        """The ids by tiktoken; None where that wouldn't pay, or wouldn't give the same."""
        for text in texts:
            require_unicode(text)
        if sum(map(len, texts)) < BULK_CHARACTERS or self._bulk is None:
            return None
        if any(has_long_space(text) or RESERVED in text for text in texts):
            return None
        return self._bulk.encode([self._normal(text) for text in texts])

    def _encode_here(self, text: str) -> list[int]:
        ids: list[int] = []
        for piece in cut(self._normal(text), self._splitter):
            known = self._cache.get(piece)
            if known is None:
                if len(self._cache) >= CACHE_PIECES:
                    self._cache.clear()
                known = self._cache[piece] = self._merge(piece.encode())
            ids.extend(known)
        return ids

    def _merge(self, piece: bytes) -> list[int]:
        """The ids of one piece."""
        if self.parts.whole_pieces and piece in self.parts.tokens:
            return [self.parts.tokens[piece]]
        return apply_merges([self._byte_ids[byte] for byte in piece], self._merges)

    def _normal(self, text: str) -> str:
        return unicodedata.normalize("NFC", text) if self.parts.compose else text

    @cached_property
    def _bulk(self) -> BulkEncoder | None:
        """tiktoken with this vocabulary, or None where it would give other ids.

        It merges whatever makes a token, the lowest id first; so ids are the same where the merges are exactly the
        ones that follow from the ids.
        """
        try:
            same = parents(self.parts.tokens) == self.parts.merges
        except ValueError:
            return None
        return BulkEncoder(self.parts.tokens, self.parts.pattern) if same else None

    def decode_bytes(self, ids: Iterable[int]) -> bytes:
        """The tokens' bytes, one after the other."""
        try:
            return b"".join([self._bytes[token_id] for token_id in require_ids(ids, self.vocab_size)])
        except KeyError as error:
            raise UserError(f"token id {error} is a gap in the vocabulary") from None

    def token_text(self, token_id: int) -> str:
        """The token's bytes as text."""
        return self.decode([token_id])

    @classmethod
    def train(
        cls,
        texts: Iterable[str],
        *,
        vocab_size: int | None = None,
        special_tokens: Sequence[str] = (END_OF_TEXT,),
        pattern: str = DEFAULT_PATTERN,
        trainer: str = "auto",
    ) -> Self:
        """Learn merges until there are `vocab_size` ids (4096 where None), or fewer where the text has no pair left."""
        specials = require_specials(special_tokens)
        vocab_size = DEFAULT_VOCAB_SIZE if vocab_size is None else vocab_size
        smallest = 256 + len(specials)
        if vocab_size < smallest:
            hint = f"at least {smallest}: 256 bytes and the special tokens"
            raise UserError(f"vocab_size {vocab_size} is too small", hint=hint)
        pairs = _learn(_checked(texts), vocab_size - smallest, pattern, trainer)
        names = [bytes([byte]) for byte in range(256)]
        for left, right in pairs:
            names.append(names[left] + names[right])
        merges = [(names[left], names[right]) for left, right in pairs]
        tokens = {token: token_id for token_id, token in enumerate(names)}
        assert len(tokens) == len(names), "two merges made the same token"
        return cls(Parts(tokens, merges, pattern, {name: len(names) + place for place, name in enumerate(specials)}))

    @classmethod
    def from_gpt2_files(cls, vocab_json: Path | str, merges_txt: Path | str) -> Self:
        """GPT-2's vocabulary from its two files, vocab.json (encoder.json) and merges.txt (vocab.bpe)."""
        return cls(_byte_level.read_gpt2(Path(vocab_json), Path(merges_txt)))

    @classmethod
    def named(cls, name: str) -> Self:
        """A public vocabulary: 'gpt2' or 'cl100k_base'."""
        return cls(_named.load(name))

    def to_json(self) -> dict[str, Any]:
        """The content of `tokenizer.json`: a byte level BPE model."""
        return _byte_level.write(self.parts)

    @classmethod
    def recognises(cls, document: Mapping[str, Any]) -> bool:
        """Whether the content is a BPE model."""
        return bool(document["model"]["type"] == "BPE")

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Tokenizer:
        """The inverse of `to_json`, for other programs' files too: byte level, or SentencePiece's with bytes to fall back on."""
        if SentencePieceBPE.recognises(document):
            return SentencePieceBPE.from_json(document)
        return cls(_byte_level.read(document))


def _learn(texts: Iterable[str], num_merges: int, pattern: str, trainer: str) -> list[tuple[int, int]]:
    if trainer not in TRAINERS:
        raise unknown("trainer", trainer, TRAINERS)
    if trainer == "rustbpe" or (trainer == "auto" and find_spec("rustbpe")):
        return learn_merges_in_bulk(texts, num_merges, pattern)
    splitter = regex.compile(pattern_text(pattern))
    pieces: Counter[str] = Counter()
    for text in texts:
        pieces.update(cut(text, splitter))
    return learn_merges({piece.encode(): count for piece, count in pieces.items()}, num_merges)


def _checked(texts: Iterable[str]) -> Iterable[str]:
    """The texts without the runs of whitespace that are too long for rustbpe; no trainer learns from those."""
    for text in texts:
        require_unicode(text)
        yield from LONG_SPACE.split(text) if has_long_space(text) else [text]
