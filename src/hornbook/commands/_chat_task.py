"""An assistant as a task of the one loop: conversations -> rows -> the model, its template -> its folder and its report."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

from hornbook.commands._chat_answers import answered
from hornbook.commands._chat_data import ChatData, read_examples, split_examples
from hornbook.commands._chat_report import findings
from hornbook.commands._chat_settings import ChatSettings
from hornbook.commands._finetune_task import Findings, Task
from hornbook.commands._finetune_template import save_taught, taught
from hornbook.commands.base import talk
from hornbook.finetuning.examples import Example
from hornbook.finetuning.packing import pack_rows, packed_loss, width_for
from hornbook.finetuning.rows import Batches, Row, answer_loss, in_order, pad_rows, padding_id
from hornbook.generation.generate import LanguageModel
from hornbook.layers.loss import Batch
from hornbook.training.update import Training

VALIDATION_ROWS = 32
PACKED_WIDTH = 128  # wider rows cost more attention than the padding they save, where examples are short
SAMPLES = 2  # answers to look at, at each evaluation


def chat_task(settings: ChatSettings, base: LanguageModel, data: Path, training: Training) -> Task:
    """Errors: `UserError` for whatever is wrong with the data or the template."""
    model = taught(base, settings.template, settings.new_tokens)
    examples = read_examples(data, model, settings)
    parts = split_examples(examples, settings, model.tokenizer, training.seed)
    for note in parts.notes():
        talk(note)
    collate = _collate(padding_id(model.tokenizer), settings.packing)
    held_out = [example.row for example in parts.held_out]

    def validation() -> Iterator[Batch]:
        return in_order(held_out, collate, training.microbatch_size or VALIDATION_ROWS)

    return Task(
        model=model.model,
        batches=Batches(
            [example.row for example in parts.learned],
            collate,
            training.batch_size,
            training.seed,
            training.microbatch_size,
        ),
        loss=packed_loss if settings.packing else answer_loss,
        validation=validation,
        items=len(parts.learned),
        held_out=len(held_out),
        about=parts.about(),
        save=partial(save_taught, model, {"conversations": parts.facts()}),
        report=partial(_report, model, parts, settings),
        grown=lambda base: taught(base, settings.template, settings.new_tokens).model,
        sample=partial(_sample, model, parts.held_out[:SAMPLES], settings.answer_tokens),
    )


def _collate(pad_id: int, packing: bool) -> Callable[[Sequence[Row]], Batch]:
    """Rows as a batch: padded to its longest, or packed into no more than `PACKED_WIDTH` where that is not longer."""
    if not packing:
        return partial(pad_rows, pad_id=pad_id)

    def collate(rows: Sequence[Row]) -> Batch:
        return pack_rows(rows, pad_id, width_for([len(row.inputs) for row in rows], PACKED_WIDTH))

    return collate


def _report(model: LanguageModel, parts: ChatData, settings: ChatSettings, run: Path) -> Findings:
    asked = parts.test[: settings.answers]
    return findings(asked, answered(model, asked, settings.answer_tokens), run)


def _sample(model: LanguageModel, examples: Sequence[Example], max_new_tokens: int, step: int) -> list[str]:
    """The last questions of some held-out conversations, and what the model answers by now."""
    said = answered(model, examples, max_new_tokens)
    return [
        f"{example.conversation.prompt[-1]['content']}\n-> {answer.text}"
        for example, answer in zip(examples, said, strict=True)
    ]
