"""Model folders: everything that can be wrong with one, then the round trip."""

import errno
import json
from pathlib import Path

import pytest
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from hornbook.errors import UserError
from hornbook.tokenizers.character import Character
from hornbook.weights import model_folder
from hornbook.weights.model_folder import check_seal, load_model_folder, save_model_folder

NAMES = [
    "bigram", "gpt", "gpt-no-bias-untied", "gpt-no-qkv-bias", "gpt-sinusoidal",
    "llama", "llama-grouped-untied", "qwen3", "qwen3-wide-heads",
]  # fmt: skip
FILES = [
    "README.md",
    "config.json",
    "generation_config.json",
    "hornbook.json",
    "model.safetensors",
    "tokenizer.json",
    "tokenizer_config.json",
]


@pytest.fixture
def folder(tmp_path, make_model, tokenizer) -> Path:
    return save_model_folder(tmp_path / "model", make_model("qwen3"), tokenizer, {"data": {"documents": 3}})


@pytest.fixture
def unsealed(folder) -> Path:
    """As another program writes it: without hornbook.json."""
    (folder / "hornbook.json").unlink()
    return folder


def edit_config(folder: Path, **changes: object) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, **changes}))


def refusal(folder: Path) -> str:
    with pytest.raises(UserError) as caught:
        load_model_folder(folder)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_no_model_folder(tmp_path) -> None:
    assert "is not a model folder: it has no config.json" in refusal(tmp_path)
    assert "is not a model folder" in refusal(tmp_path / "absent")


