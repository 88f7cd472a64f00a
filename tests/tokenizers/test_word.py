"""Words to ids, against the numbers of the book (chapter 2) and its own regular expression."""

import hashlib
import json
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import tokenizers
from hornbook.errors import UserError
from hornbook.tokenizers.base import END_OF_TEXT, UNKNOWN
from hornbook.tokenizers.word import Word, words

Number = Callable[[str], Any]
BOOK = r"([,.:;?_!\"()']|--|\s)"


def test_an_unknown_split_is_said_with_the_choices() -> None:
    with pytest.raises(
        UserError, match=r"unknown split 'boook' \(choices: blanks, book, whitespace\); hint: did you mean 'book'"
    ):
        Word.train(["text"], split="boook")


@given(st.text() | st.text(st.sampled_from("ab-_.,'\"() \n\x1c\u3000")))
def test_the_split_is_the_books(text: str) -> None:
    assert words(text) == [item.strip() for item in re.split(BOOK, text) if item.strip()]
    assert words(text, "whitespace") == text.split()


def test_the_first_splits_of_the_book(number: Number) -> None:
    """The steps on the way to the pattern: at spaces, at commas and stops too, blanks dropped, and all marks."""
    text = "Hello, world. This, is a test."
    assert "".join(number("tok-02")) == "".join(number("tok-03")) == text
    assert words(text, "whitespace") == [item for item in number("tok-02") if item.strip()]
    assert words(text) == [item for item in number("tok-03") if item.strip()] == number("tok-04")
    assert words("Hello, world. Is this-- a test?") == number("tok-05")


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

    def test_the_text(self, text: str, number: Number) -> None:
        assert {
            "n_chars": len(text),
            "first99": text[:99],
            "last99": text[-99:],
            "sha256": hashlib.sha256(text.encode()).hexdigest(),
        } == number("tok-01")

    def test_tokens_and_vocabulary(self, text: str, number: Number) -> None:
        assert words(text)[:30] == number("tok-06")
        assert {"n_tokens": len(words(text)), "vocab_size": len(set(words(text)))} == number("tok-07")

    def test_the_special_tokens_come_last(self, text: str, number: Number) -> None:
        tokenizer, expected = Word.train([text]), number("tok-11")
        assert tokenizer.vocab_size == expected["vocab_size"]
        assert [
            [name, expected["vocab_size"] - 5 + place] for place, name in enumerate(tokenizer.vocabulary.names[-5:])
        ] == expected["last5"]
        assert tokenizer.special_tokens == dict(expected["last5"][-2:]) == {END_OF_TEXT: 1130, UNKNOWN: 1131}

    def test_known_words_and_the_spacing_that_is_lost(self, text: str, number: Number) -> None:
        tokenizer = Word.train([text])
        ids = tokenizer.encode(
            '"It\'s the last he painted, you know," \n           Mrs. Gisburn said with pardonable pride.'
        )
        assert {"ids": ids, "decoded": tokenizer.decode(ids)} == number("tok-09")

    def test_an_unknown_word_is_no_crash(self, text: str, number: Number) -> None:
        """A dictionary alone raises an error here; the tokenizer names the words and writes <|unk|>."""
        tokenizer, sentence = Word.train([text]), "Hello, do you like tea. Is this-- a test?"
        with pytest.raises(KeyError) as raised:
            [tokenizer.vocabulary.ids[word] for word in words(sentence)]
        assert f"KeyError: {raised.value}" == number("tok-10")
        assert tokenizer.unknown_parts(sentence) == Counter(["Hello", "Is", "test"])
        assert tokenizer.count_unknown(tokenizer.encode(sentence)) == 3

    def test_unknown_words_and_end_of_text(self, text: str, number: Number) -> None:
        tokenizer = Word.train([text])
        ids = tokenizer.encode(
            "Hello, do you like tea? <|endoftext|> In the sunlit terraces of the palace.", allow_special=True
        )
        assert {"ids": ids, "decoded": tokenizer.decode(ids)} == number("tok-12")


def test_meditations_words_between_spaces(shared_data: Callable[[str], Path], number: Number) -> None:
    text, expected = shared_data("meditations.txt").read_text(encoding="utf-8").lower(), number("mixa-01")
    pieces = Word.train([text], split="whitespace").vocabulary.pieces
    assert len(pieces) == expected["words_before_digit_filter"]
    kept = [word for word in text.split() if not re.search(r"\d", word)]
    assert len(Word.train([" ".join(kept)], split="whitespace").vocabulary.pieces) == expected["words_vocab"]


@given(st.text(alphabet=" \t\n\u00a0\u2003aäß1.,;'-_", max_size=40))
def test_kept_blanks_bring_a_known_text_back_to_the_letter(text: str) -> None:
    tokenizer = Word.train([text], split="blanks")
    ids = tokenizer.encode(text)
    assert tokenizer.decode(ids) == text
    other = tokenizers.Tokenizer.from_str(json.dumps(tokenizer.to_json()))
    assert other.encode(text).ids == ids
    assert other.decode(ids) == text
    assert Word.from_json(tokenizer.to_json()).split == "blanks"


def test_a_blank_is_a_token_of_its_own_where_it_is_kept() -> None:
    assert words("so,  so", "blanks") == ["so", ",", " ", " ", "so"]
    assert words("so,  so", "book") == ["so", ",", "so"]
