"""A smaller vocabulary inside a larger one is the one that is learned to that size from the same text."""

import json
from pathlib import Path

import pytest

import tokenizers
from hornbook.tokenizers._growth import at_size, sizes
from hornbook.tokenizers._patterns import PATTERNS
from hornbook.tokenizers._sentencepiece import SentencePieceBPE
from hornbook.tokenizers.base import load_tokenizer
from hornbook.tokenizers.bpe import BPE
from hornbook.tokenizers.character import Character
from hornbook.tokenizers.word import Word
from hornbook.village.stories import stories
from tokenizers import models, trainers

TEXT = ["it's 1234 o'clock!\n\n  The end — naïve 東京 😀\t", *(story.text for story in stories(0, 10))]
OTHER = "That théâtre, the 🦊 on a mat;\n 1862 o'clocks"


@pytest.mark.parametrize("pattern", sorted(PATTERNS))
def test_the_first_merges_are_those_of_a_smaller_training(pattern: str) -> None:
    large = BPE.train(TEXT, vocab_size=340, pattern=pattern)
    assert sizes(large) == range(256, 340)  # the 340th is <|endoftext|>
    for size in (256, 257, 290, 339):
        small = BPE.train(TEXT, vocab_size=size, pattern=pattern, special_tokens=())
        found = at_size(large, size)
        assert isinstance(found, BPE)
        assert found.parts == small.parts
        assert found.encode(TEXT[0] + OTHER) == small.encode(TEXT[0] + OTHER)
    assert at_size(large, 256).encode("é") == list("é".encode())


def test_with_the_last_merge_the_ids_are_the_vocabularys_own() -> None:
    own = BPE.train(TEXT, vocab_size=340)
    assert at_size(own, sizes(own)[-1]).encode(OTHER) == own.encode(OTHER)


def llama(folder: Path, vocab_size: int) -> tuple[SentencePieceBPE, tokenizers.Tokenizer]:
    """A file as Llama 2 has it, learned by `tokenizers`."""
    made = tokenizers.Tokenizer(models.BPE(byte_fallback=True, unk_token="<unk>", fuse_unk=True))
    special = ["<unk>", "<s>", "</s>"]
    names = [*special, *(f"<0x{byte:02X}>" for byte in range(256))]
    spaced = [("▁" + text).replace(" ", "▁") for text in TEXT]
    made.train_from_iterator(
        spaced, trainers.BpeTrainer(vocab_size=vocab_size, special_tokens=names, show_progress=False)
    )
    steps = [{"type": "Prepend", "prepend": "▁"}, {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}]
    document = json.loads(made.to_str())
    document["normalizer"] = {"type": "Sequence", "normalizers": steps}
    document["added_tokens"] = document["added_tokens"][:3]
    (folder / "tokenizer.json").write_text(json.dumps(document))
    ours = load_tokenizer(folder)
    assert isinstance(ours, SentencePieceBPE)
    return ours, tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))


def test_a_sentencepiece_vocabulary_grew_from_its_characters(tmp_path: Path) -> None:
    large, _ = llama(tmp_path, 480)
    first, last = sizes(large)[0], sizes(large)[-1]
    assert first == 256 + len({*"".join(TEXT).replace(" ", "▁")})
    assert last == 480 - 3
    for size in (first, first + 7, last):
        _, theirs = llama(tmp_path, size + 3)
        assert at_size(large, size).encode(OTHER) == theirs.encode(OTHER, add_special_tokens=False).ids
    assert at_size(large, last).encode(OTHER) == large.encode(OTHER)


def test_a_piece_that_several_merges_make_comes_once(tmp_path: Path) -> None:
    large, _ = llama(tmp_path, 480)
    document = large.to_json()
    names = sorted(document["model"]["vocab"], key=document["model"]["vocab"].__getitem__)[259:]
    cuts = [[name[:at], name[at:]] for name in names for at in range(1, len(name))]
    document["model"]["merges"] = [cut for cut in cuts if {*cut} <= {*names}]
    again = SentencePieceBPE(document)
    assert len(document["model"]["merges"]) > len(large.to_json()["model"]["merges"])
    assert sizes(again) == sizes(large)
    for size in (sizes(again)[0], sizes(again)[9], sizes(again)[-1]):
        assert at_size(again, size).encode(TEXT[1]) == at_size(large, size).encode(TEXT[1])


def test_letters_and_words_did_not_grow() -> None:
    assert not sizes(Character.train(TEXT))
    assert not sizes(Word.train(TEXT))
