"""A vocabulary with more special tokens: every text keeps its ids, the new tokens stand behind all others."""

from collections.abc import Sequence
from typing import Any

from hornbook.errors import UserError
from hornbook.tokenizers._byte_level import is_token
from hornbook.tokenizers._word_level import added_tokens
from hornbook.tokenizers.base import Tokenizer, require_specials
from hornbook.tokenizers.bpe import BPE


def with_special_tokens(tokenizer: Tokenizer, names: Sequence[str]) -> Tokenizer:
    """The same tokenizer with these special tokens too; one that it has already stays where it is.

    New ones get the ids from `vocab_size` on, in the order given: (<|endoftext|> = 300), ["<|user|>"] -> 301.
    Errors: `UserError` for a bad name, or one that is an ordinary token: texts that hold it would lose its meaning.
    """
    wanted = [name for name in require_specials(names) if name not in tokenizer.special_tokens]
    document = tokenizer.to_json()
    for name in wanted:
        if _is_ordinary(tokenizer, document, name):
            raise UserError(
                f"'{name}' is an ordinary token of this vocabulary", hint="choose another name, as <|name|>"
            )
    new = {name: tokenizer.vocab_size + place for place, name in enumerate(wanted)}
    document["added_tokens"] = [*(document.get("added_tokens") or []), *added_tokens(new)]
    if document["model"]["type"] == "WordLevel":  # its vocabulary holds the special tokens as well
        document["model"]["vocab"] |= new
    return type(tokenizer).from_json(document) if new else tokenizer


def _is_ordinary(tokenizer: Tokenizer, document: dict[str, Any], name: str) -> bool:
    return is_token(name, tokenizer.parts.tokens) if isinstance(tokenizer, BPE) else name in document["model"]["vocab"]
