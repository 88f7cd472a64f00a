"""Streams: half characters, spaces between words, and stop strings, against the text as a whole."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hornbook.errors import UserError
from hornbook.generation.text_stream import StopStrings, TextStream
from hornbook.tokenizers.base import Tokenizer


def first_stop(text: str, stops: list[str]) -> str:
    """The definition: read character by character; the first stop string that is complete ends the text before it."""
    for end in range(1, len(text) + 1):
        complete = [stop for stop in stops if text[:end].endswith(stop)]
        if complete:
            return text[: end - max(map(len, complete))]
    return text


def test_an_empty_stop_string_is_an_error() -> None:
    with pytest.raises(UserError, match="stop string ''"):
        StopStrings(["a", ""])


def test_a_lone_string_is_one_stop_string() -> None:
    assert StopStrings("END").stops == ["END"]


def test_half_a_character_waits_for_the_rest(some_tokenizers: list[Tokenizer]) -> None:
    stream = TextStream(some_tokenizers[0])
    assert [stream.push(token) for token in "a€".encode()] == ["a", "", "", "€"]
    assert stream.finish() == ""


def test_what_never_became_a_character_shows_at_the_end(some_tokenizers: list[Tokenizer]) -> None:
    stream = TextStream(some_tokenizers[0])
    assert stream.push(0xE2) + stream.push(0x82) == ""
    assert stream.finish() == "\N{REPLACEMENT CHARACTER}"


def test_a_word_brings_the_space_before_it(some_tokenizers: list[Tokenizer]) -> None:
    words = some_tokenizers[2]
    stream = TextStream(words, words.encode("The quick"))
    assert [stream.push(token) for token in words.encode("brown fox, it")] == [" brown", " fox", ",", " it"]


@given(st.data())
def test_pieces_joined_are_the_whole(some_tokenizers: list[Tokenizer], data: st.DataObject) -> None:
    tokenizer = data.draw(st.sampled_from(some_tokenizers))
    ids = st.lists(st.integers(0, tokenizer.vocab_size - 1))
    before, after = data.draw(ids), data.draw(ids)
    stream = TextStream(tokenizer, before)
    pieces = [stream.push(token) for token in after]
    whole = tokenizer.decode_bytes([*before, *after])[len(tokenizer.decode_bytes(before)) :]
    assert "".join(pieces) + stream.finish() == whole.decode(errors="replace")


@given(st.data())
def test_no_piece_of_a_valid_text_holds_half_a_character(some_tokenizers: list[Tokenizer], data: st.DataObject) -> None:
    text = data.draw(st.text())
    stream = TextStream(some_tokenizers[0])
    pieces = [stream.push(token) for token in text.encode()]
    assert "\ufffd" not in "".join(pieces) or "\ufffd" in text
    assert "".join(pieces) == text


@given(
    st.lists(st.text("ab-", max_size=4)),
    st.lists(st.text("ab-", min_size=1, max_size=3), max_size=3),
)
def test_stop_strings_do_what_their_definition_says(pieces: list[str], stops: list[str]) -> None:
    stopper = StopStrings(stops)
    released = [stopper.push(piece) for piece in pieces]
    whole = "".join(pieces)
    expected = first_stop(whole, stops)
    assert "".join(released) + stopper.finish() == expected
    assert stopper.stopped == (expected != whole)


def test_nothing_that_may_begin_a_stop_string_is_released_early() -> None:
    stopper = StopStrings(["Question:"])
    assert [stopper.push(piece) for piece in ("at home Que", "st", " on Question", ":")] == [
        "at home ",
        "",
        "Quest on ",
        "",
    ]
    assert stopper.stopped
