"""Where any text stands in the training part of a dataset: the suffix array of its tokens, kept in the dataset folder.

    suffixes/suffixes.bin    where the suffixes begin, in order (little-endian int32, 4 bytes a token)
    suffixes/seal.json       which tokens they are of

It is tokens that are sorted, not bytes: a fourth of the numbers, and no second copy of the text. A text that stands in
the training text is then found but for a part of a word at its ends, which its own first or last token may cut
otherwise.
"""

from pathlib import Path
from typing import Any

import numpy as np

from hornbook.batches.dataset import Dataset
from hornbook.errors import UserError
from hornbook.files import new_folder, read_json, require_space, write_json
from hornbook.text.suffix_array import MOST, Progress, suffix_array
from hornbook.text.suffix_search import Suffixes, Values

FORMAT = 1
FOLDER, NUMBERS_FILE, SEAL_FILE = "suffixes", "suffixes.bin", "seal.json"
NUMBER = np.dtype("<i4")


def open_index(dataset: Dataset) -> Suffixes | None:
    """The index that lies in the dataset's folder, mapped into memory; None where there is none of these very tokens."""
    folder = dataset.folder / FOLDER
    numbers = folder / NUMBERS_FILE
    if not numbers.is_file() or not _fits(folder / SEAL_FILE, dataset):
        return None
    if numbers.stat().st_size != NUMBER.itemsize * len(dataset.train):
        return None
    order = np.memmap(numbers, dtype=NUMBER, mode="r") if len(dataset.train) else np.empty(0, NUMBER)
    return Suffixes(_values(dataset), np.asarray(order))


def build_index(dataset: Dataset, progress: Progress = lambda share: None) -> Suffixes:
    """Make the index, whole or not at all, and open it; `progress` hears the share done, and ends the work by raising.

    Errors: `UserError` where the training part is too long or the disk refuses.
    """
    count = len(dataset.train)
    if count > MOST:
        raise UserError(f"the {count:,} tokens of '{dataset.folder}' are more than {MOST:,}, the most that are indexed")
    require_space(dataset.folder, NUMBER.itemsize * count)
    with new_folder(dataset.folder / FOLDER, replace=True) as folder:
        suffix_array(np.asarray(dataset.train[0:count]), progress).astype(NUMBER, copy=False).tofile(
            folder / NUMBERS_FILE
        )
        write_json(folder / SEAL_FILE, _seal(dataset))
    found = open_index(dataset)
    assert found, "an index that was just made"
    return found


def index_of(dataset: Dataset, progress: Progress = lambda share: None) -> Suffixes:
    """The index that lies there, or a new one, which stays in memory where the disk doesn't take it.

    Errors: `UserError` where the training part is too long.
    """
    if found := open_index(dataset):
        return found
    try:
        return build_index(dataset, progress)
    except UserError:
        if len(dataset.train) > MOST:
            raise
        tokens = np.asarray(dataset.train[0 : len(dataset.train)])
        return Suffixes(tokens, suffix_array(tokens, progress))


def _seal(dataset: Dataset) -> dict[str, Any]:
    """What the index was made of."""
    shards = [shard["sha256"] for shard in dataset.info["splits"]["train"]["shards"]]
    return {"format": FORMAT, "dataset": dataset.info["fingerprint"], "dtype": dataset.info["dtype"], "tokens": shards}


def _fits(seal: Path, dataset: Dataset) -> bool:
    try:
        return bool(read_json(seal) == _seal(dataset))
    except UserError:
        return False


def _values(dataset: Dataset) -> Values:
    """One file is read without the detour over all files: a search reads thousands of little pieces."""
    shards = dataset.train.shards
    return shards[0] if len(shards) == 1 else dataset.train
