"""A tiny language model over characters, and a stand-in for a dataset folder."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from hornbook.generation.generate import LanguageModel
from hornbook.models.llama import Llama, LlamaConfig
from hornbook.tokenizers.base import Tokenizer
from hornbook.tokenizers.character import Character
from hornbook.village.stories import document, stories

TEXT = "Größe: 5 €, the fox said.\n" * 9


@dataclass
class Held:
    """What evaluations read of a dataset."""

    tokenizer: Tokenizer
    val: np.ndarray
    folder: Path = field(default_factory=lambda: Path("data/held"))
    info: dict[str, Any] = field(default_factory=lambda: {"made_from": {"source": {"corpus": "village"}}})


@pytest.fixture
def characters() -> LanguageModel:
    """A Llama with random weights, context 16."""
    tokenizer = Character.train([TEXT])
    config = LlamaConfig(vocab_size=tokenizer.vocab_size, context_length=16, num_layers=1, num_heads=2, embed_dim=8)
    return LanguageModel(Llama(config, torch.Generator().manual_seed(1)), tokenizer)


@pytest.fixture
def held(characters: LanguageModel) -> Held:
    """The text in that model's tokens, with one end of text inside."""
    ids = characters.tokenizer.encode(TEXT)
    end = characters.tokenizer.end_of_text
    return Held(characters.tokenizer, np.array([*ids[:100], end, *ids[100:]], dtype=np.uint16))


@pytest.fixture(scope="session")
def villager() -> LanguageModel:
    """A tiny Llama that can read the village's stories, and knows nothing."""
    letters = "".join(document(story) for part in ("train", "test") for story in stories(0, 200, part))
    tokenizer = Character.train([letters])
    config = LlamaConfig(vocab_size=tokenizer.vocab_size, context_length=1024, num_layers=1, num_heads=2, embed_dim=8)
    return LanguageModel(Llama(config, torch.Generator().manual_seed(1)), tokenizer)
