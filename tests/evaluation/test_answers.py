"""Open questions: asked as a person would be answered, measured, and every cut and every end counted."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
import torch

from hornbook.chat_template import ChatTemplate, named_template
from hornbook.errors import UserError
from hornbook.evaluation import _asking, answers
from hornbook.evaluation._asking import greedy_texts, prompt_ids, replies
from hornbook.evaluation._chat_address import ChatAddress
from hornbook.evaluation._judge import Verdict
from hornbook.evaluation._questions import OpenQuestion, Prompt, question_prompt
from hornbook.evaluation.answers import Answers
from hornbook.generation.generate import LanguageModel
from hornbook.models.bigram import Bigram, BigramConfig

ASKED = tuple(OpenQuestion(question_prompt(f"line {n}", f"the fox {n}?"), (f"fox {n}",)) for n in range(4))
SHORT = ChatTemplate("{% for message in messages %}<{{ message.content }}>{% endfor %}")


def chatting(model: LanguageModel, template: ChatTemplate = SHORT) -> LanguageModel:
    return LanguageModel(model.model, model.tokenizer, conventions=replace(model.conventions, template=template))


def says(monkeypatch: pytest.MonkeyPatch, *texts: tuple[str, bool]) -> None:
    """Every model says these."""

    def spoken(*_: Any) -> list[tuple[str, bool]]:
        return list(texts)

    monkeypatch.setattr(_asking, "greedy_texts", spoken)


def test_means_with_intervals_examples_and_items(villager: LanguageModel, monkeypatch: pytest.MonkeyPatch) -> None:
    says(monkeypatch, (" The fox 0.", True), (" fox", True), (" fox 2", False), ("", True))
    found = Answers(ASKED).run(villager, None)
    assert found.numbers == {
        "exact match (share)": 0.5,
        "word F1": pytest.approx((1 + 2 / 3 + 1 + 0) / 4),
        "ROUGE-L (F1)": pytest.approx((4 / 5 + 2 / 3 + 1 + 0) / 4),
        "ended by themselves (share)": 0.75,
        "questions": 4,
    }
    assert found.intervals["exact match (share)"] == pytest.approx((0.15, 0.85), abs=0.001)
    assert [row["answer"] for row in found.examples] == ["The fox 0.", "fox 2", "fox", ""]
    assert [item["place"] for item in found.items] == [f"line {n}" for n in range(4)]


def test_of_several_right_answers_the_nearest_counts(villager: LanguageModel, monkeypatch: pytest.MonkeyPatch) -> None:
    says(monkeypatch, (" fox", True))
    found = Answers((replace(ASKED[0], answers=("hen", "the fox")),)).run(villager, None)
    assert found.numbers["exact match (share)"] == 1


def test_without_questions_it_is_left_out(villager: LanguageModel) -> None:
    assert "no questions" in str(Answers().reason_to_skip(villager, None))


def test_a_judges_scores_stand_beside(villager: LanguageModel, monkeypatch: pytest.MonkeyPatch) -> None:
    says(monkeypatch, (" fox 0", True), (" fox", True), (" x", True), (" y", True))
    verdicts = [Verdict(100, "100"), Verdict(50, "50"), Verdict(None, "Well done!"), Verdict(None, "late", False)]
    asked: list[Any] = []

    def judge(address: ChatAddress, answers: Sequence[Any], notify: Any) -> list[Verdict]:
        asked.extend(answers)
        return verdicts

    monkeypatch.setattr(answers, "judge", judge)
    found = Answers(ASKED, judge=ChatAddress("http://localhost:1/v1", "m")).run(villager, None)
    assert asked[0] == ("the fox 0?", ["fox 0"], "fox 0")
    assert found.numbers["judge's score (0 to 100)"] == 75
    low, high = found.intervals["judge's score (0 to 100)"]
    assert 0 < low < 75 < high < 100
    counts = [found.numbers[name] for name in ("judged", "verdicts that are no score", "without a verdict")]
    assert counts == [2, 1, 1]
    assert found.items[2]["score"] is None
    assert found.items[2]["verdict"] == "Well done!"
    verdicts[:2] = [Verdict(None, "?")] * 2
    found = Answers(ASKED, judge=ChatAddress("http://localhost:1/v1", "m")).run(villager, None)
    assert "judge's score (0 to 100)" not in found.numbers
    assert found.numbers["verdicts that are no score"] == 3


def test_a_question_is_put_as_text_or_as_a_message(villager: LanguageModel) -> None:
    asked = question_prompt("line 1", "Who?", "Tom ran.")
    ids, cut = prompt_ids(villager, asked, 1000)
    assert villager.tokenizer.decode(ids) == "Tom ran.\n\nQuestion: Who?\nAnswer:"
    assert not cut
    ids, _ = prompt_ids(chatting(villager), asked, 1000)
    assert villager.tokenizer.decode(ids) == "<Tom ran.\n\nWho?>"
    talk = Prompt("line 1", "Who?", messages=({"role": "user", "content": "Hi"}, {"role": "user", "content": "Who?"}))
    assert villager.tokenizer.decode(prompt_ids(chatting(villager), talk, 1000)[0]) == "<Hi><Who?>"
    with pytest.raises(UserError, match="^line 1: this model has no chat template"):
        prompt_ids(villager, talk, 1000)
    with pytest.raises(UserError, match="^line 1: the question has what this model can't read: '€'"):
        prompt_ids(chatting(villager), question_prompt("line 1", "€?"), 1000)


def test_what_is_too_long_loses_its_beginning_and_never_the_template(villager: LanguageModel) -> None:
    asked = question_prompt("line 1", "Who?", "Tom ran. " * 30)
    ids, cut = prompt_ids(villager, asked, 40)
    assert cut
    assert villager.tokenizer.decode(ids) == (str(asked.written))[-40:]
    ids, cut = prompt_ids(chatting(villager), asked, 40)
    assert cut
    assert villager.tokenizer.decode(ids) == f"<{asked.said[-38:]}>"
    with pytest.raises(UserError, match="line 1: .* tokens don't fit into 40, even without the last message's text"):
        prompt_ids(chatting(villager, named_template("alpaca")), asked, 40)
    begins = replace(villager.conventions, before=(3,))
    ids, _ = prompt_ids(LanguageModel(villager.model, villager.tokenizer, conventions=begins), asked, 40)
    assert ids[0] == 3
    assert len(ids) == 40


def test_answers_are_those_of_generate_alone(villager: LanguageModel) -> None:
    texts = ["Tom", "Once upon a time there was a kite", "Nora ran"]
    prompts = [villager.prompt_ids(text) for text in texts]
    alone = [villager.generate(text, max_new_tokens=8, temperature=0) for text in texts]
    found = greedy_texts(villager, prompts, [()] * 3, 8)
    assert [text for text, _ in found] == alone
    stop = alone[0][3:5]
    stopped = villager.generate(texts[0], max_new_tokens=8, temperature=0, stop=[stop])
    assert greedy_texts(villager, prompts, [[stop], (), ()], 8)[0] == (stopped, True)


def test_an_end_right_behind_the_last_token_is_an_end(villager: LanguageModel) -> None:
    size = villager.tokenizer.vocab_size
    model = Bigram(BigramConfig(vocab_size=size, context_length=16))
    with torch.no_grad():
        next(model.parameters()).copy_(torch.eye(size).roll(1, dims=1))  # token n is followed by n + 1
    ends = replace(villager.conventions, ends=frozenset({7}))
    counting = LanguageModel(model, villager.tokenizer, conventions=ends)
    text = villager.tokenizer.decode([5, 6])
    assert greedy_texts(counting, [[4]], [()], 2) == [(text, True)]
    assert greedy_texts(counting, [[4]], [()], 1) == [(text[:1], False)]
    assert greedy_texts(counting, [[4]], [()], 9) == [(text, True)]


def test_an_answer_ends_where_the_context_does(characters: LanguageModel) -> None:
    [reply] = replies(characters, [Prompt("line 1", "", "the fox said")], 100)  # 12 characters, a context of 16
    assert len(reply.text) <= 4
    [long] = replies(characters, [Prompt("line 1", "", "the fox said the fox said")], 100)
    assert long.cut
