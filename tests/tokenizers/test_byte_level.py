"""`tokenizer.json` for bytes: other programs' files read, what can't be represented named."""

import copy
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import tokenizers
from hornbook.errors import UserError
from hornbook.tokenizers._byte_level import BYTE_ORDER, BYTE_TO_CHARACTER, to_bytes, to_text
from hornbook.tokenizers._patterns import PATTERNS
from hornbook.tokenizers.base import load_tokenizer
from hornbook.tokenizers.bpe import BPE
from tokenizers import decoders, models, normalizers, pre_tokenizers, processors, trainers

TEXT = "the cat in the hat sat on the mat; it's 1234 o'clock!\n\n  The end — naïve 東京 😀\t" * 5


@pytest.fixture
def document() -> dict[str, Any]:
    return copy.deepcopy(BPE.train([TEXT], vocab_size=300).to_json())


def loaded(tmp_path: Path, document: dict[str, Any]) -> BPE:
    (tmp_path / "tokenizer.json").write_text(json.dumps(document))
    tokenizer = load_tokenizer(tmp_path)
    assert isinstance(tokenizer, BPE)
    return tokenizer


WRONG_PARTS = {
    "normalizer": {"type": "Lowercase"},
    "truncation": {"max_length": 5},
    "pre_tokenizer": {"type": "Whitespace"},
    "model.byte_fallback": True,
    "model.continuing_subword_prefix": "##",
    "model.unk_token": "<unk>",
    "model.dropout": 0.1,
}


@pytest.mark.parametrize("part", WRONG_PARTS)
def test_a_part_that_is_not_possible_here_is_named(tmp_path: Path, document: dict[str, Any], part: str) -> None:
    *way, last = part.split(".")
    holder = document[way[0]] if way else document
    holder[last] = WRONG_PARTS[part]
    with pytest.raises(UserError, match=rf"the part '{part}'"):
        loaded(tmp_path, document)


def test_a_prefix_space_and_an_unknown_pattern_are_named(tmp_path: Path, document: dict[str, Any]) -> None:
    split, byte_level = document["pre_tokenizer"]["pretokenizers"]
    for wrong in (
        {"type": "ByteLevel", "add_prefix_space": True},
        {"type": "Sequence", "pretokenizers": [split | {"pattern": {"Regex": "x"}}, byte_level]},
        {"type": "Sequence", "pretokenizers": [split | {"behavior": "Removed"}, byte_level]},
    ):
        with pytest.raises(UserError, match="the part 'pre_tokenizer' is no pattern known here"):
            loaded(tmp_path, document | {"pre_tokenizer": wrong})


def test_missing_bytes_and_shared_ids_are_said(tmp_path: Path, document: dict[str, Any]) -> None:
    vocab = document["model"]["vocab"]
    with pytest.raises(UserError, match="the same id to two tokens"):
        loaded(tmp_path, document | {"model": document["model"] | {"vocab": vocab | {"a": 98}}})
    without_a = {text: token_id for text, token_id in vocab.items() if text != "a"}
    with pytest.raises(UserError, match="lacks 1 of the 256 bytes, 97 among them"):
        loaded(tmp_path, document | {"model": document["model"] | {"vocab": without_a}})


def test_bytes_are_written_as_gpt2_does() -> None:
    assert {byte: character for character, byte in zip_bytes()} == BYTE_TO_CHARACTER
    assert [BYTE_TO_CHARACTER[byte] for byte in (32, 10, 0, 173)] == ["Ġ", "Ċ", "Ā", "Ń"]
    assert sorted(BYTE_ORDER) == list(range(256))
    assert to_bytes(to_text(bytes(range(256)))) == bytes(range(256))


def zip_bytes() -> Iterator[tuple[str, int]]:
    """Each byte's character by `tokenizers`, found by decoding the alphabet."""
    for character in pre_tokenizers.ByteLevel.alphabet():
        yield character, to_bytes(character)[0]


