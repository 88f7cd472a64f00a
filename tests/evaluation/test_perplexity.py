"""Perplexity: exact over all tokens, and bits of the text that was really there."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from hornbook.batches.windows import Windows
from hornbook.errors import UserError
from hornbook.evaluation._held_out import HeldOut, token_losses
from hornbook.evaluation.perplexity import Perplexity, evaluate_loss, text_size
from hornbook.generation.generate import LanguageModel
from hornbook.models.bigram import Bigram, BigramConfig
from hornbook.text.reading import Document
from hornbook.tokenizers.character import Character
from hornbook.tokenizers.word import Word


def test_no_dataset_is_a_reason_to_skip(characters: LanguageModel, held: Any) -> None:
    assert "no dataset" in str(Perplexity().reason_to_skip(characters, None))
    assert Perplexity().reason_to_skip(characters, held) is None


def test_another_tokenizers_dataset_is_an_error(characters: LanguageModel, held: Any) -> None:
    held.tokenizer = Character.train(["other"])
    with pytest.raises(UserError, match="another tokenizer"):
        Perplexity().run(characters, held)


def test_too_short_a_text_is_an_error(characters: LanguageModel, held: Any) -> None:
    held.val = held.val[:1]
    assert Perplexity().reason_to_skip(characters, held) == "the validation part has 1 tokens"
    with pytest.raises(UserError, match="has 1 tokens, which is too few"):
        Perplexity().run(characters, held)


def test_the_loss_of_nothing_is_not_zero(characters: LanguageModel, number: Callable[[str], Any]) -> None:
    assert str(evaluate_loss(characters.model, [])[0]) == number("loss-05")["empty"]
    ignored = (torch.zeros(1, 4, dtype=torch.int64), torch.full((1, 4), -100))
    loss, count = evaluate_loss(characters.model, [ignored])
    assert math.isnan(loss)
    assert count == 0


@pytest.mark.parametrize("num_batches", [None, 1, 2, 99])
def test_only_the_first_batches_are_read(characters: LanguageModel, held: Any, num_batches: int | None) -> None:
    batches = list(Windows(held.val, 16, padded=True).every_batch(2))
    _, count = evaluate_loss(characters.model, batches, num_batches)
    assert count == sum(int((targets != -100).sum()) for _, targets in batches[:num_batches])


def test_the_mean_of_equal_batches_is_the_mean_of_their_losses(characters: LanguageModel, held: Any) -> None:
    batches = list(Windows(held.val, 16).every_batch(1))[:4]
    alone = [evaluate_loss(characters.model, [batch])[0] for batch in batches]
    assert evaluate_loss(characters.model, batches)[0] == pytest.approx(np.mean(alone))


def test_every_token_counts_once_whatever_the_batch_size(characters: LanguageModel, held: Any) -> None:
    found = [evaluate_loss(characters.model, Windows(held.val, 16, padded=True).every_batch(n)) for n in (1, 3, 64)]
    assert {count for _, count in found} == {len(held.val) - 1}
    assert [loss for loss, _ in found] == pytest.approx([found[0][0]] * 3, abs=1e-6)


def test_the_loss_is_that_of_torch_over_all_windows(characters: LanguageModel, held: Any) -> None:
    text = torch.from_numpy(held.val.astype(np.int64))
    losses = []
    with torch.no_grad():
        for start in range(0, len(text) - 1, 16):
            row = text[start : start + 17]
            losses += F.cross_entropy(characters.model(row[None, :-1])[0], row[1:], reduction="none").tolist()
    assert Perplexity().run(characters, held).numbers["loss (nats per token)"] == pytest.approx(
        np.mean(losses), abs=1e-5
    )


def test_an_even_guess_has_the_vocabulary_as_perplexity(characters: LanguageModel, held: Any) -> None:
    size = characters.tokenizer.vocab_size
    even = LanguageModel(Bigram(BigramConfig(vocab_size=size, context_length=16)), characters.tokenizer)
    numbers = Perplexity().run(even, held).numbers
    assert numbers["perplexity"] == pytest.approx(size, rel=1e-5)
    num_tokens = len(held.val) - 1
    assert numbers["tokens"] == num_tokens
    assert numbers["bits per character"] == pytest.approx(math.log2(size) * num_tokens / (num_tokens - 1), rel=1e-5)
    assert numbers["bits per byte"] < numbers["bits per character"]  # ö, ß and € take more than one


def test_dropout_is_off_and_the_mode_comes_back(characters: LanguageModel, held: Any) -> None:
    characters.model.train()
    first = Perplexity().run(characters, held)
    assert characters.model.training
    assert Perplexity().run(characters, held) == first


@given(st.lists(st.sampled_from(["the", "fox", ",", "Größe", "€", "."]), min_size=1, max_size=30))
def test_the_size_is_that_of_the_decoded_text(words: list[str]) -> None:
    tokenizer = Word.train(["the fox, Größe €."])
    tokens = np.array(tokenizer.encode(" ".join(words)), dtype=np.uint16)
    rest = tokenizer.decode(tokens.tolist())[len(tokenizer.decode(tokens[:1].tolist())) :]
    assert text_size(tokenizer, tokens) == (len(rest), len(rest.encode()))


def test_a_text_of_the_users_own_is_measured(characters: LanguageModel) -> None:
    documents = [Document("the fox. " * 30, "a.txt", 0, 1), Document("Größe", "a.txt", 1, 2, continues=True)]
    documents.append(Document("5 €", "b.txt", 0, 1))
    text = HeldOut.written(documents, characters.tokenizer)
    end = characters.tokenizer.end_of_text
    assert characters.tokenizer.decode(text.tokens.tolist()) == "the fox. " * 30 + "Größe<|endoftext|>5 €<|endoftext|>"
    assert text.documents.tolist() == [0, 276]
    assert text.tokens[275] == text.tokens[-1] == end
    evaluation = Perplexity(text)
    assert evaluation.reason_to_skip(characters, None) is None
    numbers = evaluation.run(characters, None).numbers
    assert numbers["tokens"] == len(text.tokens) - 1
    assert numbers["bits per byte"] < numbers["bits per character"]
    with pytest.raises(UserError, match="'c.txt' has 1 tokens"):
        HeldOut.written([Document("", "c.txt", 0, 0)], characters.tokenizer)


def test_unknown_parts_of_a_text_are_counted(characters: LanguageModel) -> None:
    text = HeldOut.written([Document("the fax", "a.txt", 0, 7)], characters.tokenizer)
    assert text.count_unknown() == 0
    text = HeldOut.written([Document("the Fax", "a.txt", 0, 7)], characters.tokenizer)
    assert "doesn't know 1 of the tokens" in Perplexity(text).run(characters, None).notes[-1]


def test_a_smaller_stride_gives_each_token_more_before_it(characters: LanguageModel, held: Any) -> None:
    tokens = held.val.astype(np.int64)
    losses = token_losses(characters, tokens, 4)
    assert len(losses) == len(tokens) - 1
    with torch.no_grad():
        for place in (1, 15, 17, 40, len(tokens) - 1):
            start = 0 if place <= 16 else (place - 16 + 3) // 4 * 4
            row = characters.model(torch.from_numpy(tokens[start:place])[None])[0, -1].log_softmax(-1)
            assert losses[place - 1] == pytest.approx(-float(row[tokens[place]]), abs=1e-5)
    with pytest.raises(UserError, match="a stride of 17 leaves tokens out: the context is 16"):
        Perplexity(stride=17).run(characters, held)


def test_the_interval_is_where_other_texts_of_the_kind_lie(characters: LanguageModel) -> None:
    draws = np.random.default_rng(3)
    size = characters.tokenizer.vocab_size

    def text(length: int) -> HeldOut:
        return HeldOut(characters.tokenizer, draws.integers(0, size - 2, length), np.array([0]))

    truth = Perplexity(text(150_000)).run(characters, None).numbers
    found = [Perplexity(text(1500)).run(characters, None) for _ in range(40)]
    for name in ("loss (nats per token)", "perplexity", "bits per character", "bits per byte"):
        measured = [each for each in found if name in each.intervals]  # a text may look like a few blocks by chance
        inside = [each.intervals[name][0] <= truth[name] <= each.intervals[name][1] for each in measured]
        assert len(measured) >= 38
        assert sum(inside) >= 35
        assert all(each.intervals[name][0] < each.numbers[name] < each.intervals[name][1] for each in measured)
    short = Perplexity(text(40)).run(characters, None)
    assert short.intervals == {}
