"""SentencePiece's byte pair encoding as Llama 2 and Mistral have it: merges join characters, and a space is a "▁".

A text is one piece, its words told apart by the "▁" before each; a character outside the vocabulary becomes its UTF-8
bytes, which are 256 tokens named <0x00> to <0xFF> (Kudo and Richardson 2018, "SentencePiece"). Such files are read and
written as they are; what is trained here is byte level.
"""

from collections.abc import Iterable, Mapping, Sequence
from copy import deepcopy
from functools import cached_property
from typing import Any, ClassVar, Self

from hornbook.errors import UserError
from hornbook.tokenizers._added_tokens import AddedToken, Normalized, read_added, require_plain_names
from hornbook.tokenizers._merges import apply_merges
from hornbook.tokenizers.base import END_OF_TEXT, Tokenizer, require_ids

SPACE = "▁"
REPLACE = {"type": "Replace", "pattern": {"String": " "}, "content": SPACE}
PREPEND = {"type": "Prepend", "prepend": SPACE}
NOT_HERE = ("dropout", "continuing_subword_prefix", "end_of_word_suffix", "ignore_merges")
SCHEMES = ("always", "first", "never")  # where a "▁" is put before a text that doesn't begin with a space


class SentencePieceBPE(Tokenizer):
    """Characters and merges: "ab c" is "▁ab▁c"; with the merges (a, b) and (▁, ab) it is ▁ab, ▁, c."""

    kind: ClassVar[str] = "bpe"
    lossless = False

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._document = deepcopy(dict(document))
        model = document["model"]
        self._require_readable(document)
        self._scheme = _scheme(document)
        self.loss = f"the sign {SPACE} becomes a space" + (
            "; a space at the very beginning" if self._swallows_space else ""
        )
        self.special_tokens = {token.name: token.token_id for token in self.added_tokens}
        require_plain_names(self.added_tokens, self._normal)
        self._ids: dict[str, int] = model["vocab"]
        self._byte_ids = _byte_ids(self._ids)
        merges = [pair.split(" ") if isinstance(pair, str) else pair for pair in model["merges"]]
        self._merges = {
            (self._ids[left], self._ids[right]): (rank, self._ids[left + right])
            for rank, (left, right) in enumerate(merges)
        }
        self._bytes: dict[int, bytes] = {
            token_id: text.replace(SPACE, " ").encode() for text, token_id in self._ids.items()
        }
        self._bytes |= {token_id: bytes([byte]) for byte, token_id in enumerate(self._byte_ids)}
        self._bytes |= {token_id: name.encode() for name, token_id in self.special_tokens.items()}
        self._vocab_size: int = max(self._bytes) + 1

    @property
    def scheme(self) -> str:
        """Who puts a "▁" before a text: 'normalizer' always does, the pre_tokenizer by one of `SCHEMES`."""
        return self._scheme

    @property
    def _swallows_space(self) -> bool:
        """Whether a text that begins with a space gets the ids of the same text without it."""
        return self._scheme in ("always", "first")

    @staticmethod
    def _require_readable(document: Mapping[str, Any]) -> None:
        for part in NOT_HERE:
            if document["model"].get(part):
                raise UserError(f"the part 'model.{part}' is {document['model'][part]!r}, which isn't implemented here")
        for part in ("truncation", "padding"):
            if document.get(part) is not None:
                raise UserError(f"the part '{part}' must be empty")

    @cached_property
    def added_tokens(self) -> list[AddedToken]:
        """The special tokens with the file's flags."""
        return read_added(self._document.get("added_tokens") or [])

    @property
    def vocab_size(self) -> int:
        """The largest id and one."""
        return self._vocab_size

    def encode_parts(self, parts: Sequence[str | int]) -> list[list[int]]:
        """The ids of each part. A "▁" is put before a text that goes on after a special token, but not with `first`."""
        ids: list[list[int]] = []
        before: str | int | None = None
        for part in parts:
            if isinstance(part, int):
                ids.append([part])
            else:
                begins = before is None or (isinstance(before, int) and self._scheme != "first")
                ids.append(self._encode(part, begins))
            before = part if part != "" else before
        return ids

    def encode_ordinary(self, text: str) -> list[int]:
        """The ids of the merged characters."""
        return self._encode(text, begins=True)

    def _encode(self, text: str, begins: bool) -> list[int]:
        if not text:
            return []
        if self._document.get("normalizer"):
            spaced = text if isinstance(text, Normalized) else self._normal(text, begins)
        else:
            spaced = text.replace(" ", SPACE)
            if begins and self._swallows_space and not spaced.startswith(SPACE):
                spaced = SPACE + spaced
        ids = [token_id for character in spaced for token_id in self._characters(character)]
        return apply_merges(ids, self._merges)

    def _normal(self, text: str, begins: bool = True) -> str:
        if not text or not self._document.get("normalizer"):
            return text
        return (SPACE if begins and self._scheme == "normalizer" else "") + text.replace(" ", SPACE)

    def _characters(self, character: str) -> list[int]:
        known = self._ids.get(character)
        return [self._byte_ids[byte] for byte in character.encode()] if known is None else [known]

    def decode_bytes(self, ids: Iterable[int]) -> bytes:
        """The bytes of the ids without the space that was put before the text."""
        ids = require_ids(ids, self._vocab_size)
        text = b"".join(self._bytes.get(token_id, b"") for token_id in ids)
        return text if self._scheme == "never" else text.removeprefix(b" ")

    def token_text(self, token_id: int) -> str:
        """One token, its space included."""
        return self._bytes.get(token_id, b"").decode("utf-8", errors="replace")

    @classmethod
    def train(
        cls,
        texts: Iterable[str],
        *,
        vocab_size: int | None = None,
        special_tokens: Sequence[str] = (END_OF_TEXT,),
    ) -> Self:
        """Not here. Errors: `UserError` always."""
        raise UserError("SentencePiece's encoding is read here, not trained", hint="train a byte level bpe")

    def to_json(self) -> dict[str, Any]:
        """The file as it was read."""
        return deepcopy(self._document)

    @classmethod
    def recognises(cls, document: Mapping[str, Any]) -> bool:
        """Whether the content is a BPE model over characters with bytes to fall back on."""
        model, splitter = document["model"], str(document.get("pre_tokenizer"))
        return bool(model["type"] == "BPE" and model.get("byte_fallback") and "ByteLevel" not in splitter)

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Self:
        """Read a `tokenizer.json`. Errors: `UserError` naming a part that isn't implemented."""
        return cls(document)


