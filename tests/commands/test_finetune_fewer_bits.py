"""`--lora.base`: corrections are learned on a base of fewer bits, and correct the base with all its bits."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

import hornbook
from hornbook.cli import run
from hornbook.commands import _finetuning
from hornbook.models.llama import Llama, LlamaConfig
from hornbook.tokenizers.bpe import BPE
from hornbook.training.checkpoint import load_weights
from hornbook.weights.model_folder import save_model_folder

Refused = Callable[..., str]
STEPS = ["--training.steps", "8", "--training.evaluate_every", "4", "--training.batch_size", "4"]
LORA = ["--lora.rank", "2", "--lora.layers", '["all"]', "--optimizer.learning_rate", "0.02"]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model folder without padding and end: a fine-tuning makes its vocabulary larger."""
    tokenizer = BPE.train(["The fox is red. What colour is the fox? letter notice"], vocab_size=280)
    config = LlamaConfig(vocab_size=280, context_length=160, num_layers=2, num_heads=2, embed_dim=32)
    folder = tmp_path_factory.mktemp("base") / "words"
    return save_model_folder(folder, Llama(config, torch.Generator().manual_seed(1)), tokenizer)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with forty examples for each of the three kinds."""
    folder = tmp_path_factory.mktemp("data")
    items = [
        {
            "chat": {"instruction": f"Fox {n}?", "input": "", "output": "red" * (n % 3 + 1)},
            "preference": {"prompt": f"Fox {n}?", "chosen": "red", "rejected": "blue"},
            "classifier": {"text": f"fox {n} {'red' if n % 2 else 'blue'}", "label": "ab"[n % 2]},
        }
        for n in range(40)
    ]
    for kind in ("chat", "preference", "classifier"):
        (folder / f"{kind}.jsonl").write_text("\n".join(json.dumps(item[kind]) for item in items))
    return folder


def tuned(kind: str, precision: str, base: Path, data: Path, out: Path) -> Path:
    columns = ["--text", "text", "--label", "label"] if kind == "classifier" else []
    words = ["finetune", kind, str(base), "--data", str(data / f"{kind}.jsonl"), "--out", str(out), *columns]
    assert run([*words, *STEPS, *LORA, "--lora.base", precision, "--device", "cpu"]) == 0
    return out


@pytest.mark.parametrize(("kind", "precision"), [("chat", "int4"), ("preference", "int8"), ("classifier", "bf16")])
def test_the_whole_base_is_corrected_in_the_end(
    kind: str, precision: str, base: Path, data: Path, tmp_path: Path
) -> None:
    out = tuned(kind, precision, base, data, tmp_path / "run")
    assert f'base = "{precision}"' in (out / "run.toml").read_text()
    kept = load_file(out / "checkpoints" / "step-00000008" / "weights.safetensors")
    assert all("norm" in name or name.endswith((".down", ".up")) for name in kept if "blocks" in name)
    begun = hornbook.load(base).model
    load = hornbook.load_classifier if kind == "classifier" else hornbook.load
    finished, adapted = load(out), load(out / "adapter")
    model = finished.classifier.model if kind == "classifier" else finished.model
    assert torch.equal(model.token_embedding.weight[:280], begun.token_embedding.weight)  # to the last bit
    learned = model.blocks[0].attention.qkv.weight - begun.blocks[0].attention.qkv.weight
    assert int(torch.linalg.matrix_rank(learned, atol=1e-5)) == 2  # what was rounded is not in it
    if kind == "classifier":
        scores = [model.classify(["fox 3 red"])[0].probability for model in (finished, adapted)]
        assert scores[0] == pytest.approx(scores[1], abs=1e-5)
    else:
        tokens = torch.randint(0, 280, (2, 16), generator=torch.Generator().manual_seed(0))
        torch.testing.assert_close(model(tokens), adapted.model(tokens))


def test_an_interrupted_one_resumes_exactly(base: Path, data: Path, tmp_path: Path) -> None:
    out = tuned("chat", "int8", base, data, tmp_path / "run")
    files = [out / "model" / "model.safetensors", out / "adapter" / "adapter_model.safetensors"]
    before = [file.read_bytes() for file in files]
    for folder in ("checkpoints/step-00000008", "model", "adapter"):
        shutil.rmtree(out / folder)
    assert run(["resume", str(out), "--device", "cpu"]) == 0
    assert [file.read_bytes() for file in files] == before


def test_another_base_by_the_end_is_refused_and_nothing_is_lost(
    base: Path, data: Path, tmp_path: Path, refused: Refused, monkeypatch: pytest.MonkeyPatch
) -> None:
    own, out = shutil.copytree(base, tmp_path / "base"), tmp_path / "run"
    weights = (own / "model.safetensors").read_bytes()

    def meanwhile(*arguments: Any) -> None:
        (own / "model.safetensors").write_bytes(weights[:-4] + bytes(4))
        load_weights(*arguments)

    monkeypatch.setattr(_finetuning, "load_weights", meanwhile)
    words = ["finetune", "chat", own, "--data", data / "chat.jsonl", "--out", out, *STEPS, *LORA, "--lora.base", "int8"]
    assert "is not the model that this run began with" in refused(*words, "--device", "cpu", talk=True)
    assert not (out / "model").exists()
    monkeypatch.undo()
    (own / "model.safetensors").write_bytes(weights)
    assert run(["resume", str(out), "--device", "cpu"]) == 0
    assert (out / "model" / "model.safetensors").is_file()


def test_a_base_that_would_train_itself_is_refused(base: Path, data: Path, tmp_path: Path, refused: Refused) -> None:
    words = ["finetune", "chat", str(base), "--data", str(data / "chat.jsonl"), "--out", str(tmp_path / "run")]
    said = refused(*words, "--lora.base", "int8")
    assert "base = 'int8' has too few bits to be trained itself: give lora.rank, too" in said
    assert "int3" in refused(*words, "--lora.rank", "2", "--lora.base", "int3")
    assert not (tmp_path / "run").exists()
