"""A classifier's folder: what was saved comes back, `transformers` computes the same from it, and theirs open here."""

import json
from pathlib import Path

import pytest
import torch

import hornbook
from hornbook.errors import UserError
from hornbook.models.base import Model
from hornbook.tokenizers.base import Tokenizer
from hornbook.weights.classifier_folder import Head, load_classifier_folder, save_classifier_folder
from hornbook.weights.model_folder import load_model_folder, save_model_folder

CLASSES = ("calm", "merry", "sad")
TEXTS = ["a horn", "letters of a book", "s", "first sheet"]
KNOWN = ["gpt-no-bias-untied", "llama", "llama-grouped-untied", "qwen3", "mistral"]
OWN = ["bigram", "gpt-relative"]


def head_of(model: Model, pooling="last", max_length: int = 20) -> Head:
    width = model.hidden(torch.zeros(1, 1, dtype=torch.int64)).shape[-1]
    generator = torch.Generator().manual_seed(8)
    return Head(torch.randn(len(CLASSES), width, generator=generator), CLASSES, pooling, max_length)


def scores(model: Model, head: Head, tokens: list[int]) -> torch.Tensor:
    hidden = model.hidden(torch.tensor([tokens]))[0]
    return (hidden[-1] if head.pooling == "last" else hidden.mean(dim=0)) @ head.weight.T


@torch.no_grad()
@pytest.mark.parametrize("pooling", ["last", "mean"])
@pytest.mark.parametrize("name", [*KNOWN, *OWN])
def test_what_was_saved_comes_back(tmp_path: Path, make_model, tokenizer: Tokenizer, name: str, pooling: str) -> None:
    model = make_model(name)
    head = head_of(model, pooling)
    folder = save_classifier_folder(tmp_path / "model", model, tokenizer, head, {"evaluations": {"accuracy": 0.5}})
    found, found_tokenizer, found_head, info = load_classifier_folder(folder)
    assert (found_head.classes, found_head.pooling, found_head.max_length) == (CLASSES, pooling, 20)
    assert info == {"evaluations": {"accuracy": 0.5}}
    assert torch.equal(found_head.weight, head.weight)
    for text in TEXTS:
        tokens = tokenizer.encode(text)
        assert found_tokenizer.encode(text) == tokens
        torch.testing.assert_close(scores(found, found_head, tokens), scores(model, head, tokens))


@torch.no_grad()
@pytest.mark.parametrize("name", KNOWN)
def test_transformers_computes_the_same(tmp_path: Path, make_model, tokenizer: Tokenizer, name: str) -> None:
    transformers = pytest.importorskip("transformers")
    model = make_model(name)
    for weight in model.parameters():  # scores of about one, so that 1e-5 is a strict bound
        weight.mul_(0.4)
    head = head_of(model)
    folder = save_classifier_folder(tmp_path / "model", model, tokenizer, head)
    theirs, loading = transformers.AutoModelForSequenceClassification.from_pretrained(
        folder, output_loading_info=True, dtype=torch.float32
    )
    assert not any(loading[kind] for kind in ("missing_keys", "unexpected_keys", "mismatched_keys"))
    assert theirs.config.id2label == dict(enumerate(CLASSES))
    their_tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    batch = their_tokenizer(TEXTS, return_tensors="pt", padding=True, padding_side="right")
    assert batch["attention_mask"].sum() < batch["input_ids"].numel()
    found = theirs.eval()(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).logits
    ours = torch.stack([scores(model, head, tokenizer.encode(text)) for text in TEXTS])
    assert ours.std() > 0.1
    torch.testing.assert_close(found, ours, atol=1e-5, rtol=1e-5)


@torch.no_grad()
@pytest.mark.parametrize("kind", ["GPT2", "Llama", "Qwen3"])
def test_theirs_opens_here(tmp_path: Path, tokenizer: Tokenizer, kind: str) -> None:
    transformers = pytest.importorskip("transformers")
    sizes = {"vocab_size": tokenizer.vocab_size, "pad_token_id": tokenizer.vocab_size - 1, "num_labels": 3}
    if kind == "GPT2":
        sizes |= {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 24, "tie_word_embeddings": True}
    else:
        sizes |= {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2,
                  "intermediate_size": 40, "max_position_embeddings": 24, "head_dim": 8}  # fmt: skip
    config = getattr(transformers, f"{kind}Config")(**sizes)
    theirs = getattr(transformers, f"{kind}ForSequenceClassification")(config).eval()
    for weight in theirs.parameters():
        torch.nn.init.normal_(weight, std=0.2, generator=torch.Generator().manual_seed(weight.numel()))
    theirs.save_pretrained(tmp_path / "theirs")
    tokenizer.save(tmp_path / "theirs")
    model, _, head, info = load_classifier_folder(tmp_path / "theirs")
    assert (head.classes, head.pooling, head.max_length, info) == (("LABEL_0", "LABEL_1", "LABEL_2"), "last", 24, {})
    tokens = tokenizer.encode(TEXTS[1])[:24]
    found = theirs(input_ids=torch.tensor([tokens])).logits[0]
    torch.testing.assert_close(scores(model, head, tokens), found, atol=1e-5, rtol=1e-5)


def test_a_head_on_the_mean_is_not_taken_for_one_on_the_last_token(tmp_path: Path, make_model, tokenizer) -> None:
    transformers = pytest.importorskip("transformers")
    model = make_model("llama")
    folder = save_classifier_folder(tmp_path / "model", model, tokenizer, head_of(model, "mean"))
    with pytest.raises(ValueError, match="hornbook-llama"):
        transformers.AutoModelForSequenceClassification.from_pretrained(folder)
    assert "opens in Hornbook only" in (folder / "README.md").read_text()


def test_a_classifier_writes_no_text_and_a_language_model_has_no_classes(tmp_path: Path, make_model, tokenizer) -> None:
    model = make_model("qwen3")
    classifier = save_classifier_folder(tmp_path / "classifier", model, tokenizer, head_of(model))
    for load in (load_model_folder, hornbook.load):
        with pytest.raises(UserError, match=r"holds a classifier, which writes no text; hint: hornbook classify"):
            load(classifier)
    save_model_folder(tmp_path / "model", model, tokenizer)
    with pytest.raises(
        UserError, match="holds a language model and no classifier; hint: make one of it: hornbook fine"
    ):
        load_classifier_folder(tmp_path / "model")
    with pytest.raises(UserError, match="is not a model folder"):
        load_classifier_folder(tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"id2label": {"0": "calm", "1": "merry"}}, "'id2label' in config.json does not name the 3 classes"),
        ({"problem_type": "regression"}, "'problem_type' = 'regression' in config.json is not implemented"),
    ],
)
def test_what_a_config_can_not_mean_is_named(tmp_path: Path, make_model, tokenizer, change, message: str) -> None:
    model = make_model("qwen3")
    folder = save_classifier_folder(tmp_path / "model", model, tokenizer, head_of(model))
    (folder / "hornbook.json").unlink()
    document = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(document | change))
    with pytest.raises(UserError, match=message):
        load_classifier_folder(folder)


def test_a_changed_file_is_noticed(tmp_path: Path, make_model, tokenizer) -> None:
    model = make_model("qwen3")
    folder = save_classifier_folder(tmp_path / "model", model, tokenizer, head_of(model))
    text = (folder / "config.json").read_text()
    (folder / "config.json").write_text(text.replace("merry", "moody"))
    with pytest.raises(UserError, match=r"config.json' was changed after the model was saved"):
        load_classifier_folder(folder)
