"""The difference of models that read the same text, and how far it can be trusted: a paired bootstrap over blocks.

Both losses of a piece of text rise and fall together (a hard sentence is hard for every model), so the pieces are
resampled for all models at once: what is left is the spread of the difference. Neighbouring pieces are alike, so whole
blocks of neighbours are drawn (Künsch 1989; closed to a circle: Politis and Romano 1992).

K models, S pieces of text in their order.
"""

import math
from dataclasses import dataclass
from typing import Self

import numpy as np

from hornbook.evaluation._intervals import NORMAL, Interval, student_t
from hornbook.randomness import key

DRAWS = 10_000
DRAWS_OF_ONE = 2000  # for the interval of a single model, which decides nothing
LEAST_BLOCKS = 6  # below it the spread between blocks is itself hardly known
MOST_BLOCKS = 2000  # more only take longer: the blocks are then made longer, which is safe
NUMBERS_AT_ONCE = 1 << 22
MOST_MISSED = 0.5  # of the spread, by blocks that are too short; more is not believed


@dataclass(frozen=True)
class Resampled:
    """The losses of K models over all the text, `means` (K,), and over each text drawn from it, `draws` (D, K)."""

    means: np.ndarray
    draws: np.ndarray
    block_length: int
    blocks: float  # how many independent pieces of text there are, about
    widening: float  # what blocks miss of the likeness of neighbours

    @property
    def is_enough(self) -> bool:
        """Whether there is text enough for an interval that means something."""
        return self.blocks >= LEAST_BLOCKS

    def difference(self, reference: int, other: int) -> Interval:
        """The loss of model `other` less that of `reference`, with the bootstrap's 95 % interval.

        Percentiles, made wider by `widening`, and for few blocks as Student's t is wider than the normal distribution.
        """
        value = float(self.means[other] - self.means[reference])
        low, high = np.quantile(self.draws[:, other] - self.draws[:, reference], [0.025, 0.975]).tolist()
        freedom = max(1.0, self.blocks - 1)
        wider = student_t(freedom) / NORMAL * math.sqrt((freedom + 1) / freedom) * self.widening
        return Interval(value, value + (low - value) * wider, value + (high - value) * wider)


