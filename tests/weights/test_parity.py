"""Two programs compared: every kind of disagreement is found and named; agreement within rounding passes."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from hornbook.errors import Failed
from hornbook.tokenizers.bpe import BPE
from hornbook.weights.parity import (
    HARD_STRINGS,
    NEW_TOKENS,
    Answers,
    answer,
    compare,
    from_tensors,
    own_words,
    prompts_for,
    to_tensors,
)

VOCABULARY, CONTEXT = 11, 40


def next_is_one_more(tokens: Tensor) -> Tensor:
    """A model that counts: after 3 comes 4."""
    return torch.nn.functional.one_hot((tokens + 1) % VOCABULARY, VOCABULARY).double()


def said(prompts: list[list[int]]) -> Answers:
    return answer(lambda text: [len(text)], next_is_one_more, prompts, CONTEXT)


@pytest.fixture
def answers() -> Answers:
    return said([[3], [5, 6, 7]])


def test_greedy_tokens_follow_one_another_until_the_context_is_full(answers) -> None:
    assert answers.greedy[0] == [(4 + place) % VOCABULARY for place in range(NEW_TOKENS)]
    assert len(said([[1] * 38]).greedy[0]) == 2
    assert answers.logits[1].shape == (3, VOCABULARY)


def test_ids_that_differ(answers) -> None:
    theirs = replace(answers, ids=[[*ids, 0] if place == 4 else ids for place, ids in enumerate(answers.ids)])
    with pytest.raises(Failed, match=r"the tokenizer disagrees with another about '.*': \[4\] here, \[4, 0\] there"):
        compare(answers, theirs, "another")


@pytest.mark.parametrize("amount", [2e-4, -1.0, float("nan"), float("inf")])
def test_logits_that_differ(answers, amount) -> None:
    moved = answers.logits[1].clone()
    moved[2, 5] += amount
    with pytest.raises(Failed, match="logits are up to "):
        compare(replace(answers, logits=[answers.logits[0], moved]), answers, "another")


def test_logits_of_another_size(answers) -> None:
    theirs = replace(answers, logits=[answers.logits[0], answers.logits[1][:, :-1]])
    with pytest.raises(Failed, match=r"logits are \(3, 11\) here and \(3, 10\) in another"):
        compare(answers, theirs, "another")


def test_greedy_tokens_that_differ(answers) -> None:
    with pytest.raises(Failed, match="greedy tokens differ from those of another"):
        compare(answers, replace(answers, greedy=[answers.greedy[0], answers.greedy[1][:-1]]), "another")


def test_rounding_passes_and_is_reported(answers) -> None:
    theirs = replace(answers, logits=[found + 5e-5 for found in answers.logits])
    report = compare(answers, theirs, "another")
    assert report.largest_difference == pytest.approx(5e-5, rel=1e-2)
    assert (report.strings, report.prompts, report.greedy_tokens) == (len(HARD_STRINGS), 2, 2 * NEW_TOKENS)


def test_answers_survive_a_file(answers) -> None:
    found = from_tensors(to_tensors(answers))
    assert (found.ids, found.greedy) == (answers.ids, answers.greedy)
    assert all(torch.equal(mine, other) for mine, other in zip(found.logits, answers.logits, strict=True))


def test_a_vocabularys_own_words_tell_patterns_apart() -> None:
    """Two vocabularies of the same tokens, cut by two patterns."""
    text = '"Is it?"\n\nNora had 1862 (or so).\n\n' * 40
    one = BPE.train([text], vocab_size=300, special_tokens=("<|endoftext|>", "(or so)"), pattern="llama-bpe")
    document = BPE.train([text], vocab_size=300, pattern="gpt-2").to_json()
    other = BPE.from_json({**document, "model": one.to_json()["model"], "added_tokens": one.to_json()["added_tokens"]})
    words = own_words(one)
    assert any(one.encode(text) != other.encode(text) for text in words)
    assert "(or so)" not in words
    assert not any("\ufffd" in text for text in words)
    assert len(words) <= 300 + 3


def test_a_vocabulary_with_gaps_has_words_too() -> None:
    document = BPE.train(["a cat"], vocab_size=260).to_json()
    document["added_tokens"][0]["id"] = 900
    words = own_words(BPE.from_json(document))
    assert "c" in words  # id 99 of 901, of which every third is taken


def test_prompts_leave_room_for_the_new_tokens(tokenizer) -> None:
    for context_length in (8, 33, 40, 1024):
        prompts = prompts_for(tokenizer, tokenizer.vocab_size, context_length)
        assert all(1 <= len(ids) <= max(1, context_length - NEW_TOKENS) for ids in prompts)
        assert all(0 <= token < tokenizer.vocab_size for ids in prompts for token in ids)
