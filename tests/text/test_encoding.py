"""Bytes -> text: what is refused, what is guessed, and that every encoding comes back as it was written."""

import gzip
from pathlib import Path

import pytest

from hornbook.errors import UserError
from hornbook.text.encoding import BLOCK_BYTES, CP1252, Encoding, detect_encoding, text_blocks


def written(folder: Path, data: bytes, name: str = "a.txt") -> Path:
    path = folder / name
    path.write_bytes(data)
    return path


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"%PDF-1.7 ...", "a PDF"),
        (b"PK\x03\x04....", "a zip archive"),
        (b"text\0text", "a binary file"),
        ("text".encode("utf-32"), "UTF-32"),
        (b"\x1f\x8bnot really", "a broken gzip file"),
    ],
)
def test_what_is_not_text_is_refused(tmp_path: Path, data: bytes, message: str) -> None:
    with pytest.raises(UserError, match=message):
        detect_encoding(written(tmp_path, data))


def test_a_gzip_file_cut_short_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path, gzip.compress(b"a long text " * 1000)[:-20], "a.txt.gz")
    with pytest.raises(UserError, match="broken gzip file"):
        detect_encoding(path)


def test_a_name_in_gz_without_gzip_inside_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is not a gzip file"):
        detect_encoding(written(tmp_path, b"plain", "a.txt.gz"))


def test_half_a_utf16_character_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path, "ab".encode("utf-16")[:-1])
    with pytest.raises(UserError, match="not valid UTF-16-LE"):
        list(text_blocks(path, detect_encoding(path)))


@pytest.mark.parametrize(
    ("data", "encoding"),
    [
        (b"ascii", Encoding("utf-8")),
        ("é".encode(), Encoding("utf-8")),
        ("é".encode("utf-8-sig"), Encoding("utf-8", 3)),
        ("é".encode("utf-16"), Encoding("utf-16-le", 2)),
        (b"\xfe\xff" + "é".encode("utf-16-be"), Encoding("utf-16-be", 2)),
        ("é".encode("cp1252"), Encoding("cp1252")),
        (b"", Encoding("utf-8")),
    ],
)
def test_the_encoding_is_told(tmp_path: Path, data: bytes, encoding: Encoding) -> None:
    assert detect_encoding(written(tmp_path, data)) == encoding


def test_an_invalid_byte_at_the_very_end_still_decides(tmp_path: Path) -> None:
    path = written(tmp_path, b"a" * (2 * BLOCK_BYTES) + b"\xe9")
    assert detect_encoding(path) == Encoding("cp1252")
    assert "".join(text_blocks(path, Encoding("cp1252"))).endswith("aé")


def test_a_character_across_two_blocks_survives(tmp_path: Path) -> None:
    text = "a" * (BLOCK_BYTES - 1) + "日本"
    path = written(tmp_path, text.encode())
    assert "".join(text_blocks(path, detect_encoding(path))) == text


def test_cp1252_agrees_with_python_and_has_all_bytes() -> None:
    known = [byte for byte in range(256) if byte not in (0x81, 0x8D, 0x8F, 0x90, 0x9D)]
    assert [CP1252[byte] for byte in known] == list(bytes(known).decode("cp1252"))
    assert len(CP1252) == len(set(CP1252)) == 256
