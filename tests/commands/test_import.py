"""`hornbook import`: what is refused and how it is said, then folders of `transformers` that become ours."""

import json
import os
import pickle
import re
import subprocess
import sys
from collections.abc import Callable
from fnmatch import fnmatch
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

import hornbook
from hornbook.cli import run
from hornbook.models.llama import Llama, LlamaConfig
from hornbook.tokenizers.bpe import BPE
from hornbook.weights.model_folder import load_model_folder, save_model_folder

TEXT = "Once upon a time there was a fox. Größe: 5 €\n" * 20
INDEX = "model.safetensors.index.json"


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A folder as another program writes it: no hornbook.json, a card and a licence of its own."""
    tokenizer = BPE.train([TEXT], vocab_size=280)
    config = LlamaConfig(vocab_size=290, context_length=16, num_layers=2, num_heads=2, embed_dim=8, qk_norm=False)
    model = Llama(config, torch.Generator().manual_seed(1)).to(torch.bfloat16)
    folder = save_model_folder(tmp_path / "source", model, tokenizer)
    (folder / "hornbook.json").unlink()
    (folder / "README.md").write_text("# their own card")
    (folder / "LICENSE.txt").write_text("their terms")
    (folder / "pytorch_model.bin").write_bytes(b"a pickle")
    (folder / "training_args.bin").write_bytes(b"a pickle")
    return folder


@pytest.fixture
def sharded(source: Path) -> Path:
    tensors = load_file(source / "model.safetensors")
    (source / "model.safetensors").unlink()
    shards = {
        "model-00001-of-00002.safetensors": list(tensors)[::2],
        "model-00002-of-00002.safetensors": list(tensors)[1::2],
    }
    for name, members in shards.items():
        save_file({member: tensors[member] for member in members}, source / name)
    weight_map = {member: name for name, members in shards.items() for member in members}
    (source / INDEX).write_text(json.dumps({"metadata": {}, "weight_map": weight_map}))
    return source


def edit(path: Path, **changes: object) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def change_tensors(folder: Path, change: Callable[[dict[str, torch.Tensor]], object]) -> None:
    tensors = load_file(folder / "model.safetensors")
    change(tensors)
    save_file(tensors, folder / "model.safetensors")


@pytest.fixture
def refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Callable[[Path | str], str]:
    """`refused(source)` -> the one line of the refusal; nothing is left behind."""

    def check(source: Path | str) -> str:
        assert run(["import", str(source), "--out", str(tmp_path / "deep" / "out")]) == 2
        out, err = capsys.readouterr()
        *talk, line = err.splitlines()
        assert out == ""
        assert all(said.startswith("reading ") for said in talk)
        assert line.startswith("error: ")
        assert not (tmp_path / "deep").exists()
        return line

    return check


GATE, QUERY = "model.layers.1.mlp.gate_proj.weight", "model.layers.0.self_attn.q_proj.weight"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda tensors: tensors.update({GATE: tensors[GATE][:-1].contiguous()}), r"has the shape \(63, 8\), but"),
        (
            lambda tensors: tensors.update({QUERY: tensors[QUERY][:-1].contiguous()}),
            rf"'{QUERY}' has the shape \(7, 8\)",
        ),
        (lambda tensors: tensors.pop(GATE), f"the tensor '{GATE}' is missing"),
        (lambda tensors: tensors.update(odd=torch.ones(1)), "the tensor 'odd' has no place in this model"),
    ],
)
def test_weights_that_do_not_fit(source, refused, change, message) -> None:
    change_tensors(source, change)
    assert re.search(message, refused(source))


@pytest.mark.parametrize("share", [0.0, 0.05, 0.5, 0.999])
def test_a_truncated_shard(sharded, refused, share) -> None:
    path = sharded / "model-00002-of-00002.safetensors"
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    line = refused(sharded)
    assert f"{path.name}' is damaged" in line
    assert "fetch it again" in line


def test_a_missing_shard(sharded, refused) -> None:
    (sharded / "model-00001-of-00002.safetensors").unlink()
    assert "model-00001-of-00002.safetensors' is missing" in refused(sharded)


@pytest.mark.parametrize("name", ["../secret.safetensors", "/etc/passwd", 3])
def test_an_index_that_leads_out_of_its_folder(sharded, refused, name) -> None:
    edit(sharded / INDEX, weight_map={GATE: name})
    assert "is no file of its folder" in refused(sharded)


@pytest.mark.parametrize("content", ["[]", "{}", '{"weight_map": {}}'])
def test_an_index_that_is_none(sharded, refused, content) -> None:
    (sharded / INDEX).write_text(content)
    assert "has no weight_map" in refused(sharded)


def test_a_tensor_in_two_shards(sharded, refused) -> None:
    first, second = sorted(sharded.glob("model-*.safetensors"))
    save_file(load_file(second) | {"model.norm.weight": torch.ones(8)}, second)
    save_file(load_file(first) | {"model.norm.weight": torch.ones(8)}, first)
    assert "the tensor 'model.norm.weight' stands in" in refused(sharded)


def test_pickles_are_never_opened(source, refused) -> None:
    (source / "model.safetensors").unlink()
    line = refused(source)
    assert "'pytorch_model.bin' is a pickle, which can run programs and is never opened" in line
    assert "torch.load(FILE, weights_only=True)" in line
    assert "is a file, not a folder" in refused(source / "pytorch_model.bin")


@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.safetensors", "model-00001-of-00001.safetensors"])
def test_a_malicious_pickle_does_nothing_under_any_name(source, refused, tmp_path, name) -> None:
    """A pickle that would make a folder when it is loaded, and does so where it is."""

    class Malicious:
        def __reduce__(self) -> tuple[object, ...]:
            return os.mkdir, (str(tmp_path / "owned"),)

    (source / "model.safetensors").unlink()
    (source / name).write_bytes(pickle.dumps({"model.norm.weight": Malicious()}))
    if name.startswith("model-"):
        (source / INDEX).write_text(json.dumps({"weight_map": {"model.norm.weight": name}}))
    line = refused(source)
    assert f"{name}' is a pickle, which can run programs and is never opened" in line
    assert not (tmp_path / "owned").exists()
    pickle.loads((source / name).read_bytes())
    assert (tmp_path / "owned").exists()


def test_an_unknown_architecture(source, refused) -> None:
    edit(source / "config.json", model_type="deepseek_v3")
    line = refused(source)
    assert "unknown model_type 'deepseek_v3'" in line
    assert all(name in line for name in ("gpt2", "llama", "mistral", "qwen2", "qwen3"))


def test_a_setting_that_is_not_implemented(source, refused) -> None:
    edit(source / "config.json", rope_scaling={"rope_type": "yarn", "factor": 4.0})
    assert "'yarn'" in refused(source)


def test_a_tokenizer_of_another_kind(source, refused) -> None:
    document = json.loads((source / "tokenizer.json").read_text())
    unigram = {"type": "Unigram", "unk_id": 0, "vocab": [["<unk>", 0.0], ["a", -1.0]]}
    (source / "tokenizer.json").write_text(json.dumps({**document, "model": unigram}))
    assert "no kind of tokenizer here has the model 'Unigram'" in refused(source)
    (source / "tokenizer.json").unlink()
    (source / "tokenizer.model").write_bytes(b"sentencepiece")
    assert "its tokenizer.model is of a kind that isn't read here; hint: transformers writes" in refused(source)


def test_no_such_source(tmp_path, refused) -> None:
    assert "no such folder" in refused(tmp_path / "absent")
    assert "is not a model folder: it has no config.json" in refused(tmp_path)


def test_the_hub_without_its_package_and_without_a_network(monkeypatch, refused) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    assert "models of the hub need the package huggingface_hub; hint: pip install" in refused("owner/model")


@pytest.mark.parametrize("error", [OSError("no route"), ValueError("bad name.\nmore"), ConnectionError()])
def test_a_fetch_that_fails_is_one_line(monkeypatch, refused, error) -> None:
    hub = pytest.importorskip("huggingface_hub")

    def fail(*arguments: object, **named: object) -> None:
        raise error

    monkeypatch.setattr(hub, "snapshot_download", fail)
    assert "can't fetch 'owner/model' from the hub: " in refused("owner/model")


def test_offline_the_cache_alone_is_asked(tmp_path) -> None:
    """In a process of its own: the package reads HF_HUB_OFFLINE when it is imported."""
    pytest.importorskip("huggingface_hub")
    paths = {"PYTHONPATH": str(Path(hornbook.__file__).parents[1]), "HF_HOME": str(tmp_path / "cache")}
    done = subprocess.run(
        [sys.executable, "-m", "hornbook", "import", "owner/model", "--out", str(tmp_path / "out")],
        env={**os.environ, **paths, "HF_HUB_OFFLINE": "1"}, capture_output=True, encoding="utf-8", check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr.startswith("error: no folder 'owner/model' here, and can't fetch 'owner/model' from the hub: ")
    assert len(done.stderr.splitlines()) == 1


def test_an_existing_folder_is_refused_before_anything_is_read(source, tmp_path, capsys) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("mine")
    assert run(["import", "owner/model", "--out", str(tmp_path / "out")]) == 2
    assert "already exists" in capsys.readouterr().err
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["mine.txt"]


def test_a_model_folder_of_ours_needs_no_import(source, tmp_path, capsys) -> None:
    assert run(["import", str(source), "--out", str(tmp_path / "out"), "--skip-comparison"]) == 0
    assert run(["import", str(tmp_path / "out"), "--out", str(tmp_path / "again")]) == 2
    assert "is a model folder already; hint: every command opens it as it is" in capsys.readouterr().err


@pytest.mark.parametrize("kind", ["source", "sharded"])
def test_the_files_stay_as_they_are_and_are_sealed(kind, tmp_path, request, capsys) -> None:
    folder = request.getfixturevalue(kind)
    out = tmp_path / "runs" / "fox"
    before = load_model_folder(folder)[0]
    assert run(["import", str(folder), "--out", str(out), "--json", "--skip-comparison"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert (result["architecture"], result["stored_as"], result["source"]) == ("llama", "bfloat16", "source")
    assert result["parameters"] == before.num_parameters()
    kept = ["config.json", "tokenizer.json", "LICENSE.txt", *(path.name for path in folder.glob("model*"))]
    assert all((out / name).read_bytes() == (folder / name).read_bytes() for name in kept)
    assert (out / "README-source.md").read_text() == "# their own card"
    assert "imported with Hornbook" in (out / "README.md").read_text()
    assert not list(out.glob("*.bin"))
    after, _, info = load_model_folder(out)
    assert info["imported"]["source"] == "source"
    tokens = torch.arange(16)[None]
    assert torch.equal(after(tokens), before(tokens))
    assert hornbook.load(out).generate("Once", max_new_tokens=3)
    with (out / "LICENSE.txt").open("a") as file:
        file.write("!")
    assert run(["generate", str(out), "Once"]) == 2  # the seal covers it
    capsys.readouterr()


def test_gpt2_with_its_two_files(tmp_path, capsys) -> None:
    """The oldest releases have vocab.json and merges.txt instead of tokenizer.json; the ids are those of `transformers`."""
    transformers = pytest.importorskip("transformers")
    tokenizers = pytest.importorskip("tokenizers")
    trained = tokenizers.ByteLevelBPETokenizer()
    trained.train_from_iterator([TEXT], vocab_size=300, special_tokens=["<|endoftext|>"], show_progress=False)
    source = tmp_path / "gpt2"
    config = transformers.GPT2Config(vocab_size=300, n_embd=16, n_layer=1, n_head=2, n_positions=32)
    transformers.GPT2LMHeadModel(config).save_pretrained(source)
    trained.save_model(str(source))
    assert run(["import", str(source), "--out", str(tmp_path / "out"), "--skip-comparison"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"imported 'gpt2' to '{tmp_path / 'out'}'"
    tokenizer = load_model_folder(tmp_path / "out")[1]
    for text in ("Once upon a time", "  two spaces, 1862 and €\n\n", "'s größer 日本 \U0001f98a"):
        assert tokenizer.encode(text) == trained.encode(text).ids


def test_a_name_of_the_hub_is_fetched(source, tmp_path, monkeypatch, capsys) -> None:
    hub = pytest.importorskip("huggingface_hub")
    asked = {}

    def fetch(name: str, allow_patterns: list[str]) -> str:
        asked.update(name=name, patterns=allow_patterns)
        return str(source.rename(tmp_path / "0123abc"))

    monkeypatch.setattr(hub, "snapshot_download", fetch)
    assert run(["import", "owner/model", "--out", str(tmp_path / "out"), "--json", "--skip-comparison"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert (result["source"], result["revision"]) == ("https://huggingface.co/owner/model", "0123abc")
    assert asked["name"] == "owner/model"
    assert not any(
        fnmatch(name, pattern) for name in ("pytorch_model.bin", "model.pt") for pattern in asked["patterns"]
    )


def test_an_import_is_compared_with_transformers(source, tmp_path, capsys) -> None:
    pytest.importorskip("transformers")
    assert run(["import", str(source), "--out", str(tmp_path / "out"), "--json"]) == 0
    parity = json.loads(capsys.readouterr().out)["parity"]
    assert parity["with"] == "transformers"
    assert 0 <= parity["largest_difference"] <= parity["margin"] < 1e-3
    assert parity["greedy_tokens"] == 4 * 15  # prompts are cut to one token: the context is 16
    assert load_model_folder(tmp_path / "out")[2]["parity"] == parity


@pytest.mark.slow
def test_an_import_that_computes_something_else_is_refused(source, tmp_path, monkeypatch, capsys) -> None:
    pytest.importorskip("transformers")
    plain = Llama.logits
    monkeypatch.setattr(Llama, "logits", lambda self, hidden: plain(self, hidden) * 1.001)
    assert run(["import", str(source), "--out", str(tmp_path / "out")]) == 1
    assert capsys.readouterr().err.splitlines()[-1].startswith("logits are up to ")
    assert not (tmp_path / "out").exists()


def test_without_transformers_the_import_says_so(source, tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.setattr("hornbook.commands._import_compare.find_spec", lambda name: None)
    assert run(["import", str(source), "--out", str(tmp_path / "out"), "--json"]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["parity"] is None
    assert "note: not compared with transformers, which is not installed" in err


def test_what_transformers_does_not_open_is_said_in_one_line(source, tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.setattr("hornbook.commands._import_compare.sys.executable", "false")
    assert run(["import", str(source), "--out", str(tmp_path / "out")]) == 1
    assert "transformers doesn't open" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
