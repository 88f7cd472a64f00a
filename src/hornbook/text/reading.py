"""Files and folders -> documents, lazily: txt, md, jsonl, csv, and gzip of each, of any size.

Memory is bounded by one piece (about 1 MiB of text) or one record, whatever the size of the file. Nothing is skipped
in silence: `notify` gets one line for every file or group of files that was left out or read with a guess.
"""

import os
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from hornbook.errors import UserError, nearest
from hornbook.text.encoding import Encoding, detect_encoding, text_blocks
from hornbook.text.records import read_csv, read_jsonl

PIECE_CHARACTERS = 1 << 20

KINDS = {
    ".txt": "text", ".text": "text", ".md": "text", ".markdown": "text",
    ".jsonl": "jsonl", ".ndjson": "jsonl", ".csv": "csv",
}  # fmt: skip

Notify = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Document:
    """A text and where it came from: `start` and `end` are bytes in the (decompressed) file `source`.

    `continues` says that this piece goes on where the previous document of the same source stopped: a large txt or md
    file arrives in pieces of about 1 MiB, so nothing (no <|endoftext|>) belongs between them.
    """

    text: str
    source: str
    start: int
    end: int
    continues: bool = False


def tell(message: str) -> None:
    """Say one line on stderr: the default `notify`."""
    print(message, file=sys.stderr)


def read_documents(paths: Iterable[Path], *, text_field: str = "text", notify: Notify = tell) -> Iterator[Document]:
    """The documents of files and folders, in the order given; a folder's files sorted, its hidden ones skipped.

    One document per txt or md file, per jsonl line (its `text_field`), per csv row (its column `text_field`).
    Errors: `UserError` for a missing path, an empty file, a folder without text, a binary file, a malformed record.
    """
    for path, asked_for in find_files(paths, notify):
        encoding = detect_encoding(path)
        if encoding.name == "cp1252":
            notify(f"'{path}' is not UTF-8: read as cp1252 (Western European Windows)")
        empty = True
        for document in _read(path, encoding, text_field):
            empty = False
            yield document
        if empty and asked_for:
            raise UserError(f"'{path}' is empty")
        if empty:
            notify(f"skipped '{path}': it is empty")


def file_kind(path: Path) -> str | None:
    """How a file is read, by its name: notes.txt.gz -> 'text', a.jsonl -> 'jsonl', b.csv -> 'csv', c.png -> None."""
    name = path.name.lower().removesuffix(".gz")
    return KINDS.get(Path(name).suffix)


def find_files(paths: Iterable[Path], notify: Notify = tell) -> Iterator[tuple[Path, bool]]:
    """Each file once, with whether the user named it (rather than its folder). Errors: as in `read_documents`."""
    seen: set[Path] = set()
    for path in map(Path, paths):
        if path.is_dir():
            files, asked_for = _files_below(path, notify), False
        elif path.is_file():
            files, asked_for = [path], True
        else:
            raise _missing(path)
        for file in files:
            if (place := file.resolve()) in seen:
                notify(f"skipped '{file}': it is already in the list")
                continue
            seen.add(place)
            yield file, asked_for


def _missing(path: Path) -> UserError:
    if path.exists():
        return UserError(f"'{path}' is neither a file nor a folder")
    beside = [place.name for place in path.parent.iterdir()] if path.parent.is_dir() else []
    near = nearest(path.name, beside)
    return UserError(f"no such file or folder '{path}'", hint=f"did you mean '{path.parent / near}'?" if near else None)


def _files_below(folder: Path, notify: Notify) -> list[Path]:
    """The readable files of a folder and its subfolders, sorted by their path, so that every machine has one order."""

    def refuse(error: OSError) -> None:
        raise UserError(f"can't read the folder '{error.filename}': {(error.strerror or '').lower()}")

    files: list[Path] = []
    others = 0
    for place, folders, names in os.walk(folder, onerror=refuse):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in names:
            if name.startswith("."):
                continue
            if file_kind(Path(name)):
                files.append(Path(place, name))
            else:
                others += 1
    if not files:
        hint = "each may also end in .gz"
        raise UserError(f"no text files in '{folder}' ({others} other files)", choices=KINDS, hint=hint)
    if others:
        notify(f"skipped {others} files in '{folder}' that are not {', '.join(KINDS)}")
    return sorted(files, key=lambda file: file.relative_to(folder).parts)


def _read(path: Path, encoding: Encoding, text_field: str) -> Iterator[Document]:
    kind = file_kind(path)
    if kind not in ("jsonl", "csv"):  # a file with any other ending that the user named is tried as plain text
        yield from _read_text(path, encoding)
        return
    records = (read_jsonl if kind == "jsonl" else read_csv)(path, encoding, text_field)
    for text, start, end in records:
        yield Document(text, str(path), start, end)


def _read_text(path: Path, encoding: Encoding) -> Iterator[Document]:
    start = encoding.mark_bytes
    for number, piece in enumerate(pieces(text_blocks(path, encoding))):
        end = start + encoding.num_bytes(piece)
        yield Document(piece, str(path), start, end, continues=number > 0)
        start = end


def pieces(blocks: Iterable[str], length: int = PIECE_CHARACTERS) -> Iterator[str]:
    """Cut a stream of text into pieces of at most about `length` characters; joined they are the stream again.

    >>> list(pieces(["One.\\n\\nTw", "o, three.\\nFour."], length=8))
    ['One.\\n\\n', 'Two,', ' three.\\n', 'Four.']
    """
    buffer = ""
    for block in blocks:
        buffer += block
        while len(buffer) > length:
            cut = _cut_place(buffer, length)
            yield buffer[:cut]
            buffer = buffer[cut:]
    if buffer:
        yield buffer


def _cut_place(buffer: str, length: int) -> int:
    """Where to cut the first `length` characters: after the last blank line, else a line end, else before a space."""
    for mark in ("\n\n", "\n\r\n", "\n", "\r"):
        place = buffer.rfind(mark, length // 2, length)
        if place >= 0:
            cut = place + len(mark)
            while cut < len(buffer) and buffer[cut] in "\r\n":  # a run of blank lines stays in one piece
                cut += 1
            return cut
    space = buffer.rfind(" ", length // 2, length)
    return space if space > 0 else length
