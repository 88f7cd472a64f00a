"""The baselines: scikit-learn's regression finds the same weights; the features see what they are meant to see."""

import numpy as np
import pytest

from hornbook.finetuning.baselines import (
    commonest,
    learn_features,
    logistic_regression,
    regression_probabilities,
)

SPAM = ["WIN £500 now! Call 08001234567", "FREE prize, txt 81010 to win", "Claim at www.win.com!!"]
HAM = ["ok see you later", "I am at home now", "what do you want to eat?"]


@pytest.mark.parametrize("num_classes", [2, 4])
def test_scikit_learn_finds_the_same_weights(num_classes: int) -> None:
    linear_model = pytest.importorskip("sklearn.linear_model")
    draw = np.random.default_rng(3)
    inputs = draw.normal(size=(80, 5))
    labels = (inputs[:, 0] * 2 + draw.normal(size=80)).clip(-1.9, 1.9).round().astype(int) % num_classes
    ours = regression_probabilities(logistic_regression(inputs, labels, num_classes), inputs)
    # theirs has one row of weights for two classes: the difference of ours, whose penalty is then the half
    strength = 2.0 if num_classes == 2 else 1.0
    theirs = linear_model.LogisticRegression(C=strength, tol=1e-9, max_iter=9999).fit(inputs, labels)
    np.testing.assert_allclose(ours, theirs.predict_proba(inputs), atol=2e-4)


def test_the_features_tell_these_apart() -> None:
    features = learn_features(SPAM + HAM)
    raw = features.of(SPAM + HAM)
    assert raw.shape == (6, features.count)
    np.testing.assert_allclose(raw.mean(axis=0), 0, atol=1e-9)
    assert set(np.round(raw.std(axis=0), 6)) <= {0.0, 1.0}  # a feature that is always the same stays 0
    weights = logistic_regression(raw, np.array([1, 1, 1, 0, 0, 0]), 2)
    new = ["Call 09061234567 to claim £100!", "are you at home?"]
    assert regression_probabilities(weights, features.of(new)).argmax(axis=1).tolist() == [1, 0]


def test_the_commonest_class() -> None:
    assert commonest(np.array([2, 1, 2]), 4) == 2
    assert commonest(np.array([1, 0]), 2) == 0
