"""The published texts: the facts that are known about them, and where each document lies in its file."""

import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from hornbook.corpora.base import DownloadedCorpus, open_corpus
from hornbook.corpora.instructions import Instructions
from hornbook.corpora.preferences import Preferences
from hornbook.corpora.sms_spam import SmsSpam
from hornbook.errors import UserError

DOWNLOADED = ["instructions", "meditations", "preferences", "sms-spam", "tiny-shakespeare", "verdict"]


@pytest.fixture
def fetched(
    shared_data: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[str], DownloadedCorpus]:
    """`fetched("verdict")`: the corpus, with its file brought into an empty cache by hand."""
    monkeypatch.setenv("HORNBOOK_HOME", str(tmp_path / "home"))

    def fetch(name: str) -> DownloadedCorpus:
        corpus = open_corpus(name)
        assert isinstance(corpus, DownloadedCorpus)
        copy = tmp_path / "given"
        shutil.copy(shared_data(corpus.file_name), copy)
        corpus.fetch(from_file=copy)
        return corpus

    return fetch


@pytest.mark.parametrize("name", DOWNLOADED)
def test_a_text_that_is_not_the_published_one_is_refused(name: str, tmp_path: Path) -> None:
    (tmp_path / "given").write_text("not the text")
    corpus = open_corpus(name)
    assert isinstance(corpus, DownloadedCorpus)
    with pytest.raises(UserError, match=r"is not the file wanted.*hint: get it from https://"):
        corpus.fetch(tmp_path, from_file=tmp_path / "given")
    assert [path.name for path in tmp_path.iterdir()] == ["given"]


@pytest.mark.parametrize("name", DOWNLOADED)
def test_the_file_is_the_one_described(fetched: Callable[[str], DownloadedCorpus], name: str) -> None:
    corpus = fetched(name)
    assert corpus.path.stat().st_size == corpus.size_bytes
    assert corpus.fingerprint() == {"corpus": name, "sha256": corpus.sha256}


@pytest.mark.parametrize("name", DOWNLOADED)
def test_documents_lie_where_they_say(fetched: Callable[[str], DownloadedCorpus], name: str) -> None:
    corpus = fetched(name)
    data = corpus.path.read_bytes()
    end = 0
    for document in corpus.documents():
        assert document.text
        assert end <= document.start < document.end <= len(data)
        end = document.end
        if name not in ("instructions", "preferences"):  # whose documents are put together from three fields
            assert data[document.start : end].decode() == document.text


def test_known_sizes(fetched: Callable[[str], DownloadedCorpus]) -> None:
    for name, characters, distinct in (("verdict", 20_479, 62), ("tiny-shakespeare", 1_115_394, 65)):
        text = "".join(document.text for document in fetched(name).documents())
        assert (len(text), len(set(text))) == (characters, distinct)


def test_the_byte_order_mark_is_no_text(fetched: Callable[[str], DownloadedCorpus]) -> None:
    first = next(fetched("meditations").documents())
    assert first.start == 3
    assert not first.text.startswith("\ufeff")


def test_messages_with_their_labels(fetched: Callable[[str], DownloadedCorpus]) -> None:
    corpus = fetched("sms-spam")
    assert isinstance(corpus, SmsSpam)
    labelled = list(corpus.labelled())
    assert Counter(label for label, _ in labelled) == {"ham": 4_827, "spam": 747}
    assert labelled[0][1].text.startswith("Go until jurong point")
    assert not any(document.text.endswith(("\r", "\n")) for _, document in labelled)


def test_instructions_with_and_without_input(fetched: Callable[[str], DownloadedCorpus]) -> None:
    corpus = fetched("instructions")
    assert isinstance(corpus, Instructions)
    documents = list(corpus.documents())
    assert len(documents) == 1_100
    data = corpus.path.read_bytes()
    for document in documents[:5]:
        entry = data[document.start : document.end].decode()
        assert entry.startswith("{")
        assert entry.endswith("}")
        assert document.text.split("\n\n")[0] in entry
    assert {text.text.count("\n\n") for text in documents[:50]} >= {1, 2}


def test_a_preferred_answer_is_the_document(fetched: Callable[[str], DownloadedCorpus]) -> None:
    corpus = fetched("preferences")
    assert isinstance(corpus, Preferences)
    documents = list(corpus.documents())
    assert len(documents) == 1_100
    assert documents[1].text.split("\n\n")[-1] == "He goes to the park every day."  # not "the stupid park"
