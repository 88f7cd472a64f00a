"""The classifier: padding changes nothing, `transformers` computes the same, what is frozen stays, long texts are cut."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hornbook.errors import UserError
from hornbook.finetuning.classification import (
    Classifier,
    accuracy,
    class_loss,
    class_weights,
    label_row,
    probabilities,
    train_parts,
)
from hornbook.finetuning.rows import Row, in_order, pad_rows
from hornbook.layers.loss import next_token_loss
from hornbook.models.base import Model
from hornbook.models.gpt import GPT, GPTConfig
from hornbook.weights import gpt2 as gpt2_format

MakeModel = Callable[[str], Model]

TEXTS = [[3, 1, 4], [1, 5, 9, 2, 6, 5, 3], [5], [8, 9, 7, 9, 3, 2, 3, 8, 4, 6]]


def classifier_of(model: Model, pooling: Any = "last", num_classes: int = 3) -> Classifier:
    classifier = Classifier(model, num_classes, pooling, torch.Generator().manual_seed(1))
    torch.nn.init.normal_(classifier.head.weight, generator=torch.Generator().manual_seed(2))
    return classifier.eval()


@pytest.mark.parametrize("pooling", ["last", "mean"])
def test_padding_changes_nothing(any_model: Model, pooling: str) -> None:
    classifier = classifier_of(any_model, pooling)
    lengths = torch.tensor([len(text) for text in TEXTS])

    @settings(max_examples=15, deadline=None)
    @given(st.integers(10, 24), st.integers(0, 19))
    def check(width: int, pad_id: int) -> None:
        inputs, _ = pad_rows([label_row(text, 0, 24) for text in TEXTS], pad_id, width)
        scores = classifier.scores(inputs, lengths)
        assert scores.shape == (4, 3)
        for row, text in zip(scores, TEXTS, strict=True):
            alone = classifier.scores(torch.tensor([text]), torch.tensor([len(text)]))[0]
            torch.testing.assert_close(row, alone, rtol=1e-5, atol=1e-5)

    with torch.no_grad():
        check()


def test_the_head_reads_the_last_token_or_the_mean(any_model: Model) -> None:
    tokens = torch.tensor([TEXTS[1]])
    with torch.no_grad():
        hidden = any_model.hidden(tokens)[0]
        for pooling, vector in (("last", hidden[-1]), ("mean", hidden.mean(dim=0))):
            classifier = classifier_of(any_model, pooling)
            found = classifier.scores(tokens, torch.tensor([tokens.shape[1]]))[0]
            torch.testing.assert_close(found, classifier.head.weight @ vector, rtol=1e-5, atol=1e-5)


def test_transformers_computes_the_same(make_model: MakeModel) -> None:
    transformers = pytest.importorskip("transformers")
    model = make_model("gpt")
    classifier, pad_id = classifier_of(model), 19  # in no text
    config = transformers.GPT2Config(**gpt2_format.to_hf(model.config), num_labels=3, pad_token_id=pad_id)
    theirs = transformers.GPT2ForSequenceClassification(config).eval()
    state = gpt2_format.to_disk(dict(model.state_dict()), model.config) | {"score.weight": classifier.head.weight}
    theirs.load_state_dict(state, strict=True)
    inputs, _ = pad_rows([label_row(text, 0, 24) for text in TEXTS], pad_id)
    with torch.no_grad():
        ours = classifier.scores(inputs, torch.tensor([len(text) for text in TEXTS]))
        torch.testing.assert_close(ours, theirs(inputs).logits, rtol=1e-4, atol=1e-4)


def test_the_loss_is_asked_at_the_last_token_only(make_model: MakeModel) -> None:
    classifier = classifier_of(make_model("llama"))
    labels = [2, 0, 1, 1]
    inputs, targets = pad_rows([label_row(text, label, 24) for text, label in zip(TEXTS, labels, strict=True)], 0)
    with torch.no_grad():
        total, count = next_token_loss(classifier, inputs, targets)
        scores = classifier.scores(inputs, torch.tensor([len(text) for text in TEXTS]))
        wanted = torch.nn.functional.cross_entropy(scores, torch.tensor(labels), reduction="sum")
    assert count == 4
    assert float(total) == pytest.approx(float(wanted), rel=1e-5)


def test_weights_let_each_class_count_alike(make_model: MakeModel) -> None:
    weights = class_weights([0, 0, 0, 1], 2)
    assert weights.tolist() == pytest.approx([2 / 3, 2])
    classifier = classifier_of(make_model("llama"), num_classes=2)
    labels = [0, 0, 0, 1]
    inputs, targets = pad_rows([label_row(text, label, 24) for text, label in zip(TEXTS, labels, strict=True)], 0)
    with torch.no_grad():
        total, count = class_loss(weights)(classifier, inputs, targets)
        each = [float(next_token_loss(classifier, inputs[n : n + 1], targets[n : n + 1])[0]) for n in range(4)]
    assert count == 4
    assert float(total) == pytest.approx(sum(each[:3]) * 2 / 3 + each[3] * 2, rel=1e-5)
    assert class_weights([1, 1], 3).tolist() == pytest.approx([2 / 3, 1 / 3, 2 / 3])  # a class without texts


def test_smoothing_asks_no_class_to_be_certain() -> None:
    loss, scores = class_loss(smoothing=0.1), torch.log(torch.tensor([[0.95, 0.05], [0.999, 0.001]]))
    found = [float(loss(torch.nn.Identity(), row.view(1, 1, 2), torch.tensor([[0]]))[0]) for row in scores]
    assert found[0] == pytest.approx(-0.95 * np.log(0.95) - 0.05 * np.log(0.05), rel=1e-5)
    assert found[0] < found[1]  # surer is no better


def test_accuracy_is_the_share_of_right_rows(make_model: MakeModel) -> None:
    classifier = classifier_of(make_model("llama")).train()
    best = probabilities(classifier, TEXTS, pad_id=0).argmax(dim=-1).tolist()
    wrong = [*best[:3], (best[3] + 1) % 3]
    for labels, share in ((best, 1.0), (wrong, 0.75)):
        rows = [label_row(text, label, 24) for text, label in zip(TEXTS, labels, strict=True)]
        assert accuracy(classifier, in_order(rows, partial(pad_rows, pad_id=0), 3)) == share
    assert classifier.training


def test_probabilities_sum_to_1_in_any_batches(make_model: MakeModel) -> None:
    classifier = classifier_of(make_model("gpt"))
    found = probabilities(classifier, TEXTS, pad_id=0)
    torch.testing.assert_close(found.sum(dim=-1), torch.ones(4))
    torch.testing.assert_close(probabilities(classifier, TEXTS, pad_id=7, batch_size=1), found, rtol=1e-5, atol=1e-6)
    assert probabilities(classifier, [], pad_id=0).shape == (0, 3)


@pytest.mark.parametrize(
    ("trained", "parts"),
    [
        ("head", {"head"}),
        ("last_block", {"head", "model.final_norm", "model.blocks.1"}),
        ("all", {"head", "model.final_norm", "model.blocks.1", "model.blocks.0", "model.token_embedding"}),
    ],
)
def test_what_trains(make_model: MakeModel, trained: Any, parts: set[str]) -> None:
    classifier = classifier_of(make_model("llama"))
    for _ in range(2):  # whatever trained before
        train_parts(classifier, trained)
        names = {name for name, weight in classifier.named_parameters() if weight.requires_grad}
        assert {part for name in names for part in parts if name.startswith(part)} == parts
        assert all(name.startswith(tuple(parts)) for name in names)


def test_a_model_without_blocks_has_no_last_one(make_model: MakeModel) -> None:
    with pytest.raises(UserError, match=r"no blocks, so no last one to train \(choices: head, all\)"):
        train_parts(classifier_of(make_model("bigram")), "last_block")


def test_a_long_text_is_cut_and_an_empty_one_refused() -> None:
    assert label_row([5, 6, 7], 1, 5) == Row([5, 6, 7], [-100, -100, 1])
    assert label_row([5, 6, 7], 1, 2) == Row([5, 6], [-100, 1])
    with pytest.raises(UserError, match="an empty text can't be classified"):
        label_row([], 1, 2)


@pytest.mark.parametrize("max_length", [0, 25])
def test_a_length_beyond_the_context_is_an_error(make_model: MakeModel, max_length: int) -> None:
    with pytest.raises(UserError, match=f"max_length {max_length} is not between 1 and the model's context of 24"):
        probabilities(classifier_of(make_model("gpt")), TEXTS, pad_id=0, max_length=max_length)


def test_the_limit_is_the_context_and_not_the_width(number: Callable[[str], Any]) -> None:
    assert "(768 instead of 1024)" in number("cls-13")
    sizes = {"vocab_size": 8, "context_length": 1024, "embed_dim": 768, "num_layers": 1, "num_heads": 12}
    classifier = Classifier(GPT(GPTConfig(**sizes), torch.Generator().manual_seed(0)), 2).eval()
    long = [n % 7 for n in range(1100)]
    in_context, behind = list(long), list(long)
    in_context[800:1000], behind[1050] = [7] * 200, 7
    found = probabilities(classifier, [long, in_context, behind, long[:1024]], pad_id=7)
    assert float((found[0] - found[1]).abs().max()) > 1e-4  # tokens 800 to 999 are read
    torch.testing.assert_close(found[2], found[0])  # token 1,050 is cut off
    torch.testing.assert_close(found[3], found[0])
