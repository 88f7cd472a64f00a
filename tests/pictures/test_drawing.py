"""What pictures share: files that don't change, labels that don't overlap, texts that can be shown."""

import struct
import xml.etree.ElementTree
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hornbook.errors import UserError
from hornbook.pictures.drawing import apart, picture, printable, written


def contrast(colour: str, other: str) -> float:
    """The contrast ratio of the Web Content Accessibility Guidelines, 1 (none) to 21."""

    def luminance(colour: str) -> float:
        parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    lighter, darker = sorted((luminance(colour), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def test_a_picture_is_a_png_of_its_size_and_an_svg(tmp_path: Path) -> None:
    with picture(tmp_path / "new" / "a.b", 4, 2) as figure:
        figure.add_subplot().plot([1, 2], [3, 4])
    png, svg = written(tmp_path / "new" / "a.b")
    assert (png.name, svg.name) == ("a.b.png", "a.b.svg")
    assert struct.unpack(">II", png.read_bytes()[16:24]) == (600, 300)
    assert xml.etree.ElementTree.parse(svg).getroot().tag.endswith("svg")


def test_the_same_drawing_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        with picture(tmp_path / name, 4, 2) as figure:
            figure.add_subplot().scatter([1, 2], [3, 4])
    for ending in (".png", ".svg"):
        assert (tmp_path / f"a{ending}").read_bytes() == (tmp_path / f"b{ending}").read_bytes()


def test_a_folder_that_is_a_file_is_a_users_mistake(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="file"), picture(tmp_path / "file" / "a", 4, 2):
        pass


def test_a_drawing_that_fails_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), picture(tmp_path / "a", 4, 2):
        _ = 1 / 0
    assert list(tmp_path.iterdir()) == []


def test_no_global_figure_and_no_setting_stays(tmp_path: Path) -> None:
    import matplotlib

    before = dict(matplotlib.rcParams)
    with picture(tmp_path / "a", 4, 2):
        pass
    assert dict(matplotlib.rcParams) == before
    assert matplotlib._pylab_helpers.Gcf.figs == {}


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (" the", "·the"),
        ("a\n\tb\r", "a↵→b␍"),
        ("Größe 5 €", "Größe·5·€"),
        ("北", "U+5317"),
        ("🙂", "U+1F642"),
        ("\x00\u200b", "U+0000U+200B"),
        ("$x$", "$x$"),
        ("", ""),
    ],
)
def test_blanks_and_what_the_font_lacks_are_shown(text: str, shown: str) -> None:
    assert printable(text) == shown


@given(st.lists(st.floats(0, 10), min_size=1, max_size=6))
def test_labels_move_apart_in_order_and_stay_inside(places: list[float]) -> None:
    moved = apart(places, 1, 0, 10)
    assert all(0 <= place <= 10 for place in moved)
    by_place = sorted(range(len(places)), key=lambda number: places[number])
    for below, above in pairwise(by_place):
        assert moved[above] - moved[below] >= 1 - 1e-9


def test_labels_that_are_apart_stay_where_they_are() -> None:
    assert apart([5.0, 1.0, 3.0], 1, 0, 10) == [5.0, 1.0, 3.0]


def test_colours_can_be_read_on_white_and_told_apart() -> None:
    from hornbook.pictures.drawing import BLUE, GREY, INK, VERMILION

    assert contrast(INK, "#FFFFFF") > 12
    for text in (BLUE, GREY):
        assert contrast(text, "#FFFFFF") > 4.5
    assert contrast(VERMILION, "#FFFFFF") > 3  # used for bold labels and lines
    assert contrast(VERMILION, BLUE) > 1.3  # in grey too
