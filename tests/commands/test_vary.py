"""`hornbook train --vary`: one run for each combination, on one dataset, listed by what came out."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from hornbook.cli import run
from hornbook.config import read_toml

Refused = Callable[..., str]
FEW = ("--training.steps", "2", "--training.evaluate_every", "2", "--device", "cpu")


def test_each_combination_is_trained_once_and_the_best_comes_first(
    recipe: str, trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "many"
    vary = ("--vary", "optimizer.learning_rate=1e-3,1e-2", "--vary", "model.context_length=8,16")
    command = ["train", recipe, "--out", str(out), "--data", str(trained / "data"), *FEW, *vary, "--json"]
    assert run(command) == 0
    runs = json.loads(capsys.readouterr().out)["runs"]
    assert {one["variant"] for one in runs} == {
        f"learning_rate={rate}_context_length={length}" for rate in ("1e-3", "1e-2") for length in (8, 16)
    }
    losses = [one["validation_loss"] for one in runs]
    assert losses == sorted(losses)
    settings = read_toml(out / "learning_rate=1e-2_context_length=8" / "run.toml")
    assert settings["optimizer"]["learning_rate"] == 0.01
    assert settings["model"]["context_length"] == 8
    assert (out / "pictures" / "loss.png").exists()
    assert run(command) == 0  # finished already: nothing is trained again
    assert "finished already" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("vary", "words"),
    [
        (("optimizer.learning_rate",), "is no setting with its values; hint: write --vary section.key=value,value"),
        (("optimizer.learning_rate=1",), "names fewer than two values"),
        (("training.seed=1,1",), "names fewer than two values, or one twice"),
        (("data.vocab_size=300,400",), "'data.vocab_size' can't be varied"),
        (("training.seed=1,2", "training.seed=3,4"), "a setting can be varied once only"),
        (("optimizer.learning_rat=1,2",), "unknown setting 'optimizer.learning_rat'"),
        (("training.steps=5,none",), "training.steps = 'none' is not allowed"),
    ],
)
def test_what_can_not_be_varied_is_one_line(
    recipe: str, tmp_path: Path, refused: Refused, vary: tuple[str, ...], words: str
) -> None:
    flags = [word for text in vary for word in ("--vary", text)]
    assert words in refused("train", recipe, "--out", tmp_path / "none", *flags)
    assert not (tmp_path / "none").exists()


def test_seeds_and_vary_exclude_each_other(recipe: str, tmp_path: Path, refused: Refused) -> None:
    assert "two questions" in refused(
        "train", recipe, "--out", tmp_path / "x", "--seeds", "2", "--vary", "training.seed=1,2"
    )
