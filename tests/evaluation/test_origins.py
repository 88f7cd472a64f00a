"""Where a text comes from: what is copied, to the character, and at which bytes of which document."""

from pathlib import Path
from typing import Any

import pytest

from hornbook.batches.prepare import PrepareSettings, prepare
from hornbook.evaluation._origins import Origins
from hornbook.village.stories import stories

TEXT = "Größe zählt: der Fuchs 🦊 lief über die Brücke und sah die Fähre.\nNiemand rief ihn zurück.\n"


def made(folder: Path, texts: dict[str, str], **settings: Any) -> Origins:
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")
    wanted = {"tokenizer": "bpe", "vocab_size": 300, "val_fraction": 0.0} | settings
    found = Origins(prepare([folder / name for name in texts], PrepareSettings(**wanted), folder / "out"))
    found.build(lambda share: None)
    return found


@pytest.fixture
def origins(tmp_path: Path) -> Origins:
    other = "".join(story.text + "\n" for story in stories(0, 6))
    return made(tmp_path, {"fox.txt": f"First.\n{TEXT}Last.\n", "village.txt": other})


def test_a_copied_part_is_found_to_the_character(origins: Origins) -> None:
    written = "Heute 🦊🦊: der Fuchs 🦊 lief über die Brücke und sah die Hunde."
    ids = origins.ids(written)
    found = origins.find(ids, 20)
    assert found["text"] == written
    (span,) = found["spans"]
    assert written[span["from"] : span["to"]] == ": der Fuchs 🦊 lief über die Brücke und sah die "
    places = origins.places(ids[span["start"] : span["stop"]])
    assert places["count"] == span["times"] == 1
    (place,) = places["places"]
    assert place["match"] == ": der Fuchs 🦊 lief über die Brücke und sah die "
    assert place["before"].endswith("Größe zählt")
    assert place["behind"].startswith("Fähre.\nNiemand")
    data = Path(place["source"]).read_bytes()
    assert place["exact"]
    assert data[place["start"] : place["end"]].decode() == place["match"]
    assert place["line"] == 2


def test_what_is_copied_stands_in_the_text_whatever_the_tokenizer(tmp_path: Path) -> None:
    """Every span stands there; and what stands there is found but for the words at its ends."""
    train = "".join(story.text + "\n" for story in stories(0, 15))
    test = "".join(story.text + "\n" for story in stories(0, 3, part="test"))
    for number, tokenizer in enumerate(("bpe", "character")):
        (tmp_path / str(number)).mkdir()
        origins = made(tmp_path / str(number), {"a.txt": train}, tokenizer=tokenizer)
        found = origins.find(origins.ids(test), 12)
        assert found["text"] == test
        covered = set()
        for span in found["spans"]:
            assert test[span["from"] : span["to"]] in train
            covered |= set(range(span["from"], span["to"]))
        for start in range(0, len(test) - 40):
            if test[start : start + 40] in train:
                words = test[start : start + 40].split(" ")
                inner = range(start + len(words[0]) + 1, start + 40 - len(words[-1]) - 1)
                assert set(inner) <= covered


def test_a_word_tokenizers_unknown_words_match_nothing(tmp_path: Path) -> None:
    text = "the fox ran over the old bridge and nobody saw it there at night"
    origins = made(tmp_path, {"a.txt": text}, tokenizer="word", vocab_size=None)
    found = origins.find(origins.ids("the fox ran over the old zebra and nobody saw it there at night"), 10)
    texts = [found["text"][span["from"] : span["to"]].strip() for span in found["spans"]]
    assert texts == ["the fox ran over the old", "and nobody saw it there at night"]


@pytest.mark.parametrize("text", ["", "x", "🦊"])
def test_little_text_has_no_spans(origins: Origins, text: str) -> None:
    assert origins.find(origins.ids(text), 20) == {"text": text, "spans": []}


def test_many_places_are_counted_and_the_first_are_shown(tmp_path: Path) -> None:
    origins = made(tmp_path, {"a.txt": "abc def. " * 500 + "!"}, tokenizer="character")
    found = origins.places(origins.ids("abc def. "))
    assert found["count"] == 500
    assert [place["start"] for place in found["places"]] == [9 * number for number in range(10)]


def test_context_ends_with_the_document(tmp_path: Path) -> None:
    origins = made(tmp_path, {"a.txt": "One short text.", "b.txt": "Two short texts, the second one."})
    (place,) = origins.places(origins.ids("Two short"))["places"]
    assert place["before"] == ""
    assert place["behind"] == " texts, the second one."
