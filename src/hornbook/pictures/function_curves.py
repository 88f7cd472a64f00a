"""Functions as curves: activations, schedules, the loss of a probability."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from hornbook.errors import UserError
from hornbook.pictures.drawing import BLUE, GREEN, GREY, ORANGE, PURPLE, SKY, VERMILION, picture, written

COLOURS = (BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY)
DASHES = ("-", (0, (6, 2)), (0, (1.5, 1.5)), (0, (6, 2, 1.5, 2)), (0, (3, 1)), (0, (9, 3)))


def function_curves(
    curves: Mapping[str, tuple[Sequence[float], Sequence[float]]],
    path_stem: Path | str,
    *,
    title: str = "",
    xlabel: str = "x",
    ylabel: str = "y",
) -> list[Path]:
    """Draw name -> (xs, ys), at most six, as lines on one pair of axes: path_stem.png and .svg -> both paths.

    Colour and dashes both tell the lines apart. The lines x = 0 and y = 0 are drawn where they lie inside.
    Errors: `UserError` for no curve, or more than six.
    """
    if not 1 <= len(curves) <= len(COLOURS):
        raise UserError(f"{len(curves)} curves can't be drawn legibly", hint=f"give 1 to {len(COLOURS)}")
    with picture(path_stem, 7, 4.6) as figure:
        axes = figure.add_subplot()
        for number, (name, (xs, ys)) in enumerate(curves.items()):
            axes.plot(xs, ys, color=COLOURS[number], linestyle=DASHES[number], linewidth=2.2, label=name)
        (left, right), (low, high) = axes.get_xlim(), axes.get_ylim()
        if left < 0 < right:
            axes.axvline(0, color=GREY, linewidth=0.8, zorder=1)
        if low < 0 < high:
            axes.axhline(0, color=GREY, linewidth=0.8, zorder=1)
        axes.set(title=title, xlabel=xlabel, ylabel=ylabel)
        if len(curves) > 1:
            axes.legend(facecolor="white", edgecolor="none", framealpha=1, handlelength=3.2)  # hides what is behind
    return written(path_stem)
