"""How far a measured number can be trusted: 95 % intervals, Student's t, and what the spread over seeds allows.

Student 1908, "The probable error of a mean"; Welch 1947 for two groups whose spreads differ; Wilson 1927 for shares.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from statistics import mean, stdev, variance

import numpy as np

CONFIDENCE = 0.95
NORMAL = 1.959964  # what Student's t becomes for many degrees of freedom
MANY = 1000  # degrees of freedom from which on it has


@dataclass(frozen=True)
class Interval:
    """A value (a difference, a share, a mean) and the 95 % interval around it."""

    value: float
    low: float
    high: float

    @property
    def is_clear(self) -> bool:
        """Of a difference: whether 0, no difference at all, lies outside."""
        return self.low > 0 or self.high < 0

    def reversed(self) -> "Interval":
        """The same difference seen from the other side: b - a -> a - b."""
        return Interval(-self.value, -self.high, -self.low)


def wilson(total: float, count: int) -> Interval:
    """The mean of `count` scores between 0 and 1 that sum to `total`, 1 or more of them: 8, 10 -> 0.8, 0.49 to 0.943.

    Wilson's interval of a share of yes and no. No other scores in this range spread further about the same mean, so
    for partial ones, such as F1, it errs to the wide side; and it never shrinks to nothing where all are alike.
    """
    share, square = total / count, NORMAL**2
    centre = (share + square / (2 * count)) / (1 + square / count)
    reach = NORMAL * math.sqrt(share * (1 - share) / count + square / (4 * count**2)) / (1 + square / count)
    return Interval(share, max(0.0, centre - reach), min(1.0, centre + reach))


@cache
def student_t(freedom: float) -> float:
    """How many standard errors a 95 % interval reaches to each side: 1 degree of freedom -> 12.706, 30 -> 2.042.

    Found by halving, with the density summed by Simpson's rule. At least 1 degree is taken.
    """
    freedom = max(1.0, freedom)
    if freedom > MANY:
        return NORMAL
    low, high = NORMAL, 13.0
    while high - low > 1e-7:
        middle = (low + high) / 2
        low, high = (middle, high) if _within(middle, freedom) < CONFIDENCE else (low, middle)
    return (low + high) / 2


def _within(reach: float, freedom: float) -> float:
    """The probability that Student's t lies within `reach` of 0."""
    points = np.linspace(0.0, reach, 2001)
    scale = math.exp(math.lgamma((freedom + 1) / 2) - math.lgamma(freedom / 2)) / math.sqrt(freedom * math.pi)
    density = scale * (1 + points**2 / freedom) ** (-(freedom + 1) / 2)
    weights = np.where(np.arange(len(points)) % 2, 4.0, 2.0)
    weights[[0, -1]] = 1.0
    return 2 * float(weights @ density) * reach / (len(points) - 1) / 3


def welch(reference: Sequence[float], other: Sequence[float]) -> Interval:
    """mean(other) - mean(reference) of two groups of two or more, each with a spread of its own, as an interval.

    The degrees of freedom are Welch and Satterthwaite's.
    """
    parts = [(variance(group) / len(group), len(group)) for group in (reference, other)]
    total, difference = sum(part for part, _ in parts), mean(other) - mean(reference)
    if total == 0:
        return Interval(difference, difference, difference)
    freedom = total**2 / sum(part**2 / (count - 1) for part, count in parts)
    reach = student_t(freedom) * math.sqrt(total)
    return Interval(difference, difference - reach, difference + reach)


def smallest_difference(values: Sequence[float]) -> float:
    """How far the means of two groups like this one must lie apart for a 95 % interval that leaves out 0.

    Both groups have as many values, two or more, and about this spread: t(2n - 2) * s * sqrt(2 / n).
    """
    count = len(values)
    return student_t(2 * count - 2) * stdev(values) * math.sqrt(2 / count)
