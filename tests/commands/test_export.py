"""`hornbook export`: whatever is asked for wrongly is one line and leaves nothing; what is written is reported truly."""

import builtins
import errno
import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from gguf import GGUFReader

import hornbook
from hornbook import files
from hornbook.cli import run
from hornbook.commands import _export_compare, _llama_cpp
from hornbook.commands._export_record import EXPORTS
from hornbook.commands._llama_cpp import VARIABLE, Absent, LlamaCpp
from hornbook.errors import Failed
from hornbook.models.bigram import Bigram, BigramConfig
from hornbook.models.gpt import GPT, GPTConfig
from hornbook.models.llama import Llama, LlamaConfig
from hornbook.tokenizers.base import Tokenizer
from hornbook.tokenizers.bpe import BPE
from hornbook.tokenizers.character import Character
from hornbook.tokenizers.word import Word
from hornbook.weights.model_folder import save_model_folder

Refused = Callable[..., str]
TEXT = "a hornbook was a child's first sheet of letters, and the letters were a sheet of horn"
SMALL = {"context_length": 16, "num_layers": 1, "num_heads": 2, "embed_dim": 16}


@pytest.fixture
def bpe() -> Tokenizer:
    return BPE.train([TEXT], vocab_size=270)


@pytest.fixture
def trained(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy: a model folder remembers its exports."""
    return shutil.copytree(trained, tmp_path_factory.mktemp("trained") / trained.name)


@pytest.fixture
def save(tmp_path: Path) -> Callable[..., Path]:
    """`save(model, tokenizer)` -> a model folder."""

    def make(model: Any, tokenizer: Tokenizer) -> Path:
        return save_model_folder(tmp_path / "made" / "model", model, tokenizer)

    return make


@pytest.fixture(autouse=True)
def _without_llama_cpp(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a machine without node, whatever this one has; what llama.cpp says is tested in tests/llama_cpp."""
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.setattr(_llama_cpp.shutil, "which", lambda program: None)


def left_in(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--to", "ggfu"], "unknown format 'ggfu' (choices: gguf, onnx); hint: did you mean 'gguf'?"),
        (["--to", "transformers"], "transformers opens the model folder as it is"),
        (["--to", "gguf", "--quantize", "q8"], "unknown quantization 'q8' (choices: f16, f32, q4_0, q8_0)"),
        (["--to", "gguf", "--quantize", "q8"], "did you mean 'q8_0'?"),
        (["--to", "gguf", "--out", "there.gguf"], "'there.gguf' already exists"),
        (["--to", "gguf", "--out", "folder"], "'folder' is a folder"),
        (["--to", "gguf", "--out", "there.gguf/x.gguf"], "a file stands where a folder is needed"),
        (["--too", "gguf"], "--to"),
        ([], "--to"),
    ],
)
def test_requests_that_are_none(
    trained: Path, tmp_path: Path, monkeypatch: Any, refused: Refused, arguments: list[str], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("there.gguf").write_text("mine")
    Path("folder").mkdir()
    assert message in refused("export", trained, *arguments)
    assert left_in(tmp_path) == ["there.gguf"]
    assert Path("there.gguf").read_text() == "mine"


@pytest.mark.parametrize(
    ("folder", "message"),
    [("nowhere", "neither a model folder nor a run folder"), ("empty", "neither a model folder nor a run folder")],
)
def test_folders_that_are_none(tmp_path: Path, monkeypatch: Any, refused: Refused, folder: str, message: str) -> None:
    monkeypatch.chdir(tmp_path)
    Path("empty").mkdir()
    assert message in refused("export", folder, "--to", "gguf")


def test_a_changed_model_is_not_exported(trained: Path, tmp_path: Path, refused: Refused) -> None:
    folder = shutil.copytree(trained / "model", tmp_path / "model")
    with open(folder / "model.safetensors", "ab") as file:
        file.write(b"x")
    assert "was changed after the model was saved" in refused("export", folder, "--to", "gguf")
    assert not list(tmp_path.glob("*.gguf"))


def test_without_the_package_it_says_what_to_install(trained: Path, refused: Refused, monkeypatch: Any) -> None:
    real = builtins.__import__

    def without(name: str, *rest: Any, **named: Any) -> Any:
        if name == "gguf":
            raise ImportError(name)
        return real(name, *rest, **named)

    monkeypatch.setattr(builtins, "__import__", without)
    assert "pip install 'hornbook[interop]'" in refused("export", trained, "--to", "gguf")


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (
            lambda size: Bigram(BigramConfig(vocab_size=size)),
            "no architecture for a bigram; hint: what can be exported",
        ),
        (lambda size: gpt(size, positions="rotary"), "llama.cpp has no gpt with positions = 'rotary'; hint: what can"),
        (lambda size: gpt(size, positions="none"), "positions = 'none'"),
        (lambda size: gpt(size, norm="after"), "norm = 'after'"),
        (lambda size: gpt(size, activation="gelu"), "activation = 'gelu'"),
        (lambda size: broken(size), "holds a weight that is no number"),
    ],
)
def test_models_that_llama_cpp_does_not_compute(
    save: Callable[..., Path], bpe: Tokenizer, refused: Refused, model: Callable[[int], Any], message: str
) -> None:
    folder = save(model(bpe.vocab_size), bpe)
    assert message in refused("export", folder, "--to", "gguf")
    assert not list(folder.parent.glob("*.gguf"))


