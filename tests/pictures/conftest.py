"""What tests of pictures share."""

import pytest

from hornbook.pictures import drawing


@pytest.fixture
def words_in_svg(monkeypatch: pytest.MonkeyPatch) -> None:
    """Letters of the SVG as text, not as outlines, so that a test can read them."""
    monkeypatch.setitem(drawing.LOOK, "svg.fonttype", "none")
