"""Village questions: a model that knows everything has all right, one that knows nothing none."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest

from hornbook.evaluation.village_questions import VillageQuestions
from hornbook.generation.generate import LanguageModel
from hornbook.village.stories import stories

FEW = VillageQuestions(count=24)


class Knowing(LanguageModel):
    """A double that is told the answers, and goes on as a trained model would."""

    def __init__(self, real: LanguageModel, evaluation: VillageQuestions, tail: str) -> None:
        super().__init__(real.model, real.tokenizer)
        self.answers = {prompt: question.answer for prompt, question in evaluation.questions()}
        self.tail = tail

    def generate_many(self, prompts: Sequence[Sequence[int]], **options: Any) -> list[str]:
        assert options["temperature"] == 0
        return [f" {self.answers[self.tokenizer.decode(prompt)]}{self.tail}" for prompt in prompts]


def test_a_model_that_cannot_read_the_stories_is_left_out(characters: LanguageModel) -> None:
    assert "doesn't know the village's" in str(FEW.reason_to_skip(characters, None))


def test_a_model_that_can_is_not(villager: LanguageModel) -> None:
    assert FEW.reason_to_skip(villager, None) is None


def test_the_questions_are_of_test_stories_and_always_the_same() -> None:
    asked = FEW.questions()
    assert asked == FEW.questions()
    assert len(asked) == 24
    for (prompt, question), story in zip(asked, stories(0, 24, part="test"), strict=True):
        assert prompt.startswith(story.text)
        assert prompt.endswith(f"{question.text}\nAnswer:")


def test_all_answers_right(villager: LanguageModel) -> None:
    findings = FEW.run(Knowing(villager, FEW, ""), None)
    assert findings.numbers.pop("questions") == 24
    assert set(findings.numbers.values()) == {1.0}
    assert {f"right, {question.kind} (share)" for _, question in FEW.questions()} < set(findings.numbers)
    assert all(row["answer"] == row["right"] for row in findings.examples)


def test_a_right_beginning_is_not_right(villager: LanguageModel) -> None:
    assert FEW.run(Knowing(villager, FEW, " maybe"), None).numbers["right (share)"] == 0


def test_a_model_that_knows_nothing(villager: LanguageModel) -> None:
    findings = FEW.run(villager, None)
    assert findings.numbers["right (share)"] < 0.2
    assert len(findings.examples) == 8
    assert not any("\n" in row["answer"] for row in findings.examples)


def test_stories_longer_than_the_context_leave_room_for_the_answer(
    villager: LanguageModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    lengths: Counter[int] = Counter()

    def watch(prompts: Sequence[Sequence[int]], *, max_new_tokens: int, **options: Any) -> list[str]:
        lengths.update(len(prompt) + max_new_tokens for prompt in prompts)
        return [""] * len(prompts)

    short = LanguageModel(villager.model, villager.tokenizer)
    monkeypatch.setattr(short, "generate_many", watch)
    monkeypatch.setattr(short.model, "config", short.config.model_copy(update={"context_length": 200}))
    FEW.run(short, None)
    assert set(lengths) == {200}


def test_a_model_of_another_text_is_not_asked(characters: LanguageModel, held: Any) -> None:
    held.info["made_from"] = {"source": {"paths": ["book.txt"]}}
    assert VillageQuestions().reason_to_skip(characters, held) == "the data is not the village's"
