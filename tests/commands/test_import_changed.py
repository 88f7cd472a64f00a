"""`hornbook import` with changes on the way: what is refused, then what stays of a folder and what becomes of it."""

import json
import math
from pathlib import Path

import pytest
import torch

import hornbook
from hornbook.batches.dataset import open_dataset
from hornbook.batches.windows import Windows
from hornbook.cli import run
from hornbook.layers.loss import mean_over_batches
from hornbook.models.gpt import GPT, GPTConfig
from hornbook.models.llama import Llama, LlamaConfig
from hornbook.tokenizers.bpe import BPE
from hornbook.weights.model_folder import load_model_folder, save_model_folder

TEXT = "Once upon a time there was a fox. Größe: 5 €\n" * 20


def edit(path: Path, **changes: object) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


@pytest.fixture(scope="module")
def model_folder(tmp_path_factory) -> Path:
    """A folder of ours, sealed."""
    tokenizer = BPE.train([TEXT], vocab_size=280)
    config = LlamaConfig(vocab_size=282, context_length=16, num_layers=1, num_heads=2, embed_dim=8, qk_norm=False)
    model = Llama(config, torch.Generator().manual_seed(1))
    return save_model_folder(tmp_path_factory.mktemp("ours") / "fox", model, tokenizer, {"evaluations": {"loss": 2.5}})


@pytest.fixture
def foreign(tmp_path) -> Path:
    """A folder as another program writes it, half precision, with settings that are nothing to this one."""
    tokenizer = BPE.train([TEXT], vocab_size=280, pattern="gpt-2")
    config = GPTConfig(vocab_size=280, context_length=16, num_layers=1, num_heads=2, embed_dim=8)
    model = GPT(config, torch.Generator().manual_seed(1)).to(torch.bfloat16)
    folder = save_model_folder(tmp_path / "source", model, tokenizer)
    (folder / "hornbook.json").unlink()
    edit(folder / "config.json", eos_token_id=[279, 5], task_specific_params={"text-generation": {"max_length": 50}})
    edit(folder / "generation_config.json", temperature=0.6)
    added = {"279": {"content": "<|endoftext|>", "special": True}}
    edit(folder / "tokenizer_config.json", added_tokens_decoder=added, model_max_length=16, extra="theirs")
    for name in ("chat_template.jinja", "LICENSE", "README.md", "merges.txt", "pytorch_model.bin"):
        (folder / name).write_text(f"their {name}")
    return folder


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--add-tokens", "<|a|>,,<|b|>"], "--add-tokens '<|a|>,,<|b|>' has an empty name; hint: names with a comma"),
        (["--add-tokens", "x"], "bad special token 'x'"),
        (["--rope-scaling", "linear"], "--rope-scaling belongs to another context; hint: add --context-length N"),
        (["--data", "text.txt"], "--data belongs to another context"),
        (["--context-length", "0"], "--context-length must be at least 1, not '0'"),
        (["--context-length", "16"], "the model's context is 16 tokens already"),
        (["--context-length", "32", "--rope-scaling", "yarn"], "unknown rope scaling 'yarn' (choices: "),
        (
            ["--context-length", "32", "--data", "short.txt"],
            "'short.txt' has 3 tokens, but 33 are needed for one window",
        ),
        (["--context-length", "32", "--data", "absent.txt"], "absent.txt"),
    ],
)
def test_what_can_not_be_is_one_line(model_folder, tmp_path, monkeypatch, capsys, flags, message) -> None:
    monkeypatch.chdir(tmp_path)
    Path("text.txt").write_text(TEXT)
    Path("short.txt").write_text("xyz")
    assert run(["import", str(model_folder), "--out", "deep/out", *flags]) == 2
    out, err = capsys.readouterr()
    line = err.splitlines()[-1]
    assert out == ""
    assert message in line
    assert line.startswith("error: ")
    assert not Path("deep").exists()


