"""`hornbook finetune preference` with corrections of low rank: the run, its adapter, and a whole model made of it."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

import hornbook
from hornbook.cli import run
from hornbook.models.llama import Llama, LlamaConfig
from hornbook.tokenizers.bpe import BPE
from hornbook.training.checkpoint import folder_of
from hornbook.weights.model_folder import save_model_folder

Refused = Callable[..., str]
WORDS = ["fox", "hen", "cow", "cat", "dog", "owl", "bee", "ant", "eel", "ram"]
HEADINGS = "Below is an instruction that describes a task. ### Instruction:\n\n### Response:\n"
FLAGS = [
    *("--lora.rank", "2", "--lora.layers", '["all"]', "--optimizer.learning_rate", "0.02"),
    *("--training.steps", "8", "--training.evaluate_every", "4", "--training.keep", "9"),
    *("--finetune.answers", "2", "--finetune.answer_tokens", "3"),
]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model folder of random weights, whose vocabulary has an end and no padding."""
    tokenizer = BPE.train([(" ".join(WORDS) + HEADINGS) * 3], vocab_size=330, special_tokens=["<|endoftext|>"])
    config = LlamaConfig(vocab_size=tokenizer.vocab_size, context_length=96, num_layers=1, num_heads=2, embed_dim=32)
    folder = tmp_path_factory.mktemp("base") / "words"
    return save_model_folder(folder, Llama(config, torch.Generator().manual_seed(1)), tokenizer)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A word once is better than thrice; and a pair that teaches nothing."""
    pairs = [
        {"prompt": f"{word} {other}", "chosen": other, "rejected": f"{other} {word} {word}"}
        for word in WORDS
        for other in WORDS[:4]
    ]
    path = tmp_path_factory.mktemp("data") / "pairs.jsonl"
    path.write_text("\n".join(map(json.dumps, [*pairs, {"prompt": "cow", "chosen": "ant", "rejected": "ant"}])))
    return path


@pytest.fixture(scope="module")
def preferred(base: Path, data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run."""
    out = tmp_path_factory.mktemp("runs") / "preferred"
    assert run(["finetune", "preference", str(base), "--data", str(data), "--out", str(out), *FLAGS]) == 0
    return out


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return hornbook.load(folder).model.state_dict()


def test_pairs_that_were_never_learned_are_told_apart(preferred: Path) -> None:
    seal = json.loads((preferred / "model" / "hornbook.json").read_text())["info"]
    found = seal["evaluations"]
    assert seal["preferences"]["learned"] + seal["preferences"]["held_out"] + seal["preferences"]["test"] == 40
    assert "1 pairs of two equal answers are left out" in seal["preferences"]["left_out"][0]
    assert found["reward_accuracy"] > 0.7
    assert found["reward_margin"] > 0
    assert found["validation_loss"] < 0.69
    assert found["asked"] == 2


def test_the_adapter_is_the_model(preferred: Path, base: Path, tmp_path: Path) -> None:
    """Also where the training gave the vocabulary a padding that the base has not."""
    whole, opened, before = (weights(folder) for folder in (preferred / "model", preferred / "adapter", base))
    assert whole.keys() == opened.keys()
    for name, weight in whole.items():
        torch.testing.assert_close(opened[name], weight, atol=1e-6, rtol=0)
    assert not torch.equal(whole["blocks.0.attention.qkv.weight"], before["blocks.0.attention.qkv.weight"])
    assert whole["token_embedding.weight"].shape[0] == before["token_embedding.weight"].shape[0] + 1
    assert run(["merge", str(preferred / "adapter"), "--out", str(tmp_path / "merged"), "--json"]) == 0
    merged = hornbook.load(tmp_path / "merged")
    assert all(torch.equal(weight, opened[name]) for name, weight in merged.model.state_dict().items())
    messages = [{"role": "user", "content": "fox hen"}]
    said = [
        hornbook.load(folder).chat(messages, max_new_tokens=4, temperature=0)
        for folder in (preferred, preferred / "adapter", tmp_path / "merged")
    ]
    assert said[0] == said[1] == said[2]


def test_an_interrupted_run_goes_on_exactly(preferred: Path, tmp_path: Path) -> None:
    """The reference is computed again, from the base, and is the same."""
    resumed = tmp_path / preferred.name
    shutil.copytree(preferred, resumed)
    settings = (resumed / "run.toml").read_text()
    for key in ("model", "data"):  # which lie outside of what was copied
        settings = settings.replace(f'{key} = "../', f'{key} = "{preferred.parent}/')
    (resumed / "run.toml").write_text(settings)
    for folder in (folder_of(resumed / "checkpoints", 8), resumed / "model", resumed / "adapter"):
        shutil.rmtree(folder)
    assert run(["resume", str(resumed)]) == 0
    for part in ("model/model.safetensors", "adapter/adapter_model.safetensors"):
        assert (resumed / part).read_bytes() == (preferred / part).read_bytes()


def test_what_cant_be_is_refused(refused: Refused, base: Path, preferred: Path, data: Path, tmp_path: Path) -> None:
    (tmp_path / "ties.jsonl").write_text(json.dumps({"prompt": "a", "chosen": "b", "rejected": "b"}))
    words = ["finetune", "preference", base, "--data"]
    line = refused(*words, tmp_path / "ties.jsonl", "--out", tmp_path / "a")
    assert "can teach anything: 1 pairs of two equal answers are left out" in line
    assert "finetune.beta" in refused(*words, data, "--out", tmp_path / "a", "--beta", "-1")
    assert not (tmp_path / "a").exists()
    assert "is no adapter folder" in refused("merge", base, "--out", tmp_path / "a")
    assert "is an adapter, no whole model; hint: hornbook merge" in refused(
        "export", preferred / "adapter", "--to", "gguf"
    )
    assert "which isn't there" not in refused(
        "merge", preferred / "adapter", "--base", preferred, "--out", tmp_path / "a"
    )
