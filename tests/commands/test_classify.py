"""`hornbook classify`: texts and files of each kind, what stood there stays, nothing half-written."""

import csv
import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

import hornbook
from hornbook.cli import run
from hornbook.commands import _classify
from hornbook.models.llama import Llama, LlamaConfig
from hornbook.tokenizers.character import Character
from hornbook.weights.classifier_folder import Head, save_classifier_folder
from hornbook.weights.model_folder import save_model_folder

Refused = Callable[..., str]
TEXTS = ["the cat, black", 'a "dog"', "an owl\nat night", "  blanks  stay ", "0.10", "é"]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A classifier of three classes with random weights."""
    tokenizer = Character.train(['abcdefghijklmnopqrstuvwxyz, \n"0.1é'])
    config = LlamaConfig(vocab_size=tokenizer.vocab_size, context_length=16, num_layers=1, num_heads=1, embed_dim=8)
    llama = Llama(config, torch.Generator().manual_seed(1))
    head = torch.randn(3, 8, generator=torch.Generator().manual_seed(2))
    folder = tmp_path_factory.mktemp("classifier") / "model"
    return save_classifier_folder(folder, llama, tokenizer, Head(head, ("cat", "dog", "an owl, or so"), "last", 12))


@pytest.fixture(autouse=True)
def small_portions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_classify, "PORTION", 2)


def classify(*arguments: str | Path) -> int:
    return run(["classify", *(str(argument) for argument in arguments), "--device", "cpu"])


def expected(model: Path) -> list[tuple[str, object]]:
    found = hornbook.load_classifier(model).classify(TEXTS)
    assert len({one.label for one in found}) > 1
    return [(one.label, pytest.approx(one.probability, abs=3e-6)) for one in found]


def test_texts(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert classify(model, "--text", TEXTS[0], "--text", TEXTS[1], "--json") == 0
    rows = json.loads(capsys.readouterr().out)["texts"]
    assert [(row["label"], row["probability"]) for row in rows] == expected(model)[:2]
    for row in rows:
        assert sum(row["probabilities"].values()) == pytest.approx(1)
        assert max(row["probabilities"], key=row["probabilities"].get) == row["label"]
    assert classify(model, "--text", "x" * 200) == 0
    out = capsys.readouterr().out
    assert out.count("\n") == 1
    assert len(out) <= 80


@pytest.mark.parametrize(("name", "delimiter"), [("a.csv", ","), ("a.csv", ";"), ("a.tsv", "\t")])
def test_a_table_gets_two_columns(
    model: Path, tmp_path: Path, name: str, delimiter: str, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [[f"{number:03}", text, " 1.50"] for number, text in enumerate(TEXTS)]
    with open(tmp_path / name, "w", encoding="utf-8", newline="") as file:
        csv.writer(file, delimiter=delimiter).writerows([["id", "body", "price"], *rows])
    out = tmp_path / f"out-{name}"
    assert classify(model, "--csv", tmp_path / name, "--column", "body", "--out", out) == 0
    with open(out, encoding="utf-8", newline="") as file:
        header, *found = csv.reader(file, delimiter=delimiter)
    assert header == ["id", "body", "price", "predicted_label", "predicted_probability"]
    assert [row[:3] for row in found] == rows
    assert [(row[3], float(row[4])) for row in found] == expected(model)
    assert "6 texts: " in capsys.readouterr().out


def test_without_a_header(model: Path, tmp_path: Path) -> None:
    (tmp_path / "a.tsv").write_text('x\ta "dog"\n"x\tthe cat, black\n')
    assert classify(model, "--csv", tmp_path / "a.tsv", "--column", "2", "--out", tmp_path / "b.tsv") == 0
    lines = (tmp_path / "b.tsv").read_text().splitlines()
    assert [line.rsplit("\t", 2)[0] for line in lines] == ['x\ta "dog"', '"x\tthe cat, black']
    found = [line.split("\t")[2:] for line in lines]
    assert [(label, float(probability)) for label, probability in found] == [expected(model)[n] for n in (1, 0)]


def test_objects_stay_as_they_were_written(model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = ['{"n": 1.0, "text": "the cat, black", "n": 1e400}', '{"text":"a \\"dog\\""  }']
    (tmp_path / "a.jsonl").write_text(before[0] + "\n\n" + before[1])
    assert classify(model, "--csv", tmp_path / "a.jsonl", "--out", tmp_path / "b.jsonl", "--json") == 0
    after = (tmp_path / "b.jsonl").read_text().splitlines()
    for old, new, answer in zip(before, after, expected(model), strict=False):
        assert new.startswith(old[:-1].rstrip() + ', "predicted_label": ')
        found = json.loads(new)
        assert (found["predicted_label"], found["predicted_probability"]) == answer
    assert json.loads(capsys.readouterr().out)["texts"] == 2


def test_a_finetuned_run_is_taken(model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "run.toml").write_text("")
    (tmp_path / "model").symlink_to(model)
    assert classify(tmp_path, "--text", "a cat") == 0


MISTAKES = [
    (["--text", " "], "an empty text can't be classified"),
    ([], 'what shall be classified?; hint: give --text "..." or --csv FILE --out FILE'),
    (["--csv", "IN"], "a file is read from --csv and written to --out; hint: give both"),
    (["--csv", "absent.csv", "--out", "OUT"], "no such file 'absent.csv'"),
    (["--csv", "IN", "--out", "IN"], "already exists; hint: choose another --out"),
    (["--csv", "IN", "--out", "OUT.tsv"], "is written as"),
    (["--csv", "IN", "--out", "OUT", "--column", "txt"], "has no column 'txt' (choices: text, n)"),
    (["--csv", "EMPTY", "--out", "OUT"], "line 4: the field 'text' is empty"),
    (["--csv", "TWICE", "--out", "OUT"], "has a column 'predicted_label' already; hint: rename it"),
]


@pytest.mark.parametrize(("words", "message"), MISTAKES)
def test_a_mistake_is_one_line_and_nothing_is_written(
    model: Path, tmp_path: Path, refused: Refused, words: list[str], message: str
) -> None:
    files = {"IN": tmp_path / "in.csv", "EMPTY": tmp_path / "empty.csv", "TWICE": tmp_path / "twice.csv",
             "OUT": tmp_path / "out.csv", "OUT.tsv": tmp_path / "out.tsv"}  # fmt: skip
    files["IN"].write_text("text,n\na cat,1\n")
    files["EMPTY"].write_text("text,n\na cat,1\na dog,2\n ,3\n")
    files["TWICE"].write_text("text,predicted_label\na cat,dog\n")
    before = {path.name for path in tmp_path.iterdir()}
    assert message in refused("classify", model, *(files.get(word, word) for word in words))
    assert {path.name for path in tmp_path.iterdir()} == before


def test_a_language_model_has_no_classes(tmp_path: Path, refused: Refused) -> None:
    tokenizer = Character.train(["abc"])
    config = LlamaConfig(vocab_size=tokenizer.vocab_size, num_layers=1, num_heads=1, embed_dim=8)
    save_model_folder(tmp_path / "model", Llama(config), tokenizer)
    line = refused("classify", tmp_path / "model", "--text", "a")
    assert "holds a language model and no classifier; hint: make one of it: hornbook finetune classifier" in line
