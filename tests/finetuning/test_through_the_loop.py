"""All of it through the one training loop: a classifier, a correction, an assistant and preferences learn in seconds."""

import random
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from hornbook.finetuning.classification import Classifier, Trained, accuracy, label_row, train_parts
from hornbook.finetuning.conversation import mark
from hornbook.finetuning.labelled import split, stratified_order
from hornbook.finetuning.lora import add_lora, merge_lora
from hornbook.finetuning.preference import Pair, pad_pairs, preference_accuracy, preference_loss, with_reference
from hornbook.finetuning.rows import Batches, Row, in_order, pad_rows, padding_id
from hornbook.layers.loss import LossFunction, next_token_loss
from hornbook.models.llama import Llama, LlamaConfig
from hornbook.optimizers.adamw import AdamW
from hornbook.randomness import torch_generator
from hornbook.tokenizers.character import Character
from hornbook.training.checkpoint import folder_of, load_checkpoint
from hornbook.training.loop import Loop
from hornbook.training.run_folder import RunFolder
from hornbook.training.schedule import Schedule
from hornbook.training.update import Parts, Training

LETTERS = Character.train(["abcdefgh ?"], special_tokens=["<|endoftext|>", "[PAD]"])
PAD = padding_id(LETTERS)


def tiny_model(seed: int = 0) -> Llama:
    sizes = {"context_length": 16, "num_layers": 2, "num_heads": 2, "embed_dim": 32}
    return Llama(LlamaConfig(vocab_size=LETTERS.vocab_size, **sizes), torch_generator(seed, "weights"))


def loop_of(
    path: Path, model: nn.Module, items: Sequence[Any], held_out: Sequence[Any], loss: LossFunction, **settings: Any
) -> Loop:
    """The real loop over rows or pairs."""
    torch.set_num_threads(1)
    rate = settings.pop("learning_rate", 3e-3)
    training = Training(**{"steps": 100, "batch_size": 16, "evaluate_every": 50, **settings})
    collate: Any = partial(pad_pairs if isinstance(items[0], Pair) else pad_rows, pad_id=PAD)
    batches = Batches(items, collate, training.batch_size, training.seed, training.microbatch_size)
    optimizer = AdamW(learning_rate=rate).build(model.named_parameters())
    parts = Parts(model, optimizer, batches, loss, lambda: in_order(held_out, collate, 32))  # type: ignore[arg-type]
    run = RunFolder(path) if path.exists() else RunFolder.create(path, {"training": training.model_dump()})
    return Loop(parts, training, Schedule(warmup_steps=5), run)


def words(count: int, seed: int = 0) -> list[str]:
    draw = random.Random(seed)
    return ["".join(draw.choices("abcdefgh", k=draw.randint(3, 12))) for _ in range(count)]


def labelled_rows() -> tuple[list[list[Row]], list[str]]:
    """Which texts hold an "a": train, validation and test rows."""
    texts = words(600)
    labels = ["a" if "a" in text else "no" for text in texts]
    rows = [label_row(LETTERS.encode(text), int(label == "a"), 16) for text, label in zip(texts, labels, strict=True)]
    return split([rows[place] for place in stratified_order(labels, seed=1)], (0.7, 0.1)), labels


def ignore(record: dict[str, Any]) -> None:
    """A report that nobody reads."""


@pytest.mark.parametrize("pooling", ["last", "mean"])
def test_a_classifier_learns(tmp_path: Path, pooling: Any) -> None:
    (train, val, test), labels = labelled_rows()
    classifier = Classifier(tiny_model(), 2, pooling, torch_generator(0, "head"))
    best = loop_of(tmp_path / "a", classifier, train, val, next_token_loss).run(ignore)
    majority = max(labels.count("a"), labels.count("no")) / len(labels)
    assert majority < 0.6
    assert best.loss < 0.2
    assert accuracy(classifier, in_order(test, partial(pad_rows, pad_id=PAD), 32)) > 0.9


