"""Learning from pairs of answers, one chosen and one rejected: direct preference optimization (DPO).

Source: Rafailov et al. 2023, "Direct preference optimization: your language model is secretly a reward model", eq. 7.
The reference is the model before this training. Of it one number a pair is needed, so it is computed once and kept.
P pairs, B rows, T positions, V vocabulary.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hornbook.finetuning.rows import Row, in_order, pad_rows
from hornbook.layers.evaluating import evaluating
from hornbook.layers.loss import IGNORED, Batch


class Pair(NamedTuple):
    """Two rows with the same prompt, and how much likelier the reference finds the chosen answer, in nats."""

    chosen: Row
    rejected: Row
    reference_margin: float | None = None


def with_reference(pairs: Sequence[Pair], model: nn.Module, pad_id: int, batch_size: int = 16) -> list[Pair]:
    """The pairs with the margin that `model` gives each: to be called once, before `model` is trained."""
    device = next(model.parameters()).device
    margins: list[float] = []
    with evaluating(model):
        for inputs, _ in in_order(pairs, lambda some: (_stack(some, pad_id), torch.empty(0)), batch_size):
            margins += pair_margins(model, inputs.to(device)).tolist()
    return [pair._replace(reference_margin=margin) for pair, margin in zip(pairs, margins, strict=True)]


def pad_pairs(pairs: Sequence[Pair], pad_id: int) -> Batch:
    """Pairs as a batch of the training loop: inputs (P, 2, 2, T) int64, targets (P,) the reference's margins.

    The second axis is chosen, rejected; the third is a row's inputs, its targets. One target a pair: the loop's loss
    is the mean over pairs. Errors: `ValueError` for a pair that `with_reference` has not seen.
    """
    margins = [pair.reference_margin for pair in pairs]
    if None in margins:
        raise ValueError("a pair has no reference margin: call with_reference first")
    return _stack(pairs, pad_id), torch.tensor(margins, dtype=torch.float32)


def answer_log_probabilities(logits: Tensor, targets: Tensor) -> Tensor:
    """The log of the probability of each whole answer: logits (B, T, V), targets (B, T) -> (B,) nats, summed over it.

    As in the paper; a mean over the tokens, which some programs take, would pay no attention to an answer's length.
    """
    losses = F.cross_entropy(
        logits.flatten(0, -2).float(), targets.flatten(), ignore_index=IGNORED, reduction="none"
    )  # 0 where ignored
    return -losses.view_as(targets).sum(dim=-1)


def both_log_probabilities(model: nn.Module, inputs: Tensor) -> Tensor:
    """ln p of the chosen answers and of the rejected ones: (P, 2, 2, T) -> (P, 2) nats."""
    rows = inputs.flatten(0, 1)  # (2 P, 2, T)
    return answer_log_probabilities(model(rows[:, 0]), rows[:, 1]).view(-1, 2)


def pair_margins(model: nn.Module, inputs: Tensor) -> Tensor:
    """How much likelier the chosen answers are than the rejected ones: (P, 2, 2, T) -> (P,) nats."""
    found = both_log_probabilities(model, inputs)
    return found[:, 0] - found[:, 1]


def dpo_loss(margins: Tensor, reference_margins: Tensor, beta: float = 0.1, label_smoothing: float = 0.0) -> Tensor:
    """-ln sigmoid(beta (margin - reference margin)), elementwise; ln 2 where the model is still its reference.

    A margin is ln p(chosen) - ln p(rejected), so this is the paper's loss with its four terms grouped by model.
    `label_smoothing` is the share of pairs that are taken to be labelled the wrong way round (Mitchell 2023, "A note on
    DPO with noisy preferences"): the mean of both losses, so weighted.
    """
    rewards = beta * (margins - reference_margins)
    return -(1 - label_smoothing) * F.logsigmoid(rewards) - label_smoothing * F.logsigmoid(-rewards)


def preference_loss(
    model: nn.Module,
    inputs: Tensor,
    targets: Tensor,
    beta: float = 0.1,
    label_smoothing: float = 0.0,
    chosen_weight: float = 0.0,
) -> tuple[Tensor, Tensor]:
    """The loss for the training loop: a batch of `pad_pairs` -> (sum over pairs, their count).

    `chosen_weight` times the chosen answer's mean loss a token is added: DPO alone may make both answers less likely, so
    long as the rejected one loses more (Pang et al. 2024, "Iterative reasoning preference optimization", eq. 1).
    """
    found = both_log_probabilities(model, inputs)  # (P, 2)
    losses = dpo_loss(found[:, 0] - found[:, 1], targets, beta, label_smoothing)
    if chosen_weight:
        tokens = (inputs[:, 0, 1] != IGNORED).sum(dim=-1)  # (P,)
        losses = losses - chosen_weight * found[:, 0] / tokens
    return losses.sum(), torch.tensor(len(losses), device=losses.device)


def preference_accuracy(model: nn.Module, batches: Iterable[Batch], beta: float = 0.1) -> tuple[float, float]:
    """(share of pairs that the model has learned to tell apart, mean reward margin beta (margin - reference margin)).

    A pair counts as right where its reward margin is above 0; the reference itself has none.
    """
    device = next(model.parameters()).device
    with evaluating(model):
        rewards = torch.cat(
            [beta * (pair_margins(model, inputs.to(device)) - targets.to(device)) for inputs, targets in batches]
        )
    return float((rewards > 0).float().mean()), float(rewards.mean())


def _stack(pairs: Sequence[Pair], pad_id: int) -> Tensor:
    rows = [row for pair in pairs for row in (pair.chosen, pair.rejected)]
    inputs, targets = pad_rows(rows, pad_id)  # (2 P, T) each
    return torch.stack([inputs, targets], dim=1).view(len(pairs), 2, 2, -1)
