"""What every corpus on the shelf promises, whatever its file holds."""

import re
from pathlib import Path

import pytest

from hornbook import discovery
from hornbook.corpora.base import Corpus, DownloadedCorpus
from hornbook.errors import UserError
from hornbook.text.reading import Document

NAMES = discovery.names("corpora")


@pytest.fixture(params=NAMES)
def corpus(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Corpus:
    """One of the corpora, with an empty cache; a local one has one file."""
    monkeypatch.setenv("HORNBOOK_HOME", str(tmp_path / "home"))
    (tmp_path / "text.txt").write_text("One.\nTwo.\n")
    kind = discovery.find("corpora", request.param)
    made: Corpus = kind([tmp_path / "text.txt"]) if request.param == "local" else kind()
    return made


def test_what_is_not_fetched_is_a_users_mistake(corpus: Corpus) -> None:
    if isinstance(corpus, DownloadedCorpus):
        with pytest.raises(UserError, match="not on this machine yet"):
            next(corpus.documents())


def test_it_says_what_it_is(corpus: Corpus) -> None:
    assert corpus.name.replace("-", "_") in NAMES
    assert corpus.description
    assert corpus.licence
    assert not corpus.description.endswith(".")


def test_a_download_says_what_it_must_be(corpus: Corpus) -> None:
    if isinstance(corpus, DownloadedCorpus):
        assert re.fullmatch("[0-9a-f]{64}", corpus.sha256)
        assert corpus.size_bytes > 0
        for address in (corpus.address, *corpus.mirrors):
            assert address.startswith("https://")


def test_documents_are_the_same_again(corpus: Corpus) -> None:
    if isinstance(corpus, DownloadedCorpus):
        return  # its file is elsewhere: tests/corpora/test_published_texts.py
    for documents in (corpus.documents, corpus.validation_documents):
        first, second = documents(), documents()
        if first is None or second is None:
            continue
        for one, other in zip(range(20), zip(first, second, strict=False), strict=False):
            assert isinstance(other[0], Document), one
            assert other[0] == other[1]
    assert corpus.fingerprint() == corpus.fingerprint()
