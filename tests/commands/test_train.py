"""`hornbook train` and `hornbook resume`: from a recipe to a model that others open, the same one every time."""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import hornbook
from hornbook.cli import run
from hornbook.config import read_toml
from hornbook.files import sha256_of
from hornbook.training import loop
from hornbook.training.checkpoint import newest_intact

WEIGHTS = Path("model", "model.safetensors")


def train(recipe: str, out: Path, *flags: str, data: Path | None = None) -> Path:
    """Train by `recipe` into `out` and return it."""
    arguments = ["train", recipe, "--out", str(out), "--device", "cpu", *flags]
    assert run(arguments + (["--data", str(data)] if data else [])) == 0
    return out


def events(folder: Path) -> list[dict[str, Any]]:
    """metrics.jsonl without the clock's part."""
    records = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [{key: value for key, value in record.items() if key != "tokens_per_second"} for record in records]


def test_a_recipe_becomes_a_run_folder(trained: Path) -> None:
    names = {path.name for path in trained.iterdir()}
    assert names == {"run.toml", "metrics.jsonl", "checkpoints", "model", "pictures", "data"}
    assert (trained / "pictures" / "loss.png").read_bytes().startswith(b"\x89PNG")
    assert {path.name for path in (trained / "model").iterdir()} == {
        "config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json", "generation_config.json",
        "README.md", "hornbook.json",
    }  # fmt: skip
    settings = read_toml(trained / "run.toml")
    assert settings["training"]["steps"] == 12
    assert settings["training"]["precision"] == "fp32"  # what the recipe leaves out stands there too
    assert settings["data"]["folder"] == "data"  # relative to the run, so that the run can be moved
    records = events(trained)
    assert [record["step"] for record in records if record["kind"] == "step"] == list(range(1, 13))
    assert [record["step"] for record in records if record["kind"] == "evaluation"] == [6, 12]
    assert newest_intact(trained / "checkpoints")[0] == trained / "checkpoints" / "step-00000012"


def test_the_same_seed_gives_the_same_weights(recipe: str, trained: Path, tmp_path: Path) -> None:
    again = train(recipe, tmp_path / "again")
    assert sha256_of(again / WEIGHTS) == sha256_of(trained / WEIGHTS)
    assert events(again) == events(trained)
    other = train(recipe, tmp_path / "other", "--training.seed", "6", data=trained / "data")
    assert sha256_of(other / WEIGHTS) != sha256_of(trained / WEIGHTS)


