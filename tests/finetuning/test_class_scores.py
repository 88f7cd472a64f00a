"""The scores of a classifier against scikit-learn, and by hand."""

import numpy as np
import pytest

from hornbook.finetuning.class_scores import (
    calibration,
    calibration_error,
    class_scores,
    confusion_matrix,
)

RIGHT = np.array([0, 0, 1, 1, 1, 2, 2, 0])
FOUND = np.array([0, 1, 1, 1, 0, 1, 2, 0])


def test_scikit_learn_finds_the_same() -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    draw = np.random.default_rng(1)
    for num_classes in (2, 5):
        right, found = draw.integers(0, num_classes, (2, 60))
        confusion = confusion_matrix(right, found, num_classes)
        assert (confusion == metrics.confusion_matrix(right, found)).all()
        theirs = metrics.precision_recall_fscore_support(right, found)
        ours = [[score.precision, score.recall, score.f1, score.texts] for score in class_scores(confusion)]
        np.testing.assert_allclose(np.transpose(ours), theirs)


def test_by_hand() -> None:
    confusion = confusion_matrix(RIGHT, FOUND, 4)
    assert confusion.tolist() == [[2, 1, 0, 0], [1, 2, 0, 0], [0, 1, 1, 0], [0, 0, 0, 0]]
    scores = class_scores(confusion)
    assert (scores[2].precision, scores[2].recall, scores[2].f1, scores[2].texts) == (1.0, 0.5, 2 / 3, 2)
    assert (scores[3].precision, scores[3].recall, scores[3].f1, scores[3].texts) == (0.0, 0.0, 0.0, 0)


def test_calibration_by_hand() -> None:
    probabilities = np.array([[0.9, 0.1], [0.2, 0.8], [0.85, 0.15], [0.45, 0.55], [1.0, 0.0]])
    right = np.array([0, 1, 1, 1, 0])
    bins = calibration(probabilities, right)
    assert [(part.low, part.texts, part.accuracy) for part in bins] == [(0.5, 1, 1.0), (0.8, 2, 0.5), (0.9, 2, 1.0)]
    assert [part.confidence for part in bins] == pytest.approx([0.55, 0.825, 0.95])
    assert calibration_error(bins) == pytest.approx((0.45 + 2 * 0.325 + 2 * 0.05) / 5)


def test_one_that_knows_its_chances_is_calibrated() -> None:
    draw = np.random.default_rng(2)
    first = draw.random(40_000)
    right = (draw.random(40_000) > first).astype(int)
    assert calibration_error(calibration(np.stack([first, 1 - first], axis=1), right)) < 0.01