def gpt(vocab_size: int, **settings: Any) -> GPT:
    return GPT(GPTConfig(vocab_size=vocab_size, **SMALL, **settings))


def broken(vocab_size: int) -> GPT:
    model = gpt(vocab_size)
    with torch.no_grad():
        model.blocks[0].feed_forward.up.weight[3, 2] = torch.nan
    return model


@pytest.mark.parametrize("kind", [Character, Word])
def test_tokenizers_that_llama_cpp_has_not(save: Callable[..., Path], refused: Refused, kind: type[Tokenizer]) -> None:
    tokenizer = kind.train([TEXT])
    folder = save(Llama(LlamaConfig(vocab_size=tokenizer.vocab_size, **SMALL)), tokenizer)
    line = refused("export", folder, "--to", "gguf")
    assert f"a {tokenizer.kind} tokenizer can't be exported" in line
    assert "data.tokenizer = 'bpe'" in line


def test_a_full_disk_leaves_nothing(trained: Path, tmp_path: Path, refused: Refused, monkeypatch: Any) -> None:
    def full(*arguments: Any) -> None:
        raise OSError(errno.ENOSPC, "no space left on device")

    monkeypatch.setattr(files.os, "fsync", full)
    assert "no space left on the disk" in refused("export", trained, "--to", "gguf", "--out", tmp_path / "x.gguf")
    assert left_in(tmp_path) == []


def test_a_disk_without_enough_space_is_refused_first(
    trained: Path, tmp_path: Path, refused: Refused, monkeypatch: Any
) -> None:
    usage = shutil.disk_usage(tmp_path)._replace(free=1000)
    monkeypatch.setattr(files.shutil, "disk_usage", lambda place: usage)
    assert "0 MB free" in refused("export", trained, "--to", "gguf", "--out", tmp_path / "x.gguf")
    assert left_in(tmp_path) == []


def test_what_is_printed_is_what_was_written(trained: Path, tmp_path: Path, capsys: Any) -> None:
    path = tmp_path / "deep" / "tiny.gguf"
    assert run(["export", str(trained), "--to", "gguf", "--quantize", "q8_0", "--out", str(path), "--json"]) == 0
    out, err = capsys.readouterr()
    result = json.loads(out)
    reader = GGUFReader(path)
    assert result["path"] == str(path)
    assert result["bytes"] == path.stat().st_size
    assert result["sha256"] == files.sha256_of(path)
    assert result["made_from"]["model.safetensors"] == files.sha256_of(trained / "model" / "model.safetensors")
    assert result["tensors"] == {tensor.name: tensor.tensor_type.name.lower() for tensor in reader.tensors}
    assert reader.get_field("general.name").contents() == trained.name
    assert "rows of 16 weights are no multiple of 32" in result["notes"][0]
    assert "until it is told to stop" in result["notes"][1]  # one document has no <|endoftext|>
    assert all(f"note: {note}\n" in err for note in result["notes"])


