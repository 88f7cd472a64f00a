"""Several runs in one picture: each named, on axes that hold what matters."""

from pathlib import Path

import pytest

from hornbook.errors import UserError
from hornbook.pictures.run_curves import Curve, run_curves


def curve(name: str, end: float, steps: int = 100) -> Curve:
    """Losses that fall from 9 to `end`."""
    train = [(step, end + (9 - end) / step) for step in range(1, steps + 1)]
    return Curve(name, train, [(step, loss + 0.1) for step, loss in train[19::20]])


def test_nothing_can_not_be_drawn(tmp_path: Path) -> None:
    for curves in ([], [curve("a", 2), Curve("b", [(1, 2.0)], [])]):
        with pytest.raises(UserError, match="no losses to draw"):
            run_curves(curves, tmp_path / "a")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("words_in_svg")
def test_every_run_is_named_at_its_end_with_its_lowest_loss(tmp_path: Path) -> None:
    falls, rises = curve("falls", 2.0), Curve("rises", [], [(50, 2.5), (100, 3.0)])
    _, svg = run_curves([falls, rises, *(curve(f"run {number}", 4) for number in range(6))], tmp_path / "a", title="T")
    drawn = svg.read_text()
    for words in (">falls 2.170<", ">rises 2.500<", ">run 5 4.150<", ">T<", ">step<", ">loss (nats per token)<"):
        assert words in drawn


@pytest.mark.usefixtures("words_in_svg")
def test_curves_of_one_name_share_a_label_and_the_first_fall_is_cut_off(tmp_path: Path) -> None:
    """It would press the rest together."""
    _, svg = run_curves([curve("a", 2), curve("a", 3), curve("b", 2.1)], tmp_path / "a", xlabel="tokens read")
    drawn = svg.read_text()
    assert drawn.count(">a 2.665 (mean of 2)<") == 1
    assert ">tokens read<" in drawn
    assert ">3.2<" in drawn
    assert ">8<" not in drawn
    assert ">8.0<" not in drawn


def test_a_single_evaluation_can_be_drawn(tmp_path: Path) -> None:
    assert all(path.is_file() for path in run_curves([Curve("a", [], [(10, 2.0)])], tmp_path / "a"))
