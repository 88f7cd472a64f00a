"""What another context does to a model: its loss on one text before and after, by how far into a window a token stands."""

import math
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from hornbook.batches.dataset import is_dataset, open_dataset
from hornbook.batches.windows import IGNORED, Windows
from hornbook.commands.base import talk
from hornbook.errors import UserError
from hornbook.layers.evaluating import evaluating
from hornbook.models.base import Model
from hornbook.text.reading import read_documents
from hornbook.tokenizers.base import Tokenizer, tokenizer_hash

MOST_TOKENS = 1 << 17  # of a text: enough for two digits of the loss
MOST_LOGITS = 1 << 26  # numbers (256 MB) that one batch may produce


@dataclass(frozen=True)
class Texts:
    """The tokens that are read before and after, and both lengths of the context."""

    tokens: np.ndarray
    old: int
    new: int

    @staticmethod
    def read(data: Path, tokenizer: Tokenizer, model: Model, new: int | None) -> "Texts":
        """A dataset folder's validation part, or a text. Errors: `UserError` where it is too short, or not the model's."""
        assert new is not None
        if is_dataset(data):
            dataset = open_dataset(data)
            if tokenizer_hash(dataset.tokenizer) != tokenizer_hash(tokenizer):
                hint = "prepare the text again with the model's tokenizer.json"
                raise UserError(f"the dataset '{data}' was made with another tokenizer than the model's", hint=hint)
            tokens = dataset.val[:MOST_TOKENS]
        else:
            tokens = _tokens_of(data, tokenizer)
        old = model.config.context_length
        Windows(tokens, max(old, new), name=f"'{data}'")  # refuses what is shorter than one window
        return Texts(tokens, old, new)


@dataclass(frozen=True)
class Effect:
    """Mean losses in nats a token: of all tokens, and of those at a range of positions in their window."""

    tokens: int
    means: dict[str, float]  # "before", "after, N tokens", ...
    ranges: dict[str, dict[str, float]]  # the same keys -> "0-63" -> loss

    def facts(self) -> dict[str, Any]:
        """For JSON and the model card, rounded."""
        rounded = {
            name: {place: round(loss, 4) for place, loss in found.items()} for name, found in self.ranges.items()
        }
        perplexities = {name: round(math.exp(min(loss, 700.0)), 4) for name, loss in self.means.items()}
        return {"tokens": self.tokens, "perplexity": perplexities, "loss": rounded}

    def lines(self) -> list[str]:
        """A table, a row for each range of positions and a column for each way of reading."""
        names = list(self.means)
        rows = max(([*found] for found in self.ranges.values()), key=len)
        width = max(map(len, ["perplexity", *rows]))
        table = [" " * width + "".join(f"{name:>20}" for name in names)]
        cells = [f"{math.exp(min(self.means[name], 700.0)):>20,.2f}" for name in names]
        table.append(f"{'perplexity':{width}}" + "".join(cells))
        for place in rows:
            losses = [self.ranges[name].get(place) for name in names]
            table.append(f"{place:{width}}" + "".join(f"{'' if x is None else format(x, '.4f'):>20}" for x in losses))
        return [f"read: {self.tokens:,} tokens; below, the loss (nats) by place in the window", *table]


def measure(texts: Texts, before: Model, after: Model) -> Effect:
    """Read the same tokens with the old model, and with the new one in windows of the old length and of its own."""
    old, new = texts.old, texts.new
    reads = {f"before ({old})": (before, old)}
    reads |= {f"after ({old})": (after, old)} if new > old else {}
    reads |= {f"after ({new})": (after, new)}
    found = {name: _by_place(model, texts.tokens, length) for name, (model, length) in reads.items()}
    edges = _edges(min(old, new), max(old, new))
    means = {name: float(sums.sum() / counts.sum()) for name, (sums, counts) in found.items()}
    ranges = {name: _in_ranges(sums, counts, edges) for name, (sums, counts) in found.items()}
    return Effect(len(texts.tokens), means, ranges)


def _tokens_of(data: Path, tokenizer: Tokenizer) -> np.ndarray:
    """The first tokens of a file or folder of texts, its documents parted as in a dataset."""
    mark = [tokenizer.end_of_text] if tokenizer.end_of_text is not None else []
    ids: list[int] = []
    for document in read_documents([data], notify=talk):
        ids += [*mark, *tokenizer.encode(document.text)] if ids else tokenizer.encode(document.text)
        if len(ids) >= MOST_TOKENS:
            break
    return np.array(ids[:MOST_TOKENS], dtype=np.int64)


def _by_place(model: Model, tokens: np.ndarray, length: int) -> tuple[np.ndarray, np.ndarray]:
    """The sum of losses at each place of a window and how many there were, (T,) each."""
    rows = max(1, MOST_LOGITS // (length * model.config.vocab_size))
    sums, counts = torch.zeros(length, dtype=torch.float64), torch.zeros(length, dtype=torch.int64)
    with evaluating(model):
        for inputs, targets in Windows(tokens, length, padded=True).every_batch(min(rows, 64)):
            logits = model(inputs).float().transpose(1, 2)  # (B, V, T)
            sums += F.cross_entropy(logits, targets, ignore_index=IGNORED, reduction="none").double().sum(0)
            counts += (targets != IGNORED).sum(0)
    return sums.numpy(), counts.numpy()


def _edges(short: int, long: int) -> list[int]:
    """Where ranges of positions begin and end: quarters of the shorter context, then doubling; 64, 256 -> 0 16 32 64 128 256."""
    edges = sorted({0, short // 4, short // 2, short})
    while edges[-1] < long:
        edges.append(min(2 * edges[-1], long))
    return edges


def _in_ranges(sums: np.ndarray, counts: np.ndarray, edges: list[int]) -> dict[str, float]:
    ranges = {f"{start}-{end - 1}": slice(start, end) for start, end in pairwise(edges) if start < len(sums)}
    return {name: float(sums[part].sum() / counts[part].sum()) for name, part in ranges.items() if counts[part].sum()}
