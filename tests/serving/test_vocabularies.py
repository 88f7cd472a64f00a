"""One text by all vocabularies that are at hand: each row is what that tokenizer itself gives."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
import tiktoken

from hornbook.generation.generate import LanguageModel
from hornbook.serving.runs import Runs
from hornbook.serving.vocabularies import COMPARED, OTHERS, Vocabularies, doublings
from hornbook.tokenizers.base import Tokenizer
from hornbook.tokenizers.bpe import BPE
from hornbook.tokenizers.character import Character
from hornbook.tokenizers.word import Word
from hornbook.village.stories import stories

TEXTS = [story.text for story in stories(0, 30)]
TEXT = "Nora's naïve fox 🦊, it said:\n\n 1862 -- so_so."


@pytest.fixture(autouse=True)
def nothing_public(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """tiktoken's files are absent, and whoever asks it for one fails."""
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(tiktoken, "get_encoding", lambda name: pytest.fail(f"{name} would be fetched"))


def ids(row: dict[str, Any]) -> list[int | None]:
    return [token["id"] for token in row["tokens"]]


def texts(row: dict[str, Any]) -> list[str]:
    return [token["text"] for token in row["tokens"]]


def run_with(home: Path, name: str, tokenizer: Tokenizer) -> Path:
    tokenizer.save(home / name / "model")
    (home / name / "run.toml").write_text("")
    return home / name


def test_letters_bytes_and_words() -> None:
    found = Vocabularies(BPE.train(TEXTS, vocab_size=400), None).compare(TEXT)
    letters, numbers, cut = found["rows"]
    assert [row["name"] for row in found["rows"]] == ["letters", "bytes", "words"]
    assert "".join(texts(letters)) == TEXT
    assert ids(letters) == [ord(letter) for letter in TEXT]
    assert ids(numbers) == list(TEXT.encode())
    assert texts(cut) == [
        "Nora",
        "'",
        "s",
        "naïve",
        "fox",
        "🦊",
        ",",
        "it",
        "said",
        ":",
        "1862",
        "--",
        "so",
        "_",
        "so",
        ".",
    ]
    assert ids(cut) == [None] * 16


@pytest.mark.parametrize("size", [256, 512, 600])
def test_a_size_shows_what_a_vocabulary_learned_to_it_gives(size: int) -> None:
    own = BPE.train(TEXTS, vocab_size=601)
    found = {row["pieces"]: row for row in Vocabularies(own, None).compare(TEXT)["sizes"]}
    assert list(found) == [256, 512, 600]
    small = BPE.train(TEXTS, vocab_size=size, special_tokens=())
    assert ids(found[size]) == small.encode(TEXT)
    assert texts(found[size]) == [small.token_text(token) for token in small.encode(TEXT)]


def test_sizes_double() -> None:
    assert doublings(range(256, 1300)) == [256, 512, 1024, 1299]
    assert doublings(range(300, 301)) == [300]
    assert doublings(range(0)) == []


@pytest.mark.parametrize("kind", [Character, Word])
def test_a_vocabulary_that_did_not_grow_has_no_sizes(kind: type[Tokenizer]) -> None:
    own = kind.train(TEXTS)
    found = Vocabularies(own, None).compare(TEXT)
    assert found["sizes"] == []
    assert len(found["rows"]) == 3


def test_words_are_cut_as_the_models_own_are() -> None:
    found = Vocabularies(Word.train(TEXTS, split="whitespace"), None).compare("so, so")["rows"]
    assert texts(found[2]) == ["so,", "so"]


def test_the_vocabularies_of_other_runs(tmp_path: Path) -> None:
    own, letters = BPE.train(TEXTS, vocab_size=400), Character.train(TEXTS)
    run_with(tmp_path, "same", own)
    run_with(tmp_path, "by-letters", letters)
    run_with(tmp_path, "by-letters-again", letters)
    broken = run_with(tmp_path, "broken", letters)
    (broken / "model" / "tokenizer.json").write_text("{")
    vocabularies = Vocabularies(own, Runs(tmp_path))
    [row] = vocabularies.compare(TEXT)["rows"][3:]
    assert row["name"].startswith("by-letters")
    assert ids(row) == letters.encode(TEXT)
    assert "<|unk|>" in texts(row)
    BPE.train(TEXTS, vocab_size=300).save(broken / "model")  # while the server runs
    assert "broken" in {row["name"] for row in vocabularies.compare(TEXT)["rows"]}
    for size in range(410, 420):
        run_with(tmp_path, f"bpe-{size}", BPE.train(TEXTS, vocab_size=size))
    assert len(vocabularies.compare(TEXT)["rows"]) == 3 + OTHERS


def test_public_vocabularies_that_are_here(
    shared_data: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch, language_model: LanguageModel
) -> None:
    monkeypatch.undo()
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", os.fspath(shared_data("tiktoken-cache")))
    found = {row["name"]: row for row in Vocabularies(language_model.tokenizer, None).compare(TEXT)["rows"]}
    for name in ("gpt2", "cl100k_base"):
        assert ids(found[name]) == tiktoken.get_encoding(name).encode_ordinary(TEXT)
        assert "".join(texts(found[name])).replace("\ufffd", "") == TEXT.replace("🦊", "")


def test_over_http(client: httpx.Client) -> None:
    found = client.post("/view/vocabularies", json={"text": "The fox 🦊"}).json()
    assert [row["pieces"] for row in found["sizes"]] == [256, 317]
    assert [len(row["tokens"]) for row in found["rows"]] == [9, 12, 3]
    assert client.post("/view/vocabularies", json={"text": ""}).json()["letters"] == 0


def test_only_the_beginning_of_a_long_text_is_cut(client: httpx.Client) -> None:
    found = client.post("/view/vocabularies", json={"text": "aé" * 50_000}).json()
    assert found["letters"] == len(found["rows"][0]["tokens"]) == COMPARED


@pytest.mark.parametrize("body", [b'{"text": "\\ud800"}', b"{}", b'{"text": "a", "tokenizer": "/etc/passwd"}', b"["])
def test_what_is_wrong_is_said(client: httpx.Client, body: bytes) -> None:
    answer = client.post("/view/vocabularies", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 400
    assert answer.json()["error"]["message"]
