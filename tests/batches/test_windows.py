"""Windows: known windows of a known text, and every target counted once."""

from collections.abc import Callable
from itertools import chain
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hornbook.batches.windows import IGNORED, Windows
from hornbook.errors import UserError

VOCABULARY = "gpt2-vocabulary"


@pytest.fixture(scope="module")
def gpt2_ids() -> Callable[[Path, Path], np.ndarray]:
    """GPT-2's ids of a text, by the tokenizers library: an outsider."""
    tokenizers = pytest.importorskip("tokenizers")

    def encode(folder: Path, text: Path) -> np.ndarray:
        gpt2 = tokenizers.ByteLevelBPETokenizer(str(folder / "vocab.json"), str(folder / "merges.txt"))
        return np.array(gpt2.encode(text.read_text(encoding="utf-8")).ids, dtype=np.uint16)

    return encode


@pytest.fixture
def verdict(shared_data: Callable[[str], Path], gpt2_ids: Callable[[Path, Path], np.ndarray]) -> np.ndarray:
    return gpt2_ids(shared_data(VOCABULARY), shared_data("the-verdict.txt"))


@pytest.mark.parametrize("num_tokens", [0, 1, 4])
def test_a_text_shorter_than_one_window(num_tokens: int) -> None:
    with pytest.raises(UserError, match=rf"the validation part has {num_tokens} tokens, but 5 are needed.*hint"):
        Windows(np.arange(num_tokens), 4, name="the validation part")


@pytest.mark.parametrize("num_tokens", [0, 1])
def test_even_padded_windows_need_two_tokens(num_tokens: int) -> None:
    with pytest.raises(UserError, match="but 2 are needed"):
        Windows(np.arange(num_tokens), 4, padded=True)


@pytest.mark.parametrize(("context_length", "stride"), [(0, None), (-1, None), (4, 0), (4, -2)])
def test_sizes_that_cannot_be(context_length: int, stride: int | None) -> None:
    with pytest.raises(UserError, match="must be at least 1"):
        Windows(np.arange(100), context_length, stride)


def test_there_is_no_window_beyond_the_last() -> None:
    windows = Windows(np.arange(9), 4)
    assert len(list(windows)) == len(windows) == 2
    for index in (2, -1):
        with pytest.raises(IndexError):
            windows[index]


def test_targets_are_the_inputs_one_place_on() -> None:
    inputs, targets = Windows(np.array([1, 5, 2, 6, 3, 7, 4, 8, 9]), 8)[0]
    assert inputs.tolist() == [1, 5, 2, 6, 3, 7, 4, 8]
    assert targets.tolist() == [5, 2, 6, 3, 7, 4, 8, 9]


@pytest.mark.parametrize(
    ("stride", "expected"),
    [(1, ["In the heart of", "the heart of the"]), (4, ["In the heart of", "the city stood the"])],
)
def test_windows_of_words(stride: int, expected: list[str]) -> None:
    words = ["In", "the", "heart", "of", "the", "city", "stood", "the", "old", "library"]
    windows = Windows(np.arange(len(words)), 4, stride)
    assert [" ".join(words[place] for place in windows[index][0]) for index in range(2)] == expected


@pytest.mark.parametrize(
    ("context_length", "stride", "count"),
    [(4, 1, 5141), (4, 4, 1286), (8, 2, 2569), (2, 2, 2572), (256, 128, 39), (256, 256, 20)],
)
def test_known_counts_of_windows(verdict: np.ndarray, context_length: int, stride: int, count: int) -> None:
    assert len(verdict) == 5145
    assert len(Windows(verdict, context_length, stride)) == count


def test_known_windows(verdict: np.ndarray) -> None:
    windows = Windows(verdict, 4, stride=1)
    assert [part.tolist() for part in windows[0]] == [[40, 367, 2885, 1464], [367, 2885, 1464, 1807]]
    assert [part.tolist() for part in windows[1]] == [[367, 2885, 1464, 1807], [2885, 1464, 1807, 3619]]
    assert [part.tolist() for part in windows[50]] == [[290, 4920, 2241, 287], [4920, 2241, 287, 257]]


def test_known_batches(verdict: np.ndarray) -> None:
    inputs, _ = Windows(verdict, 2, stride=2).gather([0, 2, 4, 6])
    assert inputs.tolist() == [[40, 367], [2885, 1464], [1807, 3619], [402, 271]]
    inputs, targets = Windows(verdict, 8, stride=2).gather(np.array([0, 2]))
    assert inputs.tolist() == [
        [40, 367, 2885, 1464, 1807, 3619, 402, 271],
        [2885, 1464, 1807, 3619, 402, 271, 10899, 2138],
    ]
    assert targets.tolist() == [
        [367, 2885, 1464, 1807, 3619, 402, 271, 10899],
        [1464, 1807, 3619, 402, 271, 10899, 2138, 257],
    ]
    assert inputs.dtype == targets.dtype == torch.int64


@settings(deadline=None)
@given(
    num_tokens=st.integers(2, 80),
    context_length=st.integers(1, 30),
    stride=st.one_of(st.none(), st.integers(1, 30)),
    batch_size=st.integers(1, 7),
)
def test_evaluation_counts_every_target_once(
    num_tokens: int, context_length: int, stride: int | None, batch_size: int
) -> None:
    stride = min(stride or context_length, context_length)
    windows = Windows(np.arange(num_tokens), context_length, stride, padded=True)
    batches = list(windows.every_batch(batch_size))
    assert all(len(inputs) == batch_size for inputs, _ in batches[:-1])
    pairs = []
    for inputs, targets in batches:
        assert inputs.shape == targets.shape == (len(inputs), context_length)
        pairs += chain.from_iterable(map(zip, inputs.tolist(), targets.tolist()))
    counted = [(token, target) for token, target in pairs if target != IGNORED]
    assert counted == [(token, token + 1) for token in range(num_tokens - 1)]


def test_overlapping_windows_give_every_target_the_tokens_before_it() -> None:
    windows = Windows(np.arange(11), 4, stride=2)
    inputs, targets = next(windows.every_batch(99))
    assert inputs.tolist() == [[0, 1, 2, 3], [2, 3, 4, 5], [4, 5, 6, 7], [6, 7, 8, 9]]
    assert targets.tolist() == [[1, 2, 3, 4], [-100, -100, 5, 6], [-100, -100, 7, 8], [-100, -100, 9, 10]]


def test_a_text_shorter_than_the_window_is_padded() -> None:
    ((inputs, targets),) = Windows(np.array([7, 8, 9]), 5, padded=True).every_batch(4)
    assert inputs.tolist() == [[7, 8, 0, 0, 0]]
    assert targets.tolist() == [[8, 9, -100, -100, -100]]
