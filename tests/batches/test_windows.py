"""Windows: known windows of a known text, and every target counted once."""

from collections.abc import Callable
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils.data import DataLoader

from hornbook.batches.windows import IGNORED, Windows
from hornbook.errors import UserError
from hornbook.tokenizers.bpe import BPE

Number = Callable[[str], Any]
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


def test_targets_are_the_inputs_one_place_on(number: Number) -> None:
    pair = number("misc-01")
    inputs, targets = Windows(np.array([*pair["input"], pair["target"][-1]]), 8)[0]
    assert {"input": inputs.tolist(), "target": targets.tolist()} == pair


@pytest.mark.parametrize("stride", [1, 4])
def test_windows_of_words(number: Number, stride: int) -> None:
    words = ["In", "the", "heart", "of", "the", "city", "stood", "the", "old", "library"]
    windows = Windows(np.arange(len(words)), 4, stride)
    found = [" ".join(words[place] for place in windows[index][0]) for index in range(2)]
    assert found == number("data-11")[f"stride{stride}"]


def test_known_counts_of_windows(verdict: np.ndarray, number: Number) -> None:
    assert len(verdict) == 5145
    counts = number("data-02")["window_counts_on_verdict"]
    assert len(counts) == 6
    for name, count in counts.items():  # L256_s128: length 256, stride 128
        context_length, stride = (int(part[1:]) for part in name.split("_"))
        assert len(Windows(verdict, context_length, stride)) == count


def test_the_books_loader_reads_our_windows(verdict: np.ndarray, number: Number) -> None:
    """They are a dataset as torch understands it; a text that fills no window is refused as the book's assert does."""
    defaults = dict(number("data-02")["defaults"])
    context_length, stride = defaults.pop("max_length"), defaults.pop("stride")
    batches = list(DataLoader(Windows(verdict, context_length, stride), **defaults))
    assert len(batches) == 39 // 4
    assert all(inputs.shape == targets.shape == (4, 256) for inputs, targets in batches)
    assert "max_length+1" in number("data-02")["tokens_must_exceed"]
    assert len(Windows(verdict[: context_length + 1], context_length)) == 1
    with pytest.raises(UserError, match="257 are needed"):
        Windows(verdict[:context_length], context_length)


def test_the_books_seeded_order(number: Number) -> None:
    """Five examples in batches of two, drawn by torch's loader from its global generator: twice, the second shorter."""
    points, labels = [[-1.2, 3.1], [-0.9, 2.9], [-0.5, 2.6], [2.3, -1.1], [2.7, -1.5]], [0, 0, 0, 1, 1]
    windows = Windows(np.arange(6), 1)
    torch.manual_seed(123)
    for name, drop_last in (("first", False), ("second", True)):
        drawn = [inputs.flatten().tolist() for inputs, _ in DataLoader(windows, 2, shuffle=True, drop_last=drop_last)]
        assert [[[points[n] for n in batch], [labels[n] for n in batch]] for batch in drawn] == number("pt-03")[name]


def test_known_windows(verdict: np.ndarray, number: Number) -> None:
    windows = Windows(verdict, 4, stride=1)
    for index, name in enumerate(("first", "second")):
        assert [[part.tolist()] for part in windows[index]] == number("data-03")[name]


def test_every_beginning_of_a_window_has_its_own_target(
    verdict: np.ndarray, number: Number, shared_data: Callable[[str], Path]
) -> None:
    expected = number("data-01")
    inputs, targets = Windows(verdict[50:], 4, stride=1)[0]
    assert {"x": inputs.tolist(), "y": targets.tolist()} == {name: expected[name] for name in ("x", "y")}
    pairs = [[inputs[: place + 1].tolist(), int(target)] for place, target in enumerate(targets)]
    assert pairs == expected["pairs"]
    folder = shared_data(VOCABULARY)
    gpt2 = BPE.from_gpt2_files(folder / "vocab.json", folder / "merges.txt")
    assert [[gpt2.decode(before), gpt2.decode([after])] for before, after in pairs] == expected["text"]


def test_known_batches(verdict: np.ndarray, number: Number) -> None:
    inputs, _ = Windows(verdict, 2, stride=2).gather([0, 2, 4, 6])
    assert inputs.tolist() == number("data-05")
    inputs, targets = Windows(verdict, 8, stride=2).gather(np.array([0, 2]))
    assert {"inputs": inputs.tolist(), "targets": targets.tolist()} == number("data-07")
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
