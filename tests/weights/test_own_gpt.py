"""A GPT that isn't GPT-2 says so on disk, and what was saved before a setting existed still opens."""

import json

import pytest
import torch

from hornbook.models.gpt import GPTConfig
from hornbook.weights import gpt2
from hornbook.weights.model_folder import load_model_folder, save_model_folder

NOT_GPT_2 = ["gpt-sinusoidal", "gpt-rotary", "gpt-alibi", "gpt-relative", "gpt-without-positions", "gpt-norm-after"]


@pytest.mark.parametrize("name", NOT_GPT_2)
def test_what_gpt2_does_not_know_is_saved_as_ours(tmp_path, make_model, tokenizer, name) -> None:
    model = make_model(name)
    assert not gpt2.accepts(model.config)
    folder = save_model_folder(tmp_path / "model", model, tokenizer)
    assert json.loads((folder / "config.json").read_text())["model_type"] == "hornbook-gpt"
    loaded = load_model_folder(folder)[0]
    tokens = torch.randint(0, tokenizer.vocab_size, (2, 24))
    assert loaded.config == model.config
    assert torch.equal(loaded(tokens), model(tokens))


@pytest.mark.parametrize("more", [{}, {"biases": "none"}, {"activation": "relu"}, {"tied_output": False}])
def test_what_gpt2_knows_is_saved_as_gpt2(more) -> None:
    assert gpt2.accepts(GPTConfig(vocab_size=9, **more))


def test_a_config_from_before_the_norm_could_be_chosen(tmp_path, make_model, tokenizer) -> None:
    folder = save_model_folder(tmp_path / "model", make_model("gpt-sinusoidal"), tokenizer)
    document = json.loads((folder / "config.json").read_text())
    assert document.pop("norm") == "before"
    (folder / "config.json").write_text(json.dumps(document))
    (folder / "hornbook.json").unlink()  # it would report the change
    assert load_model_folder(folder)[0].config.norm == "before"
