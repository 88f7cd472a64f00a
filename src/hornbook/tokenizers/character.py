"""One token per character (Unicode code point): the smallest vocabulary, the longest sequences.

The vocabulary is every character of the training text in sorted order, so ids are the same on every machine.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar, Self

import numpy as np

from hornbook.errors import UserError
from hornbook.tokenizers import _word_level
from hornbook.tokenizers._word_level import Vocabulary
from hornbook.tokenizers.base import END_OF_TEXT, Tokenizer, require_ids, require_unicode

# Every character, line ends too, is a piece of its own ("." would leave out line ends).
SPLIT = {"type": "Split", "pattern": {"Regex": r"[\s\S]"}, "behavior": "Isolated", "invert": False}
CODE_POINTS = 0x110000


class Character(Tokenizer):
    """Characters to ids by one table of all code points: 'cab' -> [2, 0, 1] where the vocabulary is 'abc'."""

    kind: ClassVar[str] = "character"
    lossless = False
    loss = "characters that the training text doesn't have become <|unk|>"

    def __init__(self, vocabulary: Vocabulary) -> None:
        if any(len(piece) != 1 for piece in vocabulary.pieces):
            raise UserError("a character tokenizer's vocabulary holds single characters and special tokens only")
        self.vocabulary = vocabulary
        self.special_tokens = vocabulary.special_tokens
        self._names = [name.encode() for name in vocabulary.names]
        self._table = np.full(CODE_POINTS, self.unknown_id, dtype=np.int32)
        self._table[[ord(piece) for piece in vocabulary.pieces]] = np.arange(len(vocabulary.pieces))

    @property
    def vocab_size(self) -> int:
        """The number of ids, special tokens included."""
        return self.vocabulary.size

    def encode_ordinary(self, text: str) -> list[int]:
        """One id per character; unknown ones are `<|unk|>`."""
        ids: list[int] = self._table[np.frombuffer(text.encode("utf-32-le"), dtype=np.uint32)].tolist()
        return ids

    def decode_bytes(self, ids: Iterable[int]) -> bytes:
        """The characters' UTF-8 bytes, one after the other."""
        return b"".join([self._names[token_id] for token_id in require_ids(ids, self.vocab_size)])

    def token_text(self, token_id: int) -> str:
        """The character, or the special token's name."""
        return self.decode([token_id])

    def unknown_parts(self, text: str) -> Counter[str]:
        """The characters of `text` outside the vocabulary, with how often each occurs."""
        known = self.vocabulary.ids
        return Counter({character: count for character, count in Counter(text).items() if character not in known})

    @classmethod
    def train(
        cls,
        texts: Iterable[str],
        *,
        vocab_size: int | None = None,
        special_tokens: Sequence[str] = (END_OF_TEXT,),
    ) -> Self:
        """Every character of the texts, or the most frequent `vocab_size` minus the special tokens."""
        counts: Counter[str] = Counter()
        for text in texts:
            require_unicode(text)
            counts.update(text)
        return cls(_word_level.learn(counts, vocab_size, special_tokens))

    def to_json(self) -> dict[str, Any]:
        """The content of `tokenizer.json`: a WordLevel model over isolated characters."""
        return _word_level.write(self.vocabulary, SPLIT, {"type": "Fuse"})

    @classmethod
    def recognises(cls, document: Mapping[str, Any]) -> bool:
        """Whether the content is a WordLevel model over isolated characters."""
        return bool(document["model"]["type"] == "WordLevel" and document["pre_tokenizer"] == SPLIT)

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Self:
        """The inverse of `to_json`."""
        return cls(_word_level.read(document))
