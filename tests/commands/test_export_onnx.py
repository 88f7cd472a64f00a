"""`hornbook export --to onnx`: refused in one line, written whole or not at all, compared, remembered, and it runs."""

import errno
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

import hornbook
from hornbook import files
from hornbook.cli import run
from hornbook.commands import _export_onnx, _export_onnx_compare
from hornbook.commands._export_record import EXPORTS
from hornbook.commands._onnxruntime import in_one_batch
from hornbook.models._traced import Traced, WholeText
from hornbook.models.base import Model
from hornbook.weights.exported import Exported
from hornbook.weights.onnx import GRAPH
from hornbook.weights.parity import Answers, answer

Refused = Callable[..., str]
CARD_FILES = ["README.md", "generation_config.json", "model.onnx", "tokenizer.json", "tokenizer_config.json"]


@pytest.fixture
def tiny(trained: Path, tmp_path: Path) -> Path:
    """A copy of the trained model's folder, which an export may write to."""
    return shutil.copytree(trained / "model", tmp_path / "tales" / "model")


@pytest.fixture
def untraced(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not the graph itself, which takes seconds to trace, but all that is around it."""

    def write(folder: Path, model: Model, texts: dict[str, str]) -> Exported:
        (folder / GRAPH).write_text(json.dumps(texts))
        return Exported("qwen3", {"model.token_embedding.weight": "f32"})

    monkeypatch.setattr(_export_onnx, "write_onnx", write)


def answering(monkeypatch: pytest.MonkeyPatch, tiny: Path, **changes: Any) -> None:
    """onnxruntime as if it said of the folder what our own model says, but for the changes."""
    language_model = hornbook.load(tiny)

    def ask(program: str, questions: dict[str, Any], whose: str) -> Answers:
        assert Path(questions["folder"]).name == "tales-onnx"
        tokenizer, model = language_model.tokenizer, language_model.model
        said = answer(
            changes.get("encode", tokenizer.encode),
            lambda tokens: changes.get("by", 1.0) * model(tokens),
            questions["prompts"],
            questions["context_length"],
        )
        return said

    monkeypatch.setattr(_export_onnx_compare, "find_spec", lambda name: object())
    monkeypatch.setattr(_export_onnx_compare.metadata, "version", lambda name: "1.32.0")
    monkeypatch.setattr(_export_onnx_compare, "ask_outsider", ask)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--quantize", "q8_0"], "--quantize q8_0 is not for onnx, whose numbers are f32; hint: leave --quantize out"),
        (["--out", "x.onnx"], "'x.onnx' is a file's name, and onnx is a folder with model.onnx in it; hint: as in"),
        (["--out", "folder"], "'folder' already exists; hint: choose another folder or remove it"),
        (["--out", "mine.txt"], "'mine.txt' already exists; hint: choose another folder or remove it"),
        (["--out", "mine.txt/x"], "a file stands where a folder is needed"),
    ],
)
def test_requests_that_are_none(
    tiny: Path, untraced: None, monkeypatch: Any, refused: Refused, arguments: list[str], message: str
) -> None:
    monkeypatch.chdir(tiny.parent)
    Path("mine.txt").write_text("mine")
    Path("folder").mkdir()
    assert message in refused("export", tiny, "--to", "onnx", *arguments)
    assert sorted(path.name for path in tiny.parent.iterdir()) == ["folder", "mine.txt", "model"]
    assert Path("mine.txt").read_text() == "mine"


def test_without_the_packages_it_says_what_to_install(tiny: Path, refused: Refused, monkeypatch: Any) -> None:
    monkeypatch.setattr("hornbook.weights.onnx.find_spec", lambda name: None)
    line = refused("export", tiny, "--to", "onnx")
    assert (
        line == "error: writing ONNX needs the package 'onnx'; hint: install it with: pip install 'hornbook[interop]'"
    )
    assert [path.name for path in tiny.parent.iterdir()] == ["model"]


def test_a_full_disk_leaves_nothing(tiny: Path, untraced: None, refused: Refused, monkeypatch: Any) -> None:
    def full(*arguments: Any) -> None:
        raise OSError(errno.ENOSPC, "no space left on device")

    monkeypatch.setattr(files.os, "fsync", full)
    assert "no space left on the disk" in refused("export", tiny, "--to", "onnx")
    assert [path.name for path in tiny.parent.iterdir()] == ["model"]


def test_what_is_written_is_reported_and_remembered(tiny: Path, untraced: None, monkeypatch: Any, capsys: Any) -> None:
    answering(monkeypatch, tiny)
    (tiny / "chat_template.jinja").write_text("{{ messages[0].content }}")
    (tiny / "LICENSE").write_text("free")
    assert run(["export", str(tiny), "--to", "onnx", "--json"]) == 0
    out, err = capsys.readouterr()
    result, folder = json.loads(out), tiny.parent / "tales-onnx"
    assert result["path"] == str(folder)
    assert sorted(path.name for path in folder.iterdir()) == sorted([*CARD_FILES, "LICENSE", "chat_template.jinja"])
    assert result["files"] == {path.name: files.sha256_of(path) for path in folder.iterdir()}
    assert result["sha256"] == result["files"]["model.onnx"]
    assert result["bytes"] == sum(path.stat().st_size for path in folder.iterdir())
    assert (folder / "tokenizer.json").read_bytes() == (tiny / "tokenizer.json").read_bytes()
    keys = json.loads((folder / GRAPH).read_text())
    assert keys["hornbook.name"] == "tales"
    assert keys["hornbook.sha256.model.safetensors"] == files.sha256_of(tiny / "model.safetensors")
    parity = result["parity"]
    assert (parity["with"], parity["release"], parity["largest_difference"]) == ("onnxruntime", "1.32.0", 0)
    (entry,) = json.loads((tiny / EXPORTS).read_text())
    assert (entry["format"], entry["file"], entry["files"]) == ("onnx", str(folder), result["files"])
    assert entry["parity"] == parity
    assert "comparing with onnxruntime\n" in err


def test_lines_for_people_are_short(tiny: Path, untraced: None, capsys: Any, refused: Refused) -> None:
    assert run(["export", str(tiny.parent), "--to", "onnx", "--skip-comparison"]) == 0
    first, *others = capsys.readouterr().out.splitlines()
    assert first == str(tiny.parent / "tales-onnx")
    assert all(len(line) <= 80 for line in others)
    assert "already exists" in refused("export", tiny.parent, "--to", "onnx")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"by": 1.01}, "logits are up to "),
        ({"by": float("nan")}, "logits are up to nan from those of onnxruntime"),
        ({"encode": lambda text: [1]}, "the tokenizer disagrees with onnxruntime about '': [] here, [1] there"),
    ],
)
def test_a_folder_that_is_computed_otherwise_is_removed(
    tiny: Path, untraced: None, monkeypatch: Any, capsys: Any, changes: dict[str, Any], message: str
) -> None:
    answering(monkeypatch, tiny, **changes)
    assert run(["export", str(tiny), "--to", "onnx"]) == 1
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith(message)
    assert last.endswith("tales-onnx' was removed (--skip-comparison keeps such a folder)")
    assert [path.name for path in tiny.parent.iterdir()] == ["model"]
    assert not (tiny / EXPORTS).exists()


@pytest.mark.parametrize("absent", ["onnxruntime", "tokenizers"])
def test_without_onnxruntime_the_export_says_so(
    tiny: Path, untraced: None, monkeypatch: Any, capsys: Any, absent: str
) -> None:
    monkeypatch.setattr(_export_onnx_compare, "find_spec", lambda name: None if name == absent else object())
    assert run(["export", str(tiny), "--to", "onnx", "--json"]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["parity"] is None
    assert f"note: not compared with onnxruntime: {absent} is not installed; hint: pip install 'hornbook[" in err
    assert [entry["parity"] for entry in json.loads((tiny / EXPORTS).read_text())] == [None]


def test_prompts_of_all_lengths_are_read_in_one_batch() -> None:
    seen = []

    def logits(tokens: torch.Tensor) -> torch.Tensor:
        seen.append(tokens.tolist())
        return tokens[:, :, None].float()

    rows = in_one_batch(logits, [[5], [1, 2, 3]])
    assert seen == [[[5, 0, 0], [1, 2, 3]]]
    assert [row[:, 0].tolist() for row in rows] == [[5], [1, 2, 3]]


@pytest.mark.slow
def test_the_real_one_runs_as_its_card_says(tiny: Path, capsys: Any) -> None:
    assert run(["export", str(tiny), "--to", "onnx", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    folder = Path(result["path"])
    assert result["parity"]["greedy_tokens"] == 60
    assert result["parity"]["largest_difference"] < 1e-5
    card = (folder / "README.md").read_text()
    program = card.partition("```python\n")[2].partition("```")[0]
    done = subprocess.run([sys.executable, "-c", program], cwd=folder, capture_output=True, text=True, check=True)
    model = hornbook.load(tiny)
    assert done.stdout == greedy(model, "Once", 50) + "\n"
    assert run(["doctor", str(tiny), "--device", "cpu", "--only", "comparisons"]) == 0
    assert "tales-onnx: onnxruntime" in capsys.readouterr().out


def greedy(model: Any, text: str, count: int) -> str:
    """What is written by always taking the likeliest token, with the window that the card's program has."""
    ids = model.tokenizer.encode(text)
    for _ in range(count):
        with torch.no_grad():
            ids.append(int(model.model(torch.tensor([ids[-model.config.context_length :]]))[0, -1].argmax()))
    return str(model.tokenizer.decode(ids))


@pytest.mark.slow
def test_a_graph_that_computes_something_else_is_found(tiny: Path, monkeypatch: Any, capsys: Any) -> None:
    def forward(self: Traced, input_ids: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.model(input_ids, WholeText(input_ids.shape[1]))
        return logits.roll(1, -1)  # each token gets the score of the one before it

    monkeypatch.setattr(Traced, "forward", forward)
    assert run(["export", str(tiny), "--to", "onnx"]) == 1
    assert "logits are up to " in capsys.readouterr().err
    assert [path.name for path in tiny.parent.iterdir()] == ["model"]
