"""Added tokens found in a text as the package `tokenizers` finds them: by their names, some with white space around.

A token that isn't `normalized` is looked for in the text as it stands, before all others; the others in what is left
of it, after that was normalized as their own names are. Of names that begin at one place the longest counts.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import regex

from hornbook.errors import UserError

# What `tokenizers` calls white space and letters: Unicode's White_Space, which isn't quite Python's, and rust's \w.
WHITE = "".join(
    map(chr, [*range(9, 14), 32, 0x85, 0xA0, 0x1680, *range(0x2000, 0x200B), 0x2028, 0x2029, 0x202F, 0x205F, 0x3000])
)
WORD = regex.compile(r"[\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\u200c\u200d]")
FLAGS = ("single_word", "lstrip", "rstrip", "normalized")

Normalize = Callable[[str], str]


@dataclass(frozen=True, slots=True)
class AddedToken:
    """A name that is one token; the flags are those of `tokenizer.json`.

    With `lstrip` and `rstrip` the white space before and behind it belongs to it, with `single_word` it is one only
    where no letter or digit touches it.
    """

    name: str
    token_id: int
    single_word: bool = False
    lstrip: bool = False
    rstrip: bool = False
    normalized: bool = False


class Normalized(str):
    """A part of a text that needs no normalizing any more."""

    __slots__ = ()


def read_added(added: Sequence[Mapping[str, Any]]) -> list[AddedToken]:
    """The tokens of the part `added_tokens`. Errors: KeyError, TypeError where it is of another form."""
    return [
        AddedToken(token["content"], token["id"], **{flag: bool(token.get(flag)) for flag in FLAGS}) for token in added
    ]


def takes_more(added: Sequence[AddedToken]) -> list[str]:
    """The names of the tokens that aren't found wherever they stand, or not alone."""
    return [token.name for token in added if token.single_word or token.lstrip or token.rstrip]


def require_plain_names(added: Sequence[AddedToken], normalize: Normalize) -> None:
    """Raise `UserError` for a name that normalizing changes within, so that another text could become it."""
    for token in added:
        name = token.name
        if token.normalized and not (name.isascii() and normalize(f"x{name}").endswith(f"x{name}")):
            raise UserError(f"the part 'added_tokens' has '{name}', which normalizing could make of another text")


def split(text: str, added: Sequence[AddedToken], normalize: Normalize, signs: str = "") -> list[str | int]:
    """The text cut at added tokens: texts, `Normalized` where they are that, and ids.

    `signs`, an opening and a closing one, stand in the text without being of it: a name between them, or with one in
    it, is no token, and they are left out of the parts.

    >>> split("Hi <|end|> \\n you", [AddedToken("<|end|>", 7, rstrip=True)], str)
    ['Hi ', 7, 'you']
    """
    parts: list[str | int] = list(_cut(text, {token.name: token for token in added if not token.normalized}, signs))
    late = {normalize(token.name): token for token in added if token.normalized}
    if late:
        parts = [piece for part in parts for piece in _cut_normalized(part, late, normalize, signs)]
    return [part for part in (_without(part, signs) for part in parts) if part != ""]


def _cut_normalized(
    part: str | int, tokens: Mapping[str, AddedToken], normalize: Normalize, signs: str
) -> Iterator[str | int]:
    if isinstance(part, int) or not part:
        yield part
        return
    for piece in _cut(normalize(part), tokens, signs):
        yield piece if isinstance(piece, int) else Normalized(piece)


def _cut(text: str, tokens: Mapping[str, AddedToken], signs: str) -> Iterator[str | int]:
    """The parts by tokens of one kind, by the name under which each is looked for."""
    done = 0
    for found in _names(tuple(tokens), signs).finditer(text):
        if found[1] is None:
            continue
        token, (start, end) = tokens[found[1]], found.span()
        around = (range(start - 1, -1, -1), range(end, len(text)))
        if token.single_word and any(WORD.match(_first(text, places, signs)) for places in around):
            continue
        if token.lstrip:
            start = done + len(text[done:start].rstrip(WHITE))
        if token.rstrip:
            end = next((place for place in around[1] if text[place] not in WHITE), len(text))
        yield text[done:start]
        yield token.token_id
        done = end
    yield text[done:]


@lru_cache(maxsize=16)
def _names(names: tuple[str, ...], signs: str) -> re.Pattern[str]:
    """What finds a name, in the group 1, or one between signs, which is passed over."""
    any_name = "|".join(map(re.escape, sorted(filter(None, names), key=len, reverse=True))) or "(?!)"
    return re.compile(f"{signs[0]}(?:{any_name}){signs[1]}|({any_name})" if signs else f"({any_name})")


def _first(text: str, places: Iterable[int], signs: str) -> str:
    """The first character at one of these places that is no sign, or ''."""
    return next((text[place] for place in places if text[place] not in signs), "")


def _without(part: str | int, signs: str) -> str | int:
    if isinstance(part, int) or not any(sign in part for sign in signs):
        return part
    return type(part)(part.translate(dict.fromkeys(map(ord, signs))))
