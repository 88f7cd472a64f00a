r"""One token per word: short sequences, a large vocabulary, and spacing that is not kept unless asked for.

`split="book"` is the pattern of Raschka, *Build a Large Language Model (From Scratch)*, chapter 2: words, and each
punctuation mark and "--" by itself. `split="whitespace"` cuts at whitespace only. `split="blanks"` is the book's with every
blank as a token of its own: twice as many tokens, and a text whose layout carries meaning (code, verse) keeps it.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar, Self

from hornbook.errors import unknown
from hornbook.tokenizers import _word_level
from hornbook.tokenizers._word_level import Vocabulary
from hornbook.tokenizers.base import END_OF_TEXT, UNKNOWN, Tokenizer, require_ids, require_unicode

MARKS = ("--", *",.:;?_!\"()'")
PUNCTUATION = r"--|[,.:;?_!\"()']"
NO_SPACE_BEFORE = r"[,.:;?!\"()']"  # the book's list, without the underscore

# Python's own whitespace written out: the regex engines of other programs leave out U+001C to U+001F.
WHITESPACE = "[\t-\r\x1c-\x20\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]"
BLANKS_AND_MARKS = re.compile(f"({WHITESPACE}|{PUNCTUATION})")


def _cut(pattern: str, behavior: str) -> dict[str, Any]:
    return {"type": "Split", "pattern": {"Regex": pattern}, "behavior": behavior, "invert": False}


DROP_WHITESPACE = _cut(WHITESPACE, "Removed")
PRE_TOKENIZERS = {
    "book": {"type": "Sequence", "pretokenizers": [DROP_WHITESPACE, _cut(PUNCTUATION, "Isolated")]},
    "whitespace": DROP_WHITESPACE,
    "blanks": {"type": "Sequence", "pretokenizers": [_cut(WHITESPACE, "Isolated"), _cut(PUNCTUATION, "Isolated")]},
}

# Without a decoder, words are joined by spaces. The book's: a space before every word that is no mark, but the first.
DECODERS = {
    "book": {
        "type": "Sequence",
        "decoders": [
            {"type": "Replace", "pattern": {"Regex": f"^(?!{NO_SPACE_BEFORE})"}, "content": " "},
            {"type": "Fuse"},
            {"type": "Strip", "content": " ", "start": 1, "stop": 0},
        ],
    },
    "whitespace": None,
    "blanks": {"type": "Fuse"},
}


class Word(Tokenizer):
    """Words to ids: 'Hello, world.' -> the ids of 'Hello' ',' 'world' '.'."""

    kind: ClassVar[str] = "word"
    lossless = False
    loss = "whitespace becomes one space or none, and words that the training text doesn't have become <|unk|>"

    def __init__(self, vocabulary: Vocabulary, *, split: str = "book") -> None:
        if split not in PRE_TOKENIZERS:
            raise unknown("split", split, PRE_TOKENIZERS)
        self.vocabulary = vocabulary
        self.split = split
        self.special_tokens = vocabulary.special_tokens
        if split == "blanks":
            self.loss = "words that the training text doesn't have become <|unk|>"

    @property
    def vocab_size(self) -> int:
        """The number of ids, special tokens included."""
        return self.vocabulary.size

    def encode_ordinary(self, text: str) -> list[int]:
        """One id per word; unknown ones are `<|unk|>`."""
        ids, unknown_id = self.vocabulary.ids, self.special_tokens[UNKNOWN]
        return [ids.get(word, unknown_id) for word in words(text, self.split)]

    def decode_bytes(self, ids: Iterable[int]) -> bytes:
        """Words joined by a space, with none before punctuation where the split is the book's."""
        names = self.vocabulary.names
        blank = "" if self.split == "blanks" else " "
        text = blank.join([names[token_id] for token_id in require_ids(ids, self.vocab_size)])
        if self.split == "book":
            text = re.sub(rf"\s+({NO_SPACE_BEFORE})", r"\1", text)
        return text.encode()

    def token_text(self, token_id: int) -> str:
        """The word, or the special token's name."""
        return self.decode([token_id])

    def unknown_parts(self, text: str) -> Counter[str]:
        """The words of `text` outside the vocabulary, with how often each occurs."""
        return Counter(word for word in words(text, self.split) if word not in self.vocabulary.ids)

    @classmethod
    def train(
        cls,
        texts: Iterable[str],
        *,
        vocab_size: int | None = None,
        special_tokens: Sequence[str] = (END_OF_TEXT,),
        split: str = "book",
    ) -> Self:
        """Every word of the texts, or the most frequent `vocab_size` minus the special tokens."""
        if split not in PRE_TOKENIZERS:
            raise unknown("split", split, PRE_TOKENIZERS)
        counts: Counter[str] = Counter()
        for text in texts:
            require_unicode(text)
            counts.update(words(text, split))
        return cls(_word_level.learn(counts, vocab_size, special_tokens), split=split)

    def to_json(self) -> dict[str, Any]:
        """The content of `tokenizer.json`: a WordLevel model."""
        return _word_level.write(self.vocabulary, PRE_TOKENIZERS[self.split], DECODERS[self.split])

    @classmethod
    def recognises(cls, document: Mapping[str, Any]) -> bool:
        """Whether the content is a WordLevel model over one of the splits."""
        return bool(document["model"]["type"] == "WordLevel" and document["pre_tokenizer"] in PRE_TOKENIZERS.values())

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Self:
        """The inverse of `to_json`."""
        split = next(name for name, form in PRE_TOKENIZERS.items() if form == document["pre_tokenizer"])
        return cls(_word_level.read(document), split=split)


def words(text: str, split: str = "book") -> list[str]:
    """The words of a text: "it's--so" -> ["it", "'", "s", "--", "so"], or ["it's--so"] where the split is whitespace.

    With blanks: "so, so" -> ["so", ",", " ", "so"].

    For the book's, spaces are set around each mark and then all whitespace is cut, which equals the book's
    `re.split(r'([,.:;?_!"()\\']|--|\\s)', text)` without its blank items, and takes a third of the time.
    """
    if split == "blanks":
        return [piece for piece in BLANKS_AND_MARKS.split(text) if piece]
    if split == "book":
        for mark in MARKS:
            text = text.replace(mark, f" {mark} ")
    return text.split()
