"""`hornbook finetune classifier`: it learns, is measured beside its baselines, resumes exactly; mistakes are one line."""

import csv
import json
import random
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

import hornbook
from hornbook.cli import run
from hornbook.config import read_toml
from hornbook.files import sha256_of

Refused = Callable[..., str]
WORDS = {"calm": "the old woman sat by the river and was still", "merry": "they sang and danced and laughed all night"}
SHORT = ("--training.steps", "6", "--training.evaluate_every", "3", "--device", "cpu")


def texts_of(count: int, classes: dict[str, str] = WORDS) -> list[tuple[str, str]]:
    """(text, label), no text twice."""
    draw = random.Random(7)
    rows = []
    for number in range(count):
        label = list(classes)[number % len(classes)]
        rows.append((" ".join(draw.sample(classes[label].split(), 5)) + f" {number}", label))
    return rows


def table(path: Path, rows: list[tuple[str, str]]) -> Path:
    with open(path, "w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("body", "mood"), *rows])
    return path


def finetune(*arguments: str | Path) -> int:
    return run(["finetune", "classifier", *(str(argument) for argument in arguments)])


@pytest.fixture(scope="session")
def moods(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return table(tmp_path_factory.mktemp("moods") / "moods.csv", texts_of(60))


@pytest.fixture(scope="session")
def classified(trained: Path, moods: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run. Tests read it; none changes it."""
    out = tmp_path_factory.mktemp("runs") / "moods"
    columns = ("--text", "body", "--label", "mood")
    assert finetune(trained, "--data", moods, *columns, "--out", out, *SHORT) == 0
    return out


def test_the_run_keeps_what_was_asked_and_found(classified: Path, moods: Path) -> None:
    settings = read_toml(classified / "run.toml")["finetune"]
    assert (settings["kind"], settings["text"], settings["label"], settings["pooling"]) == (
        "classifier", "body", "mood", "last",
    )  # fmt: skip
    info = json.loads((classified / "model" / "hornbook.json").read_text())["info"]
    found = info["evaluations"]["test"]
    assert found["texts"] == 12  # 20 % of 60
    assert sum(map(sum, found["confusion"])) == 12
    assert set(found["classes"]) == {"calm", "merry"}
    assert {"loss.png", "confusion.png", "calibration.png"} <= {
        path.name for path in (classified / "pictures").iterdir()
    }
    classifier = hornbook.load_classifier(classified)
    assert classifier.classes == ("calm", "merry")
    assert classifier.max_length == 16


def test_it_learns_and_is_compared(
    trained: Path, moods: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    columns = ("--text", "body", "--label", "mood", "--pooling", "mean")
    rates = ("--optimizer.learning_rate", "1e-2", "--training.steps", "60", "--training.evaluate_every", "30")
    assert finetune(trained, "--data", moods, *columns, *rates, "--device", "cpu", "--out", out, "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["test"]["accuracy"] >= 0.9
    baselines = {name.split()[-1]: scores["accuracy"] for name, scores in found["baselines"].items()}
    assert baselines == {"regression": 1.0, "'calm'": 0.5}
    classifier = hornbook.load_classifier(out)
    assert classifier.classify(["the river was still", "they laughed all night"])[1].label == "merry"


def test_what_is_said_fits_the_terminal(
    trained: Path, moods: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert finetune(trained, "--data", moods, "--text", "body", "--label", "mood", "--out", tmp_path / "a", *SHORT) == 0
    out, err = capsys.readouterr()
    assert max(len(line) for line in out.splitlines() if not line.startswith(("picture", "model"))) <= 80
    for words in ("on 12 texts kept for the test", "hand-made features, logistic regression", "always 'calm'", "ECE"):
        assert words in out
    assert "60 texts in 2 classes: calm 30, merry 30" in err
    assert "of 60 texts are longer than 16 tokens: their beginnings are read" in err


def test_an_interrupted_one_goes_on_exactly(
    trained: Path, moods: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    columns = ("--text", "body", "--label", "mood", "--balance", "weights", "--trained", "last_block")
    length = ("--training.evaluate_every", "2", "--training.keep", "9", "--device", "cpu")
    begin = (trained, "--data", moods, *columns, *length)
    assert finetune(*begin, "--training.steps", "6", "--out", tmp_path / "straight") == 0
    assert finetune(*begin, "--training.steps", "6", "--out", tmp_path / "broken") == 0
    stop_at(tmp_path / "broken", 2)
    assert run(["resume", str(tmp_path / "broken"), "--device", "cpu"]) == 0
    straight, broken = (hornbook.load_classifier(tmp_path / name) for name in ("straight", "broken"))
    for first, second in zip(straight.classifier.parameters(), broken.classifier.parameters(), strict=True):
        assert torch.equal(first, second)
    losses = [
        [json.loads(line).get("loss") for line in (tmp_path / name / "metrics.jsonl").read_text().splitlines()]
        for name in ("straight", "broken")
    ]
    assert losses[0] == losses[1]


def stop_at(run_folder: Path, step: int) -> None:
    """Make of a finished run one that was killed behind its checkpoint at `step`."""

    for checkpoint in (run_folder / "checkpoints").glob("step-*"):
        if int(checkpoint.name.removeprefix("step-")) > step:
            shutil.rmtree(checkpoint)
    shutil.rmtree(run_folder / "model")


def test_three_classes_from_jsonl_with_a_test_file_that_leaks(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = texts_of(45, {**WORDS, "sad": "she wept and mourned and was alone in the dark"})
    lines = [json.dumps({"text": text, "label": label}) for text, label in rows]
    (tmp_path / "train.jsonl").write_text("\n".join(lines[:36]))
    (tmp_path / "test.jsonl").write_text("\n".join([*lines[36:], *lines[:36:9]]))
    data = ("--data", tmp_path / "train.jsonl", "--test", tmp_path / "test.jsonl")
    assert finetune(trained, *data, "--out", tmp_path / "run", *SHORT, "--json") == 0
    out, err = capsys.readouterr()
    found = json.loads(out)["test"]
    assert len(found["confusion"]) == 3
    assert found["texts"] == 13
    assert found["leaked"] > 0
    assert f"leakage: {found['leaked']} texts to validate or test stand in the training part too" in err
    assert "test.jsonl' line 10" in err


def test_what_is_odd_about_the_texts_is_said(trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = texts_of(40)
    odd = [(rows[3][0].upper(), "calm"), ("endless " * 12_500, "merry"), *[rows[0]] * 2]
    data = table(tmp_path / "a.csv", [*rows, *odd])
    options = ("--text", "body", "--label", "mood", "--out", tmp_path / "run")
    assert finetune(trained, "--data", data, *options, "--training.steps", "1", "--device", "cpu") == 0
    said = capsys.readouterr().err
    assert "1 texts have two labels: " in said
    assert "a.csv' line 5 says 'merry', " in said
    assert "a.csv' line 42 'calm'" in said
    assert "3 texts are copies of others (but for case and blanks); copies stay in one part" in said
    assert "44 texts are longer than 16 tokens" in said


def test_corrections_of_low_rank_and_the_head(
    trained: Path, moods: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The adapter classifies as the whole model does, and merged it is that model."""
    flags = ("--text", "body", "--label", "mood", "--lora.rank", "2", "--optimizer.learning_rate", "0.02")
    assert finetune(trained, "--data", moods, *flags, "--out", tmp_path / "run", *SHORT) == 0
    said = capsys.readouterr().err.splitlines()
    rows = {line.split()[0]: line.split()[1] for line in said if line.startswith("  ") and len(line.split()) == 2}
    trained = re.search(r"parameters, ([\d,]+) of them \([\d.]+%\) to be trained", "\n".join(said))
    assert trained
    assert sum(int(count.replace(",", "")) for count in rows.values()) == int(trained[1].replace(",", ""))
    assert {"head", "model.blocks.*.attention.qkv", "model.blocks.*.attention.output"} <= rows.keys()
    assert run(["merge", str(tmp_path / "run" / "adapter"), "--out", str(tmp_path / "merged")]) == 0
    capsys.readouterr()
    found = []
    for folder in ("run", "run/adapter", "merged"):
        assert run(["classify", str(tmp_path / folder), "--text", WORDS["calm"], "--text", "sang all", "--json"]) == 0
        found.append(json.loads(capsys.readouterr().out)["texts"])
    for texts in found[1:]:
        for one, whole in zip(texts, found[0], strict=True):
            assert one["probabilities"] == pytest.approx(whole["probabilities"], abs=1e-5)
    assert found[0][0]["probabilities"].keys() == {"calm", "merry"}
    assert found[0][0]["probabilities"] != found[0][1]["probabilities"]


def test_a_head_is_no_layer_to_correct(trained: Path, moods: Path, tmp_path: Path, refused: Refused) -> None:
    options = ("--data", moods, "--text", "body", "--label", "mood", "--out", tmp_path / "run", *SHORT)
    line = refused(
        "finetune", "classifier", trained, *options, "--lora.rank", 2, "--lora.layers", '["head"]', talk=True
    )
    assert "no linear layer without a correction is named 'head' (choices: attention.qkv" in line


def test_a_resumed_run_has_the_test_file_that_it_began_with(
    trained: Path, moods: Path, tmp_path: Path, refused: Refused
) -> None:
    own, out = table(tmp_path / "own.csv", texts_of(12)), tmp_path / "runs" / "run"
    columns = ("--text", "body", "--label", "mood")
    assert finetune(trained, "--data", moods, *columns, "--test", own, "--out", out, *SHORT) == 0
    begun = read_toml(out / "run.toml")["finetune"]["test_hash"]
    assert begun == sha256_of(own)
    shutil.rmtree(out / "model")
    assert run(["resume", str(out)]) == 0
    shutil.rmtree(out / "model")
    table(own, texts_of(13))
    line = refused("resume", out, talk=True)
    assert f"own.csv' is not the test file that this run began with: its sha256 is {sha256_of(own)[:16]}..., " in line
    assert f"that one's was {begun[:16]}...; hint: put the old one back" in line


MISTAKES = [
    ({"--text": "bdy"}, "has no column 'bdy' (choices: body, mood); hint: did you mean 'body'?"),
    ({"--label": "kind"}, "has no column 'kind' (choices: body, mood)"),
    ({"--data": "absent.csv"}, "no such file 'absent.csv'"),
    ({"--test": "absent.csv"}, "absent.csv'; hint: finetune.test is a file with the same columns"),
    ({"--balance": "equal"}, "balance"),
    ({"--finetune.max_length": "17"}, "max_length 17 is more than the model's context of 16 tokens"),
    ({"--finetune.train_fraction": "0.95"}, "0.95 to train and 0.1 to validate leave no test"),
    ({"--finetune.pool": "mean"}, "unknown setting 'finetune.pool'"),
]


@pytest.mark.parametrize(("changes", "message"), MISTAKES)
def test_a_mistake_is_one_line(
    trained: Path, moods: Path, tmp_path: Path, refused: Refused, changes: dict[str, str], message: str
) -> None:
    options = {"--data": str(moods), "--text": "body", "--label": "mood", "--out": str(tmp_path / "run")} | changes
    words = [word for option in options.items() for word in option]
    assert message in refused("finetune", "classifier", trained, *words, talk=True)
    assert not (tmp_path / "run").exists()


DATA_MISTAKES = [
    ([("a", "x"), ("b", "x")], "needs two classes or more; the column 'mood'"),
    ([("a", "x"), ("", "y")], "line 3: the field 'body' is empty"),
    ([("a", "x"), ("b", "")], "line 3: the field 'mood' is empty"),
    ([("a", "x"), ("b", "y")], "too few to split"),
]


@pytest.mark.parametrize(("rows", "message"), DATA_MISTAKES)
def test_what_is_wrong_with_the_data_is_named(
    trained: Path, tmp_path: Path, refused: Refused, rows: list[tuple[str, str]], message: str
) -> None:
    data = table(tmp_path / "a.csv", rows)
    options = ("--data", data, "--text", "body", "--label", "mood", "--out", tmp_path / "run")
    assert message in refused("finetune", "classifier", trained, *options, talk=True)
    assert not (tmp_path / "run").exists()


def test_a_classifier_is_no_base_for_another(classified: Path, moods: Path, tmp_path: Path, refused: Refused) -> None:
    line = refused("finetune", "classifier", classified, "--data", moods, "--out", tmp_path / "run", talk=True)
    assert "holds a classifier, which writes no text" in line
