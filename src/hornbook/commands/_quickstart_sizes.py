"""Which sizes a quickstart takes: every one follows from the amount of text."""

import math

from hornbook.batches.dataset import Dataset
from hornbook.config import Layer

SMALLEST_VOCABULARY, LARGEST_VOCABULARY = 512, 4096
LONGEST_CONTEXT = 256
TOKENS_A_STEP = 2048


def vocabulary_for(characters: int) -> int:
    """About the square root of the text's length, a power of two: 20 kB -> 512, 1 MB -> 1,024, 5 MB -> 2,048.

    Each token of such a vocabulary occurs often enough to be learned (Heaps' law: a text's words grow as its root).
    """
    power = 1 << round(math.log2(math.sqrt(max(1, characters))))
    return min(LARGEST_VOCABULARY, max(SMALLEST_VOCABULARY, power))


def context_for(num_tokens: int) -> int:
    """A power of two of which the text has at least eight windows: 1,000 tokens -> 64, 5,000 -> 256."""
    return max(2, min(LONGEST_CONTEXT, 1 << int(math.log2(max(2, num_tokens / 8)))))


def is_little(dataset: Dataset) -> bool:
    """Whether the training will read the text many times over, so that remembering it is a danger."""
    return len(dataset.train) < 300_000


def bigram_layer(dataset: Dataset) -> Layer:
    """The settings of the bigram run: a table is convex to train, so a high rate and no decay find its minimum."""
    context = context_for(len(dataset.train))
    return {
        "model": {"kind": "bigram", "context_length": context},
        "optimizer": {"kind": "adamw", "learning_rate": 0.1 if is_little(dataset) else 0.3, "weight_decay": 0.0},
        "schedule": {"kind": "warmup_stable_decay", "decay_fraction": 0.5, "final_fraction": 0.0},
        "training": {"batch_size": max(1, 4 * TOKENS_A_STEP // context), "clip": None, "patience": 2},
    }


def gpt_layer(dataset: Dataset) -> Layer:
    """The settings of the GPT run: Qwen3's architecture, small, with Muon; dropout where the text will be read often."""
    context = context_for(len(dataset.train))
    return {
        "model": {
            "kind": "llama",
            "num_layers": 4,
            "num_heads": 4,
            "embed_dim": 128,
            "context_length": context,
            "dropout": 0.1 if is_little(dataset) else 0.0,
            "tied_output": False,
        },
        "optimizer": {"kind": "muon", "learning_rate": 0.007, "adamw_learning_rate": 0.004, "weight_decay": 0.1},
        "schedule": {"kind": "warmup_stable_decay", "warmup_steps": 20, "decay_fraction": 0.5, "final_fraction": 0.0},
        "training": {"batch_size": max(1, TOKENS_A_STEP // context), "clip": 1.0, "patience": 2},
    }
