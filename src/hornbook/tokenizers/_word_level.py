"""What the character and the word tokenizer share: a sorted list of known pieces, and special tokens after it.

Everything else is `<|unk|>`. On disk it is the model "WordLevel" of `tokenizer.json`.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from hornbook.errors import UserError
from hornbook.tokenizers._added_tokens import read_added, takes_more
from hornbook.tokenizers.base import UNKNOWN, require_specials, require_unicode


@dataclass(frozen=True)
class Vocabulary:
    """Known pieces have the ids 0, 1, ... in sorted order, special tokens the ids after them, `<|unk|>` among those."""

    pieces: list[str]
    special_tokens: dict[str, int]

    @property
    def size(self) -> int:
        """The number of ids."""
        return len(self.pieces) + len(self.special_tokens)

    @cached_property
    def names(self) -> list[str]:
        """The text of every id, in the order of ids."""
        return [*self.pieces, *sorted(self.special_tokens, key=self.special_tokens.__getitem__)]

    @cached_property
    def ids(self) -> dict[str, int]:
        """From piece to id, special tokens left out."""
        return {piece: token_id for token_id, piece in enumerate(self.pieces)}


def learn(counts: Counter[str], vocab_size: int | None, special_tokens: Sequence[str]) -> Vocabulary:
    """The vocabulary of the counted pieces: all of them, or the most frequent that `vocab_size` has room for.

    >>> learn(Counter("banana"), 4, ["<|unk|>"]).names
    ['a', 'b', 'n', '<|unk|>']
    """
    specials = require_specials(special_tokens, with_unknown=True)
    room = len(counts) if vocab_size is None else vocab_size - len(specials)
    if room < 0 or (counts and room == 0):
        hint = f"at least {len(specials) + 1}: one piece and {', '.join(specials)}"
        raise UserError(f"vocab_size {vocab_size} is too small", hint=hint)
    known = [piece for piece in counts if piece not in specials]
    frequent = sorted(known, key=lambda piece: (-counts[piece], piece))[:room]
    pieces = sorted(frequent)
    return Vocabulary(pieces, {name: len(pieces) + place for place, name in enumerate(specials)})


def write(vocabulary: Vocabulary, pre_tokenizer: object, decoder: object) -> dict[str, Any]:
    """The content of `tokenizer.json`."""
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": added_tokens(vocabulary.special_tokens),
        "normalizer": None,
        "pre_tokenizer": deepcopy(pre_tokenizer),
        "post_processor": None,
        "decoder": deepcopy(decoder),
        "model": {
            "type": "WordLevel",
            "vocab": {name: token_id for token_id, name in enumerate(vocabulary.names)},
            "unk_token": UNKNOWN,
        },
    }


def read(document: Mapping[str, Any]) -> Vocabulary:
    """The inverse of `write`. Errors: `UserError` or a lookup error where the content is not of that form."""
    added = read_added(document["added_tokens"])
    if takers := takes_more(added):
        raise UserError(f"the part 'added_tokens' has '{takers[0]}', which isn't found by its name alone")
    specials = {token.name: token.token_id for token in added}
    vocab: dict[str, int] = document["model"]["vocab"]
    names = sorted(vocab, key=vocab.__getitem__)
    for part in ("normalizer", "post_processor", "truncation", "padding"):
        if document.get(part) is not None:
            raise UserError(f"the part '{part}' is not one that a vocabulary of known pieces has")
    count = len(names) - len(specials)
    if list(map(vocab.__getitem__, names)) != list(range(len(names))):
        raise UserError("the part 'model.vocab' must number its tokens from 0 without a gap")
    if (
        document["model"]["unk_token"] != UNKNOWN
        or UNKNOWN not in specials
        or any(vocab.get(name) != specials[name] or specials[name] < count for name in specials)
    ):
        raise UserError(f"the part 'added_tokens' must be the last ids of the vocabulary, {UNKNOWN} among them")
    require_unicode("".join(names))
    return Vocabulary(names[:count], specials)


def added_tokens(special_tokens: Mapping[str, int]) -> list[dict[str, Any]]:
    """The part of `tokenizer.json` that lists the special tokens, in the order of ids."""
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    in_order = sorted(special_tokens.items(), key=lambda item: item[1])
    return [{"id": token_id, "content": name, **flags} for name, token_id in in_order]
