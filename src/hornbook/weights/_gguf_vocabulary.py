"""A byte pair vocabulary as llama.cpp reads it: tokens in printable characters, merges, and the name of the pattern."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from hornbook.errors import UserError
from hornbook.tokenizers._added_tokens import takes_more
from hornbook.tokenizers._merges import parents
from hornbook.tokenizers.base import Tokenizer
from hornbook.tokenizers.bpe import BPE

NORMAL, CONTROL, USER_DEFINED, UNUSED = 1, 3, 4, 5  # llama.cpp's types of tokens
NEVER_IN_TEXT = b"\xff"
PATTERNS = ("gpt-2", "llama-bpe", "qwen2")  # whose names llama.cpp knows, with the same meaning
TAKES_WHOLE_PIECES = {"llama-bpe"}  # the patterns with which llama.cpp takes a piece that is a token without its merges


@dataclass(frozen=True)
class Vocabulary:
    """One token and type an id, as many as the model has rows; `ids` are those of the roles bos, eos and pad."""

    tokens: list[str]
    types: list[int]
    merges: list[str]
    pattern: str
    ids: dict[str, int]
    notes: list[str] = field(default_factory=list)
    scores: list[float] = field(default_factory=list)  # of SentencePiece's: what is higher is merged first
    space_first: bool = False  # of SentencePiece's: whether a space is put before a text


def translate(tokenizer: Tokenizer, vocab_size: int) -> Vocabulary:
    """The vocabulary of a model with `vocab_size` ids. Errors: `UserError` saying why llama.cpp can't hold it."""
    if not isinstance(tokenizer, BPE):
        raise _no_counterpart(tokenizer)
    _require_same_ids(tokenizer)
    model = tokenizer.to_json()["model"]
    names = {token_id: (text, NORMAL) for text, token_id in model["vocab"].items()}
    names |= special_names(tokenizer)
    free = free_names({text for text, _ in names.values()})
    rows = [names.get(token_id) or (next(free), UNUSED) for token_id in range(vocab_size)]
    return Vocabulary(
        tokens=[text for text, _ in rows],
        types=[kind for _, kind in rows],
        merges=model["merges"],
        pattern=tokenizer.parts.pattern,
        ids=_role_ids(tokenizer),
        notes=_notes(tokenizer),
    )


def _notes(tokenizer: BPE) -> list[str]:
    notes = []
    if tokenizer.parts.compose:
        notes.append(
            "llama.cpp doesn't compose text (NFC) as this tokenizer does: an accent typed by itself gets other ids there"
        )
    notes += taking_notes(tokenizer)
    if tokenizer.end_of_text is None:
        notes.append("the vocabulary has no <|endoftext|>: llama.cpp will write until it is told to stop")
    return notes


def _no_counterpart(tokenizer: Tokenizer) -> UserError:
    return UserError(
        f"a {tokenizer.kind} tokenizer can't be exported: llama.cpp has no such kind",
        hint="train with data.tokenizer = 'bpe'",
    )


def _require_same_ids(tokenizer: BPE) -> None:
    """Raise `UserError` where llama.cpp would read the same vocabulary and give other ids."""
    parts = tokenizer.parts
    if parts.pattern not in PATTERNS:
        raise UserError(f"llama.cpp doesn't know the pattern '{parts.pattern}'", choices=PATTERNS)
    if not parts.merges:
        raise UserError("the vocabulary has no merges, and llama.cpp reads none without", hint="train a larger one")
    if parts.whole_pieces != (parts.pattern in TAKES_WHOLE_PIECES):
        try:
            same = parents(parts.tokens) == parts.merges  # then a piece that is a token is what its merges make
        except ValueError:
            same = False
        if not same:
            way = "takes a piece that is a token whole" if not parts.whole_pieces else "always merges"
            raise UserError(f"llama.cpp {way} where the pattern is '{parts.pattern}', this tokenizer doesn't")


def special_names(tokenizer: Tokenizer) -> dict[int, tuple[str, int]]:
    """Special tokens are read from text only where a program asks for it; other added ones always."""
    added = tokenizer.to_json()["added_tokens"]
    return {token["id"]: (token["content"], CONTROL if token.get("special") else USER_DEFINED) for token in added}


def taking_notes(tokenizer: Tokenizer) -> list[str]:
    """What is to be said of special tokens with flags, of which a GGUF knows nothing."""
    names = takes_more(tokenizer.added_tokens)
    if not names:
        return []
    more = f" and {len(names) - 1} more" if len(names) > 1 else ""
    return [f"llama.cpp finds '{names[0]}'{more} by the name alone, without the flags lstrip, rstrip and single_word"]


def free_names(taken: set[str]) -> Iterator[str]:
    """Names for ids that stand for no text: llama.cpp wants all to differ."""
    number = 0
    while True:
        if (name := f"<|unused-{number}|>") not in taken:
            yield name
        number += 1


def _role_ids(tokenizer: BPE) -> dict[str, int]:
    """A text begins after what ends the one before it, as in our own data, unless there is a token for beginnings.

    Without any end llama.cpp would take the token 11, whatever it is. Then a byte that no UTF-8 text holds is named.
    """
    found = {role: tokenizer.special_id(f"{role}_token") for role in ("bos", "eos", "pad")}
    ids = {role: token_id for role, token_id in found.items() if token_id is not None}
    end = ids.get("eos", tokenizer.parts.tokens[NEVER_IN_TEXT])
    return {"bos": end, "eos": end, **ids}
