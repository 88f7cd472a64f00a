"""Ring songs: true, of a fair length, and as careful as the stories about what only the test may bring together."""

import re

import pytest

from hornbook.village.casting import PARTS, held_out
from hornbook.village.singing import song

MANY = 300


@pytest.mark.parametrize("part", PARTS)
def test_songs_are_the_same_again_and_differ_from_each_other(part: str) -> None:
    songs = [song(1, part, index).text for index in range(MANY)]
    assert songs == [song(1, part, index).text for index in range(MANY)]
    assert len(set(songs)) == MANY
    assert songs[0] != song(2, part, 0).text


def test_songs_have_the_length_of_stories_and_clean_sentences() -> None:
    for index in range(MANY):
        text = song(1, "train", index).text
        assert 45 <= len(text.split()) <= 200
        assert re.fullmatch(r"([A-Z][^.!?]*[.!?] )*[A-Z][^.!?]*[.!?]", text), text


def test_every_answer_is_what_the_song_says() -> None:
    for index in range(MANY):
        told = song(1, "train", index)
        for question in told.questions:
            if question.kind == "who_has":
                assert f"{question.answer} has {question.text.removeprefix('Who has ').rstrip('?')}" in told.text
            elif question.kind == "how_many":
                _, _, goods, _, who, _ = question.text.split()
                assert set(re.findall(rf"\b{who} has (\w+) {goods}\b", told.text)) == {question.answer}
            else:
                who = question.text.removeprefix("Where is ").rstrip("?")
                places = set(re.findall(rf"\b{who} is \w+ (the \w+)", told.text))
                assert places == {question.answer}


def test_no_song_for_training_brings_a_test_combination_together() -> None:
    forbidden = {(row[0].name, row[1].noun, row[2].noun) for part in ("val", "test") for row in held_out(part)}
    for index in range(MANY):
        words = set(re.findall(r"\w+", song(1, "train", index).text))
        assert not any(words.issuperset(row) for row in forbidden)
