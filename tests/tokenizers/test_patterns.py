"""Where text is cut: three engines of regular expressions that must agree on every character."""

import regex
import tiktoken
from hypothesis import given
from hypothesis import strategies as st
from tokenizers.pre_tokenizers import Split

import tokenizers
from hornbook.tokenizers._patterns import PATTERNS, SPACE_BLOCK, YOUNG, cut, has_long_space

CHARACTERS = "".join(chr(code) for code in range(0x110000) if not 0xD800 <= code <= 0xDFFF)
BYTES = {bytes([byte]): byte for byte in range(256)}


def test_every_character_has_the_class_that_rust_gives_it() -> None:
    for name in (r"\p{L}", r"\p{N}", r"\s"):
        rust = tiktoken.Encoding("class", pat_str=name, mergeable_ranks=BYTES, special_tokens={})
        theirs = rust.decode(rust.encode_ordinary(CHARACTERS))  # what matches nowhere is dropped
        assert "".join(regex.findall(name, YOUNG.sub("\ufffd", CHARACTERS))) == theirs


@given(text=st.text() | st.text("aB'sſ 1\n\r\t\u3000\u0558.¡", max_size=30), name=st.sampled_from(sorted(PATTERNS)))
def test_pieces_are_those_of_tokenizers_and_join_to_the_text(text: str, name: str) -> None:
    pieces = cut(text, regex.compile(PATTERNS[name]))
    assert "".join(pieces) == text
    theirs = Split(tokenizers.Regex(PATTERNS[name]), "isolated").pre_tokenize_str(text)
    assert pieces == [piece for piece, _ in theirs]


def test_digits_are_what_tells_the_patterns_apart() -> None:
    pieces = {name: cut("I'm 1862x", regex.compile(PATTERNS[name])) for name in PATTERNS}
    assert pieces["gpt-2"] == ["I", "'m", " 1862", "x"]
    assert pieces["llama-bpe"] == ["I", "'m", " ", "186", "2", "x"]
    assert pieces["qwen2"] == ["I", "'m", " ", "1", "8", "6", "2", "x"]


def test_a_young_letter_is_a_sign() -> None:
    assert cut("a\u088fb", regex.compile(PATTERNS["gpt-2"])) == ["a", "\u088f", "b"]


def test_long_runs_of_whitespace_are_found() -> None:
    assert has_long_space("x" + " \n" * SPACE_BLOCK + "x")
    assert not has_long_space("x" + " " * (SPACE_BLOCK - 2) + "x\n\n")
    assert not has_long_space("\n")
