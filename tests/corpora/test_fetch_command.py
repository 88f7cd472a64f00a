"""`hornbook fetch`, as it is typed."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from hornbook.cli import run


@pytest.fixture(autouse=True)
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HORNBOOK_HOME", str(tmp_path / "home"))
    return tmp_path / "home" / "corpora"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["verdit"], "did you mean 'verdict'"),
        (["local"], "unknown corpus 'local'"),
        (["village"], "built in"),
        (["counting", "--out", "c.jsonl"], "'counting' is built in"),
        (["village", "--out", "v.jsonl", "--from", "x"], "built in"),
        (["village", "--out", "v.jsonl", "--count", "0"], "count must be at least 1"),
        (["village", "--out", "v.jsonl", "--part", "vall"], "val"),
        (["verdict", "--from", "absent.txt"], "no such file"),
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
    assert said.out == ""
    assert list(tmp_path.iterdir()) == []


def test_a_file_brought_by_hand(
    shared_data: Callable[[str], Path], empty_cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["fetch", "verdict", "--from", str(shared_data("the-verdict.txt")), "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["path"] == str(empty_cache / "the-verdict.txt")
    assert result["bytes"] == 20_479
    assert run(["fetch", "verdict"]) == 0  # it is there: no address is asked
    assert capsys.readouterr().out == f"{empty_cache / 'the-verdict.txt'}\n"


def test_another_folder(shared_data: Callable[[str], Path], tmp_path: Path) -> None:
    given = str(shared_data("the-verdict.txt"))
    assert run(["fetch", "verdict", "--from", given, "--out", str(tmp_path / "mine")]) == 0
    assert (tmp_path / "mine" / "the-verdict.txt").stat().st_size == 20_479


def test_stories_of_the_village(tmp_path: Path) -> None:
    assert run(["fetch", "village", "--out", str(tmp_path / "v.jsonl"), "--count", "5", "--part", "val"]) == 0
    stories = [json.loads(line) for line in (tmp_path / "v.jsonl").read_text().splitlines()]
    assert len(stories) == 5
    for story in stories:
        assert {"text", "questions", "topic", "mood", "statements"} <= set(story)
        assert set(story["questions"][0]) == {"text", "answer", "kind"}
