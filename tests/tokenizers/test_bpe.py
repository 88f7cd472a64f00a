"""Byte pair encoding against tiktoken and `tokenizers`: public numbers, any text, long texts, odd vocabularies."""

import functools
import random
from collections.abc import Callable
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import tiktoken
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import tokenizers
from hornbook.errors import UserError
from hornbook.tokenizers._bulk import RESERVED
from hornbook.tokenizers._merges import parents
from hornbook.tokenizers._patterns import PATTERNS, SPACE_BLOCK
from hornbook.tokenizers.base import END_OF_TEXT, tokenizer_hash
from hornbook.tokenizers.bpe import BPE, BULK_CHARACTERS

Number = Callable[[str], Any]

TEXT = "the cat in the hat sat on the mat; it's 1234 o'clock!\n\n  The end — naïve 東京 😀\t" * 5


@pytest.fixture(scope="module", params=sorted(PATTERNS))
def trained(request: pytest.FixtureRequest) -> BPE:
    return BPE.train([TEXT], vocab_size=360, pattern=request.param)


def without_bulk(tokenizer: BPE) -> BPE:
    """The same tokenizer, told that tiktoken's ids would be others."""
    slow = BPE(tokenizer.parts)
    slow.__dict__["_bulk"] = None
    return slow


@functools.cache
def read_once(folder: Path) -> BPE:
    """GPT-2's vocabulary, once for all tests."""
    return BPE.from_gpt2_files(folder / "vocab.json", folder / "merges.txt")


def test_an_unknown_pattern_is_said_with_the_choices() -> None:
    with pytest.raises(UserError, match=r"unknown pattern 'gpt2' \(choices: gpt-2, llama-bpe, qwen2\); hint: did"):
        BPE.train(["text"], pattern="gpt2")


def test_an_unknown_trainer_is_said_with_the_choices() -> None:
    with pytest.raises(UserError, match=r"unknown trainer 'rust' \(choices: auto, hornbook, rustbpe\)"):
        BPE.train(["text"], trainer="rust")


def test_a_special_token_that_is_a_token_is_refused() -> None:
    with pytest.raises(UserError, match="special token 'the' is also an ordinary token"):
        BPE.train(["the the"], special_tokens=["the"])


def test_too_little_text_makes_a_smaller_vocabulary(number: Number) -> None:
    assert number("bpe-17") == "Edge-case checks passed."
    for text, trainer in product(["", "H", "He"], ["auto", "hornbook"]):
        tokenizer = BPE.train([text], vocab_size=270, special_tokens=(), trainer=trainer)
        assert tokenizer.vocab_size == 256 + (text == "He")
        assert tokenizer.decode(tokenizer.encode("Hello")) == "Hello"


def test_bytes_then_merges_then_special_tokens() -> None:
    tokenizer = BPE.train(["aab aab"], vocab_size=260)
    assert [tokenizer.token_text(token_id) for token_id in range(256, 260)] == ["aa", "aab", " aab", END_OF_TEXT]
    assert tokenizer.encode("aab aab") == [257, 258]
    assert BPE.train(["no end"], special_tokens=()).end_of_text is None


def test_bytes_of_this_is_some_text(number: Number) -> None:
    bytes_only = BPE.train([], vocab_size=257)
    assert bytes_only.encode("This is some text") == number("bpe-06")["bytes"]


@settings(max_examples=200, deadline=None)
@given(text=st.text() | st.text("the cat's\n 12é😀\u3000\u088f", max_size=60))
def test_our_loop_and_tiktoken_give_the_same_ids(trained: BPE, text: str) -> None:
    assume(RESERVED not in text)  # hypothesis also tries strings that it finds in the package
    assert trained._bulk is not None
    assert trained._bulk.encode([text])[0].tolist() == without_bulk(trained).encode(text)


@pytest.mark.parametrize("name", ["the-verdict.txt", "sms-spam.tsv"])
def test_real_texts_give_the_same_ids_both_ways(trained: BPE, shared_data: Callable[[str], Path], name: str) -> None:
    text = shared_data(name).read_text(encoding="utf-8")
    assert len(text) > BULK_CHARACTERS
    ids = trained.encode(text)
    assert without_bulk(trained).encode(text) == ids
    assert trained.decode(ids) == text
    assert trained.encode_batch([text[:-1], text]) == [trained.encode(text[:-1]), ids]
    lines = text.splitlines(keepends=True)
    assert trained.encode_batch(lines) == [
        without.encode(line) for without in [without_bulk(trained)] for line in lines
    ]


