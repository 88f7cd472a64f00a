"""Mojibake: what ftfy alone would do line by line, at a fraction of its time; sound text in any language untouched."""

import ftfy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hornbook.text.mojibake import CODECS, mojibake

SOUND = [
    "Il était une fois « l’été » à l'hôtel…",
    "Он пошёл домой — «и всё»; а потом сел обедать.",
    "我们都是好朋友。今天天气很好",
    "Ἐν ἀρχῇ ἦν ὁ λόγος",
    "naïve café, 20 °C, £5 ½ price © 2020",
    "ligature ﬁ, ｗｉｄｅ, &amp; “quotes” stay",
]


def misread(text: str, codec: str) -> str:
    """UTF-8 read in a single-byte encoding; a byte without meaning there stands for its own number."""
    return "".join(bytes([byte]).decode(codec, "ignore") or chr(byte) for byte in text.encode())


@pytest.mark.parametrize("text", SOUND)
def test_sound_text_stays_the_same_object(text: str) -> None:
    assert mojibake(text) == text


@pytest.mark.parametrize("text", ["it’s a café", "naïve – “quoted”", "Ünïcödé 日本"])
def test_misread_text_is_repaired(text: str) -> None:
    assert mojibake("sound\n" + misread(text, "cp1252") + "\nsound") == "sound\n" + text + "\nsound"


@given(
    st.lists(st.text("éèàüßñ—’“…€яжёПαβΩ日🙂 ab?\xa0£×", max_size=8), max_size=3),
    st.sampled_from(CODECS),
    st.sampled_from(["", "\ufffd", "\x1a", " ", "é", "\x85"]),
)
def test_the_quick_check_never_hides_what_ftfy_would_repair(lines: list[str], codec: str, more: str) -> None:
    broken = [misread(line, codec).replace("\n", "").replace("\xa0", more or "\xa0") for line in lines]
    expected = "\n".join(ftfy.fix_encoding(line) for line in broken)
    assert mojibake("\n".join(broken)) == expected
