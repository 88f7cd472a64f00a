"""Randomness without memory: every random choice is a pure function of (seed, purpose, places).

No generator's state is ever saved, because none lives longer than one use. The purpose keeps two uses of the same
seed apart; the places say where in the run the choice falls (a step, an epoch, a row).
"""

import hashlib
import random
from typing import TYPE_CHECKING, TypeVar

import numpy as np

if TYPE_CHECKING:
    import torch

Index = TypeVar("Index", int, np.ndarray)

FEISTEL_ROUNDS = 6  # four already give a strong permutation (Luby and Rackoff 1988); two more cost little
MASK_64 = (1 << 64) - 1


def key(seed: int, purpose: str, *places: int) -> int:
    """64 bits that depend on every argument and on nothing else: (1, 'order', 7) -> the same number on every machine."""
    text = "/".join([str(seed), purpose, *map(str, places)])
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")


def python_random(seed: int, purpose: str, *places: int) -> random.Random:
    """A fresh `random.Random` for one use."""
    return random.Random(key(seed, purpose, *places))


def torch_generator(seed: int, purpose: str, *places: int, device: str = "cpu") -> "torch.Generator":
    """A fresh `torch.Generator` for one use, on `device`."""
    import torch

    return torch.Generator(device=device).manual_seed(
        key(seed, purpose, *places) >> 1
    )  # 63 bits: torch's seed is signed


def permute(index: Index, length: int, key: int) -> Index:
    """Where a keyed permutation of range(length) sends `index`; no table is stored, so an epoch of any size is free.

    A Feistel network permutes the next power of four; an image outside the range is sent on until it falls inside
    ("cycle walking", Black and Rogaway 2002), which keeps it a permutation and takes under four passes on average.
    In: an index or an array of them, 0 <= index < length. Out: the same type.
    """
    half_bits = max(1, ((length - 1).bit_length() + 1) // 2)
    values = np.atleast_1d(np.asarray(index, dtype=np.uint64))
    assert values.size == 0 or int(values.max()) < length, "index outside the permutation"
    values = _feistel(values, half_bits, key)
    outside = values >= length
    while outside.any():
        values[outside] = _feistel(values[outside], half_bits, key)
        outside = values >= length
    return values.astype(np.int64) if isinstance(index, np.ndarray) else int(values[0])


def _feistel(values: np.ndarray, half_bits: int, key: int) -> np.ndarray:
    """One pass over 2 * half_bits bits: (left, right) -> (right, left xor mix(right)), FEISTEL_ROUNDS times."""
    mask = np.uint64((1 << half_bits) - 1)
    left, right = values >> np.uint64(half_bits), values & mask
    for turn in range(FEISTEL_ROUNDS):
        left, right = right, left ^ (_mix(right + np.uint64((key + turn * 0x9E3779B97F4A7C15) & MASK_64)) & mask)
    joined: np.ndarray = (left << np.uint64(half_bits)) | right
    return joined


def _mix(values: np.ndarray) -> np.ndarray:
    """The finalizer of splitmix64 (Steele, Lea and Flood 2014): every input bit reaches every output bit."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed: np.ndarray = values ^ (values >> np.uint64(31))
    return mixed
