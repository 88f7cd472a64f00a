"""A text as a model reads it: every token in a box, with its id below."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from hornbook.errors import UserError
from hornbook.pictures.drawing import GREY, INK, MONOSPACE, picture, printable, written

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FONT_SIZE, ID_SIZE = 12, 8  # points
ADVANCE = 0.602 / 72  # inches per point: the width of a character of DejaVu Sans Mono
LINE_HEIGHT, BOX_HEIGHT = 0.56, 0.29  # inches
MARGIN, PADDING, GAP = 0.25, 0.05, 0.05  # inches: around the picture, inside a box, between boxes
MOST_TOKENS, MOST_CHARACTERS = 400, 40
# Pale shades of Okabe and Ito's colours under dark text; light and dark alternate, so neighbours differ in grey too.
FILLS = ["#CFE5F3", "#F2B98C", "#D2EEE4", "#F0C040", "#F3E0EA", "#8CC3E6"]


def token_boxes(
    pieces: Sequence[str],
    path_stem: Path | str,
    *,
    ids: Sequence[int] = (),
    title: str = "",
    width: float = 9.0,
) -> list[Path]:
    """Draw tokens as boxes in reading order, wrapped to `width` inches: path_stem.png and .svg -> both paths.

    pieces: the text of each token; blanks are shown as marks (· space, ↵ line end, → tab), and a token's `ids` entry
    stands below its box. Colours only part neighbours; they mean nothing.
    Errors: `UserError` for no token, or more than 400: smaller boxes could not be read.
    """
    if not 1 <= len(pieces) <= MOST_TOKENS:
        raise UserError(
            f"{len(pieces)} tokens can't be drawn legibly", hint=f"give a text of 1 to {MOST_TOKENS} tokens"
        )
    labels = [_label(piece) for piece in pieces]
    below = [str(number) for number in ids] or [""] * len(labels)
    widths = [_box_width(label, number) for label, number in zip(labels, below, strict=True)]
    places, lines = wrap(widths, width - 2 * MARGIN)
    top = 0.8 if title else 0.2
    height = top + lines * LINE_HEIGHT + 0.1
    with picture(path_stem, width, height) as figure:
        figure.set_layout_engine("none")
        axes = figure.add_axes((0, 0, 1, 1))
        axes.axis("off")
        axes.set(xlim=(0, width), ylim=(height, 0))  # inches from the top left corner
        if title:
            axes.text(MARGIN, 0.2, title, fontsize=13, fontweight="bold", va="top")
            axes.text(MARGIN, 0.48, _counts(pieces), fontsize=10, color=GREY, va="top")
        for number, (x, line) in enumerate(places):
            corner = (MARGIN + x, top + line * LINE_HEIGHT)
            _box(axes, corner, widths[number], labels[number], below[number], FILLS[number % len(FILLS)])
    return written(path_stem)


def wrap(widths: Sequence[float], room: float) -> tuple[list[tuple[float, int]], int]:
    """Put boxes in lines no wider than `room`: their widths -> ((x, line) of each box, number of lines)."""
    places: list[tuple[float, int]] = []
    x, line = 0.0, 0
    for width in widths:
        if x and x + width > room:
            x, line = 0.0, line + 1
        places.append((x, line))
        x += width + GAP
    return places, line + 1


def _label(piece: str) -> str:
    shown = printable(piece) or "∅"
    return shown if len(shown) <= MOST_CHARACTERS else f"{shown[: MOST_CHARACTERS - 10]}… ({len(piece)} long)"


def _box_width(label: str, number: str) -> float:
    return 2 * PADDING + max(len(label) * FONT_SIZE, len(number) * ID_SIZE) * ADVANCE


def _counts(pieces: Sequence[str]) -> str:
    characters = sum(map(len, pieces))
    return f"{len(pieces):,} tokens for {characters:,} characters: {characters / len(pieces):.2f} characters per token"


def _box(axes: "Axes", corner: tuple[float, float], width: float, label: str, number: str, fill: str) -> None:
    from matplotlib.patches import FancyBboxPatch

    x, y = corner
    rounding = "round,pad=0,rounding_size=0.04"
    axes.add_patch(FancyBboxPatch(corner, width, BOX_HEIGHT, boxstyle=rounding, facecolor=fill, edgecolor="none"))
    middle = x + width / 2
    axes.text(
        middle, y + BOX_HEIGHT / 2, label, family=MONOSPACE, fontsize=FONT_SIZE, ha="center", va="center", color=INK
    )
    axes.text(
        middle, y + BOX_HEIGHT + 0.03, number, family=MONOSPACE, fontsize=ID_SIZE, ha="center", va="top", color=GREY
    )
