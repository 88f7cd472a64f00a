"""Added tokens with flags, as the files of Phi-3, Llama and Qwen have them: ids and texts of `tokenizers` itself."""

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tokenizers
from hornbook.errors import UserError
from hornbook.tokenizers._added_tokens import AddedToken, split
from hornbook.tokenizers.base import Tokenizer, load_tokenizer
from hornbook.tokenizers.bpe import BPE
from hornbook.tokenizers.character import Character
from tokenizers import models, trainers

TEXT = ["the cat sat on the mat\n  it's 12 é hats\n"] * 5
BYTES = [f"<0x{byte:02X}>" for byte in range(256)]
STEPS = [{"type": "Prepend", "prepend": "▁"}, {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}]
METASPACE = {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "first", "split": False}
KINDS: dict[str, dict[str, Any]] = {
    "byte level": {},
    "byte level, NFC": {"normalizer": {"type": "NFC"}},
    "llama 2": {"normalizer": {"type": "Sequence", "normalizers": STEPS}},
    "no space before": {"normalizer": STEPS[1]},
    "mistral": {"pre_tokenizer": METASPACE},
    "always": {"pre_tokenizer": METASPACE | {"prepend_scheme": "always"}},
}
NAMES = ("<|user|>", "<s>", "</s>", "cat", "<s><s>", "<th", "  ", "th")  # some are part of others, or stand in words
FLAGS = ("single_word", "lstrip", "rstrip", "normalized", "special")
SIGNS = "\ue000\ue001"


@cache
def plain(kind: str) -> dict[str, Any]:
    """A vocabulary without added tokens."""
    if kind.startswith("byte level"):
        return BPE.train(TEXT, vocab_size=300, special_tokens=[]).to_json()
    learned = tokenizers.Tokenizer(models.BPE(byte_fallback=True, unk_token="<unk>", fuse_unk=True))
    trainer = trainers.BpeTrainer(vocab_size=320, special_tokens=["<unk>", *BYTES], show_progress=False)
    learned.train_from_iterator([text.replace(" ", "▁") for text in TEXT], trainer)
    document: dict[str, Any] = json.loads(learned.to_str()) | {"added_tokens": []}
    return document | {"pre_tokenizer": None, "normalizer": None}


def with_added(kind: str, flags: dict[str, tuple[bool, ...]]) -> dict[str, Any]:
    """The vocabulary with these names, whose flags stand in the order of FLAGS."""
    document = plain(kind) | KINDS[kind]
    first = len(document["model"]["vocab"])
    added = [
        {"id": first + place, "content": name, **dict(zip(FLAGS, values, strict=True))}
        for place, (name, values) in enumerate(flags.items())
    ]
    return document | {"added_tokens": added}


def read(document: dict[str, Any], folder: Path) -> Tokenizer:
    path = folder / "tokenizer.json"
    path.write_text(json.dumps(document))
    return load_tokenizer(path)


MARKED = st.lists(
    st.sampled_from([*NAMES, " ", "\n", "\u2003", "the", "x", "é", "e\u0301", "\u0338", "_", "▁", "\x1c", ">"]),
    max_size=9,
).map("".join)
FLAGGED = st.dictionaries(st.sampled_from(NAMES), st.tuples(*[st.booleans()] * len(FLAGS)), min_size=1, max_size=3)


@settings(deadline=None, max_examples=40)
@given(st.sampled_from([*KINDS]), FLAGGED, st.lists(MARKED, min_size=8, max_size=8))
def test_ids_are_those_of_tokenizers(
    tmp_path_factory: pytest.TempPathFactory, kind: str, flags: dict[str, tuple[bool, ...]], texts: list[str]
) -> None:
    folder = tmp_path_factory.getbasetemp()
    flags = {name: values for name, values in flags.items() if name.strip() or not values[3]}
    ours = read(with_added(kind, flags), folder)
    theirs = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
    saved = tokenizers.Tokenizer.from_file(str(ours.save(folder / "saved")))
    for text in texts:
        ids = ours.encode(text, allow_special=True)
        assert ids == theirs.encode(text, add_special_tokens=False).ids, text
        assert ids == saved.encode(text, add_special_tokens=False).ids
        if kind.startswith("byte level"):
            assert ours.decode(ids) == theirs.decode(ids, skip_special_tokens=False)
        special = set(ours.special_tokens.values())
        assert not special & set(ours.encode(text))  # a text alone never makes one


def test_what_a_flag_does() -> None:
    def parts(text: str, signs: str = "", **flags: bool) -> list[str | int]:
        return split(text, [AddedToken("<|x|>", 7, **flags)], str, signs)

    assert parts("a <|x|>\n b") == ["a ", 7, "\n b"]
    assert parts("a <|x|>\n b", rstrip=True) == ["a ", 7, "b"]
    assert parts("a <|x|>\n b", lstrip=True) == ["a", 7, "\n b"]
    assert parts("a<|x|>", single_word=True) == ["a<|x|>"]
    assert parts("<|x|> <|x|>", lstrip=True, rstrip=True) == [7, 7]
    assert parts("<|x|>\ue000<|x|>\ue001<|x\ue001|>", SIGNS) == [7, "<|x|><|x|>"]
    assert parts("a\ue001<|x|>", SIGNS, single_word=True) == ["a<|x|>"]


@pytest.mark.parametrize(("lstrip", "normalized"), [(0, 0), (0, 1), (1, 0), (1, 1)])
def test_what_stands_between_signs_stays_text_whatever_is_taken_away_beside_it(lstrip: int, normalized: int) -> None:
    added = [AddedToken("<|x|>", 7, lstrip=bool(lstrip)), AddedToken("<|y|>", 8, normalized=bool(normalized))]
    assert split("\ue000<|y|>\ue001 <|x|>", added, str, SIGNS) == ["<|y|>" + " " * (not lstrip), 7]


def test_a_name_that_normalizing_could_make_of_another_text_is_refused(tmp_path: Path) -> None:
    for kind, name in (("byte level, NFC", "<é>"), ("llama 2", "a b"), ("no space before", "c d")):
        document = with_added(kind, {name: (False, False, False, True, False)})
        with pytest.raises(UserError, match=rf"'added_tokens' has '{name}', which normalizing could make"):
            read(document, tmp_path)


def test_a_vocabulary_of_characters_finds_them_by_their_names_alone(tmp_path: Path) -> None:
    document = Character.train(TEXT).to_json()
    document["added_tokens"][0]["rstrip"] = True
    with pytest.raises(UserError, match="isn't found by its name alone"):
        read(document, tmp_path)


def test_a_long_text_full_of_them_takes_no_longer_than_its_length(tmp_path: Path) -> None:
    tokenizer = read(with_added("byte level", {"<s>": (True, True, True, False, True)}), tmp_path)
    many = 10_000
    assert tokenizer.split_special("x <s> " * many).count(tokenizer.special_tokens["<s>"]) == many
    assert len(tokenizer.split_special(" " * many + "<s>" + " " * many)) == 1