def test_a_run_is_exported_beside_its_model_and_only_once(
    trained: Path, tmp_path: Path, capsys: Any, refused: Refused
) -> None:
    run_folder = shutil.copytree(trained, tmp_path / "tales")
    assert run(["export", str(run_folder), "--to", "gguf", "--skip-comparison"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert Path(lines[0]) == run_folder / "tales-f16.gguf"
    assert (run_folder / "tales-f16.gguf").is_file()
    assert all(len(line) <= 80 for line in lines[1:])
    assert "already exists" in refused("export", run_folder, "--to", "gguf")


def test_a_chat_template_goes_along(trained: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(trained / "model", tmp_path / "model")
    (folder / "chat_template.jinja").write_text("{{ messages[0].content }}")
    assert run(["export", str(folder), "--to", "gguf", "--out", str(tmp_path / "x.gguf")]) == 0
    field = GGUFReader(tmp_path / "x.gguf").get_field("tokenizer.chat_template")
    assert field.contents() == "{{ messages[0].content }}"


@pytest.fixture
def tiny(trained: Path, tmp_path: Path) -> Path:
    """A copy of the trained model's folder, which an export may write to."""
    return shutil.copytree(trained / "model", tmp_path / "model")


def export_tiny(tiny: Path, *flags: str) -> int:
    return run(["export", str(tiny), "--to", "gguf", "--out", str(tiny.parent / "x.gguf"), *flags])


def answering(monkeypatch: pytest.MonkeyPatch, tiny: Path, **changes: Any) -> None:
    """llama.cpp as if it were there and said of the file what our own model says, but for the changes."""
    language_model = hornbook.load(tiny)
    model, tokenizer = language_model.model, language_model.tokenizer

    def ask(llama: LlamaCpp, question: dict[str, Any], place: Path) -> dict[str, Any]:
        said = {"release": "b1", "bos": None, "ids": [tokenizer.encode(text) for text in question["texts"]], "by": 1.0}
        said |= changes
        greedy, rows = [], []
        with torch.no_grad():
            for prompt, count in zip(question["prompts"], question["newTokens"], strict=True):
                rows.append(said["by"] * model(torch.tensor([prompt]))[0])
                ids = list(prompt)
                for _ in range(count):
                    ids.append(int(model(torch.tensor([ids]))[0, -1].argmax()))
                greedy.append(ids[len(prompt) :])
        Path(question["logits"]).write_bytes(torch.cat(rows).numpy().tobytes())
        return said | {"greedy": greedy}

    monkeypatch.setattr(_export_compare, "find_llama_cpp", lambda: LlamaCpp("node", tiny))
    monkeypatch.setattr(_export_compare, "ask_llama_cpp", ask)


@pytest.mark.parametrize("quantize", ["f32", "f16"])
def test_an_export_that_llama_cpp_computes_alike_is_remembered(
    tiny: Path, monkeypatch: Any, capsys: Any, quantize: str
) -> None:
    answering(monkeypatch, tiny)
    assert export_tiny(tiny, "--quantize", quantize, "--json") == 0
    out, err = capsys.readouterr()
    result = json.loads(out)
    parity = result["parity"]
    assert (parity["with"], parity["release"], parity["greedy_tokens"]) == ("llama.cpp", "b1", 60)
    assert parity["largest_difference"] <= parity["margin"]
    entries = json.loads((tiny / EXPORTS).read_text())
    assert [(entry["sha256"], entry["parity"]) for entry in entries] == [(result["sha256"], parity)]
    assert "comparing with llama.cpp\n" in err
    (tiny.parent / "x.gguf").unlink()
    assert export_tiny(tiny, "--skip-comparison") == 0  # the same file again: its entry is replaced
    assert [entry["parity"] for entry in json.loads((tiny / EXPORTS).read_text())] == [None]
    assert hornbook.load(tiny).generate("Once", max_new_tokens=2)  # the seal doesn't cover the list


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"by": 1.01}, "logits are up to "),
        ({"bos": 7}, "before every text llama.cpp puts the ids [7], and this program []"),
        ({"ids": [[1]] * 24}, "the tokenizer disagrees with llama.cpp about '': [] here, [1] there"),
    ],
)
def test_an_export_that_llama_cpp_computes_otherwise_is_removed(
    tiny: Path, monkeypatch: Any, capsys: Any, changes: dict[str, Any], message: str
) -> None:
    answering(monkeypatch, tiny, **changes)
    assert export_tiny(tiny, "--quantize", "f32") == 1
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith(message)
    assert last.endswith(f"; '{tiny.parent / 'x.gguf'}' was removed (--skip-comparison keeps such a file)")
    assert not (tiny.parent / "x.gguf").exists()
    assert not (tiny / EXPORTS).exists()


