"""Characters to ids: the vocabulary's order, what is unknown, and the book's counts."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hornbook.errors import UserError
from hornbook.tokenizers._word_level import Vocabulary
from hornbook.tokenizers.base import END_OF_TEXT, UNKNOWN
from hornbook.tokenizers.character import Character


def test_a_vocabulary_of_words_is_refused() -> None:
    with pytest.raises(UserError, match="single characters"):
        Character(Vocabulary(["a", "bc"], {UNKNOWN: 2}))


def test_sorted_characters_first_special_tokens_after() -> None:
    tokenizer = Character.train(["banana", "cab\n"])
    assert tokenizer.vocabulary.names == ["\n", "a", "b", "c", "n", END_OF_TEXT, UNKNOWN]
    assert tokenizer.encode("cab") == [3, 1, 2]
    assert tokenizer.end_of_text == 5
    assert tokenizer.unknown_id == 6


def test_unknown_characters_are_seen_and_counted() -> None:
    tokenizer = Character.train(["abc"])
    ids = tokenizer.encode("aXbXY😀")
    assert tokenizer.decode(ids) == "a<|unk|>b<|unk|><|unk|><|unk|>"
    assert tokenizer.count_unknown(ids) == 4
    assert tokenizer.unknown_parts("aXbXY😀") == Counter({"X": 2, "Y": 1, "😀": 1})


def test_special_tokens_in_text_are_characters_unless_allowed() -> None:
    tokenizer = Character.train(["<|endoftext|> x"])
    assert len(tokenizer.encode("x<|endoftext|>")) == 14
    assert tokenizer.encode("x<|endoftext|>", allow_special=True) == [*tokenizer.encode("x"), tokenizer.end_of_text]


def test_a_small_vocabulary_keeps_the_most_frequent() -> None:
    tokenizer = Character.train(["aaabbcddd"], vocab_size=4)
    assert tokenizer.vocabulary.pieces == ["a", "d"]
    assert tokenizer.vocab_size == 4


@given(st.text())
def test_the_training_text_comes_back(text: str) -> None:
    tokenizer = Character.train([text])
    assert tokenizer.decode(tokenizer.encode(text)) == text
    assert tokenizer.vocab_size == len(set(text)) + 2


def test_meditations_lowercased_letters(shared_data: Callable[[str], Path], number: Callable[[str], Any]) -> None:
    text = shared_data("meditations.txt").read_text(encoding="utf-8").lower()
    letters = "".join(character if "a" <= character <= "z" else "" for character in text)
    tokenizer = Character.train([" .!?", letters], special_tokens=())
    assert tokenizer.vocabulary.pieces == sorted(number("mixa-01")["chars"])
