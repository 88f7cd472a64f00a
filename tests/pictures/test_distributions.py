"""Bars of the next token."""

from pathlib import Path

import pytest

from hornbook.errors import UserError
from hornbook.pictures.distributions import next_token_bars, percent


@pytest.mark.parametrize("distributions", [{}, {"a": {}}, {"a": {str(n): 0.01 for n in range(31)}}])
def test_what_could_not_be_read_is_refused(tmp_path: Path, distributions: dict[str, dict[str, float]]) -> None:
    with pytest.raises(UserError, match="can't be drawn legibly"):
        next_token_bars(distributions, tmp_path / "a")


@pytest.mark.usefixtures("words_in_svg")
def test_every_panel_has_its_label_and_its_numbers(tmp_path: Path) -> None:
    distributions = {
        "temperature 1": {" forward": 0.572, "\n": 0.3576, "all others": 0.0704},
        "temperature 5": {" forward": 0.2421, "all others": 0.7579},
    }
    _, svg = next_token_bars(distributions, tmp_path / "a", title="After 'every'", rest="all others")
    drawn = svg.read_text()
    for words in ("temperature 1", "temperature 5", "·forward", "↵", ">all others<", "57.2", "75.8", "After 'every'"):
        assert words in drawn.replace("&apos;", "'")


@pytest.mark.parametrize(("share", "text"), [(0, "0"), (1, "100.0"), (0.572, "57.2"), (1e-9, "<0.1"), (0.0005, "0.1")])
def test_a_small_share_is_not_called_nothing(share: float, text: str) -> None:
    assert percent(share) == text
