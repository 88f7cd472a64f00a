"""Pictures of a classifier."""

from pathlib import Path

import numpy as np
import pytest

from hornbook.errors import UserError
from hornbook.pictures.class_pictures import confusion_picture, reliability_picture


@pytest.mark.usefixtures("words_in_svg")
def test_every_count_and_class_is_drawn(tmp_path: Path) -> None:
    confusion = np.array([[1234, 2], [30, 4]])
    _, svg = confusion_picture(confusion, ["ham", "an endless name of a class"], tmp_path / "a", title="Spam")
    drawn = svg.read_text()
    for words in ("ham", "an endless name…", "1,234", ">30<", "was called", "Spam"):
        assert words in drawn


def test_more_classes_than_can_be_read_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="41 classes can't be drawn legibly; hint: give 1 to 40"):
        confusion_picture(np.eye(41, dtype=int), [str(n) for n in range(41)], tmp_path / "a")


@pytest.mark.usefixtures("words_in_svg")
def test_every_bin_has_its_number_of_texts(tmp_path: Path) -> None:
    _, svg = reliability_picture([0.55, 0.95], [0.6, 0.9], [7, 1293], tmp_path / "a")
    drawn = svg.read_text()
    for words in (">7<", "1,293", "probability given to the class", "As often right as sure?"):
        assert words in drawn
