"""The suffix array of a long sequence of numbers: where its suffixes begin, in the order of an alphabet.

The first symbols of every suffix are packed into one number and sorted; then the known order of twice as many symbols
follows from the last one (prefix doubling: Manber and Myers 1990; only groups that are still alike are sorted again:
Larsson and Sadakane 1999). All is sorts of 64-bit numbers that hold the key above and the place below, in numpy.

N symbols.
"""

from collections.abc import Callable

import numpy as np

MOST = (1 << 31) - 1  # places fit into 32 bits
BLOCK = 1 << 20  # numbers made at once, so that what lies between costs a few megabytes

Progress = Callable[[float], None]  # the share that is in its place; what it raises ends the work


def suffix_array(values: np.ndarray, progress: Progress = lambda share: None) -> np.ndarray:
    """Where the suffixes of `values` (N,), ids from 0 on, begin, smallest first: [2, 1, 2, 1] -> [3, 1, 2, 0].

    Out: int32 (N,). A suffix comes before those that it is the beginning of. Besides `values` and the result it needs
    about 14 bytes a symbol for a while.
    """
    assert values.ndim == 1, "one sequence"
    assert len(values) <= MOST, "too long for 32 bits"
    order, heads, depth = _first_symbols(values)
    ranks = _ranks(order, heads)
    span = _chunk_length(len(values))
    while (done := _share_done(heads)) < 1:
        progress(done)
        start = 0
        while start < len(values):
            stop = _chunk_end(heads, start, span)
            _refine(order, ranks, heads, start, stop, depth)
            start = stop
        depth *= 2
    progress(1.0)
    return order


def _first_symbols(values: np.ndarray) -> tuple[np.ndarray, np.ndarray, int]:
    """The order by the first few symbols, which places begin a new group in it (N + 1,), and how many symbols those are."""
    length = len(values)
    symbols, place_bits = _dense(values), length.bit_length()
    symbol_bits = int(symbols.max(initial=1)).bit_length()
    depth = max(1, (64 - place_bits) // symbol_bits)
    keys = np.zeros(length, np.uint64)
    for start in range(0, length, BLOCK):
        stop = min(start + BLOCK, length)
        for offset in range(depth):
            part = symbols[start + offset : stop + offset]
            keys[start:stop] <<= np.uint64(symbol_bits)
            keys[start : start + len(part)] |= part  # beyond the end stands 0, which no symbol is
        keys[start:stop] <<= np.uint64(place_bits)
        keys[start:stop] |= np.arange(start, stop, dtype=np.uint64)
    del symbols
    keys.sort()
    order, heads = np.empty(length, np.int32), np.ones(length + 1, bool)
    for start in range(0, length, BLOCK):
        part = keys[start : start + BLOCK]
        order[start : start + BLOCK] = part & np.uint64((1 << place_bits) - 1)
        part >>= np.uint64(place_bits)
    for start in range(1, length, BLOCK):
        stop = min(start + BLOCK, length)
        heads[start:stop] = keys[start:stop] != keys[start - 1 : stop - 1]
    return order, heads, depth


def _dense(values: np.ndarray) -> np.ndarray:
    """The symbols numbered from 1 in their order, without gaps, as few bits each as that takes."""
    used = np.zeros(int(values.max(initial=0)) + 1, bool)
    for start in range(0, len(values), BLOCK):
        used[values[start : start + BLOCK]] = True
    numbers = np.cumsum(used)
    numbers = numbers.astype(np.uint16 if numbers[-1] < 1 << 16 else np.uint32)
    dense = np.empty(len(values), numbers.dtype)
    for start in range(0, len(values), BLOCK):
        dense[start : start + BLOCK] = numbers[values[start : start + BLOCK]]
    return dense


def _ranks(order: np.ndarray, heads: np.ndarray) -> np.ndarray:
    """For every suffix the place in `order` at which its group begins."""
    ranks, last = np.empty(len(order), np.int32), 0
    for start in range(0, len(order), BLOCK):
        part = order[start : start + BLOCK]
        places = np.arange(start, start + len(part), dtype=np.int32)
        begun = np.maximum.accumulate(np.where(heads[start : start + len(part)], places, last))
        ranks[part], last = begun, int(begun[-1])
    return ranks


def _share_done(heads: np.ndarray) -> float:
    """The share of places whose suffix is alone in its group."""
    length, alone = len(heads) - 1, 0
    for start in range(0, length, BLOCK):
        stop = min(start + BLOCK, length)
        alone += int(np.count_nonzero(heads[start:stop] & heads[start + 1 : stop + 1]))
    return alone / length if length else 1.0


def _chunk_length(length: int) -> int:
    """So many places that a group's number, a rank and a place in the chunk fit into 64 bits together."""
    return 1 << max(1, min(18, (64 - length.bit_length()) // 2))  # 2^18 numbers are 2 MB: they stay in a core's cache


def _chunk_end(heads: np.ndarray, start: int, span: int) -> int:
    """The border of a group at most `span` behind `start`; of a larger group its own end."""
    if start + span >= len(heads) - 1:
        return len(heads) - 1
    back = int(heads[start + 1 : start + span + 1][::-1].argmax())
    if heads[start + span - back]:
        return start + span - back
    reach = start + span + 1
    while not heads[reach : reach + BLOCK].any():
        reach += BLOCK
    return reach + int(heads[reach : reach + BLOCK].argmax())


def _refine(order: np.ndarray, ranks: np.ndarray, heads: np.ndarray, start: int, stop: int, depth: int) -> None:
    """Sort the groups at places start .. stop - 1, alike in `depth` symbols, by what stands behind those symbols.

    Ranks that were refined a moment ago may be read: they order the same suffixes further, never otherwise.
    """
    places = np.flatnonzero(~(heads[start:stop] & heads[start + 1 : stop + 1]))  # in groups of two or more
    if len(places) == 0:
        return
    places += start
    first, length = heads[places], len(order)
    rank_bits, place_bits = length.bit_length(), (len(places) - 1).bit_length()
    keys = np.empty(len(places), np.uint64)
    group = 0
    for begin in range(0, len(places), BLOCK):
        part = slice(begin, begin + BLOCK)
        behind = order[places[part]].astype(np.int64) + depth
        groups = group + np.cumsum(first[part])
        group = int(groups[-1])
        rank = np.where(behind < length, ranks[np.minimum(behind, length - 1)] + 1, 0)
        keys[part] = ((groups - 1) << rank_bits | rank) << place_bits | np.arange(begin, begin + len(behind))
    keys.sort()
    members = order[places]
    order[places] = members[(keys & np.uint64((1 << place_bits) - 1)).astype(np.int32)]
    keys >>= np.uint64(place_bits)
    first[1:] |= keys[1:] != keys[:-1]
    heads[places] = first
    ranks[order[places]] = np.maximum.accumulate(np.where(first, places, 0))
