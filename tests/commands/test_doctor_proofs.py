"""What `hornbook doctor` says of other programs: files that were exported, and the folder opened in transformers."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hornbook.cli import run
from hornbook.commands._doctor_proofs import opens_in_transformers
from hornbook.commands._doctor_subject import Subject
from hornbook.commands._export_record import EXPORTS, record_export
from hornbook.files import sha256_of
from hornbook.models.bigram import Bigram, BigramConfig
from hornbook.models.llama import Llama
from hornbook.optimizers.adamw import AdamW
from hornbook.tokenizers.character import Character

PARITY = {"with": "llama.cpp", "release": "b1", "largest_difference": 2e-3, "greedy_tokens": 124, "greedy_equal": 120}


@pytest.fixture
def exported(trained: Path, tmp_path: Path) -> Path:
    """A model folder with one file that was made from it and compared."""
    folder = shutil.copytree(trained / "model", tmp_path / "model")
    file = tmp_path / "tale.gguf"
    file.write_bytes(b"GGUF")
    made_from = {"model.safetensors": sha256_of(folder / "model.safetensors")}
    entry = {"file": str(file), "sha256": sha256_of(file), "made_from": made_from, "parity": PARITY}
    assert record_export(folder, entry) == ""
    return folder


@pytest.fixture
def examine(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, dict[str, Any]]]:
    """`examine(folder, check)` -> the exit code, and what the one check found."""

    def look(folder: Path | str, check: str) -> tuple[int, dict[str, Any]]:
        capsys.readouterr()
        code = run(["doctor", str(folder), "--device", "cpu", "--only", check, "--json"])
        return code, json.loads(capsys.readouterr().out)["checks"][0]

    return look


def test_comparisons_are_shown(exported: Path, examine: Any) -> None:
    code, found = examine(exported, "comparisons")
    assert (code, found["result"]) == (0, "passed")
    assert found["text"] == "tale.gguf: llama.cpp b1: ids, logits to 2e-03, 120 of 124 greedy tokens"
    (exported.parent / "tale.gguf").unlink()
    assert examine(exported, "comparisons")[1]["text"].startswith("tale.gguf (moved away): llama.cpp b1")


def test_a_changed_file_and_changed_weights_are_found(exported: Path, examine: Any) -> None:
    file = exported.parent / "tale.gguf"
    file.write_bytes(b"other")
    code, found = examine(exported, "comparisons")
    assert (code, found["result"]) == (1, "failed")
    assert found["detail"] == f"'{file}' was changed after the export"
    file.write_bytes(b"GGUF")
    entry = json.loads((exported / EXPORTS).read_text())[0]
    record_export(exported, entry | {"made_from": {"model.safetensors": "0" * 64}})
    assert examine(exported, "comparisons")[1]["detail"] == f"'{file}' was made from another model.safetensors"


def test_every_file_of_an_exported_folder_is_looked_at(exported: Path, examine: Any) -> None:
    folder = exported.parent / "tale-onnx"
    folder.mkdir()
    for name in ("model.onnx", "model.onnx.data"):
        (folder / name).write_bytes(b"a graph")
    files = {path.name: sha256_of(path) for path in folder.iterdir()}
    parity = PARITY | {"with": "onnxruntime", "release": "1.32.0"}
    record_export(exported, {"file": str(folder), "files": files, "made_from": {}, "parity": parity})
    code, found = examine(exported, "comparisons")
    assert (code, found["result"]) == (0, "passed")
    assert found["text"].endswith("; tale-onnx: onnxruntime 1.32.0: ids, logits to 2e-03, 120 of 124 greedy tokens")
    (folder / "model.onnx.data").write_bytes(b"other")
    assert (
        examine(exported, "comparisons")[1]["detail"] == f"'{folder / 'model.onnx.data'}' was changed after the export"
    )
    (folder / "model.onnx.data").unlink()
    assert (
        examine(exported, "comparisons")[1]["detail"] == f"'{folder / 'model.onnx.data'}' was removed after the export"
    )
    shutil.rmtree(folder)
    assert "tale-onnx (moved away)" in examine(exported, "comparisons")[1]["text"]


def test_a_damaged_list_is_said(exported: Path, examine: Any) -> None:
    (exported / EXPORTS).write_text('{"file": 1}')
    assert "exports.json' is damaged" in examine(exported, "comparisons")[1]["detail"]


def test_without_transformers_or_a_counterpart_it_is_left_out(trained: Path, examine: Any, monkeypatch: Any) -> None:
    tokenizer = Character.train(["a cat"], special_tokens=())
    bigram = Subject("bigram", Bigram(BigramConfig(vocab_size=tokenizer.vocab_size)), AdamW(), tokenizer)
    assert opens_in_transformers(bigram).text == "no other program computes this architecture"
    monkeypatch.setattr("hornbook.commands._doctor_proofs.find_spec", lambda name: None)
    assert examine(trained, "transformers")[1]["text"] == "transformers is not installed"


@pytest.mark.slow
def test_the_same_in_transformers(trained: Path, examine: Any, monkeypatch: Any) -> None:
    pytest.importorskip("transformers")
    code, found = examine(trained, "transformers")
    assert (code, found["result"]) == (0, "passed")
    assert found["measured"] <= found["allowed"] < 1e-3
    plain = Llama.logits
    monkeypatch.setattr(Llama, "logits", lambda self, hidden: plain(self, hidden) * 1.001)
    code, found = examine(trained, "transformers")
    assert (code, found["result"]) == (1, "failed")
    assert found["detail"].startswith("logits are up to ")
