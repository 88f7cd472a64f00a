"""Learning and applying merges: hand-worked cases, a recount after every merge, and rustbpe."""

import re
import time
from collections import Counter
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hornbook.tokenizers._bulk import learn_merges_in_bulk
from hornbook.tokenizers._merges import apply_merges, learn_merges, parents, replace_pair
from hornbook.tokenizers._patterns import PATTERNS
from hornbook.tokenizers.bpe import BPE

# Few letters, so that runs and ties are frequent: there the algorithms could part
PIECES = st.dictionaries(st.text("ab c", min_size=1, max_size=12).map(str.encode), st.integers(1, 4), max_size=8)


def recounted(pieces: dict[bytes, int], num_merges: int) -> list[tuple[int, int]]:
    """The definition, slow and plain: count all pairs anew before every merge."""
    words = [(list(piece), count) for piece, count in pieces.items()]
    merges: list[tuple[int, int]] = []
    while len(merges) < num_merges:
        counts: Counter[tuple[int, int]] = Counter()
        for ids, count in words:
            for pair in pairwise(ids):
                counts[pair] += count
        if not counts:
            break
        best = min(counts, key=lambda pair: (-counts[pair], pair))
        words = [(replace_pair(ids, best, 256 + len(merges)), count) for ids, count in words]
        merges.append(best)
    return merges


@pytest.mark.parametrize(("pieces", "count"), [({}, 9), ({b"H": 3}, 9), ({b"He": 1}, 9), ({b"abc": 5}, 0)])
def test_too_little_text_gives_fewer_merges(pieces: dict[bytes, int], count: int) -> None:
    assert len(learn_merges(pieces, count)) == (1 if b"He" in pieces else 0)


def test_replace_pair() -> None:
    assert replace_pair([1, 2, 3, 1, 2], (1, 2), 4) == [4, 3, 4]
    assert replace_pair([1, 1, 1], (1, 1), 2) == [2, 1]
    assert replace_pair([], (1, 2), 4) == []


def test_the_cat_in_the_hat_by_hand() -> None:
    # without a pattern, as one piece; ties go to the smaller ids: (a, t) and (e, " ") come before (t, h)
    assert learn_merges({b"the cat in the hat": 1}, 3) == [(97, 116), (101, 32), (104, 257)]


def test_the_cat_in_the_hat_with_the_books_merges(number: Callable[[str], Any]) -> None:
    """The book breaks the ties the other way: "th", "the", "the "; its steps are written with new ids in <>."""
    expected = number("bpe-16")

    def ids(written: str) -> list[int]:
        return [int(part[1]) if part[1] else ord(part[0]) for part in re.finditer(r"<(\d+)>|.", written)]

    pairs = [tuple(ids(expected[f"merge_{new}"].replace(" (space)", " "))) for new in (256, 257, 258)]
    assert pairs == [(116, 104), (256, 101), (257, 32)]
    merges = {pair: (rank, 256 + rank) for rank, pair in enumerate(pairs)}
    assert apply_merges(list(expected["decoded"].encode()), merges) == ids(expected["final"])


@given(pieces=PIECES, num_merges=st.integers(0, 40))
def test_kept_counts_are_recounts(pieces: dict[bytes, int], num_merges: int) -> None:
    assert learn_merges(pieces, num_merges) == recounted(pieces, num_merges)


@given(pieces=PIECES, num_merges=st.integers(0, 40), piece=st.text("ab c", max_size=30).map(str.encode))
def test_applying_is_the_rank_order_replay(pieces: dict[bytes, int], num_merges: int, piece: bytes) -> None:
    merges = learn_merges(pieces, num_merges)
    replayed = list(piece)
    for rank, pair in enumerate(merges):
        replayed = replace_pair(replayed, pair, 256 + rank)
    assert apply_merges(list(piece), {pair: (rank, 256 + rank) for rank, pair in enumerate(merges)}) == replayed


@given(pieces=PIECES, num_merges=st.integers(0, 40))
def test_merges_follow_from_the_tokens(pieces: dict[bytes, int], num_merges: int) -> None:
    names = [bytes([byte]) for byte in range(256)]
    pairs = learn_merges(pieces, num_merges)
    for left, right in pairs:
        names.append(names[left] + names[right])
    assert len(set(names)) == len(names)
    ranks = {name: rank for rank, name in enumerate(names)}
    assert parents(ranks) == [(names[left], names[right]) for left, right in pairs]


def test_a_token_that_no_merge_makes_is_said() -> None:
    with pytest.raises(ValueError, match="no merge makes the token b'abc'"):
        parents({b"a": 0, b"b": 1, b"c": 2, b"abc": 3})


def test_a_piece_of_many_letters_is_quick() -> None:
    letters = b"acgt" * 25_000
    merges = {pair: (rank, 256 + rank) for rank, pair in enumerate(learn_merges({letters[:4000]: 1}, 20))}
    assert len(apply_merges(list(letters), merges)) < 100


@given(
    texts=st.lists(st.text() | st.text("ab 'sé1\n", max_size=30), max_size=5), pattern=st.sampled_from(sorted(PATTERNS))
)
def test_rustbpe_learns_the_same_from_any_text(texts: list[str], pattern: str) -> None:
    pytest.importorskip("rustbpe")
    ours = BPE.train(texts, vocab_size=300, pattern=pattern, trainer="hornbook")
    theirs = BPE.train(texts, vocab_size=300, pattern=pattern, trainer="rustbpe")
    assert ours.parts == theirs.parts


@pytest.mark.parametrize("name", ["the-verdict.txt", "meditations.txt"])
@pytest.mark.parametrize("pattern", sorted(PATTERNS))
def test_rustbpe_learns_the_same_from_real_texts(shared_data: Callable[[str], Path], name: str, pattern: str) -> None:
    pytest.importorskip("rustbpe")
    documents = shared_data(name).read_text(encoding="utf-8").split("\n\n")
    ours = BPE.train(documents, vocab_size=1000, pattern=pattern, trainer="hornbook")
    assert ours.parts == BPE.train(documents, vocab_size=1000, pattern=pattern, trainer="rustbpe").parts


def test_a_megabyte_to_4096_ids_in_under_ten_seconds(shared_data: Callable[[str], Path]) -> None:
    text = shared_data("tiny-shakespeare.txt").read_text(encoding="utf-8")
    begun = time.perf_counter()
    ours = BPE.train([text], vocab_size=4096, trainer="hornbook")
    assert time.perf_counter() - begun < 10
    assert ours.vocab_size == 4096
    pytest.importorskip("rustbpe")
    merges = learn_merges_in_bulk([text], 4096 - 257, "qwen2")
    names = list(ours.parts.tokens)
    assert [(names[left], names[right]) for left, right in merges] == ours.parts.merges
