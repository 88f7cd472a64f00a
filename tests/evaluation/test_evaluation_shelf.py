"""Every evaluation on the shelf keeps the contract, also those that come later."""

from typing import Any

import pytest

from hornbook.discovery import find, names
from hornbook.evaluation.base import Evaluation, Findings
from hornbook.generation.generate import LanguageModel


@pytest.fixture(params=names("evaluation"))
def evaluation(request: pytest.FixtureRequest) -> Evaluation:
    """One of the shelf, made with its defaults."""
    found: Evaluation = find("evaluation", request.param)()
    return found


def test_it_describes_itself(evaluation: Evaluation) -> None:
    assert evaluation.description == evaluation.description.strip()
    assert evaluation.description
    assert "\n" not in evaluation.description


def test_it_measures_or_says_why_not_and_leaves_the_model_as_it_was(
    evaluation: Evaluation, characters: LanguageModel, held: Any
) -> None:
    characters.model.train()
    reason = evaluation.reason_to_skip(characters, held)
    if reason is None:
        findings = evaluation.run(characters, held)
        assert isinstance(findings, Findings)
        assert all(isinstance(value, int | float) for value in findings.numbers.values())
        assert evaluation.run(characters, held) == findings
    assert characters.model.training
