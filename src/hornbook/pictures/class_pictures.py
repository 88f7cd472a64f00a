"""Pictures of a classifier: which classes it takes for which, and whether it is as often right as it is sure."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from hornbook.errors import UserError
from hornbook.pictures.drawing import BLUE, GREY, INK, VERMILION, picture, printable, written

if TYPE_CHECKING:
    import numpy as np

MOST_CLASSES = 40
NUMBERED_CLASSES = 12  # up to here the counts are written into the squares
LONGEST_NAME = 16


def confusion_picture(
    confusion: "np.ndarray", classes: Sequence[str], path_stem: Path | str, *, title: str = "Which class for which"
) -> list[Path]:
    """Draw (K, K), row i and column j the texts of class i that were called j: path_stem.png and .svg -> both paths.

    Colours are shares of a row, so that a rare class is seen as well. Errors: `UserError` for more than 40 classes.
    """
    import numpy as np

    if not 1 <= len(classes) <= MOST_CLASSES:
        raise UserError(f"{len(classes)} classes can't be drawn legibly", hint=f"give 1 to {MOST_CLASSES}")
    names = [_short(name) for name in classes]
    shares = confusion / np.maximum(1, confusion.sum(axis=1, keepdims=True))
    size, border = max(2.4, 0.5 * len(classes)), 0.085 * max(map(len, names))
    with picture(path_stem, size + border + 2.2, size + border + 1.2) as figure:
        axes = figure.add_subplot()
        shown = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1, interpolation="nearest")
        axes.set_xticks(
            range(len(names)), names, rotation=45 if len(names) > 3 else 0, ha="right" if len(names) > 3 else "center"
        )
        axes.set_yticks(range(len(names)), names)
        axes.set(title=title, xlabel="was called", ylabel="is")
        axes.grid(visible=False)
        axes.spines[:].set_visible(False)
        axes.tick_params(length=0)
        if len(names) <= NUMBERED_CLASSES:
            for row, column in np.ndindex(confusion.shape):
                colour = "white" if shares[row, column] > 0.5 else INK
                axes.text(column, row, f"{confusion[row, column]:,}", ha="center", va="center", color=colour)
        bar = figure.colorbar(shown, ax=axes, shrink=0.8, aspect=18, ticks=(0, 0.5, 1))
        bar.set_label("share of the row", color=INK)
        bar.outline.set_visible(False)
    return written(path_stem)


def reliability_picture(
    confidence: Sequence[float],
    accuracy: Sequence[float],
    texts: Sequence[int],
    path_stem: Path | str,
    *,
    title: str = "As often right as sure?",
) -> list[Path]:
    """Draw bins of texts, how sure (x) against how often right (y), 0..1: path_stem.png and .svg -> both paths.

    A point's area is its number of texts; on the line sureness and accuracy are the same.
    """
    most = max(texts)
    with picture(path_stem, 5, 4.6) as figure:
        axes = figure.add_subplot()
        axes.plot([0, 1], [0, 1], color=GREY, linewidth=1, zorder=1)
        axes.plot(confidence, accuracy, color=BLUE, linewidth=1, alpha=0.5, zorder=2)
        axes.scatter(confidence, accuracy, [20 + 280 * count / most for count in texts], color=BLUE, zorder=3)
        for x, y, count in zip(confidence, accuracy, texts, strict=True):
            axes.annotate(f"{count:,}", (x, y), xytext=(0, -16), textcoords="offset points", ha="center",
                          fontsize=9, color=VERMILION if y < x else INK)  # fmt: skip
        axes.set(title=title, xlabel="probability given to the class", ylabel="share that is right")
        axes.set(xlim=(-0.02, 1.06), ylim=(-0.12, 1.06))
    return written(path_stem)


def _short(name: str) -> str:
    shown = printable(name).replace("·", " ")
    return shown if len(shown) <= LONGEST_NAME else shown[: LONGEST_NAME - 1] + "…"
