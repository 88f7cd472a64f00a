"""Recipes: unknown names, cleaning twice is cleaning once, the ledger balances, the diploma project's numbers."""

import hashlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hornbook.errors import UserError
from hornbook.text.cleaning import RECIPES, RULES, Cleaner, chain_of
from hornbook.text.reading import Document, read_documents
from hornbook.text.rules import DIPLOMA_ALPHABET, misleading_words

Number = Callable[[str], Any]
NASTY = [
    *"aJZ19 .[]()-*†²\n\r\t\f\v\x00\x85\xa0\u0301\u030c\u2028\ufeffÃ©â€™Âİ",
    "\n\n",
    "[1]",
    "- 2 -",
    "\n*** START OF THE PROJECT GUTENBERG EBOOK X ***\n",
    "\n*** END OF THE PROJECT GUTENBERG EBOOK X ***\n",
]
TEXTS = st.text() | st.lists(st.sampled_from(NASTY)).map("".join)


def cleaned(recipe: str, text: str) -> tuple[str, Cleaner]:
    cleaner, texts = Cleaner(recipe), [""]
    with suppress(UserError):  # nothing is left
        texts += (document.text for document in cleaner.clean([Document(text, "a.txt", 0, len(text))]))
    return texts[-1], cleaner


@pytest.mark.parametrize("name", ["standart", "book+lowr", "", "+"])
def test_an_unknown_recipe_names_the_choices(name: str) -> None:
    with pytest.raises(UserError, match=r"unknown cleaning recipe or rule .*choices: .* and \d+ more"):
        Cleaner(name)


def test_the_near_name_is_the_hint() -> None:
    with pytest.raises(UserError, match="did you mean 'standard'"):
        Cleaner("standart")


def test_nothing_left_is_an_error_and_nothing_read_is_not() -> None:
    with pytest.raises(
        UserError, match="nothing is left after cleaning: the recipe 'letters' dropped all 4 characters"
    ):
        list(Cleaner("letters").clean([Document("1234", "a.txt", 0, 4)]))
    assert list(Cleaner("letters").clean([])) == []


def test_recipes_join_with_plus() -> None:
    assert chain_of("book+lower") == (*RECIPES["book"], *RECIPES["lower"])
    assert chain_of("lower+letters-only") == (*RECIPES["lower"], "letters-only")


@pytest.mark.parametrize("recipe", [*RECIPES, *RULES, "book+lower"])
@settings(max_examples=40, deadline=None)
@given(text=TEXTS)
def test_cleaning_twice_is_cleaning_once_and_the_ledger_balances(recipe: str, text: str) -> None:
    once, cleaner = cleaned(recipe, text)
    assert cleaned(recipe, once)[0] == once
    summary = cleaner.ledger.summary()
    assert summary["characters_read"] == len(text)
    assert summary["characters_kept"] == len(once)
    assert summary["documents_kept"] == bool(once)


@given(text=TEXTS)
def test_none_changes_nothing(text: str) -> None:
    assert cleaned("none", text)[0] == text


def test_standard_repairs_what_it_names() -> None:
    raw = "\ufeffitâ€™s  \r\n\r\n\r\n\r\ncafe\u0301\x07\r\n"
    once, cleaner = cleaned("standard", raw)
    assert once == "it’s\n\ncafé\n"
    changed = [row["rule"] for row in cleaner.ledger.rows() if row["documents_changed"]]
    assert changed == list(RECIPES["standard"])


def test_pieces_are_cleaned_as_the_whole_is() -> None:
    part = "One — two.  \r\nThree[1].\r\n\r\n"
    text = part * 40
    pieces = [Document(part, "a.txt", 0, 0, continues=i > 0) for i in range(40)]
    cleaner = Cleaner("book")
    assert "".join(d.text for d in cleaner.clean(pieces)) == cleaned("book", text)[0]
    assert {row["rule"]: row["documents_changed"] for row in cleaner.ledger.rows()}["footnote-marks"] == 1