def test_a_model_of_ours_grows_and_keeps_what_is_known_of_it(model_folder, tmp_path, capsys) -> None:
    out = tmp_path / "chatty"
    flags = ["--add-tokens", "<|user|>,<|end|>,<|endoftext|>", "--skip-comparison", "--json"]
    assert run(["import", str(model_folder), "--out", str(out), *flags]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["changed"] == {
        "tokens_added": {"<|user|>": 280, "<|end|>": 281},
        "tokens_found": {"<|endoftext|>": 279},
    }
    (before, _, _), (after, tokenizer, info) = load_model_folder(model_folder), load_model_folder(out)
    assert info["evaluations"] == {"loss": 2.5}
    assert info["changed"]["from"] == "fox"
    assert "imported" not in info
    assert after.config == before.config  # two rows lay ready
    tokens = torch.arange(16)[None]
    assert torch.equal(after(tokens)[..., :280], before(tokens)[..., :280])
    assert tokenizer.encode("a<|end|>", allow_special=True)[-1] == 281
    assert "| from | fox |" in (out / "README.md").read_text()
    assert hornbook.load(out).generate("Once", max_new_tokens=3) is not None


def test_of_another_program_s_folder_everything_else_stays(foreign, tmp_path, capsys) -> None:
    out = tmp_path / "out"
    flags = ["--add-tokens", "<|im_start|>", "--context-length", "31", "--skip-comparison"]
    assert run(["import", str(foreign), "--out", str(out), *flags]) == 0
    assert "tokens added: <|im_start|> (280)" in capsys.readouterr().out.splitlines()
    before, after = (json.loads((folder / "config.json").read_text()) for folder in (foreign, out))
    changed = {key: value for key, value in after.items() if before.get(key) != value}
    assert changed == {"vocab_size": 281, "n_positions": 31}
    words = json.loads((out / "tokenizer_config.json").read_text())
    assert words["extra"] == "theirs"
    assert words["model_max_length"] == 31
    assert words["added_tokens_decoder"]["279"] == {"content": "<|endoftext|>", "special": True}
    assert words["added_tokens_decoder"]["280"]["content"] == "<|im_start|>"
    for name in ("generation_config.json", "chat_template.jinja", "LICENSE"):
        assert (out / name).read_bytes() == (foreign / name).read_bytes()
    assert (out / "README-source.md").read_text() == "their README.md"
    assert not {"merges.txt", "pytorch_model.bin"} & {path.name for path in out.iterdir()}
    model, _, info = load_model_folder(out, dtype=None)
    assert model.token_embedding.weight.dtype == torch.bfloat16
    assert info["imported"]["source"] == "source"
    old = load_model_folder(foreign, dtype=None)[0]
    assert torch.equal(model.position_embedding.weight[::2], old.position_embedding.weight)


def test_the_effect_of_another_context_is_measured(model_folder, tmp_path, capsys) -> None:
    """The losses are those of `mean_over_batches`, read in windows of each length."""
    (tmp_path / "text.txt").write_text(TEXT)
    tokenizer = str(model_folder / "tokenizer.json")
    assert run(["prepare", str(tmp_path / "text.txt"), "--out", str(tmp_path / "data"), "--tokenizer", tokenizer,
                "--val-fraction", "0.5", "--clean", "none"]) == 0  # fmt: skip
    capsys.readouterr()
    flags = ["--context-length", "32", "--data", str(tmp_path / "data"), "--skip-comparison"]
    assert run(["import", str(model_folder), "--out", str(tmp_path / "json"), *flags, "--json"]) == 0
    effect = json.loads(capsys.readouterr().out)["changed"]["effect"]
    names = ["before (16)", "after (16)", "after (32)"]
    assert list(effect["perplexity"]) == list(effect["loss"]) == names
    assert list(effect["loss"]["after (32)"]) == ["0-3", "4-7", "8-15", "16-31"]
    held_out = open_dataset(tmp_path / "data").val
    for folder, name, length in ((model_folder, names[0], 16), (tmp_path / "json", names[2], 32)):
        batches = Windows(held_out, length, padded=True).every_batch(8)
        loss, _ = mean_over_batches(load_model_folder(folder)[0], batches)
        assert effect["perplexity"][name] == pytest.approx(math.exp(loss), abs=2e-4)
    assert run(["import", str(model_folder), "--out", str(tmp_path / "lines"), *flags]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "positions: rotation: theta" in lines
    assert all(len(line) <= 80 for line in lines if str(tmp_path) not in line)
    assert next(line for line in lines if line.startswith("perplexity")).split()[1:] == [
        f"{effect['perplexity'][name]:.2f}" for name in names
    ]


@pytest.mark.slow
def test_what_was_changed_is_compared_with_transformers(foreign, tmp_path, capsys) -> None:
    pytest.importorskip("transformers")
    flags = ["--add-tokens", "<|im_start|>", "--context-length", "64", "--json"]
    assert run(["import", str(foreign), "--out", str(tmp_path / "out"), *flags]) == 0
    parity = json.loads(capsys.readouterr().out)["parity"]
    assert parity["largest_difference"] <= parity["margin"]
    assert load_model_folder(tmp_path / "out")[2]["parity"] == parity
