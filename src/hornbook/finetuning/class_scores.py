"""How good a classifier is, from its probabilities and the right classes alone. N texts, K classes.

`probabilities` is (N, K), rows summing to 1; `right` (N,) int64, the number of each text's class.
"""

from dataclasses import dataclass

import numpy as np

BINS = 10


@dataclass(frozen=True)
class ClassScore:
    """Of one class: how many of those called so are (precision), how many of its texts were found (recall)."""

    precision: float
    recall: float
    f1: float
    texts: int


@dataclass(frozen=True)
class Bin:
    """Texts whose class was given a probability between two borders: how sure, how often right, how many."""

    low: float
    high: float
    confidence: float
    accuracy: float
    texts: int


def confusion_matrix(right: np.ndarray, found: np.ndarray, num_classes: int) -> np.ndarray:
    """(K, K): row i, column j counts the texts of class i that were called j."""
    counts = np.bincount(right * num_classes + found, minlength=num_classes**2)
    return counts.reshape(num_classes, num_classes)


def class_scores(confusion: np.ndarray) -> list[ClassScore]:
    """The scores of each class; a precision or recall of no text is 0."""
    hits, called, texts = np.diag(confusion), confusion.sum(axis=0), confusion.sum(axis=1)
    scores = []
    for hit, calls, count in zip(hits.tolist(), called.tolist(), texts.tolist(), strict=True):
        precision, recall = hit / calls if calls else 0.0, hit / count if count else 0.0
        f1 = 2 * hit / (calls + count) if calls + count else 0.0
        scores.append(ClassScore(precision, recall, f1, count))
    return scores


def calibration(probabilities: np.ndarray, right: np.ndarray) -> list[Bin]:
    """The texts in `BINS` bins by the probability of the class that was chosen; empty bins are left out.

    Of the texts in a bin around 0.8 about 80 % should be right.
    """
    sure = probabilities.max(axis=1)
    hits = probabilities.argmax(axis=1) == right
    numbers = np.minimum((sure * BINS).astype(int), BINS - 1)
    return [
        Bin(
            number / BINS,
            (number + 1) / BINS,
            float(sure[numbers == number].mean()),
            float(hits[numbers == number].mean()),
            int((numbers == number).sum()),
        )
        for number in np.unique(numbers).tolist()
    ]


def calibration_error(bins: list[Bin]) -> float:
    """The mean gap between sureness and accuracy over the texts (ECE; Guo et al. 2017): 0 is perfect."""
    texts = sum(part.texts for part in bins)
    return sum(part.texts * abs(part.confidence - part.accuracy) for part in bins) / texts
