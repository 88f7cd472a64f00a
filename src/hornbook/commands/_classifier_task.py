"""A classifier as a task of the one loop: labelled texts -> rows -> a head on the model -> its folder and its report."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from hornbook.commands._classifier_data import labelled_parts
from hornbook.commands._classifier_report import report
from hornbook.commands._classifier_settings import ClassifierSettings
from hornbook.commands._finetune_data import readable_length
from hornbook.commands._finetune_task import Task
from hornbook.commands.base import talk
from hornbook.errors import UserError
from hornbook.finetuning.classification import Classifier, class_loss, class_weights, label_row, train_parts
from hornbook.finetuning.labelled import Labelled, class_numbers
from hornbook.finetuning.rows import Batches, Row, in_order, pad_rows, padding_id
from hornbook.finetuning.text_classifier import TextClassifier
from hornbook.generation.generate import LanguageModel
from hornbook.layers.loss import Batch, LossFunction
from hornbook.randomness import torch_generator
from hornbook.training.update import Training
from hornbook.weights.classifier_folder import Head, save_classifier_folder

VALIDATION_ROWS = 64
MANY_UNKNOWN = 0.001  # of the tokens, from which on it is said


@dataclass(frozen=True)
class Rows:
    """The tokens of a part, how many of its texts were cut, and how many of its tokens the tokenizer doesn't know."""

    rows: list[Row]
    cut: int
    unknown: int
    tokens: int


def classifier_task(settings: ClassifierSettings, base: LanguageModel, data: Path, training: Training) -> Task:
    """Errors: `UserError` for whatever is wrong with the data, or for a length that the model can't read."""
    parts = labelled_parts(settings, data, training.seed)
    asked = _classifier(settings, base, parts.classes, training.seed)
    train, validation, test = (_rows(part, asked) for part in (parts.train, parts.validation, parts.test))
    for note in [*parts.notes, *_length_notes((train, validation, test), asked.max_length)]:
        talk(note)
    collate = partial(pad_rows, pad_id=padding_id(base.tokenizer))

    def held_out() -> Iterator[Batch]:
        return in_order(validation.rows, collate, training.microbatch_size or VALIDATION_ROWS)

    return Task(
        model=asked.classifier,
        batches=Batches(train.rows, collate, training.batch_size, training.seed, training.microbatch_size),
        loss=_loss(settings, train.rows, len(parts.classes)),
        validation=held_out,
        items=len(train.rows),
        held_out=len(validation.rows),
        about=f"{len(parts.train):,} texts to learn from, {len(parts.validation):,} held out, "
        f"{len(parts.test):,} to test, {len(parts.classes)} classes",
        save=partial(_save, asked),
        report=partial(report, asked, parts, train.cut + validation.cut + test.cut),
        grown=lambda base: base.model,
    )


def _classifier(settings: ClassifierSettings, base: LanguageModel, classes: Sequence[str], seed: int) -> TextClassifier:
    """The base with a new head. Errors: `UserError` for a length that it can't read."""
    length = readable_length(settings.max_length, base.config.context_length)
    classifier = Classifier(base.model, len(classes), settings.pooling, torch_generator(seed, "head"))
    train_parts(classifier, settings.trained)
    return TextClassifier(classifier, base.tokenizer, classes, length, before=base.conventions.before)


def _rows(part: Sequence[Labelled], asked: TextClassifier) -> Rows:
    """Errors: `UserError` with the line for a text that has no token."""
    texts = asked.tokens([item.text for item in part])
    for item, tokens in zip(part, texts, strict=True):
        if len(tokens) == len(asked.before):
            raise UserError(f"{item.place}: nothing of the text is left as tokens", hint="mend or delete it")
    numbers, length = class_numbers([item.label for item in part], asked.classes), asked.max_length
    return Rows(
        [label_row(tokens, number, length) for tokens, number in zip(texts, numbers, strict=True)],
        cut=sum(len(tokens) > length for tokens in texts),
        unknown=sum(map(asked.tokenizer.count_unknown, texts)),
        tokens=sum(map(len, texts)),
    )


def _length_notes(parts: Sequence[Rows], length: int) -> list[str]:
    """What the model will not see of the texts."""
    notes = []
    cut, unknown, tokens = (sum(getattr(part, name) for part in parts) for name in ("cut", "unknown", "tokens"))
    if cut:
        texts = sum(len(part.rows) for part in parts)
        notes.append(f"{cut:,} of {texts:,} texts are longer than {length:,} tokens: their beginnings are read")
    if unknown > MANY_UNKNOWN * tokens:
        notes.append(f"{unknown / tokens:.1%} of the tokens are unknown to the model's tokenizer")
    return notes


def _loss(settings: ClassifierSettings, rows: Sequence[Row], num_classes: int) -> LossFunction:
    if settings.balance != "weights":
        return class_loss(smoothing=settings.smoothing)
    return class_loss(class_weights([row.targets[-1] for row in rows], num_classes), settings.smoothing)


def _save(asked: TextClassifier, folder: Path, info: dict[str, Any]) -> None:
    classifier = asked.classifier
    head = Head(classifier.head.weight, asked.classes, classifier.pooling, asked.max_length)
    save_classifier_folder(folder, classifier.model, asked.tokenizer, head, info, replace=True)
