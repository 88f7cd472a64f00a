"""Recipes: unknown names, cleaning twice is cleaning once, the ledger balances, the diploma project's numbers."""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hornbook.errors import UserError
from hornbook.text.cleaning import RECIPES, RULES, Cleaner, chain_of
from hornbook.text.reading import Document, read_documents
from hornbook.text.rules import DIPLOMA_ALPHABET, misleading_words

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
    with pytest.raises(UserError, match=r"unknown cleaning recipe or rule .*choices: .*standard"):
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


# The diploma project's numbers on its own text (Marcus Aurelius, Meditations).


def meditations(shared_data: Callable[[str], Path], recipe: str) -> str:
    documents = read_documents([shared_data("meditations.txt")])
    return "".join(document.text for document in Cleaner(recipe).clean(documents))


def test_the_letter_vocabulary_has_30_characters(shared_data: Callable[[str], Path]) -> None:
    assert sorted(set(meditations(shared_data, "letters"))) == sorted(DIPLOMA_ALPHABET)
    assert len(DIPLOMA_ALPHABET) == 30


def test_the_letter_rule_alone_loses_the_capitals_as_the_project_did(shared_data: Callable[[str], Path]) -> None:
    assert len(meditations(shared_data, "letters-only")) == 373_972
    without_standard = "".join(d.text for d in read_documents([shared_data("meditations.txt")])).lower()
    assert len(RULES["letters-only"](without_standard)) == 380_770


def test_the_word_vocabulary_has_9959_words_one_of_them_a_byte_order_mark(shared_data: Callable[[str], Path]) -> None:
    words = set(meditations(shared_data, "words").split())
    assert len(words) == 9_958
    assert len(words | {"\ufeffmarcus"}) == 9_959  # the project read the file without taking its mark off
    assert len(misleading_words(meditations(shared_data, "none"))) == 448


def test_digit_words_leave_71645_words(shared_data: Callable[[str], Path]) -> None:
    assert len(meditations(shared_data, "words").split()) == 71_645
