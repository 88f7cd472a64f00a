"""A text as a model reads it: every token in a box, with its id below."""

from collections.abc import Mapping, Sequence
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
    return token_rows({title: (pieces, ids)}, path_stem, width=width)


def token_rows(
    rows: Mapping[str, tuple[Sequence[str], Sequence[int]]],
    path_stem: Path | str,
    *,
    characters: int | None = None,
    width: float = 9.0,
) -> list[Path]:
    """Draw several texts, or one text as several tokenizers cut it: name -> (pieces, ids). See `token_boxes`.

    `characters` is the length of the one text, for the counts: pieces may lack its blanks, or cut its characters.
    Errors: `UserError` for a row without tokens, or more than 400 tokens together.
    """
    count = sum(len(pieces) for pieces, _ in rows.values())
    if count > MOST_TOKENS or not all(pieces for pieces, _ in rows.values()) or not rows:
        raise UserError(f"{count} tokens can't be drawn legibly", hint=f"give a text of 1 to {MOST_TOKENS} tokens")
    blocks = [_Block(name, pieces, ids, width - 2 * MARGIN) for name, (pieces, ids) in rows.items()]
    top = 0.2
    with picture(path_stem, width, top + sum(block.height for block in blocks)) as figure:
        figure.set_layout_engine("none")
        axes = figure.add_axes((0, 0, 1, 1))
        axes.axis("off")
        axes.set(xlim=(0, width), ylim=(figure.get_figheight(), 0))  # inches from the top left corner
        for block in blocks:
            block.draw(axes, top, characters)
            top += block.height
    return written(path_stem)


class _Block:
    """The boxes of one text under its name, wrapped to `room` inches."""

    def __init__(self, name: str, pieces: Sequence[str], ids: Sequence[int], room: float) -> None:
        self.name, self.pieces = name, pieces
        self.labels = [_label(piece) for piece in pieces]
        self.below = [str(number) for number in ids] or [""] * len(pieces)
        self.widths = [_box_width(label, number) for label, number in zip(self.labels, self.below, strict=True)]
        self.places, lines = wrap(self.widths, room)
        self.heading = 0.6 if name else 0.0
        self.height = self.heading + lines * LINE_HEIGHT + 0.1

    def draw(self, axes: "Axes", top: float, characters: int | None) -> None:
        """Draw the block with its upper edge at `top`."""
        if self.name:
            axes.text(MARGIN, top, self.name, fontsize=13, fontweight="bold", va="top")
            axes.text(MARGIN, top + 0.28, _counts(self.pieces, characters), fontsize=10, color=GREY, va="top")
        for number, (x, line) in enumerate(self.places):
            corner = (MARGIN + x, top + self.heading + line * LINE_HEIGHT)
            _box(axes, corner, self.widths[number], self.labels[number], self.below[number], FILLS[number % len(FILLS)])


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


def _counts(pieces: Sequence[str], characters: int | None) -> str:
    characters = characters or sum(map(len, pieces))
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
