"""Adapter folders against PEFT: ours open there and theirs here with equal logits; on a wrong base they don't open."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from hornbook.errors import UserError
from hornbook.finetuning.lora import LoRA, add_lora, corrections, linear_layers
from hornbook.models.base import Model
from hornbook.weights.adapters import SETTINGS, WEIGHTS, is_adapter, load_adapter, save_adapter
from hornbook.weights.model_folder import fingerprint_of, load_model_folder, save_model_folder

transformers = pytest.importorskip("transformers")
peft = pytest.importorskip("peft")

# what PEFT 0.21 asks of transformers 5.23
pytestmark = pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing. is deprecated:FutureWarning")

NAMES = ["gpt", "gpt-no-qkv-bias", "llama", "llama-grouped-untied", "qwen3-wide-heads", "qwen2", "mistral"]
OTHERS = [NAMES[place] for place in (1, 2, 3, 5, 6)]
TOKENS = torch.randint(0, 20, (2, 24), generator=torch.Generator().manual_seed(5))


def draw(model: torch.nn.Module) -> None:
    """Weights that all matter, with logits of about one, so that 1e-5 is a strict bound."""
    generator = torch.Generator().manual_seed(6)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, mean=1.0 if parameter.ndim == 1 else 0.0, std=0.2, generator=generator)


def disturb(model: torch.nn.Module) -> None:
    """What a training makes of corrections: no B is 0, and no two are alike."""
    generator = torch.Generator().manual_seed(8)
    for name, parameter in model.named_parameters():
        if ".lora_" in name or name.endswith((".up", ".down")):
            torch.nn.init.normal_(parameter, std=0.2, generator=generator)


def theirs(base: Path, folder: Path) -> Tensor:
    model = transformers.AutoModelForCausalLM.from_pretrained(base)
    return peft.PeftModel.from_pretrained(model, folder).eval()(TOKENS).logits  # it warns where a tensor is missing


def based(tmp_path: Path, make_model, tokenizer, name: str) -> tuple[Path, Model]:
    model = make_model(name)
    draw(model)
    return save_model_folder(tmp_path / "base", model, tokenizer), model


def saved(tmp_path: Path, make_model, tokenizer, name: str = "qwen3", **settings) -> tuple[Path, Path, Model]:
    """A base, an adapter folder of it, and the model with its corrections."""
    base, model = based(tmp_path, make_model, tokenizer, name)
    add_lora(model, **{"layers": ["all"], "rank": 3, "alpha": 4.0} | settings)
    disturb(model)
    return base, save_adapter(tmp_path / "adapter", corrections(model), base, base, {"loss": 1.5}), model


def edited(folder: Path, **changes: object) -> None:
    """Other settings in a folder that PEFT might have written: without a seal."""
    (folder / "hornbook.json").unlink(missing_ok=True)
    document = json.loads((folder / SETTINGS).read_text())
    (folder / SETTINGS).write_text(json.dumps({**document, **changes}))


@torch.no_grad()
@pytest.mark.parametrize("name", [NAMES[0], NAMES[4], *(pytest.param(name, marks=pytest.mark.slow) for name in OTHERS)])
def test_ours_opens_there_and_here(tmp_path, make_model, tokenizer, name) -> None:
    base, folder, model = saved(tmp_path, make_model, tokenizer, name)
    plain, expected = load_model_folder(base)[0](TOKENS), model(TOKENS)
    assert (plain - expected).abs().max() > 0.1
    torch.testing.assert_close(theirs(base, folder), expected, atol=1e-5, rtol=0)
    merged, its_tokenizer, info = load_adapter(folder)
    torch.testing.assert_close(merged(TOKENS), expected, atol=1e-5, rtol=0)
    assert info == {"loss": 1.5}
    assert its_tokenizer.to_json() == tokenizer.to_json()
    assert set(merged.state_dict()) == set(load_model_folder(base)[0].state_dict())


@torch.no_grad()
@pytest.mark.slow
@pytest.mark.parametrize("layers", [["attention.qkv"], ["blocks.1.attention.output", "feed_forward.down"], ["output"]])
def test_any_layers_can_be_corrected(tmp_path, make_model, tokenizer, layers) -> None:
    """Those of a name in one block only are listed in full, or PEFT would look for the others too."""
    base, folder, model = saved(tmp_path, make_model, tokenizer, "llama-grouped-untied", layers=layers)
    torch.testing.assert_close(theirs(base, folder), model(TOKENS), atol=1e-5, rtol=0)
    torch.testing.assert_close(load_adapter(folder)[0](TOKENS), model(TOKENS), atol=1e-5, rtol=0)
    targets = json.loads((folder / SETTINGS).read_text())["target_modules"]
    assert any(target.startswith("model.layers.1.") for target in targets) == ("blocks.1.attention.output" in layers)


THEIR_SETTINGS = {
    "queries and values": ("llama-grouped-untied", {"target_modules": ["q_proj", "v_proj"]}),
    "one of three": ("qwen3-wide-heads", {"target_modules": ["k_proj", "down_proj"]}),
    "all linear": ("qwen2", {"target_modules": "all-linear", "lora_dropout": 0.5}),
    "other ranks": (
        "llama",
        {
            "target_modules": ["q_proj", "k_proj", "v_proj", "up_proj"],
            "rank_pattern": {"k_proj": 2, "layers.1.self_attn.q_proj": 5},
            "alpha_pattern": {"v_proj": 3},
        },
    ),
    "rslora": ("mistral", {"target_modules": ["q_proj", "v_proj", "gate_proj"], "use_rslora": True}),
    "gpt2": ("gpt", {"target_modules": ["c_attn", "mlp.c_proj"], "fan_in_fan_out": True}),
}


@torch.no_grad()
@pytest.mark.parametrize(
    "case",
    [
        case if case in ("other ranks", "gpt2") else pytest.param(case, marks=pytest.mark.slow)
        for case in THEIR_SETTINGS
    ],
)
def test_theirs_opens_here(tmp_path, make_model, tokenizer, case) -> None:
    name, settings = THEIR_SETTINGS[case]
    base, _ = based(tmp_path, make_model, tokenizer, name)
    model = transformers.AutoModelForCausalLM.from_pretrained(base)
    their_settings = peft.LoraConfig(r=4, lora_alpha=6, task_type="CAUSAL_LM", **settings)
    adapted = peft.get_peft_model(model, their_settings).eval()
    disturb(adapted)
    expected = adapted(TOKENS).logits
    adapted.save_pretrained(tmp_path / "theirs")
    assert is_adapter(tmp_path / "theirs")
    assert not is_adapter(base)
    with pytest.raises(AssertionError):
        torch.testing.assert_close(load_model_folder(base)[0](TOKENS), expected, atol=1e-2, rtol=0)
    torch.testing.assert_close(load_adapter(tmp_path / "theirs")[0](TOKENS), expected, atol=1e-5, rtol=0)


def test_a_kept_adapter_is_small_and_names_its_base(tmp_path, make_model, tokenizer) -> None:
    base, folder, model = saved(tmp_path, make_model, tokenizer)
    numbers = sum(tensor.numel() for tensor in load_file(folder / WEIGHTS).values())
    shared = sum(2 * part.down.numel() for name, part in lora_layers(model) if name.endswith("qkv"))  # A stands thrice
    assert numbers == sum(part.down.numel() + part.up.numel() for _, part in lora_layers(model)) + shared
    seal = json.loads((folder / "hornbook.json").read_text())
    assert seal["base"]["path"] == "../base"
    assert seal["base"]["fingerprint"] == fingerprint_of(base)
    assert json.loads((folder / SETTINGS).read_text())["base_model_name_or_path"] == str(base)
    assert "# test_a_kept" in (folder / "README.md").read_text()


def lora_layers(model: Model) -> list[tuple[str, LoRA]]:
    return [(name, part) for name, part in model.named_modules() if isinstance(part, LoRA)]


@torch.no_grad()
def test_both_can_be_moved_together_and_the_base_be_named(tmp_path, make_model, tokenizer) -> None:
    _, _, model = saved(tmp_path / "old", make_model, tokenizer)
    (tmp_path / "old").rename(tmp_path / "new")
    assert torch.allclose(load_adapter(tmp_path / "new" / "adapter")[0](TOKENS), model(TOKENS), atol=1e-5)
    (tmp_path / "new" / "base").rename(tmp_path / "elsewhere")
    with pytest.raises(UserError, match=r"old/base', which isn't there; hint: hornbook merge .*adapter --base MODEL"):
        load_adapter(tmp_path / "new" / "adapter")
    found = load_adapter(tmp_path / "new" / "adapter", base=tmp_path / "elsewhere")[0]
    assert torch.allclose(found(TOKENS), model(TOKENS), atol=1e-5)


def test_another_base_is_an_error(tmp_path, make_model, tokenizer) -> None:
    base, folder, _ = saved(tmp_path, make_model, tokenizer)
    other = save_model_folder(tmp_path / "other", make_model("qwen3"), tokenizer)
    with pytest.raises(
        UserError, match=r"was made for another model than '.*other': weights, settings or tokenizer differ"
    ):
        load_adapter(folder, base=other)
    save_model_folder(base, make_model("qwen3"), tokenizer, replace=True)
    with pytest.raises(UserError, match="was made for another model"):
        load_adapter(folder)


def test_a_base_of_other_sizes_is_an_error(tmp_path, make_model, tokenizer) -> None:
    _, folder, _ = saved(tmp_path, make_model, tokenizer)
    edited(folder)
    other = save_model_folder(tmp_path / "other", make_model("qwen3-wide-heads"), tokenizer)
    with pytest.raises(UserError, match="'model.layers.0.self_attn.q_proj' has 32 rows, the model's has 48"):
        load_adapter(folder, base=other)
    other = save_model_folder(tmp_path / "gpt", make_model("gpt"), tokenizer)
    with pytest.raises(UserError, match=r"corrects 'model.layers.0.\S+', which is no matrix of this model"):
        load_adapter(folder, base=other)


def test_a_changed_adapter_is_an_error(tmp_path, make_model, tokenizer) -> None:
    _, folder, _ = saved(tmp_path, make_model, tokenizer)
    content = bytearray((folder / WEIGHTS).read_bytes())
    content[-1] ^= 1
    (folder / WEIGHTS).write_bytes(content)
    with pytest.raises(UserError, match=f"{WEIGHTS}' was changed"):
        load_adapter(folder)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"peft_type": "LOHA"},
            r"'peft_type' = 'LOHA' in adapter_config.json is not implemented here \(choices: 'LORA'",
        ),
        ({"use_dora": True}, "'use_dora' = True"),
        ({"bias": "all"}, "'bias' = 'all'"),
        ({"modules_to_save": ["embed_tokens"]}, r"'modules_to_save' = \['embed_tokens'\]"),
        ({"init_lora_weights": "pissa"}, "'init_lora_weights' = 'pissa'"),
        ({"layer_replication": [[0, 1]]}, "'layer_replication'"),
        ({"something_new": 3}, "'something_new' = 3"),
        ({"alpha_pattern": {"(a+)+$": 1}}, r"'alpha_pattern' = '\(a\+\)\+\$'"),
        ({"r": 5}, r"have the shapes \(3, 128\) and \(32, 3\), but their rank is 5"),
        ({"task_type": "SEQ_2_SEQ_LM"}, "'task_type' = 'SEQ_2_SEQ_LM'"),
    ],
)
def test_what_is_not_implemented_is_named(tmp_path, make_model, tokenizer, changes, message) -> None:
    _, folder, _ = saved(tmp_path, make_model, tokenizer)
    edited(folder, **changes)
    with pytest.raises(UserError, match=message):
        load_adapter(folder)


def test_wrong_tensors_are_named(tmp_path, make_model, tokenizer) -> None:
    _, folder, _ = saved(tmp_path, make_model, tokenizer)
    edited(folder)
    tensors = load_file(folder / WEIGHTS)
    place = "base_model.model.model.layers.0.self_attn.q_proj"
    half = {name: tensor for name, tensor in tensors.items() if name != f"{place}.lora_B.weight"}
    save_file(half, folder / WEIGHTS)
    with pytest.raises(UserError, match=f"the tensor '{place}.lora_B.weight' of the adapter is missing"):
        load_adapter(folder)
    save_file(tensors | {f"{place}.lora_magnitude_vector": torch.ones(3)}, folder / WEIGHTS)
    with pytest.raises(UserError, match="lora_magnitude_vector' of the adapter is not implemented here"):
        load_adapter(folder)
    (folder / WEIGHTS).unlink()
    (folder / "adapter_model.bin").write_bytes(b"")
    with pytest.raises(UserError, match="'adapter_model.bin' is a pickle"):
        load_adapter(folder)


def test_a_model_that_exists_nowhere_else_has_adapters_too(tmp_path, make_model, tokenizer) -> None:
    _, folder, model = saved(tmp_path, make_model, tokenizer, "gpt-rotary")
    with torch.no_grad():
        torch.testing.assert_close(load_adapter(folder)[0](TOKENS), model(TOKENS), atol=1e-5, rtol=0)
    assert len(linear_layers(load_adapter(folder)[0])) == len(lora_layers(model))
