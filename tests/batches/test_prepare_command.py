"""`hornbook prepare` and `hornbook show batch`, as they are typed."""

import json
from pathlib import Path

import pytest

from hornbook.batches.order import batch_starts
from hornbook.cli import run

TEXT = "".join(f"Line {number} of the book is here.\n" for number in range(200))


@pytest.fixture
def prepared(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    (tmp_path / "book.txt").write_text(TEXT)
    out = tmp_path / "data"
    assert run(["prepare", str(tmp_path / "book.txt"), "--out", str(out), "--tokenizer", "character"]) == 0
    capsys.readouterr()
    return out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "no source given"),
        (["verdit"], "did you mean 'verdict'"),
        (["book.txt", "--val-fraction", "2"], "val_fraction must be at least 0 and below 1, not '2.0'"),
        (["book.txt", "--clean", "stanard"], "did you mean 'standard'"),
        (["book.txt", "--tokenizer", "bpee"], "did you mean 'bpe'"),
        (["book.txt", "--vocab-sise", "9"], "vocab-sise"),
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
    (tmp_path / "book.txt").write_text(TEXT)
    assert run(["prepare", *arguments, "--out", "data"]) == 2
    said = capsys.readouterr()
    assert message in said.err
    assert said.err.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["book.txt"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["absent"], "is not a dataset folder"),
        (["data", "--step", "-1"], "step must be at least 0"),
        (["data", "--batch-size", "0"], "batch_size"),
        (["data", "--context-length", "99999"], "the training part has"),
        (["data", "--context-length", "0"], "context_length must be at least 1"),
    ],
)
def test_a_batch_that_cannot_be_shown(
    prepared: Path,
    arguments: list[str],
    message: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(prepared.parent)
    assert run(["show", "batch", *arguments]) == 2
    assert message in capsys.readouterr().err


def test_prepare_says_what_it_made_and_reuses_it(prepared: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["prepare", str(prepared.parent / "book.txt"), "--out", str(prepared), "--tokenizer", "character"]
    assert run(arguments) == 0
    said = capsys.readouterr()
    assert said.err == f"reusing '{prepared}': nothing has changed\n"
    assert said.out == f"dataset  {prepared}  (a vocabulary of {len(set(TEXT)) + 1})\n"
    assert run([*arguments, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["split_by"] == "position"


def test_counts_are_said_once(prepared: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["prepare", str(prepared.parent / "book.txt"), "--tokenizer", "character"]
    assert run([*arguments, "--out", str(tmp_path / "anew")]) == 0
    said = capsys.readouterr()
    assert (said.err + said.out).count(f"{int(len(TEXT) * 0.9):,} ") == 2  # tokens and characters, which are as many
    assert said.out.count("\n") == 1


def test_a_batch_is_the_one_that_training_reads(prepared: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sizes = ["--batch-size", "3", "--context-length", "16", "--seed", "5"]
    assert run(["show", "batch", str(prepared), "--step", "7", *sizes, "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["rows"]
    num_tokens = int(len(TEXT) * 0.9)
    starts = batch_starts(7, seed=5, batch_size=3, num_tokens=num_tokens, context_length=16).tolist()
    assert [row["first_token"] for row in rows] == starts
    assert [row["text"] + row["next"] for row in rows] == [TEXT[start : start + 17] for start in starts]
    assert run(["show", "batch", str(prepared), "--step", "7", *sizes]) == 0
    said = capsys.readouterr().out
    assert all(repr(row["text"]) in said for row in rows)
    assert said.count("from " + str(prepared.parent / "book.txt")) == 3


def test_a_run_folder_has_the_settings_of_its_batches(prepared: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run_folder = prepared.parent / "run"
    run_folder.mkdir()
    (run_folder / "run.toml").write_text(
        f'[data]\nfolder = "{prepared}"\n[training]\nbatch_size = 2\nseed = 9\n[model]\ncontext_length = 8\n'
    )
    assert run(["show", "batch", str(run_folder), "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert (shown["seed"], shown["context_length"], len(shown["rows"])) == (9, 8, 2)