@pytest.mark.parametrize("after", [2, 3, 5, 6, 11])
def test_a_run_that_was_stopped_ends_with_the_same_weights(
    recipe: str, trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    """Stopped before, at and after a checkpoint and an evaluation."""
    update = loop.update

    def stopped(*arguments: Any) -> dict[str, Any]:
        record = update(*arguments)
        if record["step"] == after:
            os.kill(os.getpid(), signal.SIGTERM)
        return record

    monkeypatch.setattr(loop, "update", stopped)
    out = tmp_path / "run"
    arguments = ["train", recipe, "--out", str(out), "--data", str(trained / "data"), "--device", "cpu"]
    assert run(arguments) == 143
    assert not (out / "model").exists()
    monkeypatch.undo()
    assert run(["resume", str(out)]) == 0
    assert sha256_of(out / WEIGHTS) == sha256_of(trained / WEIGHTS)
    assert events(out) == events(trained)


@pytest.mark.parametrize("step", [6, 12])
def test_a_crash_between_saving_and_evaluating_loses_nothing(
    recipe: str, trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    out = tmp_path / "run"
    evaluate = loop.Loop._evaluate

    def crash(self: loop.Loop, report: Any) -> None:
        if self.done == step:
            raise MemoryError
        evaluate(self, report)

    monkeypatch.setattr(loop.Loop, "_evaluate", crash)
    with pytest.raises(MemoryError):
        run(["train", recipe, "--out", str(out), "--data", str(trained / "data"), "--device", "cpu"])
    monkeypatch.undo()
    assert run(["resume", str(out)]) == 0
    assert sha256_of(out / WEIGHTS) == sha256_of(trained / WEIGHTS)
    assert events(out) == events(trained)


def test_resuming_a_finished_run_changes_nothing(recipe: str, trained: Path, tmp_path: Path) -> None:
    out = train(recipe, tmp_path / "run", data=trained / "data")
    kept = [out / WEIGHTS, out / "metrics.jsonl", out / "run.toml", out / "model" / "hornbook.json"]
    before = [path.read_bytes() for path in kept]
    assert run(["resume", str(out)]) == 0
    assert [path.read_bytes() for path in kept] == before
    assert hornbook.load(out).generate("The", max_new_tokens=3)


def test_resuming_a_finished_run_says_so(
    recipe: str, trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = train(recipe, tmp_path / "run", data=trained / "data")
    first = capsys.readouterr().out.splitlines()
    assert re.fullmatch(r"validation loss .* tokens/s", first[0])
    assert run(["resume", str(out)]) == 0
    said = capsys.readouterr()
    again = said.out.splitlines()
    assert again[0] == "finished already: " + first[0].rpartition(", ")[0]
    assert again[1:] == first[1:]
    assert "going on" not in said.err
    assert run(["resume", str(out), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["tokens_per_second"] is None


def with_losses(monkeypatch: pytest.MonkeyPatch, *losses: float) -> None:
    """The evaluations find these losses, one after the other."""
    left = iter(losses)
    monkeypatch.setattr(loop, "mean_loss", lambda *_: next(left))


@pytest.mark.parametrize(
    ("losses", "flags", "line"),
    [
        ((3.0, 2.5), (), "validation loss 2.5000 at step 12, "),
        ((2.5, 3.25), (), "validation loss 2.5000 at step 6 (the last, step 12, had 3.2500), "),
        (
            (2.5, 2.75, 3.0),
            ("--training.steps", "1200", "--training.patience", "2"),
            "validation loss 2.5000 at step 6 "
            "(the last, step 18 of 1,200, had 3.0000: it stopped for want of progress), ",
        ),
    ],
)
def test_the_last_screen_says_when_the_best_step_was_not_the_last(
    recipe: str,
    trained: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    losses: tuple[float, ...],
    flags: tuple[str, ...],
    line: str,
) -> None:
    with_losses(monkeypatch, *losses)
    out = train(recipe, tmp_path / "run", *flags, data=trained / "data")
    printed = capsys.readouterr().out.splitlines()[0]
    assert printed.startswith(line)
    assert run(["resume", str(out)]) == 0  # one that stopped early is finished, too
    assert capsys.readouterr().out.splitlines()[0] == f"finished already: {line.removesuffix(', ')}"


def test_json_tells_the_best_step_and_the_last(
    recipe: str,
    trained: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with_losses(monkeypatch, 2.5, 3.25)
    train(recipe, tmp_path / "run", "--json", data=trained / "data")
    found = json.loads(capsys.readouterr().out)
    names = ("step", "validation_loss", "last_step", "last_validation_loss")
    assert [found[name] for name in names] == [6, 2.5, 12, 3.25]
    assert found["tokens_per_second"] > 0


def test_json_is_one_object(recipe: str, trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in (["train", recipe, "--data", str(trained / "data"), "--out", str(tmp_path / "run")], ["resume"]):
        if arguments == ["resume"]:
            arguments.append(str(tmp_path / "run"))
        assert run([*arguments, "--json"]) == 0
        out, _ = capsys.readouterr()
        assert out.count("\n") == 1
        found = json.loads(out)
        assert found["model"] == str(tmp_path / "run" / "model")
        assert found["step"] in (6, 12)
        assert 0 < found["validation_loss"] < 10


def test_flags_win_over_the_environment_and_that_over_the_file(
    recipe: str, trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HORNBOOK_TRAINING_STEPS", "4")
    monkeypatch.setenv("HORNBOOK_TRAINING_BATCH_SIZE", "3")
    monkeypatch.setenv("HORNBOOK_GENERATION_PROMPTS", '["One", "Two"]')
    out = train(recipe, tmp_path / "run", "--training.steps", "2", "--model.num-layers=2", data=trained / "data")
    settings = read_toml(out / "run.toml")
    assert settings["training"]["steps"] == 2
    assert settings["training"]["batch_size"] == 3
    assert settings["training"]["seed"] == 5
    assert settings["model"]["num_layers"] == 2
    samples = [record["texts"] for record in events(out) if record["kind"] == "sample"]
    assert [text[:3] for text in samples[0]] == ["One", "Two"]


def test_one_prompt_or_source_needs_no_list(recipe: str, trained: Path, tmp_path: Path) -> None:
    flags = ["--generation.prompts", "Nora", "--training.steps", "1"]
    out = train(recipe, tmp_path / "run", *flags, data=trained / "data")
    assert read_toml(out / "run.toml")["generation"]["prompts"] == ["Nora"]


def test_a_setting_of_none_is_still_none_when_resumed(recipe: str, trained: Path, tmp_path: Path) -> None:
    from hornbook.commands._recipe import check_recipe

    flags = ["--training.clip", "none", "--generation.top_k", "none", "--training.steps", "1"]
    settings = check_recipe(read_toml(train(recipe, tmp_path / "run", *flags, data=trained / "data") / "run.toml"))
    assert settings.training.clip is None
    assert settings.sampling.top_k is None


def test_a_run_opens_in_python_and_writes_the_same_in_two_processes(trained: Path) -> None:
    model = hornbook.load(trained)
    text = model.generate("Nora", max_new_tokens=12, seed=3)
    assert text == model.generate("Nora", max_new_tokens=12, seed=3)
    assert text != model.generate("Nora", max_new_tokens=12, seed=4)
    command = [sys.executable, "-m", "hornbook", "generate", str(trained), "Nora", "--max-new-tokens", "12"]
    environment = {**os.environ, "PYTHONPATH": str(Path(hornbook.__file__).parents[1]), "PYTHONUTF8": "1"}
    done = subprocess.run(
        [*command, "--seed", "3", "--json"], env=environment, capture_output=True, check=True, encoding="utf-8"
    )
    assert json.loads(done.stdout)["text"] == text


@pytest.mark.slow
@pytest.mark.parametrize(
    ("flags", "model_type"),
    [
        (["--model.kind", "llama"], "qwen3"),
        (["--model.kind", "llama", "--model.qk_norm", "false"], "llama"),
        (["--model.kind", "gpt"], "gpt2"),
    ],
)
@pytest.mark.filterwarnings("ignore")  # of transformers itself
def test_the_model_folder_opens_in_transformers(
    recipe: str, trained: Path, tale: Path, tmp_path: Path, flags: list[str], model_type: str
) -> None:
    """Same ids, and logits within 1e-4, without a line of conversion."""
    transformers = pytest.importorskip("transformers")
    torch = pytest.importorskip("torch")
    folder = (
        train(recipe, tmp_path / "run", *flags, "--optimizer.learning_rate", "0.02", data=trained / "data") / "model"
    )
    ours = hornbook.load(folder)
    theirs = transformers.AutoModelForCausalLM.from_pretrained(folder, local_files_only=True).eval()
    assert theirs.config.model_type == model_type
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder, local_files_only=True)
    for text in (tale.read_text(encoding="utf-8")[:2000], "Größe: 5 €, 猫  \n\n\tdon't <|endoftext|>"):
        assert tokenizer(text, split_special_tokens=True)["input_ids"] == ours.tokenizer.encode(text)
    ids = ours.tokenizer.encode(tale.read_text(encoding="utf-8"))[: 4 * 16]
    tokens = torch.tensor(ids).reshape(4, 16)
    with torch.inference_mode():
        difference = (ours.model(tokens) - theirs(tokens).logits).abs().max()
    assert float(difference) < 1e-4
