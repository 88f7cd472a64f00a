"""`training.recompute` and `training.compile` from the command line."""

from collections.abc import Callable
from pathlib import Path

import pytest

from hornbook.cli import run
from hornbook.files import sha256_of

Refused = Callable[..., str]


def test_without_a_compiler_nothing_is_begun(
    refused: Refused, recipe: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler")
    line = refused("train", recipe, "--out", str(tmp_path / "run"), "--training.compile", "true")
    assert "training.compile needs a C++ compiler, and 'no-such-compiler' isn't here; hint:" in line
    assert not (tmp_path / "run").exists()


def test_blocks_computed_twice_give_the_same_weights(recipe: str, trained: Path, tmp_path: Path) -> None:
    words = ["--data", str(trained / "data"), "--device", "cpu", "--training.recompute", "true"]
    assert run(["train", recipe, "--out", str(tmp_path / "twice"), *words]) == 0
    plain, twice = (sha256_of(path / "model" / "model.safetensors") for path in (trained, tmp_path / "twice"))
    assert plain == twice
    assert "recompute = true" in (tmp_path / "twice" / "run.toml").read_text()
