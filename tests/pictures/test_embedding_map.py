"""Points with names: none covers another."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hornbook.errors import UserError
from hornbook.pictures.embedding_map import ADVANCE, LINE, embedding_map, unhidden

PLACES = st.lists(st.tuples(st.floats(0, 8), st.floats(0, 5)), min_size=1, max_size=30)


def test_no_point_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no embeddings"):
        embedding_map(np.zeros((0, 2)), [], tmp_path / "a")


@pytest.mark.usefixtures("words_in_svg")
def test_names_and_directions_are_drawn(tmp_path: Path) -> None:
    points = np.array([[0.0, 0.0], [1.0, 1.0], [1.0, 1.0], [2.0, 0.0]])
    labels = ["fox", "hidden", "strong", ""]
    _, svg = embedding_map(points, labels, tmp_path / "a", axis_names=("this way", "that way"), strong=[2])
    drawn = svg.read_text()
    for words in (">fox<", ">strong<", "this way", "that way"):
        assert words in drawn
    assert "hidden" not in drawn


def test_one_point_can_be_drawn(tmp_path: Path) -> None:
    assert all(path.is_file() for path in embedding_map(np.zeros((1, 2)), ["a"], tmp_path / "a"))


@given(PLACES)
def test_no_name_covers_another_and_the_first_is_there(places: list[tuple[float, float]]) -> None:
    inches, labels = np.array(places), ["token"] * len(places)
    order = list(range(len(places)))[::-1]
    kept = unhidden(inches, labels, order)
    assert kept[0] == order[0]
    for place, first in enumerate(kept):
        for second in kept[:place]:
            across, up = np.abs(inches[first] - inches[second])
            assert across >= 5 * ADVANCE or up >= LINE - 1e-9
