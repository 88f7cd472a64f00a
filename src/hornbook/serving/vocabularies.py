"""A text cut otherwise: as letters, bytes and words, by what the vocabulary once was, by public ones, by those of other runs.

Nothing is trained and nothing is fetched for it, and a request names no vocabulary: it gets all that are here.
"""

import threading
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hornbook.errors import UserError
from hornbook.files import sha256_of
from hornbook.serving.inside import pieces
from hornbook.serving.runs import Runs
from hornbook.tokenizers._growth import at_size, sizes
from hornbook.tokenizers._named import encoding_where_here
from hornbook.tokenizers.base import FILE_NAME, Tokenizer, load_tokenizer, require_unicode, tokenizer_hash
from hornbook.tokenizers.word import Word, words

if TYPE_CHECKING:
    import tiktoken

COMPARED = 1000  # letters of a text
PUBLIC = {
    "gpt2": "GPT-2’s public vocabulary: 50,257 pieces",
    "cl100k_base": "GPT-4’s public vocabulary: 100,277 pieces",
}
OTHERS, LOOKED_AT = 4, 20  # vocabularies of other runs, and runs that are looked through for them
Row = dict[str, Any]


class Vocabularies:
    """The vocabulary of the model that is served, and what it is compared with. Used by several threads."""

    def __init__(self, own: Tokenizer, runs: Runs | None) -> None:
        self.own, self.runs = own, runs or Runs()
        self._lock = threading.Lock()
        self._digests: dict[Path, tuple[int, str]] = {}
        self._others: dict[str, Tokenizer | None] = {}

    def compare(self, text: str) -> dict[str, Any]:
        """The beginning of a text, cut in all ways: {"letters": how many were cut, "sizes": [...], "rows": [...]}.

        Errors: `UserError` for a lone surrogate.
        """
        text = text[:COMPARED]
        require_unicode(text)
        with self._lock:
            grown = [{"pieces": size, "tokens": pieces(small.encode(text), small)} for size, small in self._smaller]
            public = [_public_row(name, encoding, text) for name, encoding in self._public]
            others = [_row(name, _about(name, one), one, text) for name, one in self._of_runs()]
        return {"letters": len(text), "sizes": grown, "rows": [*_plain(text, self.own), *public, *others]}

    @cached_property
    def _smaller(self) -> list[tuple[int, Tokenizer]]:
        """What the own vocabulary was at 256, 512, 1,024 ... pieces and is; none of a kind that didn't grow."""
        return [(size, at_size(self.own, size)) for size in doublings(sizes(self.own))]

    @cached_property
    def _public(self) -> "list[tuple[str, tiktoken.Encoding]]":
        """The public vocabularies that lie on this machine: their files are read, and their hashes taken, once."""
        found = [(name, encoding_where_here(name)) for name in PUBLIC]
        return [(name, encoding) for name, encoding in found if encoding is not None]

    @cached_property
    def _own_hash(self) -> str:
        return tokenizer_hash(self.own)

    def _of_runs(self) -> Iterable[tuple[str, Tokenizer]]:
        """Other vocabularies of the runs beside the one that is served, each once, by the run that was written to last."""
        found: dict[str, tuple[str, Tokenizer]] = {}
        for name, run in list(self.runs.folders().items())[:LOOKED_AT]:
            digest = self._digest(run / "model" / FILE_NAME)
            if digest and digest not in found and (tokenizer := self._opened(run / "model", digest)):
                found[digest] = (name, tokenizer)
            if len(found) == OTHERS:
                break
        return found.values()

    def _digest(self, file: Path) -> str | None:
        """The hash of a file, computed again where it has changed; None where there is none."""
        try:
            changed = file.stat().st_mtime_ns
            if self._digests.get(file, (0, ""))[0] != changed:
                self._digests[file] = (changed, sha256_of(file))
        except OSError:
            return None
        return self._digests[file][1]

    def _opened(self, folder: Path, digest: str) -> Tokenizer | None:
        """The tokenizer of a file with this hash; None for the own one, and for one that doesn't open."""
        if digest not in self._others:
            try:
                other = load_tokenizer(folder)
            except UserError:
                other = self.own
            self._others[digest] = None if tokenizer_hash(other) == self._own_hash else other
        return self._others[digest]


def doublings(grown: range) -> list[int]:
    """The powers of two among the sizes, and both ends: range(256, 1300) -> [256, 512, 1024, 1299]."""
    powers = {2**power for power in range(grown.stop.bit_length())}
    return sorted({size for size in powers if size in grown} | {*grown[:1], *grown[-1:]})


def _plain(text: str, own: Tokenizer) -> list[Row]:
    """Without any vocabulary: letters, bytes, words."""
    letters = [{"id": ord(letter), "text": letter} for letter in text]
    numbers = [{"id": byte, "text": chr(byte) if 32 <= byte < 127 else f"{byte:02x}"} for byte in text.encode()]
    cut = [{"id": None, "text": word} for word in words(text, own.split if isinstance(own, Word) else "book")]
    of_words = "cut at blanks and marks, as a word tokenizer does; it has ids for those that it saw"
    return [
        {"name": "letters", "about": "each character, with its number in Unicode", "tokens": letters},
        {"name": "bytes", "about": "what is stored (UTF-8): a letter, or two digits of base 16", "tokens": numbers},
        {"name": "words", "about": of_words, "tokens": cut},
    ]


def _public_row(name: str, encoding: "tiktoken.Encoding", text: str) -> Row:
    cut = [(token, encoding.decode_single_token_bytes(token)) for token in encoding.encode_ordinary(text)]
    tokens = [{"id": token, "text": piece.decode("utf-8", errors="replace")} for token, piece in cut]
    return {"name": name, "about": PUBLIC[name], "tokens": tokens}


def _row(name: str, about: str, tokenizer: Tokenizer, text: str) -> Row:
    return {"name": name, "about": about, "tokens": pieces(tokenizer.encode(text), tokenizer)}


def _about(run: str, tokenizer: Tokenizer) -> str:
    return f"the vocabulary of the run “{run}”: {tokenizer.kind}, {tokenizer.vocab_size:,} pieces"
