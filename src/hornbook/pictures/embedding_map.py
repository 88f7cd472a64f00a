"""Embeddings on a plane: points with names, of which none covers another."""

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from hornbook.errors import UserError
from hornbook.pictures.drawing import GREY, INK, MONOSPACE, PALE, VERMILION, picture, printable, written

if TYPE_CHECKING:
    import numpy as np

WIDTH, HEIGHT = 9.0, 7.0  # inches
LEFT, BOTTOM, RIGHT, TOP = 0.7, 0.65, 0.25, 0.6  # inches around the axes
FONT_SIZE = 9
ADVANCE, LINE = 0.602 * FONT_SIZE / 72, 1.25 * FONT_SIZE / 72  # inches a letter and a line of the monospaced font

Box = tuple[float, float, float, float]  # left, bottom, right, top


def embedding_map(
    points: "np.ndarray",
    labels: Sequence[str],
    path_stem: Path | str,
    *,
    title: str = "Token embeddings on a plane",
    axis_names: tuple[str, str] = ("first direction", "second direction"),
    strong: Collection[int] = (),
) -> list[Path]:
    """Draw points (N, 2) with their labels ('' has none): path_stem.png and .svg -> both paths.

    A label that would cover an earlier one is left out and its point stays: give the important ones first. `strong`
    are the numbers of points to point out; their labels come before all others.
    Errors: `UserError` for no point.
    """
    if len(points) == 0:
        raise UserError("no embeddings to draw")
    width, height = WIDTH - LEFT - RIGHT, HEIGHT - BOTTOM - TOP
    with picture(path_stem, WIDTH, HEIGHT) as figure:
        figure.set_layout_engine("none")  # the axes' size must be known before the labels are placed
        axes = figure.add_axes((LEFT / WIDTH, BOTTOM / HEIGHT, width / WIDTH, height / HEIGHT))
        colours = [VERMILION if number in strong else "#9DB8CC" for number in range(len(points))]
        axes.scatter(points[:, 0], points[:, 1], s=12, color=colours, linewidths=0)
        axes.margins(0.08)
        (x_low, x_high), (y_low, y_high) = axes.get_xlim(), axes.get_ylim()
        inches = (points - [x_low, y_low]) / [x_high - x_low, y_high - y_low] * [width, height]
        order = sorted(range(len(points)), key=lambda number: number not in strong)
        for number in unhidden(inches, [_shown(label) for label in labels], order):
            axes.annotate(
                _shown(labels[number]),
                points[number],
                xytext=(3, 3),
                textcoords="offset points",
                family=MONOSPACE,
                fontsize=FONT_SIZE,
                color=VERMILION if number in strong else INK,
                fontweight="bold" if number in strong else "normal",
            )
        axes.set(title=title, xlabel=axis_names[0], ylabel=axis_names[1])
        axes.tick_params(labelcolor=GREY, labelsize=9)
        axes.grid(color=PALE, linewidth=0.5)
    return written(path_stem)


def unhidden(inches: "np.ndarray", labels: Sequence[str], order: Sequence[int]) -> list[int]:
    """Which labels have room above and right of their points (N, 2, in inches), those first in `order` first."""
    taken: list[Box] = []
    kept = []
    for number in order:
        x, y = (float(place) for place in inches[number])
        box = (x, y, x + len(labels[number]) * ADVANCE + 0.06, y + LINE)
        if labels[number] and not any(_overlap(box, other) for other in taken):
            taken.append(box)
            kept.append(number)
    return kept


def _overlap(first: Box, second: Box) -> bool:
    return first[0] < second[2] and second[0] < first[2] and first[1] < second[3] and second[1] < first[3]


def _shown(label: str) -> str:
    return printable(label)[:20]