def test_empty_documents_are_entered_as_dropped() -> None:
    cleaner = Cleaner("standard")
    kept = list(cleaner.clean([Document(text, "a.jsonl", 0, 0) for text in ("", "x", " \n", "y", "")]))
    assert [document.text for document in kept] == ["x", "y"]
    assert cleaner.ledger.rows()[-1]["documents_dropped"] == 3


class TestMeditations:
    """The diploma project's numbers on its own text (Marcus Aurelius), and what its two encoders lost of it."""

    @pytest.fixture
    def text(self, shared_data: Callable[[str], Path]) -> str:
        """As the project read it: with the byte-order mark at its beginning."""
        return shared_data("meditations.txt").read_bytes().decode("utf-8")

    @pytest.fixture
    def ours(self, shared_data: Callable[[str], Path]) -> Callable[[str], str]:
        """`ours("letters")`: the text as that recipe leaves it."""
        path = shared_data("meditations.txt")
        return lambda recipe: "".join(document.text for document in Cleaner(recipe).clean(read_documents([path])))

    def test_the_file(self, text: str, number: Number) -> None:
        data, expected = text.encode(), number("mixa-01")
        assert (len(data), len(text)) == (expected["file_bytes"], expected["file_chars"])
        assert hashlib.sha256(data).hexdigest() == expected["sha256"]

    def test_the_letter_vocabulary_has_30_characters(self, ours: Callable[[str], str], number: Number) -> None:
        expected = number("mixa-01")
        assert sorted(set(ours("letters"))) == sorted(DIPLOMA_ALPHABET) == sorted(expected["chars"])
        assert len(DIPLOMA_ALPHABET) == expected["chars_vocab"] == 30

    def test_the_byte_order_mark_makes_a_word_of_its_own(
        self, text: str, ours: Callable[[str], str], number: Number
    ) -> None:
        """The project left the mark on, so its first word is another one than "marcus": 9,959 words, really 9,958."""
        expected, cleaned_words = number("mixa-01"), set(ours("words").split())
        all_words = set(text.lower().split())
        theirs = set(RULES["digit-words"](text.lower()).split())
        assert (len(all_words), len(theirs)) == (expected["words_before_digit_filter"], expected["words_vocab"])
        assert theirs - cleaned_words == {"\ufeffmarcus"}
        assert len(cleaned_words) == expected["words_vocab"] - 1 == 9_958
        assert len(misleading_words(text)) == len(misleading_words(ours("none"))) == expected["misleading_words"]

    def test_its_letter_encoder_lost_the_capitals(self, text: str, ours: Callable[[str], str], number: Number) -> None:
        expected = number("mixa-02")
        assert len(RULES["letters-only"](text)) == len(ours("letters-only")) == expected["char_tokens"]
        assert len(RULES["letters-only"](text.lower())) == expected["char_tokens_if_lowercased"]
        assert RULES["letters-only"]("April") == "pril"
        assert ours("letters").count("april") == text.count("April") > 0

    def test_its_word_encoder_lost_the_words_at_line_ends(
        self, text: str, ours: Callable[[str], str], number: Number
    ) -> None:
        """It cut at single spaces only; what a line end joined was in no vocabulary. Ours keeps 11,822 words more."""
        expected = number("mixa-02")
        known = set(RULES["digit-words"](text.lower()).split())
        assert len(text.split()) == expected["whitespace_words_total"]
        assert len([word for word in text.lower().split(" ") if word in known]) == expected["word_tokens"]
        assert len(ours("words").split()) == expected["word_tokens_if_split_all_whitespace"]

    @pytest.mark.parametrize("kind", ["char", "word"])
    def test_its_split_is_80_to_20(self, number: Number, kind: str) -> None:
        expected, share = number("mixa-02"), number("mixa-03")["split"]
        train = int(share * expected[f"{kind}_tokens"])
        assert (train, expected[f"{kind}_tokens"] - train) == (expected[f"{kind}_train"], expected[f"{kind}_val"])
