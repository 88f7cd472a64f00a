"""Learning byte pair merges: again and again, the most frequent pair of neighbours becomes one new token.

Philip Gage 1994; for text, Sennrich, Haddow and Birch 2016. Pieces are counted once (most words occur often), and after
a merge only the pieces that held the pair are counted again: the pairs' counts are kept up, never recounted.

Ties: of equally frequent pairs the one with the smaller ids is merged first, compared as (first, second). It is the
rule of rustbpe, whose merges are the same.
"""

import heapq
from collections import Counter, defaultdict
from collections.abc import Mapping
from itertools import pairwise
from typing import AnyStr

Pair = tuple[int, int]

GONE = -1


def replace_pair(ids: list[int], pair: Pair, new: int) -> list[int]:
    """Replace every `pair` by `new`, left to right: [1, 2, 3, 1, 2], (1, 2), 4 -> [4, 3, 4]."""
    out: list[int] = []
    place = 0
    while place < len(ids):
        if ids[place] == pair[0] and ids[place + 1 : place + 2] == [pair[1]]:
            out.append(new)
            place += 2
        else:
            out.append(ids[place])
            place += 1
    return out


def apply_merges(ids: list[int], merges: Mapping[Pair, tuple[int, int]]) -> list[int]:
    """Merge neighbours, the pair that was learned first before all others and the leftmost first, until none is left.

    In: pair -> (its rank, the new id). Example: [1, 2, 3, 1, 2], {(1, 2): (0, 4), (4, 3): (1, 5)} -> [5, 4].
    The ids are a linked list and the pairs a heap, so that a piece of a million letters takes seconds, not days.
    """
    ids = [GONE, *ids, GONE]  # both ends are neighbours that no merge knows
    after, before = list(range(1, len(ids) + 1)), list(range(-1, len(ids) - 1))
    heap = [(merges[pair][0], place) for place, pair in enumerate(pairwise(ids)) if pair in merges]
    heapq.heapify(heap)
    while heap:
        rank, place = heapq.heappop(heap)
        right = after[place]
        known, new = merges.get((ids[place], ids[right]), (GONE, GONE))
        if known != rank:
            continue  # one of the two has been merged since
        ids[place], ids[right] = new, GONE
        after[place] = after[right]
        before[after[right]] = place
        for left in (before[place], place):
            pair = (ids[left], ids[after[left]])
            if pair in merges:
                heapq.heappush(heap, (merges[pair][0], left))
    return [token_id for token_id in ids if token_id != GONE]


def learn_merges(pieces: Mapping[bytes, int], num_merges: int) -> list[Pair]:
    """At most `num_merges` pairs in the order learned; pair number i makes the id 256 + i. Fewer where no pair is left.

    In: how often each piece occurs. Example: {b"aab": 2}, 2 -> [(97, 97), (256, 98)].
    """
    words = [list(piece) for piece in pieces]
    frequencies = list(pieces.values())
    counts: Counter[Pair] = Counter()
    holders: defaultdict[Pair, set[int]] = defaultdict(set)  # the words in which a pair occurs, or once did
    for word, ids in enumerate(words):
        _add_pairs(ids, frequencies[word], counts, holders, word)

    # A heap whose entries may be out of date: counts only fall between pushes, so a stale entry stands too high, is
    # met too early, and goes back with its true count.
    heap = [(-count, pair) for pair, count in counts.items()]
    heapq.heapify(heap)
    merges: list[Pair] = []
    while heap and len(merges) < num_merges:
        negative, pair = heapq.heappop(heap)
        if counts[pair] != -negative:
            if counts[pair] > 0:
                heapq.heappush(heap, (-counts[pair], pair))
            continue
        new = 256 + len(merges)
        merges.append(pair)
        for grown in _merge_everywhere(pair, new, words, frequencies, counts, holders):
            heapq.heappush(heap, (-counts[grown], grown))
    return merges


def _merge_everywhere(
    pair: Pair,
    new: int,
    words: list[list[int]],
    frequencies: list[int],
    counts: Counter[Pair],
    holders: defaultdict[Pair, set[int]],
) -> set[Pair]:
    """Merge the pair in every word that holds it, keep the counts true, and return the pairs that are new."""
    made: set[Pair] = set()
    for word in holders.pop(pair):
        before = words[word]
        after = replace_pair(before, pair, new)
        if len(after) == len(before):
            continue  # the word lost the pair to an earlier merge
        for old in pairwise(before):
            counts[old] -= frequencies[word]
        _add_pairs(after, frequencies[word], counts, holders, word)
        made.update(old for old in pairwise(after) if new in old)
        words[word] = after
    del counts[pair]
    return made


def _add_pairs(
    ids: list[int], frequency: int, counts: Counter[Pair], holders: defaultdict[Pair, set[int]], word: int
) -> None:
    for pair in pairwise(ids):
        counts[pair] += frequency
        holders[pair].add(word)


def parents(ranks: Mapping[AnyStr, int]) -> list[tuple[AnyStr, AnyStr]]:
    """From which two tokens each longer token was merged, in the order of ranks; the inverse of learning.

    A token is what merges of lower rank make of its bytes (or, of a text, its characters), and its own merge last:
    {a: 0, b: 1, ab: 2} -> [(a, b)].
    Errors: ValueError for a token that no two tokens of lower rank make.
    """
    found = []
    for token, rank in sorted(ranks.items(), key=lambda item: item[1]):
        if len(token) > 1:
            parts = _merge_below(token, rank, ranks)
            if len(parts) != 2:
                raise ValueError(f"no merge makes the token {token!r}")
            found.append((parts[0], parts[1]))
    return found


def _merge_below(token: AnyStr, limit: int, ranks: Mapping[AnyStr, int]) -> list[AnyStr]:
    """The parts of a token after all merges of a rank below `limit`, lowest first, leftmost first."""
    parts = [token[place : place + 1] for place in range(len(token))]
    while len(parts) > 1:
        rank, place = min((ranks.get(parts[i] + parts[i + 1], limit), i) for i in range(len(parts) - 1))
        if rank >= limit:
            break
        parts[place : place + 2] = [parts[place] + parts[place + 1]]
    return parts
