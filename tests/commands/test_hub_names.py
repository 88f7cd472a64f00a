"""Commands that open a model take a hub's name for it too; the hub's cache stays as it is."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from gguf import GGUFReader

from hornbook.cli import run
from hornbook.commands._base import Base
from hornbook.commands._export_request import check_request

hub = pytest.importorskip("huggingface_hub")


@pytest.fixture
def cached(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where 'owner/tales' lies once it is fetched; the current folder is another one, which is empty."""
    snapshot = shutil.copytree(trained / "model", tmp_path / "models--owner--tales" / "snapshots" / "0f3a")

    def fetch(name: str, allow_patterns: list[str]) -> str:
        assert name == "owner/tales"
        return str(snapshot)

    monkeypatch.setattr(hub, "snapshot_download", fetch)
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    return snapshot


def test_an_export_lies_here_under_its_own_name(cached: Path, capsys: Any) -> None:
    before = sorted(path.name for path in cached.iterdir())
    assert run(["export", "owner/tales", "--to", "gguf", "--skip-comparison"]) == 0
    out, err = capsys.readouterr()
    assert out.splitlines()[0] == "tales-f16.gguf"
    assert GGUFReader("tales-f16.gguf").get_field("general.name").contents() == "tales"
    assert "note: the export is not remembered in the model folder, which is the hub's cache\n" in err
    assert sorted(path.name for path in cached.iterdir()) == before


def test_onnx_too(cached: Path) -> None:
    request = check_request("owner/tales", "onnx", None, None)
    assert (request.folder, request.path, request.name) == (cached, Path("tales-onnx"), "tales")


def test_the_doctor_examines_it(cached: Path, capsys: Any) -> None:
    assert run(["doctor", "owner/tales", "--device", "cpu", "--only", "comparisons", "--json"]) == 0
    card = json.loads(capsys.readouterr().out)
    assert card["checks"][0]["text"] == "neither imported nor exported"


def test_a_recipe_is_no_name_of_the_hub(cached: Path, refused: Callable[..., str]) -> None:
    assert "no such" in refused("doctor", "owner/mine.toml", "--device", "cpu")


def test_a_training_begins_with_it(cached: Path) -> None:
    assert Base(Path("owner/tales")).folder == cached
