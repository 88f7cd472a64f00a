"""Memorisation: what greedy writing really gives, on passages of documents, beside text that was never read."""

import itertools
from pathlib import Path

import numpy as np
import pytest
import torch

from hornbook.batches.dataset import Dataset
from hornbook.batches.prepare import PrepareSettings, prepare
from hornbook.batches.text_index import index_of
from hornbook.errors import UserError
from hornbook.evaluation._passages import Passages, Sizes, agreeing
from hornbook.evaluation.memorisation import Memorisation
from hornbook.generation.generate import LanguageModel, generate_tokens
from hornbook.generation.sampling import Sampling
from hornbook.models.bigram import Bigram, BigramConfig
from hornbook.tokenizers.character import Character

ALPHABET = "abcdefghijklmnopqrstuvwxyz"


@pytest.fixture
def alphabets(tmp_path: Path) -> Dataset:
    """Documents that go through the alphabet, some of them backwards, from different letters on."""
    for number in range(12):
        turned = ALPHABET[number:] + ALPHABET[:number]
        (tmp_path / f"{number}.txt").write_text(turned * 3 if number % 3 else turned[::-1] * 3)
    settings = PrepareSettings(tokenizer="character", val_fraction=0.34, seed=0, clean="none")
    return prepare([tmp_path / f"{number}.txt" for number in range(12)], settings, tmp_path / "out")


def follower(dataset: Dataset, context_length: int = 40) -> LanguageModel:
    """A model that writes the next letter of the alphabet."""
    tokenizer = dataset.tokenizer
    model = Bigram(BigramConfig(vocab_size=tokenizer.vocab_size, context_length=context_length))
    ids = tokenizer.encode(ALPHABET + "a")
    table = torch.zeros(tokenizer.vocab_size, tokenizer.vocab_size)
    table[ids[:-1], ids[1:]] = 9.0
    with torch.no_grad():
        next(model.parameters()).copy_(table)
    return LanguageModel(model, tokenizer)


def test_agreement_is_that_of_greedy_writing(characters: LanguageModel) -> None:
    rows = np.random.default_rng(0).integers(0, characters.tokenizer.vocab_size, (40, 14))
    for row in rows[:20]:  # half of them as the model would write them, up to some token
        written = generate_tokens(characters.model, row[:6].tolist(), Sampling(temperature=0), max_new_tokens=5, seed=0)
        row[6:11] = list(written)
    naive = []
    for row in rows.tolist():
        asked = Sampling(temperature=0)
        written = list(generate_tokens(characters.model, row[:6], asked, max_new_tokens=8, seed=0))
        naive.append(next((place for place in range(8) if written[place] != row[6 + place]), 8))
    assert agreeing(characters, rows, 6).tolist() == naive
    assert len(set(naive)) > 2


def test_passages_lie_within_documents_and_are_all_different(alphabets: Dataset) -> None:
    model = follower(alphabets)
    drawn = Passages.draw(model, alphabets, 10_000, Sizes(10, 10))
    letters = {alphabets.tokenizer.encode(letter)[0] for letter in ALPHABET}
    for rows, split in ((drawn.train, "train"), (drawn.held_out, "val")):
        documents = alphabets.info["splits"][split]["documents"]
        assert len(rows) == documents * (3 * 26 - 20 + 1)
        assert set(rows.flatten().tolist()) <= letters  # never the mark between documents
    few = Passages.draw(model, alphabets, 7, Sizes(10, 10))
    assert len(few.train) == 7
    assert np.array_equal(few.train, Passages.draw(model, alphabets, 7, Sizes(10, 10)).train)


def test_sizes_shrink_with_context_and_documents(alphabets: Dataset) -> None:
    assert Passages.draw(follower(alphabets, 40), alphabets, 3, Sizes()).sizes == Sizes(20, 20)
    assert Passages.draw(follower(alphabets, 500), alphabets, 3, Sizes()).sizes == Sizes(39, 39)
    assert Sizes(50, 50).fitting(64) == Sizes(32, 32)
    assert Sizes(50, 10).fitting(1000) == Sizes(50, 10)


def test_what_is_known_by_heart_is_told_from_what_is_not(alphabets: Dataset) -> None:
    findings = Memorisation(30).run(follower(alphabets), alphabets)
    kept = Passages.draw(follower(alphabets), alphabets, 30, Sizes()).without_known(index_of(alphabets))
    rows = {"training text": kept.train, "held-out text": kept.held_out}
    steps = alphabets.tokenizer.encode(ALPHABET)
    for name, passages in rows.items():
        follows = [
            all((steps.index(b) - steps.index(a)) % 26 == 1 for a, b in itertools.pairwise(row))
            for row in passages.tolist()
        ]
        if follows:
            assert findings.numbers[f"word for word, {name} (share)"] == pytest.approx(np.mean(follows))
    assert 0 < findings.numbers["word for word, training text (share)"] < 1
    assert findings.examples
    shown = findings.examples[0]
    assert (shown["prompt"] + shown["written on"]) in ALPHABET * 5


def test_held_out_passages_that_were_read_are_left_out(alphabets: Dataset) -> None:
    alphabets.val = alphabets.train
    alphabets.info["splits"]["val"] = alphabets.info["splits"]["train"]
    rows = Passages.draw(follower(alphabets), alphabets, 20, Sizes())
    known = Passages(rows.sizes, rows.train, rows.train).without_known(index_of(alphabets))
    assert len(known.held_out) == 0
    assert known.left_out == 20


def test_reasons_to_skip(alphabets: Dataset, characters: LanguageModel) -> None:
    assert "no dataset" in str(Memorisation().reason_to_skip(follower(alphabets), None))
    assert "another tokenizer" in str(Memorisation().reason_to_skip(characters, alphabets))
    assert "two tokens" in str(Memorisation().reason_to_skip(follower(alphabets, 1), alphabets))
    assert Memorisation().reason_to_skip(follower(alphabets), alphabets) is None


def test_a_broken_model_is_an_error(alphabets: Dataset) -> None:
    model = follower(alphabets)
    with torch.no_grad():
        next(model.model.parameters()).fill_(torch.nan)
    with pytest.raises(UserError, match="no numbers"):
        Memorisation(3).run(model, alphabets)


def test_another_tokenizers_dataset_is_an_error(alphabets: Dataset) -> None:
    model = LanguageModel(follower(alphabets).model, Character.train(["other"]))
    with pytest.raises(UserError, match="another tokenizer"):
        Memorisation().run(model, alphabets)
