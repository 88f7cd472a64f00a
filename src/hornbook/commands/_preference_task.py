"""Preferences as a task of the one loop: pairs of answers -> rows and their reference -> the model -> its report."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from torch import nn

from hornbook.commands._finetune_task import Findings, Task
from hornbook.commands._finetune_template import input_heading, save_taught, taught
from hornbook.commands._preference_data import read_parts
from hornbook.commands._preference_report import Standing, findings, standing
from hornbook.commands._preference_settings import PreferenceSettings
from hornbook.commands.base import talk
from hornbook.device import autocast
from hornbook.finetuning.preference import pad_pairs, preference_loss, with_reference
from hornbook.finetuning.rows import Batches, in_order, padding_id
from hornbook.generation.generate import LanguageModel
from hornbook.layers.loss import Batch
from hornbook.training.update import Training

TOGETHER = 16  # pairs that are read at once where nothing is learned


def preference_task(settings: PreferenceSettings, base: LanguageModel, data: Path, training: Training) -> Task:
    """Errors: `UserError` for whatever is wrong with the data or the template."""
    model = taught(base, settings.template, new_tokens=False)
    assert model.conventions.template is not None
    parts = read_parts(data, model, settings, training.seed, input_heading(model.conventions.template))
    for note in parts.notes:
        talk(note)
    pad_id = padding_id(model.tokenizer)
    collate, size = partial(pad_pairs, pad_id=pad_id), training.microbatch_size or TOGETHER
    before: list[Standing] = []

    def prepare(begun: nn.Module) -> None:
        """What the base thinks of every pair: a pure function of it, so a resumed run finds the same numbers."""
        for part in (parts.learned, parts.held_out):  # compared in the loop: in its precision, or all begin beside ln 2
            with autocast(next(begun.parameters()).device, training.computes_in):
                part.pairs[:] = with_reference(part.pairs, begun, pad_id, size)
        parts.test.pairs[:] = with_reference(parts.test.pairs, begun, pad_id, size)
        before[:] = [standing(model, parts.test, settings, collate, size)]

    def validation() -> Iterator[Batch]:
        return in_order(parts.held_out.pairs, collate, size)

    def report(run: Path) -> Findings:
        return findings(before[0], standing(model, parts.test, settings, collate, size), parts.test, settings)

    return Task(
        model=model.model,
        batches=Batches(parts.learned.pairs, collate, training.batch_size, training.seed, training.microbatch_size),
        loss=partial(
            preference_loss,
            beta=settings.beta,
            label_smoothing=settings.label_smoothing,
            chosen_weight=settings.chosen_weight,
        ),
        validation=validation,
        items=len(parts.learned.pairs),
        held_out=len(parts.held_out.pairs),
        about=parts.about(),
        save=partial(save_taught, model, {"preferences": parts.facts()}),
        report=report,
        grown=lambda base: taught(base, settings.template, new_tokens=False).model,
        prepare=prepare,
    )
