"""`hornbook compare`: the same text for all, verdicts in plain words, and every mistake in one line."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file, save_file

from hornbook.batches.prepare import PrepareSettings, prepare
from hornbook.cli import run
from hornbook.commands._compare_measure import Difference
from hornbook.commands._compare_show import short_count
from hornbook.commands._compare_sides import short_names
from hornbook.commands._compare_words import sentence
from hornbook.commands._settings_apart import settings_apart
from hornbook.config import read_toml, to_toml
from hornbook.evaluation._intervals import Interval

Refused = Callable[..., str]
FASTER = ("--optimizer.learning_rate", "0.02")
SILENT = ("--generation.max_new_tokens", "1", "--training.checkpoint_every", "none", "--device", "cpu")


def trained_by(recipe: str, out: Path, *flags: str) -> Path:
    assert run(["train", recipe, "--out", str(out), *SILENT, *flags]) == 0
    return out


@pytest.fixture(scope="session")
def faster(recipe: str, trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run of `trained` with a higher rate, which learns more in its 12 steps."""
    return trained_by(recipe, tmp_path_factory.mktemp("runs") / "faster", "--data", str(trained / "data"), *FASTER)


@pytest.fixture(scope="session")
def letters(recipe: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on the same text in characters, with twice as many steps."""
    flags = ["--data.tokenizer", "character", "--data.vocab_size", "none", "--training.steps", "24"]
    return trained_by(recipe, tmp_path_factory.mktemp("runs") / "letters", *flags)


def compared(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> dict[str, Any]:
    """What `--json` prints."""
    capsys.readouterr()
    assert run(["compare", *map(str, arguments), "--json", "--device", "cpu"]) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "no run named, but two or more are needed; hint: hornbook compare RUN RUN"),
        (["tiny"], "1 run named, but two or more are needed"),
        (["tiny", "tiny/model"], "'tiny' and 'tiny/model' are the same model"),
        (["tiny", "nowhere"], "'nowhere' is neither a model folder nor a run folder"),
        (["tiny", "unfinished"], "the run 'unfinished' has no finished model yet; hint: hornbook resume unfinished"),
        (["tiny", "half"], "the run 'half/seed-1' has no finished model yet; hint: hornbook resume half/seed-1"),
        (["tiny", "alone"], "the dataset of 'alone' is not at"),
        (["tiny", "alone"], "name a dataset whose validation text all shall read: --data FOLDER"),
        (["tiny", "other", "--data", "nowhere"], "'nowhere' is not a dataset folder"),
        (["alone", "other", "--picture", "p"], "no curves to draw: none of these models lies in its run folder"),
    ],
)
def test_what_can_not_be_compared(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refused: Refused, arguments: list[str], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copytree(trained, "tiny")
    shutil.copytree(trained / "model", "alone")
    shutil.copytree(trained / "model", "other")
    for folder in ("unfinished", "half/seed-1"):
        shutil.copytree(trained, folder, ignore=shutil.ignore_patterns("model", "checkpoints"))
    assert message in refused("compare", *arguments)


def test_the_better_of_two_runs(trained: Path, faster: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = compared(capsys, trained, faster)
    tiny, quick = found["runs"]
    assert found["unit"] == "nats per token"
    for side, folder in ((tiny, trained), (quick, faster)):
        seal = json.loads((folder / "model" / "hornbook.json").read_text())
        assert side["loss"] == pytest.approx(seal["info"]["evaluations"]["validation_loss"], abs=0.005)
        assert (side["steps"], side["tokens"]) == (12, 12 * 4 * 16)
    assert quick["differs_in"] == {
        "optimizer.learning_rate": [0.001, 0.02],
        "training.checkpoint_every": [3, "none"],
    }
    (difference,) = found["differences"]
    text = difference["text"]
    assert text["value"] == pytest.approx(quick["loss"] - tiny["loss"])
    assert text["low"] < text["value"] < text["high"] < 0
    assert difference["verdict"] == "better"
    words = f"faster is better than tiny: {-text['value']:.4f} nats per token lower"
    assert found["verdicts"] == [f"{words} ({-text['high']:.4f} to {-text['low']:.4f})"]
    assert any("another seed" in note for note in found["notes"])
    again = compared(capsys, faster, trained)["differences"][0]
    assert again["verdict"] == "worse"
    assert again["text"]["low"] == pytest.approx(-text["high"])


def test_a_person_reads_it_at_80_columns(
    trained: Path, faster: Path, letters: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    long = tmp_path / "a-run-with-a-name-longer-than-any-table-has-room-for"
    shutil.copytree(faster, long)
    shutil.copytree(trained / "data", long / "data")
    settings = (long / "run.toml").read_text().replace(f'folder = "{trained / "data"}"', 'folder = "data"')
    (long / "run.toml").write_text(settings)
    capsys.readouterr()
    assert run(["compare", str(trained), str(long), str(letters), "--device", "cpu"]) == 0
    out, _ = capsys.readouterr()
    assert max(map(len, out.splitlines())) <= 80
    assert "the reference" in out
    assert "optimizer.learning_rate    0.001 -> 0.02" in out
    assert out.count(" is better than ") + out.count("no difference to be seen") + out.count(" is worse than ") >= 2


def test_the_same_weights_have_the_same_loss(trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(trained, copy)
    found = compared(capsys, trained, copy)
    assert found["verdicts"] == ["copy and tiny have the same loss on every piece of the text"]
    assert found["runs"][1]["differs_in"] == {}


def test_other_tokens_are_compared_by_characters(
    trained: Path, letters: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = compared(capsys, trained, letters, "--picture", tmp_path / "both.png")
    assert found["unit"] == "bits per character"
    for side, folder in zip(found["runs"], (trained, letters), strict=True):
        assert run(["evaluate", str(folder), "--suite", "perplexity", "--device", "cpu", "--json"]) == 0
        numbers = json.loads(capsys.readouterr().out)["perplexity"]["numbers"]
        assert side["loss"] == pytest.approx(numbers["bits per character"], rel=0.01)
    assert any("the training differs in amount: " in note for note in found["notes"])
    assert found["pictures"] == [str(tmp_path / "both.png"), str(tmp_path / "both.svg")]
    assert (tmp_path / "both.png").read_bytes().startswith(b"\x89PNG")


def test_any_text_can_be_named_for_models_that_know_none(
    trained: Path, letters: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], refused: Refused
) -> None:
    """A model folder far from its run, on the text of another: the same losses as beside the run."""
    for name, source in (("far", trained), ("away", letters)):
        shutil.copytree(source / "model", tmp_path / name)
    near = compared(capsys, trained, letters)
    far = compared(capsys, tmp_path / "far", tmp_path / "away", "--data", letters / "data")
    assert [side["loss"] for side in far["runs"]] == pytest.approx([side["loss"] for side in near["runs"]])
    assert [side["steps"] for side in far["runs"]] == [None, None]
    assert far["differences"][0]["text"] == pytest.approx(near["differences"][0]["text"])
    assert not any("another dataset" in note for note in far["notes"])
    assert "no curves to draw" in refused(
        "compare", tmp_path / "far", tmp_path / "away", "--data", letters / "data", "--picture", tmp_path / "p"
    )


def test_other_texts_are_refused(tale: Path, trained: Path, tmp_path: Path, refused: Refused) -> None:
    other = tmp_path / "other"
    shutil.copytree(trained, other, ignore=shutil.ignore_patterns("data"))
    tokenizer = trained / "data" / "tokenizer.json"
    settings = PrepareSettings(tokenizer=str(tokenizer), val_fraction=0.3)
    fingerprint = prepare([tale], settings, other / "data").info["fingerprint"]
    told = read_toml(other / "run.toml")
    (other / "run.toml").write_text(to_toml({**told, "data": {**told["data"], "fingerprint": fingerprint}}))
    line = refused("compare", trained, other)
    assert "'tiny' and 'other' were validated on different texts" in line
    assert line.endswith("hint: name a dataset whose validation text all shall read: --data FOLDER")


def test_weights_that_are_no_numbers(trained: Path, tmp_path: Path, refused: Refused) -> None:
    """In a folder as another program writes it, without a seal."""
    broken = tmp_path / "broken"
    shutil.copytree(trained / "model", broken, ignore=shutil.ignore_patterns("hornbook.json"))
    tensors = {name: tensor * float("nan") for name, tensor in load_file(broken / "model.safetensors").items()}
    save_file(tensors, broken / "model.safetensors")
    line = refused("compare", trained, broken, "--data", trained / "data", talk=True)
    assert f"the loss of '{broken}' is no number" in line


def test_the_three_of_a_table_stand_by_their_loss(
    trained: Path, faster: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(trained, copy)
    found = compared(capsys, trained, faster, copy)
    assert [(pair["run"], pair["against"]) for pair in found["differences"]] == [
        ("faster", "tiny"), ("copy", "tiny"), ("copy", "faster"),
    ]  # fmt: skip
    assert len(found["verdicts"]) == 2
    last = compared(capsys, copy, trained, faster)["verdicts"]  # the best and the next are not the reference
    assert last[0].startswith("faster is better than copy") or last[0].startswith("faster is better than tiny")


LOWER, UNCLEAR, WIDE = Interval(-0.03, -0.04, -0.02), Interval(0.01, -0.01, 0.03), Interval(-0.03, -0.09, 0.03)


@pytest.mark.parametrize(
    ("text", "seeds", "enough", "words"),
    [
        (LOWER, None, True, "b is better than a: 0.0300 nats per token lower (0.0200 to 0.0400)"),
        (LOWER.reversed(), None, True, "b is worse than a: 0.0300 nats per token higher (0.0200 to 0.0400)"),
        (UNCLEAR, None, True, "no difference to be seen between b and a: +0.0100 (-0.0100 to +0.0300) nats per token"),
        (LOWER, None, False, "too little text to tell b from a: -0.0300 (-0.0400 to -0.0200) nats per token"),
        (Interval(0, 0, 0), None, False, "b and a have the same loss on every piece of the text"),
        (
            LOWER,
            WIDE,
            True,
            "no difference to be seen between b and a: "
            "-0.0300 (-0.0400 to -0.0200 over the text, -0.0900 to +0.0300 over the seeds) nats per token",
        ),
        (
            LOWER,
            LOWER,
            True,
            "b is better than a: 0.0300 nats per token lower "
            "(0.0200 to 0.0400 over the text, 0.0200 to 0.0400 over the seeds)",
        ),
    ],
)
def test_the_verdict_in_words(text: Interval, seeds: Interval | None, enough: bool, words: str) -> None:
    assert sentence(Difference(0, 1, text, seeds, enough), ["a", "b"], "nats per token") == words


def test_names_are_short_and_apart() -> None:
    assert short_names([Path("runs/a"), Path("runs/b/model")]) == ["a", "b"]
    assert short_names([Path("x/a"), Path("y/a/")]) == ["x/a", "y/a"]
    assert short_names([Path("a"), Path("runs/" + "long" * 9)]) == ["a", "…" + ("long" * 9)[-19:]]
    assert short_names([Path("."), Path("b")])[0] == Path.cwd().name[-20:]


def test_settings_apart(trained: Path) -> None:
    settings = read_toml(trained / "run.toml")
    assert settings_apart(settings, settings) == {}
    moved = {**settings, "data": {**settings["data"], "folder": "elsewhere"}, "generation": {"prompts": ["x"]}}
    assert settings_apart(settings, moved) == {}
    other_text = {**settings, "data": {**settings["data"], "fingerprint": "0" * 64}}
    assert settings_apart(settings, other_text)["data.fingerprint"][1] == "0" * 12
    fewer = {"model": {"kind": "gpt"}, "schedule": {"kind": "cosine"}}
    assert settings_apart(fewer, {"model": {}, "notes": {"x": 1}}) == {
        "model.kind": ("gpt", "(not set)"),
        "schedule.kind": ("cosine", "(not set)"),
    }


@pytest.mark.parametrize(
    ("number", "shown"),
    [(0, "0"), (999, "999"), (307_200, "307k"), (999_600, "1000k"), (1_234_567, "1.23M"), (2.5e9, "2.5B")],
)
def test_short_counts(number: float, shown: str) -> None:
    assert short_count(number) == shown
