"""What all pictures share: one look, colours that colour-blind readers can tell apart, PNG and SVG that don't change.

matplotlib is imported when a picture is drawn, and only its object interface is used: no global figures, no window.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from io import BytesIO
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hornbook.files import write_atomic

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito 2008, "Color Universal Design"; the yellow is left out: it vanishes on white.
BLUE, VERMILION, GREEN, ORANGE, SKY, PURPLE = "#0072B2", "#D55E00", "#009E73", "#E69F00", "#56B4E9", "#CC79A7"
INK, GREY, PALE = "#1A1A1A", "#5F5F5F", "#DDDDDD"

BLANKS = {" ": "·", "\n": "↵", "\t": "→", "\r": "␍"}  # how they are shown
DOTS_PER_INCH = 150
LABEL_GAP = 0.22  # inches from one line of text to the next
MONOSPACE = "DejaVu Sans Mono"  # like DejaVu Sans it comes with matplotlib: a picture is the same on every machine
LOOK: dict[Any, Any] = {
    "font.family": ["DejaVu Sans"],
    "font.size": 11,
    "axes.titlesize": 13,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.titlepad": 12,
    "axes.labelsize": 11,
    "axes.edgecolor": GREY,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": PALE,
    "grid.linewidth": 0.8,
    "xtick.color": GREY,
    "ytick.color": GREY,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "text.color": INK,
    "text.parse_math": False,  # a dollar sign in a token is a dollar sign
    "svg.hashsalt": "hornbook",
}


@contextmanager
def picture(path_stem: Path | str, width: float, height: float) -> "Iterator[Figure]":
    """A figure of width x height inches to draw on; when the block ends it lies at path_stem.png and path_stem.svg.

    The same drawing gives the same bytes. Errors: `UserError` where the disk refuses.
    """
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    with rc_context(LOOK):
        figure = Figure(figsize=(width, height), dpi=DOTS_PER_INCH, layout="constrained", facecolor="white")
        yield figure
        metadata = {"png": {"Software": None}, "svg": {"Date": None, "Creator": "hornbook"}}
        for kind, path in zip(metadata, written(path_stem), strict=True):
            content = BytesIO()
            figure.savefig(content, format=kind, metadata=metadata[kind])
            write_atomic(path, content.getvalue())


def written(path_stem: Path | str) -> list[Path]:
    """The files of a picture: runs/x/pictures/loss -> [.../loss.png, .../loss.svg]."""
    stem = Path(path_stem)
    return [stem.with_name(stem.name + ending) for ending in (".png", ".svg")]


def label_line_ends(axes: "Axes", ends: Sequence[tuple[float, str, str]]) -> None:
    """Name lines at the right edge of the axes instead of in a legend: (y of the line's end, label, colour) each.

    Labels that would overlap move apart, in the order of their lines.
    """
    low, high = axes.get_ylim()
    height = axes.get_window_extent().height  # dots
    gap = (high - low) * LABEL_GAP * DOTS_PER_INCH / height
    places = apart([y for y, _, _ in ends], gap, low, high)
    for (_, label, colour), place in zip(ends, places, strict=True):
        axes.annotate(
            label,
            xy=(1, place),
            xycoords=("axes fraction", "data"),
            xytext=(6, 0),
            textcoords="offset points",
            color=colour,
            va="center",
            fontweight="bold",
            fontsize=10,
            annotation_clip=False,
        )


def apart(places: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Move places up till they are `gap` apart, then the whole row down where it left [low, high]: order is kept."""
    moved = list(places)
    order = sorted(range(len(places)), key=lambda number: places[number])
    for below, above in pairwise(order):
        moved[above] = max(moved[above], moved[below] + gap)
    limit = high
    for number in reversed(order):
        moved[number] = max(low, min(moved[number], limit))
        limit = moved[number] - gap
    return moved


@cache
def _drawable() -> frozenset[int]:
    from matplotlib.font_manager import findfont, get_font

    return frozenset(get_font(findfont(MONOSPACE)).get_charmap())


def printable(text: str) -> str:
    r"""`text` as a picture can show it: blanks become visible marks, what the font lacks its code: 'a\n' -> 'a↵'."""
    shown = (BLANKS.get(c) or (c if c.isprintable() and ord(c) in _drawable() else f"U+{ord(c):04X}") for c in text)
    return "".join(shown)