@pytest.mark.parametrize("trained", ["head", "last_block"])
def test_what_is_frozen_stays_as_it_was(tmp_path: Path, trained: Trained) -> None:
    (train, val, _), _ = labelled_rows()
    classifier = Classifier(tiny_model(), 2, generator=torch_generator(0, "head"))
    train_parts(classifier, trained)
    before = {name: weight.clone() for name, weight in classifier.named_parameters()}
    loop_of(tmp_path / "a", classifier, train, val, next_token_loss, steps=4).run(ignore)
    for name, weight in classifier.named_parameters():
        assert torch.equal(weight, before[name]) == (not weight.requires_grad), name


def test_an_interrupted_classifier_goes_on_exactly(tmp_path: Path) -> None:
    (train, val, _), _ = labelled_rows()
    settings = {"steps": 8, "evaluate_every": 4, "keep": 9, "microbatch_size": 5}

    def fresh(name: str) -> Loop:
        classifier = Classifier(tiny_model(), 2, generator=torch_generator(0, "head"))
        add_lora(classifier, rank=2, generator=torch_generator(0, "lora"))
        classifier.head.requires_grad_(True)
        return loop_of(tmp_path / name, classifier, train, val, next_token_loss, **settings)

    straight, resumed = fresh("straight"), fresh("resumed")
    straight.run(ignore)
    checkpoint = folder_of(straight.folder.checkpoints, 4)
    resumed.done = load_checkpoint(checkpoint, resumed.parts.model, resumed.parts.optimizer)
    resumed.run(ignore)
    for first, second in zip(straight.parts.model.parameters(), resumed.parts.model.parameters(), strict=True):
        assert torch.equal(first, second)


def test_a_correction_of_low_rank_learns_and_merges(tmp_path: Path) -> None:
    (train, val, test), _ = labelled_rows()
    classifier = Classifier(tiny_model(), 2, generator=torch_generator(0, "head"))
    layers = ("attention.qkv", "attention.output", "feed_forward.up", "feed_forward.down")
    add_lora(classifier, layers, rank=4, alpha=8, generator=torch_generator(0, "lora"))
    classifier.head.requires_grad_(True)
    loop_of(tmp_path / "a", classifier, train, val, next_token_loss, steps=150, learning_rate=1e-2).run(ignore)
    batches = list(in_order(test, partial(pad_rows, pad_id=PAD), 32))
    share = accuracy(classifier, batches)
    assert share > 0.9
    merge_lora(classifier)
    assert accuracy(classifier, batches) == share


def test_an_assistant_learns_to_answer_and_stop(tmp_path: Path) -> None:
    """It repeats the last letter of the question twice and ends: asked greedily, and taught only on the answers."""
    asked = words(400, seed=2)
    rows = [mark(f"{word[:8]}?", word[:8][-1] * 2, LETTERS).row(16) for word in asked]
    model = tiny_model()
    loop_of(tmp_path / "a", model, rows[:350], rows[350:], next_token_loss, steps=150).run(ignore)
    right = 0
    for word in asked[350:]:
        tokens = LETTERS.encode(f"{word[:8]}?")
        for _ in range(4):
            with torch.no_grad():
                tokens.append(int(model(torch.tensor([tokens]))[0, -1].argmax()))
            if tokens[-1] == LETTERS.end_of_text:
                break
        right += LETTERS.decode(tokens) == f"{word[:8]}?" + word[:8][-1] * 2 + "<|endoftext|>"
    assert right >= 45  # of 50


def test_preferences_of_held_out_pairs_are_learned(tmp_path: Path) -> None:
    """An answer "a" is preferred to an answer "b", whatever was asked."""
    model = tiny_model()
    pairs = [
        Pair(mark(f"{word[:8]}?", "a", LETTERS).row(), mark(f"{word[:8]}?", "bb", LETTERS).row())
        for word in words(120, seed=3)
    ]
    known = with_reference(pairs, model, PAD)
    train, held_out = known[:100], known[100:]
    loop = loop_of(tmp_path / "a", model, train, held_out, preference_loss, steps=20, learning_rate=1e-3)
    best = loop.run(ignore)
    first = next(iter(loop.folder.records("step")))
    assert first["loss"] == pytest.approx(0.6931, abs=1e-3)  # ln 2 a pair: the loop divides by pairs
    assert best.loss < 0.6
    share, reward = preference_accuracy(model, in_order(held_out, partial(pad_pairs, pad_id=PAD), 8))
    assert share == 1.0
    assert reward > 0
