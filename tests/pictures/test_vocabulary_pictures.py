"""Vocabulary pictures: what the bars say."""

from pathlib import Path

import pytest

from hornbook.errors import UserError
from hornbook.pictures import drawing
from hornbook.pictures.vocabulary_pictures import compare_vocabularies, token_lengths


@pytest.fixture(autouse=True)
def _readable_svg(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(drawing.LOOK, "svg.fonttype", "none")


def test_empty_vocabularies_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="empty vocabulary"):
        token_lengths([], tmp_path / "a")
    with pytest.raises(UserError, match="no vocabularies"):
        compare_vocabularies({}, tmp_path / "a")


def test_lengths_are_counted_and_the_longest_share_a_bar(tmp_path: Path) -> None:
    tokens = ["a", "b", " the", "x" * 16, "y" * 40, "", "北$"]
    _, svg = token_lengths(tokens, tmp_path / "lengths")
    drawn = svg.read_text()
    for words in ("tokens (of 7)", "16 or more", "·the", "U+5317$", "x" * 16, "y" * 20):
        assert words in drawn


def test_one_letter_is_a_vocabulary(tmp_path: Path) -> None:
    assert all(path.is_file() for path in token_lengths(["a"], tmp_path / "a"))


def test_vocabularies_are_compared_by_size_and_by_what_a_token_holds(tmp_path: Path) -> None:
    _, svg = compare_vocabularies(
        {"letters": (65, 1.0), "gpt2": (50257, 3.297)}, tmp_path / "a", title="On Shakespeare"
    )
    drawn = svg.read_text()
    for words in ("letters", "gpt2", "50,257", "3.30", "characters per token", "vocabulary size", "On Shakespeare"):
        assert words in drawn
