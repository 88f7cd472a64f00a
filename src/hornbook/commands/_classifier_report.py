"""What a classifier comes to on texts that it never saw, beside two baselines that it has to beat."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hornbook.commands._classifier_data import LabelledParts
from hornbook.evaluation._intervals import wilson
from hornbook.finetuning.baselines import (
    commonest,
    learn_features,
    logistic_regression,
    regression_probabilities,
)
from hornbook.finetuning.class_scores import (
    Bin,
    ClassScore,
    calibration,
    calibration_error,
    class_scores,
    confusion_matrix,
)
from hornbook.finetuning.labelled import Labelled, class_numbers
from hornbook.finetuning.text_classifier import TextClassifier
from hornbook.pictures.class_pictures import MOST_CLASSES, confusion_picture, reliability_picture

SHOWN_CLASSES, SHOWN_MISTAKES = 20, 3
COLUMNS_OF_CONFUSION = 8  # up to so many classes the table of mistakes is printed
NAME = 16


@dataclass(frozen=True)
class Result:
    """The scores of one way to classify the test part."""

    name: str
    accuracy: float
    interval: tuple[float, float]
    macro_f1: float
    classes: list[ClassScore]
    confusion: np.ndarray

    def as_json(self, names: Sequence[str]) -> dict[str, Any]:
        """Plain data."""
        return {
            "accuracy": self.accuracy,
            "interval": list(self.interval),
            "macro_f1": self.macro_f1,
            "classes": {name: asdict(score) for name, score in zip(names, self.classes, strict=True)},
            "confusion": self.confusion.tolist(),
        }


def report(classifier: TextClassifier, parts: LabelledParts, cut: int, run: Path) -> tuple[dict[str, Any], list[str]]:
    """Measure on the test part; draw two pictures into the run folder. Out: values for programs, lines for people."""
    names, right = parts.classes, _numbers(parts.test, parts.classes)
    probabilities = classifier.probabilities([item.text for item in parts.test]).double().numpy()
    own = _result("this classifier", probabilities.argmax(axis=1), right, len(names))
    others = _baselines(parts, right)
    bins = calibration(probabilities, right)
    values = {
        "test": own.as_json(names) | {"texts": len(right), "cut": cut, "leaked": parts.leaked},
        "calibration": {"error": calibration_error(bins), "bins": [asdict(part) for part in bins]},
        "baselines": {other.name: {"accuracy": other.accuracy, "interval": list(other.interval),
                                   "macro_f1": other.macro_f1} for other in others},
    }  # fmt: skip
    lines = [
        "",
        *_comparison([own, *others], len(right)),
        "",
        *_class_lines(own, names),
        "",
        *_confusion_lines(own, names),
        *_calibration_lines(bins),
        *_mistakes(parts.test, names, probabilities, right),
        *_pictures(own, bins, names, run),
    ]
    return values, lines


def _numbers(items: Sequence[Labelled], classes: Sequence[str]) -> np.ndarray:
    return np.array(class_numbers([item.label for item in items], classes))


def _result(name: str, found: np.ndarray, right: np.ndarray, num_classes: int) -> Result:
    confusion = confusion_matrix(right, found, num_classes)
    hits, scores = int(np.trace(confusion)), class_scores(confusion)
    macro = float(np.mean([score.f1 for score in scores]))
    share = wilson(hits, len(right))
    return Result(name, share.value, (share.low, share.high), macro, scores, confusion)


def _baselines(parts: LabelledParts, right: np.ndarray) -> list[Result]:
    """Both learned from the same training part and asked the same test part."""
    count, labels = len(parts.classes), _numbers(parts.train, parts.classes)
    always = commonest(labels, count)
    texts = [item.text for item in parts.train]
    features = learn_features(texts)
    weights = logistic_regression(features.of(texts), labels, count)
    found = regression_probabilities(weights, features.of([item.text for item in parts.test])).argmax(axis=1)
    return [
        _result(f"{features.count} hand-made features, logistic regression", found, right, count),
        _result(f"always '{parts.classes[always]:.{NAME}}'", np.full_like(right, always), right, count),
    ]


def _comparison(results: Sequence[Result], texts: int) -> list[str]:
    title = f"on {texts:,} texts kept for the test"
    width = max(len(title), *(len(result.name) for result in results))
    lines = [f"{title:{width}}  accuracy  95 % interval  macro F1"]
    for result in results:
        low, high = result.interval
        span = f"{100 * low:.1f} to {100 * high:.1f}"
        lines.append(f"{result.name:{width}}  {result.accuracy:8.1%}  {span:>13}  {result.macro_f1:8.3f}")
    return lines


def _class_lines(result: Result, names: Sequence[str]) -> list[str]:
    """Precision and recall of each class, the ones with most texts where there are too many."""
    order = sorted(range(len(names)), key=lambda number: -result.classes[number].texts)[:SHOWN_CLASSES]
    shown = sorted(order) if len(names) <= SHOWN_CLASSES else order
    lines = [f"{'class':{NAME}}  precision   recall       F1    texts"]
    for number in shown:
        score = result.classes[number]
        lines.append(
            f"{_short(names[number]):{NAME}}  {score.precision:9.1%}  {score.recall:7.1%}  {score.f1:7.3f}  "
            f"{score.texts:7,}"
        )
    return [*lines, *([f"and {len(names) - SHOWN_CLASSES} more classes"] if len(names) > SHOWN_CLASSES else [])]


def _confusion_lines(result: Result, names: Sequence[str]) -> list[str]:
    """Rows: what a text is; columns: what it was called."""
    if len(names) > COLUMNS_OF_CONFUSION:
        return []
    width = max(6, *(len(f"{count:,}") for count in result.confusion.flat))
    shown = [f"{name[:width]:>{width}}" for name in names]
    lines = [f"{'is, was called':{NAME}}  {' '.join(shown)}"]
    for name, row in zip(names, result.confusion.tolist(), strict=True):
        lines.append(f"{_short(name):{NAME}}  {' '.join(f'{count:>{width},}' for count in row)}")
    return [*lines, ""]


def _calibration_lines(bins: Sequence[Bin]) -> list[str]:
    texts = sum(part.texts for part in bins)
    sure = sum(part.confidence * part.texts for part in bins) / texts
    right = sum(part.accuracy * part.texts for part in bins) / texts
    error = calibration_error(list(bins))
    return [f"sure {sure:.1%} in the mean, right {right:.1%}; calibration error (ECE) {error:.1%}", ""]


def _mistakes(
    items: Sequence[Labelled], names: Sequence[str], probabilities: np.ndarray, right: np.ndarray
) -> list[str]:
    """The wrong answers that it was surest of: often a wrong label."""
    found, sure = probabilities.argmax(axis=1), probabilities.max(axis=1)
    wrong = sorted(np.flatnonzero(found != right).tolist(), key=lambda place: -sure[place])[:SHOWN_MISTAKES]
    if not wrong:
        return ["no mistake on the test texts", ""]
    lines = ["its surest mistakes"]
    for place in wrong:
        item = items[place]
        text = " ".join(item.text.split())
        where = item.place.rpartition("' ")[2]
        lines.append(f"  {where}: {_short(item.label)}, called {_short(names[found[place]])} ({sure[place]:.0%})")
        lines.append(f"    {text[:73] + '...' if len(text) > 76 else text}")
    return [*lines, ""]


def _pictures(result: Result, bins: Sequence[Bin], names: Sequence[str], run: Path) -> list[str]:
    drawn = [
        reliability_picture(
            [part.confidence for part in bins],
            [part.accuracy for part in bins],
            [part.texts for part in bins],
            run / "pictures" / "calibration",
        )[0]
    ]
    if len(names) <= MOST_CLASSES:
        drawn.insert(0, confusion_picture(result.confusion, names, run / "pictures" / "confusion")[0])
    return [f"picture  {path}" for path in drawn]


def _short(name: str) -> str:
    return name if len(name) <= NAME else name[: NAME - 3] + "..."
