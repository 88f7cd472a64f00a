"""Several examples in one row, none of which sees another: less padding, and not a number of the loss changed.

A batch stays the same examples, as padding has them: only where they stand is different. So a packed training takes
the steps that a padded one takes, up to the rounding of sums. B rows, T positions, V vocabulary.
"""

from collections.abc import Sequence
from itertools import accumulate
from typing import cast

import torch
from torch import Tensor, nn

from hornbook.finetuning.rows import Row, asked_loss
from hornbook.layers.loss import IGNORED, Batch
from hornbook.models.base import Model

WIDTHS = 16  # that are tried for a batch; sharing one out takes about 0.1 ms


def shares(lengths: Sequence[int], width: int) -> list[list[int]]:
    """Which items go into one row of `width`: the longest first, each where the least room is left for it.

    [5, 2, 3, 4], 8 -> [[0, 2], [3, 1]]. An item longer than `width` gets a row of its own.
    """
    rows: list[list[int]] = []
    room: list[int] = []
    for item in sorted(range(len(lengths)), key=lambda item: -lengths[item]):
        fitting = [(left, row) for row, left in enumerate(room) if left >= lengths[item]]
        if not fitting:
            rows.append([])
            room.append(width)
        row = min(fitting)[1] if fitting else len(rows) - 1
        rows[row].append(item)
        room[row] -= lengths[item]
    return rows


def width_for(lengths: Sequence[int], most: int) -> int:
    """Of some widths from the longest item up to `most`, the one at which rows of these lengths leave the least padding.

    The narrowest of equals: [5, 2, 3, 4], 8 -> 7, where two rows hold all without a gap.
    """
    longest = max(lengths)
    widths = range(longest, max(longest, most) + 1, max(1, (most - longest) // WIDTHS))

    def positions(width: int) -> int:
        rows = shares(lengths, width)
        return len(rows) * max(sum(lengths[item] for item in row) for row in rows)

    return min(widths, key=positions)


def pack_rows(rows: Sequence[Row], pad_id: int, width: int) -> Batch:
    """Rows side by side -> inputs and targets (B, T) int64, T at most `width` or the longest row; for `packed_loss`.

    In the inputs the first token of each example, and of the padding, stands as -1 - token: there another one begins.
    """
    together = shares([len(row.inputs) for row in rows], width)
    longest = max(sum(len(rows[item].inputs) for item in items) for items in together)
    inputs = torch.full((len(together), longest), pad_id)
    targets = torch.full((len(together), longest), IGNORED)
    for place, items in enumerate(together):
        ends = list(accumulate(len(rows[item].inputs) for item in items))
        begins = [0, *(end for end in ends if end < longest)]
        inputs[place, : ends[-1]] = torch.tensor([token for item in items for token in rows[item].inputs])
        targets[place, : ends[-1]] = torch.tensor([token for item in items for token in rows[item].targets])
        inputs[place, begins] = -1 - inputs[place, begins]
    return inputs, targets


def unpacked(inputs: Tensor) -> tuple[Tensor, Tensor]:
    """The tokens and the number of each token's example, (B, T) each: [[-4, 1, -5]] -> [[3, 1, 4]], [[1, 1, 2]]."""
    begins = inputs < 0
    return torch.where(begins, -1 - inputs, inputs), begins.cumsum(dim=1)


def packed_loss(model: nn.Module, inputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """The loss for the training loop: a batch of `pack_rows` -> (sum over supervised tokens in nats, their count)."""
    tokens, segments = unpacked(inputs)
    return asked_loss(model, cast(Model, model).hidden(tokens, segments=segments), targets)
