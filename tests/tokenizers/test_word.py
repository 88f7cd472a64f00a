"""Words to ids, against the numbers of the book (chapter 2) and its own regular expression."""

import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hornbook.errors import UserError
from hornbook.tokenizers.base import END_OF_TEXT, UNKNOWN
from hornbook.tokenizers.word import Word, words

BOOK = r"([,.:;?_!\"()']|--|\s)"


def test_an_unknown_split_is_said_with_the_choices() -> None:
    with pytest.raises(
        UserError, match=r"unknown split 'boook' \(choices: book, whitespace\); hint: did you mean 'book'"
    ):
        Word.train(["text"], split="boook")


@given(st.text() | st.text(st.sampled_from("ab-_.,'\"() \n\x1c\u3000")))
def test_the_split_is_the_books(text: str) -> None:
    assert words(text) == [item.strip() for item in re.split(BOOK, text) if item.strip()]
    assert words(text, "whitespace") == text.split()


def test_the_first_splits_of_the_book() -> None:
    assert words("Hello, world. Is this-- a test?") == [
        "Hello",
        ",",
        "world",
        ".",
        "Is",
        "this",
        "--",
        "a",
        "test",
        "?",
    ]
    assert words("Hello, world. This, is a test.") == ["Hello", ",", "world", ".", "This", ",", "is", "a", "test", "."]


def test_special_tokens_and_unknown_words() -> None:
    tokenizer = Word.train(["the cat <|endoftext|> the hat"])
    assert tokenizer.vocabulary.names == ["cat", "hat", "the", END_OF_TEXT, UNKNOWN]
    assert tokenizer.encode("the <|endoftext|> dog") == [2, 4, 4]  # in user text it is a word that nobody knows
    assert tokenizer.encode("the <|endoftext|> dog", allow_special=True) == [2, 3, 4]
    assert tokenizer.unknown_parts("the dog, the <|endoftext|>") == Counter({"dog": 1, ",": 1, "<|endoftext|>": 1})
    assert tokenizer.count_unknown(tokenizer.encode("the dog, the cat")) == 2


def test_decoding_by_whitespace_touches_no_punctuation() -> None:
    tokenizer = Word.train(["a , b. c"], split="whitespace")
    assert tokenizer.decode(tokenizer.encode("a ,\n b.")) == "a , b."


class TestTheVerdict:
    """The book's text: numbers that the book prints."""

    @pytest.fixture
    def text(self, shared_data: Callable[[str], Path]) -> str:
        return shared_data("the-verdict.txt").read_text(encoding="utf-8")

    def test_tokens_and_vocabulary(self, text: str) -> None:
        assert " ".join(words(text)[:30]) == (
            "I HAD always thought Jack Gisburn rather a cheap genius -- though a good fellow enough -- so it was no "
            "great surprise to me to hear that , in"
        )
        assert len(words(text)) == 4690
        assert len(set(words(text))) == 1130

    def test_the_special_tokens_come_last(self, text: str) -> None:
        tokenizer = Word.train([text])
        assert tokenizer.vocab_size == 1132
        assert tokenizer.vocabulary.names[-5:] == ["younger", "your", "yourself", END_OF_TEXT, UNKNOWN]
        assert tokenizer.special_tokens == {END_OF_TEXT: 1130, UNKNOWN: 1131}

    def test_known_words_and_the_spacing_that_is_lost(self, text: str) -> None:
        tokenizer = Word.train([text])
        ids = tokenizer.encode(
            '"It\'s the last he painted, you know," \n           Mrs. Gisburn said with pardonable pride.'
        )
        assert ids == [1, 56, 2, 850, 988, 602, 533, 746, 5, 1126, 596, 5, 1, 67, 7, 38, 851, 1108, 754, 793, 7]
        assert (
            tokenizer.decode(ids) == '" It\' s the last he painted, you know," Mrs. Gisburn said with pardonable pride.'
        )

    def test_an_unknown_word_is_no_crash(self, text: str) -> None:
        tokenizer = Word.train([text])
        assert tokenizer.unknown_parts("Hello, do you like tea. Is this-- a test?") == Counter(["Hello", "Is", "test"])

    def test_unknown_words_and_end_of_text(self, text: str) -> None:
        tokenizer = Word.train([text])
        ids = tokenizer.encode(
            "Hello, do you like tea? <|endoftext|> In the sunlit terraces of the palace.", allow_special=True
        )
        assert ids == [1131, 5, 355, 1126, 628, 975, 10, 1130, 55, 988, 956, 984, 722, 988, 1131, 7]
        assert tokenizer.decode(ids) == (
            "<|unk|>, do you like tea? <|endoftext|> In the sunlit terraces of the <|unk|>."
        )


def test_meditations_words_between_spaces(shared_data: Callable[[str], Path]) -> None:
    text = shared_data("meditations.txt").read_text(encoding="utf-8").lower()
    assert len(Word.train([text], split="whitespace").vocabulary.pieces) == 10209
    kept = [word for word in text.split() if not re.search(r"\d", word)]
    assert len(Word.train([" ".join(kept)], split="whitespace").vocabulary.pieces) == 9959
