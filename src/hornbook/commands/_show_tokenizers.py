"""The tokenizers that `hornbook show` compares: learned from the text itself, ours, and the public ones."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hornbook.tokenizers.base import Tokenizer

NAMES = ("character", "word", "bpe", "gpt2", "cl100k_base")
PUBLIC = ("gpt2", "cl100k_base")
VILLAGE_CHARACTERS, VILLAGE_VOCABULARY = 300_000, 2048  # learned in a tenth of a second, so it is kept nowhere


@dataclass(frozen=True)
class Choice:
    """A tokenizer under the name it was asked for, and where its vocabulary is from; or why it isn't here."""

    name: str
    origin: str
    tokenizer: "Tokenizer | None" = None
    missing: str | None = None


def require_known(names: Iterable[str]) -> None:
    """Errors: `UserError` for a name that is no tokenizer and no path, before anything is loaded."""
    from hornbook.errors import unknown

    for name in names:
        if name not in NAMES and not Path(name).exists():
            raise unknown("tokenizer", name, [*NAMES, "the path of a tokenizer.json"])


def choose(name: str, text: str, model: Path | None) -> Choice:
    """The tokenizer of a name. Public ones that can't be had come back with the reason in `missing`.

    Errors: `UserError` for a tokenizer.json that can't be read.
    """
    from hornbook.errors import UserError
    from hornbook.tokenizers.base import load_tokenizer, named_tokenizer

    match name:
        case "character" | "word":
            return Choice(name, "learned from this text", learned(name, [text]))
        case "bpe" if model is None:
            return Choice(name, "learned from the village's stories", village_bpe())
        case "bpe":
            assert model is not None
            tokenizer = load_tokenizer(tokenizer_file(model))
            return Choice(tokenizer.kind, f"of {model}", tokenizer)
        case _ if name in PUBLIC:
            try:
                return Choice(name, "public", named_tokenizer(name))
            except UserError as error:
                return Choice(name, "public", missing=str(error))
    return Choice(name, "from its file", load_tokenizer(name))


def learned(kind: str, texts: Iterable[str], **settings: Any) -> "Tokenizer":
    """A tokenizer of a kind with nothing but the texts' own pieces: no <|endoftext|>."""
    from hornbook.discovery import find

    tokenizer: Tokenizer = find("tokenizers", kind).train(texts, special_tokens=(), **settings)
    return tokenizer


def village_bpe() -> "Tokenizer":
    """A small byte pair vocabulary of 2,048 tokens, always the same, from the built-in stories."""
    from hornbook.corpora.village import Village

    texts = (document.text for document in Village(characters=VILLAGE_CHARACTERS).documents())
    return learned("bpe", texts, vocab_size=VILLAGE_VOCABULARY)


def tokenizer_file(folder: Path) -> Path:
    """The tokenizer.json of a model folder, a run folder or a dataset folder. Errors: `UserError` where none has one."""
    from hornbook.errors import UserError

    if not folder.exists():
        raise UserError(f"no such folder '{folder}'")
    for file in (folder, folder / "tokenizer.json", folder / "model" / "tokenizer.json"):
        if file.is_file():
            return file
    raise UserError(f"'{folder}' has no tokenizer.json", hint="name a model folder, a run folder or a dataset folder")


def num_pieces(tokenizer: "Tokenizer") -> int:
    """How many entries a vocabulary has; <|unk|> of those that were learned here is none."""
    unknown = tokenizer.unknown_id is not None and tokenizer.kind in ("character", "word")
    return tokenizer.vocab_size - int(unknown)
