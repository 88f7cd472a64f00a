"""Which sizes a quickstart takes: every one follows from the amount of text."""

import math

from hornbook.batches.dataset import Dataset
from hornbook.config import Layer

SMALLEST_VOCABULARY, LARGEST_VOCABULARY = 1024, 4096
LONGEST_CONTEXT = 256
TOKENS_A_STEP = 2048
BIGRAM_TOKENS_A_STEP = 4 * TOKENS_A_STEP
HIGHEST_BIGRAM_RATE = 0.3  # twice as much is worse on every text
MEAN_FACTOR = 0.75  # of the schedule of the bigram: half of the steps at the full rate, then down to 0
READ_ENOUGH = 2  # times that a text can be read before dropout helps


def vocabulary_for(characters: int) -> int:
    """About the square root of the text's length, a power of two: 1 MB -> 1,024, 5 MB -> 2,048; at least 1,024.

    Each token of such a vocabulary occurs often enough to be learned (Heaps' law: a text's words grow as its root).
    A short text takes the same smallest one: with 512 or single characters a minute's model knows less (docs/log.md).
    """
    power = 1 << round(math.log2(math.sqrt(max(1, characters))))
    return min(LARGEST_VOCABULARY, max(SMALLEST_VOCABULARY, power))


def context_for(num_tokens: int) -> int:
    """A power of two of which the text has at least eight windows: 1,000 tokens -> 64, 5,000 -> 256."""
    return max(2, min(LONGEST_CONTEXT, 1 << int(math.log2(max(2, num_tokens / 8)))))


def times_read(dataset: Dataset, steps: int, tokens_a_step: int) -> float:
    """How often a run of so many steps reads the training text."""
    return steps * tokens_a_step / len(dataset.train)


def bigram_rate(dataset: Dataset, steps: int) -> float:
    """The rate at which a bigram's logits get as far from 0 as the text can justify, and no farther.

    A step of AdamW moves a logit by at most the rate, so a run moves it by `rate * MEAN_FACTOR * steps`. A row with
    n examples can't tell a follower that never comes from one of probability 1/n, so ln n is far enough; beyond it
    the table learns the text by heart. What is read for the first time can't be known by heart: then more is safe.
    """
    examples_a_row = max(2.0, len(dataset.train) / dataset.vocab_size)
    reach = math.log(examples_a_row) * (1 + 1 / times_read(dataset, steps, BIGRAM_TOKENS_A_STEP))
    return min(HIGHEST_BIGRAM_RATE, reach / (MEAN_FACTOR * steps))


def bigram_layer(dataset: Dataset, steps: int) -> Layer:
    """The settings of the bigram run: a table is convex to train, so only how far the logits go must be chosen."""
    context = context_for(len(dataset.train))
    return {
        "model": {"kind": "bigram", "context_length": context},
        "optimizer": {"kind": "adamw", "learning_rate": bigram_rate(dataset, steps), "weight_decay": 0.0},
        "schedule": {"kind": "warmup_stable_decay", "decay_fraction": 0.5, "final_fraction": 0.0},
        "training": {"batch_size": max(1, BIGRAM_TOKENS_A_STEP // context), "clip": None, "patience": 2},
    }


def gpt_layer(dataset: Dataset, steps: int) -> Layer:
    """The settings of the GPT run: Qwen3's architecture, small, with Muon; dropout where it would learn by heart."""
    context = context_for(len(dataset.train))
    return {
        "model": {
            "kind": "llama",
            "num_layers": 4,
            "num_heads": 4,
            "embed_dim": 128,
            "context_length": context,
            "dropout": 0.1 if times_read(dataset, steps, TOKENS_A_STEP) > READ_ENOUGH else 0.0,
            "tied_output": False,
        },
        "optimizer": {"kind": "muon", "learning_rate": 0.007, "adamw_learning_rate": 0.004, "weight_decay": 0.1},
        "schedule": {"kind": "warmup_stable_decay", "warmup_steps": 20, "decay_fraction": 0.5, "final_fraction": 0.0},
        "training": {"batch_size": max(1, TOKENS_A_STEP // context), "clip": 1.0, "patience": 2},
    }
