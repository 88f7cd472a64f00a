"""Checks of how a model begins and learns: its first loss, its gradients, the training loop's own update."""

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from hornbook.commands._doctor_check import Finding, apart, left_out, no_faults, within
from hornbook.commands._doctor_keeping import fingerprints
from hornbook.commands._doctor_subject import Subject
from hornbook.layers.loss import IGNORED, Batch, mean_loss, next_token_loss
from hornbook.models.base import INITIAL_STD, Model
from hornbook.training.schedule import Schedule
from hornbook.training.update import Parts, Training, update
from hornbook.training.update import gradients as gradients_of_step

ROUNDING = 1e-4  # of fp32 sums in another order, in a large trained model
FIRST_LOSS_SLACK = 0.1  # nats, beside what the width explains
FIRST_TOKENS = 512
BATCH_ROWS = 4
ONE_BATCH_SHARE, EXPLODED = 0.1, 10.0  # of the first loss
FIRST_RATE, LAST_RATE, RATE_GROWTHS = 1e-3, 1.0, (1.1, 1.02)


def start_loss(subject: Subject) -> Finding:
    """A fresh model on random tokens: nothing is known yet, so every token costs about ln V nats.

    Logits of variance C x 0.02^2 cost half their variance on top of it; twice that and a little is allowed.
    """
    length = subject.row_length
    inputs, targets = (subject.tokens(-(-FIRST_TOKENS // length), length, purpose) for purpose in ("inputs", "targets"))
    with torch.no_grad():
        loss = float(mean_loss(subject.fresh()(inputs), targets))
    even = math.log(subject.vocab_size)
    allowed = FIRST_LOSS_SLACK + getattr(subject.model.config, "embed_dim", 0) * INITIAL_STD**2
    return within(abs(loss - even), allowed, f"{loss:.3f} nats; ln V is {even:.3f} ± {allowed:.2f}")


def gradients(subject: Subject) -> Finding:
    """One backward pass through a fresh model: which parameters get nothing, or no number."""
    if subject.row_length < 2 or subject.vocab_size < 2:
        return left_out("with a context or a vocabulary of 1 there is nothing to choose")
    model, (inputs, targets) = subject.fresh(), _batch(subject)
    loss, _ = next_token_loss(model, inputs, targets)
    loss.backward()  # type: ignore[no-untyped-call]
    dead = [name for name, parameter in model.named_parameters() if not _learns(parameter.grad)]
    return no_faults(dead, f"all {len(list(model.parameters()))} tensors get one", "get none")


def _learns(gradient: Tensor | None) -> bool:
    return gradient is not None and bool(gradient.isfinite().all()) and bool(gradient.any())


def accumulation(subject: Subject) -> Finding:
    """The gradients of one update from one batch, against those from the same rows one by one.

    Rows ask for unequal numbers of tokens: a mean of means would weigh them wrongly.
    """
    whole, pieces = (_gradients(subject, rows) for rows in (BATCH_ROWS, 1))
    largest = torch.stack([gradient.abs().max() for gradient in whole.values()]).max().clamp(min=1e-30)
    found = {name: float((whole[name] - pieces[name]).abs().max() / largest) for name in whole}
    worst = max(found, key=lambda name: (math.isnan(found[name]), found[name]))
    return within(found[worst], ROUNDING, detail=f"the largest difference is in '{worst}'")


def _gradients(subject: Subject, rows: int) -> dict[str, Tensor]:
    """What the training loop makes of the batch in microbatches of `rows` rows."""
    inputs, targets = _batch(subject)
    for place in range(BATCH_ROWS):
        targets[place, place * inputs.shape[1] // BATCH_ROWS :][1:] = IGNORED
    microbatches = [
        (inputs[first : first + rows], targets[first : first + rows]) for first in range(0, BATCH_ROWS, rows)
    ]
    parts = _parts(subject.model, subject.optimizer.build(subject.model.named_parameters()), microbatches)
    gradients_of_step(parts, Training(batch_size=BATCH_ROWS, microbatch_size=rows), 0)
    found = {name: tensor.grad for name, tensor in subject.model.named_parameters() if tensor.grad is not None}
    subject.model.zero_grad(set_to_none=True)
    return found


def one_batch(subject: Subject) -> Finding:
    """A fresh model learns one tiny batch by heart, in updates of the training loop at a growing rate.

    No token is read twice, so that even a table of pairs can know every answer. Growing in small steps the rate passes
    one that suits the model; where it grew too fast for that, it does so slower.
    """
    if (batch := _distinct(subject)) is None:
        return left_out("a vocabulary of 1 has nothing to learn")
    for growth in RATE_GROWTHS:
        losses = _losses(subject, batch, growth)
        if losses[-1] <= ONE_BATCH_SHARE * losses[0]:
            break
    text = f"{losses[0]:.2f} -> {losses[-1]:.2f} nats in {len(losses)} steps"
    return within(losses[-1] / losses[0], ONE_BATCH_SHARE, text)


def _losses(subject: Subject, batch: Batch, growth: float) -> list[float]:
    """The loss at each step, until a tenth of the first is reached, the rate is out of all reason, or it has exploded."""
    model = subject.fresh()  # in evaluation mode: no dropout
    group = {"params": list(model.parameters()), "lr": FIRST_RATE, "base_lr": FIRST_RATE}
    optimizer = torch.optim.AdamW([group], weight_decay=0.0)
    parts, steps = _parts(model, optimizer, [batch]), math.ceil(math.log(LAST_RATE / FIRST_RATE, growth))
    losses: list[float] = []
    while len(losses) < steps and (not losses or ONE_BATCH_SHARE < losses[-1] / losses[0] < EXPLODED):
        record = update(parts, Training(steps=steps), Schedule(kind="constant"), len(losses), judge=_unjudged)
        losses.append(record["loss"])
        optimizer.param_groups[0]["base_lr"] *= growth
    return losses


def _unjudged(loss: float, norm: float) -> None:
    """Nothing stops a step: what explodes ends the try, not the check."""


def same_seed(subject: Subject) -> Finding:
    """The weights that one seed gives twice."""
    first, second = fingerprints(subject.fresh().state_dict()), fingerprints(subject.fresh().state_dict())
    return no_faults([name for name in first if first[name] != second[name]])


def tied_output(subject: Subject) -> Finding:
    """Whether the logits are products with the embedding itself, not with a copy that would go its own way."""
    if not getattr(subject.model.config, "tied_output", False):
        return left_out("this model has an output layer of its own, or none")
    model = subject.model
    embedding = model.get_parameter("token_embedding.weight")
    with torch.no_grad():
        hidden = model.hidden(subject.tokens(1, 1))
    logits = model.logits(hidden)
    if not logits.requires_grad or torch.autograd.grad(logits.sum(), embedding, allow_unused=True)[0] is None:
        return Finding("failed", "the output is not the embedding", "what the output learns doesn't reach it")
    return within(apart(logits, hidden @ embedding.T), ROUNDING)


def _batch(subject: Subject) -> Batch:
    length = subject.row_length
    return subject.tokens(BATCH_ROWS, length, "inputs"), subject.tokens(BATCH_ROWS, length, "targets")


def _distinct(subject: Subject) -> Batch | None:
    """Two short rows without the same input twice, and random targets; fewer where the vocabulary is tiny."""
    length = min(8, subject.row_length, subject.vocab_size // 2)
    if length < 1:
        return None
    inputs = torch.randperm(subject.vocab_size, generator=torch.Generator().manual_seed(0))[: 2 * length]
    return inputs.view(2, length).to(subject.device), subject.tokens(2, length, "targets")


def _parts(model: Model, optimizer: torch.optim.Optimizer, microbatches: list[Batch]) -> Parts:
    def none() -> Iterator[Batch]:
        return iter(())

    return Parts(model, optimizer, lambda step: microbatches, next_token_loss, none)
