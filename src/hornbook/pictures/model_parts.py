"""Where a model's parameters are."""

from collections.abc import Mapping
from pathlib import Path

from hornbook.errors import UserError
from hornbook.pictures.drawing import BLUE, picture, written


def parameter_bars(
    parts: Mapping[str, int], path_stem: Path | str, *, title: str = "Where the parameters are"
) -> list[Path]:
    """Bars of part -> number of parameters, with the share of all: path_stem.png and .svg -> both paths.

    Errors: `UserError` where there is no parameter.
    """
    total = sum(parts.values())
    if not total:
        raise UserError("a model without parameters can't be drawn")
    from matplotlib.ticker import EngFormatter

    with picture(path_stem, 8, 1.5 + 0.36 * len(parts)) as figure:
        axes = figure.add_subplot()
        bars = axes.barh(list(parts), list(parts.values()), color=BLUE, height=0.7)
        axes.bar_label(bars, [f"{n:,}  ({_share(n / total)})" for n in parts.values()], padding=4, fontsize=10)
        axes.set(title=title, xlabel=f"parameters (of {total:,})", xlim=(0, 1.45 * max(parts.values())))
        axes.xaxis.set_major_formatter(EngFormatter(sep=""))
        axes.grid(visible=False)
        axes.invert_yaxis()
    return written(path_stem)


def _share(share: float) -> str:
    return "<0.1%" if share < 0.0005 else f"{share:.1%}"
