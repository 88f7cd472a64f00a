"""How surprised a model is by the validation text: loss, perplexity, bits per character and per byte.

B batch, T sequence, V vocabulary.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice
from typing import ClassVar

from torch import Tensor

from hornbook.batches.dataset import Dataset
from hornbook.batches.token_file import Tokens
from hornbook.batches.windows import Windows
from hornbook.errors import UserError
from hornbook.evaluation.base import Evaluation, Findings
from hornbook.generation.generate import LanguageModel
from hornbook.generation.text_stream import TextStream
from hornbook.layers.loss import mean_over_batches
from hornbook.models.base import Model
from hornbook.tokenizers.base import Tokenizer, tokenizer_hash

MOST_LOGITS = 1 << 26  # numbers (256 MB) that one batch may produce
MOST_ROWS = 64
CHUNK = 1 << 16  # tokens decoded at once


@dataclass(frozen=True)
class Perplexity(Evaluation):
    """Over every token of the validation part but the first, each counted once, in windows side by side.

    Tokens differ between tokenizers, so models with different ones are compared by bits per character or byte of the
    same text. <|endoftext|> has no characters, but predicting it counts. A tokenizer that loses something is measured
    on the text that it kept.
    """

    description: ClassVar[str] = "loss, perplexity and bits per character over the validation part"

    def reason_to_skip(self, language_model: LanguageModel, dataset: Dataset | None) -> str | None:
        """There is no dataset, or nothing in its validation part."""
        if dataset is None:
            return "no dataset; name one with --data"
        return None if len(dataset.val) >= 2 else f"the validation part has {len(dataset.val)} tokens"

    def run(self, language_model: LanguageModel, dataset: Dataset | None) -> Findings:
        """The numbers. Errors: `UserError` where the dataset was made with another tokenizer, or is too short."""
        assert dataset, "perplexity needs a dataset"
        tokenizer, model = language_model.tokenizer, language_model.model
        if tokenizer_hash(tokenizer) != tokenizer_hash(dataset.tokenizer):
            raise UserError(
                f"the dataset '{dataset.folder}' was made with another tokenizer than the model's",
                hint="prepare the text again with the model's tokenizer.json",
            )
        windows = Windows(dataset.val, language_model.config.context_length, padded=True, name="the validation part")
        rows = MOST_LOGITS // (language_model.config.context_length * language_model.config.vocab_size)
        loss, count = evaluate_loss(model, windows.every_batch(min(MOST_ROWS, max(1, rows))))
        characters, num_bytes = text_size(tokenizer, dataset.val)
        bits = loss * count / math.log(2)
        return Findings(
            {
                "loss (nats per token)": loss,
                "perplexity": math.exp(min(loss, 700.0)),  # e^710 is no number any more
                "bits per character": bits / max(1, characters),
                "bits per byte": bits / max(1, num_bytes),
                "tokens": count,
            }
        )


def evaluate_loss(
    model: Model, batches: Iterable[tuple[Tensor, Tensor]], num_batches: int | None = None
) -> tuple[float, int]:
    """Mean loss of all supervised tokens, in nats, and their count: (inputs (B, T), targets (B, T)) batches.

    As `mean_over_batches`; only the first `num_batches` are read, where given.
    """
    return mean_over_batches(model, islice(batches, num_batches))


def text_size(tokenizer: Tokenizer, tokens: Tokens) -> tuple[int, int]:
    """Characters and UTF-8 bytes of the text behind all tokens but the first, special tokens not counted."""
    special = set(tokenizer.special_tokens.values())
    stream = TextStream(tokenizer, tokens[:1].tolist())
    characters = num_bytes = 0
    for start in range(1, len(tokens), CHUNK):
        text = stream.push(*(token for token in tokens[start : start + CHUNK].tolist() if token not in special))
        characters += len(text)
        num_bytes += len(text.encode())
    return characters, num_bytes
