"""What the user decides when text becomes tokens. (Beside `prepare`, in a file that imports nothing heavy.)"""

from typing import Literal, Self

from pydantic import model_validator

from hornbook.config import Settings
from hornbook.errors import UserError


class PrepareSettings(Settings):
    """How a text becomes a dataset folder; every value decides the result, so a changed one rebuilds it.

    Errors: `UserError` for a fraction or vocabulary size that can't be.
    """

    tokenizer: str = "bpe"
    """A kind to train (bpe, character, word), a ready one (gpt2, cl100k_base), or the path of a tokenizer.json."""
    vocab_size: int | None = None
    """How many tokens a trained vocabulary has; the kind's own default where not given."""
    vocabulary_from: Literal["train", "all"] = "train"
    """The part of the text that a vocabulary is learned from: `all` leaves no word of the validation part unknown, but
    the vocabulary then has seen it."""
    word_split: Literal["book", "whitespace", "blanks"] = "book"
    """Where the word tokenizer cuts: at spaces and punctuation, as the book does, at whitespace only, or as the book but with
    each blank kept as a token of its own."""
    clean: str = "standard"
    """The cleaning recipe."""
    val_fraction: float = 0.1
    """How much of the text is kept for validation, 0 for none (a corpus with a split of its own keeps that)."""
    text_field: str = "text"
    """Which field of a jsonl record, or column of a csv file, is the text."""
    seed: int = 1
    """Chooses the validation documents, and the sample that a tokenizer is trained on."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if not 0 <= self.val_fraction < 1:
            raise UserError(f"val_fraction must be at least 0 and below 1, not '{self.val_fraction}'")
        if self.vocab_size is not None and self.vocab_size < 1:
            raise UserError(f"vocab_size must be at least 1, not '{self.vocab_size}'")
        return self
