"""Multiple choice: the scores are the model's own, whatever the cache and the tokenizer's borders do."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest
import torch

from hornbook.chat_template import named_template
from hornbook.discovery import find
from hornbook.errors import UserError
from hornbook.evaluation._questions import ChoiceQuestion, Prompt, question_prompt
from hornbook.evaluation._scoring import common_length, score_endings, split
from hornbook.evaluation.multiple_choice import MultipleChoice, Weighed, weigh
from hornbook.generation.generate import LanguageModel
from hornbook.models.base import Model
from hornbook.models.gpt import GPT, GPTConfig
from hornbook.models.llama import Llama, LlamaConfig
from hornbook.tokenizers.base import END_OF_TEXT

TALE = "abc abc ab. Question: who? Answer: Tom. Answer: Nora. " * 20
SIZES: dict[str, Any] = {"context_length": 64, "num_layers": 2, "num_heads": 2, "embed_dim": 16}


@pytest.fixture(scope="module")
def parts() -> LanguageModel:
    """A Llama that reads byte pairs, among them 'abc' whole."""
    tokenizer = find("tokenizers", "bpe").train([TALE], vocab_size=300)
    config = LlamaConfig(vocab_size=tokenizer.vocab_size + 3, **SIZES)
    return LanguageModel(Llama(config, torch.Generator().manual_seed(1)).eval(), tokenizer)


def plainly(model: LanguageModel, beginning: Sequence[int], ending: Sequence[int]) -> tuple[float, bool]:
    """What the model gives an ending in one pass over everything."""
    tokens = torch.tensor([[*beginning, *ending]])
    with torch.no_grad():
        rows = model.model(tokens[:, :-1])[0, :, : model.tokenizer.vocab_size].double().log_softmax(-1)
    places = range(len(beginning), tokens.shape[1])
    score = sum(float(rows[place - 1, tokens[0, place]]) for place in places)
    return score, all(int(rows[place - 1].argmax()) == int(tokens[0, place]) for place in places)


def windowed(vocab_size: int) -> Model:
    return Llama(LlamaConfig(vocab_size=vocab_size, sliding_window=5, **SIZES), torch.Generator().manual_seed(2))


def gpt(vocab_size: int) -> Model:
    return GPT(GPTConfig(vocab_size=vocab_size, **SIZES), torch.Generator().manual_seed(2))


@pytest.mark.parametrize("build", [windowed, gpt])
def test_reading_the_beginning_once_changes_nothing(parts: LanguageModel, build: Callable[[int], Model]) -> None:
    model = LanguageModel(build(parts.tokenizer.vocab_size).train(), parts.tokenizer)
    beginning, endings = [5, 9, 2, 40, 7, 7, 31], [[3], [8, 1, 12, 60], [250, 2]]
    greedy = model.generate_many([beginning], max_new_tokens=1, temperature=0)
    model.model.eval()
    expected = [plainly(model, beginning, ending) for ending in endings]
    model.model.train()
    found = score_endings(model, beginning, endings)
    assert [each.log_probability for each in found] == pytest.approx([score for score, _ in expected], abs=1e-4)
    assert [each.is_greedy for each in found] == [is_greedy for _, is_greedy in expected]
    assert model.model.training
    token = parts.tokenizer.encode(greedy[0])
    if len(token) == 1:
        assert score_endings(model, beginning, [token])[0].is_greedy


def test_logits_are_made_in_portions(parts: LanguageModel, monkeypatch: pytest.MonkeyPatch) -> None:
    arguments = parts, [5, 9], [[3, 4, 5, 6, 7], [8, 1]]
    whole = score_endings(*arguments)
    monkeypatch.setattr("hornbook.evaluation._scoring.MOST_LOGITS", 1)
    assert score_endings(*arguments) == whole


def test_a_token_across_the_border_counts_to_the_choice(parts: LanguageModel) -> None:
    encode = parts.prompt_ids
    assert len(encode("abc")) == 1  # else this shows nothing
    beginning, endings = split(encode, "Tom. ab", ["c", "."])
    assert parts.tokenizer.decode(beginning) == "Tom."
    assert [parts.tokenizer.decode(ending) for ending in endings] == [" abc", " ab."]
    beginning, endings = split(encode, "Answer:", [" Tom", " Tom."])
    assert parts.tokenizer.decode(beginning) == "Answer:"
    assert [parts.tokenizer.decode(ending) for ending in endings] == [" Tom", " Tom."]
    end = parts.tokenizer.special_tokens[END_OF_TEXT]
    assert split(encode, "ab", ["c", "c abc"]) == ([end], [encode("abc"), encode("abc abc")])


def test_the_common_beginning() -> None:
    assert common_length([[1, 2, 3], [1, 2, 4, 5]]) == 2
    assert common_length([[1, 2], [1, 2, 3]]) == 2
    assert common_length([[1], [2]]) == 0


def test_three_ways_to_weigh() -> None:
    question = ChoiceQuestion(question_prompt("line 1", "Who?"), ("Tom", "Nora Hill", "Größe"), 1)
    weighed = Weighed(question, (-4.0, -6.0, -5.0), (1, 3, 2), False)
    assert weighed.chosen("sum") == 0
    assert weighed.chosen("per token") == 1
    assert weighed.chosen("per byte") == 1
    assert Weighed(question, (-4.0, -20.0, -5.0), (1, 3, 2), False).chosen("per byte") == 2  # 7 bytes, 5 characters


def test_the_likeliest_is_chosen_and_counted(parts: LanguageModel) -> None:
    prompts = [question_prompt(f"line {n}", f"who {n}?") for n in range(6)]
    choices = ("Tom.", "abc abc ab.")
    scores = [weigh(parts, ChoiceQuestion(prompt, choices, 0)) for prompt in prompts]
    told = tuple(ChoiceQuestion(each.question.prompt, choices, each.chosen("sum")) for each in scores)
    found = MultipleChoice(told).run(parts, None)
    assert found.numbers["right, sum (share)"] == 1
    assert found.intervals["right, sum (share)"] == pytest.approx((0.6097, 1), abs=1e-4)
    assert found.numbers["by chance (share)"] == 0.5
    assert found.numbers["questions"] == 6
    wrong = MultipleChoice(tuple(replace(each, right=1 - each.right) for each in told)).run(parts, None)
    assert wrong.numbers["right, sum (share)"] == 0
    assert wrong.examples[0]["chosen"] != wrong.examples[0]["right"]
    before, ending = parts.prompt_ids(str(prompts[0].written)), parts.prompt_ids(" Tom.")
    assert found.items[0]["log_probabilities"][0] == pytest.approx(plainly(parts, before, ending)[0], abs=1e-4)


def test_a_long_prompt_loses_its_beginning_and_is_counted(parts: LanguageModel) -> None:
    long = ChoiceQuestion(Prompt("line 1", "x", "abc " * 200 + "Answer:", " "), ("Tom", "Nora."), 0)
    weighed = weigh(parts, long)
    assert weighed.cut
    whole = parts.prompt_ids("abc " * 200 + "Answer: Nora.")
    ending = parts.prompt_ids(" Nora.")
    room = 64 - max(len(ending), len(parts.prompt_ids(" Tom"))) + 1
    expected, _ = plainly(parts, whole[: -len(ending)][-room:], ending)
    assert weighed.scores[1] == pytest.approx(expected, abs=1e-4)
    found = MultipleChoice((long, replace(long, prompt=question_prompt("line 2", "who?")))).run(parts, None)
    assert found.notes == ["prompts longer than the context, whose beginning was not read: 1 of 2"]


def test_a_choice_that_does_not_fit_is_named(parts: LanguageModel) -> None:
    with pytest.raises(UserError, match="line 7: an ending of .* tokens doesn't fit into the context of 64"):
        weigh(parts, ChoiceQuestion(question_prompt("line 7", "who?"), ("a", "xyz" * 70), 0))


def test_a_question_that_can_not_be_read_is_named(characters: LanguageModel) -> None:
    for question in (
        ChoiceQuestion(Prompt("line 3", "Zzz", "Zzz"), ("5", "€"), 0),
        ChoiceQuestion(Prompt("line 3", "the", "the"), ("5", "Z"), 0),
    ):
        with pytest.raises(UserError, match="^line 3: the prompt has what this model can't read: 'Z'"):
            weigh(characters, question)


def test_through_a_template_the_choice_is_encoded_apart(parts: LanguageModel) -> None:
    template = named_template("alpaca")
    chat = LanguageModel(parts.model, parts.tokenizer, conventions=replace(parts.conventions, template=template))
    long = ChoiceQuestion(question_prompt("line 1", "who?"), ("Tom", "Nora"), 0)
    with pytest.raises(UserError, match="line 1: .* even without the last message's text"):
        weigh(chat, long)  # the template's own words are longer than this context
    short = replace(template, source="{% for message in messages %}Q {{ message.content }} A {% endfor %}")
    chat = LanguageModel(parts.model, parts.tokenizer, conventions=replace(parts.conventions, template=short))
    weighed = weigh(chat, long)
    before = short.prompt_ids([{"role": "user", "content": "who?"}], parts.tokenizer)
    assert weighed.scores[0] == pytest.approx(plainly(parts, before, parts.tokenizer.encode("Tom"))[0], abs=1e-4)
    cut = weigh(chat, replace(long, prompt=question_prompt("line 1", "abc " * 100 + "who?")))
    assert cut.cut
