"""Bulk training and encoding: marks, parts and joins change neither an id nor a merge."""

import random
from collections.abc import Iterator

import pytest
import regex
import tiktoken

from hornbook.tokenizers import _bulk
from hornbook.tokenizers._bulk import END, PART, BulkEncoder, gathered, learn_merges_in_bulk, marked, shorter
from hornbook.tokenizers._merges import parents
from hornbook.tokenizers._patterns import PATTERNS, cut, pattern_text
from hornbook.tokenizers.bpe import BPE

SIGNS = [*"  \t\n\r\x0b\x0c\x1c\x1f\x85\xa0\u2003\u2028\u3000ab'sé!?.12\0|<>", "it's", "  ", "\n\n", "\r\n", "東", "re"]
TOKENS = {bytes([byte]): byte for byte in range(256)} | {
    token: 256 + place for place, token in enumerate([b"  ", b" a", b"ab", b"\n\n", b"\r\n", b"'s", b" \n"])
}


def random_texts(count: int) -> list[str]:
    draw = random.Random(5)
    texts = ["".join(draw.choices(SIGNS, k=draw.randint(0, 40))) for _ in range(count)]
    return [text for text in texts if _bulk.RESERVED not in text]


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_bulk, "PART_CHARACTERS", 7)


@pytest.mark.parametrize("pattern", PATTERNS)
def test_random_texts_have_the_ids_of_the_whole_pattern(pattern: str) -> None:
    whole = tiktoken.Encoding("whole", pat_str=pattern_text(pattern), mergeable_ranks=TOKENS, special_tokens={})
    texts = random_texts(600)
    assert [ids.tolist() for ids in BulkEncoder(TOKENS, pattern).encode(texts)] == whole.encode_ordinary_batch(texts)
    assert BulkEncoder(TOKENS, pattern).encode([]) == []


@pytest.mark.parametrize("pattern", PATTERNS)
def test_without_the_marks_other_ids_would_come(pattern: str, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = tiktoken.Encoding("whole", pat_str=pattern_text(pattern), mergeable_ranks=TOKENS, special_tokens={})
    monkeypatch.setattr(_bulk, "marked", lambda text, pattern, mark: text)
    assert BulkEncoder(TOKENS, pattern).encode(["a  ab"])[0].tolist() != whole.encode_ordinary("a  ab")


@pytest.mark.parametrize("pattern", PATTERNS)
def test_random_texts_give_rustbpes_merges(pattern: str) -> None:
    rustbpe = pytest.importorskip("rustbpe")
    texts = random_texts(600)
    trainer = rustbpe.Tokenizer()
    trainer.train_from_iterator(iter(texts), 400, pattern=pattern_text(pattern))
    ranks = {bytes(token): rank for token, rank in trainer.get_mergeable_ranks()}
    expected = [(ranks[left], ranks[right]) for left, right in parents(ranks)]
    assert learn_merges_in_bulk(texts, 400 - 256, pattern) == expected


def test_a_mark_stands_where_the_pattern_would_have_stopped() -> None:
    assert marked("if a:\n    b", "qwen2", "|") == "if a:\n   | b"
    assert marked("a\n\n\tb", "qwen2", "|") == "a\n\n\tb"
    assert marked("a\n\n\tb", "gpt-2", "|") == "a\n\n|\tb"
    text = "x \t  y  \n\n z\u3000\u3000w  "
    for pattern in PATTERNS:
        pieces = cut(text, regex.compile(pattern_text(pattern)))
        assert all("|" not in piece for piece in pieces)
        plain = regex.compile(_bulk.without_look_ahead(pattern))
        assert [
            piece for part in marked(text, pattern, "\ufdd0").split("\ufdd0") for piece in cut(part, plain)
        ] == pieces


def test_parts_are_the_whole_text_and_never_wait_for_the_end() -> None:
    asked: list[int] = []

    def texts() -> Iterator[str]:
        for place in range(100):
            asked.append(place)
            yield f"text number {place} "

    first = next(gathered(texts()))
    assert (len(asked), first) == (1, "text number")  # so memory doesn't grow with the number of texts
    assert "".join(gathered(texts())) == "".join(texts())
    assert list(shorter("ab cd ef gh ij")) == ["ab cd ef", " gh ij"]


@pytest.mark.parametrize("text", [PART, END, f"a{END}b{PART}", "\0|>"])
def test_a_text_that_holds_a_mark_is_text(text: str) -> None:
    tokenizer = BPE(BPE.train(["the cat sat on the mat"], vocab_size=270).parts)
    given = text + " the cat" * 5_000
    assert tokenizer.decode(tokenizer.encode(given)) == given
    assert [ids.tolist() for ids in tokenizer.encode_arrays([given, "the"])] == tokenizer.encode_batch([given, "the"])
