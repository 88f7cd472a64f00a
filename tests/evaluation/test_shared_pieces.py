"""One text read by several models: the same pieces for all, of the same characters where their tokens differ."""

import math
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from hornbook.batches.prepare import Dataset, PrepareSettings, prepare
from hornbook.errors import UserError
from hornbook.evaluation._held_out import HeldOut, token_losses
from hornbook.evaluation._shared_pieces import PIECE_TOKENS, Pieces, shared_pieces
from hornbook.evaluation.perplexity import Perplexity
from hornbook.generation.generate import LanguageModel
from hornbook.models.llama import Llama, LlamaConfig
from hornbook.tokenizers.bpe import BPE
from hornbook.tokenizers.character import Character

STORY = "Ólafur bought {n} cakes for 7 € and his sister ate half of them, the naughty one; then they went home.\n"
LONG = "".join(STORY.format(n=number) for number in range(200))
KINDS: dict[str, dict[str, Any]] = {
    "bpe": {"tokenizer": "bpe", "vocab_size": 300},
    "large": {"tokenizer": "bpe", "vocab_size": 400},
    "character": {"tokenizer": "character"},
    "word": {"tokenizer": "word", "vocabulary_from": "all"},
}


def dataset(place: Path, kind: str, texts: list[str], **settings: Any) -> Dataset:
    """A dataset of these documents, with a third of them for validation."""
    source = place / "text"
    source.mkdir(exist_ok=True)
    for number, text in enumerate(texts):
        (source / f"{number:03}.txt").write_text(text, encoding="utf-8")
    chosen = PrepareSettings(**{"clean": "none", "val_fraction": 0.33, **KINDS[kind], **settings})
    return prepare([source], chosen, place / "-".join([kind, *map(str, settings.values())]))


def model(held: HeldOut, context_length: int = 32) -> LanguageModel:
    """A Llama with random weights for that text."""
    size = held.tokenizer.vocab_size
    config = LlamaConfig(vocab_size=size, context_length=context_length, num_layers=1, num_heads=2, embed_dim=8)
    return LanguageModel(Llama(config, torch.Generator().manual_seed(1)), held.tokenizer)


def texts_of(pieces: Pieces, name: str, held: HeldOut) -> list[str]:
    """The text of every piece, as the tokens of one model have it."""
    borders = pieces.borders[name].tolist()
    ids = held.tokens[:].tolist()
    return [held.tokenizer.decode(ids[start:stop]) for start, stop in pairwise(borders)]


def test_the_pieces_together_are_the_measured_loss(tmp_path: Path) -> None:
    data = dataset(tmp_path, "bpe", [LONG])
    held = HeldOut.of(data)
    pieces = shared_pieces({"a": held, "b": held})
    language_model = model(held)
    losses = token_losses(language_model, held.tokens)
    assert losses.shape == (len(data.val) - 1,)
    measured = Perplexity().run(language_model, data).numbers
    assert pieces.sums("a", losses).sum() / pieces.sizes.sum() == pytest.approx(measured["loss (nats per token)"], 1e-5)
    assert pieces.sizes[:-1].tolist() == [PIECE_TOKENS] * (len(pieces.sizes) - 1)
    assert not pieces.are_documents
    assert pieces.unit == "nats per token"


def test_models_of_other_windows_answer_for_the_same_tokens(tmp_path: Path) -> None:
    held = HeldOut.of(dataset(tmp_path, "bpe", [LONG]))
    short, long = (token_losses(model(held, length), held.tokens) for length in (8, 64))
    assert short.shape == long.shape
    assert short[:8] == pytest.approx(long[:8], abs=1e-5)  # nothing but the first window is before them
    assert np.abs(short[8:16] - long[8:16]).max() > 1e-4


