"""Passages of training documents and of held-out ones, and how far a model goes on with them word for word.

N passages, K tokens of prefix, M tokens of continuation, B batch, T sequence, V vocabulary.
"""

from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import torch

from hornbook.batches.dataset import Dataset
from hornbook.errors import UserError
from hornbook.evaluation._held_out import MOST_LOGITS, document_starts
from hornbook.generation.generate import LanguageModel
from hornbook.layers.evaluating import evaluating
from hornbook.randomness import key, permute
from hornbook.text.suffix_search import Suffixes


@dataclass(frozen=True)
class Sizes:
    """Tokens of a prefix and of its continuation."""

    prefix: int = 50
    length: int = 50

    def fitting(self, room: int) -> Self:
        """The same where both fit into `room` tokens, else smaller: 50 and 50 in 64 -> 32 and 32."""
        prefix = min(self.prefix, room // 2)
        return replace(self, prefix=prefix, length=min(self.length, room - prefix))


@dataclass(frozen=True)
class Passages:
    """Rows (N, K + M) of tokens out of training documents and out of held-out ones, cut behind token K.

    `left_out` counts the held-out passages that stand in the training text as well and are no longer among the rows.
    """

    sizes: Sizes
    train: np.ndarray
    held_out: np.ndarray
    left_out: int = 0

    @classmethod
    def draw(cls, language_model: LanguageModel, dataset: Dataset, count: int, sizes: Sizes, seed: int = 0) -> Self:
        """`count` passages of each part, at random places within documents, all different where there are so many.

        Errors: `UserError` where the context or every training document is too short.
        """
        room = language_model.config.context_length - len(language_model.conventions.before)
        places = {split: _lengths(dataset, split) for split in ("train", "val")}
        sizes = sizes.fitting(min(room, int(max(places["train"][1], default=0))))
        if sizes.prefix < 1:
            raise UserError("no training document has two tokens that the model could read")
        train, held_out = (_rows(dataset, split, places[split], count, sizes, seed) for split in places)
        return cls(sizes, train, held_out)

    def without_known(self, index: Suffixes) -> Self:
        """The same without the held-out passages that stand in the training text, of which `index` is."""
        new = [len(index.found(row.tolist())) == 0 for row in self.held_out]
        return replace(self, held_out=self.held_out[np.array(new, bool)], left_out=len(new) - sum(new))


def agreeing(language_model: LanguageModel, rows: np.ndarray, prefix: int) -> np.ndarray:
    """How many tokens the greedy continuation of each prefix has in common with the text (N, K + M), from the first on.

    One pass over the text tells: up to the first token that isn't the likeliest, greedy writing reads the very same.
    Errors: `UserError` where the model gives no numbers.
    """
    model, before, vocab_size = (
        language_model.model,
        language_model.conventions.before,
        language_model.config.vocab_size,
    )
    at_once = max(1, MOST_LOGITS // ((rows.shape[1] - prefix) * vocab_size))
    found, device = [np.empty(0, np.int64)], next(model.parameters()).device
    with evaluating(model):
        for start in range(0, len(rows), min(at_once, 32)):
            part = torch.from_numpy(rows[start : start + min(at_once, 32)]).to(device)
            first = torch.tensor([before], dtype=torch.int64, device=device).expand(len(part), -1)
            hidden = model.hidden(torch.cat([first, part[:, :-1]], dim=1))[:, len(before) + prefix - 1 :]
            logits = model.logits(hidden)[..., : language_model.tokenizer.vocab_size]  # (B, M, V)
            if logits.isnan().any():
                hint = "its training failed: use an earlier checkpoint"
                raise UserError("the model gives no numbers (nan)", hint=hint)
            same = logits.argmax(dim=-1) == part[:, prefix:]
            found.append(same.long().cumprod(dim=-1).sum(dim=-1).cpu().numpy())
    return np.concatenate(found)


def _rows(
    dataset: Dataset, split: str, documents: tuple[np.ndarray, np.ndarray], count: int, sizes: Sizes, seed: int
) -> np.ndarray:
    """Passages (N, K + M) of a split, of whose documents the first tokens and the lengths are given."""
    starts, lengths = documents
    width = sizes.prefix + sizes.length
    places = np.cumsum(np.maximum(0, lengths - width + 1))  # at so many places may a passage begin, up to each document
    total = int(places[-1]) if len(places) else 0
    if total == 0:
        return np.empty((0, width), np.int64)
    lots = permute(np.arange(min(count, total)), total, key(seed, "passages", int(split == "train")))
    drawn = np.searchsorted(places, lots, side="right")
    begins = starts[drawn] + places[drawn] - 1 - lots
    tokens = dataset.train if split == "train" else dataset.val
    return np.stack([tokens[begin : begin + width] for begin in begins.tolist()]).astype(np.int64)


def _lengths(dataset: Dataset, split: str) -> tuple[np.ndarray, np.ndarray]:
    """The first token of each document of a split, and its tokens without the mark behind it."""
    tokens = dataset.train if split == "train" else dataset.val
    starts = document_starts(dataset, split)
    ends = np.append(starts[1:], len(tokens))[: len(starts)]
    mark = dataset.info.get("separator")
    return starts, ends - starts - (mark is not None)
