"""Letters and notices: clean lines, both kinds alike in length and words, no text in two parts."""

import re
from collections import Counter

import pytest

from hornbook.village.casting import PARTS
from hornbook.village.post import LETTER, NOTICE, post

MANY = 300


@pytest.mark.parametrize("part", PARTS)
def test_post_is_the_same_again(part: str) -> None:
    found = [post(1, part, index) for index in range(20)]
    assert found == [post(1, part, index) for index in range(20)]
    assert found != [post(2, part, index) for index in range(20)]


def test_every_text_belongs_to_one_part() -> None:
    texts = {part: {post(seed, part, index).text for seed in (1, 2) for index in range(40)} for part in PARTS}
    assert not texts["train"] & texts["val"]
    assert not texts["train"] & texts["test"]
    assert not texts["val"] & texts["test"]
    assert all(len(found) > 75 for found in texts.values())


def test_texts_are_clean_lines() -> None:
    for index in range(MANY):
        text = post(1, "train", index).text
        assert 8 <= len(text.split()) <= 60
        assert text == text.strip()
        assert not re.search(r"[{}]|  |[.!?] [a-z]|\bs\b", text), text
        assert text[0].isupper()


def test_no_word_alone_tells_which_it_is() -> None:
    """Both kinds are as frequent; names, goods and prices stand in both."""
    found = [post(1, "train", index) for index in range(MANY)]
    labels = Counter(each.label for each in found)
    assert set(labels) == {LETTER, NOTICE}
    assert min(labels.values()) > 0.4 * MANY
    for word in ("coins", "Nora", "market", "eggs", "Dear", "Yours"):
        assert {each.label for each in found if word in each.text} == {LETTER, NOTICE}, word