def foreign(pre_tokenizer: Any, normalizer: Any = None) -> Any:
    """A vocabulary trained by `tokenizers`: special tokens first, another order of bytes."""
    theirs = tokenizers.Tokenizer(models.BPE())
    theirs.pre_tokenizer, theirs.decoder = pre_tokenizer, decoders.ByteLevel()
    if normalizer:
        theirs.normalizer = normalizer
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=400, special_tokens=["<s>", "</s>"], initial_alphabet=alphabet, show_progress=False
    )
    theirs.train_from_iterator([TEXT], trainer)
    theirs.add_tokens(["<think>"])
    theirs.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 0)])
    return theirs


def split_by(name: str) -> Any:
    """The pre-tokenizer of Llama 3 and Qwen."""
    cut = pre_tokenizers.Split(tokenizers.Regex(PATTERNS[name]), "isolated")
    return pre_tokenizers.Sequence([cut, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])


FOREIGN = {
    "gpt-2": lambda: foreign(pre_tokenizers.ByteLevel(add_prefix_space=False)),
    "llama-bpe": lambda: foreign(split_by("llama-bpe")),
    "qwen2": lambda: foreign(split_by("qwen2"), normalizers.NFC()),
}


@pytest.mark.parametrize("name", FOREIGN)
def test_files_of_other_programs_give_their_ids_and_keep_their_parts(tmp_path: Path, name: str) -> None:
    theirs = FOREIGN[name]()
    theirs.save(str(tmp_path / "tokenizer.json"))
    ours = load_tokenizer(tmp_path)
    assert isinstance(ours, BPE)
    assert ours.parts.pattern == name
    assert ours.lossless == (name != "qwen2")
    assert (ours.special_tokens["<s>"], ours.end_of_text, ours.vocab_size) == (0, 1, theirs.get_vocab_size())

    @given(st.text() | st.text("the cat's\n 12é😀e\u0301", max_size=40))
    def check(text: str) -> None:
        assert ours.encode(text, allow_special=True) == theirs.encode(text, add_special_tokens=False).ids

    check()
    long = (TEXT + "<think>e\u0301</s>") * 100
    assert ours.encode(long, allow_special=True) == theirs.encode(long, add_special_tokens=False).ids

    again = tokenizers.Tokenizer.from_file(str(ours.save(tmp_path / "again")))
    assert again.encode("the <think> hat").ids == theirs.encode("the <think> hat").ids
    assert again.decode([0, *ours.encode("hat")]) == "hat"


def test_whole_pieces_as_in_llama_3(tmp_path: Path, document: dict[str, Any]) -> None:
    document["model"]["ignore_merges"] = True
    document["model"]["vocab"] |= {"Ġunmerged": 301}
    theirs = tokenizers.Tokenizer.from_str(json.dumps(document))
    ours = loaded(tmp_path, document)
    for text in (" unmerged", " unmergeds the cat", TEXT * 200):
        assert ours.encode(text) == theirs.encode(text).ids
    assert ours.encode(" unmerged") == [301]


def test_merges_as_pairs_or_as_text(tmp_path: Path, document: dict[str, Any]) -> None:
    as_text = loaded(tmp_path, document)
    document["model"]["merges"] = [pair.split(" ") for pair in document["model"]["merges"]]
    assert loaded(tmp_path, document).parts == as_text.parts


@pytest.mark.parametrize(
    ("vocab", "merges"), [("{}", "a b"), ("[]", ""), ('{"<|endoftext|>": 0}', "#version: 0.2\nx y z"), ("{", "")]
)
def test_damaged_gpt2_files_are_a_user_error(tmp_path: Path, vocab: str, merges: str) -> None:
    (tmp_path / "vocab.json").write_text(vocab)
    (tmp_path / "merges.txt").write_text(merges)
    with pytest.raises(UserError, match=r"vocab\.json"):
        BPE.from_gpt2_files(tmp_path / "vocab.json", tmp_path / "merges.txt")
    with pytest.raises(UserError, match="no such file"):
        BPE.from_gpt2_files(tmp_path / "absent.json", tmp_path / "merges.txt")


def test_missing_merges_are_a_user_error(tmp_path: Path, shared_data: Callable[[str], Path]) -> None:
    with pytest.raises(UserError, match=r"no such file '.*merges\.txt'"):
        BPE.from_gpt2_files(shared_data("gpt2-vocabulary") / "vocab.json", tmp_path / "merges.txt")
