"""Pieces: nothing is lost between two passes, splits are exact, and a safe cut changes no id."""

from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hornbook.batches.pieces import (
    Piece,
    SplitText,
    Spool,
    choose_validation,
    cut,
    rejoin,
    split_by_document,
    split_by_position,
)
from hornbook.text.reading import Document

texts = st.lists(st.text(st.characters(codec="utf-8"), min_size=1, max_size=30), min_size=1, max_size=8)


def as_one_document(parts: Iterable[str], source: str = "a.txt") -> list[Document]:
    """Pieces of one file, as reading gives them."""
    documents, start = [], 0
    for number, part in enumerate(parts):
        end = start + len(part.encode())
        documents.append(Document(part, source, start, end, continues=number > 0))
        start = end
    return documents


def spooled(path: Path, documents: Iterable[Document]) -> Spool:
    spool = Spool(path)
    spool.fill(documents)
    return spool


def test_a_lone_surrogate_survives_until_the_tokenizer_can_name_it(tmp_path: Path) -> None:
    documents = [Document("a\ud800b", "a.jsonl", 0, 9), Document("", "b.txt", 0, 0)]
    assert list(spooled(tmp_path / "spool", documents)) == documents


@settings(deadline=None)
@given(parts=texts)
def test_documents_set_aside_come_back(tmp_path_factory: pytest.TempPathFactory, parts: list[str]) -> None:
    documents = [*as_one_document(parts), *as_one_document(parts, "b\n.txt")]
    spool = spooled(tmp_path_factory.mktemp("spool") / "spool", documents)
    assert list(spool) == list(spool) == documents
    assert spool.num_documents == 2
    assert spool.num_characters == 2 * sum(map(len, parts))


@settings(deadline=None)
@given(parts=texts, at=st.integers(-3, 300))
def test_a_split_by_position_is_exact_to_the_character(parts: list[str], at: int) -> None:
    whole = "".join(parts)
    pieces = list(split_by_position(as_one_document(parts), at))
    train = [piece.document for piece in pieces if piece.split == "train"]
    val = [piece.document for piece in pieces if piece.split == "val"]
    assert "".join(document.text for document in train) == whole[: max(at, 0)]
    assert "".join(document.text for document in val) == whole[max(at, 0) :]
    for document in [*train, *val]:
        assert whole.encode()[document.start : document.end].decode() == document.text


@pytest.mark.parametrize("num_documents", [2, 3, 10])
@pytest.mark.parametrize("val_fraction", [0.001, 0.5, 0.999])
def test_each_split_gets_a_document(num_documents: int, val_fraction: float) -> None:
    for seed in range(20):
        chosen = choose_validation(num_documents, val_fraction, seed)
        assert 0 < chosen.sum() < num_documents


def test_the_fraction_is_about_right_and_zero_is_none() -> None:
    chosen = choose_validation(10_000, 0.1, seed=1)
    assert 900 < chosen.sum() < 1100
    assert (chosen == choose_validation(10_000, 0.1, seed=1)).all()
    assert (chosen != choose_validation(10_000, 0.1, seed=2)).any()
    assert (choose_validation(10_001, 0.1, seed=1)[:10_000] == chosen).all()  # a further document moves no other
    assert not choose_validation(10, 0.0, seed=1).any()


def test_all_pieces_of_a_document_go_to_the_same_split() -> None:
    files = {"a": ["one ", "two"], "b": ["three"], "c": ["x", "y"]}
    documents = [piece for source, parts in files.items() for piece in as_one_document(parts, source)]
    pieces = split_by_document(documents, np.array([True, False, True]))
    assert [piece.split for piece in pieces] == ["val", "val", "train", "val", "val"]


def test_a_first_piece_that_cleaning_dropped_does_not_join_two_documents() -> None:
    pieces = [
        Piece("train", Document("end of a", "a", 0, 8)),
        Piece("train", Document("rest of b", "b", 9, 18, continues=True)),
    ]
    assert [(piece.document.text, piece.ends) for piece in rejoin(pieces)] == [("end of a", True), ("rest of b", True)]


@settings(deadline=None)
@given(parts=texts)
def test_rejoining_keeps_the_text_and_its_bytes(parts: list[str]) -> None:
    pieces = [Piece("train", document) for document in as_one_document(parts)]
    rejoined = list(rejoin(pieces))
    whole = "".join(parts)
    assert "".join(piece.document.text for piece in rejoined) == whole
    assert [piece.ends for piece in rejoined] == [False] * (len(rejoined) - 1) + [True]
    for piece in rejoined:
        assert whole.encode()[piece.document.start : piece.document.end].decode() == piece.document.text


def test_borders_move_to_a_safe_cut() -> None:
    parts = ["It was, he sa", "id, so.\n\n", "\nNo one was th", "ere. 12", "34"]
    rejoined = [piece.document.text for piece in rejoin(Piece("train", each) for each in as_one_document(parts))]
    assert rejoined == ["It was, he", " said,", " so.\n\n\nNo one was", " there.", " 1234"]


def test_pieces_encode_to_the_ids_of_the_whole_text(shared_data: Callable[[str], Path]) -> None:
    tokenizers = pytest.importorskip("tokenizers")
    folder = shared_data("gpt2-vocabulary")
    gpt2 = tokenizers.ByteLevelBPETokenizer(str(folder / "vocab.json"), str(folder / "merges.txt"))
    whole = shared_data("tiny-shakespeare.txt").read_text(encoding="utf-8")[:100_000]
    parts = [whole[start : start + 997] for start in range(0, len(whole), 997)]
    pieces = rejoin(Piece("train", each) for each in as_one_document(parts))
    assert [token for piece in pieces for token in gpt2.encode(piece.document.text).ids] == gpt2.encode(whole).ids


def test_cutting_a_cleaned_document_claims_no_exact_bytes() -> None:
    left, right = cut(Document("cleaned", "a", 100, 150), 3)
    assert (left.text, left.start, left.end) == ("cle", 100, 150)
    assert (right.text, right.start, right.end) == ("aned", 100, 150)


def test_the_corpus_own_split_goes_first(tmp_path: Path) -> None:
    train = spooled(tmp_path / "train", as_one_document(["abc"]))
    val = spooled(tmp_path / "val", as_one_document(["de"], "v"))
    text = SplitText(train, val, 0.5, seed=1)
    assert text.split_by == "corpus"
    assert [(piece.split, piece.document.text) for piece in text.pieces()] == [("train", "abc"), ("val", "de")]
    text.remove()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("val_fraction", "train", "val"), [(0.1, 18_431, 2_048), (0.0, 20_479, 0), (0.2, 16_383, 4_096)]
)
def test_one_document_is_split_where_the_known_sources_split_it(
    tmp_path: Path, val_fraction: float, train: int, val: int
) -> None:
    text = SplitText(spooled(tmp_path / "spool", as_one_document(["x" * 20_479])), None, val_fraction, seed=1)
    sizes = {"train": 0, "val": 0}
    for piece in text.pieces():
        sizes[piece.split] += len(piece.document.text)
    assert sizes == {"train": train, "val": val}
