"""TensorFlow's checkpoints, read without TensorFlow: NAME.index says where each tensor lies in NAME.data-00000-of-00001.

The index is a sorted table of LevelDB: blocks of entries, whose keys leave out what they share with the one before,
a block that lists the blocks, and a footer of 48 bytes that says where it lies. Its values are protocol buffers: an
entry's kind of number, shape, place and CRC (tensor_bundle.proto). Data are mapped; a tensor is read when asked for.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from hornbook.errors import UserError
from hornbook.weights._crc32c import crc32c, masked
from hornbook.weights.disk_format import Unread

MAGIC = 0xDB4775248B80FB57
FOOTER, TRAILER = 48, 5  # bytes; behind each block stand how it is packed and its CRC
KINDS = {1: "<f4", 2: "<f8", 3: "<i4", 9: "<i8", 19: "<f2"}  # of numbers; others are no weights of a GPT-2
MOST_DIMENSIONS = 8

Fields = dict[int, list[int | bytes]]


@dataclass(frozen=True)
class Entry:
    """Where one tensor lies."""

    kind: str
    shape: tuple[int, ...]
    shard: int
    offset: int
    size: int
    crc: int


def open_checkpoint(index: Path) -> Unread:
    """Every tensor of a checkpoint by its name, unread. Errors: `UserError` where a file is missing, short or damaged."""
    try:
        entries, shards = _read_index(index)
    except (IndexError, KeyError, ValueError, struct.error) as error:
        raise UserError(f"'{index}' is damaged: {type(error).__name__} {error}", hint="fetch it again") from None
    files = [index.with_suffix(f".data-{shard:05}-of-{shards:05}") for shard in range(shards)]
    for name, entry in entries.items():
        file = files[entry.shard]
        if not file.is_file():
            raise UserError(f"'{file}' is missing")
        if entry.offset + entry.size > file.stat().st_size:
            raise UserError(f"'{file}' is cut short: '{name}' lies behind its end", hint="fetch it again")
    return Unread({name: partial(_read, files[entry.shard], name, entry) for name, entry in entries.items()})


def _read(file: Path, name: str, entry: Entry) -> Tensor:
    """One tensor, copied. Errors: `UserError` where its CRC is another."""
    data = np.memmap(file, dtype=np.uint8, mode="r", offset=entry.offset, shape=(entry.size,))
    if masked(crc32c(data)) != entry.crc:
        raise UserError(f"'{name}' in '{file}' is damaged: its checksum is another", hint="fetch it again")
    return torch.from_numpy(data.view(entry.kind).reshape(entry.shape).copy())


def _read_index(index: Path) -> tuple[dict[str, Entry], int]:
    """Every tensor's entry, and the number of data files."""
    table = index.read_bytes()
    if len(table) < FOOTER or struct.unpack("<Q", table[-8:])[0] != MAGIC:
        raise ValueError("it doesn't end as a table does")
    footer = memoryview(table)[-FOOTER:]
    _, _, place = _handle(footer, 0)  # of a block that says nothing about tensors
    offset, size, _ = _handle(footer, place)
    found = {
        key: value
        for _, block in _pairs(_block(table, offset, size))
        for key, value in _pairs(_block(table, *_handle(block, 0)[:2]))
    }
    header = _fields(found.pop(b""))  # the first key is empty
    shards = _number(header, 1)
    if _number(header, 2) != 0 or not 0 < shards < 100_000:
        raise ValueError("numbers are big-endian, or it has no data file")
    return {key.decode(): _entry(value, shards) for key, value in found.items()}, shards


def _entry(value: memoryview, shards: int) -> Entry:
    fields = _fields(value)
    if 7 in fields or _number(fields, 1) not in KINDS:
        raise ValueError("a tensor is cut into slices, or of a kind that isn't read here")
    sizes = _fields(memoryview(_bytes(fields, 2))).get(2, [])
    shape = tuple(_number(_fields(memoryview(bytes(dim))), 1) for dim in sizes if isinstance(dim, bytes))
    kind, size = KINDS[_number(fields, 1)], _number(fields, 5)
    count = int(np.prod(shape, dtype=object)) if shape else 1
    if len(shape) > MOST_DIMENSIONS or count * np.dtype(kind).itemsize != size or _number(fields, 3) >= shards:
        raise ValueError("a shape and a size disagree")
    return Entry(kind, shape, _number(fields, 3), _number(fields, 4), size, _number(fields, 6))


def _block(table: bytes, offset: int, size: int) -> memoryview:
    """One block, whose CRC is checked. Errors: `ValueError`."""
    block = memoryview(table)[offset : offset + size + TRAILER]
    if len(block) < size + TRAILER:
        raise ValueError("a block lies behind its end")
    packed, crc = struct.unpack("<BI", block[-TRAILER:])
    if masked(crc32c(np.frombuffer(block[:-4], dtype=np.uint8))) != crc:
        raise ValueError("a block's checksum is another")
    if packed:
        raise ValueError("it is compressed, which isn't read here")
    return block[:size]


def _pairs(block: memoryview) -> Iterator[tuple[bytes, memoryview]]:
    """The entries of a block: how much of the last key is kept, how much is new, how long the value is; then both."""
    end = len(block) - 4 - 4 * struct.unpack("<I", block[-4:])[0]  # behind them, where a search may start
    place, key = 0, b""
    while place < end:
        shared, place = _varint(block, place)
        new, place = _varint(block, place)
        length, place = _varint(block, place)
        key = key[:shared] + bytes(block[place : place + new])
        place += new + length
        yield key, block[place - length : place]


def _handle(data: memoryview, place: int) -> tuple[int, int, int]:
    """Where a block lies: its offset and size, and the place behind them."""
    offset, place = _varint(data, place)
    size, place = _varint(data, place)
    return offset, size, place


def _fields(message: memoryview) -> Fields:
    """A protocol buffer's fields: number -> its values, integers or bytes."""
    fields: Fields = {}
    place = 0
    while place < len(message):
        tag, place = _varint(message, place)
        value: int | bytes
        match tag & 7:
            case 0:
                value, place = _varint(message, place)
            case 2:
                length, place = _varint(message, place)
                value, place = bytes(message[place : place + length]), place + length
            case 5:
                value, place = struct.unpack_from("<I", message, place)[0], place + 4
            case 1:
                value, place = struct.unpack_from("<Q", message, place)[0], place + 8
            case other:
                raise ValueError(f"no field has the type {other}")
        fields.setdefault(tag >> 3, []).append(value)
    return fields


def _varint(data: memoryview, place: int) -> tuple[int, int]:
    """An integer of seven bits a byte, low bits first, and the place behind it: 0x96 0x01 -> 150."""
    value = shift = 0
    while True:
        byte = data[place]
        value, shift, place = value | (byte & 127) << shift, shift + 7, place + 1
        if byte < 128:
            return value, place
        if shift > 63:
            raise ValueError("a number has no end")


def _number(fields: Fields, key: int) -> int:
    value = fields.get(key, [0])[-1]
    assert isinstance(value, int)
    return value


def _bytes(fields: Fields, key: int) -> bytes:
    value = fields.get(key, [b""])[-1]
    assert isinstance(value, bytes)
    return value
