"""A classifier's adapter against PEFT: ours opens there and theirs here with equal scores; without its head it doesn't open."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

import hornbook
from hornbook.errors import UserError
from hornbook.finetuning.lora import add_lora, corrections
from hornbook.models.base import Model
from hornbook.weights.adapters import SETTINGS, WEIGHTS, save_adapter
from hornbook.weights.classifier_adapters import load_classifier_adapter
from hornbook.weights.classifier_folder import Head
from hornbook.weights.model_folder import save_model_folder
from hornbook.weights.peft_names import HEAD, PREFIX

transformers = pytest.importorskip("transformers")
peft = pytest.importorskip("peft")

# what PEFT 0.21 asks of transformers 5.23
pytestmark = pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing. is deprecated:FutureWarning")

CLASSES = ("calm", "merry", "sad")
NAMES = ["gpt", "qwen3-wide-heads", *(pytest.param(name, marks=pytest.mark.slow) for name in ("llama", "qwen2"))]
TOKENS = torch.randint(0, 20, (1, 24), generator=torch.Generator().manual_seed(5))


def draw(model: torch.nn.Module, std: float, *ends: str) -> None:
    """Weights that all matter, of the parameters with these ends of names, or all."""
    generator = torch.Generator().manual_seed(6)
    for name, weight in model.named_parameters():
        if name.endswith(ends or ("",)):
            torch.nn.init.normal_(weight, mean=1.0 if weight.ndim == 1 else 0.0, std=std, generator=generator)


def based(tmp_path: Path, make_model, tokenizer, name: str) -> tuple[Path, Model]:
    model = make_model(name)
    draw(model, 0.2)
    return save_model_folder(tmp_path / "base", model, tokenizer), model


@pytest.fixture
def saved(tmp_path: Path, make_model, tokenizer):
    """Makes a base, an adapter folder of it, and the model with its corrections and the head."""

    def make(name: str) -> tuple[Path, Path, Model, Head]:
        base, model = based(tmp_path, make_model, tokenizer, name)
        add_lora(model, ["all"], 3, 4.0)
        draw(model, 0.2, ".up", ".down")
        width = model.hidden(TOKENS).shape[-1]
        head = Head(torch.randn(3, width, generator=torch.Generator().manual_seed(8)), CLASSES, "last", 20)
        folder = save_adapter(tmp_path / "adapter", corrections(model), base, base, {"loss": 1.5}, head=head)
        return base, folder, model, head

    return make


def edited(folder: Path, tensors: dict[str, Tensor] | None = None, **changes: object) -> None:
    """Other settings or tensors in a folder that PEFT might have written: without a seal."""
    (folder / "hornbook.json").unlink(missing_ok=True)
    document = json.loads((folder / SETTINGS).read_text())
    (folder / SETTINGS).write_text(json.dumps({**document, **changes}))
    if tensors is not None:
        save_file(tensors, folder / WEIGHTS)


def scores(opened: tuple, tokens: Tensor = TOKENS) -> Tensor:
    model, head = opened[0], opened[2]
    return model.hidden(tokens)[:, -1] @ head.weight.T


@torch.no_grad()
@pytest.mark.parametrize("name", NAMES)
def test_ours_opens_there_and_here(saved, tokenizer, name: str) -> None:
    base, folder, model, head = saved(name)
    expected = model.hidden(TOKENS)[:, -1] @ head.weight.T
    plain = transformers.AutoModelForSequenceClassification.from_pretrained(base, num_labels=3)
    theirs = peft.PeftModel.from_pretrained(plain, folder).eval()(TOKENS).logits  # it warns where a tensor is missing
    torch.testing.assert_close(theirs, expected, atol=1e-5, rtol=1e-5)
    itself = peft.AutoPeftModelForSequenceClassification.from_pretrained(folder, num_labels=3).eval()(TOKENS).logits
    torch.testing.assert_close(itself, expected, atol=1e-5, rtol=1e-5)
    opened = load_classifier_adapter(folder)
    torch.testing.assert_close(scores(opened), expected, atol=1e-5, rtol=1e-5)
    assert (opened[2].classes, opened[2].pooling, opened[2].max_length) == (CLASSES, "last", 20)
    assert 'hornbook.load_classifier(".")' in (folder / "README.md").read_text()
    assert (opened[1].to_json(), opened[3]) == (tokenizer.to_json(), {"loss": 1.5})


@torch.no_grad()
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("named", [True, False])
def test_theirs_opens_here(tmp_path: Path, make_model, tokenizer, name: str, named: bool) -> None:
    base, _ = based(tmp_path, make_model, tokenizer, name)
    if named:
        (base / "hornbook.json").unlink()
        config = json.loads((base / "config.json").read_text())
        names = {"id2label": dict(enumerate(CLASSES)), "label2id": {name: n for n, name in enumerate(CLASSES)}}
        (base / "config.json").write_text(json.dumps(config | names))
    plain = transformers.AutoModelForSequenceClassification.from_pretrained(base, num_labels=3)
    layers = {"target_modules": ["c_attn", "mlp.c_proj"], "fan_in_fan_out": True} if name == "gpt" else {}
    settings = peft.LoraConfig(r=4, lora_alpha=6, task_type="SEQ_CLS", **{"target_modules": "all-linear"} | layers)
    adapted = peft.get_peft_model(plain, settings).eval()
    draw(adapted, 0.2, "lora_A.default.weight", "lora_B.default.weight", "modules_to_save.default.weight")
    expected = adapted(TOKENS).logits
    assert expected.std() > 0.1
    adapted.save_pretrained(tmp_path / "theirs")
    opened = load_classifier_adapter(tmp_path / "theirs")
    torch.testing.assert_close(scores(opened), expected, atol=1e-5, rtol=1e-5)
    assert opened[2].classes == (CLASSES if named else ("LABEL_0", "LABEL_1", "LABEL_2"))
    assert opened[2].max_length == opened[0].config.context_length
    classifier = hornbook.load_classifier(tmp_path / "theirs")
    text = "a horn"
    single = scores(opened, torch.tensor([tokenizer.encode(text)])).softmax(dim=-1)
    torch.testing.assert_close(classifier.probabilities([text]), single, atol=1e-5, rtol=0)


def test_it_writes_no_text_and_a_language_models_adapter_has_no_classes(saved, tmp_path: Path) -> None:
    base, folder, model, _ = saved("qwen3")
    with pytest.raises(UserError, match=r"the adapter of a classifier, which writes no text; hint: hornbook classify"):
        hornbook.load(folder)
    plain = save_adapter(tmp_path / "plain", corrections(model), base, base)
    with pytest.raises(UserError, match=r"adapter of a language model and no classifier; hint: hornbook generate"):
        hornbook.load_classifier(plain)


def test_another_base_is_an_error(saved, tmp_path: Path, make_model, tokenizer) -> None:
    _, folder, _, _ = saved("qwen3")
    other = save_model_folder(tmp_path / "other", make_model("qwen3"), tokenizer)
    with pytest.raises(UserError, match=r"was made for another model than '.*other'"):
        load_classifier_adapter(folder, base=other)
    edited(folder)
    other = save_model_folder(tmp_path / "wide", make_model("qwen3-wide-heads"), tokenizer)
    with pytest.raises(UserError, match="'model.layers.0.self_attn.q_proj' has 32 rows, the model's has 48"):
        load_classifier_adapter(folder, base=other)


def test_a_head_that_is_missing_or_another_is_named(saved) -> None:
    _, folder, _, _ = saved("qwen3")
    tensors = load_file(folder / WEIGHTS)
    seal = json.loads((folder / "hornbook.json").read_text())
    edited(folder, {name: tensor for name, tensor in tensors.items() if name != PREFIX + HEAD})
    with pytest.raises(UserError, match=f"the adapter lacks the classifier's head '{PREFIX}{HEAD}'"):
        load_classifier_adapter(folder)
    edited(folder, tensors | {PREFIX + HEAD: torch.zeros(3, 5)})
    with pytest.raises(UserError, match=r"head reads vectors of 5 numbers, the model's have 32; hint: it was made for"):
        load_classifier_adapter(folder)
    edited(folder, tensors | {PREFIX + HEAD: torch.zeros(3)})
    with pytest.raises(UserError, match=r"the adapter's head has the shape \(3,\)"):
        load_classifier_adapter(folder)
    edited(folder, tensors, modules_to_save=["score", "embed_tokens"])
    with pytest.raises(UserError, match=r"'modules_to_save' = \['score', 'embed_tokens'\]"):
        load_classifier_adapter(folder)
    edited(folder, tensors | {PREFIX + HEAD: torch.zeros(2, 32)}, modules_to_save=["score"])
    (folder / "hornbook.json").write_text(json.dumps(seal | {"sha256": {}}))
    with pytest.raises(UserError, match="hornbook.json names 3 classes, the adapter's head has 2"):
        load_classifier_adapter(folder)
