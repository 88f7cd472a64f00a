"""The village as a corpus: as long as asked, the same every time, with a validation part of its own."""

from itertools import islice

from hornbook.corpora.base import open_source
from hornbook.corpora.village import Village


def test_no_characters_are_no_documents() -> None:
    assert list(Village(characters=0).documents()) == []


def test_the_length_is_about_what_was_asked_for() -> None:
    documents = list(Village(characters=20_000).documents())
    characters = sum(len(document.text) for document in documents)
    assert 20_000 <= characters < 20_000 + max(len(document.text) for document in documents)
    validation = list(Village(characters=20_000).validation_documents())
    assert 2_000 <= sum(len(document.text) for document in validation) < 4_000


def test_documents_say_which_story_they_are() -> None:
    first, second = islice(Village().documents(), 2)
    assert [first.source, second.source] == ["village/train/0", "village/train/1"]
    assert (first.start, first.end) == (0, len(first.text.encode()))
    assert "\n\nQuestion: " in first.text
    assert next(Village().validation_documents()).source == "village/val/0"


def test_the_same_seed_tells_the_same_and_no_validation_story_is_trained_on() -> None:
    corpus = Village(characters=100_000, seed=3)
    train = [document.text for document in corpus.documents()]
    assert train == [document.text for document in Village(characters=100_000, seed=3).documents()]
    assert train != [document.text for document in Village(characters=100_000, seed=4).documents()]
    assert not set(train) & {document.text for document in corpus.validation_documents()}


def test_the_fingerprint_follows_the_settings() -> None:
    assert open_source(["village"]).fingerprint() == Village().fingerprint()
    assert Village().fingerprint() != Village(characters=7).fingerprint()
    assert Village().fingerprint() != Village(seed=7).fingerprint()
