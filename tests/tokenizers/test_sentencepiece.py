"""Llama 2's kind of tokenizer.json: what can't be read, then the ids of `tokenizers` itself, trained on a small text."""

import json
import random
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

import tokenizers
from hornbook.errors import UserError
from hornbook.tokenizers._sentencepiece import SentencePieceBPE
from hornbook.tokenizers.base import load_tokenizer, tokenizer_hash
from tokenizers import decoders, models, normalizers, pre_tokenizers, processors, trainers

TEXT = [
    "the cat sat on the mat",
    "  the  théâtre, the hat",
    "that cat ate 1862 hats",
    "Größe: 5 €",
    "a\nb\tthe end",
] * 5
HARD = [
    "", " ", "   ",
    "the cat", " the cat", "  the cat ", "thethe the", "\n\nthe\tcat", "日本 the 🦊", "▁ the▁cat", "1862", "é e\u0301",
    "\x00\x7f", "a" * 50, "hat that théâtre ate", "xyz Ж",
]  # fmt: skip
BYTES = [f"<0x{byte:02X}>" for byte in range(256)]


def trained(scheme: str) -> dict[str, Any]:
    """A file as Llama 2 has it ('normalizer'), or as newer releases write it (the schemes of Metaspace)."""
    tokenizer = tokenizers.Tokenizer(models.BPE(byte_fallback=True, unk_token="<unk>", fuse_unk=True))
    replace = normalizers.Replace(" ", "▁")
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), replace])
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="never", split=True)
    special = ["<unk>", "<s>", "</s>"]
    trainer = trainers.BpeTrainer(vocab_size=340, special_tokens=[*special, *BYTES], show_progress=False)
    tokenizer.train_from_iterator(TEXT, trainer)
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    document = json.loads(tokenizer.to_str())
    document["added_tokens"] = document["added_tokens"][:3]
    document["pre_tokenizer"] = None
    if scheme == "never":
        document["normalizer"] = json.loads(json.dumps(document["normalizer"]["normalizers"][1]))
        document["decoder"]["decoders"].pop()
    elif scheme != "normalizer":
        document["normalizer"] = None
        document["pre_tokenizer"] = {"type": "Metaspace", "replacement": "▁", "prepend_scheme": scheme, "split": False}
    return document


def all_splits(document: dict[str, Any]) -> dict[str, Any]:
    """Merges as converters make them: every way to cut a token into two, so that a merge may come before its parts'."""
    vocabulary = document["model"]["vocab"]
    cuts = [(token[:at], token[at:]) for token in vocabulary if token not in BYTES for at in range(1, len(token))]
    known = [pair for pair in cuts if pair[0] in vocabulary and pair[1] in vocabulary]
    document["model"]["merges"] = [list(pair) for pair in sorted(known, key=lambda pair: vocabulary["".join(pair)])]
    return document


def both(folder: Path, document: dict[str, Any]) -> tuple[SentencePieceBPE, tokenizers.Tokenizer]:
    path = folder / "tokenizer.json"
    path.write_text(json.dumps(document))
    ours = load_tokenizer(path)
    assert isinstance(ours, SentencePieceBPE)
    return ours, tokenizers.Tokenizer.from_file(str(path))


def set_part(document: dict[str, Any], place: str, value: object) -> dict[str, Any]:
    *groups, last = place.split(".")
    inner = document
    for group in groups:
        inner = inner[group]
    inner[last] = value
    return document


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ("model.ignore_merges", True),
        ("model.dropout", 0.1),
        ("model.end_of_word_suffix", "</w>"),
        ("normalizer", {"type": "NFC"}),
        ("normalizer", None),
        ("pre_tokenizer", {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "first", "split": True}),
        ("pre_tokenizer", {"type": "Whitespace"}),
        ("truncation", {"max_length": 3}),
    ],
)
def test_a_part_that_is_not_implemented_is_named(tmp_path, place, value) -> None:
    with pytest.raises(UserError, match=f"the part '{place}'"):
        both(tmp_path, set_part(trained("normalizer"), place, value))


def test_a_vocabulary_without_all_bytes(tmp_path) -> None:
    document = trained("normalizer")
    del document["model"]["vocab"]["<0x0A>"]
    with pytest.raises(UserError, match="lacks 1 of the 256 bytes, '<0x0A>' among them"):
        both(tmp_path, document)


def test_it_is_not_trained_here() -> None:
    with pytest.raises(UserError, match="is read here, not trained"):
        SentencePieceBPE.train(["a"])


@pytest.mark.parametrize("scheme", ["normalizer", "first", "always", "never"])
@pytest.mark.parametrize("converted", [False, True], ids=["learned merges", "all splits"])
def test_ids_and_texts_are_those_of_tokenizers(tmp_path, scheme, converted) -> None:
    document = trained(scheme)
    ours, theirs = both(tmp_path, all_splits(document) if converted else document)
    dice = random.Random(1)
    letters = "the catsm▁ 1é\n日🦊x"
    fuzz = ["".join(dice.choices(letters, k=dice.randrange(1, 30))) for _ in range(300)]
    for text in HARD + TEXT + fuzz:
        expected = theirs.encode(text, add_special_tokens=False).ids
        assert ours.encode(text) == expected, text
        if scheme in ("normalizer", "never"):
            assert ours.decode(expected) == text.replace("▁", " ") == theirs.decode(expected, skip_special_tokens=False)
    assert any(len(ours.token_text(token)) > 2 for token in ours.encode("the cat sat"))  # merges were at work


@pytest.mark.parametrize("scheme", ["normalizer", "first", "always", "never"])
def test_special_tokens_in_a_text_on_request(tmp_path, scheme) -> None:
    ours, theirs = both(tmp_path, trained(scheme))
    for text in ("<s>the cat</s>", "the</s> cat<s>", "</s>", "<s> the cat"):
        assert ours.encode(text, allow_special=True) == theirs.encode(text, add_special_tokens=False).ids, text
    assert 1 not in ours.encode("<s>the cat")
    assert (ours.end_of_text, ours.special_id("bos_token")) == (2, 1)


def test_what_comes_first_is_a_prefix_of_what_follows(tmp_path) -> None:
    ours, _ = both(tmp_path, trained("normalizer"))
    ids = ours.encode(" the cat 日本\n\nthat")
    whole = ours.decode_bytes(ids)
    assert all(whole.startswith(ours.decode_bytes(ids[:count])) for count in range(len(ids) + 1))


def test_the_file_goes_back_to_disk_as_it_came(tmp_path) -> None:
    document = trained("normalizer")
    ours, _ = both(tmp_path, deepcopy(document))
    assert ours.to_json() == document
    assert tokenizer_hash(load_tokenizer(ours.save(tmp_path / "again"))) == tokenizer_hash(ours)
