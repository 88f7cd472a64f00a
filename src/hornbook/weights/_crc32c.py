"""CRC-32C (Castagnoli), which TensorFlow's files carry, fast enough for gigabytes: many short rows at once, then joined.

A CRC's register is linear: what a text leaves in it is what its first half leaves, pushed on by the second's length,
xor what the second leaves in an empty one. Zeros before a text leave an empty register empty.
"""

from functools import cache

import numpy as np

POLYNOMIAL = 0x82F63B78  # with its bits from low to high
ROW, MOST_ROWS = 1 << 8, 1 << 12  # bytes in a row, rows at once


def crc32c(data: np.ndarray) -> int:
    """The CRC of bytes (N,) uint8: b"123456789" -> 0xE3069283."""
    rows = min(MOST_ROWS, 1 << (len(data) // ROW).bit_length())
    chunk, register = rows * ROW, np.zeros(1, dtype=np.uint32)
    padding = -len(data) % chunk
    for start in range(-padding, len(data), chunk):
        part = data[max(0, start) : start + chunk]
        if start < 0:
            part = np.concatenate([np.zeros(padding, dtype=np.uint8), part])
        register = apply(zeros(chunk), register) ^ _rows(part, rows)
    begun = apply(zeros(len(data)), np.array([0xFFFFFFFF], dtype=np.uint32))  # a CRC starts with all bits set
    return int(register[0] ^ begun[0] ^ 0xFFFFFFFF)


def masked(crc: int) -> int:
    """As it is stored: turned by 15 bits, plus a constant, so that a CRC of data with CRCs in it is not special."""
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def apply(operator: np.ndarray, registers: np.ndarray) -> np.ndarray:
    """What an operator (32,), the image of each bit, makes of registers (N,) -> (N,)."""
    out = np.zeros_like(registers)
    for bit in range(32):
        out ^= operator[bit] * (registers >> np.uint32(bit) & np.uint32(1))
    return out


@cache
def zeros(count: int) -> np.ndarray:
    """The operator of `count` bytes of zeros, (32,), by squaring."""
    bits = np.uint32(1) << np.arange(32, dtype=np.uint32)
    result, step = bits.copy(), _TABLE[bits & np.uint32(0xFF)] ^ bits >> np.uint32(8)
    while count:
        if count & 1:
            result = apply(step, result)
        step, count = apply(step, step), count >> 1
    return result


def _rows(chunk: np.ndarray, rows: int) -> np.ndarray:
    """What a chunk leaves in an empty register, (1,): all rows byte by byte together, then pair by pair."""
    columns = np.ascontiguousarray(chunk.reshape(rows, ROW).T)
    registers = np.zeros(rows, dtype=np.uint32)
    for column in columns:
        registers = _TABLE[(registers ^ column) & np.uint32(0xFF)] ^ registers >> np.uint32(8)
    operator = zeros(ROW)
    while len(registers) > 1:
        registers = apply(operator, registers[::2]) ^ registers[1::2]
        operator = apply(operator, operator)
    return registers


def _table() -> np.ndarray:
    """What each byte does to a register: 256 entries."""
    table = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        table = np.where(table & np.uint32(1), table >> np.uint32(1) ^ np.uint32(POLYNOMIAL), table >> np.uint32(1))
    return table


_TABLE = _table()
