"""The index in a dataset folder: of these very tokens, whole or absent, found again."""

from pathlib import Path

import numpy as np
import pytest

from hornbook.batches.dataset import Dataset, open_dataset
from hornbook.batches.prepare import PrepareSettings, prepare
from hornbook.batches.text_index import build_index, index_of, open_index
from hornbook.batches.token_file import TokenFile
from hornbook.errors import UserError


def made(folder: Path, text: str = "The letter a of abc. ") -> Dataset:
    for name in ("a", "b", "c"):
        (folder / f"{name}.txt").write_text(f"{name}: {text}" * 20)
    settings = PrepareSettings(tokenizer="character", val_fraction=0.3)
    return prepare([folder / f"{name}.txt" for name in ("a", "b", "c")], settings, folder / "out")


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    return made(tmp_path)


def test_it_is_made_once_and_found_again(dataset: Dataset) -> None:
    assert open_index(dataset) is None
    order = build_index(dataset).order
    found = open_index(open_dataset(dataset.folder))
    assert found is not None
    assert np.array_equal(found.order, order)
    query = dataset.train[5:15].tolist()
    assert 5 in found.found(query)


def test_an_index_of_other_tokens_is_none(dataset: Dataset, tmp_path: Path) -> None:
    build_index(dataset)
    kept = (dataset.folder / "suffixes").rename(tmp_path / "kept")
    other = made(tmp_path, "The letter b of xyz. ")
    assert open_index(other) is None
    kept.rename(other.folder / "suffixes")
    assert open_index(other) is None
    assert build_index(other).longest(other.train[0:9].tolist()) == 9


@pytest.mark.parametrize("name", ["suffixes.bin", "seal.json"])
def test_a_damaged_index_is_none_and_made_anew(dataset: Dataset, name: str) -> None:
    build_index(dataset)
    path = dataset.folder / "suffixes" / name
    path.write_bytes(path.read_bytes()[:-2])
    assert open_index(dataset) is None
    assert len(build_index(dataset).order) == len(dataset.train)


def test_an_interrupted_one_leaves_nothing(dataset: Dataset) -> None:
    before = sorted(path.name for path in dataset.folder.iterdir())

    def interrupt(share: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build_index(dataset, interrupt)
    assert sorted(path.name for path in dataset.folder.iterdir()) == before
    assert open_index(dataset) is None


def test_where_the_disk_refuses_it_stays_in_memory(dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(folder: Path, num_bytes: int) -> None:
        raise UserError("no space left")

    monkeypatch.setattr("hornbook.batches.text_index.require_space", refuse)
    with pytest.raises(UserError, match="no space left"):
        build_index(dataset)
    assert index_of(dataset).longest(dataset.train[3:20].tolist()) == 17
    assert not (dataset.folder / "suffixes").exists()


def test_tokens_in_several_files_are_one_text(dataset: Dataset, tmp_path: Path) -> None:
    tokens = dataset.train[0 : len(dataset.train)]
    tokens[:100].tofile(tmp_path / "0.bin")
    tokens[100:].tofile(tmp_path / "1.bin")
    dataset.train = TokenFile([tmp_path / "0.bin", tmp_path / "1.bin"], dataset.info["dtype"])
    assert 95 in build_index(dataset).found(tokens[95:110].tolist())


def test_preparing_again_takes_the_index_away_and_the_same_keeps_it(dataset: Dataset, tmp_path: Path) -> None:
    build_index(dataset)
    assert open_index(made(tmp_path)) is not None
    assert open_index(made(tmp_path, "Other words, ")) is None
