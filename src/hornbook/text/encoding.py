"""Bytes on disk -> text, a block at a time: gzip, byte-order marks, UTF-8, UTF-16, and cp1252 for old Windows files.

A file is read twice: once to know its encoding for certain (an ill-formed byte may stand at the very end), once to
decode it. Neither pass holds more than one block.
"""

import codecs
import gzip
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from hornbook.errors import UserError

BLOCK_BYTES = 1 << 20

GZIP_MAGIC = b"\x1f\x8b"

# What people hand over by mistake; most other binary files are caught by their NUL bytes.
BINARY_MAGIC = {
    b"%PDF": ("a PDF", "convert it to text first, for example with pdftotext"),
    b"PK\x03\x04": ("a zip archive (also docx, epub, odt)", "unpack it or save it as plain text"),
    b"PAR1": ("a parquet file", "export it as jsonl"),
    b"{\\rtf": ("a rich text file", "save it as plain text"),
    b"\x89PNG": ("a picture", "text files only"),
    b"\xff\xd8\xff": ("a picture", "text files only"),
    b"7z\xbc\xaf": ("a 7z archive", "unpack it first"),
    b"BZh": ("a bzip2 archive", "unpack it first"),
    b"\xfd7zXZ": ("an xz archive", "unpack it first"),
    b"(\xb5/\xfd": ("a zstd archive", "unpack it first"),
}

MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


def _cp1252_character(byte: int) -> str:
    try:
        return bytes([byte]).decode("cp1252")
    except UnicodeDecodeError:
        return chr(byte)  # five bytes have no meaning in cp1252; as in web browsers they stand for their own number


CP1252 = "".join(_cp1252_character(byte) for byte in range(256))


@dataclass(frozen=True, slots=True)
class Encoding:
    """How the bytes of one file become text: the codec's name, and how many bytes of byte-order mark come first."""

    name: str
    mark_bytes: int = 0

    def decoder(self) -> Callable[[bytes, bool], str]:
        """A function (block, is it the last) -> text that keeps a character cut by a block's end for the next call."""
        if self.name == "cp1252":
            return lambda block, final: codecs.charmap_decode(block, "strict", CP1252)[0]
        return codecs.getincrementaldecoder(self.name)("strict").decode

    def num_bytes(self, text: str) -> int:
        """How many bytes of the file `text` was decoded from: Encoding("utf-16-le").num_bytes("ab") -> 4."""
        if self.name == "cp1252" or (self.name == "utf-8" and text.isascii()):
            return len(text)
        return len(text.encode(self.name))


def detect_encoding(path: Path) -> Encoding:
    """Read the whole file once and name its encoding: a byte-order mark decides, else UTF-8 if valid, else cp1252.

    Errors: `UserError` for a binary file, UTF-32, and everything that `byte_blocks` refuses.
    """
    blocks = byte_blocks(path)
    first = next(blocks, b"")
    _refuse_known_binary(path, first)
    for mark, name in MARKS:
        if first.startswith(mark) and name != "utf-8":
            return Encoding(name, len(mark))
    mark_bytes = len(codecs.BOM_UTF8) if first.startswith(codecs.BOM_UTF8) else 0
    decode: Callable[[bytes, bool], str] | None = Encoding("utf-8").decoder()
    for block in _chain(first, blocks):
        if b"\0" in block:
            raise UserError(f"'{path}' is a binary file (it holds NUL bytes)", hint="give text: txt, md, jsonl or csv")
        decode = decode if decode and _decodes(decode, block, False) else None
    if decode and _decodes(decode, b"", True):
        return Encoding("utf-8", mark_bytes)
    return Encoding("cp1252")


def byte_blocks(path: Path) -> Iterator[bytes]:
    """The (decompressed) bytes of a file, at most `BLOCK_BYTES` at a time; gzip is known by its first two bytes.

    Errors: `UserError` for a file that can't be read, a name in .gz that isn't gzip, and a broken gzip file.
    """
    try:
        with open(path, "rb") as file:
            head = file.read(len(GZIP_MAGIC))
            file.seek(0)
            if head == GZIP_MAGIC:
                with gzip.open(file) as unpacked:
                    while block := unpacked.read(BLOCK_BYTES):
                        yield block
                return
            if head and path.suffix.lower() == ".gz":
                raise UserError(f"'{path}' is not a gzip file", hint="rename it without .gz if it is plain text")
            while block := file.read(BLOCK_BYTES):
                yield block
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise UserError(f"'{path}' is a broken gzip file: {error}", hint="download or compress it again") from None
    except OSError as error:
        raise UserError(f"can't read '{path}': {(error.strerror or str(error)).lower()}") from None


def text_blocks(path: Path, encoding: Encoding) -> Iterator[str]:
    """The text of a file in blocks, without its byte-order mark. Errors: `UserError` for invalid bytes."""
    decode, skip = encoding.decoder(), encoding.mark_bytes
    try:
        for block in byte_blocks(path):
            yield decode(block[skip:], False)
            skip = 0
        yield decode(b"", True)
    except UnicodeDecodeError as error:
        raise UserError(f"'{path}' is not valid {encoding.name.upper()}: {error.reason}") from None


def _chain(first: bytes, blocks: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield from blocks


def _decodes(decode: Callable[[bytes, bool], str], block: bytes, final: bool) -> bool:
    try:
        decode(block, final)
    except UnicodeDecodeError:
        return False
    return True


def _refuse_known_binary(path: Path, first: bytes) -> None:
    for magic, (kind, hint) in BINARY_MAGIC.items():
        if first.startswith(magic):
            raise UserError(f"'{path}' is {kind}, not text", hint=hint)
    if first.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)):
        raise UserError(f"'{path}' is UTF-32, which is not read", hint="save it as UTF-8")