@pytest.mark.parametrize("length", [150, len(LONG)])
def test_other_tokens_are_compared_by_the_same_characters(tmp_path: Path, length: int) -> None:
    parts = [LONG[start : start + length] for start in range(0, len(LONG), length)]
    sets = {kind: dataset(tmp_path, kind, parts) for kind in ("bpe", "large", "character")}
    held = {kind: HeldOut.of(data) for kind, data in sets.items()}
    pieces = shared_pieces(held)
    assert pieces.per_character
    found = [texts_of(pieces, kind, held[kind]) for kind in held]
    assert found[0] == found[1] == found[2]
    assert [len(text.replace("<|endoftext|>", "")) for text in found[0]] == pieces.sizes.tolist()
    assert pieces.are_documents == (length < len(LONG))
    for kind, data in sets.items():
        language_model = model(held[kind])
        bits = pieces.sums(kind, token_losses(language_model, data.val)).sum() / pieces.sizes.sum()
        assert bits == pytest.approx(Perplexity().run(language_model, data).numbers["bits per character"], rel=0.01)


def test_documents_are_pieces_where_they_are_many_and_of_one_size(tmp_path: Path) -> None:
    many = HeldOut.of(dataset(tmp_path, "bpe", [STORY.format(n=number) for number in range(120)]))
    pieces = shared_pieces({"a": many, "b": many})
    assert pieces.are_documents
    assert len(pieces.sizes) == len(many.documents) > 20
    assert str(pieces) == f"{len(many.documents)} documents"
    assert all(text.endswith("home.\n<|endoftext|>") for text in texts_of(pieces, "a", many))
    huge = HeldOut(many.tokenizer, many.tokens, np.append(many.documents[:20], many.documents[-1]))
    assert not shared_pieces({"a": huge, "b": huge}).are_documents


def test_a_text_in_the_tokens_of_another_is_what_preparing_gives(tmp_path: Path) -> None:
    parts = [STORY.format(n=number) for number in range(60)]
    first, second = (HeldOut.of(dataset(tmp_path, kind, parts)) for kind in ("bpe", "character"))
    for one, other in ((first, second), (second, first)):
        again = one.in_tokens_of(other.tokenizer)
        assert np.array_equal(again.tokens[:], other.tokens[:])
        assert np.array_equal(again.documents, other.documents)
    assert first.in_tokens_of(first.tokenizer) is first


def test_other_texts_are_refused(tmp_path: Path) -> None:
    parts = [STORY.format(n=number) for number in range(60)]
    data = dataset(tmp_path, "bpe", parts)
    same = HeldOut.of(data)
    other = HeldOut(same.tokenizer, np.append(data.val[:-5], [1, 2]), same.documents)
    with pytest.raises(UserError, match="'a' and 'b' were validated on different texts.*hint: name a dataset"):
        shared_pieces({"a": same, "b": other})
    apart = HeldOut.of(dataset(tmp_path, "character", parts, seed=8))
    with pytest.raises(UserError, match="different texts"):
        shared_pieces({"a": same, "b": apart})


def test_a_tokenizer_that_loses_something_can_not_be_compared_by_characters(tmp_path: Path) -> None:
    parts = [STORY.format(n=number) for number in range(60)]
    held = {kind: HeldOut.of(dataset(tmp_path, kind, parts)) for kind in ("bpe", "word")}
    with pytest.raises(UserError, match="only blanks differ"):
        shared_pieces(held)
    stranger = Character.train(["abc <"])
    unknown = HeldOut(stranger, np.array(stranger.encode("abcd" * 30)), np.array([0]))
    with pytest.raises(UserError, match="doesn't know all of the validation text"):
        shared_pieces({"a": held["bpe"], "b": unknown})


def test_too_short_a_text_is_refused(tmp_path: Path) -> None:
    nothing = dataset(tmp_path, "bpe", [STORY], val_fraction=0.0)
    with pytest.raises(UserError, match="the validation part of .* has 0 tokens"):
        HeldOut.of(nothing)
    letters, word = Character.train(["home"]), BPE.train(["home home home"], vocab_size=260)
    whole = HeldOut(word, np.array(word.encode("home")), np.array([0]))
    with pytest.raises(UserError, match="too short"):
        shared_pieces({"a": whole, "b": HeldOut(letters, np.array(letters.encode("home")), np.array([0]))})


def test_bits_are_nats_over_ln_2() -> None:
    pieces = Pieces({"a": np.array([1, 3])}, np.array([4.0]), False, True)
    assert pieces.sums("a", np.array([math.log(2), math.log(8)])).tolist() == pytest.approx([4.0])
