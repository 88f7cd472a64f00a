"""`hornbook replay`: a step that went wrong is computed again, bit for bit, and shown so that a person sees why."""

import json
import math
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from hornbook.cli import run
from hornbook.config import read_toml
from hornbook.models.gpt import GPT, GPTConfig
from hornbook.tokenizers.base import load_tokenizer
from hornbook.training.diagnosis import Finding
from hornbook.training.incident import Incident, Trouble, find_incident, load_incident, save_incident

Refused = Callable[..., str]
Replayed = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def exploded(recipe: str, trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run at a rate of 1,000, which ends at its second step. Tests read it and copy it; none changes it."""
    torch.set_num_threads(1)
    out = tmp_path_factory.mktemp("runs") / "exploded"
    flags = ["--optimizer.learning_rate", "1000", "--training.microbatch_size", "3", "--device", "cpu"]
    assert run(["train", recipe, "--out", str(out), "--data", str(trained / "data"), *flags]) == 2
    return out


@pytest.fixture
def copy(exploded: Path, tmp_path: Path) -> Path:
    """A run with an incident that a test may change."""
    return Path(shutil.copytree(exploded, tmp_path / "run"))


@pytest.fixture
def replayed(capsys: pytest.CaptureFixture[str]) -> Replayed:
    """`replayed(folder)` -> what `hornbook replay FOLDER --json` prints, which is one object of strict JSON."""

    def refuse(word: str) -> None:
        raise AssertionError(f"{word} is no JSON")

    def replay(folder: Path, *flags: str) -> dict[str, Any]:
        capsys.readouterr()
        assert run(["replay", str(folder), "--json", *flags]) == 0
        out, _ = capsys.readouterr()
        assert out.count("\n") == 1
        found: dict[str, Any] = json.loads(out, parse_constant=refuse)
        return found

    return replay


def changed(folder: Path, step: int = 7, **changes: Any) -> Path:
    """The run's newest incident, saved beside it with changes."""
    kept = load_incident(find_incident(folder))
    trouble = Trouble(**{**vars(kept.trouble), "step": step, **changes.pop("trouble", {})})
    return save_incident(folder, Incident(**{**vars(kept), "trouble": trouble, **changes}))


def test_a_run_that_explodes_says_so_and_what_to_do(
    recipe: str, trained: Path, tmp_path: Path, refused: Refused
) -> None:
    out = tmp_path / "run"
    arguments = ["train", recipe, "--out", out, "--data", trained / "data", "--optimizer.learning_rate", "1000"]
    line = refused(*arguments, "--device", "cpu", talk=True)
    folder = out / "incidents" / "step-00000002"
    assert line.startswith("error: the loss ")
    assert " times the usual " in line
    assert " at step 2, most in " in line
    assert f"; kept in {folder}; hint: hornbook replay {folder} looks at it; " in line
    assert f"hornbook resume {out} --after skip leaves that batch out, --after slower goes back to " in line
    assert folder.is_dir()


def test_a_replay_is_the_same_to_the_last_bit(exploded: Path, replayed: Replayed) -> None:
    """By the run's name and by the incident's."""
    found = replayed(exploded)
    assert found["same"]
    assert found["replayed"] == found["recorded"]
    assert found["recorded"]["loss"] > 1000
    records = [json.loads(line) for line in (exploded / "metrics.jsonl").read_text().splitlines()]
    assert records[-1]["loss"] == found["replayed"]["loss"]
    assert records[-1]["gradient_norm"] == found["replayed"]["gradient_norm"]
    assert found["finding"] == found["recorded_finding"]
    assert found["choices"] == {
        "skip": f"hornbook resume {exploded} --after skip",
        "slower": f"hornbook resume {exploded} --after slower",
    }
    assert replayed(exploded / "incidents" / "step-00000002") == found


def test_the_batch_is_shown_as_text_the_worst_rows_first(exploded: Path, replayed: Replayed) -> None:
    found = replayed(exploded)
    rows = found["rows"]
    assert sorted(row["place"] for row in rows) == [0, 1, 2, 3]
    assert [row["loss"] for row in rows] == sorted((row["loss"] for row in rows), reverse=True)
    kept = load_incident(find_incident(exploded))
    inputs = torch.cat([inputs for inputs, _ in kept.microbatches])
    tokenizer = load_tokenizer(exploded / str(read_toml(exploded / "run.toml")["data"]["folder"]) / "tokenizer.json")
    for row in rows:
        assert row["tokens"] == inputs[row["place"]].tolist()
        assert row["text"] == tokenizer.decode(row["tokens"])


def test_it_is_readable_at_80_columns(
    exploded: Path, replayed: Replayed, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    found = replayed(exploded)
    pulls = {each["layer"]: each["gradient"]["norm"] / each["weights"]["norm"] for each in found["layers"]}
    worst = max(pulls, key=lambda layer: pulls[layer])
    monkeypatch.chdir(exploded.parent)
    monkeypatch.setenv("COLUMNS", "80")
    assert run(["replay", exploded.name]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    lines = out.splitlines()
    assert max(map(len, lines)) <= 80
    assert lines[0].startswith("the loss ")
    assert f", most in {worst}, whose gradient" in " ".join(lines[:3])
    assert "          the same, to the last bit" in lines
    layers = [line.split()[0] for line in lines if line.startswith("  blocks.0.")]
    assert "blocks.0.attention.query_norm" in layers
    assert sum(line.startswith("> ") for line in lines) == 1
    assert "batch: 4 rows in 2 microbatches, the worst first" in lines
    assert "  hornbook resume exploded --after skip" in lines


def test_weights_that_are_no_numbers_are_named(
    copy: Path, replayed: Replayed, capsys: pytest.CaptureFixture[str]
) -> None:
    weights = dict(load_incident(find_incident(copy)).weights)
    weights["blocks.0.attention.output.weight"][2, 1] = math.nan
    nan = {"what": "the loss is no longer a number", "loss": math.nan, "norm": math.nan}
    folder = changed(copy, trouble=nan, weights=weights, finding=None)
    found = replayed(folder)
    assert found["same"]
    assert found["recorded"] == found["replayed"] == {"loss": "nan", "gradient_norm": "nan"}
    assert found["finding"]["layer"] == "blocks.0.attention.output"
    assert found["finding"]["in_weights"]
    assert list(found["choices"]) == ["slower"]
    assert {row["loss"] for row in found["rows"]} == {"nan"}
    layer = next(layer for layer in found["layers"] if layer["layer"] == "blocks.0.feed_forward_norm")
    assert layer["output"]["wrong"] == layer["output"]["count"]
    assert run(["replay", str(folder)]) == 0
    out, _ = capsys.readouterr()
    assert "first in blocks.0.attention.output, 1 of whose 256 weights are not finite" in " ".join(out.split())
    marked = next(line for line in out.splitlines() if line.startswith("> "))
    assert marked.split()[:4] == [">", "blocks.0.attention.output", "not", "finite"]
    assert " 100 %" in out
    assert "--after skip" not in out


@pytest.mark.parametrize(
    ("times", "words"),
    [
        (1 + 1e-6, "the same but for rounding: it happened on cpu with 1 threads"),
        (1.1, "   not the same\n"),
    ],
)
def test_what_is_not_the_same_is_said(
    copy: Path, replayed: Replayed, capsys: pytest.CaptureFixture[str], times: float, words: str
) -> None:
    kept = load_incident(find_incident(copy)).trouble
    folder = changed(copy, kept.step, trouble={"loss": kept.loss * times}, finding=Finding("blocks.7", "in its output"))
    assert not replayed(folder)["same"]
    assert run(["replay", str(folder)]) == 0
    out, _ = capsys.readouterr()
    assert words in out
    assert "\nwhen it happened: in blocks.7, in its output\n" in out


def test_what_has_vanished_is_said(copy: Path, replayed: Replayed, capsys: pytest.CaptureFixture[str]) -> None:
    """A fault of the machine, or of code that was mended since: no layer is named that is not to blame."""
    was = Finding("blocks.0.attention", "in its output")
    folder = changed(copy, trouble={"what": "the loss is no longer a number", "loss": math.nan}, finding=was)
    assert replayed(folder)["finding"] == vars(was)
    assert run(["replay", str(folder)]) == 0
    out, _ = capsys.readouterr()
    assert "at step 7, first in blocks.0.attention, in its output" in " ".join(out.split())
    assert "\n          not the same: all numbers are finite now\n" in out
    assert "when it happened" not in out
    assert "the largest beside" not in out


def test_an_incident_can_be_taken_away_from_its_run(
    copy: Path, tmp_path: Path, replayed: Replayed, capsys: pytest.CaptureFixture[str]
) -> None:
    """It needs neither the run nor its text: tokens are shown as numbers."""
    folder = Path(shutil.move(find_incident(copy), tmp_path / "sent"))
    found = replayed(folder)
    assert found["same"]
    assert found["rows"][0]["text"] is None
    assert run(["replay", str(folder)]) == 0
    out, _ = capsys.readouterr()
    assert f"tokens·{found['rows'][0]['tokens'][0]}·" in out
    assert "hornbook resume RUN --after slower" in out


def test_a_text_that_is_gone_or_another_is_left_out(copy: Path, replayed: Replayed) -> None:
    settings = (copy / "run.toml").read_text()
    (copy / "run.toml").write_text(settings.replace('folder = "', 'folder = "gone'))
    assert {row["text"] for row in replayed(copy)["rows"]} == {None}
    (copy / "run.toml").write_text(settings.replace('fingerprint = "', 'fingerprint = "other'))
    assert {row["text"] for row in replayed(copy)["rows"]} == {None}


def test_threads_are_those_of_then_and_come_back(copy: Path, replayed: Replayed) -> None:
    torch.set_num_threads(1)
    folder = changed(copy, made={"device": "cpu", "threads": 2, "torch": torch.__version__})
    replayed(folder)
    assert torch.get_num_threads() == 1


def test_of_many_layers_those_around_the_first_wrong_one_are_shown(
    copy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sizes = {"vocab_size": 300, "context_length": 16, "num_layers": 12, "num_heads": 1, "embed_dim": 4}
    model = GPT(GPTConfig(**sizes))
    weights = model.state_dict()
    weights["blocks.8.attention.qkv.weight"].fill_(math.nan)
    folder = changed(copy, kind="gpt", config=model.config.model_dump(), weights=weights)
    assert run(["replay", str(folder)]) == 0
    out, _ = capsys.readouterr()
    table = [line for line in out.splitlines() if line.startswith(("  blocks.", "> blocks."))]
    assert len(table) == 40
    assert table[20].startswith("> blocks.8.attention.qkv ")
    assert "  … 31 layers before these, 4 after; --json has all" in out.splitlines()


def test_rows_whose_loss_is_no_number_come_first(copy: Path, replayed: Replayed) -> None:
    """A token that only some rows have is spoiled."""
    batch = load_incident(find_incident(copy)).microbatches
    first, last = batch[0][0][0].tolist(), batch[-1][0][-1].tolist()
    token = next(token for token in last if token not in first)
    sizes = {"vocab_size": 300, "context_length": 16, "num_layers": 1, "num_heads": 1, "embed_dim": 4}
    model = GPT(GPTConfig(**sizes, tied_output=False))
    weights = model.state_dict()
    weights["token_embedding.weight"][token] = math.nan
    found = replayed(changed(copy, kind="gpt", config=model.config.model_dump(), weights=weights))
    spoiled = [token in row["tokens"] for row in found["rows"]]
    assert spoiled == sorted(spoiled, reverse=True)
    assert [row["loss"] == "nan" for row in found["rows"]] == spoiled
    assert 0 < sum(spoiled) < len(spoiled)
    assert found["finding"]["layer"] == "token_embedding"


def test_what_cant_be_replayed_is_one_line(copy: Path, trained: Path, tmp_path: Path, refused: Refused) -> None:
    assert "has no incidents: no step of it went wrong" in refused("replay", trained)
    assert "is not an incident (it has no incident.json); hint: " in refused("replay", tmp_path / "nothing")
    assert "is not an incident" in refused("replay", trained / "model")
    assert "is of a model that isn't built here, 'bert'" in refused("replay", changed(copy, kind="bert"))
    other = {name: tensor[:1] for name, tensor in load_incident(find_incident(copy)).weights.items()}
    assert "is damaged: its weights are not those of its model" in refused("replay", changed(copy, weights=other))
    assert "model.num_heads" in refused("replay", changed(copy, config={"vocab_size": 300, "num_heads": "two"}))
    assert "no device 'tpu' here" in refused("replay", find_incident(copy), "--device", "tpu")
    (find_incident(copy) / "batch.safetensors").write_bytes(b"")
    assert "is damaged: 'batch.safetensors' is not what was written" in refused("replay", find_incident(copy))
