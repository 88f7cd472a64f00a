"""Which weights train, and how many these are."""

from collections.abc import Callable

import pytest
import torch

from hornbook.errors import UserError
from hornbook.finetuning.lora import add_lora
from hornbook.finetuning.trainable import parameter_table, train_only
from hornbook.models.base import Model

MakeModel = Callable[[str], Model]


def test_the_table_counts_every_number_once(make_model: MakeModel) -> None:
    model = make_model("gpt")  # its output is the embedding: counted once
    train_only(model, ["blocks.1", "final_norm"])
    rows = {row.part: row for row in parameter_table(model)}
    assert rows["all"].all == model.num_parameters() == sum(row.all for row in list(rows.values())[:-1])
    assert rows["all"].trained == sum(weight.numel() for weight in model.parameters() if weight.requires_grad)
    assert rows["token_embedding"] == ("token_embedding", 0, 320)
    assert rows["blocks.*.attention.qkv"] == ("blocks.*.attention.qkv", 48 * 17, 2 * 48 * 17)  # one block of two
    assert rows["final_norm"] == ("final_norm", 32, 32)


def test_the_table_shows_the_corrections(make_model: MakeModel) -> None:
    model = make_model("llama")
    add_lora(model, ["attention.qkv"], rank=2)
    rows = {row.part: row for row in parameter_table(model)}
    assert rows["blocks.*.attention.qkv"] == ("blocks.*.attention.qkv", 2 * (2 * 16 + 48 * 2), 2 * (2 * 16 + 48 * 2))
    assert rows["blocks.*.attention.qkv.linear"].trained == 0
    assert rows["all"].trained == rows["blocks.*.attention.qkv"].trained


def test_a_part_that_is_not_there_is_named(make_model: MakeModel) -> None:
    model = make_model("llama")
    with pytest.raises(UserError, match=r"'blocks.7' has no weights to train \(choices: token_embedding, dropout, bl"):
        train_only(model, ["final_norm", "blocks.7"])
    assert all(weight.requires_grad for weight in model.parameters())


def test_a_part_is_not_the_beginning_of_another_name() -> None:
    module = torch.nn.ModuleDict({"a": torch.nn.Linear(1, 1), "ab": torch.nn.Linear(1, 1)})
    train_only(module, ["a"])
    assert [name for name, weight in module.named_parameters() if weight.requires_grad] == ["a.weight", "a.bias"]
