"""Every evaluation on the shelf keeps the contract, also those that come later."""

import json
from typing import Any

import pytest

from hornbook.discovery import find, names
from hornbook.evaluation._held_out import HeldOut
from hornbook.evaluation._questions import ChoiceQuestion, OpenQuestion, question_prompt
from hornbook.evaluation.answers import Answers
from hornbook.evaluation.base import Evaluation, Findings
from hornbook.evaluation.multiple_choice import MultipleChoice
from hornbook.evaluation.perplexity import Perplexity
from hornbook.evaluation.village_questions import VillageQuestions
from hornbook.generation.generate import LanguageModel
from hornbook.text.reading import Document
from hornbook.village.stories import stories

PUT = [question_prompt(f"line {n}", story.questions[0].text, story.text) for n, story in enumerate(stories(3, 7), 1)]
TOLD = [story.questions[0].answer for story in stories(3, 7)]


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


def with_data(model: LanguageModel) -> list[Evaluation]:
    """Every evaluation of ours on a little of its own data; those that need a dataset have tests of their own."""
    documents = [Document(story.text, "a", 0, 1) for story in stories(3, 9)]
    choices = tuple(ChoiceQuestion(put, (told, "nobody"), 0) for put, told in zip(PUT, TOLD, strict=True))
    return [
        Perplexity(HeldOut.written(documents, model.tokenizer)),
        MultipleChoice(choices),
        Answers(tuple(OpenQuestion(put, (told,)) for put, told in zip(PUT, TOLD, strict=True)), max_new_tokens=6),
        VillageQuestions(count=5),
    ]


def test_every_evaluation_is_tried_on_data(villager: LanguageModel) -> None:
    tried = {type(each) for each in with_data(villager)}
    assert tried == {
        find("evaluation", name) for name in names("evaluation") if name not in ("harness", "memorisation")
    }


@pytest.mark.parametrize("number", range(4))
def test_what_is_found_is_the_same_again_and_can_be_written_down(villager: LanguageModel, number: int) -> None:
    evaluation = with_data(villager)[number]
    villager.model.train()
    assert evaluation.reason_to_skip(villager, None) is None
    findings = evaluation.run(villager, None)
    assert evaluation.run(villager, None) == findings
    assert villager.model.training
    assert json.loads(json.dumps(vars(findings)))["numbers"] == findings.numbers
    assert set(findings.intervals) <= set(findings.numbers)
    assert findings.intervals
    for name, (low, high) in findings.intervals.items():
        assert low <= findings.numbers[name] <= high
        assert low < high
