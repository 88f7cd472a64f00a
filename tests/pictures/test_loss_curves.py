"""Loss curves: what is drawn, and that it is labelled."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hornbook.errors import UserError
from hornbook.pictures.loss_curves import loss_curves, running_mean

TRAIN = [(step, 4.0 / step**0.2) for step in range(1, 300)]


@pytest.fixture
def readable_svg(monkeypatch: pytest.MonkeyPatch) -> None:
    """Letters of the SVG as text, not as outlines, so that a test can read them."""
    from hornbook.pictures import drawing

    monkeypatch.setitem(drawing.LOOK, "svg.fonttype", "none")


def test_no_points_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no losses"):
        loss_curves([], tmp_path / "loss")


@pytest.mark.usefixtures("readable_svg")
def test_every_line_and_axis_is_named_with_its_unit(tmp_path: Path) -> None:
    validation = [(step, loss + 0.2) for step, loss in TRAIN[::50]]
    png, svg = loss_curves(
        TRAIN, tmp_path / "loss", validation=validation, bigram_loss=2.5, tokens_per_step=4096, title="A $5 run"
    )
    drawn = svg.read_text()
    for words in (
        "step",
        "loss (nats per token)",
        "tokens seen",
        "A $5 run",
        "train 1.2",
        "validation 1.",
        "bigram 2.500",
    ):
        assert words in drawn
    assert png.stat().st_size > 10_000


@pytest.mark.usefixtures("readable_svg")
@pytest.mark.parametrize("points", [TRAIN[:1], TRAIN[:2], [(1, 2.0), (2, 2.0)]])
def test_short_runs_can_be_drawn(tmp_path: Path, points: list[tuple[int, float]]) -> None:
    _, svg = loss_curves(points, tmp_path / "loss")
    assert "train" in svg.read_text()
    assert "validation" not in svg.read_text()


def test_validation_alone_can_be_drawn(tmp_path: Path) -> None:
    assert all(path.is_file() for path in loss_curves([], tmp_path / "loss", validation=[(10, 2.0)]))


@given(st.lists(st.floats(0, 10), min_size=1, max_size=100))
def test_the_running_mean_stays_inside_and_starts_true(losses: list[float]) -> None:
    smooth = running_mean(losses)
    assert len(smooth) == len(losses)
    assert smooth[0] == losses[0]
    assert min(losses) - 1e-9 <= min(smooth)
    assert max(smooth) <= max(losses) + 1e-9


def test_the_running_mean_of_a_straight_line_does_not_lag() -> None:
    line = [100.0 - step for step in range(100)]
    assert running_mean(line, share=0.1)[:95] == pytest.approx(line[:95])
