"""What pairs teach: of questions that a model never met, more are answered rightly, and more pairs are told apart."""

import json
import random
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch

import hornbook
from hornbook.cli import run
from hornbook.commands._chat_answers import answers, is_exact
from hornbook.finetuning.preference import both_log_probabilities, pad_pairs, with_reference
from hornbook.finetuning.preference_data import make_pairs, read_preferences
from hornbook.finetuning.rows import padding_id
from hornbook.models.llama import Llama, LlamaConfig
from hornbook.tokenizers.character import Character
from hornbook.weights.model_folder import save_model_folder

LETTERS = "abcd"
TAUGHT, RATE = 200, 1e-3  # steps of the assistant, which leave it something to learn; the rate of what follows


def questions(count: int, seed: int) -> list[tuple[str, str]]:
    """Eleven letters, and the one that stands among them most often."""
    draw, found = random.Random(seed), []
    while len(found) < count:
        word = "".join(draw.choices(LETTERS, k=11))
        first, second = sorted(((word.count(letter), letter) for letter in LETTERS), reverse=True)[:2]
        if first[0] > second[0]:
            found.append((word, first[1]))
    return found


def written(path: Path, entries: Sequence[object]) -> Path:
    path.write_text("\n".join(map(json.dumps, entries)))
    return path


def pairs(path: Path, asked: Sequence[tuple[str, str]], seed: int) -> Path:
    """The right answer to each question, and any wrong one."""
    draw = random.Random(seed)
    return written(
        path,
        [
            {"prompt": word, "chosen": right, "rejected": draw.choice([each for each in LETTERS if each != right])}
            for word, right in asked
        ],
    )


def command(*words: object) -> None:
    assert run([str(word) for word in ("finetune", *words, "--device", "cpu")]) == 0


@pytest.fixture(scope="module")
def assistant(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny model that answers about half of the questions."""
    folder = tmp_path_factory.mktemp("assistant")
    tokenizer = Character.train([f"{LETTERS}\nAnswer: "], special_tokens=["<|endoftext|>", "[PAD]"])
    config = LlamaConfig(vocab_size=tokenizer.vocab_size, context_length=32, num_layers=2, num_heads=2, embed_dim=32)
    base = save_model_folder(folder / "base", Llama(config, torch.Generator().manual_seed(1)), tokenizer)
    said = [
        {"messages": [{"role": "user", "content": word}, {"role": "assistant", "content": right}]}
        for word, right in questions(3000, 100)
    ]
    data = written(folder / "said.jsonl", said)
    flags = ("--training.batch_size", 32, "--optimizer.learning_rate", 3e-3, "--training.steps", TAUGHT)
    flags += ("--training.evaluate_every", TAUGHT)
    command("chat", base, "--data", data, "--template", "plain", "--out", folder / "taught", *flags)
    return folder / "taught"


def standing(folder: Path, data: Path) -> tuple[float, float, float, float]:
    """Shares of questions answered exactly, of answers that ended, of pairs told apart; the mean margin in nats."""
    model = hornbook.load(folder)
    template = model.conventions.template
    assert template is not None
    made = make_pairs(read_preferences(data), template, model.tokenizer, 32)
    prompts = [template.prompt_ids(each.prompt, model.tokenizer) for each in made.preferences]
    said = answers(model, prompts, 4)
    exact = [is_exact(answer, each.chosen) for answer, each in zip(said, made.preferences, strict=True)]
    pad_id = padding_id(model.tokenizer)
    batch, _ = pad_pairs(with_reference(made.pairs, model.model, pad_id), pad_id)
    with torch.no_grad():
        found = both_log_probabilities(model.model, batch)
    margins, count = found[:, 0] - found[:, 1], len(said)
    ended = sum(answer.ended for answer in said) / count
    return sum(exact) / count, ended, float((margins > 0).float().mean()), float(margins.mean())


@pytest.mark.slow
def test_preferences_of_questions_never_met_go_up_and_right_answers_not_down(assistant: Path, tmp_path: Path) -> None:
    learned, tested = (
        pairs(tmp_path / "a.jsonl", questions(1500, 500), 1),
        pairs(tmp_path / "b.jsonl", questions(600, 900), 2),
    )
    flags = ("--training.batch_size", 16, "--optimizer.learning_rate", RATE, "--finetune.answers", 0)
    flags += ("--training.evaluate_every", 50, "--finetune.chosen_weight", 1)
    command("preference", assistant, "--data", learned, "--out", tmp_path / "better", *flags)
    before, after = standing(assistant, tested), standing(tmp_path / "better", tested)
    assert 0.4 < before[0] < 0.9
    assert after[0] > before[0] + 0.03
    assert after[1] == 1.0
    assert after[2] > before[2] + 0.03
    assert after[3] > before[3]
