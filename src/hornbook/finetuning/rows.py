"""Rows of unequal length as batches of the one training loop: padded, drawn by (seed, step), or read in order.

B rows, T positions of the longest. Padding stands behind a row: causal attention never lets a token see what follows
it, and a target there is -100, so padding changes no number.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, NamedTuple, TypeVar, cast

import numpy as np
import torch
from torch import Tensor, nn

from hornbook.errors import UserError
from hornbook.layers.loss import IGNORED, Batch, hidden_loss
from hornbook.models.base import Model
from hornbook.randomness import key, permute
from hornbook.tokenizers.base import Tokenizer

Item = TypeVar("Item")


class Row(NamedTuple):
    """What the model reads and what it is asked at each position (`IGNORED`: nothing); both of one length."""

    inputs: list[int]
    targets: list[int]


def shifted(tokens: Sequence[int], trained: Sequence[bool]) -> Row:
    """Each token asks for the next one, where that is trained: [1, 2, 3], [no, no, yes] -> [1, 2], [-100, 3]."""
    assert len(tokens) == len(trained), "one mark for each token"
    targets = [token if wanted else IGNORED for token, wanted in zip(tokens, trained, strict=True)]
    return Row(list(tokens[:-1]), targets[1:])


def padding_id(tokenizer: Tokenizer) -> int:
    """The id that fills a row up: [PAD] where there is one, else any that isn't the end of a text.

    Were it the end token, whoever ignores padding in the loss would ignore the end too, and the model never stop.
    """
    pad, end = tokenizer.special_id("pad_token"), tokenizer.end_of_text
    if pad is not None and pad != end:
        return pad
    return 0 if end != 0 else 1


def pad_rows(rows: Sequence[Row], pad_id: int, length: int | None = None) -> Batch:
    """Rows behind each other -> inputs (B, T), filled with `pad_id`, and targets (B, T), filled with -100; int64.

    T is the longest row's length, or `length`, which must be no less.
    """
    longest = max(len(row.inputs) for row in rows)
    width = longest if length is None else length
    assert width >= longest, f"a row of {longest} positions does not fit into {width}"
    inputs = torch.full((len(rows), width), pad_id)
    targets = torch.full((len(rows), width), IGNORED)
    for place, row in enumerate(rows):
        inputs[place, : len(row.inputs)] = torch.tensor(row.inputs)
        targets[place, : len(row.targets)] = torch.tensor(row.targets)
    return inputs, targets


def rows_of_step(step: int, *, seed: int, batch_size: int, num_rows: int) -> np.ndarray:
    """Which rows batch `step` reads, (batch_size,) int64: every row once an epoch, each epoch in its own order.

    A pure function of (seed, step), so a resumed run reads what it would have read. A batch may cross epochs.
    """
    positions = np.arange(step * batch_size, (step + 1) * batch_size, dtype=np.int64)
    epochs, places = positions // num_rows, positions % num_rows
    for epoch in np.unique(epochs).tolist():
        own = epochs == epoch
        places[own] = permute(places[own], num_rows, key(seed, "rows", epoch))
    return places


@dataclass(frozen=True)
class Batches(Generic[Item]):
    """Step -> its microbatches, as the training loop asks for them; `collate` makes a batch of some items.

    >>> batches = Batches(rows, partial(pad_rows, pad_id=0), batch_size=8)
    >>> [(inputs, targets)] = batches(step=0)
    """

    items: Sequence[Item]
    collate: Callable[[Sequence[Item]], Batch]
    batch_size: int
    seed: int = 0
    microbatch_size: int | None = None

    def __call__(self, step: int) -> list[Batch]:
        """The microbatches of `step`. Errors: `UserError` where nothing in them is trained: a loss of nothing is not 0."""
        numbers = rows_of_step(step, seed=self.seed, batch_size=self.batch_size, num_rows=len(self.items))
        size = self.microbatch_size or self.batch_size
        microbatches = list(in_order([self.items[number] for number in numbers], self.collate, size))
        if not any(bool((targets != IGNORED).any()) for _, targets in microbatches):
            raise UserError(f"nothing to learn in the batch of step {step + 1}: no token of it is trained")
        return microbatches


def in_order(items: Sequence[Item], collate: Callable[[Sequence[Item]], Batch], batch_size: int) -> Iterator[Batch]:
    """All items in order, for evaluation; the last batch may be smaller: 149 items, 8 -> 19 batches."""
    for first in range(0, len(items), batch_size):
        yield collate(items[first : first + batch_size])


def answer_loss(model: nn.Module, inputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """The loss of pretraining, for rows of which little is asked: (B, T) each -> (sum in nats, count)."""
    return asked_loss(model, cast(Model, model).hidden(inputs), targets)


def asked_loss(model: nn.Module, hidden: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """The loss from the vectors before the output layer, (B, T, C), which is computed only where something is asked.

    Of a conversation nine tokens in ten are only read, and with a large vocabulary their logits are most of the memory.
    """
    asked = targets != IGNORED
    return hidden_loss(cast(Model, model), hidden[asked], targets[asked])
