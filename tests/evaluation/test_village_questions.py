"""Village questions: a model that knows everything has all right, one that knows nothing none."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest

from hornbook.chat_template import named_template
from hornbook.evaluation import _asking
from hornbook.evaluation.village_questions import VillageQuestions
from hornbook.generation.generate import LanguageModel
from hornbook.village.examples import first_message
from hornbook.village.stories import prompt, stories

FEW = VillageQuestions(count=24)
Answering = Callable[..., None]


@pytest.fixture
def answering(monkeypatch: pytest.MonkeyPatch) -> Answering:
    """`answering(before, tail)`: every model is told the answers, and goes on as a trained one would."""

    def use(before: str = " ", tail: str = "") -> None:
        def greedy_texts(model: LanguageModel, prompts: Sequence[Sequence[int]], *rest: Any) -> list[tuple[str, bool]]:
            found = []
            for text in map(model.tokenizer.decode, prompts):
                asked = (question for put, question in FEW.questions() if text == put.written or put.said in text)
                found.append((f"{before}{next(asked).answer}{tail}", True))
            return found

        monkeypatch.setattr(_asking, "greedy_texts", greedy_texts)

    return use


def templated(model: LanguageModel, name: str | None) -> LanguageModel:
    """The same model with a chat template of ours."""
    if name is None:
        return model
    conventions = replace(model.conventions, template=named_template(name))
    return LanguageModel(model.model, model.tokenizer, conventions=conventions)


def test_a_model_that_cannot_read_the_stories_is_left_out(characters: LanguageModel) -> None:
    assert "doesn't know the village's" in str(FEW.reason_to_skip(characters, None))


def test_a_model_that_can_is_not(villager: LanguageModel) -> None:
    assert FEW.reason_to_skip(villager, None) is None


def test_the_questions_are_of_test_stories_and_always_the_same() -> None:
    asked = FEW.questions()
    assert asked == FEW.questions()
    assert len(asked) == 24
    for (put, question), story in zip(asked, stories(0, 24, part="test"), strict=True):
        assert put.written == prompt(story, question)
        assert put.said == first_message(story, question)


@pytest.mark.parametrize("template", [None, "chatml"])
def test_all_answers_right(villager: LanguageModel, answering: Answering, template: str | None) -> None:
    answering()
    findings = FEW.run(templated(villager, template), None)
    assert findings.numbers.pop("questions") == 24
    assert set(findings.numbers.values()) == {1.0}
    assert {f"right, {question.kind} (share)" for _, question in FEW.questions()} < set(findings.numbers)
    assert all(row["answer"] == row["right"] for row in findings.examples)


def test_a_right_beginning_is_not_right(villager: LanguageModel, answering: Answering) -> None:
    answering(tail=" maybe")
    assert FEW.run(villager, None).numbers["right (share)"] == 0


def test_a_model_that_knows_nothing(villager: LanguageModel) -> None:
    findings = FEW.run(villager, None)
    assert findings.numbers["right (share)"] < 0.2
    assert len(findings.examples) == 4
    assert len(findings.items) == 24
    assert not any("\n" in row["answer"] for row in findings.examples)


def test_stories_longer_than_the_context_leave_room_for_the_answer(
    villager: LanguageModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    lengths: Counter[int] = Counter()

    def watch(_: LanguageModel, prompts: Sequence[Sequence[int]], stops: Any, limit: int) -> list[tuple[str, bool]]:
        lengths.update(len(prompt) + limit for prompt in prompts)
        return [("", True)] * len(prompts)

    monkeypatch.setattr(_asking, "greedy_texts", watch)
    monkeypatch.setattr(villager.model, "config", villager.config.model_copy(update={"context_length": 200}))
    findings = FEW.run(villager, None)
    assert set(lengths) == {200}
    assert findings.notes == ["stories too long for the context, whose beginning was not read: 24 of 24"]


def test_a_model_of_another_text_is_not_asked(characters: LanguageModel, held: Any) -> None:
    held.info["made_from"] = {"source": {"paths": ["book.txt"]}}
    assert VillageQuestions().reason_to_skip(characters, held) == "the data is not the village's"


def test_a_model_that_can_not_write_its_template_is_left_out(villager: LanguageModel) -> None:
    odd = replace(named_template("chatml"), source="~{{ messages[0].content }}")
    model = LanguageModel(villager.model, villager.tokenizer, conventions=replace(villager.conventions, template=odd))
    assert "the chat template writes what this model can't read" in str(FEW.reason_to_skip(model, None))
