"""One validation text that several models have read, each in its own tokens and windows, cut into the same pieces.

Where all have the same tokenizer, a loss is counted in nats per token. Where they don't, in bits per character: pieces
then begin only where every tokenizer begins a token, so that each model answers for exactly the same characters.
Whether the text is the same is seen from the text itself, not from where it is said to come from.

N tokens, S pieces.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import reduce

import numpy as np

from hornbook.errors import UserError
from hornbook.evaluation._held_out import MARK, HeldOut
from hornbook.tokenizers.base import tokenizer_hash

PIECE_TOKENS, PIECE_BYTES = 32, 64
LEAST_DOCUMENTS = 20  # so many of about one size are pieces of their own
TOO_LITTLE = "the validation text is too short to be compared on"


@dataclass(frozen=True)
class Pieces:
    """Where the pieces of the shared text begin in each model's tokens, and how large each piece is.

    `borders`: name -> (S + 1,) token numbers. `sizes` (S,): tokens, or characters where `per_character`.
    """

    borders: dict[str, np.ndarray]
    sizes: np.ndarray
    are_documents: bool
    per_character: bool

    @property
    def unit(self) -> str:
        """What a loss over these pieces is counted in."""
        return "bits per character" if self.per_character else "nats per token"

    def __str__(self) -> str:
        """What they are: '879 documents', or '410 stretches of 64 tokens'."""
        stretches = (
            f"stretches of about {PIECE_BYTES} bytes" if self.per_character else f"stretches of {PIECE_TOKENS} tokens"
        )
        return f"{len(self.sizes):,} {'documents' if self.are_documents else stretches}"

    def sums(self, name: str, losses: np.ndarray) -> np.ndarray:
        """The losses (N - 1,) in nats of all tokens but the first of what `name` read -> (S,) in our unit."""
        borders = self.borders[name]
        sums: np.ndarray = np.add.reduceat(losses[: borders[-1] - 1].astype(np.float64), borders[:-1] - 1)
        return sums / math.log(2) if self.per_character else sums


def shared_pieces(texts: Mapping[str, HeldOut]) -> Pieces:
    """Cut the text that all have read into pieces; `texts`: the name of a model -> what it read.

    Pieces are documents where there are enough of about one size, else stretches. Errors: `UserError` where the texts
    are not the same, where a tokenizer doesn't know all of it, or where it is too short.
    """
    if len({tokenizer_hash(text.tokenizer) for text in texts.values()}) == 1:
        return _in_tokens(texts)
    return _in_characters(texts)


def _in_tokens(texts: Mapping[str, HeldOut]) -> Pieces:
    first, *others = texts
    tokens, documents = texts[first].tokens, texts[first].documents
    for other in others:
        if texts[other].tokens is not tokens and not np.array_equal(tokens[:], texts[other].tokens[:]):
            raise _different(first, other)
    borders = np.unique([1, *documents[documents > 1], len(tokens)])
    if not (are_documents := _enough(borders)):
        borders = np.array([*range(1, len(tokens), PIECE_TOKENS), len(tokens)])
    return Pieces(dict.fromkeys(texts, borders), np.diff(borders).astype(np.float64), are_documents, False)


def _in_characters(texts: Mapping[str, HeldOut]) -> Pieces:
    spelled = {name: text.spelled() for name, text in texts.items()}
    first, *others = texts
    content, starts = spelled[first]
    for other in others:
        if spelled[other][0] != content:
            only_blanks = b"".join(spelled[other][0].split()) == b"".join(content.split())
            raise _different(first, other, "; only blanks differ: a tokenizer doesn't keep them" if only_blanks else "")
    common = reduce(np.intersect1d, (places[1:] for _, places in spelled.values()))
    if len(common) < 2:
        raise UserError(TOO_LITTLE, hint="give more text")
    documents = np.intersect1d(starts[texts[first].documents], common)
    borders = np.unique([common[0], *documents, common[-1]])
    if not (are_documents := _enough(borders)):
        wanted = np.searchsorted(common, np.arange(common[0], common[-1], PIECE_BYTES))
        borders = np.unique([*common[wanted], common[-1]])
    sizes = np.diff(_characters_before(content)[borders]).astype(np.float64)
    tokens = {name: np.searchsorted(places, borders) for name, (_, places) in spelled.items()}
    return Pieces(tokens, sizes, are_documents, True)


def _characters_before(content: bytes) -> np.ndarray:
    """How many characters begin before each byte: every one has a single byte that isn't a continuation (10......)."""
    numbers = np.frombuffer(content, dtype=np.uint8)
    return np.append(0, np.cumsum((numbers & 0xC0 != 0x80) & (numbers != MARK[0])))


def _enough(borders: np.ndarray) -> bool:
    """Whether there are as many documents as LEAST_DOCUMENTS of one size: one huge one among small ones says little."""
    sizes = np.diff(borders).astype(np.float64)
    return bool(sizes.sum() ** 2 / (sizes**2).sum() >= LEAST_DOCUMENTS)


def _different(first: str, other: str, why: str = "") -> UserError:
    message = f"'{first}' and '{other}' were validated on different texts, so their losses can't be compared{why}"
    return UserError(message, hint="name a dataset whose validation text all shall read: --data FOLDER")
