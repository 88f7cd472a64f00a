"""Dataset folders that are damaged, foreign or old, and what an opened one gives."""

import json
from pathlib import Path
from typing import Any

import pytest

from hornbook.batches.dataset import Dataset, open_dataset
from hornbook.batches.prepare import PrepareSettings, prepare
from hornbook.errors import UserError


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    for name in ("a", "b", "c"):
        (tmp_path / f"{name}.txt").write_text(f"The letter {name} of abc. " * 20)
    settings = PrepareSettings(tokenizer="character", val_fraction=0.3)
    return prepare([tmp_path / f"{name}.txt" for name in ("a", "b", "c")], settings, tmp_path / "out")


def changed_info(dataset: Dataset, **changes: Any) -> None:
    (dataset.folder / "dataset.json").write_text(json.dumps(dataset.info | changes))


@pytest.mark.parametrize("name", ["absent", "empty", "file"])
def test_what_is_no_dataset_folder(tmp_path: Path, name: str) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r"is not a dataset folder; hint: make one: hornbook prepare SOURCE"):
        open_dataset(tmp_path / name)


@pytest.mark.parametrize("content", ["{", "[]", "{}", '{"format": 0}', '"text"', '{"format": 99}'])
def test_a_damaged_or_foreign_dataset_json(dataset: Dataset, content: str) -> None:
    (dataset.folder / "dataset.json").write_text(content)
    with pytest.raises(UserError, match=r"is not a dataset folder|another format"):
        open_dataset(dataset.folder)


def test_only_a_dataset_of_another_format_is_replaced(dataset: Dataset, tmp_path: Path) -> None:
    settings = PrepareSettings(tokenizer="character")
    (dataset.folder / "dataset.json").write_text('{"format": 0}')
    assert len(prepare([tmp_path / "a.txt"], settings, dataset.folder).train) > 0
    for content in ("[]", "{", '{"name": "another program\'s"}'):
        (dataset.folder / "dataset.json").write_text(content)
        with pytest.raises(UserError, match="already exists and is not a dataset folder"):
            prepare([tmp_path / "a.txt"], settings, dataset.folder)


@pytest.mark.parametrize("name", ["tokenizer.json", "train-00000.bin"])
def test_a_damaged_dataset_is_built_anew(dataset: Dataset, tmp_path: Path, name: str) -> None:
    paths = [tmp_path / f"{name}.txt" for name in ("a", "b", "c")]
    (dataset.folder / name).write_text("{}")
    heard: list[str] = []
    settings = PrepareSettings(tokenizer="character", val_fraction=0.3)
    again = prepare(paths, settings, dataset.folder, notify=heard.append)
    assert heard[0].startswith("rebuilding: ")
    assert again.info == dataset.info


@pytest.mark.parametrize("harm", ["shorter", "longer", "missing"])
def test_a_token_file_of_the_wrong_size(dataset: Dataset, harm: str) -> None:
    path = dataset.folder / "train-00000.bin"
    data = path.read_bytes()
    path.unlink()
    if harm != "missing":
        path.write_bytes(data[:-1] if harm == "shorter" else data + b"\0")
    with pytest.raises(UserError, match=r"train-00000.bin' is damaged: [\d,]+ bytes expected"):
        open_dataset(dataset.folder)


def test_another_tokenizer_in_the_folder_is_an_error(dataset: Dataset, tmp_path: Path) -> None:
    other = prepare([tmp_path / "a.txt"], PrepareSettings(tokenizer="word"), tmp_path / "other")
    (dataset.folder / "tokenizer.json").write_bytes((other.folder / "tokenizer.json").read_bytes())
    opened = open_dataset(dataset.folder)
    with pytest.raises(UserError, match="is not the tokenizer that made the tokens"):
        _ = opened.tokenizer


def test_a_token_beyond_the_end_has_no_place(dataset: Dataset) -> None:
    for token in (-1, len(dataset.train)):
        with pytest.raises(AssertionError):
            dataset.locate("train", token)


def test_places_of_every_token(dataset: Dataset) -> None:
    for split, tokens in (("train", dataset.train), ("val", dataset.val)):
        texts = dataset.tokenizer.decode(tokens[:].tolist()).split("<|endoftext|>")[:-1]
        start = 0
        for text in texts:
            for token in (start, start + len(text)):  # its first character, and the separator behind it
                assert Path(dataset.locate(split, token).source).stem == text[11]
            start += len(text) + 1
        assert [Path(place.source).stem for place in dataset.places(split, 0, start)] == [text[11] for text in texts]


def test_the_folder_holds_what_the_design_says(dataset: Dataset) -> None:
    names = sorted(path.name for path in dataset.folder.iterdir())
    assert names == [
        "dataset.json", "documents.jsonl", "ledger.jsonl", "tokenizer.json", "train-00000.bin", "val-00000.bin",
    ]  # fmt: skip
    assert dataset.info["dtype"] == "uint16"
    assert dataset.info["cleaning"]["recipe"] == "standard"
    assert len(dataset.info["fingerprint"]) == 64
