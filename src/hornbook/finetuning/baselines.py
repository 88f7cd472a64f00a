"""What a classifier must beat: the commonest class, and features thought up by a person with logistic regression.

The first has learned nothing of the texts; the second is how texts were sorted before networks learned features of
their own: someone decides what may matter, and a linear model weighs it.
N texts, F features, K classes.
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

FREQUENT_WORDS = 30
PENALTY = 1.0  # on the squared weights, against the summed loss: scikit-learn's default strength
ROUNDS = 200

COUNTED = {  # how often a pattern is found, against the text's length where `per character`
    "words": r"\S+",
    "digits": r"\d",
    "long numbers": r"\d{5,}",
    "capitals": r"[A-Z]",
    "words in capitals": r"\b[A-Z]{2,}\b",
    "exclamation marks": r"!",
    "question marks": r"\?",
    "other signs": r"[^\w\s!?]",
    "money": r"[£$€¥]",
    "addresses": r"https?://|www\.|\b\w+\.(?:com|org|net|co|uk)\b|@",
}
PATTERNS = {name: re.compile(pattern) for name, pattern in COUNTED.items()}
SHARES = ("digits", "capitals", "other signs")  # also as a share of the text's characters


@dataclass(frozen=True)
class Features:
    """Which features are taken of a text, and how they were spread where they were learned."""

    words: tuple[str, ...]
    mean: np.ndarray
    spread: np.ndarray

    @property
    def count(self) -> int:
        """F."""
        return len(self.mean)

    def of(self, texts: Sequence[str]) -> np.ndarray:
        """(N, F), each feature with the mean 0 and the spread 1 of the texts that it was learned on."""
        scaled: np.ndarray = (_raw(texts, self.words) - self.mean) / self.spread
        return scaled


def learn_features(texts: Sequence[str]) -> Features:
    """The length, counts and shares of signs, and whether each of the most frequent words is there."""
    counts = Counter(word for text in texts for word in set(_words(text)))
    words = tuple(word for word, _ in counts.most_common(FREQUENT_WORDS))
    raw = _raw(texts, words)
    spread = raw.std(axis=0)
    return Features(words, raw.mean(axis=0), np.where(spread > 0, spread, 1.0))


def commonest(labels: np.ndarray, num_classes: int) -> int:
    """The class with the most texts; the first of several."""
    return int(np.bincount(labels, minlength=num_classes).argmax())


def logistic_regression(inputs: np.ndarray, labels: np.ndarray, num_classes: int) -> np.ndarray:
    """Weights (K, F + 1), the last column a constant, with the least loss and penalty: features (N, F), labels (N,).

    The loss is convex, so there is one answer; the constant is not penalised.
    """
    with_constant = torch.tensor(np.column_stack([inputs, np.ones(len(inputs))]))
    targets = torch.tensor(labels)
    weights = torch.zeros(num_classes, with_constant.shape[1], dtype=torch.float64, requires_grad=True)
    search = torch.optim.LBFGS([weights], max_iter=ROUNDS, tolerance_grad=1e-7, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        search.zero_grad()
        total = F.cross_entropy(with_constant @ weights.T, targets, reduction="sum")
        total = total + PENALTY / 2 * weights[:, :-1].square().sum()
        total.backward()  # type: ignore[no-untyped-call]
        return total

    search.step(loss)  # type: ignore[no-untyped-call]
    return weights.detach().numpy()


def regression_probabilities(weights: np.ndarray, inputs: np.ndarray) -> np.ndarray:
    """(K, F + 1), features (N, F) -> (N, K)."""
    scores = np.column_stack([inputs, np.ones(len(inputs))]) @ weights.T
    return torch.tensor(scores).softmax(dim=-1).numpy()


def _raw(texts: Sequence[str], words: Sequence[str]) -> np.ndarray:
    return np.array([_row(text, words) for text in texts], dtype=np.float64)


def _row(text: str, words: Sequence[str]) -> list[float]:
    counts = {name: len(pattern.findall(text)) for name, pattern in PATTERNS.items()}
    there = set(_words(text))
    shares = [counts[name] / max(1, len(text)) for name in SHARES]
    return [np.log1p(len(text)), *np.log1p(list(counts.values())), *shares, *(word in there for word in words)]


def _words(text: str) -> list[str]:
    return re.findall(r"[^\W\d_]+", text.casefold())