def test_runs_of_a_million_characters() -> None:
    trained = BPE.train([TEXT], vocab_size=360)
    for text in (" " * 1_000_000 + "x", "\n\t" * 300_000, "=" * 100_000, "a" * 100_000):
        assert trained.decode(trained.encode(text)) == text
    spaces = " " * 3 * SPACE_BLOCK + "x"
    assert trained.encode(spaces) == without_bulk(trained).encode(spaces)


def test_training_on_a_million_spaces() -> None:
    text = "ab " + " " * 1_000_000 + "ab"
    ours = BPE.train([text], vocab_size=262, trainer="hornbook")
    assert ours.parts == BPE.train([text], vocab_size=262).parts


def test_merges_that_do_not_follow_from_the_ids_are_not_given_to_tiktoken(trained: BPE) -> None:
    shuffled = list(trained.parts.tokens.values())
    random.Random(0).shuffle(shuffled)
    other = BPE(replace(trained.parts, tokens=dict(zip(trained.parts.tokens, shuffled, strict=True))))
    assert other._bulk is None
    text = TEXT * 100
    as_before = {token_id: trained.parts.tokens[token] for token, token_id in other.parts.tokens.items()}
    assert [as_before[token_id] for token_id in other.encode(text)] == trained.encode(text)


class TestGPT2:
    """The public vocabulary, from its own two files, against published ids and tiktoken's."""

    @pytest.fixture
    def gpt2(self, shared_data: Callable[[str], Path]) -> BPE:
        return read_once(shared_data("gpt2-vocabulary"))

    def test_sizes(self, gpt2: BPE, number: Number) -> None:
        newline, carriage_return, space = (gpt2.encode(text) for text in ("\n", "\r", " "))
        expected = number("bpe-01")
        assert (gpt2.vocab_size, len(gpt2.parts.merges)) == (expected["n_vocab"], expected["n_merges"])
        assert gpt2.end_of_text == expected["endoftext"] == gpt2.vocab_size - 1
        assert newline == [expected["newline"]]
        assert carriage_return == [expected["carriage_return"]]
        assert space == [expected["space"]]

    def test_published_ids(self, gpt2: BPE, number: Number) -> None:
        text = "Hello, do you like tea? <|endoftext|> In the sunlit terracesof someunknownPlace."
        ids = gpt2.encode(text, allow_special=True)
        assert {"ids": ids, "decoded": gpt2.decode(ids)} == number("bpe-02")
        assert gpt2.encode("This is some text") == number("bpe-06")["ids"]
        assert gpt2.encode("This is an example") == [1212, 318, 281, 1672]

    def test_unknown_words_in_pieces(self, gpt2: BPE, number: Number) -> None:
        ids = gpt2.encode("Akwirw ier")
        assert {"ids": ids, "pieces": [gpt2.token_text(token_id) for token_id in ids]} == number("bpe-03")
        with_end = gpt2.encode("Akwirw <|endoftext|> ier.", allow_special=True)
        assert {"ids": with_end, "decoded": gpt2.decode(with_end)} == number("bpe-04")

    def test_spot_checks(self, gpt2: BPE, number: Number) -> None:
        spots = number("bpe-13")
        assert {token_id: gpt2.token_text(int(token_id)) for token_id in spots} == spots

    def test_merges_follow_from_the_ids(self, gpt2: BPE) -> None:
        assert parents(gpt2.parts.tokens) == gpt2.parts.merges

    def test_ids_are_tiktokens_and_tokenizers(
        self, gpt2: BPE, shared_data: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(shared_data("tiktoken-cache")))
        public = tiktoken.get_encoding("gpt2")
        read = tokenizers.Tokenizer.from_file(str(gpt2.save(tmp_path)))

        @settings(max_examples=300)
        @given(st.text() | st.text("the 12's é\n\t😀aAzZ.,\u3000", max_size=50))
        def check(text: str) -> None:
            assume(END_OF_TEXT not in text)  # which tokenizers recognises
            ids = gpt2.encode(text)
            assert ids == public.encode_ordinary(text) == read.encode(text, add_special_tokens=False).ids
            assert gpt2.decode(ids) == text

        check()
        verdict = shared_data("the-verdict.txt").read_text(encoding="utf-8")
        assert gpt2.encode(verdict) == public.encode_ordinary(verdict) == without_bulk(gpt2).encode(verdict)


def test_tokenizers_reads_a_vocabulary_of_our_own(trained: BPE, tmp_path: Path) -> None:
    read = tokenizers.Tokenizer.from_file(str(trained.save(tmp_path)))
    assert read.encode(TEXT * 50).ids == trained.encode(TEXT * 50)
    assert tokenizer_hash(BPE.from_json(trained.to_json())) == tokenizer_hash(trained)
