"""`hornbook train --seeds`: the same recipe several times, its spread, and going on after a stop."""

import json
import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import pytest

from hornbook.cli import run
from hornbook.commands._seeds import Outcome, _lines
from hornbook.evaluation._intervals import smallest_difference
from hornbook.files import sha256_of
from hornbook.training.run_folder import RunFolder

Refused = Callable[..., str]
WEIGHTS = Path("model", "model.safetensors")


def command(recipe: str, out: Path, *flags: str) -> list[str]:
    return ["train", recipe, "--seeds", "2", "--out", str(out), "--device", "cpu", *flags]


@pytest.fixture(scope="session")
def seeds(recipe: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The recipe with the seeds 5 and 6. Tests read it and copy it; none changes it."""
    out = tmp_path_factory.mktemp("seeds") / "both"
    assert run(command(recipe, out)) == 0
    return out


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--seeds", "1"], "seeds must be at least 2, not '1'"),
        (["--seeds", "-3"], "seeds must be at least 2, not '-3'"),
        (["--seeds", "many"], "many"),
        (["--seeds", "2", "--minutes", "1"], "--seeds and --vary can't have a deadline; hint: choose --training.steps"),
        (["--seeds", "2", "--training.seed", "-1"], "training.seed = -1"),
        (["--seeds", "2", "--training.stepz", "1"], "did you mean 'training.steps'?"),
    ],
)
def test_seeds_that_can_not_be(recipe: str, tmp_path: Path, refused: Refused, flags: list[str], message: str) -> None:
    assert message in refused("train", recipe, "--out", tmp_path / "out", *flags)
    assert not (tmp_path / "out").exists()


def test_a_place_that_is_taken(recipe: str, trained: Path, tmp_path: Path, refused: Refused) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    assert "already exists" in refused("train", recipe, "--seeds", "2", "--out", tmp_path)
    assert "already exists" in refused("train", recipe, "--seeds", "2", "--out", tmp_path / "mine.txt")
    assert "already holds a run" in refused("train", recipe, "--seeds", "2", "--out", trained)


def test_each_seed_is_a_run_of_its_own_on_one_dataset(seeds: Path, trained: Path) -> None:
    assert sorted(path.name for path in seeds.iterdir()) == ["data", "pictures", "seed-5", "seed-6"]
    assert sha256_of(seeds / "seed-5" / WEIGHTS) == sha256_of(trained / WEIGHTS)  # what training it alone gives
    assert sha256_of(seeds / "seed-6" / WEIGHTS) != sha256_of(trained / WEIGHTS)
    settings = RunFolder(seeds / "seed-6").settings
    assert settings["training"]["seed"] == 6
    assert settings["data"]["folder"] == "../data"
    assert (seeds / "pictures" / "loss.png").is_file()


def test_the_spread_is_told(recipe: str, seeds: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The same command again trains nothing and says the same."""
    before = {path: path.stat().st_mtime_ns for path in seeds.rglob("*.safetensors")}
    capsys.readouterr()
    assert run([*command(recipe, seeds), "--json"]) == 0
    out, err = capsys.readouterr()
    found: dict[str, Any] = json.loads(out)
    assert before == {path: path.stat().st_mtime_ns for path in seeds.rglob("*.safetensors")}
    assert err.splitlines() == ["seed-5 (1 of 2): finished already", "seed-6 (2 of 2): finished already"]
    losses = [
        min(record["validation_loss"] for record in RunFolder(seeds / f"seed-{seed}").records("evaluation"))
        for seed in (5, 6)
    ]
    assert [(one["seed"], one["validation_loss"]) for one in found["runs"]] == list(zip((5, 6), losses, strict=True))
    assert (found["mean"], found["standard_deviation"]) == (mean(losses), stdev(losses))
    assert (found["lowest"], found["highest"]) == (min(losses), max(losses))
    assert found["smallest_difference"] == smallest_difference(losses)
    lines = _lines([Outcome(f"seed-{seed}", seeds, 12, loss) for seed, loss in zip((5, 6), losses, strict=True)])
    assert lines[0].startswith(f"seed 5  validation loss {losses[0]:.4f} at step 12")
    assert f"mean {mean(losses):.4f}, standard deviation {stdev(losses):.4f}" in lines[2]
    assert f"{smallest_difference(losses):.4f} apart or more" in lines[4]
    assert max(map(len, lines[2:])) <= 80


def test_other_settings_are_refused(recipe: str, seeds: Path, refused: Refused) -> None:
    line = refused(*command(recipe, seeds, "--optimizer.learning_rate", "0.5"))
    assert "seed-5' was trained with optimizer.learning_rate 0.001, not 0.5" in line
    assert "was trained with data.vocab_size 300, not 290" in refused(
        *command(recipe, seeds, "--data.vocab_size", "290")
    )
    assert json.loads((seeds / "data" / "dataset.json").read_text())["settings"]["vocab_size"] == 300


def test_a_stop_keeps_what_is_finished_and_the_same_command_goes_on(
    recipe: str, seeds: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "both"
    shutil.copytree(seeds, out, ignore=shutil.ignore_patterns("seed-6"))
    append = RunFolder.append

    def stopped(self: RunFolder, record: dict[str, Any]) -> None:
        append(self, record)
        if self.path.name == "seed-6" and record["kind"] == "step" and record["step"] == 4:
            os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(RunFolder, "append", stopped)
    assert run(command(recipe, out)) == 143
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.splitlines()[-1].endswith("or the same command again, which goes on with all that is missing")
    assert f"go on with: hornbook resume {out / 'seed-6'}" in said.err
    assert (out / "seed-5" / WEIGHTS).is_file()
    assert not (out / "seed-6" / "model").exists()
    monkeypatch.undo()
    assert run(command(recipe, out)) == 0
    for seed in ("seed-5", "seed-6"):
        assert sha256_of(out / seed / WEIGHTS) == sha256_of(seeds / seed / WEIGHTS)


def test_two_recipes_are_compared_over_their_seeds(
    seeds: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two that differ by their seeds alone: over the seeds there is no difference, whatever the text says."""
    other = tmp_path / "other"
    shutil.copytree(seeds, other, ignore=shutil.ignore_patterns("seed-6"))
    shutil.copytree(seeds / "seed-5", other / "seed-7")
    capsys.readouterr()
    assert run(["compare", str(seeds), str(other), "--device", "cpu", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    (difference,) = found["differences"]
    means = [mean(side["seed_losses"]) for side in found["runs"]]
    assert difference["seeds"]["value"] == pytest.approx(means[1] - means[0])
    assert difference["text"]["value"] == pytest.approx(means[1] - means[0])
    assert difference["verdict"] == "no difference"
    assert found["runs"][1]["differs_in"] == {}
    assert not any("another seed" in note for note in found["notes"])
    assert run(["compare", str(seeds), str(other), "--device", "cpu"]) == 0
    out, _ = capsys.readouterr()
    assert "over the seeds" in out
    assert max(map(len, out.splitlines())) <= 80


def test_two_seeds_of_one_recipe_show_what_luck_does(seeds: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert run(["compare", str(seeds / "seed-5"), str(seeds / "seed-6"), "--device", "cpu", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["runs"][1]["differs_in"] == {"training.seed": [5, 6]}
    size = abs(found["differences"][0]["text"]["value"])
    luck = f"only the seed is another in seed-6: differences of {size:.4f} nats per token come by luck alone"
    assert found["notes"][0] == luck
