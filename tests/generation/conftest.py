"""A tiny model of each kind, and tokenizers of each kind of text."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Self

import pytest
import torch

from hornbook.generation.generate import LanguageModel
from hornbook.models.base import Model
from hornbook.models.gpt import GPT, GPTConfig
from hornbook.models.llama import Llama, LlamaConfig
from hornbook.tokenizers.base import Tokenizer
from hornbook.tokenizers.character import Character
from hornbook.tokenizers.word import Word

TEXT = "The quick brown fox, it jumps over the lazy dog; so it does. Größe: 5 €!\n"


class Bytes(Tokenizer):
    """Ids are bytes, and 256 ends a text: the smallest tokenizer that cuts characters."""

    kind = "bytes"
    special_tokens = {"<|endoftext|>": 256}  # noqa: RUF012
    vocab_size = 257

    def encode_ordinary(self, text: str) -> list[int]:
        return list(text.encode())

    def decode_bytes(self, ids: Iterable[int]) -> bytes:
        return b"".join(b"<|endoftext|>" if token == 256 else bytes([token]) for token in ids)

    def token_text(self, token_id: int) -> str:
        return self.decode([token_id])

    @classmethod
    def train(cls, texts: Iterable[str], *, vocab_size: int | None = None, special_tokens: Sequence[str] = ()) -> Self:
        return cls()

    def to_json(self) -> dict[str, Any]:
        return {}

    @classmethod
    def recognises(cls, document: Mapping[str, Any]) -> bool:
        return False

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Self:
        return cls()


def tiny(kind: str, vocab_size: int, context_length: int = 16) -> Model:
    """A model with random weights that are large enough for greedy choices to be clear."""
    generator = torch.Generator().manual_seed(1)
    sizes = {
        "vocab_size": vocab_size,
        "context_length": context_length,
        "num_layers": 2,
        "num_heads": 2,
        "embed_dim": 16,
    }
    model: Model = GPT(GPTConfig(**sizes), generator) if kind == "gpt" else Llama(LlamaConfig(**sizes), generator)
    with torch.no_grad():
        for weight in model.parameters():
            if weight.ndim == 2:
                weight.mul_(10)
    return model.eval()


@pytest.fixture(params=["gpt", "llama"])
def model(request: pytest.FixtureRequest) -> Model:
    """A tiny GPT and a tiny Llama: context 16, vocabulary 257."""
    return tiny(request.param, 257)


@pytest.fixture
def model_of() -> Callable[..., Model]:
    """`model_of(kind, vocab_size, context_length=16)`."""
    return tiny


def _language_model(kind: str) -> LanguageModel:
    tokenizers: dict[str, Callable[[], Tokenizer]] = {
        "bytes": Bytes,
        "character": lambda: Character.train([TEXT]),
        "word": lambda: Word.train([TEXT]),
    }
    tokenizer = tokenizers[kind]()
    return LanguageModel(tiny("llama", tokenizer.vocab_size), tokenizer)


@pytest.fixture(params=["bytes", "character", "word"])
def language_model(request: pytest.FixtureRequest) -> LanguageModel:
    """A tiny Llama over bytes, characters and words."""
    return _language_model(request.param)


@pytest.fixture
def language_model_of() -> Callable[[str], LanguageModel]:
    """`language_model_of("bytes" | "character" | "word")`."""
    return _language_model


@pytest.fixture(scope="session")
def some_tokenizers() -> list[Tokenizer]:
    """One tokenizer over bytes, characters and words each."""
    return [Bytes(), Character.train([TEXT]), Word.train([TEXT]), Word.train([TEXT], split="whitespace")]