@pytest.mark.parametrize("name", [name for name in FILES if name != "hornbook.json"])
def test_a_changed_byte_is_named(folder, name) -> None:
    content = bytearray((folder / name).read_bytes())
    content[len(content) // 2] ^= 1
    (folder / name).write_bytes(content)
    assert name in refusal(folder)
    assert "was changed after the model was saved" in refusal(folder)


@pytest.mark.parametrize("name", [name for name in FILES if name not in ("hornbook.json", "config.json")])
def test_a_missing_file_is_named(folder, name) -> None:
    (folder / name).unlink()
    assert f"{name}' is missing" in refusal(folder)


@pytest.mark.parametrize("content", ["{}", "[]", '{"sha256": 3, "tokenizer_hash": ""}', "not json"])
def test_a_damaged_seal(folder, content) -> None:
    (folder / "hornbook.json").write_text(content)
    assert "hornbook.json' is" in refusal(folder)


@pytest.mark.parametrize("content", ["[]", "3", "{", "{}"])
def test_a_config_that_is_none(unsealed, content) -> None:
    (unsealed / "config.json").write_text(content)
    refusal(unsealed)


@pytest.mark.parametrize("value", ["wide", -4, [32], 1.5])
def test_a_config_with_an_impossible_size(unsealed, value) -> None:
    edit_config(unsealed, hidden_size=value)
    assert "config.json.embed_dim" in refusal(unsealed)


def test_missing_weights_without_a_seal(unsealed) -> None:
    (unsealed / "model.safetensors").unlink()
    assert "model.safetensors' is missing; hint: weights are read from safetensors files only" in refusal(unsealed)


def test_damaged_weights_without_a_seal(unsealed) -> None:
    content = (unsealed / "model.safetensors").read_bytes()
    (unsealed / "model.safetensors").write_bytes(content[: len(content) // 2])
    assert "model.safetensors' is damaged" in refusal(unsealed)


def test_a_tokenizer_that_is_too_large(unsealed, make_model, tmp_path) -> None:
    large = Character.train(["abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"])
    large.save(unsealed)
    assert "the tokenizer is not this model's: it has" in refusal(unsealed)
    with pytest.raises(UserError, match="the tokenizer is not this model's"):
        save_model_folder(tmp_path / "other", make_model("gpt"), large)
    assert not (tmp_path / "other").exists()


def test_another_tokenizer_of_the_same_size(folder) -> None:
    """The hashes of files can be made to agree; the tokenizer's own hash still tells."""
    document = json.loads((folder / "tokenizer.json").read_text())
    vocabulary = document["model"]["vocab"]
    first, second = list(vocabulary)[:2]
    vocabulary[first], vocabulary[second] = vocabulary[second], vocabulary[first]
    (folder / "tokenizer.json").write_text(json.dumps(document))
    seal = json.loads((folder / "hornbook.json").read_text())
    del seal["sha256"]["tokenizer.json"]
    (folder / "hornbook.json").write_text(json.dumps(seal))
    assert "is not the one that this model was trained with" in refusal(folder)


@pytest.mark.parametrize("model_type", ["mixtral", "gpt_2", None, 3])
def test_an_unknown_model_type_lists_the_choices(unsealed, model_type) -> None:
    edit_config(unsealed, model_type=model_type)
    message = refusal(unsealed)
    assert f"unknown model_type '{model_type}'" in message
    assert all(choice in message for choice in ("gpt2", "llama", "qwen3", "hornbook-bigram"))


def test_weights_of_another_size(unsealed) -> None:
    edit_config(unsealed, intermediate_size=64)
    assert (
        "'model.layers.0.mlp.gate_proj.weight' has the shape (128, 32), "
        "but config.json asks for (64, 32)" in refusal(unsealed)
    )


@pytest.mark.parametrize(
    ("layers", "message"),
    [(1, "has no place in this model"), (3, "'model.layers.2.self_attn.q_proj.weight' is missing")],
)
def test_weights_of_another_depth(unsealed, layers, message) -> None:
    edit_config(unsealed, num_hidden_layers=layers)
    assert message in refusal(unsealed)


def test_an_existing_folder_is_kept_unless_asked(folder, make_model, tokenizer) -> None:
    before = (folder / "model.safetensors").read_bytes()
    with pytest.raises(UserError, match="already exists"):
        save_model_folder(folder, make_model("gpt"), tokenizer)
    assert (folder / "model.safetensors").read_bytes() == before
    save_model_folder(folder, make_model("gpt"), tokenizer, replace=True)
    assert load_model_folder(folder)[0].config == make_model("gpt").config


def test_a_full_disk_leaves_nothing(tmp_path, make_model, tokenizer, monkeypatch) -> None:
    def full(*arguments: object, **named: object) -> None:
        raise OSError(errno.ENOSPC, "no space left on device")

    monkeypatch.setattr(model_folder, "save_file", full)
    with pytest.raises(UserError, match="no space left"):
        save_model_folder(tmp_path / "model", make_model("gpt"), tokenizer)
    assert list(tmp_path.iterdir()) == []


REFUSAL = "Error while serializing: I/O error: No space left on device (os error 28)"


def test_a_disk_that_fills_while_safetensors_writes(tmp_path, make_model, tokenizer, monkeypatch) -> None:
    """Its error is text; the line is the one of every other write, and names the file."""

    def full(*arguments: object, **named: object) -> None:
        raise SafetensorError(REFUSAL)

    monkeypatch.setattr(model_folder, "save_file", full)
    with pytest.raises(UserError, match="no space left on the disk that holds '.*safetensors'; hint: free some space"):
        save_model_folder(tmp_path / "model", make_model("gpt"), tokenizer)
    assert list(tmp_path.iterdir()) == []


def test_other_errors_of_safetensors_are_defects_of_ours(tmp_path, make_model, tokenizer, monkeypatch) -> None:
    def broken(*arguments: object, **named: object) -> None:
        raise SafetensorError("a tensor is twice in the file")

    monkeypatch.setattr(model_folder, "save_file", broken)
    with pytest.raises(SafetensorError, match="twice"):
        save_model_folder(tmp_path / "model", make_model("gpt"), tokenizer)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", NAMES)
def test_round_trip(tmp_path, make_model, tokenizer, name) -> None:
    model, info = make_model(name), {"data": {"documents": 3}, "evaluations": [{"loss": 1.5}]}
    folder = save_model_folder(tmp_path / "model", model, tokenizer, info)
    assert sorted(path.name for path in folder.iterdir()) == FILES
    loaded, its_tokenizer, its_info = load_model_folder(folder)
    assert (loaded.config, its_info, its_tokenizer.to_json()) == (model.config, info, tokenizer.to_json())
    assert not loaded.training
    assert all(parameter.requires_grad for parameter in loaded.parameters())
    state = loaded.state_dict()
    assert all(torch.equal(tensor, state[key]) for key, tensor in model.state_dict().items())
    tokens = torch.randint(0, tokenizer.vocab_size, (2, 24))
    assert torch.equal(loaded(tokens), model(tokens))


def test_the_same_model_is_the_same_bytes(tmp_path, make_model, tokenizer) -> None:
    first, second = (
        save_model_folder(tmp_path / place / "run" / "model", make_model("gpt"), tokenizer) for place in "ab"
    )
    assert all((first / name).read_bytes() == (second / name).read_bytes() for name in FILES)


@pytest.mark.parametrize("name", ["gpt", "qwen3"])
def test_tied_weights_are_stored_once(tmp_path, make_model, tokenizer, name) -> None:
    model = make_model(name)
    tensors = load_file(save_model_folder(tmp_path / "model", model, tokenizer) / "model.safetensors")
    assert sum(tensor.numel() for tensor in tensors.values()) == model.num_parameters()


def test_compiled_models_leave_no_prefix(tmp_path, make_model, tokenizer) -> None:
    model = make_model("qwen3")
    for layer, block in enumerate(model.blocks):
        model.blocks[layer] = torch.compile(block, backend="eager")
    assert any("_orig_mod." in name for name in model.state_dict())
    folder = save_model_folder(tmp_path / "model", model, tokenizer)
    assert not any("_orig_mod" in name for name in load_file(folder / "model.safetensors"))
    load_model_folder(folder)


def test_sharded_weights(unsealed) -> None:
    tensors = load_file(unsealed / "model.safetensors")
    before = load_model_folder(unsealed)[0]
    (unsealed / "model.safetensors").unlink()
    shards = {"model-1.safetensors": list(tensors)[::2], "model-2.safetensors": list(tensors)[1::2]}
    for name, members in shards.items():
        save_file({member: tensors[member] for member in members}, unsealed / name)
    weight_map = {member: name for name, members in shards.items() for member in members}
    (unsealed / "model.safetensors.index.json").write_text(json.dumps({"weight_map": weight_map}))
    state = load_model_folder(unsealed)[0].state_dict()
    assert all(torch.equal(tensor, state[name]) for name, tensor in before.state_dict().items())


def test_loading_draws_no_weights(folder) -> None:
    torch.manual_seed(0)
    before = torch.get_rng_state()
    load_model_folder(folder)
    assert torch.equal(torch.get_rng_state(), before)


def test_half_precision_on_request(folder, tokenizer) -> None:
    tokens = torch.randint(0, tokenizer.vocab_size, (1, 9))
    half = load_model_folder(folder, dtype=torch.bfloat16)[0]
    assert half(tokens).dtype == torch.bfloat16
    assert load_model_folder(folder)[0](tokens).dtype == torch.float32


def test_the_seal_names_everything(folder, tokenizer) -> None:
    seal = check_seal(folder)
    assert sorted([*seal["sha256"], "hornbook.json"]) == FILES
    assert {"hornbook", "torch", "safetensors", "python"} <= set(seal["versions"])


def test_the_card_tells_what_is_known(folder) -> None:
    card = (folder / "README.md").read_text()
    assert card.startswith("---\npipeline_tag: text-generation\n")
    assert "## Data\n\n| | |\n|---|---|\n| documents | 3 |" in card
    assert "library_name: transformers" in card


@pytest.mark.parametrize(("path", "name"), [("runs/tales/model", "tales"), ("tales", "tales")])
def test_the_card_is_called_after_the_run_or_the_folder(tmp_path, make_model, tokenizer, path, name) -> None:
    card = (save_model_folder(tmp_path / path, make_model("qwen3"), tokenizer) / "README.md").read_text()
    assert f"\n# {name}\n" in card
    assert "# model\n" not in card


def test_the_cards_example_opens_the_folder_wherever_it_lies(folder, tmp_path, monkeypatch, capsys) -> None:
    card = (folder / "README.md").read_text()
    copied = folder.rename(tmp_path / "copied and renamed")
    monkeypatch.chdir(copied)
    exec(card.split("```python\n")[1].split("```")[0].replace("Once", "a horn"), {})
    assert capsys.readouterr().out.strip()