def test_without_llama_cpp_the_export_says_so(tiny: Path, monkeypatch: Any, capsys: Any) -> None:
    assert export_tiny(tiny, "--json") == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["parity"] is None
    assert "note: not compared with llama.cpp: node-llama-cpp is not installed" in err or "node is not" in err
    answering(monkeypatch, tiny)

    def broken(*_: object) -> None:
        raise Absent("node-llama-cpp doesn't start: no binary")

    monkeypatch.setattr(_export_compare, "ask_llama_cpp", broken)
    (tiny.parent / "x.gguf").unlink()
    assert export_tiny(tiny) == 0
    assert "note: not compared with llama.cpp: node-llama-cpp doesn't start: no binary" in capsys.readouterr().err


def test_a_variable_that_leads_nowhere_is_said_first(tiny: Path, monkeypatch: Any, refused: Refused) -> None:
    monkeypatch.setenv(VARIABLE, str(tiny))
    line = refused("export", tiny, "--to", "gguf", "--out", tiny.parent / "x.gguf")
    assert f"LLAMA_CPP_NODE is '{tiny}', where no node_modules/node-llama-cpp is" in line
    assert not (tiny.parent / "x.gguf").exists()


def test_a_folder_that_can_not_remember_is_no_obstacle(tiny: Path, monkeypatch: Any, capsys: Any) -> None:
    (tiny / EXPORTS).mkdir()
    assert export_tiny(tiny, "--skip-comparison") == 0
    assert "note: the export is not remembered in the model folder: " in capsys.readouterr().err


@pytest.mark.parametrize(
    ("code", "error", "message"),
    [
        (3, Absent, "node-llama-cpp doesn't start: no such binary"),
        (1, Failed, "llama.cpp doesn't run 'x.gguf': Error: unknown architecture"),
    ],
)
def test_a_script_that_breaks_off_is_quoted(
    tmp_path: Path, monkeypatch: Any, code: int, error: type[Exception], message: str
) -> None:
    said = {3: "no such binary\n", 1: "file.js:7\n  throw x\n\nError: unknown architecture\n    at read (x.js:1)\n"}
    script = tmp_path / "said.py"
    script.write_text(f"import sys; sys.stderr.write({said[code]!r}); sys.exit({code})")
    monkeypatch.setattr(_llama_cpp, "SCRIPT", script)
    with pytest.raises(error) as raised:
        _llama_cpp.ask_llama_cpp(LlamaCpp(sys.executable, tmp_path), {"model": "x.gguf"}, tmp_path)
    assert str(raised.value) == message
