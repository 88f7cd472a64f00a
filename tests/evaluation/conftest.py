"""A tiny language model over characters, and a stand-in for a dataset folder."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from hornbook.batches.dataset import DOCUMENTS_FILE
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
    folder: Path
    train: np.ndarray = field(default_factory=lambda: np.empty(0, np.uint16))
    info: dict[str, Any] = field(default_factory=lambda: {"made_from": {"source": {"corpus": "village"}}})


@pytest.fixture
def characters() -> LanguageModel:
    """A Llama with random weights, context 16."""
    tokenizer = Character.train([TEXT])
    config = LlamaConfig(vocab_size=tokenizer.vocab_size, context_length=16, num_layers=1, num_heads=2, embed_dim=8)
    return LanguageModel(Llama(config, torch.Generator().manual_seed(1)), tokenizer)


@pytest.fixture
def held(characters: LanguageModel, tmp_path: Path) -> Held:
    """The text in that model's tokens, with one end of text inside, as one document."""
    record = {"source": "fox.txt", "split": "val", "first_token": 0, "num_tokens": 1, "continues": False}
    (tmp_path / DOCUMENTS_FILE).write_text(json.dumps(record) + "\n")
    ids = characters.tokenizer.encode(TEXT)
    end = characters.tokenizer.end_of_text
    return Held(characters.tokenizer, np.array([*ids[:100], end, *ids[100:]], dtype=np.uint16), tmp_path)


@pytest.fixture(scope="session")
def villager() -> LanguageModel:
    """A tiny Llama that can read the village's stories, and knows nothing."""
    letters = "".join(document(story) for part in ("train", "test") for story in stories(0, 200, part))
    tokenizer = Character.train([letters + "0123456789<|_>#"])
    config = LlamaConfig(vocab_size=tokenizer.vocab_size, context_length=1024, num_layers=1, num_heads=2, embed_dim=8)
    return LanguageModel(Llama(config, torch.Generator().manual_seed(1)), tokenizer)