def _scheme(document: Mapping[str, Any]) -> str:
    """Who puts a "▁" before the text, and when: the normalizer always, or the pre_tokenizer by one of `SCHEMES`."""
    normalizer, splitter = document.get("normalizer"), document.get("pre_tokenizer")
    steps = normalizer["normalizers"] if normalizer and normalizer["type"] == "Sequence" else [normalizer]
    if splitter is None and steps in ([PREPEND, REPLACE], [REPLACE]):
        return "normalizer" if PREPEND in steps else "never"
    if normalizer is None and splitter is not None and splitter["type"] == "Metaspace":
        scheme = splitter.get("prepend_scheme", "always")
        if splitter.get("replacement") == SPACE and splitter.get("split", True) is False and scheme in SCHEMES:
            return str(scheme)
    part = "pre_tokenizer" if splitter is not None else "normalizer"
    raise UserError(f"the part '{part}' is {str(document.get(part))[:200]}, which isn't implemented here")


def _byte_ids(vocabulary: Mapping[str, int]) -> list[int]:
    """The ids of <0x00> to <0xFF>. Errors: `UserError` where one is missing."""
    names = [f"<0x{byte:02X}>" for byte in range(256)]
    missing = [name for name in names if name not in vocabulary]
    if missing:
        raise UserError(f"the vocabulary lacks {len(missing)} of the 256 bytes, '{missing[0]}' among them")
    return [vocabulary[name] for name in names]
