"""How a SOURCE is resolved, and the user's own files as a corpus."""

import json
from pathlib import Path

import pytest

from hornbook.corpora.base import cache_folder, corpus_names, open_corpus, open_source
from hornbook.corpora.local import Local
from hornbook.errors import UserError

PUBLISHED = ["instructions", "meditations", "preferences", "sms-spam", "tiny-shakespeare", "verdict"]
MADE_HERE = ["counting", "village", "village-facts", "village-notices", "village-preferences", "village-questions"]
NAMES = sorted(PUBLISHED + MADE_HERE)


@pytest.fixture(autouse=True)
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HORNBOOK_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("sources", "message"),
    [
        ([], "no source given.*choices: counting, instructions"),
        (["verdit"], "'verdit' is neither a corpus nor a path.*no such file.*choices.*did you mean 'verdict'"),
        (["tiny_shakespeare"], "did you mean 'tiny-shakespeare'"),
        (["here.txt", "absent.txt"], "'absent.txt' is neither"),
        (["village", "here.txt"], "'village' can't be mixed"),
        (["verdict", "village"], "'verdict' can't be mixed"),
        ([""], "'' is neither"),
    ],
)
def test_a_source_that_is_neither_corpus_nor_path(tmp_path: Path, sources: list[str], message: str) -> None:
    (tmp_path / "here.txt").write_text("text")
    with pytest.raises(UserError, match=message):
        open_source(sources)


@pytest.mark.parametrize("name", ["local", "base", "verdit", "Verdict", "../verdict"])
def test_a_name_that_is_no_corpus(name: str) -> None:
    with pytest.raises(UserError, match="unknown corpus"):
        open_corpus(name)


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_corpus_that_is_not_fetched_says_how_to_fetch_it(name: str) -> None:
    corpus = open_corpus(name)
    for use in (lambda: list(corpus.documents()), corpus.fingerprint):
        with pytest.raises(UserError, match=rf"hint: hornbook fetch {name} \(without network: .* --from FILE\)"):
            use()


def test_a_cached_file_that_was_changed_is_refused(tmp_path: Path) -> None:
    cache_folder().mkdir(parents=True)
    (cache_folder() / "the-verdict.txt").write_text("something else")
    with pytest.raises(UserError, match=r"is not the published 'verdict'; hint: hornbook fetch verdict"):
        open_corpus("verdict").fingerprint()


def test_names_are_found_from_the_files() -> None:
    assert corpus_names() == NAMES
    assert [open_corpus(name).name for name in NAMES] == NAMES


def test_a_corpus_goes_before_a_file_of_its_name(tmp_path: Path) -> None:
    (tmp_path / "verdict").write_text("mine")
    assert open_source(["verdict"]).name == "verdict"
    assert [document.text for document in open_source(["./verdict"]).documents()] == ["mine"]


def test_the_cache_is_in_the_home_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HORNBOOK_HOME")
    assert cache_folder() == Path.home() / ".cache" / "hornbook" / "corpora"


def test_own_files_in_the_order_given(tmp_path: Path) -> None:
    (tmp_path / "b.txt").write_text("second")
    folder = tmp_path / "texts"
    folder.mkdir()
    (folder / "z.txt").write_text("last")
    (folder / "a.jsonl").write_text(json.dumps({"body": "first"}) + "\n")
    corpus = open_source([folder, tmp_path / "b.txt"], "body", lambda _: None)
    assert [document.text for document in corpus.documents()] == ["first", "last", "second"]
    assert corpus.folders() == [folder]
    assert corpus.size_bytes == sum(len(path.read_bytes()) for path in (tmp_path / "b.txt", *folder.iterdir()))
    assert corpus.validation_documents() is None


def test_the_fingerprint_of_own_files_is_that_of_their_bytes(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("one")
    before = Local([path]).fingerprint()
    path.touch()
    assert Local([path]).fingerprint() == before
    assert Local([path], text_field="body").fingerprint() != before
    path.write_text("two")
    assert Local([path]).fingerprint() != before
    (tmp_path / "b.txt").write_text("one")
    assert Local([tmp_path / "b.txt"]).fingerprint() != before
