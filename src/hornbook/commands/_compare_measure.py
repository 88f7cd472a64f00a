"""Measuring for `hornbook compare`: every model reads the same text, then each difference gets its intervals.

sides -> the shared text in pieces -> losses of every piece (models, pieces) -> bootstrap -> differences with verdicts
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Literal

import numpy as np

import hornbook
from hornbook.batches.dataset import Dataset
from hornbook.commands._compare_sides import HINT, Side, Trained, split_of
from hornbook.commands.base import talk
from hornbook.errors import UserError
from hornbook.evaluation._held_out import HeldOut, token_losses
from hornbook.evaluation._intervals import Interval, welch
from hornbook.evaluation._resampling import Resampled, resample
from hornbook.evaluation._shared_pieces import Pieces, shared_pieces
from hornbook.tokenizers.base import load_tokenizer, tokenizer_hash

Verdict = Literal["better", "worse", "no difference", "identical", "too little text"]


@dataclass(frozen=True)
class Difference:
    """The loss of side `other` less that of `reference`: over the text and, for two groups of seeds, over the seeds."""

    reference: int
    other: int
    text: Interval
    seeds: Interval | None
    enough: bool

    @property
    def verdict(self) -> Verdict:
        """What may be said of `other`. A difference must be clear both over the text and over the seeds, where known."""
        if self.text.low == self.text.high == 0:
            return "identical"
        if not self.enough:
            return "too little text"
        if not all(interval.is_clear for interval in (self.text, self.seeds) if interval):
            return "no difference"
        return "better" if self.text.value < 0 else "worse"

    def reversed(self) -> "Difference":
        """The same from the other side."""
        seeds = self.seeds.reversed() if self.seeds else None
        return Difference(self.other, self.reference, self.text.reversed(), seeds, self.enough)


@dataclass(frozen=True)
class Comparison:
    """All that was found: the losses of each side (of each of its seeds) and the difference of every two sides."""

    sides: list[Side]
    pieces: Pieces
    resampled: Resampled
    losses: list[list[float]]
    differences: dict[tuple[int, int], Difference]
    parameters: list[int]
    strangers: list[str]  # which learned from another dataset than the one that all have read

    @property
    def order(self) -> list[int]:
        """The sides, the lowest loss first."""
        return sorted(range(len(self.sides)), key=lambda side: float(self.resampled.means[side]))

    def difference(self, reference: int, other: int) -> Difference:
        """Any two sides."""
        found = self.differences.get((reference, other))
        return found or self.differences[other, reference].reversed()

    @property
    def told(self) -> list[Difference]:
        """What a reader asks for: each side against the first; of more than two also the best against the next."""
        best, *rest = self.order
        found = [self.difference(0, side) for side in self.order if side]
        if 0 not in (best, rest[0]):
            found.insert(0, self.difference(rest[0], best))
        return found


def measure(sides: Sequence[Side], data: Dataset | None, device: str) -> Comparison:
    """Let every model read the same validation text: that of `data`, else the one that all of them have.

    Errors: `UserError` where they have different texts, or one of them doesn't fit the text.
    """
    datasets = [data or side.first.dataset(side.name) for side in sides]
    texts = _texts(sides, datasets, data is not None)
    pieces = shared_pieces(texts)
    sums, losses, parameters = [], [], []
    for side in sides:
        found = [_read(side, trained, texts[side.name], pieces, device) for trained in side.trained]
        rows = [row for row, _ in found]
        sums.append(np.mean(rows, axis=0))
        losses.append([float(row.sum() / pieces.sizes.sum()) for row in rows])
        parameters.append(found[0][1])
    resampled = resample(np.stack(sums), pieces.sizes, independent=pieces.are_documents)
    strangers = [side.name for side in sides if data and side.first.split != split_of(data.info)]
    return Comparison(list(sides), pieces, resampled, losses, _differences(resampled, losses), parameters, strangers)


def _texts(sides: Sequence[Side], datasets: Sequence[Dataset], given: bool) -> dict[str, HeldOut]:
    """What each side reads; a text that several have in common is opened once."""
    opened: dict[object, HeldOut] = {}
    texts = {}
    for side, dataset in zip(sides, datasets, strict=True):
        place = dataset.folder.resolve()
        held = opened.setdefault(place, opened.get(place) or HeldOut.of(dataset))
        if given:
            tokenizer = load_tokenizer(side.first.model)
            kind = (place, tokenizer_hash(tokenizer))
            held = opened.setdefault(kind, opened.get(kind) or held.in_tokens_of(tokenizer))
        texts[side.name] = held
    return texts


def _read(side: Side, trained: Trained, text: HeldOut, pieces: Pieces, device: str) -> tuple[np.ndarray, int]:
    """The loss of each piece (S,) of one model, and its number of parameters."""
    talk(f"reading the validation text with {trained.model}")
    model = hornbook.load(str(trained.model), device)
    if tokenizer_hash(model.tokenizer) != tokenizer_hash(text.tokenizer):
        raise UserError(f"the dataset of '{side.name}' was made with another tokenizer than the model's", hint=HINT)
    row = pieces.sums(side.name, token_losses(model, text.tokens))
    if not np.isfinite(row).all():
        raise UserError(f"the loss of '{trained.model}' is no number", hint="its weights are damaged: train anew")
    return row, model.model.num_parameters()


def _differences(resampled: Resampled, losses: Sequence[Sequence[float]]) -> dict[tuple[int, int], Difference]:
    found = {}
    for one, other in combinations(range(len(losses)), 2):
        groups = len(losses[one]) > 1 and len(losses[other]) > 1
        seeds = welch(losses[one], losses[other]) if groups else None
        text = resampled.difference(one, other)
        found[one, other] = Difference(one, other, text, seeds, resampled.is_enough)
    return found
