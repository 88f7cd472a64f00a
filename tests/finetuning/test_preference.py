"""Pairs of answers: which tokens count, the loss against the paper's formula, the reference that is kept."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from hornbook.finetuning.conversation import Marked, alpaca_prompt
from hornbook.finetuning.labelled import split
from hornbook.finetuning.preference import (
    Pair,
    answer_log_probabilities,
    dpo_loss,
    pad_pairs,
    pair_margins,
    preference_accuracy,
    preference_loss,
    with_reference,
)
from hornbook.finetuning.preference_data import read_preferences
from hornbook.finetuning.rows import Row
from hornbook.layers.loss import next_token_loss
from hornbook.models.base import Model
from hornbook.tokenizers.base import Tokenizer

MakeModel = Callable[[str], Model]

Number = Callable[[str], Any]
Shared = Callable[[str], Path]
LOG_P = st.floats(-500, 0)
ALPACA_INPUT = "\n\n### Input:\n"
PAIRS = [
    Pair(Row([1, 2, 3, 4], [-100, -100, 4, 5]), Row([1, 2, 3], [-100, -100, 7])),
    Pair(Row([6, 2], [-100, 9]), Row([6, 2, 8, 8, 8], [-100, 8, 8, 8, 9])),
]


def test_the_first_pair_of_the_book(shared_data: Shared, number: Number, gpt2: Tokenizer) -> None:
    """The book counts the heading of the answer too, and not the end; two newlines before the heading it leaves out."""
    found = read_preferences(shared_data("preference-data.json"), ALPACA_INPUT)
    expected = number("dpo-01")
    assert len(found) == expected["n"]
    train, test, val = split(found, (0.85, 0.1))
    assert [len(train), len(val), len(test)] == expected["split"]

    def marked(each: Any, answer: str) -> Row:
        prompt = alpaca_prompt(each.prompt[0]["content"])
        before = len(gpt2.encode(prompt.removesuffix("\n\n### Response:\n"))) + 2
        tokens = gpt2.encode(prompt + answer)
        return Marked([*tokens, 50256], [False] * before + [True] * (len(tokens) - before) + [False]).row()

    pairs = [Pair(marked(each, each.chosen), marked(each, each.rejected), 0.0) for each in found[:2]]
    inputs, _ = pad_pairs(pairs, 50256)
    tokens, targets = inputs[0, 0]  # the first pair, its chosen answer
    mask = [False, *(targets != -100).tolist()]  # our targets stand one place before their tokens
    first, last = mask.index(True), len(mask) - mask[::-1].index(True)
    assert len(mask) == expected["len"]
    assert first == expected["n_false_prefix"]
    assert sum(mask) == last - first == expected["n_true"]
    assert len(mask) - last == expected["n_false_suffix"]
    assert gpt2.decode(targets[targets != -100].tolist()) == expected["selected_text"]
    assert gpt2.decode(tokens[first:last].tolist()) == expected["selected_text"]


def minus_log_sigmoid(x: float) -> float:
    """-ln(1 / (1 + e^-x)), without the sigmoid itself: that of -691 is below 1e-300."""
    return math.log1p(math.exp(-abs(x))) + max(-x, 0.0)


@settings(deadline=None)
@example(-191.0, 0.0, 0.0, -500.0, 1.0)
@given(LOG_P, LOG_P, LOG_P, LOG_P, st.floats(0.01, 1))
def test_the_loss_is_the_papers(chosen: float, rejected: float, ref_c: float, ref_r: float, beta: float) -> None:
    wanted = minus_log_sigmoid(beta * (chosen - ref_c) - beta * (rejected - ref_r))
    margins = torch.tensor([chosen - rejected, ref_c - ref_r], dtype=torch.float64)
    assert float(dpo_loss(margins[0], margins[1], beta)) == pytest.approx(wanted, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("reward", [-3.0, 0.0, 0.7])
def test_smoothing_weighs_both_labels(reward: float) -> None:
    """Where the model is as sure as the labels are (p = 0.9 of 90 % of them), nothing is left to learn."""
    wanted = 0.8 * minus_log_sigmoid(0.5 * reward) + 0.2 * minus_log_sigmoid(-0.5 * reward)
    assert float(dpo_loss(torch.tensor(reward), torch.tensor(0.0), 0.5, 0.2)) == pytest.approx(wanted, rel=1e-6)
    sure = torch.tensor(math.log(9.0), requires_grad=True)
    dpo_loss(sure, torch.tensor(0.0), 1.0, 0.1).backward()
    assert float(sure.grad) == pytest.approx(0.0, abs=1e-7)  # type: ignore[arg-type]


def test_a_model_that_is_its_own_reference_has_loss_ln_2(any_model: Model) -> None:
    batch = pad_pairs(with_reference(PAIRS, any_model, pad_id=0), pad_id=0)
    with torch.no_grad():
        total, count = preference_loss(any_model, *batch)
    assert count == 2
    assert float(total) / 2 == pytest.approx(math.log(2), rel=1e-4)
    _, reward = preference_accuracy(any_model, [batch])
    assert reward == pytest.approx(0, abs=1e-4)


def test_the_chosen_answers_own_loss_counts_a_token(any_model: Model) -> None:
    batch = pad_pairs(with_reference(PAIRS, any_model, pad_id=0), pad_id=0)
    with torch.no_grad():
        plain, more = (float(preference_loss(any_model, *batch, chosen_weight=weight)[0]) for weight in (0.0, 0.5))
        rows = [pair.chosen for pair in PAIRS]
        sums = [
            float(next_token_loss(any_model, torch.tensor([row.inputs]), torch.tensor([row.targets]))[0])
            for row in rows
        ]
    means = [total / sum(target >= 0 for target in row.targets) for total, row in zip(sums, rows, strict=True)]
    assert more - plain == pytest.approx(0.5 * sum(means), rel=1e-4)


def test_log_probabilities_are_sums_over_the_answer() -> None:
    logits = torch.randn(2, 4, 6, generator=torch.Generator().manual_seed(0))
    targets = torch.tensor([[-100, 3, 1, -100], [-100, -100, -100, 5]])
    log_p = logits.log_softmax(dim=-1)
    wanted = torch.stack([log_p[0, 1, 3] + log_p[0, 2, 1], log_p[1, 3, 5]])
    torch.testing.assert_close(answer_log_probabilities(logits, targets), wanted)


def test_padding_changes_no_margin(any_model: Model) -> None:
    with torch.no_grad():
        together = pair_margins(any_model, pad_pairs([pair._replace(reference_margin=0.0) for pair in PAIRS], 0)[0])
        for place, pair in enumerate(PAIRS):
            answers = [
                answer_log_probabilities(any_model(torch.tensor([row.inputs])), torch.tensor([row.targets]))
                for row in (pair.chosen, pair.rejected)
            ]
            torch.testing.assert_close(together[place], (answers[0] - answers[1])[0], rtol=1e-4, atol=1e-4)


def test_the_reference_is_computed_in_any_batches_and_kept(make_model: MakeModel) -> None:
    model = make_model("gpt").train()
    kept = with_reference(PAIRS, model, pad_id=0)
    one_by_one = with_reference(PAIRS, model, pad_id=3, batch_size=1)
    assert [pair.reference_margin for pair in kept] == pytest.approx(
        [pair.reference_margin for pair in one_by_one], rel=1e-4
    )
    assert model.training
    inputs, targets = pad_pairs(kept, 0)
    assert inputs.shape == (2, 2, 2, 5)
    assert targets.tolist() == pytest.approx([pair.reference_margin for pair in kept])


def test_pairs_without_a_reference_are_no_batch() -> None:
    with pytest.raises(ValueError, match="call with_reference first"):
        pad_pairs(PAIRS, 0)


def test_a_step_down_the_loss_raises_the_margin(make_model: MakeModel) -> None:
    model = make_model("llama")
    batch = pad_pairs(with_reference(PAIRS, model, pad_id=0), pad_id=0)
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)
    preference_loss(model, *batch)[0].backward()
    optimizer.step()
    share, reward = preference_accuracy(model, [batch])
    assert share == 1.0
    assert reward > 0


def test_a_pair_of_equal_answers_teaches_nothing(make_model: MakeModel) -> None:
    model = make_model("llama")
    batch = pad_pairs(with_reference([Pair(PAIRS[0].chosen, PAIRS[0].chosen)], model, pad_id=0), pad_id=0)
    loss, _ = preference_loss(model, *batch)
    loss.backward()
    assert float(loss.detach()) == pytest.approx(math.log(2))
    assert max(float(weight.grad.abs().max()) for weight in model.parameters() if weight.grad is not None) < 1e-6
