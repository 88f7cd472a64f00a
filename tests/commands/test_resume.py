"""`hornbook resume`: what may change on the way, what may not, and how a run goes on after an incident."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from hornbook.cli import run
from hornbook.config import read_toml
from hornbook.files import sha256_of
from hornbook.layers import loss
from hornbook.training.checkpoint import folder_of, steps_saved

Refused = Callable[..., str]
WEIGHTS = Path("model", "model.safetensors")


@pytest.fixture
def copy(trained: Path, tmp_path: Path) -> Path:
    """A finished run of its own."""
    return Path(shutil.copytree(trained, tmp_path / "run"))


def records(folder: Path, kind: str) -> list[dict[str, Any]]:
    lines = (folder / "metrics.jsonl").read_text().splitlines()
    return [record for record in map(json.loads, lines) if record["kind"] == kind]


def test_a_run_may_be_given_more_steps(copy: Path) -> None:
    assert run(["resume", str(copy), "--training.steps", "16", "--training.evaluate_every", "8"]) == 0
    assert [record["step"] for record in records(copy, "step")] == list(range(1, 17))
    assert [record["step"] for record in records(copy, "evaluation")] == [6, 12, 16]
    assert records(copy, "settings") == [
        {"kind": "settings", "step": 12, "changed": {"training.steps": [12, 16], "training.evaluate_every": [6, 8]}}
    ]
    assert read_toml(copy / "run.toml")["training"]["steps"] == 16


def test_the_same_setting_again_changes_nothing(copy: Path) -> None:
    before = sha256_of(copy / WEIGHTS)
    assert run(["resume", str(copy), "--training.batch_size", "4", "--training.steps", "12"]) == 0
    assert records(copy, "settings") == []
    assert sha256_of(copy / WEIGHTS) == before


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (("--training.batch_size", "8"), "training.batch_size is 4 in this run and can't become 8; hint: train anew"),
        (("--training.seed", "6"), "training.seed is 5 in this run and can't become 6"),
        (("--model.num_layers", "2"), "model.num_layers is 1 in this run and can't become 2"),
        (("--optimizer.learning_rate", "0.1"), "optimizer.learning_rate is 0.001 in this run and can't become 0.1"),
        (("--training.steps", "6"), "12 steps are done already; training.steps can't become 6"),
        (("--training.stepz", "20"), "unknown setting 'training.stepz'"),
        (("--training.steps", "0"), "training.steps = 0 is not allowed"),
    ],
)
def test_what_may_not_change_is_one_line_and_nothing_is_touched(
    copy: Path, refused: Refused, flags: tuple[str, str], words: str
) -> None:
    before = {path: path.read_bytes() for path in copy.rglob("*") if path.is_file()}
    assert words in refused("resume", copy, *flags)
    assert before == {path: path.read_bytes() for path in copy.rglob("*") if path.is_file()}


def test_without_an_incident_there_is_no_choice(copy: Path, refused: Refused) -> None:
    assert "no incident of" in refused("resume", copy, "--after", "skip")


def test_two_ways_to_say_when(copy: Path, refused: Refused) -> None:
    assert "leave one of them out" in refused("resume", copy, "--minutes", "1", "--until", "07:00")


def test_a_finished_run_trains_on_until_a_deadline(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["resume", str(copy), "--training.steps", "400", "--minutes", "0.2"]) == 0
    assert records(copy, "plan")[0]["step"] == 12
    steps = [record["step"] for record in records(copy, "step")]
    assert 12 < len(steps) <= 400
    assert len(steps) == len(set(steps)) == steps[-1]


def ill(monkeypatch: pytest.MonkeyPatch, calls: set[int]) -> None:
    """The loss is no number in these calls while training, counted from 1: one call is one step of the recipe."""
    healthy, count = loss.next_token_loss, 0

    def sometimes(model: nn.Module, inputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        nonlocal count
        count += model.training
        total, tokens = healthy(model, inputs, targets)
        return (total * torch.nan if model.training and count in calls else total), tokens

    monkeypatch.setattr(loss, "next_token_loss", sometimes)


@pytest.fixture
def stopped(recipe: str, trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refused: Refused) -> Path:
    """A run that an incident at step 8 has ended; its last checkpoint is that of step 6."""
    out = tmp_path / "ill"
    with monkeypatch.context() as patch:
        ill(patch, {8, 9})  # the step, and the look at it
        line = refused("train", recipe, "--out", out, "--data", trained / "data", "--device", "cpu", talk=True)
    assert "the loss is no longer a number at step 8" in line
    assert f"hornbook replay {out / 'incidents' / 'step-00000008'}" in line
    assert "--after skip" in line
    assert "--after slower" in line
    assert steps_saved(out / "checkpoints") == [3, 6]
    assert (out / "incidents" / "step-00000008" / "batch.safetensors").exists()
    assert [record["step"] for record in records(out, "step")] == list(range(1, 8))
    return out


def test_a_batch_can_be_left_out_after_an_incident(stopped: Path, trained: Path) -> None:
    assert run(["resume", str(stopped), "--after", "skip"]) == 0
    assert [record["step"] for record in records(stopped, "step")] == [*range(1, 8), *range(9, 13)]
    assert [record["step"] for record in records(stopped, "skipped")] == [8]
    assert [record["after"] for record in records(stopped, "choice")] == ["skip"]
    assert [record["step"] for record in records(stopped, "incident")] == [8]
    assert read_toml(stopped / "run.toml")["training"]["skipped"] == [8]
    assert sha256_of(stopped / WEIGHTS) != sha256_of(trained / WEIGHTS)


def test_the_rate_can_be_lowered_after_an_incident(stopped: Path, trained: Path) -> None:
    assert run(["resume", str(stopped), "--after", "slower"]) == 0
    rates = {record["step"]: record["learning_rate"] for record in records(stopped, "step")}
    usual = {record["step"]: record["learning_rate"] for record in records(trained, "step")}
    assert rates == {step: rate * (0.5 if step > 6 else 1) for step, rate in usual.items()}
    assert read_toml(stopped / "run.toml")["schedule"]["lowered"] == [[6, 0.5]]


def test_slower_goes_back_to_weights_that_are_numbers(stopped: Path) -> None:
    from safetensors.torch import load_file, save_file

    from hornbook.files import read_json, write_json

    newest = folder_of(stopped / "checkpoints", 6)
    weights = load_file(newest / "weights.safetensors")
    weights["final_norm.weight"][0] = torch.nan
    save_file(weights, newest / "weights.safetensors")
    state = read_json(newest / "state.json")
    state["sha256"]["weights.safetensors"] = sha256_of(newest / "weights.safetensors")
    write_json(newest / "state.json", state)
    assert run(["resume", str(stopped), "--after", "slower"]) == 0
    assert read_toml(stopped / "run.toml")["schedule"]["lowered"] == [[3, 0.5]]


def test_going_on_without_a_choice_says_what_will_come(stopped: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Here the illness is gone, so the run ends as if nothing had been."""
    assert run(["resume", str(stopped)]) == 0
    assert "step 8 went wrong before" in capsys.readouterr().err
    assert [record["step"] for record in records(stopped, "step")] == list(range(1, 13))
