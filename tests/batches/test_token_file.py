"""Tokens on disk: what goes in comes out, whatever the shards."""

import hashlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hornbook.batches.token_file import TokenFile, TokenWriter, token_dtype


def written(folder: Path, chunks: list[list[int]], vocab_size: int = 70_000, shard_tokens: int = 7) -> TokenFile:
    with TokenWriter(folder, "train", vocab_size, shard_tokens=shard_tokens) as writer:
        for chunk in chunks:
            writer.append(chunk)
    return TokenFile([folder / shard["file"] for shard in writer.shards], writer.dtype)


@pytest.mark.parametrize("ids", [[65], [-1], [70_000], [3, 2**40]])
def test_an_id_outside_the_vocabulary_is_never_written(tmp_path: Path, ids: list[int]) -> None:
    with TokenWriter(tmp_path, "train", 65) as writer, pytest.raises(AssertionError):
        writer.append(ids)
    assert list(tmp_path.iterdir()) == []


def test_only_slices_in_order(tmp_path: Path) -> None:
    with pytest.raises(AssertionError):
        written(tmp_path, [[1, 2, 3]])[::2]


def test_no_tokens_make_no_file(tmp_path: Path) -> None:
    tokens = written(tmp_path, [[], []])
    assert len(tokens) == 0
    assert tokens[0:5].tolist() == []
    assert list(tmp_path.iterdir()) == []


def test_an_empty_shard_can_be_opened(tmp_path: Path) -> None:
    (tmp_path / "val-00000.bin").touch()
    assert len(TokenFile([tmp_path / "val-00000.bin"], "<u2")) == 0


@pytest.mark.parametrize(("vocab_size", "dtype"), [(1, "<u2"), (65_536, "<u2"), (65_537, "<u4"), (200_000, "<u4")])
def test_the_narrowest_type_that_holds_every_id(vocab_size: int, dtype: str) -> None:
    assert token_dtype(vocab_size) == np.dtype(dtype)


def test_the_file_is_plain_little_endian_numbers(tmp_path: Path) -> None:
    written(tmp_path, [[1, 258]], vocab_size=300)
    assert (tmp_path / "train-00000.bin").read_bytes() == bytes([1, 0, 2, 1])


@settings(deadline=None)
@given(
    chunks=st.lists(st.lists(st.integers(0, 69_999), max_size=20), max_size=8),
    start=st.integers(-5, 100),
    length=st.integers(0, 100),
)
def test_slices_are_those_of_a_list(
    tmp_path_factory: pytest.TempPathFactory, chunks: list[list[int]], start: int, length: int
) -> None:
    tokens = written(tmp_path_factory.mktemp("tokens"), chunks)
    expected = [token for chunk in chunks for token in chunk]
    assert len(tokens) == len(expected)
    assert tokens[start : start + length].tolist() == expected[start : start + length]
    assert tokens[:].tolist() == expected


def test_shards_know_their_size_and_hash(tmp_path: Path) -> None:
    with TokenWriter(tmp_path, "val", 10, shard_tokens=4) as writer:
        writer.append(list(range(10)))
    assert [(shard["file"], shard["tokens"]) for shard in writer.shards] == [
        ("val-00000.bin", 4),
        ("val-00001.bin", 4),
        ("val-00002.bin", 2),
    ]
    for shard in writer.shards:
        assert hashlib.sha256((tmp_path / shard["file"]).read_bytes()).hexdigest() == shard["sha256"]
