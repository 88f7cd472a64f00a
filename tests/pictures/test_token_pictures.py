"""Token boxes: limits, wrapping, and texts that are hard to draw."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hornbook.errors import UserError
from hornbook.pictures import drawing
from hornbook.pictures.drawing import INK
from hornbook.pictures.token_pictures import FILLS, GAP, token_boxes, wrap


@pytest.mark.parametrize("count", [0, 401])
def test_none_or_too_many_tokens_are_an_error(tmp_path: Path, count: int) -> None:
    with pytest.raises(UserError, match=f"{count} tokens"):
        token_boxes(["a"] * count, tmp_path / "tokens")


def test_pieces_and_ids_go_together(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="zip"):
        token_boxes(["a", "b"], tmp_path / "tokens", ids=[1])


def test_every_token_its_id_and_the_counts_are_drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(drawing.LOOK, "svg.fonttype", "none")
    pieces = ["Hello", ",", " world", "\n", "", "<&>", "$", "北", " " * 90]
    _, svg = token_boxes(pieces, tmp_path / "tokens", ids=range(500, 509), title="Tokens")
    drawn = svg.read_text()
    for words in (
        "Hello",
        "·world",
        "↵",
        "∅",
        "&lt;&amp;&gt;",
        "U+5317",
        "500",
        "508",
        "(90 long)",
        "9 tokens for 108",
    ):
        assert words in drawn


@given(st.lists(st.floats(0.1, 3), min_size=1, max_size=60), st.floats(3, 9))
def test_boxes_never_overlap_or_leave_the_page(widths: list[float], room: float) -> None:
    places, lines = wrap(widths, room)
    assert places[0] == (0, 0)
    assert places[-1][1] == lines - 1
    assert all(x + width <= room for (x, _), width in zip(places, widths, strict=True))
    for (x, line), (next_x, next_line), width in zip(places, places[1:], widths, strict=False):
        beside = next_line == line and next_x == pytest.approx(x + width + GAP)
        assert beside or (next_line == line + 1 and next_x == 0)


def test_the_text_can_be_read_on_every_fill() -> None:
    for fill in FILLS:
        parts = [int(fill[place : place + 2], 16) for place in (1, 3, 5)]
        assert 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2] > 150
    assert INK == "#1A1A1A"
