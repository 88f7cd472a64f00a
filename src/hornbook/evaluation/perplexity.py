"""How surprised a model is by a text: loss, perplexity, bits per character and per byte, with 95 % intervals.

B batch, T sequence, V vocabulary, N tokens, S pieces of text.
"""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import islice, pairwise
from typing import ClassVar

import numpy as np
from torch import Tensor

from hornbook.batches.dataset import Dataset
from hornbook.batches.token_file import Tokens
from hornbook.errors import UserError
from hornbook.evaluation._held_out import HeldOut, token_losses
from hornbook.evaluation._resampling import resampled_mean
from hornbook.evaluation._shared_pieces import shared_pieces
from hornbook.evaluation.base import Evaluation, Findings
from hornbook.generation.generate import LanguageModel
from hornbook.generation.text_stream import TextStream
from hornbook.layers.loss import mean_over_batches
from hornbook.models.base import Model
from hornbook.tokenizers.base import Tokenizer, tokenizer_hash

CHUNK = 1 << 16  # tokens decoded at once
HIGHEST = 700.0  # e^710 is no number any more


@dataclass(frozen=True)
class Perplexity(Evaluation):
    """Over every token of a text but the first, each counted once, in windows side by side (or `stride` apart).

    The text is the validation part of the dataset, or `text` where given. Tokens differ between tokenizers, so models
    with different ones are compared by bits per character or byte of the same text. <|endoftext|> has no characters,
    but predicting it counts. A tokenizer that loses something is measured on the text that it kept.
    Intervals: a bootstrap over blocks of neighbouring documents or stretches of text (see `_resampling`).
    """

    description: ClassVar[str] = "loss, perplexity and bits per character over a held-out text"
    text: HeldOut | None = None
    stride: int | None = None

    def reason_to_skip(self, language_model: LanguageModel, dataset: Dataset | None) -> str | None:
        """There is no text, or nothing in the validation part of the dataset."""
        if self.text is not None:
            return None
        if dataset is None:
            return "no dataset; name one with --data"
        return None if len(dataset.val) >= 2 else f"the validation part has {len(dataset.val)} tokens"

    def run(self, language_model: LanguageModel, dataset: Dataset | None) -> Findings:
        """The numbers.

        Errors: `UserError` where the dataset was made with another tokenizer or is too short, or the model is broken.
        """
        text = self.text or _held_out(language_model.tokenizer, dataset)
        tokenizer = text.tokenizer
        losses = token_losses(language_model, text.tokens, self.stride)
        if np.isnan(losses).any():
            raise UserError("the model gives no numbers (nan)", hint="its training failed: use an earlier checkpoint")
        pieces = shared_pieces({"": text})
        characters, num_bytes = piece_sizes(tokenizer, text.tokens, pieces.borders[""])
        sums, bits = pieces.sums("", losses), pieces.sums("", losses / math.log(2))
        counted: dict[str, tuple[np.ndarray, np.ndarray, Callable[[float], float]]] = {
            "loss (nats per token)": (sums, pieces.sizes, float),
            "perplexity": (sums, pieces.sizes, _perplexity),
            "bits per character": (bits, characters, float),
            "bits per byte": (bits, num_bytes, float),
        }
        numbers: dict[str, float] = {}
        intervals = {}
        for name, (total, sizes, turned) in counted.items():
            numbers[name] = turned(float(total.sum()) / max(1.0, float(sizes.sum())))
            interval = resampled_mean(total, sizes, independent=pieces.are_documents) if sizes.all() else None
            if interval is not None:
                intervals[name] = turned(interval.low), turned(interval.high)
        notes = [f"intervals: {pieces} resampled in blocks"] if intervals else []
        if unknown := text.count_unknown():
            notes.append(f"the tokenizer doesn't know {unknown:,} of the tokens, so this is not all of the text")
        return Findings(numbers | {"tokens": len(losses)}, intervals=intervals, notes=notes)


def _held_out(tokenizer: Tokenizer, dataset: Dataset | None) -> HeldOut:
    assert dataset, "perplexity needs a dataset"
    if tokenizer_hash(tokenizer) != tokenizer_hash(dataset.tokenizer):
        raise UserError(
            f"the dataset '{dataset.folder}' was made with another tokenizer than the model's",
            hint="prepare the text again with the model's tokenizer.json",
        )
    return HeldOut.of(dataset)


def _perplexity(loss: float) -> float:
    return math.exp(min(loss, HIGHEST))


def evaluate_loss(
    model: Model, batches: Iterable[tuple[Tensor, Tensor]], num_batches: int | None = None
) -> tuple[float, int]:
    """Mean loss of all supervised tokens, in nats, and their count: (inputs (B, T), targets (B, T)) batches.

    As `mean_over_batches`; only the first `num_batches` are read, where given.
    """
    return mean_over_batches(model, islice(batches, num_batches))


def piece_sizes(tokenizer: Tokenizer, tokens: Tokens, borders: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Characters and UTF-8 bytes (S,) of the pieces between the tokens `borders` (S + 1,), special tokens not counted."""
    special = set(tokenizer.special_tokens.values())
    stream = TextStream(tokenizer, tokens[: int(borders[0])].tolist())
    characters, num_bytes = np.zeros(len(borders) - 1), np.zeros(len(borders) - 1)
    for piece, (start, stop) in enumerate(pairwise(borders.tolist())):
        for first in range(start, stop, CHUNK):
            part = tokens[first : min(first + CHUNK, stop)].tolist()
            text = stream.push(*(token for token in part if token not in special))
            characters[piece] += len(text)
            num_bytes[piece] += len(text.encode())
    return characters, num_bytes


def text_size(tokenizer: Tokenizer, tokens: Tokens) -> tuple[int, int]:
    """Characters and UTF-8 bytes of the text behind all tokens but the first, special tokens not counted."""
    characters, num_bytes = piece_sizes(tokenizer, tokens, np.array([1, len(tokens)]))
    return int(characters.sum()), int(num_bytes.sum())
