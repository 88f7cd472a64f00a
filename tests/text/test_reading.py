"""Files and folders -> documents: bad input, round trips in every encoding, byte ranges, pieces of large files."""

import gzip
import os
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hornbook.errors import UserError
from hornbook.text.reading import PIECE_CHARACTERS, Document, pieces, read_documents

ENCODINGS = ("utf-8", "utf-8-sig", "utf-16")
# NUL marks a binary file; a leading U+FEFF is a byte-order mark in every encoding; surrogates are not text
TEXTS = st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\0\ufeff"), min_size=1)


def read(*paths: Path, **options: str) -> tuple[list[Document], list[str]]:
    notes: list[str] = []
    return list(read_documents(paths, notify=notes.append, **options)), notes


def test_a_missing_path_suggests_the_near_name(tmp_path: Path) -> None:
    (tmp_path / "meditations.txt").write_text("x")
    with pytest.raises(UserError, match=r"no such file .*meditation\.txt.*did you mean .*meditations\.txt"):
        read(tmp_path / "meditation.txt")


@pytest.mark.parametrize("name", ["a.txt", "a.jsonl", "a.csv"])
@pytest.mark.parametrize("data", [b"", b"\xef\xbb\xbf", gzip.compress(b"")])
def test_an_empty_file_is_an_error_when_named(tmp_path: Path, name: str, data: bytes) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(UserError, match="is empty"):
        read(tmp_path / name)


def test_a_folder_without_text_files(tmp_path: Path) -> None:
    (tmp_path / "picture.png").write_bytes(b"x")
    (tmp_path / ".hidden.txt").write_bytes(b"x")
    with pytest.raises(UserError, match=r"no text files in .*1 other files.*\.jsonl"):
        read(tmp_path)


def test_what_can_not_be_opened_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.txt"
    path.write_text("x")

    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("builtins.open", refuse)
    with pytest.raises(UserError, match=r"can't read '.*a\.txt': permission denied"):
        read(path)


def test_what_is_neither_file_nor_folder(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UserError, match="neither a file nor a folder"):
        read(tmp_path / "pipe")


def test_a_folder_is_read_in_sorted_order_and_says_what_it_skips(tmp_path: Path) -> None:
    for name in ("b.txt", "a/z.md", "a/b.txt.gz", ".git/x.txt", ".x.txt", "c.png", "empty.txt"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        data = b"" if name == "empty.txt" else name.encode()
        path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    documents, notes = read(tmp_path)
    assert [document.text for document in documents] == ["a/b.txt.gz", "a/z.md", "b.txt"]
    assert "skipped 1 files" in notes[0]
    assert "it is empty" in notes[1]


def test_a_file_named_twice_is_read_once(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("x")
    documents, notes = read(tmp_path / "a.txt", tmp_path)
    assert len(documents) == 1
    assert "already in the list" in notes[0]


def test_another_ending_is_read_as_text_when_named(tmp_path: Path) -> None:
    (tmp_path / "README").write_text("x")
    assert read(tmp_path / "README")[0][0].text == "x"


def test_cp1252_is_read_with_a_message(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes("“café” \x81".encode("cp1252", "replace").replace(b"?", b"\x81"))
    documents, notes = read(tmp_path / "a.txt")
    assert documents[0].text == "“café” \x81"
    assert "read as cp1252" in notes[0]


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(text=TEXTS, encoding=st.sampled_from(ENCODINGS), packed=st.booleans())
def test_any_text_comes_back(tmp_path: Path, text: str, encoding: str, packed: bool) -> None:
    data = text.encode(encoding)
    path = tmp_path / ("a.txt.gz" if packed else "a.txt")
    path.write_bytes(gzip.compress(data) if packed else data)
    (document,), notes = read(path)
    assert document.text == text
    assert data[document.start : document.end].decode("utf-16-le" if encoding == "utf-16" else "utf-8") == text
    assert not notes


@given(st.lists(st.text("ab \n\r")), st.integers(2, 12))
def test_pieces_joined_are_the_whole_and_short(blocks: list[str], length: int) -> None:
    cut = list(pieces(blocks, length))
    assert "".join(cut) == "".join(blocks)
    assert all(0 < len(piece.rstrip("\r\n")) <= length for piece in cut if piece.strip("\r\n"))


def test_a_large_file_comes_in_pieces_that_end_at_blank_lines(tmp_path: Path) -> None:
    text = "A paragraph — of words.\nIts second line.\n\n" * 60_000
    (tmp_path / "a.txt").write_text(text, encoding="utf-16")
    data = (tmp_path / "a.txt").read_bytes()
    documents, _ = read(tmp_path / "a.txt")
    assert [document.continues for document in documents] == [False, True, True]
    assert "".join(document.text for document in documents) == text
    assert all(document.text.endswith("\n\n") for document in documents)
    assert all(data[d.start : d.end].decode("utf-16-le") == d.text for d in documents)
    assert documents[-1].end == len(data)


def test_a_line_without_end_is_cut_and_memory_stays_bounded(tmp_path: Path) -> None:
    path = tmp_path / "a.txt.gz"
    size = 40 << 20
    path.write_bytes(gzip.compress(b"x" * size, 1))
    tracemalloc.start()
    length = sum(len(document.text) for document in read_documents([path]))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert length == size
    assert peak < 8 * PIECE_CHARACTERS
