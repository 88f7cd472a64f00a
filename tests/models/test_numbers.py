"""The exact numbers of the sources' embeddings and settings, as our models have them."""

from collections.abc import Callable
from typing import Any

import pytest
import torch

from hornbook.batches.settings import PrepareSettings
from hornbook.config import build
from hornbook.models.base import Model
from hornbook.models.bigram import Bigram, BigramConfig
from hornbook.models.gpt import GPT, GPTConfig
from hornbook.optimizers.adamw import AdamW
from hornbook.training.update import Training

Number = Callable[[str], Any]


def test_what_the_first_block_reads(number: Number) -> None:
    """Eight texts of four tokens: the row of each token plus the row of its place."""
    shapes, read = number("emb-02"), []
    model = GPT(GPTConfig(vocab_size=50257, context_length=4, embed_dim=256, num_layers=1))
    model.blocks[0].register_forward_pre_hook(lambda block, arguments: read.append(arguments[0]))
    tokens = torch.randint(0, 50257, (8, 4))
    model(tokens)
    token_rows, place_rows = model.token_embedding(tokens), model.position_embedding(torch.arange(4))
    assert [list(rows.shape) for rows in (token_rows, place_rows, read[0])] == list(shapes.values())
    torch.testing.assert_close(read[0], token_rows + place_rows)


def test_a_token_outside_the_table(number: Number) -> None:
    """torch says that an index is out of range; the model says which token, and how many there are."""
    expected = number("emb-05")
    model = GPT(GPTConfig(vocab_size=1024, embed_dim=768, num_layers=1, num_heads=12))
    assert list(model.token_embedding(torch.tensor([1, 2, 3])).shape) == expected["shape"]
    with pytest.raises(IndexError) as raised:
        model.token_embedding(torch.tensor([1024, 2, 3]))
    assert f"{raised.type.__name__}: {raised.value}" == expected["error"]
    with pytest.raises(ValueError, match="token 1024 is outside the vocabulary of 1024 tokens"):
        model(torch.tensor([[1024, 2, 3]]))


def mixa_gpt(settings: dict[str, Any]) -> Model:
    """The diploma project's GPT over letters, as its figure has it: norms after, ReLU."""
    sizes = {"embed_dim": settings["n_embd"], "num_layers": settings["n_layers"], "num_heads": settings["n_heads"]}
    config = GPTConfig(
        vocab_size=30,
        context_length=settings["block_size"],
        dropout=settings["dropout"],
        activation="relu",
        norm="after",
        biases="all_but_qkv",
        tied_output=False,
        **sizes,
    )
    return GPT(config)


def test_the_diploma_projects_settings_are_possible_here(number: Number) -> None:
    settings = number("mixa-03")
    training = build(Training, {"steps": settings["steps"], "batch_size": settings["batch_size"]}, "training")
    assert (training.steps, training.batch_size) == (1000, 64)
    assert PrepareSettings(val_fraction=1 - settings["split"]).val_fraction == pytest.approx(0.2)
    for model, rate in ((mixa_gpt(settings), "lr_gpt"), (Bigram(BigramConfig(vocab_size=30)), "lr_bigram")):
        optimizer = AdamW(learning_rate=settings[rate]).build(model.named_parameters())
        assert type(optimizer).__name__ == settings["optimizer"]
        assert {group["lr"] for group in optimizer.param_groups} == {settings[rate]}


def test_six_heads_are_six_heads(number: Number) -> None:
    """The project declared 6 and built 96 of size 4."""
    settings, model = number("mixa-03"), mixa_gpt(number("mixa-03"))
    heads = {block.attention.num_heads for block in model.blocks}
    assert heads == {settings["n_heads"]} == {6}
    tokens = torch.randint(0, 30, (2, 5))
    weights = model.eval().attention_weights(tokens)
    assert [tuple(layer.shape) for layer in weights] == settings["n_layers"] * [(2, 6, 5, 5)]
