"""The losses of several runs in one picture, to see which falls faster and which ends lower."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING

from hornbook.errors import UserError
from hornbook.pictures.drawing import BLUE, GREEN, ORANGE, PURPLE, SKY, VERMILION, label_line_ends, picture, written
from hornbook.pictures.loss_curves import running_mean

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLOURS = (BLUE, VERMILION, GREEN, ORANGE, PURPLE, SKY)
DASHES = ("-", (0, (5, 2)), (0, (1, 1.5)))  # a seventh line has the first colour again, dashed
HEADROOM = 0.06  # of the drawn range, above and below
EDGE = 0.01  # of the drawn range, left and right
TITLE = "Validation loss (training loss faint)"

Points = Sequence[tuple[float, float]]  # (how far, loss)


@dataclass(frozen=True)
class Curve:
    """One run: its training losses and its validation losses. Curves of one `name` are drawn in one colour."""

    name: str
    train: Points
    validation: Points


def run_curves(
    curves: Sequence[Curve],
    path_stem: Path | str,
    *,
    xlabel: str = "step",
    ylabel: str = "loss (nats per token)",
    title: str = TITLE,
) -> list[Path]:
    """Draw all curves as path_stem.png and .svg, and return both paths.

    Validation losses are strong lines, named at their ends with the lowest; training losses are faint. The axis begins
    where validation does: the fall of the first steps, which all runs share, would press the rest together.
    Errors: `UserError` where a curve has no validation loss, or there is none.
    """
    if not curves or not all(curve.validation for curve in curves):
        raise UserError("no losses to draw: a run has no evaluation yet")
    from matplotlib.ticker import EngFormatter

    with picture(path_stem, width=8, height=4.8) as figure:
        axes = figure.add_subplot()
        axes.set(xlabel=xlabel, ylabel=ylabel, title=title)
        names = list(dict.fromkeys(curve.name for curve in curves))
        styles = dict(zip(names, ((colour, dash) for dash in cycle(DASHES) for colour in COLOURS), strict=False))
        farthest = max(place for curve in curves for place, _ in [*curve.train, *curve.validation])
        for curve in curves:
            _draw(axes, curve, *styles[curve.name])
            _lead_to_edge(axes, curve, farthest, styles[curve.name][0])
        _set_limits(axes, curves, farthest)
        axes.ticklabel_format(style="plain", useOffset=False)
        axes.xaxis.set_major_formatter(EngFormatter(sep=""))
        label_line_ends(axes, [_end(name, curves, styles[name][0]) for name in names])
    return written(path_stem)


def _draw(axes: "Axes", curve: Curve, colour: str, dash: object) -> None:
    if curve.train:
        steps, losses = zip(*curve.train, strict=True)
        axes.plot(steps, running_mean(losses), color=colour, alpha=0.3, linewidth=1)
    steps, losses = zip(*curve.validation, strict=True)
    axes.plot(
        steps, losses, color=colour, linestyle=dash, linewidth=2, marker="o", markersize=4.5, markeredgecolor="white"
    )


def _lead_to_edge(axes: "Axes", curve: Curve, farthest: float, colour: str) -> None:
    """Dots from the end of a shorter run to its name at the edge."""
    place, loss = curve.validation[-1]
    if place < (1 - EDGE) * farthest:
        axes.plot([place, (1 + EDGE) * farthest], [loss, loss], color=colour, linestyle=(0, (1, 4)), linewidth=1)


def _set_limits(axes: "Axes", curves: Sequence[Curve], farthest: float) -> None:
    """Both axes end with the data; the height is that of the validation losses and of the training beside them."""
    heights = [loss for curve in curves for _, loss in curve.validation]
    for curve in curves:
        if curve.train:
            heights.append(min(running_mean([loss for _, loss in curve.train])))
    room = HEADROOM * (max(heights) - min(heights)) or HEADROOM
    axes.set_xlim(-EDGE * farthest, (1 + EDGE) * farthest)
    axes.set_ylim(min(heights) - room, max(heights) + room)


def _end(name: str, curves: Sequence[Curve], colour: str) -> tuple[float, str, str]:
    """(height, label, colour) for all curves of one name: the mean of their ends, and of their lowest losses."""
    same = [curve for curve in curves if curve.name == name]
    height = sum(curve.validation[-1][1] for curve in same) / len(same)
    lowest = sum(min(loss for _, loss in curve.validation) for curve in same) / len(same)
    return height, f"{name} {lowest:.3f}" + (f" (mean of {len(same)})" if len(same) > 1 else ""), colour