def resample(
    sums: np.ndarray, sizes: np.ndarray, *, independent: bool = False, draws: int = DRAWS, seed: int = 0
) -> Resampled:
    """Losses `sums` (K, S) over pieces of text of `sizes` (S,) -> their means and those over resampled texts.

    A mean is sum / size over all pieces drawn. `independent`: the pieces are documents drawn by lot, so a block may be
    a single one where their losses don't show otherwise.
    """
    means = sums.sum(axis=1) / sizes.sum()
    pieces = len(sizes)
    rest = [row - row_mean * sizes for row, row_mean in zip(sums - sums[0], means - means[0], strict=True)]
    likenesses = [Likeness.of(row) for row in rest]
    least = max(1 if independent else _shortest(pieces), math.ceil(pieces / MOST_BLOCKS))
    length = max(likeness.block_length(least) for likeness in likenesses)
    widening = max(likeness.widening(length) for likeness in likenesses)
    alike = float(sizes.sum() ** 2 / (sizes**2).sum())  # so many equal pieces say as much as these unequal ones
    rows = np.stack([_block_sums(row, length) for row in (*sums, sizes)])
    generator, number = np.random.default_rng(key(seed, "bootstrap")), math.ceil(pieces / length)
    at_once, found = max(1, NUMBERS_AT_ONCE // number), []
    for first in range(0, draws, at_once):
        starts = generator.integers(pieces, size=(min(at_once, draws - first), number))
        totals = [row[starts].sum(axis=1) for row in rows]
        found.append(np.stack([total / totals[-1] for total in totals[:-1]], axis=1))
    return Resampled(means, np.concatenate(found), length, alike / length, widening)


def resampled_mean(
    sums: np.ndarray, sizes: np.ndarray, *, independent: bool = False, draws: int = DRAWS_OF_ONE
) -> Interval | None:
    """The mean of one model's losses, `sums` (S,) over pieces of `sizes` (S,), with its interval; None for little text.

    It is the difference from a model that loses nothing.
    """
    found = resample(np.stack([np.zeros_like(sums), sums]), sizes, independent=independent, draws=draws)
    return found.difference(0, 1) if found.is_enough else None


def _shortest(pieces: int) -> int:
    """The least block that is safe where neighbours may be alike without showing it: it grows as the cube root."""
    return round(1.5 * math.cbrt(pieces))


def _block_sums(row: np.ndarray, length: int) -> np.ndarray:
    """The sum of each block of `length` neighbours, the text closed to a circle: [1, 2, 3], 2 -> [3, 5, 4]."""
    total = np.concatenate([[0.0], np.cumsum(np.concatenate([row, row[: length - 1]]))])
    blocks: np.ndarray = total[length:] - total[:-length]
    return blocks


@dataclass(frozen=True)
class Likeness:
    """How alike neighbours in a row are: `alone`, the variance of one; `spread`, that of the sum of a long row, each.

    `slope` / length is what blocks of that length miss of the spread, as they cut neighbours apart.
    """

    pieces: int
    alone: float = 0.0
    spread: float = 0.0
    slope: float = 0.0

    @classmethod
    def of(cls, row: np.ndarray) -> Self:
        """From a row (S,) of mean 0: products of neighbours, summed up to twice the last lag that stands out from chance.

        Lags count in full up to half of that, then less and less (Politis and Romano 1995).
        """
        pieces = len(row)
        if pieces < 4 or not np.any(row != row[0]):
            return cls(pieces)
        lags = min(pieces - 1, math.ceil(math.sqrt(pieces)) + _run(pieces))
        alike = np.array([row[: pieces - lag] @ row[lag:] for lag in range(lags + 1)]) / pieces
        lag = np.arange(1, 1 + min(lags, max(1, 2 * _last_lag(alike / alike[0], pieces))))
        shared = np.clip(2 * (1 - lag / lag[-1]), 0, 1) * alike[lag]
        alone = float(alike[0])
        return cls(pieces, alone, alone + 2 * float(shared.sum()), 2 * float(lag @ shared))

    @property
    def is_safe(self) -> bool:
        """Whether any block will do: neighbours are strangers, or balance each other as where kinds of text take turns."""
        return self.spread <= self.alone

    def block_length(self, least: int) -> int:
        """How many neighbours make a block, `least` or more.

        Politis and White 2004, corrected by Patton, Politis and White 2009, and half as much again: blocks that are a
        little long err to the wide side.
        """
        if self.is_safe:
            return min(self.pieces, least)
        best = 1.5 * math.cbrt(1.5 * (self.slope / self.spread) ** 2 * self.pieces)
        longest = math.ceil(min(3 * math.sqrt(self.pieces), self.pieces / 3))
        return min(self.pieces, max(least, min(longest, round(best))))

    def widening(self, length: int) -> float:
        """By how much an interval from blocks of `length` is too narrow: 1 where neighbours are strangers."""
        missed = 0.0 if self.is_safe else max(0.0, self.slope / self.spread / length)
        return 1 / math.sqrt(1 - min(missed, MOST_MISSED))


def _run(pieces: int) -> int:
    """So many lags in a row must look like chance."""
    return max(5, round(math.log10(pieces)))


def _last_lag(correlation: np.ndarray, pieces: int) -> int:
    """The last lag before a row of lags whose correlations are no larger than chance makes them; 0 where all are."""
    small = np.abs(correlation[1:]) < 2 * math.sqrt(math.log10(pieces) / pieces)
    run = min(_run(pieces), len(small))
    for first in range(len(small) - run + 1):
        if small[first : first + run].all():
            return first
    return int(np.flatnonzero(~small)[-1]) + 1
