"""Examples of the village as corpora: lines of JSON that the readers of fine-tuning data take, the same every time."""

import json
from pathlib import Path

import pytest

from hornbook.cli import run
from hornbook.commands._finetune_data import find_data
from hornbook.corpora._generated import GeneratedCorpus
from hornbook.corpora.base import open_corpus
from hornbook.finetuning.labelled import read_labelled
from hornbook.finetuning.messages import read_conversations
from hornbook.finetuning.preference_data import read_preferences

NAMES = ("village-questions", "village-preferences", "village-notices")


@pytest.fixture(autouse=True)
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HORNBOOK_HOME", str(tmp_path / "home"))
    return tmp_path / "home" / "corpora"


def write(name: str, path: Path, *more: str) -> list[dict[str, object]]:
    assert run(["fetch", name, "--out", str(path), "--count", "12", *more]) == 0
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.mark.parametrize("name", NAMES)
def test_a_file_of_them(name: str, tmp_path: Path) -> None:
    first = write(name, tmp_path / "a.jsonl")
    assert len(first) == 12
    assert first == write(name, tmp_path / "b.jsonl")
    assert first != write(name, tmp_path / "c.jsonl", "--seed", "2")
    texts = {json.dumps(line) for line in write(name, tmp_path / "d.jsonl", "--part", "test")}
    assert not texts & {json.dumps(line) for line in first}


def test_the_readers_take_them(tmp_path: Path) -> None:
    for name in NAMES:
        write(name, tmp_path / f"{name}.jsonl")
    conversations = read_conversations(tmp_path / "village-questions.jsonl")
    assert len(conversations) == 12
    assert all(not each.unanswered for each in conversations)
    assert len(read_preferences(tmp_path / "village-preferences.jsonl")) == 12
    assert {each.label for each in read_labelled(tmp_path / "village-notices.jsonl")} == {"letter", "notice"}


def test_a_fine_tuning_finds_them_by_name(
    empty_cache: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    corpus = open_corpus("village-notices")
    assert isinstance(corpus, GeneratedCorpus)
    monkeypatch.setattr(type(corpus), "usual_count", 5)
    path = find_data("village-notices")
    assert path.parent == empty_cache
    assert len(path.read_text().splitlines()) == 5
    before = path.stat().st_mtime_ns
    assert run(["fetch", "village-notices"]) == 0
    assert capsys.readouterr().out == f"{path}\n"
    assert path.stat().st_mtime_ns == before  # the same examples are not written again


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["village-questions", "--count", "0", "--out", "v.jsonl"], "count must be at least 1"),
        (["village-questions", "--part", "vall", "--out", "v.jsonl"], "unknown part 'vall'"),
        (["village-questions", "--from", "x.jsonl"], "nothing to take from 'x.jsonl'"),
        (["village-questions", "--count", "5"], "need a file of their own"),
        (["village-question", "--out", "v.jsonl"], "did you mean 'village-questions'"),
    ],
)
def test_mistakes_are_one_line(
    arguments: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(["fetch", *arguments]) == 2
    said = capsys.readouterr()
    assert message in said.err
    assert said.err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_as_plain_text_they_have_documents_of_both_parts() -> None:
    corpus = open_corpus("village-questions")
    documents, held_out = corpus.documents(), corpus.validation_documents()
    assert held_out is not None
    document = next(iter(documents))
    assert document.source == "village-questions/train/0"
    assert document.text.count("\n") > 3
    assert next(iter(held_out)).source == "village-questions/val/0"
